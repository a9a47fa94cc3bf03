// test_wav.c -- WAV files that are well, odd, cut and hostile.
#include <string.h>

#include "base/mem.h"
#include "media/wav.h"
#include "tests/unit.h"

struct file {
    uint8_t bytes[512];
    size_t size;
};

static void put(struct file *file, const void *data, size_t size)
{
    memcpy(file->bytes + file->size, data, size);
    file->size += size;
}

static void put_number(struct file *file, uint32_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        file->bytes[file->size++] = (uint8_t)(value >> (8 * i));
}

static void put_head(struct file *file, uint32_t format, uint32_t channels, uint32_t bits)
{
    file->size = 0;
    put(file, "RIFF\0\0\0\0WAVEfmt ", 16);
    put_number(file, 16, 4);
    put_number(file, format, 2);
    put_number(file, channels, 2);
    put_number(file, 8000, 4);
    put_number(file, 8000 * channels * bits / 8, 4);
    put_number(file, channels * bits / 8, 2);
    put_number(file, bits, 2);
}

static void put_data(struct file *file, const void *data, uint32_t size)
{
    put(file, "data", 4);
    put_number(file, size, 4);
    put(file, data, size);
}

static void expect_samples(const struct file *file, const int16_t *samples, size_t count)
{
    struct prl_wav wav;
    REQUIRE(prl_wav_parse(&wav, file->bytes, file->size) == PRL_OK);
    int16_t *pcm;
    size_t got;
    REQUIRE(prl_wav_decode(&wav, 1000, &pcm, &got) == PRL_OK);
    EXPECT_INT(got, count);
    for (size_t i = 0; i < count && i < got; i++)
        EXPECT_INT(pcm[i], samples[i]);
    prl_mem_free(pcm);
}

PRL_TEST(wav_writes_what_it_reads)
{
    struct file file = {0};
    static const int16_t PCM[] = {0, 1, -1, 32767, -32768};
    prl_wav_header(file.bytes, 24000, 5);
    file.size = PRL_WAV_HEADER_SIZE;
    put(&file, PCM, sizeof(PCM));
    struct prl_wav wav;
    REQUIRE(prl_wav_parse(&wav, file.bytes, file.size) == PRL_OK);
    EXPECT_INT(wav.rate_hz, 24000);
    EXPECT_INT(wav.frame_count, 5);
    expect_samples(&file, PCM, 5);
    // A stream whose length nobody knew.
    prl_wav_header(file.bytes, 24000, (uint64_t)1 << 40);
    expect_samples(&file, PCM, 5);
}

PRL_TEST(wav_reads_all_its_forms)
{
    struct file file;
    put_head(&file, 1, 2, 16);
    static const int16_t STEREO[] = {100, 300, -100, -300};
    put_data(&file, STEREO, sizeof(STEREO));
    static const int16_t MONO[] = {200, -200};
    expect_samples(&file, MONO, 2);

    put_head(&file, 1, 1, 8);
    put_data(&file, "\x80\x00\xFF", 3);
    static const int16_t EIGHT[] = {0, -32768, 32512};
    expect_samples(&file, EIGHT, 3);

    put_head(&file, 1, 1, 24);
    put_data(&file, "\xFF\x34\x12\x00\x00\x80", 6);
    static const int16_t DEEP[] = {0x1234, -32768};
    expect_samples(&file, DEEP, 2);

    put_head(&file, 3, 1, 32);
    float values[] = {0.5F, -2.0F, 2.0F, 0.0F / 1.0F};
    uint32_t nan = 0x7FC00000;
    memcpy(&values[3], &nan, 4);
    put_data(&file, values, sizeof(values));
    static const int16_t FLOATS[] = {16384, -32768, 32767, 0};
    expect_samples(&file, FLOATS, 4);

    put_head(&file, 7, 1, 8);
    put_data(&file, "\x80\xFF", 2);
    static const int16_t ULAW[] = {32124, 0};
    expect_samples(&file, ULAW, 2);

    put_head(&file, 6, 1, 8);
    put_data(&file, "\xAA", 1);
    static const int16_t ALAW[] = {32256};
    expect_samples(&file, ALAW, 1);
}

PRL_TEST(wav_skips_strange_chunks_and_takes_a_cut_file)
{
    struct file file;
    put_head(&file, 1, 1, 16);
    put(&file, "LIST", 4);
    put_number(&file, 3, 4); // odd: one byte of padding
    put(&file, "abc\0", 4);
    put(&file, "data", 4);
    put_number(&file, 1000, 4); // says more than there is
    put(&file, "\x01\x00\x02\x00\x03", 5);
    static const int16_t PCM[] = {1, 2};
    expect_samples(&file, PCM, 2);
}

static enum prl_err parse(const struct file *file)
{
    struct prl_wav wav;
    return prl_wav_parse(&wav, file->bytes, file->size);
}

PRL_TEST(wav_refuses_what_is_none)
{
    struct file file;
    put_head(&file, 1, 1, 16);
    EXPECT_INT(parse(&file), PRL_ERR_INVALID); // no data
    put_head(&file, 1, 0, 16);
    put_data(&file, "ab", 2);
    EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    put_head(&file, 1, 9, 16);
    put_data(&file, "ab", 2);
    EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    put_head(&file, 1, 1, 12);
    put_data(&file, "ab", 2);
    EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    put_head(&file, 85, 1, 16); // MP3
    put_data(&file, "ab", 2);
    EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    put_head(&file, 0xFFFE, 1, 16); // extensible without its extension
    put_data(&file, "ab", 2);
    EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    file.size = 0;
    put(&file, "RIFF\0\0\0\0WAVEdata\2\0\0\0ab", 22); // data before the format
    EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    for (size_t size = 0; size < 44; size++) {
        put_head(&file, 1, 1, 16);
        put_data(&file, "ab", 2);
        file.size = size;
        EXPECT_INT(parse(&file), PRL_ERR_INVALID);
    }
}

PRL_TEST(wav_refuses_more_than_asked_for)
{
    struct file file;
    put_head(&file, 1, 1, 16);
    put_data(&file, "abcd", 4);
    struct prl_wav wav;
    REQUIRE(prl_wav_parse(&wav, file.bytes, file.size) == PRL_OK);
    int16_t *pcm;
    size_t count;
    EXPECT_INT(prl_wav_decode(&wav, 1, &pcm, &count), PRL_ERR_LIMIT);
    EXPECT(pcm == NULL);
}

PRL_TEST_OOM(wav_decode)
{
    struct file file;
    put_head(&file, 1, 1, 16);
    put_data(&file, "abcd", 4);
    struct prl_wav wav;
    REQUIRE(prl_wav_parse(&wav, file.bytes, file.size) == PRL_OK);
    int16_t *pcm;
    size_t count;
    enum prl_err err = prl_wav_decode(&wav, 10, &pcm, &count);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_mem_free(pcm);
}

// test_ogg_opus.c -- Opus files: there and back at every length and cut, chains, damage, no memory.
#include "media/ogg_opus.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/opus.h"
#include "tests/unit.h"

enum { RATE = 24000, SOUND_MAX = 2 * RATE, HEARD_MAX = 2 * SOUND_MAX };

struct heard {
    size_t count;
    int16_t pcm[HEARD_MAX];
};

static void on_sound(void *arg, const int16_t *pcm, size_t count)
{
    struct heard *heard = arg;
    EXPECT(count >= 1 && count <= PRL_OPUS_FILE_SAMPLES_MAX);
    for (size_t i = 0; i < count && heard->count < HEARD_MAX; i++)
        heard->pcm[heard->count++] = pcm[i];
}

static enum prl_err make_file(struct prl_str *file, const int16_t *pcm, size_t count, size_t step)
{
    struct prl_ogg_opus_writer *writer;
    enum prl_err err = prl_ogg_opus_writer_create(&writer, 32000);
    for (size_t at = 0; at < count && !err; at += step)
        err =
            prl_ogg_opus_writer_push(writer, pcm + at, count - at < step ? count - at : step, file);
    if (!err)
        err = prl_ogg_opus_writer_end(writer, file);
    prl_ogg_opus_writer_destroy(&writer);
    return err;
}

static enum prl_err read_file(const char *data, size_t len, size_t step, struct heard *heard,
                              bool *whole)
{
    struct prl_ogg_opus_reader *reader;
    heard->count = 0;
    enum prl_err err = prl_ogg_opus_reader_create(&reader, on_sound, heard);
    for (size_t at = 0; at < len && !err; at += step)
        err = prl_ogg_opus_reader_push(reader, (const uint8_t *)data + at,
                                       len - at < step ? len - at : step);
    *whole = reader && prl_ogg_opus_reader_is_whole(reader);
    prl_ogg_opus_reader_destroy(&reader);
    return err;
}

static const int16_t *tone(void)
{
    static int16_t pcm[SOUND_MAX];
    for (size_t i = 0; i < SOUND_MAX; i++)
        pcm[i] = (int16_t)(12000 * sin((double)i * 0.1));
    return pcm;
}

// Correlation of what was heard with the tone, at the same place: 1 when nothing is shifted.
static double likeness(const struct heard *heard, const int16_t *pcm, size_t count)
{
    double both = 0, one = 1, other = 1;
    for (size_t i = 0; i < count; i++) {
        both += (double)heard->pcm[i] * pcm[i];
        one += (double)heard->pcm[i] * heard->pcm[i];
        other += (double)pcm[i] * pcm[i];
    }
    return both / sqrt(one * other);
}

PRL_TEST(ogg_opus_there_and_back)
{
    static const size_t counts[] = {0, 1, 479, 480, 481, 960, 12345, SOUND_MAX};
    static struct heard heard;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct prl_str file;
        bool whole;
        prl_str_init(&file, 1 << 20);
        EXPECT_OK(make_file(&file, tone(), counts[i], 1 + i * 700));
        for (size_t step = 1; step < 5000; step += 1111) {
            EXPECT_OK(read_file(file.data, file.len, step, &heard, &whole));
            EXPECT(whole);
            EXPECT_INT(heard.count, counts[i]); // to the sample
        }
        if (counts[i] > 1000)
            EXPECT(likeness(&heard, tone(), counts[i]) > 0.9);
        // Cut short, it is not whole, or shorter: nobody takes it for all of it.
        EXPECT_OK(read_file(file.data, file.len - 1, 999, &heard, &whole));
        EXPECT(!whole);
        // Twice is a chain.
        if (counts[i] > 0 && counts[i] <= SOUND_MAX / 2) {
            size_t once = file.len;
            EXPECT_OK(make_file(&file, tone(), counts[i], 5000));
            EXPECT(file.len > once);
            EXPECT_OK(read_file(file.data, file.len, 700, &heard, &whole));
            EXPECT_INT(heard.count, 2 * counts[i]);
        }
        prl_str_free(&file);
    }
}

PRL_TEST(ogg_opus_refuses_other_files)
{
    static struct heard heard;
    struct prl_str file;
    bool whole;
    prl_str_init(&file, 1 << 20);
    EXPECT_OK(read_file("", 0, 1, &heard, &whole));
    EXPECT(!whole);
    EXPECT(read_file("ID3 and so on, for long enough to be a page", 40, 7, &heard, &whole) !=
           PRL_OK);
    EXPECT_OK(make_file(&file, tone(), 5000, 5000));
    // The head is the first page: behind 27 bytes and one size. Its checksum is wrong after a change,
    // and that is enough to be refused.
    for (size_t at = 28; at < 28 + 19; at++) {
        file.data[at] ^= 0x40;
        EXPECT(read_file(file.data, file.len, 100, &heard, &whole) != PRL_OK);
        EXPECT_INT(heard.count, 0);
        file.data[at] ^= 0x40;
    }
    prl_str_free(&file);
}

PRL_TEST_OOM(ogg_opus_without_memory)
{
    static struct heard heard;
    struct prl_str file;
    bool whole = false;
    prl_str_init(&file, 1 << 20);
    enum prl_err err = make_file(&file, tone(), 5000, 1000);
    if (!err)
        err = read_file(file.data, file.len, 500, &heard, &whole);
    EXPECT(!err || prl_test_oom());
    EXPECT(err || whole);
    prl_str_free(&file);
}

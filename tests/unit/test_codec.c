// test_codec.c -- the table of codecs: what goes in comes out, what is missing is hidden.
#include "media/codec.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/resample.h"
#include "tests/unit.h"

static const size_t OUT = PRL_JITTER_FRAME_SAMPLES;

static const struct prl_opus_tuning tuning = {.bitrate_bps = 32000, .complexity = 3};

static void tone(int16_t *pcm, size_t count, size_t at, double hz)
{
    for (size_t i = 0; i < count; i++)
        pcm[i] = (int16_t)(8000 * sin(2 * M_PI * 200 * (double)(at + i) / hz) +
                           3000 * sin(2 * M_PI * 600 * (double)(at + i) / hz));
}

static double energy(const int16_t *pcm, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)pcm[i] * pcm[i];
    return sum / (double)count;
}

static void carry(enum prl_codec codec)
{
    struct prl_voice_out *out = NULL;
    struct prl_voice_in *in = NULL;
    REQUIRE(prl_voice_out_create(&out, codec, &tuning) == PRL_OK);
    REQUIRE(prl_voice_in_create(&in, codec) == PRL_OK);
    prl_voice_out_tune(out, &tuning);
    const struct prl_jitter_codec *table = prl_voice_in_codec(in);
    EXPECT_INT(table->clock_hz, prl_codec_clock_hz(codec));
    uint8_t payload[PRL_CODEC_PAYLOAD_MAX];
    int16_t pcm[PRL_CODEC_IN_SAMPLES];
    int16_t heard[PRL_JITTER_PACKET_SAMPLES];
    for (size_t i = 0; i < 20; i++) {
        tone(pcm, PRL_CODEC_IN_SAMPLES, i * PRL_CODEC_IN_SAMPLES, 24000);
        size_t size = prl_voice_out_encode(out, pcm, payload);
        REQUIRE(size > 2);
        EXPECT(codec == PRL_CODEC_OPUS || size == 160);
        EXPECT_INT(table->samples(table->arg, payload, size), OUT);
        EXPECT(!table->silent(table->arg, payload, size));
        REQUIRE(table->decode(table->arg, payload, size, heard) == OUT);
    }
    EXPECT(energy(heard, OUT) > 2e7 && energy(heard, OUT) < 6e7);
    // Hidden: first much the same, after a while silence, and afterwards sound again.
    table->conceal(table->arg, heard, OUT);
    EXPECT(energy(heard, OUT) > 2e6);
    for (size_t i = 0; i < 30; i++)
        table->conceal(table->arg, heard, OUT);
    EXPECT(energy(heard, OUT) < 1e5);
    for (size_t i = 20; i < 25; i++) {
        tone(pcm, PRL_CODEC_IN_SAMPLES, i * PRL_CODEC_IN_SAMPLES, 24000);
        size_t size = prl_voice_out_encode(out, pcm, payload);
        EXPECT_INT(table->decode(table->arg, payload, size, heard), OUT);
    }
    EXPECT(energy(heard, OUT) > 1e7);
    table->recover(table->arg, payload, 100, heard, OUT);
    prl_voice_out_destroy(&out);
    prl_voice_in_destroy(&in);
    EXPECT(out == NULL && in == NULL);
}

PRL_TEST(codec_carries_sound_with_each)
{
    for (enum prl_codec codec = 0; codec < PRL_CODEC_COUNT; codec++)
        carry(codec);
}

// The seam between made up and real sound has no click.
PRL_TEST(codec_g711_hides_a_lost_packet_without_a_click)
{
    struct prl_voice_out *out = NULL;
    struct prl_voice_in *in = NULL;
    REQUIRE(prl_voice_out_create(&out, PRL_CODEC_PCMA, NULL) == PRL_OK);
    REQUIRE(prl_voice_in_create(&in, PRL_CODEC_PCMA) == PRL_OK);
    const struct prl_jitter_codec *table = prl_voice_in_codec(in);
    uint8_t payload[PRL_CODEC_PAYLOAD_MAX];
    int16_t pcm[PRL_CODEC_IN_SAMPLES];
    int16_t heard[12 * PRL_JITTER_FRAME_SAMPLES];
    int largest = 0;
    for (size_t i = 0; i < 12; i++) {
        tone(pcm, PRL_CODEC_IN_SAMPLES, i * PRL_CODEC_IN_SAMPLES, 24000);
        size_t size = prl_voice_out_encode(out, pcm, payload);
        if (i == 7)
            table->conceal(table->arg, heard + i * OUT, OUT);
        else
            EXPECT_INT(table->decode(table->arg, payload, size, heard + i * OUT), OUT);
    }
    for (size_t i = 3 * OUT; i + 1 < 12 * OUT; i++) {
        int step = heard[i + 1] - heard[i];
        step = step < 0 ? -step : step;
        largest = step > largest ? step : largest;
    }
    EXPECT(largest < 2200); // the tone itself steps by up to 1,330
    prl_voice_out_destroy(&out);
    prl_voice_in_destroy(&in);
}

PRL_TEST(codec_delay_is_as_stated)
{
    struct prl_resample *resample = NULL;
    REQUIRE(prl_resample_create(&resample, PRL_OPUS_IN_HZ, 8000) == PRL_OK);
    EXPECT_INT(prl_resample_delay(resample), 96 / 3);
    prl_resample_destroy(&resample);
    REQUIRE(prl_resample_create(&resample, 8000, PRL_JITTER_HZ) == PRL_OK);
    EXPECT_INT(prl_resample_delay(resample), 64);
    prl_resample_destroy(&resample);
}

PRL_TEST(codec_refuses_what_is_none)
{
    struct prl_voice_in *in = NULL;
    uint8_t payload[2000] = {0};
    int16_t pcm[PRL_JITTER_PACKET_SAMPLES];
    REQUIRE(prl_voice_in_create(&in, PRL_CODEC_PCMU) == PRL_OK);
    const struct prl_jitter_codec *table = prl_voice_in_codec(in);
    static const size_t sizes[] = {0, 1, 19, 161, 961, 980, 2000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        EXPECT_INT(table->samples(table->arg, payload, sizes[i]), 0);
        EXPECT_INT(table->decode(table->arg, payload, sizes[i], pcm), 0);
        EXPECT(!table->protects(table->arg, payload, sizes[i]));
    }
    EXPECT_INT(table->decode(table->arg, payload, 960, pcm), 1920);
    prl_voice_in_destroy(&in);
    REQUIRE(prl_voice_in_create(&in, PRL_CODEC_OPUS) == PRL_OK);
    table = prl_voice_in_codec(in);
    EXPECT_INT(table->samples(table->arg, payload, 0), 0);
    EXPECT(table->silent(table->arg, payload, 1));
    memset(payload, 0xFF, sizeof(payload));
    EXPECT_INT(table->decode(table->arg, payload, 1275, pcm), 0);
    table->recover(table->arg, payload, 1275, pcm, 320);
    prl_voice_in_destroy(&in);
}

PRL_TEST_OOM(codec_create)
{
    for (enum prl_codec codec = 0; codec < PRL_CODEC_COUNT; codec++) {
        struct prl_voice_out *out = NULL;
        struct prl_voice_in *in = NULL;
        (void)!prl_voice_out_create(&out, codec, &tuning);
        (void)!prl_voice_in_create(&in, codec);
        prl_voice_out_destroy(&out);
        prl_voice_in_destroy(&in);
    }
}

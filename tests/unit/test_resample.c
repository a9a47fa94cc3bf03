// test_resample.c -- rates change, tones stay.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/resample.h"
#include "tests/unit.h"

enum { SECONDS_HZ = 48000 };

// Amplitude of `hz` in pcm, by one bin of a Fourier sum.
static double tone(const int16_t *pcm, size_t count, double hz, double rate_hz)
{
    double re = 0;
    double im = 0;
    for (size_t i = 0; i < count; i++) {
        double phase = 2 * 3.14159265358979 * hz * (double)i / rate_hz;
        re += pcm[i] * cos(phase);
        im += pcm[i] * sin(phase);
    }
    return 2 * sqrt(re * re + im * im) / (double)count;
}

static void check_rates(uint32_t in_hz, uint32_t out_hz)
{
    int16_t in[SECONDS_HZ / 2];
    int16_t out[SECONDS_HZ];
    size_t in_count = in_hz / 2;
    for (size_t i = 0; i < in_count; i++)
        in[i] = (int16_t)(10000 * sin(2 * 3.14159265358979 * 500 * (double)i / in_hz));
    struct prl_resample *resample;
    REQUIRE(prl_resample_create(&resample, in_hz, out_hz) == PRL_OK);
    size_t made = 0;
    for (size_t at = 0; at < in_count; at += 160) {
        size_t count = in_count - at < 160 ? in_count - at : 160;
        size_t taken = 0;
        EXPECT(prl_resample_room(resample, count) <= SECONDS_HZ - made);
        made += prl_resample_process(resample, in + at, count, &taken, out + made,
                                     prl_resample_room(resample, count));
        EXPECT_INT(taken, count);
    }
    made += prl_resample_drain(resample, out + made, SECONDS_HZ - made);
    size_t expected = (size_t)in_count * out_hz / in_hz;
    EXPECT(made + 4 >= expected && made <= expected + 2 * (size_t)prl_resample_delay(resample) + 4);
    size_t middle = expected / 4;
    double level = tone(out + middle, expected / 2 / 100 * 100, 500, out_hz);
    EXPECT(level > 9800 && level < 10200);
    prl_resample_destroy(&resample);
    EXPECT(resample == NULL);
}

PRL_TEST(resample_keeps_a_tone)
{
    check_rates(24000, 16000);
    check_rates(16000, 24000);
    check_rates(8000, 16000);
    check_rates(24000, 8000);
    check_rates(22050, 24000);
    check_rates(16000, 16000);
}

PRL_TEST(resample_stops_at_a_small_output)
{
    struct prl_resample *resample;
    REQUIRE(prl_resample_create(&resample, 8000, 24000) == PRL_OK);
    int16_t in[100] = {0};
    int16_t out[30];
    size_t taken = 0;
    size_t made = prl_resample_process(resample, in, 100, &taken, out, 30);
    EXPECT_INT(made, 30);
    EXPECT(taken < 100);
    prl_resample_destroy(&resample);
}

PRL_TEST(resample_reset_forgets)
{
    struct prl_resample *resample;
    REQUIRE(prl_resample_create(&resample, 16000, 24000) == PRL_OK);
    int16_t in[320];
    int16_t first[512];
    int16_t second[512];
    for (int i = 0; i < 320; i++)
        in[i] = (int16_t)(i * 97 % 20000 - 10000);
    size_t count = prl_resample_process(resample, in, 320, NULL, first, 512);
    prl_resample_reset(resample);
    EXPECT_INT(prl_resample_process(resample, in, 320, NULL, second, 512), count);
    EXPECT(memcmp(first, second, count * sizeof(first[0])) == 0);
    prl_resample_destroy(&resample);
}

PRL_TEST(resample_refuses_bad_rates)
{
    struct prl_resample *resample;
    EXPECT_INT(prl_resample_create(&resample, 0, 16000), PRL_ERR_INVALID);
    EXPECT_INT(prl_resample_create(&resample, 16000, 999999), PRL_ERR_INVALID);
    EXPECT(resample == NULL);
    prl_resample_destroy(&resample);
}

PRL_TEST_OOM(resample_create)
{
    struct prl_resample *resample;
    enum prl_err err = prl_resample_create(&resample, 8000, 16000);
    EXPECT((err == PRL_OK) == (resample != NULL));
    prl_resample_destroy(&resample);
}

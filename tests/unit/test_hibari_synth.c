// test_hibari_synth.c -- the waveform stage against the reference: tests/data/hibari_synth.f32 is what
// dsp.synth of hibari-tts 0.2.1 makes of the spectra below with this module's noise.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tts/hibari_synth.h"

enum { FRAMES = 12, SAMPLES = FRAMES * PRL_HIBARI_HOP, BINS = PRL_HIBARI_BINS };

struct fixture {
    float part[5][BINS * FRAMES];
    float f0[FRAMES];
    float expected[SAMPLES], made[SAMPLES + PRL_HIBARI_HOP];
    struct prl_hibari_spectra spectra;
};

static struct fixture *fixture_make(void)
{
    struct fixture *fixture = prl_mem_zalloc(sizeof(*fixture));
    if (!fixture)
        return NULL;
    for (int b = 0; b < BINS; b++)
        for (int k = 0; k < FRAMES; k++) {
            int at = b * FRAMES + k;
            fixture->part[0][at] = (float)(-2 + 1.5 * sin(0.05 * b + k));
            fixture->part[1][at] = (float)(0.8 * sin(0.013 * b * (k + 1)));
            fixture->part[2][at] = (float)(-5 + cos(0.02 * b - 0.5 * k));
            fixture->part[3][at] = (float)(-4 + sin(0.03 * b + 2 * k));
            fixture->part[4][at] = (float)(3 * sin(0.7 * b + k));
        }
    for (int k = 0; k < FRAMES; k++)
        fixture->f0[k] = k >= 4 && k < 6 ? 0 : (float)(180 + 10 * k);
    fixture->spectra = (struct prl_hibari_spectra){fixture->part[0],
                                                   fixture->part[1],
                                                   fixture->part[2],
                                                   fixture->part[3],
                                                   fixture->part[4],
                                                   fixture->f0,
                                                   FRAMES};
    return fixture;
}

static bool expected_read(struct fixture *fixture)
{
    FILE *file = fopen("tests/data/hibari_synth.f32", "rbe");
    size_t got = file ? fread(fixture->expected, sizeof(float), SAMPLES, file) : 0;
    if (file)
        (void)fclose(file);
    return got == SAMPLES;
}

// Signal to noise ratio in dB.
static double snr(const float *expected, const float *made, size_t n)
{
    double signal = 0, noise = 1e-30;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)expected[i] - (double)made[i];
        signal += (double)expected[i] * (double)expected[i];
        noise += difference * difference;
    }
    return 10 * log10(signal / noise);
}

PRL_TEST(hibari_synth_equals_the_reference)
{
    struct prl_hibari_synth *synth;
    struct fixture *fixture = fixture_make();
    REQUIRE(fixture && expected_read(fixture));
    REQUIRE(prl_hibari_synth_create(&synth) == PRL_OK);
    EXPECT_OK(prl_hibari_synth_start(synth, &fixture->spectra, 0));
    EXPECT_INT(prl_hibari_synth_read(synth, fixture->made, FRAMES + 1), FRAMES);
    EXPECT(snr(fixture->expected, fixture->made, SAMPLES) > 60);
    EXPECT_INT(prl_hibari_synth_read(synth, fixture->made, 1), 0);
    prl_hibari_synth_destroy(&synth);
    prl_mem_free(fixture);
}

PRL_TEST(hibari_synth_in_pieces_is_the_same)
{
    struct prl_hibari_synth *synth;
    struct fixture *fixture = fixture_make();
    REQUIRE(fixture && expected_read(fixture));
    REQUIRE(prl_hibari_synth_create(&synth) == PRL_OK);
    EXPECT_OK(prl_hibari_synth_start(synth, &fixture->spectra, 0));
    size_t at = 0, got;
    for (size_t want = 1;
         (got = prl_hibari_synth_read(synth, fixture->made + at * PRL_HIBARI_HOP, want)) > 0;
         want = want % 3 + 1)
        at += got;
    EXPECT_INT(at, FRAMES);
    EXPECT(snr(fixture->expected, fixture->made, SAMPLES) > 60);
    // A later start gives the same sound but for the noise, which is counted from the start.
    EXPECT_OK(prl_hibari_synth_start(synth, &fixture->spectra, 5));
    EXPECT_INT(prl_hibari_synth_read(synth, fixture->made, FRAMES), FRAMES - 5);
    const float *tail = fixture->expected + (size_t)5 * PRL_HIBARI_HOP;
    EXPECT(snr(tail, fixture->made, SAMPLES - 5 * PRL_HIBARI_HOP) > 15);
    prl_hibari_synth_destroy(&synth);
    prl_mem_free(fixture);
}

PRL_TEST(hibari_synth_refuses_too_few_and_too_many_frames)
{
    struct prl_hibari_synth *synth;
    struct fixture *fixture = fixture_make();
    REQUIRE(fixture != NULL && prl_hibari_synth_create(&synth) == PRL_OK);
    fixture->spectra.frames = 3;
    EXPECT_INT(prl_hibari_synth_start(synth, &fixture->spectra, 0), PRL_ERR_LIMIT);
    fixture->spectra.frames = PRL_HIBARI_FRAMES_MAX + 1;
    EXPECT_INT(prl_hibari_synth_start(synth, &fixture->spectra, 0), PRL_ERR_LIMIT);
    prl_hibari_synth_destroy(&synth);
    prl_hibari_synth_destroy(&synth);
    prl_mem_free(fixture);
}

PRL_TEST(hibari_synth_survives_nonsense)
{
    struct prl_hibari_synth *synth;
    struct fixture *fixture = fixture_make();
    REQUIRE(fixture != NULL && prl_hibari_synth_create(&synth) == PRL_OK);
    for (int i = 0; i < BINS * FRAMES; i++)
        for (int part = 0; part < 5; part++)
            fixture->part[part][i] = i % 2 ? NAN : INFINITY;
    for (int k = 0; k < FRAMES; k++)
        fixture->f0[k] = k % 2 ? NAN : 1e30F;
    EXPECT_OK(prl_hibari_synth_start(synth, &fixture->spectra, 1));
    EXPECT_INT(prl_hibari_synth_read(synth, fixture->made, FRAMES), FRAMES - 1);
    prl_hibari_synth_destroy(&synth);
    prl_mem_free(fixture);
}

PRL_TEST_OOM(hibari_synth_short_of_memory)
{
    struct prl_hibari_synth *synth = NULL;
    struct fixture *fixture = fixture_make();
    enum prl_err err = fixture ? prl_hibari_synth_create(&synth) : PRL_ERR_NOMEM;
    if (!err)
        err = prl_hibari_synth_start(synth, &fixture->spectra, 0);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_hibari_synth_destroy(&synth);
    prl_mem_free(fixture);
}

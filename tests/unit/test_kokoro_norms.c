// test_kokoro_norms.c -- the average of norms, by frames, and from when on it counts.
#include <math.h>

#include "tests/unit.h"
#include "tts/kokoro_norms.h"
#include "tts/kokoro_synth.h"

static float own[PRL_KOKORO_NORMS];

static void fill(float value)
{
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        own[i] = value + (float)i;
}

static bool all_are(const float *mean, float value)
{
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        if (!(fabsf(mean[i] - value - (float)i) < 0.05F))
            return false;
    return true;
}

PRL_TEST(kokoro_norms_are_an_average_over_frames)
{
    struct prl_kokoro_norms norms = {.mean = NULL};
    EXPECT(prl_kokoro_norms_known(&norms) == NULL);
    fill(10);
    prl_kokoro_norms_learn(&norms, own, 0); // nothing was made
    EXPECT(prl_kokoro_norms_known(&norms) == NULL);
    prl_kokoro_norms_learn(&norms, own, 120);
    EXPECT(prl_kokoro_norms_known(&norms) == NULL); // too few to go by
    fill(14);
    prl_kokoro_norms_learn(&norms, own, 40);
    REQUIRE(prl_kokoro_norms_known(&norms) != NULL);
    EXPECT(all_are(prl_kokoro_norms_known(&norms), 11));
    fill(21);
    prl_kokoro_norms_learn(&norms, own, 40);
    EXPECT(all_are(prl_kokoro_norms_known(&norms), 13));
    prl_kokoro_norms_free(&norms);
    EXPECT(prl_kokoro_norms_known(&norms) == NULL);
}

PRL_TEST_OOM(kokoro_norms)
{
    struct prl_kokoro_norms norms = {.mean = NULL};
    fill(1);
    prl_kokoro_norms_learn(&norms, own, 200);
    EXPECT(prl_kokoro_norms_known(&norms) == norms.mean); // nothing, or all of it
    prl_kokoro_norms_free(&norms);
}

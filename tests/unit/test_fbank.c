// test_fbank.c -- filter-bank features against tests/data/fbank_vectors.f32, which
// tests/data/fbank_vectors.py computes from the definition in double precision.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "dsp/fbank.h"
#include "tests/unit.h"

enum { SAMPLES = 16000, KEEP = 7, BANDS = PRL_FBANK_BANDS, FRAMES = 98, KEPT = 14 };

// The same numbers as test_signal of fbank_vectors.py; its division rounds down.
static void make_signal(int16_t *signal)
{
    int64_t state = 1;
    for (int64_t i = 0; i < SAMPLES; i++) {
        state = (state * 1103515245 + 12345) % 2147483648;
        signal[i] = 0;
        if (i < SAMPLES / 4)
            continue;
        int64_t noise = (state >> 16) - 16384;
        int64_t down = noise >= 0 ? noise / 16 : -((-noise + 15) / 16);
        signal[i] = (int16_t)(down * (i / 3200 % 3) + (i * 37) % 800 * 8 - 3200);
    }
}

PRL_TEST(fbank_equals_the_definition)
{
    static int16_t signal[SAMPLES];
    static float features[FRAMES * BANDS], wanted[KEPT * BANDS];
    FILE *file = fopen("tests/data/fbank_vectors.f32", "rbe");
    REQUIRE(file != NULL);
    size_t count = fread(wanted, sizeof(*wanted), (size_t)KEPT * BANDS, file);
    (void)fclose(file);
    REQUIRE(count == (size_t)KEPT * BANDS && prl_fbank_frames(SAMPLES) == FRAMES);
    struct prl_fbank *fbank;
    REQUIRE(prl_fbank_create(&fbank) == PRL_OK);
    make_signal(signal);
    prl_fbank_features(fbank, signal, SAMPLES, features);
    float worst = 0.0F;
    for (size_t t = 0; t < KEPT; t++)
        for (size_t i = 0; i < BANDS; i++)
            worst = fmaxf(worst, fabsf(features[t * KEEP * BANDS + i] - wanted[t * BANDS + i]));
    EXPECT(worst < 2e-3F); // a wrong window or band is off by 0.05 and more
    EXPECT(features[0] == 0.0F);
    prl_fbank_destroy(&fbank);
    EXPECT(fbank == NULL);
}

PRL_TEST(fbank_counts_the_windows_that_fit)
{
    EXPECT(prl_fbank_frames(0) == 0 && prl_fbank_frames(399) == 0);
    EXPECT(prl_fbank_frames(400) == 1 && prl_fbank_frames(559) == 1 && prl_fbank_frames(560) == 2);
    struct prl_fbank *fbank;
    int16_t pcm[400];
    float features[BANDS];
    REQUIRE(prl_fbank_create(&fbank) == PRL_OK);
    for (size_t i = 0; i < 400; i++)
        pcm[i] = 32767; // direct current is no sound
    prl_fbank_features(fbank, pcm, 400, features);
    for (size_t i = 0; i < BANDS; i++)
        EXPECT(features[i] == 0.0F);
    prl_fbank_features(fbank, pcm, 399, features); // writes nothing
    prl_fbank_destroy(&fbank);
}

PRL_TEST_OOM(fbank_create)
{
    struct prl_fbank *fbank;
    if (prl_fbank_create(&fbank) != PRL_OK)
        EXPECT(fbank == NULL);
    prl_fbank_destroy(&fbank);
    prl_fbank_destroy(&fbank);
}

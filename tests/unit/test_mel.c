// test_mel.c -- log-mel features against tests/data/mel_vectors.f32, which tests/data/mel_vectors.py
// computes from the definition in double precision.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "dsp/mel.h"
#include "tests/unit.h"

enum { SAMPLES = 128000, FRAMES = SAMPLES / PRL_MEL_HOP_SAMPLES, KEEP = 25 };

// The same numbers as test_signal of mel_vectors.py; its division rounds down.
static int64_t down(int64_t a, int64_t b)
{
    return (a - ((a % b) + b) % b) / b;
}

static void make_signal(float *signal)
{
    int64_t state = 1;
    for (int64_t i = 0; i < SAMPLES; i++) {
        state = (state * 1103515245 + 12345) % 2147483648;
        signal[i] = 0.0F;
        if (i < SAMPLES / 4)
            continue;
        int64_t noise = (state >> 16) - 16384;
        int64_t tone = ((i * 37) % 800) * 8 - 3200 + ((i * 211) % 640) * 4 - 1280;
        int64_t sample = down(noise * (i / 3200 % 5), 16) + down(tone * (i / 1600 % 3), 4);
        signal[i] = (float)sample / 32768.0F;
    }
}

static bool read_vectors(float *wanted, size_t count)
{
    FILE *file = fopen("tests/data/mel_vectors.f32", "rbe");
    if (!file)
        return false;
    bool good = fread(wanted, sizeof(*wanted), count, file) == count;
    (void)fclose(file);
    return good;
}

PRL_TEST(mel_equals_the_definition)
{
    enum { COUNT = FRAMES / KEEP * PRL_MEL_BANDS };
    float *signal = prl_mem_array(SAMPLES, sizeof(*signal));
    float *features = prl_mem_array((size_t)FRAMES * PRL_MEL_BANDS, sizeof(*features));
    static float wanted[COUNT];
    struct prl_mel *mel;
    REQUIRE(signal && features && read_vectors(wanted, COUNT));
    REQUIRE(prl_mel_create(&mel) == PRL_OK);
    make_signal(signal);
    prl_mel_normalise(signal, SAMPLES);
    prl_mel_features(mel, signal, FRAMES, features);
    float worst = 0.0F;
    for (size_t t = 0; t < FRAMES / KEEP; t++)
        for (size_t i = 0; i < PRL_MEL_BANDS; i++)
            worst = fmaxf(worst,
                          fabsf(features[i * FRAMES + t * KEEP] - wanted[t * PRL_MEL_BANDS + i]));
    EXPECT(worst < 2e-4F); // 4e-5 was measured; a wrong window or band is off by 0.01 and more
    prl_mel_destroy(&mel);
    EXPECT(mel == NULL);
    prl_mem_free(signal);
    prl_mem_free(features);
}

PRL_TEST(mel_shortest_signal_and_silence)
{
    enum { SHORT = 2 * PRL_MEL_HOP_SAMPLES, VALUES = 2 * PRL_MEL_BANDS };
    float signal[SHORT] = {0};
    float features[VALUES];
    struct prl_mel *mel;
    REQUIRE(prl_mel_create(&mel) == PRL_OK);
    prl_mel_normalise(signal, SHORT);
    prl_mel_features(mel, signal, 2, features);
    for (size_t i = 0; i < VALUES; i++)
        EXPECT(fabsf(features[i] - (-10.0F + 4.0F) / 4.0F) < 1e-5F);
    // A click at the very end is seen through the mirror, without reading beyond the signal.
    signal[SHORT - 1] = 1.0F;
    prl_mel_features(mel, signal, 2, features);
    EXPECT(features[1] > features[0]);
    prl_mel_destroy(&mel);
}

PRL_TEST(mel_normalises_to_mean_0_variance_1)
{
    float signal[1000];
    for (size_t i = 0; i < 1000; i++)
        signal[i] = 0.25F + (i % 2 ? 0.1F : -0.1F);
    prl_mel_normalise(signal, 1000);
    EXPECT(fabsf(signal[0] + 1.0F) < 1e-3F && fabsf(signal[1] - 1.0F) < 1e-3F);
    float constant[10] = {3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 3.0F, 3.0F};
    prl_mel_normalise(constant, 10);
    EXPECT(constant[0] == 0.0F && constant[9] == 0.0F);
}

PRL_TEST_OOM(mel_create)
{
    struct prl_mel *mel;
    if (prl_mel_create(&mel) != PRL_OK)
        EXPECT(mel == NULL);
    prl_mel_destroy(&mel);
    prl_mel_destroy(&mel);
}

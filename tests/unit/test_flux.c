// test_flux.c -- how fast the colour of a sound changes: a tone that glides, one that a hiss interrupts, levels,
// what is quiet, and short memory.
#include <math.h>

#include "dsp/flux.h"
#include "tests/unit.h"

enum { RATE_HZ = 16000, LENGTH = RATE_HZ / 2 };
static const double PI = 3.14159265358979323846;

static uint32_t noise_state;

static double noise(void)
{
    noise_state = noise_state * 1664525U + 1013904223U;
    return (double)(noise_state >> 8) / (1 << 23) - 1.0;
}

// A voice of ten harmonics whose pitch glides, as in a hum, with a hiss in place of it from `hiss_ms` on for 60 ms
// (0: none), over a quiet noise.
static void make_sound(int16_t *pcm, double level, int hiss_ms)
{
    double phase = 0.0;
    noise_state = 7;
    for (int i = 0; i < LENGTH; i++) {
        phase += 2.0 * PI * (120.0 + 60.0 * i / LENGTH) / RATE_HZ;
        double voice = 0.0;
        for (int k = 1; k <= 10; k++)
            voice += sin(phase * k) / (k * k);
        int ms = i * 1000 / RATE_HZ;
        bool hisses = hiss_ms > 0 && ms >= hiss_ms && ms < hiss_ms + 60;
        double value = hisses ? 0.3 * noise() : voice + 0.002 * noise();
        pcm[i] = (int16_t)(level * value);
    }
}

static float measure(double level, int hiss_ms)
{
    static int16_t pcm[LENGTH];
    struct prl_flux *flux;
    make_sound(pcm, level, hiss_ms);
    EXPECT_OK(prl_flux_create(&flux));
    if (!flux)
        return 0.0F;
    float most = prl_flux_measure(flux, pcm, LENGTH);
    EXPECT(prl_flux_measure(flux, pcm, LENGTH) == most); // nothing is left of the first time
    prl_flux_destroy(&flux);
    EXPECT(flux == NULL);
    return most;
}

PRL_TEST(flux_tells_a_hiss_from_a_hum)
{
    float hum = measure(3000.0, 0);
    float hiss = measure(3000.0, 200);
    EXPECT(hum > 0.0F && hum < 3.0F);
    EXPECT(hiss > 5.0F);
    // The level says nothing, down to where the steps of 16 bits show.
    EXPECT(fabsf(measure(300.0, 0) - hum) < 1.0F);
    EXPECT(fabsf(measure(300.0, 200) - hiss) < 1.0F);
}

PRL_TEST(flux_of_little_is_nothing)
{
    static int16_t pcm[PRL_FLUX_SAMPLES_MAX + RATE_HZ];
    struct prl_flux *flux;
    REQUIRE(prl_flux_create(&flux) == PRL_OK);
    EXPECT(prl_flux_measure(flux, pcm, 0) == 0.0F);
    EXPECT(prl_flux_measure(flux, pcm, 559) == 0.0F);    // one window
    EXPECT(prl_flux_measure(flux, pcm, LENGTH) == 0.0F); // digital silence
    // What is 40 dB below the rest does not count, whatever it is.
    make_sound(pcm + LENGTH, 20.0, 200);
    EXPECT(prl_flux_measure(flux, pcm + LENGTH, LENGTH) > 5.0F);
    make_sound(pcm, 3000.0, 0);
    for (int i = 0; i < LENGTH / 4; i++)
        pcm[LENGTH - 1 - i] = (int16_t)(pcm[LENGTH - 1 - i] * i / (LENGTH / 4));
    EXPECT(prl_flux_measure(flux, pcm, 2 * (size_t)LENGTH) < 3.0F);
    // What is longer than the longest is heard as far as that.
    for (size_t i = PRL_FLUX_SAMPLES_MAX; i < PRL_FLUX_SAMPLES_MAX + RATE_HZ; i++)
        pcm[i] = i % 400 < 200 ? 32767 : -32768;
    EXPECT(prl_flux_measure(flux, pcm, PRL_FLUX_SAMPLES_MAX + (size_t)RATE_HZ) ==
           prl_flux_measure(flux, pcm, PRL_FLUX_SAMPLES_MAX));
    prl_flux_destroy(&flux);
}

PRL_TEST_OOM(flux_create)
{
    struct prl_flux *flux;
    if (prl_flux_create(&flux) != PRL_OK)
        EXPECT(flux == NULL);
    prl_flux_destroy(&flux);
    prl_flux_destroy(&flux);
}

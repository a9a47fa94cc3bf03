// test_stretch.c -- periods found, taken out and put in, silence cut.
#include "media/stretch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

enum { COUNT = 560 };

static void buzz(int16_t *pcm, size_t count, double period)
{
    for (size_t i = 0; i < count; i++) {
        double x = 0;
        for (int h = 1; h <= 8; h++)
            x += sin(2 * M_PI * h * (double)i / period) / h;
        pcm[i] = (int16_t)(6000 * x);
    }
}

static void noise(int16_t *pcm, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pcm[i] = (int16_t)((int)(prl_test_random() % 8000) - 4000);
}

// Largest step between neighbours: a seam would show as one.
static int largest_step(const int16_t *pcm, size_t count)
{
    int largest = 0;
    for (size_t i = 1; i < count; i++)
        largest = abs(pcm[i] - pcm[i - 1]) > largest ? abs(pcm[i] - pcm[i - 1]) : largest;
    return largest;
}

PRL_TEST(stretch_finds_the_period)
{
    int16_t pcm[COUNT];
    static const double periods[] = {50, 80, 121, 160, 235};
    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
        buzz(pcm, COUNT, periods[i]);
        float match = 0;
        size_t period = prl_stretch_period(pcm, COUNT, &match);
        EXPECT(fabs((double)period - periods[i]) <= 1);
        EXPECT(match > 0.95F);
    }
    noise(pcm, COUNT);
    float match = 1;
    (void)prl_stretch_period(pcm, COUNT, &match);
    EXPECT(match < 0.5F);
}

PRL_TEST(stretch_takes_out_and_puts_in_one_period)
{
    int16_t pcm[COUNT + PRL_STRETCH_PERIOD_MAX];
    int16_t real[COUNT + PRL_STRETCH_PERIOD_MAX];
    buzz(pcm, COUNT, 100);
    buzz(real, COUNT + PRL_STRETCH_PERIOD_MAX, 100);
    int step = largest_step(real, COUNT);
    size_t count = prl_stretch_shorter(pcm, COUNT, 0.8F);
    EXPECT_INT(count, COUNT - 100);
    EXPECT(largest_step(pcm, count) <= step + 50);
    for (size_t i = 0; i < count; i++)
        EXPECT(abs(pcm[i] - real[i]) < 300); // the very same buzz
    buzz(pcm, COUNT, 100);
    count = prl_stretch_longer(pcm, COUNT, 0.8F);
    EXPECT_INT(count, COUNT + 100);
    EXPECT(largest_step(pcm, count) <= step + 50);
    for (size_t i = 0; i < count; i++)
        EXPECT(abs(pcm[i] - real[i]) < 300);
}

PRL_TEST(stretch_leaves_noise_alone)
{
    int16_t pcm[COUNT + PRL_STRETCH_PERIOD_MAX];
    int16_t copy[COUNT];
    noise(pcm, COUNT);
    memcpy(copy, pcm, sizeof(copy));
    EXPECT_INT(prl_stretch_shorter(pcm, COUNT, 0.8F), COUNT);
    EXPECT_INT(prl_stretch_longer(pcm, COUNT, 0.8F), COUNT);
    EXPECT(memcmp(copy, pcm, sizeof(copy)) == 0);
}

PRL_TEST(stretch_cuts_silence_at_any_length)
{
    int16_t pcm[COUNT];
    for (size_t less = 0; less < COUNT / 2; less += 13) {
        buzz(pcm, COUNT, 2000); // slow enough that a cut without a blend shows
        int16_t last = pcm[COUNT - 1];
        int16_t first = pcm[0];
        size_t count = prl_stretch_cut(pcm, COUNT, less);
        EXPECT_INT(count, COUNT - less);
        EXPECT_INT(pcm[0], first);
        EXPECT_INT(pcm[count - 1], last);
        EXPECT(largest_step(pcm, count) < 900);
    }
    int16_t two[4] = {1, 2, 3, 4};
    EXPECT_INT(prl_stretch_cut(two, 4, 1), 3);
}

PRL_TEST(stretch_level)
{
    int16_t pcm[COUNT];
    memset(pcm, 0, sizeof(pcm));
    EXPECT_INT(prl_stretch_level_db(pcm, COUNT), -100);
    EXPECT_INT(prl_stretch_level_db(pcm, 0), -100);
    for (size_t i = 0; i < COUNT; i++)
        pcm[i] = i % 2 ? 32767 : -32768;
    EXPECT_INT(prl_stretch_level_db(pcm, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++)
        pcm[i] = i % 2 ? 328 : -328;
    EXPECT_INT(prl_stretch_level_db(pcm, COUNT), -39);
}

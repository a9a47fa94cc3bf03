// test_highpass.c -- speech passes, rumble does not, nothing overflows.
#include <math.h>

#include "dsp/highpass.h"
#include "tests/unit.h"

enum { HZ = 16000, LENGTH = 4000 };

// Gain in dB of a sine of this frequency, once it is steady.
static double gain_db(double hz, double peak)
{
    struct prl_highpass filter = {0};
    int16_t pcm[LENGTH];
    double in = 0.0;
    double out = 0.0;
    for (int i = 0; i < LENGTH; i++)
        pcm[i] = (int16_t)lrint(peak * sin(2.0 * M_PI * hz * i / HZ));
    for (int i = LENGTH / 2; i < LENGTH; i++)
        in += (double)pcm[i] * pcm[i];
    prl_highpass_process(&filter, pcm, LENGTH);
    for (int i = LENGTH / 2; i < LENGTH; i++)
        out += (double)pcm[i] * pcm[i];
    return 10.0 * log10((out + 1e-9) / in);
}

PRL_TEST(highpass_keeps_speech_and_takes_rumble)
{
    EXPECT(fabs(gain_db(1000.0, 10000.0)) < 0.1);
    EXPECT(gain_db(160.0, 10000.0) > -1.0);
    EXPECT(fabs(gain_db(80.0, 10000.0) + 3.0) < 0.3);
    EXPECT(gain_db(20.0, 10000.0) < -20.0);
}

PRL_TEST(highpass_takes_direct_current_and_resets)
{
    struct prl_highpass filter = {0};
    int16_t pcm[LENGTH];
    for (int i = 0; i < LENGTH; i++)
        pcm[i] = 5000;
    prl_highpass_process(&filter, pcm, LENGTH);
    int16_t first = pcm[0];
    EXPECT(pcm[LENGTH - 1] == 0);
    prl_highpass_reset(&filter);
    pcm[0] = 5000;
    prl_highpass_process(&filter, pcm, 1);
    EXPECT_INT(pcm[0], first);
    prl_highpass_process(&filter, NULL, 0);
}

PRL_TEST(highpass_clips_and_falls_silent)
{
    struct prl_highpass filter = {0};
    int16_t pcm[LENGTH];
    for (int i = 0; i < LENGTH; i++)
        pcm[i] = i / 100 % 2 ? INT16_MAX : INT16_MIN;
    prl_highpass_process(&filter, pcm, LENGTH); // a step of 65535: must not wrap round
    for (int i = 101; i < LENGTH; i++)
        if (i % 100 == 0)
            EXPECT(i / 100 % 2 ? pcm[i] > 30000 : pcm[i] < -30000);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < LENGTH; i++)
            pcm[i] = 0;
        prl_highpass_process(&filter, pcm, LENGTH);
    }
    EXPECT(filter.y1 == 0.0F && filter.y2 == 0.0F); // no denormal numbers for ever
}

// highpass.c -- see highpass.h.
#include "dsp/highpass.h"

#include <math.h>

#include "base/check.h"

// tan(pi * 80 / 16000) = 0.0157092; b = 1 / (1 + sqrt(2) k + k^2), a from the same.
static const float B0 = 0.9780302F;
static const float A1 = -1.9555782F;
static const float A2 = 0.9565432F;

void prl_highpass_reset(struct prl_highpass *filter)
{
    *filter = (struct prl_highpass){0};
}

static int16_t to_pcm(float value)
{
    if (value >= 32767.0F)
        return 32767;
    if (value <= -32768.0F)
        return -32768;
    return (int16_t)lrintf(value);
}

void prl_highpass_process(struct prl_highpass *filter, int16_t *pcm, size_t samples)
{
    PRL_CHECK(filter != NULL && (pcm != NULL || samples == 0));
    for (size_t i = 0; i < samples; i++) {
        float x = pcm[i];
        float y = B0 * (x - 2.0F * filter->x1 + filter->x2) - A1 * filter->y1 - A2 * filter->y2;
        // Far below one bit: the tail of a loud sound must not end in slow denormal numbers.
        if (fabsf(y) < 1e-6F)
            y = 0.0F;
        filter->x2 = filter->x1;
        filter->x1 = x;
        filter->y2 = filter->y1;
        filter->y1 = y;
        pcm[i] = to_pcm(y);
    }
}

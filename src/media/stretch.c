// stretch.c -- see stretch.h. The period is the lag at which the last 15 ms of the stretch look most
// like what came before; one such lag is removed or repeated there, blended over its whole length.
#include "media/stretch.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    BLEND_MAX = 80,
    LAG_STEP = 2,
    LAGS = (PRL_STRETCH_PERIOD_MAX - PRL_STRETCH_PERIOD_MIN) / LAG_STEP + 1,
    LEVEL_MIN_DB = -100
};

static const float FULL_SCALE = 32768.0F;
static const float SAME = 0.03F; // peaks of the correlation that are as good as each other

int prl_stretch_level_db(const int16_t *pcm, size_t count)
{
    float sum = 0.0F;
    for (size_t i = 0; i < count; i++)
        sum += (float)pcm[i] * (float)pcm[i];
    if (count == 0 || sum <= 0.0F)
        return LEVEL_MIN_DB;
    float db = 10.0F * log10f(sum / (float)count / (FULL_SCALE * FULL_SCALE));
    return db > LEVEL_MIN_DB ? (int)db : LEVEL_MIN_DB;
}

// Normalised correlation of the last `size` samples with those `lag` earlier, every `step`-th.
static float match_at(const int16_t *end, size_t size, size_t lag, size_t step)
{
    const int16_t *now = end - size;
    const int16_t *then = now - lag;
    float both = 0.0F;
    float a = 1.0F;
    float b = 1.0F;
    for (size_t i = 0; i < size; i += step) {
        both += (float)now[i] * (float)then[i];
        a += (float)now[i] * (float)now[i];
        b += (float)then[i] * (float)then[i];
    }
    return both / sqrtf(a * b);
}

size_t prl_stretch_period(const int16_t *pcm, size_t count, float *match)
{
    PRL_CHECK(count >= PRL_STRETCH_SAMPLES);
    const int16_t *end = pcm + count;
    float matches[LAGS];
    float best_match = -1.0F;
    for (size_t i = 0; i < LAGS; i++) {
        size_t lag = PRL_STRETCH_PERIOD_MIN + i * LAG_STEP;
        matches[i] = match_at(end, PRL_STRETCH_PERIOD_MAX, lag, LAG_STEP);
        best_match = matches[i] > best_match ? matches[i] : best_match;
    }
    // A multiple of the period looks as good; the first peak of that height is the period.
    size_t peak = 0;
    while (matches[peak] < best_match - SAME ||
           (peak + 1 < LAGS && matches[peak + 1] > matches[peak]))
        peak++;
    size_t centre = PRL_STRETCH_PERIOD_MIN + peak * LAG_STEP;
    size_t best = centre;
    best_match = -1.0F;
    for (size_t lag = centre > PRL_STRETCH_PERIOD_MIN ? centre - 1 : centre;
         lag <= centre + 1 && lag <= PRL_STRETCH_PERIOD_MAX; lag++) {
        float at = match_at(end, PRL_STRETCH_PERIOD_MAX, lag, 1);
        if (at > best_match) {
            best_match = at;
            best = lag;
        }
    }
    *match = best_match > 0.0F ? best_match : 0.0F;
    return best;
}

// out[i] goes from `from[i]` to `to[i]`; out may be either.
static void blend(int16_t *out, const int16_t *from, const int16_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t up = (int32_t)(i + 1);
        int32_t all = (int32_t)count + 1;
        out[i] = (int16_t)(((int32_t)from[i] * (all - up) + (int32_t)to[i] * up) / all);
    }
}

size_t prl_stretch_shorter(int16_t *pcm, size_t count, float match_min)
{
    float match;
    size_t period = prl_stretch_period(pcm, count, &match);
    if (match < match_min)
        return count;
    // The last two periods become one.
    int16_t *last = pcm + count - period;
    blend(last - period, last - period, last, period);
    return count - period;
}

size_t prl_stretch_longer(int16_t *pcm, size_t count, float match_min)
{
    float match;
    size_t period = prl_stretch_period(pcm, count, &match);
    if (match < match_min)
        return count;
    // The last two periods A B become A (B to A) B.
    int16_t *last = pcm + count - period;
    memmove(last + period, last, period * sizeof(*pcm));
    blend(last, last + period, last - period, period);
    return count + period;
}

size_t prl_stretch_cut(int16_t *pcm, size_t count, size_t less)
{
    PRL_CHECK(less < count / 2);
    size_t size = count - less;
    size_t over = size / 2 < BLEND_MAX ? size / 2 : BLEND_MAX;
    size_t at = (size - over) / 2;
    blend(pcm + at, pcm + at, pcm + at + less, over);
    memmove(pcm + at + over, pcm + at + less + over, (size - at - over) * sizeof(*pcm));
    return size;
}

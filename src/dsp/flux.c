// flux.c -- see flux.h.
#include "dsp/flux.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "dsp/fbank.h"

enum {
    BANDS = 8,
    GROUP = PRL_FBANK_BANDS / BANDS, // of the filter bank in one of ours
    FRAMES_MAX = (PRL_FLUX_SAMPLES_MAX - PRL_FBANK_WINDOW_SAMPLES) / PRL_FBANK_HOP_SAMPLES + 1,
    LARGEST = 3
};
static const float DEPTH = 7.0F;       // logarithm of power: 30 dB
static const float DB_OF_LOG = 4.343F; // of power

struct frame {
    float bands[BANDS]; // natural logarithm of power, mean of a group
    float level;        // of all
};

struct prl_flux {
    struct prl_fbank *fbank;         // owned
    struct frame frames[FRAMES_MAX]; // scratch
};

_Static_assert(PRL_FBANK_BANDS % BANDS == 0, "each band of the filter bank is in one of ours");

enum prl_err prl_flux_create(struct prl_flux **out)
{
    PRL_CHECK(out != NULL);
    struct prl_flux *flux = prl_mem_zalloc(sizeof(*flux));
    *out = flux;
    if (!flux)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_fbank_create(&flux->fbank);
    if (err)
        prl_flux_destroy(out);
    return err;
}

void prl_flux_destroy(struct prl_flux **flux)
{
    PRL_CHECK(flux != NULL);
    if (*flux)
        prl_fbank_destroy(&(*flux)->fbank);
    prl_mem_free(*flux);
    *flux = NULL;
}

static struct frame frame_of(struct prl_flux *flux, const int16_t *pcm)
{
    float features[PRL_FBANK_BANDS];
    prl_fbank_features(flux->fbank, pcm, PRL_FBANK_WINDOW_SAMPLES, features);
    struct frame frame = {.level = 0.0F};
    float power = 0.0F;
    for (size_t i = 0; i < PRL_FBANK_BANDS; i++) {
        frame.bands[i / GROUP] += features[i] / (float)GROUP;
        power += expf(features[i]);
    }
    frame.level = logf(power);
    return frame;
}

// Keeps the largest, in falling order.
static void keep_largest(float largest[LARGEST], float value)
{
    for (size_t i = 0; i < LARGEST; i++)
        if (value > largest[i]) {
            float less = largest[i];
            largest[i] = value;
            value = less;
        }
}

static float mean(const float largest[LARGEST])
{
    float sum = 0.0F;
    for (size_t i = 0; i < LARGEST; i++)
        sum += largest[i];
    return sum / (float)LARGEST;
}

// How far the bands move against each other; none counts below `least`.
static float move(const struct frame *from, const struct frame *to, float least)
{
    float steps[BANDS];
    float common = 0.0F;
    for (size_t i = 0; i < BANDS; i++) {
        steps[i] = fmaxf(to->bands[i], least) - fmaxf(from->bands[i], least);
        common += steps[i] / (float)BANDS;
    }
    float sum = 0.0F;
    for (size_t i = 0; i < BANDS; i++)
        sum += fabsf(steps[i] - common);
    return sum / (float)BANDS;
}

float prl_flux_measure(struct prl_flux *flux, const int16_t *pcm, size_t n)
{
    PRL_CHECK(flux != NULL);
    size_t count = prl_fbank_frames(n < PRL_FLUX_SAMPLES_MAX ? n : PRL_FLUX_SAMPLES_MAX);
    float loudest[LARGEST] = {0.0F};
    for (size_t i = 0; i < count; i++) {
        flux->frames[i] = frame_of(flux, pcm + i * PRL_FBANK_HOP_SAMPLES);
        keep_largest(loudest, flux->frames[i].level);
    }
    float loud = mean(loudest) - DEPTH;
    float least = loud - logf((float)PRL_FBANK_BANDS);
    float moves[LARGEST] = {0.0F};
    for (size_t i = 1; i < count; i++) {
        const struct frame *frame = &flux->frames[i];
        if (frame[0].level > loud && frame[-1].level > loud)
            keep_largest(moves, move(frame - 1, frame, least));
    }
    return mean(moves) * DB_OF_LOG;
}

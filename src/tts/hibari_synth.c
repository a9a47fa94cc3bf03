// hibari_synth.c -- see hibari_synth.h. Overlap-add runs in blocks of one hop: block b of the padded
// signal gets the b-3rd to b-th frame, and sample 0 of the output is the start of block 2.
#include "tts/hibari_synth.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "dsp/fft.h"

enum {
    SIZE = 1200, // of the transform
    HOP = PRL_HIBARI_HOP,
    BINS = PRL_HIBARI_BINS,
    OVERLAP = SIZE / HOP,
    CENTER = SIZE / 2 / HOP, // blocks before the first sample
    FRAMES_MIN = 4,
    RATE = 24000,
};
static const float voiced_hz_min = 40.0F;
static const float harmonic_hz_max = 11000.0F;
static const float log_max = 7.0F;
static const float pi = 3.14159265358979F;
static const uint32_t noise_seed = 0x9e3779b9;

struct prl_hibari_synth {
    // set once
    struct prl_fft *fft; // owned
    float window[SIZE];  // periodic Hann
    // of the clause
    struct prl_hibari_spectra spectra; // borrowed
    float *pulses;                     // owned, spectra.frames * HOP
    size_t pulses_capacity;
    size_t first;  // block of the clause that is read first
    size_t padded; // next block of the padded signal, and next frame to add to it
    uint32_t noise;
    float sums[OVERLAP][HOP]; // of padded block b at index b % OVERLAP
    // scratch
    float signal[SIZE];
    float spectrum[2 * BINS];
};

enum prl_err prl_hibari_synth_create(struct prl_hibari_synth **out)
{
    PRL_CHECK(out != NULL);
    *out = NULL;
    struct prl_hibari_synth *synth = prl_mem_zalloc(sizeof(*synth));
    if (!synth)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_fft_create(&synth->fft, SIZE);
    if (err) {
        prl_hibari_synth_destroy(&synth);
        return err;
    }
    for (size_t i = 0; i < SIZE; i++)
        synth->window[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * (double)i / SIZE));
    *out = synth;
    return PRL_OK;
}

void prl_hibari_synth_destroy(struct prl_hibari_synth **synth)
{
    PRL_CHECK(synth != NULL);
    if (!*synth)
        return;
    prl_fft_destroy(&(*synth)->fft);
    prl_mem_free((*synth)->pulses);
    prl_mem_free(*synth);
    *synth = NULL;
}

// Every harmonic below 11 kHz at unit amplitude: sum_{h<=H} cos(ht) = sin((H+1/2)t) / (2 sin(t/2))
// - 1/2. Pitch is interpolated between the middles of frames.
static void pulses_make(struct prl_hibari_synth *synth)
{
    const struct prl_hibari_spectra *spectra = &synth->spectra;
    double cycles = 0;
    for (size_t k = 0; k < spectra->frames; k++) {
        float here = spectra->f0[k];
        float before = k > 0 ? spectra->f0[k - 1] : here;
        float after = k + 1 < spectra->frames ? spectra->f0[k + 1] : here;
        for (size_t j = 0; j < HOP; j++) {
            float place = ((float)j + 0.5F) / HOP - 0.5F;
            float share = place < 0 ? place + 1 : place;
            float hz = place < 0 ? before * (1 - share) + here * share
                                 : here * (1 - share) + after * share;
            float *out = &synth->pulses[k * HOP + j];
            bool voiced = hz > voiced_hz_min; // false for NaN as well
            if (!voiced)
                hz = voiced_hz_min;
            cycles += (double)hz / RATE;
            float phase = (float)((cycles - floor(cycles)) * 2 * M_PI);
            float harmonics = floorf(harmonic_hz_max / hz) + 0.5F;
            float low = sinf(phase * 0.5F) * 2;
            *out = fabsf(low) <= 2e-3F ? harmonics : sinf(harmonics * phase) / low;
            *out = voiced ? *out - 0.5F : 0;
        }
    }
}

enum prl_err prl_hibari_synth_start(struct prl_hibari_synth *synth,
                                    const struct prl_hibari_spectra *spectra, size_t first)
{
    PRL_CHECK(synth != NULL && spectra != NULL);
    if (spectra->frames < FRAMES_MIN || spectra->frames > PRL_HIBARI_FRAMES_MAX)
        return PRL_ERR_LIMIT;
    size_t samples = spectra->frames * HOP;
    if (samples > synth->pulses_capacity) {
        prl_mem_free(synth->pulses);
        synth->pulses_capacity = 0;
        synth->pulses = prl_mem_array(samples, sizeof(*synth->pulses));
        if (!synth->pulses)
            return PRL_ERR_NOMEM;
        synth->pulses_capacity = samples;
    }
    synth->spectra = *spectra;
    synth->first = first < spectra->frames ? first : spectra->frames;
    synth->padded = synth->first > 0 ? synth->first - 1 : 0; // the first frame that reaches there
    synth->noise = noise_seed;
    memset(synth->sums, 0, sizeof(synth->sums));
    pulses_make(synth);
    return PRL_OK;
}

// Uniform in -sqrt(3)..sqrt(3): mean 0, variance 1.
static float noise_next(struct prl_hibari_synth *synth)
{
    uint32_t x = synth->noise;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    synth->noise = x;
    return ((float)(int32_t)x / 2147483648.0F) * 1.7320508F;
}

static float magnitude(float log_value)
{
    return expf(log_value < log_max ? log_value : log_max);
}

// The transform of 1200 pulse samples around the start of frame k, mirrored at both ends.
static void pulses_transform(struct prl_hibari_synth *synth, size_t k)
{
    ptrdiff_t last = (ptrdiff_t)(synth->spectra.frames * HOP) - 1;
    for (ptrdiff_t i = 0; i < SIZE; i++) {
        ptrdiff_t at = (ptrdiff_t)(k * HOP) - SIZE / 2 + i;
        if (at < 0)
            at = -at;
        if (at > last)
            at = 2 * last - at;
        synth->signal[i] = synth->pulses[at] * synth->window[i] * (4.0F / SIZE);
    }
    prl_fft_forward(synth->fft, synth->signal, synth->spectrum);
}

static void frame_add(struct prl_hibari_synth *synth, size_t k)
{
    const struct prl_hibari_spectra *spectra = &synth->spectra;
    pulses_transform(synth, k);
    for (size_t bin = 0; bin < BINS; bin++) {
        size_t at = bin * spectra->frames + k;
        float turn = pi * tanhf(spectra->theta[at]), harmonic = magnitude(spectra->lh[at]);
        float a = harmonic * cosf(turn), b = harmonic * sinf(turn);
        float re = synth->spectrum[2 * bin], im = synth->spectrum[2 * bin + 1];
        float hiss = magnitude(spectra->ln[at]), rest = magnitude(spectra->lr[at]);
        float noise_re = noise_next(synth), noise_im = noise_next(synth);
        synth->spectrum[2 * bin] =
            re * a - im * b + hiss * noise_re + rest * cosf(spectra->phi[at]);
        synth->spectrum[2 * bin + 1] =
            re * b + im * a + hiss * noise_im + rest * sinf(spectra->phi[at]);
    }
    // A real signal has real ends of its spectrum.
    synth->spectrum[1] = synth->spectrum[2 * BINS - 1] = 0;
    prl_fft_inverse(synth->fft, synth->spectrum, synth->signal);
    for (size_t part = 0; part < OVERLAP; part++) {
        float *sum = synth->sums[(k + part) % OVERLAP];
        for (size_t j = 0; j < HOP; j++)
            sum[j] += synth->signal[part * HOP + j] * synth->window[part * HOP + j] / SIZE;
    }
}

// Gives padded block `padded`, divided by the summed squares of the windows, and clears it.
static void block_take(struct prl_hibari_synth *synth, size_t padded, float *out)
{
    float *sum = synth->sums[padded % OVERLAP];
    for (size_t j = 0; j < HOP; j++) {
        float weight = 0;
        for (size_t part = 0; part < OVERLAP; part++) {
            float w = synth->window[part * HOP + j];
            if (padded >= part && padded - part < synth->spectra.frames)
                weight += w * w;
        }
        out[j] = sum[j] / (weight > 1e-11F ? weight : 1e-11F);
        sum[j] = 0;
    }
}

size_t prl_hibari_synth_read(struct prl_hibari_synth *synth, float *samples, size_t blocks)
{
    size_t count = 0, end = synth->spectra.frames + CENTER;
    float dropped[HOP] = {0};
    for (; count < blocks && synth->padded < end; synth->padded++) {
        if (synth->padded < synth->spectra.frames)
            frame_add(synth, synth->padded);
        bool wanted = synth->padded >= synth->first + CENTER;
        block_take(synth, synth->padded, wanted ? samples + count * HOP : dropped);
        count += wanted ? 1 : 0;
    }
    return count;
}

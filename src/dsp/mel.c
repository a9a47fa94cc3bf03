// mel.c -- see mel.h. Each band touches few of the transform's bins, so the bank of bands is kept as
// one run of weights with a first bin and a length for each band.
#include "dsp/mel.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "dsp/fft.h"

enum {
    WINDOW = 400, // samples
    HALF = WINDOW / 2,
    BINS = WINDOW / 2 + 1,
    BANDS = PRL_MEL_BANDS,
    HOP = PRL_MEL_HOP_SAMPLES,
    WEIGHTS_MAX = 2 * BINS, // a bin lies in two bands at most
};
static const double PI = 3.14159265358979323846;
// Slaney's scale: linear below 1 kHz, then 27 steps for each factor of 6.4.
static const double BEND_HZ = 1000.0;
static const double BEND_MEL = 15.0;
static const double HZ_PER_MEL = 200.0 / 3.0;
static const float POWER_MIN = 1e-10F;
static const float DECADES = 8.0F;
static const double VARIANCE_MIN = 1e-7; // keeps silence from being blown up

struct band {
    int first; // bin
    int count;
    int weight; // index of the first
};

struct prl_mel {
    // Set once.
    float window[WINDOW];
    struct band bands[BANDS];
    float weights[WEIGHTS_MAX];
    // Owned.
    struct prl_fft *fft;
    // Scratch.
    float frame[WINDOW];
    float spectrum[2 * BINS];
    float power[BINS];
};

static double mel_to_hz(double mel)
{
    if (mel < BEND_MEL)
        return mel * HZ_PER_MEL;
    return BEND_HZ * exp((mel - BEND_MEL) * log(6.4) / 27.0);
}

static double hz_to_mel(double hz)
{
    if (hz < BEND_HZ)
        return hz / HZ_PER_MEL;
    return BEND_MEL + log(hz / BEND_HZ) * 27.0 / log(6.4);
}

// Triangles of equal area whose corners are evenly spaced in mels from 0 Hz to half the rate.
static void make_bands(struct prl_mel *mel)
{
    double step = hz_to_mel(PRL_MEL_RATE_HZ / 2.0) / (BANDS + 1);
    int used = 0;
    for (int i = 0; i < BANDS; i++) {
        double low = mel_to_hz(step * i);
        double mid = mel_to_hz(step * (i + 1));
        double high = mel_to_hz(step * (i + 2));
        struct band *band = &mel->bands[i];
        *band = (struct band){.weight = used};
        for (int bin = 0; bin < BINS; bin++) {
            double hz = bin * (PRL_MEL_RATE_HZ / (double)WINDOW);
            double slope = fmin((hz - low) / (mid - low), (high - hz) / (high - mid));
            if (slope <= 0.0)
                continue;
            if (band->count == 0)
                band->first = bin;
            band->count++;
            PRL_CHECK(used < WEIGHTS_MAX);
            mel->weights[used++] = (float)(slope * 2.0 / (high - low));
        }
    }
}

enum prl_err prl_mel_create(struct prl_mel **out)
{
    PRL_CHECK(out != NULL);
    *out = NULL;
    struct prl_mel *mel = prl_mem_zalloc(sizeof(*mel));
    if (!mel)
        return PRL_ERR_NOMEM;
    for (int i = 0; i < WINDOW; i++)
        mel->window[i] = (float)(0.5 - 0.5 * cos(2.0 * PI * i / WINDOW));
    make_bands(mel);
    enum prl_err err = prl_fft_create(&mel->fft, WINDOW);
    if (err)
        prl_mel_destroy(&mel);
    *out = mel;
    return err;
}

void prl_mel_destroy(struct prl_mel **mel)
{
    PRL_CHECK(mel != NULL);
    if (!*mel)
        return;
    prl_fft_destroy(&(*mel)->fft);
    prl_mem_free(*mel);
    *mel = NULL;
}

// The window whose middle is sample `middle` of `n`, mirrored where it hangs over.
static void cut_frame(struct prl_mel *mel, const float *signal, size_t n, size_t middle)
{
    if (middle >= HALF && middle + HALF <= n) {
        const float *from = signal + (middle - HALF);
        for (size_t i = 0; i < WINDOW; i++)
            mel->frame[i] = from[i] * mel->window[i];
        return;
    }
    for (size_t i = 0; i < WINDOW; i++) {
        size_t at = middle + i; // of the signal, HALF too high
        size_t index = at < HALF ? HALF - at : at - HALF;
        if (index >= n)
            index = 2 * (n - 1) - index;
        mel->frame[i] = signal[index] * mel->window[i];
    }
}

static float band_log(const struct prl_mel *mel, const struct band *band)
{
    const float *weights = mel->weights + band->weight;
    const float *power = mel->power + band->first;
    float sum = 0.0F;
    for (int i = 0; i < band->count; i++)
        sum += weights[i] * power[i];
    return log10f(fmaxf(sum, POWER_MIN));
}

void prl_mel_features(struct prl_mel *mel, const float *signal, size_t frames, float *features)
{
    PRL_CHECK(mel != NULL && signal != NULL && features != NULL);
    PRL_CHECK(frames >= 2 && frames <= SIZE_MAX / (BANDS * sizeof(float)));
    float loudest = -INFINITY;
    for (size_t t = 0; t < frames; t++) {
        cut_frame(mel, signal, frames * HOP, t * HOP);
        prl_fft_forward(mel->fft, mel->frame, mel->spectrum);
        for (size_t bin = 0; bin < BINS; bin++) {
            float re = mel->spectrum[2 * bin], im = mel->spectrum[2 * bin + 1];
            mel->power[bin] = re * re + im * im;
        }
        for (size_t i = 0; i < BANDS; i++) {
            float value = band_log(mel, &mel->bands[i]);
            features[i * frames + t] = value;
            loudest = fmaxf(loudest, value);
        }
    }
    for (size_t i = 0; i < BANDS * frames; i++)
        features[i] = (fmaxf(features[i], loudest - DECADES) + 4.0F) / 4.0F;
}

void prl_mel_normalise(float *signal, size_t n)
{
    PRL_CHECK(signal != NULL && n > 0);
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)signal[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)signal[i] - mean) * ((double)signal[i] - mean);
    double scale = 1.0 / sqrt(squares / (double)n + VARIANCE_MIN);
    for (size_t i = 0; i < n; i++)
        signal[i] = (float)(((double)signal[i] - mean) * scale);
}

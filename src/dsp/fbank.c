// fbank.c -- see fbank.h. As in mel.c each band keeps its weights as a run with a first bin.
#include "dsp/fbank.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "dsp/fft.h"

enum {
    RATE_HZ = 16000,
    WINDOW = PRL_FBANK_WINDOW_SAMPLES,
    HOP = PRL_FBANK_HOP_SAMPLES,
    BANDS = PRL_FBANK_BANDS,
    POINTS = 512,
    BINS = POINTS / 2,      // the one at half the rate is in no band
    WEIGHTS_MAX = 2 * BINS, // a bin lies in two bands at most
    LOW_HZ = 20
};
static const double PI = 3.14159265358979323846;
static const float PRE_EMPHASIS = 0.97F;
static const float POWER_MIN = 1.0F;

struct band {
    int first; // bin
    int count;
    int weight; // index of the first
};

struct prl_fbank {
    // Set once.
    float window[WINDOW];
    struct band bands[BANDS];
    float weights[WEIGHTS_MAX];
    // Owned.
    struct prl_fft *fft;
    // Scratch.
    float frame[POINTS];
    float spectrum[POINTS + 2];
    float power[BINS];
};

static double mel(double hz)
{
    return 1127.0 * log(1.0 + hz / 700.0);
}

static void make_bands(struct prl_fbank *fbank)
{
    double low = mel(LOW_HZ);
    double step = (mel(RATE_HZ / 2.0) - low) / (BANDS + 1);
    int used = 0;
    for (int i = 0; i < BANDS; i++) {
        struct band *band = &fbank->bands[i];
        *band = (struct band){.weight = used};
        for (int bin = 0; bin < BINS; bin++) {
            double at = (mel(bin * (RATE_HZ / (double)POINTS)) - low) / step - i;
            double slope = fmin(at, 2.0 - at);
            if (slope <= 0.0)
                continue;
            if (band->count == 0)
                band->first = bin;
            band->count++;
            PRL_CHECK(used < WEIGHTS_MAX);
            fbank->weights[used++] = (float)slope;
        }
    }
}

enum prl_err prl_fbank_create(struct prl_fbank **out)
{
    PRL_CHECK(out != NULL);
    *out = NULL;
    struct prl_fbank *fbank = prl_mem_zalloc(sizeof(*fbank));
    if (!fbank)
        return PRL_ERR_NOMEM;
    for (int i = 0; i < WINDOW; i++)
        fbank->window[i] = (float)pow(0.5 - 0.5 * cos(2.0 * PI * i / (WINDOW - 1)), 0.85);
    make_bands(fbank);
    enum prl_err err = prl_fft_create(&fbank->fft, POINTS);
    if (err)
        prl_fbank_destroy(&fbank);
    *out = fbank;
    return err;
}

void prl_fbank_destroy(struct prl_fbank **fbank)
{
    PRL_CHECK(fbank != NULL);
    if (!*fbank)
        return;
    prl_fft_destroy(&(*fbank)->fft);
    prl_mem_free(*fbank);
    *fbank = NULL;
}

size_t prl_fbank_frames(size_t n)
{
    return n < WINDOW ? 0 : 1 + (n - WINDOW) / HOP;
}

static void cut_frame(struct prl_fbank *fbank, const int16_t *pcm)
{
    float sum = 0.0F;
    for (size_t i = 0; i < WINDOW; i++)
        sum += (float)pcm[i];
    float mean = sum / (float)WINDOW;
    float before = (float)pcm[0] - mean;
    for (size_t i = 0; i < WINDOW; i++) {
        float now = (float)pcm[i] - mean;
        fbank->frame[i] = (now - PRE_EMPHASIS * before) * fbank->window[i];
        before = now;
    }
}

void prl_fbank_features(struct prl_fbank *fbank, const int16_t *pcm, size_t n, float *features)
{
    PRL_CHECK(fbank != NULL && pcm != NULL && features != NULL);
    size_t frames = prl_fbank_frames(n);
    for (size_t t = 0; t < frames; t++) {
        cut_frame(fbank, pcm + t * HOP); // the points behind the window stay 0
        prl_fft_forward(fbank->fft, fbank->frame, fbank->spectrum);
        for (size_t bin = 0; bin < BINS; bin++) {
            float re = fbank->spectrum[2 * bin], im = fbank->spectrum[2 * bin + 1];
            fbank->power[bin] = re * re + im * im;
        }
        for (size_t i = 0; i < BANDS; i++) {
            const struct band *band = &fbank->bands[i];
            float sum = 0.0F;
            for (int k = 0; k < band->count; k++)
                sum += fbank->weights[band->weight + k] * fbank->power[band->first + k];
            features[t * BANDS + i] = logf(fmaxf(sum, POWER_MIN));
        }
    }
}

// fbank.h -- log filter-bank features of speech, as the models of the Kaldi family hear it.
//
// Windows of 25 ms every 10 ms that lie within the sound, mean taken out, high tones raised, power
// spectrum, 80 triangular bands from 20 Hz to half the rate, natural logarithm.
// Units:    16-bit samples at 16 kHz; features in rows of PRL_FBANK_BANDS, one a window.
// Threads:  one owner (it holds scratch memory).
// Memory:   one block of about 12 KiB beside the transform's; nothing is allocated after create.
// Errors:   NOMEM in create; nothing can fail later.
// Source:   Kaldi's fbank with its own settings (pre-emphasis 0.97, Povey's window, 512 points, mel scale
//           of O'Shaughnessy), without dither. Power below that of the 16-bit steps themselves counts as
//           1, so that digital silence is no outlier. Checked by tests/data/fbank_vectors.py.
#ifndef PRL_DSP_FBANK_H
#define PRL_DSP_FBANK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_FBANK_BANDS = 80, PRL_FBANK_WINDOW_SAMPLES = 400, PRL_FBANK_HOP_SAMPLES = 160 };

struct prl_fbank;

enum prl_err prl_fbank_create(struct prl_fbank **out) PRL_MUST_USE;
void prl_fbank_destroy(struct prl_fbank **fbank);

// Windows that fit into `n` samples.
size_t prl_fbank_frames(size_t n);
// Writes prl_fbank_frames(n) rows.
void prl_fbank_features(struct prl_fbank *fbank, const int16_t *pcm, size_t n, float *features);

#endif

// mel.h -- log-mel features of speech, as Whisper and the models made from it hear it.
//
// Windows of 25 ms every 10 ms, power spectrum, 80 triangular bands, logarithm, the lowest 8 decades
// below the loudest cut off, scaled to about -1..1.
// Units:    samples at 16 kHz; frames of 160 samples; features in rows of bands.
// Threads:  one owner (it holds scratch memory).
// Memory:   one block of about 10 KiB beside the transform's; nothing is allocated after create.
// Errors:   NOMEM in create; nothing can fail later.
// Source:   Radford et al. 2022 (Whisper), section 2.2; Slaney 1998 for the bands. Checked against
//           double precision by tests/data/mel_vectors.py.
#ifndef PRL_DSP_MEL_H
#define PRL_DSP_MEL_H

#include <stddef.h>

#include "base/err.h"

enum { PRL_MEL_RATE_HZ = 16000, PRL_MEL_HOP_SAMPLES = 160, PRL_MEL_BANDS = 80 };

struct prl_mel;

enum prl_err prl_mel_create(struct prl_mel **out) PRL_MUST_USE;
void prl_mel_destroy(struct prl_mel **mel);

// `signal` has frames * PRL_MEL_HOP_SAMPLES samples, at least 2 frames; it is mirrored at both ends.
// Writes PRL_MEL_BANDS rows of `frames` values each.
void prl_mel_features(struct prl_mel *mel, const float *signal, size_t frames, float *features);

// Shifts and scales `n` samples to mean 0 and variance 1 (silence stays near 0).
void prl_mel_normalise(float *signal, size_t n);

#endif

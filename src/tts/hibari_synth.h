// hibari_synth.h -- spectra and pitch of the hibari model to a waveform, block by block.
//
// S = exp(lh) e^(i pi tanh(theta)) STFT(pulses(f0)) + exp(ln) Z + exp(lr) e^(i phi), then one inverse
// STFT. A block is one hop; it needs frames up to two ahead, all of which are there.
// Units:    frames of 300 samples (12.5 ms) at 24 kHz; spectra are [601][frames], row by row.
// Threads:  one owner.
// Memory:   fixed buffers made in create, and one float a sample of the clause, kept for the next.
// Delay:    none; the first block is exact.
// Source:   dsp.py of hibari-tts 0.2.1 (Apache-2.0), reimplemented. The noise Z is uniform with the
//           variance of the reference's normal one: a sample is a sum over 600 of them.
#ifndef PRL_TTS_HIBARI_SYNTH_H
#define PRL_TTS_HIBARI_SYNTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_HIBARI_HOP = 300, PRL_HIBARI_BINS = 601, PRL_HIBARI_FRAMES_MAX = 80 * 120 };

struct prl_hibari_spectra {
    const float *lh, *theta, *ln, *lr, *phi; // [PRL_HIBARI_BINS][frames]
    const float *f0;                         // Hz, [frames]; under 40: unvoiced
    size_t frames;
};

struct prl_hibari_synth;

enum prl_err prl_hibari_synth_create(struct prl_hibari_synth **out) PRL_MUST_USE;
void prl_hibari_synth_destroy(struct prl_hibari_synth **synth);

// Begins a clause at block `first`. `spectra` is borrowed until its last block was read. LIMIT for
// fewer than 4 or more than PRL_HIBARI_FRAMES_MAX frames; NOMEM.
enum prl_err prl_hibari_synth_start(struct prl_hibari_synth *synth,
                                    const struct prl_hibari_spectra *spectra,
                                    size_t first) PRL_MUST_USE;
// Writes up to `blocks` blocks of PRL_HIBARI_HOP samples, -1..1 but not clipped; returns how many,
// 0 at the end.
size_t prl_hibari_synth_read(struct prl_hibari_synth *synth, float *samples, size_t blocks);

#endif

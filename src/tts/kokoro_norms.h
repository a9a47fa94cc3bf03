// kokoro_norms.h -- what Kokoro's vocoder normalises by, averaged over what a voice has said.
//
// By a piece's own means and variances a stretch of it sounds different from the whole; by the voice's
// average the sound of a frame depends on its neighbours alone (decisions/014). The average is learnt from
// pieces that are made whole, by their own norms.
// Threads:  one owner, the lane. Pure.
// Memory:   PRL_KOKORO_NORMS floats (140 KiB) a voice that spoke, kept.
// Errors:   none; without memory nothing is learnt, and pieces go on being made whole.
#ifndef PRL_TTS_KOKORO_NORMS_H
#define PRL_TTS_KOKORO_NORMS_H

#include <stdbool.h>
#include <stddef.h>

struct prl_kokoro_norms {
    float *mean; // owned, PRL_KOKORO_NORMS; NULL before the first piece
    size_t frames;
};

// A zeroed struct knows nothing.
void prl_kokoro_norms_free(struct prl_kokoro_norms *norms);
// `own`: norms of `frames` frames that were made by themselves.
void prl_kokoro_norms_learn(struct prl_kokoro_norms *norms, const float *own, size_t frames);
// The average, or NULL while fewer than 160 frames (4 s) were learnt.
float *prl_kokoro_norms_known(const struct prl_kokoro_norms *norms);

#endif

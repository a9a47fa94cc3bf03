// kokoro_norms.h -- what Kokoro's vocoder normalises by, averaged over what a voice has said.
//
// By a piece's own means and variances a stretch of it sounds different from the whole; by the voice's
// average the sound of a frame depends on its neighbours alone (decisions/014). The average is learnt from
// pieces that are made whole, by their own norms, and are not short.
// Threads:  one owner, the lane; read and write block on the disk.
// Memory:   PRL_KOKORO_NORMS floats (140 KiB) a voice that spoke, kept.
// Errors:   none; without memory nothing is learnt, and pieces go on being made whole. What cannot be read
//           is learnt again.
// Form:     a file is the line "parley-norms 2 FRAMES SHA256 KEY", then the floats as this machine has them;
//           the hash is theirs. It is written beside its place and moved there, so none is ever half.
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

// What was learnt before, where the file is whole and of the same `key`, which says what the norms depend on:
// one line of at most 255 bytes. Replaces what `norms` knows only then.
void prl_kokoro_norms_read(struct prl_kokoro_norms *norms, const char *path, const char *key);
// Norms that are known. A file that cannot be written is logged.
void prl_kokoro_norms_write(const struct prl_kokoro_norms *norms, const char *path,
                            const char *key);

#endif

// silero.h -- Silero VAD v6: probability of speech in each 32 ms of sound.
//
// One model a loop, many streams. Runs inline on the loop thread: about 0.12 ms a window.
// Units:    16-bit samples at 16 kHz; windows of 512 samples.
// Threads:  the loop thread that created it.
// Memory:   a stream is one block of about 2.3 KiB; nothing of ours is allocated per window.
// Errors:   ENGINE when the model cannot be loaded or fails to compute.
// Delay:    none beyond the window (a result needs its last sample).
// Source:   silero-vad 6.2.3: input 64 samples of context + 512, state [2,1,128].
#ifndef PRL_VAD_SILERO_H
#define PRL_VAD_SILERO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_ort;
struct prl_silero;
struct prl_silero_stream;

// `path` is silero_vad_16k_op15.onnx; `ort` is borrowed and must outlive the model.
enum prl_err prl_silero_create(struct prl_silero **out, struct prl_ort *ort, const char *path,
                               char *why, size_t why_size) PRL_MUST_USE;
// Streams must be closed.
void prl_silero_destroy(struct prl_silero **silero);

enum prl_err prl_silero_open(struct prl_silero *silero,
                             struct prl_silero_stream **out) PRL_MUST_USE;
void prl_silero_close(struct prl_silero_stream **stream);
// Forgets what was heard; the next result equals the first one after open.
void prl_silero_reset(struct prl_silero_stream *stream);

// Takes up to `n` samples, stops after the first full window. `*used` says how many were taken;
// returns OK with `*probability` when a window is complete, AGAIN when all samples were taken and
// none is. Call until *used samples sum to n.
enum prl_err prl_silero_push(struct prl_silero_stream *stream, const int16_t *pcm, size_t n,
                             size_t *used, float *probability) PRL_MUST_USE;

#endif

// vad.h -- voice activity of one microphone: sound in, "voice on" and "voice off" out.
//
// Joins silero.h and gate.h. Runs inline on the loop thread.
// Units:    16-bit samples at 16 kHz on the input clock.
// Threads:  the loop thread that created it; callbacks run inside prl_vad_push.
// Memory:   about 2.5 KiB a stream in two blocks; nothing allocated by push.
// Errors:   ENGINE when the model fails to compute; the stream can be used further.
#ifndef PRL_VAD_VAD_H
#define PRL_VAD_VAD_H

#include "base/err.h"
#include "vad/gate.h"

struct prl_ort;
struct prl_vad;
struct prl_vad_stream;

// Called for ON and OFF. May call any prl_vad_* on the stream except close.
typedef void (*prl_vad_fn)(void *arg, const struct prl_gate_event *event);

// Loads the model (5–20 ms): at start-up, not on a running loop. See prl_silero_create.
enum prl_err prl_vad_create(struct prl_vad **out, struct prl_ort *ort, const char *path, char *why,
                            size_t why_size) PRL_MUST_USE;
// Streams must be closed.
void prl_vad_destroy(struct prl_vad **vad);

enum prl_err prl_vad_open(struct prl_vad *vad, const struct prl_gate_conf *conf, prl_vad_fn fn,
                          void *arg, struct prl_vad_stream **out) PRL_MUST_USE;
void prl_vad_close(struct prl_vad_stream **stream);
void prl_vad_configure(struct prl_vad_stream *stream, const struct prl_gate_conf *conf);
// Quiet again; forgets what was heard and a half window. The input clock goes on.
void prl_vad_reset(struct prl_vad_stream *stream);

// Any chunk size. Costs about 0.12 ms for each 512 samples; slice long input (200 ms a loop turn).
enum prl_err prl_vad_push(struct prl_vad_stream *stream, const int16_t *pcm, size_t n) PRL_MUST_USE;

// Windows that end from now on count as silence unless the model is at least so sure: 0 for none but the gate's own
// threshold, more than 1 for silence whatever comes. It goes on following the sound.
void prl_vad_demand(struct prl_vad_stream *stream, float probability_min);

// The state behind it: prl_gate_is_on, prl_gate_speech_end, prl_gate_voiced, prl_gate_now.
const struct prl_gate *prl_vad_gate(const struct prl_vad_stream *stream);
// Samples received since open, the half window included.
int64_t prl_vad_position(const struct prl_vad_stream *stream);
// Of the last full window; 0 before the first.
float prl_vad_probability(const struct prl_vad_stream *stream);

#endif

// speaker.h -- whose voice is it: a short stretch of speech becomes a voiceprint, a direction in space
// that two stretches of one speaker share.
//
// One front owns one lane (a worker thread with the model). A stream asks about a stretch of its sound;
// asks of all streams are answered in their order, one at a time. Nothing is decided here: that is
// vad/lock.h's.
// Units:    16-bit samples at 16 kHz; microseconds, monotonic.
// Threads:  the loop thread that created it; answers arrive on that thread, never from inside ask.
// Memory:   the model 28 MB; an ask copies its sound, at most 63 KiB; at most PRL_SPEAKER_WAITING_MAX
//           of them wait.
// Errors:   an ask is refused, or answered exactly once, or its stream is closed. Refusals: AGAIN (not
//           loaded yet), ENGINE (could not be loaded), FULL, NOMEM.
// Delay:    about 33 ms of work for 2 s of sound (docs/TUNING.md, "Speaker lock").
#ifndef PRL_VAD_SPEAKER_H
#define PRL_VAD_SPEAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_SPEAKER_RATE_HZ = 16000,
    PRL_SPEAKER_SAMPLES_MIN = PRL_SPEAKER_RATE_HZ / 4,
    PRL_SPEAKER_SAMPLES_MAX = 2 * PRL_SPEAKER_RATE_HZ,
    PRL_SPEAKER_VALUES = 192,
    PRL_SPEAKER_WAITING_MAX = 16
};

struct prl_cores;
struct prl_judge_backend_ops;
struct prl_loop;
struct prl_ort;
struct prl_speaker;
struct prl_speaker_stream;

// MIN to MAX samples give VALUES values; any length of vector, it is scaled to 1 by the lane.
extern const struct prl_judge_backend_ops prl_speaker_campplus;

struct prl_speaker_conf {
    struct prl_loop *loop;                       // borrowed
    struct prl_ort *ort;                         // borrowed
    const char *model;                           // path of the model file; copied
    struct prl_cores *cores;                     // borrowed, shared by all lanes, or NULL
    const struct prl_judge_backend_ops *backend; // NULL: CAM++
    // One of them, once, on the loop thread, when loading has ended; `why` is one line. May be NULL.
    void (*on_ready)(void *arg);
    void (*on_error)(void *arg, const char *why);
    void *arg;
};

struct prl_speaker_answer {
    uint32_t utterance; // as asked
    enum prl_err err;   // the model failed, `voice` is NULL
    const float *voice; // PRL_SPEAKER_VALUES, length 1; valid during the callback
    int64_t work_us;    // spent computing
};

// May call prl_speaker_* on the stream except close.
typedef void (*prl_speaker_fn)(void *arg, const struct prl_speaker_answer *answer);

// Starts the lane and the loading; returns at once.
enum prl_err prl_speaker_create(struct prl_speaker **out,
                                const struct prl_speaker_conf *conf) PRL_MUST_USE;
// Streams must be closed. Waits for the lane's running step (one run of the model).
void prl_speaker_destroy(struct prl_speaker **speaker);
// An ask would be taken now, unless too many wait.
bool prl_speaker_is_ready(const struct prl_speaker *speaker);

enum prl_err prl_speaker_open(struct prl_speaker *speaker, prl_speaker_fn fn, void *arg,
                              struct prl_speaker_stream **out) PRL_MUST_USE;
// No answer comes afterwards. Never waits. Not from the stream's own callback.
void prl_speaker_close(struct prl_speaker_stream **stream);

// Who says `pcm`? `n` is PRL_SPEAKER_SAMPLES_MIN to _MAX; the sound is copied. `utterance`
// comes back with the answer. Never blocks.
enum prl_err prl_speaker_ask(struct prl_speaker_stream *stream, uint32_t utterance,
                             const int16_t *pcm, size_t n) PRL_MUST_USE;

#endif

// eot.h -- end of turn: how likely is it that the speaker is done, judged from the last sound.
//
// One front owns one lane (a worker thread with the model). A stream asks about the sound of its
// utterance so far; asks of all streams are answered in their order, one at a time; those of several
// fronts that share a lane in turn.
// Units:    16-bit samples at 16 kHz; microseconds, monotonic; permille 0 (goes on) to 1000 (done).
// Threads:  the loop thread that created it; answers arrive on that thread, never from inside ask.
// Memory:   an ask copies its sound, at most 256 KiB; at most PRL_EOT_WAITING_MAX of them wait.
// Errors:   an ask is refused, or answered exactly once, or cancelled. Refusals: AGAIN (not loaded
//           yet), ENGINE (could not be loaded), FULL, NOMEM.
// Delay:    docs/TUNING.md, "End of turn".
#ifndef PRL_EOT_EOT_H
#define PRL_EOT_EOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_EOT_RATE_HZ = 16000,
    PRL_EOT_SAMPLES_MAX = 8 * PRL_EOT_RATE_HZ, // what the model hears; older sound is left out
    PRL_EOT_WAITING_MAX = 16,
    PRL_EOT_BACKLOG_MAX_US = 50 * 1000 // callers do not ask while more than this waits before them
};

struct prl_cores;
struct prl_eot;
struct prl_eot_stream;
struct prl_judge_backend_ops;
struct prl_lane_child;
struct prl_lane_isolate;
struct prl_loop;
struct prl_ort;

// At most SAMPLES_MAX samples give one value: the likelihood 0..1 that whoever spoke is done.
extern const struct prl_judge_backend_ops prl_eot_smart_turn;

struct prl_eot_conf {
    struct prl_loop *loop;                       // borrowed
    struct prl_ort *ort;                         // borrowed
    const char *model;                           // path of the model file; copied
    int threads;                                 // of the model; 0: 1
    struct prl_cores *cores;                     // borrowed, shared by all lanes, or NULL
    const struct prl_judge_backend_ops *backend; // NULL: smart-turn
    // Another loop's front, whose lane and model this one uses too; NULL: its own. Created and joined
    // before the loops run; when they have ended that one is destroyed first.
    struct prl_eot *share;
    const struct prl_lane_isolate *isolate; // borrowed: in a child process; NULL: on a thread
    // One of them, once, on the loop thread, when loading has ended; `why` is one line. May be NULL.
    void (*on_ready)(void *arg);
    void (*on_error)(void *arg, const char *why);
    void *arg;
};

struct prl_eot_answer {
    uint32_t utterance; // as asked
    enum prl_err err;   // ENGINE: the model failed, `permille` says nothing
    uint32_t permille;  // likelihood that the turn is over
    int64_t queued_us;  // waited for the lane
    int64_t work_us;    // spent computing
};

// May call prl_eot_* on the stream except close.
typedef void (*prl_eot_fn)(void *arg, const struct prl_eot_answer *answer);

// Starts the lane and the loading; returns at once.
enum prl_err prl_eot_create(struct prl_eot **out, const struct prl_eot_conf *conf) PRL_MUST_USE;
// Streams must be closed. Waits for the lane's running step (one run of the model).
void prl_eot_destroy(struct prl_eot **eot);
// An ask would be taken now, unless too many wait.
bool prl_eot_is_ready(const struct prl_eot *eot);
// How long an ask made now would wait before its own work begins, estimated from the work so far.
// Above PRL_EOT_BACKLOG_MAX_US a caller goes without (and counts PRL_METRIC_EOT_SKIPPED).
int64_t prl_eot_backlog_us(const struct prl_eot *eot);

enum prl_err prl_eot_open(struct prl_eot *eot, prl_eot_fn fn, void *arg,
                          struct prl_eot_stream **out) PRL_MUST_USE;
// Cancels and frees. Never waits. Not from the stream's own callback.
void prl_eot_close(struct prl_eot_stream **stream);

// Asks whether the turn whose sound so far is `pcm` (pause included) is over. The last
// PRL_EOT_SAMPLES_MAX samples are copied. Never blocks.
enum prl_err prl_eot_ask(struct prl_eot_stream *stream, uint32_t utterance, const int16_t *pcm,
                         size_t n) PRL_MUST_USE;
// After it no ask of this stream made so far is answered. Never waits.
void prl_eot_cancel(struct prl_eot_stream *stream);

// In the child process that isolate makes: serves the model to the parent until that is gone. Of conf,
// ort, model, threads, cores and backend are used.
enum prl_err prl_eot_serve(const struct prl_eot_conf *conf,
                           struct prl_lane_child *child) PRL_MUST_USE;

#endif

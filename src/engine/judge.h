// judge.h -- a model that judges pieces of sound, on a lane of its own: what eot/eot.h and vad/speaker.h
// have in common.
//
// One front owns one lane (a worker thread with the model). A stream asks about a piece of its sound;
// asks of all streams are answered in their order, one at a time; those of several fronts that share a
// lane in turn.
// Units:    16-bit samples at the rate of the model; microseconds, monotonic.
// Threads:  the loop thread that created it; answers arrive on that thread, never from inside ask.
// Memory:   an ask copies its sound; at most PRL_JUDGE_WAITING_MAX of them wait.
// Errors:   an ask is refused, or answered exactly once, or cancelled. Refusals: AGAIN (not loaded
//           yet), ENGINE (could not be loaded), FULL, NOMEM.
#ifndef PRL_ENGINE_JUDGE_H
#define PRL_ENGINE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/metrics.h"

enum { PRL_JUDGE_WAITING_MAX = 16 };

struct prl_cores;
struct prl_judge;
struct prl_judge_stream;
struct prl_lane_child;
struct prl_lane_isolate;
struct prl_loop;
struct prl_ort;

struct prl_judge_open_conf {
    struct prl_ort *ort; // borrowed
    const char *path;    // of the model file, valid during the call
    int threads;         // at least 1
};

// What a model file's backend has to offer; all on the lane's thread.
struct prl_judge_backend_ops {
    const char *name; // static, for logs
    // Makes *ctx; `why` gets one line for the user.
    enum prl_err (*open)(void **ctx, const struct prl_judge_open_conf *conf, char *why,
                         size_t why_size);
    void (*close)(void **ctx); // frees it and sets it NULL
    // One run on so much sound as its front allows; as many values as that front says.
    enum prl_err (*run)(void *ctx, const int16_t *pcm, size_t n, float *values);
};

// For prl_judge_conf.model: a backend with its context, which the two functions, of a kind, make and free.
struct prl_judge_model {
    struct prl_judge_open_conf open;
    const struct prl_judge_backend_ops *backend;
    void *ctx; // owned
};
enum prl_err prl_judge_model_open(void *model, char *why, size_t why_size) PRL_MUST_USE;
void prl_judge_model_close(void *model);

struct prl_judge_verdict {
    int64_t value; // 0 to value_max of the kind
    void *data;    // owned by who holds the verdict, from prl_mem_*; or NULL
    size_t size;   // bytes of it: data_size of the kind
};

// A kind of model; the functions run on the lane's thread, with prl_judge_conf.model.
struct prl_judge_kind {
    const char *name;      // static, of the thread and in logs
    int nice;              // of the thread
    enum prl_metric work;  // histogram of what an answer takes
    int64_t work_us_guess; // until one was measured
    int64_t value_max;     // of a verdict; what a child process says is held against these two
    size_t data_size;      //
    enum prl_err (*open)(void *model, char *why, size_t why_size); // `why`: one line for the user
    void (*close)(void *model);
    // Fills *verdict, which is zero. With an error nothing of it is looked at, and data is freed.
    enum prl_err (*judge)(void *model, const int16_t *pcm, size_t n,
                          struct prl_judge_verdict *verdict);
};

struct prl_judge_conf {
    const struct prl_judge_kind *kind;
    void *model;             // borrowed, the lane's while it lives
    const char *model_name;  // static, for logs
    struct prl_loop *loop;   // borrowed
    struct prl_cores *cores; // borrowed, shared by all lanes, or NULL
    // Another loop's front, whose lane and model this one uses too; NULL: its own. Created and joined
    // before the loops run; when they have ended that one is destroyed first.
    struct prl_judge *share;
    const struct prl_lane_isolate *isolate; // borrowed: in a child process; NULL: on a thread
    // One of them, once, on the loop thread, when loading has ended; `why` is one line. May be NULL.
    void (*on_ready)(void *arg);
    void (*on_error)(void *arg, const char *why);
    void *arg;
};

struct prl_judge_answer {
    uint32_t utterance;               // as asked
    enum prl_err err;                 // the model failed, and the verdict is empty
    struct prl_judge_verdict verdict; // data: valid during the callback
    int64_t queued_us;                // waited for the lane
    int64_t work_us;                  // spent computing
};

// May call prl_judge_* on the stream except close.
typedef void (*prl_judge_fn)(void *arg, const struct prl_judge_answer *answer);

// Starts the lane and the loading; returns at once.
enum prl_err prl_judge_create(struct prl_judge **out,
                              const struct prl_judge_conf *conf) PRL_MUST_USE;
// Streams must be closed. Waits for the lane's running step (one run of the model).
void prl_judge_destroy(struct prl_judge **judge);
// An ask would be taken now, unless too many wait.
bool prl_judge_is_ready(const struct prl_judge *judge);
// How long an ask made now would wait before its own work begins, estimated from the work so far.
int64_t prl_judge_backlog_us(const struct prl_judge *judge);

enum prl_err prl_judge_open(struct prl_judge *judge, prl_judge_fn fn, void *arg,
                            struct prl_judge_stream **out) PRL_MUST_USE;
// Cancels and frees. Never waits. Not from the stream's own callback.
void prl_judge_close(struct prl_judge_stream **stream);
// `utterance` comes back with the answer. Never blocks.
enum prl_err prl_judge_ask(struct prl_judge_stream *stream, uint32_t utterance, const int16_t *pcm,
                           size_t n) PRL_MUST_USE;
// After it no ask of this stream made so far is answered. Never waits.
void prl_judge_cancel(struct prl_judge_stream *stream);

// In the child process that isolate makes: serves the model to the parent until that is gone. Of conf,
// kind, model, model_name and cores are used; the model stays borrowed as long as the process lives.
enum prl_err prl_judge_serve(const struct prl_judge_conf *conf,
                             struct prl_lane_child *child) PRL_MUST_USE;

#endif

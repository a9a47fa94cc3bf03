// ear.h -- what a recogniser that listens while it is spoken (stt/live.h) has heard of an utterance: it is
// told the rest, or another one is asked where the sound does not go on from there.
//
// Units:    samples at 16 kHz, positions of the timeline.
// Threads:  the loop thread. Memory: one block, and the recogniser's.
// Errors:   as stt/live.h; after one nobody listens.
#ifndef PRL_STT_EAR_H
#define PRL_STT_EAR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "stt/live.h"
#include "stt/timeline.h"

struct prl_ear;

struct prl_ear_conf {
    struct prl_pool *pool;               // borrowed
    const struct prl_timeline *timeline; // borrowed; its sound is told
    const struct prl_live_ops *ops;      // borrowed; called as prl_live does
    void *arg;
};

// What an engine of the pool is told when it begins to listen.
struct prl_ear_listener {
    int engine;           // picked from the pool; ended there by the ear, also on failure
    const char *language; // "": unknown
    const char *prompt;   // "": none
};

enum prl_err prl_ear_create(struct prl_ear **out, const struct prl_ear_conf *conf) PRL_MUST_USE;
void prl_ear_destroy(struct prl_ear **ear);

// Somebody listens.
bool prl_ear_is_open(const struct prl_ear *ear);
// Who listens has the beginning of this work's sound and owes no text for it.
bool prl_ear_fits(const struct prl_ear *ear, const struct prl_timeline_work *work);
// Where the sound that was told begins.
size_t prl_ear_start(const struct prl_ear *ear);
// The pool's engine that listens, or was the last to.
int prl_ear_engine(const struct prl_ear *ear);

// `listener` listens from `start` on.
enum prl_err prl_ear_open(struct prl_ear *ear, const struct prl_ear_listener *listener,
                          size_t start) PRL_MUST_USE;
// Tells who listens the sound up to `end`; what it has already is left out. On failure nobody listens
// any more.
void prl_ear_tell(struct prl_ear *ear, size_t end);
// Tells it the sound of `work`, from the start where it does not fit, and asks for the text.
enum prl_err prl_ear_ask(struct prl_ear *ear, const struct prl_ear_listener *listener,
                         const struct prl_timeline_work *work) PRL_MUST_USE;
// Nobody listens any more, and no callback comes.
void prl_ear_close(struct prl_ear *ear);

#endif

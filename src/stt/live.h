// live.h -- one utterance to one recogniser elsewhere that listens while it is spoken (stt/wire.h).
//
// Sound is fed as it comes; words come back as the recogniser finds them. Each commit is answered by
// the text of all that was fed since the open: what was said before an earlier commit is kept and
// joined to it.
// Units:    samples at 16 kHz.
// Threads:  the loop thread; callbacks arrive from those of engine/link.h, never inside a call.
// Memory:   the texts, a resampler where the recogniser wants another rate.
// Errors:   by `failed`, once, after which the object is gone: REMOTE, TIMEOUT, NOMEM.
// Bounds:   one commit under way (PRL_CHECK); the pool's limits for connecting, for its first word and
//           for gaps from a commit on. Unsent sound is bounded by the link's queue.
#ifndef PRL_STT_LIVE_H
#define PRL_STT_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/pool.h"
#include "stt/wire.h"

struct prl_live;

// Each may close the object.
struct prl_live_ops {
    void (*words)(void *arg, const char *text);                   // all so far, not final
    void (*answer)(void *arg, const char *text, int64_t work_us); // of the commit
    void (*failed)(void *arg, enum prl_err err, const char *why);
};

struct prl_live_conf {
    struct prl_pool *pool; // borrowed
    int engine;            // picked from the pool; ended there by this object, also when open fails
    const char *language;  // "": unknown
    const char *prompt;    // "": none
    const struct prl_live_ops *ops;
    void *arg;
};

// Where an engine that is spoken to this way takes connections, behind its URL.
const char *prl_live_path(enum prl_pool_way way);
enum prl_err prl_live_open(const struct prl_live_conf *conf, struct prl_live **out) PRL_MUST_USE;
enum prl_err prl_live_feed(struct prl_live *live, const int16_t *pcm, size_t count) PRL_MUST_USE;
enum prl_err prl_live_commit(struct prl_live *live) PRL_MUST_USE;
// No callback afterwards. The connection is kept when it owes nothing and nothing is half said.
void prl_live_close(struct prl_live **live);

#endif

// hedge.h -- one request to an engine elsewhere, and a second one when the first is slow: the first byte
// of a body wins, the other request is cancelled at once.
//
// How a request is made is the caller's: over HTTP (prl_hedge_post), or whatever else tells of its end as
// net/fetch.h does (a voice over a WebSocket, tts/synth.h).
// The second goes to another URL of the same engine, which is asked for the same, or to the same URL where
// there is no other. When it is due, and how many there may be, says engine/tail.h. An engine without
// `hedge` has one request, and all of this is that one.
// Units:    microseconds.
// Threads:  the loop thread; callbacks as in net/fetch.h.
// Memory:   of a request that may get a second one its body is kept until the first byte.
// Errors:   of the first request its own; where the second cannot be made there is none. One
//           that fails while the other is under way is told to the pool alone; the caller hears of the
//           last one. A refusal (400 …) is the request's fault and ends both.
// Bounds:   one second request; its timer ends with the first byte.
#ifndef PRL_ENGINE_HEDGE_H
#define PRL_ENGINE_HEDGE_H

#include <stdint.h>

#include "base/err.h"
#include "engine/pool.h"

struct prl_hedge;

// Who is asked, as far as the caller is concerned: it is this engine that the caller ends in the pool.
struct prl_hedge_who {
    int engine;       // picked by the caller; may change before each callback
    int64_t start_us; // when it was asked
    uint32_t failed;  // engines that failed without a word to the caller (bit i: engine i)
};

// How a request is made and ended. `ask` is the caller's own.
struct prl_hedge_way {
    // To that engine of the pool; as prl_pool_post: no callback from inside, exactly one on_end.
    enum prl_err (*start)(struct prl_pool *pool, int engine, const void *ask,
                          const struct prl_fetch_ops *ops, void *arg, void **out);
    void (*cancel)(void **request); // no callback afterwards; also from inside one; NULL is fine
    // What a second request needs; NULL: no memory for it.
    void *(*keep)(const void *ask);
    void (*forget)(void *kept);
};

struct prl_hedge_ask {
    const struct prl_hedge_way *way;
    const void *what; // the way's `ask`
    const struct prl_fetch_ops *ops;
    void *arg;
};

// `who` is kept: it lives as long.
enum prl_err prl_hedge_start(struct prl_pool *pool, const struct prl_hedge_ask *ask,
                             struct prl_hedge_who *who, struct prl_hedge **out) PRL_MUST_USE;
// The same by prl_pool_post. `ask->headers`, `path` and `who` are kept: they live as long.
enum prl_err prl_hedge_post(struct prl_pool *pool, const char *path,
                            const struct prl_fetch_ask *ask, struct prl_hedge_who *who,
                            struct prl_hedge **out) PRL_MUST_USE;
// No callback afterwards; also from inside one. NULL is fine. who->engine is still to be ended.
void prl_hedge_cancel(struct prl_hedge **hedge);

#endif

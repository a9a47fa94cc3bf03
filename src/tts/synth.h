// synth.h -- one clause to one voice over the plain WebSocket protocol: words up, frames of sound down.
//
// Up: {"type":"set_voice","voice"} when the connection has another one, then {"type":"synthesize",
// "text"} with "speed" and "instructions" where they are not the usual ones. Down: binary messages,
// which taken together are one answer of audio/speech (plain 24 kHz PCM, or a file), and then
// {"type":"synthesis_done"}, or {"type":"error","message"}. Other messages are passed over.
// Threads:  the loop thread.
// Memory:   nothing of the sound is kept.
// Errors:   told as those of a request (net/fetch.h), so that both ways are one to the caller.
// Bounds:   one synthesis a connection at a time; the pool's limits of first byte and gap. It may be asked
//           of a second connection when it is slow (prl_synth_way).
#ifndef PRL_TTS_SYNTH_H
#define PRL_TTS_SYNTH_H

#include <stddef.h>

#include "base/err.h"
#include "engine/hedge.h"
#include "engine/pool.h"
#include "net/fetch.h"

struct prl_synth;

struct prl_synth_ask {
    const char *voice; // where the engine has none of its own
    const char *text;
    size_t len;
    float speed;
    const char *instructions; // "": none
};

// For prl_hedge_start, with such an ask.
extern const struct prl_hedge_way prl_synth_way;

// `engine` is of way PRL_POOL_WS, and ended at the pool by the caller. ops->on_data, then on_end, which is
// the last call; as theirs.
enum prl_err prl_synth_start(struct prl_pool *pool, int engine, const struct prl_synth_ask *ask,
                             const struct prl_fetch_ops *ops, void *arg,
                             struct prl_synth **out) PRL_MUST_USE;
// No callback afterwards; also from inside one. Its connection is closed, since it may still be
// speaking. NULL is fine.
void prl_synth_cancel(struct prl_synth **synth);

#endif

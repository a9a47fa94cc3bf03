// tail.h -- when a second request is worth it: the slow end of each engine's times, and how many second
// requests the first ones pay for.
//
// Units:    microseconds; percent.
// Threads:  one owner. Pure: no clock.
// Memory:   none beyond the struct: the latest PRL_TAIL_SIZE times of each engine.
// Errors:   none.
// Source:   J. Dean, L. A. Barroso, "The Tail at Scale", 2013: a hedge after the 95th percentile.
#ifndef PRL_ENGINE_TAIL_H
#define PRL_ENGINE_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/chain.h"

enum {
    PRL_TAIL_SIZE = 64,
    PRL_TAIL_MIN = 20,            // times that must be known before one is called slow
    PRL_TAIL_AFTER_US_MIN = 5000, // sooner than that nothing is slow
    PRL_TAIL_CREDIT_MAX = 1000,   // percent: ten second requests in a row, when all become slow
};

struct prl_tail_engine {
    int percentile;             // set once; 0: never a second request
    uint32_t us[PRL_TAIL_SIZE]; // a ring
    size_t count, next;
    uint64_t sent, won; // second requests to it, and those that were sooner there
};

// Fields are the module's own; reading them is fine.
struct prl_tail {
    int share_percent; // second requests for a hundred requests
    int credit;        // percent: a second request costs 100
    struct prl_tail_engine engines[PRL_CHAIN_MAX];
};

// `share_percent` 0: 10.
void prl_tail_init(struct prl_tail *tail, int share_percent);
// A first request to it has been begun.
void prl_tail_asked(struct prl_tail *tail, size_t index);
// One took so long, or was called slow after so long and lost to the second one.
void prl_tail_seen(struct prl_tail *tail, size_t index, int64_t took_us);
// How long a request to it waits until a second one is due; 0: for ever.
int64_t prl_tail_after_us(const struct prl_tail *tail, size_t index);
bool prl_tail_can_spend(const struct prl_tail *tail);
// A second request has been begun, to `index`.
void prl_tail_spend(struct prl_tail *tail, size_t index);

#endif

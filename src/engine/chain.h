// chain.h -- which of several engines of one kind takes the next request: order, balance, breakers.
//
// Engines of a lower rank come first; equal ranks share the work by what they have in hand and how
// fast they were. An engine that fails several times in a row is left out (its breaker opens) for a
// time that doubles; then it is probed, and after a probe one request may try it.
// Units:    microseconds, monotonic, given by the caller.
// Threads:  one owner. Pure: no clock, no socket.
// Memory:   none beyond the struct.
// Errors:   none; picking tells with -1 that nobody can.
// Source:   M. Nygard, "Release It!", circuit breaker; the half-open state lets one through.
#ifndef PRL_ENGINE_CHAIN_H
#define PRL_ENGINE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_CHAIN_MAX = 12 };

enum prl_breaker {
    PRL_BREAKER_CLOSED,    // takes requests
    PRL_BREAKER_OPEN,      // left out until open_until_us
    PRL_BREAKER_PROBING,   // a probe is under way
    PRL_BREAKER_HALF_OPEN, // the probe was good: one request may try
};

enum prl_outcome {
    PRL_OUTCOME_OK,
    PRL_OUTCOME_FAILED,   // the engine's fault
    PRL_OUTCOME_REFUSED,  // the request's fault; says nothing about the engine
    PRL_OUTCOME_CANCELED, // nobody waits any more
};

struct prl_chain_conf {
    unsigned failures_max; // in a row, until the breaker opens; 0: 3
    int64_t open_us;       // first time; 0: 1 s
    int64_t open_us_max;   // longest; 0: 30 s
};

struct prl_chain_engine {
    int rank;                 // set once
    bool probes;              // set once: is probed before it is tried; else time is enough
    enum prl_breaker breaker; //
    unsigned failures;        // in a row
    unsigned in_flight;       // requests
    int64_t open_us;          // length of the latest opening
    int64_t open_until_us;    // OPEN
    int64_t latency_us;       // of the first byte, smoothed; 0 unknown
};

// Fields are the module's own; reading them is fine.
struct prl_chain {
    struct prl_chain_conf conf;
    struct prl_chain_engine engines[PRL_CHAIN_MAX];
    size_t count;
};

void prl_chain_init(struct prl_chain *chain, const struct prl_chain_conf *conf);
// Returns its index. At most PRL_CHAIN_MAX (PRL_CHECK).
size_t prl_chain_add(struct prl_chain *chain, int rank, bool probes);

// The best engine that is not in the set `tried` (bit i: engine i), with one more request in
// flight, or -1. Each pick is followed by one end.
int prl_chain_pick(struct prl_chain *chain, int64_t now_us, uint32_t tried);
void prl_chain_first_byte(struct prl_chain *chain, size_t index, int64_t latency_us);
void prl_chain_end(struct prl_chain *chain, size_t index, int64_t now_us, enum prl_outcome outcome);

// The next engine to probe (then PROBING until prl_chain_probed), or -1.
int prl_chain_next_probe(struct prl_chain *chain, int64_t now_us);
void prl_chain_probed(struct prl_chain *chain, size_t index, int64_t now_us, bool good);
// When next_probe has something to say; INT64_MAX: never.
int64_t prl_chain_probe_at(const struct prl_chain *chain);

const char *prl_breaker_name(enum prl_breaker breaker);

#endif

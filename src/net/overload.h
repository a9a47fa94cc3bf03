// overload.h -- when a loop has so much to do that a further session would cost the others.
//
// Watches two things: the share of its core that the loop's thread uses, and how late its timers run.
// Sessions that were admitted a moment ago do not show in either yet, so each of them is counted with
// what a session costs on average.
// Units:    microseconds, monotonic, and shares 0..1. Threads: one owner. Pure.
// Memory:   a plain value. Errors: none.
// Bounds:   below PRL_OVERLOAD_SESSIONS_MIN sessions nothing is refused: a single client that sends fast
//           may use a core for a while without being a crowd.
#ifndef PRL_NET_OVERLOAD_H
#define PRL_NET_OVERLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PRL_OVERLOAD_TICK_US = 250000,
    PRL_OVERLOAD_MEMORY = 6, // ticks for which an admitted session counts as new
    PRL_OVERLOAD_SESSIONS_MIN = 8,
    PRL_OVERLOAD_LAG_US = 250000, // mean delay of timers at which the loop is lost
};

struct prl_overload {
    double share_max; // set once; 0: nothing is ever refused
    // State.
    int64_t tick_us; // of the last tick; 0: none yet
    int64_t cpu_us;  // of the thread, then
    double share;    // of the core, smoothed over about a second
    double lag_us;   // smoothed alike
    double each;     // share of one session, smoothed over about four seconds
    uint32_t admitted[PRL_OVERLOAD_MEMORY];
    size_t at;
};

void prl_overload_init(struct prl_overload *overload, double share_max);
// Every PRL_OVERLOAD_TICK_US. `cpu_us`: what the thread has used so far; `lag_us`: how much later than
// planned this tick is.
void prl_overload_tick(struct prl_overload *overload, int64_t now_us, int64_t cpu_us,
                       int64_t lag_us, size_t sessions);
// Whether one more session would be too many beside `sessions`.
bool prl_overload_refuses(const struct prl_overload *overload, size_t sessions);
// One more was let in.
void prl_overload_admitted(struct prl_overload *overload);

#endif

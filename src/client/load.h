// load.h -- many conversations at a time, and what became of them.
//
// Units:    microseconds. Threads: the loop thread.
// Memory:   one line a session and its figures; the report's arrays belong to the load.
// Errors:   what a line suffers is counted; create fails with NOMEM or what the transport says.
#ifndef PRL_CLIENT_LOAD_H
#define PRL_CLIENT_LOAD_H

#include "client/line.h"

enum { PRL_LOAD_SESSIONS_MAX = 5000 };

struct prl_load;

struct prl_load_conf {
    const struct prl_line_ops *transport;
    struct prl_line_group_conf group;
    struct prl_talker_conf talker;
    bool semantic;
    // What the server's engines need from the end of speech on, 0: unknown; and of that pass before it
    // ends the turn, 0: what it says itself.
    uint32_t engines_us, silence_us;
    uint32_t sessions;             // 1..PRL_LOAD_SESSIONS_MAX
    uint32_t connect_ms;           // between two sessions that connect
    uint32_t period_ms;            // first utterances are spread over so much time
    void (*all_open)(void *arg);   // every session is connected, or has failed to; once
    void (*first_done)(void *arg); // the first connected session has said everything; once
    void (*done)(void *arg);       // the last one is over; once. May not destroy the load
    void *arg;
};

struct prl_load_figures { // of one quantity, sorted
    int64_t *us;
    size_t count;
};

struct prl_load_report {
    uint32_t sessions, connected, finished, refused, broken;
    uint64_t turns, marked, unanswered, early, errors;
    uint64_t packets, lost;
    // `own`: `after` without what the engines still needed then.
    struct prl_load_figures delay, after, own, connect, refuse, pacing;
    char why[PRL_LINE_WHY_SIZE]; // of the first thing that went wrong, or ""
};

enum prl_err prl_load_create(struct prl_load **out, const struct prl_load_conf *conf) PRL_MUST_USE;
void prl_load_destroy(struct prl_load **load);
// Hangs up everywhere; `done` follows.
void prl_load_end(struct prl_load *load);
uint32_t prl_load_open_count(const struct prl_load *load);
// Turns answered so far.
uint64_t prl_load_turns(const struct prl_load *load);
// After done. Its arrays live until the next call or destroy. NOMEM.
enum prl_err prl_load_report(struct prl_load *load, struct prl_load_report *out) PRL_MUST_USE;

// The smallest figure that at least `share` (0..1) of them do not exceed; 0 when there is none.
int64_t prl_load_quantile(const struct prl_load_figures *figures, double share);

#endif

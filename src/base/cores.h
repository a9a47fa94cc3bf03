// cores.h -- how many threads a computation may use now, so that lanes share the cores without
// fighting: one core for each lane that computes, what is left for the one that asks.
//
// The libraries behind the lanes spin at the barriers between their threads. Alone on the machine
// two threads halve the time; with a third one wanting the same two cores they cost seconds. So the
// number is asked for anew at every step. What other programs use is read from the system four times
// a second at most, and a pace notices what that misses.
//
// Units:    threads and cores; microseconds.
// Threads:  a cores object is shared by all lanes, none waits for another; a pace belongs to one lane.
// Memory:   one block in create; a pace is a plain value.
// Errors:   none after create. A NULL cores object means one thread.
// Source:   measured, docs/TUNING.md; proc(5) for what others use.
#ifndef PRL_BASE_CORES_H
#define PRL_BASE_CORES_H

#include <stdint.h>

#include "base/err.h"

struct prl_cores;

// `total` 0: those that this process may run on.
enum prl_err prl_cores_create(struct prl_cores **out, int total) PRL_MUST_USE;
void prl_cores_destroy(struct prl_cores **cores);
int prl_cores_total(const struct prl_cores *cores);

// A lane begins and ends to compute.
void prl_cores_enter(struct prl_cores *cores);
void prl_cores_leave(struct prl_cores *cores);
// Between the two: threads that the caller may use, at least 1 and at most `max`; `max` 0: no limit
// of its own.
int prl_cores_share(struct prl_cores *cores, int max);
// Between the two: other lanes that compute now.
int prl_cores_others(const struct prl_cores *cores);
// What programs other than this one use, in hundredths of a core: from now on instead of the
// system's figure (tests). Negative: the system's again.
void prl_cores_set_foreign(struct prl_cores *cores, int hundredths);

// What one kind of step of one lane costs. Zeroed at first.
struct prl_pace {
    double unit_us;       // a unit of work with one thread, 0: not known
    int64_t shy_us;       // how long the next retreat lasts
    int64_t shy_until_us; // one thread until then
    int threads;          // of the step that is under way
    unsigned entered;     // lanes that had begun to compute when it began
    int64_t began_us;
};

// Around each such step, between enter and leave. begin returns how many threads it should use: its
// share of the cores, but 1 until its price is known, and for a while after more threads were slower.
// `units` of work were done. A step that failed or was stopped, with 0 units, teaches nothing, and
// none in which another lane began: two lanes that wanted a core are not a foreign program.
int prl_pace_begin(struct prl_pace *pace, struct prl_cores *cores, int max);
void prl_pace_end(struct prl_pace *pace, struct prl_cores *cores, double units);

#endif

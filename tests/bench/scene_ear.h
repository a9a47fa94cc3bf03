// scene_ear.h -- the real recognisers in virtual time: a piece takes the CPU time that it needed here, times
// a factor, on the held clock.
//
// Threads:  the main one; the recognisers run on their lane.
#ifndef PRL_TESTS_BENCH_SCENE_EAR_H
#define PRL_TESTS_BENCH_SCENE_EAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stt/stt.h"

struct prl_stt_backend_ops;

// For prl_stt_conf.backends.
const struct prl_stt_backend_ops *const *scene_ears(double slow);

// Virtual time must wait: a piece is being computed, or its time is over and its answer not yet there.
// `backlog` is prl_stt_backlog's.
bool scene_ears_work(size_t backlog);

struct scene_heard {
    int64_t at_us, work_us; // when it was known, and what it cost
    size_t samples;
    float log_prob; // mean of the tokens
    struct prl_stt_margin margin;
    char text[120];
};
// What was recognised since the last forget, the first few pieces; NULL behind the last one.
const struct scene_heard *scene_heard_at(int index);
void scene_heard_forget(void);

#endif

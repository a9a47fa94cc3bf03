// two_loops.c -- see two_loops.h.
#include "tests/unit/two_loops.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "tests/unit.h"

struct run {
    struct two_loops_side side;
    atomic_int *done; // sides that have all they want
};

static void *turn_side(void *arg)
{
    struct run *run = arg;
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    bool done = false;
    while (atomic_load(run->done) < 2 && prl_clock_now_us() < until_us) {
        prl_loop_turn(run->side.loop, 2000);
        if (!done && run->side.step(run->side.arg)) {
            done = true;
            atomic_fetch_add(run->done, 1);
        }
    }
    return NULL;
}

bool two_loops_run(const struct two_loops_side sides[2])
{
    atomic_int done;
    atomic_init(&done, 0);
    struct run runs[2] = {{sides[0], &done}, {sides[1], &done}};
    pthread_t thread;
    if (pthread_create(&thread, NULL, turn_side, &runs[1]) != 0)
        return false;
    turn_side(&runs[0]);
    pthread_join(thread, NULL);
    prl_loop_adopt(sides[1].loop);
    return atomic_load(&done) == 2;
}

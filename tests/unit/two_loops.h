// two_loops.h -- two loops, each on a thread of its own, for tests of what they share.
#ifndef PRL_TESTS_UNIT_TWO_LOOPS_H
#define PRL_TESTS_UNIT_TWO_LOOPS_H

#include <stdbool.h>

#include "net/loop.h"

struct two_loops_side {
    struct prl_loop *loop; // borrowed
    // Called once a turn on the side's own thread; true once it has all it wants.
    bool (*step)(void *arg);
    void *arg;
};

// Turns both until both have all they want, at most PRL_TEST_WAIT_US (false). The caller's thread is
// that of both loops before and after.
bool two_loops_run(const struct two_loops_side sides[2]);

#endif

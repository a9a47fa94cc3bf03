// wait.h -- turns a loop until it has something to show.
#ifndef PRL_TESTS_UNIT_WAIT_H
#define PRL_TESTS_UNIT_WAIT_H

#include "base/clock.h"
#include "net/loop.h"
#include "tests/unit.h"

// The condition is looked at anew each turn, at most PRL_TEST_WAIT_US; while an allocation fails it need
// not come true.
#define WAIT(loop, condition)                                                                      \
    do {                                                                                           \
        int64_t until_ = prl_clock_now_us() + PRL_TEST_WAIT_US;                                    \
        while (!(condition) && prl_clock_now_us() < until_)                                        \
            prl_loop_turn(loop, 10000);                                                            \
        EXPECT(prl_test_oom() || (condition));                                                     \
    } while (0)

#endif

// test_tail.c -- when a second request is due, and how many may be sent.
#include "engine/tail.h"

#include "tests/unit.h"

PRL_TEST(tail_knows_the_slow_end)
{
    struct prl_tail tail;
    prl_tail_init(&tail, 0);
    tail.engines[1].percentile = 95;
    for (int i = 0; i < PRL_TAIL_MIN - 1; i++)
        prl_tail_seen(&tail, 1, 100000);
    EXPECT_INT(prl_tail_after_us(&tail, 1), 0); // too few to tell
    prl_tail_seen(&tail, 1, 900000);
    EXPECT_INT(prl_tail_after_us(&tail, 1), 900000);
    for (int i = 0; i < PRL_TAIL_MIN; i++)
        prl_tail_seen(&tail, 1, 100000);
    EXPECT_INT(prl_tail_after_us(&tail, 1), 100000); // one of forty
    EXPECT_INT(prl_tail_after_us(&tail, 0), 0);
    for (int i = 0; i < PRL_TAIL_MIN; i++)
        prl_tail_seen(&tail, 0, 100000);
    EXPECT_INT(prl_tail_after_us(&tail, 0), 0); // not wanted there
    // What is long ago counts no more; nothing is called slow at once.
    for (int i = 0; i < PRL_TAIL_SIZE; i++)
        prl_tail_seen(&tail, 1, i % 2 ? -5 : 7);
    EXPECT_INT(prl_tail_after_us(&tail, 1), PRL_TAIL_AFTER_US_MIN);
    for (int i = 0; i < PRL_TAIL_SIZE; i++)
        prl_tail_seen(&tail, 1, INT64_MAX);
    EXPECT_INT(prl_tail_after_us(&tail, 1), UINT32_MAX);
    tail.engines[1].percentile = 100; // beyond the settings: the slowest
    EXPECT_INT(prl_tail_after_us(&tail, 1), UINT32_MAX);
}

PRL_TEST(tail_bounds_second_requests)
{
    struct prl_tail tail;
    prl_tail_init(&tail, 25);
    tail.engines[0].percentile = 95;
    int sent = 0;
    for (int i = 0; i < 1000; i++) {
        prl_tail_asked(&tail, 0);
        prl_tail_asked(&tail, 1); // pays for nothing
        if (prl_tail_can_spend(&tail)) {
            prl_tail_spend(&tail, 2);
            sent++;
        }
    }
    EXPECT_INT(sent, 250);
    EXPECT_INT(tail.engines[2].sent, 250);
    // What was saved up has an end.
    for (int i = 0; i < 1000; i++)
        prl_tail_asked(&tail, 0);
    for (sent = 0; prl_tail_can_spend(&tail); sent++)
        prl_tail_spend(&tail, 0);
    EXPECT_INT(sent, 10);
}

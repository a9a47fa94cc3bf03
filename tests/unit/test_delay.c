// test_delay.c -- the target of the jitter buffer: quantile, growth and shrinking, drift, jumps.
#include "media/delay.h"

#include "tests/unit.h"

enum { PACKET_US = 20000 };

// `count` packets from number `from` on, each up to jitter_us later than `path_us`.
static int64_t feed(struct prl_delay *delay, int64_t from, int64_t count, int64_t path_us,
                    int64_t jitter_us)
{
    for (int64_t i = from; i < from + count; i++) {
        int64_t late_us = jitter_us ? (int64_t)(prl_test_random() % (uint32_t)jitter_us) : 0;
        EXPECT(!prl_delay_add(delay, i * PACKET_US, i * PACKET_US + path_us + late_us));
    }
    return from + count;
}

PRL_TEST(delay_target_is_a_quantile_and_a_frame)
{
    struct prl_delay delay;
    prl_delay_init(&delay);
    int64_t at = feed(&delay, 0, 1000, 70000, 0);
    EXPECT_INT(prl_delay_target_us(&delay), 25000);
    EXPECT_INT(prl_delay_due_us(&delay, 1000000), 1000000 + 70000 + 25000);
    (void)feed(&delay, at, 1000, 70000, 100000);
    EXPECT(prl_delay_target_us(&delay) >= 110000 && prl_delay_target_us(&delay) <= 125000);
}

PRL_TEST(delay_grows_at_once_and_shrinks_slowly)
{
    struct prl_delay delay;
    prl_delay_init(&delay);
    int64_t at = feed(&delay, 0, 500, 50000, 0);
    // One late packet is within what may be late, seven are not.
    (void)prl_delay_add(&delay, at * PACKET_US, at * PACKET_US + 250000);
    EXPECT_INT(prl_delay_target_us(&delay), 25000);
    for (int64_t i = 1; i < 7; i++)
        (void)prl_delay_add(&delay, (at + i) * PACKET_US, (at + i) * PACKET_US + 250000);
    EXPECT(prl_delay_target_us(&delay) >= 200000);
    at = feed(&delay, at + 7, 50, 50000, 0); // a second later
    EXPECT(prl_delay_target_us(&delay) >= 150000);
    (void)feed(&delay, at, 1000, 50000, 0);
    EXPECT_INT(prl_delay_target_us(&delay), 25000);
}

PRL_TEST(delay_stays_within_its_bounds)
{
    struct prl_delay delay;
    prl_delay_init(&delay);
    int64_t at = feed(&delay, 0, 1000, 0, 990000);
    EXPECT_INT(prl_delay_target_us(&delay), PRL_DELAY_MAX_US);
    for (int i = 0; i < 5000; i++, at++) {
        (void)prl_delay_add(&delay, at * PACKET_US,
                            at * PACKET_US + (int64_t)(prl_test_random() % 4000000) - 2000000);
        EXPECT(prl_delay_target_us(&delay) >= PRL_DELAY_MIN_US);
        EXPECT(prl_delay_target_us(&delay) <= PRL_DELAY_MAX_US);
    }
}

// A new estimate of the path alone must not move what is playing.
PRL_TEST(delay_keeps_the_schedule_when_the_path_is_estimated_anew)
{
    struct prl_delay delay;
    prl_delay_init(&delay);
    int64_t at = feed(&delay, 0, 500, 80000, 0);
    int64_t due_us = prl_delay_due_us(&delay, 0);
    (void)prl_delay_add(&delay, at * PACKET_US, at * PACKET_US + 50000); // one fast packet
    EXPECT(prl_delay_due_us(&delay, 0) >= due_us - PRL_DELAY_BUCKET_US);
    EXPECT(prl_delay_due_us(&delay, 0) <= due_us + PRL_DELAY_BUCKET_US);
    // If all are that fast from now on, the schedule follows.
    (void)feed(&delay, at + 1, 1500, 50000, 0);
    EXPECT(prl_delay_due_us(&delay, 0) <= 80000);
}

PRL_TEST(delay_knows_a_jump_from_lateness)
{
    struct prl_delay delay;
    prl_delay_init(&delay);
    int64_t at = feed(&delay, 0, 500, 50000, 0);
    EXPECT(!prl_delay_add(&delay, at * PACKET_US, at * PACKET_US + 900000));
    EXPECT(prl_delay_add(&delay, at * PACKET_US + 5000000, at * PACKET_US + 50000));
    EXPECT_INT(prl_delay_due_us(&delay, at * PACKET_US + 5000000),
               at * PACKET_US + 50000 + prl_delay_target_us(&delay));
    // An outage of 2 s: everything at once, each packet less late than the last.
    prl_delay_init(&delay);
    at = feed(&delay, 0, 500, 50000, 0);
    int64_t now_us = (at + 100) * PACKET_US + 50000;
    for (int64_t i = 0; i < 100; i++)
        (void)prl_delay_add(&delay, (at + i) * PACKET_US, now_us);
    (void)feed(&delay, at + 100, 100, 50000, 0);
    EXPECT_INT(prl_delay_target_us(&delay), 25000);
}

PRL_TEST(delay_counts_what_protection_could_bring)
{
    struct prl_delay delay;
    prl_delay_init(&delay);
    int64_t at = feed(&delay, 0, 500, 50000, 0);
    for (int64_t i = 0; i < 100; i++, at++) {
        (void)prl_delay_add(&delay, at * PACKET_US, at * PACKET_US + 50000);
        if (i % 10 == 9) // the one before was lost
            prl_delay_add_spare(&delay, (at - 1) * PACKET_US, at * PACKET_US + 50000);
    }
    EXPECT_INT(prl_delay_target_us(&delay), 45000);
}

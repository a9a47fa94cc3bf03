// test_bwe.c -- the advice on simulated links: narrow, shallow, lossy, jittery, changing.
#include <math.h>

#include "rtc/bwe.h"
#include "tests/unit.h"

enum {
    PACKET_US = 20000,
    OVERHEAD = 58, // IP, UDP, RTP with extension, tag
    WIRE = 64,     // packets of one period of feedback
};

struct link {
    // What it is.
    double bps;       // 0: no limit
    int64_t queue_us; // longest wait; beyond it packets are dropped
    double loss;
    int64_t flight_us;
    int64_t jitter_us; // uniform, above the flight
    int64_t report_us; // receiver reports
    bool feedback;     // transport-wide, each 100 ms
    // State.
    struct prl_bwe *bwe;
    int64_t now_us;
    int64_t free_us; // when the bottleneck has sent what it has
    unsigned expected, lost;
    int64_t reported_us, fed_us;
    int64_t waited_us; // of the newest packet, in the queue
    int64_t arrival_us, jitter;
    int64_t delay_us; // of the newest packet
    uint16_t seq;
    size_t count;
    struct prl_rtcp_arrival arrivals[WIRE];
    // What is measured.
    double rate_sum, wait_sum;
    unsigned steps;
    uint32_t rate_min;
    int fec_max;
};

static double uniform(void)
{
    return prl_test_random() / 4294967296.0;
}

static void start(struct link *link)
{
    link->now_us = 1000000;
    EXPECT_OK(prl_bwe_create(&link->bwe));
}

static bool pass_link(struct link *link, size_t size)
{
    int64_t wait_us = 0;
    if (link->bps > 0) {
        int64_t begin_us = link->free_us > link->now_us ? link->free_us : link->now_us;
        wait_us = begin_us - link->now_us;
        if (wait_us > link->queue_us)
            return false;
        link->free_us = begin_us + (int64_t)((double)size * 8e6 / link->bps);
        wait_us = link->free_us - link->now_us;
    }
    link->waited_us = wait_us;
    int64_t delay_us = link->flight_us + wait_us + (int64_t)(uniform() * (double)link->jitter_us);
    int64_t change_us =
        delay_us > link->delay_us ? delay_us - link->delay_us : link->delay_us - delay_us;
    link->delay_us = delay_us;
    link->jitter += (change_us - link->jitter) / 16;
    return uniform() >= link->loss;
}

static void report(struct link *link)
{
    if (link->now_us - link->reported_us >= link->report_us) {
        double loss = link->expected > 0 ? (double)link->lost / link->expected : 0;
        prl_bwe_report(link->bwe, link->now_us, loss, link->delay_us + link->flight_us,
                       link->jitter);
        link->reported_us = link->now_us;
        link->expected = link->lost = 0;
    }
    if (link->feedback && link->now_us - link->fed_us >= 100000) {
        prl_bwe_feedback(link->bwe, link->now_us, link->arrivals, link->count);
        link->fed_us = link->now_us;
        link->count = 0;
    }
}

static void step(struct link *link)
{
    struct prl_bwe_advice advice;
    prl_bwe_advice(link->bwe, &advice);
    size_t size = advice.bitrate_bps / 8 / 50 + OVERHEAD;
    bool arrived = pass_link(link, size);
    link->expected++;
    link->lost += !arrived;
    if (link->feedback && link->count < WIRE) {
        prl_bwe_sent(link->bwe, ++link->seq, size, link->now_us);
        // The peer's clock began elsewhere.
        link->arrivals[link->count++] = (struct prl_rtcp_arrival){
            link->seq, arrived, arrived ? link->now_us + link->delay_us - 123456789 : 0};
    }
    link->now_us += PACKET_US;
    report(link);
    link->rate_sum += advice.bitrate_bps;
    link->wait_sum += (double)link->waited_us;
    link->steps++;
    if (link->rate_min == 0 || advice.bitrate_bps < link->rate_min)
        link->rate_min = advice.bitrate_bps;
    if (advice.fec_loss_percent > link->fec_max)
        link->fec_max = advice.fec_loss_percent;
}

static void run(struct link *link, int seconds)
{
    link->rate_sum = link->wait_sum = 0;
    link->steps = 0;
    link->rate_min = 0;
    link->fec_max = 0;
    for (int i = 0; i < seconds * 50; i++)
        step(link);
}

static double mean_rate(const struct link *link)
{
    return link->rate_sum / link->steps;
}

static struct prl_bwe_advice advice_of(const struct link *link)
{
    struct prl_bwe_advice advice;
    prl_bwe_advice(link->bwe, &advice);
    return advice;
}

PRL_TEST(good_link_rises_to_the_top)
{
    for (int feedback = 0; feedback < 2; feedback++) {
        struct link link = {.flight_us = 30000, .report_us = 5000000, .feedback = feedback != 0};
        start(&link);
        EXPECT_INT(advice_of(&link).bitrate_bps, PRL_BWE_BITRATE_START);
        EXPECT_INT(advice_of(&link).fec_loss_percent, 0);
        run(&link, 30);
        EXPECT_INT(advice_of(&link).bitrate_bps, PRL_BWE_BITRATE_MAX);
        EXPECT_INT(link.fec_max, 0);
        EXPECT(link.rate_min >= PRL_BWE_BITRATE_START);
        prl_bwe_destroy(&link.bwe);
    }
}

// 20 kb/s of sound with 23 kb/s of headers fit into 44 kb/s, with a queue of a second before it.
PRL_TEST(narrow_link_backs_off_and_recovers)
{
    for (int kind = 0; kind < 3; kind++) {
        struct link link = {.bps = 44000, .queue_us = 1000000, .flight_us = 30000};
        link.report_us = kind == 0 ? 5000000 : 1000000;
        link.feedback = kind == 2;
        start(&link);
        run(&link, 30);
        run(&link, 60);
        EXPECT(mean_rate(&link) > 12000 && mean_rate(&link) < 21000);
        EXPECT(link.wait_sum / link.steps < 250000);   // mostly not in the queue
        EXPECT(link.fec_max <= (kind == 0 ? 30 : 10)); // once in 5 s is late: the queue ran over
        link.bps = 0;                                  // the road is free again
        run(&link, 60);
        EXPECT(advice_of(&link).bitrate_bps >= 44000);
        prl_bwe_destroy(&link.bwe);
    }
}

// The same with a policer, which drops instead of queueing: only a trial can tell it from chance.
PRL_TEST(shallow_link_is_found_by_a_trial)
{
    for (int feedback = 0; feedback < 2; feedback++) {
        struct link link = {.bps = 44000,
                            .queue_us = 20000,
                            .flight_us = 30000,
                            .report_us = 1000000,
                            .feedback = feedback != 0};
        start(&link);
        run(&link, 40);
        run(&link, 60);
        EXPECT(mean_rate(&link) < 26000);
        EXPECT(mean_rate(&link) > 10000);
        EXPECT(advice_of(&link).loss < 0.15);
        link.bps = 0;
        run(&link, 60);
        EXPECT(advice_of(&link).bitrate_bps >= 40000);
        prl_bwe_destroy(&link.bwe);
    }
}

PRL_TEST(random_loss_raises_protection_and_keeps_the_rate)
{
    static const double losses[] = {0.05, 0.1, 0.2, 0.3};
    for (int feedback = 0; feedback < 2; feedback++)
        for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
            struct link link = {.loss = losses[i],
                                .flight_us = 50000,
                                .jitter_us = 50000,
                                .report_us = 2000000,
                                .feedback = feedback != 0};
            start(&link);
            run(&link, 20);
            run(&link, 120);
            EXPECT(mean_rate(&link) > 23000);
            EXPECT(link.rate_min >= 11000); // two trials in a row misled by chance
            int fec = advice_of(&link).fec_loss_percent;
            EXPECT(fec >= (int)(losses[i] * 80) && fec <= PRL_BWE_FEC_MAX);
            link.loss = 0;
            run(&link, 120);
            EXPECT_INT(advice_of(&link).fec_loss_percent, 0);
            EXPECT(advice_of(&link).bitrate_bps >= 46000);
            prl_bwe_destroy(&link.bwe);
        }
}

PRL_TEST(jitter_is_no_congestion)
{
    for (int feedback = 0; feedback < 2; feedback++) {
        struct link link = {.flight_us = 40000,
                            .jitter_us = 100000,
                            .report_us = 2000000,
                            .feedback = feedback != 0};
        start(&link);
        run(&link, 20);
        run(&link, 60);
        EXPECT(mean_rate(&link) > 30000);
        prl_bwe_destroy(&link.bwe);
    }
}

PRL_TEST(longer_way_becomes_the_new_normal)
{
    struct link link = {.flight_us = 20000, .report_us = 1000000};
    start(&link);
    run(&link, 30);
    link.flight_us = 120000; // another route
    run(&link, 100);
    run(&link, 60);
    EXPECT(mean_rate(&link) > 40000);
    prl_bwe_destroy(&link.bwe);
}

PRL_TEST(protection_does_not_flap)
{
    struct link link = {.loss = 0.03, .flight_us = 50000, .report_us = 1000000};
    start(&link);
    run(&link, 20);
    int changes = 0;
    int last = advice_of(&link).fec_loss_percent;
    for (int i = 0; i < 120; i++) {
        run(&link, 1);
        int fec = advice_of(&link).fec_loss_percent;
        changes += fec != last;
        last = fec;
        EXPECT(fec > 0);
    }
    EXPECT(changes < 20);
    prl_bwe_destroy(&link.bwe);
}

PRL_TEST(nonsense_is_clamped)
{
    struct prl_bwe *bwe;
    struct prl_bwe_advice advice;
    REQUIRE(prl_bwe_create(&bwe) == PRL_OK);
    for (int i = 0; i < 2000; i++) {
        double loss = (double)(int32_t)prl_test_random() / 1e9;
        int64_t now_us = (int64_t)i * 1000000;
        prl_bwe_report(bwe, now_us, i % 50 == 0 ? (double)NAN : loss, (int32_t)prl_test_random(),
                       (int32_t)prl_test_random());
        struct prl_rtcp_arrival arrivals[20];
        for (int k = 0; k < 20; k++) {
            prl_bwe_sent(bwe, (uint16_t)(i * 20 + k), 100, now_us);
            arrivals[k] = (struct prl_rtcp_arrival){(uint16_t)prl_test_random(), true,
                                                    (int64_t)prl_test_random() << 20};
        }
        if (i % 3 == 0)
            prl_bwe_feedback(bwe, now_us, arrivals, 20);
        prl_bwe_advice(bwe, &advice);
        EXPECT(advice.bitrate_bps >= PRL_BWE_BITRATE_MIN &&
               advice.bitrate_bps <= PRL_BWE_BITRATE_MAX);
        EXPECT(advice.fec_loss_percent >= 0 && advice.fec_loss_percent <= PRL_BWE_FEC_MAX);
        EXPECT(advice.loss >= 0 && advice.loss <= 1);
    }
    prl_bwe_destroy(&bwe);
}

PRL_TEST_OOM(bwe_create)
{
    struct prl_bwe *bwe;
    if (prl_bwe_create(&bwe) == PRL_OK)
        prl_bwe_report(bwe, 1, 0, -1, -1);
    prl_bwe_destroy(&bwe);
}

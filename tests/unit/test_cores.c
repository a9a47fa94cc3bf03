// test_cores.c -- sharing cores among lanes, and retreating when more threads are slower.
#include "base/cores.h"

#include "base/clock.h"
#include "tests/unit.h"

PRL_TEST_OOM(cores_are_shared)
{
    struct prl_cores *cores;
    if (prl_cores_create(&cores, 4)) {
        EXPECT(prl_test_oom() && cores == NULL);
        return;
    }
    EXPECT_INT(prl_cores_total(cores), 4);
    prl_cores_set_foreign(cores, 0);
    prl_cores_enter(cores);
    EXPECT_INT(prl_cores_share(cores, 0), 4);
    EXPECT_INT(prl_cores_share(cores, 2), 2);
    prl_cores_enter(cores);
    prl_cores_enter(cores);
    EXPECT_INT(prl_cores_share(cores, 0), 2);
    for (int i = 0; i < 5; i++)
        prl_cores_enter(cores);
    EXPECT_INT(prl_cores_share(cores, 0), 1); // more lanes than cores: never none
    for (int i = 0; i < 8; i++)
        prl_cores_leave(cores);
    prl_cores_enter(cores);
    EXPECT_INT(prl_cores_share(cores, 0), 4);
    prl_cores_leave(cores);
    prl_cores_destroy(&cores);
    EXPECT(cores == NULL);
}

PRL_TEST(cores_of_nobody_are_one)
{
    prl_cores_enter(NULL);
    EXPECT_INT(prl_cores_share(NULL, 0), 1);
    EXPECT_INT(prl_cores_share(NULL, 8), 1);
    EXPECT_INT(prl_cores_total(NULL), 1);
    prl_cores_leave(NULL);
}

PRL_TEST(cores_of_the_machine)
{
    struct prl_cores *cores;
    REQUIRE(prl_cores_create(&cores, 0) == PRL_OK);
    EXPECT(prl_cores_total(cores) >= 1);
    prl_cores_destroy(&cores);
}

PRL_TEST(cores_are_left_to_other_programs)
{
    struct prl_cores *cores;
    REQUIRE(prl_cores_create(&cores, 2) == PRL_OK);
    prl_cores_enter(cores);
    prl_cores_set_foreign(cores, 30);
    EXPECT_INT(prl_cores_share(cores, 0), 2); // a browser that plays the answer
    prl_cores_set_foreign(cores, 60);
    EXPECT_INT(prl_cores_share(cores, 0), 1); // a compiler
    prl_cores_set_foreign(cores, 500);
    EXPECT_INT(prl_cores_share(cores, 0), 1);
    prl_cores_set_foreign(cores, -1); // the system's own figure: anything, but never none
    for (int i = 0; i < 3; i++)
        EXPECT(prl_cores_share(cores, 0) >= 1 && prl_cores_share(cores, 0) <= 2);
    prl_cores_leave(cores);
    prl_cores_destroy(&cores);
}

// One step of `units` that takes so long; returns how many threads it was given.
static int step(struct prl_pace *pace, struct prl_cores *cores, double units, int64_t took_us)
{
    int threads = prl_pace_begin(pace, cores, 0);
    prl_clock_hold(prl_clock_now_us() + took_us);
    prl_pace_end(pace, cores, units);
    return threads;
}

static bool two_cores(struct prl_cores **cores)
{
    if (prl_cores_create(cores, 2) != PRL_OK)
        return false;
    prl_cores_set_foreign(*cores, 0);
    prl_cores_enter(*cores);
    prl_clock_hold(1000000);
    return true;
}

static void end_cores(struct prl_cores **cores)
{
    prl_clock_hold(-1);
    prl_cores_leave(*cores);
    prl_cores_destroy(cores);
}

PRL_TEST(pace_learns_the_price_first)
{
    struct prl_cores *cores;
    struct prl_pace pace = {0};
    REQUIRE(two_cores(&cores));
    EXPECT_INT(step(&pace, cores, 0, 1000), 1); // no work: says nothing
    EXPECT_INT(step(&pace, cores, 10, 1000), 1);
    EXPECT_INT(step(&pace, cores, 10, 600), 2);
    EXPECT_INT(prl_pace_begin(&pace, cores, 1), 1);
    EXPECT_INT(prl_pace_begin(&pace, NULL, 0), 1);
    end_cores(&cores);
}

PRL_TEST(pace_retreats_and_comes_back)
{
    struct prl_cores *cores;
    struct prl_pace pace = {0};
    REQUIRE(two_cores(&cores));
    EXPECT_INT(step(&pace, cores, 10, 1000), 1);
    EXPECT_INT(step(&pace, cores, 10, 600), 2);  // faster: goes on
    EXPECT_INT(step(&pace, cores, 10, 5000), 2); // a fight
    int64_t until_us = prl_clock_now_us() + 1000000;
    prl_clock_hold(until_us - 1);
    EXPECT_INT(prl_pace_begin(&pace, cores, 0), 1);
    prl_clock_hold(until_us);
    EXPECT_INT(step(&pace, cores, 10, 5000), 2); // still: twice as long
    until_us = prl_clock_now_us() + 2000000;
    prl_clock_hold(until_us - 1);
    EXPECT_INT(prl_pace_begin(&pace, cores, 0), 1);
    prl_clock_hold(until_us);
    for (int i = 0; i < 20; i++) { // the longest is 30 s
        EXPECT_INT(step(&pace, cores, 10, 5000), 2);
        prl_clock_hold(prl_clock_now_us() + 30000000 - 1);
        EXPECT(i < 3 || prl_pace_begin(&pace, cores, 0) == 1);
        prl_clock_hold(prl_clock_now_us() + 1);
    }
    EXPECT_INT(step(&pace, cores, 10, 600), 2); // peace again
    EXPECT_INT(step(&pace, cores, 10, 5000), 2);
    prl_clock_hold(prl_clock_now_us() + 1000000); // and a short retreat as at first
    EXPECT_INT(prl_pace_begin(&pace, cores, 0), 2);
    end_cores(&cores);
}

PRL_TEST(pace_is_not_misled_by_another_lane)
{
    struct prl_cores *cores;
    struct prl_pace pace = {0};
    REQUIRE(two_cores(&cores));
    EXPECT_INT(prl_cores_others(cores), 0);
    EXPECT_INT(step(&pace, cores, 10, 1000), 1);
    EXPECT_INT(prl_pace_begin(&pace, cores, 0), 2);
    prl_cores_enter(cores); // a recogniser begins in the middle of the step
    EXPECT_INT(prl_cores_others(cores), 1);
    prl_clock_hold(prl_clock_now_us() + 5000);
    prl_pace_end(&pace, cores, 10);
    EXPECT_INT(step(&pace, cores, 10, 1200), 1);
    prl_cores_leave(cores);
    EXPECT_INT(step(&pace, cores, 10, 600), 2); // no retreat
    EXPECT_INT(prl_cores_others(NULL), 0);
    end_cores(&cores);
}

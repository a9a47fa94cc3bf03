// test_overload.c -- net/overload: refuses a crowd that fills the core, never a few, and recovers.
#include "net/overload.h"

#include "tests/unit.h"

struct world {
    struct prl_overload overload;
    int64_t now_us, cpu_us;
};

static void pass(struct world *world, int ticks, double share, int64_t lag_us, size_t sessions)
{
    for (int i = 0; i < ticks; i++) {
        world->now_us += PRL_OVERLOAD_TICK_US;
        world->cpu_us += (int64_t)(share * PRL_OVERLOAD_TICK_US);
        prl_overload_tick(&world->overload, world->now_us, world->cpu_us, lag_us, sessions);
    }
}

PRL_TEST(overload_refuses_when_the_core_is_full)
{
    struct world world = {.now_us = 1000000};
    prl_overload_init(&world.overload, 0.85);
    EXPECT(!prl_overload_refuses(&world.overload, 1000)); // nothing known yet
    pass(&world, 40, 0.5, 0, 50);
    EXPECT(!prl_overload_refuses(&world.overload, 50));
    pass(&world, 40, 0.9, 0, 90);
    EXPECT(prl_overload_refuses(&world.overload, 90));
    pass(&world, 40, 0.5, 0, 50);
    EXPECT(!prl_overload_refuses(&world.overload, 50)); // some have gone
}

PRL_TEST(overload_counts_those_who_have_just_come)
{
    struct world world = {.now_us = 1000000};
    prl_overload_init(&world.overload, 0.85);
    pass(&world, 120, 0.5, 0, 50); // one per cent each
    size_t let_in = 0;
    while (let_in < 1000 && !prl_overload_refuses(&world.overload, 50 + let_in)) {
        prl_overload_admitted(&world.overload);
        let_in++;
    }
    EXPECT(let_in >= 33 && let_in <= 35);
    // They turn out to be quiet: after a while there is room again.
    pass(&world, PRL_OVERLOAD_MEMORY + 1, 0.5, 0, 50 + let_in);
    EXPECT(!prl_overload_refuses(&world.overload, 50 + let_in));
}

PRL_TEST(overload_lets_a_crowd_begin)
{
    struct world world = {.now_us = 1000000};
    prl_overload_init(&world.overload, 0.85);
    pass(&world, 40, 0.5, 0, 2); // two that keep the loop busy
    // Then 150 come within a second, and to let them in costs something.
    size_t sessions = 2;
    for (int tick = 0; tick < 4; tick++) {
        for (int i = 0; i < 38; i++, sessions++) {
            EXPECT(!prl_overload_refuses(&world.overload, sessions));
            prl_overload_admitted(&world.overload);
        }
        pass(&world, 1, 0.5, 0, sessions);
    }
}

PRL_TEST(overload_leaves_a_few_alone)
{
    struct world world = {.now_us = 1000000};
    prl_overload_init(&world.overload, 0.85);
    pass(&world, 40, 1.0, 1000000, 2);
    EXPECT(!prl_overload_refuses(&world.overload, PRL_OVERLOAD_SESSIONS_MIN - 1));
    EXPECT(prl_overload_refuses(&world.overload, PRL_OVERLOAD_SESSIONS_MIN));
    prl_overload_init(&world.overload, 0); // switched off
    pass(&world, 40, 1.0, 1000000, 200);
    EXPECT(!prl_overload_refuses(&world.overload, 200));
}

PRL_TEST(overload_sees_a_loop_that_others_keep_from_running)
{
    struct world world = {.now_us = 1000000};
    prl_overload_init(&world.overload, 0.85);
    pass(&world, 40, 0.2, 2L * PRL_OVERLOAD_LAG_US, 20);
    EXPECT(prl_overload_refuses(&world.overload, 20));
    pass(&world, 40, 0.2, 1000, 20);
    EXPECT(!prl_overload_refuses(&world.overload, 20));
}

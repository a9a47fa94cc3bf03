// test_cores.c -- sharing cores among lanes, and retreating when more threads are slower.
#include "base/cores.h"
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

PRL_TEST(pace_learns_the_price_first)
{
    struct prl_pace pace = {0};
    EXPECT_INT(prl_pace_threads(&pace, 2, 0), 1);
    prl_pace_note(&pace, 1, 0, 1000, 0); // no work: says nothing
    EXPECT_INT(prl_pace_threads(&pace, 2, 0), 1);
    prl_pace_note(&pace, 1, 10, 1000, 0);
    EXPECT_INT(prl_pace_threads(&pace, 2, 0), 2);
}

PRL_TEST(pace_retreats_and_comes_back)
{
    struct prl_pace pace = {0};
    prl_pace_note(&pace, 1, 10, 1000, 0);
    prl_pace_note(&pace, 2, 10, 600, 0); // faster: goes on
    EXPECT_INT(prl_pace_threads(&pace, 2, 0), 2);
    prl_pace_note(&pace, 2, 10, 5000, 0); // a fight
    EXPECT_INT(prl_pace_threads(&pace, 2, 999999), 1);
    EXPECT_INT(prl_pace_threads(&pace, 2, 1000000), 2);
    prl_pace_note(&pace, 2, 10, 5000, 1000000); // still: twice as long
    EXPECT_INT(prl_pace_threads(&pace, 2, 2999999), 1);
    EXPECT_INT(prl_pace_threads(&pace, 2, 3000000), 2);
    for (int i = 0; i < 20; i++)
        prl_pace_note(&pace, 2, 10, 5000, 3000000);
    EXPECT_INT(prl_pace_threads(&pace, 2, 3000000 + 29999999), 1);
    EXPECT_INT(prl_pace_threads(&pace, 2, 3000000 + 30000000), 2);
    prl_pace_note(&pace, 2, 10, 600, 33000000); // peace again
    prl_pace_note(&pace, 2, 10, 5000, 33000000);
    EXPECT_INT(prl_pace_threads(&pace, 2, 34000000), 2);
}

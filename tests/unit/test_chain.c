// test_chain.c -- order, balance and breakers of engines, in virtual time.
#include "engine/chain.h"

#include "tests/unit.h"

static const int64_t SECOND_US = 1000000;

static void fail_some(struct prl_chain *chain, int count, int64_t now_us)
{
    for (int i = 0; i < count; i++) {
        int index = prl_chain_pick(chain, now_us, 0);
        EXPECT(index >= 0);
        if (index >= 0)
            prl_chain_end(chain, (size_t)index, now_us, PRL_OUTCOME_FAILED);
    }
}

PRL_TEST(chain_takes_the_first_and_falls_back)
{
    struct prl_chain chain;
    prl_chain_init(&chain, NULL);
    EXPECT_INT(prl_chain_pick(&chain, 0, 0), -1);
    prl_chain_add(&chain, 0, true);
    prl_chain_add(&chain, 1, true);
    EXPECT_INT(prl_chain_pick(&chain, 0, 0), 0);
    EXPECT_INT(prl_chain_pick(&chain, 0, 1), 1);
    EXPECT_INT(prl_chain_pick(&chain, 0, 3), -1);
    EXPECT_INT(chain.engines[0].in_flight, 1);
    prl_chain_end(&chain, 0, 0, PRL_OUTCOME_CANCELED);
    prl_chain_end(&chain, 1, 0, PRL_OUTCOME_OK);
    EXPECT_INT(chain.engines[0].in_flight, 0);
    fail_some(&chain, 3, 0);
    EXPECT_INT(chain.engines[0].breaker, PRL_BREAKER_OPEN);
    EXPECT_INT(prl_chain_pick(&chain, 0, 0), 1);
    prl_chain_end(&chain, 1, 0, PRL_OUTCOME_OK);
}

PRL_TEST(chain_balances_equal_ranks)
{
    struct prl_chain chain;
    prl_chain_init(&chain, NULL);
    prl_chain_add(&chain, 0, true);
    prl_chain_add(&chain, 0, true);
    prl_chain_add(&chain, 5, true);
    int count[3] = {0};
    for (int i = 0; i < 10; i++)
        count[prl_chain_pick(&chain, 0, 0)]++;
    EXPECT_INT(count[0], 5);
    EXPECT_INT(count[1], 5);
    for (size_t i = 0; i < 10; i++)
        prl_chain_end(&chain, i % 2, 0, PRL_OUTCOME_OK);
    // One that takes three times as long gets a quarter of the work.
    prl_chain_first_byte(&chain, 0, 300000);
    prl_chain_first_byte(&chain, 1, 100000);
    count[0] = count[1] = 0;
    for (int i = 0; i < 12; i++)
        count[prl_chain_pick(&chain, 0, 0)]++;
    EXPECT_INT(count[0], 3);
    EXPECT_INT(count[1], 9);
}

PRL_TEST(chain_breaker_opens_probes_and_closes)
{
    struct prl_chain chain;
    prl_chain_init(&chain, NULL);
    prl_chain_add(&chain, 0, true);
    EXPECT_INT(prl_chain_probe_at(&chain), INT64_MAX);
    fail_some(&chain, 2, 0);
    prl_chain_end(&chain, (size_t)prl_chain_pick(&chain, 0, 0), 0, PRL_OUTCOME_OK);
    fail_some(&chain, 3, 0); // in a row
    EXPECT_INT(prl_chain_pick(&chain, 0, 0), -1);
    EXPECT_INT(prl_chain_probe_at(&chain), SECOND_US);
    EXPECT_INT(prl_chain_next_probe(&chain, SECOND_US - 1), -1);
    EXPECT_INT(prl_chain_next_probe(&chain, SECOND_US), 0);
    EXPECT_INT(prl_chain_next_probe(&chain, SECOND_US), -1);
    EXPECT_INT(prl_chain_pick(&chain, SECOND_US, 0), -1);
    prl_chain_probed(&chain, 0, SECOND_US, false);
    EXPECT_INT(prl_chain_probe_at(&chain), 3 * SECOND_US); // twice as long
    EXPECT_INT(prl_chain_next_probe(&chain, 3 * SECOND_US), 0);
    prl_chain_probed(&chain, 0, 3 * SECOND_US, true);
    EXPECT_INT(prl_chain_pick(&chain, 3 * SECOND_US, 0), 0);
    EXPECT_INT(prl_chain_pick(&chain, 3 * SECOND_US, 0), -1); // one at a time
    prl_chain_end(&chain, 0, 3 * SECOND_US, PRL_OUTCOME_FAILED);
    EXPECT_INT(prl_chain_probe_at(&chain), 7 * SECOND_US);
    EXPECT_INT(prl_chain_next_probe(&chain, 7 * SECOND_US), 0);
    prl_chain_probed(&chain, 0, 7 * SECOND_US, true);
    EXPECT_INT(prl_chain_pick(&chain, 7 * SECOND_US, 0), 0);
    prl_chain_end(&chain, 0, 7 * SECOND_US, PRL_OUTCOME_OK);
    EXPECT_INT(chain.engines[0].breaker, PRL_BREAKER_CLOSED);
    fail_some(&chain, 3, 8 * SECOND_US); // and the times begin anew
    EXPECT_INT(prl_chain_probe_at(&chain), 9 * SECOND_US);
    for (int64_t now_us = 9 * SECOND_US, i = 0; i < 10; i++) {
        EXPECT_INT(prl_chain_next_probe(&chain, now_us), 0);
        prl_chain_probed(&chain, 0, now_us, false);
        EXPECT(prl_chain_probe_at(&chain) - now_us <= 30 * SECOND_US);
        now_us = prl_chain_probe_at(&chain);
    }
}

PRL_TEST(chain_bad_requests_break_nothing)
{
    struct prl_chain chain;
    prl_chain_init(&chain, &(struct prl_chain_conf){.failures_max = 1});
    prl_chain_add(&chain, 0, false);
    for (int i = 0; i < 10; i++) {
        EXPECT_INT(prl_chain_pick(&chain, 0, 0), 0);
        prl_chain_end(&chain, 0, 0, i % 2 ? PRL_OUTCOME_REFUSED : PRL_OUTCOME_CANCELED);
    }
    EXPECT_INT(chain.engines[0].breaker, PRL_BREAKER_CLOSED);
    fail_some(&chain, 1, 0);
    EXPECT_INT(prl_chain_next_probe(&chain, SECOND_US), -1); // has no probe: time is enough
    EXPECT_INT(prl_chain_pick(&chain, SECOND_US - 1, 0), -1);
    EXPECT_INT(prl_chain_pick(&chain, SECOND_US, 0), 0);
    prl_chain_end(&chain, 0, SECOND_US, PRL_OUTCOME_CANCELED);
    EXPECT_INT(prl_chain_pick(&chain, SECOND_US, 0), 0);
    prl_chain_end(&chain, 0, SECOND_US, PRL_OUTCOME_OK);
    EXPECT_INT(chain.engines[0].breaker, PRL_BREAKER_CLOSED);
    EXPECT_TEXT(prl_breaker_name(chain.engines[0].breaker), "closed");
}

// test_llm_ledger.c -- which streams wait for what when the language model's process is gone.
#include "base/mem.h"
#include "llm/ledger.h"
#include "llm/llm.h"
#include "llm/worker.h"
#include "tests/unit.h"

static void order(struct prl_llm_ledger *ledger, uint32_t type, uint64_t id, uint32_t generation)
{
    prl_llm_ledger_sent(ledger,
                        &(struct prl_msg){.type = type, .id = id, .generation = generation});
}

static enum prl_err event(struct prl_llm_ledger *ledger, uint32_t type, uint64_t id,
                          uint32_t generation)
{
    char text[] = "a\0b";
    return prl_llm_ledger_got(
        ledger,
        &(struct prl_msg){
            .type = type, .id = id, .generation = generation, .data = text, .size = sizeof(text)});
}

PRL_TEST_OOM(llm_ledger_whole_life)
{
    struct prl_llm_ledger *ledger;
    struct prl_msg msg;
    if (prl_llm_ledger_create(&ledger) != PRL_OK) {
        EXPECT(ledger == NULL);
        return;
    }
    EXPECT(!prl_llm_ledger_lost(ledger, &msg));
    EXPECT(!prl_llm_ledger_again(ledger, &msg));
    order(ledger, PRL_LLM_ORDER_OPEN, 1, 0);
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0));
    order(ledger, PRL_LLM_ORDER_GENERATE, 1, 5);
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0));
    EXPECT_OK(event(ledger, PRL_LLM_EVENT_TOKEN, 1, 5));
    EXPECT_OK(event(ledger, PRL_LLM_EVENT_DONE, 1, 5));
    EXPECT(!prl_llm_ledger_lost(ledger, &msg));
    prl_llm_ledger_destroy(&ledger);
    EXPECT(ledger == NULL);
}

PRL_TEST(llm_ledger_answers_for_a_dead_process)
{
    struct prl_llm_ledger *ledger;
    struct prl_msg msg;
    REQUIRE(prl_llm_ledger_create(&ledger) == PRL_OK);
    for (uint64_t id = 1; id <= 4; id++) {
        order(ledger, PRL_LLM_ORDER_OPEN, id, 0);
        EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, id, 0));
    }
    order(ledger, PRL_LLM_ORDER_GENERATE, 1, 5); // taken, being answered
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0));
    order(ledger, PRL_LLM_ORDER_GENERATE, 2, 6); // not even taken
    order(ledger, PRL_LLM_ORDER_CLOSE, 3, 0);    // on its way
    order(ledger, PRL_LLM_ORDER_GENERATE, 4, 7); // cancelled
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 4, 0));
    order(ledger, PRL_LLM_ORDER_CANCEL, 4, 7);
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 4, 0));
    int errors = 0, taken = 0, closed = 0;
    while (prl_llm_ledger_lost(ledger, &msg)) {
        errors += msg.type == PRL_LLM_EVENT_ERROR &&
                  ((msg.id == 1 && msg.generation == 5) || (msg.id == 2 && msg.generation == 6));
        taken += msg.type == PRL_LLM_NOTE_TAKEN && msg.id == 2;
        closed += msg.type == PRL_LLM_NOTE_CLOSED && msg.id == 3;
    }
    EXPECT(errors == 2 && taken == 1 && closed == 1);
    unsigned opened = 0;
    while (prl_llm_ledger_again(ledger, &msg)) {
        EXPECT(msg.type == PRL_LLM_ORDER_OPEN);
        opened |= 1U << msg.id;
    }
    EXPECT_INT(opened, 1 << 1 | 1 << 2 | 1 << 4);
    // Its answer to that is nobody's; the next one is the front's again.
    order(ledger, PRL_LLM_ORDER_GENERATE, 1, 8);
    EXPECT_INT(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0), PRL_ERR_AGAIN);
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0));
    // A process that dies before it took what `again` said: the same once more.
    while (prl_llm_ledger_lost(ledger, &msg)) {
    }
    int again = 0;
    while (prl_llm_ledger_again(ledger, &msg))
        again++;
    EXPECT_INT(again, 3);
    prl_llm_ledger_destroy(&ledger);
}

PRL_TEST(llm_ledger_refuses_what_no_worker_sends)
{
    struct prl_llm_ledger *ledger;
    REQUIRE(prl_llm_ledger_create(&ledger) == PRL_OK);
    order(ledger, PRL_LLM_ORDER_OPEN, 1, 0);
    EXPECT_INT(event(ledger, PRL_LLM_NOTE_CLOSED, 1, 0), PRL_ERR_INVALID);
    EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0));
    EXPECT_INT(event(ledger, PRL_LLM_NOTE_TAKEN, 1, 0), PRL_ERR_INVALID);
    EXPECT_INT(event(ledger, 77, 1, 0), PRL_ERR_INVALID);
    EXPECT_INT(event(ledger, PRL_LLM_EVENT_TOKEN | 1U << 8, 1, 0), PRL_ERR_INVALID);
    EXPECT_INT(event(ledger, PRL_LLM_EVENT_DONE | 9U << 8, 1, 0), PRL_ERR_INVALID);
    EXPECT_OK(event(ledger, PRL_LLM_EVENT_TOOL_BEGIN, 1, 0));
    struct prl_msg bare = {.type = PRL_LLM_EVENT_TOOL_BEGIN, .id = 1};
    EXPECT_INT(prl_llm_ledger_got(ledger, &bare), PRL_ERR_INVALID);
    char one[] = "name";
    bare.data = one;
    bare.size = sizeof(one); // one text, not two
    EXPECT_INT(prl_llm_ledger_got(ledger, &bare), PRL_ERR_INVALID);
    bare.type = PRL_LLM_EVENT_TOKEN;
    bare.data = NULL;
    EXPECT_INT(prl_llm_ledger_got(ledger, &bare), PRL_ERR_INVALID);
    EXPECT_INT(event(ledger, PRL_LLM_EVENT_TOKEN, 99, 0), PRL_ERR_AGAIN); // of no stream
    prl_llm_ledger_destroy(&ledger);
}

PRL_TEST(llm_ledger_is_bounded)
{
    struct prl_llm_ledger *ledger;
    struct prl_msg msg;
    REQUIRE(prl_llm_ledger_create(&ledger) == PRL_OK);
    for (uint64_t id = 1; id <= PRL_LLM_STREAMS_MAX + 5; id++) {
        order(ledger, PRL_LLM_ORDER_OPEN, id, 0);
        EXPECT_OK(event(ledger, PRL_LLM_NOTE_TAKEN, id, 0));
        if (id > 3) {
            order(ledger, PRL_LLM_ORDER_CLOSE, id, 0);
            EXPECT_OK(event(ledger, PRL_LLM_NOTE_CLOSED, id, 0));
        }
    }
    EXPECT(!prl_llm_ledger_lost(ledger, &msg));
    int again = 0;
    while (prl_llm_ledger_again(ledger, &msg))
        again++;
    EXPECT_INT(again, 3);
    prl_llm_ledger_destroy(&ledger);
}

// test_tts_ledger.c -- which clauses the next process says, and which have failed.
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tts/ledger.h"
#include "tts/tts_lane.h"

static enum prl_err say(struct prl_tts_ledger *ledger, uint64_t stream, uint32_t generation,
                        uint32_t clause)
{
    struct prl_tts_job_head head = {.clause_id = clause, .text_len = 2};
    char bytes[sizeof(head) + 2];
    memcpy(bytes, &head, sizeof(head));
    bytes[sizeof(head)] = 'h';
    bytes[sizeof(head) + 1] = 'i';
    struct prl_msg msg = {.type = PRL_TTS_ORDER_SAY,
                          .id = stream,
                          .generation = generation,
                          .data = prl_mem_dup(bytes, sizeof(bytes)),
                          .size = sizeof(bytes)};
    if (!msg.data)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_tts_ledger_sent(ledger, &msg);
    EXPECT(!err == (msg.data == NULL));
    prl_msg_free(&msg);
    return err;
}

static enum prl_err order(struct prl_tts_ledger *ledger, enum prl_tts_order type, uint64_t stream,
                          uint32_t generation)
{
    struct prl_msg msg = {.type = type, .id = stream, .generation = generation};
    return prl_tts_ledger_sent(ledger, &msg);
}

struct sound {
    struct prl_tts_audio_head head;
    struct prl_tts_mark mark;
    int16_t pcm[4];
};

static enum prl_err hear(struct prl_tts_ledger *ledger, uint64_t stream, uint32_t generation,
                         const struct sound *heard)
{
    char bytes[sizeof(*heard)];
    size_t marks = heard->head.mark_count * sizeof(heard->mark);
    size_t pcm = heard->head.samples * sizeof(int16_t);
    memcpy(bytes, &heard->head, sizeof(heard->head));
    memcpy(bytes + sizeof(heard->head), &heard->mark, marks);
    memcpy(bytes + sizeof(heard->head) + marks, heard->pcm, pcm);
    return prl_tts_ledger_got(ledger, &(struct prl_msg){.type = PRL_TTS_REPORT_AUDIO,
                                                        .id = stream,
                                                        .generation = generation,
                                                        .data = bytes,
                                                        .size = sizeof(heard->head) + marks + pcm});
}

static enum prl_err done(struct prl_tts_ledger *ledger, uint64_t stream, uint32_t generation,
                         uint32_t clause)
{
    struct prl_tts_done end = {.clause_id = clause};
    return prl_tts_ledger_got(ledger, &(struct prl_msg){.type = PRL_TTS_REPORT_DONE,
                                                        .id = stream,
                                                        .generation = generation,
                                                        .data = &end,
                                                        .size = sizeof(end)});
}

PRL_TEST_OOM(tts_ledger_whole_life)
{
    struct prl_tts_ledger *ledger;
    struct prl_msg msg;
    if (prl_tts_ledger_create(&ledger) != PRL_OK)
        return;
    int kept = 0;
    for (uint32_t i = 1; i <= 3; i++)
        kept += say(ledger, 1, 1, i) == PRL_OK;
    EXPECT(kept == 3 || prl_test_oom());
    while (prl_tts_ledger_lost(ledger, true, &msg)) {
        EXPECT(false); // all of them are kept
        prl_msg_free(&msg);
    }
    int again = 0;
    while (prl_tts_ledger_again(ledger, &msg)) {
        again++;
        EXPECT(msg.type == PRL_TTS_ORDER_SAY && msg.size == sizeof(struct prl_tts_job_head) + 2);
        prl_msg_free(&msg);
    }
    EXPECT(again == kept || prl_test_oom());
    prl_tts_ledger_destroy(&ledger);
    EXPECT(ledger == NULL);
}

PRL_TEST(tts_ledger_tells_what_failed)
{
    struct prl_tts_ledger *ledger;
    struct prl_msg msg;
    struct sound heard = {.head = {.clause_id = 1, .samples = 4, .mark_count = 1},
                          .mark = {.sample_end = 4, .source_end = 2}};
    REQUIRE(prl_tts_ledger_create(&ledger) == PRL_OK);
    EXPECT_OK(say(ledger, 1, 1, 1)); // has sounded
    EXPECT_OK(say(ledger, 1, 1, 2)); // has not
    EXPECT_OK(say(ledger, 2, 1, 1)); // is done
    EXPECT_OK(say(ledger, 3, 1, 1)); // cancelled, and its next generation is not
    EXPECT_OK(say(ledger, 3, 2, 1));
    EXPECT_OK(say(ledger, 4, 9, 1)); // closed
    EXPECT_OK(hear(ledger, 1, 1, &heard));
    EXPECT_OK(done(ledger, 2, 1, 1));
    EXPECT_INT(done(ledger, 2, 1, 1), PRL_ERR_AGAIN);
    EXPECT_OK(order(ledger, PRL_TTS_ORDER_CANCEL, 3, 1));
    EXPECT_OK(order(ledger, PRL_TTS_ORDER_CLOSE, 4, 0));
    EXPECT(prl_tts_ledger_lost(ledger, true, &msg));
    EXPECT(msg.id == 1);
    prl_msg_free(&msg);
    EXPECT(!prl_tts_ledger_lost(ledger, true, &msg));
    EXPECT(prl_tts_ledger_again(ledger, &msg) && msg.id == 1);
    prl_msg_free(&msg);
    EXPECT(prl_tts_ledger_again(ledger, &msg) && msg.id == 3 && msg.generation == 2);
    prl_msg_free(&msg);
    EXPECT(!prl_tts_ledger_again(ledger, &msg));
    // One try more, not two: it may be the text that kills.
    EXPECT_OK(say(ledger, 5, 1, 1));
    int failed = 0;
    while (prl_tts_ledger_lost(ledger, true, &msg)) {
        failed += msg.id == 1 || msg.id == 3;
        prl_msg_free(&msg);
    }
    EXPECT_INT(failed, 2);
    // Nothing is kept where no process comes soon.
    EXPECT(prl_tts_ledger_lost(ledger, false, &msg) && msg.id == 5);
    prl_msg_free(&msg);
    EXPECT(!prl_tts_ledger_again(ledger, &msg));
    EXPECT_OK(say(ledger, 6, 1, 1));
    prl_tts_ledger_destroy(&ledger);
}

PRL_TEST(tts_ledger_refuses_what_no_lane_sends)
{
    struct prl_tts_ledger *ledger;
    struct sound heard = {.head = {.clause_id = 1, .samples = 4, .mark_count = 1},
                          .mark = {.sample_end = 4, .source_end = 2}};
    REQUIRE(prl_tts_ledger_create(&ledger) == PRL_OK);
    EXPECT_OK(say(ledger, 1, 1, 1));
    EXPECT_OK(hear(ledger, 1, 1, &heard));
    struct sound bad = heard;
    bad.mark.source_end = 3; // beyond the text
    EXPECT_INT(hear(ledger, 1, 1, &bad), PRL_ERR_INVALID);
    bad = heard;
    bad.mark.sample_start = 5;
    EXPECT_INT(hear(ledger, 1, 1, &bad), PRL_ERR_INVALID);
    struct prl_msg msg = {.type = PRL_TTS_REPORT_AUDIO, .id = 1, .generation = 1};
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    msg.data = &heard;
    msg.size = sizeof(heard.head) - 1;
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    msg.size = sizeof(heard.head) + 1;
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    heard.head.mark_count = UINT32_MAX;
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    msg.type = PRL_TTS_REPORT_DONE;
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    msg.type = PRL_TTS_REPORT_ERROR;
    msg.value[1] = PRL_ERR_COUNT;
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    msg.type = 9;
    EXPECT_INT(prl_tts_ledger_got(ledger, &msg), PRL_ERR_INVALID);
    prl_tts_ledger_destroy(&ledger);
}

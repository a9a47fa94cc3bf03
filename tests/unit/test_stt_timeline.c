// test_stt_timeline.c -- one utterance: which piece next, which decode is answered.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "stt/split.h"
#include "stt/timeline.h"
#include "tests/unit.h"

enum { RATE = 16000 };
static const int16_t SOUND[RATE] = {1000, -1000};

static void push(struct prl_timeline *timeline, int ms, bool silence)
{
    for (; ms > 0; ms -= 1000) {
        size_t n = (size_t)(ms < 1000 ? ms : 1000) * 16;
        EXPECT_OK(prl_timeline_push(timeline, SOUND, n, silence));
    }
}

static void store(struct prl_timeline *timeline, const struct prl_timeline_work *work,
                  const char *text)
{
    struct prl_timeline_result result = {
        .text = text, .language = "en", .engine = "test", .work_us = 10};
    prl_timeline_store(timeline, work, &result, 5);
}

static void expect_final(struct prl_timeline *timeline, uint32_t generation, const char *text)
{
    struct prl_stt_event event;
    struct prl_str got;
    prl_str_init(&got, 4096);
    EXPECT(prl_timeline_take(timeline, &event, &got));
    EXPECT_INT(event.type, PRL_STT_FINAL);
    EXPECT_INT(event.generation, generation);
    EXPECT_TEXT(prl_str_text(&got), text);
    EXPECT_INT(event.no_speech, text[0] == '\0');
    prl_str_free(&got);
}

static void expect_nothing(struct prl_timeline *timeline)
{
    struct prl_stt_event event;
    struct prl_str got;
    prl_str_init(&got, 4096);
    EXPECT(!prl_timeline_take(timeline, &event, &got));
    prl_str_free(&got);
}

PRL_TEST(timeline_guess_and_commit_share_one_result)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 2000, false);
    push(timeline, 100, true);
    EXPECT_OK(prl_timeline_ask(timeline, 7, PRL_STT_WANT_GUESS, 1));
    REQUIRE(prl_timeline_next(timeline, false, false, &work));
    EXPECT_INT(work.rank, PRL_RANK_GUESS);
    EXPECT_INT(work.kind, PRL_WORK_TAIL);
    EXPECT_INT(work.end, 2100 * 16);
    push(timeline, 400, true); // the silence goes on and the turn is committed
    EXPECT_OK(prl_timeline_ask(timeline, 8, PRL_STT_WANT_FINAL, 2));
    EXPECT_INT(prl_timeline_rank_of(timeline, &work), PRL_RANK_FINAL);
    expect_nothing(timeline);
    store(timeline, &work, "hello");
    expect_final(timeline, 7, "hello");
    expect_final(timeline, 8, "hello");
    expect_nothing(timeline);
    EXPECT(!prl_timeline_next(timeline, true, false, &work));
    EXPECT_OK(prl_timeline_ask(timeline, 9, PRL_STT_WANT_FINAL, 3)); // at once, from the cache
    expect_final(timeline, 9, "hello");
    push(timeline, 20, false); // one more sound and it is another text
    EXPECT_OK(prl_timeline_ask(timeline, 10, PRL_STT_WANT_FINAL, 4));
    expect_nothing(timeline);
    EXPECT(prl_timeline_next(timeline, false, false, &work));
    EXPECT_INT(work.end, 2520 * 16);
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_trailing_silence_is_left_out)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 1000, false);
    push(timeline, 3000, true);
    EXPECT_OK(prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1));
    REQUIRE(prl_timeline_next(timeline, false, false, &work));
    EXPECT_INT(work.end, 1200 * 16);
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_silence_needs_no_model)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    EXPECT_OK(prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1)); // no sound at all
    expect_final(timeline, 1, "");
    push(timeline, 500, true);
    EXPECT_OK(prl_timeline_ask(timeline, 2, PRL_STT_WANT_GUESS, 1));
    EXPECT(!prl_timeline_next(timeline, true, true, &work));
    expect_final(timeline, 2, "");
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_cancel_removes_old_generations)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 1000, false);
    for (uint32_t i = 1; i <= PRL_TIMELINE_WANTS; i++)
        EXPECT_OK(prl_timeline_ask(timeline, i, PRL_STT_WANT_GUESS, i));
    EXPECT_INT(prl_timeline_ask(timeline, 99, PRL_STT_WANT_FINAL, 1), PRL_ERR_FULL);
    prl_timeline_cancel(timeline, PRL_TIMELINE_WANTS - 1);
    EXPECT_INT(prl_timeline_waiting(timeline), 1);
    REQUIRE(prl_timeline_next(timeline, false, false, &work));
    store(timeline, &work, "x");
    expect_final(timeline, PRL_TIMELINE_WANTS, "x");
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_long_sound_is_cut_and_joined)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 60000, false);
    size_t at = 0;
    char text[8] = "a";
    EXPECT_OK(prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1));
    while (prl_timeline_next(timeline, false, false, &work)) {
        EXPECT_INT(work.start, at);
        EXPECT(work.end - work.start <= PRL_SPLIT_MAX);
        EXPECT_INT(work.rank, PRL_RANK_FINAL);
        at = work.end;
        store(timeline, &work, text);
        text[0]++;
    }
    EXPECT_INT(at, 60 * RATE);
    EXPECT(text[0] >= 'd');
    struct prl_stt_event event;
    struct prl_str got;
    prl_str_init(&got, 4096);
    EXPECT(prl_timeline_take(timeline, &event, &got));
    EXPECT(prl_str_starts(prl_str_text(&got), "a b c"));
    EXPECT_INT(event.audio_ms, 60000);
    EXPECT_INT(event.work_us, 10 * (text[0] - 'a'));
    prl_str_free(&got);
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_pieces_are_told_as_they_are_done)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    struct prl_stt_event event;
    struct prl_str got;
    static const char *const expected[] = {"a", "a b", "a b c"};
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 70000, false);
    EXPECT_OK(prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1));
    prl_str_init(&got, 4096);
    EXPECT(!prl_timeline_settled(timeline, &event, &got));
    size_t told = 0;
    char text[8] = "a";
    while (prl_timeline_next(timeline, false, false, &work)) {
        bool piece = work.kind == PRL_WORK_PIECE;
        store(timeline, &work, text);
        text[0]++;
        prl_str_clear(&got);
        EXPECT_INT(prl_timeline_settled(timeline, &event, &got), piece);
        if (!piece || told == 3)
            continue;
        EXPECT_TEXT(prl_str_text(&got), expected[told++]);
        EXPECT_INT(event.type, PRL_STT_PARTIAL);
        EXPECT_INT(event.stable_bytes, got.len);
        EXPECT(!prl_timeline_settled(timeline, &event, &got)); // once
    }
    EXPECT(told >= 2);
    prl_timeline_clear(timeline);
    EXPECT(!prl_timeline_settled(timeline, &event, &got));
    prl_str_free(&got);
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_pieces_are_worked_ahead)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 30000, false);
    REQUIRE(prl_timeline_next(timeline, false, true, &work)); // while the user still talks
    EXPECT_INT(work.rank, PRL_RANK_PIECE);
    EXPECT_INT(work.kind, PRL_WORK_PIECE);
    store(timeline, &work, "first");
    REQUIRE(prl_timeline_next(timeline, false, true, &work));
    EXPECT_INT(work.kind, PRL_WORK_IDENTIFY);
    EXPECT_INT(work.end, 8 * RATE);
    EXPECT(!prl_timeline_next(timeline, false, false, &work));
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_partials)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    struct prl_stt_event event;
    struct prl_str got;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    prl_str_init(&got, 4096);
    push(timeline, 400, false);
    EXPECT(!prl_timeline_next(timeline, true, false, &work)); // too short
    push(timeline, 200, false);
    REQUIRE(prl_timeline_next(timeline, true, false, &work));
    EXPECT_INT(work.rank, PRL_RANK_PARTIAL);
    store(timeline, &work, "the cat");
    REQUIRE(prl_timeline_partial(timeline, &event, &got));
    EXPECT_INT(event.type, PRL_STT_PARTIAL);
    EXPECT_INT(event.stable_bytes, 0);
    EXPECT(!prl_timeline_partial(timeline, &event, &got)); // once
    push(timeline, 50, false);
    EXPECT(!prl_timeline_next(timeline, true, false, &work)); // too little new
    push(timeline, 300, false);
    REQUIRE(prl_timeline_next(timeline, true, false, &work));
    store(timeline, &work, "the cat sat");
    prl_str_clear(&got);
    REQUIRE(prl_timeline_partial(timeline, &event, &got));
    EXPECT_INT(event.stable_bytes, 3);
    push(timeline, 300, false);
    EXPECT_OK(prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1));
    REQUIRE(prl_timeline_next(timeline, true, false, &work));
    EXPECT_INT(work.rank, PRL_RANK_FINAL);
    store(timeline, &work, "the cat sat down");
    expect_final(timeline, 1, "the cat sat down");
    EXPECT(!prl_timeline_partial(timeline, &event, &got)); // none after the commit
    prl_str_free(&got);
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_failures)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    struct prl_stt_event event;
    struct prl_str got;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    prl_str_init(&got, 4096);
    push(timeline, 1000, false);
    EXPECT_OK(prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1));
    REQUIRE(prl_timeline_next(timeline, false, false, &work));
    struct prl_timeline_result bad = {.err = PRL_ERR_ENGINE, .text = "broken", .engine = "t"};
    prl_timeline_store(timeline, &work, &bad, 0);
    REQUIRE(prl_timeline_take(timeline, &event, &got));
    EXPECT_INT(event.type, PRL_STT_ERROR);
    EXPECT_INT(event.err, PRL_ERR_ENGINE);
    EXPECT_TEXT(prl_str_text(&got), "broken");
    EXPECT_OK(prl_timeline_ask(timeline, 2, PRL_STT_WANT_FINAL, 1));
    REQUIRE(prl_timeline_next(timeline, false, false, &work)); // tried again
    EXPECT_OK(prl_timeline_ask(timeline, 3, PRL_STT_WANT_GUESS, 1));
    prl_timeline_fail(timeline, PRL_ERR_NOMEM, "no memory");
    prl_str_clear(&got);
    REQUIRE(prl_timeline_take(timeline, &event, &got));
    EXPECT_INT(event.generation, 2);
    EXPECT_TEXT(prl_str_text(&got), "no memory");
    REQUIRE(prl_timeline_take(timeline, &event, &got));
    EXPECT_INT(event.generation, 3);
    EXPECT(!prl_timeline_take(timeline, &event, &got));
    EXPECT_OK(prl_timeline_ask(timeline, 4, PRL_STT_WANT_FINAL, 1)); // and is over
    EXPECT(!prl_timeline_take(timeline, &event, &got));
    prl_str_free(&got);
    prl_timeline_destroy(&timeline);
}

PRL_TEST(timeline_is_bounded)
{
    struct prl_timeline *timeline;
    REQUIRE(prl_timeline_create(&timeline) == PRL_OK);
    push(timeline, 120000, false);
    EXPECT_INT(prl_timeline_push(timeline, SOUND, 1, true), PRL_ERR_LIMIT);
    EXPECT_OK(prl_timeline_push(timeline, NULL, 0, true));
    EXPECT_INT(prl_timeline_samples(timeline), 120 * RATE);
    prl_timeline_clear(timeline);
    EXPECT_INT(prl_timeline_samples(timeline), 0);
    push(timeline, 20, false);
    prl_timeline_destroy(&timeline);
    prl_timeline_destroy(&timeline);
}

PRL_TEST_OOM(timeline_whole_life)
{
    struct prl_timeline *timeline;
    struct prl_timeline_work work;
    struct prl_stt_event event;
    struct prl_str got;
    prl_str_init(&got, 4096);
    enum prl_err err = prl_timeline_create(&timeline);
    if (err)
        return;
    for (int i = 0; i < 30 && !err; i++)
        err = prl_timeline_push(timeline, SOUND, RATE, false);
    if (!err)
        err = prl_timeline_ask(timeline, 1, PRL_STT_WANT_FINAL, 1);
    while (!err && prl_timeline_next(timeline, true, false, &work))
        store(timeline, &work, "text");
    if (!err) {
        EXPECT(prl_timeline_take(timeline, &event, &got)); // a result or an error, but one
        EXPECT(event.type == PRL_STT_FINAL || event.err == PRL_ERR_NOMEM);
    }
    prl_str_free(&got);
    prl_timeline_destroy(&timeline);
}

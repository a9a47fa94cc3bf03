// test_tts.c -- the front, its lane and the choice of engines, with scripted voices (tts_fake.c).
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/tts_fake.h"
#include "tests/unit/two_loops.h"
#include "tts/calibration.h"
#include "tts/engines.h"
#include "tts/files.h"
#include "tts/tts.h"
#include "tts/tts_lane.h"
#include "tts/voices.h"

static const struct prl_tts_ops *const fakes[] = {&tts_fake_hibari, &tts_fake_kokoro,
                                                  &tts_fake_espeak, NULL};
enum { EVENTS_MAX = 256 };

struct seen {
    enum prl_tts_event_type type;
    uint32_t generation, clause_id;
    size_t samples;
    uint32_t sample_start;
    int16_t value;
    struct prl_tts_mark mark;
    size_t mark_count;
    const char *engine;
    enum prl_err err;
};

struct fixture {
    struct prl_loop *loop;
    struct prl_tts *tts;
    struct prl_tts_stream *stream;
    bool ready;
    char error[256];
    struct seen seen[EVENTS_MAX];
    size_t count, ends;
};

static void on_ready(void *arg)
{
    struct fixture *fixture = arg;
    fixture->ready = true;
}

static void on_error(void *arg, const char *why)
{
    struct fixture *fixture = arg;
    (void)snprintf(fixture->error, sizeof(fixture->error), "%s", why);
}

static void on_event(void *arg, const struct prl_tts_event *event)
{
    struct fixture *fixture = arg;
    fixture->ends += event->type != PRL_TTS_AUDIO ? 1 : 0;
    if (fixture->count == EVENTS_MAX)
        return;
    struct seen *seen = &fixture->seen[fixture->count++];
    *seen = (struct seen){.type = event->type,
                          .generation = event->generation,
                          .clause_id = event->clause_id,
                          .samples = event->samples,
                          .sample_start = event->sample_start,
                          .value = event->samples ? event->pcm[0] : (int16_t)0,
                          .mark_count = event->mark_count,
                          .engine = event->engine,
                          .err = event->err};
    if (event->mark_count)
        seen->mark = event->marks[0];
}

static enum prl_err fixture_open(struct fixture *fixture, enum prl_tts_quality quality)
{
    *fixture = (struct fixture){.ready = false};
    enum prl_err err = prl_loop_create(&fixture->loop, NULL);
    struct prl_tts_conf conf = {.loop = fixture->loop,
                                .quality = quality,
                                .backends = fakes,
                                .on_ready = on_ready,
                                .on_error = on_error,
                                .arg = fixture};
    if (!err)
        err = prl_tts_create(&fixture->tts, &conf);
    struct prl_tts_stream_conf stream = {.fn = on_event, .arg = fixture};
    if (!err)
        err = prl_tts_open(fixture->tts, &stream, &fixture->stream);
    return err;
}

static void fixture_close(struct fixture *fixture)
{
    prl_tts_close(&fixture->stream);
    prl_tts_destroy(&fixture->tts);
    prl_loop_destroy(&fixture->loop);
}

static void turn_until(struct fixture *fixture, const size_t *count, size_t wanted)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < wanted && prl_clock_now_us() < end_us)
        prl_loop_turn(fixture->loop, 10000);
    EXPECT(*count >= wanted);
}

static void wait_ready(struct fixture *fixture)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!fixture->ready && !fixture->error[0] && prl_clock_now_us() < end_us)
        prl_loop_turn(fixture->loop, 10000);
}

static void say(struct fixture *fixture, uint32_t generation, uint32_t id, const char *text)
{
    EXPECT_OK(prl_tts_say(fixture->stream, generation, id, text, strlen(text)));
}

PRL_TEST(tts_speaks_a_clause_with_marks)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    say(&fixture, 1, 7, "Hello big world."); // before it is loaded
    EXPECT_INT(prl_tts_backlog(fixture.tts), 1);
    turn_until(&fixture, &fixture.ends, 1);
    EXPECT(fixture.ready && prl_tts_is_ready(fixture.tts));
    EXPECT_INT(prl_tts_languages(fixture.tts), PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH);
    REQUIRE(fixture.count == 4);
    for (uint32_t i = 0; i < 3; i++) {
        const struct seen *seen = &fixture.seen[i];
        EXPECT_INT(seen->type, PRL_TTS_AUDIO);
        EXPECT_INT(seen->generation, 1);
        EXPECT_INT(seen->clause_id, 7);
        EXPECT_INT(seen->samples, TTS_FAKE_UNIT);
        EXPECT_INT(seen->sample_start, i * TTS_FAKE_UNIT);
        EXPECT_INT(seen->value, "Hbw"[i]);
        EXPECT_TEXT(seen->engine, "hibari");
    }
    EXPECT_INT(fixture.seen[1].mark.source_start, 6);
    EXPECT_INT(fixture.seen[1].mark.source_end, 9);
    EXPECT_INT(fixture.seen[3].type, PRL_TTS_CLAUSE_DONE);
    EXPECT_INT(fixture.seen[3].sample_start, 3 * TTS_FAKE_UNIT);
    EXPECT_INT(prl_tts_backlog(fixture.tts), 0);
    fixture_close(&fixture);
}

PRL_TEST(tts_chinese_and_mixed_text_go_to_kokoro)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    say(&fixture, 1, 1, "你好");
    say(&fixture, 1, 2, "我用 Linux 系统");
    say(&fixture, 1, 3, "Fine.");
    turn_until(&fixture, &fixture.ends, 3);
    for (size_t i = 0; i < fixture.count; i++)
        EXPECT_TEXT(fixture.seen[i].engine, fixture.seen[i].clause_id == 3 ? "hibari" : "kokoro");
    fixture_close(&fixture);
}

PRL_TEST(tts_quality_best_speaks_english_by_kokoro)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_BEST) == PRL_OK);
    say(&fixture, 1, 1, "Fine.");
    turn_until(&fixture, &fixture.ends, 1);
    EXPECT_TEXT(fixture.seen[0].engine, "kokoro");
    fixture_close(&fixture);
}

PRL_TEST(tts_a_voice_of_kokoro_speaks_by_kokoro)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_AUTO) == PRL_OK);
    wait_ready(&fixture);
    EXPECT_OK(prl_tts_configure(fixture.stream, "am_michael", 0));
    say(&fixture, 1, 1, "Fine.");
    turn_until(&fixture, &fixture.ends, 1);
    EXPECT_TEXT(fixture.seen[0].engine, "kokoro");
    fixture_close(&fixture);
}

PRL_TEST(tts_another_engine_speaks_when_one_fails)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    wait_ready(&fixture);
    tts_fake.step_fails = 1;
    say(&fixture, 1, 1, "Fine.");
    turn_until(&fixture, &fixture.ends, 1);
    EXPECT_INT(fixture.seen[0].type, PRL_TTS_AUDIO);
    EXPECT_TEXT(fixture.seen[0].engine, "kokoro");
    // Once something was heard the clause cannot begin anew.
    tts_fake.step_fails = 0;
    tts_fake.late_fails = 1;
    say(&fixture, 1, 2, "Very fine.");
    turn_until(&fixture, &fixture.ends, 2);
    EXPECT_INT(fixture.seen[fixture.count - 1].type, PRL_TTS_ERROR);
    EXPECT_INT(fixture.seen[fixture.count - 1].err, PRL_ERR_ENGINE);
    EXPECT_INT(fixture.seen[fixture.count - 1].clause_id, 2);
    fixture_close(&fixture);
}

// "Yes it is so" in parts: each says its own words, with sources of its own.
static void say_parts(struct fixture *fixture, uint32_t generation)
{
    static const char text[] = "Yes it is so";
    struct prl_tts_part first = {text, sizeof(text) - 1, 0, 6};
    struct prl_tts_part rest = {text, sizeof(text) - 1, 6, sizeof(text) - 1};
    fixture->count = 0;
    size_t ends = fixture->ends;
    EXPECT_OK(prl_tts_say_part(fixture->stream, generation, 1, &first));
    EXPECT_OK(prl_tts_say_part(fixture->stream, generation, 2, &rest));
    turn_until(fixture, &fixture->ends, ends + 2);
    static const struct {
        char value;
        uint32_t clause, from, to;
    } want[] = {{'Y', 1, 0, 3}, {'i', 1, 4, 6}, {'i', 2, 1, 3}, {'s', 2, 4, 6}};
    size_t at = 0;
    for (size_t i = 0; i < fixture->count; i++) {
        const struct seen *seen = &fixture->seen[i];
        if (seen->type != PRL_TTS_AUDIO || !seen->samples)
            continue;
        REQUIRE(at < 4);
        EXPECT_INT(seen->value, want[at].value);
        EXPECT_INT(seen->clause_id, want[at].clause);
        EXPECT_INT(seen->mark.source_start, want[at].from);
        EXPECT_INT(seen->mark.source_end, want[at].to);
        at++;
    }
    EXPECT_INT(at, 4);
}

PRL_TEST(tts_says_parts_of_a_clause)
{
    struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    wait_ready(&fixture);
    EXPECT_INT(prl_tts_says_parts(fixture.stream), PRL_TTS_LANG_EN);
    size_t before = (size_t)tts_fake.begins;
    say_parts(&fixture, 1);
    EXPECT_INT((size_t)tts_fake.begins - before, 2);
    tts_fake.step_fails = 1; // another voice says the part alone
    say_parts(&fixture, 2);
    tts_fake.step_fails = 0;
    fixture_close(&fixture);
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_BEST) == PRL_OK);
    wait_ready(&fixture);
    EXPECT_INT(prl_tts_says_parts(fixture.stream), 0);
    say_parts(&fixture, 1);
    fixture_close(&fixture);
}

PRL_TEST(tts_missing_engine_is_left_out)
{
    static struct fixture fixture;
    tts_fake.open_fails = 1;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    say(&fixture, 1, 1, "Fine.");
    turn_until(&fixture, &fixture.ends, 1);
    EXPECT_TEXT(fixture.seen[0].engine, "kokoro");
    fixture_close(&fixture);
}

PRL_TEST(tts_no_engine_is_an_error)
{
    static struct fixture fixture;
    static const struct prl_tts_ops *const only[] = {&tts_fake_hibari, NULL};
    tts_fake.open_fails = 1;
    fixture = (struct fixture){.ready = false};
    REQUIRE(prl_loop_create(&fixture.loop, NULL) == PRL_OK);
    struct prl_tts_conf conf = {.loop = fixture.loop,
                                .backends = only,
                                .on_ready = on_ready,
                                .on_error = on_error,
                                .arg = &fixture};
    REQUIRE(prl_tts_create(&fixture.tts, &conf) == PRL_OK);
    wait_ready(&fixture);
    EXPECT(!fixture.ready);
    EXPECT_TEXT(fixture.error, "gone");
    struct prl_tts_stream_conf stream = {.fn = on_event, .arg = &fixture};
    EXPECT_OK(prl_tts_open(fixture.tts, &stream, &fixture.stream));
    EXPECT_INT(prl_tts_say(fixture.stream, 1, 1, "a", 1), PRL_ERR_ENGINE);
    fixture_close(&fixture);
}

PRL_TEST(tts_cancel_is_final)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    wait_ready(&fixture);
    tts_fake.hold = 1;
    int before = tts_fake.begins; // first: the lane may be quicker than this thread
    say(&fixture, 1, 1, "One two three.");
    say(&fixture, 1, 2, "Four.");
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (tts_fake.begins == before && prl_clock_now_us() < end_us)
        prl_loop_turn(fixture.loop, 1000);
    EXPECT(tts_fake.begins > before);
    prl_tts_cancel(fixture.stream, 1);
    EXPECT_INT(prl_tts_backlog(fixture.tts), 0);
    tts_fake.hold = 0;
    say(&fixture, 2, 3, "Five.");
    turn_until(&fixture, &fixture.ends, 1);
    REQUIRE(fixture.count == 2);
    EXPECT_INT(fixture.seen[0].generation, 2);
    EXPECT_INT(fixture.seen[0].value, 'F');
    EXPECT_INT(fixture.seen[1].clause_id, 3);
    prl_tts_cancel(fixture.stream, 1); // an old one: nothing
    say(&fixture, 2, 4, "Six.");
    say(&fixture, 3, 5, "Seven."); // drops what waits of 2
    turn_until(&fixture, &fixture.ends, 2);
    EXPECT_INT(fixture.seen[fixture.count - 1].generation, 3);
    fixture_close(&fixture);
}

PRL_TEST(tts_close_with_work_waiting)
{
    static struct fixture fixture;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    for (uint32_t i = 0; i < 10; i++)
        say(&fixture, 1, i, "One two three.");
    prl_tts_close(&fixture.stream);
    EXPECT(fixture.stream == NULL);
    for (int i = 0; i < 20; i++)
        prl_loop_turn(fixture.loop, 5000);
    EXPECT_INT(fixture.count, 0);
    fixture_close(&fixture);
}

PRL_TEST(tts_bounds_and_bad_values)
{
    static struct fixture fixture;
    static char large[PRL_TEXT_CLAUSE_MAX + 1];
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    wait_ready(&fixture);
    memset(large, 'a', sizeof(large));
    EXPECT_INT(prl_tts_say(fixture.stream, 1, 1, large, sizeof(large)), PRL_ERR_LIMIT);
    tts_fake.hold = 1;
    for (uint32_t i = 0; i < PRL_TTS_QUEUE_MAX; i++)
        say(&fixture, 1, i, "A.");
    EXPECT_INT(prl_tts_say(fixture.stream, 1, 99, "B.", 2), PRL_ERR_FULL);
    EXPECT_INT(prl_tts_configure(fixture.stream, "nobody", 0), PRL_ERR_INVALID);
    EXPECT_INT(prl_tts_configure(fixture.stream, NULL, 2), PRL_ERR_INVALID);
    EXPECT_INT(prl_tts_configure(fixture.stream, NULL, -1), PRL_ERR_INVALID);
    EXPECT_OK(prl_tts_configure(fixture.stream, "echo", 1.5F));
    prl_tts_cancel(fixture.stream, 1);
    tts_fake.hold = 0;
    say(&fixture, 2, 1, "");
    say(&fixture, 2, 2, "\xff\xfe ...");
    turn_until(&fixture, &fixture.ends, 2);
    EXPECT_INT(fixture.count, 2); // nothing to say: only the ends
    fixture_close(&fixture);
}

PRL_TEST(tts_urgent_stream_first)
{
    static struct fixture fixture;
    struct prl_tts_stream *other;
    REQUIRE(fixture_open(&fixture, PRL_TTS_QUALITY_FAST) == PRL_OK);
    wait_ready(&fixture);
    struct prl_tts_stream_conf conf = {.fn = on_event, .arg = &fixture};
    REQUIRE(prl_tts_open(fixture.tts, &conf, &other) == PRL_OK);
    // The first clause makes a lead of 12 units (0.6 s), which does not shrink while the clock stands;
    // so the other's first clause goes before the second one of this stream, although it was asked
    // for later.
    prl_clock_hold(prl_clock_now_us());
    say(&fixture, 1, 1, "one two three four five six seven eight nine ten eleven twelve");
    turn_until(&fixture, &fixture.ends, 1);
    tts_fake.hold = 1;
    say(&fixture, 1, 2, "again");
    say(&fixture, 1, 3, "again");
    EXPECT_OK(prl_tts_say(other, 1, 77, "first", 5));
    tts_fake.hold = 0;
    turn_until(&fixture, &fixture.ends, 4);
    prl_clock_hold(-1);
    size_t at = 0;
    while (at < fixture.count && fixture.seen[at].clause_id != 77)
        at++;
    for (size_t i = 0; i < at; i++)
        EXPECT(fixture.seen[i].clause_id != 3);
    prl_tts_close(&other);
    fixture_close(&fixture);
}

PRL_TEST_OOM(tts_whole_life_short_of_memory)
{
    static struct fixture fixture;
    enum prl_err err = fixture_open(&fixture, PRL_TTS_QUALITY_FAST);
    if (!err)
        err = prl_tts_say(fixture.stream, 1, 1, "Hello.", 6);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    for (int i = 0; !err && i < 5; i++)
        prl_loop_turn(fixture.loop, 2000);
    fixture_close(&fixture);
}

PRL_TEST(voices_cover_the_realtime_names)
{
    static const char *const names[] = {"alloy", "ash",     "ballad", "coral", "echo",
                                        "sage",  "shimmer", "verse",  "marin", "cedar"};
    for (size_t i = 0; i < 10; i++) {
        const struct prl_voice *voice = prl_voice_find(names[i]);
        REQUIRE(voice != NULL);
        EXPECT(voice->realtime);
        EXPECT(voice->kokoro_en[1] == voice->gender && voice->kokoro_zh[1] == voice->gender);
        EXPECT(prl_voice_find(voice->kokoro_en) && prl_voice_find(voice->kokoro_zh));
    }
    EXPECT(prl_voice_find("nobody") == NULL && prl_voice_find(NULL) == NULL);
    size_t count = 0;
    for (; prl_voice_at(count); count++)
        EXPECT(prl_voice_find(prl_voice_at(count)->name) == prl_voice_at(count));
    EXPECT_INT(count, 47);
}

PRL_TEST(calibration_is_kept_for_one_machine)
{
    const char *folder = prl_test_dir();
    EXPECT(prl_calibration_read(folder, 1) <= 0);
    prl_calibration_write(folder, 1, 0.4567);
    double rtf = prl_calibration_read(folder, 1);
    EXPECT(rtf > 0.456 && rtf < 0.457);
    EXPECT(prl_calibration_read(folder, 2) <= 0); // with other threads it is another figure
    prl_calibration_write(folder, 2, 0.25);
    prl_calibration_write(folder, 1, 0.5); // measured again
    rtf = prl_calibration_read(folder, 2);
    EXPECT(rtf > 0.24 && rtf < 0.26);
    rtf = prl_calibration_read(folder, 1);
    EXPECT(rtf > 0.49 && rtf < 0.51);
    for (int threads = 3; threads < 10; threads++) // with that of one thread eight
        prl_calibration_write(folder, threads, 0.75);
    EXPECT(prl_calibration_read(folder, 1) > 0);
    EXPECT(prl_calibration_read(folder, 2) <= 0);
    EXPECT(prl_calibration_read(folder, 9) > 0);
    EXPECT(prl_calibration_read(NULL, 1) <= 0);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/tts-calibration", folder);
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL && fputs("nonsense\n", file) >= 0 && fclose(file) == 0);
    EXPECT(prl_calibration_read(folder, 1) <= 0);
    prl_calibration_write("/nowhere/at/all", 1, 0.5); // logged, nothing else
}

// ---- two loops, one lane ----

enum { ROUNDS = 30 };

struct side {
    struct prl_loop *loop;
    struct prl_tts *tts;
    struct prl_tts_stream *stream;
    char letter; // its words begin with it
    uint32_t generation, answered, wrong;
    size_t samples;
    bool waits, ready;
};

static void on_side(void *arg, const struct prl_tts_event *event)
{
    struct side *side = arg;
    side->wrong += event->generation != side->generation || event->type == PRL_TTS_ERROR;
    if (event->type == PRL_TTS_AUDIO) {
        side->wrong += event->pcm[0] != side->letter;
        side->samples += event->samples;
        return;
    }
    side->wrong += side->samples != (size_t)2 * TTS_FAKE_UNIT;
    side->answered++;
    side->waits = false;
}

static void on_side_ready(void *arg)
{
    ((struct side *)arg)->ready = true;
}

// Every fourth clause is taken back and never sounds.
static bool step_side(void *arg)
{
    struct side *side = arg;
    if (side->waits)
        return false;
    if (side->generation == ROUNDS)
        return side->ready;
    const char *text = side->letter == 'a' ? "are able." : "be bold.";
    side->samples = 0;
    side->generation++;
    EXPECT_OK(prl_tts_say(side->stream, side->generation, 1, text, strlen(text)));
    side->waits = side->generation % 4 != 0;
    if (!side->waits)
        prl_tts_cancel(side->stream, side->generation);
    return false;
}

PRL_TEST(tts_two_loops_share_a_lane)
{
    struct side sides[2] = {{.letter = 'a'}, {.letter = 'b'}};
    for (size_t i = 0; i < 2; i++) {
        struct prl_tts_stream_conf stream = {.fn = on_side, .arg = &sides[i]};
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        struct prl_tts_conf conf = {.loop = sides[i].loop,
                                    .quality = PRL_TTS_QUALITY_FAST,
                                    .backends = fakes,
                                    .share = i ? sides[0].tts : NULL,
                                    .on_ready = on_side_ready,
                                    .arg = &sides[i]};
        REQUIRE(prl_tts_create(&sides[i].tts, &conf) == PRL_OK);
        REQUIRE(prl_tts_open(sides[i].tts, &stream, &sides[i].stream) == PRL_OK);
    }
    const struct two_loops_side both[2] = {{sides[0].loop, step_side, &sides[0]},
                                           {sides[1].loop, step_side, &sides[1]}};
    EXPECT(two_loops_run(both));
    for (size_t i = 0; i < 2; i++) {
        EXPECT_INT(sides[i].answered, ROUNDS - ROUNDS / 4);
        EXPECT_INT(sides[i].wrong, 0);
        EXPECT_INT(prl_tts_languages(sides[i].tts), PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH);
        prl_tts_close(&sides[i].stream);
    }
    prl_tts_destroy(&sides[0].tts);
    prl_tts_destroy(&sides[1].tts);
    for (size_t i = 0; i < 2; i++)
        prl_loop_destroy(&sides[i].loop);
}

// test_scripted.c -- the three scripted engines: their delays, their contracts, many streams at a time.
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/scripted.h"
#include "llm/scripted.h"
#include "media/chirp.h"
#include "net/loop.h"
#include "stt/scripted.h"
#include "tests/unit.h"
#include "tts/cut.h"
#include "tts/scripted.h"

enum { STREAMS = 40, STEP_MS = 5, SECOND = PRL_STT_RATE_HZ };

static const struct prl_scripted script = {
    .stt_ms = 120, .llm_first_ms = 150, .llm_words_s = 50, .llm_words = 6, .tts_first_ms = 90};
static const int16_t second[SECOND];

struct clocked {
    struct prl_loop *loop;
    int64_t now_us;
    int ready;
};

static void on_ready(void *arg)
{
    struct clocked *clock = arg;
    clock->ready++;
}

static enum prl_err start(struct clocked *clock)
{
    clock->now_us = 1000000;
    prl_clock_hold(clock->now_us);
    return prl_loop_create(&clock->loop, NULL);
}

// Time passes only here, in steps of 5 ms; in each the loop looks at every timer, at least twice.
static void pass(struct clocked *clock, int ms)
{
    for (int i = 0; i < ms; i += STEP_MS) {
        clock->now_us += (int64_t)STEP_MS * 1000;
        prl_clock_hold(clock->now_us);
        for (int turn = 0; turn < 4; turn++)
            prl_loop_turn(clock->loop, 2000);
    }
}

// What took so long began in the step before.
static void expect_ms(int64_t us, int ms)
{
    EXPECT(us >= (int64_t)ms * 1000 && us <= (int64_t)(ms + 3 * STEP_MS) * 1000);
}

static void stop(struct clocked *clock)
{
    if (clock->loop)
        prl_loop_destroy(&clock->loop);
    prl_clock_hold(-1);
}

// ---- stt ----

struct listener {
    struct prl_stt_stream *stream;
    int finals, partials;
    char text[200];
    size_t stable;
    uint32_t generation;
};

static void on_stt(void *arg, const struct prl_stt_event *event)
{
    struct listener *listener = arg;
    listener->finals += event->type == PRL_STT_FINAL;
    listener->partials += event->type == PRL_STT_PARTIAL;
    listener->generation = event->generation;
    listener->stable = event->stable_bytes;
    (void)prl_str_copy(listener->text, sizeof(listener->text), event->text);
}

static enum prl_err open_stt(struct clocked *clock, struct prl_stt **stt)
{
    struct prl_stt_conf conf = {.loop = clock->loop,
                                .front = &prl_stt_scripted,
                                .front_conf = &script,
                                .on_ready = on_ready,
                                .arg = clock};
    return prl_stt_create(stt, &conf);
}

PRL_TEST(scripted_stt_answers_many_at_a_time)
{
    struct clocked clock = {0};
    struct prl_stt *stt = NULL;
    static struct listener listeners[STREAMS];
    memset(listeners, 0, sizeof(listeners));
    REQUIRE(start(&clock) == PRL_OK);
    REQUIRE(open_stt(&clock, &stt) == PRL_OK);
    EXPECT(!prl_stt_is_ready(stt));
    pass(&clock, 10);
    EXPECT(prl_stt_is_ready(stt) && clock.ready == 1);
    for (int i = 0; i < STREAMS; i++) {
        struct prl_stt_stream_conf conf = {.fn = on_stt, .arg = &listeners[i]};
        REQUIRE(prl_stt_open(stt, &conf, &listeners[i].stream) == PRL_OK);
        prl_stt_begin(listeners[i].stream, 1);
        EXPECT_OK(prl_stt_push(listeners[i].stream, second, SECOND / 2));
        EXPECT_OK(prl_stt_push_silence(listeners[i].stream, second, SECOND / 10));
        EXPECT_OK(prl_stt_decode(listeners[i].stream, 2, PRL_STT_WANT_GUESS));
    }
    pass(&clock, 115);
    EXPECT_INT(listeners[0].finals, 0);
    pass(&clock, 20);
    for (int i = 0; i < STREAMS; i++) {
        EXPECT_INT(listeners[i].finals, 1);
        EXPECT_TEXT(listeners[i].text, "birds sing."); // half a second of speech
    }
    // Nothing but silence since: the same result, at once. More speech: another one, later.
    struct listener *one = &listeners[0];
    EXPECT_OK(prl_stt_push_silence(one->stream, second, SECOND / 10));
    EXPECT_OK(prl_stt_decode(one->stream, 3, PRL_STT_WANT_FINAL));
    EXPECT_INT(one->finals, 2);
    EXPECT_OK(prl_stt_push(one->stream, second, SECOND / 2));
    EXPECT_OK(prl_stt_decode(one->stream, 4, PRL_STT_WANT_FINAL));
    EXPECT_INT(one->finals, 2);
    prl_stt_cancel(one->stream, 4);
    pass(&clock, 200);
    EXPECT_INT(one->finals, 2);
    for (int i = 0; i < STREAMS; i++)
        prl_stt_close(&listeners[i].stream);
    prl_stt_destroy(&stt);
    stop(&clock);
}

PRL_TEST(scripted_stt_tells_partials_with_a_stable_part)
{
    struct clocked clock = {0};
    struct prl_stt *stt = NULL;
    struct listener listener = {0};
    REQUIRE(start(&clock) == PRL_OK);
    REQUIRE(open_stt(&clock, &stt) == PRL_OK);
    struct prl_stt_stream_conf conf = {.partials = true, .fn = on_stt, .arg = &listener};
    REQUIRE(prl_stt_open(stt, &conf, &listener.stream) == PRL_OK);
    prl_stt_begin(listener.stream, 7);
    for (int i = 0; i < 25; i++) {
        EXPECT_OK(prl_stt_push(listener.stream, second, SECOND / 25));
        pass(&clock, 40);
    }
    EXPECT(listener.partials >= 2);
    EXPECT_INT(listener.generation, 7);
    EXPECT(listener.stable > 0 && listener.stable < strlen(listener.text));
    EXPECT(listener.text[listener.stable] == ' ');
    EXPECT(strncmp(listener.text, "birds sing early", listener.stable) == 0);
    prl_stt_clear(listener.stream);
    int before = listener.partials;
    pass(&clock, 300);
    EXPECT_INT(listener.partials, before);
    prl_stt_close(&listener.stream);
    prl_stt_destroy(&stt);
    stop(&clock);
}

// ---- llm ----

struct reader {
    struct prl_llm_stream *stream;
    struct clocked *clock;
    char text[200];
    int words, tokens, done;
    int64_t first_us, done_us;
    bool close_at_first;
};

static void on_llm(void *arg, const struct prl_llm_event *event)
{
    struct reader *reader = arg;
    if (event->kind == PRL_LLM_EVENT_DONE) {
        reader->done++;
        reader->done_us = reader->clock->now_us;
        reader->tokens += event->usage.output_tokens;
        return;
    }
    if (reader->words++ == 0)
        reader->first_us = reader->clock->now_us;
    strncat(reader->text, event->text, sizeof(reader->text) - strlen(reader->text) - 1);
    if (reader->close_at_first)
        prl_llm_close(&reader->stream);
}

static const struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "Hi", .len = 2};
static const struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};

PRL_TEST(scripted_llm_keeps_its_pace)
{
    struct clocked clock = {0};
    struct prl_llm *llm = NULL;
    REQUIRE(start(&clock) == PRL_OK);
    struct prl_llm_conf conf = {.loop = clock.loop};
    REQUIRE(prl_llm_scripted_create(&llm, &conf, &script) == PRL_OK);
    pass(&clock, 10);
    EXPECT(prl_llm_state(llm) == PRL_LLM_READY);
    struct reader a = {.clock = &clock};
    struct reader b = {.clock = &clock, .close_at_first = true};
    REQUIRE(prl_llm_open(llm, &(struct prl_llm_stream_conf){on_llm, &a}, &a.stream) == PRL_OK);
    REQUIRE(prl_llm_open(llm, &(struct prl_llm_stream_conf){on_llm, &b}, &b.stream) == PRL_OK);
    int64_t asked_us = clock.now_us;
    struct prl_llm_params params = {.committed = false};
    EXPECT_OK(prl_llm_prefill(a.stream, 1, &prompt));
    EXPECT_OK(prl_llm_generate(a.stream, 2, &prompt, &params));
    EXPECT_OK(prl_llm_generate(b.stream, 2, &prompt, &params));
    prl_llm_commit(a.stream, 2);
    pass(&clock, 400);
    EXPECT_TEXT(a.text, "Of course I can, and here");
    EXPECT_INT(a.done, 1);
    expect_ms(a.first_us - asked_us, 150);
    expect_ms(a.done_us - asked_us, 250); // six words at 50 a second
    EXPECT_INT(b.words, 1);
    EXPECT(b.stream == NULL);
    // Shorter by the limit of tokens; cancelled; replaced.
    params.max_output_tokens = 2;
    EXPECT_OK(prl_llm_generate(a.stream, 3, &prompt, &params));
    pass(&clock, 400);
    EXPECT_INT(a.words, 8);
    EXPECT_INT(a.tokens, 8);
    EXPECT_OK(prl_llm_generate(a.stream, 4, &prompt, &params));
    pass(&clock, 160);
    EXPECT_INT(a.words, 9);
    prl_llm_cancel(a.stream, 4);
    pass(&clock, 300);
    EXPECT_INT(a.words, 9);
    EXPECT_INT(a.done, 2);
    EXPECT_INT(prl_llm_stats(llm).generations, 4);
    prl_llm_close(&a.stream);
    prl_llm_destroy(&llm);
    stop(&clock);
}

PRL_TEST(scripted_llm_first_clause_is_as_long_as_it_says)
{
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    REQUIRE(prl_cut_create(&cut, &(struct prl_cut_conf){0}) == PRL_OK);
    static const char opening[] = PRL_LLM_SCRIPTED_OPENING;
    static const char clause_text[] = "Of course I can,";
    EXPECT_OK(prl_cut_push(cut, opening, sizeof(clause_text) - 1));
    EXPECT(prl_cut_next(cut, &clause) == PRL_ERR_AGAIN); // the cutter wants the word behind it
    EXPECT_OK(prl_cut_push(cut, opening + sizeof(clause_text) - 1,
                           sizeof(opening) - sizeof(clause_text)));
    REQUIRE(prl_cut_next(cut, &clause) == PRL_OK);
    int words = 1;
    for (size_t i = 0; i + 1 < sizeof(clause_text); i++)
        words += clause_text[i] == ' ';
    EXPECT_INT(words, PRL_LLM_SCRIPTED_FIRST_WORDS);
    EXPECT(strncmp(clause.text, clause_text, sizeof(clause_text) - 1) == 0);
    prl_cut_destroy(&cut);
}

// ---- tts ----

struct hearer {
    struct prl_tts_stream *stream;
    struct clocked *clock;
    struct prl_chirp_finder finder;
    int done, marked;
    int64_t first_us;
    size_t samples; // of the clause that sounds
    size_t words;
    uint32_t clause; // of the last end
};

static void on_tts(void *arg, const struct prl_tts_event *event)
{
    struct hearer *hearer = arg;
    struct prl_chirp_onset onset;
    if (event->type == PRL_TTS_AUDIO) {
        EXPECT_INT(event->sample_start, hearer->samples);
        if (hearer->first_us == 0)
            hearer->first_us = hearer->clock->now_us;
        hearer->samples += event->samples;
        hearer->words += event->mark_count;
        for (size_t at = 0; at < event->samples; at += 480)
            if (prl_chirp_find(&hearer->finder, event->pcm + at,
                               event->samples - at < 480 ? event->samples - at : 480, &onset))
                hearer->marked += onset.marked;
        return;
    }
    EXPECT(event->type == PRL_TTS_CLAUSE_DONE);
    EXPECT_INT(event->sample_start, hearer->samples);
    hearer->samples = 0;
    hearer->clause = event->clause_id;
    hearer->done++;
}

PRL_TEST(scripted_tts_speaks_clauses_behind_each_other)
{
    struct clocked clock = {0};
    struct prl_tts *tts = NULL;
    REQUIRE(start(&clock) == PRL_OK);
    struct prl_tts_conf conf = {.loop = clock.loop,
                                .front = &prl_tts_scripted,
                                .front_conf = &script,
                                .on_ready = on_ready,
                                .arg = &clock};
    REQUIRE(prl_tts_create(&tts, &conf) == PRL_OK);
    EXPECT_INT(prl_tts_languages(tts), 0);
    pass(&clock, 10);
    EXPECT(prl_tts_is_ready(tts) && prl_tts_languages(tts) != 0);
    struct hearer hearer = {.clock = &clock};
    prl_chirp_finder_init(&hearer.finder, PRL_TTS_RATE_HZ);
    struct prl_tts_stream_conf stream = {.fn = on_tts, .arg = &hearer};
    REQUIRE(prl_tts_open(tts, &stream, &hearer.stream) == PRL_OK);
    EXPECT(prl_tts_configure(hearer.stream, "nobody", 0) == PRL_ERR_INVALID);
    int64_t asked_us = clock.now_us;
    EXPECT_OK(prl_tts_say(hearer.stream, 1, 0, "Of course, ", 11));
    EXPECT_OK(prl_tts_say(hearer.stream, 1, 1, "and so on.", 10));
    EXPECT_OK(prl_tts_say(hearer.stream, 1, 2, " ", 1)); // nothing to say
    EXPECT_INT(prl_tts_backlog(tts), 3);
    pass(&clock, 300);
    expect_ms(hearer.first_us - asked_us, 90);
    EXPECT_INT(hearer.done, 3);
    EXPECT_INT(hearer.clause, 2);
    EXPECT_INT(hearer.words, 5);
    EXPECT_INT(hearer.marked, 1); // at the beginning, and nowhere else
    EXPECT_INT(prl_tts_backlog(tts), 0);
    // A newer generation drops what waits; a cancelled one is silent.
    EXPECT_OK(prl_tts_say(hearer.stream, 2, 0, "Never", 5));
    EXPECT_OK(prl_tts_say(hearer.stream, 3, 5, "Said", 4));
    pass(&clock, 300);
    EXPECT_INT(hearer.done, 4);
    EXPECT_INT(hearer.clause, 5);
    EXPECT_OK(prl_tts_say(hearer.stream, 4, 0, "Never", 5));
    prl_tts_cancel(hearer.stream, 4);
    pass(&clock, 300);
    EXPECT_INT(hearer.done, 4);
    for (uint32_t i = 0; i < PRL_TTS_QUEUE_MAX; i++)
        EXPECT_OK(prl_tts_say(hearer.stream, 5, i, "a", 1));
    EXPECT(prl_tts_say(hearer.stream, 5, 99, "a", 1) == PRL_ERR_FULL);
    prl_tts_close(&hearer.stream);
    prl_tts_destroy(&tts);
    stop(&clock);
}

// ---- memory ----

PRL_TEST_OOM(scripted_whole_life)
{
    struct clocked clock = {0};
    struct prl_stt *stt = NULL;
    struct prl_llm *llm = NULL;
    struct prl_tts *tts = NULL;
    struct listener listener = {0};
    struct reader reader = {.clock = &clock};
    struct hearer hearer = {.clock = &clock};
    prl_chirp_finder_init(&hearer.finder, PRL_TTS_RATE_HZ);
    enum prl_err err = start(&clock);
    struct prl_llm_conf llm_conf = {.loop = clock.loop};
    struct prl_tts_conf tts_conf = {
        .loop = clock.loop, .front = &prl_tts_scripted, .front_conf = &script};
    if (!err)
        err = open_stt(&clock, &stt);
    if (!err)
        err = prl_llm_scripted_create(&llm, &llm_conf, &script);
    if (!err)
        err = prl_tts_create(&tts, &tts_conf);
    if (!err)
        err = prl_stt_open(stt, &(struct prl_stt_stream_conf){.fn = on_stt, .arg = &listener},
                           &listener.stream);
    if (!err)
        err = prl_llm_open(llm, &(struct prl_llm_stream_conf){on_llm, &reader}, &reader.stream);
    if (!err)
        err = prl_tts_open(tts, &(struct prl_tts_stream_conf){.fn = on_tts, .arg = &hearer},
                           &hearer.stream);
    if (!err) {
        struct prl_llm_params params = {.committed = true};
        prl_stt_begin(listener.stream, 1);
        (void)!prl_stt_push(listener.stream, second, SECOND / 2);
        (void)!prl_stt_decode(listener.stream, 2, PRL_STT_WANT_FINAL);
        (void)!prl_llm_generate(reader.stream, 1, &prompt, &params);
        (void)!prl_tts_say(hearer.stream, 1, 0, "Yes", 3);
        pass(&clock, 300);
    }
    prl_stt_close(&listener.stream);
    prl_llm_close(&reader.stream);
    prl_tts_close(&hearer.stream);
    if (stt)
        prl_stt_destroy(&stt);
    if (llm)
        prl_llm_destroy(&llm);
    if (tts)
        prl_tts_destroy(&tts);
    stop(&clock);
}

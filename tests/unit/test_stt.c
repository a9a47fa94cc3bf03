// test_stt.c -- the front with its lane and scripted recognisers: order, cancel, languages, errors.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "stt/backend.h"
#include "stt/route.h"
#include "stt/stt.h"
#include "tests/unit.h"
#include "tests/unit/two_loops.h"
#include "tests/unit/wait.h"

enum { RATE = 16000, EVENTS_MAX = 32 };

// The scripted recognisers answer with their name, the language and the length of the sound. What
// they do is told by the first sample of the sound.
enum { SAY = 1000, HANG = 2000, BREAK = 3000, ENGLISH = 4000, LOOP = 5000, GHOST = 6000 };

static atomic_int decodes;
static atomic_int hanging; // a HANG waits
static atomic_int release; // lets it go on

static enum prl_err open_script(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                                size_t why_size)
{
    *ctx = NULL;
    if (conf->paths->whisper_model && strcmp(conf->paths->whisper_model, "bad") == 0) {
        (void)snprintf(why, why_size, "bad: cannot be loaded");
        return PRL_ERR_ENGINE;
    }
    *ctx = prl_mem_zalloc(1);
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

static void close_script(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err answer(const char *name, const struct prl_stt_job *job,
                           struct prl_stt_answer *result)
{
    int order = job->samples > 0 ? job->pcm[0] : 0;
    atomic_fetch_add(&decodes, 1);
    if (order == BREAK)
        return PRL_ERR_ENGINE;
    if (order == HANG) {
        atomic_store(&hanging, 1);
        while (!atomic_load(&release)) {
            if (job->stop(job->stop_arg))
                return PRL_ERR_CANCELED;
        }
    }
    result->complete = true;
    result->mean_log_prob = order == GHOST ? -0.9F : -0.1F;
    result->no_speech = order == GHOST ? 0.5F : 0.0F;
    (void)prl_str_copy(result->language, sizeof(result->language),
                       job->language[0] ? job->language : "zh");
    if (order == GHOST)
        return prl_str_adds(&result->text, "Thank you.");
    if (order == LOOP)
        return prl_str_adds(&result->text,
                            "again and again and again and again and again and again");
    return prl_str_addf(&result->text, "<|x|> %s %s %zu", name, result->language,
                        job->samples / 16);
}

static enum prl_err decode_a(void *ctx, const struct prl_stt_job *job,
                             struct prl_stt_answer *result)
{
    (void)ctx;
    return answer("moon", job, result);
}

static enum prl_err decode_b(void *ctx, const struct prl_stt_job *job,
                             struct prl_stt_answer *result)
{
    (void)ctx;
    return answer("whisper", job, result);
}

static enum prl_err decode_b_again(void *ctx, const struct prl_stt_job *job,
                                   struct prl_stt_answer *result)
{
    (void)ctx;
    (void)job;
    result->complete = true;
    return prl_str_adds(&result->text, "once more");
}

static enum prl_err identify_b(void *ctx, const struct prl_stt_job *job,
                               char language[PRL_STT_LANGUAGE_SIZE], float *probability)
{
    (void)ctx;
    (void)prl_str_copy(language, PRL_STT_LANGUAGE_SIZE, job->pcm[0] == ENGLISH ? "en" : "zh");
    *probability = 0.9F;
    return PRL_OK;
}

static const char *why_script(const void *ctx)
{
    (void)ctx;
    return "script: broken";
}

static const struct prl_stt_backend_ops MOON = {.name = "moon",
                                                .live = true,
                                                .open = open_script,
                                                .close = close_script,
                                                .decode = decode_a,
                                                .why = why_script};
static const struct prl_stt_backend_ops WHISPER = {.name = "whisper",
                                                   .open = open_script,
                                                   .close = close_script,
                                                   .decode = decode_b,
                                                   .decode_again = decode_b_again,
                                                   .identify = identify_b,
                                                   .why = why_script};
static const struct prl_stt_backend_ops *const BOTH[PRL_STT_ENGINE_COUNT] = {&MOON, &WHISPER,
                                                                             &MOON};

struct bench {
    struct prl_loop *loop;
    struct prl_stt *stt;
    struct prl_stt_stream *a, *b;
    int ready, failed;
    struct {
        char name; // of the stream
        enum prl_stt_event_type type;
        uint32_t generation;
        enum prl_err err;
        bool no_speech;
        char text[80];
        char language[8];
    } events[EVENTS_MAX];
    size_t count;
};

static void record(struct bench *bench, char name, const struct prl_stt_event *event)
{
    REQUIRE(bench->count < EVENTS_MAX);
    size_t i = bench->count++;
    bench->events[i].name = name;
    bench->events[i].type = event->type;
    bench->events[i].generation = event->generation;
    bench->events[i].err = event->err;
    bench->events[i].no_speech = event->no_speech;
    (void)prl_str_copy(bench->events[i].text, sizeof(bench->events[i].text), event->text);
    (void)prl_str_copy(bench->events[i].language, sizeof(bench->events[i].language),
                       event->language);
}

static void on_a(void *arg, const struct prl_stt_event *event)
{
    record(arg, 'a', event);
}

static void on_b(void *arg, const struct prl_stt_event *event)
{
    record(arg, 'b', event);
}

static void on_ready(void *arg)
{
    ((struct bench *)arg)->ready++;
}

static void on_error(void *arg, const char *why)
{
    struct bench *bench = arg;
    bench->failed++;
    EXPECT_TEXT(why, "bad: cannot be loaded");
}

static enum prl_err open_streams(struct bench *bench, const char *language, bool partials)
{
    struct prl_stt_stream_conf conf = {
        .language = language, .partials = partials, .fn = on_a, .arg = bench};
    enum prl_err err = prl_stt_open(bench->stt, &conf, &bench->a);
    conf.fn = on_b;
    return err ? err : prl_stt_open(bench->stt, &conf, &bench->b);
}

static enum prl_err start(struct bench *bench, const char *language, bool partials,
                          const char *model)
{
    *bench = (struct bench){.count = 0};
    atomic_store(&release, 0);
    atomic_store(&hanging, 0);
    atomic_store(&decodes, 0);
    struct prl_stt_conf conf = {
        .paths = {.moonshine_encoder = "e",
                  .moonshine_decoder = "d",
                  .moonshine_tokens = "t",
                  .whisper_module = "m",
                  .whisper_model = model},
        .backends = BOTH,
        .on_ready = on_ready,
        .on_error = on_error,
        .arg = bench,
    };
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    conf.loop = bench->loop;
    if (!err)
        err = prl_stt_create(&bench->stt, &conf);
    return err ? err : open_streams(bench, language, partials);
}

static void stop(struct bench *bench)
{
    prl_stt_close(&bench->a);
    prl_stt_close(&bench->b);
    prl_stt_destroy(&bench->stt);
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static void push(struct prl_stt_stream *stream, int16_t order, int ms, bool silence)
{
    int16_t pcm[160];
    for (size_t i = 0; i < 160; i++)
        pcm[i] = order;
    for (; ms > 0; ms -= 10)
        EXPECT_OK(silence ? prl_stt_push_silence(stream, pcm, 160)
                          : prl_stt_push(stream, pcm, 160));
}

PRL_TEST(stt_final_and_cache)
{
    struct bench bench;
    REQUIRE(start(&bench, "en-US", false, "w") == PRL_OK);
    EXPECT(!prl_stt_is_ready(bench.stt));
    prl_stt_begin(bench.a, 1);
    push(bench.a, SAY, 600, false);
    push(bench.a, SAY, 100, true);
    EXPECT_OK(prl_stt_decode(bench.a, 2, PRL_STT_WANT_GUESS)); // even before it is loaded
    EXPECT_INT(prl_stt_backlog(bench.stt), 1);
    WAIT(bench.loop, bench.count == 1);
    EXPECT_INT(bench.ready, 1);
    EXPECT_INT(bench.events[0].generation, 2);
    EXPECT_TEXT(bench.events[0].text, "moon en 700");
    int before = atomic_load(&decodes);
    push(bench.a, SAY, 400, true);
    EXPECT_OK(prl_stt_decode(bench.a, 3, PRL_STT_WANT_FINAL));
    EXPECT_INT(bench.count, 2); // at once
    EXPECT_TEXT(bench.events[1].text, "moon en 700");
    EXPECT_INT(atomic_load(&decodes), before);
    EXPECT_INT(prl_stt_backlog(bench.stt), 0);
    stop(&bench);
}

PRL_TEST(stt_silence_never_reaches_a_model)
{
    struct bench bench;
    REQUIRE(start(&bench, "zh", false, "w") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    int before = atomic_load(&decodes);
    prl_stt_begin(bench.a, 1);
    push(bench.a, 20, 500, false); // pushed as speech, but as quiet as a room
    EXPECT_OK(prl_stt_decode(bench.a, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 1);
    EXPECT(bench.events[0].no_speech);
    EXPECT_INT(atomic_load(&decodes), before);
    stop(&bench);
}

PRL_TEST(stt_guards)
{
    struct bench bench;
    REQUIRE(start(&bench, "zh", false, "w") == PRL_OK);
    prl_stt_begin(bench.a, 1);
    push(bench.a, LOOP, 500, false);
    EXPECT_OK(prl_stt_decode(bench.a, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 1);
    EXPECT_TEXT(bench.events[0].text, "once more"); // decoded again
    prl_stt_begin(bench.a, 2);
    push(bench.a, GHOST, 500, false);
    EXPECT_OK(prl_stt_decode(bench.a, 2, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 2);
    EXPECT(bench.events[1].no_speech);
    EXPECT_TEXT(bench.events[1].text, "");
    EXPECT_OK(prl_stt_configure(bench.a, "en", NULL)); // this one has no second way: cut
    prl_stt_begin(bench.a, 3);
    push(bench.a, LOOP, 500, false);
    EXPECT_OK(prl_stt_decode(bench.a, 3, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 3);
    EXPECT_TEXT(bench.events[2].text, "again and");
    stop(&bench);
}

PRL_TEST(stt_committed_work_overtakes)
{
    struct bench bench;
    REQUIRE(start(&bench, "en", false, "w") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    prl_stt_begin(bench.a, 1);
    prl_stt_begin(bench.b, 1);
    push(bench.a, HANG, 500, false);
    EXPECT_OK(prl_stt_decode(bench.a, 2, PRL_STT_WANT_GUESS));
    WAIT(bench.loop, atomic_load(&hanging));
    push(bench.b, SAY, 500, false);
    EXPECT_OK(prl_stt_decode(bench.b, 2, PRL_STT_WANT_FINAL)); // stops the guess
    WAIT(bench.loop, bench.count == 1);
    EXPECT_INT(bench.events[0].name, 'b');
    atomic_store(&release, 1); // the guess starts again and is answered
    WAIT(bench.loop, bench.count == 2);
    EXPECT_INT(bench.events[1].name, 'a');
    EXPECT_INT(bench.events[1].type, PRL_STT_FINAL);
    stop(&bench);
}

PRL_TEST(stt_cancel_begin_and_close_stop_the_lane)
{
    struct bench bench;
    uint64_t late = prl_metrics_value(PRL_METRIC_LATE_EVENTS);
    REQUIRE(start(&bench, "en", false, "w") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t generation = 10 * round + 1;
        prl_stt_begin(bench.a, generation);
        push(bench.a, HANG, 500, false);
        EXPECT_OK(prl_stt_decode(bench.a, generation + 1, PRL_STT_WANT_FINAL));
        WAIT(bench.loop, atomic_load(&hanging));
        atomic_store(&hanging, 0);
        if (round == 0)
            prl_stt_cancel(bench.a, generation + 1);
        else if (round == 1)
            prl_stt_clear(bench.a);
        else
            prl_stt_close(&bench.a);
    }
    prl_stt_begin(bench.b, 1);
    push(bench.b, SAY, 100, false);
    EXPECT_OK(prl_stt_decode(bench.b, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 1);
    EXPECT_INT(bench.events[0].name, 'b'); // and nothing of the others
    EXPECT_INT(prl_metrics_value(PRL_METRIC_LATE_EVENTS) - late, 3);
    stop(&bench);
}

PRL_TEST(stt_language_is_found_out_once)
{
    struct bench bench;
    REQUIRE(start(&bench, "auto", false, "w") == PRL_OK);
    prl_stt_begin(bench.a, 1);
    push(bench.a, ENGLISH, 800, false);
    EXPECT_OK(prl_stt_decode(bench.a, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 1);
    EXPECT_TEXT(bench.events[0].text, "moon en 800");
    EXPECT_TEXT(bench.events[0].language, "en");
    prl_stt_begin(bench.a, 2);
    push(bench.a, SAY, 800, false); // would be taken for Chinese
    EXPECT_OK(prl_stt_decode(bench.a, 2, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 2);
    EXPECT_TEXT(bench.events[1].text, "moon en 800");
    prl_stt_begin(bench.b, 1);
    push(bench.b, SAY, 800, false);
    EXPECT_OK(prl_stt_decode(bench.b, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 3);
    EXPECT_TEXT(bench.events[2].text, "whisper zh 800");
    EXPECT_INT(prl_stt_configure(bench.a, "nonsense", NULL), PRL_ERR_INVALID);
    stop(&bench);
}

PRL_TEST(stt_live_partials)
{
    struct bench bench;
    REQUIRE(start(&bench, "auto", true, "w") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    prl_stt_begin(bench.a, 5);
    push(bench.a, ENGLISH, 2500, false); // long enough to be identified while the user talks
    WAIT(bench.loop, bench.count >= 1);
    EXPECT_INT(bench.events[0].type, PRL_STT_PARTIAL);
    EXPECT_INT(bench.events[0].generation, 5);
    EXPECT_TEXT(bench.events[0].text, "moon en 2500");
    EXPECT_OK(prl_stt_decode(bench.a, 6, PRL_STT_WANT_FINAL));
    EXPECT_INT(bench.count, 2); // the partial's result serves
    EXPECT_INT(bench.events[1].type, PRL_STT_FINAL);
    prl_stt_begin(bench.b, 1);
    push(bench.b, SAY, 2500, false); // Chinese: Whisper is too slow for partials
    EXPECT_OK(prl_stt_decode(bench.b, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 3);
    EXPECT_INT(bench.events[2].type, PRL_STT_FINAL);
    stop(&bench);
}

PRL_TEST(stt_errors)
{
    struct bench bench;
    REQUIRE(start(&bench, "en", false, "w") == PRL_OK);
    prl_stt_begin(bench.a, 1);
    push(bench.a, BREAK, 500, false);
    EXPECT_OK(prl_stt_decode(bench.a, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.count == 1);
    EXPECT_INT(bench.events[0].type, PRL_STT_ERROR);
    EXPECT_INT(bench.events[0].err, PRL_ERR_ENGINE);
    EXPECT_TEXT(bench.events[0].text, "script: broken");
    prl_stt_begin(bench.a, 2);
    for (int i = 0; i < 12; i++)
        push(bench.a, SAY, 10000, false);
    int16_t one = 0;
    EXPECT_INT(prl_stt_push(bench.a, &one, 1), PRL_ERR_LIMIT);
    stop(&bench);
}

PRL_TEST(stt_model_that_does_not_load)
{
    struct bench bench;
    REQUIRE(start(&bench, "zh", false, "bad") == PRL_OK);
    prl_stt_begin(bench.a, 1);
    push(bench.a, SAY, 500, false);
    EXPECT_OK(prl_stt_decode(bench.a, 1, PRL_STT_WANT_FINAL));
    WAIT(bench.loop, bench.failed == 1);
    EXPECT_INT(bench.count, 1);
    EXPECT_INT(bench.events[0].type, PRL_STT_ERROR);
    EXPECT_OK(prl_stt_decode(bench.a, 2, PRL_STT_WANT_FINAL));
    EXPECT_INT(bench.count, 2);
    EXPECT_TEXT(bench.events[1].text, "bad: cannot be loaded");
    EXPECT_INT(bench.ready, 0);
    stop(&bench);
}

PRL_TEST_OOM(stt_whole_life)
{
    struct bench bench;
    enum prl_err err = start(&bench, "en", true, "w");
    if (!err) {
        prl_stt_begin(bench.a, 1);
        int16_t pcm[1600];
        for (size_t i = 0; i < 1600; i++)
            pcm[i] = SAY;
        for (int i = 0; i < 10 && !err; i++)
            err = prl_stt_push(bench.a, pcm, 1600);
    }
    if (!err)
        err = prl_stt_decode(bench.a, 2, PRL_STT_WANT_FINAL);
    if (!err) { // exactly one answer, whatever fails
        size_t finals = 0;
        int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
        while (finals == 0 && prl_clock_now_us() < until_us) {
            prl_loop_turn(bench.loop, 10000);
            for (size_t i = 0; i < bench.count; i++)
                finals += bench.events[i].type != PRL_STT_PARTIAL;
        }
        EXPECT_INT(finals, 1);
    }
    stop(&bench);
}

// ---- two loops, one lane ----

enum { ROUNDS = 40 };

struct side {
    struct prl_loop *loop;
    struct prl_stt *stt;
    struct prl_stt_stream *stream;
    uint32_t generation, answered, wrong;
    size_t millis; // of its sound
    bool waits;
};

static void on_side(void *arg, const struct prl_stt_event *event)
{
    struct side *side = arg;
    char text[40];
    (void)snprintf(text, sizeof(text), "moon en %zu", side->millis);
    side->wrong += event->type != PRL_STT_FINAL || event->generation != side->generation ||
                   strcmp(event->text, text) != 0;
    side->answered++;
    side->waits = false;
}

static enum prl_err open_side(struct side *side, struct prl_stt *share)
{
    struct prl_stt_conf conf = {
        .loop = side->loop,
        .paths = {.moonshine_encoder = "e", .moonshine_decoder = "d", .moonshine_tokens = "t"},
        .language = "en",
        .backends = BOTH,
        .share = share};
    struct prl_stt_stream_conf stream = {.fn = on_side, .arg = side};
    enum prl_err err = prl_stt_create(&side->stt, &conf);
    return err ? err : prl_stt_open(side->stt, &stream, &side->stream);
}

static void close_sides(struct side *sides)
{
    for (size_t i = 0; i < 2; i++)
        prl_stt_close(&sides[i].stream);
    prl_stt_destroy(&sides[0].stt);
    prl_stt_destroy(&sides[1].stt);
    for (size_t i = 0; i < 2; i++)
        prl_loop_destroy(&sides[i].loop);
}

static void side_says(struct side *side, int16_t order, size_t millis)
{
    int16_t pcm[16];
    for (size_t i = 0; i < 16; i++)
        pcm[i] = order;
    prl_stt_begin(side->stream, ++side->generation);
    side->millis = millis;
    for (size_t i = 0; i < millis; i++)
        EXPECT_OK(prl_stt_push(side->stream, pcm, 16));
}

// Commits again and again; every fourth decode is taken back and never answered.
static bool step_side(void *arg)
{
    struct side *side = arg;
    if (side->waits)
        return false;
    if (side->generation == ROUNDS)
        return true;
    side_says(side, SAY, 500 + side->generation);
    EXPECT_OK(prl_stt_decode(side->stream, side->generation,
                             side->generation % 3 ? PRL_STT_WANT_FINAL : PRL_STT_WANT_GUESS));
    side->waits = side->generation % 4 != 0;
    if (!side->waits)
        prl_stt_cancel(side->stream, side->generation);
    return false;
}

PRL_TEST(stt_two_loops_share_a_lane)
{
    struct side sides[2] = {{.loop = NULL}, {.loop = NULL}};
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        REQUIRE(open_side(&sides[i], i ? sides[0].stt : NULL) == PRL_OK);
    }
    const struct two_loops_side both[2] = {{sides[0].loop, step_side, &sides[0]},
                                           {sides[1].loop, step_side, &sides[1]}};
    EXPECT(two_loops_run(both));
    for (size_t i = 0; i < 2; i++) {
        EXPECT_INT(sides[i].answered, ROUNDS - ROUNDS / 4);
        EXPECT_INT(sides[i].wrong, 0);
    }
    close_sides(sides);
}

static void turn_sides(struct side *sides, const atomic_int *flag, const uint32_t *count)
{
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!(flag ? atomic_load(flag) : (int)*count) && prl_clock_now_us() < until_us)
        for (size_t i = 0; i < 2; i++)
            prl_loop_turn(sides[i].loop, 1000);
}

PRL_TEST(stt_committed_work_of_another_loop_goes_first)
{
    struct side sides[2] = {{.loop = NULL}, {.loop = NULL}};
    atomic_store(&release, 0);
    atomic_store(&hanging, 0);
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        REQUIRE(open_side(&sides[i], i ? sides[0].stt : NULL) == PRL_OK);
    }
    side_says(&sides[0], HANG, 500);
    EXPECT_OK(prl_stt_decode(sides[0].stream, 1, PRL_STT_WANT_GUESS));
    turn_sides(sides, &hanging, NULL); // the guess is being worked on and does not end
    side_says(&sides[1], SAY, 600);
    EXPECT_OK(prl_stt_decode(sides[1].stream, 1, PRL_STT_WANT_FINAL));
    turn_sides(sides, NULL, &sides[1].answered);
    EXPECT_INT(sides[1].answered, 1);
    EXPECT_INT(sides[0].answered, 0);
    atomic_store(&release, 1);
    turn_sides(sides, NULL, &sides[0].answered); // done once more, from the beginning
    EXPECT_INT(sides[0].answered, 1);
    EXPECT_INT(sides[0].wrong + sides[1].wrong, 0);
    close_sides(sides);
}

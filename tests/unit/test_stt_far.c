// test_stt_far.c -- stt with recognisers elsewhere: the request, fallback, cancel, and nobody left.
#include "stt/stt.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit.h"
#include "tests/unit/far_fake.h"

enum { EVENTS = 16 };

struct bench {
    struct far_fake far;
    struct prl_stt *stt;
    struct prl_stt_stream *stream;
    int ready, count;
    struct {
        enum prl_stt_event_type type;
        uint32_t generation;
        char text[200];
        bool no_speech;
    } events[EVENTS];
};

static void on_event(void *arg, const struct prl_stt_event *event)
{
    struct bench *bench = arg;
    if (bench->count == EVENTS)
        return;
    bench->events[bench->count].type = event->type;
    bench->events[bench->count].generation = event->generation;
    bench->events[bench->count].no_speech = event->no_speech;
    snprintf(bench->events[bench->count].text, sizeof(bench->events[0].text), "%s", event->text);
    bench->count++;
}

static void on_ready(void *arg)
{
    ((struct bench *)arg)->ready++;
}

static void set_answer(struct bench *bench, int index, const char *path, unsigned status,
                       const char *body)
{
    bench->far.server.answers[index] = (struct http_fake_answer){
        .path = path, .status = status, .type = "application/json", .body = body};
}

static void set_events(struct bench *bench, int index, const char *path, const char *body)
{
    bench->far.server.answers[index] = (struct http_fake_answer){
        .path = path, .status = 200, .type = "text/event-stream", .body = body};
}

static enum prl_err start(struct bench *bench, bool partials)
{
    const struct prl_pool_engine engines[] = {
        {.url = "/a", .model = "m1", .rank = 0},
        {.url = "/b", .model = "m2", .language = "fr", .rank = 1}};
    enum prl_err err = far_fake_open(
        &bench->far, &(struct prl_pool_conf){.kind = "stt", .engines = engines, .count = 2});
    struct prl_stt_conf conf = {.loop = bench->far.loop,
                                .pool = bench->far.pool,
                                .far_only = true,
                                .far_partials = partials,
                                .language = "en",
                                .on_ready = on_ready,
                                .arg = bench};
    if (!err)
        err = prl_stt_create(&bench->stt, &conf);
    struct prl_stt_stream_conf stream = {
        .prompt = "Parley", .partials = partials, .fn = on_event, .arg = bench};
    return err ? err : prl_stt_open(bench->stt, &stream, &bench->stream);
}

static void stop(struct bench *bench)
{
    prl_stt_close(&bench->stream);
    prl_stt_destroy(&bench->stt);
    far_fake_close(&bench->far);
}

static void say(struct bench *bench, int16_t level, int ms)
{
    int16_t pcm[160];
    for (size_t i = 0; i < 160; i++)
        pcm[i] = i % 2 ? level : (int16_t)-level;
    for (; ms > 0; ms -= 10)
        EXPECT_OK(prl_stt_push(bench->stream, pcm, 160));
}

PRL_TEST(stt_far_asks_and_cleans)
{
    static struct bench bench;
    set_answer(&bench, 0, "/a/audio/transcriptions", 200, "{\"text\":\" Hello  there. [Music]\"}");
    REQUIRE(start(&bench, false) == PRL_OK);
    EXPECT(prl_stt_is_ready(bench.stt));
    EXPECT(far_fake_wait(&bench.far, &bench.ready, 1));
    prl_stt_begin(bench.stream, 1);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_FINAL));
    EXPECT(far_fake_wait(&bench.far, &bench.count, 1));
    EXPECT_INT(bench.events[0].type, PRL_STT_FINAL);
    EXPECT_INT(bench.events[0].generation, 2);
    EXPECT_TEXT(bench.events[0].text, "Hello there.");
    // A form with a WAV file of 0.5 s.
    EXPECT(strstr(bench.far.server.last, "name=\"model\"\r\n\r\nm1\r\n") != NULL);
    EXPECT(strstr(bench.far.server.last, "name=\"language\"\r\n\r\nen\r\n") != NULL);
    EXPECT(strstr(bench.far.server.last, "name=\"prompt\"\r\n\r\nParley\r\n") != NULL);
    EXPECT(strstr(bench.far.server.last, "RIFF") != NULL);
    EXPECT(bench.far.server.last_size > 16000 && bench.far.server.last_size < 18000);
    // Silence is asked of nobody.
    prl_stt_begin(bench.stream, 3);
    say(&bench, 10, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 4, PRL_STT_WANT_FINAL));
    EXPECT(far_fake_wait(&bench.far, &bench.count, 2));
    EXPECT(bench.events[1].no_speech);
    EXPECT_INT(bench.far.server.answers[0].asked, 1);
    stop(&bench);
}

PRL_TEST(stt_far_falls_back_and_fails_at_last)
{
    static struct bench bench;
    set_answer(&bench, 0, "/a/audio/transcriptions", 503, "{}");
    set_answer(&bench, 1, "/b/audio/transcriptions", 200, "{\"text\":\"Second.\"}");
    REQUIRE(start(&bench, false) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_GUESS));
    EXPECT(far_fake_wait(&bench.far, &bench.count, 1));
    EXPECT_TEXT(bench.events[0].text, "Second.");
    EXPECT(strstr(bench.far.server.last, "name=\"language\"\r\n\r\nfr\r\n") != NULL);
    set_answer(&bench, 1, "/b/audio/transcriptions", 200, "[\"no transcription\"]");
    prl_stt_begin(bench.stream, 3);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 4, PRL_STT_WANT_FINAL));
    EXPECT(far_fake_wait(&bench.far, &bench.count, 2));
    EXPECT_INT(bench.events[1].type, PRL_STT_ERROR);
    EXPECT_INT(bench.events[1].generation, 4);
    // The first is back.
    set_answer(&bench, 0, "/a/audio/transcriptions", 200, "{\"text\":\"First.\"}");
    prl_stt_begin(bench.stream, 5);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 6, PRL_STT_WANT_FINAL));
    EXPECT(far_fake_wait(&bench.far, &bench.count, 3));
    EXPECT_TEXT(bench.events[2].text, "First.");
    stop(&bench);
}

PRL_TEST(stt_far_takes_a_stream_of_events)
{
    static struct bench bench;
    // The first engine's stream is cut, the second's is whole.
    set_events(&bench, 0, "/a/audio/transcriptions",
               "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Half\"}\n\n");
    set_events(&bench, 1, "/b/audio/transcriptions",
               "data: {\"type\":\"transcript.text.delta\",\"delta\":\" Whole\"}\n\n"
               "data: {\"type\":\"transcript.text.done\",\"text\":\" Whole.\"}\n\n");
    REQUIRE(start(&bench, false) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_FINAL));
    EXPECT(far_fake_wait(&bench.far, &bench.count, 1));
    EXPECT_INT(bench.events[0].type, PRL_STT_FINAL);
    EXPECT_TEXT(bench.events[0].text, "Whole.");
    EXPECT(strstr(bench.far.server.last, "name=\"stream\"\r\n\r\ntrue\r\n") != NULL);
    EXPECT_INT(bench.far.server.answers[0].asked, 1);
    stop(&bench);
}

PRL_TEST(stt_far_cancel_ends_the_request)
{
    static struct bench bench;
    set_answer(&bench, 0, "/a/audio/transcriptions", 0, "");
    REQUIRE(start(&bench, false) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_GUESS));
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].asked, 1));
    prl_stt_cancel(bench.stream, 2);
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].gone, 1));
    // And so does the stream's end.
    prl_stt_begin(bench.stream, 3);
    say(&bench, 3000, 500);
    EXPECT_OK(prl_stt_decode(bench.stream, 4, PRL_STT_WANT_FINAL));
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].asked, 2));
    prl_stt_close(&bench.stream);
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].gone, 2));
    EXPECT_INT(bench.count, 0);
    stop(&bench);
}

PRL_TEST(stt_far_partials)
{
    static struct bench bench;
    set_answer(&bench, 0, "/a/audio/transcriptions", 200, "{\"text\":\"One two\"}");
    REQUIRE(start(&bench, true) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    for (int ms = 0; bench.count == 0 && ms < 100000 && prl_clock_now_us() < until; ms += 100) {
        say(&bench, 3000, 100);
        prl_loop_turn(bench.far.loop, 20000);
    }
    EXPECT(bench.count > 0);
    EXPECT_INT(bench.events[0].type, PRL_STT_PARTIAL);
    EXPECT_TEXT(bench.events[0].text, "One two");
    stop(&bench);
}

PRL_TEST_OOM(stt_far_without_memory)
{
    static struct bench bench;
    memset(&bench, 0, sizeof(bench));
    set_answer(&bench, 0, "/a/audio/transcriptions", 200, "{\"text\":\"Yes.\"}");
    set_events(&bench, 1, "/b/audio/transcriptions",
               "data: {\"type\":\"transcript.text.done\",\"text\":\"No.\"}\n\n");
    if (start(&bench, false) == PRL_OK) {
        int16_t pcm[1600];
        for (size_t i = 0; i < 1600; i++)
            pcm[i] = i % 2 ? 3000 : -3000;
        prl_stt_begin(bench.stream, 1);
        enum prl_err err = prl_stt_push(bench.stream, pcm, 1600);
        for (int i = 0; i < 4 && !err; i++)
            err = prl_stt_push(bench.stream, pcm, 1600);
        if (!err)
            err = prl_stt_decode(bench.stream, 2, PRL_STT_WANT_FINAL);
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 100000 : PRL_TEST_WAIT_US);
        while (!err && bench.count == 0 && prl_clock_now_us() < until)
            prl_loop_turn(bench.far.loop, 20000);
        EXPECT(prl_test_oom() || bench.count == 1);
    }
    stop(&bench);
}

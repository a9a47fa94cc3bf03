// test_stt_live.c -- recognisers that listen while one speaks: words on the way, finals, reuse, faults.
#include "stt/live.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "stt/stt.h"
#include "tests/unit.h"
#include "tests/unit/ws_fake.h"

enum { EVENTS = 64 };

enum fault { FAULT_NONE, FAULT_HANG, FAULT_GARBLE, FAULT_ERROR, FAULT_LEAVE, FAULT_BINARY };

struct bench {
    struct prl_loop *loop;
    struct ws_fake servers[2];
    struct prl_pool *pool;
    struct prl_stt *stt;
    struct prl_stt_stream *stream;
    enum fault fault; // of the first server, at a commit
    int stretch;      // commits answered
    int count, partials;
    struct {
        enum prl_stt_event_type type;
        uint32_t generation;
        char text[200];
        size_t stable;
    } events[EVENTS];
};

static void on_event(void *arg, const struct prl_stt_event *event)
{
    struct bench *bench = arg;
    bench->partials += event->type == PRL_STT_PARTIAL;
    if (event->type == PRL_STT_PARTIAL) {
        snprintf(bench->events[EVENTS - 1].text, 200, "%s", event->text);
        bench->events[EVENTS - 1].stable = event->stable_bytes;
        return;
    }
    if (bench->count == EVENTS - 1)
        return;
    bench->events[bench->count].type = event->type;
    bench->events[bench->count].generation = event->generation;
    snprintf(bench->events[bench->count].text, 200, "%s", event->text);
    bench->count++;
}

// A fault at a commit; true: there was one.
static bool go_wrong(struct bench *bench, struct prl_ws *ws)
{
    switch (bench->fault) {
    case FAULT_NONE:
        return false;
    case FAULT_HANG:
        break;
    case FAULT_GARBLE:
        ws_fake_say(ws, "{no json");
        break;
    case FAULT_ERROR:
        ws_fake_say(ws, "{\"type\":\"error\",\"error\":{\"message\":\"tired\"}}");
        break;
    case FAULT_LEAVE:
        prl_ws_abort(ws);
        break;
    case FAULT_BINARY:
        if (prl_ws_send_binary(ws, "x", 1) != PRL_OK)
            prl_ws_abort(ws);
        break;
    }
    return true;
}

static const char *const stretches[] = {" One two.", " Three four.", " Five."};

static void serve_plain(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    struct bench *bench = fake->arg;
    char message[200];
    (void)len;
    if (!text && fake->binaries % 4 == 1)
        ws_fake_say(ws, "{\"type\":\"transcription\",\"text\":\"One\",\"is_final\":false}");
    if (!text && fake->binaries % 4 == 2)
        ws_fake_say(ws, "{\"type\":\"transcription\",\"text\":\"One too\",\"is_final\":false}");
    if (!text || !strstr(text, "\"commit\"") || (fake == &bench->servers[0] && go_wrong(bench, ws)))
        return;
    snprintf(message, sizeof(message),
             "{\"type\":\"transcription\",\"text\":\"%s\",\"is_final\":true}",
             stretches[bench->stretch++ % 3]);
    ws_fake_say(ws, message);
}

static void serve_openai(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    struct bench *bench = fake->arg;
    (void)len;
    if (!text || !strstr(text, "buffer.commit"))
        return;
    if (fake == &bench->servers[0] && go_wrong(bench, ws))
        return;
    ws_fake_say(ws, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"i\"}");
    ws_fake_say(
        ws, "{\"type\":\"conversation.item.input_audio_transcription.delta\",\"delta\":\"One\"}");
    ws_fake_say(ws, "{\"type\":\"conversation.item.input_audio_transcription.completed\","
                    "\"transcript\":\"One two.\"}");
}

static void serve_vllm(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    struct bench *bench = fake->arg;
    (void)len;
    if (text && strstr(text, "append"))
        ws_fake_say(ws, "{\"type\":\"transcription.delta\",\"delta\":\"la \"}");
    if (!text || !strstr(text, "\"final\":true") ||
        (fake == &bench->servers[0] && go_wrong(bench, ws)))
        return;
    ws_fake_say(ws, "{\"type\":\"transcription.done\",\"text\":\"La la.\"}");
}

static enum prl_err start(struct bench *bench, enum prl_pool_way way, ws_fake_fn fn,
                          int32_t wait_ms)
{
    char urls[2][64];
    *bench = (struct bench){.fault = FAULT_NONE};
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    for (int i = 0; i < 2 && !err; i++) {
        bench->servers[i].fn = fn;
        bench->servers[i].arg = bench;
        err = ws_fake_open(&bench->servers[i], bench->loop);
        snprintf(urls[i], sizeof(urls[i]), "ws://127.0.0.1:%u/ear", bench->servers[i].port);
    }
    const struct prl_pool_engine engines[] = {
        {.way = way, .url = urls[0], .model = "m", .key = "k", .rank = 0},
        {.way = way, .url = urls[1], .language = "de", .rank = 1}};
    struct prl_pool_conf pool = {
        .loop = bench->loop,
        .kind = "stt",
        .engines = engines,
        .count = 2,
        .chain = {.failures_max = 100},
        .limits = {.connect_ms = 100000, .first_byte_ms = wait_ms, .gap_ms = wait_ms}};
    if (!err)
        err = prl_pool_create(&bench->pool, &pool);
    struct prl_stt_conf conf = {.loop = bench->loop,
                                .pool = bench->pool,
                                .far_only = true,
                                .far_partials = true,
                                .language = "en"};
    if (!err)
        err = prl_stt_create(&bench->stt, &conf);
    struct prl_stt_stream_conf stream = {.partials = true, .fn = on_event, .arg = bench};
    return err ? err : prl_stt_open(bench->stt, &stream, &bench->stream);
}

static void stop(struct bench *bench)
{
    prl_stt_close(&bench->stream);
    prl_stt_destroy(&bench->stt);
    prl_pool_destroy(&bench->pool);
    for (int i = 0; i < 2; i++)
        ws_fake_close(&bench->servers[i]);
    prl_loop_destroy(&bench->loop);
}

static enum prl_err say(struct bench *bench, int ms)
{
    int16_t pcm[160];
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < 160; i++)
        pcm[i] = i % 2 ? 3000 : -3000;
    for (; ms > 0 && !err; ms -= 10)
        err = prl_stt_push(bench->stream, pcm, 160);
    return err;
}

static bool wait_for(struct bench *bench, const int *count, int wanted)
{
    int64_t until = prl_clock_now_us() + (prl_test_oom() ? 200000 : PRL_TEST_WAIT_US);
    while (*count < wanted && prl_clock_now_us() < until)
        prl_loop_turn(bench->loop, 20000);
    return *count >= wanted;
}

// An utterance of half a second, committed; its text is event `index`.
static void utter(struct bench *bench, uint32_t generation, int index, const char *text)
{
    prl_stt_begin(bench->stream, generation);
    EXPECT_OK(say(bench, 500));
    EXPECT_OK(prl_stt_decode(bench->stream, generation + 1, PRL_STT_WANT_FINAL));
    EXPECT(wait_for(bench, &bench->count, index + 1));
    EXPECT_INT(bench->events[index].type, PRL_STT_FINAL);
    EXPECT_INT(bench->events[index].generation, generation + 1);
    EXPECT_TEXT(bench->events[index].text, text);
}

PRL_TEST(stt_live_words_come_while_one_speaks)
{
    static struct bench bench;
    int16_t silence[3200] = {0};
    REQUIRE(start(&bench, PRL_POOL_WS, serve_plain, 100000) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    EXPECT_OK(say(&bench, 200));
    EXPECT(wait_for(&bench, &bench.partials, 1));
    EXPECT_TEXT(bench.events[EVENTS - 1].text, "One too");
    EXPECT_INT(bench.events[EVENTS - 1].stable, 0);
    EXPECT_INT(bench.count, 0);
    // A guess in a pause, and what is said after it: the texts are joined.
    EXPECT_OK(prl_stt_push_silence(bench.stream, silence, 1600));
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_GUESS));
    EXPECT(wait_for(&bench, &bench.count, 1));
    EXPECT_TEXT(bench.events[0].text, "One two.");
    // The commit of the same words costs nobody anything.
    EXPECT_OK(prl_stt_push_silence(bench.stream, silence, 3200));
    EXPECT_OK(say(&bench, 300));
    EXPECT_OK(prl_stt_decode(bench.stream, 3, PRL_STT_WANT_GUESS));
    EXPECT(wait_for(&bench, &bench.count, 2));
    EXPECT_TEXT(bench.events[1].text, "One two. Three four.");
    EXPECT_OK(prl_stt_push_silence(bench.stream, silence, 3200));
    EXPECT_OK(prl_stt_decode(bench.stream, 4, PRL_STT_WANT_FINAL));
    EXPECT(wait_for(&bench, &bench.count, 3));
    EXPECT_TEXT(bench.events[2].text, "One two. Three four.");
    EXPECT_INT(bench.stretch, 2);
    EXPECT_TEXT(bench.servers[0].key, "Bearer k");
    // All of it once: 200 ms, 100 ms of pause, 200 ms of pause, 300 ms; nothing again for a decode.
    EXPECT_INT(bench.servers[0].bytes, 2 * 16 * (200 + 100 + 200 + 300));
    // The next utterance goes over the same connection.
    utter(&bench, 5, 3, "Five.");
    EXPECT_INT(bench.servers[0].opened, 1);
    EXPECT(strstr(prl_str_text(&bench.servers[0].said), "\"language\":\"en\""));
    stop(&bench);
}

PRL_TEST(stt_live_of_openai)
{
    static struct bench bench;
    REQUIRE(start(&bench, PRL_POOL_REALTIME, serve_openai, 100000) == PRL_OK);
    utter(&bench, 1, 0, "One two.");
    utter(&bench, 3, 1, "One two.");
    EXPECT_INT(bench.servers[0].opened, 1);
    EXPECT_TEXT(bench.servers[0].path, "/ear/realtime");
    EXPECT_TEXT(bench.servers[0].query, "intent=transcription");
    EXPECT(strstr(prl_str_text(&bench.servers[0].said), "\"rate\":24000") != NULL);
    stop(&bench);
}

PRL_TEST(stt_live_of_vllm)
{
    static struct bench bench;
    REQUIRE(start(&bench, PRL_POOL_VLLM, serve_vllm, 100000) == PRL_OK);
    utter(&bench, 1, 0, "La la.");
    utter(&bench, 3, 1, "La la.");
    EXPECT_INT(bench.servers[0].opened, 1);
    EXPECT(strncmp(prl_str_text(&bench.servers[0].said),
                   "{\"type\":\"session.update\",\"model\":\"m\"}\n"
                   "{\"type\":\"input_audio_buffer.commit\",\"final\":false}\n"
                   "{\"type\":\"input_audio_buffer.append\"",
                   100) == 0);
    stop(&bench);
}

PRL_TEST(stt_live_faults_go_to_the_next)
{
    static const enum fault faults[] = {FAULT_GARBLE, FAULT_ERROR, FAULT_LEAVE, FAULT_BINARY};
    static struct bench bench;
    REQUIRE(start(&bench, PRL_POOL_WS, serve_plain, 100000) == PRL_OK);
    for (uint32_t i = 0; i < 4; i++) {
        bench.fault = faults[i];
        bench.stretch = 0;
        utter(&bench, 1 + 2 * i, (int)i, "One two.");
        EXPECT_INT(bench.servers[0].opened, i + 1); // asked first each time, on a new connection
    }
    EXPECT_INT(bench.servers[1].opened, 1);
    EXPECT(strstr(prl_str_text(&bench.servers[1].said), "\"language\":\"de\"") != NULL);
    stop(&bench);
    // And a wait has its limit.
    REQUIRE(start(&bench, PRL_POOL_WS, serve_plain, 10) == PRL_OK);
    bench.fault = FAULT_HANG;
    prl_stt_begin(bench.stream, 1);
    EXPECT_OK(say(&bench, 500));
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_FINAL));
    EXPECT(wait_for(&bench, &bench.count, 1)); // the second's text; on a very busy machine an error
    stop(&bench);
}

PRL_TEST(stt_live_that_leaves_while_one_speaks)
{
    static struct bench bench;
    REQUIRE(start(&bench, PRL_POOL_WS, serve_plain, 100000) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    EXPECT_OK(say(&bench, 200));
    EXPECT(wait_for(&bench, &bench.servers[0].binaries, 2));
    bench.fault = FAULT_LEAVE; // at its next word of ours
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_GUESS));
    EXPECT(wait_for(&bench, &bench.count, 1)); // by the other
    EXPECT_TEXT(bench.events[0].text, "One two.");
    EXPECT_INT(bench.servers[1].opened, 1);
    // Cancelled and cleared: nobody answers, and no connection is left with words of it.
    bench.fault = FAULT_HANG;
    prl_stt_begin(bench.stream, 3);
    EXPECT_OK(say(&bench, 300));
    EXPECT_OK(prl_stt_decode(bench.stream, 4, PRL_STT_WANT_FINAL));
    prl_stt_cancel(bench.stream, 4);
    prl_stt_clear(bench.stream);
    int closed = bench.servers[0].closed;
    EXPECT(wait_for(&bench, &bench.servers[0].closed, closed + (bench.servers[0].opened > closed)));
    EXPECT_INT(bench.count, 1);
    stop(&bench);
}

PRL_TEST(stt_live_long_speech_in_pieces)
{
    static struct bench bench;
    REQUIRE(start(&bench, PRL_POOL_WS, serve_plain, 100000) == PRL_OK);
    prl_stt_begin(bench.stream, 1);
    for (int s = 0; s < 30; s++) {
        EXPECT_OK(say(&bench, 1000));
        prl_loop_turn(bench.loop, 0);
    }
    EXPECT_OK(prl_stt_decode(bench.stream, 2, PRL_STT_WANT_FINAL));
    EXPECT(wait_for(&bench, &bench.count, 1));
    EXPECT_INT(bench.events[0].type, PRL_STT_FINAL);
    EXPECT_TEXT(bench.events[0].text, "One two. Three four.");
    stop(&bench);
}

PRL_TEST_OOM(stt_live_without_memory)
{
    static struct bench bench;
    if (start(&bench, PRL_POOL_REALTIME, serve_openai, 100000) == PRL_OK) {
        prl_stt_begin(bench.stream, 1);
        enum prl_err err = say(&bench, 500);
        if (!err)
            err = prl_stt_decode(bench.stream, 2, PRL_STT_WANT_FINAL);
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 200000 : PRL_TEST_WAIT_US);
        while (!err && bench.count == 0 && prl_clock_now_us() < until)
            prl_loop_turn(bench.loop, 20000);
        EXPECT(prl_test_oom() || bench.count == 1);
    }
    stop(&bench);
}

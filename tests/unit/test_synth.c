// test_synth.c -- voices over the plain WebSocket protocol: order, voice, reuse, faults, fallback, cancel.
#include "tts/synth.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/tail.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/ws_fake.h"
#include "tts/tts.h"

enum { SOUND = 9600 };

enum fault {
    FAULT_NONE,
    FAULT_HANG,
    FAULT_HALF,
    FAULT_GARBLE,
    FAULT_ERROR,
    FAULT_LEAVE,
    FAULT_EMPTY
};

struct bench {
    struct prl_loop *loop;
    struct ws_fake servers[2];
    struct prl_pool *pool;
    struct prl_tts *tts;
    struct prl_tts_stream *stream;
    int done, errors, audio;
    size_t samples;
    bool cancel_at_first;
    enum fault fault; // of the first server
};

static void send_sound(struct prl_ws *ws, size_t samples)
{
    static int16_t pcm[SOUND];
    for (size_t i = 0; i < SOUND; i++)
        pcm[i] = i / 30 % 2 ? 6000 : -6000;
    // An odd number of bytes first: a sample may be split between messages.
    if (prl_ws_send_binary(ws, pcm, 999) != PRL_OK ||
        prl_ws_send_binary(ws, (const char *)pcm + 999, samples * 2 - 999) != PRL_OK)
        prl_ws_abort(ws);
}

static void serve(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    struct bench *bench = fake->arg;
    enum fault fault = fake == &bench->servers[0] ? bench->fault : FAULT_NONE;
    (void)len;
    if (!text || !strstr(text, "\"synthesize\""))
        return;
    switch (fault) {
    case FAULT_NONE:
        ws_fake_say(ws, "{\"type\":\"something_else\"}");
        send_sound(ws, SOUND);
        ws_fake_say(ws, "{\"type\":\"synthesis_done\"}");
        break;
    case FAULT_HANG:
        break;
    case FAULT_HALF:
        send_sound(ws, SOUND / 2);
        break;
    case FAULT_GARBLE:
        ws_fake_say(ws, "{no json");
        break;
    case FAULT_ERROR:
        ws_fake_say(ws, "{\"type\":\"error\",\"message\":\"no such voice\"}");
        break;
    case FAULT_LEAVE:
        prl_ws_abort(ws);
        break;
    case FAULT_EMPTY:
        ws_fake_say(ws, "{\"type\":\"synthesis_done\"}");
        break;
    }
}

static void say_nothing(struct ws_fake *fake, struct prl_ws *ws, const char *text, size_t len)
{
    (void)fake;
    (void)ws;
    (void)text;
    (void)len;
}

static void on_event(void *arg, const struct prl_tts_event *event)
{
    struct bench *bench = arg;
    bench->audio += event->type == PRL_TTS_AUDIO;
    bench->done += event->type == PRL_TTS_CLAUSE_DONE;
    bench->errors += event->type == PRL_TTS_ERROR;
    if (event->type == PRL_TTS_AUDIO)
        bench->samples += event->samples;
    if (bench->cancel_at_first && event->type == PRL_TTS_AUDIO)
        prl_tts_cancel(bench->stream, event->generation);
}

// With `hedge` both are one engine's, and the first one is known to be quick.
static enum prl_err start_as(struct bench *bench, int32_t wait_ms, bool hedge)
{
    char urls[2][64];
    *bench = (struct bench){.fault = FAULT_NONE};
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    for (int i = 0; i < 2 && !err; i++) {
        bench->servers[i].fn = serve;
        bench->servers[i].arg = bench;
        err = ws_fake_open(&bench->servers[i], bench->loop);
        snprintf(urls[i], sizeof(urls[i]), "ws://127.0.0.1:%u/voice", bench->servers[i].port);
    }
    const struct prl_pool_engine engines[] = {
        {.way = PRL_POOL_WS,
         .url = urls[0],
         .key = "k",
         .extra = "\"seed\":1",
         .hedge = hedge ? 95 : 0},
        {.way = PRL_POOL_WS, .url = urls[1], .voice = "its-own", .rank = !hedge}};
    struct prl_pool_conf pool = {
        .loop = bench->loop,
        .kind = "tts",
        .engines = engines,
        .count = 2,
        .chain = {.failures_max = 100},
        .limits = {.connect_ms = 100000, .first_byte_ms = wait_ms, .gap_ms = wait_ms}};
    if (!err)
        err = prl_pool_create(&bench->pool, &pool);
    for (int i = 0; i < PRL_TAIL_MIN && hedge && !err; i++) {
        prl_pool_end(bench->pool, prl_pool_pick(bench->pool, ~UINT32_C(1)), PRL_OUTCOME_OK,
                     PRL_FETCH_OK, NULL);
        prl_pool_took(bench->pool, 0, 1000);
        prl_pool_first_byte(bench->pool, 0, 1000);
        prl_pool_first_byte(bench->pool, 1, 1000000);
    }
    struct prl_tts_conf conf = {
        .loop = bench->loop, .pool = bench->pool, .far_only = true, .instructions = "Be merry."};
    if (!err)
        err = prl_tts_create(&bench->tts, &conf);
    struct prl_tts_stream_conf stream = {
        .voice = "marin", .speed = 1.25F, .fn = on_event, .arg = bench};
    return err ? err : prl_tts_open(bench->tts, &stream, &bench->stream);
}

static enum prl_err start(struct bench *bench, int32_t wait_ms)
{
    return start_as(bench, wait_ms, false);
}

static void stop(struct bench *bench)
{
    prl_tts_close(&bench->stream);
    prl_tts_destroy(&bench->tts);
    prl_pool_destroy(&bench->pool);
    for (int i = 0; i < 2; i++)
        ws_fake_close(&bench->servers[i]);
    prl_loop_destroy(&bench->loop);
}

static enum prl_err say(struct bench *bench, uint32_t number)
{
    static const char text[] = "Hello *there*.";
    return prl_tts_say(bench->stream, number, number, text, sizeof(text) - 1);
}

static bool wait_for(struct bench *bench, const int *count, int wanted)
{
    int64_t until = prl_clock_now_us() + (prl_test_oom() ? 200000 : PRL_TEST_WAIT_US);
    while (*count < wanted && prl_clock_now_us() < until)
        prl_loop_turn(bench->loop, 20000);
    return *count >= wanted;
}

PRL_TEST(synth_says_and_keeps_its_connection)
{
    static struct bench bench;
    REQUIRE(start(&bench, 100000) == PRL_OK);
    EXPECT_OK(say(&bench, 1));
    EXPECT_OK(say(&bench, 1));
    EXPECT(wait_for(&bench, &bench.done, 2));
    EXPECT_INT(bench.samples, 2 * SOUND);
    EXPECT_INT(bench.servers[0].opened, 1);
    EXPECT_INT(bench.servers[1].opened, 0);
    EXPECT_TEXT(bench.servers[0].key, "Bearer k");
    static const char words[] = "{\"type\":\"synthesize\",\"text\":\"Hello there.\",\"speed\":1.25,"
                                "\"instructions\":\"Be merry.\",\"seed\":1}\n";
    char all[600];
    snprintf(all, sizeof(all), "{\"type\":\"set_voice\",\"voice\":\"marin\"}\n%s%s", words, words);
    EXPECT_TEXT(prl_str_text(&bench.servers[0].said), all);
    EXPECT_OK(prl_tts_configure(bench.stream, "alloy", 0));
    EXPECT_OK(say(&bench, 2));
    EXPECT(wait_for(&bench, &bench.done, 3));
    EXPECT(strstr(prl_str_text(&bench.servers[0].said),
                  "{\"type\":\"set_voice\",\"voice\":\"alloy\"}"));
    EXPECT_INT(bench.servers[0].opened, 1);
    stop(&bench);
}

PRL_TEST(synth_faults_go_to_the_next)
{
    static const enum fault faults[] = {FAULT_GARBLE, FAULT_ERROR, FAULT_LEAVE, FAULT_EMPTY};
    static struct bench bench;
    REQUIRE(start(&bench, 100000) == PRL_OK);
    for (int i = 0; i < 4; i++) {
        bench.fault = faults[i];
        EXPECT_OK(say(&bench, (uint32_t)i + 1));
        EXPECT(wait_for(&bench, &bench.done, i + 1));
        EXPECT_INT(bench.samples, (size_t)SOUND * ((size_t)i + 1));
    }
    EXPECT_INT(bench.errors, 0);
    EXPECT(strstr(prl_str_text(&bench.servers[1].said), "its-own") != NULL);
    // Its connections are not used again, and those of the good one are.
    EXPECT(wait_for(&bench, &bench.servers[0].closed, 3));
    EXPECT_INT(bench.servers[1].opened, 1);
    stop(&bench);
}

PRL_TEST(synth_waits_have_limits)
{
    static struct bench bench;
    REQUIRE(start(&bench, 10) == PRL_OK);
    bench.fault = FAULT_HANG;
    EXPECT_OK(say(&bench, 1));
    EXPECT(wait_for(&bench, &bench.servers[1].opened, 1));
    stop(&bench);
}

PRL_TEST(synth_that_stops_halfway_is_said_by_nobody_else)
{
    static struct bench bench;
    REQUIRE(start(&bench, 300) == PRL_OK);
    bench.fault = FAULT_HALF;
    EXPECT_OK(say(&bench, 1));
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!bench.errors && !bench.done && prl_clock_now_us() < until)
        prl_loop_turn(bench.loop, 20000);
    // On a machine so busy that the limit passed before the first sound, the next one says it.
    EXPECT(bench.errors == 1 ? bench.samples == SOUND / 2 && bench.servers[1].opened == 0
                             : bench.samples == SOUND);
    stop(&bench);
}

PRL_TEST(synth_cancel_closes_its_connection)
{
    static struct bench bench;
    REQUIRE(start(&bench, 100000) == PRL_OK);
    bench.fault = FAULT_HANG;
    EXPECT_OK(say(&bench, 1));
    EXPECT(wait_for(&bench, &bench.servers[0].texts, 2));
    prl_tts_cancel(bench.stream, 1);
    EXPECT(wait_for(&bench, &bench.servers[0].closed, 1));
    bench.fault = FAULT_NONE;
    bench.cancel_at_first = true; // from inside its first sound
    EXPECT_OK(say(&bench, 2));
    EXPECT(wait_for(&bench, &bench.audio, 1));
    EXPECT(wait_for(&bench, &bench.servers[0].closed, 2));
    EXPECT_INT(bench.audio, 1);
    bench.cancel_at_first = false;
    EXPECT_OK(say(&bench, 3));
    EXPECT(wait_for(&bench, &bench.done, 1));
    EXPECT_INT(bench.errors, 0);
    stop(&bench);
}

PRL_TEST(synth_that_is_slow_is_asked_of_another_connection)
{
    static struct bench bench;
    REQUIRE(start_as(&bench, 100000, true) == PRL_OK);
    bench.fault = FAULT_HANG;
    EXPECT_OK(say(&bench, 1));
    EXPECT(wait_for(&bench, &bench.done, 1));
    EXPECT_INT(bench.samples, SOUND);
    EXPECT_INT(bench.errors, 0);
    // The slow one is not waited for any more, and the other one was asked for the same in its voice.
    EXPECT(wait_for(&bench, &bench.servers[0].closed, 1));
    EXPECT_INT(bench.servers[1].opened, 1);
    EXPECT(strstr(prl_str_text(&bench.servers[1].said), "its-own") != NULL);
    EXPECT(strstr(prl_str_text(&bench.servers[1].said), "\"text\":\"Hello there.\"") != NULL);
    EXPECT(strstr(prl_str_text(&bench.servers[1].said), "Be merry.") != NULL);
    // Cancelled while both are asked: both end, and nothing is heard of them.
    bench.servers[1].fn = say_nothing;
    prl_pool_first_byte(bench.pool, 1, 100000000);
    EXPECT_OK(say(&bench, 2));
    EXPECT(wait_for(&bench, &bench.servers[1].texts, 3));
    prl_tts_cancel(bench.stream, 2);
    EXPECT(wait_for(&bench, &bench.servers[0].closed, 2));
    EXPECT(wait_for(&bench, &bench.servers[1].closed, 1));
    EXPECT_INT(bench.done + bench.errors, 1);
    stop(&bench);
}

PRL_TEST_OOM(synth_hedged_without_memory)
{
    static struct bench bench;
    enum prl_err err = start_as(&bench, 100000, true);
    bench.fault = FAULT_HANG;
    if (!err && say(&bench, 1) == PRL_OK) {
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 100000 : PRL_TEST_WAIT_US);
        while (!bench.done && !bench.errors && prl_clock_now_us() < until)
            prl_loop_turn(bench.loop, 20000);
        EXPECT(prl_test_oom() || bench.done == 1);
    }
    stop(&bench);
}

PRL_TEST_OOM(synth_without_memory)
{
    static struct bench bench;
    if (start(&bench, 100000) == PRL_OK && say(&bench, 1) == PRL_OK) {
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 200000 : PRL_TEST_WAIT_US);
        while (!bench.done && !bench.errors && prl_clock_now_us() < until)
            prl_loop_turn(bench.loop, 20000);
        EXPECT(prl_test_oom() || bench.done == 1);
    }
    stop(&bench);
}

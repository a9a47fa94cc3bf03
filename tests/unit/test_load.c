// test_load.c -- client/load and its WebSocket lines against a scripted server: turns, refusals, ends.
#include "client/load.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/chirp.h"
#include "net/http.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/local_http.h"

enum { RATE = 24000, UTTERANCE = RATE / 10, PEERS = 8 };

struct peer {
    struct fixture *fixture;
    bool spoken_to; // something but silence came
    bool answered;
};

struct fixture {
    struct prl_loop *loop;
    struct prl_http *http;
    struct prl_load *load;
    char url[64];
    int16_t pcm[UTTERANCE];
    struct peer peers[PEERS];
    size_t peer_count;
    // The server: how many it takes, and what it answers with.
    size_t sessions_max;
    uint32_t silence_us;
    const char *status;
    bool silent; // no answer at all
    bool hang_up;
    int all_open, first_done, done;
    struct prl_load_report report;
};

static void server_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                        struct prl_ws_answer *answer)
{
    (void)request;
    struct fixture *f = arg;
    if (f->peer_count == f->sessions_max) {
        answer->status = 429;
        answer->body = "{}";
        return;
    }
    struct peer *peer = &f->peers[f->peer_count++];
    peer->fixture = f;
    prl_ws_set_owner(ws, peer);
    answer->subprotocol = "realtime";
}

static void send_answer(struct peer *peer, struct prl_ws *ws)
{
    int16_t sound[PRL_CHIRP_SAMPLES_MAX * 2] = {0};
    size_t samples = prl_chirp_write(sound, RATE) * 2;
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, 1 << 16);
    prl_json_write_init(&json, &text);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", "response.output_audio.delta");
    prl_json_write_base64(&json, "delta", sound, samples * sizeof(sound[0]));
    prl_json_write_end_object(&json);
    char done[200];
    snprintf(done, sizeof(done), "{\"type\":\"response.done\",\"response\":{\"status\":\"%s\"}}",
             peer->fixture->status);
    const char *const texts[] = {
        "{\"type\":\"input_audio_buffer.speech_stopped\",\"audio_end_ms\":1}",
        "{\"type\":\"response.created\"}", prl_str_text(&text),
        "{\"type\":\"parley.response.latency\",\"zero\":\"x\",\"eot_delay_ms\":300}", done};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        (void)!prl_ws_send_text(ws, texts[i], strlen(texts[i]));
    prl_str_free(&text);
}

static void server_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                        bool last)
{
    struct peer *peer = owner;
    static const char append[] = "{\"type\":\"input_audio_buffer.append\"";
    if (!first || !last || len < sizeof(append) || memcmp(data, append, sizeof(append) - 1) != 0)
        return;
    // Silence is the letter A; the quotation mark, a brace and an end stand behind it.
    bool silence = strspn(data + sizeof(append) + 9, "A=") + sizeof(append) + 9 + 2 >= len;
    if (!silence)
        peer->spoken_to = true;
    if (!silence || !peer->spoken_to || peer->answered || peer->fixture->silent)
        return;
    peer->answered = true;
    if (peer->fixture->hang_up)
        prl_ws_close(ws, 1011, "tired");
    else
        send_answer(peer, ws);
}

static void server_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    (void)owner;
    (void)ws;
    (void)code;
}

static const struct prl_ws_ops server_ops = {server_open, server_text, NULL, NULL, server_close};

static void on_all_open(void *arg)
{
    struct fixture *f = arg;
    f->all_open++;
}

static void on_first_done(void *arg)
{
    struct fixture *f = arg;
    f->first_done++;
}

static void on_done(void *arg)
{
    struct fixture *f = arg;
    f->done++;
}

static enum prl_err open_fixture(struct fixture *f, uint32_t sessions)
{
    uint16_t port = 0;
    enum prl_err err = prl_loop_create(&f->loop, NULL);
    if (!err)
        err = local_http_open(&f->http, f->loop, NULL,
                              &(struct prl_ws_route){"/v1/realtime", &server_ops, f}, &port);
    if (err)
        return err;
    for (int i = 0; i < UTTERANCE; i++)
        f->pcm[i] = (int16_t)(i % 2 ? 9000 : -9000);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", port);
    struct prl_load_conf load = {
        .transport = &prl_ws_line,
        .group = {.loop = f->loop, .url = f->url, .key = "key", .chunk_ms = 20},
        .talker = {.pcm = f->pcm,
                   .samples = UTTERANCE,
                   .speech_end = UTTERANCE,
                   .patience_ms = f->silent ? 100 : 600000,
                   .turns = 1},
        .engines_us = 500000,
        .silence_us = f->silence_us,
        .sessions = sessions,
        .all_open = on_all_open,
        .first_done = on_first_done,
        .done = on_done,
        .arg = f};
    return prl_load_create(&f->load, &load);
}

static enum prl_err hold(struct fixture *f)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (f->done == 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(f->loop, 20000);
    return prl_load_report(f->load, &f->report);
}

static void close_fixture(struct fixture *f)
{
    prl_load_destroy(&f->load);
    prl_http_destroy(&f->http);
    if (f->loop)
        prl_loop_destroy(&f->loop);
}

PRL_TEST(load_counts_turns_and_refusals)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.sessions_max = 3;
    f.status = "completed";
    REQUIRE(open_fixture(&f, 5) == PRL_OK);
    REQUIRE(hold(&f) == PRL_OK);
    EXPECT_INT(f.report.sessions, 5);
    EXPECT_INT(f.report.connected, 3);
    EXPECT_INT(f.report.finished, 3);
    EXPECT_INT(f.report.refused, 2);
    EXPECT_INT(f.report.broken, 0);
    EXPECT_INT(f.report.turns, 3);
    EXPECT_INT(f.report.marked, 3);
    EXPECT_INT(f.report.errors, 0);
    EXPECT_INT(f.report.delay.count, 3);
    EXPECT_INT(f.report.after.count, 3);
    // The engines needed 200 ms more when the turn ended 300 ms after the end of speech.
    EXPECT_INT(f.report.own.count, 3);
    for (size_t i = 0; i < 3; i++)
        EXPECT_INT(f.report.own.us[i], f.report.after.us[i] - 200000);
    EXPECT_INT(f.report.connect.count, 3);
    EXPECT_INT(f.report.refuse.count, 2);
    EXPECT(f.report.delay.us[0] > 0 && f.report.delay.us[0] <= f.report.delay.us[2]);
    EXPECT_TEXT(f.report.why, "");
    EXPECT(f.all_open == 1 && f.first_done == 1 && f.done == 1);
    EXPECT_INT(prl_load_turns(f.load), 3);
    EXPECT_INT(prl_load_open_count(f.load), 0);
    close_fixture(&f);
}

PRL_TEST(load_takes_the_silence_that_is_known)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.sessions_max = 1;
    f.status = "completed";
    f.silence_us = 450000;
    REQUIRE(open_fixture(&f, 1) == PRL_OK);
    REQUIRE(hold(&f) == PRL_OK);
    REQUIRE(f.report.own.count == 1);
    EXPECT_INT(f.report.own.us[0], f.report.after.us[0] - 50000);
    close_fixture(&f);
}

PRL_TEST(load_says_what_went_wrong)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.sessions_max = PEERS;
    f.status = "failed";
    REQUIRE(open_fixture(&f, 1) == PRL_OK);
    REQUIRE(hold(&f) == PRL_OK);
    EXPECT_INT(f.report.errors, 1);
    EXPECT_INT(f.report.turns, 1); // it was heard
    EXPECT(strstr(f.report.why, "failed"));
    close_fixture(&f);
    memset(&f, 0, sizeof(f));
    f.sessions_max = PEERS;
    f.hang_up = true;
    REQUIRE(open_fixture(&f, 2) == PRL_OK);
    REQUIRE(hold(&f) == PRL_OK);
    EXPECT_INT(f.report.broken, 2);
    EXPECT_INT(f.report.finished, 0);
    EXPECT(strstr(f.report.why, "1011"));
    close_fixture(&f);
    memset(&f, 0, sizeof(f));
    f.sessions_max = PEERS;
    f.silent = true;
    REQUIRE(open_fixture(&f, 1) == PRL_OK);
    REQUIRE(hold(&f) == PRL_OK);
    EXPECT_INT(f.report.unanswered, 1);
    EXPECT_INT(f.report.finished, 1);
    close_fixture(&f);
}

PRL_TEST(load_ends_when_asked)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.sessions_max = PEERS;
    f.silent = true;
    REQUIRE(open_fixture(&f, 3) == PRL_OK);
    prl_load_end(f.load); // before anything was sent
    prl_load_end(f.load);
    REQUIRE(hold(&f) == PRL_OK);
    EXPECT_INT(f.done, 1);
    EXPECT_INT(f.report.turns, 0);
    close_fixture(&f);
}

PRL_TEST(load_quantiles)
{
    int64_t values[] = {1, 2, 3, 4, 100};
    struct prl_load_figures figures = {values, 5};
    EXPECT_INT(prl_load_quantile(&figures, 0), 1);
    EXPECT_INT(prl_load_quantile(&figures, 0.5), 3);
    EXPECT_INT(prl_load_quantile(&figures, 0.8), 4);
    EXPECT_INT(prl_load_quantile(&figures, 0.81), 100);
    EXPECT_INT(prl_load_quantile(&figures, 1), 100);
    EXPECT_INT(prl_load_quantile(&(struct prl_load_figures){NULL, 0}, 0.5), 0);
}

PRL_TEST_OOM(load_whole_life)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.sessions_max = PEERS;
    f.status = "completed";
    enum prl_err err = open_fixture(&f, 2);
    // Where memory failed the end may never come: a quarter of a second is more than it takes.
    int64_t end_us = prl_clock_now_us() + 250000;
    while (!err && f.done == 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, 20000);
    if (!err)
        (void)!prl_load_report(f.load, &f.report);
    close_fixture(&f);
}

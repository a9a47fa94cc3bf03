// test_caller.c -- the terminal client against a scripted server: a recording, its answer, and how the
// connection ends.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/ring.h"
#include "client/caller.h"
#include "net/http.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/local_http.h"

enum { TURN_US = 20000, SAMPLES = 2400 };

struct fixture {
    struct prl_loop *loop;
    struct prl_http *http;
    struct prl_caller *caller;
    char url[128];
    int16_t pcm[SAMPLES];
    // Server side.
    const char *answer; // sent once, for the first append
    bool hang_up;       // the server closes instead
    int appends, turns_asked;
    int server_closed;
    uint16_t server_code;
    // Client side.
    int done;
    char why[PRL_CALLER_WHY_SIZE];
    char lines[200];
};

static void server_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                        struct prl_ws_answer *answer)
{
    (void)request;
    prl_ws_set_owner(ws, arg);
    answer->subprotocol = "realtime";
}

static void server_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                        bool last)
{
    struct fixture *f = owner;
    (void)last;
    static const char turns[] = "\"turn_detection\":{\"type\":\"semantic_vad\"}";
    f->turns_asked += memmem(data, len, turns, sizeof(turns) - 1) != NULL;
    static const char append[] = "{\"type\":\"input_audio_buffer.append\"";
    if (!first || len < sizeof(append) || memcmp(data, append, sizeof(append) - 1) != 0)
        return;
    f->appends++;
    if (f->hang_up)
        prl_ws_close(ws, 1011, "tired");
    else if (f->appends == 3) // the whole recording is there
        (void)!prl_ws_send_text(ws, f->answer, strlen(f->answer));
}

static void server_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    struct fixture *f = owner;
    (void)ws;
    f->server_closed++;
    f->server_code = code;
}

static const struct prl_ws_ops server_ops = {server_open, server_text, NULL, NULL, server_close};

static void on_line(void *arg, const char *kind, const char *text)
{
    struct fixture *f = arg;
    size_t len = strlen(f->lines);
    snprintf(f->lines + len, sizeof(f->lines) - len, "%s: %.50s\n", kind, text);
}

static void on_done(void *arg, const char *why)
{
    struct fixture *f = arg;
    f->done++;
    snprintf(f->why, sizeof(f->why), "%s", why ? why : "");
}

static enum prl_err set_up(struct fixture *f, struct prl_ring *microphone)
{
    uint16_t port = 0;
    enum prl_err err = prl_loop_create(&f->loop, NULL);
    if (!err)
        err = local_http_open(&f->http, f->loop, NULL,
                              &(struct prl_ws_route){"/v1/realtime", &server_ops, f}, &port);
    if (err)
        return err;
    for (int i = 0; i < SAMPLES; i++)
        f->pcm[i] = (int16_t)(i % 2 ? 9000 : -9000);
    snprintf(f->url, sizeof(f->url), "ws://127.0.0.1:%u/v1/realtime", port);
    struct prl_caller_conf talk = {.loop = f->loop,
                                   .url = f->url,
                                   .pcm = microphone ? NULL : f->pcm,
                                   .samples = microphone ? 0 : SAMPLES,
                                   .microphone = microphone,
                                   .turns = "semantic_vad",
                                   .timeout_us = PRL_TEST_WAIT_US,
                                   .line = on_line,
                                   .done = on_done,
                                   .arg = f};
    return prl_caller_create(&f->caller, &talk);
}

static void tear_down(struct fixture *f)
{
    prl_caller_destroy(&f->caller);
    prl_http_destroy(&f->http);
    prl_loop_destroy(&f->loop);
}

static bool await(struct fixture *f, const int *count)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count == 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(f->loop, TURN_US);
    return *count > 0;
}

PRL_TEST(caller_closes_the_connection_when_it_is_answered)
{
    struct fixture f = {.answer = "{\"type\":\"response.done\",\"response\":{\"status\":"
                                  "\"completed\"}}"};
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    EXPECT(await(&f, &f.done));
    EXPECT_TEXT(f.why, "");
    // The server saw a close frame, before the talk said that it is over.
    EXPECT_INT(f.server_closed, 1);
    EXPECT_INT(f.server_code, 1000);
    EXPECT_INT(f.turns_asked, 1);
    struct prl_caller_result result;
    prl_caller_result(f.caller, &result);
    EXPECT_INT(result.turns, 1);
    EXPECT_TEXT(result.status, "completed");
    tear_down(&f);
}

PRL_TEST(caller_says_why_it_ended)
{
    struct fixture f = {.answer = "{\"type\":\"response.done\",\"response\":{\"status\":"
                                  "\"failed\"}}"};
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    EXPECT(await(&f, &f.done));
    EXPECT_TEXT(f.why, "the response failed");
    EXPECT_INT(f.server_code, 1000);
    tear_down(&f);

    struct fixture hung = {.hang_up = true};
    REQUIRE(set_up(&hung, NULL) == PRL_OK);
    EXPECT(await(&hung, &hung.done));
    EXPECT_TEXT(hung.why, "the connection ended: tired (1011)");
    prl_caller_end(hung.caller); // too late: nothing more is told
    EXPECT_INT(hung.done, 1);
    tear_down(&hung);
}

PRL_TEST(caller_ends_on_request)
{
    struct prl_ring *microphone;
    REQUIRE(prl_ring_create(&microphone, 4096) == PRL_OK);
    struct fixture f = {.answer = ""};
    REQUIRE(set_up(&f, microphone) == PRL_OK);
    EXPECT_OK(prl_ring_write(microphone, f.pcm, SAMPLES));
    EXPECT(await(&f, &f.appends)); // the connection stands
    prl_caller_end(f.caller);
    EXPECT(await(&f, &f.done));
    EXPECT_TEXT(f.why, "");
    EXPECT_INT(f.server_code, 1000);
    tear_down(&f);

    struct fixture early = {.answer = ""};
    REQUIRE(set_up(&early, microphone) == PRL_OK);
    prl_caller_end(early.caller); // before there is a connection
    EXPECT_INT(early.done, 1);
    for (int i = 0; i < 10; i++)
        prl_loop_turn(early.loop, 1000);
    EXPECT_INT(early.done, 1);
    tear_down(&early);
    prl_ring_destroy(&microphone);
}

PRL_TEST_OOM(caller_whole_life)
{
    struct fixture f = {.answer = "{\"type\":\"response.done\",\"response\":{\"status\":"
                                  "\"completed\"}}"};
    if (set_up(&f, NULL) == PRL_OK) {
        // Whatever could not be sent or read, the talk can be ended; and `done` comes.
        int64_t end_us = prl_clock_now_us() + 500000;
        while (f.done == 0 && prl_clock_now_us() < end_us)
            prl_loop_turn(f.loop, TURN_US);
        prl_caller_end(f.caller);
        EXPECT(await(&f, &f.done));
    }
    tear_down(&f);
}

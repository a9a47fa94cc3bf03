// test_upstream.c -- a session's upstream against a scripted Realtime server on the same loop: what is
// said to it (ask.c), what its events become (event.c), and what happens when it goes.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "llm/llm.h"
#include "net/http.h"
#include "stt/stt.h"
#include "tests/unit.h"
#include "upstream/event.h"
#include "upstream/upstream.h"

enum { TURN_US = 5000, KEY_SIZE = 32 };

struct world {
    struct prl_loop *loop;
    struct prl_http *http;
    struct prl_upstream_kit *kit;
    struct prl_upstream *up;
    struct prl_llm_stream *answer;
    struct prl_stt_stream *ear;
    char url[128];
    // The server's side.
    struct prl_ws *peer;
    int connections, closed;
    bool mute;
    bool cold;           // nothing is warmed
    int64_t limit_ms;    // for connecting and the first byte; 0: as good as none
    struct prl_str in;   // the message that arrives
    struct prl_str said; // types and what matters of all messages
    char key[KEY_SIZE];  // metadata of the newest response
    // The session's side.
    struct prl_str got;
};

static void peer_say(struct world *w, const char *text)
{
    if (w->peer)
        (void)!prl_ws_send_text(w->peer, text, strlen(text));
}

static void peer_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                      struct prl_ws_answer *answer)
{
    struct world *w = arg;
    (void)answer;
    const char *key = prl_http_header(request, "authorization");
    EXPECT_TEXT(key ? key : "", "Bearer sesame");
    prl_ws_set_owner(ws, w);
    w->peer = ws;
    w->connections++;
    if (!w->mute)
        peer_say(w, "{\"type\":\"session.created\",\"session\":{}}");
}

static void note(struct world *w, const struct prl_json *root)
{
    const char *type = prl_json_string(prl_json_get(root, "type"), "");
    const struct prl_json *item = prl_json_get(root, "item");
    const struct prl_json *response = prl_json_get(root, "response");
    if (prl_str_ends(type, ".append")) {
        return; // how the sound is cut is nobody's business
    } else if (prl_str_equal(type, "session.update")) {
        const struct prl_json *session = prl_json_get(root, "session");
        const struct prl_json *input = prl_json_get(prl_json_get(session, "audio"), "input");
        if (input) {
            EXPECT_INT(prl_json_type(prl_json_get(input, "turn_detection")), PRL_JSON_NULL);
            (void)prl_str_addf(
                &w->said, "sound(%s) ",
                prl_json_string(
                    prl_json_get(prl_json_get(prl_json_get(session, "audio"), "output"), "voice"),
                    ""));
        } else {
            (void)prl_str_addf(&w->said, "persona(%s,%u) ",
                               prl_json_string(prl_json_get(session, "instructions"), "?"),
                               (unsigned)prl_json_count(prl_json_get(session, "tools")));
        }
    } else if (item) {
        const struct prl_json *part = prl_json_at(prl_json_get(item, "content"), 0);
        const char *text = prl_json_string(prl_json_get(part, "text"),
                                           prl_json_string(prl_json_get(item, "output"), "-"));
        (void)prl_str_addf(&w->said, "create(%s) ", text);
    } else if (response) {
        snprintf(w->key, sizeof(w->key), "%s",
                 prl_json_string(prl_json_get(prl_json_get(response, "metadata"), "parley"), ""));
        (void)prl_str_addf(
            &w->said, "respond(%s%s) ",
            prl_json_string(prl_json_at(prl_json_get(response, "output_modalities"), 0), ""),
            prl_json_get(response, "input") ? ",aside" : "");
    } else {
        const char *dot = strrchr(type, '.');
        (void)prl_str_addf(&w->said, "%s ", dot ? dot + 1 : type);
    }
}

static void peer_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                      bool last)
{
    struct world *w = owner;
    struct prl_json *root = NULL;
    (void)ws;
    if (first)
        prl_str_clear(&w->in);
    (void)prl_str_add(&w->in, data, len);
    if (!last)
        return;
    enum prl_err err = prl_json_parse(&root, prl_str_text(&w->in), w->in.len, NULL, 0);
    EXPECT(prl_test_oom() || !err);
    if (!err)
        note(w, root);
    prl_json_free(&root);
}

static void peer_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    struct world *w = owner;
    (void)code;
    w->closed++;
    if (w->peer == ws)
        w->peer = NULL;
}

static const struct prl_ws_ops peer_ops = {peer_open, peer_text, NULL, NULL, peer_close};

static void on_llm(void *arg, const struct prl_llm_event *event)
{
    struct world *w = arg;
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
        (void)prl_str_addf(&w->got, "%u:%.*s|", event->generation, (int)event->len, event->text);
        break;
    case PRL_LLM_EVENT_TOOL_BEGIN:
        (void)prl_str_addf(&w->got, "%s/%s", event->name, event->call_id);
        break;
    case PRL_LLM_EVENT_TOOL_ARGS:
        (void)prl_str_addf(&w->got, "%.*s", (int)event->len, event->text);
        break;
    case PRL_LLM_EVENT_TOOL_END:
        (void)prl_str_adds(&w->got, "|");
        break;
    case PRL_LLM_EVENT_AUDIO:
        if (event->samples)
            (void)prl_str_addf(&w->got, "#%u|", (unsigned)event->samples);
        for (size_t i = 0; i < event->word_count; i++)
            (void)prl_str_addf(&w->got, "@%u-%u|", (unsigned)event->words[i].byte_end,
                               (unsigned)event->words[i].sample_end);
        break;
    case PRL_LLM_EVENT_DONE:
        (void)prl_str_addf(&w->got, "done%d(%d)|", (int)event->reason, event->usage.output_tokens);
        break;
    case PRL_LLM_EVENT_ERROR:
        (void)prl_str_adds(&w->got, "error|");
        EXPECT(!strstr(event->text, "sesame"));
        break;
    }
}

static void on_stt(void *arg, const struct prl_stt_event *event)
{
    struct world *w = arg;
    const char *what = event->type == PRL_STT_FINAL ? event->text : "stt-error";
    (void)prl_str_addf(&w->got, "heard(%s,%s)|", what, event->language);
}

static enum prl_err set_up(struct world *w)
{
    struct prl_http_listen listen = {"127.0.0.1", 0, false};
    struct prl_http_conf http = {.listens = &listen, .listen_count = 1};
    struct prl_http_bound bound = {0};
    prl_str_init(&w->in, 1 << 20);
    prl_str_init(&w->said, 1 << 16);
    prl_str_init(&w->got, 1 << 16);
    enum prl_err err = prl_loop_create(&w->loop, NULL);
    if (!err)
        err = prl_http_create(&w->http, w->loop, &http);
    if (!err)
        err = prl_http_add_ws(w->http, &(struct prl_ws_route){"/v1/realtime", &peer_ops, w});
    if (!err)
        err = prl_http_bound(w->http, 0, &bound);
    snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/v1/", bound.port);
    struct prl_upstream_conf conf = {.loop = w->loop,
                                     .urls = w->url,
                                     .model = "m",
                                     .key = "sesame",
                                     .transcription_model = "t",
                                     .voice = "",
                                     .connect_ms = w->limit_ms ? w->limit_ms : 100000,
                                     .first_byte_ms = w->limit_ms ? w->limit_ms : 100000,
                                     .gap_ms = 100000,
                                     .failures_max = 2,
                                     .open_ms = 600000,
                                     .warm = !w->cold};
    struct prl_llm_stream_conf answer = {on_llm, w};
    struct prl_stt_stream_conf ear = {.fn = on_stt, .arg = w};
    if (!err)
        err = prl_upstream_kit_create(&w->kit, &conf);
    if (!err)
        err = prl_upstream_create(&w->up, w->kit);
    if (!err)
        err = prl_llm_open(prl_upstream_llm(w->up), &answer, &w->answer);
    return err ? err : prl_stt_open(prl_upstream_stt(w->up), &ear, &w->ear);
}

static void tear_down(struct world *w)
{
    prl_llm_close(&w->answer);
    prl_stt_close(&w->ear);
    prl_upstream_destroy(&w->up);
    prl_upstream_kit_destroy(&w->kit);
    prl_http_destroy(&w->http);
    prl_loop_destroy(&w->loop);
    prl_str_free(&w->in);
    prl_str_free(&w->said);
    prl_str_free(&w->got);
}

static bool await(struct world *w, const struct prl_str *where, const char *what)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!strstr(prl_str_text(where), what) && prl_clock_now_us() < end_us) {
        prl_test_pass_ms();
        prl_loop_turn(w->loop, TURN_US);
    }
    return strstr(prl_str_text(where), what) != NULL;
}

static void expect_said(struct world *w, const char *last, const char *all)
{
    EXPECT(await(w, &w->said, last));
    EXPECT_TEXT(prl_str_text(&w->said), all);
    prl_str_clear(&w->said);
}

static void expect_got(struct world *w, const char *last, const char *all)
{
    EXPECT(await(w, &w->got, last));
    EXPECT_TEXT(prl_str_text(&w->got), all);
    prl_str_clear(&w->got);
}

static enum prl_err ask(struct world *w, uint32_t generation,
                        const struct prl_llm_message *messages, size_t count)
{
    static const struct prl_llm_tool tool = {"light", NULL, NULL};
    struct prl_llm_prompt prompt = {
        .messages = messages, .message_count = count, .tools = &tool, .tool_count = 1};
    struct prl_llm_params params = {.audio = true, .committed = true, .voice = "alloy"};
    return prl_llm_generate(w->answer, generation, &prompt, &params);
}

#define TEXT(role_, words)                                                                         \
    {                                                                                              \
        .role = (role_), .text = (words), .len = sizeof(words) - 1                                 \
    }
static const struct prl_llm_message talk[] = {TEXT(PRL_LLM_SYSTEM, "be"), TEXT(PRL_LLM_USER, "hi"),
                                              TEXT(PRL_LLM_ASSISTANT, "One two."),
                                              TEXT(PRL_LLM_USER, "more")};

static void peer_begin(struct world *w, const char *id, const char *item)
{
    char text[300];
    snprintf(text, sizeof(text),
             "{\"type\":\"response.created\",\"response\":{\"id\":\"%s\",\"metadata\":{\"parley\":"
             "\"%s\"}}}",
             id, w->key);
    peer_say(w, text);
    snprintf(text, sizeof(text),
             "{\"type\":\"response.output_item.added\",\"response_id\":\"%s\",\"item\":{\"id\":\"%"
             "s\",\"type\":\"message\"}}",
             id, item);
    peer_say(w, text);
}

static void peer_tell(struct world *w, const char *id, const char *item, const char *what,
                      const char *delta)
{
    char text[400];
    snprintf(text, sizeof(text),
             "{\"type\":\"response.%s.delta\",\"response_id\":\"%s\",\"item_id\":\"%s\",\"delta\":"
             "\"%s\"}",
             what, id, item, delta);
    peer_say(w, text);
}

static void peer_end(struct world *w, const char *id, const char *status)
{
    char text[300];
    snprintf(text, sizeof(text),
             "{\"type\":\"response.done\",\"response\":{\"id\":\"%s\",\"status\":\"%s\",\"usage\":{"
             "\"output_tokens\":3}}}",
             id, status);
    peer_say(w, text);
}

static void answer_once(struct world *w, const char *id, const char *item)
{
    peer_begin(w, id, item);
    peer_tell(w, id, item, "output_audio_transcript", "One ");
    peer_tell(w, id, item, "output_audio_transcript", "two.");
    peer_tell(w, id, item, "output_audio", "AAABAAI"); // two samples and a half
    peer_tell(w, id, item, "output_audio", "AAMA");    // the other half and one more
    peer_end(w, id, "completed");
}

PRL_TEST(upstream_speaks_and_is_cut)
{
    struct world w = {0};
    REQUIRE(set_up(&w) == PRL_OK);
    EXPECT_OK(ask(&w, 1, talk, 2)); // connects
    expect_said(&w, "respond", "sound(alloy) persona(be,1) create(hi) respond(audio) ");
    answer_once(&w, "r1", "a1");
    expect_got(&w, "done", "1:One |1:two.|#1|#1|#2|@3-1|@8-4|done0(3)|");
    // What was told already is not told again; of an answer that was heard in part the rest is cut.
    EXPECT_OK(ask(&w, 2, talk, 4));
    expect_said(&w, "respond", "create(more) respond(audio) ");
    peer_begin(&w, "r2", "a2");
    peer_tell(&w, "r2", "a2", "output_audio_transcript", "Three four");
    expect_got(&w, "four", "2:Three four|");
    prl_llm_cancel(w.answer, 2);
    static const struct prl_llm_message cut[] = {
        TEXT(PRL_LLM_SYSTEM, "be"), TEXT(PRL_LLM_USER, "hi"), TEXT(PRL_LLM_ASSISTANT, "One"),
        TEXT(PRL_LLM_USER, "stop")};
    EXPECT_OK(ask(&w, 3, cut, 4)); // waits until the upstream has ended the other one
    expect_said(&w, "cancel", "cancel ");
    peer_tell(&w, "r2", "a2", "output_audio_transcript", " five");
    peer_end(&w, "r2", "cancelled");
    expect_said(&w, "respond", "truncate create(stop) delete delete respond(audio) ");
    peer_begin(&w, "r3", "a3");
    peer_end(&w, "r3", "failed");
    expect_got(&w, "error", "error|");
    tear_down(&w);
}

PRL_TEST(upstream_hears_and_calls)
{
    static int16_t pcm[1600];
    struct world w = {0};
    REQUIRE(set_up(&w) == PRL_OK);
    prl_stt_begin(w.ear, 1);
    EXPECT_OK(prl_stt_push(w.ear, pcm, 1600));
    EXPECT_INT(prl_stt_decode(w.ear, 2, PRL_STT_WANT_GUESS), PRL_ERR_AGAIN);
    EXPECT_OK(prl_stt_decode(w.ear, 2, PRL_STT_WANT_FINAL));
    EXPECT_INT(prl_stt_decode(w.ear, 3, PRL_STT_WANT_FINAL), PRL_ERR_FULL);
    expect_said(&w, "commit", "sound() commit ");
    peer_say(&w, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u1\"}");
    peer_say(&w, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"item_id\":"
                 "\"u1\",\"transcript\":\" hi\\n\"}");
    EXPECT(await(&w, &w.got, "heard(hi"));
    prl_str_clear(&w.got);
    // The item is there with its sound, and is not told as text.
    EXPECT_OK(ask(&w, 1, talk, 2));
    expect_said(&w, "respond", "sound(alloy) persona(be,1) respond(audio) ");
    peer_begin(&w, "r1", "a1");
    peer_say(
        &w,
        "{\"type\":\"response.output_item.done\",\"response_id\":\"r1\",\"item\":{\"id\":\"c1\","
        "\"type\":\"function_call\",\"call_id\":\"k\",\"name\":\"light\",\"arguments\":\"{}\"}}");
    peer_end(&w, "r1", "completed");
    expect_got(&w, "done", "light/k{}|done2(3)|");
    const struct prl_llm_call call = {"k", "light", "{}"};
    const struct prl_llm_message with_result[] = {
        talk[0],
        talk[1],
        {.role = PRL_LLM_ASSISTANT, .text = "", .len = 0, .calls = &call, .call_count = 1},
        {.role = PRL_LLM_TOOL, .text = "on", .len = 2, .tool_call_id = "k"}};
    EXPECT_OK(ask(&w, 2, with_result, 4));
    expect_said(&w, "respond", "delete create(on) respond(audio) "); // the empty message goes
    // Errors of the server find what they belong to; an empty utterance is no failure.
    char text[120];
    snprintf(text, sizeof(text),
             "{\"type\":\"error\",\"error\":{\"code\":\"x\",\"event_id\":\"r%s\"}}", w.key);
    peer_say(&w, text);
    expect_got(&w, "error", "error|");
    prl_stt_begin(w.ear, 4);
    EXPECT_OK(prl_stt_decode(w.ear, 5, PRL_STT_WANT_FINAL));
    expect_said(&w, "commit", "commit ");
    peer_say(&w, "{\"type\":\"error\",\"error\":{\"code\":\"input_audio_buffer_commit_empty\","
                 "\"event_id\":\"c4\"}}");
    expect_got(&w, "heard", "heard(,)|");
    tear_down(&w);
}

PRL_TEST(upstream_comes_back_and_replays)
{
    struct world w = {0};
    REQUIRE(set_up(&w) == PRL_OK);
    EXPECT_OK(ask(&w, 1, talk, 4));
    expect_said(
        &w, "respond",
        "sound(alloy) persona(be,1) create(hi) create(One two.) create(more) respond(audio) ");
    // Nothing was handed out: it is asked again, once, on a new connection.
    prl_ws_close(w.peer, 1011, "gone");
    expect_said(
        &w, "respond",
        "sound(alloy) persona(be,1) create(hi) create(One two.) create(more) respond(audio) ");
    EXPECT_INT(w.connections, 2);
    peer_begin(&w, "r1", "a1");
    peer_tell(&w, "r1", "a1", "output_audio_transcript", "Begun ");
    expect_got(&w, "Begun", "1:Begun |");
    peer_say(&w, "{\"type\":\"response.output_audio_transcript.delta\",nonsense");
    expect_got(&w, "error", "error|"); // what was said cannot be taken back
    // Two failures in a row: it is left out.
    EXPECT_INT(ask(&w, 2, talk, 4), PRL_ERR_ENGINE);
    tear_down(&w);
}

PRL_TEST(upstream_is_connected_before_it_is_needed)
{
    struct world w = {0}, cold = {.cold = true};
    REQUIRE(set_up(&w) == PRL_OK);
    prl_llm_warm(prl_upstream_llm(w.up));
    expect_said(&w, "sound", "sound() "); // it listens
    prl_llm_warm(prl_upstream_llm(w.up)); // an utterance begins: it is there
    EXPECT_OK(ask(&w, 1, talk, 2));
    expect_said(&w, "respond", "sound(alloy) persona(be,1) create(hi) respond(audio) ");
    EXPECT_INT(w.connections, 1);
    // One that is lost meanwhile is no failure of anybody, and is made again.
    answer_once(&w, "r1", "a1");
    expect_got(&w, "done", "1:One |1:two.|#1|#1|#2|@3-1|@8-4|done0(3)|");
    prl_ws_close(w.peer, 1001, "later");
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (w.connections < 2 && prl_clock_now_us() < end_us) {
        prl_llm_warm(prl_upstream_llm(w.up));
        prl_loop_turn(w.loop, TURN_US);
    }
    expect_said(&w, "sound", "sound(alloy) ");
    EXPECT_INT(w.connections, 2);
    EXPECT_INT(w.got.len, 0);
    tear_down(&w);
    REQUIRE(set_up(&cold) == PRL_OK);
    prl_llm_warm(prl_upstream_llm(cold.up));
    for (int i = 0; i < 20; i++)
        prl_loop_turn(cold.loop, 0);
    EXPECT_INT(cold.connections, 0);
    EXPECT_OK(ask(&cold, 1, talk, 2));
    EXPECT(await(&cold, &cold.said, "respond"));
    EXPECT_INT(cold.connections, 1);
    tear_down(&cold);
}

PRL_TEST(upstream_that_is_away_when_a_session_begins)
{
    struct world w = {.mute = true, .limit_ms = 200};
    REQUIRE(set_up(&w) == PRL_OK);
    prl_llm_warm(prl_upstream_llm(w.up));
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (w.closed == 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(w.loop, TURN_US);
    EXPECT_INT(w.got.len, 0); // nobody had asked for anything
    w.mute = false;
    EXPECT_OK(ask(&w, 1, talk, 2));
    end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!strstr(prl_str_text(&w.said), "respond") && !w.got.len && prl_clock_now_us() < end_us)
        prl_loop_turn(w.loop, TURN_US);
    // On a machine so busy that the limit passed again, it has failed.
    EXPECT(strstr(prl_str_text(&w.said), "respond") || strstr(prl_str_text(&w.got), "error"));
    tear_down(&w);
}

PRL_TEST(upstream_times_are_limited)
{
    struct world w = {.mute = true, .limit_ms = 50};
    REQUIRE(set_up(&w) == PRL_OK);
    EXPECT_OK(ask(&w, 1, talk, 2));
    prl_stt_begin(w.ear, 1);
    EXPECT_OK(prl_stt_decode(w.ear, 1, PRL_STT_WANT_FINAL));
    EXPECT(await(&w, &w.got, "error|"));
    EXPECT(strstr(prl_str_text(&w.got), "heard(stt-error,)") != NULL);
    tear_down(&w);
}

PRL_TEST(upstream_refuses_bad_addresses)
{
    static const char *const bad[] = {"", "ftp://x", "http://", "http://a/ b"};
    struct world w = {0};
    struct prl_upstream_kit *kit;
    REQUIRE(set_up(&w) == PRL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct prl_upstream_conf conf = {.loop = w.loop,
                                         .urls = bad[i],
                                         .model = "",
                                         .key = "",
                                         .transcription_model = "",
                                         .voice = ""};
        enum prl_err err = prl_upstream_kit_create(&kit, &conf);
        if (i < 3)
            EXPECT_INT(err, PRL_ERR_INVALID);
        prl_upstream_kit_destroy(&kit);
    }
    struct prl_upstream_conf split = {.loop = w.loop,
                                      .urls = "http://a",
                                      .model = "",
                                      .key = "x\r\ny",
                                      .transcription_model = "",
                                      .voice = ""};
    EXPECT_INT(prl_upstream_kit_create(&kit, &split), PRL_ERR_INVALID);
    tear_down(&w);
}

PRL_TEST(upstream_events_are_read)
{
    struct prl_upstream_event event;
    struct prl_json *tree = NULL;
    static const char done[] =
        "{\"type\":\"response.done\",\"response\":{\"id\":\"r\",\"metadata\":{\"parley\":\"7\"},"
        "\"status\":\"incomplete\",\"status_details\":{\"reason\":\"max_output_tokens\"},\"usage\":"
        "{\"input_tokens\":-1,\"output_tokens\":99999999999}}}";
    REQUIRE(prl_upstream_event_parse(&event, &tree, done, sizeof(done) - 1) == PRL_OK);
    EXPECT_INT(event.type, PRL_UPSTREAM_DONE);
    EXPECT_TEXT(event.key, "7");
    EXPECT_TEXT(event.reason, "max_output_tokens");
    EXPECT_INT(event.input_tokens, 0);
    EXPECT_INT(event.output_tokens, 1 << 30);
    prl_json_free(&tree);
    static const char old[] =
        "{\"type\":\"response.audio_transcript.delta\",\"delta\":\"x\",\"start_time\":1.5}";
    REQUIRE(prl_upstream_event_parse(&event, &tree, old, sizeof(old) - 1) == PRL_OK);
    EXPECT_INT(event.type, PRL_UPSTREAM_TEXT);
    EXPECT_INT(event.start_ms, 1500);
    prl_json_free(&tree);
    EXPECT_INT(prl_upstream_event_parse(&event, &tree, "[1]", 3), PRL_ERR_INVALID);
    EXPECT_INT(prl_upstream_event_parse(&event, &tree, "{", 1), PRL_ERR_INVALID);
    EXPECT(tree == NULL);
}

PRL_TEST_OOM(upstream_whole_life)
{
    static int16_t pcm[1600];
    struct world w = {0};
    enum prl_err err = set_up(&w);
    if (!err) {
        prl_stt_begin(w.ear, 1);
        err = prl_stt_push(w.ear, pcm, 1600);
    }
    if (!err)
        err = ask(&w, 1, talk, 4);
    for (int i = 0; i < 40 && !err && !w.got.len && !strstr(prl_str_text(&w.said), "respond"); i++)
        prl_loop_turn(w.loop, TURN_US);
    if (!err && w.peer && !w.got.len)
        answer_once(&w, "r1", "a1");
    for (int i = 0; i < 20 && !err && !strstr(prl_str_text(&w.got), "done") &&
                    !strstr(prl_str_text(&w.got), "error");
         i++)
        prl_loop_turn(w.loop, TURN_US);
    tear_down(&w);
}

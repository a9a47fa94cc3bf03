// realtime.c -- see realtime.h.
#include "api/realtime.h"

#include <string.h>

#include "api/event.h"
#include "api/message.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "media/g711.h"
#include "net/http.h"

enum {
    FEED_SAMPLES = 2400, // of sound given to the session at a time
    G711_HZ = 8000,
    PCM_HZ = 24000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_UNSUPPORTED = 1003,
    CLOSE_INTERNAL = 1011,
    CLOSE_TRY_LATER = 1013
};

// A connection. It lives from on_open to on_close.
struct conn {
    struct prl_realtime *realtime;
    struct prl_ws *ws;
    enum prl_api_dialect dialect;
    struct prl_api_session object;
    struct prl_session *session;
    struct prl_events *events;
    struct prl_timer *life;
    struct prl_message message;
    size_t fed;   // bytes of message.audio that the session has
    bool feeding; // sound waits for room in the session; nothing is read meanwhile
    bool closing;
    char event_id[64]; // of the append being fed, "" for none
};

struct prl_realtime {
    struct prl_realtime_conf conf;
    struct prl_realtime_stats stats;
};

static void on_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer);
static void on_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last);
static void on_binary(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                      bool last);
static void on_close(void *owner, struct prl_ws *ws, uint16_t code);

static const struct prl_ws_ops ops = {
    .on_open = on_open, .on_text = on_text, .on_binary = on_binary, .on_close = on_close};

enum prl_err prl_realtime_create(struct prl_realtime **out, const struct prl_realtime_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    return PRL_OK;
}

void prl_realtime_destroy(struct prl_realtime **realtime)
{
    prl_mem_free(*realtime);
    *realtime = NULL;
}

enum prl_err prl_realtime_route(struct prl_realtime *realtime, struct prl_http *http)
{
    // The second path is where clients in Azure mode look.
    static const char *const paths[] = {"/v1/realtime", "/openai/realtime", "/openai/v1/realtime"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct prl_ws_route route = {.path = paths[i], .ops = &ops, .arg = realtime};
        enum prl_err err = prl_http_add_ws(http, &route);
        if (err)
            return err;
    }
    return PRL_OK;
}

void prl_realtime_stats(const struct prl_realtime *realtime, struct prl_realtime_stats *stats)
{
    *stats = realtime->stats;
}

// ---- life of a connection ----

static void end_conn(struct conn *conn, uint16_t code, const char *reason)
{
    if (conn->closing)
        return;
    conn->closing = true;
    prl_ws_close(conn->ws, code, reason);
}

static enum prl_err send_event(void *arg, const char *text, size_t len)
{
    struct conn *conn = arg;
    return conn->closing ? PRL_OK : prl_ws_send_text(conn->ws, text, len);
}

static void on_lost(void *arg, enum prl_err err)
{
    struct conn *conn = arg;
    if (err == PRL_ERR_CANCELED)
        return; // it is closing already
    prl_log(PRL_LOG_WARN, "api", "%s: an event could not be sent (%s), closing", conn->object.id,
            prl_err_name(err));
    prl_metrics_add(PRL_METRIC_SLOW_READERS, err == PRL_ERR_FULL);
    end_conn(conn, err == PRL_ERR_FULL ? CLOSE_TRY_LATER : CLOSE_INTERNAL,
             err == PRL_ERR_FULL ? "the client does not read its events" : "server error");
}

static void on_life_end(void *arg)
{
    struct conn *conn = arg;
    prl_events_error(conn->events, "session_expired", NULL,
                     "Your session hit the maximum duration.", NULL);
    end_conn(conn, CLOSE_GOING_AWAY, "session expired");
}

static void free_conn(struct conn *conn)
{
    prl_timer_destroy(&conn->life);
    prl_session_destroy(&conn->session);
    prl_events_destroy(&conn->events);
    prl_api_session_free(&conn->object);
    prl_message_reset(&conn->message);
    prl_mem_free(conn);
}

static void on_session_event(void *arg, const struct prl_session_event *event)
{
    struct conn *conn = arg;
    if (event->type == PRL_SESSION_RESPONSE_DONE) {
        conn->realtime->stats.responses++;
        prl_metrics_add(PRL_METRIC_RESPONSES, 1);
        prl_metrics_add(PRL_METRIC_RESPONSES_FAILED,
                        event->response->status == PRL_RESPONSE_FAILED);
    }
    conn->realtime->stats.errors += event->type == PRL_SESSION_ERROR;
    if (event->type == PRL_SESSION_LATENCY && event->spans->spoken &&
        event->spans->heard_end_us < 0) {
        prl_metrics_observe(PRL_METRIC_EOT_DELAY, event->spans->detected_us);
        prl_metrics_observe(PRL_METRIC_ANSWER_DELAY, event->spans->first_byte_us);
    }
    prl_events_on_session(conn->events, event);
}

static void on_room(void *arg);

static enum prl_err create_parts(struct conn *conn, const char *model, bool transcription)
{
    struct prl_realtime *realtime = conn->realtime;
    enum prl_err err = prl_api_session_init(&conn->object, model, &realtime->conf.session);
    if (err)
        return err;
    conn->object.transcription_only = transcription;
    struct prl_events_conf events = {.dialect = conn->dialect,
                                     .object = &conn->object,
                                     .send = send_event,
                                     .lost = on_lost,
                                     .arg = conn};
    err = prl_events_create(&conn->events, &events);
    if (err)
        return err;
    struct prl_session_conf conf = realtime->conf.session;
    prl_api_session_conf(&conn->object, &conf);
    err =
        prl_session_create(&conn->session, &realtime->conf.engines, &conf, on_session_event, conn);
    if (err)
        return err;
    prl_session_on_room(conn->session, on_room, conn);
    if (realtime->conf.session_max_us == 0)
        return PRL_OK;
    err = prl_timer_create(&conn->life, realtime->conf.engines.loop, "session life", on_life_end,
                           conn);
    if (!err)
        prl_timer_start(conn->life, prl_clock_now_us() + realtime->conf.session_max_us);
    return err;
}

static enum prl_api_dialect dialect_of(const struct prl_http_request *request)
{
    const char *header = prl_http_header(request, "OpenAI-Beta");
    if (header && strcmp(header, "realtime=v1") == 0)
        return PRL_API_BETA;
    char name[64];
    for (size_t i = 0; prl_http_subprotocol(request, i, name, sizeof(name)); i++)
        if (strcmp(name, "openai-beta.realtime-v1") == 0)
            return PRL_API_BETA;
    // Azure's preview dialect is told by its query.
    return prl_http_query_value(request, "api-version", name, sizeof(name)) ? PRL_API_BETA
                                                                            : PRL_API_GA;
}

// Browsers fail when none of the offered subprotocols is chosen.
static const char *choose_subprotocol(const struct prl_http_request *request)
{
    char name[64];
    for (size_t i = 0; prl_http_subprotocol(request, i, name, sizeof(name)); i++)
        if (strcmp(name, "realtime") == 0)
            return "realtime";
    return NULL;
}

static void on_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer)
{
    struct prl_realtime *realtime = arg;
    if (!prl_auth_request(realtime->conf.auth, request)) {
        answer->status = 401;
        answer->body =
            "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\","
            "\"message\":\"Incorrect or missing API key.\"}}";
        return;
    }
    if (realtime->stats.sessions >= realtime->conf.sessions_max) {
        realtime->stats.refused++;
        prl_metrics_add(PRL_METRIC_SESSIONS_REFUSED, 1);
        answer->status = 429;
        answer->body =
            "{\"error\":{\"type\":\"server_error\",\"code\":\"too_many_sessions\","
            "\"message\":\"The server has as many sessions as it may; try again later.\"}}";
        return;
    }
    char model[128] = "";
    if (!prl_http_query_value(request, "model", model, sizeof(model)))
        (void)prl_http_query_value(request, "deployment", model, sizeof(model));
    char intent[32] = "";
    struct conn *conn = prl_mem_zalloc(sizeof(*conn));
    enum prl_err err = conn ? PRL_OK : PRL_ERR_NOMEM;
    if (conn) {
        conn->realtime = realtime;
        conn->ws = ws;
        conn->dialect = dialect_of(request);
        prl_message_init(&conn->message);
        bool transcription = prl_http_query_value(request, "intent", intent, sizeof(intent)) &&
                             strcmp(intent, "transcription") == 0;
        err = create_parts(conn, model, transcription);
    }
    if (err) {
        if (conn)
            free_conn(conn);
        answer->status = 503;
        answer->body = "{\"error\":{\"type\":\"server_error\",\"code\":\"server_error\","
                       "\"message\":\"No session could be created.\"}}";
        return;
    }
    answer->subprotocol = choose_subprotocol(request);
    prl_ws_set_owner(ws, conn);
    realtime->stats.sessions++;
    realtime->stats.sessions_all++;
    prl_metrics_add(PRL_METRIC_SESSIONS, 1);
    char peer[80];
    prl_http_peer(request, peer, sizeof(peer));
    prl_log(PRL_LOG_INFO, "api", "%s: opened by %s", conn->object.id, peer);
    prl_events_session(conn->events, true);
}

static void on_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    (void)ws;
    struct conn *conn = owner;
    prl_log(PRL_LOG_INFO, "api", "%s: closed with %u", conn->object.id, code);
    conn->closing = true;
    conn->realtime->stats.sessions--;
    free_conn(conn);
}

// ---- messages ----

// Gives the session as much of the decoded sound as it takes; true when all is gone.
static bool feed_sound(struct conn *conn)
{
    const struct prl_str *audio = &conn->message.audio;
    enum prl_api_format format = conn->object.input_format;
    size_t width = format == PRL_API_PCM ? sizeof(int16_t) : 1;
    while (conn->fed < audio->len) {
        int16_t pcm[FEED_SAMPLES];
        size_t count = (audio->len - conn->fed) / width;
        if (count > FEED_SAMPLES)
            count = FEED_SAMPLES;
        const uint8_t *from = (const uint8_t *)audio->data + conn->fed;
        if (format == PRL_API_PCM)
            memcpy(pcm, from, count * width); // little endian, as we are
        else if (format == PRL_API_PCMU)
            prl_g711_ulaw_decode_all(pcm, from, count);
        else
            prl_g711_alaw_decode_all(pcm, from, count);
        enum prl_err err =
            prl_session_append(conn->session, pcm, count, format == PRL_API_PCM ? PCM_HZ : G711_HZ);
        if (err == PRL_ERR_FULL)
            return false;
        if (err) {
            prl_events_error(
                conn->events, err == PRL_ERR_LIMIT ? "input_audio_buffer_full" : "server_error",
                "audio",
                err == PRL_ERR_LIMIT ? "The input audio buffer is full: commit or clear it."
                                     : "The audio could not be taken.",
                *conn->event_id ? conn->event_id : NULL);
            return true;
        }
        conn->fed += count * width;
    }
    return true;
}

static void finish_message(struct conn *conn)
{
    prl_message_reset(&conn->message);
    conn->fed = 0;
}

static void on_room(void *arg)
{
    struct conn *conn = arg;
    if (!conn->feeding || conn->closing || !feed_sound(conn))
        return;
    conn->feeding = false;
    finish_message(conn);
    prl_ws_resume(conn->ws);
}

static void message_problem(struct conn *conn)
{
    const struct prl_message *message = &conn->message;
    if (message->err == PRL_ERR_NOMEM)
        prl_events_error(conn->events, "server_error", NULL, "out of memory", NULL);
    else if (!message->audio_problem)
        prl_events_error(conn->events, "message_too_large", NULL,
                         "The event is larger than 1 MiB beside its audio.", NULL);
    else if (message->err == PRL_ERR_LIMIT)
        prl_events_error(conn->events, "invalid_value", "audio",
                         "The audio is larger than the limit of 15 MiB of base64.", NULL);
    else
        prl_events_error(conn->events, "invalid_value", "audio", "The audio is not valid base64.",
                         NULL);
}

static void take_append(struct conn *conn, const struct prl_json *root)
{
    const char *event_id = prl_json_string(prl_json_get(root, "event_id"), "");
    (void)prl_str_copy(conn->event_id, sizeof(conn->event_id), event_id);
    if (conn->object.input_format == PRL_API_PCM && conn->message.audio.len % 2 != 0) {
        prl_events_error(conn->events, "invalid_value", "audio",
                         "Invalid audio: 16-bit PCM needs an even number of bytes.",
                         *event_id ? event_id : NULL);
        return;
    }
    conn->feeding = !feed_sound(conn);
    if (conn->feeding)
        prl_ws_pause(conn->ws);
}

static void run_message(struct conn *conn)
{
    prl_message_end(&conn->message);
    if (conn->message.err) {
        message_problem(conn);
        return;
    }
    struct prl_json *root;
    char problem[200];
    enum prl_err err = prl_json_parse(&root, prl_str_text(&conn->message.text),
                                      conn->message.text.len, problem, sizeof(problem));
    if (err) {
        prl_events_error(conn->events, err == PRL_ERR_NOMEM ? "server_error" : "invalid_json", NULL,
                         problem, NULL);
        return;
    }
    struct prl_request_target target = {.object = &conn->object,
                                        .session = conn->session,
                                        .events = conn->events,
                                        .base = &conn->realtime->conf.session};
    if (prl_request_run(&target, root))
        take_append(conn, root);
    prl_json_free(&root);
}

static void on_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last)
{
    (void)ws;
    struct conn *conn = owner;
    if (conn->closing)
        return;
    if (first && !conn->feeding)
        finish_message(conn);
    prl_message_add(&conn->message, data, len);
    if (!last)
        return;
    run_message(conn);
    if (!conn->feeding)
        finish_message(conn);
}

static void on_binary(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                      bool last)
{
    (void)ws;
    (void)data;
    (void)len;
    (void)first;
    struct conn *conn = owner;
    if (last && !conn->closing)
        prl_events_error(
            conn->events, "invalid_message_type", NULL,
            "Binary frames are not part of the protocol: send JSON text, with audio as "
            "base64 in input_audio_buffer.append.",
            NULL);
}

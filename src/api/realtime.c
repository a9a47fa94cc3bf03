// realtime.c -- see realtime.h.
#include "api/realtime.h"

#include <string.h>

#include "api/call.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"

enum { MODEL_SIZE = 128 };

// A connection. It lives from on_open to on_close.
struct conn {
    struct prl_ws *ws;
    struct prl_talk_channel *channel;
    char id[PRL_SESSION_ID_SIZE]; // of the session
};

struct prl_realtime {
    struct prl_realtime_conf conf;
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

// ---- what a request says ----

enum prl_api_dialect prl_realtime_dialect(const struct prl_http_request *request)
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

void prl_realtime_model(const struct prl_http_request *request, char *model, size_t size)
{
    model[0] = '\0';
    if (!prl_http_query_value(request, "model", model, size))
        (void)prl_http_query_value(request, "deployment", model, size);
}

static bool take_token(const char *text, char token[PRL_TALK_TOKEN_SIZE])
{
    if (!prl_str_copy(token, PRL_TALK_TOKEN_SIZE, text))
        token[0] = '\0';
    return true;
}

bool prl_realtime_token(const struct prl_http_request *request, char token[PRL_TALK_TOKEN_SIZE])
{
    static const char prefix[] = "parley-resume.";
    const char *header = prl_http_header(request, "Parley-Resume");
    if (header)
        return take_token(header, token);
    char name[PRL_TALK_TOKEN_SIZE + sizeof(prefix)];
    for (size_t i = 0; prl_http_subprotocol(request, i, name, sizeof(name)); i++)
        if (prl_str_starts(name, prefix))
            return take_token(name + sizeof(prefix) - 1, token);
    return false;
}

// The loop of the session that a request is for, by the digit in a call's id or a resume token; SIZE_MAX:
// it is for none.
static size_t named_loop(const struct prl_http_request *request)
{
    static const char calls[] = "/v1/realtime/calls/rtc_";
    static const char prefix[] = "rtc_";
    char token[PRL_TALK_TOKEN_SIZE];
    char id[PRL_SESSION_ID_SIZE];
    const char *path = prl_http_path(request);
    if (prl_str_starts(path, calls))
        return prl_talks_digit_loop(path[sizeof(calls) - 1]);
    if (prl_http_query_value(request, "call_id", id, sizeof(id)))
        return prl_str_starts(id, prefix) ? prl_talks_digit_loop(id[sizeof(prefix) - 1]) : SIZE_MAX;
    size_t loop = SIZE_MAX;
    if (prl_realtime_token(request, token))
        loop = prl_talks_digit_loop(token[0]);
    explicit_bzero(token, sizeof(token));
    return loop;
}

size_t prl_realtime_loop(const struct prl_http_request *request, struct prl_talks_loops *loops)
{
    const char *path = prl_http_path(request);
    size_t loop = named_loop(request);
    if (loop < loops->count)
        return loop;
    bool opens = prl_str_ends(path, "/realtime") || prl_str_ends(path, "/realtime/calls");
    return opens ? prl_talks_place(loops) : 0;
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

// ---- the talk's side ----

static enum prl_err send_event(void *arg, const char *text, size_t len)
{
    return prl_ws_send_text(((struct conn *)arg)->ws, text, len);
}

static void pause_input(void *arg, bool on)
{
    struct conn *conn = arg;
    if (on)
        prl_ws_pause(conn->ws);
    else
        prl_ws_resume(conn->ws);
}

static void end_conn(void *arg, uint16_t code, const char *reason)
{
    struct conn *conn = arg;
    prl_ws_close(conn->ws, code, reason);
}

static const struct prl_talk_ops talk_ops = {
    .send = send_event, .pause = pause_input, .end = end_conn};

// ---- opening ----

#define REFUSAL(type, code, message)                                                               \
    "{\"error\":{\"type\":\"" type "\",\"code\":\"" code "\",\"message\":\"" message "\"}}"

static void refuse(struct prl_ws_answer *answer, unsigned status, const char *body)
{
    answer->status = status;
    answer->body = body;
}

static void refuse_err(struct prl_ws_answer *answer, enum prl_err err)
{
    switch ((int)err) {
    case PRL_ERR_LIMIT:
        refuse(answer, 429,
               REFUSAL("server_error", "too_many_sessions",
                       "The server has as many sessions as it may; try again later."));
        break;
    case PRL_ERR_NOTFOUND:
        refuse(answer, 404,
               REFUSAL("invalid_request_error", "resume_token_invalid",
                       "No session waits for this resume token."));
        break;
    default:
        refuse(answer, 503,
               REFUSAL("server_error", "server_error", "No session could be created."));
    }
}

static void refuse_observer(struct prl_ws_answer *answer, enum prl_err err)
{
    switch ((int)err) {
    case PRL_ERR_LIMIT:
        refuse(answer, 429,
               REFUSAL("server_error", "too_many_observers",
                       "The call has as many observers as it may."));
        break;
    case PRL_ERR_NOTFOUND:
        refuse(answer, 404,
               REFUSAL("invalid_request_error", "call_not_found", "There is no such call."));
        break;
    case PRL_ERR_INVALID:
        refuse(answer, 403,
               REFUSAL("invalid_request_error", "call_forbidden",
                       "The call was made with another key."));
        break;
    default:
        refuse_err(answer, err);
    }
}

static enum prl_err open_talk(struct prl_realtime *realtime, const struct prl_http_request *request,
                              const struct prl_credential *maker, const struct prl_secret *secret,
                              struct conn *conn)
{
    char model[MODEL_SIZE];
    char intent[32] = "";
    prl_realtime_model(request, model, sizeof(model));
    bool transcription = prl_http_query_value(request, "intent", intent, sizeof(intent)) &&
                         strcmp(intent, "transcription") == 0;
    struct prl_json *session = NULL;
    enum prl_err err = PRL_OK;
    if (secret && secret->session)
        err = prl_json_parse(&session, secret->session, secret->session_size - 1, NULL, 0);
    struct prl_talks_wish wish = {.maker = maker,
                                  .dialect = prl_realtime_dialect(request),
                                  .transcription = secret ? secret->transcription : transcription,
                                  .model = model,
                                  .session = session};
    struct prl_problem problem = {0};
    struct prl_talk *talk = NULL;
    if (!err)
        err = prl_talks_open(realtime->conf.talks, &wish, &talk, &problem);
    prl_json_free(&session);
    if (err)
        return err;
    err = prl_talk_attach(talk, &conn->channel, PRL_TALK_OWNER, &talk_ops, conn);
    if (err)
        prl_talks_drop(realtime->conf.talks, &talk);
    else
        (void)prl_str_copy(conn->id, sizeof(conn->id), prl_talk_id(talk));
    return err;
}

static enum prl_err return_to_talk(struct prl_realtime *realtime,
                                   const struct prl_http_request *request,
                                   const struct prl_credential *asker, const char *token,
                                   struct conn *conn)
{
    struct prl_talks_return wish = {.token = token,
                                    .asker = asker,
                                    .dialect = prl_realtime_dialect(request),
                                    .ops = &talk_ops,
                                    .arg = conn};
    struct prl_talk *talk;
    enum prl_err err = prl_talks_return(realtime->conf.talks, &wish, &talk, &conn->channel);
    if (!err)
        (void)prl_str_copy(conn->id, sizeof(conn->id), prl_talk_id(talk));
    return err;
}

// A sideband: one more channel of a call's talk.
static enum prl_err observe_call(struct prl_realtime *realtime,
                                 const struct prl_http_request *request,
                                 const struct prl_credential *asker, struct conn *conn)
{
    struct prl_talk *talk;
    if (!realtime->conf.calls ||
        !prl_http_query_value(request, "call_id", conn->id, sizeof(conn->id)))
        return PRL_ERR_NOTFOUND;
    enum prl_err err = prl_calls_talk(realtime->conf.calls, conn->id, asker, &talk);
    if (err)
        return err;
    return prl_talk_attach(talk, &conn->channel, PRL_TALK_OBSERVER, &talk_ops, conn);
}

// A conversation of its own, a new one or the one that it left.
static enum prl_err own_talk(struct prl_realtime *realtime, const struct prl_http_request *request,
                             const struct prl_credential *credential,
                             const struct prl_secret *secret, struct conn *conn)
{
    char token[PRL_TALK_TOKEN_SIZE];
    if (!prl_realtime_token(request, token))
        return prl_talks_full(realtime->conf.talks)
                   ? PRL_ERR_LIMIT
                   : open_talk(realtime, request, credential, secret, conn);
    enum prl_err err = return_to_talk(realtime, request, credential, token, conn);
    explicit_bzero(token, sizeof(token));
    return err;
}

static void on_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer)
{
    struct prl_realtime *realtime = arg;
    struct prl_credential credential;
    const struct prl_secret *secret;
    if (!prl_credential_read(realtime->conf.auth, realtime->conf.secrets, request, &credential,
                             &secret)) {
        refuse(
            answer, 401,
            REFUSAL("invalid_request_error", "invalid_api_key", "Incorrect or missing API key."));
        return;
    }
    bool observes = strstr(prl_http_query(request), "call_id=") != NULL;
    struct conn *conn = prl_mem_zalloc(sizeof(*conn));
    enum prl_err err = PRL_ERR_NOMEM;
    if (conn) {
        conn->ws = ws;
        err = observes ? observe_call(realtime, request, &credential, conn)
                       : own_talk(realtime, request, &credential, secret, conn);
    }
    if (err) {
        prl_mem_free(conn);
        if (observes)
            refuse_observer(answer, err);
        else
            refuse_err(answer, err);
        return;
    }
    answer->subprotocol = choose_subprotocol(request);
    prl_ws_set_owner(ws, conn);
    char peer[80];
    prl_http_peer(request, peer, sizeof(peer));
    prl_log(PRL_LOG_INFO, "api", "%s: opened by %s", conn->id, peer);
    prl_talk_greet(conn->channel);
}

// ---- open ----

static void on_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    (void)ws;
    struct conn *conn = owner;
    prl_log(PRL_LOG_INFO, "api", "%s: closed with %u", conn->id, code);
    prl_talk_detach(&conn->channel, true, "the connection closed");
    prl_mem_free(conn);
}

static void on_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last)
{
    (void)ws;
    prl_talk_input(((struct conn *)owner)->channel, data, len, first, last);
}

static void on_binary(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                      bool last)
{
    (void)ws;
    (void)data;
    (void)len;
    (void)first;
    if (last)
        prl_talk_binary(((struct conn *)owner)->channel);
}

// mint.c -- see mint.h. The settings are checked by building the session object that they would make, and
// kept as the client wrote them: a session that starts later begins from the defaults of then.
#include "api/mint.h"

#include <string.h>

#include "api/credential.h"
#include "api/reply.h"
#include "api/session_object.h"
#include "base/clock.h"
#include "net/http.h"

enum { BODY_MAX = 512 << 10, REPLY_MAX = 2 << 20, SECOND_US = 1000000 };

enum kind { GA, BETA, BETA_TRANSCRIPTION };

// One request being answered.
struct order {
    struct prl_mint *mint;
    struct prl_http_request *request;
    enum kind kind;
    struct prl_credential credential;
    struct prl_json *root;
    const struct prl_json *session; // of root; NULL: none
    int64_t seconds;
    struct prl_api_session object;
    struct prl_problem problem;
};

static enum prl_err read_body(struct order *order)
{
    size_t size;
    const char *body = prl_http_body(order->request, &size);
    char why[160];
    if (size == 0)
        return PRL_OK;
    enum prl_err err = prl_json_parse(&order->root, body, size, why, sizeof(why));
    if (err == PRL_ERR_INVALID)
        prl_problem_set(&order->problem, "invalid_json", NULL, "The body is no JSON: %s.", why);
    else if (!err && prl_json_type(order->root) != PRL_JSON_OBJECT)
        prl_problem_set(&order->problem, "invalid_json", NULL, "The body must be a JSON object.");
    return err == PRL_ERR_INVALID ? PRL_OK : err;
}

static void read_expiry(struct order *order)
{
    static const char *const anchors[] = {"created_at", NULL};
    struct prl_fields fields = {order->root, "", &order->problem};
    struct prl_fields after;
    char path[32];
    size_t anchor;
    order->seconds = PRL_SECRET_SECONDS;
    if (!prl_fields_object(&fields, "expires_after", path, sizeof(path), &after))
        return;
    (void)prl_fields_choice(&after, "anchor", anchors, &anchor);
    (void)prl_fields_int(&after, "seconds", PRL_SECRET_SECONDS_MIN, PRL_SECRET_SECONDS_MAX,
                         &order->seconds);
}

// The session object as a session of this secret would have it.
static enum prl_err read_session(struct order *order)
{
    // The beta's body is the session itself.
    order->session = order->kind == GA ? prl_json_get(order->root, "session") : order->root;
    if (prl_json_type(order->session) == PRL_JSON_NULL)
        order->session = NULL;
    const char *model = prl_json_string(prl_json_get(order->session, "model"), NULL);
    enum prl_err err = prl_api_session_init(&order->object, model, order->mint->base);
    if (err)
        return err;
    order->object.transcription_only = order->kind == BETA_TRANSCRIPTION;
    if (!order->session)
        return PRL_OK;
    return prl_api_session_update(&order->object, order->session, false, &order->problem);
}

static enum prl_err mint_value(struct order *order, int64_t wall_us, char value[PRL_SECRET_SIZE])
{
    struct prl_str text;
    prl_str_init(&text, BODY_MAX);
    enum prl_err err = order->session ? prl_json_dump(order->session, &text) : PRL_OK;
    struct prl_secret_wish wish = {.session = order->session ? prl_str_text(&text) : NULL,
                                   .transcription = order->object.transcription_only,
                                   .issuer = order->credential.id,
                                   .seconds = order->seconds};
    if (!err)
        err = prl_secrets_mint(order->mint->secrets, &wish, wall_us, value);
    prl_str_free(&text);
    return err;
}

static void write_reply(const struct order *order, const char *value, int64_t expires_at,
                        struct prl_str *out)
{
    struct prl_json_write json;
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    if (order->kind != GA) {
        prl_api_session_write_members(&order->object, PRL_API_BETA, &json);
        prl_json_write_object(&json, "client_secret");
    }
    prl_json_write_string(&json, "value", value);
    prl_json_write_int(&json, "expires_at", expires_at);
    if (order->kind == GA)
        prl_api_session_write(&order->object, PRL_API_GA, &json, "session");
    else
        prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
}

static void answer(struct order *order)
{
    char value[PRL_SECRET_SIZE];
    struct prl_str text;
    int64_t wall_us = prl_clock_wall_us();
    enum prl_err err = read_body(order);
    if (!err && !order->problem.code)
        read_expiry(order);
    if (!err && !order->problem.code)
        err = read_session(order);
    if (order->problem.code) {
        prl_reply_problem(order->request, 400, &order->problem);
        return;
    }
    if (!err)
        err = mint_value(order, wall_us, value);
    if (err == PRL_ERR_LIMIT) {
        prl_reply_error(order->request, 429, "too_many_client_secrets", NULL,
                        "The server holds as many client secrets as it may; try again later.");
        return;
    }
    prl_str_init(&text, REPLY_MAX);
    if (err)
        text.err = err;
    else
        write_reply(order, value, wall_us / SECOND_US + order->seconds, &text);
    prl_reply_text(order->request, 200, "application/json", &text);
    if (text.data)
        explicit_bzero(text.data, text.len);
    prl_str_free(&text);
    explicit_bzero(value, sizeof(value));
}

static void on_request(struct prl_mint *mint, struct prl_http_request *request, enum kind kind)
{
    struct order order = {.mint = mint, .request = request, .kind = kind};
    const struct prl_secret *secret;
    if (!prl_credential_read(mint->auth, mint->secrets, request, &order.credential, &secret)) {
        prl_reply_stranger(request);
        return;
    }
    if (secret) {
        prl_reply_error(request, 401, "invalid_api_key", NULL,
                        "A client secret cannot make another one: this needs an API key.");
        return;
    }
    answer(&order);
    prl_json_free(&order.root);
    prl_api_session_free(&order.object);
}

static void on_secrets(void *arg, struct prl_http_request *request)
{
    on_request(arg, request, GA);
}

static void on_sessions(void *arg, struct prl_http_request *request)
{
    on_request(arg, request, BETA);
}

static void on_transcription_sessions(void *arg, struct prl_http_request *request)
{
    on_request(arg, request, BETA_TRANSCRIPTION);
}

enum prl_err prl_mint_route(struct prl_mint *mint, struct prl_http *http)
{
    const struct prl_http_route routes[] = {
        {"POST", "/v1/realtime/client_secrets", BODY_MAX, on_secrets, mint},
        {"POST", "/openai/v1/realtime/client_secrets", BODY_MAX, on_secrets, mint},
        {"POST", "/v1/realtime/sessions", BODY_MAX, on_sessions, mint},
        {"POST", "/v1/realtime/transcription_sessions", BODY_MAX, on_transcription_sessions, mint},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        enum prl_err err = prl_http_add_route(http, &routes[i]);
        if (err)
            return err;
    }
    return PRL_OK;
}

// call.c -- see call.h.
#include "api/call.h"

#include <stdio.h>
#include <string.h>

#include "api/multipart.h"
#include "api/realtime.h"
#include "api/reply.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/http.h"
#include "net/loop.h"
#include "rtc/rtc.h"
#include "session/leg.h"

enum { BODY_MAX = 512 << 10, ANSWER_MAX = 64 << 10, MODEL_SIZE = 128, WHY_SIZE = 128 };

struct call {
    struct prl_calls *calls;
    struct call *next;
    char id[PRL_SESSION_ID_SIZE]; // "rtc_…"
    struct prl_talk *talk;        // borrowed; NULL once it is over
    struct prl_talk_channel *channel;
    struct prl_rtc_peer *peer;
    struct prl_leg *leg;
    size_t phase;           // of the leg
    struct prl_str pending; // events before the channel opened, one a line
    bool missed;            // events were dropped: the client starts anew when the channel opens
    bool open;              // the channel is
    int64_t end_us;         // when to close, 0: going on
    char why[WHY_SIZE];     // it ends
};

struct prl_calls {
    struct prl_calls_conf conf;
    struct call *list; // owned
    size_t count;
    size_t phases[PRL_LEG_PHASES]; // legs whose ticks fall into this part of each 20 ms
    struct prl_timer *reaper;
};

// ---- life ----

static void drop_leg(struct call *call)
{
    if (call->leg)
        call->calls->phases[call->phase]--;
    prl_leg_destroy(&call->leg);
}

// The talk lets go, the connection says good-bye, and the call is no more.
static void destroy_call(struct call *call, bool resumable, const char *why)
{
    struct call **at = &call->calls->list;
    while (*at && *at != call)
        at = &(*at)->next;
    if (*at) {
        *at = call->next;
        call->calls->count--;
        prl_log(PRL_LOG_INFO, "api", "%s: ended: %s", call->id, why);
    }
    char reason[WHY_SIZE];
    snprintf(reason, sizeof(reason), "the call ended: %.100s", why);
    prl_talk_detach(&call->channel, resumable, reason);
    drop_leg(call); // the talk's `over` did it, unless the call was half made
    prl_rtc_close(&call->peer);
    prl_str_free(&call->pending);
    prl_mem_free(call);
}

static void on_reaper(void *arg)
{
    struct prl_calls *calls = arg;
    int64_t now_us = prl_clock_now_us();
    int64_t next_us = 0;
    for (struct call *call = calls->list, *next; call; call = next) {
        next = call->next;
        if (call->end_us && call->end_us <= now_us)
            destroy_call(call, true, call->why);
        else if (call->end_us && (!next_us || call->end_us < next_us))
            next_us = call->end_us;
    }
    if (next_us)
        prl_timer_start(calls->reaper, next_us);
}

enum prl_err prl_calls_create(struct prl_calls **out, const struct prl_calls_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    enum prl_err err =
        prl_timer_create(&(*out)->reaper, conf->loop, "calls that end", on_reaper, *out);
    if (err)
        prl_calls_destroy(out);
    return err;
}

void prl_calls_destroy(struct prl_calls **calls)
{
    if (!*calls)
        return;
    while ((*calls)->list)
        destroy_call((*calls)->list, false, "the server stops");
    prl_timer_destroy(&(*calls)->reaper);
    prl_mem_free(*calls);
    *calls = NULL;
}

size_t prl_calls_count(const struct prl_calls *calls)
{
    return calls->count;
}

static struct call *find_call(const struct prl_calls *calls, const char *id)
{
    for (struct call *call = calls->list; call; call = call->next)
        if (!call->end_us && call->talk && strcmp(call->id, id) == 0)
            return call;
    return NULL;
}

enum prl_err prl_calls_talk(struct prl_calls *calls, const char *id,
                            const struct prl_credential *asker, struct prl_talk **out)
{
    struct call *call = find_call(calls, id);
    *out = call ? call->talk : NULL;
    if (!call)
        return PRL_ERR_NOTFOUND;
    return prl_credential_owns(asker, prl_talk_maker(call->talk)) ? PRL_OK : PRL_ERR_INVALID;
}

// ---- the talk's side ----

// Keeps an event until the data channel opens. When there is no more room nothing is kept: a hole is
// worse than a new beginning.
static void keep_event(struct call *call, const char *text, size_t len)
{
    if (call->missed)
        return;
    (void)prl_str_add(&call->pending, text, len);
    (void)prl_str_addc(&call->pending, '\n');
    if (!call->pending.err)
        return;
    call->missed = true;
    prl_str_free(&call->pending);
}

static enum prl_err send_event(void *arg, const char *text, size_t len)
{
    struct call *call = arg;
    enum prl_err err = call->open ? prl_rtc_send_message(call->peer, text, len) : PRL_ERR_AGAIN;
    if (err != PRL_ERR_AGAIN)
        return err;
    keep_event(call, text, len);
    return PRL_OK;
}

static void end_call(void *arg, uint16_t code, const char *reason)
{
    struct call *call = arg;
    (void)code; // a data channel has no close codes
    call->end_us = prl_clock_now_us() + PRL_CALL_LINGER_US;
    (void)prl_str_copy(call->why, sizeof(call->why), reason);
    prl_timer_start(call->calls->reaper, call->end_us);
}

static void let_go(void *arg)
{
    struct call *call = arg;
    drop_leg(call);
    prl_session_rtp(prl_talk_session(call->talk), false);
    call->talk = NULL;
}

static const struct prl_talk_ops talk_ops = {
    .send = send_event, .pause = NULL, .end = end_call, .over = let_go};

static void send_sound(void *arg, const uint8_t *payload, size_t size, uint32_t timestamp_step,
                       bool marker)
{
    struct call *call = arg;
    prl_rtc_send_audio(call->peer, payload, size, timestamp_step, marker);
}

// A leg costs 170 KiB and fifty ticks a second: an offer that never connects has none.
static void need_leg(struct call *call)
{
    static const enum prl_codec codecs[] = {[PRL_RTC_OPUS] = PRL_CODEC_OPUS,
                                            [PRL_RTC_PCMU] = PRL_CODEC_PCMU,
                                            [PRL_RTC_PCMA] = PRL_CODEC_PCMA};
    if (call->leg || !call->talk || call->end_us)
        return;
    call->phase = prl_leg_phase(call->calls->phases);
    struct prl_leg_conf conf = {.loop = call->calls->conf.loop,
                                .phase_us = (uint32_t)(call->phase + 1) * PRL_LEG_PHASE_US,
                                .session = prl_talk_session(call->talk),
                                .codec = codecs[prl_rtc_codec(call->peer)],
                                .send = send_sound,
                                .send_arg = call};
    enum prl_err err = prl_leg_create(&call->leg, &conf);
    if (err)
        end_call(call, PRL_TALK_CLOSE_INTERNAL, "there is no memory for its sound");
    else
        call->calls->phases[call->phase]++;
}

static void on_session_event(void *arg, const struct prl_session_event *event)
{
    struct call *call = arg;
    // A sideband may have asked for an answer before the client has connected.
    if (event->type == PRL_SESSION_OUTPUT_STARTED)
        need_leg(call);
    if (call->leg)
        prl_leg_on_session(call->leg, event);
}

static void expect_sound(struct call *call)
{
    prl_session_rtp(prl_talk_session(call->talk), true);
    prl_talk_tap(call->talk, on_session_event, call);
}

// ---- the connection's side ----

static void on_connected(void *arg)
{
    struct call *call = arg;
    need_leg(call);
    prl_log(PRL_LOG_INFO, "api", "%s: connected", call->id);
}

static void send_pending(struct call *call)
{
    const char *at = prl_str_text(&call->pending);
    const char *end = at + call->pending.len;
    enum prl_err err = PRL_OK;
    while (at < end && !err) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        err = prl_rtc_send_message(call->peer, at, (size_t)(line_end - at));
        at = line_end + 1;
    }
    prl_str_free(&call->pending);
    if (err && err != PRL_ERR_CANCELED)
        end_call(call, PRL_TALK_CLOSE_SLOW, "the events could not be sent");
}

static void on_channel(void *arg, bool open)
{
    struct call *call = arg;
    call->open = open;
    if (!open || call->end_us)
        return;
    bool missed = call->missed;
    call->missed = false;
    send_pending(call);
    if (missed && call->channel)
        prl_talk_greet(call->channel);
}

static void on_message(void *arg, const char *data, size_t len, bool first, bool last)
{
    struct call *call = arg;
    if (call->channel)
        prl_talk_input(call->channel, data, len, first, last);
}

static void on_packet(void *arg, const struct prl_rtc_packet *packet)
{
    struct call *call = arg;
    if (call->leg)
        prl_leg_packet(call->leg, packet);
}

static void on_report(void *arg, const struct prl_rtc_report *report)
{
    struct call *call = arg;
    struct prl_leg_stats stats;
    if (!call->leg)
        return;
    prl_leg_report(call->leg, report);
    prl_leg_stats(call->leg, &stats);
    prl_rtc_set_buffer(call->peer, stats.in.delay_us);
}

static void on_closed(void *arg, const char *why)
{
    struct call *call = arg;
    char copy[WHY_SIZE];
    (void)prl_str_copy(copy, sizeof(copy), why);
    destroy_call(call, true, copy);
}

static const struct prl_rtc_ops rtc_ops = {.on_connected = on_connected,
                                           .on_channel = on_channel,
                                           .on_message = on_message,
                                           .on_packet = on_packet,
                                           .on_report = on_report,
                                           .on_closed = on_closed};

// ---- an offer ----

// What a request for a call brings.
struct offer {
    struct prl_calls *calls;
    struct prl_http_request *request;
    struct prl_credential credential;
    const char *sdp;
    size_t sdp_size;
    char model[MODEL_SIZE];
    char token[PRL_TALK_TOKEN_SIZE];
    bool returns;
    bool transcription;
    struct prl_json *session;
};

static bool refuse(struct offer *offer, unsigned status, const char *code, const char *param,
                   const char *message)
{
    prl_reply_error(offer->request, status, code, param, message);
    return false;
}

static bool refuse_err(struct offer *offer, enum prl_err err)
{
    switch ((int)err) {
    case PRL_ERR_LIMIT:
        return refuse(offer, 429, "too_many_sessions", NULL,
                      "The server has as many sessions as it may; try again later.");
    case PRL_ERR_NOTFOUND:
        return refuse(offer, 404, "resume_token_invalid", NULL,
                      "No session waits for this resume token.");
    default:
        return refuse(offer, 503, "server_error", NULL, "No call could be created.");
    }
}

static bool parse_session(struct offer *offer, const char *text, size_t size)
{
    char why[160];
    char message[256];
    enum prl_err err = prl_json_parse(&offer->session, text, size, why, sizeof(why));
    if (err == PRL_ERR_NOMEM)
        return refuse_err(offer, err);
    if (!err && prl_json_type(offer->session) == PRL_JSON_OBJECT)
        return true;
    snprintf(message, sizeof(message), "The part 'session' is no JSON object%s%.200s.",
             err ? ": " : "", err ? why : "");
    return refuse(offer, 400, "invalid_json", "session", message);
}

static bool read_form(struct offer *offer, const char *type, const char *body, size_t size)
{
    struct prl_multipart form;
    char why[PRL_MULTIPART_WHY_SIZE];
    char message[256];
    if (prl_multipart_parse(&form, type, body, size, why) != PRL_OK) {
        snprintf(message, sizeof(message), "The form cannot be read: %s.", why);
        return refuse(offer, 400, "invalid_multipart", NULL, message);
    }
    const struct prl_multipart_part *sdp = prl_multipart_find(&form, "sdp");
    const struct prl_multipart_part *session = prl_multipart_find(&form, "session");
    if (!sdp)
        return refuse(offer, 400, "missing_required_parameter", "sdp",
                      "Missing required parameter: 'sdp'.");
    offer->sdp = sdp->data;
    offer->sdp_size = sdp->size;
    if (!session)
        return true;
    if (offer->session || offer->returns)
        return refuse(offer, 400, "invalid_request", "session",
                      offer->returns
                          ? "A session that is resumed keeps its settings: change them with "
                            "session.update."
                          : "The client secret brings the session's settings: change them with "
                            "session.update.");
    return parse_session(offer, session->data, session->size);
}

// The offer, and the settings that come with it.
static bool read_offer(struct offer *offer)
{
    const char *type = prl_http_header(offer->request, "Content-Type");
    size_t size;
    const char *body = prl_http_body(offer->request, &size);
    prl_realtime_model(offer->request, offer->model, sizeof(offer->model));
    if (prl_multipart_type_is(type, "multipart/form-data"))
        return read_form(offer, type, body, size);
    if (!prl_multipart_type_is(type, "application/sdp"))
        return refuse(offer, 415, "unsupported_content_type", "Content-Type",
                      "A call is made with application/sdp or multipart/form-data.");
    offer->sdp = body;
    offer->sdp_size = size;
    return true;
}

// Who asks, and whether there is room, before anything is looked at.
static bool admit(struct offer *offer)
{
    const struct prl_calls_conf *conf = &offer->calls->conf;
    const struct prl_secret *secret;
    if (!prl_credential_read(conf->auth, conf->secrets, offer->request, &offer->credential,
                             &secret)) {
        prl_reply_stranger(offer->request);
        return false;
    }
    if (!conf->rtc)
        return refuse(offer, 501, "webrtc_off", NULL, "This server takes no WebRTC calls.");
    offer->returns = prl_realtime_token(offer->request, offer->token);
    if (!offer->returns && prl_talks_full(conf->talks))
        return refuse_err(offer, PRL_ERR_LIMIT);
    if (!secret || offer->returns)
        return true;
    offer->transcription = secret->transcription;
    if (secret->session && prl_json_parse(&offer->session, secret->session,
                                          secret->session_size - 1, NULL, 0) != PRL_OK)
        return refuse_err(offer, PRL_ERR_NOMEM);
    // With a secret the settings are the secret's, even when it has none of its own.
    return offer->session || parse_session(offer, "{}", 2);
}

// Finds or makes the talk and attaches the call to it.
static enum prl_err join_talk(struct offer *offer, struct call *call, struct prl_problem *problem)
{
    struct prl_talks *talks = offer->calls->conf.talks;
    enum prl_api_dialect dialect = prl_realtime_dialect(offer->request);
    if (offer->returns) {
        struct prl_talks_return wish = {.token = offer->token,
                                        .asker = &offer->credential,
                                        .dialect = dialect,
                                        .track = true,
                                        .ops = &talk_ops,
                                        .arg = call};
        return prl_talks_return(talks, &wish, &call->talk, &call->channel);
    }
    struct prl_talks_wish wish = {.maker = &offer->credential,
                                  .dialect = dialect,
                                  .track = true,
                                  .transcription = offer->transcription,
                                  .model = offer->model,
                                  .session = offer->session};
    enum prl_err err = prl_talks_open(talks, &wish, &call->talk, problem);
    if (err)
        return err;
    err = prl_talk_attach(call->talk, &call->channel, PRL_TALK_OWNER, &talk_ops, call);
    if (err)
        prl_talks_drop(talks, &call->talk);
    return err;
}

static void reply_answer(struct prl_http_request *request, unsigned status,
                         const struct prl_str *answer, const struct call *call)
{
    char location[64];
    snprintf(location, sizeof(location), "/v1/realtime/calls/%s", call->id);
    struct prl_http_header header = {"Location", location};
    struct prl_http_response response = {.status = status,
                                         .content_type = "application/sdp",
                                         .headers = &header,
                                         .header_count = 1,
                                         .body = answer->data,
                                         .body_size = answer->len};
    prl_http_reply(request, &response);
}

static void refuse_sdp(struct prl_http_request *request, enum prl_err err, const char *why)
{
    char message[PRL_RTC_WHY_SIZE + 64];
    snprintf(message, sizeof(message), "The SDP offer cannot be taken: %s", why);
    switch ((int)err) {
    case PRL_ERR_INVALID:
        prl_reply_error(request, 400, "invalid_sdp", "sdp", message);
        break;
    case PRL_ERR_LIMIT:
        prl_reply_error(request, 429, "too_many_calls", NULL,
                        "The server has as many calls as it may; try again later.");
        break;
    case PRL_ERR_CANCELED:
        prl_reply_error(request, 404, "call_not_found", "call_id", "The call has ended.");
        break;
    default:
        prl_reply_error(request, 503, "server_error", NULL, "No call could be created.");
    }
}

static struct call *new_call(struct prl_calls *calls)
{
    struct call *call = prl_mem_zalloc(sizeof(*call));
    if (!call)
        return NULL;
    call->calls = calls;
    prl_str_init(&call->pending, PRL_CALL_PENDING_MAX);
    const char prefix[] = {'r', 't', 'c', '_', prl_talks_digit(calls->conf.talks), '\0'};
    prl_session_make_id(call->id, sizeof(call->id), prefix);
    return call;
}

static void begin_call(struct call *call, const struct prl_http_request *request)
{
    call->next = call->calls->list;
    call->calls->list = call;
    call->calls->count++;
    prl_metrics_add(PRL_METRIC_CALLS, 1);
    char peer[80];
    prl_http_peer(request, peer, sizeof(peer));
    prl_log(PRL_LOG_INFO, "api", "%s: %s called by %s", prl_talk_id(call->talk), call->id, peer);
    prl_talk_greet(call->channel);
}

// The connection is made first: an offer that cannot be answered must not cost a resume token.
static void make_call(struct offer *offer)
{
    struct prl_calls *calls = offer->calls;
    struct prl_str answer;
    struct prl_problem problem = {0};
    char why[PRL_RTC_WHY_SIZE] = "";
    struct call *call = new_call(calls);
    if (!call) {
        (void)refuse_err(offer, PRL_ERR_NOMEM);
        return;
    }
    prl_str_init(&answer, ANSWER_MAX);
    struct prl_rtc_request request = {offer->sdp, offer->sdp_size, &rtc_ops, call};
    enum prl_err err = prl_rtc_offer(calls->conf.rtc, &request, &call->peer, &answer, why);
    bool sdp = err != PRL_OK;
    if (!err)
        err = join_talk(offer, call, &problem);
    if (!err) {
        expect_sound(call);
        begin_call(call, offer->request);
        reply_answer(offer->request, 201, &answer, call);
    } else {
        destroy_call(call, true, "it could not be made");
        if (sdp)
            refuse_sdp(offer->request, err, why);
        else if (problem.code)
            prl_reply_problem(offer->request, 400, &problem);
        else
            (void)refuse_err(offer, err);
    }
    prl_str_free(&answer);
}

static void on_offer(void *arg, struct prl_http_request *request)
{
    struct offer offer = {.calls = arg, .request = request};
    if (admit(&offer) && read_offer(&offer))
        make_call(&offer);
    explicit_bzero(offer.token, sizeof(offer.token));
    prl_json_free(&offer.session);
}

// ---- a call that is going on ----

// The call that the address names, when the asker may steer it; else answers by itself.
static struct call *named_call(struct prl_calls *calls, struct prl_http_request *request)
{
    struct prl_credential credential;
    const struct prl_secret *secret;
    struct prl_talk *talk;
    char id[PRL_SESSION_ID_SIZE] = "";
    if (!prl_credential_read(calls->conf.auth, calls->conf.secrets, request, &credential,
                             &secret)) {
        prl_reply_stranger(request);
        return NULL;
    }
    enum prl_err err = prl_http_rest(request, id, sizeof(id))
                           ? prl_calls_talk(calls, id, &credential, &talk)
                           : PRL_ERR_NOTFOUND;
    if (err == PRL_ERR_NOTFOUND)
        prl_reply_error(request, 404, "call_not_found", "call_id", "There is no such call.");
    else if (err)
        prl_reply_error(request, 403, "call_forbidden", "call_id",
                        "The call was made with another key.");
    return err ? NULL : find_call(calls, id);
}

static void on_hangup(void *arg, struct prl_http_request *request)
{
    struct call *call = named_call(arg, request);
    if (!call)
        return;
    destroy_call(call, false, "hung up");
    struct prl_http_response response = {.status = 200};
    prl_http_reply(request, &response);
}

static void on_reoffer(void *arg, struct prl_http_request *request)
{
    struct call *call = named_call(arg, request);
    char why[PRL_RTC_WHY_SIZE] = "";
    struct prl_str answer;
    size_t size;
    if (!call)
        return;
    if (!prl_multipart_type_is(prl_http_header(request, "Content-Type"), "application/sdp")) {
        prl_reply_error(request, 415, "unsupported_content_type", "Content-Type",
                        "A new offer is sent as application/sdp.");
        return;
    }
    const char *body = prl_http_body(request, &size);
    prl_str_init(&answer, ANSWER_MAX);
    enum prl_err err = prl_rtc_reoffer(call->peer, body, size, &answer, why);
    if (err)
        refuse_sdp(request, err, why);
    else
        reply_answer(request, 200, &answer, call);
    prl_str_free(&answer);
}

enum prl_err prl_calls_route(struct prl_calls *calls, struct prl_http *http)
{
    const struct prl_http_route routes[] = {
        {"POST", "/v1/realtime/calls", BODY_MAX, on_offer, calls},
        {"POST", "/openai/v1/realtime/calls", BODY_MAX, on_offer, calls},
        {"POST", "/v1/realtime", BODY_MAX, on_offer, calls}, // the beta's address
        {"POST", "/v1/realtime/calls/:id", BODY_MAX, on_reoffer, calls},
        {"POST", "/v1/realtime/calls/:id/hangup", BODY_MAX, on_hangup, calls},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        enum prl_err err = prl_http_add_route(http, &routes[i]);
        if (err)
            return err;
    }
    return PRL_OK;
}

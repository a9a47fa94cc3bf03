// upstream.c -- see upstream.h: the servers, and a session's connection to one of them.
#include "upstream/upstream.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/tls.h"
#include "net/url.h"
#include "stt/stt.h"
#include "upstream/upstream_state.h"

enum { US_PER_MS = 1000, URL_MAX = 2300, QUEUE_MAX = 32 << 20 };

static void pick_next(struct prl_upstream *up);

int64_t prl_upstream_now(void)
{
    return prl_clock_now_us();
}

// ---- the servers ----

static bool has_query_of(const char *url, const char *name)
{
    const char *query = strchr(url, '?');
    return query && strstr(query, name);
}

// "https://host/v1" becomes "https://host/v1/realtime?model=…"; a whole address is left as it is.
static enum prl_err add_server(struct prl_upstream_kit *kit, const char *url, const char *model)
{
    if (kit->count == PRL_UPSTREAM_URLS_MAX)
        return PRL_ERR_INVALID;
    struct prl_str text;
    prl_str_init(&text, URL_MAX);
    prl_str_adds(&text, url);
    bool query = strchr(url, '?') != NULL;
    if (!query) {
        while (text.len > 0 && text.data[text.len - 1] == '/')
            text.data[--text.len] = '\0';
        if (!prl_str_ends(prl_str_text(&text), "/realtime"))
            prl_str_adds(&text, "/realtime");
    }
    if (*model && !has_query_of(url, "model=") && !has_query_of(url, "deployment="))
        prl_str_addf(&text, "%cmodel=%s", query ? '&' : '?', model);
    enum prl_err err = text.err;
    struct prl_url parsed;
    if (!err &&
        (strpbrk(prl_str_text(&text), " \r\n") || !prl_url_parse(prl_str_text(&text), &parsed)))
        err = PRL_ERR_INVALID;
    if (!err) {
        struct prl_upstream_server *server = &kit->servers[kit->count];
        snprintf(server->name, sizeof(server->name), "%.70s:%u", parsed.host, parsed.port);
        server->api_key =
            kit->conf.auth == PRL_UPSTREAM_API_KEY ||
            (kit->conf.auth == PRL_UPSTREAM_AUTO && prl_str_ends(parsed.host, ".azure.com"));
        server->url = prl_str_give(&text);
        if (server->url)
            (void)prl_chain_add(&kit->chain, 0, false);
        err = server->url ? PRL_OK : PRL_ERR_NOMEM;
        kit->count += err ? 0 : 1;
    }
    prl_str_free(&text);
    return err;
}

static enum prl_err add_servers(struct prl_upstream_kit *kit, const char *urls, const char *model)
{
    char *copy = prl_mem_strdup(urls);
    if (!copy)
        return PRL_ERR_NOMEM;
    char *rest = NULL;
    enum prl_err err = PRL_OK;
    for (char *url = strtok_r(copy, ", ", &rest); url && !err; url = strtok_r(NULL, ", ", &rest))
        err = add_server(kit, url, model);
    prl_mem_free(copy);
    return !err && kit->count == 0 ? PRL_ERR_INVALID : err;
}

static enum prl_err keep_texts(struct prl_upstream_kit *kit, const struct prl_upstream_conf *conf)
{
    struct prl_str header;
    prl_str_init(&header, 4096);
    prl_str_addf(&header, "Bearer %s", conf->key);
    kit->header = prl_str_give(&header);
    kit->key = prl_mem_strdup(conf->key);
    kit->transcription_model = prl_mem_strdup(conf->transcription_model);
    kit->voice = prl_mem_strdup(conf->voice);
    kit->ca_file = conf->ca_file && conf->ca_file[0] ? prl_mem_strdup(conf->ca_file) : NULL;
    if (!kit->header || !kit->key || !kit->transcription_model || !kit->voice)
        return PRL_ERR_NOMEM;
    return strpbrk(kit->key, "\r\n") ? PRL_ERR_INVALID : PRL_OK;
}

enum prl_err prl_upstream_kit_create(struct prl_upstream_kit **out,
                                     const struct prl_upstream_conf *conf)
{
    struct prl_upstream_kit *kit = *out = prl_mem_zalloc(sizeof(*kit));
    if (!kit)
        return PRL_ERR_NOMEM;
    kit->conf = *conf;
    struct prl_chain_conf chain = {.failures_max = conf->failures_max,
                                   .open_us = conf->open_ms * US_PER_MS};
    prl_chain_init(&kit->chain, &chain);
    enum prl_err err = keep_texts(kit, conf);
    if (!err)
        err = add_servers(kit, conf->urls, conf->model);
    if (err)
        prl_upstream_kit_destroy(out);
    return err;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    prl_mem_free(text);
}

void prl_upstream_kit_destroy(struct prl_upstream_kit **kit)
{
    if (!*kit)
        return;
    PRL_CHECK((*kit)->sessions == 0);
    for (size_t i = 0; i < (*kit)->count; i++)
        prl_mem_free((*kit)->servers[i].url);
    wipe((*kit)->key);
    wipe((*kit)->header);
    prl_mem_free((*kit)->transcription_model);
    prl_mem_free((*kit)->voice);
    prl_mem_free((*kit)->ca_file);
    prl_tls_ctx_destroy(&(*kit)->trust);
    prl_mem_free(*kit);
    *kit = NULL;
}

void prl_upstream_kit_render(const struct prl_upstream_kit *kit, struct prl_str *out)
{
    if (!kit)
        return;
    static const char counter[] = "counter";
    (void)prl_metrics_render_one(out, counter, "parley_upstream_connections_total",
                                 "Connections to upstream servers that opened",
                                 (double)kit->connections);
    (void)prl_metrics_render_one(out, counter, "parley_upstream_refusals_total",
                                 "Connections to upstream servers that did not open",
                                 (double)kit->failures);
    (void)prl_metrics_render_one(out, counter, "parley_upstream_lost_total",
                                 "Connections to upstream servers that broke", (double)kit->lost);
    (void)prl_metrics_render_one(out, counter, "parley_upstream_answers_total",
                                 "Answers that upstream servers gave to their end",
                                 (double)kit->answers);
    (void)prl_metrics_render_one(out, "gauge", "parley_upstream_sessions",
                                 "Sessions with an upstream", (double)kit->sessions);
}

// ---- connecting ----

// A line of a stranger for our log: never with the key in it.
static const char *fit_to_print(const struct prl_upstream *up, const char *text)
{
    return up->kit->key[0] && strstr(text, up->kit->key) ? "(it repeats the key)" : text;
}

// Judges a server without a request: picks and ends one.
static void judge(struct prl_upstream *up, enum prl_outcome outcome)
{
    int64_t now_us = prl_clock_now_us();
    uint32_t others = ~(1u << up->server);
    if (prl_chain_pick(&up->kit->chain, now_us, others) == up->server)
        prl_chain_end(&up->kit->chain, (size_t)up->server, now_us, outcome);
}

void prl_upstream_praise(struct prl_upstream *up)
{
    judge(up, PRL_OUTCOME_OK);
}

static void forget_connection(struct prl_upstream *up)
{
    prl_wsc_destroy(&up->wsc);
    up->ready = false;
    up->lost[0] = '\0';
    up->busy = false;
    up->busy_until_us = 0;
    up->holder = NULL;
    up->commit_count = 0;
    up->voiced = false;
    prl_str_clear(&up->sound);
    prl_str_clear(&up->persona);
    prl_mirror_clear(up->mirror);
    for (struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        ear->sent = 0;
}

// Each failure calls a session, which may open and close streams: begin anew each time.
static void fail_doomed(struct prl_upstream *up, const char *why)
{
    bool some = true;
    while (some) {
        some = false;
        for (struct prl_upstream_ear *ear = up->ears; ear && !some; ear = ear->next)
            if (ear->doomed) {
                ear->doomed = false;
                some = true;
                prl_upstream_fail_ear(ear, why);
                break;
            }
        for (struct prl_upstream_answer *a = up->answers; a && !some; a = a->next)
            if (a->doomed) {
                a->doomed = false;
                some = true;
                prl_upstream_fail_answer(a, why);
                break;
            }
    }
}

static void doom_all(struct prl_upstream *up, const char *why)
{
    for (struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        ear->doomed = ear->job != PRL_JOB_NONE;
    for (struct prl_upstream_answer *a = up->answers; a; a = a->next)
        a->doomed = a->job != PRL_JOB_NONE;
    fail_doomed(up, why);
}

// The connection broke after it was open: what can be asked again is, once.
static void on_lost(struct prl_upstream *up, const char *reason)
{
    char why[128];
    bool waits = false;
    snprintf(why, sizeof(why), "upstream %s: %.60s", up->kit->servers[up->server].name, reason);
    prl_log(PRL_LOG_WARN, "upstream", "%s", fit_to_print(up, why));
    up->kit->lost++;
    judge(up, PRL_OUTCOME_FAILED);
    forget_connection(up);
    for (struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next) {
        if (ear->job == PRL_JOB_ASKED) {
            ear->doomed = ear->attempts >= PRL_UPSTREAM_ATTEMPTS_MAX;
            ear->job = PRL_JOB_WAITING;
            ear->item_id[0] = '\0';
        }
        waits = waits || (ear->job == PRL_JOB_WAITING && !ear->doomed);
    }
    for (struct prl_upstream_answer *a = up->answers; a; a = a->next) {
        if (a->job == PRL_JOB_ASKED) {
            a->doomed = a->handed || a->attempts >= PRL_UPSTREAM_ATTEMPTS_MAX;
            a->job = PRL_JOB_WAITING;
        }
        waits = waits || (a->job == PRL_JOB_WAITING && !a->doomed);
    }
    if (waits) {
        up->tried = 0;
        pick_next(up);
    }
    fail_doomed(up, why);
    prl_upstream_arm(up);
}

static void on_refused(struct prl_upstream *up, const char *reason)
{
    char why[256];
    snprintf(why, sizeof(why), "upstream %s: %.160s", up->kit->servers[up->server].name, reason);
    prl_log(PRL_LOG_WARN, "upstream", "%s", fit_to_print(up, why));
    up->kit->failures++;
    prl_chain_end(&up->kit->chain, (size_t)up->server, prl_clock_now_us(), PRL_OUTCOME_FAILED);
    forget_connection(up);
    pick_next(up);
    if (!up->wsc)
        doom_all(up, fit_to_print(up, why));
    prl_upstream_arm(up);
}

void prl_upstream_lose(struct prl_upstream *up, const char *why)
{
    if (!up->lost[0])
        (void)prl_str_copy(up->lost, sizeof(up->lost), why);
    prl_timer_start(up->timer, 0);
}

static void on_ready(struct prl_upstream *up)
{
    if (up->ready)
        return;
    int64_t now_us = prl_clock_now_us();
    up->ready = true;
    up->kit->connections++;
    prl_chain_first_byte(&up->kit->chain, (size_t)up->server, now_us - up->connect_us);
    prl_chain_end(&up->kit->chain, (size_t)up->server, now_us, PRL_OUTCOME_CANCELED);
    if (prl_upstream_tell_sound(up) == PRL_OK) {
        prl_upstream_ask_ears(up);
        prl_upstream_ask_answers(up);
    }
    prl_upstream_arm(up);
}

static void on_error(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    if (prl_upstream_answer_error(up, event) || prl_upstream_ear_error(up, event))
        return;
    // What is cancelled may have ended by itself, and what is deleted may be gone already.
    if (prl_str_equal(event->code, "response_cancel_not_active"))
        return;
    prl_log(PRL_LOG_WARN, "upstream", "%s: %.60s: %.160s", up->kit->servers[up->server].name,
            event->code, fit_to_print(up, event->message));
    if (prl_str_equal(event->code, "session_expired"))
        prl_upstream_lose(up, "the session expired");
}

static void on_wsc_open(void *arg, const char *subprotocol)
{
    (void)arg;
    (void)subprotocol; // it listens when it has said so: session.created
}

static void on_wsc_text(void *arg, const char *data, size_t len)
{
    struct prl_upstream *up = arg;
    if (up->lost[0])
        return;
    struct prl_upstream_event event;
    struct prl_json *tree = NULL;
    enum prl_err err = prl_upstream_event_parse(&event, &tree, data, len);
    if (err) {
        prl_upstream_lose(up, err == PRL_ERR_NOMEM ? "out of memory" : "it does not speak JSON");
        return;
    }
    switch (event.type) {
    case PRL_UPSTREAM_OTHER:
        break;
    case PRL_UPSTREAM_SESSION:
        on_ready(up);
        break;
    case PRL_UPSTREAM_COMMITTED:
    case PRL_UPSTREAM_TRANSCRIPT:
    case PRL_UPSTREAM_TRANSCRIPT_FAILED:
        if (up->ready)
            prl_upstream_ear_event(up, &event);
        break;
    case PRL_UPSTREAM_CREATED:
    case PRL_UPSTREAM_ITEM:
    case PRL_UPSTREAM_TEXT:
    case PRL_UPSTREAM_AUDIO:
    case PRL_UPSTREAM_CALL:
    case PRL_UPSTREAM_DONE:
        if (up->ready)
            prl_upstream_answer_event(up, &event);
        break;
    case PRL_UPSTREAM_ERROR:
        on_error(up, &event);
        break;
    }
    prl_json_free(&tree);
    prl_upstream_arm(up);
}

static void on_wsc_close(void *arg, uint16_t code, const char *reason)
{
    struct prl_upstream *up = arg;
    char why[200];
    if (code && !*reason)
        snprintf(why, sizeof(why), "closed (%u)", code);
    else
        snprintf(why, sizeof(why), "%.190s", reason);
    for (char *c = why; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (up->ready)
        on_lost(up, why);
    else
        on_refused(up, why);
}

static const struct prl_wsc_ops wsc_ops = {
    .on_open = on_wsc_open, .on_text = on_wsc_text, .on_close = on_wsc_close};

static enum prl_err connect_to(struct prl_upstream *up, int index)
{
    struct prl_upstream_kit *kit = up->kit;
    const struct prl_upstream_server *server = &kit->servers[index];
    struct prl_http_header headers[1] = {
        {server->api_key ? "api-key" : "Authorization", server->api_key ? kit->key : kit->header}};
    struct prl_wsc_conf conf = {.url = server->url,
                                .headers = headers,
                                .header_count = kit->key[0] ? 1 : 0,
                                .ca_file = kit->ca_file,
                                .insecure = kit->conf.insecure,
                                .trust = &kit->trust,
                                .message_size_max = PRL_UPSTREAM_MESSAGE_MAX,
                                .queue_size_max = QUEUE_MAX,
                                .connect_timeout_ms = (int32_t)kit->conf.connect_ms,
                                .ops = &wsc_ops,
                                .arg = up};
    up->server = index;
    up->connect_us = prl_clock_now_us();
    return prl_wsc_create(&up->wsc, up->llm.loop, &conf);
}

// The next server that has not been tried; up->wsc stays NULL when there is none.
static void pick_next(struct prl_upstream *up)
{
    for (;;) {
        int64_t now_us = prl_clock_now_us();
        int index = prl_chain_pick(&up->kit->chain, now_us, up->tried);
        if (index < 0)
            return;
        up->tried |= 1u << index;
        if (connect_to(up, index) == PRL_OK)
            return;
        prl_chain_end(&up->kit->chain, (size_t)index, now_us, PRL_OUTCOME_CANCELED);
    }
}

enum prl_err prl_upstream_want(struct prl_upstream *up)
{
    if (!up->wsc) {
        up->tried = 0;
        pick_next(up);
        prl_upstream_arm(up);
    }
    return up->wsc ? PRL_OK : PRL_ERR_ENGINE;
}

enum prl_err prl_upstream_send(struct prl_upstream *up)
{
    enum prl_err err = up->out.err;
    if (!err)
        err = prl_wsc_send_text(up->wsc, prl_str_text(&up->out), up->out.len);
    prl_str_clear(&up->out);
    if (err)
        prl_upstream_lose(up, err == PRL_ERR_FULL ? "it does not read" : prl_err_name(err));
    return err;
}

// Sends what was written unless it is what was sent before.
static enum prl_err send_new(struct prl_upstream *up, struct prl_str *last)
{
    if (!up->out.err && last->len == up->out.len &&
        memcmp(prl_str_text(last), prl_str_text(&up->out), up->out.len) == 0) {
        prl_str_clear(&up->out);
        return PRL_OK;
    }
    prl_str_clear(last);
    enum prl_err err = prl_str_add(last, prl_str_text(&up->out), up->out.len);
    if (!err)
        return prl_upstream_send(up);
    prl_upstream_lose(up, prl_err_name(err));
    return err;
}

enum prl_err prl_upstream_tell_sound(struct prl_upstream *up)
{
    struct prl_ask_sound wish = {.voice = up->kit->voice[0] ? up->kit->voice : up->voice,
                                 .speed = up->speed,
                                 .transcription_model = up->kit->transcription_model,
                                 .language = up->language};
    prl_ask_sound(&up->out, &wish);
    return send_new(up, &up->sound);
}

enum prl_err prl_upstream_tell_persona(struct prl_upstream *up, const struct prl_llm_prompt *prompt)
{
    prl_ask_persona(&up->out, prompt);
    return send_new(up, &up->persona);
}

// ---- time ----

static void sooner(int64_t *at_us, int64_t deadline_us)
{
    if (deadline_us > 0 && deadline_us < *at_us)
        *at_us = deadline_us;
}

void prl_upstream_arm(struct prl_upstream *up)
{
    int64_t at_us = INT64_MAX;
    if (up->lost[0]) {
        prl_timer_start(up->timer, 0);
        return;
    }
    if (up->wsc && !up->ready)
        sooner(&at_us, up->connect_us + up->kit->conf.connect_ms * US_PER_MS);
    sooner(&at_us, up->busy_until_us);
    for (const struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        sooner(&at_us, ear->job != PRL_JOB_NONE ? ear->deadline_us : 0);
    for (const struct prl_upstream_answer *a = up->answers; a; a = a->next)
        sooner(&at_us, a->job != PRL_JOB_NONE && !up->holder ? a->deadline_us : 0);
    if (at_us == INT64_MAX)
        prl_timer_stop(up->timer);
    else
        prl_timer_start(up->timer, at_us);
}

// What is overdue is given up; the connection with it, for who is silent once will be silent again.
static bool find_overdue(struct prl_upstream *up, int64_t now_us)
{
    bool some = up->busy_until_us > 0 && now_us >= up->busy_until_us;
    for (struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        if (ear->job != PRL_JOB_NONE && now_us >= ear->deadline_us) {
            ear->attempts = PRL_UPSTREAM_ATTEMPTS_MAX;
            ear->job = PRL_JOB_ASKED;
            some = true;
        }
    for (struct prl_upstream_answer *a = up->answers; a; a = a->next)
        if (a->job != PRL_JOB_NONE && !up->holder && now_us >= a->deadline_us) {
            a->attempts = PRL_UPSTREAM_ATTEMPTS_MAX;
            a->job = PRL_JOB_ASKED;
            some = true;
        }
    return some;
}

static void on_timer(void *arg)
{
    struct prl_upstream *up = arg;
    int64_t now_us = prl_clock_now_us();
    static const char silent[] = "no answer in time";
    char why[sizeof(up->lost)];
    (void)prl_str_copy(why, sizeof(why), up->lost);
    if (!why[0] && find_overdue(up, now_us))
        (void)prl_str_copy(why, sizeof(why), silent);
    if (up->wsc && !up->ready &&
        (why[0] || now_us >= up->connect_us + up->kit->conf.connect_ms * US_PER_MS))
        on_refused(up, why[0] ? why : silent);
    else if (why[0] && up->wsc)
        on_lost(up, why);
    else if (why[0]) {
        up->lost[0] = '\0';
        doom_all(up, why);
    } else
        prl_upstream_arm(up);
}

// ---- a session's ----

enum prl_err prl_upstream_create(struct prl_upstream **out, struct prl_upstream_kit *kit)
{
    struct prl_upstream *up = *out = prl_mem_zalloc(sizeof(*up));
    if (!up)
        return PRL_ERR_NOMEM;
    up->kit = kit;
    kit->sessions++;
    up->llm = (struct prl_llm){.ops = &prl_upstream_llm_ops, .loop = kit->conf.loop};
    prl_str_init(&up->out, PRL_UPSTREAM_MESSAGE_MAX);
    prl_str_init(&up->sound, PRL_UPSTREAM_MESSAGE_MAX);
    prl_str_init(&up->persona, PRL_UPSTREAM_MESSAGE_MAX);
    struct prl_stt_conf stt = {
        .loop = kit->conf.loop, .front = &prl_upstream_stt_ops, .front_conf = &up};
    enum prl_err err = prl_mirror_create(&up->mirror);
    if (!err)
        err = prl_timer_create(&up->timer, kit->conf.loop, "upstream", on_timer, up);
    if (!err)
        err = prl_stt_create(&up->stt, &stt);
    if (err)
        prl_upstream_destroy(out);
    return err;
}

void prl_upstream_destroy(struct prl_upstream **upstream)
{
    struct prl_upstream *up = *upstream;
    if (!up)
        return;
    PRL_CHECK(!up->answers && !up->ears);
    up->kit->sessions--;
    if (up->wsc && !up->ready)
        prl_chain_end(&up->kit->chain, (size_t)up->server, prl_clock_now_us(),
                      PRL_OUTCOME_CANCELED);
    prl_wsc_destroy(&up->wsc);
    prl_stt_destroy(&up->stt);
    prl_timer_destroy(&up->timer);
    prl_mirror_destroy(&up->mirror);
    prl_str_free(&up->out);
    prl_str_free(&up->sound);
    prl_str_free(&up->persona);
    prl_mem_free(up);
    *upstream = NULL;
}

struct prl_stt *prl_upstream_stt(struct prl_upstream *upstream)
{
    return upstream->stt;
}

struct prl_llm *prl_upstream_llm(struct prl_upstream *upstream)
{
    return &upstream->llm;
}

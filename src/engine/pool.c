// pool.c -- see pool.h.
#include "engine/pool.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/tail.h"
#include "net/loop.h"
#include "net/url.h"

enum {
    URL_MAX = 2048,
    PROBE_MS = 2000,
    WAIT_MS = 4000,
    PROBE_BODY_MAX = 4 << 20,
    LOG_GAP_US = 1000000
};

static const uint32_t buckets_ms[PRL_POOL_BUCKETS] = {25,  50,   100,  200,  400,
                                                      800, 1500, 3000, 6000, 15000};

struct engine {
    struct prl_pool *pool; // borrowed
    struct prl_pool_engine conf;
    char *texts[7]; // owned: what conf points to
    char name[PRL_POOL_NAME_SIZE];
    struct prl_fetch_request *probe;
    bool warming; // the probe is not the breaker's
    int64_t logged_us;
    int64_t contact_us; // it answered last
    uint64_t requests, canceled, refused, warmed;
    uint64_t failures[PRL_FETCH_FAILURES];
    uint64_t buckets[PRL_POOL_BUCKETS];
    uint64_t first_count, first_sum_us;
};

struct prl_pool {
    struct prl_loop *loop;
    struct prl_fetch *fetch;
    const char *kind;
    struct prl_fetch_limits limits;
    int64_t warm_us;
    struct prl_links *links; // owned; NULL: all are over HTTP
    struct prl_chain chain;
    struct prl_tail tail;
    struct prl_timer *timer; // owned; the next probe
    struct engine engines[PRL_CHAIN_MAX];
    size_t count;
};

// ---- probes ----

static void plan_probe(struct prl_pool *pool)
{
    int64_t at_us = prl_chain_probe_at(&pool->chain);
    if (at_us != INT64_MAX)
        prl_timer_start(pool->timer, at_us);
}

static void on_probe_data(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

// Any answer but a server's error shows that it is there; which models it has is no matter here.
static void on_probe_end(void *arg, const struct prl_fetch_end *end)
{
    struct engine *engine = arg;
    struct prl_pool *pool = engine->pool;
    engine->probe = NULL;
    bool good = end->failure == PRL_FETCH_OK ||
                (end->failure == PRL_FETCH_STATUS && (end->status == 404 || end->status == 405));
    int64_t now_us = prl_loop_now_us(pool->loop);
    if (end->status != 0)
        engine->contact_us = now_us;
    if (engine->warming) {
        engine->warming = false;
        if (good || now_us - engine->logged_us < LOG_GAP_US)
            return;
        engine->logged_us = now_us;
        prl_log(PRL_LOG_WARN, pool->kind, "%s does not answer yet: %s", engine->name, end->why);
        return;
    }
    if (good)
        prl_log(PRL_LOG_INFO, pool->kind, "%s answers again", engine->name);
    prl_chain_probed(&pool->chain, (size_t)(engine - pool->engines), now_us, good);
    plan_probe(pool);
}

static const struct prl_fetch_ops probe_ops = {NULL, on_probe_data, on_probe_end};

static enum prl_err start_probe(struct engine *engine)
{
    char url[URL_MAX];
    snprintf(url, sizeof(url), "%s/models", engine->conf.url);
    struct prl_fetch_ask ask = {.method = "GET",
                                .url = url,
                                .bearer = engine->conf.key,
                                .limits = {.connect_ms = engine->conf.limits.connect_ms,
                                           .first_byte_ms = PROBE_MS,
                                           .gap_ms = PROBE_MS,
                                           .total_ms = 2 * PROBE_MS,
                                           .body_max = PROBE_BODY_MAX},
                                .ops = &probe_ops,
                                .arg = engine};
    return prl_fetch_start(engine->pool->fetch, &ask, &engine->probe);
}

static void on_timer(void *arg)
{
    struct prl_pool *pool = arg;
    int64_t now_us = prl_loop_now_us(pool->loop);
    int index;
    while ((index = prl_chain_next_probe(&pool->chain, now_us)) >= 0) {
        struct engine *engine = &pool->engines[index];
        prl_fetch_cancel(&engine->probe);
        engine->warming = false;
        if (start_probe(engine) != PRL_OK)
            prl_chain_probed(&pool->chain, (size_t)index, now_us, false);
    }
    plan_probe(pool);
}

void prl_pool_warm(struct prl_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        struct engine *engine = &pool->engines[i];
        engine->warming = engine->conf.url && engine->conf.way == PRL_POOL_HTTP && !engine->probe &&
                          start_probe(engine) == PRL_OK;
    }
}

static void warm_engine(struct engine *engine, const char *(*path)(enum prl_pool_way way))
{
    struct prl_pool *pool = engine->pool;
    const struct prl_pool_engine *conf = &engine->conf;
    if (conf->way != PRL_POOL_HTTP) {
        char url[URL_MAX];
        snprintf(url, sizeof(url), "%s%s", conf->url, path ? path(conf->way) : "");
        const struct prl_link_to to = {url, conf->key, conf->limits.connect_ms};
        engine->warmed += prl_links_warm(pool->links, &to);
    } else if (!engine->probe &&
               prl_loop_now_us(pool->loop) - engine->contact_us >= pool->warm_us) {
        engine->warming = start_probe(engine) == PRL_OK;
        engine->warmed += engine->warming;
    }
}

void prl_pool_warm_next(struct prl_pool *pool, const char *(*path)(enum prl_pool_way way))
{
    int next = pool->warm_us > 0 ? prl_pool_peek(pool, 0) : -1;
    for (size_t i = 0; next >= 0 && i < pool->count; i++) {
        const struct prl_chain_engine *state = &pool->chain.engines[i];
        bool same = state->rank == pool->chain.engines[next].rank;
        if (same && pool->engines[i].conf.url && state->breaker == PRL_BREAKER_CLOSED)
            warm_engine(&pool->engines[i], path);
    }
}

// ---- life ----

// Host and port for people and for metrics; two of one name get their numbers.
static bool name_engine(struct engine *engine)
{
    const struct prl_pool *pool = engine->pool;
    struct prl_url url;
    if (!engine->conf.url) {
        snprintf(engine->name, sizeof(engine->name), "embedded");
        return true;
    }
    if (strlen(engine->conf.url) > URL_MAX - 64 || !prl_url_parse(engine->conf.url, &url) ||
        (engine->conf.url[0] | 0x20) != (engine->conf.way == PRL_POOL_HTTP ? 'h' : 'w'))
        return false;
    snprintf(engine->name, sizeof(engine->name), "%.65s:%u", url.host, url.port);
    for (const struct engine *other = pool->engines; other < engine; other++)
        if (strcmp(other->name, engine->name) == 0) {
            snprintf(engine->name, sizeof(engine->name), "%.65s:%u#%d", url.host, url.port,
                     (int)(engine - pool->engines));
            break;
        }
    return true;
}

// An engine's own limits, else the pool's.
static struct prl_fetch_limits limits_of(const struct prl_pool *pool,
                                         const struct prl_fetch_limits *own)
{
    struct prl_fetch_limits limits = pool->limits;
    if (own->connect_ms > 0)
        limits.connect_ms = own->connect_ms;
    if (own->first_byte_ms > 0)
        limits.first_byte_ms = own->first_byte_ms;
    if (own->gap_ms > 0)
        limits.gap_ms = own->gap_ms;
    if (own->total_ms > 0)
        limits.total_ms = own->total_ms;
    return limits;
}

static enum prl_err copy_engine(struct prl_pool *pool, const struct prl_pool_engine *conf)
{
    struct engine *engine = &pool->engines[pool->count++];
    const char *texts[] = {conf->url,
                           conf->model ? conf->model : "",
                           conf->voice ? conf->voice : "",
                           conf->key ? conf->key : "",
                           conf->extra ? conf->extra : "",
                           conf->format ? conf->format : "",
                           conf->language ? conf->language : ""};
    engine->pool = pool;
    engine->logged_us = -LOG_GAP_US;
    engine->contact_us = -pool->warm_us;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        engine->texts[i] = prl_mem_strdup(texts[i]);
        if (texts[i] && !engine->texts[i])
            return PRL_ERR_NOMEM;
    }
    char *url = engine->texts[0];
    while (url && url[0] && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
    engine->conf = (struct prl_pool_engine){.way = conf->way,
                                            .url = url,
                                            .model = engine->texts[1],
                                            .voice = engine->texts[2],
                                            .key = engine->texts[3],
                                            .extra = engine->texts[4],
                                            .format = engine->texts[5],
                                            .language = engine->texts[6],
                                            .rank = conf->rank,
                                            .limits = limits_of(pool, &conf->limits),
                                            .hedge = conf->hedge};
    if (url)
        pool->tail.engines[engine - pool->engines].percentile = conf->hedge;
    prl_chain_add(&pool->chain, conf->rank, url != NULL && conf->way == PRL_POOL_HTTP);
    if (!name_engine(engine) || strpbrk(engine->conf.key, "\r\n"))
        return PRL_ERR_INVALID;
    return PRL_OK;
}

static enum prl_err create_links(struct prl_pool *pool, const struct prl_pool_conf *conf)
{
    struct prl_links_conf links = {
        .loop = conf->loop, .ca_file = conf->ca_file, .insecure = conf->insecure};
    return prl_links_create(&pool->links, &links);
}

enum prl_err prl_pool_create(struct prl_pool **out, const struct prl_pool_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->count >= 1 && conf->count <= PRL_CHAIN_MAX);
    *out = NULL;
    struct prl_pool *pool = prl_mem_zalloc(sizeof(*pool));
    if (!pool)
        return PRL_ERR_NOMEM;
    pool->loop = conf->loop;
    pool->fetch = conf->fetch;
    pool->kind = conf->kind;
    pool->limits = conf->limits;
    pool->warm_us = conf->warm_us;
    if (pool->limits.first_byte_ms <= 0)
        pool->limits.first_byte_ms = WAIT_MS;
    if (pool->limits.gap_ms <= 0)
        pool->limits.gap_ms = WAIT_MS;
    prl_chain_init(&pool->chain, &conf->chain);
    prl_tail_init(&pool->tail, conf->hedge_share_percent);
    enum prl_err err = prl_timer_create(&pool->timer, conf->loop, "engine probe", on_timer, pool);
    for (size_t i = 0; i < conf->count && !err; i++)
        err = copy_engine(pool, &conf->engines[i]);
    bool http = false, links = false;
    for (size_t i = 0; i < pool->count; i++) {
        http = http || (pool->engines[i].conf.url && pool->engines[i].conf.way == PRL_POOL_HTTP);
        links = links || pool->engines[i].conf.way != PRL_POOL_HTTP;
    }
    if (!err && http && !pool->fetch)
        err = PRL_ERR_INVALID;
    if (!err && links)
        err = create_links(pool, conf);
    if (err)
        prl_pool_destroy(&pool);
    *out = pool;
    return err;
}

void prl_pool_destroy(struct prl_pool **pool)
{
    PRL_CHECK(pool != NULL);
    if (!*pool)
        return;
    for (size_t i = 0; i < (*pool)->count; i++) {
        struct engine *engine = &(*pool)->engines[i];
        prl_fetch_cancel(&engine->probe);
        if (engine->texts[3])
            explicit_bzero(engine->texts[3], strlen(engine->texts[3]));
        for (size_t k = 0; k < sizeof(engine->texts) / sizeof(engine->texts[0]); k++)
            prl_mem_free(engine->texts[k]);
    }
    prl_links_destroy(&(*pool)->links);
    prl_timer_destroy(&(*pool)->timer);
    prl_mem_free(*pool);
    *pool = NULL;
}

// ---- requests ----

int prl_pool_pick(struct prl_pool *pool, uint32_t tried)
{
    int index = prl_chain_pick(&pool->chain, prl_loop_now_us(pool->loop), tried);
    if (index < 0)
        return index;
    pool->engines[index].requests++;
    prl_tail_asked(&pool->tail, (size_t)index);
    return index;
}

int64_t prl_pool_second_after_us(const struct prl_pool *pool, int index)
{
    return prl_tail_after_us(&pool->tail, (size_t)index);
}

int prl_pool_pick_second(struct prl_pool *pool, int index)
{
    uint32_t others = 0;
    if (!prl_tail_can_spend(&pool->tail))
        return -1;
    for (size_t i = 0; i < pool->count; i++) {
        const struct prl_pool_engine *engine = &pool->engines[i].conf;
        bool twin =
            engine->url && (int)i != index && engine->rank == pool->engines[index].conf.rank;
        others |= twin ? 0 : UINT32_C(1) << i;
    }
    int second = prl_pool_pick(pool, others);
    if (second < 0)
        second = prl_pool_pick(pool, ~(UINT32_C(1) << index));
    if (second >= 0)
        prl_tail_spend(&pool->tail, (size_t)second);
    return second;
}

void prl_pool_second_won(struct prl_pool *pool, int index)
{
    pool->tail.engines[index].won++;
}

void prl_pool_took(struct prl_pool *pool, int index, int64_t took_us)
{
    prl_tail_seen(&pool->tail, (size_t)index, took_us);
}

struct prl_loop *prl_pool_loop(const struct prl_pool *pool)
{
    return pool->loop;
}

void prl_pool_first_byte(struct prl_pool *pool, int index, int64_t latency_us)
{
    PRL_CHECK(index >= 0 && (size_t)index < pool->count);
    struct engine *engine = &pool->engines[index];
    prl_chain_first_byte(&pool->chain, (size_t)index, latency_us);
    engine->first_count++;
    engine->first_sum_us += latency_us > 0 ? (uint64_t)latency_us : 0;
    for (int i = 0; i < PRL_POOL_BUCKETS; i++)
        engine->buckets[i] += latency_us <= (int64_t)buckets_ms[i] * 1000;
}

static void log_failure(struct engine *engine, enum prl_breaker before, const char *why)
{
    struct prl_pool *pool = engine->pool;
    enum prl_breaker after = pool->chain.engines[engine - pool->engines].breaker;
    int64_t now_us = prl_loop_now_us(pool->loop);
    bool opened = after == PRL_BREAKER_OPEN && before != PRL_BREAKER_OPEN;
    if (!opened && now_us - engine->logged_us < LOG_GAP_US)
        return;
    engine->logged_us = now_us;
    prl_log(PRL_LOG_WARN, pool->kind, "%s failed: %s%s", engine->name,
            why ? why : "no reason given", opened ? "; it is left out until it answers again" : "");
}

void prl_pool_end(struct prl_pool *pool, int index, enum prl_outcome outcome,
                  enum prl_fetch_failure failure, const char *why)
{
    PRL_CHECK(index >= 0 && (size_t)index < pool->count);
    struct engine *engine = &pool->engines[index];
    enum prl_breaker before = pool->chain.engines[index].breaker;
    prl_chain_end(&pool->chain, (size_t)index, prl_loop_now_us(pool->loop), outcome);
    if (outcome == PRL_OUTCOME_OK)
        engine->contact_us = prl_loop_now_us(pool->loop);
    engine->canceled += outcome == PRL_OUTCOME_CANCELED;
    engine->refused += outcome == PRL_OUTCOME_REFUSED;
    if (outcome == PRL_OUTCOME_FAILED)
        engine->failures[failure]++;
    if (outcome == PRL_OUTCOME_FAILED || outcome == PRL_OUTCOME_REFUSED)
        log_failure(engine, before, why);
    plan_probe(pool);
}

enum prl_outcome prl_pool_outcome(const struct prl_fetch_end *end)
{
    if (end->failure == PRL_FETCH_OK)
        return PRL_OUTCOME_OK;
    bool ours = end->failure == PRL_FETCH_STATUS && (end->status == 400 || end->status == 413 ||
                                                     end->status == 415 || end->status == 422);
    return ours ? PRL_OUTCOME_REFUSED : PRL_OUTCOME_FAILED;
}

const struct prl_pool_engine *prl_pool_at(const struct prl_pool *pool, int index)
{
    PRL_CHECK(index >= 0 && (size_t)index < pool->count);
    return &pool->engines[index].conf;
}

const char *prl_pool_name(const struct prl_pool *pool, int index)
{
    PRL_CHECK(index >= 0 && (size_t)index < pool->count);
    return pool->engines[index].name;
}

bool prl_pool_has_far(const struct prl_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->engines[i].conf.url)
            return true;
    return false;
}

bool prl_pool_has_links(const struct prl_pool *pool)
{
    return pool->links != NULL;
}

enum prl_err prl_pool_post(struct prl_pool *pool, int index, const char *path,
                           const struct prl_fetch_ask *ask, struct prl_fetch_request **out)
{
    const struct prl_pool_engine *engine = prl_pool_at(pool, index);
    PRL_CHECK(engine->url != NULL);
    char url[URL_MAX];
    struct prl_fetch_ask full = *ask;
    snprintf(url, sizeof(url), "%s%s", engine->url, path);
    full.method = "POST";
    full.url = url;
    full.bearer = engine->key;
    full.limits = engine->limits;
    return prl_fetch_start(pool->fetch, &full, out);
}

enum prl_err prl_pool_link(struct prl_pool *pool, int index, const char *path,
                           const struct prl_link_ops *ops, void *arg, struct prl_link **out)
{
    const struct prl_pool_engine *engine = prl_pool_at(pool, index);
    PRL_CHECK(engine->url != NULL && engine->way != PRL_POOL_HTTP);
    char url[URL_MAX];
    snprintf(url, sizeof(url), "%s%s", engine->url, path);
    const struct prl_link_to to = {url, engine->key, engine->limits.connect_ms};
    return prl_link_take(pool->links, &to, ops, arg, out);
}

const struct prl_fetch_limits *prl_pool_limits(const struct prl_pool *pool, int index)
{
    return &prl_pool_at(pool, index)->limits;
}

int prl_pool_peek(const struct prl_pool *pool, uint32_t tried)
{
    struct prl_chain copy = pool->chain;
    return prl_chain_pick(&copy, prl_loop_now_us(pool->loop), tried);
}

// ---- metrics ----

static void render_counts(const struct prl_pool *pool, size_t i, struct prl_str *out)
{
    const struct engine *engine = &pool->engines[i];
    for (int k = PRL_FETCH_CONNECT; k < PRL_FETCH_FAILURES; k++)
        (void)prl_str_addf(out,
                           "parley_engine_failures_total{kind=\"%s\",engine=\"%s\",failure=\"%s\"} "
                           "%llu\n",
                           pool->kind, engine->name,
                           prl_fetch_failure_name((enum prl_fetch_failure)k),
                           (unsigned long long)engine->failures[k]);
}

static void render_first_byte(const struct prl_pool *pool, size_t i, struct prl_str *out)
{
    static const char name[] = "parley_engine_first_byte_seconds";
    const struct engine *engine = &pool->engines[i];
    for (int b = 0; b < PRL_POOL_BUCKETS; b++)
        (void)prl_str_addf(out, "%s_bucket{kind=\"%s\",engine=\"%s\",le=\"%g\"} %llu\n", name,
                           pool->kind, engine->name, buckets_ms[b] / 1e3,
                           (unsigned long long)engine->buckets[b]);
    (void)prl_str_addf(out,
                       "%s_bucket{kind=\"%s\",engine=\"%s\",le=\"+Inf\"} %llu\n"
                       "%s_sum{kind=\"%s\",engine=\"%s\"} %.6f\n"
                       "%s_count{kind=\"%s\",engine=\"%s\"} %llu\n",
                       name, pool->kind, engine->name, (unsigned long long)engine->first_count,
                       name, pool->kind, engine->name, (double)engine->first_sum_us / 1e6, name,
                       pool->kind, engine->name, (unsigned long long)engine->first_count);
}

enum metric {
    REQUESTS,
    CANCELED,
    REFUSED,
    WARMED,
    HEDGES,
    HEDGES_WON,
    FAILURES,
    BREAKER,
    IN_FLIGHT,
    FIRST_BYTE,
    METRIC_COUNT
};

static const struct {
    const char *name, *type, *help;
} metrics[METRIC_COUNT] = {
    [REQUESTS] = {"parley_engine_requests_total", "counter", "Requests given to an engine"},
    [CANCELED] = {"parley_engine_canceled_total", "counter", "Of these, nobody waited any more"},
    [REFUSED] = {"parley_engine_refused_total", "counter", "Of these, refused as malformed"},
    [WARMED] = {"parley_engine_warmed_total", "counter",
                "Connections asked for before they were needed"},
    [HEDGES] = {"parley_engine_hedges_total", "counter",
                "Of these, second ones because the first was slow"},
    [HEDGES_WON] = {"parley_engine_hedges_won_total", "counter",
                    "Of the second ones, those that were answered first"},
    [FAILURES] = {"parley_engine_failures_total", "counter", "Of these, failed by the engine"},
    [BREAKER] = {"parley_engine_breaker_open", "gauge",
                 "1 while an engine is left out, 0.5 while it is tried again"},
    [IN_FLIGHT] = {"parley_engine_in_flight", "gauge", "Requests under way"},
    [FIRST_BYTE] = {"parley_engine_first_byte_seconds", "histogram",
                    "Request to first useful byte"},
};

static void render_engine(const struct prl_pool *pool, size_t i, enum metric metric,
                          struct prl_str *out)
{
    const struct engine *engine = &pool->engines[i];
    const struct prl_chain_engine *state = &pool->chain.engines[i];
    double value = 0;
    switch (metric) {
    case REQUESTS:
        value = (double)engine->requests;
        break;
    case CANCELED:
        value = (double)engine->canceled;
        break;
    case REFUSED:
        value = (double)engine->refused;
        break;
    case WARMED:
        value = (double)engine->warmed;
        break;
    case HEDGES:
        value = (double)pool->tail.engines[i].sent;
        break;
    case HEDGES_WON:
        value = (double)pool->tail.engines[i].won;
        break;
    case BREAKER:
        value = state->breaker == PRL_BREAKER_CLOSED ? 0
                : state->breaker == PRL_BREAKER_OPEN ? 1
                                                     : 0.5;
        break;
    case IN_FLIGHT:
        value = (double)state->in_flight;
        break;
    case FAILURES:
        render_counts(pool, i, out);
        return;
    case FIRST_BYTE:
        render_first_byte(pool, i, out);
        return;
    case METRIC_COUNT:
        return;
    }
    (void)prl_str_addf(out, "%s{kind=\"%s\",engine=\"%s\"} %.15g\n", metrics[metric].name,
                       pool->kind, engine->name, value);
}

void prl_pool_render(struct prl_pool *const *pools, size_t count, struct prl_str *out)
{
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        bool told = false;
        for (size_t p = 0; p < count; p++) {
            if (!pools[p])
                continue;
            if (!told)
                (void)prl_str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[metric].name,
                                   metrics[metric].help, metrics[metric].name,
                                   metrics[metric].type);
            told = true;
            for (size_t i = 0; i < pools[p]->count; i++)
                render_engine(pools[p], i, (enum metric)metric, out);
        }
    }
}

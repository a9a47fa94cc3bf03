// hedge.c -- see hedge.h.
#include "engine/hedge.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop.h"

enum { TYPE_SIZE = 128 };

struct leg {
    struct prl_hedge *hedge;
    void *request; // of the way
    int engine;
    bool live; // picked, and not yet ended in the pool by us
    bool any;  // something of its body came
    int64_t start_us;
    unsigned status; // of a head that is not handed on yet; 0: none
    char type[TYPE_SIZE];
};

struct prl_hedge {
    struct prl_pool *pool;
    const struct prl_hedge_way *way;
    struct prl_hedge_who *who; // borrowed
    const struct prl_fetch_ops *ops;
    void *arg;
    struct prl_timer *timer; // owned; NULL: no second request
    void *kept;              // owned, of the way; for the second one
    struct leg legs[2];
    struct leg *winner; // NULL: not known yet
    unsigned busy;      // callbacks on the stack
    bool dead;          // cancelled in one of them
};

// ---- over HTTP ----

struct post {
    const char *path; // borrowed
    struct prl_fetch_ask fetch;
};

static enum prl_err start_post(struct prl_pool *pool, int engine, const void *ask,
                               const struct prl_fetch_ops *ops, void *arg, void **out)
{
    const struct post *post = ask;
    struct prl_fetch_ask fetch = post->fetch;
    struct prl_fetch_request *request = NULL;
    fetch.ops = ops;
    fetch.arg = arg;
    enum prl_err err = prl_pool_post(pool, engine, post->path, &fetch, &request);
    *out = request;
    return err;
}

static void cancel_post(void **at)
{
    struct prl_fetch_request *request = *at;
    prl_fetch_cancel(&request);
    *at = NULL;
}

static void forget_post(void *kept)
{
    struct post *post = kept;
    union {
        const void *in;
        void *out;
    } body = {.in = post->fetch.body}, type = {.in = post->fetch.content_type};
    prl_mem_free(body.out);
    prl_mem_free(type.out);
    prl_mem_free(post);
}

static void *keep_post(const void *ask)
{
    const struct post *post = ask;
    struct post *kept = prl_mem_dup(post, sizeof(*post));
    if (!kept)
        return NULL;
    kept->fetch.body = prl_mem_dup(post->fetch.body, post->fetch.body_size);
    kept->fetch.content_type = prl_mem_strdup(post->fetch.content_type);
    if (kept->fetch.body && kept->fetch.content_type)
        return kept;
    forget_post(kept);
    return NULL;
}

static const struct prl_hedge_way post_way = {start_post, cancel_post, keep_post, forget_post};

// ---- life ----

static void forget_ask(struct prl_hedge *hedge)
{
    prl_timer_destroy(&hedge->timer);
    if (hedge->kept)
        hedge->way->forget(hedge->kept);
    hedge->kept = NULL;
}

static void free_hedge(struct prl_hedge *hedge)
{
    PRL_CHECK(hedge->busy == 0);
    for (int i = 0; i < 2; i++)
        hedge->way->cancel(&hedge->legs[i].request);
    forget_ask(hedge);
    prl_mem_free(hedge);
}

static void settle(struct prl_hedge *hedge)
{
    if (hedge->dead && hedge->busy == 0)
        free_hedge(hedge);
}

static struct leg *other_of(struct leg *leg)
{
    return leg == &leg->hedge->legs[0] ? &leg->hedge->legs[1] : &leg->hedge->legs[0];
}

static void show(struct leg *leg)
{
    struct prl_hedge_who *who = leg->hedge->who;
    who->engine = leg->engine;
    who->start_us = leg->start_us;
}

// Ends a leg of which the caller hears nothing.
static void lose(struct leg *leg, enum prl_outcome outcome, enum prl_fetch_failure failure,
                 const char *why)
{
    leg->live = false;
    leg->hedge->way->cancel(&leg->request);
    prl_pool_end(leg->hedge->pool, leg->engine, outcome, failure, why);
}

static void win(struct leg *leg)
{
    struct prl_hedge *hedge = leg->hedge;
    struct leg *other = other_of(leg);
    hedge->winner = leg;
    show(leg);
    if (other->live) {
        // How long it would have taken is not known, but that it was slow by then. Without this the slow
        // would never be counted, and the percentile fall for ever.
        if (leg == &hedge->legs[1])
            prl_pool_took(hedge->pool, other->engine, leg->start_us - other->start_us);
        lose(other, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
    }
    if (leg == &hedge->legs[1])
        prl_pool_second_won(hedge->pool, leg->engine);
    forget_ask(hedge);
    if (leg->status && hedge->ops->on_head)
        hedge->ops->on_head(hedge->arg, leg->status, leg->type);
}

// ---- what a request tells ----

static void on_head(void *arg, unsigned status, const char *type)
{
    struct leg *leg = arg;
    struct prl_hedge *hedge = leg->hedge;
    leg->status = status;
    (void)prl_str_copy(leg->type, sizeof(leg->type), type);
    if (hedge->winner != leg || !hedge->ops->on_head)
        return;
    hedge->busy++;
    hedge->ops->on_head(hedge->arg, status, type);
    hedge->busy--;
    settle(hedge);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct leg *leg = arg;
    struct prl_hedge *hedge = leg->hedge;
    if (!leg->any)
        prl_pool_took(hedge->pool, leg->engine, prl_clock_now_us() - leg->start_us);
    leg->any = true;
    hedge->busy++;
    if (!hedge->winner)
        win(leg);
    if (!hedge->dead)
        hedge->ops->on_data(hedge->arg, data, len);
    hedge->busy--;
    settle(hedge);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct leg *leg = arg;
    struct prl_hedge *hedge = leg->hedge;
    struct leg *other = other_of(leg);
    enum prl_outcome outcome = prl_pool_outcome(end);
    leg->request = NULL;
    if (!hedge->winner && other->live && outcome == PRL_OUTCOME_FAILED) {
        hedge->who->failed |= UINT32_C(1) << leg->engine;
        show(other);
        lose(leg, outcome, end->failure, end->why);
        return;
    }
    hedge->busy++;
    if (!hedge->winner)
        win(leg);
    if (!hedge->dead)
        hedge->ops->on_end(hedge->arg, end);
    hedge->busy--;
    free_hedge(hedge);
}

static const struct prl_fetch_ops leg_ops = {on_head, on_data, on_end};

// ---- requests ----

static enum prl_err start(struct prl_hedge *hedge, struct leg *leg, int engine, const void *ask)
{
    *leg = (struct leg){.hedge = hedge, .engine = engine, .start_us = prl_clock_now_us()};
    enum prl_err err = hedge->way->start(hedge->pool, engine, ask, &leg_ops, leg, &leg->request);
    leg->live = !err;
    return err;
}

static void on_slow(void *arg)
{
    struct prl_hedge *hedge = arg;
    int engine = prl_pool_pick_second(hedge->pool, hedge->legs[0].engine);
    if (engine < 0)
        return;
    if (start(hedge, &hedge->legs[1], engine, hedge->kept) != PRL_OK)
        prl_pool_end(hedge->pool, engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
}

// Keeps what a second request needs; without memory for it there is none.
static void plan_second(struct prl_hedge *hedge, const void *ask, int64_t after_us)
{
    struct leg *first = &hedge->legs[0];
    hedge->winner = NULL;
    hedge->kept = hedge->way->keep(ask);
    enum prl_err err = hedge->kept ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = prl_timer_create(&hedge->timer, prl_pool_loop(hedge->pool), "second request", on_slow,
                               hedge);
    if (!err) {
        prl_timer_start(hedge->timer, first->start_us + after_us);
        return;
    }
    forget_ask(hedge);
    hedge->winner = first;
}

enum prl_err prl_hedge_start(struct prl_pool *pool, const struct prl_hedge_ask *ask,
                             struct prl_hedge_who *who, struct prl_hedge **out)
{
    PRL_CHECK(pool != NULL && ask->way != NULL && ask->ops != NULL && who != NULL && out != NULL);
    *out = NULL;
    struct prl_hedge *hedge = prl_mem_zalloc(sizeof(*hedge));
    if (!hedge)
        return PRL_ERR_NOMEM;
    hedge->pool = pool;
    hedge->way = ask->way;
    hedge->who = who;
    hedge->ops = ask->ops;
    hedge->arg = ask->arg;
    hedge->winner = &hedge->legs[0];
    enum prl_err err = start(hedge, hedge->winner, who->engine, ask->what);
    if (err) {
        prl_mem_free(hedge);
        return err;
    }
    who->failed = 0;
    show(hedge->winner);
    int64_t after_us = prl_pool_second_after_us(pool, who->engine);
    if (after_us > 0)
        plan_second(hedge, ask->what, after_us);
    *out = hedge;
    return PRL_OK;
}

enum prl_err prl_hedge_post(struct prl_pool *pool, const char *path,
                            const struct prl_fetch_ask *ask, struct prl_hedge_who *who,
                            struct prl_hedge **out)
{
    PRL_CHECK(path != NULL && ask != NULL && ask->content_type != NULL);
    const struct post post = {path, *ask};
    const struct prl_hedge_ask full = {&post_way, &post, ask->ops, ask->arg};
    return prl_hedge_start(pool, &full, who, out);
}

void prl_hedge_cancel(struct prl_hedge **hedge)
{
    PRL_CHECK(hedge != NULL);
    struct prl_hedge *gone = *hedge;
    *hedge = NULL;
    if (!gone)
        return;
    struct leg *own = gone->winner ? gone->winner : gone->legs[0].live ? &gone->legs[0] : NULL;
    for (int i = 0; i < 2; i++)
        if (gone->legs[i].live && &gone->legs[i] != own && own)
            lose(&gone->legs[i], PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
    for (int i = 0; i < 2; i++)
        gone->way->cancel(&gone->legs[i].request);
    forget_ask(gone);
    gone->dead = true;
    settle(gone);
}

// live.c -- see live.h.
#include "stt/live.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "media/resample.h"
#include "stt/clean.h"
#include "stt/stt.h"

enum {
    STEP = 3200,             // samples of one message: 200 ms
    RESAMPLED_MAX = 6400,    // more than it becomes at 24 kHz
    MESSAGE_MAX = 64 * 1024, // of one message up
};

struct prl_live {
    struct prl_pool *pool; // borrowed
    int engine;
    enum prl_wire wire;
    const struct prl_live_ops *ops;
    void *arg;
    struct prl_link *link;         // lent
    struct prl_resample *resample; // owned; NULL: 16 kHz is right
    struct prl_str message;        // going up
    struct prl_str text;           // of one message down
    struct prl_str before;         // words of earlier stretches
    struct prl_str now;            // of this one so far
    bool open_stretch;             // sound was fed since the last answer
    bool committed;
    bool answered; // at least once
    bool timed;    // the first word since the commit has come
    int64_t commit_us;
};

static enum prl_wire wire_of(enum prl_pool_way way)
{
    return way == PRL_POOL_REALTIME ? PRL_WIRE_OPENAI
           : way == PRL_POOL_VLLM   ? PRL_WIRE_VLLM
                                    : PRL_WIRE_PLAIN;
}

const char *prl_live_path(enum prl_pool_way way)
{
    return prl_wire_path(wire_of(way));
}

static void free_live(struct prl_live *live)
{
    prl_link_drop(&live->link);
    prl_resample_destroy(&live->resample);
    prl_str_free(&live->message);
    prl_str_free(&live->text);
    prl_str_free(&live->before);
    prl_str_free(&live->now);
    prl_mem_free(live);
}

// Tells the pool and the owner; the object is gone.
static void fail(struct prl_live *live, enum prl_fetch_failure failure, enum prl_err err,
                 const char *why)
{
    const struct prl_live_ops *ops = live->ops;
    void *arg = live->arg;
    char copy[PRL_FETCH_WHY_SIZE];
    (void)prl_str_copy(copy, sizeof(copy), why);
    prl_pool_end(live->pool, live->engine, PRL_OUTCOME_FAILED, failure, copy);
    free_live(live);
    ops->failed(arg, err, copy);
}

// ---- down ----

// All words so far, in `text`.
static enum prl_err join(struct prl_live *live)
{
    prl_str_clear(&live->text);
    enum prl_err err = prl_str_add(&live->text, prl_str_text(&live->before), live->before.len);
    return err || live->now.len == 0 ? err : prl_clean_join(&live->text, prl_str_text(&live->now));
}

static enum prl_err take_words(struct prl_live *live, enum prl_wire_kind kind)
{
    if (kind != PRL_WIRE_MORE)
        prl_str_clear(&live->now);
    enum prl_err err = prl_str_add(&live->now, prl_str_text(&live->text), live->text.len);
    return err ? err : join(live);
}

// A stretch that the recogniser ended by itself is over as well, but answers no commit.
static enum prl_err end_stretch(struct prl_live *live)
{
    prl_str_clear(&live->before);
    enum prl_err err = prl_str_add(&live->before, prl_str_text(&live->text), live->text.len);
    prl_str_clear(&live->now);
    return err;
}

static void take_final(struct prl_live *live)
{
    bool wanted = live->committed;
    enum prl_err err = end_stretch(live);
    if (err) {
        fail(live, PRL_FETCH_MEMORY, err, "out of memory");
        return;
    }
    if (!wanted) {
        live->ops->words(live->arg, prl_str_text(&live->text));
        return;
    }
    live->committed = live->open_stretch = false;
    live->answered = true;
    prl_link_await(live->link, 0, PRL_FETCH_OK);
    live->ops->answer(live->arg, prl_str_text(&live->text), prl_clock_now_us() - live->commit_us);
}

static void on_text(void *arg, const char *data, size_t len)
{
    struct prl_live *live = arg;
    enum prl_wire_kind kind;
    enum prl_err err = prl_wire_read(live->wire, data, len, &kind, &live->text);
    if (!err && kind == PRL_WIRE_FAILED) {
        fail(live, PRL_FETCH_CUT, PRL_ERR_REMOTE, prl_str_text(&live->text));
        return;
    }
    if (!err && kind != PRL_WIRE_NOTHING)
        err = take_words(live, kind);
    if (err) {
        bool memory = err == PRL_ERR_NOMEM;
        fail(live, memory ? PRL_FETCH_MEMORY : PRL_FETCH_CUT, memory ? err : PRL_ERR_REMOTE,
             memory ? "out of memory" : "a message that is no transcription");
        return;
    }
    if (kind == PRL_WIRE_NOTHING)
        return;
    if (live->committed && !live->timed)
        prl_pool_first_byte(live->pool, live->engine, prl_clock_now_us() - live->commit_us);
    live->timed = true;
    if (live->committed)
        prl_link_await(live->link, prl_pool_limits(live->pool, live->engine)->gap_ms,
                       PRL_FETCH_GAP);
    if (kind == PRL_WIRE_FINAL)
        take_final(live);
    else
        live->ops->words(live->arg, prl_str_text(&live->text));
}

static void on_binary(void *arg, const char *data, size_t len)
{
    (void)data;
    (void)len;
    fail(arg, PRL_FETCH_CUT, PRL_ERR_REMOTE, "a binary message where words were due");
}

static void on_failed(void *arg, enum prl_fetch_failure failure, const char *why)
{
    struct prl_live *live = arg;
    live->link = NULL; // gone already
    fail(live, failure, prl_fetch_failure_err(failure), why);
}

static const struct prl_link_ops link_ops = {on_text, on_binary, on_failed};

// ---- up ----

// The message that was written, if any.
static enum prl_err send(struct prl_live *live, bool binary)
{
    struct prl_str *message = &live->message;
    enum prl_err err = message->err;
    if (!err && message->len > 0)
        err = binary ? prl_link_send_binary(live->link, message->data, message->len)
                     : prl_link_send_text(live->link, message->data, message->len);
    prl_str_clear(message);
    return err;
}

static enum prl_err greet(struct prl_live *live, const struct prl_live_conf *conf)
{
    const struct prl_pool_engine *engine = prl_pool_at(conf->pool, conf->engine);
    struct prl_wire_start start = {.model = engine->model,
                                   .language =
                                       engine->language[0] ? engine->language : conf->language,
                                   .prompt = conf->prompt,
                                   .extra = engine->extra};
    // A kept connection was told already, unless this session's words and language are others.
    enum prl_err err = prl_wire_open(live->wire, &start, &live->message);
    if (!err)
        err = prl_link_greet(live->link, live->message.data, live->message.len);
    prl_str_clear(&live->message);
    return err;
}

enum prl_err prl_live_open(const struct prl_live_conf *conf, struct prl_live **out)
{
    PRL_CHECK(conf != NULL && conf->ops != NULL && out != NULL);
    enum prl_err err = PRL_ERR_NOMEM;
    struct prl_live *live = *out = prl_mem_zalloc(sizeof(*live));
    if (live) {
        live->pool = conf->pool;
        live->engine = conf->engine;
        live->ops = conf->ops;
        live->arg = conf->arg;
        live->wire = wire_of(prl_pool_at(conf->pool, conf->engine)->way);
        prl_str_init(&live->message, MESSAGE_MAX);
        prl_str_init(&live->text, PRL_WIRE_TEXT_MAX);
        prl_str_init(&live->before, PRL_WIRE_TEXT_MAX);
        prl_str_init(&live->now, PRL_WIRE_TEXT_MAX);
        uint32_t rate = prl_wire_rate(live->wire);
        err = rate == PRL_STT_RATE_HZ ? PRL_OK
                                      : prl_resample_create(&live->resample, PRL_STT_RATE_HZ, rate);
        if (!err)
            err = prl_pool_link(conf->pool, conf->engine, prl_wire_path(live->wire), &link_ops,
                                live, &live->link);
        if (!err)
            err = greet(live, conf);
    }
    if (err) {
        prl_pool_end(conf->pool, conf->engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY,
                     prl_err_name(err));
        if (live)
            free_live(live);
        *out = NULL;
    }
    return err;
}

static enum prl_err send_step(struct prl_live *live, const int16_t *pcm, size_t count)
{
    int16_t other[RESAMPLED_MAX];
    if (live->resample) {
        count = prl_resample_process(live->resample, pcm, count, NULL, other, RESAMPLED_MAX);
        pcm = other;
    }
    enum prl_err err = prl_wire_sound(live->wire, pcm, count, &live->message);
    return err ? err : send(live, prl_wire_is_binary(live->wire));
}

enum prl_err prl_live_feed(struct prl_live *live, const int16_t *pcm, size_t count)
{
    enum prl_err err = PRL_OK;
    PRL_CHECK(live != NULL && !live->committed);
    if (count > 0 && !live->open_stretch) {
        live->open_stretch = true;
        err = prl_wire_begin(live->wire, &live->message);
        err = err ? err : send(live, false);
    }
    for (size_t at = 0; at < count && !err; at += STEP)
        err = send_step(live, pcm + at, count - at < STEP ? count - at : STEP);
    return err;
}

enum prl_err prl_live_commit(struct prl_live *live)
{
    PRL_CHECK(live != NULL && !live->committed);
    enum prl_err err = prl_wire_commit(live->wire, &live->message);
    err = err ? err : send(live, false);
    if (err)
        return err;
    live->committed = true;
    live->timed = false;
    live->commit_us = prl_clock_now_us();
    prl_link_await(live->link, prl_pool_limits(live->pool, live->engine)->first_byte_ms,
                   PRL_FETCH_FIRST_BYTE);
    return PRL_OK;
}

void prl_live_close(struct prl_live **live)
{
    PRL_CHECK(live != NULL);
    struct prl_live *closed = *live;
    *live = NULL;
    if (!closed)
        return;
    prl_pool_end(closed->pool, closed->engine,
                 closed->answered && !closed->committed ? PRL_OUTCOME_OK : PRL_OUTCOME_CANCELED,
                 PRL_FETCH_OK, NULL);
    if (closed->answered && !closed->open_stretch)
        prl_link_give(&closed->link);
    free_live(closed);
}

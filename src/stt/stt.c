// stt.c -- see stt.h. The streams, and what stands behind them: our own recognisers, engines elsewhere, or
// something else altogether (front.h).
#include "stt/stt.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "stt/live.h"
#include "stt/stt_state.h"

enum { PROMPT_MAX = 1000 }; // bytes

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_stt *stt = arg;
    if (err) {
        stt->failed = true;
        (void)prl_str_copy(stt->why, sizeof(stt->why), error ? error : prl_err_name(err));
        prl_stt_fail_all(stt);
        if (stt->conf.on_error)
            stt->conf.on_error(stt->conf.arg, stt->why);
        return;
    }
    stt->ready = true;
    prl_stt_run(stt);
    if (stt->conf.on_ready)
        stt->conf.on_ready(stt->conf.arg);
}

static void on_turn(void *arg)
{
    prl_stt_run(arg);
}

static void on_reply(void *arg, const struct prl_stt_reply *reply)
{
    prl_stt_take_reply(arg, reply);
}

static void on_start_soon(void *arg)
{
    struct prl_stt *stt = arg;
    prl_timer_destroy(&stt->start_soon);
    if (stt->conf.on_ready)
        stt->conf.on_ready(stt->conf.arg);
}

// Nothing to load: ready at once, and told a turn later.
static enum prl_err start_far_only(struct prl_stt *stt)
{
    enum prl_err err =
        prl_timer_create(&stt->start_soon, stt->conf.loop, "stt", on_start_soon, stt);
    if (err)
        return err;
    stt->ready = true;
    stt->route.user_languages = NULL;
    prl_timer_start(stt->start_soon, 0);
    return PRL_OK;
}

static enum prl_err start_near(struct prl_stt *stt, const struct prl_stt_conf *conf)
{
    static const struct prl_stt_near_ops ops = {on_started, on_turn, on_reply};
    const struct prl_stt_near *share = conf->share ? conf->share->near : NULL;
    PRL_CHECK(!conf->share || share != NULL);
    enum prl_err err = prl_stt_near_create(&stt->near, conf, stt->language, share, &ops, stt);
    // The strings are the worker's copies from here on; the route needs only this one.
    stt->route.user_languages = err ? NULL : prl_stt_near_route(stt->near)->user_languages;
    return err;
}

enum prl_err prl_stt_serve(const struct prl_stt_conf *conf, struct prl_lane_child *child)
{
    return prl_stt_near_serve(conf, child);
}

enum prl_err prl_stt_create(struct prl_stt **out, const struct prl_stt_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL);
    *out = NULL;
    struct prl_stt *stt = prl_mem_zalloc(sizeof(*stt));
    if (!stt)
        return PRL_ERR_NOMEM;
    if (conf->front) {
        stt->front = conf->front;
        enum prl_err failed = stt->front->create(&stt->front_ctx, conf);
        if (failed)
            prl_mem_free(stt);
        else
            *out = stt;
        return failed;
    }
    stt->conf = *conf;
    stt->conf.paths = (struct prl_stt_paths){NULL};
    stt->route = prl_stt_route_of(&conf->paths, conf->ort != NULL || conf->backends != NULL);
    memcpy(stt->backends, prl_stt_near_backends(conf), sizeof(stt->backends));
    enum prl_err err = prl_stt_language(conf->language, stt->language);
    if (!err && conf->pool && prl_pool_has_far(conf->pool))
        err = prl_stt_far_create(&stt->far, conf->loop, conf->pool, conf->traditional);
    if (!err)
        err = stt->far && conf->far_only ? start_far_only(stt) : start_near(stt, conf);
    if (err)
        prl_stt_destroy(&stt);
    *out = stt;
    return err;
}

void prl_stt_destroy(struct prl_stt **stt)
{
    PRL_CHECK(stt != NULL);
    struct prl_stt *gone = *stt;
    if (!gone)
        return;
    if (gone->front)
        gone->front->destroy(gone->front_ctx);
    PRL_CHECK(gone->streams == NULL);
    prl_stt_near_destroy(&gone->near);
    if (gone->far && gone->running.stream)
        prl_pool_end(gone->conf.pool, gone->running.errand.engine, PRL_OUTCOME_CANCELED,
                     PRL_FETCH_OK, NULL);
    prl_stt_far_destroy(&gone->far);
    prl_timer_destroy(&gone->start_soon);
    prl_mem_free(gone);
    *stt = NULL;
}

void prl_stt_warm(struct prl_stt *stt)
{
    if (stt->far)
        prl_pool_warm_next(stt->conf.pool, prl_live_path);
}

bool prl_stt_is_ready(const struct prl_stt *stt)
{
    return stt->front ? stt->front->is_ready(stt->front_ctx) : stt->ready;
}

size_t prl_stt_backlog(const struct prl_stt *stt)
{
    if (stt->front)
        return stt->front->backlog(stt->front_ctx);
    size_t count = 0;
    for (const struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next)
        count += prl_timeline_waiting(stream->timeline);
    return count;
}

enum prl_err prl_stt_open(struct prl_stt *stt, const struct prl_stt_stream_conf *conf,
                          struct prl_stt_stream **out)
{
    PRL_CHECK(stt != NULL && conf != NULL && conf->fn != NULL && out != NULL);
    *out = NULL;
    struct prl_stt_stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    if (stt->front) {
        stream->front = stt->front;
        enum prl_err failed = stt->front->open(stt->front_ctx, conf, &stream->front_stream);
        if (failed)
            prl_mem_free(stream);
        else
            *out = stream;
        return failed;
    }
    stream->stt = stt;
    stream->id = ++stt->ids;
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    stream->partials = conf->partials;
    stream->pieces = conf->pieces;
    stream->next = stt->streams;
    stt->streams = stream;
    enum prl_err err = prl_timeline_create(&stream->timeline);
    if (!err)
        err = prl_stt_chain_open(stream);
    if (!err)
        err = prl_stt_configure(stream, conf->language, conf->prompt);
    if (err)
        prl_stt_close(&stream);
    *out = stream;
    return err;
}

void prl_stt_close(struct prl_stt_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    if ((*stream)->front) {
        (*stream)->front->close((*stream)->front_stream);
        prl_mem_free(*stream);
        *stream = NULL;
        return;
    }
    struct prl_stt *stt = (*stream)->stt;
    struct prl_stt_stream **link = &stt->streams;
    while (*link != *stream)
        link = &(*link)->next;
    *link = (*stream)->next;
    prl_stt_chain_drop(*stream);
    prl_ear_destroy(&(*stream)->ear);
    prl_timeline_destroy(&(*stream)->timeline);
    prl_mem_free((*stream)->prompt);
    prl_mem_free(*stream);
    *stream = NULL;
    prl_stt_run(stt);
}

enum prl_err prl_stt_configure(struct prl_stt_stream *stream, const char *language,
                               const char *prompt)
{
    if (stream->front)
        return stream->front->configure(stream->front_stream, language, prompt);
    char code[PRL_STT_LANGUAGE_SIZE];
    enum prl_err err = prl_stt_language(language, code);
    if (!language)
        (void)prl_str_copy(code, sizeof(code), stream->stt->language);
    if (err)
        return err;
    if (!stream->stt->far && prl_stt_route_pick(&stream->stt->route, code) == PRL_STT_ENGINE_NONE)
        return PRL_ERR_INVALID;
    char *copy = NULL;
    if (prompt && prompt[0]) {
        copy = prl_mem_strndup(prompt, prl_utf8_whole(prompt, strnlen(prompt, PROMPT_MAX)));
        if (!copy)
            return PRL_ERR_NOMEM;
    }
    prl_mem_free(stream->prompt);
    stream->prompt = copy;
    if (strcmp(code, stream->language) != 0)
        stream->identified[0] = '\0';
    memcpy(stream->language, code, sizeof(code));
    return PRL_OK;
}

static void drop_timeline(struct prl_stt_stream *stream)
{
    prl_stt_chain_drop(stream);
    prl_timeline_clear(stream->timeline);
    stream->tried = 0;
    stream->epoch++;
    stream->partial_at_us = 0;
    stream->identify_failed = false;
}

void prl_stt_begin(struct prl_stt_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL && generation >= stream->newest);
    if (stream->front) {
        stream->newest = generation;
        stream->open = true;
        stream->front->begin(stream->front_stream, generation);
        return;
    }
    drop_timeline(stream);
    stream->open = true;
    stream->begin = generation;
    stream->newest = generation;
    prl_stt_run(stream->stt);
}

void prl_stt_clear(struct prl_stt_stream *stream)
{
    PRL_CHECK(stream != NULL);
    if (stream->front) {
        stream->open = false;
        stream->front->clear(stream->front_stream);
        return;
    }
    drop_timeline(stream);
    stream->open = false;
    prl_stt_run(stream->stt);
}

static enum prl_err push(struct prl_stt_stream *stream, const int16_t *pcm, size_t n, bool silence)
{
    PRL_CHECK(stream != NULL && stream->open);
    if (stream->front)
        return stream->front->push(stream->front_stream, pcm, n, silence);
    enum prl_err err = prl_timeline_push(stream->timeline, pcm, n, silence);
    if (!err)
        prl_stt_chain_hear(stream);
    if (!err && (stream->stt->far ? !prl_stt_is_busy(stream) : !stream->stt->running.stream))
        prl_stt_run(stream->stt);
    return err;
}

enum prl_err prl_stt_push(struct prl_stt_stream *stream, const int16_t *pcm, size_t n)
{
    return push(stream, pcm, n, false);
}

enum prl_err prl_stt_push_silence(struct prl_stt_stream *stream, const int16_t *pcm, size_t n)
{
    return push(stream, pcm, n, true);
}

enum prl_err prl_stt_decode(struct prl_stt_stream *stream, uint32_t generation,
                            enum prl_stt_want want)
{
    PRL_CHECK(stream != NULL && stream->open && generation >= stream->newest);
    if (stream->front) {
        stream->newest = generation;
        return stream->front->decode(stream->front_stream, generation, want);
    }
    struct prl_stt *stt = stream->stt;
    enum prl_err err =
        prl_timeline_ask(stream->timeline, generation, want, prl_loop_now_us(stt->conf.loop));
    if (err)
        return err;
    stream->newest = generation;
    if (stt->failed)
        prl_timeline_fail(stream->timeline, PRL_ERR_ENGINE, stt->why);
    prl_stt_deliver(stream);
    prl_stt_run(stt);
    return PRL_OK;
}

void prl_stt_cancel(struct prl_stt_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL);
    if (stream->front) {
        stream->front->cancel(stream->front_stream, generation);
        return;
    }
    prl_timeline_cancel(stream->timeline, generation);
    prl_stt_run(stream->stt);
}

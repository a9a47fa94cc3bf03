// stt_queue.c -- see stt_state.h. Picks the next piece of work among all streams, so that the order of
// work is decided here and nowhere else, and delivers what comes of it.
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "stt/stt_state.h"

enum {
    PARTIAL_EVERY_US = 250 * 1000, // at most so often for one stream
    PARTIAL_REST = 3,              // and not before 3 times the last one's work has passed
};
static const float LANGUAGE_KEEP = 0.5F; // an identified language is kept from here on

const char *prl_stt_language_of(const struct prl_stt_stream *stream)
{
    return stream->language[0] ? stream->language : stream->identified;
}

struct prl_stt_stream *prl_stt_find(const struct prl_stt *stt, uint64_t id)
{
    struct prl_stt_stream *stream = stt->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

bool prl_stt_is_busy(const struct prl_stt_stream *stream)
{
    const struct prl_stt_running *running = &stream->stt->running;
    return stream->job || stream->ear_owes ||
           (running->stream == stream->id && running->epoch == stream->epoch);
}

// ---- what is next ----

// Live partials only where the engine is known and fast enough.
bool prl_stt_follows(const struct prl_stt_stream *stream)
{
    if (!stream->partials)
        return false;
    if (stream->stt->far)
        return stream->stt->conf.far_partials && !prl_stt_chain_listens(stream);
    const char *language = prl_stt_language_of(stream);
    enum prl_stt_engine engine = prl_stt_route_pick(&stream->stt->route, language);
    if (engine == PRL_STT_ENGINE_NONE || !stream->stt->backends[engine]->live)
        return false;
    return language[0] || !stream->stt->backends[engine]->identify;
}

static bool wants_live(const struct prl_stt_stream *stream, int64_t now_us)
{
    return stream->open && now_us >= stream->partial_at_us && prl_stt_follows(stream);
}

static bool wants_identify(const struct prl_stt_stream *stream)
{
    if (stream->stt->far || !stream->open || stream->identify_failed ||
        prl_stt_language_of(stream)[0])
        return false;
    enum prl_stt_engine engine = prl_stt_route_pick(&stream->stt->route, "");
    return engine != PRL_STT_ENGINE_NONE && stream->stt->backends[engine]->identify;
}

struct prl_stt_stream *prl_stt_pick(struct prl_stt *stt, struct prl_timeline_work *work)
{
    int64_t now_us = prl_loop_now_us(stt->conf.loop);
    struct prl_stt_stream *chosen = NULL;
    *work = (struct prl_timeline_work){.rank = PRL_RANK_NONE};
    for (struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next) {
        struct prl_timeline_work next;
        if (stt->far && prl_stt_is_busy(stream))
            continue;
        if (!prl_timeline_next(stream->timeline, wants_live(stream, now_us), wants_identify(stream),
                               &next))
            continue;
        if (next.rank < work->rank || (next.rank == work->rank && next.asked_us < work->asked_us)) {
            *work = next;
            chosen = stream;
        }
    }
    return chosen;
}

// ---- to our own recognisers ----

struct prl_stt_order *prl_stt_order_of(const struct prl_stt_stream *stream,
                                       const struct prl_timeline_work *work, size_t *size)
{
    size_t samples = work->end - work->start;
    size_t prompt = stream->prompt ? strlen(stream->prompt) + 1 : 0;
    *size = sizeof(struct prl_stt_order) + samples * sizeof(int16_t) + prompt;
    struct prl_stt_order *order = prl_mem_alloc(*size);
    if (!order)
        return NULL;
    *order = (struct prl_stt_order){
        .identify = work->kind == PRL_WORK_IDENTIFY,
        .careful = work->rank != PRL_RANK_PARTIAL,
        .samples = samples,
        .prompt_len = prompt,
    };
    (void)prl_str_copy(order->language, sizeof(order->language), prl_stt_language_of(stream));
    memcpy(order->pcm, prl_timeline_pcm(stream->timeline) + work->start, samples * sizeof(int16_t));
    if (prompt > 0)
        memcpy(order->pcm + samples, stream->prompt, prompt);
    return order;
}

enum prl_err prl_stt_send(struct prl_stt *stt, const struct prl_stt_stream *stream,
                          const struct prl_stt_errand *errand)
{
    size_t size;
    struct prl_stt_order *order = prl_stt_order_of(stream, &errand->work, &size);
    if (!order) {
        prl_stt_near_end(stt->near);
        return PRL_ERR_NOMEM;
    }
    enum prl_err err = prl_stt_near_send(stt->near, order, size);
    if (!err)
        stt->running = (struct prl_stt_running){
            .stream = stream->id, .epoch = stream->epoch, .errand = *errand};
    return err;
}

void prl_stt_abort_useless(struct prl_stt *stt, enum prl_timeline_rank waiting)
{
    struct prl_stt_running *running = &stt->running;
    if (!running->stream || running->aborted)
        return;
    const struct prl_timeline_work *work = &running->errand.work;
    struct prl_stt_stream *stream = prl_stt_find(stt, running->stream);
    bool alive = stream && stream->epoch == running->epoch;
    enum prl_timeline_rank rank =
        alive ? prl_timeline_rank_of(stream->timeline, work) : PRL_RANK_NONE;
    bool unwanted =
        rank == PRL_RANK_NONE || (rank == PRL_RANK_PARTIAL && work->rank < PRL_RANK_PARTIAL);
    if (!unwanted && !(waiting == PRL_RANK_FINAL && rank > PRL_RANK_FINAL))
        return;
    running->aborted = true;
    prl_stt_near_abort(stt->near);
}

void prl_stt_run(struct prl_stt *stt)
{
    if (!stt->ready)
        return;
    if (stt->far) {
        prl_stt_chain_run(stt);
        return;
    }
    struct prl_stt_errand errand = {.engine = -1};
    for (;;) {
        struct prl_stt_stream *stream = prl_stt_pick(stt, &errand.work);
        if (stt->running.stream) {
            prl_stt_abort_useless(stt, stream ? errand.work.rank : PRL_RANK_NONE);
            return;
        }
        if (!stream || !prl_stt_near_begin(stt->near, errand.work.rank))
            return;
        errand.sent_us = prl_clock_now_us();
        enum prl_err err = prl_stt_send(stt, stream, &errand);
        if (!err || prl_timeline_waiting(stream->timeline) == 0)
            return; // sent; or a live partial that could not be: the next push tries again
        prl_timeline_fail(stream->timeline, err, "speech recognition is out of memory");
        prl_stt_deliver(stream);
    }
}

// ---- results ----

void prl_stt_deliver(struct prl_stt_stream *stream)
{
    prl_timeline_deliver(stream->timeline, stream->fn, stream->arg);
}

typedef bool (*part_fn)(struct prl_timeline *timeline, struct prl_stt_event *event,
                        struct prl_str *text);

static void tell_part(struct prl_stt_stream *stream, part_fn part)
{
    struct prl_stt_event event;
    struct prl_str text;
    prl_str_init(&text, PRL_STT_EVENT_TEXT_MAX);
    if (part(stream->timeline, &event, &text)) {
        event.text = prl_str_text(&text);
        event.generation = stream->begin;
        stream->fn(stream->arg, &event);
    }
    prl_str_free(&text);
}

void prl_stt_tell_partial(struct prl_stt_stream *stream)
{
    tell_part(stream, prl_timeline_partial);
}

static void keep_language(struct prl_stt_stream *stream, const struct prl_stt_errand *errand,
                          const struct prl_stt_reply *reply)
{
    if (prl_stt_language_of(stream)[0])
        return;
    if (reply->language[0] && reply->language_probability >= LANGUAGE_KEEP)
        memcpy(stream->identified, reply->language, sizeof(stream->identified));
    else if (errand->work.kind == PRL_WORK_IDENTIFY)
        stream->identify_failed = true;
}

// Without memory for a reply there is none for its text either.
static const char *text_of(const struct prl_stt_reply *reply)
{
    return reply->err == PRL_ERR_NOMEM ? "out of memory" : reply->text;
}

static void store_reply(struct prl_stt_stream *stream, const struct prl_stt_errand *errand,
                        const struct prl_stt_reply *reply)
{
    struct prl_timeline_result result = {
        .err = reply->err,
        .text = text_of(reply),
        .engine = reply->engine,
        .work_us = reply->work_us,
        .margin = reply->margin,
    };
    memcpy(result.language, reply->language, sizeof(result.language));
    int64_t now_us = prl_loop_now_us(stream->stt->conf.loop);
    int64_t asked_us = errand->work.asked_us ? errand->work.asked_us : errand->sent_us;
    int64_t queued_us = now_us - asked_us - reply->work_us;
    prl_timeline_store(stream->timeline, &errand->work, &result, queued_us > 0 ? queued_us : 0);
    int64_t rest_us = reply->work_us * PARTIAL_REST;
    stream->partial_at_us = now_us + (rest_us > PARTIAL_EVERY_US ? rest_us : PARTIAL_EVERY_US);
    if (errand->work.kind == PRL_WORK_IDENTIFY)
        stream->partial_at_us = 0;
}

void prl_stt_take_result(struct prl_stt_stream *stream, const struct prl_stt_errand *errand,
                         const struct prl_stt_reply *reply)
{
    struct prl_stt *stt = stream->stt;
    if (reply->err && stt->far && errand->engine >= 0) {
        stream->tried |= UINT32_C(1) << errand->engine;
        (void)prl_str_copy(stt->far_why, sizeof(stt->far_why), text_of(reply));
        return;
    }
    stream->tried = 0;
    keep_language(stream, errand, reply);
    store_reply(stream, errand, reply);
    if (stream->pieces)
        tell_part(stream, prl_timeline_settled);
    prl_stt_deliver(stream);
}

void prl_stt_take_reply(struct prl_stt *stt, const struct prl_stt_reply *reply)
{
    struct prl_stt_running running = stt->running;
    stt->running = (struct prl_stt_running){.stream = 0};
    struct prl_stt_stream *stream = prl_stt_find(stt, running.stream);
    bool wanted = stream && stream->epoch == running.epoch;
    if (!wanted)
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
    if (stt->far)
        prl_pool_end(stt->conf.pool, running.errand.engine,
                     reply->err == PRL_ERR_CANCELED ? PRL_OUTCOME_CANCELED
                     : reply->err                   ? PRL_OUTCOME_FAILED
                                                    : PRL_OUTCOME_OK,
                     PRL_FETCH_CUT, text_of(reply));
    if (wanted && reply->err != PRL_ERR_CANCELED) {
        if (reply->err && reply->err != PRL_ERR_NOMEM)
            prl_log(PRL_LOG_WARN, "stt", "%s", reply->text);
        prl_stt_take_result(stream, &running.errand, reply);
        if (stream->partials)
            prl_stt_tell_partial(stream);
    }
    prl_stt_run(stt);
}

void prl_stt_fail_all(struct prl_stt *stt)
{
    struct prl_stt_stream *stream = stt->streams;
    while (stream) {
        if (prl_timeline_waiting(stream->timeline) == 0) {
            stream = stream->next;
            continue;
        }
        prl_timeline_fail(stream->timeline, PRL_ERR_ENGINE, stt->why);
        prl_stt_deliver(stream);
        stream = stt->streams; // the callback may have changed the list
    }
}

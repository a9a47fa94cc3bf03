// stt_chain.c -- see stt_state.h. With a pool each stream has one piece of work under way: by a request
// elsewhere (far.h), by an engine that listens (ear.h), or by our own recognisers as one engine of many.
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "stt/split.h"
#include "stt/stt_state.h"

enum { HEAR_MIN = PRL_STT_RATE_HZ / 10 }; // sound before a recogniser is asked to listen to it

bool prl_stt_chain_listens(const struct prl_stt_stream *stream)
{
    const struct prl_pool *pool = stream->stt->conf.pool;
    if (!stream->ear)
        return false;
    if (prl_ear_is_open(stream->ear))
        return true;
    int engine = prl_pool_peek(pool, stream->tried);
    return engine >= 0 && prl_pool_at(pool, engine)->way != PRL_POOL_HTTP;
}

void prl_stt_chain_drop(struct prl_stt_stream *stream)
{
    stream->stt->far_count -= stream->job || stream->ear_owes;
    prl_stt_far_cancel(&stream->job);
    stream->ear_owes = false;
    if (stream->ear)
        prl_ear_close(stream->ear);
}

// Work that nobody waits for any more, or a partial while something better waits, gives way.
static void drop_useless(struct prl_stt *stt)
{
    for (struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next) {
        if (!stream->job) // an ear's answer is soon there, and its connection worth more
            continue;
        const struct prl_timeline_work *work = &stream->errand.work;
        enum prl_timeline_rank rank = prl_timeline_rank_of(stream->timeline, work);
        bool live = rank == PRL_RANK_PARTIAL;
        if (rank == PRL_RANK_NONE || (live && work->rank < PRL_RANK_PARTIAL) ||
            (live && prl_timeline_waiting(stream->timeline) > 0)) {
            prl_stt_far_cancel(&stream->job);
            stt->far_count--;
        }
    }
}

// ---- without an engine ----

static struct prl_stt_reply *make_reply(enum prl_err err, const char *engine, const char *text)
{
    size_t len = strlen(text);
    struct prl_stt_reply *reply = prl_mem_zalloc(sizeof(*reply) + len + 1);
    if (!reply)
        return NULL;
    reply->err = err;
    reply->engine = engine;
    memcpy(reply->text, text, len + 1);
    return reply;
}

static struct prl_stt_errand errand_of(const struct prl_timeline_work *work, int engine)
{
    return (struct prl_stt_errand){.work = *work, .engine = engine, .sent_us = prl_clock_now_us()};
}

// Nobody is left for this piece.
static void fail_work(struct prl_stt_stream *stream, const struct prl_timeline_work *work)
{
    struct prl_stt *stt = stream->stt;
    struct prl_stt_errand errand = errand_of(work, -1);
    struct prl_stt_reply *reply =
        make_reply(PRL_ERR_ENGINE, "",
                   stt->far_why[0] ? stt->far_why : "no engine of speech recognition works");
    if (!reply) {
        prl_timeline_fail(stream->timeline, PRL_ERR_NOMEM, "out of memory");
        prl_stt_deliver(stream);
        return;
    }
    prl_stt_take_result(stream, &errand, reply);
    prl_mem_free(reply);
}

// Silence needs no engine.
static bool answer_silence(struct prl_stt_stream *stream, const struct prl_timeline_work *work)
{
    const int16_t *pcm = prl_timeline_pcm(stream->timeline) + work->start;
    struct prl_stt_errand errand = errand_of(work, -1);
    struct prl_stt_reply *reply;
    if (!prl_split_is_silent(pcm, work->end - work->start) || !(reply = make_reply(PRL_OK, "", "")))
        return false;
    prl_stt_take_result(stream, &errand, reply);
    prl_mem_free(reply);
    return true;
}

// ---- by a request ----

static void on_far(void *arg, const struct prl_stt_reply *reply)
{
    struct prl_stt_stream *stream = arg;
    struct prl_stt *stt = stream->stt;
    uint64_t id = stream->id;
    struct prl_stt_errand errand = stream->errand;
    stream->job = NULL;
    stt->far_count--;
    prl_stt_take_result(stream, &errand, reply);
    stream = prl_stt_find(stt, id);
    if (stream && stream->partials)
        prl_stt_tell_partial(stream);
    prl_stt_run(stt);
}

static enum prl_err ask_far(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                            int engine)
{
    struct prl_stt *stt = stream->stt;
    size_t size;
    struct prl_stt_order *order = prl_stt_order_of(stream, work, &size);
    if (!order) {
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY, NULL);
        return PRL_ERR_NOMEM;
    }
    stream->errand = errand_of(work, engine);
    enum prl_err err = prl_stt_far_ask(stt->far, engine, order, on_far, stream, &stream->job);
    prl_mem_free(order);
    stt->far_count += !err;
    return err;
}

// ---- by one that listens ----

static void on_words(void *arg, const char *words)
{
    struct prl_stt_stream *stream = arg;
    struct prl_stt_event event;
    struct prl_str clean, text;
    if (!stream->partials)
        return;
    prl_str_init(&clean, PRL_STT_EVENT_TEXT_MAX);
    prl_str_init(&text, PRL_STT_EVENT_TEXT_MAX);
    if (prl_stt_far_clean(stream->stt->far, words, strlen(words), prl_stt_language_of(stream),
                          &clean) == PRL_OK &&
        prl_timeline_hint(stream->timeline, prl_ear_start(stream->ear), prl_str_text(&clean),
                          &event, &text)) {
        event.text = prl_str_text(&text);
        event.generation = stream->begin;
        stream->fn(stream->arg, &event);
    }
    prl_str_free(&clean);
    prl_str_free(&text);
}

// The end of the work under way.
static void settle_ear(struct prl_stt_stream *stream, enum prl_err err, const char *text,
                       int64_t work_us)
{
    struct prl_stt *stt = stream->stt;
    struct prl_stt_reply nothing = {.err = PRL_ERR_NOMEM, .engine = "live"};
    struct prl_stt_errand errand = stream->errand;
    struct prl_stt_reply *reply = make_reply(err, "live", text);
    if (reply)
        reply->work_us = work_us;
    stream->ear_owes = false;
    stt->far_count--;
    prl_stt_take_result(stream, &errand, reply ? reply : &nothing);
    prl_mem_free(reply);
    prl_stt_run(stt);
}

static void on_answer(void *arg, const char *text, int64_t work_us)
{
    struct prl_stt_stream *stream = arg;
    struct prl_str clean;
    prl_str_init(&clean, PRL_STT_EVENT_TEXT_MAX);
    enum prl_err err = prl_stt_far_clean(stream->stt->far, text, strlen(text),
                                         prl_stt_language_of(stream), &clean);
    settle_ear(stream, err, err ? "out of memory" : prl_str_text(&clean), work_us);
    prl_str_free(&clean);
}

static void on_ear_failed(void *arg, enum prl_err err, const char *why)
{
    struct prl_stt_stream *stream = arg;
    if (stream->ear_owes)
        settle_ear(stream, err, why, 0);
    else // not held against it here: the breaker counts, and what is said next finds who is left
        (void)prl_str_copy(stream->stt->far_why, sizeof(stream->stt->far_why), why);
}

enum prl_err prl_stt_chain_open(struct prl_stt_stream *stream)
{
    static const struct prl_live_ops ops = {on_words, on_answer, on_ear_failed};
    struct prl_pool *pool = stream->stt->conf.pool;
    struct prl_ear_conf conf = {
        .pool = pool, .timeline = stream->timeline, .ops = &ops, .arg = stream};
    if (!stream->stt->far || !prl_pool_has_links(pool))
        return PRL_OK;
    return prl_ear_create(&stream->ear, &conf);
}

static struct prl_ear_listener listener_of(const struct prl_stt_stream *stream, int engine)
{
    return (struct prl_ear_listener){.engine = engine,
                                     .language = prl_stt_language_of(stream),
                                     .prompt = stream->prompt ? stream->prompt : ""};
}

static enum prl_err ask_ear(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                            int engine)
{
    struct prl_ear_listener listener = listener_of(stream, engine);
    enum prl_err err = prl_ear_ask(stream->ear, &listener, work);
    if (err)
        return err;
    stream->errand = errand_of(work, engine);
    stream->ear_owes = true;
    stream->stt->far_count++;
    return PRL_OK;
}

void prl_stt_chain_hear(struct prl_stt_stream *stream)
{
    struct prl_ear *ear = stream->ear;
    size_t start, end;
    if (!ear || prl_stt_is_busy(stream) || !prl_timeline_tail(stream->timeline, &start, &end) ||
        end < start + HEAR_MIN)
        return;
    if (prl_ear_is_open(ear) && prl_ear_start(ear) != start)
        prl_ear_close(ear);
    if (!prl_ear_is_open(ear)) {
        if (!prl_stt_chain_listens(stream))
            return;
        struct prl_ear_listener listener =
            listener_of(stream, prl_pool_pick(stream->stt->conf.pool, stream->tried));
        if (prl_ear_open(ear, &listener, start) != PRL_OK)
            return;
    }
    prl_ear_tell(ear, end);
}

// ---- by our own recognisers ----

// False: they are busy with something else, and this has to wait.
static bool ask_near(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                     int engine)
{
    struct prl_stt *stt = stream->stt;
    bool busy = stt->running.stream != 0;
    if (busy || !prl_stt_near_begin(stt->near, work->rank)) {
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
        if (busy)
            prl_stt_abort_useless(stt, work->rank);
        return false;
    }
    struct prl_stt_errand errand = errand_of(work, engine);
    if (prl_stt_send(stt, stream, &errand) != PRL_OK) {
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY, NULL);
        stream->tried |= UINT32_C(1) << engine;
    }
    return true;
}

static bool ask_engine(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                       int engine)
{
    const struct prl_pool_engine *about = prl_pool_at(stream->stt->conf.pool, engine);
    if (!about->url)
        return ask_near(stream, work, engine);
    enum prl_err err =
        about->way == PRL_POOL_HTTP ? ask_far(stream, work, engine) : ask_ear(stream, work, engine);
    if (err)
        stream->tried |= UINT32_C(1) << engine;
    return true;
}

void prl_stt_chain_run(struct prl_stt *stt)
{
    struct prl_timeline_work work;
    struct prl_stt_stream *stream;
    drop_useless(stt);
    while (stt->far_count < PRL_STT_FAR_MAX && (stream = prl_stt_pick(stt, &work))) {
        if (answer_silence(stream, &work))
            continue;
        int engine = stream->ear && prl_ear_fits(stream->ear, &work)
                         ? prl_ear_engine(stream->ear)
                         : prl_pool_pick(stt->conf.pool, stream->tried);
        if (engine < 0)
            fail_work(stream, &work);
        else if (!ask_engine(stream, &work, engine))
            return;
    }
    prl_stt_abort_useless(stt, PRL_RANK_NONE);
}

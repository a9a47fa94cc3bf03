// local.c -- see backend.h: the embedded model, behind a lane. Each stream has one message on its way
// to the lane at a time; what is asked of it meanwhile is kept here, newest wins, and sent when the
// lane has taken the one before. So the lane's queue never fills, and a job that was overtaken is
// never even tokenised.
#include "llm/backend.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "llm/model.h"
#include "llm/worker.h"
#include "net/loop.h"

enum {
    PORT_CAPACITY = 4096, // events; the lane waits when the loop is that far behind
    INDEX_BITS = 10,
    CONTEXT_MIN = 512,
    CONTEXT_MAX = 32768,
    THREADS_MAX = 64,
};

_Static_assert(PRL_LLM_STREAMS_MAX <= 1 << INDEX_BITS, "a stream's index fits its id");

struct stream {
    struct prl_llm_stream base;
    struct local *llm;   // borrowed
    uint64_t id;         // front << PRL_SHARE_SHIFT | serial << INDEX_BITS | index
    prl_llm_event_fn fn; // NULL once closed
    void *arg;
    // What the user waits for.
    bool running;
    uint32_t generation; // of the running answer
    // What the lane has not been told yet, in this order.
    bool in_flight; // a message is on its way
    bool want_open;
    bool want_cancel;
    uint32_t cancel_generation;
    bool want_job;
    struct prl_msg job;
    bool want_commit;
    uint32_t commit_generation;
    bool want_close;
};

struct local {
    struct prl_llm base;
    // Set once.
    prl_llm_state_fn on_state;
    void *arg;
    bool joined;    // another front owns the lane
    unsigned front; // 0: the owner
    // Owned.
    struct prl_port *port;
    struct prl_share *share; // of front 0, as is the worker
    struct prl_llm_worker *worker;
    struct stream *streams[PRL_LLM_STREAMS_MAX];
    // State.
    enum prl_llm_state state;
    uint64_t serial;
    struct prl_llm_stats stats;
};

static void free_stream(struct stream *stream)
{
    if (stream->llm->worker) // not gone in destroy
        prl_llm_worker_release(stream->llm->worker);
    stream->llm->streams[stream->id & (PRL_LLM_STREAMS_MAX - 1)] = NULL;
    prl_msg_free(&stream->job);
    prl_mem_free(stream);
}

// The next message that the lane must hear of this stream. False: nothing.
static bool next_order(struct stream *stream, struct prl_msg *msg)
{
    *msg = (struct prl_msg){.id = stream->id};
    if (stream->want_open) {
        msg->type = PRL_LLM_ORDER_OPEN;
        stream->want_open = false;
    } else if (stream->want_cancel) {
        msg->type = PRL_LLM_ORDER_CANCEL;
        msg->generation = stream->cancel_generation;
        stream->want_cancel = false;
    } else if (stream->want_job) {
        *msg = stream->job;
        stream->job = (struct prl_msg){0};
        stream->want_job = false;
    } else if (stream->want_commit) {
        msg->type = PRL_LLM_ORDER_COMMIT;
        msg->generation = stream->commit_generation;
        stream->want_commit = false;
    } else if (stream->want_close) {
        msg->type = PRL_LLM_ORDER_CLOSE;
        stream->want_close = false;
    } else {
        return false;
    }
    return true;
}

static void flush(struct stream *stream)
{
    struct prl_msg msg;
    if (stream->in_flight || stream->llm->state == PRL_LLM_FAILED || !next_order(stream, &msg))
        return;
    enum prl_err err = prl_llm_worker_send(stream->llm->worker, &msg);
    // Cannot be full: one message a stream. Canceled: loading failed, on_started will tell.
    PRL_CHECK(err != PRL_ERR_FULL);
    if (err)
        prl_msg_free(&msg);
    else
        stream->in_flight = true;
}

static struct stream *find(struct local *llm, uint64_t id)
{
    struct stream *stream = llm->streams[id & (PRL_LLM_STREAMS_MAX - 1)];
    return stream && stream->id == id ? stream : NULL;
}

static void deliver(struct stream *stream, const struct prl_llm_event *event)
{
    if (event->kind == PRL_LLM_EVENT_DONE || event->kind == PRL_LLM_EVENT_ERROR)
        stream->running = false;
    if (event->kind == PRL_LLM_EVENT_ERROR)
        stream->llm->stats.failures++;
    stream->fn(stream->arg, event); // last: the stream may be closed in it
}

static void set_started(struct local *llm, enum prl_err err, const char *error);

static void on_event(void *arg, struct prl_msg *msg)
{
    struct local *llm = arg;
    if (msg->type == PRL_SHARE_STARTED) {
        set_started(llm, (enum prl_err)msg->value[0], msg->data);
        return;
    }
    struct stream *stream = find(llm, msg->id);
    if (msg->type == PRL_LLM_NOTE_CLOSED) {
        if (stream)
            free_stream(stream);
    } else if (msg->type == PRL_LLM_NOTE_TAKEN) {
        if (stream) {
            stream->in_flight = false;
            flush(stream);
        }
    } else if (!stream || !stream->fn || !stream->running ||
               stream->generation != msg->generation) {
        llm->stats.late_events++;
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
    } else {
        struct prl_llm_event event;
        prl_llm_event_unpack(msg, &event);
        deliver(stream, &event);
    }
    prl_msg_free(msg);
}

// Loading failed: answers that were asked for meanwhile end, closed streams go.
static void fail_streams(struct local *llm, const char *why)
{
    for (size_t i = 0; i < PRL_LLM_STREAMS_MAX; i++) {
        struct stream *stream = llm->streams[i];
        if (!stream)
            continue;
        if (!stream->fn) {
            free_stream(stream);
            continue;
        }
        stream->want_job = false;
        prl_msg_free(&stream->job);
        if (stream->running)
            deliver(stream, &(struct prl_llm_event){.kind = PRL_LLM_EVENT_ERROR,
                                                    .generation = stream->generation,
                                                    .text = why,
                                                    .len = strlen(why)});
    }
}

static void set_started(struct local *llm, enum prl_err err, const char *error)
{
    llm->state = err ? PRL_LLM_FAILED : PRL_LLM_READY;
    const char *text =
        err ? (error ? error : prl_err_name(err)) : prl_llm_worker_model(llm->worker);
    if (err)
        fail_streams(llm, text);
    if (llm->on_state)
        llm->on_state(llm->arg, llm->state, text);
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct local *llm = arg;
    prl_share_started(llm->share, err, error);
    set_started(llm, err, error);
}

static bool in_range(int value, int low, int high)
{
    return value == 0 || (value >= low && value <= high);
}

static void destroy(struct prl_llm **llm)
{
    struct local *gone = (struct local *)*llm;
    if (!gone->joined) {
        if (gone->share)
            prl_share_close(gone->share); // so that the lane does not wait for us
        prl_llm_worker_destroy(&gone->worker);
        prl_share_destroy(&gone->share);
    }
    gone->worker = NULL;
    prl_port_destroy(&gone->port);
    for (size_t i = 0; i < PRL_LLM_STREAMS_MAX; i++) {
        if (gone->streams[i])
            free_stream(gone->streams[i]);
    }
    prl_mem_free(gone);
    *llm = NULL;
}

static enum prl_llm_state state_of(const struct prl_llm *llm)
{
    return ((const struct local *)llm)->state;
}

static struct prl_llm_stats stats_of(const struct prl_llm *llm)
{
    return ((const struct local *)llm)->stats;
}

static enum prl_err open_stream(struct prl_llm *base, const struct prl_llm_stream_conf *conf,
                                struct prl_llm_stream **out)
{
    struct local *llm = (struct local *)base;
    size_t index = 0;
    while (index < PRL_LLM_STREAMS_MAX && llm->streams[index])
        index++;
    if (index == PRL_LLM_STREAMS_MAX)
        return PRL_ERR_LIMIT;
    if (prl_llm_worker_reserve(llm->worker) != PRL_OK)
        return PRL_ERR_LIMIT;
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream) {
        prl_llm_worker_release(llm->worker);
        return PRL_ERR_NOMEM;
    }
    stream->base = (struct prl_llm_stream){.ops = base->ops, .loop = base->loop};
    stream->llm = llm;
    stream->id = prl_share_id(llm->front, ++llm->serial << INDEX_BITS | index);
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    stream->want_open = true;
    llm->streams[index] = stream;
    flush(stream);
    *out = &stream->base;
    return PRL_OK;
}

static void close_stream(struct prl_llm_stream *base)
{
    struct stream *gone = (struct stream *)base;
    gone->fn = NULL;
    gone->running = false;
    if (gone->llm->state == PRL_LLM_FAILED) {
        free_stream(gone);
        return;
    }
    gone->want_cancel = false;
    gone->want_commit = false;
    gone->want_job = false;
    prl_msg_free(&gone->job);
    gone->want_close = true;
    flush(gone);
}

static enum prl_err ask(struct stream *stream, enum prl_llm_order order, uint32_t generation,
                        const struct prl_llm_prompt *prompt)
{
    struct prl_llm_prompt *copy;
    size_t size;
    enum prl_err err = prl_llm_prompt_copy(&copy, &size, prompt);
    if (err)
        return err;
    prl_msg_free(&stream->job);
    stream->job = (struct prl_msg){
        .type = order, .generation = generation, .id = stream->id, .data = copy, .size = size};
    stream->want_job = true;
    stream->want_commit = false;
    return PRL_OK;
}

static enum prl_err prefill(struct prl_llm_stream *base, uint32_t generation,
                            const struct prl_llm_prompt *prompt)
{
    struct stream *stream = (struct stream *)base;
    PRL_CHECK(stream->fn != NULL);
    if (stream->llm->state == PRL_LLM_FAILED || stream->running)
        return PRL_OK;
    enum prl_err err = ask(stream, PRL_LLM_ORDER_PREFILL, generation, prompt);
    if (!err)
        flush(stream);
    return err;
}

static enum prl_err generate(struct prl_llm_stream *base, uint32_t generation,
                             const struct prl_llm_prompt *prompt,
                             const struct prl_llm_params *params)
{
    struct stream *stream = (struct stream *)base;
    PRL_CHECK(stream->fn != NULL);
    if (stream->llm->state == PRL_LLM_FAILED)
        return PRL_ERR_ENGINE;
    if (prompt->open)
        return PRL_ERR_INVALID;
    enum prl_err err = ask(stream, PRL_LLM_ORDER_GENERATE, generation, prompt);
    if (err)
        return err;
    prl_llm_order_pack(&stream->job, params, prl_clock_now_us());
    stream->running = true;
    stream->generation = generation;
    stream->llm->stats.generations++;
    flush(stream);
    return PRL_OK;
}

static void commit(struct prl_llm_stream *base, uint32_t generation)
{
    struct stream *stream = (struct stream *)base;
    if (!stream->running || stream->generation != generation)
        return;
    stream->want_commit = true;
    stream->commit_generation = generation;
    flush(stream);
}

static void cancel(struct prl_llm_stream *base, uint32_t generation)
{
    struct stream *stream = (struct stream *)base;
    if (stream->running && (int32_t)(generation - stream->generation) >= 0)
        stream->running = false;
    if (stream->want_job && (int32_t)(generation - stream->job.generation) >= 0) {
        stream->want_job = false;
        prl_msg_free(&stream->job);
    }
    stream->want_cancel = true;
    stream->cancel_generation = generation;
    flush(stream);
}

static const struct prl_llm_backend_ops local_ops = {.destroy = destroy,
                                                     .state = state_of,
                                                     .stats = stats_of,
                                                     .open = open_stream,
                                                     .close = close_stream,
                                                     .prefill = prefill,
                                                     .generate = generate,
                                                     .commit = commit,
                                                     .cancel = cancel};

// The lane of another loop's front serves this one too.
static enum prl_err join_lane(struct local *llm, const struct local *owner)
{
    PRL_CHECK(owner->base.ops == &local_ops && !owner->joined);
    llm->joined = true;
    llm->share = owner->share;
    llm->worker = owner->worker;
    return prl_share_join(llm->share, llm->port, &llm->front);
}

enum prl_err prl_llm_create(struct prl_llm **out, const struct prl_llm_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL);
    *out = NULL;
    if (!in_range(conf->context_tokens, CONTEXT_MIN, CONTEXT_MAX) ||
        !in_range(conf->cells, CONTEXT_MIN, CONTEXT_MAX * PRL_LLM_SEQUENCES_MAX) ||
        !in_range(conf->sequences, 1, PRL_LLM_SEQUENCES_MAX) ||
        !in_range(conf->threads, 1, THREADS_MAX))
        return PRL_ERR_INVALID;
    struct local *llm = prl_mem_zalloc(sizeof(*llm));
    if (!llm)
        return PRL_ERR_NOMEM;
    llm->base = (struct prl_llm){.ops = &local_ops, .loop = conf->loop};
    llm->on_state = conf->on_state;
    llm->arg = conf->arg;
    llm->state = PRL_LLM_LOADING;
    struct prl_llm *base = &llm->base;
    enum prl_err err = prl_port_open(&llm->port, conf->loop, PORT_CAPACITY, on_event, llm);
    if (!err && conf->share) {
        err = join_lane(llm, (const struct local *)conf->share);
    } else if (!err) {
        err = prl_share_create(&llm->share, llm->port);
        if (!err)
            err = prl_llm_worker_create(&llm->worker, conf, llm->share, on_started, llm);
    }
    if (err) {
        destroy(&base);
        return err;
    }
    *out = base;
    return PRL_OK;
}

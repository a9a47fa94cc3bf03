// remote.c -- see remote.h. A stream has one attempt at a time: a request to one engine, or a stream on
// the embedded model. An attempt outlives its stream's interest in it only inside its own callbacks
// (`busy`) and while the server closes an answer that is complete.
#include "llm/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "engine/hedge.h"
#include "llm/backend.h"
#include "llm/openai.h"
#include "net/loop.h"
#include "net/sse.h"

struct remote;
struct stream;

// One request to one engine.
struct attempt {
    struct remote *remote;
    struct attempt *next, *previous;
    struct stream *stream; // NULL: nobody wants it any more
    struct prl_hedge_who who;
    struct prl_hedge *request;
    struct prl_sse *sse;
    struct prl_openai_reader *reader;
    unsigned busy; // its callbacks are on the stack
    bool garbled;
    int64_t start_us;
};

struct stream {
    struct prl_llm_stream base;
    struct remote *remote;
    prl_llm_event_fn fn;
    void *arg;
    struct prl_llm_stream *local; // owned; on the embedded model, opened when first needed
    // Of the running answer.
    bool running;
    bool on_local; // the embedded model answers
    bool given;    // something of it was handed out
    uint32_t generation;
    struct prl_llm_prompt *prompt; // owned
    struct prl_llm_params params;
    uint32_t tried; // engines that failed
    int engine;     // asked now
    struct attempt *attempt;
    int64_t start_us, attempt_us, first_us;
    uint64_t calls; // made, for their ids
};

struct remote {
    struct prl_llm base;
    struct prl_pool *pool;
    struct prl_llm *local;
    struct attempt *attempts;
    size_t streams;
    struct prl_llm_stats stats;
};

static bool ask_next(struct stream *stream);

// ---- attempts ----

static void free_attempt(struct attempt *attempt)
{
    PRL_CHECK(attempt->busy == 0);
    if (attempt->next)
        attempt->next->previous = attempt->previous;
    if (attempt->previous)
        attempt->previous->next = attempt->next;
    else
        attempt->remote->attempts = attempt->next;
    prl_hedge_cancel(&attempt->request);
    prl_sse_destroy(&attempt->sse);
    prl_openai_reader_destroy(&attempt->reader);
    prl_mem_free(attempt);
}

// Its stream has no more use for it. `finished`: the server is just about to close it by itself, and
// the connection stays usable.
static void drop_attempt(struct stream *stream, bool finished)
{
    struct attempt *attempt = stream->attempt;
    stream->attempt = NULL;
    if (!attempt)
        return;
    attempt->stream = NULL;
    if (!finished)
        prl_hedge_cancel(&attempt->request);
    if (attempt->busy == 0 && !attempt->request)
        free_attempt(attempt);
}

// ---- events ----

static void stop(struct stream *stream)
{
    stream->running = false;
    prl_mem_free(stream->prompt);
    stream->prompt = NULL;
}

static void tell(struct stream *stream, const struct prl_llm_event *event)
{
    struct prl_llm_event full = *event;
    full.generation = stream->generation;
    stream->fn(stream->arg, &full);
}

static void note_first(struct stream *stream)
{
    stream->given = true;
    if (stream->first_us)
        return;
    stream->first_us = prl_clock_now_us();
    prl_pool_first_byte(stream->remote->pool, stream->engine,
                        stream->first_us - stream->attempt_us);
}

static void fail(struct stream *stream, const char *why)
{
    stream->remote->stats.failures++;
    stop(stream);
    tell(stream,
         &(struct prl_llm_event){.kind = PRL_LLM_EVENT_ERROR, .text = why, .len = strlen(why)});
}

// The engine that was asked has failed: another one, or the end of this answer.
static void give_up(struct stream *stream, enum prl_outcome outcome, enum prl_fetch_failure failure,
                    const char *why)
{
    char text[PRL_FETCH_WHY_SIZE];
    (void)prl_str_copy(text, sizeof(text), why);
    prl_pool_end(stream->remote->pool, stream->engine, outcome, failure, text);
    stream->tried |= UINT32_C(1) << stream->engine;
    drop_attempt(stream, false);
    if (stream->given || !ask_next(stream))
        fail(stream, text);
}

static void finish(struct stream *stream)
{
    struct attempt *attempt = stream->attempt;
    int64_t now_us = prl_clock_now_us();
    struct prl_llm_event event = {
        .kind = PRL_LLM_EVENT_DONE,
        .reason = prl_openai_reader_reason(attempt->reader),
        .usage = prl_openai_reader_usage(attempt->reader),
        .timings = {.queued_us = attempt->start_us - stream->start_us,
                    .first_token_us = stream->first_us ? stream->first_us - stream->start_us : 0,
                    .decode_us = stream->first_us ? now_us - stream->first_us : 0}};
    prl_pool_end(stream->remote->pool, stream->engine, PRL_OUTCOME_OK, PRL_FETCH_OK, NULL);
    drop_attempt(stream, true);
    stop(stream);
    tell(stream, &event);
}

static void give_call(struct attempt *attempt, const char *name, const char *text, size_t len)
{
    struct stream *stream = attempt->stream;
    uint32_t generation = stream->generation;
    char call_id[32];
    // Unlike any other of this process and of this time.
    snprintf(call_id, sizeof(call_id), "call_%08x%08llx", generation,
             (unsigned long long)(prl_clock_wall_us() + (int64_t)stream->calls++) & 0xFFFFFFFF);
    tell(stream, &(struct prl_llm_event){
                     .kind = PRL_LLM_EVENT_TOOL_BEGIN, .name = name, .call_id = call_id});
    if (attempt->stream != stream) // cancelled in the callback
        return;
    tell(stream,
         &(struct prl_llm_event){.kind = PRL_LLM_EVENT_TOOL_ARGS, .text = text, .len = len});
    if (attempt->stream != stream)
        return;
    tell(stream, &(struct prl_llm_event){.kind = PRL_LLM_EVENT_TOOL_END});
}

static void on_piece(void *arg, const char *name, const char *text, size_t len)
{
    struct attempt *attempt = arg;
    if (!attempt->stream)
        return;
    note_first(attempt->stream);
    if (name)
        give_call(attempt, name, text, len);
    else
        tell(attempt->stream,
             &(struct prl_llm_event){.kind = PRL_LLM_EVENT_TOKEN, .text = text, .len = len});
}

// ---- a far engine ----

static void on_sse(void *arg, const struct prl_sse_event *event)
{
    struct attempt *attempt = arg;
    if (attempt->stream && !attempt->garbled &&
        prl_openai_reader_push(attempt->reader, event->data, event->data_len) != PRL_OK)
        attempt->garbled = true;
}

static void end_attempt(struct attempt *attempt)
{
    if (attempt->stream && prl_openai_reader_end(attempt->reader) != PRL_OK)
        attempt->garbled = true;
    if (attempt->stream && attempt->garbled)
        give_up(attempt->stream, PRL_OUTCOME_FAILED, PRL_FETCH_CUT,
                prl_openai_reader_why(attempt->reader));
    else if (attempt->stream)
        finish(attempt->stream);
}

// Two may have been asked, of whom this one answers.
static void note_who(struct attempt *attempt)
{
    struct stream *stream = attempt->stream;
    if (!stream)
        return;
    stream->engine = attempt->who.engine;
    stream->attempt_us = attempt->who.start_us;
    stream->tried |= attempt->who.failed;
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct attempt *attempt = arg;
    attempt->busy++;
    note_who(attempt);
    if (attempt->stream && prl_sse_push(attempt->sse, data, len) != PRL_OK)
        attempt->garbled = true;
    if (attempt->stream && (attempt->garbled || prl_openai_reader_done(attempt->reader)))
        end_attempt(attempt);
    attempt->busy--;
    if (!attempt->stream && !attempt->request && attempt->busy == 0)
        free_attempt(attempt);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct attempt *attempt = arg;
    attempt->request = NULL;
    attempt->busy++;
    note_who(attempt);
    if (attempt->stream && end->failure != PRL_FETCH_OK)
        give_up(attempt->stream, prl_pool_outcome(end), end->failure, end->why);
    else if (attempt->stream)
        end_attempt(attempt);
    attempt->busy--;
    PRL_CHECK(attempt->stream == NULL);
    free_attempt(attempt);
}

static const struct prl_fetch_ops fetch_ops = {NULL, on_data, on_end};

static enum prl_err post(struct stream *stream, struct attempt *attempt)
{
    const struct prl_pool_engine *engine = prl_pool_at(stream->remote->pool, stream->engine);
    struct prl_str body;
    prl_str_init(&body, PRL_OPENAI_REQUEST_MAX);
    enum prl_err err =
        prl_openai_request(&body, engine->model, engine->extra, stream->prompt, &stream->params);
    static const struct prl_http_header accept = {"Accept", "text/event-stream"};
    struct prl_fetch_ask ask = {.headers = &accept,
                                .header_count = 1,
                                .content_type = "application/json",
                                .body = body.data,
                                .body_size = body.len,
                                .ops = &fetch_ops,
                                .arg = attempt};
    if (!err)
        err = prl_hedge_post(stream->remote->pool, "/chat/completions", &ask, &attempt->who,
                             &attempt->request);
    prl_str_free(&body);
    return err;
}

static enum prl_err ask_far(struct stream *stream)
{
    struct remote *remote = stream->remote;
    struct attempt *attempt = prl_mem_zalloc(sizeof(*attempt));
    if (!attempt)
        return PRL_ERR_NOMEM;
    *attempt = (struct attempt){.remote = remote,
                                .next = remote->attempts,
                                .who = {.engine = stream->engine},
                                .start_us = prl_clock_now_us()};
    if (remote->attempts)
        remote->attempts->previous = attempt;
    remote->attempts = attempt;
    enum prl_err err = prl_sse_create(&attempt->sse, 0, on_sse, attempt);
    if (!err)
        err = prl_openai_reader_create(&attempt->reader, on_piece, attempt);
    if (!err)
        err = post(stream, attempt);
    if (err) {
        free_attempt(attempt);
        return err;
    }
    attempt->stream = stream;
    stream->attempt = attempt;
    return PRL_OK;
}

// ---- the embedded engine ----

static void on_local(void *arg, const struct prl_llm_event *event)
{
    struct stream *stream = arg;
    if (!stream->running || !stream->on_local || event->generation != stream->generation) {
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
        return;
    }
    if (event->kind == PRL_LLM_EVENT_ERROR) {
        stream->on_local = false;
        give_up(stream, PRL_OUTCOME_FAILED, PRL_FETCH_CUT, event->text);
        return;
    }
    if (event->kind == PRL_LLM_EVENT_DONE) {
        stream->on_local = false;
        prl_pool_end(stream->remote->pool, stream->engine, PRL_OUTCOME_OK, PRL_FETCH_OK, NULL);
        stop(stream);
    } else {
        note_first(stream);
    }
    tell(stream, event);
}

static enum prl_err ask_local(struct stream *stream)
{
    struct prl_llm *local = stream->remote->local;
    bool blind = prl_llm_prompt_has_images(stream->prompt);
    enum prl_err err = local && !blind ? PRL_OK : PRL_ERR_ENGINE;
    if (!err && !stream->local) {
        struct prl_llm_stream_conf conf = {.fn = on_local, .arg = stream};
        err = prl_llm_open(local, &conf, &stream->local);
    }
    if (!err)
        err = prl_llm_generate(stream->local, stream->generation, stream->prompt, &stream->params);
    stream->on_local = !err;
    return err;
}

// ---- the chain ----

// Asks the next engine that can; false: there is none left.
static bool ask_next(struct stream *stream)
{
    struct prl_pool *pool = stream->remote->pool;
    for (;;) {
        stream->engine = prl_pool_pick(pool, stream->tried);
        if (stream->engine < 0)
            return false;
        stream->attempt_us = prl_clock_now_us();
        stream->first_us = 0;
        bool far = prl_pool_at(pool, stream->engine)->url != NULL;
        enum prl_err err = far ? ask_far(stream) : ask_local(stream);
        if (!err)
            return true;
        // An embedded engine that is shown an image is not at fault.
        bool ours = !far && prl_llm_prompt_has_images(stream->prompt);
        prl_pool_end(pool, stream->engine, ours ? PRL_OUTCOME_REFUSED : PRL_OUTCOME_FAILED,
                     PRL_FETCH_MEMORY, ours ? "it sees no images" : prl_err_name(err));
        stream->tried |= UINT32_C(1) << stream->engine;
    }
}

// The running answer ends without a word.
static void abandon(struct stream *stream)
{
    if (!stream->running)
        return;
    if (stream->attempt)
        note_who(stream->attempt);
    prl_pool_end(stream->remote->pool, stream->engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
    drop_attempt(stream, false);
    if (stream->on_local)
        prl_llm_cancel(stream->local, stream->generation);
    stream->on_local = false;
    stop(stream);
}

// ---- the table ----

static void destroy(struct prl_llm **llm)
{
    struct remote *gone = (struct remote *)*llm;
    PRL_CHECK(gone->streams == 0);
    while (gone->attempts)
        free_attempt(gone->attempts);
    prl_mem_free(gone);
    *llm = NULL;
}

static enum prl_llm_state state_of(const struct prl_llm *llm)
{
    (void)llm;
    return PRL_LLM_READY;
}

static struct prl_llm_stats stats_of(const struct prl_llm *llm)
{
    return ((const struct remote *)llm)->stats;
}

static enum prl_err open_stream(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                                struct prl_llm_stream **out)
{
    struct remote *remote = (struct remote *)llm;
    if (remote->streams >= PRL_LLM_STREAMS_MAX)
        return PRL_ERR_LIMIT;
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct stream){.base = {.ops = llm->ops, .loop = llm->loop},
                              .remote = remote,
                              .fn = conf->fn,
                              .arg = conf->arg};
    remote->streams++;
    *out = &stream->base;
    return PRL_OK;
}

static void close_stream(struct prl_llm_stream *base)
{
    struct stream *stream = (struct stream *)base;
    abandon(stream);
    prl_llm_close(&stream->local);
    stream->remote->streams--;
    prl_mem_free(stream);
}

static enum prl_err generate(struct prl_llm_stream *base, uint32_t generation,
                             const struct prl_llm_prompt *prompt,
                             const struct prl_llm_params *params)
{
    struct stream *stream = (struct stream *)base;
    size_t size;
    abandon(stream);
    if (prompt->open)
        return PRL_ERR_INVALID;
    enum prl_err err = prl_llm_prompt_copy(&stream->prompt, &size, prompt);
    if (err)
        return err;
    stream->params = *params;
    stream->generation = generation;
    stream->tried = 0;
    stream->given = false;
    stream->start_us = prl_clock_now_us();
    if (!ask_next(stream)) {
        stop(stream);
        return PRL_ERR_ENGINE;
    }
    stream->running = true;
    stream->remote->stats.generations++;
    return PRL_OK;
}

static void commit(struct prl_llm_stream *base, uint32_t generation)
{
    struct stream *stream = (struct stream *)base;
    if (!stream->running || stream->generation != generation)
        return;
    stream->params.committed = true;
    if (stream->on_local)
        prl_llm_commit(stream->local, generation);
}

static void cancel(struct prl_llm_stream *base, uint32_t generation)
{
    struct stream *stream = (struct stream *)base;
    if (stream->running && (int32_t)(generation - stream->generation) >= 0)
        abandon(stream);
}

static void warm(struct prl_llm *llm)
{
    prl_pool_warm_next(((struct remote *)llm)->pool, NULL);
}

static const struct prl_llm_backend_ops remote_ops = {.destroy = destroy,
                                                      .state = state_of,
                                                      .stats = stats_of,
                                                      .open = open_stream,
                                                      .close = close_stream,
                                                      .generate = generate,
                                                      .commit = commit,
                                                      .cancel = cancel,
                                                      .warm = warm};

enum prl_err prl_llm_remote_create(struct prl_llm **out, const struct prl_llm_remote_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->pool != NULL);
    *out = NULL;
    struct remote *remote = prl_mem_zalloc(sizeof(*remote));
    if (!remote)
        return PRL_ERR_NOMEM;
    *remote = (struct remote){.base = {.ops = &remote_ops,
                                       .loop = conf->loop,
                                       .sees = prl_pool_has_far(conf->pool) && !conf->blind},
                              .pool = conf->pool,
                              .local = conf->local};
    *out = &remote->base;
    return PRL_OK;
}

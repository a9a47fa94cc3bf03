// worker.c -- see worker.h.
#include "llm/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/batch.h"
#include "llm/ledger.h"
#include "llm/llama.h"
#include "net/lane_child.h"

enum {
    CONTEXT_DEFAULT = 4096,
    SEQUENCES_DEFAULT = 4,
    NICE = 15,                 // below the other lanes: the voice of the first clause is waited for
    SEND_TIMEOUT_US = 5000000, // a loop that stands for so long has lost its sessions anyway
    // A stream has one message on its way at a time.
    QUEUE_MAX = PRL_LLM_STREAMS_MAX + 8,
};

struct prl_llm_worker {
    // Set once; texts owned.
    char *model_path;
    char *module_path;
    char *child_program;
    bool model_known;
    struct prl_llm_model_conf conf;
    struct prl_share *share; // borrowed
    struct prl_cores *cores; // borrowed or NULL
    int threads_max;
    // Shared by the loops.
    atomic_int streams;
    // Owned; the lane's thread only, but `about` once started.
    const struct prl_llm_model_ops *ops;
    void *model;
    struct prl_llm_batch *batch;
    char about[PRL_LANE_ERROR_SIZE];
    struct prl_llm_ledger *ledger; // with a child process
    struct prl_lane *lane;
};

void prl_llm_order_pack(struct prl_msg *msg, const struct prl_llm_params *params,
                        int64_t queued_at_us)
{
    _Static_assert(sizeof(double) == sizeof(int64_t), "a double fits a value");
    uint64_t small = (uint64_t)(params->max_output_tokens & 0xffff);
    uint64_t committed = params->committed ? 1U << 16 : 0;
    msg->value[0] = (int64_t)((uint64_t)params->seed << 32 | committed | small);
    memcpy(&msg->value[1], &params->temperature, sizeof(double));
    memcpy(&msg->value[2], &params->top_p, sizeof(double));
    msg->value[3] = queued_at_us;
}

void prl_llm_order_unpack(const struct prl_msg *msg, struct prl_llm_params *params,
                          int64_t *queued_at_us)
{
    *params = (struct prl_llm_params){.max_output_tokens = (int)(msg->value[0] & 0xffff),
                                      .committed = (msg->value[0] >> 16 & 1) != 0,
                                      .seed = (uint32_t)((uint64_t)msg->value[0] >> 32)};
    memcpy(&params->temperature, &msg->value[1], sizeof(double));
    memcpy(&params->top_p, &msg->value[2], sizeof(double));
    *queued_at_us = msg->value[3];
}

static int64_t two(int64_t high, int64_t low)
{
    // 35 minutes of microseconds; a longer time shows as that.
    high = high < 0 ? 0 : high > INT32_MAX ? INT32_MAX : high;
    low = low < 0 ? 0 : low > INT32_MAX ? INT32_MAX : low;
    return high << 32 | low;
}

static int high_of(int64_t value)
{
    return (int)(value >> 32);
}

static int low_of(int64_t value)
{
    return (int)(value & 0x7fffffff);
}

static enum prl_err put_text(struct prl_msg *msg, const char *text, size_t len)
{
    char *data = prl_mem_strndup(text, len);
    if (!data)
        return PRL_ERR_NOMEM;
    msg->data = data;
    msg->size = len;
    return PRL_OK;
}

static enum prl_err put_names(struct prl_msg *msg, const char *name, const char *call_id)
{
    size_t name_size = strlen(name) + 1;
    size_t id_size = strlen(call_id) + 1;
    char *data = prl_mem_alloc(name_size + id_size);
    if (!data)
        return PRL_ERR_NOMEM;
    memcpy(data, name, name_size);
    memcpy(data + name_size, call_id, id_size);
    msg->data = data;
    msg->size = name_size + id_size;
    return PRL_OK;
}

enum prl_err prl_llm_event_pack(struct prl_msg *msg, uint64_t id, const struct prl_llm_event *event)
{
    *msg = (struct prl_msg){.type = event->kind, .generation = event->generation, .id = id};
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
    case PRL_LLM_EVENT_TOOL_ARGS:
    case PRL_LLM_EVENT_ERROR:
        return put_text(msg, event->text, event->len);
    case PRL_LLM_EVENT_TOOL_BEGIN:
        return put_names(msg, event->name, event->call_id);
    case PRL_LLM_EVENT_DONE:
        msg->type |= (uint32_t)event->reason << 8;
        msg->value[0] = two(event->usage.input_tokens, event->usage.cached_tokens);
        msg->value[1] = two(event->usage.output_tokens, event->usage.dropped_messages);
        msg->value[2] = two(event->timings.queued_us, event->timings.prefill_us);
        msg->value[3] = two(event->timings.first_token_us, event->timings.decode_us);
        return PRL_OK;
    case PRL_LLM_EVENT_TOOL_END:
    case PRL_LLM_EVENT_AUDIO: // no embedded model speaks
        break;
    }
    return PRL_OK;
}

void prl_llm_event_unpack(const struct prl_msg *msg, struct prl_llm_event *event)
{
    const char *text = msg->data;
    *event = (struct prl_llm_event){.kind = (enum prl_llm_event_kind)(msg->type & 0xff),
                                    .generation = msg->generation};
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
    case PRL_LLM_EVENT_TOOL_ARGS:
    case PRL_LLM_EVENT_ERROR:
        event->text = text ? text : "out of memory";
        event->len = text ? msg->size : strlen(event->text);
        break;
    case PRL_LLM_EVENT_TOOL_BEGIN:
        event->name = text;
        event->call_id = text + strlen(text) + 1;
        break;
    case PRL_LLM_EVENT_DONE:
        event->reason = (enum prl_llm_reason)(msg->type >> 8);
        event->usage = (struct prl_llm_usage){.input_tokens = high_of(msg->value[0]),
                                              .cached_tokens = low_of(msg->value[0]),
                                              .output_tokens = high_of(msg->value[1]),
                                              .dropped_messages = low_of(msg->value[1])};
        event->timings = (struct prl_llm_timings){.queued_us = high_of(msg->value[2]),
                                                  .prefill_us = low_of(msg->value[2]),
                                                  .first_token_us = high_of(msg->value[3]),
                                                  .decode_us = low_of(msg->value[3])};
        break;
    case PRL_LLM_EVENT_TOOL_END:
    case PRL_LLM_EVENT_AUDIO: // no embedded model speaks
        break;
    }
}

static void send_msg(struct prl_llm_worker *worker, struct prl_msg *msg)
{
    enum prl_err err =
        prl_port_send_wait(prl_share_port(worker->share, msg->id), msg, SEND_TIMEOUT_US);
    if (!err)
        return;
    prl_msg_free(msg);
    if (err != PRL_ERR_CANCELED)
        prl_log(PRL_LOG_ERROR, "llm", "an event was lost: the loop took nothing for %d s",
                SEND_TIMEOUT_US / 1000000);
}

static void on_event(void *arg, uint64_t id, const struct prl_llm_event *event)
{
    struct prl_llm_worker *worker = arg;
    struct prl_msg msg;
    if (prl_llm_event_pack(&msg, id, event)) {
        // Told as the answer's failure. What the lane still sends of it is late for the front.
        msg = (struct prl_msg){
            .type = PRL_LLM_EVENT_ERROR, .generation = event->generation, .id = id};
    }
    send_msg(worker, &msg);
}

static void log_line(const char *text)
{
    prl_log(PRL_LOG_DEBUG, "llm", "%s", text);
}

// A model that has never computed may still fail, and its first step is slow: both belong here.
static enum prl_err warm_up(struct prl_llm_worker *worker, char *error)
{
    static const char *const needed[] = {"<|im_start|>", "<|im_end|>"};
    for (size_t i = 0; i < 2; i++) {
        if (worker->ops->control(worker->model, needed[i]) < 0) {
            (void)snprintf(error, PRL_LANE_ERROR_SIZE,
                           "%s: has no token %s; only models with the chat form of Qwen2.5 work",
                           worker->model_path, needed[i]);
            return PRL_ERR_ENGINE;
        }
    }
    struct prl_llm_entry entry = {.token = worker->ops->control(worker->model, needed[0]),
                                  .logits = true};
    struct prl_llm_sampling greedy = {0};
    bool good = worker->ops->sampler(worker->model, 0, &greedy) == PRL_OK &&
                worker->ops->decode(worker->model, &entry, 1) == PRL_OK &&
                worker->ops->sample(worker->model, 0, 0) >= 0;
    (void)worker->ops->keep(worker->model, 0, 0);
    if (good)
        return PRL_OK;
    (void)snprintf(error, PRL_LANE_ERROR_SIZE, "%s: was loaded but does not compute",
                   worker->model_path);
    return PRL_ERR_ENGINE;
}

static void stop(void *ctx)
{
    struct prl_llm_worker *worker = ctx;
    prl_llm_batch_destroy(&worker->batch);
    if (worker->model)
        worker->ops->unload(worker->model);
    worker->model = NULL;
}

static enum prl_err load(struct prl_llm_worker *worker, char *error)
{
    enum prl_err err;
    if (!worker->ops) {
        struct prl_llama_source source = {.model_path = worker->model_path,
                                          .module_path = worker->module_path,
                                          .child_program = worker->child_program,
                                          .model_known = worker->model_known};
        err = prl_llama_open(&worker->ops, &source, error, PRL_LANE_ERROR_SIZE);
        if (err)
            return err;
    }
    err = worker->ops->load(&worker->model, &worker->conf, error, PRL_LANE_ERROR_SIZE);
    if (err)
        return err;
    worker->ops->describe(worker->model, worker->about, sizeof(worker->about));
    err = warm_up(worker, error);
    if (err)
        return err;
    err = prl_llm_batch_create(&worker->batch, worker->ops, worker->model, &worker->conf, on_event,
                               worker);
    if (!err)
        prl_llm_batch_share(worker->batch, worker->cores, worker->threads_max);
    else
        (void)snprintf(error, PRL_LANE_ERROR_SIZE, "out of memory");
    return err;
}

static enum prl_err start(void *ctx, char *error)
{
    enum prl_err err = load(ctx, error);
    if (err)
        stop(ctx);
    return err;
}

static struct prl_llm_prompt *take_prompt(struct prl_msg *msg)
{
    struct prl_llm_prompt *prompt = msg->data;
    msg->data = NULL;
    return prompt;
}

static void take_generate(struct prl_llm_worker *worker, struct prl_msg *msg)
{
    struct prl_llm_params params;
    int64_t queued_at_us;
    prl_llm_order_unpack(msg, &params, &queued_at_us);
    prl_llm_batch_take_generate(worker->batch, msg->id, msg->generation, take_prompt(msg), &params,
                                queued_at_us);
}

static void message(void *ctx, struct prl_msg *msg)
{
    struct prl_llm_worker *worker = ctx;
    uint32_t note = PRL_LLM_NOTE_TAKEN;
    switch ((enum prl_llm_order)msg->type) {
    case PRL_LLM_ORDER_OPEN:
        if (prl_llm_batch_open(worker->batch, msg->id))
            prl_log(PRL_LOG_ERROR, "llm", "out of memory for a stream");
        break;
    case PRL_LLM_ORDER_CLOSE:
        prl_llm_batch_close(worker->batch, msg->id);
        note = PRL_LLM_NOTE_CLOSED;
        break;
    case PRL_LLM_ORDER_PREFILL:
        prl_llm_batch_take_prefill(worker->batch, msg->id, msg->generation, take_prompt(msg));
        break;
    case PRL_LLM_ORDER_GENERATE:
        take_generate(worker, msg);
        break;
    case PRL_LLM_ORDER_COMMIT:
        prl_llm_batch_commit(worker->batch, msg->id, msg->generation);
        break;
    case PRL_LLM_ORDER_CANCEL:
        prl_llm_batch_cancel(worker->batch, msg->id, msg->generation);
        break;
    }
    send_msg(worker, &(struct prl_msg){.type = note, .id = msg->id});
}

static bool step(void *ctx)
{
    struct prl_llm_worker *worker = ctx;
    return prl_llm_batch_step(worker->batch);
}

static enum prl_err copy_conf(struct prl_llm_worker *worker, const struct prl_llm_conf *conf)
{
    int context = conf->context_tokens ? conf->context_tokens : CONTEXT_DEFAULT;
    worker->model_path = prl_mem_strdup(conf->model_path ? conf->model_path : "");
    worker->module_path = prl_mem_strdup(conf->module_path);
    worker->child_program = prl_mem_strdup(conf->child_program);
    worker->model_known = conf->model_known;
    worker->ops = conf->ops;
    worker->cores = conf->cores;
    worker->threads_max = conf->threads;
    worker->conf = (struct prl_llm_model_conf){
        .path = worker->model_path,
        .context_tokens = context,
        .cells = conf->cells ? conf->cells : 2 * context,
        .sequences = conf->sequences ? conf->sequences : SEQUENCES_DEFAULT,
        .threads = conf->threads ? conf->threads : 1,
        .log = log_line,
        .alloc = prl_mem_zalloc,
        .free = prl_mem_free,
        .arg = conf->ops_arg,
    };
    if (!worker->model_path || (conf->module_path && !worker->module_path) ||
        (conf->child_program && !worker->child_program))
        return PRL_ERR_NOMEM;
    return PRL_OK;
}

// ---- in a child process ----

static void on_sent(void *ctx, struct prl_msg *msg)
{
    struct prl_llm_worker *worker = ctx;
    prl_llm_ledger_sent(worker->ledger, msg);
}

static enum prl_err on_got(void *ctx, struct prl_msg *msg)
{
    struct prl_llm_worker *worker = ctx;
    enum prl_err err = prl_llm_ledger_got(worker->ledger, msg);
    if (!err) {
        send_msg(worker, msg);
        msg->data = NULL;
    }
    return err == PRL_ERR_AGAIN ? PRL_OK : err;
}

static void on_lost(void *ctx, const char *why, bool soon)
{
    struct prl_llm_worker *worker = ctx;
    (void)soon; // an engine of a chain may answer sooner than a model loads
    struct prl_msg msg;
    while (prl_llm_ledger_lost(worker->ledger, &msg)) {
        if (msg.type == PRL_LLM_EVENT_ERROR && put_text(&msg, why, strlen(why)) != PRL_OK)
            msg.size = 0; // the front says that memory ran out
        send_msg(worker, &msg);
    }
}

static bool on_again(void *ctx, struct prl_msg *msg)
{
    struct prl_llm_worker *worker = ctx;
    return prl_llm_ledger_again(worker->ledger, msg);
}

static void on_described(void *ctx, const struct prl_msg *about)
{
    struct prl_llm_worker *worker = ctx;
    if (!worker->about[0] && about->data)
        (void)prl_str_copy(worker->about, sizeof(worker->about), about->data);
}

static bool on_peek(void *ctx, struct prl_msg *msg, uint64_t base)
{
    struct prl_llm_worker *worker = ctx;
    bool has_prompt = msg->type == PRL_LLM_ORDER_PREFILL || msg->type == PRL_LLM_ORDER_GENERATE;
    if (!has_prompt || prl_llm_prompt_rebase(msg->data, msg->size, base) == PRL_OK)
        return false;
    prl_log(PRL_LOG_ERROR, "llm", "a prompt came broken from the server");
    send_msg(worker, &(struct prl_msg){.type = PRL_LLM_NOTE_TAKEN, .id = msg->id});
    send_msg(worker, &(struct prl_msg){.type = PRL_LLM_EVENT_ERROR,
                                       .generation = msg->generation,
                                       .id = msg->id});
    return true;
}

static void on_describe(void *ctx, struct prl_msg *about)
{
    const struct prl_llm_worker *worker = ctx;
    if (put_text(about, worker->about, strlen(worker->about)) != PRL_OK)
        about->size = 0; // it goes without a description
}

static const struct prl_lane_wire lane_wire = {.sent = on_sent,
                                               .got = on_got,
                                               .lost = on_lost,
                                               .again = on_again,
                                               .described = on_described,
                                               .peek = on_peek,
                                               .describe = on_describe};
static const struct prl_lane_ops lane_ops = {
    .start = start, .message = message, .step = step, .stop = stop};

enum prl_err prl_llm_serve(const struct prl_llm_conf *conf, struct prl_lane_child *child)
{
    struct prl_llm_worker *worker = prl_mem_zalloc(sizeof(*worker));
    if (!worker)
        return PRL_ERR_NOMEM;
    worker->share = prl_lane_child_share(child);
    enum prl_err err = copy_conf(worker, conf);
    struct prl_lane_conf lane = {.name = "llm",
                                 .nice = NICE,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &lane_ops,
                                 .ctx = worker,
                                 .cores = conf->cores};
    if (!err)
        return prl_lane_child_run(child, &lane, &lane_wire); // the lane may live on
    prl_llm_worker_destroy(&worker);
    return err;
}

// ---- the loop's thread ----

enum prl_err prl_llm_worker_create(struct prl_llm_worker **out, const struct prl_llm_conf *conf,
                                   struct prl_share *share, prl_lane_started_fn started, void *arg)
{
    PRL_CHECK(out != NULL && conf != NULL && share != NULL);
    *out = NULL;
    struct prl_llm_worker *worker = prl_mem_zalloc(sizeof(*worker));
    if (!worker)
        return PRL_ERR_NOMEM;
    worker->share = share;
    atomic_init(&worker->streams, 0);
    enum prl_err err = copy_conf(worker, conf);
    if (!err && conf->isolate)
        err = prl_llm_ledger_create(&worker->ledger);
    if (!err)
        err = prl_lane_create(&worker->lane, &(struct prl_lane_conf){.name = "llm",
                                                                     .nice = NICE,
                                                                     .queue_max = QUEUE_MAX,
                                                                     .ops = &lane_ops,
                                                                     .ctx = worker,
                                                                     .isolate = conf->isolate,
                                                                     .wire = &lane_wire,
                                                                     .cores = conf->cores,
                                                                     .loop = conf->loop,
                                                                     .started = started,
                                                                     .started_arg = arg});
    if (err) {
        prl_llm_worker_destroy(&worker);
        return err;
    }
    *out = worker;
    return PRL_OK;
}

void prl_llm_worker_destroy(struct prl_llm_worker **worker)
{
    PRL_CHECK(worker != NULL);
    if (!*worker)
        return;
    prl_lane_destroy(&(*worker)->lane);
    prl_llm_ledger_destroy(&(*worker)->ledger);
    prl_mem_free((*worker)->model_path);
    prl_mem_free((*worker)->module_path);
    prl_mem_free((*worker)->child_program);
    prl_mem_free(*worker);
    *worker = NULL;
}

enum prl_err prl_llm_worker_reserve(struct prl_llm_worker *worker)
{
    if (atomic_fetch_add(&worker->streams, 1) < PRL_LLM_STREAMS_MAX)
        return PRL_OK;
    atomic_fetch_sub(&worker->streams, 1);
    return PRL_ERR_LIMIT;
}

void prl_llm_worker_release(struct prl_llm_worker *worker)
{
    atomic_fetch_sub(&worker->streams, 1);
}

enum prl_err prl_llm_worker_send(struct prl_llm_worker *worker, const struct prl_msg *msg)
{
    return prl_lane_send(worker->lane, msg);
}

const char *prl_llm_worker_model(const struct prl_llm_worker *worker)
{
    return worker->about;
}

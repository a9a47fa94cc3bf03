// eot.c -- see eot.h. The asks wait on the loop's side, so that a cancel is a deletion from a list
// and the lane never has more than the one it works on.
#include "eot/eot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "eot/backend.h"
#include "net/lane.h"
#include "net/lane_child.h"
#include "net/loop.h"
#include "net/share.h"

enum {
    LANE_NICE = 10,
    QUEUE_MAX = 2,                    // one ask is under way at a time, of all fronts
    PORT_MAX = 4,                     // its answer, TURN and STARTED
    REPLY_WAIT_US = 10 * 1000 * 1000, // a loop that does not read for so long is stuck anyway
    WORK_GUESS_US = 60 * 1000,        // of an ask, until one was measured
    SMOOTHING = 4,                    // a new measurement counts for a quarter
};

struct prl_eot_stream {
    // Set once.
    struct prl_eot *eot; // borrowed
    uint64_t id;
    prl_eot_fn fn;
    void *arg;
    struct prl_eot_stream *next;
};

struct ask {
    uint64_t number;
    uint64_t stream;
    uint32_t utterance;
    int64_t asked_us;
    int16_t *pcm; // owned until it is sent
    size_t samples;
};

// The lane's.
struct worker {
    struct prl_eot_open_conf open;
    const struct prl_eot_backend_ops *backend;
    struct prl_share *share; // borrowed: replies go to its ports
    void *ctx;               // of the backend, owned
    struct prl_msg order;    // waiting for step; data NULL when none
    uint64_t asked;          // order that a child process works on; 0: none
};

struct prl_eot {
    // Set once.
    struct prl_eot_conf conf; // the model's path is `model`
    // Owned.
    char *model;
    struct prl_port *port;
    struct prl_share *share; // of front 0, as is the lane
    struct prl_lane *lane;
    unsigned front;
    struct prl_eot_stream *streams;
    struct ask waiting[PRL_EOT_WAITING_MAX]; // oldest first
    // State.
    struct worker worker; // the lane's while it lives
    size_t count;         // waiting
    struct ask running;   // number 0: nothing is under way; pcm is the lane's
    bool running_wanted;
    int64_t sent_us; // when it was given to the lane
    int64_t work_us; // what an ask takes
    uint64_t ids;
    uint64_t numbers;
    bool ready, failed;
};

// ---- the lane's side ----

static enum prl_err start_worker(void *ctx, char *error)
{
    struct worker *worker = ctx;
    (void)snprintf(error, PRL_LANE_ERROR_SIZE, "%s: out of memory", worker->backend->name);
    int64_t start_us = prl_clock_now_us();
    enum prl_err err =
        worker->backend->open(&worker->ctx, &worker->open, error, PRL_LANE_ERROR_SIZE);
    if (!err)
        prl_log(PRL_LOG_INFO, "eot", "%s loaded in %lld ms", worker->backend->name,
                (long long)((prl_clock_now_us() - start_us) / 1000));
    return err;
}

static void take_order(void *ctx, struct prl_msg *msg)
{
    struct worker *worker = ctx;
    PRL_CHECK(!worker->order.data); // the front sends one at a time
    worker->order = *msg;
    msg->data = NULL;
}

static void send_reply(struct worker *worker, const struct prl_msg *reply)
{
    worker->asked = 0;
    if (prl_port_send_wait(prl_share_port(worker->share, reply->id), reply, REPLY_WAIT_US) !=
        PRL_OK)
        prl_log(PRL_LOG_DEBUG, "eot", "nobody is there for the answer");
}

static bool step_worker(void *ctx)
{
    struct worker *worker = ctx;
    if (!worker->order.data)
        return false;
    float probability = 0.0F;
    int64_t start_us = prl_clock_now_us();
    enum prl_err err = worker->backend->predict(worker->ctx, worker->order.data,
                                                worker->order.size / sizeof(int16_t), &probability);
    if (!err && !isfinite(probability))
        err = PRL_ERR_ENGINE;
    float bounded = fminf(fmaxf(probability, 0.0F), 1.0F);
    struct prl_msg reply = {
        .id = worker->order.id,
        .value = {err, err ? 0 : lrintf(bounded * 1000.0F), prl_clock_now_us() - start_us}};
    prl_msg_free(&worker->order);
    send_reply(worker, &reply);
    return false;
}

static void stop_worker(void *ctx)
{
    struct worker *worker = ctx;
    prl_msg_free(&worker->order);
    worker->backend->close(&worker->ctx);
}

static const struct prl_lane_ops LANE_OPS = {
    .start = start_worker, .message = take_order, .step = step_worker, .stop = stop_worker};

// ---- the same in a child process ----

static void on_sent(void *ctx, struct prl_msg *msg)
{
    struct worker *worker = ctx;
    worker->asked = msg->id;
}

static enum prl_err on_got(void *ctx, struct prl_msg *msg)
{
    struct worker *worker = ctx;
    bool good = msg->id != 0 && msg->id == worker->asked && !msg->data && msg->value[0] >= 0 &&
                msg->value[0] < PRL_ERR_COUNT && msg->value[1] >= 0 && msg->value[1] <= 1000 &&
                msg->value[2] >= 0;
    if (good)
        send_reply(worker, msg);
    return good ? PRL_OK : PRL_ERR_INVALID;
}

static void on_lost(void *ctx, const char *why, bool soon)
{
    struct worker *worker = ctx;
    (void)why;  // it was logged
    (void)soon; // by then the pause is over
    if (worker->asked)
        send_reply(worker, &(struct prl_msg){.id = worker->asked, .value = {PRL_ERR_ENGINE}});
}

static const struct prl_lane_wire LANE_WIRE = {.sent = on_sent, .got = on_got, .lost = on_lost};

static void fill_worker(struct worker *worker, const struct prl_eot_conf *conf, const char *model)
{
    *worker = (struct worker){.open = {.ort = conf->ort,
                                       .model = model,
                                       .threads = conf->threads > 0 ? conf->threads : 1},
                              .backend = conf->backend ? conf->backend : &prl_eot_smart_turn};
}

enum prl_err prl_eot_serve(const struct prl_eot_conf *conf, struct prl_lane_child *child)
{
    struct worker *worker = prl_mem_zalloc(sizeof(*worker)); // as long as the process
    if (!worker)
        return PRL_ERR_NOMEM;
    fill_worker(worker, conf, conf->model);
    worker->share = prl_lane_child_share(child);
    struct prl_lane_conf lane = {.name = "eot",
                                 .nice = LANE_NICE,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &LANE_OPS,
                                 .ctx = worker,
                                 .cores = conf->cores};
    return prl_lane_child_run(child, &lane, &LANE_WIRE);
}

// ---- the loop's side ----

static struct prl_eot_stream *find_stream(const struct prl_eot *eot, uint64_t id)
{
    struct prl_eot_stream *stream = eot->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

// Gives the oldest ask to the lane, if that is free.
static void run_queue(struct prl_eot *eot)
{
    if (eot->running.number || eot->count == 0)
        return;
    struct ask *ask = &eot->waiting[0];
    struct prl_share_wish wish = {.front = eot->front, .order = ask->number};
    uint64_t in_the_way;
    if (!prl_share_begin(eot->share, &wish, &in_the_way))
        return;
    struct prl_msg msg = {
        .id = ask->number, .data = ask->pcm, .size = ask->samples * sizeof(*ask->pcm)};
    // Never full: nothing is under way. Refused only by a lane that ended, which destroy alone does.
    PRL_CHECK(prl_lane_send(eot->lane, &msg) == PRL_OK);
    eot->running = *ask;
    eot->running.pcm = NULL;
    eot->running_wanted = true;
    eot->sent_us = prl_loop_now_us(eot->conf.loop);
    eot->count--;
    memmove(ask, ask + 1, eot->count * sizeof(*ask));
}

static void take_answer(struct prl_eot *eot, const struct prl_msg *msg)
{
    struct ask ask = eot->running;
    PRL_CHECK(ask.number == msg->id);
    eot->running = (struct ask){.number = 0};
    prl_share_end(eot->share, eot->front);
    int64_t work_us = msg->value[2];
    eot->work_us += (work_us - eot->work_us) / SMOOTHING;
    prl_metrics_observe(PRL_METRIC_EOT_WORK, work_us);
    struct prl_eot_stream *stream = eot->running_wanted ? find_stream(eot, ask.stream) : NULL;
    run_queue(eot);
    if (!stream) {
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
        return;
    }
    int64_t queued_us = prl_loop_now_us(eot->conf.loop) - ask.asked_us - work_us;
    struct prl_eot_answer answer = {.utterance = ask.utterance,
                                    .err = (enum prl_err)msg->value[0],
                                    .permille = (uint32_t)msg->value[1],
                                    .queued_us = queued_us > 0 ? queued_us : 0,
                                    .work_us = work_us};
    stream->fn(stream->arg, &answer);
}

static void set_started(struct prl_eot *eot, enum prl_err err, const char *error)
{
    eot->failed = err != PRL_OK;
    eot->ready = !err;
    if (err && eot->conf.on_error)
        eot->conf.on_error(eot->conf.arg, error ? error : prl_err_name(err));
    if (!err && eot->conf.on_ready)
        eot->conf.on_ready(eot->conf.arg);
}

static void on_reply(void *arg, struct prl_msg *msg)
{
    struct prl_eot *eot = arg;
    if (msg->type == PRL_SHARE_TURN) {
        prl_share_turn(eot->share, eot->front);
        run_queue(eot);
        prl_share_pass(eot->share, eot->front);
    } else if (msg->type == PRL_SHARE_STARTED) {
        set_started(eot, (enum prl_err)msg->value[0], msg->data);
    } else {
        take_answer(eot, msg);
    }
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_eot *eot = arg;
    prl_share_started(eot->share, err, error);
    set_started(eot, err, error);
}

// The lane of another loop's front serves this one too.
static enum prl_err join_lane(struct prl_eot *eot)
{
    enum prl_err err = prl_port_open(&eot->port, eot->conf.loop, PORT_MAX, on_reply, eot);
    if (err)
        return err;
    eot->share = eot->conf.share->share;
    eot->lane = eot->conf.share->lane;
    return prl_share_join(eot->share, eot->port, &eot->front);
}

static enum prl_err start_lane(struct prl_eot *eot)
{
    fill_worker(&eot->worker, &eot->conf, eot->model);
    enum prl_err err = prl_port_open(&eot->port, eot->conf.loop, PORT_MAX, on_reply, eot);
    if (!err)
        err = prl_share_create(&eot->share, eot->port);
    if (err)
        return err;
    eot->worker.share = eot->share;
    struct prl_lane_conf lane = {.name = "eot",
                                 .nice = LANE_NICE,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &LANE_OPS,
                                 .ctx = &eot->worker,
                                 .isolate = eot->conf.isolate,
                                 .wire = &LANE_WIRE,
                                 .cores = eot->conf.cores,
                                 .loop = eot->conf.loop,
                                 .started = on_started,
                                 .started_arg = eot};
    return prl_lane_create(&eot->lane, &lane);
}

enum prl_err prl_eot_create(struct prl_eot **out, const struct prl_eot_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->model != NULL);
    *out = NULL;
    struct prl_eot *eot = prl_mem_zalloc(sizeof(*eot));
    if (!eot)
        return PRL_ERR_NOMEM;
    eot->conf = *conf;
    eot->conf.model = NULL;
    eot->work_us = WORK_GUESS_US;
    eot->model = prl_mem_strdup(conf->model);
    enum prl_err err = !eot->model ? PRL_ERR_NOMEM : conf->share ? join_lane(eot) : start_lane(eot);
    if (err)
        prl_eot_destroy(&eot);
    *out = eot;
    return err;
}

void prl_eot_destroy(struct prl_eot **eot)
{
    PRL_CHECK(eot != NULL);
    if (!*eot)
        return;
    PRL_CHECK((*eot)->streams == NULL && (*eot)->count == 0);
    if (!(*eot)->conf.share) {
        if ((*eot)->share)
            prl_share_close((*eot)->share);
        prl_lane_destroy(&(*eot)->lane);
        prl_share_destroy(&(*eot)->share);
    }
    prl_port_destroy(&(*eot)->port);
    prl_mem_free((*eot)->model);
    prl_mem_free(*eot);
    *eot = NULL;
}

bool prl_eot_is_ready(const struct prl_eot *eot)
{
    return eot->ready;
}

int64_t prl_eot_backlog_us(const struct prl_eot *eot)
{
    int64_t others = prl_share_others(eot->share, eot->front);
    int64_t backlog_us = ((int64_t)eot->count + others) * eot->work_us;
    if (!eot->running.number)
        return backlog_us;
    int64_t left_us = eot->work_us - (prl_loop_now_us(eot->conf.loop) - eot->sent_us);
    return backlog_us + (left_us > 0 ? left_us : 0);
}

enum prl_err prl_eot_open(struct prl_eot *eot, prl_eot_fn fn, void *arg,
                          struct prl_eot_stream **out)
{
    PRL_CHECK(eot != NULL && fn != NULL && out != NULL);
    struct prl_eot_stream *stream = prl_mem_zalloc(sizeof(*stream));
    *out = stream;
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct prl_eot_stream){
        .eot = eot, .id = ++eot->ids, .fn = fn, .arg = arg, .next = eot->streams};
    eot->streams = stream;
    return PRL_OK;
}

void prl_eot_close(struct prl_eot_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    prl_eot_cancel(*stream);
    struct prl_eot_stream **link = &(*stream)->eot->streams;
    while (*link != *stream)
        link = &(*link)->next;
    *link = (*stream)->next;
    prl_mem_free(*stream);
    *stream = NULL;
}

static enum prl_err put_ask(struct prl_eot_stream *stream, uint32_t utterance, const int16_t *pcm,
                            size_t n)
{
    struct prl_eot *eot = stream->eot;
    if (eot->failed)
        return PRL_ERR_ENGINE;
    if (!eot->ready)
        return PRL_ERR_AGAIN;
    if (eot->count == PRL_EOT_WAITING_MAX)
        return PRL_ERR_FULL;
    size_t samples = n < PRL_EOT_SAMPLES_MAX ? n : PRL_EOT_SAMPLES_MAX;
    int16_t *copy = prl_mem_dup(pcm + (n - samples), samples * sizeof(*pcm));
    if (!copy)
        return PRL_ERR_NOMEM;
    eot->waiting[eot->count++] = (struct ask){.number = prl_share_id(eot->front, ++eot->numbers),
                                              .stream = stream->id,
                                              .utterance = utterance,
                                              .asked_us = prl_loop_now_us(eot->conf.loop),
                                              .pcm = copy,
                                              .samples = samples};
    return PRL_OK;
}

enum prl_err prl_eot_ask(struct prl_eot_stream *stream, uint32_t utterance, const int16_t *pcm,
                         size_t n)
{
    PRL_CHECK(stream != NULL && pcm != NULL && n > 0);
    enum prl_err err = put_ask(stream, utterance, pcm, n);
    prl_metrics_add(err ? PRL_METRIC_EOT_SKIPPED : PRL_METRIC_EOT_ASKS, 1);
    run_queue(stream->eot);
    return err;
}

void prl_eot_cancel(struct prl_eot_stream *stream)
{
    PRL_CHECK(stream != NULL);
    struct prl_eot *eot = stream->eot;
    size_t kept = 0;
    for (size_t i = 0; i < eot->count; i++) {
        if (eot->waiting[i].stream == stream->id)
            prl_mem_free(eot->waiting[i].pcm);
        else
            eot->waiting[kept++] = eot->waiting[i];
    }
    eot->count = kept;
    if (eot->running.number && eot->running.stream == stream->id)
        eot->running_wanted = false;
}

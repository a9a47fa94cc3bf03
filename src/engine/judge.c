// judge.c -- see judge.h. The asks wait on the loop's side, so that a cancel is a deletion from a list
// and the lane never has more than the one it works on.
#include "engine/judge.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/lane.h"
#include "net/lane_child.h"
#include "net/loop.h"
#include "net/share.h"

enum {
    QUEUE_MAX = 2,                    // one ask is under way at a time, of all fronts
    PORT_MAX = 4,                     // its answer, TURN and STARTED
    REPLY_WAIT_US = 10 * 1000 * 1000, // a loop that does not read for so long is stuck anyway
    SMOOTHING = 4,                    // a new measurement counts for a quarter
};

// What a reply's prl_msg.value holds.
enum { REPLY_ERR, REPLY_VALUE, REPLY_WORK_US };

struct prl_judge_stream {
    // Set once.
    struct prl_judge *judge; // borrowed
    uint64_t id;
    prl_judge_fn fn;
    void *arg;
    struct prl_judge_stream *next;
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
    const struct prl_judge_kind *kind;
    const char *model_name;
    void *model;             // borrowed
    struct prl_share *share; // borrowed: replies go to its ports
    struct prl_msg order;    // waiting for step; data NULL when none
    uint64_t asked;          // order that a child process works on; 0: none
};

struct prl_judge {
    // Set once.
    struct prl_judge_conf conf;
    // Owned.
    struct prl_port *port;
    struct prl_share *share; // of front 0, as is the lane
    struct prl_lane *lane;
    unsigned front;
    struct prl_judge_stream *streams;
    struct ask waiting[PRL_JUDGE_WAITING_MAX]; // oldest first
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

enum prl_err prl_judge_model_open(void *model, char *why, size_t why_size)
{
    struct prl_judge_model *judge = model;
    return judge->backend->open(&judge->ctx, &judge->open, why, why_size);
}

void prl_judge_model_close(void *model)
{
    struct prl_judge_model *judge = model;
    judge->backend->close(&judge->ctx);
}

static enum prl_err start_worker(void *ctx, char *error)
{
    struct worker *worker = ctx;
    (void)snprintf(error, PRL_LANE_ERROR_SIZE, "%s: out of memory", worker->model_name);
    int64_t start_us = prl_clock_now_us();
    enum prl_err err = worker->kind->open(worker->model, error, PRL_LANE_ERROR_SIZE);
    if (!err)
        prl_log(PRL_LOG_INFO, worker->kind->name, "%s loaded in %lld ms", worker->model_name,
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

// Takes the reply's data.
static void send_reply(struct worker *worker, struct prl_msg *reply)
{
    worker->asked = 0;
    if (prl_port_send_wait(prl_share_port(worker->share, reply->id), reply, REPLY_WAIT_US) !=
        PRL_OK) {
        prl_log(PRL_LOG_DEBUG, worker->kind->name, "nobody is there for the answer");
        prl_mem_free(reply->data);
    }
    reply->data = NULL;
}

static bool step_worker(void *ctx)
{
    struct worker *worker = ctx;
    if (!worker->order.data)
        return false;
    struct prl_judge_verdict verdict = {.value = 0};
    int64_t start_us = prl_clock_now_us();
    enum prl_err err = worker->kind->judge(worker->model, worker->order.data,
                                           worker->order.size / sizeof(int16_t), &verdict);
    struct prl_msg reply = {.id = worker->order.id,
                            .value = {[REPLY_ERR] = err,
                                      [REPLY_VALUE] = err ? 0 : verdict.value,
                                      [REPLY_WORK_US] = prl_clock_now_us() - start_us}};
    if (err) {
        prl_mem_free(verdict.data);
    } else {
        reply.data = verdict.data;
        reply.size = verdict.size;
    }
    prl_msg_free(&worker->order);
    send_reply(worker, &reply);
    return false;
}

static void stop_worker(void *ctx)
{
    struct worker *worker = ctx;
    prl_msg_free(&worker->order);
    worker->kind->close(worker->model);
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
    const struct prl_judge_kind *kind = worker->kind;
    bool good = msg->id != 0 && msg->id == worker->asked && msg->value[REPLY_ERR] >= 0 &&
                msg->value[REPLY_ERR] < PRL_ERR_COUNT && msg->value[REPLY_VALUE] >= 0 &&
                msg->value[REPLY_VALUE] <= kind->value_max && msg->value[REPLY_WORK_US] >= 0;
    size_t size = msg->value[REPLY_ERR] == PRL_OK ? kind->data_size : 0;
    if (!good || msg->size != size)
        return PRL_ERR_INVALID;
    send_reply(worker, msg);
    return PRL_OK;
}

static void on_lost(void *ctx, const char *why, bool soon)
{
    struct worker *worker = ctx;
    (void)why;  // it was logged
    (void)soon; // by then the pause is over
    if (worker->asked)
        send_reply(worker,
                   &(struct prl_msg){.id = worker->asked, .value = {[REPLY_ERR] = PRL_ERR_ENGINE}});
}

static const struct prl_lane_wire LANE_WIRE = {.sent = on_sent, .got = on_got, .lost = on_lost};

static struct worker worker_of(const struct prl_judge_conf *conf, struct prl_share *share)
{
    return (struct worker){
        .kind = conf->kind, .model_name = conf->model_name, .model = conf->model, .share = share};
}

enum prl_err prl_judge_serve(const struct prl_judge_conf *conf, struct prl_lane_child *child)
{
    struct worker *worker = prl_mem_zalloc(sizeof(*worker)); // as long as the process
    if (!worker)
        return PRL_ERR_NOMEM;
    *worker = worker_of(conf, prl_lane_child_share(child));
    struct prl_lane_conf lane = {.name = conf->kind->name,
                                 .nice = conf->kind->nice,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &LANE_OPS,
                                 .ctx = worker,
                                 .cores = conf->cores};
    return prl_lane_child_run(child, &lane, &LANE_WIRE);
}

// ---- the loop's side ----

static struct prl_judge_stream *find_stream(const struct prl_judge *judge, uint64_t id)
{
    struct prl_judge_stream *stream = judge->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

// Gives the oldest ask to the lane, if that is free.
static void run_queue(struct prl_judge *judge)
{
    if (judge->running.number || judge->count == 0)
        return;
    struct ask *ask = &judge->waiting[0];
    struct prl_share_wish wish = {.front = judge->front, .order = ask->number};
    uint64_t in_the_way;
    if (!prl_share_begin(judge->share, &wish, &in_the_way))
        return;
    struct prl_msg msg = {
        .id = ask->number, .data = ask->pcm, .size = ask->samples * sizeof(*ask->pcm)};
    // Never full: nothing is under way. Refused only by a lane that ended, which destroy alone does.
    PRL_CHECK(prl_lane_send(judge->lane, &msg) == PRL_OK);
    judge->running = *ask;
    judge->running.pcm = NULL;
    judge->running_wanted = true;
    judge->sent_us = prl_loop_now_us(judge->conf.loop);
    judge->count--;
    memmove(ask, ask + 1, judge->count * sizeof(*ask));
}

static void take_answer(struct prl_judge *judge, const struct prl_msg *msg)
{
    struct ask ask = judge->running;
    PRL_CHECK(ask.number == msg->id);
    judge->running = (struct ask){.number = 0};
    prl_share_end(judge->share, judge->front);
    int64_t work_us = msg->value[REPLY_WORK_US];
    judge->work_us += (work_us - judge->work_us) / SMOOTHING;
    prl_metrics_observe(judge->conf.kind->work, work_us);
    struct prl_judge_stream *stream = judge->running_wanted ? find_stream(judge, ask.stream) : NULL;
    run_queue(judge);
    if (!stream) {
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
        return;
    }
    int64_t queued_us = prl_loop_now_us(judge->conf.loop) - ask.asked_us - work_us;
    struct prl_judge_answer answer = {
        .utterance = ask.utterance,
        .err = (enum prl_err)msg->value[REPLY_ERR],
        .verdict = {.value = msg->value[REPLY_VALUE], .data = msg->data, .size = msg->size},
        .queued_us = queued_us > 0 ? queued_us : 0,
        .work_us = work_us};
    stream->fn(stream->arg, &answer);
}

static void set_started(struct prl_judge *judge, enum prl_err err, const char *error)
{
    judge->failed = err != PRL_OK;
    judge->ready = !err;
    if (err && judge->conf.on_error)
        judge->conf.on_error(judge->conf.arg, error ? error : prl_err_name(err));
    if (!err && judge->conf.on_ready)
        judge->conf.on_ready(judge->conf.arg);
}

static void on_reply(void *arg, struct prl_msg *msg)
{
    struct prl_judge *judge = arg;
    if (msg->type == PRL_SHARE_TURN) {
        prl_share_turn(judge->share, judge->front);
        run_queue(judge);
        prl_share_pass(judge->share, judge->front);
    } else if (msg->type == PRL_SHARE_STARTED) {
        set_started(judge, (enum prl_err)msg->value[0], msg->data);
    } else {
        take_answer(judge, msg);
    }
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_judge *judge = arg;
    prl_share_started(judge->share, err, error);
    set_started(judge, err, error);
}

// The lane of another loop's front serves this one too.
static enum prl_err join_lane(struct prl_judge *judge, const struct prl_judge *owner)
{
    judge->share = owner->share;
    judge->lane = owner->lane;
    return prl_share_join(judge->share, judge->port, &judge->front);
}

static enum prl_err start_lane(struct prl_judge *judge)
{
    const struct prl_judge_conf *conf = &judge->conf;
    enum prl_err err = prl_share_create(&judge->share, judge->port);
    if (err)
        return err;
    judge->worker = worker_of(conf, judge->share);
    struct prl_lane_conf lane = {.name = conf->kind->name,
                                 .nice = conf->kind->nice,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &LANE_OPS,
                                 .ctx = &judge->worker,
                                 .isolate = conf->isolate,
                                 .wire = &LANE_WIRE,
                                 .cores = conf->cores,
                                 .loop = conf->loop,
                                 .started = on_started,
                                 .started_arg = judge};
    return prl_lane_create(&judge->lane, &lane);
}

enum prl_err prl_judge_create(struct prl_judge **out, const struct prl_judge_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->kind != NULL);
    struct prl_judge *judge = prl_mem_zalloc(sizeof(*judge));
    *out = judge;
    if (!judge)
        return PRL_ERR_NOMEM;
    judge->conf = *conf;
    judge->work_us = conf->kind->work_us_guess;
    enum prl_err err = prl_port_open(&judge->port, conf->loop, PORT_MAX, on_reply, judge);
    if (!err)
        err = conf->share ? join_lane(judge, conf->share) : start_lane(judge);
    if (err)
        prl_judge_destroy(out);
    return err;
}

void prl_judge_destroy(struct prl_judge **judge)
{
    PRL_CHECK(judge != NULL);
    struct prl_judge *gone = *judge;
    if (!gone)
        return;
    PRL_CHECK(gone->streams == NULL && gone->count == 0);
    if (!gone->conf.share) {
        if (gone->share)
            prl_share_close(gone->share);
        prl_lane_destroy(&gone->lane);
        prl_share_destroy(&gone->share);
    }
    prl_port_destroy(&gone->port);
    prl_mem_free(gone);
    *judge = NULL;
}

bool prl_judge_is_ready(const struct prl_judge *judge)
{
    return judge->ready;
}

int64_t prl_judge_backlog_us(const struct prl_judge *judge)
{
    int64_t others = prl_share_others(judge->share, judge->front);
    int64_t backlog_us = ((int64_t)judge->count + others) * judge->work_us;
    if (!judge->running.number)
        return backlog_us;
    int64_t left_us = judge->work_us - (prl_loop_now_us(judge->conf.loop) - judge->sent_us);
    return backlog_us + (left_us > 0 ? left_us : 0);
}

enum prl_err prl_judge_open(struct prl_judge *judge, prl_judge_fn fn, void *arg,
                            struct prl_judge_stream **out)
{
    PRL_CHECK(judge != NULL && fn != NULL && out != NULL);
    struct prl_judge_stream *stream = prl_mem_zalloc(sizeof(*stream));
    *out = stream;
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct prl_judge_stream){
        .judge = judge, .id = ++judge->ids, .fn = fn, .arg = arg, .next = judge->streams};
    judge->streams = stream;
    return PRL_OK;
}

void prl_judge_close(struct prl_judge_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    prl_judge_cancel(*stream);
    struct prl_judge_stream **link = &(*stream)->judge->streams;
    while (*link != *stream)
        link = &(*link)->next;
    *link = (*stream)->next;
    prl_mem_free(*stream);
    *stream = NULL;
}

enum prl_err prl_judge_ask(struct prl_judge_stream *stream, uint32_t utterance, const int16_t *pcm,
                           size_t n)
{
    PRL_CHECK(stream != NULL && pcm != NULL && n > 0);
    struct prl_judge *judge = stream->judge;
    if (judge->failed)
        return PRL_ERR_ENGINE;
    if (!judge->ready)
        return PRL_ERR_AGAIN;
    if (judge->count == PRL_JUDGE_WAITING_MAX)
        return PRL_ERR_FULL;
    int16_t *copy = prl_mem_dup(pcm, n * sizeof(*pcm));
    if (!copy)
        return PRL_ERR_NOMEM;
    judge->waiting[judge->count++] =
        (struct ask){.number = prl_share_id(judge->front, ++judge->numbers),
                     .stream = stream->id,
                     .utterance = utterance,
                     .asked_us = prl_loop_now_us(judge->conf.loop),
                     .pcm = copy,
                     .samples = n};
    run_queue(judge);
    return PRL_OK;
}

void prl_judge_cancel(struct prl_judge_stream *stream)
{
    PRL_CHECK(stream != NULL);
    struct prl_judge *judge = stream->judge;
    size_t kept = 0;
    for (size_t i = 0; i < judge->count; i++) {
        if (judge->waiting[i].stream == stream->id)
            prl_mem_free(judge->waiting[i].pcm);
        else
            judge->waiting[kept++] = judge->waiting[i];
    }
    judge->count = kept;
    if (judge->running.number && judge->running.stream == stream->id)
        judge->running_wanted = false;
}

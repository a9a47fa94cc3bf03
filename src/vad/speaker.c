// speaker.c -- see speaker.h. As in eot.c the asks wait on the loop's side and the lane never has more
// than the one it works on.
#include "vad/speaker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/lane.h"
#include "net/loop.h"

enum {
    QUEUE_MAX = 2,                   // one ask is under way at a time
    REPLY_WAIT_US = 10 * 1000 * 1000 // a loop that does not read for so long is stuck anyway
};

struct prl_speaker_stream {
    // Set once.
    struct prl_speaker *speaker; // borrowed
    uint64_t id;
    prl_speaker_fn fn;
    void *arg;
    struct prl_speaker_stream *next;
};

struct ask {
    uint64_t stream; // 0: nothing
    uint32_t utterance;
    int16_t *pcm; // owned until it is sent
    size_t samples;
};

// The lane's.
struct worker {
    struct prl_speaker_open_conf open;
    const struct prl_speaker_backend_ops *backend;
    struct prl_port *port; // borrowed: replies go here
    void *ctx;             // of the backend, owned
    struct prl_msg order;  // waiting for step; data NULL when none
};

struct prl_speaker {
    // Set once.
    struct prl_speaker_conf conf; // the model's path is `model`
    // Owned.
    char *model;
    struct prl_port *port;
    struct prl_lane *lane;
    struct prl_speaker_stream *streams;
    struct ask waiting[PRL_SPEAKER_WAITING_MAX]; // oldest first
    // State.
    struct worker worker; // the lane's while it lives
    size_t count;         // waiting
    struct ask running;   // its pcm is the lane's
    bool busy;
    uint64_t ids;
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
        prl_log(PRL_LOG_INFO, "speaker", "%s loaded in %lld ms", worker->backend->name,
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

// To length 1; a vector without a direction is no voice.
static enum prl_err scale(float *voice)
{
    double square = 0.0;
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++)
        square += (double)voice[i] * (double)voice[i];
    if (!isfinite(square) || square < 1e-12)
        return PRL_ERR_ENGINE;
    float factor = (float)(1.0 / sqrt(square));
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++)
        voice[i] *= factor;
    return PRL_OK;
}

static bool step_worker(void *ctx)
{
    struct worker *worker = ctx;
    if (!worker->order.data)
        return false;
    int64_t start_us = prl_clock_now_us();
    float *voice = prl_mem_array(PRL_SPEAKER_VALUES, sizeof(*voice));
    enum prl_err err = PRL_ERR_NOMEM;
    if (voice)
        err = worker->backend->embed(worker->ctx, worker->order.data,
                                     worker->order.size / sizeof(int16_t), voice);
    if (!err)
        err = scale(voice);
    prl_msg_free(&worker->order);
    struct prl_msg reply = {.value = {err, prl_clock_now_us() - start_us},
                            .data = voice,
                            .size = voice ? PRL_SPEAKER_VALUES * sizeof(*voice) : 0};
    if (prl_port_send_wait(worker->port, &reply, REPLY_WAIT_US) != PRL_OK)
        prl_mem_free(voice); // nobody is there for the answer
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

// ---- the loop's side ----

static struct prl_speaker_stream *find_stream(const struct prl_speaker *speaker, uint64_t id)
{
    struct prl_speaker_stream *stream = speaker->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

// Gives the oldest ask to the lane, if that is free.
static void run_queue(struct prl_speaker *speaker)
{
    if (speaker->busy || speaker->count == 0)
        return;
    struct ask *ask = &speaker->waiting[0];
    struct prl_msg msg = {.data = ask->pcm, .size = ask->samples * sizeof(*ask->pcm)};
    // Never full: nothing is under way. Refused only by a lane that ended, which destroy alone does.
    PRL_CHECK(prl_lane_send(speaker->lane, &msg) == PRL_OK);
    speaker->running = *ask;
    speaker->running.pcm = NULL;
    speaker->busy = true;
    speaker->count--;
    memmove(ask, ask + 1, speaker->count * sizeof(*ask));
}

static void on_reply(void *arg, struct prl_msg *msg)
{
    struct prl_speaker *speaker = arg;
    struct ask ask = speaker->running;
    PRL_CHECK(speaker->busy);
    speaker->busy = false;
    enum prl_err err = (enum prl_err)msg->value[0];
    prl_metrics_observe(PRL_METRIC_SPEAKER_WORK, msg->value[1]);
    struct prl_speaker_stream *stream = find_stream(speaker, ask.stream);
    run_queue(speaker);
    if (!stream)
        return; // closed meanwhile
    struct prl_speaker_answer answer = {.utterance = ask.utterance,
                                        .err = err,
                                        .voice = err ? NULL : msg->data,
                                        .work_us = msg->value[1]};
    stream->fn(stream->arg, &answer);
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_speaker *speaker = arg;
    speaker->failed = err != PRL_OK;
    speaker->ready = !err;
    if (err && speaker->conf.on_error)
        speaker->conf.on_error(speaker->conf.arg, error ? error : prl_err_name(err));
    if (!err && speaker->conf.on_ready)
        speaker->conf.on_ready(speaker->conf.arg);
}

static enum prl_err start_lane(struct prl_speaker *speaker)
{
    const struct prl_speaker_conf *conf = &speaker->conf;
    speaker->worker =
        (struct worker){.open = {.ort = conf->ort, .model = speaker->model},
                        .backend = conf->backend ? conf->backend : &prl_speaker_campplus};
    enum prl_err err = prl_port_open(&speaker->port, conf->loop, QUEUE_MAX, on_reply, speaker);
    if (err)
        return err;
    speaker->worker.port = speaker->port;
    struct prl_lane_conf lane = {.name = "speaker",
                                 .queue_max = QUEUE_MAX,
                                 .ops = &LANE_OPS,
                                 .ctx = &speaker->worker,
                                 .cores = conf->cores,
                                 .loop = conf->loop,
                                 .started = on_started,
                                 .started_arg = speaker};
    return prl_lane_create(&speaker->lane, &lane);
}

enum prl_err prl_speaker_create(struct prl_speaker **out, const struct prl_speaker_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->model != NULL);
    *out = NULL;
    struct prl_speaker *speaker = prl_mem_zalloc(sizeof(*speaker));
    if (!speaker)
        return PRL_ERR_NOMEM;
    speaker->conf = *conf;
    speaker->conf.model = NULL;
    speaker->model = prl_mem_strdup(conf->model);
    enum prl_err err = speaker->model ? start_lane(speaker) : PRL_ERR_NOMEM;
    if (err)
        prl_speaker_destroy(&speaker);
    *out = speaker;
    return err;
}

void prl_speaker_destroy(struct prl_speaker **speaker)
{
    PRL_CHECK(speaker != NULL);
    if (!*speaker)
        return;
    PRL_CHECK((*speaker)->streams == NULL && (*speaker)->count == 0);
    if ((*speaker)->port)
        prl_port_close((*speaker)->port);
    prl_lane_destroy(&(*speaker)->lane);
    prl_port_destroy(&(*speaker)->port);
    prl_mem_free((*speaker)->model);
    prl_mem_free(*speaker);
    *speaker = NULL;
}

bool prl_speaker_is_ready(const struct prl_speaker *speaker)
{
    return speaker->ready;
}

enum prl_err prl_speaker_open(struct prl_speaker *speaker, prl_speaker_fn fn, void *arg,
                              struct prl_speaker_stream **out)
{
    PRL_CHECK(speaker != NULL && fn != NULL && out != NULL);
    struct prl_speaker_stream *stream = prl_mem_zalloc(sizeof(*stream));
    *out = stream;
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct prl_speaker_stream){
        .speaker = speaker, .id = ++speaker->ids, .fn = fn, .arg = arg, .next = speaker->streams};
    speaker->streams = stream;
    return PRL_OK;
}

void prl_speaker_close(struct prl_speaker_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    struct prl_speaker *speaker = (*stream)->speaker;
    size_t kept = 0;
    for (size_t i = 0; i < speaker->count; i++) {
        if (speaker->waiting[i].stream == (*stream)->id)
            prl_mem_free(speaker->waiting[i].pcm);
        else
            speaker->waiting[kept++] = speaker->waiting[i];
    }
    speaker->count = kept;
    struct prl_speaker_stream **link = &speaker->streams;
    while (*link != *stream)
        link = &(*link)->next;
    *link = (*stream)->next;
    prl_mem_free(*stream);
    *stream = NULL;
}

enum prl_err prl_speaker_ask(struct prl_speaker_stream *stream, uint32_t utterance,
                             const int16_t *pcm, size_t n)
{
    PRL_CHECK(stream != NULL && pcm != NULL);
    PRL_CHECK(n >= PRL_SPEAKER_SAMPLES_MIN && n <= PRL_SPEAKER_SAMPLES_MAX);
    struct prl_speaker *speaker = stream->speaker;
    if (speaker->failed)
        return PRL_ERR_ENGINE;
    if (!speaker->ready)
        return PRL_ERR_AGAIN;
    if (speaker->count == PRL_SPEAKER_WAITING_MAX)
        return PRL_ERR_FULL;
    int16_t *copy = prl_mem_dup(pcm, n * sizeof(*pcm));
    if (!copy)
        return PRL_ERR_NOMEM;
    speaker->waiting[speaker->count++] =
        (struct ask){.stream = stream->id, .utterance = utterance, .pcm = copy, .samples = n};
    run_queue(speaker);
    return PRL_OK;
}

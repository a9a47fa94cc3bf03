// stt.c -- see stt.h. Keeps the streams, picks the next piece of work among all of them and sends
// it to the lane, one at a time, so that the order of work is decided here and nowhere else.
#include "stt/stt.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "stt/front.h"
#include "stt/timeline.h"
#include "stt/worker.h"

enum {
    LANE_NICE = 10,
    QUEUE_MAX = 4,                 // one order is under way at a time
    PARTIAL_EVERY_US = 250 * 1000, // at most so often for one stream
    PARTIAL_REST = 3,              // and not before 3 times the last one's work has passed
    PROMPT_MAX = 1000,             // bytes
    TEXT_MAX = 256 * 1024,
};
static const float LANGUAGE_KEEP = 0.5F; // an identified language is kept from here on

struct prl_stt_stream {
    // Set once.
    const struct prl_stt_front_ops *front; // NULL: all that follows is used
    void *front_stream;                    // owned
    struct prl_stt *stt;                   // borrowed
    uint64_t id;
    prl_stt_fn fn;
    void *arg;
    bool partials;
    // Owned.
    struct prl_timeline *timeline;
    char *prompt;
    struct prl_stt_stream *next;
    // State.
    char language[PRL_STT_LANGUAGE_SIZE];   // configured; "" is auto
    char identified[PRL_STT_LANGUAGE_SIZE]; // found out; "" unknown
    bool open;                              // between begin and clear
    bool identify_failed;                   // asked early in this utterance, without an answer
    uint32_t begin;                         // generation of the utterance
    uint32_t newest;                        // highest generation seen
    uint32_t epoch;                         // changes with every begin and clear
    int64_t partial_at_us;                  // not before this time
};

struct running {
    uint64_t order; // number; 0: nothing is under way
    uint64_t stream;
    uint32_t epoch;
    struct prl_timeline_work work;
    int64_t sent_us;
    bool aborted;
};

struct prl_stt {
    const struct prl_stt_front_ops *front; // NULL: all that follows is used
    void *front_ctx;                       // owned
    // Set once.
    struct prl_stt_conf conf; // paths not valid any more
    struct prl_stt_route route;
    const struct prl_stt_backend_ops *backends[PRL_STT_ENGINE_COUNT];
    char language[PRL_STT_LANGUAGE_SIZE]; // default; "" is auto
    // Owned.
    struct prl_stt_worker *worker;
    struct prl_port *port;
    struct prl_lane *lane;
    struct prl_stt_stream *streams;
    // State.
    uint64_t ids;
    uint64_t orders;
    struct running running;
    bool ready;
    bool failed;
    char why[PRL_LANE_ERROR_SIZE];
};

static const struct prl_stt_backend_ops *const BACKENDS[PRL_STT_ENGINE_COUNT] = {
    [PRL_STT_ENGINE_MOONSHINE] = &prl_stt_moonshine,
    [PRL_STT_ENGINE_WHISPER] = &prl_stt_whisper,
    [PRL_STT_ENGINE_USER] = &prl_stt_user,
};

static const char *language_of(const struct prl_stt_stream *stream)
{
    return stream->language[0] ? stream->language : stream->identified;
}

// Live partials only where the engine is known and fast enough.
static bool wants_live(const struct prl_stt_stream *stream, int64_t now_us)
{
    if (!stream->partials || !stream->open || now_us < stream->partial_at_us)
        return false;
    const char *language = language_of(stream);
    enum prl_stt_engine engine = prl_stt_route_pick(&stream->stt->route, language);
    if (engine == PRL_STT_ENGINE_NONE || !stream->stt->backends[engine]->live)
        return false;
    return language[0] || !stream->stt->backends[engine]->identify;
}

static bool wants_identify(const struct prl_stt_stream *stream)
{
    if (!stream->open || stream->identify_failed || language_of(stream)[0])
        return false;
    enum prl_stt_engine engine = prl_stt_route_pick(&stream->stt->route, "");
    return engine != PRL_STT_ENGINE_NONE && stream->stt->backends[engine]->identify;
}

static struct prl_stt_stream *find_stream(struct prl_stt *stt, uint64_t id)
{
    struct prl_stt_stream *stream = stt->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

static struct prl_stt_stream *pick_stream(struct prl_stt *stt, int64_t now_us,
                                          struct prl_timeline_work *best)
{
    struct prl_stt_stream *chosen = NULL;
    *best = (struct prl_timeline_work){.rank = PRL_RANK_NONE};
    for (struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next) {
        struct prl_timeline_work work;
        if (!prl_timeline_next(stream->timeline, wants_live(stream, now_us), wants_identify(stream),
                               &work))
            continue;
        if (work.rank < best->rank || (work.rank == best->rank && work.asked_us < best->asked_us)) {
            *best = work;
            chosen = stream;
        }
    }
    return chosen;
}

static enum prl_err send_order(struct prl_stt *stt, const struct prl_stt_stream *stream,
                               const struct prl_timeline_work *work)
{
    size_t samples = work->end - work->start;
    size_t prompt = stream->prompt ? strlen(stream->prompt) + 1 : 0;
    size_t size = sizeof(struct prl_stt_order) + samples * sizeof(int16_t) + prompt;
    struct prl_stt_order *order = prl_mem_alloc(size);
    if (!order)
        return PRL_ERR_NOMEM;
    *order = (struct prl_stt_order){
        .identify = work->kind == PRL_WORK_IDENTIFY,
        .careful = work->rank != PRL_RANK_PARTIAL,
        .samples = samples,
        .prompt_len = prompt,
    };
    (void)prl_str_copy(order->language, sizeof(order->language), language_of(stream));
    memcpy(order->pcm, prl_timeline_pcm(stream->timeline) + work->start, samples * sizeof(int16_t));
    if (prompt > 0)
        memcpy(order->pcm + samples, stream->prompt, prompt);
    struct prl_msg msg = {.id = ++stt->orders, .data = order, .size = size};
    enum prl_err err = prl_lane_send(stt->lane, &msg);
    if (err) {
        prl_mem_free(order);
        return err;
    }
    stt->running = (struct running){.order = msg.id,
                                    .stream = stream->id,
                                    .epoch = stream->epoch,
                                    .work = *work,
                                    .sent_us = prl_clock_now_us()};
    return PRL_OK;
}

// The running work gives way when nobody waits for it any more, or when committed work waits.
static void abort_if_useless(struct prl_stt *stt, enum prl_timeline_rank waiting)
{
    struct running *running = &stt->running;
    if (!running->order || running->aborted)
        return;
    struct prl_stt_stream *stream = find_stream(stt, running->stream);
    bool alive = stream && stream->epoch == running->epoch;
    enum prl_timeline_rank rank =
        alive ? prl_timeline_rank_of(stream->timeline, &running->work) : PRL_RANK_NONE;
    bool unwanted = rank == PRL_RANK_NONE ||
                    (rank == PRL_RANK_PARTIAL && running->work.rank < PRL_RANK_PARTIAL);
    if (!unwanted && !(waiting == PRL_RANK_FINAL && rank > PRL_RANK_FINAL))
        return;
    running->aborted = true;
    prl_stt_worker_abort(stt->worker, running->order);
}

// Delivers what is answered on this stream. The callback may use the stream, so all state is
// looked at anew after each.
static void deliver(struct prl_stt_stream *stream)
{
    struct prl_stt_event event;
    for (;;) {
        struct prl_str text;
        prl_str_init(&text, TEXT_MAX);
        bool some = prl_timeline_take(stream->timeline, &event, &text);
        if (some) {
            event.text = prl_str_text(&text);
            stream->fn(stream->arg, &event);
        }
        prl_str_free(&text);
        if (!some)
            return;
    }
}

// Starts the best piece of work, if the lane is free. Last in every public function.
static void run_queue(struct prl_stt *stt)
{
    if (!stt->ready)
        return;
    struct prl_timeline_work work;
    for (;;) {
        struct prl_stt_stream *stream = pick_stream(stt, prl_loop_now_us(stt->conf.loop), &work);
        if (stt->running.order) {
            abort_if_useless(stt, stream ? work.rank : PRL_RANK_NONE);
            return;
        }
        if (!stream)
            return;
        enum prl_err err = send_order(stt, stream, &work);
        if (!err || prl_timeline_waiting(stream->timeline) == 0)
            return; // sent; or a live partial that could not be: the next push tries again
        prl_timeline_fail(stream->timeline, err, "speech recognition is out of memory");
        deliver(stream);
    }
}

static void tell_partial(struct prl_stt_stream *stream)
{
    struct prl_stt_event event;
    struct prl_str text;
    prl_str_init(&text, TEXT_MAX);
    if (prl_timeline_partial(stream->timeline, &event, &text)) {
        event.text = prl_str_text(&text);
        event.generation = stream->begin;
        stream->fn(stream->arg, &event);
    }
    prl_str_free(&text);
}

static void keep_language(struct prl_stt_stream *stream, const struct running *running,
                          const struct prl_stt_reply *reply)
{
    if (language_of(stream)[0])
        return;
    if (reply->language[0] && reply->language_probability >= LANGUAGE_KEEP)
        memcpy(stream->identified, reply->language, sizeof(stream->identified));
    else if (running->work.kind == PRL_WORK_IDENTIFY)
        stream->identify_failed = true;
}

static void store_reply(struct prl_stt_stream *stream, const struct running *running,
                        const struct prl_stt_reply *reply)
{
    struct prl_timeline_result result = {
        .err = reply->err,
        .text = reply->text,
        .engine = reply->engine,
        .work_us = reply->work_us,
    };
    memcpy(result.language, reply->language, sizeof(result.language));
    int64_t now_us = prl_loop_now_us(stream->stt->conf.loop);
    int64_t asked_us = running->work.asked_us ? running->work.asked_us : running->sent_us;
    int64_t queued_us = now_us - asked_us - reply->work_us;
    prl_timeline_store(stream->timeline, &running->work, &result, queued_us > 0 ? queued_us : 0);
    int64_t rest_us = reply->work_us * PARTIAL_REST;
    stream->partial_at_us = now_us + (rest_us > PARTIAL_EVERY_US ? rest_us : PARTIAL_EVERY_US);
    if (running->work.kind == PRL_WORK_IDENTIFY)
        stream->partial_at_us = 0;
}

static void on_reply(void *arg, struct prl_msg *msg)
{
    struct prl_stt *stt = arg;
    struct running running = stt->running;
    PRL_CHECK(running.order == msg->id);
    stt->running = (struct running){.order = 0};
    struct prl_stt_reply nothing = {.err = (enum prl_err)msg->value[0], .engine = ""};
    const struct prl_stt_reply *reply = msg->data ? msg->data : &nothing;
    struct prl_stt_stream *stream = find_stream(stt, running.stream);
    bool wanted = stream && stream->epoch == running.epoch;
    if (!wanted)
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
    if (wanted && reply->err != PRL_ERR_CANCELED) {
        if (reply->err && reply->err != PRL_ERR_NOMEM)
            prl_log(PRL_LOG_WARN, "stt", "%s", reply->text);
        keep_language(stream, &running, reply);
        store_reply(stream, &running, reply);
        deliver(stream);
        if (stream->partials)
            tell_partial(stream);
    }
    run_queue(stt);
}

static void fail_everything(struct prl_stt *stt)
{
    struct prl_stt_stream *stream = stt->streams;
    while (stream) {
        if (prl_timeline_waiting(stream->timeline) == 0) {
            stream = stream->next;
            continue;
        }
        prl_timeline_fail(stream->timeline, PRL_ERR_ENGINE, stt->why);
        deliver(stream);
        stream = stt->streams; // the callback may have changed the list
    }
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_stt *stt = arg;
    if (err) {
        stt->failed = true;
        (void)prl_str_copy(stt->why, sizeof(stt->why), error ? error : prl_err_name(err));
        fail_everything(stt);
        if (stt->conf.on_error)
            stt->conf.on_error(stt->conf.arg, stt->why);
        return;
    }
    stt->ready = true;
    run_queue(stt);
    if (stt->conf.on_ready)
        stt->conf.on_ready(stt->conf.arg);
}

static enum prl_err start_lane(struct prl_stt *stt, const struct prl_stt_conf *conf)
{
    enum prl_err err = prl_port_open(&stt->port, conf->loop, QUEUE_MAX, on_reply, stt);
    if (err)
        return err;
    struct prl_stt_worker_conf worker = {
        .paths = &conf->paths,
        .backends = stt->backends,
        .route = stt->route,
        .ort = conf->ort,
        .language = stt->language,
        .traditional = conf->traditional,
        .threads = conf->threads,
        .cores = conf->cores,
        .port = stt->port,
    };
    err = prl_stt_worker_create(&stt->worker, &worker);
    if (err)
        return err;
    struct prl_lane_conf lane = {
        .name = "stt",
        .nice = LANE_NICE,
        .queue_max = QUEUE_MAX,
        .ops = &prl_stt_lane_ops,
        .ctx = stt->worker,
        .cores = conf->cores,
        .loop = conf->loop,
        .started = on_started,
        .started_arg = stt,
    };
    return prl_lane_create(&stt->lane, &lane);
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
    stt->route = prl_stt_route_of(&conf->paths, conf->ort != NULL || conf->backends != NULL);
    memcpy(stt->backends, conf->backends ? conf->backends : BACKENDS, sizeof(stt->backends));
    enum prl_err err = prl_stt_language(conf->language, stt->language);
    if (!err)
        err = start_lane(stt, conf);
    // The strings are the worker's copies from here on; the route needs only this one.
    stt->route.user_languages = err ? NULL : prl_stt_worker_route(stt->worker)->user_languages;
    stt->conf.paths = (struct prl_stt_paths){NULL};
    if (err)
        prl_stt_destroy(&stt);
    *out = stt;
    return err;
}

void prl_stt_destroy(struct prl_stt **stt)
{
    PRL_CHECK(stt != NULL);
    if (!*stt)
        return;
    if ((*stt)->front)
        (*stt)->front->destroy((*stt)->front_ctx);
    PRL_CHECK((*stt)->streams == NULL);
    if ((*stt)->worker && (*stt)->running.order)
        prl_stt_worker_abort((*stt)->worker, (*stt)->running.order);
    if ((*stt)->port)
        prl_port_close((*stt)->port);
    prl_lane_destroy(&(*stt)->lane);
    prl_stt_worker_destroy(&(*stt)->worker);
    prl_port_destroy(&(*stt)->port);
    prl_mem_free(*stt);
    *stt = NULL;
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
    stream->next = stt->streams;
    stt->streams = stream;
    enum prl_err err = prl_timeline_create(&stream->timeline);
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
    prl_timeline_destroy(&(*stream)->timeline);
    prl_mem_free((*stream)->prompt);
    prl_mem_free(*stream);
    *stream = NULL;
    run_queue(stt);
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
    if (prl_stt_route_pick(&stream->stt->route, code) == PRL_STT_ENGINE_NONE)
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
    prl_timeline_clear(stream->timeline);
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
    run_queue(stream->stt);
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
    run_queue(stream->stt);
}

static enum prl_err push(struct prl_stt_stream *stream, const int16_t *pcm, size_t n, bool silence)
{
    PRL_CHECK(stream != NULL && stream->open);
    if (stream->front)
        return stream->front->push(stream->front_stream, pcm, n, silence);
    enum prl_err err = prl_timeline_push(stream->timeline, pcm, n, silence);
    if (!err && !stream->stt->running.order)
        run_queue(stream->stt);
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
    deliver(stream);
    run_queue(stt);
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
    run_queue(stream->stt);
}

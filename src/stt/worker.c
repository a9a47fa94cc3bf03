// worker.c -- see worker.h.
#include "stt/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/lane_process.h"
#include "net/share.h"
#include "stt/clean.h"
#include "stt/simplify.h"
#include "stt/split.h"

enum {
    REPLY_WAIT_US = 10 * 1000 * 1000, // a loop that does not read for so long is stuck anyway
    WARM_UP_SAMPLES = PRL_STT_RATE_HZ,
};
static const float LANGUAGE_SURE = 0.5F;

struct prl_stt_worker {
    // Set once.
    struct prl_stt_paths paths; // strings owned
    const struct prl_stt_backend_ops *backends[PRL_STT_ENGINE_COUNT];
    struct prl_stt_route route;
    struct prl_ort *ort;
    struct prl_share *share;
    char language[PRL_STT_LANGUAGE_SIZE];
    bool traditional;
    int threads;
    struct prl_cores *cores;
    // Shared with the loop.
    _Atomic uint64_t aborted; // number of the order that is not wanted any more
    // The lane's.
    void *engines[PRL_STT_ENGINE_COUNT]; // loaded models
    struct prl_simplify *simplify;
    bool simplify_failed;
    struct prl_msg order; // waiting for step; data NULL when none
    uint64_t running;
    char why[PRL_STT_WHY_SIZE];
    // With a child process.
    struct prl_lane *lane; // the loop's; borrowed
    struct prl_msg sent;   // the order that the child works on, owned; data NULL: none
    bool sent_aborted;     // and nobody wants it
    bool sent_again;       // a new child must have it
    bool sent_twice;       // it had
};

// The strings of prl_stt_paths, in one place.
static size_t path_fields(struct prl_stt_paths *paths, const char **fields[9])
{
    size_t n = 0;
    fields[n++] = &paths->sherpa_library;
    fields[n++] = &paths->moonshine_encoder;
    fields[n++] = &paths->moonshine_decoder;
    fields[n++] = &paths->moonshine_tokens;
    fields[n++] = &paths->whisper_module;
    fields[n++] = &paths->whisper_model;
    fields[n++] = &paths->user_dir;
    fields[n++] = &paths->user_languages;
    fields[n++] = &paths->program;
    return n;
}

static enum prl_err copy_paths(struct prl_stt_paths *out, const struct prl_stt_paths *paths)
{
    const char **fields[9];
    struct prl_stt_paths from = *paths;
    *out = (struct prl_stt_paths){NULL};
    const char **sources[9];
    size_t count = path_fields(out, fields);
    (void)path_fields(&from, sources);
    for (size_t i = 0; i < count; i++) {
        if (!*sources[i])
            continue;
        *fields[i] = prl_mem_strdup(*sources[i]);
        if (!*fields[i])
            return PRL_ERR_NOMEM;
    }
    return PRL_OK;
}

static void free_paths(struct prl_stt_paths *paths)
{
    const char **fields[9];
    size_t count = path_fields(paths, fields);
    for (size_t i = 0; i < count; i++) {
        union {
            const char *in;
            char *out;
        } text = {.in = *fields[i]}; // ours, see copy_paths
        prl_mem_free(text.out);
        *fields[i] = NULL;
    }
}

enum prl_err prl_stt_worker_create(struct prl_stt_worker **out,
                                   const struct prl_stt_worker_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->backends != NULL);
    *out = NULL;
    struct prl_stt_worker *worker = prl_mem_zalloc(sizeof(*worker));
    if (!worker)
        return PRL_ERR_NOMEM;
    enum prl_err err = copy_paths(&worker->paths, conf->paths);
    memcpy(worker->backends, conf->backends, sizeof(worker->backends));
    worker->route = conf->route;
    worker->route.user_languages = worker->paths.user_languages;
    worker->ort = conf->ort;
    worker->share = conf->share;
    worker->traditional = conf->traditional;
    worker->threads = conf->threads;
    worker->cores = conf->cores;
    (void)prl_str_copy(worker->language, sizeof(worker->language), conf->language);
    atomic_init(&worker->aborted, 0);
    if (err)
        prl_stt_worker_destroy(&worker);
    *out = worker;
    return err;
}

void prl_stt_worker_destroy(struct prl_stt_worker **worker)
{
    PRL_CHECK(worker != NULL);
    if (!*worker)
        return;
    free_paths(&(*worker)->paths);
    prl_msg_free(&(*worker)->order);
    prl_msg_free(&(*worker)->sent);
    prl_mem_free(*worker);
    *worker = NULL;
}

const struct prl_stt_route *prl_stt_worker_route(const struct prl_stt_worker *worker)
{
    return &worker->route;
}

void prl_stt_worker_abort(struct prl_stt_worker *worker, uint64_t order)
{
    atomic_store_explicit(&worker->aborted, order, memory_order_relaxed);
    struct prl_msg msg = {.type = PRL_STT_ABORT, .id = order};
    if (worker->lane && prl_lane_send_first(worker->lane, &msg) != PRL_OK)
        prl_log(PRL_LOG_DEBUG, "stt", "an order goes on for nobody");
}

void prl_stt_worker_pass_on(struct prl_stt_worker *worker, struct prl_lane *lane)
{
    worker->lane = lane;
}

static bool is_aborted(void *arg)
{
    struct prl_stt_worker *worker = arg;
    return atomic_load_explicit(&worker->aborted, memory_order_relaxed) == worker->running;
}

// Loads the engine if it is not there yet; `why` says what went wrong.
static enum prl_err need_engine(struct prl_stt_worker *worker, enum prl_stt_engine engine)
{
    if (engine == PRL_STT_ENGINE_NONE) {
        (void)snprintf(worker->why, sizeof(worker->why),
                       "no recogniser for this language is configured");
        return PRL_ERR_NOTFOUND;
    }
    if (worker->engines[engine])
        return PRL_OK;
    struct prl_stt_open_conf conf = {.paths = &worker->paths,
                                     .ort = worker->ort,
                                     .threads = worker->threads > 0 ? worker->threads : 1,
                                     .threads_max = worker->threads,
                                     .cores = worker->cores};
    int64_t start_us = prl_clock_now_us();
    const struct prl_stt_backend_ops *ops = worker->backends[engine];
    (void)snprintf(worker->why, sizeof(worker->why), "%s: out of memory", ops->name);
    enum prl_err err = ops->open(&worker->engines[engine], &conf, worker->why, sizeof(worker->why));
    if (!err)
        prl_log(PRL_LOG_INFO, "stt", "%s loaded in %lld ms", ops->name,
                (long long)((prl_clock_now_us() - start_us) / 1000));
    return err;
}

// What one order comes to.
struct outcome {
    struct prl_str text;
    char language[PRL_STT_LANGUAGE_SIZE];
    float language_probability;
    const char *engine;
    enum prl_stt_engine which; // NONE where engine is ""
    struct prl_stt_margin margin;
};

void prl_stt_answer_init(struct prl_stt_answer *answer)
{
    *answer = (struct prl_stt_answer){.tokens = 0};
    prl_str_init(&answer->text, PRL_STT_TEXT_MAX);
}

void prl_stt_answer_free(struct prl_stt_answer *answer)
{
    prl_str_free(&answer->text);
}

static bool is_looping(const struct prl_stt_answer *answer, const struct prl_str *text)
{
    const char *bytes = prl_str_text(text);
    return !answer->complete || prl_clean_loop(bytes, text->len) < text->len ||
           prl_clean_is_repetitive(bytes, text->len);
}

// Nobody spoke: the model is not sure of its words, says itself that nobody spoke, or wrote what it
// writes for noise. Of 19 noises (rain, sneezes, dogs, cries, traffic) 4 leave a word with
// Moonshine and 2 with Whisper; of 50 answers to clips of speech none is lost. The VAD comes first.
static bool is_noise(const struct prl_stt_backend_ops *ops, const struct prl_stt_answer *answer,
                     const char *text, bool looping)
{
    float silent = answer->no_speech, sure = answer->mean_log_prob;
    if (ops->doubt < 0.0F && sure < ops->doubt)
        return true;
    if (silent > 0.6F && sure < -0.7F)
        return true;
    if (silent > 0.3F && (looping || sure < -1.0F))
        return true;
    return prl_clean_is_ghost(text, silent > 0.3F || sure < -0.3F);
}

static enum prl_err fail_decode(struct prl_stt_worker *worker, enum prl_stt_engine engine,
                                enum prl_err err)
{
    if (err && err != PRL_ERR_CANCELED)
        (void)snprintf(worker->why, sizeof(worker->why), "%s",
                       worker->backends[engine]->why(worker->engines[engine]));
    return err;
}

// Decodes, cleans; `out` is replaced. `*looping` tells whether the text has to be doubted.
static enum prl_err decode_once(struct prl_stt_worker *worker, enum prl_stt_engine engine,
                                const struct prl_stt_job *job, bool again, struct outcome *out,
                                bool *looping)
{
    const struct prl_stt_backend_ops *ops = worker->backends[engine];
    struct prl_stt_answer answer;
    prl_stt_answer_init(&answer);
    enum prl_err err =
        (again ? ops->decode_again : ops->decode)(worker->engines[engine], job, &answer);
    prl_str_clear(&out->text);
    if (!err)
        err = prl_clean_text(prl_str_text(&answer.text), answer.text.len, &out->text);
    if (!err) {
        *looping = is_looping(&answer, &out->text);
        if (is_noise(ops, &answer, prl_str_text(&out->text), *looping)) {
            prl_str_clear(&out->text);
            *looping = false;
        }
        memcpy(out->language, answer.language, sizeof(out->language));
        out->margin = answer.margin;
    }
    prl_stt_answer_free(&answer);
    return fail_decode(worker, engine, err);
}

static void cut_text(struct prl_str *text, size_t len)
{
    while (len > 0 && text->data[len - 1] == ' ')
        len--;
    if (len < text->len) {
        text->len = len;
        text->data[len] = '\0';
    }
}

static enum prl_err decode_guarded(struct prl_stt_worker *worker, enum prl_stt_engine engine,
                                   const struct prl_stt_job *job, bool careful, struct outcome *out)
{
    bool looping = false;
    enum prl_err err = decode_once(worker, engine, job, false, out, &looping);
    if (!err && looping && careful && worker->backends[engine]->decode_again)
        err = decode_once(worker, engine, job, true, out, &looping);
    if (!err && looping && out->text.len > 0)
        cut_text(&out->text, prl_clean_loop(prl_str_text(&out->text), out->text.len));
    return err;
}

static enum prl_err simplify_text(struct prl_stt_worker *worker, struct outcome *out)
{
    if (worker->traditional || strcmp(out->language, "zh") != 0 || worker->simplify_failed)
        return PRL_OK;
    if (!worker->simplify && prl_simplify_create(&worker->simplify) != PRL_OK) {
        worker->simplify_failed = true;
        prl_log(PRL_LOG_WARN, "stt",
                "OpenCC's tables are missing (package libopencc-data): "
                "Chinese may come out in traditional characters");
        return PRL_OK;
    }
    return prl_simplify_text(worker->simplify, &out->text);
}

static enum prl_err identify(struct prl_stt_worker *worker, enum prl_stt_engine engine,
                             const struct prl_stt_job *job, struct outcome *out)
{
    const struct prl_stt_backend_ops *ops = worker->backends[engine];
    out->engine = ops->name;
    out->which = engine;
    if (!ops->identify)
        return PRL_OK;
    return fail_decode(
        worker, engine,
        ops->identify(worker->engines[engine], job, out->language, &out->language_probability));
}

// Language, then text. An unknown language costs one more pass of Whisper's encoder; a doubtful
// answer is used for this piece and not kept (its probability says so).
static enum prl_err answer_order(struct prl_stt_worker *worker, const struct prl_stt_order *order,
                                 struct outcome *out)
{
    struct prl_stt_job job = {
        .pcm = order->pcm,
        .samples = order->samples,
        .language = order->language,
        .prompt = order->prompt_len > 0 ? (const char *)(order->pcm + order->samples) : NULL,
        .stop = is_aborted,
        .stop_arg = worker,
    };
    memcpy(out->language, order->language, sizeof(out->language));
    out->language_probability = order->language[0] ? 1.0F : 0.0F;
    if (prl_split_is_silent(order->pcm, order->samples))
        return PRL_OK;
    enum prl_stt_engine engine = prl_stt_route_pick(&worker->route, order->language);
    enum prl_err err = need_engine(worker, engine);
    if (!err && !order->language[0] && (order->identify || worker->backends[engine]->identify)) {
        err = identify(worker, engine, &job, out);
        if (err || order->identify)
            return err;
        if (out->language_probability >= LANGUAGE_SURE) {
            engine = prl_stt_route_pick(&worker->route, out->language);
            err = need_engine(worker, engine);
        }
        job.language = out->language;
    }
    if (err)
        return err;
    out->engine = worker->backends[engine]->name;
    out->which = engine;
    float probability = out->language_probability;
    err = decode_guarded(worker, engine, &job, order->careful, out);
    out->language_probability = probability;
    return err ? err : simplify_text(worker, out);
}

static void send_reply(struct prl_stt_worker *worker, uint64_t id, enum prl_err err,
                       const struct outcome *out, int64_t work_us)
{
    const char *text = err ? worker->why : prl_str_text(&out->text);
    size_t len = strlen(text);
    struct prl_msg msg = {.id = id, .value = {err, work_us, out->which}};
    struct prl_stt_reply *reply = prl_mem_zalloc(sizeof(*reply) + len + 1);
    if (reply) {
        reply->err = err;
        memcpy(reply->language, out->language, sizeof(reply->language));
        reply->language_probability = out->language_probability;
        reply->engine = out->engine;
        reply->work_us = work_us;
        reply->margin = out->margin;
        memcpy(reply->text, text, len + 1);
        msg.data = reply;
        msg.size = sizeof(*reply) + len + 1;
    } else {
        msg.value[0] = PRL_ERR_NOMEM;
    }
    if (prl_port_send_wait(prl_share_port(worker->share, id), &msg, REPLY_WAIT_US) != PRL_OK)
        prl_msg_free(&msg); // the front is gone
}

static bool step_worker(void *ctx)
{
    struct prl_stt_worker *worker = ctx;
    if (!worker->order.data)
        return false;
    struct outcome out = {.engine = "", .which = PRL_STT_ENGINE_NONE};
    prl_str_init(&out.text, PRL_STT_TEXT_MAX);
    worker->running = worker->order.id;
    worker->why[0] = '\0';
    int64_t start_us = prl_clock_now_us();
    enum prl_err err =
        is_aborted(worker) ? PRL_ERR_CANCELED : answer_order(worker, worker->order.data, &out);
    if (err && !worker->why[0])
        (void)snprintf(worker->why, sizeof(worker->why), "%s", prl_err_name(err));
    send_reply(worker, worker->running, err, &out, prl_clock_now_us() - start_us);
    prl_str_free(&out.text);
    prl_msg_free(&worker->order);
    return false;
}

static void take_order(void *ctx, struct prl_msg *msg)
{
    struct prl_stt_worker *worker = ctx;
    PRL_CHECK(!worker->order.data); // the front sends one at a time
    worker->order = *msg;
    msg->data = NULL;
}

// A first answer: loads what is loaded lazily and shows that the model computes.
static enum prl_err warm_up(struct prl_stt_worker *worker, enum prl_stt_engine engine)
{
    int16_t *pcm = prl_mem_array(WARM_UP_SAMPLES, sizeof(*pcm));
    if (!pcm)
        return PRL_ERR_NOMEM;
    struct prl_stt_job job = {.pcm = pcm,
                              .samples = WARM_UP_SAMPLES,
                              .language = worker->language[0] ? worker->language : "en"};
    struct prl_stt_answer answer;
    prl_stt_answer_init(&answer);
    enum prl_err err = fail_decode(
        worker, engine, worker->backends[engine]->decode(worker->engines[engine], &job, &answer));
    prl_stt_answer_free(&answer);
    prl_mem_free(pcm);
    return err;
}

static enum prl_err start_worker(void *ctx, char *error)
{
    struct prl_stt_worker *worker = ctx;
    enum prl_stt_engine needed[] = {
        prl_stt_route_pick(&worker->route, worker->language),
        prl_stt_route_pick(&worker->route, worker->language[0] ? worker->language : "en")};
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < 2 && !err; i++) {
        if (i > 0 && needed[1] == needed[0])
            break;
        err = need_engine(worker, needed[i]);
        if (!err)
            err = warm_up(worker, needed[i]);
    }
    if (err) {
        (void)prl_str_copy(error, PRL_LANE_ERROR_SIZE, worker->why);
        for (size_t i = 0; i < PRL_STT_ENGINE_COUNT; i++) {
            if (worker->engines[i])
                worker->backends[i]->close(&worker->engines[i]);
        }
    }
    return err;
}

static void stop_worker(void *ctx)
{
    struct prl_stt_worker *worker = ctx;
    for (size_t i = 0; i < PRL_STT_ENGINE_COUNT; i++) {
        if (worker->engines[i])
            worker->backends[i]->close(&worker->engines[i]);
    }
    prl_simplify_destroy(&worker->simplify);
}

const struct prl_lane_ops prl_stt_lane_ops = {
    .start = start_worker,
    .message = take_order,
    .step = step_worker,
    .stop = stop_worker,
};

// ---- in a child process ----

static void on_sent(void *ctx, struct prl_msg *msg)
{
    struct prl_stt_worker *worker = ctx;
    if (msg->type == PRL_STT_ABORT) {
        worker->sent_aborted = worker->sent_aborted || msg->id == worker->sent.id;
        return;
    }
    PRL_CHECK(!worker->sent.data); // the front sends one at a time
    worker->sent = *msg;
    msg->data = NULL;
    worker->sent_aborted = worker->sent_again = worker->sent_twice = false;
}

static bool is_reply(const struct prl_stt_worker *worker, const struct prl_msg *msg)
{
    const struct prl_stt_reply *reply = msg->data;
    if (!worker->sent.data || msg->id != worker->sent.id || msg->type != 0 || msg->value[0] < 0 ||
        msg->value[0] >= PRL_ERR_COUNT || msg->value[2] < 0 || msg->value[2] > PRL_STT_ENGINE_COUNT)
        return false;
    if (!reply)
        return msg->value[0] == PRL_ERR_NOMEM;
    return msg->size > sizeof(*reply) && (int64_t)reply->err == msg->value[0] &&
           memchr(reply->language, '\0', sizeof(reply->language)) != NULL;
}

static enum prl_err on_got(void *ctx, struct prl_msg *msg)
{
    struct prl_stt_worker *worker = ctx;
    if (!is_reply(worker, msg))
        return PRL_ERR_INVALID;
    struct prl_stt_reply *reply = msg->data;
    int64_t which = msg->value[2];
    bool known = which < PRL_STT_ENGINE_COUNT && worker->backends[which];
    if (reply)
        reply->engine = known ? worker->backends[which]->name : "";
    prl_msg_free(&worker->sent);
    if (prl_port_send_wait(prl_share_port(worker->share, msg->id), msg, REPLY_WAIT_US) == PRL_OK)
        msg->data = NULL;
    return PRL_OK;
}

static void fail_sent(struct prl_stt_worker *worker, enum prl_err err, const char *why)
{
    struct outcome out = {.engine = "", .which = PRL_STT_ENGINE_NONE};
    uint64_t id = worker->sent.id;
    (void)prl_str_copy(worker->why, sizeof(worker->why), why);
    prl_msg_free(&worker->sent);
    send_reply(worker, id, err, &out, 0);
}

// The same sound is tried once more: it need not have been the sound.
static void on_lost(void *ctx, const char *why, bool soon)
{
    struct prl_stt_worker *worker = ctx;
    if (!worker->sent.data)
        return;
    if (worker->sent_aborted)
        fail_sent(worker, PRL_ERR_CANCELED, "no longer wanted");
    else if (worker->sent_twice || !soon)
        fail_sent(worker, PRL_ERR_ENGINE, why);
    else
        worker->sent_again = true;
}

static bool on_again(void *ctx, struct prl_msg *msg)
{
    struct prl_stt_worker *worker = ctx;
    if (!worker->sent.data || !worker->sent_again)
        return false;
    worker->sent_again = false;
    worker->sent_twice = true;
    *msg = worker->sent;
    msg->data = prl_mem_dup(worker->sent.data, worker->sent.size);
    if (msg->data)
        return true;
    fail_sent(worker, PRL_ERR_NOMEM, "out of memory");
    return false;
}

static bool on_peek(void *ctx, struct prl_msg *msg, uint64_t base)
{
    (void)base;
    if (msg->type != PRL_STT_ABORT)
        return false;
    prl_stt_worker_abort(ctx, msg->id);
    return true;
}

const struct prl_lane_wire prl_stt_lane_wire = {
    .sent = on_sent, .got = on_got, .lost = on_lost, .again = on_again, .peek = on_peek};

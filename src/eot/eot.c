// eot.c -- see eot.h. Streams and lane are engine/judge.h's; here is what the model is asked and says.
#include "eot/eot.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "engine/judge.h"

enum {
    LANE_NICE = 10,
    WORK_GUESS_US = 60 * 1000, // of an ask, until one was measured
    PERMILLE = 1000,
};
_Static_assert((int)PRL_EOT_WAITING_MAX == PRL_JUDGE_WAITING_MAX, "what eot.h promises");

struct prl_eot_stream {
    struct prl_judge_stream *judge; // owned
    prl_eot_fn fn;
    void *arg;
};

struct prl_eot {
    struct prl_judge *judge;      // owned
    char *path;                   // owned
    struct prl_judge_model model; // the lane's while it lives
};

static enum prl_err predict(void *arg, const int16_t *pcm, size_t n,
                            struct prl_judge_verdict *verdict)
{
    struct prl_judge_model *model = arg;
    float probability = 0.0F;
    enum prl_err err = model->backend->run(model->ctx, pcm, n, &probability);
    if (!err && !isfinite(probability))
        err = PRL_ERR_ENGINE;
    if (!err)
        verdict->value = lrintf(fminf(fmaxf(probability, 0.0F), 1.0F) * PERMILLE);
    return err;
}

static const struct prl_judge_kind KIND = {.name = "eot",
                                           .nice = LANE_NICE,
                                           .work = PRL_METRIC_EOT_WORK,
                                           .work_us_guess = WORK_GUESS_US,
                                           .value_max = PERMILLE,
                                           .open = prl_judge_model_open,
                                           .close = prl_judge_model_close,
                                           .judge = predict};

// Fills *model, and gives the judge that has it.
static struct prl_judge_conf judge_conf(struct prl_judge_model *model,
                                        const struct prl_eot_conf *conf, const char *path)
{
    *model = (struct prl_judge_model){
        .open = {.ort = conf->ort, .path = path, .threads = conf->threads > 0 ? conf->threads : 1},
        .backend = conf->backend ? conf->backend : &prl_eot_smart_turn};
    return (struct prl_judge_conf){.kind = &KIND,
                                   .model = model,
                                   .model_name = model->backend->name,
                                   .loop = conf->loop,
                                   .cores = conf->cores,
                                   .share = conf->share ? conf->share->judge : NULL,
                                   .isolate = conf->isolate,
                                   .on_ready = conf->on_ready,
                                   .on_error = conf->on_error,
                                   .arg = conf->arg};
}

enum prl_err prl_eot_serve(const struct prl_eot_conf *conf, struct prl_lane_child *child)
{
    struct prl_judge_model *model = prl_mem_zalloc(sizeof(*model)); // as long as the process
    if (!model)
        return PRL_ERR_NOMEM;
    struct prl_judge_conf judge = judge_conf(model, conf, conf->model);
    return prl_judge_serve(&judge, child);
}

enum prl_err prl_eot_create(struct prl_eot **out, const struct prl_eot_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->model != NULL);
    struct prl_eot *eot = prl_mem_zalloc(sizeof(*eot));
    *out = eot;
    if (!eot)
        return PRL_ERR_NOMEM;
    eot->path = prl_mem_strdup(conf->model);
    struct prl_judge_conf judge = judge_conf(&eot->model, conf, eot->path);
    enum prl_err err = eot->path ? prl_judge_create(&eot->judge, &judge) : PRL_ERR_NOMEM;
    if (err)
        prl_eot_destroy(out);
    return err;
}

void prl_eot_destroy(struct prl_eot **eot)
{
    PRL_CHECK(eot != NULL);
    if (!*eot)
        return;
    prl_judge_destroy(&(*eot)->judge);
    prl_mem_free((*eot)->path);
    prl_mem_free(*eot);
    *eot = NULL;
}

bool prl_eot_is_ready(const struct prl_eot *eot)
{
    return prl_judge_is_ready(eot->judge);
}

int64_t prl_eot_backlog_us(const struct prl_eot *eot)
{
    return prl_judge_backlog_us(eot->judge);
}

static void on_answer(void *arg, const struct prl_judge_answer *answer)
{
    struct prl_eot_stream *stream = arg;
    struct prl_eot_answer told = {.utterance = answer->utterance,
                                  .err = answer->err,
                                  .permille = (uint32_t)answer->verdict.value,
                                  .queued_us = answer->queued_us,
                                  .work_us = answer->work_us};
    stream->fn(stream->arg, &told);
}

enum prl_err prl_eot_open(struct prl_eot *eot, prl_eot_fn fn, void *arg,
                          struct prl_eot_stream **out)
{
    PRL_CHECK(eot != NULL && fn != NULL && out != NULL);
    struct prl_eot_stream *stream = prl_mem_zalloc(sizeof(*stream));
    *out = stream;
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct prl_eot_stream){.fn = fn, .arg = arg};
    enum prl_err err = prl_judge_open(eot->judge, on_answer, stream, &stream->judge);
    if (err)
        prl_eot_close(out);
    return err;
}

void prl_eot_close(struct prl_eot_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    prl_judge_close(&(*stream)->judge);
    prl_mem_free(*stream);
    *stream = NULL;
}

enum prl_err prl_eot_ask(struct prl_eot_stream *stream, uint32_t utterance, const int16_t *pcm,
                         size_t n)
{
    PRL_CHECK(stream != NULL && pcm != NULL && n > 0);
    size_t samples = n < PRL_EOT_SAMPLES_MAX ? n : PRL_EOT_SAMPLES_MAX;
    enum prl_err err = prl_judge_ask(stream->judge, utterance, pcm + (n - samples), samples);
    prl_metrics_add(err ? PRL_METRIC_EOT_SKIPPED : PRL_METRIC_EOT_ASKS, 1);
    return err;
}

void prl_eot_cancel(struct prl_eot_stream *stream)
{
    PRL_CHECK(stream != NULL);
    prl_judge_cancel(stream->judge);
}

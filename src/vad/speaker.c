// speaker.c -- see speaker.h. Streams and lane are engine/judge.h's; here is what the model makes of a
// stretch of speech.
#include "vad/speaker.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "engine/judge.h"

enum { WORK_GUESS_US = 35 * 1000 };     // of an ask, until one was measured
static const double square_min = 1e-12; // of a vector with a direction
_Static_assert((int)PRL_SPEAKER_WAITING_MAX == PRL_JUDGE_WAITING_MAX, "what speaker.h promises");

struct prl_speaker_stream {
    struct prl_judge_stream *judge; // owned
    prl_speaker_fn fn;
    void *arg;
};

struct prl_speaker {
    struct prl_judge *judge;      // owned
    char *path;                   // owned
    struct prl_judge_model model; // the lane's while it lives
};

// To length 1; a vector without a direction is no voice.
static enum prl_err scale(float *voice)
{
    double square = 0.0;
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++)
        square += (double)voice[i] * (double)voice[i];
    if (!isfinite(square) || square < square_min)
        return PRL_ERR_ENGINE;
    float factor = (float)(1.0 / sqrt(square));
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++)
        voice[i] *= factor;
    return PRL_OK;
}

static enum prl_err embed(void *arg, const int16_t *pcm, size_t n,
                          struct prl_judge_verdict *verdict)
{
    struct prl_judge_model *model = arg;
    float *voice = prl_mem_array(PRL_SPEAKER_VALUES, sizeof(*voice));
    if (!voice)
        return PRL_ERR_NOMEM;
    verdict->data = voice;
    verdict->size = PRL_SPEAKER_VALUES * sizeof(*voice);
    enum prl_err err = model->backend->run(model->ctx, pcm, n, voice);
    return err ? err : scale(voice);
}

static const struct prl_judge_kind KIND = {.name = "speaker",
                                           .work = PRL_METRIC_SPEAKER_WORK,
                                           .work_us_guess = WORK_GUESS_US,
                                           .data_size = PRL_SPEAKER_VALUES * sizeof(float),
                                           .open = prl_judge_model_open,
                                           .close = prl_judge_model_close,
                                           .judge = embed};

enum prl_err prl_speaker_create(struct prl_speaker **out, const struct prl_speaker_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->model != NULL);
    struct prl_speaker *speaker = prl_mem_zalloc(sizeof(*speaker));
    *out = speaker;
    if (!speaker)
        return PRL_ERR_NOMEM;
    speaker->path = prl_mem_strdup(conf->model);
    speaker->model =
        (struct prl_judge_model){.open = {.ort = conf->ort, .path = speaker->path, .threads = 1},
                                 .backend = conf->backend ? conf->backend : &prl_speaker_campplus};
    struct prl_judge_conf judge = {.kind = &KIND,
                                   .model = &speaker->model,
                                   .model_name = speaker->model.backend->name,
                                   .loop = conf->loop,
                                   .cores = conf->cores,
                                   .on_ready = conf->on_ready,
                                   .on_error = conf->on_error,
                                   .arg = conf->arg};
    enum prl_err err = speaker->path ? prl_judge_create(&speaker->judge, &judge) : PRL_ERR_NOMEM;
    if (err)
        prl_speaker_destroy(out);
    return err;
}

void prl_speaker_destroy(struct prl_speaker **speaker)
{
    PRL_CHECK(speaker != NULL);
    if (!*speaker)
        return;
    prl_judge_destroy(&(*speaker)->judge);
    prl_mem_free((*speaker)->path);
    prl_mem_free(*speaker);
    *speaker = NULL;
}

bool prl_speaker_is_ready(const struct prl_speaker *speaker)
{
    return prl_judge_is_ready(speaker->judge);
}

static void on_answer(void *arg, const struct prl_judge_answer *answer)
{
    struct prl_speaker_stream *stream = arg;
    struct prl_speaker_answer told = {.utterance = answer->utterance,
                                      .err = answer->err,
                                      .voice = answer->verdict.data,
                                      .work_us = answer->work_us};
    stream->fn(stream->arg, &told);
}

enum prl_err prl_speaker_open(struct prl_speaker *speaker, prl_speaker_fn fn, void *arg,
                              struct prl_speaker_stream **out)
{
    PRL_CHECK(speaker != NULL && fn != NULL && out != NULL);
    struct prl_speaker_stream *stream = prl_mem_zalloc(sizeof(*stream));
    *out = stream;
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct prl_speaker_stream){.fn = fn, .arg = arg};
    enum prl_err err = prl_judge_open(speaker->judge, on_answer, stream, &stream->judge);
    if (err)
        prl_speaker_close(out);
    return err;
}

void prl_speaker_close(struct prl_speaker_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    prl_judge_close(&(*stream)->judge);
    prl_mem_free(*stream);
    *stream = NULL;
}

enum prl_err prl_speaker_ask(struct prl_speaker_stream *stream, uint32_t utterance,
                             const int16_t *pcm, size_t n)
{
    PRL_CHECK(stream != NULL && pcm != NULL);
    PRL_CHECK(n >= PRL_SPEAKER_SAMPLES_MIN && n <= PRL_SPEAKER_SAMPLES_MAX);
    return prl_judge_ask(stream->judge, utterance, pcm, n);
}

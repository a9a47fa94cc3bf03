// campplus.c -- the speaker model CAM++ (Chinese and English) behind speaker.h: filter-bank features, one
// run, one vector.
//
// Source: Wang et al. 2023, "CAM++"; converted at set-up by tools/convert/campplus.py, which takes the mean
// over time out of the features. Longest step: docs/TUNING.md, "Speaker lock".
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "dsp/fbank.h"
#include "engine/judge.h"
#include "engine/ort.h"
#include "vad/speaker.h"

enum {
    BANDS = PRL_FBANK_BANDS,
    FRAMES_MAX = 1 + (PRL_SPEAKER_SAMPLES_MAX - PRL_FBANK_WINDOW_SAMPLES) / PRL_FBANK_HOP_SAMPLES
};
// Above it the converted graph is another network (see the converter).
_Static_assert(FRAMES_MAX <= 200, "the model's segments are 2 s");

struct campplus {
    // Owned.
    struct prl_ort_session *session;
    struct prl_fbank *fbank;
    // Scratch.
    float features[FRAMES_MAX * BANDS];
};

static void close_model(void **ctx)
{
    struct campplus *model = *ctx;
    if (!model)
        return;
    prl_ort_session_destroy(&model->session);
    prl_fbank_destroy(&model->fbank);
    prl_mem_free(model);
    *ctx = NULL;
}

// NOLINTNEXTLINE(readability-non-const-parameter): the run writes `voice`, through the tensor.
static enum prl_err embed(void *ctx, const int16_t *pcm, size_t n, float *voice)
{
    struct campplus *model = ctx;
    prl_fbank_features(model->fbank, pcm, n, model->features);
    struct prl_ort_tensor input = {.name = "features",
                                   .type = PRL_ORT_FLOAT,
                                   .rank = 3,
                                   .shape = {1, (int64_t)prl_fbank_frames(n), BANDS},
                                   .data = model->features};
    struct prl_ort_tensor output = {.name = "voice",
                                    .type = PRL_ORT_FLOAT,
                                    .rank = 2,
                                    .shape = {1, PRL_SPEAKER_VALUES},
                                    .data = voice};
    return prl_ort_run(model->session, &input, 1, &output, 1);
}

// A wrong model is found out here, not in the first call.
static enum prl_err try_model(struct campplus *model, const char *path, char *why, size_t why_size)
{
    const int16_t silence[PRL_SPEAKER_SAMPLES_MIN] = {0};
    float voice[PRL_SPEAKER_VALUES];
    enum prl_err err = embed(model, silence, PRL_SPEAKER_SAMPLES_MIN, voice);
    if (err == PRL_ERR_ENGINE)
        (void)snprintf(why, why_size, "%s is not the speaker model that is expected: %s", path,
                       prl_ort_session_why(model->session));
    return err;
}

static enum prl_err open_model(void **ctx, const struct prl_judge_open_conf *conf, char *why,
                               size_t why_size)
{
    struct campplus *model = prl_mem_zalloc(sizeof(*model));
    *ctx = model;
    if (!model)
        return PRL_ERR_NOMEM;
    struct prl_ort_conf ort = {.path = conf->path, .threads = conf->threads, .arena = true};
    enum prl_err err = prl_fbank_create(&model->fbank);
    if (!err)
        err = prl_ort_session_create(&model->session, conf->ort, &ort, why, why_size);
    if (!err)
        err = try_model(model, conf->path, why, why_size);
    if (err)
        close_model(ctx);
    return err;
}

const struct prl_judge_backend_ops prl_speaker_campplus = {
    .name = "CAM++", .open = open_model, .close = close_model, .run = embed};

// smart_turn.c -- the model smart-turn v3.2 (int8) behind eot.h: Whisper's features of the last
// 8 s, silence in front of shorter sound, one run, one probability.
//
// Source: smart-turn v3.2 (BSD-2-Clause), input_features [1, 80, 800]; the waveform is normalised with
// its padding. Longest step: docs/TUNING.md, "End of turn".
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "dsp/mel.h"
#include "engine/judge.h"
#include "engine/ort.h"
#include "eot/eot.h"

enum {
    SAMPLES = PRL_EOT_SAMPLES_MAX,
    FRAMES = SAMPLES / PRL_MEL_HOP_SAMPLES,
    BANDS = PRL_MEL_BANDS,
};

struct smart_turn {
    // Owned.
    struct prl_ort_session *session;
    struct prl_ort_binding *binding;
    struct prl_mel *mel;
    // Buffers under the binding's tensors.
    float features[BANDS * FRAMES];
    float probability;
    // Scratch.
    float signal[SAMPLES];
};

static void close_model(void **ctx)
{
    struct smart_turn *model = *ctx;
    if (!model)
        return;
    prl_ort_binding_destroy(&model->binding);
    prl_ort_session_destroy(&model->session);
    prl_mel_destroy(&model->mel);
    prl_mem_free(model);
    *ctx = NULL;
}

static enum prl_err bind_tensors(struct smart_turn *model)
{
    struct prl_ort_tensor input = {.name = "input_features",
                                   .type = PRL_ORT_FLOAT,
                                   .rank = 3,
                                   .shape = {1, BANDS, FRAMES},
                                   .data = model->features};
    struct prl_ort_tensor output = {.name = "logits",
                                    .type = PRL_ORT_FLOAT,
                                    .rank = 2,
                                    .shape = {1, 1},
                                    .data = &model->probability};
    return prl_ort_binding_create(&model->binding, model->session, &input, 1, &output, 1);
}

static enum prl_err predict(void *ctx, const int16_t *pcm, size_t n, float *probability)
{
    struct smart_turn *model = ctx;
    size_t silence = SAMPLES - n;
    memset(model->signal, 0, silence * sizeof(*model->signal));
    for (size_t i = 0; i < n; i++)
        model->signal[silence + i] = (float)pcm[i] / 32768.0F;
    prl_mel_normalise(model->signal, SAMPLES);
    prl_mel_features(model->mel, model->signal, FRAMES, model->features);
    enum prl_err err = prl_ort_binding_run(model->binding);
    *probability = model->probability;
    return err;
}

// A wrong model is found out here, not in the first call.
static enum prl_err try_model(struct smart_turn *model, const char *path, char *why,
                              size_t why_size)
{
    const int16_t silence[PRL_MEL_HOP_SAMPLES] = {0};
    float probability;
    enum prl_err err = bind_tensors(model);
    if (!err)
        err = predict(model, silence, PRL_MEL_HOP_SAMPLES, &probability);
    if (err == PRL_ERR_ENGINE)
        (void)snprintf(why, why_size, "%s is not the smart-turn model that is expected: %s", path,
                       prl_ort_session_why(model->session));
    return err;
}

static enum prl_err open_model(void **ctx, const struct prl_judge_open_conf *conf, char *why,
                               size_t why_size)
{
    struct smart_turn *model = prl_mem_zalloc(sizeof(*model));
    *ctx = model;
    if (!model)
        return PRL_ERR_NOMEM;
    struct prl_ort_conf ort = {.path = conf->path, .threads = conf->threads, .arena = true};
    enum prl_err err = prl_mel_create(&model->mel);
    if (!err)
        err = prl_ort_session_create(&model->session, conf->ort, &ort, why, why_size);
    if (!err)
        err = try_model(model, conf->path, why, why_size);
    if (err)
        close_model(ctx);
    return err;
}

const struct prl_judge_backend_ops prl_eot_smart_turn = {
    .name = "smart-turn", .open = open_model, .close = close_model, .run = predict};

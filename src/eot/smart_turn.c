// smart_turn.c -- the model smart-turn v3.2 behind backend.h.
#include <stdio.h>

#include "eot/backend.h"

static enum prl_err open_model(void **ctx, const struct prl_eot_open_conf *conf, char *why,
                               size_t why_size)
{
    *ctx = NULL;
    (void)snprintf(why, why_size, "%s: cannot be loaded", conf->model);
    return PRL_ERR_ENGINE;
}

static void close_model(void **ctx)
{
    *ctx = NULL;
}

static enum prl_err predict(void *ctx, const int16_t *pcm, size_t n, float *probability)
{
    (void)ctx;
    (void)pcm;
    (void)n;
    (void)probability;
    return PRL_ERR_ENGINE;
}

const struct prl_eot_backend_ops prl_eot_smart_turn = {
    .name = "smart-turn", .open = open_model, .close = close_model, .predict = predict};

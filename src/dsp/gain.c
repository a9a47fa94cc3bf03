// gain.c -- see gain.h.
#include "dsp/gain.h"

#include "base/check.h"
#include "base/mem.h"
#include "dsp/aec3_module.h"
#include "dsp/echo.h"

_Static_assert((int)PRL_AEC3_FRAME == (int)PRL_GAIN_FRAME_SAMPLES, "one frame for both");

struct prl_gain {
    const struct prl_aec3_ops *ops; // the module's
    void *state;                    // owned
};

enum prl_err prl_gain_create(struct prl_gain **out, const struct prl_echo_kit *kit)
{
    PRL_CHECK(out != NULL && kit != NULL);
    *out = NULL;
    const struct prl_aec3_ops *ops = prl_echo_kit_module(kit);
    if (!ops)
        return PRL_ERR_NOTFOUND;
    struct prl_gain *gain = prl_mem_zalloc(sizeof(*gain));
    if (!gain)
        return PRL_ERR_NOMEM;
    gain->ops = ops;
    if (ops->gain_create(&gain->state, (float)PRL_GAIN_DB_MAX) != 0) {
        prl_mem_free(gain);
        return PRL_ERR_ENGINE;
    }
    *out = gain;
    return PRL_OK;
}

void prl_gain_destroy(struct prl_gain **gain)
{
    PRL_CHECK(gain != NULL);
    if (!*gain)
        return;
    (*gain)->ops->gain_destroy(&(*gain)->state);
    prl_mem_free(*gain);
    *gain = NULL;
}

void prl_gain_process(struct prl_gain *gain, int16_t *pcm)
{
    PRL_CHECK(gain != NULL && pcm != NULL);
    gain->ops->gain_process(gain->state, pcm);
}

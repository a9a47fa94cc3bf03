// kokoro_norms.c -- see kokoro_norms.h.
#include "tts/kokoro_norms.h"

#include "base/mem.h"
#include "tts/kokoro_synth.h"

enum { LEARN_FRAMES = 160 };

void prl_kokoro_norms_free(struct prl_kokoro_norms *norms)
{
    prl_mem_free(norms->mean);
    *norms = (struct prl_kokoro_norms){.mean = NULL};
}

void prl_kokoro_norms_learn(struct prl_kokoro_norms *norms, const float *own, size_t frames)
{
    if (!norms->mean)
        norms->mean = prl_mem_zalloc(PRL_KOKORO_NORMS * sizeof(float));
    if (!norms->mean || frames == 0)
        return;
    norms->frames += frames;
    float share = (float)frames / (float)norms->frames;
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        norms->mean[i] += (own[i] - norms->mean[i]) * share;
}

float *prl_kokoro_norms_known(const struct prl_kokoro_norms *norms)
{
    return norms->frames >= LEARN_FRAMES ? norms->mean : NULL;
}

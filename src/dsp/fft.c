// fft.c -- see fft.h. The library's state is put into memory of ours, so that it goes through
// base/mem.h like everything else.
#include "dsp/fft.h"

#include <kiss_fftr.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { SIZE_MIN = 4, SIZE_MAX_ALLOWED = 65536 };

struct prl_fft {
    size_t size;
    void *memory[2]; // owned; forward and inverse
    kiss_fftr_cfg forward, inverse;
};

static enum prl_err plan_make(size_t size, int inverse, void **memory, kiss_fftr_cfg *plan)
{
    size_t bytes = 0;
    (void)kiss_fftr_alloc((int)size, inverse, NULL, &bytes); // asks for the size only
    *memory = prl_mem_zalloc(bytes);
    if (!*memory)
        return PRL_ERR_NOMEM;
    *plan = kiss_fftr_alloc((int)size, inverse, *memory, &bytes);
    return *plan ? PRL_OK : PRL_ERR_ENGINE;
}

enum prl_err prl_fft_create(struct prl_fft **out, size_t size)
{
    PRL_CHECK(out != NULL);
    PRL_CHECK(size >= SIZE_MIN && size <= SIZE_MAX_ALLOWED && size % 2 == 0);
    *out = NULL;
    struct prl_fft *fft = prl_mem_zalloc(sizeof(*fft));
    if (!fft)
        return PRL_ERR_NOMEM;
    fft->size = size;
    enum prl_err err = plan_make(size, 0, &fft->memory[0], &fft->forward);
    if (!err)
        err = plan_make(size, 1, &fft->memory[1], &fft->inverse);
    if (err)
        prl_fft_destroy(&fft);
    *out = fft;
    return err;
}

void prl_fft_destroy(struct prl_fft **fft)
{
    PRL_CHECK(fft != NULL);
    if (!*fft)
        return;
    prl_mem_free((*fft)->memory[0]);
    prl_mem_free((*fft)->memory[1]);
    prl_mem_free(*fft);
    *fft = NULL;
}

_Static_assert(sizeof(kiss_fft_cpx) == 2 * sizeof(float), "kissfft is built for float");

void prl_fft_forward(struct prl_fft *fft, const float *signal, float *spectrum)
{
    kiss_fftr(fft->forward, signal, (kiss_fft_cpx *)(void *)spectrum);
}

void prl_fft_inverse(struct prl_fft *fft, const float *spectrum, float *signal)
{
    kiss_fftri(fft->inverse, (const kiss_fft_cpx *)(const void *)spectrum, signal);
}

// resample.c -- see resample.h. The only file that knows speexdsp's resampler.
#include "media/resample.h"

#include <limits.h>
#include <speex/speex_resampler.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { RATE_MIN = 1000, RATE_MAX = 384000, CHUNK = 4096, ZEROS = 256 };

struct prl_resample {
    uint32_t in_hz;
    uint32_t out_hz;
    SpeexResamplerState *state; // owned; NULL when both rates are the same
};

enum prl_err prl_resample_create(struct prl_resample **out, uint32_t in_hz, uint32_t out_hz)
{
    PRL_CHECK(out != NULL);
    *out = NULL;
    if (in_hz < RATE_MIN || in_hz > RATE_MAX || out_hz < RATE_MIN || out_hz > RATE_MAX)
        return PRL_ERR_INVALID;
    struct prl_resample *resample = prl_mem_zalloc(sizeof(*resample));
    if (!resample)
        return PRL_ERR_NOMEM;
    resample->in_hz = in_hz;
    resample->out_hz = out_hz;
    if (in_hz != out_hz) {
        int err = 0;
        resample->state = speex_resampler_init(1, in_hz, out_hz, PRL_RESAMPLE_QUALITY, &err);
        if (!resample->state) {
            prl_mem_free(resample);
            return PRL_ERR_NOMEM;
        }
    }
    *out = resample;
    return PRL_OK;
}

void prl_resample_destroy(struct prl_resample **resample)
{
    if (*resample && (*resample)->state)
        speex_resampler_destroy((*resample)->state);
    prl_mem_free(*resample);
    *resample = NULL;
}

size_t prl_resample_room(const struct prl_resample *resample, size_t in_count)
{
    if (!resample->state)
        return in_count;
    PRL_CHECK(in_count <= SIZE_MAX / RATE_MAX);
    return in_count * resample->out_hz / resample->in_hz + 2;
}

static size_t copy_through(const int16_t *in, size_t in_count, size_t *taken, int16_t *out,
                           size_t out_size)
{
    size_t count = in_count < out_size ? in_count : out_size;
    if (count > 0)
        memcpy(out, in, count * sizeof(*out));
    if (taken)
        *taken = count;
    return count;
}

size_t prl_resample_process(struct prl_resample *resample, const int16_t *in, size_t in_count,
                            size_t *taken, int16_t *out, size_t out_size)
{
    if (!resample->state)
        return copy_through(in, in_count, taken, out, out_size);
    size_t used = 0;
    size_t made = 0;
    while (used < in_count && made < out_size) {
        size_t rest = out_size - made;
        spx_uint32_t in_len = (spx_uint32_t)(in_count - used < CHUNK ? in_count - used : CHUNK);
        spx_uint32_t out_len = (spx_uint32_t)(rest < INT_MAX ? rest : INT_MAX);
        (void)speex_resampler_process_int(resample->state, 0, in + used, &in_len, out + made,
                                          &out_len);
        used += in_len;
        made += out_len;
        if (in_len == 0 && out_len == 0)
            break;
    }
    if (taken)
        *taken = used;
    return made;
}

size_t prl_resample_drain(struct prl_resample *resample, int16_t *out, size_t out_size)
{
    static const int16_t zeros[ZEROS];
    size_t made = 0;
    if (!resample->state)
        return 0;
    // The filter's delay in input samples pushes the last real sample out.
    size_t left = (size_t)speex_resampler_get_input_latency(resample->state);
    while (left > 0 && made < out_size) {
        size_t taken = 0;
        made += prl_resample_process(resample, zeros, left < ZEROS ? left : ZEROS, &taken,
                                     out + made, out_size - made);
        if (taken == 0)
            break;
        left -= taken;
    }
    return made;
}

void prl_resample_reset(struct prl_resample *resample)
{
    if (resample->state)
        (void)speex_resampler_reset_mem(resample->state);
}

uint32_t prl_resample_delay(const struct prl_resample *resample)
{
    return resample->state ? (uint32_t)speex_resampler_get_output_latency(resample->state) : 0;
}

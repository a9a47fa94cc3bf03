// echo.c -- see echo.h. Loads the AEC3 module, or goes on with speexdsp.
#include "dsp/echo.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "dsp/aec3_module.h"
#include "dsp/echo_backend.h"
#include "dsp/highpass.h"

_Static_assert((int)PRL_AEC3_FRAME == (int)PRL_ECHO_FRAME_SAMPLES, "one frame for both");

struct prl_echo_kit {
    const struct prl_aec3_ops *aec3; // the module's, or NULL
};

struct prl_echo {
    // Set once; one of the two.
    const struct prl_aec3_ops *aec3;
    const struct prl_echo_ops *ops;
    // Owned.
    void *state;
    // State.
    struct prl_highpass highpass;
    float heard, kept; // power of a frame before and after, smoothed
};

// Of 16 frames, 160 ms: shorter is the echo's own syllables, longer a person's first.
static const float SMOOTHING = 1.0F / 16.0F;

static const struct prl_aec3_ops *load_module(const char *path, char *why, size_t why_size)
{
    if (!path || access(path, R_OK) != 0) {
        (void)snprintf(why, why_size, "cannot read %s; build it with 'make'",
                       path ? path : "the AEC3 module");
        return NULL;
    }
    // Never closed: other echo controls may run in it.
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct prl_aec3_ops *(*get)(void) = NULL;
    if (handle)
        *(void **)&get = dlsym(handle, "prl_aec3_module");
    const struct prl_aec3_ops *ops = get ? get() : NULL;
    if (ops && ops->version == PRL_AEC3_VERSION)
        return ops;
    (void)snprintf(why, why_size, "%s: not our AEC3 module; build it again with 'make'", path);
    return NULL;
}

enum prl_err prl_echo_kit_create(struct prl_echo_kit **out, const char *module, char *why,
                                 size_t why_size)
{
    PRL_CHECK(out != NULL);
    char unread[1];
    if (!why) {
        why = unread;
        why_size = sizeof(unread);
    }
    PRL_CHECK(why_size > 0);
    *why = '\0';
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->aec3 = load_module(module, why, why_size);
    return PRL_OK;
}

void prl_echo_kit_destroy(struct prl_echo_kit **kit)
{
    prl_mem_free(*kit);
    *kit = NULL;
}

const char *prl_echo_kit_name(const struct prl_echo_kit *kit)
{
    return kit->aec3 ? "aec3" : prl_echo_speex.name;
}

const struct prl_aec3_ops *prl_echo_kit_module(const struct prl_echo_kit *kit)
{
    return kit->aec3;
}

enum prl_err prl_echo_create(struct prl_echo **out, const struct prl_echo_kit *kit)
{
    PRL_CHECK(out != NULL && kit != NULL);
    struct prl_echo *echo = prl_mem_zalloc(sizeof(*echo));
    *out = echo;
    if (!echo)
        return PRL_ERR_NOMEM;
    echo->aec3 = kit->aec3;
    echo->ops = kit->aec3 ? NULL : &prl_echo_speex;
    enum prl_err err = PRL_OK;
    if (!echo->aec3)
        err = echo->ops->create(&echo->state);
    else if (echo->aec3->create(&echo->state) != 0)
        err = PRL_ERR_ENGINE;
    if (err)
        prl_echo_destroy(out);
    return err;
}

void prl_echo_destroy(struct prl_echo **echo)
{
    struct prl_echo *old = *echo;
    if (!old)
        return;
    if (old->state && old->aec3)
        old->aec3->destroy(&old->state);
    else if (old->state)
        old->ops->destroy(&old->state);
    prl_mem_free(old);
    *echo = NULL;
}

static float power_of(const int16_t *pcm)
{
    float sum = 0.0F;
    for (size_t i = 0; i < PRL_ECHO_FRAME_SAMPLES; i++)
        sum += (float)pcm[i] * (float)pcm[i];
    return sum / (float)PRL_ECHO_FRAME_SAMPLES;
}

void prl_echo_process(struct prl_echo *echo, int16_t *mic, const int16_t *reference)
{
    PRL_CHECK(echo != NULL && mic != NULL && reference != NULL);
    prl_highpass_process(&echo->highpass, mic, PRL_ECHO_FRAME_SAMPLES);
    echo->heard += SMOOTHING * (power_of(mic) - echo->heard);
    if (echo->aec3)
        echo->aec3->process(echo->state, mic, reference);
    else
        echo->ops->process(echo->state, mic, reference);
    echo->kept += SMOOTHING * (power_of(mic) - echo->kept);
}

float prl_echo_kept(const struct prl_echo *echo)
{
    return (echo->kept + 1.0F) / (echo->heard + 1.0F); // of silence, all
}

void prl_echo_stats(const struct prl_echo *echo, struct prl_echo_stats *stats)
{
    *stats = (struct prl_echo_stats){.delay_ms = -1};
    if (echo->aec3)
        echo->aec3->stats(echo->state, &stats->removed_db, &stats->delay_ms);
    else
        echo->ops->stats(echo->state, stats);
}

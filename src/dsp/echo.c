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
    // Power of a frame, smoothed: before, behind the filter, behind the suppressor, and of what comes out.
    float heard, filtered, suppressed, kept;
    float open; // the part of what comes out that was not suppressed, 0 to 1
};

// Of 16 frames, 160 ms: shorter is the echo's own syllables, longer a person's first.
static const float SMOOTHING = 1.0F / 16.0F;

// So much of the microphone's power filter and suppressor leave of a person. One of them now and then leaves as
// much of an echo, hardly ever both: the filter that of a loudspeaker which distorts, the suppressor very little.
static const float FILTERED_MIN = 0.3F;
static const float SUPPRESSED_MIN = 0.05F;
// And what it leaves goes again in a tenth of a second.
static const float CLOSES_BY = 0.7F;
static const float CLOSED = 0.02F;

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

// Where a person speaks the suppressor takes as much of the voice as of the echo under it.
static void spare_voice(struct prl_echo *echo, int16_t *mic, const int16_t *filtered, bool settled)
{
    echo->filtered += SMOOTHING * (power_of(filtered) - echo->filtered);
    echo->suppressed += SMOOTHING * (power_of(mic) - echo->suppressed);
    float from = echo->open;
    float to = from > CLOSED ? from * CLOSES_BY : 0.0F;
    if (settled && echo->filtered > FILTERED_MIN * echo->heard &&
        echo->suppressed > SUPPRESSED_MIN * echo->heard)
        to = 1.0F;
    for (size_t i = 0; i < PRL_ECHO_FRAME_SAMPLES; i++) {
        float open = from + (to - from) * (float)(i + 1) / (float)PRL_ECHO_FRAME_SAMPLES;
        mic[i] = (int16_t)((float)mic[i] + open * (float)(filtered[i] - mic[i]));
    }
    echo->open = to;
}

void prl_echo_process(struct prl_echo *echo, int16_t *mic, const int16_t *reference, bool settled)
{
    PRL_CHECK(echo != NULL && mic != NULL && reference != NULL);
    prl_highpass_process(&echo->highpass, mic, PRL_ECHO_FRAME_SAMPLES);
    echo->heard += SMOOTHING * (power_of(mic) - echo->heard);
    if (echo->aec3) {
        int16_t filtered[PRL_ECHO_FRAME_SAMPLES];
        echo->aec3->process(echo->state, mic, reference, filtered);
        spare_voice(echo, mic, filtered, settled);
    } else {
        echo->ops->process(echo->state, mic, reference);
    }
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

// echo_speex.c -- speexdsp's canceller with its suppressor of what is left over.
//
// The fallback for a machine without the AEC3 module. It covers 250 ms between the reference and the
// end of the echo, so a long delay of the client defeats it.
#include <speex/speex_echo.h>
#include <speex/speex_preprocess.h>

#include <string.h>

#include "base/mem.h"
#include "dsp/echo_backend.h"

enum { TAIL_SAMPLES = PRL_ECHO_HZ / 4 };

struct speex {
    SpeexEchoState *echo;
    SpeexPreprocessState *residual;
};

static void destroy_speex(void **state)
{
    struct speex *speex = *state;
    if (!speex)
        return;
    if (speex->residual)
        speex_preprocess_state_destroy(speex->residual);
    if (speex->echo)
        speex_echo_state_destroy(speex->echo);
    prl_mem_free(speex);
    *state = NULL;
}

static enum prl_err create_speex(void **state)
{
    struct speex *speex = prl_mem_zalloc(sizeof(*speex));
    *state = speex;
    if (!speex)
        return PRL_ERR_NOMEM;
    speex->echo = speex_echo_state_init(PRL_ECHO_FRAME_SAMPLES, TAIL_SAMPLES);
    speex->residual = speex_preprocess_state_init(PRL_ECHO_FRAME_SAMPLES, PRL_ECHO_HZ);
    if (!speex->echo || !speex->residual) {
        destroy_speex(state);
        return PRL_ERR_NOMEM;
    }
    int hz = PRL_ECHO_HZ;
    speex_echo_ctl(speex->echo, SPEEX_ECHO_SET_SAMPLING_RATE, &hz);
    // Only echo is suppressed: the voice detector wants its noise as it is.
    int noise_db = 0;
    int echo_db = -45;
    int echo_talk_db = -20;
    speex_preprocess_ctl(speex->residual, SPEEX_PREPROCESS_SET_ECHO_STATE, speex->echo);
    speex_preprocess_ctl(speex->residual, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &noise_db);
    speex_preprocess_ctl(speex->residual, SPEEX_PREPROCESS_SET_ECHO_SUPPRESS, &echo_db);
    speex_preprocess_ctl(speex->residual, SPEEX_PREPROCESS_SET_ECHO_SUPPRESS_ACTIVE, &echo_talk_db);
    return PRL_OK;
}

static void process_speex(void *state, int16_t *mic, const int16_t *reference)
{
    struct speex *speex = state;
    int16_t out[PRL_ECHO_FRAME_SAMPLES];
    speex_echo_cancellation(speex->echo, mic, reference, out);
    speex_preprocess_run(speex->residual, out);
    memcpy(mic, out, sizeof(out));
}

static void stats_speex(const void *state, struct prl_echo_stats *stats)
{
    (void)state; // the library tells neither
    *stats = (struct prl_echo_stats){.delay_ms = -1};
}

const struct prl_echo_ops prl_echo_speex = {
    .name = "speexdsp",
    .create = create_speex,
    .destroy = destroy_speex,
    .process = process_speex,
    .stats = stats_speex,
};

// silero.c -- see silero.h. The model's tensors lie over fixed buffers, so a window is: copy the
// stream's context, samples and state in, run, copy the new state out.
#include "vad/silero.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/ort.h"
#include "vad/gate.h"

enum {
    CONTEXT_SAMPLES = 64,
    WINDOW_SAMPLES = PRL_VAD_WINDOW_SAMPLES,
    STATE_FLOATS = 2 * 1 * 128,
};

struct prl_silero {
    // Owned.
    struct prl_ort_session *session;
    struct prl_ort_binding *binding;
    // Buffers under the binding's tensors.
    float input[CONTEXT_SAMPLES + WINDOW_SAMPLES];
    float state[STATE_FLOATS];
    float state_next[STATE_FLOATS];
    float probability;
    int64_t rate_hz;
    size_t streams; // open now
};

struct prl_silero_stream {
    struct prl_silero *silero; // borrowed
    size_t fill;               // samples waiting in `window`
    int16_t context[CONTEXT_SAMPLES];
    int16_t window[WINDOW_SAMPLES];
    float state[STATE_FLOATS];
};

_Static_assert(sizeof(struct prl_silero_stream) <= 4096, "a stream is meant to be cheap");

static enum prl_err bind_tensors(struct prl_silero *silero)
{
    struct prl_ort_tensor inputs[] = {
        {.name = "input",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, CONTEXT_SAMPLES + WINDOW_SAMPLES},
         .data = silero->input},
        {.name = "state",
         .type = PRL_ORT_FLOAT,
         .rank = 3,
         .shape = {2, 1, 128},
         .data = silero->state},
        {.name = "sr", .type = PRL_ORT_INT64, .rank = 0, .data = &silero->rate_hz},
    };
    struct prl_ort_tensor outputs[] = {
        {.name = "output",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, 1},
         .data = &silero->probability},
        {.name = "stateN",
         .type = PRL_ORT_FLOAT,
         .rank = 3,
         .shape = {2, 1, 128},
         .data = silero->state_next},
    };
    return prl_ort_binding_create(&silero->binding, silero->session, inputs,
                                  sizeof(inputs) / sizeof(*inputs), outputs,
                                  sizeof(outputs) / sizeof(*outputs));
}

enum prl_err prl_silero_create(struct prl_silero **out, struct prl_ort *ort, const char *path,
                               char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && ort != NULL && path != NULL);
    *out = NULL;
    struct prl_silero *silero = prl_mem_zalloc(sizeof(*silero));
    if (!silero)
        return PRL_ERR_NOMEM;
    silero->rate_hz = PRL_VAD_RATE_HZ;
    struct prl_ort_conf conf = {.path = path, .threads = 1, .arena = true};
    enum prl_err err = prl_ort_session_create(&silero->session, ort, &conf, why, why_size);
    if (!err)
        err = bind_tensors(silero);
    if (!err) // a wrong model is found out here, not in the first call
        err = prl_ort_binding_run(silero->binding);
    if (err && silero->session && why && why_size > 0) {
        struct prl_str text = {.limit = PRL_ORT_WHY_SIZE};
        (void)prl_str_addf(&text, "%s is not the Silero model that is expected: %s", path,
                           prl_ort_session_why(silero->session));
        (void)prl_str_copy(why, why_size, prl_str_text(&text));
        prl_str_free(&text);
    }
    if (err)
        prl_silero_destroy(&silero);
    *out = silero;
    return err;
}

void prl_silero_destroy(struct prl_silero **silero)
{
    PRL_CHECK(silero != NULL);
    if (!*silero)
        return;
    PRL_CHECK((*silero)->streams == 0);
    prl_ort_binding_destroy(&(*silero)->binding);
    prl_ort_session_destroy(&(*silero)->session);
    prl_mem_free(*silero);
    *silero = NULL;
}

enum prl_err prl_silero_open(struct prl_silero *silero, struct prl_silero_stream **out)
{
    PRL_CHECK(silero != NULL && out != NULL);
    struct prl_silero_stream *stream = prl_mem_zalloc(sizeof(*stream));
    *out = stream;
    if (!stream)
        return PRL_ERR_NOMEM;
    stream->silero = silero;
    silero->streams++;
    return PRL_OK;
}

void prl_silero_close(struct prl_silero_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    (*stream)->silero->streams--;
    prl_mem_free(*stream);
    *stream = NULL;
}

void prl_silero_reset(struct prl_silero_stream *stream)
{
    PRL_CHECK(stream != NULL);
    stream->fill = 0;
    memset(stream->context, 0, sizeof(stream->context));
    memset(stream->state, 0, sizeof(stream->state));
}

static enum prl_err run_window(struct prl_silero_stream *stream, float *probability)
{
    struct prl_silero *silero = stream->silero;
    for (size_t i = 0; i < CONTEXT_SAMPLES; i++)
        silero->input[i] = (float)stream->context[i] / 32768.0F;
    for (size_t i = 0; i < WINDOW_SAMPLES; i++)
        silero->input[CONTEXT_SAMPLES + i] = (float)stream->window[i] / 32768.0F;
    memcpy(silero->state, stream->state, sizeof(stream->state));
    memcpy(stream->context, stream->window + WINDOW_SAMPLES - CONTEXT_SAMPLES,
           sizeof(stream->context));
    stream->fill = 0;
    enum prl_err err = prl_ort_binding_run(silero->binding);
    if (err)
        return err;
    memcpy(stream->state, silero->state_next, sizeof(stream->state));
    *probability = silero->probability;
    return PRL_OK;
}

enum prl_err prl_silero_push(struct prl_silero_stream *stream, const int16_t *pcm, size_t n,
                             size_t *used, float *probability)
{
    PRL_CHECK(stream != NULL && used != NULL && probability != NULL && (pcm != NULL || n == 0));
    size_t room = WINDOW_SAMPLES - stream->fill;
    size_t take = n < room ? n : room;
    if (take > 0)
        memcpy(stream->window + stream->fill, pcm, take * sizeof(*pcm));
    stream->fill += take;
    *used = take;
    if (stream->fill < WINDOW_SAMPLES)
        return PRL_ERR_AGAIN;
    return run_window(stream, probability);
}

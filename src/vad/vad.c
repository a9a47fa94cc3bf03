// vad.c -- see vad.h. Carries each window from the model to the gate.
#include "vad/vad.h"

#include "base/check.h"
#include "base/mem.h"
#include "vad/silero.h"

struct prl_vad {
    struct prl_silero *silero; // owned
};

struct prl_vad_stream {
    // Set once.
    prl_vad_fn fn;
    void *arg;
    // Owned.
    struct prl_silero_stream *silero;
    struct prl_gate *gate;
    // State.
    int64_t position;  // samples received since open
    float probability; // of the last full window
    float probability_min;
};

enum prl_err prl_vad_create(struct prl_vad **out, struct prl_ort *ort, const char *path, char *why,
                            size_t why_size)
{
    PRL_CHECK(out != NULL);
    *out = NULL;
    struct prl_vad *vad = prl_mem_zalloc(sizeof(*vad));
    if (!vad)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_silero_create(&vad->silero, ort, path, why, why_size);
    if (err)
        prl_vad_destroy(&vad);
    *out = vad;
    return err;
}

void prl_vad_destroy(struct prl_vad **vad)
{
    PRL_CHECK(vad != NULL);
    if (!*vad)
        return;
    prl_silero_destroy(&(*vad)->silero);
    prl_mem_free(*vad);
    *vad = NULL;
}

enum prl_err prl_vad_open(struct prl_vad *vad, const struct prl_gate_conf *conf, prl_vad_fn fn,
                          void *arg, struct prl_vad_stream **out)
{
    PRL_CHECK(vad != NULL && fn != NULL && out != NULL);
    *out = NULL;
    struct prl_vad_stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    stream->fn = fn;
    stream->arg = arg;
    enum prl_err err = prl_silero_open(vad->silero, &stream->silero);
    if (!err)
        err = prl_gate_create(&stream->gate, conf);
    if (err)
        prl_vad_close(&stream);
    *out = stream;
    return err;
}

void prl_vad_close(struct prl_vad_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    prl_silero_close(&(*stream)->silero);
    prl_gate_destroy(&(*stream)->gate);
    prl_mem_free(*stream);
    *stream = NULL;
}

void prl_vad_configure(struct prl_vad_stream *stream, const struct prl_gate_conf *conf)
{
    prl_gate_configure(stream->gate, conf);
}

void prl_vad_reset(struct prl_vad_stream *stream)
{
    prl_silero_reset(stream->silero);
    prl_gate_reset(stream->gate, stream->position);
    stream->probability = 0.0F;
}

void prl_vad_demand(struct prl_vad_stream *stream, float probability_min)
{
    stream->probability_min = probability_min;
}

enum prl_err prl_vad_push(struct prl_vad_stream *stream, const int16_t *pcm, size_t n)
{
    PRL_CHECK(stream != NULL && (pcm != NULL || n == 0));
    enum prl_err failed = PRL_OK;
    while (n > 0) {
        size_t used = 0;
        float probability = 0.0F;
        enum prl_err err = prl_silero_push(stream->silero, pcm, n, &used, &probability);
        PRL_CHECK(used > 0 && used <= n);
        pcm += used;
        n -= used;
        stream->position += (int64_t)used;
        if (err == PRL_ERR_AGAIN)
            continue;
        if (err)
            failed = err; // the window counts as silence, so that positions stay true
        stream->probability = err ? 0.0F : probability;
        bool sure = stream->probability >= stream->probability_min;
        struct prl_gate_event event =
            prl_gate_window(stream->gate, sure ? stream->probability : 0.0F);
        if (event.type != PRL_GATE_NONE)
            stream->fn(stream->arg, &event);
    }
    return failed;
}

const struct prl_gate *prl_vad_gate(const struct prl_vad_stream *stream)
{
    return stream->gate;
}

int64_t prl_vad_position(const struct prl_vad_stream *stream)
{
    return stream->position;
}

float prl_vad_probability(const struct prl_vad_stream *stream)
{
    return stream->probability;
}

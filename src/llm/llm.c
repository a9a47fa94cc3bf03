// llm.c -- see llm.h: checks what callers owe, and hands on to the backend.
#include "llm/llm.h"

#include "base/check.h"
#include "llm/backend.h"
#include "net/loop.h"

void prl_llm_destroy(struct prl_llm **llm)
{
    PRL_CHECK(llm != NULL);
    if (*llm)
        (*llm)->ops->destroy(llm);
}

enum prl_llm_state prl_llm_state(const struct prl_llm *llm)
{
    return llm->ops->state(llm);
}

bool prl_llm_sees(const struct prl_llm *llm)
{
    return llm->sees;
}

struct prl_llm_stats prl_llm_stats(const struct prl_llm *llm)
{
    return llm->ops->stats(llm);
}

enum prl_err prl_llm_open(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                          struct prl_llm_stream **out)
{
    PRL_CHECK(llm != NULL && conf != NULL && conf->fn != NULL && out != NULL);
    prl_loop_check(llm->loop);
    *out = NULL;
    return llm->ops->open(llm, conf, out);
}

void prl_llm_close(struct prl_llm_stream **stream)
{
    PRL_CHECK(stream != NULL);
    struct prl_llm_stream *gone = *stream;
    *stream = NULL;
    if (!gone)
        return;
    prl_loop_check(gone->loop);
    gone->ops->close(gone);
}

void prl_llm_warm(struct prl_llm *llm)
{
    PRL_CHECK(llm != NULL);
    prl_loop_check(llm->loop);
    if (llm->ops->warm)
        llm->ops->warm(llm);
}

enum prl_err prl_llm_prefill(struct prl_llm_stream *stream, uint32_t generation,
                             const struct prl_llm_prompt *prompt)
{
    PRL_CHECK(stream != NULL && prompt != NULL);
    prl_loop_check(stream->loop);
    return stream->ops->prefill ? stream->ops->prefill(stream, generation, prompt) : PRL_OK;
}

enum prl_err prl_llm_generate(struct prl_llm_stream *stream, uint32_t generation,
                              const struct prl_llm_prompt *prompt,
                              const struct prl_llm_params *params)
{
    PRL_CHECK(stream != NULL && prompt != NULL && params != NULL);
    prl_loop_check(stream->loop);
    return stream->ops->generate(stream, generation, prompt, params);
}

void prl_llm_commit(struct prl_llm_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL);
    prl_loop_check(stream->loop);
    if (stream->ops->commit)
        stream->ops->commit(stream, generation);
}

void prl_llm_cancel(struct prl_llm_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL);
    prl_loop_check(stream->loop);
    stream->ops->cancel(stream, generation);
}

bool prl_llm_speaks(const struct prl_llm *llm)
{
    return llm->ops->flow != NULL;
}

void prl_llm_flow(struct prl_llm_stream *stream, bool wanted)
{
    PRL_CHECK(stream != NULL);
    prl_loop_check(stream->loop);
    if (stream->ops->flow)
        stream->ops->flow(stream, wanted);
}

size_t prl_llm_count_tokens(const char *text, size_t len)
{
    (void)text;
    return len;
}

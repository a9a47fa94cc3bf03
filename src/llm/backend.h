// backend.h -- what stands behind llm.h: a table of functions for each way to have a language model.
//
// local.c asks the embedded model through its lane; remote.c asks engines elsewhere and falls back
// along a chain. A backend's own structs begin with the two below.
// Threads, memory, errors: as llm.h promises to its callers; arguments have been checked there.
#ifndef PRL_LLM_BACKEND_H
#define PRL_LLM_BACKEND_H

#include "llm/llm.h"

// NULL where it says so: there is nothing to do.
struct prl_llm_backend_ops {
    void (*destroy)(struct prl_llm **llm);
    enum prl_llm_state (*state)(const struct prl_llm *llm);
    struct prl_llm_stats (*stats)(const struct prl_llm *llm);
    enum prl_err (*open)(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                         struct prl_llm_stream **out);
    void (*close)(struct prl_llm_stream *stream);
    enum prl_err (*prefill)(struct prl_llm_stream *stream, uint32_t generation,
                            const struct prl_llm_prompt *prompt); // or NULL
    enum prl_err (*generate)(struct prl_llm_stream *stream, uint32_t generation,
                             const struct prl_llm_prompt *prompt,
                             const struct prl_llm_params *params);
    void (*commit)(struct prl_llm_stream *stream, uint32_t generation); // or NULL
    void (*cancel)(struct prl_llm_stream *stream, uint32_t generation);
    void (*flow)(struct prl_llm_stream *stream, bool wanted); // of a model that speaks, else NULL
    void (*warm)(struct prl_llm *llm);                        // or NULL
};

struct prl_llm {
    const struct prl_llm_backend_ops *ops;
    struct prl_loop *loop; // borrowed
    bool sees;             // some engine of it may look at images
};

struct prl_llm_stream {
    const struct prl_llm_backend_ops *ops;
    struct prl_loop *loop; // borrowed
};

#endif

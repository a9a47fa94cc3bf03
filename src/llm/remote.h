// remote.h -- a language model elsewhere, with others behind it: llm.h over a chain of engines.
//
// An answer is asked of the first engine that works. When that fails before anything of the answer
// was handed out, the next one is asked within the same generate; afterwards it is an ERROR.
// Threads:  the loop thread, all of it: requests run on the loop (net/fetch.h).
// Memory:   one copy of the prompt a running answer; an answer's connection ends with cancel.
// Errors:   as llm.h. Ready at once; an engine that is not there is found out by asking.
// Prefill:  does nothing: servers keep their prefixes themselves.
#ifndef PRL_LLM_REMOTE_H
#define PRL_LLM_REMOTE_H

#include "engine/pool.h"
#include "llm/llm.h"

struct prl_llm_remote_conf {
    struct prl_loop *loop; // borrowed
    struct prl_pool *pool; // borrowed; outlives the model
    struct prl_llm *local; // borrowed: the pool's embedded engine; NULL when it has none
    bool blind;            // no engine of the pool looks at images
};

enum prl_err prl_llm_remote_create(struct prl_llm **out,
                                   const struct prl_llm_remote_conf *conf) PRL_MUST_USE;

#endif

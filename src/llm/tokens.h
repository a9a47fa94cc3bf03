// tokens.h -- turns a prompt into the model's tokens, short enough for the context.
//
// Renders the chat, tokenises it piece by piece from the newest message backwards, leaves out whole
// old turns when it is too long (llm/trim.h), and puts the rest together.
// Units:    tokens.
// Threads:  the lane's thread (it calls the model).
// Memory:   the tokens are given to the caller (prl_mem_free).
// Errors:   LIMIT when even the newest turn is too long; ENGINE when the model lacks a control
//           token of the chat's form; NOMEM.
// Cost:     about 1 ms for 1,000 tokens; what cannot fit is not tokenised at all.
#ifndef PRL_LLM_TOKENS_H
#define PRL_LLM_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/model.h"
#include "llm/prompt.h"

struct prl_llm_tokens {
    int32_t *ids; // owned
    int count;
    int dropped;  // messages left out
    char *forced; // owned: beginning of a forced call's JSON, or NULL
};

// `budget`: most tokens allowed. `reply` as in prl_chat_render.
enum prl_err prl_llm_tokens_make(struct prl_llm_tokens *out, const struct prl_llm_model_ops *ops,
                                 void *model, const struct prl_llm_prompt *prompt, int budget,
                                 bool answer) PRL_MUST_USE;
void prl_llm_tokens_free(struct prl_llm_tokens *tokens);

#endif

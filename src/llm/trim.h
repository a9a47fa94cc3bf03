// trim.h -- which messages of a talk are left out when it no longer fits the model's context.
//
// Pure. A turn starts at a user message and lasts until the next one, with the answer, its tool
// calls and their results. Whole turns go, the oldest first; the system messages at the front and
// the newest turn always stay.
// Units:    costs in tokens.
// Threads:  any.
// Errors:   LIMIT when even the system messages and the newest turn do not fit.
#ifndef PRL_LLM_TRIM_H
#define PRL_LLM_TRIM_H

#include <stddef.h>

#include "base/err.h"
#include "llm/prompt.h"

// Messages [*first, *first + *dropped) are to be left out so that the rest costs at most `budget`.
enum prl_err prl_llm_trim(const struct prl_llm_message *messages, const int *costs, size_t count,
                          int budget, size_t *first, size_t *dropped) PRL_MUST_USE;

#endif

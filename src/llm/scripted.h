// scripted.h -- a language model that says the same thing each time, after a fixed delay and at a
// fixed pace; for tests and load measurements.
//
// The answer begins with PRL_LLM_SCRIPTED_OPENING, whose first clause is PRL_LLM_SCRIPTED_FIRST_WORDS
// long; the cutter needs the word behind it. One word an event.
#ifndef PRL_LLM_SCRIPTED_H
#define PRL_LLM_SCRIPTED_H

#include "engine/scripted.h"
#include "llm/llm.h"

#define PRL_LLM_SCRIPTED_OPENING "Of course I can, and"
enum { PRL_LLM_SCRIPTED_FIRST_WORDS = 4 };

// `conf`: the loop and on_state; the script is copied. Everything else is done through llm.h.
enum prl_err prl_llm_scripted_create(struct prl_llm **out, const struct prl_llm_conf *conf,
                                     const struct prl_scripted *script) PRL_MUST_USE;

#endif

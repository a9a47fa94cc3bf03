// estimate.h -- how many tokens a text will be, without the model that counts them.
//
// For a budget of tokens towards models whose vocabulary is elsewhere. The rule: a quarter of a token
// for each ASCII character, three quarters for an ideograph, kana or Hangul syllable, a half for any
// other character, and 4 tokens for what a template puts around a message. What the model's server
// reports corrects it (prl_llm_estimate_learn), since vocabularies differ by half and more.
// Units:    tokens.
// Threads:  any; nothing is kept.
// Memory:   none.
// Errors:   none.
// Source:   Qwen 2.5's vocabulary, by `parley llm`: docs/TUNING.md, "Tokens by rule".
#ifndef PRL_LLM_ESTIMATE_H
#define PRL_LLM_ESTIMATE_H

#include <stddef.h>

#include "llm/prompt.h"

enum {
    PRL_LLM_ESTIMATE_MESSAGE = 4,
    PRL_LLM_ESTIMATE_IMAGE = 1000 // one of a megapixel, where servers count 700 to 1,300
};

// Rounded up; 0 for no text.
size_t prl_llm_estimate_text(const char *text, size_t len);
// Messages with their calls, and tools where they are shown.
size_t prl_llm_estimate_prompt(const struct prl_llm_prompt *prompt);

// Real tokens for each estimated one: what was believed (1 at first) after a prompt of `estimated`
// tokens was in truth `real`. More is believed at once, less in steps; 0.5..2.
double prl_llm_estimate_learn(double believed, size_t estimated, int real);

#endif

// rivals.h -- signs of listening ("mm-hmm", "oh, okay") that a recogniser weighs its own words against.
//
// What a recogniser writes for a hum is some word that sounds like one ("To me.", "Does her."), and how sure
// it is of that word tells nothing. How much surer it is than of "Mm-hmm." for the same sound does: the
// difference of the logarithms of both probabilities. Measured in docs/TUNING.md, "Interruptions".
// Units:    natural logarithms; token numbers of the recogniser's own vocabulary.
// Memory:   one block of 4 KiB, constant after create. Threads: one owner.
// Errors:   NOMEM; INVALID when the vocabulary cannot spell one of them.
#ifndef PRL_STT_RIVALS_H
#define PRL_STT_RIVALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_RIVALS_ROWS = 4,   // scored of all: those whose first token is likeliest
    PRL_RIVALS_TOKENS = 10 // of one, with the token that begins a text and the one that ends it
};

struct prl_rivals;
struct prl_tokens;

// The rows that are scored, as a decoder takes them: each begins with the start token and is filled up with
// the end token to `columns`.
struct prl_rivals_picked {
    int64_t ids[PRL_RIVALS_ROWS * PRL_RIVALS_TOKENS];
    int64_t next[PRL_RIVALS_ROWS * PRL_RIVALS_TOKENS]; // what follows each
    size_t columns;
    size_t lengths[PRL_RIVALS_ROWS]; // tokens behind the start token, the end token among them
};

enum prl_err prl_rivals_create(struct prl_rivals **out, const struct prl_tokens *tokens,
                               int64_t start, int64_t end) PRL_MUST_USE;
void prl_rivals_destroy(struct prl_rivals **rivals);

// `logits`: of the first token, `vocabulary` of them.
void prl_rivals_pick(const struct prl_rivals *rivals, const float *logits, size_t vocabulary,
                     struct prl_rivals_picked *picked);

// The likeliest row's logarithm of probability; `logits`: rows * columns * vocabulary, each row those of the
// token behind.
float prl_rivals_best(const struct prl_rivals_picked *picked, const float *logits,
                      size_t vocabulary);

#endif

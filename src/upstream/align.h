// align.h -- where the words of a spoken answer sound, when its text and its sound come apart.
//
// A Realtime server sends a transcript in pieces and sound in pieces. Some say when a piece starts
// (start_time); for the others each word gets a share of the sound by its length, at a usual pace
// while the answer grows and exactly once all of it is there. A pure core.
// Units:    samples at 24 kHz and bytes of the text, both from the answer's start.
// Threads:  one owner.
// Memory:   40 bytes a word, at most PRL_ALIGN_WORDS_MAX; further text belongs to the last word.
// Errors:   NOMEM: the text of that call is not known to it.
// Source:   usual pace: about 15 letters or 4.5 ideographs a second.
#ifndef PRL_UPSTREAM_ALIGN_H
#define PRL_UPSTREAM_ALIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/llm.h"

enum { PRL_ALIGN_WORDS_MAX = 8192 };

struct prl_align;

enum prl_err prl_align_create(struct prl_align **out) PRL_MUST_USE;
void prl_align_destroy(struct prl_align **align);
void prl_align_reset(struct prl_align *align);

// Text behind what is there; `start_sample` is where it begins to sound, negative: not known.
enum prl_err prl_align_text(struct prl_align *align, const char *text, size_t len,
                            int64_t start_sample) PRL_MUST_USE;
void prl_align_sound(struct prl_align *align, size_t samples);
// Nothing more comes of either.
void prl_align_end(struct prl_align *align);
// The next word that ends within the sound there is; after the end every word, in order.
bool prl_align_next(struct prl_align *align, struct prl_llm_word *word);
uint64_t prl_align_samples(const struct prl_align *align); // of sound so far

#endif

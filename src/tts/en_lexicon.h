// en_lexicon.h -- the reading of one English word, by lexicon, part of speech and context.
//
// Threads:  any once opened; no state.
// Memory:   none.
// Source:   rules of misaki 0.9.4 and hibari-tts 0.2.1 (Apache-2.0), reimplemented.
#ifndef PRL_TTS_EN_LEXICON_H
#define PRL_TTS_EN_LEXICON_H

#include <stdbool.h>
#include <stddef.h>

#include "tts/en_buf.h"
#include "tts/table.h"

// What follows a word, as far as it is known (words are read from the last to the first).
enum prl_en_next { PRL_EN_NEXT_PAUSE, PRL_EN_NEXT_CONSONANT, PRL_EN_NEXT_VOWEL };
struct prl_en_context {
    enum prl_en_next next;
    bool to; // the next word is "to"
};

// Reads a word of at most PRL_EN_CHUNK_MAX characters. False when no rule knows it.
bool prl_en_lexicon_read(const struct prl_table *table, const char *word, size_t len,
                         const char *tag, const struct prl_en_context *context,
                         struct prl_en_buf *out);
// Reads it letter by letter, by the letters' names. False when a letter has none.
bool prl_en_lexicon_spell(const struct prl_table *table, const char *word, size_t len,
                          struct prl_en_buf *out);
// Reads digits one by one, "." as "point"; other characters are left out.
void prl_en_lexicon_digits(const struct prl_table *table, const char *text, size_t len,
                           struct prl_en_buf *out);

#endif

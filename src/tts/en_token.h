// en_token.h -- cuts English text into tokens, and tokens into the pieces that a lexicon knows.
//
// Special cases first (contractions, "Mr.", "10am"), then signs are peeled off both ends of each
// run of non-spaces, then hyphens and slashes split what is left.
// Units:    bytes of UTF-8; tokens are successive ranges of the text, only spaces lie between.
// Threads:  any; no state.
// Memory:   none; the caller gives the arrays.
// Bounds:   a run of non-spaces over PRL_EN_CHUNK_MAX characters is cut there.
// Source:   rules and special cases of spaCy's English tokenizer (MIT) in the form that hibari-tts
//           0.2.1 gives them; addresses are not kept whole (src/tts/text.h has made them words).
#ifndef PRL_TTS_EN_TOKEN_H
#define PRL_TTS_EN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tts/table.h"

enum { PRL_EN_CHUNK_MAX = 64 };

struct prl_en_token {
    uint32_t start; // bytes of the text
    uint32_t len;
    bool space;      // a space follows
    const char *tag; // Penn Treebank tag, set by prl_en_tag
};

// Writes at most `max` tokens and returns how many. A text of n bytes has at most n tokens.
size_t prl_en_tokenize(const struct prl_table *table, const char *text, size_t len,
                       struct prl_en_token *tokens, size_t max);

// Pieces of one token of at most PRL_EN_CHUNK_MAX characters: words at changes of case, digits,
// hyphens, signs. Returns how many (at most `max`); start is relative to `text`.
size_t prl_en_subtokens(const char *text, size_t len, struct prl_span *pieces, size_t max);

#endif

// en_tag.h -- part of speech of each token, by an averaged perceptron over table lookups.
//
// Threads:  any once opened.
// Memory:   tags point into the tagger.
// Source:   weights and features of hibari-tts 0.2.1 (trained on the tags of spaCy's
//           en_core_web_sm); weights are kept in tenths, so sums are exact.
#ifndef PRL_TTS_EN_TAG_H
#define PRL_TTS_EN_TAG_H

#include <stddef.h>

#include "base/err.h"
#include "tts/en_token.h"
#include "tts/table.h"

enum { PRL_EN_TAGS_MAX = 64, PRL_EN_TAG_SIZE = 8 };

struct prl_en_tagger {
    const struct prl_table *table; // borrowed
    char tags[PRL_EN_TAGS_MAX][PRL_EN_TAG_SIZE];
    size_t tag_count;
};

// INVALID when the table has no list of tags.
enum prl_err prl_en_tagger_init(struct prl_en_tagger *tagger,
                                const struct prl_table *table) PRL_MUST_USE;
// Sets the tag of every token of `text`.
void prl_en_tag(const struct prl_en_tagger *tagger, const char *text, struct prl_en_token *tokens,
                size_t count);

#endif

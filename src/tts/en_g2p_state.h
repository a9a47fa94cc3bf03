// en_g2p_state.h -- what en_g2p.c and en_g2p_group.c share; nobody else includes it.
//
// Text becomes tokens, tokens become pieces ("sub"), pieces without a space between form a group
// ("well-known"). en_g2p.c cuts and writes, en_g2p_group.c reads the groups.
// Memory:   all arrays have `capacity` elements; no text has more of anything than it has bytes.
// Threads:  one owner.
#ifndef PRL_TTS_EN_G2P_STATE_H
#define PRL_TTS_EN_G2P_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tts/en_buf.h"
#include "tts/en_g2p.h"
#include "tts/en_lexicon.h"
#include "tts/en_oov.h"
#include "tts/en_tag.h"
#include "tts/en_token.h"
#include "tts/table.h"

enum { PRL_EN_SUBS_MAX = PRL_EN_CHUNK_MAX }; // pieces of a group

// A piece of a token. Its phonemes are a range of g2p->phon.
struct prl_en_sub {
    const char *text;
    uint32_t len;
    uint32_t at;     // byte of the text where it starts
    const char *tag; // of its token
    bool space;      // a space follows
    bool known;      // has phonemes, maybe none ("")
    bool preset;     // they were set before reading, so it stands alone
    bool gap;        // a space goes before its phonemes
    size_t phon_start, phon_len;
};

struct prl_en_group {
    size_t first, count;
};

// A range of the text whose letters are said by name.
struct prl_en_letters {
    uint32_t start, end;
};

// Where in the text a unit of a spoken form stands.
struct prl_en_place {
    uint32_t start, end;   // in the text
    uint32_t source_start; // in the clause
    uint32_t source_end;
};

struct prl_en_g2p {
    // set once
    struct prl_table *table;
    struct prl_en_tagger tagger;
    struct prl_en_oov *oov; // NULL: unknown words are spelled
    // grown as needed, `capacity` elements each
    struct prl_en_token *tokens;
    struct prl_en_sub *subs;
    struct prl_en_group *groups;
    struct prl_tts_word *words;
    struct prl_en_letters *letters;
    struct prl_en_place *places;
    size_t capacity;
    // of the current text
    struct prl_str phon; // phonemes of pieces
    struct prl_str out;  // phonemes of all
    struct prl_str text; // written from units
    size_t sub_count, group_count, word_count, letters_count, place_count;
    uint32_t unknown;
};

// Gives a piece its phonemes ("" for silence).
void prl_en_phonemes_set(struct prl_en_g2p *g2p, struct prl_en_sub *sub, const char *data,
                         size_t len);
// Is every character of the text one of `set`?
bool prl_en_all_in(const char *text, size_t len, const char *set);
// Reads a group's pieces; `context` is what follows it, and is moved on to what it begins with.
void prl_en_group_read(struct prl_en_g2p *g2p, const struct prl_en_group *group,
                       struct prl_en_context *context);

// Punctuation that the models speak and that is no quotation mark; quotation marks.
extern const char prl_en_pauses[];
extern const char prl_en_quotes[];

#endif

// text.h -- makes a written clause speakable: words, letters and pauses, each with its source.
//
// Markdown, HTML and emoji go; numbers, dates, money, units, addresses, symbols become words in the
// language around them. What comes out holds only ideographs (U+3400..9FFF, U+3007), Latin letters,
// apostrophes, spaces and the pause marks  , . ? ! ; :  ，。？！；：、  so that no G2P meets a sign
// without a sound. tests/data/text_cases.tsv is the specification by example.
//
// Units:    bytes of UTF-8. A unit's source is a range of the ORIGINAL clause; the ranges of
//           successive units never go back: they are equal (several words for one number) or apart.
// Threads:  one owner; holds no state between calls, so all sessions of a thread may share one.
// Memory:   one block, made in create; speakable allocates nothing. `out` points into the block and
//           is valid until the next call.
// Errors:   LIMIT for a clause over the size given to create. Any bytes are legal input; malformed
//           ones are dropped and counted. Output cannot overflow: at most PRL_TEXT_GROWTH bytes and
//           PRL_TEXT_UNITS units for each byte of input, 64 more of each, and LIMIT beyond that.
#ifndef PRL_TTS_TEXT_H
#define PRL_TTS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_TEXT_CLAUSE_MAX = 4096, PRL_TEXT_GROWTH = 16, PRL_TEXT_UNITS = 4 };

enum prl_text_lang { PRL_TEXT_EN, PRL_TEXT_ZH };

enum prl_text_kind {
    PRL_TEXT_WORD,   // en: one word, 1..32 of [A-Za-z'] (case kept); zh: one ideograph
    PRL_TEXT_LETTER, // en: one capital said by its name ("A" is ay, never uh); "Ls": its plural
    PRL_TEXT_PAUSE,  // one pause mark, no sound of its own
};

struct prl_text_unit {
    uint32_t text_start; // in out.text
    uint32_t text_len;
    uint32_t source_start; // in the clause, [start, end)
    uint32_t source_end;
    uint8_t lang; // enum prl_text_lang; a pause belongs to the unit before it
    uint8_t kind; // enum prl_text_kind
};

// A run of units of one language.
struct prl_text_segment {
    enum prl_text_lang lang;
    uint32_t unit_start;
    uint32_t unit_count;
    uint32_t text_start; // in out.text, without the space between segments
    uint32_t text_len;
};

struct prl_text_out {
    const char *text; // spoken form, zero-terminated; "" when nothing is to be said
    size_t text_len;
    const struct prl_text_unit *units;
    size_t unit_count;
    const struct prl_text_segment *segments;
    size_t segment_count;
    // What was left out by a rule, for the metrics.
    uint32_t emoji_dropped;   // pictures and ornaments
    uint32_t unknown_dropped; // letters of scripts that we cannot say (Arabic, Thai, …)
    uint32_t invalid_dropped; // malformed UTF-8 and control characters
};

// What a clause has to know of those before it in the same answer; zero it at the answer's start.
struct prl_text_state {
    bool in_code; // inside a ``` fence
};

struct prl_text;

enum prl_err prl_text_create(struct prl_text **out, size_t clause_bytes_max) PRL_MUST_USE;
void prl_text_destroy(struct prl_text **text);

// `lang` is the language of the answer; it decides only where the clause itself does not (a bare
// "14:30"). `state` is read and moved on; NULL for a clause on its own. See Memory for `out`.
enum prl_err prl_text_speakable(struct prl_text *text, struct prl_text_state *state,
                                enum prl_text_lang lang, const char *clause, size_t clause_len,
                                struct prl_text_out *out) PRL_MUST_USE;

#endif

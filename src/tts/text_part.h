// text_part.h -- what the parts of tts/text share; nobody else includes it.
//
// The clause is decoded into code points that remember their bytes (text_clean), stripped of
// markdown (text_mark), then read from left to right: each rule (text_number, text_date, text_word,
// text_address, text_sign) looks at position i, says what it recognised and returns the position
// after it, or i when it does not apply.
//
// Units:    positions and counts are code points of the cleaned clause, ranges are bytes.
// Threads:  one owner, like text.h.
#ifndef PRL_TTS_TEXT_PART_H
#define PRL_TTS_TEXT_PART_H

#include "tts/text.h"

enum { PRL_TEXT_WORD_MAX = 32, PRL_TEXT_CP_CODE = 0x110000 /* stands for a code block */ };

struct prl_text_cp {
    uint32_t c;
    uint16_t at; // source bytes [at, end)
    uint16_t end;
};

struct prl_text {
    // set once
    size_t clause_max; // bytes
    size_t text_max;
    size_t unit_max;
    size_t segment_max;
    // owned, parts of one block
    struct prl_text_cp *cps;
    struct prl_text_unit *units;
    struct prl_text_segment *segments;
    char *text;
    // state of one call
    size_t count; // code points
    size_t text_len;
    size_t unit_count;
    size_t segment_count;
    enum prl_text_lang base; // main language of the clause
    bool math;               // the clause holds = × ÷ ≈: a hyphen between numbers is a minus
    uint32_t source_start;   // of what is being said
    uint32_t source_end;
    uint32_t pause; // waiting pause mark, 0 for none
    bool pause_weak;
    uint32_t pause_start;
    uint32_t pause_end;
    enum prl_err err;
    uint32_t emoji_dropped;
    uint32_t unknown_dropped;
    uint32_t invalid_dropped;
};

// A short phrase under construction; silently full at its size, which no caller reaches.
struct prl_text_phrase {
    char s[512];
    size_t len;
};

enum prl_text_digit_style { PRL_TEXT_DIGIT_ZERO, PRL_TEXT_DIGIT_OH, PRL_TEXT_DIGIT_YAO };

// text.c: saying things
uint32_t prl_text_at(const struct prl_text *t, size_t i); // 0 outside
void prl_text_from(struct prl_text *t, size_t start, size_t end);
// Words separated by spaces; ideographs may touch. One capital alone is a letter.
void prl_text_say(struct prl_text *t, const char *phrase);
void prl_text_say_word(struct prl_text *t, const char *word, size_t len, enum prl_text_kind kind);
void prl_text_pause(struct prl_text *t, uint32_t mark, bool weak);
enum prl_text_lang prl_text_lang_at(const struct prl_text *t, size_t i);
// en or zh by the language at i.
void prl_text_say_in(struct prl_text *t, size_t i, const char *en, const char *zh);

// text_class.c: questions about code points and words
bool prl_text_is_digit(uint32_t c);
bool prl_text_is_latin(uint32_t c);
bool prl_text_is_alnum(uint32_t c);
bool prl_text_is_han(uint32_t c);
size_t prl_text_skip_space(const struct prl_text *t, size_t i);
// Position of the last code point before i that is no space, or SIZE_MAX.
size_t prl_text_back_space(const struct prl_text *t, size_t i);
// The Latin word that ends before i (spaces between), lower-cased; "" when there is none.
void prl_text_word_before(const struct prl_text *t, size_t i, char out[PRL_TEXT_WORD_MAX]);
// The Latin letters from i on; returns their number (out is cut at its size).
size_t prl_text_word_here(const struct prl_text *t, size_t i, char out[PRL_TEXT_WORD_MAX]);
// Does the ASCII or UTF-8 text stand at i? Returns its length in code points, or 0.
size_t prl_text_match(const struct prl_text *t, size_t i, const char *text);
bool prl_text_in(const char *word, const char *list); // list: " one two three "
void prl_text_lower(char *word);

// text_clean.c, text_fold.c, text_mark.c
void prl_text_clean(struct prl_text *t, const char *clause, size_t len);
// The ASCII (or other) form of one code point, NULL when it has none; at most as long in code
// points as the source is in bytes.
const char *prl_text_fold(uint32_t c, char scratch[8]);
// Says a run of Greek, Cyrillic, kana or Hangul in Latin letters.
size_t prl_text_foreign(struct prl_text *t, size_t i);
void prl_text_mark(struct prl_text *t, struct prl_text_state *state);

// text_count.c
void prl_text_add(struct prl_text_phrase *p, const char *words);
void prl_text_en_cardinal(struct prl_text_phrase *p, const char *digits, size_t n);
void prl_text_en_ordinal(struct prl_text_phrase *p, const char *digits, size_t n);
void prl_text_en_year(struct prl_text_phrase *p, unsigned year);
void prl_text_zh_cardinal(struct prl_text_phrase *p, const char *digits, size_t n, bool liang);
void prl_text_digits(struct prl_text_phrase *p, const char *digits, size_t n,
                     enum prl_text_lang lang, enum prl_text_digit_style style);
void prl_text_cardinal(struct prl_text_phrase *p, unsigned value, enum prl_text_lang lang);

// text_number.c, text_fraction.c, text_money.c, text_date.c
enum { PRL_TEXT_DIGITS_KEPT = 40 };

struct prl_text_number {
    size_t start;
    size_t end;                   // behind the last digit
    size_t whole;                 // digits before the point
    size_t part;                  // digits behind it
    char d[PRL_TEXT_DIGITS_KEPT]; // both, without commas
    bool comma;
    bool too_long; // more digits than are kept: said one by one
};

bool prl_text_read_number(const struct prl_text *t, size_t i, struct prl_text_number *n);
unsigned prl_text_value(const struct prl_text_number *n); // of the first nine digits
bool prl_text_is_one(const struct prl_text_number *n);
void prl_text_add_number(struct prl_text_phrase *p, const struct prl_text_number *n,
                         enum prl_text_lang lang, bool liang);
void prl_text_say_long(struct prl_text *t, const struct prl_text_number *n,
                       enum prl_text_lang lang);
// "/month" or "-$10" behind a sum or a quantity, or i.
size_t prl_text_per(struct prl_text *t, size_t i);
// text_style.c: how n is to be read; `tail` is where the words begin that tell what is counted.
enum prl_text_style { PRL_TEXT_CARDINAL, PRL_TEXT_YEAR, PRL_TEXT_DIGITS };
enum prl_text_style prl_text_style_of(const struct prl_text *t, const struct prl_text_number *n,
                                      size_t tail);
size_t prl_text_fraction(struct prl_text *t, size_t i);
size_t prl_text_vulgar(struct prl_text *t, size_t i);
// A whole number with a fraction behind it, or n->start.
size_t prl_text_mixed(struct prl_text *t, const struct prl_text_number *n);
struct prl_text_money;
// $3.50: i is at the sign of the currency, `digits` behind it.
size_t prl_text_say_money(struct prl_text *t, size_t i, const struct prl_text_money *money,
                          size_t digits);
size_t prl_text_number(struct prl_text *t, size_t i);
size_t prl_text_date(struct prl_text *t, size_t i);
size_t prl_text_phone(struct prl_text *t, size_t i);
// Reads 1..max digits at i into *value; returns how many, 0 when none or more than max.
size_t prl_text_read_digits(const struct prl_text *t, size_t i, size_t max, unsigned *value);
const char *prl_text_month(unsigned month); // 1..12, English
unsigned prl_text_month_of(const char *word);

// text_unit.c
struct prl_text_unit_name {
    const char *sign; // UTF-8 as written
    const char *one;  // English, singular and plural
    const char *many;
    const char *zh;
    const char *zh_before; // said before the number ("每小时"), or ""
    bool spaced;           // may stand after a space
};
// The unit at i (after at most one space), with *end behind it; NULL for none.
const struct prl_text_unit_name *prl_text_unit_at(const struct prl_text *t, size_t i, size_t *end);
struct prl_text_money {
    const char *sign;
    const char *one;
    const char *many;
    const char *cent; // "" where there is no such coin
    const char *cents;
    const char *zh;
};
const struct prl_text_money *prl_text_money_at(const struct prl_text *t, size_t i, size_t *end);
// May 两 stand before what follows at i?
bool prl_text_measure_at(const struct prl_text *t, size_t i);

// text_word.c, text_acronym.c, text_address.c, text_sign.c
size_t prl_text_latin(struct prl_text *t, size_t i);
// "22 November 2026": the day is at i.
size_t prl_text_day_month(struct prl_text *t, size_t i);
// Is a word for a score or a proportion (比) close before i?
bool prl_text_after_score(const struct prl_text *t, size_t i);
// Says letters [i, end) that hold no digits: as a word, letter by letter, or in parts.
void prl_text_say_latin(struct prl_text *t, size_t i, size_t end);
// Letters and digits of a name: "mp3", "A320".
void prl_text_say_name(struct prl_text *t, size_t i, size_t end);
void prl_text_spell(struct prl_text *t, size_t i, size_t end);
size_t prl_text_address(struct prl_text *t, size_t i);
size_t prl_text_sign(struct prl_text *t, size_t i);

#endif

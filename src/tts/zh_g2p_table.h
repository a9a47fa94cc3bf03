// zh_g2p_table.h -- the mapped table of the Chinese front end: characters, words, readings, sounds.
//
// Units:    a word is UTF-16 units (all words are within the BMP). A reading is a code,
//           syllable * 5 + tone - 1, tone 5 being neutral.
// Threads:  const after create, any thread.
// Memory:   the file stays mapped read-only (7 MB, shared between processes); what the functions
//           return points into it.
// Errors:   NOTFOUND / INVALID from create with one line in `why`; every offset and code of the file
//           is checked there, so that lookups cannot fail.
// Source:   made by tools/convert/zh_tables.py from jieba, pypinyin, misaki and OpenCC data.
#ifndef PRL_TTS_ZH_G2P_TABLE_H
#define PRL_TTS_ZH_G2P_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_ZH_WHY_SIZE = 256,
    PRL_ZH_TONES = 5,
    PRL_ZH_WORD_MAX = 32,    // units of the longest word that a table may hold
    PRL_ZH_NO_CODE = 0xFFFF, // no reading
    PRL_ZH_KOKORO_MAX = 7,   // token ids of a reading
};

// States of the HMM for unknown words: begin, middle, end of a word, or a word of its own.
enum { PRL_ZH_B, PRL_ZH_M, PRL_ZH_E, PRL_ZH_S, PRL_ZH_STATES };

struct prl_zh_table;

enum prl_err prl_zh_table_create(struct prl_zh_table **out, const char *path, char *why,
                                 size_t why_size) PRL_MUST_USE;
void prl_zh_table_destroy(struct prl_zh_table **table);

// Default reading of a character; PRL_ZH_NO_CODE when it is none of ours. *simplified (may be NULL)
// is its simplified form, or itself.
uint16_t prl_zh_table_char(const struct prl_zh_table *table, uint32_t character,
                           uint32_t *simplified);

// Walks over the words unit by unit: set to zero by begin, then step for each unit.
struct prl_zh_walk {
    uint32_t low; // words [low, high) start with the units taken so far
    uint32_t high;
    uint32_t depth;
};
void prl_zh_table_begin(const struct prl_zh_table *table, struct prl_zh_walk *walk);
// False when no word goes on with `unit`.
bool prl_zh_table_step(const struct prl_zh_table *table, struct prl_zh_walk *walk, uint16_t unit);
// Frequency of the word that ends here, 0 when segmentation knows none.
uint32_t prl_zh_table_freq(const struct prl_zh_table *table, const struct prl_zh_walk *walk);
// Readings of the phrase that ends here (walk->depth codes); NULL when there is none.
const uint16_t *prl_zh_table_phrase(const struct prl_zh_table *table,
                                    const struct prl_zh_walk *walk);
// log of the sum of all frequencies.
double prl_zh_table_log_total(const struct prl_zh_table *table);

// Code of a syllable and tone 1..5 ("zhuang", 4); PRL_ZH_NO_CODE when there is no such syllable.
uint16_t prl_zh_table_code(const struct prl_zh_table *table, const char *syllable, int tone);
// "zhuang"; at most 7 letters.
const char *prl_zh_table_syllable(const struct prl_zh_table *table, uint16_t code);
// Kokoro token ids of a reading; returns how many, at most PRL_ZH_KOKORO_MAX.
size_t prl_zh_table_kokoro(const struct prl_zh_table *table, uint16_t code, const uint8_t **ids);
// Baker symbols of a reading.
void prl_zh_table_baker(const struct prl_zh_table *table, uint16_t code, uint8_t *initial,
                        uint8_t *final);

// Log probabilities. `emit` gives those of a unit in the four states, or NULL for an unknown one.
const float *prl_zh_table_emit(const struct prl_zh_table *table, uint16_t unit);
// start[4], then transition[from][to].
const float *prl_zh_table_hmm(const struct prl_zh_table *table);

static inline int prl_zh_tone(uint16_t code)
{
    return code % PRL_ZH_TONES + 1;
}
static inline uint16_t prl_zh_with_tone(uint16_t code, int tone)
{
    return (uint16_t)(code - code % PRL_ZH_TONES + tone - 1);
}

#endif

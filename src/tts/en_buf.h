// en_buf.h -- a short string of fixed size for words and phonemes, and stress marks in it.
//
// Units:    bytes of UTF-8, always zero-terminated.
// Threads:  any; no state of its own.
// Memory:   none besides the struct, which lives on the stack.
// Bounds:   what does not fit is left out at a whole character. A token has at most 64 characters
//           and the longest reading of one has 16 bytes, so that only garbage gets there.
// Source:   stress rules of misaki 0.9.4 (Apache-2.0).
#ifndef PRL_TTS_EN_BUF_H
#define PRL_TTS_EN_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_EN_BUF_MAX = 1280 };

struct prl_en_buf {
    size_t len;
    char text[PRL_EN_BUF_MAX];
};

void prl_en_buf_clear(struct prl_en_buf *buf);
void prl_en_buf_add(struct prl_en_buf *buf, const char *data, size_t len);
void prl_en_buf_adds(struct prl_en_buf *buf, const char *text);
void prl_en_buf_addc(struct prl_en_buf *buf, uint32_t code_point);
void prl_en_buf_set(struct prl_en_buf *buf, const char *data, size_t len);
bool prl_en_buf_equals(const struct prl_en_buf *buf, const char *text);
// Does the UTF-8 string `part` occur in it?
bool prl_en_buf_has(const struct prl_en_buf *buf, const char *part);
// Last character, and the one before; 0 where there is none.
uint32_t prl_en_buf_last(const struct prl_en_buf *buf, uint32_t *before);
// Cuts the last character off.
void prl_en_buf_pop(struct prl_en_buf *buf);
// Replaces every `from` by `to` ("" deletes).
void prl_en_buf_replace(struct prl_en_buf *buf, const char *from, const char *to);

// Twice the stress that a word is given; NONE leaves it as it is.
enum prl_en_stress {
    PRL_EN_STRESS_NONE = 100,
    PRL_EN_STRESS_BARE = -4,    // no marks at all
    PRL_EN_STRESS_WEAK = -2,    // primary becomes secondary
    PRL_EN_STRESS_WEAKER = -1,  // the same if there is a primary one
    PRL_EN_STRESS_LETTERS = 0,  // the same, or a secondary one if there is none
    PRL_EN_STRESS_CAPITAL = 1,  // a secondary one if there is none
    PRL_EN_STRESS_CAPITALS = 4, // a primary one
};
void prl_en_stress(struct prl_en_buf *phonemes, int stress);
// How heavy a piece of a compound is: vowels and consonants count 1, diphthongs 2.
int prl_en_stress_weight(const struct prl_en_buf *phonemes);

#endif

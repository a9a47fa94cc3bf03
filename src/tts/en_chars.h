// en_chars.h -- classes of characters for English text, and case, independent of the locale.
//
// Letters are those of Latin, Greek, Cyrillic, Armenian and Georgian: what the network for unknown
// words can read. Case is known for ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic.
// Threads:  any; no state.
#ifndef PRL_TTS_EN_CHARS_H
#define PRL_TTS_EN_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool prl_en_is_letter(uint32_t c);
bool prl_en_is_digit(uint32_t c); // 0-9
// Of a-z ß-ö ø-ÿ and A-Z À-Ö Ø-Þ, as the tokenizer's rules mean it.
bool prl_en_is_low(uint32_t c);
bool prl_en_is_up(uint32_t c);
bool prl_en_is_space(uint32_t c);
uint32_t prl_en_lower(uint32_t c);
uint32_t prl_en_upper(uint32_t c);
// ' ‘ ’
bool prl_en_is_apostrophe(uint32_t c);

// Vowels and consonants of the phoneme alphabet.
bool prl_en_is_vowel(uint32_t c);
bool prl_en_is_consonant(uint32_t c);
// Vowels after which American English flaps a t ("writing").
bool prl_en_is_flapping(uint32_t c);
// Is `c` one of the characters of the UTF-8 string `set`?
bool prl_en_in(uint32_t c, const char *set);

#endif

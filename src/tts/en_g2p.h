// en_g2p.h -- English words to phonemes: tokens, tags, lexicon, stress, unknown words.
//
// Rule for rule the reading that hibari and Kokoro were trained on: tokenize, tag each token with
// its part of speech, look it up (gold, then silver lexicon; -s, -ed, -ing; letters of acronyms;
// digits), let a small network read what no table has, resolve the stress of compounds.
// Units:    UTF-8 bytes.
// Threads:  one owner; no state between calls.
// Memory:   the tables are mapped read-only (4 MB); `out` points into the object and is valid until
//           the next call.
// Errors:   NOTFOUND / INVALID / ENGINE from create, with one line in `why`; LIMIT for more than
//           PRL_EN_G2P_TEXT_MAX bytes; NOMEM. Any bytes are legal input.
// Source:   hibari-tts 0.2.1 and misaki 0.9.4 (both Apache-2.0), reimplemented; parity is tested.
#ifndef PRL_TTS_EN_G2P_H
#define PRL_TTS_EN_G2P_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/marks.h"
#include "tts/text.h"

enum { PRL_EN_G2P_TEXT_MAX = 65536, PRL_EN_G2P_WHY_SIZE = 256 };

struct prl_ort;
struct prl_en_g2p;

struct prl_en_g2p_conf {
    const char *tables;  // file made by tools/convert/en_tables.py
    struct prl_ort *ort; // for unknown words; NULL: they are spelled
    const char *oov;     // oov.onnx; NULL: they are spelled
};

struct prl_en_phonemes {
    const char *text; // zero-terminated; words, spaces and punctuation of the phoneme alphabet
    size_t len;
    // [start, end) are bytes of `text`; sources are bytes of the input, or of the original clause
    // with _units.
    const struct prl_tts_word *words;
    size_t word_count;
    uint32_t unknown; // input characters that have no sound and are no punctuation
};

enum prl_err prl_en_g2p_create(struct prl_en_g2p **out, const struct prl_en_g2p_conf *conf,
                               char *why, size_t why_size) PRL_MUST_USE;
void prl_en_g2p_destroy(struct prl_en_g2p **g2p);

// Reads plain text: words and punctuation, digits as the lexicon rules say.
enum prl_err prl_en_g2p_read(struct prl_en_g2p *g2p, const char *text, size_t len,
                             struct prl_en_phonemes *out) PRL_MUST_USE;
// Reads `unit_count` units of a spoken form (all English or pauses) as one sentence. Letters are
// said by name. Sources of the words are the units'.
enum prl_err prl_en_g2p_units(struct prl_en_g2p *g2p, const struct prl_text_out *text,
                              size_t unit_start, size_t unit_count,
                              struct prl_en_phonemes *out) PRL_MUST_USE;

#endif

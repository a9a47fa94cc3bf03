// zh_g2p.h -- Chinese text to syllables: words, readings by context, tones as they are spoken.
//
// Units:    UTF-8 bytes of the input.
// Threads:  one owner; no state between calls.
// Memory:   the table is mapped (7 MB, shared); 1 MB of work space, made in create; `out` points into
//           it and is valid until the next call.
// Errors:   NOTFOUND / INVALID from create with one line in `why`; LIMIT for more than
//           PRL_ZH_G2P_TEXT_MAX bytes; NOMEM. Any bytes are legal input.
// Source:   segmentation as jieba, readings as pypinyin (MIT both), reimplemented; the plain form is
//           compared with misaki 0.9.4, which Kokoro v1.0 was trained with, in the tests.
#ifndef PRL_TTS_ZH_G2P_H
#define PRL_TTS_ZH_G2P_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/zh_g2p_table.h"

enum { PRL_ZH_G2P_TEXT_MAX = 16384 };

// What to apply; 0 gives the plain dictionary readings.
enum {
    PRL_ZH_READINGS = 1,   // readings by neighbour, neutral tones, erhua
    PRL_ZH_YI_BU = 2,      // tones of 一 and 不
    PRL_ZH_THIRD_TONE = 4, // third tone before third tone
    PRL_ZH_SPOKEN = 7,
};

enum prl_zh_kind {
    PRL_ZH_SYLLABLE, // one ideograph or digit: `code`
    PRL_ZH_PAUSE,    // one mark: `mark` is one of , . ? ! ; :
    PRL_ZH_LATIN,    // a run of Latin letters, to be read by somebody else
};

struct prl_zh_unit {
    uint32_t start; // bytes of the text, [start, end)
    uint32_t end;
    uint16_t code;
    uint8_t kind; // enum prl_zh_kind
    char mark;
    bool word_start; // first syllable of a word
    bool erhua;      // a 儿 that colours the syllable before it
};

struct prl_zh_out {
    const struct prl_zh_unit *units;
    size_t count;
    uint32_t unknown; // characters without a sound that are neither blanks nor punctuation
};

struct prl_zh_g2p;

enum prl_err prl_zh_g2p_create(struct prl_zh_g2p **out, const char *table_path, char *why,
                               size_t why_size) PRL_MUST_USE;
void prl_zh_g2p_destroy(struct prl_zh_g2p **g2p);

enum prl_err prl_zh_g2p_run(struct prl_zh_g2p *g2p, const char *text, size_t len, unsigned rules,
                            struct prl_zh_out *out) PRL_MUST_USE;

// For what turns codes into the symbols of a model. Lives as long as `g2p`.
const struct prl_zh_table *prl_zh_g2p_table(const struct prl_zh_g2p *g2p);

#endif

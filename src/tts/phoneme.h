// phoneme.h -- the phoneme alphabet that hibari and Kokoro share.
//
// Threads:  any; a const table.
// Source:   vocabulary of Kokoro-82M v1.0 (vocab.json of hibari-tts 0.2.1: the same 114 symbols).
#ifndef PRL_TTS_PHONEME_H
#define PRL_TTS_PHONEME_H

#include <stddef.h>
#include <stdint.h>

// Ids up to PRL_PHONEME_SIGNS are punctuation and the space.
enum { PRL_PHONEME_PAD = 0, PRL_PHONEME_SIGNS = 16, PRL_PHONEME_MAX = 177 };

// The model's id of a phoneme character, 1..PRL_PHONEME_MAX; -1 when the models do not know it.
int prl_phoneme_id(uint32_t code_point);

// Ids of a UTF-8 phoneme string, without padding; unknown characters are left out and counted in
// *unknown (may be NULL). Writes at most `max`; returns how many ids there are.
size_t prl_phoneme_ids(const char *phonemes, size_t len, int64_t *ids, size_t max,
                       uint32_t *unknown);

#endif

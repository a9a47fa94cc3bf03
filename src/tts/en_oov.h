// en_oov.h -- the network that reads words which no lexicon has.
//
// Threads:  one owner.
// Memory:   the model's; a read allocates its tensors and frees them.
// Errors:   ENGINE, NOTFOUND from create with one line in `why`; a read that fails gives nothing.
// Source:   oov.onnx of hibari-tts 0.2.1: one call a word, output collapsed as in CTC.
#ifndef PRL_TTS_EN_OOV_H
#define PRL_TTS_EN_OOV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tts/en_buf.h"
#include "tts/table.h"

struct prl_ort;
struct prl_en_oov;

// `table` is borrowed until destroy; it holds the network's two alphabets.
enum prl_err prl_en_oov_create(struct prl_en_oov **out, struct prl_ort *ort, const char *model,
                               const struct prl_table *table, char *why,
                               size_t why_size) PRL_MUST_USE;
void prl_en_oov_destroy(struct prl_en_oov **oov);

// Reads a word of letters and apostrophes; longer ones than the network takes in several pieces.
// False when none of its letters is in the network's alphabet, or when it failed.
bool prl_en_oov_read(struct prl_en_oov *oov, const char *word, size_t len, struct prl_en_buf *out);

#endif

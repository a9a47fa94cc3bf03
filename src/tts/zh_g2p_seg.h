// zh_g2p_seg.h -- cuts a run of ideographs into words: most probable path, HMM for unknown words.
//
// Units:    UTF-16 units, one an ideograph (those beyond the BMP are given as 0, a word of its own).
// Threads:  one owner.
// Memory:   one block for the longest run, made in create; run allocates nothing.
// Errors:   NOMEM; a run over the maximum is a mistake of the caller (PRL_CHECK).
// Source:   the algorithm of jieba 0.42.1 (cut with HMM), reimplemented; parity is tested.
#ifndef PRL_TTS_ZH_G2P_SEG_H
#define PRL_TTS_ZH_G2P_SEG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/zh_g2p_table.h"

struct prl_zh_seg;

// `table` is borrowed.
enum prl_err prl_zh_seg_create(struct prl_zh_seg **out, const struct prl_zh_table *table,
                               size_t units_max) PRL_MUST_USE;
void prl_zh_seg_destroy(struct prl_zh_seg **seg);

// Writes the length of each word, in order, to `lengths` (room for `count`); returns how many.
size_t prl_zh_seg_run(struct prl_zh_seg *seg, const uint16_t *units, size_t count,
                      uint16_t *lengths);

#endif

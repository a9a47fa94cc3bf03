// zh_g2p_rules.h -- what a reading table cannot know: readings by neighbour, neutral tones, sandhi.
//
// Works in place on one run of ideographs (between two pauses) that is already cut into words.
// Units:    UTF-16 units and reading codes of zh_g2p_table.h, one an ideograph.
// Threads:  any; no state.
// Errors:   none.
// Source:   the usual rules of Standard Chinese (Duanmu 2007, ch. 11; Lin 2007, ch. 8-9).
#ifndef PRL_TTS_ZH_G2P_RULES_H
#define PRL_TTS_ZH_G2P_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tts/zh_g2p_table.h"

struct prl_zh_run {
    const struct prl_zh_table *table;
    const uint16_t *chars;
    uint16_t *codes;         // changed; PRL_ZH_NO_CODE where there is no reading
    bool *erhua;             // set for a 儿 that belongs to the syllable before it
    const uint16_t *lengths; // of the words
    size_t count;            // characters
    size_t word_count;
};

// 得 地 长 只 为 … by their neighbours, neutral second syllables, erhua.
void prl_zh_rules_readings(const struct prl_zh_run *run);
// 一 and 不 as they are spoken before the syllable that follows.
void prl_zh_rules_yi_bu(const struct prl_zh_run *run);
// Third tones before third tones, within words and between short neighbours.
void prl_zh_rules_third_tone(const struct prl_zh_run *run);

#endif

// fuzz_en_g2p.c -- any bytes as English text: no crash, valid phonemes, words in order.
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "tts/en_g2p.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t size_max = 2000;
    struct prl_en_g2p *g2p = NULL;
    struct prl_en_phonemes out;
    char why[PRL_EN_G2P_WHY_SIZE];
    const struct prl_en_g2p_conf conf = {.tables = "tests/data/en_small.tables"};
    if (size > size_max || prl_en_g2p_create(&g2p, &conf, why, sizeof(why)))
        return 0;
    if (prl_en_g2p_read(g2p, (const char *)data, size, &out) == PRL_OK) {
        uint32_t at = 0;
        if (!prl_utf8_valid(out.text, out.len))
            abort();
        for (size_t i = 0; i < out.word_count; i++) {
            const struct prl_en_word *word = &out.words[i];
            if (word->phoneme_start < at || word->phoneme_end < word->phoneme_start ||
                word->phoneme_end > out.len || word->source_end > size)
                abort();
            at = word->phoneme_end;
        }
    }
    prl_en_g2p_destroy(&g2p);
    return 0;
}

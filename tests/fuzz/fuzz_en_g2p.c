// fuzz_en_g2p.c -- any bytes as English text: no crash, valid phonemes, words in order.
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "tts/en_g2p.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void out_check(const struct prl_en_phonemes *out, size_t size)
{
    uint32_t at = 0;
    if (!prl_utf8_valid(out->text, out->len))
        abort();
    for (size_t i = 0; i < out->word_count; i++) {
        const struct prl_tts_word *word = &out->words[i];
        if (word->start < at || word->end < word->start || word->end > out->len ||
            word->source_end > size)
            abort();
        at = word->end;
    }
}

// The same bytes as a spoken form: each run without spaces is a unit, of a kind by its length.
static void units_read(struct prl_en_g2p *g2p, const char *data, size_t size)
{
    enum { UNITS = 200 };
    struct prl_text_unit units[UNITS];
    struct prl_en_phonemes out;
    size_t count = 0;
    for (uint32_t at = 0; at < size && count < UNITS;) {
        uint32_t start = at;
        while (at < size && data[at] != ' ')
            at++;
        uint8_t kind = at - start == 1 ? PRL_TEXT_LETTER : PRL_TEXT_WORD;
        if (at - start == 3)
            kind = PRL_TEXT_PAUSE;
        if (at > start)
            units[count++] =
                (struct prl_text_unit){start, at - start, start, at, PRL_TEXT_EN, kind};
        at += at < size ? 1 : 0;
    }
    const struct prl_text_out text = {
        .text = data, .text_len = size, .units = units, .unit_count = count};
    if (prl_en_g2p_units(g2p, &text, 0, count, &out) == PRL_OK)
        out_check(&out, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t size_max = 2000;
    struct prl_en_g2p *g2p = NULL;
    struct prl_en_phonemes out;
    char why[PRL_EN_G2P_WHY_SIZE];
    const struct prl_en_g2p_conf conf = {.tables = "tests/data/en_small.tables"};
    if (size > size_max || prl_en_g2p_create(&g2p, &conf, why, sizeof(why)))
        return 0;
    if (prl_en_g2p_read(g2p, (const char *)data, size, &out) == PRL_OK)
        out_check(&out, size);
    units_read(g2p, (const char *)data, size);
    prl_en_g2p_destroy(&g2p);
    return 0;
}

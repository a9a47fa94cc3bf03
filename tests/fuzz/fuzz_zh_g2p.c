// fuzz_zh_g2p.c -- the Chinese front end against text from anywhere. The first byte chooses rules.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "tts/zh_g2p.h"

#define TABLE "tests/data/zh_tables_small.bin"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[PRL_ZH_WHY_SIZE];
    struct prl_zh_g2p *g2p;
    if (size == 0 || prl_zh_g2p_create(&g2p, TABLE, why, sizeof(why)))
        return 0;
    struct prl_zh_out out;
    if (prl_zh_g2p_run(g2p, (const char *)data + 1, size - 1, data[0] & 7, &out) == PRL_OK) {
        uint32_t end = 0;
        for (size_t i = 0; i < out.count; i++) {
            const struct prl_zh_unit *unit = &out.units[i];
            PRL_CHECK(unit->start >= end && unit->end > unit->start && unit->end <= size - 1);
            PRL_CHECK(unit->kind != PRL_ZH_SYLLABLE || unit->code != PRL_ZH_NO_CODE);
            end = unit->end;
        }
    }
    prl_zh_g2p_destroy(&g2p);
    return 0;
}

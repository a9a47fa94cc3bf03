// fuzz_text_norm.c -- text for speech on any bytes: no crash, and the promises of text.h hold.
// The first byte chooses language and how the clause is split over two calls.
//
// Lines covered by the corpus, >= 70 % of each src/tts/text*.c (one command, in four lines):
//   make MODE=cov build/cov/tests/unit-run; export LLVM_PROFILE_FILE=build/cov/%p.raw;
//   build/cov/tests/unit-run -f fuzz/text_norm;
//   llvm-profdata-14 merge -o build/cov/p build/cov/*.raw;
//   llvm-cov-14 report build/cov/tests/unit-run -instr-profile build/cov/p src/tts/text*.c
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "tts/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_units(const struct prl_text_out *out, size_t clause_len)
{
    size_t at = 0;
    PRL_CHECK(prl_utf8_valid(out->text, out->text_len));
    for (size_t k = 0; k < out->unit_count; k++) {
        const struct prl_text_unit *unit = &out->units[k];
        PRL_CHECK(unit->text_start >= at && unit->text_start <= at + 1 && unit->text_len > 0);
        PRL_CHECK(unit->source_start < unit->source_end && unit->source_end <= clause_len);
        PRL_CHECK(k == 0 || unit->source_start >= unit[-1].source_start);
        at = unit->text_start + unit->text_len;
        for (size_t i = 0; i < unit->text_len; i++) {
            uint8_t c = (uint8_t)out->text[unit->text_start + i];
            PRL_CHECK(c >= 0x80 || (c | 32) - 'a' + 0U < 26 || strchr("',.?!;:", c));
        }
    }
    PRL_CHECK(at == out->text_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct prl_text *text = NULL;
    struct prl_text_state state = {0};
    enum prl_text_lang lang = data[0] & 1 ? PRL_TEXT_ZH : PRL_TEXT_EN;
    const char *clause = (const char *)data + 1;
    size_t len = size - 1 < PRL_TEXT_CLAUSE_MAX ? size - 1 : PRL_TEXT_CLAUSE_MAX;
    size_t first = data[0] & 2 ? len / 2 : len;
    if (prl_text_create(&text, PRL_TEXT_CLAUSE_MAX) != PRL_OK)
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t n = part == 0 ? first : len - first;
        struct prl_text_out out;
        PRL_CHECK(prl_text_speakable(text, &state, lang, clause + (part ? first : 0), n, &out) ==
                  PRL_OK);
        check_units(&out, n);
    }
    prl_text_destroy(&text);
    return 0;
}

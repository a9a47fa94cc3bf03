// fuzz_text_cut.c -- the clause cutter on any text in any pieces: the clauses laid end to end are the
// text, none is over its size, and the cuts are those of the text given at once.
// The first two bytes choose the sizes, the pieces follow from them.
//
// Lines covered by the corpus, >= 70 % of src/tts/cut.c (one command, in four lines):
//   make MODE=cov build/cov/tests/unit-run; export LLVM_PROFILE_FILE=build/cov/%p.raw;
//   build/cov/tests/unit-run -f fuzz/text_cut;
//   llvm-profdata-14 merge -o build/cov/p build/cov/*.raw;
//   llvm-cov-14 report build/cov/tests/unit-run -instr-profile build/cov/p src/tts/cut.c
#include <string.h>

#include "base/check.h"
#include "tts/cut.h"

enum { TEXT_MAX = 8192, CLAUSES_MAX = TEXT_MAX };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Ends of the clauses; returns how many there are.
static size_t cut_text(const struct prl_cut_conf *conf, const char *text, size_t len, size_t piece,
                       uint16_t ends[CLAUSES_MAX])
{
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    size_t count = 0;
    size_t at = 0;
    size_t total = 0;
    if (prl_cut_create(&cut, conf) != PRL_OK)
        return 0;
    while (at < len || count == 0) {
        size_t n = piece < len - at ? piece : len - at;
        PRL_CHECK(prl_cut_push(cut, text + at, n) == PRL_OK);
        at += n;
        if (at == len)
            prl_cut_finish(cut);
        while (prl_cut_next(cut, &clause) == PRL_OK) {
            PRL_CHECK(clause.len > 0 && clause.len <= conf->clause_max && clause.start == total);
            PRL_CHECK(memcmp(clause.text, text + total, clause.len) == 0);
            total += clause.len;
            ends[count++] = (uint16_t)total;
        }
        if (at == len)
            break;
    }
    PRL_CHECK(total == len);
    prl_cut_destroy(&cut);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint16_t ends[2][CLAUSES_MAX];
    if (size < 2)
        return 0;
    struct prl_cut_conf conf = {.clause_max = 64 + data[0] * 4, .pending_max = 2 * TEXT_MAX};
    const char *text = (const char *)data + 2;
    size_t len = size - 2 < TEXT_MAX ? size - 2 : TEXT_MAX;
    size_t whole = cut_text(&conf, text, len, TEXT_MAX, ends[0]);
    size_t parts = cut_text(&conf, text, len, 1 + data[1] % 16, ends[1]);
    PRL_CHECK(whole == parts);
    PRL_CHECK(memcmp(ends[0], ends[1], whole * sizeof(ends[0][0])) == 0);
    return 0;
}

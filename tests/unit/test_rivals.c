// test_rivals.c -- signs of listening that a recogniser weighs its words against.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "stt/rivals.h"
#include "stt/tokens.h"
#include "tests/unit.h"

enum { START = 1, END = 2, LETTERS = 128 };

// Memory that fails is seen in the file at its end.
static void add(struct prl_str *file, const char *bytes, size_t len, size_t *count)
{
    char coded[16] = "";
    prl_base64_encode(coded, bytes, len);
    enum prl_err err = prl_str_addf(file, "%s %zu\n", coded, (*count)++);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
}

// A vocabulary of letters, without one of them, and of all pairs. NULL: no memory.
static struct prl_tokens *letters(char without)
{
    static const char USED[] = " ,.-?abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct prl_str file;
    prl_str_init(&file, 65536);
    size_t count = 0;
    for (int c = 0; c < LETTERS; c++) {
        char byte = (char)c;
        add(&file, &byte, c > END && byte != without, &count);
    }
    for (size_t i = 0; USED[i]; i++)
        for (size_t k = 0; USED[k]; k++)
            add(&file, (char[]){USED[i], USED[k]}, USED[i] != without && USED[k] != without ? 2 : 0,
                &count);
    struct prl_tokens *tokens = NULL;
    enum prl_err err = file.err;
    if (!err)
        err = prl_tokens_parse(&tokens, "letters", prl_str_text(&file), file.len, NULL, 0);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_str_free(&file);
    return tokens;
}

PRL_TEST(rivals_need_a_vocabulary_that_spells_them)
{
    struct prl_rivals *rivals;
    struct prl_tokens *tokens = letters('k');
    REQUIRE(tokens != NULL);
    EXPECT_INT(prl_rivals_create(&rivals, tokens, START, END), PRL_ERR_INVALID);
    EXPECT(rivals == NULL);
    prl_tokens_destroy(&tokens);
}

PRL_TEST(rivals_are_those_that_begin_likeliest)
{
    struct prl_tokens *tokens = letters('~');
    REQUIRE(tokens != NULL);
    struct prl_rivals *rivals;
    REQUIRE(prl_rivals_create(&rivals, tokens, START, END) == PRL_OK);
    size_t vocabulary = prl_tokens_count(tokens);
    float *first = prl_mem_array(vocabulary, sizeof(*first));
    REQUIRE(first != NULL);
    int64_t wow[4], cool[4];
    REQUIRE(prl_tokens_spell(tokens, " Wow.", wow, 4) == 3); // "ow" "W." or the like
    REQUIRE(prl_tokens_spell(tokens, " Cool.", cool, 4) == 3);
    first[cool[0]] = 3.0F;
    first[wow[0]] = 2.0F;
    struct prl_rivals_picked picked;
    prl_rivals_pick(rivals, first, vocabulary, &picked);
    EXPECT(picked.columns >= 4 && picked.columns < PRL_RIVALS_TOKENS);
    for (size_t k = 0; k < PRL_RIVALS_ROWS; k++) {
        EXPECT_INT(picked.ids[k * picked.columns], START);
        EXPECT_INT(picked.next[k * picked.columns + picked.lengths[k] - 1], END);
        for (size_t i = 1; i < picked.lengths[k]; i++)
            EXPECT_INT(picked.ids[k * picked.columns + i], picked.next[k * picked.columns + i - 1]);
    }
    EXPECT_INT(picked.next[0], cool[0]);
    EXPECT_INT(picked.next[picked.columns], wow[0]);

    // All tokens alike: each costs the logarithm of their number. Then one row's own are sure.
    size_t all = PRL_RIVALS_ROWS * picked.columns * vocabulary;
    float *logits = prl_mem_array(all, sizeof(*logits));
    REQUIRE(logits != NULL);
    size_t least = picked.lengths[0];
    for (size_t k = 1; k < PRL_RIVALS_ROWS; k++)
        least = picked.lengths[k] < least ? picked.lengths[k] : least;
    float wanted = -(float)least * logf((float)vocabulary);
    EXPECT(fabsf(prl_rivals_best(&picked, logits, vocabulary) - wanted) < 0.01F);
    for (size_t i = 0; i < picked.lengths[1]; i++) {
        size_t at = picked.columns + i;
        logits[at * vocabulary + (size_t)picked.next[at]] = 40.0F;
    }
    EXPECT(fabsf(prl_rivals_best(&picked, logits, vocabulary)) < 0.01F);
    prl_mem_free(logits);
    prl_mem_free(first);
    prl_rivals_destroy(&rivals);
    prl_tokens_destroy(&tokens);
}

PRL_TEST_OOM(rivals_create)
{
    struct prl_tokens *tokens = letters('k');
    if (!tokens)
        return;
    struct prl_rivals *rivals;
    enum prl_err err = prl_rivals_create(&rivals, tokens, START, END);
    EXPECT(err == PRL_ERR_INVALID || err == PRL_ERR_NOMEM);
    EXPECT(rivals == NULL);
    prl_tokens_destroy(&tokens);
}

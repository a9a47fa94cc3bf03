// test_tokens.c -- token files of foreign origin.
#include <stdio.h>
#include <string.h>

#include "stt/tokens.h"
#include "tests/unit.h"

static struct prl_tokens *parse(const char *text, enum prl_err *err)
{
    struct prl_tokens *tokens;
    char why[128] = "";
    *err = prl_tokens_parse(&tokens, "t.txt", text, strlen(text), why, sizeof(why));
    EXPECT((*err == PRL_OK) == (tokens != NULL));
    EXPECT(*err != PRL_ERR_INVALID || strncmp(why, "t.txt: ", 7) == 0);
    return tokens;
}

PRL_TEST(tokens_are_bytes_with_spaces)
{
    enum prl_err err; // <s>, "▁hi", byte 0xE4, "", "<<ST_1>>"
    struct prl_tokens *tokens =
        parse("PHM+\t0\n4paBaGk=\t1\r\n5A==\t2\n\t3\nPDxTVF8xPj4=\t4", &err);
    REQUIRE(tokens != NULL);
    EXPECT_INT(prl_tokens_count(tokens), 5);
    size_t len = 9;
    EXPECT(prl_tokens_text(tokens, 0, &len) != NULL);
    EXPECT_INT(len, 0);
    const char *text = prl_tokens_text(tokens, 1, &len);
    EXPECT(len == 3 && memcmp(text, " hi", 3) == 0);
    text = prl_tokens_text(tokens, 2, &len);
    EXPECT(len == 1 && (unsigned char)text[0] == 0xE4);
    int64_t silent[] = {3, 4, 5, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof(silent) / sizeof(*silent); i++) {
        (void)prl_tokens_text(tokens, silent[i], &len);
        EXPECT_INT(len, 0);
    }
    prl_tokens_destroy(&tokens);
    prl_tokens_destroy(&tokens);
}

PRL_TEST(tokens_broken_files_are_refused)
{
    static const char *const BAD[] = {
        "",      "\n",           "PHM+ 1\n", "PHM+ 0\nPHM+ 2\n",           "PHM+ x\n", "PHM+\n",
        "*** 0", "PHM+ 0 extra", "P 0\n",    "PHM+ 99999999999999999999\n"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        enum prl_err err;
        struct prl_tokens *tokens = parse(BAD[i], &err);
        EXPECT_INT(err, PRL_ERR_INVALID);
        prl_tokens_destroy(&tokens);
    }
    char line[2000]; // a piece longer than any
    memset(line, 'A', sizeof(line));
    (void)snprintf(line + sizeof(line) - 8, 8, " 0\n");
    enum prl_err err;
    struct prl_tokens *tokens = parse(line, &err);
    EXPECT_INT(err, PRL_ERR_INVALID);
    prl_tokens_destroy(&tokens);
}

PRL_TEST(tokens_spell_a_text)
{
    // 0 to 2 are the bytes a, b and blank; then " ", "a", "b", "ab", " a", "aba".
    enum prl_err err;
    struct prl_tokens *tokens =
        parse("YQ== 0\nYg== 1\nIA== 2\n4paB 3\nYQ== 4\nYg== 5\nYWI= 6\n4paBYQ== 7\nYWJh 8\n", &err);
    REQUIRE(tokens != NULL);
    static const struct {
        const char *text;
        size_t count;
        int64_t ids[4];
    } CASES[] = {
        {" ab", 2, {3, 6}}, // "ab" comes before " a"
        {" a", 1, {7}},
        {"aba", 1, {8}}, // "ab" and then "aba"
        {" abab", 3, {3, 6, 6}},
        {" bab", 3, {3, 5, 6}},
        {" abc", 0, {0}},  // no c
        {" bbbb", 0, {0}}, // five tokens
        {"", 0, {0}},
        {" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, {0}},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        int64_t ids[4] = {0};
        EXPECT_INT(prl_tokens_spell(tokens, CASES[i].text, ids, 4), CASES[i].count);
        for (size_t k = 0; k < CASES[i].count; k++)
            EXPECT_INT(ids[k], CASES[i].ids[k]);
    }
    prl_tokens_destroy(&tokens);
}

PRL_TEST(tokens_missing_file)
{
    struct prl_tokens *tokens;
    char why[64] = "";
    EXPECT_INT(prl_tokens_create(&tokens, "/nowhere/tokens.txt", why, sizeof(why)),
               PRL_ERR_NOTFOUND);
    EXPECT_TEXT(why, "cannot read /nowhere/tokens.txt");
    EXPECT(tokens == NULL);
}

PRL_TEST_OOM(tokens_file)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/tokens.txt", prl_test_dir());
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL);
    (void)fputs("PHM+ 0\n4paBaGk= 1\n", file);
    (void)fclose(file);
    struct prl_tokens *tokens;
    enum prl_err err = prl_tokens_create(&tokens, path, NULL, 0);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    EXPECT((err == PRL_OK) == (tokens != NULL));
    prl_tokens_destroy(&tokens);
}

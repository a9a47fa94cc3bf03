// test_upstream_align.c -- words and sound that come apart.
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "upstream/align.h"

#define MS INT64_C(24) // samples

static void add(struct prl_align *align, const char *text, int64_t start)
{
    EXPECT_OK(prl_align_text(align, text, strlen(text), start));
}

PRL_TEST(align_gives_words_as_their_sound_comes)
{
    struct prl_align *align;
    struct prl_llm_word word;
    REQUIRE(prl_align_create(&align) == PRL_OK);
    add(align, "One two", -1);
    EXPECT(!prl_align_next(align, &word)); // no sound yet
    prl_align_sound(align, 1000 * MS);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.byte_start, 0);
    EXPECT_INT(word.byte_end, 3);
    EXPECT(word.sample_start == 0 && word.sample_end > 0 && word.sample_end <= 1000 * MS);
    EXPECT(!prl_align_next(align, &word)); // "two" may go on
    add(align, ". Three", -1);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.byte_end, 8);
    // What is left of the text has what is left of the sound.
    prl_align_end(align);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.byte_end, 14);
    EXPECT_INT(word.sample_end, 1000 * MS);
    EXPECT(!prl_align_next(align, &word));
    prl_align_destroy(&align);
}

PRL_TEST(align_believes_known_starts)
{
    struct prl_align *align;
    struct prl_llm_word word;
    REQUIRE(prl_align_create(&align) == PRL_OK);
    add(align, "aa bb ", 0);
    add(align, "cc ", 500 * MS);
    prl_align_sound(align, 400 * MS);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.sample_end, 250 * MS);
    EXPECT(!prl_align_next(align, &word)); // it sounds until 500
    prl_align_sound(align, 200 * MS);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.sample_end, 500 * MS);
    prl_align_end(align);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.sample_start, 500 * MS);
    EXPECT_INT(word.sample_end, 600 * MS);
    prl_align_destroy(&align);
}

PRL_TEST(align_counts_ideographs_as_words)
{
    struct prl_align *align;
    struct prl_llm_word word;
    REQUIRE(prl_align_create(&align) == PRL_OK);
    add(align, "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82", -1); // 你好。
    prl_align_sound(align, 700);
    prl_align_end(align);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.byte_end, 3);
    EXPECT_INT(word.sample_end, 300);
    REQUIRE(prl_align_next(align, &word));
    EXPECT_INT(word.byte_end, 9); // with its full stop
    EXPECT_INT(word.sample_end, 700);
    prl_align_destroy(&align);
}

// Whatever comes, words and their places never go back nor beyond the sound.
PRL_TEST(align_survives_anything)
{
    static const char *const pieces[] = {"a",        " ",  "word ",        "\xE4\xBD\xA0",
                                         "\xFF\xFE", "x.", "\xE3\x80\x82", ""};
    struct prl_align *align;
    REQUIRE(prl_align_create(&align) == PRL_OK);
    for (int round = 0; round < 50; round++) {
        size_t bytes = 0;
        struct prl_llm_word last = {0};
        prl_align_reset(align);
        for (int i = 0; i < 400; i++) {
            uint32_t r = prl_test_random();
            const char *piece = pieces[r % 8];
            add(align, piece, r & 256 ? (int64_t)(prl_test_random() % 2000000) : -1);
            bytes += strlen(piece);
            if (r & 512)
                prl_align_sound(align, prl_test_random() % 5000);
            if (i == 399)
                prl_align_end(align);
            struct prl_llm_word word;
            while (prl_align_next(align, &word)) {
                EXPECT(word.sample_start >= last.sample_end &&
                       word.sample_end >= word.sample_start);
                EXPECT(word.sample_end <= prl_align_samples(align));
                EXPECT(word.byte_start >= last.byte_end && word.byte_end <= bytes);
                last = word;
            }
        }
    }
    prl_align_destroy(&align);
}

PRL_TEST(align_has_a_most_of_words)
{
    struct prl_align *align;
    struct prl_llm_word word;
    REQUIRE(prl_align_create(&align) == PRL_OK);
    for (int i = 0; i < PRL_ALIGN_WORDS_MAX + 10; i++)
        add(align, "a ", -1);
    prl_align_sound(align, 100000);
    prl_align_end(align);
    int count = 0;
    while (prl_align_next(align, &word))
        count++;
    EXPECT_INT(count, PRL_ALIGN_WORDS_MAX);
    EXPECT_INT(word.byte_end, 2 * (PRL_ALIGN_WORDS_MAX + 10) - 1);
    EXPECT_INT(word.sample_end, 100000);
    prl_align_destroy(&align);
}

PRL_TEST_OOM(align_text)
{
    struct prl_align *align;
    if (prl_align_create(&align) != PRL_OK)
        return;
    for (int i = 0; i < 200; i++)
        if (prl_align_text(align, "a ", 2, -1) != PRL_OK)
            break;
    prl_align_destroy(&align);
}

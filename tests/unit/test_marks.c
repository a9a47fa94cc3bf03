// test_marks.c -- when a word is told, and where it is said to sound.
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tts/marks.h"

enum { PER_UNIT = 100 };

// A script in which each unit takes 100 samples; parts are known only while they are made.
struct voice {
    uint32_t from, to;
    bool asked_outside;
};

static uint32_t sample_of(const void *ctx, uint32_t at)
{
    struct voice *voice = *(struct voice *const *)ctx;
    voice->asked_outside = voice->asked_outside || at < voice->from || at > voice->to;
    return at * PER_UNIT;
}

static const struct prl_tts_word words[] = {
    {0, 2, 0, 3}, {2, 7, 4, 9}, {7, 7, 9, 9}, {8, 10, 10, 12}};

PRL_TEST(marks_tell_a_word_when_its_end_is_made)
{
    struct voice voice = {0, 5, false};
    struct voice *at_voice = &voice;
    struct prl_marks marks = {0};
    struct prl_marks_made made = {.words = words,
                                  .word_count = 4,
                                  .end = 5,
                                  .sample = 199,
                                  .sample_of = sample_of,
                                  .voice = &at_voice};
    REQUIRE(prl_marks_begin(&marks, 4) == PRL_OK);
    EXPECT_INT(prl_marks_collect(&marks, &made), 0);
    made.sample = 200;
    REQUIRE(prl_marks_collect(&marks, &made) == 1);
    EXPECT_INT(marks.list[0].sample_start, 0);
    EXPECT_INT(marks.list[0].sample_end, 200);
    EXPECT_INT(marks.list[0].source_end, 3);
    made.sample = 500;
    made.done = true;
    EXPECT_INT(prl_marks_collect(&marks, &made), 0); // the second word ends in the next part
    voice = (struct voice){5, 10, false};
    made.end = 10;
    made.sample = 700;
    made.done = false;
    REQUIRE(prl_marks_collect(&marks, &made) == 2); // with the empty word behind it
    EXPECT_INT(marks.list[0].sample_start, 200);    // where it began in the part before
    EXPECT_INT(marks.list[0].sample_end, 700);
    EXPECT_INT(marks.list[1].sample_start, 700);
    EXPECT_INT(marks.list[1].sample_end, 700);
    // The part ends a little earlier than the durations say: the word ends with the sound.
    made.sample = 950;
    EXPECT_INT(prl_marks_collect(&marks, &made), 0);
    made.done = true;
    REQUIRE(prl_marks_collect(&marks, &made) == 1);
    EXPECT_INT(marks.list[0].sample_start, 800);
    EXPECT_INT(marks.list[0].sample_end, 950);
    EXPECT_INT(prl_marks_collect(&marks, &made), 0);
    EXPECT(!voice.asked_outside);
    prl_marks_free(&marks);
}

PRL_TEST(marks_choose_the_words_of_a_part)
{
    struct prl_marks marks = {0};
    REQUIRE(prl_marks_begin(&marks, 4) == PRL_OK);
    struct prl_tts_request request = {.source_from = 0};
    EXPECT_INT(prl_marks_choose(&marks, words, 4, &request), 4);
    EXPECT_INT(marks.word, 0);
    request.source_to = 9;
    EXPECT_INT(prl_marks_choose(&marks, words, 4, &request), 2);
    request.source_from = 3; // in the space before a word
    request.source_to = 12;
    EXPECT_INT(prl_marks_choose(&marks, words, 4, &request), 4);
    EXPECT_INT(marks.word, 1);
    request.source_from = 30;
    EXPECT_INT(prl_marks_choose(&marks, words, 4, &request), 4);
    EXPECT_INT(marks.word, 4);
    prl_marks_free(&marks);
}

PRL_TEST_OOM(marks_begin_again)
{
    struct prl_marks marks = {0};
    enum prl_err err = prl_marks_begin(&marks, 2);
    if (!err)
        err = prl_marks_begin(&marks, 1);
    if (!err)
        err = prl_marks_begin(&marks, 1000);
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && marks.capacity <= 2));
    EXPECT_INT(marks.word, 0);
    prl_marks_free(&marks);
}

// test_speech.c -- the queue of made sound and its words.
#include "base/mem.h"
#include "session/speech.h"
#include "tests/unit.h"

static const int16_t sound[1000] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

PRL_TEST(speech_gives_sound_and_words_in_step)
{
    struct prl_speech *speech;
    REQUIRE(prl_speech_create(&speech) == PRL_OK);
    EXPECT_OK(prl_speech_put(speech, sound, 100));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){10, 60, 0, 5}));
    EXPECT_OK(prl_speech_put(speech, sound, 100));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){60, 190, 6, 11}));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){200, 200, 12, 12}));
    EXPECT_INT(prl_speech_made(speech), 200);
    struct prl_speech_mark mark;
    EXPECT(!prl_speech_next_mark(speech, &mark));
    int16_t out[1000];
    EXPECT_INT(prl_speech_take(speech, out, 50), 50);
    EXPECT_INT(out[9], 10);
    EXPECT(prl_speech_next_mark(speech, &mark));
    EXPECT_INT(mark.byte_end, 5);
    EXPECT(!prl_speech_next_mark(speech, &mark));
    EXPECT_INT(prl_speech_take(speech, out, 1000), 150);
    EXPECT_INT(out[50], 1);
    EXPECT(prl_speech_next_mark(speech, &mark));
    EXPECT_INT(mark.byte_end, 11);
    EXPECT(prl_speech_next_mark(speech, &mark));
    EXPECT_INT(mark.byte_end, 12);
    EXPECT(!prl_speech_next_mark(speech, &mark));
    EXPECT_INT(prl_speech_take(speech, out, 1000), 0);
    prl_speech_destroy(&speech);
}

PRL_TEST(speech_never_turns_the_text_back)
{
    struct prl_speech *speech;
    REQUIRE(prl_speech_create(&speech) == PRL_OK);
    EXPECT_OK(prl_speech_put(speech, sound, 100));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){50, 60, 5, 9}));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){40, 30, 3, 4}));
    int16_t out[100];
    EXPECT_INT(prl_speech_take(speech, out, 100), 100);
    struct prl_speech_mark mark;
    EXPECT(prl_speech_next_mark(speech, &mark));
    EXPECT(prl_speech_next_mark(speech, &mark));
    EXPECT_INT(mark.sample_start, 50);
    EXPECT_INT(mark.sample_end, 50);
    EXPECT_INT(mark.byte_end, 9);
    prl_speech_destroy(&speech);
}

PRL_TEST(speech_ends_where_it_is_told)
{
    struct prl_speech *speech;
    REQUIRE(prl_speech_create(&speech) == PRL_OK);
    int16_t out[400];
    for (int i = 0; i < 4; i++)
        EXPECT_OK(prl_speech_put(speech, sound, 100));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){0, 100, 0, 5}));
    EXPECT_OK(prl_speech_mark(speech, &(struct prl_speech_mark){100, 300, 6, 12}));
    EXPECT_INT(prl_speech_take(speech, out, 150), 150);
    prl_speech_end_at(speech, 250);
    EXPECT_OK(prl_speech_put(speech, sound, 100));
    EXPECT_INT(prl_speech_made(speech), 250);
    EXPECT_INT(prl_speech_take(speech, out, 400), 100);
    struct prl_speech_mark mark;
    EXPECT(prl_speech_next_mark(speech, &mark));
    EXPECT(!prl_speech_next_mark(speech, &mark));
    prl_speech_reset(speech);
    EXPECT_INT(prl_speech_made(speech), 0);
    EXPECT_OK(prl_speech_put(speech, sound, 7));
    prl_speech_end_at(speech, 0);
    EXPECT_INT(prl_speech_take(speech, out, 400), 0);
    prl_speech_destroy(&speech);
}

PRL_TEST_OOM(speech_fills)
{
    struct prl_speech *speech = NULL;
    enum prl_err err = prl_speech_create(&speech);
    for (uint32_t i = 0; i < 200 && !err; i++) {
        err = prl_speech_put(speech, sound, 10);
        if (!err)
            err = prl_speech_mark(speech, &(struct prl_speech_mark){i, i, i, i});
    }
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_speech_destroy(&speech);
}

// test_kokoro.c -- the row of ids that Kokoro gets, where it is cut, and a backend without a model.
// What the model makes of it is tested with the real one (tests/e2e).
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tts/backend.h"
#include "tts/kokoro_script.h"

#define TABLE "tests/data/zh_tables_small.bin"

struct fixture {
    struct prl_zh_g2p *zh;
    struct prl_text *text;
    struct prl_text_out out;
    struct prl_kokoro_script script;
};

static enum prl_err open_fixture(struct fixture *fix)
{
    char why[PRL_ZH_WHY_SIZE];
    *fix = (struct fixture){0};
    enum prl_err err = prl_zh_g2p_create(&fix->zh, TABLE, why, sizeof(why));
    return err ? err : prl_text_create(&fix->text, PRL_TEXT_CLAUSE_MAX);
}

static void close_fixture(struct fixture *fix)
{
    prl_kokoro_script_free(&fix->script);
    prl_text_destroy(&fix->text);
    prl_zh_g2p_destroy(&fix->zh);
}

static enum prl_err build(struct fixture *fix, const char *clause)
{
    enum prl_err err =
        prl_text_speakable(fix->text, NULL, PRL_TEXT_ZH, clause, strlen(clause), &fix->out);
    return err ? err
               : prl_kokoro_script_build(&fix->script, fix->zh, NULL, &fix->out, 0,
                                         fix->out.segment_count);
}

// 你好，很高兴见到你。 as misaki 0.9.4 and the model's vocabulary have it, but for the
// second tone of 你, which people say: ni↗xau↓, xə↓n kau→ɕi↘ŋ …
PRL_TEST(kokoro_script_is_what_the_model_was_trained_on)
{
    static const uint8_t expected[] = {56,  51, 172, 66, 43,  63,  169, 3,   16,  66,  83, 169, 56,
                                       16,  53, 43,  63, 171, 77,  51,  173, 112, 16,  21, 52,  86,
                                       173, 56, 62,  43, 63,  173, 16,  56,  51,  169, 4};
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    EXPECT_OK(build(&fix, "你好，很高兴见到你。"));
    EXPECT_INT(fix.script.id_count, sizeof(expected));
    EXPECT(memcmp(fix.script.ids, expected, sizeof(expected)) == 0);
    EXPECT_INT(fix.script.unknown, 0);
    REQUIRE(fix.script.word_count == 8);
    EXPECT_INT(fix.script.words[1].start, 3);
    EXPECT_INT(fix.script.words[1].end, 7);
    EXPECT_INT(fix.script.words[2].source_start, 9); // behind the comma
    EXPECT_INT(fix.script.words[2].source_end, 12);
    close_fixture(&fix);
}

PRL_TEST(kokoro_script_marks_a_number_once)
{
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    EXPECT_OK(build(&fix, "一共15人"));
    REQUIRE(fix.script.word_count == 4);
    EXPECT_INT(fix.script.words[2].source_end - fix.script.words[2].source_start, 2);
    close_fixture(&fix);
}

PRL_TEST(kokoro_script_counts_what_it_cannot_say)
{
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    EXPECT_OK(build(&fix, "你好 friend"));
    EXPECT(fix.script.unknown > 0); // no English front end in this test
    EXPECT_OK(build(&fix, "。！？，"));
    EXPECT_INT(fix.script.id_count, 0);
    EXPECT_OK(build(&fix, ""));
    EXPECT_INT(fix.script.id_count, 0);
    close_fixture(&fix);
}

PRL_TEST(kokoro_pieces_end_at_pauses_and_cover_everything)
{
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    EXPECT_OK(build(&fix, "对不起，我没听清楚，请再说一遍，这个问题比较复杂，让我慢慢解释给你听，"
                          "我想预订一张去上海的火车票，明天上午九点，我在地铁站门口等你。"));
    size_t at = 0;
    size_t pieces = 0;
    while (at < fix.script.id_count) {
        size_t end = prl_kokoro_script_piece(&fix.script, at, at > 0);
        REQUIRE(end > at && end <= fix.script.id_count);
        EXPECT(end - at <= 150);
        EXPECT(end == fix.script.id_count || fix.script.ids[end - 2] == 3); // a comma
        if (at == 0)
            EXPECT(end < 70); // heard early
        at = end;
        pieces++;
    }
    EXPECT(pieces >= 3);
    close_fixture(&fix);
}

PRL_TEST(kokoro_pieces_of_endless_speech_are_bounded)
{
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    char clause[3001];
    for (size_t i = 0; i < 1000; i++)
        memcpy(clause + i * 3, "我", 4);
    EXPECT_OK(build(&fix, clause));
    size_t at = 0;
    while (at < fix.script.id_count) {
        size_t end = prl_kokoro_script_piece(&fix.script, at, at > 0);
        REQUIRE(end > at && end - at <= 150);
        at = end;
    }
    EXPECT_INT(at, fix.script.id_count);
    close_fixture(&fix);
}

PRL_TEST_OOM(kokoro_script)
{
    struct fixture fix;
    enum prl_err err = open_fixture(&fix);
    if (!err)
        err = build(&fix, "你好，很高兴见到你。");
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    close_fixture(&fix);
}

PRL_TEST(kokoro_says_what_is_missing)
{
    char why[PRL_TTS_WHY_SIZE] = "";
    struct prl_tts_paths paths = {0};
    struct prl_tts_backend_conf conf = {.paths = &paths};
    void *ctx = &conf;
    EXPECT_INT(prl_tts_kokoro.open(&ctx, &conf, why, sizeof(why)), PRL_ERR_NOTFOUND);
    EXPECT(ctx == NULL && strstr(why, "kokoro"));
    prl_tts_kokoro.close(&ctx);
    EXPECT_INT(prl_tts_kokoro.voice_count, 36);
    size_t chinese = 0;
    for (size_t i = 0; i < prl_tts_kokoro.voice_count; i++)
        chinese += (prl_tts_kokoro.voices[i].languages & PRL_TTS_LANG_ZH) != 0;
    EXPECT_INT(chinese, 8);
}

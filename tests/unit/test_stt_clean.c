// test_stt_clean.c -- texts of recognisers made fit for a conversation.
#include <string.h>

#include "base/mem.h"
#include "stt/clean.h"
#include "tests/unit.h"

static void expect_clean(const char *raw, const char *wanted)
{
    struct prl_str out;
    prl_str_init(&out, 4096);
    EXPECT_OK(prl_clean_text(raw, strlen(raw), &out));
    EXPECT_TEXT(prl_str_text(&out), wanted);
    prl_str_free(&out);
}

PRL_TEST(clean_text_of_models)
{
    expect_clean(" Hello,  world. ", "Hello, world.");
    expect_clean("<|zh|><|NEUTRAL|>你好", "你好");
    expect_clean("<<ST_12>>hi", "hi");
    expect_clean(" [Music]", "");
    expect_clean(" (coughing) (coughing)", "");
    expect_clean("（笑声）好的【音乐】", "好的");
    expect_clean("♪♪", "");
    expect_clean("(轻轻轻轻轻轻", "");
    expect_clean("...", "");
    expect_clean("。！？", "");
    expect_clean("*sighs* fine", "fine");
    expect_clean("a \t\n b", "a b");
    expect_clean("5 * 3", "5 * 3");
    expect_clean("", "");
    expect_clean("if a < b and b > c", "if a < b and b > c");
    expect_clean("\x01 ok \x7f", "ok");
    expect_clean("(this bracket is far too long to be a remark about some sound, so it is text)",
                 "(this bracket is far too long to be a remark about some sound, so it is text)");
}

PRL_TEST(clean_text_is_always_utf8)
{
    expect_clean("a\xff\xfe z", "a z");
    expect_clean("\xe4\xbd\xa0\xe5\xa5", "\xe4\xbd\xa0"); // a letter cut in half
    char raw[64];
    for (int i = 0; i < 3000; i++) {
        size_t len = prl_test_random() % sizeof(raw);
        for (size_t j = 0; j < len; j++)
            raw[j] = (char)prl_test_random();
        struct prl_str out;
        prl_str_init(&out, 4096);
        EXPECT_OK(prl_clean_text(raw, len, &out));
        EXPECT(prl_utf8_valid(prl_str_text(&out), out.len));
        EXPECT(prl_clean_loop(prl_str_text(&out), out.len) <= out.len);
        (void)prl_clean_is_repetitive(prl_str_text(&out), out.len);
        prl_str_free(&out);
    }
}

static size_t loop_of(const char *text)
{
    return prl_clean_loop(text, strlen(text));
}

PRL_TEST(clean_loops_are_found)
{
    const char *text =
        "Every purchase is a vote. Every purchase is a vote. every purchase is a vote.";
    EXPECT_INT(loop_of(text), strlen("Every purchase is a vote. "));
    text = "好的 你好世界 你好世界 你好世界 你好世界 你好世界 你好世界";
    EXPECT_INT(loop_of(text), strlen("好的 你好世界 "));
    text = "谢谢谢谢谢谢谢谢谢谢谢谢";
    EXPECT(loop_of(text) < strlen(text));
}

PRL_TEST(clean_what_people_repeat_is_no_loop)
{
    static const char *const FINE[] = {
        "no no no no no",
        "哈哈哈哈哈哈",
        "very, very good",
        "ask what you can do, ask what you can",
        "It was not so much the loss of the cotton itself but the fantasy, the hopes, the dreams",
        "row row row your boat",
        "",
        "a",
        "1 2 3 4 5 6 7 8 9 10"};
    for (size_t i = 0; i < sizeof(FINE) / sizeof(*FINE); i++) {
        EXPECT_INT(loop_of(FINE[i]), strlen(FINE[i]));
        EXPECT(!prl_clean_is_repetitive(FINE[i], strlen(FINE[i])));
    }
}

PRL_TEST(clean_repetition_that_varies)
{
    const char *text =
        "to come for workshop day, one of the workshops. I'm trying to come for workshop "
        "day, one of the workshops, I'm trying to come for workshop day, one of the "
        "workshop day, one of the workshop day, I'm trying to come for workshop day";
    EXPECT(prl_clean_is_repetitive(text, strlen(text)));
    text = "今天天气很好我们去公园玩吧今天天气很好我们去公园玩吧今天天气很好我们去公园";
    EXPECT(prl_clean_is_repetitive(text, strlen(text)));
}

PRL_TEST(clean_ghosts)
{
    EXPECT(prl_clean_is_ghost("Thank you.", true));
    EXPECT(!prl_clean_is_ghost("Thank you.", false));
    EXPECT(prl_clean_is_ghost(" Thanks for watching! ", false));
    EXPECT(prl_clean_is_ghost("謝謝觀看", true));
    EXPECT(!prl_clean_is_ghost("Thank you for the book.", true));
    EXPECT(!prl_clean_is_ghost("", true));
    EXPECT(!prl_clean_is_ghost("谢谢", true));
}

PRL_TEST(clean_join_knows_scripts)
{
    struct prl_str text;
    prl_str_init(&text, 256);
    EXPECT_OK(prl_clean_join(&text, "one"));
    EXPECT_OK(prl_clean_join(&text, ""));
    EXPECT_OK(prl_clean_join(&text, "two"));
    EXPECT_OK(prl_clean_join(&text, "三"));
    EXPECT_OK(prl_clean_join(&text, "四"));
    EXPECT_TEXT(prl_str_text(&text), "one two三四");
    prl_str_free(&text);
}

PRL_TEST(clean_stable_prefix)
{
    EXPECT_INT(prl_clean_stable("the cat", "the cat sat"), 3); // "cat" may still grow
    EXPECT_INT(prl_clean_stable("the cat sat", "the cat ran"), 7);
    EXPECT_INT(prl_clean_stable("", "the"), 0);
    EXPECT_INT(prl_clean_stable("你好世", "你好世界"), 6); // all but the last letter
    EXPECT_INT(prl_clean_stable("你好", "我好"), 0);
}

PRL_TEST_OOM(clean_text)
{
    struct prl_str out;
    prl_str_init(&out, 4096);
    const char *raw = "<|en|> hello [noise] there";
    enum prl_err err = prl_clean_text(raw, strlen(raw), &out);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    if (!err)
        err = prl_clean_join(&out, "more");
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    (void)prl_clean_is_ghost("Thank you.", true);
    prl_str_free(&out);
}

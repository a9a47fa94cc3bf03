// test_cut.c -- the clause cutter: where it cuts, that pieces do not matter, that nothing is lost.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tts/backend.h"
#include "tts/cut.h"

enum { OUT_MAX = 1 << 16, PENDING_MAX = 16384 };

// Cuts `text`, given in pieces of `piece` bytes (0: random ones), and joins the clauses with '|'.
static void cut_all(const struct prl_cut_conf *conf, const char *text, size_t len, size_t piece,
                    char *joined)
{
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    size_t n = 0;
    size_t at = 0;
    uint64_t total = 0;
    joined[0] = '\0';
    if (prl_cut_create(&cut, conf) != PRL_OK)
        return;
    bool done = false;
    while (!done) {
        size_t size = piece ? piece : 1 + prl_test_random() % 9;
        size = size < len - at ? size : len - at;
        EXPECT_OK(prl_cut_push(cut, text + at, size));
        at += size;
        done = at == len;
        if (done)
            prl_cut_finish(cut);
        while (prl_cut_next(cut, &clause) == PRL_OK) {
            EXPECT(clause.len > 0 && clause.start == total && clause.end == total + clause.len);
            EXPECT_INT(clause.first, total == 0);
            EXPECT(memcmp(clause.text, text + total, clause.len) == 0);
            total = clause.end;
            EXPECT_INT(clause.last, done && total == len);
            if (n + clause.len + 2 < OUT_MAX) {
                memcpy(joined + n, clause.text, clause.len);
                n += clause.len;
                joined[n++] = '|';
            }
        }
    }
    joined[n > 0 ? n - 1 : 0] = '\0';
    EXPECT_INT(total, len);
    prl_cut_destroy(&cut);
}

static const struct prl_cut_conf PLAIN = {.pending_max = PENDING_MAX};

static void expect_cuts(const char *wanted)
{
    static char text[OUT_MAX];
    static char joined[OUT_MAX];
    size_t n = 0;
    for (const char *c = wanted; *c; c++)
        if (*c != '|')
            text[n++] = *c;
    for (size_t piece = 0; piece < 8; piece++) {
        cut_all(&PLAIN, text, n, piece, joined);
        EXPECT_TEXT(joined, wanted);
    }
    cut_all(&PLAIN, text, n, n ? n : 1, joined);
    EXPECT_TEXT(joined, wanted);
}

PRL_TEST(cut_sends_the_first_clause_early)
{
    expect_cuts("Sure, I can help,| and then we go home.| It was nice to see you, really.");
    expect_cuts("The weather today is fine,| but tomorrow it will rain.| Take a coat.");
    expect_cuts("今天天气很好，|我们去公园吧。|明天会下雨，记得带伞。");
    expect_cuts("好的，没问题，|我来帮你。");
    expect_cuts("当然可以，|我来给你讲个故事。");
    expect_cuts("我用的是 iPhone，|买了三个。");
    // Without a comma at a gap after twelve words, or behind a particle.
    expect_cuts("This is one of those sentences that simply do not want| to end at all ever");
    expect_cuts("这是一个没有任何标点符号|而且非常非常非常非常长的句子它一直说下去");
}

// A word with the space before it, or an ideograph.
static size_t next_piece(const char *text, size_t left)
{
    size_t len = 1;
    while (len < left && text[len] != ' ' && (uint8_t)text[len] < 0xC0)
        len++;
    return len;
}

// The same with parts, given piece by piece or all at once; '|' also ends a part.
static void expect_parts(const char *wanted, bool at_once)
{
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    static char text[OUT_MAX], joined[OUT_MAX];
    size_t len = 0, n = 0, at = 0, begin = 0;
    for (const char *c = wanted; *c; c++)
        if (*c != '|')
            text[len++] = *c;
    REQUIRE(prl_cut_create(&cut, &PLAIN) == PRL_OK);
    prl_cut_parts(cut, PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH);
    while (at < len) {
        size_t piece = at_once ? len : next_piece(text + at, len - at);
        EXPECT_OK(prl_cut_push(cut, text + at, piece));
        at += piece;
        if (at == len)
            prl_cut_finish(cut);
        while (prl_cut_next(cut, &clause) == PRL_OK) {
            EXPECT_INT(clause.before, clause.start - begin);
            EXPECT(memcmp(clause.text - clause.before, text + begin, clause.before) == 0);
            EXPECT(memcmp(clause.text, text + clause.start, clause.len + clause.behind) == 0);
            EXPECT(clause.part ? clause.behind > 1 : clause.behind == 0);
            EXPECT_INT(clause.first, clause.start == 0);
            EXPECT_INT(clause.last, clause.end == len);
            begin = clause.part ? begin : clause.end;
            memcpy(joined + n, clause.text, clause.len);
            n += clause.len;
            joined[n++] = '|';
        }
    }
    joined[n > 0 ? n - 1 : 0] = '\0';
    EXPECT_TEXT(joined, wanted);
    prl_cut_destroy(&cut);
}

PRL_TEST(cut_gives_parts_of_the_first_clause)
{
    expect_parts("Yes, there are| workshops about Gemini.| They are good.", false);
    expect_parts("The weather in| Paris is generally| warm and sunny while the evenings|"
                 " are long and quiet and made for those who stay inside because they| like it.|"
                 " Yes they are.",
                 false);
    expect_parts("The weather in| Paris is generally| warm and sunny,| and the evenings are long.",
                 false);
    expect_parts("It is as big as| a house.", false); // three words are not enough sound
    expect_parts("Yes, there are workshops about Gemini.| They are good.", true);
    // What only the whole clause tells how to say.
    expect_parts("It costs about $5 for every one of you.", false);
    expect_parts("Use **bold words** for what matters here.", false);
    expect_parts("He was born in 1998 in| the north of Spain.", false); // not beside a number
}

PRL_TEST(cut_gives_parts_of_chinese)
{
    expect_parts("今天天|气很好，|我们去公园吧。", false); // two ideographs are known behind a part
    expect_parts("今天天气很好，|我们去公园吧。", true);
    expect_parts("人工智|能正在|改变我们的生|活方式和所有的工作方法和|很多其他的事情。|是的。",
                 false);
    expect_parts("你好！我|们走吧。", false);
    // With a number or another script only the whole clause tells how to say it.
    expect_parts("我用 Python 写了|一个很小的程序，运行得很快。", false);
    expect_parts("现在有25个人在这里等着|你们。", false);
    // Only where the voice can.
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    REQUIRE(prl_cut_create(&cut, &PLAIN) == PRL_OK);
    prl_cut_parts(cut, PRL_TTS_LANG_EN);
    EXPECT_OK(prl_cut_push(cut, "今天天气很", 15));
    EXPECT_INT(prl_cut_next(cut, &clause), PRL_ERR_AGAIN);
    prl_cut_parts(cut, PRL_TTS_LANG_ZH);
    EXPECT_OK(prl_cut_next(cut, &clause));
    EXPECT_INT(clause.behind, 6);
    prl_cut_destroy(&cut);
}

PRL_TEST(cut_goes_on_at_sentence_ends)
{
    expect_cuts("Hello there!| How are you today?| I am fine, thank you very much, friend.");
    // The second clause ends at a comma after twelve words, the third only after twenty-four.
    expect_cuts(
        "Yes, that is right.| The second one runs on for a while before it comes to a comma,|"
        " and the third one runs on for a while before it comes to a comma, so be it.");
    expect_cuts("你好啊朋友！|你叫什么名字？|我叫小明。");
    expect_cuts("Two words.| 你好世界。| Then English again.");
}

PRL_TEST(cut_spares_numbers_and_abbreviations)
{
    expect_cuts("Pi is 3.14159 and e is 2.71828 or so.| Good to know.");
    expect_cuts("It costs $1,234.56 today.| That is a lot.");
    expect_cuts("Meet Dr. Smith at 14:30 please.| Thank you very much.");
    expect_cuts("Use fruit, e.g. apples or pears,| i.e. anything sweet.| Fine with me.");
    expect_cuts("The U.S. Army met J. R. Smith there.| No. 5 was late.");
    expect_cuts("I saw apples,| pears, etc.| They were very good.");
    expect_cuts("Apples, pears, etc. are good for you.| Eat them now.");
    expect_cuts("Visit https://example.com/a.b?c=d,e now.| It is fine.");
    expect_cuts("一共1，234个人，|真的很多。");
    expect_cuts("现在是14：30分左右，|我们走吧。");
    expect_cuts("It ends in 1998.| Then came the rest.");
    expect_cuts("Fish &amp; chips &amp; peas are good.| Yes they are.");
}

PRL_TEST(cut_spares_quotes_and_brackets)
{
    expect_cuts("He said \"Stop it. Now, please.\"| and she did so.| Good for her.");
    expect_cuts("她说：“我很好。你呢？”|他没有说话。");
    expect_cuts("This one (see page 3, or 4. or 5) is fine,| but not that.");
    expect_cuts("Call `a.b, c. d` right now please,| or wait.");
    expect_cuts("**All of this is bold.**| The rest is plain.");
    expect_cuts("Wait a moment...| I think so — really.");
}

PRL_TEST(cut_keeps_markdown_whole)
{
    expect_cuts(
        "Here is the code:|\n```c\nint a = 1. + 2.;\n\nreturn a;\n```\n|That is all of it.");
    expect_cuts("```\nx = 1\n```\n|Then this.");
    expect_cuts("Use ```this thing``` here.| It is short.");
    expect_cuts("# The title\n|1. Wash the rice.|\n2. Boil it well.|\n3. Eat it.");
    expect_cuts("- apples\n- pears\n|- plums and figs\n|- nuts");
}

// Random text out of hard parts: the cuts never depend on the pieces.
PRL_TEST(cut_does_not_depend_on_pieces)
{
    static const char *const PARTS[] = {
        "Dr",   ".",    " ",  "\n",           "```", "3",      "14",    ",",
        "word", "你好", "。", "，",           "\"",  "(",      ")",     "“",
        "”",    "e.g.", "`",  "http://a.b/c", "……",  "!",      "的",    " and ",
        "\xe4", "\xff", "*",  "U.S.",         ": ",  "“好。”", "~~~\n", "x y z "};
    static char text[4096];
    static char joined[2][OUT_MAX];
    const struct prl_cut_conf conf = {.clause_max = 64 + prl_test_random() % 200,
                                      .pending_max = PENDING_MAX};
    for (int round = 0; round < 200; round++) {
        size_t n = 0;
        while (n < 1500) {
            const char *part = PARTS[prl_test_random() % (sizeof(PARTS) / sizeof(PARTS[0]))];
            for (size_t k = 0; part[k]; k++)
                text[n++] = part[k];
        }
        cut_all(&conf, text, n, n, joined[0]);
        cut_all(&conf, text, n, 0, joined[1]);
        EXPECT_TEXT(joined[1], joined[0]);
        cut_all(&conf, text, n, 1, joined[1]);
        EXPECT_TEXT(joined[1], joined[0]);
    }
}

PRL_TEST(cut_bounds_a_megabyte_of_anything)
{
    enum { MEGABYTE = 1 << 20 };
    static char text[MEGABYTE];
    static char joined[OUT_MAX];
    static const char *const FILLS[] = {"a",        " ", "。", "(",  "`",  "```\n",  "\n",
                                        "\xf0\x9f", "“", "你", "1.", "\"", "- [ ](", "\xbf"};
    const struct prl_cut_conf conf = {.clause_max = 512};
    for (size_t k = 0; k < sizeof(FILLS) / sizeof(FILLS[0]); k++) {
        for (size_t at = 0; at < sizeof(text); at++)
            text[at] = FILLS[k][at % strlen(FILLS[k])];
        cut_all(&conf, text, sizeof(text), 700, joined);
    }
}

PRL_TEST(cut_refuses_what_does_not_fit_and_takes_nothing_of_it)
{
    static char text[2048];
    memset(text, 'a', sizeof(text));
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    REQUIRE(prl_cut_create(&cut, &(struct prl_cut_conf){.clause_max = 64, .pending_max = 128}) ==
            PRL_OK);
    EXPECT_INT(prl_cut_push(cut, text, 129), PRL_ERR_FULL);
    EXPECT_INT(prl_cut_next(cut, &clause), PRL_ERR_AGAIN);
    EXPECT_OK(prl_cut_push(cut, text, 128));
    EXPECT_INT(prl_cut_push(cut, text, 1), PRL_ERR_FULL);
    EXPECT_OK(prl_cut_next(cut, &clause));
    EXPECT_INT(clause.len, 64);
    EXPECT_OK(prl_cut_push(cut, text, 64));
    // A reset forgets it all; an empty answer has no clause.
    prl_cut_reset(cut);
    prl_cut_finish(cut);
    EXPECT_INT(prl_cut_next(cut, &clause), PRL_ERR_AGAIN);
    prl_cut_reset(cut);
    EXPECT_OK(prl_cut_push(cut, "Hi", 2));
    EXPECT_INT(prl_cut_next(cut, &clause), PRL_ERR_AGAIN);
    prl_cut_finish(cut);
    EXPECT_OK(prl_cut_next(cut, &clause));
    EXPECT(clause.first && clause.last && clause.start == 0 && clause.end == 2);
    prl_cut_destroy(&cut);
}

PRL_TEST_OOM(cut_whole_life)
{
    struct prl_cut *cut = NULL;
    struct prl_cut_clause clause;
    enum prl_err err = prl_cut_create(&cut, &(struct prl_cut_conf){0});
    EXPECT((err == PRL_OK) == (cut != NULL));
    if (!err) {
        EXPECT_OK(prl_cut_push(cut, "One two three, four.", 20));
        EXPECT_OK(prl_cut_next(cut, &clause));
    }
    prl_cut_destroy(&cut);
    prl_cut_destroy(&cut);
}

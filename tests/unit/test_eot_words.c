// test_eot_words.c -- what the words of a transcript say about the turn, in tables: words.c with its line.c,
// words_en.c and words_zh.c.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "eot/said.h"
#include "eot/words.h"
#include "tests/unit.h"

enum {
    OPEN = PRL_EOT_OPEN_ENDED,
    DONE = PRL_EOT_COMPLETE,
    BACK = PRL_EOT_BACKCHANNEL,
    ASKS = PRL_EOT_QUESTION
};

struct row {
    uint32_t flags;
    const char *text;
};

static void check_rows(const struct row *rows, size_t count, const char *language)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t flags = prl_eot_words(rows[i].text, strlen(rows[i].text), language);
        flags &= ~(uint32_t)(PRL_EOT_TAKES | PRL_EOT_HAN); // these have tables of their own
        if (flags != rows[i].flags)
            (void)fprintf(stderr, "\"%s\" (%s):\n", rows[i].text, language ? language : "-");
        EXPECT_INT(flags, rows[i].flags);
    }
}

#define CHECK(rows, language) check_rows(rows, sizeof(rows) / sizeof(*(rows)), language)

static const struct row ENGLISH[] = {
    // A hum, spelt out.
    {BACK, "M. H. M."},
    {BACK, "M. E. Chum"},
    {BACK, "A. T. M."},
    {BACK, "H. M. M."},
    {0, "B. B. C."},
    // What "mm hmm", "okay" and "uh huh" become in one voice or another.
    {BACK, "Amen."},
    {BACK, "O, o, k."},
    {BACK | ASKS, "Does her?"},
    {BACK, "Not high."},
    {BACK, "That's hot."},
    {0, "Of her house."},
    {0, "Not now."},
    {0, "Wait here."},
    {0, "Sure. Of her."},
    {BACK, "Mh"},
    {0, "Mary."},
    {0, "H."},
    // More must come.
    {OPEN, "I went to the store and"},
    {OPEN, "I went to the store and."},
    {OPEN, "I would like to order the"},
    {OPEN, "I can't come because"},
    {OPEN, "Well, um"},
    {OPEN, "So I was thinking, uh..."},
    {OPEN, "I want to fly to"},
    {OPEN, "We met at"},
    {OPEN, "My name is"},
    {OPEN, "The problem is"},
    {OPEN | ASKS, "Could you"},
    {OPEN | ASKS, "What about"},
    {OPEN | ASKS, "What is the"},
    {OPEN, "I think that"},
    {OPEN, "If it rains tomorrow, then I"},
    {OPEN, "I'd like a coffee, a sandwich,"},
    {OPEN, "I was going to say --"},
    {OPEN, "There are many reasons, for example"},
    {OPEN, "I need milk, eggs, and"},
    {OPEN, "Let me think"},
    {OPEN, "I have two questions"},
    {OPEN, "My phone number is five five five"},
    {OPEN, "Call me at 555 12"},
    {OPEN, "it is two oh two five five five one two"},
    {OPEN, "Yes, and"},
    {OPEN, "It is raining, so"},
    {OPEN, "Ah, it seems."},
    {OPEN, "It seems like there are so many great"},
    {OPEN, "I bought a new"},
    {OPEN, "I'm particularly interested in."},
    {OPEN, "If the reader will excuse me."},
    {OPEN | ASKS, "When I was in London"},
    {OPEN | ASKS, "How many conference tracks?"},
    {OPEN | ASKS, "What kind of animals"},
    {OPEN, "I'd like to know whether"},
    // Nothing need come.
    {DONE | BACK, "Yes."},
    {DONE, "No."},
    {DONE, "No, thanks."},
    {DONE, "Thank you"},
    {DONE, "Please turn on the light, thank you"},
    {DONE, "Turn off the radio, please."},
    {DONE, "Goodbye!"},
    {DONE, "I don't know."},
    {DONE, "Stop!"},
    {DONE | BACK, "okay"},
    {DONE | BACK, "Of course."},
    {DONE, "That's all."},
    // Left to the model.
    {0, "I went to the store"},
    {0, "My phone number is 555 123 4567"},
    {0, "call me at five five five one two three four"},
    {0, "I think so"},
    {0, "It depends on you and I"},
    {0, "Yes it is"},
    {0, "I know who you are"},
    {0, "Come in"},
    {0, "the meeting is at 3"},
    {0, "It costs 3.5 dollars"},
    {0, "We landed in 1984."},
    {0, "He is taller than she is"},
    {0, "or so it seems"},
    {0, "That is great"},
    {0, "If it rains, we stay at home"},
    {0, "If you like"},
    {ASKS, "If I pay now?"},
    {ASKS, "How many people live in Paris?"},
    {ASKS, "How many are there?"},
    {ASKS, "How many?"},
    {ASKS, "What time is it in Tokyo?"},
    {ASKS, "How many sessions are in?"},
    {ASKS, "Where are you from?"},
    {ASKS, "What is it for"},
    {ASKS, "Really want that?"},
    {ASKS, "how are you"},
    {0, "wait"},
    {0, "Wait a moment."},
    // Only signs of listening.
    {BACK, "Mhm."},
    {BACK, "Uh-huh"},
    {BACK, "Mm-hmm."},
    {BACK | DONE, "Yeah"},
    {BACK, "Yeah, yeah, yeah, yeah."},
    {BACK, "oh okay"},
    {BACK, "I see."},
    {BACK, "okay right sure"},
    {0, "okay right sure great"},
    {0, "yeah but no"},
    {0, "right now"},
    {0, "okay stop"},
    {0, "sure wait"},
};

PRL_TEST(eot_words_english)
{
    CHECK(ENGLISH, "en");
    CHECK(ENGLISH, "en-US");
    CHECK(ENGLISH, NULL);
    CHECK(ENGLISH, "auto");
}

static const struct row CHINESE[] = {
    // More must come.
    {OPEN, "我想去北京然后"},
    {OPEN, "我想去北京，然后。"},
    {OPEN, "因为"},
    {OPEN, "我今天没来是因为"},
    {OPEN, "我觉得可以但是"},
    {OPEN, "如果"},
    {OPEN, "就是"},
    {OPEN, "那个"},
    {OPEN, "我想问一下那个"},
    {OPEN, "我们公司的"},
    {OPEN, "我昨天看到一个红色的"},
    {OPEN, "我的名字是"},
    {OPEN, "他说，嗯"},
    {OPEN, "苹果和"},
    {OPEN, "我要苹果、香蕉、"},
    {OPEN, "我有两个问题"},
    {OPEN, "请问"},
    {OPEN | ASKS, "有没有"},
    {OPEN, "比如说"},
    {OPEN, "我的电话是一三八零零"},
    {OPEN, "我的手机号是138 0013"},
    {OPEN, "一三八零零一三八零"},
    {OPEN, "我想想"},
    {OPEN, "你说……"},
    {OPEN, "不过"},
    {OPEN, "我昨天在"},
    {OPEN, "他跑得"},
    {OPEN, "今天的天气非常"},
    {OPEN, "我想给"},
    {OPEN, "如果明天下雨"},
    {OPEN, "若要创建"},
    {OPEN, "我们每一个"},
    {OPEN, "帮我"},
    // Nothing need come.
    {DONE | ASKS, "你好吗"},
    {DONE | ASKS, "现在几点了"},
    {DONE | ASKS, "这个多少钱？"},
    {DONE | ASKS, "今天天气怎么样"},
    {DONE | ASKS, "我们明天去好不好"},
    {DONE | BACK, "好的"},
    {DONE | BACK, "对"},
    {DONE | BACK, "是的。"},
    {DONE, "不用了"},
    {DONE, "没有"},
    {DONE, "谢谢"},
    {DONE, "那就这样，谢谢你"},
    {DONE, "再见"},
    {DONE, "帮我打开空调吧"},
    {DONE, "停"},
    // Left to the model.
    {0, "我要那个"},
    {0, "我不在"},
    {0, "我记得"},
    {0, "先不给"},
    {0, "如果下雨就不去"},
    {0, "如果明天下雨，我们在家"},
    {0, "今天天气很好"},
    {0, "他是昨天来的"},
    {0, "我知道的"},
    {0, "我喜欢红色的"},
    {0, "我不是"},
    {0, "我的电话是13800138000"},
    {0, "号码是八六四二一三五七"},
    {0, "我有三十五"},
    {0, "等一下"},
    {0, "开放时间早上九点至下午五点"},
    {0, "广州市房地产中介协会分析"},
    {ASKS, "你要去什么地方"},
    {ASKS, "你是说真的？"},
    // Only signs of listening.
    {BACK | DONE, "嗯"},
    {BACK | DONE, "嗯嗯。"},
    {BACK, "嗯嗯嗯嗯"},
    {BACK, "哦，好的"},
    {BACK, "对对对"},
    {BACK, "哦"},
    {BACK, "嗯，是的，好"},
    {BACK, "原来如此"},
    {0, "好等等"},
    {0, "等等"},
    {0, "不是这个"},
    {0, "嗯不"},
    {0, "嗯好哦行"},
};

PRL_TEST(eot_words_chinese)
{
    CHECK(CHINESE, "zh");
    CHECK(CHINESE, "zh-CN");
    CHECK(CHINESE, NULL);
}

PRL_TEST(eot_words_mixed)
{
    static const struct row rows[] = {
        {OPEN, "我想用 Python 和"},
        {OPEN, "帮我 call 一下那个"},
        {OPEN, "我觉得 this is the"},
        {DONE | ASKS, "你喜欢 pizza 吗"},
        {BACK, "嗯 okay"},
        {DONE, "OK，谢谢"},
        {OPEN, "I want 北京烤鸭 and"},
        {0, "我在用 Linux"},
        {DONE, "帮我打开 wifi 吧"},
    };
    CHECK(rows, "zh");
    CHECK(rows, "auto");
    CHECK(rows, "en");
}

PRL_TEST(eot_words_other_languages)
{
    static const struct row rows[] = {
        {0, "je voudrais une table et"},
        {ASKS, "Wo ist der Bahnhof?"},
        {OPEN, "manzanas, peras,"},
        {OPEN, "Я думаю..."},
        {0, "no"},
        {0, "ok"},
        {0, "然后"},
    };
    CHECK(rows, "fr");
    CHECK(rows, "ja");
    // Kana tells Japanese, whatever the language was said to be.
    static const struct row japanese[] = {
        {0, "これは私の"}, {0, "そして然后"}, {ASKS, "元気ですか？"}};
    CHECK(japanese, NULL);
}

PRL_TEST(eot_words_that_take_the_floor)
{
    static const char *const takes[] = {
        "Stop.",  "no, wait",     "What?",    "How many?", "Hold on.", "the stop,", "Don't.",
        "停",     "等一下",       "别说了。", "听",        "不对",     "什么",      "你好",
        "我问你", "okay, but no", "部队",     "部隊。",    "布行",     "灯一下"};
    static const char *const others[] = {
        "Emmy.", "Nobody.", "Well,", "That's it.", "A stopper.", "Tour.", "Loafed", "笨",
        "彭延",  "嗯嗯",    "天",    "",           "Now.",       "mhm",   "部队的", "一对"};
    for (size_t i = 0; i < sizeof(takes) / sizeof(*takes); i++)
        EXPECT(prl_eot_words(takes[i], strlen(takes[i]), NULL) & PRL_EOT_TAKES);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        EXPECT(!(prl_eot_words(others[i], strlen(others[i]), NULL) & PRL_EOT_TAKES));
    EXPECT(!(prl_eot_words("停", 3, "ja") & PRL_EOT_TAKES)); // not a language that it knows
}

PRL_TEST(eot_words_are_chinese)
{
    static const char *const chinese[] = {"今天天气", "Hello. 我想用 Python 和", "嗯"};
    static const char *const others[] = {"Hello", "你好. Hello", "", "今日はいい天気", "5"};
    for (size_t i = 0; i < sizeof(chinese) / sizeof(*chinese); i++)
        EXPECT(prl_eot_words(chinese[i], strlen(chinese[i]), NULL) & PRL_EOT_HAN);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        EXPECT(!(prl_eot_words(others[i], strlen(others[i]), NULL) & PRL_EOT_HAN));
}

PRL_TEST(eot_words_hostile)
{
    static const struct row rows[] = {
        {0, ""},
        {0, "   \t "},
        {0, "。。。"},
        {0, "?"},
        {0, "..."},
        {0, "\xff\xfe\x80"},
        {0, "\xe4\xbd"},
        {OPEN, "and\xff"},
        {OPEN, "\xc3"
               "and"},
        {0, "\xed\xa0\x80\xf4\x90\x80\x80"},
        {0, "'"},
        {BACK | DONE, "ＯＫ！"},
        {0, "\x01\x02\x03 \x7f"},
    };
    CHECK(rows, NULL);
    EXPECT_INT(prl_eot_words("and\0the", 7, "en"), OPEN);
    EXPECT_INT(prl_eot_words("yes", 0, "en"), 0);
}

static void fill(char *text, size_t size, const char *piece)
{
    size_t n = strlen(piece);
    for (size_t i = 0; i < size; i++)
        text[i] = piece[i % n];
}

PRL_TEST(eot_words_huge)
{
    enum { SIZE = 1 << 20 };
    char *text = prl_mem_alloc(SIZE);
    REQUIRE(text);
    memset(text, 'a', SIZE);
    EXPECT_INT(prl_eot_words(text, SIZE, NULL), 0);
    fill(text, SIZE, "嗯\xef\xbc\x8c");
    // Nothing but 嗯, but who knows what stood at the beginning; a comma ends it.
    EXPECT_INT(prl_eot_words(text, SIZE, "zh") & (BACK | DONE), 0);
    fill(text, SIZE, "a.");
    (void)prl_eot_words(text, SIZE, "en");
    fill(text, SIZE, "7 ");
    (void)prl_eot_words(text, SIZE, "en");
    fill(text + SIZE - 4, 4, " and");
    EXPECT_INT(prl_eot_words(text, SIZE, "en"), OPEN);
    EXPECT(!prl_eot_echoes(text, SIZE, "one two three", 13));
    EXPECT(prl_eot_echoes("7 7 7 7", 7, text, SIZE));
    prl_mem_free(text);
}

PRL_TEST(eot_echoes)
{
    static const struct {
        bool echo;
        const char *text, *answer;
    } rows[] = {
        {true, "The weather in Paris", "Sure! The weather in Paris is sunny today."},
        {true, "weather in Paris is funny today", "Sure! The weather in Paris is sunny today."},
        {true, "is sunny", "Sure! The weather in Paris is sunny today."},
        {true, "今天天气很好", "你好，今天天气很好，适合出门。"},
        {true, "今天天汽很好适合", "你好，今天天气很好，适合出门。"},
        {true, "不过今天可能会下雨", "不过，今天可能会下雨。"},
        {false, "sunny", "It is sunny."},
        {false, "天气", "今天天气很好"},
        {false, "what about tomorrow", "Sure! The weather in Paris is sunny today."},
        {false, "stop please", "You should stop please and think."},
        {false, "wait a moment", "Please wait a moment."},
        {false, "不是这个", "不是这个意思。"},
        {false, "the weather in Paris is sunny today stop", "The weather in Paris is sunny today."},
        {false, "今天天气很好适合出门等", "你好，今天天气很好，适合出门。"},
        {false, "the weather in Paris but what about the trains",
         "The weather in Paris is sunny today."},
        {false, "", "The weather"},
        {false, "the weather", ""},
        {false, "\xff\xfe", "\xff\xfe"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bool echo = prl_eot_echoes(rows[i].text, strlen(rows[i].text), rows[i].answer,
                                   strlen(rows[i].answer));
        if (echo != rows[i].echo)
            (void)fprintf(stderr, "\"%s\" in \"%s\":\n", rows[i].text, rows[i].answer);
        EXPECT(echo == rows[i].echo);
    }
}

PRL_TEST(eot_said_tokens)
{
    static const struct {
        enum prl_said_kind kind;
        const char *text;
    } wanted[] = {
        {PRL_SAID_WORD, "don't"}, {PRL_SAID_COMMA, ""},     {PRL_SAID_WORD, "uh"},
        {PRL_SAID_WORD, "huh"},   {PRL_SAID_STOP, ""},      {PRL_SAID_HAN, "我"},
        {PRL_SAID_NUMBER, "3"},   {PRL_SAID_NUMBER, "5"},   {PRL_SAID_WORD, "é"},
        {PRL_SAID_ASK, ""},       {PRL_SAID_FOREIGN, "の"}, {PRL_SAID_DOTS, ""},
        {PRL_SAID_WORD, "ok"},    {PRL_SAID_DOTS, ""},      {PRL_SAID_DOTS, ""},
    };
    const char text[] = "Don’t, uh-huh. 我3.5é？の...ＯＫ… -- ";
    struct prl_said_token token;
    size_t at = 0, count = 0;
    while (count < sizeof(wanted) / sizeof(*wanted) &&
           prl_said_next(text, sizeof(text) - 1, &at, &token)) {
        EXPECT_INT(token.kind, wanted[count].kind);
        EXPECT_TEXT(token.text, wanted[count].text);
        count++;
    }
    EXPECT_INT(count, sizeof(wanted) / sizeof(*wanted));
    EXPECT(!prl_said_next(text, sizeof(text) - 1, &at, &token));
}

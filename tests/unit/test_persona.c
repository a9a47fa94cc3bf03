// test_persona.c -- llm/persona: the system text.
#include "llm/persona.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"

static char *text_of(const struct prl_llm_persona *persona)
{
    char *text;
    return prl_llm_persona_text(&text, persona) ? NULL : text;
}

PRL_TEST(persona_order_and_languages)
{
    struct prl_llm_persona persona = {.language = "en",
                                      .instructions = "You sell boats.",
                                      .locale = "Hamburg",
                                      .wall_us = INT64_C(1763823600000000)};
    char *en = text_of(&persona);
    REQUIRE(en != NULL);
    const char *own = strstr(en, "You sell boats.");
    const char *place = strstr(en, "The user is in Hamburg.");
    EXPECT(own && place && own < place && own > en);
    // Nothing of it depends on the time, so that it stays in the model's memory.
    persona.wall_us += INT64_C(3600000000);
    char *later = text_of(&persona);
    EXPECT_TEXT(later, en);
    prl_mem_free(later);
    prl_mem_free(en);
    persona.language = "zh-CN";
    char *zh = text_of(&persona);
    EXPECT(zh && strstr(zh, "语音助手") && strstr(zh, "用户所在地：Hamburg。") &&
           !strstr(zh, "现在是") && prl_utf8_valid(zh, strlen(zh)));
    prl_mem_free(zh);
    // A language whose questions we do not know is told once.
    persona.language = "fr";
    char *fr = text_of(&persona);
    EXPECT(fr && strstr(fr, "code fr") && strstr(fr, "It is now ") && strstr(fr, "2025-11-2"));
    prl_mem_free(fr);
    persona = (struct prl_llm_persona){.language = "fr"};
    fr = text_of(&persona);
    EXPECT(fr && !strstr(fr, "It is now"));
    prl_mem_free(fr);
}

PRL_TEST(persona_says_when_if_asked)
{
    static const char *const asking[] = {"What day is it?",
                                         "WHAT TIME is it now",
                                         "Tell me today's date, please.",
                                         "Is it Friday?",
                                         "How many days until Christmas?",
                                         "今天星期几？",
                                         "现在几点了",
                                         "今天是几号？",
                                         "今年是哪一年？",
                                         "請告訴我現在的時間"};
    static const char *const others[] = {"",
                                         "Hello!",
                                         "How are you today?",
                                         "I have an exam tomorrow.",
                                         "Good morning.",
                                         "It was a hard day.",
                                         "你好！",
                                         "今晚吃什么好呢？",
                                         "我明天有考试。",
                                         "早上好。"};
    char note[PRL_LLM_PERSONA_WHEN_SIZE];
    const int64_t now_us = INT64_C(1763823600000000);
    for (size_t i = 0; i < 10; i++) {
        size_t len = prl_llm_persona_when(asking[i], strlen(asking[i]), now_us, note);
        EXPECT(len == strlen(note) && strstr(note, "2025-11-2"));
        EXPECT(strstr(note, i < 5 ? "It is now S" : "，星期") && prl_utf8_valid(note, len));
        EXPECT_INT(prl_llm_persona_when(asking[i], strlen(asking[i]), 0, note), 0);
        EXPECT_INT(prl_llm_persona_when(others[i], strlen(others[i]), now_us, note), 0);
        EXPECT_TEXT(note, "");
    }
    EXPECT(prl_llm_persona_when("Quelle heure est-il ?", 21, now_us, note) > 0);
    EXPECT(strstr(note, "It is now S") != NULL);
    EXPECT(prl_llm_persona_when("今日は何曜日ですか", 27, now_us, note) > 0);
    EXPECT_INT(prl_llm_persona_when("Bonjour !", 9, now_us, note), 0);
    // Of a long text the end counts, whatever bytes are in it.
    static char text[5000];
    memset(text, '\xff', sizeof(text));
    memcpy(text + 100, "what time is it", 15);
    text[2000] = '\0';
    EXPECT_INT(prl_llm_persona_when(text, sizeof(text), now_us, note), 0);
    memcpy(text + sizeof(text) - 15, "what time is it", 15);
    EXPECT(prl_llm_persona_when(text, sizeof(text), now_us, note) > 0);
}

PRL_TEST(persona_bounds)
{
    static char huge[PRL_LLM_PERSONA_BYTES_MAX + 1];
    memset(huge, 'x', sizeof(huge) - 1);
    struct prl_llm_persona persona = {.instructions = huge};
    char *text;
    EXPECT_INT(prl_llm_persona_text(&text, &persona), PRL_ERR_LIMIT);
    EXPECT(text == NULL);
    EXPECT(strstr(prl_llm_persona_apology("zh"), "抱歉") != NULL);
    EXPECT(strstr(prl_llm_persona_apology(NULL), "Sorry") != NULL);
}

PRL_TEST_OOM(persona_memory)
{
    struct prl_llm_persona persona = {.language = "zh", .instructions = "a", .wall_us = 1};
    char *text = text_of(&persona);
    EXPECT(text != NULL || prl_test_oom());
    prl_mem_free(text);
}

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
    const char *date = strstr(en, "It is now ");
    EXPECT(own && date && own < date && own > en);
    EXPECT(date && strstr(date, "2025-11-2") && strstr(date, "The user is in Hamburg."));
    // The beginning does not depend on time or place, so that it stays in the model's memory.
    persona.wall_us += INT64_C(3600000000);
    char *later = text_of(&persona);
    EXPECT(later && strncmp(en, later, (size_t)(date - en)) == 0);
    prl_mem_free(later);
    prl_mem_free(en);
    persona.language = "zh-CN";
    char *zh = text_of(&persona);
    EXPECT(zh && strstr(zh, "语音助手") && strstr(zh, "现在是 2025-11-2") && strstr(zh, "，星期") &&
           prl_utf8_valid(zh, strlen(zh)));
    prl_mem_free(zh);
    persona = (struct prl_llm_persona){.language = "fr"};
    char *fr = text_of(&persona);
    EXPECT(fr && strstr(fr, "code fr") && !strstr(fr, "It is now"));
    prl_mem_free(fr);
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

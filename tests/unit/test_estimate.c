// test_estimate.c -- tokens by rule: both scripts, whole prompts, what a server's count teaches.
#include "llm/estimate.h"

#include <string.h>

#include "tests/unit.h"

static size_t tokens(const char *text)
{
    return prl_llm_estimate_text(text, strlen(text));
}

PRL_TEST(estimate_counts_by_script)
{
    EXPECT_INT(prl_llm_estimate_text(NULL, 0), 0);
    EXPECT_INT(tokens("a"), 1);
    EXPECT_INT(tokens("four"), 1);
    EXPECT_INT(tokens("Tell me a story."), 4);
    EXPECT_INT(tokens("给我讲个故事"), 5); // 6 of 3/4, rounded up
    EXPECT_INT(tokens("привет"), 3);
    EXPECT_INT(prl_llm_estimate_text("\xFF\xFE", 2), 1); // no text at all is no harm
}

PRL_TEST(estimate_counts_whole_prompts)
{
    const struct prl_llm_call call = {"call_1", "look", "{\"at\":1}"};
    const struct prl_llm_message messages[] = {
        {.role = PRL_LLM_SYSTEM, .text = "Be kind.", .len = 8},
        {.role = PRL_LLM_ASSISTANT, .calls = &call, .call_count = 1}};
    const struct prl_llm_tool tool = {"look", "Looks there.", NULL};
    struct prl_llm_prompt prompt = {.messages = messages,
                                    .message_count = 2,
                                    .tools = &tool,
                                    .tool_count = 1,
                                    .tool_choice = PRL_LLM_TOOLS_NONE};
    size_t without = prl_llm_estimate_prompt(&prompt);
    EXPECT_INT(without, 4 + 2 + 4 + 8 + 1 + 2);
    prompt.tool_choice = PRL_LLM_TOOLS_AUTO;
    EXPECT_INT(prl_llm_estimate_prompt(&prompt), without + 8 + 1 + 3);
}

PRL_TEST(estimate_learns_from_the_server)
{
    double believed = 1;
    believed = prl_llm_estimate_learn(believed, 10, 1000); // too short to tell
    EXPECT(believed > 0.99 && believed < 1.01);
    believed = prl_llm_estimate_learn(believed, 100, 0); // it did not say
    EXPECT(believed > 0.99 && believed < 1.01);
    believed = prl_llm_estimate_learn(believed, 100, 150); // more: at once
    EXPECT(believed > 1.49 && believed < 1.51);
    believed = prl_llm_estimate_learn(believed, 100, 110); // less: in steps
    EXPECT(believed > 1.39 && believed < 1.41);
    believed = prl_llm_estimate_learn(believed, 100, 1000000); // nonsense is bounded
    EXPECT(believed > 1.99 && believed < 2.01);
    for (int i = 0; i < 100; i++)
        believed = prl_llm_estimate_learn(believed, 1000, 1);
    EXPECT(believed > 0.49 && believed < 0.51);
}

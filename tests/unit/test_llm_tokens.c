// test_llm_tokens.c -- llm/tokens: prompts as tokens, within a budget.
#include "llm/tokens.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit.h"
#include "tests/unit/llm_fake.h"

#define MESSAGE(r, t)                                                                              \
    {                                                                                              \
        .role = (r), .text = (t), .len = sizeof(t) - 1                                             \
    }

static const struct prl_llm_message talk[] = {
    MESSAGE(PRL_LLM_SYSTEM, "SSSS"), MESSAGE(PRL_LLM_USER, "one"),
    MESSAGE(PRL_LLM_ASSISTANT, "two"), MESSAGE(PRL_LLM_USER, "three")};

static void text_of(const struct prl_llm_tokens *tokens, char *out)
{
    for (int i = 0; i < tokens->count; i++)
        out[i] = tokens->ids[i] == FAKE_OPEN    ? '<'
                 : tokens->ids[i] == FAKE_CLOSE ? '>'
                                                : (char)tokens->ids[i];
    out[tokens->count] = '\0';
}

PRL_TEST(llm_tokens_in_order)
{
    struct fake_llm fake = {0};
    struct prl_llm_prompt prompt = {.messages = talk, .message_count = 4};
    struct prl_llm_tokens tokens;
    char text[512];
    REQUIRE(prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, 500, true) == PRL_OK);
    text_of(&tokens, text);
    EXPECT_TEXT(text, "<system\nSSSS>\n<user\none>\n<assistant\ntwo>\n<user\nthree>\n<assistant\n");
    EXPECT_INT(tokens.dropped, 0);
    int all = tokens.count;
    prl_llm_tokens_free(&tokens);
    // One token too few: the oldest turn goes.
    REQUIRE(prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, all - 1, true) == PRL_OK);
    text_of(&tokens, text);
    EXPECT_TEXT(text, "<system\nSSSS>\n<user\nthree>\n<assistant\n");
    EXPECT_INT(tokens.dropped, 2);
    int least = tokens.count;
    prl_llm_tokens_free(&tokens);
    EXPECT_INT(prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, least - 1, true),
               PRL_ERR_LIMIT);
    EXPECT(tokens.ids == NULL);
}

PRL_TEST(llm_tokens_hopeless_text_is_not_tokenised)
{
    static char huge[200000];
    memset(huge, 'x', sizeof(huge));
    struct prl_llm_message messages[] = {MESSAGE(PRL_LLM_SYSTEM, "S"),
                                         {.role = PRL_LLM_USER, .text = huge, .len = sizeof(huge)},
                                         MESSAGE(PRL_LLM_ASSISTANT, "a"),
                                         MESSAGE(PRL_LLM_USER, "b")};
    struct fake_llm fake = {0};
    struct prl_llm_prompt prompt = {.messages = messages, .message_count = 4};
    struct prl_llm_tokens tokens;
    REQUIRE(prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, 100, true) == PRL_OK);
    EXPECT_INT(tokens.dropped, 2);
    prl_llm_tokens_free(&tokens);
    prompt.message_count = 2;
    EXPECT_INT(prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, 100, true),
               PRL_ERR_LIMIT);
}

PRL_TEST_OOM(llm_tokens_memory)
{
    struct fake_llm fake = {0};
    struct prl_llm_tool tool = {.name = "f"};
    struct prl_llm_prompt prompt = {.messages = talk,
                                    .message_count = 4,
                                    .tools = &tool,
                                    .tool_count = 1,
                                    .tool_choice = PRL_LLM_TOOLS_REQUIRED};
    struct prl_llm_tokens tokens;
    enum prl_err err = prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, 2000, true);
    EXPECT(!err || (prl_test_oom() && err == PRL_ERR_NOMEM));
    if (!err)
        EXPECT_TEXT(tokens.forced, "\n{\"name\": ");
    prl_llm_tokens_free(&tokens);
    fake.no_form = true;
    err = prl_llm_tokens_make(&tokens, &fake_llm_ops, &fake, &prompt, 2000, true);
    EXPECT(err == PRL_ERR_ENGINE || prl_test_oom());
    prl_llm_tokens_free(&tokens);
}

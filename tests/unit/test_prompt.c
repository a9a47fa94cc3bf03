// test_prompt.c -- llm/prompt: checks and copies.
#include "llm/prompt.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

static const struct prl_llm_call calls[] = {{.id = "c1", .name = "add", .arguments = "{\"a\":1}"},
                                            {.name = "sub"}};
static const struct prl_llm_message messages[] = {
    {.role = PRL_LLM_SYSTEM, .text = "be brief", .len = 8},
    {.role = PRL_LLM_USER, .text = "a\0b", .len = 3},
    {.role = PRL_LLM_ASSISTANT, .calls = calls, .call_count = 2},
    {.role = PRL_LLM_TOOL, .text = "2", .len = 1, .tool_call_id = "c1"},
};
static const struct prl_llm_tool tools[] = {{.name = "add", .description = "adds"},
                                            {.name = "sub", .parameters = "{}"}};

static struct prl_llm_prompt sample(void)
{
    return (struct prl_llm_prompt){
        .messages = messages, .message_count = 4, .tools = tools, .tool_count = 2};
}

PRL_TEST_OOM(prompt_copy_is_deep)
{
    struct prl_llm_prompt prompt = sample();
    prompt.tool_choice = PRL_LLM_TOOLS_NAMED;
    prompt.tool_name = "sub";
    static const char *const stops[] = {"\n\n", "END"};
    prompt.stops = stops;
    prompt.stop_count = 2;
    static const char *const images[] = {"data:image/png;base64,AA==",
                                         "data:image/gif;base64,AB=="};
    struct prl_llm_message seen[4];
    memcpy(seen, messages, sizeof(seen));
    seen[1].images = images;
    seen[1].image_count = 2;
    EXPECT(!prl_llm_prompt_has_images(&prompt));
    prompt.messages = seen;
    EXPECT(prl_llm_prompt_has_images(&prompt));
    struct prl_llm_prompt *copy;
    size_t size;
    enum prl_err err = prl_llm_prompt_copy(&copy, &size, &prompt);
    if (err) {
        EXPECT(copy == NULL && prl_test_oom());
        return;
    }
    EXPECT(copy->messages != messages && copy->messages[1].text != messages[1].text);
    EXPECT_INT(copy->messages[1].len, 3);
    EXPECT(memcmp(copy->messages[1].text, "a\0b", 4) == 0);
    EXPECT_TEXT(copy->messages[2].calls[0].arguments, "{\"a\":1}");
    EXPECT(copy->messages[2].calls[1].id == NULL);
    EXPECT_TEXT(copy->messages[3].tool_call_id, "c1");
    EXPECT_TEXT(copy->tools[0].description, "adds");
    EXPECT_TEXT(copy->tool_name, "sub");
    EXPECT(copy->stops != stops && copy->stop_count == 2);
    EXPECT_TEXT(copy->stops[1], "END");
    EXPECT(copy->messages[1].images != images && copy->messages[0].images == NULL);
    EXPECT_TEXT(copy->messages[1].images[1], images[1]);
    prl_mem_free(copy);
}

PRL_TEST(prompt_refuses_nonsense)
{
    struct prl_llm_prompt prompt = sample();
    EXPECT_OK(prl_llm_prompt_check(&prompt));
    prompt.message_count = 0;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    prompt.message_count = PRL_LLM_MESSAGES_MAX + 1;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_LIMIT);
    prompt = sample();
    prompt.tool_choice = PRL_LLM_TOOLS_NAMED;
    prompt.tool_name = "mul";
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    prompt.tool_choice = PRL_LLM_TOOLS_REQUIRED;
    prompt.tool_count = 0;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    struct prl_llm_message user = {.role = PRL_LLM_USER, .calls = calls, .call_count = 1};
    prompt = (struct prl_llm_prompt){.messages = &user, .message_count = 1};
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    user = (struct prl_llm_message){
        .role = PRL_LLM_USER, .text = "x", .len = PRL_LLM_PROMPT_BYTES_MAX + 1};
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_LIMIT);
    static char wide[PRL_LLM_STOP_BYTES_MAX + 1];
    memset(wide, 'x', sizeof(wide) - 1);
    const char *stops[PRL_LLM_STOPS_MAX + 1] = {"a", "b", "c", "d", "e"};
    prompt = sample();
    prompt.stops = stops;
    prompt.stop_count = PRL_LLM_STOPS_MAX;
    EXPECT_OK(prl_llm_prompt_check(&prompt));
    prompt.stop_count++;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_LIMIT);
    prompt.stop_count = 1;
    stops[0] = "";
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    stops[0] = wide;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    const char *images[PRL_LLM_IMAGES_MAX + 1];
    for (size_t i = 0; i <= PRL_LLM_IMAGES_MAX; i++)
        images[i] = "data:image/png;base64,AA==";
    user = (struct prl_llm_message){
        .role = PRL_LLM_USER, .images = images, .image_count = PRL_LLM_IMAGES_MAX};
    prompt = (struct prl_llm_prompt){.messages = &user, .message_count = 1};
    EXPECT_OK(prl_llm_prompt_check(&prompt));
    user.image_count++;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_LIMIT);
    user.image_count = 1;
    user.role = PRL_LLM_SYSTEM;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    struct prl_llm_tool nameless = {.name = ""};
    prompt = sample();
    prompt.tools = &nameless;
    prompt.tool_count = 1;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_INVALID);
    char name[PRL_LLM_TOOL_NAME_BYTES_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    nameless.name = name;
    EXPECT_INT(prl_llm_prompt_check(&prompt), PRL_ERR_LIMIT);
}

PRL_TEST(prompt_copy_may_be_moved)
{
    struct prl_llm_prompt prompt = sample();
    prompt.tool_choice = PRL_LLM_TOOLS_NAMED;
    prompt.tool_name = "sub";
    static const char *const stops[] = {"\n\n", "END"};
    prompt.stops = stops;
    prompt.stop_count = 2;
    static const char *const images[] = {"data:image/png;base64,AA==",
                                         "data:image/gif;base64,AB=="};
    struct prl_llm_message seen[4];
    memcpy(seen, messages, sizeof(seen));
    seen[1].images = images;
    seen[1].image_count = 2;
    prompt.messages = seen;
    struct prl_llm_prompt *copy;
    size_t size;
    REQUIRE(prl_llm_prompt_copy(&copy, &size, &prompt) == PRL_OK);
    uint64_t base = (uint64_t)(uintptr_t)copy;
    struct prl_llm_prompt *moved = prl_mem_dup(copy, size);
    char *other = prl_mem_dup(copy, size);
    REQUIRE(moved != NULL && other != NULL);
    memset((void *)copy, 0xee, size);
    prl_mem_free(copy);
    EXPECT_OK(prl_llm_prompt_rebase(moved, size, base));
    EXPECT(memcmp(moved->messages[1].text, "a\0b", 4) == 0);
    EXPECT_TEXT(moved->messages[2].calls[0].arguments, "{\"a\":1}");
    EXPECT(moved->messages[2].calls[1].id == NULL);
    EXPECT_TEXT(moved->messages[3].tool_call_id, "c1");
    EXPECT_TEXT(moved->tools[1].parameters, "{}");
    EXPECT_TEXT(moved->tool_name, "sub");
    EXPECT_TEXT(moved->stops[1], "END");
    EXPECT_TEXT(moved->messages[1].images[0], images[0]);
    EXPECT(moved->messages[0].images == NULL);
    EXPECT_OK(prl_llm_prompt_check(moved));
    // Whatever else stands in the block, nothing outside of it is ever pointed to.
    for (int i = 0; i < 2000; i++) {
        char *bad = prl_mem_dup(other, size);
        REQUIRE(bad != NULL);
        for (int j = 0; j < 3; j++)
            bad[prl_test_random() % size] = (char)prl_test_random();
        enum prl_err err = prl_llm_prompt_rebase(bad, size, base);
        EXPECT(err == PRL_OK || err == PRL_ERR_INVALID);
        prl_mem_free(bad);
    }
    EXPECT_INT(prl_llm_prompt_rebase(other, size - 1, base), PRL_ERR_INVALID);
    EXPECT_INT(prl_llm_prompt_rebase(other, 8, base), PRL_ERR_INVALID);
    EXPECT_INT(prl_llm_prompt_rebase(NULL, 0, base), PRL_ERR_INVALID);
    prl_mem_free(other);
    prl_mem_free(moved);
}

// test_tool_call.c -- llm/tool_call: the JSON of a call, byte by byte.
#include "llm/tool_call.h"

#include <string.h>

#include "tests/unit.h"

static enum prl_tool_call_state feed(struct prl_tool_call *call, const char *text, size_t step,
                                     size_t *used)
{
    size_t len = strlen(text);
    *used = 0;
    prl_tool_call_init(call);
    while (*used < len && call->state == PRL_TOOL_CALL_MORE) {
        size_t n;
        size_t left = len - *used;
        (void)prl_tool_call_push(call, text + *used, left < step ? left : step, &n);
        *used += n;
    }
    return call->state;
}

static void good(const char *text, const char *name, const char *arguments)
{
    for (size_t step = 1; step < 40; step += 19) {
        struct prl_tool_call call;
        size_t used;
        EXPECT_INT(feed(&call, text, step, &used), PRL_TOOL_CALL_DONE);
        EXPECT_TEXT(call.name, name);
        EXPECT_TEXT(call.arguments, arguments);
        prl_tool_call_free(&call);
    }
}

static void bad(const char *text)
{
    struct prl_tool_call call;
    size_t used;
    enum prl_tool_call_state state = feed(&call, text, 7, &used);
    if (state != PRL_TOOL_CALL_BAD)
        EXPECT_TEXT(text, "refused");
    EXPECT(call.arguments == NULL || state == PRL_TOOL_CALL_DONE);
    prl_tool_call_free(&call);
}

PRL_TEST(tool_call_forms)
{
    good("{\"name\": \"f\", \"arguments\": {\"a\": [1, -2.5e3, true, null, \"x}\"]}}", "f",
         "{\"a\": [1, -2.5e3, true, null, \"x}\"]}");
    good("\n {\"arguments\":{},\"name\":\"f\"}", "f", "{}");
    good("{\"name\":\"f\",\"parameters\":{\"b\":{}}}", "f", "{\"b\":{}}");
    good("{\"name\":\"f\"}", "f", "{}");
    good("{\"name\":\"f\",\"arguments\":null}", "f", "{}");
    good("{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": \\\"\\u4e2d\\ud83d\\ude00\\\"}\"}", "f",
         "{\"a\": \"中😀\"}");
    good("{\"name\":\"f\",\"arguments\":\"\"}", "f", "{}");
    good("{\"id\":[{\"name\":\"no\"}],\"name\":\"\\u0066\\n\"}", "f\n", "{}");
    good("{\"name\":\"f\",\"arguments\":{\"城市\":\"北京\"}}", "f", "{\"城市\":\"北京\"}");
}

PRL_TEST(tool_call_stops_behind_the_object)
{
    struct prl_tool_call call;
    size_t used;
    EXPECT_INT(feed(&call, "{\"name\":\"f\"} and more", 100, &used), PRL_TOOL_CALL_DONE);
    EXPECT_INT(used, 12);
    prl_tool_call_free(&call);
    EXPECT_INT(feed(&call, "{\"name\":\"f\", \"arguments\": {\"a", 100, &used), PRL_TOOL_CALL_MORE);
    prl_tool_call_free(&call);
}

PRL_TEST(tool_call_refuses)
{
    static const char *const texts[] = {
        "x",
        "[1]",
        "{]",
        "{\"name\" \"f\"}",
        "{name:\"f\"}",
        "{\"name\":\"f\",}",
        "{,}",
        "{\"name\":f}",
        "{\"name\":\"\"}",
        "{\"name\":1}",
        "{}",
        "{\"arguments\":{}}",
        "{\"name\":\"f\",\"arguments\":[]}",
        "{\"name\":\"f\",\"arguments\":1}",
        "{\"name\":\"f\",\"arguments\":\"[]\"}",
        "{\"name\":\"f\",\"arguments\":\"{} x\"}",
        "{\"name\":\"f\",\"arguments\":\"{\"}",
        "{\"name\":\"f\",\"a\":01}",
        "{\"name\":\"f\",\"a\":1.}",
        "{\"name\":\"f\",\"a\":1e}",
        "{\"name\":\"f\",\"a\":-}",
        "{\"name\":\"f\",\"a\":nul}",
        "{\"name\":\"f\",\"a\":truex}",
        "{\"name\":\"\\x\"}",
        "{\"name\":\"\\u12g4\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"\\ud800\\u0041\"}",
        "{\"name\":\"\\udc00\"}",
        "{\"name\":\"a\nb\"}",
        "{\"name\":\"a\\u0000b\"}",
        "{\"name\":\"f\" \"g\"}",
        "{\"name\":\"f\",\"a\":[1 2]}",
        "{\"name\":\"f\",\"a\":[1}}",
        "{\"name\":\"f\",\"a\":\"\xff\"}",
        "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        bad(texts[i]);
}

PRL_TEST(tool_call_bounds)
{
    struct prl_tool_call call;
    size_t used;
    prl_tool_call_init(&call);
    (void)prl_tool_call_push(&call, "{\"a\":", 5, &used);
    for (int i = 0; i < 63; i++)
        EXPECT_INT(prl_tool_call_push(&call, "[", 1, &used), PRL_TOOL_CALL_MORE);
    EXPECT_INT(prl_tool_call_push(&call, "[", 1, &used), PRL_TOOL_CALL_BAD);
    prl_tool_call_free(&call);
    prl_tool_call_init(&call);
    (void)prl_tool_call_push(&call, "{\"name\":\"", 9, &used);
    enum prl_tool_call_state state = PRL_TOOL_CALL_MORE;
    char block[1000];
    memset(block, 'x', sizeof(block));
    int blocks = 0;
    for (; state == PRL_TOOL_CALL_MORE && blocks < 1000; blocks++)
        state = prl_tool_call_push(&call, block, sizeof(block), &used);
    EXPECT_INT(state, PRL_TOOL_CALL_BAD);
    EXPECT(blocks <= PRL_LLM_ARGUMENTS_BYTES_MAX / 1000 + 1);
    prl_tool_call_free(&call);
}

PRL_TEST_OOM(tool_call_memory)
{
    struct prl_tool_call call;
    size_t used;
    enum prl_tool_call_state state =
        feed(&call, "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}", 3, &used);
    if (state == PRL_TOOL_CALL_DONE)
        EXPECT_TEXT(call.arguments, "{\"a\":1}");
    else
        EXPECT(prl_test_oom());
    prl_tool_call_free(&call);
}

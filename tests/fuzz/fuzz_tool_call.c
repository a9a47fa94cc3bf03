// fuzz_tool_call.c -- a model's words against the readers of tool calls: llm/tool_call alone, and
// llm/reply around it with bytes 1 and 2 as the tokens of a call.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "llm/reply.h"
#include "llm/tool_call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_answer(void *arg, const char *name, const char *text, size_t len)
{
    size_t *given = arg;
    *given += len;
    // A call names a declared tool and its arguments are an object.
    if (name && (strcmp(name, "f") != 0 || len < 2 || text[0] != '{' || text[len - 1] != '}'))
        abort();
}

static void read_alone(const char *text, size_t size, size_t step)
{
    struct prl_tool_call call;
    prl_tool_call_init(&call);
    for (size_t at = 0; at < size && call.state == PRL_TOOL_CALL_MORE;) {
        size_t used;
        size_t n = size - at < step ? size - at : step;
        (void)prl_tool_call_push(&call, text + at, n, &used);
        at += used;
    }
    if (call.state == PRL_TOOL_CALL_DONE && (!call.name[0] || !call.arguments))
        abort();
    prl_tool_call_free(&call);
}

static void read_answer(const char *text, size_t size, size_t step, bool tools)
{
    static const struct prl_llm_tool tool = {.name = "f"};
    struct prl_llm_prompt prompt = {.tools = &tool, .tool_count = tools ? 1 : 0};
    struct prl_reply answer;
    size_t given = 0;
    prl_reply_init(&answer, &prompt, NULL, on_answer, &given);
    enum prl_reply_state state = PRL_REPLY_GOES_ON;
    for (size_t at = 0; at < size && state == PRL_REPLY_GOES_ON;) {
        enum prl_reply_mark mark = PRL_REPLY_TEXT;
        size_t n = size - at < step ? size - at : step;
        if (text[at] == 1 || text[at] == 2) {
            mark = text[at] == 1 ? PRL_REPLY_CALL_OPEN : PRL_REPLY_CALL_CLOSE;
            n = 1;
        }
        state = prl_reply_push(&answer, mark, text + at, mark == PRL_REPLY_TEXT ? n : 0);
        at += n;
    }
    enum prl_reply_result result;
    if (prl_reply_end(&answer, true, &result) == PRL_OK && given > size + 2)
        abort(); // no more may come out than went in, but for "{}"
    prl_reply_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t step = size > 0 ? 1 + data[0] % 7 : 1;
    read_alone(text, size, step);
    read_answer(text, size, step, true);
    read_answer(text, size, step, false);
    return 0;
}

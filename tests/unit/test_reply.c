// test_reply.c -- llm/reply: words and calls out of a model's bytes.
#include "llm/reply.h"

#include <string.h>

#include "tests/unit.h"

static const struct prl_llm_tool tools[] = {{.name = "get_weather"}, {.name = "set_timer"}};
static const struct prl_llm_prompt with_tools = {.tools = tools, .tool_count = 2};
static const struct prl_llm_prompt without = {.tool_count = 0};

struct seen {
    struct prl_str text; // words, and calls as [name args]
    bool whole;          // every piece of words was whole
};

static void on_answer(void *arg, const char *name, const char *text, size_t len)
{
    struct seen *seen = arg;
    if (name)
        prl_str_addf(&seen->text, "[%s ", name);
    else
        seen->whole = seen->whole && len > 0 && prl_utf8_valid(text, len);
    prl_str_add(&seen->text, text, len);
    if (name)
        prl_str_addc(&seen->text, ']');
}

// \x01 and \x02 in the text are the tokens of a call; `step` bytes a token. *enough: bytes taken.
static enum prl_reply_result run(const struct prl_llm_prompt *prompt, const char *forced,
                                 const char *text, size_t step, bool stopped, struct seen *seen)
{
    struct prl_reply answer;
    enum prl_reply_result result = PRL_REPLY_WORDS;
    memset(seen, 0, sizeof(*seen));
    prl_str_init(&seen->text, 1 << 20);
    seen->whole = true;
    prl_reply_init(&answer, prompt, forced, on_answer, seen);
    size_t len = strlen(text);
    enum prl_reply_state state = PRL_REPLY_GOES_ON;
    for (size_t at = 0; at < len && state == PRL_REPLY_GOES_ON;) {
        if (text[at] == 1 || text[at] == 2) {
            state = prl_reply_push(
                &answer, text[at] == 1 ? PRL_REPLY_CALL_OPEN : PRL_REPLY_CALL_CLOSE, NULL, 0);
            at++;
            continue;
        }
        size_t n = strcspn(text + at, "\x01\x02");
        n = n < step ? n : step;
        state = prl_reply_push(&answer, PRL_REPLY_TEXT, text + at, n);
        at += n;
    }
    enum prl_err err = prl_reply_end(&answer, stopped, &result);
    EXPECT(err == PRL_OK || prl_test_oom());
    prl_reply_free(&answer);
    return result;
}

static void gives(const struct prl_llm_prompt *prompt, const char *text, const char *expected,
                  enum prl_reply_result result)
{
    static const size_t steps[] = {1, 2, 3, 5, 1000};
    for (size_t i = 0; i < 5; i++) {
        struct seen seen;
        EXPECT_INT(run(prompt, NULL, text, steps[i], true, &seen), result);
        EXPECT_TEXT(prl_str_text(&seen.text), expected);
        EXPECT(seen.whole);
        prl_str_free(&seen.text);
    }
}

PRL_TEST(reply_words)
{
    gives(&without, "Hello, 世界 😀!", "Hello, 世界 😀!", PRL_REPLY_WORDS);
    gives(&without, "\n\n  Hello", "Hello", PRL_REPLY_WORDS);
    gives(&without, "", "", PRL_REPLY_WORDS);
    gives(&without, "cut 世\xe4\xb8", "cut 世", PRL_REPLY_WORDS);
    gives(&without, "{\"name\": \"get_weather\"}", "{\"name\": \"get_weather\"}", PRL_REPLY_WORDS);
    gives(&with_tools, "It is sunny. 你好", "It is sunny. 你好", PRL_REPLY_WORDS);
    gives(&with_tools, "Call `get_weather` then ``x``.", "Call `get_weather` then ``x``.",
          PRL_REPLY_WORDS);
    gives(&with_tools, "{curly} words", "{curly} words", PRL_REPLY_WORDS);
    gives(&with_tools, "```python\nprint(1)\n```", "```python\nprint(1)\n```", PRL_REPLY_WORDS);
}

#define WEATHER     "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}"
#define TIMER       "{\"name\": \"set_timer\", \"arguments\": {\"minutes\": 5}}"
#define WEATHER_OUT "[get_weather {\"city\": \"Paris\"}]"
#define TIMER_OUT   "[set_timer {\"minutes\": 5}]"

PRL_TEST(reply_calls)
{
    gives(&with_tools, "\x01\n" WEATHER "\n\x02", WEATHER_OUT, PRL_REPLY_CALLED);
    gives(&with_tools, "Let me see.\n\x01\n" WEATHER "\n\x02", "Let me see.\n" WEATHER_OUT,
          PRL_REPLY_CALLED);
    gives(&with_tools, "\x01" WEATHER "\x02\n\x01" TIMER "\x02", WEATHER_OUT TIMER_OUT,
          PRL_REPLY_CALLED);
    gives(&with_tools, WEATHER, WEATHER_OUT, PRL_REPLY_CALLED);
    gives(&with_tools, WEATHER "\n" TIMER, WEATHER_OUT TIMER_OUT, PRL_REPLY_CALLED);
    gives(&with_tools, "```json\n" WEATHER "\n```\nThis calls it.", WEATHER_OUT, PRL_REPLY_CALLED);
    gives(&with_tools, "You can call it:\n\n```json\n" WEATHER "\n```",
          "You can call it:\n\n" WEATHER_OUT, PRL_REPLY_CALLED);
    gives(&with_tools, "Sure.\n" WEATHER " And so on", "Sure.\n" WEATHER_OUT, PRL_REPLY_CALLED);
    // The last brace is missing.
    gives(&with_tools, "{\"name\": \"set_timer\", \"arguments\": {\"minutes\": 5}", TIMER_OUT,
          PRL_REPLY_CALLED);
    gives(&with_tools, "\x01{\"name\": \"set_timer\", \"arguments\": {\"minutes\": 5}\x02",
          TIMER_OUT, PRL_REPLY_CALLED);
}

PRL_TEST(reply_bad_calls)
{
    gives(&with_tools, "{\"name\": \"joke\", \"arguments\": {}}", "", PRL_REPLY_BAD_CALL);
    gives(&with_tools, "\x01 nonsense \x02", "", PRL_REPLY_BAD_CALL);
    gives(&with_tools, "{\"name\": \"get_weather\", \"arguments\": [1]}", "", PRL_REPLY_BAD_CALL);
    // After words, JSON that is no call stays words.
    gives(&with_tools, "An example:\n{\"name\": \"joke\"}", "An example:\n{\"name\": \"joke\"}",
          PRL_REPLY_WORDS);
    // Without tools the token of a call ends the answer.
    gives(&without, "Words \x01{}\x02", "Words ", PRL_REPLY_WORDS);
    // No call and not whole: the words come out as they were, without braces of ours.
    gives(&with_tools, "{\"a\": {\"b\": {\"c", "{\"a\": {\"b\": {\"c", PRL_REPLY_WORDS);
    // Cut off by the limit: nothing is closed for it.
    struct seen seen;
    EXPECT_INT(run(&with_tools, NULL, "{\"name\": \"set_timer\", \"arguments\": {\"minutes\": 1", 3,
                   false, &seen),
               PRL_REPLY_BAD_CALL);
    EXPECT_TEXT(prl_str_text(&seen.text), "");
    prl_str_free(&seen.text);
}

PRL_TEST(reply_forced_call)
{
    struct seen seen;
    EXPECT_INT(run(&with_tools, "\n{\"name\": \"set_timer\", \"arguments\": ", "{\"minutes\": 5}}",
                   4, true, &seen),
               PRL_REPLY_CALLED);
    EXPECT_TEXT(prl_str_text(&seen.text), TIMER_OUT);
    prl_str_free(&seen.text);
    EXPECT_INT(run(&with_tools, "\n{\"name\": ", "\"joke\"}", 4, true, &seen), PRL_REPLY_BAD_CALL);
    prl_str_free(&seen.text);
}

PRL_TEST_OOM(reply_memory)
{
    struct seen seen;
    (void)run(&with_tools, NULL, "Let me see 世界.\n\x01" WEATHER "\x02", 3, true, &seen);
    prl_str_free(&seen.text);
}

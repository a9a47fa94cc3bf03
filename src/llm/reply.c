// reply.c -- see reply.h. Bytes pass one at a time through a small machine; `held` keeps what may
// still turn out to be a call, or a code point that is not whole yet.
#include "llm/reply.h"

#include <string.h>

#include "base/check.h"

enum place {
    IN_WORDS,
    IN_FENCE,  // after ```, before its first {
    IN_CALL,   // bytes go to the scanner
    AFTER_CALL // only white space, fences and further calls are expected
};

enum { FENCE_HEAD_MAX = 16 }; // "```json\n" and the like

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool has_tools(const struct prl_reply *answer)
{
    return answer->prompt->tool_count > 0 && answer->prompt->tool_choice != PRL_LLM_TOOLS_NONE;
}

static void close_scanner(struct prl_reply *answer)
{
    if (answer->call_open)
        prl_tool_call_free(&answer->call);
    answer->call_open = false;
}

static void open_scanner(struct prl_reply *answer, bool by_token)
{
    close_scanner(answer);
    prl_tool_call_init(&answer->call);
    answer->call_open = true;
    answer->by_token = by_token;
    answer->place = IN_CALL;
}

static void hold(struct prl_reply *answer, char c)
{
    enum prl_err err = prl_str_addc(&answer->held, c);
    if (err && !answer->err)
        answer->err = err;
}

// Gives out the first `count` held bytes, without the white space that an answer may begin with.
static void give_front(struct prl_reply *answer, size_t count)
{
    size_t skip = 0;
    while (!answer->any_words && skip < count && is_space(answer->held.data[skip]))
        skip++;
    if (count > skip) {
        answer->any_words = true;
        answer->fn(answer->arg, NULL, answer->held.data + skip, count - skip);
    }
    prl_str_drop(&answer->held, count);
}

// Gives out the whole code points among the held bytes.
static void give_words(struct prl_reply *answer)
{
    give_front(answer, prl_utf8_whole(prl_str_text(&answer->held), answer->held.len));
}

static bool is_declared(const struct prl_reply *answer, const char *name)
{
    for (size_t i = 0; i < answer->prompt->tool_count; i++) {
        if (strcmp(answer->prompt->tools[i].name, name) == 0)
            return true;
    }
    return false;
}

// The held text is no call. Words of an answer stay words; an answer that is nothing but JSON must
// not be read aloud, it is dropped and reported at the end.
static void drop_call(struct prl_reply *answer)
{
    bool words = !answer->by_token && answer->any_words;
    answer->any_bad = answer->any_bad || !words;
    close_scanner(answer);
    if (words) {
        answer->place = IN_WORDS;
        give_words(answer);
    } else {
        prl_str_clear(&answer->held);
        answer->place = AFTER_CALL;
    }
}

// JSON at the start that turned out to be no object at all, e.g. "{curly}": plain words.
static void not_a_call(struct prl_reply *answer)
{
    bool json = answer->call.name_to > 0 || answer->call.arguments_to > 0;
    if (answer->by_token || json) {
        drop_call(answer);
        return;
    }
    close_scanner(answer);
    answer->place = IN_WORDS;
    give_words(answer);
}

static void take_call(struct prl_reply *answer)
{
    if (!is_declared(answer, answer->call.name)) {
        drop_call(answer);
        return;
    }
    answer->any_call = true;
    answer->fn(answer->arg, answer->call.name, answer->call.arguments,
               strlen(answer->call.arguments));
    prl_str_clear(&answer->held);
    close_scanner(answer);
    answer->place = AFTER_CALL;
}

static void call_byte(struct prl_reply *answer, char c)
{
    hold(answer, c);
    size_t used = 0;
    switch (prl_tool_call_push(&answer->call, &c, 1, &used)) {
    case PRL_TOOL_CALL_MORE:
        break;
    case PRL_TOOL_CALL_DONE:
        take_call(answer);
        break;
    case PRL_TOOL_CALL_BAD:
        not_a_call(answer);
        break;
    }
}

// The call ends here, complete or not. Small models forget the last brace: when the model itself
// stopped, the open levels are closed for it.
static void end_call(struct prl_reply *answer, bool stopped)
{
    // Past the held text, so that words do not get the braces when this is no call.
    enum prl_tool_call_state state = PRL_TOOL_CALL_MORE;
    for (int left = answer->call.depth; stopped && left > 0 && state == PRL_TOOL_CALL_MORE;
         left--) {
        size_t used = 0;
        state = prl_tool_call_push(&answer->call, "}", 1, &used);
    }
    if (state == PRL_TOOL_CALL_DONE)
        take_call(answer);
    else
        not_a_call(answer);
}

static void fence_byte(struct prl_reply *answer, char c)
{
    if (c == '{') {
        open_scanner(answer, false);
        call_byte(answer, c);
        return;
    }
    hold(answer, c);
    bool head = c == '`' || is_space(c) || (c >= 'a' && c <= 'z');
    if (!head || answer->held.len > FENCE_HEAD_MAX) {
        answer->place = IN_WORDS;
        give_words(answer);
    }
}

static bool ends_with_fence(const struct prl_str *text)
{
    return text->len >= 3 && memcmp(text->data + text->len - 3, "```", 3) == 0;
}

static void word_byte(struct prl_reply *answer, char c)
{
    if (has_tools(answer) && c == '{' && answer->line_start) {
        give_words(answer);
        open_scanner(answer, false);
        call_byte(answer, c);
        return;
    }
    answer->line_start = c == '\n' || (answer->line_start && is_space(c));
    hold(answer, c);
    if (has_tools(answer) && ends_with_fence(&answer->held)) {
        give_front(answer, answer->held.len - 3);
        answer->place = IN_FENCE;
    }
}

// Returns false when the answer is over.
static bool after_byte(struct prl_reply *answer, char c)
{
    if (c == '{' && !answer->any_bad) {
        open_scanner(answer, false);
        call_byte(answer, c);
        return true;
    }
    return is_space(c) || c == '`';
}

static enum prl_reply_state push_byte(struct prl_reply *answer, char c)
{
    switch ((enum place)answer->place) {
    case IN_WORDS:
        word_byte(answer, c);
        break;
    case IN_FENCE:
        fence_byte(answer, c);
        break;
    case IN_CALL:
        call_byte(answer, c);
        break;
    case AFTER_CALL:
        if (!after_byte(answer, c))
            return PRL_REPLY_ENOUGH;
        break;
    }
    return PRL_REPLY_GOES_ON;
}

void prl_reply_init(struct prl_reply *answer, const struct prl_llm_prompt *prompt,
                    const char *forced, prl_reply_fn fn, void *arg)
{
    PRL_CHECK(answer != NULL && prompt != NULL && fn != NULL);
    memset(answer, 0, sizeof(*answer));
    answer->fn = fn;
    answer->arg = arg;
    answer->prompt = prompt;
    answer->place = IN_WORDS;
    answer->line_start = true;
    prl_str_init(&answer->held, (size_t)PRL_LLM_ARGUMENTS_BYTES_MAX * 2);
    if (forced) {
        open_scanner(answer, true);
        for (const char *p = forced; *p; p++)
            call_byte(answer, *p);
    }
}

void prl_reply_free(struct prl_reply *answer)
{
    PRL_CHECK(answer != NULL);
    close_scanner(answer);
    prl_str_free(&answer->held);
}

static enum prl_reply_state push_mark(struct prl_reply *answer, enum prl_reply_mark mark)
{
    if (mark == PRL_REPLY_CALL_CLOSE) {
        if (answer->place == IN_CALL)
            end_call(answer, true);
        return PRL_REPLY_GOES_ON;
    }
    if (!has_tools(answer))
        return PRL_REPLY_ENOUGH;
    if (answer->place == IN_WORDS || answer->place == IN_FENCE)
        give_words(answer);
    prl_str_clear(&answer->held);
    open_scanner(answer, true);
    return PRL_REPLY_GOES_ON;
}

enum prl_reply_state prl_reply_push(struct prl_reply *answer, enum prl_reply_mark mark,
                                    const char *data, size_t len)
{
    PRL_CHECK(answer != NULL && (data != NULL || len == 0));
    if (mark != PRL_REPLY_TEXT)
        return push_mark(answer, mark);
    for (size_t i = 0; i < len; i++) {
        if (push_byte(answer, data[i]) == PRL_REPLY_ENOUGH)
            return PRL_REPLY_ENOUGH;
    }
    // Backticks at the end may become a fence.
    bool fence =
        has_tools(answer) && answer->held.len > 0 && answer->held.data[answer->held.len - 1] == '`';
    if (answer->place == IN_WORDS && !fence)
        give_words(answer);
    return PRL_REPLY_GOES_ON;
}

enum prl_err prl_reply_end(struct prl_reply *answer, bool stopped, enum prl_reply_result *result)
{
    PRL_CHECK(answer != NULL && result != NULL);
    if (answer->place == IN_CALL)
        end_call(answer, stopped);
    if (answer->place == IN_WORDS || answer->place == IN_FENCE)
        give_words(answer); // a code point that was cut off is dropped
    *result = PRL_REPLY_WORDS;
    if (answer->any_call)
        *result = PRL_REPLY_CALLED;
    else if (answer->any_bad && !answer->any_words)
        *result = PRL_REPLY_BAD_CALL;
    return answer->err;
}

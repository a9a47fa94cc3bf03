// test_openai.c -- the chat completions dialect: what is asked, and what an answer's events mean.
#include "llm/openai.h"

#include <string.h>

#include "base/json.h"
#include "tests/unit.h"

struct told {
    struct prl_str text;
};

static void on_piece(void *arg, const char *name, const char *text, size_t len)
{
    struct told *told = arg;
    if (name)
        (void)prl_str_addf(&told->text, "[%s %.*s]", name, (int)len, text);
    else
        (void)prl_str_addf(&told->text, "%.*s|", (int)len, text);
}

// Feeds the events and ends; what was told stays in `told`.
static enum prl_err read_all(struct told *told, const char *const *events,
                             struct prl_openai_reader **reader)
{
    prl_str_init(&told->text, 1 << 16);
    enum prl_err err = prl_openai_reader_create(reader, on_piece, told);
    for (; !err && *events; events++)
        err = prl_openai_reader_push(*reader, *events, strlen(*events));
    return err ? err : prl_openai_reader_end(*reader);
}

static void expect_told(const char *const *events, enum prl_err wanted, const char *text)
{
    struct told told;
    struct prl_openai_reader *reader = NULL;
    EXPECT_INT(read_all(&told, events, &reader), wanted);
    EXPECT_TEXT(prl_str_text(&told.text), text);
    EXPECT((wanted != PRL_OK) == (prl_openai_reader_why(reader)[0] != '\0'));
    prl_openai_reader_destroy(&reader);
    prl_str_free(&told.text);
}

#define WORDS(text) "{\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}"
#define STOP        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define CALL(rest)  "{\"choices\":[{\"delta\":{\"tool_calls\":[{" rest "}]}}]}"

PRL_TEST(openai_reads_words_and_numbers)
{
    static const char *const events[] = {
        "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}",
        WORDS("Hello"),
        WORDS(" there, \\u4f60\\u597d."),
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,"
        "\"prompt_tokens_details\":{\"cached_tokens\":5}}}",
        "[DONE]",
        WORDS("what comes behind it is not read"),
        NULL};
    struct told told;
    struct prl_openai_reader *reader = NULL;
    EXPECT_OK(read_all(&told, events, &reader));
    EXPECT_TEXT(prl_str_text(&told.text), "Hello| there, \xE4\xBD\xA0\xE5\xA5\xBD.|");
    EXPECT(prl_openai_reader_done(reader));
    EXPECT_INT(prl_openai_reader_reason(reader), PRL_LLM_REASON_LENGTH);
    struct prl_llm_usage usage = prl_openai_reader_usage(reader);
    EXPECT_INT(usage.input_tokens, 7);
    EXPECT_INT(usage.output_tokens, 3);
    EXPECT_INT(usage.cached_tokens, 5);
    prl_openai_reader_destroy(&reader);
    prl_str_free(&told.text);
}

PRL_TEST(openai_thinking_is_never_told)
{
    static const char *const whole[] = {WORDS("<think>secret</think>\\n\\nYes."), STOP, NULL};
    static const char *const cut[] = {WORDS("<th"),
                                      WORDS("ink>se</thi"),
                                      WORDS("cret</"),
                                      WORDS("think> A"),
                                      WORDS(" < b <th c"),
                                      STOP,
                                      NULL};
    static const char *const late[] = {WORDS("Well <<think>x<think>y</think>, no."), STOP, NULL};
    static const char *const open[] = {WORDS("<think>for ever"), STOP, NULL};
    static const char *const tail[] = {WORDS("1 <thi"), STOP, NULL};
    static const char *const field[] = {
        "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"content\":\"\"}}]}", WORDS("Ok"),
        STOP, NULL};
    expect_told(whole, PRL_OK, "Yes.|");
    expect_told(cut, PRL_OK, "A| |<| b |<th| c|");
    expect_told(late, PRL_OK, "Well |<|, no.|");
    expect_told(open, PRL_OK, "");
    expect_told(tail, PRL_OK, "1 |<thi|");
    expect_told(field, PRL_OK, "Ok|");
}

PRL_TEST(openai_gathers_calls)
{
    static const char *const events[] = {
        CALL("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"light\",\"arguments\":\"\"}"),
        CALL("\"index\":0,\"function\":{\"arguments\":\"{\\\"on\\\"\"}"),
        CALL("\"index\":0,\"function\":{\"arguments\":\":true}\"}"),
        CALL("\"index\":1,\"function\":{\"name\":\"time\"}"),
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}",
        NULL};
    expect_told(events, PRL_OK, "[light {\"on\":true}][time {}]");
    static const char *const bad[] = {
        CALL("\"index\":0,\"function\":{\"name\":\"light\",\"arguments\":\"{\\\"on\\\"\"}"), STOP,
        NULL};
    expect_told(bad, PRL_ERR_INVALID, "");
    static const char *const many[] = {CALL("\"index\":32,\"function\":{\"name\":\"x\"}"), NULL};
    expect_told(many, PRL_ERR_LIMIT, "");
    static const char *const negative[] = {CALL("\"index\":-1,\"function\":{\"name\":\"x\"}"),
                                           NULL};
    expect_told(negative, PRL_ERR_LIMIT, "");
}

PRL_TEST(openai_tells_failures_apart)
{
    static const char *const failed[] = {WORDS("Ye"), "{\"error\":{\"message\":\"overloaded\"}}",
                                         NULL};
    static const char *const cut[] = {WORDS("Ye"), NULL};
    static const char *const garbled[] = {WORDS("Ye"), "{\"choices\":[{\"del", NULL};
    static const char *const array[] = {"[1]", NULL};
    expect_told(failed, PRL_ERR_REMOTE, "Ye|");
    expect_told(cut, PRL_ERR_INVALID, "Ye|");
    expect_told(garbled, PRL_ERR_INVALID, "Ye|");
    expect_told(array, PRL_ERR_INVALID, "");
}

static const struct prl_llm_call calls[] = {{"call_1", "light", "{\"on\":true}"}};
static const struct prl_llm_message messages[] = {
    {.role = PRL_LLM_SYSTEM, .text = "Be \"brief\".", .len = 11},
    {.role = PRL_LLM_USER, .text = "Light!", .len = 6},
    {.role = PRL_LLM_ASSISTANT, .calls = calls, .call_count = 1},
    {.role = PRL_LLM_TOOL, .text = "ok", .len = 2, .tool_call_id = "call_1"},
};
static const struct prl_llm_tool tools[] = {{"light", "Switches it", NULL}};

static const struct prl_json *message_at(const struct prl_json *root, size_t index)
{
    return prl_json_at(prl_json_get(root, "messages"), index);
}

PRL_TEST(openai_writes_requests)
{
    struct prl_llm_prompt prompt = {.messages = messages,
                                    .message_count = 4,
                                    .tools = tools,
                                    .tool_count = 1,
                                    .tool_choice = PRL_LLM_TOOLS_NAMED,
                                    .tool_name = "light",
                                    .stops = (const char *const[]){"END"},
                                    .stop_count = 1};
    struct prl_llm_params params = {.max_output_tokens = 50, .temperature = 0, .seed = 7};
    struct prl_str text;
    struct prl_json *root = NULL;
    prl_str_init(&text, PRL_OPENAI_REQUEST_MAX);
    EXPECT_OK(prl_openai_request(&text, "m", "\"top_k\":5", &prompt, &params));
    REQUIRE(prl_json_parse(&root, prl_str_text(&text), text.len, NULL, 0) == PRL_OK);
    EXPECT_TEXT(prl_json_string(prl_json_get(root, "model"), ""), "m");
    EXPECT(prl_json_bool(prl_json_get(root, "stream"), false));
    EXPECT_INT(prl_json_int(prl_json_get(root, "max_tokens"), 0), 50);
    EXPECT_INT(prl_json_int(prl_json_get(root, "top_k"), 0), 5);
    EXPECT_INT(prl_json_int(prl_json_get(root, "seed"), 0), 7);
    EXPECT_TEXT(prl_json_string(prl_json_get(message_at(root, 0), "content"), ""), "Be \"brief\".");
    EXPECT_INT(prl_json_type(prl_json_get(message_at(root, 2), "content")), PRL_JSON_NULL);
    EXPECT_TEXT(prl_json_string(prl_json_get(message_at(root, 3), "tool_call_id"), ""), "call_1");
    EXPECT_INT(prl_json_count(prl_json_get(root, "tools")), 1);
    EXPECT_TEXT(prl_json_string(prl_json_at(prl_json_get(root, "stop"), 0), ""), "END");
    EXPECT_TEXT(
        prl_json_string(
            prl_json_get(prl_json_get(prl_json_get(root, "tool_choice"), "function"), "name"), ""),
        "light");
    prl_json_free(&root);
    prl_str_free(&text);
    prompt.tool_choice = PRL_LLM_TOOLS_NONE;
    prl_str_init(&text, PRL_OPENAI_REQUEST_MAX);
    EXPECT_OK(prl_openai_request(&text, "m", NULL, &prompt, &params));
    EXPECT(strstr(prl_str_text(&text), "tools") == NULL);
    prl_str_free(&text);
}

PRL_TEST(openai_writes_images)
{
    static const char *const images[] = {"data:image/png;base64,AA==",
                                         "data:image/gif;base64,AB=="};
    struct prl_llm_message message = {
        .role = PRL_LLM_USER, .text = "What?", .len = 5, .images = images, .image_count = 2};
    struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};
    struct prl_llm_params params = {.max_output_tokens = 50};
    struct prl_str text;
    prl_str_init(&text, PRL_OPENAI_REQUEST_MAX);
    EXPECT_OK(prl_openai_request(&text, "m", NULL, &prompt, &params));
    EXPECT(
        strstr(prl_str_text(&text),
               "\"content\":[{\"type\":\"text\",\"text\":\"What?\"},"
               "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}},"
               "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/gif;base64,AB==\"}}]"));
    prl_str_free(&text);
}

PRL_TEST_OOM(openai_without_memory)
{
    static const char *const events[] = {
        WORDS("Hi"), CALL("\"index\":0,\"function\":{\"name\":\"light\",\"arguments\":\"{}\"}"),
        STOP, NULL};
    struct told told;
    struct prl_openai_reader *reader = NULL;
    struct prl_llm_prompt prompt = {.messages = messages, .message_count = 4};
    struct prl_llm_params params = {.max_output_tokens = 50};
    enum prl_err err = read_all(&told, events, &reader);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_openai_reader_destroy(&reader);
    prl_str_free(&told.text);
    struct prl_str text;
    prl_str_init(&text, PRL_OPENAI_REQUEST_MAX);
    err = prl_openai_request(&text, "m", "\"a\":1", &prompt, &params);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_str_free(&text);
}

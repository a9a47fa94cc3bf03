// openai.c -- see openai.h.
#include "llm/openai.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

enum { TEMPERATURE_PERCENT = 70, OUTPUT_TOKENS = 4096, HELD_MAX = 16 };

static const char think_open[] = "<think>";
static const char think_close[] = "</think>";

// ---- the request ----

static void write_calls(struct prl_json_write *json, const struct prl_llm_message *message)
{
    prl_json_write_array(json, "tool_calls");
    for (size_t i = 0; i < message->call_count; i++) {
        const struct prl_llm_call *call = &message->calls[i];
        prl_json_write_object(json, NULL);
        prl_json_write_string(json, "id", call->id ? call->id : "call_0");
        prl_json_write_string(json, "type", "function");
        prl_json_write_object(json, "function");
        prl_json_write_string(json, "name", call->name);
        prl_json_write_string(json, "arguments", call->arguments ? call->arguments : "{}");
        prl_json_write_end_object(json);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_array(json);
}

// The words, if any, and the images as parts.
static void write_parts(struct prl_json_write *json, const struct prl_llm_message *message)
{
    prl_json_write_array(json, "content");
    if (message->len > 0) {
        prl_json_write_object(json, NULL);
        prl_json_write_string(json, "type", "text");
        prl_json_write_bytes(json, "text", message->text, message->len);
        prl_json_write_end_object(json);
    }
    for (size_t i = 0; i < message->image_count; i++) {
        prl_json_write_object(json, NULL);
        prl_json_write_string(json, "type", "image_url");
        prl_json_write_object(json, "image_url");
        prl_json_write_string(json, "url", message->images[i]);
        prl_json_write_end_object(json);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_array(json);
}

static void write_message(struct prl_json_write *json, const struct prl_llm_message *message)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "role", roles[message->role]);
    if (message->image_count > 0)
        write_parts(json, message);
    else if (message->len == 0 && message->call_count > 0)
        prl_json_write_null(json, "content");
    else
        prl_json_write_bytes(json, "content", message->text ? message->text : "", message->len);
    if (message->role == PRL_LLM_TOOL)
        prl_json_write_string(json, "tool_call_id",
                              message->tool_call_id ? message->tool_call_id : "call_0");
    if (message->call_count > 0)
        write_calls(json, message);
    prl_json_write_end_object(json);
}

static void write_tool(struct prl_json_write *json, const struct prl_llm_tool *tool)
{
    static const char nothing[] = "{\"type\":\"object\",\"properties\":{}}";
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "type", "function");
    prl_json_write_object(json, "function");
    prl_json_write_string(json, "name", tool->name);
    if (tool->description)
        prl_json_write_string(json, "description", tool->description);
    prl_json_write_raw(json, "parameters", tool->parameters ? tool->parameters : nothing);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

static void write_tools(struct prl_json_write *json, const struct prl_llm_prompt *prompt)
{
    if (prompt->tool_count == 0 || prompt->tool_choice == PRL_LLM_TOOLS_NONE)
        return;
    prl_json_write_array(json, "tools");
    for (size_t i = 0; i < prompt->tool_count; i++)
        write_tool(json, &prompt->tools[i]);
    prl_json_write_end_array(json);
    if (prompt->tool_choice == PRL_LLM_TOOLS_REQUIRED)
        prl_json_write_string(json, "tool_choice", "required");
    if (prompt->tool_choice != PRL_LLM_TOOLS_NAMED)
        return;
    prl_json_write_object(json, "tool_choice");
    prl_json_write_string(json, "type", "function");
    prl_json_write_object(json, "function");
    prl_json_write_string(json, "name", prompt->tool_name);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

enum prl_err prl_openai_request(struct prl_str *out, const char *model, const char *extra,
                                const struct prl_llm_prompt *prompt,
                                const struct prl_llm_params *params)
{
    struct prl_json_write json;
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "model", model);
    prl_json_write_array(&json, "messages");
    for (size_t i = 0; i < prompt->message_count; i++)
        write_message(&json, &prompt->messages[i]);
    prl_json_write_end_array(&json);
    prl_json_write_bool(&json, "stream", true);
    prl_json_write_object(&json, "stream_options");
    prl_json_write_bool(&json, "include_usage", true);
    prl_json_write_end_object(&json);
    int tokens = params->max_output_tokens;
    prl_json_write_int(&json, "max_tokens", tokens > 0 ? tokens : OUTPUT_TOKENS);
    prl_json_write_real(&json, "temperature",
                        params->temperature < 0 ? TEMPERATURE_PERCENT / 100.0
                                                : params->temperature);
    if (params->top_p > 0)
        prl_json_write_real(&json, "top_p", params->top_p);
    if (params->seed != 0)
        prl_json_write_int(&json, "seed", params->seed);
    if (prompt->stop_count > 0)
        prl_json_write_array(&json, "stop");
    for (size_t i = 0; i < prompt->stop_count; i++)
        prl_json_write_string(&json, NULL, prompt->stops[i]);
    if (prompt->stop_count > 0)
        prl_json_write_end_array(&json);
    write_tools(&json, prompt);
    prl_json_write_end_object(&json);
    if (!out->err && extra && extra[0]) {
        out->data[--out->len] = '\0'; // the last brace
        (void)prl_str_addf(out, ",%s}", extra);
    }
    return out->err;
}

// ---- the answer ----

struct call {
    struct prl_str name;
    struct prl_str arguments;
};

struct prl_openai_reader {
    prl_openai_fn fn;
    void *arg;
    // Owned.
    struct call *calls; // PRL_LLM_CALLS_MAX of them, or NULL
    size_t call_count;
    // State.
    char held[HELD_MAX]; // text that may be the beginning of a tag
    size_t held_len;
    bool thinking;
    bool any_words;
    bool done;  // [DONE]
    bool ended; // a finish reason was told
    enum prl_llm_reason reason;
    struct prl_llm_usage usage;
    enum prl_err dead;
    char why[PRL_OPENAI_WHY_SIZE];
};

enum prl_err prl_openai_reader_create(struct prl_openai_reader **out, prl_openai_fn fn, void *arg)
{
    PRL_CHECK(out != NULL && fn != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->fn = fn;
    (*out)->arg = arg;
    return PRL_OK;
}

void prl_openai_reader_destroy(struct prl_openai_reader **reader)
{
    if (!*reader)
        return;
    for (size_t i = 0; i < (*reader)->call_count; i++) {
        prl_str_free(&(*reader)->calls[i].name);
        prl_str_free(&(*reader)->calls[i].arguments);
    }
    prl_mem_free((*reader)->calls);
    prl_mem_free(*reader);
    *reader = NULL;
}

static enum prl_err die(struct prl_openai_reader *reader, enum prl_err err, const char *why)
{
    reader->dead = err;
    (void)prl_str_copy(reader->why, sizeof(reader->why), why);
    return err;
}

// Blank space before the first word is what thinking leaves behind.
static void give_words(struct prl_openai_reader *reader, const char *text, size_t len)
{
    while (!reader->any_words && len > 0 && strchr(" \r\n\t", *text)) {
        text++;
        len--;
    }
    if (len == 0 || reader->thinking)
        return;
    reader->any_words = true;
    reader->fn(reader->arg, NULL, text, len);
}

// Takes one byte of text that begins, continues or breaks a tag; false: it is plain.
static bool take_tag_byte(struct prl_openai_reader *reader, char byte)
{
    const char *tag = reader->thinking ? think_close : think_open;
    if (byte != tag[reader->held_len] && reader->held_len > 0) {
        size_t len = reader->held_len;
        reader->held_len = 0;
        give_words(reader, tag, len);
    }
    if (byte != tag[reader->held_len])
        return false;
    reader->held[reader->held_len++] = byte;
    if (tag[reader->held_len] == '\0') {
        reader->held_len = 0;
        reader->thinking = !reader->thinking;
    }
    return true;
}

static void take_text(struct prl_openai_reader *reader, const char *text, size_t len)
{
    size_t plain = 0; // where the plain text not given yet begins
    for (size_t i = 0; i < len; i++) {
        bool waits = reader->held_len > 0 || text[i] == '<';
        if (!waits)
            continue;
        if (i > plain && reader->held_len == 0)
            give_words(reader, text + plain, i - plain);
        plain = take_tag_byte(reader, text[i]) ? i + 1 : i;
    }
    if (len > plain)
        give_words(reader, text + plain, len - plain);
}

static struct call *find_call(struct prl_openai_reader *reader, int64_t index)
{
    if (index < 0 || index >= PRL_LLM_CALLS_MAX)
        return NULL;
    if (!reader->calls)
        reader->calls = prl_mem_array(PRL_LLM_CALLS_MAX, sizeof(*reader->calls));
    if (!reader->calls)
        return NULL;
    while (reader->call_count <= (size_t)index) {
        struct call *call = &reader->calls[reader->call_count++];
        prl_str_init(&call->name, PRL_LLM_TOOL_NAME_BYTES_MAX);
        prl_str_init(&call->arguments, PRL_LLM_ARGUMENTS_BYTES_MAX);
    }
    return &reader->calls[index];
}

static enum prl_err take_calls(struct prl_openai_reader *reader, const struct prl_json *calls)
{
    for (size_t i = 0; i < prl_json_count(calls); i++) {
        const struct prl_json *part = prl_json_at(calls, i);
        const struct prl_json *function = prl_json_get(part, "function");
        const struct prl_json *arguments = prl_json_get(function, "arguments");
        int64_t index = prl_json_int(prl_json_get(part, "index"), (int64_t)i);
        bool in_range = index >= 0 && index < PRL_LLM_CALLS_MAX;
        struct call *call = find_call(reader, index);
        if (!call && !reader->calls && reader->call_count == 0 && in_range)
            return die(reader, PRL_ERR_NOMEM, "out of memory");
        if (!call)
            return die(reader, PRL_ERR_LIMIT, "too many tool calls");
        enum prl_err err =
            prl_str_adds(&call->name, prl_json_string(prl_json_get(function, "name"), ""));
        if (!err)
            err = prl_str_add(&call->arguments, prl_json_string(arguments, ""),
                              prl_json_string_len(arguments));
        if (err)
            return die(reader, err, "a tool call is too long");
    }
    return PRL_OK;
}

static void take_reason(struct prl_openai_reader *reader, const char *reason)
{
    if (!reason)
        return;
    reader->ended = true;
    reader->reason = prl_str_equal(reason, "length")       ? PRL_LLM_REASON_LENGTH
                     : prl_str_equal(reason, "tool_calls") ? PRL_LLM_REASON_TOOL
                                                           : PRL_LLM_REASON_STOP;
}

static int small(const struct prl_json *value)
{
    int64_t number = prl_json_int(value, 0);
    return number < 0 || number > 1 << 30 ? 0 : (int)number;
}

static void take_usage(struct prl_openai_reader *reader, const struct prl_json *usage)
{
    if (prl_json_type(usage) != PRL_JSON_OBJECT)
        return;
    reader->usage.input_tokens = small(prl_json_get(usage, "prompt_tokens"));
    reader->usage.output_tokens = small(prl_json_get(usage, "completion_tokens"));
    reader->usage.cached_tokens =
        small(prl_json_get(prl_json_get(usage, "prompt_tokens_details"), "cached_tokens"));
}

static enum prl_err take_event(struct prl_openai_reader *reader, const struct prl_json *root)
{
    const struct prl_json *error = prl_json_get(root, "error");
    if (prl_json_type(error) == PRL_JSON_OBJECT)
        return die(reader, PRL_ERR_REMOTE,
                   prl_json_string(prl_json_get(error, "message"), "the server failed"));
    if (prl_json_type(error) == PRL_JSON_STRING)
        return die(reader, PRL_ERR_REMOTE, prl_json_string(error, ""));
    if (prl_json_type(root) != PRL_JSON_OBJECT)
        return die(reader, PRL_ERR_INVALID, "an event that is no object");
    take_usage(reader, prl_json_get(root, "usage"));
    const struct prl_json *choice = prl_json_at(prl_json_get(root, "choices"), 0);
    const struct prl_json *delta = prl_json_get(choice, "delta");
    const struct prl_json *content = prl_json_get(delta, "content");
    enum prl_err err = take_calls(reader, prl_json_get(delta, "tool_calls"));
    take_reason(reader, prl_json_string(prl_json_get(choice, "finish_reason"), NULL));
    if (!err)
        take_text(reader, prl_json_string(content, ""), prl_json_string_len(content));
    return err;
}

enum prl_err prl_openai_reader_push(struct prl_openai_reader *reader, const char *data, size_t len)
{
    if (reader->dead || reader->done)
        return reader->dead;
    if (len == 6 && memcmp(data, "[DONE]", 6) == 0) {
        reader->done = true;
        return PRL_OK;
    }
    struct prl_json *root;
    char problem[100];
    enum prl_err err = prl_json_parse(&root, data, len, problem, sizeof(problem));
    if (err)
        return die(reader, err, err == PRL_ERR_NOMEM ? "out of memory" : "an event is no JSON");
    err = take_event(reader, root);
    prl_json_free(&root);
    return err;
}

static enum prl_err give_call(struct prl_openai_reader *reader, const struct call *call)
{
    const char *arguments = call->arguments.len ? prl_str_text(&call->arguments) : "{}";
    struct prl_json *root;
    enum prl_err err = prl_json_parse(&root, arguments, strlen(arguments), NULL, 0);
    bool object = !err && prl_json_type(root) == PRL_JSON_OBJECT;
    if (!err)
        prl_json_free(&root);
    if (err == PRL_ERR_NOMEM)
        return die(reader, err, "out of memory");
    if (!object || call->name.len == 0)
        return die(reader, PRL_ERR_INVALID, "a tool call that cannot be made");
    reader->fn(reader->arg, prl_str_text(&call->name), arguments, strlen(arguments));
    return PRL_OK;
}

enum prl_err prl_openai_reader_end(struct prl_openai_reader *reader)
{
    if (reader->dead)
        return reader->dead;
    if (!reader->ended)
        return die(reader, PRL_ERR_INVALID, "the answer ended too early");
    if (!reader->thinking && reader->held_len > 0)
        give_words(reader, reader->held, reader->held_len);
    reader->held_len = 0;
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < reader->call_count && !err; i++)
        err = give_call(reader, &reader->calls[i]);
    if (!err && reader->call_count > 0)
        reader->reason = PRL_LLM_REASON_TOOL;
    return err;
}

bool prl_openai_reader_done(const struct prl_openai_reader *reader)
{
    return reader->done;
}

enum prl_llm_reason prl_openai_reader_reason(const struct prl_openai_reader *reader)
{
    return reader->reason;
}

struct prl_llm_usage prl_openai_reader_usage(const struct prl_openai_reader *reader)
{
    return reader->usage;
}

const char *prl_openai_reader_why(const struct prl_openai_reader *reader)
{
    return reader->why;
}

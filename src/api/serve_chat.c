// serve_chat.c -- POST /v1/chat/completions: messages in, the model's answer out, whole or as a stream.
#include <stdio.h>
#include <string.h>

#include "api/auth.h"
#include "api/serve.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/hash.h"
#include "llm/llm.h"
#include "net/http.h"

enum { REPLY_MAX = 1 << 20, NAME_SIZE = 80 };

struct chat {
    struct prl_serve_order order;
    struct prl_llm_stream *llm;
    char id[40];
    char model[NAME_SIZE];
    char owner[PRL_HASH_TEXT_SIZE]; // of the key that was shown; "": none is needed
    int64_t created_s;
    bool stream, usage_wanted;
    bool begun;           // the stream's head is sent
    struct prl_str text;  // of an answer that is given whole
    struct prl_str calls; // the members of its tool_calls
    int call_count;
};

// What a request's JSON became; lives until the model has copied it.
struct draft {
    struct prl_llm_message *messages;
    struct prl_llm_call *calls; // of all messages, in order
    struct prl_llm_tool *tools;
    struct prl_str texts; // contents that were put together, and tools' schemas, each with its zero
    size_t call_count;
    const char *stops[PRL_LLM_STOPS_MAX];
    const char **images; // of all messages, in order; the parsed JSON's
    size_t image_count;
    bool sees;                   // the model does
    const char *param, *message; // what is wrong
};

static void close_chat(struct prl_serve_order *order)
{
    struct chat *chat = (struct chat *)order;
    prl_llm_close(&chat->llm);
    prl_str_free(&chat->text);
    prl_str_free(&chat->calls);
}

// ---- the answer ----

static void open_object(const struct chat *chat, struct prl_json_write *json, const char *object)
{
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "id", chat->id);
    prl_json_write_string(json, "object", object);
    prl_json_write_int(json, "created", chat->created_s);
    prl_json_write_string(json, "model", chat->model);
}

static void write_usage(struct prl_json_write *json, const struct prl_llm_usage *usage)
{
    prl_json_write_object(json, "usage");
    prl_json_write_int(json, "prompt_tokens", usage->input_tokens);
    prl_json_write_int(json, "completion_tokens", usage->output_tokens);
    prl_json_write_int(json, "total_tokens", usage->input_tokens + usage->output_tokens);
    prl_json_write_object(json, "prompt_tokens_details");
    prl_json_write_int(json, "cached_tokens", usage->cached_tokens);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

static const char *reason_name(const struct chat *chat, enum prl_llm_reason reason)
{
    if (reason == PRL_LLM_REASON_TOOL || chat->call_count > 0)
        return "tool_calls";
    return reason == PRL_LLM_REASON_STOP ? "stop" : "length";
}

// Sends one event; `out` is a whole "data: …" block.
static void send(struct chat *chat, struct prl_str *out)
{
    static const struct prl_http_header headers[] = {{"Cache-Control", "no-cache"}};
    struct prl_http_response head = {
        .status = 200, .content_type = "text/event-stream", .headers = headers, .header_count = 1};
    enum prl_err err = out->err;
    if (!err && !chat->begun && chat->order.request) {
        err = prl_http_stream_begin(chat->order.request, &head);
        chat->begun = !err;
    }
    if (!err && chat->order.request)
        err = prl_http_stream_chunk(chat->order.request, out->data, out->len);
    prl_str_free(out);
    if (!err || !chat->order.request)
        return;
    // The client does not read, or there is no memory: it sees that the connection breaks off.
    if (!chat->begun) {
        prl_serve_refuse(&chat->order, 503, "server_error", NULL, "The answer cannot be sent.");
        return;
    }
    prl_http_stream_abort(chat->order.request);
    chat->order.request = NULL;
    prl_serve_end(&chat->order);
}

// Begins a chunk up to its delta's members.
static void open_chunk(const struct chat *chat, struct prl_json_write *json, struct prl_str *out)
{
    prl_str_init(out, REPLY_MAX);
    (void)prl_str_adds(out, "data: ");
    prl_json_write_init(json, out);
    open_object(chat, json, "chat.completion.chunk");
    prl_json_write_array(json, "choices");
    prl_json_write_object(json, NULL);
    prl_json_write_int(json, "index", 0);
    prl_json_write_object(json, "delta");
    if (!chat->begun)
        prl_json_write_string(json, "role", "assistant");
}

static void send_chunk(struct chat *chat, struct prl_json_write *json, struct prl_str *out,
                       const char *reason)
{
    prl_json_write_end_object(json);
    prl_json_write_string(json, "finish_reason", reason);
    prl_json_write_end_object(json);
    prl_json_write_end_array(json);
    prl_json_write_end_object(json);
    (void)prl_str_adds(out, "\n\n");
    send(chat, out);
}

static void write_call(struct chat *chat, struct prl_json_write *json,
                       const struct prl_llm_event *event)
{
    prl_json_write_object(json, NULL);
    prl_json_write_int(json, "index", chat->call_count++);
    prl_json_write_string(json, "id", event->call_id);
    prl_json_write_string(json, "type", "function");
    prl_json_write_object(json, "function");
    prl_json_write_string(json, "name", event->name);
}

static void stream_event(struct chat *chat, const struct prl_llm_event *event)
{
    struct prl_json_write json;
    struct prl_str out;
    open_chunk(chat, &json, &out);
    if (event->kind == PRL_LLM_EVENT_TOKEN) {
        prl_json_write_bytes(&json, "content", event->text, event->len);
    } else {
        prl_json_write_array(&json, "tool_calls");
        if (event->kind == PRL_LLM_EVENT_TOOL_BEGIN) {
            write_call(chat, &json, event);
        } else {
            prl_json_write_object(&json, NULL);
            prl_json_write_int(&json, "index", chat->call_count - 1);
            prl_json_write_object(&json, "function");
        }
        prl_json_write_bytes(&json, "arguments", event->text ? event->text : "", event->len);
        prl_json_write_end_object(&json);
        prl_json_write_end_object(&json);
        prl_json_write_end_array(&json);
    }
    send_chunk(chat, &json, &out, NULL);
}

static void stream_usage(struct chat *chat, const struct prl_llm_usage *usage)
{
    struct prl_json_write json;
    struct prl_str out;
    prl_str_init(&out, REPLY_MAX);
    (void)prl_str_adds(&out, "data: ");
    prl_json_write_init(&json, &out);
    open_object(chat, &json, "chat.completion.chunk");
    prl_json_write_array(&json, "choices");
    prl_json_write_end_array(&json);
    write_usage(&json, usage);
    prl_json_write_end_object(&json);
    (void)prl_str_adds(&out, "\n\n");
    send(chat, &out);
}

static void end_stream(struct chat *chat)
{
    struct prl_str out;
    prl_str_init(&out, REPLY_MAX);
    (void)prl_str_adds(&out, "data: [DONE]\n\n");
    send(chat, &out);
    if (!chat->order.request)
        return;
    prl_http_stream_end(chat->order.request);
    chat->order.request = NULL;
    prl_serve_end(&chat->order);
}

static void finish_stream(struct chat *chat, const struct prl_llm_event *event)
{
    struct prl_json_write json;
    struct prl_str out;
    open_chunk(chat, &json, &out);
    send_chunk(chat, &json, &out, reason_name(chat, event->reason));
    if (chat->usage_wanted)
        stream_usage(chat, &event->usage);
    end_stream(chat);
}

static void keep_event(struct chat *chat, const struct prl_llm_event *event)
{
    struct prl_json_write json;
    if (event->kind == PRL_LLM_EVENT_TOKEN) {
        (void)prl_str_add(&chat->text, event->text, event->len);
        return;
    }
    // A call's JSON is written in two steps, so its end is put behind by hand.
    prl_json_write_init(&json, &chat->calls);
    if (event->kind == PRL_LLM_EVENT_TOOL_BEGIN) {
        if (chat->call_count > 0)
            (void)prl_str_addc(&chat->calls, ',');
        write_call(chat, &json, event);
        (void)prl_str_adds(&chat->calls, ",\"arguments\":");
    } else {
        prl_json_write_bytes(&json, NULL, event->text, event->len);
        (void)prl_str_adds(&chat->calls, "}}");
    }
}

static void finish_whole(struct chat *chat, const struct prl_llm_event *event)
{
    struct prl_str out;
    struct prl_json_write json;
    prl_str_init(&out, 2 * REPLY_MAX + 4096);
    prl_json_write_init(&json, &out);
    open_object(chat, &json, "chat.completion");
    prl_json_write_array(&json, "choices");
    prl_json_write_object(&json, NULL);
    prl_json_write_int(&json, "index", 0);
    prl_json_write_object(&json, "message");
    prl_json_write_string(&json, "role", "assistant");
    if (chat->text.len > 0 || chat->call_count == 0)
        prl_json_write_bytes(&json, "content", prl_str_text(&chat->text), chat->text.len);
    else
        prl_json_write_null(&json, "content");
    if (chat->call_count > 0) {
        prl_json_write_array(&json, "tool_calls");
        prl_json_write_raw(&json, NULL, prl_str_text(&chat->calls));
        prl_json_write_end_array(&json);
    }
    prl_json_write_end_object(&json);
    prl_json_write_string(&json, "finish_reason", reason_name(chat, event->reason));
    prl_json_write_end_object(&json);
    prl_json_write_end_array(&json);
    write_usage(&json, &event->usage);
    prl_json_write_end_object(&json);
    enum prl_err err = chat->text.err    ? chat->text.err
                       : chat->calls.err ? chat->calls.err
                                         : out.err;
    if (err) {
        prl_serve_refuse(&chat->order, 500, "server_error", NULL, prl_err_name(err));
    } else {
        struct prl_http_request *request = chat->order.request;
        chat->order.request = NULL;
        prl_http_reply(request, &(struct prl_http_response){.status = 200,
                                                            .content_type = "application/json",
                                                            .body = out.data,
                                                            .body_size = out.len});
        prl_serve_end(&chat->order);
    }
    prl_str_free(&out);
}

static void fail(struct chat *chat, const char *why)
{
    if (!chat->begun) {
        prl_serve_refuse(&chat->order, 500, "server_error", NULL, why);
        return;
    }
    struct prl_str out;
    struct prl_json_write json;
    prl_str_init(&out, REPLY_MAX);
    (void)prl_str_adds(&out, "data: ");
    prl_json_write_init(&json, &out);
    prl_json_write_object(&json, NULL);
    prl_json_write_object(&json, "error");
    prl_json_write_string(&json, "message", why);
    prl_json_write_string(&json, "type", "server_error");
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    (void)prl_str_adds(&out, "\n\n");
    send(chat, &out);
    if (chat->order.request)
        end_stream(chat);
}

static void on_llm(void *arg, const struct prl_llm_event *event)
{
    struct chat *chat = arg;
    if (!chat->order.request)
        return;
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
    case PRL_LLM_EVENT_TOOL_BEGIN:
    case PRL_LLM_EVENT_TOOL_ARGS:
        if (chat->stream)
            stream_event(chat, event);
        else
            keep_event(chat, event);
        break;
    case PRL_LLM_EVENT_TOOL_END:
    case PRL_LLM_EVENT_AUDIO:
        break;
    case PRL_LLM_EVENT_DONE:
        if (chat->stream)
            finish_stream(chat, event);
        else
            finish_whole(chat, event);
        break;
    case PRL_LLM_EVENT_ERROR:
        fail(chat, event->text ? event->text : "The model failed.");
        break;
    }
}

// ---- the request ----

static void wrong(struct draft *draft, const char *param, const char *message)
{
    if (!draft->message) {
        draft->param = param;
        draft->message = message;
    }
}

static const char *keep_text(struct draft *draft, size_t from)
{
    (void)prl_str_addc(&draft->texts, '\0');
    return draft->texts.data + from;
}

static void read_image(struct draft *draft, const struct prl_json *part,
                       struct prl_llm_message *message)
{
    static const char scheme[] = "data:image/";
    const char *url = prl_json_string(prl_json_get(prl_json_get(part, "image_url"), "url"), "");
    if (!draft->sees) {
        wrong(draft, "messages", "The embedded model sees no images.");
    } else if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) {
        wrong(draft, "messages", "Expected an image as a data URL: data:image/…;base64,….");
    } else if (message->role != PRL_LLM_USER || message->image_count == PRL_LLM_IMAGES_MAX) {
        wrong(draft, "messages", "Expected at most 8 images in a message, and of the user only.");
    } else {
        draft->images[draft->image_count++] = url;
        message->image_count++;
    }
}

static void read_parts(struct draft *draft, const struct prl_json *parts,
                       struct prl_llm_message *message)
{
    size_t from = draft->texts.len;
    message->images = draft->images + draft->image_count;
    for (size_t i = 0; i < prl_json_count(parts); i++) {
        const struct prl_json *part = prl_json_at(parts, i);
        const struct prl_json *text = prl_json_get(part, "text");
        if (prl_str_equal(prl_json_string(prl_json_get(part, "type"), ""), "image_url"))
            read_image(draft, part, message);
        else if (prl_json_type(text) != PRL_JSON_STRING)
            wrong(draft, "messages", "Expected parts of type 'text' or 'image_url'.");
        else
            (void)prl_str_add(&draft->texts, prl_json_string(text, ""), prl_json_string_len(text));
    }
    message->len = draft->texts.len - from;
    message->text = keep_text(draft, from);
}

static void read_calls(struct draft *draft, const struct prl_json *calls,
                       struct prl_llm_message *message)
{
    message->calls = draft->calls + draft->call_count;
    message->call_count = prl_json_count(calls);
    for (size_t i = 0; i < message->call_count; i++) {
        const struct prl_json *call = prl_json_at(calls, i);
        const struct prl_json *function = prl_json_get(call, "function");
        draft->calls[draft->call_count++] = (struct prl_llm_call){
            .id = prl_json_string(prl_json_get(call, "id"), NULL),
            .name = prl_json_string(prl_json_get(function, "name"), ""),
            .arguments = prl_json_string(prl_json_get(function, "arguments"), NULL)};
    }
}

static void read_message(struct draft *draft, const struct prl_json *from,
                         struct prl_llm_message *message)
{
    static const struct {
        const char *name;
        enum prl_llm_role role;
    } roles[] = {{"system", PRL_LLM_SYSTEM},
                 {"developer", PRL_LLM_SYSTEM},
                 {"user", PRL_LLM_USER},
                 {"assistant", PRL_LLM_ASSISTANT},
                 {"tool", PRL_LLM_TOOL}};
    const char *role = prl_json_string(prl_json_get(from, "role"), "");
    const struct prl_json *content = prl_json_get(from, "content");
    size_t found = 0;
    while (found < 5 && strcmp(roles[found].name, role) != 0)
        found++;
    if (found == 5) {
        wrong(draft, "messages", "Expected the role system, developer, user, assistant or tool.");
        return;
    }
    *message = (struct prl_llm_message){.role = roles[found].role};
    message->tool_call_id = prl_json_string(prl_json_get(from, "tool_call_id"), NULL);
    if (prl_json_type(content) == PRL_JSON_ARRAY) {
        read_parts(draft, content, message);
    } else {
        message->text = prl_json_string(content, "");
        message->len = prl_json_string_len(content);
    }
    if (message->role == PRL_LLM_ASSISTANT)
        read_calls(draft, prl_json_get(from, "tool_calls"), message);
}

static void read_tools(struct draft *draft, const struct prl_json *tools)
{
    for (size_t i = 0; i < prl_json_count(tools); i++) {
        const struct prl_json *function = prl_json_get(prl_json_at(tools, i), "function");
        const struct prl_json *parameters = prl_json_get(function, "parameters");
        struct prl_llm_tool *tool = &draft->tools[i];
        *tool = (struct prl_llm_tool){
            .name = prl_json_string(prl_json_get(function, "name"), ""),
            .description = prl_json_string(prl_json_get(function, "description"), NULL)};
        if (prl_json_type(parameters) == PRL_JSON_OBJECT) {
            size_t from = draft->texts.len;
            (void)prl_json_dump(parameters, &draft->texts);
            tool->parameters = keep_text(draft, from);
        }
        if (!tool->name[0])
            wrong(draft, "tools", "Expected a function with a name.");
    }
}

static void read_choice(const struct prl_json *choice, struct prl_llm_prompt *prompt)
{
    const char *word = prl_json_string(choice, "auto");
    prompt->tool_name =
        prl_json_string(prl_json_get(prl_json_get(choice, "function"), "name"), NULL);
    prompt->tool_choice = prompt->tool_name               ? PRL_LLM_TOOLS_NAMED
                          : strcmp(word, "none") == 0     ? PRL_LLM_TOOLS_NONE
                          : strcmp(word, "required") == 0 ? PRL_LLM_TOOLS_REQUIRED
                                                          : PRL_LLM_TOOLS_AUTO;
}

// One text, or a list of up to four.
static void read_stops(struct draft *draft, const struct prl_json *stop,
                       struct prl_llm_prompt *prompt)
{
    bool list = prl_json_type(stop) == PRL_JSON_ARRAY;
    size_t count = list ? prl_json_count(stop) : prl_json_type(stop) == PRL_JSON_STRING;
    bool good = count <= PRL_LLM_STOPS_MAX;
    for (size_t i = 0; i < count && good; i++) {
        const struct prl_json *text = list ? prl_json_at(stop, i) : stop;
        size_t len = prl_json_string_len(text);
        draft->stops[i] = prl_json_string(text, "");
        good = len > 0 && len < PRL_LLM_STOP_BYTES_MAX && strlen(draft->stops[i]) == len;
    }
    if (!good)
        wrong(draft, "stop", "Expected one to four texts of 1 to 127 bytes.");
    prompt->stops = draft->stops;
    prompt->stop_count = good ? count : 0;
}

static void refuse_unknown(struct draft *draft, const struct prl_json *root)
{
    if (prl_json_int(prl_json_get(root, "n"), 1) != 1)
        wrong(draft, "n", "The embedded model gives one answer.");
    if (prl_json_count(prl_json_get(root, "messages")) == 0)
        wrong(draft, "messages", "Expected at least one message.");
}

// As many as there may be images.
static size_t count_parts(const struct prl_json *messages)
{
    size_t count = 0;
    for (size_t i = 0; i < prl_json_count(messages); i++) {
        const struct prl_json *content = prl_json_get(prl_json_at(messages, i), "content");
        count += prl_json_type(content) == PRL_JSON_ARRAY ? prl_json_count(content) : 0;
    }
    return count;
}

static size_t count_calls(const struct prl_json *messages)
{
    size_t count = 0;
    for (size_t i = 0; i < prl_json_count(messages); i++)
        count += prl_json_count(prl_json_get(prl_json_at(messages, i), "tool_calls"));
    return count;
}

// Room for everything that points anywhere; `size` is the body's, which no text exceeds.
static enum prl_err make_room(struct draft *draft, const struct prl_json *root, size_t size)
{
    const struct prl_json *messages = prl_json_get(root, "messages");
    size_t message_count = prl_json_count(messages);
    size_t tool_count = prl_json_count(prl_json_get(root, "tools"));
    if (message_count > PRL_LLM_MESSAGES_MAX || tool_count > PRL_LLM_TOOLS_MAX)
        return PRL_ERR_LIMIT;
    // All of it at once: what is kept may not move, so a text that grows beyond it is refused.
    size_t room = 2 * size + message_count + tool_count + 1;
    draft->messages = prl_mem_array(message_count + 1, sizeof(*draft->messages));
    draft->calls = prl_mem_array(count_calls(messages) + 1, sizeof(*draft->calls));
    draft->tools = prl_mem_array(tool_count + 1, sizeof(*draft->tools));
    draft->images = prl_mem_array(count_parts(messages) + 1, sizeof(*draft->images));
    prl_str_init(&draft->texts, room);
    if (!draft->messages || !draft->calls || !draft->tools || !draft->images)
        return PRL_ERR_NOMEM;
    return prl_str_reserve(&draft->texts, room);
}

static void read_params(struct chat *chat, const struct prl_json *root,
                        struct prl_llm_params *params)
{
    const struct prl_json *tokens = prl_json_get(root, "max_completion_tokens");
    int64_t limit = prl_json_int(tokens ? tokens : prl_json_get(root, "max_tokens"), 0);
    *params = (struct prl_llm_params){.committed = true};
    params->max_output_tokens =
        limit < 0 ? 0
                  : (int)(limit < PRL_LLM_OUTPUT_TOKENS_MAX ? limit : PRL_LLM_OUTPUT_TOKENS_MAX);
    double temperature = prl_json_real(prl_json_get(root, "temperature"), -1);
    double top_p = prl_json_real(prl_json_get(root, "top_p"), 0);
    params->temperature = temperature > 2 ? 2 : temperature;
    params->top_p = top_p > 0 && top_p <= 1 ? top_p : 0;
    params->seed = (uint32_t)prl_json_int(prl_json_get(root, "seed"), 0);
    chat->stream = prl_json_bool(prl_json_get(root, "stream"), false);
    chat->usage_wanted =
        prl_json_bool(prl_json_get(prl_json_get(root, "stream_options"), "include_usage"), false);
    (void)prl_str_copy(chat->model, sizeof(chat->model),
                       prl_json_string(prl_json_get(root, "model"), "parley"));
}

static enum prl_err generate(struct chat *chat, struct draft *draft, const struct prl_json *root)
{
    const struct prl_json *messages = prl_json_get(root, "messages");
    struct prl_llm_prompt prompt = {.messages = draft->messages,
                                    .message_count = prl_json_count(messages),
                                    .tools = draft->tools,
                                    .tool_count = prl_json_count(prl_json_get(root, "tools"))};
    struct prl_llm_params params;
    for (size_t i = 0; i < prompt.message_count; i++)
        read_message(draft, prl_json_at(messages, i), &draft->messages[i]);
    read_tools(draft, prl_json_get(root, "tools"));
    read_choice(prl_json_get(root, "tool_choice"), &prompt);
    read_stops(draft, prl_json_get(root, "stop"), &prompt);
    refuse_unknown(draft, root);
    read_params(chat, root, &params);
    params.owner = chat->owner;
    if (draft->message || draft->texts.err)
        return draft->texts.err ? draft->texts.err : PRL_ERR_INVALID;
    struct prl_llm_stream_conf conf = {.fn = on_llm, .arg = chat};
    struct prl_llm *llm = prl_serve_conf(chat->order.serve)->llm;
    enum prl_err err = llm ? prl_llm_open(llm, &conf, &chat->llm) : PRL_ERR_ENGINE;
    return err ? err : prl_llm_generate(chat->llm, 1, &prompt, &params);
}

static void refuse(struct chat *chat, const struct draft *draft, enum prl_err err)
{
    if (draft->message)
        prl_serve_refuse(&chat->order, 400, "invalid_value", draft->param, draft->message);
    else if (err == PRL_ERR_INVALID || err == PRL_ERR_LIMIT)
        prl_serve_refuse(&chat->order, 400, "invalid_value", "messages",
                         "A prompt of this form or size cannot be answered.");
    else
        prl_serve_refuse(&chat->order, 503, "server_error", NULL, "No model takes this now.");
}

// Where no key is needed all are one.
static void read_owner(struct chat *chat, const struct prl_http_request *request)
{
    char shown[PRL_AUTH_KEY_MAX] = "";
    bool any = prl_auth_count(prl_serve_conf(chat->order.serve)->auth) > 0 &&
               prl_auth_shown(request, shown);
    if (any && prl_hash_bytes(shown, strlen(shown), chat->owner) != PRL_OK)
        chat->owner[0] = '\0';
    explicit_bzero(shown, sizeof(shown));
}

void prl_serve_chat(void *arg, struct prl_http_request *request)
{
    struct prl_serve *serve = arg;
    struct chat *chat = prl_serve_open(serve, request, sizeof(*chat), close_chat);
    if (!chat)
        return;
    size_t size;
    char problem[160];
    struct prl_json *root;
    const char *body = prl_http_body(request, &size);
    int64_t wall_us = prl_clock_wall_us();
    chat->created_s = wall_us / 1000000;
    snprintf(chat->id, sizeof(chat->id), "chatcmpl-%016llx", (unsigned long long)wall_us);
    read_owner(chat, request);
    prl_str_init(&chat->text, REPLY_MAX);
    prl_str_init(&chat->calls, REPLY_MAX);
    if (prl_json_parse(&root, body ? body : "", size, problem, sizeof(problem)) != PRL_OK) {
        prl_serve_refuse(&chat->order, 400, "invalid_json", NULL, problem);
        return;
    }
    const struct prl_llm *llm = prl_serve_conf(serve)->llm;
    struct draft draft = {.sees = llm && prl_llm_sees(llm)};
    enum prl_err err = make_room(&draft, root, size);
    if (!err)
        err = generate(chat, &draft, root);
    if (err)
        refuse(chat, &draft, err);
    prl_mem_free(draft.messages);
    prl_mem_free(draft.calls);
    prl_mem_free(draft.tools);
    prl_mem_free(draft.images);
    prl_str_free(&draft.texts);
    prl_json_free(&root);
}

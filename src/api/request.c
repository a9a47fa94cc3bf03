// request.c -- see request.h.
#include "api/request.h"

#include <string.h>

#include "api/problem.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    EVENT_ID_MAX = 512,
    ID_MAX = PRL_HISTORY_ID_MAX - 1,
    INPUT_MAX = 256,
    METADATA_PAIRS = 16,
    METADATA_KEY = 64,
    METADATA_VALUE = 512,
    TEXT_MAX = PRL_SESSION_TEXT_MAX
};

// One request being handled.
struct request {
    const struct prl_request_target *target;
    struct prl_fields fields;
    struct prl_problem problem;
    const char *event_id;
};

void prl_request_conf(const struct prl_request_target *target, struct prl_session_conf *conf)
{
    *conf = *target->base;
    prl_api_session_conf(target->object, conf);
}

// ---- session ----

static void session_update(struct request *request)
{
    const struct prl_request_target *target = request->target;
    const struct prl_json *update = prl_json_get(request->fields.object, "session");
    enum prl_err err = prl_api_session_update(
        target->object, update, prl_session_voiced(target->session), &request->problem);
    if (err || request->problem.code) {
        prl_problem_set(&request->problem, "server_error", NULL, "%s", prl_err_name(err));
        return;
    }
    struct prl_session_conf conf;
    prl_request_conf(target, &conf);
    err = prl_session_configure(target->session, &conf);
    if (err)
        prl_problem_set(&request->problem, "server_error", NULL, "%s", prl_err_name(err));
    else
        prl_events_session(target->events, false);
}

// ---- items ----

struct new_item {
    struct prl_item_new item;
    struct prl_history_part parts[PRL_HISTORY_PARTS_MAX];
    size_t part_count;
};

static void read_image(struct request *request, const struct prl_fields *part, struct new_item *out)
{
    static const char scheme[] = "data:image/";
    const char *url = "";
    size_t images = 0;
    for (size_t i = 0; i < out->part_count; i++)
        images += out->parts[i].image;
    if (!prl_session_sees(request->target->session))
        prl_problem_set(&request->problem, "unsupported_content_type", "item.content.type",
                        "The language model that is configured sees no images.");
    else if (out->item.kind != PRL_ITEM_USER || images == PRL_LLM_IMAGES_MAX)
        prl_problem_set(&request->problem, "invalid_value", "item.content",
                        "Expected at most %d images in a message, and of the user only.",
                        PRL_LLM_IMAGES_MAX);
    else if (!prl_fields_string(part, "image_url", PRL_HISTORY_IMAGE_MAX, &url) ||
             strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        prl_problem_set(&request->problem, "invalid_value", "item.content.image_url",
                        "Expected an image as a data URL: data:image/…;base64,….");
    else
        out->parts[out->part_count++] =
            (struct prl_history_part){.text = url, .len = strlen(url), .image = true};
}

static void read_part(struct request *request, const struct prl_json *value, struct new_item *out)
{
    struct prl_fields fields = {value, "item.content", &request->problem};
    const char *type = "";
    const char *text = NULL;
    (void)prl_fields_need_string(&fields, "type", 32, &type);
    if (strcmp(type, "input_image") == 0) {
        read_image(request, &fields, out);
        return;
    }
    bool audio = prl_str_ends(type, "audio");
    bool plain = strcmp(type, "input_text") == 0 || strcmp(type, "output_text") == 0 ||
                 strcmp(type, "text") == 0;
    if (!audio && !plain) {
        prl_problem_set(&request->problem, "unsupported_content_type", "item.content.type",
                        "Content of type '%s' is not supported: use input_text, output_text, "
                        "input_image, or audio with a transcript.",
                        type);
        return;
    }
    if (!prl_fields_string(&fields, audio ? "transcript" : "text", TEXT_MAX, &text)) {
        prl_problem_set(&request->problem,
                        audio ? "unsupported_content_type" : "missing_required_parameter",
                        audio ? "item.content.transcript" : "item.content.text",
                        audio ? "Audio content is taken with its 'transcript' only; send sound "
                                "itself through input_audio_buffer.append."
                              : "Missing required parameter: 'item.content.text'.");
        return;
    }
    out->parts[out->part_count++] =
        (struct prl_history_part){.text = text, .len = strlen(text), .audio = audio};
}

static void read_message(struct request *request, const struct prl_fields *item,
                         struct new_item *out)
{
    static const char *const roles[] = {"system", "user", "assistant", NULL};
    size_t role = 1;
    const struct prl_json *content;
    if (!prl_fields_choice(item, "role", roles, &role))
        prl_problem_set(&request->problem, "missing_required_parameter", "item.role",
                        "Missing required parameter: 'item.role'.");
    out->item.kind = (enum prl_item_kind)role;
    if (!prl_fields_array(item, "content", &content)) {
        prl_problem_set(&request->problem, "missing_required_parameter", "item.content",
                        "Missing required parameter: 'item.content'.");
        return;
    }
    if (prl_json_count(content) > PRL_HISTORY_PARTS_MAX) {
        prl_problem_set(&request->problem, "invalid_value", "item.content",
                        "%zu content parts are more than the limit of %d.", prl_json_count(content),
                        PRL_HISTORY_PARTS_MAX);
        return;
    }
    for (size_t i = 0; i < prl_json_count(content) && !request->problem.code; i++)
        read_part(request, prl_json_at(content, i), out);
}

static void read_text_part(const struct prl_fields *item, const char *name, struct new_item *out)
{
    const char *text = "";
    if (prl_fields_need_string(item, name, TEXT_MAX, &text))
        out->parts[out->part_count++] =
            (struct prl_history_part){.text = text, .len = strlen(text)};
}

static void read_item(struct request *request, const struct prl_fields *item, struct new_item *out)
{
    static const char *const types[] = {"message", "function_call", "function_call_output", NULL};
    size_t type = 0;
    *out = (struct new_item){.item.status = PRL_ITEM_COMPLETED};
    if (!prl_fields_choice(item, "type", types, &type))
        prl_problem_set(&request->problem, "missing_required_parameter", "item.type",
                        "Missing required parameter: 'item.type'.");
    (void)prl_fields_string(item, "id", ID_MAX, &out->item.id);
    if (out->item.id && !*out->item.id)
        out->item.id = NULL;
    switch (type) {
    case 0:
        read_message(request, item, out);
        break;
    case 1:
        out->item.kind = PRL_ITEM_CALL;
        (void)prl_fields_string(item, "call_id", ID_MAX, &out->item.call_id);
        (void)prl_fields_need_string(item, "name", PRL_HISTORY_NAME_MAX - 1, &out->item.name);
        read_text_part(item, "arguments", out);
        break;
    default:
        out->item.kind = PRL_ITEM_OUTPUT;
        (void)prl_fields_need_string(item, "call_id", ID_MAX, &out->item.call_id);
        read_text_part(item, "output", out);
        break;
    }
    if (out->item.kind == PRL_ITEM_CALL && !out->item.call_id)
        out->item.call_id = "";
}

static void item_create(struct request *request)
{
    char path[16];
    struct prl_fields item;
    struct new_item new_item;
    const char *after = NULL;
    (void)prl_fields_string(&request->fields, "previous_item_id", ID_MAX, &after);
    if (!prl_fields_object(&request->fields, "item", path, sizeof(path), &item)) {
        prl_problem_set(&request->problem, "missing_required_parameter", "item",
                        "Missing required parameter: 'item'.");
        return;
    }
    read_item(request, &item, &new_item);
    if (!request->problem.code)
        prl_session_add_item(request->target->session, after, &new_item.item, new_item.parts,
                             new_item.part_count, request->event_id);
}

static void item_delete(struct request *request)
{
    const char *id;
    if (prl_fields_need_string(&request->fields, "item_id", EVENT_ID_MAX, &id))
        prl_session_delete_item(request->target->session, id, request->event_id);
}

static void item_retrieve(struct request *request)
{
    const char *id;
    if (!prl_fields_need_string(&request->fields, "item_id", EVENT_ID_MAX, &id))
        return;
    const struct prl_item *item =
        prl_history_find(prl_session_history(request->target->session), id);
    if (item)
        prl_events_retrieved(request->target->events, item);
    else
        prl_problem_set(&request->problem, "item_retrieve_invalid_item_id", "item_id",
                        "Error retrieving item: the item with id '%.64s' does not exist.", id);
}

static void item_truncate(struct request *request)
{
    const char *id;
    int64_t content_index = 0;
    int64_t audio_end_ms = 0;
    if (!prl_fields_need_string(&request->fields, "item_id", EVENT_ID_MAX, &id))
        return;
    (void)prl_fields_int(&request->fields, "content_index", 0, INT32_MAX, &content_index);
    if (!prl_fields_int(&request->fields, "audio_end_ms", 0, INT64_MAX, &audio_end_ms))
        prl_problem_set(&request->problem, "missing_required_parameter", "audio_end_ms",
                        "Missing required parameter: 'audio_end_ms'.");
    if (!request->problem.code)
        prl_session_truncate(request->target->session, id, content_index, audio_end_ms,
                             request->event_id);
}

// ---- responses ----

static void read_metadata(struct request *request, const struct prl_fields *response,
                          struct prl_str *out)
{
    char path[32];
    struct prl_fields metadata;
    if (!prl_fields_object(response, "metadata", path, sizeof(path), &metadata))
        return;
    void *cursor = NULL;
    const char *key;
    const struct prl_json *value;
    if (prl_json_count(metadata.object) > METADATA_PAIRS)
        prl_problem_set(&request->problem, "invalid_value", path,
                        "%zu metadata pairs are more than the limit of %d.",
                        prl_json_count(metadata.object), METADATA_PAIRS);
    while (prl_json_next(metadata.object, &cursor, &key, &value))
        if (prl_json_type(value) != PRL_JSON_STRING || strlen(key) > METADATA_KEY ||
            prl_json_string_len(value) > METADATA_VALUE)
            prl_problem_set(&request->problem, "invalid_value", path,
                            "Metadata '%.64s': keys have at most %d, values are strings of at "
                            "most %d characters.",
                            key, METADATA_KEY, METADATA_VALUE);
    (void)prl_json_dump(metadata.object, out);
}

// Items of `input`, as messages for the model.
struct input {
    struct prl_llm_message messages[INPUT_MAX];
    struct prl_llm_call calls[INPUT_MAX];
    struct prl_str texts[INPUT_MAX]; // joined parts and texts of referenced items
    const char *images[INPUT_MAX];   // of all messages, in order; the request's
    size_t image_count;
    size_t count;
};

static void add_text(struct input *input, size_t at, const char *text, size_t len)
{
    if (input->texts[at].len > 0)
        (void)prl_str_addc(&input->texts[at], '\n');
    (void)prl_str_add(&input->texts[at], text, len);
}

static void add_image(struct request *request, struct input *input, size_t at, const char *url)
{
    struct prl_llm_message *message = &input->messages[at];
    if (input->image_count == INPUT_MAX) {
        prl_problem_set(&request->problem, "invalid_value", "response.input",
                        "More than %d images.", INPUT_MAX);
        return;
    }
    input->images[input->image_count++] = url;
    message->images = &input->images[input->image_count - 1 - message->image_count];
    message->image_count++;
}

static void add_reference(struct request *request, const char *id, struct new_item *out,
                          struct input *input, size_t at)
{
    const struct prl_item *item =
        prl_history_find(prl_session_history(request->target->session), id);
    if (!item) {
        prl_problem_set(&request->problem, "invalid_value", "response.input.id",
                        "The item with id '%.64s' does not exist.", id);
        return;
    }
    out->item.kind = prl_item_kind(item);
    out->item.call_id = prl_item_call_id(item);
    out->item.name = prl_item_name(item);
    for (uint32_t i = 0; i < prl_item_part_count(item); i++)
        add_text(input, at, prl_item_part(item, i).text, prl_item_heard_bytes(item, i));
}

static void read_input_item(struct request *request, const struct prl_json *value,
                            struct input *input)
{
    static const enum prl_llm_role roles[] = {PRL_LLM_SYSTEM, PRL_LLM_USER, PRL_LLM_ASSISTANT,
                                              PRL_LLM_ASSISTANT, PRL_LLM_TOOL};
    struct prl_fields item = {value, "response.input", &request->problem};
    struct new_item new_item = {.part_count = 0};
    size_t at = input->count++;
    prl_str_init(&input->texts[at], TEXT_MAX);
    const char *id;
    if (prl_str_equal(prl_json_string(prl_json_get(value, "type"), ""), "item_reference")) {
        if (prl_fields_need_string(&item, "id", ID_MAX, &id))
            add_reference(request, id, &new_item, input, at);
    } else {
        read_item(request, &item, &new_item);
        for (size_t i = 0; i < new_item.part_count; i++)
            if (new_item.parts[i].image)
                add_image(request, input, at, new_item.parts[i].text);
            else
                add_text(input, at, new_item.parts[i].text, new_item.parts[i].len);
    }
    if (request->problem.code)
        return;
    struct prl_llm_message *message = &input->messages[at];
    const char *text = prl_str_text(&input->texts[at]);
    message->role = roles[new_item.item.kind];
    if (new_item.item.kind == PRL_ITEM_CALL) {
        input->calls[at] = (struct prl_llm_call){new_item.item.call_id, new_item.item.name, text};
        message->calls = &input->calls[at];
        message->call_count = 1;
        return;
    }
    message->text = text;
    message->len = input->texts[at].len;
    message->tool_call_id = new_item.item.kind == PRL_ITEM_OUTPUT ? new_item.item.call_id : NULL;
}

static enum prl_err read_input(struct request *request, const struct prl_fields *response,
                               struct input **out)
{
    const struct prl_json *array;
    if (!prl_fields_array(response, "input", &array))
        return PRL_OK;
    if (prl_json_count(array) > INPUT_MAX) {
        prl_problem_set(&request->problem, "invalid_value", "response.input",
                        "%zu input items are more than the limit of %d.", prl_json_count(array),
                        INPUT_MAX);
        return PRL_OK;
    }
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    for (size_t i = 0; i < prl_json_count(array) && !request->problem.code; i++)
        read_input_item(request, prl_json_at(array, i), *out);
    return PRL_OK;
}

static void free_input(struct input *input)
{
    for (size_t i = 0; input && i < input->count; i++)
        prl_str_free(&input->texts[i]);
    prl_mem_free(input);
}

static void read_wish(const struct prl_fields *response, struct prl_session_response *wish)
{
    static const char *const conversations[] = {"auto", "none", NULL};
    size_t conversation = 0;
    const struct prl_json *modes;
    if (prl_fields_choice(response, "conversation", conversations, &conversation))
        wish->out_of_band = conversation == 1;
    (void)prl_fields_string(response, "instructions", PRL_API_INSTRUCTIONS_MAX,
                            &wish->instructions);
    bool have = prl_fields_array(response, "output_modalities", &modes) ||
                prl_fields_array(response, "modalities", &modes);
    for (size_t i = 0; have && i < prl_json_count(modes); i++) {
        bool audio = prl_str_equal(prl_json_string(prl_json_at(modes, i), ""), "audio");
        wish->audio = audio || wish->audio == 1;
    }
    int64_t tokens;
    const char *name = prl_json_get(response->object, "max_output_tokens")
                           ? "max_output_tokens"
                           : "max_response_output_tokens";
    const struct prl_json *limit = prl_json_get(response->object, name);
    if (!prl_str_equal(prl_json_string(limit, ""), "inf") &&
        prl_fields_int(response, name, 1, 4096, &tokens))
        wish->max_output_tokens = (int)tokens;
    char path[32];
    char inner[48];
    struct prl_fields audio;
    struct prl_fields output;
    (void)prl_fields_string(response, "voice", 63, &wish->voice);
    if (prl_fields_object(response, "audio", path, sizeof(path), &audio) &&
        prl_fields_object(&audio, "output", inner, sizeof(inner), &output) &&
        prl_json_type(prl_json_get(output.object, "voice")) == PRL_JSON_STRING)
        (void)prl_fields_string(&output, "voice", 63, &wish->voice);
    if (wish->voice)
        (void)prl_api_voice_known(wish->voice, "response.audio.output.voice", response->problem);
}

static void response_create(struct request *request)
{
    struct prl_session_response wish = {.audio = -1, .max_output_tokens = -1, .tool_choice = -1};
    char path[16];
    struct prl_fields response = {NULL, "response", &request->problem};
    (void)prl_fields_object(&request->fields, "response", path, sizeof(path), &response);
    struct prl_str metadata;
    struct prl_api_tools tools = {0};
    struct input *input = NULL;
    prl_str_init(&metadata, 16 << 10);
    read_wish(&response, &wish);
    read_metadata(request, &response, &metadata);
    enum prl_err err = prl_api_tools_read(&tools, &response);
    if (!err)
        err = read_input(request, &response, &input);
    if (err)
        prl_problem_set(&request->problem, "server_error", NULL, "%s", prl_err_name(err));
    wish.metadata = metadata.len ? metadata.data : NULL;
    wish.have_tools = tools.json != NULL;
    wish.tools = tools.list;
    wish.tool_count = tools.count;
    if (tools.choice_json) {
        wish.tool_choice = (int)tools.choice;
        wish.tool_name = tools.choice_name;
    }
    wish.input = input ? input->messages : NULL;
    wish.input_count = input ? input->count : 0;
    if (!request->problem.code && request->target->object->transcription_only)
        prl_problem_set(&request->problem, "invalid_request", NULL,
                        "A transcription session gives no responses.");
    if (!request->problem.code)
        prl_session_respond(request->target->session, &wish, request->event_id);
    free_input(input);
    prl_api_tools_free(&tools);
    prl_str_free(&metadata);
}

static void response_cancel(struct request *request)
{
    const char *id = NULL;
    (void)prl_fields_string(&request->fields, "response_id", EVENT_ID_MAX, &id);
    if (!request->problem.code)
        prl_session_cancel(request->target->session, id, request->event_id);
}

// ---- the input buffer ----

static void buffer_commit(struct request *request)
{
    prl_session_commit(request->target->session, request->event_id);
}

static void buffer_clear(struct request *request)
{
    prl_session_clear(request->target->session, request->event_id);
}

static void buffer_append(struct request *request)
{
    const struct prl_json *audio = prl_json_get(request->fields.object, "audio");
    if (request->target->track)
        prl_problem_set(&request->problem, "unsupported_event", "type",
                        "The sound of a call comes by its audio track: input_audio_buffer.append "
                        "works on a WebSocket only.");
    else if (prl_json_type(audio) != PRL_JSON_STRING)
        prl_problem_set(&request->problem, audio ? "invalid_type" : "missing_required_parameter",
                        "audio",
                        audio ? "Invalid type for 'audio': expected a base64 string."
                              : "Missing required parameter: 'audio'.");
}

static void output_clear(struct request *request)
{
    if (request->target->track)
        prl_session_clear_output(request->target->session, request->event_id);
    else
        prl_problem_set(
            &request->problem, "unsupported_event", "type",
            "output_audio_buffer.clear works on WebRTC and SIP only; on a WebSocket use "
            "response.cancel and conversation.item.truncate.");
}

static const struct {
    const char *type;
    void (*run)(struct request *request);
} handlers[] = {
    {"input_audio_buffer.append", buffer_append},
    {"input_audio_buffer.commit", buffer_commit},
    {"input_audio_buffer.clear", buffer_clear},
    {"session.update", session_update},
    {"transcription_session.update", session_update},
    {"conversation.item.create", item_create},
    {"conversation.item.delete", item_delete},
    {"conversation.item.retrieve", item_retrieve},
    {"conversation.item.truncate", item_truncate},
    {"response.create", response_create},
    {"response.cancel", response_cancel},
    {"output_audio_buffer.clear", output_clear},
};

bool prl_request_run(const struct prl_request_target *target, const struct prl_json *root)
{
    struct request request = {.target = target};
    request.fields = (struct prl_fields){root, "", &request.problem};
    const char *type = NULL;
    (void)prl_fields_string(&request.fields, "event_id", EVENT_ID_MAX, &request.event_id);
    bool append = false;
    if (prl_json_type(root) != PRL_JSON_OBJECT)
        prl_problem_set(&request.problem, "invalid_json", NULL,
                        "A client event is a JSON object, this is %s.",
                        prl_json_type_name(prl_json_type(root)));
    else if (prl_fields_need_string(&request.fields, "type", 128, &type)) {
        size_t count = sizeof(handlers) / sizeof(handlers[0]);
        size_t i = 0;
        while (i < count && strcmp(handlers[i].type, type) != 0)
            i++;
        if (i < count)
            handlers[i].run(&request);
        else
            prl_problem_set(&request.problem, "invalid_value", "type", "Unknown event type '%s'.",
                            type);
        append = i == 0;
    }
    if (!request.problem.code)
        return append;
    prl_events_error(target->events, request.problem.code, request.problem.param,
                     request.problem.message, request.event_id);
    return false;
}

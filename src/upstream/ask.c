// ask.c -- see ask.h.
#include "upstream/ask.h"

#include <stdio.h>

#include "base/json_write.h"

static struct prl_json_write begin(struct prl_str *out, const char *type)
{
    struct prl_json_write json;
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", type);
    return json;
}

static void write_tools(struct prl_json_write *json, const struct prl_llm_prompt *prompt)
{
    static const char none[] = "{\"type\":\"object\",\"properties\":{}}";
    prl_json_write_array(json, "tools");
    for (size_t i = 0; i < prompt->tool_count; i++) {
        const struct prl_llm_tool *tool = &prompt->tools[i];
        prl_json_write_object(json, NULL);
        prl_json_write_string(json, "type", "function");
        prl_json_write_string(json, "name", tool->name);
        if (tool->description)
            prl_json_write_string(json, "description", tool->description);
        prl_json_write_raw(json, "parameters", tool->parameters ? tool->parameters : none);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_array(json);
    switch (prompt->tool_choice) {
    case PRL_LLM_TOOLS_AUTO:
        prl_json_write_string(json, "tool_choice", "auto");
        break;
    case PRL_LLM_TOOLS_NONE:
        prl_json_write_string(json, "tool_choice", "none");
        break;
    case PRL_LLM_TOOLS_REQUIRED:
        prl_json_write_string(json, "tool_choice", "required");
        break;
    case PRL_LLM_TOOLS_NAMED:
        prl_json_write_object(json, "tool_choice");
        prl_json_write_string(json, "type", "function");
        prl_json_write_string(json, "name", prompt->tool_name);
        prl_json_write_end_object(json);
        break;
    }
}

// The system text.
static void write_instructions(struct prl_json_write *json, const struct prl_llm_prompt *prompt)
{
    bool leading = prompt->message_count > 0 && prompt->messages[0].role == PRL_LLM_SYSTEM;
    const struct prl_llm_message *message = leading ? &prompt->messages[0] : NULL;
    prl_json_write_bytes(json, "instructions", message && message->text ? message->text : "",
                         message && message->text ? message->len : 0);
}

static void write_format(struct prl_json_write *json)
{
    prl_json_write_object(json, "format");
    prl_json_write_string(json, "type", "audio/pcm");
    prl_json_write_int(json, "rate", 24000);
    prl_json_write_end_object(json);
}

void prl_ask_persona(struct prl_str *out, const struct prl_llm_prompt *prompt)
{
    struct prl_json_write json = begin(out, "session.update");
    prl_json_write_object(&json, "session");
    prl_json_write_string(&json, "type", "realtime");
    write_instructions(&json, prompt);
    write_tools(&json, prompt);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
}

void prl_ask_sound(struct prl_str *out, const struct prl_ask_sound *sound)
{
    struct prl_json_write json = begin(out, "session.update");
    prl_json_write_object(&json, "session");
    prl_json_write_string(&json, "type", "realtime");
    prl_json_write_object(&json, "audio");
    prl_json_write_object(&json, "input");
    write_format(&json);
    prl_json_write_null(&json, "turn_detection");
    prl_json_write_object(&json, "transcription");
    prl_json_write_string(&json, "model", sound->transcription_model);
    if (sound->language[0])
        prl_json_write_string(&json, "language", sound->language);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_object(&json, "output");
    write_format(&json);
    if (sound->voice[0])
        prl_json_write_string(&json, "voice", sound->voice);
    if (sound->speed > 0)
        prl_json_write_real(&json, "speed", sound->speed);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
}

static void write_text_part(struct prl_json_write *json, const char *role, const char *type,
                            const struct prl_mirror_item *item)
{
    prl_json_write_string(json, "type", "message");
    prl_json_write_string(json, "role", role);
    prl_json_write_array(json, "content");
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "type", type);
    prl_json_write_bytes(json, "text", item->text, item->len);
    prl_json_write_end_object(json);
    prl_json_write_end_array(json);
}

static void write_item(struct prl_json_write *json, const char *key,
                       const struct prl_mirror_item *item)
{
    prl_json_write_object(json, key);
    if (item->id[0])
        prl_json_write_string(json, "id", item->id);
    switch (item->kind) {
    case PRL_MIRROR_SYSTEM:
        write_text_part(json, "system", "input_text", item);
        break;
    case PRL_MIRROR_USER:
        write_text_part(json, "user", "input_text", item);
        break;
    case PRL_MIRROR_ASSISTANT:
        write_text_part(json, "assistant", "output_text", item);
        break;
    case PRL_MIRROR_CALL:
        prl_json_write_string(json, "type", "function_call");
        prl_json_write_string(json, "call_id", item->call_id ? item->call_id : "call_0");
        prl_json_write_string(json, "name", item->name);
        prl_json_write_bytes(json, "arguments", item->text, item->len);
        break;
    case PRL_MIRROR_OUTPUT:
        prl_json_write_string(json, "type", "function_call_output");
        prl_json_write_string(json, "call_id", item->call_id ? item->call_id : "call_0");
        prl_json_write_bytes(json, "output", item->text, item->len);
        break;
    }
    prl_json_write_end_object(json);
}

// Beside the conversation: everything it needs comes with it.
static void write_aside(struct prl_json_write *json, const struct prl_llm_prompt *prompt)
{
    struct prl_mirror_at at = {0};
    struct prl_mirror_item item;
    prl_json_write_string(json, "conversation", "none");
    write_instructions(json, prompt);
    write_tools(json, prompt);
    prl_json_write_array(json, "input");
    while (prl_mirror_next(prompt, &at, &item))
        write_item(json, NULL, &item);
    prl_json_write_end_array(json);
}

static void write_note(struct prl_json_write *json, const struct prl_ask_response *response)
{
    struct prl_str text;
    prl_str_init(&text, PRL_LLM_PROMPT_BYTES_MAX);
    prl_str_adds(&text, response->instructions);
    prl_str_add(&text, response->note, response->note_len);
    prl_json_write_bytes(json, "instructions", prl_str_text(&text), text.len);
    if (text.err && !json->out->err)
        json->out->err = text.err;
    prl_str_free(&text);
}

void prl_ask_response(struct prl_str *out, const struct prl_ask_response *response)
{
    char id[16];
    struct prl_json_write json = begin(out, "response.create");
    snprintf(id, sizeof(id), "r%u", response->key);
    prl_json_write_string(&json, "event_id", id);
    prl_json_write_object(&json, "response");
    prl_json_write_array(&json, "output_modalities");
    prl_json_write_string(&json, NULL, response->audio ? "audio" : "text");
    prl_json_write_end_array(&json);
    prl_json_write_object(&json, "metadata");
    prl_json_write_string(&json, "parley", id + 1);
    prl_json_write_end_object(&json);
    if (response->max_output_tokens > 0)
        prl_json_write_int(&json, "max_output_tokens", response->max_output_tokens);
    if (response->prompt)
        write_aside(&json, response->prompt);
    else if (response->note_len > 0 && response->instructions)
        write_note(&json, response);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
}

void prl_ask_cancel(struct prl_str *out, const char *response_id)
{
    struct prl_json_write json = begin(out, "response.cancel");
    if (response_id[0])
        prl_json_write_string(&json, "response_id", response_id);
    prl_json_write_end_object(&json);
}

void prl_ask_append(struct prl_str *out, const int16_t *pcm, size_t samples)
{
    struct prl_json_write json = begin(out, "input_audio_buffer.append");
    prl_json_write_base64(&json, "audio", pcm, samples * sizeof(*pcm));
    prl_json_write_end_object(&json);
}

void prl_ask_commit(struct prl_str *out, uint32_t number)
{
    char id[16];
    struct prl_json_write json = begin(out, "input_audio_buffer.commit");
    snprintf(id, sizeof(id), "c%u", number);
    prl_json_write_string(&json, "event_id", id);
    prl_json_write_end_object(&json);
}

void prl_ask_clear(struct prl_str *out)
{
    struct prl_json_write json = begin(out, "input_audio_buffer.clear");
    prl_json_write_end_object(&json);
}

void prl_ask_create(struct prl_str *out, const char *after, const struct prl_mirror_item *item)
{
    struct prl_json_write json = begin(out, "conversation.item.create");
    prl_json_write_string(&json, "previous_item_id", after);
    write_item(&json, "item", item);
    prl_json_write_end_object(&json);
}

void prl_ask_remove(struct prl_str *out, const char *id)
{
    struct prl_json_write json = begin(out, "conversation.item.delete");
    prl_json_write_string(&json, "item_id", id);
    prl_json_write_end_object(&json);
}

void prl_ask_truncate(struct prl_str *out, const char *id, int64_t audio_ms)
{
    struct prl_json_write json = begin(out, "conversation.item.truncate");
    prl_json_write_string(&json, "item_id", id);
    prl_json_write_int(&json, "content_index", 0);
    prl_json_write_int(&json, "audio_end_ms", audio_ms);
    prl_json_write_end_object(&json);
}

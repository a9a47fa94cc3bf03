// event_item.c -- conversation items as JSON.
#include "api/event_item.h"

#include <string.h>

static const char *const statuses[] = {"in_progress", "completed", "incomplete"};

static void write_message_part(const struct prl_item *item, uint32_t index,
                               enum prl_api_dialect dialect, struct prl_json_write *json)
{
    struct prl_history_part part = prl_item_part(item, index);
    bool assistant = prl_item_kind(item) == PRL_ITEM_ASSISTANT;
    bool beta = dialect == PRL_API_BETA;
    // A cut answer shows what was heard.
    size_t len = assistant ? prl_item_heard_bytes(item, index) : part.len;
    prl_json_write_object(json, NULL);
    if (part.image) {
        prl_json_write_string(json, "type", "input_image"); // the client has it
    } else if (part.audio) {
        const char *type = assistant ? (beta ? "audio" : "output_audio") : "input_audio";
        prl_json_write_string(json, "type", type);
        if (!assistant && len == 0)
            prl_json_write_null(json, "transcript");
        else
            prl_json_write_bytes(json, "transcript", part.text, len);
    } else {
        const char *type = assistant ? (beta ? "text" : "output_text") : "input_text";
        prl_json_write_string(json, "type", type);
        prl_json_write_bytes(json, "text", part.text, len);
    }
    prl_json_write_end_object(json);
}

static void write_message(const struct prl_item *item, enum prl_api_dialect dialect,
                          struct prl_json_write *json)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    prl_json_write_string(json, "role", roles[prl_item_kind(item)]);
    prl_json_write_array(json, "content");
    for (uint32_t i = 0; i < prl_item_part_count(item); i++)
        write_message_part(item, i, dialect, json);
    prl_json_write_end_array(json);
}

void prl_api_item_write(const struct prl_item *item, enum prl_api_dialect dialect,
                        struct prl_json_write *json, const char *key)
{
    static const char *const types[] = {"message", "message", "message", "function_call",
                                        "function_call_output"};
    enum prl_item_kind kind = prl_item_kind(item);
    const char *text = prl_item_part_count(item) ? prl_item_part(item, 0).text : "";
    prl_json_write_object(json, key);
    prl_json_write_string(json, "id", prl_item_id(item));
    prl_json_write_string(json, "object", "realtime.item");
    prl_json_write_string(json, "type", types[kind]);
    prl_json_write_string(json, "status", statuses[prl_item_status(item)]);
    switch (kind) {
    case PRL_ITEM_SYSTEM:
    case PRL_ITEM_USER:
    case PRL_ITEM_ASSISTANT:
        write_message(item, dialect, json);
        break;
    case PRL_ITEM_CALL:
        prl_json_write_string(json, "call_id", prl_item_call_id(item));
        prl_json_write_string(json, "name", prl_item_name(item));
        prl_json_write_string(json, "arguments", text);
        break;
    case PRL_ITEM_OUTPUT:
        prl_json_write_string(json, "call_id", prl_item_call_id(item));
        prl_json_write_string(json, "output", text);
        break;
    }
    prl_json_write_end_object(json);
}

void prl_api_message_write(const struct prl_api_message *message, enum prl_api_dialect dialect,
                           struct prl_json_write *json, const char *key)
{
    prl_json_write_object(json, key);
    prl_json_write_string(json, "id", message->id);
    prl_json_write_string(json, "object", "realtime.item");
    prl_json_write_string(json, "type", "message");
    prl_json_write_string(json, "status", message->status);
    prl_json_write_string(json, "role", "assistant");
    prl_json_write_array(json, "content");
    if (message->text)
        prl_api_part_write(message, dialect, json, NULL);
    prl_json_write_end_array(json);
    prl_json_write_end_object(json);
}

void prl_api_part_write(const struct prl_api_message *message, enum prl_api_dialect dialect,
                        struct prl_json_write *json, const char *key)
{
    // Inside an item GA says output_audio, inside content_part events both dialects say audio.
    bool short_name = dialect == PRL_API_BETA || key != NULL;
    prl_json_write_object(json, key);
    if (message->audio) {
        prl_json_write_string(json, "type", short_name ? "audio" : "output_audio");
        prl_json_write_string(json, "transcript", message->text ? message->text : "");
    } else {
        prl_json_write_string(json, "type", short_name ? "text" : "output_text");
        prl_json_write_string(json, "text", message->text ? message->text : "");
    }
    prl_json_write_end_object(json);
}

void prl_api_call_write(const struct prl_api_call *call, struct prl_json_write *json,
                        const char *key)
{
    prl_json_write_object(json, key);
    prl_json_write_string(json, "id", call->id);
    prl_json_write_string(json, "object", "realtime.item");
    prl_json_write_string(json, "type", "function_call");
    prl_json_write_string(json, "status", call->status);
    prl_json_write_string(json, "call_id", call->call_id);
    prl_json_write_string(json, "name", call->name);
    prl_json_write_string(json, "arguments", call->arguments);
    prl_json_write_end_object(json);
}

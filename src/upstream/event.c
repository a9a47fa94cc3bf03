// event.c -- see event.h.
#include "upstream/event.h"

#include "base/str.h"

enum { TOKENS_MAX = 1 << 30, START_MS_MAX = 1 << 30 };

static const struct {
    const char *name;
    enum prl_upstream_type type;
} types[] = {
    {"session.created", PRL_UPSTREAM_SESSION},
    {"input_audio_buffer.committed", PRL_UPSTREAM_COMMITTED},
    {"conversation.item.input_audio_transcription.completed", PRL_UPSTREAM_TRANSCRIPT},
    {"conversation.item.input_audio_transcription.failed", PRL_UPSTREAM_TRANSCRIPT_FAILED},
    {"response.created", PRL_UPSTREAM_CREATED},
    {"response.output_item.added", PRL_UPSTREAM_ITEM},
    {"response.output_item.done", PRL_UPSTREAM_CALL},
    {"response.output_audio_transcript.delta", PRL_UPSTREAM_TEXT},
    {"response.audio_transcript.delta", PRL_UPSTREAM_TEXT},
    {"response.output_text.delta", PRL_UPSTREAM_TEXT},
    {"response.text.delta", PRL_UPSTREAM_TEXT},
    {"response.output_audio.delta", PRL_UPSTREAM_AUDIO},
    {"response.audio.delta", PRL_UPSTREAM_AUDIO},
    {"response.done", PRL_UPSTREAM_DONE},
    {"error", PRL_UPSTREAM_ERROR},
};

static enum prl_upstream_type find_type(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (prl_str_equal(types[i].name, name))
            return types[i].type;
    return PRL_UPSTREAM_OTHER;
}

static const char *string(const struct prl_json *object, const char *key)
{
    return prl_json_string(prl_json_get(object, key), "");
}

static int tokens(const struct prl_json *usage, const char *key)
{
    int64_t count = prl_json_int(prl_json_get(usage, key), 0);
    return count < 0 ? 0 : (int)(count < TOKENS_MAX ? count : TOKENS_MAX);
}

static void set_text(struct prl_upstream_event *out, const struct prl_json *object, const char *key)
{
    out->text = string(object, key);
    out->len = prl_json_string_len(prl_json_get(object, key));
}

static void read_response(struct prl_upstream_event *out, const struct prl_json *response)
{
    const struct prl_json *details = prl_json_get(response, "status_details");
    const struct prl_json *error = prl_json_get(details, "error");
    const struct prl_json *usage = prl_json_get(response, "usage");
    out->response_id = string(response, "id");
    out->key = string(prl_json_get(response, "metadata"), "parley");
    out->status = string(response, "status");
    out->reason = string(details, "reason");
    out->code = string(error, "code");
    out->message = string(error, "message");
    out->input_tokens = tokens(usage, "input_tokens");
    out->output_tokens = tokens(usage, "output_tokens");
    out->cached_tokens = tokens(prl_json_get(usage, "input_token_details"), "cached_tokens");
}

static void read_item(struct prl_upstream_event *out, const struct prl_json *item)
{
    const char *kind = string(item, "type");
    bool wanted = out->type == PRL_UPSTREAM_CALL ? prl_str_equal(kind, "function_call")
                                                 : prl_str_equal(kind, "message");
    out->item_id = string(item, "id");
    out->call_id = string(item, "call_id");
    out->name = string(item, "name");
    set_text(out, item, "arguments");
    if (!wanted || !out->item_id[0] ||
        (out->type == PRL_UPSTREAM_CALL && (!out->call_id[0] || !out->name[0])))
        out->type = PRL_UPSTREAM_OTHER;
}

static void read_start(struct prl_upstream_event *out, const struct prl_json *root)
{
    double start = prl_json_real(prl_json_get(root, "start_time"), -1);
    if (start >= 0 && start * 1000 < START_MS_MAX)
        out->start_ms = (int64_t)(start * 1000);
}

static void read_error(struct prl_upstream_event *out, const struct prl_json *error)
{
    out->code = string(error, "code");
    out->message = string(error, "message");
    out->event_id = string(error, "event_id");
}

enum prl_err prl_upstream_event_parse(struct prl_upstream_event *out, struct prl_json **tree,
                                      const char *data, size_t len)
{
    enum prl_err err = prl_json_parse(tree, data, len, NULL, 0);
    if (err)
        return err;
    const struct prl_json *root = *tree;
    if (prl_json_type(prl_json_get(root, "type")) != PRL_JSON_STRING) {
        prl_json_free(tree);
        return PRL_ERR_INVALID;
    }
    *out = (struct prl_upstream_event){.type = find_type(string(root, "type")),
                                       .call_id = "",
                                       .name = "",
                                       .text = "",
                                       .key = "",
                                       .event_id = "",
                                       .code = "",
                                       .message = "",
                                       .status = "",
                                       .reason = "",
                                       .start_ms = -1};
    out->response_id = string(root, "response_id");
    out->item_id = string(root, "item_id");
    switch (out->type) {
    case PRL_UPSTREAM_OTHER:
    case PRL_UPSTREAM_SESSION:
    case PRL_UPSTREAM_COMMITTED:
        break;
    case PRL_UPSTREAM_TRANSCRIPT:
        set_text(out, root, "transcript");
        break;
    case PRL_UPSTREAM_TRANSCRIPT_FAILED:
    case PRL_UPSTREAM_ERROR:
        read_error(out, prl_json_get(root, "error"));
        break;
    case PRL_UPSTREAM_CREATED:
    case PRL_UPSTREAM_DONE:
        read_response(out, prl_json_get(root, "response"));
        break;
    case PRL_UPSTREAM_ITEM:
    case PRL_UPSTREAM_CALL:
        read_item(out, prl_json_get(root, "item"));
        break;
    case PRL_UPSTREAM_TEXT:
        read_start(out, root);
        set_text(out, root, "delta");
        break;
    case PRL_UPSTREAM_AUDIO:
        set_text(out, root, "delta");
        break;
    }
    return PRL_OK;
}

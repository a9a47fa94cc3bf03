// wire.c -- see wire.h.
#include "stt/wire.h"

#include <string.h>

#include "base/json.h"
#include "base/json_write.h"

static const struct {
    const char *path;
    uint32_t rate_hz;
} wires[] = {
    [PRL_WIRE_PLAIN] = {"", 16000},
    [PRL_WIRE_OPENAI] = {"/realtime?intent=transcription", 24000},
    [PRL_WIRE_VLLM] = {"/realtime", 16000},
};

const char *prl_wire_path(enum prl_wire wire)
{
    return wires[wire].path;
}

uint32_t prl_wire_rate(enum prl_wire wire)
{
    return wires[wire].rate_hz;
}

bool prl_wire_is_binary(enum prl_wire wire)
{
    return wire == PRL_WIRE_PLAIN;
}

// ---- up ----

static void write_known(struct prl_json_write *json, const char *key, const char *value)
{
    if (value[0])
        prl_json_write_string(json, key, value);
}

static void write_session(struct prl_json_write *json, const struct prl_wire_start *start)
{
    prl_json_write_object(json, "session");
    prl_json_write_string(json, "type", "transcription");
    prl_json_write_object(json, "audio");
    prl_json_write_object(json, "input");
    prl_json_write_object(json, "format");
    prl_json_write_string(json, "type", "audio/pcm");
    prl_json_write_int(json, "rate", prl_wire_rate(PRL_WIRE_OPENAI));
    prl_json_write_end_object(json);
    prl_json_write_object(json, "transcription");
    write_known(json, "model", start->model);
    write_known(json, "language", start->language);
    write_known(json, "prompt", start->prompt);
    prl_json_write_end_object(json);
    prl_json_write_null(json, "turn_detection");
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

enum prl_err prl_wire_open(enum prl_wire wire, const struct prl_wire_start *start,
                           struct prl_str *out)
{
    struct prl_json_write json;
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", wire == PRL_WIRE_PLAIN ? "start" : "session.update");
    switch (wire) {
    case PRL_WIRE_PLAIN:
        prl_json_write_string(&json, "format", "pcm16");
        prl_json_write_int(&json, "sample_rate", prl_wire_rate(wire));
        write_known(&json, "model", start->model);
        write_known(&json, "language", start->language);
        write_known(&json, "prompt", start->prompt);
        break;
    case PRL_WIRE_OPENAI:
        write_session(&json, start);
        break;
    case PRL_WIRE_VLLM:
        write_known(&json, "model", start->model);
        break;
    }
    prl_json_write_end_object(&json);
    if (!out->err && start->extra[0]) {
        out->data[--out->len] = '\0'; // the last brace
        (void)prl_str_addf(out, ",%s}", start->extra);
    }
    return out->err;
}

enum prl_err prl_wire_begin(enum prl_wire wire, struct prl_str *out)
{
    if (wire == PRL_WIRE_VLLM)
        (void)prl_str_adds(out, "{\"type\":\"input_audio_buffer.commit\",\"final\":false}");
    return out->err;
}

enum prl_err prl_wire_sound(enum prl_wire wire, const int16_t *pcm, size_t count,
                            struct prl_str *out)
{
    struct prl_json_write json;
    if (wire == PRL_WIRE_PLAIN)
        return prl_str_add(out, (const char *)pcm, count * sizeof(*pcm));
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", "input_audio_buffer.append");
    prl_json_write_base64(&json, "audio", pcm, count * sizeof(*pcm));
    prl_json_write_end_object(&json);
    return out->err;
}

enum prl_err prl_wire_commit(enum prl_wire wire, struct prl_str *out)
{
    switch (wire) {
    case PRL_WIRE_PLAIN:
        return prl_str_adds(out, "{\"type\":\"commit\"}");
    case PRL_WIRE_OPENAI:
        return prl_str_adds(out, "{\"type\":\"input_audio_buffer.commit\"}");
    case PRL_WIRE_VLLM:
        return prl_str_adds(out, "{\"type\":\"input_audio_buffer.commit\",\"final\":true}");
    }
    return PRL_ERR_INVALID;
}

// ---- down ----

// What messages mean; `member` holds the text.
struct meaning {
    const char *type;
    enum prl_wire_kind kind;
    const char *member;
};

static const struct meaning of_openai[] = {
    {"conversation.item.input_audio_transcription.delta", PRL_WIRE_MORE, "delta"},
    {"conversation.item.input_audio_transcription.completed", PRL_WIRE_FINAL, "transcript"},
    {"conversation.item.input_audio_transcription.failed", PRL_WIRE_FAILED, NULL},
    {NULL, PRL_WIRE_NOTHING, NULL}};
static const struct meaning of_vllm[] = {{"transcription.delta", PRL_WIRE_MORE, "delta"},
                                         {"transcription.done", PRL_WIRE_FINAL, "text"},
                                         {NULL, PRL_WIRE_NOTHING, NULL}};

static const struct meaning *find_meaning(enum prl_wire wire, const struct prl_json *root,
                                          const char *type)
{
    static const struct meaning failed = {"error", PRL_WIRE_FAILED, NULL};
    static const struct meaning so_far = {"transcription", PRL_WIRE_SO_FAR, "text"};
    static const struct meaning whole = {"transcription", PRL_WIRE_FINAL, "text"};
    if (prl_str_equal(type, failed.type))
        return &failed;
    if (wire == PRL_WIRE_PLAIN && prl_str_equal(type, so_far.type))
        return prl_json_bool(prl_json_get(root, "is_final"), false) ? &whole : &so_far;
    const struct meaning *meaning = wire == PRL_WIRE_OPENAI ? of_openai : of_vllm;
    while (wire != PRL_WIRE_PLAIN && meaning->type) {
        if (prl_str_equal(type, meaning->type))
            return meaning;
        meaning++;
    }
    return NULL;
}

static enum prl_err take_message(const struct prl_json *root, const struct meaning *meaning,
                                 struct prl_str *text)
{
    if (meaning->kind != PRL_WIRE_FAILED) {
        const struct prl_json *words = prl_json_get(root, meaning->member);
        return prl_json_type(words) == PRL_JSON_STRING
                   ? prl_str_add(text, prl_json_string(words, ""), prl_json_string_len(words))
                   : PRL_ERR_INVALID;
    }
    const struct prl_json *error = prl_json_get(root, "error");
    const char *why = prl_json_string(prl_json_get(error, "message"), NULL);
    if (!why)
        why = prl_json_string(error, prl_json_string(prl_json_get(root, "message"), "it failed"));
    return prl_str_addf(text, "the recogniser says: %.150s", why);
}

enum prl_err prl_wire_read(enum prl_wire wire, const char *message, size_t len,
                           enum prl_wire_kind *kind, struct prl_str *text)
{
    struct prl_json *root;
    *kind = PRL_WIRE_NOTHING;
    prl_str_clear(text);
    enum prl_err err = prl_json_parse(&root, message, len, NULL, 0);
    if (err)
        return err;
    const struct meaning *meaning =
        find_meaning(wire, root, prl_json_string(prl_json_get(root, "type"), ""));
    if (meaning)
        err = take_message(root, meaning, text);
    if (meaning && !err)
        *kind = meaning->kind;
    prl_json_free(&root);
    return err;
}

// session_object.c -- see session_object.h.
#include "api/session_object.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tts/voices.h"

enum { PROMPT_MAX = 4 << 10, ECHO_MAX = 16 << 10, OUTPUT_TOKENS_MAX = 4096 };

static const char *const ga_formats[] = {"audio/pcm", "audio/pcmu", "audio/pcma", NULL};
static const char *const beta_formats[] = {"pcm16", "g711_ulaw", "g711_alaw", NULL};

enum prl_err prl_api_session_init(struct prl_api_session *object, const char *model,
                                  const struct prl_session_conf *base)
{
    *object = (struct prl_api_session){
        .audio = true,
        .speed = base->speed,
        .max_output_tokens = base->max_output_tokens,
        .temperature = -1.0,
        .transcribe = true,
        .transcribe_model = "parley",
        .turns = PRL_API_TURNS_SERVER,
        .threshold = (double)base->vad_threshold,
        .prefix_padding_ms = base->floor.prefix_padding_ms,
        .silence_duration_ms = base->floor.silence_duration_ms,
        .eagerness = "auto",
        .echo_control = -1,
        .gain_control = -1,
        .speaker_lock = -1,
        .create_response = true,
        .interrupt_response = true,
    };
    prl_session_make_id(object->id, sizeof(object->id), "sess_");
    (void)prl_str_copy(object->model, sizeof(object->model), model && *model ? model : "parley");
    (void)prl_str_copy(object->voice, sizeof(object->voice), base->voice);
    object->instructions = prl_mem_strdup(base->instructions);
    return object->instructions ? PRL_OK : PRL_ERR_NOMEM;
}

void prl_api_session_free(struct prl_api_session *object)
{
    prl_mem_free(object->instructions);
    prl_mem_free(object->transcribe_prompt);
    prl_mem_free(object->tracing_json);
    prl_mem_free(object->truncation_json);
    prl_mem_free(object->include_json);
    prl_mem_free(object->prompt_json);
    prl_api_tools_free(&object->tools);
    *object = (struct prl_api_session){0};
}

// ---- reading ----

struct reader {
    struct prl_api_session *object;
    struct prl_problem *problem;
    bool voiced;
    enum prl_err err;
};

static void replace_text(struct reader *reader, char **slot, const char *text)
{
    char *copy = text ? prl_mem_strdup(text) : NULL;
    if (text && !copy) {
        reader->err = PRL_ERR_NOMEM;
        return;
    }
    prl_mem_free(*slot);
    *slot = copy;
}

// Keeps a value as JSON text, only to be shown again.
static void keep_json(struct reader *reader, const struct prl_fields *fields, const char *name,
                      char **slot)
{
    const struct prl_json *value = prl_json_get(fields->object, name);
    if (!value)
        return;
    struct prl_str text;
    prl_str_init(&text, ECHO_MAX);
    enum prl_err err = prl_json_dump(value, &text);
    if (err == PRL_ERR_LIMIT)
        prl_problem_set(reader->problem, "invalid_value", name,
                        "'%s' is longer than the limit of %d bytes.", name, ECHO_MAX);
    else if (err)
        reader->err = err;
    prl_mem_free(*slot);
    *slot = prl_str_give(&text);
    prl_str_free(&text);
}

static void read_modalities(struct reader *reader, const struct prl_fields *fields,
                            const char *name)
{
    const struct prl_json *array;
    if (!prl_fields_array(fields, name, &array))
        return;
    bool audio = false;
    for (size_t i = 0; i < prl_json_count(array); i++) {
        const char *mode = prl_json_string(prl_json_at(array, i), "");
        if (strcmp(mode, "audio") == 0)
            audio = true;
        else if (strcmp(mode, "text") != 0)
            prl_problem_set(reader->problem, "invalid_value", name,
                            "Invalid value: '%s'. Supported values are: 'text', 'audio'.", mode);
    }
    if (prl_json_count(array) == 0)
        prl_problem_set(reader->problem, "invalid_value", name, "'%s' must not be empty.", name);
    reader->object->audio = audio;
}

static void read_tokens(struct reader *reader, const struct prl_fields *fields, const char *name)
{
    const struct prl_json *value = prl_json_get(fields->object, name);
    const char *text = prl_json_string(value, "");
    if (strcmp(text, "inf") == 0) {
        reader->object->max_output_tokens = 0;
        return;
    }
    (void)prl_fields_int(fields, name, 1, OUTPUT_TOKENS_MAX, &reader->object->max_output_tokens);
}

bool prl_api_voice_known(const char *voice, const char *param, struct prl_problem *problem)
{
    bool known = prl_voice_find(voice) != NULL;
    if (!known)
        prl_problem_set(problem, "invalid_value", param,
                        "There is no voice '%.64s': GET /v1/voices lists them.", voice);
    return known;
}

static void read_voice(struct reader *reader, const struct prl_fields *fields)
{
    const char *voice = NULL;
    char path[128];
    struct prl_fields custom;
    const struct prl_json *value = prl_json_get(fields->object, "voice");
    if (prl_json_type(value) == PRL_JSON_OBJECT) {
        if (prl_fields_object(fields, "voice", path, sizeof(path), &custom))
            (void)prl_fields_need_string(&custom, "id", sizeof(reader->object->voice) - 1, &voice);
    } else {
        (void)prl_fields_string(fields, "voice", sizeof(reader->object->voice) - 1, &voice);
    }
    if (!voice || strcmp(voice, reader->object->voice) == 0 ||
        !prl_api_voice_known(voice, "session.audio.output.voice", reader->problem))
        return;
    if (reader->voiced) {
        prl_problem_set(reader->problem, "cannot_update_voice", "session.audio.output.voice",
                        "Cannot update a conversation's voice if assistant audio is present.");
        return;
    }
    (void)prl_str_copy(reader->object->voice, sizeof(reader->object->voice), voice);
}

static void read_format(struct reader *reader, const struct prl_fields *fields, const char *name,
                        enum prl_api_format *out)
{
    size_t index = 0;
    const struct prl_json *value = prl_json_get(fields->object, name);
    if (prl_json_type(value) == PRL_JSON_STRING) { // beta
        if (prl_fields_choice(fields, name, beta_formats, &index))
            *out = (enum prl_api_format)index;
        return;
    }
    char path[128];
    struct prl_fields format;
    if (!prl_fields_object(fields, name, path, sizeof(path), &format))
        return;
    int64_t rate = 0;
    if (!prl_fields_choice(&format, "type", ga_formats, &index))
        return;
    *out = (enum prl_api_format)index;
    int64_t wanted = index == PRL_API_PCM ? 24000 : 8000;
    if (prl_fields_int(&format, "rate", 1, 192000, &rate) && rate != wanted)
        prl_problem_set(reader->problem, "invalid_value", path,
                        "Invalid rate %lld for '%s': only %lld is supported.", (long long)rate,
                        ga_formats[index], (long long)wanted);
}

static void read_turns(struct reader *reader, const struct prl_fields *fields)
{
    struct prl_api_session *object = reader->object;
    if (prl_fields_null(fields, "turn_detection")) {
        object->turns = PRL_API_TURNS_NONE;
        return;
    }
    char path[128];
    struct prl_fields turns;
    if (!prl_fields_object(fields, "turn_detection", path, sizeof(path), &turns))
        return;
    static const char *const types[] = {"none", "server_vad", "semantic_vad", NULL};
    static const char *const levels[] = {"low", "medium", "high", "auto", NULL};
    size_t type = PRL_API_TURNS_SERVER;
    size_t level;
    if (prl_fields_choice(&turns, "type", types, &type) || object->turns == PRL_API_TURNS_NONE)
        object->turns = (enum prl_api_turns)type;
    (void)prl_fields_real(&turns, "threshold", 0.0, 1.0, &object->threshold);
    (void)prl_fields_int(&turns, "prefix_padding_ms", 0, 5000, &object->prefix_padding_ms);
    (void)prl_fields_int(&turns, "silence_duration_ms", 32, 10000, &object->silence_duration_ms);
    (void)prl_fields_bool(&turns, "create_response", &object->create_response);
    (void)prl_fields_bool(&turns, "interrupt_response", &object->interrupt_response);
    if (prl_fields_null(&turns, "idle_timeout_ms"))
        object->idle_timeout_ms = 0;
    (void)prl_fields_int(&turns, "idle_timeout_ms", 5000, 30000, &object->idle_timeout_ms);
    if (prl_fields_choice(&turns, "eagerness", levels, &level))
        (void)prl_str_copy(object->eagerness, sizeof(object->eagerness), levels[level]);
}

static void read_transcription(struct reader *reader, const struct prl_fields *fields,
                               const char *name)
{
    struct prl_api_session *object = reader->object;
    if (prl_fields_null(fields, name)) {
        object->transcribe = false;
        return;
    }
    char path[128];
    struct prl_fields transcription;
    if (!prl_fields_object(fields, name, path, sizeof(path), &transcription))
        return;
    object->transcribe = true;
    const char *text;
    if (prl_fields_string(&transcription, "model", sizeof(object->transcribe_model) - 1, &text))
        (void)prl_str_copy(object->transcribe_model, sizeof(object->transcribe_model), text);
    if (prl_fields_null(&transcription, "language"))
        object->language[0] = '\0';
    if (prl_fields_string(&transcription, "language", sizeof(object->language) - 1, &text))
        (void)prl_str_copy(object->language, sizeof(object->language), text);
    if (prl_fields_string(&transcription, "prompt", PROMPT_MAX, &text))
        replace_text(reader, &object->transcribe_prompt, text);
}

static void read_noise_reduction(struct reader *reader, const struct prl_fields *fields,
                                 const char *name)
{
    static const char *const types[] = {"near_field", "far_field", NULL};
    char path[128];
    struct prl_fields reduction;
    size_t index;
    if (prl_fields_null(fields, name))
        reader->object->noise_reduction[0] = '\0';
    if (prl_fields_object(fields, name, path, sizeof(path), &reduction) &&
        prl_fields_choice(&reduction, "type", types, &index))
        (void)prl_str_copy(reader->object->noise_reduction, sizeof(reader->object->noise_reduction),
                           types[index]);
}

static void read_ga_audio(struct reader *reader, const struct prl_fields *fields)
{
    char path[64];
    char inner[96];
    struct prl_fields audio;
    struct prl_fields side;
    if (!prl_fields_object(fields, "audio", path, sizeof(path), &audio))
        return;
    if (prl_fields_object(&audio, "input", inner, sizeof(inner), &side)) {
        read_format(reader, &side, "format", &reader->object->input_format);
        read_turns(reader, &side);
        read_transcription(reader, &side, "transcription");
        read_noise_reduction(reader, &side, "noise_reduction");
    }
    if (prl_fields_object(&audio, "output", inner, sizeof(inner), &side)) {
        read_format(reader, &side, "format", &reader->object->output_format);
        read_voice(reader, &side);
        (void)prl_fields_real(&side, "speed", 0.25, 1.5, &reader->object->speed);
    }
}

// The flat shape of the beta.
static void read_flat(struct reader *reader, const struct prl_fields *fields)
{
    read_modalities(reader, fields, "modalities");
    read_format(reader, fields, "input_audio_format", &reader->object->input_format);
    read_format(reader, fields, "output_audio_format", &reader->object->output_format);
    read_voice(reader, fields);
    (void)prl_fields_real(fields, "speed", 0.25, 1.5, &reader->object->speed);
    read_turns(reader, fields);
    read_transcription(reader, fields, "input_audio_transcription");
    read_noise_reduction(reader, fields, "input_audio_noise_reduction");
    read_tokens(reader, fields, "max_response_output_tokens");
    (void)prl_fields_real(fields, "temperature", 0.0, 2.0, &reader->object->temperature);
}

static void read_extension(struct reader *reader, const struct prl_fields *fields)
{
    char path[64];
    struct prl_fields own;
    if (!prl_fields_object(fields, "parley", path, sizeof(path), &own))
        return;
    (void)prl_fields_bool(&own, "partials", &reader->object->partials);
    (void)prl_fields_bool(&own, "latency", &reader->object->latency);
    (void)prl_fields_bool(&own, "resume", &reader->object->resume);
    const char *style;
    if (prl_fields_string(&own, "voice_instructions", PRL_API_STYLE_SIZE - 1, &style))
        (void)prl_str_copy(reader->object->style, sizeof(reader->object->style), style);
    bool echo = false;
    if (prl_fields_bool(&own, "echo_control", &echo))
        reader->object->echo_control = echo;
    bool gain = false;
    if (prl_fields_bool(&own, "gain_control", &gain))
        reader->object->gain_control = gain;
    bool lock = false;
    if (prl_fields_bool(&own, "speaker_lock", &lock))
        reader->object->speaker_lock = lock;
}

static void read_all(struct reader *reader, const struct prl_fields *fields)
{
    static const char *const types[] = {"realtime", "transcription", NULL};
    struct prl_api_session *object = reader->object;
    size_t type;
    const char *text;
    if (prl_fields_choice(fields, "type", types, &type))
        object->transcription_only = type == 1;
    if (prl_fields_string(fields, "instructions", PRL_API_INSTRUCTIONS_MAX, &text))
        replace_text(reader, &object->instructions, text);
    read_modalities(reader, fields, "output_modalities");
    read_tokens(reader, fields, "max_output_tokens");
    read_ga_audio(reader, fields);
    read_flat(reader, fields);
    read_extension(reader, fields);
    enum prl_err err = prl_api_tools_read(&object->tools, fields);
    if (err)
        reader->err = err;
    keep_json(reader, fields, "tracing", &object->tracing_json);
    keep_json(reader, fields, "truncation", &object->truncation_json);
    keep_json(reader, fields, "include", &object->include_json);
    keep_json(reader, fields, "prompt", &object->prompt_json);
}

static char *copy_or_null(const char *text, enum prl_err *err)
{
    char *copy = text ? prl_mem_strdup(text) : NULL;
    if (text && !copy)
        *err = PRL_ERR_NOMEM;
    return copy;
}

static enum prl_err copy_tools(struct prl_api_tools *to, const struct prl_api_tools *from)
{
    enum prl_err err = PRL_OK;
    *to = (struct prl_api_tools){.choice = from->choice};
    to->json = copy_or_null(from->json, &err);
    to->choice_json = copy_or_null(from->choice_json, &err);
    to->choice_name = copy_or_null(from->choice_name, &err);
    if (err || from->count == 0)
        return err;
    // The texts of one tool end with the zero of its parameters, the last tool's end the block.
    const struct prl_llm_tool *last = &from->list[from->count - 1];
    const char *end = last->parameters ? last->parameters + strlen(last->parameters)
                                       : last->description + strlen(last->description) + 1;
    size_t size = (size_t)(end - from->texts) + 1;
    to->texts = prl_mem_dup(from->texts, size);
    to->list = prl_mem_array(from->count, sizeof(*to->list));
    if (!to->texts || !to->list)
        return PRL_ERR_NOMEM;
    to->count = from->count;
    for (size_t i = 0; i < to->count; i++) {
        const struct prl_llm_tool *tool = &from->list[i];
        to->list[i].name = to->texts + (tool->name - from->texts);
        to->list[i].description = to->texts + (tool->description - from->texts);
        to->list[i].parameters =
            tool->parameters ? to->texts + (tool->parameters - from->texts) : NULL;
    }
    return PRL_OK;
}

static enum prl_err copy_object(struct prl_api_session *to, const struct prl_api_session *from)
{
    enum prl_err err = PRL_OK;
    *to = *from;
    to->instructions = copy_or_null(from->instructions, &err);
    to->transcribe_prompt = copy_or_null(from->transcribe_prompt, &err);
    to->tracing_json = copy_or_null(from->tracing_json, &err);
    to->truncation_json = copy_or_null(from->truncation_json, &err);
    to->include_json = copy_or_null(from->include_json, &err);
    to->prompt_json = copy_or_null(from->prompt_json, &err);
    enum prl_err tools = copy_tools(&to->tools, &from->tools);
    return err ? err : tools;
}

enum prl_err prl_api_session_update(struct prl_api_session *object, const struct prl_json *update,
                                    bool voiced, struct prl_problem *problem)
{
    if (prl_json_type(update) != PRL_JSON_OBJECT) {
        prl_problem_set(problem, update ? "invalid_type" : "missing_required_parameter", "session",
                        update ? "Invalid type for 'session': expected an object."
                               : "Missing required parameter: 'session'.");
        return PRL_OK;
    }
    struct prl_api_session next;
    struct reader reader = {.object = &next, .problem = problem, .voiced = voiced};
    reader.err = copy_object(&next, object);
    struct prl_fields fields = {update, "session", problem};
    if (!reader.err)
        read_all(&reader, &fields);
    if (reader.err || problem->code) {
        prl_api_session_free(&next);
        return reader.err;
    }
    prl_api_session_free(object);
    *object = next;
    return PRL_OK;
}

// ---- writing ----

void prl_api_format_write(enum prl_api_format format, struct prl_json_write *json, const char *key)
{
    prl_json_write_object(json, key);
    prl_json_write_string(json, "type", ga_formats[format]);
    if (format == PRL_API_PCM)
        prl_json_write_int(json, "rate", 24000);
    prl_json_write_end_object(json);
}

static void write_turns(const struct prl_api_session *object, struct prl_json_write *json)
{
    if (object->turns == PRL_API_TURNS_NONE) {
        prl_json_write_null(json, "turn_detection");
        return;
    }
    prl_json_write_object(json, "turn_detection");
    bool server = object->turns == PRL_API_TURNS_SERVER;
    prl_json_write_string(json, "type", server ? "server_vad" : "semantic_vad");
    if (server) {
        prl_json_write_real(json, "threshold", object->threshold);
        prl_json_write_int(json, "prefix_padding_ms", object->prefix_padding_ms);
        prl_json_write_int(json, "silence_duration_ms", object->silence_duration_ms);
        if (object->idle_timeout_ms)
            prl_json_write_int(json, "idle_timeout_ms", object->idle_timeout_ms);
        else
            prl_json_write_null(json, "idle_timeout_ms");
    } else {
        prl_json_write_string(json, "eagerness", object->eagerness);
    }
    prl_json_write_bool(json, "create_response", object->create_response);
    prl_json_write_bool(json, "interrupt_response", object->interrupt_response);
    prl_json_write_end_object(json);
}

static void write_transcription(const struct prl_api_session *object, struct prl_json_write *json,
                                const char *key)
{
    if (!object->transcribe) {
        prl_json_write_null(json, key);
        return;
    }
    prl_json_write_object(json, key);
    prl_json_write_string(json, "model", object->transcribe_model);
    if (object->language[0])
        prl_json_write_string(json, "language", object->language);
    if (object->transcribe_prompt)
        prl_json_write_string(json, "prompt", object->transcribe_prompt);
    prl_json_write_end_object(json);
}

static void write_noise_reduction(const struct prl_api_session *object, struct prl_json_write *json,
                                  const char *key)
{
    if (!object->noise_reduction[0]) {
        prl_json_write_null(json, key);
        return;
    }
    prl_json_write_object(json, key);
    prl_json_write_string(json, "type", object->noise_reduction);
    prl_json_write_end_object(json);
}

static void write_tokens(const struct prl_api_session *object, struct prl_json_write *json,
                         const char *key)
{
    if (object->max_output_tokens > 0)
        prl_json_write_int(json, key, object->max_output_tokens);
    else
        prl_json_write_string(json, key, "inf");
}

static void write_raw_or_null(struct prl_json_write *json, const char *key, const char *text)
{
    if (text)
        prl_json_write_raw(json, key, text);
    else
        prl_json_write_null(json, key);
}

static void write_tools(const struct prl_api_session *object, struct prl_json_write *json)
{
    prl_json_write_raw(json, "tools", object->tools.json ? object->tools.json : "[]");
    prl_json_write_raw(json, "tool_choice",
                       object->tools.choice_json ? object->tools.choice_json : "\"auto\"");
}

static void write_ga_audio(const struct prl_api_session *object, struct prl_json_write *json)
{
    prl_json_write_object(json, "audio");
    prl_json_write_object(json, "input");
    prl_api_format_write(object->input_format, json, "format");
    write_transcription(object, json, "transcription");
    write_noise_reduction(object, json, "noise_reduction");
    write_turns(object, json);
    prl_json_write_end_object(json);
    if (!object->transcription_only) {
        prl_json_write_object(json, "output");
        prl_api_format_write(object->output_format, json, "format");
        prl_json_write_string(json, "voice", object->voice);
        prl_json_write_real(json, "speed", object->speed);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_object(json);
}

static void write_ga(const struct prl_api_session *object, struct prl_json_write *json)
{
    prl_json_write_string(json, "type", object->transcription_only ? "transcription" : "realtime");
    prl_json_write_string(json, "object",
                          object->transcription_only ? "realtime.transcription_session"
                                                     : "realtime.session");
    prl_json_write_string(json, "id", object->id);
    write_ga_audio(object, json);
    write_raw_or_null(json, "include", object->include_json);
    if (object->transcription_only)
        return;
    prl_json_write_string(json, "model", object->model);
    prl_json_write_array(json, "output_modalities");
    prl_json_write_string(json, NULL, object->audio ? "audio" : "text");
    prl_json_write_end_array(json);
    prl_json_write_string(json, "instructions", object->instructions);
    write_tools(object, json);
    write_tokens(object, json, "max_output_tokens");
    write_raw_or_null(json, "tracing", object->tracing_json);
    prl_json_write_raw(json, "truncation",
                       object->truncation_json ? object->truncation_json : "\"auto\"");
    write_raw_or_null(json, "prompt", object->prompt_json);
}

static void write_beta(const struct prl_api_session *object, struct prl_json_write *json)
{
    prl_json_write_string(json, "object", "realtime.session");
    prl_json_write_string(json, "id", object->id);
    prl_json_write_string(json, "model", object->model);
    prl_json_write_array(json, "modalities");
    prl_json_write_string(json, NULL, "text");
    if (object->audio)
        prl_json_write_string(json, NULL, "audio");
    prl_json_write_end_array(json);
    prl_json_write_string(json, "instructions", object->instructions);
    prl_json_write_string(json, "voice", object->voice);
    prl_json_write_real(json, "speed", object->speed);
    prl_json_write_string(json, "input_audio_format", beta_formats[object->input_format]);
    prl_json_write_string(json, "output_audio_format", beta_formats[object->output_format]);
    write_transcription(object, json, "input_audio_transcription");
    write_noise_reduction(object, json, "input_audio_noise_reduction");
    write_turns(object, json);
    write_tools(object, json);
    prl_json_write_real(json, "temperature", object->temperature < 0 ? 0.8 : object->temperature);
    write_tokens(object, json, "max_response_output_tokens");
}

void prl_api_session_write_members(const struct prl_api_session *object,
                                   enum prl_api_dialect dialect, struct prl_json_write *json)
{
    if (dialect == PRL_API_BETA)
        write_beta(object, json);
    else
        write_ga(object, json);
}

void prl_api_session_write(const struct prl_api_session *object, enum prl_api_dialect dialect,
                           struct prl_json_write *json, const char *key)
{
    prl_json_write_object(json, key);
    prl_api_session_write_members(object, dialect, json);
    prl_json_write_end_object(json);
}

// ---- use ----

static uint32_t eagerness_ms(const char *eagerness)
{
    if (strcmp(eagerness, "low") == 0)
        return 8000;
    return strcmp(eagerness, "high") == 0 ? 2000 : 4000;
}

void prl_api_session_conf(const struct prl_api_session *object, struct prl_session_conf *conf)
{
    static const enum prl_floor_turns turns[] = {PRL_FLOOR_MANUAL, PRL_FLOOR_SERVER_VAD,
                                                 PRL_FLOOR_SEMANTIC_VAD};
    struct prl_floor_conf *floor = &conf->floor;
    floor->turns = turns[object->turns];
    floor->create_response = object->create_response && !object->transcription_only;
    floor->interrupt_response = object->interrupt_response;
    floor->prefix_padding_ms = (uint32_t)object->prefix_padding_ms;
    floor->silence_duration_ms = (uint32_t)object->silence_duration_ms;
    floor->silence_max_ms = eagerness_ms(object->eagerness);
    floor->idle_timeout_ms = (uint32_t)object->idle_timeout_ms;
    floor->resume_allowed = object->resume;
    conf->instructions = object->instructions;
    if (object->language[0])
        conf->language = object->language;
    conf->transcribe_prompt = object->transcribe_prompt;
    conf->transcribe = object->transcribe;
    conf->partials = object->partials;
    conf->voice = object->voice;
    conf->style = object->style;
    conf->speed = object->speed;
    conf->audio = object->audio;
    conf->max_output_tokens = (int)object->max_output_tokens;
    if (object->temperature >= 0)
        conf->temperature = object->temperature;
    conf->vad_threshold = (float)object->threshold;
    conf->tools = object->tools.list;
    conf->tool_count = object->tools.count;
    conf->tool_choice = object->tools.choice;
    conf->tool_name = object->tools.choice_name;
    conf->echo_wish = object->echo_control;
    conf->gain_wish = object->gain_control;
    conf->lock_wish = object->speaker_lock;
}

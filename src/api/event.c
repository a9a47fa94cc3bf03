// event.c -- see event.h.
#include "api/event.h"

#include <string.h>

#include "api/event_item.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/g711.h"
#include "media/resample.h"

enum {
    RESPONSES_MAX = 8,      // one of the conversation, one that ends, and those beside it
    EVENT_MAX = 4 << 20,    // bytes of one event
    BUFFER_KEEP = 32 << 10, // a larger buffer is given back after use
    G711_HZ = 8000,
    OUT_HZ = 24000,
    CHUNK_MAX = 4800
};

// An output item of a response that is going on, or its final JSON.
struct output {
    char id[PRL_SESSION_ID_SIZE];
    char previous[PRL_HISTORY_ID_MAX]; // "" for none
    bool open;
    bool message;
    bool audio;
    struct prl_str text; // of a message, so far
    char *json;          // owned, once closed
};

struct response {
    char id[PRL_SESSION_ID_SIZE];
    bool used;
    bool out_of_band;
    struct output *outputs; // owned, PRL_SESSION_OUTPUT_MAX once there is one
    size_t count;
};

struct prl_events {
    struct prl_events_conf conf;
    struct prl_str buffer; // of the event being written
    struct prl_json_write json;
    struct response responses[RESPONSES_MAX];
    struct prl_resample *down; // 24 to 8 kHz, when G.711 goes out
    enum prl_events_to to;     // of the event being written
    bool lost;
};

enum prl_err prl_events_create(struct prl_events **out, const struct prl_events_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    prl_str_init(&(*out)->buffer, EVENT_MAX);
    return PRL_OK;
}

void prl_events_shape(struct prl_events *events, enum prl_api_dialect dialect, bool track)
{
    events->conf.dialect = dialect;
    events->conf.track = track;
}

static void free_response(struct response *response)
{
    for (size_t i = 0; i < response->count; i++) {
        prl_str_free(&response->outputs[i].text);
        prl_mem_free(response->outputs[i].json);
    }
    prl_mem_free(response->outputs);
    *response = (struct response){0};
}

void prl_events_destroy(struct prl_events **events)
{
    if (!*events)
        return;
    for (size_t i = 0; i < RESPONSES_MAX; i++)
        free_response(&(*events)->responses[i]);
    prl_resample_destroy(&(*events)->down);
    prl_str_free(&(*events)->buffer);
    prl_mem_free(*events);
    *events = NULL;
}

// ---- one event ----

static void lose(struct prl_events *events, enum prl_err err)
{
    if (events->lost)
        return;
    events->lost = true;
    events->conf.lost(events->conf.arg, err);
}

// The two vocabularies: GA's name first.
static const char *dialect_name(const struct prl_events *events, const char *ga)
{
    static const char *const pairs[][2] = {
        {"response.output_audio.delta", "response.audio.delta"},
        {"response.output_audio.done", "response.audio.done"},
        {"response.output_audio_transcript.delta", "response.audio_transcript.delta"},
        {"response.output_audio_transcript.done", "response.audio_transcript.done"},
        {"response.output_text.delta", "response.text.delta"},
        {"response.output_text.done", "response.text.done"},
        {"conversation.item.added", "conversation.item.created"},
    };
    if (events->conf.dialect == PRL_API_GA)
        return ga;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (strcmp(pairs[i][0], ga) == 0)
            return pairs[i][1];
    return ga;
}

static struct prl_json_write *begin(struct prl_events *events, const char *type)
{
    char id[PRL_SESSION_ID_SIZE];
    prl_session_make_id(id, sizeof(id), "event_");
    events->to = PRL_EVENTS_ALL;
    prl_str_clear(&events->buffer);
    prl_json_write_init(&events->json, &events->buffer);
    prl_json_write_object(&events->json, NULL);
    prl_json_write_string(&events->json, "type", dialect_name(events, type));
    prl_json_write_string(&events->json, "event_id", id);
    return &events->json;
}

static void end(struct prl_events *events)
{
    prl_json_write_end_object(&events->json);
    enum prl_err err = events->buffer.err;
    if (!err && !events->lost)
        err = events->conf.send(events->conf.arg, events->buffer.data, events->buffer.len,
                                events->to);
    if (events->buffer.capacity > BUFFER_KEEP)
        prl_str_free(&events->buffer);
    if (err)
        lose(events, err);
}

// ---- output items ----

static struct response *find_response(struct prl_events *events, const char *id)
{
    for (size_t i = 0; i < RESPONSES_MAX; i++)
        if (events->responses[i].used && strcmp(events->responses[i].id, id) == 0)
            return &events->responses[i];
    return NULL;
}

static struct output *find_output(struct prl_events *events, const struct prl_session_event *event,
                                  size_t *index)
{
    struct response *response = find_response(events, event->response->id);
    for (size_t i = 0; response && i < response->count; i++)
        if (strcmp(response->outputs[i].id, event->item_id) == 0) {
            *index = i;
            return &response->outputs[i];
        }
    return NULL;
}

static struct prl_json_write *begin_output(struct prl_events *events, const char *type,
                                           const struct response *response, size_t index)
{
    struct prl_json_write *json = begin(events, type);
    prl_json_write_string(json, "response_id", response->id);
    prl_json_write_int(json, "output_index", (int64_t)index);
    return json;
}

static struct prl_json_write *begin_part(struct prl_events *events, const char *type,
                                         const struct response *response, size_t index)
{
    struct prl_json_write *json = begin_output(events, type, response, index);
    prl_json_write_string(json, "item_id", response->outputs[index].id);
    prl_json_write_int(json, "content_index", 0);
    return json;
}

// response.output_item.added|done, then the same for the conversation.
static void tell_item(struct prl_events *events, const struct response *response, size_t index,
                      bool done)
{
    const struct output *output = &response->outputs[index];
    const char *previous_id = *output->previous ? output->previous : NULL;
    struct prl_json_write *json = begin_output(
        events, done ? "response.output_item.done" : "response.output_item.added", response, index);
    prl_json_write_raw(json, "item", output->json);
    end(events);
    // The beta has no conversation.item.done, and what is out of band is in no conversation.
    if (response->out_of_band || (done && events->conf.dialect == PRL_API_BETA))
        return;
    json = begin(events, done ? "conversation.item.done" : "conversation.item.added");
    prl_json_write_string(json, "previous_item_id", previous_id);
    prl_json_write_raw(json, "item", output->json);
    end(events);
}

static bool keep_json(struct prl_events *events, struct output *output, struct prl_str *text)
{
    prl_mem_free(output->json);
    enum prl_err err = text->err;
    output->json = prl_str_give(text);
    prl_str_free(text);
    if (err || !output->json) {
        lose(events, err ? err : PRL_ERR_NOMEM);
        prl_mem_free(output->json);
        output->json = NULL;
        return false;
    }
    return true;
}

static bool message_json(struct prl_events *events, struct output *output, const char *status,
                         bool with_text)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, EVENT_MAX);
    prl_json_write_init(&json, &text);
    struct prl_api_message message = {
        output->id, status, with_text ? prl_str_text(&output->text) : NULL, output->audio};
    prl_api_message_write(&message, events->conf.dialect, &json, NULL);
    return keep_json(events, output, &text);
}

static bool call_json(struct prl_events *events, struct output *output,
                      const struct prl_session_event *event, bool done)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, EVENT_MAX);
    prl_json_write_init(&json, &text);
    struct prl_api_call call = {output->id, done ? "completed" : "in_progress", event->call_id,
                                event->name, done ? event->text : ""};
    prl_api_call_write(&call, &json, NULL);
    return keep_json(events, output, &text);
}

static struct response *add_output(struct prl_events *events, const struct prl_session_event *event)
{
    struct response *response = find_response(events, event->response->id);
    if (!response || response->count == PRL_SESSION_OUTPUT_MAX) {
        lose(events, PRL_ERR_LIMIT);
        return NULL;
    }
    if (!response->outputs)
        response->outputs = prl_mem_array(PRL_SESSION_OUTPUT_MAX, sizeof(*response->outputs));
    if (!response->outputs) {
        lose(events, PRL_ERR_NOMEM);
        return NULL;
    }
    struct output *output = &response->outputs[response->count++];
    *output = (struct output){.open = true, .audio = event->response->audio};
    (void)prl_str_copy(output->id, sizeof(output->id), event->item_id);
    if (event->previous_id)
        (void)prl_str_copy(output->previous, sizeof(output->previous), event->previous_id);
    prl_str_init(&output->text, PRL_SESSION_TEXT_MAX);
    return response;
}

static void on_message(struct prl_events *events, const struct prl_session_event *event)
{
    struct response *response = add_output(events, event);
    if (!response)
        return;
    size_t index = response->count - 1;
    struct output *output = &response->outputs[index];
    output->message = true;
    if (!message_json(events, output, "in_progress", false))
        return;
    tell_item(events, response, index, false);
    struct prl_json_write *json =
        begin_part(events, "response.content_part.added", response, index);
    struct prl_api_message empty = {output->id, NULL, NULL, output->audio};
    prl_api_part_write(&empty, events->conf.dialect, json, "part");
    end(events);
}

static void on_text(struct prl_events *events, const struct prl_session_event *event)
{
    size_t index;
    struct output *output = find_output(events, event, &index);
    struct response *response = find_response(events, event->response->id);
    if (!output)
        return;
    (void)prl_str_add(&output->text, event->text, event->len);
    struct prl_json_write *json = begin_part(
        events,
        output->audio ? "response.output_audio_transcript.delta" : "response.output_text.delta",
        response, index);
    prl_json_write_bytes(json, "delta", event->text, event->len);
    // LiveKit reads the start of each piece from here and shows captions in time.
    if (output->audio && event->ms >= 0)
        prl_json_write_real(json, "start_time", (double)event->ms / 1000.0);
    end(events);
}

static size_t to_g711(struct prl_events *events, const struct prl_session_event *event,
                      uint8_t *out)
{
    if (!events->down && prl_resample_create(&events->down, OUT_HZ, G711_HZ) != PRL_OK) {
        lose(events, PRL_ERR_NOMEM);
        return 0;
    }
    int16_t low[CHUNK_MAX];
    size_t count =
        prl_resample_process(events->down, event->pcm, event->samples, NULL, low, CHUNK_MAX);
    if (events->conf.object->output_format == PRL_API_PCMU)
        prl_g711_ulaw_encode_all(out, low, count);
    else
        prl_g711_alaw_encode_all(out, low, count);
    return count;
}

// ---- sound on a track ----

static void tell_buffer(struct prl_events *events, const char *type, const char *response_id)
{
    struct prl_json_write *json = begin(events, type);
    prl_json_write_string(json, "response_id", response_id);
    end(events);
}

static void tell_truncated(struct prl_events *events, const char *item_id, int64_t content_index,
                           int64_t ms)
{
    struct prl_json_write *json = begin(events, "conversation.item.truncated");
    prl_json_write_string(json, "item_id", item_id);
    prl_json_write_int(json, "content_index", content_index);
    prl_json_write_int(json, "audio_end_ms", ms);
    end(events);
}

static void on_audio(struct prl_events *events, const struct prl_session_event *event)
{
    size_t index;
    if (events->conf.track)
        return;
    if (!find_output(events, event, &index) || event->samples > CHUNK_MAX)
        return;
    struct response *response = find_response(events, event->response->id);
    uint8_t coded[CHUNK_MAX];
    const void *data = event->pcm;
    size_t size = event->samples * sizeof(*event->pcm);
    if (events->conf.object->output_format != PRL_API_PCM) {
        size = to_g711(events, event, coded);
        data = coded;
    }
    struct prl_json_write *json =
        begin_part(events, "response.output_audio.delta", response, index);
    prl_json_write_base64(json, "delta", data, size);
    end(events);
}

static void close_message(struct prl_events *events, struct response *response, size_t index,
                          const char *status)
{
    struct output *output = &response->outputs[index];
    output->open = false;
    const char *text = prl_str_text(&output->text);
    if (output->audio) {
        begin_part(events, "response.output_audio.done", response, index);
        end(events);
    }
    struct prl_json_write *json = begin_part(events,
                                             output->audio ? "response.output_audio_transcript.done"
                                                           : "response.output_text.done",
                                             response, index);
    prl_json_write_string(json, output->audio ? "transcript" : "text", text);
    end(events);
    json = begin_part(events, "response.content_part.done", response, index);
    struct prl_api_message whole = {output->id, NULL, text, output->audio};
    prl_api_part_write(&whole, events->conf.dialect, json, "part");
    end(events);
    if (message_json(events, output, status, true))
        tell_item(events, response, index, true);
}

static void on_call(struct prl_events *events, const struct prl_session_event *event)
{
    struct response *response = add_output(events, event);
    if (!response)
        return;
    size_t index = response->count - 1;
    if (call_json(events, &response->outputs[index], event, false))
        tell_item(events, response, index, false);
}

static void on_call_more(struct prl_events *events, const struct prl_session_event *event)
{
    size_t index;
    struct output *output = find_output(events, event, &index);
    struct response *response = find_response(events, event->response->id);
    if (!output)
        return;
    bool done = event->type == PRL_SESSION_CALL_END;
    struct prl_json_write *json = begin_output(events,
                                               done ? "response.function_call_arguments.done"
                                                    : "response.function_call_arguments.delta",
                                               response, index);
    prl_json_write_string(json, "item_id", output->id);
    prl_json_write_string(json, "call_id", event->call_id);
    if (!done) {
        prl_json_write_bytes(json, "delta", event->text, event->len);
        end(events);
        return;
    }
    prl_json_write_string(json, "name", event->name);
    prl_json_write_string(json, "arguments", event->text);
    end(events);
    output->open = false;
    if (call_json(events, output, event, true))
        tell_item(events, response, index, true);
}

// ---- responses ----

static void write_status(const struct prl_session_response_view *view, struct prl_json_write *json)
{
    static const char *const names[] = {"in_progress", "completed", "cancelled", "incomplete",
                                        "failed"};
    prl_json_write_string(json, "status", names[view->status]);
    if (view->status == PRL_RESPONSE_IN_PROGRESS || view->status == PRL_RESPONSE_COMPLETED) {
        prl_json_write_null(json, "status_details");
        return;
    }
    prl_json_write_object(json, "status_details");
    prl_json_write_string(json, "type", names[view->status]);
    if (view->reason)
        prl_json_write_string(json, "reason", view->reason);
    if (view->error_code) {
        prl_json_write_object(json, "error");
        prl_json_write_string(json, "type", "server_error");
        prl_json_write_string(json, "code", view->error_code);
        prl_json_write_string(json, "message", view->error_message);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_object(json);
}

static void write_usage(const struct prl_session_usage *usage, struct prl_json_write *json)
{
    int input = usage->input_tokens + usage->input_audio_tokens;
    int output = usage->output_tokens + usage->output_audio_tokens;
    prl_json_write_object(json, "usage");
    prl_json_write_int(json, "total_tokens", input + output);
    prl_json_write_int(json, "input_tokens", input);
    prl_json_write_int(json, "output_tokens", output);
    prl_json_write_object(json, "input_token_details");
    prl_json_write_int(json, "text_tokens", usage->input_tokens);
    prl_json_write_int(json, "audio_tokens", usage->input_audio_tokens);
    prl_json_write_int(json, "image_tokens", 0);
    prl_json_write_int(json, "cached_tokens", usage->cached_tokens);
    prl_json_write_end_object(json);
    prl_json_write_object(json, "output_token_details");
    prl_json_write_int(json, "text_tokens", usage->output_tokens);
    prl_json_write_int(json, "audio_tokens", usage->output_audio_tokens);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

static void write_response_shape(const struct prl_events *events,
                                 const struct prl_session_response_view *view,
                                 struct prl_json_write *json)
{
    if (events->conf.dialect == PRL_API_BETA) {
        prl_json_write_array(json, "modalities");
        prl_json_write_string(json, NULL, "text");
        if (view->audio)
            prl_json_write_string(json, NULL, "audio");
        prl_json_write_end_array(json);
        prl_json_write_string(json, "voice", view->voice);
        return;
    }
    prl_json_write_array(json, "output_modalities");
    prl_json_write_string(json, NULL, view->audio ? "audio" : "text");
    prl_json_write_end_array(json);
    prl_json_write_object(json, "audio");
    prl_json_write_object(json, "output");
    prl_api_format_write(events->conf.object->output_format, json, "format");
    prl_json_write_string(json, "voice", view->voice);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

static void write_response(struct prl_events *events, const struct prl_session_response_view *view,
                           const struct response *response, struct prl_json_write *json)
{
    prl_json_write_object(json, "response");
    prl_json_write_string(json, "id", view->id);
    prl_json_write_string(json, "object", "realtime.response");
    write_status(view, json);
    prl_json_write_array(json, "output");
    for (size_t i = 0; response && i < response->count; i++)
        if (response->outputs[i].json)
            prl_json_write_raw(json, NULL, response->outputs[i].json);
    prl_json_write_end_array(json);
    write_response_shape(events, view, json);
    if (view->max_output_tokens > 0)
        prl_json_write_int(json, "max_output_tokens", view->max_output_tokens);
    else
        prl_json_write_string(json, "max_output_tokens", "inf");
    if (view->metadata)
        prl_json_write_raw(json, "metadata", view->metadata);
    else
        prl_json_write_null(json, "metadata");
    if (view->status != PRL_RESPONSE_IN_PROGRESS)
        write_usage(&view->usage, json);
    else
        prl_json_write_null(json, "usage");
    prl_json_write_end_object(json);
}

static void on_created(struct prl_events *events, const struct prl_session_event *event)
{
    struct response *place = NULL;
    for (size_t i = 0; i < RESPONSES_MAX && !place; i++)
        if (!events->responses[i].used)
            place = &events->responses[i];
    if (!place) {
        lose(events, PRL_ERR_LIMIT);
        return;
    }
    place->used = true;
    place->out_of_band = event->response->out_of_band;
    (void)prl_str_copy(place->id, sizeof(place->id), event->response->id);
    struct prl_json_write *json = begin(events, "response.created");
    write_response(events, event->response, NULL, json);
    end(events);
}

static void on_done(struct prl_events *events, const struct prl_session_event *event)
{
    struct response *response = find_response(events, event->response->id);
    if (!response)
        return;
    bool whole = event->response->status == PRL_RESPONSE_COMPLETED;
    for (size_t i = 0; i < response->count; i++)
        if (response->outputs[i].open && response->outputs[i].message)
            close_message(events, response, i, whole ? "completed" : "incomplete");
    struct prl_json_write *json = begin(events, "response.done");
    write_response(events, event->response, response, json);
    end(events);
    free_response(response);
    prl_resample_destroy(&events->down);
}

// ---- the user's side ----

static void simple(struct prl_events *events, const char *type, const char *item_id,
                   const char *ms_name, int64_t ms)
{
    struct prl_json_write *json = begin(events, type);
    if (ms_name)
        prl_json_write_int(json, ms_name, ms);
    if (item_id)
        prl_json_write_string(json, "item_id", item_id);
    end(events);
}

static void on_committed(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json = begin(events, "input_audio_buffer.committed");
    prl_json_write_string(json, "previous_item_id", event->previous_id);
    prl_json_write_string(json, "item_id", event->item_id);
    end(events);
}

static void on_item(struct prl_events *events, const struct prl_session_event *event)
{
    int count = events->conf.dialect == PRL_API_BETA ? 1 : 2;
    for (int i = 0; i < count; i++) {
        struct prl_json_write *json =
            begin(events, i == 0 ? "conversation.item.added" : "conversation.item.done");
        prl_json_write_string(json, "previous_item_id", event->previous_id);
        prl_api_item_write(event->item, events->conf.dialect, json, "item");
        end(events);
    }
}

static void on_transcript(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json;
    if (event->len > 0) {
        json = begin(events, "conversation.item.input_audio_transcription.delta");
        prl_json_write_string(json, "item_id", event->item_id);
        prl_json_write_int(json, "content_index", 0);
        prl_json_write_bytes(json, "delta", event->text, event->len);
        end(events);
    }
    json = begin(events, "conversation.item.input_audio_transcription.completed");
    prl_json_write_string(json, "item_id", event->item_id);
    prl_json_write_int(json, "content_index", 0);
    prl_json_write_bytes(json, "transcript", event->text, event->len);
    if (event->language && *event->language && events->conf.dialect == PRL_API_GA) {
        prl_json_write_array(json, "languages");
        prl_json_write_object(json, NULL);
        prl_json_write_string(json, "code", event->language);
        prl_json_write_end_object(json);
        prl_json_write_end_array(json);
    }
    prl_json_write_object(json, "usage");
    prl_json_write_string(json, "type", "duration");
    prl_json_write_real(json, "seconds", event->seconds);
    prl_json_write_end_object(json);
    end(events);
}

static void on_transcript_failed(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json =
        begin(events, "conversation.item.input_audio_transcription.failed");
    prl_json_write_string(json, "item_id", event->item_id);
    prl_json_write_int(json, "content_index", 0);
    prl_json_write_object(json, "error");
    prl_json_write_string(json, "type", "server_error");
    prl_json_write_string(json, "code", "transcription_failed");
    prl_json_write_string(json, "message", event->text);
    prl_json_write_end_object(json);
    end(events);
}

static void on_idle(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json = begin(events, "input_audio_buffer.timeout_triggered");
    prl_json_write_int(json, "audio_start_ms", event->ms);
    prl_json_write_int(json, "audio_end_ms", event->ms_end);
    prl_json_write_string(json, "item_id", event->item_id);
    end(events);
}

static void on_partial(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json = begin(events, "parley.transcript.partial");
    prl_json_write_string(json, "item_id", event->item_id);
    prl_json_write_string(json, "text", event->text);
    prl_json_write_int(json, "stable_bytes", (int64_t)event->stable_bytes);
    end(events);
}

static void write_span(struct prl_json_write *json, const char *name, int64_t us)
{
    if (us >= 0)
        prl_json_write_real(json, name, (double)us / 1000.0);
    else
        prl_json_write_null(json, name);
}

static void on_latency(struct prl_events *events, const struct prl_session_event *event)
{
    if (!events->conf.object->latency)
        return;
    const struct prl_session_spans *spans = event->spans;
    struct prl_json_write *json = begin(events, "parley.response.latency");
    prl_json_write_string(json, "response_id", event->response->id);
    prl_json_write_string(json, "zero", spans->spoken ? "end_of_speech" : "request");
    write_span(json, "detected_ms", spans->detected_us);
    write_span(json, "stt_ms", spans->stt_us);
    write_span(json, "first_token_ms", spans->first_token_us);
    write_span(json, "first_audio_ms", spans->first_audio_us);
    write_span(json, "first_byte_ms", spans->first_byte_us);
    write_span(json, "heard_end_ms", spans->heard_end_us);
    if (spans->spoken) {
        write_span(json, "eot_delay_ms", spans->detected_us);
        write_span(json, "answer_delay_ms", spans->first_byte_us);
        write_span(json, "hold_ms", spans->hold_us);
        write_span(json, "late_ms", spans->late_us);
    }
    if (spans->input_delay_us > 0)
        write_span(json, "input_delay_ms", spans->input_delay_us);
    end(events);
}

void prl_events_session(struct prl_events *events, bool created)
{
    struct prl_json_write *json = begin(events, created ? "session.created" : "session.updated");
    prl_api_session_write(events->conf.object, events->conf.dialect, json, "session");
    end(events);
}

void prl_events_resume(struct prl_events *events, const char *token, int64_t expires_s,
                       bool resumed)
{
    struct prl_json_write *json = begin(events, "parley.resume");
    events->to = PRL_EVENTS_OWNER;
    prl_json_write_string(json, "token", token);
    prl_json_write_int(json, "expires_in_s", expires_s);
    prl_json_write_bool(json, "resumed", resumed);
    end(events);
}

void prl_events_retrieved(struct prl_events *events, const struct prl_item *item)
{
    struct prl_json_write *json = begin(events, "conversation.item.retrieved");
    prl_api_item_write(item, events->conf.dialect, json, "item");
    end(events);
}

void prl_events_error(struct prl_events *events, const char *code, const char *param,
                      const char *message, const char *client_event_id)
{
    struct prl_json_write *json = begin(events, "error");
    events->to = PRL_EVENTS_ASKER;
    prl_json_write_object(json, "error");
    bool ours = code && (strcmp(code, "server_error") == 0);
    prl_json_write_string(json, "type", ours ? "server_error" : "invalid_request_error");
    prl_json_write_string(json, "code", code);
    prl_json_write_string(json, "message", message);
    prl_json_write_string(json, "param", param && *param ? param : NULL);
    prl_json_write_string(json, "event_id", client_event_id);
    prl_json_write_end_object(json);
    end(events);
}

void prl_events_on_session(void *arg, const struct prl_session_event *event)
{
    struct prl_events *events = arg;
    switch (event->type) {
    case PRL_SESSION_SPEECH_STARTED:
        simple(events, "input_audio_buffer.speech_started", event->item_id, "audio_start_ms",
               event->ms);
        break;
    case PRL_SESSION_SPEECH_STOPPED:
        simple(events, "input_audio_buffer.speech_stopped", event->item_id, "audio_end_ms",
               event->ms);
        break;
    case PRL_SESSION_COMMITTED:
        on_committed(events, event);
        break;
    case PRL_SESSION_CLEARED:
        simple(events, "input_audio_buffer.cleared", NULL, NULL, 0);
        break;
    case PRL_SESSION_IDLE:
        on_idle(events, event);
        break;
    case PRL_SESSION_ITEM_ADDED:
        on_item(events, event);
        break;
    case PRL_SESSION_PARTIAL:
        on_partial(events, event);
        break;
    case PRL_SESSION_TRANSCRIPT:
        on_transcript(events, event);
        break;
    case PRL_SESSION_TRANSCRIPT_FAILED:
        on_transcript_failed(events, event);
        break;
    case PRL_SESSION_RESPONSE_CREATED:
        on_created(events, event);
        break;
    case PRL_SESSION_OUTPUT_MESSAGE:
        on_message(events, event);
        break;
    case PRL_SESSION_OUTPUT_TEXT:
        on_text(events, event);
        break;
    case PRL_SESSION_OUTPUT_AUDIO:
        on_audio(events, event);
        break;
    case PRL_SESSION_CALL:
        on_call(events, event);
        break;
    case PRL_SESSION_CALL_ARGUMENTS:
    case PRL_SESSION_CALL_END:
        on_call_more(events, event);
        break;
    case PRL_SESSION_RESPONSE_DONE:
        on_done(events, event);
        break;
    case PRL_SESSION_TRUNCATED:
        tell_truncated(events, event->item_id, event->ms_end, event->ms);
        break;
    case PRL_SESSION_DELETED:
        simple(events, "conversation.item.deleted", event->item_id, NULL, 0);
        break;
    case PRL_SESSION_OUTPUT_STARTED:
        tell_buffer(events, "output_audio_buffer.started", event->response->id);
        break;
    case PRL_SESSION_OUTPUT_STOPPED:
        tell_buffer(events, "output_audio_buffer.stopped", event->response->id);
        break;
    case PRL_SESSION_OUTPUT_CLEARED:
        tell_buffer(events, "output_audio_buffer.cleared", event->response->id);
        break;
    case PRL_SESSION_OUTPUT_PAUSED:
    case PRL_SESSION_OUTPUT_RESUMED:
        break; // the protocol has no word for it
    case PRL_SESSION_LATENCY:
        on_latency(events, event);
        break;
    case PRL_SESSION_ERROR:
        prl_events_error(events, event->code, event->param, event->text, event->client_event_id);
        break;
    }
}

// event_output.c -- see event_state.h: the events of responses, of the items that come of them, and of
// their sound. What an event needs of earlier ones is kept for each response that is going on.
#include <string.h>

#include "api/event_item.h"
#include "api/event_state.h"
#include "base/mem.h"
#include "media/g711.h"
#include "media/resample.h"

enum { G711_HZ = 8000, OUT_HZ = 24000, CHUNK_MAX = 4800 };

static void free_response(struct prl_events_response *response)
{
    for (size_t i = 0; i < response->count; i++) {
        prl_str_free(&response->outputs[i].text);
        prl_mem_free(response->outputs[i].json);
    }
    prl_mem_free(response->outputs);
    *response = (struct prl_events_response){0};
}

void prl_events_drop_responses(struct prl_events *events)
{
    for (size_t i = 0; i < PRL_EVENTS_RESPONSES_MAX; i++)
        free_response(&events->responses[i]);
    prl_resample_destroy(&events->down);
}

// ---- output items ----

static struct prl_events_response *find_response(struct prl_events *events, const char *id)
{
    for (size_t i = 0; i < PRL_EVENTS_RESPONSES_MAX; i++)
        if (events->responses[i].used && strcmp(events->responses[i].id, id) == 0)
            return &events->responses[i];
    return NULL;
}

static struct prl_events_output *find_output(struct prl_events *events,
                                             const struct prl_session_event *event, size_t *index)
{
    struct prl_events_response *response = find_response(events, event->response->id);
    for (size_t i = 0; response && i < response->count; i++)
        if (strcmp(response->outputs[i].id, event->item_id) == 0) {
            *index = i;
            return &response->outputs[i];
        }
    return NULL;
}

static struct prl_json_write *begin_output(struct prl_events *events, const char *type,
                                           const struct prl_events_response *response, size_t index)
{
    struct prl_json_write *json = prl_events_begin(events, type);
    prl_json_write_string(json, "response_id", response->id);
    prl_json_write_int(json, "output_index", (int64_t)index);
    return json;
}

static struct prl_json_write *begin_part(struct prl_events *events, const char *type,
                                         const struct prl_events_response *response, size_t index)
{
    struct prl_json_write *json = begin_output(events, type, response, index);
    prl_json_write_string(json, "item_id", response->outputs[index].id);
    prl_json_write_int(json, "content_index", 0);
    return json;
}

// response.output_item.added|done, then the same for the conversation.
static void tell_item(struct prl_events *events, const struct prl_events_response *response,
                      size_t index, bool done)
{
    const struct prl_events_output *output = &response->outputs[index];
    const char *previous_id = *output->previous ? output->previous : NULL;
    struct prl_json_write *json = begin_output(
        events, done ? "response.output_item.done" : "response.output_item.added", response, index);
    prl_json_write_raw(json, "item", output->json);
    prl_events_end(events);
    // The beta has no conversation.item.done, and what is out of band is in no conversation.
    if (response->out_of_band || (done && events->conf.dialect == PRL_API_BETA))
        return;
    json = prl_events_begin(events, done ? "conversation.item.done" : "conversation.item.added");
    prl_json_write_string(json, "previous_item_id", previous_id);
    prl_json_write_raw(json, "item", output->json);
    prl_events_end(events);
}

static bool keep_json(struct prl_events *events, struct prl_events_output *output,
                      struct prl_str *text)
{
    prl_mem_free(output->json);
    enum prl_err err = text->err;
    output->json = prl_str_give(text);
    prl_str_free(text);
    if (err || !output->json) {
        prl_events_lose(events, err ? err : PRL_ERR_NOMEM);
        prl_mem_free(output->json);
        output->json = NULL;
        return false;
    }
    return true;
}

static bool message_json(struct prl_events *events, struct prl_events_output *output,
                         const char *status, bool with_text)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, PRL_EVENTS_SIZE_MAX);
    prl_json_write_init(&json, &text);
    struct prl_api_message message = {
        output->id, status, with_text ? prl_str_text(&output->text) : NULL, output->audio};
    prl_api_message_write(&message, events->conf.dialect, &json, NULL);
    return keep_json(events, output, &text);
}

static bool call_json(struct prl_events *events, struct prl_events_output *output,
                      const struct prl_session_event *event, bool done)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, PRL_EVENTS_SIZE_MAX);
    prl_json_write_init(&json, &text);
    struct prl_api_call call = {output->id, done ? "completed" : "in_progress", event->call_id,
                                event->name, done ? event->text : ""};
    prl_api_call_write(&call, &json, NULL);
    return keep_json(events, output, &text);
}

static struct prl_events_response *add_output(struct prl_events *events,
                                              const struct prl_session_event *event)
{
    struct prl_events_response *response = find_response(events, event->response->id);
    if (!response || response->count == PRL_SESSION_OUTPUT_MAX) {
        prl_events_lose(events, PRL_ERR_LIMIT);
        return NULL;
    }
    if (!response->outputs)
        response->outputs = prl_mem_array(PRL_SESSION_OUTPUT_MAX, sizeof(*response->outputs));
    if (!response->outputs) {
        prl_events_lose(events, PRL_ERR_NOMEM);
        return NULL;
    }
    struct prl_events_output *output = &response->outputs[response->count++];
    *output = (struct prl_events_output){.open = true, .audio = event->response->audio};
    (void)prl_str_copy(output->id, sizeof(output->id), event->item_id);
    if (event->previous_id)
        (void)prl_str_copy(output->previous, sizeof(output->previous), event->previous_id);
    prl_str_init(&output->text, PRL_SESSION_TEXT_MAX);
    return response;
}

void prl_events_on_message(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_events_response *response = add_output(events, event);
    if (!response)
        return;
    size_t index = response->count - 1;
    struct prl_events_output *output = &response->outputs[index];
    output->message = true;
    if (!message_json(events, output, "in_progress", false))
        return;
    tell_item(events, response, index, false);
    struct prl_json_write *json =
        begin_part(events, "response.content_part.added", response, index);
    struct prl_api_message empty = {output->id, NULL, NULL, output->audio};
    prl_api_part_write(&empty, events->conf.dialect, json, "part");
    prl_events_end(events);
}

void prl_events_on_text(struct prl_events *events, const struct prl_session_event *event)
{
    size_t index;
    struct prl_events_output *output = find_output(events, event, &index);
    struct prl_events_response *response = find_response(events, event->response->id);
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
    prl_events_end(events);
}

static size_t to_g711(struct prl_events *events, const struct prl_session_event *event,
                      uint8_t *out)
{
    if (!events->down && prl_resample_create(&events->down, OUT_HZ, G711_HZ) != PRL_OK) {
        prl_events_lose(events, PRL_ERR_NOMEM);
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

void prl_events_on_audio(struct prl_events *events, const struct prl_session_event *event)
{
    size_t index;
    if (events->conf.track)
        return;
    if (!find_output(events, event, &index) || event->samples > CHUNK_MAX)
        return;
    struct prl_events_response *response = find_response(events, event->response->id);
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
    prl_events_end(events);
}

static void close_message(struct prl_events *events, struct prl_events_response *response,
                          size_t index, const char *status)
{
    struct prl_events_output *output = &response->outputs[index];
    output->open = false;
    const char *text = prl_str_text(&output->text);
    if (output->audio) {
        begin_part(events, "response.output_audio.done", response, index);
        prl_events_end(events);
    }
    struct prl_json_write *json = begin_part(events,
                                             output->audio ? "response.output_audio_transcript.done"
                                                           : "response.output_text.done",
                                             response, index);
    prl_json_write_string(json, output->audio ? "transcript" : "text", text);
    prl_events_end(events);
    json = begin_part(events, "response.content_part.done", response, index);
    struct prl_api_message whole = {output->id, NULL, text, output->audio};
    prl_api_part_write(&whole, events->conf.dialect, json, "part");
    prl_events_end(events);
    if (message_json(events, output, status, true))
        tell_item(events, response, index, true);
}

void prl_events_on_call(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_events_response *response = add_output(events, event);
    if (!response)
        return;
    size_t index = response->count - 1;
    if (call_json(events, &response->outputs[index], event, false))
        tell_item(events, response, index, false);
}

void prl_events_on_call_more(struct prl_events *events, const struct prl_session_event *event)
{
    size_t index;
    struct prl_events_output *output = find_output(events, event, &index);
    struct prl_events_response *response = find_response(events, event->response->id);
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
        prl_events_end(events);
        return;
    }
    prl_json_write_string(json, "name", event->name);
    prl_json_write_string(json, "arguments", event->text);
    prl_events_end(events);
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
                           const struct prl_events_response *response, struct prl_json_write *json)
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

void prl_events_on_created(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_events_response *place = NULL;
    for (size_t i = 0; i < PRL_EVENTS_RESPONSES_MAX && !place; i++)
        if (!events->responses[i].used)
            place = &events->responses[i];
    if (!place) {
        prl_events_lose(events, PRL_ERR_LIMIT);
        return;
    }
    place->used = true;
    place->out_of_band = event->response->out_of_band;
    (void)prl_str_copy(place->id, sizeof(place->id), event->response->id);
    struct prl_json_write *json = prl_events_begin(events, "response.created");
    write_response(events, event->response, NULL, json);
    prl_events_end(events);
}

void prl_events_on_done(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_events_response *response = find_response(events, event->response->id);
    if (!response)
        return;
    bool whole = event->response->status == PRL_RESPONSE_COMPLETED;
    for (size_t i = 0; i < response->count; i++)
        if (response->outputs[i].open && response->outputs[i].message)
            close_message(events, response, i, whole ? "completed" : "incomplete");
    struct prl_json_write *json = prl_events_begin(events, "response.done");
    write_response(events, event->response, response, json);
    prl_events_end(events);
    free_response(response);
    prl_resample_destroy(&events->down);
}

// event.c -- see event.h: how an event is written, and those of the session and of the user's side.
#include "api/event.h"

#include <string.h>

#include "api/event_item.h"
#include "api/event_state.h"
#include "base/mem.h"

enum { BUFFER_KEEP = 32 << 10 }; // bytes; a larger buffer is given back after use

enum prl_err prl_events_create(struct prl_events **out, const struct prl_events_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    prl_str_init(&(*out)->buffer, PRL_EVENTS_SIZE_MAX);
    return PRL_OK;
}

void prl_events_shape(struct prl_events *events, enum prl_api_dialect dialect, bool track)
{
    events->conf.dialect = dialect;
    events->conf.track = track;
}

void prl_events_destroy(struct prl_events **events)
{
    if (!*events)
        return;
    prl_events_drop_responses(*events);
    prl_str_free(&(*events)->buffer);
    prl_mem_free(*events);
    *events = NULL;
}

// ---- one event ----

void prl_events_lose(struct prl_events *events, enum prl_err err)
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

struct prl_json_write *prl_events_begin(struct prl_events *events, const char *type)
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

void prl_events_end(struct prl_events *events)
{
    prl_json_write_end_object(&events->json);
    enum prl_err err = events->buffer.err;
    if (!err && !events->lost)
        err = events->conf.send(events->conf.arg, events->buffer.data, events->buffer.len,
                                events->to);
    if (events->buffer.capacity > BUFFER_KEEP)
        prl_str_free(&events->buffer);
    if (err)
        prl_events_lose(events, err);
}

// ---- the user's side, and the sound on a track ----

static void tell_buffer(struct prl_events *events, const char *type, const char *response_id)
{
    struct prl_json_write *json = prl_events_begin(events, type);
    prl_json_write_string(json, "response_id", response_id);
    prl_events_end(events);
}

static void tell_truncated(struct prl_events *events, const char *item_id, int64_t content_index,
                           int64_t ms)
{
    struct prl_json_write *json = prl_events_begin(events, "conversation.item.truncated");
    prl_json_write_string(json, "item_id", item_id);
    prl_json_write_int(json, "content_index", content_index);
    prl_json_write_int(json, "audio_end_ms", ms);
    prl_events_end(events);
}

static void simple(struct prl_events *events, const char *type, const char *item_id,
                   const char *ms_name, int64_t ms)
{
    struct prl_json_write *json = prl_events_begin(events, type);
    if (ms_name)
        prl_json_write_int(json, ms_name, ms);
    if (item_id)
        prl_json_write_string(json, "item_id", item_id);
    prl_events_end(events);
}

static void on_committed(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json = prl_events_begin(events, "input_audio_buffer.committed");
    prl_json_write_string(json, "previous_item_id", event->previous_id);
    prl_json_write_string(json, "item_id", event->item_id);
    prl_events_end(events);
}

static void on_item(struct prl_events *events, const struct prl_session_event *event)
{
    int count = events->conf.dialect == PRL_API_BETA ? 1 : 2;
    for (int i = 0; i < count; i++) {
        struct prl_json_write *json =
            prl_events_begin(events, i == 0 ? "conversation.item.added" : "conversation.item.done");
        prl_json_write_string(json, "previous_item_id", event->previous_id);
        prl_api_item_write(event->item, events->conf.dialect, json, "item");
        prl_events_end(events);
    }
}

static void on_transcript(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json;
    if (event->len > 0) {
        json = prl_events_begin(events, "conversation.item.input_audio_transcription.delta");
        prl_json_write_string(json, "item_id", event->item_id);
        prl_json_write_int(json, "content_index", 0);
        prl_json_write_bytes(json, "delta", event->text, event->len);
        prl_events_end(events);
    }
    json = prl_events_begin(events, "conversation.item.input_audio_transcription.completed");
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
    prl_events_end(events);
}

static void on_transcript_failed(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json =
        prl_events_begin(events, "conversation.item.input_audio_transcription.failed");
    prl_json_write_string(json, "item_id", event->item_id);
    prl_json_write_int(json, "content_index", 0);
    prl_json_write_object(json, "error");
    prl_json_write_string(json, "type", "server_error");
    prl_json_write_string(json, "code", "transcription_failed");
    prl_json_write_string(json, "message", event->text);
    prl_json_write_end_object(json);
    prl_events_end(events);
}

static void on_idle(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json = prl_events_begin(events, "input_audio_buffer.timeout_triggered");
    prl_json_write_int(json, "audio_start_ms", event->ms);
    prl_json_write_int(json, "audio_end_ms", event->ms_end);
    prl_json_write_string(json, "item_id", event->item_id);
    prl_events_end(events);
}

static void on_partial(struct prl_events *events, const struct prl_session_event *event)
{
    struct prl_json_write *json = prl_events_begin(events, "parley.transcript.partial");
    prl_json_write_string(json, "item_id", event->item_id);
    prl_json_write_string(json, "text", event->text);
    prl_json_write_int(json, "stable_bytes", (int64_t)event->stable_bytes);
    prl_events_end(events);
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
    struct prl_json_write *json = prl_events_begin(events, "parley.response.latency");
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
    prl_events_end(events);
}

void prl_events_session(struct prl_events *events, bool created)
{
    struct prl_json_write *json =
        prl_events_begin(events, created ? "session.created" : "session.updated");
    prl_api_session_write(events->conf.object, events->conf.dialect, json, "session");
    prl_events_end(events);
}

void prl_events_resume(struct prl_events *events, const char *token, int64_t expires_s,
                       bool resumed)
{
    struct prl_json_write *json = prl_events_begin(events, "parley.resume");
    events->to = PRL_EVENTS_OWNER;
    prl_json_write_string(json, "token", token);
    prl_json_write_int(json, "expires_in_s", expires_s);
    prl_json_write_bool(json, "resumed", resumed);
    prl_events_end(events);
}

void prl_events_retrieved(struct prl_events *events, const struct prl_item *item)
{
    struct prl_json_write *json = prl_events_begin(events, "conversation.item.retrieved");
    prl_api_item_write(item, events->conf.dialect, json, "item");
    prl_events_end(events);
}

void prl_events_error(struct prl_events *events, const char *code, const char *param,
                      const char *message, const char *client_event_id)
{
    struct prl_json_write *json = prl_events_begin(events, "error");
    events->to = PRL_EVENTS_ASKER;
    prl_json_write_object(json, "error");
    bool ours = code && (strcmp(code, "server_error") == 0);
    prl_json_write_string(json, "type", ours ? "server_error" : "invalid_request_error");
    prl_json_write_string(json, "code", code);
    prl_json_write_string(json, "message", message);
    prl_json_write_string(json, "param", param && *param ? param : NULL);
    prl_json_write_string(json, "event_id", client_event_id);
    prl_json_write_end_object(json);
    prl_events_end(events);
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
        prl_events_on_created(events, event);
        break;
    case PRL_SESSION_OUTPUT_MESSAGE:
        prl_events_on_message(events, event);
        break;
    case PRL_SESSION_OUTPUT_TEXT:
        prl_events_on_text(events, event);
        break;
    case PRL_SESSION_OUTPUT_AUDIO:
        prl_events_on_audio(events, event);
        break;
    case PRL_SESSION_CALL:
        prl_events_on_call(events, event);
        break;
    case PRL_SESSION_CALL_ARGUMENTS:
    case PRL_SESSION_CALL_END:
        prl_events_on_call_more(events, event);
        break;
    case PRL_SESSION_RESPONSE_DONE:
        prl_events_on_done(events, event);
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

// record.c -- see record.h. An answer's line waits until it is known what of it was heard: when it was
// heard to its end or cut, at the latest when the next one begins.
#include "api/record.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"

enum { LINE_MAX_BYTES = 512 << 10, OUT_PER_MS = PRL_RECORDING_HZ / 1000, WALL_SIZE = 25 };

struct prl_record {
    // Set once.
    struct prl_recorder *recorder;
    struct prl_session *session;
    // Owned.
    struct prl_recording *recording;
    struct prl_str text;
    // State.
    struct prl_json_write json;        // of the line being written
    char item_id[PRL_SESSION_ID_SIZE]; // the answer whose line is due; "" for none
    char response_id[PRL_SESSION_ID_SIZE];
};

// ---- lines ----

static void begin_line(struct prl_record *record, const char *type)
{
    prl_str_init(&record->text, LINE_MAX_BYTES);
    prl_json_write_init(&record->json, &record->text);
    prl_json_write_object(&record->json, NULL);
    prl_json_write_string(&record->json, "type", type);
    prl_json_write_int(&record->json, "ms",
                       prl_recording_ms(record->recording, prl_clock_now_us()));
}

static void add_text(struct prl_record *record, const char *key, const char *text)
{
    if (text)
        prl_json_write_string(&record->json, key, text);
}

static void end_line(struct prl_record *record)
{
    prl_json_write_end_object(&record->json);
    prl_recorder_take_line(record->recorder, record->recording, &record->text);
    prl_str_free(&record->text);
}

static void write_short(struct prl_record *record, const char *type,
                        const struct prl_session_event *event)
{
    begin_line(record, type);
    add_text(record, "item_id", event->item_id);
    add_text(record, "response_id", event->response ? event->response->id : NULL);
    add_text(record, "call_id", event->call_id);
    add_text(record, "name", event->name);
    add_text(record, "code", event->code);
    end_line(record);
}

static void write_start(struct prl_record *record, const char *conversation, bool calls)
{
    char wall[WALL_SIZE];
    prl_clock_wall_text(prl_clock_wall_us(), wall, sizeof(wall));
    begin_line(record, "recording_started");
    add_text(record, "conversation_id", conversation);
    add_text(record, "at", wall);
    add_text(record, "transport", calls ? "webrtc" : "websocket");
    prl_json_write_int(&record->json, "rate_hz", PRL_RECORDING_HZ);
    add_text(record, "left", "user");
    add_text(record, "right", "answer");
    end_line(record);
}

// ---- the conversation's items ----

// The first part with words.
static struct prl_history_part words_of(const struct prl_item *item, size_t *heard)
{
    struct prl_history_part part = {.text = ""};
    *heard = 0;
    for (uint32_t i = 0; i < prl_item_part_count(item) && part.len == 0; i++) {
        struct prl_history_part next = prl_item_part(item, i);
        if (next.image)
            continue;
        part = next;
        *heard = prl_item_heard_bytes(item, i);
    }
    return part;
}

static void add_heard(struct prl_record *record, const struct prl_item *item)
{
    size_t heard;
    struct prl_history_part part = words_of(item, &heard);
    prl_json_write_bytes(&record->json, "heard", part.text, heard);
    prl_json_write_int(&record->json, "heard_ms",
                       (int64_t)(prl_item_cut_samples(item) / OUT_PER_MS));
}

static void write_answer(struct prl_record *record)
{
    const struct prl_item *item =
        prl_history_find(prl_session_history(record->session), record->item_id);
    bool due = record->item_id[0] != '\0';
    record->item_id[0] = '\0';
    if (!due || !item)
        return; // told, or deleted by the client meanwhile
    size_t heard;
    struct prl_history_part part = words_of(item, &heard);
    begin_line(record, "answer");
    add_text(record, "item_id", prl_item_id(item));
    add_text(record, "response_id", record->response_id);
    prl_json_write_bytes(&record->json, "text", part.text, part.len);
    prl_json_write_bool(&record->json, "interrupted", prl_item_cut(item));
    add_heard(record, item);
    prl_json_write_int(&record->json, "sent_ms",
                       (int64_t)(prl_item_sent_samples(item) / OUT_PER_MS));
    end_line(record);
}

// Where the client puts the cut of what was told already.
static void write_truncated(struct prl_record *record, const struct prl_session_event *event)
{
    const struct prl_item *item =
        prl_history_find(prl_session_history(record->session), event->item_id);
    if (strcmp(record->item_id, event->item_id) == 0 || !item) {
        write_answer(record);
        return;
    }
    begin_line(record, "truncated");
    add_text(record, "item_id", event->item_id);
    add_heard(record, item);
    end_line(record);
}

// What was typed; sound gets its transcript's line, and tools' results are nobody's speech.
static void write_item(struct prl_record *record, const struct prl_session_event *event)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    enum prl_item_kind kind = prl_item_kind(event->item);
    size_t heard;
    if (kind == PRL_ITEM_CALL || kind == PRL_ITEM_OUTPUT)
        return;
    struct prl_history_part part = words_of(event->item, &heard);
    if (part.len == 0)
        return;
    begin_line(record, "item");
    add_text(record, "item_id", prl_item_id(event->item));
    add_text(record, "role", roles[kind]);
    prl_json_write_bytes(&record->json, "text", part.text, part.len);
    end_line(record);
}

static void write_transcript(struct prl_record *record, const struct prl_session_event *event)
{
    begin_line(record, "transcript");
    add_text(record, "item_id", event->item_id);
    add_text(record, "text", event->text);
    add_text(record, "language", event->language);
    end_line(record);
}

static void write_filler(struct prl_record *record, const struct prl_session_event *event)
{
    begin_line(record, "filler");
    add_text(record, "item_id", event->item_id);
    prl_json_write_bytes(&record->json, "text", event->text, event->len);
    end_line(record);
}

// ---- responses ----

static void begin_answer(struct prl_record *record, const struct prl_session_event *event)
{
    if (event->response->out_of_band)
        return;
    write_answer(record); // the one before it was cut behind its end
    (void)prl_str_copy(record->item_id, sizeof(record->item_id), event->item_id);
    (void)prl_str_copy(record->response_id, sizeof(record->response_id), event->response->id);
}

static void end_response(struct prl_record *record, const struct prl_session_event *event)
{
    static const char *const statuses[] = {"in_progress", "completed", "cancelled", "incomplete",
                                           "failed"};
    bool cut = event->response->status == PRL_RESPONSE_CANCELLED;
    if (cut && strcmp(record->response_id, event->response->id) == 0)
        write_answer(record);
    begin_line(record, "response_ended");
    add_text(record, "response_id", event->response->id);
    add_text(record, "status", statuses[event->response->status]);
    add_text(record, "reason", event->response->reason);
    if (event->response->out_of_band)
        prl_json_write_bool(&record->json, "out_of_band", true);
    end_line(record);
}

static void add_ms(struct prl_record *record, const char *key, int64_t us)
{
    if (us >= 0)
        prl_json_write_int(&record->json, key, us / 1000);
}

static void write_latency(struct prl_record *record, const struct prl_session_event *event)
{
    const struct prl_session_spans *spans = event->spans;
    if (spans->heard_end_us >= 0) {
        write_answer(record);
        return;
    }
    begin_line(record, "latency");
    add_text(record, "response_id", event->response->id);
    prl_json_write_bool(&record->json, "spoken", spans->spoken);
    add_ms(record, "detected_ms", spans->detected_us);
    add_ms(record, "transcript_ms", spans->stt_us);
    add_ms(record, "first_token_ms", spans->first_token_us);
    add_ms(record, "first_audio_ms", spans->first_audio_us);
    add_ms(record, "first_byte_ms", spans->first_byte_us);
    end_line(record);
}

// Events that need no more than their ids.
static const char *short_name(enum prl_session_event_type type)
{
    static const struct {
        enum prl_session_event_type type;
        const char *name;
    } names[] = {
        {PRL_SESSION_SPEECH_STARTED, "speech_started"},
        {PRL_SESSION_SPEECH_STOPPED, "speech_stopped"},
        {PRL_SESSION_COMMITTED, "committed"},
        {PRL_SESSION_TRANSCRIPT_FAILED, "transcript_failed"},
        {PRL_SESSION_RESPONSE_CREATED, "response_started"},
        {PRL_SESSION_OUTPUT_PAUSED, "paused"},
        {PRL_SESSION_OUTPUT_RESUMED, "resumed"},
        {PRL_SESSION_CALL_END, "tool_call"},
        {PRL_SESSION_DELETED, "deleted"},
        {PRL_SESSION_ERROR, "error"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}

void prl_record_event(struct prl_record *record, const struct prl_session_event *event)
{
    if (prl_recording_over(record->recording, prl_clock_now_us()))
        return;
    const char *name = short_name(event->type);
    if (name)
        write_short(record, name, event);
    switch ((int)event->type) {
    case PRL_SESSION_ITEM_ADDED:
        write_item(record, event);
        break;
    case PRL_SESSION_TRANSCRIPT:
        write_transcript(record, event);
        break;
    case PRL_SESSION_OUTPUT_MESSAGE:
        begin_answer(record, event);
        break;
    case PRL_SESSION_OUTPUT_TEXT:
        if (event->response->filler)
            write_filler(record, event);
        break;
    case PRL_SESSION_RESPONSE_DONE:
        end_response(record, event);
        break;
    case PRL_SESSION_TRUNCATED:
        write_truncated(record, event);
        break;
    case PRL_SESSION_LATENCY:
        write_latency(record, event);
        break;
    default:
        break;
    }
}

// ---- life ----

enum prl_err prl_record_create(struct prl_record **out, struct prl_recorder *recorder,
                               const char *conversation, struct prl_session *session, bool calls)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_record *record = *out;
    record->recorder = recorder;
    record->session = session;
    enum prl_err err = prl_recorder_open(recorder, conversation, &record->recording);
    if (err) {
        prl_mem_free(record);
        *out = NULL;
        return err;
    }
    write_start(record, conversation, calls);
    prl_session_record(session, record->recording);
    return PRL_OK;
}

void prl_record_destroy(struct prl_record **record)
{
    if (!*record)
        return;
    if (!prl_recording_over((*record)->recording, prl_clock_now_us()))
        write_answer(*record);
    prl_session_record((*record)->session, NULL);
    prl_recorder_close((*record)->recorder, &(*record)->recording);
    prl_mem_free(*record);
    *record = NULL;
}

// trace.c -- see trace.h.
#include "api/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json_write.h"

enum {
    SPAN_ID_BYTES = 8,
    HEX_SIZE = 2 * PRL_TRACE_ID_BYTES + 1,
    KIND_INTERNAL = 1, // SPAN_KIND_INTERNAL
    STATUS_ERROR = 2,  // STATUS_CODE_ERROR
    NS_PER_US = 1000
};

_Static_assert(PRL_TRACE_SEED_BYTES == PRL_TRACE_ID_BYTES + SPAN_ID_BYTES, "both ids");

// ---- spans ----

static size_t add(struct prl_trace_span *out, size_t count, const char *name, int64_t start_us,
                  int64_t end_us)
{
    PRL_CHECK(count < PRL_TRACE_SPANS_MAX);
    if (start_us < 0)
        start_us = 0;
    if (end_us < start_us)
        return count;
    out[count] = (struct prl_trace_span){name, start_us, end_us};
    return count + 1;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

size_t prl_trace_spans(const struct prl_session_spans *spans,
                       struct prl_trace_span out[PRL_TRACE_SPANS_MAX])
{
    int64_t end_us = later(later(spans->first_byte_us, spans->heard_end_us),
                           later(spans->detected_us, spans->first_audio_us));
    int64_t ready_us = later(spans->detected_us, spans->first_audio_us);
    size_t count = add(out, 0, spans->spoken ? "turn" : "request", 0, later(end_us, 0));
    if (spans->spoken) {
        count = add(out, count, "end_of_turn", 0, spans->detected_us);
        count = add(out, count, "stt", 0, spans->stt_us);
    }
    count = add(out, count, "llm.first_token", spans->spoken ? spans->stt_us : 0,
                spans->first_token_us);
    count = add(out, count, "tts.first_sound", spans->first_token_us, spans->first_audio_us);
    if (spans->hold_us > 0)
        count = add(out, count, "hold", spans->first_audio_us, spans->detected_us);
    count = add(out, count, "send", ready_us, spans->first_byte_us);
    return add(out, count, "playing", spans->first_byte_us, spans->heard_end_us);
}

// ---- what both forms share ----

static const char *status_name(enum prl_session_status status)
{
    switch (status) {
    case PRL_RESPONSE_IN_PROGRESS:
        return "in_progress";
    case PRL_RESPONSE_COMPLETED:
        return "completed";
    case PRL_RESPONSE_CANCELLED:
        return "cancelled";
    case PRL_RESPONSE_INCOMPLETE:
        return "incomplete";
    case PRL_RESPONSE_FAILED:
        return "failed";
    }
    return "";
}

static void write_hex(const uint8_t *bytes, size_t count, char *hex)
{
    for (size_t i = 0; i < count; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

// The turn's own span has the seed's id, its parts those behind it. An id of zeros is none.
static void span_id(const struct prl_trace_turn *turn, size_t index, char *hex)
{
    uint64_t id;
    memcpy(&id, turn->seed + PRL_TRACE_ID_BYTES, sizeof(id));
    id = (id | 1) + 2 * index;
    snprintf(hex, HEX_SIZE, "%016" PRIx64, id);
}

// ---- OTLP ----

static void write_attribute(struct prl_json_write *json, const char *key, const char *text)
{
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "key", key);
    prl_json_write_object(json, "value");
    prl_json_write_string(json, "stringValue", text);
    prl_json_write_end_object(json);
    prl_json_write_end_object(json);
}

static void write_ns(struct prl_json_write *json, const char *key, int64_t wall_us)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, wall_us * NS_PER_US);
    prl_json_write_string(json, key, text);
}

static void write_span(struct prl_json_write *json, const struct prl_trace_turn *turn,
                       const struct prl_trace_span *span, size_t index)
{
    char hex[HEX_SIZE];
    prl_json_write_object(json, NULL);
    write_hex(turn->seed, PRL_TRACE_ID_BYTES, hex);
    prl_json_write_string(json, "traceId", hex);
    span_id(turn, index, hex);
    prl_json_write_string(json, "spanId", hex);
    if (index > 0) {
        span_id(turn, 0, hex);
        prl_json_write_string(json, "parentSpanId", hex);
    }
    prl_json_write_string(json, "name", span->name);
    prl_json_write_int(json, "kind", KIND_INTERNAL);
    write_ns(json, "startTimeUnixNano", turn->zero_wall_us + span->start_us);
    write_ns(json, "endTimeUnixNano", turn->zero_wall_us + span->end_us);
    if (index == 0) {
        prl_json_write_array(json, "attributes");
        write_attribute(json, "parley.session.id", turn->session);
        write_attribute(json, "parley.response.id", turn->response);
        write_attribute(json, "parley.response.status", status_name(turn->status));
        prl_json_write_end_array(json);
        prl_json_write_object(json, "status");
        if (turn->status == PRL_RESPONSE_FAILED)
            prl_json_write_int(json, "code", STATUS_ERROR);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_object(json);
}

void prl_trace_write_otlp(struct prl_str *out, const struct prl_trace_turn *turns, size_t count,
                          const char *version)
{
    struct prl_json_write json;
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_array(&json, "resourceSpans");
    prl_json_write_object(&json, NULL);
    prl_json_write_object(&json, "resource");
    prl_json_write_array(&json, "attributes");
    write_attribute(&json, "service.name", "parley");
    write_attribute(&json, "service.version", version);
    prl_json_write_end_array(&json);
    prl_json_write_end_object(&json);
    prl_json_write_array(&json, "scopeSpans");
    prl_json_write_object(&json, NULL);
    prl_json_write_object(&json, "scope");
    prl_json_write_string(&json, "name", "parley.turn");
    prl_json_write_end_object(&json);
    prl_json_write_array(&json, "spans");
    for (size_t i = 0; i < count; i++) {
        struct prl_trace_span spans[PRL_TRACE_SPANS_MAX];
        size_t span_count = prl_trace_spans(&turns[i].spans, spans);
        for (size_t s = 0; s < span_count; s++)
            write_span(&json, &turns[i], &spans[s], s);
    }
    prl_json_write_end_array(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_array(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_array(&json);
    prl_json_write_end_object(&json);
}

// ---- Chrome ----

// A row of the viewer a conversation: some number of its own.
static int64_t row_of(const char *session)
{
    uint32_t hash = 2166136261u; // FNV-1a
    for (; *session; session++)
        hash = (hash ^ (uint8_t)*session) * 16777619u;
    return hash >> 1;
}

void prl_trace_write_chrome(struct prl_str *out, const struct prl_trace_turn *turn)
{
    struct prl_trace_span spans[PRL_TRACE_SPANS_MAX];
    size_t count = prl_trace_spans(&turn->spans, spans);
    for (size_t i = 0; i < count; i++) {
        struct prl_json_write json;
        if (i > 0)
            (void)prl_str_adds(out, ",\n");
        prl_json_write_init(&json, out);
        prl_json_write_object(&json, NULL);
        prl_json_write_string(&json, "name", spans[i].name);
        prl_json_write_string(&json, "cat", "turn");
        prl_json_write_string(&json, "ph", "X");
        prl_json_write_int(&json, "ts", turn->zero_wall_us + spans[i].start_us);
        prl_json_write_int(&json, "dur", spans[i].end_us - spans[i].start_us);
        prl_json_write_int(&json, "pid", 1);
        prl_json_write_int(&json, "tid", row_of(turn->session));
        prl_json_write_object(&json, "args");
        prl_json_write_string(&json, "session", turn->session);
        prl_json_write_string(&json, "response", turn->response);
        prl_json_write_string(&json, "status", status_name(turn->status));
        prl_json_write_end_object(&json);
        prl_json_write_end_object(&json);
    }
}

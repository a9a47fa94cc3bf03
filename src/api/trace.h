// trace.h -- a turn as spans: what it waited for, in the forms of OpenTelemetry and of Chrome's viewer.
//
// A pure core over the latency parts that each response carries. No word of the conversation is in a
// trace: names, ids, times, how it ended.
// Units:    microseconds; spans count from the turn's zero (its end of speech, or the request). Zero
//           stands on both clocks: lengths are of the monotonic one, the place in time of the wall's.
// Threads:  any. Memory: what is written goes to the caller's string.
// Errors:   in the string's err.
// Source:   OTLP 1.x, JSON encoding of opentelemetry/proto/trace/v1 (ids in hex, 64-bit numbers as text);
//           "Trace Event Format", complete events.
#ifndef PRL_API_TRACE_H
#define PRL_API_TRACE_H

#include "base/str.h"
#include "session/session.h"

enum { PRL_TRACE_SPANS_MAX = 8, PRL_TRACE_ID_BYTES = 16, PRL_TRACE_SEED_BYTES = 24 };

struct prl_trace_turn {
    uint8_t seed[PRL_TRACE_SEED_BYTES]; // trace id, then the first span's id
    char session[PRL_SESSION_ID_SIZE];
    char response[PRL_SESSION_ID_SIZE];
    int64_t zero_us;      // monotonic
    int64_t zero_wall_us; // since 1970
    struct prl_session_spans spans;
    enum prl_session_status status;
};

struct prl_trace_span {
    const char *name;
    int64_t start_us, end_us; // after zero
};

// The turn itself first, then its parts in their order; a part that speculation had done before it could
// begin, or that never was, is left out. Returns how many.
size_t prl_trace_spans(const struct prl_session_spans *spans,
                       struct prl_trace_span out[PRL_TRACE_SPANS_MAX]);

// One ExportTraceServiceRequest.
void prl_trace_write_otlp(struct prl_str *out, const struct prl_trace_turn *turns, size_t count,
                          const char *version);
// The turn's complete events ("ph": "X"), separated by ",\n".
void prl_trace_write_chrome(struct prl_str *out, const struct prl_trace_turn *turn);

#endif

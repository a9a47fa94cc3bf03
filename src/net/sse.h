// sse.h -- incremental parser of server-sent events: bytes in, events out.
//
// Threads:  one owner. Pure: no clock, no socket.
// Memory:   the event under construction, at most event_size_max bytes.
// Errors:   LIMIT when a line or an event grows above the bound; the parser is then dead until reset.
// Source:   WHATWG HTML, "Server-sent events", interpretation of an event stream.
#ifndef PRL_NET_SSE_H
#define PRL_NET_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct prl_sse;

// Valid during the callback; zero-terminated. `event` is "message" when the stream named none.
struct prl_sse_event {
    const char *event;
    const char *data;
    size_t data_len;
    const char *id; // last event id seen so far, "" when none
};
typedef void (*prl_sse_fn)(void *arg, const struct prl_sse_event *event);

// event_size_max 0: 1 MiB.
enum prl_err prl_sse_create(struct prl_sse **out, size_t event_size_max, prl_sse_fn fn,
                            void *arg) PRL_MUST_USE;
void prl_sse_destroy(struct prl_sse **sse);
// The callback may not destroy the parser.
enum prl_err prl_sse_push(struct prl_sse *sse, const char *data, size_t len) PRL_MUST_USE;
void prl_sse_reset(struct prl_sse *sse);

#endif

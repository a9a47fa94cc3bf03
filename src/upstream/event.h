// event.h -- what an upstream Realtime server says: one JSON message becomes one plain struct.
//
// Threads:  any, one at a time.
// Memory:   the struct borrows from the tree, which the caller frees with prl_json_free.
// Errors:   INVALID for what is no JSON object with a type. Members that are missing or of another
//           kind are "" or -1; a type that is none of ours is OTHER, as newer servers say more.
// Source:   OpenAI Realtime (GA names, and the older names of the same events).
#ifndef PRL_UPSTREAM_EVENT_H
#define PRL_UPSTREAM_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

enum prl_upstream_type {
    PRL_UPSTREAM_OTHER,
    PRL_UPSTREAM_SESSION,    // created: it listens
    PRL_UPSTREAM_COMMITTED,  // item_id
    PRL_UPSTREAM_TRANSCRIPT, // item_id, text
    PRL_UPSTREAM_TRANSCRIPT_FAILED,
    PRL_UPSTREAM_CREATED, // response_id, key
    PRL_UPSTREAM_ITEM,    // response_id, item_id: a message begins
    PRL_UPSTREAM_TEXT,    // response_id, item_id, text, start_ms
    PRL_UPSTREAM_AUDIO,   // response_id, text: base64
    PRL_UPSTREAM_CALL,    // response_id, item_id, call_id, name, text: the arguments
    PRL_UPSTREAM_DONE,    // response_id, key, status, reason, message, usage
    PRL_UPSTREAM_ERROR,   // code, message, event_id: of what it refers to
};

struct prl_upstream_event {
    enum prl_upstream_type type;
    const char *response_id, *item_id, *call_id, *name;
    const char *text;
    size_t len;
    const char *key;      // metadata.parley of the response
    const char *event_id; // ERROR
    const char *code, *message;
    const char *status, *reason;
    int64_t start_ms; // -1: not told
    int input_tokens, cached_tokens, output_tokens;
};

enum prl_err prl_upstream_event_parse(struct prl_upstream_event *out, struct prl_json **tree,
                                      const char *data, size_t len) PRL_MUST_USE;

#endif

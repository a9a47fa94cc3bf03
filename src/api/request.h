// request.h -- one client event, parsed and checked, becomes a call on the session.
//
// Threads:  the connection's loop thread. Memory: none kept; the JSON tree is the caller's.
// Errors:   answered with an `error` event that names the field and carries the client's event_id.
#ifndef PRL_API_REQUEST_H
#define PRL_API_REQUEST_H

#include "api/event.h"
#include "api/session_object.h"
#include "base/json.h"
#include "session/session.h"

// What a request works on; all borrowed.
struct prl_request_target {
    struct prl_api_session *object;
    struct prl_session *session;
    struct prl_events *events;
    const struct prl_session_conf *base; // the server's defaults below the object
    bool track;                          // the client's sound and ours go as RTP
};

// `root` is the event without the sound of an append, which the connection feeds itself. Returns true
// for an append whose sound is to be taken (its type is right and its fields are).
bool prl_request_run(const struct prl_request_target *target, const struct prl_json *root);

// The effective configuration of object over base.
void prl_request_conf(const struct prl_request_target *target, struct prl_session_conf *conf);

#endif

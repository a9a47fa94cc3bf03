// event.h -- from what became true in a session to the events of the protocol, in their order.
//
// One object a connection. It alone knows names, order and shape of server events, in both dialects,
// and keeps what an event needs of earlier ones: the open output items of each response.
// Threads:  the connection's loop thread.
// Memory:   one text buffer, reused; the text of open items; a resampler for G.711.
// Errors:   an event that cannot be built or sent is reported once through `lost`: the owner closes the
//           connection, because a client with a hole in its event stream hangs.
// Source:   event order: docs/PROTOCOL.md, "Order".
#ifndef PRL_API_EVENT_H
#define PRL_API_EVENT_H

#include "api/session_object.h"
#include "session/session.h"

struct prl_events;

// Who an event is for, when a conversation has several listeners.
enum prl_events_to {
    PRL_EVENTS_ALL,
    PRL_EVENTS_ASKER, // an error: the answer to whoever sent the event that is being handled
    PRL_EVENTS_OWNER  // what only the client itself may know
};

struct prl_events_conf {
    enum prl_api_dialect dialect;
    bool track;                           // sound goes as RTP: no deltas of it
    const struct prl_api_session *object; // borrowed: formats and extensions are read at each event
    // Sends one event; the text is borrowed for the call.
    enum prl_err (*send)(void *arg, const char *text, size_t len, enum prl_events_to to);
    void (*lost)(void *arg, enum prl_err err);
    void *arg;
};

enum prl_err prl_events_create(struct prl_events **out,
                               const struct prl_events_conf *conf) PRL_MUST_USE;
void prl_events_destroy(struct prl_events **events);
// The client has come back in another way; only while no response is going on.
void prl_events_shape(struct prl_events *events, enum prl_api_dialect dialect, bool track);

// session.created and session.updated.
void prl_events_session(struct prl_events *events, bool created);
// parley.resume: the token with which the client can come back within `expires_s` of a drop.
void prl_events_resume(struct prl_events *events, const char *token, int64_t expires_s,
                       bool resumed);
// conversation.item.retrieved.
void prl_events_retrieved(struct prl_events *events, const struct prl_item *item);
// `client_event_id` and `param` may be NULL.
void prl_events_error(struct prl_events *events, const char *code, const char *param,
                      const char *message, const char *client_event_id);
// Everything that a session reports; the signature of prl_session_fn with `arg` the events object.
void prl_events_on_session(void *arg, const struct prl_session_event *event);

#endif

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

struct prl_events_conf {
    enum prl_api_dialect dialect;
    const struct prl_api_session *object; // borrowed: formats and extensions are read at each event
    // Sends one event; the text is borrowed for the call.
    enum prl_err (*send)(void *arg, const char *text, size_t len);
    void (*lost)(void *arg, enum prl_err err);
    void *arg;
};

enum prl_err prl_events_create(struct prl_events **out,
                               const struct prl_events_conf *conf) PRL_MUST_USE;
void prl_events_destroy(struct prl_events **events);

// session.created and session.updated.
void prl_events_session(struct prl_events *events, bool created);
// conversation.item.retrieved.
void prl_events_retrieved(struct prl_events *events, const struct prl_item *item);
// `client_event_id` and `param` may be NULL.
void prl_events_error(struct prl_events *events, const char *code, const char *param,
                      const char *message, const char *client_event_id);
// Everything that a session reports; the signature of prl_session_fn with `arg` the events object.
void prl_events_on_session(void *arg, const struct prl_session_event *event);

#endif

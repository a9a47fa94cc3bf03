// call.h -- calls: conversations over WebRTC, made, steered and ended by HTTP.
//
// POST …/realtime/calls takes an offer, raw or with a session in a form, and answers it; the call is then
// an rtc peer, a leg for its sound (session/leg.h) and the owner's channel of a talk, "oai-events".
// Units:    microseconds. Threads: the loop thread.
// Memory:   one object a call beside its talk, peer and leg; events that arise before the data channel
//           opens are kept up to PRL_CALL_PENDING_MAX bytes, then the client starts anew from
//           session.created when it opens.
// Errors:   HTTP statuses with code, param and a sentence; a call that fails later ends, and its talk
//           waits for its client when that asked for it.
// Rules:    a call is steered by the credential that made it, and by the key that made that secret.
// Source:   docs/PROTOCOL.md, "Calls".
#ifndef PRL_API_CALL_H
#define PRL_API_CALL_H

#include "api/auth.h"
#include "api/secret.h"
#include "api/talks.h"

struct prl_calls;
struct prl_http;
struct prl_rtc;

enum {
    PRL_CALL_PENDING_MAX = 256 << 10,
    PRL_CALL_LINGER_US = 200000 // for the last event to leave before the connection closes
};

struct prl_calls_conf { // all borrowed
    struct prl_loop *loop;
    struct prl_rtc *rtc; // NULL: offers are refused with 501
    struct prl_talks *talks;
    const struct prl_auth *auth;
    struct prl_secrets *secrets;
};

enum prl_err prl_calls_create(struct prl_calls **out,
                              const struct prl_calls_conf *conf) PRL_MUST_USE;
// Ends every call. The HTTP server must be gone; talks, rtc and loop must still be there.
void prl_calls_destroy(struct prl_calls **calls);
enum prl_err prl_calls_route(struct prl_calls *calls, struct prl_http *http) PRL_MUST_USE;

// The conversation of a call that is going on, for a sideband. NOTFOUND: no such call. INVALID: it is
// not `asker`'s.
enum prl_err prl_calls_talk(struct prl_calls *calls, const char *id,
                            const struct prl_credential *asker, struct prl_talk **out) PRL_MUST_USE;

size_t prl_calls_count(const struct prl_calls *calls);

#endif

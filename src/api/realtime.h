// realtime.h -- the Realtime API over WebSocket: connections that own a conversation, come back to one,
// or join a call as observers.
//
// Threads:  the loop thread.
// Memory:   one small object a connection beside its talk (talk.h).
// Errors:   a connection that is refused gets its HTTP status and a JSON error body; later problems are
//           `error` events, or a close with a reason (1013: the client does not read).
// Source:   docs/PROTOCOL.md.
#ifndef PRL_API_REALTIME_H
#define PRL_API_REALTIME_H

#include "api/auth.h"
#include "api/secret.h"
#include "api/talks.h"

struct prl_calls;
struct prl_http;
struct prl_http_request;
struct prl_realtime;

struct prl_realtime_conf { // all borrowed
    struct prl_talks *talks;
    struct prl_calls *calls; // for sidebands; NULL: there are no calls
    const struct prl_auth *auth;
    struct prl_secrets *secrets;
};

enum prl_err prl_realtime_create(struct prl_realtime **out,
                                 const struct prl_realtime_conf *conf) PRL_MUST_USE;
// The HTTP server must be gone: its connections end their talks.
void prl_realtime_destroy(struct prl_realtime **realtime);
// Adds the WebSocket routes.
enum prl_err prl_realtime_route(struct prl_realtime *realtime, struct prl_http *http) PRL_MUST_USE;

// Which vocabulary a request asks for: beta by header, subprotocol or Azure's query, else GA.
enum prl_api_dialect prl_realtime_dialect(const struct prl_http_request *request);
// The model that the query names ("model", or Azure's "deployment"), or "".
void prl_realtime_model(const struct prl_http_request *request, char *model, size_t size);
// The resume token of a request: header Parley-Resume, or the subprotocol parley-resume.TOKEN. False
// when there is none; one that cannot be any is "".
bool prl_realtime_token(const struct prl_http_request *request, char token[PRL_TALK_TOKEN_SIZE]);

// Several loops: the number of the one that a request belongs to. A session stays on its loop, which the
// digit in call ids and resume tokens names; a new one takes its turn; all else is for the first loop.
size_t prl_realtime_loop(const struct prl_http_request *request, struct prl_talks_loops *loops);

#endif

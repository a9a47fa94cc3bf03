// realtime.h -- the Realtime API over WebSocket: connections, each with its session.
//
// Threads:  the loop thread.
// Memory:   one object a connection; at most `sessions_max` of them.
// Errors:   a connection that is refused gets its HTTP status and a JSON error body; later problems are
//           `error` events, or a close with a reason (1013: the client does not read).
// Source:   docs/PROTOCOL.md.
#ifndef PRL_API_REALTIME_H
#define PRL_API_REALTIME_H

#include "api/auth.h"
#include "session/session.h"

struct prl_http;
struct prl_realtime;

struct prl_realtime_conf {
    struct prl_session_engines engines;
    struct prl_session_conf session; // defaults of every session; texts live as long as the server
    const struct prl_auth *auth;     // borrowed
    size_t sessions_max;
    int64_t session_max_us; // longest life of a connection; 0: no limit
};

enum prl_err prl_realtime_create(struct prl_realtime **out,
                                 const struct prl_realtime_conf *conf) PRL_MUST_USE;
// The HTTP server must be gone: its connections end their sessions.
void prl_realtime_destroy(struct prl_realtime **realtime);
// Adds the WebSocket routes.
enum prl_err prl_realtime_route(struct prl_realtime *realtime, struct prl_http *http) PRL_MUST_USE;

struct prl_realtime_stats {
    size_t sessions;       // now
    uint64_t sessions_all; // so far
    uint64_t refused;      // for lack of room
    uint64_t responses;    // ended
    uint64_t errors;       // error events sent
};
void prl_realtime_stats(const struct prl_realtime *realtime, struct prl_realtime_stats *stats);

#endif

// mint.h -- the addresses where a server with a key gets client secrets for its browsers.
//
// POST /v1/realtime/client_secrets, and the beta's /sessions and /transcription_sessions.
// Threads:  the loop thread. Memory: none kept; the secrets are secret.h's.
// Errors:   400 with the field, 401 (a client secret makes no others), 429 when the table is full.
// Source:   docs/PROTOCOL.md, "Client secrets".
#ifndef PRL_API_MINT_H
#define PRL_API_MINT_H

#include "api/auth.h"
#include "api/secret.h"
#include "session/session.h"

struct prl_http;

// All borrowed; outlives the HTTP server.
struct prl_mint {
    const struct prl_auth *auth;
    struct prl_secrets *secrets;
    const struct prl_session_conf *base; // defaults of every session
};

enum prl_err prl_mint_route(struct prl_mint *mint, struct prl_http *http) PRL_MUST_USE;

#endif

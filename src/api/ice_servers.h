// ice_servers.h -- the STUN and TURN servers that clients shall use besides our own addresses.
//
// GET /v1/realtime/ice_servers answers with an object that is a browser's RTCConfiguration:
// {"iceServers": [{"urls": "turn:…", "username": "…", "credential": "…"}]}.
// Threads:  the loop thread. Memory: the answer is written once, in create.
// Errors:   INVALID: `why` (PRL_ICE_SERVERS_WHY_SIZE bytes) names the entry, never a credential; 401.
// Source:   RFC 7064, RFC 7065 (URIs); the W3C's WebRTC, 4.2.4 (RTCIceServer).
#ifndef PRL_API_ICE_SERVERS_H
#define PRL_API_ICE_SERVERS_H

#include "api/auth.h"
#include "base/str.h"

struct prl_http;
struct prl_ice_servers;
struct prl_secrets;

enum { PRL_ICE_SERVERS_MAX = 16, PRL_ICE_SERVERS_WHY_SIZE = 256 };

// `list`: entries separated by commas or spaces: stun:HOST[:PORT], stuns:…, turn:USER:PASSWORD@HOST
// [:PORT][?transport=udp|tcp], turns:…; user and password with percent escapes. `auth` and `secrets` are
// borrowed.
enum prl_err prl_ice_servers_create(struct prl_ice_servers **out, const char *list,
                                    const struct prl_auth *auth, struct prl_secrets *secrets,
                                    char *why) PRL_MUST_USE;
void prl_ice_servers_destroy(struct prl_ice_servers **servers);
enum prl_err prl_ice_servers_route(struct prl_ice_servers *servers,
                                   struct prl_http *http) PRL_MUST_USE;
// The answer's body.
const char *prl_ice_servers_json(const struct prl_ice_servers *servers);

#endif

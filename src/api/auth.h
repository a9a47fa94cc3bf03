// auth.h -- who may use the API: keys from the environment and a file.
//
// Threads:  the loop thread after create.
// Memory:   keys are copied, and wiped at destroy.
// Errors:   INVALID for a file that others can read or with a bad line, NOTFOUND, NOMEM; `why` gets one line.
// Rules:    keys are compared in constant time, never logged, never taken from a URL.
#ifndef PRL_API_AUTH_H
#define PRL_API_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct prl_auth;
struct prl_http_request;

enum { PRL_AUTH_KEYS_MAX = 64, PRL_AUTH_KEY_MAX = 256, PRL_AUTH_WHY_SIZE = 256 };

// `key` (PARLEY_API_KEY) and `path` (one key a line, # comments, mode 0600) may be NULL.
enum prl_err prl_auth_create(struct prl_auth **out, const char *key, const char *path,
                             char *why) PRL_MUST_USE;
void prl_auth_destroy(struct prl_auth **auth);
size_t prl_auth_count(const struct prl_auth *auth);

// True when no key is set, or `text` is one.
bool prl_auth_check(const struct prl_auth *auth, const char *text);
// Copies what the request shows as its key: `Authorization: Bearer`, `api-key`, or the WebSocket
// subprotocol openai-insecure-api-key.KEY that browsers use. False when it shows none, or one that is
// too long to be any. Wipe it after use.
bool prl_auth_shown(const struct prl_http_request *request, char key[PRL_AUTH_KEY_MAX]);
// A configured key was shown, or none is configured. A client secret is no key, whether or not keys are
// configured; what it may do is credential.h's business.
bool prl_auth_request(const struct prl_auth *auth, const struct prl_http_request *request);

#endif

// credential.h -- who is asking: a configured key, a client secret, or anybody where no key is set.
//
// What was shown is kept as its SHA-256 only, so that a conversation can remember who made it.
// Threads:  the loop thread. Memory: plain values. Errors: a bool; NOMEM counts as "no".
// Rules:    never logged; compared in constant time; an ephemeral secret is no key: it starts
//           conversations and steers those it started, and nothing else.
#ifndef PRL_API_CREDENTIAL_H
#define PRL_API_CREDENTIAL_H

#include <stdbool.h>

#include "api/auth.h"
#include "engine/hash.h"

struct prl_secret;
struct prl_secrets;

enum prl_credential_kind {
    PRL_CREDENTIAL_ANYBODY, // no key is configured
    PRL_CREDENTIAL_KEY,
    PRL_CREDENTIAL_SECRET
};

struct prl_credential {
    enum prl_credential_kind kind;
    char id[PRL_HASH_TEXT_SIZE];     // of what was shown; "" for anybody
    char issuer[PRL_HASH_TEXT_SIZE]; // SECRET: id of the key that made it
};

// Reads the request's key as prl_auth_request does, client secrets included; false: to be refused with
// 401. `secret` is set for a client secret (borrowed, valid until the table is next touched), else NULL.
bool prl_credential_read(const struct prl_auth *auth, struct prl_secrets *secrets,
                         const struct prl_http_request *request, struct prl_credential *out,
                         const struct prl_secret **secret);
// May `asker` steer what `maker` made? The same credential may, and the key that made the secret.
bool prl_credential_owns(const struct prl_credential *asker, const struct prl_credential *maker);
// Who it is in the end: the key's id, also for the secrets that it made; "" for anybody.
const char *prl_credential_owner(const struct prl_credential *credential);
// Constant-time comparison of two hashes.
bool prl_credential_same(const char a[PRL_HASH_TEXT_SIZE], const char b[PRL_HASH_TEXT_SIZE]);

#endif

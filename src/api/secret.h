// secret.h -- client secrets: short-lived keys that a browser may hold, each with the settings of the
// sessions that it starts.
//
// Units:    seconds of life; `wall_us` is wall time, given by the caller.
// Threads:  one object a loop; those that joined see the same secrets.
// Memory:   at most count_max secrets and bytes_max bytes of their settings.
// Errors:   mint: LIMIT when the table is full of secrets that have not expired; NOMEM.
// Rules:    only the SHA-256 of a value is kept; the search looks at every place and compares in
//           constant time; a value has 192 random bits and is never logged.
// Source:   docs/PROTOCOL.md, "Client secrets".
#ifndef PRL_API_SECRET_H
#define PRL_API_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/hash.h"

#define PRL_SECRET_PREFIX "ek_"

enum {
    PRL_SECRET_SIZE = 64, // of a value, its zero included
    PRL_SECRET_SECONDS_MIN = 10,
    PRL_SECRET_SECONDS_MAX = 7200,
    PRL_SECRET_SECONDS = 600
};

struct prl_secret {
    char hash[PRL_HASH_TEXT_SIZE];   // of the value; "" marks a free place
    char issuer[PRL_HASH_TEXT_SIZE]; // of the key that asked for it; "" where no key is set
    int64_t expires_wall_us;
    char *session; // owned JSON text: the member `session` of the request, or NULL
    size_t session_size;
    bool transcription; // made for transcription sessions
};

struct prl_secrets_conf {
    size_t count_max; // 0: 10,000
    size_t bytes_max; // 0: 64 MiB
};

struct prl_secrets;

enum prl_err prl_secrets_create(struct prl_secrets **out,
                                const struct prl_secrets_conf *conf) PRL_MUST_USE;
// The same secrets for another loop. Before the loops run; `secrets` is destroyed last.
enum prl_err prl_secrets_join(struct prl_secrets **out, struct prl_secrets *secrets) PRL_MUST_USE;
void prl_secrets_destroy(struct prl_secrets **secrets);

// What a new secret is to be; all borrowed.
struct prl_secret_wish {
    const char *session; // JSON text or NULL
    bool transcription;
    const char *issuer; // PRL_HASH_TEXT_SIZE bytes
    int64_t seconds;    // PRL_SECRET_SECONDS_MIN..MAX
};
// Makes one; `value` is all that is ever known of it outside.
enum prl_err prl_secrets_mint(struct prl_secrets *secrets, const struct prl_secret_wish *wish,
                              int64_t wall_us, char value[PRL_SECRET_SIZE]) PRL_MUST_USE;
// The secret of this value, or NULL: unknown, expired, or no memory. A copy, valid until the next find.
const struct prl_secret *prl_secrets_find(struct prl_secrets *secrets, const char *value,
                                          int64_t wall_us);
// Places in use, expired ones that nobody has swept yet included.
size_t prl_secrets_count(const struct prl_secrets *secrets);

#endif

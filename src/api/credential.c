// credential.c -- see credential.h.
#include "api/credential.h"

#include <string.h>

#include "api/secret.h"
#include "base/clock.h"
#include "base/str.h"

bool prl_credential_same(const char a[PRL_HASH_TEXT_SIZE], const char b[PRL_HASH_TEXT_SIZE])
{
    unsigned differ = 0;
    for (size_t i = 0; i < PRL_HASH_TEXT_SIZE; i++)
        differ |= (unsigned char)a[i] ^ (unsigned char)b[i];
    return differ == 0;
}

bool prl_credential_owns(const struct prl_credential *asker, const struct prl_credential *maker)
{
    if (asker->kind == maker->kind && prl_credential_same(asker->id, maker->id))
        return true;
    return maker->kind == PRL_CREDENTIAL_SECRET && asker->kind != PRL_CREDENTIAL_SECRET &&
           prl_credential_same(asker->id, maker->issuer);
}

const char *prl_credential_owner(const struct prl_credential *credential)
{
    return credential->kind == PRL_CREDENTIAL_SECRET ? credential->issuer : credential->id;
}

bool prl_credential_read(const struct prl_auth *auth, struct prl_secrets *secrets,
                         const struct prl_http_request *request, struct prl_credential *out,
                         const struct prl_secret **secret)
{
    char shown[PRL_AUTH_KEY_MAX] = "";
    *out = (struct prl_credential){.kind = PRL_CREDENTIAL_ANYBODY};
    *secret = NULL;
    bool any = prl_auth_shown(request, shown);
    bool good;
    if (any && prl_str_starts(shown, PRL_SECRET_PREFIX)) {
        *secret = prl_secrets_find(secrets, shown, prl_clock_wall_us());
        good = *secret != NULL;
        if (good) {
            out->kind = PRL_CREDENTIAL_SECRET;
            memcpy(out->id, (*secret)->hash, sizeof(out->id));
            memcpy(out->issuer, (*secret)->issuer, sizeof(out->issuer));
        }
    } else if (prl_auth_count(auth) == 0) {
        good = true;
    } else {
        out->kind = PRL_CREDENTIAL_KEY;
        good = any && prl_auth_check(auth, shown) &&
               prl_hash_bytes(shown, strlen(shown), out->id) == PRL_OK;
    }
    explicit_bzero(shown, sizeof(shown));
    return good;
}

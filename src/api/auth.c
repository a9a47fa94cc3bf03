// auth.c -- see auth.h.
#include "api/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/secret.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"

struct prl_auth {
    char keys[PRL_AUTH_KEYS_MAX][PRL_AUTH_KEY_MAX];
    size_t count;
};

static enum prl_err add_key(struct prl_auth *auth, const char *key, char *why)
{
    if (strlen(key) < 8 || strlen(key) >= PRL_AUTH_KEY_MAX) {
        snprintf(why, PRL_AUTH_WHY_SIZE, "an API key has 8 to %d characters, one has %zu",
                 PRL_AUTH_KEY_MAX - 1, strlen(key));
        return PRL_ERR_INVALID;
    }
    if (auth->count == PRL_AUTH_KEYS_MAX) {
        snprintf(why, PRL_AUTH_WHY_SIZE, "more than %d API keys", PRL_AUTH_KEYS_MAX);
        return PRL_ERR_LIMIT;
    }
    (void)prl_str_copy(auth->keys[auth->count++], PRL_AUTH_KEY_MAX, key);
    return PRL_OK;
}

static enum prl_err read_keys(struct prl_auth *auth, FILE *file, char *why)
{
    char line[PRL_AUTH_KEY_MAX + 2];
    enum prl_err err = PRL_OK;
    while (!err && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] && line[0] != '#')
            err = add_key(auth, line, why);
    }
    explicit_bzero(line, sizeof(line));
    return err;
}

static enum prl_err read_file(struct prl_auth *auth, const char *path, char *why)
{
    FILE *file = fopen(path, "re");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        snprintf(why, PRL_AUTH_WHY_SIZE, "the key file %.150s cannot be read", path);
        if (file)
            fclose(file);
        return PRL_ERR_NOTFOUND;
    }
    enum prl_err err = PRL_ERR_INVALID;
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        snprintf(why, PRL_AUTH_WHY_SIZE, "others can read the key file %.120s: chmod 600 it", path);
    else
        err = read_keys(auth, file, why);
    fclose(file);
    return err;
}

enum prl_err prl_auth_create(struct prl_auth **out, const char *key, const char *path, char *why)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out) {
        snprintf(why, PRL_AUTH_WHY_SIZE, "out of memory");
        return PRL_ERR_NOMEM;
    }
    enum prl_err err = key && *key ? add_key(*out, key, why) : PRL_OK;
    if (!err && path && *path)
        err = read_file(*out, path, why);
    if (err)
        prl_auth_destroy(out);
    return err;
}

void prl_auth_destroy(struct prl_auth **auth)
{
    if (!*auth)
        return;
    explicit_bzero(*auth, sizeof(**auth));
    prl_mem_free(*auth);
    *auth = NULL;
}

size_t prl_auth_count(const struct prl_auth *auth)
{
    return auth->count;
}

// Looks at every byte of every key, whatever the text is.
bool prl_auth_check(const struct prl_auth *auth, const char *text)
{
    if (auth->count == 0)
        return true;
    char padded[PRL_AUTH_KEY_MAX] = "";
    if (!text || strlen(text) >= sizeof(padded))
        return false;
    (void)prl_str_copy(padded, sizeof(padded), text);
    unsigned found = 0;
    for (size_t i = 0; i < auth->count; i++) {
        unsigned differ = 0;
        for (size_t k = 0; k < sizeof(padded); k++)
            differ |= (unsigned char)padded[k] ^ (unsigned char)auth->keys[i][k];
        found |= differ == 0;
    }
    explicit_bzero(padded, sizeof(padded));
    return found != 0;
}

static const char *bearer(const char *header)
{
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    return header + 7;
}

bool prl_auth_shown(const struct prl_http_request *request, char key[PRL_AUTH_KEY_MAX])
{
    static const char prefix[] = "openai-insecure-api-key.";
    const char *header = bearer(prl_http_header(request, "Authorization"));
    if (!header)
        header = prl_http_header(request, "api-key");
    if (header)
        return prl_str_copy(key, PRL_AUTH_KEY_MAX, header);
    char name[PRL_AUTH_KEY_MAX + sizeof(prefix)];
    for (size_t i = 0; prl_http_subprotocol(request, i, name, sizeof(name)); i++)
        if (prl_str_starts(name, prefix))
            return prl_str_copy(key, PRL_AUTH_KEY_MAX, name + sizeof(prefix) - 1);
    return false;
}

bool prl_auth_request(const struct prl_auth *auth, const struct prl_http_request *request)
{
    char shown[PRL_AUTH_KEY_MAX] = "";
    bool any = prl_auth_shown(request, shown);
    bool secret = any && prl_str_starts(shown, PRL_SECRET_PREFIX);
    bool good = !secret && (auth->count == 0 || (any && prl_auth_check(auth, shown)));
    explicit_bzero(shown, sizeof(shown));
    return good;
}

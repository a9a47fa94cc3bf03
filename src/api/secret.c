// secret.c -- see secret.h. A growing array without order: it is searched once a session, every place of
// it on purpose, and an array has nothing to get wrong. A lock guards it, for the loops that share it: a few microseconds a
// session, far from any path of sound.
#include "api/secret.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    COUNT_MAX = 10000,
    BYTES_MAX = 64 << 20,
    GROW_MIN = 16,
    RANDOM_BYTES = 24,
    SECOND_US = 1000000
};

struct table {
    size_t count_max, bytes_max;
    // Guarded by the lock.
    pthread_mutex_t lock;
    struct prl_secret *list; // owned
    size_t count, capacity;
    size_t bytes; // of all settings
};

struct prl_secrets {
    struct table *table; // of the first
    bool joined;
    struct prl_secret found; // owned: what find returned last
};

enum prl_err prl_secrets_create(struct prl_secrets **out, const struct prl_secrets_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    struct table *table = *out ? prl_mem_zalloc(sizeof(*table)) : NULL;
    if (!table) {
        prl_mem_free(*out);
        *out = NULL;
        return PRL_ERR_NOMEM;
    }
    (*out)->table = table;
    PRL_CHECK(pthread_mutex_init(&table->lock, NULL) == 0);
    table->count_max = conf->count_max ? conf->count_max : COUNT_MAX;
    table->bytes_max = conf->bytes_max ? conf->bytes_max : BYTES_MAX;
    return PRL_OK;
}

enum prl_err prl_secrets_join(struct prl_secrets **out, struct prl_secrets *secrets)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->table = secrets->table;
    (*out)->joined = true;
    return PRL_OK;
}

static void drop(struct table *secrets, size_t index)
{
    struct prl_secret *secret = &secrets->list[index];
    secrets->bytes -= secret->session_size;
    prl_mem_free(secret->session);
    *secret = secrets->list[--secrets->count];
}

void prl_secrets_destroy(struct prl_secrets **secrets)
{
    if (!*secrets)
        return;
    struct table *table = (*secrets)->table;
    while (!(*secrets)->joined && table->count > 0)
        drop(table, table->count - 1);
    if (!(*secrets)->joined) {
        pthread_mutex_destroy(&table->lock);
        prl_mem_free(table->list);
        prl_mem_free(table);
    }
    prl_mem_free((*secrets)->found.session);
    prl_mem_free(*secrets);
    *secrets = NULL;
}

static void sweep(struct table *secrets, int64_t wall_us)
{
    for (size_t i = secrets->count; i > 0; i--)
        if (secrets->list[i - 1].expires_wall_us <= wall_us)
            drop(secrets, i - 1);
}

static enum prl_err make_room(struct table *secrets, size_t size)
{
    if (secrets->count == secrets->count_max || secrets->bytes + size > secrets->bytes_max)
        return PRL_ERR_LIMIT;
    if (secrets->count < secrets->capacity)
        return PRL_OK;
    size_t capacity = secrets->capacity ? secrets->capacity * 2 : GROW_MIN;
    if (capacity > secrets->count_max)
        capacity = secrets->count_max;
    void *more = prl_mem_realloc(secrets->list, capacity * sizeof(*secrets->list));
    if (!more)
        return PRL_ERR_NOMEM;
    secrets->list = more;
    secrets->capacity = capacity;
    return PRL_OK;
}

static void make_value(char value[PRL_SECRET_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    static const char prefix[] = PRL_SECRET_PREFIX;
    uint8_t noise[RANDOM_BYTES];
    PRL_CHECK(getrandom(noise, sizeof(noise), 0) == (ssize_t)sizeof(noise));
    size_t len = sizeof(prefix) - 1;
    memcpy(value, prefix, len);
    for (size_t i = 0; i < sizeof(noise); i++) {
        value[len++] = hex[noise[i] >> 4];
        value[len++] = hex[noise[i] & 15];
    }
    value[len] = '\0';
    explicit_bzero(noise, sizeof(noise));
}

_Static_assert(sizeof(PRL_SECRET_PREFIX) + RANDOM_BYTES + RANDOM_BYTES <= PRL_SECRET_SIZE,
               "a value fits");

static enum prl_err mint(struct table *secrets, const struct prl_secret_wish *wish, int64_t wall_us,
                         char value[PRL_SECRET_SIZE])
{
    size_t size = wish->session ? strlen(wish->session) + 1 : 0;
    sweep(secrets, wall_us);
    enum prl_err err = make_room(secrets, size);
    if (err)
        return err;
    struct prl_secret secret = {.expires_wall_us = wall_us + wish->seconds * SECOND_US,
                                .session_size = size,
                                .transcription = wish->transcription};
    memcpy(secret.issuer, wish->issuer, sizeof(secret.issuer));
    make_value(value);
    err = prl_hash_bytes(value, strlen(value), secret.hash);
    if (!err && size > 0) {
        secret.session = prl_mem_dup(wish->session, size);
        err = secret.session ? PRL_OK : PRL_ERR_NOMEM;
    }
    if (err) {
        explicit_bzero(value, PRL_SECRET_SIZE);
        return err;
    }
    secrets->list[secrets->count++] = secret;
    secrets->bytes += size;
    return PRL_OK;
}

enum prl_err prl_secrets_mint(struct prl_secrets *secrets, const struct prl_secret_wish *wish,
                              int64_t wall_us, char value[PRL_SECRET_SIZE])
{
    PRL_CHECK(wish->seconds >= PRL_SECRET_SECONDS_MIN && wish->seconds <= PRL_SECRET_SECONDS_MAX);
    pthread_mutex_lock(&secrets->table->lock);
    enum prl_err err = mint(secrets->table, wish, wall_us, value);
    pthread_mutex_unlock(&secrets->table->lock);
    return err;
}

static const struct prl_secret *find(const struct table *secrets,
                                     const char hash[PRL_HASH_TEXT_SIZE], int64_t wall_us)
{
    const struct prl_secret *found = NULL;
    for (size_t i = 0; i < secrets->count; i++) {
        const struct prl_secret *secret = &secrets->list[i];
        unsigned differ = 0;
        for (size_t k = 0; k < PRL_HASH_TEXT_SIZE; k++)
            differ |= (unsigned char)hash[k] ^ (unsigned char)secret->hash[k];
        if (differ == 0 && secret->expires_wall_us > wall_us)
            found = secret;
    }
    return found;
}

const struct prl_secret *prl_secrets_find(struct prl_secrets *secrets, const char *value,
                                          int64_t wall_us)
{
    char hash[PRL_HASH_TEXT_SIZE];
    if (strlen(value) >= PRL_SECRET_SIZE || prl_hash_bytes(value, strlen(value), hash) != PRL_OK)
        return NULL;
    prl_mem_free(secrets->found.session);
    secrets->found = (struct prl_secret){.session = NULL};
    pthread_mutex_lock(&secrets->table->lock);
    const struct prl_secret *found = find(secrets->table, hash, wall_us);
    if (found) {
        secrets->found = *found;
        secrets->found.session =
            found->session ? prl_mem_dup(found->session, found->session_size) : NULL;
        if (found->session && !secrets->found.session)
            found = NULL;
    }
    pthread_mutex_unlock(&secrets->table->lock);
    return found ? &secrets->found : NULL;
}

size_t prl_secrets_count(const struct prl_secrets *secrets)
{
    pthread_mutex_lock(&secrets->table->lock);
    size_t count = secrets->table->count;
    pthread_mutex_unlock(&secrets->table->lock);
    return count;
}

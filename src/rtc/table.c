// table.c -- see table.h. At most half of the slots are used, so runs stay short.
#include "rtc/table.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/mem.h"

enum { CAPACITY_MAX = 1 << 20, WORDS = 6 };

struct slot {
    struct prl_table_key key;
    void *value;
    bool used;
};

struct prl_table {
    // Set once.
    size_t capacity, mask;
    uint64_t secret[2];
    // State.
    size_t count;
    struct slot slots[];
};

static void put(struct prl_table_key *key, size_t at, const void *data, size_t size)
{
    PRL_CHECK(at + size <= sizeof(key->words));
    memcpy((uint8_t *)key->words + at, data, size);
}

struct prl_table_key prl_table_name_key(const char *name)
{
    struct prl_table_key key = {{0}};
    size_t len = strlen(name);
    put(&key, 1, name, len < sizeof(key.words) - 1 ? len : sizeof(key.words) - 1);
    return key;
}

struct prl_table_key prl_table_number_key(uint64_t number)
{
    return (struct prl_table_key){{number}};
}

// 22 bytes: the address, its scope and its port.
static void put_address(struct prl_table_key *key, size_t at, const union prl_sockaddr *address)
{
    if (address->any.sa_family == AF_INET6) {
        put(key, at, &address->v6.sin6_addr, 16);
        put(key, at + 16, &address->v6.sin6_scope_id, 4);
        put(key, at + 20, &address->v6.sin6_port, 2);
    } else {
        put(key, at, &address->v4.sin_addr, 4);
        put(key, at + 20, &address->v4.sin_port, 2);
    }
}

struct prl_table_key prl_table_path_key(const struct prl_ice_path *path)
{
    struct prl_table_key key = {{0}};
    // The first byte tells paths from names and the kinds of paths from each other.
    uint8_t kind =
        (uint8_t)(1 + (path->tcp ? 1 : 0) + (path->remote.any.sa_family == AF_INET6 ? 2 : 0));
    put(&key, 0, &kind, 1);
    put_address(&key, 2, &path->remote);
    put_address(&key, 24, &path->local);
    return key;
}

// A multiplicative mix of each word with secret numbers: an outsider cannot aim at one run.
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t home_of(const struct prl_table *table, const struct prl_table_key *key)
{
    uint64_t hash = table->secret[0];
    for (size_t i = 0; i < WORDS; i++)
        hash = mix(hash ^ key->words[i], table->secret[1] + i * 2);
    return (size_t)hash & table->mask;
}

static size_t find(const struct prl_table *table, const struct prl_table_key *key)
{
    size_t at = home_of(table, key);
    while (table->slots[at].used && memcmp(&table->slots[at].key, key, sizeof(*key)) != 0)
        at = (at + 1) & table->mask;
    return at;
}

enum prl_err prl_table_create(struct prl_table **out, size_t capacity)
{
    PRL_CHECK(capacity >= 1 && capacity <= CAPACITY_MAX);
    *out = NULL;
    size_t slots = 2;
    while (slots < capacity * 2)
        slots *= 2;
    struct prl_table *table = prl_mem_zalloc(sizeof(*table) + slots * sizeof(struct slot));
    if (!table)
        return PRL_ERR_NOMEM;
    table->capacity = capacity;
    table->mask = slots - 1;
    if (getrandom(table->secret, sizeof(table->secret), 0) != (ssize_t)sizeof(table->secret)) {
        prl_mem_free(table);
        return PRL_ERR_IO;
    }
    table->secret[1] |= 1;
    *out = table;
    return PRL_OK;
}

void prl_table_destroy(struct prl_table **table)
{
    prl_mem_free(*table);
    *table = NULL;
}

enum prl_err prl_table_set(struct prl_table *table, const struct prl_table_key *key, void *value)
{
    struct slot *slot = &table->slots[find(table, key)];
    if (!slot->used && table->count == table->capacity)
        return PRL_ERR_FULL;
    table->count += slot->used ? 0 : 1;
    *slot = (struct slot){*key, value, true};
    return PRL_OK;
}

bool prl_table_get(const struct prl_table *table, const struct prl_table_key *key, void **value)
{
    const struct slot *slot = &table->slots[find(table, key)];
    if (slot->used)
        *value = slot->value;
    return slot->used;
}

void prl_table_remove(struct prl_table *table, const struct prl_table_key *key, void *value)
{
    size_t hole = find(table, key);
    if (!table->slots[hole].used || table->slots[hole].value != value)
        return;
    table->slots[hole].used = false;
    table->count--;
    for (size_t at = (hole + 1) & table->mask; table->slots[at].used; at = (at + 1) & table->mask) {
        // An entry may move into the hole unless its home lies behind the hole.
        size_t home = home_of(table, &table->slots[at].key);
        if (((at - home) & table->mask) < ((at - hole) & table->mask))
            continue;
        table->slots[hole] = table->slots[at];
        table->slots[at].used = false;
        hole = at;
    }
}

size_t prl_table_count(const struct prl_table *table)
{
    return table->count;
}

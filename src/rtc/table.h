// table.h -- which peer a name or a path belongs to: a bounded hash table from keys to objects.
//
// Threads:  one owner.
// Memory:   one block in create; nothing afterwards.
//           Values are the caller's; he takes them out before they die.
// Errors:   FULL at the capacity named in create.
// Source:   linear probing with deletion by shifting back (Knuth, The Art of Computer Programming 3,
//           6.4, algorithm R); hashed with a secret, since strangers choose the keys.
#ifndef PRL_RTC_TABLE_H
#define PRL_RTC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/ice.h"

struct prl_table;

struct prl_table_key {
    uint64_t words[6];
};

// Names of up to 47 bytes are told apart; a path by addresses, remote port and transport.
struct prl_table_key prl_table_name_key(const char *name);
struct prl_table_key prl_table_number_key(uint64_t number);
struct prl_table_key prl_table_path_key(const struct prl_ice_path *path);

// 1..2^20 entries.
enum prl_err prl_table_create(struct prl_table **out, size_t capacity) PRL_MUST_USE;
void prl_table_destroy(struct prl_table **table);
// Enters or replaces.
enum prl_err prl_table_set(struct prl_table *table, const struct prl_table_key *key,
                           void *value) PRL_MUST_USE;
bool prl_table_get(const struct prl_table *table, const struct prl_table_key *key, void **value);
// Only when the entry has this value: who lost a key to somebody else must not remove theirs.
void prl_table_remove(struct prl_table *table, const struct prl_table_key *key, void *value);
size_t prl_table_count(const struct prl_table *table);

#endif

// table.h -- the file of sorted maps that tools/convert/en_tables.py writes, mapped read-only.
//
// Units:    bytes.
// Threads:  find from any thread once opened.
// Memory:   the file is mapped; what find returns points into it and is valid until close.
// Errors:   open: NOTFOUND (no such file), INVALID (not such a file, or cut short), NOMEM, with one
//           line in `why`. Every offset is checked in open, so find trusts them.
#ifndef PRL_TTS_TABLE_H
#define PRL_TTS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum prl_table_section {
    PRL_TABLE_GOLD,
    PRL_TABLE_SILVER,
    PRL_TABLE_SPECIAL,
    PRL_TABLE_TAGDICT,
    PRL_TABLE_VOCAB,
    PRL_TABLE_WEIGHTS,
    PRL_TABLE_MISC,
    PRL_TABLE_SECTIONS
};

// A piece of text that somebody else owns. data NULL: no such thing (an empty one is not NULL).
struct prl_span {
    const char *data;
    size_t len;
};

struct prl_table;

enum prl_err prl_table_open(struct prl_table **out, const char *path, char *why,
                            size_t why_size) PRL_MUST_USE;
void prl_table_close(struct prl_table **table);

bool prl_table_british(const struct prl_table *table);
// Value of a key; data is NULL when the section has no such key.
struct prl_span prl_table_find(const struct prl_table *table, enum prl_table_section section,
                               const char *key, size_t key_len);

#endif

// json.h -- reading JSON into a tree (adapter of jansson); json_write.h writes it.
//
// Threads:  any, one at a time per tree.
// Memory:   the root owns the tree and is freed with prl_json_free; every value and text got from it
//           is borrowed and lives as long as the root. Blocks come from base/mem.h.
// Errors:   INVALID with a sentence that names line and column; depth is limited by jansson to 2,048.
//           Getters on NULL or on another type give the fallback, never fail.
#ifndef PRL_BASE_JSON_H
#define PRL_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct prl_json;

enum prl_json_type {
    PRL_JSON_NONE, // no value (NULL)
    PRL_JSON_NULL,
    PRL_JSON_BOOL,
    PRL_JSON_INT,
    PRL_JSON_REAL,
    PRL_JSON_STRING,
    PRL_JSON_ARRAY,
    PRL_JSON_OBJECT
};

// `problem` (may be NULL) gets a sentence without a full stop, cut to its size. Duplicate keys are refused.
enum prl_err prl_json_parse(struct prl_json **out, const char *text, size_t len, char *problem,
                            size_t problem_size) PRL_MUST_USE;
void prl_json_free(struct prl_json **root);

enum prl_json_type prl_json_type(const struct prl_json *value);
// "object", "string" … for messages.
const char *prl_json_type_name(enum prl_json_type type);

// Member of an object, NULL when absent or when `value` is no object.
const struct prl_json *prl_json_get(const struct prl_json *value, const char *key);
size_t prl_json_count(const struct prl_json *value); // members or elements, else 0
const struct prl_json *prl_json_at(const struct prl_json *array, size_t index);
// Walks the members of an object: start with *cursor = NULL; false at the end.
bool prl_json_next(const struct prl_json *object, void **cursor, const char **key,
                   const struct prl_json **value);

const char *prl_json_string(const struct prl_json *value, const char *fallback);
size_t prl_json_string_len(const struct prl_json *value); // bytes, 0 when no string
int64_t prl_json_int(const struct prl_json *value, int64_t fallback);
double prl_json_real(const struct prl_json *value, double fallback); // takes integers too
bool prl_json_bool(const struct prl_json *value, bool fallback);

// Appends the value as compact JSON text.
enum prl_err prl_json_dump(const struct prl_json *value, struct prl_str *out);

#endif

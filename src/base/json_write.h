// json_write.h -- writes JSON text straight into a prl_str, without a tree.
//
// Memory:   only the string's block grows. Errors stick in str->err: check it once at the end.
// Threads:  one owner.
// Use:      key is NULL inside arrays and at the root. Begin and end calls must pair (checked).
#ifndef PRL_BASE_JSON_WRITE_H
#define PRL_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct prl_json_write {
    struct prl_str *out; // borrowed
    uint32_t depth;      // open objects and arrays, at most 32
    uint32_t filled;     // bit d: level d has a member already
};

void prl_json_write_init(struct prl_json_write *json, struct prl_str *out);
void prl_json_write_object(struct prl_json_write *json, const char *key);
void prl_json_write_array(struct prl_json_write *json, const char *key);
void prl_json_write_end_object(struct prl_json_write *json);
void prl_json_write_end_array(struct prl_json_write *json);
// A NULL text writes null. Malformed UTF-8 is written as U+FFFD, so the output is always valid.
void prl_json_write_string(struct prl_json_write *json, const char *key, const char *text);
void prl_json_write_bytes(struct prl_json_write *json, const char *key, const char *text,
                          size_t len);
void prl_json_write_int(struct prl_json_write *json, const char *key, int64_t number);
void prl_json_write_real(struct prl_json_write *json, const char *key, double number);
void prl_json_write_bool(struct prl_json_write *json, const char *key, bool value);
void prl_json_write_null(struct prl_json_write *json, const char *key);
// `text` is JSON already and is copied as it is.
void prl_json_write_raw(struct prl_json_write *json, const char *key, const char *text);
// Binary data as a base64 string.
void prl_json_write_base64(struct prl_json_write *json, const char *key, const void *data,
                           size_t size);

#endif

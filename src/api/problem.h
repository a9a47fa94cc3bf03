// problem.h -- what is wrong with a client's message: code, field and sentence of an `error` event;
// and typed reading of JSON objects that stops at the first problem.
//
// Threads:  any. Memory: none beyond the struct.
// Errors:   the first problem is kept; getters after it do nothing, so a parser checks once at its end.
#ifndef PRL_API_PROBLEM_H
#define PRL_API_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct prl_problem {
    const char *code;  // "invalid_value" …; NULL: no problem
    char param[128];   // path of the field, e.g. "session.audio.input.format.type"
    char message[256]; // a sentence with the number and the limit
};

// Keeps the first one only.
void prl_problem_set(struct prl_problem *problem, const char *code, const char *param,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

// An object being read, at `path` ("session.audio"); `object` NULL reads as empty.
struct prl_fields {
    const struct prl_json *object;
    const char *path;
    struct prl_problem *problem; // borrowed
};

// Each of these returns true when the field is present, not null, and right; *out is set only then.
// A field of the wrong type or out of range is a problem. `null` counts as absent.
bool prl_fields_bool(const struct prl_fields *fields, const char *name, bool *out);
bool prl_fields_int(const struct prl_fields *fields, const char *name, int64_t low, int64_t high,
                    int64_t *out);
bool prl_fields_real(const struct prl_fields *fields, const char *name, double low, double high,
                     double *out);
// *out is borrowed from the tree. Longer than `len_max` bytes, or with a zero in it: a problem.
bool prl_fields_string(const struct prl_fields *fields, const char *name, size_t len_max,
                       const char **out);
// One of a NULL-terminated list of names; *out is its index.
bool prl_fields_choice(const struct prl_fields *fields, const char *name, const char *const *names,
                       size_t *out);
// A nested object; `path` (of `path_size` bytes) receives its path and must outlive `out`.
bool prl_fields_object(const struct prl_fields *fields, const char *name, char *path,
                       size_t path_size, struct prl_fields *out);
bool prl_fields_array(const struct prl_fields *fields, const char *name,
                      const struct prl_json **out);
// Present and null.
bool prl_fields_null(const struct prl_fields *fields, const char *name);
// The same as prl_fields_string, and absent is a problem: missing_required_parameter.
bool prl_fields_need_string(const struct prl_fields *fields, const char *name, size_t len_max,
                            const char **out);

#endif

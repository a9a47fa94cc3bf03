// conf.h -- one table of keys gives parsing, range errors, environment names, the sample file and the
// reference page.
//
// The table's owner (server/settings.c) describes each field of its struct once. Sources in rising
// order: defaults, YAML file, environment, --set. An unknown key is an error with "did you mean".
// Threads:  start-up only.
// Memory:   strings of the struct are heap blocks owned by it (prl_conf_free).
// Errors:   INVALID with one line: file and line or the source's name, key, value, range. NOTFOUND for
//           a missing file.
// Bounds:   files up to 256 KiB, nesting up to 8, no YAML aliases or anchors.
// Source:   YAML 1.1 through libyaml; only mappings, scalars, lists of scalars (joined by commas), and
//           lists of up to three mappings: "a: [{b: 1}, {b: 2}, {b: 3}]" sets a.b, a.fallback.b and
//           a.fallback2.b.
#ifndef PRL_BASE_CONF_H
#define PRL_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { PRL_CONF_WHY_SIZE = 400 };

enum prl_conf_type { PRL_CONF_BOOL, PRL_CONF_INT, PRL_CONF_REAL, PRL_CONF_STRING, PRL_CONF_CHOICE };

struct prl_conf_key {
    const char *name; // "turn.silence_duration_ms"
    enum prl_conf_type type;
    size_t offset;        // of a bool, int64_t, double, char * or int64_t (index of the choice)
    const char *fallback; // default as text; NULL: an empty string
    double low, high;     // INT, REAL
    const char *const *choices; // CHOICE, NULL-terminated
    const char *help;           // one sentence
};

struct prl_conf_table {
    const struct prl_conf_key *keys;
    size_t count;
};

// Fills `settings` with the defaults.
enum prl_err prl_conf_defaults(const struct prl_conf_table *table, void *settings) PRL_MUST_USE;
void prl_conf_free(const struct prl_conf_table *table, void *settings);

// `where` is what an error begins with, e.g. "--set" or "parley.yaml:12".
enum prl_err prl_conf_set(const struct prl_conf_table *table, void *settings, const char *name,
                          const char *value, const char *where, char *why) PRL_MUST_USE;
// "key=value".
enum prl_err prl_conf_set_pair(const struct prl_conf_table *table, void *settings, const char *pair,
                               char *why) PRL_MUST_USE;
enum prl_err prl_conf_file(const struct prl_conf_table *table, void *settings, const char *path,
                           char *why) PRL_MUST_USE;
// The same for text in memory; `name` stands for the file in errors.
enum prl_err prl_conf_text(const struct prl_conf_table *table, void *settings, const char *text,
                           size_t len, const char *name, char *why) PRL_MUST_USE;
// PARLEY_TURN_SILENCE_DURATION_MS and so on, from `environ` (NULL-terminated "NAME=value").
enum prl_err prl_conf_env(const struct prl_conf_table *table, void *settings, char *const *environ_,
                          char *why) PRL_MUST_USE;

// The effective values as "key=value" pairs, a zero behind each, for prl_conf_set_pair elsewhere.
enum prl_err prl_conf_pairs(const struct prl_conf_table *table, const void *settings,
                            struct prl_str *out) PRL_MUST_USE;
// The effective values as YAML; `comments` adds help and default, and writes every line as a comment
// (the sample file).
enum prl_err prl_conf_yaml(const struct prl_conf_table *table, const void *settings, bool comments,
                           struct prl_str *out);
// The reference page in Markdown.
enum prl_err prl_conf_markdown(const struct prl_conf_table *table, struct prl_str *out);

#endif

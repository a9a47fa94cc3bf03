// conf.c -- see conf.h: values, sources and the pages made of the table. The YAML side is conf_yaml.c.
#include "base/conf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { NAME_MAX_BYTES = 96 };

static void *field(void *settings, const struct prl_conf_key *key)
{
    return (char *)settings + key->offset;
}

static const void *field_const(const void *settings, const struct prl_conf_key *key)
{
    return (const char *)settings + key->offset;
}

static bool parse_bool(const char *text, bool *value)
{
    static const char *const words[][2] = {
        {"true", "false"}, {"yes", "no"}, {"on", "off"}, {"1", "0"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        for (int k = 0; k < 2; k++)
            if (strcmp(text, words[i][k]) == 0) {
                *value = k == 0;
                return true;
            }
    return false;
}

static enum prl_err set_choice(const struct prl_conf_key *key, const char *value, int64_t *out,
                               char *wanted, size_t size)
{
    size_t len = 0;
    for (int64_t i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], value) == 0) {
            *out = i;
            return PRL_OK;
        }
        int more =
            snprintf(wanted + len, size - len, "%s%s", i ? ", " : "one of ", key->choices[i]);
        len = len + (size_t)more < size ? len + (size_t)more : size - 1;
    }
    return PRL_ERR_INVALID;
}

static enum prl_err set_number(void *settings, const struct prl_conf_key *key, const char *value)
{
    double real;
    int64_t whole = 0;
    if (!prl_str_to_double(value, &real) || !(real >= key->low && real <= key->high))
        return PRL_ERR_INVALID;
    if (key->type == PRL_CONF_INT && !prl_str_to_int(value, &whole))
        return PRL_ERR_INVALID;
    if (key->type == PRL_CONF_INT)
        memcpy(field(settings, key), &whole, sizeof(whole));
    else
        memcpy(field(settings, key), &real, sizeof(real));
    return PRL_OK;
}

static enum prl_err set_string(void *settings, const struct prl_conf_key *key, const char *value)
{
    char *copy = prl_mem_strdup(value);
    if (!copy)
        return PRL_ERR_NOMEM;
    char *old;
    memcpy(&old, field(settings, key), sizeof(old)); // NOLINT(bugprone-sizeof-expression)
    prl_mem_free(old);
    memcpy(field(settings, key), &copy, sizeof(copy)); // NOLINT(bugprone-sizeof-expression)
    return PRL_OK;
}

// What the value should have been, in `wanted`.
static enum prl_err set_value(void *settings, const struct prl_conf_key *key, const char *value,
                              char *wanted, size_t size)
{
    bool flag;
    int64_t index;
    enum prl_err err;
    switch (key->type) {
    case PRL_CONF_BOOL:
        snprintf(wanted, size, "true or false");
        if (!parse_bool(value, &flag))
            return PRL_ERR_INVALID;
        memcpy(field(settings, key), &flag, sizeof(flag));
        return PRL_OK;
    case PRL_CONF_INT:
    case PRL_CONF_REAL:
        snprintf(wanted, size, "a %s from %.10g to %.10g",
                 key->type == PRL_CONF_INT ? "whole number" : "number", key->low, key->high);
        return set_number(settings, key, value);
    case PRL_CONF_STRING:
        return set_string(settings, key, value);
    case PRL_CONF_CHOICE:
        err = set_choice(key, value, &index, wanted, size);
        if (!err)
            memcpy(field(settings, key), &index, sizeof(index));
        return err;
    }
    return PRL_ERR_INVALID;
}

enum prl_err prl_conf_defaults(const struct prl_conf_table *table, void *settings)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct prl_conf_key *key = &table->keys[i];
        char wanted[200];
        const char *value = key->fallback ? key->fallback : "";
        enum prl_err err = set_value(settings, key, value, wanted, sizeof(wanted));
        PRL_CHECK(err == PRL_OK || err == PRL_ERR_NOMEM); // a default outside its range is our bug
        if (err) {
            prl_conf_free(table, settings);
            return err;
        }
    }
    return PRL_OK;
}

void prl_conf_free(const struct prl_conf_table *table, void *settings)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct prl_conf_key *key = &table->keys[i];
        if (key->type != PRL_CONF_STRING)
            continue;
        char *text;
        memcpy(&text, field(settings, key), sizeof(text)); // NOLINT(bugprone-sizeof-expression)
        prl_mem_free(text);
        memset(field(settings, key), 0, sizeof(text)); // NOLINT(bugprone-sizeof-expression)
    }
}

// Edit distance of short names (Wagner and Fischer 1974), for "did you mean".
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_BYTES + 1];
    size_t b_len = strlen(b);
    if (b_len > NAME_MAX_BYTES)
        return NAME_MAX_BYTES;
    for (size_t k = 0; k <= b_len; k++)
        row[k] = (unsigned)k;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t k = 0; k < b_len; k++) {
            unsigned best = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (row[k + 1] + 1 < best)
                best = row[k + 1] + 1;
            row[k + 1] = best;
        }
    }
    return row[b_len];
}

static void unknown_key(const struct prl_conf_table *table, const char *name, const char *where,
                        char *why)
{
    const char *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < table->count; i++) {
        // A name without its section is a common slip.
        const char *last = strrchr(table->keys[i].name, '.');
        unsigned now = distance(name, table->keys[i].name);
        if (last && strcmp(last + 1, name) == 0)
            now = 0;
        if (!best || now < best_distance) {
            best = table->keys[i].name;
            best_distance = now;
        }
    }
    if (best && best_distance <= 1 + strlen(name) / 3)
        snprintf(why, PRL_CONF_WHY_SIZE, "%s: unknown key '%.90s', did you mean '%s'?", where, name,
                 best);
    else
        snprintf(why, PRL_CONF_WHY_SIZE, "%s: unknown key '%.90s' ('parley config' lists all keys)",
                 where, name);
}

enum prl_err prl_conf_set(const struct prl_conf_table *table, void *settings, const char *name,
                          const char *value, const char *where, char *why)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct prl_conf_key *key = &table->keys[i];
        if (strcmp(key->name, name) != 0)
            continue;
        char wanted[200] = "";
        enum prl_err err = set_value(settings, key, value, wanted, sizeof(wanted));
        if (err == PRL_ERR_INVALID)
            snprintf(why, PRL_CONF_WHY_SIZE, "%s: %s is '%.60s', it must be %s", where, name, value,
                     wanted);
        else if (err)
            snprintf(why, PRL_CONF_WHY_SIZE, "%s: %s: %s", where, name, prl_err_name(err));
        return err;
    }
    unknown_key(table, name, where, why);
    return PRL_ERR_INVALID;
}

enum prl_err prl_conf_set_pair(const struct prl_conf_table *table, void *settings, const char *pair,
                               char *why)
{
    char name[NAME_MAX_BYTES];
    const char *equals = strchr(pair, '=');
    if (!equals || (size_t)(equals - pair) >= sizeof(name)) {
        snprintf(why, PRL_CONF_WHY_SIZE, "--set: '%.90s' is not of the form key=value", pair);
        return PRL_ERR_INVALID;
    }
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    return prl_conf_set(table, settings, name, equals + 1, "--set", why);
}

static void env_name(const char *name, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "PARLEY_%s", name);
    for (size_t i = 0; i < len && i < size - 1; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

enum prl_err prl_conf_env(const struct prl_conf_table *table, void *settings, char *const *environ_,
                          char *why)
{
    for (size_t i = 0; i < table->count; i++) {
        char name[NAME_MAX_BYTES + 8];
        env_name(table->keys[i].name, name, sizeof(name));
        size_t len = strlen(name);
        for (size_t k = 0; environ_[k]; k++) {
            if (strncmp(environ_[k], name, len) != 0 || environ_[k][len] != '=')
                continue;
            enum prl_err err = prl_conf_set(table, settings, table->keys[i].name,
                                            environ_[k] + len + 1, name, why);
            if (err)
                return err;
        }
    }
    return PRL_OK;
}

// ---- pages ----

static void value_text(const struct prl_conf_key *key, const void *settings, char *out, size_t size)
{
    bool flag;
    int64_t whole;
    double real;
    const char *text;
    switch (key->type) {
    case PRL_CONF_BOOL:
        memcpy(&flag, field_const(settings, key), sizeof(flag));
        snprintf(out, size, "%s", flag ? "true" : "false");
        return;
    case PRL_CONF_INT:
        memcpy(&whole, field_const(settings, key), sizeof(whole));
        snprintf(out, size, "%lld", (long long)whole);
        return;
    case PRL_CONF_REAL:
        memcpy(&real, field_const(settings, key), sizeof(real));
        snprintf(out, size, "%g", real);
        return;
    case PRL_CONF_STRING:
        memcpy(&text, field_const(settings, key),
               sizeof(text)); // NOLINT(bugprone-sizeof-expression)
        snprintf(out, size, "\"%s\"", text ? text : "");
        return;
    case PRL_CONF_CHOICE:
        memcpy(&whole, field_const(settings, key), sizeof(whole));
        snprintf(out, size, "%s", key->choices[whole]);
        return;
    }
}

enum prl_err prl_conf_pairs(const struct prl_conf_table *table, const void *settings,
                            struct prl_str *out)
{
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < table->count && !err; i++) {
        const struct prl_conf_key *key = &table->keys[i];
        char value[64];
        const char *text = value;
        double real;
        if (key->type == PRL_CONF_STRING) {
            memcpy(&text, field_const(settings, key),
                   sizeof(text)); // NOLINT(bugprone-sizeof-expression)
        } else if (key->type == PRL_CONF_REAL) {
            memcpy(&real, field_const(settings, key), sizeof(real));
            snprintf(value, sizeof(value), "%.17g", real);
        } else {
            value_text(key, settings, value, sizeof(value));
        }
        err = prl_str_addf(out, "%s=%s", key->name, text ? text : "");
        if (!err)
            err = prl_str_add(out, "", 1);
    }
    return err;
}

static void range_text(const struct prl_conf_key *key, char *out, size_t size)
{
    size_t len = 0;
    switch (key->type) {
    case PRL_CONF_BOOL:
        snprintf(out, size, "true, false");
        return;
    case PRL_CONF_INT:
    case PRL_CONF_REAL:
        snprintf(out, size, "%.10g to %.10g", key->low, key->high);
        return;
    case PRL_CONF_STRING:
        snprintf(out, size, "text");
        return;
    case PRL_CONF_CHOICE:
        for (size_t i = 0; key->choices[i] && len < size; i++)
            len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", key->choices[i]);
        return;
    }
}

// Names come sorted by section, so a section opens where the name's first part changes.
static size_t section_len(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

enum prl_err prl_conf_yaml(const struct prl_conf_table *table, const void *settings, bool comments,
                           struct prl_str *out)
{
    const char *lead = comments ? "# " : "";
    const char *section = "";
    for (size_t i = 0; i < table->count; i++) {
        const struct prl_conf_key *key = &table->keys[i];
        size_t len = section_len(key->name);
        if (len && (section_len(section) != len || strncmp(section, key->name, len) != 0))
            (void)prl_str_addf(out, "%s%.*s:\n", comments ? "\n# " : "", (int)len, key->name);
        section = key->name;
        char value[512];
        char range[200];
        value_text(key, settings, value, sizeof(value));
        range_text(key, range, sizeof(range));
        if (comments)
            (void)prl_str_addf(out, "#   # %s [%s]\n", key->help, range);
        (void)prl_str_addf(out, "%s%s%s: %s\n", lead, len ? "  " : "",
                           key->name + (len ? len + 1 : 0), value);
    }
    return out->err;
}

enum prl_err prl_conf_markdown(const struct prl_conf_table *table, struct prl_str *out)
{
    (void)prl_str_adds(out, "| key | default | range | environment | what it does |\n"
                            "|---|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct prl_conf_key *key = &table->keys[i];
        char name[NAME_MAX_BYTES + 8];
        char range[200];
        env_name(key->name, name, sizeof(name));
        range_text(key, range, sizeof(range));
        (void)prl_str_addf(out, "| `%s` | `%s` | %s | `%s` | %s |\n", key->name,
                           key->fallback && *key->fallback ? key->fallback : "\"\"", range, name,
                           key->help);
    }
    return out->err;
}

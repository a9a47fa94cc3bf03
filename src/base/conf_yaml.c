// conf_yaml.c -- YAML files for conf.h; the only place that knows libyaml.
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/conf.h"
#include "base/mem.h"

enum { FILE_MAX = 256 << 10, DEPTH_MAX = 8, NAME_MAX_BYTES = 200 };

struct reader {
    const struct prl_conf_table *table;
    void *settings;
    const char *name; // of the file
    char *why;
    char path[NAME_MAX_BYTES];      // key so far, sections joined by dots
    size_t path_len[DEPTH_MAX + 1]; // length of path at each depth
    unsigned depth;
    bool have_key; // a key was read and waits for its value
    bool in_list;  // inside a list of scalars
    // A list of mappings: the first sets the section's keys, the others those of its fallbacks.
    unsigned entries_depth; // where it stands; 0: there is none
    unsigned entries;       // begun so far
    size_t entries_len;     // of path there
    struct prl_str list;    // its values, joined by commas
    enum prl_err err;
};

static void fail(struct reader *reader, const yaml_mark_t *mark, const char *what)
{
    if (reader->err)
        return;
    reader->err = PRL_ERR_INVALID;
    snprintf(reader->why, PRL_CONF_WHY_SIZE, "%s:%zu: %s", reader->name, mark->line + 1, what);
}

static void push_key(struct reader *reader, const yaml_event_t *event)
{
    const char *key = (const char *)event->data.scalar.value;
    size_t at = reader->path_len[reader->depth];
    int len = snprintf(reader->path + at, sizeof(reader->path) - at, "%s%s", at ? "." : "", key);
    if (at + (size_t)len >= sizeof(reader->path))
        fail(reader, &event->start_mark, "the key is too long");
    reader->have_key = true;
}

static void pop_key(struct reader *reader)
{
    reader->path[reader->path_len[reader->depth]] = '\0';
    reader->have_key = false;
}

static void set_value(struct reader *reader, const yaml_event_t *event, const char *value)
{
    char where[300];
    snprintf(where, sizeof(where), "%.250s:%zu", reader->name, event->start_mark.line + 1);
    if (!reader->err)
        reader->err =
            prl_conf_set(reader->table, reader->settings, reader->path, value, where, reader->why);
    pop_key(reader);
}

static bool in_entries(const struct reader *reader)
{
    return reader->entries_depth > 0 && reader->depth == reader->entries_depth;
}

static void on_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    if (strlen(value) != event->data.scalar.length) {
        fail(reader, &event->start_mark, "a NUL character inside a value");
        return;
    }
    if (event->data.scalar.anchor) {
        fail(reader, &event->start_mark, "anchors are not supported");
        return;
    }
    if (reader->in_list) {
        if (reader->list.len > 0)
            (void)prl_str_addc(&reader->list, ',');
        (void)prl_str_adds(&reader->list, value);
        return;
    }
    if (in_entries(reader)) {
        fail(reader, &event->start_mark, "a value among the mappings of a list");
    } else if (reader->depth == 0) {
        // An empty file is a null scalar.
        if (*value)
            fail(reader, &event->start_mark, "expected 'key: value' lines");
    } else if (!reader->have_key) {
        push_key(reader, event);
    } else {
        set_value(reader, event, value);
    }
}

// A mapping as a member of a list; false: it may not stand here.
static bool begin_entry(struct reader *reader)
{
    static const char *const suffixes[] = {"", ".fallback", ".fallback2"};
    if (reader->entries_depth == 0 && reader->list.len == 0) {
        reader->entries_depth = reader->depth;
        reader->entries_len = strlen(reader->path);
        reader->entries = 0;
        reader->in_list = false;
    }
    if (reader->in_list || reader->entries == sizeof(suffixes) / sizeof(suffixes[0]))
        return false;
    size_t at = reader->entries_len;
    int len =
        snprintf(reader->path + at, sizeof(reader->path) - at, "%s", suffixes[reader->entries++]);
    reader->have_key = true;
    return at + (size_t)len < sizeof(reader->path);
}

static void on_mapping(struct reader *reader, const yaml_event_t *event)
{
    if ((reader->in_list || in_entries(reader)) && !begin_entry(reader)) {
        fail(reader, &event->start_mark, "no place for a further mapping in this list");
        return;
    }
    if (reader->depth == DEPTH_MAX || reader->in_list) {
        fail(reader, &event->start_mark, "nested too deeply");
        return;
    }
    if (reader->depth > 0 && !reader->have_key) {
        fail(reader, &event->start_mark, "a mapping as a key");
        return;
    }
    reader->depth++;
    reader->path_len[reader->depth] = strlen(reader->path);
    reader->have_key = false;
}

static void on_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    case YAML_ALIAS_EVENT:
        fail(reader, &event->start_mark, "aliases are not supported");
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(reader, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        if (reader->in_list || !reader->have_key)
            fail(reader, &event->start_mark, "a list where none belongs");
        reader->in_list = true;
        prl_str_clear(&reader->list);
        break;
    case YAML_SEQUENCE_END_EVENT:
        if (in_entries(reader) && !reader->in_list) {
            reader->entries_depth = 0;
            pop_key(reader);
            break;
        }
        reader->in_list = false;
        set_value(reader, event, prl_str_text(&reader->list));
        break;
    case YAML_MAPPING_START_EVENT:
        on_mapping(reader, event);
        break;
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        if (in_entries(reader))
            reader->path[reader->entries_len] = '\0'; // the list goes on
        else
            pop_key(reader);
        break;
    }
}

enum prl_err prl_conf_text(const struct prl_conf_table *table, void *settings, const char *text,
                           size_t len, const char *name, char *why)
{
    struct reader reader = {.table = table, .settings = settings, .name = name, .why = why};
    prl_str_init(&reader.list, 4096);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        snprintf(why, PRL_CONF_WHY_SIZE, "%s: out of memory", name);
        return PRL_ERR_NOMEM;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    bool more = true;
    while (more && !reader.err) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            fail(&reader, &parser.problem_mark, parser.problem ? parser.problem : "no YAML");
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        on_event(&reader, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    prl_str_free(&reader.list);
    return reader.err;
}

enum prl_err prl_conf_file(const struct prl_conf_table *table, void *settings, const char *path,
                           char *why)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(why, PRL_CONF_WHY_SIZE, "the configuration file %.200s cannot be read", path);
        return PRL_ERR_NOTFOUND;
    }
    char *text = prl_mem_alloc(FILE_MAX + 1);
    enum prl_err err = PRL_ERR_NOMEM;
    if (text) {
        size_t len = fread(text, 1, FILE_MAX + 1, file);
        err = len > FILE_MAX ? PRL_ERR_LIMIT : PRL_OK;
        if (!err)
            err = prl_conf_text(table, settings, text, len, path, why);
        else
            snprintf(why, PRL_CONF_WHY_SIZE, "%.200s is larger than %d KiB", path, FILE_MAX >> 10);
    } else {
        snprintf(why, PRL_CONF_WHY_SIZE, "out of memory");
    }
    prl_mem_free(text);
    fclose(file);
    return err;
}

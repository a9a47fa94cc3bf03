// models.c -- see models.h. The list is read whole; its lines are cut in place, so every text of an
// entry points into one block. `like` copies pointers from an entry above.
#include "engine/models.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/hash.h"

// The list is about 30 KB with 70 entries; these bounds leave room for a user's own.
enum { LIST_BYTES_MAX = 1 << 20, ENTRIES_MAX = 1024, FILE_TEXT_MAX = 512 };

struct prl_models {
    struct prl_model *entries; // owned
    size_t count;
    char *text;  // owned; the list, cut into lines and words
    char *paths; // owned; the absolute path of each entry, FILE_TEXT_MAX bytes apart
    char cache[FILE_TEXT_MAX];
    char list[PRL_MODELS_PATH_MAX]; // where the list was found
};

// Where each key of the list goes; NULL for keys that only tools/models.py reads.
struct model_key {
    const char *name;
    size_t offset;
    bool inherited;
};

#define TEXT_AT(field) offsetof(struct prl_model, field)
static const struct model_key keys[] = {
    {"job", TEXT_AT(job), true},
    {"file", TEXT_AT(file), false},
    {"path", TEXT_AT(file), false},
    {"source", TEXT_AT(source), false},
    {"url", TEXT_AT(source), false},
    {"convert", TEXT_AT(source), false},
    {"sha256", TEXT_AT(sha256), false},
    {"licence", TEXT_AT(licence), true},
    {"languages", TEXT_AT(languages), true},
    {"warning", TEXT_AT(warning), true},
    {"group", TEXT_AT(group), true},
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static const char **model_text(struct prl_model *model, const struct model_key *key)
{
    return (const char **)(void *)((char *)model + key->offset);
}

static char *text_trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]))
        text[--len] = '\0';
    return text;
}

// ---------------------------------------------------------------- reading the list

static enum prl_err list_read(struct prl_models *models, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return PRL_ERR_NOTFOUND;
    models->text = prl_mem_alloc(LIST_BYTES_MAX + 1);
    enum prl_err err = models->text ? PRL_OK : PRL_ERR_NOMEM;
    size_t len = 0;
    while (!err && len < LIST_BYTES_MAX) {
        ssize_t got = read(fd, models->text + len, LIST_BYTES_MAX - len);
        if (got == 0)
            break;
        if (got < 0)
            err = PRL_ERR_IO;
        else
            len += (size_t)got;
    }
    close(fd);
    if (err)
        return err;
    models->text[len] = '\0';
    return len == LIST_BYTES_MAX || memchr(models->text, '\0', len) ? PRL_ERR_INVALID : PRL_OK;
}

static size_t list_count(const char *text)
{
    size_t count = *text == '[';
    for (const char *at = text; (at = strstr(at, "\n[")); at++)
        count++;
    return count;
}

static struct prl_model *entry_find(const struct prl_models *models, const char *name)
{
    for (size_t i = 0; i < models->count; i++)
        if (strcmp(models->entries[i].name, name) == 0)
            return &models->entries[i];
    return NULL;
}

static enum prl_err entry_add(struct prl_models *models, char *line)
{
    size_t len = strlen(line);
    if (len < 3 || line[len - 1] != ']')
        return PRL_ERR_INVALID;
    line[len - 1] = '\0';
    if (entry_find(models, line + 1))
        return PRL_ERR_INVALID;
    struct prl_model *model = &models->entries[models->count++];
    for (size_t i = 0; i < KEY_COUNT; i++)
        *model_text(model, &keys[i]) = "";
    model->name = line + 1;
    return PRL_OK;
}

static enum prl_err entry_inherit(struct prl_models *models, const char *name)
{
    struct prl_model *model = &models->entries[models->count - 1];
    struct prl_model *from = entry_find(models, name);
    if (!from || from == model)
        return PRL_ERR_INVALID;
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (keys[i].inherited && !**model_text(model, &keys[i]))
            *model_text(model, &keys[i]) = *model_text(from, &keys[i]);
    return PRL_OK;
}

// Only the package of a source line is kept, of its first line; hash and member are set-up's.
static void source_set(const char **text, char *value)
{
    if (**text)
        return;
    value[strcspn(value, " \t")] = '\0';
    *text = value;
}

static enum prl_err entry_set(struct prl_models *models, const char *key, char *value)
{
    struct prl_model *model = &models->entries[models->count - 1];
    if (strcmp(key, "like") == 0)
        return entry_inherit(models, value);
    if (strcmp(key, "size") == 0)
        return prl_str_to_int(value, &model->size_bytes) && model->size_bytes >= 0
                   ? PRL_OK
                   : PRL_ERR_INVALID;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(key, keys[i].name) != 0)
            continue;
        if (keys[i].offset == TEXT_AT(source))
            source_set(model_text(model, &keys[i]), value);
        else
            *model_text(model, &keys[i]) = value;
        return PRL_OK;
    }
    return PRL_ERR_INVALID;
}

static enum prl_err line_parse(struct prl_models *models, char *line)
{
    line = text_trim(line);
    if (*line == '\0' || *line == '#')
        return PRL_OK;
    if (*line == '[')
        return entry_add(models, line);
    char *equals = strchr(line, '=');
    if (!equals || models->count == 0)
        return PRL_ERR_INVALID;
    *equals = '\0';
    return entry_set(models, text_trim(line), text_trim(equals + 1));
}

// Makes `file` absolute and fills in what the list leaves out.
static enum prl_err entry_finish(struct prl_models *models, size_t index)
{
    struct prl_model *model = &models->entries[index];
    char *path = models->paths + index * FILE_TEXT_MAX;
    if (!*model->file || (*model->sha256 && strlen(model->sha256) != PRL_HASH_TEXT_SIZE - 1))
        return PRL_ERR_INVALID;
    const char *base = *model->file == '/' ? "" : models->cache;
    int len = snprintf(path, FILE_TEXT_MAX, "%s%s%s", base, *base ? "/" : "", model->file);
    if (len < 0 || len >= FILE_TEXT_MAX)
        return PRL_ERR_LIMIT;
    model->file = path;
    if (!*model->group)
        model->group = "run";
    return PRL_OK;
}

static enum prl_err list_parse(struct prl_models *models, char why[PRL_MODELS_WHY_MAX])
{
    size_t count = list_count(models->text);
    if (count == 0 || count > ENTRIES_MAX) {
        snprintf(why, PRL_MODELS_WHY_MAX, "models.lock holds %zu entries, wanted 1 to %d", count,
                 ENTRIES_MAX);
        return PRL_ERR_INVALID;
    }
    models->entries = prl_mem_array(count, sizeof(*models->entries));
    models->paths = prl_mem_array(count, FILE_TEXT_MAX);
    if (!models->entries || !models->paths)
        return PRL_ERR_NOMEM;
    int number = 0;
    for (char *line = models->text, *next = NULL; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        // An indented '[' would not have been counted, hence the bound.
        enum prl_err err = models->count == count && *text_trim(line) == '['
                               ? PRL_ERR_INVALID
                               : line_parse(models, line);
        if (err) {
            snprintf(why, PRL_MODELS_WHY_MAX, "models.lock line %d is not understood: %.80s",
                     number, line);
            return err;
        }
    }
    for (size_t i = 0; i < models->count; i++) {
        enum prl_err err = entry_finish(models, i);
        if (err) {
            snprintf(why, PRL_MODELS_WHY_MAX,
                     "models.lock: entry %s needs a file and a sha256 of 64 digits",
                     models->entries[i].name);
            return err;
        }
    }
    return PRL_OK;
}

// ---------------------------------------------------------------- where things are

// The program never changes its environment, so reading it is safe on any thread.
static const char *env_get(const char *name)
{
    const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe)
    return value ? value : "";
}

static enum prl_err cache_find(char out[FILE_TEXT_MAX])
{
    const char *own = env_get("PARLEY_CACHE");
    const char *xdg = env_get("XDG_CACHE_HOME");
    int len = 0;
    if (*own)
        len = snprintf(out, FILE_TEXT_MAX, "%s", own);
    else if (*xdg)
        len = snprintf(out, FILE_TEXT_MAX, "%s/parley", xdg);
    else
        len = snprintf(out, FILE_TEXT_MAX, "%s/.cache/parley", env_get("HOME"));
    return len < 0 || len >= FILE_TEXT_MAX ? PRL_ERR_LIMIT : PRL_OK;
}

// Looks beside the program and above it: build/release/parley finds the list two folders up.
static bool list_beside_program(char out[PRL_MODELS_PATH_MAX])
{
    static const char name[] = "/models.lock";
    ssize_t len = readlink("/proc/self/exe", out, PRL_MODELS_PATH_MAX - sizeof(name));
    if (len <= 0)
        return false;
    out[len] = '\0';
    for (int level = 0; level < 4; level++) {
        char *slash = strrchr(out, '/');
        if (!slash)
            return false;
        memcpy(slash, name, sizeof(name));
        if (access(out, R_OK) == 0)
            return true;
        *slash = '\0';
    }
    return false;
}

static enum prl_err list_find(char out[PRL_MODELS_PATH_MAX])
{
    const char *own = env_get("PARLEY_MODELS_LOCK");
    if (*own)
        return prl_str_copy(out, PRL_MODELS_PATH_MAX, own) ? PRL_OK : PRL_ERR_LIMIT;
    if (list_beside_program(out))
        return PRL_OK;
    (void)prl_str_copy(out, PRL_MODELS_PATH_MAX, "models.lock");
    return PRL_OK;
}

// ---------------------------------------------------------------- public

enum prl_err prl_models_open(struct prl_models **out, const char *path,
                             char why[PRL_MODELS_WHY_MAX])
{
    PRL_CHECK(out != NULL && why != NULL);
    *out = NULL;
    why[0] = '\0';
    struct prl_models *models = prl_mem_zalloc(sizeof(*models));
    char found[PRL_MODELS_PATH_MAX] = "";
    enum prl_err err = models ? cache_find(models->cache) : PRL_ERR_NOMEM;
    if (!err && !path)
        err = list_find(found);
    else if (!err && !prl_str_copy(found, sizeof(found), path))
        err = PRL_ERR_LIMIT;
    if (!err)
        err = list_read(models, found);
    if (!err)
        err = list_parse(models, why);
    if (err) {
        if (!*why)
            snprintf(why, PRL_MODELS_WHY_MAX, "the list of models %.400s cannot be read (%s)",
                     path ? path : found, prl_err_name(err));
        prl_models_close(&models);
        return err;
    }
    memcpy(models->list, found, sizeof(found));
    *out = models;
    return PRL_OK;
}

void prl_models_close(struct prl_models **models)
{
    PRL_CHECK(models != NULL);
    if (!*models)
        return;
    prl_mem_free((*models)->entries);
    prl_mem_free((*models)->paths);
    prl_mem_free((*models)->text);
    prl_mem_free(*models);
    *models = NULL;
}

const char *prl_models_list(const struct prl_models *models)
{
    return models->list;
}

const char *prl_models_cache(const struct prl_models *models)
{
    return models->cache;
}

size_t prl_models_count(const struct prl_models *models)
{
    return models->count;
}

const struct prl_model *prl_models_at(const struct prl_models *models, size_t index)
{
    return index < models->count ? &models->entries[index] : NULL;
}

const struct prl_model *prl_models_find(const struct prl_models *models, const char *name)
{
    PRL_CHECK(models != NULL && name != NULL);
    return entry_find(models, name);
}

enum prl_err prl_models_present(const struct prl_model *model, char why[PRL_MODELS_WHY_MAX])
{
    PRL_CHECK(model != NULL && why != NULL);
    why[0] = '\0';
    struct stat info;
    if (stat(model->file, &info) != 0) {
        snprintf(why, PRL_MODELS_WHY_MAX,
                 "model %.64s is not there (%.300s); 'make setup' or "
                 "'parley models fetch %.64s' brings it",
                 model->name, model->file, model->name);
        return PRL_ERR_NOTFOUND;
    }
    if (model->size_bytes > 0 && info.st_size != model->size_bytes) {
        snprintf(why, PRL_MODELS_WHY_MAX,
                 "model %.64s has %lld bytes instead of %lld (%.300s); "
                 "remove it and run 'make setup'",
                 model->name, (long long)info.st_size, (long long)model->size_bytes, model->file);
        return PRL_ERR_INVALID;
    }
    return PRL_OK;
}

enum prl_err prl_models_verify(const struct prl_model *model, char why[PRL_MODELS_WHY_MAX])
{
    enum prl_err err = prl_models_present(model, why);
    if (err || !*model->sha256)
        return err;
    char found[PRL_HASH_TEXT_SIZE];
    err = prl_hash_file(model->file, found);
    if (err) {
        snprintf(why, PRL_MODELS_WHY_MAX, "model %.64s cannot be read (%s)", model->name,
                 prl_err_name(err));
        return err;
    }
    if (strcmp(found, model->sha256) == 0)
        return PRL_OK;
    snprintf(why, PRL_MODELS_WHY_MAX, "model %.64s has SHA-256 %s, expected %s", model->name, found,
             model->sha256);
    return PRL_ERR_INVALID;
}

enum prl_err prl_models_path(const char *name, char out[PRL_MODELS_PATH_MAX])
{
    PRL_CHECK(name != NULL && out != NULL);
    if (strchr(name, '/')) {
        if (access(name, R_OK) == 0 && prl_str_copy(out, PRL_MODELS_PATH_MAX, name))
            return PRL_OK;
        snprintf(out, PRL_MODELS_PATH_MAX, "there is no readable file %.900s", name);
        return PRL_ERR_NOTFOUND;
    }
    struct prl_models *models = NULL;
    enum prl_err err = prl_models_open(&models, NULL, out);
    if (err)
        return err;
    const struct prl_model *model = prl_models_find(models, name);
    if (!model) {
        snprintf(out, PRL_MODELS_PATH_MAX,
                 "models.lock lists no model %.64s; 'parley models list' shows what there is",
                 name);
        err = PRL_ERR_NOTFOUND;
    } else {
        err = prl_models_present(model, out);
        if (!err)
            (void)prl_str_copy(out, PRL_MODELS_PATH_MAX, model->file);
    }
    prl_models_close(&models);
    return err;
}

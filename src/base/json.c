// json.c -- see json.h. struct prl_json is never defined: a pointer to it is a json_t pointer.
#include "base/json.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const json_t *tree(const struct prl_json *value)
{
    return (const json_t *)(const void *)value;
}

static const struct prl_json *wrap(const json_t *value)
{
    return (const struct prl_json *)(const void *)value;
}

// jansson's lexer does not look whether its text buffer could grow and then writes beyond it (seen with
// 2.14 and a failing allocation). So a reserve is at hand during a parse: it serves that buffer when the
// heap is empty, and the parse then ends as out of memory. Per thread, and only within one call.
static _Thread_local struct {
    bool failed;
    char *reserve; // owned by the parse that runs
    size_t size, used;
} heap;

static void *json_alloc(size_t size)
{
    void *block = prl_mem_alloc(size);
    if (block)
        return block;
    heap.failed = true;
    size_t whole = (size + 15) / 16 * 16;
    if (!heap.reserve || whole > heap.size - heap.used)
        return NULL;
    heap.used += whole;
    return heap.reserve + heap.used - whole;
}

static void json_release(void *block)
{
    char *byte = block;
    if (heap.reserve && byte >= heap.reserve && byte < heap.reserve + heap.size)
        return;
    prl_mem_free(block);
}

enum prl_err prl_json_parse(struct prl_json **out, const char *text, size_t len, char *problem,
                            size_t problem_size)
{
    json_set_alloc_funcs(json_alloc, json_release);
    *out = NULL;
    heap.failed = false;
    heap.used = 0;
    heap.size = 4 * len + 4096; // a buffer that doubles up to the whole text, and some nodes
    heap.reserve = prl_mem_alloc(heap.size);
    if (!heap.reserve)
        return PRL_ERR_NOMEM;
    json_error_t error = {.line = 0};
    json_t *root =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (heap.failed) {
        json_decref(root);
        root = NULL;
    }
    prl_mem_free(heap.reserve);
    heap.reserve = NULL;
    *out = (struct prl_json *)(void *)root;
    if (root)
        return PRL_OK;
    if (problem && problem_size > 0)
        snprintf(problem, problem_size, "line %d column %d: %s", error.line, error.column,
                 error.text);
    return heap.failed ? PRL_ERR_NOMEM : PRL_ERR_INVALID;
}

void prl_json_free(struct prl_json **root)
{
    json_decref((json_t *)(void *)*root);
    *root = NULL;
}

enum prl_json_type prl_json_type(const struct prl_json *value)
{
    if (!value)
        return PRL_JSON_NONE;
    switch (json_typeof(tree(value))) {
    case JSON_NULL:
        return PRL_JSON_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return PRL_JSON_BOOL;
    case JSON_INTEGER:
        return PRL_JSON_INT;
    case JSON_REAL:
        return PRL_JSON_REAL;
    case JSON_STRING:
        return PRL_JSON_STRING;
    case JSON_ARRAY:
        return PRL_JSON_ARRAY;
    case JSON_OBJECT:
        return PRL_JSON_OBJECT;
    }
    return PRL_JSON_NONE;
}

const char *prl_json_type_name(enum prl_json_type type)
{
    static const char *const names[] = {"nothing", "null",   "boolean", "integer",
                                        "number",  "string", "array",   "object"};
    return names[type];
}

const struct prl_json *prl_json_get(const struct prl_json *value, const char *key)
{
    return value ? wrap(json_object_get(tree(value), key)) : NULL;
}

size_t prl_json_count(const struct prl_json *value)
{
    if (!value)
        return 0;
    return json_is_array(tree(value)) ? json_array_size(tree(value))
                                      : json_object_size(tree(value));
}

const struct prl_json *prl_json_at(const struct prl_json *array, size_t index)
{
    return array ? wrap(json_array_get(tree(array), index)) : NULL;
}

bool prl_json_next(const struct prl_json *object, void **cursor, const char **key,
                   const struct prl_json **value)
{
    // jansson's iterators take a mutable object and do not change it.
    json_t *root;
    memcpy(&root, &object, sizeof(root)); // NOLINT(bugprone-sizeof-expression): the pointer itself
    void *iter = *cursor ? json_object_iter_next(root, *cursor) : json_object_iter(root);
    if (!iter)
        return false;
    *cursor = iter;
    *key = json_object_iter_key(iter);
    *value = wrap(json_object_iter_value(iter));
    return true;
}

const char *prl_json_string(const struct prl_json *value, const char *fallback)
{
    return value && json_is_string(tree(value)) ? json_string_value(tree(value)) : fallback;
}

size_t prl_json_string_len(const struct prl_json *value)
{
    return value ? json_string_length(tree(value)) : 0;
}

int64_t prl_json_int(const struct prl_json *value, int64_t fallback)
{
    return value && json_is_integer(tree(value)) ? json_integer_value(tree(value)) : fallback;
}

double prl_json_real(const struct prl_json *value, double fallback)
{
    return value && json_is_number(tree(value)) ? json_number_value(tree(value)) : fallback;
}

bool prl_json_bool(const struct prl_json *value, bool fallback)
{
    return value && json_is_boolean(tree(value)) ? json_is_true(tree(value)) : fallback;
}

static int append(const char *data, size_t size, void *arg)
{
    return prl_str_add(arg, data, size) ? -1 : 0;
}

enum prl_err prl_json_dump(const struct prl_json *value, struct prl_str *out)
{
    if (json_dump_callback(tree(value), append, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        return PRL_OK;
    return out->err ? out->err : PRL_ERR_NOMEM;
}

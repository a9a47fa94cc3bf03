// problem.c -- see problem.h.
#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

void prl_problem_set(struct prl_problem *problem, const char *code, const char *param,
                     const char *format, ...)
{
    if (problem->code)
        return;
    problem->code = code;
    (void)prl_str_copy(problem->param, sizeof(problem->param), param ? param : "");
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)prl_str_copy(problem->message, sizeof(problem->message), text);
}

static void join_path(const struct prl_fields *fields, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", fields->path, *fields->path ? "." : "", name);
}

static void wrong_type(const struct prl_fields *fields, const char *name, const char *wanted,
                       const struct prl_json *value)
{
    char path[128];
    join_path(fields, name, path, sizeof(path));
    prl_problem_set(fields->problem, "invalid_type", path,
                    "Invalid type for '%s': expected %s, but got %s instead.", path, wanted,
                    prl_json_type_name(prl_json_type(value)));
}

static const struct prl_json *member(const struct prl_fields *fields, const char *name)
{
    const struct prl_json *value = prl_json_get(fields->object, name);
    return prl_json_type(value) == PRL_JSON_NULL || fields->problem->code ? NULL : value;
}

bool prl_fields_null(const struct prl_fields *fields, const char *name)
{
    return prl_json_type(prl_json_get(fields->object, name)) == PRL_JSON_NULL;
}

bool prl_fields_bool(const struct prl_fields *fields, const char *name, bool *out)
{
    const struct prl_json *value = member(fields, name);
    if (!value)
        return false;
    if (prl_json_type(value) != PRL_JSON_BOOL) {
        wrong_type(fields, name, "a boolean", value);
        return false;
    }
    *out = prl_json_bool(value, false);
    return true;
}

bool prl_fields_real(const struct prl_fields *fields, const char *name, double low, double high,
                     double *out)
{
    const struct prl_json *value = member(fields, name);
    if (!value)
        return false;
    if (prl_json_type(value) != PRL_JSON_REAL && prl_json_type(value) != PRL_JSON_INT) {
        wrong_type(fields, name, "a number", value);
        return false;
    }
    double number = prl_json_real(value, 0);
    if (!(number >= low && number <= high)) {
        char path[128];
        join_path(fields, name, path, sizeof(path));
        prl_problem_set(fields->problem, "invalid_value", path,
                        "Invalid value for '%s': %g is not between %g and %g.", path, number, low,
                        high);
        return false;
    }
    *out = number;
    return true;
}

bool prl_fields_int(const struct prl_fields *fields, const char *name, int64_t low, int64_t high,
                    int64_t *out)
{
    const struct prl_json *value = member(fields, name);
    if (!value)
        return false;
    if (prl_json_type(value) != PRL_JSON_INT) {
        wrong_type(fields, name, "an integer", value);
        return false;
    }
    int64_t number = prl_json_int(value, 0);
    if (number < low || number > high) {
        char path[128];
        join_path(fields, name, path, sizeof(path));
        prl_problem_set(fields->problem, "invalid_value", path,
                        "Invalid value for '%s': %lld is not between %lld and %lld.", path,
                        (long long)number, (long long)low, (long long)high);
        return false;
    }
    *out = number;
    return true;
}

bool prl_fields_string(const struct prl_fields *fields, const char *name, size_t len_max,
                       const char **out)
{
    const struct prl_json *value = member(fields, name);
    if (!value)
        return false;
    if (prl_json_type(value) != PRL_JSON_STRING) {
        wrong_type(fields, name, "a string", value);
        return false;
    }
    const char *text = prl_json_string(value, "");
    size_t len = prl_json_string_len(value);
    if (len > len_max || strlen(text) != len) {
        char path[128];
        join_path(fields, name, path, sizeof(path));
        prl_problem_set(fields->problem, "invalid_value", path,
                        len > len_max
                            ? "Invalid value for '%s': %zu bytes are more than the limit of %zu."
                            : "Invalid value for '%s': it contains a NUL character.",
                        path, len, len_max);
        return false;
    }
    *out = text;
    return true;
}

bool prl_fields_need_string(const struct prl_fields *fields, const char *name, size_t len_max,
                            const char **out)
{
    if (prl_fields_string(fields, name, len_max, out))
        return true;
    char path[128];
    join_path(fields, name, path, sizeof(path));
    prl_problem_set(fields->problem, "missing_required_parameter", path,
                    "Missing required parameter: '%s'.", path);
    return false;
}

bool prl_fields_choice(const struct prl_fields *fields, const char *name, const char *const *names,
                       size_t *out)
{
    const char *text;
    if (!prl_fields_string(fields, name, 64, &text))
        return false;
    char list[160] = "";
    size_t len = 0;
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
        int more = snprintf(list + len, sizeof(list) - len, "%s'%s'", i ? ", " : "", names[i]);
        len = len + (size_t)more < sizeof(list) ? len + (size_t)more : sizeof(list) - 1;
    }
    char path[128];
    join_path(fields, name, path, sizeof(path));
    prl_problem_set(fields->problem, "invalid_value", path,
                    "Invalid value: '%s'. Supported values are: %s.", text, list);
    return false;
}

bool prl_fields_object(const struct prl_fields *fields, const char *name, char *path,
                       size_t path_size, struct prl_fields *out)
{
    const struct prl_json *value = member(fields, name);
    if (!value)
        return false;
    if (prl_json_type(value) != PRL_JSON_OBJECT) {
        wrong_type(fields, name, "an object", value);
        return false;
    }
    join_path(fields, name, path, path_size);
    *out = (struct prl_fields){value, path, fields->problem};
    return true;
}

bool prl_fields_array(const struct prl_fields *fields, const char *name,
                      const struct prl_json **out)
{
    const struct prl_json *value = member(fields, name);
    if (!value)
        return false;
    if (prl_json_type(value) != PRL_JSON_ARRAY) {
        wrong_type(fields, name, "an array", value);
        return false;
    }
    *out = value;
    return true;
}

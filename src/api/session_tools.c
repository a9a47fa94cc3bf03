// session_tools.c -- function tools as a client declares them.
#include <string.h>

#include "api/session_object.h"
#include "base/mem.h"
#include "base/str.h"

enum { TOOLS_JSON_MAX = 1 << 20 };

void prl_api_tools_free(struct prl_api_tools *tools)
{
    prl_mem_free(tools->json);
    prl_mem_free(tools->list);
    prl_mem_free(tools->texts);
    prl_mem_free(tools->choice_json);
    prl_mem_free(tools->choice_name);
    *tools = (struct prl_api_tools){0};
}

static enum prl_err dump(const struct prl_json *value, char **out)
{
    struct prl_str text;
    prl_str_init(&text, TOOLS_JSON_MAX);
    enum prl_err err = prl_json_dump(value, &text);
    prl_mem_free(*out);
    *out = prl_str_give(&text);
    prl_str_free(&text);
    return err;
}

static bool valid_name(const char *name)
{
    for (; *name; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
              (*name >= '0' && *name <= '9') || *name == '_' || *name == '-'))
            return false;
    return true;
}

// One declaration; its texts go to `texts`, offsets first (the block may move).
static enum prl_err read_tool(const struct prl_fields *fields, struct prl_str *texts,
                              size_t offsets[3])
{
    const char *type = "function";
    const char *name = "";
    const char *description = "";
    (void)prl_fields_string(fields, "type", 64, &type);
    if (strcmp(type, "function") != 0) {
        prl_problem_set(fields->problem, "unsupported_tool", fields->path,
                        "Tools of type '%s' are not supported yet: only 'function' is.", type);
        return PRL_OK;
    }
    (void)prl_fields_need_string(fields, "name", PRL_LLM_TOOL_NAME_BYTES_MAX, &name);
    (void)prl_fields_string(fields, "description", 16 << 10, &description);
    if (!valid_name(name))
        prl_problem_set(fields->problem, "invalid_value", fields->path,
                        "Invalid tool name '%s': letters, digits, '_' and '-' only.", name);
    char path[160];
    struct prl_fields parameters;
    bool have = prl_fields_object(fields, "parameters", path, sizeof(path), &parameters);
    if (fields->problem->code)
        return PRL_OK;
    offsets[0] = texts->len;
    (void)prl_str_add(texts, name, strlen(name) + 1);
    offsets[1] = texts->len;
    (void)prl_str_add(texts, description, strlen(description) + 1);
    offsets[2] = texts->len;
    if (have)
        (void)prl_json_dump(parameters.object, texts);
    (void)prl_str_addc(texts, '\0');
    return texts->err;
}

static enum prl_err read_list(struct prl_api_tools *tools, const struct prl_json *array,
                              const struct prl_fields *fields)
{
    size_t count = prl_json_count(array);
    if (count > PRL_API_TOOLS_MAX) {
        prl_problem_set(fields->problem, "invalid_value", "tools",
                        "%zu tools are more than the limit of %d.", count, PRL_API_TOOLS_MAX);
        return PRL_OK;
    }
    struct prl_str texts;
    prl_str_init(&texts, TOOLS_JSON_MAX);
    size_t offsets[PRL_API_TOOLS_MAX][3] = {{0}};
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < count && !err && !fields->problem->code; i++) {
        struct prl_fields tool = {prl_json_at(array, i), "tools", fields->problem};
        err = read_tool(&tool, &texts, offsets[i]);
    }
    prl_mem_free(tools->list);
    prl_mem_free(tools->texts);
    tools->list = count ? prl_mem_array(count, sizeof(*tools->list)) : NULL;
    tools->count = 0;
    tools->texts = prl_str_give(&texts);
    if (count > 0 && !tools->list)
        err = PRL_ERR_NOMEM;
    if (err || fields->problem->code)
        return err;
    tools->count = count;
    for (size_t i = 0; i < count; i++) {
        const char *parameters = tools->texts + offsets[i][2];
        tools->list[i] =
            (struct prl_llm_tool){tools->texts + offsets[i][0], tools->texts + offsets[i][1],
                                  *parameters ? parameters : NULL};
    }
    return dump(array, &tools->json);
}

static enum prl_err read_choice(struct prl_api_tools *tools, const struct prl_fields *fields)
{
    const struct prl_json *value = prl_json_get(fields->object, "tool_choice");
    if (!value || prl_json_type(value) == PRL_JSON_NULL || fields->problem->code)
        return PRL_OK;
    prl_mem_free(tools->choice_name);
    tools->choice_name = NULL;
    if (prl_json_type(value) == PRL_JSON_STRING) {
        static const char *const names[] = {"auto", "none", "required", NULL};
        static const enum prl_llm_tool_choice choices[] = {PRL_LLM_TOOLS_AUTO, PRL_LLM_TOOLS_NONE,
                                                           PRL_LLM_TOOLS_REQUIRED};
        size_t index = 0;
        if (prl_fields_choice(fields, "tool_choice", names, &index))
            tools->choice = choices[index];
        return dump(value, &tools->choice_json);
    }
    char path[160];
    struct prl_fields choice;
    const char *name;
    if (!prl_fields_object(fields, "tool_choice", path, sizeof(path), &choice) ||
        !prl_fields_need_string(&choice, "name", PRL_LLM_TOOL_NAME_BYTES_MAX, &name))
        return PRL_OK;
    tools->choice = PRL_LLM_TOOLS_NAMED;
    tools->choice_name = prl_mem_strdup(name);
    return tools->choice_name ? dump(value, &tools->choice_json) : PRL_ERR_NOMEM;
}

enum prl_err prl_api_tools_read(struct prl_api_tools *tools, const struct prl_fields *fields)
{
    const struct prl_json *array;
    enum prl_err err = PRL_OK;
    if (prl_fields_array(fields, "tools", &array))
        err = read_list(tools, array, fields);
    if (!err)
        err = read_choice(tools, fields);
    if (err || fields->problem->code || tools->choice != PRL_LLM_TOOLS_NAMED)
        return err;
    for (size_t i = 0; i < tools->count; i++)
        if (prl_str_equal(tools->list[i].name, tools->choice_name))
            return PRL_OK;
    prl_problem_set(fields->problem, "invalid_value", "tool_choice",
                    "tool_choice names '%s', which is not among the tools.", tools->choice_name);
    return PRL_OK;
}

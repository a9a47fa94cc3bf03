// session_conf.c -- owned copies of a session's configuration and of tool lists.
#include <string.h>

#include "base/mem.h"
#include "session/session_state.h"

void prl_session_tools_free(struct prl_llm_tool **tools, size_t count)
{
    for (size_t i = 0; *tools && i < count; i++) {
        // Each tool's texts are one block that begins with its name.
        void *block;
        memcpy(&block, &(*tools)[i].name, sizeof(block));
        prl_mem_free(block);
    }
    prl_mem_free(*tools);
    *tools = NULL;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

// Copies `text` to *at and moves on; NULL stays NULL.
static const char *put_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    const char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

enum prl_err prl_session_tools_copy(struct prl_llm_tool **out, const struct prl_llm_tool *tools,
                                    size_t count)
{
    *out = prl_mem_array(count, sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct prl_llm_tool *tool = &tools[i];
        char *block = prl_mem_alloc(text_size(tool->name) + text_size(tool->description) +
                                    text_size(tool->parameters));
        if (!block) {
            prl_session_tools_free(out, i);
            return PRL_ERR_NOMEM;
        }
        (*out)[i].name = put_text(&block, tool->name);
        (*out)[i].description = put_text(&block, tool->description);
        (*out)[i].parameters = put_text(&block, tool->parameters);
    }
    return PRL_OK;
}

void prl_session_conf_drop(struct prl_session_conf_copy *copy)
{
    for (size_t i = 0; i < sizeof(copy->texts) / sizeof(copy->texts[0]); i++)
        prl_mem_free(copy->texts[i]);
    prl_session_tools_free(&copy->tools, copy->tool_count);
    *copy = (struct prl_session_conf_copy){0};
}

enum prl_err prl_session_conf_take(struct prl_session_conf_copy *copy,
                                   const struct prl_session_conf *conf)
{
    *copy = (struct prl_session_conf_copy){.conf = *conf};
    const char **texts[] = {&copy->conf.instructions, &copy->conf.locale,
                            &copy->conf.language,     &copy->conf.transcribe_prompt,
                            &copy->conf.voice,        &copy->conf.tool_name,
                            &copy->conf.style};
    _Static_assert(sizeof(texts) / sizeof(texts[0]) == sizeof(copy->texts) / sizeof(copy->texts[0]),
                   "one slot a text");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!*texts[i])
            continue;
        copy->texts[i] = prl_mem_strdup(*texts[i]);
        *texts[i] = copy->texts[i];
        if (!copy->texts[i]) {
            prl_session_conf_drop(copy);
            return PRL_ERR_NOMEM;
        }
    }
    if (conf->tool_count == 0)
        return PRL_OK;
    enum prl_err err = prl_session_tools_copy(&copy->tools, conf->tools, conf->tool_count);
    if (err) {
        prl_session_conf_drop(copy);
        return err;
    }
    copy->tool_count = conf->tool_count;
    copy->conf.tools = copy->tools;
    return PRL_OK;
}

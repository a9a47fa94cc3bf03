// model_list.c -- see model_list.h.
#include "server/model_list.h"

#include <string.h>

#include "base/str.h"

static void add(struct prl_model_list *list, const char *id, const char *kind, const char *owner)
{
    if (!id || !id[0] || list->count == PRL_MODEL_LIST_MAX)
        return;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->models[i].id, id) == 0)
            return;
    list->models[list->count++] =
        (struct prl_rest_model){.id = id, .kind = kind, .owned_by = owner};
}

// "/models/some-7b.gguf" is some-7b.
static void name_file(char out[PRL_MODEL_LIST_NAME], const char *path)
{
    const char *slash = strrchr(path, '/');
    (void)prl_str_copy(out, PRL_MODEL_LIST_NAME, slash ? slash + 1 : path);
    if (prl_str_ends(out, ".gguf"))
        out[strlen(out) - strlen(".gguf")] = '\0';
}

static void add_embedded(struct prl_model_list *list, const struct prl_settings *settings,
                         const char *kind, const char *local_model)
{
    static const char owner[] = "parley";
    if (strcmp(kind, "llm") == 0) {
        name_file(list->llm, local_model);
        add(list, list->llm, kind, owner);
    } else if (strcmp(kind, "stt") == 0) {
        add(list, settings->stt_model_dir[0] ? "user" : NULL, kind, owner);
        add(list, "moonshine", kind, owner);
        add(list, "whisper", kind, owner);
    } else {
        add(list, "hibari", kind, owner);
        add(list, "kokoro", kind, owner);
        add(list, settings->tts_fast_chinese ? "fastspeech2" : NULL, kind, owner);
    }
}

void prl_model_list_make(struct prl_model_list *list, const struct prl_settings *settings,
                         const char *local_model)
{
    const struct {
        const char *kind;
        const struct prl_settings_engine *chain;
        const char *first; // model of chain[0]
    } kinds[] = {{"llm", settings->llm, settings->llm_model},
                 {"stt", settings->stt, settings->stt[0].model},
                 {"tts", settings->tts, settings->tts[0].model}};
    *list = (struct prl_model_list){.count = 0};
    for (size_t k = 0; k < 3 && !settings->scripted_engines; k++)
        for (int i = 0; i < PRL_SETTINGS_CHAIN; i++) {
            const struct prl_settings_engine *engine = &kinds[k].chain[i];
            if (engine->backend == PRL_SETTINGS_EMBEDDED)
                add_embedded(list, settings, kinds[k].kind, local_model);
            else if (engine->backend != PRL_SETTINGS_NONE)
                add(list, i == 0 ? kinds[k].first : engine->model, kinds[k].kind, "elsewhere");
        }
}

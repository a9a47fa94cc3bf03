// engines_child.c -- engines in child processes: which are (engine.isolate), and what such a process does.
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/cores.h"
#include "base/mem.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "server/engines_state.h"
#include "tts/tts_lane.h"

enum { HELLO_MAX = 256 << 10 };

// Whether a kind of engine runs in one: engine.isolate names it.
static bool is_isolated(const struct prl_settings *settings, const char *kind)
{
    size_t len = strlen(kind);
    const char *at = settings->engine_isolate;
    while ((at = strstr(at, kind))) {
        if (at[len] == '\0' || at[len] == ',' || at[len] == ' ')
            return true;
        at += len;
    }
    return false;
}

const struct prl_lane_isolate *prl_engines_isolate(const struct prl_engines *engines,
                                                   const char *kind)
{
    bool wanted = !engines->child && !engines->conf.settings->scripted_engines &&
                  is_isolated(engines->conf.settings, kind);
    return wanted ? &engines->isolate : NULL;
}

// A child is told every setting, so that it is what it was when the server started.
enum prl_err prl_engines_prepare_isolate(struct prl_engines *engines, char *why)
{
    const struct prl_settings *settings = engines->conf.settings;
    static const char *const kinds[] = {"stt", "llm", "tts", "eot", "off"};
    const char *at = settings->engine_isolate + strspn(settings->engine_isolate, ", ");
    while (*at) {
        size_t len = strcspn(at, ", ");
        bool known = false;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            known = known || (len == 3 && strncmp(at, kinds[i], 3) == 0);
        if (!known) {
            (void)snprintf(why, PRL_ENGINES_WHY_SIZE,
                           "engine.isolate: '%.*s' is none of stt, llm, tts, eot, off", (int)len,
                           at);
            return PRL_ERR_INVALID;
        }
        at += len;
        at += strspn(at, ", ");
    }
    prl_str_init(&engines->hello, HELLO_MAX);
    enum prl_err err = prl_conf_pairs(prl_settings_table(), settings, &engines->hello);
    engines->isolate = (struct prl_lane_isolate){.program = "/proc/self/exe",
                                                 .hello = engines->hello.data,
                                                 .hello_size = engines->hello.len,
                                                 .hang_us = settings->engine_hang_s * 1000000};
    return err;
}

static enum prl_err serve_stt(struct prl_engines *engines, struct prl_lane_child *child)
{
    struct prl_stt_conf conf = prl_engines_stt_conf(engines);
    return prl_stt_serve(&conf, child);
}

static enum prl_err serve_llm(struct prl_engines *engines, struct prl_lane_child *child)
{
    struct prl_llm_conf conf = prl_engines_llm_conf(engines);
    return prl_llm_serve(&conf, child);
}

static enum prl_err serve_tts(struct prl_engines *engines, struct prl_lane_child *child)
{
    struct prl_tts_conf conf = prl_engines_tts_conf(engines);
    return prl_tts_serve(&conf, child);
}

enum prl_err prl_engines_serve(const char *kind, const struct prl_settings *settings,
                               struct prl_lane_child *child, char *why)
{
    struct prl_engines *engines = prl_mem_zalloc(sizeof(*engines)); // as long as the process
    *why = '\0';
    if (!engines)
        return PRL_ERR_NOMEM;
    engines->child = true;
    engines->conf = (struct prl_engines_conf){.settings = settings};
    enum prl_err err =
        prl_engine_files_find(engines->files, settings, why) ? PRL_OK : PRL_ERR_NOTFOUND;
    if (!err)
        err = prl_cores_create(&engines->cores, 0);
    bool needs_ort = strcmp(kind, "llm") != 0;
    if (!err && needs_ort)
        err =
            prl_ort_create(&engines->ort, engines->files[PRL_FILE_ORT], why, PRL_ENGINES_WHY_SIZE);
    if (err)
        return err;
    if (strcmp(kind, "stt") == 0)
        return serve_stt(engines, child);
    if (strcmp(kind, "llm") == 0)
        return serve_llm(engines, child);
    if (strcmp(kind, "tts") == 0)
        return serve_tts(engines, child);
    char path[PRL_MODELS_PATH_MAX];
    err = prl_models_path(settings->eot_model, path);
    if (err) {
        (void)prl_str_copy(why, PRL_ENGINES_WHY_SIZE, path); // the sentence
        return err;
    }
    struct prl_eot_conf conf = prl_engines_eot_conf(engines, path);
    return prl_eot_serve(&conf, child);
}

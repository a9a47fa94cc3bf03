// engines.c -- see engines.h: their life together. engines_open.c starts them, engines_child.c serves one in a
// process of its own, engine_files.c knows their files.
#include "server/engines.h"

#include <stdio.h>

#include "base/cores.h"
#include "base/mem.h"
#include "base/str.h"
#include "dsp/echo.h"
#include "engine/ort.h"
#include "engine/pool.h"
#include "llm/answers.h"
#include "net/fetch.h"
#include "net/loop.h"
#include "server/engines_state.h"
#include "server/far.h"
#include "tts/phrases.h"
#include "upstream/upstream.h"
#include "vad/speaker.h"
#include "vad/vad.h"

void prl_engines_settle(struct prl_engines *engines)
{
    const struct prl_engines_state *state = &engines->state;
    bool all = state->vad && state->stt && state->llm && state->tts && engines->eot_settled &&
               engines->speaker_settled;
    if (!all || engines->failed || engines->ready)
        return;
    engines->ready = true;
    engines->conf.ready(engines->conf.arg);
}

static void on_settled(void *arg)
{
    prl_engines_settle(arg);
}

void prl_engines_fail(struct prl_engines *engines, const char *why)
{
    if (engines->failed)
        return;
    engines->failed = true;
    engines->conf.failed(engines->conf.arg, why);
}

// ---- what the settings mean ----

const char *prl_engines_local_model(const struct prl_settings *settings)
{
    int index = prl_far_embedded(settings->llm);
    const char *model = index > 0 ? settings->llm[index].model : settings->llm_model;
    if (prl_str_equal(model, "small"))
        return "qwen2.5-coder-0.5b";
    return model[0] ? model : "qwen2.5-coder-1.5b";
}

const char *prl_engines_voice(const struct prl_settings *settings)
{
    bool far = settings->tts[0].backend >= PRL_SETTINGS_OPENAI && prl_far_voice(settings)[0];
    return far ? "alloy" : settings->tts_voice;
}

// ---- life ----

enum prl_err prl_engines_create(struct prl_engines **out, const struct prl_engines_conf *conf,
                                char *why)
{
    *why = '\0';
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    enum prl_err err = PRL_ERR_NOTFOUND;
    if (prl_engine_files_find((*out)->files, conf->settings, why))
        err = prl_engines_open(*out, why);
    if (!err && prl_far_has_upstream(conf->settings))
        err = prl_timer_create(&(*out)->settled, conf->loop, "engines settled", on_settled, *out);
    if (!err && (*out)->settled)
        prl_timer_start((*out)->settled, 0);
    if (err && !*why)
        snprintf(why, PRL_ENGINES_WHY_SIZE, "the engines cannot be started: %s", prl_err_name(err));
    if (err && conf->first)
        prl_engines_stop(conf->first);
    if (err)
        prl_engines_destroy(out);
    return err;
}

void prl_engines_leave(struct prl_engines *engines)
{
    prl_phrases_destroy(&engines->phrases);
}

void prl_engines_stop(struct prl_engines *engines)
{
    prl_engines_leave(engines);
    prl_timer_destroy(&engines->settled);
    prl_eot_destroy(&engines->eot);
    prl_speaker_destroy(&engines->speaker);
    prl_stt_destroy(&engines->stt);
    prl_llm_destroy(&engines->answers);
    if (engines->llm == engines->local_llm)
        engines->llm = NULL;
    prl_llm_destroy(&engines->llm);
    prl_llm_destroy(&engines->local_llm);
    prl_tts_destroy(&engines->tts);
    prl_upstream_kit_destroy(&engines->upstream);
}

void prl_engines_destroy(struct prl_engines **engines)
{
    if (!*engines)
        return;
    prl_engines_stop(*engines);
    prl_vad_destroy(&(*engines)->vad);
    if (!(*engines)->conf.first) {
        prl_echo_kit_destroy(&(*engines)->echo);
        prl_cores_destroy(&(*engines)->cores); // the lanes are gone
        prl_ort_destroy(&(*engines)->ort);
    }
    for (int i = 0; i < PRL_ENGINES_KIND_COUNT; i++)
        prl_pool_destroy(&(*engines)->pools[i]);
    prl_fetch_destroy(&(*engines)->fetch);
    prl_engine_files_free((*engines)->files);
    prl_str_free(&(*engines)->hello);
    prl_mem_free(*engines);
    *engines = NULL;
}

void prl_engines_session(const struct prl_engines *engines, struct prl_session_engines *out)
{
    *out = (struct prl_session_engines){.loop = engines->conf.loop,
                                        .vad = engines->vad,
                                        .eot = engines->eot,
                                        .stt = engines->stt,
                                        .llm = engines->answers ? engines->answers : engines->llm,
                                        .tts = engines->tts,
                                        .phrases = engines->phrases,
                                        .echo = engines->echo,
                                        .upstream = engines->upstream,
                                        .speaker = engines->speaker};
}

void prl_engines_state(const struct prl_engines *engines, struct prl_engines_state *state)
{
    *state = engines->state;
}

void prl_engines_metrics(const struct prl_engines *engines, struct prl_str *out)
{
    prl_pool_render(engines->pools, PRL_ENGINES_KIND_COUNT, out);
    prl_upstream_kit_render(engines->upstream, out);
    if (engines->answers)
        prl_answers_render(engines->answers, out);
    if (engines->phrases)
        prl_phrases_render(engines->phrases, out);
}

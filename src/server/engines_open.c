// engines_open.c -- how engines of each kind are started from the settings: embedded ones, and what stands in
// front of those elsewhere.
#include <string.h>

#include "base/cores.h"
#include "base/log.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "llm/answers.h"
#include "llm/remote.h"
#include "llm/scripted.h"
#include "net/fetch.h"
#include "server/engines_state.h"
#include "server/far.h"
#include "stt/scripted.h"
#include "tts/phrases.h"
#include "tts/scripted.h"
#include "tts/voices.h"
#include "upstream/upstream.h"
#include "vad/speaker.h"
#include "vad/vad.h"

enum { ANSWERS_NAME_MAX = 32 << 10 };

static void on_eot_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->state.eot = true;
    engines->eot_settled = true;
    prl_engines_settle(engines);
}

static void on_eot_error(void *arg, const char *why)
{
    struct prl_engines *engines = arg;
    prl_log(PRL_LOG_WARN, "eot", "semantic_vad decides by text and silence alone: %s", why);
    engines->eot_settled = true;
    prl_engines_settle(engines);
}

static void on_speaker_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->speaker_settled = true;
    prl_engines_settle(engines);
}

static void on_speaker_error(void *arg, const char *why)
{
    struct prl_engines *engines = arg;
    prl_log(PRL_LOG_WARN, "speaker", "every voice is heard, turn.speaker_lock does nothing: %s",
            why);
    engines->speaker_settled = true;
    prl_engines_settle(engines);
}

static void on_stt_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->state.stt = true;
    prl_engines_settle(engines);
}

static void on_tts_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->state.tts = true;
    prl_engines_settle(engines);
}

static void on_engine_error(void *arg, const char *why)
{
    prl_engines_fail(arg, why);
}

static void on_llm_state(void *arg, enum prl_llm_state state, const char *text)
{
    struct prl_engines *engines = arg;
    if (state == PRL_LLM_FAILED) {
        prl_engines_fail(engines, text);
        return;
    }
    prl_log(PRL_LOG_INFO, "llm", "%s", text);
    engines->state.llm = true;
    prl_engines_settle(engines);
}

// ---- one of a process ----

// Without its module there is a poorer echo control and no gain control, which is worth a line and no more.
static enum prl_err start_echo(struct prl_engines *engines)
{
    char why[PRL_ENGINES_WHY_SIZE];
    char *module = prl_engine_files_beside("/lib/libparley_aec3.so");
    enum prl_err err = prl_echo_kit_create(&engines->echo, module, why, sizeof(why));
    if (!err && *why)
        prl_log(PRL_LOG_WARN, "echo", "%s; echo is cancelled with %s, nobody is turned up", why,
                prl_echo_kit_name(engines->echo));
    prl_mem_free(module);
    return err;
}

// What one of a process is enough of.
static enum prl_err start_common(struct prl_engines *engines, char *why)
{
    if (engines->conf.first) {
        engines->cores = engines->conf.first->cores;
        engines->ort = engines->conf.first->ort;
        engines->echo = engines->conf.first->echo;
        return PRL_OK;
    }
    enum prl_err err = prl_cores_create(&engines->cores, 0);
    if (!err)
        err =
            prl_ort_create(&engines->ort, engines->files[PRL_FILE_ORT], why, PRL_ENGINES_WHY_SIZE);
    return err ? err : start_echo(engines);
}

static enum prl_err start_vad(struct prl_engines *engines, char *why)
{
    enum prl_err err = prl_vad_create(&engines->vad, engines->ort, engines->files[PRL_FILE_VAD],
                                      why, PRL_ENGINES_WHY_SIZE);
    engines->state.vad = !err;
    return err;
}

// ---- judges ----

struct prl_eot_conf prl_engines_eot_conf(struct prl_engines *engines, const char *model)
{
    return (struct prl_eot_conf){.loop = engines->conf.loop,
                                 .ort = engines->ort,
                                 .model = model,
                                 .cores = engines->cores,
                                 .isolate = prl_engines_isolate(engines, "eot"),
                                 .share = engines->conf.first ? engines->conf.first->eot : NULL,
                                 .on_ready = on_eot_ready,
                                 .on_error = on_eot_error,
                                 .arg = engines};
}

// The one engine that serving does without.
static enum prl_err start_eot(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    char path[PRL_MODELS_PATH_MAX];
    if (!settings->eot_enabled) {
        engines->eot_settled = true;
        return PRL_OK;
    }
    if (engines->conf.first && !engines->conf.first->eot) { // said there
        engines->eot_settled = true;
        return PRL_OK;
    }
    if (prl_models_path(settings->eot_model, path) != PRL_OK) {
        on_eot_error(engines, path); // the sentence
        return PRL_OK;
    }
    struct prl_eot_conf conf = prl_engines_eot_conf(engines, path);
    return prl_eot_create(&engines->eot, &conf);
}

// So does this one.
static enum prl_err start_speaker(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    char path[PRL_MODELS_PATH_MAX];
    bool absent = engines->conf.first && !engines->conf.first->speaker; // said there
    if (settings->speaker_lock == PRL_SESSION_LOCK_OFF || absent) {
        engines->speaker_settled = true;
        return PRL_OK;
    }
    if (prl_models_path(settings->speaker_model, path) != PRL_OK) {
        on_speaker_error(engines, path); // the sentence
        return PRL_OK;
    }
    struct prl_speaker_conf conf = {.loop = engines->conf.loop,
                                    .ort = engines->ort,
                                    .model = path,
                                    .cores = engines->cores,
                                    .on_ready = on_speaker_ready,
                                    .on_error = on_speaker_error,
                                    .arg = engines};
    return prl_speaker_create(&engines->speaker, &conf);
}

// ---- recognisers ----

struct prl_stt_conf prl_engines_stt_conf(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    bool user = settings->stt_model_dir[0] != '\0';
    return (struct prl_stt_conf){
        .loop = engines->conf.loop,
        .ort = engines->ort,
        .paths = {.sherpa_library = engines->files[PRL_FILE_SHERPA],
                  .moonshine_encoder = engines->files[PRL_FILE_MOONSHINE_ENCODER],
                  .moonshine_decoder = engines->files[PRL_FILE_MOONSHINE_DECODER],
                  .moonshine_tokens = engines->files[PRL_FILE_MOONSHINE_TOKENS],
                  .whisper_module = engines->files[PRL_FILE_WHISPER_MODULE],
                  .whisper_model = engines->files[PRL_FILE_WHISPER],
                  .user_dir = user ? settings->stt_model_dir : NULL,
                  .user_languages =
                      settings->stt_model_languages[0] ? settings->stt_model_languages : NULL},
        .language = settings->session_language,
        .traditional = settings->stt_traditional,
        .threads = (int)settings->stt_threads,
        .cores = engines->cores,
        .front = settings->scripted_engines ? &prl_stt_scripted : NULL,
        .front_conf = &settings->scripted,
        .pool = engines->pools[PRL_ENGINES_KIND_STT],
        .far_only = prl_far_embedded(settings->stt) < 0,
        .far_partials = settings->stt_partials,
        .isolate = prl_engines_isolate(engines, "stt"),
        .share = engines->conf.first ? engines->conf.first->stt : NULL,
        .on_ready = on_stt_ready,
        .on_error = on_engine_error,
        .arg = engines};
}

static enum prl_err start_stt(struct prl_engines *engines)
{
    engines->state.stt = prl_far_has_upstream(engines->conf.settings);
    if (engines->state.stt)
        return PRL_OK;
    struct prl_stt_conf conf = prl_engines_stt_conf(engines);
    return prl_stt_create(&engines->stt, &conf);
}

// ---- elsewhere ----

static enum prl_err start_far(struct prl_engines *engines, char *why)
{
    const struct prl_settings *settings = engines->conf.settings;
    bool up = prl_far_has_upstream(engines->conf.settings);
    const struct prl_far fars[PRL_ENGINES_KIND_COUNT] = {
        [PRL_ENGINES_KIND_STT] = {"stt", settings->stt, settings->stt[0].model, ""},
        [PRL_ENGINES_KIND_LLM] = {"llm", settings->llm, settings->llm_model, ""},
        [PRL_ENGINES_KIND_TTS] = {"tts", settings->tts, settings->tts[0].model,
                                  prl_far_voice(settings)}};
    enum prl_err err = PRL_OK;
    for (int i = 0; i < PRL_ENGINES_KIND_COUNT && !err; i++) {
        if (fars[i].chain[0].backend == PRL_SETTINGS_EMBEDDED && !prl_far_any(fars[i].chain))
            continue;
        if (up && (i != PRL_ENGINES_KIND_TTS || !prl_far_any(fars[i].chain)))
            continue;
        struct prl_fetch_conf fetch = {.ca_file = settings->engine_ca_file,
                                       .insecure = settings->engine_insecure};
        if (!engines->fetch)
            err = prl_fetch_create(&engines->fetch, engines->conf.loop, &fetch);
        if (!err)
            err = prl_far_pool(&engines->pools[i], &fars[i], settings, engines->conf.loop,
                               engines->fetch, why);
        if (!err)
            prl_pool_warm(engines->pools[i]);
    }
    return err;
}

// ---- language models ----

static enum prl_err start_remote_llm(struct prl_engines *engines)
{
    struct prl_llm_remote_conf conf = {.loop = engines->conf.loop,
                                       .pool = engines->pools[PRL_ENGINES_KIND_LLM],
                                       .local = engines->local_llm,
                                       .blind = !engines->conf.settings->llm_images};
    if (!engines->local_llm)
        engines->state.llm = true;
    return prl_llm_remote_create(&engines->llm, &conf);
}

struct prl_llm_conf prl_engines_llm_conf(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    bool known = strchr(prl_engines_local_model(settings), '/') == NULL;
    return (struct prl_llm_conf){.loop = engines->conf.loop,
                                 .model_path = engines->files[PRL_FILE_LLM],
                                 .module_path = engines->files[PRL_FILE_LLM_MODULE],
                                 .child_program = engines->files[PRL_FILE_SELF],
                                 .model_known = known,
                                 .context_tokens = (int)settings->llm_context_tokens,
                                 .sequences = (int)settings->llm_sequences,
                                 .threads = (int)settings->llm_threads,
                                 .cores = engines->cores,
                                 .isolate = prl_engines_isolate(engines, "llm"),
                                 .share =
                                     engines->conf.first ? engines->conf.first->local_llm : NULL,
                                 .on_state = on_llm_state,
                                 .arg = engines};
}

static enum prl_err start_local_llm(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    struct prl_llm_conf conf = prl_engines_llm_conf(engines);
    if (settings->scripted_engines)
        return prl_llm_scripted_create(&engines->local_llm, &conf, &settings->scripted);
    return prl_llm_create(&engines->local_llm, &conf);
}

// Answers that were given before come from memory. A key names the whole chain: which of its engines
// answered is nobody's business.
static enum prl_err start_answers(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    struct prl_str name;
    prl_str_init(&name, ANSWERS_NAME_MAX);
    (void)prl_str_addf(&name, "%s", settings->llm_model);
    for (int i = 0; i < PRL_SETTINGS_CHAIN; i++)
        (void)prl_str_addf(&name, " %d %s %s %s", (int)settings->llm[i].backend,
                           settings->llm[i].url,
                           settings->llm[i].model ? settings->llm[i].model : "",
                           settings->llm[i].extra ? settings->llm[i].extra : "");
    struct prl_answers_conf conf = {.loop = engines->conf.loop,
                                    .model = engines->llm,
                                    .name = prl_str_text(&name),
                                    .entries_max = (size_t)settings->llm_cache_entries,
                                    .bytes_max = (size_t)settings->llm_cache_kib * 1024,
                                    .age_us_max = settings->llm_cache_s * 1000000,
                                    .sampled = settings->llm_cache_sampled};
    enum prl_err err = name.err ? name.err : prl_answers_create(&engines->answers, &conf);
    prl_str_free(&name);
    return err;
}

static enum prl_err start_llm(struct prl_engines *engines)
{
    engines->state.llm = prl_far_has_upstream(engines->conf.settings);
    if (engines->state.llm)
        return PRL_OK;
    enum prl_err err = PRL_OK;
    if (prl_far_embedded(engines->conf.settings->llm) >= 0)
        err = start_local_llm(engines);
    if (!err && engines->pools[PRL_ENGINES_KIND_LLM])
        err = start_remote_llm(engines);
    else
        engines->llm = engines->local_llm;
    return !err && engines->conf.settings->llm_cache_answers ? start_answers(engines) : err;
}

// ---- voices ----

// Kokoro gains from a second thread and, as ONNX Runtime's threads do not spin, harms nobody.
static int tts_threads(const struct prl_engines *engines)
{
    int wanted = (int)engines->conf.settings->tts_threads;
    if (wanted > 0)
        return wanted;
    return prl_cores_total(engines->cores) >= 2 ? 2 : 1;
}

struct prl_tts_conf prl_engines_tts_conf(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    return (struct prl_tts_conf){
        .loop = engines->conf.loop,
        .paths = {.ort_library = engines->files[PRL_FILE_ORT],
                  .en_tables = engines->files[PRL_FILE_EN_TABLES],
                  .en_tables_gb = engines->files[PRL_FILE_EN_TABLES_GB],
                  .en_oov = engines->files[PRL_FILE_EN_OOV],
                  .en_oov_gb = engines->files[PRL_FILE_EN_OOV_GB],
                  .hibari_model = engines->files[PRL_FILE_HIBARI],
                  .zh_tables = engines->files[PRL_FILE_ZH_TABLES],
                  .kokoro_model = engines->files[PRL_FILE_KOKORO],
                  .kokoro_vocoder = engines->files[PRL_FILE_KOKORO_VOCODER],
                  .kokoro_voices = engines->files[PRL_FILE_KOKORO_VOICES],
                  .fastspeech2_model = engines->files[PRL_FILE_FASTSPEECH2],
                  .melgan_model = engines->files[PRL_FILE_MELGAN]},
        .voice = prl_engines_voice(settings),
        .speed = (float)settings->tts_speed,
        .fast_zh = settings->tts_fast_chinese,
        .quality = (enum prl_tts_quality)settings->tts_quality,
        .cache_dir = engines->files[PRL_FILE_CACHE],
        .threads = tts_threads(engines),
        .cores = engines->cores,
        .front = settings->scripted_engines ? &prl_tts_scripted : NULL,
        .front_conf = &settings->scripted,
        .pool = engines->pools[PRL_ENGINES_KIND_TTS],
        .far_only = prl_far_embedded(settings->tts) < 0,
        .instructions = settings->tts_instructions,
        .isolate = prl_engines_isolate(engines, "tts"),
        .share = engines->conf.first ? engines->conf.first->tts : NULL,
        .on_ready = on_tts_ready,
        .on_error = on_engine_error,
        .arg = engines};
}

static enum prl_err start_tts(struct prl_engines *engines)
{
    engines->state.tts = !prl_engine_files_voice(engines->conf.settings);
    if (engines->state.tts)
        return PRL_OK;
    struct prl_tts_conf conf = prl_engines_tts_conf(engines);
    enum prl_err err = prl_tts_create(&engines->tts, &conf);
    size_t bytes_max = (size_t)engines->conf.settings->tts_phrases_kib * 1024;
    if (!err && bytes_max > 0)
        err = prl_phrases_create(&engines->phrases, engines->tts, bytes_max);
    return err;
}

enum prl_err prl_engines_open(struct prl_engines *engines, char *why)
{
    const struct prl_engines_conf *conf = &engines->conf;
    enum prl_err err = start_common(engines, why);
    if (!err)
        err = prl_engines_prepare_isolate(engines, why);
    if (!err)
        err = start_far(engines, why);
    if (!err && prl_far_has_upstream(conf->settings))
        err = prl_far_upstream(&engines->upstream, conf->settings, conf->loop, why);
    if (!err)
        err = start_vad(engines, why);
    if (!err)
        err = start_eot(engines);
    if (!err)
        err = start_speaker(engines);
    if (!err)
        err = start_stt(engines);
    if (!err)
        err = start_llm(engines);
    if (!err)
        err = start_tts(engines);
    return err;
}

// engines.c -- see engines.h.
#include "server/engines.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cores.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "dsp/echo.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "eot/eot.h"
#include "llm/answers.h"
#include "llm/llm.h"
#include "llm/remote.h"
#include "llm/scripted.h"
#include "net/lane_process.h"
#include "net/loop.h"
#include "server/far.h"
#include "stt/scripted.h"
#include "stt/stt.h"
#include "tts/phrases.h"
#include "tts/scripted.h"
#include "tts/tts.h"
#include "tts/tts_lane.h"
#include "tts/voices.h"
#include "upstream/upstream.h"
#include "vad/speaker.h"
#include "vad/vad.h"

enum path {
    PATH_ORT,
    PATH_SHERPA,
    PATH_VAD,
    PATH_MOONSHINE_ENCODER,
    PATH_MOONSHINE_DECODER,
    PATH_MOONSHINE_TOKENS,
    PATH_WHISPER,
    PATH_WHISPER_MODULE,
    PATH_LLM,
    PATH_LLM_MODULE,
    PATH_EN_TABLES,
    PATH_EN_TABLES_GB,
    PATH_EN_OOV,
    PATH_EN_OOV_GB,
    PATH_HIBARI,
    PATH_ZH_TABLES,
    PATH_KOKORO,
    PATH_KOKORO_VOCODER,
    PATH_KOKORO_VOICES,
    PATH_FASTSPEECH2,
    PATH_MELGAN,
    PATH_CACHE,
    PATH_SELF,
    PATH_COUNT
};

enum { ANSWERS_NAME_MAX = 32 << 10 };

// Kinds that may be elsewhere.
enum kind { KIND_STT, KIND_LLM, KIND_TTS, KIND_COUNT };
enum { HELLO_MAX = 256 << 10 };

struct prl_engines {
    struct prl_engines_conf conf;
    bool child; // of another parley, for one kind of engine
    struct prl_lane_isolate isolate;
    struct prl_str hello; // what isolate says
    struct prl_fetch *fetch;
    struct prl_pool *pools[KIND_COUNT]; // NULL where everything is embedded
    char *paths[PATH_COUNT];            // owned; NULL where the file is not there
    struct prl_cores *cores;            // the first owns these three
    struct prl_ort *ort;                //
    struct prl_echo_kit *echo;          //
    struct prl_vad *vad;
    struct prl_eot *eot;         // NULL: not wanted, or not there
    struct prl_speaker *speaker; // the same
    struct prl_stt *stt;
    struct prl_llm *llm;         // what sessions ask: remote, which may ask local, or local itself
    struct prl_llm *answers;     // in front of llm; NULL: none are kept
    struct prl_llm *local_llm;   // the embedded one; NULL: there is none
    struct prl_tts *tts;         // NULL: an upstream speaks, and there is no voice for apologies
    struct prl_phrases *phrases; // NULL: none are kept
    struct prl_upstream_kit *upstream; // NULL: there is none
    struct prl_engines_state state;
    struct prl_timer *settled;         // with an upstream nothing may be left to wait for
    bool eot_settled, speaker_settled; // loaded, or known to stay away
    bool ready;                        // told
    bool failed;
};

static void check_ready(struct prl_engines *engines)
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
    check_ready(arg);
}

static void fail(struct prl_engines *engines, const char *why)
{
    if (engines->failed)
        return;
    engines->failed = true;
    engines->conf.failed(engines->conf.arg, why);
}

static void on_eot_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->state.eot = true;
    engines->eot_settled = true;
    check_ready(engines);
}

static void on_eot_error(void *arg, const char *why)
{
    struct prl_engines *engines = arg;
    prl_log(PRL_LOG_WARN, "eot", "semantic_vad decides by text and silence alone: %s", why);
    engines->eot_settled = true;
    check_ready(engines);
}

static void on_speaker_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->speaker_settled = true;
    check_ready(engines);
}

static void on_speaker_error(void *arg, const char *why)
{
    struct prl_engines *engines = arg;
    prl_log(PRL_LOG_WARN, "speaker", "every voice is heard, turn.speaker_lock does nothing: %s",
            why);
    engines->speaker_settled = true;
    check_ready(engines);
}

static void on_stt_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->state.stt = true;
    check_ready(engines);
}

static void on_tts_ready(void *arg)
{
    struct prl_engines *engines = arg;
    engines->state.tts = true;
    check_ready(engines);
}

static void on_engine_error(void *arg, const char *why)
{
    fail(arg, why);
}

static void on_llm_state(void *arg, enum prl_llm_state state, const char *text)
{
    struct prl_engines *engines = arg;
    if (state == PRL_LLM_FAILED) {
        fail(engines, text);
        return;
    }
    prl_log(PRL_LOG_INFO, "llm", "%s", text);
    engines->state.llm = true;
    check_ready(engines);
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

// A name that only the engine elsewhere knows; "" when it is one of ours, which are passed on.
static const char *far_voice(const struct prl_settings *settings)
{
    return prl_voice_find(settings->tts_voice) ? "" : settings->tts_voice;
}

const char *prl_engines_voice(const struct prl_settings *settings)
{
    bool far = settings->tts[0].backend >= PRL_SETTINGS_OPENAI && far_voice(settings)[0];
    return far ? "alloy" : settings->tts_voice;
}

static bool has_upstream(const struct prl_engines *engines)
{
    return engines->conf.settings->upstream.url[0] != '\0';
}

// ---- paths ----

// A file of models.lock; `why` is set and false returned when it is needed and missing.
static bool find(struct prl_engines *engines, enum path which, const char *name, bool needed,
                 char *why)
{
    char path[PRL_MODELS_PATH_MAX];
    if (prl_models_path(name, path) == PRL_OK) {
        engines->paths[which] = prl_mem_strdup(path);
        return engines->paths[which] != NULL;
    }
    if (!needed)
        return true;
    (void)prl_str_copy(why, PRL_ENGINES_WHY_SIZE, path); // the sentence
    return false;
}

// The folder of the program, with `rest` behind it.
static char *beside_program(const char *rest)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len <= 0)
        return NULL;
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    struct prl_str text;
    prl_str_init(&text, PATH_MAX);
    (void)prl_str_addf(&text, "%s%s", path, rest);
    return prl_str_give(&text);
}

// The folder that a file lies in.
static char *folder_of(const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    return slash ? prl_mem_strndup(file, (size_t)(slash - file)) : NULL;
}

// With an upstream our own voice is there for apologies, where its models happen to be.
static bool wants_voice(const struct prl_engines *engines)
{
    static const char *const needed[] = {"hibari-en-us", "hibari-oov-us", "hibari",
                                         "zh-tables",    "kokoro",        "kokoro-voice-af_alloy"};
    char path[PRL_MODELS_PATH_MAX];
    const struct prl_settings *settings = engines->conf.settings;
    if (!has_upstream(engines))
        return true;
    if (prl_far_any(settings->tts))
        return true;
    if (settings->scripted_engines || prl_far_embedded(settings->tts) < 0)
        return false;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (prl_models_path(needed[i], path) != PRL_OK) {
            prl_log(PRL_LOG_INFO, "tts", "apologies are not spoken: %s", path);
            return false;
        }
    return true;
}

static bool find_paths(struct prl_engines *engines, char *why)
{
    const struct prl_settings *settings = engines->conf.settings;
    if (settings->scripted_engines)
        return find(engines, PATH_ORT, "onnxruntime", true, why) &&
               find(engines, PATH_VAD, settings->vad_model, true, why);
    bool user = settings->stt_model_dir[0] != '\0';
    const char *llm = prl_engines_local_model(settings);
    bool up = has_upstream(engines);
    bool stt = !up && prl_far_embedded(settings->stt) >= 0;
    bool tts = prl_far_embedded(settings->tts) >= 0 && wants_voice(engines);
    bool fast = settings->tts_fast_chinese;
    bool ok =
        find(engines, PATH_ORT, "onnxruntime", true, why) &&
        find(engines, PATH_SHERPA, "sherpa-onnx", stt, why) &&
        find(engines, PATH_VAD, settings->vad_model, true, why) &&
        find(engines, PATH_MOONSHINE_ENCODER, "moonshine-tiny-en-encoder", stt && !user, why) &&
        find(engines, PATH_MOONSHINE_DECODER, "moonshine-tiny-en-decoder", stt && !user, why) &&
        find(engines, PATH_MOONSHINE_TOKENS, "moonshine-tiny-en-tokens", stt && !user, why) &&
        find(engines, PATH_WHISPER, "whisper-base", stt && !user, why) &&
        find(engines, PATH_LLM, llm, !up && prl_far_embedded(settings->llm) >= 0, why) &&
        find(engines, PATH_EN_TABLES, "hibari-en-us", tts, why) &&
        find(engines, PATH_EN_TABLES_GB, "hibari-en-gb", false, why) &&
        find(engines, PATH_EN_OOV, "hibari-oov-us", tts, why) &&
        find(engines, PATH_EN_OOV_GB, "hibari-oov-gb", false, why) &&
        find(engines, PATH_HIBARI, "hibari", tts, why) &&
        find(engines, PATH_ZH_TABLES, "zh-tables", tts, why) &&
        find(engines, PATH_KOKORO, "kokoro", tts, why) &&
        find(engines, PATH_KOKORO_VOCODER, "kokoro-vocoder", tts, why) &&
        find(engines, PATH_KOKORO_VOICES, "kokoro-voice-af_alloy", tts, why) &&
        find(engines, PATH_FASTSPEECH2, "fastspeech2-zh", tts && fast, why) &&
        find(engines, PATH_MELGAN, "mb-melgan-zh", tts && fast, why);
    if (!ok)
        return false;
    char *voices = folder_of(engines->paths[PATH_KOKORO_VOICES]);
    prl_mem_free(engines->paths[PATH_KOKORO_VOICES]);
    engines->paths[PATH_KOKORO_VOICES] = voices;
    char *models = folder_of(engines->paths[PATH_VAD]);
    engines->paths[PATH_CACHE] = folder_of(models);
    prl_mem_free(models);
    engines->paths[PATH_WHISPER_MODULE] = beside_program("/lib/libparley_whisper.so");
    engines->paths[PATH_LLM_MODULE] = beside_program("/lib/libparley_llama.so");
    engines->paths[PATH_SELF] = prl_mem_strdup("/proc/self/exe");
    return true;
}

// ---- child processes ----

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

static const struct prl_lane_isolate *isolate_of(const struct prl_engines *engines,
                                                 const char *kind)
{
    bool wanted = !engines->child && !engines->conf.settings->scripted_engines &&
                  is_isolated(engines->conf.settings, kind);
    return wanted ? &engines->isolate : NULL;
}

// A child is told every setting, so that it is what it was when the server started.
static enum prl_err prepare_isolate(struct prl_engines *engines, char *why)
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

// ---- loading ----

// Without its module there is a poorer echo control and no gain control, which is worth a line and no more.
static enum prl_err start_echo(struct prl_engines *engines)
{
    char why[PRL_ENGINES_WHY_SIZE];
    char *module = beside_program("/lib/libparley_aec3.so");
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
        err = prl_ort_create(&engines->ort, engines->paths[PATH_ORT], why, PRL_ENGINES_WHY_SIZE);
    return err ? err : start_echo(engines);
}

static enum prl_err start_vad(struct prl_engines *engines, char *why)
{
    enum prl_err err = prl_vad_create(&engines->vad, engines->ort, engines->paths[PATH_VAD], why,
                                      PRL_ENGINES_WHY_SIZE);
    engines->state.vad = !err;
    return err;
}

static struct prl_eot_conf eot_conf(struct prl_engines *engines, const char *model)
{
    return (struct prl_eot_conf){.loop = engines->conf.loop,
                                 .ort = engines->ort,
                                 .model = model,
                                 .cores = engines->cores,
                                 .isolate = isolate_of(engines, "eot"),
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
    struct prl_eot_conf conf = eot_conf(engines, path);
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

static struct prl_stt_conf stt_conf(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    bool user = settings->stt_model_dir[0] != '\0';
    return (struct prl_stt_conf){
        .loop = engines->conf.loop,
        .ort = engines->ort,
        .paths = {.sherpa_library = engines->paths[PATH_SHERPA],
                  .moonshine_encoder = engines->paths[PATH_MOONSHINE_ENCODER],
                  .moonshine_decoder = engines->paths[PATH_MOONSHINE_DECODER],
                  .moonshine_tokens = engines->paths[PATH_MOONSHINE_TOKENS],
                  .whisper_module = engines->paths[PATH_WHISPER_MODULE],
                  .whisper_model = engines->paths[PATH_WHISPER],
                  .user_dir = user ? settings->stt_model_dir : NULL,
                  .user_languages =
                      settings->stt_model_languages[0] ? settings->stt_model_languages : NULL},
        .language = settings->session_language,
        .traditional = settings->stt_traditional,
        .threads = (int)settings->stt_threads,
        .cores = engines->cores,
        .front = settings->scripted_engines ? &prl_stt_scripted : NULL,
        .front_conf = &settings->scripted,
        .pool = engines->pools[KIND_STT],
        .far_only = prl_far_embedded(settings->stt) < 0,
        .far_partials = settings->stt_partials,
        .isolate = isolate_of(engines, "stt"),
        .share = engines->conf.first ? engines->conf.first->stt : NULL,
        .on_ready = on_stt_ready,
        .on_error = on_engine_error,
        .arg = engines};
}

static enum prl_err start_stt(struct prl_engines *engines)
{
    engines->state.stt = has_upstream(engines);
    if (engines->state.stt)
        return PRL_OK;
    struct prl_stt_conf conf = stt_conf(engines);
    return prl_stt_create(&engines->stt, &conf);
}

// ---- elsewhere ----

static enum prl_err start_far(struct prl_engines *engines, char *why)
{
    const struct prl_settings *settings = engines->conf.settings;
    bool up = has_upstream(engines);
    const struct prl_far fars[KIND_COUNT] = {
        [KIND_STT] = {"stt", settings->stt, settings->stt[0].model, ""},
        [KIND_LLM] = {"llm", settings->llm, settings->llm_model, ""},
        [KIND_TTS] = {"tts", settings->tts, settings->tts[0].model, far_voice(settings)}};
    enum prl_err err = PRL_OK;
    for (int i = 0; i < KIND_COUNT && !err; i++) {
        if (fars[i].chain[0].backend == PRL_SETTINGS_EMBEDDED && !prl_far_any(fars[i].chain))
            continue;
        if (up && (i != KIND_TTS || !prl_far_any(fars[i].chain)))
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

static enum prl_err start_remote_llm(struct prl_engines *engines)
{
    struct prl_llm_remote_conf conf = {.loop = engines->conf.loop,
                                       .pool = engines->pools[KIND_LLM],
                                       .local = engines->local_llm,
                                       .blind = !engines->conf.settings->llm_images};
    if (!engines->local_llm)
        engines->state.llm = true;
    return prl_llm_remote_create(&engines->llm, &conf);
}

static struct prl_llm_conf llm_conf(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    bool known = strchr(prl_engines_local_model(settings), '/') == NULL;
    return (struct prl_llm_conf){.loop = engines->conf.loop,
                                 .model_path = engines->paths[PATH_LLM],
                                 .module_path = engines->paths[PATH_LLM_MODULE],
                                 .child_program = engines->paths[PATH_SELF],
                                 .model_known = known,
                                 .context_tokens = (int)settings->llm_context_tokens,
                                 .sequences = (int)settings->llm_sequences,
                                 .threads = (int)settings->llm_threads,
                                 .cores = engines->cores,
                                 .isolate = isolate_of(engines, "llm"),
                                 .share =
                                     engines->conf.first ? engines->conf.first->local_llm : NULL,
                                 .on_state = on_llm_state,
                                 .arg = engines};
}

static enum prl_err start_local_llm(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    struct prl_llm_conf conf = llm_conf(engines);
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
    engines->state.llm = has_upstream(engines);
    if (engines->state.llm)
        return PRL_OK;
    enum prl_err err = PRL_OK;
    if (prl_far_embedded(engines->conf.settings->llm) >= 0)
        err = start_local_llm(engines);
    if (!err && engines->pools[KIND_LLM])
        err = start_remote_llm(engines);
    else
        engines->llm = engines->local_llm;
    return !err && engines->conf.settings->llm_cache_answers ? start_answers(engines) : err;
}

// Kokoro gains from a second thread and, as ONNX Runtime's threads do not spin, harms nobody.
static int tts_threads(const struct prl_engines *engines)
{
    int wanted = (int)engines->conf.settings->tts_threads;
    if (wanted > 0)
        return wanted;
    return prl_cores_total(engines->cores) >= 2 ? 2 : 1;
}

static struct prl_tts_conf tts_conf(struct prl_engines *engines)
{
    const struct prl_settings *settings = engines->conf.settings;
    return (struct prl_tts_conf){.loop = engines->conf.loop,
                                 .paths = {.ort_library = engines->paths[PATH_ORT],
                                           .en_tables = engines->paths[PATH_EN_TABLES],
                                           .en_tables_gb = engines->paths[PATH_EN_TABLES_GB],
                                           .en_oov = engines->paths[PATH_EN_OOV],
                                           .en_oov_gb = engines->paths[PATH_EN_OOV_GB],
                                           .hibari_model = engines->paths[PATH_HIBARI],
                                           .zh_tables = engines->paths[PATH_ZH_TABLES],
                                           .kokoro_model = engines->paths[PATH_KOKORO],
                                           .kokoro_vocoder = engines->paths[PATH_KOKORO_VOCODER],
                                           .kokoro_voices = engines->paths[PATH_KOKORO_VOICES],
                                           .fastspeech2_model = engines->paths[PATH_FASTSPEECH2],
                                           .melgan_model = engines->paths[PATH_MELGAN]},
                                 .voice = prl_engines_voice(settings),
                                 .speed = (float)settings->tts_speed,
                                 .fast_zh = settings->tts_fast_chinese,
                                 .quality = (enum prl_tts_quality)settings->tts_quality,
                                 .cache_dir = engines->paths[PATH_CACHE],
                                 .threads = tts_threads(engines),
                                 .cores = engines->cores,
                                 .front = settings->scripted_engines ? &prl_tts_scripted : NULL,
                                 .front_conf = &settings->scripted,
                                 .pool = engines->pools[KIND_TTS],
                                 .far_only = prl_far_embedded(settings->tts) < 0,
                                 .instructions = settings->tts_instructions,
                                 .isolate = isolate_of(engines, "tts"),
                                 .share = engines->conf.first ? engines->conf.first->tts : NULL,
                                 .on_ready = on_tts_ready,
                                 .on_error = on_engine_error,
                                 .arg = engines};
}

static enum prl_err start_tts(struct prl_engines *engines)
{
    engines->state.tts = !wants_voice(engines);
    if (engines->state.tts)
        return PRL_OK;
    struct prl_tts_conf conf = tts_conf(engines);
    enum prl_err err = prl_tts_create(&engines->tts, &conf);
    size_t bytes_max = (size_t)engines->conf.settings->tts_phrases_kib * 1024;
    if (!err && bytes_max > 0)
        err = prl_phrases_create(&engines->phrases, engines->tts, bytes_max);
    return err;
}

enum prl_err prl_engines_create(struct prl_engines **out, const struct prl_engines_conf *conf,
                                char *why)
{
    *why = '\0';
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    enum prl_err err = find_paths(*out, why) ? PRL_OK : PRL_ERR_NOTFOUND;
    if (!err)
        err = start_common(*out, why);
    if (!err)
        err = prepare_isolate(*out, why);
    if (!err)
        err = start_far(*out, why);
    if (!err && has_upstream(*out))
        err = prl_far_upstream(&(*out)->upstream, conf->settings, conf->loop, why);
    if (!err)
        err = start_vad(*out, why);
    if (!err)
        err = start_eot(*out);
    if (!err)
        err = start_speaker(*out);
    if (!err)
        err = start_stt(*out);
    if (!err)
        err = start_llm(*out);
    if (!err)
        err = start_tts(*out);
    if (!err && has_upstream(*out))
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
    for (int i = 0; i < KIND_COUNT; i++)
        prl_pool_destroy(&(*engines)->pools[i]);
    prl_fetch_destroy(&(*engines)->fetch);
    for (int i = 0; i < PATH_COUNT; i++)
        prl_mem_free((*engines)->paths[i]);
    prl_str_free(&(*engines)->hello);
    prl_mem_free(*engines);
    *engines = NULL;
}

static enum prl_err serve_stt(struct prl_engines *engines, struct prl_lane_child *child)
{
    struct prl_stt_conf conf = stt_conf(engines);
    return prl_stt_serve(&conf, child);
}

static enum prl_err serve_llm(struct prl_engines *engines, struct prl_lane_child *child)
{
    struct prl_llm_conf conf = llm_conf(engines);
    return prl_llm_serve(&conf, child);
}

static enum prl_err serve_tts(struct prl_engines *engines, struct prl_lane_child *child)
{
    struct prl_tts_conf conf = tts_conf(engines);
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
    enum prl_err err = find_paths(engines, why) ? PRL_OK : PRL_ERR_NOTFOUND;
    if (!err)
        err = prl_cores_create(&engines->cores, 0);
    bool needs_ort = strcmp(kind, "llm") != 0;
    if (!err && needs_ort)
        err = prl_ort_create(&engines->ort, engines->paths[PATH_ORT], why, PRL_ENGINES_WHY_SIZE);
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
    struct prl_eot_conf conf = eot_conf(engines, path);
    return prl_eot_serve(&conf, child);
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
    prl_pool_render(engines->pools, KIND_COUNT, out);
    prl_upstream_kit_render(engines->upstream, out);
    if (engines->answers)
        prl_answers_render(engines->answers, out);
    if (engines->phrases)
        prl_phrases_render(engines->phrases, out);
}

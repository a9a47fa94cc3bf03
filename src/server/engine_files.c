// engine_files.c -- see engine_files.h.
#include "server/engine_files.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "server/engines.h"
#include "server/far.h"

// A file of models.lock; `why` is set and false returned when it is needed and missing.
static bool find(char **files, enum prl_file which, const char *name, bool needed, char *why)
{
    char path[PRL_MODELS_PATH_MAX];
    if (prl_models_path(name, path) == PRL_OK) {
        files[which] = prl_mem_strdup(path);
        return files[which] != NULL;
    }
    if (!needed)
        return true;
    (void)prl_str_copy(why, PRL_ENGINE_FILES_WHY_SIZE, path); // the sentence
    return false;
}

char *prl_engine_files_beside(const char *rest)
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

bool prl_engine_files_voice(const struct prl_settings *settings)
{
    static const char *const needed[] = {"hibari-en-us", "hibari-oov-us", "hibari",
                                         "zh-tables",    "kokoro",        "kokoro-voice-af_alloy"};
    char path[PRL_MODELS_PATH_MAX];
    if (!prl_far_has_upstream(settings))
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

bool prl_engine_files_find(char *files[PRL_FILE_COUNT], const struct prl_settings *settings,
                           char why[PRL_ENGINE_FILES_WHY_SIZE])
{
    if (settings->scripted_engines)
        return find(files, PRL_FILE_ORT, "onnxruntime", true, why) &&
               find(files, PRL_FILE_VAD, settings->vad_model, true, why);
    bool user = settings->stt_model_dir[0] != '\0';
    const char *llm = prl_engines_local_model(settings);
    bool up = prl_far_has_upstream(settings);
    bool stt = !up && prl_far_embedded(settings->stt) >= 0;
    bool tts = prl_far_embedded(settings->tts) >= 0 && prl_engine_files_voice(settings);
    bool fast = settings->tts_fast_chinese;
    bool ok =
        find(files, PRL_FILE_ORT, "onnxruntime", true, why) &&
        find(files, PRL_FILE_SHERPA, "sherpa-onnx", stt, why) &&
        find(files, PRL_FILE_VAD, settings->vad_model, true, why) &&
        find(files, PRL_FILE_MOONSHINE_ENCODER, "moonshine-tiny-en-encoder", stt && !user, why) &&
        find(files, PRL_FILE_MOONSHINE_DECODER, "moonshine-tiny-en-decoder", stt && !user, why) &&
        find(files, PRL_FILE_MOONSHINE_TOKENS, "moonshine-tiny-en-tokens", stt && !user, why) &&
        find(files, PRL_FILE_WHISPER, "whisper-base", stt && !user, why) &&
        find(files, PRL_FILE_LLM, llm, !up && prl_far_embedded(settings->llm) >= 0, why) &&
        find(files, PRL_FILE_EN_TABLES, "hibari-en-us", tts, why) &&
        find(files, PRL_FILE_EN_TABLES_GB, "hibari-en-gb", false, why) &&
        find(files, PRL_FILE_EN_OOV, "hibari-oov-us", tts, why) &&
        find(files, PRL_FILE_EN_OOV_GB, "hibari-oov-gb", false, why) &&
        find(files, PRL_FILE_HIBARI, "hibari", tts, why) &&
        find(files, PRL_FILE_ZH_TABLES, "zh-tables", tts, why) &&
        find(files, PRL_FILE_KOKORO, "kokoro", tts, why) &&
        find(files, PRL_FILE_KOKORO_VOCODER, "kokoro-vocoder", tts, why) &&
        find(files, PRL_FILE_KOKORO_VOICES, "kokoro-voice-af_alloy", tts, why) &&
        find(files, PRL_FILE_FASTSPEECH2, "fastspeech2-zh", tts && fast, why) &&
        find(files, PRL_FILE_MELGAN, "mb-melgan-zh", tts && fast, why);
    if (!ok)
        return false;
    char *voices = folder_of(files[PRL_FILE_KOKORO_VOICES]);
    prl_mem_free(files[PRL_FILE_KOKORO_VOICES]);
    files[PRL_FILE_KOKORO_VOICES] = voices;
    char *models = folder_of(files[PRL_FILE_VAD]);
    files[PRL_FILE_CACHE] = folder_of(models);
    prl_mem_free(models);
    files[PRL_FILE_WHISPER_MODULE] = prl_engine_files_beside("/lib/libparley_whisper.so");
    files[PRL_FILE_LLM_MODULE] = prl_engine_files_beside("/lib/libparley_llama.so");
    files[PRL_FILE_SELF] = prl_mem_strdup("/proc/self/exe");
    return true;
}

void prl_engine_files_free(char *files[PRL_FILE_COUNT])
{
    for (int i = 0; i < PRL_FILE_COUNT; i++)
        prl_mem_free(files[i]);
}

// files.c -- see files.h.
#include "tts/files.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

static const struct {
    const char *name; // in models.lock
    size_t field;     // of struct prl_tts_paths
    bool optional;    // not part of the usual set
    bool folder;      // what is wanted is the folder that the file is in
} wanted[] = {
    {"onnxruntime", offsetof(struct prl_tts_paths, ort_library), false, false},
    {"hibari-en-us", offsetof(struct prl_tts_paths, en_tables), false, false},
    {"hibari-en-gb", offsetof(struct prl_tts_paths, en_tables_gb), false, false},
    {"hibari-oov-gb", offsetof(struct prl_tts_paths, en_oov_gb), false, false},
    {"hibari-oov-us", offsetof(struct prl_tts_paths, en_oov), false, false},
    {"hibari", offsetof(struct prl_tts_paths, hibari_model), false, false},
    {"zh-tables", offsetof(struct prl_tts_paths, zh_tables), false, false},
    {"kokoro", offsetof(struct prl_tts_paths, kokoro_model), false, false},
    {"kokoro-vocoder", offsetof(struct prl_tts_paths, kokoro_vocoder), false, false},
    {"kokoro-voice-af_heart", offsetof(struct prl_tts_paths, kokoro_voices), false, true},
    {"fastspeech2-zh", offsetof(struct prl_tts_paths, fastspeech2_model), true, false},
    {"mb-melgan-zh", offsetof(struct prl_tts_paths, melgan_model), true, false},
};
enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };
_Static_assert((int)WANTED <= (int)PRL_TTS_FILES_MAX, "texts for all paths");

void prl_tts_files_find(struct prl_tts_files *files)
{
    struct prl_models *models;
    char unused[PRL_MODELS_WHY_MAX]; // said of the first file too
    *files = (struct prl_tts_files){.why = ""};
    if (prl_models_open(&models, NULL, unused) == PRL_OK) {
        (void)prl_str_copy(files->cache, sizeof(files->cache), prl_models_cache(models));
        prl_models_close(&models);
    }
    for (size_t i = 0; i < WANTED; i++) {
        char *text = files->text[i];
        if (prl_models_path(wanted[i].name, text)) {
            if (!wanted[i].optional && !files->why[0])
                (void)prl_str_copy(files->why, sizeof(files->why), text);
            continue;
        }
        char *slash = strrchr(text, '/');
        if (wanted[i].folder && slash)
            *slash = '\0';
        const char *path = text;
        memcpy((char *)&files->paths + wanted[i].field, &path, sizeof(path));
    }
}

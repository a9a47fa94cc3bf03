// engine_files.h -- which files the engines need by the settings, and where they are.
//
// Threads:  any that may touch files.
// Memory:   every path is the caller's.
// Errors:   false, with one sentence in `why`, when a file that is needed is not there.
#ifndef PRL_SERVER_ENGINE_FILES_H
#define PRL_SERVER_ENGINE_FILES_H

#include <stdbool.h>

#include "server/settings.h"

enum prl_file {
    PRL_FILE_ORT,
    PRL_FILE_SHERPA,
    PRL_FILE_VAD,
    PRL_FILE_MOONSHINE_ENCODER,
    PRL_FILE_MOONSHINE_DECODER,
    PRL_FILE_MOONSHINE_TOKENS,
    PRL_FILE_WHISPER,
    PRL_FILE_WHISPER_MODULE,
    PRL_FILE_LLM,
    PRL_FILE_LLM_MODULE,
    PRL_FILE_EN_TABLES,
    PRL_FILE_EN_TABLES_GB,
    PRL_FILE_EN_OOV,
    PRL_FILE_EN_OOV_GB,
    PRL_FILE_HIBARI,
    PRL_FILE_ZH_TABLES,
    PRL_FILE_KOKORO,
    PRL_FILE_KOKORO_VOCODER,
    PRL_FILE_KOKORO_VOICES,
    PRL_FILE_FASTSPEECH2,
    PRL_FILE_MELGAN,
    PRL_FILE_CACHE,
    PRL_FILE_SELF,
    PRL_FILE_COUNT
};

enum { PRL_ENGINE_FILES_WHY_SIZE = 600 };

// NULL where a file is not there and not needed. On failure some may be set.
bool prl_engine_files_find(char *files[PRL_FILE_COUNT], const struct prl_settings *settings,
                           char why[PRL_ENGINE_FILES_WHY_SIZE]);
void prl_engine_files_free(char *files[PRL_FILE_COUNT]);

// Is there a voice of our own? With an upstream it is there for apologies, where its models happen to be.
bool prl_engine_files_voice(const struct prl_settings *settings);
// The folder of the program, with `rest` behind it; NULL: no memory.
char *prl_engine_files_beside(const char *rest);

#endif

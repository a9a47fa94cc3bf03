// files.h -- the files of the voices, found by their names in models.lock.
//
// Threads:  any that may touch files.
// Memory:   the texts live in `files`; the paths point into it, so it must not move.
// Errors:   none: what is missing or of the wrong size stays NULL, and the backends that need it say
//           so when they are opened; *why gets the sentence about the first one missing.
#ifndef PRL_TTS_FILES_H
#define PRL_TTS_FILES_H

#include "engine/models.h"
#include "tts/backend.h"

enum { PRL_TTS_FILES_MAX = 12 };

struct prl_tts_files {
    struct prl_tts_paths paths;
    char text[PRL_TTS_FILES_MAX][PRL_MODELS_PATH_MAX];
    char cache[PRL_MODELS_PATH_MAX]; // the folder that set-up fills; "": not known
    char why[PRL_MODELS_PATH_MAX];   // "" when everything but the fast Chinese voice is there
};

void prl_tts_files_find(struct prl_tts_files *files);

#endif

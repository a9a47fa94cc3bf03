// files.h -- finds the recognisers' files by their names in models.lock.
//
// Threads:  start and tools (reads models.lock). Memory: plain value, no pointers to free.
// Errors:   NOTFOUND when no recogniser is complete; `why` then names the first missing file. A
//           missing engine beside a complete one is left out (its paths are NULL), `why` says so.
#ifndef PRL_STT_FILES_H
#define PRL_STT_FILES_H

#include "base/err.h"
#include "engine/models.h"
#include "stt/stt.h"

struct prl_stt_files {
    struct prl_stt_paths paths; // points into the texts below; do not copy the struct
    char moonshine_encoder[PRL_MODELS_PATH_MAX];
    char moonshine_decoder[PRL_MODELS_PATH_MAX];
    char moonshine_tokens[PRL_MODELS_PATH_MAX];
    char whisper_module[PRL_MODELS_PATH_MAX];
    char whisper_model[PRL_MODELS_PATH_MAX];
    char sherpa_library[PRL_MODELS_PATH_MAX];
    char why[PRL_MODELS_PATH_MAX]; // the first thing missing, "" when nothing is
};

// `whisper_model` is a name of models.lock or a path; NULL is "whisper-base". The module is looked
// for in lib/ beside the program, ../lib/parley and PARLEY_LIB.
enum prl_err prl_stt_files_find(struct prl_stt_files *files,
                                const char *whisper_model) PRL_MUST_USE;

#endif

// models.h -- the list of models, engines and tables that set-up fetches: models.lock.
//
// Memory:   prl_models owns every text it hands out; they live until destroy.
// Threads:  one owner; prl_models_path reads the list anew each time and may be called anywhere that
//           file access is allowed (start and lane threads, never the loop).
// Errors:   NOTFOUND for an unknown name, a missing list or a missing file, INVALID for a broken list.
//           `why` gets one sentence for the user.
// Source:   the format is documented at the top of models.lock. The list is PARLEY_MODELS_LOCK, or
//           models.lock beside the program, up to two folders above it, or in the current folder.
#ifndef PRL_ENGINE_MODELS_H
#define PRL_ENGINE_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_MODELS_PATH_MAX = 1024, PRL_MODELS_WHY_MAX = 512 };

// One entry of the list. Texts are never NULL; "" where the list says nothing.
struct prl_model {
    const char *name;
    const char *job;       // vad, eot, stt, llm, tts, runtime, …
    const char *file;      // absolute path in the cache, or the user's own path
    const char *source;    // first source, e.g. "pypi:silero-vad==6.2.3"
    const char *sha256;    // 64 hex digits, or "" when the file is built here and not pinned
    const char *licence;   //
    const char *languages; // e.g. "en", "zh en", "*"
    const char *warning;   // a sentence to print before use, or ""
    const char *group;     // run, test, a chosen extra, or stage (needed by set-up only)
    int64_t size_bytes;    // 0 when unknown
};

struct prl_models;

// Reads the list at `path`, or the default one when NULL.
enum prl_err prl_models_open(struct prl_models **out, const char *path,
                             char why[PRL_MODELS_WHY_MAX]) PRL_MUST_USE;
void prl_models_close(struct prl_models **models);

// The list's own path, and the cache folder that its files are in.
const char *prl_models_list(const struct prl_models *models);
const char *prl_models_cache(const struct prl_models *models);

size_t prl_models_count(const struct prl_models *models);
// NULL when `index` is past the end, or no entry has that name.
const struct prl_model *prl_models_at(const struct prl_models *models, size_t index);
const struct prl_model *prl_models_find(const struct prl_models *models, const char *name);

// OK when the file exists and has the size of the list.
enum prl_err prl_models_present(const struct prl_model *model,
                                char why[PRL_MODELS_WHY_MAX]) PRL_MUST_USE;
// The same, and reads the whole file to compare its SHA-256.
enum prl_err prl_models_verify(const struct prl_model *model,
                               char why[PRL_MODELS_WHY_MAX]) PRL_MUST_USE;

// What engines use: the path of the file that the list calls `name`, present and of the right size.
// A name that contains '/' is a user's own path and only checked to exist. On failure `out` holds
// the sentence for the user instead of a path.
enum prl_err prl_models_path(const char *name, char out[PRL_MODELS_PATH_MAX]) PRL_MUST_USE;

#endif

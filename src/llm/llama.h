// llama.h -- opens llama.cpp's module and makes sure that a model file is fit to be given to it.
//
// ggml aborts the process on some bad files, so the file's header is checked first (llm/gguf.h), and
// a file that models.lock does not know is loaded in a child process before.
// Threads:  the lane's thread; blocks while the child loads, at most PRL_LLAMA_TRIAL_S.
// Memory:   the module stays loaded until the process ends (its C++ parts cannot be unloaded).
// Errors:   one sentence for a person in `error`: which file, what is wrong, what to do.
#ifndef PRL_LLM_LLAMA_H
#define PRL_LLM_LLAMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "llm/model.h"

enum { PRL_LLAMA_TRIAL_S = 120 };

struct prl_llama_source {
    const char *model_path;
    const char *module_path;   // NULL: lib/libparley_llama.so beside the program
    const char *child_program; // called as `PROGRAM llm --probe MODEL`; NULL: no trial
    bool model_known;          // no trial needed
};

// On success *ops is llama.cpp's table, ready for load.
enum prl_err prl_llama_open(const struct prl_llm_model_ops **ops,
                            const struct prl_llama_source *source, char *error,
                            size_t error_size) PRL_MUST_USE;

#endif

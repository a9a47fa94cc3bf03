// files.c -- see files.h.
#include "stt/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/str.h"

// One file by name; its path or NULL, and the first complaint is kept.
static const char *find(struct prl_stt_files *files, const char *name, char *path)
{
    if (prl_models_path(name, path) == PRL_OK)
        return path;
    if (!files->why[0])
        (void)prl_str_copy(files->why, sizeof(files->why), path);
    return NULL;
}

static bool try_module(struct prl_stt_files *files, const char *folder, const char *below)
{
    int len = snprintf(files->whisper_module, sizeof(files->whisper_module),
                       "%s%s/libparley_whisper.so", folder, below);
    return len > 0 && (size_t)len < sizeof(files->whisper_module) &&
           access(files->whisper_module, R_OK) == 0;
}

static const char *find_module(struct prl_stt_files *files)
{
    const char *set = getenv("PARLEY_LIB"); // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (set && try_module(files, set, ""))
        return files->whisper_module;
    char program[PRL_MODELS_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len > 0) {
        program[len] = '\0';
        char *end = strrchr(program, '/');
        const char *folder = program;
        if (end)
            *end = '\0';
        if (try_module(files, folder, "/lib") || try_module(files, folder, "/../lib") ||
            try_module(files, folder, "/../lib/parley"))
            return files->whisper_module;
    }
    if (!files->why[0])
        (void)prl_str_copy(files->why, sizeof(files->why),
                           "libparley_whisper.so is not beside the program; build it with 'make'");
    return NULL;
}

enum prl_err prl_stt_files_find(struct prl_stt_files *files, const char *whisper_model)
{
    PRL_CHECK(files != NULL);
    *files = (struct prl_stt_files){.why = ""};
    struct prl_stt_paths *paths = &files->paths;
    paths->moonshine_encoder = find(files, "moonshine-tiny-en-encoder", files->moonshine_encoder);
    paths->moonshine_decoder = find(files, "moonshine-tiny-en-decoder", files->moonshine_decoder);
    paths->moonshine_tokens = find(files, "moonshine-tiny-en-tokens", files->moonshine_tokens);
    paths->whisper_model =
        find(files, whisper_model ? whisper_model : "whisper-base", files->whisper_model);
    paths->whisper_module = find_module(files);
    char sherpa_why[sizeof(files->why)]; // only a user's own model needs it
    (void)prl_str_copy(sherpa_why, sizeof(sherpa_why), files->why);
    paths->sherpa_library = find(files, "sherpa-onnx", files->sherpa_library);
    (void)prl_str_copy(files->why, sizeof(files->why), sherpa_why);
    bool moonshine =
        paths->moonshine_encoder && paths->moonshine_decoder && paths->moonshine_tokens;
    bool whisper = paths->whisper_model && paths->whisper_module;
    return moonshine || whisper ? PRL_OK : PRL_ERR_NOTFOUND;
}

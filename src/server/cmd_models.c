// cmd_models.c -- parley models list|path|verify|fetch: looks at models.lock; fetching is done by
// tools/models.py, which this becomes.
#include "server/cmd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/models.h"

enum { ARGS_MAX = 64 };

static int models_usage(void)
{
    fputs("usage: parley models list [--all]     what there is, and what of it is in the cache\n"
          "       parley models path NAME        the file of a model\n"
          "       parley models verify [NAME...] compare files with their SHA-256\n"
          "       parley models fetch NAME|URL...\n",
          stderr);
    return 2;
}

static bool model_shown(const struct prl_model *model)
{
    return strcmp(model->group, "stage") != 0;
}

// What is on the disk; of a missing file what the list says.
static double model_megabytes(const struct prl_model *model)
{
    struct stat info;
    bool here = stat(model->file, &info) == 0;
    return (double)(here ? info.st_size : model->size_bytes) / 1e6;
}

static int models_list(const struct prl_models *models, bool all)
{
    printf("%-28s %-9s %11s %-6s %-9s %-8s %s\n", "name", "job", "MB", "lang", "state", "group",
           "licence");
    for (size_t i = 0; i < prl_models_count(models); i++) {
        const struct prl_model *model = prl_models_at(models, i);
        char why[PRL_MODELS_WHY_MAX];
        enum prl_err err = prl_models_present(model, why);
        if (!all && !model_shown(model))
            continue;
        const char *state = !err ? "here" : err == PRL_ERR_NOTFOUND ? "missing" : "damaged";
        printf("%-28s %-9s %11.1f %-6s %-9s %-8s %s\n", model->name, model->job,
               model_megabytes(model), model->languages, state, model->group, model->licence);
    }
    printf("\ncache %s, list %s\n", prl_models_cache(models), prl_models_list(models));
    return 0;
}

static int models_path(const struct prl_models *models, const char *name)
{
    const struct prl_model *model = prl_models_find(models, name);
    if (!model) {
        fprintf(stderr, "parley: models.lock lists no model %s\n", name);
        return 1;
    }
    char why[PRL_MODELS_WHY_MAX];
    if (prl_models_present(model, why)) {
        fprintf(stderr, "parley: %s\n", why);
        return 1;
    }
    if (*model->warning)
        fprintf(stderr, "licence: %s\n", model->warning);
    puts(model->file);
    return 0;
}

// Prints one line; returns true when the file is right.
static bool model_verify(const struct prl_model *model)
{
    char why[PRL_MODELS_WHY_MAX];
    int64_t started_us = prl_clock_now_us();
    enum prl_err err = prl_models_verify(model, why);
    double seconds = (double)(prl_clock_now_us() - started_us) / 1e6;
    if (err)
        printf("WRONG  %s\n", why);
    else
        printf("%s  %-28s %9.1f MB %6.2f s\n", *model->sha256 ? "right" : "there", model->name,
               model_megabytes(model), seconds);
    fflush(stdout);
    return !err;
}

static int models_verify(const struct prl_models *models, int count, char **names)
{
    size_t wrong = 0;
    for (int i = 0; i < count; i++) {
        const struct prl_model *model = prl_models_find(models, names[i]);
        if (!model) {
            fprintf(stderr, "parley: models.lock lists no model %s\n", names[i]);
            return 1;
        }
        wrong += !model_verify(model);
    }
    for (size_t i = 0; count == 0 && i < prl_models_count(models); i++) {
        const struct prl_model *model = prl_models_at(models, i);
        char why[PRL_MODELS_WHY_MAX];
        // What was not chosen at set-up may be missing; what is there must be right.
        bool needed = strcmp(model->group, "run") == 0;
        if (needed || (model_shown(model) && prl_models_present(model, why) != PRL_ERR_NOTFOUND))
            wrong += !model_verify(model);
    }
    return wrong > 0;
}

static int models_fetch(const struct prl_models *models, int count, char **names)
{
    char script[PRL_MODELS_PATH_MAX];
    char python[PRL_MODELS_PATH_MAX];
    const char *list = prl_models_list(models);
    const char *slash = strrchr(list, '/');
    int root = slash ? (int)(slash - list) + 1 : 0;
    snprintf(script, sizeof(script), "%.*stools/models.py", root, list);
    snprintf(python, sizeof(python), "%s/venv/bin/python", prl_models_cache(models));
    char fetch[] = "fetch";
    char option[] = "--lock";
    char lock[PRL_MODELS_PATH_MAX];
    (void)prl_str_copy(lock, sizeof(lock), list);
    char *args[ARGS_MAX] = {python, script, fetch, option, lock, NULL};
    int used = 5;
    for (int i = 0; i < count && used < ARGS_MAX - 1; i++)
        args[used++] = names[i];
    fflush(stdout);
    execv(python, args);
    fprintf(stderr, "parley: %s cannot be started (%s); run 'make setup' once\n", python,
            strerrorname_np(errno));
    return 1;
}

static int models_run(const struct prl_models *models, int argc, char **argv)
{
    const char *what = argv[1];
    if (strcmp(what, "list") == 0 && argc <= 3)
        return models_list(models, argc == 3 && strcmp(argv[2], "--all") == 0);
    if (strcmp(what, "path") == 0 && argc == 3)
        return models_path(models, argv[2]);
    if (strcmp(what, "verify") == 0)
        return models_verify(models, argc - 2, argv + 2);
    if (strcmp(what, "fetch") == 0 && argc > 2 && argc - 2 < ARGS_MAX - 6)
        return models_fetch(models, argc - 2, argv + 2);
    return models_usage();
}

int prl_cmd_models(int argc, char **argv)
{
    if (argc < 2)
        return models_usage();
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    if (prl_models_open(&models, NULL, why)) {
        fprintf(stderr, "parley: %s\n", why);
        return 1;
    }
    int status = models_run(models, argc, argv);
    prl_models_close(&models);
    return status;
}

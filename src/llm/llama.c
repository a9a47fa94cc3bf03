// llama.c -- see llama.h.
#include "llm/llama.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/cpu.h"
#include "llm/gguf.h"
#include "llm/llama_module.h"

enum { PATH_SIZE = 1024, MODEL_BYTES_MIN = 4096 };

static enum prl_err say(char *error, size_t size, const char *path, const char *what)
{
    (void)snprintf(error, size, "%s: %s", path, what);
    return PRL_ERR_ENGINE;
}

// Maps the file (only the pages of its header get read) and checks it.
static enum prl_err check_header(int fd, const struct prl_llama_source *source, char *error,
                                 size_t size)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return say(error, size, source->model_path, "is no file");
    if (info.st_size < MODEL_BYTES_MIN)
        return say(error, size, source->model_path, "is too short for a model; fetch it again");
    size_t bytes = (size_t)info.st_size;
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return say(error, size, source->model_path, strerrordesc_np(errno));
    struct prl_gguf gguf;
    char why[PRL_GGUF_WHY_SIZE];
    enum prl_err err = prl_gguf_check(&gguf, data, bytes, bytes, why);
    (void)munmap(data, bytes);
    if (err)
        return say(error, size, source->model_path, why);
    if (gguf.vocabulary == 0)
        return say(error, size, source->model_path, "has no tokenizer; is it a language model?");
    return PRL_OK;
}

static enum prl_err check_file(const struct prl_llama_source *source, char *error, size_t size)
{
    int fd = open(source->model_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return say(error, size, source->model_path, strerrordesc_np(errno));
    enum prl_err err = check_header(fd, source, error, size);
    (void)close(fd);
    return err;
}

// Waits for the child without a signal handler: its pidfd becomes readable when it ends.
static bool wait_child(pid_t pid, int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd watch = {.fd = fd, .events = POLLIN};
    int ready = 0;
    if (fd >= 0) {
        do
            ready = poll(&watch, 1, PRL_LLAMA_TRIAL_S * 1000);
        while (ready < 0 && errno == EINTR);
        (void)close(fd);
    }
    if (fd >= 0 && ready <= 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0) {
        if (errno != EINTR)
            return false;
    }
    return fd < 0 || ready > 0;
}

static enum prl_err try_in_child(const struct prl_llama_source *source, char *error, size_t size)
{
    char program[PATH_SIZE];
    char model[PATH_SIZE];
    if (snprintf(program, sizeof(program), "%s", source->child_program) >= PATH_SIZE ||
        snprintf(model, sizeof(model), "%s", source->model_path) >= PATH_SIZE)
        return say(error, size, source->model_path, "its path is too long");
    char command[] = "llm";
    char option[] = "--probe";
    char *argv[] = {program, command, option, model, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return say(error, size, source->model_path, "out of memory");
    pid_t pid = 0;
    int failed = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed)
        return say(error, size, source->model_path, "no child process for its trial load");
    int status = 0;
    if (!wait_child(pid, &status))
        return say(error, size, source->model_path, "its trial load did not end; not used");
    if (WIFSIGNALED(status)) {
        (void)snprintf(error, size, "%s: llama.cpp died of it (signal %d); not a usable model",
                       source->model_path, WTERMSIG(status));
        return PRL_ERR_ENGINE;
    }
    if (WEXITSTATUS(status) != 0)
        return say(error, size, source->model_path,
                   "llama.cpp cannot use it (`parley llm --probe FILE` tells why)");
    return PRL_OK;
}

static bool default_module(char *out, size_t size)
{
    char program[PATH_SIZE];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len <= 0)
        return false;
    program[len] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return snprintf(out, size, "%s/lib/libparley_llama.so", program) < (int)size;
}

enum prl_err prl_llama_open(const struct prl_llm_model_ops **ops,
                            const struct prl_llama_source *source, char *error, size_t error_size)
{
    PRL_CHECK(ops != NULL && source != NULL && source->model_path != NULL && error != NULL);
    *ops = NULL;
    enum prl_err err = check_file(source, error, error_size);
    if (!err && !source->model_known && source->child_program)
        err = try_in_child(source, error, error_size);
    if (err)
        return err;
    char path[PATH_SIZE];
    if (source->module_path)
        (void)snprintf(path, sizeof(path), "%s", source->module_path);
    else if (!default_module(path, sizeof(path)))
        return say(error, error_size, "libparley_llama.so", "not found beside the program");
    if (!prl_cpu_suits(path, error, error_size))
        return PRL_ERR_ENGINE;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        // glibc keeps dlerror's text per thread.
        const char *why = dlerror(); // NOLINT(concurrency-mt-unsafe)
        (void)snprintf(error, error_size, "%s; run `make setup` and build again", why);
        return PRL_ERR_ENGINE;
    }
    *ops = dlsym(module, PRL_LLAMA_MODULE_SYMBOL);
    if (!*ops)
        return say(error, error_size, path, "is no module of parley; build again");
    return PRL_OK;
}

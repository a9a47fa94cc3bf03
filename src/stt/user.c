// user.c -- see user.h. Not run with real weights: no SenseVoice, Paraformer or zipformer model was
// to be had; the layout check, the trial in a child and the errors are tested.
// Longest step: one recogniser call, bounded by the piece's 26 s.
#include "stt/user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "stt/backend.h"
#include "stt/folder.h"
#include "stt/sherpa.h"

enum { TRY_US = 60 * 1000 * 1000, PROBE_SAMPLES = PRL_STT_RATE_HZ };

struct user {
    struct prl_sherpa *sherpa; // owned
    char why[PRL_STT_WHY_SIZE];
};

int prl_stt_user_probe(const char *dir)
{
    char library[PRL_MODELS_PATH_MAX], why[PRL_STT_WHY_SIZE] = "";
    struct prl_folder folder;
    struct prl_sherpa *sherpa = NULL;
    enum prl_err err = prl_folder_look(&folder, dir, why, sizeof(why));
    if (!err) {
        err = prl_models_path("sherpa-onnx", library);
        if (err)
            (void)prl_str_copy(why, sizeof(why), library);
    }
    if (!err)
        err = prl_sherpa_create(&sherpa, library, &folder, 1, why, sizeof(why));
    int16_t *pcm = prl_mem_array(PROBE_SAMPLES, sizeof(*pcm));
    struct prl_stt_answer answer;
    prl_stt_answer_init(&answer);
    if (!err && pcm) {
        struct prl_stt_job job = {.pcm = pcm, .samples = PROBE_SAMPLES, .language = ""};
        err = prl_sherpa_decode(sherpa, &job, &answer);
    }
    prl_stt_answer_free(&answer);
    prl_mem_free(pcm);
    prl_sherpa_destroy(&sherpa);
    if (err)
        (void)fprintf(stderr, "%s\n", why[0] ? why : prl_err_name(err));
    else
        (void)printf("%s\n", prl_folder_kind_name(folder.kind));
    return err ? 1 : 0;
}

// Keeps the last line that is not empty.
static void keep_line(char *line, size_t size, const char *bytes, size_t len)
{
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    size_t start = len;
    while (start > 0 && bytes[start - 1] != '\n')
        start--;
    len -= start;
    if (len == 0)
        return;
    if (len >= size)
        len = size - 1;
    memcpy(line, bytes + start, len);
    line[prl_utf8_whole(line, len)] = '\0';
}

// Reads the child's complaints until it ends; false when that took too long.
static bool read_until_end(int fd, int64_t deadline_us, char *line, size_t size)
{
    char bytes[4096];
    for (;;) {
        int64_t left_us = deadline_us - prl_clock_now_us();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (left_us <= 0)
            return false;
        int count = poll(&ready, 1, (int)(left_us / 1000) + 1);
        if (count < 0 && errno != EINTR)
            return false;
        if (count <= 0)
            continue;
        ssize_t got = read(fd, bytes, sizeof(bytes));
        if (got <= 0)
            return true;
        keep_line(line, size, bytes, (size_t)got);
    }
}

static int spawn_probe(const char *program, const char *dir, int out, pid_t *child)
{
    char stt[] = "stt", probe[] = "--probe";
    union {
        const char *in;
        char *out;
    } name = {.in = program}, folder = {.in = dir}; // posix_spawn does not write to them
    char *argv[] = {name.out, stt, probe, folder.out, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions))
        return -1;
    int failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) ||
                 posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) ||
                 posix_spawn_file_actions_adddup2(&actions, out, 2) ||
                 posix_spawn(child, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed ? -1 : 0;
}

enum prl_err prl_stt_user_try(const char *program, const char *dir, char *why, size_t why_size)
{
    PRL_CHECK(program != NULL && dir != NULL);
    int fds[2];
    pid_t child = -1;
    char line[256] = "";
    if (pipe2(fds, O_CLOEXEC))
        return PRL_ERR_IO;
    int failed = spawn_probe(program, dir, fds[1], &child);
    (void)close(fds[1]);
    bool ended = !failed && read_until_end(fds[0], prl_clock_now_us() + TRY_US, line, sizeof(line));
    (void)close(fds[0]);
    if (failed) {
        (void)snprintf(why, why_size, "cannot start %s to try the model of %s", program, dir);
        return PRL_ERR_IO;
    }
    if (!ended)
        (void)kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return PRL_OK;
    if (!ended)
        (void)snprintf(why, why_size, "%s: loading took more than 60 s", dir);
    else if (WIFSIGNALED(status))
        (void)snprintf(why, why_size, "%s: loading crashed (signal %d) %s", dir, WTERMSIG(status),
                       line);
    else
        (void)snprintf(why, why_size, "%s: cannot be loaded: %s", dir,
                       line[0] ? line : "no reason given");
    return ended ? PRL_ERR_ENGINE : PRL_ERR_TIMEOUT;
}

static void close_user(void **ctx)
{
    struct user *user = *ctx;
    if (!user)
        return;
    prl_sherpa_destroy(&user->sherpa);
    prl_mem_free(user);
    *ctx = NULL;
}

static enum prl_err open_user(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                              size_t why_size)
{
    const struct prl_stt_paths *paths = conf->paths;
    struct prl_folder folder;
    *ctx = NULL;
    enum prl_err err = prl_folder_look(&folder, paths->user_dir, why, why_size);
    if (!err && !paths->sherpa_library) {
        (void)snprintf(why, why_size, "libsherpa-onnx-c-api.so is missing; run 'make setup'");
        err = PRL_ERR_NOTFOUND;
    }
    if (!err)
        err = prl_stt_user_try(paths->program ? paths->program : "/proc/self/exe", paths->user_dir,
                               why, why_size);
    if (err)
        return err;
    struct user *user = prl_mem_zalloc(sizeof(*user));
    if (!user)
        return PRL_ERR_NOMEM;
    *ctx = user;
    err = prl_sherpa_create(&user->sherpa, paths->sherpa_library, &folder, conf->threads, why,
                            why_size);
    if (err)
        close_user(ctx);
    return err;
}

static enum prl_err decode_user(void *ctx, const struct prl_stt_job *job,
                                struct prl_stt_answer *answer)
{
    struct user *user = ctx;
    (void)prl_str_copy(answer->language, sizeof(answer->language), job->language);
    enum prl_err err = prl_sherpa_decode(user->sherpa, job, answer);
    if (err)
        (void)snprintf(user->why, sizeof(user->why), "the user's model: %s", prl_err_name(err));
    return err;
}

static const char *why_user(const void *ctx)
{
    const struct user *user = ctx;
    return user->why;
}

const struct prl_stt_backend_ops prl_stt_user = {
    .name = "user",
    .live = true,
    .open = open_user,
    .close = close_user,
    .decode = decode_user,
    .why = why_user,
};

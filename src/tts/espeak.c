// espeak.c -- see espeak.h. Text goes through a socket pair (a closed reader then is an error and no
// signal), sound comes back through a pipe; both are served by one poll loop with a deadline.
#include "tts/espeak.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/resample.h"
#include "media/wav.h"

enum {
    RATE_HZ = 24000,
    FILE_MAX = 32 << 20,
    READ_SIZE = 16384,
    WORDS_A_MINUTE = 170, // its pace at speed 1
    SPAWN_NOT_FOUND = 127,
};

struct child {
    pid_t pid;
    int in, out; // our ends; -1 when closed
    const char *text;
    size_t len, written;
    struct prl_str file; // what it wrote
};

static void descriptor_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static enum prl_err child_spawn(struct child *child, const struct prl_espeak_conf *conf, int in,
                                int out)
{
    char rate[16], voice[32];
    (void)snprintf(rate, sizeof(rate), "%d", (int)(WORDS_A_MINUTE * conf->speed));
    (void)snprintf(voice, sizeof(voice), "%s", conf->voice);
    char program[] = "espeak-ng", from_stdin[] = "--stdin", to_stdout[] = "--stdout";
    char voice_flag[] = "-v", rate_flag[] = "-s";
    char *const argv[] = {program, from_stdin, to_stdout, voice_flag, voice, rate_flag, rate, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return PRL_ERR_NOMEM;
    bool ready =
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO) == 0 &&
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) == 0 &&
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0;
    int failed =
        ready ? posix_spawnp(&child->pid, conf->program, &actions, NULL, argv, environ) : ENOMEM;
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed)
        child->pid = 0;
    return failed ? PRL_ERR_NOTFOUND : PRL_OK;
}

static enum prl_err child_start(struct child *child, const struct prl_espeak_conf *conf)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    enum prl_err err = PRL_ERR_IO;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) == 0 && pipe2(out, O_CLOEXEC) == 0)
        err = child_spawn(child, conf, in[1], out[1]);
    descriptor_close(&in[1]);
    descriptor_close(&out[1]);
    child->in = in[0];
    child->out = out[0];
    return err;
}

// Sends more of the text; closes our end when all is sent or nobody reads.
static void text_send(struct child *child)
{
    ssize_t sent = send(child->in, child->text + child->written, child->len - child->written,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        child->written += (size_t)sent;
    if (child->written >= child->len || (sent < 0 && errno != EAGAIN && errno != EINTR))
        descriptor_close(&child->in);
}

static enum prl_err sound_read(struct child *child)
{
    char data[READ_SIZE / 2];
    ssize_t got = read(child->out, data, sizeof(data));
    if (got == 0)
        descriptor_close(&child->out);
    if (got < 0 && errno != EINTR && errno != EAGAIN)
        return PRL_ERR_IO;
    return got > 0 ? prl_str_add(&child->file, data, (size_t)got) : PRL_OK;
}

static enum prl_err child_serve(struct child *child)
{
    int64_t deadline_us = prl_clock_now_us() + PRL_ESPEAK_TIMEOUT_US;
    enum prl_err err = PRL_OK;
    while (!err && child->out >= 0) {
        int64_t left_us = deadline_us - prl_clock_now_us();
        if (left_us <= 0)
            return PRL_ERR_TIMEOUT;
        struct pollfd fds[] = {{.fd = child->out, .events = POLLIN},
                               {.fd = child->in, .events = POLLOUT}};
        int ready = poll(fds, 2, (int)(left_us / 1000) + 1);
        if (ready < 0 && errno != EINTR)
            return PRL_ERR_IO;
        if (ready > 0 && child->in >= 0 && fds[1].revents)
            text_send(child);
        if (ready > 0 && fds[0].revents)
            err = sound_read(child);
    }
    return err;
}

// Reaps the process; kills it first unless it has closed its output by itself.
static int child_end(struct child *child)
{
    bool done = child->out < 0;
    descriptor_close(&child->in);
    descriptor_close(&child->out);
    if (child->pid <= 0)
        return -1;
    if (!done)
        (void)kill(child->pid, SIGKILL);
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static enum prl_err resample(const int16_t *in, size_t in_count, uint32_t rate_hz, int16_t **pcm,
                             size_t *count)
{
    struct prl_resample *filter = NULL;
    enum prl_err err = prl_resample_create(&filter, rate_hz, RATE_HZ);
    if (err)
        return err;
    size_t room = prl_resample_room(filter, in_count);
    size_t tail = 2 * (size_t)prl_resample_delay(filter) + 1;
    int16_t *out = prl_mem_array(room + tail, sizeof(*out));
    if (out) {
        size_t made = prl_resample_process(filter, in, in_count, NULL, out, room);
        size_t delay = prl_resample_delay(filter);
        made += prl_resample_drain(filter, out + made, room + tail - made);
        // The filter's delay goes, so that sound begins where the file began.
        delay = delay < made ? delay : made;
        memmove(out, out + delay, (made - delay) * sizeof(*out));
        *pcm = out;
        *count = made - delay;
    }
    prl_resample_destroy(&filter);
    return out ? PRL_OK : PRL_ERR_NOMEM;
}

// It writes to a pipe and does not know the sizes in the header.
static enum prl_err file_decode(struct prl_str *file, int16_t **pcm, size_t *count)
{
    if (file->len < PRL_WAV_HEADER_SIZE)
        return PRL_ERR_ENGINE;
    memset(file->data + 4, 0xff, 4);
    memset(file->data + PRL_WAV_HEADER_SIZE - 4, 0xff, 4);
    struct prl_wav wav;
    int16_t *own = NULL;
    size_t own_count = 0;
    enum prl_err err = prl_wav_parse(&wav, (const uint8_t *)file->data, file->len);
    if (!err)
        err = prl_wav_decode(&wav, PRL_ESPEAK_SAMPLES_MAX, &own, &own_count);
    if (!err && own_count == 0)
        err = PRL_ERR_ENGINE;
    if (!err)
        err = resample(own, own_count, wav.rate_hz, pcm, count);
    prl_mem_free(own);
    return err;
}

// Not more complex than it looks: the limit counts the parameters.
// NOLINTNEXTLINE(readability-function-size)
enum prl_err prl_espeak_run(const struct prl_espeak_conf *conf, const char *text, size_t len,
                            int16_t **pcm, size_t *count, char *why, size_t why_size)
{
    PRL_CHECK(conf != NULL && pcm != NULL && count != NULL && why != NULL);
    *pcm = NULL;
    *count = 0;
    struct child child = {.in = -1, .out = -1, .text = text, .len = len};
    prl_str_init(&child.file, FILE_MAX);
    enum prl_err err = child_start(&child, conf);
    if (!err)
        err = child_serve(&child);
    int status = child_end(&child);
    if (!err && status == SPAWN_NOT_FOUND)
        err = PRL_ERR_NOTFOUND;
    else if (!err && status != 0)
        err = PRL_ERR_ENGINE;
    if (!err)
        err = file_decode(&child.file, pcm, count);
    prl_str_free(&child.file);
    if (err)
        (void)snprintf(why, why_size, "%s: %s (exit status %d; is espeak-ng installed?)",
                       conf->program, prl_err_name(err), status);
    return err;
}

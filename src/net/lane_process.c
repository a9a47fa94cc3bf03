// lane_process.c -- see lane_process.h. One thread, one poll: it writes what waits and reads what
// comes without blocking on either, so two full sockets cannot wait for each other.
#include "net/lane_process.h"

#include <errno.h>
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
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"

enum {
    POLL_MS = 250,
    PAUSE_US = 1000 * 1000, // of this thread: it was stopped
    FRAMES_A_TURN = 64,
    START_MAX_US = 300 * 1000 * 1000, // a big model from a slow disk
    GOOD_LIFE_US = 60 * 1000 * 1000,  // after which earlier deaths are forgotten
    BACK_OFF_US = 500 * 1000,
    BACK_OFF_US_MAX = 30 * 1000 * 1000,
    WHY_SIZE = 512,
};

struct life {
    const struct prl_lane_process *conf;
    pid_t pid;
    int fd;
    bool first;      // no child has started yet
    bool up;         // this one has
    bool again_done; // wire->again has nothing left
    // What is being written.
    struct prl_lane_frame out;
    struct prl_msg message; // owned: the one in `out`
    bool has_message;       // `sent` must be told of it
    const void *data;
    size_t written;
    bool writing;
    // What is being read.
    struct prl_lane_frame in;
    size_t got;
    char *payload; // owned
    // Watch.
    int64_t start_us, beat_us, turn_us;
    char why[WHY_SIZE];
};

bool prl_lane_frame_good(const struct prl_lane_frame *frame)
{
    return frame->magic == PRL_LANE_FRAME_MAGIC && frame->kind < PRL_LANE_FRAME_KINDS &&
           frame->size <= PRL_LANE_FRAME_MAX;
}

// ---- birth ----

static int spawn_child(struct life *life, int theirs)
{
    union {
        const char *in;
        char *out;
    } program = {.in = life->conf->isolate->program}, kind = {.in = life->conf->kind};
    char command[] = "lane";
    char *argv[] = {program.out, command, kind.out, NULL}; // posix_spawn does not write to them
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    int failed = posix_spawn_file_actions_adddup2(&actions, theirs, PRL_LANE_FD);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(&actions, PRL_LANE_FD + 1);
    if (!failed)
        failed = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnattr_setsigmask(&attr, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(&attr, &defaults);
    if (!failed)
        failed = posix_spawn(&life->pid, program.in, &actions, &attr, argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static bool begin_life(struct life *life)
{
    const struct prl_lane_isolate *isolate = life->conf->isolate;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        (void)snprintf(life->why, WHY_SIZE, "no socket for its process: %s",
                       strerrordesc_np(errno));
        return false;
    }
    int failed = spawn_child(life, pair[1]);
    (void)close(pair[1]);
    if (failed) {
        (void)close(pair[0]);
        (void)snprintf(life->why, WHY_SIZE, "its process cannot be started: %s",
                       strerrordesc_np(failed));
        return false;
    }
    life->fd = pair[0];
    life->start_us = life->turn_us = prl_clock_now_us();
    life->out = (struct prl_lane_frame){
        .magic = PRL_LANE_FRAME_MAGIC, .kind = PRL_LANE_HELLO, .size = isolate->hello_size};
    life->data = isolate->hello;
    life->writing = true;
    return true;
}

// ---- writing ----

static void put_message(struct life *life, enum prl_lane_frame_kind kind)
{
    const struct prl_msg *msg = &life->message;
    life->out = (struct prl_lane_frame){.magic = PRL_LANE_FRAME_MAGIC,
                                        .kind = kind,
                                        .type = msg->type,
                                        .generation = msg->generation,
                                        .id = msg->id,
                                        .base = (uint64_t)(uintptr_t)msg->data,
                                        .size = msg->data ? msg->size : 0};
    memcpy(life->out.value, msg->value, sizeof(msg->value));
    life->data = msg->data;
    life->written = 0;
    life->writing = true;
}

// A child that has not started is sent nothing, so that what waits is not lost with it.
static void next_message(struct life *life)
{
    const struct prl_lane_process *conf = life->conf;
    bool urgent = false;
    if (life->writing || !life->up)
        return;
    if (!life->again_done && conf->wire->again && conf->wire->again(conf->ctx, &life->message)) {
        put_message(life, PRL_LANE_MESSAGE);
        return;
    }
    life->again_done = true;
    if (!conf->take(conf->arg, &life->message, &urgent))
        return;
    life->has_message = true;
    put_message(life, urgent ? PRL_LANE_URGENT : PRL_LANE_MESSAGE);
}

static void tell_sent(const struct prl_lane_process *conf, struct prl_msg *msg)
{
    if (conf->wire->sent)
        conf->wire->sent(conf->ctx, msg);
    prl_msg_free(msg);
}

static void end_frame(struct life *life)
{
    life->writing = false;
    if (life->has_message)
        tell_sent(life->conf, &life->message);
    life->has_message = false;
    prl_msg_free(&life->message);
}

static bool write_some(struct life *life)
{
    size_t head = sizeof(life->out);
    while (life->writing) {
        struct iovec parts[2];
        size_t done = life->written;
        union {
            const void *in;
            char *out;
        } data = {.in = life->data}; // sendmsg only reads
        size_t body = done > head ? done - head : 0;
        parts[0] = (struct iovec){(char *)&life->out + (done < head ? done : head),
                                  done < head ? head - done : 0};
        parts[1] = (struct iovec){data.out ? data.out + body : NULL, life->out.size - body};
        struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(life->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR; // else reading tells why
        life->written += (size_t)sent;
        if (life->written == head + life->out.size) {
            end_frame(life);
            next_message(life);
        }
    }
    return true;
}

// ---- reading ----

static enum prl_err take_frame(struct life *life)
{
    const struct prl_lane_process *conf = life->conf;
    struct prl_msg msg = {.type = life->in.type,
                          .generation = life->in.generation,
                          .id = life->in.id,
                          .data = life->payload,
                          .size = life->in.size};
    memcpy(msg.value, life->in.value, sizeof(msg.value));
    life->payload = NULL;
    enum prl_err err = PRL_ERR_INVALID;
    switch ((enum prl_lane_frame_kind)life->in.kind) {
    case PRL_LANE_MESSAGE:
        if (life->up)
            err = conf->wire->got(conf->ctx, &msg);
        break;
    case PRL_LANE_STARTED:
        if (life->up)
            break;
        err = msg.type < PRL_ERR_COUNT ? (enum prl_err)msg.type : PRL_ERR_INVALID;
        if (err)
            (void)prl_str_copy(life->why, WHY_SIZE, msg.data ? msg.data : prl_err_name(err));
        else if (conf->wire->described)
            conf->wire->described(conf->ctx, &msg);
        life->up = !err;
        break;
    case PRL_LANE_BEAT:
        err = PRL_OK;
        life->beat_us = prl_clock_now_us();
        if (msg.value[0] > conf->isolate->hang_us)
            err = PRL_ERR_TIMEOUT;
        break;
    case PRL_LANE_HELLO:
    case PRL_LANE_URGENT:
    case PRL_LANE_FRAME_KINDS:
        break;
    }
    prl_msg_free(&msg);
    return err;
}

// AGAIN: nothing more now. CANCELED: the child closed its end.
static enum prl_err read_bytes(struct life *life, void *to, size_t size, size_t *have)
{
    while (*have < size) {
        ssize_t got = recv(life->fd, (char *)to + *have, size - *have, MSG_DONTWAIT);
        if (got == 0)
            return PRL_ERR_CANCELED;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? PRL_ERR_AGAIN : PRL_ERR_CANCELED;
        *have += (size_t)got;
    }
    return PRL_OK;
}

static enum prl_err read_frame(struct life *life)
{
    size_t head = sizeof(life->in);
    enum prl_err err = PRL_OK;
    if (life->got < head)
        err = read_bytes(life, &life->in, head, &life->got);
    if (err)
        return err;
    if (!prl_lane_frame_good(&life->in))
        return PRL_ERR_INVALID;
    if (life->in.size > 0 && !life->payload) {
        life->payload = prl_mem_alloc(life->in.size + 1);
        if (!life->payload)
            return PRL_ERR_NOMEM;
        life->payload[life->in.size] = '\0';
    }
    size_t have = life->got - head;
    err = life->in.size > 0 ? read_bytes(life, life->payload, life->in.size, &have) : PRL_OK;
    life->got = head + have;
    if (err)
        return err;
    life->got = 0;
    return take_frame(life);
}

static enum prl_err read_frames(struct life *life)
{
    enum prl_err err = PRL_OK;
    for (int i = 0; i < FRAMES_A_TURN && !err; i++)
        err = read_frame(life);
    return err == PRL_ERR_AGAIN ? PRL_OK : err;
}

// ---- life ----

static enum prl_err watch_life(struct life *life, bool heard)
{
    int64_t now_us = prl_clock_now_us();
    // This thread itself was stopped, or the whole machine: nothing is known of the child.
    if (now_us - life->turn_us > PAUSE_US && life->beat_us)
        life->beat_us = now_us;
    life->turn_us = now_us;
    if (!life->up && now_us - life->start_us > START_MAX_US)
        return PRL_ERR_TIMEOUT;
    bool late = life->beat_us && now_us - life->beat_us > life->conf->isolate->hang_us;
    return late && !heard ? PRL_ERR_TIMEOUT : PRL_OK;
}

static void drain(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof(count)) > 0) {
    }
}

static enum prl_err live_a_turn(struct life *life)
{
    next_message(life);
    struct pollfd fds[2] = {
        {.fd = life->conf->wake_fd, .events = POLLIN},
        {.fd = life->fd, .events = (short)(POLLIN | (life->writing ? POLLOUT : 0))}};
    (void)poll(fds, 2, POLL_MS);
    drain(life->conf->wake_fd);
    enum prl_err err = PRL_OK;
    bool heard = (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
    if (heard)
        err = read_frames(life);
    if (!err && !write_some(life))
        err = PRL_ERR_CANCELED;
    return err ? err : watch_life(life, heard);
}

// Kills what is left, and says in `why` what it was.
static void end_life(struct life *life, enum prl_err err)
{
    int status = 0;
    (void)close(life->fd);
    (void)kill(life->pid, SIGKILL);
    while (waitpid(life->pid, &status, 0) < 0 && errno == EINTR) {
    }
    prl_mem_free(life->payload);
    life->payload = NULL;
    life->writing = false;
    if (life->why[0])
        return; // start's own words
    if (err == PRL_ERR_TIMEOUT)
        (void)snprintf(life->why, WHY_SIZE, "its process hung");
    else if (err == PRL_ERR_INVALID)
        (void)snprintf(life->why, WHY_SIZE, "its process sent what is no message");
    else if (err == PRL_ERR_NOMEM)
        (void)snprintf(life->why, WHY_SIZE, "out of memory for what its process sent");
    else if (WIFSIGNALED(status))
        (void)snprintf(life->why, WHY_SIZE, "its process died (signal %d)", WTERMSIG(status));
    else
        (void)snprintf(life->why, WHY_SIZE, "its process ended (status %d)", WEXITSTATUS(status));
}

// Until quit (PRL_OK) or death.
static enum prl_err live(struct life *life)
{
    const struct prl_lane_process *conf = life->conf;
    bool told = false;
    enum prl_err err = PRL_OK;
    while (!err && !conf->is_quit(conf->arg)) {
        err = live_a_turn(life);
        if (err || !life->up || told)
            continue;
        told = true;
        int took_ms = (int)((prl_clock_now_us() - life->start_us) / 1000);
        prl_log(PRL_LOG_INFO, conf->kind, "process %d is ready after %d ms", (int)life->pid,
                took_ms);
        if (life->first)
            conf->started(conf->arg, PRL_OK, NULL);
        life->first = false;
    }
    return err;
}

// What is asked of a child that is not there gets its answer at once.
static void answer_lost(struct life *life, bool soon)
{
    const struct prl_lane_process *conf = life->conf;
    if (life->has_message)
        tell_sent(conf, &life->message);
    life->has_message = false;
    prl_msg_free(&life->message);
    if (conf->wire->lost)
        conf->wire->lost(conf->ctx, life->why, soon);
}

static void wait_to_retry(struct life *life, int failures)
{
    const struct prl_lane_process *conf = life->conf;
    int64_t delay_us = BACK_OFF_US;
    for (int i = 2; i < failures && delay_us < BACK_OFF_US_MAX; i++)
        delay_us *= 2;
    delay_us = failures < 2 ? 0 : delay_us < BACK_OFF_US_MAX ? delay_us : BACK_OFF_US_MAX;
    int64_t until_us = prl_clock_now_us() + delay_us;
    int64_t left_us = delay_us;
    while (left_us > 0 && !conf->is_quit(conf->arg)) {
        struct pollfd wake = {.fd = conf->wake_fd, .events = POLLIN};
        (void)poll(&wake, 1, (int)(left_us / 1000) + 1);
        drain(conf->wake_fd);
        bool urgent;
        while (conf->take(conf->arg, &life->message, &urgent)) {
            life->has_message = true;
            answer_lost(life, false);
        }
        left_us = until_us - prl_clock_now_us();
    }
}

void prl_lane_process_run(const struct prl_lane_process *process)
{
    PRL_CHECK(process->isolate && process->wire && process->wire->got);
    struct life life = {.first = true};
    int failures = 0;
    while (!process->is_quit(process->arg)) {
        life = (struct life){.conf = process, .first = life.first};
        enum prl_err err = PRL_ERR_IO;
        if (begin_life(&life)) {
            err = live(&life);
            bool good = life.up && prl_clock_now_us() - life.start_us > GOOD_LIFE_US;
            failures = good ? 1 : failures + 1;
            end_life(&life, err);
        } else {
            failures++;
        }
        if (!err) { // quit
            life.has_message = false;
            prl_msg_free(&life.message);
            return;
        }
        if (life.first) {
            process->started(process->arg, PRL_ERR_ENGINE, life.why);
            return;
        }
        prl_log(PRL_LOG_ERROR, process->kind, "%s; it is started again", life.why);
        prl_metrics_add(PRL_METRIC_ENGINE_RESTARTS, 1);
        answer_lost(&life, failures < 2);
        wait_to_retry(&life, failures);
    }
}

// lane_child.c -- see lane_child.h. Reading has a thread of its own, so that a word that ends the
// running step (wire->peek) does not wait for it.
#include "net/lane_child.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/share.h"

enum {
    PORT_CAPACITY = 256, // results; the worker waits when the parent is that far behind
    BEAT_US = 250 * 1000,
    STALL_US = 60 * 1000 * 1000, // writing to the parent may take its time
};

struct prl_lane_child {
    int fd; // owned
    struct prl_loop *loop;
    struct prl_port *port;
    struct prl_share *share; // of which every port is this one
    struct prl_timer *beat;
    struct prl_lane *lane;
    // Set by run.
    const struct prl_lane_ops *ops; // of the worker
    const struct prl_lane_wire *wire;
    void *ctx;
    _Atomic int64_t call_us; // when the lane's running call began; 0: none
};

// ---- frames ----

static bool read_all(int fd, void *to, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = recv(fd, (char *)to + have, size - have, 0);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        have += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put = send(fd, (const char *)from + done, size - done, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static enum prl_err read_frame(int fd, struct prl_lane_frame *frame, char **data)
{
    *data = NULL;
    if (!read_all(fd, frame, sizeof(*frame)))
        return PRL_ERR_IO;
    if (!prl_lane_frame_good(frame))
        return PRL_ERR_INVALID;
    if (frame->size == 0)
        return PRL_OK;
    *data = prl_mem_alloc(frame->size + 1);
    if (!*data)
        return PRL_ERR_NOMEM;
    (*data)[frame->size] = '\0';
    if (read_all(fd, *data, frame->size))
        return PRL_OK;
    prl_mem_free(*data);
    *data = NULL;
    return PRL_ERR_IO;
}

static void write_frame(struct prl_lane_child *child, enum prl_lane_frame_kind kind,
                        const struct prl_msg *msg)
{
    struct prl_lane_frame frame = {.magic = PRL_LANE_FRAME_MAGIC,
                                   .kind = kind,
                                   .type = msg->type,
                                   .generation = msg->generation,
                                   .id = msg->id,
                                   .size = msg->data ? msg->size : 0};
    memcpy(frame.value, msg->value, sizeof(frame.value));
    if (!write_all(child->fd, &frame, sizeof(frame)) ||
        !write_all(child->fd, msg->data, frame.size))
        prl_loop_stop(child->loop); // the parent is gone
}

static void on_result(void *arg, struct prl_msg *msg)
{
    write_frame(arg, PRL_LANE_MESSAGE, msg);
    prl_msg_free(msg);
}

static void on_beat(void *arg)
{
    struct prl_lane_child *child = arg;
    int64_t now_us = prl_clock_now_us();
    int64_t since_us = atomic_load(&child->call_us);
    struct prl_msg msg = {.value = {since_us ? now_us - since_us : 0}};
    write_frame(child, PRL_LANE_BEAT, &msg);
    prl_timer_start(child->beat, now_us + BEAT_US);
}

// ---- the lane's thread ----

static enum prl_err start(void *ctx, char *error)
{
    struct prl_lane_child *child = ctx;
    return child->ops->start(child->ctx, error);
}

static void message(void *ctx, struct prl_msg *msg)
{
    struct prl_lane_child *child = ctx;
    atomic_store(&child->call_us, prl_clock_now_us());
    child->ops->message(child->ctx, msg);
    atomic_store(&child->call_us, 0);
}

static bool step(void *ctx)
{
    struct prl_lane_child *child = ctx;
    if (!child->ops->step)
        return false;
    atomic_store(&child->call_us, prl_clock_now_us());
    bool more = child->ops->step(child->ctx);
    atomic_store(&child->call_us, 0);
    return more;
}

static void stop(void *ctx)
{
    struct prl_lane_child *child = ctx;
    child->ops->stop(child->ctx);
}

// ---- the reading thread ----

static void *run_reader(void *arg)
{
    struct prl_lane_child *child = arg;
    enum prl_err err = PRL_OK;
    while (!err) {
        struct prl_lane_frame frame;
        char *data;
        err = read_frame(child->fd, &frame, &data);
        if (err)
            break;
        struct prl_msg msg = {.type = frame.type,
                              .generation = frame.generation,
                              .id = frame.id,
                              .data = data,
                              .size = frame.size};
        memcpy(msg.value, frame.value, sizeof(msg.value));
        bool urgent = frame.kind == PRL_LANE_URGENT;
        if (child->wire->peek && child->wire->peek(child->ctx, &msg, frame.base)) {
            prl_msg_free(&msg);
            continue;
        }
        err = urgent ? prl_lane_send_first(child->lane, &msg) : PRL_ERR_FULL;
        if (err == PRL_ERR_FULL)
            err = prl_lane_send_wait(child->lane, &msg);
        if (err)
            prl_msg_free(&msg);
    }
    prl_loop_stop(child->loop);
    return NULL;
}

// ---- main thread ----

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_lane_child *child = arg;
    struct prl_msg msg = {.type = err};
    if (err) {
        msg.data = prl_mem_strdup(error);
        msg.size = msg.data ? strlen(error) : 0;
    } else if (child->wire->describe) {
        child->wire->describe(child->ctx, &msg);
    }
    write_frame(child, PRL_LANE_STARTED, &msg);
    prl_msg_free(&msg);
}

enum prl_err prl_lane_child_create(struct prl_lane_child **out, int fd)
{
    static const struct prl_loop_conf conf = {.stall_us = STALL_US};
    *out = NULL;
    struct prl_lane_child *child = prl_mem_zalloc(sizeof(*child));
    if (!child) {
        (void)close(fd);
        return PRL_ERR_NOMEM;
    }
    child->fd = fd;
    enum prl_err err = prl_loop_create(&child->loop, &conf);
    if (!err)
        err = prl_port_open(&child->port, child->loop, PORT_CAPACITY, on_result, child);
    if (!err)
        err = prl_share_create_outlet(&child->share, child->port);
    if (!err)
        err = prl_timer_create(&child->beat, child->loop, "beat", on_beat, child);
    if (err)
        prl_lane_child_destroy(&child);
    *out = child;
    return err;
}

void prl_lane_child_destroy(struct prl_lane_child **child)
{
    PRL_CHECK(child != NULL);
    if (!*child)
        return;
    prl_timer_destroy(&(*child)->beat);
    if ((*child)->port)
        prl_port_close((*child)->port);
    prl_port_destroy(&(*child)->port);
    prl_share_destroy(&(*child)->share);
    if ((*child)->loop)
        prl_loop_destroy(&(*child)->loop);
    (void)close((*child)->fd);
    prl_mem_free(*child);
    *child = NULL;
}

enum prl_err prl_lane_child_hello(struct prl_lane_child *child, char **data, size_t *size)
{
    struct prl_lane_frame frame;
    *size = 0;
    enum prl_err err = read_frame(child->fd, &frame, data);
    if (!err && frame.kind != PRL_LANE_HELLO)
        err = PRL_ERR_INVALID;
    if (err) {
        prl_mem_free(*data);
        *data = NULL;
        return err;
    }
    *size = frame.size;
    return PRL_OK;
}

struct prl_loop *prl_lane_child_loop(struct prl_lane_child *child)
{
    return child->loop;
}

struct prl_share *prl_lane_child_share(struct prl_lane_child *child)
{
    return child->share;
}

void prl_lane_child_fail(struct prl_lane_child *child, enum prl_err err, const char *why)
{
    on_started(child, err, why);
}

enum prl_err prl_lane_child_run(struct prl_lane_child *child, const struct prl_lane_conf *lane,
                                const struct prl_lane_wire *wire)
{
    static const struct prl_lane_ops ops = {
        .start = start, .message = message, .step = step, .stop = stop};
    child->ops = lane->ops;
    child->ctx = lane->ctx;
    child->wire = wire;
    struct prl_lane_conf own = {.name = lane->name,
                                .nice = lane->nice,
                                .queue_max = lane->queue_max,
                                .ops = &ops,
                                .ctx = child,
                                .cores = lane->cores,
                                .loop = child->loop,
                                .started = on_started,
                                .started_arg = child};
    pthread_t reader;
    enum prl_err err = prl_lane_create(&child->lane, &own);
    if (!err && pthread_create(&reader, NULL, run_reader, child) != 0)
        err = PRL_ERR_IO;
    if (err)
        return err;
    (void)pthread_detach(reader);
    prl_timer_start(child->beat, 0);
    prl_loop_run(child->loop);
    return PRL_OK;
}

// lane.c -- see lane.h. Two rings under one mutex: cancels and the like in the urgent one, so that
// they overtake work without changing their own order. Each slot keeps the time of sending.
#include "net/lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/cores.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/lane_process.h"

enum {
    URGENT_MAX = 16,          // room for cancels in a full queue
    QUEUE_MAX = 65536,        // above this the caller has mistaken a unit
    STACK_SIZE = 8 * 1048576, // recognisers recurse deeply; touched pages count only
};

struct slot {
    struct prl_msg msg;
    int64_t sent_us;
};

struct queue {
    struct slot *slots;
    size_t capacity;
    size_t first;
    size_t count;
};

struct prl_lane {
    // Set once.
    char name[16];
    int nice;
    const struct prl_lane_ops *ops;
    void *ctx;
    struct prl_cores *cores;
    prl_lane_started_fn started;
    void *started_arg;
    struct prl_metrics_lane *metrics;       // for /metrics, by name
    const struct prl_lane_isolate *isolate; // NULL: a thread
    const struct prl_lane_wire *wire;
    // Owned.
    int wake_fd;           // with isolate, else -1
    struct prl_port *port; // reports the end of start to the loop
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; // guards what follows
    pthread_cond_t filled;
    pthread_cond_t drained;
    struct queue urgent;
    struct queue work;
    struct prl_lane_stats stats;
    bool quit; // destroy was called
    bool dead; // start failed or the thread has ended: sends are CANCELED
};

// ---- queue, with the mutex held ----

static enum prl_err queue_put(struct queue *queue, const struct prl_msg *msg)
{
    if (queue->count == queue->capacity)
        return PRL_ERR_FULL;
    size_t at = (queue->first + queue->count) % queue->capacity;
    queue->slots[at] = (struct slot){.msg = *msg, .sent_us = prl_clock_now_us()};
    queue->count++;
    return PRL_OK;
}

static bool queue_take(struct queue *queue, struct slot *slot)
{
    if (queue->count == 0)
        return false;
    *slot = queue->slots[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return true;
}

static void queue_drop(struct prl_lane *lane, struct queue *queue)
{
    struct slot slot;
    prl_metrics_lane_queued(lane->metrics, -(int64_t)queue->count);
    while (queue_take(queue, &slot))
        prl_msg_free(&slot.msg);
}

// ---- lane thread ----

enum next { NEXT_MESSAGE, NEXT_STEP, NEXT_QUIT };

// With the mutex held.
static bool take_waiting(struct prl_lane *lane, struct slot *slot, bool *urgent)
{
    *urgent = queue_take(&lane->urgent, slot);
    if (!*urgent && !queue_take(&lane->work, slot))
        return false;
    int64_t wait_us = prl_clock_now_us() - slot->sent_us;
    lane->stats.messages++;
    lane->stats.wait_us_last = wait_us;
    prl_metrics_observe(PRL_METRIC_LANE_WAIT, wait_us);
    prl_metrics_lane_queued(lane->metrics, -1);
    if (wait_us > lane->stats.wait_us_max)
        lane->stats.wait_us_max = wait_us;
    pthread_cond_signal(&lane->drained);
    return true;
}

// Waits when there is neither a message nor a step to do.
static enum next next_thing(struct prl_lane *lane, struct slot *slot, bool more)
{
    enum next next = NEXT_STEP;
    pthread_mutex_lock(&lane->mutex);
    while (!lane->quit && !more && lane->urgent.count + lane->work.count == 0)
        pthread_cond_wait(&lane->filled, &lane->mutex);
    bool urgent;
    if (lane->quit)
        next = NEXT_QUIT;
    else if (take_waiting(lane, slot, &urgent))
        next = NEXT_MESSAGE;
    pthread_mutex_unlock(&lane->mutex);
    return next;
}

static void note_busy(struct prl_lane *lane, int64_t start_us, bool step)
{
    int64_t took_us = prl_clock_now_us() - start_us;
    pthread_mutex_lock(&lane->mutex);
    lane->stats.busy_us += took_us;
    prl_metrics_lane_worked(lane->metrics, !step, took_us);
    if (step) {
        lane->stats.steps++;
        if (took_us > lane->stats.step_us_max)
            lane->stats.step_us_max = took_us;
    }
    pthread_mutex_unlock(&lane->mutex);
}

static void work_until_quit(struct prl_lane *lane)
{
    // A step may be due from the beginning (warm-up); the first call says.
    bool more = lane->ops->step != NULL;
    struct slot slot;
    for (;;) {
        enum next next = next_thing(lane, &slot, more);
        if (next == NEXT_QUIT)
            return;
        int64_t start_us = prl_clock_now_us();
        prl_cores_enter(lane->cores);
        if (next == NEXT_MESSAGE) {
            lane->ops->message(lane->ctx, &slot.msg);
            prl_msg_free(&slot.msg);
            more = lane->ops->step != NULL;
        } else {
            more = lane->ops->step(lane->ctx);
        }
        prl_cores_leave(lane->cores);
        note_busy(lane, start_us, next == NEXT_STEP);
    }
}

static void end_lane(struct prl_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->dead = true;
    queue_drop(lane, &lane->urgent);
    queue_drop(lane, &lane->work);
    pthread_cond_broadcast(&lane->drained);
    pthread_mutex_unlock(&lane->mutex);
}

static void report_start(struct prl_lane *lane, enum prl_err err, const char *error)
{
    struct prl_msg msg = {.type = err};
    if (err) {
        msg.data = prl_mem_strdup(error); // without memory the callback gets the error's name
        msg.size = msg.data ? strlen(error) : 0;
    }
    if (prl_port_send(lane->port, &msg) != PRL_OK)
        prl_msg_free(&msg); // closed by destroy: nobody listens
}

// ---- the same thread, when a child process does the work ----

static bool take_for_child(void *arg, struct prl_msg *msg, bool *urgent)
{
    struct prl_lane *lane = arg;
    struct slot slot;
    pthread_mutex_lock(&lane->mutex);
    bool some = !lane->quit && take_waiting(lane, &slot, urgent);
    pthread_mutex_unlock(&lane->mutex);
    if (some)
        *msg = slot.msg;
    return some;
}

static bool is_quit(void *arg)
{
    struct prl_lane *lane = arg;
    pthread_mutex_lock(&lane->mutex);
    bool quit = lane->quit;
    pthread_mutex_unlock(&lane->mutex);
    return quit;
}

static void child_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_lane *lane = arg;
    if (err)
        end_lane(lane);
    report_start(lane, err, error);
}

static void run_child(struct prl_lane *lane)
{
    prl_lane_process_run(&(struct prl_lane_process){.kind = lane->name,
                                                    .isolate = lane->isolate,
                                                    .wire = lane->wire,
                                                    .ctx = lane->ctx,
                                                    .wake_fd = lane->wake_fd,
                                                    .take = take_for_child,
                                                    .is_quit = is_quit,
                                                    .started = child_started,
                                                    .arg = lane});
    end_lane(lane);
}

static void *run_lane(void *arg)
{
    struct prl_lane *lane = arg;
    pthread_setname_np(pthread_self(), lane->name);
    if (lane->isolate) {
        run_child(lane);
        return NULL;
    }
    // On Linux a thread id is a valid `who`: only this thread becomes nicer.
    if (lane->nice > 0)
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), lane->nice);
    char error[PRL_LANE_ERROR_SIZE] = "";
    enum prl_err err = lane->ops->start(lane->ctx, error);
    if (err)
        end_lane(lane);
    report_start(lane, err, error[0] ? error : prl_err_name(err));
    if (err)
        return NULL;
    work_until_quit(lane);
    end_lane(lane);
    lane->ops->stop(lane->ctx);
    return NULL;
}

// ---- loop thread ----

static void on_started(void *arg, struct prl_msg *msg)
{
    struct prl_lane *lane = arg;
    enum prl_err err = (enum prl_err)msg->type;
    const char *error = err ? (msg->data ? msg->data : prl_err_name(err)) : NULL;
    if (lane->started)
        lane->started(lane->started_arg, err, error);
}

static enum prl_err start_thread(struct prl_lane *lane)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return PRL_ERR_NOMEM;
    int failed = pthread_attr_setstacksize(&attr, STACK_SIZE);
    failed = failed ? failed : pthread_create(&lane->thread, &attr, run_lane, lane);
    pthread_attr_destroy(&attr);
    lane->has_thread = !failed;
    return failed ? PRL_ERR_IO : PRL_OK;
}

enum prl_err prl_lane_create(struct prl_lane **out, const struct prl_lane_conf *conf)
{
    PRL_CHECK(out && conf && conf->name && conf->loop && conf->ops);
    PRL_CHECK(conf->ops->start && conf->ops->message && conf->ops->stop);
    PRL_CHECK(!conf->isolate || conf->wire);
    PRL_CHECK(conf->queue_max >= 1 && conf->queue_max <= QUEUE_MAX);
    *out = NULL;
    struct prl_lane *lane = prl_mem_zalloc(sizeof(*lane));
    if (!lane)
        return PRL_ERR_NOMEM;
    PRL_CHECK(pthread_mutex_init(&lane->mutex, NULL) == 0);
    PRL_CHECK(pthread_cond_init(&lane->filled, NULL) == 0);
    PRL_CHECK(pthread_cond_init(&lane->drained, NULL) == 0);
    strncat(lane->name, conf->name, sizeof(lane->name) - 1);
    lane->metrics = prl_metrics_lane(lane->name);
    lane->nice = conf->nice;
    lane->ops = conf->ops;
    lane->ctx = conf->ctx;
    lane->cores = conf->cores;
    lane->started = conf->started;
    lane->started_arg = conf->started_arg;
    lane->urgent.capacity = URGENT_MAX;
    lane->work.capacity = conf->queue_max;
    lane->urgent.slots = prl_mem_array(URGENT_MAX, sizeof(struct slot));
    lane->work.slots = prl_mem_array(conf->queue_max, sizeof(struct slot));
    enum prl_err err = lane->urgent.slots && lane->work.slots ? PRL_OK : PRL_ERR_NOMEM;
    lane->isolate = conf->isolate;
    lane->wire = conf->wire;
    lane->wake_fd = conf->isolate ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (conf->isolate && lane->wake_fd < 0)
        err = PRL_ERR_IO;
    if (!err)
        err = prl_port_open(&lane->port, conf->loop, 1, on_started, lane);
    if (!err)
        err = start_thread(lane);
    if (err) {
        prl_lane_destroy(&lane);
        return err;
    }
    *out = lane;
    return PRL_OK;
}

static void wake_child(const struct prl_lane *lane)
{
    uint64_t one = 1;
    if (lane->wake_fd >= 0 && write(lane->wake_fd, &one, sizeof(one)) < 0) {
        // Full: it is awake already.
    }
}

void prl_lane_destroy(struct prl_lane **lane_at)
{
    struct prl_lane *lane = *lane_at;
    if (!lane)
        return;
    pthread_mutex_lock(&lane->mutex);
    lane->quit = true;
    pthread_cond_broadcast(&lane->filled);
    pthread_cond_broadcast(&lane->drained);
    pthread_mutex_unlock(&lane->mutex);
    wake_child(lane);
    if (lane->has_thread)
        pthread_join(lane->thread, NULL);
    prl_port_destroy(&lane->port);
    queue_drop(lane, &lane->urgent);
    queue_drop(lane, &lane->work);
    prl_mem_free(lane->urgent.slots);
    prl_mem_free(lane->work.slots);
    if (lane->wake_fd >= 0)
        close(lane->wake_fd);
    pthread_cond_destroy(&lane->drained);
    pthread_cond_destroy(&lane->filled);
    pthread_mutex_destroy(&lane->mutex);
    prl_mem_free(lane);
    *lane_at = NULL;
}

static enum prl_err send_to(struct prl_lane *lane, const struct prl_msg *msg, bool urgent)
{
    pthread_mutex_lock(&lane->mutex);
    enum prl_err err = PRL_ERR_CANCELED;
    if (!lane->quit && !lane->dead) {
        err = queue_put(urgent ? &lane->urgent : &lane->work, msg);
        if (urgent && err == PRL_ERR_FULL)
            err = queue_put(&lane->work, msg);
    }
    size_t len = lane->urgent.count + lane->work.count;
    if (len > lane->stats.queue_len_max)
        lane->stats.queue_len_max = len;
    if (err == PRL_ERR_FULL)
        lane->stats.full++;
    prl_metrics_lane_queued(lane->metrics, !err);
    if (!err)
        pthread_cond_signal(&lane->filled);
    pthread_mutex_unlock(&lane->mutex);
    if (!err)
        wake_child(lane);
    return err;
}

enum prl_err prl_lane_send_wait(struct prl_lane *lane, const struct prl_msg *msg)
{
    pthread_mutex_lock(&lane->mutex);
    while (!lane->quit && !lane->dead && lane->work.count == lane->work.capacity)
        pthread_cond_wait(&lane->drained, &lane->mutex);
    enum prl_err err = PRL_ERR_CANCELED;
    if (!lane->quit && !lane->dead)
        err = queue_put(&lane->work, msg);
    if (!err)
        pthread_cond_signal(&lane->filled);
    pthread_mutex_unlock(&lane->mutex);
    if (!err)
        wake_child(lane);
    return err;
}

enum prl_err prl_lane_send(struct prl_lane *lane, const struct prl_msg *msg)
{
    return send_to(lane, msg, false);
}

enum prl_err prl_lane_send_first(struct prl_lane *lane, const struct prl_msg *msg)
{
    return send_to(lane, msg, true);
}

void prl_lane_stats(struct prl_lane *lane, struct prl_lane_stats *stats)
{
    pthread_mutex_lock(&lane->mutex);
    *stats = lane->stats;
    stats->queue_len = lane->urgent.count + lane->work.count;
    pthread_mutex_unlock(&lane->mutex);
}

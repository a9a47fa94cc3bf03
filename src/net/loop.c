// loop.c -- see loop.h. Each object embeds its libuv handle; libuv closes handles over its next turn,
// so destroy only cuts the object off, and the close callback frees the block. libuv's own tables
// stay on the C library's heap: it aborts when growing them fails, so a failure plan may not reach
// them.
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

enum {
    STALL_US_DEFAULT = 5000,
    OBJECTS_MAX_DEFAULT = 8192,
    PORT_MESSAGES_PER_TURN = 256,
    STALL_LOG_GAP_US = 1000000, // one line a second is enough to find the culprit
    CLOSE_TURNS_MAX = 100000,
};

struct prl_loop {
    // Set once.
    int64_t stall_us;
    size_t objects_max;
    // Owned.
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t turn_limit;
    uv_signal_t signals[2];
    // State.
    pthread_t thread;
    atomic_bool stop;
    atomic_uint_fast64_t messages_full;
    prl_signal_fn signal_fn;
    void *signal_arg;
    size_t ports;
    int64_t stall_logged_us;
    bool in_timer; // a timer's callback runs
    struct prl_loop_stats stats;
};

struct prl_timer {
    uv_timer_t uv;
    struct prl_loop *loop;
    const char *what;
    prl_timer_fn fn;
    void *arg;
    int64_t at_us;
};

struct prl_port {
    uv_async_t uv;
    struct prl_loop *loop;
    struct prl_mailbox *mailbox;
    prl_port_fn fn;
    void *arg;
    bool dead;
};

struct prl_watch {
    uv_poll_t uv;
    struct prl_loop *loop;
    const char *what;
    prl_watch_fn fn;
    void *arg;
    unsigned events;
};

struct work {
    uv_work_t uv;
    struct prl_loop *loop;
    prl_work_fn work;
    prl_work_fn done;
    void *arg;
};

// ---- the alarm ----

static void end_span(struct prl_loop *loop, const char *what, int64_t start_us)
{
    int64_t now_us = prl_clock_now_us();
    int64_t took_us = now_us - start_us;
    loop->stats.callbacks++;
    if (took_us > loop->stats.stall_us_worst) {
        loop->stats.stall_us_worst = took_us;
        loop->stats.stall_what = what;
    }
    if (took_us <= loop->stall_us)
        return;
    loop->stats.stalls++;
    prl_metrics_add(PRL_METRIC_LOOP_STALLS, 1);
    if (now_us - loop->stall_logged_us < STALL_LOG_GAP_US)
        return;
    loop->stall_logged_us = now_us;
    prl_log(PRL_LOG_WARN, "net", "loop callback '%s' took %lld us, limit %lld us (%llu so far)",
            what, (long long)took_us, (long long)loop->stall_us,
            (unsigned long long)loop->stats.stalls);
}

// ---- the loop ----

static void on_wake(uv_async_t *async)
{
    (void)async;
}

// It may be due before libuv comes to poll, which would then wait for the next timer: with the stop
// mark set, libuv polls without waiting and leaves.
static void on_turn_limit(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

enum prl_err prl_loop_create(struct prl_loop **out, const struct prl_loop_conf *conf)
{
    PRL_CHECK(out != NULL);
    *out = NULL;
    struct prl_loop *loop = prl_mem_zalloc(sizeof(*loop));
    if (!loop)
        return PRL_ERR_NOMEM;
    loop->stall_us = conf && conf->stall_us > 0 ? conf->stall_us : STALL_US_DEFAULT;
    loop->objects_max = conf && conf->timers_max > 0 ? conf->timers_max : OBJECTS_MAX_DEFAULT;
    loop->thread = pthread_self();
    loop->stall_logged_us = -STALL_LOG_GAP_US;
    atomic_init(&loop->stop, false);
    // A peer that has gone is an error code here, not the end of the process; TLS libraries write
    // without MSG_NOSIGNAL.
    signal(SIGPIPE, SIG_IGN);
    atomic_init(&loop->messages_full, 0);
    if (uv_loop_init(&loop->uv) != 0) {
        prl_mem_free(loop);
        return PRL_ERR_IO;
    }
    // These cannot fail once the loop has its descriptors: the first async opens the wake pipe.
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        uv_loop_close(&loop->uv);
        prl_mem_free(loop);
        return PRL_ERR_IO;
    }
    uv_timer_init(&loop->uv, &loop->turn_limit);
    for (int i = 0; i < 2; i++) {
        // Opens the process-wide signal pipe; without it only signals are lost.
        if (uv_signal_init(&loop->uv, &loop->signals[i]) != 0)
            loop->signals[i].data = loop; // marks "not there"
    }
    *out = loop;
    return PRL_OK;
}

void prl_loop_run(struct prl_loop *loop)
{
    loop->thread = pthread_self();
    while (!atomic_exchange(&loop->stop, false))
        uv_run(&loop->uv, UV_RUN_ONCE);
}

void prl_loop_turn(struct prl_loop *loop, int64_t wait_us)
{
    loop->thread = pthread_self();
    if (wait_us <= 0) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->turn_limit, on_turn_limit, (uint64_t)(wait_us + 999) / 1000, 0);
    uv_run(&loop->uv, UV_RUN_ONCE);
    uv_timer_stop(&loop->turn_limit);
}

void prl_loop_stop(struct prl_loop *loop)
{
    atomic_store(&loop->stop, true);
    uv_async_send(&loop->wake);
}

void prl_loop_adopt(struct prl_loop *loop)
{
    loop->thread = pthread_self();
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void prl_loop_destroy(struct prl_loop **loop_at)
{
    struct prl_loop *loop = *loop_at;
    if (!loop)
        return;
    PRL_CHECK(loop->stats.timers == 0 && loop->stats.watches == 0 && loop->ports == 0);
    close_handle((uv_handle_t *)&loop->wake);
    close_handle((uv_handle_t *)&loop->turn_limit);
    for (int i = 0; i < 2; i++)
        if (!loop->signals[i].data)
            close_handle((uv_handle_t *)&loop->signals[i]);
    int turns = 0;
    while (uv_loop_close(&loop->uv) == UV_EBUSY && turns++ < CLOSE_TURNS_MAX)
        uv_run(&loop->uv, UV_RUN_ONCE);
    PRL_CHECK(turns < CLOSE_TURNS_MAX);
    prl_mem_free(loop);
    *loop_at = NULL;
}

int64_t prl_loop_now_us(const struct prl_loop *loop)
{
    (void)loop;
    return prl_clock_now_us();
}

void prl_loop_stats(const struct prl_loop *loop, struct prl_loop_stats *stats)
{
    *stats = loop->stats;
    stats->messages_full = atomic_load(&loop->messages_full);
}

void prl_loop_check(const struct prl_loop *loop)
{
    PRL_DCHECK(pthread_equal(loop->thread, pthread_self()));
    (void)loop;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct prl_loop *loop = (struct prl_loop *)handle->loop->data;
    if (!loop->signal_fn)
        return;
    int64_t start_us = prl_clock_now_us();
    loop->signal_fn(loop->signal_arg, number);
    end_span(loop, "signal", start_us);
}

enum prl_err prl_loop_on_signal(struct prl_loop *loop, prl_signal_fn fn, void *arg)
{
    static const int numbers[2] = {SIGINT, SIGTERM};
    prl_loop_check(loop);
    loop->signal_fn = fn;
    loop->signal_arg = arg;
    loop->uv.data = loop;
    for (int i = 0; i < 2; i++) {
        if (loop->signals[i].data)
            return PRL_ERR_IO;
        int failed = fn ? uv_signal_start(&loop->signals[i], on_signal, numbers[i])
                        : uv_signal_stop(&loop->signals[i]);
        if (failed)
            return PRL_ERR_IO;
    }
    return PRL_OK;
}

// ---- timers ----

static void run_timer(uv_timer_t *handle)
{
    struct prl_timer *timer = (struct prl_timer *)handle;
    struct prl_loop *loop = timer->loop;
    int64_t start_us = prl_clock_now_us();
    // libuv counts in cached milliseconds and may be early by one.
    if (start_us < timer->at_us) {
        prl_timer_start(timer, timer->at_us);
        return;
    }
    const char *what = timer->what;
    loop->in_timer = true;
    timer->fn(timer->arg);
    loop->in_timer = false;
    end_span(loop, what, start_us);
}

enum prl_err prl_timer_create(struct prl_timer **out, struct prl_loop *loop, const char *what,
                              prl_timer_fn fn, void *arg)
{
    PRL_CHECK(what && fn);
    *out = NULL;
    if (loop->stats.timers >= loop->objects_max)
        return PRL_ERR_LIMIT;
    struct prl_timer *timer = prl_mem_zalloc(sizeof(*timer));
    if (!timer)
        return PRL_ERR_NOMEM;
    prl_loop_check(loop);
    timer->loop = loop;
    timer->what = what;
    timer->fn = fn;
    timer->arg = arg;
    uv_timer_init(&loop->uv, &timer->uv);
    loop->stats.timers++;
    *out = timer;
    return PRL_OK;
}

void prl_timer_start(struct prl_timer *timer, int64_t at_us)
{
    prl_loop_check(timer->loop);
    timer->at_us = at_us;
    int64_t delay_us = at_us - prl_clock_now_us();
    uint64_t delay_ms = delay_us > 0 ? (uint64_t)(delay_us + 999) / 1000 : 0;
    if (prl_clock_is_held()) // says nothing about when to look again
        delay_ms = 1;
    // libuv 1.44 runs timers until none is due: one that starts itself for now, from its own callback,
    // would keep it from ever looking at a socket.
    if (delay_ms == 0 && timer->loop->in_timer)
        delay_ms = 1;
    uv_update_time(&timer->loop->uv);
    uv_timer_start(&timer->uv, run_timer, delay_ms, 0);
}

void prl_timer_stop(struct prl_timer *timer)
{
    prl_loop_check(timer->loop);
    uv_timer_stop(&timer->uv);
}

bool prl_timer_active(const struct prl_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

static void free_timer(uv_handle_t *handle)
{
    prl_mem_free((struct prl_timer *)handle);
}

void prl_timer_destroy(struct prl_timer **timer)
{
    if (!*timer)
        return;
    prl_loop_check((*timer)->loop);
    (*timer)->loop->stats.timers--;
    uv_close((uv_handle_t *)&(*timer)->uv, free_timer);
    *timer = NULL;
}

// ---- ports ----

static void run_port(uv_async_t *handle)
{
    struct prl_port *port = (struct prl_port *)handle;
    struct prl_loop *loop = port->loop;
    struct prl_msg msg;
    for (int i = 0; i < PORT_MESSAGES_PER_TURN; i++) {
        if (port->dead || prl_mailbox_take(port->mailbox, &msg) != PRL_OK)
            return;
        loop->stats.messages++;
        int64_t start_us = prl_clock_now_us();
        port->fn(port->arg, &msg);
        end_span(loop, "port", start_us);
        prl_msg_free(&msg);
    }
    if (!port->dead && prl_mailbox_len(port->mailbox) > 0)
        uv_async_send(&port->uv);
}

enum prl_err prl_port_open(struct prl_port **out, struct prl_loop *loop, size_t capacity,
                           prl_port_fn fn, void *arg)
{
    PRL_CHECK(fn != NULL);
    *out = NULL;
    prl_loop_check(loop);
    if (loop->ports >= loop->objects_max)
        return PRL_ERR_LIMIT;
    struct prl_port *port = prl_mem_zalloc(sizeof(*port));
    if (!port)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_mailbox_create(&port->mailbox, capacity);
    if (!err && uv_async_init(&loop->uv, &port->uv, run_port) != 0)
        err = PRL_ERR_IO;
    if (err) {
        prl_mailbox_destroy(&port->mailbox);
        prl_mem_free(port);
        return err;
    }
    port->loop = loop;
    port->fn = fn;
    port->arg = arg;
    loop->ports++;
    *out = port;
    return PRL_OK;
}

enum prl_err prl_port_send(struct prl_port *port, const struct prl_msg *msg)
{
    enum prl_err err = prl_mailbox_send(port->mailbox, msg);
    if (err == PRL_ERR_FULL)
        atomic_fetch_add(&port->loop->messages_full, 1);
    if (!err)
        uv_async_send(&port->uv);
    return err;
}

enum prl_err prl_port_send_wait(struct prl_port *port, const struct prl_msg *msg,
                                int64_t timeout_us)
{
    enum prl_err err = prl_mailbox_send_wait(port->mailbox, msg, timeout_us);
    if (!err)
        uv_async_send(&port->uv);
    return err;
}

void prl_port_close(struct prl_port *port)
{
    prl_loop_check(port->loop);
    port->dead = true;
    prl_mailbox_close(port->mailbox);
    struct prl_msg msg;
    while (prl_mailbox_take(port->mailbox, &msg) == PRL_OK)
        prl_msg_free(&msg);
}

static void free_port(uv_handle_t *handle)
{
    struct prl_port *port = (struct prl_port *)handle;
    prl_mailbox_destroy(&port->mailbox);
    prl_mem_free(port);
}

void prl_port_destroy(struct prl_port **port)
{
    if (!*port)
        return;
    prl_port_close(*port);
    (*port)->loop->ports--;
    uv_close((uv_handle_t *)&(*port)->uv, free_port);
    *port = NULL;
}

// ---- watches ----

static void run_watch(uv_poll_t *handle, int status, int events)
{
    struct prl_watch *watch = (struct prl_watch *)handle;
    struct prl_loop *loop = watch->loop;
    unsigned set = status < 0 ? PRL_WATCH_ERROR : 0;
    set |= events & UV_READABLE ? PRL_WATCH_READ : 0;
    set |= events & UV_WRITABLE ? PRL_WATCH_WRITE : 0;
    const char *what = watch->what;
    if (status < 0)
        watch->events = 0; // libuv has stopped the handle
    int64_t start_us = prl_clock_now_us();
    watch->fn(watch->arg, set);
    end_span(loop, what, start_us);
}

enum prl_err prl_watch_create(struct prl_watch **out, struct prl_loop *loop, int fd,
                              const char *what, prl_watch_fn fn, void *arg)
{
    PRL_CHECK(what && fn);
    *out = NULL;
    prl_loop_check(loop);
    if (loop->stats.watches >= loop->objects_max)
        return PRL_ERR_LIMIT;
    struct prl_watch *watch = prl_mem_zalloc(sizeof(*watch));
    if (!watch)
        return PRL_ERR_NOMEM;
    if (uv_poll_init(&loop->uv, &watch->uv, fd) != 0) {
        prl_mem_free(watch);
        return PRL_ERR_IO;
    }
    watch->loop = loop;
    watch->what = what;
    watch->fn = fn;
    watch->arg = arg;
    loop->stats.watches++;
    *out = watch;
    return PRL_OK;
}

enum prl_err prl_watch_set(struct prl_watch *watch, unsigned events)
{
    prl_loop_check(watch->loop);
    if (events == watch->events)
        return PRL_OK;
    int set =
        (events & PRL_WATCH_READ ? UV_READABLE : 0) | (events & PRL_WATCH_WRITE ? UV_WRITABLE : 0);
    int failed = set ? uv_poll_start(&watch->uv, set, run_watch) : uv_poll_stop(&watch->uv);
    if (failed)
        return PRL_ERR_IO;
    watch->events = events;
    return PRL_OK;
}

static void free_watch(uv_handle_t *handle)
{
    prl_mem_free((struct prl_watch *)handle);
}

void prl_watch_destroy(struct prl_watch **watch)
{
    if (!*watch)
        return;
    prl_loop_check((*watch)->loop);
    (*watch)->loop->stats.watches--;
    uv_close((uv_handle_t *)&(*watch)->uv, free_watch);
    *watch = NULL;
}

// ---- helper threads ----

static void run_work(uv_work_t *handle)
{
    struct work *work = (struct work *)handle;
    work->work(work->arg);
}

static void end_work(uv_work_t *handle, int status)
{
    (void)status;
    struct work *work = (struct work *)handle;
    struct prl_loop *loop = work->loop;
    prl_work_fn done = work->done;
    void *arg = work->arg;
    prl_mem_free(work);
    int64_t start_us = prl_clock_now_us();
    done(arg);
    end_span(loop, "work", start_us);
}

enum prl_err prl_loop_work(struct prl_loop *loop, prl_work_fn work_fn, prl_work_fn done, void *arg)
{
    prl_loop_check(loop);
    struct work *work = prl_mem_zalloc(sizeof(*work));
    if (!work)
        return PRL_ERR_NOMEM;
    work->loop = loop;
    work->work = work_fn;
    work->done = done;
    work->arg = arg;
    if (uv_queue_work(&loop->uv, &work->uv, run_work, end_work) != 0) {
        prl_mem_free(work);
        return PRL_ERR_IO;
    }
    return PRL_OK;
}

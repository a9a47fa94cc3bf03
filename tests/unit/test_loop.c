// test_loop.c -- timers, ports, watches, stall alarm and helper threads of the loop.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "tests/unit.h"

enum { TURN_US = 100000 };

// Runs the loop until *flag reaches `want`; false when the deadline passes.
static bool run_until(struct prl_loop *loop, const int *flag, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*flag < want && prl_clock_now_us() < end_us)
        prl_loop_turn(loop, TURN_US);
    return *flag >= want;
}

struct tick {
    int count;
    int64_t at_us;
    struct prl_timer *timer;
    struct prl_loop *loop;
};

static void on_tick(void *arg)
{
    struct tick *tick = arg;
    tick->count++;
    tick->at_us = prl_clock_now_us();
}

static void on_tick_destroy(void *arg)
{
    struct tick *tick = arg;
    tick->count++;
    prl_timer_destroy(&tick->timer);
}

static void on_tick_stop(void *arg)
{
    struct tick *tick = arg;
    tick->count++;
    prl_loop_stop(tick->loop);
}

PRL_TEST(loop_timer_is_never_early)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    struct tick tick = {0};
    REQUIRE(prl_timer_create(&tick.timer, loop, "tick", on_tick, &tick) == PRL_OK);
    for (int i = 1; i <= 10; i++) {
        int64_t due_us = prl_clock_now_us() + (int64_t)700 * i;
        prl_timer_start(tick.timer, due_us);
        EXPECT(prl_timer_active(tick.timer));
        EXPECT(run_until(loop, &tick.count, i));
        EXPECT(tick.at_us >= due_us);
        EXPECT(!prl_timer_active(tick.timer));
    }
    prl_timer_start(tick.timer, prl_clock_now_us() - 5);
    EXPECT(run_until(loop, &tick.count, 11));
    prl_timer_start(tick.timer, prl_clock_now_us() + 1000);
    prl_timer_stop(tick.timer);
    prl_loop_turn(loop, 5000);
    EXPECT_INT(tick.count, 11);
    prl_timer_destroy(&tick.timer);
    prl_loop_destroy(&loop);
    EXPECT(loop == NULL);
}

static void on_tick_again(void *arg)
{
    struct tick *tick = arg;
    tick->count++;
    prl_timer_start(tick->timer, prl_clock_now_us() - 1000);
}

static void on_tick_message(void *arg, struct prl_msg *msg)
{
    (void)msg;
    (*(int *)arg)++;
}

// A timer that is always due must not keep the loop from everything else.
PRL_TEST(loop_timer_that_is_always_due_leaves_room)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    struct tick tick = {0};
    int messages = 0;
    struct prl_port *port;
    REQUIRE(prl_port_open(&port, loop, 4, on_tick_message, &messages) == PRL_OK);
    REQUIRE(prl_timer_create(&tick.timer, loop, "again", on_tick_again, &tick) == PRL_OK);
    prl_timer_start(tick.timer, prl_clock_now_us());
    EXPECT(run_until(loop, &tick.count, 3));
    EXPECT_OK(prl_port_send(port, &(struct prl_msg){0}));
    EXPECT(run_until(loop, &messages, 1));
    prl_timer_destroy(&tick.timer);
    prl_port_destroy(&port);
    prl_loop_destroy(&loop);
}

PRL_TEST(loop_timer_may_destroy_itself_and_count_is_bounded)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, &(struct prl_loop_conf){.timers_max = 2}) == PRL_OK);
    struct tick tick = {0};
    struct prl_timer *second = NULL;
    struct prl_timer *third = NULL;
    REQUIRE(prl_timer_create(&tick.timer, loop, "a", on_tick_destroy, &tick) == PRL_OK);
    EXPECT_OK(prl_timer_create(&second, loop, "b", on_tick, &tick));
    EXPECT_INT(prl_timer_create(&third, loop, "c", on_tick, &tick), PRL_ERR_LIMIT);
    EXPECT(third == NULL);
    prl_timer_start(tick.timer, 0);
    EXPECT(run_until(loop, &tick.count, 1));
    EXPECT(tick.timer == NULL);
    EXPECT_OK(prl_timer_create(&third, loop, "c", on_tick, &tick));
    prl_timer_destroy(&second);
    prl_timer_destroy(&third);
    prl_timer_destroy(&third);
    prl_loop_destroy(&loop);
}

PRL_TEST(loop_run_ends_at_stop_also_when_asked_before)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    prl_loop_stop(loop);
    prl_loop_run(loop);
    struct tick tick = {.loop = loop};
    REQUIRE(prl_timer_create(&tick.timer, loop, "stop", on_tick_stop, &tick) == PRL_OK);
    prl_timer_start(tick.timer, prl_clock_now_us() + 1000);
    prl_loop_run(loop);
    EXPECT_INT(tick.count, 1);
    prl_timer_destroy(&tick.timer);
    prl_loop_destroy(&loop);
}

static void on_slow(void *arg)
{
    struct tick *tick = arg;
    int64_t end_us = prl_clock_now_us() + 3000;
    while (prl_clock_now_us() < end_us)
        ;
    tick->count++;
}

PRL_TEST(loop_counts_callbacks_that_take_too_long)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, &(struct prl_loop_conf){.stall_us = 2000}) == PRL_OK);
    struct tick tick = {0};
    REQUIRE(prl_timer_create(&tick.timer, loop, "slow thing", on_slow, &tick) == PRL_OK);
    prl_timer_start(tick.timer, 0);
    EXPECT(run_until(loop, &tick.count, 1));
    struct prl_loop_stats stats;
    prl_loop_stats(loop, &stats);
    EXPECT_INT(stats.stalls, 1);
    EXPECT(stats.stall_us_worst >= 3000);
    EXPECT_TEXT(stats.stall_what, "slow thing");
    prl_timer_destroy(&tick.timer);
    prl_loop_destroy(&loop);
}

struct inbox {
    int count;
    int64_t sum;
    struct prl_port *port;
};

static void on_message(void *arg, struct prl_msg *msg)
{
    struct inbox *inbox = arg;
    inbox->count++;
    inbox->sum += msg->value[0];
}

PRL_TEST(loop_port_is_bounded_and_frees_what_it_drops)
{
    struct prl_loop *loop;
    struct inbox inbox = {0};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_port_open(&inbox.port, loop, 2, on_message, &inbox) == PRL_OK);
    struct prl_msg msg = {.value = {7}};
    EXPECT_OK(prl_port_send(inbox.port, &msg));
    EXPECT_OK(prl_port_send(inbox.port, &msg));
    EXPECT_INT(prl_port_send(inbox.port, &msg), PRL_ERR_FULL);
    EXPECT(run_until(loop, &inbox.count, 2));
    EXPECT_INT(inbox.sum, 14);
    struct prl_msg loaded = {.data = prl_mem_alloc(10), .size = 10};
    EXPECT_OK(prl_port_send(inbox.port, &loaded));
    prl_port_close(inbox.port);
    EXPECT_INT(prl_port_send(inbox.port, &msg), PRL_ERR_CANCELED);
    prl_loop_turn(loop, 1000);
    EXPECT_INT(inbox.count, 2);
    struct prl_loop_stats stats;
    prl_loop_stats(loop, &stats);
    EXPECT_INT(stats.messages, 2);
    EXPECT_INT(stats.messages_full, 1);
    prl_port_destroy(&inbox.port);
    prl_loop_destroy(&loop);
}

enum { EACH = 2000 };

static void *send_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        EXPECT_OK(prl_port_send_wait(arg, &(struct prl_msg){.value = {i}}, PRL_TEST_WAIT_US));
    return NULL;
}

PRL_TEST(loop_port_loses_nothing_between_threads)
{
    struct prl_loop *loop;
    struct inbox inbox = {0};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_port_open(&inbox.port, loop, 8, on_message, &inbox) == PRL_OK);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        EXPECT(pthread_create(&threads[i], NULL, send_many, inbox.port) == 0);
    EXPECT(run_until(loop, &inbox.count, 2 * EACH));
    EXPECT_INT(inbox.sum, (int64_t)EACH * (EACH - 1));
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    prl_port_destroy(&inbox.port);
    prl_loop_destroy(&loop);
}

struct seen {
    int count;
    unsigned events;
    int fd;
    int work;
};

static void on_ready(void *arg, unsigned events)
{
    struct seen *seen = arg;
    char bytes[16];
    seen->events = events;
    if (read(seen->fd, bytes, sizeof(bytes)) > 0)
        seen->count++;
}

PRL_TEST(loop_watch_reports_and_fd_can_be_reused)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    for (int round = 1; round <= 3; round++) {
        int ends[2];
        REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
        struct seen seen = {.fd = ends[0]};
        struct prl_watch *watch;
        REQUIRE(prl_watch_create(&watch, loop, ends[0], "pipe", on_ready, &seen) == PRL_OK);
        EXPECT_OK(prl_watch_set(watch, PRL_WATCH_READ));
        EXPECT(write(ends[1], "x", 1) == 1);
        EXPECT(run_until(loop, &seen.count, 1));
        EXPECT_INT(seen.events, PRL_WATCH_READ);
        EXPECT_OK(prl_watch_set(watch, 0));
        EXPECT(write(ends[1], "x", 1) == 1);
        prl_loop_turn(loop, 2000);
        EXPECT_INT(seen.count, 1);
        prl_watch_destroy(&watch);
        close(ends[0]);
        close(ends[1]);
    }
    prl_loop_destroy(&loop);
}

static void work_there(void *arg)
{
    ((struct seen *)arg)->work = 1;
}

static void work_done(void *arg)
{
    struct seen *seen = arg;
    seen->count += seen->work;
}

PRL_TEST(loop_work_runs_elsewhere_and_reports_back)
{
    struct prl_loop *loop;
    struct seen seen = {0};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    EXPECT_OK(prl_loop_work(loop, work_there, work_done, &seen));
    EXPECT(run_until(loop, &seen.count, 1));
    prl_loop_destroy(&loop);
}

static void on_signal(void *arg, int number)
{
    *(int *)arg = number;
}

PRL_TEST(loop_hands_over_signals)
{
    struct prl_loop *loop;
    int got = 0;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    EXPECT_OK(prl_loop_on_signal(loop, on_signal, &got));
    EXPECT(raise(SIGTERM) == 0);
    EXPECT(run_until(loop, &got, 1));
    EXPECT_INT(got, SIGTERM);
    EXPECT_OK(prl_loop_on_signal(loop, NULL, NULL));
    prl_loop_destroy(&loop);
}

PRL_TEST_OOM(loop_whole_life)
{
    struct prl_loop *loop = NULL;
    struct prl_timer *timer = NULL;
    struct inbox inbox = {0};
    struct seen seen = {.fd = -1};
    struct tick tick = {0};
    int ends[2] = {-1, -1};
    struct prl_watch *watch = NULL;
    if (prl_loop_create(&loop, NULL) || prl_timer_create(&timer, loop, "t", on_tick, &tick) ||
        prl_port_open(&inbox.port, loop, 4, on_message, &inbox) || pipe2(ends, O_NONBLOCK) ||
        prl_watch_create(&watch, loop, ends[0], "w", on_ready, &seen) ||
        prl_loop_work(loop, work_there, work_done, &seen))
        goto done;
    EXPECT_OK(prl_port_send(inbox.port, &(struct prl_msg){.value = {1}}));
    EXPECT(run_until(loop, &inbox.count, 1));
    EXPECT(run_until(loop, &seen.count, 1));
done:
    prl_watch_destroy(&watch);
    prl_port_destroy(&inbox.port);
    prl_timer_destroy(&timer);
    prl_loop_destroy(&loop);
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

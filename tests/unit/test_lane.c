// test_lane.c -- the actor thread: load report, order, bounds, steps, clean end.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "net/lane.h"
#include "tests/unit.h"

enum { TURN_US = 50000 };

// A worker whose thread can be held, so that the order of what waits can be seen without sleeping.
struct worker {
    pthread_mutex_t gate;
    bool fail;
    int started; // 1 ok, 2 failed, on the loop
    char error[PRL_LANE_ERROR_SIZE];
    int handled; // on the loop: reports received
    int order[64];
    int order_count;
    atomic_int steps_left;
    atomic_int steps_done;
    atomic_int stopped;
    struct prl_port *port;
};

static enum prl_err worker_start(void *ctx, char *error)
{
    struct worker *worker = ctx;
    if (!worker->fail)
        return PRL_OK;
    snprintf(error, PRL_LANE_ERROR_SIZE, "model.onnx: cut short; fetch it again");
    return PRL_ERR_ENGINE;
}

static void worker_message(void *ctx, struct prl_msg *msg)
{
    struct worker *worker = ctx;
    pthread_mutex_lock(&worker->gate);
    pthread_mutex_unlock(&worker->gate);
    if (msg->type == 99) {
        atomic_store(&worker->steps_left, (int)msg->value[0]);
        return;
    }
    // The payload goes back to the loop, changing owner twice.
    if (prl_port_send_wait(worker->port, msg, PRL_TEST_WAIT_US) == PRL_OK)
        msg->data = NULL;
}

static bool worker_step(void *ctx)
{
    struct worker *worker = ctx;
    if (atomic_load(&worker->steps_left) == 0)
        return false;
    atomic_fetch_add(&worker->steps_done, 1);
    return atomic_fetch_sub(&worker->steps_left, 1) > 1;
}

static void worker_stop(void *ctx)
{
    atomic_fetch_add(&((struct worker *)ctx)->stopped, 1);
}

static const struct prl_lane_ops worker_ops = {worker_start, worker_message, worker_step,
                                               worker_stop};

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct worker *worker = arg;
    worker->started = err ? 2 : 1;
    snprintf(worker->error, sizeof(worker->error), "%s", error ? error : "");
}

static void on_report(void *arg, struct prl_msg *msg)
{
    struct worker *worker = arg;
    worker->handled++;
    if (worker->order_count < 64)
        worker->order[worker->order_count++] = (int)msg->type;
}

static bool run_until(struct prl_loop *loop, const int *flag, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*flag < want && prl_clock_now_us() < end_us)
        prl_loop_turn(loop, TURN_US);
    return *flag >= want;
}

static enum prl_err make_lane(struct prl_lane **lane, struct prl_loop *loop, struct worker *worker)
{
    return prl_lane_create(lane, &(struct prl_lane_conf){.name = "a-long-lane-name",
                                                         .nice = 10,
                                                         .queue_max = 4,
                                                         .ops = &worker_ops,
                                                         .ctx = worker,
                                                         .loop = loop,
                                                         .started = on_started,
                                                         .started_arg = worker});
}

static bool metrics_say(const char *line)
{
    struct prl_str text;
    prl_str_init(&text, 1 << 20);
    bool said = prl_metrics_render(&text) == PRL_OK && strstr(text.data, line);
    prl_str_free(&text);
    return said;
}

PRL_TEST(lane_is_bounded_and_urgent_messages_overtake)
{
    struct prl_loop *loop;
    struct prl_lane *lane;
    struct worker worker = {.gate = PTHREAD_MUTEX_INITIALIZER};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_port_open(&worker.port, loop, 32, on_report, &worker) == PRL_OK);
    REQUIRE(make_lane(&lane, loop, &worker) == PRL_OK);
    EXPECT(run_until(loop, &worker.started, 1));
    EXPECT_INT(worker.started, 1);

    pthread_mutex_lock(&worker.gate);
    EXPECT_OK(prl_lane_send(lane, &(struct prl_msg){.type = 1}));
    struct prl_lane_stats stats;
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    do
        prl_lane_stats(lane, &stats); // until the lane has taken it and stands at the gate
    while (stats.messages < 1 && prl_clock_now_us() < end_us);
    for (uint32_t i = 2; i <= 5; i++)
        EXPECT_OK(prl_lane_send(lane, &(struct prl_msg){.type = i, .data = prl_mem_alloc(8)}));
    EXPECT_INT(prl_lane_send(lane, &(struct prl_msg){.type = 6}), PRL_ERR_FULL);
    EXPECT_OK(prl_lane_send_first(lane, &(struct prl_msg){.type = 10}));
    EXPECT_OK(prl_lane_send_first(lane, &(struct prl_msg){.type = 11}));
    EXPECT(metrics_say("parley_lane_waiting{lane=\"a-long-lane-nam\"} 6\n"));
    pthread_mutex_unlock(&worker.gate);
    EXPECT(run_until(loop, &worker.handled, 7));
    static const int expected[] = {1, 10, 11, 2, 3, 4, 5};
    for (int i = 0; i < 7; i++)
        EXPECT_INT(worker.order[i], expected[i]);

    EXPECT_OK(prl_lane_send(lane, &(struct prl_msg){.type = 99, .value = {1000}}));
    end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (atomic_load(&worker.steps_done) < 1000 && prl_clock_now_us() < end_us)
        prl_loop_turn(loop, 1000);
    EXPECT_INT(atomic_load(&worker.steps_done), 1000);
    do
        prl_lane_stats(lane, &stats); // the last step is counted after it is done
    while (stats.steps < 1000 && prl_clock_now_us() < end_us);
    EXPECT_INT(stats.messages, 8);
    EXPECT_INT(stats.queue_len_max, 6);
    EXPECT_INT(stats.full, 1);
    EXPECT(stats.steps >= 1000);
    EXPECT(stats.wait_us_max > 0);
    prl_lane_destroy(&lane);
    EXPECT(lane == NULL);
    EXPECT_INT(atomic_load(&worker.stopped), 1);
    EXPECT(metrics_say("parley_lane_waiting{lane=\"a-long-lane-nam\"} 0\n"));
    EXPECT(!metrics_say("parley_lane_messages_total{lane=\"a-long-lane-nam\"} 0\n"));
    EXPECT(!metrics_say("parley_lane_busy_seconds_total{lane=\"a-long-lane-nam\"} 0.000000\n"));
    prl_port_destroy(&worker.port);
    prl_loop_destroy(&loop);
}

PRL_TEST(lane_reports_why_it_did_not_start)
{
    struct prl_loop *loop;
    struct prl_lane *lane;
    struct worker worker = {.gate = PTHREAD_MUTEX_INITIALIZER, .fail = true};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(make_lane(&lane, loop, &worker) == PRL_OK);
    EXPECT(run_until(loop, &worker.started, 1));
    EXPECT_INT(worker.started, 2);
    EXPECT_TEXT(worker.error, "model.onnx: cut short; fetch it again");
    EXPECT_INT(prl_lane_send(lane, &(struct prl_msg){.type = 1}), PRL_ERR_CANCELED);
    prl_lane_destroy(&lane);
    EXPECT_INT(atomic_load(&worker.stopped), 0);
    prl_loop_destroy(&loop);
}

PRL_TEST(lane_frees_what_waits_at_the_end)
{
    struct prl_loop *loop;
    struct prl_lane *lane;
    struct worker worker = {.gate = PTHREAD_MUTEX_INITIALIZER};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_port_open(&worker.port, loop, 1, on_report, &worker) == PRL_OK);
    REQUIRE(make_lane(&lane, loop, &worker) == PRL_OK);
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_OK(prl_lane_send(lane, &(struct prl_msg){.type = i, .data = prl_mem_alloc(8)}));
    prl_port_close(worker.port); // a lane that waits for room in the port wakes up
    prl_lane_destroy(&lane);
    EXPECT_INT(worker.started, 0); // nothing is called after destroy
    prl_port_destroy(&worker.port);
    prl_loop_destroy(&loop);
}

PRL_TEST_OOM(lane_whole_life)
{
    struct prl_loop *loop = NULL;
    struct prl_lane *lane = NULL;
    struct worker worker = {.gate = PTHREAD_MUTEX_INITIALIZER};
    if (prl_loop_create(&loop, NULL) || prl_port_open(&worker.port, loop, 4, on_report, &worker) ||
        make_lane(&lane, loop, &worker))
        goto done;
    EXPECT(run_until(loop, &worker.started, 1));
    EXPECT_OK(prl_lane_send(lane, &(struct prl_msg){.type = 1}));
    EXPECT(run_until(loop, &worker.handled, 1));
done:
    prl_lane_destroy(&lane);
    prl_port_destroy(&worker.port);
    prl_loop_destroy(&loop);
}

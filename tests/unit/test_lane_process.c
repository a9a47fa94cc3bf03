// test_lane_process.c -- a lane in a child process: what crosses, and what happens when it dies, hangs
// or talks nonsense. The child is this test program with the arguments `lane KIND` (run.c).
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/lane.h"
#include "net/lane_child.h"
#include "net/lane_process.h"
#include "net/share.h"
#include "tests/lane_child.h"
#include "tests/unit.h"

enum { ORDER_ECHO, ORDER_EXIT, ORDER_KILL, ORDER_HANG, ORDER_NONSENSE, ORDER_PEEK };
// The last front's, and large.
static const uint64_t FAR_ID = ((uint64_t)PRL_SHARE_FRONTS_MAX << PRL_SHARE_SHIFT) - 1;
enum { TURN_US = 50000, HANG_US = 3000000, BIG = 3 << 20 };

// ---- the child ----

static struct prl_share *child_share;

static enum prl_err child_start(void *ctx, char *error)
{
    if (!ctx)
        return PRL_OK;
    (void)snprintf(error, PRL_LANE_ERROR_SIZE, "model.bin: cut short");
    return PRL_ERR_NOTFOUND;
}

static void child_message(void *ctx, struct prl_msg *msg)
{
    (void)ctx;
    switch (msg->type) {
    case ORDER_EXIT:
        _exit(3);
    case ORDER_KILL:
        raise(SIGKILL);
        break;
    case ORDER_HANG:
        for (;;)
            pause();
    case ORDER_NONSENSE:
        if (write(PRL_LANE_FD,
                  "HTTP/1.1 200 OK and much more than a header has, so that it is "
                  "complete: no frame at all, and not the beginning of one",
                  118) < 0)
            _exit(4);
        break;
    default:
        if (prl_port_send_wait(prl_share_port(child_share, msg->id), msg, PRL_TEST_WAIT_US) ==
            PRL_OK)
            msg->data = NULL;
    }
}

static void child_stop(void *ctx)
{
    (void)ctx;
}

static bool child_peek(void *ctx, struct prl_msg *msg, uint64_t base)
{
    (void)ctx;
    if (msg->type != ORDER_PEEK)
        return false;
    struct prl_msg back = {.type = ORDER_PEEK, .id = msg->id, .value = {base != 0}};
    if (prl_port_send_wait(prl_share_port(child_share, back.id), &back, PRL_TEST_WAIT_US) != PRL_OK)
        _exit(4);
    return true;
}

static char described[] = "a child's words";

static void child_describe(void *ctx, struct prl_msg *about)
{
    (void)ctx;
    about->value[0] = 42;
    about->data = prl_mem_strdup(described);
    about->size = sizeof(described) - 1;
}

int prl_test_lane_child(const char *kind)
{
    static const struct prl_lane_ops ops = {
        .start = child_start, .message = child_message, .stop = child_stop};
    static const struct prl_lane_wire wire = {.peek = child_peek, .describe = child_describe};
    struct prl_lane_child *child;
    char *hello;
    size_t size;
    if (prl_lane_child_create(&child, PRL_LANE_FD) || prl_lane_child_hello(child, &hello, &size))
        _exit(5);
    bool known = size == 5 && memcmp(hello, "hello", 6) == 0;
    prl_mem_free(hello);
    if (!known)
        prl_lane_child_fail(child, PRL_ERR_INVALID, "not my hello");
    child_share = prl_lane_child_share(child);
    static int fails;
    struct prl_lane_conf lane = {.name = "echo",
                                 .queue_max = 2,
                                 .ops = &ops,
                                 .ctx = strcmp(kind, "fails") == 0 ? &fails : NULL};
    _exit(!known || prl_lane_child_run(child, &lane, &wire) != PRL_OK);
}

// ---- the parent ----

struct seen {
    struct prl_port *port;
    int started; // 1 well, 2 not
    char error[PRL_LANE_ERROR_SIZE];
    int back;            // messages that came
    struct prl_msg last; // the newest, owned
    bool wrong_payload;
    int lost, lost_soon;
    int sent;
    int again; // messages to give a new child
    char why[PRL_LANE_ERROR_SIZE];
    int described;
};

enum { NOTE_LOST = 90 };

static void on_sent(void *ctx, struct prl_msg *msg)
{
    (void)msg;
    ((struct seen *)ctx)->sent++;
}

static enum prl_err on_got(void *ctx, struct prl_msg *msg)
{
    struct seen *seen = ctx;
    if (msg->type > ORDER_PEEK)
        return PRL_ERR_INVALID;
    if (prl_port_send_wait(seen->port, msg, PRL_TEST_WAIT_US) == PRL_OK)
        msg->data = NULL;
    return PRL_OK;
}

static void on_lost(void *ctx, const char *why, bool soon)
{
    struct seen *seen = ctx;
    struct prl_msg msg = {.type = NOTE_LOST, .value = {soon}, .data = prl_mem_strdup(why)};
    if (prl_port_send_wait(seen->port, &msg, PRL_TEST_WAIT_US) != PRL_OK)
        prl_msg_free(&msg);
    seen->again = 1;
}

static bool on_again(void *ctx, struct prl_msg *msg)
{
    struct seen *seen = ctx;
    if (seen->again == 0)
        return false;
    seen->again--;
    *msg = (struct prl_msg){.type = ORDER_ECHO, .id = 777};
    return true;
}

static void on_described(void *ctx, const struct prl_msg *about)
{
    struct seen *seen = ctx;
    seen->described += about->value[0] == 42 && about->data && strcmp(about->data, described) == 0;
}

static const struct prl_lane_wire wire = {
    .sent = on_sent, .got = on_got, .lost = on_lost, .again = on_again, .described = on_described};

static void on_message(void *arg, struct prl_msg *msg)
{
    struct seen *seen = arg;
    if (msg->type == NOTE_LOST) {
        seen->lost++;
        seen->lost_soon += (int)msg->value[0];
        (void)snprintf(seen->why, sizeof(seen->why), "%s", msg->data ? (char *)msg->data : "");
        prl_msg_free(msg);
        return;
    }
    prl_msg_free(&seen->last);
    seen->last = *msg;
    msg->data = NULL;
    seen->back++;
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct seen *seen = arg;
    seen->started = err ? 2 : 1;
    (void)snprintf(seen->error, sizeof(seen->error), "%s", error ? error : "");
}

static bool run_until(struct prl_loop *loop, const int *value, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*value < want && prl_clock_now_us() < end_us)
        prl_loop_turn(loop, TURN_US);
    return *value >= want;
}

struct bench {
    struct prl_loop *loop;
    struct prl_lane *lane;
    struct seen seen;
};

static const struct prl_lane_ops never = {
    .start = child_start, .message = child_message, .stop = child_stop};

static bool begin(struct bench *bench, const char *kind, const struct prl_lane_isolate *isolate)
{
    *bench = (struct bench){.loop = NULL};
    struct prl_lane_conf conf = {.name = kind,
                                 .queue_max = 8,
                                 .ops = &never,
                                 .ctx = &bench->seen,
                                 .started = on_started,
                                 .started_arg = &bench->seen,
                                 .isolate = isolate,
                                 .wire = &wire};
    if (prl_loop_create(&bench->loop, NULL) != PRL_OK ||
        prl_port_open(&bench->seen.port, bench->loop, 16, on_message, &bench->seen) != PRL_OK)
        return false;
    conf.loop = bench->loop;
    return prl_lane_create(&bench->lane, &conf) == PRL_OK &&
           run_until(bench->loop, &bench->seen.started, 1);
}

static void end(struct bench *bench)
{
    if (bench->seen.port)
        prl_port_close(bench->seen.port);
    prl_lane_destroy(&bench->lane);
    prl_port_destroy(&bench->seen.port);
    prl_msg_free(&bench->seen.last);
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static const struct prl_lane_isolate child_of_mine = {
    .program = "/proc/self/exe", .hello = "hello", .hello_size = 5, .hang_us = 120000000};

PRL_TEST(lane_process_carries_messages_both_ways)
{
    struct bench bench;
    REQUIRE(begin(&bench, "echo", &child_of_mine));
    EXPECT_INT(bench.seen.started, 1);
    EXPECT_INT(bench.seen.described, 1);
    char *big = prl_mem_alloc(BIG);
    REQUIRE(big != NULL);
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 / 3);
    struct prl_msg msg = {.generation = 7,
                          .id = FAR_ID,
                          .value = {-1, 2, INT64_MIN, 4},
                          .data = prl_mem_dup(big, BIG),
                          .size = BIG};
    EXPECT_OK(prl_lane_send(bench.lane, &msg));
    EXPECT(run_until(bench.loop, &bench.seen.back, 1));
    const struct prl_msg *back = &bench.seen.last;
    EXPECT(back->generation == 7 && back->id == FAR_ID && back->size == BIG);
    EXPECT(back->value[0] == -1 && back->value[2] == INT64_MIN && back->value[3] == 4);
    EXPECT(back->data && memcmp(back->data, big, BIG) == 0);
    prl_mem_free(big);
    for (int i = 0; i < 200; i++) {
        struct prl_msg small = {.id = (uint64_t)i};
        // The loop may not wait for room: the lane waits for the loop.
        while (prl_lane_send(bench.lane, &small) == PRL_ERR_FULL)
            prl_loop_turn(bench.loop, 1000);
    }
    EXPECT(run_until(bench.loop, &bench.seen.back, 201));
    EXPECT_INT(bench.seen.last.id, 199);
    EXPECT_OK(prl_lane_send_first(
        bench.lane, &(struct prl_msg){.type = ORDER_PEEK, .data = prl_mem_strdup("x"), .size = 1}));
    EXPECT(run_until(bench.loop, &bench.seen.back, 202));
    EXPECT(bench.seen.last.type == ORDER_PEEK && bench.seen.last.value[0] == 1);
    EXPECT_INT(bench.seen.lost, 0);
    end(&bench);
}

// After a death the next child is there, knows what `again` says, and works.
static void fall_and_rise(const struct prl_lane_isolate *isolate, uint32_t how, const char *why)
{
    struct bench bench;
    REQUIRE(begin(&bench, "echo", isolate));
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.type = how}));
    EXPECT(run_until(bench.loop, &bench.seen.lost, 1));
    EXPECT(strstr(bench.seen.why, why) != NULL);
    EXPECT_INT(bench.seen.lost_soon, 1);
    EXPECT(run_until(bench.loop, &bench.seen.back, 1));
    EXPECT_INT(bench.seen.last.id, 777);
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.id = 5}));
    EXPECT(run_until(bench.loop, &bench.seen.back, 2));
    end(&bench);
}

PRL_TEST(lane_process_survives_an_exit)
{
    fall_and_rise(&child_of_mine, ORDER_EXIT, "status 3");
}

PRL_TEST(lane_process_survives_a_kill)
{
    fall_and_rise(&child_of_mine, ORDER_KILL, "signal 9");
}

PRL_TEST(lane_process_survives_nonsense)
{
    fall_and_rise(&child_of_mine, ORDER_NONSENSE, "no message");
}

PRL_TEST(lane_process_survives_a_foreign_message)
{
    // The wire knows no such type.
    struct bench bench;
    REQUIRE(begin(&bench, "echo", &child_of_mine));
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.type = 1000}));
    EXPECT(run_until(bench.loop, &bench.seen.lost, 1));
    EXPECT_INT(bench.seen.back, 0);
    end(&bench);
}

PRL_TEST(lane_process_notices_a_hang)
{
    struct prl_lane_isolate hasty = child_of_mine;
    hasty.hang_us = HANG_US;
    struct bench bench;
    REQUIRE(begin(&bench, "echo", &hasty));
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.type = ORDER_HANG}));
    EXPECT(run_until(bench.loop, &bench.seen.lost, 1));
    EXPECT(run_until(bench.loop, &bench.seen.back, 1)); // `again`, from a living one
    end(&bench);
}

PRL_TEST(lane_process_backs_off_and_answers_meanwhile)
{
    struct bench bench;
    REQUIRE(begin(&bench, "echo", &child_of_mine));
    // The first death is followed by a child at once; the second by a wait, in which what is asked
    // is lost at once.
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.type = ORDER_EXIT}));
    EXPECT(run_until(bench.loop, &bench.seen.back, 1));
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.type = ORDER_EXIT}));
    EXPECT(run_until(bench.loop, &bench.seen.lost, 2));
    EXPECT_INT(bench.seen.lost_soon, 1);
    int sent = 0;
    while (bench.seen.back < 2 && sent < 10000) {
        enum prl_err err = prl_lane_send(bench.lane, &(struct prl_msg){.id = 1});
        EXPECT(err == PRL_OK || err == PRL_ERR_FULL);
        sent++;
        prl_loop_turn(bench.loop, 1000);
    }
    EXPECT(run_until(bench.loop, &bench.seen.back, 2));
    end(&bench);
}

PRL_TEST(lane_process_that_cannot_start)
{
    struct bench bench;
    REQUIRE(begin(&bench, "fails", &child_of_mine));
    EXPECT_INT(bench.seen.started, 2);
    EXPECT_TEXT(bench.seen.error, "model.bin: cut short");
    EXPECT_INT(prl_lane_send(bench.lane, &(struct prl_msg){.id = 1}), PRL_ERR_CANCELED);
    end(&bench);
    struct prl_lane_isolate missing = child_of_mine;
    missing.program = "/nonexistent/program";
    REQUIRE(begin(&bench, "echo", &missing));
    EXPECT_INT(bench.seen.started, 2);
    EXPECT(strstr(bench.seen.error, "cannot be started") != NULL);
    end(&bench);
    struct prl_lane_isolate stranger = child_of_mine;
    stranger.hello = "other";
    REQUIRE(begin(&bench, "echo", &stranger));
    EXPECT_INT(bench.seen.started, 2);
    EXPECT_TEXT(bench.seen.error, "not my hello");
    end(&bench);
    stranger.program = "/bin/true"; // knows nothing of all this
    REQUIRE(begin(&bench, "echo", &stranger));
    EXPECT_INT(bench.seen.started, 2);
    end(&bench);
}

PRL_TEST(lane_process_ends_at_destroy_whatever_the_child_does)
{
    struct bench bench;
    REQUIRE(begin(&bench, "echo", &child_of_mine));
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.type = ORDER_HANG}));
    EXPECT_OK(prl_lane_send(bench.lane, &(struct prl_msg){.data = prl_mem_strdup("x"), .size = 1}));
    end(&bench);
}

PRL_TEST(lane_frame_is_believed_only_when_it_is_one)
{
    struct prl_lane_frame frame = {.magic = PRL_LANE_FRAME_MAGIC, .kind = PRL_LANE_BEAT};
    EXPECT(prl_lane_frame_good(&frame));
    frame.size = PRL_LANE_FRAME_MAX;
    EXPECT(prl_lane_frame_good(&frame));
    frame.size++;
    EXPECT(!prl_lane_frame_good(&frame));
    frame = (struct prl_lane_frame){.magic = PRL_LANE_FRAME_MAGIC, .kind = PRL_LANE_FRAME_KINDS};
    EXPECT(!prl_lane_frame_good(&frame));
    for (int i = 0; i < 1000; i++) {
        uint32_t words[sizeof(frame) / 4] = {0};
        for (size_t j = 0; j < sizeof(words) / 4; j++)
            words[j] = prl_test_random();
        memcpy(&frame, words, sizeof(frame));
        EXPECT(!prl_lane_frame_good(&frame) || frame.magic == PRL_LANE_FRAME_MAGIC);
    }
}

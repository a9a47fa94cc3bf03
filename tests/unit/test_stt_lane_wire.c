// test_stt_lane_wire.c -- the recogniser's orders and replies when stt/worker.c works in a child process.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/lane_process.h"
#include "net/loop.h"
#include "net/share.h"
#include "stt/worker.h"
#include "tests/unit.h"

static const struct prl_stt_backend_ops whisper = {.name = "whisper"};
static const struct prl_stt_backend_ops *const backends[PRL_STT_ENGINE_COUNT] = {
    [PRL_STT_ENGINE_WHISPER] = &whisper};

struct bench {
    struct prl_loop *loop;
    struct prl_port *port;
    struct prl_share *share;
    struct prl_stt_worker *worker;
    int replies;
    enum prl_err err;
    char text[64];
    const char *engine;
    uint64_t id;
};

static void on_reply(void *arg, struct prl_msg *msg)
{
    struct bench *bench = arg;
    const struct prl_stt_reply *reply = msg->data;
    bench->replies++;
    bench->id = msg->id;
    bench->err = (enum prl_err)msg->value[0];
    bench->engine = reply ? reply->engine : NULL;
    if (reply)
        (void)snprintf(bench->text, sizeof(bench->text), "%s", reply->text);
    prl_msg_free(msg);
}

static bool begin(struct bench *bench)
{
    static const struct prl_stt_paths none = {NULL};
    *bench = (struct bench){.loop = NULL};
    if (prl_loop_create(&bench->loop, NULL) ||
        prl_port_open(&bench->port, bench->loop, 4, on_reply, bench) ||
        prl_share_create(&bench->share, bench->port))
        return false;
    struct prl_stt_worker_conf conf = {
        .paths = &none, .backends = backends, .language = "", .share = bench->share};
    return prl_stt_worker_create(&bench->worker, &conf) == PRL_OK;
}

static void end(struct bench *bench)
{
    prl_stt_worker_destroy(&bench->worker);
    if (bench->port)
        prl_port_close(bench->port);
    prl_port_destroy(&bench->port);
    prl_share_destroy(&bench->share);
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static void order(struct bench *bench, uint64_t id)
{
    struct prl_stt_order order = {.samples = 0};
    struct prl_msg msg = {
        .id = id, .data = prl_mem_dup(&order, sizeof(order)), .size = sizeof(order)};
    prl_stt_lane_wire.sent(bench->worker, &msg);
    EXPECT(msg.data == NULL);
}

static enum prl_err answer(struct bench *bench, uint64_t id, int64_t engine, size_t size)
{
    char *block = prl_mem_zalloc(size);
    if (!block)
        return PRL_ERR_NOMEM;
    struct prl_stt_reply reply = {.err = PRL_OK, .language = "en"};
    memcpy(block, &reply, sizeof(reply));
    (void)snprintf(block + sizeof(reply), size - sizeof(reply), "words");
    struct prl_msg msg = {.id = id, .value = {PRL_OK, 5, engine}, .data = block, .size = size};
    enum prl_err err = prl_stt_lane_wire.got(bench->worker, &msg);
    prl_msg_free(&msg);
    return err;
}

static void turn_until(struct bench *bench, int replies)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (bench->replies < replies && prl_clock_now_us() < end_us)
        prl_loop_turn(bench->loop, 10000);
    EXPECT_INT(bench->replies, replies);
}

PRL_TEST(stt_lane_wire_passes_a_reply_on)
{
    struct bench bench;
    size_t whole = sizeof(struct prl_stt_reply) + 8;
    REQUIRE(begin(&bench));
    EXPECT_INT(answer(&bench, 1, 1, whole), PRL_ERR_INVALID); // nobody asked
    order(&bench, 7);
    EXPECT_INT(answer(&bench, 8, 1, whole), PRL_ERR_INVALID);
    EXPECT_INT(answer(&bench, 7, PRL_STT_ENGINE_COUNT + 1, whole), PRL_ERR_INVALID);
    EXPECT_INT(answer(&bench, 7, 1, sizeof(struct prl_stt_reply)), PRL_ERR_INVALID);
    EXPECT_OK(answer(&bench, 7, PRL_STT_ENGINE_WHISPER, whole));
    turn_until(&bench, 1);
    EXPECT_TEXT(bench.text, "words");
    EXPECT(bench.engine == whisper.name);
    EXPECT_INT(answer(&bench, 7, 1, whole), PRL_ERR_INVALID); // once
    struct prl_msg msg;
    prl_stt_lane_wire.lost(bench.worker, "died", true);
    EXPECT(!prl_stt_lane_wire.again(bench.worker, &msg)); // nothing was under way
    end(&bench);
}

PRL_TEST(stt_lane_wire_asks_once_more)
{
    struct bench bench;
    struct prl_msg msg;
    REQUIRE(begin(&bench));
    order(&bench, 7);
    EXPECT(!prl_stt_lane_wire.again(bench.worker, &msg));
    prl_stt_lane_wire.lost(bench.worker, "died", true);
    EXPECT(prl_stt_lane_wire.again(bench.worker, &msg));
    EXPECT(msg.id == 7 && msg.size == sizeof(struct prl_stt_order));
    prl_msg_free(&msg);
    EXPECT(!prl_stt_lane_wire.again(bench.worker, &msg));
    prl_stt_lane_wire.lost(bench.worker, "died of it", true);
    turn_until(&bench, 1);
    EXPECT(bench.id == 7 && bench.err == PRL_ERR_ENGINE);
    EXPECT_TEXT(bench.text, "died of it");
    order(&bench, 8);
    prl_stt_lane_wire.lost(bench.worker, "no process", false); // none will come soon
    turn_until(&bench, 2);
    EXPECT_INT(bench.err, PRL_ERR_ENGINE);
    order(&bench, 9);
    msg = (struct prl_msg){.type = PRL_STT_ABORT, .id = 9};
    prl_stt_lane_wire.sent(bench.worker, &msg);
    prl_stt_lane_wire.lost(bench.worker, "died", true);
    turn_until(&bench, 3);
    EXPECT_INT(bench.err, PRL_ERR_CANCELED);
    order(&bench, 10); // freed at the end
    end(&bench);
}

PRL_TEST(stt_lane_wire_tells_an_abort_before_its_turn)
{
    struct bench bench;
    REQUIRE(begin(&bench));
    struct prl_msg msg = {.type = PRL_STT_ABORT, .id = 3};
    EXPECT(prl_stt_lane_wire.peek(bench.worker, &msg, 0));
    msg.type = PRL_STT_ORDER;
    EXPECT(!prl_stt_lane_wire.peek(bench.worker, &msg, 0));
    end(&bench);
}

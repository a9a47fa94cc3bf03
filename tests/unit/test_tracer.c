// test_tracer.c -- api/tracer: batches to a collector, what happens without one, a file that is JSON.
#include "api/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/http_fake.h"

static struct {
    struct prl_loop *loop;
    struct http_fake fake;
    struct prl_tracer *tracer;
    char url[96], path[64];
    uint64_t sent, dropped; // before
} t;

static enum prl_err begin(unsigned status, bool file, size_t file_max)
{
    memset(&t, 0, sizeof(t));
    prl_log_set_level(PRL_LOG_ERROR);
    t.sent = prl_metrics_value(PRL_METRIC_TRACES);
    t.dropped = prl_metrics_value(PRL_METRIC_TRACES_DROPPED);
    enum prl_err err = prl_loop_create(&t.loop, NULL);
    t.fake.answers[0] =
        (struct http_fake_answer){.path = "/v1/traces", .status = status, .body = "{}"};
    if (!err)
        err = http_fake_open(&t.fake, t.loop);
    snprintf(t.url, sizeof(t.url), "http://127.0.0.1:%u/v1/traces", t.fake.port);
    snprintf(t.path, sizeof(t.path), "/tmp/prl-trace-XXXXXX");
    int fd = file ? mkstemp(t.path) : -1;
    if (fd >= 0)
        close(fd);
    struct prl_tracer_conf conf = {.loop = t.loop,
                                   .otlp_url = file ? "" : t.url,
                                   .key = "sesame",
                                   .chrome_file = file ? t.path : "",
                                   .chrome_bytes_max = file_max,
                                   .version = "1.2"};
    return err ? err : prl_tracer_create(&t.tracer, &conf);
}

static void end(bool file)
{
    prl_tracer_destroy(&t.tracer);
    http_fake_close(&t.fake);
    prl_loop_destroy(&t.loop);
    if (file)
        unlink(t.path);
    prl_log_set_level(PRL_LOG_INFO);
}

static void add(int count)
{
    for (int i = 0; i < count; i++) {
        struct prl_trace_turn turn = {.session = "sess_1",
                                      .zero_us = prl_clock_now_us() - 900000,
                                      .spans = {.detected_us = 500000,
                                                .stt_us = 300000,
                                                .first_token_us = 400000,
                                                .first_audio_us = 450000,
                                                .first_byte_us = 500000,
                                                .heard_end_us = 800000,
                                                .hold_us = 50000,
                                                .spoken = true}};
        snprintf(turn.response, sizeof(turn.response), "resp_%d", i);
        prl_tracer_add(t.tracer, &turn);
    }
}

static uint64_t sent(void)
{
    return prl_metrics_value(PRL_METRIC_TRACES) - t.sent;
}

static uint64_t dropped(void)
{
    return prl_metrics_value(PRL_METRIC_TRACES_DROPPED) - t.dropped;
}

static bool await(uint64_t (*value)(void), uint64_t wanted)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (value() < wanted && prl_clock_now_us() < end_us)
        prl_loop_turn(t.loop, 10000);
    return value() == wanted;
}

PRL_TEST(tracer_sends_batches)
{
    REQUIRE(begin(200, false, 0) == PRL_OK);
    add(PRL_TRACER_BATCH_MAX + 6);
    EXPECT(await(sent, PRL_TRACER_BATCH_MAX + 6));
    EXPECT_INT(t.fake.answers[0].asked, 2);
    EXPECT_INT(dropped(), 0);
    EXPECT_TEXT(t.fake.key, "Bearer sesame");
    struct prl_json *root;
    REQUIRE(prl_json_parse(&root, t.fake.last, t.fake.last_size, NULL, 0) == PRL_OK);
    const struct prl_json *resource = prl_json_at(prl_json_get(root, "resourceSpans"), 0);
    const struct prl_json *scope = prl_json_at(prl_json_get(resource, "scopeSpans"), 0);
    EXPECT_INT(prl_json_count(prl_json_get(scope, "spans")), 6 * 8);
    prl_json_free(&root);
    end(false);
}

PRL_TEST(tracer_drops_what_nobody_takes)
{
    REQUIRE(begin(503, false, 0) == PRL_OK);
    add(3);
    EXPECT(await(dropped, 3));
    t.fake.answers[0].status = 200; // it is well again
    add(2);
    EXPECT(await(sent, 2));
    EXPECT_INT(dropped(), 3);
    end(false);
}

PRL_TEST(tracer_is_bounded)
{
    REQUIRE(begin(0, false, 0) == PRL_OK); // the collector hangs
    add(PRL_TRACER_QUEUE_MAX + 10);
    EXPECT_INT(dropped(), 10);
    end(false);
    EXPECT_INT(sent(), 0);
}

PRL_TEST(tracer_takes_turns_of_other_loops)
{
    struct prl_tracer *first;
    REQUIRE(begin(200, false, 0) == PRL_OK);
    first = t.tracer;
    REQUIRE(prl_tracer_join(&t.tracer, first) == PRL_OK);
    add(3);
    EXPECT(await(sent, 3));
    EXPECT_INT(t.fake.answers[0].asked, 1);
    add(PRL_TRACER_QUEUE_MAX + 10); // the first one's loop stands still meanwhile
    EXPECT_INT(dropped(), 10);
    prl_tracer_destroy(&t.tracer);
    t.tracer = first;
    end(false);
}

PRL_TEST_OOM(tracer_joins_or_does_not)
{
    struct prl_loop *loop;
    struct prl_tracer *first = NULL, *other = NULL;
    if (prl_loop_create(&loop, NULL) != PRL_OK)
        return;
    struct prl_tracer_conf conf = {.loop = loop, .otlp_url = "", .chrome_file = "", .version = ""};
    if (prl_tracer_create(&first, &conf) == PRL_OK && prl_tracer_join(&other, first) == PRL_OK)
        prl_tracer_add(other, &(struct prl_trace_turn){.session = "s"}); // kept, or counted as lost
    prl_tracer_destroy(&other);
    prl_tracer_destroy(&first);
    prl_loop_destroy(&loop);
}

// NULL: it is no JSON, or was being written.
static struct prl_json *read_file(void)
{
    static char text[1 << 16];
    FILE *file = fopen(t.path, "re");
    size_t len = file ? fread(text, 1, sizeof(text), file) : 0;
    if (file)
        fclose(file);
    struct prl_json *root = NULL;
    (void)!prl_json_parse(&root, text, len, NULL, 0);
    return root;
}

PRL_TEST(tracer_writes_a_file)
{
    REQUIRE(begin(200, true, 1 << 20) == PRL_OK);
    struct prl_json *root = read_file();
    EXPECT(root != NULL && prl_json_count(root) == 0);
    prl_json_free(&root);
    add(3);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    size_t count = 0;
    while (count < 24 && prl_clock_now_us() < end_us) {
        prl_loop_turn(t.loop, 5000);
        root = read_file();
        count = prl_json_count(root);
        prl_json_free(&root);
    }
    EXPECT_INT(count, 3 * 8);
    EXPECT_INT(dropped(), 0);
    end(true);
}

PRL_TEST(tracer_file_is_bounded)
{
    REQUIRE(begin(200, true, 4096) == PRL_OK);
    add(8);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (dropped() < 6 && prl_clock_now_us() < end_us)
        prl_loop_turn(t.loop, 5000);
    prl_tracer_destroy(&t.tracer);
    struct prl_json *root = read_file();
    REQUIRE(root != NULL);
    EXPECT_INT(dropped(), 8 - prl_json_count(root) / 8);
    EXPECT(prl_json_count(root) > 0 && prl_json_count(root) < 64);
    prl_json_free(&root);
    end(true);
}

PRL_TEST(tracer_needs_its_file)
{
    struct prl_tracer_conf conf = {.otlp_url = "",
                                   .chrome_file = "/nowhere/trace.json",
                                   .chrome_bytes_max = 4096,
                                   .version = "1"};
    REQUIRE(prl_loop_create(&conf.loop, NULL) == PRL_OK);
    prl_log_set_level(PRL_LOG_ERROR);
    struct prl_tracer *tracer;
    EXPECT_INT(prl_tracer_create(&tracer, &conf), PRL_ERR_IO);
    EXPECT(tracer == NULL);
    prl_loop_destroy(&conf.loop);
    prl_log_set_level(PRL_LOG_INFO);
}

PRL_TEST_OOM(tracer_create)
{
    struct prl_tracer_conf conf = {
        .otlp_url = "http://127.0.0.1:1/", .chrome_file = "", .version = "1"};
    if (prl_loop_create(&conf.loop, NULL) != PRL_OK)
        return;
    struct prl_tracer *tracer;
    (void)!prl_tracer_create(&tracer, &conf);
    prl_tracer_destroy(&tracer);
    prl_loop_destroy(&conf.loop);
}

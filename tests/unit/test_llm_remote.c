// test_llm_remote.c -- llm/remote: answers from engines elsewhere, the next one after a failure, cancel.
#include "llm/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"
#include "tests/unit/far_fake.h"
#include "tests/unit/llm_fake.h"

#define GOOD                                                                                       \
    "data: {\"choices\":[{\"delta\":{\"content\":\"Far \"}}]}\n\n"                                 \
    "data: {\"choices\":[{\"delta\":{\"content\":\"away.\"}}]}\n\n"                                \
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
#define HALF "data: {\"choices\":[{\"delta\":{\"content\":\"Far \"}}]}\n\n"

static const struct fake_reply replies[] = {{NULL, "Near."}};

struct world {
    struct far_fake far;
    struct fake_llm fake;
    struct prl_llm *local, *llm;
    struct prl_llm_stream *stream;
    struct prl_str text;
    int done, errors;
    bool cancel_at_first, close_at_first;
    int32_t first_byte_ms; // of the first engine alone
    int64_t warm_us;
    struct prl_llm_event last;
};

static void on_event(void *arg, const struct prl_llm_event *event)
{
    struct world *world = arg;
    world->last = *event;
    if (event->kind == PRL_LLM_EVENT_TOKEN)
        (void)prl_str_add(&world->text, event->text, event->len);
    world->done += event->kind == PRL_LLM_EVENT_DONE;
    world->errors += event->kind == PRL_LLM_EVENT_ERROR;
    if (world->cancel_at_first)
        prl_llm_cancel(world->stream, event->generation);
    if (world->close_at_first)
        prl_llm_close(&world->stream);
}

// Engines by path of the fake server; "-" is the embedded one.
static enum prl_err open_world(struct world *world, const char *const *paths)
{
    struct prl_pool_engine engines[4];
    size_t count = 0;
    prl_str_init(&world->text, 1 << 16);
    world->fake.replies = replies;
    for (; paths[count]; count++) {
        bool near = paths[count][0] == '-';
        engines[count] = (struct prl_pool_engine){.url = near ? NULL : paths[count],
                                                  .model = "m",
                                                  .key = "sk-secret",
                                                  .rank = (int)count};
        engines[count].limits.first_byte_ms = count == 0 ? world->first_byte_ms : 0;
    }
    struct prl_pool_conf pool = {
        .kind = "llm", .engines = engines, .count = count, .warm_us = world->warm_us};
    enum prl_err err = far_fake_open(&world->far, &pool);
    struct prl_llm_conf local = {.loop = world->far.loop,
                                 .context_tokens = 1024,
                                 .ops = &fake_llm_ops,
                                 .ops_arg = &world->fake};
    if (!err)
        err = prl_llm_create(&world->local, &local);
    struct prl_llm_remote_conf conf = {
        .loop = world->far.loop, .pool = world->far.pool, .local = world->local};
    if (!err)
        err = prl_llm_remote_create(&world->llm, &conf);
    struct prl_llm_stream_conf stream = {.fn = on_event, .arg = world};
    return err ? err : prl_llm_open(world->llm, &stream, &world->stream);
}

static void close_world(struct world *world)
{
    prl_llm_close(&world->stream);
    prl_llm_destroy(&world->llm);
    prl_llm_destroy(&world->local);
    far_fake_close(&world->far);
    prl_str_free(&world->text);
}

static enum prl_err ask(struct world *world, uint32_t generation)
{
    struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "Where?", .len = 6};
    struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};
    struct prl_llm_params params = {.max_output_tokens = 100, .committed = true};
    world->done = world->errors = 0;
    prl_str_clear(&world->text);
    return prl_llm_generate(world->stream, generation, &prompt, &params);
}

static void set_answer(struct world *world, int index, const char *path, unsigned status,
                       const char *body)
{
    world->far.server.answers[index] = (struct http_fake_answer){
        .path = path, .status = status, .type = "text/event-stream", .body = body};
}

PRL_TEST(llm_remote_answers)
{
    static struct world world;
    static const char *const paths[] = {"/a", NULL};
    set_answer(&world, 0, "/a/chat/completions", 200, GOOD);
    REQUIRE(open_world(&world, paths) == PRL_OK);
    EXPECT_INT(prl_llm_state(world.llm), PRL_LLM_READY);
    for (uint32_t generation = 1; generation <= 3; generation++) {
        EXPECT_OK(ask(&world, generation));
        EXPECT_INT(world.done, 0); // never from inside
        EXPECT(far_fake_wait(&world.far, &world.done, 1));
        EXPECT_INT(world.last.generation, generation);
        EXPECT_TEXT(prl_str_text(&world.text), "Far away.");
    }
    EXPECT_TEXT(world.far.server.key, "Bearer sk-secret");
    EXPECT(strstr(world.far.server.last, "Where?") != NULL);
    struct prl_str metrics;
    prl_str_init(&metrics, 1 << 16);
    prl_pool_render(&world.far.pool, 1, &metrics);
    EXPECT(strstr(prl_str_text(&metrics), "parley_engine_requests_total{kind=\"llm\"") != NULL);
    EXPECT(strstr(prl_str_text(&metrics), "secret") == NULL);
    prl_str_free(&metrics);
    close_world(&world);
}

static uint64_t connections(const struct world *world)
{
    struct prl_http_stats stats;
    prl_http_stats(world->far.server.http, &stats);
    return stats.accepted;
}

static bool wait_until_idle(struct world *world)
{
    struct prl_fetch_stats stats = {.requests = 1};
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (stats.requests > 0 && prl_clock_now_us() < until) {
        prl_loop_turn(world->far.loop, 20000);
        prl_fetch_stats(world->far.fetch, &stats);
    }
    return stats.requests == 0;
}

PRL_TEST(llm_remote_opens_connections_ahead)
{
    static struct world world;
    static const char *const paths[] = {"/a", "/b", NULL};
    set_answer(&world, 0, "/a/chat/completions", 200, GOOD);
    set_answer(&world, 1, "/a/models", 200, "{}");
    set_answer(&world, 2, "/b/models", 200, "{}");
    world.warm_us = INT64_C(3600000000);
    REQUIRE(open_world(&world, paths) == PRL_OK);
    world.warm_us = 0;
    prl_llm_warm(world.llm);
    prl_llm_warm(world.llm); // one is under way
    EXPECT(wait_until_idle(&world));
    EXPECT_INT(world.far.server.answers[1].asked, 1);
    EXPECT_INT(connections(&world), 1);
    EXPECT_OK(ask(&world, 1)); // on that connection
    EXPECT(far_fake_wait(&world.far, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Far away.");
    EXPECT_INT(connections(&world), 1);
    EXPECT(wait_until_idle(&world));
    prl_llm_warm(world.llm); // there was contact just now
    EXPECT(wait_until_idle(&world));
    EXPECT_INT(world.far.server.answers[1].asked, 1);
    EXPECT_INT(world.far.server.answers[2].asked, 0); // not its turn
    struct prl_str metrics;
    prl_str_init(&metrics, 1 << 16);
    prl_pool_render(&world.far.pool, 1, &metrics);
    EXPECT(strstr(prl_str_text(&metrics), "parley_engine_warmed_total{kind=\"llm\"") != NULL);
    EXPECT(strstr(prl_str_text(&metrics), "\"} 1\n") != NULL);
    prl_str_free(&metrics);
    close_world(&world);
    // Switched off.
    REQUIRE(open_world(&world, paths) == PRL_OK);
    prl_llm_warm(world.llm);
    EXPECT(wait_until_idle(&world));
    EXPECT_INT(world.far.server.answers[1].asked, 1);
    close_world(&world);
}

PRL_TEST(llm_remote_falls_back_within_the_answer)
{
    static struct world world;
    static const char *const paths[] = {"/a", "/b", "-", NULL};
    set_answer(&world, 0, "/a/chat/completions", 500, "{}");
    set_answer(&world, 1, "/b/chat/completions", 200, "data: {no json\n\n");
    REQUIRE(open_world(&world, paths) == PRL_OK);
    EXPECT_OK(ask(&world, 1));
    EXPECT(far_fake_wait(&world.far, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Near.");
    EXPECT_INT(world.errors, 0);
    // The first recovers: it is asked first again.
    set_answer(&world, 0, "/a/chat/completions", 200, GOOD);
    EXPECT_OK(ask(&world, 2));
    EXPECT(far_fake_wait(&world.far, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Far away.");
    // What was begun is not begun again by another.
    set_answer(&world, 0, "/a/chat/completions", 200, HALF);
    EXPECT_OK(ask(&world, 3));
    EXPECT(far_fake_wait(&world.far, &world.errors, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Far ");
    EXPECT_INT(world.last.generation, 3);
    close_world(&world);
}

PRL_TEST(llm_remote_waits_as_long_as_an_engine_may_take)
{
    static struct world world;
    static const char *const paths[] = {"/a", "/b", NULL};
    world.first_byte_ms = 50;
    set_answer(&world, 0, "/a/chat/completions", 0, "");
    set_answer(&world, 1, "/b/chat/completions", 200, GOOD);
    REQUIRE(open_world(&world, paths) == PRL_OK);
    EXPECT_INT(prl_pool_limits(world.far.pool, 0)->first_byte_ms, 50);
    EXPECT_INT(prl_pool_limits(world.far.pool, 1)->first_byte_ms, 100000);
    EXPECT_INT(prl_pool_limits(world.far.pool, 0)->gap_ms, 100000);
    EXPECT_OK(ask(&world, 1));
    EXPECT(far_fake_wait(&world.far, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Far away.");
    EXPECT_INT(world.errors, 0);
    close_world(&world);
}

PRL_TEST(llm_remote_fails_when_nobody_is_left)
{
    static struct world world;
    static const char *const paths[] = {"/a", NULL};
    set_answer(&world, 0, "/a/chat/completions", 429, "{}");
    REQUIRE(open_world(&world, paths) == PRL_OK);
    for (uint32_t generation = 1; generation <= 3; generation++) {
        EXPECT_OK(ask(&world, generation));
        EXPECT(far_fake_wait(&world.far, &world.errors, 1));
    }
    // The breaker is open: refused at once.
    EXPECT_INT(ask(&world, 4), PRL_ERR_ENGINE);
    EXPECT_INT(world.errors, 0);
    EXPECT_INT(prl_llm_stats(world.llm).failures, 3);
    close_world(&world);
}

PRL_TEST(llm_remote_cancel_ends_the_request)
{
    static struct world world;
    static const char *const paths[] = {"/a", NULL};
    set_answer(&world, 0, "/a/chat/completions", 0, "");
    REQUIRE(open_world(&world, paths) == PRL_OK);
    EXPECT_OK(ask(&world, 1));
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[0].asked, 1));
    prl_llm_cancel(world.stream, 1);
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[0].gone, 1));
    EXPECT_INT(world.errors + world.done, 0);
    // From inside its first event: nothing more comes.
    set_answer(&world, 0, "/a/chat/completions", 200, GOOD);
    world.cancel_at_first = true;
    EXPECT_OK(ask(&world, 2));
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world.text.len == 0 && prl_clock_now_us() < until)
        prl_loop_turn(world.far.loop, 20000);
    world.cancel_at_first = false;
    EXPECT_TEXT(prl_str_text(&world.text), "Far ");
    EXPECT_OK(ask(&world, 3));
    EXPECT(far_fake_wait(&world.far, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Far away.");
    // Closed from inside its first event, and with a request under way.
    world.close_at_first = true;
    EXPECT_OK(ask(&world, 4));
    while (world.stream && prl_clock_now_us() < until)
        prl_loop_turn(world.far.loop, 20000);
    EXPECT(world.stream == NULL);
    close_world(&world);
}

PRL_TEST_OOM(llm_remote_without_memory)
{
    static struct world world;
    static const char *const paths[] = {"/a", NULL};
    memset(&world, 0, sizeof(world));
    set_answer(&world, 0, "/a/chat/completions", 200, GOOD);
    if (open_world(&world, paths) == PRL_OK && ask(&world, 1) == PRL_OK) {
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 100000 : PRL_TEST_WAIT_US);
        while (!world.done && !world.errors && prl_clock_now_us() < until)
            prl_loop_turn(world.far.loop, 20000);
        EXPECT(prl_test_oom() || world.done == 1);
    }
    close_world(&world);
}

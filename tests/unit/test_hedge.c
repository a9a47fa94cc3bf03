// test_hedge.c -- a second request when the first is slow: who answers first is heard, the other ends.
#include "engine/hedge.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/tail.h"
#include "tests/unit.h"
#include "tests/unit/far_fake.h"

struct world {
    struct far_fake far;
    struct prl_hedge *hedge;
    struct prl_hedge_who who;
    struct prl_str text;
    char type[32];
    int heads, ends;
    enum prl_fetch_failure failure;
    unsigned status;
    bool cancel_at_head, cancel_at_data;
};

static void on_head(void *arg, unsigned status, const char *type)
{
    struct world *world = arg;
    (void)status;
    world->heads++;
    (void)snprintf(world->type, sizeof(world->type), "%s", type);
    if (world->cancel_at_head)
        prl_hedge_cancel(&world->hedge);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct world *world = arg;
    (void)prl_str_add(&world->text, data, len);
    if (world->cancel_at_data)
        prl_hedge_cancel(&world->hedge);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct world *world = arg;
    world->hedge = NULL;
    world->ends++;
    world->failure = end->failure;
    world->status = end->status;
}

static const struct prl_fetch_ops ops = {on_head, on_data, on_end};

// Two URLs of one engine, and what comes after it. The first one was asked often, and was quick.
static enum prl_err open_world(struct world *world, size_t count, int32_t first_byte_ms)
{
    static const struct prl_pool_engine engines[] = {
        {.url = "/a", .model = "m", .hedge = 95},
        {.url = "/b", .model = "m", .hedge = 95},
        {.url = "/other", .model = "m", .rank = 1, .hedge = 95}};
    prl_str_init(&world->text, 1 << 16);
    struct prl_pool_conf conf = {.kind = "llm",
                                 .engines = engines,
                                 .count = count,
                                 .limits = {.first_byte_ms = first_byte_ms}};
    enum prl_err err = far_fake_open(&world->far, &conf);
    for (int i = 0; i < PRL_TAIL_MIN && !err; i++) {
        prl_pool_end(world->far.pool, prl_pool_pick(world->far.pool, ~UINT32_C(1)), PRL_OUTCOME_OK,
                     PRL_FETCH_OK, NULL);
        prl_pool_took(world->far.pool, 0, 1000);
    }
    return err;
}

static void close_world(struct world *world)
{
    if (world->hedge)
        prl_pool_end(world->far.pool, world->who.engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
    prl_hedge_cancel(&world->hedge);
    far_fake_close(&world->far);
    prl_str_free(&world->text);
}

static void set_answer(struct world *world, int index, const char *path, unsigned status)
{
    world->far.server.answers[index] = (struct http_fake_answer){
        .path = path, .status = status, .type = "text/plain", .body = path};
}

static enum prl_err ask(struct world *world)
{
    struct prl_fetch_ask fetch = {
        .content_type = "text/plain", .body = "hello", .body_size = 5, .ops = &ops, .arg = world};
    world->ends = world->heads = 0;
    prl_str_clear(&world->text);
    world->who = (struct prl_hedge_who){.engine = prl_pool_pick(world->far.pool, ~UINT32_C(1))};
    enum prl_err err = prl_hedge_post(world->far.pool, "", &fetch, &world->who, &world->hedge);
    if (err)
        prl_pool_end(world->far.pool, world->who.engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY,
                     NULL);
    return err;
}

static void tell_pool(struct world *world, enum prl_outcome outcome)
{
    prl_pool_end(world->far.pool, world->who.engine, outcome, world->failure, "it failed");
}

static bool metrics_have(struct world *world, const char *line)
{
    struct prl_str text;
    prl_str_init(&text, 1 << 16);
    prl_pool_render(&world->far.pool, 1, &text);
    bool has = strstr(prl_str_text(&text), line) != NULL;
    prl_str_free(&text);
    return has;
}

static void expect_idle(struct world *world)
{
    struct prl_str text;
    prl_str_init(&text, 1 << 16);
    prl_pool_render(&world->far.pool, 1, &text);
    const char *at = prl_str_text(&text);
    while ((at = strstr(at, "\nparley_engine_in_flight{"))) {
        at = strchr(at, '}');
        EXPECT(at && strncmp(at, "} 0\n", 4) == 0);
    }
    prl_str_free(&text);
}

PRL_TEST(hedge_hears_the_second_when_the_first_is_slow)
{
    static struct world world;
    REQUIRE(open_world(&world, 3, 1000000) == PRL_OK);
    set_answer(&world, 0, "/a", 0);
    set_answer(&world, 1, "/b", 200);
    EXPECT_OK(ask(&world));
    EXPECT_INT(world.who.engine, 0);
    EXPECT(far_fake_wait(&world.far, &world.ends, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "/b");
    EXPECT_TEXT(world.type, "text/plain");
    EXPECT(world.heads == 1 && world.who.engine == 1 && world.failure == PRL_FETCH_OK);
    EXPECT_TEXT(world.far.server.last, "hello");
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[0].gone, 1));
    tell_pool(&world, PRL_OUTCOME_OK);
    expect_idle(&world);
    char name[128];
    (void)snprintf(name, sizeof(name), "parley_engine_hedges_total{kind=\"llm\",engine=\"%s\"} 1\n",
                   prl_pool_name(world.far.pool, 1));
    EXPECT(metrics_have(&world, name));
    (void)snprintf(name, sizeof(name),
                   "parley_engine_hedges_won_total{kind=\"llm\",engine=\"%s\"} 1\n",
                   prl_pool_name(world.far.pool, 1));
    EXPECT(metrics_have(&world, name));
    (void)snprintf(name, sizeof(name),
                   "parley_engine_canceled_total{kind=\"llm\",engine=\"%s\"} 1\n",
                   prl_pool_name(world.far.pool, 0));
    EXPECT(metrics_have(&world, name));
    close_world(&world);
}

PRL_TEST(hedge_is_not_sent_when_the_first_answers)
{
    static struct world world;
    REQUIRE(open_world(&world, 1, 1000000) == PRL_OK);
    for (int i = 0; i < PRL_TAIL_SIZE; i++)
        prl_pool_took(world.far.pool, 0, INT64_C(1000) * PRL_TEST_WAIT_US);
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned statuses[] = {200, 400, 503};
        set_answer(&world, 0, "/a", statuses[i]);
        EXPECT_OK(ask(&world));
        EXPECT(far_fake_wait(&world.far, &world.ends, 1));
        EXPECT_INT(world.status, statuses[i]);
        EXPECT_INT(world.heads, i == 0);
        tell_pool(&world, i == 0 ? PRL_OUTCOME_OK : PRL_OUTCOME_FAILED);
        EXPECT_INT(world.far.server.answers[0].asked, 1);
    }
    expect_idle(&world);
    close_world(&world);
}

PRL_TEST(hedge_tells_only_the_last_failure)
{
    static struct world world;
    REQUIRE(open_world(&world, 3, 400) == PRL_OK);
    set_answer(&world, 0, "/a", 0);
    set_answer(&world, 1, "/b", 0);
    EXPECT_OK(ask(&world));
    EXPECT(far_fake_wait(&world.far, &world.ends, 1));
    EXPECT_INT(world.failure, PRL_FETCH_FIRST_BYTE);
    // Usually it is the first that fails first.
    EXPECT(world.who.failed == 1U << (1 - world.who.engine));
    EXPECT(world.far.server.answers[0].asked == 1 && world.far.server.answers[1].asked == 1);
    tell_pool(&world, PRL_OUTCOME_FAILED);
    expect_idle(&world);
    // The second fails at once: the first goes on, and answers.
    set_answer(&world, 1, "/b", 500);
    EXPECT_OK(ask(&world));
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[1].asked, 1));
    EXPECT(far_fake_wait(&world.far, &world.ends, 1)); // in this case with its own limit
    EXPECT(world.who.engine == 0 && world.who.failed == 2 && world.failure == PRL_FETCH_FIRST_BYTE);
    tell_pool(&world, PRL_OUTCOME_FAILED);
    expect_idle(&world);
    close_world(&world);
}

PRL_TEST(hedge_refused_is_refused)
{
    static struct world world;
    REQUIRE(open_world(&world, 2, 1000000) == PRL_OK);
    set_answer(&world, 0, "/a", 0);
    set_answer(&world, 1, "/b", 400);
    EXPECT_OK(ask(&world));
    EXPECT(far_fake_wait(&world.far, &world.ends, 1));
    EXPECT(world.status == 400 && world.who.engine == 1);
    tell_pool(&world, PRL_OUTCOME_REFUSED);
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[0].gone, 1));
    expect_idle(&world);
    close_world(&world);
}

PRL_TEST(hedge_cancel_ends_both)
{
    static struct world world;
    REQUIRE(open_world(&world, 1, 1000000) == PRL_OK); // the same URL again
    set_answer(&world, 0, "/a", 0);
    EXPECT_OK(ask(&world));
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[0].asked, 2));
    prl_hedge_cancel(&world.hedge);
    tell_pool(&world, PRL_OUTCOME_CANCELED);
    EXPECT(far_fake_wait(&world.far, &world.far.server.answers[0].gone, 2));
    EXPECT_INT(world.ends, 0);
    expect_idle(&world);
    // From inside its callbacks.
    set_answer(&world, 0, "/a", 200);
    world.cancel_at_head = true;
    EXPECT_OK(ask(&world));
    EXPECT(far_fake_wait(&world.far, &world.heads, 1));
    EXPECT(world.hedge == NULL);
    tell_pool(&world, PRL_OUTCOME_CANCELED);
    world.cancel_at_head = false;
    world.cancel_at_data = true;
    EXPECT_OK(ask(&world));
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world.hedge && prl_clock_now_us() < until)
        prl_loop_turn(world.far.loop, 20000);
    EXPECT_TEXT(prl_str_text(&world.text), "/a");
    tell_pool(&world, PRL_OUTCOME_CANCELED);
    expect_idle(&world);
    close_world(&world);
}

PRL_TEST(hedge_has_a_budget)
{
    static struct world world;
    REQUIRE(open_world(&world, 2, 1000000) == PRL_OK); // 20 requests pay for two
    int paid = 0, second;
    while ((second = prl_pool_pick_second(world.far.pool, 0)) >= 0 && paid < 10) {
        EXPECT_INT(second, 1);
        prl_pool_end(world.far.pool, second, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
        paid++;
    }
    EXPECT_INT(paid, 2);
    close_world(&world);
}

PRL_TEST_OOM(hedge_without_memory)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    if (open_world(&world, 2, 1000000) == PRL_OK) {
        set_answer(&world, 0, "/a", 0);
        set_answer(&world, 1, "/b", 200);
        bool asked = ask(&world) == PRL_OK;
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 100000 : PRL_TEST_WAIT_US);
        while (asked && !world.ends && prl_clock_now_us() < until)
            prl_loop_turn(world.far.loop, 20000);
        EXPECT(prl_test_oom() || world.ends == 1);
        if (world.ends)
            tell_pool(&world, PRL_OUTCOME_OK);
    }
    close_world(&world);
}

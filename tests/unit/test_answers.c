// test_answers.c -- answers given again: same words and usage, never to others, never with tools, in bounds.
#include "llm/answers.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/llm_fake.h"

#define WORDS                                                                                      \
    "A long answer, longer than one piece of it, with \xE4\xBD\xA0\xE5\xA5\xBD and more words."

static const struct fake_reply replies[] = {{NULL, WORDS}};

struct world {
    struct prl_loop *loop;
    struct fake_llm fake;
    struct prl_llm *model, *llm;
    struct prl_llm_stream *stream;
    struct prl_str text;
    int pieces, done, errors;
    bool cancel_at_first, close_at_first;
    struct prl_llm_event last;
    uint32_t generation;
};

static void on_event(void *arg, const struct prl_llm_event *event)
{
    struct world *world = arg;
    world->last = *event;
    if (event->kind == PRL_LLM_EVENT_TOKEN) {
        (void)prl_str_add(&world->text, event->text, event->len);
        world->pieces++;
        EXPECT(prl_utf8_valid(event->text, event->len));
    }
    world->done += event->kind == PRL_LLM_EVENT_DONE;
    world->errors += event->kind == PRL_LLM_EVENT_ERROR;
    if (world->cancel_at_first)
        prl_llm_cancel(world->stream, event->generation);
    if (world->close_at_first)
        prl_llm_close(&world->stream);
}

static enum prl_err open_world(struct world *world, const struct prl_answers_conf *bounds)
{
    *world = (struct world){.fake = {.replies = replies}};
    prl_str_init(&world->text, 1 << 16);
    enum prl_err err = prl_loop_create(&world->loop, NULL);
    struct prl_llm_conf model = {
        .loop = world->loop, .context_tokens = 1024, .ops = &fake_llm_ops, .ops_arg = &world->fake};
    if (!err)
        err = prl_llm_create(&world->model, &model);
    struct prl_answers_conf conf = *bounds;
    conf.loop = world->loop;
    conf.model = world->model;
    conf.name = "m";
    if (!err)
        err = prl_answers_create(&world->llm, &conf);
    struct prl_llm_stream_conf stream = {.fn = on_event, .arg = world};
    return err ? err : prl_llm_open(world->llm, &stream, &world->stream);
}

static void close_world(struct world *world)
{
    prl_llm_close(&world->stream);
    prl_llm_destroy(&world->llm);
    prl_llm_destroy(&world->model);
    prl_loop_destroy(&world->loop);
    prl_str_free(&world->text);
}

static const struct prl_answers_conf wide = {
    .entries_max = 100, .bytes_max = 1 << 20, .age_us_max = INT64_C(3600000000)};

struct wish {
    const char *text, *owner;
    double temperature;
    const struct prl_llm_tool *tool;
    int most;
};

// Asks, and waits for the end; true: it came out of the store.
static bool ask(struct world *world, const struct wish *wish)
{
    struct prl_llm_message message = {
        .role = PRL_LLM_USER, .text = wish->text, .len = strlen(wish->text)};
    struct prl_llm_prompt prompt = {.messages = &message,
                                    .message_count = 1,
                                    .tools = wish->tool,
                                    .tool_count = wish->tool != NULL};
    struct prl_llm_params params = {.max_output_tokens = wish->most ? wish->most : 200,
                                    .temperature = wish->temperature,
                                    .owner = wish->owner,
                                    .committed = true};
    uint64_t before = prl_llm_stats(world->model).generations;
    world->done = world->errors = world->pieces = 0;
    prl_str_clear(&world->text);
    EXPECT_OK(prl_llm_generate(world->stream, ++world->generation, &prompt, &params));
    EXPECT_INT(world->done, 0); // never from inside
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world->done + world->errors == 0 && prl_clock_now_us() < until)
        prl_loop_turn(world->loop, 20000);
    EXPECT_INT(world->done, 1);
    EXPECT_INT(world->last.generation, world->generation);
    return prl_llm_stats(world->model).generations == before;
}

PRL_TEST(answers_are_given_again)
{
    static struct world world;
    REQUIRE(open_world(&world, &wide) == PRL_OK);
    const struct wish wish = {.text = "Where?"};
    EXPECT(!ask(&world, &wish));
    struct prl_llm_usage usage = world.last.usage;
    EXPECT_TEXT(prl_str_text(&world.text), WORDS);
    EXPECT(usage.input_tokens > 0 && usage.output_tokens > 0);
    EXPECT(ask(&world, &wish));
    EXPECT_TEXT(prl_str_text(&world.text), WORDS);
    EXPECT(world.pieces > 1); // a stream
    EXPECT_INT(world.last.usage.input_tokens, usage.input_tokens);
    EXPECT_INT(world.last.usage.cached_tokens, usage.input_tokens);
    EXPECT_INT(world.last.usage.output_tokens, usage.output_tokens);
    EXPECT_INT(world.last.reason, PRL_LLM_REASON_STOP);
    struct prl_str metrics;
    prl_str_init(&metrics, 4096);
    prl_answers_render(world.llm, &metrics);
    EXPECT(strstr(prl_str_text(&metrics), "\nparley_answers 1\n") != NULL);
    prl_str_free(&metrics);
    close_world(&world);
}

PRL_TEST(answers_are_nobody_elses)
{
    static struct world world;
    static const struct prl_llm_tool tool = {"look", NULL, NULL};
    REQUIRE(open_world(&world, &wide) == PRL_OK);
    const struct wish wish = {.text = "Where?", .owner = "a"};
    EXPECT(!ask(&world, &wish));
    EXPECT(ask(&world, &wish));
    const struct wish others[] = {
        {.text = "Where?", .owner = "b"},  {.text = "Where?"},
        {.text = "Where? ", .owner = "a"}, {.text = "Where?", .owner = "a", .most = 199},
        {.text = "Where", .owner = "a6:"},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        EXPECT(!ask(&world, &others[i]));
    // Never with tools, never where words are drawn.
    const struct wish never[] = {{.text = "Where?", .owner = "a", .tool = &tool},
                                 {.text = "Where?", .owner = "a", .temperature = 0.7},
                                 {.text = "Where?", .owner = "a", .temperature = -1}};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        for (int twice = 0; twice < 2; twice++)
            EXPECT(!ask(&world, &never[i]));
    EXPECT(ask(&world, &wish));
    close_world(&world);
    // … unless that is wanted.
    struct prl_answers_conf sampled = wide;
    sampled.sampled = true;
    REQUIRE(open_world(&world, &sampled) == PRL_OK);
    EXPECT(!ask(&world, &never[1]));
    EXPECT(ask(&world, &never[1]));
    EXPECT(!ask(&world, &never[0]) && !ask(&world, &never[0]));
    close_world(&world);
}

PRL_TEST(answers_are_kept_in_bounds)
{
    static struct world world;
    const struct prl_answers_conf narrow = {
        .entries_max = 2, .bytes_max = 1 << 20, .age_us_max = INT64_C(3600000000)};
    const struct wish one = {.text = "One?"};
    const struct wish two = {.text = "Two?"};
    const struct wish three = {.text = "Three?"};
    REQUIRE(open_world(&world, &narrow) == PRL_OK);
    EXPECT(!ask(&world, &one) && !ask(&world, &two));
    EXPECT(ask(&world, &one)); // now the other one was used longest ago
    EXPECT(!ask(&world, &three));
    EXPECT(ask(&world, &one) && ask(&world, &three));
    EXPECT(!ask(&world, &two));
    close_world(&world);
    // Too old, or too large, is not kept.
    const struct prl_answers_conf brief = {.entries_max = 2, .bytes_max = 1 << 20, .age_us_max = 0};
    REQUIRE(open_world(&world, &brief) == PRL_OK);
    EXPECT(!ask(&world, &one) && !ask(&world, &one));
    close_world(&world);
    const struct prl_answers_conf small = {
        .entries_max = 2, .bytes_max = 300, .age_us_max = INT64_C(3600000000)};
    REQUIRE(open_world(&world, &small) == PRL_OK);
    EXPECT(!ask(&world, &one) && !ask(&world, &one));
    close_world(&world);
}

PRL_TEST(answers_given_again_can_be_stopped)
{
    static struct world world;
    const struct wish wish = {.text = "Where?"};
    struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "Where?", .len = 6};
    struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};
    struct prl_llm_params params = {.max_output_tokens = 200, .committed = true};
    REQUIRE(open_world(&world, &wide) == PRL_OK);
    EXPECT(!ask(&world, &wish));
    // At once: no event.
    world.done = world.pieces = 0;
    EXPECT_OK(prl_llm_generate(world.stream, ++world.generation, &prompt, &params));
    prl_llm_cancel(world.stream, world.generation);
    EXPECT(ask(&world, &wish));
    // From inside its first event: one piece.
    world.done = world.pieces = 0;
    world.cancel_at_first = true;
    EXPECT_OK(prl_llm_generate(world.stream, ++world.generation, &prompt, &params));
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world.pieces == 0 && prl_clock_now_us() < until)
        prl_loop_turn(world.loop, 20000);
    world.cancel_at_first = false;
    EXPECT(ask(&world, &wish));
    EXPECT_TEXT(prl_str_text(&world.text), WORDS);
    // The stream goes in it.
    world.done = world.pieces = 0;
    world.close_at_first = true;
    EXPECT_OK(prl_llm_generate(world.stream, ++world.generation, &prompt, &params));
    until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world.stream && prl_clock_now_us() < until)
        prl_loop_turn(world.loop, 20000);
    EXPECT(world.stream == NULL);
    close_world(&world);
}

PRL_TEST_OOM(answers_without_memory)
{
    static struct world world;
    if (open_world(&world, &wide) == PRL_OK) {
        struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "Where?", .len = 6};
        struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};
        struct prl_llm_params params = {.max_output_tokens = 20, .committed = true};
        for (uint32_t i = 1; i <= 2; i++) {
            world.done = world.errors = 0;
            if (prl_llm_generate(world.stream, i, &prompt, &params) != PRL_OK)
                continue;
            int64_t until = prl_clock_now_us() + 200000;
            while (world.done + world.errors == 0 && prl_clock_now_us() < until)
                prl_loop_turn(world.loop, 20000);
        }
    }
    close_world(&world);
}

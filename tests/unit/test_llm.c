// test_llm.c -- llm/llm and llm/worker: the front on a real loop with a scripted model on the lane.
#include "llm/llm.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "llm/worker.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/llm_fake.h"
#include "tests/unit/two_loops.h"

static const struct fake_reply replies[] = {{"long", "One two three four five six seven."},
                                            {"tool", "{\"name\": \"f\", \"arguments\": {\"a\":1}}"},
                                            {NULL, "Yes, 好."}};

struct world {
    struct fake_llm fake;
    struct prl_loop *loop;
    struct prl_llm *llm;
    struct prl_llm_stream *stream;
    struct prl_str text;
    int done, errors, states;
    bool cancel_at_first; // cancel from inside the first event
    bool close_at_first;
    struct prl_llm_event last;
};

static void on_event(void *arg, const struct prl_llm_event *event)
{
    struct world *world = arg;
    world->last = *event;
    if (event->kind == PRL_LLM_EVENT_TOKEN || event->kind == PRL_LLM_EVENT_TOOL_ARGS ||
        event->kind == PRL_LLM_EVENT_ERROR)
        prl_str_add(&world->text, event->text, event->len);
    if (event->kind == PRL_LLM_EVENT_TOOL_BEGIN)
        prl_str_addf(&world->text, "[%s]", event->name);
    world->done += event->kind == PRL_LLM_EVENT_DONE;
    world->errors += event->kind == PRL_LLM_EVENT_ERROR;
    if (world->cancel_at_first)
        prl_llm_cancel(world->stream, event->generation);
    if (world->close_at_first)
        prl_llm_close(&world->stream);
}

static void on_state(void *arg, enum prl_llm_state state, const char *text)
{
    struct world *world = arg;
    world->states++;
    EXPECT(state != PRL_LLM_LOADING && text && text[0]);
}

static enum prl_err open_world(struct world *world)
{
    world->fake.replies = replies;
    prl_str_init(&world->text, 1 << 16);
    enum prl_err err = prl_loop_create(&world->loop, NULL);
    if (err)
        return err;
    struct prl_llm_conf conf = {.loop = world->loop,
                                .context_tokens = 1024,
                                .ops = &fake_llm_ops,
                                .ops_arg = &world->fake,
                                .on_state = on_state,
                                .arg = world};
    err = prl_llm_create(&world->llm, &conf);
    if (err)
        return err;
    struct prl_llm_stream_conf stream = {.fn = on_event, .arg = world};
    return prl_llm_open(world->llm, &stream, &world->stream);
}

static void close_world(struct world *world)
{
    prl_llm_close(&world->stream);
    prl_llm_destroy(&world->llm);
    if (world->loop)
        prl_loop_destroy(&world->loop);
    prl_str_free(&world->text);
    EXPECT(!world->fake.wrong);
    EXPECT_INT(world->fake.loads, world->fake.unloads);
}

static enum prl_err ask(struct world *world, uint32_t generation, const char *user, bool tools)
{
    struct prl_llm_message message = {.role = PRL_LLM_USER, .text = user, .len = strlen(user)};
    struct prl_llm_tool tool = {.name = "f"};
    struct prl_llm_prompt prompt = {
        .messages = &message, .message_count = 1, .tools = &tool, .tool_count = tools ? 1 : 0};
    struct prl_llm_params params = {.max_output_tokens = 100, .committed = true};
    return prl_llm_generate(world->stream, generation, &prompt, &params);
}

// Turns the loop until *count reaches `wanted`, at most PRL_TEST_WAIT_US.
static bool wait_for(struct world *world, const int *count, int wanted)
{
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < wanted && prl_clock_now_us() < until)
        prl_loop_turn(world->loop, 20000);
    return *count >= wanted;
}

PRL_TEST(llm_answers_and_calls)
{
    struct world world = {0};
    REQUIRE(open_world(&world) == PRL_OK);
    EXPECT_INT(prl_llm_state(world.llm), PRL_LLM_LOADING);
    EXPECT_OK(ask(&world, 1, "hello", false)); // waits for the loading
    EXPECT(wait_for(&world, &world.done, 1));
    EXPECT_INT(world.states, 1);
    EXPECT_INT(prl_llm_state(world.llm), PRL_LLM_READY);
    EXPECT_TEXT(prl_str_text(&world.text), "Yes, 好.");
    EXPECT_INT(world.last.usage.output_tokens, (int)strlen("Yes, 好."));
    EXPECT_INT(world.last.generation, 1);
    prl_str_clear(&world.text);
    EXPECT_OK(ask(&world, 2, "a tool", true));
    EXPECT(wait_for(&world, &world.done, 2));
    EXPECT_TEXT(prl_str_text(&world.text), "[f]{\"a\":1}");
    EXPECT_INT(world.last.reason, PRL_LLM_REASON_TOOL);
    close_world(&world);
}

PRL_TEST(llm_stops_where_it_is_told)
{
    static const char *const stops[] = {"none of it", "s,"};
    struct world world = {0};
    struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "hello", .len = 5};
    struct prl_llm_prompt prompt = {
        .messages = &message, .message_count = 1, .stops = stops, .stop_count = 2};
    struct prl_llm_params params = {.max_output_tokens = 100, .committed = true};
    REQUIRE(open_world(&world) == PRL_OK);
    EXPECT_OK(prl_llm_generate(world.stream, 1, &prompt, &params)); // "Yes, …", a byte a token
    EXPECT(wait_for(&world, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Ye");
    EXPECT_INT(world.last.reason, PRL_LLM_REASON_STOP);
    EXPECT_INT(world.last.usage.output_tokens, 4);
    prl_str_clear(&world.text);
    prompt.stop_count = 1; // what only looks like the beginning of one is given out
    EXPECT_OK(prl_llm_generate(world.stream, 2, &prompt, &params));
    EXPECT(wait_for(&world, &world.done, 2));
    EXPECT_TEXT(prl_str_text(&world.text), "Yes, \xE5\xA5\xBD.");
    close_world(&world);
}

PRL_TEST(llm_nothing_after_cancel)
{
    struct world world = {0};
    REQUIRE(open_world(&world) == PRL_OK);
    EXPECT_OK(ask(&world, 1, "long", false));
    world.cancel_at_first = true;
    EXPECT(wait_for(&world, &world.states, 1));
    while (world.text.len == 0)
        prl_loop_turn(world.loop, 20000);
    EXPECT_TEXT(prl_str_text(&world.text), "O");
    world.cancel_at_first = false;
    prl_str_clear(&world.text);
    EXPECT_OK(ask(&world, 2, "hello", false));
    prl_llm_cancel(world.stream, 1); // older: no effect
    EXPECT(wait_for(&world, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Yes, 好.");
    // A newer answer replaces the one before, which ends without an event.
    prl_str_clear(&world.text);
    EXPECT_OK(ask(&world, 3, "long", false));
    EXPECT_OK(ask(&world, 4, "long", false));
    EXPECT_OK(ask(&world, 5, "hello", false));
    EXPECT(wait_for(&world, &world.done, 2));
    EXPECT_TEXT(prl_str_text(&world.text), "Yes, 好.");
    EXPECT_INT(world.last.generation, 5);
    EXPECT_INT(world.errors, 0);
    close_world(&world);
}

PRL_TEST(llm_close_inside_an_event)
{
    struct world world = {0};
    REQUIRE(open_world(&world) == PRL_OK);
    world.close_at_first = true;
    EXPECT_OK(ask(&world, 1, "long", false));
    EXPECT(wait_for(&world, &world.states, 1));
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world.stream && prl_clock_now_us() < until)
        prl_loop_turn(world.loop, 20000);
    EXPECT(world.stream == NULL);
    EXPECT_INT(world.done + world.errors, 0);
    close_world(&world);
}

PRL_TEST(llm_prefill_and_overload)
{
    struct world world = {0};
    REQUIRE(open_world(&world) == PRL_OK);
    struct prl_llm_message message = {.role = PRL_LLM_USER, .text = "hello"};
    struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1, .open = true};
    // Thousands of wishes on one stream are one message at a time; the newest counts.
    for (uint32_t i = 0; i < 5000; i++) {
        message.len = 1 + i % 5;
        EXPECT_OK(prl_llm_prefill(world.stream, i, &prompt));
        prl_llm_cancel(world.stream, i);
    }
    EXPECT_OK(ask(&world, 6000, "hello", false));
    EXPECT_OK(prl_llm_prefill(world.stream, 6001, &prompt)); // never replaces an answer
    EXPECT(wait_for(&world, &world.done, 1));
    EXPECT_TEXT(prl_str_text(&world.text), "Yes, 好.");
    struct prl_llm_params params = {0};
    EXPECT_INT(prl_llm_generate(world.stream, 6002, &prompt, &params), PRL_ERR_INVALID);
    close_world(&world);
}

PRL_TEST(llm_load_failure)
{
    struct world world = {.fake = {.fail_load = true}};
    REQUIRE(open_world(&world) == PRL_OK);
    enum prl_err err = ask(&world, 1, "hello", false);
    EXPECT_OK(err);
    EXPECT(wait_for(&world, &world.states, 1));
    EXPECT_INT(world.errors, 1);
    EXPECT_TEXT(prl_str_text(&world.text), "fake: no such model");
    EXPECT_INT(prl_llm_state(world.llm), PRL_LLM_FAILED);
    EXPECT_INT(ask(&world, 2, "hello", false), PRL_ERR_ENGINE);
    close_world(&world);
}

PRL_TEST(llm_model_without_the_chat_form)
{
    struct world world = {.fake = {.no_form = true}};
    REQUIRE(open_world(&world) == PRL_OK);
    EXPECT(wait_for(&world, &world.states, 1));
    EXPECT_INT(prl_llm_state(world.llm), PRL_LLM_FAILED);
    close_world(&world);
}

PRL_TEST(llm_streams_are_bounded)
{
    struct world world = {0};
    REQUIRE(open_world(&world) == PRL_OK);
    static struct prl_llm_stream *streams[PRL_LLM_STREAMS_MAX];
    struct prl_llm_stream_conf conf = {.fn = on_event, .arg = &world};
    for (int i = 0; i < PRL_LLM_STREAMS_MAX - 1; i++)
        EXPECT_OK(prl_llm_open(world.llm, &conf, &streams[i]));
    struct prl_llm_stream *more;
    EXPECT_INT(prl_llm_open(world.llm, &conf, &more), PRL_ERR_LIMIT);
    EXPECT(more == NULL);
    for (int i = 0; i < PRL_LLM_STREAMS_MAX - 1; i++)
        prl_llm_close(&streams[i]);
    EXPECT_OK(ask(&world, 1, "hello", false));
    EXPECT(wait_for(&world, &world.done, 1));
    // A closed stream keeps its place until the lane has heard of it, which may take a turn more.
    enum prl_err err = prl_llm_open(world.llm, &conf, &more);
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (err == PRL_ERR_LIMIT && prl_clock_now_us() < until) {
        prl_loop_turn(world.loop, 20000);
        err = prl_llm_open(world.llm, &conf, &more);
    }
    EXPECT_OK(err);
    prl_llm_close(&more);
    struct prl_llm_conf wrong = {.loop = world.loop, .context_tokens = 5};
    struct prl_llm *llm;
    EXPECT_INT(prl_llm_create(&llm, &wrong), PRL_ERR_INVALID);
    close_world(&world);
}

PRL_TEST(worker_packs_numbers)
{
    struct prl_msg msg = {0};
    struct prl_llm_params params = {.max_output_tokens = 4096,
                                    .temperature = 0.25,
                                    .top_p = 0.5,
                                    .seed = 0xfffffff0,
                                    .committed = true};
    prl_llm_order_pack(&msg, &params, 1234567890123);
    struct prl_llm_params back;
    int64_t queued;
    prl_llm_order_unpack(&msg, &back, &queued);
    EXPECT_INT(back.max_output_tokens, 4096);
    EXPECT(back.temperature == 0.25 && back.top_p == 0.5 && back.committed);
    EXPECT_INT(back.seed, 0xfffffff0);
    EXPECT_INT(queued, 1234567890123);
    struct prl_llm_event event = {.kind = PRL_LLM_EVENT_DONE,
                                  .generation = 7,
                                  .reason = PRL_LLM_REASON_CONTEXT,
                                  .usage = {4000, 3999, 77, 3},
                                  .timings = {-5, 2000000, 3000000, INT64_MAX}};
    EXPECT_OK(prl_llm_event_pack(&msg, 9, &event));
    struct prl_llm_event out;
    prl_llm_event_unpack(&msg, &out);
    EXPECT_INT(out.kind, PRL_LLM_EVENT_DONE);
    EXPECT_INT(out.reason, PRL_LLM_REASON_CONTEXT);
    EXPECT_INT(out.usage.input_tokens, 4000);
    EXPECT_INT(out.usage.cached_tokens, 3999);
    EXPECT_INT(out.usage.output_tokens, 77);
    EXPECT_INT(out.usage.dropped_messages, 3);
    EXPECT_INT(out.timings.queued_us, 0);
    EXPECT_INT(out.timings.first_token_us, 3000000);
    EXPECT_INT(out.timings.decode_us, INT32_MAX);
}

PRL_TEST_OOM(llm_memory)
{
    struct world world = {0};
    enum prl_err err = open_world(&world);
    if (!err)
        err = ask(&world, 1, "long", false);
    EXPECT(!err || (prl_test_oom() && err == PRL_ERR_NOMEM));
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!err && world.done + world.errors == 0 && prl_clock_now_us() < until)
        prl_loop_turn(world.loop, 20000);
    EXPECT(err || world.done + world.errors == 1);
    close_world(&world);
}

// ---- two loops, one lane ----

enum { ROUNDS = 24 };

struct side {
    struct prl_loop *loop;
    struct prl_llm *llm;
    struct prl_llm_stream *stream;
    struct prl_str text;
    uint32_t generation, answered, wrong;
    bool waits, ready;
};

static const char *side_wants(const struct side *side)
{
    return side->generation % 2 ? "long" : "hello";
}

static void on_side(void *arg, const struct prl_llm_event *event)
{
    struct side *side = arg;
    side->wrong += event->generation != side->generation;
    if (event->kind == PRL_LLM_EVENT_TOKEN)
        prl_str_add(&side->text, event->text, event->len);
    if (event->kind != PRL_LLM_EVENT_DONE && event->kind != PRL_LLM_EVENT_ERROR)
        return;
    const char *expected = replies[side->generation % 2 ? 0 : 2].answer;
    side->wrong += strcmp(prl_str_text(&side->text), expected) != 0;
    side->answered++;
    side->waits = false;
}

static void on_side_state(void *arg, enum prl_llm_state state, const char *text)
{
    ((struct side *)arg)->ready = state == PRL_LLM_READY && text[0];
}

// Every fourth answer is taken back and never comes.
static bool step_side(void *arg)
{
    struct side *side = arg;
    if (side->waits)
        return false;
    if (side->generation == ROUNDS)
        return side->ready;
    side->generation++;
    prl_str_clear(&side->text);
    struct prl_llm_message message = {
        .role = PRL_LLM_USER, .text = side_wants(side), .len = strlen(side_wants(side))};
    struct prl_llm_prompt prompt = {.messages = &message, .message_count = 1};
    struct prl_llm_params params = {.max_output_tokens = 100, .committed = true};
    EXPECT_OK(prl_llm_generate(side->stream, side->generation, &prompt, &params));
    side->waits = side->generation % 4 != 0;
    if (!side->waits)
        prl_llm_cancel(side->stream, side->generation);
    return false;
}

PRL_TEST(llm_two_loops_share_a_lane)
{
    static struct fake_llm fake;
    struct side sides[2] = {{.loop = NULL}, {.loop = NULL}};
    fake = (struct fake_llm){.replies = replies};
    for (size_t i = 0; i < 2; i++) {
        struct prl_llm_stream_conf stream = {.fn = on_side, .arg = &sides[i]};
        prl_str_init(&sides[i].text, 1 << 16);
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        struct prl_llm_conf conf = {.loop = sides[i].loop,
                                    .context_tokens = 1024,
                                    .ops = &fake_llm_ops,
                                    .ops_arg = &fake,
                                    .share = i ? sides[0].llm : NULL,
                                    .on_state = on_side_state,
                                    .arg = &sides[i]};
        REQUIRE(prl_llm_create(&sides[i].llm, &conf) == PRL_OK);
        REQUIRE(prl_llm_open(sides[i].llm, &stream, &sides[i].stream) == PRL_OK);
    }
    const struct two_loops_side both[2] = {{sides[0].loop, step_side, &sides[0]},
                                           {sides[1].loop, step_side, &sides[1]}};
    EXPECT(two_loops_run(both));
    for (size_t i = 0; i < 2; i++) {
        EXPECT_INT(sides[i].answered, ROUNDS - ROUNDS / 4);
        EXPECT_INT(sides[i].wrong, 0);
        prl_llm_close(&sides[i].stream);
        prl_str_free(&sides[i].text);
    }
    prl_llm_destroy(&sides[0].llm);
    prl_llm_destroy(&sides[1].llm);
    for (size_t i = 0; i < 2; i++)
        prl_loop_destroy(&sides[i].loop);
    EXPECT_INT(fake.loads, 1);
    EXPECT_INT(fake.unloads, 1);
    EXPECT(!fake.wrong);
}

PRL_TEST(llm_fronts_share_the_limit_of_streams)
{
    static struct fake_llm fake;
    static struct prl_llm_stream *streams[PRL_LLM_STREAMS_MAX];
    struct prl_loop *loop;
    struct prl_llm *llms[2] = {NULL, NULL};
    fake = (struct fake_llm){.replies = replies};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    for (size_t i = 0; i < 2; i++) {
        struct prl_llm_conf conf = {.loop = loop,
                                    .context_tokens = 1024,
                                    .ops = &fake_llm_ops,
                                    .ops_arg = &fake,
                                    .share = i ? llms[0] : NULL};
        REQUIRE(prl_llm_create(&llms[i], &conf) == PRL_OK);
    }
    struct world world = {0};
    struct prl_llm_stream_conf stream = {.fn = on_event, .arg = &world};
    for (size_t i = 0; i < PRL_LLM_STREAMS_MAX; i++)
        EXPECT_OK(prl_llm_open(llms[i % 2], &stream, &streams[i]));
    struct prl_llm_stream *more;
    EXPECT_INT(prl_llm_open(llms[0], &stream, &more), PRL_ERR_LIMIT);
    EXPECT_INT(prl_llm_open(llms[1], &stream, &more), PRL_ERR_LIMIT);
    prl_llm_close(&streams[0]);
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (prl_llm_open(llms[1], &stream, &more) != PRL_OK && prl_clock_now_us() < until_us)
        prl_loop_turn(loop, 1000); // the place is free once the lane has closed it too
    EXPECT(more != NULL);
    prl_llm_close(&more);
    for (size_t i = 0; i < PRL_LLM_STREAMS_MAX; i++)
        prl_llm_close(&streams[i]);
    prl_llm_destroy(&llms[0]);
    prl_llm_destroy(&llms[1]);
    prl_loop_destroy(&loop);
}

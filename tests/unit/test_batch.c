// test_batch.c -- llm/batch and llm/job: who is computed when, and what comes out, with a scripted
// model that keeps books (llm_fake.h).
#include "llm/batch.h"

#include <stdio.h>
#include <string.h>

#include "base/cores.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"
#include "tests/unit/llm_fake.h"

enum { STREAMS = 8 };

static const struct fake_reply replies[] = {
    {"long",
     "This answer goes on and on, word after word after word, so that others come between."},
    {"weather", "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\"}}"},
    {"token", "\x01{\"name\": \"get_weather\", \"arguments\": {}}\x02"},
    {"joke", "{\"name\": \"joke\"}"},
    {NULL, "Yes."}};

static const struct prl_llm_tool tool = {.name = "get_weather"};

struct seen {
    struct prl_str text;
    int done, errors;
    enum prl_llm_reason reason;
    struct prl_llm_usage usage;
    struct prl_llm_timings timings;
    uint32_t generation;
};

struct world {
    struct fake_llm fake;
    struct prl_llm_batch *batch;
    struct seen seen[STREAMS];
    bool odd; // an event out of order
};

static void on_event(void *arg, uint64_t id, const struct prl_llm_event *event)
{
    struct world *world = arg;
    struct seen *seen = &world->seen[id];
    world->odd = world->odd || seen->done + seen->errors > 0;
    seen->generation = event->generation;
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
        prl_str_add(&seen->text, event->text, event->len);
        break;
    case PRL_LLM_EVENT_TOOL_BEGIN:
        world->odd = world->odd || strlen(event->call_id) != 21;
        prl_str_addf(&seen->text, "[%s ", event->name);
        break;
    case PRL_LLM_EVENT_TOOL_ARGS:
        prl_str_add(&seen->text, event->text, event->len);
        break;
    case PRL_LLM_EVENT_TOOL_END:
        prl_str_addc(&seen->text, ']');
        break;
    case PRL_LLM_EVENT_DONE:
        seen->done++;
        seen->reason = event->reason;
        seen->usage = event->usage;
        seen->timings = event->timings;
        break;
    case PRL_LLM_EVENT_AUDIO:
        break;
    case PRL_LLM_EVENT_ERROR:
        seen->errors++;
        prl_str_add(&seen->text, event->text, event->len);
        break;
    }
}

static bool open_world(struct world *world, int sequences, int context, int cells)
{
    memset(world, 0, sizeof(*world));
    world->fake.replies = replies;
    world->fake.conf = (struct prl_llm_model_conf){
        .context_tokens = context, .cells = cells, .sequences = sequences};
    for (int i = 0; i < STREAMS; i++)
        prl_str_init(&world->seen[i].text, 1 << 16);
    if (prl_llm_batch_create(&world->batch, &fake_llm_ops, &world->fake, &world->fake.conf,
                             on_event, world))
        return false;
    for (uint64_t i = 1; i < STREAMS; i++) {
        if (prl_llm_batch_open(world->batch, i))
            return false;
    }
    return true;
}

static void close_world(struct world *world)
{
    EXPECT(!world->fake.wrong);
    EXPECT(!world->odd);
    prl_llm_batch_destroy(&world->batch);
    for (int i = 0; i < STREAMS; i++)
        prl_str_free(&world->seen[i].text);
}

static void forget(struct world *world, int id)
{
    prl_str_clear(&world->seen[id].text);
    world->seen[id].done = 0;
    world->seen[id].errors = 0;
}

static struct prl_llm_prompt *prompt_of(const char *system, const char *user, bool tools, bool open)
{
    struct prl_llm_message messages[] = {
        {.role = PRL_LLM_SYSTEM, .text = system, .len = strlen(system)},
        {.role = PRL_LLM_USER, .text = user, .len = user ? strlen(user) : 0}};
    struct prl_llm_prompt prompt = {.messages = messages,
                                    .message_count = user ? 2 : 1,
                                    .tools = &tool,
                                    .tool_count = tools ? 1 : 0,
                                    .open = open};
    struct prl_llm_prompt *copy;
    size_t size;
    return prl_llm_prompt_copy(&copy, &size, &prompt) ? NULL : copy;
}

static const char system_text[] = "You are a parrot with opinions.";

static void ask(struct world *world, uint64_t id, const char *user, bool committed)
{
    struct prl_llm_prompt *prompt = prompt_of(system_text, user, strchr(user, '?') != NULL, false);
    struct prl_llm_params params = {.max_output_tokens = 200, .committed = committed};
    if (prompt)
        prl_llm_batch_take_generate(world->batch, id, 1, prompt, &params, 1);
}

static void run(struct world *world)
{
    int steps = 0;
    while (prl_llm_batch_step(world->batch) && steps < 5000)
        steps++;
    EXPECT(steps < 5000);
}

PRL_TEST(batch_answers)
{
    struct world world;
    REQUIRE(open_world(&world, 4, 1024, 2048));
    ask(&world, 1, "hello", true);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), "Yes.");
    EXPECT_INT(world.seen[1].done, 1);
    EXPECT_INT(world.seen[1].reason, PRL_LLM_REASON_STOP);
    EXPECT_INT(world.seen[1].usage.output_tokens, 4);
    EXPECT_INT(world.seen[1].usage.cached_tokens, 0);
    EXPECT(world.seen[1].timings.first_token_us >= world.seen[1].timings.prefill_us);
    ask(&world, 2, "the weather?", true);
    ask(&world, 3, "with a token?", true);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[2].text), "[get_weather {\"city\": \"Bonn\"}]");
    EXPECT_INT(world.seen[2].reason, PRL_LLM_REASON_TOOL);
    EXPECT_TEXT(prl_str_text(&world.seen[3].text), "[get_weather {}]");
    close_world(&world);
}

PRL_TEST(batch_second_turn_reuses_the_first)
{
    struct world world;
    REQUIRE(open_world(&world, 4, 1024, 2048));
    prl_llm_batch_take_prefill(world.batch, 1, 1, prompt_of(system_text, NULL, false, false));
    run(&world);
    EXPECT_INT(world.seen[1].done, 0);
    int before = world.fake.computed;
    EXPECT(before > (int)sizeof(system_text));
    prl_llm_batch_take_prefill(world.batch, 1, 2, prompt_of(system_text, "how are y", false, true));
    run(&world);
    prl_llm_batch_take_prefill(world.batch, 1, 3,
                               prompt_of(system_text, "how are you", false, true));
    run(&world);
    int words = world.fake.computed - before;
    EXPECT_INT(words, (int)strlen("\1user\nhow are you"));
    ask(&world, 1, "how are you", true);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), "Yes.");
    EXPECT_INT(world.seen[1].usage.cached_tokens, before + words);
    // Another stream with the same system text copies it.
    ask(&world, 2, "hello", true);
    run(&world);
    EXPECT_INT(world.fake.copies, 1);
    EXPECT(world.seen[2].usage.cached_tokens >= before);
    EXPECT_TEXT(prl_str_text(&world.seen[2].text), "Yes.");
    close_world(&world);
}

PRL_TEST(batch_cancel_touches_nobody_else)
{
    struct world world;
    REQUIRE(open_world(&world, 4, 1024, 4096));
    ask(&world, 1, "long one", true);
    ask(&world, 2, "long two", true);
    for (int i = 0; i < 30; i++)
        (void)prl_llm_batch_step(world.batch);
    EXPECT(world.seen[1].text.len > 0 && world.seen[2].text.len > 0);
    size_t said = world.seen[1].text.len;
    prl_llm_batch_cancel(world.batch, 1, 0); // an older generation: nothing happens
    (void)prl_llm_batch_step(world.batch);
    EXPECT(world.seen[1].text.len > said);
    said = world.seen[1].text.len;
    prl_llm_batch_cancel(world.batch, 1, 1);
    run(&world);
    EXPECT_INT(world.seen[1].text.len, said);
    EXPECT_INT(world.seen[1].done + world.seen[1].errors, 0);
    EXPECT_TEXT(prl_str_text(&world.seen[2].text), replies[0].answer);
    // What was computed is still good for the next question.
    forget(&world, 1);
    ask(&world, 1, "long one", true);
    run(&world);
    EXPECT_INT(world.seen[1].usage.cached_tokens, world.seen[1].usage.input_tokens - 1);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), replies[0].answer);
    close_world(&world);
}

PRL_TEST(batch_one_step_serves_all)
{
    struct world world;
    REQUIRE(open_world(&world, 4, 1024, 4096));
    for (uint64_t i = 1; i <= 4; i++)
        ask(&world, i, "long", true);
    run(&world);
    bool together = false;
    for (int i = 0; i < world.fake.step_count; i++) {
        together = together || world.fake.steps[i].sequences == 15;
        // Beside answers at most 8 tokens of a prompt.
        EXPECT(world.fake.steps[i].entries <= 32);
    }
    EXPECT(together);
    for (int i = 1; i <= 4; i++)
        EXPECT_TEXT(prl_str_text(&world.seen[i].text), replies[0].answer);
    close_world(&world);
}

PRL_TEST(batch_prompt_beside_an_answer_is_cut_small)
{
    struct world world;
    REQUIRE(open_world(&world, 4, 1024, 4096));
    ask(&world, 1, "long", true);
    while (world.seen[1].text.len == 0)
        (void)prl_llm_batch_step(world.batch);
    int from = world.fake.step_count;
    prl_llm_batch_take_prefill(
        world.batch, 2, 1,
        prompt_of("Another system text, not shared with anybody.", NULL, false, false));
    int guests = 0;
    int steps = 0;
    while (world.seen[1].done == 0) {
        (void)prl_llm_batch_step(world.batch);
        steps++;
    }
    for (int i = from; i < from + steps && i < world.fake.step_count; i++) {
        EXPECT(world.fake.steps[i].entries <= 1 + 4);
        guests += world.fake.steps[i].entries > 1 ? 1 : 0;
    }
    EXPECT(guests > 0 && guests <= steps / 4 + 1);
    run(&world);
    close_world(&world);
}

PRL_TEST(batch_prompt_beside_another_lane_is_cut_small)
{
    struct world world;
    struct prl_cores *cores;
    REQUIRE(open_world(&world, 4, 1024, 4096));
    REQUIRE(prl_cores_create(&cores, 2) == PRL_OK);
    prl_llm_batch_share(world.batch, cores, 0);
    prl_cores_enter(cores);
    prl_cores_enter(cores); // a recogniser
    ask(&world, 1, "hello", false);
    for (int i = 0; i < 3; i++)
        (void)prl_llm_batch_step(world.batch);
    for (int i = 0; i < world.fake.step_count; i++)
        EXPECT_INT(world.fake.steps[i].entries, 4);
    int from = world.fake.step_count;
    prl_cores_leave(cores);
    (void)prl_llm_batch_step(world.batch);
    EXPECT_INT(world.fake.steps[from].entries, 16);
    run(&world);
    prl_cores_leave(cores);
    close_world(&world);
    prl_cores_destroy(&cores);
}

PRL_TEST(batch_committed_goes_before_speculation)
{
    struct world world;
    REQUIRE(open_world(&world, 4, 1024, 4096));
    ask(&world, 1, "long guess", false);
    (void)prl_llm_batch_step(world.batch);
    ask(&world, 2, "hello", true);
    while (world.seen[2].done == 0)
        (void)prl_llm_batch_step(world.batch);
    EXPECT_INT(world.seen[1].done, 0);
    EXPECT(world.seen[1].text.len < 4);
    prl_llm_batch_commit(world.batch, 1, 1);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), replies[0].answer);
    close_world(&world);
}

PRL_TEST(batch_more_streams_than_sequences)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 1024, 4096));
    for (uint64_t i = 1; i < STREAMS; i++)
        ask(&world, i, "hello", i % 2 == 0);
    run(&world);
    for (int i = 1; i < STREAMS; i++)
        EXPECT_TEXT(prl_str_text(&world.seen[i].text), "Yes.");
    // Speculations hold both sequences: a committed answer takes one from them.
    for (int i = 1; i < STREAMS; i++)
        forget(&world, i);
    ask(&world, 1, "long", false);
    ask(&world, 2, "long", false);
    while (world.seen[1].text.len == 0 || world.seen[2].text.len == 0)
        (void)prl_llm_batch_step(world.batch);
    ask(&world, 3, "hello", true);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[3].text), "Yes.");
    EXPECT_INT(world.seen[1].errors + world.seen[2].errors, 1);
    EXPECT_INT(world.seen[1].done + world.seen[2].done, 1);
    close_world(&world);
}

PRL_TEST(batch_full_memory)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 512, 520));
    // Two long answers do not fit together for ever: one is cut, the other goes on.
    char words[230];
    memset(words, 'a', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    memcpy(words, "long", 4);
    ask(&world, 1, words, true);
    words[20] = 'b';
    ask(&world, 2, words, true);
    run(&world);
    EXPECT_INT(world.seen[1].done + world.seen[1].errors, 1);
    EXPECT_INT(world.seen[2].done + world.seen[2].errors, 1);
    EXPECT(strcmp(prl_str_text(&world.seen[1].text), replies[0].answer) == 0 ||
           strcmp(prl_str_text(&world.seen[2].text), replies[0].answer) == 0);
    // A prompt that is too long for the context.
    forget(&world, 1);
    char huge[600];
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    ask(&world, 1, huge, true);
    run(&world);
    EXPECT_INT(world.seen[1].errors, 1);
    close_world(&world);
}

PRL_TEST(batch_limits)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 512, 1024));
    struct prl_llm_params params = {.max_output_tokens = 5, .committed = true};
    prl_llm_batch_take_generate(world.batch, 1, 9, prompt_of("s", "long", false, false), &params,
                                1);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), "This ");
    EXPECT_INT(world.seen[1].reason, PRL_LLM_REASON_LENGTH);
    EXPECT_INT(world.seen[1].generation, 9);
    // Unknown streams are ignored.
    prl_llm_batch_take_generate(world.batch, 99, 1, prompt_of("s", "u", false, false), &params, 1);
    prl_llm_batch_take_prefill(world.batch, 99, 1, prompt_of("s", "u", false, false));
    prl_llm_batch_cancel(world.batch, 99, 1);
    prl_llm_batch_commit(world.batch, 99, 1);
    prl_llm_batch_close(world.batch, 99);
    EXPECT(!prl_llm_batch_step(world.batch));
    close_world(&world);
}

PRL_TEST(batch_impossible_call_is_answered_in_words)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 1024, 2048));
    world.fake.words_only = "A parrot walks into a bar.";
    ask(&world, 1, "a joke?", true);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), "A parrot walks into a bar.");
    EXPECT_INT(world.seen[1].reason, PRL_LLM_REASON_STOP);
    EXPECT_INT(prl_llm_batch_stats(world.batch).retries, 1);
    forget(&world, 1);
    world.fake.words_only = NULL; // again the same nonsense: an error, said once
    ask(&world, 1, "a joke?", true);
    run(&world);
    EXPECT_INT(world.seen[1].errors, 1);
    close_world(&world);
}

PRL_TEST(batch_model_failure)
{
    struct world world;
    REQUIRE(open_world(&world, 2, 1024, 2048));
    ask(&world, 1, "long", true);
    for (int i = 0; i < 12; i++)
        (void)prl_llm_batch_step(world.batch);
    world.fake.fail_decode_at = world.fake.decodes + 1;
    run(&world);
    EXPECT_INT(world.seen[1].errors, 1);
    forget(&world, 1);
    ask(&world, 1, "hello", true);
    run(&world);
    EXPECT_TEXT(prl_str_text(&world.seen[1].text), "Yes.");
    close_world(&world);
}

PRL_TEST(batch_random_orders)
{
    struct world world;
    REQUIRE(open_world(&world, 3, 1024, 1500));
    static const char *const words[] = {"hello", "long", "the weather?", "a joke?", "token?"};
    int asked = 0;
    for (int i = 0; i < 4000; i++) {
        uint64_t id = 1 + prl_test_random() % (STREAMS - 1);
        uint32_t dice = prl_test_random() % 20;
        if (dice == 0) {
            forget(&world, (int)id);
            ask(&world, id, words[prl_test_random() % 5], prl_test_random() % 2 == 0);
            asked++;
        } else if (dice == 1) {
            prl_llm_batch_cancel(world.batch, id, 1);
        } else if (dice == 2) {
            prl_llm_batch_take_prefill(world.batch, id, 2,
                                       prompt_of(system_text, "the we", false, true));
        } else if (dice == 3) {
            prl_llm_batch_commit(world.batch, id, 1);
        } else if (dice == 4 && prl_test_random() % 4 == 0) {
            prl_llm_batch_close(world.batch, id);
            forget(&world, (int)id);
            EXPECT_OK(prl_llm_batch_open(world.batch, id));
        } else {
            (void)prl_llm_batch_step(world.batch);
        }
        if (world.fake.wrong)
            break;
    }
    EXPECT(asked > 50);
    run(&world);
    close_world(&world);
}

PRL_TEST_OOM(batch_memory)
{
    struct world world;
    if (open_world(&world, 2, 1024, 2048)) {
        ask(&world, 1, "the weather?", true);
        ask(&world, 2, "long", true);
        run(&world);
        EXPECT(prl_test_oom() || world.seen[1].done + world.seen[2].done == 2);
        EXPECT(world.seen[1].done + world.seen[1].errors <= 1);
    } else {
        EXPECT(prl_test_oom());
    }
    close_world(&world);
}

// test_session.c -- whole conversations on scripted engines: typed, spoken, cancelled, with tools, in both
// dialects, and with every allocation failing in turn.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "session/session.h"
#include "session/session_state.h"
#include "tests/unit.h"
#include "tests/unit/world.h"

#define USER(text)                                                                                 \
    "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"user\","     \
    "\"content\":[{\"type\":\"input_text\",\"text\":\"" text "\"}]}}"
#define SESSION(members) "{\"type\":\"session.update\",\"session\":{" members "}}"

static const char manual[] =
    SESSION("\"type\":\"realtime\",\"output_modalities\":[\"text\"],"
            "\"audio\":{\"input\":{\"turn_detection\":null,\"transcription\":{\"model\":\"x\"}}}");

static size_t count_of(const struct world *world, const char *part)
{
    size_t count = 0;
    for (const char *at = prl_str_text(&world->said); (at = strstr(at, part)); at++)
        count++;
    return count;
}

static bool before(const struct world *world, const char *first, const char *second)
{
    const char *a = strstr(prl_str_text(&world->said), first);
    const char *b = strstr(prl_str_text(&world->said), second);
    return a && b && a < b;
}

// Half a second of noise as an append.
static char *make_append(void)
{
    enum { SAMPLES = 12000 };
    int16_t *pcm = prl_mem_array(SAMPLES, sizeof(*pcm));
    size_t len = prl_base64_size(SAMPLES * sizeof(*pcm));
    char *text = prl_mem_alloc(len + 100);
    static const char head[] = "{\"type\":\"input_audio_buffer.append\",\"audio\":\"";
    if (pcm && text) {
        for (int i = 0; i < SAMPLES; i++)
            pcm[i] = (int16_t)(prl_test_random() % 20000 - 10000);
        memcpy(text, head, sizeof(head) - 1);
        prl_base64_encode(text + sizeof(head) - 1, pcm, SAMPLES * sizeof(*pcm));
        memcpy(text + sizeof(head) - 1 + len, "\"}", 3);
    }
    prl_mem_free(pcm);
    return text;
}

// Until so many samples of the input have been looked at.
static bool await_input(struct world *world, uint64_t samples)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world->session->input < samples && prl_clock_now_us() < end_us)
        prl_loop_turn(world->loop, 1000);
    return world->session->input >= samples;
}

PRL_TEST(session_answers_a_typed_question)
{
    static struct world world;
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world_send(&world, manual);
    world_send(&world, USER("tell me a story"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"response.done\""));
    EXPECT(strstr(prl_str_text(&world.said),
                  "Once upon a time there was a small boat. It sailed far."));
    EXPECT(before(&world, "response.created", "response.output_item.added"));
    EXPECT(before(&world, "response.output_item.added", "response.output_text.delta"));
    EXPECT(before(&world, "response.output_text.done", "response.done"));
    EXPECT_INT(count_of(&world, "\"type\":\"error\""), 0);
    EXPECT_INT(world.lost, 0);
    world_close(&world);
}

// Whether the model was shown this text, in whichever of its sequences. Its lane has ended.
static bool was_shown(const struct fake_llm *fake, const char *part)
{
    char text[FAKE_CONTEXT_MAX + 1];
    bool found = false;
    for (int s = 0; s < fake->conf.sequences; s++) {
        for (int i = 0; i < fake->count[s]; i++)
            text[i] = fake->ids[s][i] < 256 ? (char)fake->ids[s][i] : '|';
        text[fake->count[s]] = '\0';
        found = found || strstr(text, part);
    }
    return found;
}

PRL_TEST(session_tells_the_time_to_those_who_ask)
{
    static const char *const questions[] = {USER("what time is it?"), USER("tell me a story")};
    static struct world world;
    for (int i = 0; i < 2; i++) {
        REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
        REQUIRE(world_ready(&world));
        world_send(&world, manual);
        world_send(&world, questions[i]);
        world_send(&world, "{\"type\":\"response.create\"}");
        EXPECT(world_await(&world, "\"response.done\""));
        EXPECT_INT(count_of(&world, "It is now"), 0); // the model's affair, not the client's
        world_close(&world);
        EXPECT(was_shown(&world.fake, i == 0 ? "what time is it? (It is now " : "tell me a story"));
        EXPECT(i == 0 || !was_shown(&world.fake, "It is now"));
    }
}

PRL_TEST(session_speaks_in_step_with_its_words)
{
    static struct world world;
    REQUIRE(world_open(&world, PRL_API_BETA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world_send(&world, SESSION("\"modalities\":[\"text\",\"audio\"],\"turn_detection\":null"));
    world_send(&world, USER("tell me a story"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"response.done\""));
    EXPECT(count_of(&world, "response.audio.delta") >= 3);
    EXPECT(count_of(&world, "response.audio_transcript.delta") >= 5); // word by word
    EXPECT_INT(count_of(&world, "response.output_audio"), 0);
    EXPECT_INT(count_of(&world, "conversation.item.done"), 0);
    EXPECT(strstr(prl_str_text(&world.said),
                  "\"transcript\":\"Once upon a time there was a small boat. It sailed far.\""));
    world_close(&world);
}

PRL_TEST(session_takes_sound_on_commit)
{
    static struct world world;
    char *append = make_append();
    REQUIRE(append != NULL);
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world_send(&world, manual);
    world_send(&world, "{\"type\":\"input_audio_buffer.commit\",\"event_id\":\"e1\"}");
    EXPECT(world_await(&world, "input_audio_buffer_commit_empty"));
    world_send(&world, append);
    EXPECT(await_input(&world, 7900));
    world_send(&world, "{\"type\":\"input_audio_buffer.commit\"}");
    EXPECT(world_await(&world, "input_audio_buffer.committed"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"response.done\""));
    EXPECT(strstr(prl_str_text(&world.said), "\"transcript\":\"tell me a story\""));
    EXPECT(strstr(prl_str_text(&world.said), "small boat"));
    world_send(&world, append);
    world_send(&world, "{\"type\":\"input_audio_buffer.clear\"}");
    EXPECT(world_await(&world, "input_audio_buffer.cleared"));
    prl_mem_free(append);
    world_close(&world);
}

// The world has no VAD, so the test says what one would: a voice since `ago` samples.
static void hear_voice(const struct world *world, uint64_t ago)
{
    uint64_t input = world->session->input;
    prl_session_step(world->session,
                     &(struct prl_floor_event){.fact = PRL_FACT_VOICE_ON, .sample = input - ago});
}

PRL_TEST(session_keeps_its_sound_when_the_prefix_grows)
{
    static struct world world;
    char *append = make_append();
    REQUIRE(append != NULL);
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    const struct prl_session *session = world.session;
    for (uint64_t wanted = 7900; wanted < 50000; wanted += 8000) { // 3 s: more than the ring holds
        world_send(&world, append);
        EXPECT(await_input(&world, wanted));
    }
    size_t size = session->ring_size;
    int16_t *before = prl_mem_array(size, sizeof(*before));
    REQUIRE(before != NULL && session->input > size);
    for (size_t i = 0; i < size; i++)
        before[i] = session->ring[(session->input - size + i) % size];
    world_send(&world, SESSION("\"audio\":{\"input\":{\"turn_detection\":{\"type\":\"server_vad\","
                               "\"prefix_padding_ms\":2000}}}"));
    REQUIRE(session->ring_size > size);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += before[i] != session->ring[(session->input - size + i) % session->ring_size];
    EXPECT_INT(wrong, 0);
    EXPECT_INT(session->ring_from, session->input - size);
    // An utterance takes what there is, not zeros from before it.
    hear_voice(&world, 2000);
    REQUIRE(session->open != NULL);
    EXPECT_INT(session->open->start, session->ring_from);
    prl_mem_free(before);
    prl_mem_free(append);
    world_close(&world);
}

PRL_TEST(session_counts_how_long_an_interruption_takes)
{
    static struct world world;
    enum { VOICED = 4000 }; // 250 ms, more than interrupt_min_ms
    char *append = make_append();
    REQUIRE(append != NULL);
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    uint64_t before = prl_metrics_value(PRL_METRIC_BARGE_IN);
    world_send(&world, append);
    EXPECT(await_input(&world, VOICED));
    world_send(&world, USER("tell me a story"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "response.output_audio.delta"));
    world_send(&world, "{\"type\":\"response.cancel\"}"); // no voice: not counted
    EXPECT_INT(prl_metrics_value(PRL_METRIC_BARGE_IN), before);
    prl_str_clear(&world.said);
    // Long enough not to have left whole by its lead, and no time passes until it is interrupted.
    world_send(&world, USER("tell me a story"));
    prl_clock_hold(prl_clock_now_us());
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "response.output_audio.delta"));
    hear_voice(&world, VOICED);
    prl_clock_hold(-1);
    EXPECT(world_await(&world, "turn_detected"));
    EXPECT_INT(prl_metrics_value(PRL_METRIC_BARGE_IN), before + 1);
    prl_mem_free(append);
    world_close(&world);
}

PRL_TEST(session_calls_a_function)
{
    static struct world world;
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world_send(&world, manual);
    world_send(&world, SESSION("\"tools\":[{\"type\":\"function\",\"name\":\"get_weather\"}]"));
    world_send(&world, USER("the weather?"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"response.done\""));
    EXPECT(before(&world, "response.function_call_arguments.done", "response.done"));
    EXPECT(strstr(prl_str_text(&world.said), "\"name\":\"get_weather\""));
    EXPECT(strstr(prl_str_text(&world.said), "Rome"));
    world_close(&world);
}

PRL_TEST(session_says_something_while_a_tool_runs)
{
    static struct world world;
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world.base.floor.filler_after_ms = 20;
    world.base.floor.apology_max_ms = 60000; // a stalled machine is no reason to give it up
    world_send(&world, SESSION("\"tools\":[{\"type\":\"function\",\"name\":\"get_weather\"}],"
                               "\"audio\":{\"input\":{\"turn_detection\":null}}"));
    world_send(&world, USER("the weather?"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"name\":\"get_weather\""));
    EXPECT(world_await(&world, "Let me see."));
    for (int i = 0; i < 2000 && count_of(&world, "\"type\":\"response.done\"") < 2; i++)
        prl_loop_turn(world.loop, 5000);
    EXPECT_INT(count_of(&world, "\"type\":\"response.created\""), 2);
    EXPECT_INT(count_of(&world, "\"type\":\"response.done\""), 2);
    EXPECT(count_of(&world, "response.output_audio.delta") >= 1);
    // It is no item of the conversation.
    for (const struct prl_item *item = prl_history_first(prl_session_history(world.session)); item;
         item = prl_history_next(item))
        EXPECT(prl_item_kind(item) != PRL_ITEM_ASSISTANT);
    // A client may cut it like anything else that it hears.
    char truncate[200];
    snprintf(truncate, sizeof(truncate),
             "{\"type\":\"conversation.item.truncate\",\"item_id\":\"%s\",\"content_index\":0,"
             "\"audio_end_ms\":100000}",
             world.session->filler_item);
    world_send(&world, truncate);
    EXPECT_INT(count_of(&world, "\"type\":\"conversation.item.truncated\""), 1);
    EXPECT_INT(count_of(&world, "\"type\":\"error\""), 0);
    world_close(&world);
}

// Transcriptions leave nothing behind.
PRL_TEST(session_takes_any_number_of_pushed_turns)
{
    static struct world world;
    char *append = make_append();
    REQUIRE(append != NULL);
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world_send(&world, manual);
    for (int turn = 0; turn < PRL_SESSION_WORKS_MAX + 2; turn++) {
        prl_str_clear(&world.said);
        uint64_t wanted = world.session->input + 7000;
        world_send(&world, append);
        for (int i = 0; i < 1000 && world.session->input < wanted; i++)
            prl_loop_turn(world.loop, 1000);
        world_send(&world, "{\"type\":\"input_audio_buffer.commit\"}");
        world_send(&world, "{\"type\":\"response.create\"}");
        EXPECT(world_await(&world, "\"response.done\""));
        EXPECT(strstr(prl_str_text(&world.said), "small boat"));
    }
    EXPECT_INT(count_of(&world, "\"type\":\"error\""), 0);
    prl_mem_free(append);
    world_close(&world);
}

PRL_TEST(session_compares_words)
{
    EXPECT(prl_session_same_words("What time is it?", "what time, is it"));
    EXPECT(prl_session_same_words("你好，世界。", "你好 世界"));
    EXPECT(prl_session_same_words("", "..."));
    EXPECT(!prl_session_same_words("what time is it", "what time is it now"));
    EXPECT(!prl_session_same_words("你好", "您好"));
    EXPECT(!prl_session_same_words("\xFF\xFE", "a"));
    EXPECT_INT(prl_session_count_words("It's 3 o'clock, 你好"), 5);
    EXPECT_INT(prl_session_count_words(""), 0);
}

PRL_TEST(session_survives_an_engine_that_fails)
{
    static struct world world;
    REQUIRE(world_open(&world, PRL_API_GA) == PRL_OK);
    REQUIRE(world_ready(&world));
    world_send(&world, manual);
    world.fake.fail_decode_at = world.fake.decodes + 1;
    world_send(&world, USER("tell me a story"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"response.done\""));
    prl_str_clear(&world.said);
    world.fake.fail_decode_at = 0;
    world_send(&world, USER("tell me a story"));
    world_send(&world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&world, "\"response.done\""));
    EXPECT(strstr(prl_str_text(&world.said), "small boat"));
    world_close(&world);
}

// The whole life of a connection with the n-th allocation of the loop's thread failing.
PRL_TEST_OOM(session_whole_life)
{
    static struct world world;
    char *append = make_append();
    enum prl_err err = append ? world_open(&world, PRL_API_GA) : PRL_ERR_NOMEM;
    if (!err && world_ready(&world)) {
        world_send(&world, manual);
        world_send(&world, append);
        for (int i = 0; i < 5; i++)
            prl_loop_turn(world.loop, 1000);
        world_send(&world, "{\"type\":\"input_audio_buffer.commit\"}");
        (void)world_await(&world, "input_audio_buffer.committed");
        world_send(&world,
                   "{\"type\":\"response.create\",\"response\":{\"metadata\":{\"a\":\"b\"}}}");
        (void)world_await(&world, "\"response.done\"");
    }
    if (append)
        world_close(&world);
    prl_mem_free(append);
}

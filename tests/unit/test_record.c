// test_record.c -- api/record: a whole conversation on disk, its words and what of them was heard.
#include "api/record.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "media/wav.h"
#include "tests/unit.h"
#include "tests/unit/world.h"

#define SESSION(members) "{\"type\":\"session.update\",\"session\":{" members "}}"
#define USER(text)                                                                                 \
    "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"user\","     \
    "\"content\":[{\"type\":\"input_text\",\"text\":\"" text "\"}]}}"

enum { FILE_MAX = 16 << 20, LINES_MAX = 100 };

static struct {
    struct world world;
    struct prl_recorder *recorder;
    struct prl_record *record;
    char dir[300];
    char *text; // owned
    struct prl_json *lines[LINES_MAX];
    size_t count;
    uint64_t errors; // before
} t;

static void on_event(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    if (t.record)
        prl_record_event(t.record, event);
}

static enum prl_err begin(int64_t limit_us)
{
    memset(&t, 0, sizeof(t));
    prl_log_set_level(PRL_LOG_ERROR);
    t.errors = prl_metrics_value(PRL_METRIC_RECORDING_ERRORS);
    snprintf(t.dir, sizeof(t.dir), "%s/rec", prl_test_dir());
    struct prl_recorder_conf conf = {.dir = t.dir, .limit_us = limit_us, .bytes_max = 1 << 30};
    enum prl_err err = prl_recorder_create(&t.recorder, &conf);
    if (!err)
        err = world_open(&t.world, PRL_API_GA);
    if (err)
        return err;
    t.world.tap = on_event;
    world_send(&t.world, SESSION("\"type\":\"realtime\",\"audio\":{\"input\":{\"turn_detection\":"
                                 "null}}"));
    return prl_record_create(&t.record, t.recorder, "sess_1", t.world.session, false);
}

// What a file of the folder holds; the caller frees it.
static char *read_file(const char *ending, size_t *size)
{
    char path[700] = "";
    DIR *list = opendir(t.dir);
    const struct dirent *entry;
    while (list && (entry = readdir(list)) != NULL) // NOLINT(concurrency-mt-unsafe): one of our own
        if (prl_str_ends(entry->d_name, ending))
            snprintf(path, sizeof(path), "%s/%s", t.dir, entry->d_name);
    if (list)
        closedir(list);
    FILE *in = fopen(path, "rb");
    char *text = in ? prl_mem_zalloc(FILE_MAX) : NULL;
    *size = text ? fread(text, 1, FILE_MAX - 1, in) : 0;
    if (in)
        fclose(in);
    return text;
}

// Ends the recording and reads its lines.
static bool finish(void)
{
    size_t size;
    prl_record_destroy(&t.record);
    prl_recorder_destroy(&t.recorder);
    t.text = read_file(".jsonl", &size);
    char *rest = NULL;
    for (char *line = t.text ? strtok_r(t.text, "\n", &rest) : NULL; line && t.count < LINES_MAX;
         line = strtok_r(NULL, "\n", &rest))
        if (prl_json_parse(&t.lines[t.count], line, strlen(line), NULL, 0) == PRL_OK)
            t.count++;
        else
            prl_test_failed(__FILE__, __LINE__, line);
    return t.count > 0;
}

static void end(void)
{
    prl_record_destroy(&t.record);
    prl_recorder_destroy(&t.recorder);
    world_close(&t.world);
    for (size_t i = 0; i < t.count; i++)
        prl_json_free(&t.lines[i]);
    prl_mem_free(t.text);
    prl_log_set_level(PRL_LOG_INFO);
}

static const struct prl_json *line_of(const char *type, size_t skip)
{
    for (size_t i = 0; i < t.count; i++)
        if (strcmp(prl_json_string(prl_json_get(t.lines[i], "type"), ""), type) == 0 && skip-- == 0)
            return t.lines[i];
    return NULL;
}

static const char *text_of(const struct prl_json *line, const char *key)
{
    return line ? prl_json_string(prl_json_get(line, key), "") : "no line";
}

static int64_t number_of(const struct prl_json *line, const char *key)
{
    return line ? prl_json_int(prl_json_get(line, key), -1) : -2;
}

PRL_TEST(record_of_a_whole_answer)
{
    REQUIRE(begin(INT64_C(600000000)) == PRL_OK && world_ready(&t.world));
    world_send(&t.world, USER("tell me a story"));
    world_send(&t.world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&t.world, "\"response.done\""));
    while (prl_session_busy(t.world.session)) // until it has been heard
        prl_loop_turn(t.world.loop, 5000);
    REQUIRE(finish());
    EXPECT_TEXT(text_of(t.lines[0], "type"), "recording_started");
    EXPECT_TEXT(text_of(t.lines[0], "conversation_id"), "sess_1");
    EXPECT_INT(number_of(t.lines[0], "rate_hz"), PRL_RECORDING_HZ);
    EXPECT_TEXT(text_of(line_of("item", 0), "text"), "tell me a story");
    EXPECT_TEXT(text_of(line_of("item", 0), "role"), "user");
    const struct prl_json *answer = line_of("answer", 0);
    EXPECT_TEXT(text_of(answer, "text"), "Once upon a time there was a small boat. It sailed far.");
    EXPECT_TEXT(text_of(answer, "heard"), text_of(answer, "text"));
    EXPECT_INT(number_of(answer, "heard_ms"), number_of(answer, "sent_ms"));
    EXPECT(!line_of("answer", 1));
    EXPECT_TEXT(text_of(line_of("response_ended", 0), "status"), "completed");
    EXPECT(number_of(line_of("latency", 0), "first_byte_ms") >= 0);
    EXPECT_TEXT(text_of(t.lines[t.count - 1], "type"), "recording_ended");
    // The right channel sounds no longer than the answer was, the left one is silent.
    size_t size = 0, sounding = 0;
    struct prl_wav wav;
    char *file = read_file(".wav", &size);
    REQUIRE(file && prl_wav_parse(&wav, (const uint8_t *)file, size) == PRL_OK);
    const int16_t *pcm = (const int16_t *)(const void *)wav.data;
    for (size_t i = 0; i < wav.frame_count; i++) {
        EXPECT(pcm[2 * i] == 0);
        sounding += pcm[2 * i + 1] != 0;
    }
    prl_mem_free(file);
    EXPECT(sounding > 0);
    EXPECT((int64_t)(sounding / 24) <= number_of(answer, "heard_ms"));
    EXPECT_INT(prl_metrics_value(PRL_METRIC_RECORDING_ERRORS), t.errors);
    end();
}

PRL_TEST(record_of_a_cut_answer)
{
    REQUIRE(begin(INT64_C(600000000)) == PRL_OK && world_ready(&t.world));
    world_send(&t.world, USER("tell me a story"));
    world_send(&t.world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&t.world, "response.output_audio.delta"));
    world_send(&t.world, "{\"type\":\"response.cancel\"}");
    EXPECT(world_await(&t.world, "\"response.done\""));
    // What the client typed next, and an answer that the end of the conversation cuts.
    world_send(&t.world, USER("tell me a story"));
    world_send(&t.world, "{\"type\":\"response.create\"}");
    prl_str_clear(&t.world.said);
    EXPECT(world_await(&t.world, "response.output_audio.delta"));
    prl_session_gone(t.world.session);
    REQUIRE(finish());
    const struct prl_json *answer = line_of("answer", 0);
    EXPECT(prl_json_bool(prl_json_get(answer, "interrupted"), false));
    EXPECT(number_of(answer, "heard_ms") <= number_of(answer, "sent_ms"));
    EXPECT(strlen(text_of(answer, "heard")) <= strlen(text_of(answer, "text")));
    EXPECT_TEXT(text_of(line_of("response_ended", 0), "status"), "cancelled");
    EXPECT(line_of("answer", 1) != NULL);
    EXPECT(!line_of("answer", 2));
    end();
}

PRL_TEST(record_of_tools_and_errors)
{
    REQUIRE(begin(INT64_C(600000000)) == PRL_OK && world_ready(&t.world));
    world_send(&t.world, SESSION("\"type\":\"realtime\",\"tools\":[{\"type\":\"function\",\"name\":"
                                 "\"get_weather\",\"parameters\":{\"type\":\"object\"}}]"));
    world_send(&t.world, USER("the weather"));
    world_send(&t.world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&t.world, "\"response.done\""));
    world_send(&t.world, "{\"type\":\"response.cancel\"}");
    REQUIRE(finish());
    EXPECT_TEXT(text_of(line_of("tool_call", 0), "name"), "get_weather");
    EXPECT(!prl_json_get(line_of("tool_call", 0), "arguments"));
    EXPECT_TEXT(text_of(line_of("error", 0), "code"), "response_cancel_not_active");
    end();
}

// Behind the limit nothing is written any more, and the conversation does not care.
PRL_TEST(record_ends_at_its_limit)
{
    REQUIRE(begin(1) == PRL_OK && world_ready(&t.world));
    world_send(&t.world, USER("hello"));
    world_send(&t.world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&t.world, "\"response.done\""));
    REQUIRE(finish());
    EXPECT_INT(t.count, 2);
    EXPECT_TEXT(text_of(t.lines[1], "reason"), "limit");
    end();
}

PRL_TEST_OOM(record_memory)
{
    enum prl_err err = begin(INT64_C(600000000));
    if (!err && world_ready(&t.world)) {
        world_send(&t.world, USER("hello"));
        world_send(&t.world, "{\"type\":\"response.create\"}");
        (void)world_await(&t.world, "\"response.done\"");
    }
    end();
}

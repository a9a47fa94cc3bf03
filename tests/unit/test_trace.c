// test_trace.c -- api/trace: the spans of turns, and both forms as JSON that says the same.
#include "api/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/unit.h"

#define MS INT64_C(1000)

static const struct prl_session_spans spoken = {.detected_us = 510 * MS,
                                                .stt_us = 320 * MS,
                                                .first_token_us = 400 * MS,
                                                .first_audio_us = 450 * MS,
                                                .first_byte_us = 512 * MS,
                                                .heard_end_us = 2000 * MS,
                                                .hold_us = 60 * MS,
                                                .late_us = 0,
                                                .spoken = true};

static const struct prl_session_spans asked = {.detected_us = -1,
                                               .stt_us = -1,
                                               .first_token_us = 100 * MS,
                                               .first_audio_us = -1,
                                               .first_byte_us = 101 * MS,
                                               .heard_end_us = -1,
                                               .input_delay_us = -1,
                                               .hold_us = -1,
                                               .late_us = -1};

static struct prl_trace_turn turn_of(const struct prl_session_spans *spans)
{
    struct prl_trace_turn turn = {.session = "sess_\"1\"",
                                  .response = "resp_1",
                                  .zero_wall_us = INT64_C(1795838400000001),
                                  .spans = *spans,
                                  .status = PRL_RESPONSE_COMPLETED};
    for (size_t i = 0; i < sizeof(turn.seed); i++)
        turn.seed[i] = (uint8_t)(i + 0xa0);
    return turn;
}

PRL_TEST(trace_spans_of_a_spoken_turn)
{
    static const struct prl_trace_span expected[] = {{"turn", 0, 2000 * MS},
                                                     {"end_of_turn", 0, 510 * MS},
                                                     {"stt", 0, 320 * MS},
                                                     {"llm.first_token", 320 * MS, 400 * MS},
                                                     {"tts.first_sound", 400 * MS, 450 * MS},
                                                     {"hold", 450 * MS, 510 * MS},
                                                     {"send", 510 * MS, 512 * MS},
                                                     {"playing", 512 * MS, 2000 * MS}};
    struct prl_trace_span out[PRL_TRACE_SPANS_MAX];
    REQUIRE(prl_trace_spans(&spoken, out) == 8);
    for (size_t i = 0; i < 8; i++) {
        EXPECT_TEXT(out[i].name, expected[i].name);
        EXPECT_INT(out[i].start_us, expected[i].start_us);
        EXPECT_INT(out[i].end_us, expected[i].end_us);
    }
}

PRL_TEST(trace_leaves_out_what_was_not)
{
    struct prl_trace_span out[PRL_TRACE_SPANS_MAX];
    REQUIRE(prl_trace_spans(&asked, out) == 3);
    EXPECT_TEXT(out[0].name, "request");
    EXPECT_INT(out[0].end_us, 101 * MS);
    EXPECT_TEXT(out[1].name, "llm.first_token");
    EXPECT_TEXT(out[2].name, "send");
    EXPECT_INT(out[2].start_us, 0);
    // Begun in secret: the token came before the transcript, the sound before zero.
    struct prl_session_spans early = spoken;
    early.first_token_us = 300 * MS;
    early.first_audio_us = -5 * MS;
    early.hold_us = 515 * MS;
    size_t count = prl_trace_spans(&early, out);
    for (size_t i = 0; i < count; i++) {
        EXPECT(out[i].start_us >= 0 && out[i].end_us >= out[i].start_us);
        EXPECT(out[i].end_us <= out[0].end_us);
        EXPECT(strcmp(out[i].name, "llm.first_token") != 0);
        EXPECT(strcmp(out[i].name, "tts.first_sound") != 0);
    }
    // Nothing at all is still a turn.
    struct prl_session_spans none = asked;
    none.first_token_us = none.first_byte_us = -1;
    EXPECT_INT(prl_trace_spans(&none, out), 1);
    EXPECT_INT(out[0].end_us, 0);
}

static const struct prl_json *at(const struct prl_json *json, const char *key, size_t index)
{
    return prl_json_at(prl_json_get(json, key), index);
}

static void check_otlp(const struct prl_json *root)
{
    const struct prl_json *scope = at(at(root, "resourceSpans", 0), "scopeSpans", 0);
    const struct prl_json *spans = prl_json_get(scope, "spans");
    REQUIRE(prl_json_count(spans) == 8 + 3);
    const struct prl_json *turn = prl_json_at(spans, 0);
    const char *id = prl_json_string(prl_json_get(turn, "spanId"), "");
    EXPECT_TEXT(prl_json_string(prl_json_get(turn, "traceId"), ""),
                "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    EXPECT_INT(strlen(id), 16);
    EXPECT(prl_json_get(turn, "parentSpanId") == NULL);
    EXPECT_TEXT(prl_json_string(prl_json_get(turn, "startTimeUnixNano"), ""),
                "1795838400000001000");
    EXPECT_TEXT(prl_json_string(prl_json_get(turn, "endTimeUnixNano"), ""), "1795838402000001000");
    for (size_t i = 1; i < 8; i++) {
        const struct prl_json *span = prl_json_at(spans, i);
        EXPECT_TEXT(prl_json_string(prl_json_get(span, "parentSpanId"), ""), id);
        EXPECT(strcmp(prl_json_string(prl_json_get(span, "spanId"), ""), id) != 0);
    }
}

PRL_TEST(trace_writes_otlp)
{
    struct prl_trace_turn turns[] = {turn_of(&spoken), turn_of(&asked)};
    turns[1].status = PRL_RESPONSE_FAILED;
    struct prl_str text;
    prl_str_init(&text, 1 << 16);
    prl_trace_write_otlp(&text, turns, 2, "1.2");
    REQUIRE(text.err == PRL_OK);
    EXPECT(strstr(text.data, "sess_\\\"1\\\"") != NULL);
    EXPECT(strstr(text.data, "\"status\":{\"code\":2}") != NULL);
    EXPECT(text.len < 16384);
    struct prl_json *root;
    REQUIRE(prl_json_parse(&root, text.data, text.len, NULL, 0) == PRL_OK);
    check_otlp(root);
    prl_json_free(&root);
    prl_str_free(&text);
}

PRL_TEST(trace_writes_chrome)
{
    struct prl_trace_turn turn = turn_of(&spoken);
    struct prl_str text;
    prl_str_init(&text, 8192);
    (void)prl_str_adds(&text, "[");
    prl_trace_write_chrome(&text, &turn);
    (void)prl_str_adds(&text, "]");
    REQUIRE(text.err == PRL_OK);
    struct prl_json *root;
    REQUIRE(prl_json_parse(&root, text.data, text.len, NULL, 0) == PRL_OK);
    EXPECT_INT(prl_json_count(root), 8);
    EXPECT(strstr(text.data, "\"ph\":\"X\",\"ts\":1795838400000001,\"dur\":2000000,") != NULL);
    prl_json_free(&root);
    prl_str_free(&text);
}

PRL_TEST(trace_stays_in_its_room)
{
    struct prl_trace_turn turn = turn_of(&spoken);
    struct prl_str text;
    prl_str_init(&text, 300);
    prl_trace_write_otlp(&text, &turn, 1, "1");
    EXPECT_INT(text.err, PRL_ERR_LIMIT);
    prl_str_free(&text);
}

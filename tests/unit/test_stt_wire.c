// test_stt_wire.c -- what is said to recognisers over a WebSocket, and what their messages mean.
#include "stt/wire.h"

#include <string.h>

#include "tests/unit.h"

static void expect_said(enum prl_err err, struct prl_str *said, const char *text)
{
    EXPECT_OK(err);
    EXPECT_TEXT(prl_str_text(said), text);
    prl_str_clear(said);
}

PRL_TEST(stt_wire_up)
{
    static const int16_t pcm[3] = {1, -1, 256};
    const struct prl_wire_start start = {.model = "m", .language = "en", .prompt = "", .extra = ""};
    const struct prl_wire_start bare = {
        .model = "", .language = "", .prompt = "a \"word\"", .extra = "\"x\":1"};
    struct prl_str said;
    prl_str_init(&said, 4096);
    expect_said(prl_wire_open(PRL_WIRE_PLAIN, &start, &said), &said,
                "{\"type\":\"start\",\"format\":\"pcm16\",\"sample_rate\":16000,\"model\":\"m\","
                "\"language\":\"en\"}");
    expect_said(prl_wire_open(PRL_WIRE_PLAIN, &bare, &said), &said,
                "{\"type\":\"start\",\"format\":\"pcm16\",\"sample_rate\":16000,"
                "\"prompt\":\"a \\\"word\\\"\",\"x\":1}");
    expect_said(prl_wire_open(PRL_WIRE_OPENAI, &start, &said), &said,
                "{\"type\":\"session.update\",\"session\":{\"type\":\"transcription\",\"audio\":{"
                "\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000},\"transcription\":{"
                "\"model\":\"m\",\"language\":\"en\"},\"turn_detection\":null}}}}");
    expect_said(prl_wire_open(PRL_WIRE_VLLM, &start, &said), &said,
                "{\"type\":\"session.update\",\"model\":\"m\"}");
    expect_said(prl_wire_begin(PRL_WIRE_PLAIN, &said), &said, "");
    expect_said(prl_wire_begin(PRL_WIRE_OPENAI, &said), &said, "");
    expect_said(prl_wire_begin(PRL_WIRE_VLLM, &said), &said,
                "{\"type\":\"input_audio_buffer.commit\",\"final\":false}");
    expect_said(prl_wire_sound(PRL_WIRE_VLLM, pcm, 3, &said), &said,
                "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AQD//wAB\"}");
    EXPECT_OK(prl_wire_sound(PRL_WIRE_PLAIN, pcm, 3, &said));
    EXPECT(said.len == 6 && memcmp(said.data, pcm, 6) == 0);
    prl_str_clear(&said);
    expect_said(prl_wire_commit(PRL_WIRE_PLAIN, &said), &said, "{\"type\":\"commit\"}");
    expect_said(prl_wire_commit(PRL_WIRE_OPENAI, &said), &said,
                "{\"type\":\"input_audio_buffer.commit\"}");
    expect_said(prl_wire_commit(PRL_WIRE_VLLM, &said), &said,
                "{\"type\":\"input_audio_buffer.commit\",\"final\":true}");
    EXPECT(prl_wire_is_binary(PRL_WIRE_PLAIN) && !prl_wire_is_binary(PRL_WIRE_VLLM));
    EXPECT_INT(prl_wire_rate(PRL_WIRE_OPENAI), 24000);
    EXPECT_TEXT(prl_wire_path(PRL_WIRE_OPENAI), "/realtime?intent=transcription");
    prl_str_free(&said);
}

PRL_TEST(stt_wire_down)
{
    static const struct {
        enum prl_wire wire;
        const char *message;
        enum prl_err err;
        enum prl_wire_kind kind;
        const char *text;
    } cases[] = {
        {PRL_WIRE_PLAIN, "{\"type\":\"transcription\",\"text\":\"a b\",\"is_final\":false}", PRL_OK,
         PRL_WIRE_SO_FAR, "a b"},
        {PRL_WIRE_PLAIN, "{\"type\":\"transcription\",\"text\":\"\",\"is_final\":true}", PRL_OK,
         PRL_WIRE_FINAL, ""},
        {PRL_WIRE_PLAIN, "{\"type\":\"transcription\",\"is_final\":true}", PRL_ERR_INVALID,
         PRL_WIRE_NOTHING, ""},
        {PRL_WIRE_PLAIN, "{\"type\":\"ready\"}", PRL_OK, PRL_WIRE_NOTHING, ""},
        {PRL_WIRE_PLAIN, "{\"type\":\"error\",\"message\":\"full\"}", PRL_OK, PRL_WIRE_FAILED,
         "the recogniser says: full"},
        {PRL_WIRE_PLAIN, "{\"type\":\"transcription.delta\",\"delta\":\"x\"}", PRL_OK,
         PRL_WIRE_NOTHING, ""},
        {PRL_WIRE_OPENAI,
         "{\"type\":\"conversation.item.input_audio_transcription.delta\",\"delta\":\" x\"}",
         PRL_OK, PRL_WIRE_MORE, " x"},
        {PRL_WIRE_OPENAI,
         "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"transcript\":"
         "\"x\"}",
         PRL_OK, PRL_WIRE_FINAL, "x"},
        {PRL_WIRE_OPENAI,
         "{\"type\":\"conversation.item.input_audio_transcription.failed\",\"error\":{\"message\":"
         "\"no\"}}",
         PRL_OK, PRL_WIRE_FAILED, "the recogniser says: no"},
        {PRL_WIRE_OPENAI, "{\"type\":\"error\",\"error\":{}}", PRL_OK, PRL_WIRE_FAILED,
         "the recogniser says: it failed"},
        {PRL_WIRE_OPENAI, "{\"type\":\"session.created\",\"session\":{}}", PRL_OK, PRL_WIRE_NOTHING,
         ""},
        {PRL_WIRE_VLLM, "{\"type\":\"transcription.delta\",\"delta\":\"x\"}", PRL_OK, PRL_WIRE_MORE,
         "x"},
        {PRL_WIRE_VLLM, "{\"type\":\"transcription.done\",\"text\":\"x y\",\"usage\":{}}", PRL_OK,
         PRL_WIRE_FINAL, "x y"},
        {PRL_WIRE_VLLM, "{\"type\":\"error\",\"error\":\"bad model\",\"code\":\"x\"}", PRL_OK,
         PRL_WIRE_FAILED, "the recogniser says: bad model"},
        {PRL_WIRE_VLLM, "{\"type\":\"transcription.done\",\"text\":[]}", PRL_ERR_INVALID,
         PRL_WIRE_NOTHING, ""},
        {PRL_WIRE_VLLM, "[]", PRL_OK, PRL_WIRE_NOTHING, ""},
        {PRL_WIRE_VLLM, "{no json", PRL_ERR_INVALID, PRL_WIRE_NOTHING, ""},
        {PRL_WIRE_VLLM, "", PRL_ERR_INVALID, PRL_WIRE_NOTHING, ""},
    };
    struct prl_str text;
    prl_str_init(&text, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum prl_wire_kind kind;
        enum prl_err err =
            prl_wire_read(cases[i].wire, cases[i].message, strlen(cases[i].message), &kind, &text);
        EXPECT_INT(err, cases[i].err);
        EXPECT_INT(kind, cases[i].kind);
        EXPECT_TEXT(prl_str_text(&text), cases[i].text);
    }
    prl_str_free(&text);
}

PRL_TEST_OOM(stt_wire_without_memory)
{
    static const char message[] =
        "{\"type\":\"transcription\",\"text\":\"words\",\"is_final\":true}";
    const struct prl_wire_start start = {.model = "m", .language = "", .prompt = "", .extra = ""};
    struct prl_str text;
    enum prl_wire_kind kind;
    prl_str_init(&text, 1000);
    enum prl_err err = prl_wire_open(PRL_WIRE_OPENAI, &start, &text);
    if (!err)
        err = prl_wire_read(PRL_WIRE_PLAIN, message, sizeof(message) - 1, &kind, &text);
    EXPECT(!err || prl_test_oom());
    prl_str_free(&text);
}

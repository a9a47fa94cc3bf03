// test_message.c -- messages whose sound is taken out as their bytes arrive.
#include <string.h>

#include "api/message.h"
#include "base/mem.h"
#include "tests/unit.h"

static void feed(struct prl_message *message, const char *text, size_t slice)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += slice)
        prl_message_add(message, text + at, len - at < slice ? len - at : slice);
    prl_message_end(message);
}

static void expect_split(const char *text, const char *rest, const char *audio)
{
    for (size_t slice = 1; slice < 9; slice++) {
        struct prl_message message;
        prl_message_init(&message);
        feed(&message, text, slice);
        EXPECT_OK(message.err);
        EXPECT_TEXT(prl_str_text(&message.text), rest);
        EXPECT_INT(message.audio.len, strlen(audio));
        EXPECT(memcmp(prl_str_text(&message.audio), audio, strlen(audio)) == 0);
        prl_message_reset(&message);
    }
}

PRL_TEST(message_takes_the_sound_out)
{
    expect_split("{\"type\":\"a\",\"audio\":\"Zm9vYmFy\"}", "{\"type\":\"a\",\"audio\":\"\"}",
                 "foobar");
    expect_split("{ \"audio\" : \"Zm9v\" , \"type\":\"a\"}", "{ \"audio\" : \"\" , \"type\":\"a\"}",
                 "foo");
    expect_split("{\"audio\":\"\\/\\/\\/\\/\"}", "{\"audio\":\"\"}", "\xFF\xFF\xFF");
}

// RFC 8259 section 7: any character of a name or a value may be escaped, and some writers do.
PRL_TEST(message_reads_escaped_names_and_sound)
{
    expect_split("{\"\\u0061udio\":\"Zm9v\"}", "{\"\\u0061udio\":\"\"}", "foo");
    expect_split("{\"a\\u0075\\u0064i\\u006F\":\"Zm9v\",\"b\":1}",
                 "{\"a\\u0075\\u0064i\\u006F\":\"\",\"b\":1}", "foo");
    expect_split("{\"audio\":\"Zm9\\u0076\\u002b\\u002B\\u002F\\/\"}", "{\"audio\":\"\"}",
                 "foo\xFB\xEF\xFF");
}

PRL_TEST(message_leaves_other_audio_alone)
{
    static const char *const texts[] = {"{\"session\":{\"audio\":\"Zm9v\"}}",
                                        "{\"type\":\"audio\",\"x\":\"y\"}",
                                        "[\"audio\",\"Zm9v\"]",
                                        "{\"audio\":{\"output\":{\"voice\":\"a\"}}}",
                                        "{\"audio\":5}",
                                        "{\"a\\\"udio\":\"audio\",\"audi\":\"o\"}",
                                        "\"audio\":\"x\"",
                                        "}}]]\"",
                                        "{\"\\u0061udi\\u0100\":\"x\"}",
                                        "{\"\\\\u0061udio\":\"x\",\"y\":\"\\u0022,\"}",
                                        "{\"\\audio\":\"x\"}",
                                        "{\"audios\":\"x\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_split(texts[i], texts[i], "");
}

PRL_TEST(message_names_bad_sound)
{
    static const char *const texts[] = {"{\"audio\":\"Zm9\\u0020\"}", "{\"audio\":\"Zm9\\u003z\"}",
                                        "{\"audio\":\"Zm 9v\"}",      "{\"audio\":\"Zm9v\\\"\"}",
                                        "{\"audio\":\"Zm9\\u01",      "{\"audio\":\"Zm9\\u0176\"}",
                                        "{\"audio\":\"Zm9\\n\"}",     "{\"audio\":\"Z\"}",
                                        "{\"audio\":\"Zm9v",          "{\"audio\":\"Zm9v="};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct prl_message message;
        prl_message_init(&message);
        feed(&message, texts[i], 3);
        EXPECT_INT(message.err, PRL_ERR_INVALID);
        EXPECT(message.audio_problem);
        prl_message_reset(&message);
    }
}

PRL_TEST(message_keeps_its_limits)
{
    char *text = prl_mem_alloc(1 << 16);
    REQUIRE(text != NULL);
    memset(text, 'A', 1 << 16);
    struct prl_message message;
    prl_message_init(&message);
    prl_message_add(&message, "{\"audio\":\"", 10);
    for (int i = 0; i < 240; i++)
        prl_message_add(&message, text, 1 << 16); // exactly 15 MiB
    EXPECT_OK(message.err);
    EXPECT_INT(message.audio.len, PRL_MESSAGE_AUDIO_MAX);
    prl_message_add(&message, text, 4);
    EXPECT_INT(message.err, PRL_ERR_LIMIT);
    EXPECT(message.audio_problem);
    prl_message_reset(&message);
    for (int i = 0; i < 17; i++)
        prl_message_add(&message, text, 1 << 16);
    EXPECT_INT(message.err, PRL_ERR_LIMIT);
    EXPECT(!message.audio_problem);
    prl_message_reset(&message);
    prl_mem_free(text);
}

PRL_TEST_OOM(message_with_sound)
{
    struct prl_message message;
    prl_message_init(&message);
    feed(&message, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"Zm9vYmFyZm9vYmFy\"}", 7);
    EXPECT(message.err == PRL_OK || message.err == PRL_ERR_NOMEM);
    prl_message_reset(&message);
}

// test_stt_transcript.c -- a recogniser's answer over HTTP: both forms, at every cut, hostile, without memory.
#include "stt/transcript.h"

#include <string.h>

#include "tests/unit.h"

#define DELTA(text) "data: {\"type\":\"transcript.text.delta\",\"delta\":\"" text "\"}\n\n"
#define DONE(text)  "data: {\"type\":\"transcript.text.done\",\"text\":\"" text "\"}\n\n"
#define CHUNK(text, reason)                                                                        \
    "data: {\"object\":\"transcription.chunk\",\"choices\":[{\"delta\":{\"content\":\"" text       \
    "\"},\"finish_reason\":" reason "}]}\n\n"

static enum prl_err read_all(const char *answer, size_t len, size_t step, bool events,
                             struct prl_str *text, char language[32])
{
    struct prl_transcript *transcript;
    const char *told = "";
    enum prl_err err = prl_transcript_create(&transcript, events);
    if (err)
        return err;
    for (size_t at = 0; at < len; at += step)
        err = prl_transcript_push(transcript, answer + at, len - at < step ? len - at : step);
    enum prl_err end = prl_transcript_end(transcript, text, &told);
    EXPECT(!err || end);
    EXPECT(!end || prl_transcript_why(transcript)[0] != '\0');
    (void)prl_str_copy(language, 32, told);
    prl_transcript_destroy(&transcript);
    return end;
}

PRL_TEST(stt_transcript_forms_at_every_cut)
{
    static const struct {
        bool events;
        const char *answer, *text, *language; // text NULL: REMOTE
    } cases[] = {
        {false, "{\"text\":\" Hello\",\"language\":\"english\"}", " Hello", "english"},
        {false, "{\"text\":\"\"}", "", ""},
        {false, "[\"text\"]", NULL, ""},
        {false, "{\"error\":{\"message\":\"none\"}}", NULL, ""},
        {false, "{\"text\":7}", NULL, ""},
        {false, "", NULL, ""},
        {true, DELTA("Hel") DELTA("lo") DONE("Hello."), "Hello.", ""},
        {true, DELTA("Hel") DELTA("lo") "data: {\"type\":\"transcript.text.done\"}\n\n", "Hello",
         ""},
        {true, DELTA("Hel") DELTA("lo"), NULL, ""}, // cut
        {true, DELTA("Hel") "data: [DONE]\n\n", "Hel", ""},
        {true, CHUNK("Hel", "null") CHUNK("lo", "null") CHUNK("", "\"stop\"") "data: [DONE]\n\n",
         "Hello", ""},
        {true, CHUNK("Hel", "null"), NULL, ""},
        {true, DONE("One") DONE("Two"), "One", ""}, // what comes after the end is not asked for
        {true, "data: {\"type\":\"other\"}\n\n" DONE(""), "", ""},
        {true, "data: {no json\n\n" DONE("Yes"), NULL, ""},
        {true, DELTA("Hel") "data: {\"error\":\"overloaded\"}\n\n" DONE("Hello"), NULL, ""},
        {true, "data: 7\n\n" DONE("Seven"), "Seven", ""},
        {true, "", NULL, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step < 60; step += 7) {
            struct prl_str text;
            char language[32];
            prl_str_init(&text, PRL_TRANSCRIPT_MAX);
            enum prl_err err = read_all(cases[i].answer, strlen(cases[i].answer), step,
                                        cases[i].events, &text, language);
            EXPECT_INT(err, cases[i].text ? PRL_OK : PRL_ERR_REMOTE);
            if (cases[i].text) {
                EXPECT_TEXT(prl_str_text(&text), cases[i].text);
                EXPECT_TEXT(language, cases[i].language);
            }
            prl_str_free(&text);
        }
    EXPECT(prl_transcript_is_events("Text/Event-Stream; charset=utf-8"));
    EXPECT(!prl_transcript_is_events("application/json") && !prl_transcript_is_events(""));
}

PRL_TEST(stt_transcript_has_a_limit)
{
    struct prl_transcript *transcript;
    struct prl_str text;
    const char *language;
    static char much[1024];
    memset(much, 'x', sizeof(much));
    for (int events = 0; events < 2; events++) {
        REQUIRE(prl_transcript_create(&transcript, events) == PRL_OK);
        enum prl_err err = PRL_OK;
        for (int i = 0; i < 1024 && !err; i++)
            err = prl_transcript_push(transcript, much, sizeof(much));
        EXPECT(err != PRL_OK);
        prl_str_init(&text, 100);
        EXPECT(prl_transcript_end(transcript, &text, &language) != PRL_OK);
        prl_str_free(&text);
        prl_transcript_destroy(&transcript);
    }
}

PRL_TEST_OOM(stt_transcript_without_memory)
{
    static const char *const answers[] = {"{\"text\":\"Yes.\"}", DELTA("Y") DONE("Yes.")};
    for (int events = 0; events < 2; events++) {
        struct prl_str text;
        char language[32];
        prl_str_init(&text, PRL_TRANSCRIPT_MAX);
        enum prl_err err =
            read_all(answers[events], strlen(answers[events]), 10, events, &text, language);
        EXPECT(err == PRL_OK || prl_test_oom());
        if (!err)
            EXPECT_TEXT(prl_str_text(&text), "Yes.");
        prl_str_free(&text);
    }
}

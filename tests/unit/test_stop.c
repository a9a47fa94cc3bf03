// test_stop.c -- texts that end an answer: in pieces of every size, overlapping, in Chinese, at the end.
#include "llm/stop.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

static void on_text(void *arg, const char *text, size_t len)
{
    struct prl_str *out = arg;
    EXPECT(len > 0);
    EXPECT_INT(prl_utf8_whole(text, len), len); // never half a code point
    (void)prl_str_add(out, text, len);
}

static enum prl_err run(const char *const *stops, size_t count, const char *answer, size_t step,
                        struct prl_str *out, bool *hit)
{
    struct prl_stop stop;
    enum prl_err err = PRL_OK;
    size_t len = strlen(answer);
    prl_stop_init(&stop, stops, count);
    for (size_t at = 0; at < len && !err;) {
        size_t n = len - at < step ? len - at : step;
        while (at + n < len && (answer[at + n] & 0xC0) == 0x80)
            n++; // whole code points, as models give them
        err = prl_stop_push(&stop, answer + at, n, on_text, out);
        at += n;
    }
    prl_stop_end(&stop, on_text, out);
    *hit = stop.hit;
    prl_stop_free(&stop);
    return err;
}

PRL_TEST(stop_in_pieces_of_every_size)
{
    static const struct {
        const char *stops[PRL_LLM_STOPS_MAX];
        const char *answer, *out;
        bool hit;
    } cases[] = {
        {{NULL}, "all of it", "all of it", false},
        {{"\n\n"}, "one\ntwo\n\nthree", "one\ntwo", true},
        {{"END"}, "no such thing, EN", "no such thing, EN", false},
        {{"END"}, "END", "", true},
        {{"aab"}, "aaab", "a", true},
        {{"abcd", "bc"}, "xabcx", "xa", true}, // the shorter one ends first, inside a beginning
        {{"ababac"}, "abababac", "ab", true},
        {{"x", "three"}, "one two three", "one two ", true},
        {{"\xE4\xBD\xA0\xE5\xA5\xBD"},
         "\xE4\xBD\xA0\xE4\xBD\xA0\xE5\xA5\xBD\xE5\x90\x97",
         "\xE4\xBD\xA0",
         true},
        {{"\xE4\xBD\xA0\xE5\xA5\xBD"},
         "\xE4\xBD\xA0\xE5\xA5\xB9",
         "\xE4\xBD\xA0\xE5\xA5\xB9",
         false},
        {{"stop"}, "stop it, stop it", "", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step < 20; step++) {
            struct prl_str out;
            bool hit;
            size_t count = 0;
            while (count < PRL_LLM_STOPS_MAX && cases[i].stops[count])
                count++;
            prl_str_init(&out, 1000);
            EXPECT_OK(run(cases[i].stops, count, cases[i].answer, step, &out, &hit));
            EXPECT_TEXT(prl_str_text(&out), cases[i].out);
            EXPECT_INT(hit, cases[i].hit);
            prl_str_free(&out);
        }
}

PRL_TEST(stop_longest_texts)
{
    char text[PRL_LLM_STOP_BYTES_MAX];
    const char *stops[1] = {text};
    struct prl_str out;
    bool hit;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    prl_str_init(&out, 1000);
    EXPECT_OK(run(stops, 1, text + 1, 7, &out, &hit));
    EXPECT(!hit && out.len == sizeof(text) - 2);
    prl_str_clear(&out);
    EXPECT_OK(run(stops, 1, text, 7, &out, &hit));
    EXPECT(hit && out.len == 0);
    prl_str_free(&out);
}

PRL_TEST_OOM(stop_without_memory)
{
    static const char *const stops[] = {"END"};
    struct prl_str out;
    bool hit;
    prl_str_init(&out, 1000);
    enum prl_err err = run(stops, 1, "one two END three", 3, &out, &hit);
    EXPECT(!err || prl_test_oom());
    if (!err && !prl_test_oom())
        EXPECT_TEXT(prl_str_text(&out), "one two ");
    prl_str_free(&out);
}

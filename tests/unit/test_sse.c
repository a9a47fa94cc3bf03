// test_sse.c -- server-sent events at every cut, with every line ending, and their limits.
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "net/sse.h"
#include "tests/unit.h"

static void on_event(void *arg, const struct prl_sse_event *event)
{
    (void)prl_str_addf(arg, "[%s|%s|%s]", event->event, event->data, event->id);
    EXPECT_INT(event->data_len, strlen(event->data));
}

static void parse(const char *text, size_t len, size_t step, struct prl_str *seen)
{
    struct prl_sse *sse;
    REQUIRE(prl_sse_create(&sse, 0, on_event, seen) == PRL_OK);
    for (size_t at = 0; at < len; at += step)
        EXPECT_OK(prl_sse_push(sse, text + at, len - at < step ? len - at : step));
    prl_sse_destroy(&sse);
}

PRL_TEST(sse_at_every_cut_and_line_end)
{
    static const struct {
        const char *text, *seen;
    } cases[] = {
        {"data: a\n\n", "[message|a|]"},
        {"\xef\xbb\xbf"
         "data:a\r\rdata: b\r\n\r\n",
         "[message|a|][message|b|]"},
        {"event: delta\nid: 7\ndata: x\ndata: y\n\ndata:  z\n\n", "[delta|x\ny|7][message| z|7]"},
        {": comment\nretry: 10\nunknown: 1\ndata\n\n", "[message||]"},
        {"event: lost\n\ndata: kept\n\n", "[message|kept|]"},
        {"data: unfinished", ""},
        {"data: [DONE]\n\n\n\n", "[message|[DONE]|]"},
        {"datax: no\n\n", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            struct prl_str seen;
            prl_str_init(&seen, 4096);
            parse(cases[i].text, strlen(cases[i].text), step, &seen);
            EXPECT_TEXT(prl_str_text(&seen), cases[i].seen);
            prl_str_free(&seen);
        }
}

PRL_TEST(sse_is_bounded)
{
    struct prl_sse *sse;
    struct prl_str seen;
    prl_str_init(&seen, 4096);
    REQUIRE(prl_sse_create(&sse, 64, on_event, &seen) == PRL_OK);
    char line[80];
    memset(line, 'a', sizeof(line));
    EXPECT_INT(prl_sse_push(sse, line, sizeof(line)), PRL_ERR_LIMIT);
    EXPECT_INT(prl_sse_push(sse, "\n\n", 2), PRL_ERR_LIMIT); // dead until reset
    prl_sse_reset(sse);
    enum prl_err err = PRL_OK;
    for (int i = 0; i < 20 && !err; i++) // many lines make one event
        err = prl_sse_push(sse, "data: 0123456789\n", 17);
    EXPECT_INT(err, PRL_ERR_LIMIT);
    prl_sse_reset(sse);
    EXPECT_OK(prl_sse_push(sse, "data: ok\n\n", 10));
    EXPECT_TEXT(prl_str_text(&seen), "[message|ok|]");
    prl_sse_destroy(&sse);
    prl_str_free(&seen);
}

PRL_TEST_OOM(sse_whole_life)
{
    static const char text[] = "event: delta\nid: 7\ndata: x\ndata: y\n\n";
    struct prl_sse *sse = NULL;
    struct prl_str seen;
    prl_str_init(&seen, 4096);
    if (prl_sse_create(&sse, 0, on_event, &seen) == PRL_OK &&
        prl_sse_push(sse, text, sizeof(text) - 1) == PRL_OK)
        EXPECT(seen.err || strcmp(prl_str_text(&seen), "[delta|x\ny|7]") == 0);
    prl_sse_destroy(&sse);
    prl_str_free(&seen);
}

// test_metrics.c -- base/metrics: what several loops render becomes one text.
#include "base/metrics.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

static bool merges_to(const char *const *texts, size_t count, const char *wanted)
{
    struct prl_str out;
    prl_str_init(&out, 4096);
    EXPECT_OK(prl_metrics_merge(&out, texts, count));
    bool same = strcmp(prl_str_text(&out), wanted) == 0;
    if (!same)
        EXPECT_TEXT(prl_str_text(&out), wanted);
    prl_str_free(&out);
    return same;
}

PRL_TEST(metrics_of_several_loops_are_added)
{
    const char *texts[] = {"# HELP parley_calls Calls now 7\n"
                           "# TYPE parley_calls gauge\n"
                           "parley_calls 2\n"
                           "parley_loop_load 0.5\n"
                           "parley_x{kind=\"a b\",le=\"+Inf\"} 1.5\n",
                           "# HELP parley_calls Calls now 7\n"
                           "# TYPE parley_calls gauge\n"
                           "parley_calls 40\n"
                           "parley_loop_load 0.25\n"
                           "parley_x{kind=\"a b\",le=\"+Inf\"} 2\n",
                           "# HELP parley_calls Calls now 7\n"
                           "# TYPE parley_calls gauge\n"
                           "parley_calls 0\n"
                           "parley_loop_load 0.75\n"
                           "parley_x{kind=\"a b\",le=\"+Inf\"} 1e3\n"};
    EXPECT(merges_to(texts, 3,
                     "# HELP parley_calls Calls now 7\n"
                     "# TYPE parley_calls gauge\n"
                     "parley_calls 42\n"
                     "parley_loop_load 0.75\n"
                     "parley_x{kind=\"a b\",le=\"+Inf\"} 1003.5\n"));
    EXPECT(merges_to(texts, 1, texts[0]));
    EXPECT(merges_to((const char *[]){""}, 1, ""));
}

PRL_TEST(metrics_that_differ_are_left_out)
{
    const char *texts[] = {"a 1\nb 2\nc 3\n", "a 10\nx 20\nc 30\n", "a 100\n", "",
                           "a 1000\nb 2000"};
    EXPECT(merges_to(texts, 5, "a 1111\nb 2002\nc 3\n"));
}

PRL_TEST_OOM(metrics_merge_or_say_so)
{
    struct prl_str out;
    const char *texts[] = {"a 1\n", "a 2\n"};
    prl_str_init(&out, 4096);
    enum prl_err err = prl_metrics_merge(&out, texts, 2);
    EXPECT(err == PRL_ERR_NOMEM || strcmp(prl_str_text(&out), "a 3\n") == 0);
    prl_str_free(&out);
}

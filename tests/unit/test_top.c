// test_top.c -- server/top: samples of /metrics, quantiles of what happened between two looks, the table.
#include "server/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "tests/unit.h"

static struct prl_top_look *read_text(const char *text)
{
    struct prl_top_look *look = prl_mem_zalloc(sizeof(*look));
    if (look)
        prl_top_read(look, text, strlen(text));
    return look;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static const char first[] = "# HELP a_total words\n# TYPE a_total counter\n"
                            "a_total{lane=\"stt\"} 3\n"
                            "a_total{lane=\"tts\",x=\"a b\"} 4.5\n"
                            "plain -1e3\n"
                            "d_seconds_bucket{le=\"0.1\"} 10\n"
                            "d_seconds_bucket{le=\"0.2\"} 10\n"
                            "d_seconds_bucket{le=\"0.4\"} 20\n"
                            "d_seconds_bucket{le=\"+Inf\"} 20\n";
static const char second[] = "d_seconds_bucket{le=\"0.1\"} 10\n"
                             "d_seconds_bucket{le=\"0.2\"} 20\n"
                             "d_seconds_bucket{le=\"0.4\"} 20\n"
                             "d_seconds_bucket{le=\"+Inf\"} 30\n";

PRL_TEST(top_reads_samples)
{
    struct prl_top_look *look = read_text(first);
    REQUIRE(look != NULL);
    double value = 0;
    EXPECT_INT(look->count, 7);
    EXPECT(prl_top_value(look, "a_total", "", &value) && near(value, 3));
    EXPECT(prl_top_value(look, "a_total", "lane=\"tts\"", &value) && near(value, 4.5));
    EXPECT(!prl_top_value(look, "a_total", "lane=\"llm\"", &value));
    EXPECT(prl_top_value(look, "plain", "", &value) && near(value, -1000));
    EXPECT(!prl_top_value(look, "plai", "", &value));
    EXPECT(!prl_top_value(NULL, "plain", "", &value));
    prl_mem_free(look);
}

PRL_TEST(top_passes_over_what_is_no_sample)
{
    static const char *const bad[] = {
        "",       "\n\n",        "name",         "name ",      "{x} 1",
        " 1",     "name{x 1",    "name{x}1",     "name 1 2 3", "name x",
        "name{ ", "name} 1.0.0", "name 1e5garb", "#",          "{"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct prl_top_look *look = read_text(bad[i]);
        REQUIRE(look != NULL);
        EXPECT_INT(look->count, 0);
        prl_mem_free(look);
    }
    // More than there is room for.
    struct prl_str text;
    prl_str_init(&text, 1 << 20);
    for (int i = 0; i < PRL_TOP_SAMPLES_MAX + 10; i++)
        (void)prl_str_adds(&text, "a 1\n");
    REQUIRE(text.err == PRL_OK);
    struct prl_top_look *look = read_text(text.data);
    REQUIRE(look != NULL);
    EXPECT_INT(look->count, PRL_TOP_SAMPLES_MAX);
    prl_mem_free(look);
    prl_str_free(&text);
}

PRL_TEST(top_quantiles_of_an_interval)
{
    struct prl_top_look *before = read_text(first);
    struct prl_top_look *now = read_text(second);
    REQUIRE(before && now);
    double s = 0;
    // All so far: 10 up to 100 ms, 10 between 200 and 400.
    EXPECT(prl_top_quantile(NULL, before, "d_seconds", "", 0.5, &s) && near(s, 0.1));
    EXPECT(prl_top_quantile(NULL, before, "d_seconds", "", 0.75, &s) && near(s, 0.3));
    EXPECT(prl_top_quantile(NULL, before, "d_seconds", "", 0.25, &s) && near(s, 0.05));
    // In the interval: 10 between 100 and 200 ms less 10 that are not possible, and 10 beyond all bounds.
    EXPECT(prl_top_quantile(before, now, "d_seconds", "", 0.5, &s) && near(s, 0.15));
    EXPECT(prl_top_quantile(before, now, "d_seconds", "", 1, &s) && s >= 0.2);
    EXPECT(!prl_top_quantile(now, now, "d_seconds", "", 0.5, &s));
    EXPECT(!prl_top_quantile(NULL, now, "e_seconds", "", 0.5, &s));
    prl_mem_free(before);
    prl_mem_free(now);
}

PRL_TEST(top_shows_our_own_metrics)
{
    struct prl_str text;
    struct prl_str table;
    prl_str_init(&text, 1 << 20);
    prl_str_init(&table, 1 << 16);
    struct prl_metrics_lane *lane = prl_metrics_lane("toptest");
    prl_metrics_lane_queued(lane, 3);
    prl_metrics_lane_worked(lane, 5, 1500000);
    prl_metrics_observe(PRL_METRIC_ANSWER_DELAY, 600000);
    REQUIRE(prl_metrics_render(&text) == PRL_OK);
    (void)prl_str_adds(&text, "parley_sessions 7\n"
                              "parley_engine_in_flight{kind=\"stt\",engine=\"1\"} 2\n"
                              "parley_engine_breaker_open{kind=\"stt\",engine=\"1\"} 1\n");
    struct prl_top_look *look = read_text(text.data);
    REQUIRE(look != NULL);
    prl_top_write(&table, NULL, look, 0);
    REQUIRE(table.err == PRL_OK);
    EXPECT(strstr(table.data, "now 7") != NULL);
    EXPECT(strstr(table.data, "calls -") != NULL); // is not in this text
    EXPECT(strstr(table.data, "end of speech to answer") != NULL);
    EXPECT(strstr(table.data, "kind=\"stt\",engine=\"1\"") != NULL);
    EXPECT(strstr(table.data, "  open") != NULL);
    if (lane)
        EXPECT(strstr(table.data, "lane=\"toptest\"                     3       5    1.5s") !=
               NULL);
    prl_str_clear(&table);
    prl_top_write(&table, look, look, 2); // nothing happened
    EXPECT(strstr(table.data, "counts of the last 2.0 s") != NULL);
    if (lane)
        EXPECT(strstr(table.data, "      0%") != NULL);
    prl_metrics_lane_queued(lane, -3);
    prl_mem_free(look);
    prl_str_free(&table);
    prl_str_free(&text);
}

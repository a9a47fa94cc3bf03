// test_conf.c -- the table of keys: sources, ranges, errors that help.
#include <string.h>

#include "base/conf.h"
#include "base/mem.h"
#include "tests/unit.h"

struct sample {
    bool flag;
    int64_t count;
    double level;
    char *name;
    int64_t mode;
    char *second, *third;
};

static const char *const modes[] = {"slow", "fast", NULL};
static const struct prl_conf_key keys[] = {
    {"log.json", PRL_CONF_BOOL, offsetof(struct sample, flag), "false", 0, 0, NULL, "Write JSON."},
    {"turn.silence_ms", PRL_CONF_INT, offsetof(struct sample, count), "500", 32, 10000, NULL,
     "Silence."},
    {"turn.threshold", PRL_CONF_REAL, offsetof(struct sample, level), "0.5", 0, 1, NULL, "Level."},
    {"voice.name", PRL_CONF_STRING, offsetof(struct sample, name), "alloy", 0, 0, NULL, "Voice."},
    {"voice.fallback.name", PRL_CONF_STRING, offsetof(struct sample, second), "", 0, 0, NULL, "2."},
    {"voice.fallback2.name", PRL_CONF_STRING, offsetof(struct sample, third), "", 0, 0, NULL, "3."},
    {"voice.mode", PRL_CONF_CHOICE, offsetof(struct sample, mode), "fast", 0, 0, modes, "Mode."},
};
static const struct prl_conf_table table = {keys, sizeof(keys) / sizeof(keys[0])};

PRL_TEST(conf_takes_values_of_every_type)
{
    struct sample sample = {0};
    char why[PRL_CONF_WHY_SIZE];
    REQUIRE(prl_conf_defaults(&table, &sample) == PRL_OK);
    EXPECT_INT(sample.count, 500);
    EXPECT_TEXT(sample.name, "alloy");
    EXPECT_INT(sample.mode, 1);
    static const char yaml[] = "log:\n  json: yes\nturn:\n  silence_ms: 200\n  threshold: 0.25\n"
                               "voice: {name: \"a b\", mode: slow}\n";
    EXPECT_OK(prl_conf_text(&table, &sample, yaml, strlen(yaml), "x.yaml", why));
    EXPECT(sample.flag);
    EXPECT_INT(sample.count, 200);
    EXPECT_TEXT(sample.name, "a b");
    EXPECT_INT(sample.mode, 0);
    static const char list[] = "voice:\n  name: [a, b]\n";
    EXPECT_OK(prl_conf_text(&table, &sample, list, strlen(list), "x.yaml", why));
    EXPECT_TEXT(sample.name, "a,b");
    char silence[] = "PARLEY_TURN_SILENCE_MS=321";
    char path[] = "PATH=/bin";
    char *environment[] = {silence, path, NULL};
    EXPECT_OK(prl_conf_env(&table, &sample, environment, why));
    EXPECT_INT(sample.count, 321);
    EXPECT_OK(prl_conf_set_pair(&table, &sample, "turn.threshold=1", why));
    EXPECT(sample.level > 0.99);
    EXPECT_OK(prl_conf_text(&table, &sample, "", 0, "x.yaml", why));
    prl_conf_free(&table, &sample);
}

PRL_TEST(conf_takes_a_list_of_mappings)
{
    struct sample sample = {0};
    char why[PRL_CONF_WHY_SIZE];
    REQUIRE(prl_conf_defaults(&table, &sample) == PRL_OK);
    static const char yaml[] = "voice:\n  - {mode: slow, name: [a, b]}\n  - name: c\n"
                               "  - name: d\nturn: {silence_ms: 200}\n";
    EXPECT_OK(prl_conf_text(&table, &sample, yaml, strlen(yaml), "x.yaml", why));
    EXPECT_TEXT(sample.name, "a,b");
    EXPECT_TEXT(sample.second, "c");
    EXPECT_TEXT(sample.third, "d");
    EXPECT_INT(sample.mode, 0);
    EXPECT_INT(sample.count, 200);
    static const char *const bad[] = {"voice: [{name: a}, {name: b}, {name: c}, {name: d}]",
                                      "voice: [a, {name: b}]",
                                      "voice: [{name: a}, b]",
                                      "voice: [{name: [{mode: slow}]}]",
                                      "voice: [{mode: quick}]",
                                      "- {name: a}",
                                      "voice: [[a]]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT_INT(prl_conf_text(&table, &sample, bad[i], strlen(bad[i]), "x", why),
                   PRL_ERR_INVALID);
    prl_conf_free(&table, &sample);
}

PRL_TEST(conf_explains_what_is_wrong)
{
    static const char *const bad[][2] = {
        {"turn:\n  silence_ms: 5\n", "x.yaml:2: turn.silence_ms is '5', it must be a whole number "
                                     "from 32 to 10000"},
        {"turn:\n  silence_ms: abc\n", "x.yaml:2"},
        {"turn:\n  silence_ms: 40.5\n", "whole number"},
        {"turn:\n  silense_ms: 200\n", "did you mean 'turn.silence_ms'"},
        {"silence_ms: 200\n", "did you mean 'turn.silence_ms'"},
        {"voice:\n  mode: quick\n", "one of slow, fast"},
        {"log: {json: maybe}\n", "true or false"},
        {"a: &x 1\nb: *x\n", "not supported"},
        {"[1, 2]\n", "x.yaml:1"},
        {"just text\n", "key: value"},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", "nested too deeply"},
        {"turn:\n\tsilence_ms: 5\n", "x.yaml:2"},
        {"zzzzzzzzzzzz: 1\n", "unknown key 'zzzzzzzzzzzz' ("},
    };
    struct sample sample = {0};
    REQUIRE(prl_conf_defaults(&table, &sample) == PRL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char why[PRL_CONF_WHY_SIZE] = "";
        EXPECT_INT(prl_conf_text(&table, &sample, bad[i][0], strlen(bad[i][0]), "x.yaml", why),
                   PRL_ERR_INVALID);
        if (!strstr(why, bad[i][1]))
            prl_test_text(__FILE__, __LINE__, "message", why, bad[i][1]);
    }
    char why[PRL_CONF_WHY_SIZE] = "";
    EXPECT_INT(prl_conf_set_pair(&table, &sample, "noequals", why), PRL_ERR_INVALID);
    EXPECT_INT(prl_conf_file(&table, &sample, "/nonexistent.yaml", why), PRL_ERR_NOTFOUND);
    prl_conf_free(&table, &sample);
}

PRL_TEST(conf_sample_page_reads_back)
{
    struct sample sample = {0};
    char why[PRL_CONF_WHY_SIZE];
    struct prl_str page;
    prl_str_init(&page, 100000);
    REQUIRE(prl_conf_defaults(&table, &sample) == PRL_OK);
    EXPECT_OK(prl_conf_yaml(&table, &sample, false, &page));
    EXPECT_OK(prl_conf_text(&table, &sample, page.data, page.len, "effective", why));
    prl_str_clear(&page);
    EXPECT_OK(prl_conf_yaml(&table, &sample, true, &page));
    EXPECT_OK(prl_conf_text(&table, &sample, page.data, page.len, "sample", why));
    prl_str_clear(&page);
    EXPECT_OK(prl_conf_markdown(&table, &page));
    EXPECT(strstr(page.data, "PARLEY_VOICE_MODE") != NULL);
    prl_str_free(&page);
    prl_conf_free(&table, &sample);
}

PRL_TEST_OOM(conf_pairs_read_back)
{
    struct sample sample = {0}, again = {0};
    char why[PRL_CONF_WHY_SIZE];
    struct prl_str pairs, one, other;
    prl_str_init(&pairs, 100000);
    prl_str_init(&one, 100000);
    prl_str_init(&other, 100000);
    enum prl_err err = prl_conf_defaults(&table, &sample);
    if (!err)
        err = prl_conf_defaults(&table, &again);
    if (!err)
        err = prl_conf_set_pair(&table, &sample, "voice.name=a \"quoted\" # name", why);
    if (!err)
        err = prl_conf_pairs(&table, &sample, &pairs);
    for (size_t at = 0; !err && at < pairs.len; at += strlen(pairs.data + at) + 1)
        err = prl_conf_set_pair(&table, &again, pairs.data + at, why);
    if (!err)
        err = prl_conf_yaml(&table, &sample, false, &one);
    if (!err)
        err = prl_conf_yaml(&table, &again, false, &other);
    if (!err)
        EXPECT_TEXT(one.data, other.data);
    EXPECT(!err || prl_test_oom());
    prl_str_free(&pairs);
    prl_str_free(&one);
    prl_str_free(&other);
    prl_conf_free(&table, &sample);
    prl_conf_free(&table, &again);
}

PRL_TEST_OOM(conf_reads_a_file)
{
    struct sample sample = {0};
    char why[PRL_CONF_WHY_SIZE];
    static const char yaml[] = "voice:\n  name: [a, b]\n";
    enum prl_err err = prl_conf_defaults(&table, &sample);
    if (!err)
        err = prl_conf_text(&table, &sample, yaml, strlen(yaml), "x.yaml", why);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM || prl_test_oom());
    prl_conf_free(&table, &sample);
}

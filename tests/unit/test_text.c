// test_text.c -- text for speech against its table, its promises about ranges and alphabet, and
// hostile input. The table is tests/data/text_cases.tsv.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"
#include "tts/text.h"

enum { FIELD_MAX = 2048, LINE_MAX_BYTES = 4096 };

struct text_case {
    enum prl_text_lang lang;
    char input[FIELD_MAX];
    size_t input_len;
    char spoken[FIELD_MAX];
    size_t spoken_len;
};

static uint32_t read_hex(const char **at, size_t digits)
{
    uint32_t value = 0;
    for (size_t k = 0; k < digits && **at; k++, (*at)++) {
        int c = **at | 32;
        value = value * 16 + (uint32_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return value;
}

// One field up to a tab or the line's end, escapes resolved; returns its bytes.
static size_t read_field(const char **at, char *out)
{
    size_t n = 0;
    while (**at && **at != '\t' && **at != '\n' && n + 5 < FIELD_MAX) {
        char c = *(*at)++;
        if (c != '\\') {
            out[n++] = c;
            continue;
        }
        char kind = *(*at)++;
        if (kind == 'x')
            out[n++] = (char)read_hex(at, 2);
        else if (kind == 'u' || kind == 'U')
            n += prl_utf8_encode(read_hex(at, kind == 'u' ? 4 : 8), out + n);
        else
            out[n++] = (char)(kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == 'r' ? '\r' : kind);
    }
    out[n] = '\0';
    if (**at == '\t')
        (*at)++;
    return n;
}

static bool read_case(FILE *file, struct text_case *item)
{
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        const char *at = line;
        char lang[FIELD_MAX];
        read_field(&at, lang);
        item->lang = strcmp(lang, "zh") == 0 ? PRL_TEXT_ZH : PRL_TEXT_EN;
        item->input_len = read_field(&at, item->input);
        item->spoken_len = read_field(&at, item->spoken);
        return true;
    }
    return false;
}

// Lower-cased, without spaces and pause marks.
static void loosen(const char *text, char out[FIELD_MAX])
{
    size_t n = 0;
    for (size_t left = strlen(text); left > 0 && n + 5 < FIELD_MAX;) {
        uint32_t c = 0;
        size_t used = prl_utf8_decode(text, left, &c);
        bool pause = (c < 0x80 && strchr(" ,.?!;:", (int)c)) || c == 0x3002 || c == 0x3001 ||
                     c == 0xFF0C || c == 0xFF1F || c == 0xFF01 || c == 0xFF1B || c == 0xFF1A;
        if (!pause)
            n += prl_utf8_encode(c >= 'A' && c <= 'Z' ? c + 32 : c, out + n);
        text += used;
        left -= used;
    }
    out[n] = '\0';
}

static bool is_han(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x9FFF) || c == 0x3007;
}

static bool is_pause(uint32_t c)
{
    return (c < 0x80 && c && strchr(",.?!;:", (int)c)) || c == 0x3002 || c == 0x3001 ||
           c == 0xFF0C || c == 0xFF1F || c == 0xFF01 || c == 0xFF1B || c == 0xFF1A;
}

// Characters of the unit's text that its kind does not allow.
static size_t unknown_in(const struct prl_text_out *out, const struct prl_text_unit *unit)
{
    size_t unknown = 0;
    const char *text = out->text + unit->text_start;
    size_t count = 0;
    for (size_t left = unit->text_len; left > 0; count++) {
        uint32_t c = 0;
        size_t used = prl_utf8_decode(text, left, &c);
        bool latin = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'';
        if (unit->kind == PRL_TEXT_PAUSE)
            unknown += !is_pause(c);
        else if (unit->lang == PRL_TEXT_ZH)
            unknown += !is_han(c);
        else if (unit->kind == PRL_TEXT_LETTER)
            unknown += count == 0 ? !(c >= 'A' && c <= 'Z') : c != 's';
        else
            unknown += !latin;
        text += used;
        left -= used;
    }
    return unknown + (count == 0);
}

static void check_unit(const struct prl_text_out *out, size_t k, size_t at, size_t clause_len)
{
    const struct prl_text_unit *now = &out->units[k];
    // The units and single spaces between them are the whole text.
    bool spaced = now->text_start == at + 1 && out->text[at] == ' ';
    bool range = now->source_start < now->source_end && now->source_end <= clause_len;
    bool forward = k == 0 || (now->source_start >= now[-1].source_start &&
                              now->source_end >= now[-1].source_end);
    EXPECT(now->text_start == at || spaced);
    EXPECT(range);
    EXPECT(forward);
}

// Returns the unit behind the segment.
static size_t check_segment(const struct prl_text_out *out, size_t k, size_t unit)
{
    const struct prl_text_segment *segment = &out->segments[k];
    const struct prl_text_unit *first = &out->units[unit];
    const struct prl_text_unit *last = &out->units[unit + segment->unit_count - 1];
    bool fits = segment->unit_start == unit && segment->unit_count > 0 &&
                segment->text_start == first->text_start &&
                segment->text_start + segment->text_len == last->text_start + last->text_len;
    EXPECT(fits);
    bool same = true;
    for (size_t n = 0; n < segment->unit_count; n++)
        same = same && first[n].lang == (uint8_t)segment->lang;
    EXPECT(same);
    return unit + segment->unit_count;
}

// Everything that text.h promises about `out`. Returns the number of characters without a sound.
static size_t check_out(const struct prl_text_out *out, size_t clause_len)
{
    size_t unknown = 0;
    size_t at = 0;
    size_t unit = 0;
    EXPECT_INT(strlen(out->text), out->text_len);
    EXPECT(prl_utf8_valid(out->text, out->text_len));
    for (size_t k = 0; k < out->unit_count; k++) {
        unknown += unknown_in(out, &out->units[k]);
        check_unit(out, k, at, clause_len);
        at = out->units[k].text_start + out->units[k].text_len;
    }
    EXPECT_INT(at, out->text_len);
    for (size_t k = 0; k < out->segment_count; k++)
        unit = check_segment(out, k, unit);
    EXPECT_INT(unit, out->unit_count);
    return unknown;
}

struct score {
    size_t strict;
    size_t loose;
    size_t all;
};

static bool score_file(const char *path, bool print, struct score *score)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    struct prl_text *text = NULL;
    static struct text_case item;
    if (prl_text_create(&text, PRL_TEXT_CLAUSE_MAX) == PRL_OK)
        while (read_case(file, &item)) {
            struct prl_text_out out;
            EXPECT_OK(prl_text_speakable(text, NULL, item.lang, item.input, item.input_len, &out));
            EXPECT_INT(check_out(&out, item.input_len), 0);
            static char loose[2][FIELD_MAX];
            loosen(out.text, loose[0]);
            loosen(item.spoken, loose[1]);
            bool strict = strcmp(out.text, item.spoken) == 0;
            bool near = strcmp(loose[0], loose[1]) == 0;
            score->strict += strict;
            score->loose += near;
            score->all++;
            if (print && !strict)
                fprintf(stderr, "    %s: %s\n      want %s\n      have %s\n",
                        near ? "pauses" : "words", item.input, item.spoken, out.text);
        }
    prl_text_destroy(&text);
    fclose(file);
    return true;
}

PRL_TEST(text_says_every_case_of_the_table)
{
    struct score score = {0};
    REQUIRE(score_file("tests/data/text_cases.tsv", true, &score));
    EXPECT(score.all >= 150);
    EXPECT_INT(score.strict, score.all);
}

// Cases that somebody else wrote without knowing the code; docs/TUNING.md has the first score.
PRL_TEST(text_says_most_of_the_held_out_table)
{
    struct score score = {0};
    if (!score_file("tests/data/text_cases_heldout.tsv", false, &score))
        return;
    fprintf(stderr, "    held out: %zu of %zu in words, %zu with pauses\n", score.loose, score.all,
            score.strict);
    EXPECT(score.loose * 100 >= score.all * 80);
}

static struct prl_text *text_new(void)
{
    struct prl_text *text = NULL;
    EXPECT_OK(prl_text_create(&text, PRL_TEXT_CLAUSE_MAX));
    return text;
}

static const struct prl_text_unit *unit_of(const struct prl_text_out *out, const char *word)
{
    for (size_t k = 0; k < out->unit_count; k++)
        if (out->units[k].text_len == strlen(word) &&
            memcmp(out->text + out->units[k].text_start, word, strlen(word)) == 0)
            return &out->units[k];
    return NULL;
}

static void expect_source(const struct prl_text_out *out, const char *word, const char *clause,
                          const char *source)
{
    const struct prl_text_unit *unit = unit_of(out, word);
    REQUIRE(unit != NULL);
    char have[128] = "";
    size_t len = unit->source_end - unit->source_start;
    REQUIRE(len < sizeof(have));
    memcpy(have, clause + unit->source_start, len);
    have[len] = '\0';
    EXPECT_TEXT(have, source);
}

PRL_TEST(text_ranges_point_at_the_original_words)
{
    static const char CLAUSE[] = "**Pay** $3.50 to [Ann Lee](http://x.org), 我买了2个 &amp; left.";
    struct prl_text *text = text_new();
    struct prl_text_out out;
    REQUIRE(text != NULL);
    EXPECT_OK(prl_text_speakable(text, NULL, PRL_TEXT_EN, CLAUSE, strlen(CLAUSE), &out));
    expect_source(&out, "Pay", CLAUSE, "Pay");
    expect_source(&out, "three", CLAUSE, "$3.50");
    expect_source(&out, "cents", CLAUSE, "$3.50");
    expect_source(&out, "Lee", CLAUSE, "Lee");
    expect_source(&out, "买", CLAUSE, "买");
    expect_source(&out, "两", CLAUSE, "2");
    expect_source(&out, "and", CLAUSE, "$3.50"); // the first one, of dollars and cents
    expect_source(&out, "left", CLAUSE, "left");
    EXPECT_INT(out.units[out.unit_count - 1].kind, PRL_TEXT_PAUSE);
    EXPECT_INT(out.segment_count, 3);
    prl_text_destroy(&text);
}

PRL_TEST(text_marks_letters_and_languages)
{
    static const char CLAUSE[] = "A USB stick, 我用AI";
    struct prl_text *text = text_new();
    struct prl_text_out out;
    REQUIRE(text != NULL);
    EXPECT_OK(prl_text_speakable(text, NULL, PRL_TEXT_EN, CLAUSE, strlen(CLAUSE), &out));
    EXPECT_TEXT(out.text, "A U S B stick, 我用 A I");
    EXPECT_INT(out.units[0].kind, PRL_TEXT_WORD);
    EXPECT_INT(out.units[1].kind, PRL_TEXT_LETTER);
    EXPECT_INT(out.units[4].kind, PRL_TEXT_WORD);
    EXPECT_INT(out.segments[1].lang, PRL_TEXT_ZH);
    EXPECT_INT(out.segments[1].unit_count, 2);
    EXPECT_INT(out.segments[2].lang, PRL_TEXT_EN);
    prl_text_destroy(&text);
}

PRL_TEST(text_keeps_a_fence_open_over_clauses)
{
    static const char *const PIECES[] = {"So:\n```c\nint a = 1;\n", "int b = 2;\n",
                                         "int c;\n```\nDone.", "Bye."};
    static const char *const SPOKEN[] = {"So: code omitted.", "", "Done.", "Bye."};
    struct prl_text *text = text_new();
    struct prl_text_state state = {false};
    REQUIRE(text != NULL);
    for (size_t k = 0; k < 4; k++) {
        struct prl_text_out out;
        EXPECT_OK(
            prl_text_speakable(text, &state, PRL_TEXT_EN, PIECES[k], strlen(PIECES[k]), &out));
        EXPECT_TEXT(out.text, SPOKEN[k]);
    }
    EXPECT(!state.in_code);
    prl_text_destroy(&text);
}

PRL_TEST(text_counts_what_it_leaves_out)
{
    static const char CLAUSE[] = "a\xff\x01 😀🚀 ไทย b";
    struct prl_text *text = text_new();
    struct prl_text_out out;
    REQUIRE(text != NULL);
    EXPECT_OK(prl_text_speakable(text, NULL, PRL_TEXT_EN, CLAUSE, strlen(CLAUSE), &out));
    EXPECT_TEXT(out.text, "a B");
    EXPECT_INT(out.invalid_dropped, 2);
    EXPECT_INT(out.emoji_dropped, 2);
    EXPECT_INT(out.unknown_dropped, 3);
    prl_text_destroy(&text);
}

PRL_TEST(text_refuses_a_clause_over_its_size)
{
    static char big[PRL_TEXT_CLAUSE_MAX + 1];
    struct prl_text *text = text_new();
    struct prl_text_out out;
    REQUIRE(text != NULL);
    memset(big, 'a', sizeof(big));
    EXPECT_INT(prl_text_speakable(text, NULL, PRL_TEXT_EN, big, sizeof(big), &out), PRL_ERR_LIMIT);
    EXPECT_INT(out.unit_count, 0);
    EXPECT_OK(prl_text_speakable(text, NULL, PRL_TEXT_EN, big, sizeof(big) - 1, &out));
    EXPECT_INT(check_out(&out, sizeof(big) - 1), 0);
    EXPECT_OK(prl_text_speakable(text, NULL, PRL_TEXT_EN, NULL, 0, &out));
    EXPECT_TEXT(out.text, "");
    prl_text_destroy(&text);
}

// Full clauses of one repeated string: every rule at its worst growth.
PRL_TEST(text_output_fits_for_any_repetition)
{
    static const char *const PARTS[] = {
        "7",    "1 ",      "777,",  "$7 ",   "¥7",        "%",         "7%",   "<",
        "a<a",  "a<=a",    "^2",    "2^2",   "½",         "1½",        "1/2 ", "7°C ",
        "2m² ", "e.g.",    "Dr. ",  "II ",   "a.b@c.de ", "a_b@c.de ", "[",    "](",
        "**",   "`",       "```\n", "| a ",  "> ",        "- ",        "1. ",  "\\frac{1}{2}",
        "$x$",  "<b>",     "<",     "&amp;", "&#65;",     "한",        "シ",   "щ",
        "Щ",    "α",       "⑳",     "㎡",    "℃",         "1:1 ",      "1-1 ", "1~2",
        "+1 ",  "1x1",     "A",     "AB ",   "aB",        "C++ ",      "\xff", "\xe4\xbd",
        "。",   "，",      "……",    "—",     "(a)",       "1990s ",    "1st ", "5k ",
        "$5M ", "v1.2.3 ", "0",     "2个",   "第2",       "-5℃ ",      "a/b ", "1/元",
        "GB ",  "5GB ",    "5mph ", "m/s²"};
    struct prl_text *text = text_new();
    REQUIRE(text != NULL);
    static char clause[PRL_TEXT_CLAUSE_MAX];
    for (size_t k = 0; k < sizeof(PARTS) / sizeof(PARTS[0]); k++)
        for (int lang = 0; lang < 2; lang++) {
            size_t len = strlen(PARTS[k]);
            size_t n = 0;
            for (; n + len <= sizeof(clause); n += len)
                memcpy(clause + n, PARTS[k], len);
            struct prl_text_out out;
            enum prl_err err =
                prl_text_speakable(text, NULL, lang ? PRL_TEXT_ZH : PRL_TEXT_EN, clause, n, &out);
            if (err != PRL_OK)
                fprintf(stderr, "    repeated: %s\n", PARTS[k]);
            EXPECT_OK(err);
            EXPECT_INT(check_out(&out, n), 0);
        }
    prl_text_destroy(&text);
}

// Sentences put together from patterns with random contents: nothing may be without a sound, and
// nothing but what a rule names may be lost.
PRL_TEST(text_leaves_no_unknown_in_2000_sentences)
{
    static const char *const PARTS[] = {"The price is ",
                                        "我买了",
                                        "in ",
                                        " on ",
                                        "大约",
                                        "个苹果",
                                        "km/h ",
                                        "%",
                                        "，然后",
                                        ", then ",
                                        "https://a-b.example.com/x?y=1 ",
                                        "第",
                                        "年",
                                        "月",
                                        "日",
                                        ":",
                                        "-",
                                        "~",
                                        "$",
                                        "¥",
                                        "€",
                                        "Dr. Lee ",
                                        "e.g. ",
                                        "iPhone ",
                                        "GPT-4o ",
                                        "C++ ",
                                        "“引用”",
                                        "(aside) ",
                                        "……",
                                        "... ",
                                        "**bold** ",
                                        "`code` ",
                                        "\n- item ",
                                        "\n# 标题\n",
                                        "😀",
                                        "①",
                                        "½",
                                        "x² ",
                                        "≤",
                                        "°C ",
                                        "don't ",
                                        "NASA ",
                                        "U.S. ",
                                        "a@b.org ",
                                        "report.pdf ",
                                        "电话",
                                        "房间",
                                        "Ünïcödé ",
                                        "Привет ",
                                        "こんにちは",
                                        "안녕 ",
                                        "π ",
                                        "& ",
                                        "= ",
                                        "。",
                                        "！",
                                        "? ",
                                        "; ",
                                        "臺灣",
                                        "USB",
                                        "3x "};
    struct prl_text *text = text_new();
    REQUIRE(text != NULL);
    size_t unknown = 0;
    size_t lost = 0;
    for (int round = 0; round < 2000; round++) {
        char clause[1024];
        size_t n = 0;
        size_t parts = 2 + prl_test_random() % 10;
        for (size_t k = 0; k < parts; k++) {
            if (prl_test_random() % 3 == 0)
                n += (size_t)snprintf(clause + n, sizeof(clause) - n, "%u",
                                      prl_test_random() >> (prl_test_random() % 32));
            n += (size_t)snprintf(clause + n, sizeof(clause) - n, "%s",
                                  PARTS[prl_test_random() % (sizeof(PARTS) / sizeof(PARTS[0]))]);
        }
        struct prl_text_out out;
        EXPECT_OK(
            prl_text_speakable(text, NULL, round % 2 ? PRL_TEXT_ZH : PRL_TEXT_EN, clause, n, &out));
        unknown += check_out(&out, n);
        lost += out.unknown_dropped + out.invalid_dropped;
    }
    EXPECT_INT(unknown, 0);
    EXPECT_INT(lost, 0);
    prl_text_destroy(&text);
}

PRL_TEST(text_survives_random_bytes)
{
    struct prl_text *text = text_new();
    REQUIRE(text != NULL);
    static char clause[PRL_TEXT_CLAUSE_MAX];
    static const char MARKS[] =
        "*_`~#[]()|<>&;\\$\n -+.,:/%^={}!?'\"0123456789aAzZ\xe4\xbd\xa0\xf0\x9f";
    struct prl_text_state state = {false};
    for (int round = 0; round < 300; round++) {
        size_t n = prl_test_random() % sizeof(clause);
        for (size_t k = 0; k < n; k++)
            clause[k] = (char)(round % 3 ? MARKS[prl_test_random() % (sizeof(MARKS) - 1)]
                                         : (int)(prl_test_random() & 0xFF));
        struct prl_text_out out;
        EXPECT_OK(prl_text_speakable(text, &state, round % 2 ? PRL_TEXT_ZH : PRL_TEXT_EN, clause, n,
                                     &out));
        EXPECT_INT(check_out(&out, n), 0);
    }
    prl_text_destroy(&text);
}

PRL_TEST_OOM(text_create_and_use)
{
    struct prl_text *text = NULL;
    struct prl_text_out out;
    enum prl_err err = prl_text_create(&text, 100);
    EXPECT((err == PRL_OK) == (text != NULL));
    if (!err)
        EXPECT_OK(prl_text_speakable(text, NULL, PRL_TEXT_EN, "Hi 5", 4, &out));
    prl_text_destroy(&text);
    prl_text_destroy(&text);
}

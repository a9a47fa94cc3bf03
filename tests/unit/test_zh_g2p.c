// test_zh_g2p.c -- Chinese text to syllables. tests/data/zh_tables_small.bin holds the words of our
// own sentences in zh_readings.tsv, made by
//   tools/convert/zh_tables.py --words tests/data/zh_readings.tsv --out … (inputs as in models.lock)
// and the readings beside them come from jieba and pypinyin, not from our code.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"
#include "tts/zh_g2p.h"
#include "tts/zh_g2p_seg.h"

#define TABLE "tests/data/zh_tables_small.bin"

static struct prl_zh_g2p *open_g2p(void)
{
    char why[PRL_ZH_WHY_SIZE] = "";
    struct prl_zh_g2p *g2p;
    EXPECT_OK(prl_zh_g2p_create(&g2p, TABLE, why, sizeof(why)));
    EXPECT_TEXT(why, "");
    return g2p;
}

// "zhong1_guo2 ren2 ." -- the form of the data file.
static void write_readings(const struct prl_zh_g2p *g2p, const struct prl_zh_out *out,
                           struct prl_str *text)
{
    const struct prl_zh_table *table = prl_zh_g2p_table(g2p);
    for (size_t i = 0; i < out->count; i++) {
        const struct prl_zh_unit *unit = &out->units[i];
        bool joined = unit->kind == PRL_ZH_SYLLABLE && !unit->word_start;
        if (i > 0)
            (void)prl_str_addc(text, joined ? '_' : ' ');
        if (unit->kind == PRL_ZH_PAUSE)
            (void)prl_str_addc(text, unit->mark);
        else if (unit->kind == PRL_ZH_LATIN)
            (void)prl_str_adds(text, "latin");
        else
            (void)prl_str_addf(text, "%s%d", prl_zh_table_syllable(table, unit->code),
                               prl_zh_tone(unit->code));
    }
}

static void expect_readings(struct prl_zh_g2p *g2p, const char *sentence, unsigned rules,
                            const char *expected, uint32_t unknown)
{
    struct prl_zh_out out;
    EXPECT_OK(prl_zh_g2p_run(g2p, sentence, strlen(sentence), rules, &out));
    EXPECT_INT(out.unknown, unknown);
    struct prl_str text;
    prl_str_init(&text, 1 << 16);
    write_readings(g2p, &out, &text);
    EXPECT_TEXT(prl_str_text(&text), expected);
    prl_str_free(&text);
}

PRL_TEST(zh_g2p_reads_as_the_reference_and_as_people_speak)
{
    struct prl_zh_g2p *g2p = open_g2p();
    REQUIRE(g2p);
    FILE *file = fopen("tests/data/zh_readings.tsv", "r");
    REQUIRE(file);
    char line[2048];
    size_t count = 0;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *plain = strchr(line, '\t');
        if (line[0] == '#' || !plain)
            continue;
        *plain++ = '\0';
        char *spoken = strchr(plain, '\t');
        REQUIRE(spoken);
        *spoken++ = '\0';
        expect_readings(g2p, line, 0, plain, 0);
        expect_readings(g2p, line, PRL_ZH_SPOKEN, spoken, 0);
        count++;
    }
    (void)fclose(file);
    EXPECT_INT(count, 53);
    prl_zh_g2p_destroy(&g2p);
}

PRL_TEST(zh_g2p_says_which_bytes_each_unit_came_from)
{
    struct prl_zh_g2p *g2p = open_g2p();
    REQUIRE(g2p);
    struct prl_zh_out out;
    EXPECT_OK(prl_zh_g2p_run(g2p, "你好 DNA，不", 16, PRL_ZH_SPOKEN, &out));
    REQUIRE(out.count == 5);
    EXPECT_INT(out.units[1].start, 3);
    EXPECT_INT(out.units[1].end, 6);
    EXPECT_INT(out.units[2].kind, PRL_ZH_LATIN);
    EXPECT_INT(out.units[2].start, 7);
    EXPECT_INT(out.units[2].end, 10);
    EXPECT_INT(out.units[3].mark, ',');
    EXPECT_INT(out.units[4].start, 13);
    prl_zh_g2p_destroy(&g2p);
}

PRL_TEST(zh_g2p_reads_traditional_characters_and_digits)
{
    struct prl_zh_g2p *g2p = open_g2p();
    REQUIRE(g2p);
    expect_readings(g2p, "處理好這件事", 0, "chu3_li3 hao3 zhe4_jian4 shi4", 0);
    expect_readings(g2p, "10", 0, "yi1_ling2", 0);
    expect_readings(g2p, "〇", 0, "ling2", 0);
    prl_zh_g2p_destroy(&g2p);
}

// Nothing is left out in silence: what has no reading is said as 某 and counted.
PRL_TEST(zh_g2p_gives_unknown_ideographs_a_sound_and_counts_them)
{
    struct prl_zh_g2p *g2p = open_g2p();
    REQUIRE(g2p);
    expect_readings(g2p, "龘㐂", 0, "da2 mou3", 1); // U+3402 is in no table
    expect_readings(g2p, "𰻝", 0, "mou3", 1);     // beyond the BMP
    expect_readings(g2p, "ア", 0, "", 1);           // no ideograph: counted only
    expect_readings(g2p, " “”（）——", 0, "", 0);
    prl_zh_g2p_destroy(&g2p);
}

PRL_TEST(zh_g2p_takes_any_bytes)
{
    struct prl_zh_g2p *g2p = open_g2p();
    REQUIRE(g2p);
    struct prl_zh_out out;
    EXPECT_OK(prl_zh_g2p_run(g2p, "", 0, PRL_ZH_SPOKEN, &out));
    EXPECT_INT(out.count, 0);
    EXPECT_OK(prl_zh_g2p_run(g2p, "\xE4\xBD", 2, PRL_ZH_SPOKEN, &out));
    EXPECT_OK(prl_zh_g2p_run(g2p, "\0\xFF不\x80", 6, PRL_ZH_SPOKEN, &out));
    EXPECT_INT(out.count, 1);
    static char text[PRL_ZH_G2P_TEXT_MAX + 1];
    const size_t third = PRL_ZH_G2P_TEXT_MAX / 3;
    for (size_t i = 0; i < third; i++)
        (void)prl_utf8_encode(0x4E00, text + i * 3);
    EXPECT_OK(prl_zh_g2p_run(g2p, text, third * 3, PRL_ZH_SPOKEN, &out));
    EXPECT_INT(out.count, third);
    memset(text, 'a', sizeof(text));
    EXPECT_OK(prl_zh_g2p_run(g2p, text, PRL_ZH_G2P_TEXT_MAX, PRL_ZH_SPOKEN, &out));
    EXPECT_INT(out.count, 1);
    memset(text, ',', sizeof(text));
    EXPECT_OK(prl_zh_g2p_run(g2p, text, PRL_ZH_G2P_TEXT_MAX, PRL_ZH_SPOKEN, &out));
    EXPECT_INT(out.count, PRL_ZH_G2P_TEXT_MAX);
    EXPECT_INT(prl_zh_g2p_run(g2p, text, sizeof(text), PRL_ZH_SPOKEN, &out), PRL_ERR_LIMIT);
    for (int round = 0; round < 200; round++) {
        size_t len = prl_test_random() % 400;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(prl_test_random() % 4 ? 0xE4 + prl_test_random() % 6
                                                   : 0x80 + prl_test_random() % 64);
        EXPECT_OK(prl_zh_g2p_run(g2p, text, len, PRL_ZH_SPOKEN, &out));
        for (size_t i = 0; i < out.count; i++)
            EXPECT(out.units[i].kind != PRL_ZH_SYLLABLE || out.units[i].code != PRL_ZH_NO_CODE);
    }
    prl_zh_g2p_destroy(&g2p);
}

PRL_TEST(zh_seg_joins_what_no_dictionary_has)
{
    char why[PRL_ZH_WHY_SIZE];
    struct prl_zh_table *table;
    REQUIRE(prl_zh_table_create(&table, TABLE, why, sizeof(why)) == PRL_OK);
    struct prl_zh_seg *seg;
    REQUIRE(prl_zh_seg_create(&seg, table, 64) == PRL_OK);
    uint16_t lengths[64];
    const uint16_t known[] = {u'图', u'书', u'馆', u'里'};
    EXPECT_INT(prl_zh_seg_run(seg, known, 4, lengths), 2);
    EXPECT_INT(lengths[0], 3);
    const uint16_t unknown[] = {u'头', u'发', u'很', u'长'};
    EXPECT_INT(prl_zh_seg_run(seg, unknown, 4, lengths), 2);
    EXPECT_INT(lengths[1], 2);
    const uint16_t nothing[] = {0, 0, 0};
    size_t words = prl_zh_seg_run(seg, nothing, 3, lengths);
    size_t sum = 0;
    for (size_t i = 0; i < words; i++)
        sum += lengths[i];
    EXPECT_INT(sum, 3);
    EXPECT_INT(prl_zh_seg_run(seg, nothing, 0, lengths), 0);
    prl_zh_seg_destroy(&seg);
    prl_zh_table_destroy(&table);
}

static size_t read_table(char *bytes, size_t size)
{
    FILE *file = fopen(TABLE, "rb");
    if (!file)
        return 0;
    size_t len = fread(bytes, 1, size, file);
    (void)fclose(file);
    return len;
}

static enum prl_err open_bytes(const char *bytes, size_t len)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/table", prl_test_dir());
    FILE *file = fopen(path, "wb");
    if (!file)
        return PRL_ERR_IO;
    (void)fwrite(bytes, 1, len, file);
    (void)fclose(file);
    char why[PRL_ZH_WHY_SIZE] = "";
    struct prl_zh_table *table;
    enum prl_err err = prl_zh_table_create(&table, path, why, sizeof(why));
    EXPECT(!err == !why[0]);
    prl_zh_table_destroy(&table);
    return err;
}

PRL_TEST(zh_table_refuses_damaged_files)
{
    static char bytes[1 << 17];
    size_t len = read_table(bytes, sizeof(bytes));
    REQUIRE(len > 1000);
    EXPECT_OK(open_bytes(bytes, len));
    EXPECT_INT(open_bytes(bytes, len - 1), PRL_ERR_INVALID);
    EXPECT_INT(open_bytes(bytes, 10), PRL_ERR_INVALID);
    EXPECT_INT(open_bytes(bytes, 0), PRL_ERR_INVALID);
    bytes[0] ^= 1;
    EXPECT_INT(open_bytes(bytes, len), PRL_ERR_INVALID);
    bytes[0] ^= 1;
    for (size_t at = 24 + 3; at < 24 + 12 * 8; at += 4) { // offsets and counts of the sections
        bytes[at] ^= 0x41;
        EXPECT_INT(open_bytes(bytes, len), PRL_ERR_INVALID);
        bytes[at] ^= 0x41;
    }
    char why[PRL_ZH_WHY_SIZE] = "";
    struct prl_zh_table *table;
    EXPECT_INT(prl_zh_table_create(&table, "/nowhere/zh.tables", why, sizeof(why)),
               PRL_ERR_NOTFOUND);
    EXPECT(table == NULL && strstr(why, "/nowhere/zh.tables"));
}

// Any damage elsewhere may change readings but never leads outside the tables.
PRL_TEST(zh_table_survives_random_damage)
{
    static char bytes[1 << 17];
    size_t len = read_table(bytes, sizeof(bytes));
    REQUIRE(len > 1000);
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/table", prl_test_dir());
    for (int round = 0; round < 40; round++) {
        size_t at = 120 + prl_test_random() % (len - 120);
        char old = bytes[at];
        bytes[at] = (char)prl_test_random();
        FILE *file = fopen(path, "wb");
        REQUIRE(file);
        (void)fwrite(bytes, 1, len, file);
        (void)fclose(file);
        char why[PRL_ZH_WHY_SIZE];
        struct prl_zh_g2p *g2p;
        struct prl_zh_out out;
        if (!prl_zh_g2p_create(&g2p, path, why, sizeof(why)))
            EXPECT_OK(prl_zh_g2p_run(g2p, "孩子长大了，还有很多事情要做", 42, 7, &out));
        prl_zh_g2p_destroy(&g2p);
        bytes[at] = old;
    }
}

PRL_TEST_OOM(zh_g2p_create)
{
    char why[PRL_ZH_WHY_SIZE];
    struct prl_zh_g2p *g2p;
    enum prl_err err = prl_zh_g2p_create(&g2p, TABLE, why, sizeof(why));
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && !g2p));
    prl_zh_g2p_destroy(&g2p);
}

// test_en_g2p.c -- English words to phonemes: against the reference on tests/data/en_g2p.tsv, the
// spoken forms of src/tts/text.h, hostile bytes, short memory. Also its parts: tokens, tags, lexicon,
// stress, characters, phoneme ids, the table file.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit.h"
#include "tts/en_buf.h"
#include "tts/en_chars.h"
#include "tts/en_g2p.h"
#include "tts/en_lexicon.h"
#include "tts/en_oov.h"
#include "tts/en_tag.h"
#include "tts/en_token.h"
#include "tts/phoneme.h"
#include "tts/table.h"

static const char tables[] = "tests/data/en_small.tables";

static struct prl_en_g2p *g2p_make(void)
{
    struct prl_en_g2p *g2p;
    char why[PRL_EN_G2P_WHY_SIZE] = "";
    struct prl_en_g2p_conf conf = {.tables = tables};
    EXPECT_OK(prl_en_g2p_create(&g2p, &conf, why, sizeof(why)));
    EXPECT_TEXT(why, "");
    return g2p;
}

static const char *read_text(struct prl_en_g2p *g2p, const char *text)
{
    struct prl_en_phonemes out;
    EXPECT_OK(prl_en_g2p_read(g2p, text, strlen(text), &out));
    return out.text;
}

PRL_TEST(en_g2p_equals_the_reference)
{
    char line[512];
    size_t count = 0;
    struct prl_en_g2p *g2p = g2p_make();
    FILE *file = fopen("tests/data/en_g2p.tsv", "re");
    REQUIRE(g2p != NULL && file != NULL);
    while (fgets(line, sizeof(line), file)) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || !tab)
            continue;
        *tab = '\0';
        EXPECT_TEXT(read_text(g2p, line), tab + 1);
        count++;
    }
    (void)fclose(file);
    EXPECT(count >= 15);
    prl_en_g2p_destroy(&g2p);
}

PRL_TEST(en_g2p_small_words_look_ahead)
{
    struct prl_en_g2p *g2p = g2p_make();
    REQUIRE(g2p != NULL);
    EXPECT_TEXT(read_text(g2p, "the apple"), "ði ˈæpᵊl");
    EXPECT_TEXT(read_text(g2p, "the box"), "ðə bˈɑks");
    EXPECT_TEXT(read_text(g2p, "to eat"), "tʊ ˈit");
    EXPECT_TEXT(read_text(g2p, "to go"), "tə ɡˌO");
    EXPECT_TEXT(read_text(g2p, "He said \"yes\" and left."), "hˌi sˈɛd jˈɛs ænd lˈɛft.");
    EXPECT_TEXT(read_text(g2p, ""), "");
    EXPECT_TEXT(read_text(g2p, "  \n\t "), "");
    EXPECT_TEXT(read_text(g2p, "..."), "...");
    prl_en_g2p_destroy(&g2p);
}

PRL_TEST(en_g2p_words_know_their_source)
{
    struct prl_en_g2p *g2p = g2p_make();
    struct prl_en_phonemes out;
    static const char text[] = "Hello, don't go.";
    REQUIRE(g2p != NULL);
    EXPECT_OK(prl_en_g2p_read(g2p, "a cat", 5, &out)); // a lone schwa is a sound too
    EXPECT_INT(out.word_count, 2);
    EXPECT_OK(prl_en_g2p_read(g2p, text, strlen(text), &out));
    REQUIRE(out.word_count == 3);
    EXPECT_INT(out.words[0].source_start, 0);
    EXPECT_INT(out.words[0].source_end, 5);
    EXPECT_INT(out.words[1].source_start, 7);
    EXPECT_INT(out.words[1].source_end, 12);
    for (size_t i = 0; i < out.word_count; i++) {
        EXPECT(out.words[i].start < out.words[i].end);
        EXPECT(out.words[i].end <= out.len);
    }
    EXPECT_INT(out.unknown, 0);
    prl_en_g2p_destroy(&g2p);
}

PRL_TEST(en_g2p_reads_a_spoken_form)
{
    // "The FBI costs five" of a clause "The FBI costs $5": letters by name, a number's words are one.
    static const char text[] = "The FBI at fifty five.";
    static const struct prl_text_unit units[] = {
        {0, 3, 0, 3, PRL_TEXT_EN, PRL_TEXT_WORD},    {4, 1, 4, 5, PRL_TEXT_EN, PRL_TEXT_LETTER},
        {5, 1, 5, 6, PRL_TEXT_EN, PRL_TEXT_LETTER},  {6, 1, 6, 7, PRL_TEXT_EN, PRL_TEXT_LETTER},
        {8, 2, 8, 10, PRL_TEXT_EN, PRL_TEXT_WORD},   {11, 5, 11, 13, PRL_TEXT_EN, PRL_TEXT_WORD},
        {17, 4, 11, 13, PRL_TEXT_EN, PRL_TEXT_WORD}, {21, 1, 13, 14, PRL_TEXT_EN, PRL_TEXT_PAUSE},
    };
    const struct prl_text_out spoken = {
        .text = text, .text_len = strlen(text), .units = units, .unit_count = 8};
    struct prl_en_g2p *g2p = g2p_make();
    struct prl_en_phonemes out;
    REQUIRE(g2p != NULL);
    EXPECT_OK(prl_en_g2p_units(g2p, &spoken, 0, 8, &out));
    EXPECT(strstr(out.text, "ˌɛfbˌiˈI") != NULL);
    EXPECT(strstr(out.text, "fˈIv.") != NULL);
    REQUIRE(out.word_count == 4);
    EXPECT_INT(out.words[1].source_start, 4);
    EXPECT_INT(out.words[1].source_end, 7);
    EXPECT_INT(out.words[3].source_start, 11);
    EXPECT_INT(out.words[3].source_end, 13);
    EXPECT_OK(prl_en_g2p_units(g2p, &spoken, 8, 0, &out));
    EXPECT_INT(out.word_count, 0);
    prl_en_g2p_destroy(&g2p);
}

PRL_TEST(en_g2p_without_network_spells_unknown_words)
{
    struct prl_en_g2p *g2p = g2p_make();
    struct prl_en_phonemes out;
    REQUIRE(g2p != NULL);
    EXPECT_OK(prl_en_g2p_read(g2p, "zq", 2, &out));
    EXPECT(strstr(out.text, "kjˈu") != NULL);
    EXPECT_INT(out.unknown, 0);
    EXPECT_OK(prl_en_g2p_read(g2p, "7.5%", 4, &out));
    EXPECT(strstr(out.text, "sˈɛvən") != NULL);
    EXPECT_INT(out.unknown, 0);
    EXPECT_OK(prl_en_g2p_read(g2p, "你", 3, &out));
    EXPECT_INT(out.unknown, 1);
    prl_en_g2p_destroy(&g2p);
}

PRL_TEST(en_g2p_takes_any_bytes)
{
    struct prl_en_g2p *g2p = g2p_make();
    struct prl_en_phonemes out;
    char text[2048];
    REQUIRE(g2p != NULL);
    for (int round = 0; round < 30; round++) {
        static const char some[] = "aZ'’-./ 9\xc3\xa9\xff,:\"(";
        size_t len = prl_test_random() % sizeof(text);
        for (size_t i = 0; i < len; i++)
            text[i] =
                round % 2 ? (char)prl_test_random() : some[prl_test_random() % (sizeof(some) - 1)];
        EXPECT_OK(prl_en_g2p_read(g2p, text, len, &out));
        EXPECT(prl_utf8_valid(out.text, out.len));
    }
    memset(text, 'A', sizeof(text));
    EXPECT_OK(prl_en_g2p_read(g2p, text, sizeof(text), &out));
    EXPECT_INT(out.unknown, 0);
    char *large = prl_mem_zalloc(PRL_EN_G2P_TEXT_MAX + 1);
    REQUIRE(large != NULL);
    EXPECT_INT(prl_en_g2p_read(g2p, large, PRL_EN_G2P_TEXT_MAX + 1, &out), PRL_ERR_LIMIT);
    prl_mem_free(large);
    prl_en_g2p_destroy(&g2p);
}

PRL_TEST_OOM(en_g2p_short_of_memory)
{
    struct prl_en_g2p *g2p = NULL;
    struct prl_en_phonemes out;
    char why[PRL_EN_G2P_WHY_SIZE] = "";
    struct prl_en_g2p_conf conf = {.tables = tables};
    enum prl_err err = prl_en_g2p_create(&g2p, &conf, why, sizeof(why));
    if (!err)
        err = prl_en_g2p_read(g2p, "Hello there, my friend.", 23, &out);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_en_g2p_destroy(&g2p);
    EXPECT(g2p == NULL);
}

PRL_TEST(en_g2p_says_what_is_wrong_with_its_files)
{
    struct prl_en_g2p *g2p;
    char why[PRL_EN_G2P_WHY_SIZE] = "";
    struct prl_en_g2p_conf conf = {.tables = "/nowhere/en.tables"};
    EXPECT_INT(prl_en_g2p_create(&g2p, &conf, why, sizeof(why)), PRL_ERR_NOTFOUND);
    EXPECT(g2p == NULL && strstr(why, "/nowhere/en.tables") != NULL);
    conf.tables = "tests/data/en_g2p.tsv";
    EXPECT_INT(prl_en_g2p_create(&g2p, &conf, why, sizeof(why)), PRL_ERR_INVALID);
    EXPECT(g2p == NULL && strstr(why, "set-up") != NULL);
    conf.tables = NULL;
    EXPECT_INT(prl_en_g2p_create(&g2p, &conf, why, sizeof(why)), PRL_ERR_NOTFOUND);
}

// Cuts and damages of the file are found when it is opened, not when it is read.
PRL_TEST(table_refuses_damaged_files)
{
    char path[256], why[256];
    static char data[200000];
    FILE *file = fopen(tables, "rbe");
    REQUIRE(file != NULL);
    size_t size = fread(data, 1, sizeof(data), file);
    (void)fclose(file);
    REQUIRE(size > 1000 && size < sizeof(data));
    (void)snprintf(path, sizeof(path), "%s/x.tables", prl_test_dir());
    static const size_t cuts[] = {0, 7, 71, 1000};
    for (size_t i = 0; i < 4 + 40; i++) {
        struct prl_table *table;
        char was = 0;
        size_t at = 8 + prl_test_random() % 600, len = i < 4 ? cuts[i] : size;
        if (i >= 4) {
            was = data[at];
            data[at] = (char)(was ^ (1 << prl_test_random() % 8));
        }
        file = fopen(path, "wbe");
        REQUIRE(file != NULL && fwrite(data, 1, len, file) == len && fclose(file) == 0);
        enum prl_err err = prl_table_open(&table, path, why, sizeof(why));
        EXPECT(i >= 4 || err == PRL_ERR_INVALID);
        for (int s = 0; !err && s < PRL_TABLE_SECTIONS; s++) {
            struct prl_span found = prl_table_find(table, (enum prl_table_section)s, "hello", 5);
            EXPECT(!found.data || found.len < size);
        }
        prl_table_close(&table);
        if (i >= 4)
            data[at] = was;
    }
}

static size_t tokens_join(const char *text, char *out, size_t size)
{
    struct prl_table *table;
    char why[256];
    struct prl_en_token tokens[64];
    size_t at = 0;
    if (prl_table_open(&table, tables, why, sizeof(why)))
        return 0;
    size_t count = prl_en_tokenize(table, text, strlen(text), tokens, 64);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%.*s", i ? "|" : "", (int)tokens[i].len,
                               text + tokens[i].start);
    prl_table_close(&table);
    return count;
}

PRL_TEST(en_token_cuts_as_the_reference)
{
    // Expected values: the tokenizer of hibari-tts 0.2.1.
    static const char *const cases[][2] = {
        {"Don't (really) stop...", "Do|n't|(|really|)|stop|..."},
        {"He said: \"yes\", ok?", "He|said|:|\"|yes|\"|,|ok|?"},
        {"U.S. $5.00 10km 3+4", "U.S.|$|5.00|10|km|3|+|4"},
        {"well-known cats/dogs a--b", "well|-|known|cats|/|dogs|a|--|b"},
        {"Mr. X's dogs' 5%", "Mr.|X|'s|dogs|'|5|%"},
        {"10am We'll'", "10|am|We|'ll|'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char joined[256] = "";
        EXPECT(tokens_join(cases[i][0], joined, sizeof(joined)) > 0);
        EXPECT_TEXT(joined, cases[i][1]);
    }
}

PRL_TEST(en_token_pieces_of_a_token)
{
    static const char *const cases[][2] = {{"JavaScript", "Java|Script"}, {"OpenAI", "Open|AI"},
                                           {"HTMLParser", "HTMLParser"},  {"a1b22", "a|1|b|22"},
                                           {"-5,000.5", "-5,000.5"},      {"x_y", "x|_|y"},
                                           {"'tis'", "'|tis|'"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct prl_span pieces[PRL_EN_CHUNK_MAX];
        char joined[256] = "";
        size_t at = 0;
        size_t count = prl_en_subtokens(cases[i][0], strlen(cases[i][0]), pieces, PRL_EN_CHUNK_MAX);
        for (size_t k = 0; k < count; k++)
            at += (size_t)snprintf(joined + at, sizeof(joined) - at, "%s%.*s", k ? "|" : "",
                                   (int)pieces[k].len, pieces[k].data);
        EXPECT_TEXT(joined, cases[i][1]);
    }
}

PRL_TEST(en_tag_finds_parts_of_speech)
{
    struct prl_table *table;
    struct prl_en_tagger tagger;
    struct prl_en_token tokens[8];
    char why[256];
    static const char text[] = "I used the record to record it";
    REQUIRE(prl_table_open(&table, tables, why, sizeof(why)) == PRL_OK);
    EXPECT_OK(prl_en_tagger_init(&tagger, table));
    EXPECT_INT(prl_en_tokenize(table, text, strlen(text), tokens, 8), 7);
    prl_en_tag(&tagger, text, tokens, 7);
    EXPECT_TEXT(tokens[0].tag, "PRP");
    EXPECT_TEXT(tokens[2].tag, "DT");
    EXPECT_TEXT(tokens[3].tag, "NN");
    EXPECT_TEXT(tokens[5].tag, "VB");
    prl_table_close(&table);
}

PRL_TEST(en_lexicon_adds_endings)
{
    struct prl_table *table;
    struct prl_en_buf out;
    char why[256];
    struct prl_en_context context = {PRL_EN_NEXT_PAUSE, false};
    static const char *const cases[][2] = {{"boxes", "bˈɑksᵻz"},
                                           {"birds", "bˈɜɹdz"},
                                           {"walked", "wˈɔkt"},
                                           {"wanted", "wˈɑntᵻd"},
                                           {"eating", "ˈiTɪŋ"}};
    REQUIRE(prl_table_open(&table, tables, why, sizeof(why)) == PRL_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *word = cases[i][0];
        EXPECT(prl_en_lexicon_read(table, word, strlen(word), "NN", &context, &out));
        prl_en_buf_replace(&out, "ɾ", "T");
        EXPECT_TEXT(out.text, cases[i][1]);
    }
    EXPECT(!prl_en_lexicon_read(table, "zzyzx", 5, "NN", &context, &out));
    EXPECT(!prl_en_lexicon_spell(table, "123", 3, &out));
    prl_table_close(&table);
}

PRL_TEST(en_buf_stress)
{
    struct prl_en_buf buf;
    prl_en_buf_set(&buf, "bˈɑksˌ", strlen("bˈɑksˌ"));
    prl_en_stress(&buf, PRL_EN_STRESS_WEAK);
    EXPECT_TEXT(buf.text, "bˌɑks");
    prl_en_stress(&buf, PRL_EN_STRESS_CAPITALS);
    EXPECT_TEXT(buf.text, "bˈɑks");
    prl_en_stress(&buf, PRL_EN_STRESS_BARE);
    EXPECT_TEXT(buf.text, "bɑks");
    prl_en_stress(&buf, PRL_EN_STRESS_CAPITAL);
    EXPECT_TEXT(buf.text, "bˌɑks");
    prl_en_buf_set(&buf, "ks", 2);
    prl_en_stress(&buf, PRL_EN_STRESS_CAPITALS);
    EXPECT_TEXT(buf.text, "ks"); // no vowel, nowhere to put it
    for (int i = 0; i < 1000; i++)
        prl_en_buf_adds(&buf, "ɑɑ");
    EXPECT(buf.len < PRL_EN_BUF_MAX && prl_utf8_valid(buf.text, buf.len));
}

PRL_TEST(en_chars_case)
{
    EXPECT_INT(prl_en_lower(0xc9), 0xe9); // É
    EXPECT_INT(prl_en_upper(0xe9), 0xc9);
    EXPECT_INT(prl_en_upper(0xff), 0x178);
    EXPECT_INT(prl_en_lower(0xd7), 0xd7); // the multiplication sign has no case
    for (uint32_t c = 0; c < 0x500; c++)
        EXPECT(prl_en_lower(c) == c || prl_en_upper(prl_en_lower(c)) == c);
    EXPECT(prl_en_is_letter(0x416) && !prl_en_is_letter(0x4e00) && !prl_en_is_letter('_'));
}

PRL_TEST(phoneme_ids)
{
    int64_t ids[4];
    uint32_t unknown = 0;
    EXPECT_INT(prl_phoneme_id(';'), 1);
    EXPECT_INT(prl_phoneme_id(0x1d7b), 177);
    EXPECT_INT(prl_phoneme_id('g'), -1); // the script g (U+0261) is the phoneme
    EXPECT_INT(prl_phoneme_ids("hˈO§", strlen("hˈO§"), ids, 4, &unknown), 3);
    EXPECT_INT(ids[0], 50);
    EXPECT_INT(ids[1], 156);
    EXPECT_INT(ids[2], 31);
    EXPECT_INT(unknown, 1);
    EXPECT_INT(prl_phoneme_ids("aaaaaa", 6, ids, 4, NULL), 6);
}

// zh_g2p.c -- see zh_g2p.h. One pass over the bytes makes units; each run of neighbouring ideographs
// is then cut into words, read and corrected.
#include "tts/zh_g2p.h"

#include <uchar.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/zh_g2p_rules.h"
#include "tts/zh_g2p_seg.h"

enum {
    UNITS_MAX = PRL_ZH_G2P_TEXT_MAX,   // a unit takes at least one byte
    RUN_MAX = PRL_ZH_G2P_TEXT_MAX / 3, // an ideograph takes three
};

struct prl_zh_g2p {
    struct prl_zh_table *table;
    struct prl_zh_seg *seg;
    struct prl_zh_unit *units; // UNITS_MAX
    // Of one run, RUN_MAX each.
    uint16_t *chars;
    uint16_t *codes;
    uint16_t *lengths;
    bool *erhua;
};

enum prl_err prl_zh_g2p_create(struct prl_zh_g2p **out, const char *table_path, char *why,
                               size_t why_size)
{
    PRL_CHECK(out && table_path && why && why_size);
    *out = NULL;
    struct prl_zh_g2p *g2p = prl_mem_zalloc(sizeof(*g2p));
    if (!g2p)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_zh_table_create(&g2p->table, table_path, why, why_size);
    if (err)
        goto fail;
    err = prl_zh_seg_create(&g2p->seg, g2p->table, RUN_MAX);
    if (err)
        goto fail;
    g2p->units = prl_mem_array(UNITS_MAX, sizeof(*g2p->units));
    g2p->chars = prl_mem_array(RUN_MAX, sizeof(*g2p->chars));
    g2p->codes = prl_mem_array(RUN_MAX, sizeof(*g2p->codes));
    g2p->lengths = prl_mem_array(RUN_MAX, sizeof(*g2p->lengths));
    g2p->erhua = prl_mem_array(RUN_MAX, sizeof(*g2p->erhua));
    if (!g2p->units || !g2p->chars || !g2p->codes || !g2p->lengths || !g2p->erhua) {
        err = PRL_ERR_NOMEM;
        goto fail;
    }
    *out = g2p;
    return PRL_OK;
fail:
    prl_zh_g2p_destroy(&g2p);
    return err;
}

void prl_zh_g2p_destroy(struct prl_zh_g2p **g2p)
{
    PRL_CHECK(g2p != NULL);
    if (*g2p) {
        prl_zh_seg_destroy(&(*g2p)->seg);
        prl_zh_table_destroy(&(*g2p)->table);
        prl_mem_free((*g2p)->units);
        prl_mem_free((*g2p)->chars);
        prl_mem_free((*g2p)->codes);
        prl_mem_free((*g2p)->lengths);
        prl_mem_free((*g2p)->erhua);
    }
    prl_mem_free(*g2p);
    *g2p = NULL;
}

const struct prl_zh_table *prl_zh_g2p_table(const struct prl_zh_g2p *g2p)
{
    return g2p->table;
}

// The pause that a punctuation mark stands for; 0 when it is none.
static char pause_mark(uint32_t c)
{
    switch (c) {
    case ',':
    case 0xFF0C: // ，
    case 0x3001: // 、
        return ',';
    case '.':
    case 0x3002: // 。
    case 0xFF0E: // ．
    case 0x2026: // …
        return '.';
    case '?':
    case 0xFF1F: // ？
        return '?';
    case '!':
    case 0xFF01: // ！
        return '!';
    case ';':
    case 0xFF1B: // ；
        return ';';
    case ':':
    case 0xFF1A: // ：
        return ':';
    default:
        return 0;
    }
}

// Blanks, quotes, brackets, dashes: silent by right.
static bool is_silent(uint32_t c)
{
    return c <= ' ' || c == '"' || c == '\'' || c == '(' || c == ')' || c == '-' || c == '[' ||
           c == ']' || c == 0xA0 || (c >= 0x2000 && c <= 0x206F) ||
           (c >= 0x3000 && c <= 0x301F && c != 0x3005 && c != 0x3006 && c != 0x3007) ||
           c == 0x00B7 || c == 0x30FB || c == 0xFF08 || c == 0xFF09 || c == 0xFEFF;
}

static bool is_latin(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

enum { PLACEHOLDER = 0x67D0 }; // 某: what a speaker says for a character that he cannot read
static const char16_t DIGIT_NAMES[] = u"零一二三四五六七八九";

// The ideographs of Unicode: an unknown one is still given a sound.
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x323AF);
}

// The ideograph to read for a character: simplified, digits by name; 0 when it has no reading.
static uint32_t ideograph(const struct prl_zh_g2p *g2p, uint32_t c)
{
    if (c >= '0' && c <= '9')
        return DIGIT_NAMES[c - '0'];
    if (c < 0x3005)
        return 0;
    uint32_t simplified;
    if (prl_zh_table_char(g2p->table, c, &simplified) == PRL_ZH_NO_CODE)
        return 0;
    return prl_zh_table_char(g2p->table, simplified, NULL) == PRL_ZH_NO_CODE ? c : simplified;
}

// Readings of one word: the longest phrase at each place, single characters elsewhere.
static void read_word(const struct prl_zh_g2p *g2p, const uint16_t *chars, uint16_t *codes,
                      size_t len)
{
    size_t at = 0;
    while (at < len) {
        struct prl_zh_walk walk;
        prl_zh_table_begin(g2p->table, &walk);
        const uint16_t *best = NULL;
        size_t best_len = 1;
        for (size_t i = at; i < len && prl_zh_table_step(g2p->table, &walk, chars[i]); i++) {
            const uint16_t *phrase = prl_zh_table_phrase(g2p->table, &walk);
            if (phrase) {
                best = phrase;
                best_len = i + 1 - at;
            }
        }
        for (size_t i = 0; i < best_len && best; i++)
            codes[at + i] = best[i];
        if (!best)
            codes[at] = prl_zh_table_char(g2p->table, chars[at], NULL);
        at += best_len;
    }
}

// Finishes the run of syllables units[first, first + count), whose characters are in g2p->chars.
static void read_run(struct prl_zh_g2p *g2p, size_t first, size_t count, unsigned rules)
{
    struct prl_zh_run run = {
        .table = g2p->table,
        .chars = g2p->chars,
        .codes = g2p->codes,
        .erhua = g2p->erhua,
        .lengths = g2p->lengths,
        .count = count,
        .word_count = prl_zh_seg_run(g2p->seg, g2p->chars, count, g2p->lengths),
    };
    size_t at = 0;
    for (size_t word = 0; word < run.word_count; word++) {
        size_t len = g2p->lengths[word];
        read_word(g2p, g2p->chars + at, g2p->codes + at, len);
        for (size_t i = 0; i < len; i++) {
            g2p->erhua[at + i] = false;
            g2p->units[first + at + i].word_start = i == 0;
        }
        at += len;
    }
    if (rules & PRL_ZH_READINGS)
        prl_zh_rules_readings(&run);
    if (rules & PRL_ZH_YI_BU)
        prl_zh_rules_yi_bu(&run);
    if (rules & PRL_ZH_THIRD_TONE)
        prl_zh_rules_third_tone(&run);
    for (size_t i = 0; i < count; i++) {
        g2p->units[first + i].code = g2p->codes[i];
        g2p->units[first + i].erhua = g2p->erhua[i];
    }
}

struct scan {
    const char *text;
    size_t len;
    size_t at;
    size_t count;     // units so far
    size_t run_count; // syllables at the end of them that wait for read_run
    uint32_t unknown;
};

static void end_run(struct prl_zh_g2p *g2p, struct scan *scan, unsigned rules)
{
    if (scan->run_count)
        read_run(g2p, scan->count - scan->run_count, scan->run_count, rules);
    scan->run_count = 0;
}

static struct prl_zh_unit *add_unit(struct prl_zh_g2p *g2p, struct scan *scan,
                                    enum prl_zh_kind kind, size_t end)
{
    PRL_CHECK(scan->count < UNITS_MAX);
    struct prl_zh_unit *unit = &g2p->units[scan->count++];
    *unit = (struct prl_zh_unit){
        .start = (uint32_t)scan->at, .end = (uint32_t)end, .code = PRL_ZH_NO_CODE, .kind = kind};
    return unit;
}

static void add_ideograph(struct prl_zh_g2p *g2p, struct scan *scan, uint32_t c, size_t end,
                          unsigned rules)
{
    // Characters that no dictionary word holds stand alone: extensions, 〇, compatibility forms.
    bool alone = c < 0x4E00 || c > 0x9FD5;
    if (alone || scan->run_count == RUN_MAX)
        end_run(g2p, scan, rules);
    struct prl_zh_unit *unit = add_unit(g2p, scan, PRL_ZH_SYLLABLE, end);
    if (alone) {
        unit->code = prl_zh_table_char(g2p->table, c, NULL);
        unit->word_start = true;
        return;
    }
    g2p->chars[scan->run_count++] = (uint16_t)c;
}

static size_t latin_end(const struct scan *scan, size_t at)
{
    while (at < scan->len && (is_latin((unsigned char)scan->text[at]) || scan->text[at] == '\''))
        at++;
    return at;
}

enum prl_err prl_zh_g2p_run(struct prl_zh_g2p *g2p, const char *text, size_t len, unsigned rules,
                            struct prl_zh_out *out)
{
    PRL_CHECK(g2p && (text || !len) && out);
    *out = (struct prl_zh_out){0};
    if (len > PRL_ZH_G2P_TEXT_MAX)
        return PRL_ERR_LIMIT;
    struct scan scan = {.text = text, .len = len};
    while (scan.at < len) {
        uint32_t c;
        size_t end = scan.at + prl_utf8_decode(text + scan.at, len - scan.at, &c);
        uint32_t read = ideograph(g2p, c);
        if (!read && is_ideograph(c)) {
            read = PLACEHOLDER;
            scan.unknown++;
        }
        if (read) {
            add_ideograph(g2p, &scan, read, end, rules);
        } else {
            end_run(g2p, &scan, rules);
            if (pause_mark(c)) {
                add_unit(g2p, &scan, PRL_ZH_PAUSE, end)->mark = pause_mark(c);
            } else if (is_latin(c)) {
                end = latin_end(&scan, end);
                (void)add_unit(g2p, &scan, PRL_ZH_LATIN, end);
            } else if (!is_silent(c)) {
                scan.unknown++;
            }
        }
        scan.at = end;
    }
    end_run(g2p, &scan, rules);
    *out = (struct prl_zh_out){g2p->units, scan.count, scan.unknown};
    return PRL_OK;
}

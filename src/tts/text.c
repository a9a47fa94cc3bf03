// text.c -- see text.h. Holds the state of one call, decides the language of each place, walks the
// rules over the code points, and lays out what they say.
#include "tts/text.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/text_part.h"

enum { SPARE = 64, RUN_LOOK_MAX = 64, ENGLISH_RUN_WORDS = 4 };

void prl_text_from(struct prl_text *t, size_t start, size_t end)
{
    PRL_DCHECK(start < end && end <= t->count);
    t->source_start = t->cps[start].at;
    t->source_end = t->cps[end - 1].end;
}

static bool is_wide(uint32_t mark)
{
    return mark >= 0x80;
}

// Pause marks by strength; the stronger of two that meet is kept.
static int pause_rank(uint32_t mark)
{
    switch (mark) {
    case ',':
    case 0x3001:
        return 1;
    case ';':
    case ':':
        return 2;
    case '.':
        return 3;
    default:
        return 4;
    }
}

void prl_text_pause(struct prl_text *t, uint32_t mark, bool weak)
{
    if (t->unit_count == 0)
        return;
    if (t->pause && (pause_rank(t->pause) > pause_rank(mark) ||
                     (pause_rank(t->pause) == pause_rank(mark) && !t->pause_weak)))
        return;
    // A line's end adds nothing to a colon or a comma that was written.
    if (t->pause && !t->pause_weak && weak)
        return;
    t->pause = mark;
    t->pause_weak = weak;
    t->pause_start = t->source_start;
    t->pause_end = t->source_end;
}

static uint32_t pause_form(const struct prl_text *t, uint32_t mark)
{
    static const struct {
        uint32_t narrow;
        uint32_t wide;
    } FORMS[] = {{',', 0xFF0C}, {'.', 0x3002}, {'?', 0xFF1F},
                 {'!', 0xFF01}, {';', 0xFF1B}, {':', 0xFF1A}};
    if (mark == 0x3001)
        return t->base == PRL_TEXT_ZH ? mark : ',';
    for (size_t k = 0; t->base == PRL_TEXT_ZH && k < sizeof(FORMS) / sizeof(FORMS[0]); k++)
        if (FORMS[k].narrow == mark)
            return FORMS[k].wide;
    return mark;
}

static void add_unit(struct prl_text *t, struct prl_text_unit unit, const char *text)
{
    if (t->unit_count == t->unit_max || t->text_len + unit.text_len + 2 > t->text_max ||
        t->segment_count == t->segment_max) {
        t->err = PRL_ERR_LIMIT;
        return;
    }
    // Ranges never go back: what a rule says late (每小时 before a number) shares the range.
    if (t->unit_count > 0 && unit.source_start < t->units[t->unit_count - 1].source_start)
        unit.source_start = t->units[t->unit_count - 1].source_start;
    if (t->unit_count > 0 && unit.source_end < t->units[t->unit_count - 1].source_end)
        unit.source_end = t->units[t->unit_count - 1].source_end;
    unit.text_start = (uint32_t)t->text_len;
    memcpy(t->text + t->text_len, text, unit.text_len);
    t->text_len += unit.text_len;
    struct prl_text_segment *segment =
        &t->segments[t->segment_count > 0 ? t->segment_count - 1 : 0];
    if (t->segment_count == 0 || (uint8_t)segment->lang != unit.lang) {
        segment = &t->segments[t->segment_count++];
        *segment =
            (struct prl_text_segment){.lang = unit.lang == PRL_TEXT_ZH ? PRL_TEXT_ZH : PRL_TEXT_EN,
                                      .unit_start = (uint32_t)t->unit_count,
                                      .text_start = unit.text_start};
    }
    segment->unit_count++;
    segment->text_len = (uint32_t)t->text_len - segment->text_start;
    t->units[t->unit_count++] = unit;
}

static void flush_pause(struct prl_text *t)
{
    if (!t->pause || t->unit_count == 0)
        return;
    char mark[4];
    struct prl_text_unit unit = {.source_start = t->pause_start,
                                 .source_end = t->pause_end,
                                 .lang = t->units[t->unit_count - 1].lang,
                                 .kind = PRL_TEXT_PAUSE};
    unit.text_len = (uint32_t)prl_utf8_encode(pause_form(t, t->pause), mark);
    t->pause = 0;
    add_unit(t, unit, mark);
}

static void add_word(struct prl_text *t, const char *word, size_t len, struct prl_text_unit unit)
{
    flush_pause(t);
    if (t->unit_count > 0 && !t->err) {
        const struct prl_text_unit *last = &t->units[t->unit_count - 1];
        uint32_t c = 0;
        prl_utf8_decode(t->text + last->text_start, last->text_len, &c);
        bool after_pause = last->kind == PRL_TEXT_PAUSE;
        bool latin = unit.lang == PRL_TEXT_EN;
        bool space = after_pause ? !is_wide(c) : latin || last->lang == PRL_TEXT_EN;
        if (space && t->text_len + 2 < t->text_max)
            t->text[t->text_len++] = ' ';
    }
    unit.text_len = (uint32_t)len;
    unit.source_start = t->source_start;
    unit.source_end = t->source_end;
    add_unit(t, unit, word);
}

void prl_text_say_word(struct prl_text *t, const char *word, size_t len, enum prl_text_kind kind)
{
    while (len > 0 && !t->err) {
        size_t part = len < PRL_TEXT_WORD_MAX ? len : PRL_TEXT_WORD_MAX;
        add_word(t, word, part, (struct prl_text_unit){.lang = PRL_TEXT_EN, .kind = (uint8_t)kind});
        word += part;
        len -= part;
    }
}

void prl_text_say(struct prl_text *t, const char *phrase)
{
    size_t left = strlen(phrase);
    while (left > 0 && !t->err) {
        size_t used = 1;
        if (*phrase == ' ') {
            // between words
        } else if ((unsigned char)*phrase >= 0x80) {
            uint32_t c = 0;
            used = prl_utf8_decode(phrase, left, &c);
            add_word(t, phrase, used,
                     (struct prl_text_unit){.lang = PRL_TEXT_ZH, .kind = PRL_TEXT_WORD});
        } else {
            while (used < left && phrase[used] != ' ' && (unsigned char)phrase[used] < 0x80)
                used++;
            bool letter = used == 1 && *phrase >= 'A' && *phrase <= 'Z';
            prl_text_say_word(t, phrase, used, letter ? PRL_TEXT_LETTER : PRL_TEXT_WORD);
        }
        phrase += used;
        left -= used;
    }
}

void prl_text_say_in(struct prl_text *t, size_t i, const char *en, const char *zh)
{
    prl_text_say(t, prl_text_lang_at(t, i) == PRL_TEXT_ZH ? zh : en);
}

// How many strings with Latin letters, spaces between, stand around i without an ideograph between.
static size_t english_run(const struct prl_text *t, size_t i)
{
    size_t words = 0;
    bool inside = false;
    size_t low = i > RUN_LOOK_MAX ? i - RUN_LOOK_MAX : 0;
    size_t start = i;
    while (start > low && prl_text_at(t, start - 1) < 0x250 && prl_text_at(t, start - 1) != '\n')
        start--;
    for (size_t k = start; k < i + RUN_LOOK_MAX; k++) {
        uint32_t c = prl_text_at(t, k);
        if (c == 0 || c == '\n' || (c >= 0x250 && k >= i))
            break;
        words += prl_text_is_latin(c) && !inside;
        inside = c != ' ' && (inside || prl_text_is_latin(c));
    }
    return words;
}

enum prl_text_lang prl_text_lang_at(const struct prl_text *t, size_t i)
{
    if (t->base == PRL_TEXT_ZH)
        return english_run(t, i) >= ENGLISH_RUN_WORDS ? PRL_TEXT_EN : PRL_TEXT_ZH;
    // In English text a number is Chinese only when it touches an ideograph.
    size_t before = i;
    size_t after = i;
    while (before > 0 && prl_text_is_digit(prl_text_at(t, before - 1)))
        before--;
    while (prl_text_is_digit(prl_text_at(t, after)))
        after++;
    bool touches = prl_text_is_han(prl_text_at(t, after)) ||
                   (before > 0 && prl_text_is_han(prl_text_at(t, before - 1)));
    return touches ? PRL_TEXT_ZH : PRL_TEXT_EN;
}

static void decide_base(struct prl_text *t, enum prl_text_lang lang)
{
    size_t han = 0;
    size_t latin = 0;
    size_t english = 0;
    t->math = false;
    for (size_t i = 0; i < t->count; i++) {
        uint32_t c = t->cps[i].c;
        han += prl_text_is_han(c);
        bool word_end = prl_text_is_latin(c) && !prl_text_is_alnum(prl_text_at(t, i + 1));
        latin += word_end;
        // Abbreviations and units stand in Chinese text too; words in small letters are English.
        english += word_end && c >= 'a' && i > 0 && prl_text_is_latin(prl_text_at(t, i - 1)) &&
                   (i < 2 || !prl_text_is_digit(prl_text_at(t, i - 2)));
        t->math = t->math || c == '=' || c == 0xD7 || c == 0xF7 || c == 0x2248;
    }
    t->base = lang;
    if (lang == PRL_TEXT_ZH && english > 3 * han && english >= ENGLISH_RUN_WORDS)
        t->base = PRL_TEXT_EN;
    if (lang == PRL_TEXT_EN && han > 3 * latin)
        t->base = PRL_TEXT_ZH;
}

static void say_code(struct prl_text *t, size_t i)
{
    prl_text_from(t, i, i + 1);
    prl_text_say(t, t->base == PRL_TEXT_ZH ? "代码略" : "code omitted");
    prl_text_pause(t, '.', false);
}

static size_t say_han(struct prl_text *t, size_t i)
{
    char text[4];
    uint32_t c = prl_text_at(t, i);
    prl_text_from(t, i, i + 1);
    size_t len = prl_utf8_encode(c == 0x3007 ? 0x96F6 : c, text); // 〇 is 零
    add_word(t, text, len, (struct prl_text_unit){.lang = PRL_TEXT_ZH, .kind = PRL_TEXT_WORD});
    return i + 1;
}

static size_t read_one(struct prl_text *t, size_t i)
{
    static size_t (*const RULES[])(struct prl_text *, size_t) = {
        prl_text_address, prl_text_number, prl_text_latin, prl_text_foreign, prl_text_sign};
    uint32_t c = prl_text_at(t, i);
    if (c == PRL_TEXT_CP_CODE) {
        say_code(t, i);
        return i + 1;
    }
    if (prl_text_is_han(c))
        return say_han(t, i);
    for (size_t k = 0; k < sizeof(RULES) / sizeof(RULES[0]); k++) {
        size_t end = RULES[k](t, i);
        if (end > i)
            return end;
    }
    return i + 1;
}

enum prl_err prl_text_speakable(struct prl_text *t, struct prl_text_state *state,
                                enum prl_text_lang lang, const char *clause, size_t clause_len,
                                struct prl_text_out *out)
{
    PRL_CHECK(t != NULL && out != NULL && (clause != NULL || clause_len == 0));
    memset(out, 0, sizeof(*out));
    out->text = "";
    if (clause_len > t->clause_max)
        return PRL_ERR_LIMIT;
    struct prl_text_state alone = {false};
    t->count = t->text_len = t->unit_count = t->segment_count = 0;
    t->pause = 0;
    t->pause_weak = false;
    t->err = PRL_OK;
    t->emoji_dropped = t->unknown_dropped = t->invalid_dropped = 0;
    prl_text_clean(t, clause, clause_len);
    prl_text_mark(t, state ? state : &alone);
    decide_base(t, lang);
    for (size_t i = 0; i < t->count && !t->err;)
        i = read_one(t, i);
    if (!t->pause_weak)
        flush_pause(t);
    t->text[t->text_len] = '\0';
    *out = (struct prl_text_out){.text = t->text,
                                 .text_len = t->text_len,
                                 .units = t->units,
                                 .unit_count = t->unit_count,
                                 .segments = t->segments,
                                 .segment_count = t->segment_count,
                                 .emoji_dropped = t->emoji_dropped,
                                 .unknown_dropped = t->unknown_dropped,
                                 .invalid_dropped = t->invalid_dropped};
    return t->err;
}

enum prl_err prl_text_create(struct prl_text **out, size_t clause_bytes_max)
{
    PRL_CHECK(out != NULL && clause_bytes_max > 0 && clause_bytes_max <= PRL_TEXT_CLAUSE_MAX);
    size_t unit_max = clause_bytes_max * PRL_TEXT_UNITS + SPARE;
    size_t segment_max = clause_bytes_max + SPARE;
    size_t text_max = clause_bytes_max * PRL_TEXT_GROWTH + SPARE;
    size_t cps_size = (clause_bytes_max + 1) * sizeof(struct prl_text_cp);
    size_t units_size = unit_max * sizeof(struct prl_text_unit);
    size_t segments_size = segment_max * sizeof(struct prl_text_segment);
    struct prl_text *t =
        prl_mem_zalloc(sizeof(*t) + cps_size + units_size + segments_size + text_max + 1);
    *out = t;
    if (!t)
        return PRL_ERR_NOMEM;
    t->clause_max = clause_bytes_max;
    t->text_max = text_max;
    t->unit_max = unit_max;
    t->segment_max = segment_max;
    // All three hold 32-bit members at most, so laying them end to end keeps them aligned.
    t->cps = (struct prl_text_cp *)(t + 1);
    t->units = (struct prl_text_unit *)(t->cps + clause_bytes_max + 1);
    t->segments = (struct prl_text_segment *)(t->units + unit_max);
    t->text = (char *)(t->segments + segment_max);
    return PRL_OK;
}

void prl_text_destroy(struct prl_text **text)
{
    PRL_CHECK(text != NULL);
    prl_mem_free(*text);
    *text = NULL;
}

// text_number.c -- plain numbers and what belongs to them: sign, fraction, percent, unit, money,
// range; as a cardinal, a year or digit by digit, as the words around them say.
#include <string.h>

#include "tts/text_part.h"

static void keep_digit(struct prl_text_number *n, uint32_t c)
{
    if (n->whole + n->part < PRL_TEXT_DIGITS_KEPT)
        n->d[n->whole + n->part] = (char)c;
    else
        n->too_long = true;
}

// A comma at i that separates thousands: exactly three digits follow.
static bool is_thousands(const struct prl_text *t, size_t i)
{
    unsigned value = 0;
    return prl_text_at(t, i) == ',' && prl_text_read_digits(t, i + 1, 3, &value) == 3;
}

bool prl_text_read_number(const struct prl_text *t, size_t i, struct prl_text_number *n)
{
    memset(n, 0, sizeof(*n));
    n->start = i;
    size_t since_comma = 0;
    while (
        prl_text_is_digit(prl_text_at(t, i)) ||
        (n->whole > 0 && since_comma <= 3 && is_thousands(t, i) && (n->comma || n->whole <= 3))) {
        if (prl_text_at(t, i) == ',') {
            n->comma = true;
            since_comma = 0;
        } else if (!n->too_long) {
            keep_digit(n, prl_text_at(t, i));
            n->whole += !n->too_long;
            since_comma++;
        }
        i++;
    }
    n->end = i;
    if (prl_text_at(t, i) == '.' && prl_text_is_digit(prl_text_at(t, i + 1)) && !n->too_long) {
        i++;
        for (; prl_text_is_digit(prl_text_at(t, i)); i++) {
            keep_digit(n, prl_text_at(t, i));
            n->part += !n->too_long;
        }
        n->end = i;
    }
    return n->end > n->start;
}

unsigned prl_text_value(const struct prl_text_number *n)
{
    unsigned value = 0;
    for (size_t k = 0; k < n->whole && k < 9; k++)
        value = value * 10 + (unsigned)(n->d[k] - '0');
    return value;
}

void prl_text_say_long(struct prl_text *t, const struct prl_text_number *n, enum prl_text_lang lang)
{
    for (size_t i = n->start; i < n->end && !t->err; i++) {
        struct prl_text_phrase p = {.len = 0};
        char digit = (char)prl_text_at(t, i);
        if (prl_text_is_digit(prl_text_at(t, i)))
            prl_text_digits(&p, &digit, 1, lang, PRL_TEXT_DIGIT_ZERO);
        else if (digit == '.')
            prl_text_add(&p, lang == PRL_TEXT_ZH ? "点" : "point");
        prl_text_say(t, p.s);
    }
}

static void add_part(struct prl_text_phrase *p, const struct prl_text_number *n,
                     enum prl_text_lang lang)
{
    if (n->part == 0)
        return;
    prl_text_add(p, lang == PRL_TEXT_ZH ? "点" : "point");
    prl_text_digits(p, n->d + n->whole, n->part, lang, PRL_TEXT_DIGIT_ZERO);
}

void prl_text_add_number(struct prl_text_phrase *p, const struct prl_text_number *n,
                         enum prl_text_lang lang, bool liang)
{
    if (lang == PRL_TEXT_ZH)
        prl_text_zh_cardinal(p, n->d, n->whole, liang && n->part == 0);
    else
        prl_text_en_cardinal(p, n->d, n->whole);
    add_part(p, n, lang);
}

// `tail` is where the words begin that tell what is counted.
static void say_number(struct prl_text *t, const struct prl_text_number *n, size_t tail, bool liang)
{
    enum prl_text_lang lang = prl_text_lang_at(t, n->start);
    if (n->too_long) {
        prl_text_say_long(t, n, lang);
        return;
    }
    struct prl_text_phrase p = {.len = 0};
    enum prl_text_style style = prl_text_style_of(t, n, tail);
    char word[PRL_TEXT_WORD_MAX];
    prl_text_word_before(t, n->start, word);
    bool oh = prl_text_in(word, " room flight suite apartment apt gate ");
    bool ordinal = n->start > 0 && prl_text_match(t, n->start - 1, "第") > 0;
    if (style == PRL_TEXT_DIGITS || (style == PRL_TEXT_YEAR && lang == PRL_TEXT_ZH))
        prl_text_digits(&p, n->d, n->whole, lang,
                        style == PRL_TEXT_YEAR ? PRL_TEXT_DIGIT_ZERO
                        : lang == PRL_TEXT_ZH  ? PRL_TEXT_DIGIT_YAO
                        : oh                   ? PRL_TEXT_DIGIT_OH
                                               : PRL_TEXT_DIGIT_ZERO);
    else if (style == PRL_TEXT_YEAR)
        prl_text_en_year(&p, prl_text_value(n));
    else
        prl_text_add_number(&p, n, lang, !ordinal && (liang || prl_text_measure_at(t, tail)));
    prl_text_say(t, p.s);
}

// "-", "–" or "~" between two numbers: position of the second, or 0.
static size_t range_at(const struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    size_t end = 0;
    if (c != '-' && c != 0x2013 && c != '~' && c != 0x2014)
        return 0;
    if (t->math && c == '-')
        return 0;
    bool money = prl_text_money_at(t, i + 1, &end) != NULL;
    uint32_t next = prl_text_at(t, money ? end : i + 1);
    return prl_text_is_digit(next) ? i + 1 : 0;
}

// Is the plain number before the hyphen at i larger than the one behind it?
static bool goes_back(const struct prl_text *t, size_t i)
{
    unsigned first = 0;
    unsigned second = 0;
    size_t start = i;
    while (start > 0 && prl_text_is_digit(prl_text_at(t, start - 1)))
        start--;
    size_t n = prl_text_read_digits(t, i + 1, 3, &second);
    char word[PRL_TEXT_WORD_MAX];
    prl_text_word_before(t, start, word);
    return prl_text_read_digits(t, start, 3, &first) > 0 && n > 0 && first > second &&
           !prl_text_in(word, " score won lost win beat by of ") &&
           !(start > 0 && prl_text_at(t, start - 1) == '.');
}

static size_t say_range(struct prl_text *t, size_t i)
{
    size_t next = range_at(t, i);
    if (next == 0)
        return i;
    prl_text_from(t, i, next);
    bool score = prl_text_at(t, i) == '-' && prl_text_after_score(t, i);
    // Figure 3-1 is no range.
    bool back = prl_text_at(t, i) == '-' && !score && goes_back(t, i);
    prl_text_say_in(t, i, back ? "dash" : "to", score ? "比" : back ? "杠" : "到");
    return next;
}

// "/month" behind a price or a unit.
size_t prl_text_per(struct prl_text *t, size_t i)
{
    char word[PRL_TEXT_WORD_MAX];
    if (prl_text_at(t, i) != '/')
        return say_range(t, i);
    prl_text_word_here(t, i + 1, word);
    bool each = prl_text_is_han(prl_text_at(t, i + 1));
    if (!each &&
        !prl_text_in(word, " month year day hour week person night minute second kg item unit "
                           "gb mo yr hr user seat piece "))
        return i;
    prl_text_from(t, i, i + 1);
    prl_text_say_in(t, i, "per", "每");
    return i + 1;
}

// 1.2.3 -- a version, its parts joined by points.
static size_t read_version(struct prl_text *t, const struct prl_text_number *n)
{
    if (n->part == 0 || prl_text_at(t, n->end) != '.' ||
        !prl_text_is_digit(prl_text_at(t, n->end + 1)))
        return n->start;
    size_t i = n->start;
    size_t end = i;
    while (prl_text_is_digit(prl_text_at(t, end)) ||
           (prl_text_at(t, end) == '.' && prl_text_is_digit(prl_text_at(t, end + 1))))
        end++;
    prl_text_from(t, i, end);
    while (i < end && !t->err) {
        unsigned value = 0;
        size_t digits = prl_text_read_digits(t, i, 6, &value);
        if (digits == 0) { // a point, or a part that is too long
            struct prl_text_number rest = {.start = i, .end = i + 1};
            prl_text_say_long(t, &rest, prl_text_lang_at(t, n->start));
            i++;
            continue;
        }
        struct prl_text_phrase p = {.len = 0};
        prl_text_cardinal(&p, value, prl_text_lang_at(t, n->start));
        prl_text_say(t, p.s);
        i += digits;
    }
    return end;
}

// 1st, 22nd, 1990s, 90s
static size_t read_suffix_en(struct prl_text *t, const struct prl_text_number *n)
{
    char suffix[PRL_TEXT_WORD_MAX];
    struct prl_text_phrase p = {.len = 0};
    size_t len = prl_text_word_here(t, n->end, suffix);
    if (n->part > 0 || len == 0 || len > 2 || n->too_long)
        return n->start;
    unsigned value = prl_text_value(n);
    size_t end = n->end + len;
    if (prl_text_in(suffix, " st nd rd th ST ND RD TH ")) {
        prl_text_en_ordinal(&p, n->d, n->whole);
    } else if (strcmp(suffix, "s") == 0) {
        char before[PRL_TEXT_WORD_MAX];
        prl_text_word_before(t, n->start, before);
        bool short_form = n->start > 0 && prl_text_at(t, n->start - 1) == '\'';
        bool decade = n->whole == 4 || (short_form && n->whole == 2) ||
                      (n->whole == 2 && value >= 20 && value % 10 == 0 &&
                       prl_text_in(before, " the early late mid my his her "));
        if (!decade || n->comma)
            return n->start;
        if (n->whole == 4)
            prl_text_en_year(&p, value);
        else
            prl_text_en_cardinal(&p, n->d, n->whole);
        bool y = p.s[p.len - 1] == 'y';
        p.len -= y ? 1 : 0;
        memcpy(p.s + p.len, y ? "ies" : "s", y ? 4 : 2);
    } else
        return n->start;
    prl_text_from(t, n->start, end);
    prl_text_say(t, p.s);
    return end;
}

static size_t percent_at(const struct prl_text *t, size_t i)
{
    size_t at = prl_text_skip_space(t, i);
    uint32_t c = prl_text_at(t, at);
    return (c == '%' || c == 0x2030) && at <= i + 1 ? at + 1 : 0;
}

static size_t say_percent(struct prl_text *t, const struct prl_text_number *n,
                          const struct prl_text_number *second, size_t end)
{
    bool mille = prl_text_at(t, end - 1) == 0x2030;
    bool zh = prl_text_lang_at(t, n->start) == PRL_TEXT_ZH;
    prl_text_from(t, n->start, end);
    if (zh)
        prl_text_say(t, mille ? "千分之" : "百分之");
    say_number(t, n, end, false);
    if (second) {
        prl_text_say(t, zh ? "到" : "to");
        say_number(t, second, end, false);
    }
    if (!zh)
        prl_text_say(t, mille ? "per mille" : "percent");
    return say_range(t, end);
}

bool prl_text_is_one(const struct prl_text_number *n)
{
    return n->part == 0 && prl_text_value(n) == 1 && n->whole < 9;
}

static size_t say_unit(struct prl_text *t, const struct prl_text_number *n,
                       const struct prl_text_unit_name *unit, size_t end)
{
    prl_text_from(t, n->start, end);
    if (prl_text_lang_at(t, n->start) == PRL_TEXT_ZH) {
        bool temperature = prl_text_match(t, end - 1, "C") + prl_text_match(t, end - 1, "F") > 0;
        if (n->start < 2 || prl_text_match(t, n->start - 2, "时速") == 0)
            prl_text_say(t, unit->zh_before);
        say_number(t, n, t->count, !temperature);
        prl_text_say(t, unit->zh);
    } else {
        say_number(t, n, t->count, false);
        prl_text_say(t, prl_text_is_one(n) ? unit->one : unit->many);
    }
    return prl_text_per(t, end);
}

// 1920x1080: "by".
static size_t say_by(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    if ((c != 'x' && c != 'X') || !prl_text_is_digit(prl_text_at(t, i + 1)))
        return i;
    prl_text_from(t, i, i + 1);
    prl_text_say_in(t, i, "by", "乘");
    return i + 1;
}

// 67.7M people
static size_t say_millions(struct prl_text *t, const struct prl_text_number *n)
{
    uint32_t c = prl_text_at(t, n->end);
    if ((c != 'M' && c != 'B') || prl_text_is_alnum(prl_text_at(t, n->end + 1)) || n->too_long ||
        (n->part == 0 && n->whole < 2) || prl_text_lang_at(t, n->start) == PRL_TEXT_ZH)
        return n->start;
    struct prl_text_phrase p = {.len = 0};
    prl_text_add_number(&p, n, PRL_TEXT_EN, false);
    prl_text_add(&p, c == 'M' ? "million" : "billion");
    prl_text_from(t, n->start, n->end + 1);
    prl_text_say(t, p.s);
    return n->end + 1;
}

// 5'11": a person's height.
static size_t say_height(struct prl_text *t, const struct prl_text_number *n)
{
    unsigned inches = 0;
    size_t digits = prl_text_read_digits(t, n->end + 1, 2, &inches);
    size_t end = n->end + 1 + digits;
    if (prl_text_at(t, n->end) != '\'' || digits == 0 || n->part > 0 || n->whole != 1 ||
        inches > 11)
        return n->start;
    end += prl_text_at(t, end) == '"' ? 1 : 0;
    struct prl_text_phrase p = {.len = 0};
    enum prl_text_lang lang = prl_text_lang_at(t, n->start);
    prl_text_add_number(&p, n, lang, false);
    prl_text_add(&p, lang == PRL_TEXT_ZH ? "英尺" : "foot");
    prl_text_cardinal(&p, inches, lang);
    prl_text_add(&p, lang == PRL_TEXT_ZH ? "英寸" : "");
    prl_text_from(t, n->start, end);
    prl_text_say(t, p.s);
    return end;
}

// The unit behind a fraction: "one half teaspoon", "two and a half teaspoons".
static size_t say_fraction_unit(struct prl_text *t, size_t i, size_t at, bool many)
{
    size_t end = at;
    const struct prl_text_unit_name *unit = prl_text_unit_at(t, at, &end);
    if (!unit)
        return at;
    prl_text_from(t, at, end);
    prl_text_say_in(t, i, many ? unit->many : unit->one, unit->zh);
    return end;
}

// A number without sign and currency before it.
static size_t say_plain(struct prl_text *t, size_t i)
{
    struct prl_text_number n;
    struct prl_text_number second;
    size_t end = prl_text_fraction(t, i);
    if (end > i)
        return say_fraction_unit(t, i, end, false);
    if (!prl_text_read_number(t, i, &n))
        return i;
    end = prl_text_mixed(t, &n);
    if (end > i)
        return say_fraction_unit(t, i, end, true);
    end = read_version(t, &n);
    if (end == i)
        end = read_suffix_en(t, &n);
    if (end == i)
        end = say_height(t, &n);
    if (end > i)
        return end;
    size_t next = range_at(t, n.end);
    bool range = next > 0 && prl_text_read_number(t, next, &second) && range_at(t, second.end) == 0;
    if (range && prl_text_lang_at(t, i) == PRL_TEXT_ZH && percent_at(t, second.end))
        return say_percent(t, &n, &second, percent_at(t, second.end));
    if (percent_at(t, n.end))
        return say_percent(t, &n, NULL, percent_at(t, n.end));
    const struct prl_text_unit_name *unit = prl_text_unit_at(t, n.end, &end);
    if (unit)
        return say_unit(t, &n, unit, end);
    const struct prl_text_money *money = prl_text_money_at(t, prl_text_skip_space(t, n.end), &end);
    // "5 $3" is no price of five.
    if (money && !prl_text_is_alnum(prl_text_at(t, end))) {
        prl_text_from(t, i, end);
        say_number(t, &n, t->count, true);
        prl_text_say_in(t, i, prl_text_is_one(&n) ? money->one : money->many, money->zh);
        return prl_text_per(t, end);
    }
    size_t magnitude = say_millions(t, &n);
    if (magnitude > i)
        return magnitude;
    prl_text_from(t, i, n.end);
    say_number(t, &n, range ? second.end : n.end, false);
    end = say_range(t, n.end);
    return end > n.end ? end : say_by(t, n.end);
}

// 3月5日-7日: a hyphen between dates, times or quantities.
static bool is_han_range(const struct prl_text *t, size_t i)
{
    static const char *const ENDS[] = {"日", "号", "月", "年", "点", "时", "分", "元", "岁",
                                       "级", "层", "楼", "页", "章", "米", "人", "个", "万"};
    uint32_t c = prl_text_at(t, i);
    if ((c != '-' && c != '~' && c != 0x2013 && c != 0x2014) || i == 0 ||
        !prl_text_is_digit(prl_text_at(t, i + 1)))
        return false;
    for (size_t k = 0; k < sizeof(ENDS) / sizeof(ENDS[0]); k++)
        if (prl_text_match(t, i - 1, ENDS[k]) > 0)
            return true;
    return false;
}

// A minus that belongs to the number behind it.
static bool is_negative(const struct prl_text *t, size_t i)
{
    if (prl_text_at(t, i) != '-')
        return false;
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : ' ';
    size_t last = prl_text_back_space(t, i);
    bool after_number = last != SIZE_MAX && prl_text_is_digit(prl_text_at(t, last));
    return !prl_text_is_alnum(before) && before != ')' && before != '-' && !after_number;
}

static size_t say_negative(struct prl_text *t, size_t i)
{
    struct prl_text_number n;
    if (!prl_text_read_number(t, i + 1, &n))
        return i;
    size_t end = 0;
    size_t second = range_at(t, n.end);
    struct prl_text_number other;
    if (second > 0 && prl_text_read_number(t, second, &other))
        n.end = other.end; // "-3~5℃"
    const struct prl_text_unit_name *unit = prl_text_unit_at(t, n.end, &end);
    bool cold = (unit && (strcmp(unit->sign, "°C") == 0 || strcmp(unit->sign, "°F") == 0 ||
                          strcmp(unit->sign, "°") == 0)) ||
                prl_text_match(t, n.end, "度") > 0 || prl_text_match(t, n.end, "摄氏") > 0;
    prl_text_from(t, i, i + 1);
    prl_text_say_in(t, i + 1, "minus", cold ? "零下" : "负");
    return i + 1;
}

size_t prl_text_number(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    uint32_t next = prl_text_at(t, i + 1);
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : 0;
    if (prl_text_is_digit(c)) { // The T of 2026-11-22T14:30 stands between two of them.
        bool time = before == 'T' && i > 1 && prl_text_is_digit(prl_text_at(t, i - 2));
        size_t end = prl_text_is_latin(before) && !time ? i : prl_text_date(t, i);
        if (end == i)
            end = prl_text_day_month(t, i);
        return end > i ? end : say_plain(t, i);
    }
    size_t vulgar = prl_text_vulgar(t, i);
    if (vulgar > i)
        return say_fraction_unit(t, i, vulgar, false);
    if (c == '.' && prl_text_is_digit(next) && !prl_text_is_alnum(before))
        return say_plain(t, i);
    if ((c == '+' || c == '(') && prl_text_is_digit(next) && !prl_text_is_alnum(before))
        return prl_text_phone(t, i);
    if (is_han_range(t, i)) {
        prl_text_from(t, i, i + 1);
        prl_text_say(t, "到");
        return i + 1;
    }
    if (is_negative(t, i) && (prl_text_is_digit(next) || next == '.'))
        return say_negative(t, i);
    size_t digits = 0;
    const struct prl_text_money *money =
        prl_text_is_alnum(before) ? NULL : prl_text_money_at(t, i, &digits);
    digits = prl_text_skip_space(t, digits);
    if (money && prl_text_is_digit(prl_text_at(t, digits)))
        return prl_text_say_money(t, i, money, digits);
    return i;
}

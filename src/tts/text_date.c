// text_date.c -- runs of digits that are no plain number: dates, times, telephone numbers, network
// addresses, ratios and scores.
#include <string.h>

#include "tts/text_part.h"

size_t prl_text_read_digits(const struct prl_text *t, size_t i, size_t max, unsigned *value)
{
    size_t n = 0;
    *value = 0;
    while (prl_text_is_digit(prl_text_at(t, i + n))) {
        if (n == max)
            return 0;
        *value = *value * 10 + (prl_text_at(t, i + n) - '0');
        n++;
    }
    return n;
}

static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

const char *prl_text_month(unsigned month)
{
    return MONTHS[(month - 1) % 12];
}

unsigned prl_text_month_of(const char *word)
{
    if (word[0] < 'A' || word[0] > 'Z')
        return 0;
    size_t len = strlen(word);
    for (unsigned k = 0; k < 12; k++) {
        bool short_form = len == 3 || (len == 4 && k == 8);
        if (strcmp(word, MONTHS[k]) == 0 || (short_form && strncmp(word, MONTHS[k], len) == 0))
            return k + 1;
    }
    return 0;
}

static void say_year_digits(struct prl_text_phrase *p, unsigned year)
{
    char digits[4];
    for (size_t k = 4; k-- > 0; year /= 10)
        digits[k] = (char)('0' + year % 10);
    prl_text_digits(p, digits, 4, PRL_TEXT_ZH, PRL_TEXT_DIGIT_ZERO);
}

static void say_ordinal(struct prl_text_phrase *p, unsigned value)
{
    char digits[2] = {(char)('0' + value / 10 % 10), (char)('0' + value % 10)};
    prl_text_en_ordinal(p, digits, 2);
}

static void say_date(struct prl_text *t, size_t i, const unsigned date[3])
{
    struct prl_text_phrase p = {.len = 0};
    if (prl_text_lang_at(t, i) == PRL_TEXT_ZH) {
        say_year_digits(&p, date[0]);
        prl_text_add(&p, "年");
        prl_text_cardinal(&p, date[1], PRL_TEXT_ZH);
        prl_text_add(&p, "月");
        prl_text_cardinal(&p, date[2], PRL_TEXT_ZH);
        prl_text_add(&p, "日");
        prl_text_say(t, p.s);
        return;
    }
    prl_text_add(&p, prl_text_month(date[1]));
    say_ordinal(&p, date[2]);
    prl_text_say(t, p.s);
    prl_text_pause(t, ',', true);
    p.len = 0;
    prl_text_en_year(&p, date[0]);
    prl_text_say(t, p.s);
}

// Year, month and day in their order, from the parts as they were written.
static bool order_date(const unsigned part[3], const size_t digits[3], uint32_t mark,
                       unsigned date[3])
{
    if (digits[2] == 4 && digits[0] <= 2 && digits[1] <= 2) {
        bool day_first = mark == '.' || part[0] > 12;
        date[0] = part[2];
        date[1] = day_first ? part[1] : part[0];
        date[2] = day_first ? part[0] : part[1];
    } else {
        if (digits[0] != 4 || digits[1] > 2 || digits[2] > 2)
            return false;
        memcpy(date, part, 3 * sizeof(part[0]));
    }
    return date[1] >= 1 && date[1] <= 12 && date[2] >= 1 && date[2] <= 31;
}

// 2026-11-22, 2026/3/5, 11/22/2026, 22.11.2026
static size_t read_date(struct prl_text *t, size_t i)
{
    unsigned part[3] = {0};
    size_t at = i;
    size_t digits[3] = {0};
    uint32_t mark = 0;
    for (size_t k = 0; k < 3; k++) {
        digits[k] = prl_text_read_digits(t, at, 4, &part[k]);
        if (digits[k] == 0)
            return i;
        at += digits[k];
        if (k == 2)
            break;
        uint32_t c = prl_text_at(t, at);
        if ((c != '-' && c != '/' && c != '.') || (mark && c != mark))
            return i;
        mark = c;
        at++;
    }
    uint32_t next = prl_text_at(t, at);
    bool time_follows = next == 'T' && prl_text_is_digit(prl_text_at(t, at + 1));
    if ((prl_text_is_latin(next) && !time_follows) ||
        (next == mark && prl_text_is_digit(prl_text_at(t, at + 1))))
        return i;
    unsigned date[3];
    if (!order_date(part, digits, mark, date))
        return i;
    prl_text_from(t, i, at);
    say_date(t, i, date);
    return prl_text_per(t, at + time_follows);
}

static void say_time_en(struct prl_text *t, const unsigned part[3], bool half_day, bool seconds)
{
    struct prl_text_phrase p = {.len = 0};
    prl_text_cardinal(&p, part[0], PRL_TEXT_EN);
    if (part[1] == 0 && !half_day)
        prl_text_add(&p, part[0] > 12 || part[0] == 0 ? "hundred" : "o'clock");
    else if (part[1] > 0) {
        if (part[1] < 10)
            prl_text_add(&p, "oh");
        prl_text_cardinal(&p, part[1], PRL_TEXT_EN);
    }
    if (seconds) {
        prl_text_add(&p, "and");
        prl_text_cardinal(&p, part[2], PRL_TEXT_EN);
        prl_text_add(&p, part[2] == 1 ? "second" : "seconds");
    }
    prl_text_say(t, p.s);
}

static void say_time_zh(struct prl_text *t, const unsigned part[3], bool seconds)
{
    struct prl_text_phrase p = {.len = 0};
    if (part[0] == 2)
        prl_text_add(&p, "两");
    else
        prl_text_cardinal(&p, part[0], PRL_TEXT_ZH);
    prl_text_add(&p, "点");
    if (part[1] > 0 || seconds) {
        if (part[1] > 0 && part[1] < 10)
            prl_text_add(&p, "零");
        prl_text_cardinal(&p, part[1], PRL_TEXT_ZH);
        prl_text_add(&p, "分");
    }
    if (seconds) {
        prl_text_cardinal(&p, part[2], PRL_TEXT_ZH);
        prl_text_add(&p, "秒");
    }
    prl_text_say(t, p.s);
}

bool prl_text_after_score(const struct prl_text *t, size_t i)
{
    for (size_t back = 1; back <= 8 && back <= i; back++)
        if (prl_text_match(t, i - back, "比") > 0)
            return true;
    return false;
}

// "am", "p.m." after a time: its length with the space before, or 0.
static size_t half_day_at(const struct prl_text *t, size_t i)
{
    size_t start = i;
    i = prl_text_skip_space(t, i);
    uint32_t c = prl_text_at(t, i) | 32;
    if (c != 'a' && c != 'p')
        return 0;
    size_t dot = prl_text_at(t, i + 1) == '.' ? 1 : 0;
    if ((prl_text_at(t, i + 1 + dot) | 32) != 'm' || prl_text_is_alnum(prl_text_at(t, i + 2 + dot)))
        return 0;
    return i + 2 + dot - start;
}

// "7:00 o'clock" has the word already.
static bool clock_follows(const struct prl_text *t, size_t i)
{
    return prl_text_match(t, prl_text_skip_space(t, i), "o'clock") > 0;
}

// 14:30, 9:05:30, 16:9, 3:2
static size_t read_colon(struct prl_text *t, size_t i)
{
    unsigned part[3] = {0};
    size_t first = prl_text_read_digits(t, i, 4, &part[0]);
    if (first == 0 || prl_text_at(t, i + first) != ':')
        return i;
    size_t second = prl_text_read_digits(t, i + first + 1, 4, &part[1]);
    size_t at = i + first + 1 + second;
    if (second == 0 || (prl_text_is_latin(prl_text_at(t, at)) && half_day_at(t, at) == 0))
        return i;
    bool zh = prl_text_lang_at(t, i) == PRL_TEXT_ZH;
    bool seconds = false;
    bool time = first <= 2 && second == 2 && part[0] <= 24 && part[1] < 60 &&
                !(zh && prl_text_after_score(t, i));
    if (time && prl_text_at(t, at) == ':' && prl_text_read_digits(t, at + 1, 2, &part[2]) == 2 &&
        part[2] < 60) {
        seconds = true;
        at += 3;
    }
    prl_text_from(t, i, at);
    if (!time) {
        struct prl_text_phrase p = {.len = 0};
        prl_text_cardinal(&p, part[0], zh ? PRL_TEXT_ZH : PRL_TEXT_EN);
        prl_text_add(&p, zh ? "比" : "to");
        prl_text_cardinal(&p, part[1], zh ? PRL_TEXT_ZH : PRL_TEXT_EN);
        prl_text_say(t, p.s);
    } else if (zh)
        say_time_zh(t, part, seconds);
    else
        say_time_en(t, part, half_day_at(t, at) > 0 || clock_follows(t, at), seconds);
    return time ? prl_text_per(t, at) : at;
}

// Says the digits [i, end) one by one.
static void say_digits(struct prl_text *t, size_t i, size_t end)
{
    enum prl_text_lang lang = prl_text_lang_at(t, i);
    for (; i < end; i++) {
        struct prl_text_phrase p = {.len = 0};
        char digit = (char)prl_text_at(t, i);
        prl_text_digits(&p, &digit, 1, lang,
                        lang == PRL_TEXT_ZH ? PRL_TEXT_DIGIT_YAO : PRL_TEXT_DIGIT_ZERO);
        prl_text_say(t, p.s);
    }
}

// 192.168.1.1, with :8080 behind it or not
static size_t read_address(struct prl_text *t, size_t i)
{
    size_t ends[4];
    size_t at = i;
    for (size_t k = 0; k < 4; k++) {
        unsigned value = 0;
        size_t n = prl_text_read_digits(t, at, 3, &value);
        if (n == 0 || value > 255)
            return i;
        ends[k] = at + n;
        at += n + 1;
        if (k < 3 && prl_text_at(t, ends[k]) != '.')
            return i;
    }
    if (prl_text_at(t, ends[3]) == '.' && prl_text_is_digit(prl_text_at(t, ends[3] + 1)))
        return i;
    at = i;
    prl_text_from(t, i, ends[3]);
    for (size_t k = 0; k < 4; k++) {
        if (k > 0)
            prl_text_say_in(t, i, "dot", "点");
        say_digits(t, at, ends[k]);
        at = ends[k] + 1;
    }
    unsigned port = 0;
    size_t n = prl_text_at(t, ends[3]) == ':' ? prl_text_read_digits(t, at, 5, &port) : 0;
    if (n == 0)
        return ends[3];
    prl_text_from(t, ends[3], at + n);
    prl_text_say_in(t, i, "port", "端口");
    say_digits(t, at, at + n);
    return at + n;
}

enum { GROUPS_MAX = 6, PHONE_DIGITS_MIN = 7, PHONE_DIGITS_MAX = 15 };

struct groups {
    size_t start[GROUPS_MAX];
    size_t len[GROUPS_MAX];
    size_t count;
    size_t digits;
    size_t end;
    bool plus;
    bool spaces; // apart by spaces somewhere
};

// "+1 (415) 555-2671": groups of digits, one mark between them.
static bool read_groups(const struct prl_text *t, size_t i, struct groups *g)
{
    memset(g, 0, sizeof(*g));
    g->plus = prl_text_at(t, i) == '+';
    i += g->plus ? 1 : 0;
    while (g->count < GROUPS_MAX) {
        bool open = prl_text_at(t, i) == '(';
        i += open ? 1 : 0;
        unsigned value = 0;
        size_t n = prl_text_read_digits(t, i, 11, &value);
        if (n == 0)
            break;
        g->start[g->count] = i;
        g->len[g->count++] = n;
        g->digits += n;
        i += n;
        bool close = open && prl_text_at(t, i) == ')';
        if (open && !close)
            return false;
        i += close ? 1 : 0;
        g->end = i;
        uint32_t c = prl_text_at(t, i);
        uint32_t next = prl_text_at(t, i + 1);
        if (c == ' ')
            g->spaces = g->spaces || (!close && (prl_text_is_digit(next) || next == '('));
        else if (c != '-' && !close)
            break;
        i += c == ' ' || c == '-' ? 1 : 0;
    }
    return g->count > 0 && !prl_text_is_latin(prl_text_at(t, g->end));
}

// 6222 0212 3456 7890: four groups of four or more of a card.
static bool is_card(const struct groups *g)
{
    for (size_t k = 0; k + 1 < g->count; k++)
        if (g->len[k] != 4)
            return false;
    return g->count >= 4 && !g->plus;
}

static bool is_phone(const struct prl_text *t, size_t i, const struct groups *g)
{
    if (is_card(g))
        return true;
    if (g->digits < PHONE_DIGITS_MIN || g->digits > PHONE_DIGITS_MAX)
        return false;
    if (g->plus)
        return true;
    uint32_t first = prl_text_at(t, g->start[0]);
    uint32_t second = prl_text_at(t, g->start[0] + 1);
    bool mobile = first == '1' && second >= '3' && g->digits == 11;
    if (g->count == 1)
        return mobile && prl_text_lang_at(t, i) == PRL_TEXT_ZH;
    if (g->count == 3 && mobile && g->len[0] == 3 && g->len[1] == 4)
        return true;
    if (g->spaces)
        return false;
    if (g->count == 2)
        return (first == '0' && g->len[0] <= 4 && g->len[1] >= 7) ||
               (g->len[0] == 3 && g->len[1] == 4);
    return g->count <= 4 && g->len[0] <= 4 && g->len[g->count - 1] >= 3;
}

size_t prl_text_phone(struct prl_text *t, size_t i)
{
    struct groups g;
    if (!read_groups(t, i, &g) || !is_phone(t, i, &g))
        return i;
    if (g.plus) {
        prl_text_from(t, i, i + 1);
        prl_text_say_in(t, i, "plus", "加");
    }
    if (g.count == 1 && g.digits == 11 && !g.plus) { // a mobile number, read 3 4 4
        g.count = 3;
        g.len[0] = 3;
        g.len[1] = g.len[2] = 4;
        g.start[1] = g.start[0] + 3;
        g.start[2] = g.start[0] + 7;
    }
    prl_text_from(t, i, g.end);
    for (size_t k = 0; k < g.count; k++) {
        if (k > 0)
            prl_text_pause(t, ',', true);
        say_digits(t, g.start[k], g.start[k] + g.len[k]);
    }
    return g.end;
}

size_t prl_text_date(struct prl_text *t, size_t i)
{
    size_t end = read_date(t, i);
    if (end == i)
        end = read_address(t, i);
    if (end == i)
        end = prl_text_phone(t, i);
    if (end == i)
        end = read_colon(t, i);
    if (end == i && prl_text_match(t, i, "24/7") > 0 && !prl_text_is_digit(prl_text_at(t, i + 4))) {
        end = i + 4;
        prl_text_from(t, i, end);
        prl_text_say_in(t, i, "twenty four seven", "二十四小时");
    }
    return end;
}

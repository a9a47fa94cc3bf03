// text_count.c -- numbers in words, English and Chinese. Pure: digits in, phrase out.
#include <string.h>

#include "base/check.h"
#include "tts/text_part.h"

static const char *const EN_SMALL[] = {"zero",    "one",     "two",       "three",    "four",
                                       "five",    "six",     "seven",     "eight",    "nine",
                                       "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                       "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
static const char *const EN_TENS[] = {"",      "ten",   "twenty",  "thirty", "forty",
                                      "fifty", "sixty", "seventy", "eighty", "ninety"};
static const char *const EN_GROUPS[] = {"", "thousand", "million", "billion", "trillion"};
static const char *const ZH_DIGITS[] = {"零", "一", "二", "三", "四", "五", "六", "七", "八", "九"};
static const char *const ZH_PLACES[] = {"", "十", "百", "千"};
static const char *const ZH_GROUPS[] = {"", "万", "亿", "万"};

enum { CARDINAL_DIGITS_MAX = 15 };

void prl_text_add(struct prl_text_phrase *p, const char *words)
{
    size_t len = strlen(words);
    bool space = p->len > 0 && p->s[p->len - 1] != ' ' && (unsigned char)words[0] < 0x80;
    if (len == 0 || p->len + len + 2 > sizeof(p->s))
        return;
    if (space)
        p->s[p->len++] = ' ';
    memcpy(p->s + p->len, words, len + 1);
    p->len += len;
}

// 0..999, nothing for 0.
static void add_hundreds(struct prl_text_phrase *p, unsigned value)
{
    if (value >= 100) {
        prl_text_add(p, EN_SMALL[value / 100]);
        prl_text_add(p, "hundred");
    }
    value %= 100;
    if (value >= 20) {
        prl_text_add(p, EN_TENS[value / 10]);
        value %= 10;
    }
    if (value > 0)
        prl_text_add(p, EN_SMALL[value]);
}

static void skip_zeros(const char **digits, size_t *n)
{
    while (*n > 1 && **digits == '0') {
        (*digits)++;
        (*n)--;
    }
}

void prl_text_en_cardinal(struct prl_text_phrase *p, const char *digits, size_t n)
{
    skip_zeros(&digits, &n);
    if (n > CARDINAL_DIGITS_MAX) {
        prl_text_digits(p, digits, n, PRL_TEXT_EN, PRL_TEXT_DIGIT_ZERO);
        return;
    }
    if (n == 0 || (n == 1 && digits[0] == '0')) {
        prl_text_add(p, "zero");
        return;
    }
    unsigned value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (unsigned)(digits[i] - '0');
        size_t left = n - 1 - i;
        if (left % 3 != 0)
            continue;
        add_hundreds(p, value);
        if (value > 0 && left > 0)
            prl_text_add(p, EN_GROUPS[left / 3]);
        value = 0;
    }
}

void prl_text_en_ordinal(struct prl_text_phrase *p, const char *digits, size_t n)
{
    static const char *const IRREGULAR[][2] = {
        {"one", "first"},    {"two", "second"}, {"three", "third"},   {"five", "fifth"},
        {"eight", "eighth"}, {"nine", "ninth"}, {"twelve", "twelfth"}};
    prl_text_en_cardinal(p, digits, n);
    size_t last = p->len;
    while (last > 0 && p->s[last - 1] != ' ')
        last--;
    for (size_t k = 0; k < sizeof(IRREGULAR) / sizeof(IRREGULAR[0]); k++)
        if (strcmp(p->s + last, IRREGULAR[k][0]) == 0) {
            p->len = last;
            p->s[last] = '\0';
            prl_text_add(p, IRREGULAR[k][1]);
            return;
        }
    // twenty -> twentieth, others take -th.
    bool y = p->len > 0 && p->s[p->len - 1] == 'y';
    if (p->len + 5 > sizeof(p->s))
        return;
    if (y)
        p->len--;
    const char *tail = y ? "ieth" : "th";
    memcpy(p->s + p->len, tail, strlen(tail) + 1);
    p->len += strlen(tail);
}

void prl_text_cardinal(struct prl_text_phrase *p, unsigned value, enum prl_text_lang lang)
{
    char digits[12];
    size_t n = 0;
    do {
        memmove(digits + 1, digits, n);
        digits[0] = (char)('0' + value % 10);
        value /= 10;
        n++;
    } while (value > 0 && n < sizeof(digits) - 1);
    if (lang == PRL_TEXT_EN)
        prl_text_en_cardinal(p, digits, n);
    else
        prl_text_zh_cardinal(p, digits, n, false);
}

void prl_text_en_year(struct prl_text_phrase *p, unsigned year)
{
    if (year < 1000 || year > 9999 || year % 1000 == 0 || (year >= 2000 && year < 2010)) {
        prl_text_cardinal(p, year, PRL_TEXT_EN);
        return;
    }
    prl_text_cardinal(p, year / 100, PRL_TEXT_EN);
    if (year % 100 == 0) {
        prl_text_add(p, "hundred");
        return;
    }
    if (year % 100 < 10)
        prl_text_add(p, "oh");
    prl_text_cardinal(p, year % 100, PRL_TEXT_EN);
}

// One group of up to four digits; `zero` tells that a zero has to be said before the next digit.
static void add_group(struct prl_text_phrase *p, const char *digits, size_t n, bool *zero)
{
    for (size_t i = 0; i < n; i++) {
        size_t place = n - 1 - i;
        if (digits[i] == '0') {
            *zero = p->len > 0;
            continue;
        }
        if (*zero)
            prl_text_add(p, "零");
        *zero = false;
        // 十二, not 一十二, at the very front.
        if (!(place == 1 && digits[i] == '1' && p->len == 0))
            prl_text_add(p, ZH_DIGITS[digits[i] - '0']);
        prl_text_add(p, ZH_PLACES[place]);
    }
}

// 两 at the front before 千, 万, 亿 or a measure word.
static bool front_liang(const char *digits, size_t n, bool measure)
{
    if (digits[0] != '2')
        return false;
    size_t group = (n - 1) % 4 + 1;
    return n == 1 ? measure : group == 4 || (group == 1 && n > 4);
}

void prl_text_zh_cardinal(struct prl_text_phrase *p, const char *digits, size_t n, bool liang)
{
    skip_zeros(&digits, &n);
    if (n > CARDINAL_DIGITS_MAX) {
        prl_text_digits(p, digits, n, PRL_TEXT_ZH, PRL_TEXT_DIGIT_ZERO);
        return;
    }
    if (n == 0 || (n == 1 && digits[0] == '0')) {
        prl_text_add(p, "零");
        return;
    }
    struct prl_text_phrase words = {.len = 0};
    bool zero = false;
    for (size_t i = 0; i < n;) {
        size_t left = n - i;
        size_t size = (left - 1) % 4 + 1;
        size_t before = words.len;
        add_group(&words, digits + i, size, &zero);
        i += size;
        bool any = words.len > before;
        // 1,2000,0000,0000 is 一万二千亿: the 亿 serves the 万 above it too.
        if (any || (n - i) / 4 == 2)
            prl_text_add(&words, ZH_GROUPS[(n - i) / 4]);
        if (any)
            zero = false;
    }
    bool two = front_liang(digits, n, liang);
    prl_text_add(p, two ? "两" : "");
    prl_text_add(p, two ? words.s + strlen("二") : words.s);
}

void prl_text_digits(struct prl_text_phrase *p, const char *digits, size_t n,
                     enum prl_text_lang lang, enum prl_text_digit_style style)
{
    for (size_t i = 0; i < n; i++) {
        PRL_DCHECK(digits[i] >= '0' && digits[i] <= '9');
        unsigned digit = (unsigned)(digits[i] - '0');
        if (lang == PRL_TEXT_EN)
            prl_text_add(p, digit == 0 && style == PRL_TEXT_DIGIT_OH ? "oh" : EN_SMALL[digit]);
        else
            prl_text_add(p, digit == 1 && style == PRL_TEXT_DIGIT_YAO ? "幺" : ZH_DIGITS[digit]);
    }
}

// text_money.c -- sums of money: "$3.50", "¥3.5万", "a $5M deal".
#include <string.h>

#include "tts/text_part.h"

// "million", "k", 万 … behind a sum; *end moves behind it.
static void add_magnitude(struct prl_text *t, struct prl_text_phrase *p, bool zh, size_t *end)
{
    static const struct {
        const char *sign;
        const char *en;
        const char *zh;
    } MAGNITUDES[] = {{"thousand", "thousand", "千"}, {"million", "million", "百万"},
                      {"billion", "billion", "十亿"}, {"trillion", "trillion", "万亿"},
                      {"bn", "billion", "十亿"},      {"mn", "million", "百万"},
                      {"k", "thousand", "千"},        {"K", "thousand", "千"},
                      {"m", "million", "百万"},       {"M", "million", "百万"},
                      {"B", "billion", "十亿"},       {"b", "billion", "十亿"},
                      {"T", "trillion", "万亿"},      {"万亿", "trillion", "万亿"},
                      {"百万", "million", "百万"},    {"千万", "ten million", "千万"},
                      {"万", "ten thousand", "万"},   {"亿", "hundred million", "亿"},
                      {"萬", "ten thousand", "万"},   {"億", "hundred million", "亿"}};
    size_t spaced = prl_text_at(t, *end) == ' ' ? 1 : 0;
    for (size_t k = 0; k < sizeof(MAGNITUDES) / sizeof(MAGNITUDES[0]); k++) {
        size_t n = prl_text_match(t, *end + spaced, MAGNITUDES[k].sign);
        bool letter = strlen(MAGNITUDES[k].sign) < 3;
        if (n == 0 || (spaced && letter) ||
            (prl_text_is_latin((uint8_t)MAGNITUDES[k].sign[0]) &&
             prl_text_is_alnum(prl_text_at(t, *end + spaced + n))))
            continue;
        prl_text_add(p, zh ? MAGNITUDES[k].zh : MAGNITUDES[k].en);
        *end += spaced + n;
        return;
    }
}

// "three dollars and fifty cents"
static void add_cents(struct prl_text_phrase *p, const struct prl_text_number *n,
                      const struct prl_text_money *money)
{
    struct prl_text_number whole = *n;
    whole.part = 0;
    bool zero = prl_text_value(n) == 0;
    unsigned cents = (unsigned)((n->d[n->whole] - '0') * 10 + n->d[n->whole + 1] - '0');
    if (!zero) {
        prl_text_add_number(p, &whole, PRL_TEXT_EN, false);
        prl_text_add(p, prl_text_is_one(&whole) ? money->one : money->many);
    }
    if (!zero && cents > 0)
        prl_text_add(p, "and");
    if (cents > 0 || zero) {
        prl_text_cardinal(p, cents, PRL_TEXT_EN);
        prl_text_add(p, cents == 1 ? money->cent : money->cents);
    }
}

static void add_money_en(struct prl_text *t, struct prl_text_phrase *p,
                         const struct prl_text_number *n, const struct prl_text_money *money,
                         size_t *end)
{
    struct prl_text_phrase magnitude = {.len = 0};
    add_magnitude(t, &magnitude, false, end);
    if (n->part == 2 && money->cent[0] && magnitude.len == 0) {
        add_cents(p, n, money);
        return;
    }
    prl_text_add_number(p, n, PRL_TEXT_EN, false);
    prl_text_add(p, magnitude.len > 0 ? magnitude.s : "");
    char word[PRL_TEXT_WORD_MAX];
    char next[PRL_TEXT_WORD_MAX];
    size_t sign = n->start;
    while (sign > 0 && prl_text_at(t, sign - 1) != ' ')
        sign--;
    prl_text_word_before(t, sign, word);
    // "a five dollar bill"
    bool adjective = prl_text_in(word, " a an ") &&
                     prl_text_word_here(t, prl_text_skip_space(t, *end), next) > 0;
    bool one = prl_text_is_one(n) && magnitude.len == 0;
    prl_text_add(p, adjective || one ? money->one : money->many);
}

// $1.5M is 一百五十万, not 一点五百万: moves the point by the zeros of the magnitude.
static void shift(struct prl_text_number *n, const char *magnitude)
{
    static const struct {
        const char *name;
        size_t zeros;
    } ZEROS[] = {{"千", 3}, {"百万", 6}, {"十亿", 9}, {"万亿", 12}};
    for (size_t k = 0; k < sizeof(ZEROS) / sizeof(ZEROS[0]); k++) {
        if (strcmp(ZEROS[k].name, magnitude) != 0)
            continue;
        for (size_t zeros = ZEROS[k].zeros; zeros > 0 && n->whole < PRL_TEXT_DIGITS_KEPT; zeros--) {
            if (n->part > 0)
                n->part--;
            else
                n->d[n->whole] = '0';
            n->whole++;
        }
    }
}

// $3.50, ¥100, €2 million: i is at the sign of the currency, `digits` behind it.
size_t prl_text_say_money(struct prl_text *t, size_t i, const struct prl_text_money *money,
                          size_t digits)
{
    struct prl_text_number n;
    if (!prl_text_read_number(t, digits, &n))
        return i;
    struct prl_text_phrase p = {.len = 0};
    size_t end = n.end;
    prl_text_from(t, i, n.end);
    if (n.too_long) {
        prl_text_say_long(t, &n, prl_text_lang_at(t, i));
        return n.end;
    }
    if (prl_text_lang_at(t, digits) == PRL_TEXT_EN) {
        add_money_en(t, &p, &n, money, &end);
    } else {
        while (n.part > 0 && n.d[n.whole + n.part - 1] == '0')
            n.part--;
        struct prl_text_phrase magnitude = {.len = 0};
        add_magnitude(t, &magnitude, true, &end);
        bool written = prl_text_is_han(prl_text_at(t, n.end));
        if (magnitude.len > 0 && !written)
            shift(&n, magnitude.s);
        prl_text_add_number(&p, &n, PRL_TEXT_ZH, true);
        prl_text_add(&p, written ? magnitude.s : "");
        if (prl_text_match(t, end, "元") == 0 && prl_text_match(t, end, "块") == 0)
            prl_text_add(&p, money->zh);
    }
    prl_text_from(t, i, end);
    prl_text_say(t, p.s);
    return prl_text_per(t, end);
}

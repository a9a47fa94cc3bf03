// text_fraction.c -- fractions: 1/2, 1½, 50/50.
#include "tts/text_part.h"

static const struct {
    uint32_t c;
    unsigned over;
    unsigned under;
} VULGAR[] = {{0xBD, 1, 2},   {0xBC, 1, 4},   {0xBE, 3, 4},   {0x2153, 1, 3}, {0x2154, 2, 3},
              {0x2155, 1, 5}, {0x2156, 2, 5}, {0x2157, 3, 5}, {0x2158, 4, 5}, {0x2159, 1, 6},
              {0x215A, 5, 6}, {0x215B, 1, 8}, {0x215C, 3, 8}, {0x215D, 5, 8}, {0x215E, 7, 8}};

static bool read_vulgar(uint32_t c, unsigned fraction[2])
{
    for (size_t k = 0; k < sizeof(VULGAR) / sizeof(VULGAR[0]); k++)
        if (VULGAR[k].c == c) {
            fraction[0] = VULGAR[k].over;
            fraction[1] = VULGAR[k].under;
            return true;
        }
    return false;
}

static void say_fraction(struct prl_text *t, size_t i, const unsigned fraction[2])
{
    struct prl_text_phrase p = {.len = 0};
    if (prl_text_lang_at(t, i) == PRL_TEXT_ZH) {
        prl_text_cardinal(&p, fraction[1], PRL_TEXT_ZH);
        prl_text_add(&p, "分之");
        prl_text_cardinal(&p, fraction[0], PRL_TEXT_ZH);
        prl_text_say(t, p.s);
        return;
    }
    bool many = fraction[0] != 1;
    prl_text_cardinal(&p, fraction[0], PRL_TEXT_EN);
    if (fraction[1] == 2)
        prl_text_add(&p, many ? "halves" : "half");
    else if (fraction[1] == 4)
        prl_text_add(&p, many ? "quarters" : "quarter");
    else {
        char digits[3] = {(char)('0' + fraction[1] / 100), (char)('0' + fraction[1] / 10 % 10),
                          (char)('0' + fraction[1] % 10)};
        prl_text_en_ordinal(&p, digits, 3);
        if (many && p.len + 2 < sizeof(p.s)) {
            p.s[p.len++] = 's';
            p.s[p.len] = '\0';
        }
    }
    prl_text_say(t, p.s);
}

// 2023/24: a season or a school year.
static size_t say_season(struct prl_text *t, size_t i, size_t end, const unsigned fraction[2])
{
    struct prl_text_phrase p = {.len = 0};
    bool zh = prl_text_lang_at(t, i) == PRL_TEXT_ZH;
    for (size_t k = i; zh && k < end; k++) {
        char digit = (char)prl_text_at(t, k);
        if (prl_text_is_digit(prl_text_at(t, k)))
            prl_text_digits(&p, &digit, 1, PRL_TEXT_ZH, PRL_TEXT_DIGIT_ZERO);
        else
            prl_text_add(&p, "到");
    }
    if (!zh) {
        prl_text_en_year(&p, fraction[0]);
        prl_text_cardinal(&p, fraction[1], PRL_TEXT_EN);
    }
    prl_text_say(t, p.s);
    return end;
}

// 1/2, 24/7 and the like; i when there is no slash between two whole numbers.
size_t prl_text_fraction(struct prl_text *t, size_t i)
{
    unsigned fraction[2] = {0};
    size_t first = prl_text_read_digits(t, i, 4, &fraction[0]);
    if (first == 0 || prl_text_at(t, i + first) != '/')
        return i;
    size_t second = prl_text_read_digits(t, i + first + 1, 3, &fraction[1]);
    size_t end = i + first + 1 + second;
    uint32_t next = prl_text_at(t, end);
    if (second == 0 || next == '/' || prl_text_is_latin(next))
        return i;
    prl_text_from(t, i, end);
    enum prl_text_lang lang = prl_text_lang_at(t, i);
    bool zh = lang == PRL_TEXT_ZH;
    if (first == 4 && second == 2 && fraction[0] >= 1900 && fraction[0] < 2100)
        return say_season(t, i, end, fraction);
    bool proper = fraction[0] < fraction[1] || (fraction[1] <= 10 && !t->math);
    if (proper && fraction[1] >= 2 && fraction[1] < (zh ? 101 : 100)) {
        say_fraction(t, i, fraction);
        return end;
    }
    struct prl_text_phrase p = {.len = 0};
    prl_text_cardinal(&p, fraction[0], lang);
    if (t->math)
        prl_text_add(&p, lang == PRL_TEXT_ZH ? "除以" : "divided by");
    else if (fraction[0] != fraction[1] || lang == PRL_TEXT_ZH)
        prl_text_add(&p, zh ? "比" : fraction[0] < fraction[1] ? "out of" : "over");
    prl_text_cardinal(&p, fraction[1], lang);
    prl_text_say(t, p.s);
    return end;
}

// 1½ and 1 1/2: the fraction behind a whole number.
size_t prl_text_mixed(struct prl_text *t, const struct prl_text_number *n)
{
    unsigned fraction[2] = {0};
    size_t end = n->end;
    if (n->part > 0)
        return n->start;
    if (read_vulgar(prl_text_at(t, n->end), fraction))
        end++;
    else {
        size_t first = prl_text_read_digits(t, n->end + 1, 2, &fraction[0]);
        if (first == 0 || prl_text_at(t, n->end) != ' ' ||
            prl_text_at(t, n->end + 1 + first) != '/')
            return n->start;
        size_t second = prl_text_read_digits(t, n->end + 2 + first, 2, &fraction[1]);
        end = n->end + 2 + first + second;
        if (second == 0 || fraction[0] >= fraction[1] || prl_text_at(t, end) == '/')
            return n->start;
    }
    prl_text_from(t, n->start, end);
    struct prl_text_phrase p = {.len = 0};
    prl_text_add_number(&p, n, prl_text_lang_at(t, n->start), false);
    prl_text_say(t, p.s);
    prl_text_say_in(t, n->start, fraction[0] == 1 ? "and a" : "and", "又");
    if (fraction[0] == 1 && prl_text_lang_at(t, n->start) == PRL_TEXT_EN) {
        static const char *const ONE[] = {"half", "third", "quarter", "fifth"};
        if (fraction[1] >= 2 && fraction[1] <= 5) {
            prl_text_say(t, ONE[fraction[1] - 2]);
            return end;
        }
    }
    say_fraction(t, n->start, fraction);
    return end;
}

size_t prl_text_vulgar(struct prl_text *t, size_t i)
{
    unsigned fraction[2];
    if (!read_vulgar(prl_text_at(t, i), fraction))
        return i;
    prl_text_from(t, i, i + 1);
    say_fraction(t, i, fraction);
    return i + 1;
}

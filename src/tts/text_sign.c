// text_sign.c -- everything that is neither word nor number: pause marks, brackets, operators, other
// signs. Each has a rule: a pause, words, or left out (and counted when it is a picture or a letter
// of a script that we cannot say).
#include <string.h>

#include "tts/text_part.h"

// Signs with a name. They are said wherever they stand.
static const struct {
    uint32_t c;
    const char *en;
    const char *zh;
} NAMED[] = {{'&', "and", "和"},
             {'@', "at", "艾特"},
             {'=', "equals", "等于"},
             {'%', "percent", "百分号"},
             {0x2030, "per mille", "千分号"},
             {0xD7, "times", "乘"},
             {0xF7, "divided by", "除以"},
             {0xB1, "plus or minus", "正负"},
             {0x2248, "approximately equals", "约等于"},
             {0x2260, "is not equal to", "不等于"},
             {0x2264, "is less than or equal to", "小于等于"},
             {0x2265, "is greater than or equal to", "大于等于"},
             {0x221A, "the square root of", "根号"},
             {0x221E, "infinity", "无穷大"},
             {0x2211, "the sum of", "求和"},
             {0x222B, "the integral of", "积分"},
             {0xB0, "degrees", "度"},
             {0x2192, "to", "到"},
             {0x21D2, "to", "到"},
             {0x27A1, "to", "到"},
             {0xA7, "section", "节"},
             {0xA2, "cents", "分"},
             {0x2031, "per ten thousand", "万分号"},
             {0x2220, "angle", "角"},
             {0x2208, "in", "属于"}};

static uint32_t near_before(const struct prl_text *t, size_t i)
{
    size_t last = prl_text_back_space(t, i);
    return last == SIZE_MAX ? 0 : prl_text_at(t, last);
}

static uint32_t near_after(const struct prl_text *t, size_t i)
{
    return prl_text_at(t, prl_text_skip_space(t, i + 1));
}

static bool is_value(uint32_t c)
{
    return prl_text_is_alnum(c) || prl_text_is_han(c) || c == '(' || c == ')' || c == 0x221A ||
           c == '-' || c == 0xB2 || c == 0xB3 || (c >= 0x3B1 && c <= 0x3C9);
}

static size_t say(struct prl_text *t, size_t i, size_t n, const char *en, const char *zh)
{
    prl_text_from(t, i, i + n);
    prl_text_say_in(t, i, en, zh);
    return i + n;
}

static size_t pause(struct prl_text *t, size_t i, size_t n, uint32_t mark, bool weak)
{
    prl_text_from(t, i, i + n);
    prl_text_pause(t, mark, weak);
    return i + n;
}

static size_t run_length(const struct prl_text *t, size_t i)
{
    size_t n = 1;
    while (prl_text_at(t, i + n) == prl_text_at(t, i))
        n++;
    return n;
}

// Three dots: a short pause inside, the end of a sentence at the end.
static size_t read_ellipsis(struct prl_text *t, size_t i)
{
    size_t n = run_length(t, i);
    uint32_t next = prl_text_at(t, prl_text_skip_space(t, i + n));
    return pause(t, i, n, next == 0 || next == '\n' ? '.' : ',', false);
}

static size_t read_dot(struct prl_text *t, size_t i)
{
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : 0;
    uint32_t next = prl_text_at(t, i + 1);
    if (next == '.')
        return read_ellipsis(t, i);
    if (prl_text_is_latin(next) &&
        (before == 0 || before == ' ' || prl_text_is_alnum(before) || prl_text_is_han(before))) {
        size_t end = say(t, i, 1, "dot", "点");
        if (prl_text_match(t, end, "NET") == 0)
            return end;
        prl_text_from(t, end, end + 3);
        prl_text_say(t, "net");
        return end + 3;
    }
    return pause(t, i, 1, '.', false);
}

static size_t read_newline(struct prl_text *t, size_t i)
{
    size_t end = i;
    while (prl_text_at(t, end) == '\n' || prl_text_at(t, end) == ' ')
        end++;
    uint32_t next = prl_text_at(t, end);
    bool soft = t->base == PRL_TEXT_EN && next >= 'a' && next <= 'z' && end == i + 1;
    // A lower-case line goes on unless it is an item of a list ("apples\npears").
    char word[PRL_TEXT_WORD_MAX];
    size_t line = i;
    while (line > 0 && prl_text_at(t, line - 1) != '\n')
        line--;
    bool item = prl_text_word_here(t, line, word) + line >= i || i - line < 20;
    if (!soft || item)
        pause(t, i, 1, '.', true);
    return end;
}

// "10:00 - 11:30", "9am-5pm" and 周一-周五
static bool is_time_range(const struct prl_text *t, size_t i)
{
    size_t last = prl_text_back_space(t, i);
    if (last == SIZE_MAX || last < 1)
        return false;
    uint32_t next = near_after(t, i);
    if (next == 0x5468 || (next == 0x661F && prl_text_at(t, last - 1) == 0x671F))
        return prl_text_at(t, last - 1) == 0x5468 || prl_text_at(t, last - 1) == 0x671F;
    if (last < 2 || !prl_text_is_digit(next))
        return false;
    if (prl_text_at(t, last) == '.')
        last--;
    if ((prl_text_at(t, last) | 32) == 'm') {
        size_t half = prl_text_at(t, last - 1) == '.' ? last - 2 : last - 1;
        uint32_t c = prl_text_at(t, half) | 32;
        return (c == 'a' || c == 'p') && half > 0 && !prl_text_is_latin(prl_text_at(t, half - 1));
    }
    return last >= 2 && prl_text_is_digit(prl_text_at(t, last)) &&
           prl_text_is_digit(prl_text_at(t, last - 1)) && prl_text_at(t, last - 2) == ':';
}

static size_t read_hyphen(struct prl_text *t, size_t i)
{
    size_t n = run_length(t, i);
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : 0;
    uint32_t next = prl_text_at(t, i + n);
    uint32_t left = near_before(t, i);
    uint32_t right = near_after(t, i);
    if (next == '>')
        return say(t, i, n + 1, "to", "到");
    if (n > 1)
        return pause(t, i, n, ',', true);
    bool digits = prl_text_is_digit(left) && prl_text_is_digit(right);
    bool formula = t->math && is_value(left) && is_value(right) &&
                   (prl_text_is_digit(left) || prl_text_is_digit(right) || before == ' ');
    bool spaced = before == ' ' && next == ' ';
    if (is_time_range(t, i))
        return say(t, i, 1, "to", "到");
    if (formula || (digits && (before == ' ' || next == ' ')))
        return say(t, i, 1, "minus", "减");
    return spaced ? pause(t, i, 1, ',', true) : i + 1;
}

// '~': about, before a number; else an ornament.
static size_t read_tilde(struct prl_text *t, size_t i)
{
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : 0;
    uint32_t next = prl_text_at(t, i + 1);
    bool number = prl_text_is_digit(next) || next == '$' || next == 0xA5;
    if (number && !prl_text_is_alnum(before))
        return say(t, i, 1, "about", "约");
    return i + 1;
}

static size_t read_compare(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    bool equal = prl_text_at(t, i + 1) == '=';
    size_t n = equal ? 2 : 1;
    if (!is_value(near_before(t, i)) || !is_value(near_after(t, i + n - 1)))
        return i + 1;
    if (c == '<')
        return equal ? say(t, i, n, "is less than or equal to", "小于等于")
                     : say(t, i, n, "less than", "小于");
    return equal ? say(t, i, n, "is greater than or equal to", "大于等于")
                 : say(t, i, n, "greater than", "大于");
}

static void say_power(struct prl_text *t, size_t i, unsigned power)
{
    static const char *const SMALL[2][2] = {{"squared", "cubed"}, {"的平方", "的立方"}};
    struct prl_text_phrase p = {.len = 0};
    enum prl_text_lang lang = prl_text_lang_at(t, i);
    bool zh = lang == PRL_TEXT_ZH;
    if (power == 2 || power == 3) {
        prl_text_add(&p, SMALL[zh][power - 2]);
    } else {
        prl_text_add(&p, zh ? "的" : "to the power of");
        prl_text_cardinal(&p, power, lang);
        prl_text_add(&p, zh ? "次方" : "");
    }
    prl_text_say(t, p.s);
}

// 2^10 and 2^{10}; before a letter only the operator is said.
static size_t read_caret(struct prl_text *t, size_t i)
{
    unsigned power = 0;
    uint32_t open = prl_text_at(t, i + 1);
    size_t brace = open == '{' || open == '(' ? 1 : 0;
    size_t digits = i + 1 + brace;
    size_t n = prl_text_read_digits(t, digits, 6, &power);
    if (n == 0)
        return prl_text_is_latin(prl_text_at(t, digits)) ? say(t, i, 1, "to the power of", "的")
                                                         : i + 1;
    uint32_t close = prl_text_at(t, digits + n);
    size_t end = digits + n + (brace && (close == '}' || close == ')') ? 1 : 0);
    prl_text_from(t, i, end);
    say_power(t, i, power);
    return end;
}

static bool is_superscript(uint32_t c)
{
    return c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0x2070 && c <= 0x2079);
}

// x²; behind nothing that has a power it is a footnote's mark.
static size_t read_superscript(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    uint32_t left = i > 0 ? prl_text_at(t, i - 1) : 0;
    unsigned power = c >= 0x2070 ? c - 0x2070 : c == 0xB9 ? 1 : c - 0xB0;
    size_t end = i + 1;
    for (; is_superscript(prl_text_at(t, end)) && power < 1000; end++) {
        c = prl_text_at(t, end);
        power = power * 10 + (c >= 0x2070 ? c - 0x2070 : c == 0xB9 ? 1 : c - 0xB0);
    }
    if (!prl_text_is_alnum(left) && left != ')' && !prl_text_is_han(left))
        return end;
    prl_text_from(t, i, end);
    say_power(t, i, power);
    return end;
}

static size_t read_slash(struct prl_text *t, size_t i)
{
    uint32_t before = i > 0 ? prl_text_at(t, i - 1) : 0;
    uint32_t next = prl_text_at(t, i + 1);
    if (prl_text_is_digit(near_before(t, i)) && prl_text_is_digit(near_after(t, i)))
        return t->math ? say(t, i, 1, "divided by", "除以") : pause(t, i, 1, ',', true);
    if (!prl_text_is_han(before) || !prl_text_is_han(next))
        return i + 1;
    static const char *const EACH[] = {"元", "块", "米", "里", "斤", "瓦", "克",
                                       "升", "次", "吨", "万", "亿", "分"};
    for (size_t k = 0; k < sizeof(EACH) / sizeof(EACH[0]); k++)
        if (prl_text_match(t, i - 1, EACH[k]) > 0)
            return say(t, i, 1, "per", "每");
    return pause(t, i, 1, 0x3001, true);
}

// A bracket right behind a word is a call's, "print(x)"; others are spoken as a pause.
static size_t read_bracket(struct prl_text *t, size_t i)
{
    enum { LOOK_BACK = 80 };
    uint32_t c = prl_text_at(t, i);
    if (c == '(' && i > 0 && prl_text_is_alnum(prl_text_at(t, i - 1)))
        return i + 1;
    if (c == ')')
        for (size_t k = i; k > 0 && i - k < LOOK_BACK; k--)
            if (prl_text_at(t, k - 1) == '(') {
                if (k > 1 && prl_text_is_alnum(prl_text_at(t, k - 2)))
                    return i + 1;
                break;
            }
    return pause(t, i, 1, ',', true);
}

static bool is_unknown_letter(uint32_t c)
{
    return (c >= 0x250 && c <= 0x2FF) || (c >= 0x370 && c <= 0x1FFF) ||
           (c >= 0x2C00 && c <= 0x2DFF) || (c >= 0x3041 && c <= 0x318F) ||
           (c >= 0x31A0 && c <= 0x31FF) || (c >= 0xA000 && c <= 0xD7FF) ||
           (c >= 0xF900 && c <= 0xFDFF) || (c >= 0xFE70 && c <= 0xFEFE) ||
           (c >= 0x10000 && c <= 0x1CFFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool is_silent(uint32_t c)
{
    static const uint32_t SILENT[] = {0x22,   0x27,   0x60,   0xB7,   0x2022, 0x30FB, 0x300A,
                                      0x300B, 0x3008, 0x3009, 0x300C, 0x300D, 0x300E, 0x300F,
                                      0xAB,   0xBB,   0x2039, 0x203A, '{',    '}',    '_',
                                      '\\',   '*',    '$',    0x201A, 0x201B, 0x2033, 0xB4,
                                      0x3014, 0x3015, 0x3016, 0x3017, 0x20AC, 0xA3,   0xA5};
    for (size_t k = 0; k < sizeof(SILENT) / sizeof(SILENT[0]); k++)
        if (SILENT[k] == c)
            return true;
    return false;
}

static size_t read_rest(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    for (size_t k = 0; k < sizeof(NAMED) / sizeof(NAMED[0]); k++)
        if (NAMED[k].c == c)
            return say(t, i, c == '=' || c == '&' ? run_length(t, i) : 1, NAMED[k].en, NAMED[k].zh);
    if (is_superscript(c))
        return read_superscript(t, i);
    if (c == '^')
        return read_caret(t, i);
    if (is_unknown_letter(c))
        t->unknown_dropped++;
    else if (!is_silent(c) && c != ' ')
        t->emoji_dropped++;
    return i + 1;
}

static size_t read_plus(struct prl_text *t, size_t i)
{
    size_t n = run_length(t, i);
    bool value = is_value(near_before(t, i)) || prl_text_is_alnum(prl_text_at(t, i + n));
    return value ? say(t, i, n, "plus", "加") : i + n;
}

static size_t read_hash(struct prl_text *t, size_t i)
{
    if (prl_text_match(t, i + 1, "键") > 0)
        return say(t, i, 1, "hash", "井号");
    return prl_text_is_digit(prl_text_at(t, i + 1)) ? say(t, i, 1, "number", "第") : i + 1;
}

static size_t read_equals(struct prl_text *t, size_t i)
{
    if (prl_text_at(t, i + 1) == '>')
        return say(t, i, 2, "to", "到");
    return read_rest(t, i);
}

static size_t read_star(struct prl_text *t, size_t i)
{
    return is_value(near_before(t, i)) && is_value(near_after(t, i)) ? say(t, i, 1, "times", "乘")
                                                                     : i + 1;
}

static size_t read_exclamation(struct prl_text *t, size_t i)
{
    if (prl_text_at(t, i + 1) == '=')
        return say(t, i, 2, "is not equal to", "不等于");
    return pause(t, i, 1, '!', false);
}

size_t prl_text_sign(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    switch (c) {
    case '\n':
        return read_newline(t, i);
    case '.':
    case 0xFF0E:
        return read_dot(t, i);
    case 0x2026:
        return read_ellipsis(t, i);
    case 0x3002:
        return prl_text_at(t, i + 1) == c ? read_ellipsis(t, i) : pause(t, i, 1, '.', false);
    case ',':
    case 0x3001:
    case 0xFF0C:
        return pause(t, i, 1, c == 0xFF0C ? ',' : c, false);
    case '?':
    case ';':
    case ':':
    case 0xFF01:
    case 0xFF1F:
    case 0xFF1B:
    case 0xFF1A:
        return pause(t, i, 1, c >= 0xFF00 ? c - 0xFEE0 : c, false);
    case '!':
        return read_exclamation(t, i);
    case 0x2014:
    case 0x2013:
        return pause(t, i, run_length(t, i), ',', true);
    case '(':
    case ')':
    case 0xFF08:
    case 0xFF09:
    case '[':
    case ']':
    case 0x3010:
    case 0x3011:
    case '|':
        return read_bracket(t, i);
    case '-':
        return read_hyphen(t, i);
    case '~':
        return read_tilde(t, i);
    case '<':
    case '>':
        return read_compare(t, i);
    case '+':
        return read_plus(t, i);
    case '#':
        return read_hash(t, i);
    case '=':
        return read_equals(t, i);
    case '*':
        return read_star(t, i);
    case '/':
        return read_slash(t, i);
    default:
        return read_rest(t, i);
    }
}

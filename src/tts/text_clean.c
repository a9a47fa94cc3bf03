// text_clean.c -- bytes of a clause to code points with their source: UTF-8, HTML tags and
// entities, control tokens, full-width and fancy forms of ASCII, invisible characters.
#include <string.h>

#include "base/str.h"
#include "tts/text_part.h"

enum { TAG_BYTES_MAX = 300, ENTITY_BYTES_MAX = 10 };

static void put(struct prl_text *t, uint32_t c, size_t start, size_t end)
{
    t->cps[t->count++] = (struct prl_text_cp){c, (uint16_t)start, (uint16_t)end};
}

static uint32_t entity_value(const char *name, size_t len)
{
    static const struct {
        const char *name;
        uint32_t c;
    } NAMED[] = {{"amp", '&'},     {"lt", '<'},        {"gt", '>'},      {"quot", '"'},
                 {"apos", '\''},   {"nbsp", ' '},      {"copy", 0xA9},   {"reg", 0xAE},
                 {"deg", 0xB0},    {"times", 0xD7},    {"divide", 0xF7}, {"mdash", 0x2014},
                 {"ndash", '-'},   {"hellip", 0x2026}, {"euro", 0x20AC}, {"yen", 0xA5},
                 {"pound", 0xA3},  {"cent", 0xA2},     {"plusmn", 0xB1}, {"rsquo", '\''},
                 {"lsquo", '\''},  {"ldquo", '"'},     {"rdquo", '"'},   {"bull", 0x2022},
                 {"middot", 0xB7}, {"rarr", 0x2192},   {"le", 0x2264},   {"ge", 0x2265},
                 {"ne", 0x2260},   {"asymp", 0x2248},  {"frac12", 0xBD}, {"trade", 0x2122}};
    for (size_t k = 0; k < sizeof(NAMED) / sizeof(NAMED[0]); k++)
        if (strlen(NAMED[k].name) == len && memcmp(NAMED[k].name, name, len) == 0)
            return NAMED[k].c;
    if (len < 2 || name[0] != '#')
        return 0;
    bool hex = name[1] == 'x' || name[1] == 'X';
    uint32_t value = 0;
    for (size_t k = hex ? 2 : 1; k < len; k++) {
        unsigned digit = 0;
        if (name[k] >= '0' && name[k] <= '9')
            digit = (unsigned)(name[k] - '0');
        else if (hex && (name[k] | 32) >= 'a' && (name[k] | 32) <= 'f')
            digit = (unsigned)((name[k] | 32) - 'a' + 10);
        else
            return 0;
        value = value * (hex ? 16 : 10) + digit;
    }
    return value <= 0x10FFFF && value >= ' ' ? value : 0;
}

// &name; at s: its length in bytes and the character, or 0.
static size_t read_entity(const char *s, size_t len, uint32_t *c)
{
    for (size_t end = 2; end < len && end <= ENTITY_BYTES_MAX; end++)
        if (s[end] == ';') {
            *c = entity_value(s + 1, end - 1);
            return *c ? end + 1 : 0;
        }
    return 0;
}

// The lower-cased name in <name or </name; returns the position behind it.
static size_t read_tag_name(const char *s, size_t len, char name[12])
{
    size_t n = 0;
    size_t at = len > 1 && s[1] == '/' ? 2 : 1;
    for (; at < len && n < 11; at++, n++) {
        char lower = (char)(s[at] >= 'A' && s[at] <= 'Z' ? s[at] + 32 : s[at]);
        bool letter = lower >= 'a' && lower <= 'z';
        if (!letter && !(n > 0 && lower >= '0' && lower <= '9'))
            break;
        name[n] = lower;
    }
    name[n] = '\0';
    return at;
}

// Length of <tag …> at s, or 0. *c is what it stands for: a line break, a cell border or nothing.
static size_t read_tag(const char *s, size_t len, uint32_t *c)
{
    static const char BREAKS[] =
        " br p hr div li ul ol tr table h1 h2 h3 h4 h5 h6 pre blockquote thead tbody ";
    static const char OTHERS[] = " a b i u s em strong code span th td img sub sup small big font "
                                 "center del ins mark details summary input button think html body "
                                 "head title script style label kbd section article ";
    char name[12];
    size_t at = read_tag_name(s, len, name);
    bool breaks = prl_text_in(name, BREAKS);
    if (!breaks && !prl_text_in(name, OTHERS))
        return 0;
    bool equals = false;
    bool letters = false;
    for (; at < len && at < TAG_BYTES_MAX && s[at] != '<' && s[at] != '\n'; at++) {
        if (s[at] == '>') {
            bool cell = prl_text_in(name, " td th ") && s[1] == '/';
            *c = breaks ? '\n' : cell ? ',' : 0;
            return letters && !equals ? 0 : at + 1;
        }
        equals = equals || s[at] == '=';
        letters = letters || (s[at] != ' ' && s[at] != '/');
    }
    return 0;
}

static size_t find_end(const char *s, size_t len, const char *end)
{
    const char *found = memmem(s, len < TAG_BYTES_MAX ? len : TAG_BYTES_MAX, end, strlen(end));
    return found ? (size_t)(found - s) + strlen(end) : 0;
}

// Something in angle brackets at s that is not said. Returns its bytes, or 0.
static size_t read_angle(const char *s, size_t len, uint32_t *c)
{
    *c = 0;
    if (len > 3 && memcmp(s, "<!--", 4) == 0)
        return find_end(s, len, "-->");
    if (len > 1 && s[1] == '|') {
        const char *line = memchr(s, '\n', len);
        return find_end(s, line ? (size_t)(line - s) : len, "|>");
    }
    if (len > 4 && memcmp(s + 1, "http", 4) == 0)
        return 1;
    return read_tag(s, len, c);
}

static bool is_invisible(uint32_t c)
{
    return (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || c == 0xAD || c == 0x34F || c == 0x61C ||
           c == 0x180E || (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0000 && c <= 0xE0FFF) ||
           (c >= 0x300 && c <= 0x36F) || c == 0x20E3;
}

// Unusual forms of characters that the rules know in their ASCII form.
static uint32_t plain_form(uint32_t c)
{
    static const uint32_t SAME[][2] = {
        {'\t', ' '},    {0xA0, ' '},      {0x3000, ' '},    {0x202F, ' '},    {0x205F, ' '},
        {0x2028, '\n'}, {0x2029, '\n'},   {0x85, '\n'},     {0x2018, '\''},   {0x2019, '\''},
        {0x2032, '\''}, {0x2BC, '\''},    {0x201C, '"'},    {0x201D, '"'},    {0x201E, '"'},
        {0x2212, '-'},  {0x2010, '-'},    {0x2011, '-'},    {0x2015, 0x2014}, {0x301C, '~'},
        {0x223C, '~'},  {0x2215, '/'},    {0x2044, '/'},    {0x2236, ':'},    {0x2217, '*'},
        {0xFFE5, 0xA5}, {0xFFE1, 0xA3},   {0x2716, 0xD7},   {0x2715, 0xD7},   {0x22C5, 0xD7},
        {0x2795, '+'},  {0x2796, '-'},    {0x2797, 0xF7},   {0x2B50, 0x2605}, {0xFF5E, '~'},
        {0xFE63, '-'},  {0xFF61, 0x3002}, {0xFF64, 0x3001}, {0x2025, 0x2026}, {0x22EF, 0x2026},
        {0x203C, '!'},  {0x2049, '?'},    {0x2047, '?'},    {0x2013, 0x2013}};
    for (size_t k = 0; k < sizeof(SAME) / sizeof(SAME[0]); k++)
        if (SAME[k][0] == c)
            return SAME[k][1];
    if (c >= 0x2000 && c <= 0x200A)
        return ' ';
    // Full-width ASCII; its pause marks stay, they are said as they are.
    if (c >= 0xFF01 && c <= 0xFF5E && !strchr("!,:;?()", (int)(c - 0xFEE0)))
        return c - 0xFEE0;
    if (c >= 0x2080 && c <= 0x2089)
        return c - 0x2080 + '0';
    // Mathematical letters: 13 alphabets of 52, then digits.
    if (c >= 0x1D400 && c <= 0x1D6A3)
        return (c - 0x1D400) % 52 + ((c - 0x1D400) % 52 < 26 ? 'A' : 'a' - 26);
    if (c >= 0x1D7CE && c <= 0x1D7FF)
        return (c - 0x1D7CE) % 10 + '0';
    if (c >= 0x24B6 && c <= 0x24E9)
        return (c - 0x24B6) % 26 + 'A';
    return c;
}

static void put_char(struct prl_text *t, uint32_t c, size_t start, size_t end)
{
    char scratch[8];
    c = plain_form(c);
    if (is_invisible(c) || c == '\r')
        return;
    if ((c < ' ' && c != '\n') || (c >= 0x7F && c < 0xA0) || c == 0xFFFD || c == 0xFFFE ||
        c == 0xFFFF) {
        t->invalid_dropped++;
        return;
    }
    const char *fold = prl_text_fold(c, scratch);
    if (!fold) {
        put(t, c, start, end);
        return;
    }
    for (size_t left = strlen(fold); left > 0;) {
        size_t used = prl_utf8_decode(fold, left, &c);
        put(t, c, start, end);
        fold += used;
        left -= used;
    }
}

// 14：30, 1，234 and 3．14: full-width marks between digits are part of the number.
static void fold_number_marks(struct prl_text *t)
{
    for (size_t i = 1; i + 1 < t->count; i++) {
        uint32_t c = t->cps[i].c;
        bool inside = prl_text_is_digit(t->cps[i - 1].c) && prl_text_is_digit(t->cps[i + 1].c);
        if (inside && (c == 0xFF1A || c == 0xFF0C))
            t->cps[i].c = c - 0xFEE0;
    }
}

void prl_text_clean(struct prl_text *t, const char *clause, size_t len)
{
    bool autolink = false;
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t used = 0;
        if (clause[i] == '<')
            used = read_angle(clause + i, len - i, &c);
        else if (clause[i] == '&')
            used = read_entity(clause + i, len - i, &c);
        if (used > 0) {
            autolink = autolink || (clause[i] == '<' && used == 1);
            if (c)
                put_char(t, c, i, i + used);
            i += used;
            continue;
        }
        used = prl_utf8_decode(clause + i, len - i, &c);
        if (autolink && c == '>') {
            autolink = false;
            c = ' ';
        }
        put_char(t, c, i, i + used);
        i += used;
    }
    fold_number_marks(t);
}

// text_mark.c -- takes markdown and the plain parts of LaTeX out of the code points, line by line.
//
// The output grows over the input in place: each rule writes at most as much as it reads.
#include <string.h>

#include "tts/text_part.h"

// The line being read, and where the result goes.
struct marker {
    struct prl_text *t;
    size_t out;
    size_t line_start; // first code point of the line's text
    size_t line_end;
};

static uint32_t cp(const struct marker *m, size_t i)
{
    return i >= m->line_start && i < m->line_end ? m->t->cps[i].c : 0;
}

static void copy(struct marker *m, size_t i)
{
    m->t->cps[m->out++] = m->t->cps[i];
}

static void put_as(struct marker *m, size_t i, uint32_t c)
{
    m->t->cps[m->out] = m->t->cps[i];
    m->t->cps[m->out++].c = c;
}

static size_t run_of(const struct marker *m, size_t i, uint32_t c)
{
    size_t n = 0;
    while (cp(m, i + n) == c && c)
        n++;
    return n;
}

static size_t find(const struct marker *m, size_t i, uint32_t c)
{
    for (; i < m->line_end; i++)
        if (m->t->cps[i].c == c)
            return i;
    return SIZE_MAX;
}

// A line of only these marks and spaces, with at least three marks: a rule under or between.
static bool is_only(const struct marker *m, const char *marks, size_t least)
{
    size_t n = 0;
    for (size_t i = m->line_start; i < m->line_end; i++) {
        uint32_t c = m->t->cps[i].c;
        if (c == ' ')
            continue;
        if (c >= 0x80 || !strchr(marks, (int)c))
            return false;
        n++;
    }
    return n >= least;
}

// ``` or ~~~ at the line's start. Code is replaced by one mark, the lines inside are left out.
static bool read_fence(struct marker *m, struct prl_text_state *state)
{
    size_t i = m->line_start;
    size_t ticks = run_of(m, i, '`');
    size_t n = ticks >= 3 ? ticks : run_of(m, i, '~');
    if (n < 3)
        return false;
    // ```one line``` is only a loud way of inline code.
    size_t more = ticks >= 3 ? find(m, i + n, '`') : SIZE_MAX;
    if (!state->in_code && more != SIZE_MAX)
        return false;
    if (!state->in_code) {
        put_as(m, i, PRL_TEXT_CP_CODE);
        state->in_code = true;
    } else
        state->in_code = false;
    return true;
}

static bool is_bullet(uint32_t c)
{
    return c == '-' || c == '*' || c == '+' || c == 0x2022 || c == 0x25AA || c == 0x25E6 ||
           c == 0x2023 || c == 0x25CF || c == 0x25CB || c == 0x25A0;
}

static size_t read_number_mark(struct marker *m, size_t i)
{
    size_t n = 0;
    while (prl_text_is_digit(cp(m, i + n)))
        n++;
    uint32_t mark = cp(m, i + n);
    uint32_t next = cp(m, i + n + 1);
    if (n == 0 || n > 3 || (mark != '.' && mark != ')') ||
        !(next == ' ' || prl_text_is_han(next) || next == '*'))
        return i;
    for (size_t k = 0; k < n; k++)
        copy(m, i + k);
    put_as(m, i + n, ',');
    return i + n + 1;
}

// Quote marks, headings, bullets, check boxes, list numbers. Returns where the text begins.
static size_t read_lead(struct marker *m)
{
    size_t i = m->line_start;
    while (cp(m, i) == '>' && (cp(m, i + 1) == ' ' || cp(m, i + 1) == '>' || cp(m, i + 1) == 0)) {
        i++;
        while (cp(m, i) == ' ')
            i++;
    }
    size_t hashes = run_of(m, i, '#');
    if (hashes > 0 && hashes <= 6 && (cp(m, i + hashes) == ' ' || cp(m, i + hashes) == 0)) {
        i += hashes;
        // The closing ### of a heading.
        while (m->line_end > i && strchr("# ", (int)(m->t->cps[m->line_end - 1].c & 0x7F)) &&
               m->t->cps[m->line_end - 1].c < 0x80)
            m->line_end--;
    }
    if (is_bullet(cp(m, i)) && cp(m, i + 1) == ' ') {
        i += 2;
        while (cp(m, i) == ' ')
            i++;
        if (cp(m, i) == '[' && cp(m, i + 2) == ']' && cp(m, i + 3) == ' ')
            i += 4;
    }
    while (cp(m, i) == ' ')
        i++;
    return read_number_mark(m, i);
}

// [text](url), ![alt](url), [text][ref], [^1] and [1]. Returns the position to go on at: behind the
// '[' when the text inside is to be read, or behind all of it; i when it is no link.
static size_t read_link(struct marker *m, size_t i, size_t *skip_from, size_t *skip_to)
{
    size_t open = cp(m, i) == '!' ? i + 1 : i;
    if (cp(m, open) != '[')
        return i;
    size_t close = find(m, open + 1, ']');
    if (close == SIZE_MAX)
        return i;
    bool note = cp(m, open + 1) == '^';
    size_t digits = open + 1;
    while (prl_text_is_digit(cp(m, digits)))
        digits++;
    bool number = digits == close && close > open + 1 && close <= open + 4;
    bool after_text = open > m->line_start && cp(m, open - 1) != ' ';
    if ((note || (number && after_text)) && cp(m, close + 1) != '(')
        return close + 1;
    uint32_t next = cp(m, close + 1);
    size_t end = next == '('   ? find(m, close + 1, ')')
                 : next == '[' ? find(m, close + 2, ']')
                               : SIZE_MAX;
    if (end == SIZE_MAX)
        return i;
    *skip_from = close;
    *skip_to = end + 1;
    return open + 1;
}

static const struct {
    const char *name;
    uint32_t c;
} LATEX[] = {{"times", 0xD7},  {"cdot", 0xD7},         {"div", 0xF7},      {"pm", 0xB1},
             {"leq", 0x2264},  {"le", 0x2264},         {"geq", 0x2265},    {"ge", 0x2265},
             {"neq", 0x2260},  {"ne", 0x2260},         {"approx", 0x2248}, {"sqrt", 0x221A},
             {"pi", 0x3C0},    {"alpha", 0x3B1},       {"beta", 0x3B2},    {"gamma", 0x3B3},
             {"delta", 0x3B4}, {"theta", 0x3B8},       {"lambda", 0x3BB},  {"mu", 0x3BC},
             {"sigma", 0x3C3}, {"omega", 0x3C9},       {"infty", 0x221E},  {"circ", 0xB0},
             {"to", 0x2192},   {"rightarrow", 0x2192}, {"sum", 0x2211},    {"int", 0x222B},
             {"text", ' '},    {"mathrm", ' '},        {"mathbf", ' '},    {"left", ' '},
             {"right", ' '},   {"quad", ' '},          {"ldots", 0x2026},  {"dots", 0x2026},
             {"boxed", ' '},   {"begin", ' '},         {"end", ' '},       {"phi", 0x3C6}};

// \frac{a}{b} becomes a/b: the slash takes the place of "}{".
static bool read_frac(struct marker *m, size_t i, size_t *end)
{
    size_t open = i + 5;
    size_t middle = find(m, open, '}');
    if (cp(m, open) != '{' || middle == SIZE_MAX || cp(m, middle + 1) != '{')
        return false;
    size_t close = find(m, middle + 2, '}');
    if (close == SIZE_MAX)
        return false;
    for (size_t k = open + 1; k < middle; k++)
        copy(m, k);
    put_as(m, middle, '/');
    for (size_t k = middle + 2; k < close; k++)
        copy(m, k);
    *end = close + 1;
    return true;
}

// A backslash: LaTeX word, escaped mark, or part of a Windows path (kept).
static size_t read_backslash(struct marker *m, size_t i)
{
    uint32_t next = cp(m, i + 1);
    if (next && next < 0x80 && strchr("()[]{}", (int)next))
        return i + 2;
    if (next == '\\') {
        put_as(m, i, ' ');
        return i + 2;
    }
    if (next && next < 0x80 && strchr("*_#`~>!|%$&.-+", (int)next)) {
        if (strchr("#%$&.-+!", (int)next))
            copy(m, i + 1);
        return i + 2;
    }
    char name[16];
    size_t n = 0;
    while (n < sizeof(name) - 1 && prl_text_is_latin(cp(m, i + 1 + n))) {
        name[n] = (char)cp(m, i + 1 + n);
        n++;
    }
    name[n] = '\0';
    size_t end = i;
    if ((strcmp(name, "frac") == 0 || strcmp(name, "dfrac") == 0) &&
        read_frac(m, i + (name[0] == 'd'), &end))
        return end;
    bool path = i > m->line_start && (prl_text_is_alnum(cp(m, i - 1)) || cp(m, i - 1) == ':') &&
                prl_text_is_latin(next) && find(m, m->line_start, ':') < i;
    for (size_t k = 0; !path && k < sizeof(LATEX) / sizeof(LATEX[0]); k++)
        if (strcmp(name, LATEX[k].name) == 0) {
            put_as(m, i, LATEX[k].c);
            return i + 1 + n;
        }
    copy(m, i);
    return i + 1;
}

// Is the star at i a multiplication and no emphasis?
static bool is_times(const struct marker *m, size_t i)
{
    size_t before = i;
    size_t after = i + 1;
    while (before > m->line_start && cp(m, before - 1) == ' ')
        before--;
    while (cp(m, after) == ' ')
        after++;
    uint32_t left = before > m->line_start ? cp(m, before - 1) : 0;
    uint32_t right = cp(m, after);
    bool spaced = before < i && after > i + 1;
    return (prl_text_is_digit(left) && prl_text_is_digit(right)) ||
           (spaced && (prl_text_is_alnum(left) || left == ')') &&
            (prl_text_is_alnum(right) || right == '('));
}

// $x^2$: the dollars of inline mathematics. Returns the closing one, or SIZE_MAX.
static size_t math_end(const struct marker *m, size_t i)
{
    if (cp(m, i + 1) == '$' || cp(m, i + 1) == ' ')
        return SIZE_MAX;
    size_t close = find(m, i + 1, '$');
    if (close == SIZE_MAX || close == i + 1 || cp(m, close - 1) == ' ')
        return SIZE_MAX;
    bool formula = close == i + 2 && prl_text_is_latin(cp(m, i + 1));
    for (size_t k = i + 1; k < close; k++)
        formula = formula || (cp(m, k) < 0x80 && cp(m, k) && strchr("\\^={_+", (int)cp(m, k)));
    return formula ? close : SIZE_MAX;
}

// Single marks of emphasis and code. Returns true when the code point at i is not copied.
static bool is_dropped(const struct marker *m, size_t i)
{
    uint32_t c = cp(m, i);
    if (c == '`')
        return true;
    if (c == '*')
        return !is_times(m, i);
    if (c == '_')
        return !(i > m->line_start && prl_text_is_alnum(cp(m, i - 1)) &&
                 prl_text_is_alnum(cp(m, i + 1)));
    if (c == '~')
        return cp(m, i + 1) == '~' || (i > m->line_start && cp(m, i - 1) == '~');
    return false;
}

static void read_inline(struct marker *m, size_t i)
{
    size_t skip_from = SIZE_MAX;
    size_t skip_to = 0;
    size_t math_close = SIZE_MAX;
    while (i < m->line_end) {
        uint32_t c = cp(m, i);
        if (i == skip_from) {
            i = skip_to;
            continue;
        }
        if (c == '\\') {
            i = read_backslash(m, i);
            continue;
        }
        size_t after = c == '[' || c == '!' ? read_link(m, i, &skip_from, &skip_to) : i;
        if (after > i) {
            i = after;
            continue;
        }
        if (c == '$' && i == math_close) {
            math_close = SIZE_MAX;
        } else if (c == '$' && math_close == SIZE_MAX && math_end(m, i) != SIZE_MAX) {
            math_close = math_end(m, i);
        } else if (!is_dropped(m, i))
            copy(m, i);
        i++;
    }
}

static void read_row(struct marker *m)
{
    size_t last = m->line_end;
    while (last > m->line_start && (cp(m, last - 1) == ' ' || cp(m, last - 1) == '|'))
        last--;
    for (size_t i = m->line_start + 1; i < last; i++)
        if (cp(m, i) == '|')
            m->t->cps[i].c = ',';
    m->line_end = last;
    read_inline(m, m->line_start + 1);
}

static void read_line(struct marker *m, struct prl_text_state *state)
{
    while (m->line_start < m->line_end && m->t->cps[m->line_start].c == ' ')
        m->line_start++;
    if (read_fence(m, state) || state->in_code)
        return;
    if (is_only(m, "-*_=", 3))
        return;
    if (cp(m, m->line_start) == '|') {
        if (!is_only(m, "|-:", 2))
            read_row(m);
        return;
    }
    // [1]: https://… and [^1]: … define links; they are not said.
    if (cp(m, m->line_start) == '[') {
        size_t close = find(m, m->line_start, ']');
        if (close != SIZE_MAX && cp(m, close + 1) == ':' && cp(m, close + 2) == ' ')
            return;
    }
    read_inline(m, read_lead(m));
}

void prl_text_mark(struct prl_text *t, struct prl_text_state *state)
{
    struct marker m = {.t = t, .out = 0};
    size_t count = t->count;
    for (size_t i = 0; i <= count;) {
        size_t end = i;
        while (end < count && t->cps[end].c != '\n')
            end++;
        m.line_start = i;
        m.line_end = end;
        read_line(&m, state);
        if (end < count)
            copy(&m, end);
        i = end + 1;
    }
    t->count = m.out;
}

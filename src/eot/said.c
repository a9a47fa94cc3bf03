// said.c -- see said.h.
#include "eot/said.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum sign { NOTHING, LETTER, DIGIT, HAN, FOREIGN, STOP, ASK, COMMA, DASH, DOT, ELLIPSIS };

static bool between(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

static enum sign sign_of_ascii(uint32_t c)
{
    if (between(c | 0x20, 'a', 'z') || c == '\'')
        return LETTER;
    if (between(c, '0', '9'))
        return DIGIT;
    switch (c) {
    case '.':
        return DOT;
    case '!':
    case ';':
    case '\n':
        return STOP;
    case '?':
        return ASK;
    case ',':
    case ':':
        return COMMA;
    case '-':
        return DASH;
    default:
        return NOTHING;
    }
}

static enum sign sign_of(uint32_t c)
{
    if (c < 0x80)
        return sign_of_ascii(c);
    if (between(c, 0x4E00, 0x9FFF) || between(c, 0x3400, 0x4DBF) || between(c, 0x20000, 0x323AF) ||
        c == 0x3007)
        return HAN;
    if (between(c, 0x3041, 0x30FF) || between(c, 0xAC00, 0xD7AF) || between(c, 0xFF66, 0xFF9D))
        return FOREIGN;
    if (c == 0x3002)
        return STOP;
    if (c == 0x3001)
        return COMMA;
    if (c == 0x2026 || c == 0x2014)
        return ELLIPSIS;
    if (between(c, 0xC0, 0x24F) || between(c, 0x370, 0x1FFF))
        return c == 0xD7 || c == 0xF7 ? NOTHING : LETTER;
    return NOTHING;
}

// One code point, with full-width signs and typographic apostrophes made ASCII.
static size_t read_one(const char *text, size_t len, size_t at, uint32_t *c)
{
    size_t n = prl_utf8_decode(text + at, len - at, c);
    if (between(*c, 0xFF01, 0xFF5E))
        *c -= 0xFEE0;
    if (*c == 0x2019)
        *c = '\'';
    return n;
}

static void add(struct prl_said_token *token, uint32_t c)
{
    char bytes[4];
    if (between(c, 'A', 'Z'))
        c |= 0x20;
    size_t n = prl_utf8_encode(c, bytes);
    if (token->len + n >= sizeof(token->text))
        return;
    memcpy(token->text + token->len, bytes, n);
    token->len += n;
    token->text[token->len] = '\0';
}

static void add_run(struct prl_said_token *token, enum sign kind, const char *text, size_t len,
                    size_t *at)
{
    while (*at < len) {
        uint32_t c;
        size_t n = read_one(text, len, *at, &c);
        if (sign_of(c) != kind)
            return;
        add(token, c);
        *at += n;
    }
}

// A dot ends a sentence, unless digits follow (3.5) or it is one of three.
static bool mark_of_dot(const char *text, size_t len, size_t *at, struct prl_said_token *token)
{
    size_t dots = 1;
    for (; *at < len && text[*at] == '.'; (*at)++)
        dots++;
    token->kind = dots > 1 ? PRL_SAID_DOTS : PRL_SAID_STOP;
    return dots > 1 || *at >= len || !between((unsigned char)text[*at], '0', '9');
}

// A dash joins words (uh-huh), unless nothing follows: then the speaker was cut.
static bool mark_of_dash(const char *text, size_t len, size_t *at)
{
    while (*at < len && (text[*at] == '-' || text[*at] == ' '))
        (*at)++;
    return *at >= len;
}

// False: nothing that counts.
static bool read_token(enum sign sign, uint32_t c, const char *text, size_t len, size_t *at,
                       struct prl_said_token *token)
{
    static const enum prl_said_kind KINDS[] = {
        [NOTHING] = PRL_SAID_WORD, [LETTER] = PRL_SAID_WORD,     [DIGIT] = PRL_SAID_NUMBER,
        [HAN] = PRL_SAID_HAN,      [FOREIGN] = PRL_SAID_FOREIGN, [STOP] = PRL_SAID_STOP,
        [ASK] = PRL_SAID_ASK,      [COMMA] = PRL_SAID_COMMA,     [DASH] = PRL_SAID_DOTS,
        [DOT] = PRL_SAID_STOP,     [ELLIPSIS] = PRL_SAID_DOTS};
    *token = (struct prl_said_token){.kind = KINDS[sign]};
    switch (sign) {
    case NOTHING:
        return false;
    case LETTER:
    case DIGIT:
        add(token, c);
        add_run(token, sign, text, len, at);
        return true;
    case HAN:
    case FOREIGN:
        add(token, c);
        return true;
    case STOP:
    case ASK:
    case COMMA:
    case ELLIPSIS:
        return true;
    case DASH:
        return mark_of_dash(text, len, at);
    case DOT:
        return mark_of_dot(text, len, at, token);
    }
    return false;
}

bool prl_said_next(const char *text, size_t len, size_t *at, struct prl_said_token *token)
{
    while (*at < len) {
        uint32_t c;
        *at += read_one(text, len, *at, &c);
        if (read_token(sign_of(c), c, text, len, at, token))
            return true;
    }
    return false;
}

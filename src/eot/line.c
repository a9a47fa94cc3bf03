// line.c -- see line.h.
#include "eot/line.h"

#include <string.h>

static void put(struct prl_line *line, char c, const char *text, size_t len)
{
    if (line->len + len + 2 > sizeof(line->text))
        return;
    if (c)
        line->text[line->len++] = c;
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_token(struct prl_line *line, const struct prl_said_token *token, bool *ended)
{
    if (token->len == 0) {
        line->mark = token->kind;
        line->comma |= token->kind == PRL_SAID_COMMA;
        *ended |= token->kind == PRL_SAID_STOP || token->kind == PRL_SAID_ASK;
        return;
    }
    if (*ended) {
        line->last = line->len;
        line->words = 0;
        line->comma = false;
        line->han = false;
        line->sentences++;
        put(line, '\n', "", 0);
    }
    *ended = false;
    line->mark = PRL_SAID_WORD;
    line->words++;
    line->han |= token->kind == PRL_SAID_HAN;
    line->foreign |= token->kind == PRL_SAID_FOREIGN;
    bool close = token->kind == PRL_SAID_HAN || token->kind == PRL_SAID_FOREIGN;
    put(line, close ? '\0' : ' ', token->text, token->len);
}

void prl_line_read(struct prl_line *line, const char *text, size_t len)
{
    *line = (struct prl_line){.mark = PRL_SAID_WORD, .whole = len <= PRL_LINE_READ_MAX};
    size_t at = 0;
    if (!line->whole) {
        at = len - PRL_LINE_READ_MAX;
        while (at < len && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    struct prl_said_token token;
    bool ended = true;
    while (prl_said_next(text, len, &at, &token))
        put_token(line, &token, &ended);
    line->text[line->len] = '\0';
}

size_t prl_line_ending(const char *text, size_t len, prl_line_list entries, size_t *index)
{
    size_t longest = 0;
    for (size_t i = 0; entries[i]; i++) {
        size_t n = strlen(entries[i]);
        if (n > len || n <= longest || memcmp(text + len - n, entries[i], n) != 0)
            continue;
        longest = n;
        *index = i;
    }
    return longest;
}

size_t prl_line_ends_with(const struct prl_line *line, prl_line_list entries)
{
    size_t index;
    return prl_line_ending(line->text + line->last, line->len - line->last, entries, &index);
}

bool prl_line_before_ends_with(const struct prl_line *line, size_t less, prl_line_list entries)
{
    size_t index;
    return prl_line_ending(line->text + line->last, line->len - line->last - less, entries,
                           &index) > 0;
}

bool prl_line_is_one_of(const struct prl_line *line, prl_line_list entries)
{
    size_t n = prl_line_ends_with(line, entries);
    return n > 0 && n + 1 == line->len - line->last;
}

bool prl_line_contains_any(const struct prl_line *line, prl_line_list entries)
{
    for (; *entries; entries++)
        if (strstr(line->text + line->last, *entries))
            return true;
    return false;
}

bool prl_line_has_word(const struct prl_line *line, size_t from, prl_line_list entries)
{
    for (; *entries; entries++) {
        size_t n = strlen(*entries);
        for (const char *at = strstr(line->text + from, *entries); at;
             at = strstr(at + 1, *entries))
            if (at[n] == ' ' || at[n] == '\n' || at[n] == '\0')
                return true;
    }
    return false;
}

bool prl_line_begins_with(const struct prl_line *line, prl_line_list entries)
{
    for (; *entries; entries++) {
        const char *text = line->text + line->last + 1;
        size_t n = strlen(*entries);
        bool letters = **entries == ' ';
        if (strncmp(text, *entries, n) == 0 && (!letters || text[n] == ' ' || text[n] == '\0'))
            return true;
    }
    return false;
}

// text_class.c -- questions that the rules of tts/text ask about code points and words.
#include <string.h>

#include "base/str.h"
#include "tts/text_part.h"

uint32_t prl_text_at(const struct prl_text *t, size_t i)
{
    return i < t->count ? t->cps[i].c : 0;
}

bool prl_text_is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

bool prl_text_is_latin(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool prl_text_is_alnum(uint32_t c)
{
    return prl_text_is_latin(c) || prl_text_is_digit(c);
}

bool prl_text_is_han(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || c == 0x3007;
}

size_t prl_text_skip_space(const struct prl_text *t, size_t i)
{
    while (prl_text_at(t, i) == ' ')
        i++;
    return i;
}

size_t prl_text_back_space(const struct prl_text *t, size_t i)
{
    while (i > 0 && prl_text_at(t, i - 1) == ' ')
        i--;
    return i > 0 ? i - 1 : SIZE_MAX;
}

void prl_text_lower(char *word)
{
    for (; *word; word++)
        if (*word >= 'A' && *word <= 'Z')
            *word = (char)(*word + 'a' - 'A');
}

void prl_text_word_before(const struct prl_text *t, size_t i, char out[PRL_TEXT_WORD_MAX])
{
    out[0] = '\0';
    size_t last = prl_text_back_space(t, i);
    if (last == SIZE_MAX)
        return;
    // "No." and "Mar." count with their dot.
    size_t end = last + 1;
    if (prl_text_at(t, last) == '.' && last > 0)
        end = last;
    size_t start = end;
    while (start > 0 && prl_text_is_latin(prl_text_at(t, start - 1)))
        start--;
    if (end - start >= PRL_TEXT_WORD_MAX)
        return;
    for (size_t k = start; k < end; k++)
        out[k - start] = (char)prl_text_at(t, k);
    out[end - start] = '\0';
    prl_text_lower(out);
}

size_t prl_text_word_here(const struct prl_text *t, size_t i, char out[PRL_TEXT_WORD_MAX])
{
    size_t n = 0;
    for (; prl_text_is_latin(prl_text_at(t, i + n)); n++)
        if (n < PRL_TEXT_WORD_MAX - 1)
            out[n] = (char)prl_text_at(t, i + n);
    out[n < PRL_TEXT_WORD_MAX - 1 ? n : PRL_TEXT_WORD_MAX - 1] = '\0';
    return n;
}

size_t prl_text_match(const struct prl_text *t, size_t i, const char *text)
{
    size_t n = 0;
    size_t left = strlen(text);
    while (left > 0) {
        uint32_t c = 0;
        size_t used = prl_utf8_decode(text, left, &c);
        if (prl_text_at(t, i + n) != c)
            return 0;
        text += used;
        left -= used;
        n++;
    }
    return n;
}

bool prl_text_in(const char *word, const char *list)
{
    size_t len = strlen(word);
    if (len == 0)
        return false;
    for (const char *found = strstr(list, word); found; found = strstr(found + 1, word))
        if (found > list && found[-1] == ' ' && found[len] == ' ')
            return true;
    return false;
}

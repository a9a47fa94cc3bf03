// words.c -- see words.h.
#include "eot/words.h"

uint32_t prl_eot_words(const char *text, size_t len, const char *language)
{
    (void)language;
    return len > 0 && text[len - 1] == '?' ? PRL_EOT_QUESTION : 0;
}

bool prl_eot_echoes(const char *text, size_t len, const char *answer, size_t answer_len)
{
    (void)text;
    (void)len;
    (void)answer;
    (void)answer_len;
    return false;
}

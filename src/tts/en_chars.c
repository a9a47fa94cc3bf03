// en_chars.c -- see en_chars.h.
#include "tts/en_chars.h"

#include <string.h>

#include "base/str.h"

struct range {
    uint32_t first, last;
};

static const struct range letters[] = {
    {'A', 'Z'},       {'a', 'z'},     {0xaa, 0xaa},   {0xb5, 0xb5},     {0xba, 0xba},
    {0xc0, 0xd6},     {0xd8, 0xf6},   {0xf8, 0x2af},  {0x370, 0x373},   {0x376, 0x377},
    {0x37b, 0x37d},   {0x37f, 0x37f}, {0x386, 0x386}, {0x388, 0x3ff},   {0x400, 0x481},
    {0x48a, 0x52f},   {0x531, 0x556}, {0x561, 0x587}, {0x10a0, 0x10ff}, {0x1e00, 0x1fff},
    {0xfb00, 0xfb06},
};

bool prl_en_in(uint32_t c, const char *set)
{
    size_t len = strlen(set);
    for (size_t at = 0; at < len;) {
        uint32_t member;
        at += prl_utf8_decode(set + at, len - at, &member);
        if (member == c)
            return true;
    }
    return false;
}

bool prl_en_is_letter(uint32_t c)
{
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (c >= letters[i].first && c <= letters[i].last)
            return true;
    return false;
}

bool prl_en_is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

bool prl_en_is_low(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xf6) || (c >= 0xf8 && c <= 0xff);
}

bool prl_en_is_up(uint32_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xd6) || (c >= 0xd8 && c <= 0xde);
}

bool prl_en_is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x1c && c <= 0x1f) || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

bool prl_en_is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2018 || c == 0x2019;
}

// Pairs of Latin Extended-A: upper case is even up to 0x137, odd in 0x139..0x148, and so on.
static bool pair_upper_even(uint32_t c)
{
    return (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177);
}

static bool pair_upper_odd(uint32_t c)
{
    return (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
}

uint32_t prl_en_lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7))
        return c + 32;
    if (pair_upper_even(c))
        return c | 1;
    if (pair_upper_odd(c))
        return c % 2 == 1 ? c + 1 : c;
    if (c == 0x178)
        return 0xff;
    if ((c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    return c;
}

uint32_t prl_en_upper(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7))
        return c - 32;
    if (pair_upper_even(c))
        return c & ~1u;
    if (pair_upper_odd(c))
        return c % 2 == 0 ? c - 1 : c;
    if (c == 0xff)
        return 0x178;
    if ((c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f))
        return c - 32;
    if (c >= 0x450 && c <= 0x45f)
        return c - 80;
    return c;
}

bool prl_en_is_vowel(uint32_t c)
{
    return prl_en_in(c, "AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ");
}

bool prl_en_is_consonant(uint32_t c)
{
    return prl_en_in(c, "bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθ");
}

bool prl_en_is_flapping(uint32_t c)
{
    return prl_en_in(c, "AIOWYiuæɑəɛɪɹʊʌ");
}

// text_fold.c -- other alphabets in Latin letters: accents folded, ligatures and squared units
// spelled out, Greek letters named, Cyrillic, kana and Hangul transliterated.
//
// Source: Unicode 15 canonical decompositions; GOST-like Cyrillic; Hepburn; Revised Romanization.
#include <string.h>

#include "tts/text_part.h"

// First letter of each code point's decomposition, '?' for none.
static const char FOLD_C0[] = "AAAAAAACEEEEIIIIDNOOOOO?OUUUUYTsaaaaaaaceeeeiiiidnooooo?ouuuuyty"
                              "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
                              "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
static const char FOLD_1CD[] = "AaIiOoUuUuUuUuUu";
static const char FOLD_1E00[] = "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMm"
                                "MmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVv"
                                "WwWwWwWwWwXxXxYyZzZzZzhtwy????S?AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEe"
                                "EeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy??????";

static const struct {
    uint32_t c;
    const char *text;
} PAIRS[] = {
    {0xC6, "AE"},    {0xDE, "Th"},    {0xDF, "ss"},   {0xE6, "ae"},    {0xFE, "th"},
    {0x132, "IJ"},   {0x133, "ij"},   {0x14A, "NG"},  {0x14B, "ng"},   {0x152, "OE"},
    {0x153, "oe"},   {0x1E9E, "SS"},  {0xFB00, "ff"}, {0xFB01, "fi"},  {0xFB02, "fl"},
    {0xFB03, "ffi"}, {0xFB04, "ffl"}, {0x2103, "°C"}, {0x2109, "°F"},  {0x2116, "#"},
    {0x212B, "A"},   {0x33A1, "m²"},  {0x33A5, "m³"}, {0x33A2, "km²"}, {0x338F, "kg"},
    {0x339E, "km"},  {0x339D, "cm"},  {0x339C, "mm"}, {0x338E, "mg"},  {0x3396, "ml"},
    {0x33C4, "ml"},  {0x2113, "l"},   {0x2126, "Ω"},  {0xB5, "μ"},
};

const char *prl_text_fold(uint32_t c, char scratch[8])
{
    for (size_t k = 0; k < sizeof(PAIRS) / sizeof(PAIRS[0]); k++)
        if (PAIRS[k].c == c)
            return PAIRS[k].text;
    char letter = '?';
    if (c >= 0xC0 && c <= 0x17F)
        letter = FOLD_C0[c - 0xC0];
    else if (c >= 0x1CD && c <= 0x1DC)
        letter = FOLD_1CD[c - 0x1CD];
    else if (c >= 0x1E00 && c <= 0x1EFF)
        letter = FOLD_1E00[c - 0x1E00];
    if (letter != '?') {
        scratch[0] = letter;
        scratch[1] = '\0';
        return scratch;
    }
    // Circled numbers 1..20, dingbat circled 1..10, Roman numerals 1..12.
    unsigned number = 0;
    if (c >= 0x2460 && c <= 0x2473)
        number = c - 0x2460 + 1;
    else if (c >= 0x2776 && c <= 0x2793)
        number = (c - 0x2776) % 10 + 1;
    else if ((c >= 0x2160 && c <= 0x216B) || (c >= 0x2170 && c <= 0x217B))
        number = (c & 0xF) + 1;
    if (number == 0)
        return NULL;
    size_t n = 0;
    if (number >= 10)
        scratch[n++] = (char)('0' + number / 10);
    scratch[n++] = (char)('0' + number % 10);
    scratch[n] = '\0';
    return scratch;
}

// A word that is being put together letter by letter, said when it is full or ends.
struct latin_word {
    char s[PRL_TEXT_WORD_MAX];
    size_t len;
};

static void flush_word(struct prl_text *t, struct latin_word *word)
{
    if (word->len > 0)
        prl_text_say_word(t, word->s, word->len, PRL_TEXT_WORD);
    word->len = 0;
}

static void add_letters(struct prl_text *t, struct latin_word *word, const char *letters)
{
    size_t len = strlen(letters);
    if (word->len + len > sizeof(word->s))
        flush_word(t, word);
    memcpy(word->s + word->len, letters, len);
    word->len += len;
}

static bool is_cyrillic(uint32_t c)
{
    return c >= 0x400 && c <= 0x45F;
}

static void add_cyrillic(struct prl_text *t, struct latin_word *word, uint32_t c)
{
    static const char *const LETTERS[] = {
        "a", "b", "v", "g", "d", "e",  "zh", "z",  "i",  "y",    "k", "l", "m", "n", "o",  "p",
        "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "",  "y", "",  "e", "yu", "ya"};
    // Ukrainian, Serbian and other letters of U+0450..045F.
    static const char *const MORE[] = {"e", "yo", "dj", "g",  "ye", "dz", "i", "yi",
                                       "j", "lj", "nj", "ch", "k",  "i",  "u", "dzh"};
    bool upper = c < 0x430;
    if (c <= 0x40F)
        c += 0x50;
    else if (c < 0x430)
        c += 0x20;
    const char *letters = c >= 0x450 ? MORE[c - 0x450] : LETTERS[c - 0x430];
    char first[8] = {0};
    strncpy(first, letters, sizeof(first) - 1);
    if (upper && word->len == 0 && first[0])
        first[0] = (char)(first[0] - 'a' + 'A');
    add_letters(t, word, first);
}

static bool is_kana(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FC && c != 0x30FB);
}

// U+3041.. in order; small ya, yu, yo are handled where they are met.
static const char *const KANA[] = {
    "a",  "a",  "i",   "i",  "u",  "u",   "e",  "e",   "o",  "o",  "ka", "ga", "ki", "gi", "ku",
    "gu", "ke", "ge",  "ko", "go", "sa",  "za", "shi", "ji", "su", "zu", "se", "ze", "so", "zo",
    "ta", "da", "chi", "ji", "",   "tsu", "zu", "te",  "de", "to", "do", "na", "ni", "nu", "ne",
    "no", "ha", "ba",  "pa", "hi", "bi",  "pi", "fu",  "bu", "pu", "he", "be", "pe", "ho", "bo",
    "po", "ma", "mi",  "mu", "me", "mo",  "ya", "ya",  "yu", "yu", "yo", "yo", "ra", "ri", "ru",
    "re", "ro", "wa",  "wa", "i",  "e",   "o",  "n",   "vu", "ka", "ke"};
_Static_assert(sizeof(KANA) / sizeof(KANA[0]) == 0x3096 - 0x3041 + 1, "one entry a kana");

static size_t kana_index(uint32_t c)
{
    size_t index = c >= 0x30A1 ? c - 0x30A1 : c - 0x3041;
    return index < sizeof(KANA) / sizeof(KANA[0]) ? index : SIZE_MAX;
}

static size_t say_kana(struct prl_text *t, size_t i)
{
    struct latin_word word = {.len = 0};
    bool twice = false;
    for (; is_kana(prl_text_at(t, i)); i++) {
        size_t index = kana_index(prl_text_at(t, i));
        if (index == SIZE_MAX)
            continue; // ー and rare forms: the vowel simply goes on
        uint32_t small = (uint32_t)index + 0x3041;
        if (small == 0x3063) {
            twice = true;
            continue;
        }
        const char *letters = KANA[index];
        bool joined = small == 0x3083 || small == 0x3085 || small == 0x3087;
        if (joined && word.len > 1 && word.s[word.len - 1] == 'i') {
            word.len--;
            bool soft = word.s[word.len - 1] == 'h' || word.s[word.len - 1] == 'j';
            letters += soft ? 1 : 0;
        }
        if (twice && letters[0]) {
            char doubled[2] = {letters[0], '\0'};
            add_letters(t, &word, doubled);
        }
        twice = false;
        add_letters(t, &word, letters);
    }
    flush_word(t, &word);
    return i;
}

static void add_hangul(struct prl_text *t, struct latin_word *word, uint32_t c)
{
    static const char *const INITIAL[] = {"g",  "kk", "n", "d",  "tt", "r", "m", "b", "pp", "s",
                                          "ss", "",   "j", "jj", "ch", "k", "t", "p", "h"};
    static const char *const VOWEL[] = {"a",  "ae", "ya", "yae", "eo", "e",  "yeo",
                                        "ye", "o",  "wa", "wae", "oe", "yo", "u",
                                        "wo", "we", "wi", "yu",  "eu", "ui", "i"};
    static const char *const FINAL[] = {"",  "k",  "k", "k", "n", "n", "n", "t", "l", "k",
                                        "m", "l",  "l", "l", "p", "l", "m", "p", "p", "t",
                                        "t", "ng", "t", "t", "k", "t", "p", "t"};
    c -= 0xAC00;
    add_letters(t, word, INITIAL[c / 588]);
    add_letters(t, word, VOWEL[c % 588 / 28]);
    add_letters(t, word, FINAL[c % 28]);
}

static size_t say_greek(struct prl_text *t, size_t i)
{
    static const char *const NAMES[] = {
        "alpha", "beta",   "gamma",   "delta", "epsilon", "zeta",    "eta",  "theta", "iota",
        "kappa", "lambda", "mu",      "nu",    "xi",      "omicron", "pi",   "rho",   "sigma",
        "sigma", "tau",    "upsilon", "phi",   "chi",     "psi",     "omega"};
    uint32_t c = prl_text_at(t, i);
    if (c >= 0x391 && c <= 0x3A9)
        c += 0x20;
    if (c < 0x3B1 || c > 0x3C9)
        return i;
    prl_text_from(t, i, i + 1);
    prl_text_say(t, NAMES[c - 0x3B1]);
    return i + 1;
}

size_t prl_text_foreign(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    size_t end = i;
    struct latin_word word = {.len = 0};
    if (is_kana(c)) {
        while (is_kana(prl_text_at(t, end)))
            end++;
        prl_text_from(t, i, end);
        return say_kana(t, i);
    }
    if (is_cyrillic(c)) {
        while (is_cyrillic(prl_text_at(t, end)))
            end++;
        prl_text_from(t, i, end);
        for (; i < end; i++)
            add_cyrillic(t, &word, prl_text_at(t, i));
    } else if (c >= 0xAC00 && c <= 0xD7A3) {
        while (prl_text_at(t, end) >= 0xAC00 && prl_text_at(t, end) <= 0xD7A3)
            end++;
        prl_text_from(t, i, end);
        for (; i < end; i++)
            add_hangul(t, &word, prl_text_at(t, i));
    } else
        return say_greek(t, i);
    flush_word(t, &word);
    return end;
}

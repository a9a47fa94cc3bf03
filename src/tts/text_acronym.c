// text_acronym.c -- how a string of Latin letters is said: as a word, letter by letter, or in parts
// ("NASA", "U S B", "Open A I").
#include <string.h>

#include "tts/text_part.h"

static bool is_upper(uint32_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(uint32_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_vowel(uint32_t c)
{
    return c && c < 0x80 && strchr("aeiouyAEIOUY", (int)c) != NULL;
}

// Words whose letters mislead.
static const char *const SPOKEN[][2] = {
    {"JSON", "jason"},   {"json", "jason"},    {"Wi-Fi", "wifi"},      {"WiFi", "wifi"},
    {"WIFI", "wifi"},    {"wi-fi", "wifi"},    {"IEEE", "I triple E"}, {"PhD", "P H D"},
    {"LaTeX", "latek"},  {"etc", "et cetera"}, {"vs", "versus"},       {"VS", "versus"},
    {"Mr", "Mister"},    {"Mrs", "Missus"},    {"Dr", "Doctor"},       {"JPEG", "J peg"},
    {"SaaS", "sass"},    {"OAuth", "O auth"},  {"Qwen", "Quen"},       {"kubectl", "kube control"},
    {"ASAP", "A S A P"}, {"UCLA", "U C L A"},  {"ISBN", "I S B N"},    {"AIGC", "A I G C"},
    {"docx", "D O C X"}, {"xlsx", "X L S X"},  {"jpeg", "J peg"},      {"utf", "U T F"},
    {"iOS", "I O S"},    {"eSIM", "E SIM"},    {"UUID", "U U I D"},    {"AJAX", "ajax"},
    {"OLED", "O L E D"}, {"DIY", "D I Y"},     {"EOF", "E O F"},       {"IDE", "I D E"}};

// Capitals that are said as a word although they are short, and shouted common words.
static const char WORDS[] =
    " NASA NATO RAM ROM SIM PIN LAN WAN GIF ZIP MAX PRO AIR MINI PLUS BIOS CEST COVID SARS FIFA "
    "UEFA OPEC LASER RADAR SONAR SCUBA YAML TOML CRUD BASIC COBOL LISP WASM MIDI CAD JAVA UNIX "
    "LINUX WINE HTTPIE REST SOAP README OK ";
static const char SHOUTED[] = " THE AND NOT YOU ARE FOR BUT NEW NOW YES NO ON OFF IN OUT UP TO DO "
                              "IS OF WE HE BE SO GO MY ALL ANY CAN DONT GET HOT TOP BIG ONE TWO ";
static const char VOWELLESS[] = " shh psst pfft brr tsk nth grr zzz mr mrs dr st ";

static bool find_spoken(struct prl_text *t, const char *word)
{
    for (size_t k = 0; k < sizeof(SPOKEN) / sizeof(SPOKEN[0]); k++)
        if (strcmp(word, SPOKEN[k][0]) == 0) {
            prl_text_say(t, SPOKEN[k][1]);
            return true;
        }
    return false;
}

// Could capitals be read as a word? At least four, a vowel, no heap of consonants.
static bool is_pronounceable(const struct prl_text *t, size_t i, size_t end)
{
    static const char STARTS[] =
        " bl br ch cl cr dr fl fr gl gr pl pr sc sh sk sl sm sn sp st sw th "
        "tr tw wh wr kn qu ";
    if (end - i < 4)
        return false;
    size_t cluster = 0;
    bool vowel = false;
    for (size_t k = i; k < end; k++) {
        uint32_t c = prl_text_at(t, k);
        cluster = is_vowel(c) ? 0 : cluster + 1;
        vowel = vowel || is_vowel(c);
        if (cluster > 3 || (c == 'Q' && prl_text_at(t, k + 1) != 'U'))
            return false;
    }
    char start[3] = {(char)(prl_text_at(t, i) | 32), (char)(prl_text_at(t, i + 1) | 32), '\0'};
    bool clash = !is_vowel((uint8_t)start[0]) && !is_vowel((uint8_t)start[1]);
    return vowel && cluster <= 2 && (!clash || prl_text_in(start, STARTS));
}

// Is the word before or after [i, end) in capitals too?
static bool is_among_capitals(const struct prl_text *t, size_t i, size_t end)
{
    size_t after = prl_text_skip_space(t, end);
    size_t before = prl_text_back_space(t, i);
    bool next =
        after > end && is_upper(prl_text_at(t, after)) && !is_lower(prl_text_at(t, after + 1));
    bool last = before != SIZE_MAX && before + 1 < i && is_upper(prl_text_at(t, before));
    return next || last;
}

void prl_text_spell(struct prl_text *t, size_t i, size_t end)
{
    for (; i < end && !t->err; i++) {
        uint32_t c = prl_text_at(t, i);
        if (!prl_text_is_latin(c))
            continue;
        char letter[4] = {(char)(is_lower(c) ? c - 32 : c), 's', '\0'};
        // "PDFs", "AI's": the s belongs to the last letter.
        size_t next = prl_text_at(t, i + 1) == '\'' ? i + 2 : i + 1;
        bool many = is_upper(c) && next + 1 == end && prl_text_at(t, next) == 's';
        prl_text_say_word(t, letter, many ? 2 : 1, PRL_TEXT_LETTER);
        if (many)
            return;
    }
}

static void say_as_word(struct prl_text *t, size_t i, size_t end)
{
    char word[PRL_TEXT_WORD_MAX];
    size_t n = 0;
    for (; i < end && !t->err; i++) {
        word[n++] = (char)prl_text_at(t, i);
        if (n == sizeof(word) || i + 1 == end) {
            prl_text_say_word(t, word, n, PRL_TEXT_WORD);
            n = 0;
        }
    }
}

static void say_capitals(struct prl_text *t, size_t i, size_t stem, size_t end, const char *word)
{
    bool listed = prl_text_in(word, WORDS);
    bool shouted = is_among_capitals(t, i, end) && prl_text_in(word, SHOUTED);
    if ((stem == end && (listed || shouted)) || is_pronounceable(t, i, stem))
        say_as_word(t, i, end);
    else
        prl_text_spell(t, i, end);
}

// "I" and "a" are words, other single letters are said by name; "A" depends on what follows.
static void say_single(struct prl_text *t, size_t i)
{
    uint32_t c = prl_text_at(t, i);
    char word[PRL_TEXT_WORD_MAX];
    char letter = (char)(is_lower(c) ? c - 32 : c);
    size_t next = prl_text_skip_space(t, i + 1);
    size_t len = next > i + 1 ? prl_text_word_here(t, next, word) : 0;
    bool article = len > 0 && !prl_text_in(word, " and or to is ");
    if (c == 'a' && t->base == PRL_TEXT_EN && !t->math)
        prl_text_say_word(t, "a", 1, PRL_TEXT_WORD);
    else if (c == 'I' || (c == 'A' && article))
        prl_text_say_word(t, &letter, 1, PRL_TEXT_WORD);
    else
        prl_text_say_word(t, &letter, 1, PRL_TEXT_LETTER);
}

// What has no vowel and is said as a word all the same: a hum, and a few more, also where a sentence
// begins with one.
static bool is_vowelless_word(const char *word)
{
    char small[PRL_TEXT_WORD_MAX];
    size_t len = strlen(word);
    memcpy(small, word, len + 1);
    small[0] = (char)(is_upper((uint8_t)small[0]) ? small[0] | 32 : small[0]);
    return strspn(small, "hm") == len || prl_text_in(small, VOWELLESS);
}

// Start of capitals at the end of a word that began small ("OpenAI", "macOS"), or end.
static size_t tail_of_capitals(const struct prl_text *t, size_t i, size_t end)
{
    size_t tail = end;
    while (tail > i && is_upper(prl_text_at(t, tail - 1)))
        tail--;
    return tail > i && end - tail >= 2 && is_lower(prl_text_at(t, tail - 1)) ? tail : end;
}

// "getElementById": with two humps or more the parts are said one by one.
static size_t first_hump(const struct prl_text *t, size_t i, size_t end)
{
    size_t humps = 0;
    size_t first = end;
    for (size_t k = i + 1; k < end; k++)
        if (is_lower(prl_text_at(t, k - 1)) && is_upper(prl_text_at(t, k))) {
            humps++;
            first = first == end ? k : first;
        }
    return humps >= 2 ? first : end;
}

static void say_piece(struct prl_text *t, size_t i, size_t end)
{
    char word[PRL_TEXT_WORD_MAX] = "";
    size_t capitals = 0;
    size_t vowels = 0;
    for (size_t k = i; k < end; k++) {
        capitals += is_upper(prl_text_at(t, k));
        vowels += is_vowel(prl_text_at(t, k));
        if (k - i < sizeof(word) - 1)
            word[k - i] = (char)prl_text_at(t, k);
    }
    size_t len = end - i;
    word[len < sizeof(word) ? len : sizeof(word) - 1] = '\0';
    if (find_spoken(t, word))
        return;
    if (len == 1) {
        say_single(t, i);
        return;
    }
    size_t stem = end;
    if (len >= 3 && word[len < sizeof(word) ? len - 1 : 0] == 's' && capitals >= 2)
        stem = prl_text_at(t, end - 2) == '\'' ? end - 2 : end - 1;
    if (capitals == stem - i)
        say_capitals(t, i, stem, end, word);
    else if (vowels == 0 && !memchr(word, '\'', strlen(word)) && !is_vowelless_word(word) &&
             len <= 6)
        prl_text_spell(t, i, end);
    else
        say_as_word(t, i, end);
}

void prl_text_say_latin(struct prl_text *t, size_t i, size_t end)
{
    for (size_t hump = 0; hump < 32; hump++) {
        size_t next = first_hump(t, i, end);
        if (next == end)
            break;
        say_piece(t, i, next);
        i = next;
    }
    char word[8] = "";
    for (size_t k = i; k < end && k - i < sizeof(word) - 1; k++)
        word[k - i] = (char)prl_text_at(t, k);
    size_t tail = tail_of_capitals(t, i, end);
    if (tail < end && !prl_text_in(word, " iOS PhD ")) {
        say_piece(t, i, tail);
        i = tail;
    }
    say_piece(t, i, end);
}

// Digits of a name: up to two, or round hundreds, as a number, else one by one. Returns their end.
static size_t say_name_digits(struct prl_text *t, size_t i, size_t end)
{
    char d[16] = "";
    struct prl_text_phrase p = {.len = 0};
    size_t n = end - i < sizeof(d) ? end - i : sizeof(d);
    for (size_t j = 0; j < n; j++)
        d[j] = (char)prl_text_at(t, i + j);
    enum prl_text_lang lang = prl_text_lang_at(t, i);
    bool hundreds = n == 3 && d[1] == '0' && d[2] == '0';
    bool year = n == 4 && (memcmp(d, "19", 2) == 0 || memcmp(d, "20", 2) == 0);
    if (year && lang == PRL_TEXT_EN) { // FY2023
        unsigned value = 0;
        (void)prl_text_read_digits(t, i, 4, &value);
        prl_text_en_year(&p, value);
        prl_text_say(t, p.s);
        return i + n;
    }
    if (d[0] == '0' || (n > 2 && !hundreds))
        prl_text_digits(&p, d, n, lang, PRL_TEXT_DIGIT_ZERO);
    else if (lang == PRL_TEXT_ZH)
        prl_text_zh_cardinal(&p, d, n, false);
    else
        prl_text_en_cardinal(&p, d, n);
    prl_text_say(t, p.s);
    return i + n;
}

void prl_text_say_name(struct prl_text *t, size_t i, size_t end)
{
    for (size_t start = i; start < end && !t->err;) {
        size_t k = start;
        bool digits = prl_text_is_digit(prl_text_at(t, start));
        while (k < end && prl_text_is_digit(prl_text_at(t, k)) == digits)
            k++;
        prl_text_from(t, start, k);
        bool beside_digits = start > i || k < end; // "4o", "mp3", "v2"
        if (digits)
            k = say_name_digits(t, start, k);
        else if (k - start <= 2 && beside_digits)
            prl_text_spell(t, start, k);
        else
            prl_text_say_latin(t, start, k);
        start = k;
    }
}

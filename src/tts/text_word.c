// text_word.c -- Latin words: abbreviations, months with their days, Roman numerals, names with
// digits; the rest goes to text_acronym.
#include <string.h>

#include "tts/text_part.h"

enum abbreviation_kind {
    TITLE,  // a name follows: the dot never ends a sentence
    PLAIN,  // the dot ends the sentence when a capital or nothing follows
    NUMBER, // only before a number
};

static const struct {
    const char *text;
    const char *words;
    enum abbreviation_kind kind;
} ABBREVIATIONS[] = {{"Dr", "Doctor", TITLE},        {"Mr", "Mister", TITLE},
                     {"Mrs", "Missus", TITLE},       {"Ms", "Miz", TITLE},
                     {"Prof", "Professor", TITLE},   {"Gen", "General", TITLE},
                     {"Capt", "Captain", TITLE},     {"Lt", "Lieutenant", TITLE},
                     {"Col", "Colonel", TITLE},      {"Sgt", "Sergeant", TITLE},
                     {"Rev", "Reverend", TITLE},     {"Hon", "Honorable", TITLE},
                     {"Sen", "Senator", TITLE},      {"Gov", "Governor", TITLE},
                     {"Mt", "Mount", TITLE},         {"Jr", "Junior", PLAIN},
                     {"Sr", "Senior", PLAIN},        {"Inc", "Incorporated", PLAIN},
                     {"Ltd", "Limited", PLAIN},      {"Co", "Company", PLAIN},
                     {"Corp", "Corporation", PLAIN}, {"etc", "et cetera", PLAIN},
                     {"vs", "versus", TITLE},        {"approx", "approximately", TITLE},
                     {"Ave", "Avenue", PLAIN},       {"Blvd", "Boulevard", PLAIN},
                     {"Rd", "Road", PLAIN},          {"Dept", "Department", PLAIN},
                     {"dept", "department", PLAIN},  {"est", "established", TITLE},
                     {"No", "number", NUMBER},       {"no", "number", NUMBER},
                     {"Nos", "numbers", NUMBER},     {"Fig", "Figure", NUMBER},
                     {"fig", "figure", NUMBER},      {"Vol", "Volume", NUMBER},
                     {"vol", "volume", NUMBER},      {"Ch", "Chapter", NUMBER},
                     {"Sec", "Section", NUMBER},     {"pp", "pages", NUMBER},
                     {"p", "page", NUMBER},          {"Eq", "Equation", NUMBER},
                     {"ca", "circa", NUMBER},        {"Ext", "extension", NUMBER},
                     {"ext", "extension", NUMBER},   {"Apt", "apartment", NUMBER},
                     {"Mon", "Monday", PLAIN},       {"Tue", "Tuesday", PLAIN},
                     {"Tues", "Tuesday", PLAIN},     {"Wed", "Wednesday", PLAIN},
                     {"Thu", "Thursday", PLAIN},     {"Thurs", "Thursday", PLAIN},
                     {"Fri", "Friday", PLAIN},       {"Sat", "Saturday", PLAIN},
                     {"Sun", "Sunday", PLAIN},       {"min", "minimum", TITLE},
                     {"max", "maximum", TITLE},      {"avg", "average", TITLE},
                     {"govt", "government", PLAIN},  {"misc", "miscellaneous", TITLE},
                     {"incl", "including", TITLE},   {"Ph", "P H", NUMBER}};

static bool is_upper(uint32_t c)
{
    return c >= 'A' && c <= 'Z';
}

// The dot at i is part of an abbreviation. It pauses too where a sentence seems to end.
static void end_abbreviation(struct prl_text *t, size_t i, enum abbreviation_kind kind)
{
    size_t after = prl_text_skip_space(t, i + 1);
    uint32_t next = prl_text_at(t, after);
    if (kind == PLAIN && (next == 0 || next == '\n' || (after > i + 1 && is_upper(next)))) {
        prl_text_from(t, i, i + 1);
        prl_text_pause(t, '.', false);
    }
}

// e.g., i.e., a.m., U.S., Ph.D.: single letters with dots. i is at the first letter.
static size_t read_dotted(struct prl_text *t, size_t i)
{
    size_t end = i;
    size_t letters = 0;
    if (prl_text_match(t, i, "Ph.D") > 0)
        end = i + 3;
    while (prl_text_is_latin(prl_text_at(t, end)) && prl_text_at(t, end + 1) == '.' &&
           !prl_text_is_alnum(end > i ? prl_text_at(t, end - 1) : 0)) {
        letters++;
        end += 2;
    }
    bool degree = prl_text_match(t, i, "Ph.D") > 0;
    // "U.S" and "3 p.m": the last dot may be missing.
    if ((letters >= 1 || degree) && prl_text_is_latin(prl_text_at(t, end)) &&
        !prl_text_is_alnum(prl_text_at(t, end + 1))) {
        letters++;
        end++;
    }
    if (letters < 2 && !degree)
        return i;
    prl_text_from(t, i, end);
    if (prl_text_match(t, i, "e.g") > 0)
        prl_text_say_in(t, i, "for example", "例如");
    else if (prl_text_match(t, i, "i.e") > 0)
        prl_text_say_in(t, i, "that is", "也就是");
    else
        prl_text_spell(t, i, end);
    // A country's name goes on more often than it ends a sentence.
    bool country = is_upper(prl_text_at(t, i)) && !degree;
    if (prl_text_at(t, end - 1) == '.') {
        size_t after = prl_text_skip_space(t, end);
        end_abbreviation(t, end - 1, country && prl_text_at(t, after) != 0 ? TITLE : PLAIN);
    }
    return end;
}

// St. is a street behind a capital word, else a saint.
static const char *saint_or_street(const struct prl_text *t, size_t i)
{
    size_t last = prl_text_back_space(t, i);
    if (last == SIZE_MAX || !prl_text_is_alnum(prl_text_at(t, last)))
        return "Saint";
    while (last > 0 && prl_text_is_alnum(prl_text_at(t, last - 1)))
        last--;
    return is_upper(prl_text_at(t, last)) || prl_text_is_digit(prl_text_at(t, last)) ? "Street"
                                                                                     : "Saint";
}

static size_t read_abbreviation(struct prl_text *t, size_t i, const char *word, size_t len)
{
    if (prl_text_at(t, i + len) != '.')
        return i;
    size_t after = prl_text_skip_space(t, i + len + 1);
    if (strcmp(word, "St") == 0) {
        prl_text_from(t, i, i + len + 1);
        prl_text_say(t, saint_or_street(t, i));
        end_abbreviation(t, i + len, prl_text_at(t, after) == 0 ? PLAIN : TITLE);
        return i + len + 1;
    }
    for (size_t k = 0; k < sizeof(ABBREVIATIONS) / sizeof(ABBREVIATIONS[0]); k++) {
        if (strcmp(word, ABBREVIATIONS[k].text) != 0)
            continue;
        uint32_t next = prl_text_at(t, after);
        bool ends = ABBREVIATIONS[k].kind != NUMBER && (next == 0 || after == i + len + 1);
        if (ABBREVIATIONS[k].kind == NUMBER && !prl_text_is_digit(next))
            continue;
        // "co.uk", and "the max." at a sentence's end
        if (prl_text_is_alnum(next) && ends)
            continue;
        prl_text_from(t, i, i + len + 1);
        bool ordinal = strcmp(ABBREVIATIONS[k].words, "number") == 0;
        prl_text_say_in(t, i, ABBREVIATIONS[k].words, ordinal ? "第" : ABBREVIATIONS[k].words);
        end_abbreviation(t, i + len, next == 0 ? PLAIN : ABBREVIATIONS[k].kind);
        return i + len + 1;
    }
    return i;
}

static void say_day(struct prl_text *t, size_t i, size_t end, unsigned day)
{
    struct prl_text_phrase p = {.len = 0};
    char digits[2] = {(char)('0' + day / 10 % 10), (char)('0' + day % 10)};
    prl_text_en_ordinal(&p, digits, 2);
    prl_text_from(t, i, end);
    prl_text_say(t, p.s);
}

// A year at i, after at most a comma and a space: says it and returns its end, or i.
static size_t read_year(struct prl_text *t, size_t i)
{
    size_t at = i;
    bool comma = prl_text_at(t, at) == ',';
    at = prl_text_skip_space(t, at + comma);
    unsigned year = 0;
    size_t n = prl_text_read_digits(t, at, 4, &year);
    uint32_t next = prl_text_at(t, at + n);
    if (n != 4 || year < 1000 || year > 2199 || at == i || prl_text_is_alnum(next) || next == ':')
        return i;
    struct prl_text_phrase p = {.len = 0};
    prl_text_en_year(&p, year);
    prl_text_from(t, at, at + n);
    if (comma)
        prl_text_pause(t, ',', false);
    prl_text_say(t, p.s);
    return at + n;
}

// A month without a day: "May 2026", "in Nov." A full name alone is left to others.
static size_t say_bare_month(struct prl_text *t, size_t i, size_t end, unsigned month)
{
    bool dot = prl_text_at(t, end - 1) == '.';
    size_t at = prl_text_skip_space(t, end);
    unsigned year = 0;
    bool full = end - i - dot == strlen(prl_text_month(month));
    bool dated = at > end && prl_text_read_digits(t, at, 4, &year) == 4;
    if (full && !dated)
        return i;
    prl_text_from(t, i, end);
    prl_text_say(t, prl_text_month(month));
    if (dot)
        end_abbreviation(t, end - 1, dated ? TITLE : PLAIN);
    return dated ? read_year(t, end) : end;
}

// The "-7" of "March 5-7", or i.
static size_t say_second_day(struct prl_text *t, size_t i)
{
    unsigned day = 0;
    size_t digits = prl_text_read_digits(t, i + 1, 2, &day);
    uint32_t dash = prl_text_at(t, i);
    if (digits == 0 || (dash != '-' && dash != 0x2013) || day < 1 || day > 31)
        return i;
    prl_text_from(t, i, i + 1);
    prl_text_say(t, "to");
    say_day(t, i + 1, i + 1 + digits, day);
    return i + 1 + digits;
}

// "Nov. 22, 2026", "March 5-7", "May 2026"
static size_t read_month(struct prl_text *t, size_t i, const char *word, size_t len)
{
    unsigned month = prl_text_month_of(word);
    if (month == 0 || prl_text_lang_at(t, i) == PRL_TEXT_ZH)
        return i;
    bool dot = prl_text_at(t, i + len) == '.' && len < 5 && strcmp(word, "May") != 0;
    size_t end = i + len + dot;
    size_t at = prl_text_skip_space(t, end);
    unsigned day = 0;
    size_t digits = prl_text_read_digits(t, at, 2, &day);
    if (digits == 0 || day < 1 || day > 31 || at == end)
        return say_bare_month(t, i, end, month);
    char suffix[PRL_TEXT_WORD_MAX];
    size_t day_end = at + digits + prl_text_word_here(t, at + digits, suffix);
    uint32_t next = prl_text_at(t, day_end);
    if ((suffix[0] && !prl_text_in(suffix, " st nd rd th ")) || next == ':' || next == '%')
        return i;
    prl_text_from(t, i, end);
    prl_text_say(t, prl_text_month(month));
    say_day(t, at, day_end, day);
    return read_year(t, say_second_day(t, day_end));
}

size_t prl_text_day_month(struct prl_text *t, size_t i)
{
    unsigned day = 0;
    char word[PRL_TEXT_WORD_MAX];
    size_t digits = prl_text_read_digits(t, i, 2, &day);
    size_t at = prl_text_skip_space(t, i + digits);
    if (digits == 0 || day < 1 || day > 31 || at != i + digits + 1 ||
        prl_text_lang_at(t, i) == PRL_TEXT_ZH)
        return i;
    size_t len = prl_text_word_here(t, at, word);
    unsigned month = prl_text_month_of(word);
    char before[PRL_TEXT_WORD_MAX];
    prl_text_word_before(t, i, before);
    if (month == 0)
        return i;
    prl_text_from(t, i, i + digits);
    if (strcmp(before, "the") != 0)
        prl_text_say(t, "the");
    say_day(t, i, i + digits, day);
    prl_text_say(t, "of");
    size_t end = at + len + (prl_text_at(t, at + len) == '.' && len < 5 ? 1 : 0);
    prl_text_from(t, at, end);
    prl_text_say(t, prl_text_month(month));
    size_t year = prl_text_skip_space(t, end);
    unsigned value = 0;
    if (year > end && prl_text_read_digits(t, year, 4, &value) == 4)
        prl_text_pause(t, ',', true);
    return read_year(t, end);
}

static const char *weekday_of(const char *word)
{
    static const char *const DAYS[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};
    for (size_t k = 0; k < 7 && strlen(word) == 3; k++)
        if (strncmp(word, DAYS[k], 3) == 0)
            return DAYS[k];
    return NULL;
}

// Mon-Fri
static size_t read_weekdays(struct prl_text *t, size_t i, const char *word, size_t len)
{
    char second[PRL_TEXT_WORD_MAX];
    uint32_t dash = prl_text_at(t, i + len);
    const char *day = weekday_of(word);
    if (!day || (dash != '-' && dash != 0x2013))
        return i;
    size_t more = prl_text_word_here(t, i + len + 1, second);
    const char *to = weekday_of(second);
    if (!to)
        return i;
    prl_text_from(t, i, i + len);
    prl_text_say(t, day);
    prl_text_from(t, i + len, i + len + 1);
    prl_text_say(t, "to");
    prl_text_from(t, i + len + 1, i + len + 1 + more);
    prl_text_say(t, to);
    return i + len + 1 + more;
}

// "5 x 3" is a product, "1920 x 1080" an area.
static size_t read_cross(struct prl_text *t, size_t i, const char *word)
{
    size_t left = prl_text_back_space(t, i);
    uint32_t right = prl_text_at(t, prl_text_skip_space(t, i + 1));
    if ((strcmp(word, "x") != 0 && strcmp(word, "X") != 0) || left == SIZE_MAX ||
        !prl_text_is_digit(prl_text_at(t, left)) || !prl_text_is_digit(right))
        return i;
    prl_text_from(t, i, i + 1);
    prl_text_say_in(t, i, t->math ? "times" : "by", "乘");
    return i + 1;
}

// Value of a well-formed Roman numeral up to 29, or 0.
static unsigned roman_value(const char *word)
{
    static const char *const ONES[] = {"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"};
    static const char *const TENS[] = {"", "X", "XX"};
    for (unsigned ten = 0; ten < 3; ten++) {
        size_t len = strlen(TENS[ten]);
        if (strncmp(word, TENS[ten], len) != 0)
            continue;
        for (unsigned one = 0; one < 10; one++)
            if (strcmp(word + len, ONES[one]) == 0)
                return ten * 10 + one;
    }
    return 0;
}

static size_t read_roman(struct prl_text *t, size_t i, const char *word, size_t len)
{
    unsigned value = roman_value(word);
    char before[PRL_TEXT_WORD_MAX];
    prl_text_word_before(t, i, before);
    if (value == 0 || prl_text_is_digit(prl_text_at(t, i + len)))
        return i;
    struct prl_text_phrase p = {.len = 0};
    bool ruler = prl_text_in(before, " henry louis elizabeth george charles edward james william "
                                     "john paul pius philip richard napoleon catherine peter "
                                     "nicholas alexander frederick francis benedict leo ");
    bool counted = prl_text_in(before, " chapter part war volume section act phase type level book "
                                       "title article appendix version grade stage class bowl "
                                       "episode scene figure table rocky factor ");
    if (ruler && (len > 1 || word[0] != 'I')) {
        char digits[2] = {(char)('0' + value / 10 % 10), (char)('0' + value % 10)};
        prl_text_add(&p, "the");
        prl_text_en_ordinal(&p, digits, 2);
    } else if (counted || ruler ||
               (before[0] && prl_text_in(word, " II III VI VII VIII IX XI XII XIII XIV XVI ")))
        prl_text_cardinal(&p, value, prl_text_lang_at(t, i));
    else
        return i;
    prl_text_from(t, i, i + len);
    prl_text_say(t, p.s);
    return i + len;
}

// C++, C#, F#
static size_t read_language_name(struct prl_text *t, size_t i, size_t len)
{
    if (len != 1)
        return i;
    bool plus = prl_text_match(t, i + 1, "++") > 0;
    bool sharp = prl_text_at(t, i + 1) == '#' && is_upper(prl_text_at(t, i));
    if ((!plus && !sharp) || prl_text_is_alnum(prl_text_at(t, i + (plus ? 3 : 2))))
        return i;
    size_t end = i + (plus ? 3 : 2);
    prl_text_from(t, i, end);
    prl_text_spell(t, i, i + 1);
    if (plus)
        prl_text_say_in(t, i, "plus plus", "加加");
    else
        prl_text_say(t, "sharp");
    return end;
}

// v1.2 -- "version one point two"
static size_t read_version(struct prl_text *t, size_t i, const char *word)
{
    unsigned value = 0;
    size_t n = prl_text_read_digits(t, i + 1, 4, &value);
    if (strcmp(word, "v") != 0 || n == 0)
        return i;
    if (prl_text_at(t, i + 1 + n) != '.' || !prl_text_is_digit(prl_text_at(t, i + 2 + n)))
        return i;
    prl_text_from(t, i, i + 1);
    prl_text_say_in(t, i, "version", "V");
    return i + 1;
}

// w/ and w/o
static size_t read_with(struct prl_text *t, size_t i, const char *word)
{
    if (strcmp(word, "w") != 0 || prl_text_at(t, i + 1) != '/')
        return i;
    bool without = prl_text_at(t, i + 2) == 'o' && !prl_text_is_alnum(prl_text_at(t, i + 3));
    if (!without && prl_text_is_alnum(prl_text_at(t, i + 2)))
        return i;
    size_t end = i + (without ? 3 : 2);
    prl_text_from(t, i, end);
    prl_text_say(t, without ? "without" : "with");
    return end;
}

static size_t say_token(struct prl_text *t, size_t i, size_t letters)
{
    size_t end = i + letters;
    bool digits = false;
    while (prl_text_is_alnum(prl_text_at(t, end)) ||
           (prl_text_at(t, end) == '\'' && prl_text_is_latin(prl_text_at(t, end + 1)) && !digits)) {
        // "PM2.5" and "Python3.11": what has a point is a number of its own.
        digits = digits || prl_text_is_digit(prl_text_at(t, end));
        end++;
    }
    if (!digits) {
        static const char *const HYPHENED[][2] = {
            {"Wi-Fi", "wifi"}, {"wi-fi", "wifi"}, {"e-mail", "email"}, {"E-mail", "email"}};
        for (size_t k = 0; k < sizeof(HYPHENED) / sizeof(HYPHENED[0]); k++) {
            size_t n = prl_text_match(t, i, HYPHENED[k][0]);
            if (n == 0 || prl_text_is_alnum(prl_text_at(t, i + n)))
                continue;
            prl_text_from(t, i, i + n);
            prl_text_say(t, HYPHENED[k][1]);
            return i + n;
        }
        prl_text_from(t, i, end);
        prl_text_say_latin(t, i, end);
        return end;
    }
    size_t point = end;
    while (point > i && prl_text_is_digit(prl_text_at(t, point - 1)))
        point--;
    bool decimal = prl_text_at(t, end) == '.' && prl_text_is_digit(prl_text_at(t, end + 1));
    if (decimal && point < end) {
        end = point;
        prl_text_from(t, i, end);
        if (end - i <= 2)
            prl_text_spell(t, i, end);
        else
            prl_text_say_name(t, i, end);
        return end;
    }
    prl_text_say_name(t, i, end);
    return end;
}

size_t prl_text_latin(struct prl_text *t, size_t i)
{
    if (!prl_text_is_latin(prl_text_at(t, i)))
        return i;
    char word[PRL_TEXT_WORD_MAX];
    size_t len = prl_text_word_here(t, i, word);
    bool glued = i > 0 && prl_text_is_alnum(prl_text_at(t, i - 1));
    size_t end = i;
    if (!glued && len < PRL_TEXT_WORD_MAX) {
        end = read_dotted(t, i);
        if (end == i)
            end = read_abbreviation(t, i, word, len);
        if (end == i)
            end = read_month(t, i, word, len);
        if (end == i)
            end = read_weekdays(t, i, word, len);
        if (end == i)
            end = read_cross(t, i, word);
        if (end == i)
            end = read_roman(t, i, word, len);
        if (end == i)
            end = read_language_name(t, i, len);
        if (end == i)
            end = read_version(t, i, word);
        if (end == i)
            end = read_with(t, i, word);
    }
    if (end > i)
        return end;
    // "5G", "4o": letters right behind a number are names of letters.
    if (glued && len <= 2 && !prl_text_is_alnum(prl_text_at(t, i + len))) {
        prl_text_from(t, i, i + len);
        prl_text_spell(t, i, i + len);
        return i + len;
    }
    return say_token(t, i, len);
}

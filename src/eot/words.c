// words.c -- see words.h. The text becomes one line (line.h); the rules are those of its languages
// (language.h) and of numbers, which both dictate.
#include "eot/words.h"

#include <string.h>

#include "eot/language.h"

enum {
    DIGITS_MOBILE = 11,      // of a Chinese mobile number, which begins with 1
    DIGITS_DICTATED_MIN = 6, // so many digits in a row are a number being dictated
    BACKCHANNEL_TOKENS = 3,
    LANGUAGES = 2
};

// ---- numbers being dictated ----

static const char *const NUMBER_WORDS[] = {" zero",  " oh",   " o",    " one", " two",
                                           " three", " four", " five", " six", " seven",
                                           " eight", " nine", NULL};
static const char *const NUMBER_HAN[] = {"零", "〇", "一", "二", "三", "四", "五",
                                         "六", "七", "八", "九", "幺", NULL};
static const char *const TELEPHONE[] = {"电话",        "手机",  " phone",       " cell",
                                        " call me at", " dial", " reach me at", NULL};

// The digits at the end of the last sentence.
struct digits {
    size_t count;
    int first, second; // -1: none
    bool words, han;   // some are spelled: "five", 五
};

// Of the digit that `text` ends with: its bytes, 0 when there is none.
static size_t last_digit(const char *text, size_t len, struct digits *digits)
{
    static const int WORD_VALUES[] = {0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const int HAN_VALUES[] = {0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1};
    size_t n, index;
    int value;
    if ((n = prl_line_ending(text, len, NUMBER_WORDS, &index)) > 0) {
        value = WORD_VALUES[index];
        digits->words = true;
    } else if ((n = prl_line_ending(text, len, NUMBER_HAN, &index)) > 0) {
        value = HAN_VALUES[index];
        digits->han = true;
    } else if (text[len - 1] >= '0' && text[len - 1] <= '9') {
        value = text[len - 1] - '0';
        n = text[len - 2] == ' ' ? 2 : 1;
    } else {
        return 0;
    }
    digits->second = digits->first;
    digits->first = value;
    digits->count++;
    return n;
}

static bool is_half_a_number(const struct prl_line *line)
{
    struct digits digits = {.first = -1, .second = -1};
    size_t len = line->len - line->last;
    while (len > 1) {
        size_t n = last_digit(line->text + line->last, len, &digits);
        if (n == 0)
            break;
        len -= n;
    }
    bool telephone = digits.count > 0 && prl_line_contains_any(line, TELEPHONE);
    bool many = digits.count >= DIGITS_DICTATED_MIN;
    if (digits.first == 1 && digits.second >= 3 &&
        (telephone || many || (digits.han && digits.count >= 3)))
        return digits.count < DIGITS_MOBILE;
    if (digits.count == 7 || digits.count == 10 || digits.count == 11)
        return false;
    if (!digits.words && (digits.count == 8 || digits.count == 12))
        return false; // a Chinese landline, alone and with its area
    return digits.count <= 12 && (many || telephone);
}

// ---- rules ----

static uint32_t judge_turn(const struct prl_line *line,
                           const struct prl_eot_language *const *spoken, bool listens)
{
    bool asks = line->mark == PRL_SAID_ASK;
    bool open = line->mark == PRL_SAID_COMMA || line->mark == PRL_SAID_DOTS ||
                (*spoken && is_half_a_number(line));
    bool only = line->whole && line->sentences == 1;
    bool complete = false;
    for (; *spoken; spoken++) {
        asks |= (*spoken)->asks(line);
        open |= !listens && (*spoken)->open(line);
        complete |= (*spoken)->complete(line, only);
    }
    uint32_t flags = asks ? PRL_EOT_QUESTION : 0;
    if (open)
        return flags | PRL_EOT_OPEN_ENDED;
    return flags | (complete ? PRL_EOT_COMPLETE : 0);
}

// The longest entry that `text` begins with.
static size_t beginning(const char *text, prl_line_list entries)
{
    size_t longest = 0;
    for (; *entries; entries++) {
        size_t n = strlen(*entries);
        if (n > longest && strncmp(text, *entries, n) == 0 &&
            (**entries != ' ' || (text[n] != '\'' && !(text[n] >= 'a' && text[n] <= 'z'))))
            longest = n;
    }
    return longest;
}

static bool is_backchannel(const struct prl_line *line,
                           const struct prl_eot_language *const *spoken)
{
    size_t at = 0, count = 0, previous = 0;
    while (line->whole && at < line->len) {
        if (line->text[at] == '\n') {
            at++;
            continue;
        }
        size_t n = 0;
        for (int i = 0; n == 0 && spoken[i]; i++)
            n = beginning(line->text + at, spoken[i]->backchannels);
        if (n == 0)
            return false;
        // 嗯嗯嗯嗯 and "yeah yeah yeah yeah" are one.
        bool again =
            at >= n && previous == n && memcmp(line->text + at - n, line->text + at, n) == 0;
        count += !again;
        previous = n;
        at += n;
    }
    return count >= 1 && count <= BACKCHANNEL_TOKENS;
}

// Letters alone, among them one that can be hummed.
static bool is_spelled_hum(const char *text, size_t len)
{
    struct prl_said_token token;
    size_t at = 0, count = 0;
    bool hums = false;
    while (prl_said_next(text, len, &at, &token)) {
        if (token.len == 0)
            continue;
        if (token.kind != PRL_SAID_WORD || token.len != 1)
            return false;
        hums |= token.text[0] == 'm' || token.text[0] == 'h';
        count++;
    }
    return hums && count > 1;
}

// "Does her", "not high", "of her", "that's hot": what "uh huh" is taken for in different voices. More words
// behind them say that it was none, and so does another word that takes the floor ("wait here").
static bool sounds_like_uh_huh(const struct prl_line *line, bool takes)
{
    static const char NOT[] = "\n not ";
    if (takes && strncmp(line->text, NOT, sizeof(NOT) - 1) != 0)
        return false;
    const char *second = line->words == 2 ? strchr(line->text + 2, ' ') : NULL;
    return line->whole && line->sentences == 1 && !line->han && second && second[1] == 'h';
}

// "M. H. M.", "M. E. Chum", "A. T. M.": a recogniser spells out a hum.
static bool is_hum(const char *text, size_t len)
{
    bool hums = len > 1 && (text[0] | 32) == 'm' && text[1] == '.';
    if (hums || is_spelled_hum(text, len))
        return true;
    for (size_t i = 0; i < len; i++) {
        char c = (char)(text[i] | 32);
        if (((unsigned char)text[i] & 0x80) || (c >= 'a' && c <= 'z' && c != 'm' && c != 'h'))
            return false;
        hums |= c == 'm';
    }
    return hums;
}

static bool is_language(const char *language, const char *code)
{
    if (!language || !language[0] || strcmp(language, "auto") == 0)
        return true;
    size_t n = strlen(code);
    return strncmp(language, code, n) == 0 && (language[n] == '\0' || language[n] == '-');
}

uint32_t prl_eot_words(const char *text, size_t len, const char *language)
{
    struct prl_line line;
    prl_line_read(&line, text, len);
    if (line.sentences == 0)
        return 0;
    // Whoever speaks one of the two mixes in the other.
    bool known = is_language(language, "zh") || is_language(language, "en") ||
                 is_language(language, "yue") || is_language(language, "cmn");
    bool chinese = known && !line.foreign;
    const struct prl_eot_language *spoken[LANGUAGES + 1] = {
        known ? &prl_eot_english : NULL, chinese ? &prl_eot_chinese : NULL, NULL};
    bool listens = is_backchannel(&line, spoken) || (known && is_hum(text, len));
    uint32_t flags = judge_turn(&line, spoken, listens);
    flags |= listens ? PRL_EOT_BACKCHANNEL : 0;
    flags |= chinese && line.han ? PRL_EOT_HAN : 0;
    for (int i = 0; spoken[i]; i++)
        flags |= spoken[i]->takes(&line) ? PRL_EOT_TAKES : 0;
    if (known && sounds_like_uh_huh(&line, flags & PRL_EOT_TAKES))
        flags |= PRL_EOT_BACKCHANNEL;
    return flags;
}

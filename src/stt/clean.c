// clean.c -- see clean.h.
#include "stt/clean.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

enum {
    BRACKET_MAX = 64,  // code points; a longer bracket is text
    POINTS_MAX = 1024, // of the text's end looked at for loops
    PERIOD_MAX = 120,  // code points of one repeated piece
    WORDS_MAX = 256,   // looked at for repetitions
    WORDS_MIN = 12,    // fewer are never called repetitive
};

static bool is_wide(uint32_t c)
{
    return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF00 && c <= 0xFFEF) ||
           (c >= 0x20000 && c <= 0x3FFFF) || (c >= 0x3000 && c <= 0x30FF);
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x3000;
}

// Letters and digits, without a table of all of Unicode: beyond Latin-1 everything but the blocks
// of punctuation and symbols.
static bool is_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c < 0xC0)
        return c == 0xAA || c == 0xB5 || c == 0xBA;
    bool symbols = (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x3004) ||
                   (c >= 0x3008 && c <= 0x3020) || c == 0x30FB || (c >= 0xFE10 && c <= 0xFE6F) ||
                   (c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) ||
                   (c >= 0xFF3B && c <= 0xFF40) || (c >= 0xFF5B && c <= 0xFF65) || c == 0xD7 ||
                   c == 0xF7 || c >= 0x1F000;
    return !symbols || (c >= 0x20000 && c <= 0x3FFFF);
}

static uint32_t closing_of(uint32_t c)
{
    static const uint32_t PAIRS[][2] = {{'(', ')'},       {'[', ']'},       {'{', '}'},
                                        {0xFF08, 0xFF09}, {0x3010, 0x3011}, {'*', '*'}};
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(*PAIRS); i++) {
        if (PAIRS[i][0] == c)
            return PAIRS[i][1];
    }
    return 0;
}

// Bytes of a bracketed remark or special token that starts here, 0 for none.
static size_t remark_length(const char *text, size_t len)
{
    uint32_t c = 0;
    size_t at = prl_utf8_decode(text, len, &c);
    uint32_t closing = closing_of(c);
    bool special = c == '<' && len > 1 && (text[1] == '|' || text[1] == '<');
    if (!closing && !special)
        return 0;
    for (int i = 0; i < BRACKET_MAX && at < len; i++) {
        at += prl_utf8_decode(text + at, len - at, &c);
        if (closing && c == closing)
            return at;
        if (special && c == '>') {
            while (at < len && text[at] == '>')
                at++;
            return at;
        }
    }
    return 0;
}

// Control characters, notes, private use, what was malformed.
static bool is_dropped(uint32_t c)
{
    return c < 0x20 || c == 0x7F || c == 0xFFFD || c == 0xFEFF || (c >= 0x2669 && c <= 0x266F) ||
           (c >= 0xE000 && c <= 0xF8FF);
}

enum prl_err prl_clean_text(const char *raw, size_t len, struct prl_str *out)
{
    PRL_CHECK(out != NULL && (raw != NULL || len == 0));
    size_t start = out->len;
    bool blank = false;
    enum prl_err err = PRL_OK;
    for (size_t at = 0; at < len && !err;) {
        uint32_t c = 0;
        size_t size = prl_utf8_decode(raw + at, len - at, &c);
        size_t remark = remark_length(raw + at, len - at);
        if (remark || is_dropped(c) || is_space(c)) {
            blank = blank || remark || is_space(c);
        } else {
            if (blank && out->len > start)
                err = prl_str_addc(out, ' ');
            blank = false;
            if (!err)
                err = prl_str_add(out, raw + at, size);
        }
        at += remark ? remark : size;
    }
    // A remark that never ends ("(crying crying crying …") is no speech either.
    uint32_t first = 0;
    (void)prl_utf8_decode(prl_str_text(out) + start, out->len - start, &first);
    bool open_remark = closing_of(first) != 0 && !strchr(prl_str_text(out) + start, ')');
    if (!err &&
        (open_remark || !prl_clean_has_words(prl_str_text(out) + start, out->len - start))) {
        out->len = start;
        if (out->data)
            out->data[start] = '\0';
    }
    return err;
}

bool prl_clean_has_words(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        at += prl_utf8_decode(text + at, len - at, &c);
        if (is_word(c))
            return true;
    }
    return false;
}

// Words and letters as numbers that are equal when the pieces are.
struct unit {
    uint32_t hash;
    uint32_t start; // bytes
};

// The last POINTS_MAX letters (blanks and signs left out, upper case made lower).
static size_t take_letters(const char *text, size_t len, struct unit *units)
{
    size_t count = 0;
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t start = at;
        at += prl_utf8_decode(text + at, len - at, &c);
        if (!is_word(c))
            continue;
        if (c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        if (count == POINTS_MAX) {
            memmove(units, units + POINTS_MAX / 2, POINTS_MAX / 2 * sizeof(*units));
            count = POINTS_MAX / 2;
        }
        units[count++] = (struct unit){c, (uint32_t)start};
    }
    return count;
}

// How often a piece of `period` letters must follow itself: a laugh or "no no no" is no loop.
static size_t repeats_needed(size_t period)
{
    if (period <= 2)
        return 10;
    return period <= 6 ? 6 : 3;
}

size_t prl_clean_loop(const char *text, size_t len)
{
    struct unit units[POINTS_MAX];
    size_t count = take_letters(text, len, units);
    for (size_t period = 1; period <= PERIOD_MAX && period < count; period++) {
        size_t same = 0;
        while (same + period < count &&
               units[count - 1 - same].hash == units[count - 1 - same - period].hash)
            same++;
        if (same / period + 1 < repeats_needed(period))
            continue;
        size_t second = count - same; // first letter of the second copy
        return units[second].start;
    }
    return len;
}

static size_t take_words(const char *text, size_t len, struct unit *units)
{
    size_t count = 0;
    uint32_t hash = 0;
    for (size_t at = 0; at < len && count < WORDS_MAX;) {
        uint32_t c = 0;
        at += prl_utf8_decode(text + at, len - at, &c);
        bool wide = is_wide(c);
        if (hash && (!is_word(c) || wide)) {
            units[count++].hash = hash;
            hash = 0;
        }
        if (!is_word(c))
            continue;
        if (wide && count < WORDS_MAX)
            units[count++].hash = c;
        else
            hash = (hash ^ (c | 0x20)) * 16777619U + 1;
    }
    if (hash && count < WORDS_MAX)
        units[count++].hash = hash;
    return count;
}

bool prl_clean_is_repetitive(const char *text, size_t len)
{
    struct unit units[WORDS_MAX];
    size_t count = take_words(text, len, units);
    if (count < WORDS_MIN)
        return false;
    size_t repeated = 0;
    for (size_t i = 1; i + 2 < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (units[j].hash == units[i].hash && units[j + 1].hash == units[i + 1].hash &&
                units[j + 2].hash == units[i + 2].hash) {
                repeated++;
                break;
            }
        }
    }
    return repeated * 2 >= count - 2;
}

bool prl_clean_is_ghost(const char *text, bool doubtful)
{
    // What Whisper and Moonshine were seen or are widely reported to write for silence and noise.
    static const struct {
        const char *text;
        bool common; // also said by people
    } GHOSTS[] = {
        {"you", true},
        {"thankyou", true},
        {"bye", true},
        {"byebye", true},
        {"谢谢大家", true},
        {"謝謝大家", true},
        {"下次再见", true},
        {"thanksforwatching", false},
        {"thankyouforwatching", false},
        {"pleasesubscribe", false},
        {"谢谢观看", false},
        {"謝謝觀看", false},
        {"请订阅", false},
        {"字幕志愿者", false},
        {"字幕由amaraorg社群提供", false},
        {"ご視聴ありがとうございました", false},
        {"請不吝點贊訂閱轉發打賞支持明鏡與點點欄目", false},
        {"请不吝点赞订阅转发打赏支持明镜与点点栏目", false},
    };
    struct prl_str plain;
    prl_str_init(&plain, 256);
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t size = prl_utf8_decode(text + at, len - at, &c);
        if (is_word(c) && c >= 'A' && c <= 'Z')
            (void)prl_str_addc(&plain, (char)(c - 'A' + 'a'));
        else if (is_word(c))
            (void)prl_str_add(&plain, text + at, size);
        at += size;
    }
    bool ghost = false;
    for (size_t i = 0; i < sizeof(GHOSTS) / sizeof(*GHOSTS) && !plain.err; i++)
        ghost = ghost || ((doubtful || !GHOSTS[i].common) &&
                          strcmp(prl_str_text(&plain), GHOSTS[i].text) == 0);
    prl_str_free(&plain);
    return ghost;
}

enum prl_err prl_clean_join(struct prl_str *text, const char *more)
{
    if (!more[0])
        return PRL_OK;
    uint32_t last = 0, first = 0;
    size_t at = text->len;
    while (at > 0 && ((unsigned char)text->data[--at] & 0xC0) == 0x80)
        continue;
    if (text->len > 0)
        (void)prl_utf8_decode(text->data + at, text->len - at, &last);
    (void)prl_utf8_decode(more, strlen(more), &first);
    enum prl_err err = PRL_OK;
    if (text->len > 0 && !is_wide(last) && !is_wide(first))
        err = prl_str_addc(text, ' ');
    return err ? err : prl_str_adds(text, more);
}

size_t prl_clean_stable(const char *before, const char *now)
{
    size_t len = strlen(before), stable = 0, previous = 0;
    size_t now_len = strlen(now);
    if (now_len < len)
        len = now_len;
    for (size_t at = 0; at < len;) {
        uint32_t a = 0, b = 0;
        size_t size = prl_utf8_decode(before + at, len - at, &a);
        if (prl_utf8_decode(now + at, now_len - at, &b) != size || a != b)
            break;
        if (is_space(b))
            stable = at; // the word before it is whole in both
        else if (is_wide(b))
            stable = previous; // the letter before it has a successor in both
        at += size;
        previous = is_wide(b) || is_space(b) ? at : previous;
    }
    return stable;
}

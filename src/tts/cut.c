// cut.c -- see cut.h. One scanner reads the pending clause code point by code point and never
// looks ahead: a mark that may end something is kept as `pending` and decided by what follows it.
// That makes the cuts independent of how the text came in pieces.
#include "tts/cut.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/backend.h"

enum {
    TENTHS = 10,       // a word is ten tenths
    HAN_TENTHS = 6,    // an ideograph is six
    LEAST_TENTHS = 20, // no clause is shorter than two words, but the last
    // Mandarin is seldom broken by commas as early as English is by spaces, and its voice is the
    // slow one: the first clause ends at a comma after 4 ideographs (当然可以，), at a good gap after 7, at any
    // gap after 20.
    HAN_FIRST_SOFT_TENTHS = 24,
    HAN_FIRST_TENTHS = 42,
    HAN_FIRST_ANY_TENTHS = 120,
    WORD_BYTES = 12, // longest abbreviation and more
    // A part of English speech lasts about a second for 15 bytes, and what comes behind it has so long.
    PART_BYTES = 14,
    PART_TENTHS = 30, // three words
    // Of Chinese three ideographs last two thirds of a second.
    HAN_PART_BYTES = 9,
    HAN_PART_TENTHS = 18,
};

// What the last mark asks of the next code point.
enum pending {
    NONE,
    SENTENCE,              // ends when a space or an ideograph follows
    SENTENCE_IF_CAPITAL,   // "etc.": ends when a capital or an ideograph follows the space
    SENTENCE_UNLESS_DIGIT, // "No.": ends unless a number follows the space
    SOFT,                  // a comma: a break when a space or an ideograph follows
    SOFT_UNLESS_DIGIT,     // a full-width comma behind a digit
    SOFT_UNLESS_SAME       // dashes and dots that come in runs
};

// The clause that is being read; positions count from its first byte.
struct scan {
    size_t pos;        // read so far
    size_t line_begin; // of the line at pos
    size_t soft;       // last soft break, 0 for none
    size_t gap;        // last good gap between words
    size_t any_gap;    // last gap at all
    size_t pending_at; // behind the pending mark and what closes after it
    uint32_t tenths;   // words so far
    uint32_t depth;    // open brackets and wide quotes
    uint32_t last;     // code point before pos
    uint32_t mark;     // the pending mark
    uint32_t ticks;    // of an opening fence, while they are counted
    size_t given;      // bytes that were given as parts
    size_t word_gap;   // last gap at which a part may end, 0 for none behind `given`
    size_t han_gap;    // between the last two ideographs, 0 when there are none
    uint32_t word_gap_tenths, han_gap_tenths, given_tenths; // words before them
    enum pending pending;
    bool spaced;     // spaces came after the pending mark or the last word
    bool in_word;    // a Latin word goes on
    bool quote;      // inside "
    bool tick;       // inside `
    bool line_start; // nothing but spaces in this line yet
    bool fence_line; // the line of an opening fence
    bool closing;    // the line of a closing fence
    bool code;       // the clause began as code
    bool in_code;    // at pos
    bool wide_end;   // the last mark was 。！？
    bool fancy;      // more than words, commas and ends of sentences: no part of it can be said
    bool latin, han; // there are such words
};

struct prl_cut {
    // set once
    struct prl_cut_conf conf;
    // owned, behind the struct
    char *buf;
    // state
    size_t head;    // first pending byte
    size_t len;     // bytes in buf
    uint64_t start; // of the answer, at head
    uint64_t clauses;
    bool finished;
    unsigned parts; // languages in which they are wanted
    struct scan scan;
};

static bool is_han(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x3041 && c <= 0x30FF) ||
           (c >= 0xAC00 && c <= 0xD7A3) || c == 0x3007 || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(uint32_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(uint32_t c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= 0xC0 && c < 0x2000);
}

static bool in_list(uint32_t c, const uint32_t *list, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (list[k] == c)
            return true;
    return false;
}

#define IN(c, list) in_list(c, list, sizeof(list) / sizeof((list)[0]))

static const uint32_t OPENERS[] = {'(', '[', '{', 0xFF08, 0x3010, 0x300A, 0x300C, 0x300E, 0x201C};
static const uint32_t CLOSERS[] = {')', ']', '}', 0xFF09, 0x3011, 0x300B, 0x300D, 0x300F, 0x201D};
static const uint32_t WIDE_ENDS[] = {0x3002, 0xFF01, 0xFF1F};
static const uint32_t WIDE_SOFT[] = {0xFF0C, 0x3001, 0xFF1B, 0xFF1A};
// 的了着过吗呢吧: a word ends here. 和但而因所如或并且: a word begins here.
static const uint32_t PARTICLES[] = {0x7684, 0x4E86, 0x7740, 0x8FC7, 0x5417, 0x5462, 0x5427};
static const uint32_t JOINERS[] = {0x548C, 0x4F46, 0x800C, 0x56E0, 0x6240,
                                   0x5982, 0x6216, 0x5E76, 0x4E14};

static const char *clause_text(const struct prl_cut *cut)
{
    return cut->buf + cut->head;
}

static void scan_reset(struct scan *scan, bool line_start, bool in_code)
{
    memset(scan, 0, sizeof(*scan));
    scan->line_start = line_start;
    scan->in_code = in_code;
    scan->code = in_code;
}

// Words at which a clause may end at a comma, and must end at a gap.
static uint32_t soft_tenths(const struct prl_cut *cut)
{
    // The second clause is spoken while the third is made, so it must not be long either.
    return TENTHS * (cut->clauses == 0   ? cut->conf.first_words_min
                     : cut->clauses == 1 ? cut->conf.first_words_max
                                         : cut->conf.later_words_max);
}

// Nothing of the answer was given yet.
static bool is_early(const struct prl_cut *cut)
{
    return cut->clauses == 0 && cut->scan.given == 0;
}

static uint32_t gap_tenths(const struct prl_cut *cut)
{
    return TENTHS * (is_early(cut) ? cut->conf.first_words_max : 2 * cut->conf.later_words_max);
}

static bool is_open(const struct prl_cut *cut)
{
    const struct scan *scan = &cut->scan;
    bool inside = scan->depth > 0 || scan->quote || scan->tick;
    return !inside || scan->tenths >= TENTHS * cut->conf.later_words_max;
}

static size_t sentence_break(const struct prl_cut *cut, size_t at)
{
    return is_open(cut) && cut->scan.tenths >= LEAST_TENTHS ? at : 0;
}

static size_t soft_break(struct prl_cut *cut, size_t at)
{
    if (!is_open(cut) || cut->scan.tenths == 0)
        return 0;
    // A comma that comes early is no place to go back to.
    if (cut->scan.tenths >= gap_tenths(cut) / 4)
        cut->scan.soft = at;
    uint32_t enough = soft_tenths(cut);
    if (cut->clauses == 0 && is_han(cut->scan.last) && enough > HAN_FIRST_SOFT_TENTHS)
        enough = HAN_FIRST_SOFT_TENTHS;
    return cut->scan.tenths >= enough ? at : 0;
}

// Too many words without a break: the last comma, else the gap.
static size_t gap_break(const struct prl_cut *cut)
{
    const struct scan *scan = &cut->scan;
    if (is_early(cut) && is_han(scan->last) && scan->tenths >= HAN_FIRST_TENTHS) {
        size_t at = scan->soft > 0 ? scan->soft : scan->gap;
        return at > 0 || scan->tenths < HAN_FIRST_ANY_TENTHS ? at : scan->any_gap;
    }
    if (scan->tenths < gap_tenths(cut))
        return 0;
    if (scan->soft > 0)
        return scan->soft;
    if (scan->gap > 0)
        return scan->gap;
    return scan->tenths >= 2 * gap_tenths(cut) ? scan->any_gap : 0;
}

// The clause has reached its size: the best place there is.
static size_t forced_break(const struct prl_cut *cut)
{
    const struct scan *scan = &cut->scan;
    if (scan->soft > scan->pos / 2 || (scan->soft > 0 && scan->gap == 0))
        return scan->soft;
    if (scan->gap > 0)
        return scan->gap;
    return scan->any_gap > 0 ? scan->any_gap : scan->pos;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == 0x3000 || c == 0xA0;
}

// The pending mark meets the next code point. Returns the place to cut, or 0.
static size_t resolve(struct prl_cut *cut, uint32_t c)
{
    struct scan *scan = &cut->scan;
    size_t at = scan->pending_at;
    bool space = is_space(c) || c == '\n';
    enum pending pending = scan->pending;
    scan->pending = NONE;
    switch (pending) {
    case NONE:
        return 0;
    case SENTENCE:
        return space || is_han(c) ? sentence_break(cut, at) : 0;
    case SENTENCE_IF_CAPITAL:
    case SENTENCE_UNLESS_DIGIT:
        if (space) {
            scan->pending = pending;
            scan->spaced = true;
            return 0;
        }
        if (!scan->spaced && !is_han(c))
            return 0;
        if (pending == SENTENCE_UNLESS_DIGIT ? is_digit(c) : !is_upper(c) && !is_han(c))
            return 0;
        return sentence_break(cut, at);
    case SOFT:
        return space || is_han(c) ? soft_break(cut, at) : 0;
    case SOFT_UNLESS_DIGIT:
        return is_digit(c) ? 0 : soft_break(cut, at);
    case SOFT_UNLESS_SAME:
        if (c == scan->mark) {
            scan->pending = pending;
            return 0;
        }
        return soft_break(cut, at);
    }
    return 0;
}

static bool is_listed(const char *word, const char *list)
{
    size_t len = strlen(word);
    const char *found = strstr(list, word);
    while (len > 0 && found) {
        if (found > list && found[-1] == ' ' && found[len] == ' ')
            return true;
        found = strstr(found + 1, word);
    }
    return false;
}

// What a full stop at pos means, by the letters before it.
static enum pending judge_stop(const struct prl_cut *cut)
{
    const char *text = clause_text(cut);
    size_t end = cut->scan.pos;
    size_t start = end;
    char word[WORD_BYTES + 1];
    while (start > 0 && end - start < WORD_BYTES &&
           (is_letter((uint8_t)text[start - 1]) || text[start - 1] == '.') &&
           (uint8_t)text[start - 1] < 0x80)
        start--;
    for (size_t k = start; k < end; k++)
        word[k - start] = (char)(is_upper((uint8_t)text[k]) ? text[k] + 32 : text[k]);
    word[end - start] = '\0';
    if (is_listed(word,
                  " dr mr mrs ms prof st gen capt lt col sgt rev hon sen gov mt vs approx est "
                  "e e.g i i.e ca cf al "))
        return strcmp(word, "i") == 0 && end == start + 1 && is_upper((uint8_t)text[start])
                   ? SENTENCE
                   : NONE;
    if (is_listed(word, " no nos fig vol ch sec p pp eq ext apt "))
        return SENTENCE_UNLESS_DIGIT;
    if (is_listed(word,
                  " jr sr inc ltd co corp etc ave blvd rd dept jan feb mar apr jun jul aug sep "
                  "sept oct nov dec mon tue tues wed thu thurs fri sat sun ph ph.d govt "))
        return SENTENCE_IF_CAPITAL;
    bool dotted = strchr(word, '.') != NULL;
    // "U.S. Army" and "J. Smith" go on; "3 p.m. Then" may not.
    bool initial = end > start && is_upper((uint8_t)text[end - 1]) && (dotted || end == start + 1);
    if (initial)
        return NONE;
    return dotted ? SENTENCE_IF_CAPITAL : SENTENCE;
}

// "1." and "- 12." at a line's start number an item.
static bool is_list_number(const struct prl_cut *cut)
{
    const char *text = clause_text(cut);
    size_t digits = 0;
    for (size_t k = cut->scan.line_begin; k < cut->scan.pos; k++) {
        if (is_digit((uint8_t)text[k]))
            digits++;
        else if (!strchr(" \t#*->", text[k]) || digits > 0)
            return false;
    }
    return digits > 0 && digits <= 3;
}

// ';' of "&amp;"
static bool is_entity(const struct prl_cut *cut)
{
    const char *text = clause_text(cut);
    for (size_t k = 1; k <= WORD_BYTES && k <= cut->scan.pos; k++) {
        char c = text[cut->scan.pos - k];
        if (c == '&')
            return k > 1;
        if (!is_letter((uint8_t)c) && !is_digit((uint8_t)c) && c != '#')
            return false;
    }
    return false;
}

static void set_pending(struct scan *scan, enum pending pending, uint32_t mark, size_t at)
{
    scan->pending = pending;
    scan->pending_at = at;
    scan->mark = mark;
    scan->spaced = false;
}

// Brackets and quotes. Returns true when c closes something, so that a mark before it stays pending.
static bool read_enclosure(struct scan *scan, uint32_t c)
{
    if (IN(c, OPENERS)) {
        scan->depth++;
    } else if (IN(c, CLOSERS)) {
        scan->depth -= scan->depth > 0 ? 1 : 0;
        return true;
    } else if (c == '"') {
        scan->quote = !scan->quote;
        return !scan->quote;
    } else if (c == '`') {
        scan->tick = !scan->tick;
        return !scan->tick;
    }
    return c == '*' || c == '_' || c == '\'' || c == 0x2019;
}

// A mark after which the clause may end. Returns the place to cut at once, or 0.
static size_t read_mark(struct prl_cut *cut, uint32_t c, size_t next)
{
    struct scan *scan = &cut->scan;
    if (IN(c, WIDE_ENDS))
        return sentence_break(cut, next);
    if (IN(c, WIDE_SOFT)) {
        if (!is_digit(scan->last))
            return soft_break(cut, next);
        set_pending(scan, SOFT_UNLESS_DIGIT, c, next);
    } else if (c == 0x2014 || c == 0x2026) {
        set_pending(scan, SOFT_UNLESS_SAME, c, next);
    } else if (c == ',' || c == ':' || (c == ';' && !is_entity(cut))) {
        set_pending(scan, SOFT, c, next);
    } else if (c == '!' || c == '?') {
        set_pending(scan, SENTENCE, c, next);
    } else if (c == '.' && !is_list_number(cut)) {
        set_pending(scan, scan->last == '.' ? SOFT : judge_stop(cut), c, next);
    }
    return 0;
}

// May a gap here be used? Not inside brackets, and not after the first word or two.
static bool is_gap(const struct prl_cut *cut)
{
    const struct scan *scan = &cut->scan;
    return scan->depth == 0 && !scan->quote && !scan->tick &&
           scan->tenths >= TENTHS * cut->conf.first_words_min;
}

// The ideograph at pos is the second one behind the gap before it, where a part may end.
static void read_han_gap(struct scan *scan)
{
    if (!is_han(scan->last)) {
        scan->han_gap = 0;
        return;
    }
    if (scan->han_gap > 0) {
        scan->word_gap = scan->han_gap;
        scan->word_gap_tenths = scan->han_gap_tenths;
    }
    scan->han_gap = scan->pos;
    scan->han_gap_tenths = scan->tenths;
}

// Counts words and notes where they part.
static void read_word(struct prl_cut *cut, uint32_t c)
{
    struct scan *scan = &cut->scan;
    bool han = is_han(c);
    if (han) {
        bool good = IN(scan->last, PARTICLES) ? !IN(c, PARTICLES)
                                              : IN(c, JOINERS) && !IN(scan->last, JOINERS);
        if (scan->tenths > 0 && (is_han(scan->last) || is_space(scan->last))) {
            scan->any_gap = scan->pos;
            scan->gap = good && is_gap(cut) ? scan->pos : scan->gap;
        }
        read_han_gap(scan);
        scan->tenths += HAN_TENTHS;
        scan->in_word = false;
    } else if (is_letter(c) || is_digit(c)) {
        scan->tenths += scan->in_word ? 0 : TENTHS;
        scan->in_word = true;
    } else if (c >= 0x80 || is_space(c))
        scan->in_word = false;
}

// A gap at the spaces before c, which begins a word; numbers keep what stands beside them.
static void read_gap(struct prl_cut *cut, uint32_t c)
{
    struct scan *scan = &cut->scan;
    if (!is_space(scan->last) || scan->tenths == 0 || is_space(c))
        return;
    const char *text = clause_text(cut);
    size_t end = scan->pos;
    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'))
        end--;
    if (end == 0)
        return;
    scan->any_gap = end;
    uint32_t before = (uint8_t)text[end - 1];
    if (!is_letter(c) || !is_letter(before))
        return;
    if (is_gap(cut))
        scan->gap = end;
    scan->word_gap = end;
    scan->word_gap_tenths = scan->tenths;
}

// Where the part ends that can be said now, with all text read; 0: nowhere yet.
static size_t part_break(const struct prl_cut *cut)
{
    const struct scan *scan = &cut->scan;
    size_t least = scan->han ? HAN_PART_BYTES : PART_BYTES;
    least = scan->given > least ? scan->given : least;
    uint32_t tenths = scan->han ? HAN_PART_TENTHS : PART_TENTHS;
    bool enough = scan->word_gap >= scan->given + least &&
                  scan->word_gap_tenths >= scan->given_tenths + tenths;
    bool can = cut->parts & (scan->han ? PRL_TTS_LANG_ZH : PRL_TTS_LANG_EN);
    can = can && !scan->fancy && !(scan->han && scan->latin);
    return can && cut->clauses == 0 && enough ? scan->word_gap : 0;
}

// Notes what only the whole clause tells how to say.
static void read_fancy(struct scan *scan, uint32_t c)
{
    bool latin = c < 0x80 && (is_letter(c) || is_digit(c));
    bool han = is_han(c);
    bool plain = latin || han || c == ' ' || c == ',' || c == '.' || c == '!' || c == '?' ||
                 c == '\'' || IN(c, WIDE_ENDS) || IN(c, WIDE_SOFT);
    scan->latin = scan->latin || latin;
    scan->han = scan->han || han;
    scan->fancy = scan->fancy || !plain;
}

// At a line's start: a fence? Returns the place to cut before it, or 0.
static size_t read_fence(struct prl_cut *cut, uint32_t c)
{
    struct scan *scan = &cut->scan;
    enum { FENCE_TICKS = 3 };
    scan->ticks =
        (c == '`' || c == '~') && (scan->ticks == 0 || c == scan->last) ? scan->ticks + 1 : 0;
    if (scan->ticks != FENCE_TICKS)
        return 0;
    scan->line_start = false;
    scan->tick = false;
    if (scan->in_code) {
        scan->closing = true;
    } else if (scan->tenths > 0) {
        return scan->line_begin;
    } else {
        scan->in_code = scan->code = scan->fence_line = true;
    }
    return 0;
}

static size_t read_newline(struct prl_cut *cut, size_t next)
{
    struct scan *scan = &cut->scan;
    size_t at = 0;
    if (scan->closing) {
        scan->in_code = scan->closing = false;
        at = next;
    } else if (!scan->in_code)
        at = sentence_break(cut, next);
    scan->depth = 0;
    scan->quote = scan->tick = scan->fence_line = scan->in_word = false;
    scan->line_start = true;
    scan->ticks = 0;
    scan->line_begin = next;
    if (scan->in_code)
        scan->gap = next;
    // Brackets end with the line, so a line that was long enough but open ends here too.
    return at > 0 || scan->in_code ? at : sentence_break(cut, next);
}

static size_t read_code(struct scan *scan, uint32_t c)
{
    // ```one line``` is inline code after all.
    if (scan->fence_line && c == '`' && scan->last != '`')
        scan->in_code = scan->code = scan->fence_line = false;
    return 0;
}

// One code point of `used` bytes at pos. Returns the place to cut, or 0 to read on.
static size_t step(struct prl_cut *cut, uint32_t c, size_t used)
{
    struct scan *scan = &cut->scan;
    size_t next = scan->pos + used;
    if (c == '\n') {
        size_t at = resolve(cut, c);
        return at > 0 ? at : read_newline(cut, next);
    }
    if (scan->line_start) {
        size_t at = read_fence(cut, c);
        if (at > 0)
            return at;
        if (c != ' ' && c != '`' && c != '~')
            scan->line_start = false;
    }
    if (scan->in_code)
        return read_code(scan, c);
    bool closes = read_enclosure(scan, c);
    if (closes && scan->pending != NONE && !scan->spaced) {
        scan->pending_at = next;
        return 0;
    }
    if (closes && scan->wide_end)
        return sentence_break(cut, next);
    size_t at = resolve(cut, c);
    if (at > 0)
        return at;
    read_fancy(scan, c);
    read_gap(cut, c);
    read_word(cut, c);
    at = read_mark(cut, c, next);
    scan->wide_end = IN(c, WIDE_ENDS);
    return at > 0 ? at : gap_break(cut);
}

// Reads on until a clause or a part of it is found (where it ends is returned) or more text is
// needed (0).
static size_t find_break(struct prl_cut *cut, bool *part)
{
    struct scan *scan = &cut->scan;
    size_t left = cut->len - cut->head;
    while (scan->pos < left) {
        const char *text = clause_text(cut) + scan->pos;
        size_t rest = left - scan->pos;
        // A code point that is cut by the end of the piece has to wait for the next.
        if (!cut->finished && rest < 4 && prl_utf8_whole(text, rest) == 0)
            return 0;
        uint32_t c = 0;
        size_t used = prl_utf8_decode(text, rest, &c);
        if (scan->pos + used > cut->conf.clause_max)
            return forced_break(cut);
        size_t at = step(cut, c, used);
        if (at > 0)
            return at;
        scan->pos += used;
        scan->last = c;
    }
    if (cut->finished)
        return left;
    size_t at = part_break(cut);
    *part = at > 0;
    return at;
}

// What is left of the clause is read on; nothing before `given` is a place to go back to.
static void give_part(struct scan *scan)
{
    scan->given = scan->word_gap;
    scan->given_tenths = scan->word_gap_tenths;
    scan->soft = scan->soft > scan->given ? scan->soft : 0;
    scan->gap = scan->any_gap = scan->word_gap = 0; // none is behind the last one
    scan->han_gap = scan->han_gap > scan->given ? scan->han_gap : 0;
}

enum prl_err prl_cut_next(struct prl_cut *cut, struct prl_cut_clause *clause)
{
    PRL_CHECK(cut != NULL && clause != NULL);
    memset(clause, 0, sizeof(*clause));
    bool part = false;
    size_t n = find_break(cut, &part);
    if (n == 0)
        return PRL_ERR_AGAIN;
    size_t given = cut->scan.given;
    size_t left = cut->len - cut->head;
    PRL_DCHECK(n > given && n <= cut->conf.clause_max && n <= left);
    *clause = (struct prl_cut_clause){.text = clause_text(cut) + given,
                                      .len = n - given,
                                      .start = cut->start + given,
                                      .end = cut->start + n,
                                      .before = given,
                                      .behind = part ? left - n : 0,
                                      .first = is_early(cut),
                                      .code = cut->scan.code,
                                      .part = part,
                                      .last = !part && cut->finished && n == left};
    if (part) {
        give_part(&cut->scan);
        return PRL_OK;
    }
    // A closing fence that was cut off from its line's end is closed all the same.
    bool closed = cut->scan.closing && n > cut->scan.line_begin;
    bool in_code = cut->scan.in_code && !closed;
    cut->head += n;
    cut->start += n;
    cut->clauses++;
    scan_reset(&cut->scan, clause->text[clause->len - 1] == '\n', in_code);
    return PRL_OK;
}

enum prl_err prl_cut_push(struct prl_cut *cut, const char *piece, size_t len)
{
    PRL_CHECK(cut != NULL && (piece != NULL || len == 0));
    PRL_CHECK(!cut->finished);
    if (cut->head > 0) {
        memmove(cut->buf, cut->buf + cut->head, cut->len - cut->head);
        cut->len -= cut->head;
        cut->head = 0;
    }
    if (len > cut->conf.pending_max - cut->len)
        return PRL_ERR_FULL;
    if (len > 0)
        memcpy(cut->buf + cut->len, piece, len);
    cut->len += len;
    return PRL_OK;
}

void prl_cut_parts(struct prl_cut *cut, unsigned languages)
{
    PRL_CHECK(cut != NULL);
    cut->parts = languages;
}

void prl_cut_finish(struct prl_cut *cut)
{
    PRL_CHECK(cut != NULL);
    cut->finished = true;
}

void prl_cut_reset(struct prl_cut *cut)
{
    PRL_CHECK(cut != NULL);
    cut->head = cut->len = 0;
    cut->start = cut->clauses = 0;
    cut->finished = false;
    cut->parts = 0;
    scan_reset(&cut->scan, true, false);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value > 0 ? value : fallback;
}

enum prl_err prl_cut_create(struct prl_cut **out, const struct prl_cut_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL);
    struct prl_cut_conf full = {.first_words_min = or_default(conf->first_words_min, 3),
                                .first_words_max = or_default(conf->first_words_max, 12),
                                .later_words_max = or_default(conf->later_words_max, 24),
                                .clause_max = or_default(conf->clause_max, 1024)};
    full.pending_max = or_default(conf->pending_max, 4 * full.clause_max);
    PRL_CHECK(full.clause_max >= 64 && full.clause_max <= 4096);
    PRL_CHECK(full.pending_max >= 2 * full.clause_max);
    struct prl_cut *cut = prl_mem_zalloc(sizeof(*cut) + full.pending_max);
    *out = cut;
    if (!cut)
        return PRL_ERR_NOMEM;
    cut->conf = full;
    cut->buf = (char *)(cut + 1);
    prl_cut_reset(cut);
    return PRL_OK;
}

void prl_cut_destroy(struct prl_cut **cut)
{
    PRL_CHECK(cut != NULL);
    prl_mem_free(*cut);
    *cut = NULL;
}

// history_text.c -- which words were heard, and what a language model is shown of a history.
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "llm/estimate.h"
#include "session/history.h"

struct range {
    uint32_t low;
    uint32_t high;
};

static bool in_ranges(uint32_t code, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].low && code <= ranges[i].high)
            return true;
    return false;
}

static bool is_space(uint32_t code)
{
    return code <= 0x20 || code == 0xA0 || code == 0x3000;
}

// Scripts that write no spaces: each character is a word.
static bool is_ideograph(uint32_t code)
{
    static const struct range RANGES[] = {
        {0x2E80, 0x2FDF}, {0x3005, 0x3007}, {0x3040, 0x30FF},   {0x3400, 0x4DBF},
        {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF},
    };
    return in_ranges(code, RANGES, sizeof(RANGES) / sizeof(RANGES[0]));
}

static bool is_opening(uint32_t code)
{
    static const uint32_t MARKS[] = {'(',    '[',    '{',    0xAB,   0x2018, 0x201C,
                                     0x3008, 0x300A, 0x300C, 0x300E, 0x3010, 0x3014,
                                     0x3016, 0xFF08, 0xFF3B, 0xFF5B};
    for (size_t i = 0; i < sizeof(MARKS) / sizeof(MARKS[0]); i++)
        if (code == MARKS[i])
            return true;
    return false;
}

static bool is_mark(uint32_t code)
{
    static const struct range RANGES[] = {
        {0x21, 0x2F},     {0x3A, 0x40},     {0x5B, 0x60},     {0x7B, 0xBF},
        {0x2010, 0x205E}, {0x3001, 0x3004}, {0x3008, 0x303F}, {0xFE10, 0xFE6F},
        {0xFF01, 0xFF0F}, {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65},
    };
    return in_ranges(code, RANGES, sizeof(RANGES) / sizeof(RANGES[0]));
}

struct word {
    size_t begin;  // first letter
    size_t spoken; // behind the last letter
    size_t end;    // behind the marks that belong to it
};

static size_t step(const char *text, size_t len, size_t at, uint32_t *code)
{
    return prl_utf8_decode(text + at, len - at, code);
}

// The word that begins at or behind `from`; false when there is none.
static bool next_word(const char *text, size_t len, size_t from, struct word *word)
{
    uint32_t code = 0;
    size_t at = from;
    while (at < len) {
        size_t width = step(text, len, at, &code);
        if (!is_space(code) && !is_mark(code))
            break;
        at += width;
    }
    if (at >= len)
        return false;
    word->begin = at;
    bool ideograph = is_ideograph(code);
    at += step(text, len, at, &code);
    word->spoken = at;
    while (at < len) {
        size_t width = step(text, len, at, &code);
        bool mark = is_mark(code);
        if (is_space(code) || is_opening(code) || (!mark && (ideograph || is_ideograph(code))))
            break;
        at += width;
        if (!mark)
            word->spoken = at;
    }
    word->end = at;
    return true;
}

size_t prl_history_word_end(const char *text, size_t len, size_t from)
{
    struct word word;
    return next_word(text, len, from, &word) ? word.end : len;
}

// When the voice reaches `byte`. Several marks at one byte are a silence there: a word begins at
// its end (`late`) and ends at its begin.
static uint64_t sample_of(const struct prl_history_mark *marks, size_t count, size_t byte,
                          bool late)
{
    struct prl_history_mark low = {0, 0};
    size_t i = 0;
    while (i < count && (late ? marks[i].byte <= byte : marks[i].byte < byte))
        low = marks[i++];
    if (low.byte == byte && (late || i == 0))
        return low.sample;
    if (i == count)
        return UINT64_MAX; // text that has no sound yet
    if (marks[i].byte <= low.byte)
        return marks[i].sample;
    double share = (double)(byte - low.byte) / (double)(marks[i].byte - low.byte);
    return low.sample + (uint64_t)(share * (double)(marks[i].sample - low.sample));
}

size_t prl_history_words_heard(const char *text, size_t len, const struct prl_history_mark *marks,
                               size_t mark_count, uint64_t samples)
{
    size_t heard = 0;
    struct word word;
    while (next_word(text, len, heard, &word)) {
        uint64_t begin = sample_of(marks, mark_count, word.begin, true);
        uint64_t end = sample_of(marks, mark_count, word.spoken, false);
        if (begin == UINT64_MAX || end == UINT64_MAX || samples <= begin + (end - begin) / 2)
            break;
        heard = word.end;
    }
    return heard;
}

static bool has_image(const struct prl_item *item)
{
    for (uint32_t i = 0; i < prl_item_part_count(item); i++)
        if (prl_item_part(item, i).image)
            return true;
    return false;
}

static size_t entry_bytes(const struct prl_item *item)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < prl_item_part_count(item); i++)
        bytes += prl_item_heard_bytes(item, i);
    return bytes;
}

static bool is_shown(const struct prl_item *item, const char *open_id)
{
    bool open = open_id && strcmp(prl_item_id(item), open_id) == 0;
    if (prl_item_status(item) == PRL_ITEM_IN_PROGRESS && !open)
        return false;
    bool tool = prl_item_kind(item) == PRL_ITEM_CALL || prl_item_kind(item) == PRL_ITEM_OUTPUT;
    return tool || entry_bytes(item) > 0 || has_image(item);
}

struct amount {
    size_t bytes, tokens;
};

static struct amount shown_amount(const struct prl_item *item, const char *open_id)
{
    struct amount amount = {0, 0};
    if (!is_shown(item, open_id))
        return amount;
    amount.tokens = PRL_LLM_ESTIMATE_MESSAGE;
    for (uint32_t i = 0; i < prl_item_part_count(item); i++) {
        size_t len = prl_item_heard_bytes(item, i);
        amount.bytes += len;
        amount.tokens += prl_item_part(item, i).image
                             ? PRL_LLM_ESTIMATE_IMAGE
                             : prl_llm_estimate_text(prl_item_part(item, i).text, len);
    }
    return amount;
}

static void add_amount(struct amount *sum, struct amount more)
{
    sum->bytes += more.bytes;
    sum->tokens += more.tokens;
}

static bool fits(struct amount rest, struct amount room)
{
    return rest.bytes <= room.bytes && rest.tokens <= room.tokens;
}

static size_t less(size_t room, size_t used)
{
    return room > used ? room - used : 0;
}

// The turn that was the first one last time; the first of all when it is gone.
static const struct prl_item *first_turn(const struct prl_history *history, const char *from_id)
{
    const struct prl_item *item = from_id && from_id[0] ? prl_history_find(history, from_id) : NULL;
    return item && prl_item_kind(item) != PRL_ITEM_SYSTEM ? item : prl_history_first(history);
}

// Forward in two passes instead of backward: the first item of the turns that fit.
void prl_prompt_begin(const struct prl_history *history, const struct prl_prompt_room *room,
                      const char *open_id, struct prl_prompt_view *view)
{
    const struct prl_item *start = first_turn(history, room->from_id);
    struct amount system = {0, 0};
    struct amount rest = {0, 0};
    bool reached = false;
    for (const struct prl_item *item = prl_history_first(history); item;
         item = prl_history_next(item)) {
        bool always = prl_item_kind(item) == PRL_ITEM_SYSTEM;
        reached = reached || item == start;
        if (always || reached)
            add_amount(always ? &system : &rest, shown_amount(item, open_id));
    }
    struct amount left = {less(room->bytes_max, system.bytes),
                          room->tokens_max ? less(room->tokens_max, system.tokens) : SIZE_MAX};
    if (room->from_id && !fits(rest, left))
        left = (struct amount){left.bytes / 4 * 3, left.tokens / 4 * 3};
    *view = (struct prl_prompt_view){
        .history = history,
        .at = prl_history_first(history),
        .open_id = open_id,
    };
    const struct prl_item *from = NULL; // begin of the turn looked at
    const struct prl_item *first = NULL;
    for (const struct prl_item *item = start; item; item = prl_history_next(item)) {
        if (prl_item_kind(item) == PRL_ITEM_SYSTEM)
            continue;
        first = first ? first : item;
        if (!from || prl_item_kind(item) == PRL_ITEM_USER) {
            from = item;
            if (fits(rest, left))
                break;
        }
        struct amount gone = shown_amount(item, open_id);
        rest = (struct amount){rest.bytes - gone.bytes, rest.tokens - gone.tokens};
    }
    view->from = from; // the newest turn when none fits
    if (room->from_id && from != first)
        (void)prl_str_copy(room->from_id, PRL_HISTORY_ID_MAX, prl_item_id(from));
}

static bool call_is_shown(const struct prl_prompt_view *view, const char *call_id)
{
    for (const struct prl_item *item = view->from; item; item = prl_history_next(item))
        if (prl_item_kind(item) == PRL_ITEM_CALL && strcmp(prl_item_call_id(item), call_id) == 0)
            return true;
    return false;
}

bool prl_prompt_next(struct prl_prompt_view *view, struct prl_prompt_entry *entry)
{
    while (view->at) {
        const struct prl_item *item = view->at;
        view->at = prl_history_next(item);
        view->reached = view->reached || item == view->from;
        bool system = prl_item_kind(item) == PRL_ITEM_SYSTEM;
        if ((!system && !view->reached) || !is_shown(item, view->open_id))
            continue;
        // A result whose call fell out of the window would confuse every model.
        if (prl_item_kind(item) == PRL_ITEM_OUTPUT && !call_is_shown(view, prl_item_call_id(item)))
            continue;
        *entry = (struct prl_prompt_entry){
            .kind = prl_item_kind(item),
            .item = item,
            .call_id = prl_item_call_id(item),
            .name = prl_item_name(item),
        };
        return true;
    }
    return false;
}

size_t prl_prompt_text(const struct prl_prompt_entry *entry, char *out, size_t size)
{
    size_t total = 0;
    for (uint32_t i = 0; i < prl_item_part_count(entry->item); i++) {
        struct prl_history_part part = prl_item_part(entry->item, i);
        size_t len = prl_item_heard_bytes(entry->item, i);
        if (len == 0)
            continue;
        if (total > 0) {
            if (total + 1 < size)
                out[total] = '\n';
            total++;
        }
        if (total < size) {
            size_t room = size - total - 1;
            memcpy(out + total, part.text, len < room ? len : room);
        }
        total += len;
    }
    if (size > 0)
        out[total < size ? total : size - 1] = '\0';
    return total;
}

// align.c -- see align.h.
#include "upstream/align.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    LETTER_SAMPLES = 1600, // 1/15 s
    LETTER_WEIGHT = 1,
    IDEOGRAPH_WEIGHT = 3,
    ANCHOR_WORDS = 256, // further words until the next known start are taken at the usual pace
    IDEOGRAPH_FIRST = 0x2E80,
};

struct word {
    size_t byte_start, byte_end;
    int64_t known; // sample at which it begins, -1: not told
    uint32_t weight;
};

struct prl_align {
    struct word *words; // owned
    size_t count, capacity;
    size_t told;
    size_t bytes;    // of text so far
    bool open;       // the last word may go on
    bool ended;      //
    uint64_t sound;  // samples so far
    uint64_t cursor; // where the last told word ended
    uint64_t weight; // of words that were not told
};

enum prl_err prl_align_create(struct prl_align **out)
{
    *out = prl_mem_zalloc(sizeof(**out));
    return *out ? PRL_OK : PRL_ERR_NOMEM;
}

void prl_align_destroy(struct prl_align **align)
{
    if (!*align)
        return;
    prl_mem_free((*align)->words);
    prl_mem_free(*align);
    *align = NULL;
}

void prl_align_reset(struct prl_align *align)
{
    struct word *words = align->words;
    size_t capacity = align->capacity;
    *align = (struct prl_align){.words = words, .capacity = capacity};
}

static enum prl_err make_room(struct prl_align *align)
{
    if (align->count < align->capacity)
        return PRL_OK;
    size_t capacity = align->capacity ? align->capacity * 2 : 64;
    struct word *words = prl_mem_realloc(align->words, capacity * sizeof(*words));
    if (!words)
        return PRL_ERR_NOMEM;
    align->words = words;
    align->capacity = capacity;
    return PRL_OK;
}

static bool is_space(uint32_t code)
{
    return code == ' ' || code == '\n' || code == '\r' || code == '\t' || code == 0x3000;
}

// 。，？ and their kin belong to the word before them.
static bool is_wide_mark(uint32_t code)
{
    return (code >= 0x3001 && code <= 0x303F) || (code >= 0xFF00 && code <= 0xFF0F) ||
           (code >= 0xFF1A && code <= 0xFF20);
}

// One code point of `size` bytes at the end of the text.
static enum prl_err add_code(struct prl_align *align, uint32_t code, size_t size, int64_t known)
{
    size_t start = align->bytes;
    align->bytes += size;
    if (is_space(code)) {
        align->open = false;
        return PRL_OK;
    }
    bool ideograph = code >= IDEOGRAPH_FIRST && !is_wide_mark(code);
    bool goes_on =
        align->count > align->told && (align->count == PRL_ALIGN_WORDS_MAX ||
                                       (is_wide_mark(code)) || (align->open && !ideograph));
    uint32_t weight = ideograph ? IDEOGRAPH_WEIGHT : LETTER_WEIGHT;
    if (!goes_on) {
        enum prl_err err = make_room(align);
        if (err)
            return err;
        align->words[align->count++] = (struct word){.byte_start = start, .known = known};
    }
    struct word *word = &align->words[align->count - 1];
    word->byte_end = start + size;
    word->weight += weight;
    align->weight += weight;
    align->open = !ideograph;
    return PRL_OK;
}

enum prl_err prl_align_text(struct prl_align *align, const char *text, size_t len,
                            int64_t start_sample)
{
    size_t before = align->count;
    enum prl_err err = PRL_OK;
    if (start_sample >= 0)
        align->open = false;
    for (size_t at = 0; at < len && !err;) {
        uint32_t code;
        size_t size = prl_utf8_decode(text + at, len - at, &code);
        err = add_code(align, code, size, align->count == before ? start_sample : -1);
        at += size;
    }
    return err;
}

void prl_align_sound(struct prl_align *align, size_t samples)
{
    align->sound += samples;
}

void prl_align_end(struct prl_align *align)
{
    align->ended = true;
    align->open = false;
}

// Where the word in front ends, by the next start that is known or by the usual pace.
static uint64_t end_of_word(const struct prl_align *align)
{
    const struct word *word = &align->words[align->told];
    uint64_t weight = 0;
    size_t last = align->told + ANCHOR_WORDS;
    for (size_t i = align->told; i < align->count && i < last; i++) {
        const struct word *next = &align->words[i];
        if (i > align->told && next->known >= 0 && (uint64_t)next->known >= align->cursor)
            return align->cursor + ((uint64_t)next->known - align->cursor) * word->weight / weight;
        weight += next->weight;
    }
    if (align->ended && align->sound > align->cursor)
        return align->cursor + (align->sound - align->cursor) * word->weight / align->weight;
    return align->cursor + (uint64_t)word->weight * LETTER_SAMPLES;
}

bool prl_align_next(struct prl_align *align, struct prl_llm_word *out)
{
    if (align->told == align->count || (align->told + 1 == align->count && align->open))
        return false;
    const struct word *word = &align->words[align->told];
    if (word->known >= 0 && (uint64_t)word->known > align->cursor)
        align->cursor = (uint64_t)word->known < align->sound ? (uint64_t)word->known : align->sound;
    uint64_t end = end_of_word(align);
    if (end > align->sound && !align->ended)
        return false;
    end = end < align->sound ? end : align->sound;
    *out = (struct prl_llm_word){align->cursor, end, word->byte_start, word->byte_end};
    align->cursor = end;
    align->weight -= word->weight;
    align->told++;
    return true;
}

uint64_t prl_align_samples(const struct prl_align *align)
{
    return align->sound;
}

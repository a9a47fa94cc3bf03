// zh_g2p_table.c -- see zh_g2p_table.h. The file is little endian and its sections are aligned to 8
// bytes, so they are used as they lie in the mapping.
#include "tts/zh_g2p_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

#define MAGIC "PRLZH01\n"

enum {
    SYLLABLES,
    KOKORO,
    BAKER,
    CHARS,
    OFFSETS,
    UNITS,
    FREQS,
    PHRASES,
    CODES,
    EMIT_CHARS,
    EMITS,
    HMM,
    SECTION_COUNT,
    HEADER_BYTES = 24 + 8 * SECTION_COUNT,
    SYLLABLE_BYTES = 8,
    KOKORO_BYTES = 8,
    SYLLABLES_MAX = 1000,
    FILE_BYTES_MAX = 64 << 20,
    HMM_FLOATS = PRL_ZH_STATES + PRL_ZH_STATES * PRL_ZH_STATES,
};
static const uint32_t NO_PHRASE = 0xFFFFFFFF;

static const uint32_t ELEMENT_BYTES[SECTION_COUNT] = {
    [SYLLABLES] = SYLLABLE_BYTES,
    [KOKORO] = KOKORO_BYTES,
    [BAKER] = 2,
    [CHARS] = 12,
    [OFFSETS] = 4,
    [UNITS] = 2,
    [FREQS] = 4,
    [PHRASES] = 4,
    [CODES] = 2,
    [EMIT_CHARS] = 2,
    [EMITS] = 16,
    [HMM] = 4,
};

struct header {
    char magic[8];
    uint32_t size_bytes;
    uint32_t section_count;
    double log_total;
    struct {
        uint32_t offset_bytes;
        uint32_t count;
    } sections[SECTION_COUNT];
};
_Static_assert(sizeof(struct header) == HEADER_BYTES, "the header has no holes");

struct character {
    uint32_t character;
    uint32_t simplified;
    uint16_t code;
    uint16_t zero;
};
_Static_assert(sizeof(struct character) == 12, "as in the file");

struct prl_zh_table {
    void *map; // owned
    size_t map_bytes;
    double log_total;
    uint32_t counts[SECTION_COUNT];
    uint32_t word_count;
    // Into the mapping.
    const char *syllables;
    const uint8_t *kokoro;
    const uint8_t *baker;
    const struct character *chars;
    const uint32_t *offsets;
    const uint16_t *units;
    const uint32_t *freqs;
    const uint32_t *phrases;
    const uint16_t *codes;
    const uint16_t *emit_chars;
    const float *emits;
    const float *hmm;
};

static enum prl_err map_file(struct prl_zh_table *table, const char *path, char *why,
                             size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(why, why_size, "cannot open the Chinese table %s: errno %d; run make setup",
                       path, errno);
        return PRL_ERR_NOTFOUND;
    }
    struct stat info;
    if (fstat(fd, &info) || info.st_size < HEADER_BYTES || info.st_size > FILE_BYTES_MAX) {
        (void)snprintf(why, why_size, "the Chinese table %s has a wrong size; run make setup",
                       path);
        (void)close(fd);
        return PRL_ERR_INVALID;
    }
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED) {
        (void)snprintf(why, why_size, "cannot map the Chinese table %s: errno %d", path, errno);
        return PRL_ERR_IO;
    }
    table->map = map;
    table->map_bytes = (size_t)info.st_size;
    return PRL_OK;
}

// Start of a section, or NULL when it leaves the file or is not aligned.
static const void *section_at(struct prl_zh_table *table, const struct header *header, int section)
{
    size_t offset = header->sections[section].offset_bytes;
    size_t bytes = (size_t)header->sections[section].count * ELEMENT_BYTES[section];
    if (offset % 8 || offset > table->map_bytes || bytes > table->map_bytes - offset)
        return NULL;
    table->counts[section] = header->sections[section].count;
    return (const char *)table->map + offset;
}

static bool find_sections(struct prl_zh_table *table)
{
    const struct header *header = table->map;
    if (memcmp(header->magic, MAGIC, 8) != 0 || header->section_count != SECTION_COUNT ||
        header->size_bytes != table->map_bytes)
        return false;
    table->log_total = header->log_total;
    table->syllables = section_at(table, header, SYLLABLES);
    table->kokoro = section_at(table, header, KOKORO);
    table->baker = section_at(table, header, BAKER);
    table->chars = section_at(table, header, CHARS);
    table->offsets = section_at(table, header, OFFSETS);
    table->units = section_at(table, header, UNITS);
    table->freqs = section_at(table, header, FREQS);
    table->phrases = section_at(table, header, PHRASES);
    table->codes = section_at(table, header, CODES);
    table->emit_chars = section_at(table, header, EMIT_CHARS);
    table->emits = section_at(table, header, EMITS);
    table->hmm = section_at(table, header, HMM);
    table->word_count = table->counts[FREQS];
    return table->syllables && table->kokoro && table->baker && table->chars && table->offsets &&
           table->units && table->freqs && table->phrases && table->codes && table->emit_chars &&
           table->emits && table->hmm;
}

static bool counts_are_sound(const struct prl_zh_table *table)
{
    const uint32_t *counts = table->counts;
    uint32_t codes = counts[SYLLABLES] * PRL_ZH_TONES;
    return counts[SYLLABLES] > 0 && counts[SYLLABLES] <= SYLLABLES_MAX && counts[KOKORO] == codes &&
           counts[BAKER] == codes && counts[OFFSETS] == table->word_count + 1 &&
           counts[PHRASES] == table->word_count && counts[EMITS] == counts[EMIT_CHARS] &&
           counts[HMM] == HMM_FLOATS && table->log_total > 0 && table->log_total < 100;
}

static bool sounds_are_sound(const struct prl_zh_table *table)
{
    uint32_t code_count = table->counts[KOKORO];
    for (uint32_t i = 0; i < table->counts[SYLLABLES]; i++)
        if (table->syllables[(size_t)i * SYLLABLE_BYTES + SYLLABLE_BYTES - 1])
            return false;
    for (uint32_t i = 0; i < code_count; i++)
        if (table->kokoro[(size_t)i * KOKORO_BYTES] > PRL_ZH_KOKORO_MAX)
            return false;
    for (uint32_t i = 0; i < table->counts[CODES]; i++)
        if (table->codes[i] >= code_count)
            return false;
    for (uint32_t i = 0; i < table->counts[CHARS]; i++)
        if (table->chars[i].code >= code_count)
            return false;
    return true;
}

static bool words_are_sound(const struct prl_zh_table *table)
{
    if (table->offsets[0] != 0 || table->offsets[table->word_count] != table->counts[UNITS])
        return false;
    for (uint32_t i = 0; i < table->word_count; i++) {
        uint32_t start = table->offsets[i];
        uint32_t end = table->offsets[i + 1];
        if (end <= start || end - start > PRL_ZH_WORD_MAX || end > table->counts[UNITS])
            return false;
        uint32_t phrase = table->phrases[i];
        if (phrase != NO_PHRASE &&
            (phrase > table->counts[CODES] || end - start > table->counts[CODES] - phrase))
            return false;
    }
    return true;
}

enum prl_err prl_zh_table_create(struct prl_zh_table **out, const char *path, char *why,
                                 size_t why_size)
{
    PRL_CHECK(out && path && why && why_size);
    *out = NULL;
    struct prl_zh_table *table = prl_mem_zalloc(sizeof(*table));
    if (!table)
        return PRL_ERR_NOMEM;
    enum prl_err err = map_file(table, path, why, why_size);
    if (!err && !(find_sections(table) && counts_are_sound(table) && sounds_are_sound(table) &&
                  words_are_sound(table))) {
        (void)snprintf(why, why_size,
                       "the Chinese table %s is damaged or of another version; "
                       "run make setup",
                       path);
        err = PRL_ERR_INVALID;
    }
    if (err) {
        prl_zh_table_destroy(&table);
        return err;
    }
    *out = table;
    return PRL_OK;
}

void prl_zh_table_destroy(struct prl_zh_table **table)
{
    PRL_CHECK(table != NULL);
    if (*table && (*table)->map)
        (void)munmap((*table)->map, (*table)->map_bytes);
    prl_mem_free(*table);
    *table = NULL;
}

uint16_t prl_zh_table_char(const struct prl_zh_table *table, uint32_t character,
                           uint32_t *simplified)
{
    size_t low = 0;
    size_t high = table->counts[CHARS];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->chars[middle].character < character)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < table->counts[CHARS] && table->chars[low].character == character;
    if (simplified)
        *simplified = found ? table->chars[low].simplified : character;
    return found ? table->chars[low].code : PRL_ZH_NO_CODE;
}

void prl_zh_table_begin(const struct prl_zh_table *table, struct prl_zh_walk *walk)
{
    *walk = (struct prl_zh_walk){0, table->word_count, 0};
}

// The unit at `depth` of a word, 0 where the word is over: shorter words sort first.
static uint16_t unit_at(const struct prl_zh_table *table, uint32_t word, uint32_t depth)
{
    uint32_t at = table->offsets[word] + depth;
    return at < table->offsets[word + 1] ? table->units[at] : 0;
}

// First word of [low, high) whose unit at `depth` is not below `unit`.
static uint32_t lower_bound(const struct prl_zh_table *table, const struct prl_zh_walk *walk,
                            uint32_t unit)
{
    uint32_t low = walk->low;
    uint32_t high = walk->high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (unit_at(table, middle, walk->depth) < unit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool prl_zh_table_step(const struct prl_zh_table *table, struct prl_zh_walk *walk, uint16_t unit)
{
    uint32_t low = lower_bound(table, walk, unit);
    uint32_t high = lower_bound(table, walk, (uint32_t)unit + 1);
    walk->low = low;
    walk->high = high;
    walk->depth++;
    return low < high;
}

// The first word of the range, when it ends at the walk's depth.
static bool word_ends(const struct prl_zh_table *table, const struct prl_zh_walk *walk)
{
    return walk->low < walk->high && walk->depth > 0 &&
           table->offsets[walk->low + 1] - table->offsets[walk->low] == walk->depth;
}

uint32_t prl_zh_table_freq(const struct prl_zh_table *table, const struct prl_zh_walk *walk)
{
    return word_ends(table, walk) ? table->freqs[walk->low] : 0;
}

const uint16_t *prl_zh_table_phrase(const struct prl_zh_table *table,
                                    const struct prl_zh_walk *walk)
{
    if (!word_ends(table, walk) || table->phrases[walk->low] == NO_PHRASE)
        return NULL;
    return table->codes + table->phrases[walk->low];
}

double prl_zh_table_log_total(const struct prl_zh_table *table)
{
    return table->log_total;
}

uint16_t prl_zh_table_code(const struct prl_zh_table *table, const char *syllable, int tone)
{
    PRL_CHECK(tone >= 1 && tone <= PRL_ZH_TONES);
    size_t low = 0;
    size_t high = table->counts[SYLLABLES];
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(table->syllables + middle * SYLLABLE_BYTES, syllable);
        if (order == 0)
            return (uint16_t)(middle * PRL_ZH_TONES + (size_t)tone - 1);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return PRL_ZH_NO_CODE;
}

const char *prl_zh_table_syllable(const struct prl_zh_table *table, uint16_t code)
{
    PRL_CHECK(code < table->counts[KOKORO]);
    return table->syllables + (size_t)(code / PRL_ZH_TONES) * SYLLABLE_BYTES;
}

size_t prl_zh_table_kokoro(const struct prl_zh_table *table, uint16_t code, const uint8_t **ids)
{
    PRL_CHECK(code < table->counts[KOKORO]);
    const uint8_t *entry = table->kokoro + (size_t)code * KOKORO_BYTES;
    *ids = entry + 1;
    return entry[0];
}

void prl_zh_table_baker(const struct prl_zh_table *table, uint16_t code, uint8_t *initial,
                        uint8_t *final)
{
    PRL_CHECK(code < table->counts[BAKER]);
    *initial = table->baker[(size_t)code * 2];
    *final = table->baker[(size_t)code * 2 + 1];
}

const float *prl_zh_table_emit(const struct prl_zh_table *table, uint16_t unit)
{
    size_t low = 0;
    size_t high = table->counts[EMIT_CHARS];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->emit_chars[middle] < unit)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == table->counts[EMIT_CHARS] || table->emit_chars[low] != unit)
        return NULL;
    return table->emits + low * PRL_ZH_STATES;
}

const float *prl_zh_table_hmm(const struct prl_zh_table *table)
{
    return table->hmm;
}

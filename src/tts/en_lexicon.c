// en_lexicon.c -- see en_lexicon.h. A word is an array of code points here, since the rules compare
// and change case by character; it becomes UTF-8 only to be looked up.
#include "tts/en_lexicon.h"

#include <string.h>

#include "base/str.h"
#include "tts/en_chars.h"
#include "tts/en_token.h"

enum { WORD_MAX = PRL_EN_CHUNK_MAX + 8 };
enum { NONE = PRL_EN_STRESS_NONE };

struct word {
    uint32_t c[WORD_MAX];
    size_t n;
};

// What the rules ask about.
struct query {
    const struct prl_table *table;
    const char *tag; // "" for none
    int stress;
    const struct prl_en_context *context; // NULL for none
};

static struct word word_make(const char *text, size_t len)
{
    struct word word = {.n = 0};
    for (size_t at = 0; at < len && word.n < WORD_MAX;) {
        uint32_t c;
        at += prl_utf8_decode(text + at, len - at, &c);
        word.c[word.n++] = prl_en_is_apostrophe(c) ? '\'' : c;
    }
    return word;
}

// The first n characters of `word`, then `end`.
static struct word word_stem(const struct word *word, size_t n, const char *end)
{
    struct word stem = *word;
    stem.n = n;
    for (; *end && stem.n < WORD_MAX; end++)
        stem.c[stem.n++] = (unsigned char)*end;
    return stem;
}

static bool word_is(const struct word *word, const char *ascii)
{
    size_t i = 0;
    for (; i < word->n && ascii[i]; i++)
        if (word->c[i] != (unsigned char)ascii[i])
            return false;
    return i == word->n && !ascii[i];
}

static bool word_in(const struct word *word, const char *a, const char *b, const char *c)
{
    return word_is(word, a) || word_is(word, b) || (c && word_is(word, c));
}

static bool word_ends(const struct word *word, const char *ascii)
{
    size_t len = strlen(ascii);
    if (len > word->n)
        return false;
    for (size_t i = 0; i < len; i++)
        if (word->c[word->n - len + i] != (unsigned char)ascii[i])
            return false;
    return true;
}

static struct word word_lower(const struct word *word)
{
    struct word lower = *word;
    for (size_t i = 0; i < lower.n; i++)
        lower.c[i] = prl_en_lower(lower.c[i]);
    return lower;
}

// Without small (`low`) or capital letters from index `from` on?
static bool word_lacks(const struct word *word, size_t from, bool low)
{
    for (size_t i = from; i < word->n; i++)
        if ((low ? prl_en_upper(word->c[i]) : prl_en_lower(word->c[i])) != word->c[i])
            return false;
    return true;
}

static bool word_is_lower(const struct word *word)
{
    return word_lacks(word, 0, false);
}

static bool word_is_upper(const struct word *word)
{
    return word_lacks(word, 0, true);
}

static bool word_is_letters(const struct word *word, uint32_t except)
{
    size_t letters = 0;
    for (size_t i = 0; i < word->n; i++) {
        if (prl_en_is_letter(word->c[i]))
            letters++;
        else if (word->c[i] != except)
            return false;
    }
    return letters > 0;
}

static struct prl_span exact_find(const struct prl_table *table, enum prl_table_section section,
                                  const struct word *word)
{
    char text[4 * WORD_MAX];
    size_t len = 0;
    for (size_t i = 0; i < word->n; i++)
        len += prl_utf8_encode(word->c[i], text + len);
    return prl_table_find(table, section, text, len);
}

// A small word also answers for its capitalised form and the other way round, unless that has an
// entry of its own.
static struct prl_span find(const struct prl_table *table, enum prl_table_section section,
                            const struct word *word)
{
    struct prl_span value = exact_find(table, section, word);
    if (value.data || word->n < 2)
        return value;
    bool tail_lower = word_lacks(word, 1, false);
    uint32_t lower = prl_en_lower(word->c[0]), upper = prl_en_upper(word->c[0]);
    if (!tail_lower || lower == upper)
        return value;
    struct word other = *word;
    other.c[0] = word->c[0] == lower ? upper : lower;
    return exact_find(table, section, &other);
}

static bool has(const struct prl_table *table, enum prl_table_section section,
                const struct word *word)
{
    return find(table, section, word).data != NULL;
}

static const char *tag_parent(const char *tag)
{
    if (strncmp(tag, "VB", 2) == 0)
        return "VERB";
    if (strncmp(tag, "NN", 2) == 0)
        return "NOUN";
    if (strncmp(tag, "ADV", 3) == 0 || strncmp(tag, "RB", 2) == 0)
        return "ADV";
    if (strncmp(tag, "ADJ", 3) == 0 || strncmp(tag, "JJ", 2) == 0)
        return "ADJ";
    return tag;
}

// The reading for `tag` in an entry with several: \1tag\2phonemes…; false when it has no such tag.
// A reading of \3 (none) gives data NULL.
static bool variant_find(struct prl_span entry, const char *tag, struct prl_span *value)
{
    size_t tag_len = strlen(tag);
    const char *at = entry.data, *end = entry.data + entry.len;
    while (at < end && *at == '\x01') {
        const char *name = at + 1;
        const char *mark = memchr(name, '\x02', (size_t)(end - name));
        if (!mark)
            return false;
        const char *next = memchr(mark, '\x01', (size_t)(end - mark));
        if (!next)
            next = end;
        if ((size_t)(mark - name) == tag_len && memcmp(name, tag, tag_len) == 0) {
            *value = (struct prl_span){mark + 1, (size_t)(next - mark - 1)};
            if (value->len == 1 && value->data[0] == '\x03')
                value->data = NULL;
            return true;
        }
        at = next;
    }
    return false;
}

static struct prl_span entry_reading(struct prl_span entry, const struct query *query)
{
    struct prl_span value = {NULL, 0};
    if (!entry.data || entry.len == 0 || entry.data[0] != '\x01')
        return entry;
    if (query->context && query->context->next == PRL_EN_NEXT_PAUSE &&
        variant_find(entry, "None", &value))
        return value;
    if (query->tag[0] && variant_find(entry, query->tag, &value))
        return value;
    if (query->tag[0] && variant_find(entry, tag_parent(query->tag), &value))
        return value;
    (void)variant_find(entry, "DEFAULT", &value);
    return value;
}

static bool spell(const struct prl_table *table, const struct word *word, struct prl_en_buf *out)
{
    prl_en_buf_clear(out);
    size_t letters = 0;
    for (size_t i = 0; i < word->n; i++) {
        if (!prl_en_is_letter(word->c[i]))
            continue;
        struct word letter = {.c = {prl_en_upper(word->c[i])}, .n = 1};
        struct prl_span name = find(table, PRL_TABLE_GOLD, &letter);
        if (!name.data)
            return false;
        prl_en_buf_add(out, name.data, name.len);
        letters++;
    }
    if (letters == 0)
        return false;
    prl_en_stress(out, PRL_EN_STRESS_LETTERS);
    // The last mark becomes the primary one.
    static const char mark[] = "ˌ";
    size_t mark_len = sizeof(mark) - 1;
    for (size_t at = out->len; at >= mark_len; at--)
        if (memcmp(out->text + at - mark_len, mark, mark_len) == 0) {
            memcpy(out->text + at - mark_len, "ˈ", mark_len);
            break;
        }
    return true;
}

static bool lookup(const struct query *query, const struct word *as, struct prl_en_buf *out)
{
    struct word word = *as;
    bool name = false;
    if (word_is_upper(&word) && !has(query->table, PRL_TABLE_GOLD, &word)) {
        word = word_lower(&word);
        name = strcmp(query->tag, "NNP") == 0;
    }
    struct prl_span entry = find(query->table, PRL_TABLE_GOLD, &word);
    if (!entry.data && !name)
        entry = find(query->table, PRL_TABLE_SILVER, &word);
    struct prl_span value = entry_reading(entry, query);
    bool stressed = value.data && memmem(value.data, value.len, "ˈ", strlen("ˈ"));
    if (!value.data || (name && !stressed)) {
        if (spell(query->table, &word, out))
            return true;
        if (!value.data)
            return false;
    }
    prl_en_buf_set(out, value.data, value.len);
    prl_en_stress(out, query->stress);
    return true;
}

static bool lookup_ascii(const struct query *query, const char *word, const char *tag, int stress,
                         struct prl_en_buf *out)
{
    struct query other = *query;
    struct word as = word_make(word, strlen(word));
    other.tag = tag;
    other.stress = stress;
    return lookup(&other, &as, out);
}

static const char *symbol_name(const struct word *word)
{
    static const char *const names[][2] = {
        {"%", "percent"}, {"&", "and"}, {"+", "plus"}, {"@", "at"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (word_is(word, names[i][0]))
            return names[i][1];
    return NULL;
}

static bool is_known(const struct query *query, const struct word *word)
{
    if (has(query->table, PRL_TABLE_GOLD, word) || symbol_name(word) ||
        has(query->table, PRL_TABLE_SILVER, word))
        return true;
    if (!word_is_letters(word, 0))
        return false;
    for (size_t i = 0; i < word->n; i++)
        if (word->c[i] > 'z')
            return false;
    if (word->n == 1)
        return true;
    if (word_is_upper(word)) {
        struct word lower = word_lower(word);
        if (has(query->table, PRL_TABLE_GOLD, &lower))
            return true;
    }
    return word_lacks(word, 1, true);
}

// Initials: "U.S.A", "e.g": letters and stops, no part over two letters.
static bool is_initials(const struct word *word)
{
    size_t from = 0, to = word->n, run = 0;
    while (from < to && word->c[from] == '.')
        from++;
    while (to > from && word->c[to - 1] == '.')
        to--;
    bool inner = false;
    for (size_t i = from; i < to; i++)
        inner |= word->c[i] == '.';
    if (!inner || !word_is_letters(word, '.'))
        return false;
    for (size_t i = from; i < to; i++) {
        run = word->c[i] == '.' ? 0 : run + 1;
        if (run > 2)
            return false;
    }
    return true;
}

static bool set(struct prl_en_buf *out, const char *phonemes)
{
    prl_en_buf_set(out, phonemes, strlen(phonemes));
    return true;
}

static bool gold_variant(const struct query *query, const char *word, const char *variant,
                         struct prl_en_buf *out)
{
    struct word as = word_make(word, strlen(word));
    struct prl_span entry = find(query->table, PRL_TABLE_GOLD, &as), value = entry;
    if (variant && !(entry.data && variant_find(entry, variant, &value)))
        return false;
    if (!value.data)
        return false;
    prl_en_buf_set(out, value.data, value.len);
    return true;
}

static bool am_read(const struct query *query, const struct word *word, struct prl_en_buf *out)
{
    if (strncmp(query->tag, "NN", 2) == 0)
        return spell(query->table, word, out);
    bool full = query->context->next == PRL_EN_NEXT_PAUSE || !word_is(word, "am") ||
                (query->stress != NONE && query->stress > 0);
    return full ? gold_variant(query, "am", NULL, out) : set(out, "ɐm");
}

static bool an_read(const struct query *query, const struct word *word, struct prl_en_buf *out)
{
    if (word_is(word, "AN") && strncmp(query->tag, "NN", 2) == 0)
        return spell(query->table, word, out);
    return set(out, "ɐn");
}

static bool to_read(const struct query *query, struct prl_en_buf *out)
{
    if (query->context->next == PRL_EN_NEXT_PAUSE)
        return gold_variant(query, "to", NULL, out);
    return set(out, query->context->next == PRL_EN_NEXT_VOWEL ? "tʊ" : "tə");
}

static bool tag_is(const struct query *query, const char *tag)
{
    return strcmp(query->tag, tag) == 0;
}

// "a", "am", "an", "to", "in", "the" by what follows. *known is false for other words.
static bool article_read(const struct query *query, const struct word *word, struct prl_en_buf *out,
                         bool *known)
{
    enum prl_en_next next = query->context->next;
    *known = true;
    if (word_in(word, "a", "A", NULL))
        return set(out, tag_is(query, "DT") ? "ɐ" : "ˈA");
    if (word_in(word, "am", "Am", "AM"))
        return am_read(query, word, out);
    if (word_in(word, "an", "An", "AN"))
        return an_read(query, word, out);
    if (word_in(word, "to", "To", NULL) ||
        (word_is(word, "TO") && (tag_is(query, "TO") || tag_is(query, "IN"))))
        return to_read(query, out);
    if (word_in(word, "in", "In", NULL) || (word_is(word, "IN") && !tag_is(query, "NNP")))
        return set(out, next == PRL_EN_NEXT_PAUSE || !tag_is(query, "IN") ? "ˈɪn" : "ɪn");
    if (word_in(word, "the", "The", NULL) || (word_is(word, "THE") && tag_is(query, "DT")))
        return set(out, next == PRL_EN_NEXT_VOWEL ? "ði" : "ðə");
    *known = false;
    return false;
}

// Words with rules of their own. *known tells whether one applied; its reading may still fail.
static bool special_read(const struct query *query, const struct word *word, struct prl_en_buf *out,
                         bool *known)
{
    const char *tag = query->tag;
    *known = true;
    if (strcmp(tag, "ADD") == 0 && word_in(word, ".", "/", NULL))
        return lookup_ascii(query, word_is(word, ".") ? "dot" : "slash", "", PRL_EN_STRESS_WEAKER,
                            out);
    const char *symbol = symbol_name(word);
    if (symbol)
        return lookup_ascii(query, symbol, "", NONE, out);
    if (is_initials(word))
        return spell(query->table, word, out);
    bool read = article_read(query, word, out, known);
    if (*known)
        return read;
    *known = true;
    if (word_is(word, "I") && strcmp(tag, "PRP") == 0)
        return set(out, "ˌI");
    if (word_in(word, "by", "By", "BY") && strcmp(tag_parent(tag), "ADV") == 0)
        return set(out, "bˈI");
    if (strcmp(tag, "IN") == 0) {
        struct word lower = word_lower(word);
        if (word_in(&lower, "vs", "vs.", NULL))
            return lookup_ascii(query, "versus", "", NONE, out);
    }
    if (word_in(word, "used", "Used", "USED")) {
        bool past = (strcmp(tag, "VBD") == 0 || strcmp(tag, "JJ") == 0) && query->context->to;
        return gold_variant(query, "used", past ? "VBD" : "DEFAULT", out);
    }
    *known = false;
    return false;
}

static void s_add(const struct prl_table *table, struct prl_en_buf *phonemes)
{
    uint32_t before, last = prl_en_buf_last(phonemes, &before);
    if (prl_en_in(last, "ptkfθ"))
        prl_en_buf_adds(phonemes, "s");
    else if (prl_en_in(last, "szʃʒʧʤ"))
        prl_en_buf_adds(phonemes, prl_table_british(table) ? "ɪz" : "ᵻz");
    else
        prl_en_buf_adds(phonemes, "z");
}

static void ed_add(const struct prl_table *table, struct prl_en_buf *phonemes)
{
    bool british = prl_table_british(table);
    uint32_t before, last = prl_en_buf_last(phonemes, &before);
    if (prl_en_in(last, "pkfθʃsʧ")) {
        prl_en_buf_adds(phonemes, "t");
    } else if (last == 'd') {
        prl_en_buf_adds(phonemes, british ? "ɪd" : "ᵻd");
    } else if (last != 't') {
        prl_en_buf_adds(phonemes, "d");
    } else if (british || !before) {
        prl_en_buf_adds(phonemes, "ɪd");
    } else if (prl_en_is_flapping(before)) {
        prl_en_buf_pop(phonemes);
        prl_en_buf_adds(phonemes, "ɾᵻd");
    } else {
        prl_en_buf_adds(phonemes, "ᵻd");
    }
}

static bool ing_add(const struct prl_table *table, struct prl_en_buf *phonemes)
{
    uint32_t before, last = prl_en_buf_last(phonemes, &before);
    if (prl_table_british(table)) {
        if (prl_en_in(last, "əː"))
            return false;
    } else if (last == 't' && before && prl_en_is_flapping(before)) {
        prl_en_buf_pop(phonemes);
        prl_en_buf_adds(phonemes, "ɾ");
    }
    prl_en_buf_adds(phonemes, "ɪŋ");
    return true;
}

static bool s_read(const struct query *query, const struct word *word, struct prl_en_buf *out)
{
    if (word->n < 3 || !word_ends(word, "s"))
        return false;
    struct word one = word_stem(word, word->n - 1, ""), two = word_stem(word, word->n - 2, "");
    struct word y = word_stem(word, word->n - 3, "y");
    const struct word *stem = NULL;
    if (!word_ends(word, "ss") && is_known(query, &one))
        stem = &one;
    else if ((word_ends(word, "'s") ||
              (word->n > 4 && word_ends(word, "es") && !word_ends(word, "ies"))) &&
             is_known(query, &two))
        stem = &two;
    else if (word->n > 4 && word_ends(word, "ies") && is_known(query, &y))
        stem = &y;
    if (!stem || !lookup(query, stem, out) || out->len == 0)
        return false;
    s_add(query->table, out);
    return true;
}

static bool ed_read(const struct query *query, const struct word *word, struct prl_en_buf *out)
{
    if (word->n < 4 || !word_ends(word, "d"))
        return false;
    struct word one = word_stem(word, word->n - 1, ""), two = word_stem(word, word->n - 2, "");
    const struct word *stem = NULL;
    if (!word_ends(word, "dd") && is_known(query, &one))
        stem = &one;
    else if (word->n > 4 && word_ends(word, "ed") && !word_ends(word, "eed") &&
             is_known(query, &two))
        stem = &two;
    if (!stem || !lookup(query, stem, out) || out->len == 0)
        return false;
    ed_add(query->table, out);
    return true;
}

// "running", "mimicking": a doubled consonant or ck before -ing.
static bool is_doubled(const struct word *word)
{
    size_t n = word->n;
    if (n < 5)
        return false;
    uint32_t a = word->c[n - 5], b = word->c[n - 4];
    return (a == b && prl_en_in(a, "bcdgklmnprstvxz")) || (a == 'c' && b == 'k');
}

static bool ing_read(const struct query *query, const struct word *word, struct prl_en_buf *out)
{
    if (word->n < 5 || !word_ends(word, "ing"))
        return false;
    struct word bare = word_stem(word, word->n - 3, ""), e = word_stem(word, word->n - 3, "e");
    struct word single = word_stem(word, word->n - 4, "");
    const struct word *stem = NULL;
    if (word->n > 5 && is_known(query, &bare))
        stem = &bare;
    else if (is_known(query, &e))
        stem = &e;
    else if (word->n > 5 && is_doubled(word) && is_known(query, &single))
        stem = &single;
    if (!stem || !lookup(query, stem, out) || out->len == 0)
        return false;
    return ing_add(query->table, out);
}

// A capitalised word that only its small form has a reading for?
static bool reads_as_lower(const struct query *query, const struct word *word,
                           const struct word *lower, struct prl_en_buf *scratch)
{
    if (word->n <= 1 || !word_is_letters(word, '\'') || word_is_lower(word) ||
        (strcmp(query->tag, "NNP") == 0 && word->n <= 7) ||
        has(query->table, PRL_TABLE_GOLD, word) || has(query->table, PRL_TABLE_SILVER, word) ||
        !(word_is_upper(word) || word_lacks(word, 1, false)))
        return false;
    return has(query->table, PRL_TABLE_GOLD, lower) || has(query->table, PRL_TABLE_SILVER, lower) ||
           s_read(query, lower, scratch) || ed_read(query, lower, scratch) ||
           ing_read(query, lower, scratch);
}

static bool word_read(const struct query *query, const struct word *as, struct prl_en_buf *out)
{
    bool known;
    bool read = special_read(query, as, out, &known);
    if (known && read)
        return true;
    struct word lower = word_lower(as);
    const struct word *word = reads_as_lower(query, as, &lower, out) ? &lower : as;
    if (is_known(query, word))
        return lookup(query, word, out);
    struct word own = word_stem(word, word->n > 2 ? word->n - 2 : 0, "'s");
    if (word_ends(word, "s'") && is_known(query, &own))
        return lookup(query, &own, out);
    struct word cut = word_stem(word, word->n ? word->n - 1 : 0, "");
    if (word_ends(word, "'") && is_known(query, &cut))
        return lookup(query, &cut, out);
    if (s_read(query, word, out) || ed_read(query, word, out))
        return true;
    struct query running = *query;
    if (running.stress == NONE)
        running.stress = PRL_EN_STRESS_CAPITAL;
    return ing_read(&running, word, out);
}

bool prl_en_lexicon_read(const struct prl_table *table, const char *text, size_t len,
                         const char *tag, const struct prl_en_context *context,
                         struct prl_en_buf *out)
{
    struct word word = word_make(text, len);
    struct query query = {table, tag, NONE, context};
    if (!word_is_lower(&word))
        query.stress = word_is_upper(&word) ? PRL_EN_STRESS_CAPITALS : PRL_EN_STRESS_CAPITAL;
    prl_en_buf_clear(out);
    return word_read(&query, &word, out);
}

bool prl_en_lexicon_spell(const struct prl_table *table, const char *text, size_t len,
                          struct prl_en_buf *out)
{
    struct word word = word_make(text, len);
    return spell(table, &word, out);
}

void prl_en_lexicon_digits(const struct prl_table *table, const char *text, size_t len,
                           struct prl_en_buf *out)
{
    static const char *const names[] = {"zero", "one", "two",   "three", "four",
                                        "five", "six", "seven", "eight", "nine"};
    struct query query = {table, "", NONE, NULL};
    struct prl_en_buf one;
    prl_en_buf_clear(out);
    for (size_t i = 0; i < len; i++) {
        bool digit = prl_en_is_digit((unsigned char)text[i]);
        if (!digit && text[i] != '.')
            continue;
        if (!lookup_ascii(&query, digit ? names[text[i] - '0'] : "point", "",
                          digit ? NONE : PRL_EN_STRESS_BARE, &one))
            continue;
        if (out->len > 0)
            prl_en_buf_addc(out, ' ');
        prl_en_buf_add(out, one.text, one.len);
    }
}

// en_token.c -- see en_token.h. A run of non-spaces is decoded once into code points and their byte
// offsets; positions below are indexes into that, [a, b) is what is left of the run.
#include "tts/en_token.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "tts/en_chars.h"

static const char punctuation[] = "…,:;!?¿¡()[]{}<>_#*&。？！，、；：～·";
static const char quotes[] = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉";
static const char icons[] = "™®©°§¶†‡•";
static const char currencies[] = "$£€¥฿₽₹₩₪₺₴₦₫₱₲₵₸₼₾₿";
static const char *const units[] = {
    "km", "km²", "km³", "m",  "m²",  "m³",   "dm",  "dm²", "dm³", "cm", "cm²",  "cm³",
    "mm", "mm²", "mm³", "ha", "µm",  "nm",   "yd",  "in",  "ft",  "kg", "g",    "mg",
    "µg", "t",   "lb",  "oz", "m/s", "km/h", "kmh", "mph", "hPa", "Pa", "mbar", "mb",
    "MB", "kb",  "KB",  "gb", "GB",  "tb",   "TB",  "T",   "G",   "M",  "K",    "%"};

struct chunk {
    const char *text; // of the whole input
    uint32_t offset[PRL_EN_CHUNK_MAX + 1];
    uint32_t c[PRL_EN_CHUNK_MAX];
    size_t count;
};

struct piece {
    size_t a, b;
};

struct pieces {
    struct piece at[2 * PRL_EN_CHUNK_MAX];
    size_t count;
};

static void piece_add(struct pieces *list, size_t a, size_t b)
{
    PRL_CHECK(list->count < sizeof(list->at) / sizeof(list->at[0]));
    list->at[list->count++] = (struct piece){a, b};
}

static struct prl_span special_find(const struct prl_table *table, const struct chunk *chunk,
                                    size_t a, size_t b)
{
    return prl_table_find(table, PRL_TABLE_SPECIAL, chunk->text + chunk->offset[a],
                          chunk->offset[b] - chunk->offset[a]);
}

static size_t dots_at(const struct chunk *chunk, size_t a, size_t b)
{
    size_t n = 0;
    while (a + n < b && chunk->c[a + n] == '.')
        n++;
    return n;
}

static size_t prefix_len(const struct chunk *chunk, size_t a, size_t b)
{
    uint32_t c = chunk->c[a];
    if (prl_en_in(c, "§%=—–…") || prl_en_in(c, punctuation) || prl_en_in(c, quotes) ||
        prl_en_in(c, currencies) || prl_en_in(c, icons))
        return 1;
    if (c == '+')
        return a + 1 < b && prl_en_is_digit(chunk->c[a + 1]) ? 0 : 1;
    size_t dots = dots_at(chunk, a, b);
    if (dots >= 2)
        return dots;
    if (b - a >= 3 && c == 'U' && chunk->c[a + 1] == 'S' && chunk->c[a + 2] == '$')
        return 3;
    return b - a >= 2 && (c == 'C' || c == 'A') && chunk->c[a + 1] == '$' ? 2 : 0;
}

// Characters of the longest unit (or of "US$", "C$", "A$") at the end, behind a digit.
static size_t unit_len(const struct chunk *chunk, size_t a, size_t b)
{
    const char *end = chunk->text + chunk->offset[b];
    size_t best = 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t len = strlen(units[i]);
        if (len > chunk->offset[b] - chunk->offset[a] || memcmp(end - len, units[i], len) != 0)
            continue;
        size_t at = b;
        while (chunk->offset[b] - chunk->offset[at] < len)
            at--;
        if (at > a && prl_en_is_digit(chunk->c[at - 1]) && b - at > best)
            best = b - at;
    }
    if (chunk->c[b - 1] == '$') {
        if (b - a >= 4 && chunk->c[b - 2] == 'S' && chunk->c[b - 3] == 'U' &&
            prl_en_is_digit(chunk->c[b - 4]))
            return 3;
        if (b - a >= 3 && (chunk->c[b - 2] == 'C' || chunk->c[b - 2] == 'A') &&
            prl_en_is_digit(chunk->c[b - 3]))
            return 2;
    }
    return best;
}

// A full stop that ends a token, by what stands before it.
static bool stop_ends(const struct chunk *chunk, size_t a, size_t b)
{
    if (b - a < 2)
        return false;
    uint32_t before = chunk->c[b - 2];
    if (prl_en_is_digit(before) || prl_en_is_low(before) || prl_en_in(before, "%²-+") ||
        prl_en_in(before, punctuation) || prl_en_in(before, quotes))
        return true;
    if (b - a < 3)
        return false;
    if (prl_en_in(before, "FfCcKk") && chunk->c[b - 3] == 0xb0)
        return true;
    return prl_en_is_up(before) && prl_en_is_up(chunk->c[b - 3]);
}

static size_t suffix_len(const struct chunk *chunk, size_t a, size_t b)
{
    if (a >= b)
        return 0;
    uint32_t c = chunk->c[b - 1];
    if (c == '.') {
        size_t dots = 0;
        while (b - dots > a && chunk->c[b - dots - 1] == '.')
            dots++;
        if (dots >= 2)
            return dots;
        return stop_ends(chunk, a, b) ? 1 : 0;
    }
    if (c == 0x2026 && b - a >= 2 && chunk->c[b - 2] == 0x2026)
        return 2;
    if ((c == 's' || c == 'S') && b - a >= 2 &&
        (chunk->c[b - 2] == '\'' || chunk->c[b - 2] == 0x2019))
        return 2;
    size_t unit = unit_len(chunk, a, b);
    if (unit)
        return unit;
    if (prl_en_in(c, punctuation) || prl_en_in(c, quotes) || prl_en_in(c, icons) ||
        prl_en_in(c, "—–"))
        return 1;
    if (c == '+' || prl_en_in(c, currencies))
        return b - a >= 2 && prl_en_is_digit(chunk->c[b - 2]) ? 1 : 0;
    return 0;
}

// Length of a dash between letters or digits and a letter, 0 for none.
static size_t dash_len(const struct chunk *chunk, size_t i, size_t b)
{
    static const char *const dashes[] = {"-", "–", "—", "--", "---", "——", "~"};
    const char *here = chunk->text + chunk->offset[i];
    for (size_t d = 0; d < sizeof(dashes) / sizeof(dashes[0]); d++) {
        size_t len = strlen(dashes[d]);
        if (len > chunk->offset[b] - chunk->offset[i] || memcmp(here, dashes[d], len) != 0)
            continue;
        size_t end = i;
        while (chunk->offset[end] - chunk->offset[i] < len)
            end++;
        if (end < b && prl_en_is_letter(chunk->c[end]))
            return end - i;
    }
    return 0;
}

// Length of a separator inside a word at i, a < i; 0 for none.
static size_t infix_len(const struct chunk *chunk, size_t i, size_t b)
{
    uint32_t c = chunk->c[i], before = chunk->c[i - 1];
    uint32_t after = i + 1 < b ? chunk->c[i + 1] : 0;
    size_t dots = dots_at(chunk, i, b);
    if (dots >= 2)
        return dots;
    if (c == 0x2026 || prl_en_in(c, icons))
        return 1;
    if (prl_en_in(c, "+-*^") && prl_en_is_digit(before) && (prl_en_is_digit(after) || after == '-'))
        return 1;
    if (c == '.' && (prl_en_is_low(before) || prl_en_in(before, quotes)) &&
        (prl_en_is_up(after) || (after && prl_en_in(after, quotes))))
        return 1;
    if (c == ',' && prl_en_is_letter(before) && prl_en_is_letter(after))
        return 1;
    if (!prl_en_is_letter(before) && !prl_en_is_digit(before))
        return 0;
    if (prl_en_in(c, ":<>=/") && prl_en_is_letter(after))
        return 1;
    return dash_len(chunk, i, b);
}

static void infix_split(const struct chunk *chunk, size_t a, size_t b, struct pieces *out)
{
    size_t start = a;
    for (size_t i = a + 1; i < b;) {
        size_t len = infix_len(chunk, i, b);
        if (!len) {
            i++;
            continue;
        }
        if (i > start)
            piece_add(out, start, i);
        piece_add(out, i, i + len);
        i += len;
        start = i;
    }
    if (start < b)
        piece_add(out, start, b);
}

// Signs peeled off the ends; what they leave is [a, b).
struct peeled {
    struct pieces before, after; // `after` from the outside in
    size_t a, b;
};

static void ends_peel(const struct prl_table *table, const struct chunk *chunk, struct peeled *peel)
{
    size_t last = SIZE_MAX;
    while (peel->a < peel->b && peel->b - peel->a != last &&
           !special_find(table, chunk, peel->a, peel->b).data) {
        size_t a = peel->a, b = peel->b;
        last = b - a;
        size_t prefix = prefix_len(chunk, a, b);
        if (prefix && a + prefix < b && special_find(table, chunk, a + prefix, b).data) {
            piece_add(&peel->before, a, a + prefix);
            peel->a = a + prefix;
            return;
        }
        size_t suffix = suffix_len(chunk, a + prefix, b);
        if (suffix && a < b - suffix && special_find(table, chunk, a, b - suffix).data) {
            piece_add(&peel->after, b - suffix, b);
            peel->b = b - suffix;
            return;
        }
        if (prefix) {
            piece_add(&peel->before, a, a + prefix);
            peel->a = a + prefix;
        }
        if (suffix) {
            piece_add(&peel->after, b - suffix, b);
            peel->b = b - suffix;
        }
    }
}

// Where tokens go.
struct sink {
    struct prl_en_token *tokens;
    size_t count, max;
};

static void token_add(struct sink *sink, size_t start, size_t len)
{
    if (sink->count < sink->max && len > 0)
        sink->tokens[sink->count++] =
            (struct prl_en_token){(uint32_t)start, (uint32_t)len, false, ""};
}

// A special case, at byte `start`: its tokens, which are its own characters in order.
static void special_add(struct sink *sink, size_t start, struct prl_span value)
{
    size_t from = 0, cut = 0; // `cut`: separators so far, which the text does not have
    for (size_t i = 0; i <= value.len; i++) {
        if (i < value.len && value.data[i] != '\x1f')
            continue;
        token_add(sink, start + from - cut, i - from);
        from = i + 1;
        cut++;
    }
}

static void piece_emit(const struct prl_table *table, const struct chunk *chunk, struct piece piece,
                       bool whole, struct sink *sink)
{
    struct prl_span value = {NULL, 0};
    if (whole)
        value = special_find(table, chunk, piece.a, piece.b);
    if (value.data)
        special_add(sink, chunk->offset[piece.a], value);
    else
        token_add(sink, chunk->offset[piece.a], chunk->offset[piece.b] - chunk->offset[piece.a]);
}

// Pieces that spell a special case together are one again: "Sept" "." is "Sept.".
static void pieces_emit(const struct prl_table *table, const struct chunk *chunk,
                        const struct pieces *list, struct sink *sink)
{
    for (size_t i = 0; i < list->count;) {
        size_t joined = 1;
        for (size_t k = 3; k >= 2; k--)
            if (i + k <= list->count &&
                special_find(table, chunk, list->at[i].a, list->at[i + k - 1].b).data) {
                joined = k;
                break;
            }
        struct piece piece = {list->at[i].a, list->at[i + joined - 1].b};
        piece_emit(table, chunk, piece, joined > 1, sink);
        i += joined;
    }
}

static void chunk_split(const struct prl_table *table, const struct chunk *chunk, struct sink *sink)
{
    if (chunk->count == 0)
        return;
    struct piece all = {0, chunk->count};
    if (special_find(table, chunk, 0, chunk->count).data) {
        piece_emit(table, chunk, all, true, sink);
        return;
    }
    struct peeled peel = {.b = chunk->count};
    ends_peel(table, chunk, &peel);
    struct pieces list = {.count = 0};
    for (size_t i = 0; i < peel.before.count; i++)
        piece_add(&list, peel.before.at[i].a, peel.before.at[i].b);
    struct prl_span value = {NULL, 0};
    if (peel.a < peel.b)
        value = special_find(table, chunk, peel.a, peel.b);
    if (value.data) {
        // Split here, so that the pieces can be rejoined with their neighbours.
        size_t a = peel.a, bytes = 0;
        for (size_t i = 0; i <= value.len; i++) {
            if (i < value.len && value.data[i] != '\x1f') {
                bytes++;
                continue;
            }
            size_t b = a;
            while (b < peel.b && chunk->offset[b] - chunk->offset[peel.a] < bytes)
                b++;
            if (b > a)
                piece_add(&list, a, b);
            a = b;
        }
    } else if (peel.a < peel.b) {
        infix_split(chunk, peel.a, peel.b, &list);
    }
    for (size_t i = peel.after.count; i-- > 0;)
        piece_add(&list, peel.after.at[i].a, peel.after.at[i].b);
    pieces_emit(table, chunk, &list, sink);
}

size_t prl_en_tokenize(const struct prl_table *table, const char *text, size_t len,
                       struct prl_en_token *tokens, size_t max)
{
    struct sink sink = {tokens, 0, max};
    struct chunk chunk = {.text = text};
    size_t at = 0;
    while (at < len) {
        uint32_t c;
        size_t bytes = prl_utf8_decode(text + at, len - at, &c);
        bool space = prl_en_is_space(c);
        if (!space) {
            chunk.offset[chunk.count] = (uint32_t)at;
            chunk.c[chunk.count++] = c;
        }
        chunk.offset[chunk.count] = (uint32_t)(space ? at : at + bytes);
        at += bytes;
        if (!space && chunk.count < PRL_EN_CHUNK_MAX && at < len)
            continue;
        chunk_split(table, &chunk, &sink);
        // Also where the run before was cut at its bound and nothing is left of it.
        if (space && sink.count > 0)
            sink.tokens[sink.count - 1].space = true;
        chunk.count = 0;
    }
    return sink.count;
}

// Lengths of what stands at i, in characters; 0 when it does not apply.

static size_t hump_len(const uint32_t *c, size_t n, size_t i)
{
    // The shortest run that ends in a small letter before a capital: letters, then groups of an
    // apostrophe and a letter, then that small letter.
    for (size_t run = 0; i + run < n; run++) {
        for (size_t at = i + run;;) {
            if (at + 1 < n && prl_en_is_low(c[at]) && prl_en_is_up(c[at + 1]))
                return at + 1 - i;
            if (at + 1 < n && prl_en_is_apostrophe(c[at]) && prl_en_is_letter(c[at + 1]))
                at += 2;
            else
                break;
        }
        if (!prl_en_is_letter(c[i + run]))
            break;
    }
    return 0;
}

static size_t word_len(const uint32_t *c, size_t n, size_t i)
{
    size_t at = i;
    while (at < n && prl_en_is_letter(c[at]))
        at++;
    if (at == i)
        return 0;
    while (at + 1 < n && prl_en_is_apostrophe(c[at]) && prl_en_is_letter(c[at + 1]))
        at += 2;
    return at - i;
}

static size_t digits_len(const uint32_t *c, size_t n, size_t i)
{
    size_t at = i;
    if (i == 0 && c[0] == '-')
        at++;
    size_t first = at;
    for (;;) {
        size_t sign = at < n && (c[at] == ',' || c[at] == '.') ? 1 : 0;
        if (at + sign >= n || !prl_en_is_digit(c[at + sign]))
            break;
        at += sign + 1;
    }
    return at > first ? at - i : 0;
}

static size_t run_len(const uint32_t *c, size_t n, size_t i, bool apostrophes)
{
    size_t at = i;
    while (at < n && (apostrophes ? prl_en_is_apostrophe(c[at]) : c[at] == '-' || c[at] == '_'))
        at++;
    return at - i;
}

static size_t subtoken_len(const uint32_t *c, size_t n, size_t i)
{
    size_t apostrophes = run_len(c, n, i, true);
    if (i == 0 && apostrophes)
        return apostrophes;
    if (i + 2 < n && prl_en_is_up(c[i]) && prl_en_is_up(c[i + 1]) && prl_en_is_low(c[i + 2]))
        return 1;
    size_t len = digits_len(c, n, i);
    if (!len)
        len = run_len(c, n, i, false);
    if (!len && apostrophes >= 2)
        len = apostrophes;
    if (!len)
        len = hump_len(c, n, i);
    if (!len)
        len = word_len(c, n, i);
    if (!len && apostrophes)
        return i + apostrophes == n ? apostrophes : 0;
    return len ? len : 1;
}

size_t prl_en_subtokens(const char *text, size_t len, struct prl_span *pieces, size_t max)
{
    uint32_t c[PRL_EN_CHUNK_MAX], offset[PRL_EN_CHUNK_MAX + 1];
    size_t n = 0, at = 0, count = 0;
    while (at < len && n < PRL_EN_CHUNK_MAX) {
        offset[n] = (uint32_t)at;
        at += prl_utf8_decode(text + at, len - at, &c[n]);
        n++;
    }
    offset[n] = (uint32_t)at;
    for (size_t i = 0; i < n && count < max;) {
        size_t piece = subtoken_len(c, n, i);
        if (piece)
            pieces[count++] = (struct prl_span){text + offset[i], offset[i + piece] - offset[i]};
        i += piece ? piece : 1; // a lone apostrophe inside belongs to nothing
    }
    return count;
}

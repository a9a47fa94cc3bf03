// en_tag.c -- see en_tag.h.
#include "tts/en_tag.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tts/en_buf.h"
#include "tts/en_chars.h"

enum { WEIGHT_SIZE = 3, SHAPE_LEN = 4, YEAR_DIGITS = 4 };

struct run {
    const struct prl_en_tagger *tagger;
    const char *text;
    const struct prl_en_token *tokens;
    size_t count;
    int32_t scores[PRL_EN_TAGS_MAX];
};

enum prl_err prl_en_tagger_init(struct prl_en_tagger *tagger, const struct prl_table *table)
{
    *tagger = (struct prl_en_tagger){.table = table};
    struct prl_span list = prl_table_find(table, PRL_TABLE_MISC, "tags", 4);
    if (!list.data)
        return PRL_ERR_INVALID;
    size_t from = 0;
    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && list.data[i] != '\x1f')
            continue;
        size_t len = i - from;
        if (len >= PRL_EN_TAG_SIZE || tagger->tag_count >= PRL_EN_TAGS_MAX)
            return PRL_ERR_INVALID;
        memcpy(tagger->tags[tagger->tag_count++], list.data + from, len);
        from = i + 1;
    }
    return PRL_OK;
}

static const char *shape_letters(const uint32_t *c, size_t n)
{
    size_t low = 0, up = 0;
    for (size_t i = 0; i < n; i++) {
        if (prl_en_upper(c[i]) != c[i] || c[i] == 0xdf)
            low++;
        else if (prl_en_lower(c[i]) != c[i])
            up++;
    }
    bool first_up = prl_en_lower(c[0]) != c[0];
    if (up == 0 && low > 0)
        return "x";
    if (low == 0 && up > 0)
        return n > 1 ? "XX" : "X1";
    return first_up && up == 1 && low > 0 ? "Xx" : "xX";
}

static void shape_write(const char *text, size_t len, struct prl_en_buf *out)
{
    uint32_t c[PRL_EN_CHUNK_MAX];
    size_t n = 0, letters = 0, digits = 0;
    for (size_t at = 0; at < len && n < PRL_EN_CHUNK_MAX; n++) {
        at += prl_utf8_decode(text + at, len - at, &c[n]);
        letters += prl_en_is_letter(c[n]) ? 1 : 0;
        digits += prl_en_is_digit(c[n]) ? 1 : 0;
    }
    if (n > 0 && letters == n) {
        prl_en_buf_adds(out, shape_letters(c, n));
        return;
    }
    if (n > 0 && digits == n) {
        prl_en_buf_addc(out, 'd');
        return;
    }
    for (size_t i = 0; i < n && i < SHAPE_LEN; i++) {
        uint32_t as = prl_en_is_digit(c[i]) ? 'd' : prl_en_is_letter(c[i]) ? 'x' : c[i];
        prl_en_buf_addc(out, as);
    }
}

static void lower_write(const char *text, size_t len, struct prl_en_buf *out)
{
    for (size_t at = 0; at < len;) {
        uint32_t c;
        at += prl_utf8_decode(text + at, len - at, &c);
        prl_en_buf_addc(out, prl_en_lower(c));
    }
}

static bool digits_only(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!prl_en_is_digit((unsigned char)text[i]))
            return false;
    return len > 0;
}

// A token as its neighbours see it: its lower case if that is frequent, else its shape.
static void view_write(const struct run *run, ptrdiff_t index, struct prl_en_buf *out)
{
    static const char *const before[] = {"-START-", "-START2-"};
    static const char *const after[] = {"-END-", "-END2-"};
    prl_en_buf_clear(out);
    if (index < 0) {
        prl_en_buf_adds(out, before[-index - 1]);
        return;
    }
    if ((size_t)index >= run->count) {
        prl_en_buf_adds(out, after[(size_t)index - run->count]);
        return;
    }
    const char *text = run->text + run->tokens[index].start;
    size_t len = run->tokens[index].len;
    if (text[0] != '-' && memchr(text, '-', len))
        prl_en_buf_adds(out, "!HYPHEN");
    else if (len == YEAR_DIGITS && digits_only(text, len))
        prl_en_buf_adds(out, "!YEAR");
    else if (prl_en_is_digit((unsigned char)text[0]))
        prl_en_buf_adds(out, "!DIGITS");
    else
        lower_write(text, len, out);
    if (prl_table_find(run->tagger->table, PRL_TABLE_VOCAB, out->text, out->len).data)
        return;
    prl_en_buf_set(out, "<", 1);
    shape_write(text, len, out);
    prl_en_buf_addc(out, '>');
}

// The last three characters.
static const char *tail(const char *text, size_t len)
{
    size_t at = len;
    for (int i = 0; i < 3 && at > 0; i++) {
        at--;
        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
            at--;
    }
    return text + at;
}

static void feature_score(struct run *run, const char *name, const char *data, size_t len)
{
    struct prl_en_buf key;
    prl_en_buf_clear(&key);
    prl_en_buf_adds(&key, name);
    prl_en_buf_add(&key, data, len);
    struct prl_span weights =
        prl_table_find(run->tagger->table, PRL_TABLE_WEIGHTS, key.text, key.len);
    for (size_t at = 0; at + WEIGHT_SIZE <= weights.len; at += WEIGHT_SIZE) {
        int16_t weight;
        size_t tag = (unsigned char)weights.data[at];
        memcpy(&weight, weights.data + at + 1, sizeof(weight));
        if (tag < PRL_EN_TAGS_MAX)
            run->scores[tag] += weight;
    }
}

static void neighbour_score(struct run *run, ptrdiff_t index, const char *whole, const char *end)
{
    struct prl_en_buf view;
    view_write(run, index, &view);
    feature_score(run, whole, view.text, view.len);
    if (!end)
        return;
    const char *last = tail(view.text, view.len);
    feature_score(run, end, last, (size_t)(view.text + view.len - last));
}

static const char *tag_predict(struct run *run, size_t index, const char *prev, const char *prev2)
{
    const struct prl_en_tagger *tagger = run->tagger;
    const char *text = run->text + run->tokens[index].start;
    size_t len = run->tokens[index].len;
    ptrdiff_t i = (ptrdiff_t)index;
    struct prl_en_buf buf;
    uint32_t c;

    memset(run->scores, 0, sizeof(run->scores));
    feature_score(run, "b", "", 0);
    const char *last = tail(text, len);
    feature_score(run, "s3=", last, (size_t)(text + len - last));
    feature_score(run, "p1=", text, prl_utf8_decode(text, len, &c));
    prl_en_buf_clear(&buf);
    shape_write(text, len, &buf);
    feature_score(run, "sh=", buf.text, buf.len);
    feature_score(run, index == 0 ? "i0" : "i+", "", 0);
    feature_score(run, "t-1=", prev, strlen(prev));
    feature_score(run, "t-2=", prev2, strlen(prev2));
    prl_en_buf_set(&buf, prev, strlen(prev));
    prl_en_buf_addc(&buf, ',');
    prl_en_buf_adds(&buf, prev2);
    feature_score(run, "t-12=", buf.text, buf.len);
    neighbour_score(run, i, "w=", NULL);
    neighbour_score(run, i - 1, "w-1=", "s3-1=");
    neighbour_score(run, i - 2, "w-2=", NULL);
    neighbour_score(run, i + 1, "w+1=", "s3+1=");
    neighbour_score(run, i + 2, "w+2=", NULL);

    // Tags are sorted, and of equal scores the last one wins.
    size_t best = 0;
    for (size_t t = 1; t < tagger->tag_count; t++)
        if (run->scores[t] >= run->scores[best])
            best = t;
    return tagger->tags[best];
}

void prl_en_tag(const struct prl_en_tagger *tagger, const char *text, struct prl_en_token *tokens,
                size_t count)
{
    struct run run = {.tagger = tagger, .text = text, .tokens = tokens, .count = count};
    const char *prev = "-START-", *prev2 = "-START2-";
    for (size_t i = 0; i < count; i++) {
        struct prl_span known =
            prl_table_find(tagger->table, PRL_TABLE_TAGDICT, text + tokens[i].start, tokens[i].len);
        if (known.len == 1 && (unsigned char)known.data[0] < tagger->tag_count)
            tokens[i].tag = tagger->tags[(unsigned char)known.data[0]];
        else
            tokens[i].tag = tag_predict(&run, i, prev, prev2);
        prev2 = prev;
        prev = tokens[i].tag;
    }
}

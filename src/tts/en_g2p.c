// en_g2p.c -- see en_g2p.h. Text becomes tokens, tokens become pieces ("sub"), pieces without a
// space between form a group ("well-known"). Groups are read from the last to the first, because
// "the", "a", "to" and others depend on the sound that follows.
#include "tts/en_g2p.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/en_buf.h"
#include "tts/en_chars.h"
#include "tts/en_lexicon.h"
#include "tts/en_oov.h"
#include "tts/en_tag.h"
#include "tts/en_token.h"
#include "tts/table.h"

enum { SUBS_MAX = PRL_EN_CHUNK_MAX, WINDOW_MAX = 8, PHONEMES_MAX = 8 << 20 };
static const char junk[] = "',-._‘’/";
static const char pauses[] = ";:,.!?—…"; // punctuation that is no quotation mark
static const char quote_marks[] = "\"“”";

// A piece of a token. Its phonemes are a range of g2p->phon.
struct sub {
    const char *text;
    uint32_t len;
    uint32_t at;     // byte of the text where it starts
    const char *tag; // of its token
    bool space;      // a space follows
    bool known;      // has phonemes, maybe none ("")
    bool preset;     // they were set before reading, so it stands alone
    bool gap;        // a space goes before its phonemes
    size_t phon_start, phon_len;
};

struct group {
    size_t first, count;
};

// A range of the text whose letters are said by name.
struct letters {
    uint32_t start, end;
};

// Where in the text a unit of a spoken form stands.
struct place {
    uint32_t start, end;   // in the text
    uint32_t source_start; // in the clause
    uint32_t source_end;
};

struct prl_en_g2p {
    // set once
    struct prl_table *table;
    struct prl_en_tagger tagger;
    struct prl_en_oov *oov; // NULL: unknown words are spelled
    // grown as needed, `capacity` elements each
    struct prl_en_token *tokens;
    struct sub *subs;
    struct group *groups;
    struct prl_en_word *words;
    struct letters *letters;
    struct place *places;
    size_t capacity;
    // of the current text
    struct prl_str phon; // phonemes of pieces
    struct prl_str out;  // phonemes of all
    struct prl_str text; // written from units
    size_t sub_count, group_count, word_count, letters_count, place_count;
    uint32_t unknown;
};

enum prl_err prl_en_g2p_create(struct prl_en_g2p **out, const struct prl_en_g2p_conf *conf,
                               char *why, size_t why_size)
{
    PRL_CHECK(out != NULL && conf != NULL && why != NULL && why_size > 0);
    *out = NULL;
    if (!conf->tables) {
        (void)snprintf(why, why_size, "English tables are missing (run set-up again)");
        return PRL_ERR_NOTFOUND;
    }
    struct prl_en_g2p *g2p = prl_mem_zalloc(sizeof(*g2p));
    if (!g2p)
        return PRL_ERR_NOMEM;
    prl_str_init(&g2p->phon, PHONEMES_MAX);
    prl_str_init(&g2p->out, PHONEMES_MAX);
    prl_str_init(&g2p->text, PRL_EN_G2P_TEXT_MAX);
    enum prl_err err = prl_table_open(&g2p->table, conf->tables, why, why_size);
    if (!err) {
        err = prl_en_tagger_init(&g2p->tagger, g2p->table);
        if (err)
            (void)snprintf(why, why_size, "%s: no tags in it (run set-up again)", conf->tables);
    }
    if (!err && conf->ort && conf->oov)
        err = prl_en_oov_create(&g2p->oov, conf->ort, conf->oov, g2p->table, why, why_size);
    if (err)
        prl_en_g2p_destroy(&g2p);
    *out = g2p;
    return err;
}

static void arrays_free(struct prl_en_g2p *g2p)
{
    prl_mem_free(g2p->tokens);
    prl_mem_free(g2p->subs);
    prl_mem_free(g2p->groups);
    prl_mem_free(g2p->words);
    prl_mem_free(g2p->letters);
    prl_mem_free(g2p->places);
    g2p->tokens = NULL;
    g2p->subs = NULL;
    g2p->groups = NULL;
    g2p->words = NULL;
    g2p->letters = NULL;
    g2p->places = NULL;
    g2p->capacity = 0;
}

void prl_en_g2p_destroy(struct prl_en_g2p **g2p)
{
    PRL_CHECK(g2p != NULL);
    if (!*g2p)
        return;
    arrays_free(*g2p);
    prl_str_free(&(*g2p)->phon);
    prl_str_free(&(*g2p)->out);
    prl_str_free(&(*g2p)->text);
    prl_en_oov_destroy(&(*g2p)->oov);
    prl_table_close(&(*g2p)->table);
    prl_mem_free(*g2p);
    *g2p = NULL;
}

// Room for a text of `need` bytes or units: no array ever holds more elements than that.
static enum prl_err arrays_grow(struct prl_en_g2p *g2p, size_t need)
{
    if (need <= g2p->capacity)
        return PRL_OK;
    arrays_free(g2p);
    g2p->tokens = prl_mem_array(need, sizeof(*g2p->tokens));
    g2p->subs = prl_mem_array(need, sizeof(*g2p->subs));
    g2p->groups = prl_mem_array(need, sizeof(*g2p->groups));
    g2p->words = prl_mem_array(need, sizeof(*g2p->words));
    g2p->letters = prl_mem_array(need, sizeof(*g2p->letters));
    g2p->places = prl_mem_array(need, sizeof(*g2p->places));
    if (!g2p->tokens || !g2p->subs || !g2p->groups || !g2p->words || !g2p->letters ||
        !g2p->places) {
        arrays_free(g2p);
        return PRL_ERR_NOMEM;
    }
    g2p->capacity = need;
    return PRL_OK;
}

// The phonemes of a piece, as a copy that can be changed.
static void phonemes_get(const struct prl_en_g2p *g2p, const struct sub *sub,
                         struct prl_en_buf *out)
{
    prl_en_buf_set(out, prl_str_text(&g2p->phon) + sub->phon_start, sub->phon_len);
}

static void phonemes_set(struct prl_en_g2p *g2p, struct sub *sub, const char *data, size_t len)
{
    sub->phon_start = g2p->phon.len;
    sub->phon_len = prl_str_add(&g2p->phon, data, len) ? 0 : len; // the error is kept in phon.err
    sub->known = true;
}

static bool all_in(const char *text, size_t len, const char *set)
{
    for (size_t at = 0; at < len;) {
        uint32_t c;
        at += prl_utf8_decode(text + at, len - at, &c);
        if (!prl_en_in(c, set))
            return false;
    }
    return true;
}

static bool ascii_letters_only(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((text[i] | 32) < 'a' || (text[i] | 32) > 'z')
            return false;
    return true;
}

// What punctuation sounds like: itself where the models know it. False when it is none.
static bool punctuation_read(const char *tag, const char *text, size_t len, struct prl_en_buf *out)
{
    static const char *const tags[] = {".",  ",", "-LRB-", "-RRB-", "``", "\"\"",
                                       "''", ":", "$",     "#",     "NFP"};
    bool found = false;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        found |= strcmp(tag, tags[i]) == 0;
    prl_en_buf_clear(out);
    if (strcmp(tag, ":") == 0 && all_in(text, len, "-–") && len > 0) {
        prl_en_buf_adds(out, "—");
        return true;
    }
    bool sign = len > 0 && all_in(text, len, "$£€"); // its name is read instead
    if (!found || sign || ascii_letters_only(text, len))
        return false;
    if (strcmp(tag, "-LRB-") == 0 || strcmp(tag, "-RRB-") == 0) {
        prl_en_buf_addc(out, tag[1] == 'L' ? '(' : ')');
        return true;
    }
    if (strcmp(tag, "``") == 0 || strcmp(tag, "\"\"") == 0 || strcmp(tag, "''") == 0) {
        prl_en_buf_adds(out, tag[0] == '`' ? "“" : "”");
        return true;
    }
    for (size_t at = 0; at < len;) {
        uint32_t c;
        at += prl_utf8_decode(text + at, len - at, &c);
        if (prl_en_in(c, pauses) || prl_en_in(c, quote_marks))
            prl_en_buf_addc(out, c);
    }
    return true;
}

static struct sub *sub_add(struct prl_en_g2p *g2p, const char *base, struct prl_span text,
                           const char *tag)
{
    PRL_CHECK(g2p->sub_count < g2p->capacity);
    struct sub *sub = &g2p->subs[g2p->sub_count++];
    *sub = (struct sub){.text = text.data,
                        .len = (uint32_t)text.len,
                        .at = (uint32_t)(text.data - base),
                        .tag = tag};
    return sub;
}

// Joins the newest piece to the group before it, or lets it begin one.
static void sub_group(struct prl_en_g2p *g2p)
{
    size_t index = g2p->sub_count - 1;
    const struct sub *sub = &g2p->subs[index], *before = index > 0 ? sub - 1 : NULL;
    bool joins = before && !sub->preset && !before->preset && !before->space &&
                 g2p->groups[g2p->group_count - 1].count < SUBS_MAX;
    if (joins)
        g2p->groups[g2p->group_count - 1].count++;
    else
        g2p->groups[g2p->group_count++] = (struct group){index, 1};
}

static bool is_letters(const struct prl_en_g2p *g2p, const struct prl_en_token *token)
{
    for (size_t i = 0; i < g2p->letters_count; i++)
        if (token->start >= g2p->letters[i].start &&
            token->start + token->len <= g2p->letters[i].end)
            return true;
    return false;
}

static void token_cut(struct prl_en_g2p *g2p, const char *text, const struct prl_en_token *token)
{
    struct prl_span pieces[SUBS_MAX];
    struct prl_en_buf phonemes;
    const char *data = text + token->start;
    if (is_letters(g2p, token)) {
        struct sub *sub = sub_add(g2p, text, (struct prl_span){data, token->len}, "NN");
        sub->space = token->space;
        sub->preset = true;
        (void)prl_en_lexicon_spell(g2p->table, data, token->len, &phonemes);
        phonemes_set(g2p, sub, phonemes.text, phonemes.len);
        sub_group(g2p);
        return;
    }
    size_t count = prl_en_subtokens(data, token->len, pieces, SUBS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct sub *sub = sub_add(g2p, text, pieces[i], token->tag);
        sub->space = i + 1 == count && token->space;
        if (punctuation_read(sub->tag, sub->text, sub->len, &phonemes)) {
            phonemes_set(g2p, sub, phonemes.text, phonemes.len);
            sub->preset = true;
        }
        sub_group(g2p);
    }
    // A token of nothing but a lone apostrophe leaves no piece; its space must not get lost.
    if (count == 0 && token->space && g2p->sub_count > 0)
        g2p->subs[g2p->sub_count - 1].space = true;
}

// Several pieces as one word.
struct merged {
    struct prl_en_buf text;
    const char *tag; // of the heaviest piece: capitals count double
};

static size_t case_weight(const struct sub *sub)
{
    size_t weight = 0;
    for (size_t at = 0; at < sub->len;) {
        uint32_t c;
        at += prl_utf8_decode(sub->text + at, sub->len - at, &c);
        weight += c == prl_en_lower(c) ? 1 : 2;
    }
    return weight;
}

static void subs_merge(const struct sub *subs, size_t count, struct merged *out)
{
    size_t best = 0;
    prl_en_buf_clear(&out->text);
    for (size_t i = 0; i < count; i++) {
        prl_en_buf_add(&out->text, subs[i].text, subs[i].len);
        size_t weight = case_weight(&subs[i]);
        if (i == 0 || weight > best) {
            best = weight;
            out->tag = subs[i].tag;
        }
    }
}

static void context_move(struct prl_en_context *context, const char *phonemes, size_t phonemes_len,
                         const struct prl_en_buf *word, const char *tag)
{
    for (size_t at = 0; at < phonemes_len;) {
        uint32_t c;
        at += prl_utf8_decode(phonemes + at, phonemes_len - at, &c);
        bool pause = prl_en_in(c, pauses), vowel = prl_en_is_vowel(c);
        if (!pause && !vowel && !prl_en_is_consonant(c))
            continue;
        context->next = pause   ? PRL_EN_NEXT_PAUSE
                        : vowel ? PRL_EN_NEXT_VOWEL
                                : PRL_EN_NEXT_CONSONANT;
        break;
    }
    context->to =
        prl_en_buf_equals(word, "to") || prl_en_buf_equals(word, "To") ||
        (prl_en_buf_equals(word, "TO") && (strcmp(tag, "TO") == 0 || strcmp(tag, "IN") == 0));
}

static const char *sign_read(uint32_t c)
{
    static const struct {
        const char *sign, *phonemes;
    } signs[] = {{"/", "slˈæʃ"},   {"=", "ˈikwᵊlz"},  {"+", "plˈʌs"},    {"&", "ænd"},
                 {"@", "æt"},      {"%", "pəɹsˈɛnt"}, {"#", "hˈæʃ"},     {"*", "ˈæstəɹˌɪsk"},
                 {"~", "tˈɪldə"},  {"^", "kˈɛɹət"},   {"<", "lˈɛs ðən"}, {">", "ɡɹˈATəɹ ðən"},
                 {"$", "dˈɑləɹz"}, {"£", "pˈWndz"},   {"€", "jˈʊɹOz"},   {"—", "—"}};
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (prl_en_in(c, signs[i].sign))
            return signs[i].phonemes;
    return "";
}

static bool is_silent(uint32_t c)
{
    return prl_en_in(c, junk) || prl_en_in(c, pauses) || prl_en_in(c, quote_marks) ||
           prl_en_in(c, "()[]{}|") || prl_en_is_space(c);
}

static void letters_read(struct prl_en_g2p *g2p, const char *text, size_t len,
                         struct prl_en_buf *out)
{
    prl_en_buf_clear(out);
    if (g2p->oov && prl_en_oov_read(g2p->oov, text, len, out))
        return;
    if (!prl_en_lexicon_spell(g2p->table, text, len, out)) {
        prl_en_buf_clear(out);
        g2p->unknown++;
    }
}

enum run_kind { RUN_LETTERS, RUN_DIGITS, RUN_SIGNS };

static enum run_kind kind_of(uint32_t c)
{
    if (prl_en_is_letter(c))
        return RUN_LETTERS;
    return prl_en_is_digit(c) ? RUN_DIGITS : RUN_SIGNS;
}

// Length of the run of one kind at `at`: letters with inner apostrophes, digits with inner , and .
static size_t run_of(const char *text, size_t len, size_t at, enum run_kind *kind)
{
    size_t end = at;
    for (size_t i = at; i < len;) {
        uint32_t c, next = 0;
        size_t bytes = prl_utf8_decode(text + i, len - i, &c);
        enum run_kind here = kind_of(c);
        if (i == at)
            *kind = here;
        (void)prl_utf8_decode(text + i + bytes, len - i - bytes, &next);
        bool inner = (*kind == RUN_LETTERS && prl_en_in(c, "'’") && kind_of(next) == RUN_LETTERS) ||
                     (*kind == RUN_DIGITS && prl_en_in(c, ",.") && kind_of(next) == RUN_DIGITS);
        if (here != *kind && !inner)
            break;
        i += bytes;
        end = i;
    }
    return end - at;
}

// A word that no rule knows: letters by the network, digits one by one, signs by name.
static void unknown_read(struct prl_en_g2p *g2p, const struct prl_en_buf *word,
                         struct prl_en_buf *out)
{
    prl_en_buf_clear(out);
    for (size_t at = 0; at < word->len;) {
        struct prl_en_buf piece;
        enum run_kind kind = RUN_SIGNS;
        size_t len = run_of(word->text, word->len, at, &kind);
        const char *text = word->text + at;
        prl_en_buf_clear(&piece);
        at += len;
        switch (kind) {
        case RUN_LETTERS:
            letters_read(g2p, text, len, &piece);
            break;
        case RUN_DIGITS:
            prl_en_lexicon_digits(g2p->table, text, len, &piece);
            break;
        case RUN_SIGNS:
            for (size_t i = 0; i < len;) {
                uint32_t c;
                i += prl_utf8_decode(text + i, len - i, &c);
                const char *phonemes = sign_read(c);
                g2p->unknown += phonemes[0] || is_silent(c) ? 0 : 1;
                prl_en_buf_adds(&piece, phonemes);
            }
            break;
        }
        if (piece.len > 0 && out->len > 0)
            prl_en_buf_addc(out, ' ');
        prl_en_buf_add(out, piece.text, piece.len);
    }
}

static bool any_known(const struct sub *subs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (subs[i].known)
            return true;
    return false;
}

// Tries the longest stretches of a group first, ending at its right end. False when a piece is left
// that no rule knows.
static bool stretches_read(struct prl_en_g2p *g2p, struct sub *subs, size_t count,
                           struct prl_en_context *context)
{
    size_t left = 0, right = count;
    while (left < right) {
        struct merged word = {.tag = ""};
        struct prl_en_buf phonemes;
        bool read = false;
        if (right - left <= WINDOW_MAX && !any_known(subs + left, right - left)) {
            subs_merge(subs + left, right - left, &word);
            read = prl_en_lexicon_read(g2p->table, word.text.text, word.text.len, word.tag, context,
                                       &phonemes);
        }
        if (read) {
            phonemes_set(g2p, &subs[left], phonemes.text, phonemes.len);
            for (size_t i = left + 1; i < right; i++)
                phonemes_set(g2p, &subs[i], "", 0);
            context_move(context, phonemes.text, phonemes.len, &word.text, word.tag);
            right = left;
            left = 0;
        } else if (left + 1 < right) {
            left++;
        } else {
            right--;
            // The reference gives the whole group to the network for a quotation mark in it.
            if (!subs[right].known && !all_in(subs[right].text, subs[right].len, junk) &&
                !all_in(subs[right].text, subs[right].len, quote_marks))
                return false;
            if (!subs[right].known)
                phonemes_set(g2p, &subs[right], "", 0);
            left = 0;
        }
    }
    return true;
}

// Do the pieces' characters mix letters, digits and signs, so that spaces go between?
static bool kinds_mix(const struct sub *subs, size_t count)
{
    unsigned kinds = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < subs[i].len;) {
            uint32_t c;
            at += prl_utf8_decode(subs[i].text + at, subs[i].len - at, &c);
            if (c == '/')
                return true;
            if (!prl_en_in(c, junk))
                kinds |= 1u << kind_of(c);
        }
    return (kinds & (kinds - 1)) != 0;
}

struct heft {
    bool primary;
    int weight;
    size_t index;
};

static bool heft_less(const struct heft *a, const struct heft *b)
{
    if (a->primary != b->primary)
        return b->primary;
    if (a->weight != b->weight)
        return a->weight < b->weight;
    return a->index < b->index;
}

static void sub_weaken(struct prl_en_g2p *g2p, struct sub *sub)
{
    struct prl_en_buf phonemes;
    phonemes_get(g2p, sub, &phonemes);
    prl_en_stress(&phonemes, PRL_EN_STRESS_WEAKER);
    phonemes_set(g2p, sub, phonemes.text, phonemes.len);
}

// In a compound the lighter half of the pieces loses its primary stress.
static void compound_stress(struct prl_en_g2p *g2p, struct sub *subs, size_t count)
{
    struct heft hefts[SUBS_MAX];
    size_t n = 0, primaries = 0;
    for (size_t i = 0; i < count; i++) {
        struct prl_en_buf phonemes;
        if (subs[i].phon_len == 0)
            continue;
        phonemes_get(g2p, &subs[i], &phonemes);
        struct heft heft = {prl_en_buf_has(&phonemes, "ˈ"), prl_en_stress_weight(&phonemes), i};
        primaries += heft.primary ? 1 : 0;
        size_t at = n++;
        for (; at > 0 && heft_less(&heft, &hefts[at - 1]); at--)
            hefts[at] = hefts[at - 1];
        hefts[at] = heft;
    }
    if (n == 2) {
        size_t first = hefts[0].index < hefts[1].index ? hefts[0].index : hefts[1].index;
        size_t second = hefts[0].index + hefts[1].index - first;
        uint32_t c;
        if (prl_utf8_decode(subs[first].text, subs[first].len, &c) == subs[first].len) {
            sub_weaken(g2p, &subs[second]);
            return;
        }
    }
    if (n < 2 || primaries <= (n + 1) / 2)
        return;
    for (size_t i = 0; i < n / 2; i++)
        sub_weaken(g2p, &subs[hefts[i].index]);
}

static void group_resolve(struct prl_en_g2p *g2p, struct sub *subs, size_t count)
{
    bool mixed = kinds_mix(subs, count);
    for (size_t i = 0; i < count; i++) {
        struct sub *sub = &subs[i];
        if (sub->known)
            sub->gap = i > 0 && mixed;
        else if (i + 1 == count && all_in(sub->text, sub->len, pauses))
            phonemes_set(g2p, sub, sub->text, sub->len);
        else
            phonemes_set(g2p, sub, "", 0);
    }
    if (!mixed)
        compound_stress(g2p, subs, count);
}

static void group_read(struct prl_en_g2p *g2p, const struct group *group,
                       struct prl_en_context *context)
{
    struct sub *subs = &g2p->subs[group->first];
    struct merged word = {.tag = ""};
    struct prl_en_buf phonemes;
    if (group->count > 1) {
        if (stretches_read(g2p, subs, group->count, context)) {
            group_resolve(g2p, subs, group->count);
            return;
        }
        subs_merge(subs, group->count, &word);
        unknown_read(g2p, &word.text, &phonemes);
        phonemes_set(g2p, &subs[0], phonemes.text, phonemes.len);
        for (size_t i = 1; i < group->count; i++)
            phonemes_set(g2p, &subs[i], "", 0);
        return;
    }
    subs_merge(subs, 1, &word);
    if (!subs->known) {
        if (!prl_en_lexicon_read(g2p->table, word.text.text, word.text.len, word.tag, context,
                                 &phonemes))
            unknown_read(g2p, &word.text, &phonemes);
        phonemes_set(g2p, subs, phonemes.text, phonemes.len);
    }
    phonemes_get(g2p, subs, &phonemes);
    context_move(context, phonemes.text, phonemes.len, &word.text, word.tag);
}

// Appends a group's phonemes; tells whether there is a sound among them.
static bool group_write(struct prl_en_g2p *g2p, const struct group *group)
{
    bool sound = false;
    for (size_t i = 0; i < group->count; i++) {
        const struct sub *sub = &g2p->subs[group->first + i];
        const char *text = prl_str_text(&g2p->phon) + sub->phon_start;
        if (sub->gap && i > 0 && sub->phon_len > 0 && g2p->out.len > 0 &&
            g2p->out.data[g2p->out.len - 1] != ' ')
            (void)prl_str_addc(&g2p->out, ' ');
        for (size_t at = 0; at < sub->phon_len;) {
            uint32_t c;
            char bytes[4];
            at += prl_utf8_decode(text + at, sub->phon_len - at, &c);
            sound |= prl_en_is_vowel(c) || prl_en_is_consonant(c);
            c = prl_en_in(c, "ɾ") ? 'T' : prl_en_in(c, "ʔ") ? 't' : c;
            (void)prl_str_add(&g2p->out, bytes, prl_utf8_encode(c, bytes));
        }
    }
    return sound;
}

// The part of the clause that bytes [start, end) of the text came from.
static void source_find(const struct prl_en_g2p *g2p, uint32_t start, uint32_t end,
                        struct prl_en_word *word)
{
    bool found = false;
    word->source_start = start;
    word->source_end = end;
    for (size_t i = 0; i < g2p->place_count; i++) {
        const struct place *place = &g2p->places[i];
        if (place->end <= start || place->start >= end)
            continue;
        if (!found)
            word->source_start = place->source_start;
        if (!found || place->source_end > word->source_end)
            word->source_end = place->source_end;
        found = true;
    }
}

static void word_add(struct prl_en_g2p *g2p, const struct group *group, size_t phoneme_start)
{
    const struct sub *first = &g2p->subs[group->first], *last = first + group->count - 1;
    struct prl_en_word word = {.phoneme_start = (uint32_t)phoneme_start,
                               .phoneme_end = (uint32_t)g2p->out.len};
    source_find(g2p, first->at, last->at + last->len, &word);
    struct prl_en_word *before = g2p->word_count > 0 ? &g2p->words[g2p->word_count - 1] : NULL;
    if (before && g2p->place_count > 0 && before->source_start == word.source_start &&
        before->source_end == word.source_end)
        before->phoneme_end = word.phoneme_end; // one number, several words
    else
        g2p->words[g2p->word_count++] = word;
}

static enum prl_err all_write(struct prl_en_g2p *g2p, struct prl_en_phonemes *out)
{
    prl_str_clear(&g2p->out);
    g2p->word_count = 0;
    for (size_t i = 0; i < g2p->group_count; i++) {
        const struct group *group = &g2p->groups[i];
        size_t start = g2p->out.len;
        bool sound = group_write(g2p, group);
        if (sound)
            word_add(g2p, group, start);
        bool space = g2p->subs[group->first + group->count - 1].space;
        if (space && g2p->out.len > 0)
            (void)prl_str_addc(&g2p->out, ' ');
    }
    enum prl_err err = g2p->out.err ? g2p->out.err : g2p->phon.err;
    if (err)
        return err;
    while (g2p->out.len > 0 && g2p->out.data[g2p->out.len - 1] == ' ')
        g2p->out.data[--g2p->out.len] = '\0';
    *out = (struct prl_en_phonemes){.text = prl_str_text(&g2p->out),
                                    .len = g2p->out.len,
                                    .words = g2p->words,
                                    .word_count = g2p->word_count,
                                    .unknown = g2p->unknown};
    return PRL_OK;
}

static enum prl_err text_read(struct prl_en_g2p *g2p, const char *text, size_t len,
                              struct prl_en_phonemes *out)
{
    size_t count = prl_en_tokenize(g2p->table, text, len, g2p->tokens, g2p->capacity);
    prl_en_tag(&g2p->tagger, text, g2p->tokens, count);
    prl_str_clear(&g2p->phon);
    g2p->sub_count = g2p->group_count = 0;
    g2p->unknown = 0;
    for (size_t i = 0; i < count; i++)
        token_cut(g2p, text, &g2p->tokens[i]);
    struct prl_en_context context = {PRL_EN_NEXT_PAUSE, false};
    for (size_t i = g2p->group_count; i-- > 0;)
        group_read(g2p, &g2p->groups[i], &context);
    return all_write(g2p, out);
}

enum prl_err prl_en_g2p_read(struct prl_en_g2p *g2p, const char *text, size_t len,
                             struct prl_en_phonemes *out)
{
    PRL_CHECK(g2p != NULL && text != NULL && out != NULL);
    *out = (struct prl_en_phonemes){.text = ""};
    if (len > PRL_EN_G2P_TEXT_MAX)
        return PRL_ERR_LIMIT;
    enum prl_err err = arrays_grow(g2p, len + 1);
    if (err)
        return err;
    g2p->letters_count = g2p->place_count = 0;
    return text_read(g2p, text, len, out);
}

static const char *pause_ascii(const char *text, size_t len)
{
    static const char *const marks[][2] = {{"，", ","}, {"、", ","}, {"。", "."}, {"？", "?"},
                                           {"！", "!"}, {"；", ";"}, {"：", ":"}};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (strlen(marks[i][0]) == len && memcmp(marks[i][0], text, len) == 0)
            return marks[i][1];
    return NULL;
}

// Writes one unit behind the text so far and remembers where it came from.
static void unit_write(struct prl_en_g2p *g2p, const struct prl_text_out *text,
                       const struct prl_text_unit *unit, bool after_letter)
{
    const char *data = text->text + unit->text_start;
    struct prl_str *line = &g2p->text;
    if (unit->kind == PRL_TEXT_PAUSE) {
        const char *mark = pause_ascii(data, unit->text_len);
        if (mark)
            (void)prl_str_adds(line, mark);
        else
            (void)prl_str_add(line, data, unit->text_len);
        return;
    }
    bool joined = unit->kind == PRL_TEXT_LETTER && after_letter;
    if (line->len > 0 && !joined)
        (void)prl_str_addc(line, ' ');
    uint32_t start = (uint32_t)line->len;
    (void)prl_str_add(line, data, unit->text_len);
    uint32_t end = (uint32_t)line->len;
    g2p->places[g2p->place_count++] =
        (struct place){start, end, unit->source_start, unit->source_end};
    if (joined)
        g2p->letters[g2p->letters_count - 1].end = end;
    else if (unit->kind == PRL_TEXT_LETTER)
        g2p->letters[g2p->letters_count++] = (struct letters){start, end};
}

enum prl_err prl_en_g2p_units(struct prl_en_g2p *g2p, const struct prl_text_out *text,
                              size_t unit_start, size_t unit_count, struct prl_en_phonemes *out)
{
    PRL_CHECK(g2p != NULL && text != NULL && out != NULL);
    PRL_CHECK(unit_start <= text->unit_count && unit_count <= text->unit_count - unit_start);
    *out = (struct prl_en_phonemes){.text = ""};
    size_t bytes = 1;
    for (size_t i = 0; i < unit_count; i++)
        bytes += text->units[unit_start + i].text_len + 1;
    if (bytes > PRL_EN_G2P_TEXT_MAX)
        return PRL_ERR_LIMIT;
    enum prl_err err = arrays_grow(g2p, bytes + unit_count);
    if (err)
        return err;
    g2p->letters_count = g2p->place_count = 0;
    prl_str_clear(&g2p->text);
    bool after_letter = false;
    for (size_t i = 0; i < unit_count; i++) {
        const struct prl_text_unit *unit = &text->units[unit_start + i];
        unit_write(g2p, text, unit, after_letter);
        after_letter = unit->kind == PRL_TEXT_LETTER;
    }
    if (g2p->text.err)
        return g2p->text.err;
    return text_read(g2p, prl_str_text(&g2p->text), g2p->text.len, out);
}

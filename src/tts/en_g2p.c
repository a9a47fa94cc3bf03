// en_g2p.c -- see en_g2p.h: cuts the text into groups of pieces (en_g2p_state.h), has them read from
// the last to the first, because "the", "a", "to" and others depend on the sound that follows, and
// writes the phonemes with the words' places.
#include "tts/en_g2p.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tts/en_chars.h"
#include "tts/en_g2p_state.h"
#include "tts/phoneme.h"

enum { PHONEMES_MAX = 8 << 20 };

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
    if (strcmp(tag, ":") == 0 && prl_en_all_in(text, len, "-–") && len > 0) {
        prl_en_buf_adds(out, "—");
        return true;
    }
    bool sign = len > 0 && prl_en_all_in(text, len, "$£€"); // its name is read instead
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
        if (prl_en_in(c, prl_en_pauses) || prl_en_in(c, prl_en_quotes))
            prl_en_buf_addc(out, c);
    }
    return true;
}

static struct prl_en_sub *sub_add(struct prl_en_g2p *g2p, const char *base, struct prl_span text,
                                  const char *tag)
{
    PRL_CHECK(g2p->sub_count < g2p->capacity);
    struct prl_en_sub *sub = &g2p->subs[g2p->sub_count++];
    *sub = (struct prl_en_sub){.text = text.data,
                               .len = (uint32_t)text.len,
                               .at = (uint32_t)(text.data - base),
                               .tag = tag};
    return sub;
}

// Joins the newest piece to the group before it, or lets it begin one.
static void sub_group(struct prl_en_g2p *g2p)
{
    size_t index = g2p->sub_count - 1;
    const struct prl_en_sub *sub = &g2p->subs[index], *before = index > 0 ? sub - 1 : NULL;
    bool joins = before && !sub->preset && !before->preset && !before->space &&
                 g2p->groups[g2p->group_count - 1].count < PRL_EN_SUBS_MAX;
    if (joins)
        g2p->groups[g2p->group_count - 1].count++;
    else
        g2p->groups[g2p->group_count++] = (struct prl_en_group){index, 1};
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
    struct prl_span pieces[PRL_EN_SUBS_MAX];
    struct prl_en_buf phonemes;
    const char *data = text + token->start;
    if (is_letters(g2p, token)) {
        struct prl_en_sub *sub = sub_add(g2p, text, (struct prl_span){data, token->len}, "NN");
        sub->space = token->space;
        sub->preset = true;
        (void)prl_en_lexicon_spell(g2p->table, data, token->len, &phonemes);
        prl_en_phonemes_set(g2p, sub, phonemes.text, phonemes.len);
        sub_group(g2p);
        return;
    }
    size_t count = prl_en_subtokens(data, token->len, pieces, PRL_EN_SUBS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct prl_en_sub *sub = sub_add(g2p, text, pieces[i], token->tag);
        sub->space = i + 1 == count && token->space;
        if (punctuation_read(sub->tag, sub->text, sub->len, &phonemes)) {
            prl_en_phonemes_set(g2p, sub, phonemes.text, phonemes.len);
            sub->preset = true;
        }
        sub_group(g2p);
    }
    // A token of nothing but a lone apostrophe leaves no piece; its space must not get lost.
    if (count == 0 && token->space && g2p->sub_count > 0)
        g2p->subs[g2p->sub_count - 1].space = true;
}

// Appends a group's phonemes; tells whether there is a sound among them.
static bool group_write(struct prl_en_g2p *g2p, const struct prl_en_group *group)
{
    bool sound = false;
    for (size_t i = 0; i < group->count; i++) {
        const struct prl_en_sub *sub = &g2p->subs[group->first + i];
        const char *text = prl_str_text(&g2p->phon) + sub->phon_start;
        if (sub->gap && i > 0 && sub->phon_len > 0 && g2p->out.len > 0 &&
            g2p->out.data[g2p->out.len - 1] != ' ')
            (void)prl_str_addc(&g2p->out, ' ');
        for (size_t at = 0; at < sub->phon_len;) {
            uint32_t c;
            char bytes[4];
            at += prl_utf8_decode(text + at, sub->phon_len - at, &c);
            sound |= prl_phoneme_id(c) > PRL_PHONEME_SIGNS;
            c = prl_en_in(c, "ɾ") ? 'T' : prl_en_in(c, "ʔ") ? 't' : c;
            (void)prl_str_add(&g2p->out, bytes, prl_utf8_encode(c, bytes));
        }
    }
    return sound;
}

// The part of the clause that bytes [start, end) of the text came from.
static void source_find(const struct prl_en_g2p *g2p, uint32_t start, uint32_t end,
                        struct prl_tts_word *word)
{
    bool found = false;
    word->source_start = start;
    word->source_end = end;
    for (size_t i = 0; i < g2p->place_count; i++) {
        const struct prl_en_place *place = &g2p->places[i];
        if (place->end <= start || place->start >= end)
            continue;
        if (!found)
            word->source_start = place->source_start;
        if (!found || place->source_end > word->source_end)
            word->source_end = place->source_end;
        found = true;
    }
}

static void word_add(struct prl_en_g2p *g2p, const struct prl_en_group *group, size_t phoneme_start)
{
    const struct prl_en_sub *first = &g2p->subs[group->first], *last = first + group->count - 1;
    struct prl_tts_word word = {.start = (uint32_t)phoneme_start, .end = (uint32_t)g2p->out.len};
    source_find(g2p, first->at, last->at + last->len, &word);
    PRL_CHECK(g2p->words != NULL && g2p->word_count < g2p->capacity);
    struct prl_tts_word *before = g2p->word_count > 0 ? &g2p->words[g2p->word_count - 1] : NULL;
    if (before && g2p->place_count > 0 && before->source_start == word.source_start &&
        before->source_end == word.source_end)
        before->end = word.end; // one number, several words
    else
        g2p->words[g2p->word_count++] = word;
}

static enum prl_err all_write(struct prl_en_g2p *g2p, struct prl_en_phonemes *out)
{
    prl_str_clear(&g2p->out);
    g2p->word_count = 0;
    for (size_t i = 0; i < g2p->group_count; i++) {
        const struct prl_en_group *group = &g2p->groups[i];
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
        prl_en_group_read(g2p, &g2p->groups[i], &context);
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
        (struct prl_en_place){start, end, unit->source_start, unit->source_end};
    if (joined)
        g2p->letters[g2p->letters_count - 1].end = end;
    else if (unit->kind == PRL_TEXT_LETTER)
        g2p->letters[g2p->letters_count++] = (struct prl_en_letters){start, end};
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

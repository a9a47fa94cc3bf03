// baker_script.c -- see baker_script.h.
#include "tts/baker_script.h"

#include "base/check.h"
#include "base/mem.h"
#include "tts/zh_g2p_text.h"

enum { GROW = 128, PIECE_SYLLABLES = 60, SYLLABLE_IDS = 3 };
_Static_assert(PIECE_SYLLABLES *SYLLABLE_IDS + 4 == PRL_BAKER_PIECE_IDS, "with sil, sil and eos");

// Room for one more element; *items and *capacity follow.
static enum prl_err grow(void **items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return PRL_OK;
    size_t wanted = *capacity * 2 + GROW;
    void *more = prl_mem_realloc(*items, wanted * size);
    if (!more)
        return PRL_ERR_NOMEM;
    *items = more;
    *capacity = wanted;
    return PRL_OK;
}

static enum prl_err add_id(struct prl_baker_script *script, int32_t id)
{
    if (script->id_count == PRL_BAKER_IDS_MAX)
        return PRL_ERR_LIMIT;
    void *ids = script->ids;
    enum prl_err err = grow(&ids, &script->id_capacity, script->id_count, sizeof(*script->ids));
    script->ids = ids;
    if (!err)
        script->ids[script->id_count++] = id;
    return err;
}

static enum prl_err open_piece(struct prl_baker_script *script)
{
    void *pieces = script->pieces;
    enum prl_err err =
        grow(&pieces, &script->piece_capacity, script->piece_count, sizeof(*script->pieces));
    script->pieces = pieces;
    if (err)
        return err;
    script->pieces[script->piece_count++] =
        (struct prl_baker_piece){.id_start = (uint32_t)script->id_count};
    return add_id(script, PRL_BAKER_SIL);
}

// The last gap becomes the silence at the end.
static enum prl_err close_piece(struct prl_baker_script *script, char mark)
{
    if (script->syllables == 0)
        return PRL_OK;
    script->ids[script->id_count - 1] = PRL_BAKER_SIL;
    enum prl_err err = add_id(script, PRL_BAKER_EOS);
    struct prl_baker_piece *piece = &script->pieces[script->piece_count - 1];
    piece->id_end = (uint32_t)script->id_count;
    piece->mark = mark;
    script->syllables = 0;
    return err;
}

static enum prl_err add_word(struct prl_baker_script *script, size_t id_start,
                             const struct prl_text_unit *source)
{
    if (script->word_count > 0) {
        struct prl_tts_word *last = &script->words[script->word_count - 1];
        if (last->source_start == source->source_start && last->source_end == source->source_end) {
            last->end = (uint32_t)script->id_count;
            return PRL_OK;
        }
    }
    void *words = script->words;
    enum prl_err err =
        grow(&words, &script->word_capacity, script->word_count, sizeof(*script->words));
    script->words = words;
    if (!err)
        script->words[script->word_count++] =
            (struct prl_tts_word){(uint32_t)id_start, (uint32_t)script->id_count,
                                  source->source_start, source->source_end};
    return err;
}

struct visit {
    struct prl_baker_script *script;
    const struct prl_zh_table *table;
};

static enum prl_err add_unit(void *arg, const struct prl_zh_unit *unit,
                             const struct prl_text_unit *source)
{
    const struct visit *visit = arg;
    struct prl_baker_script *script = visit->script;
    if (unit->kind == PRL_ZH_PAUSE)
        return close_piece(script, unit->mark);
    enum prl_err err = PRL_OK;
    if (script->syllables == PIECE_SYLLABLES)
        err = close_piece(script, 0);
    if (!err && script->syllables == 0)
        err = open_piece(script);
    uint8_t initial;
    uint8_t final;
    prl_zh_table_baker(visit->table, unit->code, &initial, &final);
    // A colouring 儿 stands right behind the syllable, without gap and initial.
    bool coloured = unit->erhua && script->syllables > 0;
    if (coloured)
        script->id_count--;
    size_t start = script->id_count;
    if (!err && !coloured)
        err = add_id(script, initial);
    if (!err)
        err = add_id(script, final);
    if (!err)
        err = add_word(script, start, source);
    if (!err)
        err = add_id(script, PRL_BAKER_GAP);
    script->syllables++;
    return err;
}

enum prl_err prl_baker_script_build(struct prl_baker_script *script, struct prl_zh_g2p *zh,
                                    const struct prl_text_out *text, size_t start, size_t count,
                                    unsigned rules)
{
    PRL_CHECK(script && zh && text && start + count <= text->segment_count);
    script->id_count = script->word_count = script->piece_count = 0;
    script->unknown = script->syllables = 0;
    struct visit visit = {script, prl_zh_g2p_table(zh)};
    struct prl_zh_visitor visitor = {.visit = add_unit, .arg = &visit, .rules = rules};
    enum prl_err err = PRL_OK;
    for (size_t i = start; i < start + count && !err; i++) {
        const struct prl_text_segment *segment = &text->segments[i];
        if (segment->lang == PRL_TEXT_ZH)
            err = prl_zh_g2p_visit(zh, text, segment, &visitor);
        else
            script->unknown += segment->unit_count;
    }
    script->unknown += visitor.unknown;
    return err ? err : close_piece(script, 0);
}

void prl_baker_script_free(struct prl_baker_script *script)
{
    prl_mem_free(script->ids);
    prl_mem_free(script->words);
    prl_mem_free(script->pieces);
    *script = (struct prl_baker_script){0};
}

// kokoro_script.c -- see kokoro_script.h. Spaces stand between words and behind marks, as in the
// text that the model was trained on; a Chinese syllable takes 3 to 6 ids.
#include "tts/kokoro_script.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/phoneme.h"
#include "tts/zh_g2p_text.h"

enum {
    GROW_IDS = 512,
    GROW_WORDS = 128,
    // Of a piece, in ids; a syllable has four. Shorter ones lose the melody of the clause.
    PIECE_FIRST_MIN = 36,
    PIECE_MIN = 70,
    PIECE_MAX = 130, // 30 syllables, for which the frames are predicted in one step
    CRUMB = 20,      // a rest this short goes with the piece before it
};

static enum prl_err add_id(struct prl_kokoro_script *script, int id)
{
    if (script->id_count == PRL_KOKORO_SCRIPT_MAX)
        return PRL_ERR_LIMIT;
    if (script->id_count == script->id_capacity) {
        size_t capacity = script->id_capacity * 2 + GROW_IDS;
        uint8_t *ids = prl_mem_realloc(script->ids, capacity);
        if (!ids)
            return PRL_ERR_NOMEM;
        script->ids = ids;
        script->id_capacity = capacity;
    }
    script->ids[script->id_count++] = (uint8_t)id;
    return PRL_OK;
}

static enum prl_err add_space(struct prl_kokoro_script *script)
{
    if (script->id_count == 0 || script->ids[script->id_count - 1] == PRL_KOKORO_SPACE)
        return PRL_OK;
    return add_id(script, PRL_KOKORO_SPACE);
}

// A word over ids [start, now); one with the same source as the last is part of it.
static enum prl_err add_word(struct prl_kokoro_script *script, size_t id_start,
                             uint32_t source_start, uint32_t source_end)
{
    if (script->word_count > 0) {
        struct prl_tts_word *last = &script->words[script->word_count - 1];
        if (last->source_start == source_start && last->source_end == source_end) {
            last->end = (uint32_t)script->id_count;
            return PRL_OK;
        }
    }
    if (script->word_count == script->word_capacity) {
        size_t capacity = script->word_capacity * 2 + GROW_WORDS;
        struct prl_tts_word *words =
            prl_mem_realloc(script->words, capacity * sizeof(*script->words));
        if (!words)
            return PRL_ERR_NOMEM;
        script->words = words;
        script->word_capacity = capacity;
    }
    script->words[script->word_count++] = (struct prl_tts_word){
        (uint32_t)id_start, (uint32_t)script->id_count, source_start, source_end};
    return PRL_OK;
}

static enum prl_err add_mark(struct prl_kokoro_script *script, char mark)
{
    // A mark that nothing was said before has nothing to pause after.
    if (script->id_count == 0)
        return PRL_OK;
    // Of several in a row the first counts.
    size_t last = script->id_count - 1;
    if (script->ids[last] == PRL_KOKORO_SPACE && last > 0 &&
        script->ids[last - 1] <= PRL_KOKORO_MARK_MAX)
        return PRL_OK;
    if (script->ids[last] == PRL_KOKORO_SPACE)
        script->id_count--;
    enum prl_err err = add_id(script, prl_phoneme_id((uint32_t)mark));
    return err ? err : add_space(script);
}

struct chinese {
    struct prl_kokoro_script *script;
    const struct prl_zh_table *table;
};

static enum prl_err add_chinese_unit(void *arg, const struct prl_zh_unit *unit,
                                     const struct prl_text_unit *source)
{
    const struct chinese *chinese = arg;
    struct prl_kokoro_script *script = chinese->script;
    if (unit->kind == PRL_ZH_PAUSE)
        return add_mark(script, unit->mark);
    enum prl_err err = unit->word_start ? add_space(script) : PRL_OK;
    size_t start = script->id_count;
    const uint8_t *ids;
    size_t count = prl_zh_table_kokoro(chinese->table, unit->code, &ids);
    for (size_t i = 0; i < count && !err; i++)
        err = add_id(script, ids[i]);
    return err ? err : add_word(script, start, source->source_start, source->source_end);
}

static enum prl_err add_chinese(struct prl_kokoro_script *script, struct prl_zh_g2p *zh,
                                const struct prl_text_out *text,
                                const struct prl_text_segment *segment)
{
    struct chinese chinese = {script, prl_zh_g2p_table(zh)};
    struct prl_zh_visitor visitor = {
        .visit = add_chinese_unit, .arg = &chinese, .rules = PRL_ZH_SPOKEN};
    enum prl_err err = add_space(script);
    if (!err)
        err = prl_zh_g2p_visit(zh, text, segment, &visitor);
    script->unknown += visitor.unknown;
    return err;
}

// Ids of the phonemes up to byte `end`.
static enum prl_err add_phonemes(struct prl_kokoro_script *script,
                                 const struct prl_en_phonemes *phonemes, size_t *at, size_t end)
{
    enum prl_err err = PRL_OK;
    while (*at < end && !err) {
        uint32_t c;
        *at += prl_utf8_decode(phonemes->text + *at, end - *at, &c);
        int id = prl_phoneme_id(c);
        if (id == PRL_KOKORO_SPACE)
            err = add_space(script);
        else if (id > 0)
            err = add_id(script, id);
    }
    return err;
}

static enum prl_err add_english(struct prl_kokoro_script *script, struct prl_en_g2p *en,
                                const struct prl_text_out *text,
                                const struct prl_text_segment *segment)
{
    struct prl_en_phonemes phonemes;
    enum prl_err err =
        prl_en_g2p_units(en, text, segment->unit_start, segment->unit_count, &phonemes);
    if (!err)
        err = add_space(script);
    if (err)
        return err;
    script->unknown += phonemes.unknown;
    size_t at = 0;
    for (size_t i = 0; i < phonemes.word_count && !err; i++) {
        const struct prl_tts_word *word = &phonemes.words[i];
        err = add_phonemes(script, &phonemes, &at, word->start);
        size_t start = script->id_count;
        if (!err)
            err = add_phonemes(script, &phonemes, &at, word->end);
        if (!err)
            err = add_word(script, start, word->source_start, word->source_end);
    }
    return err ? err : add_phonemes(script, &phonemes, &at, phonemes.len);
}

enum prl_err prl_kokoro_script_build(struct prl_kokoro_script *script, struct prl_zh_g2p *zh,
                                     struct prl_en_g2p *en, const struct prl_text_out *text,
                                     size_t start, size_t count)
{
    PRL_CHECK(script && text && start + count <= text->segment_count);
    script->id_count = 0;
    script->word_count = 0;
    script->unknown = 0;
    enum prl_err err = PRL_OK;
    for (size_t i = start; i < start + count && !err; i++) {
        const struct prl_text_segment *segment = &text->segments[i];
        if (segment->unit_count == 0)
            continue;
        if (segment->lang == PRL_TEXT_ZH && zh)
            err = add_chinese(script, zh, text, segment);
        else if (segment->lang == PRL_TEXT_EN && en)
            err = add_english(script, en, text, segment);
        else
            script->unknown += segment->unit_count;
    }
    if (script->id_count > 0 && script->ids[script->id_count - 1] == PRL_KOKORO_SPACE)
        script->id_count--;
    if (script->word_count == 0) // marks alone
        script->id_count = 0;
    return err;
}

void prl_kokoro_script_free(struct prl_kokoro_script *script)
{
    prl_mem_free(script->ids);
    prl_mem_free(script->words);
    *script = (struct prl_kokoro_script){0};
}

size_t prl_kokoro_script_piece(const struct prl_kokoro_script *script, size_t start,
                               unsigned number)
{
    size_t min = number == 0 ? PIECE_FIRST_MIN : PIECE_MIN;
    size_t rest = script->id_count - start;
    if (rest < min + CRUMB)
        return script->id_count;
    size_t limit = rest < PIECE_MAX ? rest : PIECE_MAX;
    size_t pause = 0; // last one that is too early, better than none
    size_t space = 0;
    for (size_t at = start; at < start + limit; at++) {
        if (script->ids[at] != PRL_KOKORO_SPACE)
            continue;
        space = at + 1;
        if (at == start || script->ids[at - 1] > PRL_KOKORO_MARK_MAX)
            continue;
        pause = at + 1;
        if (at + 1 - start >= min && script->id_count - at - 1 >= CRUMB)
            return pause;
    }
    if (rest <= PIECE_MAX)
        return script->id_count;
    return pause ? pause : space ? space : start + limit;
}

// marks.c -- see marks.h.
#include "tts/marks.h"

#include "base/mem.h"

enum prl_err prl_marks_begin(struct prl_marks *marks, size_t word_count)
{
    marks->word = 0;
    marks->begun = false;
    if (word_count <= marks->capacity)
        return PRL_OK;
    prl_marks_free(marks);
    marks->list = prl_mem_array(word_count, sizeof(*marks->list));
    if (!marks->list)
        return PRL_ERR_NOMEM;
    marks->capacity = word_count;
    return PRL_OK;
}

void prl_marks_free(struct prl_marks *marks)
{
    prl_mem_free(marks->list);
    marks->list = NULL;
    marks->capacity = 0;
}

// First word whose source begins at `source` or later.
static size_t word_at(const struct prl_tts_word *words, size_t count, uint32_t source)
{
    size_t at = 0;
    while (at < count && words[at].source_start < source)
        at++;
    return at;
}

size_t prl_marks_choose(struct prl_marks *marks, const struct prl_tts_word *words, size_t count,
                        const struct prl_tts_request *request)
{
    marks->word = word_at(words, count, request->source_from);
    return request->source_to ? word_at(words, count, request->source_to) : count;
}

size_t prl_marks_collect(struct prl_marks *marks, const struct prl_marks_made *made)
{
    size_t count = 0;
    while (marks->word < made->word_count) {
        const struct prl_tts_word *word = &made->words[marks->word];
        if (!marks->begun && word->start < made->end) {
            marks->start = made->sample_of(made->voice, word->start);
            marks->begun = true;
        }
        if (!marks->begun || word->end > made->end)
            break;
        uint32_t end = made->sample_of(made->voice, word->end);
        if (end > made->sample && !made->done)
            break;
        end = end < made->sample ? end : made->sample;
        uint32_t start = marks->start < end ? marks->start : end;
        marks->list[count++] =
            (struct prl_tts_mark){start, end, word->source_start, word->source_end};
        marks->begun = false;
        marks->word++;
    }
    return count;
}

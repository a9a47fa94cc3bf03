// speech.c -- see speech.h.
#include "session/speech.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

struct chunk {
    struct chunk *next;
    size_t samples;
    int16_t pcm[];
};

struct prl_speech {
    struct chunk *first; // owned list
    struct chunk *last;
    size_t first_taken; // samples of the first chunk that are gone
    uint64_t made;
    uint64_t taken;
    bool ended;
    struct prl_speech_mark *marks; // owned
    size_t mark_count;
    size_t mark_capacity;
    size_t mark_next; // first that next_mark has not told
};

enum prl_err prl_speech_create(struct prl_speech **out)
{
    *out = prl_mem_zalloc(sizeof(**out));
    return *out ? PRL_OK : PRL_ERR_NOMEM;
}

static void free_chunks(struct prl_speech *speech)
{
    while (speech->first) {
        struct chunk *next = speech->first->next;
        prl_mem_free(speech->first);
        speech->first = next;
    }
    speech->last = NULL;
    speech->first_taken = 0;
}

void prl_speech_destroy(struct prl_speech **speech)
{
    if (!*speech)
        return;
    free_chunks(*speech);
    prl_mem_free((*speech)->marks);
    prl_mem_free(*speech);
    *speech = NULL;
}

void prl_speech_reset(struct prl_speech *speech)
{
    free_chunks(speech);
    // A long answer's marks are given back; a short one's block serves the next.
    struct prl_speech_mark *marks = speech->marks;
    size_t capacity = speech->mark_capacity;
    if (capacity > 256) {
        prl_mem_free(marks);
        marks = NULL;
        capacity = 0;
    }
    *speech = (struct prl_speech){.marks = marks, .mark_capacity = capacity};
}

enum prl_err prl_speech_put(struct prl_speech *speech, const int16_t *pcm, size_t samples)
{
    if (samples == 0 || speech->ended)
        return PRL_OK;
    struct chunk *chunk = prl_mem_alloc(sizeof(*chunk) + samples * sizeof(*pcm));
    if (!chunk)
        return PRL_ERR_NOMEM;
    chunk->next = NULL;
    chunk->samples = samples;
    memcpy(chunk->pcm, pcm, samples * sizeof(*pcm));
    if (speech->last)
        speech->last->next = chunk;
    else
        speech->first = chunk;
    speech->last = chunk;
    speech->made += samples;
    return PRL_OK;
}

enum prl_err prl_speech_mark(struct prl_speech *speech, const struct prl_speech_mark *mark)
{
    if (speech->ended || speech->mark_count == PRL_SPEECH_MARKS_MAX)
        return PRL_OK;
    if (speech->mark_count == speech->mark_capacity) {
        size_t capacity = speech->mark_capacity ? speech->mark_capacity * 2 : 64;
        struct prl_speech_mark *marks =
            prl_mem_realloc(speech->marks, capacity * sizeof(*speech->marks));
        if (!marks)
            return PRL_ERR_NOMEM;
        speech->marks = marks;
        speech->mark_capacity = capacity;
    }
    struct prl_speech_mark last = {0};
    if (speech->mark_count > 0)
        last = speech->marks[speech->mark_count - 1];
    struct prl_speech_mark *slot = &speech->marks[speech->mark_count++];
    *slot = *mark;
    // A model that reports words out of order must not turn the text back.
    if (slot->sample_start < last.sample_start)
        slot->sample_start = last.sample_start;
    if (slot->sample_end < slot->sample_start)
        slot->sample_end = slot->sample_start;
    if (slot->byte_start < last.byte_start)
        slot->byte_start = last.byte_start;
    if (slot->byte_end < last.byte_end)
        slot->byte_end = last.byte_end;
    return PRL_OK;
}

void prl_speech_end_at(struct prl_speech *speech, uint64_t samples)
{
    speech->ended = true;
    if (samples < speech->taken)
        samples = speech->taken;
    if (samples >= speech->made)
        return;
    uint64_t at = speech->taken - speech->first_taken; // position of the first chunk's begin
    struct chunk **link = &speech->first;
    speech->last = NULL;
    while (*link) {
        struct chunk *chunk = *link;
        if (at >= samples) {
            *link = chunk->next;
            prl_mem_free(chunk);
            continue;
        }
        if (at + chunk->samples > samples)
            chunk->samples = (size_t)(samples - at);
        at += chunk->samples;
        speech->last = chunk;
        link = &chunk->next;
    }
    speech->made = samples;
    while (speech->mark_count > speech->mark_next &&
           speech->marks[speech->mark_count - 1].sample_end > samples)
        speech->mark_count--;
}

size_t prl_speech_take(struct prl_speech *speech, int16_t *out, size_t max)
{
    size_t total = 0;
    while (total < max && speech->first) {
        struct chunk *chunk = speech->first;
        size_t count = chunk->samples - speech->first_taken;
        if (count > max - total)
            count = max - total;
        memcpy(out + total, chunk->pcm + speech->first_taken, count * sizeof(*out));
        total += count;
        speech->first_taken += count;
        if (speech->first_taken < chunk->samples)
            continue;
        speech->first = chunk->next;
        if (!speech->first)
            speech->last = NULL;
        speech->first_taken = 0;
        prl_mem_free(chunk);
    }
    speech->taken += total;
    return total;
}

bool prl_speech_next_mark(struct prl_speech *speech, struct prl_speech_mark *mark)
{
    if (speech->mark_next == speech->mark_count)
        return false;
    const struct prl_speech_mark *next = &speech->marks[speech->mark_next];
    if (next->sample_start >= speech->taken && speech->taken < speech->made)
        return false;
    if (next->sample_start > speech->taken)
        return false;
    *mark = *next;
    speech->mark_next++;
    return true;
}

uint64_t prl_speech_made(const struct prl_speech *speech)
{
    return speech->made;
}

uint64_t prl_speech_taken(const struct prl_speech *speech)
{
    return speech->taken;
}

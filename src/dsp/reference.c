// reference.c -- see reference.h. A ring addressed by time: sample n stands at n mod the ring's size,
// and everything outside of [end - size, end) is silence.
#include "dsp/reference.h"

#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    SIZE = 24000,
    AHEAD_MAX = SIZE / 2,
    TOGETHER = PRL_REFERENCE_HZ / 500,
    SAMPLES_PER_MS = PRL_REFERENCE_HZ / 1000,
    US_PER_MS = 1000
};

struct prl_reference {
    int64_t end;  // sample after the newest
    int64_t from; // first that may be something else than silence
    int16_t pcm[SIZE];
};

enum prl_err prl_reference_create(struct prl_reference **out)
{
    PRL_CHECK(out != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    return *out ? PRL_OK : PRL_ERR_NOMEM;
}

void prl_reference_destroy(struct prl_reference **reference)
{
    prl_mem_free(*reference);
    *reference = NULL;
}

static int64_t sample_at(int64_t at_us)
{
    return at_us / US_PER_MS * SAMPLES_PER_MS + at_us % US_PER_MS * SAMPLES_PER_MS / US_PER_MS;
}

static size_t place(int64_t sample)
{
    return (size_t)(((sample % SIZE) + SIZE) % SIZE);
}

// Makes room up to `end`: what comes between is silence.
static void extend(struct prl_reference *reference, int64_t end)
{
    int64_t from = reference->end;
    if (end - from > SIZE)
        from = end - SIZE;
    for (int64_t at = from; at < end; at++)
        reference->pcm[place(at)] = 0;
    reference->end = end;
    if (reference->from < end - SIZE)
        reference->from = end - SIZE;
}

void prl_reference_put(struct prl_reference *reference, const int16_t *pcm, size_t samples,
                       int64_t at_us)
{
    PRL_CHECK(reference != NULL && (pcm != NULL || samples == 0));
    int64_t at = sample_at(at_us);
    if (at > reference->end - TOGETHER && at < reference->end + TOGETHER)
        at = reference->end;
    // Never more than half the ring, and only its newest part when it is older than the rest.
    if (samples > AHEAD_MAX)
        samples = AHEAD_MAX;
    if (at + (int64_t)samples <= reference->end - SIZE)
        return;
    if (reference->end == 0 || at > reference->end + SIZE) { // long silence: begin anew
        memset(reference->pcm, 0, sizeof(reference->pcm));
        reference->end = at;
        reference->from = at;
    }
    if (at + (int64_t)samples > reference->end)
        extend(reference, at + (int64_t)samples);
    for (size_t i = 0; i < samples; i++)
        if (at + (int64_t)i >= reference->end - SIZE)
            reference->pcm[place(at + (int64_t)i)] = pcm[i];
    if (at < reference->from)
        reference->from = at > reference->end - SIZE ? at : reference->end - SIZE;
}

void prl_reference_clear(struct prl_reference *reference, int64_t at_us)
{
    int64_t at = sample_at(at_us);
    if (at < reference->from)
        at = reference->from;
    if (at < reference->end)
        reference->end = at;
}

void prl_reference_take(const struct prl_reference *reference, int16_t *pcm, size_t samples,
                        int64_t at_us)
{
    PRL_CHECK(reference != NULL && (pcm != NULL || samples == 0));
    int64_t at = sample_at(at_us);
    for (size_t i = 0; i < samples; i++) {
        int64_t sample = at + (int64_t)i;
        bool known = sample >= reference->from && sample < reference->end;
        pcm[i] = known ? reference->pcm[place(sample)] : 0;
    }
}

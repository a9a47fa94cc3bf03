// rivals.c -- see rivals.h.
#include "stt/rivals.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "stt/tokens.h"

// As Moonshine writes them: with a capital and a full stop. What the three synthesised voices of
// tests/bench/overlap_scenes.py say is among them, and what they are misheard as is not.
static const char *const SAID[] = {
    " Mm-hmm.",  " Mhm.",     " Mm.",        " Hmm.",    " Mmm.",   " Hm.",        " Uh-huh.",
    " Uh huh.",  " Uh-uh.",   " Huh.",       " Uh.",     " Um.",    " Ah.",        " Aha.",
    " Eh.",      " Ha.",      " Oh.",        " Ooh.",    " Yeah.",  " Yes.",       " Yep.",
    " Okay.",    " Right.",   " All right.", " Sure.",   " I see.", " Oh, I see.", " Oh, okay.",
    " Oh, wow.", " Wow.",     " Cool.",      " Nice.",   " Great.", " Good.",      " True.",
    " Really?",  " Exactly.", " Of course.", " Got it.", " Indeed."};

enum { RIVALS = sizeof(SAID) / sizeof(*SAID) };

struct rival {
    int64_t ids[PRL_RIVALS_TOKENS]; // the start token first, the end token last
    size_t count;
};

struct prl_rivals {
    struct rival list[RIVALS];
    int64_t end;
};

enum prl_err prl_rivals_create(struct prl_rivals **out, const struct prl_tokens *tokens,
                               int64_t start, int64_t end)
{
    struct prl_rivals *rivals = *out = prl_mem_zalloc(sizeof(*rivals));
    if (!rivals)
        return PRL_ERR_NOMEM;
    rivals->end = end;
    for (size_t i = 0; i < RIVALS; i++) {
        struct rival *rival = &rivals->list[i];
        size_t n = prl_tokens_spell(tokens, SAID[i], rival->ids + 1, PRL_RIVALS_TOKENS - 2);
        if (n == 0) {
            prl_rivals_destroy(out);
            return PRL_ERR_INVALID;
        }
        rival->ids[0] = start;
        rival->ids[n + 1] = end;
        rival->count = n + 2;
    }
    return PRL_OK;
}

void prl_rivals_destroy(struct prl_rivals **rivals)
{
    prl_mem_free(*rivals);
    *rivals = NULL;
}

void prl_rivals_pick(const struct prl_rivals *rivals, const float *logits, size_t vocabulary,
                     struct prl_rivals_picked *picked)
{
    const struct rival *best[PRL_RIVALS_ROWS] = {NULL};
    for (size_t i = 0; i < RIVALS; i++) {
        const struct rival *rival = &rivals->list[i];
        PRL_CHECK((size_t)rival->ids[1] < vocabulary);
        for (size_t k = 0; k < PRL_RIVALS_ROWS; k++) {
            if (best[k] && logits[best[k]->ids[1]] >= logits[rival->ids[1]])
                continue;
            const struct rival *lower = best[k];
            best[k] = rival;
            rival = lower;
            if (!rival)
                break;
        }
    }
    picked->columns = 0;
    for (size_t k = 0; k < PRL_RIVALS_ROWS; k++) {
        picked->lengths[k] = best[k]->count - 1;
        if (picked->columns < picked->lengths[k])
            picked->columns = picked->lengths[k];
    }
    for (size_t k = 0; k < PRL_RIVALS_ROWS; k++)
        for (size_t i = 0; i < picked->columns; i++)
            picked->ids[k * picked->columns + i] =
                i < best[k]->count ? best[k]->ids[i] : rivals->end;
    // What follows each column; the last is the end token.
    for (size_t k = 0; k < PRL_RIVALS_ROWS; k++)
        memcpy(picked->next + k * picked->columns, best[k]->ids + 1,
               picked->lengths[k] * sizeof(*picked->next));
}

static float log_prob(const float *logits, size_t vocabulary, int64_t id)
{
    float most = logits[0], sum = 0.0F;
    for (size_t i = 1; i < vocabulary; i++)
        most = logits[i] > most ? logits[i] : most;
    for (size_t i = 0; i < vocabulary; i++)
        sum += expf(logits[i] - most);
    // cppcheck-suppress invalidFunctionArg ; the largest term is 1
    return logits[id] - most - logf(sum);
}

float prl_rivals_best(const struct prl_rivals_picked *picked, const float *logits,
                      size_t vocabulary)
{
    float best = -INFINITY;
    for (size_t k = 0; k < PRL_RIVALS_ROWS; k++) {
        float sum = 0.0F;
        for (size_t i = 0; i < picked->lengths[k]; i++) {
            size_t at = k * picked->columns + i;
            sum += log_prob(logits + at * vocabulary, vocabulary, picked->next[at]);
        }
        best = sum > best ? sum : best;
    }
    return best;
}

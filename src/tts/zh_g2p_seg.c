// zh_g2p_seg.c -- see zh_g2p_seg.h.
#include "tts/zh_g2p_seg.h"

#include <math.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/mem.h"

static const double NEVER = -3.14e30; // as in the table, where the HMM has no entry

struct prl_zh_seg {
    const struct prl_zh_table *table; // borrowed
    size_t units_max;
    // Owned, units_max + 1 each.
    double *best;   // log probability of the best path from here to the end
    uint16_t *step; // length of the first word on it
    uint8_t (*back)[PRL_ZH_STATES];
};

// The only states that may stand before each state.
static const uint8_t BEFORE[PRL_ZH_STATES][2] = {
    [PRL_ZH_B] = {PRL_ZH_E, PRL_ZH_S},
    [PRL_ZH_M] = {PRL_ZH_M, PRL_ZH_B},
    [PRL_ZH_E] = {PRL_ZH_B, PRL_ZH_M},
    [PRL_ZH_S] = {PRL_ZH_S, PRL_ZH_E},
};
// Where two paths are equal the reference takes the state whose letter is later: S > M > E > B.
static const uint8_t LETTER_ORDER[PRL_ZH_STATES] = {
    [PRL_ZH_B] = 0, [PRL_ZH_E] = 1, [PRL_ZH_M] = 2, [PRL_ZH_S] = 3};

enum prl_err prl_zh_seg_create(struct prl_zh_seg **out, const struct prl_zh_table *table,
                               size_t units_max)
{
    PRL_CHECK(out && table && units_max > 0 && units_max < UINT16_MAX);
    *out = NULL;
    struct prl_zh_seg *seg = prl_mem_zalloc(sizeof(*seg));
    if (!seg)
        return PRL_ERR_NOMEM;
    seg->table = table;
    seg->units_max = units_max;
    seg->best = prl_mem_array(units_max + 1, sizeof(*seg->best));
    seg->step = prl_mem_array(units_max + 1, sizeof(*seg->step));
    seg->back = prl_mem_array(units_max + 1, sizeof(*seg->back));
    if (!seg->best || !seg->step || !seg->back) {
        prl_zh_seg_destroy(&seg);
        return PRL_ERR_NOMEM;
    }
    *out = seg;
    return PRL_OK;
}

void prl_zh_seg_destroy(struct prl_zh_seg **seg)
{
    PRL_CHECK(seg != NULL);
    if (*seg) {
        prl_mem_free((*seg)->best);
        prl_mem_free((*seg)->step);
        prl_mem_free((*seg)->back);
    }
    prl_mem_free(*seg);
    *seg = NULL;
}

// From the end to the start: the best word to begin with at each place. A character that no word
// starts with counts as one of frequency 1; of two equal paths the longer word wins.
static void find_path(struct prl_zh_seg *seg, const uint16_t *units, size_t count)
{
    double log_total = prl_zh_table_log_total(seg->table);
    seg->best[count] = 0;
    for (size_t at = count; at-- > 0;) {
        struct prl_zh_walk walk;
        prl_zh_table_begin(seg->table, &walk);
        seg->step[at] = 0;
        size_t limit = count - at < PRL_ZH_WORD_MAX ? count - at : PRL_ZH_WORD_MAX;
        for (size_t len = 1; len <= limit; len++) {
            if (!units[at + len - 1] || !prl_zh_table_step(seg->table, &walk, units[at + len - 1]))
                break;
            uint32_t freq = prl_zh_table_freq(seg->table, &walk);
            if (!freq)
                continue;
            double score = log((double)freq) - log_total + seg->best[at + len];
            if (!seg->step[at] || score >= seg->best[at]) {
                seg->best[at] = score;
                seg->step[at] = (uint16_t)len;
            }
        }
        if (!seg->step[at]) {
            seg->best[at] = -log_total + seg->best[at + 1];
            seg->step[at] = 1;
        }
    }
}

static bool is_known(const struct prl_zh_seg *seg, const uint16_t *units, size_t count)
{
    struct prl_zh_walk walk;
    prl_zh_table_begin(seg->table, &walk);
    for (size_t i = 0; i < count; i++)
        if (!units[i] || !prl_zh_table_step(seg->table, &walk, units[i]))
            return false;
    return prl_zh_table_freq(seg->table, &walk) > 0;
}

static double emit(const struct prl_zh_seg *seg, uint16_t unit, int state)
{
    const float *emits = prl_zh_table_emit(seg->table, unit);
    return emits ? (double)emits[state] : NEVER;
}

// Viterbi over the four states; returns the state of the last unit and leaves the way in `back`.
static int run_hmm(struct prl_zh_seg *seg, const uint16_t *units, size_t count)
{
    const float *start = prl_zh_table_hmm(seg->table);
    const float *move = start + PRL_ZH_STATES;
    double now[PRL_ZH_STATES];
    double next[PRL_ZH_STATES];
    for (int state = 0; state < PRL_ZH_STATES; state++)
        now[state] = (double)start[state] + emit(seg, units[0], state);
    for (size_t at = 1; at < count; at++) {
        for (int state = 0; state < PRL_ZH_STATES; state++) {
            double emitted = emit(seg, units[at], state);
            int from = BEFORE[state][0];
            int other = BEFORE[state][1];
            double score = now[from] + (double)move[from * PRL_ZH_STATES + state] + emitted;
            double score_other = now[other] + (double)move[other * PRL_ZH_STATES + state] + emitted;
            if (score_other > score ||
                (!(score_other < score) && LETTER_ORDER[other] > LETTER_ORDER[from])) {
                score = score_other;
                from = other;
            }
            next[state] = score;
            seg->back[at][state] = (uint8_t)from;
        }
        for (int state = 0; state < PRL_ZH_STATES; state++)
            now[state] = next[state];
    }
    return now[PRL_ZH_S] >= now[PRL_ZH_E] ? PRL_ZH_S : PRL_ZH_E;
}

// Words of a run of characters that are no word together. step[] of these places is free by now and
// takes the states.
static size_t cut_unknown(struct prl_zh_seg *seg, const uint16_t *units, size_t count,
                          uint16_t *states, uint16_t *lengths)
{
    int state = run_hmm(seg, units, count);
    for (size_t at = count; at-- > 0;) {
        states[at] = (uint16_t)state;
        if (at > 0)
            state = seg->back[at][state];
    }
    size_t words = 0;
    size_t begin = 0;
    for (size_t at = 0; at < count; at++) {
        if (states[at] != PRL_ZH_E && states[at] != PRL_ZH_S)
            continue;
        lengths[words++] = (uint16_t)(at + 1 - begin);
        begin = at + 1;
    }
    if (begin < count)
        lengths[words++] = (uint16_t)(count - begin);
    return words;
}

static size_t cut_singles(struct prl_zh_seg *seg, const uint16_t *units, size_t start, size_t end,
                          uint16_t *lengths)
{
    size_t count = end - start;
    if (count > 1 && !is_known(seg, units + start, count))
        return cut_unknown(seg, units + start, count, seg->step + start, lengths);
    for (size_t i = 0; i < count; i++)
        lengths[i] = 1;
    return count;
}

size_t prl_zh_seg_run(struct prl_zh_seg *seg, const uint16_t *units, size_t count,
                      uint16_t *lengths)
{
    PRL_CHECK(count <= seg->units_max);
    find_path(seg, units, count);
    size_t words = 0;
    size_t singles = 0; // characters before `at` that are words of their own so far
    size_t at = 0;
    while (at < count) {
        size_t len = seg->step[at];
        if (len == 1) {
            singles++;
            at++;
            continue;
        }
        words += cut_singles(seg, units, at - singles, at, lengths + words);
        singles = 0;
        lengths[words++] = (uint16_t)len;
        at += len;
    }
    return words + cut_singles(seg, units, count - singles, count, lengths + words);
}

// tail.c -- see tail.h.
#include "engine/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { SHARE_PERCENT = 10, COST = 100 };

void prl_tail_init(struct prl_tail *tail, int share_percent)
{
    *tail = (struct prl_tail){.share_percent = share_percent > 0 ? share_percent : SHARE_PERCENT};
}

void prl_tail_asked(struct prl_tail *tail, size_t index)
{
    PRL_CHECK(index < PRL_CHAIN_MAX);
    if (tail->engines[index].percentile == 0)
        return;
    tail->credit += tail->share_percent;
    if (tail->credit > PRL_TAIL_CREDIT_MAX)
        tail->credit = PRL_TAIL_CREDIT_MAX;
}

void prl_tail_seen(struct prl_tail *tail, size_t index, int64_t took_us)
{
    PRL_CHECK(index < PRL_CHAIN_MAX);
    struct prl_tail_engine *engine = &tail->engines[index];
    engine->us[engine->next] = took_us < 0            ? 0
                               : took_us > UINT32_MAX ? UINT32_MAX
                                                      : (uint32_t)took_us;
    engine->next = (engine->next + 1) % PRL_TAIL_SIZE;
    engine->count += engine->count < PRL_TAIL_SIZE;
}

static int compare(const void *a, const void *b)
{
    uint32_t left, right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return (left > right) - (left < right);
}

int64_t prl_tail_after_us(const struct prl_tail *tail, size_t index)
{
    PRL_CHECK(index < PRL_CHAIN_MAX);
    const struct prl_tail_engine *engine = &tail->engines[index];
    if (engine->percentile == 0 || engine->count < PRL_TAIL_MIN)
        return 0;
    uint32_t sorted[PRL_TAIL_SIZE];
    memcpy(sorted, engine->us, engine->count * sizeof(sorted[0]));
    qsort(sorted, engine->count, sizeof(sorted[0]), compare);
    size_t at = engine->count * (size_t)engine->percentile / 100;
    int64_t us = sorted[at < engine->count ? at : engine->count - 1];
    return us > PRL_TAIL_AFTER_US_MIN ? us : PRL_TAIL_AFTER_US_MIN;
}

bool prl_tail_can_spend(const struct prl_tail *tail)
{
    return tail->credit >= COST;
}

void prl_tail_spend(struct prl_tail *tail, size_t index)
{
    PRL_CHECK(index < PRL_CHAIN_MAX && tail->credit >= COST);
    tail->credit -= COST;
    tail->engines[index].sent++;
}

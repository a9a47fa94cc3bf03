// overload.c -- see overload.h.
#include "net/overload.h"

static const double weight = 0.25;        // of the newest tick
static const double each_weight = 0.0625; // the same, in what a session costs
static const double each_least = 0.002;   // a session that says nothing is not free either

void prl_overload_init(struct prl_overload *overload, double share_max)
{
    *overload = (struct prl_overload){.share_max = share_max, .each = each_least};
}

static uint32_t admitted_lately(const struct prl_overload *overload)
{
    uint32_t count = 0;
    for (size_t i = 0; i < PRL_OVERLOAD_MEMORY; i++)
        count += overload->admitted[i];
    return count;
}

void prl_overload_tick(struct prl_overload *overload, int64_t now_us, int64_t cpu_us,
                       int64_t lag_us, size_t sessions)
{
    int64_t wall_us = now_us - overload->tick_us;
    if (overload->tick_us > 0 && wall_us > 0) {
        double share = (double)(cpu_us - overload->cpu_us) / (double)wall_us;
        overload->share += weight * (share - overload->share);
        overload->lag_us += weight * ((double)lag_us - overload->lag_us);
    }
    overload->tick_us = now_us;
    overload->cpu_us = cpu_us;
    // A session costs more while it begins than later, so a crowd that has just come teaches nothing.
    if (sessions >= PRL_OVERLOAD_SESSIONS_MIN && 2 * (size_t)admitted_lately(overload) <= sessions)
        overload->each += each_weight * (overload->share / (double)sessions - overload->each);
    if (overload->each < each_least)
        overload->each = each_least;
    overload->at = (overload->at + 1) % PRL_OVERLOAD_MEMORY;
    overload->admitted[overload->at] = 0;
}

bool prl_overload_refuses(const struct prl_overload *overload, size_t sessions)
{
    if (!(overload->share_max > 0) || sessions < PRL_OVERLOAD_SESSIONS_MIN)
        return false;
    uint32_t recent = admitted_lately(overload) + 1; // the one that asks
    return overload->share + recent * overload->each > overload->share_max ||
           overload->lag_us > PRL_OVERLOAD_LAG_US;
}

void prl_overload_admitted(struct prl_overload *overload)
{
    overload->admitted[overload->at]++;
}

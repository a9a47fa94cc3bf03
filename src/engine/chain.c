// chain.c -- see chain.h.
#include "engine/chain.h"

#include "base/check.h"

enum {
    FAILURES_MAX = 3,
    OPEN_US = 1000000,
    OPEN_US_MAX = 30000000,
    LATENCY_US_UNKNOWN = 200000, // of an engine that was never asked
    LATENCY_SHARE = 4,           // a new value counts a quarter
};

const char *prl_breaker_name(enum prl_breaker breaker)
{
    static const char *const names[] = {"closed", "open", "probing", "half-open"};
    return names[breaker];
}

void prl_chain_init(struct prl_chain *chain, const struct prl_chain_conf *conf)
{
    *chain = (struct prl_chain){0};
    if (conf)
        chain->conf = *conf;
    if (chain->conf.failures_max == 0)
        chain->conf.failures_max = FAILURES_MAX;
    if (chain->conf.open_us <= 0)
        chain->conf.open_us = OPEN_US;
    if (chain->conf.open_us_max <= 0)
        chain->conf.open_us_max = OPEN_US_MAX;
}

size_t prl_chain_add(struct prl_chain *chain, int rank, bool probes)
{
    PRL_CHECK(chain->count < PRL_CHAIN_MAX);
    chain->engines[chain->count] = (struct prl_chain_engine){.rank = rank, .probes = probes};
    return chain->count++;
}

static bool can_take(struct prl_chain_engine *engine, int64_t now_us)
{
    switch (engine->breaker) {
    case PRL_BREAKER_CLOSED:
        return true;
    case PRL_BREAKER_OPEN:
        if (!engine->probes && now_us >= engine->open_until_us)
            engine->breaker = PRL_BREAKER_HALF_OPEN;
        return engine->breaker == PRL_BREAKER_HALF_OPEN && engine->in_flight == 0;
    case PRL_BREAKER_HALF_OPEN:
        return engine->in_flight == 0;
    case PRL_BREAKER_PROBING:
        return false;
    }
    return false;
}

// What a further request costs there: those in hand share the speed it showed.
static int64_t load_of(const struct prl_chain_engine *engine)
{
    int64_t latency_us = engine->latency_us > 0 ? engine->latency_us : LATENCY_US_UNKNOWN;
    return latency_us * ((int64_t)engine->in_flight + 1);
}

int prl_chain_pick(struct prl_chain *chain, int64_t now_us, uint32_t tried)
{
    int best = -1;
    for (size_t i = 0; i < chain->count; i++) {
        struct prl_chain_engine *engine = &chain->engines[i];
        if (tried >> i & 1 || !can_take(engine, now_us))
            continue;
        const struct prl_chain_engine *other = best >= 0 ? &chain->engines[best] : NULL;
        if (!other || engine->rank < other->rank ||
            (engine->rank == other->rank && load_of(engine) < load_of(other)))
            best = (int)i;
    }
    if (best >= 0)
        chain->engines[best].in_flight++;
    return best;
}

void prl_chain_first_byte(struct prl_chain *chain, size_t index, int64_t latency_us)
{
    PRL_CHECK(index < chain->count);
    struct prl_chain_engine *engine = &chain->engines[index];
    if (latency_us < 1)
        latency_us = 1;
    engine->latency_us =
        engine->latency_us == 0
            ? latency_us
            : engine->latency_us + (latency_us - engine->latency_us) / LATENCY_SHARE;
}

static void open_breaker(struct prl_chain *chain, struct prl_chain_engine *engine, int64_t now_us)
{
    int64_t open_us = engine->open_us > 0 ? engine->open_us * 2 : chain->conf.open_us;
    engine->open_us = open_us < chain->conf.open_us_max ? open_us : chain->conf.open_us_max;
    engine->open_until_us = now_us + engine->open_us;
    engine->breaker = PRL_BREAKER_OPEN;
}

void prl_chain_end(struct prl_chain *chain, size_t index, int64_t now_us, enum prl_outcome outcome)
{
    PRL_CHECK(index < chain->count);
    struct prl_chain_engine *engine = &chain->engines[index];
    PRL_CHECK(engine->in_flight > 0);
    engine->in_flight--;
    switch (outcome) {
    case PRL_OUTCOME_OK:
        engine->failures = 0;
        if (engine->breaker == PRL_BREAKER_HALF_OPEN || engine->breaker == PRL_BREAKER_CLOSED) {
            engine->breaker = PRL_BREAKER_CLOSED;
            engine->open_us = 0;
        }
        break;
    case PRL_OUTCOME_FAILED:
        engine->failures++;
        if (engine->breaker == PRL_BREAKER_HALF_OPEN ||
            (engine->breaker == PRL_BREAKER_CLOSED && engine->failures >= chain->conf.failures_max))
            open_breaker(chain, engine, now_us);
        break;
    case PRL_OUTCOME_REFUSED:
    case PRL_OUTCOME_CANCELED:
        break;
    }
}

int prl_chain_next_probe(struct prl_chain *chain, int64_t now_us)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct prl_chain_engine *engine = &chain->engines[i];
        if (!engine->probes || engine->breaker != PRL_BREAKER_OPEN ||
            now_us < engine->open_until_us)
            continue;
        engine->breaker = PRL_BREAKER_PROBING;
        return (int)i;
    }
    return -1;
}

void prl_chain_probed(struct prl_chain *chain, size_t index, int64_t now_us, bool good)
{
    PRL_CHECK(index < chain->count);
    struct prl_chain_engine *engine = &chain->engines[index];
    if (engine->breaker != PRL_BREAKER_PROBING)
        return;
    if (good)
        engine->breaker = PRL_BREAKER_HALF_OPEN;
    else
        open_breaker(chain, engine, now_us);
}

int64_t prl_chain_probe_at(const struct prl_chain *chain)
{
    int64_t at_us = INT64_MAX;
    for (size_t i = 0; i < chain->count; i++) {
        const struct prl_chain_engine *engine = &chain->engines[i];
        if (engine->probes && engine->breaker == PRL_BREAKER_OPEN && engine->open_until_us < at_us)
            at_us = engine->open_until_us;
    }
    return at_us;
}

// cache.c -- see cache.h.
#include "llm/cache.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

// A shorter common beginning is not worth a copy: every chat starts with the same few tokens.
enum { COPY_TOKENS_MIN = 16 };

struct slot {
    int32_t *ids;   // owned
    int count;      // tokens in the model's sequence
    bool busy;      // a job works on it
    uint64_t owner; // stream, 0: none
    uint64_t used;  // order of last use
};

struct prl_llm_cache {
    // Set once.
    const struct prl_llm_model_ops *ops;
    void *model;
    int sequences;
    int context;
    int cells;
    // State.
    struct slot slots[PRL_LLM_SEQUENCES_MAX];
    uint64_t clock;
    struct prl_llm_cache_stats stats;
};

enum prl_err prl_llm_cache_create(struct prl_llm_cache **out, const struct prl_llm_model_ops *ops,
                                  void *model, const struct prl_llm_model_conf *conf)
{
    PRL_CHECK(out != NULL && ops != NULL && conf != NULL);
    PRL_CHECK(conf->sequences >= 1 && conf->sequences <= PRL_LLM_SEQUENCES_MAX);
    *out = NULL;
    struct prl_llm_cache *cache = prl_mem_zalloc(sizeof(*cache));
    if (!cache)
        return PRL_ERR_NOMEM;
    cache->ops = ops;
    cache->model = model;
    cache->sequences = conf->sequences;
    cache->context = conf->context_tokens;
    cache->cells = conf->cells;
    for (int i = 0; i < cache->sequences; i++) {
        cache->slots[i].ids = prl_mem_array((size_t)cache->context, sizeof(int32_t));
        if (!cache->slots[i].ids) {
            prl_llm_cache_destroy(&cache);
            return PRL_ERR_NOMEM;
        }
    }
    *out = cache;
    return PRL_OK;
}

void prl_llm_cache_destroy(struct prl_llm_cache **cache)
{
    PRL_CHECK(cache != NULL);
    if (!*cache)
        return;
    for (int i = 0; i < PRL_LLM_SEQUENCES_MAX; i++)
        prl_mem_free((*cache)->slots[i].ids);
    prl_mem_free(*cache);
    *cache = NULL;
}

static struct slot *slot_at(struct prl_llm_cache *cache, int slot)
{
    PRL_CHECK(slot >= 0 && slot < cache->sequences);
    return &cache->slots[slot];
}

static int common_len(const struct slot *slot, const int32_t *ids, int count)
{
    int n = 0;
    int max = slot->count < count ? slot->count : count;
    while (n < max && slot->ids[n] == ids[n])
        n++;
    return n;
}

void prl_llm_cache_cut(struct prl_llm_cache *cache, int slot, int count)
{
    struct slot *at = slot_at(cache, slot);
    if (count >= at->count)
        return;
    // A model that cannot forget the end forgets everything.
    at->count = cache->ops->keep(cache->model, slot, count) ? count : 0;
}

// Of the slots that nobody uses: the one that agrees best, then the one unused for longest.
static int best_unowned(struct prl_llm_cache *cache, const int32_t *ids, int count)
{
    int best = -1;
    int best_len = -1;
    for (int i = 0; i < cache->sequences; i++) {
        const struct slot *slot = &cache->slots[i];
        if (slot->owner != 0 || slot->busy)
            continue;
        int len = common_len(slot, ids, count);
        if (best < 0 || len > best_len ||
            (len == best_len && slot->used < cache->slots[best].used)) {
            best = i;
            best_len = len;
        }
    }
    return best;
}

static int oldest_idle(const struct prl_llm_cache *cache, bool with_tokens)
{
    int best = -1;
    for (int i = 0; i < cache->sequences; i++) {
        const struct slot *slot = &cache->slots[i];
        if (slot->busy || (with_tokens && slot->count == 0))
            continue;
        if (best < 0 || slot->used < cache->slots[best].used)
            best = i;
    }
    return best;
}

int prl_llm_cache_acquire(struct prl_llm_cache *cache, uint64_t owner, const int32_t *ids,
                          int count)
{
    PRL_CHECK(cache != NULL && owner != 0);
    int found = -1;
    for (int i = 0; i < cache->sequences; i++) {
        if (cache->slots[i].owner == owner)
            found = i;
    }
    if (found < 0)
        found = best_unowned(cache, ids, count);
    if (found < 0) {
        found = oldest_idle(cache, false);
        if (found >= 0)
            cache->stats.evictions++;
    }
    if (found < 0)
        return -1;
    struct slot *slot = &cache->slots[found];
    slot->owner = owner;
    slot->busy = true;
    slot->used = ++cache->clock;
    return found;
}

void prl_llm_cache_release(struct prl_llm_cache *cache, int slot)
{
    struct slot *at = slot_at(cache, slot);
    at->busy = false;
    at->used = ++cache->clock;
}

void prl_llm_cache_disown(struct prl_llm_cache *cache, uint64_t owner)
{
    for (int i = 0; i < cache->sequences; i++) {
        if (cache->slots[i].owner == owner) {
            cache->slots[i].owner = 0;
            cache->slots[i].busy = false;
        }
    }
}

bool prl_llm_cache_room(struct prl_llm_cache *cache, int more)
{
    for (;;) {
        int64_t sum = more;
        for (int i = 0; i < cache->sequences; i++)
            sum += cache->slots[i].count;
        if (sum <= cache->cells)
            return true;
        int victim = oldest_idle(cache, true);
        if (victim < 0)
            return false;
        prl_llm_cache_cut(cache, victim, 0);
        cache->stats.evictions++;
    }
}

// The other slot whose beginning is worth copying, or -1.
static int best_source(const struct prl_llm_cache *cache, int slot, const int32_t *ids, int limit,
                       int own, int *len)
{
    int best = -1;
    *len = own + COPY_TOKENS_MIN - 1;
    for (int i = 0; i < cache->sequences; i++) {
        int common = i == slot ? 0 : common_len(&cache->slots[i], ids, limit);
        if (common > *len) {
            best = i;
            *len = common;
        }
    }
    return best;
}

// Room for a copy, without forgetting its source.
static bool room_for_copy(struct prl_llm_cache *cache, struct slot *source, int more)
{
    bool busy = source->busy;
    source->busy = true;
    bool room = prl_llm_cache_room(cache, more);
    source->busy = busy;
    return room;
}

int prl_llm_cache_match(struct prl_llm_cache *cache, int slot, const int32_t *ids, int limit,
                        int pending)
{
    struct slot *at = slot_at(cache, slot);
    int len;
    prl_llm_cache_cut(cache, slot, common_len(at, ids, limit));
    int best = best_source(cache, slot, ids, limit, at->count, &len);
    if (best >= 0 && room_for_copy(cache, &cache->slots[best], len - at->count + pending)) {
        prl_llm_cache_cut(cache, slot, 0);
        cache->ops->copy(cache->model, best, slot, len);
        memcpy(at->ids, cache->slots[best].ids, (size_t)len * sizeof(*at->ids));
        at->count = len;
        cache->slots[best].used = ++cache->clock;
        cache->stats.copies++;
    }
    cache->stats.reused += (uint64_t)at->count;
    return at->count;
}

void prl_llm_cache_add(struct prl_llm_cache *cache, int slot, const int32_t *ids, int count)
{
    struct slot *at = slot_at(cache, slot);
    PRL_CHECK(count >= 0 && at->count + count <= cache->context);
    memcpy(at->ids + at->count, ids, (size_t)count * sizeof(*ids));
    at->count += count;
}

int prl_llm_cache_len(const struct prl_llm_cache *cache, int slot)
{
    PRL_CHECK(slot >= 0 && slot < cache->sequences);
    return cache->slots[slot].count;
}

struct prl_llm_cache_stats prl_llm_cache_stats(const struct prl_llm_cache *cache)
{
    return cache->stats;
}

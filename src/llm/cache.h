// cache.h -- what the model remembers: which tokens stand in which of its sequences.
//
// A slot is one sequence of the model. A stream that comes back finds its slot with the tokens of
// its last prompt, and only what differs is computed again; a new stream takes over the slot, or
// copies the beginning, that agrees with its prompt best (the system text, most often).
// Units:    tokens.
// Threads:  the lane's thread.
// Memory:   one block of context_tokens ids a slot, allocated in create.
// Errors:   no free slot and no room are return values. Bounds: `sequences` slots, `cells` tokens in
//           all; at either the slot that was idle for longest is forgotten. Shared beginnings are
//           counted once for each slot that has them.
#ifndef PRL_LLM_CACHE_H
#define PRL_LLM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/model.h"

struct prl_llm_cache;

struct prl_llm_cache_stats {
    uint64_t evictions; // slots taken from an idle stream, or emptied for room
    uint64_t copies;    // beginnings copied from another slot
    uint64_t reused;    // tokens that needed no computing
};

enum prl_err prl_llm_cache_create(struct prl_llm_cache **out, const struct prl_llm_model_ops *ops,
                                  void *model, const struct prl_llm_model_conf *conf) PRL_MUST_USE;
void prl_llm_cache_destroy(struct prl_llm_cache **cache);

// Gives `owner` (not 0) a slot for a prompt and marks it busy: its own, else an unowned one, else the
// one idle longest. -1 when all are busy.
int prl_llm_cache_acquire(struct prl_llm_cache *cache, uint64_t owner, const int32_t *ids,
                          int count);
// No longer busy; it keeps its tokens and its owner.
void prl_llm_cache_release(struct prl_llm_cache *cache, int slot);
// The owner is gone; its tokens stay for whoever begins alike.
void prl_llm_cache_disown(struct prl_llm_cache *cache, uint64_t owner);

// True when `more` tokens fit, after forgetting idle slots if need be.
bool prl_llm_cache_room(struct prl_llm_cache *cache, int more);
// Brings the slot to the longest beginning of `ids` that is remembered anywhere, at most `limit`
// tokens. Returns its length. `pending`: tokens that are about to be computed, which need room too.
int prl_llm_cache_match(struct prl_llm_cache *cache, int slot, const int32_t *ids, int limit,
                        int pending);
// The model has computed these tokens behind the slot's last one.
void prl_llm_cache_add(struct prl_llm_cache *cache, int slot, const int32_t *ids, int count);
// Forgets all but the first `count` tokens.
void prl_llm_cache_cut(struct prl_llm_cache *cache, int slot, int count);
int prl_llm_cache_len(const struct prl_llm_cache *cache, int slot);

struct prl_llm_cache_stats prl_llm_cache_stats(const struct prl_llm_cache *cache);

#endif

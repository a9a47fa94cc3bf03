// mirror.h -- what an upstream server's conversation holds, and what must be said to make it ours.
//
// The session's history is the truth (prl_llm_prompt, each answer cut to what was heard). Before each
// response prl_mirror_sync compares it with the items upstream: what is upstream alone is deleted, an
// answer that was cut is truncated, what is missing is created as text. So interruptions, tool
// results, edits of the client and a conversation that was lost with its connection are one case.
// Units:    bytes of text, samples at 24 kHz.
// Threads:  one owner. Pure: what is to be said goes through a table of functions.
// Memory:   a copy of the texts upstream, at most PRL_MIRROR_ITEMS_MAX items.
// Errors:   NOMEM; LIMIT when there are too many items. What a function of the table fails with
//           ends the sync. The connection cannot be used further after any of them.
#ifndef PRL_UPSTREAM_MIRROR_H
#define PRL_UPSTREAM_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/prompt.h"

enum { PRL_MIRROR_ITEMS_MAX = 4096, PRL_MIRROR_ID_SIZE = 72 };

enum prl_mirror_kind {
    PRL_MIRROR_SYSTEM,
    PRL_MIRROR_USER,
    PRL_MIRROR_ASSISTANT,
    PRL_MIRROR_CALL,
    PRL_MIRROR_OUTPUT
};

struct prl_mirror_item {
    enum prl_mirror_kind kind;
    const char *id;
    const char *text; // of a CALL: its arguments
    size_t len;
    const char *call_id; // CALL, OUTPUT
    const char *name;    // CALL
};

struct prl_mirror_ops {
    enum prl_err (*remove)(void *arg, const char *id);
    enum prl_err (*truncate)(void *arg, const char *id, uint64_t samples);
    // Behind the item `after`, "root": in front.
    enum prl_err (*create)(void *arg, const char *after, const struct prl_mirror_item *item);
};

struct prl_mirror;

enum prl_err prl_mirror_create(struct prl_mirror **out) PRL_MUST_USE;
void prl_mirror_destroy(struct prl_mirror **mirror);
// The conversation upstream is gone.
void prl_mirror_clear(struct prl_mirror *mirror);

// The upstream added an item at its end. INVALID: an id that is too long. An id that is there
// already changes nothing.
enum prl_err prl_mirror_add(struct prl_mirror *mirror,
                            const struct prl_mirror_item *item) PRL_MUST_USE;
// More text of an item; an unknown id is fine.
enum prl_err prl_mirror_text(struct prl_mirror *mirror, const char *id, const char *text,
                             size_t len) PRL_MUST_USE;
// A word of an answer ends at that byte and that sample.
enum prl_err prl_mirror_word(struct prl_mirror *mirror, const char *id, size_t byte_end,
                             uint64_t sample_end) PRL_MUST_USE;

// What the last words of the user say more in the prompt than upstream (a note of the time).
struct prl_mirror_rest {
    const char *text;
    size_t len;
};

// Makes the upstream hold what the prompt says, without its leading system message.
enum prl_err prl_mirror_sync(struct prl_mirror *mirror, const struct prl_llm_prompt *prompt,
                             const struct prl_mirror_ops *ops, void *arg,
                             struct prl_mirror_rest *rest) PRL_MUST_USE;

// The items of a prompt one by one, from *at = {0}; false at the end.
struct prl_mirror_at {
    size_t message, part;
};
bool prl_mirror_next(const struct prl_llm_prompt *prompt, struct prl_mirror_at *at,
                     struct prl_mirror_item *item);
size_t prl_mirror_count(const struct prl_mirror *mirror);

#endif

// stop.h -- ends an answer where it writes one of up to four texts, which is not given out itself.
//
// Bytes go in as the model writes them; what cannot be the beginning of such a text comes out at once.
// Units:    bytes. With whole code points in, whole code points come out.
// Threads:  one owner. Pure.
// Memory:   the piece under way; the texts are borrowed.
// Errors:   NOMEM.
#ifndef PRL_LLM_STOP_H
#define PRL_LLM_STOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "llm/prompt.h"

typedef void (*prl_stop_fn)(void *arg, const char *text, size_t len); // never empty

// Exposed to live inside its owner; fields are the module's own but `hit`.
struct prl_stop {
    const char *const *texts; // borrowed
    size_t count;             // of them; 0: everything goes through
    bool hit;                 // one was written; nothing comes out any more
    char held[PRL_LLM_STOP_BYTES_MAX];
    size_t held_len;
    struct prl_str out;
};

void prl_stop_init(struct prl_stop *stop, const char *const *texts, size_t count);
void prl_stop_free(struct prl_stop *stop);
enum prl_err prl_stop_push(struct prl_stop *stop, const char *text, size_t len, prl_stop_fn fn,
                           void *arg) PRL_MUST_USE;
// The answer is over, or something else than words comes: gives out what is held.
void prl_stop_end(struct prl_stop *stop, prl_stop_fn fn, void *arg);

#endif

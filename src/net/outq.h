// outq.h -- bounded queue of outgoing bytes of one connection.
//
// Units:    bytes.
// Threads:  one owner. Pure: no socket.
// Memory:   one block a push, freed when its last byte is consumed; an empty queue holds nothing.
// Errors:   FULL when a push would exceed the limit (nothing is queued), NOMEM.
#ifndef PRL_NET_OUTQ_H
#define PRL_NET_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_outq_block;

struct prl_outq {
    struct prl_outq_block *first, *last; // owned
    size_t bytes;                        // waiting
    size_t limit;
};

// A piece of a push; up to three are joined into one block.
struct prl_outq_piece {
    const void *data;
    size_t size;
};

void prl_outq_init(struct prl_outq *queue, size_t limit);
void prl_outq_free(struct prl_outq *queue);
// `force` ignores the limit (control frames, error answers). *at, unless NULL, gets the place of
// the last piece inside the block, valid until it is consumed: for masking.
enum prl_err prl_outq_push(struct prl_outq *queue, const struct prl_outq_piece pieces[3],
                           bool force, uint8_t **at) PRL_MUST_USE;
// Refers to bytes that outlive the queue.
enum prl_err prl_outq_push_static(struct prl_outq *queue, const void *data,
                                  size_t size) PRL_MUST_USE;
// Moves everything of `more` behind, whatever the limit.
void prl_outq_append(struct prl_outq *queue, struct prl_outq *more);
// The next bytes to write; false when empty.
bool prl_outq_peek(const struct prl_outq *queue, const uint8_t **data, size_t *size);
void prl_outq_consume(struct prl_outq *queue, size_t size);

#endif

// mailbox.h -- bounded queue of messages by value, from any thread to one.
//
// Threads:  any number send, exactly one receives. A mutex guards the slots for tens of
//           nanoseconds; nothing is called while it is held but memcpy.
// Memory:   one allocation in create. A message's `data` changes owner with the message: until the
//           send succeeds it is the sender's, afterwards the receiver's, who frees it with
//           prl_mem_free. What is still queued at destroy is freed.
// Errors:   FULL when `capacity` messages wait; the sender decides what to drop.
#ifndef PRL_BASE_MAILBOX_H
#define PRL_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_msg {
    uint32_t type;       // meaning is the receiver's business
    uint32_t generation; // makes late results recognisable
    uint64_t id;         // stream or session, never a pointer
    int64_t value[4];    // small numbers, e.g. times and counts
    void *data;          // owned payload or NULL, from prl_mem_*
    size_t size;         // bytes of data
};

struct prl_mailbox;

enum prl_err prl_mailbox_create(struct prl_mailbox **out, size_t capacity) PRL_MUST_USE;
void prl_mailbox_destroy(struct prl_mailbox **mailbox);

enum prl_err prl_mailbox_send(struct prl_mailbox *mailbox, const struct prl_msg *msg) PRL_MUST_USE;
// Ahead of everything that waits.
enum prl_err prl_mailbox_send_first(struct prl_mailbox *mailbox,
                                    const struct prl_msg *msg) PRL_MUST_USE;
// Blocks until there is room, at most `timeout_us` (TIMEOUT). For lanes, never for a loop.
enum prl_err prl_mailbox_send_wait(struct prl_mailbox *mailbox, const struct prl_msg *msg,
                                   int64_t timeout_us) PRL_MUST_USE;

// Receiver. AGAIN when empty.
enum prl_err prl_mailbox_take(struct prl_mailbox *mailbox, struct prl_msg *msg) PRL_MUST_USE;
// Receiver: waits at most `timeout_us` (negative: for ever) for a message; TIMEOUT when none came,
// CANCELED once the mailbox was closed and is empty.
enum prl_err prl_mailbox_wait(struct prl_mailbox *mailbox, struct prl_msg *msg,
                              int64_t timeout_us) PRL_MUST_USE;
// Any thread: no more sends (they return CANCELED); a waiting receiver wakes.
void prl_mailbox_close(struct prl_mailbox *mailbox);

// Any thread; stale by the time you look.
size_t prl_mailbox_len(struct prl_mailbox *mailbox);

// Frees the payload and clears the message.
void prl_msg_free(struct prl_msg *msg);

#endif

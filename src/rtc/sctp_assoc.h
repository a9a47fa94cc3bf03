// sctp_assoc.h -- one association: its channels, what waits to be sent, and the events it gives.
//
// Units:    bytes; streams are SCTP stream ids.
// Threads:  the thread of sctp_stack.h.
// Memory:   one block, a block for each waiting message, a label until it was announced, and at
//           most one piece of a message that could not be delivered yet.
// Errors:   what goes wrong ends the association and is told by the PRL_SCTP_CLOSED event; the
//           functions themselves do not fail.
// Source:   RFC 8831 §6.4 to §6.7, RFC 8832.
#ifndef PRL_RTC_SCTP_ASSOC_H
#define PRL_RTC_SCTP_ASSOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/sctp.h"

struct prl_sctp_assoc;

enum {
    PRL_SCTP_ITEM_COST = 128, // what a waiting message counts beside its bytes
};

// Written by the association, read by anybody.
struct prl_sctp_counts {
    atomic_uint_fast64_t messages_in;
    atomic_uint_fast64_t messages_out;
    atomic_uint_fast64_t messages_ignored;
    atomic_uint_fast64_t sends_dropped;
    atomic_uint_fast64_t channels_refused;
};

struct prl_sctp_assoc_ops {
    // One event, of which type, stream, flags, why and data are filled in. False: no room now, it
    // is offered again at the next service.
    bool (*event)(void *arg, const struct prl_sctp_event *event);
    // So many bytes no longer wait (prl_sctp_assoc_send's data and PRL_SCTP_ITEM_COST each).
    void (*freed)(void *arg, size_t bytes);
};

struct prl_sctp_assoc_conf {
    const struct prl_sctp_assoc_ops *ops;
    void *arg;
    uint8_t *scratch; // PRL_SCTP_PIECE_MAX bytes, borrowed, shared by all associations
    struct prl_sctp_counts *counts;
    uint32_t slot;
    uint16_t remote_port;
};

// Any thread: an empty one, a plain block of prl_mem_*; NULL without memory.
struct prl_sctp_assoc *prl_sctp_assoc_alloc(void) PRL_MUST_USE;
// Starts connecting. When usrsctp refuses, it says CLOSED at its first service.
void prl_sctp_assoc_start(struct prl_sctp_assoc *assoc, const struct prl_sctp_assoc_conf *conf);
// Aborts; `freed` is called for what still waits, `event` is not.
void prl_sctp_assoc_destroy(struct prl_sctp_assoc **assoc);

// Takes `data` (prl_mem_*, at least 1 byte unless `size` is 0), also when it is dropped.
void prl_sctp_assoc_take_text(struct prl_sctp_assoc *assoc, uint16_t stream, void *data,
                              size_t size);
void prl_sctp_assoc_open_channel(struct prl_sctp_assoc *assoc, uint16_t stream, const char *label,
                                 size_t label_len);
void prl_sctp_assoc_close_channel(struct prl_sctp_assoc *assoc, uint16_t stream);

enum prl_sctp_more {
    PRL_SCTP_MORE_NONE,  // nothing until the stack wakes it
    PRL_SCTP_MORE_LATER, // something waits for the loop, the peer or a reset: again at the next tick
    PRL_SCTP_MORE_NOW,   // its share of this turn is used up
};

// Delivers events, reads, sends; a bounded share of work.
enum prl_sctp_more prl_sctp_assoc_service(struct prl_sctp_assoc *assoc);
// Gives the stack what it takes of what waits, and nothing else.
void prl_sctp_assoc_flush(struct prl_sctp_assoc *assoc);

#endif

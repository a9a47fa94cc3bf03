// sctp_state.h -- the inside of sctp.h: what sctp.c (loops) and sctp_thread.c (the thread) share.
//
// A slot has two halves. What loops look at is atomic: the generation (odd while the slot is taken)
// and how much waits. What only the thread knows is the member. A slot is taken by a loop, which
// raises the generation, and given back by the thread, which raises it again; so a handle is stale
// exactly when its generation is not the slot's.
//
// Threads:  each field says.
// Memory:   orders travel in one mailbox; their data change owner with them.
#ifndef PRL_RTC_SCTP_STATE_H
#define PRL_RTC_SCTP_STATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "net/loop.h"
#include "rtc/sctp.h"
#include "rtc/sctp_assoc.h"

enum prl_sctp_order {
    PRL_SCTP_ORDER_OPEN, // data: struct prl_sctp_assoc
    PRL_SCTP_ORDER_INPUT,
    PRL_SCTP_ORDER_SEND,          // value: stream
    PRL_SCTP_ORDER_OPEN_CHANNEL,  // value: stream; data: label
    PRL_SCTP_ORDER_CLOSE_CHANNEL, // value: stream
    PRL_SCTP_ORDER_CLOSE,
    PRL_SCTP_ORDER_DETACH, // value: struct prl_sctp_detach
};

struct prl_sctp_detach {
    const struct prl_port *port;
    sem_t *done; // posted when the port is forgotten
};
_Static_assert(sizeof(struct prl_sctp_detach) <= sizeof(((struct prl_msg *)0)->value),
               "travels by value");

// What loops see.
struct prl_sctp_slot {
    // Set by the loop that takes the slot, read by the thread at PRL_SCTP_ORDER_OPEN, which comes after.
    struct prl_port *port;
    uint64_t id;
    uint16_t remote_port;
    // State.
    atomic_uint generation;      // odd: taken
    atomic_uint closing;         // generation that its owner has closed
    atomic_uint input_waiting;   // packets in the mailbox
    atomic_uint message_max;     // bytes
    atomic_size_t waiting_bytes; // to be sent, from prl_sctp_send until usrsctp has it
};

// What the thread knows.
struct prl_sctp_member {
    struct prl_sctp *sctp;
    struct prl_sctp_assoc *assoc; // owned; NULL: not open
    struct prl_port *port;        // borrowed
    uint64_t id;
    uint32_t generation;
    bool dirty; // in the list of those to be serviced
    bool retry; // in the list for the next tick
};

struct prl_sctp {
    // Set once.
    size_t slot_count;
    // Owned.
    struct prl_mailbox *mailbox;
    struct prl_sctp_slot *slots;
    pthread_t thread;
    bool has_thread;
    // Shared.
    atomic_uint next_slot;         // where the search for a free one begins
    atomic_bool closes_missed;     // a close found the mailbox full: look at all slots
    atomic_size_t waiting_bytes;   // of all slots
    atomic_size_t taken;           // slots
    struct prl_sctp_counts counts; //
    atomic_uint_fast64_t opened, packets_in, packets_out, packets_dropped, stale;
    // The thread's.
    struct prl_sctp_member *members; // one a slot
    uint32_t *dirty;                 // slots to be serviced; room for each twice, see service_dirty
    size_t dirty_count;              //
    uint32_t *retry;                 // slots to be serviced at the next tick
    size_t retry_count;              //
    size_t open_count;               // associations
    int64_t ticked_at_us;            // usrsctp's timers know of the time until then
    int64_t busy_until_us;           // ticks come often
    int64_t tick_until_us;           // without associations
    uint8_t *scratch;                // PRL_SCTP_PIECE_MAX bytes
};

// In an event's value[2].
enum { PRL_SCTP_FLAG_FIRST = 1, PRL_SCTP_FLAG_LAST = 2, PRL_SCTP_FLAG_BINARY = 4 };

// The function of the thread (arg: struct prl_sctp); ends when the mailbox is closed.
void *prl_sctp_thread(void *arg);
// Either side: so many bytes of this slot no longer wait to be sent.
void prl_sctp_release_bytes(struct prl_sctp *sctp, uint32_t slot, size_t bytes);
void prl_sctp_free_slot(struct prl_sctp *sctp, uint32_t slot);
// Whether the owner of this generation has closed it.
bool prl_sctp_wants_close(const struct prl_sctp *sctp, uint32_t slot, uint32_t generation);

static inline void prl_sctp_count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif

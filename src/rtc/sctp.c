// sctp.c -- see sctp.h. Loops put messages into one mailbox; the thread takes them, lets the
// association act, and sends events to the loop's port.
//
// A slot has two halves. What loops look at is atomic: the generation (odd while the slot is taken)
// and how much waits. What only the thread knows is the member. A slot is taken by a loop, which
// raises the generation, and given back by the thread, which raises it again; so a handle is stale
// exactly when its generation is not the slot's.
#include "rtc/sctp.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "rtc/sctp_assoc.h"
#include "rtc/sctp_stack.h"

enum {
    MAILBOX_CAPACITY = 8192,
    TICK_US = 10000,
    TICK_MS = 10,
    ORDERS_A_ROUND = 64, // then those they woke are serviced
    TICKS_AFTER = 200,   // after the last association, for usrsctp to free what timers still hold
    DETACH_WAIT_US = 10000000,
    FLAG_FIRST = 1,
    FLAG_LAST = 2,
    FLAG_BINARY = 4,
};

enum order {
    ORDER_OPEN, // data: struct prl_sctp_assoc
    ORDER_INPUT,
    ORDER_SEND,          // value: stream
    ORDER_OPEN_CHANNEL,  // value: stream; data: label
    ORDER_CLOSE_CHANNEL, // value: stream
    ORDER_CLOSE,
    ORDER_DETACH, // value: struct detach
};

struct detach {
    const struct prl_port *port;
    sem_t *done; // posted when the port is forgotten
};
_Static_assert(sizeof(struct detach) <= sizeof(((struct prl_msg *)0)->value), "travels by value");

// What loops see.
struct slot {
    // Set by the loop that takes the slot, read by the thread at ORDER_OPEN, which comes after.
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
struct member {
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
    struct slot *slots;
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
    struct member *members; // one a slot
    uint32_t *dirty;        // slots to be serviced; room for each twice, see service_dirty
    size_t dirty_count;     //
    uint32_t *retry;        // slots to be serviced at the next tick
    size_t retry_count;     //
    size_t open_count;      // associations
    int ticks_left;         // after the last one
    int64_t tick_at_us;     // next tick
    uint8_t *scratch;       // PRL_SCTP_PIECE_MAX bytes
};

static atomic_bool exists; // usrsctp's state is global, so one object a process at a time

static void count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

// ---- events to loops, on the thread ----

static bool send_event(struct member *member, uint32_t slot, const struct prl_sctp_event *event)
{
    struct prl_msg msg = {
        .type = event->type,
        .generation = member->generation,
        .id = member->id,
        .value = {slot, event->stream,
                  (event->first ? FLAG_FIRST : 0) | (event->last ? FLAG_LAST : 0) |
                      (event->binary ? FLAG_BINARY : 0),
                  event->why},
        .size = event->size,
    };
    if (event->size > 0) {
        msg.data = prl_mem_dup(event->data, event->size);
        if (!msg.data)
            return false;
    }
    enum prl_err err = prl_port_send(member->port, &msg);
    if (err)
        prl_msg_free(&msg);
    return err != PRL_ERR_FULL; // a closed port listens to nothing more
}

static void mark_dirty(struct prl_sctp *sctp, uint32_t slot)
{
    if (sctp->members[slot].dirty)
        return;
    sctp->members[slot].dirty = true;
    sctp->dirty[sctp->dirty_count++] = slot;
}

static void on_packet(void *arg, uint32_t slot, const uint8_t *data, size_t size)
{
    struct prl_sctp *sctp = arg;
    struct member *member = &sctp->members[slot];
    struct prl_sctp_event event = {.type = PRL_SCTP_PACKET, .data = data, .size = size};
    if (!member->port)
        return; // the last word of an association that is gone
    bool sent = size <= PRL_SCTP_PACKET_MAX && send_event(member, slot, &event);
    count(sent ? &sctp->packets_out : &sctp->packets_dropped);
}

static void on_wake(void *arg, uint32_t slot)
{
    struct prl_sctp *sctp = arg;
    if (sctp->members[slot].assoc)
        mark_dirty(sctp, slot);
}

static const struct prl_sctp_stack_ops stack_ops = {on_packet, on_wake};

static bool on_event(void *arg, const struct prl_sctp_event *event)
{
    struct member *member = arg;
    return send_event(member, (uint32_t)(member - member->sctp->members), event);
}

static void on_freed(void *arg, size_t bytes)
{
    struct member *member = arg;
    struct prl_sctp *sctp = member->sctp;
    atomic_fetch_sub(&sctp->slots[member - sctp->members].waiting_bytes, bytes);
    atomic_fetch_sub(&sctp->waiting_bytes, bytes);
}

static const struct prl_sctp_assoc_ops assoc_ops = {on_event, on_freed};

// ---- orders of loops, on the thread ----

static void free_slot(struct prl_sctp *sctp, uint32_t slot)
{
    atomic_fetch_sub(&sctp->taken, 1);
    atomic_fetch_add(&sctp->slots[slot].generation, 1);
}

static void close_member(struct prl_sctp *sctp, uint32_t slot)
{
    struct member *member = &sctp->members[slot];
    if (!member->assoc)
        return;
    prl_sctp_assoc_destroy(&member->assoc);
    member->port = NULL;
    sctp->open_count--;
    sctp->ticks_left = TICKS_AFTER;
    free_slot(sctp, slot);
}

static bool wants_close(const struct prl_sctp *sctp, uint32_t slot, uint32_t generation)
{
    return atomic_load(&sctp->slots[slot].closing) == generation;
}

static void open_member(struct prl_sctp *sctp, uint32_t slot, struct prl_msg *msg)
{
    struct member *member = &sctp->members[slot];
    PRL_CHECK(!member->assoc);
    struct prl_sctp_assoc_conf conf = {.ops = &assoc_ops,
                                       .arg = member,
                                       .scratch = sctp->scratch,
                                       .counts = &sctp->counts,
                                       .slot = slot,
                                       .remote_port = sctp->slots[slot].remote_port};
    member->assoc = msg->data;
    msg->data = NULL;
    member->port = sctp->slots[slot].port;
    member->id = sctp->slots[slot].id;
    member->generation = msg->generation;
    if (sctp->open_count == 0 && sctp->ticks_left == 0)
        sctp->tick_at_us = prl_clock_now_us() + TICK_US;
    sctp->open_count++;
    prl_sctp_assoc_start(member->assoc, &conf);
    if (wants_close(sctp, slot, msg->generation))
        close_member(sctp, slot); // its message found the mailbox full
    else
        mark_dirty(sctp, slot);
}

static void detach(struct prl_sctp *sctp, const struct prl_msg *msg)
{
    struct detach order;
    memcpy(&order, msg->value, sizeof(order));
    for (uint32_t slot = 0; slot < sctp->slot_count; slot++)
        if (sctp->members[slot].assoc && sctp->members[slot].port == order.port)
            close_member(sctp, slot);
    sem_post(order.done);
}

static void obey_member(struct prl_sctp *sctp, uint32_t slot, struct prl_msg *msg)
{
    struct prl_sctp_assoc *assoc = sctp->members[slot].assoc;
    switch ((enum order)msg->type) {
    case ORDER_INPUT:
        prl_sctp_stack_input(slot, msg->data, msg->size);
        break;
    case ORDER_SEND:
        prl_sctp_assoc_take_text(assoc, (uint16_t)msg->value[0], msg->data, msg->size);
        msg->data = NULL;
        break;
    case ORDER_OPEN_CHANNEL:
        prl_sctp_assoc_open_channel(assoc, (uint16_t)msg->value[0], msg->data, msg->size);
        break;
    case ORDER_CLOSE_CHANNEL:
        prl_sctp_assoc_close_channel(assoc, (uint16_t)msg->value[0]);
        break;
    case ORDER_CLOSE:
        // What was sent before goes to the stack first, so that it may leave before the ABORT.
        prl_sctp_assoc_flush(assoc);
        close_member(sctp, slot);
        return;
    case ORDER_OPEN:
    case ORDER_DETACH:
        return;
    }
    mark_dirty(sctp, slot);
}

static void obey(struct prl_sctp *sctp, struct prl_msg *msg)
{
    uint32_t slot = (uint32_t)msg->id;
    struct member *member = &sctp->members[slot];
    if (msg->type == ORDER_INPUT)
        atomic_fetch_sub(&sctp->slots[slot].input_waiting, 1);
    if (msg->type == ORDER_OPEN) {
        open_member(sctp, slot, msg);
    } else if (msg->type == ORDER_DETACH) {
        detach(sctp, msg);
    } else if (member->assoc && member->generation == msg->generation) {
        obey_member(sctp, slot, msg);
    } else if (msg->type == ORDER_SEND) {
        count(&sctp->counts.sends_dropped);
        on_freed(member, msg->size + PRL_SCTP_ITEM_COST);
    }
    prl_msg_free(msg);
}

static void close_missed(struct prl_sctp *sctp)
{
    if (!atomic_exchange(&sctp->closes_missed, false))
        return;
    for (uint32_t slot = 0; slot < sctp->slot_count; slot++)
        if (sctp->members[slot].assoc && wants_close(sctp, slot, sctp->members[slot].generation))
            close_member(sctp, slot);
}

// ---- the thread ----

// One round: those that became dirty meanwhile come in the next, behind what waits in the mailbox.
static void service_dirty(struct prl_sctp *sctp)
{
    size_t round = sctp->dirty_count;
    for (size_t i = 0; i < round; i++) {
        uint32_t slot = sctp->dirty[i];
        struct member *member = &sctp->members[slot];
        member->dirty = false;
        if (!member->assoc)
            continue;
        enum prl_sctp_more more = prl_sctp_assoc_service(member->assoc);
        if (more == PRL_SCTP_MORE_NOW) {
            mark_dirty(sctp, slot);
        } else if (more == PRL_SCTP_MORE_LATER && !member->retry) {
            member->retry = true;
            sctp->retry[sctp->retry_count++] = slot;
        }
    }
    sctp->dirty_count -= round;
    memmove(sctp->dirty, sctp->dirty + round, sctp->dirty_count * sizeof(*sctp->dirty));
}

static void tick(struct prl_sctp *sctp)
{
    int64_t now_us = prl_clock_now_us();
    if (now_us < sctp->tick_at_us)
        return;
    int64_t ticks = 1 + (now_us - sctp->tick_at_us) / TICK_US;
    sctp->tick_at_us += ticks * TICK_US;
    prl_sctp_stack_tick((uint32_t)(ticks * TICK_MS));
    if (sctp->open_count == 0 && sctp->ticks_left > 0)
        sctp->ticks_left--;
    for (size_t i = 0; i < sctp->retry_count; i++) {
        sctp->members[sctp->retry[i]].retry = false;
        mark_dirty(sctp, sctp->retry[i]);
    }
    sctp->retry_count = 0;
}

static bool ticking(const struct prl_sctp *sctp)
{
    return sctp->open_count > 0 || sctp->ticks_left > 0;
}

static int64_t wait_us(const struct prl_sctp *sctp)
{
    if (sctp->dirty_count > 0)
        return 0;
    if (!ticking(sctp))
        return -1;
    int64_t left_us = sctp->tick_at_us - prl_clock_now_us();
    return left_us > 0 ? left_us : 0;
}

static void *run(void *arg)
{
    struct prl_sctp *sctp = arg;
    pthread_setname_np(pthread_self(), "sctp");
    prl_sctp_stack_start(&stack_ops, sctp);
    struct prl_msg msg;
    enum prl_err err = PRL_OK;
    while (err != PRL_ERR_CANCELED) {
        err = prl_mailbox_wait(sctp->mailbox, &msg, wait_us(sctp));
        for (int i = 1; err == PRL_OK; i++) {
            obey(sctp, &msg);
            err = i < ORDERS_A_ROUND ? prl_mailbox_take(sctp->mailbox, &msg) : PRL_ERR_AGAIN;
        }
        close_missed(sctp);
        service_dirty(sctp);
        if (ticking(sctp))
            tick(sctp);
    }
    for (uint32_t slot = 0; slot < sctp->slot_count; slot++)
        close_member(sctp, slot);
    prl_sctp_stack_stop();
    return NULL;
}

// ---- life, on a loop ----

enum prl_err prl_sctp_create(struct prl_sctp **out, size_t associations_max)
{
    PRL_CHECK(out && associations_max >= 1 && associations_max <= PRL_SCTP_ASSOCIATIONS_MAX);
    PRL_CHECK(!atomic_exchange(&exists, true));
    struct prl_sctp *sctp = prl_mem_zalloc(sizeof(*sctp));
    *out = sctp;
    if (!sctp) {
        atomic_store(&exists, false);
        return PRL_ERR_NOMEM;
    }
    sctp->slot_count = associations_max;
    sctp->slots = prl_mem_array(associations_max, sizeof(*sctp->slots));
    sctp->members = prl_mem_array(associations_max, sizeof(*sctp->members));
    sctp->dirty = prl_mem_array(2 * associations_max, sizeof(*sctp->dirty));
    sctp->retry = prl_mem_array(associations_max, sizeof(*sctp->retry));
    sctp->scratch = prl_mem_alloc(PRL_SCTP_PIECE_MAX);
    enum prl_err err = prl_mailbox_create(&sctp->mailbox, MAILBOX_CAPACITY);
    if (!err && !(sctp->slots && sctp->members && sctp->dirty && sctp->retry && sctp->scratch))
        err = PRL_ERR_NOMEM;
    if (!err) {
        for (size_t i = 0; i < associations_max; i++)
            sctp->members[i].sctp = sctp;
        err = pthread_create(&sctp->thread, NULL, run, sctp) == 0 ? PRL_OK : PRL_ERR_IO;
        sctp->has_thread = !err;
    }
    if (err)
        prl_sctp_destroy(out);
    return err;
}

void prl_sctp_destroy(struct prl_sctp **sctp_at)
{
    struct prl_sctp *sctp = *sctp_at;
    if (!sctp)
        return;
    if (sctp->has_thread) {
        prl_mailbox_close(sctp->mailbox);
        pthread_join(sctp->thread, NULL);
    }
    prl_mailbox_destroy(&sctp->mailbox);
    prl_mem_free(sctp->slots);
    prl_mem_free(sctp->members);
    prl_mem_free(sctp->dirty);
    prl_mem_free(sctp->retry);
    prl_mem_free(sctp->scratch);
    prl_mem_free(sctp);
    *sctp_at = NULL;
    atomic_store(&exists, false);
}

void prl_sctp_detach(struct prl_sctp *sctp, const struct prl_port *port)
{
    PRL_CHECK(sctp && port);
    // The one place where a loop waits for the thread: afterwards the port may go.
    sem_t done;
    PRL_CHECK(sem_init(&done, 0, 0) == 0);
    struct detach order = {.port = port, .done = &done};
    struct prl_msg msg = {.type = ORDER_DETACH};
    memcpy(msg.value, &order, sizeof(order));
    PRL_CHECK(prl_mailbox_send_wait(sctp->mailbox, &msg, DETACH_WAIT_US) == PRL_OK);
    while (sem_wait(&done) != 0)
        PRL_CHECK(errno == EINTR);
    sem_destroy(&done);
}

// ---- orders, from loops ----

static bool is_fresh(struct prl_sctp *sctp, struct prl_sctp_handle handle)
{
    if (handle.slot < sctp->slot_count && handle.generation % 2 == 1 &&
        atomic_load(&sctp->slots[handle.slot].generation) == handle.generation &&
        !wants_close(sctp, handle.slot, handle.generation))
        return true;
    count(&sctp->stale);
    return false;
}

static struct prl_msg make_order(enum order order, struct prl_sctp_handle handle)
{
    return (struct prl_msg){.type = order, .id = handle.slot, .generation = handle.generation};
}

// Takes the first free slot after the one taken last, so that a slot rests before it is used again.
static enum prl_err take_slot(struct prl_sctp *sctp, struct prl_sctp_handle *handle)
{
    for (size_t tries = 0; tries < sctp->slot_count; tries++) {
        uint32_t slot = atomic_fetch_add(&sctp->next_slot, 1) % (uint32_t)sctp->slot_count;
        unsigned generation = atomic_load(&sctp->slots[slot].generation);
        if (generation % 2 == 0 && atomic_compare_exchange_strong(&sctp->slots[slot].generation,
                                                                  &generation, generation + 1)) {
            atomic_fetch_add(&sctp->taken, 1);
            *handle = (struct prl_sctp_handle){.slot = slot, .generation = generation + 1};
            return PRL_OK;
        }
    }
    return PRL_ERR_LIMIT;
}

enum prl_err prl_sctp_open(struct prl_sctp *sctp, const struct prl_sctp_peer_conf *conf,
                           struct prl_sctp_handle *handle)
{
    PRL_CHECK(sctp && conf && conf->port && handle);
    *handle = (struct prl_sctp_handle){0};
    struct prl_sctp_assoc *assoc = prl_sctp_assoc_alloc();
    if (!assoc)
        return PRL_ERR_NOMEM;
    struct prl_sctp_handle taken;
    enum prl_err err = take_slot(sctp, &taken);
    if (err) {
        prl_mem_free(assoc);
        return err;
    }
    uint32_t message_max = conf->message_max;
    if (message_max == 0 || message_max > PRL_SCTP_MESSAGE_MAX)
        message_max = PRL_SCTP_MESSAGE_MAX;
    struct slot *slot = &sctp->slots[taken.slot];
    slot->port = conf->port;
    slot->id = conf->id;
    slot->remote_port = conf->remote_port ? conf->remote_port : PRL_SCTP_PORT;
    atomic_store(&slot->message_max, message_max);
    struct prl_msg msg = make_order(ORDER_OPEN, taken);
    msg.data = assoc;
    err = prl_mailbox_send(sctp->mailbox, &msg);
    if (err) {
        prl_mem_free(assoc);
        free_slot(sctp, taken.slot);
        return err;
    }
    count(&sctp->opened);
    *handle = taken;
    return PRL_OK;
}

enum prl_err prl_sctp_input(struct prl_sctp *sctp, struct prl_sctp_handle handle,
                            const uint8_t *data, size_t size)
{
    PRL_CHECK(sctp && (data || size == 0));
    if (!is_fresh(sctp, handle))
        return PRL_ERR_NOTFOUND;
    enum prl_err err = size == 0 || size > PRL_SCTP_INPUT_MAX ? PRL_ERR_LIMIT : PRL_OK;
    struct prl_msg msg = make_order(ORDER_INPUT, handle);
    atomic_uint *waiting = &sctp->slots[handle.slot].input_waiting;
    if (!err && atomic_fetch_add(waiting, 1) >= PRL_SCTP_INPUT_WAITING_MAX) {
        atomic_fetch_sub(waiting, 1);
        err = PRL_ERR_FULL;
    } else if (!err) {
        msg.data = prl_mem_dup(data, size);
        msg.size = size;
        err = msg.data ? prl_mailbox_send(sctp->mailbox, &msg) : PRL_ERR_NOMEM;
        if (err)
            atomic_fetch_sub(waiting, 1);
    }
    if (err)
        prl_mem_free(msg.data);
    count(err ? &sctp->packets_dropped : &sctp->packets_in);
    return err;
}

// Counts what will wait; FULL when that is too much.
static enum prl_err reserve(struct prl_sctp *sctp, uint32_t slot, size_t bytes)
{
    size_t all = atomic_fetch_add(&sctp->waiting_bytes, bytes);
    size_t own = atomic_fetch_add(&sctp->slots[slot].waiting_bytes, bytes);
    if (all + bytes <= PRL_SCTP_SEND_ALL_MAX && own + bytes <= PRL_SCTP_SEND_MAX)
        return PRL_OK;
    on_freed(&sctp->members[slot], bytes);
    return PRL_ERR_FULL;
}

enum prl_err prl_sctp_send(struct prl_sctp *sctp, struct prl_sctp_handle handle, uint16_t stream,
                           const char *text, size_t len)
{
    PRL_CHECK(sctp && (text || len == 0));
    if (!is_fresh(sctp, handle))
        return PRL_ERR_NOTFOUND;
    if (len > atomic_load(&sctp->slots[handle.slot].message_max))
        return PRL_ERR_LIMIT;
    enum prl_err err = reserve(sctp, handle.slot, len + PRL_SCTP_ITEM_COST);
    if (err)
        return err;
    struct prl_msg msg = make_order(ORDER_SEND, handle);
    msg.value[0] = stream;
    msg.size = len;
    msg.data = prl_mem_dup(len > 0 ? text : "", len > 0 ? len : 1);
    err = msg.data ? prl_mailbox_send(sctp->mailbox, &msg) : PRL_ERR_NOMEM;
    if (err) {
        on_freed(&sctp->members[handle.slot], len + PRL_SCTP_ITEM_COST);
        prl_mem_free(msg.data);
    }
    return err;
}

enum prl_err prl_sctp_open_channel(struct prl_sctp *sctp, struct prl_sctp_handle handle,
                                   uint16_t stream, const char *label)
{
    PRL_CHECK(sctp && label);
    if (!is_fresh(sctp, handle))
        return PRL_ERR_NOTFOUND;
    size_t len = strlen(label);
    if (stream >= PRL_SCTP_STREAMS || len > PRL_SCTP_LABEL_MAX)
        return PRL_ERR_LIMIT;
    struct prl_msg msg = make_order(ORDER_OPEN_CHANNEL, handle);
    msg.value[0] = stream;
    msg.size = len;
    msg.data = prl_mem_strdup(label);
    enum prl_err err = msg.data ? prl_mailbox_send(sctp->mailbox, &msg) : PRL_ERR_NOMEM;
    if (err)
        prl_mem_free(msg.data);
    return err;
}

enum prl_err prl_sctp_close_channel(struct prl_sctp *sctp, struct prl_sctp_handle handle,
                                    uint16_t stream)
{
    PRL_CHECK(sctp);
    if (!is_fresh(sctp, handle))
        return PRL_ERR_NOTFOUND;
    struct prl_msg msg = make_order(ORDER_CLOSE_CHANNEL, handle);
    msg.value[0] = stream;
    return prl_mailbox_send(sctp->mailbox, &msg);
}

void prl_sctp_close(struct prl_sctp *sctp, struct prl_sctp_handle *handle)
{
    PRL_CHECK(sctp && handle);
    if (handle->generation == 0)
        return;
    if (is_fresh(sctp, *handle)) {
        struct prl_msg msg = make_order(ORDER_CLOSE, *handle);
        atomic_store(&sctp->slots[handle->slot].closing, handle->generation);
        if (prl_mailbox_send(sctp->mailbox, &msg) != PRL_OK)
            atomic_store(&sctp->closes_missed, true);
    }
    *handle = (struct prl_sctp_handle){0};
}

// ---- for owners ----

void prl_sctp_event_read(const struct prl_msg *msg, struct prl_sctp_event *event)
{
    *event = (struct prl_sctp_event){
        .type = (enum prl_sctp_event_type)msg->type,
        .handle = {.slot = (uint32_t)msg->value[0], .generation = msg->generation},
        .id = msg->id,
        .stream = (uint16_t)msg->value[1],
        .first = (msg->value[2] & FLAG_FIRST) != 0,
        .last = (msg->value[2] & FLAG_LAST) != 0,
        .binary = (msg->value[2] & FLAG_BINARY) != 0,
        .why = (enum prl_sctp_why)msg->value[3],
        .data = msg->data,
        .size = msg->size,
    };
}

bool prl_sctp_same(struct prl_sctp_handle a, struct prl_sctp_handle b)
{
    return a.generation != 0 && a.slot == b.slot && a.generation == b.generation;
}

const char *prl_sctp_why_name(enum prl_sctp_why why)
{
    switch (why) {
    case PRL_SCTP_WHY_SHUTDOWN:
        return "shut down by the peer";
    case PRL_SCTP_WHY_ABORT:
        return "aborted by the peer";
    case PRL_SCTP_WHY_TIMEOUT:
        return "no answer";
    case PRL_SCTP_WHY_PROTOCOL:
        return "protocol broken by the peer";
    case PRL_SCTP_WHY_MEMORY:
        return "out of memory";
    }
    return "unknown";
}

void prl_sctp_stats(const struct prl_sctp *sctp, struct prl_sctp_stats *stats)
{
    *stats = (struct prl_sctp_stats){
        .associations = atomic_load(&sctp->taken),
        .opened = atomic_load(&sctp->opened),
        .packets_in = atomic_load(&sctp->packets_in),
        .packets_out = atomic_load(&sctp->packets_out),
        .packets_dropped = atomic_load(&sctp->packets_dropped),
        .messages_in = atomic_load(&sctp->counts.messages_in),
        .messages_out = atomic_load(&sctp->counts.messages_out),
        .messages_ignored = atomic_load(&sctp->counts.messages_ignored),
        .sends_dropped = atomic_load(&sctp->counts.sends_dropped),
        .channels_refused = atomic_load(&sctp->counts.channels_refused),
        .stale = atomic_load(&sctp->stale),
    };
}

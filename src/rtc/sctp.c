// sctp.c -- see sctp.h: the side of the loops. They put orders into one mailbox; sctp_thread.c obeys.
#include "rtc/sctp.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rtc/sctp_state.h"

enum {
    MAILBOX_CAPACITY = 8192,
    DETACH_WAIT_US = 10000000,
};

static atomic_bool exists; // usrsctp's state is global, so one object a process at a time

// ---- what both sides do ----

void prl_sctp_release_bytes(struct prl_sctp *sctp, uint32_t slot, size_t bytes)
{
    atomic_fetch_sub(&sctp->slots[slot].waiting_bytes, bytes);
    atomic_fetch_sub(&sctp->waiting_bytes, bytes);
}

void prl_sctp_free_slot(struct prl_sctp *sctp, uint32_t slot)
{
    atomic_fetch_sub(&sctp->taken, 1);
    atomic_fetch_add(&sctp->slots[slot].generation, 1);
}

bool prl_sctp_wants_close(const struct prl_sctp *sctp, uint32_t slot, uint32_t generation)
{
    return atomic_load(&sctp->slots[slot].closing) == generation;
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
        err = pthread_create(&sctp->thread, NULL, prl_sctp_thread, sctp) == 0 ? PRL_OK : PRL_ERR_IO;
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
    struct prl_sctp_detach order = {.port = port, .done = &done};
    struct prl_msg msg = {.type = PRL_SCTP_ORDER_DETACH};
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
        !prl_sctp_wants_close(sctp, handle.slot, handle.generation))
        return true;
    prl_sctp_count(&sctp->stale);
    return false;
}

static struct prl_msg make_order(enum prl_sctp_order order, struct prl_sctp_handle handle)
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
    struct prl_sctp_slot *slot = &sctp->slots[taken.slot];
    slot->port = conf->port;
    slot->id = conf->id;
    slot->remote_port = conf->remote_port ? conf->remote_port : PRL_SCTP_PORT;
    atomic_store(&slot->message_max, message_max);
    struct prl_msg msg = make_order(PRL_SCTP_ORDER_OPEN, taken);
    msg.data = assoc;
    err = prl_mailbox_send(sctp->mailbox, &msg);
    if (err) {
        prl_mem_free(assoc);
        prl_sctp_free_slot(sctp, taken.slot);
        return err;
    }
    prl_sctp_count(&sctp->opened);
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
    struct prl_msg msg = make_order(PRL_SCTP_ORDER_INPUT, handle);
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
    prl_sctp_count(err ? &sctp->packets_dropped : &sctp->packets_in);
    return err;
}

// Counts what will wait; FULL when that is too much.
static enum prl_err reserve(struct prl_sctp *sctp, uint32_t slot, size_t bytes)
{
    size_t all = atomic_fetch_add(&sctp->waiting_bytes, bytes);
    size_t own = atomic_fetch_add(&sctp->slots[slot].waiting_bytes, bytes);
    if (all + bytes <= PRL_SCTP_SEND_ALL_MAX && own + bytes <= PRL_SCTP_SEND_MAX)
        return PRL_OK;
    prl_sctp_release_bytes(sctp, slot, bytes);
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
    struct prl_msg msg = make_order(PRL_SCTP_ORDER_SEND, handle);
    msg.value[0] = stream;
    msg.size = len;
    msg.data = prl_mem_dup(len > 0 ? text : "", len > 0 ? len : 1);
    err = msg.data ? prl_mailbox_send(sctp->mailbox, &msg) : PRL_ERR_NOMEM;
    if (err) {
        prl_sctp_release_bytes(sctp, handle.slot, len + PRL_SCTP_ITEM_COST);
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
    struct prl_msg msg = make_order(PRL_SCTP_ORDER_OPEN_CHANNEL, handle);
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
    struct prl_msg msg = make_order(PRL_SCTP_ORDER_CLOSE_CHANNEL, handle);
    msg.value[0] = stream;
    return prl_mailbox_send(sctp->mailbox, &msg);
}

void prl_sctp_close(struct prl_sctp *sctp, struct prl_sctp_handle *handle)
{
    PRL_CHECK(sctp && handle);
    if (handle->generation == 0)
        return;
    if (is_fresh(sctp, *handle)) {
        struct prl_msg msg = make_order(PRL_SCTP_ORDER_CLOSE, *handle);
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
        .first = (msg->value[2] & PRL_SCTP_FLAG_FIRST) != 0,
        .last = (msg->value[2] & PRL_SCTP_FLAG_LAST) != 0,
        .binary = (msg->value[2] & PRL_SCTP_FLAG_BINARY) != 0,
        .why = (enum prl_sctp_why)msg->value[3],
        .data = msg->data ? msg->data : (const uint8_t *)"",
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

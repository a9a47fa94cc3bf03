// sctp_thread.c -- the owner thread of sctp.h: it takes the orders of loops, lets the association act,
// and sends events to the loop's port.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "rtc/sctp_stack.h"
#include "rtc/sctp_state.h"

enum {
    ORDERS_A_ROUND = 64,    // then those they woke are serviced
    TICK_US = 10000,        // of usrsctp's timers
    TICK_QUIET_US = 100000, // when for BUSY_US nothing came or went: only heartbeats are left then
    BUSY_US = 1000000,
    AFTER_US = 2000000, // ticks go on after the last association: timers still hold some memory
};

// ---- events to loops, on the thread ----

static bool send_event(struct prl_sctp_member *member, uint32_t slot,
                       const struct prl_sctp_event *event)
{
    struct prl_msg msg = {
        .type = event->type,
        .generation = member->generation,
        .id = member->id,
        .value = {slot, event->stream,
                  (event->first ? PRL_SCTP_FLAG_FIRST : 0) |
                      (event->last ? PRL_SCTP_FLAG_LAST : 0) |
                      (event->binary ? PRL_SCTP_FLAG_BINARY : 0),
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
    struct prl_sctp_member *member = &sctp->members[slot];
    struct prl_sctp_event event = {.type = PRL_SCTP_PACKET, .data = data, .size = size};
    if (!member->port)
        return; // the last word of an association that is gone
    bool sent = size <= PRL_SCTP_PACKET_MAX && send_event(member, slot, &event);
    prl_sctp_count(sent ? &sctp->packets_out : &sctp->packets_dropped);
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
    struct prl_sctp_member *member = arg;
    return send_event(member, (uint32_t)(member - member->sctp->members), event);
}

static void on_freed(void *arg, size_t bytes)
{
    struct prl_sctp_member *member = arg;
    struct prl_sctp *sctp = member->sctp;
    prl_sctp_release_bytes(sctp, (uint32_t)(member - sctp->members), bytes);
}

static const struct prl_sctp_assoc_ops assoc_ops = {on_event, on_freed};

// ---- orders of loops, on the thread ----

static void close_member(struct prl_sctp *sctp, uint32_t slot)
{
    struct prl_sctp_member *member = &sctp->members[slot];
    if (!member->assoc)
        return;
    prl_sctp_assoc_destroy(&member->assoc);
    member->port = NULL;
    sctp->open_count--;
    sctp->tick_until_us = prl_clock_now_us() + AFTER_US;
    prl_sctp_free_slot(sctp, slot);
}

static void open_member(struct prl_sctp *sctp, uint32_t slot, struct prl_msg *msg)
{
    struct prl_sctp_member *member = &sctp->members[slot];
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
    sctp->open_count++;
    prl_sctp_assoc_start(member->assoc, &conf);
    if (prl_sctp_wants_close(sctp, slot, msg->generation))
        close_member(sctp, slot); // its message found the mailbox full
    else
        mark_dirty(sctp, slot);
}

static void detach(struct prl_sctp *sctp, const struct prl_msg *msg)
{
    struct prl_sctp_detach order;
    memcpy(&order, msg->value, sizeof(order));
    for (uint32_t slot = 0; slot < sctp->slot_count; slot++)
        if (sctp->members[slot].assoc && sctp->members[slot].port == order.port)
            close_member(sctp, slot);
    sem_post(order.done);
}

static void obey_member(struct prl_sctp *sctp, uint32_t slot, struct prl_msg *msg)
{
    struct prl_sctp_assoc *assoc = sctp->members[slot].assoc;
    switch ((enum prl_sctp_order)msg->type) {
    case PRL_SCTP_ORDER_INPUT:
        prl_sctp_stack_input(slot, msg->data, msg->size);
        break;
    case PRL_SCTP_ORDER_SEND:
        prl_sctp_assoc_take_text(assoc, (uint16_t)msg->value[0], msg->data, msg->size);
        msg->data = NULL;
        break;
    case PRL_SCTP_ORDER_OPEN_CHANNEL:
        prl_sctp_assoc_open_channel(assoc, (uint16_t)msg->value[0], msg->data, msg->size);
        break;
    case PRL_SCTP_ORDER_CLOSE_CHANNEL:
        prl_sctp_assoc_close_channel(assoc, (uint16_t)msg->value[0]);
        break;
    case PRL_SCTP_ORDER_CLOSE:
        // What was sent before goes to the stack first, so that it may leave before the ABORT.
        prl_sctp_assoc_flush(assoc);
        close_member(sctp, slot);
        return;
    case PRL_SCTP_ORDER_OPEN:
    case PRL_SCTP_ORDER_DETACH:
        return;
    }
    mark_dirty(sctp, slot);
}

static void obey(struct prl_sctp *sctp, struct prl_msg *msg)
{
    uint32_t slot = (uint32_t)msg->id;
    struct prl_sctp_member *member = &sctp->members[slot];
    if (msg->type == PRL_SCTP_ORDER_INPUT)
        atomic_fetch_sub(&sctp->slots[slot].input_waiting, 1);
    if (msg->type == PRL_SCTP_ORDER_OPEN) {
        open_member(sctp, slot, msg);
    } else if (msg->type == PRL_SCTP_ORDER_DETACH) {
        detach(sctp, msg);
    } else if (member->assoc && member->generation == msg->generation) {
        obey_member(sctp, slot, msg);
    } else if (msg->type == PRL_SCTP_ORDER_SEND) {
        prl_sctp_count(&sctp->counts.sends_dropped);
        prl_sctp_release_bytes(sctp, slot, msg->size + PRL_SCTP_ITEM_COST);
    }
    prl_msg_free(msg);
}

static void close_missed(struct prl_sctp *sctp)
{
    if (!atomic_exchange(&sctp->closes_missed, false))
        return;
    for (uint32_t slot = 0; slot < sctp->slot_count; slot++)
        if (sctp->members[slot].assoc &&
            prl_sctp_wants_close(sctp, slot, sctp->members[slot].generation))
            close_member(sctp, slot);
}

// ---- the thread ----

// One round: those that became dirty meanwhile come in the next, behind what waits in the mailbox.
static void service_dirty(struct prl_sctp *sctp)
{
    size_t round = sctp->dirty_count;
    for (size_t i = 0; i < round; i++) {
        uint32_t slot = sctp->dirty[i];
        struct prl_sctp_member *member = &sctp->members[slot];
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

static bool ticking(const struct prl_sctp *sctp, int64_t now_us)
{
    return sctp->open_count > 0 || now_us < sctp->tick_until_us;
}

static int64_t tick_at_us(const struct prl_sctp *sctp, int64_t now_us)
{
    bool busy = now_us < sctp->busy_until_us || sctp->retry_count > 0;
    return sctp->ticked_at_us + (busy ? TICK_US : TICK_QUIET_US);
}

// usrsctp is told of whole milliseconds; what is left counts at the next tick.
static void tick(struct prl_sctp *sctp, int64_t now_us)
{
    int64_t elapsed_ms = (now_us - sctp->ticked_at_us) / 1000;
    sctp->ticked_at_us += elapsed_ms * 1000;
    prl_sctp_stack_tick((uint32_t)elapsed_ms);
    for (size_t i = 0; i < sctp->retry_count; i++) {
        sctp->members[sctp->retry[i]].retry = false;
        mark_dirty(sctp, sctp->retry[i]);
    }
    sctp->retry_count = 0;
}

// Something is to be done: from now on ticks come often, and usrsctp, which starts its timers from
// the last one, is not to take a pause before for time that they have run.
static void note_busy(struct prl_sctp *sctp)
{
    int64_t now_us = prl_clock_now_us();
    sctp->busy_until_us = now_us + BUSY_US;
    if (!ticking(sctp, now_us))
        sctp->ticked_at_us = now_us;
    else if (now_us >= sctp->ticked_at_us + TICK_US)
        tick(sctp, now_us);
}

static int64_t wait_us(const struct prl_sctp *sctp)
{
    int64_t now_us = prl_clock_now_us();
    if (sctp->dirty_count > 0)
        return 0;
    if (!ticking(sctp, now_us))
        return -1;
    int64_t left_us = tick_at_us(sctp, now_us) - now_us;
    return left_us > 0 ? left_us : 0;
}

void *prl_sctp_thread(void *arg)
{
    struct prl_sctp *sctp = arg;
    pthread_setname_np(pthread_self(), "sctp");
    prl_sctp_stack_start(&stack_ops, sctp);
    struct prl_msg msg;
    enum prl_err err = PRL_OK;
    while (err != PRL_ERR_CANCELED) {
        err = prl_mailbox_wait(sctp->mailbox, &msg, wait_us(sctp));
        if (err == PRL_OK)
            note_busy(sctp);
        for (int i = 1; err == PRL_OK; i++) {
            obey(sctp, &msg);
            err = i < ORDERS_A_ROUND ? prl_mailbox_take(sctp->mailbox, &msg) : PRL_ERR_AGAIN;
        }
        close_missed(sctp);
        service_dirty(sctp);
        int64_t now_us = prl_clock_now_us();
        if (ticking(sctp, now_us) && now_us >= tick_at_us(sctp, now_us))
            tick(sctp, now_us);
    }
    for (uint32_t slot = 0; slot < sctp->slot_count; slot++)
        close_member(sctp, slot);
    prl_sctp_stack_stop();
    return NULL;
}

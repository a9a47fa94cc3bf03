// sctp_assoc.c -- see sctp_assoc.h.
//
// Order is kept without a queue of events: service first delivers what is due (flags of channels,
// one piece of a message) and reads on only when all of it was accepted. A loop that does not keep
// up thus closes the receive window of its peers and nothing else.
#include "rtc/sctp_assoc.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rtc/channels.h"
#include "rtc/dcep.h"
#include "rtc/sctp_stack.h"

enum {
    READS_MAX = 32,  // a service
    DCEP_MAX = 2048, // longer labels and protocols are refused
};

enum item_type { ITEM_MESSAGE, ITEM_RESET };

struct item {
    struct item *next;
    enum item_type type;
    uint16_t stream;
    uint32_t ppid;
    void *data; // owned
    size_t size;
    size_t cost; // told to `freed`, 0 for what the association itself sends
};

struct prl_sctp_assoc {
    // Set once.
    const struct prl_sctp_assoc_ops *ops;
    void *arg;
    uint8_t *scratch;
    struct prl_sctp_counts *counts;
    // Owned.
    struct prl_sctp_socket *socket; // NULL once closed
    struct item *first, *last;      // waiting to be sent, in order
    uint8_t *piece;                 // could not be delivered yet, or NULL
    struct prl_sctp_event piece_event;
    // State.
    struct prl_channels channels;
    size_t control_count; // waiting items that the association itself sends
    bool up;              // stands
    bool due_up;          //
    bool due_dry;         //
    bool sent_since_dry;  //
    bool failed;          // `why` is set; the socket is gone
    bool told_closed;     // PRL_SCTP_CLOSED was delivered: nothing follows
    enum prl_sctp_why why;
};

static void count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

// ---- what waits to be sent ----

static void free_item(struct prl_sctp_assoc *assoc, struct item *item)
{
    if (item->cost > 0)
        assoc->ops->freed(assoc->arg, item->cost);
    else
        assoc->control_count--;
    prl_mem_free(item->data);
    prl_mem_free(item);
}

static void drop_items(struct prl_sctp_assoc *assoc)
{
    while (assoc->first) {
        struct item *item = assoc->first;
        assoc->first = item->next;
        free_item(assoc, item);
    }
    assoc->last = NULL;
}

static void fail(struct prl_sctp_assoc *assoc, enum prl_sctp_why why)
{
    if (assoc->failed)
        return;
    assoc->failed = true;
    assoc->why = why;
    prl_sctp_socket_close(&assoc->socket);
    drop_items(assoc);
}

static void push_item(struct prl_sctp_assoc *assoc, const struct item *model)
{
    struct item *item = prl_mem_dup(model, sizeof(*model));
    if (!item) {
        if (model->cost > 0)
            assoc->ops->freed(assoc->arg, model->cost);
        prl_mem_free(model->data);
        fail(assoc, PRL_SCTP_WHY_MEMORY);
        return;
    }
    item->next = NULL;
    if (item->cost == 0)
        assoc->control_count++;
    if (assoc->last)
        assoc->last->next = item;
    else
        assoc->first = item;
    assoc->last = item;
}

static void push_control(struct prl_sctp_assoc *assoc, uint16_t stream, const uint8_t *data,
                         size_t size)
{
    // At most an OPEN, an ACK and a reset for each stream; a peer that makes us owe more is wrong.
    if (assoc->control_count >= (size_t)3 * PRL_SCTP_STREAMS) {
        fail(assoc, PRL_SCTP_WHY_PROTOCOL);
        return;
    }
    void *copy = prl_mem_dup(data, size);
    if (!copy)
        fail(assoc, PRL_SCTP_WHY_MEMORY);
    else
        push_item(assoc, &(struct item){.type = ITEM_MESSAGE,
                                        .stream = stream,
                                        .ppid = PRL_DCEP_PPID_CONTROL,
                                        .data = copy,
                                        .size = size});
}

// ---- control messages and resets ----

static void on_open(struct prl_sctp_assoc *assoc, uint16_t stream, const struct prl_dcep_open *open)
{
    uint8_t ack[PRL_DCEP_ACK_SIZE];
    enum prl_err err = prl_channels_open(&assoc->channels, stream, open);
    if (err == PRL_ERR_NOMEM) {
        fail(assoc, PRL_SCTP_WHY_MEMORY);
    } else if (err) {
        count(&assoc->counts->channels_refused);
    } else {
        prl_dcep_build_ack(ack);
        push_control(assoc, stream, ack, sizeof(ack));
    }
}

static void on_control(struct prl_sctp_assoc *assoc, const struct prl_sctp_read *read)
{
    enum prl_dcep_type type;
    struct prl_dcep_open open;
    if (!read->end || read->size > DCEP_MAX ||
        prl_dcep_parse(assoc->scratch, read->size, &type, &open) != PRL_OK) {
        count(&assoc->counts->channels_refused);
        prl_channels_refuse(&assoc->channels, read->stream);
    } else if (type == PRL_DCEP_OPEN) {
        on_open(assoc, read->stream, &open);
    } else if (!prl_channels_ack(&assoc->channels, read->stream)) {
        count(&assoc->counts->messages_ignored);
    }
}

// ---- messages of the peer ----

static bool offer_piece(struct prl_sctp_assoc *assoc, const struct prl_sctp_event *event)
{
    if (!assoc->ops->event(assoc->arg, event))
        return false;
    if (event->last)
        count(&assoc->counts->messages_in);
    return true;
}

static void on_piece(struct prl_sctp_assoc *assoc, struct prl_channel *channel,
                     const struct prl_sctp_read *read, struct prl_dcep_ppid ppid)
{
    size_t size = ppid.empty ? 0 : read->size;
    channel->in_bytes += size;
    if (channel->in_bytes > PRL_SCTP_MESSAGE_MAX) {
        fail(assoc, PRL_SCTP_WHY_PROTOCOL);
        return;
    }
    struct prl_sctp_event event = {.type = PRL_SCTP_MESSAGE,
                                   .stream = read->stream,
                                   .first = !channel->in_middle,
                                   .last = read->end && !ppid.part,
                                   .binary = ppid.payload == PRL_DCEP_BINARY,
                                   .data = assoc->scratch,
                                   .size = size};
    channel->in_middle = !event.last;
    if (event.last)
        channel->in_bytes = 0;
    if (offer_piece(assoc, &event))
        return;
    assoc->piece = prl_mem_dup(assoc->scratch, size > 0 ? size : 1);
    if (!assoc->piece) {
        fail(assoc, PRL_SCTP_WHY_MEMORY);
        return;
    }
    event.data = assoc->piece;
    assoc->piece_event = event;
}

static void on_data(struct prl_sctp_assoc *assoc, const struct prl_sctp_read *read)
{
    if (read->stream >= PRL_SCTP_STREAMS) { // usrsctp has checked it; without this a shift is wrong
        fail(assoc, PRL_SCTP_WHY_PROTOCOL);
        return;
    }
    struct prl_dcep_ppid ppid = prl_dcep_ppid(read->ppid);
    if (ppid.payload == PRL_DCEP_CONTROL) {
        on_control(assoc, read);
        return;
    }
    struct prl_channel *channel = prl_channels_find(&assoc->channels, read->stream);
    if (!channel)
        prl_channels_stranger(&assoc->channels, read->stream);
    // A channel that we are closing may still speak; nobody listens to it any more.
    if (channel && channel->events && channel->state == PRL_CHANNEL_OPEN &&
        ppid.payload != PRL_DCEP_UNKNOWN)
        on_piece(assoc, channel, read, ppid);
    else if (read->end)
        count(&assoc->counts->messages_ignored);
}

static void on_read(struct prl_sctp_assoc *assoc, const struct prl_sctp_read *read)
{
    struct prl_channel *channel;
    switch (read->type) {
    case PRL_SCTP_READ_DATA:
        on_data(assoc, read);
        break;
    case PRL_SCTP_READ_UP:
        assoc->due_up = !assoc->up;
        assoc->up = true;
        break;
    case PRL_SCTP_READ_DOWN:
        fail(assoc, read->why);
        break;
    case PRL_SCTP_READ_RESET_IN:
        prl_channels_on_reset_in(&assoc->channels, read->streams);
        break;
    case PRL_SCTP_READ_RESET_OUT:
        prl_channels_on_reset_out(&assoc->channels, read->streams);
        break;
    case PRL_SCTP_READ_CUT:
        channel = prl_channels_find(&assoc->channels, read->stream);
        if (channel) {
            channel->in_middle = false;
            channel->in_bytes = 0;
        }
        break;
    case PRL_SCTP_READ_DRY:
        assoc->due_dry = assoc->sent_since_dry && !assoc->first;
        if (assoc->due_dry)
            assoc->sent_since_dry = false;
        break;
    case PRL_SCTP_READ_OTHER:
        break;
    }
}

// ---- service ----

static bool deliver_flag(struct prl_sctp_assoc *assoc, bool *due, enum prl_sctp_event_type type)
{
    if (*due && !assoc->ops->event(assoc->arg, &(struct prl_sctp_event){.type = type}))
        return false;
    *due = false;
    return true;
}

// True when nothing is left to deliver.
static bool deliver(struct prl_sctp_assoc *assoc)
{
    if (!deliver_flag(assoc, &assoc->due_up, PRL_SCTP_UP))
        return false;
    if (assoc->piece) {
        if (!offer_piece(assoc, &assoc->piece_event))
            return false;
        prl_mem_free(assoc->piece);
        assoc->piece = NULL;
    }
    struct prl_sctp_event event;
    while (prl_channels_due(&assoc->channels, &event)) {
        if (!assoc->ops->event(assoc->arg, &event))
            return false;
        prl_channels_told(&assoc->channels, &event);
    }
    if (!deliver_flag(assoc, &assoc->due_dry, PRL_SCTP_DRAINED))
        return false;
    if (assoc->failed && !assoc->told_closed)
        assoc->told_closed = assoc->ops->event(
            assoc->arg, &(struct prl_sctp_event){.type = PRL_SCTP_CLOSED, .why = assoc->why});
    return assoc->told_closed || !assoc->failed;
}

// True when the item has left the queue's head: sent or dropped.
static bool send_item(struct prl_sctp_assoc *assoc, const struct item *item)
{
    if (item->type == ITEM_RESET) {
        prl_channels_reset(&assoc->channels, item->stream);
        return true;
    }
    bool control = item->ppid == PRL_DCEP_PPID_CONTROL;
    enum prl_err err = PRL_ERR_IO;
    if (prl_channels_sendable(&assoc->channels, item->stream, control))
        err = prl_sctp_socket_send(assoc->socket, item->stream, item->ppid, item->data, item->size);
    if (err == PRL_ERR_AGAIN)
        return false;
    if (err == PRL_OK)
        assoc->sent_since_dry = true;
    if (!control)
        count(err ? &assoc->counts->sends_dropped : &assoc->counts->messages_out);
    return true;
}

// True when nothing waits.
static bool send_items(struct prl_sctp_assoc *assoc)
{
    while (assoc->first) {
        struct item *item = assoc->first;
        if (!send_item(assoc, item))
            return false;
        assoc->first = item->next;
        if (!assoc->first)
            assoc->last = NULL;
        free_item(assoc, item);
    }
    return true;
}

// True when no reset is due.
static bool send_resets(struct prl_sctp_assoc *assoc)
{
    uint64_t *due = &assoc->channels.resets_due;
    while (*due) {
        uint16_t stream = (uint16_t)__builtin_ctzll(*due);
        enum prl_err err = prl_sctp_socket_reset(assoc->socket, stream);
        if (err == PRL_ERR_AGAIN)
            return false;
        *due &= *due - 1;
        if (err) // the peer cannot reset: what can be closed is closed
            prl_channels_on_reset_out(&assoc->channels, UINT64_C(1) << stream);
    }
    return true;
}

void prl_sctp_assoc_flush(struct prl_sctp_assoc *assoc)
{
    if (!assoc->failed && assoc->up)
        (void)send_items(assoc);
}

enum prl_sctp_more prl_sctp_assoc_service(struct prl_sctp_assoc *assoc)
{
    int reads = 0;
    while (deliver(assoc) && !assoc->failed && reads < READS_MAX) {
        struct prl_sctp_read read;
        if (prl_sctp_socket_read(assoc->socket, assoc->scratch, PRL_SCTP_PIECE_MAX, &read) !=
            PRL_OK)
            break;
        reads++;
        on_read(assoc, &read);
    }
    bool sent = true;
    if (!assoc->failed && assoc->up) {
        sent = send_items(assoc);
        sent = send_resets(assoc) && sent;
    }
    if (reads == READS_MAX)
        return PRL_SCTP_MORE_NOW;
    return sent && deliver(assoc) ? PRL_SCTP_MORE_NONE : PRL_SCTP_MORE_LATER;
}

// ---- what the owner wants ----

void prl_sctp_assoc_take_text(struct prl_sctp_assoc *assoc, uint16_t stream, void *data,
                              size_t size)
{
    static const uint8_t zero;
    PRL_CHECK(assoc && size <= PRL_SCTP_MESSAGE_MAX && (data || size == 0));
    struct prl_channel *channel = prl_channels_find(&assoc->channels, stream);
    size_t cost = size + PRL_SCTP_ITEM_COST;
    if (assoc->failed || !channel || channel->state != PRL_CHANNEL_OPEN) {
        count(&assoc->counts->sends_dropped);
        assoc->ops->freed(assoc->arg, cost);
        prl_mem_free(data);
        return;
    }
    struct item item = {.type = ITEM_MESSAGE,
                        .stream = stream,
                        .ppid = PRL_DCEP_PPID_TEXT,
                        .data = data,
                        .size = size,
                        .cost = cost};
    if (size == 0) { // RFC 8831 §6.6: SCTP carries no empty message
        prl_mem_free(data);
        item.data = prl_mem_dup(&zero, 1);
        item.size = 1;
        item.ppid = PRL_DCEP_PPID_TEXT_EMPTY;
    }
    if (!item.data) {
        assoc->ops->freed(assoc->arg, cost);
        fail(assoc, PRL_SCTP_WHY_MEMORY);
        return;
    }
    push_item(assoc, &item);
}

void prl_sctp_assoc_open_channel(struct prl_sctp_assoc *assoc, uint16_t stream, const char *label,
                                 size_t label_len)
{
    PRL_CHECK(assoc && stream < PRL_SCTP_STREAMS && label && label_len <= PRL_SCTP_LABEL_MAX);
    uint8_t data[PRL_DCEP_OPEN_HEAD_SIZE + PRL_SCTP_LABEL_MAX];
    size_t size = 0;
    struct prl_dcep_open open = {.priority = 256, .label = label, .label_len = label_len};
    PRL_CHECK(prl_dcep_build_open(&open, data, sizeof(data), &size) == PRL_OK);
    enum prl_err err = assoc->failed ? PRL_ERR_LIMIT
                                     : prl_channels_ask(&assoc->channels, stream, label, label_len);
    if (err == PRL_ERR_NOMEM)
        fail(assoc, PRL_SCTP_WHY_MEMORY);
    else if (err)
        count(&assoc->counts->channels_refused);
    else
        push_control(assoc, stream, data, size);
}

void prl_sctp_assoc_close_channel(struct prl_sctp_assoc *assoc, uint16_t stream)
{
    if (!assoc->failed && prl_channels_close(&assoc->channels, stream))
        push_item(assoc, &(struct item){.type = ITEM_RESET, .stream = stream});
}

// ---- life ----

struct prl_sctp_assoc *prl_sctp_assoc_alloc(void)
{
    return prl_mem_zalloc(sizeof(struct prl_sctp_assoc));
}

void prl_sctp_assoc_start(struct prl_sctp_assoc *assoc, const struct prl_sctp_assoc_conf *conf)
{
    PRL_CHECK(assoc && !assoc->ops && conf && conf->ops && conf->scratch && conf->counts);
    assoc->ops = conf->ops;
    assoc->arg = conf->arg;
    assoc->scratch = conf->scratch;
    assoc->counts = conf->counts;
    if (prl_sctp_socket_open(&assoc->socket, conf->slot, conf->remote_port) != PRL_OK)
        fail(assoc, PRL_SCTP_WHY_MEMORY);
}

void prl_sctp_assoc_destroy(struct prl_sctp_assoc **assoc_at)
{
    struct prl_sctp_assoc *assoc = *assoc_at;
    if (!assoc)
        return;
    prl_sctp_socket_close(&assoc->socket);
    drop_items(assoc);
    prl_channels_free(&assoc->channels);
    prl_mem_free(assoc->piece);
    prl_mem_free(assoc);
    *assoc_at = NULL;
}

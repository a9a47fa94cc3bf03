// sctp_assoc.c -- see sctp_assoc.h.
//
// Order is kept without a queue of events: service first delivers what is due (flags of channels,
// one piece of a message) and reads on only when all of it was accepted. A loop that does not keep
// up thus closes the receive window of its peers and nothing else.
//
// A channel is a pair of streams of one id. Closing it means that each side resets its outgoing
// half (RFC 8831 §6.7); the entry is free when both halves are reset.
#include "rtc/sctp_assoc.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rtc/dcep.h"
#include "rtc/sctp_stack.h"

enum {
    READS_MAX = 32,           // a service
    DCEP_MAX = 2048,          // longer labels and protocols are refused
    ITEM_CONTROL_LABEL = 256, // of our own channels
};

enum channel_state {
    CHANNEL_FREE,
    CHANNEL_ASKED,   // our OPEN is out, no ACK yet
    CHANNEL_OPEN,    //
    CHANNEL_CLOSING, // our half is to be reset, or the peer's has been
};

struct channel {
    enum channel_state state;
    uint16_t stream;
    bool events;      // its label is PRL_SCTP_LABEL
    bool due_open;    // to be delivered
    bool due_closed;  //
    bool in_reset;    // the peer has reset its half
    bool out_reset;   // ours is reset, or will never be
    bool in_middle;   // of a message: the next piece is not its first
    size_t in_bytes;  // of the message that arrives
    char *label;      // owned, until delivered
    size_t label_len; //
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
    struct channel channels[PRL_SCTP_CHANNELS_MAX];
    uint64_t resets_due;  // streams whose outgoing half is to be reset
    uint64_t strangers;   // streams without a channel on which something came
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

// ---- channels ----

static struct channel *find_channel(struct prl_sctp_assoc *assoc, uint16_t stream)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++)
        if (assoc->channels[i].state != CHANNEL_FREE && assoc->channels[i].stream == stream)
            return &assoc->channels[i];
    return NULL;
}

static struct channel *take_channel(struct prl_sctp_assoc *assoc, uint16_t stream)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++)
        if (assoc->channels[i].state == CHANNEL_FREE) {
            assoc->channels[i] = (struct channel){.stream = stream};
            return &assoc->channels[i];
        }
    return NULL;
}

static void free_channel_if_done(struct channel *channel)
{
    if (channel->state != CHANNEL_CLOSING || !channel->in_reset || !channel->out_reset ||
        channel->due_open || channel->due_closed)
        return;
    prl_mem_free(channel->label);
    *channel = (struct channel){0};
}

static uint64_t bit(uint16_t stream)
{
    return UINT64_C(1) << stream;
}

static bool set_label(struct channel *channel, const char *label, size_t len)
{
    channel->events = len == strlen(PRL_SCTP_LABEL) && memcmp(label, PRL_SCTP_LABEL, len) == 0;
    channel->label_len = len < PRL_SCTP_LABEL_MAX ? len : PRL_SCTP_LABEL_MAX;
    prl_mem_free(channel->label);
    channel->label = prl_mem_strndup(label, channel->label_len);
    return channel->label != NULL;
}

static void refuse(struct prl_sctp_assoc *assoc, uint16_t stream)
{
    count(&assoc->counts->channels_refused);
    assoc->resets_due |= bit(stream);
}

static void close_out(struct prl_sctp_assoc *assoc, struct channel *channel)
{
    channel->state = CHANNEL_CLOSING;
    assoc->resets_due |= bit(channel->stream);
}

static void on_open(struct prl_sctp_assoc *assoc, uint16_t stream, const struct prl_dcep_open *open)
{
    struct channel *channel = find_channel(assoc, stream);
    // RFC 8832 §6: an OPEN on a stream in use closes it. The peer may use an id again once it has
    // seen our reset, which can be before we know that it has.
    if (channel && (channel->state != CHANNEL_CLOSING || !channel->in_reset)) {
        count(&assoc->counts->channels_refused);
        if (channel->state != CHANNEL_CLOSING)
            close_out(assoc, channel);
        return;
    }
    if (channel) {
        prl_mem_free(channel->label);
        *channel = (struct channel){.stream = stream};
    } else {
        channel = take_channel(assoc, stream);
    }
    if (!channel) {
        refuse(assoc, stream);
        return;
    }
    channel->state = CHANNEL_OPEN;
    if (!set_label(channel, open->label, open->label_len)) {
        fail(assoc, PRL_SCTP_WHY_MEMORY);
        return;
    }
    channel->due_open = true;
    assoc->strangers &= ~bit(stream);
    uint8_t ack[PRL_DCEP_ACK_SIZE];
    prl_dcep_build_ack(ack);
    push_control(assoc, stream, ack, sizeof(ack));
}

static void on_control(struct prl_sctp_assoc *assoc, const struct prl_sctp_read *read)
{
    enum prl_dcep_type type;
    struct prl_dcep_open open;
    struct channel *channel = find_channel(assoc, read->stream);
    if (!read->end || read->size > DCEP_MAX ||
        prl_dcep_parse(assoc->scratch, read->size, &type, &open) != PRL_OK) {
        if (channel && channel->state != CHANNEL_CLOSING)
            close_out(assoc, channel);
        refuse(assoc, read->stream);
    } else if (type == PRL_DCEP_OPEN) {
        on_open(assoc, read->stream, &open);
    } else if (channel && channel->state == CHANNEL_ASKED) {
        channel->state = CHANNEL_OPEN;
        channel->due_open = true;
    } else {
        count(&assoc->counts->messages_ignored);
    }
}

static void on_reset_in(struct prl_sctp_assoc *assoc, uint64_t streams)
{
    for (; streams; streams &= streams - 1) {
        uint16_t stream = (uint16_t)__builtin_ctzll(streams);
        struct channel *channel = find_channel(assoc, stream);
        if (channel) {
            if (channel->state != CHANNEL_CLOSING)
                close_out(assoc, channel);
            channel->due_closed = channel->due_closed || !channel->in_reset;
            channel->in_reset = true;
            free_channel_if_done(channel);
        } else if (assoc->strangers & bit(stream)) {
            // A channel that the peer uses without DCEP: it waits for our half too. Only once,
            // or two sides without a channel would answer each other for ever.
            assoc->strangers &= ~bit(stream);
            assoc->resets_due |= bit(stream);
        }
    }
}

static void on_reset_out(struct prl_sctp_assoc *assoc, uint64_t streams)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++) {
        struct channel *channel = &assoc->channels[i];
        if (channel->state == CHANNEL_CLOSING && streams & bit(channel->stream) &&
            !(assoc->resets_due & bit(channel->stream))) {
            channel->out_reset = true;
            free_channel_if_done(channel);
        }
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

static void on_piece(struct prl_sctp_assoc *assoc, struct channel *channel,
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
    struct channel *channel = find_channel(assoc, read->stream);
    if (!channel)
        assoc->strangers |= bit(read->stream);
    // A channel that we are closing may still speak; nobody listens to it any more.
    if (channel && channel->events && channel->state == CHANNEL_OPEN &&
        ppid.payload != PRL_DCEP_UNKNOWN)
        on_piece(assoc, channel, read, ppid);
    else if (read->end)
        count(&assoc->counts->messages_ignored);
}

static void on_read(struct prl_sctp_assoc *assoc, const struct prl_sctp_read *read)
{
    struct channel *channel;
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
        on_reset_in(assoc, read->streams);
        break;
    case PRL_SCTP_READ_RESET_OUT:
        on_reset_out(assoc, read->streams);
        break;
    case PRL_SCTP_READ_CUT:
        channel = find_channel(assoc, read->stream);
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

static bool deliver_channel(struct prl_sctp_assoc *assoc, struct channel *channel)
{
    struct prl_sctp_event event = {.type = PRL_SCTP_CHANNEL_OPEN, .stream = channel->stream};
    if (channel->due_open) {
        event.data = (const uint8_t *)channel->label;
        event.size = channel->label_len;
        if (!assoc->ops->event(assoc->arg, &event))
            return false;
        channel->due_open = false;
        prl_mem_free(channel->label);
        channel->label = NULL;
    }
    if (channel->due_closed) {
        event = (struct prl_sctp_event){.type = PRL_SCTP_CHANNEL_CLOSED, .stream = channel->stream};
        if (!assoc->ops->event(assoc->arg, &event))
            return false;
        channel->due_closed = false;
        free_channel_if_done(channel);
    }
    return true;
}

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
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++)
        if (!deliver_channel(assoc, &assoc->channels[i]))
            return false;
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
    struct channel *channel = find_channel(assoc, item->stream);
    if (item->type == ITEM_RESET) {
        if (channel && channel->state == CHANNEL_CLOSING)
            assoc->resets_due |= bit(item->stream);
        return true;
    }
    bool control = item->ppid == PRL_DCEP_PPID_CONTROL;
    bool open = channel &&
                (channel->state == CHANNEL_OPEN || (channel->state == CHANNEL_ASKED && control) ||
                 (channel->state == CHANNEL_CLOSING && !channel->in_reset &&
                  !(assoc->resets_due & bit(item->stream)) && !channel->out_reset));
    enum prl_err err = PRL_ERR_IO;
    if (open)
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
    while (assoc->resets_due) {
        uint16_t stream = (uint16_t)__builtin_ctzll(assoc->resets_due);
        enum prl_err err = prl_sctp_socket_reset(assoc->socket, stream);
        if (err == PRL_ERR_AGAIN)
            return false;
        assoc->resets_due &= ~bit(stream);
        if (err) // the peer cannot reset: what can be closed is closed
            on_reset_out(assoc, bit(stream));
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
    struct channel *channel = find_channel(assoc, stream);
    size_t cost = size + PRL_SCTP_ITEM_COST;
    if (assoc->failed || !channel || channel->state != CHANNEL_OPEN) {
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
    struct channel *channel =
        assoc->failed || find_channel(assoc, stream) ? NULL : take_channel(assoc, stream);
    if (!channel) {
        count(&assoc->counts->channels_refused);
        return;
    }
    uint8_t data[ITEM_CONTROL_LABEL];
    size_t size = 0;
    struct prl_dcep_open open = {.priority = 256, .label = label, .label_len = label_len};
    PRL_CHECK(prl_dcep_build_open(&open, data, sizeof(data), &size) == PRL_OK);
    channel->state = CHANNEL_ASKED;
    if (!set_label(channel, label, label_len))
        fail(assoc, PRL_SCTP_WHY_MEMORY);
    else
        push_control(assoc, stream, data, size);
}

void prl_sctp_assoc_close_channel(struct prl_sctp_assoc *assoc, uint16_t stream)
{
    struct channel *channel = find_channel(assoc, stream);
    if (assoc->failed || !channel || channel->state == CHANNEL_CLOSING)
        return;
    channel->state = CHANNEL_CLOSING;
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
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++)
        prl_mem_free(assoc->channels[i].label);
    prl_mem_free(assoc->piece);
    prl_mem_free(assoc);
    *assoc_at = NULL;
}

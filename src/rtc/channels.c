// channels.c -- see channels.h.
#include "rtc/channels.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

_Static_assert(PRL_SCTP_STREAMS == 64, "a set of streams is one 64-bit word");

static uint64_t bit(uint16_t stream)
{
    PRL_CHECK(stream < PRL_SCTP_STREAMS);
    return UINT64_C(1) << stream;
}

void prl_channels_free(struct prl_channels *channels)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++)
        prl_mem_free(channels->list[i].label);
    *channels = (struct prl_channels){0};
}

struct prl_channel *prl_channels_find(struct prl_channels *channels, uint16_t stream)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++) {
        struct prl_channel *channel = &channels->list[i];
        if (channel->state != PRL_CHANNEL_FREE && channel->stream == stream)
            return channel;
    }
    return NULL;
}

static void free_if_done(struct prl_channel *channel)
{
    if (channel->state != PRL_CHANNEL_CLOSING || !channel->in_reset || !channel->out_reset ||
        channel->due_open || channel->due_closed)
        return;
    prl_mem_free(channel->label);
    *channel = (struct prl_channel){0};
}

// ---- opening ----

static enum prl_err set_up(struct prl_channels *channels, uint16_t stream,
                           enum prl_channel_state state, const char *label, size_t len)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++) {
        struct prl_channel *channel = &channels->list[i];
        if (channel->state != PRL_CHANNEL_FREE)
            continue;
        size_t kept = len < PRL_SCTP_LABEL_MAX ? len : PRL_SCTP_LABEL_MAX;
        char *copy = prl_mem_dup(kept > 0 ? label : "", kept > 0 ? kept : 1);
        if (!copy)
            return PRL_ERR_NOMEM;
        *channel = (struct prl_channel){
            .state = state,
            .stream = stream,
            .due_open = state == PRL_CHANNEL_OPEN,
            .events = len == strlen(PRL_SCTP_LABEL) && memcmp(label, PRL_SCTP_LABEL, len) == 0,
            .label = copy,
            .label_len = kept,
        };
        channels->strangers &= ~bit(stream);
        return PRL_OK;
    }
    return PRL_ERR_LIMIT;
}

static void close_now(struct prl_channels *channels, struct prl_channel *channel)
{
    channel->state = PRL_CHANNEL_CLOSING;
    channels->resets_due |= bit(channel->stream);
}

enum prl_err prl_channels_open(struct prl_channels *channels, uint16_t stream,
                               const struct prl_dcep_open *open)
{
    struct prl_channel *channel = prl_channels_find(channels, stream);
    // RFC 8832 §6: an OPEN on a stream in use closes it. But the peer may use an id again once it
    // has seen our reset, which can be before we know that it has.
    if (channel && (channel->state != PRL_CHANNEL_CLOSING || !channel->in_reset)) {
        if (channel->state != PRL_CHANNEL_CLOSING)
            close_now(channels, channel);
        return PRL_ERR_LIMIT;
    }
    if (channel) {
        prl_mem_free(channel->label);
        *channel = (struct prl_channel){0};
    }
    enum prl_err err = set_up(channels, stream, PRL_CHANNEL_OPEN, open->label, open->label_len);
    if (err)
        channels->resets_due |= bit(stream);
    return err;
}

enum prl_err prl_channels_ask(struct prl_channels *channels, uint16_t stream, const char *label,
                              size_t label_len)
{
    if (prl_channels_find(channels, stream))
        return PRL_ERR_LIMIT;
    return set_up(channels, stream, PRL_CHANNEL_ASKED, label, label_len);
}

bool prl_channels_ack(struct prl_channels *channels, uint16_t stream)
{
    struct prl_channel *channel = prl_channels_find(channels, stream);
    if (!channel || channel->state != PRL_CHANNEL_ASKED)
        return false;
    channel->state = PRL_CHANNEL_OPEN;
    channel->due_open = true;
    return true;
}

void prl_channels_refuse(struct prl_channels *channels, uint16_t stream)
{
    struct prl_channel *channel = prl_channels_find(channels, stream);
    if (!channel)
        channels->resets_due |= bit(stream);
    else if (channel->state != PRL_CHANNEL_CLOSING)
        close_now(channels, channel);
}

void prl_channels_stranger(struct prl_channels *channels, uint16_t stream)
{
    channels->strangers |= bit(stream);
}

// ---- closing ----

bool prl_channels_close(struct prl_channels *channels, uint16_t stream)
{
    struct prl_channel *channel = prl_channels_find(channels, stream);
    if (!channel || channel->state == PRL_CHANNEL_CLOSING)
        return false;
    channel->state = PRL_CHANNEL_CLOSING;
    return true;
}

void prl_channels_reset(struct prl_channels *channels, uint16_t stream)
{
    struct prl_channel *channel = prl_channels_find(channels, stream);
    if (channel && channel->state == PRL_CHANNEL_CLOSING)
        channels->resets_due |= bit(stream);
}

void prl_channels_on_reset_in(struct prl_channels *channels, uint64_t streams)
{
    for (; streams; streams &= streams - 1) {
        uint16_t stream = (uint16_t)__builtin_ctzll(streams);
        struct prl_channel *channel = prl_channels_find(channels, stream);
        if (channel) {
            if (channel->state != PRL_CHANNEL_CLOSING)
                close_now(channels, channel);
            channel->due_closed = channel->due_closed || !channel->in_reset;
            channel->in_reset = true;
            free_if_done(channel);
        } else if (channels->strangers & bit(stream)) {
            // A channel that the peer uses without DCEP: it waits for our half too. Only once,
            // or two sides without a channel would answer each other for ever.
            channels->strangers &= ~bit(stream);
            channels->resets_due |= bit(stream);
        }
    }
}

void prl_channels_on_reset_out(struct prl_channels *channels, uint64_t streams)
{
    for (; streams; streams &= streams - 1) {
        uint16_t stream = (uint16_t)__builtin_ctzll(streams);
        struct prl_channel *channel = prl_channels_find(channels, stream);
        if (!channel || channel->state != PRL_CHANNEL_CLOSING || channels->resets_due & bit(stream))
            continue; // of an earlier channel on this stream
        channel->out_reset = true;
        free_if_done(channel);
    }
}

bool prl_channels_sendable(struct prl_channels *channels, uint16_t stream, bool control)
{
    const struct prl_channel *channel = prl_channels_find(channels, stream);
    if (!channel)
        return false;
    switch (channel->state) {
    case PRL_CHANNEL_OPEN:
        return true;
    case PRL_CHANNEL_ASKED:
        return control;
    case PRL_CHANNEL_CLOSING: // what was sent before we closed
        return !channel->in_reset && !channel->out_reset && !(channels->resets_due & bit(stream));
    case PRL_CHANNEL_FREE:
        break;
    }
    return false;
}

// ---- telling ----

bool prl_channels_due(const struct prl_channels *channels, struct prl_sctp_event *event)
{
    for (size_t i = 0; i < PRL_SCTP_CHANNELS_MAX; i++) {
        const struct prl_channel *channel = &channels->list[i];
        if (!channel->due_open && !channel->due_closed)
            continue;
        *event =
            (struct prl_sctp_event){.type = PRL_SCTP_CHANNEL_CLOSED, .stream = channel->stream};
        if (channel->due_open) {
            event->type = PRL_SCTP_CHANNEL_OPEN;
            event->data = (const uint8_t *)channel->label;
            event->size = channel->label_len;
        }
        return true;
    }
    return false;
}

void prl_channels_told(struct prl_channels *channels, const struct prl_sctp_event *event)
{
    struct prl_channel *channel = prl_channels_find(channels, event->stream);
    PRL_CHECK(channel);
    if (event->type == PRL_SCTP_CHANNEL_OPEN) {
        channel->due_open = false;
        prl_mem_free(channel->label);
        channel->label = NULL;
    } else {
        channel->due_closed = false;
    }
    free_if_done(channel);
}

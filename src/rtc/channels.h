// channels.h -- the channels of one association: which are open, what is due to their owner, and
// which streams are to be reset.
//
// A channel is a pair of streams of one id. Closing it means that each side resets its outgoing
// half; the entry is free when both halves are reset and the owner knows.
//
// Units:    streams are SCTP stream ids below PRL_SCTP_STREAMS; a set of streams has bit n for n.
// Threads:  one owner. Pure.
// Memory:   a label from its opening until it was told, at most PRL_SCTP_LABEL_MAX bytes.
// Errors:   LIMIT: refused, and its stream will be reset; NOMEM.
// Source:   RFC 8831 §6.4, §6.5, §6.7; RFC 8832 §6.
#ifndef PRL_RTC_CHANNELS_H
#define PRL_RTC_CHANNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/dcep.h"
#include "rtc/sctp.h"

enum prl_channel_state {
    PRL_CHANNEL_FREE,
    PRL_CHANNEL_ASKED,   // our OPEN is on its way, no ACK yet
    PRL_CHANNEL_OPEN,    //
    PRL_CHANNEL_CLOSING, // our half is to be reset, or the peer's has been
};

struct prl_channel {
    enum prl_channel_state state;
    uint16_t stream;
    bool events;      // its label is PRL_SCTP_LABEL
    bool due_open;    // to be told
    bool due_closed;  //
    bool in_reset;    // the peer has reset its half
    bool out_reset;   // ours is reset, or will never be
    bool in_middle;   // of a message: the next piece is not its first; the owner's to use
    size_t in_bytes;  // of the message that arrives; the owner's to use
    char *label;      // owned, not terminated, until it was told
    size_t label_len; //
};

// Zeroed is empty.
struct prl_channels {
    struct prl_channel list[PRL_SCTP_CHANNELS_MAX];
    uint64_t resets_due; // streams whose outgoing half is to be reset now
    uint64_t strangers;  // streams without a channel on which something came
};

void prl_channels_free(struct prl_channels *channels);
// NULL when no channel uses this stream.
struct prl_channel *prl_channels_find(struct prl_channels *channels, uint16_t stream);

// The peer's OPEN came; on success an ACK has to be sent.
enum prl_err prl_channels_open(struct prl_channels *channels, uint16_t stream,
                               const struct prl_dcep_open *open) PRL_MUST_USE;
// We want one; on success an OPEN has to be sent.
enum prl_err prl_channels_ask(struct prl_channels *channels, uint16_t stream, const char *label,
                              size_t label_len) PRL_MUST_USE;
// The peer's ACK came; false when nobody asked.
bool prl_channels_ack(struct prl_channels *channels, uint16_t stream);
// The peer sent a control message that is none: its channel, or the stream alone, is closed.
void prl_channels_refuse(struct prl_channels *channels, uint16_t stream);
// Data came on a stream without a channel.
void prl_channels_stranger(struct prl_channels *channels, uint16_t stream);

// We close: true when prl_channels_reset has to follow, after what was sent before.
bool prl_channels_close(struct prl_channels *channels, uint16_t stream);
void prl_channels_reset(struct prl_channels *channels, uint16_t stream);
// The peer has reset its halves of these streams; ours will follow.
void prl_channels_on_reset_in(struct prl_channels *channels, uint64_t streams);
// Our halves of these streams are reset, or never will be.
void prl_channels_on_reset_out(struct prl_channels *channels, uint64_t streams);

// Whether a message may (still) go to the stack. `control`: DCEP of ours.
bool prl_channels_sendable(struct prl_channels *channels, uint16_t stream, bool control);

// The next thing to tell (CHANNEL_OPEN or CHANNEL_CLOSED); false when there is none. The event's
// data are valid until told is called with it.
bool prl_channels_due(const struct prl_channels *channels, struct prl_sctp_event *event);
void prl_channels_told(struct prl_channels *channels, const struct prl_sctp_event *event);

#endif

// sctp.h -- data channels: usrsctp on its one owner thread, and how loops talk to it.
//
// A loop opens an association for a peer and gets a handle. DTLS plaintext goes in with
// prl_sctp_input; packets to encrypt, channels and messages come back as messages to the port that
// the loop named. Nothing ever points into a peer: events carry the handle and the owner's number.
//
// Units:    bytes; streams are SCTP stream ids.
// Threads:  every function may be called by any thread, one handle by one thread at a time; none
//           blocks but create, destroy and detach. usrsctp runs on the thread made by create and on
//           no other. While associations exist and 2 s longer it wakes every 10 ms, every 100 ms when
//           nothing came or went for a second, else never.
// Memory:   an idle association costs what docs/TUNING.md states; per association at most
//           PRL_SCTP_SEND_MAX waits for the peer, PRL_SCTP_SEND_ALL_MAX in all, and
//           PRL_SCTP_WINDOW of received data for its loop.
// Errors:   NOTFOUND: the handle is stale (counted, nothing happens). FULL: dropped, see each
//           function. What a peer does wrong ends its association only: PRL_SCTP_CLOSED says why.
// Source:   RFC 8831, RFC 8832, RFC 8841, RFC 9260 (SCTP), RFC 6525 (stream reset), RFC 8261 (DTLS).
#ifndef PRL_RTC_SCTP_H
#define PRL_RTC_SCTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"

struct prl_port; // net/loop.h
struct prl_sctp;

// The only label whose messages are delivered; other channels open and their messages are counted.
#define PRL_SCTP_LABEL "oai-events"

enum {
    PRL_SCTP_PORT = 5000,              // ours, always; what an answer announces as a=sctp-port
    PRL_SCTP_ASSOCIATIONS_MAX = 4096,  // slots at most
    PRL_SCTP_CHANNELS_MAX = 16,        // open channels of one association; more are refused
    PRL_SCTP_STREAMS = 64,             // stream ids 0..63; clients count up from 0 or 1 by 2
    PRL_SCTP_PACKET_MAX = 1160,        // of ours: with 37 bytes of DTLS below a 1,200 byte datagram
    PRL_SCTP_INPUT_MAX = 2048,         // of the peer; longer ones are dropped
    PRL_SCTP_INPUT_WAITING_MAX = 128,  // packets of one peer waiting for the thread
    PRL_SCTP_MESSAGE_MAX = 256 * 1024, // either way, announced as a=max-message-size: sound comes
                                       // by RTP, and every browser sends this much in one piece
    PRL_SCTP_PIECE_MAX = 16 * 1024,    // a longer message is delivered in pieces
    PRL_SCTP_WINDOW = 128 * 1024,      // receive window
    PRL_SCTP_SEND_MAX = 4 << 20,       // waiting to be sent, one association
    PRL_SCTP_SEND_ALL_MAX = 256 << 20, // waiting to be sent, all associations
    PRL_SCTP_LABEL_MAX = 128,          // bytes of a label that an event carries; the rest is cut
};

// Generation 0 is no handle.
struct prl_sctp_handle {
    uint32_t slot;
    uint32_t generation;
};

struct prl_sctp_peer_conf {
    struct prl_port *port; // gets the events; borrowed until prl_sctp_detach or destroy returns.
                           // When it is full packets are dropped (SCTP sends them again) and
                           // everything else waits, at last by closing the receive window
    uint64_t id;           // the owner's number of the peer, comes back in each event
    uint16_t remote_port;  // a=sctp-port of the offer; 0: 5000
    uint32_t message_max;  // a=max-message-size of the offer; 0: no limit but ours
};

enum prl_sctp_event_type {
    PRL_SCTP_PACKET,         // data: encrypt and send it
    PRL_SCTP_UP,             // the association stands
    PRL_SCTP_CHANNEL_OPEN,   // stream, data: its label
    PRL_SCTP_MESSAGE,        // stream, data, first, last, binary; of PRL_SCTP_LABEL only. A `first`
                             // without a `last` before it means that the old message was given up
    PRL_SCTP_CHANNEL_CLOSED, // stream; by either side
    PRL_SCTP_DRAINED,        // the peer has everything that was sent
    PRL_SCTP_CLOSED,         // why; the last event. The handle still has to be closed
};

enum prl_sctp_why {
    PRL_SCTP_WHY_SHUTDOWN, // the peer ended the association in order
    PRL_SCTP_WHY_ABORT,    // the peer aborted it
    PRL_SCTP_WHY_TIMEOUT,  // no answer: about 30 s while setting up, about 40 s later
    PRL_SCTP_WHY_PROTOCOL, // the peer broke a rule: restart, message too long
    PRL_SCTP_WHY_MEMORY,   // there was not enough for it
};

struct prl_sctp_event {
    enum prl_sctp_event_type type;
    struct prl_sctp_handle handle;
    uint64_t id;
    uint16_t stream;
    bool first, last, binary;
    enum prl_sctp_why why;
    const uint8_t *data; // in the message, never NULL; not terminated
    size_t size;
};

struct prl_sctp_stats {
    size_t associations;       // open handles
    uint64_t opened;           // so far
    uint64_t packets_in;       // accepted from loops
    uint64_t packets_out;      // handed to loops
    uint64_t packets_dropped;  // a queue was full, or longer than INPUT_MAX
    uint64_t messages_in;      // delivered
    uint64_t messages_out;     // given to the stack
    uint64_t messages_ignored; // of other labels, unknown payloads, channels that were never opened
    uint64_t sends_dropped;    // the stream was not open any more, or the association gone
    uint64_t channels_refused; // above CHANNELS_MAX, malformed or opened twice
    uint64_t stale;            // calls with a stale handle
};

// One object a process at a time: usrsctp has global state (CHECK). 1..ASSOCIATIONS_MAX.
enum prl_err prl_sctp_create(struct prl_sctp **out, size_t associations_max) PRL_MUST_USE;
// Aborts what is open, joins the thread, gives usrsctp's memory back. Ports may be destroyed then.
void prl_sctp_destroy(struct prl_sctp **sctp);
// Closes all associations of this port and waits until the thread has forgotten it (milliseconds;
// at shutdown). Events that it already holds are the port's.
void prl_sctp_detach(struct prl_sctp *sctp, const struct prl_port *port);

// Call it when DTLS stands: the first packet follows. Both ends connect (RFC 8841 §9.3). LIMIT: no
// slot. FULL: the thread has too much to do. Every handle needs one prl_sctp_close.
enum prl_err prl_sctp_open(struct prl_sctp *sctp, const struct prl_sctp_peer_conf *conf,
                           struct prl_sctp_handle *handle) PRL_MUST_USE;
// One decrypted datagram. FULL, and LIMIT above INPUT_MAX: dropped; SCTP repairs it.
enum prl_err prl_sctp_input(struct prl_sctp *sctp, struct prl_sctp_handle handle,
                            const uint8_t *data, size_t size) PRL_MUST_USE;
// One text message, ordered and reliable whatever the channel asked for. FULL: SEND_MAX waits (or
// SEND_ALL_MAX); nothing was queued. LIMIT: longer than the peer or we allow. May be called as soon
// as CHANNEL_OPEN came; messages to a channel that is closed meanwhile are counted and dropped.
enum prl_err prl_sctp_send(struct prl_sctp *sctp, struct prl_sctp_handle handle, uint16_t stream,
                           const char *text, size_t len) PRL_MUST_USE;
// Clients: opens a channel; CHANNEL_OPEN follows when the peer agreed. The side that was the DTLS
// client uses even streams, the other odd ones. LIMIT: stream or label out of range.
enum prl_err prl_sctp_open_channel(struct prl_sctp *sctp, struct prl_sctp_handle handle,
                                   uint16_t stream, const char *label) PRL_MUST_USE;
// Resets the stream after what was sent on it; CHANNEL_CLOSED follows.
enum prl_err prl_sctp_close_channel(struct prl_sctp *sctp, struct prl_sctp_handle handle,
                                    uint16_t stream) PRL_MUST_USE;
// Aborts the association after what was sent so far has been given to the stack. The handle is
// stale from now on and *handle is cleared; events under way are the owner's to drop by their
// handle. Cannot fail.
void prl_sctp_close(struct prl_sctp *sctp, struct prl_sctp_handle *handle);

// Reads what a port delivered; `event` is valid as long as the message's data.
void prl_sctp_event_read(const struct prl_msg *msg, struct prl_sctp_event *event);
bool prl_sctp_same(struct prl_sctp_handle a, struct prl_sctp_handle b);
const char *prl_sctp_why_name(enum prl_sctp_why why);
void prl_sctp_stats(const struct prl_sctp *sctp, struct prl_sctp_stats *stats);

#endif

// rtc.h -- all WebRTC connections of one loop: one UDP port, passive TCP candidates, and the peers.
//
// An offer goes in, an answer comes out, then sound flows as RTP packets and text as messages of the
// data channel "oai-events". Codecs, jitter buffer and pacing are the owner's (session/leg.h).
// Units:    microseconds of prl_clock_now_us; RTP clocks are 48,000 Hz (Opus) and 8,000 Hz (G.711).
// Threads:  the loop's thread, callbacks too; only the data channels have a thread (sctp.h).
// Memory:   sockets, tables and buffers in create; a peer at its offer, the costly rest (DTLS, SRTP)
//           with its first verified check. Packets in and out allocate nothing of ours. At most
//           peers_max peers; bytes waiting to be sent are bounded, newest audio is dropped first.
// Errors:   a peer's misbehaviour is dropped and counted, and ends at most its own connection.
// Source:   RFC 8445 (lite), 7675, 6347, 5764, 3550, 8831; security rules in docs/SECURITY.md.
#ifndef PRL_RTC_RTC_H
#define PRL_RTC_RTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

enum { PRL_RTC_ADDRESSES_MAX = 8, PRL_RTC_WHY_SIZE = 256, PRL_RTC_QUEUE_BYTES_MAX = 4 << 20 };

struct prl_rtc;      // one a loop: sockets, certificate, peers
struct prl_rtc_peer; // one WebRTC connection
struct prl_sctp;     // sctp.h: the one thread of all data channels, shared by the loops

struct prl_rtc_conf {
    // What to bind, numeric: "127.0.0.1", "0.0.0.0", "::". Candidates behind a wildcard are the
    // addresses of the machine's interfaces.
    const char *addresses[PRL_RTC_ADDRESSES_MAX];
    size_t address_count;
    uint16_t udp_port;          // 0: any free one (tests)
    bool tcp;                   // passive TCP candidates as well
    uint16_t tcp_port;          // 0: any free one (tests)
    const char *public_address; // numeric, announced beside the local ones (NAT, containers); NULL
    bool local_only;            // serve nobody but this machine, whatever is bound
    size_t peers_max;           // connections, offers that have not connected yet included
    struct prl_sctp *sctp;      // borrowed; NULL: no data channels
};

enum prl_rtc_codec { PRL_RTC_OPUS, PRL_RTC_PCMU, PRL_RTC_PCMA };

// One RTP packet of the peer's microphone, decrypted, never seen before (replay window), in the order
// of arrival. Borrowed for the call.
struct prl_rtc_packet {
    enum prl_rtc_codec codec;
    uint16_t seq;
    uint32_t timestamp;
    bool marker;
    bool restart; // the first of a new stream (other SSRC, or a jump): start the decoder anew
    const uint8_t *payload;
    size_t size;
    int64_t arrival_us; // at the socket
};

// Whenever the peer reported, and once a second.
struct prl_rtc_report {
    double loss_out;       // 0..1, of our packets lately, as the peer says
    double loss_in;        // 0..1, of the peer's packets lately
    int64_t rtt_us;        // -1: not known yet
    int64_t jitter_in_us;  // RFC 3550 §6.4.1
    int64_t jitter_out_us; // the same, as the peer says; -1: not known yet
    uint32_t bitrate_bps;  // what our Opus encoder may send now
    int fec_loss_percent;  // what to tell our encoder; 0: no FEC
    int64_t delivered; // RTP clock units from the beginning of our sound to the beginning of the
                       // newest packet that the peer says it has received; -1: not known yet
};

// Called from the loop, never from inside a function of this header. Any callback may call
// prl_rtc_close on its own peer.
struct prl_rtc_ops {
    void (*on_connected)(void *arg);                // DTLS is done, sound may flow; once
    void (*on_channel)(void *arg, bool open);       // "oai-events" has opened or closed
    void (*on_message)(void *arg, const char *data, // text of oai-events, in pieces; whole UTF-8
                       size_t len, bool first, bool last); // only when put together
    void (*on_packet)(void *arg, const struct prl_rtc_packet *packet);
    void (*on_report)(void *arg, const struct prl_rtc_report *report);
    // The connection has ended by itself: "never connected", "consent expired", "dtls failed",
    // "closed by the client". The last callback; the peer stays the owner's to prl_rtc_close, here or
    // later, and does nothing any more.
    void (*on_closed)(void *arg, const char *why);
};

// IO: a port cannot be bound; the reason is in the log. INVALID: an address is not numeric.
enum prl_err prl_rtc_create(struct prl_rtc **out, struct prl_loop *loop,
                            const struct prl_rtc_conf *conf) PRL_MUST_USE;
// Every peer must have been closed before.
void prl_rtc_destroy(struct prl_rtc **rtc);

struct prl_rtc_request {
    const char *sdp; // the offer
    size_t len;
    const struct prl_rtc_ops *ops; // outlive the peer
    void *arg;
};
// Answers an offer. INVALID: `why` (PRL_RTC_WHY_SIZE bytes) says which line is wrong and what was
// expected. LIMIT: peers_max. `answer` is an initialised string with a limit of at least 16 KiB. The
// peer is the caller's, who ends it with prl_rtc_close.
enum prl_err prl_rtc_offer(struct prl_rtc *rtc, const struct prl_rtc_request *request,
                           struct prl_rtc_peer **out, struct prl_str *answer,
                           char *why) PRL_MUST_USE;
// A new offer on the same connection: ICE restart, change of network. DTLS and media go on while the
// fingerprint stays the same, otherwise a new handshake follows (on_connected comes once all the
// same). Errors as above and leave the connection as it was; CANCELED: it has ended.
enum prl_err prl_rtc_reoffer(struct prl_rtc_peer *peer, const char *sdp, size_t len,
                             struct prl_str *answer, char *why) PRL_MUST_USE;
// Says good-bye (RTCP BYE, DTLS close_notify) where connected, and frees the peer; no callback comes
// afterwards. NULL is fine.
void prl_rtc_close(struct prl_rtc_peer **peer);

// The codec to send: the first of the offer that we speak.
enum prl_rtc_codec prl_rtc_codec(const struct prl_rtc_peer *peer);
// One encoded frame of at most 1,200 bytes. `timestamp_step`: RTP clock units since the frame before
// (also over silence that was not sent); `marker` at the start of a talk spurt. Never blocks,
// allocates or fails: before on_connected and after the end it is dropped.
void prl_rtc_send_audio(struct prl_rtc_peer *peer, const uint8_t *payload, size_t size,
                        uint32_t timestamp_step, bool marker);
// How much sound the owner's jitter buffer holds now: lost packets are asked for again only while they
// can still come in time. 100 ms until told.
void prl_rtc_set_buffer(struct prl_rtc_peer *peer, int64_t buffer_us);
// One text message on oai-events. AGAIN: the channel is not open yet (the caller keeps early events,
// bounded). FULL: PRL_RTC_QUEUE_BYTES_MAX would wait (a slow reader; the caller closes). CANCELED:
// the connection or the channel has ended.
enum prl_err prl_rtc_send_message(struct prl_rtc_peer *peer, const char *text,
                                  size_t len) PRL_MUST_USE;

// Figures of now, for /metrics (totals are in base/metrics) and tests.
struct prl_rtc_stats {
    size_t peers;     // offers answered and not closed
    size_t connected; // of these, with DTLS done
    size_t streams;   // accepted TCP connections
    uint16_t udp_port, tcp_port;
    uint64_t unsent;   // datagrams so far that a full queue or the system refused
    uint64_t oversize; // that came too long
};
void prl_rtc_stats(const struct prl_rtc *rtc, struct prl_rtc_stats *stats);

#endif

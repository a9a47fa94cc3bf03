// rtcp.h -- RTCP compound packets, read piece by piece and written into a buffer.
//
// Units:    as on the wire unless the name says otherwise.
// Threads:  any. Pure. Memory: none; what was read points into the caller's bytes.
// Errors:   INVALID where lengths contradict each other; what was read before it stays good. LIMIT
//           when a writer has no room: it is left as it was.
// Source:   RFC 3550 §6.4–6.6, RFC 5506 (reduced size: any packet may come first), RFC 4585 §6.2.1
//           (generic NACK), draft-holmer-rmcat-transport-wide-cc-extensions-01 (feedback). PLI, FIR,
//           REMB, XR and APP are skipped.
#ifndef PRL_RTC_RTCP_H
#define PRL_RTC_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_RTCP_BLOCKS_MAX = 31,
    PRL_RTCP_CNAME_MAX = 64,      // of ours
    PRL_RTCP_ARRIVALS_MAX = 1024, // packets in one feedback; what a peer reports beyond is left out
    PRL_RTCP_SIZE_MAX = 1180,     // of a compound of ours, before SRTCP adds its 20 bytes
};

enum prl_rtcp_kind {
    PRL_RTCP_OTHER, // skipped type; only `sender_ssrc` may be looked at
    PRL_RTCP_SR,
    PRL_RTCP_RR,
    PRL_RTCP_SDES,
    PRL_RTCP_BYE,
    PRL_RTCP_NACK,
    PRL_RTCP_FEEDBACK, // transport-wide
};

struct prl_rtcp_block {    // report block
    uint32_t ssrc;         // whom it is about
    uint8_t fraction_lost; // of 256
    int32_t lost;          // cumulative, may be negative (duplicates); 24 bits
    uint32_t highest_seq;  // extended
    uint32_t jitter;       // RTP clock units
    uint32_t lsr, dlsr;    // middle 32 bits of NTP; 1/65536 s
};

struct prl_rtcp_packet {
    enum prl_rtcp_kind kind;
    uint32_t sender_ssrc; // 0 where the type has none (an empty BYE)
    // SR
    uint64_t ntp;
    uint32_t rtp_timestamp, packet_count, octet_count;
    // SR, RR
    size_t block_count;
    struct prl_rtcp_block blocks[PRL_RTCP_BLOCKS_MAX];
    // SDES: the first CNAME, not terminated; NULL without one
    const char *cname;
    size_t cname_size;
    // BYE: further SSRCs are not kept. NACK, FEEDBACK: whose packets are meant
    uint32_t media_ssrc;
    const uint8_t *items; // NACK, FEEDBACK: what follows the two SSRCs
    size_t items_size;
};

// Reads the packet at *at and moves it on. AGAIN: the end was reached. Starts with *at = 0.
enum prl_err prl_rtcp_next(const uint8_t *data, size_t size, size_t *at,
                           struct prl_rtcp_packet *packet) PRL_MUST_USE;

// The sequence numbers that a NACK asks for, at most `max` of them; returns how many.
size_t prl_rtcp_nack_seqs(const struct prl_rtcp_packet *packet, uint16_t *seqs, size_t max);

struct prl_rtcp_arrival {
    uint16_t seq; // transport-wide
    bool received;
    int64_t at_us; // the peer's clock, from the feedback's reference time; 0 when not received
};
struct prl_rtcp_feedback {
    uint8_t number; // count of feedback packets, wraps
    size_t count;
    struct prl_rtcp_arrival *arrivals; // the caller's
};
// Reads a FEEDBACK into at most `max` arrivals of the caller's.
enum prl_err prl_rtcp_feedback_parse(const struct prl_rtcp_packet *packet,
                                     struct prl_rtcp_feedback *feedback,
                                     struct prl_rtcp_arrival *arrivals, size_t max) PRL_MUST_USE;

// A compound being written: set data and capacity, then add. size counts what is in it.
struct prl_rtcp_writer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};
struct prl_rtcp_sr {
    uint64_t ntp;
    uint32_t rtp_timestamp, packet_count, octet_count;
};
// `sr` NULL: a receiver report. At most PRL_RTCP_BLOCKS_MAX blocks.
enum prl_err prl_rtcp_add_report(struct prl_rtcp_writer *writer, uint32_t ssrc,
                                 const struct prl_rtcp_sr *sr, const struct prl_rtcp_block *blocks,
                                 size_t block_count) PRL_MUST_USE;
enum prl_err prl_rtcp_add_sdes(struct prl_rtcp_writer *writer, uint32_t ssrc,
                               const char *cname) PRL_MUST_USE;
enum prl_err prl_rtcp_add_bye(struct prl_rtcp_writer *writer, uint32_t ssrc) PRL_MUST_USE;
// Packs ascending sequence numbers into pairs.
enum prl_err prl_rtcp_add_nack(struct prl_rtcp_writer *writer, uint32_t ssrc, uint32_t media_ssrc,
                               const uint16_t *seqs, size_t count) PRL_MUST_USE;
// `arrivals`: 1..1024 consecutive sequence numbers, the last one received. The first one received fixes
// the reference time; its time is not negative. INVALID when two that follow each other lie more than
// 8 s apart.
enum prl_err prl_rtcp_add_feedback(struct prl_rtcp_writer *writer, uint32_t ssrc,
                                   uint32_t media_ssrc, uint8_t number,
                                   const struct prl_rtcp_arrival *arrivals,
                                   size_t count) PRL_MUST_USE;

// NTP format of a time: seconds since 1900 in the upper 32 bits. `wall_us` counts from 1970.
uint64_t prl_rtcp_ntp(int64_t wall_us);

#endif

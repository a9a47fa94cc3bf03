// rtp.h -- RTP headers in and out, and what kind of datagram the first bytes announce.
//
// Units:    bytes; sequence numbers and timestamps as on the wire.
// Threads:  any. Pure. Memory: none; a parsed packet points into the caller's bytes.
// Errors:   INVALID for anything that is not a whole, well-formed version 2 packet.
// Source:   RFC 3550 §5.1 and §5.3.1, RFC 8285 (header extensions of one and two bytes), RFC 7983 and
//           RFC 5761 §4 (demultiplexing), RFC 6464 (audio level), the transport-wide sequence number
//           of draft-holmer-rmcat-transport-wide-cc-extensions-01.
#ifndef PRL_RTC_RTP_H
#define PRL_RTC_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_RTP_HEADER_SIZE = 12,
    PRL_RTP_HEADER_SIZE_MAX =
        24, // what prl_rtp_build writes at most: header and extensions of ours
};

// By the first byte, RTP and RTCP by the second one too; OTHER is dropped (ZRTP, TURN channels, nothing).
enum prl_rtp_kind {
    PRL_RTP_KIND_OTHER,
    PRL_RTP_KIND_STUN,
    PRL_RTP_KIND_DTLS,
    PRL_RTP_KIND_RTP,
    PRL_RTP_KIND_RTCP,
};
enum prl_rtp_kind prl_rtp_classify(const uint8_t *datagram, size_t size);

struct prl_rtp_packet {
    bool marker;
    uint8_t payload_type; // 0..127
    uint8_t csrc_count;   // 0..15
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;
    size_t header_size;       // fixed part, CSRCs and extension: where the payload begins
    const uint8_t *extension; // NULL without one; without its four-byte header
    size_t extension_size;
    uint16_t extension_profile; // 0xBEDE, 0x100x or something unknown
    const uint8_t *payload;     // without padding
    size_t payload_size;        // may be 0
};

enum prl_err prl_rtp_parse(struct prl_rtp_packet *packet, const uint8_t *data,
                           size_t size) PRL_MUST_USE;

// Finds element `id` (1..255) of either form. False: not there, or the block is malformed before it.
bool prl_rtp_extension(const struct prl_rtp_packet *packet, unsigned id, const uint8_t **value,
                       size_t *size);
// These read a known element; false when it is not there or too short. id 0: not negotiated.
bool prl_rtp_transport_seq(const struct prl_rtp_packet *packet, unsigned id, uint16_t *seq);
// level_db is 0 (loudest) to -127 dBov.
bool prl_rtp_audio_level(const struct prl_rtp_packet *packet, unsigned id, int *level_db,
                         bool *voice);

struct prl_rtp_header {
    bool marker;
    uint8_t payload_type;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;
    uint8_t transport_seq_id; // 1..14; 0: no transport-wide sequence number
    uint16_t transport_seq;
};
// Writes header and extensions; returns the size. `out` has room for PRL_RTP_HEADER_SIZE_MAX.
size_t prl_rtp_build(uint8_t *out, const struct prl_rtp_header *header);

// How far b lies behind a on the circle of sequence numbers: -32768..32767.
static inline int prl_rtp_seq_diff(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b);
}

#endif

// sender.h -- our outgoing RTP stream: numbers, time stamps, sender reports, what came of it.
//
// Units:    RTP clock units for time stamps; microseconds, monotonic and wall as named.
// Threads:  one owner. Pure. Memory: one block of about 2 KiB, nothing after create.
// Errors:   none at run time.
// Source:   RFC 3550 §5.1, §6.2–6.4 and A.7. The first sequence number lies below 2^15, so that a lost
//           beginning cannot confuse the rollover counter (RFC 3711 §3.3.1).
#ifndef PRL_RTC_SENDER_H
#define PRL_RTC_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"

enum {
    PRL_SENDER_MAP = 128, // packets whose place in the sound is remembered; 2.5 s at 20 ms
};

struct prl_sender_conf {
    uint32_t ssrc;
    uint8_t payload_type;
    uint32_t clock_hz;        // 48000 or 8000
    uint8_t transport_seq_id; // 0: not negotiated
    uint64_t random;        // from the caller: first sequence number, time stamp and report jitter
    int64_t wall_offset_us; // wall time less monotonic time, for the NTP stamps
};

struct prl_sender;

enum prl_err prl_sender_create(struct prl_sender **out,
                               const struct prl_sender_conf *conf) PRL_MUST_USE;
void prl_sender_destroy(struct prl_sender **sender);

// The header of the next packet, whose payload lies `timestamp_step` after the one before (a gap in
// the sound is a larger step). Counts it as sent with `payload_size` bytes.
void prl_sender_next(struct prl_sender *sender, uint32_t timestamp_step, bool marker,
                     size_t payload_size, int64_t now_us, struct prl_rtp_header *header);

// When a report is due: the first one 500 ms after the first packet, then every 2 s × (0.5..1.5), as
// RFC 4585 allows; 300 bits a second. INT64_MAX before the first packet.
int64_t prl_sender_report_deadline(const struct prl_sender *sender);
// The sender report for now; moves the deadline on.
void prl_sender_report(struct prl_sender *sender, int64_t now_us, struct prl_rtcp_sr *sr);

// A report block of the peer about our SSRC (others are ignored: false). Updates RTT and loss.
bool prl_sender_block(struct prl_sender *sender, const struct prl_rtcp_block *block,
                      int64_t now_us);

struct prl_sender_stats {
    uint32_t ssrc;
    uint64_t packets, octets; // sent, payload only
    int64_t rtt_us;           // smoothed; -1 unknown
    double loss;              // 0..1, of the last report
    int64_t jitter_us;        // of the last report; -1 unknown
    bool reported;            // the peer has reported at all
    uint64_t arrived;         // packets up to the highest one that has arrived
    // Where in the sound, in RTP clock units since the first packet, the newest packet sent begins, and
    // the newest that the peer reported. What lies between is in flight.
    uint64_t sent_place;
    uint64_t arrived_place;
    int64_t report_us; // when the last report came; monotonic
};
void prl_sender_stats(const struct prl_sender *sender, struct prl_sender_stats *stats);

#endif

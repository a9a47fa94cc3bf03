// reception.h -- what we know of the RTP stream that a peer sends: loss, jitter, what to ask again.
//
// Units:    microseconds, monotonic; RTP clock units where the name says so.
// Threads:  one owner. Pure. Memory: one block of about 4 KiB, nothing after create.
// Errors:   none at run time; odd packets are counted.
// Source:   RFC 3550 A.1, A.3, A.8 and §6.4.1; RFC 4585 (NACK).
#ifndef PRL_RTC_RECEPTION_H
#define PRL_RTC_RECEPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/rtcp.h"

enum {
    PRL_RECEPTION_NACKS_MAX =
        32, // missing packets that are followed at a time; older ones are lost
    PRL_RECEPTION_NACK_TRIES = 3, // per packet
};

struct prl_reception_conf {
    bool nack;     // negotiated
    bool feedback; // transport-wide feedback negotiated
};

struct prl_reception;

enum prl_err prl_reception_create(struct prl_reception **out,
                                  const struct prl_reception_conf *conf) PRL_MUST_USE;
void prl_reception_destroy(struct prl_reception **reception);

struct prl_reception_packet {
    uint32_t ssrc;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t clock_hz; // of the payload type
    int transport_seq; // -1: none
    int64_t arrival_us;
};
enum prl_reception_verdict {
    PRL_RECEPTION_GOOD, // in order, or late but new
    PRL_RECEPTION_NEW, // good, and the first of a new stream (SSRC change, jump): restart the decoder
    PRL_RECEPTION_REPEAT, // seen before: drop
    PRL_RECEPTION_STALE,  // of an SSRC just replaced, or a lone jump: drop
};
// Each authentic RTP packet of the audio stream.
enum prl_reception_verdict prl_reception_packet(struct prl_reception *reception,
                                                const struct prl_reception_packet *packet);
// A sender report of the peer.
void prl_reception_sr(struct prl_reception *reception, uint32_t ssrc, uint64_t ntp,
                      int64_t arrival_us);
// The report block for now; begins the next interval of fraction_lost. False: nothing received yet.
bool prl_reception_block(struct prl_reception *reception, int64_t now_us,
                         struct prl_rtcp_block *block);

// Sequence numbers to ask for now, ascending, at most `max`. A packet is asked for while the answer, a
// round trip away (-1: unknown, 100 ms assumed), can still come before the jitter buffer, which holds
// `buffer_us` of sound, wants to play it; again after a round trip; PRL_RECEPTION_NACK_TRIES times. On
// a network that was seen to reorder the first time waits 20 ms. Call it after each packet and each
// 20 ms.
size_t prl_reception_nacks(struct prl_reception *reception, int64_t now_us, int64_t rtt_us,
                           int64_t buffer_us, uint16_t *seqs, size_t max);

// Appends transport-wide feedback on what came since the last one. AGAIN: nothing to say, or not
// negotiated; LIMIT: no room.
enum prl_err prl_reception_feedback(struct prl_reception *reception, uint32_t own_ssrc,
                                    struct prl_rtcp_writer *writer) PRL_MUST_USE;

struct prl_reception_stats {
    uint32_t ssrc;
    uint64_t received; // packets of the current stream, repeats not counted
    int64_t lost;      // cumulative of the current stream
    double loss;       // 0..1, smoothed over about 100 packets
    int64_t jitter_us; // RFC 3550
    uint64_t repeats, late, stale, restarts, nacked, recovered;
};
void prl_reception_stats(const struct prl_reception *reception, struct prl_reception_stats *stats);

#endif

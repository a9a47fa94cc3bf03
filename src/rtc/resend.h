// resend.h -- the protected packets of the last half second, for answers to NACK.
//
// Units:    bytes, microseconds monotonic.
// Threads:  one owner. Pure. Memory: one block of about 8 KiB, nothing after create.
// Errors:   none; what cannot be sent again is counted.
// Source:   RFC 4585 §6.2.1. A NACK of 4 bytes asks for 17 packets, so answers are bounded: a packet is
//           repeated at most PRL_RESEND_TIMES times, not twice within a round trip, and all repeats
//           together stay below PRL_RESEND_PER_S packets a second with a burst of PRL_RESEND_BURST.
#ifndef PRL_RTC_RESEND_H
#define PRL_RTC_RESEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_RESEND_SLOTS = 32,          // 640 ms at 20 ms
    PRL_RESEND_PACKET_MAX = 256,    // longer ones are not kept: audio never is
    PRL_RESEND_AGE_MAX_US = 600000, // older ones would come too late
    PRL_RESEND_TIMES = 2,
    PRL_RESEND_PER_S = 30,
    PRL_RESEND_BURST = 10,
};

struct prl_resend;

enum prl_err prl_resend_create(struct prl_resend **out) PRL_MUST_USE;
void prl_resend_destroy(struct prl_resend **resend);

// A packet as it was sent; copied.
void prl_resend_keep(struct prl_resend *resend, uint16_t seq, const uint8_t *packet, size_t size,
                     int64_t now_us);
// The packet to send again, valid until the next keep; false: it must not or cannot be.
bool prl_resend_take(struct prl_resend *resend, uint16_t seq, int64_t rtt_us, int64_t now_us,
                     const uint8_t **packet, size_t *size);

struct prl_resend_stats {
    uint64_t sent;
    uint64_t unknown; // too old, never sent, or too long
    uint64_t limited; // refused by a bound
};
void prl_resend_stats(const struct prl_resend *resend, struct prl_resend_stats *stats);

#endif

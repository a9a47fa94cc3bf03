// bwe.h -- how fast and how well protected our sound should leave, from what the peer reports.
//
// Units:    bits a second, percent, microseconds monotonic.
// Threads:  one owner. Pure. Memory: one block of about 5 KiB, nothing after create.
// Errors:   none; reports that contradict themselves are clamped.
// Source:   own rules, checked on simulated links in tests/unit/test_bwe.c: growing delay means a full
//           queue and lowers the rate at once; loss without delay first raises the protection, and
//           lowers the rate only if a trial shows that a lower rate loses less (a link that drops
//           instead of queueing). Speech of 32 kb/s and headers is far below what most links carry, so
//           recovery is additive and soon.
#ifndef PRL_RTC_BWE_H
#define PRL_RTC_BWE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/rtcp.h"

enum {
    PRL_BWE_BITRATE_MIN = 8000,
    PRL_BWE_BITRATE_START = 32000,
    PRL_BWE_BITRATE_MAX = 48000,
    PRL_BWE_FEC_MAX = 30, // percent of loss told to the encoder
};

struct prl_bwe;

enum prl_err prl_bwe_create(struct prl_bwe **out) PRL_MUST_USE;
void prl_bwe_destroy(struct prl_bwe **bwe);

// A receiver report about our stream. loss 0..1 since the last one; rtt_us and jitter_us -1: unknown.
void prl_bwe_report(struct prl_bwe *bwe, int64_t now_us, double loss, int64_t rtt_us,
                    int64_t jitter_us);

// Where transport-wide feedback was negotiated: each packet that leaves, and each feedback.
void prl_bwe_sent(struct prl_bwe *bwe, uint16_t transport_seq, size_t size, int64_t now_us);
void prl_bwe_feedback(struct prl_bwe *bwe, int64_t now_us, const struct prl_rtcp_arrival *arrivals,
                      size_t count);

struct prl_bwe_advice {
    uint32_t bitrate_bps; // of the Opus encoder, 8000..48000, in steps of 1000
    int fec_loss_percent; // 0: no FEC
    double loss;          // 0..1, smoothed
    int64_t queue_us;     // delay above the least one seen lately; -1 unknown
};
void prl_bwe_advice(const struct prl_bwe *bwe, struct prl_bwe_advice *advice);

#endif

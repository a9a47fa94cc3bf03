// delay.h -- how late packets come, and when the sound in them should therefore be played.
//
// Each packet has a media time (its time stamp) and an arrival; the difference, less the smallest one
// of the last seconds, is its relative delay. A fading histogram of these gives the target: the delay
// that 97 of 100 packets keep, plus one frame. When the estimate of the smallest difference moves
// (drift of the sender's clock, a new path), histogram and target move against it, so that what was
// decided stays decided and only new packets change it.
//
// Units:    microseconds; media time has an origin of its own.
// Threads:  one owner. Memory: none, the struct is the owner's. Errors: none.
// Source:   relative delay and quantile as in WebRTC's NetEq; the drift compensation is ours.
#ifndef PRL_MEDIA_DELAY_H
#define PRL_MEDIA_DELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PRL_DELAY_BUCKETS = 100,
    PRL_DELAY_BUCKET_US = 5000,
    PRL_DELAY_MIN_US = 20000,
    PRL_DELAY_MAX_US = 500000
};

// Private to delay.c but for its size.
struct prl_delay {
    bool begun;
    int64_t settled_us; // after a jump nothing is counted before
    int64_t window_us;  // when the present window began
    int64_t least_us;   // smallest difference in it
    int64_t before_us;  // in the window before
    int64_t origin_us;  // difference that counts as relative delay 0
    int64_t target_us;  // above origin
    int64_t shrunk_us;  // when the target last shrank
    uint32_t count;     // packets, up to the length of the memory
    float weights[PRL_DELAY_BUCKETS];
};

void prl_delay_init(struct prl_delay *delay);
// A packet with this media time came. True: its time has nothing to do with that of the packets before
// (a sender that began anew, or stood still for a second); what was learnt of the path stays.
bool prl_delay_add(struct prl_delay *delay, int64_t media_us, int64_t arrival_us);
// What is missing at media_us could be had from another packet at arrival_us.
void prl_delay_add_spare(struct prl_delay *delay, int64_t media_us, int64_t arrival_us);
// When the sample of this media time should leave.
int64_t prl_delay_due_us(const struct prl_delay *delay, int64_t media_us);
// How long after the fastest packets that is.
int64_t prl_delay_target_us(const struct prl_delay *delay);

#endif

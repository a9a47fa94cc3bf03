// mic_time.h -- when a piece of the microphone's sound was recorded, on our clock.
//
// Sound that came in a burst was not recorded in one: of the arrivals of the last seconds the earliest
// one says where the sender's clock stands. What it says is later than the truth by the shortest way
// from the microphone to us, always the same; the canceller finds it as a part of the echo's delay.
// Units:    microseconds, ours monotonic, the sender's from any zero.
// Threads:  one owner. Memory: the caller's struct; all zero before the first arrival. Errors: none.
#ifndef PRL_DSP_MIC_TIME_H
#define PRL_DSP_MIC_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct prl_mic_time {
    bool known;
    int64_t base_us;     // 0 of the sender's clock on ours
    int64_t least_us[2]; // of base_us, in the present and the last second
    int64_t bucket_us;   // when the present one began
};

// How much the base may change before it is followed: a canceller follows a slow clock better than a
// jump. Too late a base asks for sound that is still to be played.
struct prl_mic_time_steps {
    int64_t earlier_us, later_us;
};

// The sound up to `media_us` of the sender's clock has come at `arrival_us`. True: the base has jumped.
// After 2 s without an arrival everything before is forgotten.
bool prl_mic_time_arrived(struct prl_mic_time *time, int64_t media_us, int64_t arrival_us,
                          const struct prl_mic_time_steps *steps);
// The sender began anew: the next arrival counts alone.
void prl_mic_time_forget(struct prl_mic_time *time);
int64_t prl_mic_time_of(const struct prl_mic_time *time, int64_t media_us);

#endif

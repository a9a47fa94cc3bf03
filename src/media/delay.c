// delay.c -- see delay.h.
#include "media/delay.h"

#include "media/jitter.h"

enum {
    WINDOW_US = 3000000, // the smallest difference is remembered for one to two of these
    JUMP_US = 1000000,   // more than any network does without losing packets
    FIRST_BUCKET = 3,    // before anything is known: 20 ms and a frame
    COUNT_FIRST = 4,     // what that guess weighs, in packets
    COUNT_MAX = 200,     // memory of the histogram: 4 s of 20 ms packets
    FRAME_US = 20000,
    SHRINK_DIVISOR = 20, // 50 ms a second
    SETTLE_US =
        500000 // what an outage held back comes at once, each packet less late than the last
};

static const float LATE_SHARE = 0.03F;

_Static_assert((int)PRL_DELAY_MIN_US == (int)PRL_JITTER_DELAY_MIN_US, "the same promise");
_Static_assert((int)PRL_DELAY_MAX_US == (int)PRL_JITTER_DELAY_MAX_US, "the same promise");
_Static_assert(PRL_DELAY_BUCKETS *PRL_DELAY_BUCKET_US == PRL_DELAY_MAX_US, "covers the target");

void prl_delay_init(struct prl_delay *delay)
{
    *delay = (struct prl_delay){.count = COUNT_FIRST};
    delay->weights[FIRST_BUCKET] = 1.0F;
}

static int64_t bounded(int64_t value, int64_t low, int64_t high)
{
    if (value < low)
        return low;
    return value < high ? value : high;
}

static int64_t wanted_us(const struct prl_delay *delay)
{
    float late = 0.0F;
    int64_t bucket = PRL_DELAY_BUCKETS - 1;
    while (bucket > 0 && late + delay->weights[bucket] <= LATE_SHARE)
        late += delay->weights[bucket--];
    return bounded((bucket + 1) * PRL_DELAY_BUCKET_US + FRAME_US, PRL_DELAY_MIN_US,
                   PRL_DELAY_MAX_US);
}

// The origin rises by one bucket: every relative delay is that much smaller.
static void shift_down(struct prl_delay *delay)
{
    delay->weights[0] += delay->weights[1];
    for (size_t i = 1; i + 1 < PRL_DELAY_BUCKETS; i++)
        delay->weights[i] = delay->weights[i + 1];
    delay->weights[PRL_DELAY_BUCKETS - 1] = 0.0F;
    delay->origin_us += PRL_DELAY_BUCKET_US;
    delay->target_us -= PRL_DELAY_BUCKET_US;
}

static void shift_up(struct prl_delay *delay)
{
    delay->weights[PRL_DELAY_BUCKETS - 1] += delay->weights[PRL_DELAY_BUCKETS - 2];
    for (size_t i = PRL_DELAY_BUCKETS - 2; i > 0; i--)
        delay->weights[i] = delay->weights[i - 1];
    delay->weights[0] = 0.0F;
    delay->origin_us -= PRL_DELAY_BUCKET_US;
    delay->target_us += PRL_DELAY_BUCKET_US;
}

static void find_origin(struct prl_delay *delay, int64_t difference_us, int64_t arrival_us)
{
    if (arrival_us - delay->window_us >= WINDOW_US) {
        delay->window_us = arrival_us;
        delay->before_us = delay->least_us;
        delay->least_us = difference_us;
    }
    if (difference_us < delay->least_us)
        delay->least_us = difference_us;
    int64_t least_us = delay->least_us < delay->before_us ? delay->least_us : delay->before_us;
    // Both loops are bounded by JUMP_US.
    while (least_us - delay->origin_us >= PRL_DELAY_BUCKET_US)
        shift_down(delay);
    while (least_us < delay->origin_us)
        shift_up(delay);
}

static void count_delay(struct prl_delay *delay, int64_t difference_us)
{
    int64_t bucket =
        bounded((difference_us - delay->origin_us) / PRL_DELAY_BUCKET_US, 0, PRL_DELAY_BUCKETS - 1);
    float share = 1.0F / (float)(delay->count + 1);
    if (delay->count < COUNT_MAX)
        delay->count++;
    for (size_t i = 0; i < PRL_DELAY_BUCKETS; i++)
        delay->weights[i] *= 1.0F - share;
    delay->weights[bucket] += share;
}

static void find_target(struct prl_delay *delay, int64_t arrival_us)
{
    int64_t wanted = wanted_us(delay);
    int64_t most_us = (arrival_us - delay->shrunk_us) / SHRINK_DIVISOR;
    if (wanted >= delay->target_us || arrival_us < delay->shrunk_us) {
        delay->target_us = wanted;
    } else {
        int64_t less_us = delay->target_us - wanted;
        delay->target_us -= less_us < most_us ? less_us : most_us;
    }
    delay->target_us = bounded(delay->target_us, PRL_DELAY_MIN_US, PRL_DELAY_MAX_US);
    delay->shrunk_us = arrival_us;
}

bool prl_delay_add(struct prl_delay *delay, int64_t media_us, int64_t arrival_us)
{
    int64_t difference_us = arrival_us - media_us;
    int64_t late_us = difference_us - delay->origin_us;
    bool begun = delay->begun;
    bool jumped = begun && (late_us > JUMP_US || late_us < -JUMP_US);
    if (!begun || jumped) {
        delay->begun = true;
        delay->window_us = arrival_us;
        delay->settled_us = arrival_us + (jumped ? SETTLE_US : 0);
        delay->least_us = delay->before_us = delay->origin_us = difference_us;
    }
    if (arrival_us < delay->settled_us) {
        if (difference_us < delay->origin_us)
            delay->least_us = delay->before_us = delay->origin_us = difference_us;
        return jumped;
    }
    find_origin(delay, difference_us, arrival_us);
    count_delay(delay, difference_us);
    find_target(delay, arrival_us);
    return jumped;
}

void prl_delay_add_spare(struct prl_delay *delay, int64_t media_us, int64_t arrival_us)
{
    count_delay(delay, arrival_us - media_us);
    find_target(delay, arrival_us);
}

int64_t prl_delay_due_us(const struct prl_delay *delay, int64_t media_us)
{
    return delay->origin_us + media_us + delay->target_us;
}

int64_t prl_delay_target_us(const struct prl_delay *delay)
{
    return delay->target_us;
}

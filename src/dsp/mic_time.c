// mic_time.c -- see mic_time.h.
#include "dsp/mic_time.h"

#include <stddef.h>

#include "base/check.h"

enum { BUCKET_US = 1000000 };

bool prl_mic_time_arrived(struct prl_mic_time *time, int64_t media_us, int64_t arrival_us,
                          const struct prl_mic_time_steps *steps)
{
    PRL_CHECK(time != NULL && steps != NULL);
    int64_t base_us = arrival_us - media_us;
    int64_t age_us = arrival_us - time->bucket_us;
    if (!time->known || age_us > 2 * (int64_t)BUCKET_US) {
        time->least_us[0] = base_us;
        time->least_us[1] = base_us;
        time->bucket_us = arrival_us;
    } else if (age_us > BUCKET_US) {
        time->least_us[1] = time->least_us[0];
        time->least_us[0] = base_us;
        time->bucket_us = arrival_us;
    }
    if (base_us < time->least_us[0])
        time->least_us[0] = base_us;
    int64_t least_us =
        time->least_us[0] < time->least_us[1] ? time->least_us[0] : time->least_us[1];
    int64_t change_us = least_us - time->base_us;
    bool jumps = change_us > steps->later_us || change_us < -steps->earlier_us;
    if (time->known && !jumps)
        return false;
    bool known = time->known;
    time->known = true;
    time->base_us = least_us;
    return known;
}

void prl_mic_time_forget(struct prl_mic_time *time)
{
    *time = (struct prl_mic_time){0};
}

int64_t prl_mic_time_of(const struct prl_mic_time *time, int64_t media_us)
{
    return time->base_us + media_us;
}

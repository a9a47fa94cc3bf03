// lock.c -- see lock.h.
#include "vad/lock.h"

#include <math.h>

#include "base/check.h"

// Between two stretches of one speaker, 2 s of voice, the least likeness measured was 0.37, between two
// speakers the largest 0.30; at 1.5 s 0.25 and 0.36, at 1 s 0.03 and 0.39.
static const float NEAR = 0.40F;      // surely the speaker
static const float FAR = 0.22F;       // surely another, from PRL_LOCK_SURE_SAMPLES on
static const float FAR_SHORT = 0.05F; // the same below that

bool prl_lock_knows(const struct prl_lock *lock)
{
    return lock->samples >= PRL_LOCK_ENROL_SAMPLES;
}

static float likeness(const float *a, const float *b)
{
    double product = 0.0, a_square = 0.0, b_square = 0.0;
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++) {
        product += (double)a[i] * (double)b[i];
        a_square += (double)a[i] * (double)a[i];
        b_square += (double)b[i] * (double)b[i];
    }
    double scale = sqrt(a_square * b_square);
    return scale > 0.0 ? (float)(product / scale) : 0.0F;
}

static bool is_near(const struct prl_lock *lock, const struct prl_lock_print *print)
{
    return prl_lock_knows(lock) && print->count > 0 && print->likeness_max >= NEAR;
}

size_t prl_lock_wants(const struct prl_lock *lock, const struct prl_lock_print *print, bool pause)
{
    if (print->waiting)
        return 0;
    bool learns = lock->samples < PRL_LOCK_LEARN_SAMPLES;
    if (is_near(lock, print) && !learns)
        return 0; // nothing can change any more
    uint64_t fresh = print->voiced - print->asked;
    bool first = print->asked == 0;
    uint64_t least = first ? PRL_LOCK_SURE_SAMPLES : PRL_LOCK_STEP_SAMPLES;
    if (pause)
        least = first ? PRL_LOCK_LEAST_SAMPLES : PRL_LOCK_TAIL_SAMPLES;
    if (fresh < least)
        return 0;
    return print->voiced < PRL_SPEAKER_SAMPLES_MAX ? (size_t)print->voiced
                                                   : PRL_SPEAKER_SAMPLES_MAX;
}

void prl_lock_asked(struct prl_lock_print *print, size_t samples)
{
    PRL_DCHECK(samples <= PRL_SPEAKER_SAMPLES_MAX);
    print->stretch = samples;
    print->asked = print->voiced;
    print->waiting = true;
}

void prl_lock_answered(const struct prl_lock *lock, struct prl_lock_print *print,
                       const float *voice)
{
    print->waiting = false;
    if (!voice)
        return;
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++)
        print->sum[i] += voice[i];
    float now = likeness(lock->sum, voice);
    if (print->count == 0 || now > print->likeness_max)
        print->likeness_max = now;
    print->count++;
    print->known = print->asked;
    if (print->stretch > print->longest)
        print->longest = print->stretch;
}

enum prl_lock_verdict prl_lock_verdict(const struct prl_lock *lock,
                                       const struct prl_lock_print *print)
{
    if (!prl_lock_knows(lock) || print->count == 0)
        return PRL_LOCK_UNKNOWN;
    if (is_near(lock, print))
        return PRL_LOCK_MINE;
    // So much at the end that the speaker may have joined in.
    if (print->voiced - print->known >= PRL_LOCK_SURE_SAMPLES)
        return PRL_LOCK_UNKNOWN;
    float limit = print->longest >= PRL_LOCK_SURE_SAMPLES ? FAR : FAR_SHORT;
    return likeness(lock->sum, print->sum) < limit ? PRL_LOCK_OTHER : PRL_LOCK_UNKNOWN;
}

void prl_lock_learn(struct prl_lock *lock, const struct prl_lock_print *print)
{
    bool sure = !prl_lock_knows(lock) || is_near(lock, print);
    if (print->count == 0 || !sure || lock->samples >= PRL_LOCK_LEARN_SAMPLES)
        return;
    for (size_t i = 0; i < PRL_SPEAKER_VALUES; i++)
        lock->sum[i] += print->sum[i];
    // An end too short for a question is no more than what was asked about.
    bool all = print->voiced - print->known < PRL_LOCK_TAIL_SAMPLES;
    lock->samples += all ? print->voiced : print->known;
}

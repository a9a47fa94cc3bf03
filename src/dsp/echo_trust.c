// echo_trust.c -- see echo_trust.h.
#include "dsp/echo_trust.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    FRAME = PRL_ECHO_FRAME_SAMPLES,
    // What the canceller needs to learn delay and room, in sound of the loudspeaker. Meanwhile nothing is a voice
    // while the loudspeaker sounds.
    LEARN_SAMPLES = 7 * PRL_ECHO_HZ / 2,
    // And so long much of it is left now and then.
    TRUST_SAMPLES = 12 * PRL_ECHO_HZ,
    RING_ON_SAMPLES = PRL_ECHO_TAIL_MS_MAX * (PRL_ECHO_HZ / 1000),
    SOUND_MIN = 64 // a reference that can make an echo, of 32768
};

// A person keeps more than what is left of an echo: a seventh at most, once the canceller knows it, two fifths
// before, two thirds while its filter takes little.
static const float KEPT_MIN = 0.15F;
static const float KEPT_MIN_EARLY = 0.4F;
static const float KEPT_MIN_UNKNOWN = 0.7F;
// Of an echo that the canceller knows the detector is never so sure.
static const float SURE = 0.85F;
// What a filter takes that knows the echo, and one that was thrown away.
static const float KNOWN_DB = 7.0F;
static const float LOST_DB = 3.0F;

static bool sounds(const int16_t *reference)
{
    for (size_t i = 0; i < FRAME; i++)
        if (abs(reference[i]) > SOUND_MIN)
            return true;
    return false;
}

static void learn_again(struct prl_echo_trust *trust)
{
    if (trust->learnt_samples > LEARN_SAMPLES)
        trust->learnt_samples = LEARN_SAMPLES;
}

// A canceller that finds another delay begins anew, and its filter takes nothing at once.
static void watch_filter(struct prl_echo_trust *trust, const struct prl_echo_stats *stats)
{
    bool silent = stats->delay_ms < 0; // it says nothing of itself
    bool was_known = trust->known;
    float least_db = was_known ? LOST_DB : KNOWN_DB;
    trust->known = silent || stats->removed_db >= least_db;
    if (was_known && !trust->known)
        learn_again(trust);
}

void prl_echo_trust_frame(struct prl_echo_trust *trust, const int16_t *reference,
                          const struct prl_echo_stats *stats)
{
    PRL_CHECK(trust != NULL && reference != NULL && stats != NULL);
    if (sounds(reference)) {
        trust->ring_on_samples = RING_ON_SAMPLES;
        trust->learnt_samples += trust->learnt_samples < TRUST_SAMPLES ? FRAME : 0;
    } else if (trust->ring_on_samples > 0) {
        trust->ring_on_samples -= FRAME;
    }
    trust->hold_samples -= trust->hold_samples > 0 ? FRAME : 0;
    watch_filter(trust, stats);
}

void prl_echo_trust_moved(struct prl_echo_trust *trust)
{
    trust->hold_samples = RING_ON_SAMPLES;
    learn_again(trust);
}

bool prl_echo_trust_settled(const struct prl_echo_trust *trust)
{
    return trust->hold_samples == 0 && trust->learnt_samples >= TRUST_SAMPLES;
}

float prl_echo_trust_demands(const struct prl_echo_trust *trust, float kept)
{
    if (trust->ring_on_samples == 0)
        return 0.0F;
    if (trust->hold_samples > 0 || trust->learnt_samples < LEARN_SAMPLES)
        return PRL_ECHO_TRUST_NEVER;
    if (prl_echo_trust_settled(trust))
        return kept < KEPT_MIN ? SURE : 0.0F;
    float kept_min = trust->known ? KEPT_MIN_EARLY : KEPT_MIN_UNKNOWN;
    return kept < kept_min ? PRL_ECHO_TRUST_NEVER : 0.0F;
}

// lock.h -- the lock on the first speaker of a session: learns the voice of what was said and answered
// first, and says of a later utterance whether it is surely another's.
//
// A pure core over voiceprints (vad/speaker.h). An utterance is another's when what is known of it is
// far from the speaker, and stays the speaker's as soon as a single stretch of it is near: whoever is in
// doubt is heard.
// Units:    voiced samples at 16 kHz, silence left out; likeness is the cosine of two voiceprints.
// Threads:  one owner. Memory: plain structs, all zero is the state at start. Errors: none.
// Source:   thresholds from tests/bench/speaker_accuracy.py; figures in docs/TUNING.md, "Speaker lock".
#ifndef PRL_VAD_LOCK_H
#define PRL_VAD_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vad/speaker.h"

enum {
    PRL_LOCK_SURE_SAMPLES = 3 * PRL_SPEAKER_RATE_HZ / 2, // a voiceprint of so much is a good one
    PRL_LOCK_LEAST_SAMPLES = PRL_SPEAKER_RATE_HZ,        // one of less says nothing
    PRL_LOCK_STEP_SAMPLES = PRL_SPEAKER_RATE_HZ,         // voice between two questions
    PRL_LOCK_TAIL_SAMPLES = PRL_SPEAKER_RATE_HZ / 2,     // unjudged end that is worth a question
    PRL_LOCK_ENROL_SAMPLES = 4 * PRL_SPEAKER_RATE_HZ,    // after which the speaker is known
    PRL_LOCK_LEARN_SAMPLES = 16 * PRL_SPEAKER_RATE_HZ    // up to which more is learnt
};

// The speaker.
struct prl_lock {
    float sum[PRL_SPEAKER_VALUES]; // of voiceprints
    uint64_t samples;              // that they were made of
};

// What is known of one utterance.
struct prl_lock_print {
    float sum[PRL_SPEAKER_VALUES];
    uint32_t count;     // voiceprints in it
    uint64_t voiced;    // samples so far
    uint64_t asked;     // up to here it was asked about
    uint64_t known;     // and up to here it was answered
    size_t stretch;     // samples of the last question
    size_t longest;     // and of the longest one that was answered
    float likeness_max; // of the nearest stretch
    bool waiting;       // a question is under way
};

enum prl_lock_verdict {
    PRL_LOCK_UNKNOWN, // no speaker yet, too little said, or in between
    PRL_LOCK_MINE,
    PRL_LOCK_OTHER
};

// Enough was heard of the speaker to tell others from him.
bool prl_lock_knows(const struct prl_lock *lock);

// How many of the newest voiced samples to ask about now; 0: none. `pause`: the voice has just ended.
size_t prl_lock_wants(const struct prl_lock *lock, const struct prl_lock_print *print, bool pause);
// They were asked about; answered; `voice` NULL: no answer will come.
void prl_lock_asked(struct prl_lock_print *print, size_t samples);
void prl_lock_answered(const struct prl_lock *lock, struct prl_lock_print *print,
                       const float *voice);

enum prl_lock_verdict prl_lock_verdict(const struct prl_lock *lock,
                                       const struct prl_lock_print *print);
// The utterance had words and was taken for the speaker's.
void prl_lock_learn(struct prl_lock *lock, const struct prl_lock_print *print);

#endif

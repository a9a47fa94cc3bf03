// tts_fake.h -- two voice backends whose sound and failures a test decides. Their names are those of
// real ones, because the choice between engines goes by name.
#ifndef PRL_TESTS_UNIT_TTS_FAKE_H
#define PRL_TESTS_UNIT_TTS_FAKE_H

#include "tts/backend.h"

enum { TTS_FAKE_UNIT = 1200 }; // samples a unit of text: 50 ms

// What the fakes do; written by the test before the lane starts, and by atomic stores after.
struct tts_fake {
    _Atomic int open_fails; // of "hibari"
    _Atomic int step_fails; // "hibari" fails in its first step
    _Atomic int late_fails; // "hibari" fails after its first chunk
    _Atomic int steps;      // taken so far by all
    _Atomic int begins;     // requests begun by all
    _Atomic int hold;       // steps make no sound while set
    _Atomic int lessons;    // whole pieces that "kokoro" has still to learn from
};
extern struct tts_fake tts_fake;

extern const struct prl_tts_ops tts_fake_hibari;
extern const struct prl_tts_ops tts_fake_kokoro;
extern const struct prl_tts_ops tts_fake_espeak;

#endif

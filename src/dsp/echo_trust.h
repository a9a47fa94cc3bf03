// echo_trust.h -- may what echo control leaves of the microphone's sound be a person's voice?
//
// A canceller never takes all of an echo, and least in the first seconds and after it has begun anew. What
// tells a person from what is left is the share of the microphone's power that it kept, beside what the
// canceller says of itself. A pure core: one frame at a time goes in.
// Units:    frames of PRL_ECHO_FRAME_SAMPLES at 16 kHz.
// Threads:  one owner. No clock, no allocation. All zeros is the start.
// Source:   docs/decisions/056-echo-trust.md; figures in docs/TUNING.md, "Echo".
#ifndef PRL_DSP_ECHO_TRUST_H
#define PRL_DSP_ECHO_TRUST_H

#include <stdbool.h>

#include "dsp/echo.h"

#define PRL_ECHO_TRUST_NEVER 2.0F

struct prl_echo_trust {
    uint32_t learnt_samples;  // of the loudspeaker's sound
    uint32_t ring_on_samples; // that an echo may still come
    uint32_t hold_samples;    // that the canceller looks for it in the wrong place
    bool known;               // its filter takes the echo
};

// A frame of the reference, and what the canceller says behind it.
void prl_echo_trust_frame(struct prl_echo_trust *trust, const int16_t *reference,
                          const struct prl_echo_stats *stats);
// The canceller has learnt the echo, and looks for it where it is.
bool prl_echo_trust_settled(const struct prl_echo_trust *trust);
// The echo is no longer where the canceller looks for it.
void prl_echo_trust_moved(struct prl_echo_trust *trust);
// How sure a voice detector has to be (0 to 1) that it hears a person where so much was left (prl_echo_kept): 0
// where all that it hears may be one, more than 1 where nothing is.
float prl_echo_trust_demands(const struct prl_echo_trust *trust, float kept);

#endif

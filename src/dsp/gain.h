// gain.h -- turns a quiet microphone up: WebRTC's AGC2, from the module of echo.h.
//
// It measures where it hears speech by itself, begins 15 dB up, moves by 20 dB a second, keeps the noise
// that comes out below -50 dB of full scale, and a limiter stands at its end.
// Units:    16-bit mono at 16 kHz, frames of PRL_GAIN_FRAME_SAMPLES.
// Threads:  one owner.
// Memory:   about 30 KiB in create, of the C++ heap; process allocates nothing of ours.
// Errors:   NOTFOUND without the module, NOMEM, ENGINE when the library refuses.
// Bounds:   0 to PRL_GAIN_DB_MAX.
// Delay:    none.
// Source:   decisions/051-gain.md; figures in docs/TUNING.md, "Level".
#ifndef PRL_DSP_GAIN_H
#define PRL_DSP_GAIN_H

#include <stdint.h>

#include "base/err.h"

enum { PRL_GAIN_FRAME_SAMPLES = 160, PRL_GAIN_DB_MAX = 30 };

struct prl_echo_kit;
struct prl_gain;

// The kit outlives it.
enum prl_err prl_gain_create(struct prl_gain **out, const struct prl_echo_kit *kit) PRL_MUST_USE;
void prl_gain_destroy(struct prl_gain **gain);

// One frame, in place.
void prl_gain_process(struct prl_gain *gain, int16_t *pcm);

#endif

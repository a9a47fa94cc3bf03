// highpass.h -- takes rumble and direct current out of a microphone's sound.
//
// Second-order Butterworth at 80 Hz: speech of the deepest voices stays, mains hum and handling noise
// lose 8 dB at 50 Hz and 24 at 20.
// Units:    16-bit mono at 16 kHz.
// Threads:  one owner. Memory: the caller's struct; all zero is the state after reset. Errors: none.
// Source:   bilinear transform with prewarping; no delay beyond the filter's own phase.
#ifndef PRL_DSP_HIGHPASS_H
#define PRL_DSP_HIGHPASS_H

#include <stddef.h>
#include <stdint.h>

struct prl_highpass {
    float x1, x2, y1, y2;
};

void prl_highpass_reset(struct prl_highpass *filter);
// In place.
void prl_highpass_process(struct prl_highpass *filter, int16_t *pcm, size_t samples);

#endif

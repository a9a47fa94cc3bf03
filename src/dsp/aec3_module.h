// aec3_module.h -- the one door into libparley_aec3.so (WebRTC's AEC3 and AGC2 with what they need of abseil).
//
// The module is built from aec3_module.cpp and static libraries and exports prl_aec3_module only.
// Plain C types.
// Units:    16-bit mono at 16 kHz, frames of 160 samples; dB; milliseconds.
// Threads:  one owner a canceller or gain control.
// Memory:   the C++ heap, in create. Errors: 0 is success.
#ifndef PRL_DSP_AEC3_MODULE_H
#define PRL_DSP_AEC3_MODULE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PRL_AEC3_VERSION = 3, PRL_AEC3_FRAME = 160 };

struct prl_aec3_ops {
    int version; // PRL_AEC3_VERSION
    int (*create)(void **state);
    void (*destroy)(void **state);
    // What the filter alone leaves of `mic` goes to `filtered`, on the clock of what `mic` becomes.
    void (*process)(void *state, int16_t *mic, const int16_t *reference, int16_t *filtered);
    void (*stats)(const void *state, float *removed_db, int *delay_ms);
    // Gain control (dsp/gain.h).
    int (*gain_create)(void **state, float gain_max_db);
    void (*gain_destroy)(void **state);
    void (*gain_process)(void *state, int16_t *mic);
};

// The exported symbol.
const struct prl_aec3_ops *prl_aec3_module(void);

#ifdef __cplusplus
}
#endif

#endif

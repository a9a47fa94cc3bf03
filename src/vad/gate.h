// gate.h -- from speech probabilities to "voice on" and "voice off", with hysteresis.
//
// A pure core: one probability a window goes in, at most one event comes out. Voice is on when
// `min_speech_ms` of windows reached `threshold`; it is off when `silence_duration_ms` passed
// below `threshold` - 0.15. Windows between the two change nothing.
// Units:    samples at 16 kHz on the input clock (0 is the first sample after create or reset).
// Threads:  one owner. No clock, no allocation after create.
// Source:   Silero's VADIterator (two thresholds, 0.15 apart).
#ifndef PRL_VAD_GATE_H
#define PRL_VAD_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_VAD_RATE_HZ = 16000, PRL_VAD_WINDOW_SAMPLES = 512 };

struct prl_gate_conf {
    float threshold;             // 0.05..0.95
    int32_t prefix_padding_ms;   // 0..5000; sound kept before the onset
    int32_t silence_duration_ms; // 32..10000
    int32_t min_speech_ms;       // 0..1000; shorter sounds never turn the voice on
};

// threshold 0.5, prefix 300 ms, silence 500 ms, speech 64 ms.
void prl_gate_conf_default(struct prl_gate_conf *conf);
// INVALID when a value is outside its range (NaN included).
enum prl_err prl_gate_conf_check(const struct prl_gate_conf *conf) PRL_MUST_USE;

enum prl_gate_event_type { PRL_GATE_NONE, PRL_GATE_ON, PRL_GATE_OFF };

struct prl_gate_event {
    enum prl_gate_event_type type;
    int64_t sample; // ON: first sample of speech; OFF: one past the last sample of speech
    int64_t padded; // ON: `sample` less the prefix padding, not before the last OFF's `sample`
                    // nor before 0; OFF: the same as `sample`
    int64_t now;    // end of the window that decided, i.e. samples received so far
};

struct prl_gate;

// `conf` must pass prl_gate_conf_check (PRL_CHECK).
enum prl_err prl_gate_create(struct prl_gate **out, const struct prl_gate_conf *conf) PRL_MUST_USE;
void prl_gate_destroy(struct prl_gate **gate);

// Takes effect with the next window; an open voice stays open.
void prl_gate_configure(struct prl_gate *gate, const struct prl_gate_conf *conf);
// Back to quiet; the next window starts at `sample`.
void prl_gate_reset(struct prl_gate *gate, int64_t sample);

// One window of PRL_VAD_WINDOW_SAMPLES with its probability (clamped to 0..1, NaN counts as 0).
struct prl_gate_event prl_gate_window(struct prl_gate *gate, float probability);

// Between ON and OFF.
bool prl_gate_is_on(const struct prl_gate *gate);
// One past the last sample of speech known so far; meaningful while on. now - end is the running
// silence, for decisions that come before OFF (speculation, 100 ms into a pause).
int64_t prl_gate_speech_end(const struct prl_gate *gate);
// Samples of windows that reached the threshold since ON (voiced sound, pauses not counted).
int64_t prl_gate_voiced(const struct prl_gate *gate);
int64_t prl_gate_now(const struct prl_gate *gate);

#endif

// jitter_trace.h -- a seeded network for the jitter buffer: a speaker, a path that loses, delays and
// reorders, a listener who takes a frame each 20 ms, and figures of what he got. Virtual time.
#ifndef PRL_TESTS_JITTER_TRACE_H
#define PRL_TESTS_JITTER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/jitter.h"

struct trace_path {
    uint32_t seed;
    int64_t seconds;
    double loss;                 // 0..1, each packet by itself
    int64_t burst_every;         // packets between bursts of loss, 0: none
    int64_t burst_length;        // packets lost in each
    int64_t jitter_us;           // uniform 0..jitter on top of 40 ms; packets overtake each other
    double duplicate;            // 0..1
    double drift_ppm;            // the speaker's clock runs faster
    int64_t step_at_us, step_us; // the path becomes longer (or shorter) for good
    int64_t blackout_at_us, blackout_us; // nothing arrives meanwhile
    bool blackout_keeps;                 // and what was sent then arrives at its end, not never
    bool dtx;                            // silence is not sent but for one packet each 400 ms
    int packet_ms;                       // 20 when 0
};

struct trace_figures {
    struct prl_jitter_stats stats;
    int64_t frames;
    int64_t doubled;       // second frames in one tick
    int64_t delay_us_mean; // arrival of a decoded sample to its frame
    int64_t delay_us_p95;
    int64_t delay_us_end;  // mean of the last 2 s
    int64_t waited_us_max; // longest that a decoded sample was kept
    size_t packets_max;    // that waited at a time
    double concealed;      // shares of all samples
    double recovered;
    double played; // packets of speech that were sent and came out, in any form but made up
};

// Runs a whole talk. False: out of memory.
bool trace_run(const struct trace_path *path, struct trace_figures *figures);
// The payload that the trace's codec understands; `at` in samples at 16 kHz.
size_t trace_payload(uint8_t *out, uint32_t at, int ms, bool silent, bool protects);
// Its functions.
extern const struct prl_jitter_codec trace_codec;
// The speaker's sound: syllables of 300 ms, 200 ms apart, pitch 120 samples.
int16_t trace_sample(int64_t at);
bool trace_speaks(int64_t at);

#endif

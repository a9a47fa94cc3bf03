// chirp.h -- a short rising tone that marks the first sample of scripted answers, and its finder.
//
// A load client measures from the sound itself: the finder says where quiet ended, and whether the
// chirp stands there, which tells an answer's beginning from noise, from a click and from its middle.
// Units:    samples at the rate given, 8,000..48,000 Hz; 16-bit PCM.
// Threads:  one owner an object; writing is pure.
// Memory:   the finder is a plain value of about 11 KiB; nothing is allocated.
// Errors:   none.
// Source:   matched filter, normalised: the share of the sound's energy that the chirp explains.
//           Only the 40 ms around an onset are correlated, so that hundreds of finders share a core.
#ifndef PRL_MEDIA_CHIRP_H
#define PRL_MEDIA_CHIRP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PRL_CHIRP_MS = 20,
    PRL_CHIRP_RATE_MAX = 48000,
    PRL_CHIRP_SAMPLES_MAX = PRL_CHIRP_RATE_MAX / 1000 * PRL_CHIRP_MS,
    PRL_CHIRP_WINDOW_MAX = 2 * PRL_CHIRP_SAMPLES_MAX,
    PRL_CHIRP_QUIET_MS = 60, // an onset is sound after at least so much quiet
    PRL_CHIRP_LOUD = 700,    // amplitude from which a sample counts as audible: -33 dB
};

// Writes PRL_CHIRP_MS of chirp and returns how many samples that is.
size_t prl_chirp_write(int16_t out[PRL_CHIRP_SAMPLES_MAX], uint32_t rate_hz);

struct prl_chirp_onset {
    uint64_t sample; // first audible one, counted from the finder's first sample
    bool marked;     // the chirp begins there; `sample` is then its own first sample
    double match;    // 0..1
};

struct prl_chirp_finder {
    // Set once.
    uint32_t rate_hz;
    size_t chirp_samples;
    double chirp_energy;
    int16_t chirp[PRL_CHIRP_SAMPLES_MAX];
    // State.
    uint64_t samples;  // seen
    uint64_t quiet;    // samples of quiet in a row
    bool gathering;    // an onset was seen, and what follows it is gathered
    size_t lead;       // samples of the window before the onset
    size_t filled;     // of the window
    uint64_t onset_at; // first audible sample
    int16_t window[PRL_CHIRP_WINDOW_MAX];
};

void prl_chirp_finder_init(struct prl_chirp_finder *finder, uint32_t rate_hz);
// Takes all `n` samples. True when an onset was decided on meanwhile, which is PRL_CHIRP_MS * 3/2
// behind its first sample; one call decides on one at most, so give it at most 60 ms at a time.
bool prl_chirp_find(struct prl_chirp_finder *finder, const int16_t *pcm, size_t n,
                    struct prl_chirp_onset *onset);
// Sound was left out here: what follows counts as coming after quiet.
void prl_chirp_gap(struct prl_chirp_finder *finder);

#endif

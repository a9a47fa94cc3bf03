// stretch.h -- makes a stretch of speech a little shorter or longer without changing its pitch.
//
// One pitch period is taken out or put in by overlap-add where two neighbouring periods look alike;
// in silence any length will do.
// Units:    samples at 16 kHz. Adds no delay of its own; wants PRL_STRETCH_SAMPLES to look at.
// Threads:  any, no state. Memory: none.
// Errors:   no period that repeats well enough: the count stays as it was.
// Source:   overlap-add at the period of highest normalised correlation (WSOLA, Verhelst 1993).
#ifndef PRL_MEDIA_STRETCH_H
#define PRL_MEDIA_STRETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PRL_STRETCH_PERIOD_MIN = 40,  // 400 Hz
    PRL_STRETCH_PERIOD_MAX = 240, // 67 Hz
    PRL_STRETCH_SAMPLES = 480     // needed to look for a period
};

// Mean square of samples, in dB below full scale (0 dB: a square wave at full level); -100 at least.
int prl_stretch_level_db(const int16_t *pcm, size_t count);
// The lag at which the last samples repeat best, and in *match how well (0..1).
size_t prl_stretch_period(const int16_t *pcm, size_t count, float *match);

// Takes one period out of pcm[0..count), count at least PRL_STRETCH_SAMPLES. Returns the new count.
size_t prl_stretch_shorter(int16_t *pcm, size_t count, float match_min);
// Puts one in; `pcm` has room for PRL_STRETCH_PERIOD_MAX more.
size_t prl_stretch_longer(int16_t *pcm, size_t count, float match_min);
// Takes out `less` samples (less < count / 2) wherever; the cut is blended over up to 5 ms.
size_t prl_stretch_cut(int16_t *pcm, size_t count, size_t less);

#endif

// resample.h -- one channel of 16-bit sound from one rate to another.
//
// Units:    samples. Adds prl_resample_delay samples (output rate) of delay.
// Threads:  one owner. Memory: all in create; process never allocates while the library keeps its
//           promise (equal rates are a copy).
// Errors:   INVALID rates in create. Source: speexdsp's windowed-sinc resampler.
#ifndef PRL_MEDIA_RESAMPLE_H
#define PRL_MEDIA_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_RESAMPLE_QUALITY = 4 }; // 0..10; 4 is what voice calls use

struct prl_resample;

// Rates 1000..384000.
enum prl_err prl_resample_create(struct prl_resample **out, uint32_t in_hz,
                                 uint32_t out_hz) PRL_MUST_USE;
void prl_resample_destroy(struct prl_resample **resample);

// Most samples that `in_count` can turn into in one call.
size_t prl_resample_room(const struct prl_resample *resample, size_t in_count);
// Takes all of `in` when `out` has room(in_count) samples; returns how many were written. With
// less room it stops early and *taken (may be NULL) says how many of `in` were used.
size_t prl_resample_process(struct prl_resample *resample, const int16_t *in, size_t in_count,
                            size_t *taken, int16_t *out, size_t out_size);
// At the end of a recording: what still is in the filter (up to 2 * delay samples).
size_t prl_resample_drain(struct prl_resample *resample, int16_t *out, size_t out_size);
// Forgets the past: the next output equals that of a new object.
void prl_resample_reset(struct prl_resample *resample);
uint32_t prl_resample_delay(const struct prl_resample *resample);

#endif

// flux.h -- how fast the colour of a sound changes: in a flash where a consonant begins or ends, slowly
// in a hum.
//
// Every 10 ms the spectrum of 25 ms is reduced to eight bands. What is measured is how much they move
// against each other from one window to the next, which neither the level nor a filter in the line
// changes; the mean of the three largest moves counts. Windows 30 dB below the loudest count for
// nothing, and what lies 30 dB below it in a band is no more than silence.
// Units:    16-bit samples at 16 kHz; dB in 10 ms.
// Threads:  one owner (it holds scratch memory).
// Memory:   three blocks, made in create, of about 20 KiB in all; nothing is allocated later.
// Errors:   NOMEM in create; nothing can fail later. Costs 4 us for 10 ms of sound (0.28 ms for 800 ms).
// Source:   measured on hums and speech, docs/TUNING.md, "Interruptions".
#ifndef PRL_DSP_FLUX_H
#define PRL_DSP_FLUX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_FLUX_SAMPLES_MAX = 16000 };

struct prl_flux;

enum prl_err prl_flux_create(struct prl_flux **out) PRL_MUST_USE;
void prl_flux_destroy(struct prl_flux **flux);

// Of `n` samples, of which the first PRL_FLUX_SAMPLES_MAX are heard; 0 when there are too few.
float prl_flux_measure(struct prl_flux *flux, const int16_t *pcm, size_t n);

#endif

// reference.h -- what the loudspeaker plays at which time, for the echo control.
//
// Sound of answers is put in with the time at which it begins to sound; the echo control takes out the
// 10 ms that sounded while 10 ms of the microphone were recorded. What was never put in is silence.
// Units:    16-bit mono at 16 kHz; microseconds, monotonic.
// Threads:  one owner.
// Memory:   48 KiB in create: 1.5 s, which is more than any sound is sent ahead and any microphone's
//           sound may wait. Sound further ahead than half of that is cut, older sound is silence.
// Errors:   NOMEM in create. Time that goes backwards overwrites.
#ifndef PRL_DSP_REFERENCE_H
#define PRL_DSP_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_REFERENCE_HZ = 16000 };

struct prl_reference;

enum prl_err prl_reference_create(struct prl_reference **out) PRL_MUST_USE;
void prl_reference_destroy(struct prl_reference **reference);

// Sound that begins at at_us. Within 2 ms of where the last put ended it is taken as its continuation,
// so that a time that was rounded makes neither gap nor overlap.
void prl_reference_put(struct prl_reference *reference, const int16_t *pcm, size_t samples,
                       int64_t at_us);
// The player was emptied: nothing sounds from at_us on.
void prl_reference_clear(struct prl_reference *reference, int64_t at_us);
// What sounds from at_us on.
void prl_reference_take(const struct prl_reference *reference, int16_t *pcm, size_t samples,
                        int64_t at_us);

#endif

// sound_card.h -- microphone and loudspeaker through PortAudio, loaded only when asked for.
//
// Units:    16-bit mono at the rate given, usually 24 kHz.
// Threads:  PortAudio's callback touches the two rings and nothing else.
// Errors:   a sentence in `why`: no library, no device, a rate the device refuses.
#ifndef PRL_CLIENT_SOUND_CARD_H
#define PRL_CLIENT_SOUND_CARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_ring;
struct prl_sound_card;

// The rings are borrowed until destroy: the callback writes what it hears to `microphone` (dropping
// it when full) and plays what is in `speaker` (silence when empty).
enum prl_err prl_sound_card_create(struct prl_sound_card **out, uint32_t rate_hz,
                                   struct prl_ring *microphone, struct prl_ring *speaker, char *why,
                                   size_t why_size) PRL_MUST_USE;
void prl_sound_card_destroy(struct prl_sound_card **card);

#endif

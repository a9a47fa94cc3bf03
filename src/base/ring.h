// ring.h -- bounded single-producer single-consumer ring of PCM samples.
//
// Carries 16-bit mono audio between a sound card's callback and a loop thread, without locks.
// Units:    samples (never bytes, never milliseconds).
// Threads:  exactly one thread writes and one thread reads; which two is the owner's business.
// Memory:   one allocation in create; write and read never allocate, block or log.
// Errors:   a full ring refuses the whole write (PRL_ERR_FULL); the caller decides what to drop.
// Source:   Lamport 1983 bounded buffer, with C11 acquire/release in place of fences.
#ifndef PRL_BASE_RING_H
#define PRL_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_ring;

// Creates a ring that holds `capacity_samples`, a power of two in 64..2^24. The caller owns *out
// and releases it with prl_ring_destroy. On failure *out is NULL.
enum prl_err prl_ring_create(struct prl_ring **out, size_t capacity_samples) PRL_MUST_USE;

// Frees the ring and sets *ring to NULL. NULL is fine. Neither side may be inside a call.
void prl_ring_destroy(struct prl_ring **ring);

// Producer: copies all `n` samples in, or none and returns PRL_ERR_FULL.
enum prl_err prl_ring_write(struct prl_ring *ring, const int16_t *pcm, size_t n) PRL_MUST_USE;

// Consumer: copies out up to `max` samples; returns how many (0 when empty).
size_t prl_ring_read(struct prl_ring *ring, int16_t *pcm, size_t max);

// Either side: samples waiting. Stale by the time you look; use it for metrics and pacing only.
size_t prl_ring_len(const struct prl_ring *ring);

#endif

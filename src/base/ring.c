// ring.c -- see ring.h. Head and tail only ever grow; their difference is the fill level, so
// "full" and "empty" cannot be confused and no slot is wasted.
#include "base/ring.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { CAPACITY_MIN = 64, CAPACITY_MAX = 1 << 24, CACHE_LINE = 64 };

struct prl_ring {
    // Written by the producer, read by both.
    _Alignas(CACHE_LINE) atomic_size_t head;
    // Written by the consumer, read by both.
    _Alignas(CACHE_LINE) atomic_size_t tail;
    // Set once in create.
    _Alignas(CACHE_LINE) size_t mask;
    int16_t pcm[];
};

enum prl_err prl_ring_create(struct prl_ring **out, size_t capacity_samples)
{
    PRL_CHECK(out != NULL);
    PRL_CHECK(capacity_samples >= CAPACITY_MIN && capacity_samples <= CAPACITY_MAX);
    PRL_CHECK((capacity_samples & (capacity_samples - 1)) == 0);

    size_t size = sizeof(struct prl_ring) + capacity_samples * sizeof(int16_t);
    size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct prl_ring *ring = prl_mem_alloc_aligned(CACHE_LINE, size);
    *out = ring;
    if (!ring)
        return PRL_ERR_NOMEM;
    memset(ring, 0, size);
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->mask = capacity_samples - 1;
    return PRL_OK;
}

void prl_ring_destroy(struct prl_ring **ring)
{
    PRL_CHECK(ring != NULL);
    prl_mem_free(*ring);
    *ring = NULL;
}

enum prl_err prl_ring_write(struct prl_ring *ring, const int16_t *pcm, size_t n)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t capacity = ring->mask + 1;
    PRL_DCHECK(head - tail <= capacity);
    if (n > capacity - (head - tail))
        return PRL_ERR_FULL;

    size_t at = head & ring->mask;
    size_t first = n < capacity - at ? n : capacity - at;
    memcpy(&ring->pcm[at], pcm, first * sizeof(*pcm));
    memcpy(&ring->pcm[0], pcm + first, (n - first) * sizeof(*pcm));
    atomic_store_explicit(&ring->head, head + n, memory_order_release);
    return PRL_OK;
}

size_t prl_ring_read(struct prl_ring *ring, int16_t *pcm, size_t max)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    size_t n = head - tail < max ? head - tail : max;
    size_t at = tail & ring->mask;
    size_t capacity = ring->mask + 1;
    size_t first = n < capacity - at ? n : capacity - at;
    memcpy(pcm, &ring->pcm[at], first * sizeof(*pcm));
    memcpy(pcm + first, &ring->pcm[0], (n - first) * sizeof(*pcm));
    atomic_store_explicit(&ring->tail, tail + n, memory_order_release);
    return n;
}

size_t prl_ring_len(const struct prl_ring *ring)
{
    // Tail first: head can only have grown since, so the difference never underflows.
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    size_t len = head - tail;
    return len > ring->mask + 1 ? ring->mask + 1 : len;
}

// test_ring.c -- the lock-free ring: order, refusal when full, two threads.
#include <pthread.h>

#include "base/ring.h"
#include "tests/unit.h"

PRL_TEST(ring_refuses_what_does_not_fit)
{
    struct prl_ring *ring;
    int16_t in[64];
    int16_t out[64];
    for (int16_t i = 0; i < 64; i++)
        in[i] = i;
    REQUIRE(prl_ring_create(&ring, 64) == PRL_OK);
    EXPECT_OK(prl_ring_write(ring, in, 40));
    EXPECT_INT(prl_ring_write(ring, in, 25), PRL_ERR_FULL);
    EXPECT_INT(prl_ring_len(ring), 40);
    EXPECT_INT(prl_ring_read(ring, out, 30), 30);
    EXPECT_OK(prl_ring_write(ring, in, 54)); // wraps
    EXPECT_INT(prl_ring_read(ring, out, 64), 64);
    EXPECT_INT(out[9], 39);
    EXPECT_INT(out[10], 0);
    EXPECT_INT(out[63], 53);
    EXPECT_INT(prl_ring_read(ring, out, 64), 0);
    prl_ring_destroy(&ring);
    EXPECT(ring == NULL);
}

enum { TOTAL = 300000 };

static void *write_all(void *arg)
{
    int16_t next = 0;
    for (int i = 0; i < TOTAL;) {
        int16_t piece[7];
        for (int k = 0; k < 7; k++)
            piece[k] = (int16_t)(next + k);
        if (prl_ring_write(arg, piece, 7) == PRL_OK) {
            next = (int16_t)(next + 7);
            i += 7;
        }
    }
    return NULL;
}

PRL_TEST(ring_keeps_order_between_threads)
{
    struct prl_ring *ring;
    REQUIRE(prl_ring_create(&ring, 128) == PRL_OK);
    pthread_t writer;
    REQUIRE(pthread_create(&writer, NULL, write_all, ring) == 0);
    int16_t expected = 0;
    int bad = 0;
    for (int i = 0; i < TOTAL;) {
        int16_t out[32];
        size_t n = prl_ring_read(ring, out, 32);
        for (size_t k = 0; k < n; k++, expected = (int16_t)(expected + 1))
            bad += out[k] != expected;
        i += (int)n;
    }
    pthread_join(writer, NULL);
    EXPECT_INT(bad, 0);
    prl_ring_destroy(&ring);
}

PRL_TEST_OOM(ring_create)
{
    struct prl_ring *ring;
    enum prl_err err = prl_ring_create(&ring, 64);
    EXPECT((err == PRL_OK) == (ring != NULL));
    prl_ring_destroy(&ring);
}

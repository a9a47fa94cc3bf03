// test_reference.c -- what is put in at a time comes out at that time, and nothing else does.
#include <string.h>

#include "base/mem.h"
#include "dsp/reference.h"
#include "tests/unit.h"

enum { FRAME = 160, FRAMES_2 = 320, FRAMES_3 = 480, FRAMES_4 = 640 };
static const int64_t FRAME_US = 10000;

static void fill(int16_t *pcm, size_t count, int16_t first)
{
    for (size_t i = 0; i < count; i++)
        pcm[i] = (int16_t)(first + (int16_t)i);
}

PRL_TEST(reference_gives_back_at_its_time)
{
    struct prl_reference *reference;
    REQUIRE(prl_reference_create(&reference) == PRL_OK);
    int16_t in[FRAMES_2];
    int16_t out[FRAMES_2];
    const int64_t at_us = 987654321000;
    fill(in, FRAMES_2, 1);
    prl_reference_put(reference, in, FRAMES_2, at_us);
    prl_reference_take(reference, out, FRAMES_2, at_us);
    EXPECT(memcmp(in, out, sizeof(in)) == 0);
    prl_reference_take(reference, out, FRAME, at_us + FRAME_US);
    EXPECT_INT(out[0], 1 + FRAME);
    prl_reference_take(reference, out, FRAME, at_us - FRAME_US / 2);
    EXPECT_INT(out[FRAME / 2 - 1], 0);
    EXPECT_INT(out[FRAME / 2], 1);
    prl_reference_take(reference, out, FRAME, at_us + 2 * FRAME_US);
    EXPECT_INT(out[0], 0);
    prl_reference_destroy(&reference);
    EXPECT(reference == NULL);
}

PRL_TEST(reference_joins_what_a_clock_tore)
{
    struct prl_reference *reference;
    REQUIRE(prl_reference_create(&reference) == PRL_OK);
    int16_t in[FRAME];
    int16_t out[FRAMES_3];
    const int64_t at_us = 5000000;
    fill(in, FRAME, 1);
    prl_reference_put(reference, in, FRAME, at_us);
    fill(in, FRAME, 1 + FRAME);
    prl_reference_put(reference, in, FRAME, at_us + FRAME_US + 1500); // 1.5 ms late
    fill(in, FRAME, 1 + FRAMES_2);
    prl_reference_put(reference, in, FRAME, at_us + 2 * FRAME_US - 1500); // and early
    prl_reference_take(reference, out, FRAMES_3, at_us);
    for (int i = 0; i < FRAMES_3; i++)
        EXPECT_INT(out[i], 1 + i);
    // A real pause stays one.
    prl_reference_put(reference, in, FRAME, at_us + 13 * FRAME_US);
    prl_reference_take(reference, out, FRAME, at_us + 8 * FRAME_US);
    for (int i = 0; i < FRAME; i++)
        EXPECT_INT(out[i], 0);
    prl_reference_take(reference, out, FRAME, at_us + 13 * FRAME_US);
    EXPECT(memcmp(in, out, sizeof(in)) == 0);
    prl_reference_destroy(&reference);
}

PRL_TEST(reference_is_silent_after_a_clear)
{
    struct prl_reference *reference;
    REQUIRE(prl_reference_create(&reference) == PRL_OK);
    int16_t in[FRAMES_4];
    int16_t out[FRAMES_4];
    fill(in, FRAMES_4, 1);
    prl_reference_put(reference, in, FRAMES_4, 1000000);
    prl_reference_clear(reference, 1000000 + FRAME_US);
    prl_reference_take(reference, out, FRAMES_4, 1000000);
    EXPECT(memcmp(in, out, FRAME * sizeof(*in)) == 0);
    for (int i = FRAME; i < FRAMES_4; i++)
        EXPECT_INT(out[i], 0);
    // What comes later does not uncover what was cleared.
    prl_reference_put(reference, in, FRAME, 1000000 + 5 * FRAME_US);
    prl_reference_take(reference, out, FRAME, 1000000 + 2 * FRAME_US);
    for (int i = 0; i < FRAME; i++)
        EXPECT_INT(out[i], 0);
    prl_reference_clear(reference, 0);
    prl_reference_take(reference, out, FRAME, 1000000 + 5 * FRAME_US);
    EXPECT_INT(out[FRAME - 1], 0);
    prl_reference_destroy(&reference);
}

PRL_TEST(reference_forgets_and_survives_odd_times)
{
    struct prl_reference *reference;
    REQUIRE(prl_reference_create(&reference) == PRL_OK);
    enum { LONG = 40000 };
    int16_t *in = prl_mem_array(LONG, sizeof(*in));
    int16_t out[FRAME];
    REQUIRE(in != NULL);
    for (int i = 0; i < LONG; i++)
        in[i] = 1;
    prl_reference_put(reference, in, FRAME, 1000000);
    prl_reference_put(reference, in, FRAME, 4000000); // 3 s later: the old sound is gone
    prl_reference_take(reference, out, FRAME, 1000000);
    EXPECT_INT(out[0], 0);
    prl_reference_put(reference, in, LONG, 4000000 + FRAME_US); // more than the ring: cut
    prl_reference_take(reference, out, FRAME, 4000000 + FRAME_US);
    EXPECT_INT(out[0], 1);
    prl_reference_put(reference, in, FRAME, 1000000); // far in the past: ignored
    prl_reference_put(reference, in, FRAME, -5000000);
    prl_reference_take(reference, out, FRAME, -5000000);
    EXPECT_INT(out[0], 0);
    prl_reference_put(reference, in, 0, 5000000);
    for (int i = 0; i < 2000; i++) { // any order of calls
        int64_t at_us = 4000000 + (int64_t)(prl_test_random() % 4000000) - 2000000;
        if (prl_test_random() % 3)
            prl_reference_put(reference, in, prl_test_random() % LONG, at_us);
        else
            prl_reference_clear(reference, at_us);
        prl_reference_take(reference, out, FRAME, at_us);
        for (int k = 0; k < FRAME; k++)
            EXPECT(out[k] == 0 || out[k] == 1);
    }
    prl_mem_free(in);
    prl_reference_destroy(&reference);
}

PRL_TEST_OOM(reference_without_memory)
{
    struct prl_reference *reference;
    enum prl_err err = prl_reference_create(&reference);
    EXPECT((err == PRL_OK) == (reference != NULL));
    prl_reference_destroy(&reference);
}

// test_mic_time.c -- bursts, slow starts, steps, pauses and senders that begin anew.
#include "dsp/mic_time.h"

#include "tests/unit.h"

static const int64_t STEP_US = 20000, FRAME_US = 20000;
static const struct prl_mic_time_steps STEPS = {.earlier_us = 20000, .later_us = 20000};

// A second of frames from media time 0 on, each under way for 30 ms and what `extra` has for it.
static int64_t talk(struct prl_mic_time *time, int64_t from_us, int frames, const int64_t *extra_us,
                    int extras)
{
    for (int i = 0; i < frames; i++) {
        from_us += FRAME_US;
        (void)prl_mic_time_arrived(time, from_us, 500000 + from_us + 30000 + extra_us[i % extras],
                                   &STEPS);
    }
    return from_us;
}

PRL_TEST(mic_time_takes_the_earliest)
{
    static const int64_t jitter_us[] = {60000, 40000, 20000, 0, 90000};
    struct prl_mic_time time = {0};
    (void)talk(&time, 0, 100, jitter_us, 5);
    EXPECT(time.base_us >= 530000 && time.base_us <= 530000 + STEP_US);
    EXPECT_INT(prl_mic_time_of(&time, 1000000), 1000000 + time.base_us);
}

PRL_TEST(mic_time_says_when_it_jumps)
{
    static const int64_t none_us[] = {0};
    struct prl_mic_time time = {0};
    EXPECT(!prl_mic_time_arrived(&time, 0, 100000, &STEPS)); // nothing was known before
    EXPECT(!prl_mic_time_arrived(&time, 20000, 105000, &STEPS));
    EXPECT_INT(time.base_us, 100000); // earlier, but not by a step
    EXPECT(prl_mic_time_arrived(&time, 40000, 115000, &STEPS));
    EXPECT_INT(time.base_us, 75000);
    // A way that became longer counts when the shorter one is forgotten.
    time = (struct prl_mic_time){0};
    int64_t at_us = talk(&time, 0, 100, none_us, 1);
    static const int64_t longer_us[] = {70000};
    at_us = talk(&time, at_us, 40, longer_us, 1);
    EXPECT_INT(time.base_us, 530000);
    (void)talk(&time, at_us, 110, longer_us, 1);
    EXPECT_INT(time.base_us, 600000);
}

PRL_TEST(mic_time_steps_are_two)
{
    static const struct prl_mic_time_steps steps = {.earlier_us = 10000, .later_us = 150000};
    struct prl_mic_time time = {0};
    EXPECT(!prl_mic_time_arrived(&time, 0, 100000, &steps));
    EXPECT(!prl_mic_time_arrived(&time, 20000, 110000, &steps));
    EXPECT(prl_mic_time_arrived(&time, 40000, 129000, &steps));
    EXPECT_INT(time.base_us, 89000);
    for (int64_t at_us = 60000; at_us < 6000000; at_us += FRAME_US)
        EXPECT(!prl_mic_time_arrived(&time, at_us, at_us + 230000, &steps));
    EXPECT_INT(time.base_us, 89000);
}

PRL_TEST(mic_time_forgets)
{
    static const int64_t none_us[] = {0};
    struct prl_mic_time time = {0};
    (void)talk(&time, 0, 100, none_us, 1);
    // A pause that the sender's clock did not count.
    EXPECT(prl_mic_time_arrived(&time, 2020000, 500000 + 5000000, &STEPS));
    EXPECT_INT(time.base_us, 3480000);
    prl_mic_time_forget(&time);
    EXPECT(!prl_mic_time_arrived(&time, INT64_C(-900000000), 6000000, &STEPS));
    EXPECT_INT(prl_mic_time_of(&time, INT64_C(-900000000)), 6000000);
}

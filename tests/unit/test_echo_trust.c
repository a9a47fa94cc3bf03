// test_echo_trust.c -- what a canceller leaves of an echo is no voice, at first less than later, and what it
// leaves of a person is one.
#include "dsp/echo_trust.h"
#include "tests/unit.h"

static struct prl_echo_trust trust;

// So many ms with the loudspeaker at this level, and a filter that takes so much.
static void frames(int ms, int level, float removed_db, int delay_ms)
{
    int16_t reference[PRL_ECHO_FRAME_SAMPLES] = {0};
    struct prl_echo_stats stats = {.removed_db = removed_db, .delay_ms = delay_ms};
    reference[70] = (int16_t)-level;
    for (int i = 0; i < ms; i += 10)
        prl_echo_trust_frame(&trust, reference, &stats);
}

static void sound(int ms, float removed_db)
{
    frames(ms, 1000, removed_db, 200);
}

static void learn(float removed_db)
{
    trust = (struct prl_echo_trust){0};
    sound(12000, removed_db);
}

// With this share of the power left, by a detector that is as sure as of a person.
static bool heard(float kept)
{
    return prl_echo_trust_demands(&trust, kept) <= 0.0F;
}

PRL_TEST(echo_trust_lets_all_pass_while_nothing_sounds)
{
    trust = (struct prl_echo_trust){0};
    EXPECT(heard(0.0F));
    frames(5000, 64, 0.0F, 200); // too quiet for an echo
    EXPECT(heard(0.0F));
}

PRL_TEST(echo_trust_learns_first)
{
    trust = (struct prl_echo_trust){0};
    sound(3490, 12.0F);
    EXPECT(!heard(1.0F));
    frames(790, 0, 12.0F, 200); // the echo may still come
    EXPECT(!heard(1.0F));
    frames(10, 0, 12.0F, 200);
    EXPECT(heard(0.0F));
    sound(10, 12.0F);
    EXPECT(heard(1.0F));
}

PRL_TEST(echo_trust_asks_for_more_at_first)
{
    trust = (struct prl_echo_trust){0};
    sound(4000, 6.9F);
    EXPECT(!heard(0.69F));
    EXPECT(!prl_echo_trust_settled(&trust));
    EXPECT(heard(0.71F));
    sound(10, 7.1F); // now it knows the echo
    EXPECT(heard(0.41F));
    EXPECT(!heard(0.39F));
    sound(10, 3.1F); // a person over it
    EXPECT(heard(0.41F));
    sound(7960, 9.0F);
    EXPECT(!heard(0.39F));
    sound(20, 9.0F);
    EXPECT(heard(0.16F));
    EXPECT(!heard(0.14F));
    EXPECT(prl_echo_trust_settled(&trust));
    // A detector that is sure is believed, but not before.
    EXPECT(prl_echo_trust_demands(&trust, 0.0F) > 0.8F);
    EXPECT(prl_echo_trust_demands(&trust, 0.0F) < 0.9F);
    prl_echo_trust_moved(&trust);
    EXPECT(!prl_echo_trust_settled(&trust));
    sound(800, 9.0F);
    EXPECT(prl_echo_trust_demands(&trust, 0.0F) > 1.0F);
    EXPECT(!prl_echo_trust_settled(&trust));
}

// A loudspeaker that no filter can follow, or none at all: after a while whoever speaks is heard.
PRL_TEST(echo_trust_does_not_wait_for_ever)
{
    learn(1.0F);
    EXPECT(heard(0.16F));
    sound(60000, 1.0F);
    EXPECT(heard(0.16F));
}

PRL_TEST(echo_trust_is_careful_when_the_filter_is_thrown_away)
{
    learn(12.0F);
    EXPECT(heard(0.5F));
    sound(10, 0.2F);
    EXPECT(!heard(0.5F));
    sound(2000, 8.0F);
    EXPECT(!heard(0.39F));
    EXPECT(heard(0.5F));
    sound(6500, 8.0F); // 12 s in all, as at first
    EXPECT(heard(0.16F));
}

PRL_TEST(echo_trust_holds_after_a_jump)
{
    learn(12.0F);
    prl_echo_trust_moved(&trust);
    EXPECT(!heard(1.0F));
    sound(790, 12.0F);
    EXPECT(!heard(1.0F));
    sound(10, 12.0F);
    EXPECT(heard(0.41F));
    EXPECT(!heard(0.39F));
    // Before anything was learnt it takes no more away.
    trust = (struct prl_echo_trust){0};
    sound(1000, 0.0F);
    prl_echo_trust_moved(&trust);
    sound(2510, 0.0F);
    EXPECT(heard(1.0F));
}

// speexdsp says nothing of itself: what its filter takes is no reason to doubt.
PRL_TEST(echo_trust_of_a_canceller_that_says_nothing)
{
    trust = (struct prl_echo_trust){0};
    frames(4000, 1000, 0.0F, -1);
    EXPECT(heard(0.41F));
    EXPECT(!heard(0.39F));
    frames(8000, 1000, 0.0F, -1);
    EXPECT(heard(0.16F));
}

// test_lock.c -- the speaker lock's rules with voiceprints made by hand: axis 0 is the speaker's, axis 1
// another's.
#include <math.h>
#include <string.h>

#include "tests/unit.h"
#include "vad/lock.h"

enum { HZ = PRL_SPEAKER_RATE_HZ };

// A voiceprint with this likeness to axis 0.
static const float *print_of(double likeness)
{
    static float voice[PRL_SPEAKER_VALUES];
    memset(voice, 0, sizeof(voice));
    voice[0] = (float)likeness;
    voice[1] = (float)sqrt(1.0 - likeness * likeness);
    return voice;
}

// So much more voice, asked about if the lock wants to, and answered. Returns what it asked about.
static size_t say(struct prl_lock *lock, struct prl_lock_print *print, uint64_t ms, bool pause,
                  double likeness)
{
    print->voiced += ms * HZ / 1000;
    size_t samples = prl_lock_wants(lock, print, pause);
    if (samples == 0)
        return 0;
    prl_lock_asked(print, samples);
    EXPECT(prl_lock_wants(lock, print, true) == 0); // one at a time
    prl_lock_answered(lock, print, print_of(likeness));
    return samples;
}

static void enrol(struct prl_lock *lock)
{
    struct prl_lock_print print = {.count = 0};
    for (int i = 0; i < 4; i++)
        EXPECT(say(lock, &print, 1500, false, 1.0) > 0);
    EXPECT(prl_lock_verdict(lock, &print) == PRL_LOCK_UNKNOWN);
    EXPECT(!prl_lock_knows(lock));
    prl_lock_learn(lock, &print);
    EXPECT(prl_lock_knows(lock));
}

PRL_TEST(lock_knows_nobody_at_first)
{
    struct prl_lock lock = {.samples = 0};
    struct prl_lock_print print = {.count = 0};
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN);
    EXPECT(prl_lock_wants(&lock, &print, false) == 0);
    EXPECT(say(&lock, &print, 1499, false, 0.0) == 0);
    EXPECT(say(&lock, &print, 1, false, 0.0) == 3 * HZ / 2);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN);
    prl_lock_learn(&lock, &print);
    EXPECT(!prl_lock_knows(&lock)); // 1.5 s are too little
    print = (struct prl_lock_print){.count = 0};
    EXPECT(say(&lock, &print, 2600, false, 0.0) == 2L * HZ);
    prl_lock_learn(&lock, &print);
    EXPECT(prl_lock_knows(&lock));
}

PRL_TEST(lock_tells_another_voice)
{
    struct prl_lock lock = {.samples = 0};
    enrol(&lock);
    struct prl_lock_print print = {.count = 0};
    EXPECT(say(&lock, &print, 1500, false, 0.1) > 0);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_OTHER);
    // In between the two nobody is refused, and near the speaker nobody is asked about any more.
    print = (struct prl_lock_print){.count = 0};
    EXPECT(say(&lock, &print, 1500, false, 0.3) > 0);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN);
    print = (struct prl_lock_print){.count = 0};
    EXPECT(say(&lock, &print, 1500, false, 0.5) > 0);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_MINE);
}

PRL_TEST(lock_lets_a_short_utterance_pass)
{
    struct prl_lock lock = {.samples = 0};
    enrol(&lock);
    struct prl_lock_print print = {.count = 0};
    EXPECT(say(&lock, &print, 999, true, -0.2) == 0);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN);
    EXPECT(say(&lock, &print, 1, true, 0.15) == HZ);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN);
    print = (struct prl_lock_print){.count = 0};
    EXPECT(say(&lock, &print, 1000, true, -0.1) == HZ);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_OTHER);
}

PRL_TEST(lock_hears_the_speaker_who_joins_in)
{
    struct prl_lock lock = {.samples = 0};
    enrol(&lock);
    struct prl_lock_print print = {.count = 0};
    for (int i = 0; i < 8; i++)
        (void)say(&lock, &print, 1500, false, 0.0);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_OTHER);
    print.voiced += 3 * HZ / 2 - 1;
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_OTHER);
    print.voiced += 1; // so much that nobody has listened to yet
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN);
    EXPECT(say(&lock, &print, 0, false, 0.7) > 0);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_MINE);
    print.voiced += 10L * HZ;
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_MINE);
}

PRL_TEST(lock_without_an_answer_refuses_nobody)
{
    struct prl_lock lock = {.samples = 0};
    enrol(&lock);
    struct prl_lock_print print = {.voiced = 2L * HZ};
    prl_lock_asked(&print, prl_lock_wants(&lock, &print, false));
    prl_lock_answered(&lock, &print, NULL);
    EXPECT(prl_lock_verdict(&lock, &print) == PRL_LOCK_UNKNOWN && print.count == 0);
    EXPECT(say(&lock, &print, 1000, false, 0.0) > 0); // and asks again
}

PRL_TEST(lock_learns_from_the_speaker_alone_and_not_for_ever)
{
    struct prl_lock lock = {.samples = 0};
    enrol(&lock);
    uint64_t before = lock.samples;
    struct prl_lock_print print = {.count = 0};
    (void)say(&lock, &print, 1500, false, 0.3);
    prl_lock_learn(&lock, &print);
    EXPECT(lock.samples == before);
    for (int i = 0; i < 20; i++) {
        print = (struct prl_lock_print){.count = 0};
        (void)say(&lock, &print, 2000, false, 0.9);
        prl_lock_learn(&lock, &print);
    }
    EXPECT(lock.samples >= PRL_LOCK_LEARN_SAMPLES &&
           lock.samples < PRL_LOCK_LEARN_SAMPLES + 2L * HZ);
    print = (struct prl_lock_print){.count = 0};
    EXPECT(say(&lock, &print, 1500, false, 0.9) > 0);
    EXPECT(say(&lock, &print, 5000, true, 0.9) == 0); // nothing can change
}

// test_talker.c -- client/talker: turns in their order, delays to the sample, what is no answer.
#include "client/talker.h"

#include <string.h>

#include "base/mem.h"
#include "media/chirp.h"
#include "tests/unit.h"

enum { SAY_HZ = 24000, HEAR_HZ = 16000, UTTERANCE = 4800, SPEECH_END = 3600, FRAME = 480 };

static int16_t utterance[UTTERANCE];

struct fixture {
    struct prl_talker *talker;
    int64_t now_us;
    uint64_t loud; // samples said so far that are not zero
};

static struct prl_talker_conf conf_of(uint32_t turns)
{
    for (size_t i = 0; i < UTTERANCE; i++)
        utterance[i] = i < SPEECH_END ? 5000 : 0;
    return (struct prl_talker_conf){.pcm = utterance,
                                    .samples = UTTERANCE,
                                    .speech_end = SPEECH_END,
                                    .say_hz = SAY_HZ,
                                    .hear_hz = HEAR_HZ,
                                    .lead_ms = 100,
                                    .pause_ms = 200,
                                    .patience_ms = 1000,
                                    .turns = turns};
}

// Some frames of the microphone pass.
static void pass(struct fixture *f, int frames)
{
    for (int i = 0; i < frames; i++) {
        int16_t pcm[FRAME];
        (void)prl_talker_say(f->talker, f->now_us, pcm, FRAME);
        for (size_t at = 0; at < FRAME; at++)
            f->loud += pcm[at] != 0;
        f->now_us += FRAME * 1000 / (SAY_HZ / 1000);
    }
}

// An answer whose first sample arrives at `at_us`, with its mark behind `quiet` samples.
static void answer(struct fixture *f, size_t quiet, bool marked, int64_t at_us)
{
    int16_t pcm[2400] = {0};
    if (marked)
        (void)prl_chirp_write(pcm + quiet, HEAR_HZ);
    else
        for (size_t i = quiet; i < 2000; i++)
            pcm[i] = (int16_t)(i % 2 ? 4000 : -4000);
    prl_talker_hear(f->talker, pcm, 1200, true, at_us);
    prl_talker_hear(f->talker, pcm + 1200, 1200, false, at_us); // ahead of its time
}

PRL_TEST(talker_measures_from_sound_to_sound)
{
    struct fixture f = {.now_us = 5000000};
    struct prl_talker_conf conf = conf_of(2);
    REQUIRE(prl_talker_create(&f.talker, &conf) == PRL_OK);
    pass(&f, 5); // 100 ms of lead
    EXPECT_INT(f.loud, 0);
    pass(&f, 10); // the utterance, 200 ms
    EXPECT_INT(f.loud, SPEECH_END);
    // The last sample of speech was captured at 5,000 + 100 + 150 ms, less one sample.
    prl_talker_turn_end(f.talker, 5260000);
    answer(&f, 160, true, 5600000); // audible 10 ms later
    struct prl_talker_result result;
    prl_talker_result(f.talker, &result);
    EXPECT_INT(result.turns, 1);
    EXPECT_INT(result.marked, 1);
    EXPECT_INT((result.delay_us[0] + 500) / 1000, 360);
    EXPECT_INT((result.after_us[0] + 500) / 1000, 350);
    EXPECT_INT(result.early + result.unanswered, 0);
    // The answer lasts 150 ms from 5,600 on; the next utterance begins 200 ms behind it.
    prl_talker_answered(f.talker, 5620000);
    while (f.now_us < 5940000)
        pass(&f, 1);
    EXPECT_INT(f.loud, SPEECH_END);
    pass(&f, 2);
    EXPECT(f.loud > SPEECH_END);
    pass(&f, 10);
    answer(&f, 0, false, f.now_us); // another voice: no mark
    prl_talker_answered(f.talker, f.now_us);
    prl_talker_result(f.talker, &result);
    EXPECT(prl_talker_done(f.talker));
    EXPECT_INT(result.turns, 2);
    EXPECT_INT(result.marked, 1);
    EXPECT_INT(result.after_us[1], -1);
    EXPECT_INT(result.waited_us[0], -1);
    prl_talker_destroy(&f.talker);
}

PRL_TEST(talker_reads_when_a_turn_ended)
{
    struct fixture f = {.now_us = 5000000};
    struct prl_talker_conf conf = conf_of(2);
    struct prl_talker_result result;
    REQUIRE(prl_talker_create(&f.talker, &conf) == PRL_OK);
    pass(&f, 15);
    prl_talker_event(f.talker,
                     "{\"type\":\"input_audio_buffer.speech_stopped\",\"event_id\":\"e\","
                     "\"audio_end_ms\":260}",
                     5000000);
    prl_talker_event(f.talker, "{\"type\":\"response.created\",\"audio_end_ms\":9}", 5000000);
    answer(&f, 160, true, 5600000);
    prl_talker_event(f.talker, "{\"type\":\"parley.response.latency\",\"eot_delay_ms\":203}",
                     5000000); // behind the sound
    prl_talker_result(f.talker, &result);
    REQUIRE(result.turns == 1);
    EXPECT_INT((result.after_us[0] + 500) / 1000, 350);
    EXPECT_INT(result.waited_us[0], 203000);
    prl_talker_answered(f.talker, 5620000);
    while (f.now_us < 6200000)
        pass(&f, 1);
    prl_talker_event(f.talker, "{\"type\":\"parley.response.latency\",\"eot_delay_ms\":null}",
                     5000000); // a request, not a turn
    prl_talker_event(f.talker, "{\"type\":\"parley.response.latency\",\"zero\":\"request\"}",
                     5000000);
    prl_talker_event(f.talker, "", 5000000);
    prl_talker_event(f.talker, "{\"type\":\"input_audio_buffer.speech_stopped\"}", 5000000);
    answer(&f, 0, false, f.now_us);
    prl_talker_result(f.talker, &result);
    REQUIRE(result.turns == 2);
    EXPECT_INT(result.waited_us[1], -1);
    EXPECT_INT(result.after_us[1], -1);
    prl_talker_destroy(&f.talker);
}

PRL_TEST(talker_goes_on_without_an_answer)
{
    struct fixture f = {.now_us = 1000};
    struct prl_talker_conf conf = conf_of(2);
    REQUIRE(prl_talker_create(&f.talker, &conf) == PRL_OK);
    struct prl_talker_result result;
    pass(&f, 15);
    prl_talker_answered(f.talker, f.now_us); // the end of something that was never heard
    pass(&f, 55);
    prl_talker_result(f.talker, &result);
    EXPECT_INT(result.unanswered, 1);
    EXPECT(!prl_talker_done(f.talker));
    pass(&f, 100);
    prl_talker_result(f.talker, &result);
    EXPECT_INT(result.unanswered, 2);
    EXPECT_INT(result.turns, 0);
    EXPECT(prl_talker_done(f.talker));
    prl_talker_destroy(&f.talker);
}

PRL_TEST(talker_counts_answers_that_come_too_early)
{
    struct fixture f = {.now_us = 1000};
    struct prl_talker_conf conf = conf_of(1);
    REQUIRE(prl_talker_create(&f.talker, &conf) == PRL_OK);
    struct prl_talker_result result;
    answer(&f, 0, true, f.now_us); // nobody has said anything
    pass(&f, 8);
    answer(&f, 0, true, f.now_us); // in the middle of the utterance
    prl_talker_answered(f.talker, f.now_us);
    prl_talker_result(f.talker, &result);
    EXPECT_INT(result.early, 1);
    EXPECT_INT(result.turns, 0);
    pass(&f, 10);
    answer(&f, 0, true, f.now_us + 400000);
    prl_talker_result(f.talker, &result);
    EXPECT_INT(result.turns, 1);
    prl_talker_destroy(&f.talker);
}

PRL_TEST_OOM(talker_whole_life)
{
    struct prl_talker *talker;
    struct prl_talker_conf conf = conf_of(3);
    enum prl_err err = prl_talker_create(&talker, &conf);
    EXPECT((err == PRL_OK) == (talker != NULL));
    prl_talker_destroy(&talker);
    prl_talker_destroy(&talker);
}

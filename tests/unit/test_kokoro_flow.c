// test_kokoro_flow.c -- stretches of sound joined into one flow, and how long each is.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"
#include "tts/kokoro_flow.h"

#define EXPECT_NEAR(value, wanted, off)                                                            \
    EXPECT(fabs((double)(value) - (double)(wanted)) <= (double)(off))

enum { FRAME = PRL_KOKORO_FRAME, CONTEXT = PRL_KOKORO_CONTEXT, FRAMES = 80, RATE = 24000 };

// A piece of 80 frames: 8 silent, 52 of a tone, 20 silent.
static float whole[FRAMES * FRAME];

static void make_whole(void)
{
    for (size_t i = 0; i < (size_t)FRAMES * FRAME; i++) {
        bool loud = i >= 8 * (size_t)FRAME && i < 60 * (size_t)FRAME;
        whole[i] = loud ? 0.2F * sinf(6.2831853F * 200 * (float)i / RATE) : 0;
    }
}

// The stretch [from, to) of the piece with its context, `level` times as loud.
static enum prl_err add(struct prl_kokoro_flow *flow, size_t from, size_t to, float level)
{
    static float wave[FRAMES * FRAME];
    size_t before = from < CONTEXT ? from : CONTEXT;
    size_t behind = FRAMES - to < CONTEXT ? FRAMES - to : CONTEXT;
    size_t count = (before + to - from + behind) * FRAME;
    for (size_t i = 0; i < count; i++)
        wave[i] = whole[(from - before) * FRAME + i] * level;
    struct prl_kokoro_stretch stretch = {
        .wave = wave, .samples = count, .before = before * FRAME, .behind = behind * FRAME};
    return prl_kokoro_flow_add(flow, &stretch);
}

static int peak_of(const int16_t *pcm, size_t count)
{
    int peak = 0;
    for (size_t i = 0; i < count; i++)
        peak = pcm[i] > peak ? pcm[i] : -pcm[i] > peak ? -pcm[i] : peak;
    return peak;
}

PRL_TEST(kokoro_flow_of_one_stretch_is_cut_levelled_and_faded)
{
    struct prl_kokoro_flow flow = {.sound = NULL};
    make_whole();
    prl_kokoro_flow_begin(&flow);
    EXPECT_OK(add(&flow, 0, FRAMES, 1));
    EXPECT_NEAR(flow.skipped, 7 * FRAME, 120);     // 25 ms are kept before the first sound
    EXPECT_NEAR(flow.len, 53 * FRAME + 1440, 240); // and 60 ms behind the last
    EXPECT_NEAR(peak_of(flow.sound, flow.len), 0.09 * 1.414 * 32767, 400);
    EXPECT_INT(flow.sound[0], 0);
    EXPECT_NEAR(flow.sound[flow.len - 1], 0, 2);
    prl_kokoro_flow_free(&flow);
}

PRL_TEST(kokoro_flow_stretches_add_up_to_the_whole)
{
    struct prl_kokoro_flow one = {.sound = NULL};
    struct prl_kokoro_flow many = {.sound = NULL};
    make_whole();
    prl_kokoro_flow_begin(&one);
    EXPECT_OK(add(&one, 0, FRAMES, 1));
    prl_kokoro_flow_begin(&many);
    // Every stretch comes in another loudness, as the model makes them.
    static const size_t ENDS[] = {20, 33, 60, FRAMES};
    static const float LEVELS[] = {1, 1.6F, 0.9F, 1.3F};
    size_t at = 0;
    size_t from = 0;
    int far_off = 0;
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        EXPECT_OK(add(&many, from, ENDS[i], LEVELS[i]));
        REQUIRE(at + many.len <= one.len);
        for (size_t k = 0; k < many.len; k++)
            far_off += abs(many.sound[k] - one.sound[at + k]) > 200;
        at += many.len;
        from = ENDS[i];
    }
    EXPECT_INT(at, one.len);
    EXPECT_INT(far_off, 0);
    EXPECT_INT(many.skipped, one.skipped);
    prl_kokoro_flow_free(&one);
    prl_kokoro_flow_free(&many);
}

// The vocoder begins each stretch at another phase: 60 samples are half a period of the tone, which would
// cancel where one stretch fades into the next.
static void expect_joined_in_phase(bool of_another_piece)
{
    struct prl_kokoro_flow flow = {.sound = NULL};
    make_whole();
    prl_kokoro_flow_begin(&flow);
    EXPECT_OK(add(&flow, 0, 30, 1));
    memmove(whole, whole + 60, sizeof(whole) - 60 * sizeof(float));
    if (of_another_piece) {
        prl_kokoro_flow_go_on(&flow);
        EXPECT_INT(flow.len + flow.skipped, 0);
    }
    EXPECT_OK(add(&flow, 30, FRAMES, 1));
    int loudest = 0;
    for (size_t period = 0; period < 5; period++) {
        int peak = peak_of(flow.sound + period * 120, 120);
        EXPECT_NEAR(peak, 0.09 * 1.414 * 32767, 400);
        loudest = peak > loudest ? peak : loudest;
    }
    EXPECT(loudest > 0);
    prl_kokoro_flow_free(&flow);
}

PRL_TEST(kokoro_flow_joins_in_phase)
{
    expect_joined_in_phase(false);
    expect_joined_in_phase(true);
}

PRL_TEST(kokoro_flow_waits_for_the_first_sound_and_ends_in_silence)
{
    struct prl_kokoro_flow flow = {.sound = NULL};
    make_whole();
    prl_kokoro_flow_begin(&flow);
    EXPECT_OK(add(&flow, 0, 7, 1));
    EXPECT_INT(flow.len, 0);
    EXPECT_INT(flow.skipped, 7 * FRAME);
    EXPECT_OK(add(&flow, 7, 40, 1));
    EXPECT_NEAR(flow.skipped, 7 * FRAME, 120);
    EXPECT(flow.len > 0);
    EXPECT_OK(add(&flow, 40, 62, 1));
    EXPECT_OK(add(&flow, 62, FRAMES, 1)); // nothing but silence
    EXPECT_INT(flow.len, 1440);
    EXPECT(peak_of(flow.sound, flow.len) < 200);
    // A piece without any sound.
    memset(whole, 0, sizeof(whole));
    prl_kokoro_flow_begin(&flow);
    EXPECT_OK(add(&flow, 0, 40, 1));
    EXPECT_OK(add(&flow, 40, FRAMES, 1));
    EXPECT_INT(flow.len, 0);
    prl_kokoro_flow_free(&flow);
}

PRL_TEST(kokoro_flow_survives_a_broken_model)
{
    struct prl_kokoro_flow flow = {.sound = NULL};
    make_whole();
    for (size_t i = 30 * (size_t)FRAME; i < 40 * (size_t)FRAME; i++)
        whole[i] = i % 3 ? NAN : 1e30F;
    prl_kokoro_flow_begin(&flow);
    EXPECT_OK(add(&flow, 0, 30, 1));
    EXPECT_OK(add(&flow, 30, 45, 1));
    EXPECT_OK(add(&flow, 45, FRAMES, 1));
    EXPECT(peak_of(flow.sound, flow.len) <= 32767);
    prl_kokoro_flow_free(&flow);
}

// Plays a plan against the clock; true when the sound never runs out.
static bool plays_on(const struct prl_kokoro_grain *grain, size_t frames, double cost,
                     size_t *first)
{
    size_t rest = frames;
    *first = prl_kokoro_flow_next(grain, rest, cost, -1);
    double hand = (double)*first - (double)grain->silent;
    rest -= *first;
    while (rest > 0) {
        size_t next = prl_kokoro_flow_next(grain, rest, cost, hand > 0 ? hand : 0);
        if (next == 0 || next > rest)
            return false;
        hand -= cost * (double)(next + 2 * grain->context);
        if (hand < 0)
            return false;
        hand += (double)next;
        rest -= next;
    }
    return true;
}

PRL_TEST(kokoro_first_stretch_is_short_and_nothing_runs_dry)
{
    const struct prl_kokoro_grain *coarse = &prl_kokoro_coarse;
    const struct prl_kokoro_grain *fine = &prl_kokoro_fine;
    size_t first;
    EXPECT(plays_on(coarse, 200, 0.4, &first));
    EXPECT(first <= 80);
    size_t slower;
    EXPECT(plays_on(coarse, 200, 0.8, &slower));
    EXPECT(slower > first && slower <= 120);
    EXPECT(plays_on(fine, 80, 0.4, &first));
    EXPECT(first <= 24);
    EXPECT(plays_on(fine, 80, 0.8, &slower));
    EXPECT(slower > first && slower <= 60);
    for (size_t frames = 1; frames <= 400; frames += 7)
        for (int percent = 5; percent < 90; percent += 5)
            for (int i = 0; i < 2; i++) {
                bool on = plays_on(i ? fine : coarse, frames, percent / 100.0, &first);
                REQUIRE(first > 0 && first <= frames);
                if (frames <= 160)
                    EXPECT(on);
            }
    // A machine slower than speech: nearly all of the piece first, up to the longest stretch.
    EXPECT(prl_kokoro_flow_next(coarse, 90, 2, -1) > 60);
    EXPECT_INT(prl_kokoro_flow_next(coarse, 300, 2, -1), 120);
    EXPECT_INT(prl_kokoro_flow_next(fine, 300, 2, -1), 120);
    EXPECT_INT(prl_kokoro_flow_next(coarse, 90, 0, -1), 90); // its speed is not known yet
    EXPECT_INT(prl_kokoro_flow_next(fine, 1, 0.4, -1), 1);
}

PRL_TEST_OOM(kokoro_flow)
{
    struct prl_kokoro_flow flow = {.sound = NULL};
    make_whole();
    prl_kokoro_flow_begin(&flow);
    enum prl_err err = add(&flow, 0, 40, 1);
    if (!err)
        err = add(&flow, 40, FRAMES, 1);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_kokoro_flow_free(&flow);
}

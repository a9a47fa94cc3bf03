// test_echo.c -- echo goes, a voice over it stays; with speexdsp always, and with AEC3 where its module
// was built.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "dsp/echo.h"
#include "tests/unit.h"
#include "tests/unit/aec3_kit.h"

enum { FRAME = PRL_ECHO_FRAME_SAMPLES, FRAMES = 800, LENGTH = FRAMES * FRAME, TAPS = 60 };

static int16_t played[LENGTH], heard[LENGTH], voice[LENGTH];

// Something like speech: noise in syllables of a third of a second, low frequencies foremost.
static void make_sound(int16_t *pcm, double level, int syllable)
{
    double low = 0.0;
    for (int i = 0; i < LENGTH; i++) {
        double noise = (double)(prl_test_random() % 20001) / 10000.0 - 1.0;
        low += 0.25 * (noise - low);
        double shape = sin(M_PI * (double)(i % syllable) / syllable);
        pcm[i] = (int16_t)lrint(level * 2.5 * low * shape * shape);
    }
}

// The loudspeaker as the microphone hears it: late, quieter, with a short room.
static void make_echo(int delay, double gain)
{
    double room[TAPS];
    for (int k = 0; k < TAPS; k++)
        room[k] = gain * exp(-k / 12.0) * (k % 7 == 0 ? 1.0 : -0.2);
    for (int i = 0; i < LENGTH; i++) {
        double sum = 0.0;
        for (int k = 0; k < TAPS && i - delay - k >= 0; k++)
            sum += room[k] * played[i - delay - k];
        sum += (double)(prl_test_random() % 9) - 4.0;
        heard[i] = (int16_t)lrint(sum);
    }
}

static double energy(const int16_t *pcm, int from, int to)
{
    double sum = 1.0;
    for (int i = from; i < to; i++)
        sum += (double)pcm[i] * pcm[i];
    return sum;
}

static float kept_most; // of the last second, by prl_echo_kept

static bool settles = true; // in the last half

static void run(struct prl_echo *echo)
{
    kept_most = 0.0F;
    for (int i = 0; i < LENGTH; i += FRAME) {
        prl_echo_process(echo, heard + i, played + i, settles && i >= LENGTH / 2);
        float kept = prl_echo_kept(echo);
        if (i >= LENGTH - 16000 && kept > kept_most)
            kept_most = kept;
    }
}

// Echo alone: how many dB are gone in the last two seconds.
static double removed_db(const struct prl_echo_kit *kit, int delay, struct prl_echo_stats *stats)
{
    struct prl_echo *echo;
    *stats = (struct prl_echo_stats){.delay_ms = -1};
    if (prl_echo_create(&echo, kit) != PRL_OK)
        return 0.0;
    make_sound(played, 8000.0, 5300);
    make_echo(delay, 0.3);
    double before = energy(heard, LENGTH - 32000, LENGTH);
    run(echo);
    prl_echo_stats(echo, stats);
    prl_echo_destroy(&echo);
    return 10.0 * log10(before / energy(heard, LENGTH - 32000, LENGTH));
}

// A voice in the last two seconds: how much of it is left, in dB.
static double voice_db(const struct prl_echo_kit *kit, double echo_gain)
{
    struct prl_echo *echo;
    if (prl_echo_create(&echo, kit) != PRL_OK)
        return -100.0;
    make_sound(played, 8000.0, 5300);
    make_echo(1600, echo_gain);
    make_sound(voice, 6000.0, 4100);
    for (int i = LENGTH - 32000; i < LENGTH; i++)
        heard[i] = (int16_t)(heard[i] + voice[i]);
    run(echo);
    prl_echo_destroy(&echo);
    return 10.0 *
           log10(energy(heard, LENGTH - 32000, LENGTH) / energy(voice, LENGTH - 32000, LENGTH));
}

PRL_TEST(echo_goes_without_the_module)
{
    struct prl_echo_kit *kit;
    struct prl_echo_stats stats;
    char why[200] = "";
    REQUIRE(prl_echo_kit_create(&kit, "/nowhere/libparley_aec3.so", why, sizeof(why)) == PRL_OK);
    EXPECT(strstr(why, "/nowhere/libparley_aec3.so"));
    EXPECT_TEXT(prl_echo_kit_name(kit), "speexdsp");
    EXPECT(removed_db(kit, 800, &stats) > 15.0);
    EXPECT(kept_most < 0.3F);
    EXPECT_INT(stats.delay_ms, -1);
    EXPECT(voice_db(kit, 0.3) > -10.0);
    EXPECT(kept_most > 0.4F);
    prl_echo_kit_destroy(&kit);
}

PRL_TEST(echo_goes_with_the_module)
{
    struct prl_echo_kit *kit = aec3_kit();
    struct prl_echo_stats stats;
    if (!kit) {
        (void)fprintf(stderr,
                      "echo: no AEC3 module beside this program; speexdsp alone is tested\n");
        return;
    }
    EXPECT_TEXT(prl_echo_kit_name(kit), "aec3");
    static const int delays_ms[] = {50, 200, 700};
    for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
        EXPECT(removed_db(kit, delays_ms[i] * 16, &stats) > 12.0);
        EXPECT(kept_most < 0.3F);
        EXPECT(stats.delay_ms > delays_ms[i] - 30 && stats.delay_ms < delays_ms[i] + 30);
    }
    EXPECT(voice_db(kit, 0.3) > -10.0);
    EXPECT(kept_most > 0.4F);
    prl_echo_kit_destroy(&kit);
}

// How much louder a voice over the echo is than all that is wrong with it, in dB.
static double voice_over_wrong_db(const struct prl_echo_kit *kit, bool settled)
{
    settles = settled;
    double kept_db = voice_db(kit, 1.0); // as loud as its echo
    settles = true;
    double wrong = 1.0;
    for (int i = LENGTH - 32000 + PRL_ECHO_DELAY_SAMPLES; i < LENGTH; i++) {
        double error = heard[i] - voice[i - PRL_ECHO_DELAY_SAMPLES];
        wrong += error * error;
    }
    EXPECT(kept_db > -10.0);
    return 10.0 * log10(energy(voice, LENGTH - 32000, LENGTH) / wrong);
}

PRL_TEST(echo_spares_a_voice_once_it_has_settled)
{
    struct prl_echo_kit *kit = aec3_kit();
    if (!kit)
        return; // speexdsp does not
    double suppressed_db = voice_over_wrong_db(kit, false);
    double spared_db = voice_over_wrong_db(kit, true);
    EXPECT(spared_db > suppressed_db + 1.0);
    EXPECT(spared_db > 4.5);
    prl_echo_kit_destroy(&kit);
}

PRL_TEST(echo_of_nothing_leaves_the_voice)
{
    struct prl_echo_kit *kit = aec3_kit();
    struct prl_echo *echo;
    REQUIRE(kit || prl_echo_kit_create(&kit, NULL, NULL, 0) == PRL_OK);
    REQUIRE(prl_echo_create(&echo, kit) == PRL_OK);
    memset(played, 0, sizeof(played));
    make_sound(voice, 6000.0, 4100);
    memcpy(heard, voice, sizeof(voice));
    run(echo);
    double kept = 10.0 * log10(energy(heard, 16000, LENGTH) / energy(voice, 16000, LENGTH));
    EXPECT(kept > -2.0 && kept < 1.0);
    // Full scale of both signs does no harm.
    for (int i = 0; i < LENGTH; i++) {
        played[i] = i / 50 % 2 ? INT16_MAX : INT16_MIN;
        heard[i] = played[i];
    }
    run(echo);
    prl_echo_destroy(&echo);
    prl_echo_destroy(&echo);
    prl_echo_kit_destroy(&kit);
}

PRL_TEST(echo_module_must_be_ours)
{
    char path[PATH_MAX];
    char why[200];
    struct prl_echo_kit *kit;
    (void)snprintf(path, sizeof(path), "%s/libparley_aec3.so", prl_test_dir());
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    EXPECT(fputs("not a library", file) >= 0);
    EXPECT(fclose(file) == 0);
    REQUIRE(prl_echo_kit_create(&kit, path, why, sizeof(why)) == PRL_OK);
    EXPECT(strstr(why, "not our AEC3 module"));
    EXPECT_TEXT(prl_echo_kit_name(kit), "speexdsp");
    prl_echo_kit_destroy(&kit);
}

PRL_TEST_OOM(echo_without_memory)
{
    struct prl_echo_kit *kit;
    struct prl_echo *echo = NULL;
    if (prl_echo_kit_create(&kit, NULL, NULL, 0) == PRL_OK) {
        enum prl_err err = prl_echo_create(&echo, kit);
        EXPECT((err == PRL_OK) == (echo != NULL));
    }
    prl_echo_destroy(&echo);
    prl_echo_kit_destroy(&kit);
}

// test_gain.c -- quiet speech comes up and silence does not, loud sound keeps its shape; where the module was
// built. Without it there is no gain control.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dsp/echo.h"
#include "dsp/gain.h"
#include "tests/unit.h"
#include "tests/unit/aec3_kit.h"

enum { FRAME = PRL_GAIN_FRAME_SAMPLES, SECOND = 100 }; // frames

static double level_db(const int16_t *pcm)
{
    double sum = 1e-9;
    for (int i = 0; i < FRAME; i++)
        sum += (double)pcm[i] * pcm[i];
    return 10.0 * log10(sum / FRAME / (32768.0 * 32768.0));
}

// Frames of noise at this level; how much louder the loudest of the last half comes out than it went in.
static double raised_db(struct prl_gain *gain, double level, int frames)
{
    double most = -100.0;
    double peak = 32768.0 * sqrt(3.0) * pow(10.0, level / 20.0);
    for (int k = 0; k < frames; k++) {
        int16_t pcm[FRAME];
        for (int i = 0; i < FRAME; i++)
            pcm[i] = (int16_t)lrint(peak * ((double)(prl_test_random() % 20001) / 10000.0 - 1.0));
        double before = level_db(pcm);
        prl_gain_process(gain, pcm);
        double raised = level_db(pcm) - before;
        if (k >= frames / 2 && raised > most)
            most = raised;
    }
    return most;
}

PRL_TEST(gain_needs_its_module)
{
    struct prl_echo_kit *kit;
    struct prl_gain *gain = NULL;
    REQUIRE(prl_echo_kit_create(&kit, NULL, NULL, 0) == PRL_OK);
    EXPECT_INT(prl_gain_create(&gain, kit), PRL_ERR_NOTFOUND);
    EXPECT(gain == NULL);
    prl_gain_destroy(&gain);
    prl_echo_kit_destroy(&kit);
}

PRL_TEST(gain_turns_up_from_the_first_word_and_not_what_is_loud)
{
    struct prl_echo_kit *kit = aec3_kit();
    struct prl_gain *gain = NULL;
    if (!kit)
        return; // not built here
    if (prl_gain_create(&gain, kit) == PRL_OK) {
        double quiet = raised_db(gain, -70.0, 10);
        EXPECT(quiet > 10.0 && quiet <= PRL_GAIN_DB_MAX);
        // Noise that never ends is no speech: what comes out stays low, however quiet it is.
        EXPECT(raised_db(gain, -70.0, 20 * SECOND) < 21.0);
        EXPECT(raised_db(gain, -45.0, 60 * SECOND) <
               3.0); // the old noise is forgotten by halves, each 5 s
    }
    prl_gain_destroy(&gain);
    prl_gain_destroy(&gain);
    prl_echo_kit_destroy(&kit);
}

PRL_TEST(gain_takes_anything)
{
    struct prl_echo_kit *kit = aec3_kit();
    struct prl_gain *gain = NULL;
    if (!kit)
        return;
    if (prl_gain_create(&gain, kit) == PRL_OK) {
        int16_t pcm[FRAME];
        for (int k = 0; k < 2 * SECOND; k++) {
            for (int i = 0; i < FRAME; i++)
                pcm[i] = k % 3 == 0   ? INT16_MIN
                         : k % 3 == 1 ? INT16_MAX
                                      : (int16_t)prl_test_random();
            prl_gain_process(gain, pcm);
            for (int i = 0; i < FRAME && k % 3 < 2; i++)
                EXPECT(k % 3 == 0 ? pcm[i] < 0 : pcm[i] > 0); // nothing wraps round
        }
        memset(pcm, 0, sizeof(pcm));
        for (int k = 0; k < 20 * SECOND; k++)
            prl_gain_process(gain, pcm);
        for (int i = 0; i < FRAME; i++)
            EXPECT_INT(pcm[i], 0);
    }
    prl_gain_destroy(&gain);
    prl_echo_kit_destroy(&kit);
}

// test_tts_engines.c -- what is said at the start, and what is left out because it is known.
#include "tests/unit.h"
#include "tests/unit/tts_fake.h"
#include "tts/calibration.h"
#include "tts/engines.h"

static const struct prl_tts_ops *const kokoro_alone[] = {&tts_fake_kokoro, NULL};

// What opening took.
struct start {
    int pieces, steps;
    double rtf;
    bool best_en;
};

static struct start start(const struct prl_tts_conf *conf)
{
    struct prl_tts_engines engines;
    char why[PRL_TTS_WHY_SIZE];
    tts_fake.begins = tts_fake.steps = 0;
    EXPECT_OK(prl_tts_engines_open(&engines, conf, why, sizeof(why)));
    prl_tts_engines_close(&engines);
    return (struct start){tts_fake.begins, tts_fake.steps, engines.kokoro_rtf, engines.best_en};
}

PRL_TEST(tts_engines_measure_kokoro_once)
{
    struct prl_tts_conf conf = {.backends = kokoro_alone, .quality = PRL_TTS_QUALITY_AUTO};
    struct start first = start(&conf);
    EXPECT_INT(first.pieces, 1);
    EXPECT(first.steps >= 5);
    // From what is kept, without speaking it again: two words warm it up.
    conf.cache_dir = prl_test_dir();
    prl_calibration_write(conf.cache_dir, conf.threads, 0.3);
    struct start second = start(&conf);
    EXPECT_INT(second.pieces, 1);
    EXPECT_INT(second.steps, 2);
    EXPECT(second.rtf > 0.29 && second.rtf < 0.31);
    EXPECT(!second.best_en); // its first sound would come too late
    prl_calibration_write(conf.cache_dir, conf.threads, 0.1);
    EXPECT(start(&conf).best_en);
    // The last sample counts, which is the one that is spoken warm.
    conf.paths.zh_tables = "there";
    conf.threads = 3;
    EXPECT_INT(start(&conf).pieces, 2);
    // Whoever speaks English, parts of Chinese sentences hang on it.
    conf.threads = 2;
    conf.quality = PRL_TTS_QUALITY_FAST;
    EXPECT_INT(start(&conf).pieces, 2);
    EXPECT(prl_calibration_read(conf.cache_dir, 2) > 0);
    EXPECT_INT(start(&conf).pieces, 1);
}

PRL_TEST(tts_engines_teach_a_voice_at_the_start)
{
    struct prl_tts_conf conf = {.backends = kokoro_alone, .quality = PRL_TTS_QUALITY_BEST};
    conf.paths.zh_tables = "there";
    tts_fake.lessons = 2;
    struct start first = start(&conf);
    EXPECT_INT(first.pieces, 2);
    EXPECT_INT(tts_fake.lessons, 0);
    conf.cache_dir = prl_test_dir();
    prl_calibration_write(conf.cache_dir, conf.threads, 0.3);
    EXPECT_INT(start(&conf).pieces, 1);
    // Without its tables it says no Chinese.
    conf.paths.zh_tables = NULL;
    tts_fake.lessons = 2;
    EXPECT_INT(start(&conf).pieces, 1);
    EXPECT_INT(tts_fake.lessons, 1);
}

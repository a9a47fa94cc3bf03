// test_gate.c -- hysteresis of voice on and voice off, exact positions.
#include <math.h>

#include "tests/unit.h"
#include "vad/gate.h"

static const int64_t W = PRL_VAD_WINDOW_SAMPLES;

struct run {
    struct prl_gate *gate;
    struct prl_gate_event event; // the last one that was not NONE
    int on, off;                 // how many of each
};

static void feed(struct run *run, float probability, int windows)
{
    for (int i = 0; i < windows; i++) {
        struct prl_gate_event event = prl_gate_window(run->gate, probability);
        if (event.type == PRL_GATE_NONE)
            continue;
        run->event = event;
        run->on += event.type == PRL_GATE_ON;
        run->off += event.type == PRL_GATE_OFF;
    }
}

static bool start(struct run *run, int32_t min_speech_ms, int32_t silence_ms, int32_t padding_ms)
{
    struct prl_gate_conf conf;
    prl_gate_conf_default(&conf);
    conf.min_speech_ms = min_speech_ms;
    conf.silence_duration_ms = silence_ms;
    conf.prefix_padding_ms = padding_ms;
    *run = (struct run){0};
    return prl_gate_create(&run->gate, &conf) == PRL_OK;
}

PRL_TEST(gate_positions_are_exact)
{
    struct run run;
    REQUIRE(start(&run, 64, 96, 32));
    feed(&run, 0.0F, 10);
    feed(&run, 0.9F, 1);
    EXPECT_INT(run.on, 0); // 32 ms are not yet 64
    feed(&run, 0.9F, 1);
    EXPECT_INT(run.on, 1);
    EXPECT_INT(run.event.sample, 10 * W);
    EXPECT_INT(run.event.padded, 9 * W);
    EXPECT_INT(run.event.now, 12 * W);
    EXPECT(prl_gate_is_on(run.gate));
    feed(&run, 0.9F, 8); // speech is windows 10..19
    feed(&run, 0.0F, 2);
    EXPECT_INT(run.off, 0);
    EXPECT_INT(prl_gate_speech_end(run.gate), 20 * W);
    EXPECT_INT(prl_gate_now(run.gate) - prl_gate_speech_end(run.gate), 2 * W);
    feed(&run, 0.0F, 1);
    EXPECT_INT(run.off, 1);
    EXPECT_INT(run.event.sample, 20 * W);
    EXPECT_INT(run.event.now, 23 * W);
    EXPECT(!prl_gate_is_on(run.gate));
    EXPECT_INT(prl_gate_voiced(run.gate), 0);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_between_the_thresholds_nothing_changes)
{
    struct run run;
    REQUIRE(start(&run, 0, 96, 0));
    feed(&run, 0.45F, 50); // above 0.35, below 0.5
    EXPECT_INT(run.on, 0);
    feed(&run, 0.5F, 1);
    EXPECT_INT(run.on, 1);
    feed(&run, 0.4F, 50); // a weak word goes on
    EXPECT_INT(run.off, 0);
    EXPECT_INT(prl_gate_speech_end(run.gate), 101 * W);
    EXPECT_INT(prl_gate_voiced(run.gate), W);
    feed(&run, 0.1F, 1);  // the pause begins
    feed(&run, 0.45F, 2); // and weak sound does not end it
    EXPECT_INT(run.off, 1);
    EXPECT_INT(run.event.sample, 101 * W);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_pause_shorter_than_the_limit_is_speech)
{
    struct run run;
    REQUIRE(start(&run, 32, 128, 0));
    for (int i = 0; i < 20; i++) {
        feed(&run, 0.9F, 2);
        feed(&run, 0.0F, 3);
    }
    EXPECT_INT(run.on, 1);
    EXPECT_INT(run.off, 0);
    EXPECT_INT(prl_gate_voiced(run.gate), 40 * W);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_click_is_no_voice)
{
    struct run run;
    REQUIRE(start(&run, 96, 96, 300));
    for (int i = 0; i < 20; i++) {
        feed(&run, 0.9F, 2);
        feed(&run, 0.0F, 1);
    }
    EXPECT_INT(run.on, 0);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_padding_stops_at_the_last_utterance)
{
    struct run run;
    REQUIRE(start(&run, 32, 32, 5000));
    feed(&run, 0.9F, 2);
    EXPECT_INT(run.event.padded, 0); // never before the beginning
    feed(&run, 0.0F, 4);
    EXPECT_INT(run.event.sample, 2 * W);
    feed(&run, 0.9F, 1);
    EXPECT_INT(run.event.sample, 6 * W);
    EXPECT_INT(run.event.padded, 2 * W);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_reset_keeps_the_clock)
{
    struct run run;
    REQUIRE(start(&run, 32, 96, 300));
    feed(&run, 0.9F, 5);
    prl_gate_reset(run.gate, 5 * W);
    EXPECT(!prl_gate_is_on(run.gate));
    feed(&run, 0.0F, 10);
    EXPECT_INT(run.off, 0); // no OFF for a voice that was reset away
    feed(&run, 0.9F, 1);
    EXPECT_INT(run.event.sample, 15 * W);
    EXPECT_INT(run.event.padded, 15 * W - 4800);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_configure_works_in_mid_speech)
{
    struct run run;
    REQUIRE(start(&run, 32, 5000, 0));
    feed(&run, 0.9F, 5);
    feed(&run, 0.0F, 20);
    EXPECT_INT(run.off, 0);
    struct prl_gate_conf conf;
    prl_gate_conf_default(&conf);
    conf.silence_duration_ms = 200;
    prl_gate_configure(run.gate, &conf);
    feed(&run, 0.0F, 1);
    EXPECT_INT(run.off, 1);
    EXPECT_INT(run.event.sample, 5 * W);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_takes_any_number_as_probability)
{
    struct run run;
    REQUIRE(start(&run, 32, 32, 0));
    feed(&run, NAN, 3);
    feed(&run, -5.0F, 3);
    EXPECT_INT(run.on, 0);
    feed(&run, INFINITY, 1);
    EXPECT_INT(run.on, 1);
    feed(&run, NAN, 1);
    EXPECT_INT(run.off, 1);
    for (int i = 0; i < 20000; i++) { // events alternate, whatever comes
        int on = run.on, off = run.off;
        feed(&run, (float)(prl_test_random() % 1000) / 1000.0F, 1);
        EXPECT(run.on - run.off == 0 || run.on - run.off == 1);
        EXPECT(run.on + run.off - on - off <= 1);
    }
    prl_gate_destroy(&run.gate);
    prl_gate_destroy(&run.gate);
}

PRL_TEST(gate_conf_is_checked)
{
    struct prl_gate_conf conf;
    prl_gate_conf_default(&conf);
    EXPECT_OK(prl_gate_conf_check(&conf));
    struct prl_gate_conf bad = conf;
    bad.threshold = NAN;
    EXPECT_INT(prl_gate_conf_check(&bad), PRL_ERR_INVALID);
    bad = conf;
    bad.threshold = 1.5F;
    EXPECT_INT(prl_gate_conf_check(&bad), PRL_ERR_INVALID);
    bad = conf;
    bad.prefix_padding_ms = -1;
    EXPECT_INT(prl_gate_conf_check(&bad), PRL_ERR_INVALID);
    bad = conf;
    bad.silence_duration_ms = 0;
    EXPECT_INT(prl_gate_conf_check(&bad), PRL_ERR_INVALID);
    bad = conf;
    bad.min_speech_ms = 100000;
    EXPECT_INT(prl_gate_conf_check(&bad), PRL_ERR_INVALID);
}

PRL_TEST_OOM(gate_create)
{
    struct prl_gate_conf conf;
    prl_gate_conf_default(&conf);
    struct prl_gate *gate;
    enum prl_err err = prl_gate_create(&gate, &conf);
    EXPECT((err == PRL_OK) == (gate != NULL));
    prl_gate_destroy(&gate);
}

// test_jitter.c -- the jitter buffer: packet by packet, and over whole talks on bad networks. Figures
// of the same paths: make media-bench
#include "media/jitter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"
#include "tests/unit/jitter_trace.h"

static const int64_t TICK_US = 20000;
enum { FRAME = PRL_JITTER_FRAME_SAMPLES };

static void put(struct prl_jitter *jitter, uint16_t seq, uint32_t at, int64_t arrival_us,
                bool protects)
{
    uint8_t payload[8];
    size_t size = trace_payload(payload, at, 20, false, protects);
    struct prl_jitter_packet packet = {.seq = seq,
                                       .timestamp = at * 3,
                                       .arrival_us = arrival_us,
                                       .payload = payload,
                                       .size = size};
    prl_jitter_put(jitter, &packet);
}

static enum prl_jitter_kind take(struct prl_jitter *jitter, int64_t now_us)
{
    struct prl_jitter_frame frame;
    (void)prl_jitter_take(jitter, now_us, &frame);
    return frame.kind;
}

static struct prl_jitter_stats stats_of(const struct prl_jitter *jitter)
{
    struct prl_jitter_stats stats;
    prl_jitter_stats(jitter, &stats);
    return stats;
}

static int64_t us_of_packet(int64_t at)
{
    return at / FRAME * TICK_US;
}

// Packets `from`..`to` come each in its time, a frame is taken 5 ms behind each; returns the time.
static int64_t talk(struct prl_jitter *jitter, uint16_t from, uint16_t to)
{
    for (uint16_t i = from; i < to; i++) {
        put(jitter, i, (uint32_t)i * FRAME, i * TICK_US, false);
        (void)take(jitter, i * TICK_US + 5000);
    }
    return to * TICK_US;
}

PRL_TEST(jitter_waits_for_the_first_packet)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    struct prl_jitter_frame frame;
    EXPECT(!prl_jitter_take(jitter, 0, &frame));
    EXPECT_INT(frame.kind, PRL_JITTER_NONE);
    EXPECT(!prl_jitter_behind(jitter, 0));
    put(jitter, 7, 1000, 100000, false);
    EXPECT(!prl_jitter_take(jitter, 105000, &frame)); // not due yet
    put(jitter, 8, 1320, 120000, false);
    EXPECT(!prl_jitter_take(jitter, 125000, &frame));
    put(jitter, 9, 1640, 140000, false);
    EXPECT(prl_jitter_take(jitter, 145000, &frame));
    EXPECT_INT(frame.kind, PRL_JITTER_DECODED);
    EXPECT_INT(frame.arrival_us, 100000);
    EXPECT_INT(frame.pcm[5], trace_sample(1005));
    EXPECT_INT(stats_of(jitter).target_us, 40000);
    prl_jitter_destroy(&jitter);
    EXPECT(jitter == NULL);
}

PRL_TEST(jitter_delays_a_clean_stream_little_and_changes_nothing)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    (void)talk(jitter, 65500 % 100, 1000);
    struct prl_jitter_stats stats = stats_of(jitter);
    EXPECT(stats.target_us <= 25000);
    EXPECT(stats.delay_us <= 46000); // of the oldest sample, which waits for the rest of its packet
    EXPECT_INT(stats.concealed + stats.recovered + stats.lost + stats.late + stats.duplicate, 0);
    EXPECT(stats.removed < 640); // the first guess was 15 ms more
    prl_jitter_destroy(&jitter);
}

PRL_TEST(jitter_puts_packets_in_order_and_drops_doubles)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    static const uint16_t order[] = {1, 0, 2, 2, 4, 3, 5, 6}; // numbers 65534, 65533 …
    int64_t now_us = 5000;
    for (int64_t i = 0, frames = 0; frames < 7; i++, now_us += TICK_US) {
        if (i < 8)
            put(jitter, (uint16_t)(order[i] - 3), (uint32_t)order[i] * FRAME, i * TICK_US, false);
        struct prl_jitter_frame frame;
        if (!prl_jitter_take(jitter, now_us, &frame))
            continue;
        EXPECT(frame.kind == PRL_JITTER_DECODED || frame.kind == PRL_JITTER_STRETCHED);
        if (frames < 3)
            EXPECT_INT(frame.pcm[100], trace_sample(frames * FRAME + 100));
        frames++;
    }
    EXPECT_INT(stats_of(jitter).duplicate, 1);
    put(jitter, (uint16_t)-3, 0, now_us, false); // was played
    EXPECT_INT(stats_of(jitter).duplicate, 2);
    EXPECT_INT(stats_of(jitter).late, 0);
    prl_jitter_destroy(&jitter);
}

PRL_TEST(jitter_recovers_one_lost_packet_and_conceals_two)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    size_t kinds[PRL_JITTER_CONCEALED + 1] = {0};
    for (uint16_t i = 0; i < 100; i++) {
        int64_t arrival_us = i * TICK_US;
        if (i != 40 && i != 60 && i != 61)
            put(jitter, i, (uint32_t)i * FRAME, arrival_us, true);
        if (i >= 3) // 65 ms behind
            kinds[take(jitter, arrival_us + 5000)]++;
    }
    struct prl_jitter_stats stats = stats_of(jitter);
    EXPECT_INT(stats.lost, 3);
    EXPECT_INT(stats.recovered, (size_t)2 * FRAME); // 40 and 61
    EXPECT_INT(stats.concealed, FRAME);             // 60
    EXPECT(kinds[PRL_JITTER_RECOVERED] >= 1 && kinds[PRL_JITTER_CONCEALED] >= 1);
    prl_jitter_destroy(&jitter);
}

static struct {
    int64_t next;
    size_t samples, gaps, wrong;
} seen;

static void on_tap(void *arg, int16_t *pcm, size_t samples, int64_t at, int64_t arrival_us)
{
    int64_t zero = *(const int64_t *)arg; // where the buffer's time has the trace's 0
    seen.gaps += seen.samples > 0 && at != seen.next;
    seen.next = at + (int64_t)samples;
    seen.samples += samples;
    seen.wrong += arrival_us < us_of_packet(at - zero);
    for (size_t i = 0; i < samples; i++) {
        seen.wrong += pcm[i] != trace_sample(at - zero + (int64_t)i);
        pcm[i] = 0;
    }
}

PRL_TEST(jitter_shows_sound_before_it_bends_it)
{
    struct prl_jitter *jitter = NULL;
    int64_t zero = 0;
    memset(&seen, 0, sizeof(seen));
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    prl_jitter_tap(jitter, on_tap, &zero);
    size_t loud = 0;
    for (uint16_t i = 0; i < 600; i++) {
        // The path is longer in the middle, so that the buffer stretches and later shortens.
        int64_t late_us = i >= 200 && i < 400 ? (i % 5) * 25000 : 0;
        bool lost = i == 100 || i == 450 || i == 451;
        if (!lost)
            put(jitter, i, (uint32_t)i * FRAME, i * TICK_US + late_us, i == 101);
        struct prl_jitter_frame frame;
        if (prl_jitter_take(jitter, i * TICK_US + 5000, &frame))
            for (size_t n = 0; n < FRAME; n++)
                loud += frame.pcm[n] != 0;
    }
    struct prl_jitter_stats stats = stats_of(jitter);
    EXPECT(stats.added > 0 && stats.removed > 0);
    EXPECT_INT(stats.recovered, FRAME);
    // All but the two packets that nothing brought back, each once and at its place, and what the tap
    // made of it is what leaves.
    EXPECT_INT(seen.wrong, 0);
    EXPECT_INT(seen.gaps, 1);
    EXPECT_INT(seen.next - (int64_t)seen.samples, (int64_t)2 * FRAME);
    EXPECT_INT(loud, 0);
    prl_jitter_tap(jitter, NULL, NULL);
    (void)talk(jitter, 600, 610);
    EXPECT(seen.next <= (int64_t)600 * FRAME);
    prl_jitter_destroy(&jitter);
}

PRL_TEST(jitter_plays_what_comes_late_and_shortens_afterwards)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    int64_t now_us = talk(jitter, 0, 200);
    struct prl_jitter_stats before = stats_of(jitter);
    // Nothing for 160 ms, then all of it at once.
    for (int i = 0; i < 8; i++, now_us += TICK_US)
        (void)take(jitter, now_us + 5000);
    EXPECT_INT(stats_of(jitter).underruns, 1);
    for (uint16_t i = 200; i < 208; i++)
        put(jitter, i, (uint32_t)i * FRAME, now_us - 1000, false);
    (void)talk(jitter, 208, 600);
    struct prl_jitter_stats after = stats_of(jitter);
    EXPECT_INT(after.lost, 0);
    EXPECT_INT(after.late, 0);
    EXPECT(after.concealed > 0 && after.concealed + after.comfort <= (size_t)9 * FRAME);
    EXPECT(after.removed >
           before.removed + (size_t)4 * FRAME); // most of what was made up is out again
    EXPECT(after.delay_us < 200000);
    prl_jitter_destroy(&jitter);
}

PRL_TEST(jitter_believes_a_new_beginning_of_numbers_and_time)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    int64_t now_us = talk(jitter, 0, 50);
    put(jitter, 30000, 123456789, now_us, false); // alone it is not believed
    EXPECT_INT(stats_of(jitter).invalid, 1);
    for (uint16_t i = 0; i < 100; i++, now_us += TICK_US) {
        put(jitter, (uint16_t)(30001 + i), 123456789 + i * FRAME, now_us, false);
        EXPECT(take(jitter, now_us + 5000) != PRL_JITTER_NONE); // the listener's clock never stops
    }
    EXPECT(stats_of(jitter).resets >= 1);
    EXPECT(stats_of(jitter).delay_us < 80000);
    EXPECT(stats_of(jitter).lost < 5);
    uint64_t resets = stats_of(jitter).resets;
    // The time stamps alone jump, forwards and back.
    for (int jump = 0; jump < 2; jump++) {
        uint32_t base = jump ? 77 : 3000000000U / 3;
        for (uint16_t i = 0; i < 100; i++, now_us += TICK_US) {
            put(jitter, (uint16_t)(30101 + 100 * jump + i), base + i * FRAME, now_us, false);
            (void)take(jitter, now_us + 5000);
        }
        EXPECT_INT(stats_of(jitter).resets, ++resets);
        EXPECT(stats_of(jitter).delay_us < 80000);
        EXPECT(stats_of(jitter).packets < 6);
    }
    prl_jitter_destroy(&jitter);
}

PRL_TEST(jitter_takes_time_without_packets_for_silence)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    int64_t now_us = talk(jitter, 0, 100);
    uint8_t payload[8];
    size_t size = trace_payload(payload, 100 * FRAME, 20, true, false);
    struct prl_jitter_packet sign = {.seq = 100,
                                     .timestamp = (size_t)100 * FRAME * 3,
                                     .arrival_us = now_us,
                                     .payload = payload,
                                     .size = size};
    prl_jitter_put(jitter, &sign);
    for (int i = 0; i < 50; i++, now_us += TICK_US)
        (void)take(jitter, now_us + 5000);
    struct prl_jitter_stats stats = stats_of(jitter);
    EXPECT_INT(stats.concealed, 0);
    EXPECT_INT(stats.underruns, 0);
    EXPECT(stats.comfort > (size_t)40 * FRAME);
    // Speech again, a second later by its time stamp, next in number.
    for (uint16_t i = 0; i < 20; i++, now_us += TICK_US) {
        put(jitter, 101 + i, (150U + i) * FRAME, now_us, false);
        (void)take(jitter, now_us + 5000);
    }
    stats = stats_of(jitter);
    EXPECT_INT(stats.lost, 0);
    EXPECT_INT(stats.concealed, 0);
    EXPECT(stats.delay_us < 60000);
    prl_jitter_destroy(&jitter);
}

PRL_TEST(jitter_survives_hostile_packets)
{
    struct prl_jitter *jitter = NULL;
    REQUIRE(prl_jitter_create(&jitter, &trace_codec) == PRL_OK);
    uint8_t payload[1500] = {0};
    uint16_t seq = 0;
    int64_t now_us = 0;
    for (int round = 0; round < 20000; round++) {
        bool wild = prl_test_random() % 4 == 0;
        seq = wild ? (uint16_t)prl_test_random() : (uint16_t)(seq + 1);
        size_t size = trace_payload(payload, (uint32_t)round, (int)(prl_test_random() % 140),
                                    prl_test_random() % 2, prl_test_random() % 2);
        struct prl_jitter_packet packet = {
            .seq = seq,
            .timestamp = wild ? prl_test_random() : (uint32_t)round * 960,
            .arrival_us = now_us + (int64_t)(prl_test_random() % 2000000) - 1000000,
            .payload = payload,
            .size = prl_test_random() % 10 == 0 ? prl_test_random() % 1500 : size};
        prl_jitter_put(jitter, &packet);
        if (prl_test_random() % 3) {
            now_us += TICK_US;
            (void)take(jitter, now_us);
        }
    }
    struct prl_jitter_stats stats = stats_of(jitter);
    EXPECT(stats.packets <= PRL_JITTER_PACKETS_MAX);
    EXPECT(stats.target_us >= PRL_JITTER_DELAY_MIN_US &&
           stats.target_us <= PRL_JITTER_DELAY_MAX_US);
    EXPECT(stats.invalid > 0);
    prl_jitter_destroy(&jitter);
}

PRL_TEST_OOM(jitter_create)
{
    struct prl_jitter *jitter = NULL;
    if (prl_jitter_create(&jitter, &trace_codec) == PRL_OK) {
        prl_mem_forbid(1);
        (void)talk(jitter, 0, 100);
        prl_mem_forbid(0);
    }
    prl_jitter_destroy(&jitter);
}

// ---- whole talks ----

// What holds on every path: no growth, no more concealment than was lost or late, time kept.
static void expect_sane(const struct trace_path *path, const struct trace_figures *figures)
{
    EXPECT(figures->packets_max <= PRL_JITTER_PACKETS_MAX);
    // Ticks and frames agree but for what was caught up.
    int64_t ticks = path->seconds * 50;
    EXPECT(figures->frames >= ticks - 10 && figures->frames <= ticks + figures->doubled);
    EXPECT(figures->stats.samples == (uint64_t)figures->frames * FRAME);
    EXPECT(figures->delay_us_end < 600000);
    EXPECT(figures->stats.target_us <= PRL_JITTER_DELAY_MAX_US);
}

PRL_TEST(jitter_on_impaired_paths)
{
    for (uint32_t seed = 1; seed <= 5; seed++)
        for (int loss = 0; loss <= 30; loss += 10)
            for (int jitter_ms = 0; jitter_ms <= 100; jitter_ms += 50) {
                struct trace_path path = {.seed = seed,
                                          .seconds = 60,
                                          .loss = loss / 100.0,
                                          .jitter_us = (int64_t)jitter_ms * 1000,
                                          .duplicate = 0.02};
                struct trace_figures figures;
                REQUIRE(trace_run(&path, &figures));
                expect_sane(&path, &figures);
                // Two in a row are beyond protection; 3 % may be late by design.
                double most = path.loss * path.loss * 1.3 + (jitter_ms ? 0.04 : 0.01);
                EXPECT(figures.concealed < most);
                EXPECT(figures.delay_us_mean < (int64_t)(jitter_ms + 60) * 1000);
            }
}

PRL_TEST(jitter_follows_a_drifting_clock)
{
    for (int ppm = -300; ppm <= 300; ppm += 200) {
        struct trace_path path = {.seed = 3, .seconds = 600, .jitter_us = 20000, .drift_ppm = ppm};
        struct trace_figures figures;
        REQUIRE(trace_run(&path, &figures));
        expect_sane(&path, &figures);
        // 300 ppm are 180 ms in ten minutes; without correction they would be waiting here.
        EXPECT(figures.delay_us_end < 70000);
        EXPECT(figures.concealed < 0.01);
    }
}

PRL_TEST(jitter_catches_up_after_a_blackout)
{
    for (int keeps = 0; keeps < 2; keeps++) {
        struct trace_path path = {.seed = 5,
                                  .seconds = 20,
                                  .jitter_us = 20000,
                                  .blackout_at_us = 10000000,
                                  .blackout_us = 2000000,
                                  .blackout_keeps = keeps};
        struct trace_figures figures;
        REQUIRE(trace_run(&path, &figures));
        expect_sane(&path, &figures);
        EXPECT(figures.delay_us_end < 150000);
        EXPECT(figures.concealed < 0.02);
        if (!keeps)
            continue;
        // 64 of the 100 packets that came at once are heard, twice as fast as they were spoken.
        EXPECT(figures.stats.discarded < 45);
        EXPECT(figures.doubled > 10 && figures.doubled < 80);
    }
}

PRL_TEST(jitter_moves_to_a_longer_and_a_shorter_path)
{
    for (int way = -1; way <= 1; way += 2) {
        struct trace_path path = {.seed = 9,
                                  .seconds = 40,
                                  .jitter_us = 10000,
                                  .step_at_us = 10000000,
                                  .step_us = way > 0 ? 150000 : -35000};
        struct trace_figures figures;
        REQUIRE(trace_run(&path, &figures));
        expect_sane(&path, &figures);
        EXPECT(figures.delay_us_end < 70000);
        EXPECT(figures.concealed < 0.01);
    }
}

PRL_TEST(jitter_keeps_speech_with_dtx_bursts_and_long_packets)
{
    struct trace_path dtx = {.seed = 2, .seconds = 60, .jitter_us = 30000, .dtx = true};
    struct trace_figures figures;
    REQUIRE(trace_run(&dtx, &figures));
    expect_sane(&dtx, &figures);
    EXPECT(figures.concealed < 0.02);
    EXPECT(figures.stats.lost <= figures.stats.late);
    EXPECT(figures.delay_us_mean < 80000);
    struct trace_path burst = {.seed = 2,
                               .seconds = 60,
                               .loss = 0.01,
                               .jitter_us = 30000,
                               .burst_every = 250,
                               .burst_length = 5};
    REQUIRE(trace_run(&burst, &figures));
    expect_sane(&burst, &figures);
    EXPECT(figures.concealed < 0.035); // 2 % are lost in bursts
    for (int ms = 5; ms <= 120; ms += ms < 20 ? 5 : 20) {
        struct trace_path path = {.seed = 4, .seconds = 30, .jitter_us = 20000, .packet_ms = ms};
        REQUIRE(trace_run(&path, &figures));
        expect_sane(&path, &figures);
        EXPECT(figures.concealed < 0.02);
        EXPECT(figures.delay_us_mean < 70000 + (int64_t)ms * 1000);
    }
}

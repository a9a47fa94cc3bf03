// test_leg.c -- a call's sound on the real loop: steps and markers, fades, pauses, a stalled loop, and a
// whole spoken turn through packets, with a scripted peer.
#include "session/leg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "media/g711.h"
#include "rtc/rtc.h"
#include "session/session_state.h"
#include "tests/unit.h"
#include "tests/unit/world.h"

enum { PACKETS_MAX = 1000, WIDE_PER_MS = 24, MS = 1000 };

struct sent {
    int64_t at_us;
    uint32_t step;
    bool marker;
    size_t size;
    double energy; // G.711 only
};

static struct {
    struct world world;
    struct prl_leg *leg;
    struct sent sent[PACKETS_MAX];
    size_t count;
    uint8_t payload[PRL_CODEC_PAYLOAD_MAX]; // the newest
    size_t events[PRL_SESSION_ERROR + 1];
    size_t audio_samples;
    int64_t input_delay_us, truncated_ms;
    bool cleared_before_truncated;
} t;

static void on_send(void *arg, const uint8_t *payload, size_t size, uint32_t step, bool marker)
{
    EXPECT(arg == &t);
    REQUIRE(t.count < PACKETS_MAX && size <= sizeof(t.payload));
    struct sent *sent = &t.sent[t.count++];
    *sent = (struct sent){prl_clock_now_us(), step, marker, size, 0};
    memcpy(t.payload, payload, size);
    for (size_t i = 0; i < size; i++) {
        double sample = prl_g711_ulaw_decode(payload[i]);
        sent->energy += sample * sample / (double)size;
    }
}

static void on_event(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    t.events[event->type]++;
    if (t.leg)
        prl_leg_on_session(t.leg, event);
    if (event->type == PRL_SESSION_OUTPUT_AUDIO)
        t.audio_samples += event->samples;
    if (event->type == PRL_SESSION_LATENCY)
        t.input_delay_us = event->spans->input_delay_us;
    if (event->type == PRL_SESSION_TRUNCATED) {
        t.truncated_ms = event->ms;
        t.cleared_before_truncated = t.events[PRL_SESSION_OUTPUT_CLEARED] > 0;
    }
}

static bool begin(enum prl_codec codec)
{
    memset(&t, 0, sizeof(t));
    prl_clock_hold(prl_clock_now_us());
    enum prl_err err = world_open(&t.world, PRL_API_GA);
    t.world.tap = on_event;
    struct prl_leg_conf conf = {.loop = t.world.loop,
                                .session = t.world.session,
                                .codec = codec,
                                .send = on_send,
                                .send_arg = &t};
    return !err && prl_leg_create(&t.leg, &conf) == PRL_OK;
}

static void end(void)
{
    prl_leg_destroy(&t.leg);
    world_close(&t.world);
    prl_clock_hold(-1);
}

// Time passes only here, a few milliseconds at once, so that a busy machine is not late.
static void run_ms(int64_t ms)
{
    for (int64_t step; ms > 0; ms -= step) {
        step = ms < 4 ? ms : 4;
        prl_clock_hold(prl_clock_now_us() + step * MS);
        prl_loop_turn(t.world.loop, 2000);
    }
}

static void play_tone(size_t ms)
{
    int16_t pcm[WIDE_PER_MS];
    for (size_t m = 0; m < ms; m++) {
        for (size_t i = 0; i < WIDE_PER_MS; i++)
            pcm[i] = (int16_t)(8000 * sin(2 * M_PI * 500 * (double)(m * WIDE_PER_MS + i) / 24000));
        prl_leg_play(t.leg, pcm, WIDE_PER_MS);
    }
}

// Until so many more packets have been sent; a busy machine may take its time.
static void run_packets(size_t more)
{
    size_t until = t.count + more;
    for (int ms = 0; t.count < until && ms < 3000; ms++)
        run_ms(1);
}

static size_t loud_packets(size_t from)
{
    size_t loud = 0;
    for (size_t i = from; i < t.count; i++)
        loud += t.sent[i].energy > 1e5;
    return loud;
}

static struct prl_leg_stats stats_of_leg(void)
{
    struct prl_leg_stats stats;
    prl_leg_stats(t.leg, &stats);
    return stats;
}

PRL_TEST(leg_sends_20_ms_each_20_ms)
{
    REQUIRE(begin(PRL_CODEC_PCMU));
    play_tone(200);
    EXPECT_INT(stats_of_leg().queued_samples, 4800);
    int64_t start_us = prl_clock_now_us();
    run_ms(500);
    int64_t ticks = (prl_clock_now_us() - start_us) / PRL_LEG_TICK_US;
    EXPECT(llabs((int64_t)t.count + (int64_t)stats_of_leg().skipped - ticks) <= 2);
    uint64_t units = 0;
    for (size_t i = 0; i < t.count; i++) {
        units += t.sent[i].step;
        EXPECT_INT(t.sent[i].size, 160);
        EXPECT(!t.sent[i].marker || i == 0);
    }
    EXPECT_INT(units, 160 * (t.count + stats_of_leg().skipped));
    EXPECT(loud_packets(0) >= 10 && loud_packets(0) <= 11);
    EXPECT_INT(loud_packets(12 < t.count ? 12 : t.count), 0);
    EXPECT_INT(stats_of_leg().queued_samples, 0);
    uint64_t paced = 0;
    for (size_t i = 0; i < PRL_LEG_PACING_BUCKETS; i++)
        paced += stats_of_leg().pacing[i];
    EXPECT_INT(paced, t.count);
    end();
}

PRL_TEST(leg_ticks_fall_where_they_are_wanted)
{
    EXPECT_INT(prl_leg_first_tick_us(5000123, 0), 5000123);
    EXPECT_INT(prl_leg_first_tick_us(5000123, 1000), 5001000);
    EXPECT_INT(prl_leg_first_tick_us(5001000, 1000), 5001000);
    EXPECT_INT(prl_leg_first_tick_us(5001001, 1000), 5021000);
    EXPECT_INT(prl_leg_first_tick_us(5000123, 20000), 5020000);
    EXPECT_INT(prl_leg_first_tick_us(5020000, 20000), 5020000);
}

PRL_TEST(leg_phases_are_taken_evenly)
{
    size_t taken[PRL_LEG_PHASES] = {0};
    size_t last = PRL_LEG_PHASES;
    for (size_t i = 0; i < (size_t)3 * PRL_LEG_PHASES; i++) {
        size_t phase = prl_leg_phase(taken);
        REQUIRE(phase < PRL_LEG_PHASES);
        EXPECT_INT(taken[phase], i / PRL_LEG_PHASES);
        EXPECT(phase + 1 != last && phase != last + 1);
        taken[phase]++;
        last = phase;
    }
    taken[4] = 0; // legs that went
    EXPECT_INT(prl_leg_phase(taken), 4);
}

PRL_TEST(leg_complexity_follows_load)
{
    struct prl_leg_look look = {.calm_looks = 5, .share = 0.1};
    EXPECT_INT(prl_leg_complexity(5, &look), 6);
    EXPECT_INT(prl_leg_complexity(8, &look), 8);
    look.share = 0.4; // no room to rise, no reason to fall
    EXPECT_INT(prl_leg_complexity(5, &look), 5);
    look.share = 0.8;
    EXPECT_INT(prl_leg_complexity(5, &look), 3);
    EXPECT_INT(prl_leg_complexity(1, &look), 0);
    look = (struct prl_leg_look){.calm_looks = 4, .share = 0.1};
    EXPECT_INT(prl_leg_complexity(5, &look), 5);
    look = (struct prl_leg_look){.late_ticks = 5, .share = 0.1};
    EXPECT_INT(prl_leg_complexity(5, &look), 3);
    EXPECT_INT(prl_leg_complexity(0, &look), 0);
}

PRL_TEST(leg_opus_rests_between_answers)
{
    REQUIRE(begin(PRL_CODEC_OPUS));
    run_ms(900);
    // A first sign of life, then one each 400 ms.
    EXPECT(t.count == 3 || stats_of_leg().skipped > 0);
    EXPECT(t.sent[1].step == 19200 || stats_of_leg().skipped > 0);
    EXPECT(!t.sent[1].marker);
    size_t quiet = t.count;
    play_tone(100);
    run_ms(300);
    REQUIRE(t.count > quiet + 5);
    EXPECT(t.sent[quiet].marker);
    EXPECT_INT(t.sent[quiet].step % 960, 0);
    EXPECT(t.sent[quiet + 1].step == 960 || stats_of_leg().skipped > 0);
    EXPECT(!t.sent[quiet + 1].marker);
    // Five frames of sound, perhaps a sixth by the borders, and five of silence behind.
    EXPECT(t.count - quiet <= 12);
    end();
}

PRL_TEST(leg_clear_fades_within_10_ms)
{
    REQUIRE(begin(PRL_CODEC_PCMU));
    play_tone(300);
    run_packets(3);
    EXPECT(stats_of_leg().queued_samples > 2000);
    prl_leg_clear(t.leg);
    EXPECT(stats_of_leg().queued_samples <= 240);
    size_t before = t.count;
    run_packets(5);
    // The fade, and what the resampler keeps for its 3 ms.
    EXPECT(loud_packets(before) <= 1);
    EXPECT_INT(loud_packets(before + 1), 0);
    // The next answer follows in full.
    before = t.count;
    play_tone(100);
    run_packets(10);
    EXPECT(loud_packets(before) >= 5);
    prl_leg_clear(t.leg); // of nothing
    EXPECT_INT(stats_of_leg().queued_samples, 0);
    end();
}

PRL_TEST(leg_pause_keeps_the_rest)
{
    REQUIRE(begin(PRL_CODEC_PCMU));
    play_tone(300);
    run_packets(3);
    prl_leg_pause(t.leg);
    prl_leg_pause(t.leg);
    uint32_t queued = stats_of_leg().queued_samples;
    size_t before = t.count;
    run_packets(5);
    EXPECT_INT(stats_of_leg().queued_samples, queued - 240);
    EXPECT(loud_packets(before) <= 1);
    prl_leg_resume(t.leg);
    prl_leg_resume(t.leg);
    before = t.count;
    run_packets(20);
    EXPECT_INT(stats_of_leg().queued_samples, 0);
    EXPECT(llabs((int64_t)loud_packets(before) - (int64_t)(queued - 240) / 480) <= 1);
    // Cut while paused: nothing more leaves.
    play_tone(200);
    run_packets(2);
    prl_leg_pause(t.leg);
    run_packets(2);
    prl_leg_clear(t.leg);
    before = t.count;
    run_packets(3);
    EXPECT_INT(stats_of_leg().queued_samples, 0);
    EXPECT_INT(loud_packets(before + 1), 0);
    end();
}

PRL_TEST(leg_is_bounded)
{
    REQUIRE(begin(PRL_CODEC_OPUS));
    static const int16_t pcm[10000];
    prl_leg_play(t.leg, pcm, 10000);
    EXPECT_INT(stats_of_leg().dropped, 10000 - PRL_LEG_RING_SAMPLES);
    EXPECT_INT(stats_of_leg().queued_samples, PRL_LEG_RING_SAMPLES);
    struct prl_rtc_packet packet = {
        .codec = PRL_RTC_PCMU, .payload = t.payload, .size = 160, .arrival_us = 1};
    prl_leg_packet(t.leg, &packet);
    EXPECT_INT(stats_of_leg().foreign, 1);
    packet.codec = PRL_RTC_OPUS;
    packet.size = 0;
    prl_leg_packet(t.leg, &packet);
    EXPECT_INT(stats_of_leg().in.invalid, 1);
    struct prl_rtc_report report = {.rtt_us = 100000, .jitter_out_us = 90000, .delivered = 0};
    static const uint32_t rates[][2] = {{1, 8000}, {20000, 20000}, {999999, 48000}, {0, 48000}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        report.bitrate_bps = rates[i][0];
        report.fec_loss_percent = (int)i * 10;
        prl_leg_report(t.leg, &report);
        EXPECT_INT(stats_of_leg().bitrate_bps, rates[i][1]);
    }
    end();
}

PRL_TEST(leg_sees_a_queue_on_the_way_out)
{
    REQUIRE(begin(PRL_CODEC_PCMU));
    for (int64_t end_us = prl_clock_now_us() + 1300000; prl_clock_now_us() < end_us; run_ms(10))
        while (stats_of_leg().queued_samples < 7200)
            play_tone(20);
    uint64_t units = 0;
    for (size_t i = 1; i < t.count; i++)
        units += t.sent[i].step;
    // What was sent before the connection stood never counts as delivered: 100 units are constant.
    struct prl_rtc_report report = {.rtt_us = 60000, .jitter_out_us = -1};
    report.delivered = (int64_t)units - 100;
    prl_leg_report(t.leg, &report);
    EXPECT_INT(stats_of_leg().flight_us, 30000);
    report.delivered -= 800; // 100 ms more are under way
    prl_leg_report(t.leg, &report);
    EXPECT(stats_of_leg().flight_us >= 125000 && stats_of_leg().flight_us <= 131000);
    report.delivered -= 4000;
    prl_leg_report(t.leg, &report);
    EXPECT_INT(stats_of_leg().flight_us, 330000);
    report.rtt_us = -1;
    prl_leg_report(t.leg, &report);
    EXPECT_INT(stats_of_leg().flight_us, 0);
    end();
}

// A loop that stood still for 300 ms: time stamps have gone on, the packets in between are not made up.
PRL_TEST(leg_skips_what_a_stall_has_cost)
{
    REQUIRE(begin(PRL_CODEC_PCMU));
    run_ms(100);
    size_t before = t.count;
    prl_clock_hold(prl_clock_now_us() + (int64_t)300 * MS);
    run_packets(1);
    EXPECT(t.count - before >= PRL_LEG_CATCH_UP && t.count - before <= PRL_LEG_CATCH_UP + 2);
    EXPECT(stats_of_leg().skipped >= 9);
    run_ms(100);
    uint64_t units = 0;
    for (size_t i = 0; i < t.count; i++)
        units += t.sent[i].step;
    EXPECT_INT(units, 160 * (t.count + stats_of_leg().skipped));
    end();
}

// Half a second of a tone as packets that come in their time.
static void speak_packets(int count)
{
    struct prl_voice_out *voice = NULL;
    struct prl_opus_tuning tuning = {.bitrate_bps = 24000};
    REQUIRE(prl_voice_out_create(&voice, PRL_CODEC_OPUS, &tuning) == PRL_OK);
    for (int n = 0; n < count; n++) {
        int16_t pcm[PRL_CODEC_IN_SAMPLES];
        uint8_t payload[PRL_CODEC_PAYLOAD_MAX];
        for (size_t i = 0; i < PRL_CODEC_IN_SAMPLES; i++)
            pcm[i] = (int16_t)((n * 480 + (int)i) % 120 * 100 - 6000);
        struct prl_rtc_packet packet = {.codec = PRL_RTC_OPUS,
                                        .seq = (uint16_t)(65530 + n),
                                        .timestamp = (uint32_t)n * 960,
                                        .payload = payload,
                                        .arrival_us = prl_clock_now_us()};
        packet.size = prl_voice_out_encode(voice, pcm, payload);
        prl_leg_packet(t.leg, &packet);
        run_ms(20);
    }
    prl_voice_out_destroy(&voice);
}

#define MANUAL                                                                                     \
    "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{\"input\":{"       \
    "\"turn_detection\":null}}}}"

static bool await_event(enum prl_session_event_type type)
{
    for (int ms = 0; t.events[type] == 0 && ms < 60000; ms++)
        run_ms(1); // lanes need real time: a turn of the loop waits for it
    return t.events[type] > 0;
}

PRL_TEST(leg_carries_a_spoken_turn)
{
    REQUIRE(begin(PRL_CODEC_OPUS));
    REQUIRE(world_ready(&t.world));
    world_send(&t.world, MANUAL);
    speak_packets(15);
    EXPECT(stats_of_leg().in.samples >= 3200);
    // Latency counts from the packet's arrival, and says what it waited in the jitter buffer.
    struct prl_arrival arrival = prl_session_arrival(t.world.session, 1600);
    EXPECT(arrival.delay_us > 5000 && arrival.delay_us < 1000000);
    world_send(&t.world, "{\"type\":\"input_audio_buffer.commit\"}");
    size_t before = t.count;
    world_send(&t.world, "{\"type\":\"response.create\"}");
    REQUIRE(await_event(PRL_SESSION_RESPONSE_DONE));
    REQUIRE(await_event(PRL_SESSION_OUTPUT_STOPPED));
    EXPECT_INT(t.events[PRL_SESSION_OUTPUT_STARTED], 1);
    EXPECT_INT(t.events[PRL_SESSION_OUTPUT_CLEARED], 0);
    EXPECT_INT(t.events[PRL_SESSION_TRUNCATED], 0);
    EXPECT_INT(t.events[PRL_SESSION_ERROR], 0);
    EXPECT_INT(t.events[PRL_SESSION_LATENCY], 2);
    EXPECT_INT(t.input_delay_us, -1); // counted from the request
    // All of the answer left as packets, in real time.
    EXPECT((t.count - before) * 480 >= t.audio_samples);
    EXPECT_INT(stats_of_leg().dropped, 0);
    EXPECT_INT(stats_of_leg().queued_samples, 0);
    end();
}

PRL_TEST(leg_cut_answers_are_truncated_at_what_was_heard)
{
    REQUIRE(begin(PRL_CODEC_OPUS));
    REQUIRE(world_ready(&t.world));
    world_send(&t.world, MANUAL);
    struct prl_rtc_report report = {.rtt_us = 40000, .jitter_out_us = -1, .delivered = -1};
    prl_leg_report(t.leg, &report);
    world_send(&t.world, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
                         "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
                         "\"tell me a story\"}]}}");
    world_send(&t.world, "{\"type\":\"response.create\"}");
    REQUIRE(await_event(PRL_SESSION_OUTPUT_AUDIO));
    // Its first clause is whole before more of the call's time passes: a slow lane makes no gap in it.
    for (int i = 0; i < 60000 && prl_tts_backlog(t.world.tts) > 0; i++)
        prl_loop_turn(t.world.loop, 2000);
    size_t before = t.count;
    run_ms(300);
    int64_t now_us = prl_clock_now_us();
    prl_session_cancel(t.world.session, NULL, NULL);
    int64_t slack_us = INT64_C(10000) + prl_clock_now_us() - now_us + stats_of_leg().pacing_us_max;
    prl_session_clear_output(t.world.session, NULL); // of what is over: nothing
    // What left is heard 100 ms later: half a round trip and the client's 80 ms.
    int64_t heard_us = 0;
    for (size_t i = before; i < t.count; i++) {
        int64_t age_us = now_us - t.sent[i].at_us - 100000;
        heard_us += age_us < 0 ? 0 : age_us < 20000 ? age_us : 20000;
    }
    EXPECT_INT(t.events[PRL_SESSION_OUTPUT_CLEARED], 1);
    EXPECT_INT(t.events[PRL_SESSION_TRUNCATED], 1);
    EXPECT(t.cleared_before_truncated);
    EXPECT(llabs(t.truncated_ms * MS - heard_us) <= slack_us);
    EXPECT(t.truncated_ms < (int64_t)(t.count - before) * 20);
    EXPECT(stats_of_leg().queued_samples <= 240);
    run_ms(100);
    EXPECT_INT(stats_of_leg().queued_samples, 0);
    EXPECT_INT(t.events[PRL_SESSION_OUTPUT_STOPPED], 0);
    end();
}

// ---- echo ----

enum { ECHO_TICKS = 950, ECHO_LEARNT = 650, ECHO_WAY = 5, HELD = 4, HELD_EVERY = 150, ULAW = 160 };

static struct {
    uint8_t way[ECHO_WAY][ULAW]; // from the loudspeaker to the microphone
    uint8_t held[HELD][ULAW];
    size_t held_count;
    uint64_t looked; // input sample
    double heard, left, low;
} loud;

static void play_noise(size_t tick)
{
    int16_t pcm[PRL_CODEC_IN_SAMPLES];
    for (size_t i = 0; i < PRL_CODEC_IN_SAMPLES; i++) {
        double noise = (double)(prl_test_random() % 20001) / 10000.0 - 1.0;
        loud.low += 0.25 * (noise - loud.low);
        double shape = sin(M_PI * (double)((tick * PRL_CODEC_IN_SAMPLES + i) % 8000) / 8000);
        pcm[i] = (int16_t)lrint(20000 * loud.low * shape * shape);
    }
    prl_leg_play(t.leg, pcm, PRL_CODEC_IN_SAMPLES);
}

static void arrive(size_t number, const uint8_t *payload)
{
    struct prl_rtc_packet packet = {.codec = PRL_RTC_PCMU,
                                    .seq = (uint16_t)number,
                                    .timestamp = (uint32_t)number * ULAW,
                                    .payload = payload,
                                    .size = ULAW,
                                    .arrival_us = prl_clock_now_us()};
    prl_leg_packet(t.leg, &packet);
}

// What the loudspeaker played ECHO_WAY ticks ago is in the microphone at half its size. Now and then packets
// are held up and come together, so that the buffer stretches and shortens.
static void hear_echo(size_t tick)
{
    uint8_t payload[ULAW];
    uint8_t *oldest = loud.way[tick % ECHO_WAY];
    for (size_t i = 0; i < ULAW; i++) {
        int16_t sample = (int16_t)(tick < ECHO_WAY ? 0 : prl_g711_ulaw_decode(oldest[i]) / 2);
        loud.heard += tick < ECHO_LEARNT ? 0.0 : 2.0 * sample * sample; // at twice the rate
        payload[i] = prl_g711_ulaw_encode(sample);
    }
    memcpy(oldest, t.payload, ULAW);
    if (tick % HELD_EVERY < HELD) {
        memcpy(loud.held[loud.held_count++], payload, ULAW);
        return;
    }
    for (size_t i = 0; i < loud.held_count; i++)
        arrive(tick - loud.held_count + i, loud.held[i]);
    loud.held_count = 0;
    arrive(tick, payload);
}

static void look(size_t tick)
{
    const struct prl_session *session = t.world.session;
    bool counts = tick >= ECHO_LEARNT && prl_session_echo_demands(session) <= 0.0F;
    for (; loud.looked < session->input; loud.looked++) {
        double sample = session->ring[loud.looked % session->ring_size];
        loud.left += counts ? sample * sample : 0.0;
    }
}

PRL_TEST(leg_takes_its_own_sound_out_of_the_microphone)
{
    struct prl_echo_kit *kit = NULL;
    memset(&loud, 0, sizeof(loud));
    REQUIRE(begin(PRL_CODEC_PCMU));
    REQUIRE(prl_echo_kit_create(&kit, NULL, NULL, 0) == PRL_OK);
    t.world.session->engines.echo = kit;
    world_send(&t.world, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\","
                         "\"parley\":{\"echo_control\":true}}}");
    REQUIRE(prl_session_echo_on(t.world.session));
    for (size_t tick = 0; tick < ECHO_TICKS; tick++) {
        play_noise(tick);
        prl_clock_hold(prl_clock_now_us() + PRL_LEG_TICK_US);
        size_t before = t.count;
        for (int i = 0; i < 1000 && (t.count == before || prl_session_input_waits(t.world.session));
             i++)
            prl_loop_turn(t.world.loop, 1000);
        hear_echo(tick);
        look(tick);
    }
    struct prl_jitter_stats stats = stats_of_leg().in;
    EXPECT(stats.removed > 3200 && stats.concealed > 0);
    EXPECT(loud.heard > 1e9);
    EXPECT(10.0 * log10(loud.heard / (loud.left + 1.0)) > 10.0);
    end();
    prl_echo_kit_destroy(&kit);
}

PRL_TEST_OOM(leg_create)
{
    if (begin(PRL_CODEC_OPUS))
        run_ms(30);
    if (t.world.loop)
        end();
}

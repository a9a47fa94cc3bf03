// test_session_echo.c -- the echo of a call goes, whatever its packets are like: of any length, lost, late
// or of a sender that begins anew. With speexdsp, which is always there.
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "media/resample.h"
#include "session/session_state.h"
#include "tests/unit.h"
#include "tests/unit/world.h"

enum {
    TICK_MS = 20,
    WIDE = 480,
    NARROW = 320,
    TICKS = 900,
    LENGTH = TICKS * NARROW,
    MEASURED = 300 * NARROW, // at the end
    WAY = 1600               // from the loudspeaker back to us
};

struct client {
    size_t packet;     // samples
    size_t lost_every; // packets, 0: none
    size_t rests_at;   // samples that are not sent (silence), 0.4 s, once a second
    int64_t jumps_at;  // the time stamps begin anew at this sample
    bool off;
    bool person; // speaks, as loud as the echo
};

static struct {
    struct world world;
    struct prl_echo_kit *kit;
    struct prl_resample *down;
    int16_t played[LENGTH + NARROW];
    size_t played_count;
    int64_t start_us;
    double low;
    double heard, left;
} t;

static bool begin(bool off)
{
    memset(&t, 0, sizeof(t));
    t.start_us = prl_clock_now_us();
    prl_clock_hold(t.start_us);
    if (world_open(&t.world, PRL_API_GA) != PRL_OK ||
        prl_echo_kit_create(&t.kit, NULL, NULL, 0) != PRL_OK ||
        prl_resample_create(&t.down, 24000, 16000) != PRL_OK)
        return false;
    t.world.session->engines.echo = t.kit;
    world_send(&t.world, off ? "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\"}}"
                             : "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\","
                               "\"parley\":{\"echo_control\":true}}}");
    prl_session_rtp(t.world.session, true);
    return prl_session_echo_on(t.world.session) == !off;
}

static void end(void)
{
    prl_session_rtp(t.world.session, false);
    world_close(&t.world);
    prl_resample_destroy(&t.down);
    prl_echo_kit_destroy(&t.kit);
    prl_clock_hold(-1);
}

// 20 ms of something like speech leave.
static void play(size_t tick)
{
    int16_t pcm[WIDE];
    for (size_t i = 0; i < WIDE; i++) {
        double noise = (double)(prl_test_random() % 20001) / 10000.0 - 1.0;
        t.low += 0.25 * (noise - t.low);
        double shape = sin(M_PI * (double)((tick * WIDE + i) % 8000) / 8000);
        pcm[i] = (int16_t)lrint(20000 * t.low * shape * shape);
    }
    prl_session_sounds(t.world.session, pcm, WIDE, prl_clock_now_us());
    t.played_count += prl_resample_process(t.down, pcm, WIDE, NULL, t.played + t.played_count,
                                           LENGTH + NARROW - t.played_count);
}

// One packet of the microphone from its sample `at` on.
static void hear(const struct client *client, size_t at)
{
    int16_t pcm[NARROW];
    double heard = 0.0;
    double left = 0.0;
    for (size_t i = 0; i < client->packet; i++) {
        pcm[i] = (int16_t)(at + i >= WAY ? t.played[at + i - WAY] / 2 : 0);
        if (client->person)
            pcm[i] = (int16_t)(pcm[i] + 3000.0 * sin((double)(at + i) * 0.3));
        heard += (double)pcm[i] * pcm[i];
    }
    int64_t stamp =
        (int64_t)at + (client->jumps_at && (int64_t)at >= client->jumps_at ? 90000000 : 7);
    int64_t arrival_us = t.start_us + (int64_t)(at + client->packet) * 1000 / 16;
    prl_session_clean(t.world.session, pcm, client->packet, stamp, arrival_us);
    for (size_t i = 0; i < client->packet; i++)
        left += (double)pcm[i] * pcm[i];
    if (at >= LENGTH - MEASURED) {
        t.heard += heard;
        t.left += left;
    }
}

// How many dB of the echo are gone at the end.
static double gone_db(const struct client *client)
{
    size_t at = 0;
    size_t packets = 0;
    if (!begin(client->off))
        return -1.0;
    for (size_t tick = 0; tick < TICKS; tick++) {
        play(tick);
        prl_clock_hold(prl_clock_now_us() + (int64_t)TICK_MS * 1000);
        for (; at + client->packet <= (tick + 1) * NARROW; at += client->packet) {
            bool rests = client->rests_at && at > client->rests_at && at % 16000 < 6400;
            bool lost = client->lost_every && ++packets % client->lost_every == 0;
            if (!rests && !lost)
                hear(client, at);
        }
    }
    end();
    return 10.0 * log10((t.heard + 1.0) / (t.left + 1.0));
}

PRL_TEST(session_echo_goes_in_whole_frames)
{
    EXPECT(gone_db(&(struct client){.packet = 320}) > 15.0);
    EXPECT(gone_db(&(struct client){.packet = 160}) > 15.0);
}

PRL_TEST(session_echo_goes_in_odd_packets)
{
    EXPECT(gone_db(&(struct client){.packet = 200}) > 15.0);
}

PRL_TEST(session_echo_goes_though_packets_are_lost)
{
    EXPECT(gone_db(&(struct client){.packet = 320, .lost_every = 20}) > 8.0);
    EXPECT(gone_db(&(struct client){.packet = 320, .rests_at = 32000}) > 8.0);
}

PRL_TEST(session_echo_goes_when_time_stamps_begin_anew)
{
    EXPECT(gone_db(&(struct client){.packet = 320, .jumps_at = LENGTH / 3}) > 15.0);
}

PRL_TEST(session_echo_stays_while_nobody_asks)
{
    double db = gone_db(&(struct client){.packet = 320, .off = true});
    EXPECT(db > -0.01 && db < 0.01);
}

static void go_on(const struct client *client, size_t from, size_t ticks)
{
    for (size_t tick = from; tick < from + ticks; tick++) {
        play(tick);
        prl_clock_hold(prl_clock_now_us() + (int64_t)TICK_MS * 1000);
        hear(client, tick * NARROW);
    }
}

// What is left of an echo is no voice, and a person over it is one, once the canceller knows the echo.
PRL_TEST(session_echo_is_told_from_a_person)
{
    struct client client = {.packet = 320, .person = true};
    struct prl_session *session;
    REQUIRE(begin(false));
    session = t.world.session;
    EXPECT(prl_session_echo_demands(session) <= 0.0F); // nothing sounds
    go_on(&client, 0, 150);
    EXPECT(prl_session_echo_demands(session) > 0.8F); // nor does it know the echo of 3 s
    client.person = false;
    go_on(&client, 150, 560);
    EXPECT(prl_session_echo_demands(session) > 0.8F);
    client.person = true;
    go_on(&client, 710, 20);
    EXPECT(prl_session_echo_demands(session) <= 0.0F);
    // Sound that hides a gap is none to judge by.
    int16_t pcm[NARROW] = {0};
    REQUIRE(prl_session_append_at(session, pcm, NARROW, 16000, prl_clock_now_us(), true) == PRL_OK);
    EXPECT(prl_session_echo_demands(session) > 0.8F);
    for (int i = 0; i < 1000 && prl_session_input_waits(session); i++)
        prl_loop_turn(t.world.loop, 1000);
    EXPECT(prl_session_echo_demands(session) <= 0.0F);
    // Nor is anything after a jump of the sender's clock.
    client.jumps_at = 1;
    go_on(&client, 730, 1);
    EXPECT(prl_session_echo_demands(session) > 0.8F);
    end();
}

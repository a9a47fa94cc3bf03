// test_session_front.c -- whose microphone is turned up: by the server's mode, the client's wish and the way in;
// and that frames of 10 ms lose and delay nothing. Where the module was built.
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "dsp/echo.h"
#include "session/session.h"
#include "session/session_state.h"
#include "tests/unit.h"
#include "tests/unit/aec3_kit.h"
#include "tests/unit/world.h"

enum { PIECE_MAX = 3200 };

struct room {
    struct world world;
    struct prl_echo_kit *kit;
};

static bool open_room(struct room *room)
{
    *room = (struct room){.kit = aec3_kit()};
    if (!room->kit)
        return false; // not built here
    if (world_open(&room->world, PRL_API_GA) == PRL_OK && world_ready(&room->world)) {
        room->world.session->engines.echo = room->kit;
        return true;
    }
    world_close(&room->world);
    prl_echo_kit_destroy(&room->kit);
    EXPECT(prl_test_oom());
    return false;
}

static void close_room(struct room *room)
{
    world_close(&room->world);
    prl_echo_kit_destroy(&room->kit);
}

// A quiet tone of so many samples, of which all but `rest` are looked at; how much louder it then is.
static double turned_up_db(struct room *room, size_t count, size_t rest)
{
    struct prl_session *session = room->world.session;
    int16_t pcm[PIECE_MAX];
    double in = 0.0;
    double out = 1e-9;
    for (size_t i = 0; i < count; i++) {
        pcm[i] = (int16_t)lrint(100.0 * sin(2.0 * M_PI * (double)i / 16.0));
        in += (double)pcm[i] * pcm[i];
    }
    uint64_t from = session->input;
    EXPECT(prl_session_append(session, pcm, count, PRL_SESSION_RATE_HZ) == PRL_OK);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (session->input + rest < session->received && prl_clock_now_us() < end_us)
        prl_loop_turn(room->world.loop, 1000);
    EXPECT_INT(session->received - session->input, rest);
    for (uint64_t at = from; at < session->input; at++) {
        double value = session->ring[at % session->ring_size];
        out += value * value;
    }
    return 10.0 * log10(out / in);
}

PRL_TEST(session_front_turns_up_whom_it_shall)
{
    static const struct {
        enum prl_session_gain_mode mode;
        int wish;
        bool rtp, up;
    } rows[] = {
        {PRL_SESSION_GAIN_AUTO, -1, false, true}, {PRL_SESSION_GAIN_AUTO, -1, true, false},
        {PRL_SESSION_GAIN_AUTO, 1, true, true},   {PRL_SESSION_GAIN_AUTO, 0, false, false},
        {PRL_SESSION_GAIN_ON, -1, true, true},    {PRL_SESSION_GAIN_ON, 0, true, false},
        {PRL_SESSION_GAIN_OFF, 1, false, false},  {PRL_SESSION_GAIN_OFF, -1, false, false},
    };
    static struct room room;
    if (!open_room(&room))
        return;
    struct prl_session *session = room.world.session;
    EXPECT(!session->gain); // before any sound it would be memory for nothing
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        session->conf.conf.gain_mode = rows[i].mode;
        session->conf.conf.gain_wish = rows[i].wish;
        prl_session_rtp(session, rows[i].rtp);
        double db = turned_up_db(&room, PIECE_MAX, 0);
        EXPECT(rows[i].up ? db > 10.0 : fabs(db) < 1.0);
        EXPECT(rows[i].up == (session->gain != NULL));
    }
    prl_session_rtp(session, false);
    close_room(&room);
}

PRL_TEST(session_front_leaves_echo_control_alone_unless_asked)
{
    static struct room room;
    if (!open_room(&room))
        return;
    struct prl_session *session = room.world.session;
    (void)turned_up_db(&room, PIECE_MAX, 0);
    EXPECT(session->gain && !session->echo);
    session->conf.conf.echo_wish = 1;
    prl_session_input_configure(session);
    EXPECT(prl_test_oom() || (!session->gain && session->echo));
    session->conf.conf.gain_wish = 1;
    prl_session_input_configure(session);
    EXPECT(session->gain);
    close_room(&room);
}

PRL_TEST(session_front_follows_the_client)
{
    static struct room room;
    if (!open_room(&room))
        return;
    EXPECT(turned_up_db(&room, PIECE_MAX, 0) > 10.0);
    world_send(&room.world, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\","
                            "\"parley\":{\"gain_control\":false}}}");
    EXPECT(fabs(turned_up_db(&room, PIECE_MAX, 0)) < 1.0);
    world_send(&room.world, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\","
                            "\"parley\":{\"gain_control\":true}}}");
    EXPECT(turned_up_db(&room, PIECE_MAX, 0) > 10.0);
    close_room(&room);
}

PRL_TEST(session_front_takes_direct_current_out)
{
    static struct room room;
    static int16_t pcm[PIECE_MAX];
    if (!open_room(&room))
        return;
    struct prl_session *session = room.world.session;
    for (size_t i = 0; i < PIECE_MAX; i++)
        pcm[i] = 500;
    EXPECT(prl_session_append(session, pcm, PIECE_MAX, PRL_SESSION_RATE_HZ) == PRL_OK);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (session->input < session->received && prl_clock_now_us() < end_us)
        prl_loop_turn(room.world.loop, 1000);
    EXPECT_INT(session->ring[(session->input - 1) % session->ring_size], 0);
    close_room(&room);
}

PRL_TEST(session_front_keeps_what_is_less_than_a_frame)
{
    static struct room room;
    if (!open_room(&room))
        return;
    struct prl_session *session = room.world.session;
    (void)turned_up_db(&room, 1000, 1000 % 160);
    EXPECT(prl_session_input_waits(session)); // a commit would take it along
    (void)turned_up_db(&room, 30, 40 + 30);
    (void)turned_up_db(&room, 90, 0);
    (void)turned_up_db(&room, 1000, 1000 % 160);
    prl_session_input_hurry(session);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (session->hurry && prl_clock_now_us() < end_us)
        prl_loop_turn(room.world.loop, 1000);
    EXPECT(session->input == session->received && !prl_session_input_waits(session));
    (void)turned_up_db(&room, 320, 0); // and on
    // Switched off with sound waiting, that sound is not lost.
    (void)turned_up_db(&room, 100, 100);
    session->conf.conf.gain_mode = PRL_SESSION_GAIN_OFF;
    prl_session_input_configure(session);
    (void)turned_up_db(&room, 100, 0);
    close_room(&room);
}

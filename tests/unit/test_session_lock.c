// test_session_lock.c -- the speaker lock inside a session, with a scripted speaker model: whom it learns, whom
// it refuses, what the floor is told, and how it is switched, also with every allocation failing in turn.
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "engine/judge.h"
#include "session/session.h"
#include "session/session_state.h"
#include "tests/unit.h"
#include "tests/unit/world.h"
#include "vad/speaker.h"

// The voices, told to the scripted model by the last sample of the sound. Of BROKEN it makes nothing.
enum { SPEAKER = 1, TELEVISION = 2, BROKEN = 3 };
enum { PIECE = 512 };
// Turns of 1 ms; while an allocation fails, what is awaited may never come.
#define TURNS_MAX (prl_test_oom() ? 100 : 100000)

// NOLINTNEXTLINE(readability-non-const-parameter): the table's signature
static enum prl_err open_script(void **ctx, const struct prl_judge_open_conf *conf, char *why,
                                size_t why_size)
{
    (void)conf;
    (void)why;
    (void)why_size;
    *ctx = prl_mem_zalloc(1);
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

static void close_script(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err embed_script(void *ctx, const int16_t *pcm, size_t n, float *voice)
{
    (void)ctx;
    memset(voice, 0, PRL_SPEAKER_VALUES * sizeof(*voice));
    voice[pcm[n - 1]] = 1.0F;
    return pcm[n - 1] == BROKEN ? PRL_ERR_ENGINE : PRL_OK;
}

static const struct prl_judge_backend_ops SCRIPT = {
    .name = "script", .open = open_script, .close = close_script, .run = embed_script};

struct room {
    struct world world;
    struct prl_speaker *speaker;
    struct prl_speaker_stream *barrier; // its answers come after the session's
    int ready, asked, answered;
};

static void on_ready(void *arg)
{
    ((struct room *)arg)->ready++;
}

static void on_error(void *arg, const char *why)
{
    (void)why;
    ((struct room *)arg)->ready += 100;
}

static void on_barrier(void *arg, const struct prl_speaker_answer *answer)
{
    (void)answer;
    ((struct room *)arg)->answered++;
}

static void configure(struct room *room, enum prl_session_lock_mode mode, int wish)
{
    struct prl_session *session = room->world.session;
    session->conf.conf.lock_mode = mode;
    session->conf.conf.lock_wish = wish;
    prl_session_lock_configure(session);
    prl_floor_configure(session->floor, &session->conf.conf.floor);
}

static enum prl_err open_room(struct room *room)
{
    memset(room, 0, sizeof(*room));
    enum prl_err err = world_open(&room->world, PRL_API_GA);
    if (err)
        return err;
    struct prl_speaker_conf conf = {.loop = room->world.loop,
                                    .model = "script",
                                    .backend = &SCRIPT,
                                    .on_ready = on_ready,
                                    .on_error = on_error,
                                    .arg = room};
    err = prl_speaker_create(&room->speaker, &conf);
    if (!err)
        err = prl_speaker_open(room->speaker, on_barrier, room, &room->barrier);
    if (err)
        return err;
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (room->ready == 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(room->world.loop, 1000);
    if (room->ready != 1 || !world_ready(&room->world))
        return PRL_ERR_ENGINE;
    room->world.session->engines.speaker = room->speaker;
    configure(room, PRL_SESSION_LOCK_ASK, 1);
    // No line stalls and no answer is over while a test looks.
    prl_clock_hold(prl_clock_now_us());
    static const int16_t silence[PIECE];
    err = prl_session_append(room->world.session, silence, PIECE, PRL_SPEAKER_RATE_HZ);
    for (int i = 0; !err && i < TURNS_MAX && room->world.session->input == 0; i++)
        prl_loop_turn(room->world.loop, 1000);
    return err;
}

static void close_room(struct room *room)
{
    prl_clock_hold(-1);
    // The engines outlive the session; the loop, which is the world's, outlives them.
    prl_session_destroy(&room->world.session);
    prl_speaker_close(&room->barrier);
    prl_speaker_destroy(&room->speaker);
    world_close(&room->world);
}

// Every question that was asked is answered. The clock may be held.
static void settle(struct room *room)
{
    static const int16_t silence[PRL_SPEAKER_SAMPLES_MIN];
    if (prl_speaker_ask(room->barrier, 1, silence, PRL_SPEAKER_SAMPLES_MIN) != PRL_OK) {
        EXPECT(prl_test_oom());
        return;
    }
    room->asked++;
    for (int i = 0; i < TURNS_MAX && room->answered < room->asked; i++)
        prl_loop_turn(room->world.loop, 1000);
    EXPECT(prl_test_oom() || room->answered == room->asked);
}

// An utterance opens, by what a voice detector would say; returns its number.
static uint32_t open_utterance(struct room *room)
{
    struct prl_session *session = room->world.session;
    prl_session_step(
        session, &(struct prl_floor_event){.fact = PRL_FACT_VOICE_ON, .sample = session->input});
    EXPECT(prl_test_oom() || session->open);
    return session->open ? session->open->id : 0;
}

static void end_utterance(struct room *room)
{
    struct prl_session *session = room->world.session;
    world_send(&room->world, "{\"type\":\"input_audio_buffer.clear\"}");
    prl_session_step(
        session, &(struct prl_floor_event){.fact = PRL_FACT_VOICE_OFF, .sample = session->input});
    EXPECT(prl_test_oom() || !session->open);
}

static void say(struct room *room, int16_t voice, size_t ms)
{
    static int16_t pcm[PRL_SPEAKER_SAMPLES_MAX];
    size_t count = ms * PRL_SPEAKER_RATE_HZ / 1000;
    REQUIRE(count <= PRL_SPEAKER_SAMPLES_MAX);
    for (size_t i = 0; i < count; i++)
        pcm[i] = voice;
    prl_session_lock_sound(room->world.session, pcm, count, true);
    settle(room);
}

static void fall_silent(struct room *room)
{
    static const int16_t pcm[PIECE];
    prl_session_lock_sound(room->world.session, pcm, PIECE, false);
    settle(room);
}

static uint32_t flags_of(struct room *room, uint32_t utterance)
{
    return prl_session_lock_flags(room->world.session, utterance);
}

static uint32_t lock_ms(const struct room *room)
{
    return room->world.session->conf.conf.floor.lock_ms;
}

// How often the floor was told of words.
static uint32_t told(const struct room *room)
{
    uint32_t count = 0;
    for (int user = 0; user < PRL_FLOOR_USERS; user++)
        for (int answer = 0; answer < PRL_FLOOR_ANSWERS; answer++)
            count += prl_floor_visits(room->world.session->floor, PRL_FACT_PARTIAL,
                                      (enum prl_floor_user)user, (enum prl_floor_answer)answer);
    return count;
}

static void learn(struct room *room)
{
    uint32_t first = open_utterance(room);
    for (int i = 0; i < 3; i++)
        say(room, SPEAKER, 1500);
    EXPECT_INT(flags_of(room, first), 0);
    EXPECT_INT(lock_ms(room), 0);
    end_utterance(room);
    prl_session_lock_said(room->world.session, first);
    EXPECT(prl_test_oom() || lock_ms(room) == room->world.session->conf.conf.lock_wait_ms);
}

PRL_TEST(session_lock_refuses_another_voice)
{
    static struct room room;
    REQUIRE(open_room(&room) == PRL_OK);
    struct prl_session *session = room.world.session;
    learn(&room);
    uint64_t refused = prl_metrics_value(PRL_METRIC_OTHER_VOICES);
    uint32_t other = open_utterance(&room);
    say(&room, TELEVISION, 1400);
    EXPECT_INT(flags_of(&room, other), 0); // too little
    EXPECT(!prl_session_lock_refuses(session, other));
    uint32_t before = told(&room);
    say(&room, TELEVISION, 100);
    EXPECT_INT(flags_of(&room, other), PRL_FLOOR_OTHER);
    EXPECT_INT(told(&room), before + 1);
    EXPECT(prl_session_lock_refuses(session, other) && prl_session_lock_refuses(session, other));
    EXPECT_INT(prl_metrics_value(PRL_METRIC_OTHER_VOICES), refused + 1); // one voice, once
    say(&room, TELEVISION, 1000);
    EXPECT_INT(told(&room), before + 1); // nothing new
    say(&room, SPEAKER, 1500);           // joins in
    EXPECT_INT(flags_of(&room, other), PRL_FLOOR_MINE);
    EXPECT_INT(told(&room), before + 2); // what was made of it as another's is void
    EXPECT(!prl_session_lock_refuses(session, other));
    end_utterance(&room);

    other = open_utterance(&room);
    say(&room, TELEVISION, 1000);
    EXPECT_INT(flags_of(&room, other), 0);
    fall_silent(&room);
    EXPECT_INT(flags_of(&room, other), PRL_FLOOR_OTHER);
    end_utterance(&room);
    uint32_t mine = open_utterance(&room);
    before = told(&room);
    say(&room, SPEAKER, 1500);
    EXPECT_INT(flags_of(&room, mine), PRL_FLOOR_MINE);
    EXPECT_INT(told(&room), before);                     // no decision waits for it
    EXPECT_INT(flags_of(&room, other), PRL_FLOOR_OTHER); // its transcript may still be awaited
    EXPECT_INT(prl_metrics_value(PRL_METRIC_OTHER_VOICES), refused + 1);
    close_room(&room);
}

PRL_TEST(session_lock_asks_about_the_end_when_the_model_is_slow)
{
    static struct room room;
    static int16_t pcm[PRL_SPEAKER_SAMPLES_MAX];
    REQUIRE(open_room(&room) == PRL_OK);
    struct prl_session *session = room.world.session;
    learn(&room);
    for (size_t i = 0; i < PRL_SPEAKER_SAMPLES_MAX; i++)
        pcm[i] = TELEVISION;
    uint32_t other = open_utterance(&room);
    prl_session_lock_sound(session, pcm, 24000, true); // asked about
    prl_session_lock_sound(session, pcm, 25000, true);
    prl_session_lock_sound(session, pcm, PIECE, false); // over, and the answer has not come
    settle(&room);
    EXPECT_INT(flags_of(&room, other), 0); // so much of it is unknown
    fall_silent(&room);
    EXPECT_INT(flags_of(&room, other), PRL_FLOOR_OTHER);
    close_room(&room);
}

PRL_TEST(session_lock_hears_whom_it_doubts)
{
    static struct room room;
    REQUIRE(open_room(&room) == PRL_OK);
    struct prl_session *session = room.world.session;
    uint32_t early = open_utterance(&room); // nobody is known yet
    say(&room, TELEVISION, 1500);
    EXPECT_INT(flags_of(&room, early), 0);
    end_utterance(&room);
    learn(&room);
    uint32_t unclear = open_utterance(&room);
    say(&room, BROKEN, 1500);
    say(&room, BROKEN, 1500);
    fall_silent(&room);
    EXPECT_INT(flags_of(&room, unclear), 0);
    EXPECT(!prl_session_lock_refuses(session, unclear));
    end_utterance(&room);
    uint32_t before = told(&room);
    say(&room, TELEVISION, 2000); // in no utterance
    fall_silent(&room);
    EXPECT_INT(told(&room), before);
    EXPECT_INT(flags_of(&room, 0), 0);
    EXPECT_INT(flags_of(&room, unclear + 1), 0);
    EXPECT(!prl_session_lock_refuses(session, 0));
    EXPECT(!prl_session_lock_refuses(session, unclear + 1));
    prl_session_lock_said(session, unclear + 1);
    close_room(&room);
}

PRL_TEST(session_lock_is_switched_and_starts_afresh)
{
    static struct room room;
    REQUIRE(open_room(&room) == PRL_OK);
    struct prl_session *session = room.world.session;
    learn(&room);
    uint32_t other = open_utterance(&room);
    say(&room, TELEVISION, 1500);
    configure(&room, PRL_SESSION_LOCK_ASK, -1); // nobody asks for it any more
    EXPECT(!session->lock && lock_ms(&room) == 0);
    EXPECT_INT(flags_of(&room, other), 0);
    say(&room, TELEVISION, 1500);
    fall_silent(&room);
    configure(&room, PRL_SESSION_LOCK_ON, -1);
    EXPECT(session->lock && lock_ms(&room) == 0); // it knows nobody
    configure(&room, PRL_SESSION_LOCK_ON, 0);
    EXPECT(!session->lock);
    configure(&room, PRL_SESSION_LOCK_OFF, 1);
    EXPECT(!session->lock);
    configure(&room, PRL_SESSION_LOCK_ON, 1);
    EXPECT(session->lock);
    // Switched off while a question is under way, by the client and by the end.
    static const int16_t pcm[PRL_SPEAKER_SAMPLES_MAX];
    prl_session_lock_sound(session, pcm, PRL_SPEAKER_SAMPLES_MAX, true);
    configure(&room, PRL_SESSION_LOCK_OFF, 1);
    settle(&room);
    session->engines.speaker = NULL;
    configure(&room, PRL_SESSION_LOCK_ON, 1);
    EXPECT(!session->lock); // no model
    session->engines.speaker = room.speaker;
    configure(&room, PRL_SESSION_LOCK_ON, 1);
    prl_session_lock_sound(session, pcm, PRL_SPEAKER_SAMPLES_MAX, true);
    close_room(&room);
}

PRL_TEST(session_lock_tells_the_speaker_where_an_answer_waits)
{
    static struct room room;
    REQUIRE(open_room(&room) == PRL_OK);
    learn(&room);
    world_send(&room.world, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
                            "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
                            "\"tell me a story\"}]}}");
    world_send(&room.world, "{\"type\":\"response.create\"}");
    EXPECT(world_await(&room.world, "response.output_audio.delta"));
    uint32_t mine = open_utterance(&room);
    uint32_t before = told(&room);
    say(&room, SPEAKER, 1500);
    EXPECT_INT(flags_of(&room, mine), PRL_FLOOR_MINE);
    EXPECT_INT(told(&room), before + 1);
    close_room(&room);
}

PRL_TEST_OOM(session_lock_without_memory)
{
    static struct room room;
    if (open_room(&room) == PRL_OK) {
        learn(&room);
        uint32_t other = open_utterance(&room);
        say(&room, TELEVISION, 1500);
        uint32_t flags = flags_of(&room, other);
        EXPECT(flags == PRL_FLOOR_OTHER || (flags == 0 && prl_test_oom()));
        configure(&room, PRL_SESSION_LOCK_OFF, 1);
        EXPECT_INT(flags_of(&room, other), 0);
    }
    close_room(&room);
}

// test_floor.c -- each rule of the floor in a short talk; what it says is compared as text. The
// simulator (tests/sim) looks at what these do not: everything together, at random.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "session/floor.h"
#include "tests/unit.h"

enum { WINDOW_MS = 10, PER_MS = 16, OUT_PER_MS = 24, TEXT_MAX = 2000 };

struct talk {
    struct prl_floor *floor;
    struct prl_floor_conf conf;
    int64_t now_ms;
    int64_t input_ms;
    int64_t deadline_us;
    bool stalled;       // no sound comes in
    uint64_t asked_end; // of the last question to the end-of-turn model
    char said[TEXT_MAX];
    size_t len;
    bool followed; // by a recogniser that is quick
};

static const char *const ACTS[PRL_ACT_COUNT] = {
    [PRL_ACT_OPEN_UTTERANCE] = "open",
    [PRL_ACT_SPEECH_STARTED] = "started",
    [PRL_ACT_DISCARD_UTTERANCE] = "discard",
    [PRL_ACT_COMMIT_UTTERANCE] = "commit",
    [PRL_ACT_TRANSCRIBE] = "transcribe",
    [PRL_ACT_TRANSCRIBED] = "said",
    [PRL_ACT_EMPTY_UTTERANCE] = "empty",
    [PRL_ACT_TRANSCRIPT_FAILED] = "unheard",
    [PRL_ACT_ASK_EOT] = "eot?",
    [PRL_ACT_JUDGE] = "judge",
    [PRL_ACT_CLEARED] = "cleared",
    [PRL_ACT_IDLE_TIMEOUT] = "idle",
    [PRL_ACT_SPECULATE] = "speculate",
    [PRL_ACT_DROP_SPECULATION] = "drop",
    [PRL_ACT_GENERATE] = "generate",
    [PRL_ACT_START_RESPONSE] = "start",
    [PRL_ACT_RELEASE] = "release",
    [PRL_ACT_HOLD] = "hold",
    [PRL_ACT_PAUSE] = "pause",
    [PRL_ACT_RESUME] = "resume",
    [PRL_ACT_CANCEL] = "cancel",
    [PRL_ACT_REPLACE] = "replace",
    [PRL_ACT_END_AT] = "end",
    [PRL_ACT_FINISH] = "finish",
    [PRL_ACT_PLAYED] = "played",
    [PRL_ACT_ANTICIPATE] = "anticipate",
    [PRL_ACT_CONFIRM] = "confirm",
    [PRL_ACT_FILLER] = "filler",
    [PRL_ACT_REFUSE] = "refuse",
};
static const char *const REASONS[] = {"",       "turn", "client",  "replaced",  "idle",
                                      "failed", "slow", "leaving", "completed", "incomplete"};
static const char *const REFUSALS[] = {"", "active", "inactive", "no-sound", "busy"};

__attribute__((format(printf, 2, 3))) static void note(struct talk *talk, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    talk->len += (size_t)vsnprintf(talk->said + talk->len, TEXT_MAX - talk->len, format, args);
    va_end(args);
    if (talk->len >= TEXT_MAX)
        talk->len = TEXT_MAX - 1;
}

static void note_action(struct talk *talk, const struct prl_floor_action *action)
{
    if (action->act == PRL_ACT_ASK_EOT)
        talk->asked_end = action->end;
    note(talk, "%s%s", talk->len ? ", " : "", ACTS[action->act]);
    if (action->utterance)
        note(talk, " u%u", action->utterance);
    if (action->generation)
        note(talk, " g%u", action->generation);
    if (action->new_generation)
        note(talk, ">g%u", action->new_generation);
    if (action->reason)
        note(talk, " %s", REASONS[action->reason]);
    if (action->refusal)
        note(talk, " %s", REFUSALS[action->refusal]);
}

static void step(struct talk *talk, struct prl_floor_event event)
{
    struct prl_floor_actions out;
    prl_floor_step(talk->floor, &event, talk->now_ms * 1000, (uint64_t)talk->input_ms * PER_MS,
                   &out);
    for (uint32_t i = 0; i < out.count; i++)
        note_action(talk, &out.list[i]);
    talk->deadline_us = out.deadline_us;
}

static void fact(struct talk *talk, enum prl_floor_fact kind)
{
    step(talk, (struct prl_floor_event){.fact = kind});
}

static void fact_of(struct talk *talk, enum prl_floor_fact kind, uint32_t generation)
{
    step(talk, (struct prl_floor_event){.fact = kind, .generation = generation});
}

static void wait_ms(struct talk *talk, int64_t ms)
{
    for (int64_t end_ms = talk->now_ms + ms; talk->now_ms < end_ms;) {
        talk->now_ms += WINDOW_MS;
        if (!talk->stalled)
            talk->input_ms += WINDOW_MS;
        if (!talk->stalled)
            step(talk, (struct prl_floor_event){.fact = PRL_FACT_INPUT,
                                                .flags = talk->followed ? PRL_FLOOR_FOLLOWED : 0});
        else if (talk->deadline_us <= talk->now_ms * 1000)
            fact(talk, PRL_FACT_DEADLINE);
    }
}

static void voice(struct talk *talk, bool on)
{
    step(talk, (struct prl_floor_event){.fact = on ? PRL_FACT_VOICE_ON : PRL_FACT_VOICE_OFF,
                                        .sample = (uint64_t)talk->input_ms * PER_MS});
}

static void speak(struct talk *talk, int64_t ms)
{
    voice(talk, true);
    wait_ms(talk, ms);
    voice(talk, false);
}

static void words(struct talk *talk, uint32_t generation, uint32_t count, uint32_t flags)
{
    step(talk,
         (struct prl_floor_event){
             .fact = PRL_FACT_STT_FINAL, .generation = generation, .words = count, .flags = flags});
}

static void partial(struct talk *talk, uint32_t utterance, uint32_t count, uint32_t flags)
{
    step(talk, (struct prl_floor_event){.fact = PRL_FACT_PARTIAL,
                                        .utterance = utterance,
                                        .words = count,
                                        .flags = flags | PRL_FLOOR_FOLLOWED});
}

static void sound(struct talk *talk, uint32_t generation, uint64_t ms, bool done)
{
    step(talk, (struct prl_floor_event){.fact = done ? PRL_FACT_ANSWER_DONE : PRL_FACT_ANSWER_AUDIO,
                                        .generation = generation,
                                        .samples = ms * OUT_PER_MS});
}

static void heard(struct talk *talk, uint32_t generation, uint64_t sent_ms, uint64_t ms)
{
    step(talk, (struct prl_floor_event){.fact = PRL_FACT_HEARD,
                                        .generation = generation,
                                        .sent = sent_ms * OUT_PER_MS,
                                        .samples = ms * OUT_PER_MS});
}

static void said(struct talk *talk, const char *file, int line, const char *expected)
{
    prl_test_text(file, line, "said", talk->said, expected);
    talk->len = 0;
    talk->said[0] = '\0';
}

static void forget(struct talk *talk)
{
    talk->len = 0;
    talk->said[0] = '\0';
}

#define SAID(talk, text) said(talk, __FILE__, __LINE__, text)

static void begin(struct talk *talk, enum prl_floor_turns turns)
{
    memset(talk, 0, sizeof(*talk));
    prl_floor_conf_init(&talk->conf);
    talk->conf.turns = turns;
    // The tests' times do not follow the defaults.
    talk->conf.interrupt_min_ms = 160;
    talk->conf.interrupt_max_ms = 600;
    talk->conf.verdict_max_ms = 800;
    talk->conf.interrupt_unjudged_ms = 300;
    EXPECT_OK(prl_floor_create(&talk->floor, &talk->conf));
    wait_ms(talk, 1000);
    SAID(talk, "");
}

static void configure(struct talk *talk)
{
    prl_floor_configure(talk->floor, &talk->conf);
    fact(talk, PRL_FACT_UPDATE);
}

static void end_talk(struct talk *talk)
{
    EXPECT_INT(prl_floor_stats(talk->floor)->impossible, 0);
    prl_floor_destroy(&talk->floor);
    EXPECT(talk->floor == NULL);
}

// A whole turn up to an answer of 2 s that has been heard for 500 ms: utterance and generation 1.
static void until_speaking(struct talk *talk)
{
    speak(talk, 800);
    wait_ms(talk, 100);
    words(talk, 1, 3, 0);
    sound(talk, 1, 2000, true);
    wait_ms(talk, 500);
    heard(talk, 1, 900, 500);
    EXPECT_INT(prl_floor_answer(talk->floor), PRL_FLOOR_SPEAKING);
    talk->len = 0;
    talk->said[0] = '\0';
}

PRL_TEST(floor_server_vad_commits_after_the_silence)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.speculations_max = 0;
    configure(&talk);
    speak(&talk, 800);
    SAID(&talk, "open u1, started u1");
    wait_ms(&talk, 490);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "commit u1 g1, transcribe u1 g1");
    words(&talk, 1, 4, 0);
    SAID(&talk, "said u1 g1, start g2 turn, generate g2, release g2");
    sound(&talk, 2, 1000, true);
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_SPEAKING);
    heard(&talk, 2, 400, 0);
    SAID(&talk, "");
    heard(&talk, 2, 1000, 600);
    SAID(&talk, "finish g2 completed");
    heard(&talk, 2, 1000, 1000);
    SAID(&talk, "played g2");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_NONE);
    end_talk(&talk);
}

PRL_TEST(floor_positions_of_an_utterance)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    struct prl_floor_actions out;
    struct prl_floor_event on = {.fact = PRL_FACT_VOICE_ON, .sample = 15000};
    prl_floor_step(talk.floor, &on, 1000000, 16000, &out);
    EXPECT_INT(out.list[1].start, 15000 - 4800);
    struct prl_floor_event off = {.fact = PRL_FACT_VOICE_OFF, .sample = 31000};
    prl_floor_step(talk.floor, &off, 2000000, 32000, &out);
    struct prl_floor_event input = {.fact = PRL_FACT_INPUT};
    prl_floor_step(talk.floor, &input, 2500000, 40000, &out);
    EXPECT_INT(out.list[1].act, PRL_ACT_COMMIT_UTTERANCE);
    EXPECT_INT(out.list[1].start, 15000 - 4800);
    EXPECT_INT(out.list[1].end, 40000);
    EXPECT_INT(out.list[1].speech_end, 31000);
    EXPECT(out.list[1].announced);
    // The next one does not reach back into what was committed.
    talk.now_ms = 2600;
    talk.input_ms = 2600;
    prl_floor_step(talk.floor, &(struct prl_floor_event){.fact = PRL_FACT_OUTPUT_CLEAR}, 2600000,
                   41600, &out);
    talk.conf.create_response = false;
    configure(&talk);
    fact_of(&talk, PRL_FACT_CANCEL, 0);
    prl_floor_step(talk.floor,
                   &(struct prl_floor_event){.fact = PRL_FACT_VOICE_ON, .sample = 41600}, 2600000,
                   41600, &out);
    EXPECT_INT(out.list[out.count - 1].act, PRL_ACT_SPEECH_STARTED);
    EXPECT_INT(out.list[out.count - 1].start, 40000);
    end_talk(&talk);
}

PRL_TEST(floor_speculation_is_adopted_by_the_commit)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 800);
    wait_ms(&talk, 90);
    SAID(&talk, "open u1, started u1");
    wait_ms(&talk, 10);
    SAID(&talk, "speculate u1 g1");
    wait_ms(&talk, 100);
    words(&talk, 1, 3, 0);
    SAID(&talk, "generate g1");
    sound(&talk, 1, 500, false);
    wait_ms(&talk, 290);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "commit u1 g1, said u1 g1, start g1 turn, release g1");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_SPEAKING);
    EXPECT_INT(prl_floor_stats(talk.floor)->speculations_used, 1);
    end_talk(&talk);
}

PRL_TEST(floor_speculation_is_dropped_without_a_trace)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    for (uint32_t i = 1; i <= 4; i++) {
        speak(&talk, 300);
        wait_ms(&talk, 300);
    }
    // Three tries a turn.
    SAID(&talk, "open u1, started u1, speculate u1 g1, drop g1, speculate u1 g2, drop g2, "
                "speculate u1 g3, drop g3");
    wait_ms(&talk, 200);
    SAID(&talk, "commit u1 g4, transcribe u1 g4");
    words(&talk, 3, 2, 0);
    SAID(&talk, "");
    EXPECT_INT(prl_floor_stats(talk.floor)->late, 1);
    end_talk(&talk);
}

PRL_TEST(floor_speculation_that_fails_or_is_late_is_replaced)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 300);
    wait_ms(&talk, 100);
    step(&talk, (struct prl_floor_event){
                    .fact = PRL_FACT_ENGINE_FAILED, .generation = 1, .stage = PRL_FLOOR_STAGE_LLM});
    SAID(&talk, "open u1, started u1, speculate u1 g1, drop g1");
    wait_ms(&talk, 400);
    SAID(&talk, "commit u1 g2, transcribe u1 g2");
    // Not yet transcribed at the commit: the same generation goes on.
    words(&talk, 2, 0, 0);
    SAID(&talk, "empty u1 g2");
    speak(&talk, 300);
    wait_ms(&talk, 500);
    SAID(&talk, "open u2, started u2, speculate u2 g4, commit u2 g4");
    words(&talk, 4, 1, 0);
    SAID(&talk, "said u2 g4, start g4 turn, generate g4, release g4");
    end_talk(&talk);
}

PRL_TEST(floor_empty_speculation_ends_quietly)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 300);
    wait_ms(&talk, 200);
    words(&talk, 1, 0, 0);
    wait_ms(&talk, 300);
    SAID(&talk, "open u1, started u1, speculate u1 g1, commit u1 g1, empty u1 g1, drop g1");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_NONE);
    EXPECT_INT(prl_floor_stats(talk.floor)->empty_turns, 1);
    end_talk(&talk);
}

PRL_TEST(floor_stable_text_starts_the_speculation_early)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 300);
    partial(&talk, 1, 3, PRL_FLOOR_STABLE | PRL_FLOOR_OPEN_ENDED);
    SAID(&talk, "open u1, started u1");
    partial(&talk, 1, 4, PRL_FLOOR_STABLE);
    SAID(&talk, "anticipate u1 g1, confirm u1 g1");
    end_talk(&talk);
}

PRL_TEST(floor_recent_words_start_the_answer_at_the_first_silence)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    voice(&talk, true);
    wait_ms(&talk, 500);
    partial(&talk, 1, 3, 0);
    wait_ms(&talk, 250);
    SAID(&talk, "open u1, started u1");
    voice(&talk, false);
    SAID(&talk, "anticipate u1 g1, confirm u1 g1");
    words(&talk, 1, 3, PRL_FLOOR_SAME);
    sound(&talk, 1, 500, false);
    wait_ms(&talk, 500);
    SAID(&talk, "commit u1 g1, said u1 g1, start g1 turn, release g1");
    fact(&talk, PRL_FACT_CANCEL);
    forget(&talk);
    // What was heard long before the end is not all of it, and what asks for more is not the end.
    voice(&talk, true);
    wait_ms(&talk, 500);
    partial(&talk, 2, 3, 0);
    wait_ms(&talk, 400);
    voice(&talk, false);
    SAID(&talk, "open u2, started u2");
    partial(&talk, 2, 4, PRL_FLOOR_OPEN_ENDED);
    SAID(&talk, "");
    partial(&talk, 2, 5, 0);
    SAID(&talk, "anticipate u2 g2, confirm u2 g2");
    // Other words of it are answered as if nothing had been anticipated.
    words(&talk, 2, 6, 0);
    wait_ms(&talk, 100);
    SAID(&talk, "drop g2, speculate u2 g3");
    end_talk(&talk);
}

PRL_TEST(floor_early_tries_do_not_cost_those_of_pauses)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    voice(&talk, true);
    for (uint32_t i = 1; i <= 5; i++) {
        wait_ms(&talk, 300);
        partial(&talk, 1, i, PRL_FLOOR_STABLE);
        partial(&talk, 1, i, PRL_FLOOR_STABLE | PRL_FLOOR_SAME);
    }
    SAID(&talk, "open u1, started u1, anticipate u1 g1, drop g1, anticipate u1 g2, drop g2, "
                "anticipate u1 g3, drop g3");
    voice(&talk, false);
    wait_ms(&talk, 100);
    SAID(&talk, "speculate u1 g4");
    end_talk(&talk);
}

PRL_TEST(floor_an_answer_begins_while_the_user_still_talks)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    voice(&talk, true);
    wait_ms(&talk, 500);
    partial(&talk, 1, 3, PRL_FLOOR_STABLE | PRL_FLOOR_OPEN_ENDED);
    SAID(&talk, "open u1, started u1");
    partial(&talk, 1, 4, PRL_FLOOR_STABLE);
    SAID(&talk, "anticipate u1 g1");
    sound(&talk, 1, 500, false);
    partial(&talk, 1, 5, 0); // other words: of no use
    SAID(&talk, "drop g1");
    partial(&talk, 1, 5, PRL_FLOOR_STABLE);
    partial(&talk, 1, 5, PRL_FLOOR_STABLE | PRL_FLOOR_SAME);
    SAID(&talk, "anticipate u1 g2");
    voice(&talk, false);
    SAID(&talk, "confirm u1 g2");
    words(&talk, 2, 5, PRL_FLOOR_SAME);
    sound(&talk, 2, 500, false);
    wait_ms(&talk, 500);
    SAID(&talk, "commit u1 g2, said u1 g2, start g2 turn, release g2");
    EXPECT_INT(prl_floor_stats(talk.floor)->speculations_used, 1);
    EXPECT_INT(prl_floor_stats(talk.floor)->speculations_dropped, 1);
    end_talk(&talk);
}

PRL_TEST(floor_what_was_anticipated_is_made_anew_for_other_words)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    voice(&talk, true);
    wait_ms(&talk, 500);
    partial(&talk, 1, 4, PRL_FLOOR_STABLE);
    voice(&talk, false);
    wait_ms(&talk, 100);
    words(&talk, 1, 4, 0);
    SAID(&talk, "open u1, started u1, anticipate u1 g1, confirm u1 g1, drop g1, speculate u1 g2");
    words(&talk, 2, 4, 0);
    wait_ms(&talk, 400);
    SAID(&talk, "generate g2, commit u1 g2, said u1 g2, start g2 turn, release g2");
    fact(&talk, PRL_FACT_CANCEL);
    // The transcript comes after the commit, with other words.
    voice(&talk, true);
    wait_ms(&talk, 500);
    partial(&talk, 2, 4, PRL_FLOOR_STABLE);
    voice(&talk, false);
    forget(&talk);
    wait_ms(&talk, 500);
    SAID(&talk, "commit u2 g3");
    words(&talk, 3, 4, 0);
    SAID(&talk, "said u2 g3, drop g3, start g4 turn, generate g4, release g4");
    EXPECT_INT(prl_floor_stats(talk.floor)->speculations_used, 1);
    end_talk(&talk);
}

PRL_TEST(floor_fillers)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.filler_after_ms = 600;
    configure(&talk);
    speak(&talk, 800);
    wait_ms(&talk, 100);
    words(&talk, 1, 3, 0);
    wait_ms(&talk, 400);
    forget(&talk);
    wait_ms(&talk, 590);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "filler g2, hold g1");
    sound(&talk, 2, 700, true);
    heard(&talk, 2, 400, 100);
    sound(&talk, 1, 500, false); // the answer waits for its end
    SAID(&talk, "");
    heard(&talk, 2, 700, 700);
    SAID(&talk, "played g2, release g1");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_SPEAKING);
    // A tool: one filler, and voice ends it.
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_TOOL_CALL, .generation = 1});
    sound(&talk, 1, 500, true);
    heard(&talk, 1, 500, 500);
    SAID(&talk, "finish g1 completed, played g1");
    wait_ms(&talk, 600);
    SAID(&talk, "filler g3");
    sound(&talk, 3, 700, true);
    heard(&talk, 3, 400, 100);
    voice(&talk, true);
    SAID(&talk, "open u2, started u2, cancel g3 turn");
    voice(&talk, false);
    wait_ms(&talk, 5000);
    EXPECT_INT(prl_floor_stats(talk.floor)->fillers, 2);
    end_talk(&talk);
}

PRL_TEST(floor_noise_ends_no_wait_for_a_tool)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.filler_after_ms = 600;
    talk.conf.interrupt_response = false;
    talk.conf.speculations_max = 0;
    configure(&talk);
    fact(&talk, PRL_FACT_CREATE);
    wait_ms(&talk, 590);
    forget(&talk);
    voice(&talk, true);
    wait_ms(&talk, 200);
    voice(&talk, false);
    wait_ms(&talk, 500);
    SAID(&talk, "open u1, started u1, commit u1 g2, transcribe u1 g2, filler g3, hold g1");
    // The answer calls a tool while the recogniser still listens to what was only noise.
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_TOOL_CALL, .generation = 1});
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_ANSWER_DONE, .generation = 1});
    words(&talk, 2, 0, 0);
    wait_ms(&talk, 5000);
    EXPECT_INT(prl_floor_stats(talk.floor)->fillers, 1);
    // What the tool found is answered in the same wait.
    fact(&talk, PRL_FACT_CREATE);
    wait_ms(&talk, 2000);
    EXPECT_INT(prl_floor_stats(talk.floor)->fillers, 1);
    end_talk(&talk);
}

PRL_TEST(floor_a_filler_that_nobody_needs_is_not_begun)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.filler_after_ms = 600;
    configure(&talk);
    fact(&talk, PRL_FACT_CREATE);
    wait_ms(&talk, 600);
    SAID(&talk, "start g1 client, generate g1, release g1, filler g2, hold g1");
    sound(&talk, 1, 500, false);
    SAID(&talk, "cancel g2, release g1");
    fact(&talk, PRL_FACT_CANCEL);
    fact(&talk, PRL_FACT_CREATE);
    wait_ms(&talk, 600);
    forget(&talk);
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED, .generation = 4});
    SAID(&talk, "cancel g4 failed, release g3");
    end_talk(&talk);
}

PRL_TEST(floor_our_own_words_are_no_voice)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    wait_ms(&talk, 300);
    partial(&talk, 2, 3, PRL_FLOOR_ECHO);
    wait_ms(&talk, 700);
    voice(&talk, false);
    wait_ms(&talk, 10);
    words(&talk, 3, 3, PRL_FLOOR_ECHO);
    wait_ms(&talk, 190);
    SAID(&talk, "open u2, pause g1, judge u2 g2, drop g2, judge u2 g3, discard u2, resume g1");
    end_talk(&talk);
}

// Speaker lock.
static void begin_locked(struct talk *talk, enum prl_floor_turns turns)
{
    begin(talk, turns);
    until_speaking(talk);
    talk->conf.lock_ms = 2000;
    configure(talk);
    forget(talk);
}

PRL_TEST(floor_another_voice_pauses_the_answer_and_no_more)
{
    for (int turns = PRL_FLOOR_SERVER_VAD; turns <= PRL_FLOOR_SEMANTIC_VAD; turns++) {
        struct talk talk;
        begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
        until_speaking(&talk);
        talk.conf.turns = (enum prl_floor_turns)turns;
        talk.conf.lock_ms = 2000;
        talk.conf.verdict_max_ms = 800;
        configure(&talk);
        voice(&talk, true);
        wait_ms(&talk, 1000);
        partial(&talk, 2, 4, 0); // words wait until it is known whose they are
        SAID(&talk, "open u2, pause g1, judge u2 g2");
        words(&talk, 2, 4, 0);
        SAID(&talk, "judge u2 g3");
        words(&talk, 3, 4, 0);
        SAID(&talk, "judge u2 g4");
        words(&talk, 4, 4, 0);
        for (uint32_t judge = 5; judge < 8; judge++)
            words(&talk, judge, 4, 0);
        forget(&talk);
        wait_ms(&talk, 600);
        partial(&talk, 2, 0, PRL_FLOOR_OTHER);
        SAID(&talk, "resume g1");
        partial(&talk, 2, 9, PRL_FLOOR_OTHER);
        wait_ms(&talk, 5000);
        voice(&talk, false);
        wait_ms(&talk, 500);
        voice(&talk, true); // it has only breathed
        wait_ms(&talk, 500);
        voice(&talk, false);
        wait_ms(&talk, 700);
        SAID(&talk, "");
        wait_ms(&talk, 100);
        SAID(&talk, "discard u2");
        end_talk(&talk);
    }
}

PRL_TEST(floor_the_locked_speaker_interrupts)
{
    struct talk talk;
    begin_locked(&talk, PRL_FLOOR_SEMANTIC_VAD);
    voice(&talk, true);
    wait_ms(&talk, 1500);
    SAID(&talk, "open u2, pause g1");
    partial(&talk, 2, 0, PRL_FLOOR_MINE); // known without a word
    SAID(&talk, "started u2, cancel g1 turn");
    end_talk(&talk);

    // Nobody says whose it is: after lock_ms whoever speaks is heard.
    begin_locked(&talk, PRL_FLOOR_SEMANTIC_VAD);
    voice(&talk, true);
    partial(&talk, 2, 3, 0);
    wait_ms(&talk, 1990);
    SAID(&talk, "open u2, pause g1, judge u2 g2");
    wait_ms(&talk, 10);
    SAID(&talk, "drop g2, started u2, cancel g1 turn");
    end_talk(&talk);

    // A short word is nobody's, and heard when it is over.
    begin_locked(&talk, PRL_FLOOR_SEMANTIC_VAD);
    voice(&talk, true);
    wait_ms(&talk, 300);
    voice(&talk, false);
    wait_ms(&talk, 100);
    SAID(&talk, "open u2, pause g1, judge u2 g2");
    words(&talk, 2, 1, PRL_FLOOR_TAKES);
    wait_ms(&talk, 290);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "started u2, cancel g1 turn, anticipate u2 g3, confirm u2 g3");
    end_talk(&talk);

    // The speaker joins in.
    begin_locked(&talk, PRL_FLOOR_SEMANTIC_VAD);
    voice(&talk, true);
    wait_ms(&talk, 1500);
    partial(&talk, 2, 4, PRL_FLOOR_OTHER);
    SAID(&talk, "open u2, pause g1, resume g1");
    wait_ms(&talk, 2000);
    partial(&talk, 2, 8, PRL_FLOOR_MINE);
    SAID(&talk, "started u2, cancel g1 turn");
    end_talk(&talk);
}

PRL_TEST(floor_what_was_made_of_words_is_void_when_they_turn_out_to_be_anothers)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.lock_ms = 2000;
    configure(&talk);
    voice(&talk, true);
    wait_ms(&talk, 1500);
    voice(&talk, false);
    wait_ms(&talk, 100);
    words(&talk, 1, 4, 0);
    SAID(&talk, "open u1, started u1, speculate u1 g1, generate g1");
    partial(&talk, 1, 0, PRL_FLOOR_OTHER);
    SAID(&talk, "drop g1, speculate u1 g2");
    words(&talk, 2, 0, PRL_FLOOR_OTHER);
    partial(&talk, 1, 4, PRL_FLOOR_MINE); // or the other way round
    SAID(&talk, "drop g2, anticipate u1 g3, confirm u1 g3");
    words(&talk, 3, 4, PRL_FLOOR_MINE | PRL_FLOOR_SAME);
    SAID(&talk, "");
    partial(&talk, 1, 4, 0); // not known any more is no news
    SAID(&talk, "");
    end_talk(&talk);
}

PRL_TEST(floor_another_voice_does_not_hold_an_answer)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.lock_ms = 2000;
    configure(&talk);
    speak(&talk, 800);
    wait_ms(&talk, 500);
    words(&talk, 1, 3, 0);
    forget(&talk);
    voice(&talk, true);
    wait_ms(&talk, 1500);
    SAID(&talk, "open u2, hold g1");
    partial(&talk, 2, 5, PRL_FLOOR_OTHER);
    SAID(&talk, "release g1");
    sound(&talk, 1, 500, false);
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_SPEAKING);
    end_talk(&talk);
}

PRL_TEST(floor_words_and_a_busy_judge_decide_the_turn)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.eot_available = true;
    talk.conf.speculations_max = 0;
    configure(&talk);
    // The words say that the turn is over.
    speak(&talk, 800);
    partial(&talk, 1, 2, PRL_FLOOR_COMPLETE);
    wait_ms(&talk, 190);
    SAID(&talk, "open u1, started u1");
    wait_ms(&talk, 10);
    SAID(&talk, "commit u1 g1, transcribe u1 g1");
    words(&talk, 1, 2, 0);
    fact(&talk, PRL_FACT_CANCEL);
    // Nobody has time to judge: silence decides as without a judge.
    speak(&talk, 800);
    forget(&talk);
    wait_ms(&talk, 100);
    SAID(&talk, "eot? u2");
    uint64_t end = talk.asked_end;
    EXPECT_INT(end, talk.input_ms * PER_MS);
    step(&talk, (struct prl_floor_event){
                    .fact = PRL_FACT_EOT, .utterance = 2, .flags = PRL_FLOOR_SKIPPED});
    wait_ms(&talk, 100);
    SAID(&talk, "eot? u2");          // the pause doubled
    EXPECT_INT(talk.asked_end, end); // and is heard no longer
    step(&talk, (struct prl_floor_event){
                    .fact = PRL_FACT_EOT, .utterance = 2, .flags = PRL_FLOOR_SKIPPED});
    wait_ms(&talk, 290);
    forget(&talk);
    wait_ms(&talk, 10);
    SAID(&talk, "commit u2 g3, transcribe u2 g3");
    EXPECT(prl_floor_stats(talk.floor)->eot_skipped >= 3);
    end_talk(&talk);
}

PRL_TEST(floor_the_words_of_a_pause_are_waited_for)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.eot_available = true;
    configure(&talk);
    for (uint32_t turn = 1; turn <= 2; turn++) {
        speak(&talk, 800);
        wait_ms(&talk, 100);
        step(&talk,
             (struct prl_floor_event){.fact = PRL_FACT_EOT, .utterance = turn, .permille = 980});
        forget(&talk);
        wait_ms(&talk, 150);
        // Sure, and the recogniser still works.
        SAID(&talk, turn == 1 ? "eot? u1" : "eot? u2");
        if (turn == 2)
            break;
        words(&talk, 1, 3, 0);
        SAID(&talk, "generate g1, commit u1 g1, said u1 g1, start g1 turn, release g1");
        fact(&talk, PRL_FACT_CANCEL);
    }
    // It is slow: half the limit is enough.
    wait_ms(&talk, 1740);
    EXPECT(strstr(talk.said, "commit") == NULL);
    wait_ms(&talk, 10);
    EXPECT(strstr(talk.said, "commit u2") != NULL);
    end_talk(&talk);
}

PRL_TEST(floor_what_words_said_of_a_pause_is_over_with_it)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.eot_available = true;
    talk.conf.speculations_max = 0;
    configure(&talk);
    speak(&talk, 400);
    partial(&talk, 1, 2, PRL_FLOOR_OPEN_ENDED);
    wait_ms(&talk, 300);
    SAID(&talk, "open u1, started u1, eot? u1");
    for (int i = 0; i < 2; i++) // sure, but not that sure
        step(&talk,
             (struct prl_floor_event){.fact = PRL_FACT_EOT, .utterance = 1, .permille = 960});
    wait_ms(&talk, 50);
    SAID(&talk, "eot? u1");
    speak(&talk, 400); // goes on, and no partial follows
    wait_ms(&talk, 100);
    SAID(&talk, "eot? u1");
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_EOT, .utterance = 1, .permille = 960});
    wait_ms(&talk, 100);
    SAID(&talk, "commit u1 g1, transcribe u1 g1");
    end_talk(&talk);
}

PRL_TEST(floor_manual_turns)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_MANUAL);
    EXPECT_INT(prl_floor_append_room(talk.floor), (120000 - 1000) * PER_MS);
    voice(&talk, true); // odd, and ignored
    wait_ms(&talk, 1000);
    SAID(&talk, "");
    fact(&talk, PRL_FACT_COMMIT);
    SAID(&talk, "open u1, commit u1 g1, transcribe u1 g1");
    fact(&talk, PRL_FACT_COMMIT);
    SAID(&talk, "refuse no-sound");
    // response.create waits for the words of what was committed.
    fact(&talk, PRL_FACT_CREATE);
    SAID(&talk, "start g2 client");
    fact(&talk, PRL_FACT_CREATE);
    SAID(&talk, "refuse active");
    words(&talk, 1, 2, 0);
    SAID(&talk, "said u1 g1, generate g2, release g2");
    sound(&talk, 2, 0, true); // text only
    SAID(&talk, "finish g2 completed");
    fact(&talk, PRL_FACT_CLEAR);
    fact(&talk, PRL_FACT_CANCEL);
    SAID(&talk, "cleared, refuse inactive");
    wait_ms(&talk, 200);
    fact(&talk, PRL_FACT_COMMIT);
    words(&talk, 3, 2, 0);
    SAID(&talk, "open u2, commit u2 g3, transcribe u2 g3, said u2 g3"); // not owed
    end_talk(&talk);
}

PRL_TEST(floor_voice_in_thinking_holds_and_then_drops)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 800);
    wait_ms(&talk, 500);
    words(&talk, 1, 3, 0);
    SAID(&talk, "open u1, started u1, speculate u1 g1, commit u1 g1, said u1 g1, start g1 turn, "
                "generate g1, release g1");
    speak(&talk, 100); // a click
    SAID(&talk, "open u2, hold g1");
    sound(&talk, 1, 500, false);
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_THINKING);
    wait_ms(&talk, 200);
    SAID(&talk, "discard u2, release g1");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_SPEAKING);
    end_talk(&talk);

    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 800);
    wait_ms(&talk, 500);
    words(&talk, 1, 3, 0);
    talk.len = 0;
    voice(&talk, true);
    wait_ms(&talk, 150);
    SAID(&talk, "open u2, hold g1");
    wait_ms(&talk, 10);
    SAID(&talk, "started u2, cancel g1 turn");
    wait_ms(&talk, 100);
    voice(&talk, false);
    wait_ms(&talk, 500);
    SAID(&talk, "speculate u2 g2, commit u2 g2");
    // It was only noise: the first utterance is still owed its answer.
    words(&talk, 2, 0, 0);
    SAID(&talk, "empty u2 g2, start g2 turn, generate g2, release g2");
    end_talk(&talk);
}

PRL_TEST(floor_server_vad_interrupts_after_160_ms)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    until_speaking(&talk);
    speak(&talk, 100);
    wait_ms(&talk, 200);
    SAID(&talk, "open u2, discard u2"); // a cough
    voice(&talk, true);
    wait_ms(&talk, 150);
    SAID(&talk, "open u3");
    wait_ms(&talk, 10);
    SAID(&talk, "started u3, cancel g1 turn");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_NONE);
    sound(&talk, 1, 3000, false);
    EXPECT_INT(prl_floor_stats(talk.floor)->late, 1);
    end_talk(&talk);
}

PRL_TEST(floor_the_silence_of_the_vad_is_no_voice)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    uint64_t end = (uint64_t)(talk.input_ms + 100) * PER_MS; // 100 ms of it are speech
    for (int i = 0; i < 20; i++) {
        talk.now_ms += WINDOW_MS;
        talk.input_ms += WINDOW_MS;
        uint64_t now = (uint64_t)talk.input_ms * PER_MS;
        step(&talk,
             (struct prl_floor_event){.fact = PRL_FACT_INPUT, .sample = now < end ? now : end});
    }
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_VOICE_OFF, .sample = end});
    wait_ms(&talk, 200);
    SAID(&talk, "open u2, discard u2");
    end_talk(&talk);
}

PRL_TEST(floor_semantic_pauses_before_it_believes)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    wait_ms(&talk, 160);
    SAID(&talk, "open u2, pause g1");
    partial(&talk, 2, 1, PRL_FLOOR_BACKCHANNEL);
    wait_ms(&talk, 100);
    voice(&talk, false);
    wait_ms(&talk, 10);
    words(&talk, 2, 1, PRL_FLOOR_BACKCHANNEL);
    wait_ms(&talk, 180);
    SAID(&talk, "judge u2 g2");
    wait_ms(&talk, 10);
    SAID(&talk, "discard u2, resume g1");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_SPEAKING);
    // Words that mean us; from the first syllable a recogniser makes them of anything.
    talk.conf.interrupt_max_ms = 800;
    configure(&talk);
    voice(&talk, true);
    wait_ms(&talk, 290);
    partial(&talk, 3, 2, 0);
    SAID(&talk, "open u3, pause g1");
    wait_ms(&talk, 10);
    partial(&talk, 3, 2, 0);
    SAID(&talk, "");
    wait_ms(&talk, 340);
    SAID(&talk, "judge u3 g3");
    wait_ms(&talk, 10); // so long no hum lasts
    SAID(&talk, "drop g3, started u3, cancel g1 turn");
    end_talk(&talk);

    // Words of which one takes the floor are not believed where as many took nothing before.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    wait_ms(&talk, 360);
    partial(&talk, 2, 2, 0);
    SAID(&talk, "open u2, pause g1, judge u2 g2");
    words(&talk, 2, 2, PRL_FLOOR_TAKES);
    SAID(&talk, "");
    partial(&talk, 2, 3, PRL_FLOOR_TAKES);
    SAID(&talk, "started u2, cancel g1 turn");
    end_talk(&talk);

    // Three words, or two of which one takes the floor, need no more.
    for (uint32_t takes = 0; takes < 2; takes++) {
        begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
        until_speaking(&talk);
        voice(&talk, true);
        wait_ms(&talk, 360);
        partial(&talk, 2, takes ? 2 : 4, takes ? PRL_FLOOR_TAKES : 0);
        SAID(&talk, takes ? "open u2, pause g1, started u2, cancel g1 turn"
                          : "open u2, pause g1, judge u2 g2");
        partial(&talk, 2, takes ? 2 : 3, 0); // four in that time are made up
        SAID(&talk, takes ? "" : "drop g2, started u2, cancel g1 turn");
        end_talk(&talk);
    }
}

static void weighed(struct talk *talk, uint32_t generation, uint32_t count, uint32_t margin,
                    uint32_t flags)
{
    step(talk, (struct prl_floor_event){.fact = PRL_FACT_STT_FINAL,
                                        .generation = generation,
                                        .words = count,
                                        .margin = margin,
                                        .flags = flags});
}

// Where the recogniser weighs its words against signs of listening, that decides: the more of the voice it
// heard the less.
PRL_TEST(floor_semantic_believes_words_that_outweigh_a_hum)
{
    static const struct {
        uint32_t ms, count, margin, flags;
        bool takes;
    } CASES[] = {
        {350, 1, 109, 0, false},
        {350, 1, 110, 0, true},
        {350, 3, 109, 0, false},
        {350, 2, 59, PRL_FLOOR_TAKES, false},
        {350, 2, 60, PRL_FLOOR_TAKES, true},
        {350, 4, 200, 0, false}, // so many were not said
        {510, 2, 83, 0, false},
        {510, 2, 84, 0, true},
        {750, 2, 59, 0, false},
        {750, 2, 60, 0, true},
        {750, 6, 34, 0, false},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct talk talk;
        begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
        until_speaking(&talk);
        talk.conf.interrupt_max_ms = 800;
        configure(&talk);
        voice(&talk, true);
        talk.followed = true;
        uint32_t judge = 1;
        for (uint32_t ms = 350; ms <= CASES[i].ms; ms += 80) {
            wait_ms(&talk, ms == 350 ? 350 : 80);
            bool last = ms + 80 > CASES[i].ms;
            weighed(&talk, ++judge, last ? CASES[i].count : 1, last ? CASES[i].margin : 40,
                    last ? CASES[i].flags : 0);
        }
        EXPECT_INT(prl_floor_answer(talk.floor) != PRL_FLOOR_PAUSED, CASES[i].takes);
        end_talk(&talk);
    }

    // As likely a sign of listening is one, however long and of however many words.
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    talk.conf.interrupt_max_ms = 800;
    configure(&talk);
    forget(&talk);
    speak(&talk, 700);
    wait_ms(&talk, 10);
    weighed(&talk, 2, 3, 34, 0);
    wait_ms(&talk, 190);
    SAID(&talk, "open u2, pause g1, judge u2 g2, discard u2, resume g1");
    end_talk(&talk);
}

PRL_TEST(floor_semantic_believes_one_word_later)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    wait_ms(&talk, 240);
    partial(&talk, 2, 1, 0);
    wait_ms(&talk, 110);
    // The recogniser follows, so it is asked once more before its next transcript.
    SAID(&talk, "open u2, pause g1, judge u2 g2");
    words(&talk, 2, 1, 0);
    wait_ms(&talk, 70);
    SAID(&talk, "");
    partial(&talk, 2, 1, 0);
    wait_ms(&talk, 10);
    SAID(&talk, "judge u2 g3");
    words(&talk, 3, 1, 0);
    wait_ms(&talk, 80);
    SAID(&talk, "judge u2 g4");
    words(&talk, 4, 1, 0);
    wait_ms(&talk, 80);
    SAID(&talk, "judge u2 g5");
    words(&talk, 5, 1, 0);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "started u2, cancel g1 turn");
    end_talk(&talk);

    // One that is known to follow is asked though it made no word of the first syllable.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    talk.followed = true;
    wait_ms(&talk, 340);
    SAID(&talk, "open u2, pause g1");
    wait_ms(&talk, 10);
    SAID(&talk, "judge u2 g2");
    words(&talk, 2, 3, 0);
    SAID(&talk, "started u2, cancel g1 turn");
    end_talk(&talk);

    // A transcript counts with the voice that it heard, however late it comes.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    uint64_t heard = (uint64_t)(talk.input_ms + 200) * PER_MS;
    wait_ms(&talk, 500);
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_PARTIAL,
                                         .utterance = 2,
                                         .words = 2,
                                         .sample = heard,
                                         .flags = PRL_FLOOR_FOLLOWED});
    SAID(&talk, "open u2, pause g1, judge u2 g2");
    // The verdict under voice did not hear the end: another is asked for.
    voice(&talk, false);
    wait_ms(&talk, 10);
    SAID(&talk, "drop g2, judge u2 g3");
    words(&talk, 3, 1, PRL_FLOOR_TAKES);
    SAID(&talk, "started u2, cancel g1 turn, anticipate u2 g4, confirm u2 g4");
    end_talk(&talk);

    // Two words of a short sound are what a recogniser makes of a hum.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    speak(&talk, 500);
    wait_ms(&talk, 10);
    words(&talk, 2, 2, 0);
    wait_ms(&talk, 190);
    SAID(&talk, "open u2, pause g1, judge u2 g2, discard u2, resume g1");
    end_talk(&talk);

    // All that was said is a word, but too short to be one.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    speak(&talk, 240);
    wait_ms(&talk, 10);
    words(&talk, 2, 1, PRL_FLOOR_TAKES);
    wait_ms(&talk, 190);
    SAID(&talk, "open u2, pause g1, judge u2 g2, discard u2, resume g1");
    end_talk(&talk);
}

PRL_TEST(floor_semantic_verdicts)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    speak(&talk, 200);
    wait_ms(&talk, 300);
    SAID(&talk, "open u2, pause g1, judge u2 g2");
    words(&talk, 2, 0, 0); // noise
    SAID(&talk, "discard u2, resume g1");
    speak(&talk, 200);
    wait_ms(&talk, 100);
    words(&talk, 3, 1, PRL_FLOOR_BACKCHANNEL);
    SAID(&talk, "open u3, pause g1, judge u3 g3");
    wait_ms(&talk, 100);
    SAID(&talk, "discard u3, resume g1");
    // No verdict in time: 300 ms are real, and under less the answer goes on.
    speak(&talk, 290);
    wait_ms(&talk, 790);
    SAID(&talk, "open u4, pause g1, judge u4 g4");
    wait_ms(&talk, 10);
    SAID(&talk, "resume g1");
    wait_ms(&talk, 2390);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "drop g4, discard u4");
    speak(&talk, 300);
    wait_ms(&talk, 790);
    SAID(&talk, "open u5, pause g1, judge u5 g5");
    wait_ms(&talk, 10);
    SAID(&talk, "drop g5, started u5, cancel g1 turn, speculate u5 g6, commit u5 g6");
    end_talk(&talk);
}

PRL_TEST(floor_a_late_verdict_still_counts)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    speak(&talk, 290);
    wait_ms(&talk, 1000);
    SAID(&talk, "open u2, pause g1, judge u2 g2, resume g1");
    words(&talk, 2, 1, PRL_FLOOR_TAKES);
    SAID(&talk, "started u2, cancel g1 turn, anticipate u2 g3, confirm u2 g3, commit u2 g3");
    end_talk(&talk);

    // One that fails is none, and the rest of the sound is measured anew.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    speak(&talk, 290);
    wait_ms(&talk, 1000);
    forget(&talk);
    voice(&talk, true);
    wait_ms(&talk, 150);
    SAID(&talk, "drop g2");
    wait_ms(&talk, 140);
    voice(&talk, false);
    wait_ms(&talk, 800);
    SAID(&talk, "pause g1, judge u2 g3, resume g1");
    voice(&talk, true);
    wait_ms(&talk, 290);
    voice(&talk, false);
    wait_ms(&talk, 100);
    SAID(&talk, "drop g3, pause g1, judge u2 g4");
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED, .generation = 4});
    wait_ms(&talk, 690);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "discard u2, resume g1");
    end_talk(&talk);

    // Nor is an answer held for it that nobody has heard yet.
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    speak(&talk, 800);
    wait_ms(&talk, 500);
    words(&talk, 1, 3, 0);
    forget(&talk);
    speak(&talk, 200);
    wait_ms(&talk, 790);
    SAID(&talk, "open u2, hold g1, judge u2 g2");
    wait_ms(&talk, 10);
    SAID(&talk, "release g1");
    end_talk(&talk);
}

PRL_TEST(floor_semantic_long_voice_and_questions)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    until_speaking(&talk);
    voice(&talk, true);
    wait_ms(&talk, 600);
    SAID(&talk, "open u2, pause g1");
    wait_ms(&talk, 10);
    SAID(&talk, "started u2, cancel g1 turn");
    end_talk(&talk);

    // "Yes" to a question is an answer, and so is what could be a hum.
    for (uint32_t margin = 0; margin <= 20; margin += 20) {
        begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
        speak(&talk, 800);
        wait_ms(&talk, 500);
        words(&talk, 1, 3, 0);
        step(&talk, (struct prl_floor_event){.fact = PRL_FACT_ANSWER_AUDIO,
                                             .generation = 1,
                                             .samples = 24000,
                                             .flags = PRL_FLOOR_ASKED});
        talk.len = 0;
        voice(&talk, true);
        wait_ms(&talk, 450);
        step(&talk, (struct prl_floor_event){.fact = PRL_FACT_PARTIAL,
                                             .utterance = 2,
                                             .words = 1,
                                             .margin = margin,
                                             .flags = PRL_FLOOR_FOLLOWED | PRL_FLOOR_BACKCHANNEL});
        SAID(&talk, "open u2, pause g1, started u2, cancel g1 turn");
        end_talk(&talk);
    }
}

PRL_TEST(floor_semantic_commit_follows_the_turn)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SEMANTIC_VAD);
    talk.conf.eot_available = true;
    talk.conf.speculations_max = 0;
    configure(&talk);
    speak(&talk, 800);
    wait_ms(&talk, 100);
    SAID(&talk, "open u1, started u1, eot? u1");
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_EOT, .utterance = 1, .permille = 200});
    wait_ms(&talk, 90);
    SAID(&talk, "");
    wait_ms(&talk, 10); // the pause doubled
    SAID(&talk, "eot? u1");
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_EOT, .utterance = 1, .permille = 960});
    SAID(&talk, "commit u1 g1, transcribe u1 g1");
    words(&talk, 1, 2, 0);
    fact(&talk, PRL_FACT_CANCEL);
    talk.len = 0;
    // The text asks for more, and the model does not say otherwise: the limit decides.
    speak(&talk, 800);
    partial(&talk, 2, 2, PRL_FLOOR_OPEN_ENDED);
    wait_ms(&talk, 3990);
    SAID(&talk, "open u2, started u2, eot? u2");
    wait_ms(&talk, 10);
    SAID(&talk, "commit u2 g3, transcribe u2 g3");
    end_talk(&talk);
}

PRL_TEST(floor_without_interruption_the_answers_queue)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.interrupt_response = false;
    configure(&talk);
    until_speaking(&talk);
    speak(&talk, 400);
    SAID(&talk, "open u2, started u2");
    wait_ms(&talk, 500);
    SAID(&talk, "commit u2 g2, transcribe u2 g2");
    words(&talk, 2, 4, 0);
    SAID(&talk, "said u2 g2");
    heard(&talk, 1, 2000, 1600); // all sent: the next may be made, its sound waits
    SAID(&talk, "finish g1 completed, start g3 turn, generate g3");
    sound(&talk, 3, 1000, false);
    SAID(&talk, "");
    heard(&talk, 1, 2000, 2000);
    SAID(&talk, "played g1, release g3");
    end_talk(&talk);
}

PRL_TEST(floor_create_while_talking_is_held_and_replaced)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    voice(&talk, true);
    wait_ms(&talk, 300);
    fact(&talk, PRL_FACT_CREATE);
    sound(&talk, 1, 400, false);
    SAID(&talk, "open u1, started u1, start g1 client, generate g1");
    wait_ms(&talk, 500); // going on is no interruption of it
    voice(&talk, false);
    SAID(&talk, "");
    wait_ms(&talk, 500);
    SAID(&talk, "commit u1 g2, cancel g1 replaced, transcribe u1 g2");
    words(&talk, 2, 1, 0);
    SAID(&talk, "said u1 g2, start g3 turn, generate g3, release g3");
    end_talk(&talk);

    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.create_response = false;
    configure(&talk);
    voice(&talk, true);
    wait_ms(&talk, 300);
    fact(&talk, PRL_FACT_CREATE);
    voice(&talk, false);
    wait_ms(&talk, 500);
    SAID(&talk, "open u1, started u1, start g1 client, generate g1, commit u1 g2, "
                "transcribe u1 g2, release g1");
    end_talk(&talk);
}

PRL_TEST(floor_engine_limits_and_the_apology)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 300);
    wait_ms(&talk, 500);
    talk.len = 0;
    wait_ms(&talk, 15000); // the transcript never comes
    SAID(&talk, "unheard u1 g1 slow, start g2 turn, generate g2, release g2");
    wait_ms(&talk, 2000); // and no apology either
    SAID(&talk, "finish g2 failed");
    EXPECT_INT(prl_floor_answer(talk.floor), PRL_FLOOR_NONE);

    speak(&talk, 300);
    wait_ms(&talk, 500);
    words(&talk, 3, 2, 0);
    talk.len = 0;
    step(&talk, (struct prl_floor_event){
                    .fact = PRL_FACT_ENGINE_FAILED, .generation = 3, .stage = PRL_FLOOR_STAGE_LLM});
    SAID(&talk, "replace g3>g4 failed, generate g4, release g4");
    sound(&talk, 4, 1000, true);
    heard(&talk, 4, 1000, 1000);
    SAID(&talk, "finish g4 failed, played g4");
    end_talk(&talk);
}

PRL_TEST(floor_failure_while_speaking_ends_at_the_last_good_sentence)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    speak(&talk, 300);
    wait_ms(&talk, 500);
    words(&talk, 1, 3, 0);
    sound(&talk, 1, 3000, false);
    heard(&talk, 1, 900, 500);
    talk.len = 0;
    step(&talk, (struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED,
                                         .generation = 1,
                                         .stage = PRL_FLOOR_STAGE_TTS,
                                         .samples = (uint64_t)2000 * OUT_PER_MS});
    SAID(&talk, "end g1 failed");
    heard(&talk, 1, 2000, 1600);
    SAID(&talk, "finish g1 incomplete");
    heard(&talk, 1, 2000, 2000);
    SAID(&talk, "played g1");
    end_talk(&talk);
}

PRL_TEST(floor_client_cancel_truncate_and_clear)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    until_speaking(&talk);
    fact_of(&talk, PRL_FACT_CANCEL, 99);
    SAID(&talk, "refuse inactive");
    fact(&talk, PRL_FACT_CANCEL);
    SAID(&talk, "cancel g1 client");
    end_talk(&talk);

    begin(&talk, PRL_FLOOR_SERVER_VAD);
    until_speaking(&talk);
    fact_of(&talk, PRL_FACT_TRUNCATE, 99);
    SAID(&talk, "");
    fact_of(&talk, PRL_FACT_TRUNCATE, 1);
    SAID(&talk, "cancel g1 client");
    end_talk(&talk);

    begin(&talk, PRL_FLOOR_SERVER_VAD);
    until_speaking(&talk);
    fact(&talk, PRL_FACT_OUTPUT_CLEAR);
    SAID(&talk, "cancel g1 client");
    voice(&talk, true);
    wait_ms(&talk, 300);
    fact(&talk, PRL_FACT_CLEAR);
    SAID(&talk, "open u2, started u2, discard u2, cleared");
    // The voice goes on under it: a new utterance once it proves real.
    wait_ms(&talk, 160);
    SAID(&talk, "open u3, started u3");
    end_talk(&talk);
}

PRL_TEST(floor_limits_of_an_utterance_and_a_stalled_client)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.utterance_max_ms = 5000;
    configure(&talk);
    voice(&talk, true);
    wait_ms(&talk, 4700); // 300 ms of prefix count
    SAID(&talk, "open u1, started u1, commit u1 g1, transcribe u1 g1");
    wait_ms(&talk, 160);
    SAID(&talk, "open u2, started u2, cancel g2 turn");
    words(&talk, 1, 20, 0);
    SAID(&talk, "said u1 g1");
    // No more samples: silence goes on in real time.
    talk.stalled = true;
    wait_ms(&talk, 1600);
    SAID(&talk, "commit u2 g3, transcribe u2 g3");
    words(&talk, 3, 0, 0);
    SAID(&talk, "empty u2 g3, start g4 turn, generate g4, release g4");
    end_talk(&talk);
}

PRL_TEST(floor_idle_timeout)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    talk.conf.idle_timeout_ms = 5000;
    configure(&talk);
    wait_ms(&talk, 6000);
    SAID(&talk, ""); // not before the first answer
    until_speaking(&talk);
    heard(&talk, 1, 2000, 2000);
    SAID(&talk, "finish g1 completed, played g1");
    wait_ms(&talk, 4990);
    SAID(&talk, "");
    wait_ms(&talk, 10);
    SAID(&talk, "idle u2, start g2 idle, generate g2, release g2");
    end_talk(&talk);
}

PRL_TEST(floor_leaving_and_coming_back)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_SERVER_VAD);
    until_speaking(&talk);
    fact(&talk, PRL_FACT_GONE);
    SAID(&talk, "cancel g1 leaving");
    EXPECT(talk.deadline_us == INT64_MAX);
    fact(&talk, PRL_FACT_CREATE);
    fact(&talk, PRL_FACT_GONE);
    SAID(&talk, "");
    fact(&talk, PRL_FACT_BACK);
    fact(&talk, PRL_FACT_BACK);
    speak(&talk, 300);
    SAID(&talk, "open u2, started u2");
    fact(&talk, PRL_FACT_GONE);
    talk.now_ms += 60000;
    fact(&talk, PRL_FACT_BACK);
    SAID(&talk, "");
    wait_ms(&talk, 500);
    SAID(&talk, "speculate u2 g2, commit u2 g2");
    end_talk(&talk);
}

PRL_TEST(floor_many_commits_are_bounded)
{
    struct talk talk;
    begin(&talk, PRL_FLOOR_MANUAL);
    for (int i = 0; i < 8; i++) {
        wait_ms(&talk, 100);
        fact(&talk, PRL_FACT_COMMIT);
    }
    talk.len = 0;
    wait_ms(&talk, 100);
    fact(&talk, PRL_FACT_COMMIT);
    SAID(&talk, "refuse busy");
    words(&talk, 1, 1, 0);
    fact(&talk, PRL_FACT_COMMIT);
    SAID(&talk, "said u1 g1, open u9, commit u9 g9, transcribe u9 g9");
    end_talk(&talk);
}

PRL_TEST_OOM(floor_create)
{
    struct prl_floor *floor;
    struct prl_floor_conf conf;
    prl_floor_conf_init(&conf);
    enum prl_err err = prl_floor_create(&floor, &conf);
    EXPECT((err == PRL_OK) == (floor != NULL));
    prl_floor_destroy(&floor);
}

// floor_overlap.c -- sound while an answer is being made or heard: is it meant for us (rules 4, 5)?
#include "session/floor_state.h"

#include <string.h>

enum { SAMPLES_PER_MS = PRL_FLOOR_INPUT_HZ / 1000, US_PER_MS = 1000 };

uint64_t prl_floor_voiced(const struct prl_floor *floor)
{
    uint64_t voiced = floor->utterance.voiced;
    if (floor->voice && floor->voice_to > floor->voice_from)
        voiced += floor->voice_to - floor->voice_from;
    return voiced;
}

int64_t prl_floor_silence_us(const struct prl_floor *floor)
{
    int64_t silence_us = 0;
    if (floor->user == PRL_FLOOR_PENDING)
        silence_us =
            (int64_t)((floor->input - floor->utterance.speech_end) * US_PER_MS / SAMPLES_PER_MS);
    // A client that sends nothing any more is silent too, after a while.
    int64_t stalled_us = floor->now_us - floor->input_us;
    if (stalled_us >= (int64_t)floor->conf.input_stall_ms * US_PER_MS)
        silence_us += stalled_us;
    return silence_us;
}

void prl_floor_drop_judge(struct prl_floor *floor)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    if (utterance->judge != 0 && !utterance->judged)
        prl_floor_say_gen(floor, PRL_ACT_DROP_SPECULATION, utterance->judge);
    utterance->judge = 0;
    utterance->judged = false;
    utterance->judge_failed = false;
}

static void announce(struct prl_floor *floor)
{
    prl_floor_drop_judge(floor);
    floor->utterance.tentative = false;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_SPEECH_STARTED);
    action->utterance = floor->utterance.id;
    action->start = floor->utterance.start;
}

static void decide_real(struct prl_floor *floor)
{
    floor->stats.interruptions_real++;
    announce(floor);
    prl_floor_end_answer(floor, PRL_FLOOR_BY_TURN);
    prl_floor_end_tail(floor, PRL_FLOOR_BY_TURN);
    prl_floor_end_filler(floor, PRL_FLOOR_BY_TURN);
}

static void decide_false(struct prl_floor *floor)
{
    floor->stats.interruptions_false++;
    prl_floor_drop_utterance(floor);
}

// Words that take the floor: any but a backchannel, and after a question any at all; never the
// answer's own, which came back through the room.
static bool words_interrupt(const struct prl_floor *floor)
{
    const struct prl_floor_utterance *utterance = &floor->utterance;
    bool listening = (utterance->flags & PRL_FLOOR_BACKCHANNEL) && !floor->current.asked;
    return utterance->words > 0 && !listening && !(utterance->flags & PRL_FLOOR_ECHO);
}

static void judge_fallen_silent(struct prl_floor *floor, uint64_t voiced_ms, int64_t silence_us)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    bool settled = silence_us >= (int64_t)floor->conf.resume_ms * US_PER_MS;
    if (voiced_ms < floor->conf.interrupt_min_ms) {
        if (settled)
            decide_false(floor);
        return;
    }
    // Words that did not interrupt are a backchannel: that is a verdict too.
    bool known = (utterance->judged && !utterance->judge_failed) || utterance->words > 0;
    if (known) {
        if (settled)
            decide_false(floor);
        return;
    }
    if (silence_us >= (int64_t)floor->conf.verdict_max_ms * US_PER_MS) {
        if (voiced_ms >= floor->conf.interrupt_unjudged_ms)
            decide_real(floor);
        else
            decide_false(floor);
        return;
    }
    if (utterance->judge == 0) {
        utterance->judge = prl_floor_new_generation(floor);
        struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_JUDGE);
        action->generation = utterance->judge;
        action->utterance = utterance->id;
        action->end = floor->input;
    }
}

static void semantic_rules(struct prl_floor *floor, uint64_t voiced_ms, int64_t silence_us)
{
    bool echo = floor->utterance.flags & PRL_FLOOR_ECHO;
    bool lasting = voiced_ms > floor->conf.interrupt_max_ms && !echo;
    if (words_interrupt(floor) || lasting) {
        decide_real(floor);
        return;
    }
    if (voiced_ms >= floor->conf.interrupt_min_ms)
        prl_floor_end_filler(floor, PRL_FLOOR_BY_TURN);
    if (voiced_ms >= floor->conf.interrupt_min_ms && floor->answer == PRL_FLOOR_SPEAKING) {
        floor->answer = PRL_FLOOR_PAUSED;
        prl_floor_say_gen(floor, PRL_ACT_PAUSE, floor->current.generation);
    }
    if (silence_us > 0)
        judge_fallen_silent(floor, voiced_ms, silence_us);
}

void prl_floor_overlap_rules(struct prl_floor *floor)
{
    uint64_t voiced_ms = prl_floor_voiced(floor) / SAMPLES_PER_MS;
    int64_t silence_us = prl_floor_silence_us(floor);
    bool enough = voiced_ms >= floor->conf.interrupt_min_ms;
    bool settled = silence_us >= (int64_t)floor->conf.resume_ms * US_PER_MS;
    if (floor->conf.interrupt_response && floor->conf.turns == PRL_FLOOR_SEMANTIC_VAD) {
        semantic_rules(floor, voiced_ms, silence_us);
        return;
    }
    if (enough && floor->conf.interrupt_response)
        decide_real(floor);
    else if (enough)
        announce(floor); // it commits in its turn, and is answered after the current answer
    else if (settled)
        decide_false(floor);
}

// floor_answer.c -- the answer's side of the floor: it is owed, made, held, heard, cut, replaced
// by an apology (rules 4, 6, 7, 8, 9, 12), and transcripts arrive on the way.
#include "session/floor_state.h"

#include <string.h>

enum { US_PER_MS = 1000 };

static int64_t first_byte_us(const struct prl_floor *floor)
{
    return (int64_t)floor->conf.engine_first_byte_ms * US_PER_MS;
}

static void answer_none(struct prl_floor *floor)
{
    bool called = floor->current.called;
    // It turned out that there was nothing to answer: the wait for the tool goes on.
    bool nothing = floor->current.behind_tool && !floor->current.visible;
    floor->answer = PRL_FLOOR_NONE;
    floor->current = (struct prl_floor_slot){0};
    if (called)
        prl_floor_wait_begins(floor, true);
    else if (nothing)
        floor->tool_runs = true;
    else
        prl_floor_wait_ends(floor);
}

static void idle_begins(struct prl_floor *floor)
{
    floor->idle_wanted = true;
    floor->idle_from_us = floor->now_us;
    floor->idle_from = floor->input;
}

static void say_cancel(struct prl_floor *floor, const struct prl_floor_slot *slot,
                       enum prl_floor_reason reason)
{
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_CANCEL);
    action->generation = slot->generation;
    action->reason = reason;
    action->samples = slot->heard;
    action->visible = slot->visible && !slot->finished;
    action->finished = slot->finished;
    if (reason == PRL_FLOOR_BY_TURN)
        action->start = floor->utterance.onset;
}

// An answer that was made on a partial transcript is of no use: it is made anew from the final one.
void prl_floor_forget_early(struct prl_floor *floor)
{
    struct prl_floor_slot *slot = &floor->current;
    if (!slot->early)
        return;
    prl_floor_say_gen(floor, PRL_ACT_DROP_SPECULATION, slot->generation);
    floor->stats.speculations_used--;
    floor->stats.speculations_dropped++;
    slot->generation = prl_floor_new_generation(floor);
    slot->generating = slot->early = slot->confirming = slot->adopted = false;
    slot->done = slot->asked = slot->called = false;
    slot->produced = 0;
    slot->progress_us = floor->now_us;
}

// Rule 7: one function, and it waits for nothing.
void prl_floor_end_answer(struct prl_floor *floor, enum prl_floor_reason reason)
{
    if (floor->answer == PRL_FLOOR_NONE)
        return;
    floor->current.called = false; // nobody waits for tools any more
    floor->current.behind_tool = false;
    say_cancel(floor, &floor->current, reason);
    prl_floor_end_filler(floor, reason);
    bool unheard = floor->current.sent == 0;
    bool stays = reason == PRL_FLOOR_BY_TURN || reason == PRL_FLOOR_BY_REPLACEMENT;
    // Rule 4: the user is going on; the next answer takes both utterances.
    if (unheard && stays) {
        floor->owed = floor->owed || floor->current.owed;
        floor->owed_failed = floor->owed_failed || floor->current.owed_failed;
    }
    // It was still waiting for the words that it would have answered: these are cancelled with it.
    if (reason == PRL_FLOOR_BY_CLIENT && !floor->current.generating) {
        floor->owed = false;
        floor->owed_failed = false;
        for (uint32_t i = 0; i < floor->transcript_count; i++)
            floor->transcripts[i].owed = false;
    }
    answer_none(floor);
}

void prl_floor_end_tail(struct prl_floor *floor, enum prl_floor_reason reason)
{
    if (floor->tail.generation == 0)
        return;
    say_cancel(floor, &floor->tail, reason);
    floor->tail = (struct prl_floor_slot){0};
}

static void remove_transcript(struct prl_floor *floor, uint32_t index)
{
    floor->transcript_count--;
    memmove(&floor->transcripts[index], &floor->transcripts[index + 1],
            (floor->transcript_count - index) * sizeof(floor->transcripts[0]));
}

void prl_floor_transcript_done(struct prl_floor *floor, uint32_t generation, uint32_t words)
{
    for (uint32_t i = 0; i < floor->transcript_count; i++) {
        if (floor->transcripts[i].generation != generation)
            continue;
        struct prl_floor_action *action =
            prl_floor_say(floor, words ? PRL_ACT_TRANSCRIBED : PRL_ACT_EMPTY_UTTERANCE);
        action->generation = generation;
        action->utterance = floor->transcripts[i].utterance;
        floor->stats.empty_turns += words == 0;
        if (words > 0 && floor->transcripts[i].owed)
            floor->owed = true;
        remove_transcript(floor, i);
        return;
    }
}

static bool transcript_failed(struct prl_floor *floor, uint32_t generation,
                              enum prl_floor_reason reason)
{
    for (uint32_t i = 0; i < floor->transcript_count; i++) {
        if (floor->transcripts[i].generation != generation)
            continue;
        struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_TRANSCRIPT_FAILED);
        action->generation = generation;
        action->utterance = floor->transcripts[i].utterance;
        action->reason = reason;
        if (floor->transcripts[i].owed)
            floor->owed_failed = true;
        remove_transcript(floor, i);
        if (generation == floor->current.generation)
            prl_floor_forget_early(floor);
        return true;
    }
    return false;
}

// The final transcript of what was anticipated: the same words keep it, others begin it anew.
static void early_is_confirmed(struct prl_floor *floor, const struct prl_floor_event *event)
{
    struct prl_floor_slot *slot = &floor->speculation;
    if (!slot->early || event->generation != slot->generation)
        return;
    if (event->words > 0 && (event->flags & PRL_FLOOR_SAME)) {
        slot->early = false;
        return;
    }
    prl_floor_drop_speculation(floor);
    floor->utterance.pause_tried = false;
    floor->utterance.early_revision = floor->utterance.revision; // these are final
}

void prl_floor_on_stt_final(struct prl_floor *floor, const struct prl_floor_event *event)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    uint32_t generation = event->generation;
    if (generation == floor->speculation.generation || generation == utterance->judge) {
        if (generation == utterance->judge) {
            utterance->judged = true;
            utterance->words_voiced = utterance->judge_voiced;
            if (floor->user == PRL_FLOOR_PENDING)
                utterance->words_to = utterance->speech_end;
        } else {
            floor->speculation_heard = true;
            floor->speculation_words = event->words;
        }
        utterance->words = event->words;
        utterance->flags = event->flags;
        utterance->margin = event->margin;
        prl_floor_words_changed(floor);
        early_is_confirmed(floor, event);
        return;
    }
    prl_floor_transcript_done(floor, generation, event->words);
    if (generation != floor->current.generation)
        return;
    if (event->words > 0 && (event->flags & PRL_FLOOR_SAME))
        floor->current.early = false;
    prl_floor_forget_early(floor);
}

void prl_floor_on_progress(struct prl_floor *floor, const struct prl_floor_event *event)
{
    struct prl_floor_slot *slot =
        event->generation == floor->current.generation ? &floor->current : &floor->speculation;
    if (event->generation == floor->filler.generation)
        slot = &floor->filler;
    if (slot->done) {
        floor->stats.odd++;
        return;
    }
    slot->progress_us = floor->now_us;
    if (event->samples > slot->produced)
        slot->produced = event->samples;
    if (event->flags & PRL_FLOOR_ASKED)
        slot->asked = true;
    else if (event->fact == PRL_FACT_ANSWER_TEXT)
        slot->asked = false;
    if (event->fact == PRL_FACT_TOOL_CALL)
        slot->called = true;
    if (event->fact == PRL_FACT_ANSWER_DONE)
        slot->done = true;
}

void prl_floor_on_heard(struct prl_floor *floor, const struct prl_floor_event *event)
{
    struct prl_floor_slot *slot =
        event->generation == floor->current.generation ? &floor->current : &floor->tail;
    if (event->generation == floor->filler.generation)
        slot = &floor->filler;
    bool moved = false;
    if (event->sent > slot->sent) {
        slot->sent = event->sent;
        moved = true;
    }
    uint64_t heard = event->samples < slot->sent ? event->samples : slot->sent;
    if (heard > slot->heard) {
        slot->heard = heard;
        moved = true;
    }
    if (moved)
        slot->progress_us = floor->now_us;
}

// The present answer, which was begun on words that were spoken, pays for them from here on: else they would
// get a second one.
static void take_owed(struct prl_floor *floor)
{
    struct prl_floor_slot *slot = &floor->current;
    slot->owed = slot->owed || floor->owed;
    slot->owed_failed = slot->owed_failed || floor->owed_failed;
    floor->owed = false;
    floor->owed_failed = false;
    for (uint32_t i = 0; i < floor->transcript_count; i++) {
        if (floor->transcripts[i].generation != slot->generation)
            continue;
        slot->owed = slot->owed || floor->transcripts[i].owed;
        floor->transcripts[i].owed = false;
    }
}

// Rule 9: in THINKING an apology takes over, later the answer ends at its last good sentence.
static void answer_failed(struct prl_floor *floor, enum prl_floor_reason reason, uint64_t good)
{
    struct prl_floor_slot *slot = &floor->current;
    if (slot->early) {
        prl_floor_forget_early(floor);
        return;
    }
    uint64_t end = good > slot->sent ? good : slot->sent;
    end = end < slot->produced ? end : slot->produced;
    // Whole sentences that were held when it failed are worth hearing; half a word is not.
    if (end > 0) {
        slot->produced = end;
        slot->done = true;
        slot->end = PRL_FLOOR_INCOMPLETE;
        slot->progress_us = floor->now_us;
        struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_END_AT);
        action->generation = slot->generation;
        action->samples = slot->produced;
        action->reason = reason;
        return;
    }
    if (slot->apology) {
        struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_FINISH);
        action->generation = slot->generation;
        action->reason = PRL_FLOOR_BY_FAILURE;
        answer_none(floor);
        return;
    }
    floor->answer = PRL_FLOOR_THINKING; // it may have been about to speak
    if (!slot->visible) {
        take_owed(floor); // the apology pays as the answer would have
        if (slot->generating)
            prl_floor_say_gen(floor, PRL_ACT_DROP_SPECULATION, slot->generation);
    }
    uint32_t generation = prl_floor_new_generation(floor);
    struct prl_floor_action *action =
        prl_floor_say(floor, slot->visible ? PRL_ACT_REPLACE : PRL_ACT_START_RESPONSE);
    action->generation = slot->visible ? slot->generation : generation;
    action->new_generation = slot->visible ? generation : 0;
    action->reason = slot->visible ? reason : PRL_FLOOR_BY_TURN;
    action->apology = true;
    *slot = (struct prl_floor_slot){
        .generation = generation,
        .client = slot->client,
        .apology = true,
        .visible = true,
        .generating = true,
        .owed = slot->owed,
        .owed_failed = slot->owed_failed,
        .under_voice = slot->under_voice,
        .end = PRL_FLOOR_BY_FAILURE,
        .progress_us = floor->now_us,
    };
    action = prl_floor_say(floor, PRL_ACT_GENERATE);
    action->generation = generation;
    action->apology = true;
}

void prl_floor_on_failed(struct prl_floor *floor, const struct prl_floor_event *event)
{
    uint32_t generation = event->generation;
    if (event->stage == PRL_FLOOR_STAGE_STT &&
        transcript_failed(floor, generation, PRL_FLOOR_BY_FAILURE))
        return;
    if (generation == floor->speculation.generation) {
        prl_floor_drop_speculation(floor);
    } else if (generation == floor->utterance.judge) {
        floor->utterance.judged = true;
        floor->utterance.judge_failed = true;
    } else if (generation == floor->filler.generation) {
        prl_floor_end_filler(floor, PRL_FLOOR_BY_FAILURE);
    } else if (generation == floor->current.generation && !floor->current.done) {
        answer_failed(floor, PRL_FLOOR_BY_FAILURE, event->samples);
    } else {
        floor->stats.odd++;
    }
}

static void begin_answer(struct prl_floor *floor, struct prl_floor_slot slot)
{
    if (floor->answer != PRL_FLOOR_NONE)
        floor->tail = floor->current; // finished, and still heard
    if (slot.generation == 0)
        slot.generation = prl_floor_new_generation(floor);
    slot.progress_us = floor->now_us;
    slot.end = PRL_FLOOR_COMPLETED;
    slot.behind_tool = floor->tool_runs;
    floor->current = slot;
    floor->answer = PRL_FLOOR_THINKING;
    floor->idle_from_us = -1;
    prl_floor_wait_begins(floor, false);
}

static void say_start(struct prl_floor *floor)
{
    struct prl_floor_slot *slot = &floor->current;
    // Numbers grow in the order in which they are first said: whoever drops what is older than a
    // number may rely on it.
    if (!slot->adopted && slot->generation != floor->last_generation)
        slot->generation = prl_floor_new_generation(floor);
    slot->visible = true;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_START_RESPONSE);
    action->generation = slot->generation;
    action->reason = PRL_FLOOR_BY_TURN;
    if (slot->client)
        action->reason = slot->idle ? PRL_FLOOR_BY_IDLE : PRL_FLOOR_BY_CLIENT;
}

// May another answer begin behind the present one? Only when that has been sent in full.
static bool answer_free(const struct prl_floor *floor)
{
    return floor->answer == PRL_FLOOR_NONE ||
           (floor->answer == PRL_FLOOR_SPEAKING && floor->current.finished &&
            floor->tail.generation == 0);
}

void prl_floor_on_create(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)event;
    if (floor->answer == PRL_FLOOR_THINKING && !floor->current.visible) {
        // An automatic answer waits for its transcript: this request is about the same one.
        prl_floor_forget_early(floor);
        floor->current.client = true;
        if (floor->current.generating)
            take_owed(floor);
        say_start(floor);
        return;
    }
    if (!answer_free(floor)) {
        prl_floor_refuse(floor, PRL_FLOOR_RESPONSE_ACTIVE);
        return;
    }
    prl_floor_drop_speculation(floor);
    bool talking = floor->user != PRL_FLOOR_QUIET;
    begin_answer(floor, (struct prl_floor_slot){.client = true, .under_voice = talking});
    say_start(floor);
}

void prl_floor_on_cancel(struct prl_floor *floor, const struct prl_floor_event *event)
{
    if (floor->filler.generation != 0 &&
        (event->generation == floor->filler.generation ||
         (event->generation == 0 && floor->answer == PRL_FLOOR_NONE))) {
        prl_floor_end_filler(floor, PRL_FLOOR_BY_CLIENT);
        return;
    }
    bool other = event->generation != 0 && event->generation != floor->current.generation;
    if (floor->answer == PRL_FLOOR_NONE || floor->current.finished || other)
        prl_floor_refuse(floor, PRL_FLOOR_RESPONSE_NOT_ACTIVE);
    else
        prl_floor_end_answer(floor, PRL_FLOOR_BY_CLIENT);
}

// truncate of the sounding item, and output_audio_buffer.clear: what sounds falls silent.
void prl_floor_on_silence_wanted(struct prl_floor *floor, const struct prl_floor_event *event)
{
    bool any = event->fact == PRL_FACT_OUTPUT_CLEAR;
    bool sounding = floor->answer == PRL_FLOOR_SPEAKING || floor->answer == PRL_FLOOR_PAUSED;
    if (floor->tail.generation != 0 && (any || event->generation == floor->tail.generation))
        prl_floor_end_tail(floor, PRL_FLOOR_BY_CLIENT);
    if (floor->filler.generation != 0 && (any || event->generation == floor->filler.generation))
        prl_floor_end_filler(floor, PRL_FLOOR_BY_CLIENT);
    if (sounding && (any || event->generation == floor->current.generation))
        prl_floor_end_answer(floor, PRL_FLOOR_BY_CLIENT);
}

// Rule 12.
void prl_floor_on_gone(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)event;
    prl_floor_drop_speculation(floor);
    prl_floor_drop_judge(floor);
    prl_floor_end_answer(floor, PRL_FLOOR_BY_LEAVING);
    prl_floor_end_tail(floor, PRL_FLOOR_BY_LEAVING);
    prl_floor_end_filler(floor, PRL_FLOOR_BY_LEAVING);
    prl_floor_wait_ends(floor);
    while (floor->transcript_count > 0)
        (void)transcript_failed(floor, floor->transcripts[0].generation, PRL_FLOOR_BY_LEAVING);
    floor->owed = false;
    floor->owed_failed = false;
    floor->idle_from_us = -1;
    if (floor->utterance.tentative)
        prl_floor_drop_utterance(floor);
    if (floor->user == PRL_FLOOR_TALKING) {
        floor->utterance.voiced = prl_floor_voiced(floor);
        floor->utterance.speech_end = floor->input;
        floor->user = PRL_FLOOR_PENDING;
    }
    floor->voice = false;
    floor->frozen = true;
}

void prl_floor_on_back(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)event;
    floor->frozen = false;
    floor->input_us = floor->now_us;
}

static bool anything_owed(const struct prl_floor *floor)
{
    for (uint32_t i = 0; i < floor->transcript_count; i++)
        if (floor->transcripts[i].owed)
            return true;
    return floor->owed || floor->owed_failed;
}

static void idle_rule(struct prl_floor *floor)
{
    const struct prl_floor_conf *conf = &floor->conf;
    if (conf->idle_timeout_ms == 0 || floor->tail.generation != 0 ||
        floor->filler.generation != 0 || conf->turns != PRL_FLOOR_SERVER_VAD ||
        floor->idle_from_us < 0 || floor->user != PRL_FLOOR_QUIET || floor->transcript_count > 0 ||
        floor->now_us - floor->idle_from_us < (int64_t)conf->idle_timeout_ms * US_PER_MS)
        return;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_IDLE_TIMEOUT);
    action->utterance = ++floor->last_utterance;
    action->start = floor->idle_from > floor->buffer_from ? floor->idle_from : floor->buffer_from;
    action->end = floor->input;
    floor->buffer_from = floor->input;
    floor->voice_from = floor->input;
    begin_answer(floor, (struct prl_floor_slot){.client = true, .idle = true});
    say_start(floor);
}

static void none_rules(struct prl_floor *floor)
{
    if (floor->user == PRL_FLOOR_QUIET && answer_free(floor) && anything_owed(floor)) {
        begin_answer(floor, floor->prepared);
        floor->prepared = (struct prl_floor_slot){0};
    } else if (floor->answer == PRL_FLOOR_NONE) {
        idle_rule(floor);
    }
    if (floor->prepared.generation != 0) {
        // Its utterance turned out to be empty: nobody is owed an answer.
        prl_floor_say_gen(floor, PRL_ACT_DROP_SPECULATION, floor->prepared.generation);
        floor->prepared = (struct prl_floor_slot){0};
    }
}

// Every utterance up to here is transcribed: is there something to answer?
static void words_are_known(struct prl_floor *floor)
{
    struct prl_floor_slot *slot = &floor->current;
    bool failed = floor->owed_failed;
    take_owed(floor);
    if (!slot->visible && !slot->owed) {
        if (failed) {
            answer_failed(floor, PRL_FLOOR_BY_FAILURE, 0);
            return;
        }
        answer_none(floor); // no words: nobody waits for an answer
        if (floor->idle_wanted)
            idle_begins(floor);
        return;
    }
    if (!slot->visible)
        say_start(floor);
    if (!slot->generating) {
        slot->generating = true;
        slot->progress_us = floor->now_us;
        prl_floor_say_gen(floor, PRL_ACT_GENERATE, slot->generation);
    }
}

static bool must_hold(const struct prl_floor *floor)
{
    const struct prl_floor_slot *slot = &floor->current;
    // Another voice that the client was told of commits first, as any does.
    bool other = prl_floor_other(floor) && floor->utterance.tentative;
    bool voice = floor->user != PRL_FLOOR_QUIET && !other && !prl_floor_is_excused(floor) &&
                 (floor->conf.interrupt_response || slot->under_voice);
    return !slot->visible || !slot->generating || floor->tail.generation != 0 ||
           floor->filler.generation != 0 || voice;
}

static void say_finish(struct prl_floor *floor)
{
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_FINISH);
    action->generation = floor->current.generation;
    action->reason = floor->current.end;
    floor->current.finished = true;
}

static void thinking_rules(struct prl_floor *floor)
{
    struct prl_floor_slot *slot = &floor->current;
    if (floor->transcript_count == 0 && (!slot->visible || !slot->generating)) {
        words_are_known(floor);
        if (floor->answer == PRL_FLOOR_NONE)
            return;
    }
    if (slot->visible && slot->done && slot->produced == 0) {
        say_finish(floor); // text or tools only
        answer_none(floor);
        idle_begins(floor);
        return;
    }
    bool release = !must_hold(floor);
    if (release != slot->released) {
        slot->released = release;
        prl_floor_say_gen(floor, release ? PRL_ACT_RELEASE : PRL_ACT_HOLD, slot->generation);
    }
    if (floor->user == PRL_FLOOR_QUIET)
        slot->under_voice = false;
    if (release && slot->produced > 0) {
        floor->answer = PRL_FLOOR_SPEAKING;
        slot->progress_us = floor->now_us;
        prl_floor_wait_ends(floor);
        return;
    }
    int64_t limit_us = first_byte_us(floor);
    if (slot->apology)
        limit_us = (int64_t)floor->conf.apology_max_ms * US_PER_MS;
    if (slot->generating && slot->produced == 0 && floor->now_us >= slot->progress_us + limit_us)
        answer_failed(floor, PRL_FLOOR_BY_SLOWNESS, 0);
}

static void speaking_rules(struct prl_floor *floor)
{
    struct prl_floor_slot *slot = &floor->current;
    if (slot->done && !slot->finished && slot->sent >= slot->produced)
        say_finish(floor);
    bool stuck = floor->now_us >= slot->progress_us + first_byte_us(floor);
    if (slot->finished && (slot->heard >= slot->produced || stuck)) {
        prl_floor_say_gen(floor, PRL_ACT_PLAYED, slot->generation);
        answer_none(floor);
        idle_begins(floor);
    } else if (stuck && !slot->done) {
        answer_failed(floor, PRL_FLOOR_BY_SLOWNESS, slot->produced);
    } else if (stuck && !slot->finished) {
        prl_floor_end_answer(floor, PRL_FLOOR_BY_SLOWNESS); // nobody takes the sound
    }
}

static void transcript_limits(struct prl_floor *floor)
{
    while (floor->transcript_count > 0 &&
           floor->now_us >= floor->transcripts[0].since_us + first_byte_us(floor))
        (void)transcript_failed(floor, floor->transcripts[0].generation, PRL_FLOOR_BY_SLOWNESS);
}

static void tail_rules(struct prl_floor *floor)
{
    struct prl_floor_slot *tail = &floor->tail;
    if (tail->generation == 0)
        return;
    bool stuck = floor->now_us >= tail->progress_us + first_byte_us(floor);
    if (tail->heard < tail->produced && !stuck)
        return;
    prl_floor_say_gen(floor, PRL_ACT_PLAYED, tail->generation);
    *tail = (struct prl_floor_slot){0};
    if (floor->idle_from_us >= 0)
        idle_begins(floor); // the answer behind it was text only: silence begins now
}

void prl_floor_answer_rules(struct prl_floor *floor)
{
    transcript_limits(floor);
    tail_rules(floor);
    none_rules(floor);
    switch (floor->answer) {
    case PRL_FLOOR_NONE:
    case PRL_FLOOR_ANSWERS:
        break;
    case PRL_FLOOR_THINKING:
        thinking_rules(floor);
        break;
    case PRL_FLOOR_SPEAKING:
        speaking_rules(floor);
        break;
    case PRL_FLOOR_PAUSED:
        // The interruption was false, or nothing may interrupt any more, or not this voice.
        if (floor->user != PRL_FLOOR_QUIET && floor->conf.interrupt_response &&
            !prl_floor_other(floor))
            break;
        floor->answer = PRL_FLOOR_SPEAKING;
        floor->current.progress_us = floor->now_us;
        prl_floor_say_gen(floor, PRL_ACT_RESUME, floor->current.generation);
        break;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t prl_floor_answer_deadline(const struct prl_floor *floor)
{
    int64_t deadline_us = INT64_MAX;
    const struct prl_floor_slot *slot = &floor->current;
    int64_t limit_us = first_byte_us(floor);
    if (floor->transcript_count > 0)
        deadline_us = floor->transcripts[0].since_us + limit_us;
    if (floor->tail.generation != 0)
        deadline_us = earlier(deadline_us, floor->tail.progress_us + limit_us);
    if (floor->answer == PRL_FLOOR_SPEAKING)
        deadline_us = earlier(deadline_us, slot->progress_us + limit_us);
    if (floor->answer == PRL_FLOOR_THINKING && slot->generating && slot->produced == 0) {
        if (slot->apology)
            limit_us = (int64_t)floor->conf.apology_max_ms * US_PER_MS;
        deadline_us = earlier(deadline_us, slot->progress_us + limit_us);
    }
    bool idle = floor->answer == PRL_FLOOR_NONE && floor->tail.generation == 0 &&
                floor->user == PRL_FLOOR_QUIET && floor->idle_from_us >= 0 &&
                floor->conf.idle_timeout_ms > 0 && floor->conf.turns == PRL_FLOOR_SERVER_VAD;
    if (idle)
        deadline_us = earlier(deadline_us, floor->idle_from_us +
                                               (int64_t)floor->conf.idle_timeout_ms * US_PER_MS);
    return deadline_us;
}

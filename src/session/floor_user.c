// floor_user.c -- the user's side of the floor: utterances open, fall silent, are speculated on
// and committed (rules 1, 2, 3, 11).
#include "eot/turn.h"
#include "eot/words.h"
#include "session/floor_state.h"

#include <string.h>

enum {
    SAMPLES_PER_MS = PRL_FLOOR_INPUT_HZ / 1000,
    // While the input stands still this is the step in which silence is looked at, as a VAD
    // window is while it flows.
    STALL_STEP_US = 32000,
    // A recogniser that follows is asked every 250 ms (stt/stt.c): so much of the voice's end its last
    // words may lack and still be all of them.
    UNHEARD_MAX_MS = 300,
    WORDLESS_MS = 1300, // semantic_vad: outlasts the pauses of people (docs/TUNING.md)
    US_PER_MS = 1000
};

static const uint32_t TURN_FLAGS = PRL_FLOOR_OPEN_ENDED | PRL_FLOOR_COMPLETE | PRL_FLOOR_STABLE;

static bool voice_decides(const struct prl_floor *floor)
{
    return floor->conf.turns != PRL_FLOOR_MANUAL;
}

static void say_started(struct prl_floor *floor)
{
    floor->utterance.tentative = false;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_SPEECH_STARTED);
    action->utterance = floor->utterance.id;
    action->start = floor->utterance.start;
    if (floor->conf.interrupt_response) {
        prl_floor_end_tail(floor, PRL_FLOOR_BY_TURN);
        prl_floor_end_filler(floor, PRL_FLOOR_BY_TURN);
    }
}

// Rule 2: an utterance opens. In overlap it stays tentative, and nobody sees it.
static void open_utterance(struct prl_floor *floor, uint64_t onset)
{
    uint64_t prefix = (uint64_t)floor->conf.prefix_padding_ms * SAMPLES_PER_MS;
    uint64_t start = onset > prefix ? onset - prefix : 0;
    struct prl_floor_utterance *utterance = &floor->utterance;
    memset(utterance, 0, sizeof(*utterance));
    utterance->id = ++floor->last_utterance;
    utterance->start = start > floor->buffer_from ? start : floor->buffer_from;
    utterance->onset = onset;
    utterance->speech_end = onset;
    floor->voice_from = onset;
    floor->user = PRL_FLOOR_TALKING;
    floor->idle_from_us = -1;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_OPEN_UTTERANCE);
    action->utterance = utterance->id;
    action->start = utterance->start;
    utterance->tentative = floor->answer != PRL_FLOOR_NONE;
    if (!utterance->tentative)
        say_started(floor);
}

static uint64_t clamped(const struct prl_floor *floor, uint64_t sample, uint64_t low)
{
    if (sample > floor->input)
        sample = floor->input;
    return sample > low ? sample : low;
}

void prl_floor_on_input(struct prl_floor *floor, const struct prl_floor_event *event)
{
    if (!floor->voice)
        return;
    floor->utterance.followed |= event->flags & PRL_FLOOR_FOLLOWED;
    uint64_t known = event->sample ? clamped(floor, event->sample, 0) : floor->input;
    if (known > floor->voice_to)
        floor->voice_to = known;
}

void prl_floor_on_voice_on(struct prl_floor *floor, const struct prl_floor_event *event)
{
    floor->voice = true;
    floor->voice_to = floor->input;
    if (floor->user == PRL_FLOOR_QUIET) {
        open_utterance(floor, clamped(floor, event->sample, floor->buffer_from));
        return;
    }
    // The user goes on: what was prepared for the pause is void, without a trace.
    struct prl_floor_utterance *utterance = &floor->utterance;
    prl_floor_drop_speculation(floor);
    prl_floor_drop_judge(floor);
    floor->voice_from = clamped(floor, event->sample, utterance->speech_end);
    floor->user = PRL_FLOOR_TALKING;
    utterance->pause_tried = false;
    utterance->eot_known = false;
    utterance->eot_skipped = false;
    utterance->eot_silence_us = 0;
    // What the words said of the turn was said of the pause that is over.
    utterance->flags &= ~TURN_FLAGS;
}

void prl_floor_on_voice_off(struct prl_floor *floor, const struct prl_floor_event *event)
{
    floor->voice = false;
    if (floor->user != PRL_FLOOR_TALKING)
        return; // the rest of an utterance that was committed or cleared under the voice
    uint64_t end = clamped(floor, event->sample, floor->voice_from);
    floor->utterance.voiced += end - floor->voice_from;
    floor->utterance.speech_end = end;
    floor->user = PRL_FLOOR_PENDING;
    prl_floor_drop_judge(floor); // it did not hear all of the voice
}

void prl_floor_on_partial(struct prl_floor *floor, const struct prl_floor_event *event)
{
    uint64_t unheard = event->sample ? floor->input - clamped(floor, event->sample, 0) : 0;
    uint64_t voiced = prl_floor_voiced(floor);
    bool owner_changed = (floor->utterance.flags ^ event->flags) & PRL_FLOOR_OTHER;
    floor->utterance.words = event->words;
    floor->utterance.words_voiced = voiced > unheard ? voiced - unheard : 0;
    floor->utterance.words_to = floor->input - unheard;
    floor->utterance.flags = event->flags;
    floor->utterance.margin = event->margin;
    floor->utterance.followed |= event->flags & PRL_FLOOR_FOLLOWED;
    prl_floor_words_changed(floor);
    // What was made of other words is of no use, nor what was made of another's, or not made of the
    // speaker's, because it was not yet known whose they are.
    if (owner_changed || (floor->speculation.early && !(event->flags & PRL_FLOOR_SAME))) {
        prl_floor_drop_speculation(floor);
        floor->utterance.pause_tried = false;
    }
}

void prl_floor_on_eot(struct prl_floor *floor, const struct prl_floor_event *event)
{
    floor->utterance.eot_waiting = false;
    // Asked in a pause that is over: the user went on, so the answer says nothing.
    if (floor->user != PRL_FLOOR_PENDING || floor->utterance.eot_silence_us == 0)
        return;
    if (event->flags & PRL_FLOOR_SKIPPED) {
        floor->stats.eot_skipped++;
        floor->utterance.eot_skipped = true;
        return;
    }
    floor->utterance.eot_skipped = false;
    floor->utterance.eot_known = true;
    floor->utterance.eot_permille = event->permille;
}

void prl_floor_drop_speculation(struct prl_floor *floor)
{
    if (floor->speculation.generation == 0)
        return;
    prl_floor_say_gen(floor, PRL_ACT_DROP_SPECULATION, floor->speculation.generation);
    floor->stats.speculations_dropped++;
    floor->speculation = (struct prl_floor_slot){0};
    floor->speculation_heard = false;
}

void prl_floor_drop_utterance(struct prl_floor *floor)
{
    if (floor->utterance.id == 0)
        return;
    prl_floor_drop_speculation(floor);
    prl_floor_drop_judge(floor);
    prl_floor_say(floor, PRL_ACT_DISCARD_UTTERANCE)->utterance = floor->utterance.id;
    memset(&floor->utterance, 0, sizeof(floor->utterance));
    floor->user = PRL_FLOOR_QUIET;
    floor->voice_from = floor->input;
}

// Commits the open utterance, or the whole buffer when none is open. `automatic`: a rule did it.
static void commit(struct prl_floor *floor, bool automatic)
{
    struct prl_floor_utterance utterance = floor->utterance;
    bool owed = automatic && floor->conf.create_response;
    struct prl_floor_slot adopted = {0};
    bool heard = floor->speculation_heard;
    uint32_t words = floor->speculation_words;
    bool unasked = floor->speculation.early && !floor->speculation.confirming;
    if (owed && floor->speculation.generation != 0 && !unasked) {
        adopted = floor->speculation;
        floor->speculation = (struct prl_floor_slot){0};
        floor->speculation_heard = false;
        floor->stats.speculations_used++;
    }
    prl_floor_drop_speculation(floor);
    prl_floor_drop_judge(floor);
    uint32_t generation = adopted.generation ? adopted.generation : prl_floor_new_generation(floor);
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_COMMIT_UTTERANCE);
    action->utterance = utterance.id;
    action->generation = generation;
    action->start = utterance.start;
    action->end = floor->input;
    action->speech_end = floor->user == PRL_FLOOR_PENDING ? utterance.speech_end : floor->input;
    action->announced = !utterance.tentative && floor->user != PRL_FLOOR_QUIET;
    floor->transcripts[floor->transcript_count++] = (struct prl_floor_transcript){
        .generation = generation,
        .utterance = utterance.id,
        .owed = owed,
        .since_us = floor->now_us,
    };
    memset(&floor->utterance, 0, sizeof(floor->utterance));
    floor->user = PRL_FLOOR_QUIET;
    floor->buffer_from = floor->input;
    floor->voice_from = floor->input;
    floor->idle_from_us = -1;
    if (floor->answer == PRL_FLOOR_NONE)
        prl_floor_wait_ends(floor);
    // Rule 6: an answer that was asked for while the user talked gives way.
    if (owed && floor->answer == PRL_FLOOR_THINKING && floor->current.under_voice)
        prl_floor_end_answer(floor, PRL_FLOOR_BY_REPLACEMENT);
    if (!adopted.generation) {
        action = prl_floor_say(floor, PRL_ACT_TRANSCRIBE);
        action->generation = generation;
        action->utterance = utterance.id;
        action->end = floor->input;
        return;
    }
    adopted.adopted = true;
    floor->prepared = adopted;
    if (heard)
        prl_floor_transcript_done(floor, generation, words);
}

void prl_floor_on_commit(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)event;
    uint64_t max = (uint64_t)floor->conf.utterance_max_ms * SAMPLES_PER_MS;
    uint64_t from = floor->utterance.id ? floor->utterance.start : floor->buffer_from;
    if (floor->input - from > max)
        from = floor->input - max; // long silence before it: only the end is kept
    if (floor->input - from < (uint64_t)floor->conf.commit_min_ms * SAMPLES_PER_MS) {
        prl_floor_refuse(floor, PRL_FLOOR_COMMIT_EMPTY);
        return;
    }
    if (floor->transcript_count == PRL_FLOOR_TRANSCRIPTS_MAX) {
        prl_floor_refuse(floor, PRL_FLOOR_BUSY);
        return;
    }
    if (floor->utterance.id == 0) {
        floor->utterance.id = ++floor->last_utterance;
        floor->utterance.start = from;
        struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_OPEN_UTTERANCE);
        action->utterance = floor->utterance.id;
        action->start = from;
    }
    commit(floor, false);
}

void prl_floor_on_clear(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)event;
    prl_floor_drop_utterance(floor);
    floor->buffer_from = floor->input;
    floor->voice_from = floor->input;
    prl_floor_say(floor, PRL_ACT_CLEARED);
}

void prl_floor_on_update(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)event;
    if (voice_decides(floor)) {
        if (!floor->conf.create_response)
            prl_floor_drop_speculation(floor);
        return;
    }
    // Manual from now on: the sound stays in the buffer for the client's commit.
    prl_floor_drop_utterance(floor);
    floor->voice = false;
}

// The words stand still and ask for no more.
static bool words_are_sure(const struct prl_floor *floor)
{
    const struct prl_floor_utterance *utterance = &floor->utterance;
    return utterance->words > 0 && (utterance->flags & PRL_FLOOR_STABLE) &&
           !(utterance->flags & PRL_FLOOR_OPEN_ENDED);
}

static bool may_speculate(const struct prl_floor *floor, uint32_t tries)
{
    return floor->speculation.generation == 0 && floor->conf.create_response &&
           floor->answer == PRL_FLOOR_NONE && tries < floor->conf.speculations_max;
}

// In a pause, before its transcript: the last words heard nearly all of the voice.
static bool words_are_recent(const struct prl_floor *floor)
{
    const struct prl_floor_utterance *utterance = &floor->utterance;
    uint64_t heard_to = utterance->words_to + (uint64_t)UNHEARD_MAX_MS * SAMPLES_PER_MS;
    return floor->user == PRL_FLOOR_PENDING && !utterance->pause_tried && utterance->words > 0 &&
           heard_to >= utterance->speech_end && !(utterance->flags & PRL_FLOOR_OPEN_ENDED);
}

// Rule 3, on words that no final transcript has confirmed: the recogniser has all of them already.
static void anticipate(struct prl_floor *floor)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    bool known =
        words_are_recent(floor) || (floor->user == PRL_FLOOR_TALKING && words_are_sure(floor));
    if (!floor->conf.speculate_early || !may_speculate(floor, utterance->early_tries) || !known ||
        utterance->early_revision == utterance->revision || floor->transcript_count > 0)
        return;
    utterance->early_revision = utterance->revision;
    utterance->early_tries++;
    floor->speculation = (struct prl_floor_slot){.generation = prl_floor_new_generation(floor),
                                                 .early = true,
                                                 .generating = true,
                                                 .progress_us = floor->now_us};
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_ANTICIPATE);
    action->generation = floor->speculation.generation;
    action->utterance = utterance->id;
}

// Rule 3.
static void speculate(struct prl_floor *floor, int64_t silence_us)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    bool due = words_are_sure(floor) || silence_us >= (int64_t)floor->conf.probe_ms * US_PER_MS;
    struct prl_floor_action *action = NULL;
    if (floor->speculation.early && !floor->speculation.confirming) {
        floor->speculation.confirming = true;
        action = prl_floor_say(floor, PRL_ACT_CONFIRM);
    } else if (due && may_speculate(floor, utterance->speculations) && !utterance->pause_tried) {
        utterance->speculations++;
        floor->speculation.generation = prl_floor_new_generation(floor);
        action = prl_floor_say(floor, PRL_ACT_SPECULATE);
    }
    if (action) {
        utterance->pause_tried = true;
        action->generation = floor->speculation.generation;
        action->utterance = utterance->id;
        action->end = floor->input;
    }
    // It needs the words of what was committed before it, or it would answer another question.
    if (floor->speculation.generation != 0 && floor->speculation_heard &&
        floor->speculation_words > 0 && !floor->speculation.generating &&
        floor->transcript_count == 0) {
        floor->speculation.generating = true;
        floor->speculation.progress_us = floor->now_us;
        prl_floor_say_gen(floor, PRL_ACT_GENERATE, floor->speculation.generation);
    }
}

// Once a pause, and again when the text changed or the pause doubled; not when the text decides.
static void ask_eot(struct prl_floor *floor, int64_t silence_us)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    if (!floor->conf.eot_available || utterance->eot_waiting ||
        silence_us < (int64_t)floor->conf.probe_ms * US_PER_MS)
        return;
    bool again = utterance->revision != utterance->eot_revision ||
                 silence_us >= 2 * utterance->eot_silence_us;
    if (utterance->eot_silence_us != 0 && !again)
        return;
    if (utterance->flags & PRL_FLOOR_COMPLETE) {
        floor->stats.eot_skipped += utterance->skip_revision != utterance->revision;
        utterance->skip_revision = utterance->revision;
        return;
    }
    utterance->eot_waiting = true;
    utterance->eot_revision = utterance->revision;
    utterance->eot_silence_us = silence_us;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_ASK_EOT);
    action->utterance = utterance->id;
    // The model takes a longer silence for a surer end, in a pause as at an end: it always hears as
    // much of it (docs/TUNING.md, "The end of a turn").
    uint64_t end = utterance->speech_end + (uint64_t)floor->conf.probe_ms * SAMPLES_PER_MS;
    action->end = end < floor->input ? end : floor->input;
}

// The recogniser works on this pause: its words may ask for more, and no answer can begin without
// them anyway.
static bool words_are_awaited(const struct prl_floor *floor, int64_t silence_us)
{
    bool running = floor->speculation.generation != 0 && !floor->speculation_heard;
    return running && silence_us < (int64_t)floor->conf.silence_max_ms * US_PER_MS / 2;
}

// The recogniser found no word in all of it: a commit would bring no answer, and part what may still come.
static bool is_wordless(const struct prl_floor *floor)
{
    return floor->speculation.generation != 0 && floor->speculation_heard &&
           floor->speculation_words == 0;
}

// Rule 1.
static bool commit_due(const struct prl_floor *floor, int64_t silence_us)
{
    const struct prl_floor_conf *conf = &floor->conf;
    const struct prl_floor_utterance *utterance = &floor->utterance;
    if (conf->turns == PRL_FLOOR_SERVER_VAD)
        return silence_us >= (int64_t)conf->silence_duration_ms * US_PER_MS;
    if (silence_us >= (int64_t)conf->silence_max_ms * US_PER_MS)
        return true;
    bool asks_for_more = utterance->flags & PRL_FLOOR_OPEN_ENDED;
    uint32_t words = asks_for_more ? PRL_EOT_OPEN_ENDED : 0;
    if (utterance->flags & PRL_FLOOR_COMPLETE)
        words = PRL_EOT_COMPLETE;
    words |= utterance->flags & PRL_FLOOR_HAN ? PRL_EOT_HAN : 0;
    uint32_t wanted_ms =
        prl_eot_silence_ms(utterance->eot_known ? utterance->eot_permille : 0, words);
    uint32_t least_ms = is_wordless(floor) ? WORDLESS_MS : conf->silence_min_ms;
    if (wanted_ms < least_ms)
        wanted_ms = least_ms;
    if (!words_are_awaited(floor, silence_us) && silence_us >= (int64_t)wanted_ms * US_PER_MS)
        return true;
    // Nobody to ask: silence decides.
    bool mute = !conf->eot_available || (utterance->eot_skipped && !utterance->eot_known);
    return mute && !asks_for_more && silence_us >= (int64_t)conf->silence_duration_ms * US_PER_MS;
}

static void utterance_rules(struct prl_floor *floor)
{
    int64_t silence_us = prl_floor_silence_us(floor);
    bool room = floor->transcript_count < PRL_FLOOR_TRANSCRIPTS_MAX;
    uint64_t max = (uint64_t)floor->conf.utterance_max_ms * SAMPLES_PER_MS;
    bool full = floor->input - floor->utterance.start >= max;
    bool due = full || (silence_us > 0 && commit_due(floor, silence_us));
    if (floor->user == PRL_FLOOR_PENDING && floor->conf.turns == PRL_FLOOR_SEMANTIC_VAD && !due)
        ask_eot(floor, silence_us);
    anticipate(floor);
    if (floor->user == PRL_FLOOR_PENDING)
        speculate(floor, silence_us);
    if (room && due)
        commit(floor, true);
}

// The client asked for an answer in a pause of an utterance that everybody knows of, and the user goes
// on: what is said was not meant to be heard now.
static bool goes_on_over(const struct prl_floor *floor)
{
    uint64_t real = (uint64_t)floor->conf.interrupt_min_ms * SAMPLES_PER_MS;
    return floor->conf.interrupt_response && floor->user == PRL_FLOOR_TALKING &&
           floor->answer == PRL_FLOOR_SPEAKING && !prl_floor_other(floor) &&
           floor->voice_to >= floor->voice_from + real;
}

void prl_floor_user_rules(struct prl_floor *floor)
{
    if (!voice_decides(floor))
        return;
    // Voice that goes on under a commit or a clear becomes an utterance when it proves real.
    uint64_t real = (uint64_t)floor->conf.interrupt_min_ms * SAMPLES_PER_MS;
    if (floor->user == PRL_FLOOR_QUIET && floor->voice &&
        floor->voice_to >= floor->voice_from + real)
        open_utterance(floor, floor->voice_from);
    if (floor->user == PRL_FLOOR_QUIET)
        return;
    if (floor->utterance.tentative) {
        if (floor->answer != PRL_FLOOR_NONE)
            prl_floor_overlap_rules(floor);
        else if (floor->user == PRL_FLOOR_TALKING)
            say_started(floor); // the answer ended under it: there is nothing to interrupt
        else
            prl_floor_drop_utterance(floor);
    }
    if (floor->utterance.id == 0 || floor->utterance.tentative)
        return;
    if (goes_on_over(floor))
        prl_floor_decide_real(floor);
    utterance_rules(floor);
}

int64_t prl_floor_user_deadline(const struct prl_floor *floor)
{
    if (floor->user == PRL_FLOOR_QUIET)
        return INT64_MAX;
    int64_t stall_us = floor->input_us + (int64_t)floor->conf.input_stall_ms * US_PER_MS;
    return floor->now_us < stall_us ? stall_us : floor->now_us + STALL_STEP_US;
}

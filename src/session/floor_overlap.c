// floor_overlap.c -- sound while an answer is being made or heard: is it meant for us (rules 4, 5)?
#include "session/floor_state.h"

#include <string.h>

enum {
    SAMPLES_PER_MS = PRL_FLOOR_INPUT_HZ / 1000,
    US_PER_MS = 1000,
    // How much voice a recogniser must have heard before its words prove anything, measured on sneezes,
    // cries and backchannels (docs/TUNING.md, "Interruptions"): from the first 200 ms it makes a word of
    // each of them.
    WHOLE_MS = 250,  // the whole of a sound that is over
    PHRASE_MS = 300, // two words or more while the voice goes on
    WORD_MS = 450,   // one word
    // Of a sound this short that is over, one word or two prove nothing: of hums and sighs a recogniser
    // makes them too, unless they ask to stop, or something.
    SHORT_MS = 700,
    FEW_WORDS = 2,
    WORD_LEAST_MS = 115, // nobody says a word in less
    HAN_LEAST_MS = 130,  // nor a Chinese character
    WORDS_QUICK = 3,     // but for so few: "wait a minute"
    // Voice that goes on so long is no hum any more: "uh huh" and "I see", of which it makes two words,
    // took 640 ms at most, "nice" and "aha", of which it makes one, 576.
    PHRASE_VOICED_MS = 650,
    WORD_VOICED_MS = 600,
    // Where the recogniser weighs its words against signs of listening (tenths, stt/rivals.h), that decides
    // and not their number: below the first they are one; others are believed from the second on when little
    // was heard, from the third on when more was, and such as take the floor from the fourth on.
    MARGIN_LISTENS = 35,
    MARGIN_SHORT = 110,
    MARGIN_LONG = 60,
    MARGIN_TAKES = 60,
    MARGIN_SHORT_MS = 350,
    MARGIN_MS = 6, // each of them takes one from the second
    // So often a recogniser that follows is asked under voice, because its own transcripts come too late.
    // One of them takes 25 to 50 ms.
    EARLY_JUDGES = 6,
    // A verdict that is late still counts, up to so many times verdict_max_ms.
    LATE_VERDICTS = 4
};

static const uint32_t EARLY_JUDGES_MS[EARLY_JUDGES] = {350, 430, 510, 590, 670, 750};

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

void prl_floor_decide_real(struct prl_floor *floor)
{
    floor->stats.interruptions_real++;
    if (floor->utterance.tentative)
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

// Speaker lock: whose voice it is is being found out, for lock_ms of voice at most, or until a silence
// twice as long as the one after which an answer resumes.
static bool speaker_awaited(const struct prl_floor *floor, uint64_t voiced_ms, int64_t silence_us)
{
    return voiced_ms < floor->conf.lock_ms &&
           silence_us < 2 * (int64_t)floor->conf.resume_ms * US_PER_MS &&
           !(floor->utterance.flags & (PRL_FLOOR_MINE | PRL_FLOOR_OTHER));
}

bool prl_floor_other(const struct prl_floor *floor)
{
    return floor->utterance.id != 0 && (floor->utterance.flags & PRL_FLOOR_OTHER);
}

// The last words are only a sign of listening (which they are not after a question), or the answer's own,
// which came back through the room.
static bool words_listen(const struct prl_floor *floor)
{
    const struct prl_floor_utterance *utterance = &floor->utterance;
    bool weak = utterance->margin > 0 && utterance->margin < MARGIN_LISTENS;
    bool listening = (weak || (utterance->flags & PRL_FLOOR_BACKCHANNEL)) && !floor->current.asked;
    return utterance->words > 0 && (listening || (utterance->flags & PRL_FLOOR_ECHO));
}

static bool is_judged(const struct prl_floor *floor)
{
    return floor->utterance.judged && !floor->utterance.judge_failed;
}

// Are words of which it is known how much likelier they are than a sign of listening likely enough?
static bool outweighs(const struct prl_floor_utterance *utterance, uint64_t heard_ms)
{
    uint64_t more_ms = heard_ms > MARGIN_SHORT_MS ? heard_ms - MARGIN_SHORT_MS : 0;
    uint64_t less = more_ms / MARGIN_MS;
    uint64_t wanted = less < MARGIN_SHORT - MARGIN_LONG ? MARGIN_SHORT - less : MARGIN_LONG;
    if (utterance->flags & PRL_FLOOR_TAKES)
        wanted = MARGIN_TAKES;
    return utterance->margin >= wanted;
}

// Words that take the floor: any others, when enough was heard to believe them.
static bool words_interrupt(const struct prl_floor *floor, int64_t silence_us)
{
    const struct prl_floor_utterance *utterance = &floor->utterance;
    if (utterance->words == 0 || words_listen(floor))
        return false;
    uint64_t heard_ms = utterance->words_voiced / SAMPLES_PER_MS;
    uint64_t voiced_ms = prl_floor_voiced(floor) / SAMPLES_PER_MS;
    uint32_t least_ms = utterance->flags & PRL_FLOOR_HAN ? HAN_LEAST_MS : WORD_LEAST_MS;
    bool said = (uint64_t)utterance->words * least_ms <= heard_ms;
    if (utterance->margin > 0 && !floor->current.asked) {
        bool whole = silence_us > 0 && is_judged(floor);
        bool few = (utterance->flags & PRL_FLOOR_TAKES) && utterance->words <= WORDS_QUICK;
        return heard_ms >= (whole ? WHOLE_MS : PHRASE_MS) && (said || few) &&
               outweighs(utterance, heard_ms);
    }
    bool many = utterance->words > FEW_WORDS && said;
    // "Does her", "not her": who hears another thing each time has heard a hum.
    bool again = utterance->words <= utterance->plain_words;
    bool takes =
        (utterance->flags & PRL_FLOOR_TAKES) && !again && (said || utterance->words <= WORDS_QUICK);
    bool sure = many || floor->current.asked || takes;
    if (silence_us > 0 && is_judged(floor))
        return heard_ms >= WHOLE_MS && (sure || voiced_ms >= SHORT_MS);
    bool two = utterance->words > 1;
    if (heard_ms < (two ? PHRASE_MS : WORD_MS))
        return false;
    bool lasts = voiced_ms >= (two ? PHRASE_VOICED_MS : WORD_VOICED_MS);
    return sure || (silence_us == 0 && lasts);
}

void prl_floor_words_changed(struct prl_floor *floor)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    utterance->revision++;
    bool plain = !(utterance->flags & PRL_FLOOR_TAKES) && !words_listen(floor) &&
                 utterance->words_voiced >= (uint64_t)PHRASE_MS * SAMPLES_PER_MS;
    if (plain && utterance->words > utterance->plain_words)
        utterance->plain_words = utterance->words;
}

static void ask_verdict(struct prl_floor *floor)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    utterance->judge = prl_floor_new_generation(floor);
    utterance->judged = utterance->judge_failed = false;
    utterance->judge_voiced = prl_floor_voiced(floor);
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_JUDGE);
    action->generation = utterance->judge;
    action->utterance = utterance->id;
    action->end = floor->input;
}

bool prl_floor_is_excused(const struct prl_floor *floor)
{
    return floor->user == PRL_FLOOR_PENDING && floor->utterance.excused > 0 &&
           floor->utterance.excused == floor->utterance.voiced;
}

// So short a sound is seldom meant for us, and whoever waits for a slow recogniser hears silence: the
// answer goes on. The words may still take the floor when they come.
static void excuse(struct prl_floor *floor)
{
    floor->utterance.excused = floor->utterance.voiced;
    if (floor->answer != PRL_FLOOR_PAUSED)
        return;
    floor->answer = PRL_FLOOR_SPEAKING;
    floor->current.progress_us = floor->now_us;
    prl_floor_say_gen(floor, PRL_ACT_RESUME, floor->current.generation);
}

static void judge_fallen_silent(struct prl_floor *floor, uint64_t voiced_ms, int64_t silence_us)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    int64_t verdict_us = (int64_t)floor->conf.verdict_max_ms * US_PER_MS;
    bool settled = silence_us >= (int64_t)floor->conf.resume_ms * US_PER_MS;
    // Words that did not interrupt are a verdict too.
    bool nothing = utterance->voiced / SAMPLES_PER_MS < floor->conf.interrupt_min_ms;
    if (nothing || is_judged(floor)) {
        if (settled)
            decide_false(floor);
        return;
    }
    // A line that stands still under the voice brings no more of it to judge.
    bool over = floor->user == PRL_FLOOR_PENDING && silence_us < LATE_VERDICTS * verdict_us;
    if (utterance->judge == 0 && over)
        ask_verdict(floor);
    if (silence_us < verdict_us)
        return;
    bool listens = words_listen(floor);
    if (voiced_ms >= floor->conf.interrupt_unjudged_ms && !listens)
        prl_floor_decide_real(floor);
    else if (listens || utterance->judged || !over)
        decide_false(floor);
    else if (!prl_floor_is_excused(floor))
        excuse(floor);
}

// The voice goes on, and the recogniser follows it.
static bool early_verdict_due(const struct prl_floor *floor, uint64_t voiced_ms)
{
    const struct prl_floor_utterance *utterance = &floor->utterance;
    uint32_t asked = utterance->early_judges;
    bool idle = utterance->judge == 0 || utterance->judged;
    return utterance->followed && idle && asked < EARLY_JUDGES &&
           voiced_ms >= EARLY_JUDGES_MS[asked];
}

static void semantic_rules(struct prl_floor *floor, uint64_t voiced_ms, int64_t silence_us)
{
    struct prl_floor_utterance *utterance = &floor->utterance;
    if (prl_floor_other(floor)) { // however long it lasts, the answer goes on
        // One that breathes is still the same one: it need not be found out again.
        if (silence_us >= (int64_t)floor->conf.verdict_max_ms * US_PER_MS)
            decide_false(floor);
        return;
    }
    bool echo = utterance->flags & PRL_FLOOR_ECHO;
    // A long "mhm" is still one while its words say so.
    uint64_t most_ms = floor->conf.interrupt_max_ms;
    most_ms += words_listen(floor) ? most_ms / 2 : 0;
    bool lasting = voiced_ms > most_ms && !echo;
    bool awaited = speaker_awaited(floor, prl_floor_voiced(floor) / SAMPLES_PER_MS, silence_us);
    if ((words_interrupt(floor, silence_us) || lasting) && !awaited) {
        prl_floor_decide_real(floor);
        return;
    }
    if (voiced_ms >= floor->conf.interrupt_min_ms)
        prl_floor_end_filler(floor, PRL_FLOOR_BY_TURN);
    if (voiced_ms >= floor->conf.interrupt_min_ms && floor->answer == PRL_FLOOR_SPEAKING) {
        floor->answer = PRL_FLOOR_PAUSED;
        prl_floor_say_gen(floor, PRL_ACT_PAUSE, floor->current.generation);
    }
    if (silence_us > 0 && awaited) {
        if (utterance->judge == 0 && voiced_ms >= floor->conf.interrupt_min_ms)
            ask_verdict(floor); // its words are wanted by then
    } else if (silence_us > 0) {
        judge_fallen_silent(floor, voiced_ms, silence_us);
    } else if (early_verdict_due(floor, voiced_ms)) {
        utterance->early_judges++;
        ask_verdict(floor);
    }
}

void prl_floor_overlap_rules(struct prl_floor *floor)
{
    uint64_t voiced_ms = (prl_floor_voiced(floor) - floor->utterance.excused) / SAMPLES_PER_MS;
    int64_t silence_us = prl_floor_silence_us(floor);
    bool enough = voiced_ms >= floor->conf.interrupt_min_ms;
    bool settled = silence_us >= (int64_t)floor->conf.resume_ms * US_PER_MS;
    bool patient = floor->conf.turns == PRL_FLOOR_SEMANTIC_VAD || floor->conf.lock_ms > 0;
    if (floor->conf.interrupt_response && patient) {
        semantic_rules(floor, voiced_ms, silence_us);
        return;
    }
    if (enough && floor->conf.interrupt_response)
        prl_floor_decide_real(floor);
    else if (enough)
        announce(floor); // it commits in its turn, and is answered after the current answer
    else if (settled)
        decide_false(floor);
}

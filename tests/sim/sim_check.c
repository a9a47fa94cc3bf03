// sim_check.c -- the oracle: what must be true of every meaning, after every step, and at the end.
// It knows the rules of the floor, and nothing of how the floor keeps them.
#include <inttypes.h>
#include <string.h>

#include "tests/sim/sim_world.h"

enum {
    PER_MS = PRL_FLOOR_INPUT_HZ / 1000,
    SLACK_MS = 72, // two VAD windows and a tick
    PENDING_MAX = 8,
    LATE_VERDICTS = 4,
    TEXT_MAX = 4096
};

#define MUST(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail(world, __VA_ARGS__);                                                          \
    } while (0)

uint64_t sim_voiced_ms(const struct sim_world *world)
{
    uint64_t voiced = world->open_voiced;
    if (world->voice && world->speech_to > world->open_voice_from)
        voiced += world->speech_to - world->open_voice_from;
    return voiced / PER_MS;
}

static int64_t silence_ms(const struct sim_world *world)
{
    if (world->voice)
        return 0;
    return (int64_t)(world->input - world->voice_off_at) / PER_MS;
}

// Overlap is judged before it interrupts: by words, and by whose voice it is.
static bool is_patient(const struct sim_world *world)
{
    return world->conf.turns == PRL_FLOOR_SEMANTIC_VAD ||
           (world->conf.turns == PRL_FLOOR_SERVER_VAD && world->conf.lock_ms > 0);
}

// The floor was told that the open utterance is another's.
static bool is_other(const struct sim_world *world)
{
    return world->open != 0 && (world->open_flags & PRL_FLOOR_OTHER);
}

static uint32_t pending_count(const struct sim_world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= world->utterance_count; i++)
        count += world->utterances[i].life == SIM_COMMITTED;
    return count;
}

static void meet(struct sim_world *world, uint32_t number)
{
    struct sim_generation *g = &world->generations[number % SIM_GENERATIONS_MAX];
    if (g->known)
        return;
    g->known = true;
    g->stt_us = -1;
    g->make_us = -1;
    g->end_at = UINT64_MAX;
    if (number > world->generation_count)
        world->generation_count = number;
}

// The generation that an action is about; made known on first use.
static struct sim_generation *generation_of(struct sim_world *world, uint32_t number)
{
    if (number == 0 || number >= SIM_GENERATIONS_MAX) {
        sim_fail(world, "generation %u", number);
        return &world->generations[0];
    }
    struct sim_generation *g = &world->generations[number];
    if (!g->known)
        MUST(number > world->generation_count, "generation %u is older than the last", number);
    meet(world, number);
    MUST(!g->dead, "generation %u is over", number);
    return g;
}

static struct sim_utterance *utterance_of(struct sim_world *world, uint32_t number)
{
    if (number == 0 || number >= SIM_UTTERANCES_MAX) {
        sim_fail(world, "utterance %u", number);
        return &world->utterances[0];
    }
    return &world->utterances[number];
}

static void check_open(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    MUST(action->utterance > world->utterance_count, "utterance number %u again",
         action->utterance);
    MUST(world->open == 0, "two utterances are open");
    MUST(action->start >= world->committed_to, "an utterance reaches back into a committed one");
    MUST(action->start <= world->input, "an utterance begins in the future");
    world->utterance_count = action->utterance;
    world->open = action->utterance;
    world->open_voiced = world->open_excused = 0;
    world->open_words = 0;
    world->open_heard_ms = world->open_heard_to = 0;
    world->plain_words = 0;
    world->judged = world->judging = false;
    world->open_flags = 0;
    world->partial_words = 0;
    world->partial_flags = 0;
    world->kept_words = world->kept_margin = world->open_margin = 0;
    world->kept_flags = 0;
    world->open_voice_from = world->leftover ? world->broken_at : world->voice_on_at;
    if (world->open_voice_from < world->committed_to)
        world->open_voice_from = world->committed_to;
    uint64_t max = (uint64_t)world->conf.utterance_max_ms * PER_MS;
    uint64_t least = world->input > max ? world->input - max : 0;
    if (world->fact == PRL_FACT_COMMIT)
        MUST(action->start == (least > world->committed_to ? least : world->committed_to),
             "a commit leaves sound out");
    uint64_t prefix = (uint64_t)world->conf.prefix_padding_ms * PER_MS;
    uint64_t wanted = world->open_voice_from > prefix ? world->open_voice_from - prefix : 0;
    if (wanted < world->committed_to)
        wanted = world->committed_to;
    if (world->fact != PRL_FACT_COMMIT)
        MUST(action->start == wanted, "an utterance begins at the wrong place");
    if (world->fact != PRL_FACT_COMMIT && world->leftover)
        MUST(world->speech_to >=
                 world->open_voice_from + (uint64_t)world->conf.interrupt_min_ms * PER_MS,
             "the rest of a voice is an utterance too early");
    world->leftover = false;
    *u = (struct sim_utterance){.life = SIM_OPEN, .start = action->start};
    MUST(world->fact == PRL_FACT_COMMIT || action->start <= world->open_voice_from,
         "the onset is not in the utterance");
}

static void check_started(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    MUST(action->utterance == world->open, "speech_started of no open utterance");
    MUST(!u->announced, "speech_started twice");
    MUST(world->conf.turns != PRL_FLOOR_MANUAL, "speech_started in manual turns");
    MUST(action->start == u->start, "speech_started moved");
    u->announced = true;
}

// Of the open utterance, without what the answer went on under.
static uint64_t fresh_ms(const struct sim_world *world)
{
    return sim_voiced_ms(world) - world->open_excused / PER_MS;
}

// Of the voice that goes on now.
static int64_t voice_lasted_ms(const struct sim_world *world)
{
    uint64_t since = world->voice_on_at > world->broken_at ? world->voice_on_at : world->broken_at;
    return world->speech_to > since ? (int64_t)(world->speech_to - since) / PER_MS : 0;
}

// Rule 5: words that are hardly likelier than a sign of listening are one.
static bool is_listening(const struct sim_world *world)
{
    return (world->open_flags & PRL_FLOOR_BACKCHANNEL) ||
           (world->open_margin > 0 && world->open_margin < 35);
}

static bool words_are_nothing(const struct sim_world *world)
{
    const struct sim_generation *g = &world->generations[world->active];
    bool listening = is_listening(world) && g->fate != SIM_QUESTION;
    return listening || (world->open_flags & PRL_FLOOR_ECHO);
}

void sim_words_told(struct sim_world *world)
{
    bool plain = !(world->open_flags & PRL_FLOOR_TAKES) && !words_are_nothing(world) &&
                 world->open_heard_ms >= 300;
    if (plain && world->open_words > world->plain_words)
        world->plain_words = world->open_words;
}

// Rule 5: how long a verdict on what fell silent is waited for, at least.
static int64_t verdict_ms(const struct sim_world *world)
{
    bool known = is_other(world) || (world->open_words > 0 &&
                                     (is_listening(world) || (world->open_flags & PRL_FLOOR_ECHO)));
    return (int64_t)world->conf.verdict_max_ms * (world->judging && !known ? LATE_VERDICTS : 1);
}

static void check_discard(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    MUST(action->utterance == world->open, "discard of no open utterance");
    bool wanted = world->fact == PRL_FACT_CLEAR || world->fact == PRL_FACT_UPDATE;
    MUST(!u->announced || wanted, "a visible utterance vanishes");
    // What would have interrupted an answer that failed in this very step waits for nothing.
    if (!wanted && world->conf.interrupt_response && world->fact == PRL_FACT_INPUT &&
        !world->gave_up)
        MUST(silence_ms(world) >= world->conf.resume_ms || !world->strict,
             "a false interruption was decided after %" PRId64 " ms", silence_ms(world));
    if (!wanted && world->strict && is_other(world) && world->conf.interrupt_response &&
        world->fact == PRL_FACT_INPUT && !world->gave_up)
        MUST(silence_ms(world) >= world->conf.verdict_max_ms,
             "another voice was forgotten after %" PRId64 " ms", silence_ms(world));
    if (!wanted && world->strict && world->conf.interrupt_response && is_patient(world) &&
        world->fact == PRL_FACT_INPUT && world->active != 0)
        MUST(sim_voiced_ms(world) < world->conf.interrupt_min_ms || world->judged ||
                 silence_ms(world) >= verdict_ms(world),
             "%" PRIu64 " ms of voice are dropped without a verdict", sim_voiced_ms(world));
    u->life = SIM_DISCARDED;
    u->end = world->input;
    world->open = 0;
    world->leftover = world->voice;
    world->broken_at = world->input;
}

// The silence that a turn needs by what is known of this pause; UINT32_MAX: only the limit ends it.
static uint32_t turn_silence_ms(const struct sim_world *world)
{
    const struct prl_floor_conf *conf = &world->conf;
    uint32_t permille = world->eot_pause == world->pause ? world->eot_permille : 0;
    bool open = world->open_flags & PRL_FLOOR_OPEN_ENDED;
    bool han = world->open_flags & PRL_FLOOR_HAN;
    uint32_t needed = UINT32_MAX;
    if (world->open_flags & PRL_FLOOR_COMPLETE)
        needed = 200;
    else if (open && permille >= 970)
        needed = 1300;
    else if (!open && permille >= (han ? 915 : 700))
        needed = permille >= (han ? 987 : 960) ? 200 : 1100;
    uint32_t least = world->wordless != 0 ? 1300 : conf->silence_min_ms;
    if (needed < least)
        needed = least;
    bool mute = !conf->eot_available ||
                (world->eot_mute == world->pause && world->eot_pause != world->pause);
    if (mute && !open && needed > conf->silence_duration_ms)
        needed = conf->silence_duration_ms;
    return needed < conf->silence_max_ms ? needed : conf->silence_max_ms;
}

// Rule 1, on the input clock.
static void check_commit_time(struct sim_world *world, const struct sim_utterance *u)
{
    const struct prl_floor_conf *conf = &world->conf;
    uint64_t length_ms = (world->input - u->start) / PER_MS;
    bool full = length_ms >= conf->utterance_max_ms;
    if (full || !world->strict)
        return;
    int64_t least = conf->silence_duration_ms;
    bool mute = !conf->eot_available || world->eot_mute == world->pause;
    if (conf->turns == PRL_FLOOR_SEMANTIC_VAD)
        least = turn_silence_ms(world);
    if (conf->turns == PRL_FLOOR_SEMANTIC_VAD && !mute)
        // A verdict may have brought them just before.
        MUST(world->probing == 0 || world->probing_us == world->now_us ||
                 silence_ms(world) >= conf->silence_max_ms / 2,
             "committed while the words of the pause were awaited");
    MUST(silence_ms(world) >= least,
         "committed after %" PRId64 " ms of silence instead of %" PRId64, silence_ms(world), least);
}

static void check_commit(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    struct sim_generation *g = generation_of(world, action->generation);
    bool automatic = world->fact != PRL_FACT_COMMIT;
    MUST(action->utterance == world->open, "commit of no open utterance");
    MUST(action->end == world->input, "commit does not end here");
    MUST(action->start == u->start, "commit moved its start");
    MUST(action->speech_end <= action->end && action->speech_end >= action->start,
         "speech ends outside of its utterance");
    MUST(action->announced == u->announced, "speech_stopped without speech_started, or none");
    MUST(!automatic || u->announced, "an unseen utterance is committed by a rule");
    MUST(!automatic || world->conf.turns != PRL_FLOOR_MANUAL, "a rule commits in manual turns");
    MUST(!g->transcript && !g->judge, "generation %u has a transcript", action->generation);
    MUST(pending_count(world) < PENDING_MAX, "too many transcripts wait");
    if (automatic)
        check_commit_time(world, u);
    else
        MUST(action->end - action->start >= (uint64_t)world->conf.commit_min_ms * PER_MS,
             "a commit of nearly nothing");
    bool full = (action->end - u->start) / PER_MS >= world->conf.utterance_max_ms;
    if (world->fact == PRL_FACT_DEADLINE && pending_count(world) + 2 < PENDING_MAX && !full)
        MUST(world->now_us - world->input_us >= (int64_t)world->conf.input_stall_ms * 1000,
             "silence is counted by the clock too early");
    MUST(!g->early || g->confirming, "what was anticipated is adopted unconfirmed");
    g->transcript = true;
    g->speculation = false;
    world->early = world->probing = world->wordless = 0;
    if (world->answer_before == PRL_FLOOR_NONE) {
        world->wait_us = world->now_us;
        world->filler_said = false;
    }
    u->life = SIM_COMMITTED;
    u->end = action->end;
    u->generation = action->generation;
    u->owed = automatic && world->conf.create_response;
    world->committed_to = action->end;
    world->committed = true;
    world->committed_utterance = action->utterance;
    world->open = 0;
    world->leftover = world->voice;
    world->broken_at = world->input;
}

static void check_transcript(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    MUST(u->life == SIM_COMMITTED, "a transcript outcome of utterance %u", action->utterance);
    MUST(u->generation == action->generation, "the transcript has another generation");
    u->life = SIM_KNOWN;
    if (action->act == PRL_ACT_EMPTY_UTTERANCE) {
        MUST(!u->has_words, "words are called empty");
        u->owed = false;
    } else if (action->act == PRL_ACT_TRANSCRIBED) {
        MUST(u->has_words, "a transcript without words");
    } else {
        u->has_words = false;
        if (action->reason == PRL_FLOOR_BY_LEAVING)
            u->owed = false;
    }
}

static void check_speculate(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(!g->speculation && !g->visible, "generation %u speculates twice", action->generation);
    MUST(action->utterance == world->open && u->announced, "speculation on no visible utterance");
    MUST(world->conf.create_response, "speculation though no response is wanted");
    MUST(++u->speculations <= world->conf.speculations_max, "too many speculations");
    MUST(world->active == 0, "speculation under an answer");
    MUST(!world->voice, "speculation under voice");
    bool early = (world->open_flags & PRL_FLOOR_STABLE) != 0;
    MUST(early || !world->strict || silence_ms(world) >= world->conf.probe_ms,
         "speculation after %" PRId64 " ms", silence_ms(world));
    g->speculation = true;
    g->utterance = action->utterance;
}

static void check_anticipate(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(world->conf.speculate_early && world->conf.create_response,
         "anticipated though it is off");
    MUST(action->utterance == world->open && u->announced, "anticipated on no visible utterance");
    MUST(++u->early_tries <= world->conf.speculations_max, "anticipated too often");
    MUST(world->active == 0 && pending_count(world) == 0, "anticipated under an answer");
    bool all =
        !world->voice &&
        (world->voice_off_at <= world->open_heard_to + (uint64_t)300 * PER_MS || !world->strict);
    MUST(((world->open_flags & PRL_FLOOR_STABLE) || all) &&
             !(world->open_flags & PRL_FLOOR_OPEN_ENDED) && world->open_words > 0,
         "anticipated though the words are not sure");
    g->speculation = true;
    g->generating = true;
    g->early = true;
    g->utterance = action->utterance;
    g->based_on = world->open_words;
    g->progress_us = world->now_us;
    sim_check_prompt(world);
}

static void check_confirm(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(g->early && !g->confirming, "what was not anticipated is confirmed");
    MUST(action->utterance == world->open && !world->voice, "confirmed under voice");
    g->confirming = true;
}

// Rule 10.
static void check_filler(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    const struct sim_generation *answer = &world->generations[world->active];
    const struct sim_generation *old = &world->generations[world->sounding];
    bool unmade = answer->made == 0 || answer->text_only;
    bool waits =
        world->active ? answer->generating && unmade && !answer->apology : world->tool_runs;
    MUST(waits, "a filler that nobody waits under");
    MUST(!world->filler_said, "a second filler in one wait");
    MUST(world->open == 0 && (!world->voice || world->conf.turns == PRL_FLOOR_MANUAL),
         "a filler under voice");
    MUST(world->conf.filler_after_ms > 0 &&
             world->now_us >= world->wait_us + (int64_t)world->conf.filler_after_ms * 1000,
         "a filler too early");
    bool silent = old->dead ? prl_playout_drained(world->playout, world->now_us) : old->sent == 0;
    MUST(world->sounding == 0 || silent, "a filler over g%u", world->sounding);
    world->filler_said = true;
    g->progress_us = world->now_us;
}

// A response pays for every utterance that is owed and transcribed, and for the one that it was begun on.
static void take_owed(struct sim_world *world, uint32_t generation)
{
    const struct sim_generation *g = &world->generations[generation];
    for (uint32_t i = 1; i <= world->utterance_count; i++)
        if (world->utterances[i].owed && world->utterances[i].taken_by == 0 &&
            (world->utterances[i].life == SIM_KNOWN || (g->generating && g->utterance == i)))
            world->utterances[i].taken_by = generation;
}

static void pay(struct sim_world *world, uint32_t generation)
{
    for (uint32_t i = 1; i <= world->utterance_count; i++)
        if (world->utterances[i].taken_by == generation)
            world->utterances[i].owed = false;
}

static void give_back(struct sim_world *world, uint32_t generation, uint32_t next)
{
    for (uint32_t i = 1; i <= world->utterance_count; i++)
        if (world->utterances[i].taken_by == generation)
            world->utterances[i].taken_by = next;
}

static void forgive(struct sim_world *world)
{
    for (uint32_t i = 1; i <= world->utterance_count; i++)
        if (world->utterances[i].taken_by == 0)
            world->utterances[i].owed = false;
}

static bool anything_owed(const struct sim_world *world)
{
    for (uint32_t i = 1; i <= world->utterance_count; i++)
        if (world->utterances[i].owed && world->utterances[i].taken_by == 0)
            return true;
    return false;
}

static void check_start(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(!g->visible, "response g%u starts twice", action->generation);
    MUST(!g->judge, "a verdict becomes a response");
    MUST(world->active == 0, "response g%u beside g%u", action->generation, world->active);
    bool client = action->reason == PRL_FLOOR_BY_CLIENT;
    MUST(!client || world->fact == PRL_FACT_CREATE, "a response that nobody created");
    if (action->reason == PRL_FLOOR_BY_TURN)
        MUST(anything_owed(world), "an automatic response that is not owed");
    // What was made beforehand answers what was said, and nothing else.
    uint32_t flags = 0;
    const struct sim_utterance *u = &world->utterances[g->utterance];
    if (g->generating && world->strict)
        MUST(!g->early && g->based_on == sim_words_between(world, u->start, u->end, &flags),
             "g%u answers %u words that were not said", action->generation, g->based_on);
    if (!world->tool_runs && action->reason != PRL_FLOOR_BY_TURN &&
        world->answer_before != PRL_FLOOR_THINKING)
        world->wait_us = world->now_us;
    world->tool_runs = false;
    world->newest = action->generation;
    g->visible = true;
    g->shown_us = world->now_us;
    g->client = client;
    g->within = world->open != 0 && world->utterances[world->open].announced;
    g->apology = action->apology;
    g->progress_us = world->now_us;
    g->speculation = false;
    world->active = action->generation;
    world->created = true;
    if (g->generating || action->reason == PRL_FLOOR_BY_TURN)
        take_owed(world, action->generation);
}

static void check_generate(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(!g->generating, "g%u is generated twice", action->generation);
    MUST(g->visible || (g->speculation && g->heard_words), "g%u is generated for nothing",
         action->generation);
    if (!g->apology) {
        MUST(pending_count(world) == 0, "generated before the words are known");
        sim_check_prompt(world);
    }
    g->generating = true;
    g->shown_us = world->now_us;
    g->based_on = g->stt_words;
    g->progress_us = world->now_us;
    if (g->visible && !g->apology)
        take_owed(world, action->generation);
}

static void check_release(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(g->visible && g->generating, "released before it is visible");
    MUST(!g->released, "released twice");
    bool voice = world->voice && !world->leftover && world->conf.turns != PRL_FLOOR_MANUAL;
    bool other = is_other(world) && !world->utterances[world->open].announced;
    MUST(!voice || !world->conf.interrupt_response || other, "released under voice");
    if (world->sounding != 0 && world->sounding != action->generation) {
        const struct sim_generation *old = &world->generations[world->sounding];
        bool silent = prl_playout_drained(world->playout, world->now_us);
        MUST(old->dead && silent, "g%u sounds under g%u", action->generation, world->sounding);
    }
    g->released = true;
}

static void check_hold(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(g->released, "held though it was not released");
    MUST(g->sent == 0, "held though it sounds");
    g->released = false;
}

static void check_pause(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(g->released && !g->paused, "paused while not sounding");
    MUST(is_patient(world) && world->conf.interrupt_response, "paused by the wrong kind of turns");
    MUST(!is_other(world), "paused by another voice");
    MUST(fresh_ms(world) >= world->conf.interrupt_min_ms, "paused after %" PRIu64 " ms of voice",
         fresh_ms(world));
    g->paused = true;
}

static void check_resume(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(g->paused, "resumed though not paused");
    if (world->fact == PRL_FACT_INPUT && world->strict && !is_other(world))
        MUST(silence_ms(world) >= world->conf.resume_ms, "resumed after %" PRId64 " ms",
             silence_ms(world));
    g->paused = false;
}

// Rule 5: the more of the voice was heard, the less its words must be likelier than a sign of listening.
static bool is_outweighed(const struct sim_world *world, bool said)
{
    uint64_t heard = world->open_heard_ms;
    bool takes = world->open_flags & PRL_FLOOR_TAKES;
    uint64_t wanted = heard < 350 ? 110 : heard > 650 ? 60 : 110 - (heard - 350) / 6;
    if (takes)
        wanted = 60;
    bool possible = said || (takes && world->open_words <= 3);
    uint64_t least = !world->voice && world->judged ? 250 : 300;
    return heard >= least && possible && world->open_margin >= wanted;
}

// Rule 5: a word is believed later than two, both later than more or than such as take the floor, and all
// sooner when they are the whole of a sound that is over.
static bool words_are_believed(const struct sim_world *world)
{
    const struct sim_generation *g = &world->generations[world->active];
    uint64_t voiced = sim_voiced_ms(world);
    uint64_t heard = world->open_heard_ms;
    bool two = world->open_words > 1;
    bool said = world->open_words * (world->open_flags & PRL_FLOOR_HAN ? 130ULL : 115ULL) <= heard;
    // Whether the answer asks is not known before its end.
    bool weighed = world->open_margin > 0;
    if (weighed && is_outweighed(world, said))
        return true;
    if (weighed && g->fate != SIM_QUESTION)
        return false;
    bool takes = (world->open_flags & PRL_FLOOR_TAKES) && (said || world->open_words <= 3) &&
                 world->open_words > world->plain_words;
    bool sure = (world->open_words > 2 && said) || takes || g->fate == SIM_QUESTION;
    if (!world->voice && world->judged)
        return heard >= 250 && (sure || voiced >= 700);
    uint64_t least = two ? 650 : 600;
    return heard >= (two ? 300 : 450) && (sure || (world->voice && voiced >= least));
}

// Rules 4 and 5: does what was heard of the overlap justify the end of an answer?
static void check_interruption(struct sim_world *world)
{
    const struct prl_floor_conf *conf = &world->conf;
    MUST(conf->interrupt_response, "interrupted though that is off");
    MUST(world->open != 0 && world->utterances[world->open].announced,
         "interrupted by an utterance that nobody sees");
    MUST(!is_other(world), "another voice ends an answer");
    if (!is_patient(world)) {
        MUST(sim_voiced_ms(world) >= conf->interrupt_min_ms || !world->strict,
             "interrupted after %" PRIu64 " ms of voice", sim_voiced_ms(world));
        return;
    }
    if (world->generations[world->active].within &&
        voice_lasted_ms(world) >= (int64_t)conf->interrupt_min_ms)
        return; // who had the floor goes on
    bool echo = world->open_flags & PRL_FLOOR_ECHO;
    bool none = world->open_words == 0 || words_are_nothing(world);
    bool words = !none && words_are_believed(world);
    uint64_t most = conf->interrupt_max_ms; // and half as much again of a long "mhm"
    if (world->open_words > 0 && words_are_nothing(world))
        most += most / 2;
    bool lasting = fresh_ms(world) > most && !echo;
    bool unjudged = fresh_ms(world) >= conf->interrupt_unjudged_ms &&
                    (world->open_words == 0 || !none) && silence_ms(world) >= conf->verdict_max_ms;
    MUST(words || lasting || unjudged || !world->strict, "interrupted without a reason");
    bool known = (world->open_flags & PRL_FLOOR_MINE) || sim_voiced_ms(world) >= conf->lock_ms ||
                 silence_ms(world) >= 2 * (int64_t)conf->resume_ms;
    MUST(known || !world->strict, "interrupted before it is known whose voice it is");
}

static void check_filler_end(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(!action->visible && !action->finished, "a filler is no response");
    bool asked = world->fact == PRL_FACT_CANCEL || world->fact == PRL_FACT_TRUNCATE ||
                 world->fact == PRL_FACT_OUTPUT_CLEAR;
    if (action->reason == PRL_FLOOR_NO_REASON)
        MUST(g->sent == 0, "a filler is cut for no reason");
    else if (action->reason == PRL_FLOOR_BY_SLOWNESS)
        MUST(g->sent == 0 &&
                 world->now_us - g->progress_us >= (int64_t)world->conf.apology_max_ms * 1000,
             "a filler was not waited for");
    else if (action->reason == PRL_FLOOR_BY_CLIENT)
        MUST(asked, "a filler is cut that nobody cut");
    else if (action->reason == PRL_FLOOR_BY_TURN)
        MUST(world->conf.interrupt_response && world->open != 0 &&
                 (world->utterances[world->open].announced || !world->strict ||
                  sim_voiced_ms(world) >= world->conf.interrupt_min_ms),
             "a filler is cut by nobody");
    g->dead = true;
    world->filler = 0;
    world->cancelled = true;
}

static void check_cancel(struct sim_world *world, const struct prl_floor_action *action)
{
    if (world->filler && action->generation == world->filler) {
        check_filler_end(world, action);
        return;
    }
    // An answer that still waited for its transcript was never spoken of.
    meet(world, action->generation);
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(action->visible == (g->visible && !g->finished), "cancelled: wrong about response.done");
    MUST(action->finished == g->finished, "cancelled: wrong about what was finished");
    bool unheard = g->sent == 0 && !g->finished;
    bool asked = world->fact == PRL_FACT_CANCEL || world->fact == PRL_FACT_TRUNCATE ||
                 world->fact == PRL_FACT_OUTPUT_CLEAR;
    switch (action->reason) {
    case PRL_FLOOR_BY_CLIENT:
        MUST(asked, "a cancel that nobody asked for");
        break;
    case PRL_FLOOR_BY_LEAVING:
        MUST(world->fact == PRL_FACT_GONE, "nobody left");
        break;
    case PRL_FLOOR_BY_REPLACEMENT:
        MUST(world->committed && unheard, "replaced by nothing");
        break;
    case PRL_FLOOR_BY_TURN:
        if (action->generation == world->active)
            check_interruption(world);
        break;
    case PRL_FLOOR_BY_SLOWNESS:
    case PRL_FLOOR_BY_FAILURE:
    case PRL_FLOOR_NO_REASON:
    case PRL_FLOOR_BY_IDLE:
    case PRL_FLOOR_COMPLETED:
    case PRL_FLOOR_INCOMPLETE:
        MUST(action->reason == PRL_FLOOR_BY_SLOWNESS, "cancelled for no reason");
        break;
    }
    bool goes_on =
        action->reason == PRL_FLOOR_BY_TURN || action->reason == PRL_FLOOR_BY_REPLACEMENT;
    if (unheard && goes_on)
        give_back(world, action->generation, 0);
    else
        pay(world, action->generation);
    if (asked && !g->generating)
        forgive(world);
    if (world->active == action->generation)
        world->active = 0;
    world->cancelled = true;
    if (action->generation >= world->newest) // else a tool that was called since runs on
        world->tool_runs = world->filler_said = false;
    g->dead = true;
}

static void check_replace(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *old = generation_of(world, action->generation);
    MUST(old->visible && !old->finished && action->generation == world->active,
         "an apology for no response");
    MUST(old->sent == 0, "an apology for what sounds already");
    MUST(!old->apology, "an apology for an apology");
    struct sim_generation *new = generation_of(world, action->new_generation);
    MUST(!new->visible, "an apology by a visible response");
    new->visible = true;
    new->apology = true;
    new->client = old->client;
    new->progress_us = world->now_us;
    old->dead = true;
    give_back(world, action->generation, action->new_generation);
    world->active = action->new_generation;
    world->newest = action->new_generation;
}

static void check_finish(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    MUST(g->visible && !g->finished, "finished without being open");
    uint64_t total = (uint64_t)g->made * SIM_WORD_SAMPLES;
    if (g->end_at < total)
        total = g->end_at;
    if (g->text_only)
        total = 0;
    bool failed = action->reason == PRL_FLOOR_BY_FAILURE;
    MUST(g->done || g->end_at != UINT64_MAX || failed, "finished before it was made");
    MUST(g->sent >= total || (failed && g->sent == 0), "finished before it was sent");
    if (failed && g->apology && g->sent == 0 && world->fact != PRL_FACT_ENGINE_FAILED)
        MUST(world->now_us - g->progress_us >= (int64_t)world->conf.apology_max_ms * 1000,
             "an apology was not waited for");
    MUST(action->reason != PRL_FLOOR_COMPLETED || !g->apology, "an apology completes nothing");
    MUST((action->reason == PRL_FLOOR_INCOMPLETE) == (g->end_at != UINT64_MAX && !failed) ||
             g->apology,
         "finished with the wrong status");
    g->finished = true;
    world->gave_up = failed && g->sent == 0;
    if (g->sent == 0 && !g->called)
        world->filler_said = false;
    world->tool_runs = g->called && !failed;
    if (g->sent > 0)
        world->wait_us = world->now_us;
    pay(world, action->generation);
    world->active = 0;
    world->idle_since_us = world->now_us;
    if (total == 0 || (failed && g->sent == 0))
        g->dead = true;
}

static void check_played(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = generation_of(world, action->generation);
    if (g->filler) {
        MUST(g->done ||
                 world->now_us - g->progress_us >= (int64_t)world->conf.apology_max_ms * 1000,
             "a filler is over before its end");
        g->dead = true;
        world->filler = 0;
        return;
    }
    MUST(g->finished, "played before it was finished");
    MUST(world->sounding == action->generation, "played though it never sounded");
    MUST(prl_playout_drained(world->playout, world->now_us), "played before it was heard");
    g->dead = true;
    g->played = true;
    world->idle_since_us = world->now_us;
}

static void check_idle(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_utterance *u = utterance_of(world, action->utterance);
    MUST(action->utterance > world->utterance_count, "utterance number again");
    world->utterance_count = action->utterance;
    *u = (struct sim_utterance){
        .life = SIM_KNOWN, .idle = true, .start = action->start, .end = action->end};
    MUST(action->start >= world->committed_to && action->end == world->input, "idle range");
    world->committed_to = action->end;
    MUST(world->conf.idle_timeout_ms > 0 && world->conf.turns == PRL_FLOOR_SERVER_VAD,
         "an idle timeout that is off");
    MUST(world->idle_since_us >= 0 &&
             world->now_us - world->idle_since_us >= (int64_t)world->conf.idle_timeout_ms * 1000,
         "an idle timeout too early");
    MUST(!world->voice || world->leftover, "idle under voice");
}

static void check_refuse(struct sim_world *world, const struct prl_floor_action *action)
{
    bool active = world->active != 0;
    switch (action->refusal) {
    case PRL_FLOOR_RESPONSE_ACTIVE:
        MUST(world->fact == PRL_FACT_CREATE, "refused what was not asked");
        break;
    case PRL_FLOOR_RESPONSE_NOT_ACTIVE:
        MUST(world->fact == PRL_FACT_CANCEL && !active, "refused a possible cancel");
        break;
    case PRL_FLOOR_COMMIT_EMPTY:
        MUST(world->fact == PRL_FACT_COMMIT &&
                 world->input - world->committed_to < (uint64_t)world->conf.commit_min_ms * PER_MS,
             "refused a possible commit");
        break;
    case PRL_FLOOR_BUSY:
        MUST(world->fact == PRL_FACT_COMMIT && pending_count(world) == PENDING_MAX,
             "refused a possible commit");
        break;
    case PRL_FLOOR_NO_REFUSAL:
        sim_fail(world, "refused without a reason");
        break;
    }
    world->refused = true;
}

static void check_early_verdict(struct sim_world *world, const struct prl_floor_action *action)
{
    uint32_t *asked = &world->utterances[action->utterance].early_judges;
    if (!world->voice)
        return;
    static const uint64_t LEAST_MS[] = {350, 430, 510, 590, 670, 750};
    MUST(*asked < 6 && sim_voiced_ms(world) >= LEAST_MS[*asked % 6],
         "a verdict on what goes on, too early or again");
    MUST(world->scenario->partial_ms > 0, "a slow recogniser is asked under voice");
    ++*asked;
}

// The model always hears as much of a pause, however long it has lasted when there is time to ask.
static void check_asked_sound(struct sim_world *world, const struct prl_floor_action *action)
{
    uint64_t wanted = world->voice_off_at + (uint64_t)world->conf.probe_ms * PER_MS;
    MUST(!world->strict || action->end == (wanted < world->input ? wanted : world->input),
         "eot hears %" PRId64 " ms of the pause",
         ((int64_t)action->end - (int64_t)world->voice_off_at) / PER_MS);
}

void sim_check_action(struct sim_world *world, const struct prl_floor_action *action)
{
    struct sim_generation *g = NULL;
    MUST(!world->gone || world->fact == PRL_FACT_GONE, "something happens for nobody");
    switch (action->act) {
    case PRL_ACT_OPEN_UTTERANCE:
        check_open(world, action);
        break;
    case PRL_ACT_SPEECH_STARTED:
        check_started(world, action);
        break;
    case PRL_ACT_DISCARD_UTTERANCE:
        check_discard(world, action);
        break;
    case PRL_ACT_COMMIT_UTTERANCE:
        check_commit(world, action);
        break;
    case PRL_ACT_TRANSCRIBE:
        g = generation_of(world, action->generation);
        MUST(g->transcript && g->stt_us < 0 && !g->heard_words, "transcribed twice");
        MUST(action->end == utterance_of(world, action->utterance)->end, "transcript cut short");
        break;
    case PRL_ACT_TRANSCRIBED:
    case PRL_ACT_EMPTY_UTTERANCE:
    case PRL_ACT_TRANSCRIPT_FAILED:
        check_transcript(world, action);
        break;
    case PRL_ACT_ASK_EOT:
        MUST(world->conf.turns == PRL_FLOOR_SEMANTIC_VAD && action->utterance == world->open,
             "eot is asked for nothing");
        MUST(!world->strict || silence_ms(world) >= world->conf.probe_ms,
             "eot is asked after %" PRId64 " ms", silence_ms(world));
        MUST(world->eot_us < 0 || world->eot_utterance != action->utterance, "eot is asked twice");
        check_asked_sound(world, action);
        world->eot_asked = world->pause;
        break;
    case PRL_ACT_JUDGE:
        g = generation_of(world, action->generation);
        MUST(is_patient(world) && action->utterance == world->open, "a verdict on nothing");
        MUST(!world->strict || sim_voiced_ms(world) >= world->conf.interrupt_min_ms,
             "a verdict on a click");
        check_early_verdict(world, action);
        world->judging |= !world->voice;
        world->verdict_asked = world->voice ? world->verdict_asked : world->pause;
        g->judge = true;
        g->voiced_ms = sim_voiced_ms(world);
        break;
    case PRL_ACT_CLEARED:
        MUST(world->fact == PRL_FACT_CLEAR, "cleared though nobody asked");
        world->committed_to = world->input;
        world->cleared = true;
        world->leftover = world->voice;
        world->broken_at = world->input;
        break;
    case PRL_ACT_IDLE_TIMEOUT:
        check_idle(world, action);
        break;
    case PRL_ACT_SPECULATE:
        check_speculate(world, action);
        break;
    case PRL_ACT_ANTICIPATE:
        check_anticipate(world, action);
        break;
    case PRL_ACT_CONFIRM:
        check_confirm(world, action);
        break;
    case PRL_ACT_FILLER:
        check_filler(world, action);
        break;
    case PRL_ACT_DROP_SPECULATION:
        g = generation_of(world, action->generation);
        MUST(!g->visible, "a visible answer is dropped");
        g->dead = true;
        break;
    case PRL_ACT_GENERATE:
        check_generate(world, action);
        break;
    case PRL_ACT_START_RESPONSE:
        check_start(world, action);
        break;
    case PRL_ACT_RELEASE:
        check_release(world, action);
        break;
    case PRL_ACT_HOLD:
        check_hold(world, action);
        break;
    case PRL_ACT_PAUSE:
        check_pause(world, action);
        break;
    case PRL_ACT_RESUME:
        check_resume(world, action);
        break;
    case PRL_ACT_CANCEL:
        check_cancel(world, action);
        break;
    case PRL_ACT_REPLACE:
        check_replace(world, action);
        break;
    case PRL_ACT_END_AT:
        g = generation_of(world, action->generation);
        // An answer that waits for the words of what was said since is not shown yet.
        MUST((g->visible || g->transcript) && !g->finished && action->samples >= g->sent,
             "ends in the past");
        MUST(action->samples <= (uint64_t)g->made * SIM_WORD_SAMPLES, "ends in the unmade");
        g->end_at = action->samples;
        break;
    case PRL_ACT_FINISH:
        check_finish(world, action);
        break;
    case PRL_ACT_PLAYED:
        check_played(world, action);
        break;
    case PRL_ACT_REFUSE:
        check_refuse(world, action);
        break;
    case PRL_ACT_COUNT:
        sim_fail(world, "no such meaning");
        break;
    }
}

static void check_request(struct sim_world *world)
{
    if (world->fact == PRL_FACT_CREATE)
        MUST(world->created || world->refused, "response.create is not answered");
    if (world->fact == PRL_FACT_CANCEL)
        MUST(world->cancelled || world->refused, "response.cancel is not answered");
    if (world->fact == PRL_FACT_COMMIT)
        MUST(world->committed || world->refused, "commit is not answered");
    if (world->fact == PRL_FACT_CLEAR)
        MUST(world->cleared, "clear is not answered");
}

// Rule 5: the answer goes on while a late verdict is awaited, and that has an end.
static void check_late_verdict(struct sim_world *world, enum prl_floor_answer answer)
{
    const struct prl_floor_conf *conf = &world->conf;
    const struct sim_generation *g = &world->generations[world->active];
    bool tentative = world->open != 0 && !world->utterances[world->open].announced;
    if (!tentative || world->voice || answer == PRL_FLOOR_NONE || !conf->interrupt_response ||
        !is_patient(world) || is_other(world) || silence_ms(world) < conf->verdict_max_ms)
        return;
    world->open_excused = world->open_voiced;
    if (world->active == 0 || !world->strict || world->fact != PRL_FACT_INPUT)
        return;
    MUST(silence_ms(world) <=
             (int64_t)conf->verdict_max_ms * (world->judging ? LATE_VERDICTS : 1) + SLACK_MS,
         "an utterance is never judged");
    bool waits = !g->generating || world->filler != 0 ||
                 (world->sounding != 0 && world->sounding != world->active);
    if (silence_ms(world) > conf->verdict_max_ms + SLACK_MS)
        MUST(answer != PRL_FLOOR_THINKING || g->released || waits,
             "an answer is held for a sound that proved nothing");
}

// Rule 5: what fell silent is given to the recogniser at once, also while it is found out whose voice it
// was: the words are wanted then.
static void check_verdict_asked(struct sim_world *world)
{
    bool tentative = world->open != 0 && !world->utterances[world->open].announced;
    if (!tentative || world->voice || !world->strict || world->active == 0 || is_other(world) ||
        world->fact != PRL_FACT_INPUT || !world->conf.interrupt_response || !is_patient(world))
        return;
    bool asked = world->verdict_asked == world->pause;
    MUST(asked || fresh_ms(world) < world->conf.interrupt_min_ms || silence_ms(world) <= SLACK_MS,
         "no verdict is asked for on %" PRIu64 " ms of voice", fresh_ms(world));
}

// Rules 1, 4, 5: what must have been said by now.
static void check_voice(struct sim_world *world, enum prl_floor_answer answer)
{
    const struct prl_floor_conf *conf = &world->conf;
    const struct sim_generation *g = &world->generations[world->active];
    bool other = is_other(world);
    bool steady = world->voice && !world->leftover && !other;
    bool holds = conf->interrupt_response && conf->turns != PRL_FLOOR_MANUAL && world->active != 0;
    if (holds && steady && world->fact != PRL_FACT_UPDATE)
        MUST(!g->released || g->sent > 0 || answer != PRL_FLOOR_THINKING,
             "an answer that was not yet heard is not held under voice");
    int64_t lasted = voice_lasted_ms(world);
    int64_t real = (int64_t)conf->interrupt_min_ms + SLACK_MS;
    if (world->voice && world->leftover && world->open == 0 && world->strict &&
        conf->turns != PRL_FLOOR_MANUAL)
        MUST(lasted <= real, "the rest of a voice is no utterance");
    if (steady && conf->interrupt_response && world->strict && lasted > real) {
        if (conf->turns == PRL_FLOOR_SERVER_VAD)
            MUST(answer != PRL_FLOOR_SPEAKING, "the answer speaks over the user");
        if (conf->turns == PRL_FLOOR_SERVER_VAD && conf->lock_ms == 0)
            MUST(answer != PRL_FLOOR_PAUSED, "server_vad waits for a verdict");
        if (conf->turns == PRL_FLOOR_SEMANTIC_VAD)
            MUST(answer != PRL_FLOOR_SPEAKING, "the answer is not paused");
        MUST(world->filler == 0 || conf->turns == PRL_FLOOR_MANUAL ||
                 world->generations[world->filler].sent == 0,
             "a filler speaks over the user");
        bool echo = world->open_flags & PRL_FLOOR_ECHO;
        uint32_t most =
            conf->lock_ms > conf->interrupt_max_ms ? conf->lock_ms : conf->interrupt_max_ms;
        if (world->open_words > 0 && is_listening(world))
            most += conf->interrupt_max_ms / 2;
        if (!echo && lasted > (int64_t)most + SLACK_MS)
            MUST(answer != PRL_FLOOR_PAUSED, "the answer still waits for a verdict");
    }
    bool tentative = world->open != 0 && !world->utterances[world->open].announced;
    if (tentative && world->strict && !world->voice && world->fact == PRL_FACT_INPUT &&
        conf->turns == PRL_FLOOR_SERVER_VAD && !is_patient(world))
        MUST(silence_ms(world) <= (int64_t)conf->resume_ms + SLACK_MS,
             "a click is an utterance for %" PRId64 " ms", silence_ms(world));
    check_verdict_asked(world);
    check_late_verdict(world, answer);
    if (answer == PRL_FLOOR_PAUSED && !world->voice && world->fact == PRL_FACT_INPUT)
        MUST(silence_ms(world) <= (int64_t)conf->verdict_max_ms + SLACK_MS, "no verdict in time");
    bool awaited = sim_voiced_ms(world) < conf->lock_ms && !(world->open_flags & PRL_FLOOR_MINE);
    if (answer == PRL_FLOOR_PAUSED && !world->voice && world->fact == PRL_FACT_INPUT &&
        world->judged && world->strict)
        MUST(silence_ms(world) <= (int64_t)conf->resume_ms * (awaited ? 2 : 1) + SLACK_MS,
             "a verdict does not decide");
    MUST(answer != PRL_FLOOR_PAUSED || !other, "another voice keeps the answer paused");
    if (answer == PRL_FLOOR_PAUSED)
        MUST(world->generations[world->sounding].paused, "paused without a word");
}

static void check_utterance(struct sim_world *world)
{
    const struct prl_floor_conf *conf = &world->conf;
    const struct sim_utterance *u = &world->utterances[world->open];
    if (world->open == 0 || world->fact != PRL_FACT_INPUT || !u->announced ||
        pending_count(world) == PENDING_MAX || conf->turns == PRL_FLOOR_MANUAL)
        return;
    uint64_t length_ms = (world->input - u->start) / PER_MS;
    MUST(length_ms <= conf->utterance_max_ms + SLACK_MS, "an utterance of %" PRIu64 " ms",
         length_ms);
    int64_t most = conf->silence_duration_ms;
    if (conf->turns == PRL_FLOOR_SEMANTIC_VAD)
        most = conf->silence_max_ms > conf->silence_duration_ms ? conf->silence_max_ms
                                                                : conf->silence_duration_ms;
    bool sure = conf->turns == PRL_FLOOR_SEMANTIC_VAD && world->strict && !world->voice;
    if (sure)
        most = turn_silence_ms(world);
    if (sure && world->probing && most < conf->silence_max_ms / 2)
        most = conf->silence_max_ms / 2; // the words of the pause are waited for
    MUST(silence_ms(world) <= most + SLACK_MS, "not committed after %" PRId64 " ms",
         silence_ms(world));
}

// Rule 9: nothing waits for ever.
static void check_limits(struct sim_world *world, enum prl_floor_user user,
                         enum prl_floor_answer answer)
{
    const struct sim_generation *g = &world->generations[world->active];
    bool busy = user != PRL_FLOOR_QUIET || answer != PRL_FLOOR_NONE || pending_count(world) > 0;
    MUST(!busy || world->gone || world->deadline_us != INT64_MAX, "a wait without a limit");
    MUST(world->deadline_us > world->now_us, "a limit in the past");
    int64_t limit_us = (int64_t)world->conf.engine_first_byte_ms * 1000;
    if (g->apology)
        limit_us = (int64_t)world->conf.apology_max_ms * 1000;
    if (world->active != 0 && g->generating && g->made == 0 && !g->done)
        MUST(world->now_us - g->progress_us <= limit_us + (int64_t)SLACK_MS * 1000,
             "an engine is waited for");
    const struct sim_generation *filler = &world->generations[world->filler];
    bool answered = world->generations[world->active].made > 0 &&
                    !world->generations[world->active].text_only && world->active;
    bool voice = world->open != 0 && world->conf.turns != PRL_FLOOR_MANUAL;
    if (world->filler && filler->sent == 0)
        MUST(!answered && !voice, "a filler that nobody needs");
    if (world->filler)
        MUST(world->now_us - filler->progress_us <=
                     (int64_t)(world->conf.apology_max_ms + SLACK_MS) * 1000 ||
                 filler->sent > 0,
             "a filler is waited for");
    if (world->fact == PRL_FACT_ENGINE_FAILED && world->active != 0 && g->generating)
        MUST(g->make_us >= 0 || g->done || g->end_at != UINT64_MAX || g->fate == SIM_HANGS,
             "a failed engine is waited for");
}

// Rule 10: no dead air where fillers are wanted.
static void check_dead_air(struct sim_world *world, enum prl_floor_user user)
{
    const struct sim_generation *g = &world->generations[world->active];
    if (world->conf.filler_after_ms == 0 || !world->strict || user != PRL_FLOOR_QUIET ||
        world->voice || world->filler_said || world->active == 0 || world->gone)
        return;
    bool sounds = world->sounding && world->sounding != world->active &&
                  !world->generations[world->sounding].dead;
    if (g->generating && g->made == 0 && !g->done && !g->apology && !sounds)
        MUST(world->now_us - g->shown_us <=
                 (int64_t)(world->conf.filler_after_ms + SLACK_MS) * 1000,
             "dead air");
}

void sim_check_step(struct sim_world *world, const struct prl_floor_event *event)
{
    (void)event;
    enum prl_floor_user user = prl_floor_user(world->floor);
    enum prl_floor_answer answer = prl_floor_answer(world->floor);
    if (world->gone)
        forgive(world);
    if (world->gone)
        world->tool_runs = world->filler_said = false;
    if (world->gone && world->fact == PRL_FACT_GONE)
        MUST(world->active == 0 && pending_count(world) == 0,
             "something lives on without a client");
    if (!world->gone)
        check_request(world);
    if (world->cancelled)
        MUST(world->filler == 0 || world->generations[world->filler].progress_us == world->now_us,
             "a filler outlives its answer");
    MUST(prl_floor_stats(world->floor)->impossible == 0,
         "an impossible pair: fact %s, user %d, answer %d", SIM_FACTS[world->fact], (int)user,
         (int)answer);
    MUST((world->open != 0) == (user != PRL_FLOOR_QUIET), "user and utterance disagree");
    check_voice(world, answer);
    check_utterance(world);
    check_limits(world, user, answer);
    check_dead_air(world, user);
    if (user == PRL_FLOOR_QUIET && answer == PRL_FLOOR_NONE && pending_count(world) == 0)
        MUST(!anything_owed(world), "an utterance is forgotten");
}

static uint32_t words_heard(const struct sim_generation *g)
{
    if (!g->cut || g->text_only)
        return g->written;
    uint32_t words = 0;
    while (words < g->written &&
           g->cut_at > (uint64_t)words * SIM_WORD_SAMPLES + SIM_WORD_SAMPLES / 2)
        words++;
    return words;
}

// History as the model is shown it, against what was said and heard, in order.
void sim_check_prompt(struct sim_world *world)
{
    char expected[TEXT_MAX];
    char shown[TEXT_MAX];
    struct prl_prompt_view view;
    struct prl_prompt_entry entry;
    const struct prl_prompt_room room = {.bytes_max = (size_t)1 << 30};
    prl_prompt_begin(world->history, &room, NULL, &view);
    for (uint32_t i = 0; i < world->order_count; i++) {
        size_t len = 0;
        if (world->order[i] > 0) {
            const struct sim_utterance *u = &world->utterances[world->order[i]];
            if (u->life == SIM_KNOWN && u->has_words && !u->idle)
                len = sim_said_text(world, u->start, u->end, expected, TEXT_MAX);
        } else {
            uint32_t number = (uint32_t)-world->order[i];
            const struct sim_generation *g = &world->generations[number];
            if (g->finished || g->dead)
                len = sim_answer_text(world, number, words_heard(g), expected, TEXT_MAX);
        }
        if (len == 0)
            continue;
        if (!prl_prompt_next(&view, &entry)) {
            sim_fail(world, "the prompt lacks '%s'", expected);
            return;
        }
        prl_prompt_text(&entry, shown, TEXT_MAX);
        MUST(strcmp(shown, expected) == 0, "the prompt says '%.100s' instead of '%.100s'", shown,
             expected);
    }
    MUST(!prl_prompt_next(&view, &entry), "the prompt says too much");
}

static void check_chain(struct sim_world *world)
{
    const char *previous = NULL;
    uint32_t count = 0;
    for (const struct prl_item *item = prl_history_first(world->history); item;
         item = prl_history_next(item)) {
        const char *says = prl_item_previous_id(item);
        MUST((says == NULL) == (previous == NULL) && (!says || strcmp(says, previous) == 0),
             "the chain is broken at %s", prl_item_id(item));
        MUST(prl_item_status(item) != PRL_ITEM_IN_PROGRESS, "%s is still in progress",
             prl_item_id(item));
        previous = prl_item_id(item);
        count++;
    }
    MUST(count == world->order_count, "history has %u items instead of %u", count,
         world->order_count);
}

static bool word_is_covered(const struct sim_world *world, uint64_t at)
{
    for (uint32_t i = 1; i <= world->utterance_count; i++) {
        const struct sim_utterance *u = &world->utterances[i];
        if (at > u->start && at <= u->end)
            return true;
    }
    return false;
}

void sim_check_end(struct sim_world *world)
{
    if (world->gone)
        return;
    MUST(world->open == 0, "utterance %u is still open", world->open);
    MUST(world->active == 0, "response g%u is still open", world->active);
    MUST(prl_floor_user(world->floor) == PRL_FLOOR_QUIET, "the user is not quiet");
    MUST(prl_floor_answer(world->floor) == PRL_FLOOR_NONE, "the answer is not over");
    for (uint32_t i = 1; i <= world->utterance_count; i++) {
        const struct sim_utterance *u = &world->utterances[i];
        MUST(u->life == SIM_KNOWN || u->life == SIM_DISCARDED || u->life == SIM_UNKNOWN,
             "utterance %u has no outcome", i);
        MUST(!u->owed, "utterance %u is still owed an answer", i);
    }
    for (uint32_t i = 0; i < world->said_count; i++)
        MUST((world->said_flags[i] & SIM_EXCUSED) || word_is_covered(world, world->said_at[i]),
             "word s%u was lost", i);
    check_chain(world);
    sim_check_prompt(world);
}

static const struct sim_trace *find_act(const struct sim_world *world, enum prl_floor_act act,
                                        int64_t from_ms, int64_t to_ms, uint32_t *index)
{
    for (uint32_t i = *index; i < world->trace_count; i++) {
        int64_t at_ms = world->trace[i].at_us / 1000;
        if (world->trace[i].action.act == act && at_ms >= from_ms && at_ms <= to_ms) {
            *index = i + 1;
            return &world->trace[i];
        }
    }
    return NULL;
}

static uint32_t count_acts(const struct sim_world *world, enum prl_floor_act act)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->trace_count; i++)
        count += world->trace[i].action.act == act;
    return count;
}

void sim_check_expects(struct sim_world *world)
{
    const struct sim_scenario *scenario = world->scenario;
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        const struct sim_expect *expect = &scenario->expects[i];
        const char *act = SIM_ACTS[expect->acts[0]];
        uint32_t index = 0;
        switch (expect->kind) {
        case SIM_AT:
            if (!find_act(world, expect->acts[0], expect->at_ms - SLACK_MS,
                          expect->at_ms + SLACK_MS, &index))
                sim_fail(world, "no %s at %" PRId64 " ms", act, expect->at_ms);
            break;
        case SIM_NEVER:
        case SIM_COUNT:
            if (count_acts(world, expect->acts[0]) != expect->count)
                sim_fail(world, "%u times %s instead of %u", count_acts(world, expect->acts[0]),
                         act, expect->count);
            break;
        case SIM_ORDER:
            for (uint32_t j = 0; j < expect->act_count; j++)
                if (!find_act(world, expect->acts[j], 0, INT64_MAX / 1000, &index)) {
                    sim_fail(world, "%s is missing from its order", SIM_ACTS[expect->acts[j]]);
                    break;
                }
            break;
        }
    }
}

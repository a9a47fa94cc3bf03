// sim_world.c -- the clockwork of a talk: the next thing that happens, in virtual time, and what
// the floor's meanings do to history and to the output clock.
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_world.h"

enum {
    VAD_ON_WINDOWS = 2,
    VAD_OFF_WINDOWS = 2,
    IDLE_TAIL_MS = 8000,    // so long the idle timer may run after the last word
    SETTLE_MAX_MS = 240000, // a talk that has not ended so long after its last op hangs
    WINDOW_SPEECH_US = SIM_WINDOW_US / 2
};

void sim_fail(struct sim_world *world, const char *format, ...)
{
    if (world->result->failed)
        return;
    world->result->failed = true;
    int at =
        snprintf(world->result->error, SIM_ERROR_MAX, "at %" PRId64 " ms: ", world->now_us / 1000);
    va_list args;
    va_start(args, format);
    vsnprintf(world->result->error + at, SIM_ERROR_MAX - (size_t)at, format, args);
    va_end(args);
}

static void log_action(const struct sim_world *world, const struct prl_floor_action *action)
{
    fprintf(world->log, "%9.3f        %s u%u g%u", (double)world->now_us / 1e6,
            SIM_ACTS[action->act], action->utterance, action->generation);
    if (action->new_generation)
        fprintf(world->log, " > g%u", action->new_generation);
    if (action->reason)
        fprintf(world->log, " reason %d", (int)action->reason);
    if (action->refusal)
        fprintf(world->log, " refusal %d", (int)action->refusal);
    fprintf(world->log, "\n");
}

static void item_id(char out[32], char kind, uint32_t number)
{
    snprintf(out, 32, "%c%u", kind, number);
}

static void add_item(struct sim_world *world, enum prl_item_kind kind, uint32_t number,
                     enum prl_item_status status)
{
    char id[32];
    item_id(id, kind == PRL_ITEM_USER ? 'u' : 'a', number);
    struct prl_item_new item = {.kind = kind, .status = status, .id = id};
    if (prl_history_add(world->history, NULL, &item) != PRL_OK)
        sim_fail(world, "history refuses %s", id);
    bool fits = world->order_count < SIM_GENERATIONS_MAX + SIM_UTTERANCES_MAX;
    PRL_CHECK(fits);
    world->order[world->order_count++] = kind == PRL_ITEM_USER ? (int32_t)number : -(int32_t)number;
}

static void set_status(struct sim_world *world, uint32_t generation, enum prl_item_status status)
{
    char id[32];
    item_id(id, 'a', generation);
    if (prl_history_set_status(world->history, id, status) != PRL_OK)
        sim_fail(world, "history lost %s", id);
}

static void cut_history(struct sim_world *world, uint32_t generation, uint64_t samples)
{
    struct sim_generation *g = &world->generations[generation];
    if (!g->in_history || g->written == 0 || g->text_only)
        return;
    char id[32];
    item_id(id, 'a', generation);
    uint64_t applied = 0;
    if (prl_history_truncate(world->history, id, 0, samples, &applied) != PRL_OK)
        sim_fail(world, "history does not cut %s", id);
    uint64_t expected = samples < g->sent ? samples : g->sent;
    if (applied != expected)
        sim_fail(world, "cut at %" PRIu64 " instead of %" PRIu64, applied, expected);
    g->cut = true;
    g->cut_at = expected;
}

static void begin_item(struct sim_world *world, uint32_t generation)
{
    struct sim_generation *g = &world->generations[generation];
    add_item(world, PRL_ITEM_ASSISTANT, generation, PRL_ITEM_IN_PROGRESS);
    g->in_history = true;
    sim_write_answer(world, generation);
}

static void transcript_known(struct sim_world *world, uint32_t utterance)
{
    char id[32];
    char text[4096];
    const struct sim_utterance *u = &world->utterances[utterance];
    size_t len = sim_said_text(world, u->start, u->end, text, sizeof(text));
    item_id(id, 'u', utterance);
    if (prl_history_set_text(world->history, id, 0, text, len) != PRL_OK)
        sim_fail(world, "history refuses the transcript of %s", id);
}

static void commit_item(struct sim_world *world, uint32_t utterance)
{
    char id[32];
    item_id(id, 'u', utterance);
    add_item(world, PRL_ITEM_USER, utterance, PRL_ITEM_COMPLETED);
    if (prl_history_add_part(world->history, id, true, "", 0) != PRL_OK)
        sim_fail(world, "history refuses a part of %s", id);
}

static void cancel_sound(struct sim_world *world, uint32_t generation)
{
    uint64_t heard = 0;
    if (world->sounding == generation)
        heard = prl_playout_stop(world->playout, true, world->now_us);
    cut_history(world, generation, heard);
    if (world->generations[generation].in_history)
        set_status(world, generation, PRL_ITEM_INCOMPLETE);
    sim_engines_stop(world, generation, false);
}

static void release(struct sim_world *world, uint32_t generation)
{
    if (world->sounding != generation) {
        prl_playout_start(world->playout, generation, world->now_us);
        world->sounding = generation;
    }
    prl_playout_release(world->playout, world->now_us);
}

// What the server around the floor does about a meaning.
static void carry_out(struct sim_world *world, const struct prl_floor_action *action)
{
    uint32_t generation = action->generation;
    struct sim_generation *g = &world->generations[generation];
    switch (action->act) {
    case PRL_ACT_COMMIT_UTTERANCE:
    case PRL_ACT_IDLE_TIMEOUT:
        commit_item(world, action->utterance);
        break;
    case PRL_ACT_FILLER:
        g->filler = true;
        g->released = true;
        world->filler = generation;
        sim_answer_start(world, generation);
        release(world, generation);
        break;
    case PRL_ACT_ANTICIPATE:
        world->early = generation;
        sim_answer_start(world, generation);
        break;
    case PRL_ACT_TRANSCRIBE:
    case PRL_ACT_JUDGE:
        sim_stt_start(world, generation, action->utterance, action->end);
        break;
    case PRL_ACT_SPECULATE:
    case PRL_ACT_CONFIRM:
        world->probing = generation;
        world->probing_us = world->now_us;
        sim_stt_start(world, generation, action->utterance, action->end);
        break;
    case PRL_ACT_TRANSCRIBED:
        transcript_known(world, action->utterance);
        sim_lock_said(world, action->utterance);
        break;
    case PRL_ACT_TRANSCRIPT_FAILED:
        g->stt_us = -1;
        break;
    case PRL_ACT_DROP_SPECULATION:
        if (world->early == generation)
            world->early = 0;
        if (world->probing == generation)
            world->probing = 0;
        if (world->wordless == generation)
            world->wordless = 0;
        sim_engines_stop(world, generation, true);
        break;
    case PRL_ACT_ASK_EOT:
        world->eot_utterance = action->utterance;
        world->eot_us = world->scenario->eot_permille == 1002
                            ? -1
                            : world->now_us + world->scenario->eot_ms * 1000;
        break;
    case PRL_ACT_START_RESPONSE:
        begin_item(world, generation);
        break;
    case PRL_ACT_GENERATE:
        sim_answer_start(world, generation);
        break;
    case PRL_ACT_RELEASE:
        release(world, generation);
        break;
    case PRL_ACT_HOLD:
    case PRL_ACT_PAUSE:
        if (world->sounding == generation)
            prl_playout_pause(world->playout, world->now_us);
        break;
    case PRL_ACT_RESUME:
        prl_playout_release(world->playout, world->now_us);
        break;
    case PRL_ACT_CANCEL:
        cancel_sound(world, generation);
        break;
    case PRL_ACT_REPLACE:
        cancel_sound(world, generation);
        begin_item(world, action->new_generation);
        break;
    case PRL_ACT_END_AT:
        sim_engines_stop(world, generation, false);
        break;
    case PRL_ACT_FINISH:
        if (g->end_at != UINT64_MAX)
            cut_history(world, generation, g->end_at);
        sim_engines_stop(world, generation, false);
        set_status(world, generation, PRL_ITEM_COMPLETED);
        break;
    case PRL_ACT_OPEN_UTTERANCE:
    case PRL_ACT_SPEECH_STARTED:
    case PRL_ACT_DISCARD_UTTERANCE:
    case PRL_ACT_EMPTY_UTTERANCE:
    case PRL_ACT_CLEARED:
    case PRL_ACT_PLAYED:
    case PRL_ACT_REFUSE:
    case PRL_ACT_COUNT:
        break;
    }
}

void sim_fact(struct sim_world *world, struct prl_floor_event event)
{
    if (world->result->failed)
        return;
    struct prl_floor_actions out;
    if (world->log && event.fact != PRL_FACT_INPUT && event.fact != PRL_FACT_HEARD)
        fprintf(world->log, "%9.3f %s u%u g%u words %u flags %u samples %" PRIu64 "\n",
                (double)world->now_us / 1e6, SIM_FACTS[event.fact], event.utterance,
                event.generation, event.words, event.flags, event.samples);
    world->fact = event.fact;
    world->refused = world->created = world->cancelled = false;
    world->committed = world->cleared = world->gave_up = false;
    world->committed_utterance = 0;
    world->answer_before = prl_floor_answer(world->floor);
    prl_floor_step(world->floor, &event, world->now_us, world->input, &out);
    world->deadline_us = out.deadline_us;
    for (uint32_t i = 0; i < out.count && !world->result->failed; i++) {
        const struct prl_floor_action *action = &out.list[i];
        if (world->log)
            log_action(world, action);
        uint64_t number =
            (uint64_t)action->act << 48 | (uint64_t)action->generation << 24 | action->utterance;
        world->result->hash =
            sim_mix(world->result->hash, sim_mix((uint64_t)world->now_us, number));
        if (world->trace_count < SIM_TRACE_MAX)
            world->trace[world->trace_count++] = (struct sim_trace){world->now_us, *action};
        sim_check_action(world, action);
        if (!world->result->failed)
            carry_out(world, action);
    }
    if (!world->result->failed)
        sim_check_step(world, &event);
}

static void fact(struct sim_world *world, enum prl_floor_fact kind)
{
    sim_fact(world, (struct prl_floor_event){.fact = kind});
}

// The words that are begun by now stand at the input position of their middle.
static void place_words(struct sim_world *world)
{
    if (world->speech_words == 0)
        return;
    int64_t word_us = (world->speech_until_us - world->speech_from_us) / world->speech_words;
    while (world->speech_begun < world->speech_words && world->said_count < SIM_SAID_MAX) {
        int64_t middle_us = world->speech_from_us + word_us * world->speech_begun + word_us / 2;
        if (middle_us > world->now_us)
            return;
        bool excused = !world->voice || world->leftover || world->gone ||
                       world->conf.turns == PRL_FLOOR_MANUAL;
        world->said_at[world->said_count] = world->input;
        world->said_margin[world->said_count] = (uint16_t)world->speech_margin;
        world->said_flags[world->said_count++] =
            (uint16_t)(world->speech_flags | (excused ? SIM_EXCUSED : 0));
        world->speech_begun++;
    }
}

static bool window_is_speech(const struct sim_world *world)
{
    int64_t from_us = world->now_us - SIM_WINDOW_US;
    int64_t low = world->speech_from_us > from_us ? world->speech_from_us : from_us;
    int64_t high = world->speech_until_us < world->now_us ? world->speech_until_us : world->now_us;
    return high - low >= WINDOW_SPEECH_US;
}

static void voice_on(struct sim_world *world)
{
    world->voice = true;
    world->judged = world->judging = false;
    world->pause++;
    world->voice_on_at = world->input - (uint64_t)VAD_ON_WINDOWS * SIM_WINDOW_SAMPLES;
    if (world->conf.turns == PRL_FLOOR_MANUAL)
        return;
    world->open_voice_from = world->voice_on_at;
    world->open_flags &= ~(uint32_t)(PRL_FLOOR_OPEN_ENDED | PRL_FLOOR_COMPLETE | PRL_FLOOR_STABLE);
    sim_fact(world,
             (struct prl_floor_event){.fact = PRL_FACT_VOICE_ON, .sample = world->voice_on_at});
}

static void voice_off(struct sim_world *world)
{
    world->voice = false;
    world->voice_off_at = world->input - (uint64_t)VAD_OFF_WINDOWS * SIM_WINDOW_SAMPLES;
    if (world->open && world->voice_off_at > world->open_voice_from)
        world->open_voiced += world->voice_off_at - world->open_voice_from;
    world->leftover = false;
    if (world->conf.turns == PRL_FLOOR_MANUAL)
        return;
    sim_fact(world,
             (struct prl_floor_event){.fact = PRL_FACT_VOICE_OFF, .sample = world->voice_off_at});
}

static void take_window(struct sim_world *world)
{
    world->window_us += SIM_WINDOW_US;
    if (world->gone || world->now_us < world->stalled_until_us)
        return;
    world->input += SIM_WINDOW_SAMPLES;
    world->input_us = world->now_us;
    bool speech = window_is_speech(world);
    world->speech_windows = speech ? world->speech_windows + 1 : 0;
    world->silent_windows = speech ? 0 : world->silent_windows + 1;
    if (speech)
        world->speech_to = world->input;
    if (!world->voice && world->speech_windows >= VAD_ON_WINDOWS)
        voice_on(world);
    else if (world->voice && world->silent_windows >= VAD_OFF_WINDOWS)
        voice_off(world);
    place_words(world);
    sim_fact(world, (struct prl_floor_event){
                        .fact = PRL_FACT_INPUT,
                        .sample = world->voice ? world->speech_to : 0,
                        .flags = world->scenario->partial_ms > 0 ? PRL_FLOOR_FOLLOWED : 0});
    sim_lock_window(world);
}

static void take_tick(struct sim_world *world)
{
    world->tick_us = world->now_us + SIM_TICK_US;
    struct sim_generation *g = &world->generations[world->sounding];
    if (world->sounding == 0 || g->dead || world->gone)
        return;
    uint64_t made = (uint64_t)g->made * SIM_WORD_SAMPLES;
    if (made > g->end_at)
        made = g->end_at;
    uint64_t room = prl_playout_room(world->playout, world->now_us);
    uint64_t more = made - g->sent < room ? made - g->sent : room;
    if (more > 0) {
        if (!g->released || g->paused)
            sim_fail(world, "g%u is sent while held or paused", world->sounding);
        char id[32];
        item_id(id, 'a', world->sounding);
        prl_playout_sent(world->playout, more, world->now_us);
        g->sent += more;
        if (!g->filler)
            world->filler_said = false;
        if (!g->filler && prl_history_sent(world->history, id, g->sent) != PRL_OK)
            sim_fail(world, "history lost %s", id);
    }
    if (g->sent == 0)
        return;
    sim_fact(world, (struct prl_floor_event){
                        .fact = PRL_FACT_HEARD,
                        .generation = world->sounding,
                        .sent = g->sent,
                        .samples = prl_playout_heard_samples(world->playout, world->now_us)});
}

static void take_partial(struct sim_world *world)
{
    world->partial_us = world->now_us + (int64_t)world->scenario->partial_ms * 1000;
    if (world->open == 0 || world->gone || world->conf.turns == PRL_FLOOR_MANUAL)
        return;
    uint32_t speaker = sim_lock_flags(world, world->open);
    if (speaker & PRL_FLOOR_OTHER)
        return;
    uint32_t flags = 0;
    uint32_t words =
        sim_words_between(world, world->utterances[world->open].start, world->input, &flags);
    if (words == world->partial_words && words > 0)
        flags |= PRL_FLOOR_STABLE;
    if (world->early && words == world->generations[world->early].based_on)
        flags |= PRL_FLOOR_SAME;
    flags |= speaker;
    if (words == world->partial_words && flags == world->partial_flags)
        return;
    uint32_t margin = sim_margin_between(world, world->utterances[world->open].start, world->input);
    world->kept_words = words;
    world->kept_margin = world->open_margin = margin;
    world->kept_flags = flags;
    world->partial_words = words;
    world->partial_flags = flags;
    world->open_words = words;
    world->open_flags = flags;
    world->open_heard_ms = sim_voiced_ms(world);
    world->open_heard_to = world->input;
    sim_words_told(world);
    sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_PARTIAL,
                                             .utterance = world->open,
                                             .words = words,
                                             .margin = margin,
                                             .flags = flags | PRL_FLOOR_FOLLOWED});
}

static void take_eot(struct sim_world *world)
{
    uint32_t permille = world->scenario->eot_permille;
    if (permille > 1000)
        permille = (uint32_t)(sim_mix(world->scenario->seed, 7000 + world->eot_count++) % 1001);
    world->eot_us = -1;
    bool mute = world->scenario->eot_permille == 1003 ||
                (world->scenario->eot_permille == 1001 && permille % 8 == 0);
    if (mute && world->eot_utterance == world->open)
        world->eot_mute = world->eot_asked;
    if (!mute && world->eot_utterance == world->open) {
        world->eot_pause = world->eot_asked;
        world->eot_permille = permille;
    }
    sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_EOT,
                                             .utterance = world->eot_utterance,
                                             .permille = permille,
                                             .flags = mute ? PRL_FLOOR_SKIPPED : 0});
}

static void update(struct sim_world *world, uint32_t flags)
{
    enum prl_floor_turns before = world->conf.turns;
    world->conf.turns = (enum prl_floor_turns)(flags & 3);
    world->conf.create_response = flags & 4;
    world->conf.interrupt_response = flags & 8;
    prl_floor_configure(world->floor, &world->conf);
    // Who switches the VAD off or on starts it afresh.
    if (before != world->conf.turns &&
        (before == PRL_FLOOR_MANUAL || world->conf.turns == PRL_FLOOR_MANUAL)) {
        world->voice = false;
        world->leftover = false;
        world->speech_windows = 0;
        world->voice_off_at = world->input;
    }
    fact(world, PRL_FACT_UPDATE);
}

static void truncate_newest(struct sim_world *world, int64_t ms)
{
    uint32_t newest = 0;
    for (uint32_t i = 1; i <= world->generation_count; i++)
        if (world->generations[i].in_history)
            newest = i;
    if (newest == 0)
        return;
    sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_TRUNCATE, .generation = newest});
    // The client's number wins over our estimate.
    cut_history(world, newest, (uint64_t)ms * (PRL_FLOOR_OUTPUT_HZ / 1000));
}

static void excuse_words(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->said_count; i++)
        world->said_flags[i] |= SIM_EXCUSED;
}

static void begin_speech(struct sim_world *world, const struct sim_op *op)
{
    world->speech_from_us = world->now_us;
    world->speech_until_us = world->now_us + op->ms * 1000;
    world->speech_words = op->words;
    world->speech_begun = 0;
    world->speech_flags = op->flags;
    world->speech_margin = op->margin;
}

static void leave(struct sim_world *world)
{
    excuse_words(world);
    world->gone = true;
    world->voice = false;
    world->leftover = false;
    world->speech_windows = 0;
    world->voice_off_at = world->input;
    fact(world, PRL_FACT_GONE);
}

static void take_op(struct sim_world *world, const struct sim_op *op)
{
    static const enum prl_floor_fact REQUESTS[SIM_OP_KINDS] = {
        [SIM_COMMIT] = PRL_FACT_COMMIT,
        [SIM_CLEAR] = PRL_FACT_CLEAR,
        [SIM_CREATE] = PRL_FACT_CREATE,
        [SIM_CANCEL] = PRL_FACT_CANCEL,
        [SIM_OUTPUT_CLEAR] = PRL_FACT_OUTPUT_CLEAR,
    };
    if (world->gone && op->kind != SIM_BACK && op->kind != SIM_SPEECH)
        return;
    switch (op->kind) {
    case SIM_SPEECH:
        begin_speech(world, op);
        break;
    case SIM_STALL:
        world->stalled_until_us = world->now_us + op->ms * 1000;
        break;
    case SIM_CLEAR:
        excuse_words(world);
        fact(world, PRL_FACT_CLEAR);
        break;
    case SIM_COMMIT:
    case SIM_CREATE:
    case SIM_CANCEL:
    case SIM_OUTPUT_CLEAR:
        fact(world, REQUESTS[op->kind]);
        break;
    case SIM_TRUNCATE:
        truncate_newest(world, op->ms);
        break;
    case SIM_UPDATE:
        excuse_words(world);
        update(world, op->flags);
        break;
    case SIM_GONE:
        leave(world);
        break;
    case SIM_BACK:
        world->gone = false;
        world->input_us = world->now_us;
        fact(world, PRL_FACT_BACK);
        break;
    case SIM_OP_KINDS:
        break;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t op_us(const struct sim_world *world)
{
    const struct sim_scenario *scenario = world->scenario;
    return world->next_op < scenario->op_count ? scenario->ops[world->next_op].at_ms * 1000
                                               : INT64_MAX;
}

static bool is_over(const struct sim_world *world)
{
    if (world->next_op < world->scenario->op_count || world->now_us < world->speech_until_us ||
        world->now_us < world->stalled_until_us || world->conf.idle_timeout_ms > 0)
        return false;
    if (world->gone)
        return true;
    return world->deadline_us == INT64_MAX && !world->voice &&
           sim_engines_next_us(world) == INT64_MAX && sim_lock_next_us(world) == INT64_MAX;
}

static void run_one(struct sim_world *world)
{
    int64_t at_us = earlier(world->window_us, op_us(world));
    at_us = earlier(at_us, sim_engines_next_us(world));
    at_us = earlier(at_us, sim_lock_next_us(world));
    at_us = earlier(at_us, world->deadline_us);
    at_us = earlier(at_us, world->tick_us);
    if (world->scenario->partial_ms > 0)
        at_us = earlier(at_us, world->partial_us);
    if (world->eot_us >= 0)
        at_us = earlier(at_us, world->eot_us);
    if (at_us > world->now_us)
        world->now_us = at_us;
    if (op_us(world) <= world->now_us)
        take_op(world, &world->scenario->ops[world->next_op++]);
    else if (world->window_us <= world->now_us)
        take_window(world);
    else if (sim_engines_next_us(world) <= world->now_us)
        sim_engines_run(world);
    else if (sim_lock_next_us(world) <= world->now_us)
        sim_lock_run(world);
    else if (world->eot_us >= 0 && world->eot_us <= world->now_us)
        take_eot(world);
    else if (world->tick_us <= world->now_us)
        take_tick(world);
    else if (world->deadline_us <= world->now_us)
        fact(world, PRL_FACT_DEADLINE);
    else
        take_partial(world);
}

static bool is_strict(const struct sim_scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->op_count; i++) {
        enum sim_op_kind kind = scenario->ops[i].kind;
        if (kind == SIM_UPDATE || kind == SIM_GONE || kind == SIM_BACK || kind == SIM_STALL)
            return false;
    }
    return true;
}

static void play(struct sim_world *world)
{
    const struct sim_scenario *scenario = world->scenario;
    int64_t last_ms = 0;
    for (uint32_t i = 0; i < scenario->op_count; i++)
        last_ms = scenario->ops[i].at_ms + scenario->ops[i].ms;
    int64_t idle_end_us = (last_ms + IDLE_TAIL_MS) * 1000;
    int64_t end_us = (last_ms + SETTLE_MAX_MS) * 1000;
    while (!world->result->failed && !is_over(world)) {
        if (world->now_us >= idle_end_us && world->conf.idle_timeout_ms > 0) {
            world->conf.idle_timeout_ms = 0;
            prl_floor_configure(world->floor, &world->conf);
            fact(world, PRL_FACT_UPDATE);
        }
        run_one(world);
        if (world->now_us > end_us)
            sim_fail(world, "the talk does not end: user %d, answer %d",
                     (int)prl_floor_user(world->floor), (int)prl_floor_answer(world->floor));
    }
    if (!world->result->failed)
        sim_check_end(world);
    if (!world->result->failed)
        sim_check_expects(world);
}

static void collect(struct sim_world *world)
{
    struct sim_result *result = world->result;
    result->virtual_us = world->now_us;
    result->stats = *prl_floor_stats(world->floor);
    for (int fact_at = 0; fact_at < PRL_FACT_COUNT; fact_at++)
        for (int user = 0; user < PRL_FLOOR_USERS; user++)
            for (int answer = 0; answer < PRL_FLOOR_ANSWERS; answer++)
                result->visits[fact_at][user][answer] =
                    prl_floor_visits(world->floor, (enum prl_floor_fact)fact_at,
                                     (enum prl_floor_user)user, (enum prl_floor_answer)answer);
}

void sim_run(const struct sim_scenario *scenario, struct sim_result *result, FILE *log)
{
    *result = (struct sim_result){0};
    struct sim_world *world = prl_mem_zalloc(sizeof(*world));
    PRL_CHECK(world != NULL);
    world->scenario = scenario;
    world->result = result;
    world->log = log;
    world->conf = scenario->conf;
    world->window_us = SIM_WINDOW_US;
    world->tick_us = SIM_TICK_US;
    world->deadline_us = INT64_MAX;
    world->partial_us = (int64_t)scenario->partial_ms * 1000;
    world->eot_us = -1;
    world->idle_since_us = -1;
    world->strict = is_strict(scenario);
    for (uint32_t i = 0; i < SIM_GENERATIONS_MAX; i++)
        world->generations[i].stt_us = world->generations[i].make_us = -1;
    sim_lock_begin(world);
    struct prl_history_conf history_conf;
    struct prl_playout_conf playout_conf = {scenario->lead_ms, scenario->delay_ms};
    prl_history_conf_init(&history_conf);
    bool ready = prl_floor_create(&world->floor, &world->conf) == PRL_OK &&
                 prl_history_create(&world->history, &history_conf) == PRL_OK &&
                 prl_playout_create(&world->playout, &playout_conf) == PRL_OK;
    PRL_CHECK(ready);
    play(world);
    collect(world);
    prl_floor_destroy(&world->floor);
    prl_history_destroy(&world->history);
    prl_playout_destroy(&world->playout);
    prl_mem_free(world);
}

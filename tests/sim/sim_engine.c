// sim_engine.c -- scripted engines: they need time, they fail, they hang, they are late.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "tests/sim/sim_world.h"

enum { HELD_MAX_WORDS = 10, HELD_POLL_US = 100000, ALIVE_WINDOW = 32 };

static enum sim_fate fate_of(const uint8_t *fates, uint32_t job)
{
    return (enum sim_fate)fates[job % SIM_FATES];
}

void sim_stt_start(struct sim_world *world, uint32_t generation, uint32_t utterance, uint64_t end)
{
    struct sim_generation *g = &world->generations[generation];
    g->utterance = utterance;
    g->stt_end = end;
    enum sim_fate fate = fate_of(world->scenario->stt_fates, world->stt_jobs++);
    g->stt_us = fate == SIM_HANGS ? -1 : world->now_us + world->scenario->stt_ms * 1000;
    if (fate == SIM_FAILS)
        g->stt_end = UINT64_MAX;
}

void sim_answer_start(struct sim_world *world, uint32_t generation)
{
    struct sim_generation *g = &world->generations[generation];
    const struct sim_scenario *scenario = world->scenario;
    g->fate = fate_of(scenario->answer_fates, world->answer_jobs++);
    g->words = scenario->words ? scenario->words
                               : 1 + (uint32_t)(sim_mix(scenario->seed, world->answer_jobs) % 40);
    g->text_only = g->fate == SIM_TEXT_ONLY || g->fate == SIM_TOOL;
    if (g->apology || g->filler) {
        g->words = g->apology ? 4 : 1 + g->words % 7;
        g->text_only = false;
    }
    g->make_us = g->fate == SIM_HANGS ? -1 : world->now_us + scenario->llm_ms * 1000;
}

void sim_engines_stop(struct sim_world *world, uint32_t generation, bool stt)
{
    struct sim_generation *g = &world->generations[generation];
    if (g->make_us >= 0 && sim_mix(world->scenario->seed, generation) % 4 == 0) {
        world->stray = generation;
        world->stray_us = world->now_us + 5000;
    }
    g->make_us = -1;
    if (stt)
        g->stt_us = -1;
}

static uint32_t first_alive(const struct sim_world *world)
{
    return world->generation_count > ALIVE_WINDOW ? world->generation_count - ALIVE_WINDOW : 1;
}

int64_t sim_engines_next_us(const struct sim_world *world)
{
    int64_t next_us = world->stray ? world->stray_us : INT64_MAX;
    for (uint32_t i = first_alive(world); i <= world->generation_count; i++) {
        const struct sim_generation *g = &world->generations[i];
        if (g->stt_us >= 0 && g->stt_us < next_us)
            next_us = g->stt_us;
        if (g->make_us >= 0 && g->make_us < next_us)
            next_us = g->make_us;
    }
    return next_us;
}

uint32_t sim_words_between(const struct sim_world *world, uint64_t start, uint64_t end,
                           uint32_t *flags)
{
    uint32_t count = 0;
    uint32_t all = PRL_FLOOR_BACKCHANNEL | PRL_FLOOR_ECHO;
    uint32_t any = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < world->said_count; i++) {
        if (world->said_at[i] <= start || world->said_at[i] > end)
            continue;
        count++;
        all &= world->said_flags[i];
        any |= world->said_flags[i] & PRL_FLOOR_TAKES;
        last = world->said_flags[i] & (PRL_FLOOR_OPEN_ENDED | PRL_FLOOR_COMPLETE | PRL_FLOOR_HAN);
    }
    *flags = count > 0 ? all | any | last : 0;
    return count;
}

uint32_t sim_margin_between(const struct sim_world *world, uint64_t start, uint64_t end)
{
    uint32_t margin = 0;
    for (uint32_t i = 0; i < world->said_count; i++)
        if (world->said_at[i] > start && world->said_at[i] <= end)
            margin = world->said_margin[i];
    return margin;
}

size_t sim_said_text(const struct sim_world *world, uint64_t start, uint64_t end, char *out,
                     size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < world->said_count; i++)
        if (world->said_at[i] > start && world->said_at[i] <= end && at + 16 < size)
            at += (size_t)snprintf(out + at, size - at, "%ss%u", at ? " " : "", i);
    return at;
}

// Every second answer is Chinese, where a character is a word.
size_t sim_answer_text(const struct sim_world *world, uint32_t generation, uint32_t words,
                       char *out, size_t size)
{
    static const char *const CHARACTERS[] = {"天", "地", "玄", "黄", "宇", "宙", "洪", "荒"};
    (void)world;
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < words && at + 24 < size; i++) {
        if (generation % 2 == 0)
            at += (size_t)snprintf(out + at, size - at, "%s%s", CHARACTERS[(generation + i) % 8],
                                   i % 7 == 6 ? "。" : "");
        else
            at += (size_t)snprintf(out + at, size - at, "%sw%u%s", i ? " " : "", i,
                                   i % 5 == 4 ? "," : "");
    }
    return at;
}

void sim_write_answer(struct sim_world *world, uint32_t generation)
{
    struct sim_generation *g = &world->generations[generation];
    if (!g->in_history || g->written == g->made)
        return;
    char id[32];
    char text[4096];
    snprintf(id, sizeof(id), "a%u", generation);
    enum prl_err err = PRL_OK;
    if (g->written == 0)
        err = prl_history_add_part(world->history, id, !g->text_only, "", 0);
    size_t from = sim_answer_text(world, generation, g->written, text, sizeof(text));
    for (; g->written < g->made && !err; g->written++) {
        size_t to = sim_answer_text(world, generation, g->written + 1, text, sizeof(text));
        uint64_t sample = (uint64_t)g->written * SIM_WORD_SAMPLES;
        err = prl_history_append(world->history, id, 0, text + from, to - from);
        if (!err && !g->text_only)
            err = prl_history_mark(world->history, id, sample, from + (text[from] == ' '));
        // The mark at a word's end stands before its comma or 。, as speech does not say them.
        size_t letters = to;
        if (text[to - 1] == ',')
            letters = to - 1;
        else if (to >= from + 6)
            letters = memcmp(text + to - 3, "。", 3) == 0 ? to - 3 : to;
        if (!err && !g->text_only)
            err = prl_history_mark(world->history, id, sample + SIM_WORD_SAMPLES, letters);
        from = to;
    }
    if (err)
        sim_fail(world, "history refuses the text of %s", id);
}

static void stt_comes(struct sim_world *world, uint32_t generation)
{
    struct sim_generation *g = &world->generations[generation];
    g->stt_us = -1;
    if (g->stt_end == UINT64_MAX) {
        if (g->judge && g->utterance == world->open)
            world->judging = false;
        sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED,
                                                 .generation = generation,
                                                 .stage = PRL_FLOOR_STAGE_STT});
        return;
    }
    uint32_t flags = 0;
    uint32_t words =
        sim_words_between(world, world->utterances[g->utterance].start, g->stt_end, &flags);
    uint32_t margin = sim_margin_between(world, world->utterances[g->utterance].start, g->stt_end);
    if (g->utterance == world->open) {
        world->kept_words = words;
        world->kept_margin = margin;
        world->kept_flags = flags;
    }
    // Of a short sound it hears another thing each time.
    if (g->judge && sim_mix(world->scenario->seed, generation + 5000) % 4 == 0)
        flags ^= PRL_FLOOR_TAKES;
    uint32_t speaker = sim_lock_flags(world, g->utterance);
    if (speaker & PRL_FLOOR_OTHER) // another's words count as none
        words = 0;
    flags |= speaker;
    g->heard_words = true;
    if (g->judge && g->utterance == world->open) {
        world->judged = !world->voice;
        world->open_heard_ms = g->voiced_ms;
        if (world->judged)
            world->open_heard_to = world->voice_off_at;
    }
    g->stt_words = words;
    if (g->speculation && g->utterance == world->open)
        world->wordless = words == 0 ? generation : 0;
    // Now and then a recogniser changes its mind about what the partial said.
    bool fickle = sim_mix(world->scenario->seed, generation + 3000) % 8 == 0;
    bool same = g->early && words == g->based_on && !fickle;
    if (same)
        g->early = false;
    if (g->early && fickle)
        g->based_on = UINT32_MAX; // whoever speaks it out says something that nobody asked
    flags |= same ? PRL_FLOOR_SAME : 0;
    if (world->early == generation)
        world->early = 0;
    if (world->probing == generation)
        world->probing = 0;
    if (g->utterance == world->open) {
        world->open_words = words;
        world->open_flags = flags;
        world->open_margin = margin;
        if (g->judge || g->speculation)
            sim_words_told(world);
    }
    world->utterances[g->utterance].has_words = words > 0;
    sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_STT_FINAL,
                                             .generation = generation,
                                             .words = words,
                                             .margin = margin,
                                             .flags = flags});
}

static void say_made(struct sim_world *world, uint32_t generation, enum prl_floor_fact fact)
{
    struct sim_generation *g = &world->generations[generation];
    g->progress_us = world->now_us;
    g->called = g->called || fact == PRL_FACT_TOOL_CALL;
    bool asks = g->fate == SIM_QUESTION && g->made == g->words;
    sim_fact(world, (struct prl_floor_event){
                        .fact = fact,
                        .generation = generation,
                        .flags = asks ? PRL_FLOOR_ASKED : 0,
                        .samples = g->text_only ? 0 : (uint64_t)g->made * SIM_WORD_SAMPLES});
}

static void answer_fails(struct sim_world *world, uint32_t generation)
{
    struct sim_generation *g = &world->generations[generation];
    g->make_us = -1;
    // The last sentence of five words that is whole.
    uint64_t good = (uint64_t)(g->made / 5 * 5) * SIM_WORD_SAMPLES;
    sim_fact(world,
             (struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED,
                                      .generation = generation,
                                      .stage = g->made ? PRL_FLOOR_STAGE_TTS : PRL_FLOOR_STAGE_LLM,
                                      .samples = good});
}

static void answer_goes_on(struct sim_world *world, uint32_t generation)
{
    struct sim_generation *g = &world->generations[generation];
    const struct sim_scenario *scenario = world->scenario;
    bool broken = g->fate == SIM_FAILS || (g->fate == SIM_FAILS_LATE && g->made * 2 >= g->words);
    if (broken) {
        answer_fails(world, generation);
        return;
    }
    if (!g->text_said) {
        g->text_said = true;
        g->make_us = world->now_us + scenario->tts_ms * 1000;
        if (g->fate == SIM_TOOL && !g->apology && !g->filler) {
            g->words = 0;
            say_made(world, generation, PRL_FACT_TOOL_CALL);
        } else {
            say_made(world, generation, PRL_FACT_ANSWER_TEXT);
        }
        return;
    }
    uint64_t held = (uint64_t)g->made * SIM_WORD_SAMPLES - g->sent;
    if (!g->released && !g->text_only && held >= (uint64_t)HELD_MAX_WORDS * SIM_WORD_SAMPLES) {
        g->make_us = world->now_us + HELD_POLL_US; // no more than 3 s are held
        return;
    }
    if (g->text_only)
        g->made = g->words;
    else
        g->made++;
    sim_write_answer(world, generation);
    // The language model is ahead of the voice, and may call a tool beside.
    if (g->made % 4 == 2)
        say_made(world, generation, g->made % 8 == 2 ? PRL_FACT_ANSWER_TEXT : PRL_FACT_TOOL_CALL);
    if (g->dead)
        return;
    g->make_us = world->now_us + (int64_t)300 * scenario->speed_permille + 1000;
    if (g->made < g->words) {
        say_made(world, generation, PRL_FACT_ANSWER_AUDIO);
        return;
    }
    g->make_us = -1;
    g->done = true;
    if (!g->text_only)
        say_made(world, generation, PRL_FACT_ANSWER_AUDIO);
    // What it says may have ended it.
    if (!g->dead)
        say_made(world, generation, PRL_FACT_ANSWER_DONE);
}

void sim_engines_run(struct sim_world *world)
{
    if (world->stray && world->stray_us <= world->now_us) {
        // A front drops such messages; the floor must not depend on it.
        uint32_t stray = world->stray;
        world->stray = 0;
        if (world->generations[stray].dead)
            sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_ANSWER_AUDIO,
                                                     .generation = stray,
                                                     .samples = 1000000});
        return;
    }
    for (uint32_t i = first_alive(world); i <= world->generation_count; i++) {
        struct sim_generation *g = &world->generations[i];
        if (g->stt_us >= 0 && g->stt_us <= world->now_us) {
            stt_comes(world, i);
            return;
        }
        if (g->make_us >= 0 && g->make_us <= world->now_us) {
            answer_goes_on(world, i);
            return;
        }
    }
}

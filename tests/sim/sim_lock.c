// sim_lock.c -- whose voice it is: the real speaker lock (vad/lock.h) over a scripted speaker model, and
// what the session tells the floor of it.
//
// The voiceprint of a stretch points where its sound comes from: axis 0 is the person's, axis 1 another's.
#include <string.h>

#include "tests/sim/sim_world.h"

enum { FAILS_ONE_IN = 16, TURN_FLAGS = 0xFF & ~(PRL_FLOOR_STABLE | PRL_FLOOR_SAME) };

static struct sim_print *find(struct sim_world *world, uint32_t utterance)
{
    for (uint32_t i = 0; i < SIM_PRINTS_MAX; i++)
        if (utterance && world->prints[i].utterance == utterance)
            return &world->prints[i];
    return NULL;
}

void sim_lock_begin(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_PRINTS_MAX; i++)
        world->prints[i].answer_us = -1;
    if (!world->scenario->speaker_known || world->scenario->lock_ms == 0)
        return;
    world->lock.sum[0] = 1.0F;
    world->lock.samples = PRL_LOCK_LEARN_SAMPLES;
    world->conf.lock_ms = world->scenario->lock_ms;
}

uint32_t sim_lock_flags(struct sim_world *world, uint32_t utterance)
{
    const struct sim_print *print = find(world, utterance);
    if (!print)
        return 0;
    switch (prl_lock_verdict(&world->lock, &print->of)) {
    case PRL_LOCK_UNKNOWN:
        return 0;
    case PRL_LOCK_MINE:
        return PRL_FLOOR_MINE;
    case PRL_LOCK_OTHER:
        return PRL_FLOOR_OTHER;
    }
    return 0;
}

static void ask(struct sim_world *world, struct sim_print *print, size_t samples)
{
    uint32_t windows = (uint32_t)(samples / SIM_WINDOW_SAMPLES);
    windows = windows < print->windows ? windows : print->windows;
    print->others = 0;
    print->asked_windows = windows;
    for (uint32_t i = 0; i < windows; i++)
        print->others += print->other[(print->windows - 1 - i) % SIM_STRETCH_WINDOWS];
    prl_lock_asked(&print->of, samples);
    print->answer_us = world->now_us + world->scenario->speaker_ms * 1000;
}

void sim_lock_window(struct sim_world *world)
{
    world->lock_paused = !world->voice && (world->lock_paused || world->lock_voice);
    world->lock_voice = world->voice;
    if (world->scenario->lock_ms == 0 || world->open == 0)
        return;
    struct sim_print *print = &world->prints[world->newest_print];
    if (print->utterance != world->open) {
        world->newest_print = (world->newest_print + 1) % SIM_PRINTS_MAX;
        print = &world->prints[world->newest_print];
        *print = (struct sim_print){.utterance = world->open, .answer_us = -1};
    }
    if (world->voice) {
        print->other[print->windows++ % SIM_STRETCH_WINDOWS] =
            (world->speech_flags & PRL_FLOOR_OTHER) != 0;
        print->of.voiced += SIM_WINDOW_SAMPLES;
    }
    size_t samples = prl_lock_wants(&world->lock, &print->of, world->lock_paused);
    bool refused = sim_mix(world->scenario->seed, 11000 + print->windows) % FAILS_ONE_IN == 0;
    if (samples == 0 || refused)
        return;
    ask(world, print, samples);
    world->lock_paused = false;
}

int64_t sim_lock_next_us(const struct sim_world *world)
{
    if (world->lock_learnt)
        return world->now_us;
    int64_t next_us = INT64_MAX;
    for (uint32_t i = 0; i < SIM_PRINTS_MAX; i++)
        if (world->prints[i].answer_us >= 0 && world->prints[i].answer_us < next_us)
            next_us = world->prints[i].answer_us;
    return next_us;
}

static void tell_floor(struct sim_world *world, const struct sim_print *print, uint32_t before)
{
    uint32_t flags = sim_lock_flags(world, print->utterance);
    bool waits = prl_floor_answer(world->floor) != PRL_FLOOR_NONE;
    bool other = (flags | before) & PRL_FLOOR_OTHER;
    if (world->open != print->utterance || world->gone || !(waits || other))
        return;
    uint32_t words = 0, margin = 0;
    if (!(flags & PRL_FLOOR_OTHER)) {
        words = world->kept_words;
        margin = world->kept_margin;
        flags |= world->kept_flags & TURN_FLAGS;
    }
    // What was made of words that turn out to be another's, or not to be, is of no use.
    if ((world->open_flags ^ flags) & PRL_FLOOR_OTHER)
        world->utterances[world->open].has_words = false;
    world->open_words = words;
    world->open_flags = flags;
    world->open_margin = margin;
    world->open_heard_ms = sim_voiced_ms(world);
    world->open_heard_to = world->input;
    sim_words_told(world);
    sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_PARTIAL,
                                             .utterance = world->open,
                                             .words = words,
                                             .margin = margin,
                                             .flags = flags});
}

static void answer(struct sim_world *world, struct sim_print *print)
{
    print->answer_us = -1;
    float voice[PRL_SPEAKER_VALUES] = {0};
    voice[0] = (float)(print->asked_windows - print->others);
    voice[1] = (float)print->others;
    bool fails = sim_mix(world->scenario->seed, 13000 + print->windows) % FAILS_ONE_IN == 0;
    prl_lock_answered(&world->lock, &print->of, fails ? NULL : voice);
    uint32_t before = print->told;
    print->told = sim_lock_flags(world, print->utterance);
    if (print->told != before)
        tell_floor(world, print, before);
}

void sim_lock_run(struct sim_world *world)
{
    if (world->lock_learnt) {
        world->lock_learnt = false;
        world->conf.lock_ms = world->scenario->lock_ms;
        prl_floor_configure(world->floor, &world->conf);
        sim_fact(world, (struct prl_floor_event){.fact = PRL_FACT_UPDATE});
        return;
    }
    for (uint32_t i = 0; i < SIM_PRINTS_MAX; i++)
        if (world->prints[i].answer_us >= 0 && world->prints[i].answer_us <= world->now_us) {
            answer(world, &world->prints[i]);
            return;
        }
}

void sim_lock_said(struct sim_world *world, uint32_t utterance)
{
    const struct sim_print *print = find(world, utterance);
    if (!print || world->scenario->lock_ms == 0)
        return;
    bool knew = prl_lock_knows(&world->lock);
    prl_lock_learn(&world->lock, &print->of);
    world->lock_learnt = world->lock_learnt || (!knew && prl_lock_knows(&world->lock));
}

// sim_random.c -- random talks: people with pauses, coughs, second thoughts and bad lines; clients
// that press every button; engines that are slow, fail and hang.
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

uint64_t sim_mix(uint64_t a, uint64_t b)
{
    // The finisher of splitmix64 (Steele, Lea, Flood 2014).
    uint64_t z = a * 0x9E3779B97F4A7C15ULL + b + 0x632BE59BD9B4E019ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

struct dice {
    uint64_t seed;
    uint64_t count;
};

static uint32_t below(struct dice *dice, uint32_t n)
{
    return (uint32_t)(sim_mix(dice->seed, dice->count++) >> 33) % n;
}

static uint32_t between(struct dice *dice, uint32_t low, uint32_t high)
{
    return low + below(dice, high - low + 1);
}

static bool chance(struct dice *dice, uint32_t percent)
{
    return below(dice, 100) < percent;
}

static void random_conf(struct dice *dice, struct sim_scenario *scenario)
{
    static const uint32_t SILENCES[] = {200, 500, 500, 700};
    struct prl_floor_conf *conf = &scenario->conf;
    uint32_t kind = below(dice, 20);
    conf->turns = PRL_FLOOR_SERVER_VAD;
    if (kind >= 9)
        conf->turns = kind < 17 ? PRL_FLOOR_SEMANTIC_VAD : PRL_FLOOR_MANUAL;
    conf->create_response = chance(dice, 88);
    conf->interrupt_response = chance(dice, 80);
    conf->eot_available = chance(dice, 60);
    conf->silence_duration_ms = SILENCES[below(dice, 4)];
    conf->silence_min_ms = chance(dice, 70) ? 200 : 300;
    conf->silence_max_ms = 2000U << below(dice, 3);
    conf->speculations_max = chance(dice, 80) ? 3 : 0;
    conf->speculate_early = chance(dice, 70);
    conf->filler_after_ms = chance(dice, 30) ? between(dice, 300, 1500) : 0;
    conf->utterance_max_ms = chance(dice, 10) ? 4000 : 120000;
    conf->engine_first_byte_ms = chance(dice, 70) ? 3000 : 15000;
    conf->idle_timeout_ms = chance(dice, 15) ? 5000 : 0;
    scenario->lead_ms = chance(dice, 70) ? 400 : 100;
    if (chance(dice, 10))
        scenario->lead_ms = 3000;
    scenario->delay_ms = chance(dice, 70) ? 0 : 80;
    if (scenario->delay_ms > 0)
        scenario->lead_ms = 40;
    scenario->partial_ms = chance(dice, 60) ? between(dice, 100, 400) : 0;
    if (chance(dice, 25)) {
        scenario->lock_ms = between(dice, 500, 2500);
        scenario->speaker_known = chance(dice, 70);
        scenario->speaker_ms = between(dice, 10, chance(dice, 20) ? 1500 : 100);
    }
}

static void random_engines(struct dice *dice, struct sim_scenario *scenario)
{
    scenario->stt_ms = between(dice, 30, chance(dice, 10) ? 4000 : 600);
    scenario->llm_ms = between(dice, 50, chance(dice, 10) ? 4000 : 800);
    scenario->tts_ms = between(dice, 30, 400);
    scenario->eot_ms = between(dice, 10, chance(dice, 10) ? 3000 : 300);
    scenario->eot_permille = 1001 + (chance(dice, 15) ? 1 + below(dice, 2) : 0);
    scenario->words = 0;
    scenario->speed_permille = between(dice, 50, 1200);
    bool reliable = chance(dice, 50);
    for (int i = 0; i < SIM_FATES; i++) {
        uint32_t roll = below(dice, 100);
        scenario->stt_fates[i] = SIM_WELL;
        scenario->answer_fates[i] = chance(dice, 10) ? SIM_QUESTION : SIM_WELL;
        if (reliable)
            continue;
        if (roll < 12)
            scenario->stt_fates[i] = roll < 6 ? SIM_FAILS : SIM_HANGS;
        else if (roll < 42)
            scenario->answer_fates[i] = (uint8_t)(SIM_FAILS + (roll - 12) / 6);
    }
}

static void random_words(struct dice *dice, struct sim_op *op)
{
    uint32_t kind = below(dice, 10);
    op->kind = SIM_SPEECH;
    if (kind < 2) { // a cough or a click
        op->ms = between(dice, 40, 700);
        return;
    }
    op->ms = between(dice, 200, kind < 6 ? 1500 : 5000);
    op->words = (uint32_t)op->ms / 250 + 1;
    if (kind == 2 || kind == 3) {
        op->ms = between(dice, 150, 500);
        op->words = 1;
        op->flags = PRL_FLOOR_BACKCHANNEL;
    } else if (kind == 4) {
        op->flags = PRL_FLOOR_OPEN_ENDED;
    } else if (kind == 5) {
        op->flags = chance(dice, 50) ? PRL_FLOOR_COMPLETE : PRL_FLOOR_ECHO;
    }
    if (!(op->flags & PRL_FLOOR_BACKCHANNEL) && chance(dice, 20))
        op->flags |= PRL_FLOOR_TAKES;
    op->flags |= chance(dice, 40) ? PRL_FLOOR_HAN : 0;
    op->margin = chance(dice, 40) ? 1 + below(dice, 150) : 0;
    uint32_t words_max = (uint32_t)op->ms / 150;
    op->words = op->words < words_max ? op->words : words_max;
}

// With the lock half of what is said comes from a television.
static void random_speech(struct dice *dice, struct sim_op *op, bool television)
{
    random_words(dice, op);
    if (television && chance(dice, 50)) {
        op->flags |= PRL_FLOOR_OTHER;
        op->ms += chance(dice, 70) ? between(dice, 1000, 4000) : 0;
    }
}

static void random_op(struct dice *dice, struct sim_op *op, bool manual, bool television)
{
    static const enum sim_op_kind REQUESTS[] = {
        SIM_COMMIT, SIM_CLEAR,    SIM_CREATE,       SIM_CREATE, SIM_CANCEL,
        SIM_CANCEL, SIM_TRUNCATE, SIM_OUTPUT_CLEAR, SIM_UPDATE, SIM_STALL,
    };
    uint32_t roll = below(dice, 100);
    if (roll < 55) {
        random_speech(dice, op, television);
    } else if (manual && roll < 85) {
        op->kind = roll < 70 ? SIM_COMMIT : SIM_CREATE;
    } else if (roll < 98) {
        op->kind = REQUESTS[below(dice, 10)];
        if (op->kind == SIM_TRUNCATE)
            op->ms = below(dice, 4000);
        if (op->kind == SIM_STALL)
            op->ms = below(dice, 5000);
        if (op->kind == SIM_UPDATE)
            op->flags = below(dice, 3) | (chance(dice, 80) ? 4U : 0) | (chance(dice, 70) ? 8U : 0);
    } else {
        op->kind = SIM_GONE;
    }
}

void sim_random(struct sim_scenario *scenario, uint64_t seed)
{
    struct dice dice = {.seed = seed};
    memset(scenario, 0, sizeof(*scenario));
    scenario->seed = seed;
    snprintf(scenario->name, sizeof(scenario->name), "seed %llu", (unsigned long long)seed);
    prl_floor_conf_init(&scenario->conf);
    random_conf(&dice, scenario);
    random_engines(&dice, scenario);
    bool manual = scenario->conf.turns == PRL_FLOOR_MANUAL;
    // Some talks are only speech: there the times of the rules are exact.
    bool talk_only = chance(&dice, 40);
    uint32_t count = between(&dice, 2, 24);
    int64_t at_ms = 300;
    while (scenario->op_count < count) {
        struct sim_op *op = &scenario->ops[scenario->op_count++];
        if (talk_only && !manual)
            random_speech(&dice, op, scenario->lock_ms > 0);
        else
            random_op(&dice, op, manual, scenario->lock_ms > 0);
        op->at_ms = at_ms;
        // Mostly after what was said, sometimes in the middle of it.
        int64_t busy_ms = op->kind == SIM_SPEECH && chance(&dice, 75) ? op->ms : 0;
        at_ms += busy_ms + between(&dice, 10, chance(&dice, 70) ? 1500 : 6000);
        if (op->kind == SIM_GONE && scenario->op_count < SIM_OPS_MAX) {
            op = &scenario->ops[scenario->op_count++];
            op->kind = SIM_BACK;
            op->at_ms = at_ms;
            at_ms += 100;
        }
    }
}

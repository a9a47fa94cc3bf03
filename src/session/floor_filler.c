// floor_filler.c -- dead air: something short to hear while the user waits for an answer or for a tool
// (rule 10). It obeys rules 5 to 7 and is never an item.
#include "session/floor_state.h"

enum { US_PER_MS = 1000 };

// A wait goes on from an answer that calls a tool to the answer that its result gives.
void prl_floor_wait_begins(struct prl_floor *floor, bool tool)
{
    floor->tool_runs = tool;
    if (floor->wait_us < 0)
        floor->wait_us = floor->now_us;
}

void prl_floor_wait_ends(struct prl_floor *floor)
{
    floor->wait_us = -1;
    floor->tool_runs = false;
    floor->filler_said = false;
}

void prl_floor_end_filler(struct prl_floor *floor, enum prl_floor_reason reason)
{
    if (floor->filler.generation == 0)
        return;
    struct prl_floor_action *action = prl_floor_say(floor, PRL_ACT_CANCEL);
    action->generation = floor->filler.generation;
    action->reason = reason;
    action->samples = floor->filler.heard;
    if (reason == PRL_FLOOR_BY_TURN)
        action->start = floor->utterance.onset;
    floor->filler = (struct prl_floor_slot){0};
}

static bool waits(const struct prl_floor *floor)
{
    if (floor->answer == PRL_FLOOR_NONE)
        return floor->tool_runs;
    return floor->answer == PRL_FLOOR_THINKING && floor->current.visible &&
           floor->current.generating && floor->current.produced == 0 && !floor->current.done &&
           !floor->current.apology;
}

static bool may_begin(const struct prl_floor *floor)
{
    return floor->conf.filler_after_ms > 0 && floor->wait_us >= 0 && !floor->filler_said &&
           floor->filler.generation == 0 && floor->tail.generation == 0 &&
           floor->user == PRL_FLOOR_QUIET && !floor->voice && waits(floor);
}

static int64_t limit_us(const struct prl_floor *floor)
{
    return floor->filler.progress_us + (int64_t)floor->conf.apology_max_ms * US_PER_MS;
}

void prl_floor_filler_rules(struct prl_floor *floor)
{
    struct prl_floor_slot *filler = &floor->filler;
    if (may_begin(floor) &&
        floor->now_us >= floor->wait_us + (int64_t)floor->conf.filler_after_ms * US_PER_MS) {
        floor->filler_said = true;
        floor->stats.fillers++;
        *filler = (struct prl_floor_slot){.generation = prl_floor_new_generation(floor),
                                          .progress_us = floor->now_us};
        prl_floor_say_gen(floor, PRL_ACT_FILLER, filler->generation);
        return;
    }
    if (filler->generation == 0)
        return;
    bool stuck = floor->now_us >= limit_us(floor);
    if ((filler->done && filler->heard >= filler->produced) || (stuck && filler->sent > 0)) {
        prl_floor_say_gen(floor, PRL_ACT_PLAYED, filler->generation);
        *filler = (struct prl_floor_slot){0};
        return;
    }
    // It has not begun, and nobody needs it any more.
    bool voice = floor->user != PRL_FLOOR_QUIET || floor->voice;
    if (filler->sent == 0 && (stuck || voice || !waits(floor)))
        prl_floor_end_filler(floor, stuck ? PRL_FLOOR_BY_SLOWNESS : PRL_FLOOR_NO_REASON);
}

int64_t prl_floor_filler_deadline(const struct prl_floor *floor)
{
    if (floor->filler.generation != 0)
        return limit_us(floor);
    if (may_begin(floor))
        return floor->wait_us + (int64_t)floor->conf.filler_after_ms * US_PER_MS;
    return INT64_MAX;
}

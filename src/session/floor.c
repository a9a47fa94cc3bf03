// floor.c -- see floor.h. A step is: take the fact (one function for each cell of the table), then
// let the rules that depend on time or on each other run until nothing changes any more.
#include "session/floor.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "session/floor_state.h"

// A step's rules settle in two rounds (an answer ends, an utterance is promoted); more is our bug.
enum { SETTLE_ROUNDS_MAX = 8, DEADLINE_MIN_US = 1000 };

typedef void fact_fn(struct prl_floor *floor, const struct prl_floor_event *event);

static void nothing(struct prl_floor *floor, const struct prl_floor_event *event)
{
    (void)floor;
    (void)event;
}

// Rows: user QUIET, TALKING, PENDING. Columns: answer NONE, THINKING, SPEAKING, PAUSED.
#define ROW(f)                                                                                     \
    {                                                                                              \
        f, f, f, f                                                                                 \
    }
#define NEVER                                                                                      \
    {                                                                                              \
        NULL, NULL, NULL, NULL                                                                     \
    }
#define REST(f)                                                                                    \
    {                                                                                              \
        f, f, f, NULL                                                                              \
    }
#define UNPAUSED(f)                                                                                \
    {                                                                                              \
        f, f, f, NULL                                                                              \
    }
#define ANY(f)                                                                                     \
    {                                                                                              \
        REST(f), ROW(f), ROW(f)                                                                    \
    }
// Facts about a living generation: an answer, a speculation, or a filler while a tool runs.
#define MADE(f)                                                                                    \
    {                                                                                              \
        REST(f), ROW(f), ROW(f)                                                                    \
    }

static fact_fn *const TABLE[PRL_FACT_COUNT][PRL_FLOOR_USERS][PRL_FLOOR_ANSWERS] = {
    [PRL_FACT_INPUT] = ANY(prl_floor_on_input),
    [PRL_FACT_VOICE_ON] = {REST(prl_floor_on_voice_on), NEVER, ROW(prl_floor_on_voice_on)},
    [PRL_FACT_VOICE_OFF] = {REST(prl_floor_on_voice_off), ROW(prl_floor_on_voice_off), NEVER},
    [PRL_FACT_PARTIAL] = {NEVER, ROW(prl_floor_on_partial), ROW(prl_floor_on_partial)},
    [PRL_FACT_STT_FINAL] = ANY(prl_floor_on_stt_final),
    [PRL_FACT_EOT] = {NEVER, UNPAUSED(prl_floor_on_eot), UNPAUSED(prl_floor_on_eot)},
    [PRL_FACT_ANSWER_TEXT] = MADE(prl_floor_on_progress),
    [PRL_FACT_ANSWER_AUDIO] = MADE(prl_floor_on_progress),
    [PRL_FACT_ANSWER_DONE] = MADE(prl_floor_on_progress),
    [PRL_FACT_TOOL_CALL] = MADE(prl_floor_on_progress),
    [PRL_FACT_ENGINE_FAILED] = ANY(prl_floor_on_failed),
    [PRL_FACT_HEARD] = ANY(prl_floor_on_heard),
    [PRL_FACT_COMMIT] = ANY(prl_floor_on_commit),
    [PRL_FACT_CLEAR] = ANY(prl_floor_on_clear),
    [PRL_FACT_CREATE] = ANY(prl_floor_on_create),
    [PRL_FACT_CANCEL] = ANY(prl_floor_on_cancel),
    [PRL_FACT_TRUNCATE] = ANY(prl_floor_on_silence_wanted),
    [PRL_FACT_OUTPUT_CLEAR] = ANY(prl_floor_on_silence_wanted),
    [PRL_FACT_UPDATE] = ANY(prl_floor_on_update),
    [PRL_FACT_DEADLINE] = ANY(nothing),
    [PRL_FACT_GONE] = ANY(prl_floor_on_gone),
    [PRL_FACT_BACK] = {{prl_floor_on_back}, NEVER, {prl_floor_on_back}},
};

void prl_floor_conf_init(struct prl_floor_conf *conf)
{
    *conf = (struct prl_floor_conf){
        .turns = PRL_FLOOR_SERVER_VAD,
        .create_response = true,
        .interrupt_response = true,
        .prefix_padding_ms = 300,
        .silence_duration_ms = 500,
        .silence_min_ms = 200,
        .silence_max_ms = 4000,
        .probe_ms = 100,
        .speculations_max = 3,
        .interrupt_min_ms = 96,
        .interrupt_max_ms = 800,
        .interrupt_unjudged_ms = 600,
        .resume_ms = 200,
        .verdict_max_ms = 1500,
        .input_stall_ms = 1500,
        .utterance_max_ms = 120000,
        .commit_min_ms = 100,
        .engine_first_byte_ms = 15000,
        .apology_max_ms = 2000,
        .speculate_early = true,
    };
}

enum prl_err prl_floor_create(struct prl_floor **out, const struct prl_floor_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    (*out)->idle_from_us = -1;
    (*out)->wait_us = -1;
    return PRL_OK;
}

void prl_floor_destroy(struct prl_floor **floor)
{
    prl_mem_free(*floor);
    *floor = NULL;
}

struct prl_floor_action *prl_floor_say(struct prl_floor *floor, enum prl_floor_act act)
{
    PRL_CHECK(floor->out->count < PRL_FLOOR_ACTIONS_MAX);
    struct prl_floor_action *action = &floor->out->list[floor->out->count++];
    *action = (struct prl_floor_action){.act = act};
    return action;
}

void prl_floor_say_gen(struct prl_floor *floor, enum prl_floor_act act, uint32_t generation)
{
    prl_floor_say(floor, act)->generation = generation;
}

void prl_floor_refuse(struct prl_floor *floor, enum prl_floor_refusal refusal)
{
    prl_floor_say(floor, PRL_ACT_REFUSE)->refusal = refusal;
}

uint32_t prl_floor_new_generation(struct prl_floor *floor)
{
    if (++floor->last_generation == 0)
        floor->last_generation = 1; // 0 means none; a session does not live for 2^32 answers
    return floor->last_generation;
}

static bool generation_alive(const struct prl_floor *floor, uint32_t generation)
{
    if (generation == 0)
        return false;
    for (uint32_t i = 0; i < floor->transcript_count; i++)
        if (floor->transcripts[i].generation == generation)
            return true;
    return generation == floor->current.generation || generation == floor->speculation.generation ||
           generation == floor->tail.generation || generation == floor->filler.generation ||
           (floor->utterance.id != 0 && generation == floor->utterance.judge);
}

// Facts that come too late, or that contradict what was said before, never reach the table.
static bool fact_is_sane(struct prl_floor *floor, const struct prl_floor_event *event)
{
    if (floor->frozen != (event->fact == PRL_FACT_BACK)) {
        floor->stats.odd++;
        return false;
    }
    bool late = false;
    bool odd = false;
    switch (event->fact) {
    case PRL_FACT_VOICE_ON:
        odd = floor->voice || floor->conf.turns == PRL_FLOOR_MANUAL;
        break;
    case PRL_FACT_VOICE_OFF:
        odd = !floor->voice;
        break;
    case PRL_FACT_PARTIAL:
    case PRL_FACT_EOT:
        late = floor->utterance.id == 0 || event->utterance != floor->utterance.id;
        odd = event->fact == PRL_FACT_EOT && !floor->utterance.eot_waiting;
        break;
    case PRL_FACT_ANSWER_TEXT:
    case PRL_FACT_ANSWER_AUDIO:
    case PRL_FACT_ANSWER_DONE:
    case PRL_FACT_TOOL_CALL:
        late = event->generation == 0 || (event->generation != floor->current.generation &&
                                          event->generation != floor->speculation.generation &&
                                          event->generation != floor->filler.generation);
        break;
    case PRL_FACT_STT_FINAL:
    case PRL_FACT_ENGINE_FAILED:
        late = !generation_alive(floor, event->generation);
        break;
    case PRL_FACT_HEARD:
        late = event->generation == 0 || (event->generation != floor->current.generation &&
                                          event->generation != floor->tail.generation &&
                                          event->generation != floor->filler.generation);
        break;
    case PRL_FACT_INPUT:
    case PRL_FACT_COMMIT:
    case PRL_FACT_CLEAR:
    case PRL_FACT_CREATE:
    case PRL_FACT_CANCEL:
    case PRL_FACT_TRUNCATE:
    case PRL_FACT_OUTPUT_CLEAR:
    case PRL_FACT_UPDATE:
    case PRL_FACT_DEADLINE:
    case PRL_FACT_GONE:
    case PRL_FACT_BACK:
    case PRL_FACT_COUNT:
        break;
    }
    floor->stats.late += late;
    floor->stats.odd += odd && !late;
    return !late && !odd;
}

static void visit(struct prl_floor *floor, const struct prl_floor_event *event)
{
    fact_fn *take = TABLE[event->fact][floor->user][floor->answer];
    if (!take) {
        floor->stats.impossible++; // the simulator fails on it; a product goes on
        return;
    }
    floor->visits[event->fact][floor->user][floor->answer]++;
    take(floor, event);
}

static void settle(struct prl_floor *floor)
{
    for (int round = 0; round < SETTLE_ROUNDS_MAX && !floor->frozen; round++) {
        uint32_t said = floor->out->count;
        enum prl_floor_user user = floor->user;
        enum prl_floor_answer answer = floor->answer;
        prl_floor_user_rules(floor);
        prl_floor_answer_rules(floor);
        prl_floor_filler_rules(floor);
        if (said == floor->out->count && user == floor->user && answer == floor->answer)
            return;
        PRL_DCHECK(round + 1 < SETTLE_ROUNDS_MAX);
    }
}

static void check_state(const struct prl_floor *floor)
{
    PRL_CHECK((floor->user == PRL_FLOOR_QUIET) == (floor->utterance.id == 0));
    PRL_CHECK((floor->answer == PRL_FLOOR_NONE) == (floor->current.generation == 0));
    PRL_CHECK(floor->answer != PRL_FLOOR_PAUSED || floor->user != PRL_FLOOR_QUIET);
    PRL_CHECK(!floor->utterance.tentative || floor->answer != PRL_FLOOR_NONE);
    PRL_CHECK(floor->speculation.generation == 0 ||
              (floor->answer == PRL_FLOOR_NONE &&
               (floor->user == PRL_FLOOR_PENDING ||
                (floor->user == PRL_FLOOR_TALKING && floor->speculation.early))));
    PRL_CHECK(floor->prepared.generation == 0);
}

void prl_floor_step(struct prl_floor *floor, const struct prl_floor_event *event, int64_t now_us,
                    uint64_t input_samples, struct prl_floor_actions *out)
{
    PRL_CHECK(event->fact < PRL_FACT_COUNT);
    floor->out = out;
    out->count = 0;
    if (now_us > floor->now_us)
        floor->now_us = now_us;
    if (input_samples > floor->input) {
        floor->input = input_samples;
        floor->input_us = floor->now_us;
    }
    if (fact_is_sane(floor, event))
        visit(floor, event);
    settle(floor);
    check_state(floor);
    int64_t deadline_us = INT64_MAX;
    if (!floor->frozen) {
        int64_t user_us = prl_floor_user_deadline(floor);
        int64_t answer_us = prl_floor_answer_deadline(floor);
        int64_t filler_us = prl_floor_filler_deadline(floor);
        deadline_us = user_us < answer_us ? user_us : answer_us;
        deadline_us = filler_us < deadline_us ? filler_us : deadline_us;
        if (deadline_us < floor->now_us + DEADLINE_MIN_US)
            deadline_us = floor->now_us + DEADLINE_MIN_US;
    }
    out->deadline_us = deadline_us;
    floor->out = NULL;
}

void prl_floor_configure(struct prl_floor *floor, const struct prl_floor_conf *conf)
{
    floor->conf = *conf;
}

uint64_t prl_floor_append_room(const struct prl_floor *floor)
{
    uint64_t max = (uint64_t)floor->conf.utterance_max_ms * PRL_FLOOR_INPUT_HZ / 1000;
    uint64_t used = floor->input - floor->buffer_from;
    return used < max ? max - used : 0;
}

enum prl_floor_user prl_floor_user(const struct prl_floor *floor)
{
    return floor->user;
}

enum prl_floor_answer prl_floor_answer(const struct prl_floor *floor)
{
    return floor->answer;
}

const struct prl_floor_stats *prl_floor_stats(const struct prl_floor *floor)
{
    return &floor->stats;
}

bool prl_floor_possible(enum prl_floor_fact fact, enum prl_floor_user user,
                        enum prl_floor_answer answer)
{
    return TABLE[fact][user][answer] != NULL;
}

uint32_t prl_floor_visits(const struct prl_floor *floor, enum prl_floor_fact fact,
                          enum prl_floor_user user, enum prl_floor_answer answer)
{
    return floor->visits[fact][user][answer];
}

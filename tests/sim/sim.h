// sim.h -- talks in virtual time: scripted people, clients and engines around the real floor,
// history and output clock.
//
// A scenario is plain data; the same scenario gives the same talk. After every step of the floor an
// oracle that shares no code with it checks the invariants (sim_check.c).
// Units:    microseconds and milliseconds of virtual time; samples at 16 kHz in, 24 kHz out.
// Threads:  one.
#ifndef PRL_TESTS_SIM_H
#define PRL_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "media/playout.h"
#include "session/floor.h"
#include "session/history.h"

enum {
    SIM_OPS_MAX = 64,
    SIM_GENERATIONS_MAX = 1024,
    SIM_UTTERANCES_MAX = 1024,
    SIM_SAID_MAX = 4096,  // words that the person said
    SIM_TRACE_MAX = 8192, // actions of one talk
    SIM_EXPECT_MAX = 64,
    SIM_ERROR_MAX = 400,
    SIM_FATES = 16,
    SIM_WORD_SAMPLES = 7200, // 300 ms: a word of an answer
    SIM_WINDOW_US = 32000,
    SIM_WINDOW_SAMPLES = 512,
    SIM_TICK_US = 20000
};

enum sim_op_kind {
    SIM_SPEECH, // ms, words (0: a cough), flags: enum prl_floor_flag of its transcript; OTHER: another voice
    SIM_STALL, // ms: no sound reaches the server
    SIM_COMMIT,
    SIM_CLEAR,
    SIM_CREATE,
    SIM_CANCEL,
    SIM_TRUNCATE, // ms of the newest answer
    SIM_OUTPUT_CLEAR,
    SIM_UPDATE, // flags: turns | create << 2 | interrupt << 3
    SIM_GONE,
    SIM_BACK,
    SIM_OP_KINDS
};

struct sim_op {
    enum sim_op_kind kind;
    int64_t at_ms;
    int64_t ms;
    uint32_t words;
    uint32_t flags;
    uint32_t margin; // of its words (prl_floor_event); 0: nobody weighs them
};

// What becomes of the n-th piece of work of an engine (n modulo SIM_FATES).
enum sim_fate {
    SIM_WELL,
    SIM_FAILS,      // at once
    SIM_FAILS_LATE, // half way
    SIM_HANGS,
    SIM_TEXT_ONLY,
    SIM_TOOL,
    SIM_QUESTION, // the answer ends with a question
    SIM_FATE_KINDS
};

struct sim_expect {
    enum { SIM_AT, SIM_NEVER, SIM_COUNT, SIM_ORDER } kind;
    int64_t at_ms;
    uint32_t count;
    uint32_t act_count;
    enum prl_floor_act acts[8];
};

struct sim_scenario {
    uint64_t seed; // of what is not written down here: EOT answers, lengths of answers
    char name[80];
    struct prl_floor_conf conf;
    uint32_t lead_ms;
    uint32_t delay_ms;
    uint32_t partial_ms; // 0: the recogniser has no partials
    int64_t stt_ms, llm_ms, tts_ms, eot_ms, speaker_ms;
    uint32_t lock_ms;        // speaker lock: conf.lock_ms once it knows the person; 0: off
    bool speaker_known;      // from the start
    uint32_t words;          // of an answer; 0: 1 to 40
    uint32_t speed_permille; // time to make a word, of its length
    uint8_t stt_fates[SIM_FATES];
    uint8_t answer_fates[SIM_FATES];
    uint32_t eot_permille; // 1001: at random, 1002: never answered, 1003: never asked
    uint32_t op_count;
    struct sim_op ops[SIM_OPS_MAX]; // in order of time
    uint32_t expect_count;
    struct sim_expect expects[SIM_EXPECT_MAX];
};

struct sim_trace {
    int64_t at_us;
    struct prl_floor_action action;
};

// What one talk left behind.
struct sim_result {
    bool failed;
    char error[SIM_ERROR_MAX];
    uint64_t hash; // of every action and its time
    int64_t virtual_us;
    uint32_t visits[PRL_FACT_COUNT][PRL_FLOOR_USERS][PRL_FLOOR_ANSWERS];
    struct prl_floor_stats stats;
};

// Plays one talk. `log` (may be NULL) gets a line for each fact and action.
void sim_run(const struct sim_scenario *scenario, struct sim_result *result, FILE *log);

// sim_random.c
void sim_random(struct sim_scenario *scenario, uint64_t seed);
uint64_t sim_mix(uint64_t a, uint64_t b); // a good hash of two numbers

// sim_script.c: text form of a scenario. Reading reports the line of an error.
bool sim_read(struct sim_scenario *scenario, const char *path, char *error, size_t size);
void sim_write(const struct sim_scenario *scenario, FILE *out);
extern const char *const SIM_ACTS[PRL_ACT_COUNT];
extern const char *const SIM_FACTS[PRL_FACT_COUNT];

#endif

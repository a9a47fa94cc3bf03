// sim_world.h -- the inside of a talk, shared by sim_world.c (what happens), sim_engine.c (the
// engines) and sim_check.c (what must be true).
#ifndef PRL_TESTS_SIM_WORLD_H
#define PRL_TESTS_SIM_WORLD_H

#include "tests/sim/sim.h"
#include "vad/lock.h"

enum {
    SIM_PRINTS_MAX = 8,
    SIM_STRETCH_WINDOWS = PRL_SPEAKER_SAMPLES_MAX / SIM_WINDOW_SAMPLES + 1,
    SIM_EXCUSED = 0x8000 // of a word: beside its flags
};

struct sim_generation {
    // What the floor said of it.
    bool known;
    bool speculation; // SPECULATE
    bool judge;
    bool transcript;  // of a committed utterance
    bool heard_words; // its STT came back
    bool visible;
    bool generating;
    bool released;
    bool paused;
    bool finished;
    bool played;
    bool dead; // dropped, cancelled, replaced, played
    bool apology;
    bool client;
    bool within; // began while an utterance was open that everybody knew of
    bool filler;
    bool early; // made on a partial, not yet confirmed
    bool confirming;
    uint32_t based_on; // words of its utterance that it answers
    uint32_t stt_words;
    // The engines' work.
    uint32_t utterance;
    uint64_t voiced_ms; // of a verdict: voice that it hears
    uint64_t stt_end;
    int64_t stt_us;  // when its transcript comes; -1: not running
    int64_t make_us; // when the next word is made; -1: not running
    enum sim_fate fate;
    uint32_t words;
    uint32_t made;
    bool text_said;
    bool called; // TOOL_CALL was said
    bool done;
    uint64_t end_at;  // END_AT: samples; UINT64_MAX: none
    uint32_t written; // words in history
    bool text_only;
    // The ear.
    uint64_t sent;
    bool in_history;
    bool cut;
    uint64_t cut_at;
    int64_t progress_us;
    int64_t shown_us; // since when it is visible and being made
};

enum sim_life { SIM_UNKNOWN, SIM_OPEN, SIM_COMMITTED, SIM_KNOWN, SIM_DISCARDED };

struct sim_utterance {
    enum sim_life life;
    bool announced;
    bool owed;
    bool has_words;
    bool idle;
    uint32_t taken_by; // generation of the response that pays for it
    uint32_t speculations, early_tries;
    uint32_t early_judges; // verdicts asked for while the voice went on
    uint64_t start;
    uint64_t end;
    uint32_t generation; // of its transcript
};

// What is known of an utterance's voice.
struct sim_print {
    uint32_t utterance; // 0: free
    struct prl_lock_print of;
    uint32_t told;     // flags
    int64_t answer_us; // -1: nothing was asked
    uint32_t windows;  // with voice
    bool other[SIM_STRETCH_WINDOWS];
    uint32_t asked_windows, others;
};

// Grouped by what belongs together; the padding costs nothing that matters.
struct sim_world { // NOLINT(clang-analyzer-optin.performance.Padding)
    const struct sim_scenario *scenario;
    struct sim_result *result;
    FILE *log;
    struct prl_floor *floor;
    struct prl_history *history;
    struct prl_playout *playout;
    struct prl_floor_conf conf;
    // Time and input.
    int64_t now_us;
    uint64_t input;
    int64_t window_us; // end of the next window
    int64_t tick_us;
    int64_t deadline_us;
    int64_t partial_us;
    int64_t eot_us; // -1: not asked
    uint32_t eot_utterance;
    uint32_t eot_count;
    uint32_t pause;     // counts them
    uint32_t eot_asked; // in this one
    uint32_t eot_pause; // the answer is about this one
    uint32_t eot_permille;
    uint32_t eot_mute; // the question of this pause was not asked
    int64_t stalled_until_us;
    bool gone;
    uint32_t next_op;
    // The person.
    int64_t speech_from_us, speech_until_us;
    uint32_t speech_words, speech_begun, speech_flags, speech_margin;
    uint64_t said_at[SIM_SAID_MAX]; // input position of each word
    uint16_t said_flags[SIM_SAID_MAX];
    uint16_t said_margin[SIM_SAID_MAX];
    uint32_t said_count;
    // The VAD.
    bool voice;
    uint32_t speech_windows, silent_windows;
    uint64_t voice_on_at;  // sample
    uint64_t voice_off_at; // sample
    uint64_t speech_to;    // end of the last window with speech
    bool leftover;         // voice that was on when something was committed or cleared
    // The speaker lock.
    struct prl_lock lock;
    struct sim_print prints[SIM_PRINTS_MAX];
    uint32_t newest_print;
    bool lock_voice;  // in the last window
    bool lock_paused; // the end of the voice was not yet asked about
    bool lock_learnt; // the person is known from now on; the floor has to be told
    uint32_t kept_margin;
    uint32_t kept_words; // of the open utterance, as last recognised
    uint32_t kept_flags;
    // The oracle.
    struct sim_generation generations[SIM_GENERATIONS_MAX]; // by number
    uint32_t generation_count;
    struct sim_utterance utterances[SIM_UTTERANCES_MAX];
    uint32_t utterance_count;
    uint32_t open;        // utterance
    uint64_t open_voiced; // samples of finished stretches of voice in it
    uint64_t open_voice_from;
    uint32_t open_words;    // the floor was told so
    uint32_t plain_words;   // most words in which none took the floor
    uint64_t open_heard_to; // input position up to which the words were heard
    uint64_t open_heard_ms; // of voice that the words come from
    bool judged;            // a verdict on all of it came back
    bool judging;           // one was asked for in this pause
    uint32_t verdict_asked; // for what fell silent in this pause
    uint64_t open_excused;  // samples of its voice under which the answer went on unjudged
    int64_t input_us;       // when sound came last
    uint32_t open_flags;
    uint32_t open_margin;
    uint32_t active;    // response: visible and not finished
    uint32_t newest;    // response that began last
    uint32_t early;     // generation that was anticipated; 0: none
    uint32_t wordless;  // generation whose STT found no words in the open utterance; 0: none
    uint32_t probing;   // generation whose STT listens to this pause; 0: none
    int64_t probing_us; // since when
    uint32_t filler;    // generation that sounds in a wait; 0: none
    bool filler_said;   // in this wait
    bool tool_runs;     // the last answer called a tool
    int64_t wait_us;    // the wait did not begin earlier
    uint32_t sounding;  // generation in the output clock
    uint64_t committed_to;
    uint64_t broken_at; // input position of the last commit, clear or discard
    int64_t idle_since_us;
    uint32_t stt_jobs, answer_jobs;
    enum prl_floor_fact fact;                             // of this step
    bool refused, created, cancelled, committed, cleared; // in this step
    bool gave_up;                                         // an answer failed unheard, in this step
    uint32_t committed_utterance;
    enum prl_floor_answer answer_before;
    bool strict;    // nobody changes the rules, leaves or stalls: times are exact
    uint32_t stray; // generation of a message that comes too late; 0: none
    int64_t stray_us;
    uint32_t partial_words, partial_flags;
    uint32_t trace_count;
    struct sim_trace trace[SIM_TRACE_MAX];
    // What history must say: users' utterances and answers in order of appearance.
    uint32_t order_count;
    int32_t order[SIM_GENERATIONS_MAX + SIM_UTTERANCES_MAX + 2]; // utterance, or minus generation
};

void sim_fail(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// One step of the floor and everything that follows from it.
void sim_fact(struct sim_world *world, struct prl_floor_event event);

// sim_engine.c
void sim_stt_start(struct sim_world *world, uint32_t generation, uint32_t utterance, uint64_t end);
void sim_answer_start(struct sim_world *world, uint32_t generation);
void sim_engines_stop(struct sim_world *world, uint32_t generation, bool stt);
int64_t sim_engines_next_us(const struct sim_world *world);
void sim_engines_run(struct sim_world *world); // what is due now
uint32_t sim_margin_between(const struct sim_world *world, uint64_t start, uint64_t end);
uint32_t sim_words_between(const struct sim_world *world, uint64_t start, uint64_t end,
                           uint32_t *flags);
// Text of an answer's first `words` words, and of the words said between two positions.
size_t sim_answer_text(const struct sim_world *world, uint32_t generation, uint32_t words,
                       char *out, size_t size);
size_t sim_said_text(const struct sim_world *world, uint64_t start, uint64_t end, char *out,
                     size_t size);
void sim_write_answer(struct sim_world *world, uint32_t generation); // what is made, into history

// sim_lock.c
void sim_lock_begin(struct sim_world *world);
void sim_lock_window(struct sim_world *world); // a window has been processed
int64_t sim_lock_next_us(const struct sim_world *world);
void sim_lock_run(struct sim_world *world); // what is due now
void sim_lock_said(struct sim_world *world, uint32_t utterance);
// Whose voice it is: PRL_FLOOR_MINE, PRL_FLOOR_OTHER or 0.
uint32_t sim_lock_flags(struct sim_world *world, uint32_t utterance);

// sim_check.c
uint64_t sim_voiced_ms(const struct sim_world *world); // of the open utterance
void sim_words_told(struct sim_world *world);          // the floor is about to be told others
void sim_check_action(struct sim_world *world, const struct prl_floor_action *action);
void sim_check_step(struct sim_world *world, const struct prl_floor_event *event);
void sim_check_prompt(struct sim_world *world);
void sim_check_end(struct sim_world *world);
void sim_check_expects(struct sim_world *world);

#endif

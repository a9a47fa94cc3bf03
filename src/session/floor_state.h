// floor_state.h -- the inside of floor.h, shared by floor.c, floor_user.c and floor_answer.c only.
#ifndef PRL_SESSION_FLOOR_STATE_H
#define PRL_SESSION_FLOOR_STATE_H

#include "session/floor.h"

// Utterances that wait for their transcript. Speech at the bound stays open until one is done
// (each has a limit); a client's commit is refused.
enum { PRL_FLOOR_TRANSCRIPTS_MAX = 8 };

// One attempt at an answer: a speculation, the answer, or the tail of the one before.
struct prl_floor_slot {
    uint32_t generation; // 0: empty
    bool client;         // asked for by response.create or by the idle timeout
    bool idle;           // by the idle timeout
    bool apology;
    bool visible;     // START_RESPONSE was said
    bool generating;  // GENERATE was said
    bool released;    // RELEASE was said, and no HOLD since
    bool done;        // everything is made
    bool finished;    // FINISH was said
    bool asked;       // its last sentence is a question
    bool owed;        // it pays for an automatic commit
    bool owed_failed; // and for one without a transcript, by an apology
    bool adopted;     // it was a speculation, its number is known outside
    bool under_voice; // created while the user was talking (rule 6)
    bool early;       // made on a partial transcript that is not yet confirmed
    bool confirming;  // its STT runs
    bool called;      // it calls tools
    bool behind_tool; // a tool ran when it was begun
    enum prl_floor_reason end;
    uint64_t produced; // output samples
    uint64_t sent;
    uint64_t heard;
    int64_t progress_us; // when it last moved
};

struct prl_floor_transcript {
    uint32_t generation;
    uint32_t utterance;
    bool owed;
    int64_t since_us;
};

struct prl_floor_utterance {
    uint32_t id;             // 0: none open
    bool tentative;          // sound in overlap that is not yet known to be speech for us
    uint64_t start;          // with the prefix
    uint64_t onset;          // first sample of speech
    uint64_t speech_end;     // one past the last sample of speech so far
    uint64_t voiced;         // samples of finished stretches of voice
    uint32_t speculations;   // tries
    uint32_t early_tries;    // on words that no final transcript had confirmed
    uint32_t early_revision; // transcript of the last of them
    bool pause_tried;        // this pause had its speculation
    uint32_t words;          // of the last transcript
    uint64_t words_voiced;   // samples of voice that it heard
    uint32_t plain_words; // most words of a transcript of some length in which none takes the floor
    uint64_t words_to;    // input position up to which it heard
    uint32_t flags;
    uint32_t margin;   // of the last transcript, 0: not known
    uint32_t revision; // counts changes of the transcript
    bool eot_known;    // in this pause
    bool eot_waiting;
    bool eot_skipped; // in this pause nobody had time
    uint32_t eot_permille;
    uint32_t eot_revision;  // transcript when it was asked
    int64_t eot_silence_us; // silence when it was asked; 0: not in this pause
    uint32_t skip_revision; // transcript for which asking was skipped last
    uint32_t judge;         // generation of the verdict's STT, 0: none
    uint64_t judge_voiced;  // samples of voice that it hears
    uint32_t early_judges;  // asked for while the voice went on
    bool followed;          // by a recogniser that is quick
    uint64_t excused;       // samples of voice that proved nothing in time: the answer went on
    bool judged;            // it came back (or failed)
    bool judge_failed;
};

struct prl_floor {
    // Set by create and configure.
    struct prl_floor_conf conf;
    // State.
    int64_t now_us;
    uint64_t input;   // input clock
    int64_t input_us; // when it last moved
    enum prl_floor_user user;
    enum prl_floor_answer answer;
    bool frozen; // the client is gone
    uint32_t last_generation;
    uint32_t last_utterance;
    bool voice;           // what the VAD says
    uint64_t voice_to;    // up to here it is known to be speech
    uint64_t voice_from;  // since then, in this utterance
    uint64_t buffer_from; // sound before this was committed or cleared
    struct prl_floor_utterance utterance;
    struct prl_floor_slot speculation; // only while PENDING and NONE, an early one TALKING too
    bool speculation_heard;            // its transcript is known
    uint32_t speculation_words;        // and has so many
    struct prl_floor_slot prepared;    // adopted speculation on its way to current
    struct prl_floor_slot current;     // the answer
    struct prl_floor_slot tail;        // finished answer that is still heard under the next one
    struct prl_floor_slot filler;      // sounds while the user waits for the answer or for a tool
    struct prl_floor_transcript transcripts[PRL_FLOOR_TRANSCRIPTS_MAX];
    uint32_t transcript_count;
    bool owed;            // a transcript with words waits for its answer
    bool owed_failed;     // one could not be transcribed and waits for an apology
    int64_t idle_from_us; // -1: the idle timer does not run
    uint64_t idle_from;
    bool idle_wanted; // there was an answer that the user may be silent after
    int64_t wait_us;  // since when the user waits, -1: not
    bool tool_runs;   // the wait is for a tool of the client's
    bool filler_said; // in this wait
    struct prl_floor_stats stats;
    uint32_t visits[PRL_FACT_COUNT][PRL_FLOOR_USERS][PRL_FLOOR_ANSWERS];
    struct prl_floor_actions *out; // borrowed during a step
};

// floor.c
struct prl_floor_action *prl_floor_say(struct prl_floor *floor, enum prl_floor_act act);
void prl_floor_say_gen(struct prl_floor *floor, enum prl_floor_act act, uint32_t generation);
void prl_floor_refuse(struct prl_floor *floor, enum prl_floor_refusal refusal);
uint32_t prl_floor_new_generation(struct prl_floor *floor);

// floor_user.c: facts about the user's side, and the rules that time sets off there.
void prl_floor_on_input(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_voice_on(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_voice_off(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_partial(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_eot(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_commit(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_clear(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_update(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_drop_speculation(struct prl_floor *floor);
void prl_floor_drop_utterance(struct prl_floor *floor);
void prl_floor_user_rules(struct prl_floor *floor);
int64_t prl_floor_user_deadline(const struct prl_floor *floor);

// floor_overlap.c: is sound in overlap real?
void prl_floor_overlap_rules(struct prl_floor *floor);
// It is: the answer ends, and so does whatever else sounds.
void prl_floor_decide_real(struct prl_floor *floor);
void prl_floor_drop_judge(struct prl_floor *floor);
// The open utterance has another transcript: counts it.
void prl_floor_words_changed(struct prl_floor *floor);
// Speaker lock: somebody else says the open utterance.
bool prl_floor_other(const struct prl_floor *floor);
// The sound in overlap did not prove real in time: the answer goes on while its verdict is awaited.
bool prl_floor_is_excused(const struct prl_floor *floor);
// Voiced sound of the open utterance, in samples; silence since its last speech, in microseconds
// (0 while it goes on).
uint64_t prl_floor_voiced(const struct prl_floor *floor);
int64_t prl_floor_silence_us(const struct prl_floor *floor);

// floor_answer.c
void prl_floor_on_stt_final(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_progress(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_failed(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_heard(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_create(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_cancel(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_silence_wanted(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_gone(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_on_back(struct prl_floor *floor, const struct prl_floor_event *event);
void prl_floor_end_answer(struct prl_floor *floor, enum prl_floor_reason reason);
void prl_floor_end_tail(struct prl_floor *floor, enum prl_floor_reason reason);
void prl_floor_forget_early(struct prl_floor *floor);
void prl_floor_transcript_done(struct prl_floor *floor, uint32_t generation, uint32_t words);
void prl_floor_answer_rules(struct prl_floor *floor);
int64_t prl_floor_answer_deadline(const struct prl_floor *floor);

// floor_filler.c: something to hear while the user waits (rule 10)
void prl_floor_wait_begins(struct prl_floor *floor, bool tool);
void prl_floor_wait_ends(struct prl_floor *floor);
void prl_floor_end_filler(struct prl_floor *floor, enum prl_floor_reason reason);
void prl_floor_filler_rules(struct prl_floor *floor);
int64_t prl_floor_filler_deadline(const struct prl_floor *floor);

#endif

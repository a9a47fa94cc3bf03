// floor.h -- who speaks: one pure state machine over two speakers, the user and the answer.
//
// Facts go in (voice, transcripts, sound of the answer, requests of the client), meanings come out
// ("commit utterance 7", "pause", "cancel generation 12"). It knows no socket, clock, model, text
// or thread, and writes no protocol event: the order of a step's actions is the order in which
// their consequences must become visible.
//
// Units:    times in microseconds (monotonic); input positions in samples at 16 kHz since the
//           session began; output positions in samples at 24 kHz since the generation's first.
// Threads:  one owner. Memory: one allocation in create; a step never allocates.
// Errors:   what is odd but legal is counted (prl_floor_stats); a step cannot fail.
// Joins:    let the VAD's own hysteresis be short (one or two windows of silence end the voice): the
//           floor counts the silence. Send INPUT after every window, HEARD every 20 ms while an
//           answer sounds, and DEADLINE when the time named by the last step has come.
//           QUIET x PAUSED is never rested in: sound in overlap stays TALKING or PENDING until
//           its verdict.
// Source:   the rules are numbered as in docs/ARCHITECTURE.md, "The floor".
#ifndef PRL_SESSION_FLOOR_H
#define PRL_SESSION_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_FLOOR_INPUT_HZ = 16000, PRL_FLOOR_OUTPUT_HZ = 24000, PRL_FLOOR_ACTIONS_MAX = 24 };

enum prl_floor_user { PRL_FLOOR_QUIET, PRL_FLOOR_TALKING, PRL_FLOOR_PENDING, PRL_FLOOR_USERS };
enum prl_floor_answer {
    PRL_FLOOR_NONE,
    PRL_FLOOR_THINKING, // owed or being made, nothing of it heard
    PRL_FLOOR_SPEAKING,
    PRL_FLOOR_PAUSED,
    PRL_FLOOR_ANSWERS
};

enum prl_floor_turns { PRL_FLOOR_MANUAL, PRL_FLOOR_SERVER_VAD, PRL_FLOOR_SEMANTIC_VAD };

struct prl_floor_conf {
    enum prl_floor_turns turns;
    bool create_response;           // a VAD commit is answered
    bool interrupt_response;        // voice may pause and end an answer
    bool eot_available;             // somebody answers ASK_EOT
    bool resume_allowed;            // GONE freezes instead of ending for good
    uint32_t prefix_padding_ms;     // sound before the onset that belongs to the utterance
    uint32_t silence_duration_ms;   // server_vad: this much silence commits
    uint32_t silence_min_ms;        // semantic_vad: earliest commit
    uint32_t silence_max_ms;        // semantic_vad: latest commit (eagerness 8000 / 4000 / 2000)
    uint32_t probe_ms;              // silence after which a speculation starts
    uint32_t speculations_max;      // a turn; 0 switches speculation off
    bool speculate_early;           // as many more on partials: stable ones while the user still
                                    // talks, recent ones when he pauses
    uint32_t interrupt_min_ms;      // voiced sound that is real (server_vad) or pauses (semantic)
    uint32_t interrupt_max_ms;      // semantic_vad: voiced sound that is real without words
    uint32_t interrupt_unjudged_ms; // semantic_vad: the same when no verdict came in time
    uint32_t resume_ms;             // a false interruption is over this long after the voice
    uint32_t verdict_max_ms;        // and a verdict is waited for this long
    uint32_t input_stall_ms;        // no samples for so long: silence counts in monotonic time
    uint32_t utterance_max_ms;      // an utterance is committed at this length
    uint32_t commit_min_ms;         // a client's commit needs this much sound
    uint32_t idle_timeout_ms;       // 0: off; server_vad only
    uint32_t engine_first_byte_ms;  // an engine silent for so long counts as failed
    uint32_t apology_max_ms;        // and an apology too
    uint32_t filler_after_ms;       // a wait so long gets a filler; 0: off
    uint32_t lock_ms; // speaker lock: voice in overlap waits so long for MINE or OTHER, and pauses
                      // before it interrupts (server_vad too); 0: no lock
};

// The defaults of every key; server_vad.
void prl_floor_conf_init(struct prl_floor_conf *conf);

// Facts. "gen" means that `generation` is needed; a generation that is no longer alive is counted
// as late and changes nothing.
enum prl_floor_fact {
    PRL_FACT_INPUT,       // one VAD window (or, without VAD, some sound) has been taken in; sample:
                          // while voice is on, one past the last sample known to be speech (0: not
                          // known), so that the silence in which a VAD decides is no voice;
                          // flag FOLLOWED
    PRL_FACT_VOICE_ON,    // sample: first sample of speech
    PRL_FACT_VOICE_OFF,   // sample: one past the last sample of speech; as soon as the VAD says so,
                          // the floor counts the silence
    PRL_FACT_PARTIAL,     // transcript of the open utterance: words, flags; sample: one past the
                          // last that it covers (0: all of it)
    PRL_FACT_STT_FINAL,   // gen, words, flags
    PRL_FACT_EOT,         // utterance, permille: answer to ASK_EOT; flag SKIPPED: nobody had time
    PRL_FACT_ANSWER_TEXT, // gen: the language model made progress; flag ASKED
    PRL_FACT_ANSWER_AUDIO,  // gen, samples: sound made so far in all, held or not; flag ASKED
    PRL_FACT_ANSWER_DONE,   // gen, samples: everything is made, so much sound in all (0: text or
                            // tools only)
    PRL_FACT_TOOL_CALL,     // gen: progress of another kind
    PRL_FACT_ENGINE_FAILED, // gen, stage; samples: end of the last good sentence. Says that no
                            // other engine can take over any more
    PRL_FACT_HEARD,         // gen, sent, samples: the output clock moved to `samples` heard
    PRL_FACT_COMMIT,        // client: input_audio_buffer.commit
    PRL_FACT_CLEAR,         // client: input_audio_buffer.clear
    PRL_FACT_CREATE,        // client: response.create in the default conversation
    PRL_FACT_CANCEL,        // client: response.cancel; gen, or 0 for the active one
    PRL_FACT_TRUNCATE,      // client: conversation.item.truncate; gen that made the item
    PRL_FACT_OUTPUT_CLEAR,  // client: output_audio_buffer.clear
    PRL_FACT_UPDATE,        // the configuration was changed with prl_floor_configure
    PRL_FACT_DEADLINE,      // the time that a step named has come
    PRL_FACT_GONE,          // the client's connection ended
    PRL_FACT_BACK,          // and came back
    PRL_FACT_COUNT
};

enum prl_floor_flag {
    PRL_FLOOR_BACKCHANNEL = 1, // the words are only a sign of listening
    PRL_FLOOR_OPEN_ENDED = 2,  // the words ask for more ("and", 然后, a number being dictated)
    PRL_FLOOR_STABLE = 4,      // the words have not changed for a while
    PRL_FLOOR_ASKED = 8,       // the answer's last sentence is a question
    PRL_FLOOR_COMPLETE = 16,   // the words alone say that the turn is over
    PRL_FLOOR_ECHO = 32,       // the words only repeat what the answer just said: our own voice
    PRL_FLOOR_SAME = 64,       // the words are those that the running speculation answers
    PRL_FLOOR_SKIPPED = 128,   // EOT: the question was not asked
    PRL_FLOOR_MINE = 256,      // speaker lock: the session's speaker says it
    PRL_FLOOR_OTHER = 512,     // surely somebody else does: never meant for us
    PRL_FLOOR_TAKES = 1024,    // the words ask to stop, ask something or speak to us, however few
    PRL_FLOOR_HAN = 2048,      // the words are Chinese
    PRL_FLOOR_FOLLOWED = 4096  // INPUT, PARTIAL: a recogniser that is quick follows the utterance
};

enum prl_floor_stage { PRL_FLOOR_STAGE_STT, PRL_FLOOR_STAGE_LLM, PRL_FLOOR_STAGE_TTS };

struct prl_floor_event {
    enum prl_floor_fact fact;
    enum prl_floor_stage stage;
    uint32_t generation;
    uint32_t utterance;
    uint32_t words;    // in the transcript
    uint32_t permille; // probability that the turn is over
    uint32_t flags;    // enum prl_floor_flag
    // PARTIAL, STT_FINAL: tenths of a natural logarithm by which the words are likelier than a sign of
    // listening (stt/stt.h), at least 1; 0: not known.
    uint32_t margin;
    uint64_t sample;  // input clock
    uint64_t samples; // output clock
    uint64_t sent;    // output clock: samples handed to the client
};

// Meanings. Every field that is not named is 0.
enum prl_floor_act {
    // The input side.
    PRL_ACT_OPEN_UTTERANCE,    // utterance, start: keep its sound from there; nothing visible yet
    PRL_ACT_SPEECH_STARTED,    // utterance, start: visible (prefix padding included)
    PRL_ACT_DISCARD_UTTERANCE, // utterance: it was nothing; never follows SPEECH_STARTED except
                               // after the client's clear or a change to manual
    PRL_ACT_COMMIT_UTTERANCE,  // utterance, generation, start, end, speech_end, flag announced
                               // (SPEECH_STARTED came before: speech_stopped is due). The
                               // generation is that of its transcript; the answer has another
                               // one unless a speculation was adopted
    PRL_ACT_TRANSCRIBE,        // generation, utterance, end: start STT; adopted speculations do
                               // not get it again
    PRL_ACT_TRANSCRIBED,       // utterance, generation: its transcript is known and committed
    PRL_ACT_EMPTY_UTTERANCE,   // the same, and it has no words: it gets no response
    PRL_ACT_TRANSCRIPT_FAILED, // utterance, reason
    PRL_ACT_ASK_EOT,           // utterance, end: is the turn over, by its sound up to there?
    PRL_ACT_JUDGE,             // generation, utterance, end: STT of sound in overlap, invisible;
                               // while it goes on or when it has fallen silent
    PRL_ACT_CLEARED,           // input_audio_buffer.cleared
    PRL_ACT_IDLE_TIMEOUT,      // utterance, start, end: timeout_triggered, committed; a response
                               // follows
    // The answer.
    PRL_ACT_SPECULATE,        // generation, utterance, end: start STT; invisible, sound held
    PRL_ACT_ANTICIPATE,       // generation, utterance: the user still talks, but the words stand
                              // still, or has just paused, and they are all there already: start
                              // LLM and TTS on the last partial; invisible, held
    PRL_ACT_CONFIRM,          // generation, utterance, end: start STT of what was anticipated; its
                              // final carries SAME when the words are the same
    PRL_ACT_DROP_SPECULATION, // generation: end whatever runs under it (also after JUDGE)
    PRL_ACT_GENERATE,         // generation, flag apology: start LLM and TTS on history (and the
                              // transcript of this generation, when it is a speculation)
    PRL_ACT_START_RESPONSE,   // generation, reason, flag apology: visible from here on; its
                              // work starts with GENERATE, or runs already
    PRL_ACT_RELEASE,          // generation: its sound may leave
    PRL_ACT_HOLD,             // generation: nothing has left yet, and nothing may
    PRL_ACT_PAUSE,            // generation: fade and stop where it is
    PRL_ACT_RESUME,           // generation: go on from the very sample
    PRL_ACT_CANCEL,           // generation, reason, samples heard, flag visible (response.done
                              // is due) or finished (it went out before): fade, stop LLM and
                              // TTS, cut history. BY_TURN: start is the first sample of the
                              // voice that ended it. A committed transcription goes on
    PRL_ACT_REPLACE,          // generation -> new_generation, reason: the visible response goes
                              // on under a new number (an apology)
    PRL_ACT_END_AT,           // generation, samples: the answer ends there, a later part is void
    PRL_ACT_FINISH,           // generation, reason: all sent; response.done
    PRL_ACT_PLAYED,           // generation: heard to its end
    PRL_ACT_FILLER,           // generation: say something short while the user waits; it may leave
                              // at once, is no item, and ends with PLAYED or CANCEL
    PRL_ACT_REFUSE,           // refusal: the request that this step carried fails
    PRL_ACT_COUNT
};

enum prl_floor_reason {
    PRL_FLOOR_NO_REASON,
    PRL_FLOOR_BY_TURN,        // turn_detected; START_RESPONSE: automatic
    PRL_FLOOR_BY_CLIENT,      // client_cancelled; START_RESPONSE: response.create
    PRL_FLOOR_BY_REPLACEMENT, // an automatic commit took the place of a held answer
    PRL_FLOOR_BY_IDLE,        // START_RESPONSE: idle timeout
    PRL_FLOOR_BY_FAILURE,     // FINISH: failed; CANCEL, TRANSCRIPT_FAILED: an engine failed
    PRL_FLOOR_BY_SLOWNESS,    // an engine missed its limit
    PRL_FLOOR_BY_LEAVING,     // the client is gone
    PRL_FLOOR_COMPLETED,      // FINISH
    PRL_FLOOR_INCOMPLETE      // FINISH: ended at the last good sentence
};

enum prl_floor_refusal {
    PRL_FLOOR_NO_REFUSAL,
    PRL_FLOOR_RESPONSE_ACTIVE,     // conversation_already_has_active_response
    PRL_FLOOR_RESPONSE_NOT_ACTIVE, // response_cancel_not_active
    PRL_FLOOR_COMMIT_EMPTY,        // input_audio_buffer_commit_empty
    PRL_FLOOR_BUSY                 // too many utterances are being transcribed
};

struct prl_floor_action {
    enum prl_floor_act act;
    enum prl_floor_reason reason;
    enum prl_floor_refusal refusal;
    uint32_t generation;
    uint32_t new_generation;
    uint32_t utterance;
    bool visible;
    bool finished;
    bool announced;
    bool apology;
    uint64_t start;      // input clock
    uint64_t end;        // input clock
    uint64_t speech_end; // input clock: one past the last sample of speech
    uint64_t samples;    // output clock
};

struct prl_floor_actions {
    uint32_t count;
    struct prl_floor_action list[PRL_FLOOR_ACTIONS_MAX];
    int64_t deadline_us; // send DEADLINE no later than this (INT64_MAX: none)
};

struct prl_floor_stats {
    uint64_t speculations_used, speculations_dropped;
    uint64_t interruptions_real, interruptions_false;
    uint64_t eot_skipped, empty_turns, fillers, late, odd, impossible;
};

struct prl_floor;

enum prl_err prl_floor_create(struct prl_floor **out,
                              const struct prl_floor_conf *conf) PRL_MUST_USE;
void prl_floor_destroy(struct prl_floor **floor);

// Takes one fact at `now_us`, when the input clock stands at `input_samples`; both never go back
// (a smaller value counts as the last one). Every event kind may come at any time, in any order.
void prl_floor_step(struct prl_floor *floor, const struct prl_floor_event *event, int64_t now_us,
                    uint64_t input_samples, struct prl_floor_actions *out);
// Changes the configuration; follow it at once with an UPDATE event.
void prl_floor_configure(struct prl_floor *floor, const struct prl_floor_conf *conf);

// Manual turns: samples that may still be appended before utterance_max_ms is reached.
uint64_t prl_floor_append_room(const struct prl_floor *floor);

enum prl_floor_user prl_floor_user(const struct prl_floor *floor);
enum prl_floor_answer prl_floor_answer(const struct prl_floor *floor);
const struct prl_floor_stats *prl_floor_stats(const struct prl_floor *floor);

// The table of cells and events, for the simulator: can the pair occur, how often was it visited.
bool prl_floor_possible(enum prl_floor_fact fact, enum prl_floor_user user,
                        enum prl_floor_answer answer);
uint32_t prl_floor_visits(const struct prl_floor *floor, enum prl_floor_fact fact,
                          enum prl_floor_user user, enum prl_floor_answer answer);

#endif

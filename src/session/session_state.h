// session_state.h -- the inside of session.h, shared by the session_*.c files only.
#ifndef PRL_SESSION_SESSION_STATE_H
#define PRL_SESSION_SESSION_STATE_H

#include "dsp/highpass.h"
#include "media/playout.h"
#include "media/resample.h"
#include "net/loop.h"
#include "session/answer.h"
#include "session/messages.h"
#include "session/session.h"
#include "stt/stt.h"
#include "upstream/upstream.h"
#include "vad/vad.h"

enum {
    PRL_SESSION_RATE_HZ = 16000,
    PRL_SESSION_INPUT_S = 2,          // sound that may wait to be processed
    PRL_SESSION_TURN_SAMPLES = 3200,  // 200 ms: most that one loop turn processes
    PRL_SESSION_WORKS_MAX = 12,       // generations with anything to remember
    PRL_SESSION_ANSWERS_MAX = 4,      // the answer, the one before it, a speculation, a filler
    PRL_SESSION_ASIDES_MAX = 4,       // out-of-band responses at a time
    PRL_SESSION_UTTERANCES_MAX = 10,  // 8 transcripts that the floor lets wait, one open, one spare
    PRL_SESSION_CHUNK_SAMPLES = 2400, // 100 ms: most sound in one event
    PRL_SESSION_JOBS_MAX = 32,
    PRL_SESSION_FACTS_MAX = 64,
    PRL_SESSION_ARRIVALS_MAX = 128,   // remembered arrival times
    PRL_SESSION_GATE_SILENCE_MS = 64, // the gate only reports; the floor counts the silence
    PRL_SESSION_TRANSCRIPT_MAX = 16 << 10,
    PRL_SESSION_ASIDE_GENERATION = 1 << 30 // out-of-band generations start here
};

// An owned copy of a configuration.
struct prl_session_conf_copy {
    struct prl_session_conf conf; // its pointers point into the block or at `tools`
    char *texts[7];
    struct prl_llm_tool *tools;
    size_t tool_count;
};

// A stretch of the user's speech: its sound is with the recogniser, here is what it is called.
struct prl_utterance {
    uint32_t id;                // of the floor; 0: manual sound that no commit has named yet
    struct prl_stt_stream *stt; // borrowed from the session's streams
    bool used;
    char item_id[PRL_SESSION_ID_SIZE];
    uint64_t start; // input sample
    bool committed;
    double seconds;
    char *words;     // last transcript, owned
    uint32_t margin; // of it (prl_floor_event)
    char language[PRL_STT_LANGUAGE_SIZE];
};

// One generation: a speculation, an answer, a judgement, or an out-of-band response.
struct prl_work {
    uint32_t generation; // 0: free
    uint32_t utterance;
    struct prl_answer *answer; // borrowed from the session's places, or NULL
    bool released;
    bool transcribed; // its transcript is in the history
    bool transcript;  // it is a transcription and nothing else
    bool filler;      // rule 10
    char *words;      // of a speculation, owned
    // The response, once it is visible.
    bool visible;
    bool finished;
    char id[PRL_SESSION_ID_SIZE];
    bool out_of_band;
    bool audio;
    bool apology;
    char *metadata;     // owned JSON
    char *instructions; // owned
    char *voice;        // owned
    int max_output_tokens;
    struct prl_llm_tool *tools; // owned
    size_t tool_count;
    bool have_tools;
    int tool_choice;
    char *tool_name;            // owned
    struct prl_messages *input; // owned, when response.create brought its own
    // What has gone out.
    char item_id[PRL_SESSION_ID_SIZE]; // of the message, "" before it begins
    bool item_open;
    bool item_kept;       // it is in the history
    size_t tokens_asked;  // of its prompt, estimated; 0: none, or not to be learned from
    size_t text_out;      // bytes
    uint64_t samples_out; //
    size_t calls_out;     // calls that ended
    bool call_open;
    size_t call_bytes_out;
    char call_item[PRL_SESSION_ID_SIZE];
    struct prl_session_usage usage;
    // Clock times, 0: not yet.
    int64_t input_delay_us;
    int64_t silenced_us; // since when it is paused, 0: it is not
    int64_t zero_us, detected_us, stt_us, first_token_us, first_audio_us, first_byte_us;
    bool spoken;
};

// Which decode of the recogniser serves which generation of the floor.
struct prl_stt_job {
    uint32_t stt;
    uint32_t floor;
    uint32_t utterance;
};

// When the last turn ended and was understood; clock times, 0: not yet.
struct prl_turn_times {
    int64_t zero_us, input_delay_us, detected_us, stt_us;
};

struct prl_arrival {
    uint64_t sample; // input clock after it came
    int64_t at_us;
    int64_t delay_us; // that it waited in a jitter buffer
};

struct prl_session {
    // Set once.
    struct prl_session_engines engines;
    prl_session_fn fn;
    void *arg;
    void (*room_fn)(void *arg);
    void *room_arg;
    char owner[PRL_SESSION_OWNER_SIZE];
    int64_t created_wall_us;
    // Owned.
    struct prl_session_conf_copy conf;
    char *system_text;
    struct prl_upstream *upstream; // with engines.upstream: engines.stt and .llm are its
    struct prl_floor *floor;
    struct prl_history *history;
    struct prl_playout *playout;
    struct prl_vad_stream *vad;
    struct prl_eot_stream *eot; // opened by the first question
    struct prl_timer *floor_timer, *input_timer, *output_timer;
    struct prl_answer *answers[PRL_SESSION_ANSWERS_MAX];
    struct prl_answer *asides[PRL_SESSION_ASIDES_MAX];
    struct prl_session_echo *echo; // while it is wanted
    struct prl_gain *gain;         // the same
    struct prl_session_lock *lock; // the same
    // Borrowed, or NULL.
    struct prl_recording *recording;
    // Owned.
    struct prl_resample *resample;
    uint32_t resample_hz;
    int16_t *ring;      // newest sound, for the prefix of an utterance
    size_t ring_size;   // samples
    uint64_t ring_from; // input sample before which it never held anything
    int16_t *waiting;   // sound that is not yet processed, a ring that grows to PRL_SESSION_INPUT_S
    size_t waiting_size;
    bool listens;       // sound has come
    bool waiting_short; // what waits is less than a frame of session_front.c
    struct prl_highpass highpass;
    size_t front_count; // of what waits, from its start: passed the front
    bool hurry;         // a commit waits for it
    size_t waiting_first, waiting_count;
    // State.
    struct prl_utterance utterances[PRL_SESSION_UTTERANCES_MAX];
    struct prl_utterance *open; // the one that takes sound now
    uint64_t buffer_from;       // manual: the recogniser has the sound from here
    struct prl_stt_stream *streams[PRL_SESSION_UTTERANCES_MAX]; // one a place, opened when needed
    uint32_t stt_generation;
    struct prl_stt_job jobs[PRL_SESSION_JOBS_MAX]; // newest first
    int64_t vad_base; // input sample at which the VAD's own clock stood at 0
    struct prl_work works[PRL_SESSION_WORKS_MAX];
    uint32_t aside_generation;
    uint64_t input;     // samples processed
    uint64_t received;  // samples received at 16 kHz
    int64_t due_us;     // since when an answer is due, 0: none
    uint64_t due_input; // input clock then
    struct prl_arrival arrivals[PRL_SESSION_ARRIVALS_MAX];
    size_t arrival_count;
    char language[PRL_STT_LANGUAGE_SIZE];                // last heard
    const char *event_id;                                // of the request being handled
    const struct prl_session_response *wish;             // of the response.create being handled
    bool stepping;                                       // actions are being carried out
    struct prl_floor_event facts[PRL_SESSION_FACTS_MAX]; // that came up meanwhile
    size_t fact_count;
    uint32_t last_generation; // highest of the floor's
    struct prl_turn_times turn;
    char shown_from[PRL_HISTORY_ID_MAX];   // first turn that the model is shown, "": the first
    double tokens_ratio;                   // see prl_llm_estimate_learn
    struct prl_floor_stats counted;        // what /metrics has of the floor's
    char filler_item[PRL_SESSION_ID_SIZE]; // of the last one; a client may truncate it
    uint64_t filler_samples;               // sent of it
    bool voiced;
    bool rtp;
    uint32_t delay_ms;      // from sending to the ear
    bool cutting;           // the client truncates: it is answered there, and once
    int64_t input_audio_ms; // of committed utterances since the last response
};

// session_conf.c
enum prl_err prl_session_conf_take(struct prl_session_conf_copy *copy,
                                   const struct prl_session_conf *conf) PRL_MUST_USE;
void prl_session_conf_drop(struct prl_session_conf_copy *copy);
enum prl_err prl_session_tools_copy(struct prl_llm_tool **out, const struct prl_llm_tool *tools,
                                    size_t count) PRL_MUST_USE;
void prl_session_tools_free(struct prl_llm_tool **tools, size_t count);

// session.c
void prl_session_tell(struct prl_session *session, const struct prl_session_event *event);
void prl_session_error(struct prl_session *session, const char *code, const char *param,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
// Feeds a fact and carries out what follows.
void prl_session_step(struct prl_session *session, const struct prl_floor_event *event);
struct prl_work *prl_session_work(struct prl_session *session, uint32_t generation);
struct prl_work *prl_session_new_work(struct prl_session *session, uint32_t generation);
void prl_session_free_work(struct prl_session *session, struct prl_work *work);
struct prl_utterance *prl_session_utterance(struct prl_session *session, uint32_t id);
// The response.create that is being handled, if any, becomes the work's wishes.
enum prl_err prl_session_grant_wish(struct prl_session *session,
                                    struct prl_work *work) PRL_MUST_USE;
bool prl_session_chinese(const struct prl_session *session);
uint32_t prl_session_lead_ms(const struct prl_session *session);
// Of a prompt, by llm/estimate.h, as the server counted earlier ones; 0: no limit.
size_t prl_session_prompt_tokens(const struct prl_session *session);
// Engines elsewhere get their connections opened.
void prl_session_warm(struct prl_session *session);
void prl_session_prefill(struct prl_session *session, const char *said);

// session_act.c
void prl_session_act(struct prl_session *session, const struct prl_floor_action *action);
void prl_session_on_answer(void *arg, struct prl_answer *answer, enum prl_answer_news news);
void prl_session_generate(struct prl_session *session, struct prl_work *work, bool apology);
// A free place for what a work makes; NULL when there is none.
struct prl_answer *prl_session_place(struct prl_session *session, const struct prl_work *work);

// session_turn.c
// Words as the floor counts them: runs of letters and digits, and each ideograph.
uint32_t prl_session_count_words(const char *text);
// The same letters in the same order; case, spaces and punctuation aside.
bool prl_session_same_words(const char *a, const char *b);
// What a transcript says of the turn: enum prl_floor_flag. `language` "" is the session's.
uint32_t prl_session_turn_flags(struct prl_session *session, const char *text,
                                const char *language);
// Answers with an EOT fact, at once when nobody can be asked.
void prl_session_ask_eot(struct prl_session *session, const struct prl_floor_action *action);

// session_filler.c
// What may have to sound at once is made ahead (tts/phrases.h).
void prl_session_want_phrases(struct prl_session *session);
void prl_session_filler(struct prl_session *session, const struct prl_floor_action *action);
// Its first sound is made: it becomes visible and may leave.
void prl_session_filler_sounds(struct prl_session *session, struct prl_work *work);
void prl_session_filler_ends(struct prl_session *session, struct prl_work *work,
                             enum prl_session_status status, const char *reason);

// session_input.c
enum prl_err prl_session_input_create(struct prl_session *session) PRL_MUST_USE;
void prl_session_input_destroy(struct prl_session *session);
void prl_session_input_configure(struct prl_session *session);
void prl_session_open_utterance(struct prl_session *session, uint32_t id, uint64_t start);
void prl_session_drop_utterance(struct prl_session *session, struct prl_utterance *utterance);
void prl_session_transcribe(struct prl_session *session, const struct prl_floor_action *action,
                            enum prl_stt_want want);
// The oldest input sample that the ring still has.
uint64_t prl_session_ring_start(const struct prl_session *session);
struct prl_arrival prl_session_arrival(const struct prl_session *session, uint64_t sample);

// session_echo.c: nothing of it does anything while echo control is off.
void prl_session_echo_configure(struct prl_session *session);
void prl_session_echo_destroy(struct prl_session *session);
bool prl_session_echo_on(const struct prl_session *session);
uint32_t prl_session_echo_lead_ms(const struct prl_session *session, uint32_t lead_ms);
// Sound of the present answer is handed over (before the output clock knows of it). In RTP mode the leg
// says what sounds (prl_session_sounds).
void prl_session_echo_sent(struct prl_session *session, const int16_t *pcm, size_t samples);
// Sound of the microphone has come; the frame of it that begins at input sample `sample`, in place. A call's
// was cleaned before (prl_session_clean).
void prl_session_echo_arrived(struct prl_session *session, int64_t now_us, bool made_up);
void prl_session_echo_frame(struct prl_session *session, int16_t *mic, uint64_t sample);
// How sure the voice detector has to be that it hears a person and not what was left of an echo (prl_vad_demand).
float prl_session_echo_demands(const struct prl_session *session);

// session_record.c: nothing of it does anything while nothing records.
// The newest `count` samples that were processed.
void prl_session_record_user(struct prl_session *session, const int16_t *pcm, size_t count);
// As prl_session_echo_sent and prl_session_sounds.
void prl_session_record_sent(struct prl_session *session, const int16_t *pcm, size_t samples);
void prl_session_record_left(struct prl_session *session, const int16_t *pcm, size_t samples,
                             int64_t at_us);
// The present answer was cut.
void prl_session_record_cut(struct prl_session *session);

// session_front.c: what is done to the microphone's sound before anything listens.
void prl_session_front_configure(struct prl_session *session);
void prl_session_front_destroy(struct prl_session *session);
// How much of the next `count` waiting samples may be processed; they are, or are dropped.
size_t prl_session_front_ready(struct prl_session *session, size_t count);
void prl_session_front_taken(struct prl_session *session, size_t count);

// session_lock.c: nothing of it does anything while the speaker lock is off.
void prl_session_lock_configure(struct prl_session *session);
void prl_session_lock_destroy(struct prl_session *session);
// A piece of sound was processed; `voice`: the detector takes it for voice.
void prl_session_lock_sound(struct prl_session *session, const int16_t *pcm, size_t count,
                            bool voice);
// Whose voice an utterance is: PRL_FLOOR_MINE, PRL_FLOOR_OTHER or 0.
uint32_t prl_session_lock_flags(struct prl_session *session, uint32_t utterance);
// It is another's, so its words count as none.
bool prl_session_lock_refuses(struct prl_session *session, uint32_t utterance);
// It had words and is committed: the speaker may be learnt from it.
void prl_session_lock_said(struct prl_session *session, uint32_t utterance);

// session_output.c
void prl_session_start_response(struct prl_session *session, struct prl_work *work);
void prl_session_end_response(struct prl_session *session, struct prl_work *work,
                              enum prl_session_status status, const char *reason);
// Hands over what may leave now, and sets the timer for what may leave later.
void prl_session_send(struct prl_session *session, struct prl_work *work);
void prl_session_output_due(void *arg);
// RTP: one of the OUTPUT_* events, when sound of this work has left; nothing otherwise.
void prl_session_tell_output(struct prl_session *session, const struct prl_work *work,
                             enum prl_session_event_type type);
void prl_session_latency(struct prl_session *session, struct prl_work *work, bool heard_out);
// When sound that is handed over now will sound, by the output clock; before the clock knows of it.
int64_t prl_session_sounds_at_us(const struct prl_session *session);

#endif

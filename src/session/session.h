// session.h -- one conversation: sound and requests in, meanings out.
//
// Owns the floor, the history, the output clock and one stream on each engine, and connects them.
// It knows no JSON, no socket and no codec: api/ turns client events into the calls below and the
// events below into protocol events, whose order is api's business; the order in which the session
// reports is the order in which things became true.
//
// Units:    16-bit mono PCM, 24 kHz outward, 8/16/24 kHz inward; milliseconds and samples as named.
// Threads:  the loop thread that created it; events arrive there, never from inside prl_session_create.
// Memory:   about 60 KiB idle, 32 KiB a second of open utterance, 48 KiB a second of sound made and
//           not yet sent (bounded by session/answer.h).
// Errors:   requests that fail are answered by an ERROR event with a protocol code; create returns
//           NOMEM or LIMIT. An engine that fails costs an apology, never the session.
#ifndef PRL_SESSION_SESSION_H
#define PRL_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/prompt.h"
#include "session/floor.h"
#include "session/history.h"

struct prl_loop;
struct prl_vad;
struct prl_eot;
struct prl_stt;
struct prl_llm;
struct prl_tts;
struct prl_phrases;
struct prl_echo_kit;
struct prl_upstream_kit;
struct prl_speaker;
struct prl_recording;
struct prl_session;

enum {
    PRL_SESSION_ID_SIZE = 32,
    PRL_SESSION_OWNER_SIZE = 72,
    PRL_SESSION_METADATA_MAX = 16,
    PRL_SESSION_OUTPUT_MAX = 16, // items of one response
    PRL_SESSION_TEXT_MAX = 64 << 10,
    PRL_SESSION_RTP_LEAD_MS = 60 // three frames: one that leaves, one in hand, one for a late loop
};

// Engines, borrowed; NULL where a kind is absent (requests that need it fail with an error).
struct prl_session_engines {
    struct prl_loop *loop;
    struct prl_vad *vad;
    struct prl_eot *eot; // see eot/eot.h; absent, or not ready: text and silence decide alone
    struct prl_stt *stt;
    struct prl_llm *llm;
    struct prl_tts *tts;
    struct prl_phrases *phrases; // sound of what is always the same; NULL: made when it is needed
    const struct prl_echo_kit *echo;
    // Realtime servers elsewhere (upstream/upstream.h), in place of stt and llm; else NULL.
    struct prl_upstream_kit *upstream;
    struct prl_speaker *speaker; // see vad/speaker.h
};

// Whether the server takes its own voice out of the microphone's sound: never, where the client does not
// refuse, or where the client asks for it.
enum prl_session_echo_mode { PRL_SESSION_ECHO_AUTO, PRL_SESSION_ECHO_ON, PRL_SESSION_ECHO_OFF };

// Whether a quiet microphone is turned up: as the client wishes, or, where it has not said, over
// WebSocket without echo control alone; where the client does not refuse; never.
enum prl_session_gain_mode { PRL_SESSION_GAIN_AUTO, PRL_SESSION_GAIN_ON, PRL_SESSION_GAIN_OFF };

// Whether a session hears its first speaker alone (session_lock.c): never, where the client asks for it,
// or where the client does not refuse.
enum prl_session_lock_mode { PRL_SESSION_LOCK_OFF, PRL_SESSION_LOCK_ASK, PRL_SESSION_LOCK_ON };

// What a session speaks and does. Texts are borrowed for the call that takes the struct and copied.
struct prl_session_conf {
    struct prl_floor_conf floor;
    struct prl_history_conf history;
    const char *instructions;      // of the session's owner; "" for none
    const char *locale;            // where the user is, or NULL
    const char *language;          // "auto", "en", "zh" …
    const char *transcribe_prompt; // words to expect, or NULL
    bool transcribe;               // report transcripts (they are always made for the answer)
    bool partials;                 // report TRANSCRIPT_PARTIAL
    const char *voice;             // name as in tts/voices.h
    const char *style;             // emotion and style for voices elsewhere, or NULL
    double speed;                  // 0.25..1.5
    bool audio;                    // answers are spoken, else text
    int max_output_tokens;         // 0: no limit of its own
    double temperature;            // negative: default
    float vad_threshold;           // 0..1
    const struct prl_llm_tool *tools;
    size_t tool_count;
    enum prl_llm_tool_choice tool_choice;
    const char *tool_name;    // for a named choice
    size_t prompt_bytes_max;  // history shown to the model
    size_t prompt_tokens_max; // instructions, tools and history shown to it; 0: no such limit
    uint32_t lead_ms;         // sound sent ahead of real time; at most 100 with echo control
    enum prl_session_echo_mode echo_mode; // the server's
    int echo_wish;                        // the client's: 1 yes, 0 no, -1 it has not said
    enum prl_session_gain_mode gain_mode; // the server's
    int gain_wish;                        // the client's, as above
    enum prl_session_lock_mode lock_mode; // the server's
    int lock_wish;                        // the client's, as above
    uint32_t lock_wait_ms;                // becomes floor.lock_ms once the speaker is known
};

// The wishes of one response.create; a NULL or negative member takes the session's value.
struct prl_session_response {
    bool out_of_band;         // conversation "none": history is not touched, may run beside others
    const char *instructions; // replaces the session's
    int audio;                // 1 spoken, 0 text, -1 the session's
    int max_output_tokens;    // -1 the session's
    const char *voice;
    const struct prl_llm_tool *tools; // with have_tools
    size_t tool_count;
    bool have_tools;
    int tool_choice; // enum prl_llm_tool_choice, -1 the session's
    const char *tool_name;
    const char *metadata; // JSON object text, echoed
    // `input`: messages instead of the history (out of band or not); NULL: the history.
    const struct prl_llm_message *input;
    size_t input_count;
};

enum prl_session_status {
    PRL_RESPONSE_IN_PROGRESS,
    PRL_RESPONSE_COMPLETED,
    PRL_RESPONSE_CANCELLED,
    PRL_RESPONSE_INCOMPLETE,
    PRL_RESPONSE_FAILED
};

struct prl_session_usage {
    int input_tokens, cached_tokens, output_tokens;
    int input_audio_tokens, output_audio_tokens; // one per 100 ms in, 50 ms out (as the API counts)
};

// Where the time of one answer went; microseconds after the last sample of speech arrived, -1: did
// not happen. A typed turn counts from the request.
struct prl_session_spans {
    int64_t zero_us;        // of the monotonic clock; all others count from it
    int64_t detected_us;    // the turn was known to be over (commit)
    int64_t stt_us;         // final transcript
    int64_t first_token_us; // of the language model
    int64_t first_audio_us; // first sound made
    int64_t first_byte_us;  // first sound (or text) handed to the client
    int64_t heard_end_us;   // the answer had been heard; only in LATENCY events after the end
    int64_t input_delay_us; // what the last sample of speech waited in a jitter buffer; part of
                            // detected_us; 0 without one, -1 for a typed turn
    int64_t hold_us;        // sound waited so long for the commit
    int64_t late_us;        // or the commit for the sound; one of them is 0, -1: a typed turn, text
    bool spoken;            // zero is the end of speech, not a request
};

// Plain view of a response, valid during the callback.
struct prl_session_response_view {
    const char *id;
    bool out_of_band;
    bool filler; // out of band for the client, and sounds in the answer's place
    bool audio;
    const char *voice;
    const char *metadata; // JSON or NULL
    int max_output_tokens;
    enum prl_session_status status;
    const char *reason;        // "turn_detected", "client_cancelled", "max_output_tokens" or NULL
    const char *error_code;    // FAILED
    const char *error_message; // FAILED
    struct prl_session_usage usage;
};

enum prl_session_event_type {
    PRL_SESSION_SPEECH_STARTED,    // item_id, ms
    PRL_SESSION_SPEECH_STOPPED,    // item_id, ms
    PRL_SESSION_COMMITTED,         // item_id, previous_id
    PRL_SESSION_CLEARED,           //
    PRL_SESSION_IDLE,              // item_id, ms, ms_end
    PRL_SESSION_ITEM_ADDED,        // item (complete), previous_id: a user's or client's item
    PRL_SESSION_PARTIAL,           // item_id, text, stable_bytes
    PRL_SESSION_TRANSCRIPT,        // item_id, text, language, seconds
    PRL_SESSION_TRANSCRIPT_FAILED, // item_id, text
    PRL_SESSION_RESPONSE_CREATED,  // response
    PRL_SESSION_OUTPUT_MESSAGE,    // response, item_id, previous_id: an assistant message begins
    PRL_SESSION_OUTPUT_TEXT,       // response, item_id, text, len (also the transcript), start_ms
    PRL_SESSION_OUTPUT_AUDIO,      // response, item_id, pcm, samples (24 kHz)
    PRL_SESSION_OUTPUT_STARTED,    // RTP, response, item_id: its first sound follows
    PRL_SESSION_OUTPUT_PAUSED,     // RTP, response: be silent within 10 ms, keep what is left
    PRL_SESSION_OUTPUT_RESUMED,    // RTP, response: go on from the same sample
    PRL_SESSION_OUTPUT_STOPPED,    // RTP, response: all of its sound was heard
    PRL_SESSION_OUTPUT_CLEARED,    // RTP, response: be silent within 10 ms, drop what is left
    PRL_SESSION_CALL,              // response, item_id, previous_id, call_id, name: begins
    PRL_SESSION_CALL_ARGUMENTS,    // response, item_id, call_id, text, len
    PRL_SESSION_CALL_END,          // response, item_id, call_id, name, text: all arguments
    PRL_SESSION_RESPONSE_DONE,     // response
    PRL_SESSION_TRUNCATED,         // item_id, ms; RTP: also after a cut, by the session itself
    PRL_SESSION_DELETED,           // item_id
    PRL_SESSION_LATENCY,           // response, spans: twice, at first byte and when heard out
    PRL_SESSION_ERROR              // code, text, param, client_event_id
};

struct prl_session_event {
    enum prl_session_event_type type;
    const char *item_id;
    const char *previous_id; // NULL: first
    const struct prl_item *item;
    const char *text;
    size_t len;
    size_t stable_bytes;
    const char *language;
    const char *call_id;
    const char *name;
    const int16_t *pcm;
    size_t samples;
    int64_t ms, ms_end;
    double seconds;
    const struct prl_session_response_view *response;
    const struct prl_session_spans *spans;
    const char *code;
    const char *param;
    const char *client_event_id;
};

// Must not destroy the session.
typedef void (*prl_session_fn)(void *arg, const struct prl_session_event *event);

void prl_session_conf_init(struct prl_session_conf *conf);

// `id` is made by the caller ("sess_…", at most PRL_SESSION_ID_SIZE - 1 bytes).
enum prl_err prl_session_create(struct prl_session **out, const struct prl_session_engines *engines,
                                const struct prl_session_conf *conf, prl_session_fn fn,
                                void *arg) PRL_MUST_USE;
// Ends every stream; no event afterwards.
void prl_session_destroy(struct prl_session **session);

// Takes a new configuration as a whole. NOMEM leaves the old one.
enum prl_err prl_session_configure(struct prl_session *session,
                                   const struct prl_session_conf *conf) PRL_MUST_USE;

// Sound of the microphone. `hz` is 8000, 16000 or 24000 and may change between calls. FULL: more
// than PRL_SESSION_INPUT_S of sound waits (nothing is taken): pause the connection and offer it
// again when prl_session_input_room says so. LIMIT: the manual utterance is as long as it may be.
enum prl_err prl_session_append(struct prl_session *session, const int16_t *pcm, size_t samples,
                                uint32_t hz) PRL_MUST_USE;
// The same for sound that came at `arrival_us` and waited in a jitter buffer since; made_up: some of it
// hides a gap.
enum prl_err prl_session_append_at(struct prl_session *session, const int16_t *pcm, size_t samples,
                                   uint32_t hz, int64_t arrival_us, bool made_up) PRL_MUST_USE;
// Samples (at 24 kHz) that append will take now. `fn` is called when there is room again.
size_t prl_session_input_room(const struct prl_session *session);
// Is there appended sound that was not looked at yet? A commit takes only what was. With hurry it is
// looked at as fast as the loop allows, whatever sounds, and `fn` is called when none waits.
bool prl_session_input_waits(const struct prl_session *session);
void prl_session_input_hurry(struct prl_session *session);
void prl_session_on_room(struct prl_session *session, void (*fn)(void *arg), void *arg);

// Requests of the client. `event_id` (may be NULL) is echoed in the ERROR event of a failure.
void prl_session_commit(struct prl_session *session, const char *event_id);
void prl_session_clear(struct prl_session *session, const char *event_id);
void prl_session_respond(struct prl_session *session, const struct prl_session_response *wish,
                         const char *event_id);
void prl_session_cancel(struct prl_session *session, const char *response_id, const char *event_id);
// Adds an item: `item.id` NULL makes one up. `after_id` as in prl_history_add.
void prl_session_add_item(struct prl_session *session, const char *after_id,
                          const struct prl_item_new *item, const struct prl_history_part *parts,
                          size_t part_count, const char *event_id);
void prl_session_delete_item(struct prl_session *session, const char *id, const char *event_id);
void prl_session_truncate(struct prl_session *session, const char *id, int64_t content_index,
                          int64_t audio_end_ms, const char *event_id);

// output_audio_buffer.clear: what sounds is cut here.
void prl_session_clear_output(struct prl_session *session, const char *event_id);

// RTP mode, for session/leg.h: sound leaves through a leg that says what really went, so pacing and
// "heard" are exact; at most PRL_SESSION_RTP_LEAD_MS wait in the leg; the OUTPUT_* events above are
// told, and TRUNCATED when the session cuts an item. Only while no answer sounds.
void prl_session_rtp(struct prl_session *session, bool on);
// `samples` of the present answer were sent, and were to be at at_us (now, or a little earlier). May
// hand over more of it (OUTPUT_AUDIO).
void prl_session_left(struct prl_session *session, uint64_t samples, int64_t at_us);
// All that was sent at at_us, at 24 kHz, for echo control and recording:
void prl_session_sounds(struct prl_session *session, const int16_t *pcm, size_t samples,
                        int64_t at_us);
// Echo control (nothing happens while it is off).
// A call's microphone at 16 kHz, as prl_jitter_tap has it: the echo is taken out in place. A jitter buffer
// bends sound in time afterwards; behind it no canceller would find the echo where it was.
void prl_session_clean(struct prl_session *session, int16_t *pcm, size_t samples, int64_t at,
                       int64_t arrival_us);
// From sending to the ear: flight and the client's buffer.
void prl_session_set_playout_delay(struct prl_session *session, uint32_t delay_ms);

// The client's connection has ended: every generation ends (responses are reported as cancelled), and
// the session freezes: it takes no facts until `back`. Both may be called in any state.
void prl_session_gone(struct prl_session *session);
void prl_session_back(struct prl_session *session);

// Whose conversation it is: a text that no other owner has, at most PRL_SESSION_OWNER_SIZE - 1 bytes.
// Answers that are kept for one are given to no other. "" at first: anybody's.
void prl_session_own(struct prl_session *session, const char *owner);

// From now on its sound goes to a recording as well, which is borrowed; NULL ends that. What of an answer
// sounds already is not in it.
void prl_session_record(struct prl_session *session, struct prl_recording *recording);

const struct prl_history *prl_session_history(const struct prl_session *session);
// An answer is being made or sounds.
bool prl_session_busy(const struct prl_session *session);
// The model looks at images; where it does not an item may have none.
bool prl_session_sees(const struct prl_session *session);
// Voice was sent already, so the protocol no longer lets the voice change.
bool prl_session_voiced(const struct prl_session *session);

// Makes an id with this prefix and 20 random letters, e.g. "item_…"; `size` at least 32.
void prl_session_make_id(char *out, size_t size, const char *prefix);

#endif

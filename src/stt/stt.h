// stt.h -- speech to text: the front that sessions use on the loop thread.
//
// One front owns one lane (a worker thread with the recognisers), which fronts of other loops may use. A stream holds the sound of one
// utterance at a time (its timeline); the front sends pieces of it to the lane, one job at a time,
// committed work first, then guesses, then live partials, each oldest first.
// Units:    16-bit samples at 16 kHz; microseconds, monotonic; text is valid UTF-8.
// Threads:  the loop thread that created it; events arrive on that thread.
// Memory:   a stream costs 32 KiB a second of open utterance and about 1 KiB besides; the sound is
//           dropped with begin, clear and close. At most `PRL_STT_UTTERANCE_MAX_S` of sound.
// Errors:   LIMIT when the utterance is full, FULL when 8 decodes of a stream wait, ENGINE in the
//           ERROR event when a model failed. Loading is reported by on_ready / on_error.
// Elsewhere: with a pool each stream has one piece of work under way, PRL_STT_FAR_MAX in all; one that
//           fails is asked of the next engine, and is an ERROR when none is left.
// Bounds:   pieces longer than 25 s are cut at the quietest point of their last 10 s.
#ifndef PRL_STT_STT_H
#define PRL_STT_STT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_STT_FAR_MAX = 256 };
enum { PRL_STT_RATE_HZ = 16000, PRL_STT_UTTERANCE_MAX_S = 120, PRL_STT_LANGUAGE_SIZE = 8 };

struct prl_cores;
struct prl_lane_child;
struct prl_lane_isolate;
struct prl_loop;
struct prl_ort;
struct prl_pool;
struct prl_stt;
struct prl_stt_backend_ops;
struct prl_stt_front_ops;
struct prl_stt_stream;

// Where the engines' files are. An engine whose path is NULL is absent. Copied by create.
struct prl_stt_paths {
    const char *sherpa_library;    // libsherpa-onnx-c-api.so
    const char *moonshine_encoder; // tiny-en encoder_model.ort
    const char *moonshine_decoder; // tiny-en decoder_model_merged.ort
    const char *moonshine_tokens;  // tokens.txt made by tools/convert/moonshine_tokens.py
    const char *whisper_module;    // libparley_whisper.so
    const char *whisper_model;     // ggml file
    const char *user_dir;          // folder with a sherpa-onnx model of the user's; NULL is none
    const char *user_languages;    // "zh,yue" or NULL for every language
    const char *program;           // parley itself, to try user_dir in a child; NULL: this program
};

struct prl_stt_conf {
    struct prl_loop *loop;      // borrowed
    struct prl_ort *ort;        // borrowed; NULL: no Moonshine
    struct prl_stt_paths paths; // borrowed for the call
    const char *language;       // default of new streams: "auto" or a code like "en"; NULL is auto
    bool traditional;           // leave Chinese as the model wrote it (default: simplified)
    int threads;                // of the recognisers; 0: 1, of Whisper with `cores` what is free
    struct prl_cores *cores;    // borrowed, shared by all lanes, or NULL
    // Another loop's front, whose lane and models this one uses too; NULL: its own. Created and joined
    // before the loops run; when they have ended that one is destroyed first.
    struct prl_stt *share;
    // Recognisers elsewhere and their order (engine/pool.h), borrowed; NULL: the embedded ones only.
    struct prl_pool *pool;
    bool far_only;     // with pool: there is no embedded one, no lane and nothing to load
    bool far_partials; // live partials from elsewhere, each of which sends the sound once more
    const struct prl_lane_isolate *isolate; // borrowed: in a child process; NULL: on a thread
    // Tests: recognisers in place of our own, by enum prl_stt_engine (route.h); NULL: ours.
    const struct prl_stt_backend_ops *const *backends;
    // Something else behind this header (front.h), with what it wants to know; NULL: our own lane.
    const struct prl_stt_front_ops *front;
    const void *front_conf;
    // Once, on the loop thread: the engines that the default language needs are loaded and have
    // answered; or the first thing that stands in the way (one line: what, why, what to do).
    void (*on_ready)(void *arg);
    void (*on_error)(void *arg, const char *why);
    void *arg;
};

// How much likelier the text of a short sound is than the likeliest sign of listening ("mm-hmm"), in natural
// logarithms (rivals.h). All zeros: not known.
struct prl_stt_margin {
    bool known;
    float nats;
};

enum prl_stt_event_type { PRL_STT_PARTIAL, PRL_STT_FINAL, PRL_STT_ERROR };

struct prl_stt_event {
    enum prl_stt_event_type type;
    uint32_t generation; // of the decode; PARTIAL: of the latest begin
    const char *text;    // valid during the callback; "" with no_speech; ERROR: the reason
    size_t stable_bytes; // PARTIAL: prefix that two results in a row agreed on, at a word's end
    char language[PRL_STT_LANGUAGE_SIZE]; // "en", "zh", …; "" when unknown
    bool no_speech;                       // nothing was said (text is "")
    enum prl_err err;                     // ERROR only
    const char *engine; // static name of the engine that answered, e.g. "moonshine"
    int64_t audio_ms;   // sound that the text covers
    int64_t queued_us;  // waited for the lane
    int64_t work_us;    // spent computing (all pieces)
    struct prl_stt_margin margin;
};

// May call prl_stt_* on the stream except close.
typedef void (*prl_stt_fn)(void *arg, const struct prl_stt_event *event);

struct prl_stt_stream_conf {
    const char *language; // NULL: the front's default
    const char *prompt;   // words to expect (Whisper's initial prompt); NULL for none
    bool partials;        // send PARTIAL events where the engine is fast enough
    bool pieces;          // send PARTIAL events when a piece of a long recording is done
    prl_stt_fn fn;
    void *arg;
};

// In the child process that isolate makes: serves the recognisers to the parent until that is gone. Of
// conf, paths, ort, language, traditional, threads, cores and backends are used.
enum prl_err prl_stt_serve(const struct prl_stt_conf *conf,
                           struct prl_lane_child *child) PRL_MUST_USE;

// Starts the lane and the loading; returns at once. `on_ready` or `on_error` follows.
enum prl_err prl_stt_create(struct prl_stt **out, const struct prl_stt_conf *conf) PRL_MUST_USE;
// Streams must be closed. Waits for the lane's running step (at most one encoder pass, 2.5 s).
void prl_stt_destroy(struct prl_stt **stt);
bool prl_stt_is_ready(const struct prl_stt *stt);
// Decodes waiting or running, all streams; for health and load shedding.
size_t prl_stt_backlog(const struct prl_stt *stt);

// Somebody will speak soon: recognisers elsewhere get their connections opened (prl_pool_warm_next).
void prl_stt_warm(struct prl_stt *stt);

enum prl_err prl_stt_open(struct prl_stt *stt, const struct prl_stt_stream_conf *conf,
                          struct prl_stt_stream **out) PRL_MUST_USE;
// No event after it. Never waits. Not from the stream's own callback.
void prl_stt_close(struct prl_stt_stream **stream);
// Changes language and prompt (NULL prompt: none) from the next begin on; forgets an identified
// language when `language` differs from before. INVALID for a language no engine knows.
enum prl_err prl_stt_configure(struct prl_stt_stream *stream, const char *language,
                               const char *prompt) PRL_MUST_USE;

// Starts a new, empty timeline. Everything of the old one is dropped without an event.
// Generations only grow (PRL_CHECK).
void prl_stt_begin(struct prl_stt_stream *stream, uint32_t generation);
// Ends the timeline without a result: sound, decodes and partials are dropped.
void prl_stt_clear(struct prl_stt_stream *stream);

// Appends sound. Never blocks. LIMIT (nothing taken) beyond PRL_STT_UTTERANCE_MAX_S.
enum prl_err prl_stt_push(struct prl_stt_stream *stream, const int16_t *pcm, size_t n) PRL_MUST_USE;
// The same for sound that the VAD says is silence after speech: a decode with nothing but such
// sound since the previous one answers with that one's result.
enum prl_err prl_stt_push_silence(struct prl_stt_stream *stream, const int16_t *pcm,
                                  size_t n) PRL_MUST_USE;

// The stream's recogniser is known and fast enough to be asked again and again while somebody speaks; it
// was opened for partials.
bool prl_stt_follows(const struct prl_stt_stream *stream);

enum prl_stt_want {
    PRL_STT_WANT_PARTIAL, // one PARTIAL event soon, none if it is overtaken
    PRL_STT_WANT_FINAL,   // committed: exactly one FINAL or ERROR, before all other work
    PRL_STT_WANT_GUESS    // speculation: exactly one FINAL or ERROR, behind all committed work
};

// Asks for the text of everything pushed so far. More may be pushed and decoded with higher
// generations afterwards. A decode of sound that is already decoded, or being decoded, shares that
// work (a guess becomes committed); with the result at hand the callback runs before this returns.
// Silent or empty sound gives a FINAL with no_speech. FULL when 8 decodes of the stream wait.
// `generation` is higher than any before, or equal to begin's for the first decode (PRL_CHECK).
enum prl_err prl_stt_decode(struct prl_stt_stream *stream, uint32_t generation,
                            enum prl_stt_want want) PRL_MUST_USE;

// After it no FINAL or ERROR of `generation` or an older one is delivered. The timeline, its sound
// and its live partials stay; clear ends those. Never waits.
void prl_stt_cancel(struct prl_stt_stream *stream, uint32_t generation);

#endif

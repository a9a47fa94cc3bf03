// tts.h -- text to speech: the front that sessions use on the loop thread.
//
// One front owns one lane (a worker thread with the voice models), which fronts of other loops may use. A stream is one speaker's mouth:
// clauses are queued on it and come back as chunks of sound, in order, with word marks. The lane
// takes the clause whose sound is due first over all streams: a first clause before later ones of
// others. Which model speaks a clause is decided there: English hibari (or Kokoro where quality
// says so), Chinese and mixed clauses Kokoro (one flow, one voice) or FastSpeech2 with hibari for
// the Latin parts when `fast_zh`; espeak-ng when the others failed.
// Units:    16-bit samples at 24 kHz; microseconds, monotonic; sources are bytes of the clause as
//           given to say.
// Threads:  the loop thread that created it; events arrive on that thread.
// Memory:   about 1 KiB a stream, the waiting clauses, and at most 512 chunks of finished sound for
//           all streams, after which the lane waits for the loop.
// Errors:   FULL when PRL_TTS_QUEUE_MAX clauses of a stream wait, LIMIT for a clause over
//           PRL_TEXT_CLAUSE_MAX bytes; a model's failure is an ERROR event.
// Bounds:   the longest uninterruptible step is one model run for a clause (hibari: up to 400
//           phonemes, about 8 ms of work a second of sound; Kokoro: a whole clause).
#ifndef PRL_TTS_TTS_H
#define PRL_TTS_TTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/backend.h"

enum { PRL_TTS_QUEUE_MAX = 64, PRL_TTS_VOICE_SIZE = 32, PRL_TTS_STYLE_SIZE = 4097 };

struct prl_cores;
struct prl_lane_isolate;
struct prl_loop;
struct prl_pool;
struct prl_tts;
struct prl_tts_front_ops;
struct prl_tts_stream;

enum prl_tts_quality {
    PRL_TTS_QUALITY_AUTO, // Kokoro for English where the calibration at start allows it
    PRL_TTS_QUALITY_FAST, // hibari
    PRL_TTS_QUALITY_BEST  // Kokoro
};

struct prl_tts_conf {
    struct prl_loop *loop;      // borrowed
    struct prl_tts_paths paths; // borrowed for the call
    const char *voice;          // default of new streams: ours or a Realtime name; NULL: "alloy"
    float speed;                // default; 0 means 1
    bool fast_zh;               // FastSpeech2 for Chinese (its corpus is non-commercial)
    enum prl_tts_quality quality;
    const char *cache_dir;   // where the calibration is kept; NULL: calibrate at each start
    int threads;             // of the models; 0 means 1
    struct prl_cores *cores; // borrowed, told while the lane works; NULL: nobody
    // Voices elsewhere and their order (engine/pool.h), borrowed; NULL: the embedded ones only. A
    // stream's clauses are then said one after another; one that fails before its first sound is
    // asked of the next engine.
    struct prl_pool *pool;
    bool far_only;            // with pool: there is no embedded one, no lane and nothing to load
    const char *instructions; // emotion and style for voices elsewhere; NULL: none
    // The backends by preference, NULL-terminated; NULL: prl_tts_builtin. For tests.
    const struct prl_tts_ops *const *backends;
    // Another loop's front, whose lane and voices this one uses too; NULL: its own. Created and joined
    // before the loops run; when they have ended that one is destroyed first.
    struct prl_tts *share;
    const struct prl_lane_isolate *isolate; // borrowed: in a child process; NULL: on a thread
    // Something else behind this header (front.h), with what it wants to know; NULL: our own lane.
    const struct prl_tts_front_ops *front;
    const void *front_conf;
    // Once, on the loop thread: English or Chinese can be spoken and has been (one clause timed);
    // or the reason why nothing can (one line). What is missing besides is logged.
    void (*on_ready)(void *arg);
    void (*on_error)(void *arg, const char *why);
    void *arg;
};

enum prl_tts_event_type { PRL_TTS_AUDIO, PRL_TTS_CLAUSE_DONE, PRL_TTS_ERROR };

// Everything pointed to is valid during the callback only.
struct prl_tts_event {
    enum prl_tts_event_type type;
    uint32_t generation;
    uint32_t clause_id;
    const int16_t *pcm; // AUDIO: 1..PRL_TTS_CHUNK_MAX samples
    size_t samples;
    uint32_t sample_start; // AUDIO: position of pcm[0] in the clause; DONE: samples in all
    // AUDIO: words that end in this chunk or before and were not yet told; positions in the clause.
    const struct prl_tts_mark *marks;
    size_t mark_count;
    const char
        *engine; // name of the backend that spoke (the last one of the clause), or, `far`, of
                 // the engine elsewhere (prl_pool_name)
    bool far;
    int64_t queued_us; // DONE: waited for the lane
    int64_t first_us;  // DONE: from the start of work to the first sound
    int64_t work_us;   // DONE: spent computing
    uint32_t unknown;  // DONE: characters without a sound
    enum prl_err err;  // ERROR
    const char *why;   // ERROR: one line
};

// May call prl_tts_* on the stream except close.
typedef void (*prl_tts_fn)(void *arg, const struct prl_tts_event *event);

struct prl_tts_stream_conf {
    const char *voice;           // NULL: the front's default
    enum prl_text_lang language; // of the answer; decides only where a clause itself does not
    float speed;                 // 0: the front's default
    prl_tts_fn fn;
    void *arg;
};

// Starts the lane and the loading; returns at once. on_ready or on_error follows.
enum prl_err prl_tts_create(struct prl_tts **out, const struct prl_tts_conf *conf) PRL_MUST_USE;
// Streams must be closed. Waits for the running step of the lane.
void prl_tts_destroy(struct prl_tts **tts);
bool prl_tts_is_ready(const struct prl_tts *tts);
// Clauses waiting or being spoken, all streams; for health and load shedding.
size_t prl_tts_backlog(const struct prl_tts *tts);
// PRL_TTS_LANG_* that can be spoken now; 0 before on_ready.
unsigned prl_tts_languages(const struct prl_tts *tts);

// Name of the engine elsewhere that would say the next clause; "": an embedded one.
const char *prl_tts_next(const struct prl_tts *tts);
// An answer will come soon: voices elsewhere get their connections opened (prl_pool_warm_next).
void prl_tts_warm(struct prl_tts *tts);

enum prl_err prl_tts_open(struct prl_tts *tts, const struct prl_tts_stream_conf *conf,
                          struct prl_tts_stream **out) PRL_MUST_USE;
// No event after it. Never waits. Not from the stream's own callback.
void prl_tts_close(struct prl_tts_stream **stream);
// For clauses said from now on; NULL and 0 leave as it is. INVALID for an unknown voice or a speed
// outside 0.25..1.5.
enum prl_err prl_tts_configure(struct prl_tts_stream *stream, const char *voice,
                               float speed) PRL_MUST_USE;
// Emotion and style of clauses said from now on, for voices elsewhere, in place of the front's; NULL or
// "": the front's. LIMIT: PRL_TTS_STYLE_SIZE bytes or more; it is as it was then, and without memory.
enum prl_err prl_tts_set_style(struct prl_tts_stream *stream, const char *style) PRL_MUST_USE;
void prl_tts_set_language(struct prl_tts_stream *stream, enum prl_text_lang language);

// Queues one clause. Exactly one CLAUSE_DONE or ERROR follows, after its AUDIO (a clause with
// nothing to say has none). Generations only grow (PRL_CHECK); the first clause of a new generation
// drops what waits of older ones, as cancel does. `text` is copied.
enum prl_err prl_tts_say(struct prl_tts_stream *stream, uint32_t generation, uint32_t clause_id,
                         const char *text, size_t len) PRL_MUST_USE;
// Says bytes [from, to) of `text` as a part of it: what is in front has been said, what is behind will
// be, or is not known to its end. Sources count from `from`. A voice that cannot do that, as voices
// elsewhere, says the part alone. The text lies within one clause of one language.
struct prl_tts_part {
    const char *text;
    size_t len;
    size_t from, to;
};
enum prl_err prl_tts_say_part(struct prl_tts_stream *stream, uint32_t generation,
                              uint32_t clause_id, const struct prl_tts_part *part) PRL_MUST_USE;
// PRL_TTS_LANG_* in which the next clause would be said by a voice that can, and soon enough.
unsigned prl_tts_says_parts(const struct prl_tts_stream *stream);
// After it returns no event of `generation` or an older one arrives.
void prl_tts_cancel(struct prl_tts_stream *stream, uint32_t generation);

#endif

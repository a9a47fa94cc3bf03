// answer.h -- one answer being made: prompt → words → clauses → sound, all of it at the same time.
//
// A place for one generation at a time, with a stream of its own on the language model and one on the
// voice, which a model that speaks by itself (prl_llm_speaks) leaves idle. What is made waits here (text, calls, a prl_speech) until the session takes it.
// Units:    samples at 24 kHz, bytes of the answer's text.
// Threads:  the session's loop thread.
// Memory:   sound ahead of what was taken is bounded: no further clause goes to the voice while more
//           than PRL_ANSWER_AHEAD_MS (held: PRL_ANSWER_HELD_MS) wait. Text is bounded by
//           max_output_tokens and PRL_ANSWER_TEXT_MAX.
// Errors:   FAILED news with the stage; create returns NOMEM or LIMIT.
#ifndef PRL_SESSION_ANSWER_H
#define PRL_SESSION_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/llm.h"
#include "session/floor.h"
#include "session/speech.h"

struct prl_tts;
struct prl_phrases;
struct prl_answer;

enum {
    PRL_ANSWER_AHEAD_MS = 6000,
    PRL_ANSWER_HELD_MS = 3000,
    PRL_ANSWER_SPOKEN_MS = 30000, // of a model that speaks: it holds back beyond that
    PRL_ANSWER_TEXT_MAX = 64 << 10,
    PRL_ANSWER_CALLS_MAX = 16
};

enum prl_answer_news {
    PRL_ANSWER_TEXT,  // more text
    PRL_ANSWER_AUDIO, // more sound
    PRL_ANSWER_CALL,  // a call began, went on or ended
    PRL_ANSWER_DONE,  // all is made
    PRL_ANSWER_FAILED // see prl_answer_view.failed; no further news
};

// Called from engine events. May call prl_answer_* except destroy.
typedef void (*prl_answer_fn)(void *arg, struct prl_answer *answer, enum prl_answer_news news);

struct prl_answer_conf {
    struct prl_llm *llm;         // borrowed, may be NULL
    struct prl_tts *tts;         // borrowed, may be NULL
    struct prl_phrases *phrases; // borrowed, may be NULL: where the sound of a `text` may be
    prl_answer_fn fn;
    void *arg;
};

struct prl_answer_start {
    uint32_t generation;                 // grows from start to start
    const struct prl_llm_prompt *prompt; // NULL: `text` is said as it is
    const char *text;
    bool audio;
    bool aside;        // out of band
    bool held;         // a speculation: yields to committed work, little sound ahead
    const char *owner; // see prl_llm_params
    const char *voice;
    const char *style; // see prl_tts_set_style
    double speed;
    bool chinese; // the user's language, where the answer's own words do not decide
    int max_output_tokens;
    double temperature;
};

struct prl_answer_call {
    const char *name;
    const char *call_id;
    const char *arguments; // so far
    size_t len;
    bool ended;
};

struct prl_answer_view {
    uint32_t generation; // 0: idle
    const char *text;    // whole text so far, zero-terminated
    size_t text_len;
    bool text_done; // nothing is added to it
    bool audio;
    bool done;
    bool asked;                 // the text so far ends with a question
    enum prl_llm_reason reason; // with done
    struct prl_llm_usage usage; // with done
    enum prl_floor_stage failed;
    char why[160];         // FAILED: one line
    uint64_t good_samples; // end of the last clause that is complete
    size_t call_count;
    int64_t first_token_us; // clock, 0: none yet
    int64_t first_audio_us; // clock, 0: none yet
};

enum prl_err prl_answer_create(struct prl_answer **out,
                               const struct prl_answer_conf *conf) PRL_MUST_USE;
void prl_answer_destroy(struct prl_answer **answer);

// Ends what ran before and starts anew. On failure the answer is idle.
enum prl_err prl_answer_start(struct prl_answer *answer,
                              const struct prl_answer_start *start) PRL_MUST_USE;
// A speculation became real.
void prl_answer_commit(struct prl_answer *answer);
// Ends everything; idle afterwards, without news.
void prl_answer_stop(struct prl_answer *answer);
// Warms the model's memory while idle.
void prl_answer_prefill(struct prl_answer *answer, uint32_t generation,
                        const struct prl_llm_prompt *prompt);
// Call after sound was taken: lets the next clause be made.
void prl_answer_pump(struct prl_answer *answer);

const struct prl_answer_view *prl_answer_view(const struct prl_answer *answer);
struct prl_speech *prl_answer_speech(struct prl_answer *answer);
struct prl_answer_call prl_answer_call(const struct prl_answer *answer, size_t index);

#endif

// llm.h -- the language model as a session sees it: streams of prompts in, streams of text out.
//
// The front of a lane that owns the model. Several streams share the model and are decoded in one
// batch; each keeps its prompt in the model's memory, so that a further turn costs only its new
// words. A stream has one current job: a newer prefill or generate replaces it.
// Units:    tokens where the name says so; times in microseconds of the monotonic clock.
// Threads:  all calls on the loop's thread; events arrive on it, never from inside a call.
// Memory:   prompts are copied; an event's text is valid during the callback. At most
//           PRL_LLM_STREAMS_MAX streams; one message a stream is on its way to the lane, the newest
//           wish replaces what waits behind it.
// Errors:   a model that cannot be loaded is told once through on_state, with a sentence for a
//           person. Each generate gives exactly one DONE or ERROR unless it was cancelled, replaced
//           or closed; after prl_llm_cancel(g) returns, no event of g or older arrives. What comes
//           late is dropped and counted.
// Longest uninterruptible step: one batch, see llm/batch.h.
#ifndef PRL_LLM_LLM_H
#define PRL_LLM_LLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/prompt.h"

struct prl_cores;
struct prl_lane_child;
struct prl_lane_isolate;
struct prl_loop;
struct prl_llm;
struct prl_llm_stream;
struct prl_llm_model_ops;

enum { PRL_LLM_STREAMS_MAX = 1024, PRL_LLM_OUTPUT_TOKENS_MAX = 4096 };

enum prl_llm_state {
    PRL_LLM_LOADING,
    PRL_LLM_READY,  // loaded, and it has answered once
    PRL_LLM_FAILED, // for good; generate returns ENGINE, answers that waited got ERROR
};

// Called once, when loading ended. `text` describes the model (READY) or what is wrong (FAILED);
// valid during the call.
typedef void (*prl_llm_state_fn)(void *arg, enum prl_llm_state state, const char *text);

struct prl_llm_conf {
    struct prl_loop *loop;     // borrowed; outlives the llm
    const char *model_path;    // GGUF file; copied
    const char *module_path;   // libparley_llama.so; NULL: found beside the program
    const char *child_program; // program for the trial load of an unknown file; NULL: none
    bool model_known;          // the file's SHA-256 is one of models.lock: no trial load
    int context_tokens;        // prompt and answer of one stream, 512..32768; 0: 4096
    int cells;                 // tokens that all streams' memories may hold; 0: 2 * context_tokens
    int sequences;             // streams held in the model's memory, 1..16; 0: 4
    int threads;             // 1..64 always; with `cores` the most at a time, 0 as many as are free
    struct prl_cores *cores; // borrowed, shared by all lanes; NULL: `threads`, 0 is 1
    // Another loop's front made by prl_llm_create, whose lane and model this one uses too; NULL: its
    // own. Created and joined before the loops run; when they have ended that one is destroyed first.
    // PRL_LLM_STREAMS_MAX counts the streams of all of them.
    struct prl_llm *share;
    const struct prl_lane_isolate *isolate; // borrowed: in a child process; NULL: on a thread
    prl_llm_state_fn on_state;              // may be NULL
    void *arg;
    // For tests: a scripted model in place of llama.cpp; NULL otherwise.
    const struct prl_llm_model_ops *ops;
    void *ops_arg;
};

// In the child process that isolate makes: serves the model to the parent until that is gone. `loop`,
// `on_state` and `isolate` of conf are not used.
enum prl_err prl_llm_serve(const struct prl_llm_conf *conf,
                           struct prl_lane_child *child) PRL_MUST_USE;

// The embedded model. Starts the lane, which begins to load. Fails only for lack of memory or threads and for values
// out of range; what is wrong with the file arrives at on_state.
enum prl_err prl_llm_create(struct prl_llm **out, const struct prl_llm_conf *conf) PRL_MUST_USE;
// Waits for the running step, closes what is open, frees the model. No event afterwards.
void prl_llm_destroy(struct prl_llm **llm);
enum prl_llm_state prl_llm_state(const struct prl_llm *llm);

// Whether prompts with images make sense: not for the embedded model alone.
bool prl_llm_sees(const struct prl_llm *llm);

enum prl_llm_event_kind {
    PRL_LLM_EVENT_TOKEN,      // text: the next words, whole code points, never empty
    PRL_LLM_EVENT_TOOL_BEGIN, // name, call_id
    PRL_LLM_EVENT_TOOL_ARGS,  // text: the arguments' JSON object, complete in one event
    PRL_LLM_EVENT_TOOL_END,
    PRL_LLM_EVENT_DONE,  // reason, usage, timings
    PRL_LLM_EVENT_ERROR, // text: what failed
    PRL_LLM_EVENT_AUDIO, // of a model that speaks: pcm, samples, words
};

// A word that such a model has spoken to its end; samples and bytes count from the answer's start.
struct prl_llm_word {
    uint64_t sample_start, sample_end;
    size_t byte_start, byte_end;
};

enum prl_llm_reason {
    PRL_LLM_REASON_STOP,    // the model ended its answer
    PRL_LLM_REASON_LENGTH,  // max_output_tokens
    PRL_LLM_REASON_TOOL,    // it called a tool and waits for the result
    PRL_LLM_REASON_CONTEXT, // the context is full
};

struct prl_llm_usage {
    int input_tokens;  // of the prompt, after trimming
    int cached_tokens; // of these: already in the model's memory
    int output_tokens;
    int dropped_messages; // oldest messages that were left out because the prompt was too long
};

struct prl_llm_timings {
    int64_t queued_us;      // generate called -> first step of work on it
    int64_t prefill_us;     // first step -> prompt evaluated
    int64_t first_token_us; // generate called -> first token
    int64_t decode_us;      // first token -> last
};

struct prl_llm_event {
    enum prl_llm_event_kind kind;
    uint32_t generation;
    const char *text; // terminated; bytes in len
    size_t len;
    const char *name;    // TOOL_BEGIN
    const char *call_id; // TOOL_BEGIN, made here: "call_" and 16 hexadecimal digits
    enum prl_llm_reason reason;
    struct prl_llm_usage usage;
    struct prl_llm_timings timings;
    const int16_t *pcm; // AUDIO: 24 kHz mono; words may come without sound and sound without words
    size_t samples;
    const struct prl_llm_word *words;
    size_t word_count;
};

// May call anything of this header but prl_llm_destroy.
typedef void (*prl_llm_event_fn)(void *arg, const struct prl_llm_event *event);

struct prl_llm_stream_conf {
    prl_llm_event_fn fn;
    void *arg;
};

// A prompt will come soon: engines elsewhere get their connections opened (prl_pool_warm_next).
void prl_llm_warm(struct prl_llm *llm);

// LIMIT at PRL_LLM_STREAMS_MAX. Allowed while the model still loads: work waits for it.
enum prl_err prl_llm_open(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                          struct prl_llm_stream **out) PRL_MUST_USE;
// Drops the stream's work; no event afterwards. NULL is fine.
void prl_llm_close(struct prl_llm_stream **stream);

// Brings the prompt into the model's memory ahead of its use; no event comes of it. With
// prompt->open the last message is left unfinished. Replaces an earlier prefill; never replaces a
// generate of this stream (then it does nothing, PRL_OK).
enum prl_err prl_llm_prefill(struct prl_llm_stream *stream, uint32_t generation,
                             const struct prl_llm_prompt *prompt) PRL_MUST_USE;

struct prl_llm_params {
    int max_output_tokens; // 1..4096; 0 or less: 4096, at most what the context leaves
    double temperature;    // 0: always the likeliest token; 0..2; negative: 0.7
    double top_p;          // 0 < p <= 1; 0: 0.9
    uint32_t seed;         // 0: from the generation and the stream
    const char *owner; // who asks, as nobody else does (llm/answers.h); NULL: anybody. Borrowed for
                       // the call
    bool committed;    // false: a speculation, which yields to committed work
    // For a model that speaks (prl_llm_speaks); others take no notice.
    bool audio;        // the answer is to be spoken
    bool aside;        // it is none of the conversation's
    const char *voice; // NULL: its own; borrowed for the call
    double speed;      // 0: 1
};

// Starts an answer. Replaces whatever the stream was doing (that gets no event any more). INVALID,
// LIMIT: the prompt (prl_llm_prompt_check; an open prompt cannot be answered); ENGINE: the model
// could not be loaded. No event follows a failure.
enum prl_err prl_llm_generate(struct prl_llm_stream *stream, uint32_t generation,
                              const struct prl_llm_prompt *prompt,
                              const struct prl_llm_params *params) PRL_MUST_USE;
// A speculation became real: it no longer yields. Nothing happens if it is not running.
void prl_llm_commit(struct prl_llm_stream *stream, uint32_t generation);
// Ends generation and all older ones; other streams go on.
void prl_llm_cancel(struct prl_llm_stream *stream, uint32_t generation);

// Does the model give the sound of its answers too (PRL_LLM_EVENT_AUDIO)? Then no voice is needed.
bool prl_llm_speaks(const struct prl_llm *llm);
// A model that speaks holds its sound back while `wanted` is false; others take no notice.
void prl_llm_flow(struct prl_llm_stream *stream, bool wanted);

// An upper bound of the tokens in `len` bytes of text, without the model: a token of a byte-level
// vocabulary stands for at least one byte. Any thread.
size_t prl_llm_count_tokens(const char *text, size_t len);

struct prl_llm_stats {
    uint64_t late_events; // dropped because their generation was over
    uint64_t generations; // started
    uint64_t failures;    // ended with ERROR
};
struct prl_llm_stats prl_llm_stats(const struct prl_llm *llm);

#endif

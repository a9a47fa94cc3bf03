// job.h -- one prompt's life on the lane: its tokens, the answer being written, its events.
//
// Knows nothing of other jobs or of memory slots; llm/batch.h decides when it runs.
// Units:    tokens; microseconds, monotonic.
// Threads:  the lane's thread.
// Memory:   owns its prompt and tokens. Must not move while it is in use.
// Errors:   see each function; an answer ends with exactly one DONE or ERROR event.
#ifndef PRL_LLM_JOB_H
#define PRL_LLM_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/llm.h"
#include "llm/model.h"
#include "llm/reply.h"
#include "llm/stop.h"
#include "llm/tokens.h"

enum prl_llm_job_kind { PRL_LLM_JOB_NONE, PRL_LLM_JOB_PREFILL, PRL_LLM_JOB_GENERATE };

enum prl_llm_job_next {
    PRL_LLM_JOB_GOES_ON, // job->next is the token to compute
    PRL_LLM_JOB_ENDED,   // the last event was sent
    PRL_LLM_JOB_RETRY,   // go back to the end of the prompt and draw words only
};

typedef void (*prl_llm_job_fn)(void *arg, uint64_t id, const struct prl_llm_event *event);

// Fields are set by job.c unless said otherwise.
struct prl_llm_job {
    enum prl_llm_job_kind kind;
    uint64_t id; // of the stream
    uint32_t generation;
    struct prl_llm_prompt *prompt; // owned
    struct prl_llm_params params;
    struct prl_llm_tokens tokens; // owned
    struct prl_reply answer;
    struct prl_stop stop; // behind it
    bool answer_open;     // both
    int32_t call_open;    // token ids, -1: none
    int32_t call_close;   //
    int limit;            // most tokens of the answer
    bool limit_context;   // the context sets the limit
    bool words_only;      // second try
    int output;           // tokens drawn
    int32_t next;
    int64_t queued_at_us, started_at_us, prefilled_at_us, first_at_us, last_at_us;
    prl_llm_job_fn fn;
    void *arg;
    // Kept by the batch.
    int slot;       // -1: none yet
    bool matched;   // the slot has been brought to the prompt's beginning
    bool decoding;  // the prompt is computed
    int cached;     // tokens that were there already
    uint64_t order; // of arrival
};

// Tokenises the prompt, which the job takes over whatever happens. On failure an ERROR event is
// sent for an answer and the job is empty again. `context`: tokens of prompt and answer together.
enum prl_err prl_llm_job_start(struct prl_llm_job *job, const struct prl_llm_model_ops *ops,
                               void *model, struct prl_llm_prompt *prompt,
                               int context) PRL_MUST_USE;
// The model drew this token.
enum prl_llm_job_next prl_llm_job_token(struct prl_llm_job *job,
                                        const struct prl_llm_model_ops *ops, void *model,
                                        int32_t token);
// Ends an answer from outside: ERROR with `text`.
void prl_llm_job_fail(struct prl_llm_job *job, const char *text);
// Ends an answer that has no room to go on: DONE with what there is.
void prl_llm_job_cut(struct prl_llm_job *job);
// Frees everything; the job is NONE.
void prl_llm_job_clear(struct prl_llm_job *job);

#endif

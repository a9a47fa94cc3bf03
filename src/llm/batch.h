// batch.h -- decides, step by step, which tokens of which streams the model computes next.
//
// The core of the lane: streams with at most one job each (a prefill or an answer), one
// llama_decode for all of them a step.
// Order:    committed answers first; speculations and prefills get the steps in between, and every
//           fourth step while a committed answer runs. Answers being written all take part in a
//           step; one prompt at a time is prefilled beside them.
// Longest step: while an answer is being written at most 8 tokens of a prompt are computed with it
//           (4 of a speculation's beside a committed answer); alone 32, a speculation's 16; 4 as
//           long as other lanes have half of the cores, since a step keeps the threads it began
//           with. Measured on 2 busy cores, one thread: see docs/MODELS.md.
// Units:    tokens; microseconds, monotonic.
// Threads:  the lane's thread.
// Memory:   a stream is one small block, a job its prompt and tokens; both bounded by llm/prompt.h
//           and the context. At most PRL_LLM_STREAMS_MAX streams.
// Errors:   of the model: ERROR events of the jobs in that step; the others go on.
#ifndef PRL_LLM_BATCH_H
#define PRL_LLM_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "llm/llm.h"
#include "llm/model.h"

struct prl_llm_batch;
struct prl_cores;

// An event of stream `id`; its texts are valid during the call.
typedef void (*prl_llm_batch_fn)(void *arg, uint64_t id, const struct prl_llm_event *event);

struct prl_llm_batch_stats {
    uint64_t steps;
    uint64_t tokens_prefilled;
    uint64_t tokens_decoded;
    uint64_t retries; // answers begun again because they were an impossible call
};

// `conf` as given to the model's load.
enum prl_err prl_llm_batch_create(struct prl_llm_batch **out, const struct prl_llm_model_ops *ops,
                                  void *model, const struct prl_llm_model_conf *conf,
                                  prl_llm_batch_fn fn, void *arg) PRL_MUST_USE;
void prl_llm_batch_destroy(struct prl_llm_batch **batch);

enum prl_err prl_llm_batch_open(struct prl_llm_batch *batch, uint64_t id) PRL_MUST_USE;
void prl_llm_batch_close(struct prl_llm_batch *batch, uint64_t id);

// Both take over `prompt` (one block from prl_llm_prompt_copy), whatever happens. An unknown id is
// ignored. Failures arrive as an ERROR event (generate) or are logged (prefill).
void prl_llm_batch_take_prefill(struct prl_llm_batch *batch, uint64_t id, uint32_t generation,
                                struct prl_llm_prompt *prompt);
void prl_llm_batch_take_generate(struct prl_llm_batch *batch, uint64_t id, uint32_t generation,
                                 struct prl_llm_prompt *prompt, const struct prl_llm_params *params,
                                 int64_t queued_at_us);
void prl_llm_batch_commit(struct prl_llm_batch *batch, uint64_t id, uint32_t generation);
// Ends the stream's job if it is of `generation` or older.
void prl_llm_batch_cancel(struct prl_llm_batch *batch, uint64_t id, uint32_t generation);

// One step of work; true while there is more.
bool prl_llm_batch_step(struct prl_llm_batch *batch);

// Threads of each step are asked of `cores` from now on, at most `threads_max` (0: no limit).
void prl_llm_batch_share(struct prl_llm_batch *batch, struct prl_cores *cores, int threads_max);

struct prl_llm_batch_stats prl_llm_batch_stats(const struct prl_llm_batch *batch);

#endif

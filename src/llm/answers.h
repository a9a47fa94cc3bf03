// answers.h -- answers of a model that were given before, to give them again.
//
// A bounded store in front of any model (llm.h over llm.h). A prompt that was answered whole, by the
// same owner with the same sampling, gets the same words as a stream, with the usage that it had and
// all of its input counted as cached. Never with tools, images, or a call in the conversation; never
// where the words are drawn by chance (temperature above 0), unless `sampled` says so.
// Units:    bytes, microseconds.
// Threads:  the loop thread.
// Memory:   answers and the SHA-256 of what they answer; no prompt is kept. At most entries_max and
//           bytes_max (the one used longest ago goes), none older than age_us.
// Errors:   as llm.h; the store never makes an answer fail.
#ifndef PRL_LLM_ANSWERS_H
#define PRL_LLM_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "llm/llm.h"

enum { PRL_ANSWERS_ENTRIES_MAX = 10000 };

struct prl_answers_conf {
    struct prl_loop *loop; // borrowed
    struct prl_llm *model; // borrowed, outlives this; does not speak by itself
    const char *name;      // what model that is, part of every key; copied
    size_t entries_max;    // 1..PRL_ANSWERS_ENTRIES_MAX
    size_t bytes_max;
    int64_t age_us_max;
    bool sampled;
};

enum prl_err prl_answers_create(struct prl_llm **out,
                                const struct prl_answers_conf *conf) PRL_MUST_USE;
// Bytes and number of what is kept, in Prometheus form; hits and misses are of base/metrics.h. `llm` was
// made by prl_answers_create.
void prl_answers_render(const struct prl_llm *llm, struct prl_str *out);

#endif

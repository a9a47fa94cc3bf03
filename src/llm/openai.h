// openai.h -- a language model's chat completions dialect: the request's JSON, and what its streamed
// answer means. A pure core: no socket, no clock.
//
// Text between <think> and </think> is thinking and never handed out, nor is `reasoning_content`.
// Calls of tools are gathered and handed out whole when the model has ended.
// Units:    bytes of UTF-8.
// Threads:  one owner.
// Memory:   what is gathered of calls, at most PRL_LLM_ARGUMENTS_BYTES_MAX each; everything else is
//           handed on. The request is one growing text of the caller's.
// Errors:   INVALID: no JSON, or not of this form; REMOTE: the server said that it failed; LIMIT,
//           NOMEM. `why` has one line. The reader is dead after an error.
// Source:   OpenAI's "chat completions" reference, with streaming; vLLM's and llama.cpp's servers.
#ifndef PRL_LLM_OPENAI_H
#define PRL_LLM_OPENAI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "llm/llm.h"

enum { PRL_OPENAI_REQUEST_MAX = 6 << 20, PRL_OPENAI_WHY_SIZE = 200 };

// Appends the request for a streamed answer. `extra`: members to add as they are ("\"top_k\":5"), or
// NULL.
enum prl_err prl_openai_request(struct prl_str *out, const char *model, const char *extra,
                                const struct prl_llm_prompt *prompt,
                                const struct prl_llm_params *params) PRL_MUST_USE;

// name NULL: words. Otherwise a call: its name, and the arguments' JSON object in text.
typedef void (*prl_openai_fn)(void *arg, const char *name, const char *text, size_t len);

struct prl_openai_reader;

enum prl_err prl_openai_reader_create(struct prl_openai_reader **out, prl_openai_fn fn,
                                      void *arg) PRL_MUST_USE;
void prl_openai_reader_destroy(struct prl_openai_reader **reader);
// One event's data. The callback may not destroy the reader.
enum prl_err prl_openai_reader_push(struct prl_openai_reader *reader, const char *data,
                                    size_t len) PRL_MUST_USE;
// No more comes, or [DONE] did: hands out held text and calls. INVALID when the model had not ended.
enum prl_err prl_openai_reader_end(struct prl_openai_reader *reader) PRL_MUST_USE;
bool prl_openai_reader_done(const struct prl_openai_reader *reader); // [DONE] was read
enum prl_llm_reason prl_openai_reader_reason(const struct prl_openai_reader *reader);
// Zeros where the server told none.
struct prl_llm_usage prl_openai_reader_usage(const struct prl_openai_reader *reader);
const char *prl_openai_reader_why(const struct prl_openai_reader *reader);

#endif

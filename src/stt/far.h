// far.h -- one piece of sound to one recogniser elsewhere (OpenAI's audio/transcriptions), one text back.
//
// Which engine, and which after it, is decided by stt.c; the pool is told here how it went.
// Units:    as stt.h.
// Threads:  the loop thread; the answer arrives from a callback of net/fetch.h, never inside ask.
// Memory:   the sound is copied into the request. A job is gone after its answer or cancel.
// Errors:   in the reply: REMOTE, TIMEOUT, or NOMEM, with the reason as text.
// Source:   OpenAI's "create transcription" reference: multipart form, WAV, response_format json and
//           stream true; the answer may be an event stream or plain JSON (stt/transcript.h).
#ifndef PRL_STT_FAR_H
#define PRL_STT_FAR_H

#include "base/err.h"
#include "engine/pool.h"
#include "stt/worker.h"

struct prl_stt_far;
struct prl_stt_far_job;

// `reply` is valid during the call.
typedef void (*prl_stt_far_fn)(void *arg, const struct prl_stt_reply *reply);

// `traditional`: Chinese is left as it came.
enum prl_err prl_stt_far_create(struct prl_stt_far **out, struct prl_loop *loop,
                                struct prl_pool *pool, bool traditional) PRL_MUST_USE;
// No job may be under way.
void prl_stt_far_destroy(struct prl_stt_far **far);

// A recogniser's words as text: tidied, without what only silence sounds like to it, Chinese
// simplified unless the front says otherwise. `language` "" unknown.
enum prl_err prl_stt_far_clean(struct prl_stt_far *far, const char *raw, size_t len,
                               const char *language, struct prl_str *out) PRL_MUST_USE;
// `engine` was picked from the pool and is ended there by this job, whatever happens; also when this
// fails.
enum prl_err prl_stt_far_ask(struct prl_stt_far *far, int engine, const struct prl_stt_order *order,
                             prl_stt_far_fn fn, void *arg,
                             struct prl_stt_far_job **out) PRL_MUST_USE;
// No answer afterwards. NULL is fine.
void prl_stt_far_cancel(struct prl_stt_far_job **job);

#endif

// worker.h -- the lane's side of the language model: loads it, turns messages into jobs and events
// into messages. The front (llm/llm.c) is the only one that uses it.
//
// Threads:  create and destroy on the loop's thread; everything else happens on the lane's.
// Memory:   owns lane, model and batch. Messages carry payloads as base/mailbox.h says.
// Errors:   loading: through conf.started of the lane. An event that finds the port full for 5 s is
//           lost and logged; without memory for its text it becomes an ERROR without text.
#ifndef PRL_LLM_WORKER_H
#define PRL_LLM_WORKER_H

#include "base/err.h"
#include "base/mailbox.h"
#include "llm/llm.h"
#include "net/lane.h"
#include "net/loop.h"
#include "net/share.h"

struct prl_llm_worker;

// To the lane. id: stream. Every message is answered by one TAKEN event.
enum prl_llm_order {
    PRL_LLM_ORDER_OPEN,
    PRL_LLM_ORDER_CLOSE,
    PRL_LLM_ORDER_PREFILL,  // data: the prompt's block
    PRL_LLM_ORDER_GENERATE, // the same; values: see prl_llm_order_pack
    PRL_LLM_ORDER_COMMIT,
    PRL_LLM_ORDER_CANCEL,
};

// From the lane: an enum prl_llm_event_kind, or one of these.
enum { PRL_LLM_NOTE_TAKEN = 100, PRL_LLM_NOTE_CLOSED = 101 };

void prl_llm_order_pack(struct prl_msg *msg, const struct prl_llm_params *params,
                        int64_t queued_at_us);
void prl_llm_order_unpack(const struct prl_msg *msg, struct prl_llm_params *params,
                          int64_t *queued_at_us);
// TOKEN, TOOL_ARGS and ERROR: text in data. TOOL_BEGIN: name, zero, call id, zero in data. DONE:
// numbers in the values, so that an answer's end needs no memory.
enum prl_err prl_llm_event_pack(struct prl_msg *msg, uint64_t id,
                                const struct prl_llm_event *event) PRL_MUST_USE;
// The event's texts point into msg->data.
void prl_llm_event_unpack(const struct prl_msg *msg, struct prl_llm_event *event);

// Starts the lane. The ports of `share` get the events; `started` is called as net/lane.h says.
enum prl_err prl_llm_worker_create(struct prl_llm_worker **out, const struct prl_llm_conf *conf,
                                   struct prl_share *share, prl_lane_started_fn started,
                                   void *arg) PRL_MUST_USE;
// One stream more, of whichever front; LIMIT at PRL_LLM_STREAMS_MAX of them. Any thread, both.
enum prl_err prl_llm_worker_reserve(struct prl_llm_worker *worker) PRL_MUST_USE;
void prl_llm_worker_release(struct prl_llm_worker *worker);
// The ports must have been closed before.
void prl_llm_worker_destroy(struct prl_llm_worker **worker);
enum prl_err prl_llm_worker_send(struct prl_llm_worker *worker,
                                 const struct prl_msg *msg) PRL_MUST_USE;
// What the model is; valid once `started` told of success, until destroy.
const char *prl_llm_worker_model(const struct prl_llm_worker *worker);

#endif

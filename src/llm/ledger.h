// ledger.h -- what a child process that runs the language model (net/lane_process.h) has been asked
// and has not answered, so that its death leaves no stream waiting.
//
// When the child is gone, each running answer gets an ERROR, each order its TAKEN or CLOSED, and a new
// child hears of the streams that are open.
// Threads:  one at a time: the lane's.
// Memory:   one table of PRL_LLM_STREAMS_MAX streams in create, which is all there are.
// Errors:   INVALID for a message that no worker sends.
#ifndef PRL_LLM_LEDGER_H
#define PRL_LLM_LEDGER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mailbox.h"

struct prl_llm_ledger;

enum prl_err prl_llm_ledger_create(struct prl_llm_ledger **out) PRL_MUST_USE;
void prl_llm_ledger_destroy(struct prl_llm_ledger **ledger);
// An order was sent (worker.h).
void prl_llm_ledger_sent(struct prl_llm_ledger *ledger, const struct prl_msg *msg);
// An event came. AGAIN: not to be passed on: it answers what only a new child was asked, or is for a
// stream that is not there, whose id may name no front.
enum prl_err prl_llm_ledger_got(struct prl_llm_ledger *ledger,
                                const struct prl_msg *msg) PRL_MUST_USE;
// The child is gone: what to tell the front, one message a call, until false. An ERROR has no payload
// and is told with `why` by the caller.
bool prl_llm_ledger_lost(struct prl_llm_ledger *ledger, struct prl_msg *msg);
// What a new child must hear first, one message a call, until false.
bool prl_llm_ledger_again(struct prl_llm_ledger *ledger, struct prl_msg *msg);

#endif

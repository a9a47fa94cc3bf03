// ledger.h -- clauses that a child process (net/lane_process.h) was given and has not finished, so that
// its death loses none of them.
//
// Each is kept with its text. When the child is gone, a clause of which nothing has sounded is given to
// the next child, once; the others are told as failed.
// Threads:  one at a time: the lane's.
// Memory:   the messages of the waiting clauses; fronts bound them (PRL_TTS_QUEUE_MAX a stream).
// Errors:   INVALID for a report that no lane sends; NOMEM keeps nothing.
#ifndef PRL_TTS_LEDGER_H
#define PRL_TTS_LEDGER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mailbox.h"

struct prl_tts_ledger;

enum prl_err prl_tts_ledger_create(struct prl_tts_ledger **out) PRL_MUST_USE;
void prl_tts_ledger_destroy(struct prl_tts_ledger **ledger);
// An order was sent (tts_lane.h). Of SAY it takes msg->data.
enum prl_err prl_tts_ledger_sent(struct prl_tts_ledger *ledger, struct prl_msg *msg) PRL_MUST_USE;
// A report came. AGAIN: it is good and nobody waits for it.
enum prl_err prl_tts_ledger_got(struct prl_tts_ledger *ledger,
                                const struct prl_msg *msg) PRL_MUST_USE;
// The child is gone: a SAY to be told as failed, which is the caller's, one a call, until false. What
// is kept for the next child (`again_wanted`: there will be one soon) does not come.
bool prl_tts_ledger_lost(struct prl_tts_ledger *ledger, bool again_wanted, struct prl_msg *say);
// What a new child must be given, a copy that is the caller's, one a call, until false.
bool prl_tts_ledger_again(struct prl_tts_ledger *ledger, struct prl_msg *say);

#endif

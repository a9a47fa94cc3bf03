// share.h -- one lane that serves the engine fronts of several loops: where each front's messages
// arrive, and whose turn it is where the lane works on one thing at a time.
//
// Front 0 owns the lane and creates this; the fronts of other loops join. A message's id carries the
// front in its highest bits, so that the lane finds the port that the answer belongs to.
// Threads:  create, join, close and destroy while no other loop runs (before the first turn, or after
//           the last); port from the lane once a message of that front has come; the rest from the
//           loop thread of the front that calls.
// Memory:   one block; at most PRL_SHARE_FRONTS_MAX fronts, LIMIT above.
// Errors:   none besides. A front has one wish at a time, the newest, so nothing here can be full.
#ifndef PRL_NET_SHARE_H
#define PRL_NET_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"

struct prl_port;
struct prl_share;

// Fronts: one a loop. A message's id is `front << PRL_SHARE_SHIFT | number`.
enum { PRL_SHARE_FRONTS_MAX = 16, PRL_SHARE_SHIFT = 56 };

// Types of the messages that a front's port gets besides those of its lane.
enum {
    PRL_SHARE_TURN = 1000, // the lane is kept for this front: prl_share_turn, begin, prl_share_pass
    PRL_SHARE_STARTED = 1001 // value[0]: enum prl_err of loading; data: its text or NULL
};

// The caller is front 0 and gets its messages at `port`, borrowed.
enum prl_err prl_share_create(struct prl_share **out, struct prl_port *port) PRL_MUST_USE;
// In a child process: whatever front an id names, its port is `port`; the parent sorts.
enum prl_err prl_share_create_outlet(struct prl_share **out, struct prl_port *port) PRL_MUST_USE;
void prl_share_destroy(struct prl_share **share);
// A further front, which comes back in *front.
enum prl_err prl_share_join(struct prl_share *share, struct prl_port *port,
                            unsigned *front) PRL_MUST_USE;
// Closes the ports of all fronts, so that the lane waits for none of them.
void prl_share_close(struct prl_share *share);
// The port of the front that `id` names.
struct prl_port *prl_share_port(const struct prl_share *share, uint64_t id);
uint64_t prl_share_id(unsigned front, uint64_t number);
// Front 0: tells the other fronts how loading ended (STARTED).
void prl_share_started(struct prl_share *share, enum prl_err err, const char *text);

// ---- one thing at a time ----

struct prl_share_wish {
    unsigned front;
    unsigned rank;  // the lower comes first
    uint64_t order; // the id of the message that is sent when the turn is got
    bool urgent;    // what is under way without being urgent should give way
};

// True: the lane is this front's until prl_share_end. False: another's; TURN will come. An order that
// should give way is then in *in_the_way, else 0.
bool prl_share_begin(struct prl_share *share, const struct prl_share_wish *wish,
                     uint64_t *in_the_way) PRL_MUST_USE;
// The answer has come, or nothing was sent after all.
void prl_share_end(struct prl_share *share, unsigned front);
// First of all when TURN comes.
void prl_share_turn(struct prl_share *share, unsigned front);
// Behind whatever TURN led to: gives the turn on if it was not used.
void prl_share_pass(struct prl_share *share, unsigned front);
// Other fronts that hold the lane or wait for it.
unsigned prl_share_others(struct prl_share *share, unsigned front);

#endif

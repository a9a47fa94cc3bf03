// near.h -- our own recognisers as one engine that works on one order at a time: the lane that they live
// on, or that of another loop's front.
//
// Which order comes next is decided by who calls (stt_queue.c). A turn is asked for with begin; where
// another front has the lane, `turn` says when to ask again.
// Threads:  the loop thread of conf->loop; the functions of `ops` are called there, never from inside
//           another call.
// Memory:   an order belongs to near from send on. The paths are copied.
// Errors:   as prl_lane_send for send; an order is answered once, with CANCELED after abort.
#ifndef PRL_STT_NEAR_H
#define PRL_STT_NEAR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "stt/route.h"
#include "stt/worker.h"

struct prl_stt_near;

struct prl_stt_near_ops {
    void (*started)(void *arg, enum prl_err err, const char *error); // once; `error` may be NULL
    void (*turn)(void *arg); // the lane is kept for this front until it returns
    void (*reply)(void *arg, const struct prl_stt_reply *reply); // of what was under way
};

// The recognisers that `conf` means, by enum prl_stt_engine.
const struct prl_stt_backend_ops *const *prl_stt_near_backends(const struct prl_stt_conf *conf);

// Starts the lane and its loading with `conf` (paths to pool), or joins `share`, that of another loop's
// front. `language` must be ready at the start. `ops` and `arg` stay borrowed.
enum prl_err prl_stt_near_create(struct prl_stt_near **out, const struct prl_stt_conf *conf,
                                 const char *language, const struct prl_stt_near *share,
                                 const struct prl_stt_near_ops *ops, void *arg) PRL_MUST_USE;
// Waits for the running step of a lane of its own (at most one encoder pass, 2.5 s).
void prl_stt_near_destroy(struct prl_stt_near **near);
// Lives as long as the owner of the lane.
const struct prl_stt_route *prl_stt_near_route(const struct prl_stt_near *near);

// True: the lane is this front's, and send must follow. False: it works for another loop, which gives
// way where it should.
bool prl_stt_near_begin(struct prl_stt_near *near, unsigned rank) PRL_MUST_USE;
// `order` is `size` bytes and taken, also on failure, which gives the turn back.
enum prl_err prl_stt_near_send(struct prl_stt_near *near, struct prl_stt_order *order,
                               size_t size) PRL_MUST_USE;
// Gives back a turn that nothing came of.
void prl_stt_near_end(struct prl_stt_near *near);
// What is under way ends soon with CANCELED. It must be under way.
void prl_stt_near_abort(struct prl_stt_near *near);

// What prl_stt_serve promises.
enum prl_err prl_stt_near_serve(const struct prl_stt_conf *conf,
                                struct prl_lane_child *child) PRL_MUST_USE;

#endif

// worker.h -- the far side of the STT lane: holds the recognisers, answers one order after another.
//
// Routes by language, loads an engine when it is first needed, guards against silence, loops and
// ghosts, cleans the text and simplifies Chinese.
// Threads:  create, destroy and abort on the loop thread; the rest is the lane's (prl_stt_lane_ops).
// Memory:   an order and a reply are one block each and change owner with their message.
// Errors:   in the reply; `text` is then the reason.
#ifndef PRL_STT_WORKER_H
#define PRL_STT_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"
#include "net/lane.h"
#include "stt/backend.h"
#include "stt/route.h"

// Payload of a message to the lane; prl_msg.id is the order's number.
struct prl_stt_order {
    char language[PRL_STT_LANGUAGE_SIZE]; // "" unknown
    bool identify;                        // only find out the language
    bool careful; // decode again when the result looks wrong (not for partials)
    size_t samples;
    size_t prompt_len; // bytes behind the sound, with the terminating zero; 0 none
    int16_t pcm[];
};

// Payload of the message back, same id.
struct prl_stt_reply {
    enum prl_err err;
    char language[PRL_STT_LANGUAGE_SIZE]; // spoken in it; "" unknown
    float language_probability;           // 1 when it was given, 0 unknown
    const char *engine;                   // static; "" when none was asked
    int64_t work_us;
    struct prl_stt_margin margin;
    char text[]; // terminated
};

// prl_msg.type of a message to the lane.
enum prl_stt_order_kind {
    PRL_STT_ORDER,
    PRL_STT_ABORT, // to a child process: what prl_stt_worker_abort says
};

struct prl_share;
struct prl_stt_worker;

struct prl_stt_worker_conf {
    const struct prl_stt_paths *paths;                 // copied
    const struct prl_stt_backend_ops *const *backends; // by prl_stt_engine
    struct prl_stt_route route;
    struct prl_ort *ort;  // borrowed
    const char *language; // "" or the code that must be ready at the start
    bool traditional;
    int threads;             // at most; 0: see stt.h
    struct prl_cores *cores; // borrowed or NULL
    struct prl_share *share; // borrowed: replies go to its ports
};

enum prl_err prl_stt_worker_create(struct prl_stt_worker **out,
                                   const struct prl_stt_worker_conf *conf) PRL_MUST_USE;
// The lane must be gone.
void prl_stt_worker_destroy(struct prl_stt_worker **worker);
// Its own copy of the route; lives as long as the worker.
const struct prl_stt_route *prl_stt_worker_route(const struct prl_stt_worker *worker);
// Any thread: the order with this number ends soon with CANCELED, if it is running.
void prl_stt_worker_abort(struct prl_stt_worker *worker, uint64_t order);

// The lane works in a child process: abort is passed on to it through `lane`, borrowed; NULL: no more.
void prl_stt_worker_pass_on(struct prl_stt_worker *worker, struct prl_lane *lane);

// For prl_lane_conf.ops and .wire, with the worker as ctx.
extern const struct prl_lane_ops prl_stt_lane_ops;
extern const struct prl_lane_wire prl_stt_lane_wire;

#endif

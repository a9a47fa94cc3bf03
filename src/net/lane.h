// lane.h -- an actor thread that owns a model: it loads it, takes messages from a bounded queue and
// does blocking work in steps.
//
// Threads:  prl_lane_create, prl_lane_destroy on the loop thread; prl_lane_send* from any thread;
//           the functions of `ops` only on the lane's own thread, one at a time.
// Memory:   the queue is allocated in create. A message's payload changes owner as in mailbox.h.
// Errors:   FULL at `queue_max` waiting messages; CANCELED after the lane ended or failed to start.
//
// Order on the lane thread: start; then, until destroy: all waiting messages, then one step, and so
// on; with nothing to step it sleeps until a message comes. A step is uninterruptible: keep it
// short (one TTS clause, one prefill chunk); a cancel waits no longer than that.
#ifndef PRL_NET_LANE_H
#define PRL_NET_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"
#include "net/loop.h"

struct prl_lane;
struct prl_lane_isolate;
struct prl_lane_wire;
struct prl_cores;

enum { PRL_LANE_ERROR_SIZE = 512 };

struct prl_lane_ops {
    // Loads the model. On failure writes one line for the user (which file, what is wrong, what to
    // do) into error[PRL_LANE_ERROR_SIZE]; the lane then only drops messages and stop is not called.
    enum prl_err (*start)(void *ctx, char *error);
    // Owns msg->data; what it leaves in msg->data is freed by the lane.
    void (*message)(void *ctx, struct prl_msg *msg);
    // One step of work; true while there is more. May be NULL.
    bool (*step)(void *ctx);
    // Frees the model. Called once, after a successful start.
    void (*stop)(void *ctx);
};

// On the loop thread, once: error is NULL when start succeeded, else its text.
typedef void (*prl_lane_started_fn)(void *arg, enum prl_err err, const char *error);

struct prl_lane_conf {
    const char *name; // thread name, at most 15 bytes, e.g. "stt"; static
    int nice;         // 0..19 added for this thread, 10 for engines
    size_t queue_max; // most waiting messages
    const struct prl_lane_ops *ops;
    void *ctx;               // borrowed until prl_lane_destroy returns
    struct prl_cores *cores; // borrowed; told while a message or a step is worked on. NULL: nobody
    struct prl_loop *loop;
    prl_lane_started_fn started; // may be NULL
    void *started_arg;
    // The work is done in a child process (lane_process.h); `ops` then run there, not here, and `cores`
    // is the child's own. NULL: on this lane's thread. Both borrowed like ctx.
    const struct prl_lane_isolate *isolate;
    const struct prl_lane_wire *wire; // of the kind; needed with isolate
};

struct prl_lane_stats {
    size_t queue_len;     // now
    size_t queue_len_max; // most so far
    uint64_t messages;    // handled so far
    uint64_t steps;       // steps so far
    uint64_t full;        // sends refused
    int64_t wait_us_last; // queue wait of the newest handled message
    int64_t wait_us_max;  // longest queue wait
    int64_t step_us_max;  // longest step
    int64_t busy_us;      // time spent in message and step
};

enum prl_err prl_lane_create(struct prl_lane **out, const struct prl_lane_conf *conf) PRL_MUST_USE;
// Lets the running step finish, drops (frees) what waits, calls stop, joins. After it returns
// neither `started` nor `ops` is called. A lane that sends to a port with prl_port_send_wait must
// have that port closed before, or destroy waits for its timeout.
void prl_lane_destroy(struct prl_lane **lane);

enum prl_err prl_lane_send(struct prl_lane *lane, const struct prl_msg *msg) PRL_MUST_USE;
// Any thread but a loop's: waits for room.
enum prl_err prl_lane_send_wait(struct prl_lane *lane, const struct prl_msg *msg) PRL_MUST_USE;
// Overtakes everything sent with prl_lane_send (cancel), keeps its order among its own. Sixteen
// slots are kept for these beside queue_max, so that a cancel gets through a full queue.
enum prl_err prl_lane_send_first(struct prl_lane *lane, const struct prl_msg *msg) PRL_MUST_USE;
// Any thread; a snapshot.
void prl_lane_stats(struct prl_lane *lane, struct prl_lane_stats *stats);

#endif

// lane_process.h -- a lane whose work is done in a child process: starts it, carries messages, notices
// its death or a hang, starts it again.
//
// The child is this program with the arguments `lane KIND`, on descriptor 3 a socket, and runs the
// same prl_lane_ops (lane_child.h). What crosses are the messages of the lane, payloads as bytes: both
// ends are one program. What a payload may not hold (pointers) is put right by prl_lane_wire.
// Units:    microseconds of the monotonic clock, which both processes share.
// Threads:  prl_lane_process_run on the lane's thread, which it occupies; all of prl_lane_wire's
//           upper half on that thread too.
// Memory:   one frame each way; a frame's payload is bounded by PRL_LANE_FRAME_MAX.
// Errors:   a child that ends, hangs (hang_us) or sends what is no frame is killed and started again,
//           at once the first time, then after 0.5 s doubling to 30 s; what it had been asked is
//           answered by wire->lost, and so is what comes while it is waited for. One that fails at
//           the very first start fails the lane.
#ifndef PRL_NET_LANE_PROCESS_H
#define PRL_NET_LANE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"

enum {
    PRL_LANE_FD = 3,                // the child's end
    PRL_LANE_FRAME_MAX = 16 << 20,  // bytes; a prompt has 4 MiB at most, a piece of sound 1 MiB
    PRL_LANE_FRAME_MAGIC = 0x4c5250 // "PRL"
};

enum prl_lane_frame_kind {
    PRL_LANE_HELLO,   // to the child, first: what it must know
    PRL_LANE_MESSAGE, // both ways
    PRL_LANE_URGENT,  // to the child: prl_lane_send_first
    PRL_LANE_STARTED, // from the child: msg_type is the error of start, payload its text
    PRL_LANE_BEAT,    // from the child, four times a second: value[0] is how long the call that its
                      // lane is in has taken, 0: none
    PRL_LANE_FRAME_KINDS
};

struct prl_lane_frame {
    uint32_t magic;
    uint32_t kind; // enum prl_lane_frame_kind
    uint32_t type;
    uint32_t generation;
    uint64_t id;
    int64_t value[4];
    uint64_t base; // where the payload was, for payloads that point into themselves
    uint64_t size; // bytes that follow
};

// How a kind's messages cross. Each function may be NULL; `ctx` is the lane's.
struct prl_lane_wire {
    // In the parent. A message has been sent; may take msg->data.
    void (*sent)(void *ctx, struct prl_msg *msg);
    // A message came from the child: checks it and hands it on as the lane itself would, taking
    // msg->data. The byte behind the payload is zero. INVALID: no message of this kind.
    enum prl_err (*got)(void *ctx, struct prl_msg *msg);
    // The child is gone: answers what was sent and not answered. `soon`: a new one is started at once,
    // and what can be asked again may be kept for `again`.
    void (*lost)(void *ctx, const char *why, bool soon);
    // The next message that a new child must have before all others; false: no more. `sent` is not
    // called for these.
    bool (*again)(void *ctx, struct prl_msg *msg);
    // What the child's `describe` said. Called before `started` the first time, later again.
    void (*described)(void *ctx, const struct prl_msg *about);
    // In the child, before a message reaches the lane, on the thread that reads: puts right pointers
    // in a payload that was at `base`. True: the message has been dealt with.
    bool (*peek)(void *ctx, struct prl_msg *msg, uint64_t base);
    // In the child after start: value[] and data (text) for `described`.
    void (*describe)(void *ctx, struct prl_msg *about);
};

// How to make the child; one for all lanes of a server, borrowed by them.
struct prl_lane_isolate {
    const char *program;
    const void *hello; // the child's first frame
    size_t hello_size;
    int64_t hang_us; // a call that takes longer, or silence for so long, is a hang
};

struct prl_lane_process {
    const char *kind;
    const struct prl_lane_isolate *isolate;
    const struct prl_lane_wire *wire;
    void *ctx;   // of wire
    int wake_fd; // eventfd: something waits, or quit
    // Of the lane; `arg` is its own.
    bool (*take)(void *arg, struct prl_msg *msg, bool *urgent);
    bool (*is_quit)(void *arg);
    // Once, after the first start.
    void (*started)(void *arg, enum prl_err err, const char *error);
    void *arg;
};

// Returns at quit, or when the first start failed (`started` was told).
void prl_lane_process_run(const struct prl_lane_process *process);

// Whether a header may be believed.
bool prl_lane_frame_good(const struct prl_lane_frame *frame);

#endif

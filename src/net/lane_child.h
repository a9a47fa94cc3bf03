// lane_child.h -- the inside of a child process that does a lane's work (lane_process.h).
//
// The loop of the child takes what the worker sends to its port, and writes it to the parent; a thread
// reads the parent's messages and gives them to an ordinary lane. The process ends with the socket.
// Threads:  create, hello and run on the main thread.
// Memory:   one frame each way, and the lane's queue.
// Errors:   a parent that sends what is no frame, or is gone, ends run.
#ifndef PRL_NET_LANE_CHILD_H
#define PRL_NET_LANE_CHILD_H

#include <stddef.h>

#include "base/err.h"
#include "net/lane.h"
#include "net/lane_process.h"

struct prl_lane_child;
struct prl_share;

// `fd` is the socket, and is the child's from here on.
enum prl_err prl_lane_child_create(struct prl_lane_child **out, int fd) PRL_MUST_USE;
void prl_lane_child_destroy(struct prl_lane_child **child);
// Waits for the parent's first frame. *data is the caller's, with a zero behind it; *size without it.
enum prl_err prl_lane_child_hello(struct prl_lane_child *child, char **data,
                                  size_t *size) PRL_MUST_USE;
struct prl_loop *prl_lane_child_loop(struct prl_lane_child *child);
// Where the worker sends its results: those for every front go to the parent.
struct prl_share *prl_lane_child_share(struct prl_lane_child *child);
// Instead of run: tells the parent why not.
void prl_lane_child_fail(struct prl_lane_child *child, enum prl_err err, const char *why);
// Runs `lane` (name, nice, queue_max, ops, ctx and cores are used) until the parent is gone. The
// lane may then still be in a step: the caller ends the process without another word. An error: the
// lane's thread could not be made, and nothing runs.
enum prl_err prl_lane_child_run(struct prl_lane_child *child, const struct prl_lane_conf *lane,
                                const struct prl_lane_wire *wire) PRL_MUST_USE;

#endif

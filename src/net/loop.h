// loop.h -- one thread's event loop: timers, ports (messages from other threads), watched file
// descriptors, signals, and the alarm for callbacks that take too long.
//
// Units:    microseconds of prl_clock_now_us.
// Threads:  everything belongs to the thread that calls prl_loop_run, except prl_loop_stop,
//           prl_port_send and prl_port_send_wait, which any thread may call. Until prl_loop_run is
//           called for the first time the creating thread counts as the loop's thread.
// Memory:   one heap block an object. A destroyed object is never called back again.
// Errors:   a callback longer than `stall_us` is counted and logged with the name of what ran.
// Source:   libuv, wrapped here and nowhere else.
#ifndef PRL_NET_LOOP_H
#define PRL_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"

struct prl_loop;
struct prl_timer;
struct prl_port;
struct prl_watch;

struct prl_loop_conf {
    int64_t stall_us;  // 0: 5,000
    size_t timers_max; // 0: 8,192; timers, ports and watches are each refused above (LIMIT)
};

struct prl_loop_stats {
    uint64_t callbacks;
    uint64_t stalls;        // callbacks over stall_us
    int64_t stall_us_worst; // longest callback so far
    const char *stall_what; // name of the longest one, or NULL
    uint64_t messages;      // delivered by ports
    uint64_t messages_full; // sends that a full port refused
    size_t timers, watches; // now existing
};

// `conf` may be NULL for the defaults. SIGPIPE is ignored from then on in the whole process.
enum prl_err prl_loop_create(struct prl_loop **out, const struct prl_loop_conf *conf) PRL_MUST_USE;
// Runs callbacks until prl_loop_stop. May be called again afterwards.
void prl_loop_run(struct prl_loop *loop);
// Tests and tools: waits at most `wait_us` for something to happen, runs it, returns.
void prl_loop_turn(struct prl_loop *loop, int64_t wait_us);
// Any thread, also before prl_loop_run (which then returns at once).
void prl_loop_stop(struct prl_loop *loop);
// The thread that ran it has ended (joined): the caller's is the loop's from now on, to take apart what
// stands on it.
void prl_loop_adopt(struct prl_loop *loop);
// All timers, ports and watches must have been destroyed before.
void prl_loop_destroy(struct prl_loop **loop);

int64_t prl_loop_now_us(const struct prl_loop *loop);
void prl_loop_stats(const struct prl_loop *loop, struct prl_loop_stats *stats);
// Debug builds abort when the calling thread is not the loop's; free in release builds.
void prl_loop_check(const struct prl_loop *loop);

// SIGINT and SIGTERM call `fn` on the loop thread; one handler a loop, replaced by a second call,
// NULL removes it.
typedef void (*prl_signal_fn)(void *arg, int signal_number);
enum prl_err prl_loop_on_signal(struct prl_loop *loop, prl_signal_fn fn, void *arg) PRL_MUST_USE;

// Timers. `what` is a static name for the stall alarm.
typedef void (*prl_timer_fn)(void *arg);
enum prl_err prl_timer_create(struct prl_timer **out, struct prl_loop *loop, const char *what,
                              prl_timer_fn fn, void *arg) PRL_MUST_USE;
// One shot at absolute time `at_us` (in the past: at the next turn), never earlier, on an idle loop
// at most about 1 ms later. Starting a running timer moves it. Cannot fail.
void prl_timer_start(struct prl_timer *timer, int64_t at_us);
void prl_timer_stop(struct prl_timer *timer);
bool prl_timer_active(const struct prl_timer *timer);
// Also from inside its own callback.
void prl_timer_destroy(struct prl_timer **timer);

// Ports. `fn` gets each message on the loop thread and owns msg->data from then on (prl_msg_free,
// or take it and set msg->data to NULL). At most 256 messages a turn, so that sockets get theirs.
typedef void (*prl_port_fn)(void *arg, struct prl_msg *msg);
enum prl_err prl_port_open(struct prl_port **out, struct prl_loop *loop, size_t capacity,
                           prl_port_fn fn, void *arg) PRL_MUST_USE;
// Any thread. FULL: `capacity` messages wait; the payload stays the sender's. CANCELED: closed.
enum prl_err prl_port_send(struct prl_port *port, const struct prl_msg *msg) PRL_MUST_USE;
// Any thread but the loop's: waits for room at most `timeout_us` (TIMEOUT).
enum prl_err prl_port_send_wait(struct prl_port *port, const struct prl_msg *msg,
                                int64_t timeout_us) PRL_MUST_USE;
// Refuses further sends (CANCELED), wakes waiting senders; what waits is dropped and freed. Call it
// before the sending threads are joined, prl_port_destroy when they are gone.
void prl_port_close(struct prl_port *port);
void prl_port_destroy(struct prl_port **port);

// Watched descriptors. `events` is a set of PRL_WATCH_*; level triggered. PRL_WATCH_ERROR is only
// reported: the descriptor failed, reading it tells why.
enum { PRL_WATCH_READ = 1, PRL_WATCH_WRITE = 2, PRL_WATCH_ERROR = 4 };
typedef void (*prl_watch_fn)(void *arg, unsigned events);
enum prl_err prl_watch_create(struct prl_watch **out, struct prl_loop *loop, int fd,
                              const char *what, prl_watch_fn fn, void *arg) PRL_MUST_USE;
enum prl_err prl_watch_set(struct prl_watch *watch, unsigned events) PRL_MUST_USE;
// The descriptor stays open and is the caller's to close, after this call.
void prl_watch_destroy(struct prl_watch **watch);

// Runs a blocking function on a helper thread, then `done` on the loop thread: name resolution and
// the like, not engine work (that has lanes). `arg` must live until `done`, which always comes.
typedef void (*prl_work_fn)(void *arg);
enum prl_err prl_loop_work(struct prl_loop *loop, prl_work_fn work, prl_work_fn done,
                           void *arg) PRL_MUST_USE;

#endif

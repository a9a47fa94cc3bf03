// sctp_stack.h -- usrsctp behind a few plain functions: one association a socket, no threads of its
// own, no callback but two that only take notes.
//
// Units:    bytes; streams are SCTP stream ids below PRL_SCTP_STREAMS.
// Threads:  all of it on the one thread that called start; usrsctp's timers run inside tick.
// Memory:   usrsctp allocates on the heap; stop gives everything back.
// Errors:   each function says. What a peer sends never makes more fail than its own socket.
// Source:   usrsctp 0.9.5 as in Debian bookworm, wrapped here and nowhere else. The state is global
//           because usrsctp's is: one start, then one stop, a process at a time (CHECK).
#ifndef PRL_RTC_SCTP_STACK_H
#define PRL_RTC_SCTP_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/sctp.h"

struct prl_sctp_socket;

// Called from inside the functions below, sometimes with locks of usrsctp held: they must not call
// any function of this header.
struct prl_sctp_stack_ops {
    // A packet of the socket at `slot` has to leave; at most PRL_SCTP_PACKET_MAX bytes, borrowed.
    void (*packet)(void *arg, uint32_t slot, const uint8_t *data, size_t size);
    // The socket at `slot` may have something to read or room to write.
    void (*wake)(void *arg, uint32_t slot);
};

void prl_sctp_stack_start(const struct prl_sctp_stack_ops *ops, void *arg);
// All sockets must be closed.
void prl_sctp_stack_stop(void);
// Time has passed; every 10 ms while sockets exist.
void prl_sctp_stack_tick(uint32_t elapsed_ms);
// Fuzzing only: packets are accepted whatever their checksum says, and leave without one.
void prl_sctp_stack_ignore_checksums(void);

// Starts an association with the other side of `slot` (0..PRL_SCTP_ASSOCIATIONS_MAX - 1, no other
// socket may use it). NOMEM when usrsctp refuses, whatever it says. INIT leaves inside the call.
enum prl_err prl_sctp_socket_open(struct prl_sctp_socket **out, uint32_t slot,
                                  uint16_t remote_port) PRL_MUST_USE;
// Aborts (an ABORT leaves inside the call when the association stands) and frees.
void prl_sctp_socket_close(struct prl_sctp_socket **socket);
// A packet of the other side of `slot`, which has an open socket.
void prl_sctp_stack_input(uint32_t slot, const uint8_t *data, size_t size);

// A whole message, ordered and reliable. AGAIN: no room now, nothing was taken. IO: it cannot be
// sent (stream out of range, association ended).
enum prl_err prl_sctp_socket_send(struct prl_sctp_socket *socket, uint16_t stream, uint32_t ppid,
                                  const void *data, size_t size) PRL_MUST_USE;
// Resets the outgoing side of a stream behind what was sent on it. AGAIN: another reset is still
// under way. IO: the peer cannot do it.
enum prl_err prl_sctp_socket_reset(struct prl_sctp_socket *socket, uint16_t stream) PRL_MUST_USE;

enum prl_sctp_read_type {
    PRL_SCTP_READ_DATA,      // stream, ppid, size, end
    PRL_SCTP_READ_UP,        // the association stands
    PRL_SCTP_READ_DOWN,      // why; it has ended
    PRL_SCTP_READ_RESET_IN,  // streams: the peer has reset them, everything before was read
    PRL_SCTP_READ_RESET_OUT, // streams: ours are reset, or the peer refused it
    PRL_SCTP_READ_CUT,       // stream: the rest of the message that was being read will not come
    PRL_SCTP_READ_DRY,       // all that was sent has been acknowledged
    PRL_SCTP_READ_OTHER,     // nothing of interest
};

struct prl_sctp_read {
    enum prl_sctp_read_type type;
    enum prl_sctp_why why;
    uint16_t stream;
    uint32_t ppid;
    size_t size;      // bytes in the buffer
    bool end;         // of the message; pieces of one message follow each other
    uint64_t streams; // bit n: stream n
};

// The next thing in the order it came; AGAIN when there is nothing. `capacity` at least 4,096.
enum prl_err prl_sctp_socket_read(struct prl_sctp_socket *socket, uint8_t *data, size_t capacity,
                                  struct prl_sctp_read *read) PRL_MUST_USE;

#endif

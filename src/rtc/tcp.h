// tcp.h -- passive TCP candidates of one loop: accepted streams that carry framed datagrams.
//
// Until its first datagram has been recognised by the owner a stream is a stranger: strangers are few,
// short-lived, and that one datagram decides.
// Units:    bytes, microseconds.
// Threads:  the loop thread.
// Memory:   tables in create; a stream at accept (about 2 KB) and its send buffer once it is known.
//           Sending allocates nothing.
// Errors:   garbage, a slow reader (PRL_TCP_SEND_MAX waits) or a broken connection ends the stream.
// Bounds:   streams_max streams in all, further ones are closed at accept; PRL_TCP_STRANGERS_MAX
//           strangers, the oldest makes room; a stranger lives PRL_TCP_STRANGER_US.
// Source:   RFC 6544 §3 and §5, RFC 4571.
#ifndef PRL_RTC_TCP_H
#define PRL_RTC_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"
#include "rtc/ice.h"

enum {
    PRL_TCP_STRANGERS_MAX = 64,
    PRL_TCP_STRANGER_US = 5000000,
    PRL_TCP_SEND_MAX = 32768,  // behind the kernel's buffer: seconds of sound
    PRL_TCP_KERNEL_MAX = 65536 // of sound that is old when it arrives
};

struct prl_tcp;

struct prl_tcp_ops {
    // Whether to talk with this address at all.
    bool (*on_accept)(void *arg, const union prl_sockaddr *remote);
    // One datagram, borrowed. False from a stranger's first one: it is closed. May call prl_tcp_send
    // and prl_tcp_close.
    bool (*on_datagram)(void *arg, const struct prl_ice_path *path, const uint8_t *data,
                        size_t size, int64_t now_us);
    // A stream that was known has ended; not after prl_tcp_close.
    void (*on_closed)(void *arg, const struct prl_ice_path *path);
};

struct prl_tcp_stats {
    size_t streams, strangers; // now
    uint64_t refused;          // no room, address not allowed
    uint64_t garbage;          // strangers that were not recognised, and broken framing
    uint64_t expired;          // strangers that said nothing in time
    uint64_t slow;             // did not read
};

enum prl_err prl_tcp_create(struct prl_tcp **out, struct prl_loop *loop, size_t streams_max,
                            const struct prl_tcp_ops *ops, void *arg) PRL_MUST_USE;
void prl_tcp_destroy(struct prl_tcp **tcp);
// Numeric; port 0 takes a free one. Errors as prl_acceptor_add, which logs the reason.
enum prl_err prl_tcp_listen(struct prl_tcp *tcp, const char *address, uint16_t port) PRL_MUST_USE;
// The `index`-th listening address. NOTFOUND: there are fewer.
enum prl_err prl_tcp_bound(const struct prl_tcp *tcp, size_t index,
                           union prl_sockaddr *bound) PRL_MUST_USE;
// Dropped when there is no such stream. What cannot be written ends the stream at the next turn.
void prl_tcp_send(struct prl_tcp *tcp, const struct prl_ice_path *path, const void *data,
                  size_t size);
void prl_tcp_close(struct prl_tcp *tcp, const struct prl_ice_path *path);
void prl_tcp_stats(const struct prl_tcp *tcp, struct prl_tcp_stats *stats);

#endif

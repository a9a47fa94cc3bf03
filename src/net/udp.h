// udp.h -- one UDP socket on the loop that talks with many peers.
//
// Datagrams come with the address that they were sent to, and leave from the address that the caller
// names: behind a wildcard an answer must not leave from another interface (RFC 8445 §2.2).
// Threads:  the loop thread.
// Memory:   one block in create (receive batch and send queue, about 0.6 MB); nothing afterwards.
// Errors:   what the network refuses (no route, ICMP) is a lost datagram, counted. A full kernel
//           buffer fills our queue of PRL_UDP_QUEUE_MAX datagrams; above that the newest is dropped.
// Source:   ip(7), ipv6(7), recvmmsg(2).
#ifndef PRL_NET_UDP_H
#define PRL_NET_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/acceptor.h"
#include "net/loop.h"

enum {
    PRL_UDP_SIZE_MAX = 1500,  // larger datagrams are not sent, and dropped when they come
    PRL_UDP_TURN_MAX = 256,   // datagrams taken in one loop turn; other callbacks get theirs
    PRL_UDP_QUEUE_MAX = 256,  // datagrams
    PRL_UDP_BUFFER = 4 << 20, // bytes asked of the kernel, each way
};

struct prl_udp;

struct prl_udp_datagram {
    const uint8_t *data; // borrowed for the call
    size_t size;         // 0..PRL_UDP_SIZE_MAX
    union prl_sockaddr remote;
    union prl_sockaddr local; // the address it was sent to; our port
    int64_t arrival_us;
};
// May send on the socket; may not destroy it. What is sent meanwhile leaves in one batch at the end.
typedef void (*prl_udp_fn)(void *arg, const struct prl_udp_datagram *datagram);

struct prl_udp_stats {
    uint64_t in, out, in_bytes, out_bytes;
    uint64_t oversize;    // came larger than PRL_UDP_SIZE_MAX
    uint64_t out_refused; // by the system: no route, no such local address
    uint64_t out_dropped; // queue full
    size_t out_queued;    // now
};

// `address` is numeric, "::" means IPv6 only. Port 0 takes a free one. IO: cannot be bound, the reason
// is in the log; INVALID: not numeric.
enum prl_err prl_udp_create(struct prl_udp **out, struct prl_loop *loop, const char *address,
                            uint16_t port, prl_udp_fn fn, void *arg) PRL_MUST_USE;
void prl_udp_destroy(struct prl_udp **udp);
// Asked with getsockname.
const union prl_sockaddr *prl_udp_bound(const struct prl_udp *udp);
// Sends now, or queues. `local` (its address only) may be NULL: the system's choice. Both of the
// socket's family.
void prl_udp_send(struct prl_udp *udp, const void *data, size_t size,
                  const union prl_sockaddr *remote, const union prl_sockaddr *local);
void prl_udp_stats(const struct prl_udp *udp, struct prl_udp_stats *stats);

#endif

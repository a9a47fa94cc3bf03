// udp.c -- see udp.h. The socket is never connected, so ICMP errors of one peer reach nobody
// (Linux reports them to connected sockets only).
#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    BATCH = 32,
    SLOT_SIZE = 1504, // one datagram, a multiple of 8
    CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)),
};
_Static_assert((int)SLOT_SIZE >= (int)PRL_UDP_SIZE_MAX, "a slot holds a datagram");
_Static_assert((int)PRL_UDP_TURN_MAX % BATCH == 0, "whole batches");
_Static_assert(CMSG_SPACE(sizeof(struct in_pktinfo)) <= CONTROL_SIZE, "room for either family");

struct outgoing {
    union prl_sockaddr remote;
    union prl_sockaddr local; // family AF_UNSPEC: the system's choice
    size_t size;
    uint8_t data[SLOT_SIZE];
};

// Ancillary data must be aligned as a cmsghdr.
union control {
    struct cmsghdr head;
    uint8_t bytes[CONTROL_SIZE];
};

struct prl_udp {
    // Set once.
    struct prl_loop *loop;
    prl_udp_fn fn;
    void *arg;
    union prl_sockaddr bound;
    // Owned.
    int fd;
    struct prl_watch *watch;
    // State.
    bool receiving; // sends wait for the end of the batch
    struct prl_udp_stats stats;
    size_t first, count; // of the send queue
    union prl_sockaddr remotes[BATCH];
    union control controls[BATCH];
    struct iovec pieces[BATCH];
    struct mmsghdr messages[BATCH];
    uint8_t data[BATCH][SLOT_SIZE];
    struct outgoing queue[PRL_UDP_QUEUE_MAX];
};

// ---- create ----

static bool parse_address(const char *text, uint16_t port, union prl_sockaddr *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) != 1)
        return false;
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    return true;
}

static socklen_t address_size(const union prl_sockaddr *address)
{
    return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

static void enlarge(int fd, int name, int name_force)
{
    int size = PRL_UDP_BUFFER;
    // With the capability beyond the system's limit, otherwise as far as it goes.
    if (setsockopt(fd, SOL_SOCKET, name_force, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size));
}

static bool set_options(int fd, int family)
{
    static const int on = 1;
    enlarge(fd, SO_RCVBUF, SO_RCVBUFFORCE);
    enlarge(fd, SO_SNDBUF, SO_SNDBUFFORCE);
    // A forged "fragmentation needed" must not make our packets fail.
    if (family == AF_INET) {
        static const int discover = IP_PMTUDISC_OMIT;
        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
        return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0;
    }
    static const int discover = IPV6_PMTUDISC_OMIT;
    setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) == 0;
}

static enum prl_err open_socket(struct prl_udp *udp, const char *address, uint16_t port)
{
    union prl_sockaddr at;
    if (!parse_address(address, port, &at)) {
        prl_log(PRL_LOG_ERROR, "net", "cannot use '%s' for UDP: not a numeric address", address);
        return PRL_ERR_INVALID;
    }
    udp->fd = socket(at.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(udp->bound);
    if (udp->fd >= 0 && set_options(udp->fd, at.any.sa_family) &&
        bind(udp->fd, &at.any, address_size(&at)) == 0 &&
        getsockname(udp->fd, &udp->bound.any, &size) == 0)
        return PRL_OK;
    const char *why = errno == EADDRINUSE      ? "the port is in use by another program"
                      : errno == EACCES        ? "no permission for this port"
                      : errno == EADDRNOTAVAIL ? "this machine has no such address"
                      : errno == EAFNOSUPPORT  ? "this machine does not speak this family"
                                               : "the system refused";
    prl_log(PRL_LOG_ERROR, "net", "cannot listen on %s UDP port %u: %s", address, port, why);
    return PRL_ERR_IO;
}

// ---- receiving ----

// Where the datagram was sent to: the socket's own address unless the system tells.
static void read_local(const struct prl_udp *udp, struct msghdr *message, union prl_sockaddr *local)
{
    *local = udp->bound;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof(info));
            local->v4.sin_addr = info.ipi_addr;
        } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof(info));
            local->v6.sin6_addr = info.ipi6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                local->v6.sin6_scope_id = info.ipi6_ifindex;
        }
    }
}

static void prepare_receive(struct prl_udp *udp)
{
    for (size_t i = 0; i < BATCH; i++) {
        udp->pieces[i] = (struct iovec){udp->data[i], PRL_UDP_SIZE_MAX};
        udp->messages[i].msg_hdr = (struct msghdr){.msg_name = &udp->remotes[i],
                                                   .msg_namelen = sizeof(udp->remotes[i]),
                                                   .msg_iov = &udp->pieces[i],
                                                   .msg_iovlen = 1,
                                                   .msg_control = &udp->controls[i],
                                                   .msg_controllen = sizeof(udp->controls[i])};
    }
}

static void deliver(struct prl_udp *udp, size_t index, int64_t now_us)
{
    struct mmsghdr *message = &udp->messages[index];
    if (message->msg_hdr.msg_flags & MSG_TRUNC) {
        udp->stats.oversize++;
        return;
    }
    struct prl_udp_datagram datagram = {.data = udp->data[index],
                                        .size = message->msg_len,
                                        .remote = udp->remotes[index],
                                        .arrival_us = now_us};
    read_local(udp, &message->msg_hdr, &datagram.local);
    udp->stats.in++;
    udp->stats.in_bytes += message->msg_len;
    udp->fn(udp->arg, &datagram);
}

// ---- sending ----

static void prepare_send(struct prl_udp *udp, size_t index, struct outgoing *outgoing)
{
    struct msghdr *head = &udp->messages[index].msg_hdr;
    union control *control = &udp->controls[index];
    udp->pieces[index] = (struct iovec){outgoing->data, outgoing->size};
    *head = (struct msghdr){.msg_name = &outgoing->remote,
                            .msg_namelen = address_size(&outgoing->remote),
                            .msg_iov = &udp->pieces[index],
                            .msg_iovlen = 1};
    if (outgoing->local.any.sa_family == AF_UNSPEC)
        return;
    memset(control, 0, sizeof(*control));
    head->msg_control = control;
    head->msg_controllen = sizeof(*control);
    struct cmsghdr *at = CMSG_FIRSTHDR(head);
    if (outgoing->local.any.sa_family == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = outgoing->local.v4.sin_addr};
        at->cmsg_level = IPPROTO_IP;
        at->cmsg_type = IP_PKTINFO;
        at->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(at), &info, sizeof(info));
        head->msg_controllen = CMSG_SPACE(sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_addr = outgoing->local.v6.sin6_addr,
                                   .ipi6_ifindex = outgoing->local.v6.sin6_scope_id};
        at->cmsg_level = IPPROTO_IPV6;
        at->cmsg_type = IPV6_PKTINFO;
        at->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(at), &info, sizeof(info));
        head->msg_controllen = CMSG_SPACE(sizeof(info));
    }
}

// Gives the kernel what is queued, as far as it takes it.
static void flush(struct prl_udp *udp)
{
    while (udp->count > 0) {
        size_t batch = udp->count < BATCH ? udp->count : BATCH;
        for (size_t i = 0; i < batch; i++)
            prepare_send(udp, i, &udp->queue[(udp->first + i) % PRL_UDP_QUEUE_MAX]);
        int sent = sendmmsg(udp->fd, udp->messages, (unsigned)batch, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
            break;
        // An error belongs to the first datagram of the batch: it is lost, the others go on.
        size_t gone = sent > 0 ? (size_t)sent : 1;
        for (size_t i = 0; i < gone && sent > 0; i++) {
            udp->stats.out++;
            udp->stats.out_bytes += udp->messages[i].msg_len;
        }
        udp->stats.out_refused += sent > 0 ? 0 : 1;
        udp->first = (udp->first + gone) % PRL_UDP_QUEUE_MAX;
        udp->count -= gone;
    }
    unsigned wanted = PRL_WATCH_READ | (udp->count > 0 ? PRL_WATCH_WRITE : 0);
    if (prl_watch_set(udp->watch, wanted) != PRL_OK)
        prl_log(PRL_LOG_ERROR, "net", "a UDP socket can no longer be watched");
}

static void receive(struct prl_udp *udp)
{
    for (int done = 0; done < PRL_UDP_TURN_MAX; done += BATCH) {
        prepare_receive(udp);
        int count = recvmmsg(udp->fd, udp->messages, BATCH, 0, NULL);
        if (count <= 0)
            return;
        int64_t now_us = prl_clock_now_us();
        udp->receiving = true;
        for (int i = 0; i < count; i++)
            deliver(udp, (size_t)i, now_us);
        udp->receiving = false;
        flush(udp);
        if (count < BATCH)
            return;
    }
}

static void on_events(void *arg, unsigned events)
{
    struct prl_udp *udp = arg;
    if (events & PRL_WATCH_ERROR) {
        // Reading the error clears it; the watch has been stopped and is set again in flush.
        int error = 0;
        socklen_t size = sizeof(error);
        getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    receive(udp);
    flush(udp);
}

// ---- public ----

enum prl_err prl_udp_create(struct prl_udp **out, struct prl_loop *loop, const char *address,
                            uint16_t port, prl_udp_fn fn, void *arg)
{
    PRL_CHECK(out && loop && address && fn);
    *out = NULL;
    struct prl_udp *udp = prl_mem_zalloc(sizeof(*udp));
    if (!udp)
        return PRL_ERR_NOMEM;
    udp->fd = -1;
    udp->loop = loop;
    udp->fn = fn;
    udp->arg = arg;
    enum prl_err err = open_socket(udp, address, port);
    if (!err)
        err = prl_watch_create(&udp->watch, loop, udp->fd, "udp", on_events, udp);
    if (!err)
        err = prl_watch_set(udp->watch, PRL_WATCH_READ);
    if (err) {
        prl_udp_destroy(&udp);
        return err;
    }
    *out = udp;
    return PRL_OK;
}

void prl_udp_destroy(struct prl_udp **udp_at)
{
    struct prl_udp *udp = *udp_at;
    if (!udp)
        return;
    PRL_CHECK(!udp->receiving);
    prl_watch_destroy(&udp->watch);
    if (udp->fd >= 0)
        close(udp->fd);
    prl_mem_free(udp);
    *udp_at = NULL;
}

const union prl_sockaddr *prl_udp_bound(const struct prl_udp *udp)
{
    return &udp->bound;
}

void prl_udp_send(struct prl_udp *udp, const void *data, size_t size,
                  const union prl_sockaddr *remote, const union prl_sockaddr *local)
{
    prl_loop_check(udp->loop);
    PRL_CHECK(size <= PRL_UDP_SIZE_MAX);
    PRL_CHECK(remote->any.sa_family == udp->bound.any.sa_family);
    if (udp->count == PRL_UDP_QUEUE_MAX) {
        udp->stats.out_dropped++;
        return;
    }
    struct outgoing *outgoing = &udp->queue[(udp->first + udp->count) % PRL_UDP_QUEUE_MAX];
    memcpy(outgoing->data, data, size);
    outgoing->size = size;
    outgoing->remote = *remote;
    outgoing->local.any.sa_family = AF_UNSPEC;
    if (local)
        outgoing->local = *local;
    udp->count++;
    // While earlier ones wait for the kernel, the watch will flush.
    if (!udp->receiving && udp->count == 1)
        flush(udp);
}

void prl_udp_stats(const struct prl_udp *udp, struct prl_udp_stats *stats)
{
    *stats = udp->stats;
    stats->out_queued = udp->count;
}

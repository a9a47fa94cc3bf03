// acceptor.c -- see acceptor.h.
#include "net/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    BACKLOG = 512,
    ACCEPTS_PER_TURN = 32,  // existing connections come first
    UNACKED_MS_MAX = 60000, // a peer that vanished with our bytes under way
    KEEPALIVE_IDLE_S = 60,
};

struct listener {
    struct prl_acceptor *acceptor;
    struct prl_watch *watch;
    int fd;
};

struct prl_acceptor {
    struct prl_loop *loop;
    bool reuse_port;
    prl_accept_fn fn;
    void *arg;
    int reserve_fd; // given up for a moment when descriptors run out
    size_t count;
    struct listener listeners[PRL_ACCEPTOR_MAX];
};

static void tune(int fd)
{
    static const int on = 1;
    static const int idle_s = KEEPALIVE_IDLE_S;
    static const unsigned unacked_ms = UNACKED_MS_MAX;
    // Best effort: a refusal costs speed, not correctness.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
}

// Without a descriptor the waiting connection would wake us for ever: it is taken and dropped.
static void drop_one(struct prl_acceptor *acceptor, int listen_fd)
{
    close(acceptor->reserve_fd);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prl_log(PRL_LOG_WARN, "net", "out of file descriptors: a connection was dropped");
}

static void on_ready(void *arg, unsigned events)
{
    struct listener *listener = arg;
    struct prl_acceptor *acceptor = listener->acceptor;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct prl_accepted accepted = {.index = (size_t)(listener - acceptor->listeners)};
        socklen_t size = sizeof(accepted.peer);
        accepted.fd =
            accept4(listener->fd, &accepted.peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted.fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                drop_one(acceptor, listener->fd);
            return;
        }
        tune(accepted.fd);
        acceptor->fn(acceptor->arg, &accepted);
    }
}

static bool parse_address(const char *text, uint16_t port, union prl_sockaddr *address,
                          socklen_t *size)
{
    memset(address, 0, sizeof(*address));
    if (strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        *size = sizeof(address->v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1)
        return false;
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(port);
    *size = sizeof(address->v6);
    return true;
}

static int open_socket(const struct prl_acceptor *acceptor, const union prl_sockaddr *address,
                       socklen_t size)
{
    static const int on = 1;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (good && acceptor->reuse_port)
        good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
    // "::" means IPv6 only: who wants both lists both, and the rules see one form of an address.
    if (good && address->any.sa_family == AF_INET6)
        good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    good = good && bind(fd, &address->any, size) == 0 && listen(fd, BACKLOG) == 0;
    if (good)
        return fd;
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

enum prl_err prl_acceptor_create(struct prl_acceptor **out, struct prl_loop *loop, bool reuse_port,
                                 prl_accept_fn fn, void *arg)
{
    struct prl_acceptor *acceptor = *out = prl_mem_zalloc(sizeof(*acceptor));
    if (!acceptor)
        return PRL_ERR_NOMEM;
    acceptor->loop = loop;
    acceptor->reuse_port = reuse_port;
    acceptor->fn = fn;
    acceptor->arg = arg;
    acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return PRL_OK;
}

enum prl_err prl_acceptor_add(struct prl_acceptor *acceptor, const char *address, uint16_t port)
{
    union prl_sockaddr at;
    socklen_t size;
    PRL_CHECK(acceptor->count < PRL_ACCEPTOR_MAX);
    if (!parse_address(address, port, &at, &size)) {
        prl_log(PRL_LOG_ERROR, "net", "cannot listen on '%s': not a numeric address", address);
        return PRL_ERR_INVALID;
    }
    struct listener *listener = &acceptor->listeners[acceptor->count];
    listener->acceptor = acceptor;
    listener->fd = open_socket(acceptor, &at, size);
    if (listener->fd < 0) {
        const char *why = errno == EADDRINUSE      ? "the port is in use by another program"
                          : errno == EACCES        ? "no permission for this port"
                          : errno == EADDRNOTAVAIL ? "this machine has no such address"
                                                   : "the system refused";
        prl_log(PRL_LOG_ERROR, "net", "cannot listen on %s port %u: %s", address, port, why);
        return PRL_ERR_IO;
    }
    enum prl_err err = prl_watch_create(&listener->watch, acceptor->loop, listener->fd, "accept",
                                        on_ready, listener);
    if (!err)
        err = prl_watch_set(listener->watch, PRL_WATCH_READ);
    if (err) {
        prl_watch_destroy(&listener->watch);
        close(listener->fd);
        return err;
    }
    acceptor->count++;
    return PRL_OK;
}

enum prl_err prl_acceptor_bound(const struct prl_acceptor *acceptor, size_t index,
                                union prl_sockaddr *bound)
{
    socklen_t size = sizeof(*bound);
    memset(bound, 0, sizeof(*bound));
    if (index >= acceptor->count)
        return PRL_ERR_NOTFOUND;
    return getsockname(acceptor->listeners[index].fd, &bound->any, &size) == 0 ? PRL_OK
                                                                               : PRL_ERR_IO;
}

void prl_acceptor_destroy(struct prl_acceptor **acceptor_at)
{
    struct prl_acceptor *acceptor = *acceptor_at;
    if (!acceptor)
        return;
    for (size_t i = 0; i < acceptor->count; i++) {
        prl_watch_destroy(&acceptor->listeners[i].watch);
        close(acceptor->listeners[i].fd);
    }
    if (acceptor->reserve_fd >= 0)
        close(acceptor->reserve_fd);
    prl_mem_free(acceptor);
    *acceptor_at = NULL;
}

void prl_sockaddr_text(const union prl_sockaddr *address, char *text, size_t size)
{
    const char *done = NULL;
    if (address->any.sa_family == AF_INET)
        done = inet_ntop(AF_INET, &address->v4.sin_addr, text, (socklen_t)size);
    else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        done = inet_ntop(AF_INET, &address->v6.sin6_addr.s6_addr[12], text, (socklen_t)size);
    else if (address->any.sa_family == AF_INET6)
        done = inet_ntop(AF_INET6, &address->v6.sin6_addr, text, (socklen_t)size);
    if (!done && size > 0)
        text[0] = '\0';
}

uint16_t prl_sockaddr_port(const union prl_sockaddr *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}

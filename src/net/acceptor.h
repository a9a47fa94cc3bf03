// acceptor.h -- listening sockets of one loop.
//
// Several loops may listen on the same address (reuse_port): the kernel spreads connections.
// Threads:  the loop thread.
// Memory:   one block; at most PRL_ACCEPTOR_MAX sockets.
// Errors:   an address that cannot be bound is logged with its reason; IO, INVALID.
#ifndef PRL_NET_ACCEPTOR_H
#define PRL_NET_ACCEPTOR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"

enum { PRL_ACCEPTOR_MAX = 16 };

struct prl_acceptor;

union prl_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct prl_accepted {
    int fd;       // non-blocking, the callback's to close
    size_t index; // of the listening socket
    union prl_sockaddr peer;
};
typedef void (*prl_accept_fn)(void *arg, const struct prl_accepted *accepted);

enum prl_err prl_acceptor_create(struct prl_acceptor **out, struct prl_loop *loop, bool reuse_port,
                                 prl_accept_fn fn, void *arg) PRL_MUST_USE;
// "localhost" or a numeric address; port 0 takes a free one. Sockets get indexes from 0 upward.
enum prl_err prl_acceptor_add(struct prl_acceptor *acceptor, const char *address,
                              uint16_t port) PRL_MUST_USE;
// Asked with getsockname, not remembered.
enum prl_err prl_acceptor_bound(const struct prl_acceptor *acceptor, size_t index,
                                union prl_sockaddr *bound) PRL_MUST_USE;
void prl_acceptor_destroy(struct prl_acceptor **acceptor);

// Canonical text of the address (origin.h) without port; "" when it is of another family.
void prl_sockaddr_text(const union prl_sockaddr *address, char *text, size_t size);
uint16_t prl_sockaddr_port(const union prl_sockaddr *address);

#endif

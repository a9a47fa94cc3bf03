// link.h -- long-lived WebSocket connections to engines elsewhere, lent to one job at a time.
//
// A job takes a connection to its engine, an idle one where there is one, and gives it back when the
// engine owes it nothing more, or drops it. What comes on an idle connection ends it. One that was idle
// and proves to be closed before a word came of it is replaced by a new one, which is told the same.
// Units:    milliseconds.
// Threads:  the loop thread; callbacks arrive on it, never from inside a call.
// Memory:   one WebSocket client a connection; texts are copied. A key is wiped when freed.
// Errors:   through `failed`, with what net/fetch.h calls the failure and one line without secrets;
//           the link is gone then. LIMIT above PRL_LINKS_MAX connections.
// Bounds:   PRL_LINKS_MAX connections, PRL_LINKS_IDLE_MAX of them idle (the oldest goes);
//           PRL_LINK_AGAIN_MAX bytes that can be said again, beyond which a closed one has failed.
#ifndef PRL_ENGINE_LINK_H
#define PRL_ENGINE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/fetch.h"
#include "net/loop.h"

struct prl_links;
struct prl_link;

enum { PRL_LINKS_MAX = 1024, PRL_LINKS_IDLE_MAX = 16, PRL_LINK_AGAIN_MAX = 256 << 10 };

struct prl_links_conf {
    struct prl_loop *loop; // borrowed
    const char *ca_file;   // further trusted certificates (PEM), or NULL; copied
    bool insecure;
};

// Where to; strings are copied.
struct prl_link_to {
    const char *url;    // "ws://…"
    const char *bearer; // "": none
    int32_t connect_ms; // resolve, connect, TLS and upgrade, if a connection must be made
};

// Each may take, give back and drop links.
struct prl_link_ops {
    void (*text)(void *arg, const char *data, size_t len);
    void (*binary)(void *arg, const char *data, size_t len); // one whole message
    void (*failed)(void *arg, enum prl_fetch_failure failure, const char *why);
};

enum prl_err prl_links_create(struct prl_links **out,
                              const struct prl_links_conf *conf) PRL_MUST_USE;
// No link may be lent.
void prl_links_destroy(struct prl_links **links);
size_t prl_links_count(const struct prl_links *links); // lent and idle

// What is sent before it is open waits. INVALID: the URL.
enum prl_err prl_link_take(struct prl_links *links, const struct prl_link_to *to,
                           const struct prl_link_ops *ops, void *arg,
                           struct prl_link **out) PRL_MUST_USE;
// Opens a connection that the next take may have, unless one idles or is being opened already; says
// whether it did. What comes on it before it is taken is a greeting, and dropped.
bool prl_links_warm(struct prl_links *links, const struct prl_link_to *to);
enum prl_err prl_link_send_text(struct prl_link *link, const char *data, size_t len) PRL_MUST_USE;
enum prl_err prl_link_send_binary(struct prl_link *link, const void *data, size_t len) PRL_MUST_USE;
// Fails with `failure` when no message has come in `ms` from now; 0: nothing is awaited.
void prl_link_await(struct prl_link *link, int32_t ms, enum prl_fetch_failure failure);
// Says what holds for all that follows (a voice, a language), unless it was the last of this kind that
// the connection was told. Before anything else of a loan.
enum prl_err prl_link_greet(struct prl_link *link, const char *data, size_t len) PRL_MUST_USE;
// No callback afterwards. NULL is fine.
void prl_link_give(struct prl_link **link);
void prl_link_drop(struct prl_link **link);

#endif

// server.h -- what serves clients: for each loop the fronts of the engines, sessions, calls and HTTP.
//
// The first server listens and owns the engines' threads, the data channels' thread, the client secrets
// and the file of traces. The others have their own sessions and UDP port and join it in the rest.
// Threads:  create, destroy and drain on the thread that runs the first one's loop; the others run on a
//           thread each, which must be joined before destroy. Callbacks come on the first one's loop.
// Memory:   one block a server, PRL_SERVERS_MAX of them.
// Errors:   the reason is in the log as one sentence.
#ifndef PRL_SERVER_SERVER_H
#define PRL_SERVER_SERVER_H

#include "api/auth.h"
#include "api/talks.h"
#include "net/loop.h"
#include "server/settings.h"

struct prl_server;

enum { PRL_SERVERS_MAX = 8 };

struct prl_server_conf { // all borrowed
    const struct prl_settings *settings;
    const struct prl_auth *auth;
    struct prl_loop *loop;                      // of the first; the others make theirs
    struct prl_talks_loops *loops;              // NULL: there is one loop
    void (*ready)(void *arg);                   // all engines of all loops have answered
    void (*failed)(void *arg, const char *why); // at most once a loop
    void *arg;
    struct prl_server *first; // the rest is set by create
    size_t index;
};

// Makes conf->loops->count servers (without `loops` one), and listens. On failure all
// are NULL.
enum prl_err prl_servers_create(struct prl_server **servers,
                                const struct prl_server_conf *conf) PRL_MUST_USE;
// No loop may run any more.
void prl_servers_destroy(struct prl_server **servers, size_t count);
// Stops listening and lets clients know.
void prl_servers_drain(struct prl_server *const *servers, size_t count);
struct prl_loop *prl_server_loop(const struct prl_server *server);

#endif

// http_join.c -- several servers, each on its loop: a connection whose request belongs to another one goes
// there. What moves is the whole struct, put on a stack of the receiver without a lock; a message to its
// port only wakes it. So nothing can be full: there are as many as there are connections.
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/http_conn.h"

struct prl_http_joined {
    // Set once.
    struct prl_http *servers[PRL_HTTP_SERVERS_MAX];
    size_t count;
    size_t number; // of this server
    prl_http_owner_fn owner;
    void *owner_arg;
    // Owned.
    struct prl_port *port;
    // Connections on their way here, linked by `next`; any thread puts, this loop takes all.
    _Atomic(struct prl_http_request *) arrived;
};

static void take_arrived(struct prl_http *http)
{
    struct prl_http_request *conn =
        atomic_exchange_explicit(&http->joined->arrived, NULL, memory_order_acquire);
    while (conn) {
        struct prl_http_request *next = conn->next;
        prl_http_conn_link(conn, http);
        http->stats.moved++;
        prl_http_conn_arrive(conn);
        conn = next;
    }
}

static void on_wake(void *arg, struct prl_msg *msg)
{
    (void)msg;
    take_arrived(arg);
}

static enum prl_err join_one(struct prl_http *const *servers, size_t count, size_t number)
{
    struct prl_http *http = servers[number];
    PRL_CHECK(http->joined == NULL);
    http->joined = prl_mem_zalloc(sizeof(*http->joined));
    if (!http->joined)
        return PRL_ERR_NOMEM;
    memcpy(http->joined->servers, servers, count * sizeof(struct prl_http *));
    http->joined->count = count;
    http->open = &servers[0]->own_open;
    http->joined->number = number;
    atomic_init(&http->joined->arrived, NULL);
    // One message that waits is enough: it fetches all.
    return prl_port_open(&http->joined->port, http->loop, 1, on_wake, http);
}

enum prl_err prl_http_join(struct prl_http *const *servers, size_t count, prl_http_owner_fn owner,
                           void *const *owner_args)
{
    PRL_CHECK(servers != NULL && owner != NULL && owner_args != NULL);
    PRL_CHECK(count >= 1 && count <= PRL_HTTP_SERVERS_MAX);
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < count && !err; i++) {
        err = join_one(servers, count, i);
        if (err)
            break;
        servers[i]->joined->owner = owner;
        servers[i]->joined->owner_arg = owner_args[i];
    }
    return err;
}

bool prl_http_conn_moves(struct prl_http_request *conn)
{
    struct prl_http_joined *joined = conn->http->joined;
    if (!joined || conn->moved)
        return false;
    size_t target = joined->owner(joined->owner_arg, conn);
    if (target >= joined->count || target == joined->number)
        return false;
    conn->target = target;
    conn->moved = true;
    conn->state = PRL_HTTP_MOVING;
    return true;
}

void prl_http_conn_leave(struct prl_http_request *conn)
{
    struct prl_http_joined *there = conn->http->joined->servers[conn->target]->joined;
    prl_timer_destroy(&conn->timer);
    prl_stream_leave(conn->stream);
    prl_http_conn_unlink(conn);
    struct prl_http_request *first = atomic_load_explicit(&there->arrived, memory_order_relaxed);
    do {
        conn->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&there->arrived, &first, conn,
                                                    memory_order_release, memory_order_relaxed));
    // FULL: a message waits already. CANCELED: the server is being taken apart, and frees it.
    enum prl_err err = prl_port_send(there->port, &(struct prl_msg){.type = 0});
    PRL_CHECK(err == PRL_OK || err == PRL_ERR_FULL || err == PRL_ERR_CANCELED);
}

// What is still on its way is this server's to destroy.
void prl_http_leave_join(struct prl_http *http)
{
    if (!http->joined)
        return;
    prl_port_destroy(&http->joined->port);
    struct prl_http_request *conn = atomic_exchange(&http->joined->arrived, NULL);
    while (conn) {
        struct prl_http_request *next = conn->next;
        prl_http_conn_link(conn, http);
        conn = next;
    }
    prl_mem_free(http->joined);
    http->joined = NULL;
}

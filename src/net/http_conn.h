// http_conn.h -- one connection of the HTTP server, and what its parts share. Private to net/.
//
// While a request runs the connection is what handlers know as struct prl_http_request.
// Threads:  the loop thread.
// Memory:   head and body exist while a request runs; an upgraded connection keeps the struct only.
// Errors:   every end goes through settle, last in each callback from the loop.
#ifndef PRL_NET_HTTP_CONN_H
#define PRL_NET_HTTP_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/acceptor.h"
#include "net/http.h"
#include "net/http_head.h"
#include "net/origin.h"
#include "net/outq.h"
#include "net/stream.h"
#include "net/ws_core.h"

enum {
    PRL_HTTP_ROUTES_MAX = 128,
    PRL_HTTP_REFUSING_MAX = 32, // connections above the limit that are told 429
};

enum prl_http_state {
    PRL_HTTP_HEAD,    // waits for, or reads, a request head
    PRL_HTTP_BODY,    // reads the body
    PRL_HTTP_RUNNING, // the handler has it
    PRL_HTTP_REPLY,   // the answer is complete and being written
    PRL_HTTP_LINGER,  // our side is ended; what arrives is thrown away
    PRL_HTTP_UPGRADED,
    PRL_HTTP_MOVING, // belongs to another server, goes there when this callback ends
    PRL_HTTP_DEAD,
};

struct prl_http {
    // Set once.
    struct prl_loop *loop;
    struct prl_http_conf conf; // numbers only; its pointers are not used after create
    bool tls_listen[PRL_ACCEPTOR_MAX];
    size_t listen_count;
    struct prl_origin_rules rules;
    // Owned.
    struct prl_acceptor *acceptor;
    struct prl_tls_ctx *tls;
    char **names; // what `rules` points to
    size_t name_count;
    struct prl_http_joined *joined; // NULL: with no other server
    uint8_t *slice;                 // PRL_WS_SLICE bytes, shared by all connections
    struct prl_http_request *first;
    // State.
    struct prl_http_route routes[PRL_HTTP_ROUTES_MAX];
    size_t route_count;
    struct prl_ws_route ws_routes[PRL_HTTP_ROUTES_MAX];
    size_t ws_route_count;
    struct prl_http_stats stats;
    atomic_size_t own_open;
    atomic_size_t *open; // connections of all joined servers: own_open of the first
};

struct prl_http_request {
    // Set once.
    struct prl_http *http;
    struct prl_http_request *previous, *next;
    union prl_sockaddr peer;
    bool tls;
    // Owned.
    struct prl_stream *stream;
    struct prl_timer *timer;
    struct prl_ws *ws;
    struct prl_str in;    // bytes read: the head, and what came with it
    struct prl_str ahead; // bytes read while a request runs
    struct prl_str body;  // of the running request
    struct prl_http_head *head;
    struct prl_outq out;
    // Running request.
    const struct prl_http_route *route;
    const struct prl_ws_ops *ws_ops;
    char *path;               // inside `in`, decoded
    char *query;              // inside `in`, raw
    size_t rest_at, rest_len; // inside `path`, for prl_http_rest
    size_t used;              // bytes of `in` that belong to this request
    uint64_t body_left;
    bool head_only; // HEAD: the answer has no body
    bool keep_alive;
    bool cors; // an allowed Origin is to be echoed
    bool deferred, replied, streaming, chunked;
    prl_http_gone_fn gone;
    void *gone_arg;
    // State.
    enum prl_http_state state;
    size_t scanned;   // of `in`, for the end of the head
    bool moved;       // the running request came from another server
    size_t target;    // MOVING: number of the server
    bool busy;        // inside a callback from the loop: it will settle
    bool kicked;      // the timer runs for settling
    int64_t since_us; // last progress of what `state` waits for
    uint64_t served;  // requests answered
    uint64_t bytes_in, bytes_out;
};

// http_conn.c
enum prl_err prl_http_conn_create(struct prl_http *http, const struct prl_accepted *accepted,
                                  bool refuse) PRL_MUST_USE;
void prl_http_conn_destroy(struct prl_http_request *conn);
// In and out of the server's list and its count.
void prl_http_conn_link(struct prl_http_request *conn, struct prl_http *http);
void prl_http_conn_unlink(struct prl_http_request *conn);
// Timer and events on its server's loop, once the stream has left another; then the request goes on.
// On failure the connection is destroyed.
void prl_http_conn_arrive(struct prl_http_request *conn);
// Makes sure that settle runs soon.
void prl_http_conn_kick(struct prl_http_request *conn);
// Ends an idle connection soon, lets a running request finish.
void prl_http_conn_drain(struct prl_http_request *conn);

// http_request.c: what a complete head leads to.
void prl_http_conn_start_request(struct prl_http_request *conn, size_t head_size);
void prl_http_conn_run(struct prl_http_request *conn);

// A request that came from another server goes on where it was.
void prl_http_conn_go_on(struct prl_http_request *conn);

// http_join.c: several servers. True: the request belongs to another and the state is MOVING.
bool prl_http_conn_moves(struct prl_http_request *conn);
// Sends a MOVING connection off; it is not this server's any more.
void prl_http_conn_leave(struct prl_http_request *conn);
void prl_http_leave_join(struct prl_http *http);

// http_reply.c: an error answer of this module; the connection closes behind it.
void prl_http_conn_refuse(struct prl_http_request *conn, unsigned status, const char *message);
const char *prl_http_status_text(unsigned status);

// http_upgrade.c
void prl_http_conn_upgrade(struct prl_http_request *conn, const struct prl_ws_route *route);

#endif

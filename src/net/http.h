// http.h -- HTTP/1.1 and WebSocket server on one loop, plain and TLS, several addresses.
//
// Units:    bytes, milliseconds where a name says so.
// Threads:  all on the loop thread; handlers run there and must not block.
// Memory:   a connection keeps its request head and body only while a request runs; an idle
//           WebSocket holds no buffer (measured cost in docs/TUNING.md). Every limit is in the conf.
// Errors:   malformed or oversize input is answered with its 4xx status and the connection closed;
//           what does not fit under connections_max gets 429 and a close before anything is read.
// Source:   RFC 9110, RFC 9112, RFC 6455.
#ifndef PRL_NET_HTTP_H
#define PRL_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"
#include "net/ws.h"

struct prl_http;
struct prl_http_request;

enum { PRL_HTTP_SERVERS_MAX = 16 };

struct prl_http_listen {
    const char *address; // "127.0.0.1", "::1", "0.0.0.0", "::" or "localhost"
    uint16_t port;       // 0: any free one, see prl_http_bound
    bool tls;
};

// 0 or NULL takes the default in brackets. All pointers are borrowed for the create call only.
struct prl_http_conf {
    const struct prl_http_listen *listens;
    size_t listen_count;        // at most 16; 0: connections come from servers joined with this one
    const char *tls_cert;       // PEM chain, needed when a listen has tls (see net/tls.h)
    const char *tls_key;        // PEM key
    const char *const *hosts;   // further names that `Host` may carry, beside localhost, loopback
    size_t host_count;          //   and the address at which the connection arrived
    const char *const *origins; // further allowed origins, e.g. "https://app.example"; "*" = any
    size_t origin_count;
    bool reuse_port;             // several loops share the addresses
    size_t connections_max;      // of all servers joined with this one [2000]
    size_t head_size_max;        // request line and headers [16 KiB, also the most]
    int32_t head_timeout_ms;     // from accept or first byte to the end of the head [10,000]
    int32_t body_timeout_ms;     // most time for a body without progress [30,000]
    int32_t idle_timeout_ms;     // keep-alive connection without a request [30,000]
    size_t ws_message_size_max;  // one incoming message, closes with 1009 [16 MiB]
    size_t ws_queue_size_max;    // outgoing bytes waiting [4 MiB]
    int32_t ws_ping_ms;          // a ping after so much silence from the peer [20,000]
    int32_t ws_timeout_ms;       // no byte at all from the peer: closed [60,000]
    int32_t ws_close_timeout_ms; // wait for the peer's close frame [2,000]
};

// Which of the servers joined with this one a request belongs to, by its number; asked when the request
// is complete, once, before its handler. Not below `count` of prl_http_join: this one.
typedef size_t (*prl_http_owner_fn)(void *arg, const struct prl_http_request *request);

struct prl_http_stats {
    size_t connections; // now open
    size_t websockets;  // of these
    uint64_t accepted;  // so far
    uint64_t refused;   // closed at accept with 429
    uint64_t requests;  // so far
    uint64_t bad;       // requests answered 4xx by this module
    uint64_t bytes_in, bytes_out;
    uint64_t moved; // connections that came from a server joined with this one
};

// Listens at once; connections are served as soon as the loop runs. When a address cannot be bound
// a line naming it is logged and IO returned.
enum prl_err prl_http_create(struct prl_http **out, struct prl_loop *loop,
                             const struct prl_http_conf *conf) PRL_MUST_USE;
// Makes `servers[0..count)`, each on a loop of its own, with the same routes, hand requests over to the
// one they belong to: the connection moves there, with what was read of it and its TLS, and stays.
// A request waits for at most one turn of each loop. Before the loops run; servers[i] then has number
// i. When they have ended, all are destroyed on one thread (prl_loop_adopt), the first one last.
// 1..PRL_HTTP_SERVERS_MAX.
enum prl_err prl_http_join(struct prl_http *const *servers, size_t count, prl_http_owner_fn owner,
                           void *const *owner_args) PRL_MUST_USE;
// Stops listening, lets open WebSockets know with 1001, keeps serving until prl_http_destroy.
void prl_http_drain(struct prl_http *http);
// Closes everything; each open WebSocket gets its on_close inside this call.
void prl_http_destroy(struct prl_http **http);
void prl_http_stats(const struct prl_http *http, struct prl_http_stats *stats);

// What listener `index` is really bound to, asked with getsockname.
struct prl_http_bound {
    char address[64]; // numeric, without brackets
    uint16_t port;
    bool tls;
    bool loopback; // 127/8 or ::1
};
enum prl_err prl_http_bound(const struct prl_http *http, size_t index,
                            struct prl_http_bound *bound) PRL_MUST_USE;

// ---- requests ----

// Called when the head and the whole body have arrived. Either calls prl_http_reply before it
// returns, or prl_http_defer; otherwise 500 is sent.
typedef void (*prl_http_fn)(void *arg, struct prl_http_request *request);

struct prl_http_route {
    const char *method;   // "GET" (also serves HEAD), "POST", …, or "*"
    const char *path;     // "/v1/voices"; a last segment "*" matches any rest, ":name" one segment
    size_t body_size_max; // 413 above; 0: no body allowed
    prl_http_fn fn;
    void *arg;
};
// Routes are asked in the order of registration. Strings must outlive the server. At most 128.
enum prl_err prl_http_add_route(struct prl_http *http,
                                const struct prl_http_route *route) PRL_MUST_USE;

// Getters: valid until the reply, NULL or 0 when absent.
const char *prl_http_method(const struct prl_http_request *request);
const char *prl_http_path(const struct prl_http_request *request); // percent-decoded, starts with /
// Copies what "*" or the last ":name" matched, "" when nothing; false when it does not fit.
bool prl_http_rest(const struct prl_http_request *request, char *rest, size_t size);
const char *prl_http_query(const struct prl_http_request *request); // raw, without '?', "" if none
// Copies the decoded value of a query parameter; false when absent, malformed or cut.
bool prl_http_query_value(const struct prl_http_request *request, const char *name, char *value,
                          size_t size);
// Case-insensitive; the first one when repeated.
const char *prl_http_header(const struct prl_http_request *request, const char *name);
const char *prl_http_body(const struct prl_http_request *request, size_t *size);
// Writes "127.0.0.1:54321" or "[::1]:54321"; 64 bytes are enough.
void prl_http_peer(const struct prl_http_request *request, char *text, size_t size);
bool prl_http_peer_loopback(const struct prl_http_request *request);
bool prl_http_tls(const struct prl_http_request *request);

struct prl_http_header {
    const char *name;
    const char *value;
};

struct prl_http_response {
    unsigned status;                       // e.g. 200
    const char *content_type;              // NULL: none
    const struct prl_http_header *headers; // further ones; CR and LF in a value give 500
    size_t header_count;
    const void *body; // copied, unless body_static
    size_t body_size;
    bool body_static; // the body outlives the server (embedded page)
};
// Sends the answer; the request is over. Content-Length, Date-free; CORS headers for an allowed
// Origin are added here. NOMEM closes the connection.
void prl_http_reply(struct prl_http_request *request, const struct prl_http_response *response);
// Short form for JSON text.
void prl_http_reply_json(struct prl_http_request *request, unsigned status, const char *json);
// The reply comes later. `gone` is called once if the client vanishes before prl_http_reply; after
// that the request is invalid.
typedef void (*prl_http_gone_fn)(void *arg);
void prl_http_defer(struct prl_http_request *request, prl_http_gone_fn gone, void *arg);

// Streaming answers (server-sent events, audio): head first, then any number of chunks, then end.
// chunk: FULL when more than ws_queue_size_max waits; CANCELED when the client is gone.
enum prl_err prl_http_stream_begin(struct prl_http_request *request,
                                   const struct prl_http_response *head) PRL_MUST_USE;
enum prl_err prl_http_stream_chunk(struct prl_http_request *request, const void *data,
                                   size_t size) PRL_MUST_USE;
void prl_http_stream_end(struct prl_http_request *request);
// Ends the answer so that the client sees that it is not whole: the connection is closed without the
// last chunk, and what still waits to be sent is dropped.
void prl_http_stream_abort(struct prl_http_request *request);

// ---- WebSocket ----

// What on_open decides. Zeroed before the call; status 0 accepts.
struct prl_ws_answer {
    unsigned status;         // refuse with this HTTP status before the upgrade, e.g. 401
    const char *subprotocol; // one of those offered, or NULL for none; read before on_open returns
                             //   to the server, so a string literal or the offer itself
    const char *body;        // refusal body (JSON), copied; NULL for none
};

struct prl_ws_ops {
    // The request's getters work here only. Keep what is needed; prl_ws_set_owner and
    // prl_ws_send_text may be used. When it accepts, on_close is called exactly once later.
    void (*on_open)(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer);
    // A piece of a text message, at most 16 KiB; `first` and `last` mark its ends (both may be set,
    // len may be 0). Pieces of a message are valid UTF-8 taken together, not each by itself. A
    // connection gets at most 64 KiB a loop turn.
    void (*on_text)(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last);
    // As on_text; NULL closes the connection with 1003.
    void (*on_binary)(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                      bool last);
    // The outgoing queue has become empty. May be NULL.
    void (*on_drained)(void *owner, struct prl_ws *ws);
    // The last call. `code` is the peer's close code, ours when we closed, 1006 when the
    // connection just ended, 1005 when the peer gave none.
    void (*on_close)(void *owner, struct prl_ws *ws, uint16_t code);
};

struct prl_ws_route {
    const char *path; // as in prl_http_route
    const struct prl_ws_ops *ops;
    void *arg; // for on_open
};
enum prl_err prl_http_add_ws(struct prl_http *http, const struct prl_ws_route *route) PRL_MUST_USE;

// Each subprotocol offered, in order, from index 0; false behind the last. Names over `size` are
// skipped as if not offered.
bool prl_http_subprotocol(const struct prl_http_request *request, size_t index, char *name,
                          size_t size);

#endif

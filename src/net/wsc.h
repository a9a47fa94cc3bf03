// wsc.h -- WebSocket client on the loop: ws:// and wss://.
//
// Threads:  the loop thread.
// Memory:   the handle is owned by the caller; a message is gathered up to message_size_max.
// Errors:   everything that goes wrong after create arrives as on_close with a text; on_close comes
//           exactly once unless the caller destroys the client before.
// Source:   RFC 6455 client role, no extensions.
#ifndef PRL_NET_WSC_H
#define PRL_NET_WSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/http.h"
#include "net/loop.h"

struct prl_tls_ctx;
struct prl_wsc;

struct prl_wsc_ops {
    // Upgraded; `subprotocol` is the server's choice or "".
    void (*on_open)(void *arg, const char *subprotocol);
    // One whole message. data is zero-terminated behind len and valid during the call.
    void (*on_text)(void *arg, const char *data, size_t len);
    void (*on_drained)(void *arg); // outgoing queue empty; may be NULL
    // Last call. code 0: never connected, `reason` says why ("connect: Connection refused",
    // "HTTP 401: …body…"); 1006: connection lost; else the close code and the peer's reason.
    void (*on_close)(void *arg, uint16_t code, const char *reason);
    // One whole binary message, as on_text; NULL: a binary message closes with 1003.
    void (*on_binary)(void *arg, const char *data, size_t len);
};

struct prl_wsc_conf {
    const char *url; // "wss://host:port/path?query"; all strings are copied
    const struct prl_http_header *headers;
    size_t header_count;
    const char *subprotocols; // comma separated, or NULL
    const char *ca_file;      // further trusted certificates (PEM), or NULL: the system's
    bool insecure;            // accept any certificate (self-signed)
    // Where the clients of one owner, with one ca_file and insecure, keep what they trust: made by the
    // first that needs it, borrowed by the others, destroyed by the owner after all of them
    // (prl_tls_ctx_destroy). Reading the system's certificates costs 20 ms and more, and a further connection
    // to the same server resumes the session of an earlier one. NULL: each its own.
    struct prl_tls_ctx **trust;
    size_t message_size_max;    // 0: 16 MiB; closes with 1009 above
    size_t queue_size_max;      // 0: 32 MiB
    int32_t connect_timeout_ms; // resolve, connect, TLS and upgrade together; 0: 10,000
    const struct prl_wsc_ops *ops;
    void *arg;
};

// Starts to connect. INVALID: the URL; IO, NOMEM otherwise.
enum prl_err prl_wsc_create(struct prl_wsc **out, struct prl_loop *loop,
                            const struct prl_wsc_conf *conf) PRL_MUST_USE;
// FULL, CANCELED (not open any more), NOMEM. Before on_open the message waits in the queue.
enum prl_err prl_wsc_send_text(struct prl_wsc *client, const char *data, size_t len) PRL_MUST_USE;
enum prl_err prl_wsc_send_binary(struct prl_wsc *client, const void *data, size_t len) PRL_MUST_USE;
size_t prl_wsc_queued_bytes(const struct prl_wsc *client);
void prl_wsc_pause(struct prl_wsc *client);
void prl_wsc_resume(struct prl_wsc *client);
// Close handshake; on_close follows later.
void prl_wsc_close(struct prl_wsc *client, uint16_t code, const char *reason);
// Drops the connection at once, without on_close. Not from inside its own callbacks, except
// on_close.
void prl_wsc_destroy(struct prl_wsc **client);

#endif

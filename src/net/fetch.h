// fetch.h -- outgoing HTTP on the loop: request out, the answer's body in pieces as it arrives.
//
// One pool holds the connections (HTTP/2 or keep-alive, TCP_NODELAY) and the TLS sessions of all
// requests. A request ends in exactly one on_end, or silently by prl_fetch_cancel, which closes its
// connection at once; one that others use as well (HTTP/2) goes on without its stream.
// Units:    bytes; milliseconds where a name says so.
// Threads:  the loop thread; callbacks arrive on it, never from inside prl_fetch_start or cancel.
// Memory:   url, headers and body are copied. An answer that is no 2xx is gathered, up to 2 KiB of
//           it, for the error's sentence; any other body is handed on and not kept.
// Errors:   each kind of failure has its name (enum prl_fetch_failure) and one line that names host
//           and limit. Header values never stand in a line or in the log.
// Safety:   http and https only, no redirects, no proxy and no netrc from the environment.
// Bounds:   PRL_FETCH_REQUESTS_MAX requests at a time; every wait and every body has a limit.
// Source:   libcurl's multi interface, wrapped here and nowhere else; RFC 9110, RFC 9112, RFC 9113.
#ifndef PRL_NET_FETCH_H
#define PRL_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/http.h"
#include "net/loop.h"

struct prl_fetch;
struct prl_fetch_request;

enum { PRL_FETCH_REQUESTS_MAX = 2048, PRL_FETCH_WHY_SIZE = 512 };

struct prl_fetch_conf {
    const char *ca_file; // further trusted certificates (PEM), or NULL: the system's alone
    bool insecure;       // accept any certificate
    size_t idle_max;     // connections kept for reuse; 0: 64
};

// 0 takes the default in brackets.
struct prl_fetch_limits {
    int32_t connect_ms;    // resolve, connect and TLS [2,000]
    int32_t first_byte_ms; // start -> first byte of the body [4,000]
    int32_t gap_ms;        // between two pieces of the body [4,000]
    int32_t total_ms;      // the whole request [120,000]
    size_t body_max;       // of the answer [64 MiB]
};

enum prl_fetch_failure {
    PRL_FETCH_OK,
    PRL_FETCH_CONNECT,    // refused, no such host, TLS, or connect_ms
    PRL_FETCH_FIRST_BYTE, // first_byte_ms
    PRL_FETCH_GAP,        // gap_ms
    PRL_FETCH_TOTAL,      // total_ms
    PRL_FETCH_STATUS,     // not 2xx: see status
    PRL_FETCH_CUT,        // the connection ended before the answer did, or spoke no HTTP
    PRL_FETCH_SIZE,       // body_max
    PRL_FETCH_MEMORY,
    PRL_FETCH_FAILURES
};

struct prl_fetch_end {
    enum prl_fetch_failure failure;
    unsigned status;        // 0: there was none
    int32_t retry_after_ms; // of a 429 or 503 that says so, else 0
    const char *why;        // one line without a full stop; "" with OK; valid during the call
    const char *body;       // STATUS: beginning of the answer, terminated; else ""
};

// May call anything of this header but prl_fetch_destroy.
struct prl_fetch_ops {
    // The head of a 2xx answer has arrived; `type` is its media type as sent, or "". May be NULL.
    void (*on_head)(void *arg, unsigned status, const char *type);
    // A piece of a 2xx body, never empty.
    void (*on_data)(void *arg, const char *data, size_t len);
    // The last call; the request is gone after it.
    void (*on_end)(void *arg, const struct prl_fetch_end *end);
};

struct prl_fetch_ask {
    const char *method; // "GET" or "POST"
    const char *url;
    const struct prl_http_header *headers; // a value with CR or LF: INVALID
    size_t header_count;                   // at most 16
    const char *bearer;                    // NULL or "": no Authorization
    const char *content_type;              // of the body; NULL with GET
    const void *body;
    size_t body_size;
    struct prl_fetch_limits limits;
    const struct prl_fetch_ops *ops;
    void *arg;
};

enum prl_err prl_fetch_create(struct prl_fetch **out, struct prl_loop *loop,
                              const struct prl_fetch_conf *conf) PRL_MUST_USE;
// Ends all requests without on_end.
void prl_fetch_destroy(struct prl_fetch **fetch);

// INVALID: the URL or a header; LIMIT: too many requests; NOMEM. No callback follows a failure.
enum prl_err prl_fetch_start(struct prl_fetch *fetch, const struct prl_fetch_ask *ask,
                             struct prl_fetch_request **out) PRL_MUST_USE;
// No callback afterwards. Sets *request to NULL; NULL is fine.
void prl_fetch_cancel(struct prl_fetch_request **request);

struct prl_fetch_stats {
    size_t requests;      // now running
    uint64_t started;     // so far
    uint64_t connections; // opened so far
};
void prl_fetch_stats(const struct prl_fetch *fetch, struct prl_fetch_stats *stats);

// A sentence's word for a failure: "connect", "first byte" …
const char *prl_fetch_failure_name(enum prl_fetch_failure failure);
// TIMEOUT: a limit of time was reached; REMOTE: anything else that is no OK.
enum prl_err prl_fetch_failure_err(enum prl_fetch_failure failure);

#endif

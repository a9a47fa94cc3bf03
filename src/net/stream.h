// stream.h -- a byte stream over a connected descriptor, plain or TLS, on the loop.
//
// Threads:  the loop thread.
// Memory:   one block and a watch; TLS as in tls.h. Nothing is buffered here.
// Errors:   IO ends the stream; prl_stream_error says why.
#ifndef PRL_NET_STREAM_H
#define PRL_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"
#include "net/tls.h"

struct prl_stream;

// `events`: PRL_WATCH_READ, PRL_WATCH_WRITE as wanted; PRL_WATCH_ERROR: the connection or the TLS
// handshake failed. The callback may destroy the stream.
typedef void (*prl_stream_fn)(void *arg, unsigned events);

// Takes `fd` (also on failure, when it is closed). `tls` NULL: plain. `server_name` non-NULL: client.
struct prl_stream_conf {
    int fd;
    struct prl_tls_ctx *tls;
    const char *server_name;
    uint16_t server_port;
    const char *what; // for the stall alarm
    prl_stream_fn fn;
    void *arg;
};
enum prl_err prl_stream_create(struct prl_stream **out, struct prl_loop *loop,
                               const struct prl_stream_conf *conf) PRL_MUST_USE;
// Leaves its loop, for prl_stream_arrive on another: in between nothing but destroy may be called.
void prl_stream_leave(struct prl_stream *stream);
// On the thread of `loop`. What was wanted is wanted no more; events go to `fn`.
enum prl_err prl_stream_arrive(struct prl_stream *stream, struct prl_loop *loop, const char *what,
                               prl_stream_fn fn, void *arg) PRL_MUST_USE;
// Closes the descriptor. TLS says good-bye without waiting.
void prl_stream_destroy(struct prl_stream **stream);
// Hands the events to somebody else from now on.
void prl_stream_redirect(struct prl_stream *stream, prl_stream_fn fn, void *arg);
// Which events are wanted from now on. False: the loop refused, treat it as an error.
bool prl_stream_want(struct prl_stream *stream, unsigned events);

// AGAIN: nothing now. OK with *got 0: the peer has ended its side.
enum prl_err prl_stream_read(struct prl_stream *stream, void *data, size_t size,
                             size_t *got) PRL_MUST_USE;
enum prl_err prl_stream_write(struct prl_stream *stream, const void *data, size_t size,
                              size_t *put) PRL_MUST_USE;
// Decrypted bytes wait that no event will announce: read again at the next turn.
bool prl_stream_pending(const struct prl_stream *stream);
// Ends our side only.
void prl_stream_shutdown(struct prl_stream *stream);
int prl_stream_fd(const struct prl_stream *stream);
bool prl_stream_is_tls(const struct prl_stream *stream);
const char *prl_stream_error(const struct prl_stream *stream);

#endif

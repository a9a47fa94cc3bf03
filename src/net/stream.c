// stream.c -- see stream.h. TLS may need to write in order to read and the other way round; `cross`
// remembers that, so that the right readiness wakes the right side.
#include "net/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

struct prl_stream {
    // Owned.
    int fd;
    struct prl_tls *tls; // NULL: plain
    struct prl_watch *watch;
    // Borrowed.
    prl_stream_fn fn;
    void *arg;
    // State.
    bool handshaken;
    unsigned want;
    unsigned cross; // PRL_WATCH_READ: reading waits for writability, PRL_WATCH_WRITE: the reverse
    const char *error;
};

static bool apply_want(struct prl_stream *stream)
{
    unsigned events = 0;
    if (!stream->handshaken)
        events = prl_tls_wants(stream->tls);
    else if (stream->want & PRL_WATCH_READ)
        events = stream->cross & PRL_WATCH_READ ? PRL_WATCH_WRITE : PRL_WATCH_READ;
    if (stream->handshaken && stream->want & PRL_WATCH_WRITE)
        events |= stream->cross & PRL_WATCH_WRITE ? PRL_WATCH_READ : PRL_WATCH_WRITE;
    return prl_watch_set(stream->watch, events) == PRL_OK;
}

static void on_ready(void *arg, unsigned events)
{
    struct prl_stream *stream = arg;
    if (!stream->handshaken) {
        enum prl_err err = prl_tls_handshake(stream->tls);
        stream->handshaken = err == PRL_OK;
        if (err == PRL_OK || err == PRL_ERR_AGAIN) {
            if (!apply_want(stream))
                stream->fn(stream->arg, PRL_WATCH_ERROR);
            else if (err == PRL_OK) // early data may wait inside OpenSSL; a write may be due
                stream->fn(stream->arg, stream->want);
            return;
        }
        stream->error = prl_tls_error(stream->tls);
        stream->fn(stream->arg, PRL_WATCH_ERROR);
        return;
    }
    if (stream->cross && events) {
        events |= stream->cross;
        stream->cross = 0;
        if (!apply_want(stream))
            events |= PRL_WATCH_ERROR;
    }
    events &= stream->want | PRL_WATCH_ERROR;
    if (events)
        stream->fn(stream->arg, events);
}

enum prl_err prl_stream_create(struct prl_stream **out, struct prl_loop *loop,
                               const struct prl_stream_conf *conf)
{
    struct prl_stream *stream = *out = prl_mem_zalloc(sizeof(*stream));
    if (!stream) {
        close(conf->fd);
        return PRL_ERR_NOMEM;
    }
    stream->fd = conf->fd;
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    stream->handshaken = conf->tls == NULL;
    stream->error = "no error";
    enum prl_err err = PRL_OK;
    if (conf->tls)
        err =
            prl_tls_create(&stream->tls, conf->tls, conf->fd, conf->server_name, conf->server_port);
    if (!err)
        err = prl_watch_create(&stream->watch, loop, conf->fd, conf->what, on_ready, stream);
    if (!err && !apply_want(stream))
        err = PRL_ERR_IO;
    if (err)
        prl_stream_destroy(out);
    return err;
}

void prl_stream_destroy(struct prl_stream **stream)
{
    if (!*stream)
        return;
    if ((*stream)->tls)
        prl_tls_close((*stream)->tls);
    prl_tls_destroy(&(*stream)->tls);
    prl_watch_destroy(&(*stream)->watch);
    close((*stream)->fd);
    prl_mem_free(*stream);
    *stream = NULL;
}

void prl_stream_leave(struct prl_stream *stream)
{
    prl_watch_destroy(&stream->watch);
}

enum prl_err prl_stream_arrive(struct prl_stream *stream, struct prl_loop *loop, const char *what,
                               prl_stream_fn fn, void *arg)
{
    PRL_CHECK(!stream->watch && stream->handshaken);
    stream->fn = fn;
    stream->arg = arg;
    stream->want = 0;
    return prl_watch_create(&stream->watch, loop, stream->fd, what, on_ready, stream);
}

void prl_stream_redirect(struct prl_stream *stream, prl_stream_fn fn, void *arg)
{
    stream->fn = fn;
    stream->arg = arg;
}

bool prl_stream_want(struct prl_stream *stream, unsigned events)
{
    stream->want = events;
    return apply_want(stream);
}

static enum prl_err judge_tls(struct prl_stream *stream, enum prl_err err, unsigned side)
{
    if (err == PRL_ERR_AGAIN && prl_tls_wants(stream->tls) != side)
        stream->cross |= side;
    if (err == PRL_ERR_IO)
        stream->error = prl_tls_error(stream->tls);
    return err;
}

static enum prl_err judge_errno(struct prl_stream *stream)
{
    if (errno == EAGAIN || errno == EINTR)
        return PRL_ERR_AGAIN;
    stream->error = errno == ECONNRESET ? "connection reset"
                    : errno == EPIPE    ? "connection closed"
                                        : "connection lost";
    return PRL_ERR_IO;
}

enum prl_err prl_stream_read(struct prl_stream *stream, void *data, size_t size, size_t *got)
{
    *got = 0;
    if (!stream->handshaken)
        return PRL_ERR_AGAIN;
    if (stream->tls)
        return judge_tls(stream, prl_tls_read(stream->tls, data, size, got), PRL_WATCH_READ);
    ssize_t count = recv(stream->fd, data, size, 0);
    if (count < 0)
        return judge_errno(stream);
    *got = (size_t)count;
    return PRL_OK;
}

enum prl_err prl_stream_write(struct prl_stream *stream, const void *data, size_t size, size_t *put)
{
    *put = 0;
    if (!stream->handshaken)
        return PRL_ERR_AGAIN;
    if (stream->tls)
        return judge_tls(stream, prl_tls_write(stream->tls, data, size, put), PRL_WATCH_WRITE);
    ssize_t count = send(stream->fd, data, size, MSG_NOSIGNAL);
    if (count < 0)
        return judge_errno(stream);
    *put = (size_t)count;
    return PRL_OK;
}

bool prl_stream_pending(const struct prl_stream *stream)
{
    return stream->tls && stream->handshaken && prl_tls_pending(stream->tls);
}

void prl_stream_shutdown(struct prl_stream *stream)
{
    if (stream->tls)
        prl_tls_close(stream->tls);
    shutdown(stream->fd, SHUT_WR);
}

int prl_stream_fd(const struct prl_stream *stream)
{
    return stream->fd;
}

bool prl_stream_is_tls(const struct prl_stream *stream)
{
    return stream->tls != NULL;
}

const char *prl_stream_error(const struct prl_stream *stream)
{
    return stream->error;
}

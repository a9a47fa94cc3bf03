// tcp.c -- see tcp.h. Streams lie in a list, oldest first, with the strangers among them; a table finds
// them by path.
#include "rtc/tcp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/acceptor.h"
#include "rtc/frame4571.h"
#include "rtc/table.h"

enum { READ_SIZE = 16384, READS_PER_TURN = 4 };

struct stream {
    struct prl_tcp *tcp;
    struct stream *next, *previous;
    // Set once.
    int fd;
    struct prl_ice_path path;
    int64_t accepted_us;
    // Owned.
    struct prl_watch *watch;
    uint8_t *waiting; // PRL_TCP_SEND_MAX bytes once known
    // State.
    bool known;
    bool busy; // inside its own callback: not freed
    bool dead;
    bool shut; // ended from our side, the watch will tell
    size_t waiting_size;
    struct prl_frame4571 frame;
};

struct prl_tcp {
    // Set once.
    struct prl_loop *loop;
    size_t streams_max;
    const struct prl_tcp_ops *ops;
    void *arg;
    // Owned.
    struct prl_acceptor *acceptor;
    struct prl_timer *timer;
    struct prl_table *by_path; // of struct stream
    struct stream *first, *last;
    // State.
    struct prl_tcp_stats stats;
    uint8_t input[READ_SIZE];
};

// ---- streams ----

static void unlink_stream(struct stream *stream)
{
    struct prl_tcp *tcp = stream->tcp;
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        tcp->first = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    else
        tcp->last = stream->previous;
}

static void destroy_stream(struct stream *stream)
{
    struct prl_tcp *tcp = stream->tcp;
    struct prl_table_key key = prl_table_path_key(&stream->path);
    prl_table_remove(tcp->by_path, &key, stream);
    unlink_stream(stream);
    tcp->stats.streams--;
    tcp->stats.strangers -= stream->known ? 0 : 1;
    prl_watch_destroy(&stream->watch);
    close(stream->fd);
    prl_mem_free(stream->waiting);
    prl_mem_free(stream);
}

// The connection is over: the owner hears of it when it knew the stream.
static void end_stream(struct stream *stream)
{
    struct prl_tcp *tcp = stream->tcp;
    bool tell = stream->known && !stream->dead;
    struct prl_ice_path path = stream->path;
    destroy_stream(stream);
    if (tell)
        tcp->ops->on_closed(tcp->arg, &path);
}

static void arm_timer(struct prl_tcp *tcp)
{
    for (struct stream *stream = tcp->first; stream && tcp->stats.strangers > 0;
         stream = stream->next)
        if (!stream->known) {
            prl_timer_start(tcp->timer, stream->accepted_us + PRL_TCP_STRANGER_US);
            return;
        }
    prl_timer_stop(tcp->timer);
}

static struct stream *oldest_stranger(const struct prl_tcp *tcp)
{
    struct stream *stream = tcp->first;
    while (stream && stream->known)
        stream = stream->next;
    return stream;
}

static void on_timer(void *arg)
{
    struct prl_tcp *tcp = arg;
    int64_t now_us = prl_clock_now_us();
    for (struct stream *stream = oldest_stranger(tcp);
         stream && stream->accepted_us + PRL_TCP_STRANGER_US <= now_us;
         stream = oldest_stranger(tcp)) {
        tcp->stats.expired++;
        destroy_stream(stream);
    }
    arm_timer(tcp);
}

// ---- writing ----

// Outside its callbacks a stream is not ended on the spot: the watch sees the end of the connection.
static void shut_stream(struct stream *stream)
{
    stream->shut = true;
    shutdown(stream->fd, SHUT_RDWR);
}

static void want_events(struct stream *stream)
{
    unsigned events = PRL_WATCH_READ | (stream->waiting_size > 0 ? PRL_WATCH_WRITE : 0);
    if (prl_watch_set(stream->watch, events) != PRL_OK)
        shut_stream(stream);
}

static void keep_rest(struct stream *stream, const struct iovec *pieces, size_t written)
{
    for (int i = 0; i < 2; i++) {
        size_t skip = written < pieces[i].iov_len ? written : pieces[i].iov_len;
        written -= skip;
        size_t rest = pieces[i].iov_len - skip;
        memcpy(stream->waiting + stream->waiting_size, (const uint8_t *)pieces[i].iov_base + skip,
               rest);
        stream->waiting_size += rest;
    }
}

static void send_frame(struct stream *stream, const void *data, size_t size)
{
    uint8_t head[PRL_FRAME4571_HEAD];
    prl_frame4571_head(size, head);
    if (stream->waiting_size + sizeof(head) + size > PRL_TCP_SEND_MAX) {
        stream->tcp->stats.slow++;
        shut_stream(stream);
        return;
    }
    // sendmsg only reads what iov_base points to.
    union {
        const void *in;
        void *out;
    } unconst = {data};
    struct iovec pieces[2] = {{head, sizeof(head)}, {unconst.out, size}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t written = 0;
    if (stream->waiting_size == 0)
        written = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) {
        shut_stream(stream);
        return;
    }
    keep_rest(stream, pieces, written > 0 ? (size_t)written : 0);
    want_events(stream);
}

static void write_waiting(struct stream *stream)
{
    ssize_t written = send(stream->fd, stream->waiting, stream->waiting_size, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) {
        shut_stream(stream);
        return;
    }
    if (written > 0) {
        stream->waiting_size -= (size_t)written;
        memmove(stream->waiting, stream->waiting + written, stream->waiting_size);
    }
    want_events(stream);
}

// ---- reading ----

// A stranger's first datagram: the owner recognises it, or it was the last.
static bool meet(struct stream *stream, const struct prl_frame4571_packet *packet, int64_t now_us)
{
    struct prl_tcp *tcp = stream->tcp;
    stream->waiting = prl_mem_alloc(PRL_TCP_SEND_MAX);
    if (!stream->waiting ||
        !tcp->ops->on_datagram(tcp->arg, &stream->path, packet->data, packet->size, now_us))
        return false;
    stream->known = true;
    tcp->stats.strangers--;
    arm_timer(tcp);
    return true;
}

// False: end the stream.
static bool take_bytes(struct stream *stream, const uint8_t *data, size_t size)
{
    struct prl_tcp *tcp = stream->tcp;
    int64_t now_us = prl_clock_now_us();
    struct prl_frame4571_packet packet;
    size_t used;
    while (!stream->dead) {
        enum prl_err err = prl_frame4571_next(&stream->frame, data, size, &used, &packet);
        if (err == PRL_ERR_AGAIN)
            return true;
        bool known = stream->known;
        if (err || (!known && !meet(stream, &packet, now_us))) {
            tcp->stats.garbage++;
            return false;
        }
        if (known)
            (void)tcp->ops->on_datagram(tcp->arg, &stream->path, packet.data, packet.size, now_us);
        data += used;
        size -= used;
    }
    return false;
}

static void on_events(void *arg, unsigned events)
{
    struct stream *stream = arg;
    bool good = !(events & PRL_WATCH_ERROR);
    stream->busy = true;
    if (good && events & PRL_WATCH_WRITE && stream->waiting_size > 0)
        write_waiting(stream);
    for (int i = 0; i < READS_PER_TURN && good && events & PRL_WATCH_READ; i++) {
        ssize_t got = read(stream->fd, stream->tcp->input, sizeof(stream->tcp->input));
        if (got < 0 && errno == EAGAIN)
            break;
        good = got > 0 && !stream->shut && take_bytes(stream, stream->tcp->input, (size_t)got);
    }
    stream->busy = false;
    if (!good || stream->dead)
        end_stream(stream);
}

// ---- accepting ----

static struct stream *new_stream(struct prl_tcp *tcp, const struct prl_accepted *accepted)
{
    union prl_sockaddr local;
    socklen_t size = sizeof(local);
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return NULL;
    stream->tcp = tcp;
    stream->fd = accepted->fd;
    stream->accepted_us = prl_clock_now_us();
    stream->path.tcp = true;
    bool good = getsockname(accepted->fd, &local.any, &size) == 0 &&
                prl_addr_from(&stream->path.local, &local, size) &&
                prl_addr_from(&stream->path.remote, &accepted->peer, sizeof(accepted->peer)) &&
                prl_watch_create(&stream->watch, tcp->loop, stream->fd, "rtc stream", on_events,
                                 stream) == PRL_OK;
    struct prl_table_key key = prl_table_path_key(&stream->path);
    if (good && prl_watch_set(stream->watch, PRL_WATCH_READ) == PRL_OK &&
        prl_table_set(tcp->by_path, &key, stream) == PRL_OK)
        return stream;
    prl_watch_destroy(&stream->watch);
    prl_mem_free(stream);
    return NULL;
}

static void on_accept(void *arg, const struct prl_accepted *accepted)
{
    static const int kernel_bytes = PRL_TCP_KERNEL_MAX / 2; // the kernel doubles it
    struct prl_tcp *tcp = arg;
    union prl_sockaddr remote;
    if (tcp->stats.strangers == PRL_TCP_STRANGERS_MAX) {
        tcp->stats.expired++;
        destroy_stream(oldest_stranger(tcp));
    }
    struct stream *stream = NULL;
    if (tcp->stats.streams < tcp->streams_max &&
        prl_addr_from(&remote, &accepted->peer, sizeof(accepted->peer)) &&
        tcp->ops->on_accept(tcp->arg, &remote))
        stream = new_stream(tcp, accepted);
    if (!stream) {
        tcp->stats.refused++;
        close(accepted->fd);
        return;
    }
    setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &kernel_bytes, sizeof(kernel_bytes));
    prl_frame4571_init(&stream->frame);
    stream->previous = tcp->last;
    if (tcp->last)
        tcp->last->next = stream;
    else
        tcp->first = stream;
    tcp->last = stream;
    tcp->stats.streams++;
    tcp->stats.strangers++;
    if (tcp->stats.strangers == 1)
        arm_timer(tcp);
}

// ---- public ----

enum prl_err prl_tcp_create(struct prl_tcp **out, struct prl_loop *loop, size_t streams_max,
                            const struct prl_tcp_ops *ops, void *arg)
{
    PRL_CHECK(streams_max > 0 && ops);
    *out = NULL;
    struct prl_tcp *tcp = prl_mem_zalloc(sizeof(*tcp));
    if (!tcp)
        return PRL_ERR_NOMEM;
    tcp->loop = loop;
    tcp->streams_max = streams_max;
    tcp->ops = ops;
    tcp->arg = arg;
    enum prl_err err = prl_table_create(&tcp->by_path, streams_max);
    if (!err)
        err = prl_timer_create(&tcp->timer, loop, "rtc strangers", on_timer, tcp);
    if (!err)
        err = prl_acceptor_create(&tcp->acceptor, loop, false, on_accept, tcp);
    if (err)
        prl_tcp_destroy(&tcp);
    *out = tcp;
    return err;
}

void prl_tcp_destroy(struct prl_tcp **tcp_at)
{
    struct prl_tcp *tcp = *tcp_at;
    if (!tcp)
        return;
    prl_acceptor_destroy(&tcp->acceptor);
    while (tcp->first)
        destroy_stream(tcp->first);
    prl_timer_destroy(&tcp->timer);
    prl_table_destroy(&tcp->by_path);
    prl_mem_free(tcp);
    *tcp_at = NULL;
}

enum prl_err prl_tcp_listen(struct prl_tcp *tcp, const char *address, uint16_t port)
{
    return prl_acceptor_add(tcp->acceptor, address, port);
}

enum prl_err prl_tcp_bound(const struct prl_tcp *tcp, size_t index, union prl_sockaddr *bound)
{
    return prl_acceptor_bound(tcp->acceptor, index, bound);
}

static struct stream *find_stream(const struct prl_tcp *tcp, const struct prl_ice_path *path)
{
    struct prl_table_key key = prl_table_path_key(path);
    void *stream;
    return prl_table_get(tcp->by_path, &key, &stream) ? stream : NULL;
}

void prl_tcp_send(struct prl_tcp *tcp, const struct prl_ice_path *path, const void *data,
                  size_t size)
{
    PRL_CHECK(size > 0 && size <= PRL_FRAME4571_MAX);
    struct stream *stream = find_stream(tcp, path);
    if (stream && stream->waiting && !stream->shut && !stream->dead)
        send_frame(stream, data, size);
}

void prl_tcp_close(struct prl_tcp *tcp, const struct prl_ice_path *path)
{
    struct stream *stream = find_stream(tcp, path);
    if (!stream)
        return;
    stream->dead = true;
    if (!stream->busy)
        destroy_stream(stream);
}

void prl_tcp_stats(const struct prl_tcp *tcp, struct prl_tcp_stats *stats)
{
    *stats = tcp->stats;
}

// http_conn.c -- see http_conn.h: life of a connection, reading, writing, time.
#include "net/http_conn.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    READ_BUDGET = 65536,
    WRITE_BUDGET = 262144,
    LINGER_US = 1000000,
    PIPELINED_MAX = 32, // requests answered in one loop turn
};

void prl_http_conn_kick(struct prl_http_request *conn)
{
    if (conn->busy || conn->kicked || !conn->timer)
        return;
    conn->kicked = true;
    prl_timer_start(conn->timer, 0);
}

// ---- reading ----

static void take_bytes(struct prl_http_request *conn, const uint8_t *data, size_t len)
{
    if (conn->state == PRL_HTTP_LINGER)
        return;
    // A head has its time from its first byte (the first one from accept), a body from its last.
    if (conn->state == PRL_HTTP_BODY ||
        (conn->state == PRL_HTTP_HEAD && conn->in.len == 0 && conn->served > 0))
        conn->since_us = prl_clock_now_us();
    if (conn->state == PRL_HTTP_BODY) {
        size_t part = len < conn->body_left ? len : (size_t)conn->body_left;
        if (prl_str_add(&conn->body, (const char *)data, part) != PRL_OK) {
            conn->state = PRL_HTTP_DEAD;
            return;
        }
        conn->body_left -= part;
        data += part;
        len -= part;
    }
    // While a request runs its head is pointed into: what is pipelined waits beside it.
    struct prl_str *into = conn->state == PRL_HTTP_HEAD ? &conn->in : &conn->ahead;
    if (len > 0 && prl_str_add(into, (const char *)data, len) != PRL_OK)
        conn->state = PRL_HTTP_DEAD;
}

// How much may be read now; 0 stops reading until the running request is over.
static size_t room(const struct prl_http_request *conn)
{
    size_t free_in = conn->in.limit - (conn->in.len - conn->used) - conn->ahead.len;
    switch (conn->state) {
    case PRL_HTTP_LINGER:
        return PRL_WS_SLICE;
    case PRL_HTTP_BODY:
        return conn->body_left < PRL_WS_SLICE ? (size_t)conn->body_left : PRL_WS_SLICE;
    case PRL_HTTP_HEAD:
    case PRL_HTTP_RUNNING:
    case PRL_HTTP_REPLY:
        return free_in < PRL_WS_SLICE ? free_in : PRL_WS_SLICE;
    case PRL_HTTP_UPGRADED:
    case PRL_HTTP_MOVING:
    case PRL_HTTP_DEAD:
        return 0;
    }
    return 0;
}

// The running request is over: back to waiting for a head, keeping what was pipelined.
static void next_request(struct prl_http_request *conn)
{
    prl_str_drop(&conn->in, conn->used);
    if (conn->in.len == 0)
        prl_str_free(&conn->in);
    if (conn->ahead.len > 0 && prl_str_add(&conn->in, conn->ahead.data, conn->ahead.len) != PRL_OK)
        conn->keep_alive = false;
    prl_str_free(&conn->ahead);
    prl_str_free(&conn->body);
    prl_mem_free(conn->head);
    conn->head = NULL;
    conn->route = NULL;
    conn->used = 0;
    conn->scanned = 0;
    conn->body_left = 0;
    conn->head_only = conn->cors = false;
    conn->deferred = conn->replied = conn->streaming = conn->chunked = false;
    conn->gone = NULL;
    conn->moved = false;
    conn->since_us = prl_clock_now_us();
    conn->served++;
    // Without memory for the next request the connection ends here.
    conn->state = conn->keep_alive ? PRL_HTTP_HEAD : PRL_HTTP_DEAD;
}

static void look_for_head(struct prl_http_request *conn)
{
    // Empty lines before a request are allowed (RFC 9112 §2.2).
    while (conn->in.len >= 2 && memcmp(conn->in.data, "\r\n", 2) == 0)
        prl_str_drop(&conn->in, 2);
    // TLS at a plain port, or worse: nothing to wait for.
    unsigned char first = conn->in.len > 0 ? (unsigned char)conn->in.data[0] : 'G';
    if (first != '\r' && (first <= ' ' || first >= 0x7f)) {
        prl_http_conn_refuse(conn, 400, "this is no HTTP request");
        return;
    }
    size_t end = prl_http_head_end(prl_str_text(&conn->in), conn->in.len, conn->scanned);
    conn->scanned = conn->in.len;
    if (end > 0)
        prl_http_conn_start_request(conn, end);
    else if (conn->in.len >= conn->in.limit)
        prl_http_conn_refuse(conn, 431, "the request head is too large");
}

static void process(struct prl_http_request *conn)
{
    if (conn->state == PRL_HTTP_HEAD && conn->in.len > 0)
        look_for_head(conn);
    if (conn->state == PRL_HTTP_BODY && conn->body_left == 0)
        prl_http_conn_run(conn);
}

static void on_end(struct prl_http_request *conn)
{
    // A client may end its side and still wait for an answer that is under way.
    if (conn->state == PRL_HTTP_REPLY)
        conn->keep_alive = false;
    else
        conn->state = PRL_HTTP_DEAD;
}

static void read_some(struct prl_http_request *conn)
{
    size_t total = 0;
    while (total < READ_BUDGET) {
        size_t size = room(conn);
        size_t got;
        if (size == 0)
            return;
        enum prl_err err = prl_stream_read(conn->stream, conn->http->slice, size, &got);
        if (err == PRL_ERR_AGAIN)
            return;
        if (err) {
            conn->state = PRL_HTTP_DEAD;
            return;
        }
        if (got == 0) {
            on_end(conn);
            return;
        }
        total += got;
        conn->bytes_in += got;
        take_bytes(conn, conn->http->slice, got);
        process(conn);
        if (got < size && !(conn->stream && prl_stream_pending(conn->stream)))
            return;
    }
}

// ---- writing ----

static void write_some(struct prl_http_request *conn)
{
    const uint8_t *data;
    size_t size;
    size_t total = 0;
    while (conn->stream && total < WRITE_BUDGET && prl_outq_peek(&conn->out, &data, &size)) {
        size_t put;
        enum prl_err err = prl_stream_write(conn->stream, data, size, &put);
        if (err == PRL_ERR_AGAIN)
            return;
        if (err) {
            conn->state = PRL_HTTP_DEAD;
            return;
        }
        prl_outq_consume(&conn->out, put);
        total += put;
        conn->bytes_out += put;
        conn->since_us = prl_clock_now_us();
    }
}

// The answer is written: on to the next request, or to the end.
static void after_reply(struct prl_http_request *conn)
{
    for (int i = 0; i < PIPELINED_MAX && conn->state == PRL_HTTP_REPLY && conn->out.bytes == 0;
         i++) {
        if (!conn->keep_alive) {
            prl_stream_shutdown(conn->stream);
            conn->since_us = prl_clock_now_us();
            conn->state = PRL_HTTP_LINGER;
            return;
        }
        next_request(conn);
        process(conn);
        write_some(conn);
    }
}

// ---- from the loop ----

static int64_t deadline(const struct prl_http_request *conn)
{
    const struct prl_http_conf *conf = &conn->http->conf;
    int64_t limit_ms = 0;
    switch (conn->state) {
    case PRL_HTTP_HEAD:
        limit_ms =
            conn->in.len == 0 && conn->served > 0 ? conf->idle_timeout_ms : conf->head_timeout_ms;
        break;
    case PRL_HTTP_BODY:
    case PRL_HTTP_REPLY:
        limit_ms = conf->body_timeout_ms;
        break;
    case PRL_HTTP_RUNNING:
        if (conn->out.bytes == 0)
            return INT64_MAX; // the handler's time is the handler's business
        limit_ms = conf->body_timeout_ms;
        break;
    case PRL_HTTP_LINGER:
        return conn->since_us + LINGER_US;
    case PRL_HTTP_UPGRADED:
    case PRL_HTTP_MOVING:
    case PRL_HTTP_DEAD:
        return INT64_MAX;
    }
    return conn->since_us + limit_ms * 1000;
}

static void check_time(struct prl_http_request *conn)
{
    if (prl_clock_now_us() < deadline(conn))
        return;
    bool told = (conn->state == PRL_HTTP_HEAD && conn->in.len > 0) || conn->state == PRL_HTTP_BODY;
    if (told)
        prl_http_conn_refuse(conn, 408, "the request took too long to arrive");
    else
        conn->state = PRL_HTTP_DEAD;
}

static void settle(struct prl_http_request *conn)
{
    write_some(conn);
    after_reply(conn);
    if (conn->state == PRL_HTTP_UPGRADED) {
        conn->busy = false;
        return;
    }
    if (conn->state == PRL_HTTP_MOVING) {
        conn->busy = false;
        conn->kicked = false;
        prl_http_conn_leave(conn);
        return;
    }
    if (conn->state != PRL_HTTP_DEAD) {
        unsigned want = room(conn) > 0 ? PRL_WATCH_READ : 0;
        want |= conn->out.bytes > 0 ? PRL_WATCH_WRITE : 0;
        if (!prl_stream_want(conn->stream, want))
            conn->state = PRL_HTTP_DEAD;
    }
    conn->busy = false;
    if (conn->state == PRL_HTTP_DEAD) {
        prl_http_conn_destroy(conn);
        return;
    }
    bool more = room(conn) > 0 && prl_stream_pending(conn->stream);
    more = more || (conn->state == PRL_HTTP_REPLY && conn->out.bytes == 0);
    conn->kicked = more;
    int64_t at_us = more ? 0 : deadline(conn);
    if (at_us == INT64_MAX)
        prl_timer_stop(conn->timer);
    else
        prl_timer_start(conn->timer, at_us);
}

static void on_event(void *arg, unsigned events)
{
    struct prl_http_request *conn = arg;
    conn->busy = true;
    if (events & PRL_WATCH_ERROR)
        conn->state = PRL_HTTP_DEAD;
    else if (events & PRL_WATCH_READ)
        read_some(conn);
    settle(conn);
}

static void on_timer(void *arg)
{
    struct prl_http_request *conn = arg;
    conn->busy = true;
    conn->kicked = false;
    if (prl_stream_pending(conn->stream))
        read_some(conn);
    write_some(conn); // what an answer has just put there is no lack of progress
    check_time(conn);
    settle(conn);
}

// ---- life ----

void prl_http_conn_link(struct prl_http_request *conn, struct prl_http *http)
{
    conn->http = http;
    conn->previous = NULL;
    conn->next = http->first;
    if (http->first)
        http->first->previous = conn;
    http->first = conn;
    http->stats.connections++;
}

void prl_http_conn_unlink(struct prl_http_request *conn)
{
    if (conn->next)
        conn->next->previous = conn->previous;
    if (conn->previous)
        conn->previous->next = conn->next;
    else
        conn->http->first = conn->next;
    conn->previous = conn->next = NULL;
    conn->http->stats.connections--;
}

void prl_http_conn_arrive(struct prl_http_request *conn)
{
    struct prl_loop *loop = conn->http->loop;
    enum prl_err err = prl_stream_arrive(conn->stream, loop, "http connection", on_event, conn);
    if (!err)
        err = prl_timer_create(&conn->timer, loop, "http timer", on_timer, conn);
    if (err) {
        prl_http_conn_destroy(conn);
        return;
    }
    conn->busy = true;
    if (!conn->http->acceptor) // draining
        conn->keep_alive = false;
    prl_http_conn_go_on(conn);
    settle(conn);
}

enum prl_err prl_http_conn_create(struct prl_http *http, const struct prl_accepted *accepted,
                                  bool refuse)
{
    bool tls = http->tls_listen[accepted->index];
    struct prl_http_request *conn = prl_mem_zalloc(sizeof(*conn));
    if (!conn) {
        close(accepted->fd);
        return PRL_ERR_NOMEM;
    }
    conn->peer = accepted->peer;
    conn->tls = tls;
    prl_str_init(&conn->in, http->conf.head_size_max);
    prl_str_init(&conn->ahead, http->conf.head_size_max);
    prl_outq_init(&conn->out, http->conf.ws_queue_size_max);
    conn->since_us = prl_clock_now_us();
    prl_http_conn_link(conn, http);
    atomic_fetch_add(http->open, 1);
    struct prl_stream_conf conf = {.fd = accepted->fd,
                                   .tls = tls ? http->tls : NULL,
                                   .what = "http connection",
                                   .fn = on_event,
                                   .arg = conn};
    enum prl_err err = prl_stream_create(&conn->stream, http->loop, &conf);
    if (!err)
        err = prl_timer_create(&conn->timer, http->loop, "http timer", on_timer, conn);
    if (err) {
        prl_http_conn_destroy(conn);
        return err;
    }
    conn->busy = true;
    if (refuse)
        prl_http_conn_refuse(conn, 429, "too many connections");
    settle(conn);
    return PRL_OK;
}

void prl_http_conn_destroy(struct prl_http_request *conn)
{
    struct prl_http *http = conn->http;
    prl_http_conn_unlink(conn);
    atomic_fetch_sub(http->open, 1);
    http->stats.websockets -= conn->state == PRL_HTTP_UPGRADED;
    http->stats.bytes_in += conn->bytes_in;
    http->stats.bytes_out += conn->bytes_out;
    prl_http_gone_fn gone = conn->deferred && !conn->replied ? conn->gone : NULL;
    void *gone_arg = conn->gone_arg;
    prl_ws_core_destroy(&conn->ws);
    prl_timer_destroy(&conn->timer);
    prl_stream_destroy(&conn->stream);
    prl_outq_free(&conn->out);
    prl_str_free(&conn->in);
    prl_str_free(&conn->ahead);
    prl_str_free(&conn->body);
    prl_mem_free(conn->head);
    prl_mem_free(conn);
    if (gone)
        gone(gone_arg);
}

void prl_http_conn_drain(struct prl_http_request *conn)
{
    conn->keep_alive = false;
    if (conn->state == PRL_HTTP_UPGRADED)
        prl_ws_close(conn->ws, 1001, "the server is going away");
    else if (conn->state == PRL_HTTP_HEAD && conn->in.len == 0)
        conn->state = PRL_HTTP_DEAD;
    prl_http_conn_kick(conn);
}

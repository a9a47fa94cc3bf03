// ws.c -- see ws_core.h and ws.h.
//
// A connection is OPEN, then CLOSING (our close frame is queued or sent; what arrives is thrown away
// until the peer's close frame, its end or the timeout), then DEAD (the timer reports it at the next
// turn). Reading, writing and timing only change the state; `settle`, last in each callback from
// the loop, is the one place that reports an end.
#include "net/ws_core.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/outq.h"

enum {
    READ_BUDGET = 65536,   // bytes a connection may bring in one loop turn
    WRITE_BUDGET = 262144, // and take out
    REASON_MAX = 123,
    CODE_NONE = 1005,
    CODE_LOST = 1006,
    CODE_SERVER = 1011,
};

enum state { STATE_NEW, STATE_OPEN, STATE_CLOSING, STATE_DEAD };

struct prl_ws {
    // Set once.
    struct prl_loop *loop;
    struct prl_ws_core_conf conf;
    void *owner; // of ws.h
    // Owned.
    struct prl_stream *stream;
    struct prl_timer *timer;
    struct prl_outq queue;
    uint8_t *stash; // bytes read but not yet parsed, while paused
    size_t stash_size;
    // State.
    struct prl_ws_reader reader;
    enum state state;
    bool paused;
    bool undrained;   // bytes were queued since on_drained
    bool close_got;   // the peer's close frame has come
    bool close_sent;  // ours is in the queue
    bool shut;        // our side of the stream is ended
    bool deaf;        // framing is lost: only wait for the end
    bool kicked;      // the timer runs for settling, not for timeouts
    bool busy;        // inside a callback from the loop: it will settle
    int64_t heard_us; // last byte from the peer
    int64_t ping_us;  // last ping sent
    int64_t close_us; // when CLOSING began
    uint64_t bytes_in, bytes_out;
    uint16_t close_code;
    char reason[REASON_MAX + 1];
};

static void on_event(void *arg, unsigned events);
static void on_timer(void *arg);

// ---- state changes; nothing here calls back ----

static void kick(struct prl_ws *ws)
{
    if (ws->busy || ws->kicked)
        return;
    ws->kicked = true;
    prl_timer_start(ws->timer, 0);
}

static void set_code(struct prl_ws *ws, uint16_t code, const char *reason, size_t len)
{
    if (ws->close_code)
        return;
    ws->close_code = code;
    len = len < REASON_MAX ? len : REASON_MAX;
    if (len > 0)
        memcpy(ws->reason, reason, len);
    ws->reason[len] = '\0';
}

static void die(struct prl_ws *ws, uint16_t code, const char *reason)
{
    set_code(ws, code, reason, strlen(reason));
    ws->state = STATE_DEAD;
    kick(ws);
}

static enum prl_err push_frame(struct prl_ws *ws, unsigned opcode, const void *data, size_t len,
                               bool force)
{
    uint8_t header[PRL_WS_HEADER_MAX];
    uint8_t mask[4];
    uint8_t *at = NULL;
    if (ws->conf.client && getrandom(mask, sizeof(mask), 0) != (ssize_t)sizeof(mask))
        return PRL_ERR_IO;
    size_t size = prl_ws_frame_header(header, opcode, len, ws->conf.client ? mask : NULL);
    struct prl_outq_piece pieces[3] = {{header, size}, {data, len}};
    enum prl_err err = prl_outq_push(&ws->queue, pieces, force, &at);
    if (!err && ws->conf.client && len > 0)
        prl_ws_frame_mask(at, len, mask, 0);
    return err;
}

static void send_close(struct prl_ws *ws, uint16_t code, const char *reason, size_t len)
{
    uint8_t payload[2 + REASON_MAX];
    if (ws->close_sent)
        return;
    ws->close_sent = true;
    if (len > REASON_MAX)
        len = REASON_MAX;
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (len > 0)
        memcpy(payload + 2, reason, len);
    // 1005 and 1006 never travel (§7.4.1).
    size_t size = code == CODE_NONE || code == CODE_LOST ? 0 : 2 + len;
    if (push_frame(ws, PRL_WS_CLOSE, payload, size, true) != PRL_OK)
        die(ws, code, "");
}

static void start_closing(struct prl_ws *ws, uint16_t code, const char *reason, size_t len)
{
    if (ws->state >= STATE_CLOSING)
        return;
    ws->state = STATE_CLOSING;
    ws->close_us = prl_clock_now_us();
    set_code(ws, code, reason, len);
    send_close(ws, code, reason, len);
    // What waits unparsed belongs to nobody now.
    prl_mem_free(ws->stash);
    ws->stash = NULL;
    ws->stash_size = 0;
}

// ---- incoming ----

static void on_close_frame(struct prl_ws *ws, const struct prl_ws_event *event)
{
    ws->close_got = true;
    if (ws->state == STATE_OPEN)
        start_closing(ws, event->code, event->data, event->len);
}

static void take_event(struct prl_ws *ws, const struct prl_ws_event *event)
{
    switch (event->kind) {
    case PRL_WS_EVENT_NONE:
    case PRL_WS_EVENT_PONG:
        return;
    case PRL_WS_EVENT_PING:
        // A full queue means that the peer does not read: it gets no pong either.
        if (ws->state == STATE_OPEN &&
            push_frame(ws, PRL_WS_PONG, event->data, event->len, false) == PRL_ERR_NOMEM)
            die(ws, CODE_LOST, "out of memory");
        return;
    case PRL_WS_EVENT_CLOSE:
        on_close_frame(ws, event);
        return;
    case PRL_WS_EVENT_DATA:
        if (ws->state == STATE_OPEN)
            ws->conf.hooks->on_data(ws->conf.arg, ws, event);
        return;
    }
}

static void stash_rest(struct prl_ws *ws, const uint8_t *data, size_t len)
{
    uint8_t *stash = prl_mem_dup(data, len);
    prl_mem_free(ws->stash);
    ws->stash = stash;
    ws->stash_size = stash ? len : 0;
    if (!stash)
        start_closing(ws, CODE_SERVER, "out of memory", 13);
}

static void parse(struct prl_ws *ws, uint8_t *data, size_t len)
{
    struct prl_ws_event event;
    size_t used;
    while (len > 0 && ws->state != STATE_DEAD && !ws->close_got && !ws->deaf) {
        if (ws->paused && ws->state == STATE_OPEN) {
            stash_rest(ws, data, len);
            return;
        }
        if (prl_ws_reader_next(&ws->reader, data, len, &used, &event) != PRL_OK) {
            ws->deaf = true;
            start_closing(ws, ws->reader.close_code, "", 0);
            return;
        }
        data += used;
        len -= used;
        take_event(ws, &event);
    }
}

// The stash is parsed from the shared slice, so that a second pause may stash again.
static void parse_stash(struct prl_ws *ws)
{
    if (!ws->stash || ws->paused)
        return;
    size_t size = ws->stash_size;
    memcpy(ws->conf.slice, ws->stash, size);
    prl_mem_free(ws->stash);
    ws->stash = NULL;
    ws->stash_size = 0;
    parse(ws, ws->conf.slice, size);
}

static bool wants_read(const struct prl_ws *ws)
{
    return ws->state == STATE_CLOSING || (ws->state == STATE_OPEN && !ws->paused);
}

static void read_some(struct prl_ws *ws)
{
    size_t total = 0;
    while (wants_read(ws) && !ws->stash && total < READ_BUDGET) {
        size_t got;
        enum prl_err err = prl_stream_read(ws->stream, ws->conf.slice, PRL_WS_SLICE, &got);
        if (err == PRL_ERR_AGAIN)
            return;
        if (err || got == 0) {
            // After both close frames this is the regular end.
            die(ws, CODE_LOST, err ? prl_stream_error(ws->stream) : "connection closed");
            return;
        }
        total += got;
        ws->bytes_in += got;
        ws->heard_us = prl_clock_now_us();
        parse(ws, ws->conf.slice, got);
        if (got < PRL_WS_SLICE && !prl_stream_pending(ws->stream))
            return;
    }
}

// ---- outgoing ----

static void write_some(struct prl_ws *ws)
{
    const uint8_t *data;
    size_t size;
    size_t total = 0;
    while (ws->state != STATE_DEAD && total < WRITE_BUDGET &&
           prl_outq_peek(&ws->queue, &data, &size)) {
        size_t put;
        enum prl_err err = prl_stream_write(ws->stream, data, size, &put);
        if (err == PRL_ERR_AGAIN)
            return;
        if (err) {
            die(ws, CODE_LOST, prl_stream_error(ws->stream));
            return;
        }
        prl_outq_consume(&ws->queue, put);
        total += put;
        ws->bytes_out += put;
    }
}

// ---- from the loop ----

static int64_t next_deadline(const struct prl_ws *ws)
{
    if (ws->state == STATE_CLOSING)
        return ws->close_us + ws->conf.close_timeout_ms * 1000LL;
    int64_t quiet_us = ws->heard_us > ws->ping_us ? ws->heard_us : ws->ping_us;
    int64_t ping_at = quiet_us + ws->conf.ping_ms * 1000LL;
    int64_t end_at = ws->heard_us + ws->conf.timeout_ms * 1000LL;
    return ping_at < end_at || ws->paused ? ping_at : end_at;
}

static void check_time(struct prl_ws *ws)
{
    int64_t now_us = prl_clock_now_us();
    if (ws->state == STATE_DEAD || now_us < next_deadline(ws))
        return;
    if (ws->state == STATE_CLOSING) {
        die(ws, ws->close_code, ws->reason);
        return;
    }
    if (!ws->paused && now_us >= ws->heard_us + ws->conf.timeout_ms * 1000LL) {
        die(ws, CODE_LOST, "no sign of life");
        return;
    }
    ws->ping_us = now_us;
    if (push_frame(ws, PRL_WS_PING, NULL, 0, true) != PRL_OK)
        die(ws, CODE_LOST, "out of memory");
}

// After both close frames the server ends the stream first (§7.1.1); the client waits for that.
static void end_stream(struct prl_ws *ws)
{
    if (ws->state != STATE_CLOSING || ws->shut || ws->queue.bytes > 0)
        return;
    if (ws->close_got || ws->deaf) {
        ws->shut = true;
        prl_stream_shutdown(ws->stream);
    }
}

static void report_end(struct prl_ws *ws)
{
    prl_timer_stop(ws->timer);
    prl_stream_destroy(&ws->stream);
    prl_outq_free(&ws->queue);
    ws->conf.hooks->on_closed(ws->conf.arg, ws, ws->close_code, ws->reason);
}

// Last in every callback from the loop.
static void settle(struct prl_ws *ws)
{
    if (ws->undrained && ws->queue.bytes == 0 && ws->state == STATE_OPEN) {
        ws->undrained = false;
        ws->conf.hooks->on_drained(ws->conf.arg, ws);
        write_some(ws);
    }
    end_stream(ws);
    bool ready = ws->state != STATE_DEAD;
    if (ready) {
        unsigned want = wants_read(ws) ? PRL_WATCH_READ : 0;
        want |= ws->queue.bytes > 0 ? PRL_WATCH_WRITE : 0;
        if (!prl_stream_want(ws->stream, want))
            die(ws, CODE_LOST, "the loop refused the descriptor");
    }
    ws->busy = false;
    if (ws->state == STATE_DEAD) {
        report_end(ws);
        return;
    }
    bool more = wants_read(ws) && (ws->stash || prl_stream_pending(ws->stream));
    ws->kicked = more;
    prl_timer_start(ws->timer, more ? 0 : next_deadline(ws));
}

static void on_event(void *arg, unsigned events)
{
    struct prl_ws *ws = arg;
    ws->busy = true;
    if (events & PRL_WATCH_WRITE)
        write_some(ws);
    if (events & (PRL_WATCH_READ | PRL_WATCH_ERROR))
        read_some(ws);
    if (events & PRL_WATCH_ERROR && ws->state != STATE_DEAD)
        die(ws, CODE_LOST, prl_stream_error(ws->stream));
    write_some(ws);
    settle(ws);
}

static void on_timer(void *arg)
{
    struct prl_ws *ws = arg;
    bool kicked = ws->kicked;
    ws->busy = true;
    ws->kicked = false;
    if (kicked)
        parse_stash(ws);
    if (prl_stream_pending(ws->stream))
        read_some(ws);
    check_time(ws);
    write_some(ws);
    settle(ws);
}

// ---- private interface ----

enum prl_err prl_ws_core_create(struct prl_ws **out, struct prl_loop *loop,
                                const struct prl_ws_core_conf *conf)
{
    struct prl_ws *ws = *out = prl_mem_zalloc(sizeof(*ws));
    if (!ws)
        return PRL_ERR_NOMEM;
    ws->loop = loop;
    ws->conf = *conf;
    ws->state = STATE_NEW;
    prl_outq_init(&ws->queue, conf->queue_size_max);
    prl_ws_reader_init(&ws->reader, !conf->client, conf->message_size_max);
    enum prl_err err = prl_timer_create(&ws->timer, loop, "ws timer", on_timer, ws);
    if (err)
        prl_ws_core_destroy(out);
    return err;
}

// Puts the head before what on_open has queued already.
static enum prl_err queue_head(struct prl_ws *ws, const void *head, size_t size)
{
    struct prl_outq waiting = ws->queue;
    struct prl_outq_piece pieces[3] = {{head, size}};
    prl_outq_init(&ws->queue, waiting.limit);
    enum prl_err err = prl_outq_push(&ws->queue, pieces, true, NULL);
    prl_outq_append(&ws->queue, &waiting);
    return err;
}

enum prl_err prl_ws_core_attach(struct prl_ws *ws, struct prl_stream **stream, const void *head,
                                size_t head_size, const void *rest, size_t rest_size)
{
    PRL_CHECK(ws->stream == NULL && rest_size <= PRL_WS_SLICE);
    enum prl_err err = head_size > 0 ? queue_head(ws, head, head_size) : PRL_OK;
    if (!err && rest_size > 0) {
        ws->stash = prl_mem_dup(rest, rest_size);
        ws->stash_size = rest_size;
        err = ws->stash ? PRL_OK : PRL_ERR_NOMEM;
    }
    if (err)
        return err;
    ws->stream = *stream;
    *stream = NULL;
    prl_stream_redirect(ws->stream, on_event, ws);
    if (ws->state == STATE_NEW)
        ws->state = STATE_OPEN;
    ws->heard_us = prl_clock_now_us();
    if (ws->state == STATE_CLOSING)
        ws->close_us = ws->heard_us;
    ws->kicked = true;
    prl_timer_start(ws->timer, 0);
    return PRL_OK;
}

void prl_ws_core_destroy(struct prl_ws **ws_at)
{
    struct prl_ws *ws = *ws_at;
    if (!ws)
        return;
    prl_stream_destroy(&ws->stream);
    prl_timer_destroy(&ws->timer);
    prl_outq_free(&ws->queue);
    prl_mem_free(ws->stash);
    prl_mem_free(ws);
    *ws_at = NULL;
}

uint64_t prl_ws_core_bytes_in(const struct prl_ws *ws)
{
    return ws->bytes_in;
}

uint64_t prl_ws_core_bytes_out(const struct prl_ws *ws)
{
    return ws->bytes_out;
}

void *prl_ws_core_arg(const struct prl_ws *ws)
{
    return ws->conf.arg;
}

// ---- ws.h ----

void prl_ws_set_owner(struct prl_ws *ws, void *owner)
{
    ws->owner = owner;
}

void *prl_ws_owner(const struct prl_ws *ws)
{
    return ws->owner;
}

static enum prl_err send_message(struct prl_ws *ws, unsigned opcode, const void *data, size_t len)
{
    prl_loop_check(ws->loop);
    if (ws->state >= STATE_CLOSING)
        return PRL_ERR_CANCELED;
    enum prl_err err = push_frame(ws, opcode, data, len, false);
    if (err)
        return err;
    ws->undrained = true;
    if (ws->stream)
        kick(ws);
    return PRL_OK;
}

enum prl_err prl_ws_send_text(struct prl_ws *ws, const char *data, size_t len)
{
    return send_message(ws, PRL_WS_TEXT, data, len);
}

enum prl_err prl_ws_send_binary(struct prl_ws *ws, const void *data, size_t len)
{
    return send_message(ws, PRL_WS_BINARY, data, len);
}

size_t prl_ws_queued_bytes(const struct prl_ws *ws)
{
    return ws->queue.bytes;
}

void prl_ws_pause(struct prl_ws *ws)
{
    prl_loop_check(ws->loop);
    if (ws->paused)
        return;
    ws->paused = true;
    if (ws->stream)
        kick(ws);
}

void prl_ws_resume(struct prl_ws *ws)
{
    prl_loop_check(ws->loop);
    if (!ws->paused)
        return;
    ws->paused = false;
    ws->heard_us = prl_clock_now_us(); // its silence was our doing
    if (ws->stream)
        kick(ws);
}

void prl_ws_close(struct prl_ws *ws, uint16_t code, const char *reason)
{
    prl_loop_check(ws->loop);
    if (ws->state >= STATE_CLOSING)
        return;
    reason = reason ? reason : "";
    size_t len = prl_utf8_whole(reason, strnlen(reason, REASON_MAX));
    start_closing(ws, code, reason, len);
    if (ws->stream)
        kick(ws);
}

void prl_ws_abort(struct prl_ws *ws)
{
    prl_loop_check(ws->loop);
    if (ws->state == STATE_DEAD)
        return;
    set_code(ws, CODE_LOST, "", 0);
    ws->state = STATE_DEAD;
    if (ws->stream)
        kick(ws);
}

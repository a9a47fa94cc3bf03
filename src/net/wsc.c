// wsc.c -- see wsc.h. Resolve, connect, TLS, upgrade, then the endpoint of ws_core.h takes over.
#include "net/wsc.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http_head.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/url.h"
#include "net/ws_core.h"
#include "net/ws_key.h"

enum {
    MESSAGE_SIZE_MAX = 16 << 20,
    QUEUE_SIZE_MAX = 32 << 20,
    CONNECT_TIMEOUT_MS = 10000,
    PING_MS = 20000,
    TIMEOUT_MS = 60000,
    CLOSE_TIMEOUT_MS = 2000,
    REQUEST_SIZE_MAX = 16384,
    ERROR_BODY_MAX = 1024,    // of a refusal, shown to the user
    MESSAGE_KEEP_MAX = 65536, // a larger gathering buffer is given back after its message
    CODE_UNSUPPORTED = 1003,
    CODE_MEMORY = 1011,
};

enum state { STATE_RESOLVE, STATE_CONNECT, STATE_UPGRADE, STATE_OPEN, STATE_FAILED, STATE_CLOSED };

// Lives until the helper thread is done, also when the client is destroyed before.
struct resolve {
    struct prl_wsc *client; // NULL: nobody waits any more
    char host[256];
    char service[8];
    struct addrinfo *list;
    int failed;
};

struct prl_wsc {
    // Set once.
    struct prl_loop *loop;
    const struct prl_wsc_ops *ops;
    void *arg;
    struct prl_url url;
    struct prl_tls_ctx *tls; // NULL: plain
    // Owned.
    struct prl_str request;
    struct prl_tls_ctx *own_tls; // NULL: `tls` is borrowed
    struct resolve *resolve;     // while it runs
    struct addrinfo *list;
    struct prl_watch *watch; // while connecting
    struct prl_stream *stream;
    struct prl_timer *timer;
    struct prl_ws *ws;
    struct prl_str in;
    struct prl_str message;
    uint8_t *slice;
    // State.
    const struct addrinfo *next; // address to try after this one
    int fd;                      // while connecting, else -1
    enum state state;
    int64_t deadline_us;
    size_t sent;
    char accept[PRL_WS_ACCEPT_SIZE];
    char error[ERROR_BODY_MAX + 64];
};

// ---- failing before open ----

static void drop_connection(struct prl_wsc *client)
{
    prl_watch_destroy(&client->watch);
    prl_stream_destroy(&client->stream);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

// Reported by the timer, so that no caller is surprised.
static void fail(struct prl_wsc *client, const char *what, const char *why)
{
    if (client->state >= STATE_OPEN)
        return;
    snprintf(client->error, sizeof(client->error), "%s: %s", what, why);
    client->state = STATE_FAILED;
    drop_connection(client);
    prl_timer_start(client->timer, 0);
}

static void on_timer(void *arg)
{
    struct prl_wsc *client = arg;
    static const char *const steps[] = {"resolve", "connect", "upgrade"};
    if (client->state < STATE_OPEN)
        fail(client, steps[client->state], "no answer in time");
    if (client->state != STATE_FAILED)
        return;
    prl_timer_stop(client->timer);
    client->state = STATE_CLOSED;
    client->ops->on_close(client->arg, 0, client->error);
}

// ---- open: what the endpoint tells ----

static void on_data(void *arg, struct prl_ws *ws, const struct prl_ws_event *event)
{
    struct prl_wsc *client = arg;
    if (!event->text && !client->ops->on_binary) {
        prl_ws_close(ws, CODE_UNSUPPORTED, "binary messages are not used here");
        return;
    }
    if (event->first)
        prl_str_clear(&client->message);
    if (prl_str_add(&client->message, event->data, event->len) != PRL_OK) {
        prl_ws_close(ws, CODE_MEMORY, "out of memory");
        return;
    }
    if (!event->last)
        return;
    const char *data = prl_str_text(&client->message);
    if (event->text)
        client->ops->on_text(client->arg, data, client->message.len);
    else
        client->ops->on_binary(client->arg, data, client->message.len);
    if (client->message.capacity > MESSAGE_KEEP_MAX)
        prl_str_free(&client->message);
}

static void on_drained(void *arg, struct prl_ws *ws)
{
    struct prl_wsc *client = arg;
    (void)ws;
    if (client->ops->on_drained)
        client->ops->on_drained(client->arg);
}

static void on_closed(void *arg, struct prl_ws *ws, uint16_t code, const char *reason)
{
    struct prl_wsc *client = arg;
    (void)ws;
    client->state = STATE_CLOSED;
    client->ops->on_close(client->arg, code, reason);
}

static const struct prl_ws_hooks hooks = {on_data, on_drained, on_closed};

// ---- upgrade ----

static void report_refusal(struct prl_wsc *client, const struct prl_http_head *head, size_t end,
                           bool ended)
{
    uint64_t length = 0;
    size_t have = client->in.len - end;
    bool known = prl_http_head_length(head, &length) == PRL_HTTP_LENGTH_GIVEN;
    char what[32];
    if (!ended && have < ERROR_BODY_MAX && (!known || have < length))
        return; // more of the body is to come
    snprintf(what, sizeof(what), "HTTP %u", head->status);
    const char *body = client->in.data + end;
    size_t len = have < ERROR_BODY_MAX ? have : ERROR_BODY_MAX;
    char text[ERROR_BODY_MAX + 1];
    memcpy(text, body, len);
    text[prl_utf8_whole(text, len)] = '\0';
    fail(client, what, len > 0 ? text : head->reason);
}

static bool answer_fits(const struct prl_wsc *client, const struct prl_http_head *head)
{
    size_t count;
    const char *accept = prl_http_head_field(head, "sec-websocket-accept", &count);
    return count == 1 && strcmp(accept, client->accept) == 0 &&
           prl_http_head_has_token(head, "upgrade", "websocket") &&
           prl_http_head_has_token(head, "connection", "upgrade") &&
           !prl_http_head_field(head, "sec-websocket-extensions", NULL);
}

static void become_open(struct prl_wsc *client, const struct prl_http_head *head, size_t end)
{
    const char *subprotocol = prl_http_head_field(head, "sec-websocket-protocol", NULL);
    char chosen[128];
    snprintf(chosen, sizeof(chosen), "%s", subprotocol ? subprotocol : "");
    if (prl_ws_core_attach(client->ws, &client->stream, NULL, 0, client->in.data + end,
                           client->in.len - end) != PRL_OK) {
        fail(client, "upgrade", "out of memory");
        return;
    }
    prl_str_free(&client->in);
    prl_timer_stop(client->timer);
    client->state = STATE_OPEN;
    client->ops->on_open(client->arg, chosen);
}

static void look_at_answer(struct prl_wsc *client, bool ended)
{
    size_t end = prl_http_head_end(prl_str_text(&client->in), client->in.len, 0);
    if (end == 0) {
        if (ended || client->in.len >= client->in.limit)
            fail(client, "upgrade", ended ? "the server closed the connection" : "answer too long");
        return;
    }
    // The parser writes into what it parses, and a refusal may be looked at twice.
    struct prl_http_head head;
    char *copy = prl_mem_dup(client->in.data, end);
    if (!copy) {
        fail(client, "upgrade", "out of memory");
        return;
    }
    if (prl_http_head_parse_response(&head, copy, end) != PRL_OK)
        fail(client, "upgrade", "the answer is no HTTP");
    else if (head.status != 101)
        report_refusal(client, &head, end, ended);
    else if (!answer_fits(client, &head))
        fail(client, "upgrade", "the answer does not fit the request");
    else
        become_open(client, &head, end);
    prl_mem_free(copy);
}

static void read_answer(struct prl_wsc *client)
{
    while (client->state == STATE_UPGRADE) {
        size_t room = client->in.limit - client->in.len;
        size_t got;
        enum prl_err err = prl_stream_read(client->stream, client->slice,
                                           room < PRL_WS_SLICE ? room : PRL_WS_SLICE, &got);
        if (err == PRL_ERR_AGAIN)
            return;
        if (err) {
            fail(client, "upgrade", prl_stream_error(client->stream));
            return;
        }
        if (prl_str_add(&client->in, (const char *)client->slice, got) != PRL_OK) {
            fail(client, "upgrade", "out of memory");
            return;
        }
        look_at_answer(client, got == 0);
    }
}

static void write_request(struct prl_wsc *client)
{
    while (client->sent < client->request.len) {
        size_t put;
        enum prl_err err = prl_stream_write(client->stream, client->request.data + client->sent,
                                            client->request.len - client->sent, &put);
        if (err == PRL_ERR_AGAIN)
            return;
        if (err) {
            fail(client, "upgrade", prl_stream_error(client->stream));
            return;
        }
        client->sent += put;
    }
}

static void on_stream(void *arg, unsigned events)
{
    struct prl_wsc *client = arg;
    if (events & PRL_WATCH_ERROR) {
        // On a plain connection reading tells why.
        if (!client->tls)
            read_answer(client);
        if (client->state == STATE_UPGRADE)
            fail(client, client->tls ? "TLS" : "connect", prl_stream_error(client->stream));
        return;
    }
    if (events & PRL_WATCH_WRITE)
        write_request(client);
    if (client->state == STATE_UPGRADE && events & PRL_WATCH_READ)
        read_answer(client);
    if (client->state != STATE_UPGRADE)
        return;
    bool more = client->sent < client->request.len;
    if (!prl_stream_want(client->stream, PRL_WATCH_READ | (more ? PRL_WATCH_WRITE : 0u)))
        fail(client, "upgrade", "the loop refused the descriptor");
}

// ---- connect ----

static void start_stream(struct prl_wsc *client)
{
    struct prl_stream_conf conf = {.fd = client->fd,
                                   .tls = client->tls,
                                   .server_name = client->tls ? client->url.host : NULL,
                                   .server_port = client->url.port,
                                   .what = "ws client",
                                   .fn = on_stream,
                                   .arg = client};
    prl_watch_destroy(&client->watch);
    client->fd = -1; // the stream's from here on
    client->state = STATE_UPGRADE;
    if (prl_stream_create(&client->stream, client->loop, &conf) != PRL_OK ||
        !prl_stream_want(client->stream, PRL_WATCH_READ | PRL_WATCH_WRITE))
        fail(client, "connect", "out of memory");
}

static void try_next(struct prl_wsc *client, int last_errno);

static void on_connect(void *arg, unsigned events)
{
    struct prl_wsc *client = arg;
    int error = 0;
    socklen_t size = sizeof(error);
    (void)events;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error)
        try_next(client, error);
    else
        start_stream(client);
}

static bool try_address(struct prl_wsc *client, const struct addrinfo *address, int *error)
{
    client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        *error = errno;
        return false;
    }
    // Several small messages in a row would each wait for the peer's acknowledgement: 40 ms.
    int on = 1;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(client->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        *error = errno;
        return false;
    }
    *error = ENOMEM;
    return prl_watch_create(&client->watch, client->loop, client->fd, "ws client connect",
                            on_connect, client) == PRL_OK &&
           prl_watch_set(client->watch, PRL_WATCH_WRITE) == PRL_OK;
}

static void try_next(struct prl_wsc *client, int last_errno)
{
    drop_connection(client);
    while (client->next) {
        const struct addrinfo *address = client->next;
        client->next = address->ai_next;
        if (try_address(client, address, &last_errno))
            return;
        drop_connection(client);
    }
    char why[64] = "";
    fail(client, "connect", strerror_r(last_errno, why, sizeof(why)));
}

// ---- resolve ----

static void free_resolve(struct resolve *resolve)
{
    if (resolve->list)
        freeaddrinfo(resolve->list);
    prl_mem_free(resolve);
}

static void run_resolve(void *arg)
{
    struct resolve *resolve = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    resolve->failed = getaddrinfo(resolve->host, resolve->service, &hints, &resolve->list);
    // Known without a resolver (RFC 6761, 6.3): a bare system has no /etc/hosts.
    if (resolve->failed && strcasecmp(resolve->host, "localhost") == 0)
        resolve->failed = getaddrinfo("127.0.0.1", resolve->service, &hints, &resolve->list);
}

static void take_list(struct prl_wsc *client, struct resolve *resolve)
{
    client->list = resolve->list;
    resolve->list = NULL;
    client->next = client->list;
    client->state = STATE_CONNECT;
    try_next(client, EADDRNOTAVAIL);
}

static void on_resolved(void *arg)
{
    struct resolve *resolve = arg;
    struct prl_wsc *client = resolve->client;
    if (client) {
        client->resolve = NULL;
        if (client->state != STATE_RESOLVE)
            client = NULL;
    }
    if (client && resolve->failed)
        fail(client, "resolve", gai_strerror(resolve->failed));
    else if (client)
        take_list(client, resolve);
    free_resolve(resolve);
}

static enum prl_err start_resolve(struct prl_wsc *client)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct resolve *resolve = prl_mem_zalloc(sizeof(*resolve));
    if (!resolve)
        return PRL_ERR_NOMEM;
    resolve->client = client;
    snprintf(resolve->host, sizeof(resolve->host), "%s", client->url.host);
    snprintf(resolve->service, sizeof(resolve->service), "%u", client->url.port);
    // A numeric address needs no helper thread.
    if (getaddrinfo(resolve->host, resolve->service, &hints, &resolve->list) == 0) {
        take_list(client, resolve);
        free_resolve(resolve);
        return PRL_OK;
    }
    enum prl_err err = prl_loop_work(client->loop, run_resolve, on_resolved, resolve);
    if (err)
        free_resolve(resolve);
    else
        client->resolve = resolve;
    return err;
}

// ---- create ----

static bool clean(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static enum prl_err build_request(struct prl_wsc *client, const struct prl_wsc_conf *conf)
{
    uint8_t random[16];
    char key[PRL_WS_KEY_SIZE];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return PRL_ERR_IO;
    prl_ws_key_make(random, key);
    PRL_CHECK(prl_ws_key_accept(key, client->accept));
    bool v6 = strchr(client->url.host, ':') != NULL;
    struct prl_str *text = &client->request;
    prl_str_addf(text,
                 "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
                 client->url.target, v6 ? "[" : "", client->url.host, v6 ? "]" : "",
                 client->url.port, key);
    if (conf->subprotocols) {
        if (!clean(conf->subprotocols))
            return PRL_ERR_INVALID;
        prl_str_addf(text, "Sec-WebSocket-Protocol: %s\r\n", conf->subprotocols);
    }
    for (size_t i = 0; i < conf->header_count; i++) {
        if (!clean(conf->headers[i].name) || !clean(conf->headers[i].value))
            return PRL_ERR_INVALID;
        prl_str_addf(text, "%s: %s\r\n", conf->headers[i].name, conf->headers[i].value);
    }
    prl_str_adds(text, "\r\n");
    return text->err;
}

static enum prl_err create_endpoint(struct prl_wsc *client, const struct prl_wsc_conf *conf)
{
    client->slice = prl_mem_alloc(PRL_WS_SLICE);
    if (!client->slice)
        return PRL_ERR_NOMEM;
    size_t message_max = conf->message_size_max ? conf->message_size_max : MESSAGE_SIZE_MAX;
    prl_str_init(&client->message, message_max + 1);
    return prl_ws_core_create(
        &client->ws, client->loop,
        &(struct prl_ws_core_conf){.client = true,
                                   .message_size_max = message_max,
                                   .queue_size_max =
                                       conf->queue_size_max ? conf->queue_size_max : QUEUE_SIZE_MAX,
                                   .ping_ms = PING_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .close_timeout_ms = CLOSE_TIMEOUT_MS,
                                   .slice = client->slice,
                                   .hooks = &hooks,
                                   .arg = client});
}

static enum prl_err prepare(struct prl_wsc *client, const struct prl_wsc_conf *conf)
{
    if (!prl_url_parse(conf->url, &client->url))
        return PRL_ERR_INVALID;
    enum prl_err err = build_request(client, conf);
    if (!err)
        err = create_endpoint(client, conf);
    if (!err)
        err = prl_timer_create(&client->timer, client->loop, "ws client timer", on_timer, client);
    if (err)
        return err;
    int32_t limit_ms = conf->connect_timeout_ms > 0 ? conf->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    prl_timer_start(client->timer, prl_clock_now_us() + limit_ms * 1000LL);
    struct prl_tls_ctx **trust = conf->trust ? conf->trust : &client->own_tls;
    enum prl_err trusted = PRL_OK;
    if (client->url.tls && !*trust)
        trusted = prl_tls_ctx_create_client(trust, conf->ca_file, conf->insecure, client->error);
    client->tls = client->url.tls ? *trust : NULL;
    if (trusted) {
        char why[256]; // an unreadable CA file is told like every other failure to connect
        snprintf(why, sizeof(why), "%.255s", client->error);
        fail(client, "TLS", why);
        return PRL_OK;
    }
    return start_resolve(client);
}

enum prl_err prl_wsc_create(struct prl_wsc **out, struct prl_loop *loop,
                            const struct prl_wsc_conf *conf)
{
    PRL_CHECK(out && loop && conf && conf->url && conf->ops);
    PRL_CHECK(conf->ops->on_open && conf->ops->on_text && conf->ops->on_close);
    struct prl_wsc *client = *out = prl_mem_zalloc(sizeof(*client));
    if (!client)
        return PRL_ERR_NOMEM;
    client->loop = loop;
    client->ops = conf->ops;
    client->arg = conf->arg;
    client->fd = -1;
    client->state = STATE_RESOLVE;
    prl_str_init(&client->request, REQUEST_SIZE_MAX);
    prl_str_init(&client->in, PRL_WS_SLICE);
    enum prl_err err = prepare(client, conf);
    if (err)
        prl_wsc_destroy(out);
    return err;
}

void prl_wsc_destroy(struct prl_wsc **client_at)
{
    struct prl_wsc *client = *client_at;
    if (!client)
        return;
    if (client->resolve)
        client->resolve->client = NULL;
    drop_connection(client);
    prl_timer_destroy(&client->timer);
    prl_ws_core_destroy(&client->ws);
    prl_tls_ctx_destroy(&client->own_tls);
    if (client->list)
        freeaddrinfo(client->list);
    prl_str_free(&client->request);
    prl_str_free(&client->in);
    prl_str_free(&client->message);
    prl_mem_free(client->slice);
    prl_mem_free(client);
    *client_at = NULL;
}

enum prl_err prl_wsc_send_text(struct prl_wsc *client, const char *data, size_t len)
{
    if (client->state >= STATE_FAILED)
        return PRL_ERR_CANCELED;
    return prl_ws_send_text(client->ws, data, len);
}

enum prl_err prl_wsc_send_binary(struct prl_wsc *client, const void *data, size_t len)
{
    if (client->state >= STATE_FAILED)
        return PRL_ERR_CANCELED;
    return prl_ws_send_binary(client->ws, data, len);
}

size_t prl_wsc_queued_bytes(const struct prl_wsc *client)
{
    return prl_ws_queued_bytes(client->ws);
}

void prl_wsc_pause(struct prl_wsc *client)
{
    prl_ws_pause(client->ws);
}

void prl_wsc_resume(struct prl_wsc *client)
{
    prl_ws_resume(client->ws);
}

void prl_wsc_close(struct prl_wsc *client, uint16_t code, const char *reason)
{
    if (client->state == STATE_OPEN)
        prl_ws_close(client->ws, code, reason);
    else
        fail(client, "closed", "before it was open");
}

// test_wsc.c -- the WebSocket client against our own server, plain and TLS.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/wsc.h"
#include "tests/unit.h"

enum { TURN_US = 20000 };

struct fixture {
    struct prl_loop *loop;
    struct prl_http *http;
    struct prl_wsc *client;
    uint16_t port, tls_port;
    char url[128];
    // Server side.
    int server_closed;
    uint16_t server_code;
    // Client side.
    int opened, closed, messages;
    size_t bytes, longest;
    uint16_t code;
    char last[64];
    char reason[256];
    char subprotocol[32];
};

static void server_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                        struct prl_ws_answer *answer)
{
    const char *key = prl_http_header(request, "authorization");
    prl_ws_set_owner(ws, arg);
    if (!key || strcmp(key, "Bearer right") != 0)
        *answer = (struct prl_ws_answer){.status = 401, .body = "{\"error\":\"who are you?\"}"};
    char name[32];
    if (prl_http_subprotocol(request, 1, name, sizeof(name)) && strcmp(name, "realtime") == 0)
        answer->subprotocol = "realtime";
}

// Echoes piece by piece; "bye" asks for the end, "binary" for what the client must refuse.
static void server_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                        bool last)
{
    (void)owner;
    if (first && last && len == 3 && memcmp(data, "bye", 3) == 0)
        prl_ws_close(ws, 4001, "as you wish");
    else if (first && last && len == 6 && memcmp(data, "binary", 6) == 0)
        (void)!prl_ws_send_binary(ws, "\x01\x02", 2);
    else
        (void)!prl_ws_send_text(ws, data, len);
}

static void server_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    struct fixture *f = owner;
    (void)ws;
    f->server_closed++;
    f->server_code = code;
}

static const struct prl_ws_ops server_ops = {server_open, server_text, NULL, NULL, server_close};

static void client_open(void *arg, const char *subprotocol)
{
    struct fixture *f = arg;
    f->opened++;
    snprintf(f->subprotocol, sizeof(f->subprotocol), "%s", subprotocol);
}

static void client_text(void *arg, const char *data, size_t len)
{
    struct fixture *f = arg;
    f->messages++;
    f->bytes += len;
    f->longest = len > f->longest ? len : f->longest;
    EXPECT(data[len] == '\0');
    snprintf(f->last, sizeof(f->last), "%.60s", data);
}

static void client_close(void *arg, uint16_t code, const char *reason)
{
    struct fixture *f = arg;
    f->closed++;
    f->code = code;
    snprintf(f->reason, sizeof(f->reason), "%s", reason);
    prl_wsc_destroy(&f->client);
}

static const struct prl_wsc_ops client_ops = {client_open, client_text, NULL, client_close, NULL};

static enum prl_err set_up(struct fixture *f, bool tls)
{
    const struct prl_http_listen listens[] = {{"127.0.0.1", 0, false}, {"127.0.0.1", 0, true}};
    struct prl_tls_files files = {0};
    struct prl_http_bound bound = {0};
    struct prl_http_conf conf = {.listens = listens, .listen_count = tls ? 2 : 1};
    enum prl_err err = tls ? prl_tls_ensure_files(prl_test_dir(), NULL, 0, &files) : PRL_OK;
    conf.tls_cert = files.cert_path;
    conf.tls_key = files.key_path;
    if (!err)
        err = prl_loop_create(&f->loop, NULL);
    if (!err)
        err = prl_http_create(&f->http, f->loop, &conf);
    if (!err)
        err = prl_http_add_ws(f->http, &(struct prl_ws_route){"/v1/realtime", &server_ops, f});
    if (!err)
        err = prl_http_bound(f->http, 0, &bound);
    f->port = bound.port;
    if (!err && tls)
        err = prl_http_bound(f->http, 1, &bound);
    f->tls_port = bound.port;
    return err;
}

static void tear_down(struct fixture *f)
{
    prl_wsc_destroy(&f->client);
    prl_http_destroy(&f->http);
    prl_loop_destroy(&f->loop);
}

static enum prl_err connect_to(struct fixture *f, const char *scheme, const char *host,
                               uint16_t port, const struct prl_wsc_conf *more)
{
    static const struct prl_http_header header = {"Authorization", "Bearer right"};
    struct prl_wsc_conf conf = *more;
    snprintf(f->url, sizeof(f->url), "%s://%s:%u/v1/realtime?model=m", scheme, host, port);
    f->opened = f->closed = 0;
    conf.url = f->url;
    conf.ops = &client_ops;
    conf.arg = f;
    if (!conf.headers) {
        conf.headers = &header;
        conf.header_count = 1;
    }
    return prl_wsc_create(&f->client, f->loop, &conf);
}

static bool await_count(struct fixture *f, const int *count, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < want && prl_clock_now_us() < end_us) {
        prl_test_pass_ms();
        prl_loop_turn(f->loop, TURN_US);
    }
    return *count >= want;
}

static bool await_bytes(struct fixture *f, size_t want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (f->bytes < want && !f->closed && prl_clock_now_us() < end_us)
        prl_loop_turn(f->loop, TURN_US);
    return f->bytes >= want;
}

PRL_TEST(wsc_talks_and_closes)
{
    struct fixture f = {0};
    REQUIRE(set_up(&f, false) == PRL_OK);
    struct prl_wsc_conf conf = {.subprotocols = "other, realtime"};
    EXPECT_OK(connect_to(&f, "ws", "localhost", f.port, &conf)); // a name: resolved elsewhere
    EXPECT_OK(prl_wsc_send_text(f.client, "early", 5));          // waits for the upgrade
    EXPECT(await_count(&f, &f.messages, 1));
    EXPECT_INT(f.opened, 1);
    EXPECT_TEXT(f.subprotocol, "realtime");
    EXPECT_TEXT(f.last, "early");
    EXPECT_OK(prl_wsc_send_text(f.client, "你好", 6));
    EXPECT(await_count(&f, &f.messages, 2));
    EXPECT_TEXT(f.last, "你好");
    EXPECT_OK(prl_wsc_send_text(f.client, "bye", 3));
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 4001);
    EXPECT_TEXT(f.reason, "as you wish");
    EXPECT(await_count(&f, &f.server_closed, 1));
    EXPECT_INT(f.server_code, 4001);
    // The other way round.
    EXPECT_OK(connect_to(&f, "ws", "127.0.0.1", f.port, &(struct prl_wsc_conf){0}));
    EXPECT(await_count(&f, &f.opened, 1));
    EXPECT_TEXT(f.subprotocol, "");
    prl_wsc_close(f.client, 1000, "done");
    EXPECT_INT(prl_wsc_send_text(f.client, "x", 1), PRL_ERR_CANCELED);
    EXPECT(await_count(&f, &f.server_closed, 2));
    EXPECT_INT(f.server_code, 1000);
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1000);
    tear_down(&f);
}

PRL_TEST(wsc_carries_large_messages_and_limits_them)
{
    enum { SIZE = 2 << 20 };
    struct fixture f = {0};
    REQUIRE(set_up(&f, false) == PRL_OK);
    char *text = prl_mem_alloc(SIZE);
    REQUIRE(text != NULL);
    memset(text, 'x', SIZE);
    EXPECT_OK(connect_to(&f, "ws", "127.0.0.1", f.port,
                         &(struct prl_wsc_conf){.message_size_max = 16384}));
    EXPECT_OK(prl_wsc_send_text(f.client, text, SIZE));
    EXPECT(await_bytes(&f, SIZE)); // comes back in pieces of the server's slices
    EXPECT_INT(f.bytes, SIZE);
    prl_wsc_destroy(&f.client);
    EXPECT(await_count(&f, &f.server_closed, 1));
    EXPECT_INT(f.server_code, 1006);
    EXPECT_OK(
        connect_to(&f, "ws", "127.0.0.1", f.port, &(struct prl_wsc_conf){.message_size_max = 100}));
    EXPECT_OK(prl_wsc_send_text(f.client, text, 101));
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1009);
    EXPECT_OK(
        connect_to(&f, "ws", "127.0.0.1", f.port, &(struct prl_wsc_conf){.queue_size_max = 1000}));
    EXPECT_INT(prl_wsc_send_text(f.client, text, 1001), PRL_ERR_FULL);
    EXPECT_INT(prl_wsc_queued_bytes(f.client), 0);
    EXPECT_OK(prl_wsc_send_text(f.client, "binary", 6));
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT_INT(f.code, 1003);
    prl_mem_free(text);
    tear_down(&f);
}

static void expect_failure(struct fixture *f, const char *part)
{
    EXPECT(await_count(f, &f->closed, 1));
    EXPECT_INT(f->code, 0);
    EXPECT_INT(f->opened, 0);
    if (!strstr(f->reason, part))
        EXPECT_TEXT(f->reason, part);
}

PRL_TEST(wsc_says_why_it_could_not_connect)
{
    struct fixture f = {0};
    REQUIRE(set_up(&f, false) == PRL_OK);
    static const struct prl_http_header wrong = {"Authorization", "Bearer wrong"};
    static const struct prl_http_header evil = {"X", "a\r\nY: b"};
    struct prl_wsc_conf conf = {.headers = &wrong, .header_count = 1};
    EXPECT_OK(connect_to(&f, "ws", "127.0.0.1", f.port, &conf));
    expect_failure(&f, "HTTP 401: {\"error\":\"who are you?\"}");
    EXPECT_OK(connect_to(&f, "ws", "127.0.0.1", 1, &(struct prl_wsc_conf){0}));
    expect_failure(&f, "connect: Connection refused");
    EXPECT_OK(connect_to(&f, "ws", "no-such-host.invalid", 80,
                         &(struct prl_wsc_conf){.connect_timeout_ms = 3000}));
    expect_failure(&f, "resolve: ");
    EXPECT_OK(connect_to(&f, "wss", "127.0.0.1", f.port, &(struct prl_wsc_conf){.insecure = true}));
    expect_failure(&f, "TLS: ");
    conf.headers = &evil;
    EXPECT_INT(connect_to(&f, "ws", "127.0.0.1", f.port, &conf), PRL_ERR_INVALID);
    EXPECT_INT(connect_to(&f, "gopher", "127.0.0.1", f.port, &(struct prl_wsc_conf){0}),
               PRL_ERR_INVALID);
    EXPECT(f.client == NULL);
    // A listener that nobody serves: the time limit ends it.
    struct prl_loop *other;
    struct prl_http *silent;
    struct prl_http_listen listen = {"127.0.0.1", 0, false};
    struct prl_http_bound bound = {0};
    REQUIRE(prl_loop_create(&other, NULL) == PRL_OK);
    EXPECT_OK(prl_http_create(&silent, other,
                              &(struct prl_http_conf){.listens = &listen, .listen_count = 1}));
    EXPECT_OK(prl_http_bound(silent, 0, &bound));
    prl_clock_hold(prl_clock_now_us());
    EXPECT_OK(connect_to(&f, "ws", "127.0.0.1", bound.port,
                         &(struct prl_wsc_conf){.connect_timeout_ms = 30}));
    expect_failure(&f, "upgrade: no answer in time");
    prl_clock_hold(-1);
    prl_http_destroy(&silent);
    prl_loop_destroy(&other);
    // Destroyed while a name is being resolved.
    EXPECT_OK(connect_to(&f, "ws", "localhost", f.port, &(struct prl_wsc_conf){0}));
    prl_wsc_destroy(&f.client);
    tear_down(&f);
    EXPECT_INT(f.closed, 0);
}

// The socket of this process that is connected to `port`.
static int socket_to(uint16_t port)
{
    enum { FDS = 256 };
    for (int fd = 3; fd < FDS; fd++) {
        struct sockaddr_in peer = {.sin_family = AF_UNSPEC};
        socklen_t size = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port)
            return fd;
    }
    return -1;
}

PRL_TEST(wsc_sends_small_messages_at_once)
{
    struct fixture f = {0};
    REQUIRE(set_up(&f, true) == PRL_OK);
    for (int tls = 0; tls < 2; tls++) {
        uint16_t port = tls ? f.tls_port : f.port;
        struct prl_wsc_conf conf = {.insecure = true};
        int on = 0;
        socklen_t size = sizeof(on);
        EXPECT_OK(connect_to(&f, tls ? "wss" : "ws", "127.0.0.1", port, &conf));
        EXPECT(await_count(&f, &f.opened, 1));
        EXPECT(getsockopt(socket_to(port), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
        EXPECT(on != 0);
        prl_wsc_destroy(&f.client);
        EXPECT(await_count(&f, &f.server_closed, tls + 1));
    }
    tear_down(&f);
}

PRL_TEST(wsc_over_tls)
{
    enum { SIZE = 1 << 20 };
    struct fixture f = {0};
    char ca[600];
    REQUIRE(set_up(&f, true) == PRL_OK);
    snprintf(ca, sizeof(ca), "%s/cert.pem", prl_test_dir());
    char *text = prl_mem_alloc(SIZE);
    REQUIRE(text != NULL);
    memset(text, 't', SIZE);
    EXPECT_OK(connect_to(&f, "wss", "127.0.0.1", f.tls_port, &(struct prl_wsc_conf){0}));
    expect_failure(&f, "self-signed certificate");
    EXPECT_OK(connect_to(&f, "wss", "127.0.0.1", f.tls_port,
                         &(struct prl_wsc_conf){.ca_file = "/nonexistent"}));
    expect_failure(&f, "TLS: /nonexistent");
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 3; i++) {
        struct prl_wsc_conf conf = {.ca_file = i < 2 ? ca : NULL, .insecure = i == 2};
        f.bytes = 0;
        EXPECT_OK(connect_to(&f, "wss", hosts[i % 2], f.tls_port, &conf));
        EXPECT_OK(prl_wsc_send_text(f.client, text, SIZE));
        EXPECT(await_bytes(&f, SIZE));
        EXPECT_INT(f.bytes, SIZE);
        EXPECT_OK(prl_wsc_send_text(f.client, "bye", 3));
        EXPECT(await_count(&f, &f.closed, 1));
        EXPECT_INT(f.code, 4001);
    }
    // What is trusted is read once, and then the file is needed no more; neither is the certificate.
    struct prl_tls_ctx *trust = NULL;
    uint64_t full = prl_metrics_value(PRL_METRIC_TLS_FULL);
    uint64_t resumed = prl_metrics_value(PRL_METRIC_TLS_RESUMED);
    for (int i = 0; i < 2; i++) {
        struct prl_wsc_conf conf = {.ca_file = i == 0 ? ca : "/nonexistent", .trust = &trust};
        EXPECT_OK(connect_to(&f, "wss", "127.0.0.1", f.tls_port, &conf));
        EXPECT(trust != NULL);
        EXPECT_OK(prl_wsc_send_text(f.client, "bye", 3));
        EXPECT(await_count(&f, &f.closed, 1));
        EXPECT_INT(f.code, 4001);
    }
    EXPECT_INT(prl_metrics_value(PRL_METRIC_TLS_FULL), full + 1);
    EXPECT_INT(prl_metrics_value(PRL_METRIC_TLS_RESUMED), resumed + 1);
    prl_wsc_destroy(&f.client);
    prl_tls_ctx_destroy(&trust);
    // Plain HTTP at the TLS port ends without harm.
    EXPECT_OK(connect_to(&f, "ws", "127.0.0.1", f.tls_port, &(struct prl_wsc_conf){0}));
    expect_failure(&f, "upgrade: ");
    prl_mem_free(text);
    tear_down(&f);
}

PRL_TEST_OOM(wsc_whole_life)
{
    struct fixture f = {0};
    if (set_up(&f, true) ||
        connect_to(&f, "wss", "127.0.0.1", f.tls_port, &(struct prl_wsc_conf){.insecure = true}))
        goto done;
    bool sent = prl_wsc_send_text(f.client, "hello", 5) == PRL_OK &&
                prl_wsc_send_text(f.client, "bye", 3) == PRL_OK;
    if (!sent)
        prl_wsc_close(f.client, 1000, "");
    EXPECT(await_count(&f, &f.closed, 1));
    EXPECT(prl_test_oom() || (f.messages == 1 && f.code == 4001));
done:
    tear_down(&f);
}

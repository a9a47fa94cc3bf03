// test_fetch.c -- outgoing requests against a server that answers badly on purpose, and against our own.
#include "net/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"
#include "net/tls.h"
#include "tests/unit.h"

enum { TURN_US = 20000, PEERS_MAX = 40, REQUEST_MAX = 8192 };

struct fixture;

struct peer {
    struct fixture *f;
    struct prl_watch *watch;
    int fd;
    char request[REQUEST_MAX + 1];
    size_t len;
};

// What came of one request.
struct result {
    struct fixture *f;
    struct prl_fetch_request *request;
    int ended, heads;
    enum prl_fetch_failure failure;
    unsigned status;
    int32_t retry_after_ms;
    char type[64], data[512], why[PRL_FETCH_WHY_SIZE], body[128];
    size_t size;
    bool cancel_in_data;
    bool again; // start one more from on_data
    struct result *other;
};

struct fixture {
    struct prl_loop *loop;
    struct prl_fetch *fetch;
    struct prl_watch *listener;
    int fd;
    uint16_t port;
    struct peer peers[PEERS_MAX];
    int accepted, gone;
    char last[REQUEST_MAX + 1];
};

// ---- the bad server ----

static void peer_close(struct peer *peer)
{
    prl_watch_destroy(&peer->watch);
    if (peer->fd > 0)
        close(peer->fd);
    peer->fd = 0;
}

static void reply(struct peer *peer, const char *text)
{
    EXPECT(write(peer->fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void answer(struct peer *peer)
{
    const char *request = peer->request;
    memcpy(peer->f->last, request, peer->len + 1);
    peer->len = 0;
    if (strstr(request, " /ok "))
        reply(peer,
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
    else if (strstr(request, " /chunks "))
        reply(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    else if (strstr(request, " /stops "))
        reply(peer, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nab");
    else if (strstr(request, " /lies "))
        reply(peer, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nab");
    else if (strstr(request, " /busy "))
        reply(peer, "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 21\r\n\r\nlater, "
                    "sk-secret, bye");
    else if (strstr(request, " /denied "))
        reply(peer, "HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nsk-sec...");
    else if (strstr(request, " /moved "))
        reply(peer, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    else if (strstr(request, " /spoilt ") && peer->f->accepted > 1)
        reply(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean");
    else if (strstr(request, " /left ") && peer->f->accepted > 1)
        reply(peer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback");
    else if (strstr(request, " /garbage ") || strstr(request, " /spoilt "))
        reply(peer, "\x16\x03\x01 what is this\r\n\r\n");
    bool left = strstr(request, " /left ") && peer->f->accepted == 1;
    if (strstr(request, " /lies ") || strstr(request, " /shut ") || left)
        peer_close(peer);
}

static void on_peer(void *arg, unsigned events)
{
    struct peer *peer = arg;
    (void)events;
    ssize_t got = read(peer->fd, peer->request + peer->len, REQUEST_MAX - peer->len);
    if (got <= 0) {
        peer->f->gone++;
        peer_close(peer);
        return;
    }
    peer->len += (size_t)got;
    peer->request[peer->len] = '\0';
    const char *end = strstr(peer->request, "\r\n\r\n");
    const char *length = strstr(peer->request, "Content-Length: ");
    size_t body = 0;
    if (length && sscanf(length, "Content-Length: %zu", &body) != 1) // NOLINT(cert-err34-c)
        body = 0;
    if (end && (size_t)(end + 4 - peer->request) + body <= peer->len)
        answer(peer);
}

static void on_listener(void *arg, unsigned events)
{
    struct fixture *f = arg;
    (void)events;
    int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct peer *peer = &f->peers[f->accepted % PEERS_MAX];
    peer_close(peer);
    *peer = (struct peer){.f = f, .fd = fd};
    f->accepted++;
    if (prl_watch_create(&peer->watch, f->loop, fd, "peer", on_peer, peer) != PRL_OK ||
        prl_watch_set(peer->watch, PRL_WATCH_READ) != PRL_OK)
        peer_close(peer);
}

static enum prl_err set_up(struct fixture *f)
{
    *f = (struct fixture){.fd = -1};
    enum prl_err err = prl_loop_create(&f->loop, NULL);
    if (err)
        return err;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&address, size) != 0 ||
        listen(f->fd, PEERS_MAX) != 0 ||
        getsockname(f->fd, (struct sockaddr *)&address, &size) != 0)
        return PRL_ERR_IO;
    f->port = ntohs(address.sin_port);
    err = prl_watch_create(&f->listener, f->loop, f->fd, "listener", on_listener, f);
    if (!err)
        err = prl_watch_set(f->listener, PRL_WATCH_READ);
    if (!err)
        err = prl_fetch_create(&f->fetch, f->loop, NULL);
    return err;
}

static void tear_down(struct fixture *f)
{
    prl_fetch_destroy(&f->fetch);
    for (size_t i = 0; i < PEERS_MAX; i++)
        peer_close(&f->peers[i]);
    prl_watch_destroy(&f->listener);
    if (f->fd >= 0)
        close(f->fd);
    prl_loop_destroy(&f->loop);
}

// ---- the client ----

static enum prl_err ask(struct fixture *f, struct result *result, const char *path,
                        const struct prl_fetch_ask *more);

static void on_head(void *arg, unsigned status, const char *type)
{
    struct result *result = arg;
    result->heads++;
    result->status = status;
    snprintf(result->type, sizeof(result->type), "%s", type);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct result *result = arg;
    for (size_t i = 0; i < len && result->size < sizeof(result->data) - 1; i++)
        result->data[result->size++] = data[i];
    if (result->again) {
        result->again = false;
        (void)!ask(result->f, result->other, "/ok", &(struct prl_fetch_ask){0});
    }
    if (result->cancel_in_data)
        prl_fetch_cancel(&result->request);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct result *result = arg;
    result->request = NULL;
    result->ended++;
    result->failure = end->failure;
    result->status = end->status;
    result->retry_after_ms = end->retry_after_ms;
    snprintf(result->why, sizeof(result->why), "%s", end->why);
    snprintf(result->body, sizeof(result->body), "%s", end->body);
}

static const struct prl_fetch_ops ops = {on_head, on_data, on_end};

static enum prl_err ask(struct fixture *f, struct result *result, const char *path,
                        const struct prl_fetch_ask *more)
{
    char url[128];
    struct prl_fetch_ask full = *more;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", f->port, path);
    full.url = url;
    full.method = full.body ? "POST" : "GET";
    full.ops = &ops;
    full.arg = result;
    result->f = f;
    if (!full.limits.first_byte_ms)
        full.limits.first_byte_ms = full.limits.connect_ms = 110000;
    if (!full.limits.gap_ms)
        full.limits.gap_ms = 110000;
    return prl_fetch_start(f->fetch, &full, &result->request);
}

static void wait_end(const struct fixture *f, const struct result *result)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!result->ended && prl_clock_now_us() < end_us)
        prl_loop_turn(f->loop, TURN_US);
}

static struct result get(struct fixture *f, const char *path, const struct prl_fetch_ask *more)
{
    struct result result = {0};
    if (ask(f, &result, path, more) == PRL_OK)
        wait_end(f, &result);
    EXPECT_INT(result.ended, 1);
    return result;
}

PRL_TEST(fetch_reads_bodies_and_keeps_the_connection)
{
    struct fixture f;
    REQUIRE(set_up(&f) == PRL_OK);
    struct result result = get(&f, "/ok", &(struct prl_fetch_ask){0});
    EXPECT_INT(result.failure, PRL_FETCH_OK);
    EXPECT_INT(result.status, 200);
    EXPECT_INT(result.heads, 1);
    EXPECT_TEXT(result.data, "hello");
    EXPECT_TEXT(result.type, "text/plain");
    EXPECT_TEXT(result.why, "");
    result = get(&f, "/chunks", &(struct prl_fetch_ask){0});
    EXPECT_TEXT(result.data, "abcde");
    EXPECT_INT(f.accepted, 1); // the same connection
    struct prl_fetch_stats stats;
    prl_fetch_stats(f.fetch, &stats);
    EXPECT_INT(stats.started, 2);
    EXPECT_INT(stats.requests, 0);
    tear_down(&f);
}

PRL_TEST(fetch_asks_again_after_a_spoilt_connection)
{
    struct fixture f;
    REQUIRE(set_up(&f) == PRL_OK);
    struct result result = get(&f, "/spoilt", &(struct prl_fetch_ask){0});
    EXPECT_INT(result.failure, PRL_FETCH_CUT); // a connection of its own: no excuse
    EXPECT_INT(f.accepted, 1);
    f.accepted = 0;
    result = get(&f, "/ok", &(struct prl_fetch_ask){0});
    EXPECT_INT(result.failure, PRL_FETCH_OK);
    result = get(&f, "/spoilt", &(struct prl_fetch_ask){0});
    EXPECT_INT(result.failure, PRL_FETCH_OK);
    EXPECT_TEXT(result.data, "clean");
    EXPECT_INT(f.accepted, 2);
    // Once only.
    result = get(&f, "/garbage", &(struct prl_fetch_ask){0});
    EXPECT_INT(result.failure, PRL_FETCH_CUT);
    EXPECT_INT(f.accepted, 3);
    tear_down(&f);
}

// The server closes a kept connection just when a request is on its way.
PRL_TEST(fetch_asks_again_after_a_kept_connection_died)
{
    struct fixture f;
    REQUIRE(set_up(&f) == PRL_OK);
    struct prl_fetch_ask post = {.content_type = "text/plain", .body = "words", .body_size = 5};
    struct result result = get(&f, "/ok", &post);
    EXPECT_INT(result.failure, PRL_FETCH_OK);
    result = get(&f, "/left", &post);
    EXPECT_INT(result.failure, PRL_FETCH_OK);
    EXPECT_TEXT(result.data, "back");
    EXPECT_INT(f.accepted, 2);
    EXPECT(strstr(f.last, "POST /left ") && strstr(f.last, "\r\n\r\nwords"));
    // A connection of its own is no such case.
    f.accepted = 0;
    prl_fetch_destroy(&f.fetch);
    REQUIRE(prl_fetch_create(&f.fetch, f.loop, NULL) == PRL_OK);
    result = get(&f, "/left", &post);
    EXPECT_INT(result.failure, PRL_FETCH_CUT);
    EXPECT_INT(f.accepted, 1);
    tear_down(&f);
}

PRL_TEST(fetch_sends_body_headers_and_key)
{
    struct fixture f;
    REQUIRE(set_up(&f) == PRL_OK);
    const struct prl_http_header header = {"X-Thing", "yes"};
    struct prl_fetch_ask more = {.headers = &header,
                                 .header_count = 1,
                                 .bearer = "sk-secret",
                                 .content_type = "application/json",
                                 .body = "{\"a\":1}",
                                 .body_size = 7};
    struct result result = get(&f, "/ok", &more);
    EXPECT_INT(result.failure, PRL_FETCH_OK);
    EXPECT(strstr(f.last, "POST /ok HTTP/1.1\r\n") != NULL);
    EXPECT(strstr(f.last, "Authorization: Bearer sk-secret\r\n") != NULL);
    EXPECT(strstr(f.last, "X-Thing: yes\r\n") != NULL);
    EXPECT(strstr(f.last, "Content-Type: application/json\r\n") != NULL);
    EXPECT(strstr(f.last, "\r\n\r\n{\"a\":1}") != NULL);
    EXPECT(strstr(f.last, "Expect") == NULL);
    tear_down(&f);
}

PRL_TEST(fetch_names_every_failure_and_no_key)
{
    struct fixture f;
    REQUIRE(set_up(&f) == PRL_OK);
    struct prl_fetch_ask key = {.bearer = "sk-secret"};
    struct result result = get(&f, "/busy", &key);
    EXPECT_INT(result.failure, PRL_FETCH_STATUS);
    EXPECT_INT(result.status, 429);
    EXPECT_INT(result.retry_after_ms, 3000);
    EXPECT(strstr(result.why, "HTTP 429") != NULL);
    EXPECT(strstr(result.why, "secret") == NULL);
    EXPECT_INT(result.heads, 0);
    EXPECT_INT(result.size, 0);
    result = get(&f, "/busy", &(struct prl_fetch_ask){0});
    EXPECT(strstr(result.why, "HTTP 429: later") != NULL);
    EXPECT(strstr(result.body, "later") != NULL);
    result = get(&f, "/denied", &key);
    EXPECT(strstr(result.why, "HTTP 401") != NULL && strstr(result.why, "sk-") == NULL);
    result = get(&f, "/moved", &key); // is not followed
    EXPECT_INT(result.failure, PRL_FETCH_STATUS);
    EXPECT_INT(result.status, 302);
    result = get(&f, "/lies", &key);
    EXPECT_INT(result.failure, PRL_FETCH_CUT);
    EXPECT_TEXT(result.data, "ab");
    result = get(&f, "/shut", &key);
    EXPECT_INT(result.failure, PRL_FETCH_CUT);
    result = get(&f, "/garbage", &key);
    EXPECT_INT(result.failure, PRL_FETCH_CUT);
    struct prl_fetch_ask limits = {.limits = {.first_byte_ms = 30}};
    result = get(&f, "/hang", &limits);
    EXPECT_INT(result.failure, PRL_FETCH_FIRST_BYTE);
    EXPECT(strstr(result.why, "30 ms") != NULL);
    limits.limits = (struct prl_fetch_limits){.gap_ms = 30};
    result = get(&f, "/stops", &limits);
    EXPECT_INT(result.failure, PRL_FETCH_GAP);
    EXPECT_TEXT(result.data, "ab");
    limits.limits = (struct prl_fetch_limits){.total_ms = 30};
    result = get(&f, "/stops", &limits);
    EXPECT_INT(result.failure, PRL_FETCH_TOTAL);
    limits.limits = (struct prl_fetch_limits){.body_max = 3};
    result = get(&f, "/ok", &limits);
    EXPECT_INT(result.failure, PRL_FETCH_SIZE);
    prl_watch_destroy(&f.listener);
    close(f.fd);
    f.fd = -1;
    result = get(&f, "/ok", &key);
    EXPECT_INT(result.failure, PRL_FETCH_CONNECT);
    tear_down(&f);
}

PRL_TEST(fetch_refuses_what_it_cannot_ask)
{
    struct fixture f;
    REQUIRE(set_up(&f) == PRL_OK);
    static const char *const urls[] = {"ftp://127.0.0.1/", "ws://127.0.0.1/", "file:///etc/passwd",
                                       "http://a b/",      "http://",         "x"};
    struct prl_fetch_request *request;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct prl_fetch_ask bad = {.method = "GET", .url = urls[i], .ops = &ops};
        EXPECT_INT(prl_fetch_start(f.fetch, &bad, &request), PRL_ERR_INVALID);
    }
    const struct prl_http_header header = {"X-Thing", "a\r\nb: c"};
    struct prl_fetch_ask bad = {.method = "GET",
                                .url = "http://127.0.0.1/",
                                .headers = &header,
                                .header_count = 1,
                                .ops = &ops};
    EXPECT_INT(prl_fetch_start(f.fetch, &bad, &request), PRL_ERR_INVALID);
    bad.header_count = 0;
    bad.bearer = "a\nb";
    EXPECT_INT(prl_fetch_start(f.fetch, &bad, &request), PRL_ERR_INVALID);
    EXPECT(request == NULL);
    tear_down(&f);
}

PRL_TEST(fetch_cancel_closes_at_once)
{
    struct fixture f;
    struct result result = {0}, second = {0};
    REQUIRE(set_up(&f) == PRL_OK);
    REQUIRE(ask(&f, &result, "/hang", &(struct prl_fetch_ask){0}) == PRL_OK);
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!f.last[0] && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    prl_fetch_cancel(&result.request);
    EXPECT(result.request == NULL);
    while (!f.gone && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    EXPECT_INT(f.gone, 1);
    EXPECT_INT(result.ended, 0);
    // From inside on_data: cancel, and start another.
    result = (struct result){.cancel_in_data = true, .again = true, .other = &second};
    REQUIRE(ask(&f, &result, "/stops", &(struct prl_fetch_ask){0}) == PRL_OK);
    wait_end(&f, &second);
    EXPECT_TEXT(second.data, "hello");
    EXPECT_TEXT(result.data, "ab");
    EXPECT_INT(result.ended, 0);
    EXPECT(result.request == NULL);
    // Destroyed with a request under way: no callback.
    second = (struct result){0};
    REQUIRE(ask(&f, &second, "/hang", &(struct prl_fetch_ask){0}) == PRL_OK);
    prl_loop_turn(f.loop, 0);
    tear_down(&f);
    EXPECT_INT(second.ended, 0);
}

static void serve_secure(void *arg, struct prl_http_request *request)
{
    (void)arg;
    prl_http_reply_json(request, 200, "{}");
}

static void ask_secure(struct prl_loop *loop, const char *url, const char *ca_file)
{
    struct fixture f = {.loop = loop};
    struct prl_fetch_conf conf = {.ca_file = ca_file};
    REQUIRE(prl_fetch_create(&f.fetch, loop, &conf) == PRL_OK);
    for (int i = 0; i < 2; i++) {
        struct result result = {.f = &f};
        struct prl_fetch_ask one = {
            .method = "GET",
            .url = url,
            .limits = {.connect_ms = 110000, .first_byte_ms = 110000, .gap_ms = 110000},
            .ops = &ops,
            .arg = &result};
        if (prl_fetch_start(f.fetch, &one, &result.request) == PRL_OK)
            wait_end(&f, &result);
        EXPECT_INT(result.ended, 1);
        EXPECT_INT(result.failure, ca_file ? PRL_FETCH_OK : PRL_FETCH_CONNECT);
    }
    prl_fetch_destroy(&f.fetch);
}

PRL_TEST(fetch_checks_certificates)
{
    struct prl_loop *loop;
    struct prl_http *http;
    struct prl_tls_files files;
    struct prl_http_bound bound;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_tls_ensure_files(prl_test_dir(), NULL, 0, &files) == PRL_OK);
    const struct prl_http_listen listen = {"127.0.0.1", 0, true};
    struct prl_http_conf conf = {.listens = &listen,
                                 .listen_count = 1,
                                 .tls_cert = files.cert_path,
                                 .tls_key = files.key_path};
    REQUIRE(prl_http_create(&http, loop, &conf) == PRL_OK);
    REQUIRE(prl_http_bound(http, 0, &bound) == PRL_OK);
    const struct prl_http_route route = {"GET", "/x", 0, serve_secure, NULL};
    REQUIRE(prl_http_add_route(http, &route) == PRL_OK);
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", bound.port);
    ask_secure(loop, url, NULL);
    ask_secure(loop, url, files.cert_path);
    prl_http_destroy(&http);
    prl_loop_destroy(&loop);
}

PRL_TEST_OOM(fetch_without_memory)
{
    struct fixture f;
    struct result result = {0};
    struct prl_fetch_ask more = {.bearer = "k",
                                 .body = "x",
                                 .body_size = 1,
                                 .limits = {.first_byte_ms = 200, .gap_ms = 200}};
    if (set_up(&f) == PRL_OK && ask(&f, &result, "/ok", &more) == PRL_OK) {
        wait_end(&f, &result);
        EXPECT_INT(result.ended, 1);
    }
    tear_down(&f);
}

PRL_TEST(fetch_failures_are_errors)
{
    EXPECT_INT(prl_fetch_failure_err(PRL_FETCH_OK), PRL_OK);
    for (int i = PRL_FETCH_OK + 1; i < PRL_FETCH_FAILURES; i++) {
        bool late = i == PRL_FETCH_FIRST_BYTE || i == PRL_FETCH_GAP || i == PRL_FETCH_TOTAL;
        EXPECT_INT(prl_fetch_failure_err((enum prl_fetch_failure)i),
                   late ? PRL_ERR_TIMEOUT : PRL_ERR_REMOTE);
    }
}

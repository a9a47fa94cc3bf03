// test_http.c -- the HTTP side of the server over real loopback sockets: routes, bad requests, names,
// limits, time limits, streams, and its life without memory.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"
#include "net/http_head.h"
#include "net/http_route.h"
#include "net/outq.h"
#include "tests/unit.h"

enum { TURN_US = 20000, TEXT_MAX = 64 << 20 };

// ---- a server and a peer that does what a browser would never do ----

struct fixture {
    struct prl_loop *loop;
    struct prl_http *http;
    uint16_t port;
    int gone;
    struct prl_http_request *held;
    char seen[256];
};

struct peer {
    int fd;
    bool ended;
    struct prl_str text; // everything received
};

static void on_hello(void *arg, struct prl_http_request *request)
{
    (void)arg;
    char name[32] = "nobody";
    char body[64];
    prl_http_query_value(request, "name", name, sizeof(name));
    int len = snprintf(body, sizeof(body), "hello %s", name);
    prl_http_reply(request, &(struct prl_http_response){.status = 200,
                                                        .content_type = "text/plain",
                                                        .body = body,
                                                        .body_size = (size_t)len});
}

static void on_echo(void *arg, struct prl_http_request *request)
{
    (void)arg;
    size_t size;
    const char *body = prl_http_body(request, &size);
    prl_http_reply(request,
                   &(struct prl_http_response){.status = 200, .body = body, .body_size = size});
}

static void on_item(void *arg, struct prl_http_request *request)
{
    struct fixture *f = arg;
    char rest[64] = "";
    char tiny[1];
    EXPECT(prl_http_rest(request, rest, sizeof(rest)));
    EXPECT(!prl_http_rest(request, tiny, sizeof(tiny)));
    char peer[64];
    prl_http_peer(request, peer, sizeof(peer));
    EXPECT(prl_str_starts(peer, "127.0.0.1:"));
    EXPECT(prl_http_peer_loopback(request));
    EXPECT(!prl_http_tls(request));
    snprintf(f->seen, sizeof(f->seen), "%s %s %s", prl_http_method(request), prl_http_path(request),
             rest);
    prl_http_reply_json(request, 201, "{}");
}

static void on_gone(void *arg)
{
    ((struct fixture *)arg)->gone++;
}

static void on_later(void *arg, struct prl_http_request *request)
{
    struct fixture *f = arg;
    f->held = request;
    prl_http_defer(request, on_gone, f);
}

static void on_nothing(void *arg, struct prl_http_request *request)
{
    (void)arg;
    (void)request;
}

static void on_bad_header(void *arg, struct prl_http_request *request)
{
    (void)arg;
    struct prl_http_header header = {"X-Evil", "a\r\nSet-Cookie: b"};
    prl_http_reply(
        request, &(struct prl_http_response){.status = 200, .headers = &header, .header_count = 1});
}

static enum prl_err add_routes(struct fixture *f)
{
    const struct prl_http_route routes[] = {
        {"GET", "/hello", 0, on_hello, f},           {"POST", "/echo", 3 << 20, on_echo, f},
        {"*", "/items/:id", 0, on_item, f},          {"GET", "/files/*", 0, on_item, f},
        {"GET", "/later", 0, on_later, f},           {"GET", "/nothing", 0, on_nothing, f},
        {"GET", "/bad-header", 0, on_bad_header, f},
    };
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && !err; i++)
        err = prl_http_add_route(f->http, &routes[i]);
    return err;
}

static enum prl_err set_up(struct fixture *f, const struct prl_http_conf *more)
{
    static const struct prl_http_listen listen = {"127.0.0.1", 0, false};
    struct prl_http_conf conf = more ? *more : (struct prl_http_conf){0};
    struct prl_http_bound bound = {0};
    if (conf.listen_count == 0) {
        conf.listens = &listen;
        conf.listen_count = 1;
    }
    enum prl_err err = prl_loop_create(&f->loop, NULL);
    if (!err)
        err = prl_http_create(&f->http, f->loop, &conf);
    if (!err)
        err = add_routes(f);
    if (!err)
        err = prl_http_bound(f->http, 0, &bound);
    if (!err)
        f->port = bound.port;
    return err;
}

static void tear_down(struct fixture *f)
{
    prl_http_destroy(&f->http);
    prl_loop_destroy(&f->loop);
}

static bool peer_connect(struct peer *peer, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *peer = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    prl_str_init(&peer->text, TEXT_MAX);
    return peer->fd >= 0 && connect(peer->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    prl_str_free(&peer->text);
}

static void peer_receive(struct peer *peer)
{
    char bytes[65536];
    ssize_t got;
    while (!peer->ended && (got = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0) {
        peer->ended = got == 0;
        (void)prl_str_add(&peer->text, bytes, (size_t)got);
    }
    if (!peer->ended && errno != EAGAIN)
        peer->ended = true;
}

static void peer_send(struct fixture *f, struct peer *peer, const char *data, size_t len)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (len > 0 && prl_clock_now_us() < end_us) {
        ssize_t put = send(peer->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) {
            data += put;
            len -= (size_t)put;
        } else if (errno != EAGAIN) {
            return; // the server has ended it: the test looks at what it said
        }
        prl_loop_turn(f->loop, 0);
        peer_receive(peer);
    }
}

// Until `part` has come `times` times (NULL: until the end of the connection).
static bool peer_await(struct fixture *f, struct peer *peer, const char *part, int times)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    for (;;) {
        peer_receive(peer);
        int found = 0;
        const char *at = prl_str_text(&peer->text);
        while (part && (at = strstr(at, part)) && ++found < times)
            at += strlen(part);
        if (part ? found >= times : peer->ended)
            return true;
        if (peer->ended || prl_clock_now_us() > end_us)
            return false;
        prl_test_pass_ms();
        prl_loop_turn(f->loop, TURN_US);
    }
}

// Sends on a fresh connection, waits for its end; the text is in peer->text.
static void exchange(struct fixture *f, struct peer *peer, const char *request)
{
    EXPECT(peer_connect(peer, f->port));
    peer_send(f, peer, request, strlen(request));
    EXPECT(peer_await(f, peer, NULL, 0));
}

static void expect_status(struct fixture *f, const char *request, const char *status)
{
    struct peer peer;
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
    exchange(f, &peer, request);
    char got[32];
    snprintf(got, sizeof(got), "%.*s", (int)strlen(line), prl_str_text(&peer.text));
    EXPECT_TEXT(got, line);
    if (strcmp(got, line) != 0)
        EXPECT_TEXT(request, prl_str_text(&peer.text));
    peer_close(&peer);
}

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: localhost\r\n" more "\r\n"
#define CLOSE           "Connection: close\r\n"

// ---- pure parts ----

PRL_TEST(http_path_patterns)
{
    static const struct {
        const char *pattern, *path, *rest;
    } good[] = {
        {"/", "/", ""},
        {"/a/b", "/a/b", ""},
        {"/v/:id", "/v/7", "7"},
        {"/v/:id/x", "/v/77/x", "77"},
        {"/f/*", "/f/a/b.js", "a/b.js"},
        {"/f/*", "/f/", ""},
        {"/*", "/anything", "anything"},
    };
    static const char *const bad[][2] = {
        {"/a", "/a/"},     {"/a", "/ab"},        {"/a/b", "/a"},
        {"/v/:id", "/v/"}, {"/v/:id", "/v/1/2"}, {"/f/*", "/f"},
    };
    const char *rest;
    size_t len;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT(prl_http_path_match(good[i].pattern, good[i].path, &rest, &len));
        EXPECT(len == strlen(good[i].rest) && memcmp(rest, good[i].rest, len) == 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(!prl_http_path_match(bad[i][0], bad[i][1], &rest, &len));
}

PRL_TEST(http_path_decoding_refuses_tricks)
{
    static const char *const bad[] = {"",     "a",       "/%",    "/%4",       "/%zz", "/a%00b",
                                      "/%0d", "/../etc", "/a/..", "/%2e%2e/x", "/./a", "/a//b"};
    char path[32];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(path, sizeof(path), "%s", bad[i]);
        EXPECT(!prl_http_path_decode(path));
    }
    EXPECT(prl_str_copy(path, sizeof(path), "/a%20b/%E4%BD%A0/"));
    EXPECT(prl_http_path_decode(path));
    EXPECT_TEXT(path, "/a b/你/");
}

PRL_TEST(http_query_values)
{
    char value[8];
    const char *query = "a=1&b=x+y%21&c&d=&long=123456789&bad=%4";
    EXPECT(prl_http_query_find(query, "a", value, sizeof(value)));
    EXPECT_TEXT(value, "1");
    EXPECT(prl_http_query_find(query, "b", value, sizeof(value)));
    EXPECT_TEXT(value, "x y!");
    EXPECT(prl_http_query_find(query, "c", value, sizeof(value)));
    EXPECT_TEXT(value, "");
    EXPECT(prl_http_query_find(query, "d", value, sizeof(value)));
    EXPECT(!prl_http_query_find(query, "e", value, sizeof(value)));
    EXPECT(!prl_http_query_find(query, "long", value, sizeof(value)));
    EXPECT(!prl_http_query_find(query, "bad", value, sizeof(value)));
}

PRL_TEST(http_head_is_strict)
{
    static const struct {
        const char *text;
        unsigned status;
    } bad[] = {
        {"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"G@T / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / FTP/1.1\r\n\r\n", 400},
        {"GET x HTTP/1.1\r\n\r\n", 400},
        {"ABCDEFGHIJKLMNOPQR / HTTP/1.1\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: b\r\n\r\n", 400},
        {"GET /\x7f HTTP/1.1\r\n\r\n", 400},
        {"\r\n\r\n", 400},
    };
    struct prl_http_head head;
    char text[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", bad[i].text);
        EXPECT_INT(prl_http_head_parse_request(&head, text, len), PRL_ERR_INVALID);
        EXPECT_INT(head.status, bad[i].status);
    }
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "GET http://x/y?z HTTP/1.0\r\nA:\t b c \r\na: d,, e \r\n\r\n");
    EXPECT_INT(prl_http_head_end(text, len, 0), len);
    EXPECT_INT(prl_http_head_end(text, len - 1, 0), 0);
    REQUIRE(prl_http_head_parse_request(&head, text, len) == PRL_OK);
    EXPECT_TEXT(head.target, "/y?z");
    EXPECT_INT(head.version_minor, 0);
    size_t count;
    EXPECT_TEXT(prl_http_head_field(&head, "A", &count), "b c");
    EXPECT_INT(count, 2);
    EXPECT(prl_http_head_has_token(&head, "a", "E"));
    EXPECT(!prl_http_head_has_token(&head, "a", "b"));
    char element[16];
    EXPECT(prl_http_head_element(&head, "a", 2, element, sizeof(element)));
    EXPECT_TEXT(element, "e");
    EXPECT(!prl_http_head_element(&head, "a", 3, element, sizeof(element)));
}

PRL_TEST(http_outq_is_bounded)
{
    struct prl_outq queue;
    const uint8_t *data;
    size_t size;
    prl_outq_init(&queue, 10);
    EXPECT_OK(prl_outq_push(&queue, (struct prl_outq_piece[3]){{"ab", 2}, {"", 0}, {"cde", 3}},
                            false, NULL));
    EXPECT_INT(prl_outq_push(&queue, (struct prl_outq_piece[3]){{"123456", 6}}, false, NULL),
               PRL_ERR_FULL);
    EXPECT_OK(prl_outq_push(&queue, (struct prl_outq_piece[3]){{"123456", 6}}, true, NULL));
    EXPECT_OK(prl_outq_push_static(&queue, "xyz", 3));
    EXPECT_INT(queue.bytes, 14);
    EXPECT(prl_outq_peek(&queue, &data, &size));
    EXPECT(size == 5 && memcmp(data, "abcde", 5) == 0);
    prl_outq_consume(&queue, 12);
    EXPECT(prl_outq_peek(&queue, &data, &size));
    EXPECT(size == 2 && memcmp(data, "yz", 2) == 0);
    prl_outq_free(&queue);
    EXPECT(!prl_outq_peek(&queue, &data, &size));
}

// ---- over sockets ----

PRL_TEST(http_serves_routes)
{
    struct fixture f = {0};
    struct peer peer;
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    exchange(&f, &peer, GET("/hello?name=J%C3%BCrgen", CLOSE));
    EXPECT(prl_str_starts(prl_str_text(&peer.text),
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
    EXPECT(strstr(prl_str_text(&peer.text), "Content-Length: 13\r\n"));
    EXPECT(strstr(prl_str_text(&peer.text), "Connection: close\r\n"));
    EXPECT(prl_str_ends(prl_str_text(&peer.text), "\r\n\r\nhello Jürgen"));
    EXPECT(!strstr(prl_str_text(&peer.text), "Access-Control"));
    peer_close(&peer);
    exchange(&f, &peer, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n" CLOSE "\r\n");
    EXPECT(strstr(prl_str_text(&peer.text), "Content-Length: 12\r\n"));
    EXPECT(prl_str_ends(prl_str_text(&peer.text), "\r\n\r\n"));
    peer_close(&peer);
    exchange(&f, &peer, "DELETE /items/a%20b HTTP/1.0\r\nHost: 127.0.0.1:99\r\n\r\n");
    EXPECT(prl_str_starts(prl_str_text(&peer.text), "HTTP/1.1 201 Created\r\n"));
    EXPECT_TEXT(f.seen, "DELETE /items/a b a b");
    peer_close(&peer);
    expect_status(&f, GET("/files/js/main.js", CLOSE), "201");
    EXPECT_TEXT(f.seen, "GET /files/js/main.js js/main.js");
    expect_status(&f, GET("/absent", CLOSE), "404");
    expect_status(&f, "POST /hello HTTP/1.1\r\nHost: localhost\r\n" CLOSE "\r\n", "405");
    expect_status(&f, GET("/nothing", ""), "500");
    expect_status(&f, GET("/bad-header", CLOSE), "500");
    tear_down(&f);
}

PRL_TEST(http_keeps_connections_and_order)
{
    struct fixture f = {0};
    struct peer peer;
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    EXPECT(peer_connect(&peer, f.port));
    // Three at once, the last one in two parts, with the empty line that some clients add.
    const char *three = GET(
        "/hello?name=1", "") "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
                             "abc\r\n" GET("/hello?name=2", "");
    peer_send(&f, &peer, three, strlen(three) - 7);
    EXPECT(peer_await(&f, &peer, "\r\n\r\nabc", 1));
    peer_send(&f, &peer, three + strlen(three) - 7, 7);
    EXPECT(peer_await(&f, &peer, "hello 2", 1));
    const char *text = prl_str_text(&peer.text);
    EXPECT(strstr(text, "hello 1") < strstr(text, "\r\n\r\nabc"));
    EXPECT(!peer.ended);
    struct prl_http_stats stats;
    prl_http_stats(f.http, &stats);
    EXPECT_INT(stats.requests, 3);
    EXPECT_INT(stats.connections, 1);
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(http_reads_bodies)
{
    struct fixture f = {0};
    struct peer peer;
    enum { SIZE = 3 << 20 };
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    char *body = prl_mem_alloc(SIZE);
    REQUIRE(body != NULL);
    memset(body, 'x', SIZE);
    EXPECT(peer_connect(&peer, f.port));
    char head[128];
    int len = snprintf(head, sizeof(head),
                       "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
                       "Expect: 100-continue\r\n" CLOSE "\r\n",
                       SIZE);
    peer_send(&f, &peer, head, (size_t)len);
    EXPECT(peer_await(&f, &peer, "100 Continue\r\n\r\n", 1));
    prl_str_clear(&peer.text);
    peer_send(&f, &peer, body, SIZE);
    EXPECT(peer_await(&f, &peer, NULL, 0));
    EXPECT(peer.text.len > SIZE && prl_str_starts(peer.text.data, "HTTP/1.1 200 OK"));
    EXPECT(memcmp(peer.text.data + peer.text.len - SIZE, body, SIZE) == 0);
    prl_mem_free(body);
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(http_answers_bad_requests)
{
    static const struct {
        const char *text, *status;
    } bad[] = {
        {"nonsense\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\nHost: local host\r\n\r\n", "400"},
        {"GET /hello HTTP/3.0\r\nHost: localhost\r\n\r\n", "505"},
        {"GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"},
        {"GET /hello HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n", "421"},
        {"GET /../hello HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\n\r\nhello", "400"},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: "
         "6\r\n\r\nhello",
         "400"},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nhello", "413"},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
         "400"},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "411"},
        {"GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", "413"},
        {GET("/hello", "Origin: http://evil.example\r\n" CLOSE), "403"},
        {GET("/hello", "Origin: null\r\n" CLOSE), "403"},
        {GET("/hello", "Upgrade: websocket\r\n" CLOSE), "404"},
    };
    struct fixture f = {0};
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_status(&f, bad[i].text, bad[i].status);
    struct prl_http_stats stats = {0};
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    do {
        prl_loop_turn(f.loop, 1000);
        prl_http_stats(f.http, &stats);
    } while (stats.connections > 0 && prl_clock_now_us() < end_us);
    EXPECT_INT(stats.bad, 16); // all but the 505
    EXPECT_INT(stats.connections, 0);
    tear_down(&f);
}

PRL_TEST(http_limits_the_head)
{
    struct fixture f = {0};
    struct peer peer;
    char junk[4096];
    REQUIRE(set_up(&f, &(struct prl_http_conf){.head_size_max = 2048}) == PRL_OK);
    memset(junk, 'a', sizeof(junk));
    EXPECT(peer_connect(&peer, f.port));
    peer_send(&f, &peer, "GET /hello HTTP/1.1\r\nX: ", 24);
    peer_send(&f, &peer, junk, sizeof(junk));
    EXPECT(peer_await(&f, &peer, NULL, 0));
    EXPECT(prl_str_starts(prl_str_text(&peer.text), "HTTP/1.1 431 "));
    peer_close(&peer);
    // Many small fields.
    EXPECT(peer_connect(&peer, f.port));
    peer_send(&f, &peer, "GET /hello HTTP/1.1\r\n", 21);
    for (int i = 0; i < 65; i++)
        peer_send(&f, &peer, "A: b\r\n", 6);
    peer_send(&f, &peer, "\r\n", 2);
    EXPECT(peer_await(&f, &peer, NULL, 0));
    EXPECT(prl_str_starts(prl_str_text(&peer.text), "HTTP/1.1 431 "));
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(http_ends_slow_clients)
{
    struct fixture f = {0};
    struct peer silent;
    struct peer slow = {.fd = -1};
    struct peer body;
    struct peer idle;
    struct prl_http_conf conf = {
        .head_timeout_ms = 60, .body_timeout_ms = 60, .idle_timeout_ms = 60};
    int64_t start_us = prl_clock_now_us();
    prl_clock_hold(start_us);
    REQUIRE(set_up(&f, &conf) == PRL_OK);
    EXPECT(peer_connect(&silent, f.port) && peer_connect(&slow, f.port) &&
           peer_connect(&body, f.port) && peer_connect(&idle, f.port));
    peer_send(&f, &idle, GET("/hello", ""), strlen(GET("/hello", "")));
    const char *head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab";
    peer_send(&f, &body, head, strlen(head));
    // A byte every eight milliseconds does not help a head. Not in every turn: each one that is read
    // starts the timer anew, which with a held clock looks a real millisecond later.
    for (int i = 0; i < 1000 && !slow.ended; i++) {
        if (i % 8 == 0)
            (void)!send(slow.fd, "G", 1, MSG_NOSIGNAL);
        prl_test_pass_ms();
        prl_loop_turn(f.loop, 5000);
        peer_receive(&slow);
    }
    EXPECT(prl_str_starts(prl_str_text(&slow.text), "HTTP/1.1 408 "));
    EXPECT(peer_await(&f, &silent, NULL, 0));
    EXPECT_TEXT(prl_str_text(&silent.text), "");
    EXPECT(peer_await(&f, &body, NULL, 0));
    EXPECT(prl_str_starts(prl_str_text(&body.text), "HTTP/1.1 408 "));
    EXPECT(peer_await(&f, &idle, NULL, 0));
    EXPECT(prl_str_ends(prl_str_text(&idle.text), "hello nobody"));
    EXPECT(prl_clock_now_us() - start_us >= 60000);
    prl_clock_hold(-1);
    peer_close(&silent);
    peer_close(&slow);
    peer_close(&body);
    peer_close(&idle);
    tear_down(&f);
}

PRL_TEST(http_refuses_above_the_limit)
{
    struct fixture f = {0};
    struct peer first;
    struct peer second;
    REQUIRE(set_up(&f, &(struct prl_http_conf){.connections_max = 1}) == PRL_OK);
    EXPECT(peer_connect(&first, f.port));
    peer_send(&f, &first, GET("/hello", ""), strlen(GET("/hello", "")));
    EXPECT(peer_await(&f, &first, "hello nobody", 1));
    exchange(&f, &second, GET("/hello", ""));
    EXPECT(prl_str_starts(prl_str_text(&second.text), "HTTP/1.1 429 "));
    EXPECT(strstr(prl_str_text(&second.text), "Retry-After: 1\r\n"));
    peer_close(&second);
    peer_close(&first);
    // Its place is free again.
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    struct prl_http_stats stats = {0};
    do {
        prl_loop_turn(f.loop, TURN_US);
        prl_http_stats(f.http, &stats);
    } while (stats.connections > 0 && prl_clock_now_us() < end_us);
    EXPECT_INT(stats.refused, 1);
    expect_status(&f, GET("/hello", CLOSE), "200");
    tear_down(&f);
}

PRL_TEST(http_allows_listed_origins_only)
{
    static const char *const origins[] = {"https://app.example"};
    static const char *const hosts[] = {"Voice.Example:8080", "::FFFF:10.0.0.1"};
    struct fixture f = {0};
    struct peer peer;
    struct prl_http_conf conf = {
        .origins = origins, .origin_count = 1, .hosts = hosts, .host_count = 2};
    REQUIRE(set_up(&f, &conf) == PRL_OK);
    exchange(&f, &peer, GET("/hello", "Origin: https://app.example\r\n" CLOSE));
    EXPECT(prl_str_starts(prl_str_text(&peer.text), "HTTP/1.1 200 "));
    EXPECT(
        strstr(prl_str_text(&peer.text), "Access-Control-Allow-Origin: https://app.example\r\n"));
    EXPECT(strstr(prl_str_text(&peer.text), "Access-Control-Expose-Headers: Location\r\n"));
    EXPECT(strstr(prl_str_text(&peer.text), "Vary: Origin\r\n"));
    peer_close(&peer);
    exchange(
        &f, &peer,
        "OPTIONS /echo HTTP/1.1\r\nHost: voice.example\r\nOrigin: https://app.example\r\n"
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a, x-b\r\n" CLOSE
        "\r\n");
    EXPECT(prl_str_starts(prl_str_text(&peer.text), "HTTP/1.1 204 "));
    EXPECT(strstr(prl_str_text(&peer.text), "Access-Control-Allow-Headers: x-a, x-b\r\n"));
    EXPECT(!strstr(prl_str_text(&peer.text), "Content-Length"));
    peer_close(&peer);
    expect_status(&f, "GET /hello HTTP/1.1\r\nHost: [::ffff:10.0.0.1]:80\r\n" CLOSE "\r\n", "200");
    expect_status(&f, GET("/hello", "Origin: http://localhost\r\n" CLOSE), "200");
    expect_status(&f, GET("/hello", "Origin: https://localhost\r\n" CLOSE), "403");
    expect_status(&f, GET("/hello", "Origin: http://localhost:81\r\n" CLOSE), "403");
    tear_down(&f);
}

PRL_TEST(http_answers_later_and_tells_when_the_client_has_gone)
{
    struct fixture f = {0};
    struct peer peer;
    REQUIRE(set_up(&f, NULL) == PRL_OK);
    EXPECT(peer_connect(&peer, f.port));
    // With another request behind it, which must wait its turn and must not move the first one.
    const char *two = GET("/later?token=abc", "X-Key: secret\r\n") GET("/hello", CLOSE);
    peer_send(&f, &peer, two, strlen(two));
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!f.held && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    REQUIRE(f.held != NULL);
    prl_loop_turn(f.loop, 1000);
    EXPECT_TEXT(prl_http_header(f.held, "x-key"), "secret");
    EXPECT_TEXT(prl_http_query(f.held), "token=abc");
    prl_http_reply_json(f.held, 200, "{\"late\":1}");
    EXPECT(peer_await(&f, &peer, NULL, 0));
    const char *late = strstr(prl_str_text(&peer.text), "{\"late\":1}");
    EXPECT(late && strstr(late, "hello nobody"));
    EXPECT_INT(f.gone, 0);
    peer_close(&peer);

    f.held = NULL;
    EXPECT(peer_connect(&peer, f.port));
    peer_send(&f, &peer, GET("/later", ""), strlen(GET("/later", "")));
    end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!f.held && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    peer_close(&peer);
    while (!f.gone && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    EXPECT_INT(f.gone, 1);
    tear_down(&f);
}

PRL_TEST(http_streams_answers_within_bounds)
{
    struct fixture f = {0};
    struct peer peer;
    char block[8192];
    memset(block, 's', sizeof(block));
    REQUIRE(set_up(&f, &(struct prl_http_conf){.ws_queue_size_max = 65536}) == PRL_OK);
    EXPECT(peer_connect(&peer, f.port));
    peer_send(&f, &peer, GET("/later", ""), strlen(GET("/later", "")));
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!f.held && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    REQUIRE(f.held != NULL);
    EXPECT_OK(prl_http_stream_begin(
        f.held, &(struct prl_http_response){.status = 200, .content_type = "text/event-stream"}));
    EXPECT_OK(prl_http_stream_chunk(f.held, "data: 1\n\n", 9));
    EXPECT(peer_await(&f, &peer, "9\r\ndata: 1\n\n\r\n", 1));
    EXPECT_OK(prl_http_stream_chunk(f.held, "", 0));
    enum prl_err err = PRL_OK;
    for (int i = 0; i < 2000 && !err; i++) { // the peer does not read: sockets fill, then the queue
        err = prl_http_stream_chunk(f.held, block, sizeof(block));
        prl_loop_turn(f.loop, 0);
    }
    EXPECT_INT(err, PRL_ERR_FULL);
    prl_http_stream_end(f.held);
    EXPECT(peer_await(&f, &peer, "\r\n0\r\n\r\n", 1));
    peer_close(&peer);
    tear_down(&f);
}

// An answer may take longer than a client has for taking it in.
PRL_TEST(http_answers_that_take_long_arrive)
{
    struct fixture f = {0};
    struct peer peer;
    REQUIRE(set_up(&f, &(struct prl_http_conf){.body_timeout_ms = 20}) == PRL_OK);
    EXPECT(peer_connect(&peer, f.port));
    for (int streamed = 0; streamed < 2; streamed++) {
        f.held = NULL;
        peer_send(&f, &peer, GET("/later", ""), strlen(GET("/later", "")));
        int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
        while (!f.held && prl_clock_now_us() < end_us)
            prl_loop_turn(f.loop, TURN_US);
        REQUIRE(f.held != NULL);
        int64_t since_us = prl_clock_now_us();
        while (prl_clock_now_us() < since_us + 50000)
            prl_loop_turn(f.loop, 5000);
        if (streamed) {
            EXPECT_OK(prl_http_stream_begin(f.held, &(struct prl_http_response){.status = 200}));
            EXPECT_OK(prl_http_stream_chunk(f.held, "late", 4));
            prl_http_stream_end(f.held);
        } else {
            prl_http_reply_json(f.held, 200, "{}");
        }
        EXPECT(peer_await(&f, &peer, streamed ? "4\r\nlate\r\n0\r\n\r\n" : "\r\n\r\n{}", 1));
    }
    EXPECT_INT(f.gone, 0);
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(http_stream_abort_breaks_off)
{
    struct fixture f = {0};
    struct peer peer;
    REQUIRE(set_up(&f, &(struct prl_http_conf){0}) == PRL_OK);
    EXPECT(peer_connect(&peer, f.port));
    peer_send(&f, &peer, GET("/later", ""), strlen(GET("/later", "")));
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!f.held && prl_clock_now_us() < end_us)
        prl_loop_turn(f.loop, TURN_US);
    REQUIRE(f.held != NULL);
    EXPECT_OK(prl_http_stream_begin(f.held, &(struct prl_http_response){.status = 200}));
    EXPECT_OK(prl_http_stream_chunk(f.held, "half", 4));
    EXPECT(peer_await(&f, &peer, "4\r\nhalf\r\n", 1));
    prl_http_stream_abort(f.held);
    EXPECT(peer_await(&f, &peer, NULL, 0)); // closed, although keep-alive was promised
    EXPECT(!strstr(prl_str_text(&peer.text), "\r\n0\r\n"));
    EXPECT_INT(f.gone, 0);
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST(http_listens_on_several_addresses_and_says_which)
{
    static const struct prl_http_listen listens[] = {
        {"127.0.0.1", 0, false}, {"localhost", 0, false}, {"0.0.0.0", 0, false}, {"::1", 0, false}};
    struct fixture f = {0};
    struct prl_http_bound bound;
    struct peer peer;
    // A machine without IPv6 has no ::1.
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    bool v6 = probe >= 0 && bind(probe, (struct sockaddr *)&any, sizeof(any)) == 0;
    if (probe >= 0)
        close(probe);
    struct prl_http_conf conf = {.listens = listens, .listen_count = v6 ? 4 : 3};
    REQUIRE(set_up(&f, &conf) == PRL_OK);
    for (size_t i = 0; i < conf.listen_count; i++) {
        EXPECT_OK(prl_http_bound(f.http, i, &bound));
        EXPECT_TEXT(bound.address, i == 2 ? "0.0.0.0" : i == 3 ? "::1" : "127.0.0.1");
        EXPECT(bound.loopback == (i != 2)); // 0.0.0.0 is everybody's, whatever its canonical form
        EXPECT(bound.port > 0 && !bound.tls);
        if (i == 3)
            continue;
        f.port = bound.port;
        expect_status(&f, GET("/hello", CLOSE), "200");
    }
    EXPECT_INT(prl_http_bound(f.http, conf.listen_count, &bound), PRL_ERR_NOTFOUND);
    // The same port again is a clear error, not a shared socket.
    struct prl_http_listen taken = {"127.0.0.1", f.port, false};
    struct prl_http *second;
    EXPECT_INT(prl_http_create(&second, f.loop,
                               &(struct prl_http_conf){.listens = &taken, .listen_count = 1}),
               PRL_ERR_IO);
    EXPECT(second == NULL);
    taken.address = "not.an.address";
    EXPECT_INT(prl_http_create(&second, f.loop,
                               &(struct prl_http_conf){.listens = &taken, .listen_count = 1}),
               PRL_ERR_INVALID);
    EXPECT(peer_connect(&peer, f.port));
    prl_loop_turn(f.loop, 1000);
    prl_http_drain(f.http);
    EXPECT(peer_await(&f, &peer, NULL, 0));
    peer_close(&peer);
    EXPECT(!peer_connect(&peer, f.port));
    peer_close(&peer);
    tear_down(&f);
}

PRL_TEST_OOM(http_whole_life)
{
    struct fixture f = {0};
    struct peer peer = {.fd = -1};
    static const char *const names[] = {"voice.example"};
    struct prl_http_conf conf = {
        .hosts = names, .host_count = 1, .origins = names, .origin_count = 1};
    if (set_up(&f, &conf) || !peer_connect(&peer, f.port))
        goto done;
    const char *three =
        GET("/hello?name=1", "") "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                                 "Expect: 100-continue\r\n\r\nabc" GET("/later", "");
    for (int i = 0; i < 2 && !peer.ended; i++) {
        size_t half = strlen(three) / 2;
        (void)!send(peer.fd, three + i * half, i ? strlen(three) - half : half, MSG_NOSIGNAL);
        prl_loop_turn(f.loop, TURN_US);
        prl_loop_turn(f.loop, 1000);
        peer_receive(&peer);
    }
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!f.held && !peer.ended && prl_clock_now_us() < end_us) {
        prl_loop_turn(f.loop, TURN_US);
        peer_receive(&peer);
    }
    EXPECT(f.held || peer.ended || prl_test_oom());
    if (f.held && !f.gone &&
        prl_http_stream_begin(f.held, &(struct prl_http_response){.status = 200}) == PRL_OK) {
        (void)!prl_http_stream_chunk(f.held, "x", 1);
        prl_http_stream_end(f.held);
    } else if (f.held && !f.gone) {
        prl_http_reply_json(f.held, 503, "{}");
    }
    prl_loop_turn(f.loop, TURN_US);
done:
    peer_close(&peer);
    tear_down(&f);
}

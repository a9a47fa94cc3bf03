// test_http_join.c -- two servers on two threads: requests and WebSockets go to the one they belong to, with
// their bodies and their TLS; and connections that are on their way when everything ends.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/wsc.h"
#include "tests/unit.h"
#include "tests/unit/two_loops.h"

enum { ROUNDS = 40, BODY = 100000, SOCKETS = 20 };

struct side {
    size_t number;
    struct prl_loop *loop;
    struct prl_http *http;
    uint16_t port, tls_port;
    int requests, opened, closed;
    // The clients, of side 0 only.
    bool tls;
    int fd, round;
    struct prl_str out, in;
    size_t sent;
    struct prl_wsc *client;
    int sockets, messages;
    bool socket_ended;
};

// The query says whose a request is: "?to=1".
static size_t owner_of(void *arg, const struct prl_http_request *request)
{
    (void)arg;
    char to[4];
    return prl_http_query_value(request, "to", to, sizeof(to)) ? (size_t)(to[0] - '0') : 99;
}

static void on_who(void *arg, struct prl_http_request *request)
{
    struct side *side = arg;
    size_t size;
    const char *body = prl_http_body(request, &size);
    char rest[32] = "", text[96];
    EXPECT(prl_http_rest(request, rest, sizeof(rest)));
    side->requests++;
    snprintf(text, sizeof(text), "[%zu %s %zu %c]", side->number, rest, size,
             size > 0 ? body[size - 1] : '-');
    prl_http_reply(request, &(struct prl_http_response){
                                .status = 200, .body = text, .body_size = strlen(text)});
}

static void ws_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer)
{
    struct side *side = arg;
    (void)request;
    (void)answer;
    prl_ws_set_owner(ws, side);
    side->opened++;
}

static void ws_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last)
{
    (void)owner;
    (void)first;
    (void)last;
    EXPECT_OK(prl_ws_send_text(ws, data, len));
}

static void ws_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    (void)ws;
    (void)code;
    ((struct side *)owner)->closed++;
}

static const struct prl_ws_ops ws_ops = {ws_open, ws_text, NULL, NULL, ws_close};

static enum prl_err open_side(struct side *side, size_t number)
{
    const struct prl_http_listen listens[] = {{"127.0.0.1", 0, false}, {"127.0.0.1", 0, true}};
    struct prl_tls_files files = {0};
    struct prl_http_bound bound = {0};
    side->number = number;
    side->fd = -1;
    prl_str_init(&side->in, 1 << 20);
    prl_str_init(&side->out, 1 << 20);
    enum prl_err err = prl_tls_ensure_files(prl_test_dir(), NULL, 0, &files);
    struct prl_http_conf conf = {.listens = listens,
                                 .listen_count = 2,
                                 .tls_cert = files.cert_path,
                                 .tls_key = files.key_path};
    if (!err)
        err = prl_loop_create(&side->loop, NULL);
    if (!err)
        err = prl_http_create(&side->http, side->loop, &conf);
    const struct prl_http_route route = {"POST", "/who/:id", BODY, on_who, side};
    if (!err)
        err = prl_http_add_route(side->http, &route);
    if (!err)
        err = prl_http_add_ws(side->http, &(struct prl_ws_route){"/ws", &ws_ops, side});
    if (!err)
        err = prl_http_bound(side->http, 0, &bound);
    side->port = bound.port;
    if (!err)
        err = prl_http_bound(side->http, 1, &bound);
    side->tls_port = bound.port;
    return err;
}

static enum prl_err open_sides(struct side *sides)
{
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < 2 && !err; i++)
        err = open_side(&sides[i], i);
    struct prl_http *servers[] = {sides[0].http, sides[1].http};
    void *args[] = {&sides[0], &sides[1]};
    return err ? err : prl_http_join(servers, 2, owner_of, args);
}

static void close_sides(struct side *sides)
{
    for (size_t i = 2; i-- > 0;) { // the first one last
        prl_wsc_destroy(&sides[i].client);
        prl_http_destroy(&sides[i].http);
        prl_str_free(&sides[i].in);
        prl_str_free(&sides[i].out);
        if (sides[i].fd >= 0)
            close(sides[i].fd);
    }
    for (size_t i = 0; i < 2; i++)
        if (sides[i].loop)
            prl_loop_destroy(&sides[i].loop);
}

// ---- a connection that is used again and again ----

static bool dial(struct side *side)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(side->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    side->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return side->fd >= 0 && connect(side->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static size_t body_of(int round)
{
    return round % 3 ? (size_t)round : BODY;
}

static void write_request(struct side *side)
{
    size_t size = body_of(side->round);
    prl_str_clear(&side->out);
    prl_str_clear(&side->in);
    side->sent = 0;
    (void)prl_str_addf(&side->out,
                       "POST /who/r%d?to=%d HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       side->round, side->round / 2 % 2, size);
    for (size_t i = 0; i < size; i++)
        (void)prl_str_add(&side->out, "b", 1);
}

// Sends and receives what it can; true when all rounds have been answered rightly.
static bool step_requests(void *arg)
{
    struct side *side = arg;
    char bytes[4096], expected[64];
    if (side->round == ROUNDS)
        return true;
    if (side->out.len == 0)
        write_request(side);
    ssize_t put = send(side->fd, side->out.data + side->sent, side->out.len - side->sent,
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    side->sent += put > 0 ? (size_t)put : 0;
    ssize_t got = recv(side->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got > 0)
        (void)prl_str_add(&side->in, bytes, (size_t)got);
    size_t size = body_of(side->round);
    snprintf(expected, sizeof(expected), "[%d r%d %zu %c]", side->round / 2 % 2, side->round, size,
             size > 0 ? 'b' : '-');
    if (!strstr(prl_str_text(&side->in), expected))
        return false;
    side->round++;
    prl_str_clear(&side->out);
    return false;
}

static bool step_nothing(void *arg)
{
    (void)arg;
    return true;
}

PRL_TEST(http_join_requests_go_where_they_belong)
{
    struct side sides[2] = {{.fd = -1}, {.fd = -1}};
    REQUIRE(open_sides(sides) == PRL_OK);
    REQUIRE(dial(&sides[0]));
    const struct two_loops_side both[2] = {{sides[0].loop, step_requests, &sides[0]},
                                           {sides[1].loop, step_nothing, &sides[1]}};
    EXPECT(two_loops_run(both));
    EXPECT_INT(sides[0].requests, ROUNDS / 2);
    EXPECT_INT(sides[1].requests, ROUNDS / 2);
    struct prl_http_stats stats[2];
    for (size_t i = 0; i < 2; i++)
        prl_http_stats(sides[i].http, &stats[i]);
    EXPECT_INT(stats[0].moved, ROUNDS / 4 - 1); // back from server 1
    EXPECT_INT(stats[1].moved, ROUNDS / 4);
    EXPECT_INT(stats[0].connections + stats[1].connections, 1);
    close_sides(sides);
}

// ---- WebSockets ----

static void client_open(void *arg, const char *subprotocol)
{
    (void)subprotocol;
    EXPECT_OK(prl_wsc_send_text(((struct side *)arg)->client, "hello", 5));
}

static void client_text(void *arg, const char *data, size_t len)
{
    struct side *side = arg;
    side->messages += len == 5 && memcmp(data, "hello", 5) == 0;
    prl_wsc_close(side->client, 1000, "enough");
}

static void client_close(void *arg, uint16_t code, const char *reason)
{
    (void)code;
    (void)reason;
    ((struct side *)arg)->socket_ended = true;
}

static const struct prl_wsc_ops client_ops = {client_open, client_text, NULL, client_close, NULL};

// One WebSocket after another, to either server.
static bool step_sockets(void *arg)
{
    struct side *side = arg;
    if (side->client && !side->socket_ended)
        return false;
    prl_wsc_destroy(&side->client);
    side->socket_ended = false;
    if (side->sockets == SOCKETS)
        return side->opened == side->closed;
    char url[80];
    uint16_t port = side->tls ? side->tls_port : side->port;
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u/ws?to=%d", side->tls ? "wss" : "ws", port,
             side->sockets++ % 2);
    struct prl_wsc_conf conf = {.url = url, .insecure = true, .ops = &client_ops, .arg = side};
    EXPECT_OK(prl_wsc_create(&side->client, side->loop, &conf));
    return false;
}

static void sockets_move(bool tls)
{
    struct side sides[2] = {{.fd = -1}, {.fd = -1}};
    REQUIRE(open_sides(sides) == PRL_OK);
    sides[0].tls = tls;
    const struct two_loops_side both[2] = {{sides[0].loop, step_sockets, &sides[0]},
                                           {sides[1].loop, step_nothing, &sides[1]}};
    EXPECT(two_loops_run(both));
    EXPECT_INT(sides[0].messages, SOCKETS);
    EXPECT_INT(sides[0].opened, SOCKETS / 2);
    EXPECT_INT(sides[1].opened, SOCKETS / 2);
    close_sides(sides);
}

PRL_TEST(http_join_websockets_go_where_they_belong)
{
    sockets_move(false);
}

PRL_TEST(http_join_tls_goes_along)
{
    sockets_move(true);
}

PRL_TEST(http_join_counts_the_connections_of_all)
{
    struct side sides[2] = {{.fd = -1}, {.fd = -1}};
    static const struct prl_http_listen listen = {"127.0.0.1", 0, false};
    struct prl_http_bound bound;
    struct prl_http_stats stats[2];
    struct prl_http_conf conf = {.listens = &listen, .listen_count = 1, .connections_max = 1};
    for (size_t i = 0; i < 2; i++) {
        conf.listen_count = 1 - i; // the second has what comes from the first
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        REQUIRE(prl_http_create(&sides[i].http, sides[i].loop, &conf) == PRL_OK);
        sides[i].number = i;
        prl_str_init(&sides[i].in, 1 << 20);
        prl_str_init(&sides[i].out, 1 << 20);
        const struct prl_http_route route = {"POST", "/who/:id", BODY, on_who, &sides[i]};
        REQUIRE(prl_http_add_route(sides[i].http, &route) == PRL_OK);
    }
    EXPECT_INT(prl_http_bound(sides[1].http, 0, &bound), PRL_ERR_NOTFOUND);
    REQUIRE(prl_http_bound(sides[0].http, 0, &bound) == PRL_OK);
    sides[0].port = bound.port;
    struct prl_http *servers[] = {sides[0].http, sides[1].http};
    void *args[] = {&sides[0], &sides[1]};
    REQUIRE(prl_http_join(servers, 2, owner_of, args) == PRL_OK);
    static const char request[] = "POST /who/a?to=1 HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 0\r\n\r\n";
    REQUIRE(dial(&sides[0]));
    EXPECT_INT(send(sides[0].fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (sides[1].requests == 0 && prl_clock_now_us() < until_us)
        for (size_t i = 0; i < 2; i++)
            prl_loop_turn(sides[i].loop, 1000);
    EXPECT_INT(sides[1].requests, 1);
    // It is at the second one, and there is room for no other.
    int first = sides[0].fd;
    REQUIRE(dial(&sides[0]));
    do {
        prl_loop_turn(sides[0].loop, 1000);
        prl_http_stats(sides[0].http, &stats[0]);
    } while (stats[0].refused == 0 && prl_clock_now_us() < until_us);
    EXPECT_INT(stats[0].refused, 1);
    // When that has gone there is.
    close(first);
    close(sides[0].fd);
    do {
        for (size_t i = 0; i < 2; i++) {
            prl_loop_turn(sides[i].loop, 1000);
            prl_http_stats(sides[i].http, &stats[i]);
        }
    } while (stats[0].connections + stats[1].connections > 0 && prl_clock_now_us() < until_us);
    REQUIRE(dial(&sides[0]));
    do {
        prl_loop_turn(sides[0].loop, 1000);
        prl_http_stats(sides[0].http, &stats[0]);
    } while (stats[0].accepted < 3 && prl_clock_now_us() < until_us);
    EXPECT_INT(stats[0].accepted, 3);
    EXPECT_INT(stats[0].refused, 1);
    close_sides(sides);
}

PRL_TEST_OOM(http_join_ends_with_connections_on_their_way)
{
    struct side sides[2] = {{.fd = -1}, {.fd = -1}};
    enum prl_err err = open_sides(sides);
    if (!err && dial(&sides[0])) {
        static const char request[] = "POST /who/a?to=1 HTTP/1.1\r\nHost: localhost\r\n"
                                      "Content-Length: 0\r\n\r\n";
        struct prl_http_stats stats = {.connections = 0};
        EXPECT_INT(send(sides[0].fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
        int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
        while (stats.accepted == 0 && prl_clock_now_us() < until_us) {
            prl_loop_turn(sides[0].loop, 1000);
            prl_http_stats(sides[0].http, &stats);
        }
        while (stats.connections > 0 && prl_clock_now_us() < until_us) {
            prl_loop_turn(sides[0].loop, 1000); // until it has left, for a server that never turns
            prl_http_stats(sides[0].http, &stats);
        }
        EXPECT_INT(stats.connections, 0);
        EXPECT_INT(sides[0].requests + sides[1].requests, 0);
    }
    close_sides(sides);
}

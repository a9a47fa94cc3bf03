// test_udp.c -- one socket, many peers: addresses kept, batches, bounds, and errors that harm nobody.
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/udp.h"
#include "tests/unit.h"

enum { TURN_US = 20000, LOG = 600 };

struct sink {
    struct prl_udp *udp;
    bool echo;
    int count;
    size_t sizes[LOG];
    struct prl_udp_datagram last;
    uint8_t last_data[PRL_UDP_SIZE_MAX];
};

static void on_datagram(void *arg, const struct prl_udp_datagram *datagram)
{
    struct sink *sink = arg;
    if (sink->count < LOG)
        sink->sizes[sink->count] = datagram->size;
    sink->count++;
    sink->last = *datagram;
    memcpy(sink->last_data, datagram->data, datagram->size);
    if (sink->echo)
        prl_udp_send(sink->udp, datagram->data, datagram->size, &datagram->remote,
                     &datagram->local);
}

static bool run_until(struct prl_loop *loop, const int *count, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < want && prl_clock_now_us() < end_us)
        prl_loop_turn(loop, TURN_US);
    return *count >= want;
}

static union prl_sockaddr at_v4(const char *address, const struct prl_udp *udp)
{
    union prl_sockaddr at = {
        .v4 = {.sin_family = AF_INET, .sin_port = prl_udp_bound(udp)->v4.sin_port}};
    inet_pton(AF_INET, address, &at.v4.sin_addr);
    return at;
}

PRL_TEST(udp_answers_leave_from_the_address_that_was_addressed)
{
    struct prl_loop *loop;
    struct sink server = {.echo = true};
    struct sink client = {.echo = false};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_udp_create(&server.udp, loop, "0.0.0.0", 0, on_datagram, &server) == PRL_OK);
    REQUIRE(prl_udp_create(&client.udp, loop, "0.0.0.0", 0, on_datagram, &client) == PRL_OK);
    EXPECT(prl_sockaddr_port(prl_udp_bound(server.udp)) != 0);
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.3.4.5"};
    for (int i = 0; i < 3; i++) {
        union prl_sockaddr to = at_v4(addresses[i], server.udp);
        union prl_sockaddr from = at_v4("127.0.0.9", client.udp);
        prl_udp_send(client.udp, "ping", 4, &to, &from);
        EXPECT(run_until(loop, &client.count, i + 1));
        char text[64];
        prl_sockaddr_text(&server.last.local, text, sizeof(text));
        EXPECT_TEXT(text, addresses[i]);
        EXPECT_INT(prl_sockaddr_port(&server.last.local),
                   prl_sockaddr_port(prl_udp_bound(server.udp)));
        prl_sockaddr_text(&server.last.remote, text, sizeof(text));
        EXPECT_TEXT(text, "127.0.0.9");
        prl_sockaddr_text(&client.last.remote, text, sizeof(text));
        EXPECT_TEXT(text, addresses[i]);
        EXPECT(client.last.size == 4 && memcmp(client.last_data, "ping", 4) == 0);
    }
    // NULL: the system chooses.
    union prl_sockaddr to = at_v4("127.0.0.1", server.udp);
    prl_udp_send(client.udp, "", 0, &to, NULL);
    EXPECT(run_until(loop, &client.count, 4));
    EXPECT_INT(client.last.size, 0);
    struct prl_udp_stats stats;
    prl_udp_stats(server.udp, &stats);
    EXPECT_INT(stats.in, 4);
    EXPECT_INT(stats.out, 4);
    EXPECT_INT(stats.in_bytes, 12);
    EXPECT_INT(stats.out_bytes, 12);
    prl_udp_destroy(&client.udp);
    prl_udp_destroy(&server.udp);
    prl_loop_destroy(&loop);
}

PRL_TEST(udp_speaks_ipv6)
{
    struct prl_loop *loop;
    struct sink server = {.echo = true};
    struct sink client = {.echo = false};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_udp_create(&server.udp, loop, "::", 0, on_datagram, &server) == PRL_OK);
    REQUIRE(prl_udp_create(&client.udp, loop, "::1", 0, on_datagram, &client) == PRL_OK);
    union prl_sockaddr to = *prl_udp_bound(server.udp);
    to.v6.sin6_addr = in6addr_loopback;
    prl_udp_send(client.udp, "hello", 5, &to, NULL);
    EXPECT(run_until(loop, &client.count, 1));
    EXPECT(IN6_IS_ADDR_LOOPBACK(&server.last.local.v6.sin6_addr));
    EXPECT(IN6_IS_ADDR_LOOPBACK(&client.last.remote.v6.sin6_addr));
    EXPECT_INT(client.last.remote.v6.sin6_port, to.v6.sin6_port);
    prl_udp_destroy(&client.udp);
    prl_udp_destroy(&server.udp);
    prl_loop_destroy(&loop);
}

PRL_TEST(udp_one_turn_is_bounded_and_nothing_is_lost)
{
    struct prl_loop *loop;
    struct sink server = {.echo = true};
    struct sink client = {.echo = false};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_udp_create(&server.udp, loop, "127.0.0.1", 0, on_datagram, &server) == PRL_OK);
    REQUIRE(prl_udp_create(&client.udp, loop, "127.0.0.1", 0, on_datagram, &client) == PRL_OK);
    uint8_t data[PRL_UDP_SIZE_MAX] = {0};
    enum { COUNT = PRL_UDP_TURN_MAX + 100 };
    for (size_t i = 0; i < COUNT; i++)
        prl_udp_send(client.udp, data, i % 3 == 2 ? PRL_UDP_SIZE_MAX : i, prl_udp_bound(server.udp),
                     NULL);
    prl_loop_turn(loop, TURN_US);
    EXPECT(server.count <= PRL_UDP_TURN_MAX); // a second callback of the same turn has no socket
    EXPECT(run_until(loop, &client.count, COUNT));
    EXPECT_INT(server.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        EXPECT_INT(server.sizes[i], i % 3 == 2 ? PRL_UDP_SIZE_MAX : i); // in order
    prl_udp_destroy(&client.udp);
    prl_udp_destroy(&server.udp);
    prl_loop_destroy(&loop);
}

PRL_TEST(udp_oversize_and_unreachable_harm_nobody)
{
    struct prl_loop *loop;
    struct sink server = {.echo = true};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_udp_create(&server.udp, loop, "127.0.0.1", 0, on_datagram, &server) == PRL_OK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    const union prl_sockaddr *to = prl_udp_bound(server.udp);
    uint8_t large[PRL_UDP_SIZE_MAX + 1] = {0};
    EXPECT(sendto(fd, large, sizeof(large), 0, &to->any, sizeof(to->v4)) > 0);
    EXPECT(sendto(fd, large, 3, 0, &to->any, sizeof(to->v4)) == 3);
    // A port where nobody listens answers by ICMP; a port of 0 is refused at once.
    union prl_sockaddr nobody = *to;
    nobody.v4.sin_port = htons(9);
    prl_udp_send(server.udp, "x", 1, &nobody, NULL);
    nobody.v4.sin_port = 0;
    prl_udp_send(server.udp, "x", 1, &nobody, NULL);
    // Not an address of this machine.
    union prl_sockaddr local = *to;
    inet_pton(AF_INET, "192.0.2.1", &local.v4.sin_addr);
    prl_udp_send(server.udp, "x", 1, to, &local);
    EXPECT(run_until(loop, &server.count, 1));
    EXPECT_INT(server.last.size, 3);
    struct prl_udp_stats stats;
    prl_udp_stats(server.udp, &stats);
    EXPECT_INT(stats.oversize, 1);
    EXPECT_INT(stats.out_refused, 2);
    EXPECT_INT(stats.out_queued, 0);
    close(fd);
    prl_udp_destroy(&server.udp);
    prl_loop_destroy(&loop);
}

struct flood {
    struct prl_udp *udp;
    int count;
};

static void on_flood(void *arg, const struct prl_udp_datagram *datagram)
{
    struct flood *flood = arg;
    flood->count++;
    for (int i = 0; i < PRL_UDP_QUEUE_MAX + 44; i++) // answers that fit no queue
        prl_udp_send(flood->udp, "yyyy", 4, &datagram->remote, &datagram->local);
}

PRL_TEST(udp_send_queue_drops_the_newest)
{
    struct prl_loop *loop;
    struct flood server = {0};
    struct sink client = {.echo = false};
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    REQUIRE(prl_udp_create(&server.udp, loop, "127.0.0.1", 0, on_flood, &server) == PRL_OK);
    REQUIRE(prl_udp_create(&client.udp, loop, "127.0.0.1", 0, on_datagram, &client) == PRL_OK);
    prl_udp_send(client.udp, "x", 1, prl_udp_bound(server.udp), NULL);
    EXPECT(run_until(loop, &client.count, PRL_UDP_QUEUE_MAX));
    struct prl_udp_stats stats;
    prl_udp_stats(server.udp, &stats);
    EXPECT_INT(stats.out, PRL_UDP_QUEUE_MAX);
    EXPECT_INT(stats.out_dropped, 44);
    prl_udp_destroy(&client.udp);
    prl_udp_destroy(&server.udp);
    prl_loop_destroy(&loop);
}

PRL_TEST(udp_refuses_what_cannot_be_bound)
{
    struct prl_loop *loop;
    struct sink sink = {0};
    struct prl_udp *second = NULL;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    EXPECT(prl_udp_create(&sink.udp, loop, "localhost", 0, on_datagram, &sink) == PRL_ERR_INVALID);
    EXPECT(prl_udp_create(&sink.udp, loop, "192.0.2.1", 0, on_datagram, &sink) == PRL_ERR_IO);
    EXPECT(sink.udp == NULL);
    REQUIRE(prl_udp_create(&sink.udp, loop, "127.0.0.1", 0, on_datagram, &sink) == PRL_OK);
    uint16_t port = prl_sockaddr_port(prl_udp_bound(sink.udp));
    EXPECT(prl_udp_create(&second, loop, "127.0.0.1", port, on_datagram, &sink) == PRL_ERR_IO);
    EXPECT(second == NULL);
    prl_udp_destroy(&sink.udp);
    prl_udp_destroy(&sink.udp);
    prl_loop_destroy(&loop);
}

PRL_TEST_OOM(udp_create)
{
    struct prl_loop *loop = NULL;
    struct prl_udp *udp = NULL;
    struct sink sink = {0};
    if (prl_loop_create(&loop, NULL) == PRL_OK)
        EXPECT((prl_udp_create(&udp, loop, "127.0.0.1", 0, on_datagram, &sink) == PRL_OK) ==
               (udp != NULL));
    prl_udp_destroy(&udp);
    prl_loop_destroy(&loop);
}

// test_tcp.c -- framed streams: strangers are recognised or gone, slow readers are dropped.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "rtc/frame4571.h"
#include "rtc/tcp.h"
#include "tests/unit.h"

enum { TURN_US = 10000, CLIENTS = PRL_TCP_STRANGERS_MAX + 2 };

struct world {
    struct prl_loop *loop;
    struct prl_tcp *tcp;
    union prl_sockaddr at;
    bool forbid;       // on_accept says no
    bool close_inside; // prl_tcp_close from inside on_datagram
    int accepts, datagrams, closes;
    struct prl_ice_path path; // of the last datagram
    char text[64];
    int fds[CLIENTS];
};

static bool on_accept(void *arg, const union prl_sockaddr *remote)
{
    struct world *world = arg;
    world->accepts++;
    EXPECT(prl_addr_kind(remote) == PRL_ADDR_LOOPBACK);
    return !world->forbid;
}

static bool on_datagram(void *arg, const struct prl_ice_path *path, const uint8_t *data,
                        size_t size, int64_t now_us)
{
    struct world *world = arg;
    EXPECT(now_us > 0);
    world->datagrams++;
    world->path = *path;
    snprintf(world->text, sizeof(world->text), "%.*s", (int)size, (const char *)data);
    if (strcmp(world->text, "echo") == 0)
        prl_tcp_send(world->tcp, path, "answer", 6);
    if (world->close_inside)
        prl_tcp_close(world->tcp, path);
    return strcmp(world->text, "garbage") != 0;
}

static void on_closed(void *arg, const struct prl_ice_path *path)
{
    struct world *world = arg;
    world->closes++;
    EXPECT(path->tcp);
}

static const struct prl_tcp_ops ops = {on_accept, on_datagram, on_closed};

static bool open_world(struct world *world, size_t streams_max)
{
    memset(world, 0, sizeof(*world));
    for (int i = 0; i < CLIENTS; i++)
        world->fds[i] = -1;
    return prl_loop_create(&world->loop, NULL) == PRL_OK &&
           prl_tcp_create(&world->tcp, world->loop, streams_max, &ops, world) == PRL_OK &&
           prl_tcp_listen(world->tcp, "127.0.0.1", 0) == PRL_OK &&
           prl_tcp_bound(world->tcp, 0, &world->at) == PRL_OK;
}

static void close_world(struct world *world)
{
    for (int i = 0; i < CLIENTS; i++)
        if (world->fds[i] >= 0)
            close(world->fds[i]);
    prl_tcp_destroy(&world->tcp);
    prl_loop_destroy(&world->loop);
}

static int dial(struct world *world, int i)
{
    int fd = world->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(fd >= 0 && connect(fd, &world->at.any, sizeof(world->at.v4)) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    uint8_t frame[64];
    size_t size = strlen(text);
    prl_frame4571_head(size, frame);
    memcpy(frame + PRL_FRAME4571_HEAD, text, size);
    EXPECT(send(fd, frame, size + PRL_FRAME4571_HEAD, MSG_NOSIGNAL) > 0);
}

// True when the peer has closed it, after what it sent.
static bool is_over(int fd)
{
    char rest[4096];
    ssize_t got;
    while ((got = recv(fd, rest, sizeof(rest), MSG_DONTWAIT)) > 0)
        ;
    return got == 0 || errno == ECONNRESET;
}

static bool until_over(struct world *world, int fd)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!is_over(fd) && prl_clock_now_us() < end_us)
        prl_loop_turn(world->loop, TURN_US);
    return is_over(fd);
}

static bool until(struct world *world, const int *count, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < want && prl_clock_now_us() < end_us)
        prl_loop_turn(world->loop, TURN_US);
    return *count >= want;
}

PRL_TEST(tcp_datagrams_both_ways_until_the_end)
{
    struct world world;
    struct prl_tcp_stats stats;
    REQUIRE(open_world(&world, 10));
    int fd = dial(&world, 0);
    say(fd, "echo");
    say(fd, "more");
    EXPECT(until(&world, &world.datagrams, 2));
    EXPECT_TEXT(world.text, "more");
    EXPECT_INT(prl_addr_port(&world.path.local), prl_sockaddr_port(&world.at));
    uint8_t got[8];
    EXPECT_INT(recv(fd, got, sizeof(got), 0), 8);
    EXPECT(memcmp(got, "\0\6answer", 8) == 0);
    prl_tcp_send(world.tcp, &world.path, "x", 1);
    EXPECT_INT(recv(fd, got, sizeof(got), 0), 3);
    prl_tcp_stats(world.tcp, &stats);
    EXPECT(stats.streams == 1 && stats.strangers == 0);
    close(fd);
    world.fds[0] = -1;
    EXPECT(until(&world, &world.closes, 1));
    prl_tcp_send(world.tcp, &world.path, "x", 1); // nobody there
    prl_tcp_stats(world.tcp, &stats);
    EXPECT_INT(stats.streams, 0);
    close_world(&world);
}

PRL_TEST(tcp_owner_closes_inside_and_outside)
{
    struct world world;
    REQUIRE(open_world(&world, 10));
    int fd = dial(&world, 0);
    say(fd, "echo");
    EXPECT(until(&world, &world.datagrams, 1));
    prl_tcp_close(world.tcp, &world.path);
    prl_tcp_close(world.tcp, &world.path);
    EXPECT(until_over(&world, fd));
    world.close_inside = true;
    fd = dial(&world, 1);
    say(fd, "one");
    say(fd, "two");
    EXPECT(until_over(&world, fd));
    EXPECT_INT(world.datagrams, 2); // "two" came too late
    EXPECT_INT(world.closes, 0);
    close_world(&world);
}

PRL_TEST(tcp_garbage_and_strangers)
{
    struct world world;
    struct prl_tcp_stats stats;
    REQUIRE(open_world(&world, 3));
    say(dial(&world, 0), "garbage");
    EXPECT(until_over(&world, world.fds[0]));
    EXPECT(send(dial(&world, 1), "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL) == 16);
    EXPECT(until_over(&world, world.fds[1]));
    say(dial(&world, 2), "known");
    EXPECT(until(&world, &world.datagrams, 2));
    EXPECT(send(world.fds[2], "\xff\xff", 2, MSG_NOSIGNAL) == 2);
    EXPECT(until_over(&world, world.fds[2]));
    EXPECT_INT(world.closes, 1);
    prl_tcp_stats(world.tcp, &stats);
    EXPECT_INT(stats.garbage, 3);
    EXPECT_INT(stats.streams, 0);
    // The bound, and addresses that the owner does not want.
    for (int i = 3; i < 7; i++)
        dial(&world, i);
    EXPECT(until_over(&world, world.fds[6]));
    prl_tcp_stats(world.tcp, &stats);
    EXPECT(stats.refused == 1 && stats.streams == 3);
    close_world(&world);
    REQUIRE(open_world(&world, 3));
    world.forbid = true;
    EXPECT(until_over(&world, dial(&world, 0)));
    close_world(&world);
}

PRL_TEST(tcp_oldest_stranger_makes_room)
{
    struct world world;
    struct prl_tcp_stats stats;
    REQUIRE(open_world(&world, 200));
    for (int i = 0; i < CLIENTS; i++) {
        dial(&world, i);
        EXPECT(until(&world, &world.accepts, i + 1));
        if (i == 1) {
            say(world.fds[1], "known");
            EXPECT(until(&world, &world.datagrams, 1));
        }
    }
    EXPECT(until_over(&world, world.fds[0]));
    prl_tcp_stats(world.tcp, &stats);
    EXPECT_INT(stats.strangers, PRL_TCP_STRANGERS_MAX);
    EXPECT_INT(stats.streams, PRL_TCP_STRANGERS_MAX + 1);
    EXPECT_INT(stats.expired, 1);
    EXPECT(!is_over(world.fds[1]));
    close_world(&world);
}

PRL_TEST(tcp_slow_reader_is_dropped)
{
    struct world world;
    struct prl_tcp_stats stats;
    uint8_t data[1000] = {0};
    REQUIRE(open_world(&world, 10));
    int fd = dial(&world, 0);
    say(fd, "known");
    EXPECT(until(&world, &world.datagrams, 1));
    size_t sent = 0;
    for (stats.slow = 0; stats.slow == 0 && sent < 50000; sent++) {
        prl_tcp_send(world.tcp, &world.path, data, sizeof(data));
        prl_tcp_stats(world.tcp, &stats);
    }
    EXPECT_INT(stats.slow, 1);
    EXPECT(sent > PRL_TCP_SEND_MAX / 1002);
    EXPECT(until(&world, &world.closes, 1));
    close_world(&world);
}

struct reader {
    int fd;
    size_t got;
    struct prl_frame4571 frame;
};

// Takes what has come; each datagram carries its number.
static void read_some(struct reader *reader, size_t expected_size)
{
    uint8_t in[8192];
    struct prl_frame4571_packet packet;
    ssize_t size = recv(reader->fd, in, sizeof(in), MSG_DONTWAIT);
    for (size_t at = 0, used; size > 0 && at < (size_t)size; at += used) {
        if (prl_frame4571_next(&reader->frame, in + at, (size_t)size - at, &used, &packet))
            continue;
        EXPECT_INT(packet.size, expected_size);
        EXPECT_INT(packet.data[0], reader->got & 0xff);
        reader->got++;
    }
}

PRL_TEST(tcp_a_reader_that_catches_up_loses_nothing)
{
    struct world world;
    struct prl_tcp_stats stats;
    uint8_t data[1000];
    REQUIRE(open_world(&world, 10));
    struct reader reader = {.fd = dial(&world, 0)};
    say(reader.fd, "known");
    EXPECT(until(&world, &world.datagrams, 1));
    size_t sent = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 20; i++, sent++) {
            memset(data, (int)(sent & 0xff), sizeof(data));
            prl_tcp_send(world.tcp, &world.path, data, sizeof(data));
        }
        for (int turns = 0; reader.got < sent && turns < 1000; turns++) {
            read_some(&reader, sizeof(data));
            prl_loop_turn(world.loop, 1000);
        }
    }
    EXPECT_INT(reader.got, 1000);
    prl_tcp_stats(world.tcp, &stats);
    EXPECT_INT(stats.slow, 0);
    close_world(&world);
}

PRL_TEST_OOM(tcp_whole_life)
{
    struct world world;
    if (open_world(&world, 4)) {
        say(dial(&world, 0), "echo");
        int64_t end_us = prl_clock_now_us() + 100000;
        while (world.datagrams == 0 && !is_over(world.fds[0]) && prl_clock_now_us() < end_us)
            prl_loop_turn(world.loop, TURN_US);
    }
    close_world(&world);
}

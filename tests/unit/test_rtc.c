// test_rtc.c -- all connections of a loop over real sockets: calls by UDP and TCP, the data channel,
// strangers, the bound, and owners that close wherever they are.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/udp.h"
#include "rtc/frame4571.h"
#include "rtc/rtc.h"
#include "rtc/sctp.h"
#include "tests/unit.h"
#include "tests/unit/rtc_client.h"

enum { TURN_US = 2000, MANY = 5000 };

enum close_in { CLOSE_NOWHERE, CLOSE_IN_CONNECTED, CLOSE_IN_PACKET, CLOSE_IN_CLOSED };

struct world {
    struct prl_loop *loop;
    struct prl_sctp *sctp;
    struct prl_rtc *rtc;
    struct prl_rtc_peer *peer;
    struct rtc_client client;
    struct prl_udp *udp; // the client's
    union prl_sockaddr at;
    int stream; // the client's, when it speaks TCP; -1
    struct prl_frame4571 frame;
    struct prl_port *port; // of the client's data channel
    struct prl_sctp_handle channel;
    enum close_in close_in;
    int connected, packets, opens, messages, reports, client_opens, client_messages;
    char text[64], client_text[64];
    char why[PRL_RTC_WHY_SIZE];
};

// ---- the owner ----

static void maybe_close(struct world *world, enum close_in here)
{
    if (world->close_in == here)
        prl_rtc_close(&world->peer);
}

static void on_connected(void *arg)
{
    struct world *world = arg;
    world->connected++;
    maybe_close(world, CLOSE_IN_CONNECTED);
}

static void on_channel(void *arg, bool open)
{
    struct world *world = arg;
    world->opens += open ? 1 : -1;
}

static void on_message(void *arg, const char *data, size_t len, bool first, bool last)
{
    struct world *world = arg;
    EXPECT(first && last);
    world->messages++;
    snprintf(world->text, sizeof(world->text), "%.*s", (int)len, data);
    EXPECT_OK(prl_rtc_send_message(world->peer, "answer", 6));
}

static void on_packet(void *arg, const struct prl_rtc_packet *packet)
{
    struct world *world = arg;
    world->packets++;
    EXPECT(packet->size == 5 && memcmp(packet->payload, "sound", 5) == 0);
    maybe_close(world, CLOSE_IN_PACKET);
}

static void on_report(void *arg, const struct prl_rtc_report *report)
{
    struct world *world = arg;
    (void)report;
    world->reports++;
}

static void on_closed(void *arg, const char *why)
{
    struct world *world = arg;
    (void)prl_str_copy(world->why, sizeof(world->why), why);
    maybe_close(world, CLOSE_IN_CLOSED);
}

static const struct prl_rtc_ops ops = {on_connected, on_channel, on_message,
                                       on_packet,    on_report,  on_closed};

// ---- the client's sockets ----

static void on_datagram(void *arg, const struct prl_udp_datagram *datagram)
{
    struct world *world = arg;
    rtc_client_input(&world->client, datagram->data, datagram->size);
}

static void client_send(void *arg, const uint8_t *data, size_t size)
{
    struct world *world = arg;
    if (world->stream < 0) {
        prl_udp_send(world->udp, data, size, &world->at, NULL);
        return;
    }
    uint8_t head[PRL_FRAME4571_HEAD];
    prl_frame4571_head(size, head);
    EXPECT(send(world->stream, head, sizeof(head), MSG_NOSIGNAL | MSG_MORE) == sizeof(head));
    EXPECT(send(world->stream, data, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static void read_stream(struct world *world)
{
    uint8_t in[8192];
    ssize_t size;
    if (world->stream < 0 || (size = recv(world->stream, in, sizeof(in), MSG_DONTWAIT)) <= 0)
        return;
    for (size_t at = 0, used; at < (size_t)size; at += used) {
        struct prl_frame4571_packet packet;
        if (prl_frame4571_next(&world->frame, in + at, (size_t)size - at, &used, &packet) == PRL_OK)
            rtc_client_input(&world->client, packet.data, packet.size);
    }
}

static void on_sctp(void *arg, struct prl_msg *msg)
{
    struct world *world = arg;
    struct prl_sctp_event event;
    prl_sctp_event_read(msg, &event);
    if (!prl_sctp_same(event.handle, world->channel))
        return;
    if (event.type == PRL_SCTP_PACKET)
        rtc_client_data(&world->client, event.data, event.size);
    else if (event.type == PRL_SCTP_UP)
        EXPECT_OK(prl_sctp_open_channel(world->sctp, world->channel, 0, PRL_SCTP_LABEL));
    else if (event.type == PRL_SCTP_CHANNEL_OPEN)
        world->client_opens++;
    else if (event.type == PRL_SCTP_MESSAGE) {
        world->client_messages++;
        snprintf(world->client_text, sizeof(world->client_text), "%.*s", (int)event.size,
                 (const char *)event.data);
    }
}

static void on_client_data(void *arg, const uint8_t *data, size_t size)
{
    struct world *world = arg;
    if (world->channel.generation)
        EXPECT_OK(prl_sctp_input(world->sctp, world->channel, data, size));
}

// ---- the world ----

static bool until(struct world *world, const int *count, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < want && prl_clock_now_us() < end_us) {
        prl_loop_turn(world->loop, TURN_US);
        world->client.now_us = prl_clock_now_us();
        read_stream(world);
    }
    return *count >= want;
}

static bool open_world(struct world *world, size_t peers_max)
{
    memset(world, 0, sizeof(*world));
    world->stream = -1;
    world->client.setup = "actpass";
    world->client.send = client_send;
    world->client.on_data = on_client_data;
    world->client.arg = world;
    if (prl_loop_create(&world->loop, &(struct prl_loop_conf){.timers_max = 10000}) ||
        prl_sctp_create(&world->sctp, 10))
        return false;
    struct prl_rtc_conf conf = {.addresses = {"127.0.0.1"},
                                .address_count = 1,
                                .tcp = true,
                                .local_only = true,
                                .peers_max = peers_max,
                                .sctp = world->sctp};
    struct prl_rtc_stats stats;
    if (prl_rtc_create(&world->rtc, world->loop, &conf) ||
        prl_port_open(&world->port, world->loop, 100, on_sctp, world) ||
        prl_udp_create(&world->udp, world->loop, "127.0.0.1", 0, on_datagram, world))
        return false;
    prl_rtc_stats(world->rtc, &stats);
    EXPECT(stats.udp_port != 0 && stats.tcp_port != 0 && stats.peers == 0);
    EXPECT(prl_addr_parse(&world->at, "127.0.0.1", stats.udp_port));
    return rtc_client_open(&world->client);
}

static void close_world(struct world *world)
{
    prl_rtc_close(&world->peer);
    if (world->channel.generation)
        prl_sctp_close(world->sctp, &world->channel);
    if (world->port) {
        prl_port_close(world->port);
        prl_sctp_detach(world->sctp, world->port);
    }
    prl_port_destroy(&world->port);
    prl_rtc_destroy(&world->rtc);
    prl_udp_destroy(&world->udp);
    prl_sctp_destroy(&world->sctp);
    rtc_client_close(&world->client);
    if (world->stream >= 0)
        close(world->stream);
    prl_loop_destroy(&world->loop);
}

static enum prl_err offer(struct world *world, struct prl_rtc_peer **peer)
{
    char text[RTC_CLIENT_OFFER];
    struct prl_str answer;
    prl_str_init(&answer, PRL_SDP_ANSWER_MAX);
    size_t len = rtc_client_offer(&world->client, text, sizeof(text));
    struct prl_rtc_request request = {text, len, &ops, world};
    enum prl_err err = prl_rtc_offer(world->rtc, &request, peer, &answer, world->why);
    if (!err && !rtc_client_answer(&world->client, prl_str_text(&answer), answer.len))
        err = PRL_ERR_INVALID;
    prl_str_free(&answer);
    return err;
}

static bool connect_world(struct world *world)
{
    uint8_t data[RTC_CLIENT_PACKET];
    if (offer(world, &world->peer) != PRL_OK)
        return false;
    client_send(world, data, rtc_client_check(&world->client, true, NULL, data));
    if (!until(world, &world->client.replies, 1))
        return false;
    rtc_client_start(&world->client);
    return until(world, &world->connected, 1);
}

static void say(struct world *world)
{
    uint8_t data[RTC_CLIENT_PACKET];
    client_send(world, data, rtc_client_rtp(&world->client, 111, "sound", 5, data));
}

// The server may have connected before its last flight has come back.
static void wait_for_keys(struct world *world)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!rtc_client_connected(&world->client) && prl_clock_now_us() < end_us) {
        prl_loop_turn(world->loop, TURN_US);
        world->client.now_us = prl_clock_now_us();
        read_stream(world);
    }
}

static void sound_both_ways(struct world *world)
{
    wait_for_keys(world);
    REQUIRE(rtc_client_connected(&world->client));
    say(world);
    EXPECT(until(world, &world->packets, 1));
    prl_rtc_send_audio(world->peer, (const uint8_t *)"hello", 5, 960, true);
    EXPECT(until(world, &world->client.rtp, 1));
    EXPECT(world->client.last_size == 5 && memcmp(world->client.last, "hello", 5) == 0);
}

// ---- tests ----

PRL_TEST(rtc_a_call_by_udp_with_its_data_channel)
{
    struct world world;
    struct prl_rtc_stats stats;
    REQUIRE(open_world(&world, 4));
    world.client.data = true;
    EXPECT_INT(offer(&world, &world.peer), PRL_OK);
    EXPECT_INT(prl_rtc_send_message(world.peer, "early", 5), PRL_ERR_AGAIN);
    prl_rtc_close(&world.peer);
    prl_dtls_destroy(&world.client.dtls);
    REQUIRE(connect_world(&world));
    sound_both_ways(&world);
    struct prl_sctp_peer_conf conf = {.port = world.port, .id = 1};
    EXPECT_OK(prl_sctp_open(world.sctp, &conf, &world.channel));
    EXPECT(until(&world, &world.opens, 1));
    EXPECT(until(&world, &world.client_opens, 1));
    EXPECT_OK(prl_sctp_send(world.sctp, world.channel, 0, "question", 8));
    EXPECT(until(&world, &world.client_messages, 1));
    EXPECT_TEXT(world.text, "question");
    EXPECT_TEXT(world.client_text, "answer");
    EXPECT(until(&world, &world.reports, 1));
    prl_rtc_stats(world.rtc, &stats);
    EXPECT(stats.peers == 1 && stats.connected == 1 && stats.streams == 0);
    prl_rtc_close(&world.peer);
    EXPECT(until(&world, &world.client.byes, 1));
    prl_rtc_stats(world.rtc, &stats);
    EXPECT(stats.peers == 0 && stats.connected == 0);
    EXPECT_TEXT(world.why, "");
    close_world(&world);
}

PRL_TEST(rtc_a_call_by_tcp)
{
    struct world world;
    struct prl_rtc_stats stats;
    REQUIRE(open_world(&world, 4));
    prl_rtc_stats(world.rtc, &stats);
    union prl_sockaddr at;
    EXPECT(prl_addr_parse(&at, "127.0.0.1", stats.tcp_port));
    world.stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(world.stream, &at.any, sizeof(at.v4)) == 0);
    REQUIRE(connect_world(&world));
    sound_both_ways(&world);
    prl_rtc_stats(world.rtc, &stats);
    EXPECT(stats.streams == 1 && stats.connected == 1);
    // A stranger's stream gets nothing in.
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(other, &at.any, sizeof(at.v4)) == 0);
    uint8_t data[RTC_CLIENT_PACKET + PRL_FRAME4571_HEAD];
    size_t size = rtc_client_rtp(&world.client, 111, "sound", 5, data + PRL_FRAME4571_HEAD);
    prl_frame4571_head(size, data);
    EXPECT(send(other, data, size + PRL_FRAME4571_HEAD, MSG_NOSIGNAL) > 0);
    say(&world);
    EXPECT(until(&world, &world.packets, 2));
    uint8_t byte;
    struct prl_rtc_stats now = {.streams = 2};
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (recv(other, &byte, 1, MSG_DONTWAIT) != 0 && prl_clock_now_us() < end_us)
        prl_loop_turn(world.loop, TURN_US);
    prl_rtc_stats(world.rtc, &now);
    EXPECT(now.streams == 1 && world.packets == 2);
    close(other);
    // The end of the stream is the end of the path, not of the call.
    close(world.stream);
    world.stream = -1;
    end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (now.streams > 0 && prl_clock_now_us() < end_us) {
        prl_loop_turn(world.loop, TURN_US);
        prl_rtc_stats(world.rtc, &now);
    }
    EXPECT(now.streams == 0 && now.connected == 1);
    prl_rtc_send_audio(world.peer, (const uint8_t *)"nobody", 6, 960, false);
    EXPECT_TEXT(world.why, "");
    close_world(&world);
}

PRL_TEST(rtc_owners_close_inside_callbacks)
{
    for (int where = CLOSE_IN_CONNECTED; where <= CLOSE_IN_CLOSED; where++) {
        struct world world;
        struct prl_rtc_stats stats;
        REQUIRE(open_world(&world, 4));
        world.close_in = (enum close_in)where;
        REQUIRE(connect_world(&world));
        wait_for_keys(&world);
        if (where == CLOSE_IN_PACKET) {
            say(&world);
            EXPECT(until(&world, &world.packets, 1));
        }
        if (where == CLOSE_IN_CLOSED) {
            uint8_t data[PRL_DTLS_MTU];
            prl_dtls_close(world.client.dtls);
            size_t size = prl_dtls_output(world.client.dtls, data);
            client_send(&world, data, size);
            int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
            while (world.peer && prl_clock_now_us() < end_us)
                prl_loop_turn(world.loop, TURN_US);
            EXPECT_TEXT(world.why, "closed by the client");
        }
        EXPECT(world.peer == NULL);
        prl_rtc_stats(world.rtc, &stats);
        EXPECT(stats.peers == 0 && stats.connected == 0);
        close_world(&world);
    }
}

PRL_TEST(rtc_an_ended_peer_waits_for_its_owner)
{
    struct world world;
    struct prl_rtc_stats stats;
    struct prl_str answer;
    char why[PRL_RTC_WHY_SIZE];
    REQUIRE(open_world(&world, 4));
    REQUIRE(connect_world(&world));
    uint8_t data[PRL_DTLS_MTU];
    wait_for_keys(&world);
    prl_dtls_close(world.client.dtls);
    client_send(&world, data, prl_dtls_output(world.client.dtls, data));
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!*world.why && prl_clock_now_us() < end_us)
        prl_loop_turn(world.loop, TURN_US);
    EXPECT_TEXT(world.why, "closed by the client");
    prl_rtc_stats(world.rtc, &stats);
    EXPECT(stats.peers == 1 && stats.connected == 0);
    prl_rtc_send_audio(world.peer, data, 5, 960, false);
    prl_rtc_set_buffer(world.peer, 1000);
    EXPECT_INT(prl_rtc_send_message(world.peer, "x", 1), PRL_ERR_CANCELED);
    prl_str_init(&answer, PRL_SDP_ANSWER_MAX);
    EXPECT_INT(prl_rtc_reoffer(world.peer, "x", 1, &answer, why), PRL_ERR_CANCELED);
    prl_str_free(&answer);
    EXPECT_INT(prl_rtc_codec(world.peer), PRL_RTC_OPUS);
    close_world(&world);
}

PRL_TEST(rtc_strangers_get_no_answer)
{
    struct world world;
    uint8_t data[RTC_CLIENT_PACKET];
    REQUIRE(open_world(&world, 4));
    REQUIRE(offer(&world, &world.peer) == PRL_OK);
    uint64_t before = prl_metrics_value(PRL_METRIC_RTC_DROPPED_STRANGE);
    uint64_t sent = prl_metrics_value(PRL_METRIC_RTC_OUT);
    char right[PRL_ICE_TEXT_SIZE];
    (void)prl_str_copy(right, sizeof(right), world.client.remote.ufrag);
    (void)prl_str_copy(world.client.remote.ufrag, sizeof(right), "nobodyXX");
    client_send(&world, data, rtc_client_check(&world.client, true, NULL, data));
    (void)prl_str_copy(world.client.remote.ufrag, sizeof(right), "a-name-that-is-far-too-long");
    client_send(&world, data, rtc_client_check(&world.client, true, NULL, data));
    (void)prl_str_copy(world.client.remote.ufrag, sizeof(right), right);
    client_send(&world, data,
                rtc_client_check(&world.client, true, "a wrong password, surely", data));
    for (int first = 0; first < 256; first++) {
        memset(data, first, 60);
        client_send(&world, data, (size_t)first % 60);
    }
    // The right one is the only one that is answered.
    client_send(&world, data, rtc_client_check(&world.client, true, NULL, data));
    EXPECT(until(&world, &world.client.replies, 1));
    EXPECT_INT(prl_metrics_value(PRL_METRIC_RTC_OUT) - sent, 1);
    EXPECT(prl_metrics_value(PRL_METRIC_RTC_DROPPED_STRANGE) - before >= 250);
    close_world(&world);
}

PRL_TEST(rtc_offers_that_never_connect_are_few_blocks_each)
{
    static struct prl_rtc_peer *peers[MANY];
    struct world world;
    char text[RTC_CLIENT_OFFER];
    struct prl_str answer;
    struct prl_rtc_stats stats;
    REQUIRE(open_world(&world, MANY));
    prl_str_init(&answer, PRL_SDP_ANSWER_MAX);
    struct prl_rtc_request request = {text, 0, &ops, &world};
    request.len = rtc_client_offer(&world.client, text, sizeof(text));
    int64_t blocks = prl_mem_live_count();
    for (int i = 0; i < MANY; i++) {
        prl_str_clear(&answer);
        EXPECT_OK(prl_rtc_offer(world.rtc, &request, &peers[i], &answer, world.why));
    }
    EXPECT(prl_mem_live_count() - blocks <= 4 * MANY + 1);
    struct prl_rtc_peer *more;
    EXPECT_INT(prl_rtc_offer(world.rtc, &request, &more, &answer, world.why), PRL_ERR_LIMIT);
    EXPECT_TEXT(world.why, "all 5000 connections are in use");
    EXPECT(more == NULL);
    prl_rtc_stats(world.rtc, &stats);
    EXPECT(stats.peers == MANY && stats.connected == 0);
    for (int i = 0; i < MANY; i++)
        prl_rtc_close(&peers[i]);
    world.why[0] = '\0';
    EXPECT_OK(prl_rtc_offer(world.rtc, &request, &more, &answer, world.why));
    prl_rtc_close(&more);
    prl_str_free(&answer);
    close_world(&world);
}

PRL_TEST(rtc_offers_that_are_wrong)
{
    struct world world;
    struct prl_str answer;
    REQUIRE(open_world(&world, 4));
    prl_str_init(&answer, PRL_SDP_ANSWER_MAX);
    static const char *const wrong[] = {"", "v=0\r\n", "no sdp at all"};
    for (int i = 0; i < 3; i++) {
        world.why[0] = '\0';
        struct prl_rtc_request request = {wrong[i], strlen(wrong[i]), &ops, &world};
        EXPECT_INT(prl_rtc_offer(world.rtc, &request, &world.peer, &answer, world.why),
                   PRL_ERR_INVALID);
        EXPECT(world.why[0] && world.peer == NULL);
    }
    prl_str_free(&answer);
    close_world(&world);
    struct prl_rtc_conf conf = {.addresses = {"127.0.0.1"},
                                .address_count = 1,
                                .public_address = "a.name.example",
                                .peers_max = 1};
    struct prl_loop *loop;
    struct prl_rtc *rtc;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    EXPECT_INT(prl_rtc_create(&rtc, loop, &conf), PRL_ERR_INVALID);
    EXPECT(rtc == NULL);
    conf.public_address = NULL;
    conf.addresses[0] = "192.0.2.1";
    EXPECT_INT(prl_rtc_create(&rtc, loop, &conf), PRL_ERR_IO);
    prl_loop_destroy(&loop);
}

PRL_TEST_OOM(rtc_whole_life)
{
    struct world world;
    if (open_world(&world, 2) && offer(&world, &world.peer) == PRL_OK) {
        uint8_t data[RTC_CLIENT_PACKET];
        client_send(&world, data, rtc_client_check(&world.client, true, NULL, data));
        for (int i = 0; i < 50 && world.client.replies == 0; i++)
            prl_loop_turn(world.loop, TURN_US);
    }
    close_world(&world);
}

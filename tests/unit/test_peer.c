// test_peer.c -- one connection as a pure core, against a client of the tests: the way up, sound both
// ways, everything that strangers may try, and every end.
#include <string.h>

#include "rtc/peer.h"
#include "rtc/rtp.h"
#include "tests/unit.h"
#include "tests/unit/rtc_client.h"

enum { SECOND_US = 1000000, QUEUE = 64, START_US = 1000000000 };

struct datagram {
    size_t size;
    uint8_t data[RTC_CLIENT_PACKET];
};

// Both ends and what lies between them.
struct world {
    struct rtc_client client;
    struct prl_dtls_cert *cert;
    struct prl_peer *peer;
    struct prl_ice_path path; // of the client
    struct prl_ice_path last; // where the peer sent to
    int64_t now_us;
    struct datagram to_peer[QUEUE];
    size_t waiting;
    int connected, again, packets, reports, paths, restarts, sent;
    struct prl_rtc_packet packet; // the last one
    uint8_t payload[RTC_CLIENT_PACKET];
    struct prl_rtc_report report;
    char why[PRL_RTC_WHY_SIZE];
};

static void on_send(void *arg, const struct prl_ice_path *path, const uint8_t *data, size_t size)
{
    struct world *world = arg;
    world->last = *path;
    world->sent++;
    rtc_client_input(&world->client, data, size);
}

static void on_path(void *arg, const struct prl_ice_path *path, bool added)
{
    struct world *world = arg;
    EXPECT(prl_addr_port(&path->local) == 8189);
    world->paths += added ? 1 : -1;
}

static void on_restarted(void *arg)
{
    ((struct world *)arg)->restarts++;
}

static void on_connected(void *arg, bool again)
{
    struct world *world = arg;
    world->connected++;
    world->again += again;
}

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    (void)arg;
    (void)data;
    EXPECT(size > 0);
}

static void on_packet(void *arg, const struct prl_rtc_packet *packet)
{
    struct world *world = arg;
    world->packets++;
    world->packet = *packet;
    memcpy(world->payload, packet->payload, packet->size);
}

static void on_report(void *arg, const struct prl_rtc_report *report)
{
    struct world *world = arg;
    world->reports++;
    world->report = *report;
}

static void on_closed(void *arg, const char *why)
{
    struct world *world = arg;
    EXPECT_TEXT(world->why, ""); // once
    (void)prl_str_copy(world->why, sizeof(world->why), why);
}

static const struct prl_peer_ops ops = {on_send, on_path,   on_restarted, on_connected,
                                        on_data, on_packet, on_report,    on_closed};

// The client's datagrams wait, so that neither end is inside the other.
static void on_client_send(void *arg, const uint8_t *data, size_t size)
{
    struct world *world = arg;
    if (world->waiting == QUEUE || size > RTC_CLIENT_PACKET)
        return;
    struct datagram *datagram = &world->to_peer[world->waiting++];
    datagram->size = size;
    memcpy(datagram->data, data, size);
}

static void deliver(struct world *world, const struct prl_ice_path *path)
{
    for (size_t i = 0; i < world->waiting; i++)
        prl_peer_input(world->peer, world->to_peer[i].data, world->to_peer[i].size, path,
                       world->now_us);
    world->waiting = 0;
}

static void exchange(struct world *world)
{
    for (int i = 0; i < 20 && world->waiting > 0; i++)
        deliver(world, &world->path);
}

static void check(struct world *world, const struct prl_ice_path *path, bool nominate,
                  const char *password)
{
    uint8_t data[RTC_CLIENT_PACKET];
    struct prl_stun stun;
    size_t size = rtc_client_check(&world->client, nominate, password, data);
    EXPECT(size > 0);
    EXPECT_OK(prl_stun_parse(&stun, data, size));
    world->client.reply_size = 0;
    prl_peer_check(world->peer, &stun, path, world->now_us);
    EXPECT(world->client.reply_size <= size);
}

static struct prl_ice_path path_of(const char *remote, uint16_t port)
{
    struct prl_ice_path path = {.tcp = false};
    EXPECT(prl_addr_parse(&path.remote, remote, port));
    EXPECT(prl_addr_parse(&path.local, "198.51.100.1", 8189));
    return path;
}

static enum prl_err make_peer(struct world *world, const struct prl_sdp *offer)
{
    struct prl_ice_credentials local;
    uint8_t random[PRL_ICE_RANDOM_SIZE] = {9, 8, 7};
    prl_ice_make_credentials(&local, random);
    struct prl_peer_conf conf = {.offer = offer,
                                 .cert = world->cert,
                                 .local = &local,
                                 .ssrc = 4711,
                                 .cname = "parley",
                                 .random = 12345,
                                 .now_us = world->now_us};
    return prl_peer_create(&world->peer, &conf, &ops, world);
}

// Writes and takes an answer as the facade would.
static bool answer(struct world *world, const struct prl_sdp *offer)
{
    struct prl_str text;
    prl_str_init(&text, PRL_SDP_ANSWER_MAX);
    struct prl_sdp_candidate candidate = {.tcp = false};
    candidate.address = world->path.local;
    struct prl_sdp_local local = {.ice = prl_ice_local(prl_peer_ice(world->peer)),
                                  .fingerprint = prl_dtls_cert_fingerprint(world->cert),
                                  .setup = prl_peer_setup(world->peer),
                                  .session_id = 1,
                                  .version = 1,
                                  .ssrc = 4711,
                                  .cname = "parley",
                                  .candidates = &candidate,
                                  .candidate_count = 1};
    bool good = prl_sdp_answer(offer, &local, &text) == PRL_OK &&
                rtc_client_answer(&world->client, prl_str_text(&text), text.len);
    prl_str_free(&text);
    return good;
}

static bool parse_offer(struct world *world, struct prl_sdp *offer)
{
    char text[RTC_CLIENT_OFFER];
    size_t len = rtc_client_offer(&world->client, text, sizeof(text));
    enum prl_err err = prl_sdp_parse(offer, PRL_SDP_OFFER, text, len, world->why);
    EXPECT_TEXT(world->why, "");
    return err == PRL_OK;
}

static bool open_world(struct world *world, const char *setup)
{
    struct prl_sdp offer;
    memset(world, 0, sizeof(*world));
    world->now_us = START_US;
    world->client.setup = setup;
    world->client.send = on_client_send;
    world->client.arg = world;
    world->client.now_us = START_US;
    world->path = path_of("192.0.2.1", 5000);
    return rtc_client_open(&world->client) && prl_dtls_cert_create(&world->cert) == PRL_OK &&
           parse_offer(world, &offer) && make_peer(world, &offer) == PRL_OK &&
           answer(world, &offer);
}

static void close_world(struct world *world)
{
    prl_peer_destroy(&world->peer);
    prl_dtls_cert_destroy(&world->cert);
    rtc_client_close(&world->client);
}

static bool connect_world(struct world *world, const char *setup)
{
    if (!open_world(world, setup))
        return false;
    check(world, &world->path, true, NULL);
    rtc_client_start(&world->client);
    exchange(world);
    return prl_peer_connected(world->peer) && rtc_client_connected(&world->client);
}

static void say(struct world *world, const char *text, const struct prl_ice_path *path)
{
    uint8_t data[RTC_CLIENT_PACKET];
    size_t size = rtc_client_rtp(&world->client, 111, text, strlen(text), data);
    prl_peer_input(world->peer, data, size, path, world->now_us);
}

// Lets time pass in steps as a loop would.
static void pass(struct world *world, int64_t us)
{
    int64_t end_us = world->now_us + us;
    for (int i = 0; i < 10000; i++) {
        int64_t at_us = prl_peer_deadline(world->peer);
        if (at_us > end_us)
            break;
        world->now_us = at_us > world->now_us ? at_us : world->now_us;
        prl_peer_timeout(world->peer, world->now_us);
        EXPECT(i < 9999);
    }
    world->now_us = end_us;
}

PRL_TEST(peer_connects_in_both_roles_and_sound_flows)
{
    static const char *const setups[] = {"actpass", "active", "passive"};
    for (int i = 0; i < 3; i++) {
        struct world world;
        REQUIRE(connect_world(&world, setups[i]));
        EXPECT_INT(world.connected, 1);
        EXPECT_INT(world.again, 0);
        EXPECT_INT(world.client.replies, 1);
        EXPECT_INT(prl_peer_codec(world.peer), PRL_RTC_OPUS);
        say(&world, "good morning", &world.path);
        EXPECT_INT(world.packets, 1);
        EXPECT(world.packet.size == 12 && memcmp(world.payload, "good morning", 12) == 0);
        EXPECT(world.packet.codec == PRL_RTC_OPUS && world.packet.arrival_us == world.now_us);
        prl_peer_send_audio(world.peer, (const uint8_t *)"hello", 5, 960, true, world.now_us);
        EXPECT_INT(world.client.rtp, 1);
        EXPECT(world.client.last_size == 5 && memcmp(world.client.last, "hello", 5) == 0);
        pass(&world, 3LL * SECOND_US);
        EXPECT(world.client.rtcp >= 1);
        EXPECT(world.reports >= 2);
        EXPECT(world.report.bitrate_bps >= 8000 && world.report.rtt_us == -1);
        prl_peer_close(world.peer, world.now_us);
        EXPECT_INT(world.client.byes, 1);
        EXPECT(prl_dtls_state(world.client.dtls) == PRL_DTLS_CLOSED);
        EXPECT_TEXT(world.why, "");
        EXPECT(prl_peer_deadline(world.peer) == INT64_MAX);
        close_world(&world);
    }
}

PRL_TEST(peer_drops_what_comes_from_unverified_addresses)
{
    struct world world;
    REQUIRE(open_world(&world, "active"));
    struct prl_ice_path stranger = path_of("203.0.113.66", 5000);
    // A ClientHello before any check, and from somebody who only guesses the password.
    rtc_client_start(&world.client);
    struct datagram hello = world.to_peer[0];
    deliver(&world, &world.path);
    check(&world, &stranger, true, "not the password at all!");
    EXPECT_INT(world.client.replies, 0);
    EXPECT_INT(world.client.reply_size, 0);
    prl_peer_input(world.peer, hello.data, hello.size, &stranger, world.now_us);
    EXPECT(world.sent == 0 && world.paths == 0 && world.waiting == 0);
    // The real client, afterwards.
    check(&world, &world.path, true, NULL);
    EXPECT_INT(world.paths, 1);
    prl_peer_input(world.peer, hello.data, hello.size, &stranger, world.now_us);
    EXPECT_INT(world.sent, 1);
    prl_peer_input(world.peer, hello.data, hello.size, &world.path, world.now_us);
    exchange(&world);
    REQUIRE(prl_peer_connected(world.peer));
    // Authentic media from a stranger's address is not taken either: it may be a copy.
    say(&world, "copied", &stranger);
    EXPECT_INT(world.packets, 0);
    // Same host, other port; other transport.
    struct prl_ice_path other = path_of("192.0.2.1", 5001);
    say(&world, "port", &other);
    other = world.path;
    other.tcp = true;
    say(&world, "tcp", &other);
    EXPECT_INT(world.packets, 0);
    say(&world, "mine", &world.path);
    EXPECT_INT(world.packets, 1);
    close_world(&world);
}

PRL_TEST(peer_a_stray_hello_does_not_end_a_call)
{
    struct world world;
    struct world stray;
    REQUIRE(connect_world(&world, "active"));
    REQUIRE(open_world(&stray, "active"));
    rtc_client_start(&stray.client);
    int sent = world.sent;
    for (size_t i = 0; i < stray.waiting; i++)
        prl_peer_input(world.peer, stray.to_peer[i].data, stray.to_peer[i].size, &world.path,
                       world.now_us);
    // Our own first flight, again; an alert in clear; noise that looks like a record.
    static const uint8_t alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    static const uint8_t close_alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 10, 0, 2, 1, 0};
    prl_peer_input(world.peer, alert, sizeof(alert), &world.path, world.now_us);
    prl_peer_input(world.peer, close_alert, sizeof(close_alert), &world.path, world.now_us);
    for (size_t size = 1; size < 200; size++) {
        uint8_t noise[200];
        for (size_t i = 0; i < size; i++)
            noise[i] = (uint8_t)prl_test_random();
        noise[0] = (uint8_t)(20 + size % 44);
        prl_peer_input(world.peer, noise, size, &world.path, world.now_us);
    }
    EXPECT_TEXT(world.why, "");
    EXPECT(prl_peer_connected(world.peer));
    say(&world, "still here", &world.path);
    EXPECT_INT(world.packets, 1);
    EXPECT(world.sent - sent < 5); // and it is not answered at length
    close_world(&stray);
    close_world(&world);
}

PRL_TEST(peer_short_long_and_forged_media)
{
    struct world world;
    uint8_t data[RTC_CLIENT_PACKET + 100];
    REQUIRE(connect_world(&world, "actpass"));
    for (size_t size = 0; size < sizeof(data); size += size < 64 ? 1 : 89) {
        for (int second = 0; second < 256; second += size < 64 ? 8 : 200) {
            memset(data, 0x5a, sizeof(data));
            data[0] = (uint8_t)(0x80 | (second & 0x3f));
            data[1] = (uint8_t)second;
            prl_peer_input(world.peer, data, size, &world.path, world.now_us);
        }
    }
    EXPECT_INT(world.packets, 0);
    EXPECT_TEXT(world.why, "");
    // One bit changed anywhere.
    size_t size = rtc_client_rtp(&world.client, 111, "truth", 5, data);
    for (size_t bit = 0; bit < size * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        prl_peer_input(world.peer, data, size, &world.path, world.now_us);
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    EXPECT_INT(world.packets, 0);
    prl_peer_input(world.peer, data, size, &world.path, world.now_us);
    EXPECT_INT(world.packets, 1);
    // Replayed.
    for (int i = 0; i < 5; i++)
        prl_peer_input(world.peer, data, size, &world.path, world.now_us);
    EXPECT_INT(world.packets, 1);
    // A payload type that was not agreed on.
    size = rtc_client_rtp(&world.client, 96, "video", 5, data);
    prl_peer_input(world.peer, data, size, &world.path, world.now_us);
    EXPECT_INT(world.packets, 1);
    close_world(&world);
}

PRL_TEST(peer_nacks_are_answered_within_limits)
{
    struct world world;
    uint8_t data[RTC_CLIENT_PACKET];
    REQUIRE(connect_world(&world, "actpass"));
    for (int i = 0; i < 20; i++) {
        prl_peer_send_audio(world.peer, (const uint8_t *)"0123456789", 10, 960, false,
                            world.now_us);
        pass(&world, 20000);
    }
    EXPECT_INT(world.client.rtp, 20);
    uint16_t newest = world.client.last_seq;
    size_t size = rtc_client_nack(&world.client, newest, 1, data);
    int sent = world.sent;
    prl_peer_input(world.peer, data, size, &world.path, world.now_us);
    EXPECT_INT(world.sent, sent + 1);
    // A flood of NACKs for everything.
    sent = world.sent;
    for (int i = 0; i < 50; i++) {
        size = rtc_client_nack(&world.client, (uint16_t)(newest - 100), 200, data);
        prl_peer_input(world.peer, data, size, &world.path, world.now_us);
    }
    EXPECT(world.sent - sent <= 20);
    close_world(&world);
}

PRL_TEST(peer_asks_again_for_what_is_missing)
{
    struct world world;
    uint8_t lost[RTC_CLIENT_PACKET];
    REQUIRE(connect_world(&world, "actpass"));
    prl_peer_set_buffer(world.peer, 200000);
    for (int i = 0; i < 6; i++) {
        say(&world, "sound", &world.path);
        pass(&world, 20000);
    }
    EXPECT_INT(world.client.nacks, 0);
    size_t size = rtc_client_rtp(&world.client, 111, "lost", 4, lost);
    for (int i = 0; i < 4; i++) {
        pass(&world, 20000);
        say(&world, "sound", &world.path);
    }
    EXPECT(world.client.nacks >= 1);
    prl_peer_input(world.peer, lost, size, &world.path, world.now_us);
    EXPECT_INT(world.packets, 11);
    close_world(&world);
}

PRL_TEST(peer_ends_by_itself)
{
    struct world world;
    // Nobody comes.
    REQUIRE(open_world(&world, "actpass"));
    pass(&world, PRL_ICE_CONNECT_US - 1);
    EXPECT_TEXT(world.why, "");
    pass(&world, 2);
    EXPECT_TEXT(world.why, "never connected");
    EXPECT(prl_peer_deadline(world.peer) == INT64_MAX);
    check(&world, &world.path, true, NULL); // too late
    EXPECT_INT(world.sent, 0);
    close_world(&world);
    // Checks, but no handshake.
    REQUIRE(open_world(&world, "active"));
    check(&world, &world.path, true, NULL);
    for (int i = 0; i < 9; i++) {
        pass(&world, SECOND_US);
        check(&world, &world.path, true, NULL);
    }
    EXPECT_TEXT(world.why, "");
    pass(&world, 2LL * SECOND_US);
    EXPECT_TEXT(world.why, "never connected");
    close_world(&world);
    // Silence after the connection stood.
    REQUIRE(connect_world(&world, "actpass"));
    pass(&world, PRL_ICE_CONSENT_US - 1);
    EXPECT_TEXT(world.why, "");
    int sent = world.sent;
    pass(&world, 2);
    EXPECT_TEXT(world.why, "consent expired");
    prl_peer_send_audio(world.peer, (const uint8_t *)"x", 1, 960, false, world.now_us);
    prl_peer_close(world.peer, world.now_us);
    EXPECT_INT(world.sent, sent);
    close_world(&world);
    // Good-bye.
    REQUIRE(connect_world(&world, "actpass"));
    prl_dtls_close(world.client.dtls);
    uint8_t data[PRL_DTLS_MTU];
    size_t size = prl_dtls_output(world.client.dtls, data);
    prl_peer_input(world.peer, data, size, &world.path, world.now_us);
    EXPECT_TEXT(world.why, "closed by the client");
    close_world(&world);
}

PRL_TEST(peer_refuses_another_certificate_than_the_offer_names)
{
    struct world world;
    struct prl_sdp offer;
    REQUIRE(open_world(&world, "active"));
    prl_peer_destroy(&world.peer);
    world.client.fingerprint[31] ^= 1;
    REQUIRE(parse_offer(&world, &offer) && make_peer(&world, &offer) == PRL_OK &&
            answer(&world, &offer));
    check(&world, &world.path, true, NULL);
    rtc_client_start(&world.client);
    exchange(&world);
    EXPECT_TEXT(world.why, "dtls failed");
    EXPECT_INT(world.connected, 0);
    close_world(&world);
}

PRL_TEST(peer_restart_of_ice_keeps_dtls_and_sound)
{
    struct world world;
    struct prl_sdp offer;
    char why[PRL_RTC_WHY_SIZE] = "";
    REQUIRE(connect_world(&world, "actpass"));
    struct prl_ice_credentials local;
    uint8_t random[PRL_ICE_RANDOM_SIZE] = {4, 4, 4};
    prl_ice_make_credentials(&local, random);
    rtc_client_restart(&world.client, 9);
    REQUIRE(parse_offer(&world, &offer));
    EXPECT_OK(prl_peer_reoffer(world.peer, &offer, &local, world.now_us, why));
    REQUIRE(answer(&world, &offer));
    EXPECT_TEXT(world.client.remote.ufrag, local.ufrag);
    // From a new network: sound comes back to where the new check came from.
    struct prl_ice_path moved = path_of("203.0.113.7", 6000);
    check(&world, &moved, true, NULL);
    EXPECT_INT(world.restarts, 1);
    EXPECT_INT(world.client.replies, 2);
    prl_peer_send_audio(world.peer, (const uint8_t *)"hello", 5, 960, false, world.now_us);
    EXPECT_INT(world.client.rtp, 1);
    EXPECT(prl_addr_equal(&world.last.remote, &moved.remote));
    say(&world, "from there", &moved);
    EXPECT_INT(world.packets, 1);
    EXPECT_INT(world.connected, 1);
    close_world(&world);
}

PRL_TEST(peer_another_fingerprint_is_another_handshake)
{
    struct world world;
    struct rtc_client *client = &world.client;
    struct prl_sdp offer;
    char why[PRL_RTC_WHY_SIZE] = "";
    REQUIRE(connect_world(&world, "active"));
    prl_srtp_destroy(&client->srtp);
    prl_dtls_destroy(&client->dtls);
    prl_dtls_cert_destroy(&client->cert);
    REQUIRE(rtc_client_open(client));
    rtc_client_restart(client, 5);
    struct prl_ice_credentials local;
    uint8_t random[PRL_ICE_RANDOM_SIZE] = {5, 5};
    prl_ice_make_credentials(&local, random);
    REQUIRE(parse_offer(&world, &offer));
    EXPECT_OK(prl_peer_reoffer(world.peer, &offer, &local, world.now_us, why));
    EXPECT(!prl_peer_connected(world.peer));
    REQUIRE(answer(&world, &offer));
    check(&world, &world.path, true, NULL);
    rtc_client_start(client);
    exchange(&world);
    EXPECT(prl_peer_connected(world.peer));
    EXPECT(world.connected == 2 && world.again == 1);
    say(&world, "anew", &world.path);
    EXPECT_INT(world.packets, 1);
    // What cannot change is refused, and nothing is different afterwards.
    offer.codec_count = 1;
    offer.codecs[0].codec = PRL_RTC_PCMU;
    EXPECT_INT(prl_peer_reoffer(world.peer, &offer, NULL, world.now_us, why), PRL_ERR_INVALID);
    EXPECT(strstr(why, "codec"));
    say(&world, "still", &world.path);
    EXPECT_INT(world.packets, 2);
    close_world(&world);
}

PRL_TEST_OOM(peer_whole_life)
{
    struct world world;
    if (connect_world(&world, "actpass")) {
        say(&world, "x", &world.path);
        prl_peer_send_audio(world.peer, (const uint8_t *)"x", 1, 960, true, world.now_us);
        pass(&world, SECOND_US);
    }
    close_world(&world);
}

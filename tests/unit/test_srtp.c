// test_srtp.c -- two ends with each other's keys, and everything that must not get through.
#include <string.h>

#include "base/mem.h"
#include "rtc/srtp.h"
#include "tests/unit.h"

enum { ROOM = PRL_SRTP_PACKET_MAX + 64, BODY = 40 };

static const enum prl_srtp_profile profiles[] = {PRL_SRTP_AEAD_AES_128_GCM,
                                                 PRL_SRTP_AES128_CM_SHA1_80};

static void make_keys(enum prl_srtp_profile profile, struct prl_srtp_keys *a,
                      struct prl_srtp_keys *b)
{
    memset(a, 0, sizeof(*a));
    a->profile = profile;
    for (int i = 0; i < 16; i++) {
        a->send_key[i] = (uint8_t)i;
        a->receive_key[i] = (uint8_t)(100 + i);
    }
    for (int i = 0; i < 14; i++) {
        a->send_salt[i] = (uint8_t)(200 + i);
        a->receive_salt[i] = (uint8_t)(50 + i);
    }
    *b = *a;
    memcpy(b->send_key, a->receive_key, 16);
    memcpy(b->receive_key, a->send_key, 16);
    memcpy(b->send_salt, a->receive_salt, 14);
    memcpy(b->receive_salt, a->send_salt, 14);
}

static bool open_pair(enum prl_srtp_profile profile, struct prl_srtp **a, struct prl_srtp **b)
{
    struct prl_srtp_keys key_a;
    struct prl_srtp_keys key_b;
    make_keys(profile, &key_a, &key_b);
    *a = *b = NULL;
    return prl_srtp_create(a, &key_a) == PRL_OK && prl_srtp_create(b, &key_b) == PRL_OK;
}

static size_t make_rtp(uint8_t *packet, uint32_t ssrc, uint16_t seq)
{
    const uint8_t head[12] = {0x80,
                              111,
                              (uint8_t)(seq >> 8),
                              (uint8_t)seq,
                              0,
                              0,
                              1,
                              2,
                              (uint8_t)(ssrc >> 24),
                              (uint8_t)(ssrc >> 16),
                              (uint8_t)(ssrc >> 8),
                              (uint8_t)ssrc};
    memcpy(packet, head, sizeof(head));
    memset(packet + 12, 0x5a, BODY);
    return 12 + BODY;
}

static size_t make_rtcp(uint8_t *packet, uint32_t ssrc)
{
    const uint8_t head[8] = {
        0x80,         201, 0, 1, (uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8),
        (uint8_t)ssrc};
    memcpy(packet, head, sizeof(head));
    return sizeof(head);
}

static enum prl_err pass(struct prl_srtp *from, struct prl_srtp *to, uint32_t ssrc, uint16_t seq)
{
    uint8_t packet[ROOM];
    uint8_t plain[ROOM];
    size_t size = make_rtp(packet, ssrc, seq);
    size_t plain_size = make_rtp(plain, ssrc, seq);
    EXPECT_OK(prl_srtp_protect_rtp(from, packet, &size, sizeof(packet)));
    enum prl_err err = prl_srtp_unprotect_rtp(to, packet, &size);
    if (!err) {
        EXPECT_INT(size, plain_size);
        EXPECT(memcmp(packet, plain, size) == 0);
    }
    return err;
}

PRL_TEST(both_profiles_both_ways)
{
    for (size_t i = 0; i < 2; i++) {
        struct prl_srtp *a;
        struct prl_srtp *b;
        REQUIRE(open_pair(profiles[i], &a, &b));
        for (uint16_t seq = 10; seq < 40; seq++) {
            EXPECT_OK(pass(a, b, 0x1234, seq));
            EXPECT_OK(pass(b, a, 0x1234, seq));
        }
        uint8_t packet[ROOM];
        size_t size = make_rtcp(packet, 0x1234);
        EXPECT_OK(prl_srtp_protect_rtcp(a, packet, &size, sizeof(packet)));
        EXPECT_INT(size, 8 + 4 + (profiles[i] == PRL_SRTP_AEAD_AES_128_GCM ? 16 : 10));
        EXPECT_OK(prl_srtp_unprotect_rtcp(b, packet, &size));
        EXPECT_INT(size, 8);
        // Keys of the wrong direction open nothing.
        size = make_rtp(packet, 0x1234, 50);
        EXPECT_OK(prl_srtp_protect_rtp(a, packet, &size, sizeof(packet)));
        EXPECT_INT(prl_srtp_unprotect_rtp(a, packet, &size), PRL_ERR_INVALID);
        prl_srtp_destroy(&a);
        prl_srtp_destroy(&b);
    }
}

// The keys of RFC 3711 B.3 with the packet of libsrtp's own validation, and its counterpart for GCM.
PRL_TEST(known_answers)
{
    static const uint8_t plain[28] = {0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe,
                                      0xba, 0xbe, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
                                      0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab};
    static const uint8_t cm[38] = {0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe,
                                   0xba, 0xbe, 0x4e, 0x55, 0xdc, 0x4c, 0xe7, 0x99, 0x78, 0xd8,
                                   0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d, 0x24, 0x02, 0xb7, 0x8d,
                                   0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb};
    static const uint8_t gcm[44] = {
        0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe, 0xc5, 0x00, 0x2e,
        0xde, 0x04, 0xcf, 0xdd, 0x2e, 0xb9, 0x11, 0x59, 0xe0, 0x88, 0x0a, 0xa0, 0x6e, 0xd2, 0x97,
        0x68, 0x26, 0xf7, 0x96, 0xb2, 0x01, 0xdf, 0x31, 0x31, 0xa1, 0x27, 0xe8, 0xa3, 0x92};
    struct prl_srtp_keys keys = {.profile = PRL_SRTP_AES128_CM_SHA1_80,
                                 .send_key = {0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6,
                                              0x4f, 0xa3, 0x2c, 0x06, 0xde, 0x41, 0x39},
                                 .send_salt = {0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6,
                                               0x96, 0x0b, 0x3a, 0xab, 0xe6}};
    struct prl_srtp *srtp;
    uint8_t packet[64];
    size_t size = sizeof(plain);
    memcpy(packet, plain, size);
    REQUIRE(prl_srtp_create(&srtp, &keys) == PRL_OK);
    EXPECT_OK(prl_srtp_protect_rtp(srtp, packet, &size, sizeof(packet)));
    EXPECT_INT(size, sizeof(cm));
    EXPECT(memcmp(packet, cm, sizeof(cm)) == 0);
    prl_srtp_destroy(&srtp);

    memset(&keys, 0, sizeof(keys));
    keys.profile = PRL_SRTP_AEAD_AES_128_GCM;
    for (int i = 0; i < 16; i++)
        keys.send_key[i] = (uint8_t)i;
    for (int i = 0; i < 12; i++)
        keys.send_salt[i] = (uint8_t)(0xa0 + i);
    size = sizeof(plain);
    memcpy(packet, plain, size);
    REQUIRE(prl_srtp_create(&srtp, &keys) == PRL_OK);
    EXPECT_OK(prl_srtp_protect_rtp(srtp, packet, &size, sizeof(packet)));
    EXPECT_INT(size, sizeof(gcm));
    EXPECT(memcmp(packet, gcm, sizeof(gcm)) == 0);
    prl_srtp_destroy(&srtp);
}

PRL_TEST(replay_is_refused)
{
    for (size_t i = 0; i < 2; i++) {
        struct prl_srtp *a;
        struct prl_srtp *b;
        uint8_t packets[3][ROOM];
        uint8_t copy[ROOM];
        size_t size[3];
        REQUIRE(open_pair(profiles[i], &a, &b));
        for (int k = 0; k < 3; k++) {
            size[k] = make_rtp(packets[k], 7, (uint16_t)(k == 2 ? 2000 : k));
            EXPECT_OK(prl_srtp_protect_rtp(a, packets[k], &size[k], ROOM));
        }
        memcpy(copy, packets[0], size[0]);
        size_t len = size[0];
        EXPECT_OK(prl_srtp_unprotect_rtp(b, copy, &len));
        memcpy(copy, packets[0], size[0]);
        len = size[0];
        EXPECT_INT(prl_srtp_unprotect_rtp(b, copy, &len), PRL_ERR_AGAIN);
        len = size[2];
        EXPECT_OK(prl_srtp_unprotect_rtp(b, packets[2], &len));
        len = size[1]; // never seen, but behind the window
        EXPECT_INT(prl_srtp_unprotect_rtp(b, packets[1], &len), PRL_ERR_AGAIN);

        size_t rtcp_size = make_rtcp(packets[0], 7);
        EXPECT_OK(prl_srtp_protect_rtcp(a, packets[0], &rtcp_size, ROOM));
        memcpy(copy, packets[0], rtcp_size);
        len = rtcp_size;
        EXPECT_OK(prl_srtp_unprotect_rtcp(b, copy, &len));
        len = rtcp_size;
        EXPECT_INT(prl_srtp_unprotect_rtcp(b, packets[0], &len), PRL_ERR_AGAIN);
        struct prl_srtp_stats stats;
        prl_srtp_stats(b, &stats);
        EXPECT_INT(stats.replayed, 3);
        prl_srtp_destroy(&a);
        prl_srtp_destroy(&b);
    }
}

PRL_TEST(rollover_is_kept)
{
    struct prl_srtp *a;
    struct prl_srtp *b;
    REQUIRE(open_pair(PRL_SRTP_AEAD_AES_128_GCM, &a, &b));
    // Around the circle three times, with losses, and with another SSRC in between.
    for (uint32_t at = 0; at < 200000; at += 331) {
        EXPECT_OK(pass(a, b, 1, (uint16_t)at));
        if (at % 3310 == 0)
            EXPECT_OK(pass(a, b, 2, (uint16_t)(at / 10)));
    }
    prl_srtp_destroy(&a);
    prl_srtp_destroy(&b);
}

// What a hostile length could do: read behind the packet or underflow a size.
PRL_TEST(short_and_oversize)
{
    for (size_t i = 0; i < 2; i++) {
        struct prl_srtp *a;
        struct prl_srtp *b;
        REQUIRE(open_pair(profiles[i], &a, &b));
        uint8_t whole[ROOM];
        size_t whole_size = make_rtp(whole, 9, 1);
        EXPECT_OK(prl_srtp_protect_rtp(a, whole, &whole_size, sizeof(whole)));
        for (size_t size = 0; size < whole_size; size++) {
            // An exact block, so that a read behind it is seen by the sanitizer.
            uint8_t *packet = prl_mem_alloc(size + 1);
            memcpy(packet, whole, size);
            size_t len = size;
            EXPECT_INT(prl_srtp_unprotect_rtp(b, packet, &len), PRL_ERR_INVALID);
            memcpy(packet, whole, size);
            if (size > 1)
                packet[1] = 201;
            len = size;
            EXPECT_INT(prl_srtp_unprotect_rtcp(b, packet, &len), PRL_ERR_INVALID);
            memcpy(packet, whole, size); // CSRCs and an extension that are not there
            if (size > 0)
                packet[0] = 0x9f;
            len = size;
            EXPECT_INT(prl_srtp_unprotect_rtp(b, packet, &len), PRL_ERR_INVALID);
            prl_mem_free(packet);
        }
        uint8_t large[ROOM] = {0x80, 111};
        size_t len = PRL_SRTP_PACKET_MAX + 1;
        EXPECT_INT(prl_srtp_unprotect_rtp(b, large, &len), PRL_ERR_INVALID);
        EXPECT_INT(prl_srtp_unprotect_rtcp(b, large, &len), PRL_ERR_INVALID);
        EXPECT_INT(prl_srtp_protect_rtp(a, large, &len, sizeof(large)), PRL_ERR_INVALID);
        EXPECT_INT(prl_srtp_protect_rtcp(a, large, &len, sizeof(large)), PRL_ERR_INVALID);
        len = 100;
        EXPECT_INT(prl_srtp_protect_rtp(a, large, &len, 100 + PRL_SRTP_TRAILER_MAX - 1),
                   PRL_ERR_INVALID);
        EXPECT_INT(prl_srtp_protect_rtcp(a, large, &len, 100 + PRL_SRTP_TRAILER_MAX - 1),
                   PRL_ERR_INVALID);
        large[0] = 0x40;
        EXPECT_INT(prl_srtp_protect_rtp(a, large, &len, sizeof(large)), PRL_ERR_INVALID);
        EXPECT_OK(prl_srtp_unprotect_rtp(b, whole, &whole_size)); // nothing of it did harm
        prl_srtp_destroy(&a);
        prl_srtp_destroy(&b);
    }
}

PRL_TEST(every_changed_bit_is_noticed)
{
    for (size_t i = 0; i < 2; i++) {
        struct prl_srtp *a;
        struct prl_srtp *b;
        REQUIRE(open_pair(profiles[i], &a, &b));
        uint8_t whole[ROOM];
        uint8_t packet[ROOM];
        size_t size = make_rtp(whole, 9, 1);
        EXPECT_OK(prl_srtp_protect_rtp(a, whole, &size, sizeof(whole)));
        for (size_t bit = 0; bit < size * 8; bit++) {
            memcpy(packet, whole, size);
            packet[bit / 8] = (uint8_t)(packet[bit / 8] ^ 1u << bit % 8);
            size_t len = size;
            EXPECT_INT(prl_srtp_unprotect_rtp(b, packet, &len), PRL_ERR_INVALID);
        }
        EXPECT_OK(prl_srtp_unprotect_rtp(b, whole, &size));
        prl_srtp_destroy(&a);
        prl_srtp_destroy(&b);
    }
}

PRL_TEST(ssrc_flood)
{
    struct prl_srtp *a;
    struct prl_srtp *b;
    REQUIRE(open_pair(PRL_SRTP_AEAD_AES_128_GCM, &a, &b));
    // Forged ones cost nothing and take no place.
    for (uint32_t ssrc = 0; ssrc < 1000; ssrc++) {
        uint8_t packet[ROOM];
        size_t size = make_rtp(packet, 100000 + ssrc, 1);
        EXPECT_INT(prl_srtp_unprotect_rtp(b, packet, &size), PRL_ERR_INVALID);
    }
    for (uint32_t ssrc = 0; ssrc < 100; ssrc++)
        EXPECT_INT(pass(a, b, ssrc, 1), ssrc < PRL_SRTP_SSRCS_MAX ? PRL_OK : PRL_ERR_LIMIT);
    uint8_t packet[ROOM];
    size_t size = make_rtcp(packet, 5000);
    EXPECT_OK(prl_srtp_protect_rtcp(a, packet, &size, sizeof(packet)));
    EXPECT_INT(prl_srtp_unprotect_rtcp(b, packet, &size), PRL_ERR_LIMIT);
    for (uint32_t ssrc = 0; ssrc < PRL_SRTP_SSRCS_MAX; ssrc++)
        EXPECT_OK(pass(a, b, ssrc, 2)); // the others live on
    struct prl_srtp_stats stats;
    prl_srtp_stats(b, &stats);
    EXPECT_INT(stats.refused, 1000);
    EXPECT_INT(stats.flooded, 100 - PRL_SRTP_SSRCS_MAX + 1);
    prl_srtp_destroy(&a);
    prl_srtp_destroy(&b);
}

PRL_TEST_OOM(srtp_create)
{
    struct prl_srtp *a;
    struct prl_srtp *b;
    if (open_pair(PRL_SRTP_AEAD_AES_128_GCM, &a, &b))
        EXPECT_OK(pass(a, b, 1, 1));
    prl_srtp_destroy(&a);
    prl_srtp_destroy(&b);
}

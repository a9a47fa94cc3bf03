// test_rtp.c -- headers written by hand from RFC 3550 §5.1 and RFC 8285 §4, whole, cut and lying.
#include <string.h>

#include "base/mem.h"
#include "rtc/rtp.h"
#include "tests/unit.h"

PRL_TEST(classify)
{
    // RFC 7983 §7, and RFC 5761 §4 for the second byte.
    for (unsigned first = 0; first < 256; first++) {
        uint8_t rtp[2] = {(uint8_t)first, 111};
        uint8_t rtcp[2] = {(uint8_t)first, 200};
        enum prl_rtp_kind want = PRL_RTP_KIND_OTHER;
        if (first <= 3)
            want = PRL_RTP_KIND_STUN;
        else if (first >= 20 && first <= 63)
            want = PRL_RTP_KIND_DTLS;
        else if (first >= 128 && first <= 191)
            want = PRL_RTP_KIND_RTP;
        EXPECT_INT(prl_rtp_classify(rtp, 2), want);
        EXPECT_INT(prl_rtp_classify(rtcp, 2), want == PRL_RTP_KIND_RTP ? PRL_RTP_KIND_RTCP : want);
    }
    for (unsigned second = 0; second < 256; second++) {
        uint8_t data[2] = {0x80, (uint8_t)second};
        EXPECT_INT(prl_rtp_classify(data, 2),
                   second >= 192 && second <= 223 ? PRL_RTP_KIND_RTCP : PRL_RTP_KIND_RTP);
    }
    EXPECT_INT(prl_rtp_classify(NULL, 0), PRL_RTP_KIND_OTHER);
    EXPECT_INT(prl_rtp_classify((const uint8_t *)"\x80", 1), PRL_RTP_KIND_OTHER);
}

PRL_TEST(plain_header)
{
    static const uint8_t data[] = {0x80, 0xef, 0x12, 0x34, 1, 2, 3, 4, 0xca, 0xfe, 0, 1, 9, 8, 7};
    struct prl_rtp_packet packet;
    EXPECT_OK(prl_rtp_parse(&packet, data, sizeof(data)));
    EXPECT(packet.marker);
    EXPECT_INT(packet.payload_type, 111);
    EXPECT_INT(packet.seq, 0x1234);
    EXPECT_INT(packet.timestamp, 0x01020304);
    EXPECT_INT(packet.ssrc, 0xcafe0001);
    EXPECT_INT(packet.payload_size, 3);
    EXPECT(packet.payload == data + 12 && packet.extension == NULL);
    EXPECT_OK(prl_rtp_parse(&packet, data, 12)); // nothing inside is legal
    EXPECT_INT(packet.payload_size, 0);
    EXPECT_INT(prl_rtp_parse(&packet, data, 11), PRL_ERR_INVALID);
    uint8_t version[12] = {0x40};
    EXPECT_INT(prl_rtp_parse(&packet, version, 12), PRL_ERR_INVALID);
}

PRL_TEST(csrcs_extension_padding)
{
    static const uint8_t data[] = {
        0xb2, 0x6f, 0, 1,    0,    0,    0, 2, 0, 0, 0, 3, // P, X, two CSRCs
        1,    1,    1, 1,    2,    2,    2, 2,             //
        0xbe, 0xde, 0, 2,                                  // one-byte elements
        0x10, 0xd1, 0, 0x31, 0x12, 0x34, 0, 0,             // 1: level -81 with voice; 3: 0x1234
        5,    6,    0, 0,    3,                            // payload, padding
    };
    struct prl_rtp_packet packet;
    EXPECT_OK(prl_rtp_parse(&packet, data, sizeof(data)));
    EXPECT_INT(packet.csrc_count, 2);
    EXPECT_INT(packet.header_size, 32);
    EXPECT_INT(packet.payload_size, 2);
    EXPECT_INT(packet.payload[0], 5);
    int level;
    bool voice;
    uint16_t seq;
    const uint8_t *value;
    size_t size;
    EXPECT(prl_rtp_audio_level(&packet, 1, &level, &voice));
    EXPECT_INT(level, -81);
    EXPECT(voice);
    EXPECT(prl_rtp_transport_seq(&packet, 3, &seq));
    EXPECT_INT(seq, 0x1234);
    EXPECT(!prl_rtp_transport_seq(&packet, 1, &seq)); // too short
    EXPECT(!prl_rtp_transport_seq(&packet, 0, &seq)); // not negotiated
    EXPECT(!prl_rtp_extension(&packet, 2, &value, &size));
    for (size_t cut = 0; cut < sizeof(data); cut++) {
        uint8_t *copy = prl_mem_dup(data, cut);
        if (cut > 0 && copy)
            copy[0] &= (uint8_t)~32; // without the padding bit, or its last byte would be judged
        if (copy)
            EXPECT_INT(prl_rtp_parse(&packet, copy, cut), cut < 32 ? PRL_ERR_INVALID : PRL_OK);
        prl_mem_free(copy);
    }
    uint8_t bad[sizeof(data)];
    memcpy(bad, data, sizeof(data));
    bad[sizeof(bad) - 1] = 0;
    EXPECT_INT(prl_rtp_parse(&packet, bad, sizeof(bad)), PRL_ERR_INVALID);
    bad[sizeof(bad) - 1] = 6;
    EXPECT_INT(prl_rtp_parse(&packet, bad, sizeof(bad)), PRL_ERR_INVALID);
    bad[sizeof(bad) - 1] = 5;
    EXPECT_OK(prl_rtp_parse(&packet, bad, sizeof(bad)));
    EXPECT_INT(packet.payload_size, 0);
}

PRL_TEST(two_byte_elements)
{
    static const uint8_t data[] = {0x90, 111, 0, 1, 0,    0, 0, 2, 0,    0,    0, 3,
                                   0x10, 0,   0, 3, // 12 bytes follow
                                   20,   0,   1, 1, 0x05, 0, 7, 2, 0xab, 0xcd, 9, 9};
    struct prl_rtp_packet packet;
    const uint8_t *value;
    size_t size;
    uint16_t seq;
    int level;
    bool voice;
    EXPECT_OK(prl_rtp_parse(&packet, data, sizeof(data)));
    EXPECT(prl_rtp_extension(&packet, 20, &value, &size)); // of no bytes
    EXPECT_INT(size, 0);
    EXPECT(prl_rtp_audio_level(&packet, 1, &level, &voice));
    EXPECT_INT(level, -5);
    EXPECT(!voice);
    EXPECT(prl_rtp_transport_seq(&packet, 7, &seq));
    EXPECT_INT(seq, 0xabcd);
    EXPECT(!prl_rtp_extension(&packet, 9, &value, &size)); // its length reaches beyond the block
    EXPECT(!prl_rtp_audio_level(&packet, 20, &level, &voice));
    uint8_t other[sizeof(data)];
    memcpy(other, data, sizeof(data));
    other[12] = 0xab; // a profile that we do not know has no elements
    EXPECT_OK(prl_rtp_parse(&packet, other, sizeof(other)));
    EXPECT(!prl_rtp_extension(&packet, 7, &value, &size));
}

PRL_TEST(extension_stops_at_fifteen)
{
    static const uint8_t data[] = {0x90, 111, 0,    1,    0, 0, 0,    2, 0,    0,
                                   0,    3,   0xbe, 0xde, 0, 1, 0xf0, 0, 0x10, 5};
    struct prl_rtp_packet packet;
    const uint8_t *value;
    size_t size;
    EXPECT_OK(prl_rtp_parse(&packet, data, sizeof(data)));
    EXPECT(!prl_rtp_extension(&packet, 1, &value, &size));
    EXPECT(!prl_rtp_extension(&packet, 15, &value, &size));
}

PRL_TEST(build_and_parse)
{
    for (unsigned i = 0; i < 1000; i++) {
        struct prl_rtp_header header = {.marker = prl_test_random() & 1,
                                        .payload_type = prl_test_random() & 127,
                                        .seq = (uint16_t)prl_test_random(),
                                        .timestamp = prl_test_random(),
                                        .ssrc = prl_test_random(),
                                        .transport_seq_id = (uint8_t)(prl_test_random() % 15),
                                        .transport_seq = (uint16_t)prl_test_random()};
        uint8_t out[PRL_RTP_HEADER_SIZE_MAX];
        struct prl_rtp_packet packet;
        uint16_t seq = 0;
        size_t size = prl_rtp_build(out, &header);
        EXPECT(size <= sizeof(out));
        EXPECT_OK(prl_rtp_parse(&packet, out, size));
        EXPECT_INT(packet.marker, header.marker);
        EXPECT_INT(packet.payload_type, header.payload_type);
        EXPECT_INT(packet.seq, header.seq);
        EXPECT_INT(packet.timestamp, header.timestamp);
        EXPECT_INT(packet.ssrc, header.ssrc);
        EXPECT_INT(packet.header_size, size);
        EXPECT_INT(prl_rtp_transport_seq(&packet, header.transport_seq_id, &seq),
                   header.transport_seq_id != 0);
        if (header.transport_seq_id != 0)
            EXPECT_INT(seq, header.transport_seq);
    }
}

PRL_TEST(seq_diff)
{
    EXPECT_INT(prl_rtp_seq_diff(5, 3), 2);
    EXPECT_INT(prl_rtp_seq_diff(3, 5), -2);
    EXPECT_INT(prl_rtp_seq_diff(1, 65535), 2);
    EXPECT_INT(prl_rtp_seq_diff(65535, 1), -2);
    EXPECT_INT(prl_rtp_seq_diff(0, 32768), -32768);
}

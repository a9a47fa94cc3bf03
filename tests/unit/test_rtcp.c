// test_rtcp.c -- compounds written by hand, written by us and read back, cut anywhere.
#include <string.h>

#include "base/mem.h"
#include "rtc/rtcp.h"
#include "tests/unit.h"

PRL_TEST(read_sender_report)
{
    static const uint8_t data[] = {
        0x81, 200,  0, 12, 0,    0,    0,    7, // SR, one block
        0xe8, 0xab, 1, 2,  0x80, 0,    0,    0,    0, 1, 0,   0,
        0,    0,    0, 9,                                        // NTP, RTP, packets
        0,    0,    3, 0,                                        // octets
        0,    0,    0, 8,  64,   0xff, 0xff, 0xfe, 0, 1, 0,   5, // block: lost -2
        0,    0,    1, 0,  0x11, 0x22, 0x33, 0x44, 0, 1, 0,   0, //
        0x81, 202,  0, 3,  0,    0,    0,    7,    1, 3, 'a', 'b',
        'c',  0,    0, 0,                       // SDES
        0x81, 203,  0, 1,  0,    0,    0,    7, // BYE
    };
    size_t at = 0;
    struct prl_rtcp_packet packet;
    EXPECT_OK(prl_rtcp_next(data, sizeof(data), &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_SR);
    EXPECT_INT(packet.sender_ssrc, 7);
    EXPECT_INT(packet.ntp, 0xe8ab010280000000);
    EXPECT_INT(packet.rtp_timestamp, 0x10000);
    EXPECT_INT(packet.packet_count, 9);
    EXPECT_INT(packet.octet_count, 768);
    REQUIRE(packet.block_count == 1);
    EXPECT_INT(packet.blocks[0].ssrc, 8);
    EXPECT_INT(packet.blocks[0].fraction_lost, 64);
    EXPECT_INT(packet.blocks[0].lost, -2);
    EXPECT_INT(packet.blocks[0].highest_seq, 0x10005);
    EXPECT_INT(packet.blocks[0].jitter, 256);
    EXPECT_INT(packet.blocks[0].lsr, 0x11223344);
    EXPECT_INT(packet.blocks[0].dlsr, 0x10000);
    EXPECT_OK(prl_rtcp_next(data, sizeof(data), &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_SDES);
    EXPECT_INT(packet.sender_ssrc, 7);
    EXPECT_INT(packet.cname_size, 3);
    EXPECT(memcmp(packet.cname, "abc", 3) == 0);
    EXPECT_OK(prl_rtcp_next(data, sizeof(data), &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_BYE);
    EXPECT_INT(packet.sender_ssrc, 7);
    EXPECT_INT(prl_rtcp_next(data, sizeof(data), &at, &packet), PRL_ERR_AGAIN);
}

PRL_TEST(unknown_types_are_skipped)
{
    static const uint8_t data[] = {
        0x81, 206, 0, 2, 0, 0, 0, 1, 0,   0,   0,   2,                                   // PLI
        0x8f, 206, 0, 4, 0, 0, 0, 1, 0,   0,   0,   0,   'R', 'E', 'M', 'B', 1, 2, 3, 4, // REMB
        0x80, 207, 0, 1, 0, 0, 0, 1,                                                     // XR
        0x80, 204, 0, 2, 0, 0, 0, 1, 'a', 'b', 'c', 'd',                                 // APP
        0x80, 203, 0, 0, // BYE of nobody
    };
    size_t at = 0;
    struct prl_rtcp_packet packet;
    for (int i = 0; i < 4; i++) {
        EXPECT_OK(prl_rtcp_next(data, sizeof(data), &at, &packet));
        EXPECT_INT(packet.kind, PRL_RTCP_OTHER);
        EXPECT_INT(packet.sender_ssrc, 1);
    }
    EXPECT_OK(prl_rtcp_next(data, sizeof(data), &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_BYE);
    EXPECT_INT(packet.sender_ssrc, 0);
    EXPECT_INT(prl_rtcp_next(data, sizeof(data), &at, &packet), PRL_ERR_AGAIN);
}

PRL_TEST(lying_lengths)
{
    static const struct {
        size_t size;
        uint8_t data[24];
    } cases[] = {
        {4, {0x40, 201, 0, 0}},                              // version
        {3, {0x80, 201, 0}},                                 // cut header
        {8, {0x80, 201, 0, 2, 0, 0, 0, 1}},                  // longer than the datagram
        {8, {0x81, 201, 0, 1, 0, 0, 0, 1}},                  // no room for the block
        {4, {0x80, 201, 0, 0}},                              // no SSRC
        {8, {0x80, 200, 0, 1, 0, 0, 0, 1}},                  // no sender info
        {8, {0xa0, 201, 0, 1, 0, 0, 0, 5}},                  // padding longer than the body
        {8, {0xa0, 201, 0, 1, 0, 0, 0, 0}},                  // padding of nothing
        {8, {0x82, 203, 0, 1, 0, 0, 0, 1}},                  // two SSRCs in room for one
        {12, {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 'a', 'b'}}, // CNAME beyond the packet
        {12, {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, 'a', 'b'}}, // list without its end
        {12, {0x82, 202, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0}},     // one chunk of two
        {8, {0x81, 205, 0, 1, 0, 0, 0, 1}},                  // NACK without media SSRC
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t at = 0;
        struct prl_rtcp_packet packet;
        uint8_t *copy = prl_mem_dup(cases[i].data, cases[i].size);
        REQUIRE(copy != NULL);
        EXPECT_INT(prl_rtcp_next(copy, cases[i].size, &at, &packet), PRL_ERR_INVALID);
        prl_mem_free(copy);
    }
}

PRL_TEST(write_and_read_reports)
{
    uint8_t data[PRL_RTCP_SIZE_MAX];
    struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
    struct prl_rtcp_sr sr = {0x0102030405060708, 90, 91, 92};
    struct prl_rtcp_block blocks[2] = {{.ssrc = 5,
                                        .fraction_lost = 255,
                                        .lost = -3,
                                        .highest_seq = 1u << 20,
                                        .jitter = 4,
                                        .lsr = 6,
                                        .dlsr = 7},
                                       {.ssrc = 6, .lost = 0x7fffffff}};
    EXPECT_OK(prl_rtcp_add_report(&writer, 1, &sr, blocks, 2));
    EXPECT_OK(prl_rtcp_add_report(&writer, 2, NULL, blocks, 1));
    EXPECT_OK(prl_rtcp_add_report(&writer, 3, NULL, NULL, 0));
    for (size_t len = 0; len <= 8; len++) // every padding of the list
        EXPECT_OK(prl_rtcp_add_sdes(&writer, 4, &"12345678"[8 - len]));
    EXPECT_OK(prl_rtcp_add_bye(&writer, 5));
    size_t at = 0;
    struct prl_rtcp_packet packet;
    EXPECT_OK(prl_rtcp_next(data, writer.size, &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_SR);
    EXPECT_INT(packet.ntp, sr.ntp);
    EXPECT_INT(packet.octet_count, 92);
    EXPECT_INT(packet.block_count, 2);
    EXPECT_INT(packet.blocks[0].ssrc, 5);
    EXPECT_INT(packet.blocks[0].fraction_lost, 255);
    EXPECT_INT(packet.blocks[0].lost, -3);
    EXPECT_INT(packet.blocks[0].highest_seq, 1 << 20);
    EXPECT_INT(packet.blocks[0].jitter, 4);
    EXPECT_INT(packet.blocks[0].lsr, 6);
    EXPECT_INT(packet.blocks[0].dlsr, 7);
    EXPECT_INT(packet.blocks[1].lost, 0x7fffff); // clamped
    EXPECT_OK(prl_rtcp_next(data, writer.size, &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_RR);
    EXPECT_INT(packet.sender_ssrc, 2);
    EXPECT_OK(prl_rtcp_next(data, writer.size, &at, &packet));
    EXPECT_INT(packet.block_count, 0);
    for (size_t len = 0; len <= 8; len++) {
        EXPECT_OK(prl_rtcp_next(data, writer.size, &at, &packet));
        EXPECT_INT(packet.cname_size, len);
        EXPECT(packet.cname && memcmp(packet.cname, &"12345678"[8 - len], len) == 0);
    }
    EXPECT_OK(prl_rtcp_next(data, writer.size, &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_BYE);
    EXPECT_INT(prl_rtcp_next(data, writer.size, &at, &packet), PRL_ERR_AGAIN);
    // No room: nothing is written.
    struct prl_rtcp_writer small = {.data = data, .capacity = 7};
    uint16_t seq = 1;
    EXPECT_INT(prl_rtcp_add_report(&small, 1, NULL, NULL, 0), PRL_ERR_LIMIT);
    EXPECT_INT(prl_rtcp_add_bye(&small, 1), PRL_ERR_LIMIT);
    EXPECT_INT(prl_rtcp_add_sdes(&small, 1, "x"), PRL_ERR_LIMIT);
    EXPECT_INT(prl_rtcp_add_nack(&small, 1, 2, &seq, 1), PRL_ERR_LIMIT);
    EXPECT_INT(small.size, 0);
}

PRL_TEST(nack)
{
    static const uint16_t seqs[] = {65530, 65531, 65535, 10, 11, 28, 1000};
    enum { COUNT = sizeof(seqs) / sizeof(seqs[0]) };
    uint8_t data[64];
    struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
    EXPECT_OK(prl_rtcp_add_nack(&writer, 1, 2, seqs, COUNT));
    EXPECT_INT(writer.size, 12 + 4 * 4); // 65530 +1 +5 +16 | 11 | 28 | 1000: 28 lies 17 behind 11
    size_t at = 0;
    struct prl_rtcp_packet packet;
    uint16_t out[64];
    EXPECT_OK(prl_rtcp_next(data, writer.size, &at, &packet));
    EXPECT_INT(packet.kind, PRL_RTCP_NACK);
    EXPECT_INT(packet.sender_ssrc, 1);
    EXPECT_INT(packet.media_ssrc, 2);
    EXPECT_INT(prl_rtcp_nack_seqs(&packet, out, 64), COUNT);
    EXPECT(memcmp(out, seqs, sizeof(seqs)) == 0);
    EXPECT_INT(prl_rtcp_nack_seqs(&packet, out, 3), 3); // bounded
    memset(data + 12, 0xff, 16);                        // the most that a NACK can ask for
    EXPECT_INT(prl_rtcp_nack_seqs(&packet, out, 64), 64);
}

static enum prl_err read_feedback(const uint8_t *data, size_t size,
                                  struct prl_rtcp_feedback *feedback,
                                  struct prl_rtcp_arrival *arrivals, size_t max)
{
    size_t at = 0;
    struct prl_rtcp_packet packet;
    memset(feedback, 0, sizeof(*feedback));
    enum prl_err err = prl_rtcp_next(data, size, &at, &packet);
    if (err)
        return err;
    EXPECT_INT(packet.kind, PRL_RTCP_FEEDBACK);
    return prl_rtcp_feedback_parse(&packet, feedback, arrivals, max);
}

PRL_TEST(feedback_by_hand)
{
    static const uint8_t data[] = {
        0x8f, 205,  0, 8,    0,    0,  0, 1, 0, 0, 0, 2, // transport-wide
        0xff, 0xfe, 0, 27,   0,    0,  4, 9, // from 65534 on, 27 packets, 4 × 64 ms, number 9
        0x20, 2,                             // two small
        0xd2, 0x40,                          // pairs: 1 0 2 1 0 0 0
        0xa0, 1,                             // bits: 1 0 0 0 … 1
        0x00, 9,                             // nine lost, of which four count
        4,    8,    0, 0xff, 0xf6, 12, 1, 2, // deltas
    };
    struct prl_rtcp_feedback feedback;
    struct prl_rtcp_arrival arrivals[32];
    EXPECT_OK(read_feedback(data, sizeof(data), &feedback, arrivals, 32));
    EXPECT_INT(feedback.number, 9);
    REQUIRE(feedback.count == 27);
    EXPECT_INT(arrivals[0].seq, 65534);
    EXPECT_INT(arrivals[0].at_us, 256000 + 1000);
    EXPECT_INT(arrivals[1].at_us, 257000 + 2000);
    EXPECT_INT(arrivals[2].seq, 0);
    EXPECT_INT(arrivals[2].at_us, 259000);
    EXPECT(!arrivals[3].received);
    EXPECT_INT(arrivals[4].at_us, 259000 - 2500); // out of order
    EXPECT_INT(arrivals[5].at_us, 256500 + 3000);
    EXPECT(arrivals[9].received && !arrivals[10].received);
    EXPECT(arrivals[22].received);
    EXPECT_INT(arrivals[22].at_us, 259500 + 250 + 500);
    EXPECT(!arrivals[26].received);
    EXPECT_OK(read_feedback(data, sizeof(data), &feedback, arrivals, 3));
    EXPECT_INT(feedback.count, 3);
    // A delta, a chunk too few; a reserved symbol; a chunk of nothing.
    uint8_t bad[sizeof(data)];
    memcpy(bad, data, sizeof(data));
    bad[3] = 6;
    EXPECT_INT(read_feedback(bad, 28, &feedback, arrivals, 32), PRL_ERR_INVALID);
    bad[3] = 4;
    EXPECT_INT(read_feedback(bad, 20, &feedback, arrivals, 32), PRL_ERR_INVALID);
    memcpy(bad, data, sizeof(data));
    bad[20] = 0x60;
    EXPECT_INT(read_feedback(bad, sizeof(bad), &feedback, arrivals, 32), PRL_ERR_INVALID);
    bad[20] = 0;
    bad[21] = 0;
    EXPECT_INT(read_feedback(bad, sizeof(bad), &feedback, arrivals, 32), PRL_ERR_INVALID);
}

PRL_TEST(feedback_there_and_back)
{
    for (int round = 0; round < 500; round++) {
        struct prl_rtcp_arrival in[300];
        struct prl_rtcp_arrival out[300];
        size_t count = 1 + prl_test_random() % 300;
        unsigned loss = prl_test_random() % 100;
        int64_t now_us = (int64_t)(prl_test_random() % 1000000) * 1000 + 500000;
        uint16_t seq = (uint16_t)prl_test_random();
        for (size_t i = 0; i < count; i++) {
            now_us += (int64_t)(prl_test_random() % 60000) - 10000; // some out of order
            bool end = i == count - 1;
            bool received = end || prl_test_random() % 100 >= loss;
            in[i] = (struct prl_rtcp_arrival){(uint16_t)(seq + i), received, received ? now_us : 0};
        }
        uint8_t data[2000];
        struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
        struct prl_rtcp_feedback feedback;
        EXPECT_OK(prl_rtcp_add_feedback(&writer, 1, 2, (uint8_t)round, in, count));
        EXPECT_OK(read_feedback(data, writer.size, &feedback, out, 300));
        EXPECT_INT(feedback.number, (uint8_t)round);
        REQUIRE(feedback.count == count);
        for (size_t i = 0; i < count; i++) {
            EXPECT_INT(out[i].seq, in[i].seq);
            EXPECT_INT(out[i].received, in[i].received);
            int64_t off_us = in[i].at_us - out[i].at_us;
            EXPECT(off_us >= 0 && off_us < 250);
        }
        struct prl_rtcp_writer small = {.data = data, .capacity = writer.size - 1};
        EXPECT_INT(prl_rtcp_add_feedback(&small, 1, 2, 0, in, count), PRL_ERR_LIMIT);
        EXPECT_INT(small.size, 0);
    }
    struct prl_rtcp_arrival far[2] = {{1, true, 1000000}, {2, true, 10000000}};
    uint8_t data[64];
    struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
    EXPECT_INT(prl_rtcp_add_feedback(&writer, 1, 2, 0, far, 2), PRL_ERR_INVALID);
}

PRL_TEST(ntp)
{
    EXPECT_INT(prl_rtcp_ntp(0), 2208988800ull << 32);
    EXPECT_INT(prl_rtcp_ntp(500000), (2208988800ull << 32) + 0x80000000u);
}

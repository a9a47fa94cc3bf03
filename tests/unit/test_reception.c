// test_reception.c -- receiver statistics against RFC 3550's arithmetic, and what is asked for again.
#include <string.h>

#include "rtc/reception.h"
#include "rtc/rtp.h"
#include "tests/unit.h"

enum { STEP_RTP = 960 };
static const int64_t step_us = 20000;
static const int64_t start_us = 5000000;

static struct prl_reception *make(bool nack, bool feedback)
{
    struct prl_reception_conf conf = {nack, feedback};
    struct prl_reception *reception;
    EXPECT_OK(prl_reception_create(&reception, &conf));
    return reception;
}

// Packet number `index` of a stream that begins with `first`, late by `late_us`.
static enum prl_reception_verdict give(struct prl_reception *reception, uint16_t first, int index,
                                       int64_t late_us)
{
    struct prl_reception_packet packet = {.ssrc = 7,
                                          .seq = (uint16_t)(first + index),
                                          .timestamp = (uint32_t)index * STEP_RTP,
                                          .clock_hz = 48000,
                                          .transport_seq = (uint16_t)(first + index),
                                          .arrival_us = start_us + index * step_us + late_us};
    return prl_reception_packet(reception, &packet);
}

PRL_TEST(perfect_stream)
{
    struct prl_reception *reception = make(true, false);
    struct prl_rtcp_block block;
    struct prl_reception_stats stats;
    uint16_t seqs[4];
    EXPECT(!prl_reception_block(reception, start_us, &block));
    EXPECT_INT(give(reception, 65000, 0, 0), PRL_RECEPTION_NEW);
    for (int i = 1; i < 1000; i++)
        EXPECT_INT(give(reception, 65000, i, 0), PRL_RECEPTION_GOOD);
    EXPECT(prl_reception_block(reception, start_us + 20000000, &block));
    EXPECT_INT(block.ssrc, 7);
    EXPECT_INT(block.fraction_lost, 0);
    EXPECT_INT(block.lost, 0);
    EXPECT_INT(block.highest_seq, 65000 + 999); // past the turn of the circle
    EXPECT_INT(block.jitter, 0);
    EXPECT_INT(block.lsr, 0);
    prl_reception_stats(reception, &stats);
    EXPECT_INT(stats.received, 1000);
    EXPECT_INT(stats.lost, 0);
    EXPECT(stats.loss == 0);
    EXPECT_INT(prl_reception_nacks(reception, start_us + 20000000, 50000, 100000, seqs, 4), 0);
    prl_reception_destroy(&reception);
}

PRL_TEST(loss_and_fraction)
{
    struct prl_reception *reception = make(false, false);
    struct prl_rtcp_block block;
    struct prl_reception_stats stats;
    for (int i = 0; i < 1000; i++)
        if (i % 4 != 1)
            (void)give(reception, 100, i, 0);
    EXPECT(prl_reception_block(reception, start_us, &block));
    EXPECT_INT(block.lost, 250);
    EXPECT_INT(block.fraction_lost, 64);
    prl_reception_stats(reception, &stats);
    EXPECT(stats.loss > 0.2 && stats.loss < 0.3);
    for (int i = 1000; i < 2000; i++)
        (void)give(reception, 100, i, 0);
    EXPECT(prl_reception_block(reception, start_us, &block));
    EXPECT_INT(block.lost, 250);        // of all
    EXPECT_INT(block.fraction_lost, 0); // since the last block
    prl_reception_stats(reception, &stats);
    EXPECT(stats.loss < 0.001);
    prl_reception_destroy(&reception);
}

PRL_TEST(jitter_of_rfc3550)
{
    struct prl_reception *reception = make(false, false);
    struct prl_rtcp_block block;
    struct prl_reception_stats stats;
    // Every second packet 10 ms late: |D| is always 480 units, so J approaches 480.
    for (int i = 0; i < 500; i++)
        (void)give(reception, 0, i, i % 2 == 0 ? 0 : 10000);
    EXPECT(prl_reception_block(reception, start_us, &block));
    EXPECT(block.jitter >= 470 && block.jitter <= 481);
    prl_reception_stats(reception, &stats);
    EXPECT(stats.jitter_us > 9700 && stats.jitter_us < 10100);
    prl_reception_destroy(&reception);
}

PRL_TEST(late_and_repeated)
{
    struct prl_reception *reception = make(false, false);
    struct prl_rtcp_block block;
    struct prl_reception_stats stats;
    EXPECT_INT(give(reception, 10, 0, 0), PRL_RECEPTION_NEW);
    EXPECT_INT(give(reception, 10, 3, 0), PRL_RECEPTION_GOOD);
    EXPECT_INT(give(reception, 10, 1, 50000), PRL_RECEPTION_GOOD);
    EXPECT_INT(give(reception, 10, 1, 60000), PRL_RECEPTION_REPEAT);
    EXPECT_INT(give(reception, 10, 3, 60000), PRL_RECEPTION_REPEAT);
    EXPECT_INT(give(reception, 10, -2, 60000), PRL_RECEPTION_GOOD); // sent before the first
    EXPECT(prl_reception_block(reception, start_us, &block));
    EXPECT_INT(block.lost, 2); // -1 and 2
    prl_reception_stats(reception, &stats);
    EXPECT_INT(stats.repeats, 2);
    EXPECT_INT(stats.late, 2);
    prl_reception_destroy(&reception);
}

PRL_TEST(ssrc_change_and_jump)
{
    struct prl_reception *reception = make(true, false);
    struct prl_reception_packet packet = {
        .ssrc = 1, .seq = 5, .clock_hz = 48000, .transport_seq = -1, .arrival_us = start_us};
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_NEW);
    packet.ssrc = 2;
    packet.seq = 40000;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_NEW);
    packet.ssrc = 1; // one that was still on its way
    packet.seq = 6;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_STALE);
    packet.ssrc = 2;
    packet.seq = 40001;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_GOOD);
    packet.ssrc = 1; // much later it may come back
    packet.seq = 6;
    packet.arrival_us += 2000000;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_NEW);
    // A jump within the stream counts from the second packet on.
    packet.seq = 30000;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_STALE);
    packet.seq = 7;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_GOOD);
    packet.seq = 30001; // not in a row
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_STALE);
    packet.seq = 30002;
    EXPECT_INT(prl_reception_packet(reception, &packet), PRL_RECEPTION_NEW);
    struct prl_reception_stats stats;
    prl_reception_stats(reception, &stats);
    EXPECT_INT(stats.restarts, 3);
    EXPECT_INT(stats.received, 1);
    prl_reception_destroy(&reception);
}

PRL_TEST(delay_since_last_report)
{
    struct prl_reception *reception = make(false, false);
    struct prl_rtcp_block block;
    (void)give(reception, 10, 0, 0);
    prl_reception_sr(reception, 99, 0xffffffffffffffff, start_us); // somebody else's
    EXPECT(prl_reception_block(reception, start_us, &block));
    EXPECT_INT(block.lsr, 0);
    prl_reception_sr(reception, 7, 0x1122334455667788, start_us);
    EXPECT(prl_reception_block(reception, start_us + 1500000, &block));
    EXPECT_INT(block.lsr, 0x33445566);
    EXPECT_INT(block.dlsr, 65536 + 32768);
    prl_reception_destroy(&reception);
}

PRL_TEST(nacks_in_time_only)
{
    struct prl_reception *reception = make(true, false);
    uint16_t seqs[8];
    (void)give(reception, 65534, 0, 0);
    (void)give(reception, 65534, 4, 0); // 65535, 0, 1 are missing
    int64_t now_us = start_us + 4 * step_us;
    EXPECT_INT(prl_reception_nacks(reception, now_us, 40000, 120000, seqs, 2), 2); // bounded
    EXPECT_INT(seqs[0], 65535);
    EXPECT_INT(seqs[1], 0);
    EXPECT_INT(prl_reception_nacks(reception, now_us, 40000, 120000, seqs, 8), 1);
    EXPECT_INT(seqs[0], 1);
    EXPECT_INT(prl_reception_nacks(reception, now_us + 20000, 40000, 120000, seqs, 8), 0);
    (void)give(reception, 65534, 2, 3 * step_us); // 0 came
    // A round trip later the others again, but 65535 would come too late by now.
    now_us += 55000;
    EXPECT_INT(prl_reception_nacks(reception, now_us, 40000, 120000, seqs, 8), 1);
    EXPECT_INT(seqs[0], 1);
    EXPECT_INT(prl_reception_nacks(reception, now_us + 200000, 40000, 120000, seqs, 8), 0);
    struct prl_reception_stats stats;
    prl_reception_stats(reception, &stats);
    EXPECT_INT(stats.nacked, 4);
    EXPECT_INT(stats.recovered, 1);
    // A long way and a short buffer: not worth asking.
    (void)give(reception, 65534, 20, 0);
    EXPECT_INT(prl_reception_nacks(reception, start_us + 20 * step_us, 300000, 60000, seqs, 8), 0);
    prl_reception_destroy(&reception);
}

PRL_TEST(nack_tries_are_limited)
{
    struct prl_reception *reception = make(true, false);
    uint16_t seqs[64];
    (void)give(reception, 0, 0, 0);
    (void)give(reception, 0, 200, 0); // of a long gap only the newest
    size_t asked = 0;
    for (int64_t i = 0; i < 1000; i++)
        asked += prl_reception_nacks(reception, start_us + 200 * step_us + i * 10000, 20000,
                                     60000000, seqs, 64);
    EXPECT_INT(asked, PRL_RECEPTION_NACKS_MAX * PRL_RECEPTION_NACK_TRIES);
    prl_reception_destroy(&reception);
    reception = make(false, false); // not negotiated
    (void)give(reception, 0, 0, 0);
    (void)give(reception, 0, 3, 0);
    EXPECT_INT(prl_reception_nacks(reception, start_us, 20000, 60000000, seqs, 64), 0);
    prl_reception_destroy(&reception);
}

PRL_TEST(reordering_is_waited_for)
{
    struct prl_reception *reception = make(true, false);
    uint16_t seqs[8];
    (void)give(reception, 0, 0, 0);
    (void)give(reception, 0, 2, 0);
    (void)give(reception, 0, 1, step_us + 1000); // was only behind
    (void)give(reception, 0, 4, 0);
    int64_t now_us = start_us + 4 * step_us;
    EXPECT_INT(prl_reception_nacks(reception, now_us, 20000, 200000, seqs, 8), 0);
    EXPECT_INT(prl_reception_nacks(reception, now_us + 20000, 20000, 200000, seqs, 8), 1);
    EXPECT_INT(seqs[0], 3);
    prl_reception_destroy(&reception);
}

static size_t read_feedback(struct prl_reception *reception, struct prl_rtcp_arrival *arrivals,
                            size_t max)
{
    uint8_t data[PRL_RTCP_SIZE_MAX];
    struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
    struct prl_rtcp_packet packet;
    struct prl_rtcp_feedback feedback = {0};
    size_t at = 0;
    if (prl_reception_feedback(reception, 1, &writer) != PRL_OK)
        return 0;
    if (prl_rtcp_next(data, writer.size, &at, &packet) != PRL_OK)
        return 0;
    EXPECT_INT(packet.sender_ssrc, 1);
    EXPECT_INT(packet.media_ssrc, 7);
    EXPECT_OK(prl_rtcp_feedback_parse(&packet, &feedback, arrivals, max));
    return feedback.count;
}

PRL_TEST(transport_feedback)
{
    struct prl_reception *reception = make(false, true);
    struct prl_rtcp_arrival arrivals[300] = {0};
    EXPECT_INT(read_feedback(reception, arrivals, 300), 0);
    (void)give(reception, 65534, 0, 0);
    (void)give(reception, 65534, 1, 0);
    (void)give(reception, 65534, 4, 1000);
    (void)give(reception, 65534, 3, step_us + 2000);
    EXPECT_INT(read_feedback(reception, arrivals, 300), 5);
    EXPECT_INT(arrivals[0].seq, 65534);
    EXPECT_INT(arrivals[0].at_us, start_us);
    EXPECT(!arrivals[2].received);
    EXPECT_INT(arrivals[3].at_us, start_us + 4 * step_us + 2000);
    EXPECT_INT(arrivals[4].at_us, start_us + 4 * step_us + 1000);
    EXPECT_INT(read_feedback(reception, arrivals, 300), 0);
    (void)give(reception, 65534, 2, 4 * step_us); // was reported as lost, and that stands
    EXPECT_INT(read_feedback(reception, arrivals, 300), 0);
    (void)give(reception, 65534, 6, 0); // what is missing between two reports belongs to the second
    EXPECT_INT(read_feedback(reception, arrivals, 300), 2);
    EXPECT(!arrivals[0].received && arrivals[1].received);
    // More than the ring holds.
    for (int i = 7; i < 1007; i++)
        (void)give(reception, 65534, i, 0);
    EXPECT_INT(read_feedback(reception, arrivals, 300), 256);
    EXPECT_INT(arrivals[255].seq, (uint16_t)(65534 + 1006));
    (void)give(reception, 65534, 2000, 0); // a gap larger than the ring: begins anew
    EXPECT_INT(read_feedback(reception, arrivals, 300), 1);
    prl_reception_destroy(&reception);
}

PRL_TEST(feedback_over_a_long_pause)
{
    struct prl_reception *reception = make(false, true);
    struct prl_rtcp_arrival arrivals[300] = {0};
    (void)give(reception, 0, 0, 0);
    (void)give(reception, 0, 1, 60000000);
    EXPECT_INT(read_feedback(reception, arrivals, 300), 0);
    (void)give(reception, 0, 2, 60000000);
    EXPECT_INT(read_feedback(reception, arrivals, 300), 1);
    (void)give(reception, 0, 3, 60000000);
    uint8_t data[8];
    struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
    EXPECT_INT(prl_reception_feedback(reception, 1, &writer), PRL_ERR_LIMIT);
    EXPECT_INT(read_feedback(reception, arrivals, 300), 1); // and it is not lost by that
    prl_reception_destroy(&reception);
}

PRL_TEST(any_order_of_anything)
{
    struct prl_reception *reception = make(true, true);
    for (int i = 0; i < 100000; i++) {
        struct prl_reception_packet packet = {
            .ssrc = prl_test_random() % 1000 == 0,
            .seq = (uint16_t)(i + (int)(prl_test_random() % 100) * (prl_test_random() % 50 == 0)),
            .timestamp = prl_test_random() % 100 == 0 ? prl_test_random() : (uint32_t)i * STEP_RTP,
            .clock_hz = prl_test_random() % 100 == 0 ? 8000 : 48000,
            .transport_seq =
                prl_test_random() % 100 == 0 ? (int)(prl_test_random() & 0xffff) : i & 0xffff,
            .arrival_us = start_us + (int64_t)i * step_us};
        uint16_t seqs[8];
        (void)prl_reception_packet(reception, &packet);
        size_t count = prl_reception_nacks(reception, packet.arrival_us, 50000, 200000, seqs, 8);
        for (size_t k = 1; k < count; k++)
            EXPECT(prl_rtp_seq_diff(seqs[k], seqs[k - 1]) > 0);
        if (i % 7 == 0) {
            uint8_t data[PRL_RTCP_SIZE_MAX];
            struct prl_rtcp_writer writer = {.data = data, .capacity = sizeof(data)};
            EXPECT(prl_reception_feedback(reception, 1, &writer) != PRL_ERR_LIMIT);
        }
        struct prl_reception_stats stats;
        prl_reception_stats(reception, &stats);
        EXPECT(stats.loss >= 0 && stats.loss <= 1 && stats.jitter_us >= 0);
    }
    prl_reception_destroy(&reception);
}

PRL_TEST_OOM(reception_create)
{
    struct prl_reception_conf conf = {true, true};
    struct prl_reception *reception;
    if (prl_reception_create(&reception, &conf) == PRL_OK)
        (void)give(reception, 0, 0, 0);
    prl_reception_destroy(&reception);
}

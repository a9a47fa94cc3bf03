// test_sender.c -- numbers of our stream, when reports leave, and what reports of the peer say.
#include "rtc/sender.h"
#include "tests/unit.h"

enum { STEP_RTP = 960 };
static const int64_t step_us = 20000;
static const int64_t start_us = 3000000;
static const int64_t wall_us = 1700000000000000;

static struct prl_sender *make(uint64_t random)
{
    struct prl_sender_conf conf = {.ssrc = 77,
                                   .payload_type = 111,
                                   .clock_hz = 48000,
                                   .transport_seq_id = 3,
                                   .random = random,
                                   .wall_offset_us = wall_us};
    struct prl_sender *sender;
    EXPECT_OK(prl_sender_create(&sender, &conf));
    return sender;
}

static struct prl_rtp_header next(struct prl_sender *sender, int index)
{
    struct prl_rtp_header header;
    prl_sender_next(sender, STEP_RTP, index == 0, 60, start_us + index * step_us, &header);
    return header;
}

PRL_TEST(numbers)
{
    for (uint64_t random = 0; random < 2000; random++) {
        struct prl_sender *sender = make(random * 0x9e3779b97f4a7c15);
        struct prl_rtp_header first = next(sender, 0);
        EXPECT(first.marker);
        EXPECT(first.seq >= 1 &&
               first.seq <= 0x8000); // cannot wrap before the peer has heard of us
        EXPECT_INT(first.ssrc, 77);
        EXPECT_INT(first.payload_type, 111);
        EXPECT_INT(first.transport_seq_id, 3);
        struct prl_rtp_header second = next(sender, 1);
        EXPECT(!second.marker);
        EXPECT_INT(second.seq, (uint16_t)(first.seq + 1));
        EXPECT_INT(second.timestamp, (uint32_t)(first.timestamp + STEP_RTP));
        EXPECT_INT(second.transport_seq, first.transport_seq + 1);
        prl_sender_destroy(&sender);
    }
    struct prl_sender *a = make(1);
    struct prl_sender *b = make(0x100000000);
    EXPECT(next(a, 0).timestamp != next(b, 0).timestamp);
    prl_sender_destroy(&a);
    prl_sender_destroy(&b);
}

PRL_TEST(report_times)
{
    struct prl_sender *sender = make(42);
    struct prl_rtcp_sr sr;
    EXPECT_INT(prl_sender_report_deadline(sender), INT64_MAX);
    struct prl_rtp_header first = next(sender, 0);
    EXPECT_INT(prl_sender_report_deadline(sender), start_us + 500000);
    prl_sender_report(sender, start_us + 500000, &sr);
    EXPECT_INT(sr.packet_count, 1);
    EXPECT_INT(sr.octet_count, 60);
    EXPECT_INT(sr.rtp_timestamp, (uint32_t)(first.timestamp + 24000));
    EXPECT_INT(sr.ntp, prl_rtcp_ntp(wall_us + start_us + 500000));
    int64_t now_us = start_us + 500000;
    int64_t least_us = INT64_MAX;
    int64_t most_us = 0;
    for (int i = 0; i < 500; i++) {
        int64_t wait_us = prl_sender_report_deadline(sender) - now_us;
        least_us = wait_us < least_us ? wait_us : least_us;
        most_us = wait_us > most_us ? wait_us : most_us;
        now_us += wait_us;
        prl_sender_report(sender, now_us, &sr);
    }
    EXPECT(least_us >= 1000000 && least_us < 1100000);
    EXPECT(most_us > 2900000 && most_us <= 3000000);
    prl_sender_destroy(&sender);
}

PRL_TEST(round_trip)
{
    struct prl_sender *sender = make(42);
    struct prl_rtcp_sr sr;
    struct prl_sender_stats stats;
    (void)next(sender, 0);
    prl_sender_stats(sender, &stats);
    EXPECT_INT(stats.rtt_us, -1);
    EXPECT(!stats.reported);
    prl_sender_report(sender, start_us, &sr);
    struct prl_rtcp_block block = {.ssrc = 77, .fraction_lost = 64, .jitter = 480};
    EXPECT(prl_sender_block(sender, &block, start_us + 100000)); // has not heard our report
    prl_sender_stats(sender, &stats);
    EXPECT_INT(stats.rtt_us, -1);
    EXPECT(stats.reported);
    EXPECT(stats.loss == 0.25);
    EXPECT_INT(stats.jitter_us, 10000);
    block.lsr = (uint32_t)(sr.ntp >> 16);
    block.dlsr = 65536; // held for a second
    EXPECT(prl_sender_block(sender, &block, start_us + 1080000));
    prl_sender_stats(sender, &stats);
    EXPECT(stats.rtt_us > 79900 && stats.rtt_us < 80100);
    EXPECT(prl_sender_block(sender, &block, start_us + 1480000));
    prl_sender_stats(sender, &stats);
    EXPECT(stats.rtt_us > 179900 && stats.rtt_us < 180100); // smoothed
    block.lsr = 12345;                                      // nonsense changes nothing
    EXPECT(prl_sender_block(sender, &block, start_us + 1480000));
    block.lsr = (uint32_t)(sr.ntp >> 16);
    block.dlsr = 0xffffffff;
    int64_t before_us = stats.rtt_us;
    EXPECT(prl_sender_block(sender, &block, start_us + 90000000));
    prl_sender_stats(sender, &stats);
    EXPECT_INT(stats.rtt_us, before_us);
    block.ssrc = 78;
    EXPECT(!prl_sender_block(sender, &block, start_us));
    prl_sender_destroy(&sender);
}

PRL_TEST(what_has_arrived)
{
    struct prl_sender *sender = make(0xffff);
    struct prl_sender_stats stats;
    struct prl_rtp_header first = next(sender, 0);
    struct prl_rtcp_block block = {.ssrc = 77, .highest_seq = first.seq - 1u};
    EXPECT(prl_sender_block(sender, &block, start_us)); // one before the first: never sent
    prl_sender_stats(sender, &stats);
    EXPECT_INT(stats.arrived, 0);
    for (int i = 1; i < 70000; i++) {
        (void)next(sender, i);
        if (i % 50 != 0)
            continue;
        // The peer's extended number begins at its own zero and is 10 packets behind.
        block.highest_seq = (uint32_t)(first.seq + i - 10);
        EXPECT(prl_sender_block(sender, &block, start_us));
        prl_sender_stats(sender, &stats);
        EXPECT_INT(stats.sent_place, (uint64_t)i * STEP_RTP);
        EXPECT_INT(stats.arrived, i - 10 + 1);
        EXPECT_INT(stats.arrived_place, (uint64_t)(i - 10) * STEP_RTP);
    }
    block.highest_seq -= 30; // an old report does not take back
    EXPECT(prl_sender_block(sender, &block, start_us));
    struct prl_sender_stats after;
    prl_sender_stats(sender, &after);
    EXPECT_INT(after.arrived_place, stats.arrived_place);
    EXPECT_INT(after.packets, 70000);
    EXPECT_INT(after.octets, 70000 * 60);
    prl_sender_destroy(&sender);
}

PRL_TEST_OOM(sender_create)
{
    struct prl_sender_conf conf = {.ssrc = 1, .clock_hz = 8000};
    struct prl_sender *sender;
    struct prl_rtp_header header;
    if (prl_sender_create(&sender, &conf) == PRL_OK)
        prl_sender_next(sender, 160, true, 160, 1, &header);
    prl_sender_destroy(&sender);
}

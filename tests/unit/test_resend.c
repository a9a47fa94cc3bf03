// test_resend.c -- what is kept, for how long, and that nobody is flooded with it.
#include <string.h>

#include "rtc/resend.h"
#include "tests/unit.h"

static const int64_t step_us = 20000;
static const int64_t rtt_us = 50000;

static void keep(struct prl_resend *resend, int index)
{
    uint8_t packet[80];
    memset(packet, index, sizeof(packet));
    prl_resend_keep(resend, (uint16_t)index, packet, sizeof(packet), index * step_us);
}

PRL_TEST(sent_again)
{
    struct prl_resend *resend;
    const uint8_t *packet;
    size_t size;
    REQUIRE(prl_resend_create(&resend) == PRL_OK);
    for (int i = 1; i <= 100; i++)
        keep(resend, i);
    int64_t now_us = 100 * step_us;
    EXPECT(prl_resend_take(resend, 90, rtt_us, now_us, &packet, &size));
    EXPECT_INT(size, 80);
    EXPECT_INT(packet[79], 90);
    EXPECT(!prl_resend_take(resend, 90, rtt_us, now_us + rtt_us - 1, &packet, &size)); // too soon
    EXPECT(prl_resend_take(resend, 90, rtt_us, now_us + rtt_us, &packet, &size));
    EXPECT(!prl_resend_take(resend, 90, rtt_us, now_us + 2 * rtt_us, &packet, &size)); // enough
    EXPECT(prl_resend_take(resend, 71, rtt_us, now_us, &packet, &size));               // 580 ms old
    EXPECT(!prl_resend_take(resend, 69, rtt_us, now_us, &packet, &size));              // 620 ms old
    EXPECT(!prl_resend_take(resend, 10, rtt_us, now_us, &packet, &size));  // overwritten
    EXPECT(!prl_resend_take(resend, 101, rtt_us, now_us, &packet, &size)); // never sent
    struct prl_resend_stats stats;
    prl_resend_stats(resend, &stats);
    EXPECT_INT(stats.sent, 3);
    EXPECT_INT(stats.limited, 2);
    EXPECT_INT(stats.unknown, 3);
    prl_resend_destroy(&resend);
}

PRL_TEST(long_packets_are_not_kept)
{
    struct prl_resend *resend;
    const uint8_t *packet;
    size_t size;
    static const uint8_t large[PRL_RESEND_PACKET_MAX + 1];
    REQUIRE(prl_resend_create(&resend) == PRL_OK);
    EXPECT(!prl_resend_take(resend, 0, rtt_us, 0, &packet, &size)); // of nothing
    prl_resend_keep(resend, 5, large, PRL_RESEND_PACKET_MAX, 0);
    EXPECT(prl_resend_take(resend, 5, rtt_us, 0, &packet, &size));
    prl_resend_keep(resend, 5 + PRL_RESEND_SLOTS, large, sizeof(large), 0);
    EXPECT(!prl_resend_take(resend, 5 + PRL_RESEND_SLOTS, rtt_us, 0, &packet, &size));
    EXPECT(!prl_resend_take(resend, 5, rtt_us, 0, &packet, &size)); // its place was wanted
    prl_resend_destroy(&resend);
}

// Somebody asks for everything, all the time.
PRL_TEST(no_amplification)
{
    struct prl_resend *resend;
    const uint8_t *packet;
    size_t size;
    int sent = 0;
    REQUIRE(prl_resend_create(&resend) == PRL_OK);
    for (int i = 1; i <= 500; i++) { // ten seconds
        keep(resend, i);
        for (int k = 0; k < PRL_RESEND_SLOTS; k++)
            sent += prl_resend_take(resend, (uint16_t)(i - k), 0, i * step_us, &packet, &size);
    }
    EXPECT(sent <= 10 * PRL_RESEND_PER_S + PRL_RESEND_BURST);
    EXPECT(sent >= 9 * PRL_RESEND_PER_S);
    prl_resend_destroy(&resend);
}

PRL_TEST_OOM(resend_create)
{
    struct prl_resend *resend;
    if (prl_resend_create(&resend) == PRL_OK)
        keep(resend, 1);
    prl_resend_destroy(&resend);
}

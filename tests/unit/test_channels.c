// test_channels.c -- opening, closing from either side, streams used again, and the bounds.
#include <string.h>

#include "rtc/channels.h"
#include "tests/unit.h"

static struct prl_dcep_open labelled(const char *label)
{
    return (struct prl_dcep_open){.label = label, .label_len = strlen(label)};
}

static enum prl_err open_one(struct prl_channels *channels, uint16_t stream, const char *label)
{
    struct prl_dcep_open open = labelled(label);
    return prl_channels_open(channels, stream, &open);
}

// Takes what is due; returns its type, or -1.
static int tell(struct prl_channels *channels)
{
    struct prl_sctp_event event;
    if (!prl_channels_due(channels, &event))
        return -1;
    prl_channels_told(channels, &event);
    return (int)event.type;
}

// What send_resets does when the stack takes them.
static void send_resets(struct prl_channels *channels)
{
    uint64_t sent = channels->resets_due;
    channels->resets_due = 0;
    prl_channels_on_reset_out(channels, sent);
}

PRL_TEST(channels_open_and_close)
{
    struct prl_channels channels = {0};
    REQUIRE(open_one(&channels, 2, PRL_SCTP_LABEL) == PRL_OK);
    struct prl_sctp_event event;
    REQUIRE(prl_channels_due(&channels, &event));
    EXPECT_INT(event.type, PRL_SCTP_CHANNEL_OPEN);
    EXPECT(event.size == strlen(PRL_SCTP_LABEL) && event.stream == 2);
    EXPECT(memcmp(event.data, PRL_SCTP_LABEL, event.size) == 0);
    prl_channels_told(&channels, &event);
    EXPECT_INT(tell(&channels), -1);
    struct prl_channel *channel = prl_channels_find(&channels, 2);
    REQUIRE(channel && channel->events);
    EXPECT(prl_channels_sendable(&channels, 2, false));
    EXPECT(!prl_channels_sendable(&channels, 4, false));

    // The peer closes: nothing more is sent, our half follows, then the entry is free.
    prl_channels_on_reset_in(&channels, 1u << 2);
    EXPECT(!prl_channels_sendable(&channels, 2, false));
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_CLOSED);
    prl_channels_on_reset_in(&channels, 1u << 2); // again: told once
    EXPECT_INT(tell(&channels), -1);
    EXPECT_INT(channels.resets_due, 1u << 2);
    send_resets(&channels);
    EXPECT(prl_channels_find(&channels, 2) == NULL);
    prl_channels_on_reset_in(&channels, 1u << 2); // nobody is answered for ever
    EXPECT_INT(channels.resets_due, 0);
    prl_channels_free(&channels);
}

PRL_TEST(channels_close_behind_what_was_sent)
{
    struct prl_channels channels = {0};
    REQUIRE(open_one(&channels, 0, "x") == PRL_OK);
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_OPEN);
    EXPECT(!prl_channels_find(&channels, 0)->events);
    EXPECT(prl_channels_close(&channels, 0));
    EXPECT(!prl_channels_close(&channels, 0));
    EXPECT(!prl_channels_close(&channels, 9));
    EXPECT(prl_channels_sendable(&channels, 0, false)); // what waited before
    EXPECT_INT(channels.resets_due, 0);
    prl_channels_reset(&channels, 0);
    prl_channels_reset(&channels, 9); // no such channel
    EXPECT_INT(channels.resets_due, 1);
    EXPECT(!prl_channels_sendable(&channels, 0, false));
    send_resets(&channels);
    EXPECT_INT(tell(&channels), -1);
    // Used again before the peer has closed its half: refused.
    EXPECT_INT(open_one(&channels, 0, "y"), PRL_ERR_LIMIT);
    prl_channels_on_reset_in(&channels, 1);
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_CLOSED);
    EXPECT(prl_channels_find(&channels, 0) == NULL);
    prl_channels_free(&channels);
}

PRL_TEST(channels_are_used_again)
{
    struct prl_channels channels = {0};
    REQUIRE(open_one(&channels, 6, "old") == PRL_OK);
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_OPEN);
    prl_channels_on_reset_in(&channels, 1u << 6);
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_CLOSED);
    channels.resets_due = 0; // sent; the peer saw it before we know that it has
    REQUIRE(open_one(&channels, 6, "new") == PRL_OK);
    prl_channels_on_reset_out(&channels, 1u << 6); // of the old one
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_OPEN);
    EXPECT_INT(prl_channels_find(&channels, 6)->state, PRL_CHANNEL_OPEN);
    // Opened twice: closed, as RFC 8832 wants it.
    EXPECT_INT(open_one(&channels, 6, "twice"), PRL_ERR_LIMIT);
    EXPECT_INT(channels.resets_due, 1u << 6);
    prl_channels_free(&channels);
}

PRL_TEST(channels_of_ours)
{
    struct prl_channels channels = {0};
    REQUIRE(prl_channels_ask(&channels, 1, "mine", 4) == PRL_OK);
    EXPECT_INT(prl_channels_ask(&channels, 1, "mine", 4), PRL_ERR_LIMIT);
    EXPECT(prl_channels_sendable(&channels, 1, true));
    EXPECT(!prl_channels_sendable(&channels, 1, false));
    EXPECT_INT(tell(&channels), -1);
    EXPECT(!prl_channels_ack(&channels, 3));
    EXPECT(prl_channels_ack(&channels, 1));
    EXPECT(!prl_channels_ack(&channels, 1));
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_OPEN);
    // Refused by the peer before it was open: the owner hears of it.
    REQUIRE(prl_channels_ask(&channels, 3, "", 0) == PRL_OK);
    prl_channels_on_reset_in(&channels, 1u << 3);
    EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_CLOSED);
    prl_channels_free(&channels);
}

PRL_TEST(channels_are_bounded)
{
    struct prl_channels channels = {0};
    static char label[1000];
    memset(label, 'x', sizeof(label));
    label[3] = '\0'; // legal in UTF-8
    for (int i = 0; i < PRL_SCTP_CHANNELS_MAX; i++) {
        struct prl_dcep_open open = {.label = label, .label_len = sizeof(label)};
        EXPECT_OK(prl_channels_open(&channels, (uint16_t)i, &open));
    }
    struct prl_sctp_event event;
    REQUIRE(prl_channels_due(&channels, &event));
    EXPECT_INT(event.size, PRL_SCTP_LABEL_MAX);
    EXPECT(memcmp(event.data, label, PRL_SCTP_LABEL_MAX) == 0);
    EXPECT_INT(open_one(&channels, 63, "more"), PRL_ERR_LIMIT);
    EXPECT_INT(prl_channels_ask(&channels, 40, "more", 4), PRL_ERR_LIMIT);
    EXPECT(channels.resets_due == UINT64_C(1) << 63);
    // All at once.
    prl_channels_on_reset_in(&channels, UINT64_MAX);
    for (int i = 0; i < PRL_SCTP_CHANNELS_MAX; i++) {
        EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_OPEN);
        EXPECT_INT(tell(&channels), PRL_SCTP_CHANNEL_CLOSED);
    }
    send_resets(&channels);
    for (int i = 0; i < PRL_SCTP_STREAMS; i++)
        EXPECT(prl_channels_find(&channels, (uint16_t)i) == NULL);
    prl_channels_free(&channels);
}

PRL_TEST(channels_answer_strangers_once)
{
    struct prl_channels channels = {0};
    prl_channels_stranger(&channels, 5);
    prl_channels_on_reset_in(&channels, 1u << 5);
    EXPECT_INT(channels.resets_due, 1u << 5);
    send_resets(&channels);
    prl_channels_on_reset_in(&channels, 1u << 5);
    EXPECT_INT(channels.resets_due, 0);
    prl_channels_refuse(&channels, 7); // garbage instead of an OPEN
    EXPECT_INT(channels.resets_due, 1u << 7);
    REQUIRE(open_one(&channels, 9, "x") == PRL_OK);
    prl_channels_refuse(&channels, 9);
    EXPECT_INT(prl_channels_find(&channels, 9)->state, PRL_CHANNEL_CLOSING);
    prl_channels_free(&channels);
}

PRL_TEST_OOM(channels_without_memory)
{
    struct prl_channels channels = {0};
    enum prl_err err = open_one(&channels, 0, "x");
    if (!err)
        err = prl_channels_ask(&channels, 1, "y", 1);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    (void)tell(&channels);
    prl_channels_free(&channels);
}

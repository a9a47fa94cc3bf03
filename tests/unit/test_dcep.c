// test_dcep.c -- the two control messages, whole, cut and wrong; what payload ids mean.
#include <string.h>

#include "rtc/dcep.h"
#include "tests/unit.h"

static enum prl_err parse(const void *data, size_t size, enum prl_dcep_type *type,
                          struct prl_dcep_open *open)
{
    return prl_dcep_parse(data, size, type, open);
}

// As Chromium sends it for createDataChannel("oai-events").
static const char chromium_open[] = "\x03\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00oai-events";

PRL_TEST(dcep_reads_a_browsers_open)
{
    enum prl_dcep_type type;
    struct prl_dcep_open open;
    REQUIRE(parse(chromium_open, sizeof(chromium_open) - 1, &type, &open) == PRL_OK);
    EXPECT_INT(type, PRL_DCEP_OPEN);
    EXPECT_INT(open.reliability, PRL_DCEP_RELIABLE);
    EXPECT(!open.unordered);
    EXPECT_INT(open.priority, 256);
    EXPECT_INT(open.label_len, 10);
    EXPECT(memcmp(open.label, "oai-events", 10) == 0);
    EXPECT_INT(open.protocol_len, 0);
}

PRL_TEST(dcep_writes_what_it_reads)
{
    uint8_t data[64];
    size_t size;
    enum prl_dcep_type type;
    struct prl_dcep_open read;
    for (int reliability = PRL_DCEP_RELIABLE; reliability <= PRL_DCEP_LIFETIME; reliability++) {
        struct prl_dcep_open open = {.reliability = (enum prl_dcep_reliability)reliability,
                                     .unordered = reliability == PRL_DCEP_LIFETIME,
                                     .priority = 0x1234,
                                     .limit = 0x89abcdef,
                                     .label = "名",
                                     .label_len = 3,
                                     .protocol = "json",
                                     .protocol_len = 4};
        REQUIRE(prl_dcep_build_open(&open, data, sizeof(data), &size) == PRL_OK);
        EXPECT_INT(size, 19);
        REQUIRE(parse(data, size, &type, &read) == PRL_OK);
        EXPECT_INT(read.reliability, open.reliability);
        EXPECT_INT(read.unordered, open.unordered);
        EXPECT_INT(read.priority, 0x1234);
        EXPECT_INT(read.limit, reliability == PRL_DCEP_RELIABLE ? 0 : 0x89abcdef);
        EXPECT(read.label_len == 3 && memcmp(read.label, "名", 3) == 0);
        EXPECT(read.protocol_len == 4 && memcmp(read.protocol, "json", 4) == 0);
        EXPECT_INT(prl_dcep_build_open(&open, data, size - 1, &size), PRL_ERR_FULL);
    }
    struct prl_dcep_open open = {.label = "x", .label_len = 65536};
    EXPECT_INT(prl_dcep_build_open(&open, data, sizeof(data), &size), PRL_ERR_INVALID);
    prl_dcep_build_ack(data);
    REQUIRE(parse(data, PRL_DCEP_ACK_SIZE, &type, &read) == PRL_OK);
    EXPECT_INT(type, PRL_DCEP_ACK);
}

PRL_TEST(dcep_refuses_what_is_not_a_message)
{
    enum prl_dcep_type type;
    struct prl_dcep_open open;
    char data[sizeof(chromium_open)];
    for (size_t size = 0; size < sizeof(chromium_open) - 1; size++)
        EXPECT_INT(parse(chromium_open, size, &type, &open), PRL_ERR_INVALID);
    // One byte behind it: the terminating zero of the text.
    EXPECT_INT(parse(chromium_open, sizeof(chromium_open), &type, &open), PRL_ERR_INVALID);
    memcpy(data, chromium_open, sizeof(data));
    data[1] = 3; // a channel type that does not exist
    EXPECT_INT(parse(data, sizeof(data) - 1, &type, &open), PRL_ERR_INVALID);
    memcpy(data, chromium_open, sizeof(data));
    data[8] = (char)0xff; // label longer than the message
    EXPECT_INT(parse(data, sizeof(data) - 1, &type, &open), PRL_ERR_INVALID);
    memcpy(data, chromium_open, sizeof(data));
    data[12] = (char)0xff; // not UTF-8
    EXPECT_INT(parse(data, sizeof(data) - 1, &type, &open), PRL_ERR_INVALID);
    EXPECT_INT(parse("\x01", 1, &type, &open), PRL_ERR_INVALID);
    EXPECT_INT(parse("\x02\x00", 2, &type, &open), PRL_ERR_INVALID); // an ACK is one byte
}

PRL_TEST(dcep_knows_payload_ids)
{
    EXPECT_INT(prl_dcep_ppid(50).payload, PRL_DCEP_CONTROL);
    struct prl_dcep_ppid ppid = prl_dcep_ppid(51);
    EXPECT(ppid.payload == PRL_DCEP_TEXT && !ppid.part && !ppid.empty);
    ppid = prl_dcep_ppid(54);
    EXPECT(ppid.payload == PRL_DCEP_TEXT && ppid.part && !ppid.empty);
    ppid = prl_dcep_ppid(56);
    EXPECT(ppid.payload == PRL_DCEP_TEXT && !ppid.part && ppid.empty);
    ppid = prl_dcep_ppid(53);
    EXPECT(ppid.payload == PRL_DCEP_BINARY && !ppid.part && !ppid.empty);
    ppid = prl_dcep_ppid(52);
    EXPECT(ppid.payload == PRL_DCEP_BINARY && ppid.part);
    ppid = prl_dcep_ppid(57);
    EXPECT(ppid.payload == PRL_DCEP_BINARY && ppid.empty);
    EXPECT_INT(prl_dcep_ppid(0).payload, PRL_DCEP_UNKNOWN);
    EXPECT_INT(prl_dcep_ppid(55).payload, PRL_DCEP_UNKNOWN);
}

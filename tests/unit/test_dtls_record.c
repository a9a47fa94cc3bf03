// test_dtls_record.c -- the filter before OpenSSL: heads of records, and how many are encrypted.
#include "rtc/dtls_record.h"

#include "rtc/dtls.h"
#include "tests/unit.h"

PRL_TEST(dtls_record_is_plausible)
{
    uint8_t record[40] = {22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 27};
    EXPECT(prl_dtls_plausible(record, 40));
    EXPECT(!prl_dtls_plausible(record, 39)); // cut
    EXPECT(!prl_dtls_plausible(record, 12));
    EXPECT(!prl_dtls_plausible(record, 0));
    record[12] = 7; // two records
    record[20] = 23;
    record[21] = 254;
    record[22] = 253;
    record[32] = 7;
    EXPECT(prl_dtls_plausible(record, 40));
    record[32] = 8;
    EXPECT(!prl_dtls_plausible(record, 40));
    record[32] = 6; // a rest of one byte
    EXPECT(!prl_dtls_plausible(record, 40));
    record[32] = 7;
    record[20] = 24;
    EXPECT(!prl_dtls_plausible(record, 40));
    record[20] = 19;
    EXPECT(!prl_dtls_plausible(record, 40));
    record[20] = 20;
    record[22] = 252;
    EXPECT(!prl_dtls_plausible(record, 40));
    uint8_t empty[13] = {23, 254, 253};
    EXPECT(!prl_dtls_plausible(empty, sizeof(empty)));
    uint8_t large[PRL_DTLS_DATAGRAM_MAX + 1] = {22, 254, 253};
    large[11] = (PRL_DTLS_DATAGRAM_MAX + 1 - 13) >> 8;
    large[12] = (PRL_DTLS_DATAGRAM_MAX + 1 - 13) & 255;
    EXPECT(!prl_dtls_plausible(large, sizeof(large)));
}

PRL_TEST(dtls_record_of_a_later_epoch_is_encrypted)
{
    uint8_t records[3 * 15] = {0};
    for (size_t i = 0; i < 3; i++) {
        uint8_t *head = records + 15 * i;
        head[0] = 22;
        head[1] = 254;
        head[2] = 253;
        head[4] = (uint8_t)i; // epoch
        head[12] = 2;
    }
    REQUIRE(prl_dtls_plausible(records, sizeof(records)));
    EXPECT_INT(prl_dtls_encrypted(records, sizeof(records)), 2);
    EXPECT_INT(prl_dtls_encrypted(records, 15), 0);
    EXPECT_INT(prl_dtls_encrypted(records, 0), 0);
    records[3] = 1; // the upper byte
    EXPECT_INT(prl_dtls_encrypted(records, 15), 1);
}

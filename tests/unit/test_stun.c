// Tests of rtc/stun: the vectors of RFC 5769, messages built and read again, and broken ones.
#include <string.h>

#include "rtc/addr.h"
#include "rtc/stun.h"
#include "tests/unit.h"

// RFC 5769 §2: all three share the password and the transaction.
#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

static const uint8_t sample_request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
};

static const uint8_t sample_v4[] = {
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};

static const uint8_t sample_v6[] = {
    0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa,
    0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14,
    0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
    0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};

static const uint8_t transaction[PRL_STUN_TRANSACTION_SIZE] = "transaction";

PRL_TEST(rfc_5769_sample_request)
{
    struct prl_stun stun;
    char ufrag[16];
    EXPECT(prl_stun_is(sample_request, sizeof(sample_request)));
    REQUIRE(prl_stun_parse(&stun, sample_request, sizeof(sample_request)) == PRL_OK);
    EXPECT_INT(stun.class, PRL_STUN_REQUEST);
    EXPECT_INT(stun.method, PRL_STUN_BINDING);
    EXPECT(stun.fingerprint && stun.has_priority && !stun.use_candidate);
    EXPECT_INT(stun.priority, 0x6e0001ff);
    EXPECT_INT(stun.role, PRL_STUN_CONTROLLED);
    EXPECT(stun.tie_breaker == 0x932ff9b151263b36ULL);
    EXPECT(prl_stun_username_is(&stun, "evtj", "h6vY"));
    EXPECT(!prl_stun_username_is(&stun, "evtj", "h6vZ"));
    EXPECT(!prl_stun_username_is(&stun, "evt", "j:h6vY"));
    EXPECT(prl_stun_addressee(&stun, ufrag, sizeof(ufrag)));
    EXPECT_TEXT(ufrag, "evtj");
    EXPECT(!prl_stun_addressee(&stun, ufrag, 4));
    EXPECT(prl_stun_authentic(&stun, PASSWORD));
    EXPECT(!prl_stun_authentic(&stun, "VOkJxbRl1RmTxUk/WvJxBu"));
    EXPECT_INT(stun.unknown_count, 0); // SOFTWARE need not be understood
}

PRL_TEST(rfc_5769_sample_responses)
{
    struct prl_stun stun;
    union prl_sockaddr address;
    REQUIRE(prl_stun_parse(&stun, sample_v4, sizeof(sample_v4)) == PRL_OK);
    EXPECT_INT(stun.class, PRL_STUN_SUCCESS);
    EXPECT(prl_addr_parse(&address, "192.0.2.1", 32853));
    EXPECT(stun.has_mapped && prl_addr_equal(&stun.mapped, &address));
    EXPECT(prl_stun_authentic(&stun, PASSWORD));
    REQUIRE(prl_stun_parse(&stun, sample_v6, sizeof(sample_v6)) == PRL_OK);
    EXPECT(prl_addr_parse(&address, "2001:db8:1234:5678:11:2233:4455:6677", 32853));
    EXPECT(stun.has_mapped && prl_addr_equal(&stun.mapped, &address));
    EXPECT(prl_stun_authentic(&stun, PASSWORD));
}

PRL_TEST(a_changed_bit_is_noticed)
{
    uint8_t copy[sizeof(sample_request)];
    for (size_t i = 0; i < sizeof(copy) * 8; i++) {
        struct prl_stun stun;
        memcpy(copy, sample_request, sizeof(copy));
        copy[i / 8] ^= (uint8_t)(1U << i % 8);
        EXPECT(prl_stun_parse(&stun, copy, sizeof(copy)) != PRL_OK ||
               !prl_stun_authentic(&stun, PASSWORD) || !stun.fingerprint);
    }
}

PRL_TEST(a_request_is_read_as_it_was_built)
{
    uint8_t buf[256];
    struct prl_stun_build build;
    struct prl_stun stun;
    memset(buf, 0xee, sizeof(buf));
    prl_stun_begin(&build, buf, sizeof(buf), PRL_STUN_REQUEST, transaction);
    prl_stun_add_username(&build, "theirs", "our");
    prl_stun_add_priority(&build, 12345);
    prl_stun_add_role(&build, PRL_STUN_CONTROLLING, 0x1122334455667788ULL);
    prl_stun_add_use_candidate(&build);
    size_t size = prl_stun_finish(&build, "secret");
    REQUIRE(size > 0);
    for (size_t i = size; i < sizeof(buf); i++)
        EXPECT_INT(buf[i], 0);
    REQUIRE(prl_stun_parse(&stun, buf, size) == PRL_OK);
    EXPECT_INT(stun.class, PRL_STUN_REQUEST);
    EXPECT(memcmp(stun.transaction, transaction, sizeof(transaction)) == 0);
    EXPECT(prl_stun_username_is(&stun, "theirs", "our"));
    EXPECT_INT(stun.priority, 12345);
    EXPECT_INT(stun.role, PRL_STUN_CONTROLLING);
    EXPECT(stun.tie_breaker == 0x1122334455667788ULL);
    EXPECT(stun.use_candidate && stun.fingerprint);
    EXPECT(prl_stun_authentic(&stun, "secret"));
}

PRL_TEST(an_error_is_read_as_it_was_built)
{
    uint8_t buf[128];
    struct prl_stun_build build;
    struct prl_stun stun;
    static const uint16_t unknown[] = {0x7777, 2, 3};
    prl_stun_begin(&build, buf, sizeof(buf), PRL_STUN_ERROR, transaction);
    prl_stun_add_error(&build, 420);
    prl_stun_add_unknown(&build, unknown, 3);
    size_t size = prl_stun_finish(&build, NULL);
    REQUIRE(prl_stun_parse(&stun, buf, size) == PRL_OK);
    EXPECT_INT(stun.class, PRL_STUN_ERROR);
    EXPECT_INT(stun.error_code, 420);
    EXPECT(stun.fingerprint && !prl_stun_authentic(&stun, ""));
}

PRL_TEST(what_does_not_fit_is_not_sent)
{
    uint8_t buf[64];
    struct prl_stun_build build;
    for (size_t capacity = PRL_STUN_HEADER_SIZE; capacity < sizeof(buf); capacity++) {
        memset(buf, 0, sizeof(buf));
        prl_stun_begin(&build, buf, capacity, PRL_STUN_REQUEST, transaction);
        prl_stun_add_username(&build, "abcd", "efgh");
        prl_stun_add_priority(&build, 1);
        prl_stun_add_role(&build, PRL_STUN_CONTROLLED, 1);
        EXPECT_INT(prl_stun_finish(&build, "secret"), 0);
        for (size_t i = capacity; i < sizeof(buf); i++)
            EXPECT_INT(buf[i], 0);
    }
}

// Builds a request with one raw attribute in front, without a fingerprint.
static size_t raw(uint8_t *buf, uint16_t type, size_t len, const void *value, size_t value_size)
{
    size_t padded = (value_size + 3) & ~(size_t)3;
    memset(buf, 0, 1024);
    memcpy(buf, sample_request, PRL_STUN_HEADER_SIZE);
    buf[2] = (uint8_t)((4 + padded) >> 8);
    buf[3] = (uint8_t)(4 + padded);
    buf[20] = (uint8_t)(type >> 8);
    buf[21] = (uint8_t)type;
    buf[22] = (uint8_t)(len >> 8);
    buf[23] = (uint8_t)len;
    memcpy(buf + 24, value, value_size);
    return 24 + padded;
}

PRL_TEST(attributes_of_the_wrong_size_are_refused)
{
    uint8_t buf[1024];
    static const uint8_t zeros[600];
    static const struct {
        uint16_t type;
        size_t len;
        size_t size;
    } bad[] = {
        {0x0006, 5, 4},                                         // longer than the packet
        {0x0006, 65535, 4},                                     //
        {0x0006, 514, 514},                                     // username
        {0x0008, 19, 19},   {0x0008, 21, 21},                   // integrity
        {0x0009, 3, 3},     {0x0009, 4, 4},                     // error without a class
        {0x0020, 3, 3},     {0x0020, 8, 8},   {0x0020, 20, 20}, // address of no family
        {0x0024, 3, 3},     {0x0024, 8, 8},                     // priority
        {0x0025, 1, 1},                                         // use-candidate
        {0x8029, 4, 4},     {0x802a, 12, 12},                   // roles
        {0x8028, 3, 3},     {0x8028, 4, 4},                     // fingerprint, and a wrong one
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct prl_stun stun;
        size_t size = raw(buf, bad[i].type, bad[i].len, zeros, bad[i].size);
        EXPECT(prl_stun_is(buf, size));
        EXPECT_INT(prl_stun_parse(&stun, buf, size), PRL_ERR_INVALID);
    }
}

PRL_TEST(unknown_attributes_are_counted_up_to_a_bound)
{
    uint8_t buf[1024];
    struct prl_stun stun;
    size_t size = raw(buf, 0x7f00, 0, "", 0);
    for (size_t i = 1; i < 20; i++, size += 4) {
        buf[size] = 0x7f;
        buf[size + 1] = (uint8_t)i;
    }
    buf[3] = (uint8_t)(size - PRL_STUN_HEADER_SIZE);
    REQUIRE(prl_stun_parse(&stun, buf, size) == PRL_OK);
    EXPECT_INT(stun.unknown_count, PRL_STUN_UNKNOWN_MAX);
    EXPECT_INT(stun.unknown[7], 0x7f07);
}

PRL_TEST(what_follows_the_integrity_is_not_believed)
{
    uint8_t buf[256];
    struct prl_stun_build build;
    struct prl_stun stun;
    prl_stun_begin(&build, buf, sizeof(buf), PRL_STUN_REQUEST, transaction);
    prl_stun_add_username(&build, "abcd", "efgh");
    size_t size = prl_stun_finish(&build, "secret");
    // USE-CANDIDATE takes the place of the fingerprint.
    memset(buf + size - 8, 0, 8);
    buf[size - 7] = 0x25;
    buf[3] = (uint8_t)(size - 4 - PRL_STUN_HEADER_SIZE);
    REQUIRE(prl_stun_parse(&stun, buf, size - 4) == PRL_OK);
    EXPECT(prl_stun_authentic(&stun, "secret"));
    EXPECT(!stun.use_candidate && !stun.fingerprint);
}

PRL_TEST(other_packets_are_no_stun)
{
    uint8_t packet[64] = {0};
    struct prl_stun stun;
    for (unsigned first = 0; first < 256; first++) {
        packet[0] = (uint8_t)first;
        EXPECT(!prl_stun_is(packet, sizeof(packet)));
    }
    EXPECT(!prl_stun_is(packet, 0));
    for (size_t size = 0; size < sizeof(sample_request); size++)
        EXPECT_INT(prl_stun_parse(&stun, sample_request, size), PRL_ERR_INVALID);
    static uint8_t large[PRL_STUN_SIZE_MAX + 4];
    memcpy(large, sample_request, PRL_STUN_HEADER_SIZE);
    large[2] = (sizeof(large) - PRL_STUN_HEADER_SIZE) >> 8;
    large[3] = (uint8_t)(sizeof(large) - PRL_STUN_HEADER_SIZE);
    EXPECT(prl_stun_is(large, sizeof(large)));
    EXPECT_INT(prl_stun_parse(&stun, large, sizeof(large)), PRL_ERR_INVALID);
}

PRL_TEST(names_without_an_addressee)
{
    uint8_t buf[1024];
    struct prl_stun stun;
    char ufrag[16];
    static const char *const names[] = {"nocolon", ":x", ""};
    for (size_t i = 0; i < 3; i++) {
        size_t size = raw(buf, 0x0006, strlen(names[i]), names[i], strlen(names[i]));
        REQUIRE(prl_stun_parse(&stun, buf, size) == PRL_OK);
        EXPECT(!prl_stun_addressee(&stun, ufrag, sizeof(ufrag)));
    }
    size_t size = raw(buf, 0x0006, 4, "a\0:b", 4);
    REQUIRE(prl_stun_parse(&stun, buf, size) == PRL_OK);
    EXPECT(!prl_stun_addressee(&stun, ufrag, sizeof(ufrag)));
}

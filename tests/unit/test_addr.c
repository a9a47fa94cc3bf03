// Tests of rtc/addr: one form of every address, and which kind it is of.
#include <arpa/inet.h>
#include <string.h>

#include "rtc/addr.h"
#include "tests/unit.h"

static union prl_sockaddr address_of(const char *text, uint16_t port)
{
    union prl_sockaddr address;
    EXPECT(prl_addr_parse(&address, text, port));
    return address;
}

PRL_TEST(a_mapped_address_is_the_plain_one)
{
    union prl_sockaddr plain = address_of("192.0.2.1", 80);
    union prl_sockaddr mapped = address_of("::ffff:192.0.2.1", 80);
    EXPECT(!prl_addr_is_v6(&mapped));
    EXPECT(prl_addr_equal(&plain, &mapped));
    EXPECT_INT(prl_addr_hash(&plain), prl_addr_hash(&mapped));
    EXPECT_INT(prl_addr_size(&mapped), sizeof(struct sockaddr_in));
}

PRL_TEST(rubbish_around_an_address_does_not_matter)
{
    struct sockaddr_in6 raw;
    union prl_sockaddr a;
    union prl_sockaddr b;
    memset(&raw, 0xff, sizeof(raw));
    raw.sin6_family = AF_INET6;
    raw.sin6_port = htons(7);
    REQUIRE(inet_pton(AF_INET6, "2001:db8::1", &raw.sin6_addr) == 1);
    EXPECT(prl_addr_from(&a, &raw, sizeof(raw)));
    b = address_of("2001:db8::1", 7);
    EXPECT(prl_addr_equal(&a, &b)); // no flow label, no scope
    // A link-local address is nothing without its scope.
    REQUIRE(inet_pton(AF_INET6, "fe80::1", &raw.sin6_addr) == 1);
    raw.sin6_scope_id = 3;
    EXPECT(prl_addr_from(&a, &raw, sizeof(raw)));
    raw.sin6_scope_id = 4;
    EXPECT(prl_addr_from(&b, &raw, sizeof(raw)));
    EXPECT(!prl_addr_equal(&a, &b));
}

PRL_TEST(what_is_no_address_is_refused)
{
    union prl_sockaddr out;
    struct sockaddr_in raw = {.sin_family = AF_INET};
    static const char *const bad[] = {"",       "1.2.3",     "1.2.3.4.5", "[::1]",
                                      "::1%lo", "localhost", "::g"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(!prl_addr_parse(&out, bad[i], 1));
    EXPECT(!prl_addr_from(&out, &raw, sizeof(raw) - 1));
    EXPECT(!prl_addr_from(&out, &raw, 1));
    EXPECT(!prl_addr_from(&out, NULL, 0));
    raw.sin_family = AF_UNIX;
    EXPECT(!prl_addr_from(&out, &raw, sizeof(raw)));
    EXPECT_INT(out.any.sa_family, 0);
}

PRL_TEST(ports_count_unless_hosts_are_asked_for)
{
    union prl_sockaddr a = address_of("::1", 1);
    union prl_sockaddr b = address_of("::1", 2);
    EXPECT(!prl_addr_equal(&a, &b));
    EXPECT(prl_addr_same_host(&a, &b));
    EXPECT_INT(prl_addr_port(&b), 2);
    prl_addr_set_port(&b, 1);
    EXPECT(prl_addr_equal(&a, &b));
    EXPECT(prl_addr_hash(&a) == prl_addr_hash(&b));
}

PRL_TEST(an_address_is_written_with_its_port)
{
    char text[PRL_ADDR_TEXT_SIZE];
    union prl_sockaddr address = address_of("::ffff:10.0.0.1", 65535);
    prl_addr_text(&address, text);
    EXPECT_TEXT(text, "10.0.0.1:65535");
    address = address_of("2001:db8::1", 0);
    prl_addr_text(&address, text);
    EXPECT_TEXT(text, "[2001:db8::1]:0");
}

PRL_TEST(kinds_of_addresses)
{
    static const struct {
        const char *text;
        enum prl_addr_kind kind;
    } cases[] = {
        {"0.0.0.0", PRL_ADDR_UNSPECIFIED},
        {"0.1.2.3", PRL_ADDR_UNSPECIFIED},
        {"::", PRL_ADDR_UNSPECIFIED},
        {"::10.0.0.1", PRL_ADDR_UNSPECIFIED},
        {"127.0.0.1", PRL_ADDR_LOOPBACK},
        {"127.255.0.9", PRL_ADDR_LOOPBACK},
        {"::ffff:127.0.0.1", PRL_ADDR_LOOPBACK},
        {"::1", PRL_ADDR_LOOPBACK},
        {"64:ff9b::127.0.0.1", PRL_ADDR_LOOPBACK},
        {"2002:7f00:1::", PRL_ADDR_LOOPBACK},
        {"169.254.1.1", PRL_ADDR_LINK_LOCAL},
        {"fe80::1", PRL_ADDR_LINK_LOCAL},
        {"febf::1", PRL_ADDR_LINK_LOCAL},
        {"10.1.2.3", PRL_ADDR_PRIVATE},
        {"172.16.0.1", PRL_ADDR_PRIVATE},
        {"172.31.255.255", PRL_ADDR_PRIVATE},
        {"192.168.1.1", PRL_ADDR_PRIVATE},
        {"100.64.0.1", PRL_ADDR_PRIVATE},
        {"fd00::1", PRL_ADDR_PRIVATE},
        {"fec0::1", PRL_ADDR_PRIVATE},
        {"64:ff9b::10.0.0.1", PRL_ADDR_PRIVATE},
        {"224.0.0.1", PRL_ADDR_MULTICAST},
        {"255.255.255.255", PRL_ADDR_MULTICAST},
        {"ff02::1", PRL_ADDR_MULTICAST},
        {"172.32.0.1", PRL_ADDR_PUBLIC},
        {"100.128.0.1", PRL_ADDR_PUBLIC},
        {"8.8.8.8", PRL_ADDR_PUBLIC},
        {"2001:db8::1", PRL_ADDR_PUBLIC},
        {"64:ff9b::8.8.8.8", PRL_ADDR_PUBLIC},
        {"2002:808:808::1", PRL_ADDR_PUBLIC},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        union prl_sockaddr address = address_of(cases[i].text, 1);
        EXPECT_INT(prl_addr_kind(&address), cases[i].kind);
    }
}

PRL_TEST(hashes_spread_over_a_small_table)
{
    unsigned used[64] = {0};
    for (uint16_t port = 1024; port < 1024 + 6400; port++) {
        union prl_sockaddr address = address_of("192.0.2.1", port);
        used[prl_addr_hash(&address) & 63]++;
    }
    for (size_t i = 0; i < 64; i++)
        EXPECT(used[i] > 50 && used[i] < 150);
}

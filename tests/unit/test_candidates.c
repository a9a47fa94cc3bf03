// test_candidates.c -- which addresses are announced for what is bound.
#include <stdio.h>
#include <string.h>

#include "rtc/candidates.h"
#include "tests/unit.h"

static struct prl_candidates_hosts hosts_of(const char *const *texts)
{
    struct prl_candidates_hosts hosts = {0};
    for (; *texts; texts++)
        EXPECT(prl_addr_parse(&hosts.addresses[hosts.count++], *texts, 0));
    return hosts;
}

static union prl_sockaddr at(const char *text, uint16_t port)
{
    union prl_sockaddr address;
    EXPECT(prl_addr_parse(&address, text, port));
    return address;
}

static void expect_list(const struct prl_candidates_ports *ports,
                        const struct prl_candidates_hosts *hosts, const char *expected)
{
    struct prl_sdp_candidate found[PRL_SDP_CANDIDATES_MAX];
    size_t count = prl_candidates_make(ports, hosts, found, PRL_SDP_CANDIDATES_MAX);
    char text[1024] = "";
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        char address[PRL_ADDR_TEXT_SIZE];
        prl_addr_text(&found[i].address, address);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s", i ? " " : "",
                                found[i].tcp ? "tcp:" : "", address);
    }
    EXPECT_TEXT(text, expected);
}

PRL_TEST(candidates_behind_a_wildcard_are_the_interfaces)
{
    static const char *const texts[] = {"127.0.0.1",   "192.168.1.5", "169.254.3.3", "::1",
                                        "2001:db8::5", "fe80::1",     "192.168.1.5", NULL};
    struct prl_candidates_hosts hosts = hosts_of(texts);
    struct prl_candidates_ports ports = {.udp_count = 2,
                                         .tcp_count = 1,
                                         .udp = {at("0.0.0.0", 8189), at("::", 8189)},
                                         .tcp = {at("0.0.0.0", 8190)}};
    expect_list(&ports, &hosts, "192.168.1.5:8189 [2001:db8::5]:8189 tcp:192.168.1.5:8190");
    ports.public_address = "203.0.113.9";
    expect_list(&ports, &hosts,
                "192.168.1.5:8189 [2001:db8::5]:8189 203.0.113.9:8189 tcp:192.168.1.5:8190 "
                "tcp:203.0.113.9:8190");
    ports.public_address = "2001:db8::99";
    ports.tcp_count = 0;
    expect_list(&ports, &hosts, "192.168.1.5:8189 [2001:db8::5]:8189 [2001:db8::99]:8189");
    ports.public_address = "a name";
    expect_list(&ports, &hosts, "192.168.1.5:8189 [2001:db8::5]:8189");
}

PRL_TEST(candidates_loopback_where_it_is_bound_or_there_is_nothing_else)
{
    static const char *const texts[] = {"127.0.0.1", "192.168.1.5", NULL};
    static const char *const lonely[] = {"127.0.0.1", "fe80::1", NULL};
    struct prl_candidates_hosts hosts = hosts_of(texts);
    struct prl_candidates_ports ports = {.udp_count = 1, .udp = {at("127.0.0.1", 9000)}};
    expect_list(&ports, &hosts, "127.0.0.1:9000");
    ports.udp[0] = at("0.0.0.0", 9000);
    hosts = hosts_of(lonely);
    expect_list(&ports, &hosts, "127.0.0.1:9000");
    hosts.count = 0;
    expect_list(&ports, &hosts, "");
    ports.udp_count = 0;
    expect_list(&ports, &hosts, "");
}

PRL_TEST(candidates_count_is_bounded)
{
    struct prl_candidates_hosts hosts = {0};
    struct prl_candidates_ports ports = {.udp_count = 1, .udp = {at("0.0.0.0", 9000)}};
    for (int i = 0; i < PRL_CANDIDATES_HOSTS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof(text), "10.0.0.%d", i);
        hosts.addresses[hosts.count++] = at(text, 0);
    }
    struct prl_sdp_candidate found[PRL_SDP_CANDIDATES_MAX];
    EXPECT_INT(prl_candidates_make(&ports, &hosts, found, PRL_SDP_CANDIDATES_MAX),
               PRL_SDP_CANDIDATES_MAX);
}

PRL_TEST(candidates_own_addresses)
{
    static const char *const texts[] = {"127.0.0.1", "192.168.1.5", NULL};
    struct prl_candidates_hosts hosts = hosts_of(texts);
    union prl_sockaddr own = at("192.168.1.5", 4);
    union prl_sockaddr loopback = at("127.9.9.9", 4);
    union prl_sockaddr other = at("192.168.1.6", 4);
    EXPECT(prl_candidates_is_own(&hosts, &own));
    EXPECT(prl_candidates_is_own(&hosts, &loopback));
    EXPECT(!prl_candidates_is_own(&hosts, &other));
    prl_candidates_hosts(&hosts);
    EXPECT(hosts.count > 0);
}

// test_origin.c -- Host and Origin rules, canonical addresses, and the URLs that we connect to.
#include <string.h>

#include "net/origin.h"
#include "net/url.h"
#include "tests/unit.h"

PRL_TEST(origin_canonical_addresses)
{
    static const char *const good[][2] = {
        {"LocalHost", "localhost"},
        {"example.COM.", "example.com"},
        {"127.0.0.1", "127.0.0.1"},
        {"0.0.0.0", "127.0.0.1"},
        {"0.1.2.3", "127.0.0.1"},
        {"::ffff:127.0.0.1", "127.0.0.1"},
        {"::FFFF:7f00:1", "127.0.0.1"},
        {"::ffff:0.0.0.0", "127.0.0.1"},
        {"::", "::1"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"2001:DB8::0:1", "2001:db8::1"},
        {"my_host-1", "my_host-1"},
    };
    static const char *const bad[] = {"",       " ",         "a b",          "a/b", "1.2.3",
                                      "127.1",  "256.0.0.1", "0x7f.0.0.1x!", "::g", "1:2",
                                      "a\r\nb", "é",         "[::1]",        "a@b"};
    char text[256];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT(prl_origin_canonical(good[i][0], text, sizeof(text)));
        EXPECT_TEXT(text, good[i][1]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(!prl_origin_canonical(bad[i], text, sizeof(text)));
    EXPECT(!prl_origin_canonical("example.com", text, 5));
}

PRL_TEST(origin_parses_hosts)
{
    struct prl_origin_name name;
    EXPECT(prl_origin_parse_host("Voice.Example:8443", &name));
    EXPECT_TEXT(name.host, "voice.example");
    EXPECT_INT(name.port, 8443);
    EXPECT(prl_origin_parse_host("[::FFFF:127.0.0.1]:80", &name));
    EXPECT_TEXT(name.host, "127.0.0.1");
    EXPECT(prl_origin_parse_host("localhost", &name));
    EXPECT_INT(name.port, 0);
    static const char *const bad[] = {"",     ":80",     "a:",   "a:0",    "a:65536",
                                      "a:8x", "a:80:80", "[::1", "[::1]x", "[1.2.3.4]",
                                      "::1",  "u@h",     "h/p"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(!prl_origin_parse_host(bad[i], &name));
}

PRL_TEST(origin_loopback_names)
{
    EXPECT(prl_origin_loopback("127.0.0.1") && prl_origin_loopback("127.9.9.9"));
    EXPECT(prl_origin_loopback("::1") && prl_origin_loopback("localhost"));
    EXPECT(!prl_origin_loopback("128.0.0.1") && !prl_origin_loopback("localhost.evil.example"));
    EXPECT(!prl_origin_loopback("::2") && !prl_origin_loopback(""));
}

PRL_TEST(origin_rules)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "::1", "voice.example"};
    static const char *const origins[] = {"https://app.example"};
    static const char *const any[] = {"*"};
    const struct prl_origin_rules rules = {hosts, 4, origins, 1};
    EXPECT_INT(prl_origin_check_host(&rules, NULL, ""), 400);
    EXPECT_INT(prl_origin_check_host(&rules, "a b", ""), 400);
    EXPECT_INT(prl_origin_check_host(&rules, "VOICE.example:99", ""), 0);
    EXPECT_INT(prl_origin_check_host(&rules, "0.0.0.0:8080", ""), 0);
    EXPECT_INT(prl_origin_check_host(&rules, "10.0.0.7:8080", "10.0.0.7"), 0);
    EXPECT_INT(prl_origin_check_host(&rules, "10.0.0.7:8080", "10.0.0.8"), 421);
    EXPECT_INT(prl_origin_check_host(&rules, "rebound.evil.example:8080", "127.0.0.1"), 421);

    EXPECT_INT(prl_origin_check(&rules, NULL, "localhost:8080", false), 0);
    EXPECT_INT(prl_origin_check(&rules, "http://localhost:8080", "localhost:8080", false), 0);
    EXPECT_INT(prl_origin_check(&rules, "http://LOCALHOST:8080", "localhost:8080", false), 0);
    EXPECT_INT(prl_origin_check(&rules, "https://voice.example", "voice.example:443", true), 0);
    EXPECT_INT(prl_origin_check(&rules, "http://[::1]:80", "[::1]", false), 0);
    EXPECT_INT(prl_origin_check(&rules, "https://App.example", "localhost", false), 0);
    EXPECT_INT(prl_origin_check(&rules, "http://localhost:8081", "localhost:8080", false), 403);
    EXPECT_INT(prl_origin_check(&rules, "http://localhost:8080", "127.0.0.1:8080", false), 403);
    EXPECT_INT(prl_origin_check(&rules, "https://localhost:8080", "localhost:8080", false), 403);
    EXPECT_INT(
        prl_origin_check(&rules, "http://localhost:8080.evil.example", "localhost:8080", false),
        403);
    EXPECT_INT(prl_origin_check(&rules, "http://localhost:8080@evil", "localhost:8080", false),
               403);
    EXPECT_INT(prl_origin_check(&rules, "https://app.example.evil", "localhost", false), 403);
    EXPECT_INT(prl_origin_check(&rules, "null", "localhost", false), 403);
    EXPECT_INT(prl_origin_check(&rules, "", "localhost", false), 403);
    const struct prl_origin_rules open = {hosts, 4, any, 1};
    EXPECT_INT(prl_origin_check(&open, "null", "localhost", false), 0);
}

PRL_TEST(url_of_servers)
{
    struct prl_url url;
    EXPECT(prl_url_parse("wss://Host.example/v1/realtime?model=a%20b", &url));
    EXPECT(url.tls);
    EXPECT_TEXT(url.host, "host.example");
    EXPECT_INT(url.port, 443);
    EXPECT_TEXT(url.target, "/v1/realtime?model=a%20b");
    EXPECT(prl_url_parse("ws://[::1]:8080?x", &url));
    EXPECT_TEXT(url.host, "::1");
    EXPECT_TEXT(url.target, "/?x");
    EXPECT(prl_url_parse("HTTP://127.0.0.1", &url));
    EXPECT(!url.tls && url.port == 80);
    EXPECT_TEXT(url.target, "/");
    static const char *const bad[] = {
        "",          "host",       "ftp://h/",  "ws://",           "ws:///p",
        "ws://h:0/", "ws://h/a b", "ws://u@h/", "ws://h/\r\nX: y", "ws://h/#f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(!prl_url_parse(bad[i], &url));
    static char endless[4096] = "ws://h/";
    memset(endless + 7, 'a', sizeof(endless) - 8);
    EXPECT(!prl_url_parse(endless, &url));
}

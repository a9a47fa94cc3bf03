// test_ice_servers.c -- the setting's text becomes a browser's RTCConfiguration, or a clear sentence.
#include <string.h>

#include "api/ice_servers.h"
#include "tests/unit.h"

static void expect_json(const char *list, const char *expected)
{
    struct prl_ice_servers *servers;
    char why[PRL_ICE_SERVERS_WHY_SIZE];
    REQUIRE(prl_ice_servers_create(&servers, list, NULL, NULL, why) == PRL_OK);
    EXPECT_TEXT(prl_ice_servers_json(servers), expected);
    prl_ice_servers_destroy(&servers);
}

PRL_TEST(ice_servers_as_browsers_want_them)
{
    expect_json("", "{\"iceServers\":[]}");
    expect_json(NULL, "{\"iceServers\":[]}");
    expect_json("stun:stun.example.org, turn:me:pass%40word%2c:x@192.0.2.1:3478?transport=tcp",
                "{\"iceServers\":[{\"urls\":\"stun:stun.example.org\"},"
                "{\"urls\":\"turn:192.0.2.1:3478?transport=tcp\",\"username\":\"me\","
                "\"credential\":\"pass@word,:x\"}]}");
    expect_json(" turns:a:b@[2001:db8::1]:5349 ",
                "{\"iceServers\":[{\"urls\":\"turns:[2001:db8::1]:5349\",\"username\":\"a\","
                "\"credential\":\"b\"}]}");
}

PRL_TEST(ice_servers_wrong_entries_are_named_without_their_secrets)
{
    static const char *const wrong[] = {
        "http://example.org",
        "stun:",
        "turn:example.org",
        "turn:user@example.org",
        "stun:me:pw@example.org",
        "stun:a b",
        "stun:host:port",
        "stun:host:123456",
        "turn:u:secret%zz@host",
        "stun:h?x",
        "stun:[::1",
        "stun:[::g]",
        "turn:u:secret%00@host",
        "turn:u:secret%4",
        "turn:u:secret@h?transport=sctp",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct prl_ice_servers *servers;
        char why[PRL_ICE_SERVERS_WHY_SIZE];
        EXPECT(prl_ice_servers_create(&servers, wrong[i], NULL, NULL, why) == PRL_ERR_INVALID);
        EXPECT(servers == NULL);
        EXPECT(strstr(why, "rtc.ice_servers, entry ") == why);
        EXPECT(!strstr(why, "secret"));
    }
}

PRL_TEST_OOM(ice_servers_create)
{
    struct prl_ice_servers *servers;
    char why[PRL_ICE_SERVERS_WHY_SIZE];
    enum prl_err err = prl_ice_servers_create(&servers, "turn:a:b@c, stun:d", NULL, NULL, why);
    EXPECT((err == PRL_OK) == (servers != NULL));
    prl_ice_servers_destroy(&servers);
}

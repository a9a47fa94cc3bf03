// Tests of rtc/mac: the vectors of RFC 2202 §3.
#include <string.h>

#include "rtc/mac.h"
#include "tests/unit.h"

static void expect_mac(const void *key, size_t key_size, const void *data, size_t size,
                       const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t mac[PRL_MAC_SIZE];
    char text[2 * PRL_MAC_SIZE + 1] = {0};
    prl_mac_hmac_sha1(key, key_size, data, size, mac);
    for (size_t i = 0; i < PRL_MAC_SIZE; i++) {
        text[2 * i] = digits[mac[i] >> 4];
        text[2 * i + 1] = digits[mac[i] & 15];
    }
    EXPECT_TEXT(text, hex);
}

PRL_TEST(vectors_of_rfc_2202)
{
    uint8_t bytes[80];
    memset(bytes, 0x0b, 20);
    expect_mac(bytes, 20, "Hi There", 8, "b617318655057264e28bc0b6fb378c8ef146be00");
    expect_mac("Jefe", 4, "what do ya want for nothing?", 28,
               "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    memset(bytes, 0xaa, sizeof(bytes));
    expect_mac(bytes, 80, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
               "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    expect_mac("", 0, "", 0, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
}

PRL_TEST(one_bit_makes_a_difference)
{
    uint8_t a[PRL_MAC_SIZE] = {0};
    uint8_t b[PRL_MAC_SIZE] = {0};
    EXPECT(prl_mac_equal(a, b));
    for (size_t i = 0; i < PRL_MAC_SIZE; i++) {
        b[i] ^= 0x80;
        EXPECT(!prl_mac_equal(a, b));
        b[i] ^= 0x80;
    }
}

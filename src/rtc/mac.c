// mac.c -- see mac.h. The SHA-1 is the one of the WebSocket handshake.
#include "rtc/mac.h"

#include <string.h>

#include "base/check.h"
#include "net/ws_key.h"

enum { BLOCK = 64 };

static void hash_padded(const uint8_t key[BLOCK], uint8_t pad, const void *data, size_t size,
                        uint8_t digest[PRL_MAC_SIZE])
{
    uint8_t bytes[BLOCK + PRL_MAC_DATA_MAX];
    for (size_t i = 0; i < BLOCK; i++)
        bytes[i] = key[i] ^ pad;
    if (size > 0)
        memcpy(bytes + BLOCK, data, size);
    prl_sha1(bytes, BLOCK + size, digest);
}

void prl_mac_hmac_sha1(const void *key, size_t key_size, const void *data, size_t size,
                       uint8_t mac[PRL_MAC_SIZE])
{
    PRL_CHECK(size <= PRL_MAC_DATA_MAX);
    uint8_t block[BLOCK] = {0};
    if (key_size > BLOCK)
        prl_sha1(key, key_size, block);
    else if (key_size > 0)
        memcpy(block, key, key_size);
    uint8_t inner[PRL_MAC_SIZE];
    hash_padded(block, 0x36, data, size, inner);
    hash_padded(block, 0x5c, inner, sizeof(inner), mac);
}

bool prl_mac_equal(const uint8_t a[PRL_MAC_SIZE], const uint8_t b[PRL_MAC_SIZE])
{
    unsigned difference = 0;
    for (size_t i = 0; i < PRL_MAC_SIZE; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

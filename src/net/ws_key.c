// ws_key.c -- see ws_key.h.
#include "net/ws_key.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t rotate(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

static void sha1_block(uint32_t state[5], const uint8_t block[64])
{
    uint32_t w[80];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (size_t i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? (b & c) | (~b & d)
                     : i < 40 ? b ^ c ^ d
                     : i < 60 ? (b & c) | (b & d) | (c & d)
                              : b ^ c ^ d;
        static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void prl_sha1(const void *data, size_t len, uint8_t digest[20])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *bytes = data;
    size_t done = 0;
    for (; len - done >= 64; done += 64)
        sha1_block(state, bytes + done);
    uint8_t tail[128] = {0};
    size_t rest = len - done;
    if (rest > 0)
        memcpy(tail, bytes + done, rest);
    tail[rest] = 0x80;
    size_t size = rest + 9 <= 64 ? 64 : 128;
    for (size_t i = 0; i < 8; i++)
        tail[size - 1 - i] = (uint8_t)((uint64_t)len * 8 >> 8 * i);
    for (size_t at = 0; at < size; at += 64)
        sha1_block(state, tail + at);
    for (size_t i = 0; i < 20; i++)
        digest[i] = (uint8_t)(state[i / 4] >> 8 * (3 - i % 4));
}

static void encode(const uint8_t *data, size_t len, char *out)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t word = (uint32_t)data[i] << 16;
        word |= i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0;
        word |= i + 2 < len ? data[i + 2] : 0;
        out[at++] = alphabet[word >> 18];
        out[at++] = alphabet[word >> 12 & 63];
        out[at++] = '=';
        out[at++] = '=';
        if (i + 1 < len)
            out[at - 2] = alphabet[word >> 6 & 63];
        if (i + 2 < len)
            out[at - 1] = alphabet[word & 63];
    }
    out[at] = '\0';
}

bool prl_ws_key_accept(const char *key, char accept[PRL_WS_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    enum { KEY_LEN = PRL_WS_KEY_SIZE - 1 };
    if (strlen(key) != KEY_LEN || strspn(key, alphabet) != KEY_LEN - 2 ||
        memcmp(key + KEY_LEN - 2, "==", 2) != 0)
        return false;
    uint8_t text[KEY_LEN + sizeof(guid) - 1];
    memcpy(text, key, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof(guid) - 1);
    uint8_t digest[20];
    prl_sha1(text, sizeof(text), digest);
    encode(digest, sizeof(digest), accept);
    return true;
}

void prl_ws_key_make(const uint8_t random[16], char key[PRL_WS_KEY_SIZE])
{
    encode(random, 16, key);
}

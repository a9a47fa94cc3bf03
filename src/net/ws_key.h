// ws_key.h -- the opening handshake's proof: Sec-WebSocket-Accept from Sec-WebSocket-Key.
//
// Threads:  pure functions.
// Memory:   no allocation.
// Source:   RFC 6455 §4.2.2 step 5.4; SHA-1 as FIPS 180-4 (no secrecy depends on it here).
#ifndef PRL_NET_WS_KEY_H
#define PRL_NET_WS_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_WS_KEY_SIZE = 25, PRL_WS_ACCEPT_SIZE = 29 };

// False when `key` is not the base64 of 16 bytes.
bool prl_ws_key_accept(const char *key, char accept[PRL_WS_ACCEPT_SIZE]);
// A client's key from 16 random bytes.
void prl_ws_key_make(const uint8_t random[16], char key[PRL_WS_KEY_SIZE]);
void prl_sha1(const void *data, size_t len, uint8_t digest[20]);

#endif

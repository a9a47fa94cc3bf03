// mac.h -- HMAC-SHA1, as STUN's MESSAGE-INTEGRITY uses it.
//
// Units:    bytes.
// Threads:  pure functions.
// Memory:   no allocation; the message is copied to the stack, hence its bound.
// Errors:   none; longer input is the caller's mistake.
// Source:   RFC 2104, RFC 2202 (test vectors).
#ifndef PRL_RTC_MAC_H
#define PRL_RTC_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_MAC_SIZE = 20, PRL_MAC_DATA_MAX = 2048 };

void prl_mac_hmac_sha1(const void *key, size_t key_size, const void *data, size_t size,
                       uint8_t mac[PRL_MAC_SIZE]);
// Takes the same time wherever they differ.
bool prl_mac_equal(const uint8_t a[PRL_MAC_SIZE], const uint8_t b[PRL_MAC_SIZE]);

#endif

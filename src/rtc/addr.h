// addr.h -- network addresses in one form, for every allow, deny and comparison.
//
// A canonical address is IPv4 wherever it can be (::ffff:192.0.2.1 is 192.0.2.1), has no flow
// label, and no scope unless it is link-local; bytes that its family does not use are zeros.
// Units:    ports in host order.
// Threads:  pure functions.
// Memory:   no allocation.
// Errors:   false for what is no IPv4 or IPv6 address.
// Source:   RFC 4291 §2.5, RFC 6890 (special addresses), RFC 6052 (64:ff9b::/96), RFC 3056
//           (2002::/16).
#ifndef PRL_RTC_ADDR_H
#define PRL_RTC_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/acceptor.h"

enum { PRL_ADDR_TEXT_SIZE = 64 }; // "[…]:65535" with a scope, and its zero

enum prl_addr_kind {
    PRL_ADDR_UNSPECIFIED, // 0/8, ::, ::a.b.c.d
    PRL_ADDR_LOOPBACK,    // 127/8, ::1
    PRL_ADDR_LINK_LOCAL,  // 169.254/16, fe80::/10
    PRL_ADDR_PRIVATE,     // 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7, fec0::/10
    PRL_ADDR_MULTICAST,   // 224/4, 240/4 with broadcast, ff00::/8
    PRL_ADDR_PUBLIC,      // the rest
};

// What the kernel hands out, and addresses put together by hand. False, and *out all zeros, when
// `size` does not cover the family or the family is another one.
bool prl_addr_from(union prl_sockaddr *out, const void *sockaddr, size_t size);
// Numeric text without brackets and scope. False, and *out all zeros, when it is none.
bool prl_addr_parse(union prl_sockaddr *out, const char *text, uint16_t port);

// All of these take canonical addresses.
bool prl_addr_equal(const union prl_sockaddr *a, const union prl_sockaddr *b); // with the port
bool prl_addr_same_host(const union prl_sockaddr *a, const union prl_sockaddr *b);
// Spreads over 32 bits; not secret, so a table that strangers fill must be bounded.
uint32_t prl_addr_hash(const union prl_sockaddr *address);
// An IPv6 address that embeds an IPv4 one for a translator (64:ff9b::/96, 2002::/16) is of that
// one's kind, unless that is public.
enum prl_addr_kind prl_addr_kind(const union prl_sockaddr *address);
bool prl_addr_is_v6(const union prl_sockaddr *address);
uint16_t prl_addr_port(const union prl_sockaddr *address);
void prl_addr_set_port(union prl_sockaddr *address, uint16_t port);
// For sendto and bind.
size_t prl_addr_size(const union prl_sockaddr *address);
// "192.0.2.1:80", "[2001:db8::1]:80". For the address alone: prl_sockaddr_text.
void prl_addr_text(const union prl_sockaddr *address, char text[PRL_ADDR_TEXT_SIZE]);

#endif

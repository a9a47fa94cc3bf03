// addr.c -- see addr.h.
#include "rtc/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static bool is_link_local_v6(const struct in6_addr *address)
{
    return address->s6_addr[0] == 0xfe && (address->s6_addr[1] & 0xc0) == 0x80;
}

static void set_v4(union prl_sockaddr *out, const uint8_t bytes[4], in_port_t port)
{
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = port;
    memcpy(&out->v4.sin_addr, bytes, 4);
}

bool prl_addr_from(union prl_sockaddr *out, const void *sockaddr, size_t size)
{
    union prl_sockaddr in;
    memset(&in, 0, sizeof(in));
    memset(out, 0, sizeof(*out));
    if (!sockaddr || size < sizeof(in.any.sa_family))
        return false;
    memcpy(&in, sockaddr, size < sizeof(in) ? size : sizeof(in));
    if (in.any.sa_family == AF_INET && size >= sizeof(in.v4)) {
        uint8_t bytes[4];
        memcpy(bytes, &in.v4.sin_addr, 4);
        set_v4(out, bytes, in.v4.sin_port);
        return true;
    }
    if (in.any.sa_family != AF_INET6 || size < sizeof(in.v6))
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&in.v6.sin6_addr)) {
        set_v4(out, &in.v6.sin6_addr.s6_addr[12], in.v6.sin6_port);
        return true;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = in.v6.sin6_port;
    out->v6.sin6_addr = in.v6.sin6_addr;
    if (is_link_local_v6(&in.v6.sin6_addr))
        out->v6.sin6_scope_id = in.v6.sin6_scope_id;
    return true;
}

bool prl_addr_parse(union prl_sockaddr *out, const char *text, uint16_t port)
{
    union prl_sockaddr in;
    memset(&in, 0, sizeof(in));
    if (inet_pton(AF_INET, text, &in.v4.sin_addr) == 1) {
        in.v4.sin_family = AF_INET;
        in.v4.sin_port = htons(port);
        return prl_addr_from(out, &in, sizeof(in.v4));
    }
    if (inet_pton(AF_INET6, text, &in.v6.sin6_addr) == 1) {
        in.v6.sin6_family = AF_INET6;
        in.v6.sin6_port = htons(port);
        return prl_addr_from(out, &in, sizeof(in.v6));
    }
    memset(out, 0, sizeof(*out));
    return false;
}

bool prl_addr_equal(const union prl_sockaddr *a, const union prl_sockaddr *b)
{
    return prl_addr_same_host(a, b) && prl_addr_port(a) == prl_addr_port(b);
}

bool prl_addr_same_host(const union prl_sockaddr *a, const union prl_sockaddr *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (!prl_addr_is_v6(a))
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
           memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

// FNV-1a with a last mix, since tables look at the low bits. The scope is left to the comparison.
uint32_t prl_addr_hash(const union prl_sockaddr *address)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    size_t size = prl_addr_is_v6(address) ? sizeof(bytes) : sizeof(struct in_addr);
    if (prl_addr_is_v6(address))
        memcpy(bytes, &address->v6.sin6_addr, sizeof(struct in6_addr));
    else
        memcpy(bytes, &address->v4.sin_addr, sizeof(struct in_addr));
    uint32_t hash = (2166136261U ^ prl_addr_port(address)) * 16777619U;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 16777619U;
    hash ^= hash >> 16;
    hash *= 0x7feb352dU;
    return hash ^ hash >> 15;
}

static enum prl_addr_kind kind_v4(const uint8_t a[4])
{
    if (a[0] == 0)
        return PRL_ADDR_UNSPECIFIED;
    if (a[0] == 127)
        return PRL_ADDR_LOOPBACK;
    if (a[0] == 169 && a[1] == 254)
        return PRL_ADDR_LINK_LOCAL;
    if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
        (a[0] == 100 && (a[1] & 0xc0) == 64))
        return PRL_ADDR_PRIVATE;
    return a[0] >= 224 ? PRL_ADDR_MULTICAST : PRL_ADDR_PUBLIC;
}

static enum prl_addr_kind kind_v6(const uint8_t a[16])
{
    static const uint8_t zeros[12];
    static const uint8_t translated[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(a, zeros, 12) == 0) {
        bool loopback = a[12] == 0 && a[13] == 0 && a[14] == 0 && a[15] == 1;
        return loopback ? PRL_ADDR_LOOPBACK : PRL_ADDR_UNSPECIFIED;
    }
    if (memcmp(a, translated, 12) == 0)
        return kind_v4(a + 12);
    if (a[0] == 0x20 && a[1] == 0x02)
        return kind_v4(a + 2);
    if (a[0] == 0xfe && a[1] >= 0x80)
        return a[1] < 0xc0 ? PRL_ADDR_LINK_LOCAL : PRL_ADDR_PRIVATE;
    if ((a[0] & 0xfe) == 0xfc)
        return PRL_ADDR_PRIVATE;
    return a[0] == 0xff ? PRL_ADDR_MULTICAST : PRL_ADDR_PUBLIC;
}

enum prl_addr_kind prl_addr_kind(const union prl_sockaddr *address)
{
    if (prl_addr_is_v6(address))
        return kind_v6(address->v6.sin6_addr.s6_addr);
    uint8_t bytes[4];
    memcpy(bytes, &address->v4.sin_addr, 4);
    return kind_v4(bytes);
}

bool prl_addr_is_v6(const union prl_sockaddr *address)
{
    return address->any.sa_family == AF_INET6;
}

uint16_t prl_addr_port(const union prl_sockaddr *address)
{
    return prl_sockaddr_port(address);
}

void prl_addr_set_port(union prl_sockaddr *address, uint16_t port)
{
    if (prl_addr_is_v6(address))
        address->v6.sin6_port = htons(port);
    else
        address->v4.sin_port = htons(port);
}

size_t prl_addr_size(const union prl_sockaddr *address)
{
    return prl_addr_is_v6(address) ? sizeof(address->v6) : sizeof(address->v4);
}

void prl_addr_text(const union prl_sockaddr *address, char text[PRL_ADDR_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    prl_sockaddr_text(address, host, sizeof(host));
    bool v6 = prl_addr_is_v6(address);
    int len = snprintf(text, PRL_ADDR_TEXT_SIZE, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
                       prl_addr_port(address));
    PRL_CHECK(len > 0 && len < PRL_ADDR_TEXT_SIZE);
}

// stun.c -- see stun.h.
#include "rtc/stun.h"

#include <string.h>

#include "base/check.h"
#include "rtc/addr.h"
#include "rtc/mac.h"

enum {
    COOKIE = 0x2112a442,
    FINGERPRINT_XOR = 0x5354554e,
    ATTRIBUTE_HEADER = 4,
    INTEGRITY_SIZE = ATTRIBUTE_HEADER + PRL_MAC_SIZE,
    FINGERPRINT_SIZE = ATTRIBUTE_HEADER + 4,
    USERNAME_MAX = 513, // RFC 8489 §14.3: fewer than 514 bytes
    FAMILY_V4 = 1,
    FAMILY_V6 = 2,
};

// RFC 8489 §18.3 and RFC 8445 §20.1; from 0x8000 on an agent may skip what it does not know.
enum {
    MAPPED_ADDRESS = 0x0001,
    USERNAME = 0x0006,
    MESSAGE_INTEGRITY = 0x0008,
    ERROR_CODE = 0x0009,
    UNKNOWN_ATTRIBUTES = 0x000a,
    REALM = 0x0014,
    NONCE = 0x0015,
    MESSAGE_INTEGRITY_SHA256 = 0x001c,
    XOR_MAPPED_ADDRESS = 0x0020,
    PRIORITY = 0x0024,
    USE_CANDIDATE = 0x0025,
    OPTIONAL = 0x8000,
    FINGERPRINT = 0x8028,
    ICE_CONTROLLED = 0x8029,
    ICE_CONTROLLING = 0x802a,
};

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

// CRC-32 of ITU V.42, four bits at a time: checks are rare and short.
static uint32_t crc32(const uint8_t *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

bool prl_stun_is(const uint8_t *data, size_t size)
{
    return size >= PRL_STUN_HEADER_SIZE && data[0] < 4 && get32(data + 4) == COOKIE &&
           get16(data + 2) % 4 == 0 && get16(data + 2) + PRL_STUN_HEADER_SIZE == size;
}

// The address is mixed with the cookie and the transaction, which follow each other in the header.
static void mix_address(uint8_t *bytes, size_t size, const uint8_t *data)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] ^= data[4 + i];
}

static bool parse_mapped(struct prl_stun *stun, const uint8_t *value, size_t len)
{
    uint8_t bytes[16];
    union prl_sockaddr address;
    memset(&address, 0, sizeof(address));
    if (len < 4)
        return false;
    uint16_t port = (uint16_t)(get16(value + 2) ^ (COOKIE >> 16));
    size_t size = value[1] == FAMILY_V4 ? 4 : value[1] == FAMILY_V6 ? 16 : 0;
    if (size == 0 || len != 4 + size)
        return false;
    memcpy(bytes, value + 4, size);
    mix_address(bytes, size, stun->data);
    if (size == 4) {
        address.v4.sin_family = AF_INET;
        memcpy(&address.v4.sin_addr, bytes, 4);
    } else {
        address.v6.sin6_family = AF_INET6;
        memcpy(&address.v6.sin6_addr, bytes, 16);
    }
    prl_addr_set_port(&address, port);
    stun->has_mapped = prl_addr_from(&stun->mapped, &address, prl_addr_size(&address));
    return stun->has_mapped;
}

static bool parse_error(struct prl_stun *stun, const uint8_t *value, size_t len)
{
    if (len < 4 || (value[2] & 7) < 3 || (value[2] & 7) > 6 || value[3] > 99)
        return false;
    stun->error_code = (value[2] & 7U) * 100 + value[3];
    return true;
}

static bool parse_role(struct prl_stun *stun, enum prl_stun_role role, const uint8_t *value,
                       size_t len)
{
    if (len != 8)
        return false;
    stun->role = role;
    stun->tie_breaker = (uint64_t)get32(value) << 32 | get32(value + 4);
    return true;
}

static void note_unknown(struct prl_stun *stun, uint32_t type)
{
    if (type >= OPTIONAL || stun->unknown_count == PRL_STUN_UNKNOWN_MAX)
        return;
    stun->unknown[stun->unknown_count++] = (uint16_t)type;
}

// False: malformed. What has been seen already is skipped.
static bool parse_attribute(struct prl_stun *stun, uint32_t type, const uint8_t *value, size_t len)
{
    switch (type) {
    case USERNAME:
        if (len > USERNAME_MAX)
            return false;
        if (!stun->username) {
            stun->username = (const char *)value;
            stun->username_len = len;
        }
        return true;
    case MESSAGE_INTEGRITY:
        if (len != PRL_MAC_SIZE)
            return false;
        stun->integrity_at = (size_t)(value - ATTRIBUTE_HEADER - stun->data);
        return true;
    case ERROR_CODE:
        return stun->error_code != 0 || parse_error(stun, value, len);
    case XOR_MAPPED_ADDRESS:
        return stun->has_mapped || parse_mapped(stun, value, len);
    case PRIORITY:
        if (len != 4)
            return false;
        stun->priority = stun->has_priority ? stun->priority : get32(value);
        stun->has_priority = true;
        return true;
    case USE_CANDIDATE:
        stun->use_candidate = true;
        return len == 0;
    case ICE_CONTROLLED:
        return stun->role != PRL_STUN_ROLE_NONE ||
               parse_role(stun, PRL_STUN_CONTROLLED, value, len);
    case ICE_CONTROLLING:
        return stun->role != PRL_STUN_ROLE_NONE ||
               parse_role(stun, PRL_STUN_CONTROLLING, value, len);
    case MAPPED_ADDRESS:
    case UNKNOWN_ATTRIBUTES:
    case REALM:
    case NONCE:
    case MESSAGE_INTEGRITY_SHA256:
        return true; // understood, and of no use in ICE
    default:
        note_unknown(stun, type);
        return true;
    }
}

// FINGERPRINT is the last attribute (RFC 8489 §14.7).
static bool check_fingerprint(struct prl_stun *stun, const uint8_t *value, size_t len)
{
    size_t at = (size_t)(value - ATTRIBUTE_HEADER - stun->data);
    if (len != 4 || at + FINGERPRINT_SIZE != stun->size)
        return false;
    stun->fingerprint = (crc32(stun->data, at) ^ FINGERPRINT_XOR) == get32(value);
    return stun->fingerprint;
}

static enum prl_stun_class class_of(uint32_t type)
{
    switch (type & 0x0110) {
    case 0x0000:
        return PRL_STUN_REQUEST;
    case 0x0010:
        return PRL_STUN_INDICATION;
    case 0x0100:
        return PRL_STUN_SUCCESS;
    default:
        return PRL_STUN_ERROR;
    }
}

static uint32_t type_of(enum prl_stun_class class, uint32_t method)
{
    static const uint16_t bits[] = {0x0000, 0x0010, 0x0100, 0x0110};
    return bits[class] | (method & 0xf) | (method & 0x70) << 1 | (method & 0xf80) << 2;
}

static uint16_t method_of(uint32_t type)
{
    return (uint16_t)((type & 0xf) | (type & 0xe0) >> 1 | (type & 0x3e00) >> 2);
}

enum prl_err prl_stun_parse(struct prl_stun *stun, const uint8_t *data, size_t size)
{
    memset(stun, 0, sizeof(*stun));
    if (size > PRL_STUN_SIZE_MAX || !prl_stun_is(data, size))
        return PRL_ERR_INVALID;
    stun->data = data;
    stun->size = size;
    stun->class = class_of(get16(data));
    stun->method = method_of(get16(data));
    stun->transaction = data + 8;
    for (size_t at = PRL_STUN_HEADER_SIZE; at < size;) {
        // The size is a multiple of four, so at least a header is left.
        uint32_t type = get16(data + at);
        size_t len = get16(data + at + 2);
        const uint8_t *value = data + at + ATTRIBUTE_HEADER;
        if (padded(len) > size - at - ATTRIBUTE_HEADER)
            return PRL_ERR_INVALID;
        bool good = type == FINGERPRINT       ? check_fingerprint(stun, value, len)
                    : stun->integrity_at == 0 ? parse_attribute(stun, type, value, len)
                                              : true;
        if (!good)
            return PRL_ERR_INVALID;
        at += ATTRIBUTE_HEADER + padded(len);
    }
    return PRL_OK;
}

bool prl_stun_addressee(const struct prl_stun *stun, char *ufrag, size_t size)
{
    const char *colon = stun->username ? memchr(stun->username, ':', stun->username_len) : NULL;
    size_t len = colon ? (size_t)(colon - stun->username) : 0;
    if (len == 0 || len >= size || memchr(stun->username, '\0', len))
        return false;
    memcpy(ufrag, stun->username, len);
    ufrag[len] = '\0';
    return true;
}

bool prl_stun_username_is(const struct prl_stun *stun, const char *first, const char *second)
{
    size_t first_len = strlen(first);
    size_t second_len = strlen(second);
    return stun->username && stun->username_len == first_len + 1 + second_len &&
           memcmp(stun->username, first, first_len) == 0 && stun->username[first_len] == ':' &&
           memcmp(stun->username + first_len + 1, second, second_len) == 0;
}

// The sum is made over everything before the attribute, with a length in the header that ends with
// it (RFC 8489 §14.5).
static void integrity_of(const uint8_t *data, size_t at, const char *password,
                         uint8_t mac[PRL_MAC_SIZE])
{
    _Static_assert((int)PRL_STUN_SIZE_MAX <= (int)PRL_MAC_DATA_MAX, "a message can be summed");
    uint8_t copy[PRL_STUN_SIZE_MAX];
    memcpy(copy, data, at);
    put16(copy + 2, (uint32_t)(at + INTEGRITY_SIZE - PRL_STUN_HEADER_SIZE));
    prl_mac_hmac_sha1(password, strlen(password), copy, at, mac);
}

bool prl_stun_authentic(const struct prl_stun *stun, const char *password)
{
    if (stun->integrity_at == 0)
        return false;
    uint8_t mac[PRL_MAC_SIZE];
    integrity_of(stun->data, stun->integrity_at, password, mac);
    return prl_mac_equal(mac, stun->data + stun->integrity_at + ATTRIBUTE_HEADER);
}

void prl_stun_begin(struct prl_stun_build *build, uint8_t *buf, size_t capacity,
                    enum prl_stun_class class, const uint8_t *transaction)
{
    PRL_CHECK(capacity >= PRL_STUN_HEADER_SIZE);
    memset(buf, 0, capacity);
    *build = (struct prl_stun_build){
        .data = buf,
        .capacity = capacity < PRL_STUN_SIZE_MAX ? capacity : PRL_STUN_SIZE_MAX,
        .size = PRL_STUN_HEADER_SIZE,
    };
    put16(buf, type_of(class, PRL_STUN_BINDING));
    put32(buf + 4, COOKIE);
    memcpy(buf + 8, transaction, PRL_STUN_TRANSACTION_SIZE);
}

// Room for a value of `len` bytes, zeroed; NULL when there is none.
static uint8_t *add(struct prl_stun_build *build, uint32_t type, size_t len)
{
    if (build->failed || ATTRIBUTE_HEADER + padded(len) > build->capacity - build->size) {
        build->failed = true;
        return NULL;
    }
    uint8_t *at = build->data + build->size;
    put16(at, type);
    put16(at + 2, (uint32_t)len);
    build->size += ATTRIBUTE_HEADER + padded(len);
    return at + ATTRIBUTE_HEADER;
}

void prl_stun_add_username(struct prl_stun_build *build, const char *first, const char *second)
{
    size_t first_len = strlen(first);
    size_t second_len = strlen(second);
    uint8_t *value = add(build, USERNAME, first_len + 1 + second_len);
    if (!value)
        return;
    // Without a terminating zero, as an attribute is.
    for (size_t i = 0; i < first_len; i++)
        value[i] = (uint8_t)first[i];
    value[first_len] = ':';
    for (size_t i = 0; i < second_len; i++)
        value[first_len + 1 + i] = (uint8_t)second[i];
}

void prl_stun_add_priority(struct prl_stun_build *build, uint32_t priority)
{
    uint8_t *value = add(build, PRIORITY, 4);
    if (value)
        put32(value, priority);
}

void prl_stun_add_use_candidate(struct prl_stun_build *build)
{
    (void)add(build, USE_CANDIDATE, 0);
}

void prl_stun_add_role(struct prl_stun_build *build, enum prl_stun_role role, uint64_t tie_breaker)
{
    PRL_CHECK(role != PRL_STUN_ROLE_NONE);
    uint8_t *value = add(build, role == PRL_STUN_CONTROLLING ? ICE_CONTROLLING : ICE_CONTROLLED, 8);
    if (!value)
        return;
    put32(value, (uint32_t)(tie_breaker >> 32));
    put32(value + 4, (uint32_t)tie_breaker);
}

void prl_stun_add_mapped(struct prl_stun_build *build, const union prl_sockaddr *address)
{
    bool v6 = prl_addr_is_v6(address);
    size_t size = v6 ? 16 : 4;
    uint8_t *value = add(build, XOR_MAPPED_ADDRESS, 4 + size);
    if (!value)
        return;
    value[1] = v6 ? FAMILY_V6 : FAMILY_V4;
    put16(value + 2, prl_addr_port(address) ^ (COOKIE >> 16));
    if (v6)
        memcpy(value + 4, &address->v6.sin6_addr, 16);
    else
        memcpy(value + 4, &address->v4.sin_addr, 4);
    mix_address(value + 4, size, build->data);
}

void prl_stun_add_error(struct prl_stun_build *build, unsigned code)
{
    PRL_CHECK(code >= 300 && code < 700);
    uint8_t *value = add(build, ERROR_CODE, 4);
    if (!value)
        return;
    value[2] = (uint8_t)(code / 100);
    value[3] = (uint8_t)(code % 100);
}

void prl_stun_add_unknown(struct prl_stun_build *build, const uint16_t *types, size_t count)
{
    uint8_t *value = add(build, UNKNOWN_ATTRIBUTES, 2 * count);
    for (size_t i = 0; value && i < count; i++)
        put16(value + 2 * i, types[i]);
}

static void put_length(struct prl_stun_build *build)
{
    put16(build->data + 2, (uint32_t)(build->size - PRL_STUN_HEADER_SIZE));
}

size_t prl_stun_finish(struct prl_stun_build *build, const char *password)
{
    if (password) {
        size_t at = build->size;
        uint8_t *value = add(build, MESSAGE_INTEGRITY, PRL_MAC_SIZE);
        if (value)
            integrity_of(build->data, at, password, value);
    }
    size_t at = build->size;
    uint8_t *value = add(build, FINGERPRINT, 4);
    if (!value)
        return 0;
    put_length(build);
    put32(value, crc32(build->data, at) ^ FINGERPRINT_XOR);
    return build->size;
}

// stun.h -- STUN messages as ICE uses them: parse, check, build.
//
// Units:    bytes; ports in host order.
// Threads:  pure functions.
// Memory:   no allocation. A parsed message points into the packet and is valid as long as that.
//           What is built is written into the caller's buffer, every byte of it: padding is zeros.
// Errors:   INVALID for a packet that is no well-formed STUN message. A builder that runs out of
//           room remembers it and finish says 0, so a series of calls is checked once.
// Source:   RFC 8489 (STUN), RFC 8445 §7, §16 (attributes of ICE), RFC 5769 (test vectors).
#ifndef PRL_RTC_STUN_H
#define PRL_RTC_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/acceptor.h"

enum {
    PRL_STUN_HEADER_SIZE = 20,
    PRL_STUN_SIZE_MAX = 1500, // a check with the longest names takes 700
    PRL_STUN_TRANSACTION_SIZE = 12,
    PRL_STUN_UNKNOWN_MAX = 8, // attributes reported back; more are only counted
    PRL_STUN_BINDING = 1,
};

enum prl_stun_class {
    PRL_STUN_REQUEST,
    PRL_STUN_INDICATION,
    PRL_STUN_SUCCESS,
    PRL_STUN_ERROR,
};

enum prl_stun_role { PRL_STUN_ROLE_NONE, PRL_STUN_CONTROLLING, PRL_STUN_CONTROLLED };

struct prl_stun {
    const uint8_t *data; // borrowed: the whole packet
    size_t size;
    enum prl_stun_class class;
    uint16_t method;
    const uint8_t *transaction; // PRL_STUN_TRANSACTION_SIZE bytes
    const char *username;       // not terminated; NULL: none
    size_t username_len;
    bool has_priority, use_candidate, has_mapped;
    bool fingerprint; // present and right (a wrong one makes the packet INVALID)
    uint32_t priority;
    enum prl_stun_role role;
    uint64_t tie_breaker;
    union prl_sockaddr mapped;              // XOR-MAPPED-ADDRESS, canonical
    unsigned error_code;                    // 300..699; 0: none
    uint16_t unknown[PRL_STUN_UNKNOWN_MAX]; // attributes that must be understood and are not
    size_t unknown_count;                   // of those kept
    size_t integrity_at;                    // offset of MESSAGE-INTEGRITY; 0: none
};

// The demultiplexer's question (RFC 7983): first byte, magic cookie and length fit. Cheap.
bool prl_stun_is(const uint8_t *data, size_t size);
// Attributes behind MESSAGE-INTEGRITY are not looked at, except FINGERPRINT. Of an attribute that
// comes twice the first counts.
enum prl_err prl_stun_parse(struct prl_stun *stun, const uint8_t *data, size_t size) PRL_MUST_USE;
// The part of USERNAME before its colon: the ufrag of the agent that is addressed. False: no
// username, no colon, or longer than `size` holds with its zero.
bool prl_stun_addressee(const struct prl_stun *stun, char *ufrag, size_t size);
// True when USERNAME is "first:second".
bool prl_stun_username_is(const struct prl_stun *stun, const char *first, const char *second);
// True when MESSAGE-INTEGRITY is there and was made with `password`. Constant time.
bool prl_stun_authentic(const struct prl_stun *stun, const char *password);

struct prl_stun_build {
    uint8_t *data; // borrowed: the caller's buffer
    size_t capacity;
    size_t size;
    bool failed;
};

// Zeroes the buffer and writes the header of a Binding message.
void prl_stun_begin(struct prl_stun_build *build, uint8_t *buf, size_t capacity,
                    enum prl_stun_class class, const uint8_t *transaction);
void prl_stun_add_username(struct prl_stun_build *build, const char *first, const char *second);
void prl_stun_add_priority(struct prl_stun_build *build, uint32_t priority);
void prl_stun_add_use_candidate(struct prl_stun_build *build);
void prl_stun_add_role(struct prl_stun_build *build, enum prl_stun_role role, uint64_t tie_breaker);
void prl_stun_add_mapped(struct prl_stun_build *build, const union prl_sockaddr *address);
// Without a reason phrase: it would only make the answer larger.
void prl_stun_add_error(struct prl_stun_build *build, unsigned code);
void prl_stun_add_unknown(struct prl_stun_build *build, const uint16_t *types, size_t count);
// Adds MESSAGE-INTEGRITY (`password` NULL: none) and FINGERPRINT; the size, or 0 when it did not
// fit.
size_t prl_stun_finish(struct prl_stun_build *build, const char *password);

#endif

// dcep.h -- data channel establishment: the two control messages, and what a payload id means.
//
// Units:    bytes.
// Threads:  any; pure functions.
// Memory:   nothing is allocated; label and protocol point into the parsed message.
// Errors:   INVALID for anything that is not exactly one whole message; FULL when it does not fit.
// Source:   RFC 8832 §5 (messages), RFC 8831 §8 (payload protocol identifiers).
#ifndef PRL_RTC_DCEP_H
#define PRL_RTC_DCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_DCEP_PPID_CONTROL = 50,
    PRL_DCEP_PPID_TEXT = 51,
    PRL_DCEP_PPID_BINARY_PART = 52, // deprecated: a piece, more follow
    PRL_DCEP_PPID_BINARY = 53,
    PRL_DCEP_PPID_TEXT_PART = 54, // deprecated: a piece, more follow
    PRL_DCEP_PPID_TEXT_EMPTY = 56,
    PRL_DCEP_PPID_BINARY_EMPTY = 57,
    PRL_DCEP_OPEN_HEAD_SIZE = 12, // of an OPEN, before label and protocol
    PRL_DCEP_ACK_SIZE = 1,
};

enum prl_dcep_payload { PRL_DCEP_CONTROL, PRL_DCEP_TEXT, PRL_DCEP_BINARY, PRL_DCEP_UNKNOWN };

struct prl_dcep_ppid {
    enum prl_dcep_payload payload;
    bool part;  // deprecated fragmentation: the message goes on in the next one
    bool empty; // carries one byte that is not part of the message
};

// How a payload protocol identifier is to be read; UNKNOWN is ignored by receivers.
struct prl_dcep_ppid prl_dcep_ppid(uint32_t ppid);

enum prl_dcep_reliability {
    PRL_DCEP_RELIABLE,
    PRL_DCEP_RETRANSMITS, // given up after `limit` retransmissions
    PRL_DCEP_LIFETIME,    // given up after `limit` milliseconds
};

struct prl_dcep_open {
    enum prl_dcep_reliability reliability;
    bool unordered;
    uint16_t priority;    // 128 below normal, 256 normal, 512 high, 1024 extra high
    uint32_t limit;       // retransmissions or milliseconds; 0 when RELIABLE
    const char *label;    // not terminated
    size_t label_len;     // 0..65535
    const char *protocol; // not terminated
    size_t protocol_len;  // 0..65535
};

enum prl_dcep_type { PRL_DCEP_ACK = 2, PRL_DCEP_OPEN = 3 };

// Reads one control message; `open` is filled for PRL_DCEP_OPEN only. Label and protocol that are
// not UTF-8 are INVALID. Bytes behind the message are INVALID too.
enum prl_err prl_dcep_parse(const uint8_t *data, size_t size, enum prl_dcep_type *type,
                            struct prl_dcep_open *open) PRL_MUST_USE;
// Writes an OPEN; FULL when `capacity` is short, INVALID when a length is above 65535.
enum prl_err prl_dcep_build_open(const struct prl_dcep_open *open, uint8_t *data, size_t capacity,
                                 size_t *size) PRL_MUST_USE;
void prl_dcep_build_ack(uint8_t data[PRL_DCEP_ACK_SIZE]);

#endif

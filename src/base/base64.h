// base64.h -- RFC 4648 §4, encoding at once and decoding in slices.
//
// Units:    bytes.
// Memory:   none; the caller gives the room.
// Errors:   INVALID on a byte outside the alphabet, on data after the padding, on a cut group at the end.
// Threads:  any.
#ifndef PRL_BASE_BASE64_H
#define PRL_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Length of the text for `size` bytes, without a terminating zero.
size_t prl_base64_size(size_t size);
// Writes prl_base64_size(size) bytes, no terminating zero.
void prl_base64_encode(char *text, const void *data, size_t size);

// Decoder over slices of any length; zeroed is its start.
struct prl_base64 {
    uint32_t bits;   // bits gathered of the open group
    uint32_t count;  // characters in the open group, 0..3
    uint32_t padded; // '=' seen
};

// Decodes a slice into `out`, which holds at least len / 4 * 3 + 3 bytes; *size is what was written.
enum prl_err prl_base64_decode(struct prl_base64 *state, const char *text, size_t len, uint8_t *out,
                               size_t *size) PRL_MUST_USE;
// Call after the last slice: writes the 0..2 bytes of an unpadded last group (tolerated, as many
// clients leave the padding out); one lone character is INVALID.
enum prl_err prl_base64_end(struct prl_base64 *state, uint8_t out[2], size_t *size) PRL_MUST_USE;

#endif

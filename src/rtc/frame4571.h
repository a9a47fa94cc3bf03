// frame4571.h -- datagrams inside a TCP stream: a 16-bit length before each.
//
// Threads:  one owner. Pure.
// Memory:   a plain value, about 1.5 KB; holds at most one datagram that is not whole yet.
// Errors:   INVALID: a length above PRL_FRAME4571_MAX; the stream is garbage, close it. Empty frames
//           are skipped.
// Source:   RFC 4571 §2; ICE over TCP: RFC 6544 §3.
#ifndef PRL_RTC_FRAME4571_H
#define PRL_RTC_FRAME4571_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_FRAME4571_MAX = 1500, PRL_FRAME4571_HEAD = 2 };

struct prl_frame4571 {
    size_t used; // bytes in buffer: head first
    uint8_t buffer[PRL_FRAME4571_HEAD + PRL_FRAME4571_MAX];
};

struct prl_frame4571_packet {
    const uint8_t *data; // into the bytes given or into the frame; valid until the next call
    size_t size;         // 1..PRL_FRAME4571_MAX
};

void prl_frame4571_init(struct prl_frame4571 *frame);
// Takes bytes from `data` (*used of them) up to the end of the next datagram: OK. AGAIN: everything was
// taken and more is needed.
enum prl_err prl_frame4571_next(struct prl_frame4571 *frame, const uint8_t *data, size_t size,
                                size_t *used, struct prl_frame4571_packet *packet) PRL_MUST_USE;
// The head to write before a datagram of 1..65,535 bytes.
void prl_frame4571_head(size_t size, uint8_t head[PRL_FRAME4571_HEAD]);

#endif

// rtcp_bytes.h -- numbers in network order, shared by rtcp.c and rtcp_feedback.c; for nobody else.
//
// Threads:  any. Memory: none. Errors: none; the caller has checked the lengths.
#ifndef PRL_RTC_RTCP_BYTES_H
#define PRL_RTC_RTCP_BYTES_H

#include <stdint.h>

#include "rtc/rtcp.h"

enum { PRL_RTCP_HEADER = 4, PRL_RTCP_TYPE_RTPFB = 205, PRL_RTCP_FORMAT_FEEDBACK = 15 };

static inline uint32_t prl_rtcp_u16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t prl_rtcp_u24(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 16 | prl_rtcp_u16(bytes + 1);
}

static inline uint32_t prl_rtcp_u32(const uint8_t *bytes)
{
    return prl_rtcp_u16(bytes) << 16 | prl_rtcp_u16(bytes + 2);
}

static inline void prl_rtcp_put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void prl_rtcp_put32(uint8_t *bytes, uint32_t value)
{
    prl_rtcp_put16(bytes, value >> 16);
    prl_rtcp_put16(bytes + 2, value & 0xffff);
}

// Writes the header of a packet of `whole` bytes, zeroes the rest and returns where it begins; NULL
// when there is no room.
uint8_t *prl_rtcp_begin(struct prl_rtcp_writer *writer, unsigned count, unsigned type,
                        size_t whole);

#endif

// dcep.c -- see dcep.h. An OPEN is: type, channel type, priority (16 bits), reliability parameter
// (32), label length (16), protocol length (16), label, protocol; all in network order.
#include "rtc/dcep.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

enum { UNORDERED = 0x80, LEN_MAX = 65535 };

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

struct prl_dcep_ppid prl_dcep_ppid(uint32_t ppid)
{
    switch (ppid) {
    case PRL_DCEP_PPID_CONTROL:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_CONTROL};
    case PRL_DCEP_PPID_TEXT:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_TEXT};
    case PRL_DCEP_PPID_TEXT_PART:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_TEXT, .part = true};
    case PRL_DCEP_PPID_TEXT_EMPTY:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_TEXT, .empty = true};
    case PRL_DCEP_PPID_BINARY:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_BINARY};
    case PRL_DCEP_PPID_BINARY_PART:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_BINARY, .part = true};
    case PRL_DCEP_PPID_BINARY_EMPTY:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_BINARY, .empty = true};
    default:
        return (struct prl_dcep_ppid){.payload = PRL_DCEP_UNKNOWN};
    }
}

static enum prl_err parse_open(const uint8_t *data, size_t size, struct prl_dcep_open *open)
{
    if (size < PRL_DCEP_OPEN_HEAD_SIZE)
        return PRL_ERR_INVALID;
    size_t label_len = get16(data + 8);
    size_t protocol_len = get16(data + 10);
    unsigned reliability = data[1] & (unsigned)~UNORDERED;
    if (reliability > PRL_DCEP_LIFETIME ||
        size - PRL_DCEP_OPEN_HEAD_SIZE != label_len + protocol_len)
        return PRL_ERR_INVALID;
    const char *label = (const char *)data + PRL_DCEP_OPEN_HEAD_SIZE;
    if (!prl_utf8_valid(label, label_len) || !prl_utf8_valid(label + label_len, protocol_len))
        return PRL_ERR_INVALID;
    *open = (struct prl_dcep_open){
        .reliability = (enum prl_dcep_reliability)reliability,
        .unordered = (data[1] & UNORDERED) != 0,
        .priority = get16(data + 2),
        .label = label,
        .label_len = label_len,
        .protocol = label + label_len,
        .protocol_len = protocol_len,
    };
    // RFC 8832 §5.1: senders set it to 0 on a reliable channel, receivers ignore it there.
    if (reliability != PRL_DCEP_RELIABLE)
        open->limit = (uint32_t)get16(data + 4) << 16 | get16(data + 6);
    return PRL_OK;
}

enum prl_err prl_dcep_parse(const uint8_t *data, size_t size, enum prl_dcep_type *type,
                            struct prl_dcep_open *open)
{
    PRL_CHECK((data || size == 0) && type && open);
    if (size == PRL_DCEP_ACK_SIZE && data[0] == PRL_DCEP_ACK) {
        *type = PRL_DCEP_ACK;
        return PRL_OK;
    }
    if (size == 0 || data[0] != PRL_DCEP_OPEN)
        return PRL_ERR_INVALID;
    *type = PRL_DCEP_OPEN;
    return parse_open(data, size, open);
}

enum prl_err prl_dcep_build_open(const struct prl_dcep_open *open, uint8_t *data, size_t capacity,
                                 size_t *size)
{
    PRL_CHECK(open && data && size);
    if (open->label_len > LEN_MAX || open->protocol_len > LEN_MAX)
        return PRL_ERR_INVALID;
    *size = PRL_DCEP_OPEN_HEAD_SIZE + open->label_len + open->protocol_len;
    if (capacity < *size)
        return PRL_ERR_FULL;
    data[0] = PRL_DCEP_OPEN;
    data[1] = (uint8_t)(open->reliability | (open->unordered ? UNORDERED : 0));
    put16(data + 2, open->priority);
    put16(data + 4, open->limit >> 16);
    put16(data + 6, open->limit & 0xffff);
    put16(data + 8, open->label_len);
    put16(data + 10, open->protocol_len);
    if (open->label_len > 0)
        memcpy(data + PRL_DCEP_OPEN_HEAD_SIZE, open->label, open->label_len);
    if (open->protocol_len > 0)
        memcpy(data + PRL_DCEP_OPEN_HEAD_SIZE + open->label_len, open->protocol,
               open->protocol_len);
    return PRL_OK;
}

void prl_dcep_build_ack(uint8_t data[PRL_DCEP_ACK_SIZE])
{
    data[0] = PRL_DCEP_ACK;
}

// dtls_record.c -- see dtls_record.h.
#include "rtc/dtls_record.h"

#include "rtc/dtls.h"

enum {
    RECORD_HEADER = 13,
    RECORD_SIZE_MAX = 16384 + 256, // RFC 6347 §4.1: 2^14 and what a cipher of ours adds
    CONTENT_CCS = 20,
    CONTENT_DATA = 23,
};

static size_t record_size(const uint8_t *record)
{
    return (size_t)record[11] << 8 | record[12];
}

static unsigned record_epoch(const uint8_t *record)
{
    return (unsigned)record[3] << 8 | record[4];
}

static bool plausible_record(const uint8_t *record, size_t size)
{
    if (size < RECORD_HEADER || record[0] < CONTENT_CCS || record[0] > CONTENT_DATA)
        return false;
    // 254.253 is DTLS 1.2; a first ClientHello may call itself 1.0, 254.255.
    if (record[1] != 254 || (record[2] != 253 && record[2] != 255))
        return false;
    size_t length = record_size(record);
    return length > 0 && length <= RECORD_SIZE_MAX && length <= size - RECORD_HEADER;
}

bool prl_dtls_plausible(const uint8_t *datagram, size_t size)
{
    if (size == 0 || size > PRL_DTLS_DATAGRAM_MAX)
        return false;
    while (size > 0) {
        if (!plausible_record(datagram, size))
            return false;
        size_t whole = RECORD_HEADER + record_size(datagram);
        datagram += whole;
        size -= whole;
    }
    return true;
}

unsigned prl_dtls_encrypted(const uint8_t *datagram, size_t size)
{
    unsigned count = 0;
    for (size_t at = 0; at < size; at += RECORD_HEADER + record_size(datagram + at))
        count += record_epoch(datagram + at) > 0;
    return count;
}

// fuzz_dtls_record.c -- the filter before OpenSSL: what passes is a row of records without a rest.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "rtc/dtls.h"
#include "rtc/dtls_record.h"
#include "rtc/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 13 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!prl_dtls_plausible(data, size))
        return 0;
    if (size > PRL_DTLS_DATAGRAM_MAX || prl_rtp_classify(data, size) != PRL_RTP_KIND_DTLS)
        abort();
    size_t at = 0;
    while (at < size) {
        if (size - at < HEADER || data[at] < 20 || data[at] > 23 || data[at + 1] != 254)
            abort();
        at += HEADER + ((size_t)data[at + 11] << 8 | data[at + 12]);
    }
    if (at != size)
        abort();
    return 0;
}

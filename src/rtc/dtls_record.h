// dtls_record.h -- the heads of DTLS records: what may pass to OpenSSL at all.
//
// Units:    bytes.
// Threads:  any; pure.
// Memory:   none.
// Source:   RFC 6347 §4.1.
#ifndef PRL_RTC_DTLS_RECORD_H
#define PRL_RTC_DTLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// True when every record of the datagram has a type, version and length that DTLS 1.2 can have.
bool prl_dtls_plausible(const uint8_t *datagram, size_t size);
// Of a plausible datagram: how many of its records are encrypted, which is those of an epoch above 0.
unsigned prl_dtls_encrypted(const uint8_t *datagram, size_t size);

#endif

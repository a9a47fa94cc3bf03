// dtls.h -- one DTLS 1.2 association: handshake, SRTP keys, and data for SCTP.
//
// Pure towards the network: datagrams and time go in, datagrams and a deadline come out.
//
// Units:    bytes; microseconds, monotonic.
// Threads:  a certificate may be shared by several threads after create; an association has one owner.
// Memory:   45 KiB a connected association, 62 KiB during the handshake, which takes a server 0.65 ms
//           of CPU (make micro). The output queue holds PRL_DTLS_OUTPUT_MAX bytes; when it is full a
//           datagram of the handshake is dropped as a network would drop it (it is sent again), and
//           prl_dtls_send answers FULL.
// Errors:   a handshake that cannot succeed, and nothing else, leads to PRL_DTLS_FAILED with
//           prl_dtls_why. Once connected, no datagram that is not authentic changes the state: a stray
//           ClientHello or noise is dropped (CVE-2023-51443 and its kin).
// Source:   RFC 6347, RFC 5764, RFC 8827 §6.5, RFC 8122; OpenSSL 3, wrapped here. There is no
//           HelloVerifyRequest: the caller hands over only datagrams from addresses that ICE has
//           verified with the password of the SDP, which proves more than the cookie would, and the
//           answer goes to the verified address alone.
//           OpenSSL reads the wall clock (gettimeofday) to time retransmissions; the deadline given
//           here follows it. A wall clock that is set during a handshake can only delay or double a
//           retransmission.
#ifndef PRL_RTC_DTLS_H
#define PRL_RTC_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/srtp.h"

enum {
    PRL_DTLS_MTU = 1200,            // longest datagram of ours
    PRL_DTLS_DATA_MAX = 1160,       // longest piece of data; MTU less record header, nonce and tag
    PRL_DTLS_DATAGRAM_MAX = 2048,   // longest datagram that is looked at
    PRL_DTLS_OUTPUT_MAX = 4900,     // four full datagrams; a flight of ours fills one or two
    PRL_DTLS_AHEAD_MAX = 16,        // encrypted records taken before the handshake has come so far
    PRL_DTLS_FINGERPRINT_SIZE = 32, // SHA-256
    PRL_DTLS_FINGERPRINTS_MAX = 4,
};

// ---- certificate ----

struct prl_dtls_cert; // P-256 key, self-signed certificate, and what OpenSSL shares between peers

enum prl_err prl_dtls_cert_create(struct prl_dtls_cert **out) PRL_MUST_USE;
void prl_dtls_cert_destroy(struct prl_dtls_cert **cert); // after the last association
// The 32 bytes for "a=fingerprint:sha-256"; valid as long as the certificate.
const uint8_t *prl_dtls_cert_fingerprint(const struct prl_dtls_cert *cert);

// ---- association ----

enum prl_dtls_state {
    PRL_DTLS_NEW, // not started
    PRL_DTLS_HANDSHAKE,
    PRL_DTLS_CONNECTED, // the peer's certificate has the SDP's fingerprint
    PRL_DTLS_CLOSED,    // by close_notify, the peer's or ours
    PRL_DTLS_FAILED,
};

struct prl_dtls_conf {
    const struct prl_dtls_cert *cert; // borrowed for the life of the association
    bool client;                      // we speak first (offer: setup:passive)
    // SHA-256 as the SDP gave them, 1..4, copied: the peer's certificate must have one of them.
    const uint8_t (*fingerprints)[PRL_DTLS_FINGERPRINT_SIZE];
    size_t fingerprint_count;
    // One piece of data, borrowed for the call, from inside prl_dtls_input. It may call prl_dtls_send;
    // it must not close or destroy.
    void (*on_data)(void *arg, const uint8_t *data, size_t size);
    void *arg;
};

struct prl_dtls;

enum prl_err prl_dtls_create(struct prl_dtls **out, const struct prl_dtls_conf *conf) PRL_MUST_USE;
void prl_dtls_destroy(struct prl_dtls **dtls);

// The client's first flight; a server begins to listen.
void prl_dtls_start(struct prl_dtls *dtls, int64_t now_us);
// One datagram from the verified address. Implausible ones are counted and dropped.
void prl_dtls_input(struct prl_dtls *dtls, const uint8_t *datagram, size_t size, int64_t now_us);
// When prl_dtls_timeout wants to be called; INT64_MAX: not at all.
int64_t prl_dtls_deadline(const struct prl_dtls *dtls);
// Sends the last flight again when it is due; gives up after 12 times.
void prl_dtls_timeout(struct prl_dtls *dtls, int64_t now_us);
// The next datagram to send: copies it out and returns its size, 0 when there is none. `out` has room
// for PRL_DTLS_MTU. Ask until 0 after each call above and below.
size_t prl_dtls_output(struct prl_dtls *dtls, uint8_t *out);

// One piece of data. AGAIN: not connected. INVALID: longer than PRL_DTLS_DATA_MAX, or empty. FULL: take
// the output away first.
enum prl_err prl_dtls_send(struct prl_dtls *dtls, const uint8_t *data, size_t size) PRL_MUST_USE;
// Says close_notify when connected; the state is CLOSED then, or FAILED as it was.
void prl_dtls_close(struct prl_dtls *dtls);

enum prl_dtls_state prl_dtls_state(const struct prl_dtls *dtls);
// Why it failed, or "" otherwise; e.g. "the certificate does not have the fingerprint of the SDP".
// Static text.
const char *prl_dtls_why(const struct prl_dtls *dtls);
// Exports the SRTP keys. INVALID: not connected, or no profile was agreed on (a peer without media).
// The caller wipes them after use (prl_srtp_create).
enum prl_err prl_dtls_keys(struct prl_dtls *dtls, struct prl_srtp_keys *keys) PRL_MUST_USE;

struct prl_dtls_stats {
    uint64_t implausible; // datagrams dropped by the filter, or too far ahead of the handshake
    uint64_t output_lost; // datagrams for which the output queue had no room
    uint64_t retransmits;
};
void prl_dtls_stats(const struct prl_dtls *dtls, struct prl_dtls_stats *stats);

#endif

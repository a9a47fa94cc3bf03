// rtc_client.h -- the other end of a connection, for tests: a controlling ICE agent, DTLS and SRTP, on the
// project's own parts. Takes and gives datagrams; what it sends goes to `send`.
#ifndef PRL_TESTS_RTC_CLIENT_H
#define PRL_TESTS_RTC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtc/dtls.h"
#include "rtc/ice.h"
#include "rtc/sdp.h"
#include "rtc/srtp.h"

enum { RTC_CLIENT_PACKET = 1500, RTC_CLIENT_OFFER = 4096, RTC_CLIENT_SSRC = 0x1234567 };

struct rtc_client {
    // Chosen before rtc_client_open.
    const char *setup; // "actpass", "active" or "passive"
    bool data;         // offer a data channel
    void (*send)(void *arg, const uint8_t *data, size_t size);
    void (*on_data)(void *arg, const uint8_t *data, size_t size); // of SCTP; may be NULL
    void *arg;
    // Owned.
    struct prl_dtls_cert *cert;
    struct prl_dtls *dtls;
    struct prl_srtp *srtp;
    // State.
    struct prl_ice_credentials local, remote;
    uint8_t fingerprint[PRL_DTLS_FINGERPRINT_SIZE]; // announced; ours unless changed
    struct prl_sdp answer;
    uint16_t seq;
    int64_t now_us;
    int replies;       // good answers to checks
    size_t reply_size; // of the last one
    int rtp, rtcp;     // authentic packets
    int nacks, byes;
    size_t data_bytes; // of SCTP
    uint16_t last_seq;
    uint8_t last[RTC_CLIENT_PACKET]; // payload of the last RTP packet
    size_t last_size;
};

bool rtc_client_open(struct rtc_client *client);
void rtc_client_close(struct rtc_client *client);
// New credentials (ICE restart), the next offer carries them.
void rtc_client_restart(struct rtc_client *client, uint8_t seed);
// Writes the offer; returns its length.
size_t rtc_client_offer(const struct rtc_client *client, char *out, size_t size);
bool rtc_client_answer(struct rtc_client *client, const char *sdp, size_t len);
// One check; returns its size. `password` NULL: the right one.
size_t rtc_client_check(const struct rtc_client *client, bool nominate, const char *password,
                        uint8_t *out);
// The first flight, when we speak first.
void rtc_client_start(struct rtc_client *client);
void rtc_client_input(struct rtc_client *client, const uint8_t *data, size_t size);
// One packet of SCTP.
void rtc_client_data(struct rtc_client *client, const uint8_t *data, size_t size);
// One protected RTP packet; returns its size.
size_t rtc_client_rtp(struct rtc_client *client, uint8_t payload_type, const void *payload,
                      size_t size, uint8_t *out);
// One protected NACK of `count` packets from `seq` on.
size_t rtc_client_nack(struct rtc_client *client, uint16_t seq, size_t count, uint8_t *out);
bool rtc_client_connected(const struct rtc_client *client);

#endif

// rtc_wire.h -- one WebRTC connection as a client has it: offer, ICE, DTLS, SRTP on a socket of its own.
//
// Units:    microseconds of prl_clock_now_us.
// Threads:  the loop thread. Memory: the socket's block (0.6 MB) is most of it; packets allocate nothing.
// Errors:   what ends the connection is told once through `closed`; after it only destroy may follow.
// Limits:   IPv4; one network interface; no reports but receiver reports, no retransmission: for load
//           measurements on a good network.
#ifndef PRL_CLIENT_RTC_WIRE_H
#define PRL_CLIENT_RTC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "rtc/dtls.h"
#include "rtc/rtp.h"

struct prl_loop;
struct prl_rtc_wire;

enum { PRL_RTC_WIRE_OPUS = 111, PRL_RTC_WIRE_FRAME_MAX = 1200, PRL_RTC_WIRE_OFFER_MAX = 8192 };

// None may destroy the wire.
struct prl_rtc_wire_ops {
    void (*connected)(void *arg); // media and data may flow; `client` role of SCTP as of DTLS
    void (*packet)(void *arg, const struct prl_rtp_packet *packet, int64_t arrival_us);
    void (*data)(void *arg, const uint8_t *data, size_t size); // one packet of SCTP
    void (*closed)(void *arg, const char *why);
};

enum prl_err prl_rtc_wire_create(struct prl_rtc_wire **out, struct prl_loop *loop,
                                 const struct prl_dtls_cert *cert,
                                 const struct prl_rtc_wire_ops *ops, void *arg) PRL_MUST_USE;
void prl_rtc_wire_destroy(struct prl_rtc_wire **wire);
// Writes the offer: Opus both ways and a data channel.
enum prl_err prl_rtc_wire_offer(const struct prl_rtc_wire *wire, struct prl_str *out) PRL_MUST_USE;
// INVALID: `why` (PRL_RTC_WHY_SIZE) says what is wrong with the answer.
enum prl_err prl_rtc_wire_answer(struct prl_rtc_wire *wire, const char *sdp, size_t len,
                                 char *why) PRL_MUST_USE;
bool prl_rtc_wire_is_dtls_client(const struct prl_rtc_wire *wire);
// One Opus frame of 20 ms. Dropped before `connected`.
void prl_rtc_wire_send_audio(struct prl_rtc_wire *wire, const uint8_t *frame, size_t size);
// One packet of SCTP.
void prl_rtc_wire_send_data(struct prl_rtc_wire *wire, const uint8_t *data, size_t size);
// A receiver report; call it once a second.
void prl_rtc_wire_report(struct prl_rtc_wire *wire);

#endif

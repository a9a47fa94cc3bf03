// flow.h -- the sound of one connection: SRTP, RTP and RTCP both ways.
//
// Takes protected packets, gives out authentic ones with their codec; takes frames, gives out protected
// packets. Keeps the books that RTCP wants: reports, NACKs both ways, feedback, bitrate advice.
// Units:    microseconds, monotonic; RTP clock units where the name says so.
// Threads:  one owner. Pure.
// Memory:   about 25 KB and SRTP contexts in create and rekey; nothing afterwards.
// Errors:   what is not authentic, repeated, or of a payload that was not agreed on is dropped and counted.
// Bounds:   one compound of RTCP a NACK_GAP_US besides the timed reports; answers to NACK as in
//           resend.h.
// Source:   RFC 3550, RFC 4585, RFC 5506, RFC 3711 §9.5 (a packet is looked at after authentication).
#ifndef PRL_RTC_FLOW_H
#define PRL_RTC_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rtc/rtc.h"
#include "rtc/sdp.h"
#include "rtc/srtp.h"

struct prl_flow;

struct prl_flow_ops {
    void (*send)(void *arg, const uint8_t *data, size_t size); // one protected packet
    void (*on_packet)(void *arg, const struct prl_rtc_packet *packet);
    void (*on_report)(void *arg, const struct prl_rtc_report *report);
};

// What of an offer concerns the sound.
struct prl_flow_terms {
    size_t codec_count;
    struct prl_sdp_codec codecs[PRL_SDP_CODECS_MAX]; // the first one is ours to send
    enum prl_sdp_direction direction;                // as the peer says it
    bool opus_fec, nack, rtcp_rsize, transport_cc;
    uint8_t transport_cc_id;
    uint32_t opus_bitrate_max; // 0: not said
};
void prl_flow_terms(struct prl_flow_terms *terms, const struct prl_sdp *offer);

struct prl_flow_conf {
    struct prl_flow_terms terms;
    uint32_t ssrc;
    const char *cname; // copied
    uint64_t random;
    int64_t wall_offset_us; // wall time less monotonic time
    int64_t now_us;
};

enum prl_err prl_flow_create(struct prl_flow **out, const struct prl_flow_conf *conf,
                             const struct prl_flow_ops *ops, void *arg) PRL_MUST_USE;
void prl_flow_destroy(struct prl_flow **flow);
// First keys, or those of a new DTLS association; without keys nothing goes in or out.
enum prl_err prl_flow_rekey(struct prl_flow *flow, const struct prl_srtp_keys *keys) PRL_MUST_USE;
// What a later offer says. The codec that we send must be among it (CHECK).
void prl_flow_update(struct prl_flow *flow, const struct prl_flow_terms *terms);

// One SRTP or SRTCP packet of at most PRL_SRTP_PACKET_MAX bytes. True: it was authentic.
// Both may call back; the flow must live until they return.
bool prl_flow_rtp(struct prl_flow *flow, const uint8_t *data, size_t size, int64_t now_us);
bool prl_flow_rtcp(struct prl_flow *flow, const uint8_t *data, size_t size, int64_t now_us);

// As prl_rtc_send_audio; at most 1,200 bytes.
void prl_flow_send(struct prl_flow *flow, const uint8_t *payload, size_t size,
                   uint32_t timestamp_step, bool marker, int64_t now_us);
void prl_flow_set_buffer(struct prl_flow *flow, int64_t buffer_us);
void prl_flow_bye(struct prl_flow *flow, int64_t now_us);

int64_t prl_flow_deadline(const struct prl_flow *flow);
void prl_flow_timeout(struct prl_flow *flow, int64_t now_us);

#endif

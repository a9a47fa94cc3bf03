// rtc_wire.c -- see rtc_wire.h. The mirror image of rtc/peer.c with the full agent in place of the
// lite one, and without everything that makes a bad network bearable.
#include "client/rtc_wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/ice_agent.h"
#include "net/loop.h"
#include "net/udp.h"
#include "rtc/reception.h"
#include "rtc/rtcp.h"
#include "rtc/sdp.h"
#include "rtc/srtp.h"
#include "rtc/stun.h"

enum { FRAME_STEP = 960, PLAIN_MAX = PRL_UDP_SIZE_MAX };

struct randoms {
    uint8_t ice[PRL_ICE_RANDOM_SIZE];
    uint64_t agent;
    uint32_t ssrc, timestamp;
    uint16_t seq;
};

struct prl_rtc_wire {
    // Set once.
    struct prl_loop *loop;            // borrowed
    const struct prl_dtls_cert *cert; // borrowed
    const struct prl_rtc_wire_ops *ops;
    void *arg;
    struct prl_ice_credentials local;
    bool dtls_client;
    uint8_t opus; // payload type of the answer
    // Owned.
    struct prl_udp *udp;
    struct prl_timer *timer; // ICE and DTLS
    struct prl_ice_agent *agent;
    struct prl_dtls *dtls;
    struct prl_srtp *srtp;
    struct prl_reception *reception;
    // State.
    struct randoms random; // seq and timestamp go on from theirs
    bool started;          // DTLS
    bool closed;
    uint8_t plain[PLAIN_MAX]; // of the packet that arrives
};

static void on_datagram(void *arg, const struct prl_udp_datagram *datagram);
static void on_timer(void *arg);

enum prl_err prl_rtc_wire_create(struct prl_rtc_wire **out, struct prl_loop *loop,
                                 const struct prl_dtls_cert *cert,
                                 const struct prl_rtc_wire_ops *ops, void *arg)
{
    struct prl_rtc_wire *wire = prl_mem_zalloc(sizeof(*wire));
    *out = wire;
    if (!wire)
        return PRL_ERR_NOMEM;
    wire->loop = loop;
    wire->cert = cert;
    wire->ops = ops;
    wire->arg = arg;
    ssize_t got = getrandom(&wire->random, sizeof(wire->random), 0);
    enum prl_err err = got == (ssize_t)sizeof(wire->random) ? PRL_OK : PRL_ERR_IO;
    prl_ice_make_credentials(&wire->local, wire->random.ice);
    struct prl_reception_conf reception = {.nack = false};
    if (!err)
        err = prl_reception_create(&wire->reception, &reception);
    if (!err)
        err = prl_timer_create(&wire->timer, loop, "rtc wire", on_timer, wire);
    if (!err)
        err = prl_udp_create(&wire->udp, loop, "0.0.0.0", 0, on_datagram, wire);
    if (err)
        prl_rtc_wire_destroy(out);
    return err;
}

void prl_rtc_wire_destroy(struct prl_rtc_wire **wire)
{
    if (!*wire)
        return;
    prl_srtp_destroy(&(*wire)->srtp);
    prl_dtls_destroy(&(*wire)->dtls);
    prl_ice_agent_destroy(&(*wire)->agent);
    prl_reception_destroy(&(*wire)->reception);
    prl_timer_destroy(&(*wire)->timer);
    prl_udp_destroy(&(*wire)->udp);
    prl_mem_free(*wire);
    *wire = NULL;
}

// ---- offer and answer ----

enum prl_err prl_rtc_wire_offer(const struct prl_rtc_wire *wire, struct prl_str *out)
{
    const uint8_t *digest = prl_dtls_cert_fingerprint(wire->cert);
    char fingerprint[3 * PRL_DTLS_FINGERPRINT_SIZE + 1];
    for (size_t i = 0; i < PRL_DTLS_FINGERPRINT_SIZE; i++)
        snprintf(fingerprint + 3 * i, 4, "%02X:", digest[i]);
    fingerprint[sizeof(fingerprint) - 2] = '\0';
    char transport[1024];
    snprintf(transport, sizeof(transport),
             "c=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n"
             "a=setup:actpass\r\n",
             wire->local.ufrag, wire->local.password, fingerprint);
    return prl_str_addf(
        out,
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\n%sa=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
        "a=rtpmap:%d opus/48000/2\r\na=fmtp:%d useinbandfec=1\r\n"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n%sa=mid:1\r\n"
        "a=sctp-port:5000\r\n",
        PRL_RTC_WIRE_OPUS, transport, PRL_RTC_WIRE_OPUS, PRL_RTC_WIRE_OPUS, transport);
}

static void on_dtls_data(void *arg, const uint8_t *data, size_t size)
{
    struct prl_rtc_wire *wire = arg;
    wire->ops->data(wire->arg, data, size);
}

static void start_timer(struct prl_rtc_wire *wire)
{
    if (wire->closed || !wire->agent)
        return;
    int64_t due_us = prl_ice_agent_deadline(wire->agent);
    int64_t dtls_us = wire->started ? prl_dtls_deadline(wire->dtls) : INT64_MAX;
    if (dtls_us < due_us)
        due_us = dtls_us;
    prl_timer_start(wire->timer, due_us);
}

static void close_wire(struct prl_rtc_wire *wire, const char *why)
{
    if (wire->closed)
        return;
    wire->closed = true;
    prl_timer_stop(wire->timer);
    wire->ops->closed(wire->arg, why);
}

enum prl_err prl_rtc_wire_answer(struct prl_rtc_wire *wire, const char *sdp, size_t len, char *why)
{
    PRL_CHECK(wire->agent == NULL);
    struct prl_sdp answer;
    enum prl_err err = prl_sdp_parse(&answer, PRL_SDP_ANSWER, sdp, len, why);
    if (err)
        return err;
    wire->opus = answer.codecs[0].payload_type;
    wire->dtls_client = answer.setup == PRL_SDP_PASSIVE;
    struct prl_ice_agent_conf agent = {.local = &wire->local,
                                       .remote = &answer.ice,
                                       .candidates = answer.candidates,
                                       .candidate_count = answer.candidate_count,
                                       .random = wire->random.agent,
                                       .now_us = prl_clock_now_us()};
    struct prl_dtls_conf dtls = {
        .cert = wire->cert,
        .client = wire->dtls_client,
        .fingerprints = (const uint8_t(*)[PRL_DTLS_FINGERPRINT_SIZE])answer.fingerprints,
        .fingerprint_count = answer.fingerprint_count,
        .on_data = on_dtls_data,
        .arg = wire};
    err = prl_ice_agent_create(&wire->agent, &agent);
    if (err)
        (void)prl_str_copy(why, PRL_RTC_WHY_SIZE, "the answer has no candidate for UDP");
    if (!err)
        err = prl_dtls_create(&wire->dtls, &dtls);
    if (!err)
        prl_timer_start(wire->timer, 0);
    return err;
}

bool prl_rtc_wire_is_dtls_client(const struct prl_rtc_wire *wire)
{
    return wire->dtls_client;
}

// ---- out ----

static void send_out(struct prl_rtc_wire *wire, const void *data, size_t size)
{
    const union prl_sockaddr *to = prl_ice_agent_selected(wire->agent);
    if (to)
        prl_udp_send(wire->udp, data, size, to, NULL);
}

static void send_dtls(struct prl_rtc_wire *wire)
{
    uint8_t datagram[PRL_DTLS_MTU];
    size_t size;
    while ((size = prl_dtls_output(wire->dtls, datagram)) > 0)
        send_out(wire, datagram, size);
}

void prl_rtc_wire_send_audio(struct prl_rtc_wire *wire, const uint8_t *frame, size_t size)
{
    uint8_t packet[PRL_RTP_HEADER_SIZE_MAX + PRL_RTC_WIRE_FRAME_MAX + PRL_SRTP_TRAILER_MAX];
    PRL_CHECK(size <= PRL_RTC_WIRE_FRAME_MAX);
    wire->random.timestamp += FRAME_STEP;
    if (!wire->srtp || wire->closed)
        return;
    struct prl_rtp_header header = {.payload_type = wire->opus,
                                    .seq = wire->random.seq++,
                                    .timestamp = wire->random.timestamp,
                                    .ssrc = wire->random.ssrc};
    size_t used = prl_rtp_build(packet, &header);
    memcpy(packet + used, frame, size);
    used += size;
    if (prl_srtp_protect_rtp(wire->srtp, packet, &used, sizeof(packet)) == PRL_OK)
        send_out(wire, packet, used);
}

void prl_rtc_wire_send_data(struct prl_rtc_wire *wire, const uint8_t *data, size_t size)
{
    if (!wire->closed && wire->started && prl_dtls_send(wire->dtls, data, size) == PRL_OK)
        send_dtls(wire);
}

void prl_rtc_wire_report(struct prl_rtc_wire *wire)
{
    uint8_t packet[PRL_RTCP_SIZE_MAX + PRL_SRTP_TRAILER_MAX];
    struct prl_rtcp_writer writer = {packet, 0, PRL_RTCP_SIZE_MAX};
    struct prl_rtcp_block block;
    if (!wire->srtp || wire->closed ||
        !prl_reception_block(wire->reception, prl_clock_now_us(), &block))
        return;
    enum prl_err err = prl_rtcp_add_report(&writer, wire->random.ssrc, NULL, &block, 1);
    if (!err)
        err = prl_rtcp_add_sdes(&writer, wire->random.ssrc, "bench");
    size_t size = writer.size;
    if (!err)
        err = prl_srtp_protect_rtcp(wire->srtp, packet, &size, sizeof(packet));
    if (!err)
        send_out(wire, packet, size);
}

// ---- in ----

static void take_stun(struct prl_rtc_wire *wire, const struct prl_udp_datagram *datagram)
{
    struct prl_stun stun;
    if (prl_stun_parse(&stun, datagram->data, datagram->size) != PRL_OK)
        return;
    prl_ice_agent_input(wire->agent, &stun, &datagram->remote, datagram->arrival_us);
    if (!wire->started && prl_ice_agent_selected(wire->agent)) {
        wire->started = true;
        prl_dtls_start(wire->dtls, datagram->arrival_us);
        send_dtls(wire);
    }
}

static void take_dtls(struct prl_rtc_wire *wire, const struct prl_udp_datagram *datagram)
{
    if (!wire->started)
        return;
    prl_dtls_input(wire->dtls, datagram->data, datagram->size, datagram->arrival_us);
    send_dtls(wire);
    enum prl_dtls_state state = prl_dtls_state(wire->dtls);
    if (state == PRL_DTLS_FAILED || state == PRL_DTLS_CLOSED) {
        close_wire(wire,
                   state == PRL_DTLS_CLOSED ? "closed by the server" : prl_dtls_why(wire->dtls));
        return;
    }
    struct prl_srtp_keys keys;
    if (wire->srtp || state != PRL_DTLS_CONNECTED)
        return;
    enum prl_err err = prl_dtls_keys(wire->dtls, &keys);
    if (!err)
        err = prl_srtp_create(&wire->srtp, &keys);
    memset(&keys, 0, sizeof(keys));
    if (err)
        close_wire(wire, "no keys for media");
    else
        wire->ops->connected(wire->arg);
}

static void take_rtp(struct prl_rtc_wire *wire, size_t size, int64_t arrival_us)
{
    struct prl_rtp_packet packet;
    if (prl_srtp_unprotect_rtp(wire->srtp, wire->plain, &size) != PRL_OK ||
        prl_rtp_parse(&packet, wire->plain, size) != PRL_OK)
        return;
    struct prl_reception_packet seen = {.ssrc = packet.ssrc,
                                        .seq = packet.seq,
                                        .timestamp = packet.timestamp,
                                        .clock_hz = 48000,
                                        .transport_seq = -1,
                                        .arrival_us = arrival_us};
    enum prl_reception_verdict verdict = prl_reception_packet(wire->reception, &seen);
    if (verdict == PRL_RECEPTION_GOOD || verdict == PRL_RECEPTION_NEW)
        wire->ops->packet(wire->arg, &packet, arrival_us);
}

static void on_datagram(void *arg, const struct prl_udp_datagram *datagram)
{
    struct prl_rtc_wire *wire = arg;
    if (wire->closed || !wire->agent)
        return;
    switch (prl_rtp_classify(datagram->data, datagram->size)) {
    case PRL_RTP_KIND_STUN:
        take_stun(wire, datagram);
        break;
    case PRL_RTP_KIND_DTLS:
        take_dtls(wire, datagram);
        break;
    case PRL_RTP_KIND_RTP:
        if (!wire->srtp)
            return;
        memcpy(wire->plain, datagram->data, datagram->size);
        take_rtp(wire, datagram->size, datagram->arrival_us);
        return;             // changes no deadline
    case PRL_RTP_KIND_RTCP: // sender reports would only be needed for a round-trip time
    case PRL_RTP_KIND_OTHER:
        return;
    }
    start_timer(wire);
}

static void on_timer(void *arg)
{
    struct prl_rtc_wire *wire = arg;
    int64_t now_us = prl_clock_now_us();
    uint8_t check[PRL_STUN_SIZE_MAX];
    union prl_sockaddr to;
    size_t size;
    while ((size = prl_ice_agent_output(wire->agent, now_us, check, &to)) > 0)
        prl_udp_send(wire->udp, check, size, &to, NULL);
    if (prl_ice_agent_state(wire->agent) == PRL_ICE_AGENT_FAILED) {
        close_wire(wire, "no answer to the checks of connectivity");
        return;
    }
    if (wire->started && prl_dtls_deadline(wire->dtls) <= now_us) {
        prl_dtls_timeout(wire->dtls, now_us);
        send_dtls(wire);
        if (prl_dtls_state(wire->dtls) == PRL_DTLS_FAILED) {
            close_wire(wire, prl_dtls_why(wire->dtls));
            return;
        }
    }
    start_timer(wire);
}

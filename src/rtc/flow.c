// flow.c -- see flow.h.
#include "rtc/flow.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "rtc/bwe.h"
#include "rtc/reception.h"
#include "rtc/resend.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"
#include "rtc/sender.h"

enum {
    PAYLOAD_MAX = 1200,
    DATAGRAM_MAX = 1500,
    REPORT_GAP_US = 1000000,   // to the owner
    RECEIVER_GAP_US = 2500000, // receiver reports while we send nothing
    NACK_GAP_US = 20000,
    FEEDBACK_GAP_US = 100000,
    NACKS_MAX = 32,        // a compound
    NACKED_MAX = 64,       // looked at in one NACK of the peer
    ARRIVALS_MAX = 256,    // looked at in one feedback; five seconds of sound
    BUFFER_US = 100000,    // until the owner tells
    RTCP_PER_DATAGRAM = 16 // packets looked at in one compound
};

struct prl_flow {
    // Set once.
    const struct prl_flow_ops *ops;
    void *arg;
    uint32_t ssrc;
    char cname[PRL_RTCP_CNAME_MAX + 1];
    int64_t wall_offset_us;
    enum prl_rtc_codec codec; // that we send
    // Owned.
    struct prl_srtp *srtp;
    struct prl_sender *sender;
    struct prl_reception *reception;
    struct prl_resend *resend;
    struct prl_bwe *bwe;
    // State.
    struct prl_flow_terms terms;
    uint8_t payload_type;
    int64_t buffer_us;
    int64_t report_us;   // next report to the owner
    int64_t receiver_us; // next receiver report while we send nothing
    int64_t nack_us;     // not before
    int64_t feedback_us; // not before
};

// ---- create ----

void prl_flow_terms(struct prl_flow_terms *terms, const struct prl_sdp *offer)
{
    *terms = (struct prl_flow_terms){.codec_count = offer->codec_count,
                                     .direction = offer->direction,
                                     .opus_fec = offer->opus_fec,
                                     .nack = offer->nack,
                                     .rtcp_rsize = offer->rtcp_rsize,
                                     .opus_bitrate_max = offer->opus_bitrate_max};
    memcpy(terms->codecs, offer->codecs, sizeof(terms->codecs));
    terms->transport_cc = offer->transport_cc && offer->transport_cc_id > 0;
    terms->transport_cc_id = terms->transport_cc ? offer->transport_cc_id : 0;
}

static uint32_t clock_of(enum prl_rtc_codec codec)
{
    return codec == PRL_RTC_OPUS ? 48000 : 8000;
}

static enum prl_err create_parts(struct prl_flow *flow, const struct prl_flow_conf *conf)
{
    struct prl_sender_conf sender = {.ssrc = conf->ssrc,
                                     .payload_type = flow->payload_type,
                                     .clock_hz = clock_of(flow->codec),
                                     .transport_seq_id = flow->terms.transport_cc_id,
                                     .random = conf->random,
                                     .wall_offset_us = conf->wall_offset_us};
    struct prl_reception_conf reception = {flow->terms.nack, flow->terms.transport_cc};
    enum prl_err err = prl_sender_create(&flow->sender, &sender);
    if (!err)
        err = prl_reception_create(&flow->reception, &reception);
    if (!err)
        err = prl_resend_create(&flow->resend);
    return err ? err : prl_bwe_create(&flow->bwe);
}

enum prl_err prl_flow_create(struct prl_flow **out, const struct prl_flow_conf *conf,
                             const struct prl_flow_ops *ops, void *arg)
{
    PRL_CHECK(conf->terms.codec_count >= 1);
    *out = NULL;
    struct prl_flow *flow = prl_mem_zalloc(sizeof(*flow));
    if (!flow)
        return PRL_ERR_NOMEM;
    flow->ops = ops;
    flow->arg = arg;
    flow->ssrc = conf->ssrc;
    (void)prl_str_copy(flow->cname, sizeof(flow->cname), conf->cname);
    flow->wall_offset_us = conf->wall_offset_us;
    flow->codec = conf->terms.codecs[0].codec;
    flow->buffer_us = BUFFER_US;
    flow->report_us = conf->now_us + REPORT_GAP_US;
    flow->receiver_us = conf->now_us + RECEIVER_GAP_US;
    prl_flow_update(flow, &conf->terms);
    enum prl_err err = create_parts(flow, conf);
    if (err)
        prl_flow_destroy(&flow);
    *out = flow;
    return err;
}

void prl_flow_destroy(struct prl_flow **flow_at)
{
    struct prl_flow *flow = *flow_at;
    if (!flow)
        return;
    prl_bwe_destroy(&flow->bwe);
    prl_resend_destroy(&flow->resend);
    prl_reception_destroy(&flow->reception);
    prl_sender_destroy(&flow->sender);
    prl_srtp_destroy(&flow->srtp);
    prl_mem_free(flow);
    *flow_at = NULL;
}

enum prl_err prl_flow_rekey(struct prl_flow *flow, const struct prl_srtp_keys *keys)
{
    prl_srtp_destroy(&flow->srtp);
    return prl_srtp_create(&flow->srtp, keys);
}

void prl_flow_update(struct prl_flow *flow, const struct prl_flow_terms *terms)
{
    size_t at = 0;
    while (at < terms->codec_count && terms->codecs[at].codec != flow->codec)
        at++;
    PRL_CHECK(at < terms->codec_count);
    flow->terms = *terms;
    flow->payload_type = terms->codecs[at].payload_type;
}

// ---- RTCP out ----

static void send_rtcp(struct prl_flow *flow, struct prl_rtcp_writer *writer)
{
    if (!flow->srtp || writer->size == 0)
        return;
    size_t size = writer->size;
    if (prl_srtp_protect_rtcp(flow->srtp, writer->data, &size, DATAGRAM_MAX) == PRL_OK)
        flow->ops->send(flow->arg, writer->data, size);
}

// A compound begins with a report and SDES, unless reduced size was agreed on.
static enum prl_err begin_compound(struct prl_flow *flow, struct prl_rtcp_writer *writer)
{
    if (flow->terms.rtcp_rsize)
        return PRL_OK;
    enum prl_err err = prl_rtcp_add_report(writer, flow->ssrc, NULL, NULL, 0);
    return err ? err : prl_rtcp_add_sdes(writer, flow->ssrc, flow->cname);
}

static int64_t report_deadline(const struct prl_flow *flow)
{
    int64_t sender_us = prl_sender_report_deadline(flow->sender);
    return sender_us == INT64_MAX ? flow->receiver_us : sender_us;
}

static enum prl_err add_report(struct prl_flow *flow, struct prl_rtcp_writer *writer,
                               int64_t now_us)
{
    struct prl_rtcp_sr sr;
    struct prl_rtcp_block block;
    bool sending = prl_sender_report_deadline(flow->sender) != INT64_MAX;
    size_t blocks = prl_reception_block(flow->reception, now_us, &block) ? 1 : 0;
    if (sending)
        prl_sender_report(flow->sender, now_us, &sr);
    flow->receiver_us = now_us + RECEIVER_GAP_US;
    enum prl_err err =
        prl_rtcp_add_report(writer, flow->ssrc, sending ? &sr : NULL, &block, blocks);
    return err ? err : prl_rtcp_add_sdes(writer, flow->ssrc, flow->cname);
}

static void send_report(struct prl_flow *flow, int64_t now_us)
{
    uint8_t data[DATAGRAM_MAX];
    struct prl_rtcp_writer writer = {data, 0, PRL_RTCP_SIZE_MAX};
    if (add_report(flow, &writer, now_us) == PRL_OK)
        send_rtcp(flow, &writer);
}

void prl_flow_bye(struct prl_flow *flow, int64_t now_us)
{
    uint8_t data[DATAGRAM_MAX];
    struct prl_rtcp_writer writer = {data, 0, PRL_RTCP_SIZE_MAX};
    if (add_report(flow, &writer, now_us) == PRL_OK &&
        prl_rtcp_add_bye(&writer, flow->ssrc) == PRL_OK)
        send_rtcp(flow, &writer);
}

static void ask_again(struct prl_flow *flow, int64_t now_us)
{
    struct prl_sender_stats sender;
    struct prl_reception_stats reception;
    uint16_t seqs[NACKS_MAX];
    uint8_t data[DATAGRAM_MAX];
    struct prl_rtcp_writer writer = {data, 0, PRL_RTCP_SIZE_MAX};
    prl_sender_stats(flow->sender, &sender);
    size_t count = prl_reception_nacks(flow->reception, now_us, sender.rtt_us, flow->buffer_us,
                                       seqs, NACKS_MAX);
    if (count == 0)
        return;
    flow->nack_us = now_us + NACK_GAP_US;
    prl_reception_stats(flow->reception, &reception);
    if (begin_compound(flow, &writer) == PRL_OK &&
        prl_rtcp_add_nack(&writer, flow->ssrc, reception.ssrc, seqs, count) == PRL_OK)
        send_rtcp(flow, &writer);
}

static void send_feedback(struct prl_flow *flow, int64_t now_us)
{
    uint8_t data[DATAGRAM_MAX];
    struct prl_rtcp_writer writer = {data, 0, PRL_RTCP_SIZE_MAX};
    flow->feedback_us = now_us + FEEDBACK_GAP_US;
    if (begin_compound(flow, &writer) == PRL_OK &&
        prl_reception_feedback(flow->reception, flow->ssrc, &writer) == PRL_OK)
        send_rtcp(flow, &writer);
}

// ---- RTP in ----

static const struct prl_sdp_codec *find_codec(const struct prl_flow *flow, uint8_t payload_type)
{
    for (size_t i = 0; i < flow->terms.codec_count; i++)
        if (flow->terms.codecs[i].payload_type == payload_type)
            return &flow->terms.codecs[i];
    return NULL;
}

static bool peer_sends(const struct prl_flow *flow)
{
    return flow->terms.direction == PRL_SDP_SENDRECV || flow->terms.direction == PRL_SDP_SENDONLY;
}

static bool peer_receives(const struct prl_flow *flow)
{
    return flow->terms.direction == PRL_SDP_SENDRECV || flow->terms.direction == PRL_SDP_RECVONLY;
}

static bool drop(enum prl_metric reason)
{
    prl_metrics_add(reason, 1);
    return false;
}

static bool unprotect(struct prl_flow *flow, uint8_t *plain, const uint8_t *data, size_t *size,
                      bool rtcp)
{
    if (!flow->srtp || *size > DATAGRAM_MAX)
        return drop(PRL_METRIC_RTC_DROPPED_MALFORMED);
    memcpy(plain, data, *size);
    enum prl_err err = rtcp ? prl_srtp_unprotect_rtcp(flow->srtp, plain, size)
                            : prl_srtp_unprotect_rtp(flow->srtp, plain, size);
    if (err)
        return drop(err == PRL_ERR_AGAIN ? PRL_METRIC_RTC_DROPPED_REPEATED
                                         : PRL_METRIC_RTC_DROPPED_FORGED);
    return true;
}

// Authentic: what it says may be believed, as far as it was agreed on.
static void take_packet(struct prl_flow *flow, const struct prl_rtp_packet *rtp, int64_t now_us)
{
    const struct prl_sdp_codec *codec = find_codec(flow, rtp->payload_type);
    if (!codec || !peer_sends(flow)) {
        prl_metrics_add(PRL_METRIC_RTC_DROPPED_UNAGREED, 1);
        return;
    }
    uint16_t transport_seq = 0;
    bool has_seq = prl_rtp_transport_seq(rtp, flow->terms.transport_cc_id, &transport_seq);
    struct prl_reception_packet seen = {.ssrc = rtp->ssrc,
                                        .seq = rtp->seq,
                                        .timestamp = rtp->timestamp,
                                        .clock_hz = clock_of(codec->codec),
                                        .transport_seq = has_seq ? transport_seq : -1,
                                        .arrival_us = now_us};
    enum prl_reception_verdict verdict = prl_reception_packet(flow->reception, &seen);
    if (verdict == PRL_RECEPTION_REPEAT || verdict == PRL_RECEPTION_STALE) {
        prl_metrics_add(PRL_METRIC_RTC_DROPPED_REPEATED, 1);
        return;
    }
    if (flow->terms.nack && now_us >= flow->nack_us)
        ask_again(flow, now_us);
    if (flow->terms.transport_cc && now_us >= flow->feedback_us)
        send_feedback(flow, now_us);
    if (rtp->payload_size == 0)
        return;
    struct prl_rtc_packet packet = {.codec = codec->codec,
                                    .seq = rtp->seq,
                                    .timestamp = rtp->timestamp,
                                    .marker = rtp->marker,
                                    .restart = verdict == PRL_RECEPTION_NEW,
                                    .payload = rtp->payload,
                                    .size = rtp->payload_size,
                                    .arrival_us = now_us};
    flow->ops->on_packet(flow->arg, &packet);
}

bool prl_flow_rtp(struct prl_flow *flow, const uint8_t *data, size_t size, int64_t now_us)
{
    uint8_t plain[DATAGRAM_MAX];
    struct prl_rtp_packet rtp;
    if (!unprotect(flow, plain, data, &size, false))
        return false;
    if (prl_rtp_parse(&rtp, plain, size) == PRL_OK)
        take_packet(flow, &rtp, now_us);
    else
        (void)drop(PRL_METRIC_RTC_DROPPED_MALFORMED);
    return true;
}

// ---- RTCP in ----

static void fill_report(struct prl_flow *flow, struct prl_rtc_report *report)
{
    struct prl_sender_stats sender;
    struct prl_reception_stats reception;
    struct prl_bwe_advice advice;
    prl_sender_stats(flow->sender, &sender);
    prl_reception_stats(flow->reception, &reception);
    prl_bwe_advice(flow->bwe, &advice);
    uint32_t most = flow->terms.opus_bitrate_max;
    *report = (struct prl_rtc_report){
        .loss_out = advice.loss,
        .loss_in = reception.loss,
        .rtt_us = sender.rtt_us,
        .jitter_in_us = reception.jitter_us,
        .jitter_out_us = sender.jitter_us,
        .bitrate_bps = most > 0 && most < advice.bitrate_bps ? most : advice.bitrate_bps,
        .fec_loss_percent = flow->terms.opus_fec ? advice.fec_loss_percent : 0,
        .delivered = sender.reported ? (int64_t)sender.arrived_place : -1};
}

static void tell_report(struct prl_flow *flow, int64_t now_us)
{
    struct prl_rtc_report report;
    flow->report_us = now_us + REPORT_GAP_US;
    fill_report(flow, &report);
    flow->ops->on_report(flow->arg, &report);
}

static bool take_blocks(struct prl_flow *flow, const struct prl_rtcp_packet *packet, int64_t now_us)
{
    bool about_us = false;
    for (size_t i = 0; i < packet->block_count; i++)
        if (prl_sender_block(flow->sender, &packet->blocks[i], now_us)) {
            struct prl_sender_stats sender;
            prl_sender_stats(flow->sender, &sender);
            prl_bwe_report(flow->bwe, now_us, sender.loss, sender.rtt_us, sender.jitter_us);
            about_us = true;
        }
    return about_us;
}

static void answer_nack(struct prl_flow *flow, const struct prl_rtcp_packet *packet, int64_t now_us)
{
    uint16_t seqs[NACKED_MAX];
    struct prl_sender_stats sender;
    if (packet->media_ssrc != flow->ssrc)
        return;
    prl_sender_stats(flow->sender, &sender);
    size_t count = prl_rtcp_nack_seqs(packet, seqs, NACKED_MAX);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *again;
        size_t size;
        if (prl_resend_take(flow->resend, seqs[i], sender.rtt_us, now_us, &again, &size))
            flow->ops->send(flow->arg, again, size);
    }
}

static void take_feedback(struct prl_flow *flow, const struct prl_rtcp_packet *packet,
                          int64_t now_us)
{
    struct prl_rtcp_arrival arrivals[ARRIVALS_MAX];
    struct prl_rtcp_feedback feedback;
    if (flow->terms.transport_cc &&
        prl_rtcp_feedback_parse(packet, &feedback, arrivals, ARRIVALS_MAX) == PRL_OK)
        prl_bwe_feedback(flow->bwe, now_us, arrivals, feedback.count);
}

// True: it was a report on our sound.
static bool take_rtcp(struct prl_flow *flow, const struct prl_rtcp_packet *packet, int64_t now_us)
{
    switch (packet->kind) {
    case PRL_RTCP_SR:
        prl_reception_sr(flow->reception, packet->sender_ssrc, packet->ntp, now_us);
        return take_blocks(flow, packet, now_us);
    case PRL_RTCP_RR:
        return take_blocks(flow, packet, now_us);
    case PRL_RTCP_NACK:
        answer_nack(flow, packet, now_us);
        return false;
    case PRL_RTCP_FEEDBACK:
        take_feedback(flow, packet, now_us);
        return false;
    case PRL_RTCP_BYE: // of a track, not of the connection
    case PRL_RTCP_SDES:
    case PRL_RTCP_OTHER:
        return false;
    }
    return false;
}

bool prl_flow_rtcp(struct prl_flow *flow, const uint8_t *data, size_t size, int64_t now_us)
{
    uint8_t plain[DATAGRAM_MAX];
    struct prl_rtcp_packet packet;
    size_t at = 0;
    bool reported = false;
    if (!unprotect(flow, plain, data, &size, true))
        return false;
    for (int i = 0; i < RTCP_PER_DATAGRAM; i++) {
        enum prl_err err = prl_rtcp_next(plain, size, &at, &packet);
        if (err == PRL_ERR_INVALID)
            (void)drop(PRL_METRIC_RTC_DROPPED_MALFORMED);
        if (err)
            break;
        reported = take_rtcp(flow, &packet, now_us) || reported;
    }
    if (reported)
        tell_report(flow, now_us);
    return true;
}

// ---- RTP out ----

void prl_flow_send(struct prl_flow *flow, const uint8_t *payload, size_t size,
                   uint32_t timestamp_step, bool marker, int64_t now_us)
{
    uint8_t packet[PRL_RTP_HEADER_SIZE_MAX + PAYLOAD_MAX + PRL_SRTP_TRAILER_MAX];
    struct prl_rtp_header header;
    PRL_CHECK(size <= PAYLOAD_MAX);
    if (!flow->srtp || !peer_receives(flow))
        return;
    prl_sender_next(flow->sender, timestamp_step, marker, size, now_us, &header);
    header.payload_type = flow->payload_type;
    header.transport_seq_id = flow->terms.transport_cc_id;
    size_t used = prl_rtp_build(packet, &header);
    memcpy(packet + used, payload, size);
    used += size;
    if (prl_srtp_protect_rtp(flow->srtp, packet, &used, sizeof(packet)) != PRL_OK)
        return;
    prl_resend_keep(flow->resend, header.seq, packet, used, now_us);
    if (header.transport_seq_id > 0)
        prl_bwe_sent(flow->bwe, header.transport_seq, used, now_us);
    flow->ops->send(flow->arg, packet, used);
}

void prl_flow_set_buffer(struct prl_flow *flow, int64_t buffer_us)
{
    flow->buffer_us = buffer_us;
}

// ---- time ----

int64_t prl_flow_deadline(const struct prl_flow *flow)
{
    int64_t report_us = report_deadline(flow);
    return report_us < flow->report_us ? report_us : flow->report_us;
}

void prl_flow_timeout(struct prl_flow *flow, int64_t now_us)
{
    if (now_us >= report_deadline(flow))
        send_report(flow, now_us);
    if (now_us >= flow->report_us)
        tell_report(flow, now_us);
}

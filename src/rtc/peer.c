// peer.c -- see peer.h.
#include "rtc/peer.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "rtc/flow.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"

enum { OUTPUTS_MAX = 64 }; // datagrams taken from DTLS after one call; its queue holds fewer

struct prl_peer {
    // Set once.
    const struct prl_peer_ops *ops;
    void *arg;
    const struct prl_dtls_cert *cert;
    // Owned.
    struct prl_ice *ice;
    struct prl_dtls *dtls; // from the first verified check on
    struct prl_flow *flow; // from the first DTLS handshake on
    // Agreed on.
    struct prl_flow_terms terms;
    size_t fingerprint_count;
    uint8_t fingerprints[PRL_SDP_FINGERPRINTS_MAX][PRL_SDP_FINGERPRINT_SIZE];
    enum prl_sdp_setup setup; // our role
    enum prl_rtc_codec codec; // that we send
    uint32_t ssrc;
    char cname[PRL_RTCP_CNAME_MAX + 1];
    uint64_t random;
    int64_t wall_offset_us;
    // State.
    bool connected; // DTLS stands
    bool again;     // it stood before, with another certificate
    bool closed;
    int64_t now_us;      // of the call that is running
    int64_t buffer_us;   // 0: not told yet
    int64_t dtls_end_us; // given up then, unless connected
};

static void drop(enum prl_metric reason)
{
    prl_metrics_add(reason, 1);
}

// ---- the end ----

static void end(struct prl_peer *peer, const char *why)
{
    if (peer->closed)
        return;
    peer->closed = true;
    peer->connected = false;
    peer->ops->on_closed(peer->arg, why);
}

// ---- out ----

static void send_selected(void *arg, const uint8_t *data, size_t size)
{
    struct prl_peer *peer = arg;
    const struct prl_ice_path *path = prl_ice_selected(peer->ice);
    if (path && prl_ice_may_send(peer->ice, peer->now_us))
        peer->ops->send(peer->arg, path, data, size);
}

static void send_dtls(struct prl_peer *peer)
{
    uint8_t datagram[PRL_DTLS_MTU];
    for (int i = 0; i < OUTPUTS_MAX; i++) {
        size_t size = prl_dtls_output(peer->dtls, datagram);
        if (size == 0)
            return;
        send_selected(peer, datagram, size);
    }
}

static void on_flow_packet(void *arg, const struct prl_rtc_packet *packet)
{
    struct prl_peer *peer = arg;
    peer->ops->on_packet(peer->arg, packet);
}

static void on_flow_report(void *arg, const struct prl_rtc_report *report)
{
    struct prl_peer *peer = arg;
    peer->ops->on_report(peer->arg, report);
}

static const struct prl_flow_ops flow_ops = {send_selected, on_flow_packet, on_flow_report};

// ---- DTLS ----

static void on_dtls_data(void *arg, const uint8_t *data, size_t size)
{
    struct prl_peer *peer = arg;
    peer->ops->on_data(peer->arg, data, size);
}

// With the first check that proves the peer to be there.
static void start_dtls(struct prl_peer *peer)
{
    struct prl_dtls_conf conf = {
        .cert = peer->cert,
        .client = peer->setup == PRL_SDP_ACTIVE,
        .fingerprints = (const uint8_t(*)[PRL_DTLS_FINGERPRINT_SIZE])peer->fingerprints,
        .fingerprint_count = peer->fingerprint_count,
        .on_data = on_dtls_data,
        .arg = peer};
    if (prl_dtls_create(&peer->dtls, &conf) != PRL_OK) {
        end(peer, "out of memory");
        return;
    }
    peer->dtls_end_us = peer->now_us + PRL_PEER_DTLS_US;
    prl_dtls_start(peer->dtls, peer->now_us);
    send_dtls(peer);
}

static enum prl_err create_flow(struct prl_peer *peer)
{
    struct prl_flow_conf conf = {.terms = peer->terms,
                                 .ssrc = peer->ssrc,
                                 .cname = peer->cname,
                                 .random = peer->random,
                                 .wall_offset_us = peer->wall_offset_us,
                                 .now_us = peer->now_us};
    enum prl_err err = prl_flow_create(&peer->flow, &conf, &flow_ops, peer);
    if (!err && peer->buffer_us > 0)
        prl_flow_set_buffer(peer->flow, peer->buffer_us);
    return err;
}

static void finish_dtls(struct prl_peer *peer)
{
    struct prl_srtp_keys keys;
    enum prl_err err = prl_dtls_keys(peer->dtls, &keys);
    if (err == PRL_ERR_INVALID) {
        end(peer, "dtls failed");
        return;
    }
    if (!err && !peer->flow)
        err = create_flow(peer);
    if (!err)
        err = prl_flow_rekey(peer->flow, &keys);
    explicit_bzero(&keys, sizeof(keys));
    if (err) {
        end(peer, "out of memory");
        return;
    }
    peer->connected = true;
    bool again = peer->again;
    peer->again = true;
    prl_metrics_add(PRL_METRIC_RTC_CONNECTED, 1);
    peer->ops->on_connected(peer->arg, again);
}

// Looks at what a call has changed.
static void follow_dtls(struct prl_peer *peer)
{
    send_dtls(peer);
    switch (prl_dtls_state(peer->dtls)) {
    case PRL_DTLS_NEW:
    case PRL_DTLS_HANDSHAKE:
        return;
    case PRL_DTLS_CONNECTED:
        if (!peer->connected)
            finish_dtls(peer);
        return;
    case PRL_DTLS_CLOSED:
        end(peer, "closed by the client");
        return;
    case PRL_DTLS_FAILED:
        prl_log(PRL_LOG_INFO, "rtc", "DTLS failed: %s", prl_dtls_why(peer->dtls));
        prl_metrics_add(PRL_METRIC_RTC_DTLS_FAILED, 1);
        end(peer, "dtls failed");
        return;
    }
}

// ---- create ----

static void take_offer(struct prl_peer *peer, const struct prl_sdp *offer)
{
    prl_flow_terms(&peer->terms, offer);
    peer->fingerprint_count = offer->fingerprint_count;
    memcpy(peer->fingerprints, offer->fingerprints, sizeof(peer->fingerprints));
}

enum prl_err prl_peer_create(struct prl_peer **out, const struct prl_peer_conf *conf,
                             const struct prl_peer_ops *ops, void *arg)
{
    PRL_CHECK(conf->offer->codec_count >= 1 && conf->offer->fingerprint_count >= 1);
    *out = NULL;
    struct prl_peer *peer = prl_mem_zalloc(sizeof(*peer));
    if (!peer)
        return PRL_ERR_NOMEM;
    enum prl_err err =
        prl_ice_create(&peer->ice, conf->local, conf->offer->ice.ufrag, conf->now_us);
    if (err) {
        prl_mem_free(peer);
        return err;
    }
    peer->ops = ops;
    peer->arg = arg;
    peer->cert = conf->cert;
    peer->setup = prl_sdp_answer_setup(conf->offer->setup);
    peer->codec = conf->offer->codecs[0].codec;
    peer->ssrc = conf->ssrc;
    (void)prl_str_copy(peer->cname, sizeof(peer->cname), conf->cname);
    peer->random = conf->random;
    peer->wall_offset_us = conf->wall_offset_us;
    peer->now_us = conf->now_us;
    take_offer(peer, conf->offer);
    *out = peer;
    return PRL_OK;
}

void prl_peer_destroy(struct prl_peer **peer_at)
{
    struct prl_peer *peer = *peer_at;
    if (!peer)
        return;
    prl_flow_destroy(&peer->flow);
    prl_dtls_destroy(&peer->dtls);
    prl_ice_destroy(&peer->ice);
    prl_mem_free(peer);
    *peer_at = NULL;
}

static bool same_fingerprints(const struct prl_peer *peer, const struct prl_sdp *offer)
{
    return peer->fingerprint_count == offer->fingerprint_count &&
           memcmp(peer->fingerprints, offer->fingerprints,
                  offer->fingerprint_count * PRL_SDP_FINGERPRINT_SIZE) == 0;
}

static bool has_codec(const struct prl_sdp *offer, enum prl_rtc_codec codec)
{
    for (size_t i = 0; i < offer->codec_count; i++)
        if (offer->codecs[i].codec == codec)
            return true;
    return false;
}

static bool refuse(char *why, const char *text)
{
    (void)prl_str_copy(why, PRL_RTC_WHY_SIZE, text);
    return false;
}

static bool may_take(const struct prl_peer *peer, const struct prl_sdp *offer, char *why)
{
    enum prl_sdp_setup theirs = peer->setup == PRL_SDP_ACTIVE ? PRL_SDP_PASSIVE : PRL_SDP_ACTIVE;
    if (!has_codec(offer, peer->codec))
        return refuse(why, "the codec in use is not offered any more");
    if (same_fingerprints(peer, offer) && offer->setup != PRL_SDP_ACTPASS && offer->setup != theirs)
        return refuse(why, "the DTLS role (a=setup) cannot change with the same certificate");
    return true;
}

enum prl_err prl_peer_reoffer(struct prl_peer *peer, const struct prl_sdp *offer,
                              const struct prl_ice_credentials *local, int64_t now_us, char *why)
{
    if (peer->closed)
        return PRL_ERR_CANCELED;
    if (!may_take(peer, offer, why))
        return PRL_ERR_INVALID;
    peer->now_us = now_us;
    bool renew = !same_fingerprints(peer, offer);
    if (local)
        prl_ice_restart(peer->ice, local, offer->ice.ufrag, now_us);
    take_offer(peer, offer);
    if (peer->flow)
        prl_flow_update(peer->flow, &peer->terms);
    if (renew) {
        // RFC 8842 §5.5: another certificate is another association.
        peer->setup = prl_sdp_answer_setup(offer->setup);
        peer->connected = false;
        prl_dtls_destroy(&peer->dtls);
        if (prl_ice_selected(peer->ice) && !local)
            start_dtls(peer);
    }
    return PRL_OK;
}

// ---- in ----

void prl_peer_check(struct prl_peer *peer, const struct prl_stun *stun,
                    const struct prl_ice_path *path, int64_t now_us)
{
    struct prl_ice_result result;
    if (peer->closed)
        return;
    peer->now_us = now_us;
    prl_ice_check(peer->ice, stun, path, now_us, &result);
    // RFC 8445 would allow it; an answer above its request would serve a forger.
    if (result.reply_size > 0 && result.reply_size <= stun->size)
        peer->ops->send(peer->arg, path, result.reply, result.reply_size);
    if (result.evicted)
        peer->ops->on_path(peer->arg, &result.evicted_path, false);
    if (result.verified)
        peer->ops->on_path(peer->arg, path, true);
    if (result.restarted)
        peer->ops->on_restarted(peer->arg);
    if (!peer->dtls && prl_ice_selected(peer->ice) && !prl_ice_old_ufrag(peer->ice))
        start_dtls(peer);
}

static void take_media(struct prl_peer *peer, enum prl_rtp_kind kind, const uint8_t *data,
                       size_t size, const struct prl_ice_path *path)
{
    if (!peer->flow) {
        drop(PRL_METRIC_RTC_DROPPED_EARLY);
        return;
    }
    bool authentic = kind == PRL_RTP_KIND_RTP ? prl_flow_rtp(peer->flow, data, size, peer->now_us)
                                              : prl_flow_rtcp(peer->flow, data, size, peer->now_us);
    if (authentic && !peer->closed)
        (void)prl_ice_heard(peer->ice, path, peer->now_us);
}

void prl_peer_input(struct prl_peer *peer, const uint8_t *data, size_t size,
                    const struct prl_ice_path *path, int64_t now_us)
{
    if (peer->closed)
        return;
    peer->now_us = now_us;
    if (!prl_ice_verified(peer->ice, path)) {
        drop(PRL_METRIC_RTC_DROPPED_UNVERIFIED);
        return;
    }
    enum prl_rtp_kind kind =
        size <= PRL_PEER_DATAGRAM_MAX ? prl_rtp_classify(data, size) : PRL_RTP_KIND_OTHER;
    switch (kind) {
    case PRL_RTP_KIND_DTLS:
        if (!peer->dtls) {
            drop(PRL_METRIC_RTC_DROPPED_EARLY);
            return;
        }
        prl_dtls_input(peer->dtls, data, size, now_us);
        follow_dtls(peer);
        return;
    case PRL_RTP_KIND_RTP:
    case PRL_RTP_KIND_RTCP:
        take_media(peer, kind, data, size, path);
        return;
    case PRL_RTP_KIND_STUN:
    case PRL_RTP_KIND_OTHER:
        drop(PRL_METRIC_RTC_DROPPED_MALFORMED);
        return;
    }
}

void prl_peer_forget(struct prl_peer *peer, const struct prl_ice_path *path)
{
    if (!peer->closed)
        (void)prl_ice_forget(peer->ice, path);
}

// ---- time ----

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t prl_peer_deadline(const struct prl_peer *peer)
{
    if (peer->closed)
        return INT64_MAX;
    int64_t at_us = prl_ice_deadline(peer->ice);
    if (peer->dtls)
        at_us = earlier(at_us, prl_dtls_deadline(peer->dtls));
    if (peer->dtls && !peer->connected)
        at_us = earlier(at_us, peer->dtls_end_us);
    if (peer->flow && peer->connected)
        at_us = earlier(at_us, prl_flow_deadline(peer->flow));
    return at_us;
}

static void check_ice(struct prl_peer *peer)
{
    switch (prl_ice_state(peer->ice, peer->now_us)) {
    case PRL_ICE_WAITING:
    case PRL_ICE_LIVE:
        return;
    case PRL_ICE_NEVER:
        prl_metrics_add(PRL_METRIC_RTC_NEVER, 1);
        end(peer, "never connected");
        return;
    case PRL_ICE_EXPIRED:
        prl_metrics_add(PRL_METRIC_RTC_EXPIRED, 1);
        end(peer, "consent expired");
        return;
    }
}

void prl_peer_timeout(struct prl_peer *peer, int64_t now_us)
{
    peer->now_us = now_us;
    if (!peer->closed)
        check_ice(peer);
    if (!peer->closed && peer->dtls && now_us >= prl_dtls_deadline(peer->dtls)) {
        prl_dtls_timeout(peer->dtls, now_us);
        follow_dtls(peer);
    }
    if (!peer->closed && peer->dtls && !peer->connected && now_us >= peer->dtls_end_us) {
        prl_metrics_add(PRL_METRIC_RTC_NEVER, 1);
        end(peer, "never connected");
    }
    if (!peer->closed && peer->flow && peer->connected && now_us >= prl_flow_deadline(peer->flow))
        prl_flow_timeout(peer->flow, now_us);
}

// ---- sending ----

void prl_peer_send_audio(struct prl_peer *peer, const uint8_t *payload, size_t size,
                         uint32_t timestamp_step, bool marker, int64_t now_us)
{
    if (!peer->connected)
        return;
    peer->now_us = now_us;
    prl_flow_send(peer->flow, payload, size, timestamp_step, marker, now_us);
}

void prl_peer_send_data(struct prl_peer *peer, const uint8_t *data, size_t size, int64_t now_us)
{
    if (!peer->connected)
        return;
    peer->now_us = now_us;
    if (prl_dtls_send(peer->dtls, data, size) == PRL_OK)
        send_dtls(peer);
}

void prl_peer_set_buffer(struct prl_peer *peer, int64_t buffer_us)
{
    peer->buffer_us = buffer_us;
    if (peer->flow)
        prl_flow_set_buffer(peer->flow, buffer_us);
}

void prl_peer_close(struct prl_peer *peer, int64_t now_us)
{
    if (peer->closed)
        return;
    peer->now_us = now_us;
    if (peer->connected) {
        prl_flow_bye(peer->flow, now_us);
        prl_dtls_close(peer->dtls);
        send_dtls(peer);
    }
    peer->closed = true;
    peer->connected = false;
}

// ---- questions ----

bool prl_peer_connected(const struct prl_peer *peer)
{
    return peer->connected;
}

enum prl_rtc_codec prl_peer_codec(const struct prl_peer *peer)
{
    return peer->codec;
}

enum prl_sdp_setup prl_peer_setup(const struct prl_peer *peer)
{
    return peer->setup;
}

const struct prl_ice *prl_peer_ice(const struct prl_peer *peer)
{
    return peer->ice;
}

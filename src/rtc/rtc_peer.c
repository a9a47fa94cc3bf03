// rtc_peer.c -- see rtc.h: one connection between its owner, its core (peer.h) and its data channel.
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "rtc/rtc_state.h"

_Static_assert((int)PRL_SCTP_PACKET_MAX <= (int)PRL_DTLS_DATA_MAX, "SCTP's packets fit into DTLS");

struct randoms {
    uint8_t ice[PRL_ICE_RANDOM_SIZE];
    uint64_t session_id, numbers, cname;
    uint32_t ssrc;
};

static bool make_randoms(struct randoms *randoms)
{
    return getrandom(randoms, sizeof(*randoms), 0) == (ssize_t)sizeof(*randoms);
}

// ---- life ----

static void remove_name(struct prl_rtc_peer *peer, size_t index)
{
    if (!peer->names[index][0])
        return;
    struct prl_table_key key = prl_table_name_key(peer->names[index]);
    prl_table_remove(peer->rtc->names, &key, peer);
    peer->names[index][0] = '\0';
}

// Enters the names that the core answers to now, and takes out those of before. There is room: the
// table has PRL_RTC_NAMES_MAX entries a peer.
static enum prl_err sync_names(struct prl_rtc_peer *peer)
{
    const struct prl_ice *ice = prl_peer_ice(peer->core);
    const char *const now[PRL_RTC_NAMES_MAX] = {prl_ice_local(ice)->ufrag, prl_ice_old_ufrag(ice)};
    for (size_t i = 0; i < PRL_RTC_NAMES_MAX; i++)
        remove_name(peer, i);
    for (size_t i = 0; i < PRL_RTC_NAMES_MAX; i++) {
        if (!now[i])
            continue;
        struct prl_table_key key = prl_table_name_key(now[i]);
        enum prl_err err = prl_table_set(peer->rtc->names, &key, peer);
        if (err)
            return err;
        (void)prl_str_copy(peer->names[i], sizeof(peer->names[i]), now[i]);
    }
    return PRL_OK;
}

static void close_sctp(struct prl_rtc_peer *peer)
{
    if (peer->sctp.generation != 0)
        prl_sctp_close(peer->rtc->sctp, &peer->sctp);
    peer->open = false;
}

// Gives back everything but the owner's handle.
static void release(struct prl_rtc_peer *peer)
{
    struct prl_rtc *rtc = peer->rtc;
    if (!peer->core)
        return;
    close_sctp(peer);
    for (size_t i = 0; i < PRL_RTC_NAMES_MAX; i++)
        remove_name(peer, i);
    const struct prl_ice_path *path;
    for (size_t i = 0; (path = prl_ice_path(prl_peer_ice(peer->core), i)) != NULL; i++) {
        struct prl_table_key key = prl_table_path_key(path);
        prl_table_remove(rtc->paths, &key, peer);
        if (path->tcp)
            prl_tcp_close(rtc->tcp, path);
    }
    struct prl_table_key key = prl_table_number_key(peer->id);
    prl_table_remove(rtc->ids, &key, peer);
    prl_timer_destroy(&peer->timer);
    prl_peer_destroy(&peer->core);
    rtc->connected -= peer->connected ? 1 : 0;
    peer->connected = false;
}

static void free_peer(struct prl_rtc_peer *peer)
{
    release(peer);
    peer->rtc->peers--;
    prl_mem_free(peer);
}

static void arm(struct prl_rtc_peer *peer)
{
    int64_t at_us = prl_peer_deadline(peer->core);
    if (at_us == INT64_MAX || (prl_timer_active(peer->timer) && peer->armed_us <= at_us))
        return;
    peer->armed_us = at_us;
    prl_timer_start(peer->timer, at_us);
}

void prl_rtc_peer_enter(struct prl_rtc_peer *peer)
{
    PRL_CHECK(peer->core);
    peer->busy++;
}

void prl_rtc_peer_leave(struct prl_rtc_peer *peer)
{
    PRL_CHECK(peer->busy > 0);
    if (--peer->busy > 0)
        return;
    if (!peer->ops)
        free_peer(peer);
    else if (peer->ended)
        release(peer);
    else
        arm(peer);
}

static void on_timer(void *arg)
{
    struct prl_rtc_peer *peer = arg;
    prl_rtc_peer_enter(peer);
    prl_peer_timeout(peer->core, prl_clock_now_us());
    prl_rtc_peer_leave(peer);
}

// ---- what the core says ----

static void on_send(void *arg, const struct prl_ice_path *path, const uint8_t *data, size_t size)
{
    struct prl_rtc_peer *peer = arg;
    prl_rtc_send(peer->rtc, path, data, size);
}

static void on_path(void *arg, const struct prl_ice_path *path, bool added)
{
    struct prl_rtc_peer *peer = arg;
    struct prl_rtc *rtc = peer->rtc;
    struct prl_table_key key = prl_table_path_key(path);
    if (!added) {
        prl_table_remove(rtc->paths, &key, peer);
        if (path->tcp)
            prl_tcp_close(rtc->tcp, path);
        return;
    }
    // Whoever proved it last has the address: a new page may have its old one's port.
    void *other;
    if (prl_table_get(rtc->paths, &key, &other) && other != peer)
        prl_peer_forget(((struct prl_rtc_peer *)other)->core, path);
    if (prl_table_set(rtc->paths, &key, peer) != PRL_OK)
        prl_log(PRL_LOG_WARN, "rtc", "the table of paths is full: a path is not used");
}

static void on_restarted(void *arg)
{
    struct prl_rtc_peer *peer = arg;
    if (sync_names(peer) != PRL_OK)
        prl_log(PRL_LOG_WARN, "rtc", "the table of names is full");
}

static void open_sctp(struct prl_rtc_peer *peer)
{
    struct prl_rtc *rtc = peer->rtc;
    struct prl_sctp_peer_conf conf = {.port = rtc->port,
                                      .id = peer->id,
                                      .remote_port = peer->sctp_port,
                                      .message_max = peer->message_max};
    enum prl_err err = prl_sctp_open(rtc->sctp, &conf, &peer->sctp);
    if (err)
        prl_log(PRL_LOG_WARN, "rtc", "no data channel for a connection: %s", prl_err_name(err));
}

static void tell_channel(struct prl_rtc_peer *peer, bool open)
{
    if (peer->open == open)
        return;
    peer->open = open;
    if (peer->ops)
        peer->ops->on_channel(peer->arg, open);
}

static void on_connected(void *arg, bool again)
{
    struct prl_rtc_peer *peer = arg;
    if (again) {
        struct prl_sctp_handle old = peer->sctp;
        if (old.generation != 0)
            prl_sctp_close(peer->rtc->sctp, &peer->sctp);
        tell_channel(peer, false);
    } else {
        peer->connected = true;
        peer->rtc->connected++;
    }
    if (peer->has_data && peer->rtc->sctp && peer->ops)
        open_sctp(peer);
    if (!again && peer->ops)
        peer->ops->on_connected(peer->arg);
}

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    struct prl_rtc_peer *peer = arg;
    // What is dropped here SCTP sends again.
    if (peer->sctp.generation == 0 ||
        prl_sctp_input(peer->rtc->sctp, peer->sctp, data, size) != PRL_OK)
        prl_metrics_add(PRL_METRIC_RTC_DROPPED_EARLY, 1);
}

static void on_packet(void *arg, const struct prl_rtc_packet *packet)
{
    struct prl_rtc_peer *peer = arg;
    if (peer->ops)
        peer->ops->on_packet(peer->arg, packet);
}

static void on_report(void *arg, const struct prl_rtc_report *report)
{
    struct prl_rtc_peer *peer = arg;
    if (peer->ops)
        peer->ops->on_report(peer->arg, report);
}

static void on_closed(void *arg, const char *why)
{
    struct prl_rtc_peer *peer = arg;
    peer->ended = true;
    if (peer->ops && !peer->quiet)
        peer->ops->on_closed(peer->arg, why);
}

static const struct prl_peer_ops core_ops = {on_send, on_path,   on_restarted, on_connected,
                                             on_data, on_packet, on_report,    on_closed};

// ---- what the data channel says ----

static void take_event(struct prl_rtc_peer *peer, const struct prl_sctp_event *event)
{
    static const char label[] = PRL_SCTP_LABEL;
    switch (event->type) {
    case PRL_SCTP_PACKET:
        prl_peer_send_data(peer->core, event->data, event->size, prl_clock_now_us());
        return;
    case PRL_SCTP_CHANNEL_OPEN:
        if (peer->open || event->size != sizeof(label) - 1 ||
            memcmp(event->data, label, event->size) != 0)
            return;
        peer->stream = event->stream;
        tell_channel(peer, true);
        return;
    case PRL_SCTP_MESSAGE:
        if (peer->open && event->stream == peer->stream && peer->ops && !event->binary)
            peer->ops->on_message(peer->arg, (const char *)event->data, event->size, event->first,
                                  event->last);
        return;
    case PRL_SCTP_CHANNEL_CLOSED:
        if (event->stream == peer->stream)
            tell_channel(peer, false);
        return;
    case PRL_SCTP_CLOSED: // the sound goes on
        prl_log(PRL_LOG_DEBUG, "rtc", "a data channel ended: %s", prl_sctp_why_name(event->why));
        prl_sctp_close(peer->rtc->sctp, &peer->sctp);
        tell_channel(peer, false);
        return;
    case PRL_SCTP_UP:
    case PRL_SCTP_DRAINED:
        return;
    }
}

void prl_rtc_peer_sctp(struct prl_rtc_peer *peer, const struct prl_sctp_event *event)
{
    if (!peer->core || peer->ended || !prl_sctp_same(peer->sctp, event->handle)) {
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
        return;
    }
    prl_rtc_peer_enter(peer);
    take_event(peer, event);
    prl_rtc_peer_leave(peer);
}

// ---- offers ----

static enum prl_err write_answer(struct prl_rtc_peer *peer, const struct prl_sdp *offer,
                                 struct prl_str *answer)
{
    struct prl_rtc *rtc = peer->rtc;
    struct prl_sdp_candidate candidates[PRL_SDP_CANDIDATES_MAX];
    const struct prl_candidates_hosts *hosts = prl_rtc_hosts(rtc, prl_clock_now_us());
    struct prl_sdp_local local = {.ice = prl_ice_local(prl_peer_ice(peer->core)),
                                  .fingerprint = prl_dtls_cert_fingerprint(rtc->cert),
                                  .setup = prl_peer_setup(peer->core),
                                  .session_id = peer->session_id,
                                  .version = ++peer->version,
                                  .ssrc = peer->ssrc,
                                  .cname = peer->cname,
                                  .data = peer->has_data,
                                  .message_size_max = PRL_SCTP_MESSAGE_MAX,
                                  .candidates = candidates,
                                  .candidate_count = prl_candidates_make(
                                      &rtc->ports, hosts, candidates, PRL_SDP_CANDIDATES_MAX)};
    return prl_sdp_answer(offer, &local, answer);
}

static enum prl_err create_core(struct prl_rtc_peer *peer, const struct prl_sdp *offer,
                                const struct randoms *randoms)
{
    struct prl_ice_credentials local;
    int64_t now_us = prl_clock_now_us();
    prl_ice_make_credentials(&local, randoms->ice);
    struct prl_peer_conf conf = {.offer = offer,
                                 .cert = peer->rtc->cert,
                                 .local = &local,
                                 .ssrc = peer->ssrc,
                                 .cname = peer->cname,
                                 .random = randoms->numbers,
                                 .wall_offset_us = prl_clock_wall_us() - now_us,
                                 .now_us = now_us};
    enum prl_err err = prl_peer_create(&peer->core, &conf, &core_ops, peer);
    explicit_bzero(&local, sizeof(local));
    return err;
}

static enum prl_err start_peer(struct prl_rtc_peer *peer, const struct prl_sdp *offer,
                               struct prl_str *answer)
{
    struct prl_rtc *rtc = peer->rtc;
    struct randoms randoms;
    if (!make_randoms(&randoms))
        return PRL_ERR_IO;
    peer->session_id = randoms.session_id >> 1;
    peer->ssrc = randoms.ssrc;
    snprintf(peer->cname, sizeof(peer->cname), "parley%016llx", (unsigned long long)randoms.cname);
    peer->has_data = offer->has_data && rtc->sctp;
    peer->sctp_port = offer->sctp_port;
    peer->message_max = offer->message_size_max;
    peer->codec = offer->codecs[0].codec;
    struct prl_table_key key = prl_table_number_key(peer->id);
    enum prl_err err = create_core(peer, offer, &randoms);
    explicit_bzero(&randoms, sizeof(randoms));
    if (!err)
        err = prl_timer_create(&peer->timer, rtc->loop, "rtc peer", on_timer, peer);
    if (!err)
        err = prl_table_set(rtc->ids, &key, peer);
    if (!err)
        err = sync_names(peer);
    if (!err)
        err = write_answer(peer, offer, answer);
    if (!err)
        arm(peer);
    return err;
}

enum prl_err prl_rtc_offer(struct prl_rtc *rtc, const struct prl_rtc_request *request,
                           struct prl_rtc_peer **out, struct prl_str *answer, char *why)
{
    struct prl_sdp offer;
    prl_loop_check(rtc->loop);
    *out = NULL;
    *why = '\0';
    if (rtc->peers == rtc->peers_max) {
        prl_metrics_add(PRL_METRIC_RTC_REFUSED, 1);
        snprintf(why, PRL_RTC_WHY_SIZE, "all %zu connections are in use", rtc->peers_max);
        return PRL_ERR_LIMIT;
    }
    enum prl_err err = prl_sdp_parse(&offer, PRL_SDP_OFFER, request->sdp, request->len, why);
    if (err)
        return err;
    struct prl_rtc_peer *peer = prl_mem_zalloc(sizeof(*peer));
    if (!peer)
        return PRL_ERR_NOMEM;
    rtc->peers++;
    peer->rtc = rtc;
    peer->id = rtc->next_id++;
    peer->ops = request->ops;
    peer->arg = request->arg;
    err = start_peer(peer, &offer, answer);
    if (err) {
        free_peer(peer);
        return err;
    }
    prl_metrics_add(PRL_METRIC_RTC_OFFERS, 1);
    *out = peer;
    return PRL_OK;
}

enum prl_err prl_rtc_reoffer(struct prl_rtc_peer *peer, const char *sdp, size_t len,
                             struct prl_str *answer, char *why)
{
    struct prl_sdp offer;
    struct randoms randoms;
    struct prl_ice_credentials local;
    *why = '\0';
    if (peer->ended)
        return PRL_ERR_CANCELED;
    enum prl_err err = prl_sdp_parse(&offer, PRL_SDP_OFFER, sdp, len, why);
    if (err)
        return err;
    if (!make_randoms(&randoms))
        return PRL_ERR_IO;
    prl_ice_make_credentials(&local, randoms.ice);
    // RFC 8839 §4.4.1.1.1: other credentials are a restart.
    bool restart = strcmp(offer.ice.ufrag, prl_ice_remote_ufrag(prl_peer_ice(peer->core))) != 0;
    prl_rtc_peer_enter(peer);
    peer->quiet = true;
    err = prl_peer_reoffer(peer->core, &offer, restart ? &local : NULL, prl_clock_now_us(), why);
    explicit_bzero(&randoms, sizeof(randoms));
    explicit_bzero(&local, sizeof(local));
    if (!err)
        err = sync_names(peer);
    if (!err)
        err = write_answer(peer, &offer, answer);
    peer->quiet = false;
    if (peer->ended)
        err = PRL_ERR_CANCELED;
    prl_rtc_peer_leave(peer);
    return err;
}

void prl_rtc_close(struct prl_rtc_peer **peer_at)
{
    struct prl_rtc_peer *peer = *peer_at;
    if (!peer)
        return;
    *peer_at = NULL;
    prl_loop_check(peer->rtc->loop);
    peer->ops = NULL;
    if (peer->core && !peer->ended)
        prl_peer_close(peer->core, prl_clock_now_us());
    peer->ended = true;
    if (peer->busy == 0)
        free_peer(peer);
}

// ---- sending ----

enum prl_rtc_codec prl_rtc_codec(const struct prl_rtc_peer *peer)
{
    return peer->codec;
}

void prl_rtc_send_audio(struct prl_rtc_peer *peer, const uint8_t *payload, size_t size,
                        uint32_t timestamp_step, bool marker)
{
    PRL_CHECK(size <= PRL_PEER_PAYLOAD_MAX);
    if (!peer->ended)
        prl_peer_send_audio(peer->core, payload, size, timestamp_step, marker, prl_clock_now_us());
}

void prl_rtc_set_buffer(struct prl_rtc_peer *peer, int64_t buffer_us)
{
    if (!peer->ended)
        prl_peer_set_buffer(peer->core, buffer_us);
}

enum prl_err prl_rtc_send_message(struct prl_rtc_peer *peer, const char *text, size_t len)
{
    if (peer->ended)
        return PRL_ERR_CANCELED;
    if (!peer->open)
        return PRL_ERR_AGAIN;
    return prl_sctp_send(peer->rtc->sctp, peer->sctp, peer->stream, text, len);
}

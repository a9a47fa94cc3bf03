// rtc.c -- see rtc.h: sockets, and whose a datagram is. The peers are in rtc_peer.c.
#include "rtc/rtc.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/udp.h"
#include "rtc/rtc_state.h"

enum {
    PATHS_PER_PEER = 4, // on average; what finds no room is not recognised
    STREAMS_PER_PEER = 2,
    SCTP_EVENTS_MAX = 4096, // waiting for the loop
    HOSTS_AGE_US = 5000000,
    PEERS_MAX = 100000,
};

// ---- out ----

static struct prl_udp *find_socket(const struct prl_rtc *rtc, const union prl_sockaddr *local)
{
    struct prl_udp *fallback = NULL;
    for (size_t i = 0; i < rtc->udp_count; i++) {
        const union prl_sockaddr *bound = &rtc->ports.udp[i];
        if (prl_addr_same_host(bound, local))
            return rtc->udp[i];
        if (prl_addr_is_v6(bound) == prl_addr_is_v6(local) &&
            prl_addr_kind(bound) == PRL_ADDR_UNSPECIFIED)
            fallback = rtc->udp[i];
    }
    return fallback;
}

void prl_rtc_send(struct prl_rtc *rtc, const struct prl_ice_path *path, const uint8_t *data,
                  size_t size)
{
    prl_metrics_add(PRL_METRIC_RTC_OUT, 1);
    prl_metrics_add(PRL_METRIC_RTC_BYTES_OUT, size);
    if (path->tcp) {
        prl_tcp_send(rtc->tcp, path, data, size);
        return;
    }
    struct prl_udp *udp = find_socket(rtc, &path->local);
    if (udp)
        prl_udp_send(udp, data, size, &path->remote, &path->local);
}

// ---- in ----

static struct prl_rtc_peer *find_path(const struct prl_rtc *rtc, const struct prl_ice_path *path)
{
    struct prl_table_key key = prl_table_path_key(path);
    void *peer;
    return prl_table_get(rtc->paths, &key, &peer) ? peer : NULL;
}

// Checks find their peer by name: that is what makes an address known.
static struct prl_rtc_peer *find_name(const struct prl_rtc *rtc, const struct prl_stun *stun)
{
    char ufrag[PRL_ICE_UFRAG_LEN + 1];
    if (stun->class != PRL_STUN_REQUEST || !prl_stun_addressee(stun, ufrag, sizeof(ufrag)))
        return NULL;
    struct prl_table_key key = prl_table_name_key(ufrag);
    void *peer;
    return prl_table_get(rtc->names, &key, &peer) ? peer : NULL;
}

static void take_datagram(struct prl_rtc *rtc, const struct prl_ice_path *path, const uint8_t *data,
                          size_t size, int64_t now_us)
{
    struct prl_stun stun;
    prl_metrics_add(PRL_METRIC_RTC_IN, 1);
    prl_metrics_add(PRL_METRIC_RTC_BYTES_IN, size);
    bool check = prl_stun_is(data, size);
    if (check && prl_stun_parse(&stun, data, size) != PRL_OK) {
        prl_metrics_add(PRL_METRIC_RTC_DROPPED_MALFORMED, 1);
        return;
    }
    struct prl_rtc_peer *peer = check ? find_name(rtc, &stun) : find_path(rtc, path);
    if (!peer) {
        prl_metrics_add(PRL_METRIC_RTC_DROPPED_STRANGE, 1);
        return;
    }
    prl_rtc_peer_enter(peer);
    if (check)
        prl_peer_check(peer->core, &stun, path, now_us);
    else
        prl_peer_input(peer->core, data, size, path, now_us);
    prl_rtc_peer_leave(peer);
}

static bool is_welcome(struct prl_rtc *rtc, const union prl_sockaddr *remote, int64_t now_us)
{
    return !rtc->local_only || prl_candidates_is_own(prl_rtc_hosts(rtc, now_us), remote);
}

static void on_udp(void *arg, const struct prl_udp_datagram *datagram)
{
    struct prl_rtc *rtc = arg;
    struct prl_ice_path path = {.tcp = false};
    if (prl_addr_from(&path.remote, &datagram->remote, sizeof(datagram->remote)) &&
        prl_addr_from(&path.local, &datagram->local, sizeof(datagram->local)) &&
        is_welcome(rtc, &path.remote, datagram->arrival_us))
        take_datagram(rtc, &path, datagram->data, datagram->size, datagram->arrival_us);
    else
        prl_metrics_add(PRL_METRIC_RTC_DROPPED_STRANGE, 1);
}

static bool on_stream_accept(void *arg, const union prl_sockaddr *remote)
{
    return is_welcome(arg, remote, prl_clock_now_us());
}

static bool on_stream_datagram(void *arg, const struct prl_ice_path *path, const uint8_t *data,
                               size_t size, int64_t now_us)
{
    struct prl_rtc *rtc = arg;
    take_datagram(rtc, path, data, size, now_us);
    return find_path(rtc, path) != NULL;
}

static void on_stream_closed(void *arg, const struct prl_ice_path *path)
{
    struct prl_rtc *rtc = arg;
    struct prl_rtc_peer *peer = find_path(rtc, path);
    if (!peer)
        return;
    struct prl_table_key key = prl_table_path_key(path);
    prl_table_remove(rtc->paths, &key, peer);
    prl_rtc_peer_enter(peer);
    prl_peer_forget(peer->core, path);
    prl_rtc_peer_leave(peer);
}

static const struct prl_tcp_ops stream_ops = {on_stream_accept, on_stream_datagram,
                                              on_stream_closed};

static void on_sctp(void *arg, struct prl_msg *msg)
{
    struct prl_rtc *rtc = arg;
    struct prl_sctp_event event;
    prl_sctp_event_read(msg, &event);
    struct prl_table_key key = prl_table_number_key(event.id);
    void *peer;
    if (prl_table_get(rtc->ids, &key, &peer))
        prl_rtc_peer_sctp(peer, &event);
    else
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
}

// ---- create ----

const struct prl_candidates_hosts *prl_rtc_hosts(struct prl_rtc *rtc, int64_t now_us)
{
    if (rtc->hosts_us == 0 || now_us - rtc->hosts_us > HOSTS_AGE_US) {
        prl_candidates_hosts(&rtc->hosts);
        rtc->hosts_us = now_us;
    }
    return &rtc->hosts;
}

static enum prl_err open_udp(struct prl_rtc *rtc, const struct prl_rtc_conf *conf)
{
    uint16_t port = conf->udp_port;
    for (size_t i = 0; i < conf->address_count; i++) {
        enum prl_err err =
            prl_udp_create(&rtc->udp[i], rtc->loop, conf->addresses[i], port, on_udp, rtc);
        if (err)
            return err;
        const union prl_sockaddr *bound = prl_udp_bound(rtc->udp[i]);
        if (!prl_addr_from(&rtc->ports.udp[i], bound, sizeof(*bound)))
            return PRL_ERR_IO;
        port = prl_sockaddr_port(bound); // the same one on each address
        rtc->ports.udp_count = ++rtc->udp_count;
    }
    return PRL_OK;
}

static enum prl_err open_tcp(struct prl_rtc *rtc, const struct prl_rtc_conf *conf)
{
    uint16_t port = conf->tcp_port;
    enum prl_err err =
        prl_tcp_create(&rtc->tcp, rtc->loop, rtc->peers_max * STREAMS_PER_PEER, &stream_ops, rtc);
    for (size_t i = 0; i < conf->address_count && !err; i++) {
        union prl_sockaddr bound;
        err = prl_tcp_listen(rtc->tcp, conf->addresses[i], port);
        if (!err)
            err = prl_tcp_bound(rtc->tcp, i, &bound);
        if (!err && !prl_addr_from(&rtc->ports.tcp[i], &bound, sizeof(bound)))
            err = PRL_ERR_IO;
        if (err)
            return err;
        port = prl_sockaddr_port(&bound);
        rtc->ports.tcp_count++;
    }
    return err;
}

static enum prl_err check_conf(struct prl_rtc *rtc, const struct prl_rtc_conf *conf)
{
    union prl_sockaddr seen;
    PRL_CHECK(conf->address_count >= 1 && conf->address_count <= PRL_RTC_ADDRESSES_MAX);
    PRL_CHECK(conf->peers_max >= 1 && conf->peers_max <= PEERS_MAX);
    if (!conf->public_address || !*conf->public_address)
        return PRL_OK;
    if (!prl_addr_parse(&seen, conf->public_address, 0)) {
        prl_log(PRL_LOG_ERROR, "rtc", "the public address '%s' is not a numeric address",
                conf->public_address);
        return PRL_ERR_INVALID;
    }
    (void)prl_str_copy(rtc->public_address, sizeof(rtc->public_address), conf->public_address);
    rtc->ports.public_address = rtc->public_address;
    return PRL_OK;
}

static enum prl_err create_tables(struct prl_rtc *rtc)
{
    enum prl_err err = prl_table_create(&rtc->names, rtc->peers_max * PRL_RTC_NAMES_MAX);
    if (!err)
        err = prl_table_create(&rtc->paths, rtc->peers_max * PATHS_PER_PEER);
    return err ? err : prl_table_create(&rtc->ids, rtc->peers_max);
}

enum prl_err prl_rtc_create(struct prl_rtc **out, struct prl_loop *loop,
                            const struct prl_rtc_conf *conf)
{
    *out = NULL;
    struct prl_rtc *rtc = prl_mem_zalloc(sizeof(*rtc));
    if (!rtc)
        return PRL_ERR_NOMEM;
    rtc->loop = loop;
    rtc->sctp = conf->sctp;
    rtc->peers_max = conf->peers_max;
    rtc->local_only = conf->local_only;
    enum prl_err err = check_conf(rtc, conf);
    if (!err)
        err = create_tables(rtc);
    if (!err)
        err = prl_srtp_init();
    if (!err)
        err = prl_dtls_cert_create(&rtc->cert);
    if (!err && rtc->sctp)
        err = prl_port_open(&rtc->port, loop, SCTP_EVENTS_MAX, on_sctp, rtc);
    if (!err)
        err = open_udp(rtc, conf);
    if (!err && conf->tcp)
        err = open_tcp(rtc, conf);
    if (err)
        prl_rtc_destroy(&rtc);
    *out = rtc;
    return err;
}

void prl_rtc_destroy(struct prl_rtc **rtc_at)
{
    struct prl_rtc *rtc = *rtc_at;
    if (!rtc)
        return;
    PRL_CHECK(rtc->peers == 0);
    if (rtc->port) {
        prl_port_close(rtc->port);
        prl_sctp_detach(rtc->sctp, rtc->port);
        prl_port_destroy(&rtc->port);
    }
    prl_tcp_destroy(&rtc->tcp);
    for (size_t i = 0; i < PRL_RTC_ADDRESSES_MAX; i++)
        prl_udp_destroy(&rtc->udp[i]);
    prl_dtls_cert_destroy(&rtc->cert);
    prl_table_destroy(&rtc->ids);
    prl_table_destroy(&rtc->paths);
    prl_table_destroy(&rtc->names);
    prl_mem_free(rtc);
    *rtc_at = NULL;
}

void prl_rtc_stats(const struct prl_rtc *rtc, struct prl_rtc_stats *stats)
{
    *stats = (struct prl_rtc_stats){
        .peers = rtc->peers,
        .connected = rtc->connected,
        .udp_port = prl_addr_port(&rtc->ports.udp[0]),
        .tcp_port = rtc->tcp ? prl_addr_port(&rtc->ports.tcp[0]) : 0,
    };
    for (size_t i = 0; i < rtc->udp_count; i++) {
        struct prl_udp_stats udp;
        prl_udp_stats(rtc->udp[i], &udp);
        stats->unsent += udp.out_dropped + udp.out_refused;
        stats->oversize += udp.oversize;
    }
    if (rtc->tcp) {
        struct prl_tcp_stats tcp;
        prl_tcp_stats(rtc->tcp, &tcp);
        stats->streams = tcp.streams;
    }
}

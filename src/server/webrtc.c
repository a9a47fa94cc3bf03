// webrtc.c -- see webrtc.h.
#include "server/webrtc.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "rtc/candidates.h"
#include "rtc/sctp.h"

enum { PORT_MAX = 65535, ADDRESSES_SIZE = 512 };

struct prl_webrtc {
    struct prl_sctp *sctp; // of the first loop's
    bool joined;
    struct prl_rtc *rtc;
};

static bool is_loopback(const char *text)
{
    union prl_sockaddr address;
    return prl_str_equal(text, "localhost") ||
           (prl_addr_parse(&address, text, 0) && prl_addr_kind(&address) == PRL_ADDR_LOOPBACK);
}

static bool is_wildcard(const char *text)
{
    union prl_sockaddr address;
    return prl_addr_parse(&address, text, 0) && prl_addr_kind(&address) == PRL_ADDR_UNSPECIFIED;
}

// Both families, where the machine has them.
static void add_wildcards(struct prl_rtc_conf *conf)
{
    struct prl_candidates_hosts hosts;
    conf->addresses[conf->address_count++] = "0.0.0.0";
    prl_candidates_hosts(&hosts);
    for (size_t i = 0; i < hosts.count; i++)
        if (prl_addr_is_v6(&hosts.addresses[i])) {
            conf->addresses[conf->address_count++] = "::";
            return;
        }
}

// Where nothing is said it is where HTTP is. Firefox sends no check to a loopback candidate, so a server
// on loopback takes every address of the machine, and then serves this machine only (decision 031).
static void choose_addresses(struct prl_rtc_conf *conf, const struct prl_settings *settings,
                             char *list)
{
    char *rest = NULL;
    for (char *at = strtok_r(list, ", ", &rest); at && conf->address_count < PRL_RTC_ADDRESSES_MAX;
         at = strtok_r(NULL, ", ", &rest))
        conf->addresses[conf->address_count++] = prl_str_equal(at, "localhost") ? "127.0.0.1" : at;
    if (conf->address_count > 0)
        return;
    conf->local_only = is_loopback(settings->http_address);
    if (conf->local_only || is_wildcard(settings->http_address))
        add_wildcards(conf);
    else
        conf->addresses[conf->address_count++] = settings->http_address;
}

static uint16_t port_of(int64_t port, unsigned index)
{
    return port == 0 ? 0 : (uint16_t)(port + index > PORT_MAX ? PORT_MAX : port + index);
}

static void say_ports(const struct prl_webrtc *webrtc, const struct prl_rtc_conf *conf)
{
    struct prl_rtc_stats stats;
    prl_rtc_stats(webrtc->rtc, &stats);
    prl_log(PRL_LOG_INFO, "rtc", "WebRTC on UDP port %u%s%s", stats.udp_port,
            conf->tcp ? " and TCP" : "", conf->local_only ? ", for this machine only" : "");
}

enum prl_err prl_webrtc_create(struct prl_webrtc **out, const struct prl_webrtc_conf *conf)
{
    *out = NULL;
    char list[ADDRESSES_SIZE];
    const struct prl_settings *settings = conf->settings;
    struct prl_webrtc *webrtc = prl_mem_zalloc(sizeof(*webrtc));
    if (!webrtc)
        return PRL_ERR_NOMEM;
    if (!settings->rtc_enabled) {
        *out = webrtc;
        return PRL_OK;
    }
    (void)prl_str_copy(list, sizeof(list), settings->rtc_address);
    size_t peers_max = (size_t)settings->rtc_peers_max;
    struct prl_rtc_conf rtc = {.udp_port = port_of(settings->rtc_udp_port, conf->index),
                               .tcp = settings->rtc_tcp,
                               .tcp_port = port_of(settings->rtc_tcp_port, conf->index),
                               .public_address = settings->rtc_public_address,
                               .peers_max = (peers_max + conf->loops - 1) / conf->loops};
    choose_addresses(&rtc, settings, list);
    size_t channels = peers_max < PRL_SCTP_ASSOCIATIONS_MAX ? peers_max : PRL_SCTP_ASSOCIATIONS_MAX;
    webrtc->joined = conf->first != NULL;
    webrtc->sctp = conf->first ? conf->first->sctp : NULL;
    enum prl_err err = conf->first ? PRL_OK : prl_sctp_create(&webrtc->sctp, channels);
    rtc.sctp = webrtc->sctp;
    if (!err)
        err = prl_rtc_create(&webrtc->rtc, conf->loop, &rtc);
    if (err) {
        prl_webrtc_destroy(&webrtc);
        return err;
    }
    say_ports(webrtc, &rtc);
    *out = webrtc;
    return PRL_OK;
}

void prl_webrtc_destroy(struct prl_webrtc **webrtc)
{
    if (!*webrtc)
        return;
    prl_rtc_destroy(&(*webrtc)->rtc);
    if (!(*webrtc)->joined)
        prl_sctp_destroy(&(*webrtc)->sctp);
    prl_mem_free(*webrtc);
    *webrtc = NULL;
}

struct prl_rtc *prl_webrtc_rtc(const struct prl_webrtc *webrtc)
{
    return webrtc->rtc;
}

// candidates.c -- see candidates.h.
#include "rtc/candidates.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

void prl_candidates_hosts(struct prl_candidates_hosts *hosts)
{
    struct ifaddrs *all = NULL;
    hosts->count = 0;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        union prl_sockaddr address;
        if (!at->ifa_addr || !(at->ifa_flags & IFF_UP))
            continue;
        int family = at->ifa_addr->sa_family;
        size_t size = family == AF_INET    ? sizeof(address.v4)
                      : family == AF_INET6 ? sizeof(address.v6)
                                           : 0;
        if (hosts->count < PRL_CANDIDATES_HOSTS_MAX &&
            prl_addr_from(&address, at->ifa_addr, size)) {
            prl_addr_set_port(&address, 0);
            hosts->addresses[hosts->count++] = address;
        }
    }
    freeifaddrs(all);
}

bool prl_candidates_is_own(const struct prl_candidates_hosts *hosts,
                           const union prl_sockaddr *address)
{
    if (prl_addr_kind(address) == PRL_ADDR_LOOPBACK)
        return true;
    for (size_t i = 0; i < hosts->count; i++)
        if (prl_addr_same_host(&hosts->addresses[i], address))
            return true;
    return false;
}

struct list {
    struct prl_sdp_candidate *out;
    size_t count, max;
};

static void add(struct list *list, const union prl_sockaddr *host, uint16_t port, bool tcp)
{
    struct prl_sdp_candidate candidate = {*host, tcp};
    prl_addr_set_port(&candidate.address, port);
    for (size_t i = 0; i < list->count; i++)
        if (list->out[i].tcp == tcp && prl_addr_equal(&list->out[i].address, &candidate.address))
            return;
    if (list->count < list->max)
        list->out[list->count++] = candidate;
}

static bool is_useful(const union prl_sockaddr *host)
{
    enum prl_addr_kind kind = prl_addr_kind(host);
    return kind == PRL_ADDR_PRIVATE || kind == PRL_ADDR_PUBLIC;
}

// The interfaces' addresses of the wildcard's family; loopback only where there is nothing better.
static void add_wildcard(struct list *list, const union prl_sockaddr *bound, bool tcp,
                         const struct prl_candidates_hosts *hosts)
{
    bool better = false;
    for (size_t i = 0; i < hosts->count; i++)
        better = better || is_useful(&hosts->addresses[i]);
    for (size_t i = 0; i < hosts->count; i++) {
        const union prl_sockaddr *host = &hosts->addresses[i];
        bool loopback = prl_addr_kind(host) == PRL_ADDR_LOOPBACK;
        if (prl_addr_is_v6(host) == prl_addr_is_v6(bound) &&
            (is_useful(host) || (loopback && !better)))
            add(list, host, prl_addr_port(bound), tcp);
    }
}

static void add_ports(struct list *list, const struct prl_candidates_ports *ports, bool tcp,
                      const struct prl_candidates_hosts *hosts)
{
    size_t count = tcp ? ports->tcp_count : ports->udp_count;
    const union prl_sockaddr *bound = tcp ? ports->tcp : ports->udp;
    for (size_t i = 0; i < count; i++)
        if (prl_addr_kind(&bound[i]) == PRL_ADDR_UNSPECIFIED)
            add_wildcard(list, &bound[i], tcp, hosts);
        else
            add(list, &bound[i], prl_addr_port(&bound[i]), tcp);
    union prl_sockaddr seen;
    if (!ports->public_address || !prl_addr_parse(&seen, ports->public_address, 0))
        return;
    for (size_t i = 0; i < count; i++)
        if (prl_addr_is_v6(&bound[i]) == prl_addr_is_v6(&seen))
            add(list, &seen, prl_addr_port(&bound[i]), tcp);
}

size_t prl_candidates_make(const struct prl_candidates_ports *ports,
                           const struct prl_candidates_hosts *hosts, struct prl_sdp_candidate *out,
                           size_t max)
{
    struct list list = {out, 0, max};
    add_ports(&list, ports, false, hosts);
    add_ports(&list, ports, true, hosts);
    return list.count;
}

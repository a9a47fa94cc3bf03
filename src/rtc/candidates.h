// candidates.h -- under which addresses clients can reach our ports.
//
// Units:    ports in host order.
// Threads:  any.
// Memory:   plain values; getifaddrs's list is freed before return.
// Errors:   a machine that tells no addresses has none.
// Source:   RFC 8445 §5.1.1.1: no loopback and no link-local addresses where there are others; an
//           address that was bound explicitly is always announced.
#ifndef PRL_RTC_CANDIDATES_H
#define PRL_RTC_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "rtc/addr.h"
#include "rtc/sdp.h"

enum { PRL_CANDIDATES_HOSTS_MAX = 32, PRL_CANDIDATES_PORTS_MAX = 8 };

// The machine's own addresses, port 0, canonical; those beyond the maximum are left out.
struct prl_candidates_hosts {
    size_t count;
    union prl_sockaddr addresses[PRL_CANDIDATES_HOSTS_MAX];
};
void prl_candidates_hosts(struct prl_candidates_hosts *hosts);
// Loopback is always the machine's own.
bool prl_candidates_is_own(const struct prl_candidates_hosts *hosts,
                           const union prl_sockaddr *address);

// What is bound, and the address that others see (NULL: none).
struct prl_candidates_ports {
    size_t udp_count, tcp_count;
    union prl_sockaddr udp[PRL_CANDIDATES_PORTS_MAX], tcp[PRL_CANDIDATES_PORTS_MAX];
    const char *public_address;
};
// Writes candidates without repeats, UDP first, the public address behind the local ones of its
// transport; returns how many.
size_t prl_candidates_make(const struct prl_candidates_ports *ports,
                           const struct prl_candidates_hosts *hosts, struct prl_sdp_candidate *out,
                           size_t max);

#endif

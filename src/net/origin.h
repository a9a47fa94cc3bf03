// origin.h -- who may talk to us by name: the Host and Origin rules, and addresses in one form.
//
// Loopback is not private: any web page can send requests there. So `Host` must be a name or address
// that we serve (421 otherwise, which also stops DNS rebinding), and `Origin` absent, the same as
// Host, or listed (403 otherwise).
// Threads:  pure functions.
// Memory:   no allocation.
#ifndef PRL_NET_ORIGIN_H
#define PRL_NET_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A Host value or the authority of an Origin, in lower case, without brackets and port; numeric
// addresses in one canonical form: v4-mapped IPv6 as IPv4, 0.0.0.0 and :: as loopback.
struct prl_origin_name {
    char host[256];
    uint16_t port; // 0 when not given
};

// "name", "name:port", "1.2.3.4:80", "[::1]:80". False when malformed.
bool prl_origin_parse_host(const char *text, struct prl_origin_name *name);

// The canonical form of a bare host or address (no port, no brackets); false when malformed.
bool prl_origin_canonical(const char *text, char *out, size_t size);
// 127/8 or ::1 after canonical form; the name "localhost" counts.
bool prl_origin_loopback(const char *canonical);

struct prl_origin_rules {
    const char *const *hosts; // canonical names and addresses that we serve
    size_t host_count;
    const char *const *origins; // "scheme://host[:port]" in lower case, or "*"
    size_t origin_count;
};

// The status to refuse with, or 0. `host` NULL: 400.  `local_address` is the canonical address at
// which the connection arrived (always served), `port` its port, `tls` its scheme.
unsigned prl_origin_check_host(const struct prl_origin_rules *rules, const char *host,
                               const char *local_address);
// `origin` may be NULL (allowed: not a browser). "null" is never the same and must be listed.
unsigned prl_origin_check(const struct prl_origin_rules *rules, const char *origin,
                          const char *host, bool tls);

#endif

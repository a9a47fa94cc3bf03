// url.h -- the few kinds of URL that we connect to.
//
// Threads:  pure function.
// Memory:   no allocation.
// Source:   RFC 3986 for ws, wss, http, https; no user information, no fragment.
#ifndef PRL_NET_URL_H
#define PRL_NET_URL_H

#include <stdbool.h>
#include <stdint.h>

struct prl_url {
    bool tls;
    char host[256]; // canonical (origin.h), without brackets
    uint16_t port;
    char target[2048]; // path and query, starts with '/'
};

// False when malformed, too long or of another scheme.
bool prl_url_parse(const char *text, struct prl_url *url);

#endif

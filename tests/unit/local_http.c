// local_http.c -- see local_http.h.
#include "tests/unit/local_http.h"

enum prl_err local_http_open(struct prl_http **http, struct prl_loop *loop,
                             const struct prl_http_conf *conf, const struct prl_ws_route *route,
                             uint16_t *port)
{
    static const struct prl_http_listen listen = {"127.0.0.1", 0, false};
    struct prl_http_conf own = conf ? *conf : (struct prl_http_conf){0};
    struct prl_http_bound bound = {0};
    own.listens = &listen;
    own.listen_count = 1;
    enum prl_err err = prl_http_create(http, loop, &own);
    if (!err && route)
        err = prl_http_add_ws(*http, route);
    if (!err)
        err = prl_http_bound(*http, 0, &bound);
    *port = bound.port;
    return err;
}

// local_http.h -- an HTTP server of ours on a free port of 127.0.0.1.
#ifndef PRL_TESTS_UNIT_LOCAL_HTTP_H
#define PRL_TESTS_UNIT_LOCAL_HTTP_H

#include <stdint.h>

#include "base/err.h"
#include "net/http.h"
#include "net/ws.h"

// `conf` may say all but where to listen; NULL: nothing. `route`: a WebSocket's, or NULL. Further routes may
// follow. The caller destroys *http, also after a failure.
enum prl_err local_http_open(struct prl_http **http, struct prl_loop *loop,
                             const struct prl_http_conf *conf, const struct prl_ws_route *route,
                             uint16_t *port) PRL_MUST_USE;

#endif

// http.c -- see http.h: the server object, its listeners, names and routes.
#include "net/http.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"

enum { NAMES_MAX = 256 };

static int32_t or_ms(int32_t value, int32_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static size_t or_size(size_t value, size_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void take_conf(struct prl_http *http, const struct prl_http_conf *conf)
{
    size_t head = or_size(conf->head_size_max, PRL_WS_SLICE);
    http->conf = (struct prl_http_conf){
        .connections_max = or_size(conf->connections_max, 2000),
        // What came behind an upgrade's head must fit into one slice.
        .head_size_max = head < PRL_WS_SLICE ? head : PRL_WS_SLICE,
        .head_timeout_ms = or_ms(conf->head_timeout_ms, 10000),
        .body_timeout_ms = or_ms(conf->body_timeout_ms, 30000),
        .idle_timeout_ms = or_ms(conf->idle_timeout_ms, 30000),
        .ws_message_size_max = or_size(conf->ws_message_size_max, 16 << 20),
        .ws_queue_size_max = or_size(conf->ws_queue_size_max, 4 << 20),
        .ws_ping_ms = or_ms(conf->ws_ping_ms, 20000),
        .ws_timeout_ms = or_ms(conf->ws_timeout_ms, 60000),
        .ws_close_timeout_ms = or_ms(conf->ws_close_timeout_ms, 2000),
    };
}

// Hosts first, then origins, in one owned array that the rules point into.
static enum prl_err add_name(struct prl_http *http, const char *name)
{
    http->names[http->name_count] = prl_mem_strdup(name);
    return http->names[http->name_count++] ? PRL_OK : PRL_ERR_NOMEM;
}

static enum prl_err add_host(struct prl_http *http, const char *text)
{
    struct prl_origin_name name;
    char bare[256];
    // A bare IPv6 address has colons but no brackets.
    if (prl_origin_canonical(text, bare, sizeof(bare)))
        return add_name(http, bare);
    if (prl_origin_parse_host(text, &name))
        return add_name(http, name.host);
    prl_log(PRL_LOG_ERROR, "net", "'%s' is no host name or address", text);
    return PRL_ERR_INVALID;
}

static enum prl_err build_rules(struct prl_http *http, const struct prl_http_conf *conf)
{
    static const char *const always[] = {"localhost", "127.0.0.1", "::1"};
    PRL_CHECK(conf->host_count <= NAMES_MAX && conf->origin_count <= NAMES_MAX);
    size_t count = 3 + conf->host_count + conf->origin_count;
    http->names = prl_mem_array(count, sizeof(*http->names));
    enum prl_err err = http->names ? PRL_OK : PRL_ERR_NOMEM;
    for (size_t i = 0; i < 3 && !err; i++)
        err = add_name(http, always[i]);
    for (size_t i = 0; i < conf->host_count && !err; i++)
        err = add_host(http, conf->hosts[i]);
    size_t hosts = http->name_count;
    for (size_t i = 0; i < conf->origin_count && !err; i++)
        err = add_name(http, conf->origins[i]);
    if (err)
        return err;
    http->rules.hosts = (const char *const *)http->names;
    http->rules.host_count = hosts;
    http->rules.origins = (const char *const *)http->names + hosts;
    http->rules.origin_count = conf->origin_count;
    return PRL_OK;
}

static void on_accept(void *arg, const struct prl_accepted *accepted)
{
    struct prl_http *http = arg;
    http->stats.accepted++;
    size_t open = atomic_load(http->open);
    bool full = open >= http->conf.connections_max;
    if (full)
        http->stats.refused++;
    // Before a TLS handshake nothing can be said, and the refusing have a limit too.
    if (full && (http->tls_listen[accepted->index] ||
                 open >= http->conf.connections_max + PRL_HTTP_REFUSING_MAX)) {
        close(accepted->fd);
        return;
    }
    enum prl_err err = prl_http_conn_create(http, accepted, full);
    if (err)
        prl_log(PRL_LOG_WARN, "net", "a connection was dropped: %s", prl_err_name(err));
}

static enum prl_err open_listeners(struct prl_http *http, const struct prl_http_conf *conf)
{
    enum prl_err err =
        prl_acceptor_create(&http->acceptor, http->loop, conf->reuse_port, on_accept, http);
    for (size_t i = 0; i < conf->listen_count && !err; i++) {
        const struct prl_http_listen *listen = &conf->listens[i];
        http->tls_listen[i] = listen->tls;
        err = prl_acceptor_add(http->acceptor, listen->address, listen->port);
        http->listen_count += !err;
    }
    return err;
}

static enum prl_err load_tls(struct prl_http *http, const struct prl_http_conf *conf)
{
    char error[256];
    bool needed = false;
    for (size_t i = 0; i < conf->listen_count; i++)
        needed = needed || conf->listens[i].tls;
    if (!needed)
        return PRL_OK;
    PRL_CHECK(conf->tls_cert && conf->tls_key);
    enum prl_err err = prl_tls_ctx_create_server(&http->tls, conf->tls_cert, conf->tls_key, error);
    if (err)
        prl_log(PRL_LOG_ERROR, "net", "TLS: %s", error);
    return err;
}

enum prl_err prl_http_create(struct prl_http **out, struct prl_loop *loop,
                             const struct prl_http_conf *conf)
{
    PRL_CHECK(out && loop && conf);
    PRL_CHECK(conf->listen_count <= PRL_ACCEPTOR_MAX);
    struct prl_http *http = *out = prl_mem_zalloc(sizeof(*http));
    if (!http)
        return PRL_ERR_NOMEM;
    http->loop = loop;
    http->open = &http->own_open;
    take_conf(http, conf);
    http->slice = prl_mem_alloc(PRL_WS_SLICE);
    enum prl_err err = http->slice ? build_rules(http, conf) : PRL_ERR_NOMEM;
    if (!err)
        err = load_tls(http, conf);
    if (!err)
        err = open_listeners(http, conf);
    if (err)
        prl_http_destroy(out);
    return err;
}

void prl_http_drain(struct prl_http *http)
{
    prl_acceptor_destroy(&http->acceptor);
    for (struct prl_http_request *conn = http->first; conn; conn = conn->next)
        prl_http_conn_drain(conn);
}

static void end_conn(struct prl_http_request *conn)
{
    if (conn->state == PRL_HTTP_UPGRADED)
        conn->ws_ops->on_close(prl_ws_owner(conn->ws), conn->ws, 1001);
    prl_http_conn_destroy(conn);
}

void prl_http_destroy(struct prl_http **http_at)
{
    struct prl_http *http = *http_at;
    if (!http)
        return;
    prl_acceptor_destroy(&http->acceptor);
    prl_http_leave_join(http);
    while (http->first)
        end_conn(http->first);
    prl_tls_ctx_destroy(&http->tls);
    for (size_t i = 0; i < http->name_count; i++)
        prl_mem_free(http->names[i]);
    prl_mem_free(http->names);
    prl_mem_free(http->slice);
    prl_mem_free(http);
    *http_at = NULL;
}

void prl_http_stats(const struct prl_http *http, struct prl_http_stats *stats)
{
    *stats = http->stats;
    for (const struct prl_http_request *conn = http->first; conn; conn = conn->next) {
        stats->bytes_in += conn->bytes_in + (conn->ws ? prl_ws_core_bytes_in(conn->ws) : 0);
        stats->bytes_out += conn->bytes_out + (conn->ws ? prl_ws_core_bytes_out(conn->ws) : 0);
    }
}

static bool truly_loopback(const union prl_sockaddr *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

enum prl_err prl_http_bound(const struct prl_http *http, size_t index, struct prl_http_bound *bound)
{
    union prl_sockaddr address;
    *bound = (struct prl_http_bound){0};
    if (!http->acceptor)
        return PRL_ERR_NOTFOUND;
    enum prl_err err = prl_acceptor_bound(http->acceptor, index, &address);
    if (err)
        return err;
    prl_sockaddr_text(&address, bound->address, sizeof(bound->address));
    bound->port = prl_sockaddr_port(&address);
    bound->tls = http->tls_listen[index];
    bound->loopback = truly_loopback(&address);
    return PRL_OK;
}

enum prl_err prl_http_add_route(struct prl_http *http, const struct prl_http_route *route)
{
    PRL_CHECK(route->method && route->path && route->fn);
    if (http->route_count == PRL_HTTP_ROUTES_MAX)
        return PRL_ERR_LIMIT;
    http->routes[http->route_count++] = *route;
    return PRL_OK;
}

enum prl_err prl_http_add_ws(struct prl_http *http, const struct prl_ws_route *route)
{
    PRL_CHECK(route->path && route->ops && route->ops->on_open && route->ops->on_text &&
              route->ops->on_close);
    if (http->ws_route_count == PRL_HTTP_ROUTES_MAX)
        return PRL_ERR_LIMIT;
    http->ws_routes[http->ws_route_count++] = *route;
    return PRL_OK;
}

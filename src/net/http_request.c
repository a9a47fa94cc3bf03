// http_request.c -- from a complete head to a running handler: what is checked in which order, and
// the getters of http.h.
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/http_conn.h"
#include "net/http_route.h"

static const char *field(const struct prl_http_request *conn, const char *name)
{
    return prl_http_head_field(conn->head, name, NULL);
}

// ---- checks; each answers by itself and returns false ----

static bool check_names(struct prl_http_request *conn)
{
    size_t host_count;
    size_t origin_count;
    const char *host = prl_http_head_field(conn->head, "host", &host_count);
    const char *origin = prl_http_head_field(conn->head, "origin", &origin_count);
    union prl_sockaddr local = {0};
    socklen_t size = sizeof(local);
    char local_text[64] = "";
    if (getsockname(prl_stream_fd(conn->stream), &local.any, &size) == 0)
        prl_sockaddr_text(&local, local_text, sizeof(local_text));
    unsigned status = host_count > 1 || origin_count > 1 ? 400 : 0;
    if (!status)
        status = prl_origin_check_host(&conn->http->rules, host, local_text);
    if (status) {
        prl_http_conn_refuse(conn, status,
                             status == 421 ? "this server does not serve that host name"
                                           : "exactly one valid Host is required");
        return false;
    }
    if (prl_origin_check(&conn->http->rules, origin, host, conn->tls)) {
        prl_http_conn_refuse(conn, 403, "requests from this origin are not allowed");
        return false;
    }
    conn->cors = origin != NULL;
    return true;
}

static bool check_length(struct prl_http_request *conn)
{
    uint64_t length = 0;
    enum prl_http_length given = prl_http_head_length(conn->head, &length);
    if (field(conn, "transfer-encoding")) {
        prl_http_conn_refuse(conn, 411, "send the body with Content-Length");
        return false;
    }
    if (given == PRL_HTTP_LENGTH_BAD) {
        prl_http_conn_refuse(conn, 400, "Content-Length is malformed");
        return false;
    }
    conn->body_left = length;
    return true;
}

static bool split_target(struct prl_http_request *conn)
{
    static char nothing[] = "";
    char *question = strchr(conn->head->target, '?');
    conn->query = nothing;
    if (question) {
        *question = '\0';
        conn->query = question + 1;
    }
    conn->path = conn->head->target;
    if (prl_http_path_decode(conn->path))
        return true;
    prl_http_conn_refuse(conn, 400, "the path is malformed");
    return false;
}

static void decide_keep_alive(struct prl_http_request *conn)
{
    conn->keep_alive = conn->head->version_minor == 1 &&
                       !prl_http_head_has_token(conn->head, "connection", "close");
    conn->head_only = strcmp(conn->head->method, "HEAD") == 0;
}

// ---- routing ----

static bool method_fits(const char *route, const char *method)
{
    return strcmp(route, "*") == 0 || strcmp(route, method) == 0 ||
           (strcmp(route, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static bool path_fits(struct prl_http_request *conn, const char *pattern)
{
    const char *rest;
    size_t rest_len;
    if (!prl_http_path_match(pattern, conn->path, &rest, &rest_len))
        return false;
    conn->rest_at = rest_len > 0 ? (size_t)(rest - conn->path) : 0;
    conn->rest_len = rest_len;
    return true;
}

static const struct prl_http_route *find_route(struct prl_http_request *conn, bool *path_known)
{
    const struct prl_http *http = conn->http;
    *path_known = false;
    for (size_t i = 0; i < http->route_count; i++) {
        if (!path_fits(conn, http->routes[i].path))
            continue;
        *path_known = true;
        if (method_fits(http->routes[i].method, conn->head->method))
            return &http->routes[i];
    }
    return NULL;
}

static const struct prl_ws_route *find_ws_route(struct prl_http_request *conn)
{
    const struct prl_http *http = conn->http;
    for (size_t i = 0; i < http->ws_route_count; i++)
        if (path_fits(conn, http->ws_routes[i].path))
            return &http->ws_routes[i];
    return NULL;
}

static bool is_preflight(const struct prl_http_request *conn)
{
    return strcmp(conn->head->method, "OPTIONS") == 0 && field(conn, "origin") &&
           field(conn, "access-control-request-method");
}

static void answer_preflight(struct prl_http_request *conn)
{
    const char *asked = field(conn, "access-control-request-headers");
    struct prl_http_header headers[3] = {
        {"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"},
        {"Access-Control-Max-Age", "600"},
        {"Access-Control-Allow-Headers", asked}};
    struct prl_http_response response = {
        .status = 204, .headers = headers, .header_count = asked ? 3 : 2};
    conn->state = PRL_HTTP_RUNNING;
    prl_http_reply(conn, &response);
}

// The first bytes of the body came with the head.
static bool take_body(struct prl_http_request *conn)
{
    size_t have = conn->in.len - conn->used;
    size_t part = have < conn->body_left ? have : (size_t)conn->body_left;
    prl_str_init(&conn->body, (size_t)conn->body_left);
    if (prl_str_add(&conn->body, conn->in.data + conn->used, part) != PRL_OK) {
        conn->state = PRL_HTTP_DEAD;
        return false;
    }
    conn->used += part;
    conn->body_left -= part;
    return true;
}

static void start_body(struct prl_http_request *conn)
{
    if (conn->body_left > conn->route->body_size_max) {
        prl_http_conn_refuse(conn, 413, "the body is too large");
        return;
    }
    bool expects = conn->body_left > 0 && conn->in.len == conn->used &&
                   prl_http_head_has_token(conn->head, "expect", "100-continue");
    if (!take_body(conn))
        return;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (expects && prl_outq_push_static(&conn->out, go_on, sizeof(go_on) - 1) != PRL_OK) {
        conn->state = PRL_HTTP_DEAD;
        return;
    }
    conn->since_us = prl_clock_now_us();
    conn->state = PRL_HTTP_BODY;
}

static void route_request(struct prl_http_request *conn)
{
    bool path_known;
    if (is_preflight(conn)) {
        answer_preflight(conn);
        return;
    }
    if (prl_http_head_has_token(conn->head, "upgrade", "websocket")) {
        const struct prl_ws_route *ws_route = find_ws_route(conn);
        if (ws_route && prl_http_conn_moves(conn))
            return;
        if (ws_route)
            prl_http_conn_upgrade(conn, ws_route);
        else
            prl_http_conn_refuse(conn, 404, "no WebSocket is served at this path");
        return;
    }
    conn->route = find_route(conn, &path_known);
    if (conn->route)
        start_body(conn);
    else if (find_ws_route(conn))
        prl_http_conn_refuse(conn, 426, "this path speaks WebSocket only");
    else
        prl_http_conn_refuse(conn, path_known ? 405 : 404,
                             path_known ? "this path does not know that method"
                                        : "nothing is served at this path");
}

void prl_http_conn_start_request(struct prl_http_request *conn, size_t head_size)
{
    conn->http->stats.requests++;
    conn->used = head_size;
    conn->head = prl_mem_alloc(sizeof(*conn->head));
    if (!conn->head) {
        conn->state = PRL_HTTP_DEAD;
        return;
    }
    if (prl_http_head_parse_request(conn->head, conn->in.data, head_size) != PRL_OK) {
        prl_http_conn_refuse(conn, conn->head->status, "the request head is malformed");
        return;
    }
    decide_keep_alive(conn);
    if (check_names(conn) && check_length(conn) && split_target(conn))
        route_request(conn);
}

void prl_http_conn_run(struct prl_http_request *conn)
{
    if (prl_http_conn_moves(conn))
        return;
    conn->state = PRL_HTTP_RUNNING;
    const struct prl_http_route *route = conn->route;
    route->fn(route->arg, conn);
    if (conn->state == PRL_HTTP_RUNNING && !conn->deferred && !conn->replied && !conn->streaming)
        prl_http_conn_refuse(conn, 500, "the request was not answered");
}

void prl_http_conn_go_on(struct prl_http_request *conn)
{
    bool path_known;
    if (prl_http_head_has_token(conn->head, "upgrade", "websocket")) {
        route_request(conn);
        return;
    }
    conn->route = find_route(conn, &path_known);
    if (conn->route)
        prl_http_conn_run(conn);
    else
        prl_http_conn_refuse(conn, 404, "nothing is served at this path");
}

// ---- getters ----

const char *prl_http_method(const struct prl_http_request *request)
{
    return request->head->method;
}

const char *prl_http_path(const struct prl_http_request *request)
{
    return request->path;
}

bool prl_http_rest(const struct prl_http_request *request, char *rest, size_t size)
{
    if (request->rest_len >= size)
        return false;
    memcpy(rest, request->path + request->rest_at, request->rest_len);
    rest[request->rest_len] = '\0';
    return true;
}

const char *prl_http_query(const struct prl_http_request *request)
{
    return request->query;
}

bool prl_http_query_value(const struct prl_http_request *request, const char *name, char *value,
                          size_t size)
{
    return prl_http_query_find(request->query, name, value, size);
}

const char *prl_http_header(const struct prl_http_request *request, const char *name)
{
    return field(request, name);
}

const char *prl_http_body(const struct prl_http_request *request, size_t *size)
{
    *size = request->body.len;
    return prl_str_text(&request->body);
}

void prl_http_peer(const struct prl_http_request *request, char *text, size_t size)
{
    char address[64];
    prl_sockaddr_text(&request->peer, address, sizeof(address));
    bool v6 = strchr(address, ':') != NULL;
    snprintf(text, size, "%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "",
             prl_sockaddr_port(&request->peer));
}

bool prl_http_peer_loopback(const struct prl_http_request *request)
{
    char text[64];
    prl_sockaddr_text(&request->peer, text, sizeof(text));
    return prl_origin_loopback(text);
}

bool prl_http_tls(const struct prl_http_request *request)
{
    return request->tls;
}

bool prl_http_subprotocol(const struct prl_http_request *request, size_t index, char *name,
                          size_t size)
{
    return prl_http_head_element(request->head, "sec-websocket-protocol", index, name, size);
}

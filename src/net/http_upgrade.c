// http_upgrade.c -- the server's side of the WebSocket opening handshake (RFC 6455 §4.2).
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"
#include "net/ws_key.h"

enum { ANSWER_SIZE_MAX = 1024, CODE_UNSUPPORTED = 1003, CODE_LOST = 1006 };

static void on_data(void *arg, struct prl_ws *ws, const struct prl_ws_event *event)
{
    struct prl_http_request *conn = arg;
    const struct prl_ws_ops *ops = conn->ws_ops;
    if (event->text)
        ops->on_text(prl_ws_owner(ws), ws, event->data, event->len, event->first, event->last);
    else if (ops->on_binary)
        ops->on_binary(prl_ws_owner(ws), ws, event->data, event->len, event->first, event->last);
    else
        prl_ws_close(ws, CODE_UNSUPPORTED, "binary messages are not used here");
}

static void on_drained(void *arg, struct prl_ws *ws)
{
    struct prl_http_request *conn = arg;
    if (conn->ws_ops->on_drained)
        conn->ws_ops->on_drained(prl_ws_owner(ws), ws);
}

static void on_closed(void *arg, struct prl_ws *ws, uint16_t code, const char *reason)
{
    struct prl_http_request *conn = arg;
    (void)reason;
    conn->bytes_in += prl_ws_core_bytes_in(ws);
    conn->bytes_out += prl_ws_core_bytes_out(ws);
    conn->ws_ops->on_close(prl_ws_owner(ws), ws, code);
    prl_http_conn_destroy(conn);
}

static const struct prl_ws_hooks hooks = {on_data, on_drained, on_closed};

// Answers by itself and returns false when the request is no proper handshake.
static bool check_handshake(struct prl_http_request *conn, char accept[PRL_WS_ACCEPT_SIZE])
{
    size_t count;
    const struct prl_http_head *head = conn->head;
    const char *key = prl_http_head_field(head, "sec-websocket-key", &count);
    const char *version = prl_http_head_field(head, "sec-websocket-version", NULL);
    if (strcmp(head->method, "GET") != 0 || head->version_minor < 1 || conn->body_left > 0 ||
        !prl_http_head_has_token(head, "connection", "upgrade")) {
        prl_http_conn_refuse(conn, 400, "not a proper WebSocket handshake");
        return false;
    }
    if (!version || strcmp(version, "13") != 0) {
        prl_http_conn_refuse(conn, 426, "only WebSocket version 13 is spoken here");
        return false;
    }
    if (count != 1 || !prl_ws_key_accept(key, accept)) {
        prl_http_conn_refuse(conn, 400, "Sec-WebSocket-Key is malformed");
        return false;
    }
    return true;
}

static void refuse_open(struct prl_http_request *conn, const struct prl_ws_answer *answer)
{
    struct prl_http_header bearer = {"WWW-Authenticate", "Bearer"};
    struct prl_http_response response = {.status = answer->status,
                                         .content_type = answer->body ? "application/json" : NULL,
                                         .headers = &bearer,
                                         .header_count = answer->status == 401,
                                         .body = answer->body,
                                         .body_size = answer->body ? strlen(answer->body) : 0};
    prl_ws_core_destroy(&conn->ws);
    conn->ws_ops = NULL;
    prl_http_reply(conn, &response);
}

static bool was_offered(const struct prl_http_request *conn, const char *subprotocol)
{
    char name[128];
    for (size_t i = 0; prl_http_subprotocol(conn, i, name, sizeof(name)); i++)
        if (strcmp(name, subprotocol) == 0)
            return true;
    return false;
}

static enum prl_err attach(struct prl_http_request *conn, const char *accept,
                           const char *subprotocol)
{
    struct prl_str text;
    prl_str_init(&text, ANSWER_SIZE_MAX);
    prl_str_addf(&text,
                 "HTTP/1.1 101 Switching Protocols\r\n"
                 "Upgrade: websocket\r\n"
                 "Connection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n",
                 accept);
    // Choosing what was not offered would make the client fail the connection (§4.1).
    if (subprotocol && was_offered(conn, subprotocol))
        prl_str_addf(&text, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    prl_str_adds(&text, "\r\n");
    enum prl_err err = text.err;
    if (!err)
        err = prl_ws_core_attach(conn->ws, &conn->stream, prl_str_text(&text), text.len,
                                 conn->in.data + conn->used, conn->in.len - conn->used);
    prl_str_free(&text);
    return err;
}

// From here on the struct is only the link between the WebSocket and the server.
static void shed(struct prl_http_request *conn)
{
    prl_timer_destroy(&conn->timer);
    prl_outq_free(&conn->out);
    prl_str_free(&conn->in);
    prl_str_free(&conn->ahead);
    prl_mem_free(conn->head);
    conn->head = NULL;
    conn->path = conn->query = NULL;
}

void prl_http_conn_upgrade(struct prl_http_request *conn, const struct prl_ws_route *route)
{
    char accept[PRL_WS_ACCEPT_SIZE];
    const struct prl_http_conf *limits = &conn->http->conf;
    if (!check_handshake(conn, accept))
        return;
    struct prl_ws_core_conf conf = {.message_size_max = limits->ws_message_size_max,
                                    .queue_size_max = limits->ws_queue_size_max,
                                    .ping_ms = limits->ws_ping_ms,
                                    .timeout_ms = limits->ws_timeout_ms,
                                    .close_timeout_ms = limits->ws_close_timeout_ms,
                                    .slice = conn->http->slice,
                                    .hooks = &hooks,
                                    .arg = conn};
    if (prl_ws_core_create(&conn->ws, conn->http->loop, &conf) != PRL_OK) {
        conn->state = PRL_HTTP_DEAD;
        return;
    }
    struct prl_ws_answer answer = {0};
    conn->state = PRL_HTTP_RUNNING;
    conn->ws_ops = route->ops;
    route->ops->on_open(route->arg, conn->ws, conn, &answer);
    if (answer.status) {
        refuse_open(conn, &answer);
        return;
    }
    if (attach(conn, accept, answer.subprotocol) != PRL_OK) {
        route->ops->on_close(prl_ws_owner(conn->ws), conn->ws, CODE_LOST);
        conn->state = PRL_HTTP_DEAD;
        return;
    }
    conn->state = PRL_HTTP_UPGRADED;
    conn->http->stats.websockets++;
    shed(conn);
}

// http_reply.c -- answers: status, headers, bodies at once or in chunks.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"

enum { HEAD_SIZE_MAX = 32768 };

static const struct {
    unsigned status;
    const char *text;
} status_texts[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *prl_http_status_text(unsigned status)
{
    for (size_t i = 0; i < sizeof(status_texts) / sizeof(status_texts[0]); i++)
        if (status_texts[i].status == status)
            return status_texts[i].text;
    return "Unknown";
}

static bool fields_clean(const struct prl_http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strpbrk(response->headers[i].name, "\r\n: ") ||
            strpbrk(response->headers[i].value, "\r\n"))
            return false;
    return !response->content_type || !strpbrk(response->content_type, "\r\n");
}

static void add_cors(struct prl_str *text, const struct prl_http_request *conn)
{
    if (!conn->cors)
        return;
    const char *origin = prl_http_head_field(conn->head, "origin", NULL);
    prl_str_addf(text,
                 "Access-Control-Allow-Origin: %s\r\n"
                 "Access-Control-Expose-Headers: Location\r\n"
                 "Vary: Origin\r\n",
                 origin);
}

// Everything but the length and the empty line.
static void add_head(struct prl_str *text, const struct prl_http_request *conn,
                     const struct prl_http_response *response)
{
    prl_str_addf(text, "HTTP/1.1 %u %s\r\n", response->status,
                 prl_http_status_text(response->status));
    if (response->content_type)
        prl_str_addf(text, "Content-Type: %s\r\n", response->content_type);
    for (size_t i = 0; i < response->header_count; i++)
        prl_str_addf(text, "%s: %s\r\n", response->headers[i].name, response->headers[i].value);
    add_cors(text, conn);
    prl_str_addf(text, "X-Content-Type-Options: nosniff\r\nConnection: %s\r\n",
                 conn->keep_alive ? "keep-alive" : "close");
}

// The time of what waits to be sent counts from now, not from the request's arrival.
static void note_push(struct prl_http_request *conn)
{
    if (conn->out.bytes == 0)
        conn->since_us = prl_clock_now_us();
}

static enum prl_err push_text(struct prl_http_request *conn, const struct prl_str *text)
{
    if (text->err)
        return text->err;
    struct prl_outq_piece pieces[3] = {{prl_str_text(text), text->len}};
    note_push(conn);
    return prl_outq_push(&conn->out, pieces, true, NULL);
}

static enum prl_err push_reply(struct prl_http_request *conn,
                               const struct prl_http_response *response)
{
    struct prl_str text;
    prl_str_init(&text, HEAD_SIZE_MAX);
    add_head(&text, conn, response);
    bool bodiless = response->status == 204 || response->status == 304;
    if (!bodiless)
        prl_str_addf(&text, "Content-Length: %zu\r\n", response->body_size);
    prl_str_adds(&text, "\r\n");
    enum prl_err err = push_text(conn, &text);
    prl_str_free(&text);
    if (err || bodiless || conn->head_only || response->body_size == 0)
        return err;
    if (response->body_static)
        return prl_outq_push_static(&conn->out, response->body, response->body_size);
    struct prl_outq_piece pieces[3] = {{response->body, response->body_size}};
    return prl_outq_push(&conn->out, pieces, true, NULL);
}

void prl_http_reply(struct prl_http_request *request, const struct prl_http_response *response)
{
    static const struct prl_http_response broken = {.status = 500};
    prl_loop_check(request->http->loop);
    PRL_CHECK(request->state == PRL_HTTP_RUNNING && !request->replied && !request->streaming);
    if (!fields_clean(response)) {
        prl_log(PRL_LOG_ERROR, "net", "an answer to %s held a line break in a header",
                request->path);
        response = &broken;
    }
    // A body that nobody read would be taken for the next request.
    if (request->body_left > 0)
        request->keep_alive = false;
    request->replied = true;
    request->state = push_reply(request, response) == PRL_OK ? PRL_HTTP_REPLY : PRL_HTTP_DEAD;
    prl_http_conn_kick(request);
}

void prl_http_reply_json(struct prl_http_request *request, unsigned status, const char *json)
{
    struct prl_http_response response = {.status = status,
                                         .content_type = "application/json",
                                         .body = json,
                                         .body_size = strlen(json)};
    prl_http_reply(request, &response);
}

void prl_http_defer(struct prl_http_request *request, prl_http_gone_fn gone, void *arg)
{
    PRL_CHECK(request->state == PRL_HTTP_RUNNING && !request->replied);
    request->deferred = true;
    request->gone = gone;
    request->gone_arg = arg;
}

void prl_http_conn_refuse(struct prl_http_request *conn, unsigned status, const char *message)
{
    char body[256];
    struct prl_http_header headers[2];
    size_t count = 0;
    if (status == 426) {
        headers[count++] = (struct prl_http_header){"Upgrade", "websocket"};
        headers[count++] = (struct prl_http_header){"Sec-WebSocket-Version", "13"};
    }
    if (status == 429)
        headers[count++] = (struct prl_http_header){"Retry-After", "1"};
    conn->http->stats.bad += status < 500;
    const char *type = status < 500 ? "invalid_request_error" : "server_error";
    // `message` is one of our own literals: nothing to escape.
    snprintf(body, sizeof(body),
             "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"code\":null,\"param\":null}}",
             message, type);
    // Whole requests without a body may go on; anything else has lost its place in the stream.
    bool framed = (status >= 403 && status <= 405) && conn->body_left == 0;
    conn->keep_alive = conn->keep_alive && framed;
    conn->state = PRL_HTTP_RUNNING;
    conn->streaming = conn->replied = false;
    struct prl_http_response response = {.status = status,
                                         .content_type = "application/json",
                                         .headers = headers,
                                         .header_count = count,
                                         .body = body,
                                         .body_size = strlen(body)};
    prl_http_reply(conn, &response);
}

// ---- streams ----

enum prl_err prl_http_stream_begin(struct prl_http_request *request,
                                   const struct prl_http_response *head)
{
    prl_loop_check(request->http->loop);
    PRL_CHECK(request->state == PRL_HTTP_RUNNING && !request->replied && !request->streaming);
    if (!fields_clean(head))
        return PRL_ERR_INVALID;
    // HTTP/1.0 has no chunks: there the end of the connection is the end of the body.
    request->chunked = request->head->version_minor == 1;
    request->keep_alive = request->keep_alive && request->chunked;
    struct prl_str text;
    prl_str_init(&text, HEAD_SIZE_MAX);
    add_head(&text, request, head);
    prl_str_adds(&text, request->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    enum prl_err err = push_text(request, &text);
    prl_str_free(&text);
    if (err)
        return err;
    request->streaming = true;
    request->deferred = true;
    prl_http_conn_kick(request);
    return PRL_OK;
}

enum prl_err prl_http_stream_chunk(struct prl_http_request *request, const void *data, size_t size)
{
    char length[24];
    prl_loop_check(request->http->loop);
    PRL_CHECK(request->streaming && !request->replied);
    if (request->state != PRL_HTTP_RUNNING)
        return PRL_ERR_CANCELED;
    if (size == 0 || request->head_only) // an empty chunk would end the body
        return PRL_OK;
    int count = snprintf(length, sizeof(length), "%zx\r\n", size);
    struct prl_outq_piece pieces[3] = {{length, (size_t)count}, {data, size}, {"\r\n", 2}};
    note_push(request);
    if (!request->chunked)
        pieces[0].size = pieces[2].size = 0;
    enum prl_err err = prl_outq_push(&request->out, pieces, false, NULL);
    if (!err)
        prl_http_conn_kick(request);
    return err;
}

void prl_http_stream_end(struct prl_http_request *request)
{
    prl_loop_check(request->http->loop);
    PRL_CHECK(request->streaming && !request->replied);
    request->replied = true;
    note_push(request);
    enum prl_err err = PRL_OK;
    if (request->chunked && !request->head_only)
        err = prl_outq_push_static(&request->out, "0\r\n\r\n", 5);
    request->state = err ? PRL_HTTP_DEAD : PRL_HTTP_REPLY;
    prl_http_conn_kick(request);
}

void prl_http_stream_abort(struct prl_http_request *request)
{
    prl_loop_check(request->http->loop);
    PRL_CHECK(request->streaming && !request->replied);
    request->replied = true;
    request->state = PRL_HTTP_DEAD;
    prl_http_conn_kick(request);
}

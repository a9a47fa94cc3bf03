// serve.c -- see serve.h: the life of an order, and the routes.
#include "api/serve.h"

#include "api/reply.h"
#include "base/check.h"
#include "base/mem.h"
#include "net/http.h"
#include "net/loop.h"

enum { CHAT_BODY_MAX = 4 << 20, SPEECH_BODY_MAX = 64 << 10, SOUND_BODY_MAX = 25 << 20 };

struct prl_serve {
    struct prl_serve_conf conf;
    struct prl_serve_order *orders;
    size_t count;
};

enum prl_err prl_serve_create(struct prl_serve **out, const struct prl_serve_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    return PRL_OK;
}

static void free_order(struct prl_serve_order *order)
{
    struct prl_serve *serve = order->serve;
    if (order->next)
        order->next->previous = order->previous;
    if (order->previous)
        order->previous->next = order->next;
    else
        serve->orders = order->next;
    serve->count--;
    prl_timer_destroy(&order->timer);
    order->close(order);
    prl_mem_free(order);
}

void prl_serve_destroy(struct prl_serve **serve)
{
    if (!*serve)
        return;
    while ((*serve)->orders)
        free_order((*serve)->orders);
    prl_mem_free(*serve);
    *serve = NULL;
}

const struct prl_serve_conf *prl_serve_conf(const struct prl_serve *serve)
{
    return &serve->conf;
}

static void on_timer(void *arg)
{
    free_order(arg);
}

void prl_serve_end(struct prl_serve_order *order)
{
    prl_timer_start(order->timer, 0);
}

static void on_gone(void *arg)
{
    struct prl_serve_order *order = arg;
    order->request = NULL;
    prl_serve_end(order);
}

void *prl_serve_open(struct prl_serve *serve, struct prl_http_request *request, size_t size,
                     void (*close)(struct prl_serve_order *order))
{
    PRL_CHECK(size >= sizeof(struct prl_serve_order));
    if (!prl_auth_request(serve->conf.auth, request)) {
        prl_reply_stranger(request);
        return NULL;
    }
    if (serve->count >= PRL_SERVE_ORDERS_MAX) {
        prl_reply_error(request, 429, "rate_limit_exceeded", NULL,
                        "The server works on as many requests as it may; try again later.");
        return NULL;
    }
    struct prl_serve_order *order = prl_mem_zalloc(size);
    if (!order ||
        prl_timer_create(&order->timer, serve->conf.loop, "order", on_timer, order) != PRL_OK) {
        prl_mem_free(order);
        prl_reply_error(request, 503, "server_error", NULL, "The server has no memory for this.");
        return NULL;
    }
    order->serve = serve;
    order->request = request;
    order->close = close;
    order->next = serve->orders;
    if (serve->orders)
        serve->orders->previous = order;
    serve->orders = order;
    serve->count++;
    prl_http_defer(request, on_gone, order);
    return order;
}

void prl_serve_refuse(struct prl_serve_order *order, unsigned status, const char *code,
                      const char *param, const char *message)
{
    struct prl_http_request *request = order->request;
    order->request = NULL;
    if (request)
        prl_reply_error(request, status, code, param, message);
    prl_serve_end(order);
}

enum prl_err prl_serve_route(struct prl_serve *serve, struct prl_http *http)
{
    const struct prl_http_route routes[] = {
        {"POST", "/v1/chat/completions", CHAT_BODY_MAX, prl_serve_chat, serve},
        {"POST", "/v1/audio/speech", SPEECH_BODY_MAX, prl_serve_speech, serve},
        {"POST", "/v1/audio/transcriptions", SOUND_BODY_MAX, prl_serve_transcription, serve},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        enum prl_err err = prl_http_add_route(http, &routes[i]);
        if (err)
            return err;
    }
    return PRL_OK;
}

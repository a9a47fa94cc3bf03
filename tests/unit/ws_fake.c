// ws_fake.c -- see ws_fake.h.
#include "tests/unit/ws_fake.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/local_http.h"

enum { SAID_MAX = 1 << 20 };

static void on_open(void *arg, struct prl_ws *ws, const struct prl_http_request *request,
                    struct prl_ws_answer *answer)
{
    struct ws_fake *fake = arg;
    const char *key = prl_http_header(request, "authorization");
    prl_ws_set_owner(ws, fake);
    snprintf(fake->key, sizeof(fake->key), "%s", key ? key : "");
    snprintf(fake->path, sizeof(fake->path), "%s", prl_http_path(request));
    snprintf(fake->query, sizeof(fake->query), "%s", prl_http_query(request));
    answer->status = fake->refuse;
    fake->opened += fake->refuse == 0;
}

static void take(struct ws_fake *fake, struct prl_ws *ws, bool text)
{
    const char *data = prl_str_text(&fake->message);
    if (text)
        (void)prl_str_addf(&fake->said, "%s\n", data);
    fake->texts += text;
    fake->binaries += !text;
    fake->bytes += text ? 0 : fake->message.len;
    if (fake->fn)
        fake->fn(fake, ws, text ? data : NULL, fake->message.len);
}

static void add(struct ws_fake *fake, const char *data, size_t len, bool first)
{
    if (first)
        prl_str_clear(&fake->message);
    (void)prl_str_add(&fake->message, data, len);
}

static void on_text(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                    bool last)
{
    add(owner, data, len, first);
    if (last)
        take(owner, ws, true);
}

static void on_binary(void *owner, struct prl_ws *ws, const char *data, size_t len, bool first,
                      bool last)
{
    add(owner, data, len, first);
    if (last)
        take(owner, ws, false);
}

static void on_close(void *owner, struct prl_ws *ws, uint16_t code)
{
    struct ws_fake *fake = owner;
    (void)ws;
    (void)code;
    fake->closed++;
}

enum prl_err ws_fake_open(struct ws_fake *fake, struct prl_loop *loop)
{
    static const struct prl_ws_ops ops = {on_open, on_text, on_binary, NULL, on_close};
    prl_str_init(&fake->said, SAID_MAX);
    prl_str_init(&fake->message, SAID_MAX);
    return local_http_open(&fake->http, loop, NULL, &(struct prl_ws_route){"/*", &ops, fake},
                           &fake->port);
}

void ws_fake_close(struct ws_fake *fake)
{
    prl_http_destroy(&fake->http);
    prl_str_free(&fake->said);
    prl_str_free(&fake->message);
}

void ws_fake_say(struct prl_ws *ws, const char *text)
{
    enum prl_err err = prl_ws_send_text(ws, text, strlen(text));
    if (err)
        prl_ws_abort(ws);
}

// http_fake.c -- see http_fake.h.
#include "tests/unit/http_fake.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/local_http.h"

static void on_gone(void *arg)
{
    struct http_fake_answer *answer = arg;
    answer->gone++;
}

static void serve(void *arg, struct prl_http_request *request)
{
    struct http_fake *fake = arg;
    size_t size;
    const char *body = prl_http_body(request, &size);
    const char *key = prl_http_header(request, "authorization");
    fake->last_size = size < HTTP_FAKE_BODY - 1 ? size : HTTP_FAKE_BODY - 1;
    memcpy(fake->last, body ? body : "", fake->last_size);
    fake->last[fake->last_size] = '\0';
    snprintf(fake->key, sizeof(fake->key), "%s", key ? key : "");
    for (int i = 0; i < HTTP_FAKE_ANSWERS; i++) {
        struct http_fake_answer *answer = &fake->answers[i];
        if (!answer->path || strcmp(answer->path, prl_http_path(request)) != 0)
            continue;
        answer->asked++;
        if (answer->status == 0) {
            prl_http_defer(request, on_gone, answer);
            return;
        }
        size_t len = answer->size ? answer->size : strlen(answer->body);
        prl_http_reply(request, &(struct prl_http_response){.status = answer->status,
                                                            .content_type = answer->type,
                                                            .body = answer->body,
                                                            .body_size = len});
        return;
    }
    prl_http_reply_json(request, 404, "{}");
}

enum prl_err http_fake_open(struct http_fake *fake, struct prl_loop *loop)
{
    enum prl_err err = local_http_open(&fake->http, loop, NULL, NULL, &fake->port);
    const struct prl_http_route routes[] = {{"POST", "/*", 4 << 20, serve, fake},
                                            {"GET", "/*", 0, serve, fake}};
    for (int i = 0; i < 2 && !err; i++)
        err = prl_http_add_route(fake->http, &routes[i]);
    return err;
}

void http_fake_close(struct http_fake *fake)
{
    prl_http_destroy(&fake->http);
}

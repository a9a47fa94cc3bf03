// reply.c -- see reply.h.
#include "api/reply.h"

#include "base/json_write.h"
#include "net/http.h"

enum { ERROR_MAX = 4 << 10 };

void prl_reply_text(struct prl_http_request *request, unsigned status, const char *type,
                    const struct prl_str *text)
{
    if (text->err) {
        prl_http_reply_json(request, 500, "{\"error\":{\"code\":\"server_error\"}}");
        return;
    }
    struct prl_http_response response = {
        .status = status, .content_type = type, .body = text->data, .body_size = text->len};
    prl_http_reply(request, &response);
}

void prl_reply_error(struct prl_http_request *request, unsigned status, const char *code,
                     const char *param, const char *message)
{
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, ERROR_MAX);
    prl_json_write_init(&json, &text);
    prl_json_write_object(&json, NULL);
    prl_json_write_object(&json, "error");
    bool ours = status >= 500 || status == 429;
    prl_json_write_string(&json, "type", ours ? "server_error" : "invalid_request_error");
    prl_json_write_string(&json, "code", code);
    prl_json_write_string(&json, "message", message);
    prl_json_write_string(&json, "param", param && *param ? param : NULL);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_reply_text(request, status, "application/json", &text);
    prl_str_free(&text);
}

void prl_reply_problem(struct prl_http_request *request, unsigned status,
                       const struct prl_problem *problem)
{
    prl_reply_error(request, status, problem->code, problem->param, problem->message);
}

void prl_reply_stranger(struct prl_http_request *request)
{
    prl_reply_error(request, 401, "invalid_api_key", NULL, "Incorrect or missing API key.");
}

// rest.h -- the plain HTTP side: health, metrics, voices, models, and the web page.
//
// Threads:  the loop thread. Memory: page files are read at start and kept. Errors: HTTP statuses with
// a JSON error body in the API's form.
#ifndef PRL_API_REST_H
#define PRL_API_REST_H

#include "api/auth.h"
#include "api/call.h"
#include "base/str.h"

struct prl_http;
struct prl_rest;
struct prl_rtc;

// One line of GET /v1/models besides "parley" itself.
struct prl_rest_model {
    const char *id;
    const char *kind;     // "stt", "llm" or "tts"
    const char *owned_by; // "parley", or host and port of an engine elsewhere
};

struct prl_rest_conf {
    const struct prl_auth *auth;
    const struct prl_talks *talks;
    const struct prl_calls *calls;
    const struct prl_rtc *rtc; // NULL: none
    struct prl_loop *loop;
    const char *web_dir; // folder of the page; NULL: no page
    const char *version;
    const struct prl_rest_model *models; // borrowed, as long as the server; NULL with 0
    size_t model_count;
    // Fills a JSON object with what each engine is doing; false while one has not answered yet.
    bool (*ready)(void *arg, struct prl_str *json);
    // Appends further metrics of this loop in Prometheus form; may be NULL.
    void (*metrics)(void *arg, struct prl_str *out);
    // What prl_rest_figures said on the other loops of late, borrowed for the call; returns how many,
    // below PRL_HTTP_SERVERS_MAX. NULL: there is one loop.
    size_t (*others)(void *arg, const char **texts);
    void *arg;
};

enum prl_err prl_rest_create(struct prl_rest **out, const struct prl_rest_conf *conf) PRL_MUST_USE;
void prl_rest_destroy(struct prl_rest **rest);
enum prl_err prl_rest_route(struct prl_rest *rest, struct prl_http *http) PRL_MUST_USE;
// Appends the figures of this loop, in Prometheus form.
void prl_rest_figures(const struct prl_rest *rest, struct prl_str *out);

#endif

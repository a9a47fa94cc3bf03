// rest.c -- see rest.h.
#include "api/rest.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "api/reply.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "net/http.h"
#include "net/loop.h"
#include "rtc/rtc.h"
#include "tts/voices.h"

enum { PAGES_MAX = 64, PAGE_MAX = 1 << 20, BODY_MAX = 256 << 10 };

struct page {
    char path[128]; // "/app.js"
    const char *type;
    char *data; // owned
    size_t size;
};

struct prl_rest {
    struct prl_rest_conf conf;
    const struct prl_http *http;
    int64_t created_s; // of the models, as far as a client is told: the start
    struct page pages[PAGES_MAX];
    size_t page_count;
};

// ---- the page ----

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (prl_str_ends(name, types[i][0]))
            return types[i][1];
    return NULL;
}

static enum prl_err read_page(struct prl_rest *rest, const char *dir, const char *name)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return PRL_ERR_IO;
    struct page *page = &rest->pages[rest->page_count];
    page->data = prl_mem_alloc(PAGE_MAX);
    enum prl_err err = page->data ? PRL_OK : PRL_ERR_NOMEM;
    if (!err) {
        page->size = fread(page->data, 1, PAGE_MAX, file);
        void *small = prl_mem_realloc(page->data, page->size);
        if (small)
            page->data = small;
        snprintf(page->path, sizeof(page->path), "/%s", name);
        page->type = type_of(name);
        rest->page_count++;
    }
    fclose(file);
    return err;
}

static enum prl_err read_pages(struct prl_rest *rest, const char *dir)
{
    DIR *folder = opendir(dir);
    if (!folder) {
        prl_log(PRL_LOG_WARN, "api", "no web page: the folder %s cannot be read", dir);
        return PRL_OK;
    }
    struct dirent *entry;
    enum prl_err err = PRL_OK;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a directory stream of our own
    while (!err && (entry = readdir(folder)))
        if (type_of(entry->d_name) && strlen(entry->d_name) < 120 && rest->page_count < PAGES_MAX)
            err = read_page(rest, dir, entry->d_name);
    closedir(folder);
    return err;
}

static void on_page(void *arg, struct prl_http_request *request)
{
    struct prl_rest *rest = arg;
    const char *path = prl_http_path(request);
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    static const struct prl_http_header headers[] = {
        {"Cache-Control", "no-cache"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; "
                                    "style-src 'self'; frame-ancestors 'none'"},
    };
    for (size_t i = 0; i < rest->page_count; i++) {
        const struct page *page = &rest->pages[i];
        if (strcmp(page->path, path) != 0)
            continue;
        struct prl_http_response response = {.status = 200,
                                             .content_type = page->type,
                                             .headers = headers,
                                             .header_count = sizeof(headers) / sizeof(headers[0]),
                                             .body = page->data,
                                             .body_size = page->size,
                                             .body_static = true};
        prl_http_reply(request, &response);
        return;
    }
    prl_http_reply_json(request, 404,
                        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"not_found\","
                        "\"message\":\"There is nothing at this address.\"}}");
}

// ---- the API ----

static bool refuse_stranger(const struct prl_rest *rest, struct prl_http_request *request)
{
    if (prl_auth_request(rest->conf.auth, request))
        return false;
    prl_reply_stranger(request);
    return true;
}

static void on_health(void *arg, struct prl_http_request *request)
{
    (void)arg;
    prl_http_reply_json(request, 200, "{\"status\":\"ok\"}");
}

static void on_ready(void *arg, struct prl_http_request *request)
{
    struct prl_rest *rest = arg;
    struct prl_str text;
    prl_str_init(&text, BODY_MAX);
    bool ready = rest->conf.ready(rest->conf.arg, &text);
    prl_reply_text(request, ready ? 200 : 503, "application/json", &text);
    prl_str_free(&text);
}

static void write_voice(struct prl_json_write *json, const struct prl_voice *voice)
{
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "id", voice->name);
    prl_json_write_string(json, "object", "voice");
    prl_json_write_string(json, "gender", voice->gender == 'f' ? "female" : "male");
    prl_json_write_string(json, "accent", voice->accent);
    prl_json_write_array(json, "languages");
    if (voice->hibari || voice->kokoro_en)
        prl_json_write_string(json, NULL, "en");
    if (voice->kokoro_zh)
        prl_json_write_string(json, NULL, "zh");
    prl_json_write_end_array(json);
    prl_json_write_bool(json, "realtime_name", voice->realtime);
    prl_json_write_end_object(json);
}

static void on_voices(void *arg, struct prl_http_request *request)
{
    struct prl_rest *rest = arg;
    if (refuse_stranger(rest, request))
        return;
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, BODY_MAX);
    prl_json_write_init(&json, &text);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "object", "list");
    prl_json_write_array(&json, "data");
    const struct prl_voice *voice;
    for (size_t i = 0; (voice = prl_voice_at(i)); i++)
        write_voice(&json, voice);
    prl_json_write_end_array(&json);
    prl_json_write_end_object(&json);
    prl_reply_text(request, 200, "application/json", &text);
    prl_str_free(&text);
}

static void write_model(const struct prl_rest *rest, struct prl_json_write *json,
                        const struct prl_rest_model *model)
{
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "id", model->id);
    prl_json_write_string(json, "object", "model");
    prl_json_write_int(json, "created", rest->created_s);
    prl_json_write_string(json, "owned_by", model->owned_by);
    prl_json_write_string(json, "kind", model->kind);
    prl_json_write_end_object(json);
}

// `index` 0 is parley itself.
static const struct prl_rest_model *model_at(const struct prl_rest *rest, size_t index)
{
    static const struct prl_rest_model parley = {"parley", "realtime", "parley"};
    if (index == 0)
        return &parley;
    return index <= rest->conf.model_count ? &rest->conf.models[index - 1] : NULL;
}

static void on_models(void *arg, struct prl_http_request *request)
{
    struct prl_rest *rest = arg;
    if (refuse_stranger(rest, request))
        return;
    struct prl_str text;
    struct prl_json_write json;
    const struct prl_rest_model *model;
    prl_str_init(&text, BODY_MAX);
    prl_json_write_init(&json, &text);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "object", "list");
    prl_json_write_array(&json, "data");
    for (size_t i = 0; (model = model_at(rest, i)); i++)
        write_model(rest, &json, model);
    prl_json_write_end_array(&json);
    prl_json_write_end_object(&json);
    prl_reply_text(request, 200, "application/json", &text);
    prl_str_free(&text);
}

static void on_model(void *arg, struct prl_http_request *request)
{
    struct prl_rest *rest = arg;
    char name[256];
    const struct prl_rest_model *model = NULL;
    if (refuse_stranger(rest, request))
        return;
    if (prl_http_rest(request, name, sizeof(name)))
        for (size_t i = 0; (model = model_at(rest, i)) && strcmp(model->id, name) != 0;)
            i++;
    if (!model) {
        prl_reply_error(request, 404, "model_not_found", "model",
                        "There is no model of this name: GET /v1/models lists them.");
        return;
    }
    struct prl_str text;
    struct prl_json_write json;
    prl_str_init(&text, BODY_MAX);
    prl_json_write_init(&json, &text);
    write_model(rest, &json, model);
    prl_reply_text(request, 200, "application/json", &text);
    prl_str_free(&text);
}

// Bytes of memory that the process holds.
static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    if (file &&
        fscanf(file, "%*s %lu", &pages) != 1) // NOLINT(cert-err34-c): digits from the kernel
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * 4096.0;
}

// Bytes that are allocated, by us and by libraries.
static double heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return (double)info.uordblks + (double)info.hblkhd;
}

static void render_rtc(const struct prl_rest *rest, struct prl_str *text)
{
    struct prl_rtc_stats rtc;
    if (!rest->conf.rtc)
        return;
    prl_rtc_stats(rest->conf.rtc, &rtc);
    (void)prl_metrics_render_one(text, "gauge", "parley_rtc_peers",
                                 "WebRTC connections now, offers that wait included",
                                 (double)rtc.peers);
    (void)prl_metrics_render_one(text, "gauge", "parley_rtc_connected",
                                 "WebRTC connections that stand", (double)rtc.connected);
    (void)prl_metrics_render_one(text, "gauge", "parley_rtc_streams", "TCP streams for media now",
                                 (double)rtc.streams);
    (void)prl_metrics_render_one(text, "counter", "parley_rtc_unsent_total",
                                 "Datagrams that a full queue or the system refused",
                                 (double)rtc.unsent);
    (void)prl_metrics_render_one(text, "counter", "parley_rtc_oversize_total",
                                 "Datagrams that came too long", (double)rtc.oversize);
}

void prl_rest_figures(const struct prl_rest *rest, struct prl_str *out)
{
    struct prl_talks_stats sessions;
    struct prl_http_stats http;
    struct prl_loop_stats loop;
    prl_talks_stats(rest->conf.talks, &sessions);
    prl_http_stats(rest->http, &http);
    prl_loop_stats(rest->conf.loop, &loop);
    (void)prl_metrics_render_one(out, "gauge", "parley_sessions", "Sessions now",
                                 (double)sessions.sessions);
    (void)prl_metrics_render_one(out, "gauge", "parley_loop_load",
                                 "Share of its core that the loop uses", sessions.load);
    (void)prl_metrics_render_one(out, "gauge", "parley_sessions_frozen",
                                 "Sessions that wait for their client", (double)sessions.frozen);
    (void)prl_metrics_render_one(out, "gauge", "parley_calls", "WebRTC calls now",
                                 (double)prl_calls_count(rest->conf.calls));
    (void)prl_metrics_render_one(out, "gauge", "parley_connections", "Connections now",
                                 (double)http.connections);
    (void)prl_metrics_render_one(out, "counter", "parley_http_requests_total", "HTTP requests",
                                 (double)http.requests);
    (void)prl_metrics_render_one(out, "gauge", "parley_loop_stall_seconds_max", "Longest callback",
                                 (double)loop.stall_us_worst / 1e6);
    render_rtc(rest, out);
    if (rest->conf.metrics)
        rest->conf.metrics(rest->conf.arg, out);
}

// What is the process's, then what each loop has of its own, put together.
static void on_metrics(void *arg, struct prl_http_request *request)
{
    struct prl_rest *rest = arg;
    if (refuse_stranger(rest, request))
        return;
    struct prl_str text;
    struct prl_str own;
    const char *texts[PRL_HTTP_SERVERS_MAX];
    prl_str_init(&text, BODY_MAX);
    prl_str_init(&own, BODY_MAX);
    (void)prl_metrics_render(&text);
    (void)prl_metrics_render_one(&text, "gauge", "parley_heap_bytes", "Heap in use", heap_bytes());
    (void)prl_metrics_render_one(&text, "gauge", "process_resident_memory_bytes",
                                 "Memory of the process", resident_bytes());
    prl_rest_figures(rest, &own);
    size_t others = rest->conf.others ? rest->conf.others(rest->conf.arg, texts + 1) : 0;
    texts[0] = prl_str_text(&own);
    (void)prl_metrics_merge(&text, texts, 1 + others);
    prl_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
    prl_str_free(&own);
    prl_str_free(&text);
}

static void on_version(void *arg, struct prl_http_request *request)
{
    const struct prl_rest *rest = arg;
    char text[128];
    snprintf(text, sizeof(text), "{\"name\":\"parley\",\"version\":\"%s\"}", rest->conf.version);
    prl_http_reply_json(request, 200, text);
}

enum prl_err prl_rest_create(struct prl_rest **out, const struct prl_rest_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf = *conf;
    (*out)->created_s = prl_clock_wall_us() / 1000000;
    enum prl_err err = conf->web_dir ? read_pages(*out, conf->web_dir) : PRL_OK;
    if (err)
        prl_rest_destroy(out);
    return err;
}

void prl_rest_destroy(struct prl_rest **rest)
{
    if (!*rest)
        return;
    for (size_t i = 0; i < PAGES_MAX; i++)
        prl_mem_free((*rest)->pages[i].data);
    prl_mem_free(*rest);
    *rest = NULL;
}

enum prl_err prl_rest_route(struct prl_rest *rest, struct prl_http *http)
{
    rest->http = http;
    const struct prl_http_route routes[] = {
        {"GET", "/healthz", 0, on_health, rest},   {"GET", "/readyz", 0, on_ready, rest},
        {"GET", "/metrics", 0, on_metrics, rest},  {"GET", "/v1/voices", 0, on_voices, rest},
        {"GET", "/v1/models", 0, on_models, rest}, {"GET", "/v1/models/*", 0, on_model, rest},
        {"GET", "/version", 0, on_version, rest},  {"GET", "/", 0, on_page, rest},
        {"GET", "/*", 0, on_page, rest},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        enum prl_err err = prl_http_add_route(http, &routes[i]);
        if (err)
            return err;
    }
    return PRL_OK;
}

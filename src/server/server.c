// server.c -- see server.h.
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/call.h"
#include "api/ice_servers.h"
#include "api/mint.h"
#include "api/realtime.h"
#include "api/rest.h"
#include "api/serve.h"
#include "api/tracer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/recorder.h"
#include "net/http.h"
#include "net/tls.h"
#include "server/engines.h"
#include "server/far.h"
#include "server/model_list.h"
#include "server/webrtc.h"

enum { NAMES_MAX = 32, QUEUE_MAX = 1024, FIGURES_US = 1000000, FIGURES_MAX = 256 << 10 };

static const int64_t MINUTE_US = 60000000;
static const int64_t DAY_US = 24 * INT64_C(3600000000);

// What servers tell the first one, with their index as the id, and what it tells them.
enum message {
    READY,   // its engines have answered
    FAILED,  // data: the sentence
    FIGURES, // data: text, of prl_rest_figures
    DRAIN    // the other way
};

struct prl_server {
    struct prl_server_conf conf;
    // Owned.
    struct prl_loop *loop; // but the first's
    struct prl_port *port;
    struct prl_engines *engines;
    struct prl_http *http;
    struct prl_secrets *secrets;
    struct prl_webrtc *webrtc;
    struct prl_ice_servers *ice_servers;
    struct prl_tracer *tracer;     // or NULL
    struct prl_recorder *recorder; // the first's; or NULL
    struct prl_talks *talks;
    struct prl_calls *calls;
    struct prl_realtime *realtime;
    struct prl_rest *rest;
    struct prl_serve *serve;
    struct prl_timer *timer; // FIGURES; NULL: it is the first
    // State.
    struct prl_session_conf session; // defaults of every session
    struct prl_mint mint;
    struct prl_model_list models;
    // The first's.
    size_t ready_count;             // of servers
    char *figures[PRL_SERVERS_MAX]; // owned; what the others told last
};

// ---- what servers tell each other ----

static size_t server_count(const struct prl_server *server)
{
    return server->conf.loops ? server->conf.loops->count : 1;
}

static void tell_first(struct prl_server *server, enum message type, char *text)
{
    struct prl_msg msg = {.type = type, .id = server->conf.index, .data = text};
    msg.size = text ? strlen(text) + 1 : 0;
    if (prl_port_send(server->conf.first->port, &msg) == PRL_OK)
        return;
    // Full: the first one's loop stands still. Figures come again.
    if (type != FIGURES)
        prl_log(PRL_LOG_ERROR, "server", "loop %zu is not heard", server->conf.index);
    prl_msg_free(&msg);
}

static void note_ready(struct prl_server *server)
{
    if (++server->ready_count == server_count(server))
        server->conf.ready(server->conf.arg);
}

static void on_ready(void *arg)
{
    struct prl_server *server = arg;
    if (server->conf.first)
        tell_first(server, READY, NULL);
    else
        note_ready(server);
}

static void on_failed(void *arg, const char *why)
{
    struct prl_server *server = arg;
    if (server->conf.first)
        tell_first(server, FAILED, prl_mem_strdup(why));
    else
        server->conf.failed(server->conf.arg, why);
}

static void on_message(void *arg, struct prl_msg *msg)
{
    struct prl_server *server = arg;
    switch ((enum message)msg->type) {
    case READY:
        note_ready(server);
        break;
    case FAILED:
        server->conf.failed(server->conf.arg, msg->data ? msg->data : "no memory");
        break;
    case FIGURES:
        prl_mem_free(server->figures[msg->id]);
        server->figures[msg->id] = msg->data;
        msg->data = NULL;
        break;
    case DRAIN:
        prl_http_drain(server->http);
        break;
    }
}

static void on_figures(void *arg)
{
    struct prl_server *server = arg;
    struct prl_str text;
    prl_str_init(&text, FIGURES_MAX);
    prl_rest_figures(server->rest, &text);
    if (!text.err)
        tell_first(server, FIGURES, prl_str_give(&text));
    prl_str_free(&text);
    prl_timer_start(server->timer, prl_clock_now_us() + FIGURES_US);
}

// ---- what is asked of the first ----

static bool tell_ready(void *arg, struct prl_str *out)
{
    struct prl_server *server = arg;
    struct prl_engines_state state;
    struct prl_json_write json;
    bool ready = server->ready_count == server_count(server);
    prl_engines_state(server->engines, &state);
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_bool(&json, "ready", ready);
    prl_json_write_bool(&json, "vad", state.vad);
    prl_json_write_bool(&json, "eot", state.eot);
    prl_json_write_bool(&json, "stt", state.stt);
    prl_json_write_bool(&json, "llm", state.llm);
    prl_json_write_bool(&json, "tts", state.tts);
    prl_json_write_end_object(&json);
    return ready;
}

static void tell_metrics(void *arg, struct prl_str *out)
{
    struct prl_server *server = arg;
    prl_engines_metrics(server->engines, out);
}

static size_t tell_others(void *arg, const char **texts)
{
    struct prl_server *server = arg;
    size_t count = 0;
    for (size_t i = 0; i < PRL_SERVERS_MAX; i++)
        if (server->figures[i])
            texts[count++] = server->figures[i];
    return count;
}

// ---- listening ----

static size_t split_names(char *text, const char **names)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(text, ", ", &rest); name && count < NAMES_MAX;
         name = strtok_r(NULL, ", ", &rest))
        names[count++] = name;
    return count;
}

static enum prl_err make_folder(char *path)
{
    for (char *at = path + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            (void)mkdir(path, 0755);
            *at = '/';
        }
    if (mkdir(path, 0700) == 0 || access(path, W_OK) == 0)
        return PRL_OK;
    prl_log(PRL_LOG_ERROR, "server", "the folder %s cannot be made", path);
    return PRL_ERR_IO;
}

// NOLINTBEGIN(concurrency-mt-unsafe): the environment is read before any thread starts
static enum prl_err find_certificate(const struct prl_settings *settings,
                                     struct prl_tls_files *files)
{
    if (settings->http_tls_cert[0]) {
        (void)prl_str_copy(files->cert_path, sizeof(files->cert_path), settings->http_tls_cert);
        (void)prl_str_copy(files->key_path, sizeof(files->key_path), settings->http_tls_key);
        return PRL_OK;
    }
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char dir[400];
    if (state && *state)
        snprintf(dir, sizeof(dir), "%s/parley", state);
    else
        snprintf(dir, sizeof(dir), "%s/.local/state/parley", home && *home ? home : "/var/lib");
    enum prl_err err = make_folder(dir);
    char name[256] = "";
    (void)gethostname(name, sizeof(name) - 1);
    const char *names[] = {name};
    return err ? err : prl_tls_ensure_files(dir, names, *name ? 1 : 0, files);
}

// NOLINTEND(concurrency-mt-unsafe)

// Off loopback there is no listening without a key; asked of the socket, not of the configuration.
static enum prl_err check_exposure(const struct prl_server *server, size_t listens)
{
    for (size_t i = 0; i < listens; i++) {
        struct prl_http_bound bound;
        enum prl_err err = prl_http_bound(server->http, i, &bound);
        if (err)
            return err;
        if (!bound.loopback && prl_auth_count(server->conf.auth) == 0) {
            prl_log(PRL_LOG_ERROR, "server",
                    "%s:%u can be reached from other machines and no API key is set: set "
                    "PARLEY_API_KEY or api.key_file, or listen on 127.0.0.1",
                    bound.address, bound.port);
            return PRL_ERR_INVALID;
        }
        bool v6 = strchr(bound.address, ':') != NULL;
        prl_log(PRL_LOG_INFO, "server", "listening on %s://%s%s%s:%u/",
                bound.tls ? "https" : "http", v6 ? "[" : "", bound.address, v6 ? "]" : "",
                bound.port);
    }
    return PRL_OK;
}

// The first listens; the others get connections from it (net/http_join.c).
static enum prl_err open_http(struct prl_server *server)
{
    const struct prl_settings *settings = server->conf.settings;
    struct prl_tls_files files = {"", ""};
    struct prl_http_listen listens[2] = {
        {settings->http_address, (uint16_t)settings->http_port, false},
        {settings->http_tls_address, (uint16_t)settings->http_tls_port, true}};
    size_t count = server->conf.first ? 0 : settings->http_tls ? 2 : 1;
    enum prl_err err = count == 2 ? find_certificate(settings, &files) : PRL_OK;
    if (err)
        return err;
    const char *hosts[NAMES_MAX];
    const char *origins[NAMES_MAX];
    char *host_text = prl_mem_strdup(settings->http_hosts);
    char *origin_text = prl_mem_strdup(settings->http_origins);
    err = host_text && origin_text ? PRL_OK : PRL_ERR_NOMEM;
    struct prl_http_conf conf = {.listens = listens,
                                 .listen_count = count,
                                 .tls_cert = files.cert_path,
                                 .tls_key = files.key_path,
                                 .hosts = hosts,
                                 .origins = origins,
                                 .connections_max = (size_t)settings->http_connections_max};
    if (!err) {
        conf.host_count = split_names(host_text, hosts);
        conf.origin_count = split_names(origin_text, origins);
        err = prl_http_create(&server->http, server->loop, &conf);
    }
    prl_mem_free(host_text);
    prl_mem_free(origin_text);
    return err ? err : check_exposure(server, count);
}

static enum prl_err create_http(struct prl_server *server)
{
    enum prl_err err = open_http(server);
    if (!err)
        err = prl_realtime_route(server->realtime, server->http);
    if (!err)
        err = prl_calls_route(server->calls, server->http);
    if (!err)
        err = prl_mint_route(&server->mint, server->http);
    if (!err)
        err = prl_ice_servers_route(server->ice_servers, server->http);
    if (!err)
        err = prl_serve_route(server->serve, server->http);
    return err ? err : prl_rest_route(server->rest, server->http);
}

// ---- sessions ----

// An embedded model would cut what is too long for it in each turn anew.
static size_t prompt_tokens(const struct prl_settings *settings)
{
    if (settings->upstream.url[0])
        return 0;
    if (settings->llm_prompt_tokens > 0 || prl_far_embedded(settings->llm) < 0)
        return (size_t)settings->llm_prompt_tokens;
    int64_t left = settings->llm_context_tokens - settings->llm_max_output_tokens;
    int64_t half = settings->llm_context_tokens / 2;
    return (size_t)(left > half ? left : half);
}

static void session_defaults(const struct prl_settings *settings, struct prl_session_conf *conf)
{
    prl_session_conf_init(conf);
    conf->instructions = settings->session_instructions;
    conf->language = settings->session_language;
    conf->locale = settings->session_locale[0] ? settings->session_locale : NULL;
    conf->voice = prl_engines_voice(settings);
    conf->speed = settings->tts_speed;
    conf->max_output_tokens = (int)settings->llm_max_output_tokens;
    conf->temperature = settings->llm_temperature;
    conf->vad_threshold = (float)settings->turn_threshold;
    conf->prompt_bytes_max = (size_t)settings->session_history_bytes;
    conf->prompt_tokens_max = prompt_tokens(settings);
    conf->lead_ms = (uint32_t)settings->session_lead_ms;
    conf->echo_mode = (enum prl_session_echo_mode)settings->echo_mode;
    conf->gain_mode = (enum prl_session_gain_mode)settings->gain_mode;
    conf->lock_mode = (enum prl_session_lock_mode)settings->speaker_lock;
    conf->lock_wait_ms = (uint32_t)settings->speaker_wait_ms;
    conf->floor.prefix_padding_ms = (uint32_t)settings->turn_prefix_padding_ms;
    conf->floor.silence_duration_ms = (uint32_t)settings->turn_silence_duration_ms;
    conf->floor.probe_ms = (uint32_t)settings->turn_probe_ms;
    conf->floor.speculations_max = (uint32_t)settings->turn_speculations_max;
    conf->floor.speculate_early = settings->turn_speculate_early;
    if (settings->upstream.url[0]) { // what is committed there is said there; its tokens are sound
        conf->floor.speculations_max = 0;
        conf->max_output_tokens = 0;
    }
    conf->floor.silence_min_ms = (uint32_t)settings->turn_silence_min_ms;
    conf->floor.interrupt_max_ms = (uint32_t)settings->turn_interrupt_max_ms;
    conf->floor.interrupt_unjudged_ms = (uint32_t)settings->turn_interrupt_unjudged_ms;
    conf->floor.resume_ms = (uint32_t)settings->turn_resume_ms;
    conf->floor.verdict_max_ms = (uint32_t)settings->turn_verdict_max_ms;
    conf->floor.filler_after_ms = (uint32_t)settings->turn_filler_after_ms;
    conf->floor.interrupt_min_ms = (uint32_t)settings->turn_interrupt_min_ms;
    conf->floor.utterance_max_ms = (uint32_t)settings->turn_utterance_max_ms;
    conf->floor.input_stall_ms = (uint32_t)settings->turn_input_stall_ms;
    conf->floor.engine_first_byte_ms = (uint32_t)settings->turn_engine_first_byte_ms;
    conf->floor.apology_max_ms = (uint32_t)settings->turn_apology_max_ms;
}

// The page lies beside the sources or beside the program.
static const char *find_web(const struct prl_settings *settings, char *out, size_t size)
{
    if (settings->web_dir[0])
        return settings->web_dir;
    static const char *const rests[] = {"/../../web", "/web", "/../share/parley/web"};
    char program[400];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        snprintf(out, size, "%s%s", program, rests[i]);
        if (access(out, R_OK) == 0)
            return out;
    }
    return NULL;
}

static enum prl_err create_secrets(struct prl_server *server)
{
    struct prl_secrets_conf conf = {0};
    if (server->conf.first)
        return prl_secrets_join(&server->secrets, server->conf.first->secrets);
    return prl_secrets_create(&server->secrets, &conf);
}

static enum prl_err create_webrtc(struct prl_server *server)
{
    char why[PRL_ICE_SERVERS_WHY_SIZE];
    struct prl_webrtc_conf conf = {.loop = server->loop,
                                   .settings = server->conf.settings,
                                   .first = server->conf.first ? server->conf.first->webrtc : NULL,
                                   .loops = (unsigned)server_count(server),
                                   .index = (unsigned)server->conf.index};
    enum prl_err err =
        prl_ice_servers_create(&server->ice_servers, server->conf.settings->rtc_ice_servers,
                               server->conf.auth, server->secrets, why);
    if (err == PRL_ERR_INVALID)
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    return err ? err : prl_webrtc_create(&server->webrtc, &conf);
}

static enum prl_err create_tracer(struct prl_server *server)
{
    const struct prl_settings *settings = server->conf.settings;
    if (!settings->trace_otlp_url[0] && !settings->trace_chrome_file[0])
        return PRL_OK;
    if (server->conf.first)
        return prl_tracer_join(&server->tracer, server->conf.first->tracer);
    struct prl_tracer_conf conf = {
        .loop = server->loop,
        .otlp_url = settings->trace_otlp_url,
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
        .key = settings->trace_api_key_env[0] ? getenv(settings->trace_api_key_env) : NULL,
        .ca_file = settings->engine_ca_file[0] ? settings->engine_ca_file : NULL,
        .insecure = settings->engine_insecure,
        .chrome_file = settings->trace_chrome_file,
        .chrome_bytes_max = (size_t)settings->trace_chrome_bytes_max,
        .version = PRL_VERSION};
    return prl_tracer_create(&server->tracer, &conf);
}

static enum prl_err create_recorder(struct prl_server *server)
{
    const struct prl_settings *settings = server->conf.settings;
    if (!settings->recording_dir[0] || server->conf.first)
        return PRL_OK;
    struct prl_recorder_conf conf = {.dir = settings->recording_dir,
                                     .limit_us = settings->recording_minutes * MINUTE_US,
                                     .bytes_max = (uint64_t)settings->recording_folder_mib << 20,
                                     .keep_us = settings->recording_keep_days * DAY_US};
    return prl_recorder_create(&server->recorder, &conf);
}

static enum prl_err create_talks(struct prl_server *server, struct prl_session_engines *engines)
{
    const struct prl_settings *settings = server->conf.settings;
    size_t count = server_count(server);
    const struct prl_server *first = server->conf.first ? server->conf.first : server;
    struct prl_talks_conf talks = {.tracer = server->tracer,
                                   .recorder = first->recorder,
                                   .engines = *engines,
                                   .session = server->session,
                                   .loops = server->conf.loops,
                                   .loop = server->conf.index,
                                   .sessions_max = (size_t)settings->api_sessions_max,
                                   .load_max = settings->api_load_max,
                                   .session_max_us = settings->api_session_max_s * 1000000,
                                   .resume_us = settings->session_resume_s * 1000000,
                                   .frozen_max =
                                       ((size_t)settings->session_frozen_max + count - 1) / count};
    enum prl_err err = prl_talks_create(&server->talks, &talks);
    if (err)
        return err;
    struct prl_calls_conf calls = {.loop = server->loop,
                                   .rtc = prl_webrtc_rtc(server->webrtc),
                                   .talks = server->talks,
                                   .auth = server->conf.auth,
                                   .secrets = server->secrets};
    err = prl_calls_create(&server->calls, &calls);
    struct prl_realtime_conf realtime = {.talks = server->talks,
                                         .calls = server->calls,
                                         .auth = server->conf.auth,
                                         .secrets = server->secrets};
    return err ? err : prl_realtime_create(&server->realtime, &realtime);
}

static enum prl_err create_rest(struct prl_server *server)
{
    const struct prl_settings *settings = server->conf.settings;
    char web[500];
    prl_model_list_make(&server->models, settings, prl_engines_local_model(settings));
    struct prl_rest_conf rest = {.auth = server->conf.auth,
                                 .talks = server->talks,
                                 .calls = server->calls,
                                 .rtc = prl_webrtc_rtc(server->webrtc),
                                 .loop = server->loop,
                                 .web_dir = find_web(settings, web, sizeof(web)),
                                 .version = PRL_VERSION,
                                 .models = server->models.models,
                                 .model_count = server->models.count,
                                 .ready = tell_ready,
                                 .metrics = tell_metrics,
                                 .others = tell_others,
                                 .arg = server};
    return prl_rest_create(&server->rest, &rest);
}

static enum prl_err create_api(struct prl_server *server)
{
    struct prl_session_engines engines;
    prl_engines_session(server->engines, &engines);
    session_defaults(server->conf.settings, &server->session);
    enum prl_err err = create_tracer(server);
    if (!err)
        err = create_recorder(server);
    if (!err)
        err = create_secrets(server);
    if (!err)
        err = create_webrtc(server);
    if (!err)
        err = create_talks(server, &engines);
    if (!err)
        err = create_rest(server);
    server->mint = (struct prl_mint){
        .auth = server->conf.auth, .secrets = server->secrets, .base = &server->session};
    struct prl_serve_conf serve = {.loop = server->loop,
                                   .auth = server->conf.auth,
                                   .llm = engines.llm,
                                   .stt = engines.stt,
                                   .tts = engines.tts};
    return err ? err : prl_serve_create(&server->serve, &serve);
}

static enum prl_err create_engines(struct prl_server *server)
{
    char why[PRL_ENGINES_WHY_SIZE] = "";
    struct prl_engines_conf conf = {.loop = server->loop,
                                    .settings = server->conf.settings,
                                    .first =
                                        server->conf.first ? server->conf.first->engines : NULL,
                                    .ready = on_ready,
                                    .failed = on_failed,
                                    .arg = server};
    enum prl_err err = prl_engines_create(&server->engines, &conf, why);
    if (*why)
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    return err;
}

// ---- life ----

static enum prl_err create_one(struct prl_server **out, const struct prl_server_conf *conf)
{
    struct prl_server *server = *out = prl_mem_zalloc(sizeof(*server));
    if (!server)
        return PRL_ERR_NOMEM;
    server->conf = *conf;
    server->loop = conf->first ? NULL : conf->loop;
    enum prl_err err = conf->first ? prl_loop_create(&server->loop, NULL) : PRL_OK;
    if (!err)
        err = prl_port_open(&server->port, server->loop, QUEUE_MAX, on_message, server);
    if (!err)
        err = create_engines(server);
    if (!err)
        err = create_api(server);
    if (!err)
        err = create_http(server);
    if (!err && conf->first)
        err = prl_timer_create(&server->timer, server->loop, "figures", on_figures, server);
    if (!err && conf->first)
        prl_timer_start(server->timer, prl_clock_now_us());
    return err;
}

static size_t loop_of(void *arg, const struct prl_http_request *request)
{
    return prl_realtime_loop(request, arg);
}

enum prl_err prl_servers_create(struct prl_server **servers, const struct prl_server_conf *conf)
{
    struct prl_server_conf own = *conf;
    size_t count = conf->loops ? conf->loops->count : 1;
    struct prl_http *https[PRL_SERVERS_MAX];
    void *args[PRL_SERVERS_MAX];
    PRL_CHECK(count >= 1 && count <= PRL_SERVERS_MAX);
    memset(servers, 0, count * sizeof(struct prl_server *));
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < count && !err; i++) {
        own.index = i;
        own.first = i > 0 ? servers[0] : NULL;
        err = create_one(&servers[i], &own);
        https[i] = servers[i] ? servers[i]->http : NULL;
        args[i] = conf->loops;
    }
    if (!err && count > 1)
        err = prl_http_join(https, count, loop_of, args);
    if (err)
        prl_servers_destroy(servers, count);
    return err;
}

// All that stands on the loop and the engines.
static void end_sessions(struct prl_server *server)
{
    prl_loop_adopt(server->loop);
    prl_http_destroy(&server->http); // ends every session
    prl_rest_destroy(&server->rest);
    prl_serve_destroy(&server->serve);
    prl_realtime_destroy(&server->realtime);
    prl_calls_destroy(&server->calls);
    prl_webrtc_destroy(&server->webrtc);
    prl_ice_servers_destroy(&server->ice_servers);
    prl_talks_destroy(&server->talks);
    prl_tracer_destroy(&server->tracer);
    prl_recorder_destroy(&server->recorder);
    prl_secrets_destroy(&server->secrets);
    if (server->engines)
        prl_engines_leave(server->engines);
}

static void destroy_one(struct prl_server **server)
{
    prl_engines_destroy(&(*server)->engines);
    prl_timer_destroy(&(*server)->timer);
    prl_port_destroy(&(*server)->port);
    if ((*server)->conf.first)
        prl_loop_destroy(&(*server)->loop);
    for (size_t i = 0; i < PRL_SERVERS_MAX; i++)
        prl_mem_free((*server)->figures[i]);
    prl_mem_free(*server);
    *server = NULL;
}

// The first owns what the others have joined, and is the last to go; but its engines' threads, which
// talk to all, are the first to end.
void prl_servers_destroy(struct prl_server **servers, size_t count)
{
    for (size_t i = count; i > 0; i--)
        if (servers[i - 1] && servers[i - 1]->loop)
            end_sessions(servers[i - 1]);
    for (size_t i = 0; i < count; i++)
        if (servers[i] && servers[i]->engines)
            prl_engines_stop(servers[i]->engines);
    for (size_t i = count; i > 0; i--)
        if (servers[i - 1])
            destroy_one(&servers[i - 1]);
}

struct prl_loop *prl_server_loop(const struct prl_server *server)
{
    return server->loop;
}

void prl_servers_drain(struct prl_server *const *servers, size_t count)
{
    if (servers[0] && servers[0]->http) // else it is being made
        prl_http_drain(servers[0]->http);
    for (size_t i = 1; i < count; i++)
        // FULL, which nothing fills: its clients are told by the end of their connections.
        if (servers[i])
            (void)!prl_port_send(servers[i]->port, &(struct prl_msg){.type = DRAIN});
}

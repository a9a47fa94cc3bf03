// cmd_serve.c -- `parley serve`: start and stop order of the whole server.
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/call.h"
#include "api/ice_servers.h"
#include "api/mint.h"
#include "api/realtime.h"
#include "api/rest.h"
#include "api/serve.h"
#include "api/tracer.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"
#include "server/cmd.h"
#include "server/engines.h"
#include "server/far.h"
#include "server/model_list.h"
#include "server/settings.h"
#include "server/webrtc.h"

enum { SETS_MAX = 64, NAMES_MAX = 32, DRAIN_MS = 200 };

static const char usage[] =
    "usage: parley serve [--config FILE] [--set KEY=VALUE]...\n"
    "Serves the Realtime API and the web page. Without a file it talks offline on loopback.\n"
    "\n"
    "  --config FILE     YAML; every key stands in conf/parley.yaml and docs/CONFIG.md\n"
    "  --set KEY=VALUE   one key, e.g. --set llm.model=small; may be repeated\n"
    "  --check           load everything, say whether it works, and exit\n"
    "  --help\n"
    "\n"
    "PARLEY_API_KEY in the environment is the key that clients must send. Ctrl-C stops.\n";

struct server {
    struct prl_settings settings;
    struct prl_loop *loop;
    struct prl_timer *drain;
    struct prl_engines *engines;
    struct prl_auth *auth;
    struct prl_http *http;
    struct prl_secrets *secrets;
    struct prl_session_conf session; // defaults of every session
    struct prl_mint mint;
    struct prl_webrtc *webrtc;
    struct prl_ice_servers *ice_servers;
    struct prl_tracer *tracer; // or NULL
    struct prl_talks *talks;
    struct prl_calls *calls;
    struct prl_realtime *realtime;
    struct prl_model_list models;
    struct prl_rest *rest;
    struct prl_serve *serve;
    bool ready;
    bool check_only;
    bool stopping;
    int status;
    int64_t start_us;
};

struct options {
    const char *config;
    const char *sets[SETS_MAX];
    size_t set_count;
    bool check;
    bool help;
};

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option list[] = {{"config", required_argument, NULL, 'c'},
                                         {"set", required_argument, NULL, 's'},
                                         {"check", no_argument, NULL, 'k'},
                                         {"help", no_argument, NULL, 'h'},
                                         {NULL, 0, NULL, 0}};
    int option;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
    while ((option = getopt_long(argc, argv, "", list, NULL)) != -1)
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 's':
            if (options->set_count == SETS_MAX)
                return false;
            options->sets[options->set_count++] = optarg;
            break;
        case 'k':
            options->check = true;
            break;
        case 'h':
            options->help = true;
            break;
        default:
            return false;
        }
    return optind == argc;
}

static void stop(struct server *server, int status)
{
    if (server->stopping)
        return;
    server->stopping = true;
    server->status = status;
    if (server->http)
        prl_http_drain(server->http);
    prl_timer_start(server->drain, prl_clock_now_us() + (int64_t)DRAIN_MS * 1000);
}

static void on_drained(void *arg)
{
    struct server *server = arg;
    prl_loop_stop(server->loop);
}

static void on_signal(void *arg, int number)
{
    struct server *server = arg;
    if (server->stopping) {
        prl_loop_stop(server->loop);
        return;
    }
    prl_log(PRL_LOG_INFO, "server", "%s, stopping",
            number == SIGINT ? "interrupted" : "asked to end");
    stop(server, 0);
}

static void on_ready(void *arg)
{
    struct server *server = arg;
    server->ready = true;
    prl_log(PRL_LOG_INFO, "server", "ready after %.1f s",
            (double)(prl_clock_now_us() - server->start_us) / 1e6);
    if (server->check_only)
        stop(server, 0);
}

static void on_failed(void *arg, const char *why)
{
    struct server *server = arg;
    prl_log(PRL_LOG_ERROR, "server", "%s", why);
    stop(server, 1);
}

static bool tell_ready(void *arg, struct prl_str *out)
{
    struct server *server = arg;
    struct prl_engines_state state;
    struct prl_json_write json;
    prl_engines_state(server->engines, &state);
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_bool(&json, "ready", server->ready);
    prl_json_write_bool(&json, "vad", state.vad);
    prl_json_write_bool(&json, "eot", state.eot);
    prl_json_write_bool(&json, "stt", state.stt);
    prl_json_write_bool(&json, "llm", state.llm);
    prl_json_write_bool(&json, "tts", state.tts);
    prl_json_write_end_object(&json);
    return server->ready;
}

static void tell_metrics(void *arg, struct prl_str *out)
{
    struct server *server = arg;
    prl_engines_metrics(server->engines, out);
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

static enum prl_err create_auth(struct server *server)
{
    char why[PRL_AUTH_WHY_SIZE];
    enum prl_err err = prl_auth_create(&server->auth, getenv("PARLEY_API_KEY"),
                                       server->settings.api_key_file, why);
    if (err)
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    return err;
}
// NOLINTEND(concurrency-mt-unsafe)

// Off loopback there is no listening without a key; asked of the socket, not of the configuration.
static enum prl_err check_exposure(const struct server *server, size_t listens)
{
    for (size_t i = 0; i < listens; i++) {
        struct prl_http_bound bound;
        enum prl_err err = prl_http_bound(server->http, i, &bound);
        if (err)
            return err;
        if (!bound.loopback && prl_auth_count(server->auth) == 0) {
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

static enum prl_err create_http(struct server *server)
{
    const struct prl_settings *settings = &server->settings;
    struct prl_tls_files files = {"", ""};
    struct prl_http_listen listens[2] = {
        {settings->http_address, (uint16_t)settings->http_port, false},
        {settings->http_tls_address, (uint16_t)settings->http_tls_port, true}};
    size_t count = settings->http_tls ? 2 : 1;
    enum prl_err err = count == 2 ? find_certificate(settings, &files) : PRL_OK;
    if (err)
        return err;
    const char *hosts[NAMES_MAX];
    const char *origins[NAMES_MAX];
    struct prl_http_conf conf = {.listens = listens,
                                 .listen_count = count,
                                 .tls_cert = files.cert_path,
                                 .tls_key = files.key_path,
                                 .hosts = hosts,
                                 .host_count = split_names(settings->http_hosts, hosts),
                                 .origins = origins,
                                 .origin_count = split_names(settings->http_origins, origins),
                                 .connections_max = (size_t)settings->http_connections_max};
    err = prl_http_create(&server->http, server->loop, &conf);
    if (!err)
        err = check_exposure(server, count);
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

static enum prl_err create_webrtc(struct server *server)
{
    char why[PRL_ICE_SERVERS_WHY_SIZE];
    enum prl_err err = prl_ice_servers_create(
        &server->ice_servers, server->settings.rtc_ice_servers, server->auth, server->secrets, why);
    if (err == PRL_ERR_INVALID)
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    return err ? err : prl_webrtc_create(&server->webrtc, server->loop, &server->settings, 0);
}

static enum prl_err create_tracer(struct server *server)
{
    const struct prl_settings *settings = &server->settings;
    if (!settings->trace_otlp_url[0] && !settings->trace_chrome_file[0])
        return PRL_OK;
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

static enum prl_err create_api(struct server *server)
{
    const struct prl_settings *settings = &server->settings;
    struct prl_secrets_conf secrets = {0};
    struct prl_talks_conf talks = {.sessions_max = (size_t)settings->api_sessions_max,
                                   .load_max = settings->api_load_max,
                                   .session_max_us = settings->api_session_max_s * 1000000,
                                   .resume_us = settings->session_resume_s * 1000000,
                                   .frozen_max = (size_t)settings->session_frozen_max};
    enum prl_err err = create_tracer(server);
    talks.tracer = server->tracer;
    prl_engines_session(server->engines, &talks.engines);
    session_defaults(settings, &server->session);
    talks.session = server->session;
    if (!err)
        err = prl_secrets_create(&server->secrets, &secrets);
    if (!err)
        err = create_webrtc(server);
    if (!err)
        err = prl_talks_create(&server->talks, &talks);
    if (err)
        return err;
    struct prl_calls_conf calls = {.loop = server->loop,
                                   .rtc = prl_webrtc_rtc(server->webrtc),
                                   .talks = server->talks,
                                   .auth = server->auth,
                                   .secrets = server->secrets};
    err = prl_calls_create(&server->calls, &calls);
    struct prl_realtime_conf realtime = {.talks = server->talks,
                                         .calls = server->calls,
                                         .auth = server->auth,
                                         .secrets = server->secrets};
    if (!err)
        err = prl_realtime_create(&server->realtime, &realtime);
    if (err)
        return err;
    server->mint = (struct prl_mint){
        .auth = server->auth, .secrets = server->secrets, .base = &server->session};
    prl_model_list_make(&server->models, settings, prl_engines_local_model(settings));
    char web[500];
    struct prl_rest_conf rest = {.auth = server->auth,
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
                                 .arg = server};
    err = prl_rest_create(&server->rest, &rest);
    struct prl_serve_conf serve = {.loop = server->loop,
                                   .auth = server->auth,
                                   .llm = talks.engines.llm,
                                   .stt = talks.engines.stt,
                                   .tts = talks.engines.tts};
    return err ? err : prl_serve_create(&server->serve, &serve);
}

static enum prl_err create_server(struct server *server)
{
    char why[PRL_ENGINES_WHY_SIZE] = "";
    struct prl_engines_conf engines = {
        .settings = &server->settings, .ready = on_ready, .failed = on_failed, .arg = server};
    enum prl_err err = create_auth(server);
    if (!err)
        err = prl_loop_create(&server->loop, NULL);
    engines.loop = server->loop;
    if (!err)
        err = prl_timer_create(&server->drain, server->loop, "drain", on_drained, server);
    if (!err)
        err = prl_loop_on_signal(server->loop, on_signal, server);
    if (!err)
        err = prl_engines_create(&server->engines, &engines, why);
    if (*why)
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    if (!err)
        err = create_api(server);
    return err ? err : create_http(server);
}

static void destroy_server(struct server *server)
{
    prl_http_destroy(&server->http); // ends every session
    prl_rest_destroy(&server->rest);
    prl_serve_destroy(&server->serve);
    prl_realtime_destroy(&server->realtime);
    prl_calls_destroy(&server->calls);
    prl_webrtc_destroy(&server->webrtc);
    prl_ice_servers_destroy(&server->ice_servers);
    prl_talks_destroy(&server->talks);
    prl_tracer_destroy(&server->tracer);
    prl_secrets_destroy(&server->secrets);
    prl_engines_destroy(&server->engines);
    prl_timer_destroy(&server->drain);
    prl_loop_destroy(&server->loop);
    prl_auth_destroy(&server->auth);
    prl_settings_free(&server->settings);
}

static int serve(struct server *server)
{
    enum prl_log_level level = (enum prl_log_level)server->settings.log_level;
    prl_log_set_level(level);
    prl_log_set_json(server->settings.log_json);
    (void)signal(SIGPIPE, SIG_IGN);
    if (prl_log_start() != PRL_OK)
        return 1;
    server->start_us = prl_clock_now_us();
    enum prl_err err = create_server(server);
    if (err) {
        prl_log(PRL_LOG_ERROR, "server", "not started: %s", prl_err_name(err));
        server->status = 1;
    } else {
        prl_loop_run(server->loop);
    }
    destroy_server(server);
    prl_log_stop();
    return server->status;
}

static int run(int argc, char **argv, bool check)
{
    struct options options = {.check = check};
    if (!read_options(argc, argv, &options) || options.help) {
        fputs(usage, options.help ? stdout : stderr);
        return options.help ? 0 : 2;
    }
    char why[PRL_CONF_WHY_SIZE] = "";
    struct server server = {.check_only = options.check};
    if (prl_settings_load(&server.settings, options.config, options.sets, options.set_count, why)) {
        fprintf(stderr, "parley: %s\n", why);
        return 2;
    }
    return serve(&server);
}

int prl_cmd_serve(int argc, char **argv)
{
    return run(argc, argv, false);
}

int prl_cmd_check(int argc, char **argv)
{
    return run(argc, argv, true);
}

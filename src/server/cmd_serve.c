// cmd_serve.c -- `parley serve`: options, the loops and their threads, signals.
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/auth.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/server.h"
#include "server/settings.h"

enum { SETS_MAX = 64, DRAIN_MS = 200, CORES_PER_LOOP = 4 };

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

struct serve {
    struct prl_settings settings;
    struct prl_auth *auth;
    struct prl_talks_loops loops;
    size_t count; // of loops
    struct prl_server *servers[PRL_SERVERS_MAX];
    pthread_t threads[PRL_SERVERS_MAX]; // from [1] on; the first loop has this one
    size_t threads_running;             // of them, counting [0]
    struct prl_loop *loop;              // of this thread
    struct prl_timer *drain;
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

static void stop(struct serve *serve, int status)
{
    if (serve->stopping)
        return;
    serve->stopping = true;
    serve->status = status;
    prl_servers_drain(serve->servers, serve->count);
    prl_timer_start(serve->drain, prl_clock_now_us() + (int64_t)DRAIN_MS * 1000);
}

static void on_drained(void *arg)
{
    struct serve *serve = arg;
    prl_loop_stop(serve->loop);
}

static void on_signal(void *arg, int number)
{
    struct serve *serve = arg;
    if (serve->stopping) {
        prl_loop_stop(serve->loop);
        return;
    }
    prl_log(PRL_LOG_INFO, "server", "%s, stopping",
            number == SIGINT ? "interrupted" : "asked to end");
    stop(serve, 0);
}

static void on_ready(void *arg)
{
    struct serve *serve = arg;
    prl_log(PRL_LOG_INFO, "server", "ready after %.1f s",
            (double)(prl_clock_now_us() - serve->start_us) / 1e6);
    if (serve->check_only)
        stop(serve, 0);
}

static void on_failed(void *arg, const char *why)
{
    struct serve *serve = arg;
    if (!serve->stopping) // each loop says it
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    stop(serve, 1);
}

static enum prl_err create_auth(struct serve *serve)
{
    char why[PRL_AUTH_WHY_SIZE];
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
    const char *key = getenv("PARLEY_API_KEY");
    enum prl_err err = prl_auth_create(&serve->auth, key, serve->settings.api_key_file, why);
    if (err)
        prl_log(PRL_LOG_ERROR, "server", "%s", why);
    return err;
}

// ---- loops ----

// A loop serves some hundred calls on one core, and engines want the others.
static size_t choose_loops(const struct prl_settings *settings)
{
    cpu_set_t set;
    if (settings->loops > 0)
        return (size_t)settings->loops;
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    size_t loops = (size_t)cores / CORES_PER_LOOP;
    return loops < 1 ? 1 : loops > PRL_SERVERS_MAX ? PRL_SERVERS_MAX : loops;
}

static void *run_loop(void *loop)
{
    prl_loop_run(loop);
    return NULL;
}

static enum prl_err start_threads(struct serve *serve)
{
    serve->threads_running = 1;
    while (serve->threads_running < serve->count) {
        pthread_t *thread = &serve->threads[serve->threads_running];
        char name[16];
        if (pthread_create(thread, NULL, run_loop,
                           prl_server_loop(serve->servers[serve->threads_running])) != 0)
            return PRL_ERR_IO;
        snprintf(name, sizeof(name), "loop %zu", serve->threads_running++);
        pthread_setname_np(*thread, name);
    }
    return PRL_OK;
}

static void end_threads(struct serve *serve)
{
    for (size_t i = 1; i < serve->threads_running; i++)
        prl_loop_stop(prl_server_loop(serve->servers[i]));
    for (size_t i = 1; i < serve->threads_running; i++)
        pthread_join(serve->threads[i], NULL);
}

static enum prl_err create(struct serve *serve)
{
    serve->count = serve->loops.count = choose_loops(&serve->settings);
    enum prl_err err = create_auth(serve);
    if (!err)
        err = prl_loop_create(&serve->loop, NULL);
    if (!err)
        err = prl_timer_create(&serve->drain, serve->loop, "drain", on_drained, serve);
    if (!err)
        err = prl_loop_on_signal(serve->loop, on_signal, serve);
    struct prl_server_conf conf = {.settings = &serve->settings,
                                   .auth = serve->auth,
                                   .loop = serve->loop,
                                   .loops = serve->count > 1 ? &serve->loops : NULL,
                                   .ready = on_ready,
                                   .failed = on_failed,
                                   .arg = serve};
    if (!err)
        err = prl_servers_create(serve->servers, &conf);
    return err ? err : start_threads(serve);
}

static int serve_all(struct serve *serve)
{
    enum prl_log_level level = (enum prl_log_level)serve->settings.log_level;
    prl_log_set_level(level);
    prl_log_set_json(serve->settings.log_json);
    (void)signal(SIGPIPE, SIG_IGN);
    if (prl_log_start() != PRL_OK)
        return 1;
    serve->start_us = prl_clock_now_us();
    enum prl_err err = create(serve);
    if (err) {
        prl_log(PRL_LOG_ERROR, "server", "not started: %s", prl_err_name(err));
        serve->status = 1;
    } else {
        prl_loop_run(serve->loop);
    }
    end_threads(serve);
    prl_servers_destroy(serve->servers, serve->count);
    prl_timer_destroy(&serve->drain);
    prl_loop_destroy(&serve->loop);
    prl_auth_destroy(&serve->auth);
    prl_settings_free(&serve->settings);
    prl_log_stop();
    return serve->status;
}

static int run(int argc, char **argv, bool check)
{
    struct options options = {.check = check};
    if (!read_options(argc, argv, &options) || options.help) {
        fputs(usage, options.help ? stdout : stderr);
        return options.help ? 0 : 2;
    }
    char why[PRL_CONF_WHY_SIZE] = "";
    struct serve serve = {.check_only = options.check};
    if (prl_settings_load(&serve.settings, options.config, options.sets, options.set_count, why)) {
        fprintf(stderr, "parley: %s\n", why);
        return 2;
    }
    return serve_all(&serve);
}

int prl_cmd_serve(int argc, char **argv)
{
    return run(argc, argv, false);
}

int prl_cmd_check(int argc, char **argv)
{
    return run(argc, argv, true);
}

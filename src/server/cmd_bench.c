// cmd_bench.c -- `parley bench`: many conversations with a server at a time, and what they cost.
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/caller.h"
#include "client/load.h"
#include "llm/scripted.h"
#include "net/fetch.h"
#include "net/loop.h"
#include "server/bench_server.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "server/cmd_sound.h"
#include "server/settings.h"

enum {
    RATE_HZ = 24000,
    STEPS_MAX = 32,
    URL_SIZE = 300,
    METRICS_SIZE_MAX = 1 << 20,
    SETS_SIZE_MAX = 16384,
    SAMPLE_US = 250000, // between two looks at the server
    TALK_MS = 1000,     // of silence before the first utterance
    PAUSE_MS = 1000
};

static const char usage[] =
    "usage: parley bench [options]\n"
    "Holds many conversations with a Realtime server at a time and says what they cost. Without\n"
    "--url it starts a server with scripted engines (scripted.* in docs/CONFIG.md) on one core "
    "and\n"
    "talks to it from another. Speech is real and in real time; delays are measured in the sound:\n"
    "from the last sample of speech to the first audible one of the answer. \"own\" counts from "
    "the\n"
    "sample whose silence ended the turn, without what the engines still needed then (with\n"
    "--semantic by the server's word of how long it waited).\n"
    "\n"
    "  --sessions LIST  how many at a time, one step each; default 1,10,50,100,200,500\n"
    "  --turns N        utterances a session, default 3\n"
    "  --wav FILE       the utterance; default: one spoken by parley's own voice\n"
    "  --rtc            calls over WebRTC instead of WebSockets\n"
    "  --semantic       turns by semantic_vad instead of server_vad\n"
    "  --chunk MS       sound in one message, 10 to 200, default 20\n"
    "  --connect MS     between two sessions that connect, default 20\n"
    "  --patience S     longest wait for an answer, default 10\n"
    "  --url URL        a server that runs already, e.g. http://127.0.0.1:8080\n"
    "  --pid PID        its process, for CPU and memory\n"
    "  --set KEY=VALUE  a setting of the server that is started; several: separated by blanks\n"
    "  --json           one JSON object a step instead of the table\n"
    "  --help\n"
    "\n"
    "The API key is taken from PARLEY_API_KEY. Ctrl-C hangs up and reports what there is.\n";

// What was seen of the server in one step.
struct cost {
    struct prl_bench_usage before;     // without a session
    struct prl_bench_usage start, end; // all sessions talk
    int64_t start_us, end_us;
    int64_t memory_max;           // anonymous
    double heap_before, heap_max; // bytes in use, as /metrics says; negative: it does not
    double asked_before,
        skipped_before; // questions to the end-of-turn model, and pauses without one
};

struct bench {
    // Options.
    const char *sessions, *wav, *url, *sets;
    int turns, chunk_ms, connect_ms, patience_s, pid;
    bool semantic, rtc, json;
    // Set up.
    uint32_t steps[STEPS_MAX];
    size_t step_count;
    int16_t *pcm; // owned, 24 kHz
    size_t samples, speech_end;
    char *set_list[PRL_BENCH_SETS_MAX];
    size_t set_count;
    char *set_text;               // owned
    struct prl_settings settings; // of the server that is started
    const struct prl_line_ops *transport;
    char server_url[PRL_BENCH_URL_SIZE];
    // State.
    struct prl_loop *loop;
    struct prl_timer *timer; // looks at the server
    struct prl_bench_server *server;
    struct prl_fetch *fetch;
    struct prl_fetch_request *request; // for /metrics, while it runs
    struct prl_str metrics;
    double heap, asked, skipped; // of the last answer
    struct prl_load *load;
    struct cost cost;
    bool measuring;
    bool interrupted;
    int status;
};

// ---- options ----

static int read_options(int *argc, char **argv, struct bench *bench)
{
    const struct prl_cmd_option list[] = {
        {"sessions", .text = &bench->sessions},
        {"turns", .integer = &bench->turns, .low = 1, .high = PRL_TALKER_TURNS_MAX},
        {"wav", .text = &bench->wav},
        {"rtc", .flag = &bench->rtc},
        {"semantic", .flag = &bench->semantic},
        {"chunk", .integer = &bench->chunk_ms, .low = 10, .high = 200},
        {"connect", .integer = &bench->connect_ms, .low = 0, .high = 10000},
        {"patience", .integer = &bench->patience_s, .low = 1, .high = 600},
        {"url", .text = &bench->url},
        {"pid", .integer = &bench->pid, .low = 1, .high = INT_MAX},
        {"set", .text = &bench->sets},
        {"json", .flag = &bench->json},
        {NULL}};
    int status = prl_cmd_options(argc, argv, list, usage);
    if (status < 0 && *argc > 1) {
        fprintf(stderr, "parley bench: what is \"%s\" for?\n\n%s", argv[1], usage);
        status = 2;
    }
    return status;
}

static bool read_steps(struct bench *bench)
{
    const char *at = bench->sessions;
    while (bench->step_count < STEPS_MAX) {
        char *end;
        long count = strtol(at, &end, 10);
        if (end == at || count < 1 || count > PRL_LOAD_SESSIONS_MAX || (*end && *end != ','))
            break;
        bench->steps[bench->step_count++] = (uint32_t)count;
        if (!*end)
            return true;
        at = end + 1;
    }
    fprintf(stderr, "parley bench: --sessions takes numbers from 1 to %d, separated by commas\n",
            PRL_LOAD_SESSIONS_MAX);
    return false;
}

// What the started server is told: ours first, so that --set overrides.
static bool read_sets(struct bench *bench)
{
    static const char own[] = "scripted.engines=true http.port=0 http.tls=false "
                              "api.sessions_max=10000 http.connections_max=20000 ";
    struct prl_str text;
    prl_str_init(&text, SETS_SIZE_MAX);
    (void)prl_str_adds(&text, own);
    (void)prl_str_adds(&text, bench->rtc ? "rtc.udp_port=0 rtc.tcp=false rtc.peers_max=10000 "
                                           "rtc.address=127.0.0.1 "
                                         : "rtc.enabled=false ");
    (void)prl_str_adds(&text, bench->sets ? bench->sets : "");
    bench->set_text = text.err ? NULL : prl_str_give(&text);
    prl_str_free(&text);
    if (!bench->set_text)
        return false;
    char *rest = NULL;
    for (char *set = strtok_r(bench->set_text, " ", &rest);
         set && bench->set_count < PRL_BENCH_SETS_MAX; set = strtok_r(NULL, " ", &rest))
        bench->set_list[bench->set_count++] = set;
    char why[PRL_CONF_WHY_SIZE];
    enum prl_err err = prl_settings_load(
        &bench->settings, NULL, (const char *const *)bench->set_list, bench->set_count, why);
    if (err)
        fprintf(stderr, "parley bench: %s\n", why);
    return !err;
}

// ---- the utterance ----

// Speaks it with `parley tts` into `path`.
static bool speak(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "parley", "tts", "--quality", "fast", "--out", path,
              "Could you please tell me which birds sing in the garden?", (char *)NULL);
        _exit(127);
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool read_utterance(struct bench *bench)
{
    char why[PRL_CMD_SOUND_WHY_SIZE];
    char path[] = "/tmp/parley-bench-XXXXXX";
    const char *from = bench->wav;
    if (!from) {
        int fd = mkstemp(path);
        if (fd >= 0)
            close(fd);
        if (fd < 0 || !speak(path)) {
            fputs("parley bench: no utterance could be spoken; give one with --wav\n", stderr);
            if (fd >= 0)
                unlink(path);
            return false;
        }
        from = path;
    }
    enum prl_err err = prl_cmd_sound_read(from, 0, RATE_HZ, &bench->pcm, &bench->samples, why);
    if (!bench->wav)
        unlink(path);
    if (err) {
        fprintf(stderr, "parley bench: %s\n", why);
        return false;
    }
    bench->speech_end = prl_caller_speech_end(bench->pcm, bench->samples);
    if (bench->speech_end == 0)
        fputs("parley bench: there is no speech in the recording\n", stderr);
    return bench->speech_end > 0;
}

// ---- the server's cost ----

static void on_metrics_data(void *arg, const char *data, size_t len)
{
    struct bench *bench = arg;
    (void)prl_str_add(&bench->metrics, data, len);
}

// A line of /metrics; negative: there is none.
static double metric(const struct bench *bench, const char *line_start)
{
    const char *at = strstr(prl_str_text(&bench->metrics), line_start);
    return at ? strtod(at + strlen(line_start), NULL) : -1;
}

static void on_metrics_end(void *arg, const struct prl_fetch_end *end)
{
    struct bench *bench = arg;
    bench->request = NULL;
    if (end->failure != PRL_FETCH_OK)
        prl_str_clear(&bench->metrics);
    bench->heap = metric(bench, "\nparley_heap_bytes ");
    bench->asked = metric(bench, "\nparley_eot_asks_total ");
    bench->skipped = metric(bench, "\nparley_eot_skipped_total ");
    if (bench->heap > bench->cost.heap_max)
        bench->cost.heap_max = bench->heap;
    if (!bench->load) // before the step
        prl_loop_stop(bench->loop);
}

static const char *api_key(void)
{
    return getenv("PARLEY_API_KEY"); // NOLINT(concurrency-mt-unsafe): nobody sets it
}

// Asks for the heap in use; the answer comes later.
static enum prl_err ask_metrics(struct bench *bench)
{
    static const struct prl_fetch_ops ops = {.on_data = on_metrics_data, .on_end = on_metrics_end};
    if (bench->request)
        return PRL_OK;
    char url[URL_SIZE];
    snprintf(url, sizeof(url), "%s/metrics", bench->url ? bench->url : bench->server_url);
    prl_str_clear(&bench->metrics);
    struct prl_fetch_ask ask = {
        .method = "GET", .url = url, .bearer = api_key(), .ops = &ops, .arg = bench};
    return prl_fetch_start(bench->fetch, &ask, &bench->request);
}

static void on_look(void *arg)
{
    struct bench *bench = arg;
    (void)!ask_metrics(bench); // without an answer there is no figure
    struct prl_bench_usage now;
    if (bench->pid > 0 && prl_bench_usage(bench->pid, &now) &&
        now.anonymous > bench->cost.memory_max)
        bench->cost.memory_max = now.anonymous;
    if (!bench->json && bench->load && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%u sessions, %llu turns ", prl_load_open_count(bench->load),
                (unsigned long long)prl_load_turns(bench->load));
    prl_timer_start(bench->timer, prl_clock_now_us() + SAMPLE_US);
}

static void on_all_open(void *arg)
{
    struct bench *bench = arg;
    bench->cost.start_us = prl_clock_now_us();
    bench->measuring = bench->pid > 0 && prl_bench_usage(bench->pid, &bench->cost.start);
}

static void stop_measuring(struct bench *bench)
{
    if (!bench->measuring)
        return;
    bench->measuring = false;
    bench->cost.end_us = prl_clock_now_us();
    (void)prl_bench_usage(bench->pid, &bench->cost.end);
}

static void on_first_done(void *arg)
{
    stop_measuring(arg);
}

static void on_done(void *arg)
{
    struct bench *bench = arg;
    stop_measuring(bench);
    prl_loop_stop(bench->loop);
}

// ---- report ----

struct row {
    struct prl_load_report load;
    double core;           // share of a core a conversation; negative: unknown
    double memory;         // bytes a conversation; negative: unknown
    double heap;           // the same of the heap in use
    double asked, skipped; // negative: unknown
};

// When the scripted engines have an answer's first sound, after the end of speech: they start when the
// pause is noticed and work one after the other.
static uint32_t engines_us(const struct prl_settings *settings)
{
    const struct prl_scripted *script = &settings->scripted;
    double ms = (double)settings->turn_probe_ms + (double)script->stt_ms +
                (double)script->llm_first_ms +
                1000.0 * PRL_LLM_SCRIPTED_FIRST_WORDS / (double)script->llm_words_s +
                (double)script->tts_first_ms;
    return (uint32_t)(1000 * ms);
}

static void make_row(const struct bench *bench, struct row *row)
{
    const struct cost *cost = &bench->cost;
    uint32_t sessions = row->load.connected;
    int64_t wall_us = cost->end_us - cost->start_us;
    row->core = -1;
    row->memory = -1;
    row->heap = -1;
    if (sessions > 0 && cost->heap_before > 0 && cost->heap_max > 0)
        row->heap = (cost->heap_max - cost->heap_before) / sessions;
    bool counted = bench->semantic && cost->skipped_before >= 0 && bench->skipped >= 0;
    row->asked = counted ? bench->asked - cost->asked_before : -1;
    row->skipped = counted ? bench->skipped - cost->skipped_before : -1;
    if (sessions == 0 || bench->pid == 0)
        return;
    if (cost->start.cpu_us > 0 && wall_us > 0)
        row->core = (double)(cost->end.cpu_us - cost->start.cpu_us) / (double)wall_us / sessions;
    if (cost->before.anonymous > 0)
        row->memory = (double)(cost->memory_max - cost->before.anonymous) / sessions;
}

static double ms(const struct prl_load_figures *figures, double share)
{
    return (double)prl_load_quantile(figures, share) / 1000.0;
}

static void write_figures(struct prl_json_write *json, const char *name,
                          const struct prl_load_figures *figures)
{
    prl_json_write_object(json, name);
    prl_json_write_int(json, "count", (int64_t)figures->count);
    prl_json_write_real(json, "p50", ms(figures, 0.5));
    prl_json_write_real(json, "p95", ms(figures, 0.95));
    prl_json_write_real(json, "p99", ms(figures, 0.99));
    prl_json_write_real(json, "max", ms(figures, 1));
    prl_json_write_end_object(json);
}

static void print_json(const struct bench *bench, const struct row *row)
{
    const struct prl_load_report *load = &row->load;
    struct prl_cmd_json line;
    struct prl_json_write *json = prl_cmd_json_begin(&line);
    prl_json_write_string(json, "transport", bench->transport->name);
    prl_json_write_int(json, "sessions", load->sessions);
    prl_json_write_int(json, "connected", load->connected);
    prl_json_write_int(json, "finished", load->finished);
    prl_json_write_int(json, "refused", load->refused);
    prl_json_write_int(json, "broken", load->broken);
    prl_json_write_int(json, "turns", (int64_t)load->turns);
    prl_json_write_int(json, "marked", (int64_t)load->marked);
    prl_json_write_int(json, "unanswered", (int64_t)load->unanswered);
    prl_json_write_int(json, "early", (int64_t)load->early);
    prl_json_write_int(json, "errors", (int64_t)load->errors);
    prl_json_write_string(json, "first_problem", load->why);
    write_figures(json, "delay_ms", &load->delay);
    write_figures(json, "after_turn_ms", &load->after);
    write_figures(json, "connect_ms", &load->connect);
    write_figures(json, "refuse_ms", &load->refuse);
    if (load->packets > 0) {
        prl_json_write_int(json, "packets", (int64_t)load->packets);
        prl_json_write_int(json, "lost", (int64_t)load->lost);
        write_figures(json, "pacing_ms", &load->pacing);
    }
    if (load->own.count > 0)
        write_figures(json, "own_ms", &load->own);
    if (row->skipped >= 0) {
        prl_json_write_int(json, "eot_asked", (int64_t)row->asked);
        prl_json_write_int(json, "eot_skipped", (int64_t)row->skipped);
    }
    if (row->core >= 0)
        prl_json_write_real(json, "core_percent", 100 * row->core);
    if (row->memory >= 0)
        prl_json_write_real(json, "memory_kib", row->memory / 1024);
    if (row->heap >= 0)
        prl_json_write_real(json, "heap_kib", row->heap / 1024);
    prl_cmd_json_end(&line);
    fflush(stdout);
}

static void print_number(double value, bool known, int width, int digits)
{
    if (known)
        printf(" %*.*f", width, digits, value);
    else
        printf(" %*s", width, "-");
}

static void print_head(const struct bench *bench)
{
    if (bench->json)
        return;
    puts(
        "sessions refused broken  turns marked errors | delay p50    p95    p99 ms | own p50   p95 "
        "ms |  core % | KiB each heap");
    fflush(stdout);
}

static void print_row(const struct bench *bench, const struct row *row)
{
    const struct prl_load_report *load = &row->load;
    if (bench->json) {
        print_json(bench, row);
        return;
    }
    if (isatty(STDERR_FILENO))
        fputs("\r                              \r", stderr);
    uint64_t errors = load->errors + load->unanswered + load->early;
    bool own = load->own.count > 0;
    printf("%8u %7u %6u %6llu %6llu %6llu |", load->sessions, load->refused, load->broken,
           (unsigned long long)load->turns, (unsigned long long)load->marked,
           (unsigned long long)errors);
    print_number(ms(&load->delay, 0.5), load->turns > 0, 9, 0);
    print_number(ms(&load->delay, 0.95), load->turns > 0, 6, 0);
    print_number(ms(&load->delay, 0.99), load->turns > 0, 6, 0);
    printf("    |");
    print_number(ms(&load->own, 0.5), own, 7, 0);
    print_number(ms(&load->own, 0.95), own, 5, 0);
    printf("    |");
    print_number(100 * row->core, row->core >= 0, 7, 2);
    printf(" |");
    print_number(row->memory / 1024, row->memory >= 0, 8, 0);
    print_number(row->heap / 1024, row->heap >= 0, 5, 0);
    putchar('\n');
    if (load->refused > 0)
        printf("         refused within p50 %.0f, p95 %.0f, at most %.0f ms\n",
               ms(&load->refuse, 0.5), ms(&load->refuse, 0.95), ms(&load->refuse, 1));
    if (row->skipped >= 0)
        printf("         end-of-turn model asked %.0f times, eot_skipped %.0f\n", row->asked,
               row->skipped);
    if (load->pacing.count > 0)
        printf("         packets %llu, lost %llu, late p50 %.1f, p99 %.1f ms\n",
               (unsigned long long)load->packets, (unsigned long long)load->lost,
               ms(&load->pacing, 0.5), ms(&load->pacing, 0.99));
    if (load->why[0])
        printf("         first problem: %s\n", load->why);
    fflush(stdout);
}

// ---- run ----

static enum prl_err run_step(struct bench *bench, uint32_t sessions)
{
    // Spoken turns of all sessions lie evenly in time, as those of strangers would.
    uint32_t silence_us = (uint32_t)bench->settings.turn_silence_duration_ms * 1000;
    uint32_t turn_ms = (uint32_t)(bench->samples * 1000 / RATE_HZ) + 5000;
    struct prl_load_conf conf = {.transport = bench->transport,
                                 .group = {.loop = bench->loop,
                                           .url = bench->url ? bench->url : bench->server_url,
                                           .key = api_key(),
                                           .chunk_ms = (uint32_t)bench->chunk_ms},
                                 .talker = {.pcm = bench->pcm,
                                            .samples = bench->samples,
                                            .speech_end = bench->speech_end,
                                            .lead_ms = TALK_MS,
                                            .pause_ms = PAUSE_MS,
                                            .patience_ms = (uint32_t)bench->patience_s * 1000,
                                            .turns = (uint32_t)bench->turns},
                                 .semantic = bench->semantic,
                                 .engines_us = bench->url ? 0 : engines_us(&bench->settings),
                                 .silence_us = bench->semantic ? 0 : silence_us,
                                 .sessions = sessions,
                                 .connect_ms = (uint32_t)bench->connect_ms,
                                 .period_ms = sessions > 1 ? turn_ms : 0,
                                 .all_open = on_all_open,
                                 .first_done = on_first_done,
                                 .done = on_done,
                                 .arg = bench};
    bench->cost = (struct cost){.start_us = 0};
    if (ask_metrics(bench) == PRL_OK)
        prl_loop_run(bench->loop);
    bench->cost.heap_before = bench->heap;
    bench->cost.asked_before = bench->asked;
    bench->cost.skipped_before = bench->skipped;
    if (bench->interrupted)
        return PRL_OK;
    if (bench->pid > 0)
        (void)prl_bench_usage(bench->pid, &bench->cost.before);
    enum prl_err err = prl_load_create(&bench->load, &conf);
    if (err)
        return err;
    prl_timer_start(bench->timer, 0);
    prl_loop_run(bench->loop);
    prl_timer_stop(bench->timer);
    struct row row = {.core = -1};
    err = prl_load_report(bench->load, &row.load);
    if (!err) {
        make_row(bench, &row);
        print_row(bench, &row);
        if (row.load.broken > 0 || row.load.turns == 0)
            bench->status = 1;
    }
    prl_load_destroy(&bench->load);
    return err;
}

static void on_signal(void *arg, int number)
{
    (void)number;
    struct bench *bench = arg;
    if (bench->interrupted || !bench->load) {
        bench->interrupted = true;
        prl_loop_stop(bench->loop);
        return;
    }
    bench->interrupted = true;
    bench->status = 1;
    prl_load_end(bench->load);
}

static void on_server_ready(void *arg, const char *url)
{
    struct bench *bench = arg;
    (void)prl_str_copy(bench->server_url, sizeof(bench->server_url), url);
    bench->pid = prl_bench_server_pid(bench->server);
    prl_loop_stop(bench->loop);
}

static void on_server_gone(void *arg, const char *why)
{
    struct bench *bench = arg;
    fprintf(stderr, "parley bench: the server is gone: %s\n", why);
    bench->pid = 0;
    bench->status = 1;
    bench->interrupted = true;
    if (bench->load)
        prl_load_end(bench->load);
    else
        prl_loop_stop(bench->loop);
}

static bool start_server(struct bench *bench)
{
    char why[PRL_BENCH_WHY_SIZE] = "";
    int other = prl_bench_core(1);
    struct prl_bench_server_conf conf = {.loop = bench->loop,
                                         .sets = bench->set_list,
                                         .set_count = bench->set_count,
                                         .core = other >= 0 ? prl_bench_core(0) : -1,
                                         .ready = on_server_ready,
                                         .gone = on_server_gone,
                                         .arg = bench};
    if (other < 0)
        fputs("parley bench: one core only: server and client share it\n", stderr);
    if (prl_bench_server_start(&bench->server, &conf, why) != PRL_OK) {
        fprintf(stderr, "parley bench: %s\n", why);
        return false;
    }
    if (other >= 0)
        prl_bench_pin(other);
    prl_loop_run(bench->loop);
    return bench->server_url[0] != '\0';
}

static bool set_up(struct bench *bench)
{
    if (!read_steps(bench) || !read_sets(bench) || !read_utterance(bench))
        return false;
    // A load client waits for packets; a callback that takes 5 ms is no fault of a server's.
    struct prl_loop_conf loop = {.stall_us = 1000000,
                                 .timers_max = (size_t)4 * PRL_LOAD_SESSIONS_MAX};
    enum prl_err err = prl_loop_create(&bench->loop, &loop);
    if (!err)
        err = prl_loop_on_signal(bench->loop, on_signal, bench);
    if (!err)
        err = prl_timer_create(&bench->timer, bench->loop, "bench", on_look, bench);
    struct prl_fetch_conf fetch = {.insecure = true};
    prl_str_init(&bench->metrics, METRICS_SIZE_MAX);
    if (!err)
        err = prl_fetch_create(&bench->fetch, bench->loop, &fetch);
    if (err)
        fprintf(stderr, "parley bench: %s\n", prl_err_name(err));
    return !err && (bench->url || start_server(bench));
}

static void tear_down(struct bench *bench)
{
    prl_load_destroy(&bench->load);
    prl_fetch_destroy(&bench->fetch);
    prl_str_free(&bench->metrics);
    prl_bench_server_destroy(&bench->server);
    prl_timer_destroy(&bench->timer);
    prl_loop_destroy(&bench->loop);
    prl_settings_free(&bench->settings);
    prl_mem_free(bench->set_text);
    prl_mem_free(bench->pcm);
}

int prl_cmd_bench(int argc, char **argv)
{
    struct bench bench = {.sessions = "1,10,50,100,200,500",
                          .turns = 3,
                          .chunk_ms = 20,
                          .connect_ms = 20,
                          .patience_s = 10,
                          .transport = &prl_ws_line};
    int status = read_options(&argc, argv, &bench);
    if (status >= 0)
        return status;
    if (bench.rtc)
        bench.transport = &prl_rtc_line;
    (void)signal(SIGPIPE, SIG_IGN);
    prl_log_set_level(PRL_LOG_WARN);
    if (set_up(&bench)) {
        print_head(&bench);
        for (size_t i = 0; i < bench.step_count && !bench.interrupted; i++)
            if (run_step(&bench, bench.steps[i]) != PRL_OK)
                bench.status = 1;
    } else {
        bench.status = 1;
    }
    tear_down(&bench);
    return bench.status;
}

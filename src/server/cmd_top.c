// cmd_top.c -- `parley top`: what a server is doing now, from its /metrics.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/fetch.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/top.h"

enum { URL_SIZE = 300, METRICS_MAX = 1 << 20, TABLE_MAX = 1 << 16 };

static const char usage[] =
    "usage: parley top [options]\n"
    "Shows what a running server does, from its /metrics: sessions, load, turns, the stages of an\n"
    "answer, lanes and engines. Counts and times are those of the last interval.\n"
    "\n"
    "  --url URL      default http://127.0.0.1:8080\n"
    "  --interval S   between two looks, 1 to 60, default 2\n"
    "  --once         one table of everything since the server's start, then end\n"
    "  --insecure     accept any certificate\n"
    "  --help\n"
    "\n"
    "The API key is taken from PARLEY_API_KEY. Ctrl-C ends.\n";

struct top {
    const char *url;
    int interval_s;
    bool once, insecure;
    char metrics_url[URL_SIZE];
    struct prl_loop *loop;
    struct prl_timer *timer;
    struct prl_fetch *fetch;
    struct prl_fetch_request *request;
    struct prl_str texts[2]; // of the newest look and the one before: what their samples point into
    struct prl_top_look *looks[2];
    int newest;
    bool compared; // there are two
    int64_t at_us; // when the newest came
    int status;
};

static void show(struct top *top, double span_s)
{
    struct prl_str table;
    prl_str_init(&table, TABLE_MAX);
    if (!top->once && isatty(STDOUT_FILENO))
        (void)prl_str_adds(&table, "\x1b[H\x1b[2J");
    (void)prl_str_addf(&table, "%s  ", top->url);
    prl_top_write(&table, top->compared ? top->looks[1 - top->newest] : NULL,
                  top->looks[top->newest], span_s);
    fputs(prl_str_text(&table), stdout);
    fflush(stdout);
    prl_str_free(&table);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct top *top = arg;
    (void)prl_str_add(&top->texts[1 - top->newest], data, len); // LIMIT: the rest is not shown
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct top *top = arg;
    top->request = NULL;
    if (end->failure != PRL_FETCH_OK) {
        fprintf(stderr, "parley top: %s\n", end->why);
        top->status = 1;
        prl_loop_stop(top->loop);
        return;
    }
    int64_t now_us = prl_clock_now_us();
    bool first = top->at_us == 0;
    top->newest = 1 - top->newest;
    const struct prl_str *text = &top->texts[top->newest];
    prl_top_read(top->looks[top->newest], prl_str_text(text), text->len);
    top->compared = !first;
    show(top, first ? 0 : (double)(now_us - top->at_us) / 1e6);
    top->at_us = now_us;
    if (top->once)
        prl_loop_stop(top->loop);
    else
        prl_timer_start(top->timer, now_us + (int64_t)top->interval_s * 1000000);
}

static void on_due(void *arg)
{
    static const struct prl_fetch_ops ops = {.on_data = on_data, .on_end = on_end};
    struct top *top = arg;
    prl_str_clear(&top->texts[1 - top->newest]);
    struct prl_fetch_ask ask = {
        .method = "GET",
        .url = top->metrics_url,
        .bearer = getenv("PARLEY_API_KEY"), // NOLINT(concurrency-mt-unsafe): nobody sets it
        .ops = &ops,
        .arg = top};
    enum prl_err err = prl_fetch_start(top->fetch, &ask, &top->request);
    if (!err)
        return;
    fprintf(stderr, "parley top: %s: %s\n", top->metrics_url, prl_err_name(err));
    top->status = 1;
    prl_loop_stop(top->loop);
}

static void on_signal(void *arg, int number)
{
    (void)number;
    struct top *top = arg;
    prl_loop_stop(top->loop);
}

static enum prl_err set_up(struct top *top)
{
    size_t len = strlen(top->url);
    snprintf(top->metrics_url, sizeof(top->metrics_url), "%.*s/metrics",
             (int)(len > 0 && top->url[len - 1] == '/' ? len - 1 : len), top->url);
    for (int i = 0; i < 2; i++) {
        prl_str_init(&top->texts[i], METRICS_MAX);
        top->looks[i] = prl_mem_zalloc(sizeof(*top->looks[i]));
        if (!top->looks[i])
            return PRL_ERR_NOMEM;
    }
    struct prl_fetch_conf fetch = {.insecure = top->insecure};
    enum prl_err err = prl_loop_create(&top->loop, NULL);
    if (!err)
        err = prl_loop_on_signal(top->loop, on_signal, top);
    if (!err)
        err = prl_timer_create(&top->timer, top->loop, "top", on_due, top);
    return err ? err : prl_fetch_create(&top->fetch, top->loop, &fetch);
}

static void tear_down(struct top *top)
{
    prl_fetch_destroy(&top->fetch);
    prl_timer_destroy(&top->timer);
    prl_loop_destroy(&top->loop);
    for (int i = 0; i < 2; i++) {
        prl_str_free(&top->texts[i]);
        prl_mem_free(top->looks[i]);
    }
}

int prl_cmd_top(int argc, char **argv)
{
    struct top top = {.url = "http://127.0.0.1:8080", .interval_s = 2};
    const struct prl_cmd_option list[] = {
        {"url", .text = &top.url},
        {"interval", .integer = &top.interval_s, .low = 1, .high = 60},
        {"once", .flag = &top.once},
        {"insecure", .flag = &top.insecure},
        {NULL}};
    int status = prl_cmd_options(&argc, argv, list, usage);
    if (status >= 0)
        return status;
    if (argc > 1) {
        fprintf(stderr, "parley top: what is \"%s\" for?\n\n%s", argv[1], usage);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    prl_log_set_level(PRL_LOG_WARN);
    enum prl_err err = set_up(&top);
    if (err) {
        fprintf(stderr, "parley top: %s\n", prl_err_name(err));
        top.status = 1;
    } else {
        prl_timer_start(top.timer, 0);
        prl_loop_run(top.loop);
    }
    tear_down(&top);
    return top.status;
}

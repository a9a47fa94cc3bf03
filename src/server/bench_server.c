// bench_server.c -- see bench_server.h. The child's log comes through a pipe: it says the port and
// when the engines are ready; warnings and errors are passed on.
#include "server/bench_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop.h"

enum { LINE_MAX_SIZE = 1024, END_US = 5000000 };

struct prl_bench_server {
    struct prl_bench_server_conf conf;
    pid_t pid;
    int log;                 // read end of the pipe
    struct prl_watch *watch; // owned
    char line[LINE_MAX_SIZE];
    size_t len;
    char url[PRL_BENCH_URL_SIZE];
    char why[PRL_BENCH_WHY_SIZE]; // last error line
    bool ready;
    bool ended;
};

// ---- its log ----

static void read_line(struct prl_bench_server *server, const char *line)
{
    static const char listening[] = "listening on ";
    const char *at = strstr(line, listening);
    if (at && !server->url[0]) {
        at += sizeof(listening) - 1;
        size_t len = strcspn(at, " \n");
        if (len > 0 && at[len - 1] == '/')
            len--;
        snprintf(server->url, sizeof(server->url), "%.*s", (int)len, at);
    }
    bool bad = strstr(line, " warn ") || strstr(line, " error ");
    if (bad) {
        fprintf(stderr, "server: %s\n", line);
        (void)prl_str_copy(server->why, sizeof(server->why), line);
    }
    if (!server->ready && strstr(line, ": ready after ")) {
        server->ready = true;
        server->conf.ready(server->conf.arg, server->url);
    }
}

static void on_log(void *arg, unsigned events)
{
    (void)events;
    struct prl_bench_server *server = arg;
    char bytes[LINE_MAX_SIZE];
    ssize_t got = read(server->log, bytes, sizeof(bytes));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        (void)!prl_watch_set(server->watch, 0);
        server->ended = true;
        server->conf.gone(server->conf.arg, server->why[0] ? server->why : "it ended");
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n') {
            if (server->len < LINE_MAX_SIZE - 1)
                server->line[server->len++] = bytes[i];
            continue;
        }
        server->line[server->len] = '\0';
        server->len = 0;
        read_line(server, server->line);
    }
}

// ---- its life ----

// In the child. Only system calls until exec.
static void become_server(const struct prl_bench_server_conf *conf, int log, char *const *argv)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); // no server is left behind when the bench is killed
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    if (conf->core >= 0)
        prl_bench_pin(conf->core);
    execv("/proc/self/exe", argv);
    _exit(127);
}

enum prl_err prl_bench_server_start(struct prl_bench_server **out,
                                    const struct prl_bench_server_conf *conf, char *why)
{
    struct prl_bench_server *server = prl_mem_zalloc(sizeof(*server));
    *out = server;
    if (!server)
        return PRL_ERR_NOMEM;
    server->conf = *conf;
    server->log = -1;
    char *argv[2 * PRL_BENCH_SETS_MAX + 3] = {(char[]){"parley"}, (char[]){"serve"}};
    static char set[] = "--set";
    size_t argc = 2;
    for (size_t i = 0; i < conf->set_count && i < PRL_BENCH_SETS_MAX; i++) {
        argv[argc++] = set;
        argv[argc++] = conf->sets[i];
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        (void)prl_str_copy(why, PRL_BENCH_WHY_SIZE, "no pipe for the server's log");
        prl_bench_server_destroy(out);
        return PRL_ERR_IO;
    }
    server->log = ends[0];
    (void)fcntl(ends[1], F_SETFL, 0); // the child's log blocks rather than loses lines
    server->pid = fork();
    if (server->pid == 0)
        become_server(conf, ends[1], argv);
    close(ends[1]);
    enum prl_err err = server->pid > 0 ? PRL_OK : PRL_ERR_IO;
    if (!err)
        err =
            prl_watch_create(&server->watch, conf->loop, server->log, "server log", on_log, server);
    if (!err)
        err = prl_watch_set(server->watch, PRL_WATCH_READ);
    if (err) {
        (void)prl_str_copy(why, PRL_BENCH_WHY_SIZE, "the server cannot be started");
        prl_bench_server_destroy(out);
    }
    return err;
}

// Reads the log to its end, which comes when the child is gone; false when it does not come in time.
static bool drain_log(int log)
{
    int64_t end_us = prl_clock_now_us() + END_US;
    for (;;) {
        char bytes[LINE_MAX_SIZE];
        struct pollfd wait = {.fd = log, .events = POLLIN};
        int64_t rest_us = end_us - prl_clock_now_us();
        if (rest_us <= 0 || poll(&wait, 1, (int)(rest_us / 1000)) <= 0)
            return false;
        ssize_t got = read(log, bytes, sizeof(bytes));
        if (got == 0)
            return true;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return false;
    }
}

void prl_bench_server_destroy(struct prl_bench_server **server)
{
    if (!*server)
        return;
    prl_watch_destroy(&(*server)->watch);
    pid_t pid = (*server)->pid;
    if (pid > 0) {
        (void)kill(pid, SIGTERM);
        if (!drain_log((*server)->log))
            (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    if ((*server)->log >= 0)
        close((*server)->log);
    prl_mem_free(*server);
    *server = NULL;
}

pid_t prl_bench_server_pid(const struct prl_bench_server *server)
{
    return server->pid;
}

// ---- what it uses ----

static bool read_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len > 0;
}

static int64_t kib_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) * 1024 : 0;
}

bool prl_bench_usage(pid_t pid, struct prl_bench_usage *usage)
{
    char text[4096];
    *usage = (struct prl_bench_usage){0};
    if (!read_file(pid, "stat", text, sizeof(text)))
        return false;
    const char *at = strrchr(text, ')'); // the name before it may hold anything
    for (int field = 2; at && field < 13; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    char *rest;
    int64_t ticks = strtoll(at, &rest, 10);
    ticks += strtoll(rest, NULL, 10);
    usage->cpu_us = ticks * (1000000 / sysconf(_SC_CLK_TCK));
    if (!read_file(pid, "status", text, sizeof(text)))
        return false;
    usage->rss = kib_of(text, "VmRSS:");
    usage->anonymous = kib_of(text, "RssAnon:");
    return true;
}

int prl_bench_core(int index)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return -1;
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET((size_t)core, &set) && index-- == 0)
            return core;
    return -1;
}

void prl_bench_pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

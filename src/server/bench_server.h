// bench_server.h -- the server that `parley bench` measures: started as a child, or any process.
//
// Units:    microseconds, bytes.
// Threads:  the loop thread. Memory: the handle owns the child: destroy ends and reaps it.
// Errors:   IO with a sentence in `why`; a child that ends by itself is told once through `gone`.
#ifndef PRL_SERVER_BENCH_SERVER_H
#define PRL_SERVER_BENCH_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct prl_loop;
struct prl_bench_server;

enum { PRL_BENCH_SETS_MAX = 64, PRL_BENCH_WHY_SIZE = 300, PRL_BENCH_URL_SIZE = 64 };

struct prl_bench_server_conf {
    struct prl_loop *loop;
    char *const *sets; // "key=value" for --set
    size_t set_count;
    int core;                                  // that it is pinned to; negative: none
    void (*ready)(void *arg, const char *url); // http://127.0.0.1:PORT; once
    void (*gone)(void *arg, const char *why);  // it ended by itself; once
    void *arg;
};

enum prl_err prl_bench_server_start(struct prl_bench_server **out,
                                    const struct prl_bench_server_conf *conf,
                                    char *why) PRL_MUST_USE;
// Asks it to end, waits for it (at most 5 s, then kills it).
void prl_bench_server_destroy(struct prl_bench_server **server);
pid_t prl_bench_server_pid(const struct prl_bench_server *server);

struct prl_bench_usage {
    int64_t cpu_us;    // user and system time so far
    int64_t rss;       // resident
    int64_t anonymous; // of it: heap and stacks, what no file backs
};
// Of any process. False: it cannot be seen.
bool prl_bench_usage(pid_t pid, struct prl_bench_usage *usage);
// The n-th core that this process may use; -1: there are not so many.
int prl_bench_core(int index);
// Pins this process.
void prl_bench_pin(int core);

#endif

// sctp.c -- what a data channel costs: memory of an idle association, its timers, an event.
//
//   make build/release/tests/bench/sctp && build/release/tests/bench/sctp
//
// Both ends are in this process and its one loop carries the packets between them, without DTLS; the
// figures are for one end.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "net/loop.h"
#include "rtc/sctp.h"

enum {
    PAIRS_MAX = 1000,
    EVENT_BYTES = 300, // a transcript delta with its ids
    IDLE_US = 10000000,
    BURST_US = 5000000,
    WINDOW = 16, // events under way in each pair
};

static struct {
    struct prl_loop *loop;
    struct prl_port *port;
    struct prl_sctp *sctp;
    struct prl_sctp_handle handles[2 * PAIRS_MAX]; // even: server, odd: client
    int opened;
    int64_t received;
    bool sending;
} bench;

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sctp: %s failed\n", what);
    abort();
}

static void send_one(size_t server)
{
    static char text[EVENT_BYTES];
    memset(text, 'x', sizeof(text));
    must(prl_sctp_send(bench.sctp, bench.handles[server], 0, text, sizeof(text)) == PRL_OK, "send");
}

static void on_event(void *arg, struct prl_msg *msg)
{
    (void)arg;
    struct prl_sctp_event event;
    prl_sctp_event_read(msg, &event);
    if (event.type == PRL_SCTP_PACKET) {
        (void)!prl_sctp_input(bench.sctp, bench.handles[event.id ^ 1], event.data, event.size);
    } else if (event.type == PRL_SCTP_CHANNEL_OPEN) {
        bench.opened++;
    } else if (event.type == PRL_SCTP_MESSAGE && event.last) {
        bench.received++;
        if (bench.sending)
            send_one(event.id ^ 1);
    }
    prl_msg_free(msg);
}

static int64_t process_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void run_for(int64_t us)
{
    int64_t end_us = prl_clock_now_us() + us;
    while (prl_clock_now_us() < end_us)
        prl_loop_turn(bench.loop, end_us - prl_clock_now_us());
}

static void open_pairs(int pairs)
{
    for (int i = 0; i < 2 * pairs; i++) {
        struct prl_sctp_peer_conf conf = {.port = bench.port, .id = (uint64_t)i};
        must(prl_sctp_open(bench.sctp, &conf, &bench.handles[i]) == PRL_OK, "open");
        if (i % 2)
            must(prl_sctp_open_channel(bench.sctp, bench.handles[i], 0, PRL_SCTP_LABEL) == PRL_OK,
                 "open channel");
        if (i % 20 == 19)
            run_for(2000);
    }
    int64_t end_us = prl_clock_now_us() + IDLE_US;
    while (bench.opened < 2 * pairs && prl_clock_now_us() < end_us)
        run_for(1000);
    must(bench.opened == 2 * pairs, "connecting");
}

static void measure_idle(int pairs)
{
    bench.opened = 0;
    must(prl_sctp_create(&bench.sctp, PRL_SCTP_ASSOCIATIONS_MAX) == PRL_OK, "create");
    struct mallinfo2 before = mallinfo2();
    int64_t start_us = process_cpu_us();
    open_pairs(pairs);
    int64_t connected_us = process_cpu_us();
    run_for(1000000); // what connecting still holds goes
    struct mallinfo2 after = mallinfo2();
    int64_t idle_us = process_cpu_us();
    run_for(IDLE_US);
    idle_us = process_cpu_us() - idle_us;
    printf("%5d associations: %6.1f KiB each, connecting %5.0f us each, idle %.2f %% of a core\n",
           2 * pairs, pairs ? (double)(after.uordblks - before.uordblks) / 1024 / (2 * pairs) : 0.0,
           pairs ? (double)(connected_us - start_us) / (2 * pairs) : 0.0,
           (double)idle_us * 100 / IDLE_US);
    prl_sctp_destroy(&bench.sctp);
}

static void measure_events(int pairs)
{
    bench.opened = 0;
    must(prl_sctp_create(&bench.sctp, PRL_SCTP_ASSOCIATIONS_MAX) == PRL_OK, "create");
    open_pairs(pairs);
    bench.sending = true;
    for (int i = 0; i < 2 * pairs; i += 2)
        for (int n = 0; n < WINDOW; n++)
            send_one((size_t)i);
    run_for(500000);
    int64_t cpu_us = process_cpu_us();
    bench.received = 0;
    run_for(BURST_US);
    cpu_us = process_cpu_us() - cpu_us;
    printf("%5d pairs: %7.0f events of %d bytes a second, %.1f us of CPU each (both ends)\n", pairs,
           (double)bench.received * 1000000 / BURST_US, EVENT_BYTES,
           (double)cpu_us / (double)(bench.received ? bench.received : 1));
    bench.sending = false;
    prl_sctp_destroy(&bench.sctp);
}

int main(void)
{
    must(prl_loop_create(&bench.loop, &(struct prl_loop_conf){.stall_us = 1000000}) == PRL_OK,
         "loop");
    must(prl_port_open(&bench.port, bench.loop, 65536, on_event, NULL) == PRL_OK, "port");
    static const int idle[] = {0, 25, 100, 1000};
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        measure_idle(idle[i]);
    static const int pairs[] = {1, 50};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        measure_events(pairs[i]);
    prl_port_destroy(&bench.port);
    prl_loop_destroy(&bench.loop);
    return 0;
}

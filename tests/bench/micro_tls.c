// micro_tls.c -- what a resumed TLS session saves a connection to an engine elsewhere: `make micro`.
//
// A client as src/net/wsc.c has it and a server as src/net/http.c has it shake hands over a socket pair in one
// thread. CPU time of each side, bytes that crossed, heap by mallinfo2.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tls.h"

enum { ROUNDS = 1000, TURNS_MAX = 100, PORT = 443 };

struct cost {
    int64_t client_us, server_us;
    long to_client, to_server; // bytes
};

static size_t heap(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static int waiting(int fd)
{
    int bytes = 0;
    return ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

static bool shake_hands(struct prl_tls *client, struct prl_tls *server, const int *fds,
                        struct cost *cost)
{
    char byte = 0;
    size_t got = 0;
    size_t put = 0;
    bool open = false;
    bool accepted = false;
    for (int i = 0; i < TURNS_MAX && got == 0; i++) {
        int64_t a_us = prl_clock_thread_us();
        if (!open)
            open = prl_tls_handshake(client) == PRL_OK;
        else if (prl_tls_read(client, &byte, 1, &got) == PRL_ERR_IO)
            return false;
        int64_t b_us = prl_clock_thread_us();
        cost->client_us += b_us - a_us;
        cost->to_server += waiting(fds[1]);
        b_us = prl_clock_thread_us();
        if (!accepted)
            accepted = prl_tls_handshake(server) == PRL_OK;
        if (accepted && put == 0 && prl_tls_write(server, "x", 1, &put) == PRL_ERR_IO)
            return false;
        cost->server_us += prl_clock_thread_us() - b_us;
        cost->to_client += waiting(fds[0]);
    }
    return got == 1;
}

static bool meet(struct prl_tls_ctx *ours, struct prl_tls_ctx *theirs, uint16_t port,
                 struct cost *cost)
{
    int fds[2];
    struct prl_tls *client = NULL;
    struct prl_tls *server = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return false;
    bool good = prl_tls_create(&client, ours, fds[0], "localhost", port) == PRL_OK &&
                prl_tls_create(&server, theirs, fds[1], NULL, 0) == PRL_OK &&
                shake_hands(client, server, fds, cost);
    if (client)
        prl_tls_close(client);
    prl_tls_destroy(&client);
    prl_tls_destroy(&server);
    close(fds[0]);
    close(fds[1]);
    return good;
}

// Another port each time is another server each time.
static void run(struct prl_tls_ctx *ours, struct prl_tls_ctx *theirs, bool resume)
{
    struct cost cost = {0};
    int bad = 0;
    bad += !meet(ours, theirs, PORT, &cost);
    cost = (struct cost){0};
    for (int i = 0; i < ROUNDS; i++)
        bad += !meet(ours, theirs, (uint16_t)(resume ? PORT : PORT + 1 + i), &cost);
    printf("TLS 1.3 %-8s client %6.0f us  server %6.0f us  to the client %5.0f, to the server "
           "%5.0f bytes%s\n",
           resume ? "resumed" : "full", (double)cost.client_us / ROUNDS,
           (double)cost.server_us / ROUNDS, (double)cost.to_client / ROUNDS,
           (double)cost.to_server / ROUNDS, bad ? "  FAILED" : "");
}

int main(void)
{
    enum { KEPT = 16 };
    char dir[] = "/tmp/parley-tls-XXXXXX";
    char error[256];
    struct prl_tls_files files = {.cert_path = ""};
    struct prl_tls_ctx *ours = NULL;
    struct prl_tls_ctx *theirs = NULL;
    struct cost cost = {0};
    bool good =
        mkdtemp(dir) && prl_tls_ensure_files(dir, NULL, 0, &files) == PRL_OK &&
        prl_tls_ctx_create_server(&theirs, files.cert_path, files.key_path, error) == PRL_OK &&
        prl_tls_ctx_create_client(&ours, files.cert_path, false, error) == PRL_OK;
    if (good) {
        run(ours, theirs, false);
        run(ours, theirs, true);
        prl_tls_ctx_destroy(&ours);
        good = prl_tls_ctx_create_client(&ours, files.cert_path, false, error) == PRL_OK;
    }
    size_t before = heap();
    for (int i = 0; good && i < KEPT; i++)
        good = meet(ours, theirs, (uint16_t)(PORT + i), &cost);
    if (good)
        printf("a session that is kept: %.1f KiB of heap\n",
               (double)(heap() - before) / 1024 / KEPT);
    (void)unlink(files.cert_path);
    (void)unlink(files.key_path);
    (void)rmdir(dir);
    prl_tls_ctx_destroy(&ours);
    prl_tls_ctx_destroy(&theirs);
    return good ? 0 : 1;
}

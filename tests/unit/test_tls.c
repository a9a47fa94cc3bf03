// test_tls.c -- the certificate, and sessions that are resumed, against OpenSSL's own server.
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls.h"
#include "tests/unit.h"

PRL_TEST(tls_makes_one_pair_and_keeps_it)
{
    static const char *const names[] = {"voice.example", "10.0.0.7", "bad name", "::ffff:10.0.0.8"};
    struct prl_tls_files files = {.cert_path = ""};
    struct stat info;
    struct stat again;
    char error[256];
    struct prl_tls_ctx *ctx;
    char dir[300];
    snprintf(dir, sizeof(dir), "%s/tls", prl_test_dir());
    EXPECT_OK(prl_tls_ensure_files(dir, names, 4, &files));
    EXPECT(stat(files.key_path, &info) == 0);
    EXPECT_INT(info.st_mode & 0777, 0600);
    EXPECT_OK(prl_tls_ctx_create_server(&ctx, files.cert_path, files.key_path, error));
    prl_tls_ctx_destroy(&ctx);
    EXPECT_OK(prl_tls_ensure_files(dir, NULL, 0, &files));
    EXPECT(stat(files.key_path, &again) == 0);
    EXPECT(info.st_ino == again.st_ino); // kept, not made again
    EXPECT_INT(prl_tls_ctx_create_server(&ctx, files.key_path, files.key_path, error),
               PRL_ERR_INVALID);
    EXPECT(ctx == NULL && strstr(error, "key.pem: "));
    EXPECT_INT(prl_tls_ctx_create_server(&ctx, files.cert_path, "/nonexistent", error),
               PRL_ERR_INVALID);
    EXPECT(strstr(error, "/nonexistent: "));
    EXPECT(unlink(files.key_path) == 0);
    EXPECT_INT(prl_tls_ensure_files(dir, NULL, 0, &files), PRL_ERR_INVALID);
    EXPECT_INT(prl_tls_ensure_files("/nonexistent/deep", NULL, 0, &files), PRL_ERR_IO);
}

// ---- sessions ----

enum { TURNS_MAX = 100 }; // more than any handshake takes

enum meeting { FAILED, FULL, RESUMED };

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static SSL_CTX *make_server(int version, struct prl_tls_files *files)
{
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    bool good = server && prl_tls_ensure_files(prl_test_dir(), NULL, 0, files) == PRL_OK &&
                SSL_CTX_set_max_proto_version(server, version) == 1 &&
                SSL_CTX_use_certificate_chain_file(server, files->cert_path) == 1 &&
                SSL_CTX_use_PrivateKey_file(server, files->key_path, SSL_FILETYPE_PEM) == 1;
    if (good)
        return server;
    SSL_CTX_free(server);
    return NULL;
}

// Until both are done and one byte has come, behind which a session may hide.
static bool shake_hands(struct prl_tls *client, SSL *server)
{
    char byte = 0;
    size_t got = 0;
    bool shaken = false;
    bool sent = false;
    for (int i = 0; i < TURNS_MAX && got == 0; i++) {
        enum prl_err err =
            shaken ? prl_tls_read(client, &byte, 1, &got) : prl_tls_handshake(client);
        if (err && err != PRL_ERR_AGAIN)
            return false;
        shaken = shaken || !err;
        if (SSL_do_handshake(server) == 1 && !sent)
            sent = SSL_write(server, "x", 1) == 1;
    }
    return got == 1 && byte == 'x';
}

// What the server says of a connection.
static enum meeting meet(struct prl_tls_ctx *trust, SSL_CTX *ctx, const char *name, uint16_t port)
{
    enum meeting result = FAILED;
    int fds[2];
    struct prl_tls *client = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return FAILED;
    SSL *server = SSL_new(ctx);
    if (server && SSL_set_fd(server, fds[1]) == 1 &&
        prl_tls_create(&client, trust, fds[0], name, port) == PRL_OK) {
        SSL_set_accept_state(server);
        if (shake_hands(client, server))
            result = SSL_session_reused(server) ? RESUMED : FULL;
        prl_tls_close(client);
    }
    prl_tls_destroy(&client);
    SSL_free(server);
    close(fds[0]);
    close(fds[1]);
    return result;
}

PRL_TEST(tls_resumes_with_the_same_server)
{
    struct prl_tls_files files = {.cert_path = ""};
    char error[256];
    for (size_t i = 0; i < 2; i++) {
        struct prl_tls_ctx *trust;
        SSL_CTX *server = make_server(versions[i], &files);
        REQUIRE(server != NULL);
        EXPECT_OK(prl_tls_ctx_create_client(&trust, files.cert_path, false, error));
        EXPECT_INT(meet(trust, server, "localhost", 443), FULL);
        for (int again = 0; again < 6; again++)
            EXPECT_INT(meet(trust, server, "localhost", 443), RESUMED);
        // Another port or name may be another server.
        EXPECT_INT(meet(trust, server, "localhost", 444), FULL);
        EXPECT_INT(meet(trust, server, "127.0.0.1", 443), FULL);
        EXPECT_INT(meet(trust, server, "127.0.0.1", 443), RESUMED);
        EXPECT_INT(meet(trust, server, "elsewhere", 443), FAILED); // not in the certificate
        EXPECT_INT(meet(trust, server, "localhost", 443), RESUMED);
        // It was started again and knows nothing of old sessions.
        SSL_CTX_free(server);
        server = make_server(versions[i], &files);
        REQUIRE(server != NULL);
        EXPECT_INT(meet(trust, server, "127.0.0.1", 443), FULL);
        SSL_CTX_free(server);
        prl_tls_ctx_destroy(&trust);
    }
}

PRL_TEST(tls_resumes_nothing_that_was_not_trusted)
{
    struct prl_tls_files files = {.cert_path = ""};
    char error[256];
    for (size_t i = 0; i < 2; i++) {
        struct prl_tls_ctx *strict;
        struct prl_tls_ctx *lax;
        SSL_CTX *server = make_server(versions[i], &files);
        REQUIRE(server != NULL);
        EXPECT_OK(prl_tls_ctx_create_client(&strict, NULL, false, error));
        EXPECT_OK(prl_tls_ctx_create_client(&lax, NULL, true, error));
        EXPECT_INT(meet(lax, server, "localhost", 443), FULL);
        EXPECT_INT(meet(lax, server, "localhost", 443), RESUMED);
        EXPECT_INT(meet(strict, server, "localhost", 443), FAILED);
        EXPECT_INT(meet(strict, server, "localhost", 443), FAILED);
        SSL_CTX_free(server);
        prl_tls_ctx_destroy(&strict);
        prl_tls_ctx_destroy(&lax);
    }
}

PRL_TEST(tls_remembers_so_many_and_no_more)
{
    struct prl_tls_files files = {.cert_path = ""};
    char error[256];
    char name[32];
    struct prl_tls_ctx *trust;
    SSL_CTX *server = make_server(TLS1_3_VERSION, &files);
    REQUIRE(server != NULL);
    EXPECT_OK(prl_tls_ctx_create_client(&trust, NULL, true, error));
    EXPECT_INT(SSL_CTX_set_num_tickets(server, 1), 1);
    EXPECT_INT(meet(trust, server, "quiet", 443), FULL);
    // One that gives many pushes nobody out.
    EXPECT_INT(SSL_CTX_set_num_tickets(server, 40), 1);
    EXPECT_INT(meet(trust, server, "generous", 443), FULL);
    EXPECT_INT(SSL_CTX_set_num_tickets(server, 1), 1);
    EXPECT_INT(meet(trust, server, "quiet", 443), RESUMED);
    // Many do: the oldest first.
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "host%d", i);
        EXPECT_INT(meet(trust, server, name, 443), FULL);
    }
    EXPECT_INT(meet(trust, server, "host19", 443), RESUMED);
    EXPECT_INT(meet(trust, server, "host4", 443), RESUMED);
    EXPECT_INT(meet(trust, server, "host3", 443), FULL);
    EXPECT_INT(meet(trust, server, "quiet", 443), FULL);
    // A server that gives none.
    EXPECT_INT(SSL_CTX_set_num_tickets(server, 0), 1);
    EXPECT_INT(meet(trust, server, "mean", 443), FULL);
    EXPECT_INT(meet(trust, server, "mean", 443), FULL);
    SSL_CTX_free(server);
    prl_tls_ctx_destroy(&trust);
}

PRL_TEST_OOM(tls_resumption)
{
    struct prl_tls_files files = {.cert_path = ""};
    char error[256];
    struct prl_tls_ctx *trust = NULL;
    SSL_CTX *server = make_server(TLS1_3_VERSION, &files);
    if (!server || prl_tls_ctx_create_client(&trust, NULL, true, error))
        goto done;
    enum meeting first = meet(trust, server, "localhost", 443);
    enum meeting second = meet(trust, server, "localhost", 443);
    EXPECT(prl_test_oom() || (first == FULL && second == RESUMED));
done:
    SSL_CTX_free(server);
    prl_tls_ctx_destroy(&trust);
}

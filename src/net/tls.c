// tls.c -- see tls.h.
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/cert.h"
#include "net/loop.h"
#include "net/origin.h"

enum {
    BACK_S = 3600, // our certificate begins an hour back, for clocks that differ
    ERROR_SIZE = 256,
    NAMES_MAX = 32,
    NAMES_SIZE = 4096,
    PEER_SIZE = 272,   // "name:port"
    SESSIONS_MAX = 16, // of all servers
    SESSIONS_PEER_MAX = 4
};

struct kept {
    SSL_SESSION *session; // owned; NULL: a free place
    uint64_t order;       // of keeping; 0 where it is free
    char peer[PEER_SIZE];
};

struct prl_tls_ctx {
    SSL_CTX *ssl;
    bool client;
    bool insecure;
    struct kept *kept; // owned, SESSIONS_MAX; NULL: a server's
    uint64_t keeps;
};

struct prl_tls {
    SSL *ssl;
    struct prl_tls_ctx *ctx; // borrowed
    char *peer;              // owned; NULL: the server side
    unsigned wants;
    const char *error; // static text inside OpenSSL or ours
};

// ---- certificate ----

// Writes with `mode` under a temporary name, so that no half file is ever taken for a key.
static FILE *open_new(const char *path, mode_t mode, char *temp, size_t size)
{
    snprintf(temp, size, "%s.new", path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return NULL;
    // An older leftover keeps its mode otherwise.
    FILE *file = fchmod(fd, mode) == 0 ? fdopen(fd, "w") : NULL;
    if (!file)
        close(fd);
    return file;
}

static bool finish_file(FILE *file, bool good, const char *temp, const char *path)
{
    good = fflush(file) == 0 && good;
    good = fsync(fileno(file)) == 0 && good;
    good = fclose(file) == 0 && good;
    good = good && rename(temp, path) == 0;
    if (!good)
        unlink(temp);
    return good;
}

static bool write_pair(const struct prl_tls_files *files, const struct prl_cert *cert)
{
    char temp[sizeof(files->key_path) + 8];
    FILE *file = open_new(files->key_path, 0600, temp, sizeof(temp));
    if (!file || !finish_file(file, prl_cert_write_key(cert, file), temp, files->key_path))
        return false;
    file = open_new(files->cert_path, 0644, temp, sizeof(temp));
    bool good = file && finish_file(file, prl_cert_write(cert, file), temp, files->cert_path);
    if (!good)
        unlink(files->key_path); // half a pair would be refused at the next start
    return good;
}

static bool is_address(const char *name)
{
    return strchr(name, ':') != NULL || name[strspn(name, "0123456789.")] == '\0';
}

// "DNS:localhost,IP:127.0.0.1,…": only characters of names and addresses get in.
static void list_names(char *list, size_t size, const char *const *names, size_t count)
{
    size_t used = (size_t)snprintf(list, size, "DNS:localhost,IP:127.0.0.1,IP:::1");
    for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
        char name[256];
        if (!prl_origin_canonical(names[i], name, sizeof(name)) || used + strlen(name) + 8 > size ||
            prl_origin_loopback(name))
            continue;
        used += (size_t)snprintf(list + used, size - used, ",%s:%s",
                                 is_address(name) ? "IP" : "DNS", name);
    }
}

static enum prl_err make_pair(const struct prl_tls_files *files, const char *const *names,
                              size_t name_count)
{
    char list[NAMES_SIZE];
    list_names(list, sizeof(list), names, name_count);
    struct prl_cert *cert;
    enum prl_err err = prl_cert_create(&cert, BACK_S, list);
    if (!err && !write_pair(files, cert))
        err = PRL_ERR_IO;
    prl_cert_destroy(&cert);
    ERR_clear_error();
    return err;
}

enum prl_err prl_tls_ensure_files(const char *dir, const char *const *names, size_t name_count,
                                  struct prl_tls_files *files)
{
    int a = snprintf(files->cert_path, sizeof(files->cert_path), "%s/cert.pem", dir);
    int b = snprintf(files->key_path, sizeof(files->key_path), "%s/key.pem", dir);
    if (a >= (int)sizeof(files->cert_path) || b >= (int)sizeof(files->key_path))
        return PRL_ERR_INVALID;
    bool cert = access(files->cert_path, F_OK) == 0;
    bool key = access(files->key_path, F_OK) == 0;
    if (cert && key)
        return PRL_OK;
    if (cert != key) {
        prl_log(
            PRL_LOG_ERROR, "net", "%s exists without %s: put the missing one there or remove it",
            cert ? files->cert_path : files->key_path, cert ? files->key_path : files->cert_path);
        return PRL_ERR_INVALID;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        prl_log(PRL_LOG_ERROR, "net", "cannot make the folder %s for the certificate", dir);
        return PRL_ERR_IO;
    }
    enum prl_err err = make_pair(files, names, name_count);
    if (err)
        prl_log(PRL_LOG_ERROR, "net", "cannot write %s: %s", files->cert_path, prl_err_name(err));
    else
        prl_log(PRL_LOG_INFO, "net", "made a self-signed certificate: %s", files->cert_path);
    return err;
}

// ---- sessions that a client resumes ----

// Takes `session`.
static void keep_session(struct prl_tls_ctx *ctx, const char *peer, SSL_SESSION *session)
{
    struct kept *oldest = ctx->kept; // a free place is older than all
    struct kept *oldest_same = ctx->kept;
    size_t same = 0;
    for (struct kept *at = ctx->kept; at < ctx->kept + SESSIONS_MAX; at++) {
        if (at->order < oldest->order)
            oldest = at;
        if (!at->session || strcmp(at->peer, peer) != 0)
            continue;
        if (same++ == 0 || at->order < oldest_same->order)
            oldest_same = at;
    }
    struct kept *place = same < SESSIONS_PEER_MAX ? oldest : oldest_same;
    SSL_SESSION_free(place->session);
    place->session = session;
    place->order = ++ctx->keeps;
    snprintf(place->peer, sizeof(place->peer), "%s", peer);
}

// The newest of a server, the caller's from now on; or NULL.
static SSL_SESSION *take_session(struct prl_tls_ctx *ctx, const char *peer)
{
    struct kept *newest = NULL;
    for (struct kept *at = ctx->kept; at < ctx->kept + SESSIONS_MAX; at++)
        if (at->session && strcmp(at->peer, peer) == 0 && (!newest || at->order > newest->order))
            newest = at;
    if (!newest)
        return NULL;
    SSL_SESSION *session = newest->session;
    *newest = (struct kept){.session = NULL};
    return session;
}

// With TLS 1.3 it comes behind the handshake, when the first data is read. Nonzero: we keep it.
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct prl_tls *tls = SSL_get_app_data(ssl);
    keep_session(tls->ctx, tls->peer, session);
    return 1;
}

static enum prl_err start_keeping(struct prl_tls_ctx *ctx)
{
    ctx->kept = prl_mem_zalloc(SESSIONS_MAX * sizeof(*ctx->kept));
    if (!ctx->kept)
        return PRL_ERR_NOMEM;
    SSL_CTX_set_session_cache_mode(ctx->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(ctx->ssl, on_session);
    return PRL_OK;
}

// ---- contexts ----

static const char *last_error(const char *otherwise)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text ? text : otherwise;
}

static enum prl_err create_ctx(struct prl_tls_ctx **out, const SSL_METHOD *method)
{
    *out = prl_mem_zalloc(sizeof(struct prl_tls_ctx));
    if (!*out)
        return PRL_ERR_NOMEM;
    SSL_CTX *ssl = SSL_CTX_new(method);
    (*out)->ssl = ssl;
    if (!ssl || SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
        prl_tls_ctx_destroy(out);
        return PRL_ERR_NOMEM;
    }
    // Idle connections give their record buffers back (20 instead of 50 KiB each).
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    return PRL_OK;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char http11[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    // Walks the list of length-prefixed names; without a match the extension is left out.
    for (unsigned at = 0; at < in_len && in[at] < in_len - at; at += in[at] + 1u)
        if (in[at] == 8 && memcmp(in + at, http11, 9) == 0) {
            *out = in + at + 1;
            *out_len = 8;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_NOACK;
}

enum prl_err prl_tls_ctx_create_server(struct prl_tls_ctx **out, const char *cert_path,
                                       const char *key_path, char *error)
{
    enum prl_err err = create_ctx(out, TLS_server_method());
    if (err) {
        snprintf(error, ERROR_SIZE, "TLS: %s", prl_err_name(err));
        return err;
    }
    SSL_CTX *ssl = (*out)->ssl;
    // Resumption by tickets only, and few of them: a session cache would grow with the clients.
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, NULL);
    const char *bad = NULL;
    if (SSL_CTX_use_certificate_chain_file(ssl, cert_path) != 1)
        bad = cert_path;
    else if (SSL_CTX_use_PrivateKey_file(ssl, key_path, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(ssl) != 1)
        bad = key_path;
    if (!bad)
        return PRL_OK;
    snprintf(error, ERROR_SIZE, "%s: %s", bad, last_error("not a usable PEM file"));
    prl_tls_ctx_destroy(out);
    return PRL_ERR_INVALID;
}

enum prl_err prl_tls_ctx_create_client(struct prl_tls_ctx **out, const char *ca_file, bool insecure,
                                       char *error)
{
    enum prl_err err = create_ctx(out, TLS_client_method());
    if (!err)
        err = start_keeping(*out);
    if (err) {
        prl_tls_ctx_destroy(out);
        snprintf(error, ERROR_SIZE, "TLS: %s", prl_err_name(err));
        return err;
    }
    (*out)->client = true;
    (*out)->insecure = insecure;
    SSL_CTX_set_verify((*out)->ssl, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (insecure)
        return PRL_OK;
    SSL_CTX_set_default_verify_paths((*out)->ssl);
    if (!ca_file || SSL_CTX_load_verify_file((*out)->ssl, ca_file) == 1) {
        ERR_clear_error();
        return PRL_OK;
    }
    snprintf(error, ERROR_SIZE, "%s: %s", ca_file, last_error("not a usable PEM file"));
    prl_tls_ctx_destroy(out);
    return PRL_ERR_INVALID;
}

void prl_tls_ctx_destroy(struct prl_tls_ctx **ctx)
{
    if (!*ctx)
        return;
    for (size_t i = 0; (*ctx)->kept && i < SESSIONS_MAX; i++)
        SSL_SESSION_free((*ctx)->kept[i].session);
    prl_mem_free((*ctx)->kept);
    SSL_CTX_free((*ctx)->ssl);
    prl_mem_free(*ctx);
    *ctx = NULL;
}

// ---- connections ----

static bool set_peer_name(struct prl_tls *tls, const struct prl_tls_ctx *ctx, const char *name)
{
    if (is_address(name)) // an address has no SNI; it is checked as an address
        return ctx->insecure || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), name) == 1;
    return SSL_set_tlsext_host_name(tls->ssl, name) == 1 &&
           (ctx->insecure || SSL_set1_host(tls->ssl, name) == 1);
}

// Whom we talk to, and what is left of an earlier talk. A session that the server refuses costs nothing:
// the handshake is then a full one.
static bool set_peer(struct prl_tls *tls, const char *name, uint16_t port)
{
    char peer[PEER_SIZE];
    int len = snprintf(peer, sizeof(peer), "%s:%u", name, port);
    tls->peer = len < (int)sizeof(peer) ? prl_mem_strdup(peer) : NULL;
    if (!tls->peer || SSL_set_app_data(tls->ssl, tls) != 1 || !set_peer_name(tls, tls->ctx, name))
        return false;
    SSL_SESSION *session = take_session(tls->ctx, peer);
    if (session && SSL_SESSION_is_resumable(session))
        (void)SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
    return true;
}

enum prl_err prl_tls_create(struct prl_tls **out, struct prl_tls_ctx *ctx, int fd,
                            const char *server_name, uint16_t server_port)
{
    PRL_CHECK(ctx->client == (server_name != NULL));
    struct prl_tls *tls = *out = prl_mem_zalloc(sizeof(*tls));
    if (!tls)
        return PRL_ERR_NOMEM;
    tls->ctx = ctx;
    tls->ssl = SSL_new(ctx->ssl);
    tls->wants = ctx->client ? PRL_WATCH_WRITE : PRL_WATCH_READ;
    tls->error = "no error";
    bool good = tls->ssl && SSL_set_fd(tls->ssl, fd) == 1 &&
                (!server_name || set_peer(tls, server_name, server_port));
    if (!good) {
        ERR_clear_error();
        prl_tls_destroy(out);
        return PRL_ERR_NOMEM;
    }
    if (ctx->client)
        SSL_set_connect_state(tls->ssl);
    else
        SSL_set_accept_state(tls->ssl);
    return PRL_OK;
}

void prl_tls_destroy(struct prl_tls **tls)
{
    if (!*tls)
        return;
    SSL_free((*tls)->ssl);
    prl_mem_free((*tls)->peer);
    prl_mem_free(*tls);
    *tls = NULL;
}

// Sorts out what a call of OpenSSL that returned `result` meant.
static enum prl_err judge(struct prl_tls *tls, int result)
{
    int saved_errno = errno;
    int why = SSL_get_error(tls->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        tls->wants = why == SSL_ERROR_WANT_READ ? PRL_WATCH_READ : PRL_WATCH_WRITE;
        return PRL_ERR_AGAIN;
    }
    long verify = SSL_get_verify_result(tls->ssl);
    if (why == SSL_ERROR_SSL && verify != X509_V_OK && !SSL_is_init_finished(tls->ssl)) {
        tls->error = X509_verify_cert_error_string(verify);
        ERR_clear_error();
    } else if (why == SSL_ERROR_SYSCALL) {
        tls->error = saved_errno == ECONNRESET ? "connection reset" : "connection lost";
        ERR_clear_error();
    } else {
        tls->error = last_error("connection closed");
    }
    return PRL_ERR_IO;
}

static void note_connect(struct prl_tls *tls)
{
    bool resumed = SSL_session_reused(tls->ssl) == 1;
    prl_metrics_add(resumed ? PRL_METRIC_TLS_RESUMED : PRL_METRIC_TLS_FULL, 1);
    // A session of TLS 1.2 is good for many connections, and not given again.
    if (resumed && SSL_version(tls->ssl) < TLS1_3_VERSION)
        keep_session(tls->ctx, tls->peer, SSL_get1_session(tls->ssl));
}

enum prl_err prl_tls_handshake(struct prl_tls *tls)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1)
        return judge(tls, result);
    if (tls->peer)
        note_connect(tls);
    return PRL_OK;
}

enum prl_err prl_tls_read(struct prl_tls *tls, void *data, size_t size, size_t *got)
{
    ERR_clear_error();
    errno = 0;
    *got = 0;
    if (SSL_read_ex(tls->ssl, data, size, got) == 1)
        return PRL_OK;
    if (SSL_get_error(tls->ssl, 0) == SSL_ERROR_ZERO_RETURN)
        return PRL_OK;
    return judge(tls, 0);
}

enum prl_err prl_tls_write(struct prl_tls *tls, const void *data, size_t size, size_t *put)
{
    ERR_clear_error();
    errno = 0;
    *put = 0;
    return SSL_write_ex(tls->ssl, data, size, put) == 1 ? PRL_OK : judge(tls, 0);
}

void prl_tls_close(struct prl_tls *tls)
{
    ERR_clear_error();
    if (SSL_is_init_finished(tls->ssl))
        (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

unsigned prl_tls_wants(const struct prl_tls *tls)
{
    return tls->wants;
}

bool prl_tls_pending(const struct prl_tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

const char *prl_tls_error(const struct prl_tls *tls)
{
    return tls->error;
}

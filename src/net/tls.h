// tls.h -- TLS over a non-blocking descriptor, and the certificate made at first start.
//
// Threads:  a server's context may be used from several threads after create; a client's, which remembers
//           sessions, and a connection from one.
// Memory:   about 20 KiB an open connection, in OpenSSL's own heap; a client's context 7 KiB for each of at
//           most 16 sessions.
// Errors:   IO with a text in prl_tls_error for handshake and record failures.
// Source:   OpenSSL 3, wrapped here and nowhere else. TLS 1.2 and 1.3.
#ifndef PRL_NET_TLS_H
#define PRL_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct prl_tls_ctx; // certificate and settings
struct prl_tls;     // one connection

// Makes sure that `dir`/cert.pem and `dir`/key.pem exist: when both are missing a P-256 key (mode
// 0600) and a self-signed certificate for localhost, 127.0.0.1, ::1 and `names` are written, valid
// ten years. Half a pair is INVALID. Paths are written to cert_path and key_path (`size` bytes each).
struct prl_tls_files {
    char cert_path[512];
    char key_path[512];
};
enum prl_err prl_tls_ensure_files(const char *dir, const char *const *names, size_t name_count,
                                  struct prl_tls_files *files) PRL_MUST_USE;

// `error` (at least 256 bytes) gets one line on failure.
enum prl_err prl_tls_ctx_create_server(struct prl_tls_ctx **out, const char *cert_path,
                                       const char *key_path, char *error) PRL_MUST_USE;
// `ca_file` NULL: the system's store; `insecure`: any certificate. Keeps what servers give to resume with, so
// that a later connection by the same name and port needs no certificate: at most 4 of one server, each good
// for one connection with TLS 1.3 (RFC 8446, C.4); the oldest goes first.
enum prl_err prl_tls_ctx_create_client(struct prl_tls_ctx **out, const char *ca_file, bool insecure,
                                       char *error) PRL_MUST_USE;
void prl_tls_ctx_destroy(struct prl_tls_ctx **ctx);

// `server_name` NULL for the server side; the port is the server's. The descriptor is borrowed.
enum prl_err prl_tls_create(struct prl_tls **out, struct prl_tls_ctx *ctx, int fd,
                            const char *server_name, uint16_t server_port) PRL_MUST_USE;
void prl_tls_destroy(struct prl_tls **tls);

// AGAIN: call again when prl_tls_wants (PRL_WATCH_*) is ready.
enum prl_err prl_tls_handshake(struct prl_tls *tls) PRL_MUST_USE;
// *got 0 with OK: the peer closed cleanly.
enum prl_err prl_tls_read(struct prl_tls *tls, void *data, size_t size, size_t *got) PRL_MUST_USE;
enum prl_err prl_tls_write(struct prl_tls *tls, const void *data, size_t size,
                           size_t *put) PRL_MUST_USE;
// Tells the peer that we are done; never blocks, does not wait for the answer.
void prl_tls_close(struct prl_tls *tls);
unsigned prl_tls_wants(const struct prl_tls *tls);
// Decrypted bytes that wait inside OpenSSL: poll will not report them.
bool prl_tls_pending(const struct prl_tls *tls);
// The last failure as text, e.g. "certificate verify failed: self-signed certificate".
const char *prl_tls_error(const struct prl_tls *tls);

#endif

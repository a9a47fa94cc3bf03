// cert.h -- a P-256 key with a certificate that it has signed itself.
//
// Threads:  any; an object is used by one at a time.
// Memory:   one object, and OpenSSL's.
// Errors:   NOMEM also for what else OpenSSL refuses.
// Source:   OpenSSL 3; shared by net/tls.c, which writes it to files, and rtc/dtls.c, which does not.
#ifndef PRL_NET_CERT_H
#define PRL_NET_CERT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct prl_cert;
struct ssl_ctx_st; // OpenSSL calls it SSL_CTX

// Valid ten years from `back_s` seconds ago, for clocks that differ. `names` NULL: a bare certificate;
// else one for a server of these, in OpenSSL's form: "DNS:localhost,IP:127.0.0.1".
enum prl_err prl_cert_create(struct prl_cert **out, long back_s, const char *names) PRL_MUST_USE;
void prl_cert_destroy(struct prl_cert **cert);

// As PEM; false when it could not be written.
bool prl_cert_write_key(const struct prl_cert *cert, FILE *file);
bool prl_cert_write(const struct prl_cert *cert, FILE *file);

// Key and certificate for a context of OpenSSL (SSL_CTX), which keeps references of its own.
bool prl_cert_use(const struct prl_cert *cert, struct ssl_ctx_st *ssl);

#endif

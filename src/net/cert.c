// cert.c -- see cert.h.
#include "net/cert.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/mem.h"

enum { VALID_DAYS = 3650 };

struct prl_cert {
    EVP_PKEY *key;
    X509 *cert;
};

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool name_servers(X509 *cert, const char *names)
{
    return add_extension(cert, NID_subject_alt_name, names) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth");
}

static bool fill(X509 *cert, EVP_PKEY *key, long back_s, const char *names)
{
    uint64_t serial;
    if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
        return false;
    X509_NAME *subject = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -back_s) &&
           X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, NULL) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"parley",
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1 &&
           (!names || name_servers(cert, names)) && X509_sign(cert, key, EVP_sha256()) > 0;
}

enum prl_err prl_cert_create(struct prl_cert **out, long back_s, const char *names)
{
    PRL_CHECK(out && back_s >= 0);
    struct prl_cert *made = *out = prl_mem_zalloc(sizeof(*made));
    if (!made)
        return PRL_ERR_NOMEM;
    made->key = EVP_EC_gen("P-256");
    made->cert = X509_new();
    bool good = made->key && made->cert && fill(made->cert, made->key, back_s, names);
    ERR_clear_error();
    if (good)
        return PRL_OK;
    prl_cert_destroy(out);
    return PRL_ERR_NOMEM;
}

void prl_cert_destroy(struct prl_cert **cert)
{
    if (!*cert)
        return;
    X509_free((*cert)->cert);
    EVP_PKEY_free((*cert)->key);
    prl_mem_free(*cert);
    *cert = NULL;
}

bool prl_cert_write_key(const struct prl_cert *cert, FILE *file)
{
    return PEM_write_PrivateKey(file, cert->key, NULL, NULL, 0, NULL, NULL) == 1;
}

bool prl_cert_write(const struct prl_cert *cert, FILE *file)
{
    return PEM_write_X509(file, cert->cert) == 1;
}

bool prl_cert_use(const struct prl_cert *cert, struct ssl_ctx_st *ssl)
{
    return SSL_CTX_use_certificate(ssl, cert->cert) == 1 &&
           SSL_CTX_use_PrivateKey(ssl, cert->key) == 1;
}

// test_cert.c -- the certificate that we make: names or none, as text, in a context, and without memory.
#include "net/cert.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tests/unit.h"

// What was written, read again.
static X509 *read_back(const struct prl_cert *cert, char *text, size_t size)
{
    FILE *file = tmpfile();
    if (!file)
        return NULL;
    bool good = prl_cert_write(cert, file) && prl_cert_write_key(cert, file);
    rewind(file);
    size_t got = good ? fread(text, 1, size - 1, file) : 0;
    text[got] = '\0';
    rewind(file);
    X509 *read = PEM_read_X509(file, NULL, NULL, NULL);
    EXPECT(fclose(file) == 0);
    return read;
}

PRL_TEST(cert_is_for_its_names)
{
    struct prl_cert *cert;
    char text[4096];
    REQUIRE(prl_cert_create(&cert, 3600, "DNS:voice.example,IP:10.0.0.7") == PRL_OK);
    X509 *read = read_back(cert, text, sizeof(text));
    REQUIRE(read != NULL);
    EXPECT(strstr(text, "BEGIN CERTIFICATE") && strstr(text, "BEGIN PRIVATE KEY"));
    EXPECT_INT(X509_check_host(read, "voice.example", 0, 0, NULL), 1);
    EXPECT_INT(X509_check_host(read, "other.example", 0, 0, NULL), 0);
    EXPECT_INT(X509_check_ip_asc(read, "10.0.0.7", 0), 1);
    EXPECT_INT(X509_verify(read, X509_get0_pubkey(read)), 1); // signed by itself
    EXPECT(X509_cmp_current_time(X509_get0_notBefore(read)) < 0);
    EXPECT(X509_cmp_current_time(X509_get0_notAfter(read)) > 0);
    X509_free(read);
    prl_cert_destroy(&cert);
    prl_cert_destroy(&cert);
    EXPECT(cert == NULL);
}

PRL_TEST(cert_without_names_is_bare_and_each_is_another)
{
    struct prl_cert *certs[2];
    char text[4096];
    X509 *read[2];
    for (int i = 0; i < 2; i++) {
        REQUIRE(prl_cert_create(&certs[i], 86400, NULL) == PRL_OK);
        read[i] = read_back(certs[i], text, sizeof(text));
        REQUIRE(read[i] != NULL);
        EXPECT_INT(X509_get_ext_count(read[i]), 0);
    }
    EXPECT(X509_cmp(read[0], read[1]) != 0);
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    REQUIRE(ssl != NULL);
    EXPECT(prl_cert_use(certs[0], ssl));
    prl_cert_destroy(&certs[0]); // the context keeps it
    EXPECT(X509_cmp(SSL_CTX_get0_certificate(ssl), read[0]) == 0);
    EXPECT_INT(SSL_CTX_check_private_key(ssl), 1);
    SSL_CTX_free(ssl);
    prl_cert_destroy(&certs[1]);
    for (int i = 0; i < 2; i++)
        X509_free(read[i]);
    struct prl_cert *bad;
    EXPECT_INT(prl_cert_create(&bad, 0, "nonsense"), PRL_ERR_NOMEM);
    EXPECT(bad == NULL);
}

PRL_TEST_OOM(cert_memory)
{
    struct prl_cert *cert;
    enum prl_err err = prl_cert_create(&cert, 0, NULL);
    EXPECT(err ? prl_test_oom() && cert == NULL : cert != NULL);
    prl_cert_destroy(&cert);
}

// fuzz_dtls.c -- a server (first byte even) or client that is fed with foreign datagrams.
//
// The first byte also says how long the pieces are that are fed as datagrams.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "rtc/dtls.h"
#include "rtc/dtls_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct prl_dtls_cert *shared; // under libFuzzer; the unit runner wants every block back

// NOLINTNEXTLINE(readability-non-const-parameter): libFuzzer says so
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return prl_dtls_cert_create(&shared) == PRL_OK ? 0 : 1;
}

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    (void)arg;
    (void)data;
    (void)size;
    abort(); // nobody can have shaken hands
}

static void feed(struct prl_dtls *dtls, const uint8_t *data, size_t size, size_t piece)
{
    uint8_t out[PRL_DTLS_MTU];
    int64_t now_us = 1;
    size_t sent = 0;
    for (size_t at = 0; at < size; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        prl_dtls_input(dtls, data + at, part, now_us += 1000);
        size_t got;
        while ((got = prl_dtls_output(dtls, out)) > 0) {
            sent++;
            if (!prl_dtls_plausible(out, got))
                abort();
        }
        prl_dtls_timeout(dtls, now_us);
    }
    if (prl_dtls_state(dtls) == PRL_DTLS_CONNECTED || sent > 64)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t fingerprints[1][PRL_DTLS_FINGERPRINT_SIZE] = {{1}};
    if (size < 1)
        return 0;
    struct prl_dtls_cert *own = NULL;
    if (!shared && prl_dtls_cert_create(&own) != PRL_OK)
        return 0;
    struct prl_dtls_conf conf = {.cert = shared ? shared : own,
                                 .client = (data[0] & 1) != 0,
                                 .fingerprints = fingerprints,
                                 .fingerprint_count = 1,
                                 .on_data = on_data};
    size_t piece = data[0] < 128 ? PRL_DTLS_DATAGRAM_MAX : (data[0] - 127u) * 8;
    struct prl_dtls *dtls;
    if (prl_dtls_create(&dtls, &conf) == PRL_OK) {
        prl_dtls_start(dtls, 0);
        feed(dtls, data + 1, size - 1, piece);
    }
    prl_dtls_destroy(&dtls);
    prl_dtls_cert_destroy(&own);
    return 0;
}

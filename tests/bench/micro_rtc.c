// micro_rtc.c -- what SRTP and DTLS cost: `make micro`. CPU time of this thread, heap by mallinfo2.
//
// SRTP: n connections in turn, a packet of 120 bytes each, as a server with n calls meets them; half of
// them stand for the other end. The last rows are OpenSSL's AES-128-GCM alone, for comparison.
#include <malloc.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rtc/dtls.h"
#include "rtc/srtp.h"

enum { COUNT_MAX = 500, PACKETS = 20000, HEADER = 12, BODY = 108, ROOM = 256, PEERS = 200 };

static size_t heap(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

// ---- SRTP ----

static struct prl_srtp *outward[COUNT_MAX];
static struct prl_srtp *inward[COUNT_MAX];

static bool open_srtp(int count, enum prl_srtp_profile profile)
{
    for (int i = 0; i < count; i++) {
        struct prl_srtp_keys a = {.profile = profile};
        memcpy(a.send_key, &i, sizeof(i));
        struct prl_srtp_keys b = a;
        memcpy(b.receive_key, a.send_key, sizeof(a.send_key));
        if (prl_srtp_create(&outward[i], &a) != PRL_OK || prl_srtp_create(&inward[i], &b) != PRL_OK)
            return false;
    }
    return true;
}

static void write_packet(uint8_t *packet, int number)
{
    memset(packet, 0, HEADER + BODY);
    packet[0] = 0x80;
    packet[1] = 111;
    packet[2] = (uint8_t)(number >> 8);
    packet[3] = (uint8_t)number;
}

static void run_srtp(int count, enum prl_srtp_profile profile, const char *name)
{
    size_t heap_before = heap();
    int64_t begin_us = prl_clock_thread_us();
    if (!open_srtp(count, profile))
        return;
    int64_t open_us = prl_clock_thread_us() - begin_us;
    int64_t out_us = 0;
    int64_t in_us = 0;
    int bad = 0;
    static uint8_t packets[COUNT_MAX][ROOM];
    static size_t sizes[COUNT_MAX];
    int rounds = PACKETS / count;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++) {
            write_packet(packets[i], round + 1);
            sizes[i] = HEADER + BODY;
        }
        int64_t a_us = prl_clock_thread_us();
        for (int i = 0; i < count; i++)
            bad += prl_srtp_protect_rtp(outward[i], packets[i], &sizes[i], ROOM) != PRL_OK;
        int64_t b_us = prl_clock_thread_us();
        for (int i = 0; i < count; i++)
            bad += prl_srtp_unprotect_rtp(inward[i], packets[i], &sizes[i]) != PRL_OK;
        out_us += b_us - a_us;
        in_us += prl_clock_thread_us() - b_us;
    }
    printf("%-22s %5d  protect %6.2f us  unprotect %6.2f us  create %6.1f us  heap %5.1f KiB%s\n",
           name, 2 * count, (double)out_us / (rounds * count), (double)in_us / (rounds * count),
           (double)open_us / count / 2, (double)(heap() - heap_before) / 1024 / count / 2,
           bad ? "  FAILED" : "");
    for (int i = 0; i < count; i++) {
        prl_srtp_destroy(&outward[i]);
        prl_srtp_destroy(&inward[i]);
    }
}

static void run_evp(int count)
{
    static EVP_CIPHER_CTX *contexts[2 * COUNT_MAX];
    uint8_t key[16] = {0};
    uint8_t iv[12] = {0};
    uint8_t packet[ROOM] = {0};
    size_t heap_before = heap();
    for (int i = 0; i < count; i++) {
        contexts[i] = EVP_CIPHER_CTX_new();
        memcpy(key, &i, sizeof(i));
        if (!contexts[i] || EVP_EncryptInit_ex(contexts[i], EVP_aes_128_gcm(), NULL, key, iv) != 1)
            return;
    }
    size_t heap_after = heap();
    int64_t begin_us = prl_clock_thread_us();
    int rounds = PACKETS / count;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++) {
            int len = 0;
            memcpy(iv, &round, sizeof(round));
            (void)EVP_EncryptInit_ex(contexts[i], NULL, NULL, NULL, iv);
            (void)EVP_EncryptUpdate(contexts[i], NULL, &len, packet, HEADER);
            (void)EVP_EncryptUpdate(contexts[i], packet + HEADER, &len, packet + HEADER, BODY);
            (void)EVP_EncryptFinal_ex(contexts[i], packet + HEADER + BODY, &len);
            (void)EVP_CIPHER_CTX_ctrl(contexts[i], EVP_CTRL_AEAD_GET_TAG, 16,
                                      packet + HEADER + BODY);
        }
    int64_t took_us = prl_clock_thread_us() - begin_us;
    printf("%-22s %5d  encrypt %6.2f us  heap %5.1f KiB a direction\n", "OpenSSL AES-128-GCM",
           count, (double)took_us / (rounds * count),
           (double)(heap_after - heap_before) / 1024 / count);
    for (int i = 0; i < count; i++)
        EVP_CIPHER_CTX_free(contexts[i]);
}

// ---- DTLS ----

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    (void)arg;
    (void)data;
    (void)size;
}

static struct prl_dtls *open_end(const struct prl_dtls_cert *own, const struct prl_dtls_cert *other,
                                 bool client)
{
    uint8_t list[1][PRL_DTLS_FINGERPRINT_SIZE];
    memcpy(list[0], prl_dtls_cert_fingerprint(other), sizeof(list[0]));
    struct prl_dtls_conf conf = {.cert = own,
                                 .client = client,
                                 .fingerprints = (const uint8_t(*)[PRL_DTLS_FINGERPRINT_SIZE])list,
                                 .fingerprint_count = 1,
                                 .on_data = on_data};
    struct prl_dtls *dtls;
    return prl_dtls_create(&dtls, &conf) == PRL_OK ? dtls : NULL;
}

// Carries everything that one end has to say to the other; adds the CPU time that it cost.
static bool carry(struct prl_dtls *from, struct prl_dtls *to, int64_t *cpu_us)
{
    uint8_t datagram[PRL_DTLS_MTU];
    size_t size;
    bool any = false;
    while ((size = prl_dtls_output(from, datagram)) > 0) {
        int64_t begin_us = prl_clock_thread_us();
        prl_dtls_input(to, datagram, size, 1);
        *cpu_us += prl_clock_thread_us() - begin_us;
        any = true;
    }
    return any;
}

static void run_dtls(void)
{
    static struct prl_dtls *servers[PEERS];
    static struct prl_dtls *clients[PEERS];
    struct prl_dtls_cert *certs[2];
    int64_t cpu_us[2] = {0};
    int connected = 0;
    if (prl_dtls_cert_create(&certs[0]) != PRL_OK || prl_dtls_cert_create(&certs[1]) != PRL_OK)
        return;
    size_t before = heap();
    for (int i = 0; i < PEERS; i++) {
        int64_t begin_us = prl_clock_thread_us();
        servers[i] = open_end(certs[0], certs[1], false);
        cpu_us[0] += prl_clock_thread_us() - begin_us;
        clients[i] = open_end(certs[1], certs[0], true);
        if (!servers[i] || !clients[i])
            return;
        prl_dtls_start(servers[i], 1);
        prl_dtls_start(clients[i], 1);
        while (carry(clients[i], servers[i], &cpu_us[0]) ||
               carry(servers[i], clients[i], &cpu_us[1]))
            ;
        connected += prl_dtls_state(servers[i]) == PRL_DTLS_CONNECTED;
    }
    printf("DTLS, %d of %d connected: %.0f us of CPU a handshake (server), %.1f KiB at rest\n",
           connected, PEERS, (double)cpu_us[0] / PEERS,
           (double)(heap() - before) / 1024 / (2 * PEERS));
    for (int i = 0; i < PEERS; i++) {
        prl_dtls_destroy(&servers[i]);
        prl_dtls_destroy(&clients[i]);
    }
    prl_dtls_cert_destroy(&certs[0]);
    prl_dtls_cert_destroy(&certs[1]);
}

int main(void)
{
    static const int counts[] = {1, 25, 100, 500};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        run_srtp(counts[i], PRL_SRTP_AEAD_AES_128_GCM, "SRTP AES-128-GCM");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        run_srtp(counts[i], PRL_SRTP_AES128_CM_SHA1_80, "SRTP AES-CM, SHA-1");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        run_evp(2 * counts[i]);
    run_dtls();
    return 0;
}

// rtc_client.c -- see rtc_client.h.
#include "tests/unit/rtc_client.h"

#include <stdio.h>
#include <string.h>

#include "rtc/rtcp.h"
#include "rtc/rtp.h"
#include "rtc/stun.h"
#include "tests/unit.h"

void rtc_client_restart(struct rtc_client *client, uint8_t seed)
{
    uint8_t random[PRL_ICE_RANDOM_SIZE];
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)((size_t)seed * 31 + i * 7);
    prl_ice_make_credentials(&client->local, random);
}

bool rtc_client_open(struct rtc_client *client)
{
    if (prl_dtls_cert_create(&client->cert) != PRL_OK)
        return false;
    memcpy(client->fingerprint, prl_dtls_cert_fingerprint(client->cert),
           sizeof(client->fingerprint));
    client->seq = 100;
    rtc_client_restart(client, 1);
    return true;
}

void rtc_client_close(struct rtc_client *client)
{
    prl_srtp_destroy(&client->srtp);
    prl_dtls_destroy(&client->dtls);
    prl_dtls_cert_destroy(&client->cert);
}

size_t rtc_client_offer(const struct rtc_client *client, char *out, size_t size)
{
    char fingerprint[3 * PRL_DTLS_FINGERPRINT_SIZE + 1];
    for (size_t i = 0; i < PRL_DTLS_FINGERPRINT_SIZE; i++)
        snprintf(fingerprint + 3 * i, 4, "%02X%s", client->fingerprint[i],
                 i + 1 < PRL_DTLS_FINGERPRINT_SIZE ? ":" : "");
    char transport[1024];
    snprintf(transport, sizeof(transport),
             "c=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n"
             "a=setup:%s\r\n",
             client->local.ufrag, client->local.password, fingerprint, client->setup);
    char channel[1200] = "";
    if (client->data)
        snprintf(channel, sizeof(channel),
                 "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n%sa=mid:1\r\n"
                 "a=sctp-port:5000\r\n",
                 transport);
    int len = snprintf(out, size,
                       "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0%s\r\n"
                       "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n%sa=mid:0\r\na=sendrecv\r\n"
                       "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
                       "a=rtcp-fb:111 nack\r\na=rtpmap:0 PCMU/8000\r\n%s",
                       client->data ? " 1" : "", transport, channel);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    struct rtc_client *client = arg;
    client->data_bytes += size;
    if (client->on_data)
        client->on_data(client->arg, data, size);
}

bool rtc_client_answer(struct rtc_client *client, const char *sdp, size_t len)
{
    char why[PRL_RTC_WHY_SIZE];
    if (prl_sdp_parse(&client->answer, PRL_SDP_ANSWER, sdp, len, why) != PRL_OK) {
        prl_test_failed(__FILE__, __LINE__, why);
        return false;
    }
    client->remote = client->answer.ice;
    if (client->dtls)
        return true;
    struct prl_dtls_conf conf = {
        .cert = client->cert,
        .client = client->answer.setup == PRL_SDP_PASSIVE,
        .fingerprints = (const uint8_t(*)[PRL_DTLS_FINGERPRINT_SIZE])client->answer.fingerprints,
        .fingerprint_count = client->answer.fingerprint_count,
        .on_data = on_data,
        .arg = client};
    if (prl_dtls_create(&client->dtls, &conf) != PRL_OK)
        return false;
    if (!conf.client)
        prl_dtls_start(client->dtls, client->now_us); // listens
    return true;
}

size_t rtc_client_check(const struct rtc_client *client, bool nominate, const char *password,
                        uint8_t *out)
{
    static const uint8_t transaction[PRL_STUN_TRANSACTION_SIZE] = "transaction";
    struct prl_stun_build build;
    prl_stun_begin(&build, out, RTC_CLIENT_PACKET, PRL_STUN_REQUEST, transaction);
    prl_stun_add_username(&build, client->remote.ufrag, client->local.ufrag);
    prl_stun_add_priority(&build, 1000);
    prl_stun_add_role(&build, PRL_STUN_CONTROLLING, 77);
    if (nominate)
        prl_stun_add_use_candidate(&build);
    return prl_stun_finish(&build, password ? password : client->remote.password);
}

static void send_dtls(struct rtc_client *client)
{
    uint8_t datagram[PRL_DTLS_MTU];
    size_t size;
    while ((size = prl_dtls_output(client->dtls, datagram)) > 0)
        client->send(client->arg, datagram, size);
}

void rtc_client_start(struct rtc_client *client)
{
    if (prl_dtls_state(client->dtls) == PRL_DTLS_NEW)
        prl_dtls_start(client->dtls, client->now_us);
    send_dtls(client);
}

void rtc_client_data(struct rtc_client *client, const uint8_t *data, size_t size)
{
    if (prl_dtls_send(client->dtls, data, size) == PRL_OK)
        send_dtls(client);
}

static void take_stun(struct rtc_client *client, const uint8_t *data, size_t size)
{
    struct prl_stun stun;
    if (prl_stun_parse(&stun, data, size) == PRL_OK && stun.class == PRL_STUN_SUCCESS &&
        prl_stun_authentic(&stun, client->remote.password))
        client->replies++;
    client->reply_size = size;
}

static void take_dtls(struct rtc_client *client, const uint8_t *data, size_t size)
{
    struct prl_srtp_keys keys;
    prl_dtls_input(client->dtls, data, size, client->now_us);
    send_dtls(client);
    if (!client->srtp && prl_dtls_state(client->dtls) == PRL_DTLS_CONNECTED &&
        prl_dtls_keys(client->dtls, &keys) == PRL_OK)
        EXPECT(prl_srtp_create(&client->srtp, &keys) == PRL_OK || prl_test_oom());
}

static void take_rtp(struct rtc_client *client, uint8_t *data, size_t size)
{
    struct prl_rtp_packet rtp;
    if (!client->srtp || prl_srtp_unprotect_rtp(client->srtp, data, &size) != PRL_OK ||
        prl_rtp_parse(&rtp, data, size) != PRL_OK)
        return;
    client->rtp++;
    client->last_seq = rtp.seq;
    client->last_size = rtp.payload_size;
    memcpy(client->last, rtp.payload, rtp.payload_size);
}

static void take_rtcp(struct rtc_client *client, uint8_t *data, size_t size)
{
    struct prl_rtcp_packet packet;
    size_t at = 0;
    if (!client->srtp || prl_srtp_unprotect_rtcp(client->srtp, data, &size) != PRL_OK)
        return;
    client->rtcp++;
    while (prl_rtcp_next(data, size, &at, &packet) == PRL_OK) {
        client->nacks += packet.kind == PRL_RTCP_NACK;
        client->byes += packet.kind == PRL_RTCP_BYE;
    }
}

void rtc_client_input(struct rtc_client *client, const uint8_t *data, size_t size)
{
    uint8_t plain[RTC_CLIENT_PACKET];
    EXPECT(size <= sizeof(plain));
    memcpy(plain, data, size);
    switch (prl_rtp_classify(data, size)) {
    case PRL_RTP_KIND_STUN:
        take_stun(client, data, size);
        break;
    case PRL_RTP_KIND_DTLS:
        take_dtls(client, data, size);
        break;
    case PRL_RTP_KIND_RTP:
        take_rtp(client, plain, size);
        break;
    case PRL_RTP_KIND_RTCP:
        take_rtcp(client, plain, size);
        break;
    case PRL_RTP_KIND_OTHER:
        EXPECT(!"a kind of datagram that nobody sends");
        break;
    }
}

size_t rtc_client_rtp(struct rtc_client *client, uint8_t payload_type, const void *payload,
                      size_t size, uint8_t *out)
{
    struct prl_rtp_header header = {.payload_type = payload_type,
                                    .seq = client->seq++,
                                    .timestamp = client->seq * 960U,
                                    .ssrc = RTC_CLIENT_SSRC};
    size_t used = prl_rtp_build(out, &header);
    memcpy(out + used, payload, size);
    used += size;
    EXPECT_OK(prl_srtp_protect_rtp(client->srtp, out, &used, RTC_CLIENT_PACKET));
    return used;
}

size_t rtc_client_nack(struct rtc_client *client, uint16_t seq, size_t count, uint8_t *out)
{
    uint16_t seqs[256];
    struct prl_rtcp_writer writer = {out, 0, PRL_RTCP_SIZE_MAX};
    for (size_t i = 0; i < count; i++)
        seqs[i] = (uint16_t)(seq + i);
    EXPECT_OK(prl_rtcp_add_report(&writer, RTC_CLIENT_SSRC, NULL, NULL, 0));
    EXPECT_OK(prl_rtcp_add_nack(&writer, RTC_CLIENT_SSRC, client->answer.ssrc, seqs, count));
    size_t size = writer.size;
    EXPECT_OK(prl_srtp_protect_rtcp(client->srtp, out, &size, RTC_CLIENT_PACKET));
    return size;
}

bool rtc_client_connected(const struct rtc_client *client)
{
    return client->srtp != NULL;
}

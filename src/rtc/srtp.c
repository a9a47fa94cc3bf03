// srtp.c -- see srtp.h. The library trusts the lengths that it is given and makes a stream for every
// SSRC whose first packet is authentic; both are bounded here.
#include "rtc/srtp.h"

#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    RTP_HEADER = 12,
    RTCP_HEADER = 8,
    KEY_SIZE = 16,
    SALT_GCM = 12,
    SALT_CM = 14,
    TAG_GCM = 16,
    TAG_CM = 10,
    RTCP_INDEX = 4,
};

struct prl_srtp {
    size_t tag; // bytes
    // Owned by the library.
    srtp_t out;
    srtp_t in;
    // State.
    size_t ssrc_count;
    uint32_t ssrcs[PRL_SRTP_SSRCS_MAX]; // of the peer, whose packets were authentic
    struct prl_srtp_stats stats;
};

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static bool init_good;

static void init_library(void)
{
    init_good = srtp_init() == srtp_err_status_ok;
}

enum prl_err prl_srtp_init(void)
{
    pthread_once(&init_once, init_library);
    return init_good ? PRL_OK : PRL_ERR_IO;
}

static bool open_direction(srtp_t *out, enum prl_srtp_profile profile, srtp_ssrc_type_t direction,
                           const uint8_t *key, const uint8_t *salt)
{
    srtp_policy_t policy;
    unsigned char both[KEY_SIZE + SALT_CM];
    memset(&policy, 0, sizeof(policy));
    if (profile == PRL_SRTP_AEAD_AES_128_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    }
    memcpy(both, key, KEY_SIZE);
    memcpy(both + KEY_SIZE, salt, SALT_CM); // for GCM the last two are not looked at
    policy.ssrc.type = direction;
    policy.key = both;
    policy.window_size = PRL_SRTP_REPLAY_WINDOW;
    bool good = srtp_create(out, &policy) == srtp_err_status_ok;
    explicit_bzero(both, sizeof(both));
    if (!good)
        *out = NULL;
    return good;
}

enum prl_err prl_srtp_create(struct prl_srtp **out, const struct prl_srtp_keys *keys)
{
    bool gcm = keys->profile == PRL_SRTP_AEAD_AES_128_GCM;
    PRL_CHECK(gcm || keys->profile == PRL_SRTP_AES128_CM_SHA1_80);
    *out = NULL;
    enum prl_err err = prl_srtp_init();
    if (err)
        return err;
    struct prl_srtp *srtp = *out = prl_mem_zalloc(sizeof(*srtp));
    if (!srtp)
        return PRL_ERR_NOMEM;
    srtp->tag = gcm ? TAG_GCM : TAG_CM;
    if (open_direction(&srtp->out, keys->profile, ssrc_any_outbound, keys->send_key,
                       keys->send_salt) &&
        open_direction(&srtp->in, keys->profile, ssrc_any_inbound, keys->receive_key,
                       keys->receive_salt))
        return PRL_OK;
    prl_srtp_destroy(out);
    return PRL_ERR_NOMEM;
}

void prl_srtp_destroy(struct prl_srtp **srtp)
{
    if (!*srtp)
        return;
    if ((*srtp)->out)
        (void)srtp_dealloc((*srtp)->out);
    if ((*srtp)->in)
        (void)srtp_dealloc((*srtp)->in);
    prl_mem_free(*srtp);
    *srtp = NULL;
}

// ---- lengths ----

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Header with its CSRCs and extension inside the packet, and `trailer` bytes behind it.
static bool whole_rtp(const uint8_t *packet, size_t size, size_t trailer)
{
    if (size < RTP_HEADER + trailer || size > PRL_SRTP_PACKET_MAX || packet[0] >> 6 != 2)
        return false;
    size_t header = RTP_HEADER + 4u * (packet[0] & 15);
    if ((packet[0] & 16) != 0) {
        if (size < header + 4 + trailer)
            return false;
        header += 4 + 4 * ((size_t)packet[header + 2] << 8 | packet[header + 3]);
    }
    return size >= header + trailer;
}

static bool whole_rtcp(const uint8_t *packet, size_t size, size_t trailer)
{
    return size >= RTCP_HEADER + trailer && size <= PRL_SRTP_PACKET_MAX && packet[0] >> 6 == 2;
}

// ---- out ----

enum prl_err prl_srtp_protect_rtp(struct prl_srtp *srtp, uint8_t *packet, size_t *size,
                                  size_t capacity)
{
    if (*size > PRL_SRTP_PACKET_MAX - PRL_SRTP_TRAILER_MAX || !whole_rtp(packet, *size, 0) ||
        capacity < *size + PRL_SRTP_TRAILER_MAX)
        return PRL_ERR_INVALID;
    int len = (int)*size;
    if (srtp_protect(srtp->out, packet, &len) != srtp_err_status_ok)
        return PRL_ERR_INVALID;
    *size = (size_t)len;
    return PRL_OK;
}

enum prl_err prl_srtp_protect_rtcp(struct prl_srtp *srtp, uint8_t *packet, size_t *size,
                                   size_t capacity)
{
    if (*size > PRL_SRTP_PACKET_MAX - PRL_SRTP_TRAILER_MAX || !whole_rtcp(packet, *size, 0) ||
        *size % 4 != 0 || capacity < *size + PRL_SRTP_TRAILER_MAX)
        return PRL_ERR_INVALID;
    int len = (int)*size;
    if (srtp_protect_rtcp(srtp->out, packet, &len) != srtp_err_status_ok)
        return PRL_ERR_INVALID;
    *size = (size_t)len;
    return PRL_OK;
}

// ---- in ----

static bool known_ssrc(const struct prl_srtp *srtp, uint32_t ssrc)
{
    for (size_t i = 0; i < srtp->ssrc_count; i++)
        if (srtp->ssrcs[i] == ssrc)
            return true;
    return false;
}

static enum prl_err conclude(struct prl_srtp *srtp, srtp_err_status_t status, bool known,
                             uint32_t ssrc)
{
    if (status == srtp_err_status_ok) {
        if (!known)
            srtp->ssrcs[srtp->ssrc_count++] = ssrc;
        return PRL_OK;
    }
    if (status == srtp_err_status_replay_fail || status == srtp_err_status_replay_old ||
        status == srtp_err_status_pkt_idx_old) {
        srtp->stats.replayed++;
        return PRL_ERR_AGAIN;
    }
    srtp->stats.refused++;
    return PRL_ERR_INVALID;
}

static enum prl_err unprotect(struct prl_srtp *srtp, uint8_t *packet, size_t *size, uint32_t ssrc,
                              bool control)
{
    bool known = known_ssrc(srtp, ssrc);
    if (!known && srtp->ssrc_count == PRL_SRTP_SSRCS_MAX) {
        srtp->stats.flooded++;
        return PRL_ERR_LIMIT;
    }
    int len = (int)*size;
    srtp_err_status_t status = control ? srtp_unprotect_rtcp(srtp->in, packet, &len)
                                       : srtp_unprotect(srtp->in, packet, &len);
    enum prl_err err = conclude(srtp, status, known, ssrc);
    if (err)
        return err;
    PRL_CHECK(len >= 0 && (size_t)len <= *size);
    *size = (size_t)len;
    return PRL_OK;
}

enum prl_err prl_srtp_unprotect_rtp(struct prl_srtp *srtp, uint8_t *packet, size_t *size)
{
    if (whole_rtp(packet, *size, srtp->tag))
        return unprotect(srtp, packet, size, read_u32(packet + 8), false);
    srtp->stats.refused++;
    return PRL_ERR_INVALID;
}

enum prl_err prl_srtp_unprotect_rtcp(struct prl_srtp *srtp, uint8_t *packet, size_t *size)
{
    if (whole_rtcp(packet, *size, srtp->tag + RTCP_INDEX))
        return unprotect(srtp, packet, size, read_u32(packet + 4), true);
    srtp->stats.refused++;
    return PRL_ERR_INVALID;
}

void prl_srtp_stats(const struct prl_srtp *srtp, struct prl_srtp_stats *stats)
{
    *stats = srtp->stats;
}

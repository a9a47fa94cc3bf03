// resend.c -- see resend.h.
#include "rtc/resend.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    PRICE_US = 1000000 / PRL_RESEND_PER_S, // time that pays for one packet
    SAVED_US_MAX = PRICE_US * PRL_RESEND_BURST,
    RTT_US = 100000, // assumed while unknown
    RTT_US_MIN = 20000,
};

struct slot {
    uint16_t seq;
    uint16_t size; // 0: empty
    uint8_t times; // sent again
    int64_t sent_us, again_us;
    uint8_t data[PRL_RESEND_PACKET_MAX];
};

struct prl_resend {
    struct slot slots[PRL_RESEND_SLOTS]; // by sequence number
    int64_t saved_us;                    // of the token bucket
    int64_t saved_at_us;
    struct prl_resend_stats stats;
};

enum prl_err prl_resend_create(struct prl_resend **out)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->saved_us = SAVED_US_MAX;
    return PRL_OK;
}

void prl_resend_destroy(struct prl_resend **resend)
{
    prl_mem_free(*resend);
    *resend = NULL;
}

void prl_resend_keep(struct prl_resend *resend, uint16_t seq, const uint8_t *packet, size_t size,
                     int64_t now_us)
{
    struct slot *slot = &resend->slots[seq % PRL_RESEND_SLOTS];
    slot->size = 0;
    if (size == 0 || size > PRL_RESEND_PACKET_MAX)
        return;
    slot->seq = seq;
    slot->size = (uint16_t)size;
    slot->times = 0;
    slot->sent_us = slot->again_us = now_us;
    memcpy(slot->data, packet, size);
}

static bool may_repeat(const struct prl_resend *resend, const struct slot *slot, int64_t rtt_us,
                       int64_t now_us)
{
    int64_t wait_us = rtt_us < 0 ? RTT_US : rtt_us;
    wait_us = wait_us < RTT_US_MIN ? RTT_US_MIN : wait_us;
    return resend->saved_us >= PRICE_US && slot->times < PRL_RESEND_TIMES &&
           (slot->times == 0 || now_us - slot->again_us >= wait_us);
}

bool prl_resend_take(struct prl_resend *resend, uint16_t seq, int64_t rtt_us, int64_t now_us,
                     const uint8_t **packet, size_t *size)
{
    struct slot *slot = &resend->slots[seq % PRL_RESEND_SLOTS];
    if (slot->size == 0 || slot->seq != seq || now_us - slot->sent_us > PRL_RESEND_AGE_MAX_US) {
        resend->stats.unknown++;
        return false;
    }
    if (now_us > resend->saved_at_us) {
        resend->saved_us += now_us - resend->saved_at_us;
        resend->saved_us = resend->saved_us > SAVED_US_MAX ? SAVED_US_MAX : resend->saved_us;
        resend->saved_at_us = now_us;
    }
    if (!may_repeat(resend, slot, rtt_us, now_us)) {
        resend->stats.limited++;
        return false;
    }
    resend->saved_us -= PRICE_US;
    slot->times++;
    slot->again_us = now_us;
    resend->stats.sent++;
    *packet = slot->data;
    *size = slot->size;
    return true;
}

void prl_resend_stats(const struct prl_resend *resend, struct prl_resend_stats *stats)
{
    *stats = resend->stats;
}

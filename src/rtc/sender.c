// sender.c -- see sender.h.
#include "rtc/sender.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    FIRST_REPORT_US = 500000,
    REPORT_US = 2000000,
    RTT_US_MAX = 10000000, // more is a mistake of the peer's
    RTT_WEIGHT = 4,
};

struct prl_sender {
    // Set once.
    struct prl_sender_conf conf;
    // State.
    uint64_t random;
    uint16_t seq; // of the newest packet
    uint16_t transport_seq;
    uint32_t timestamp; // of the newest packet
    int64_t sent_us;
    int64_t deadline_us;
    uint64_t places[PRL_SENDER_MAP]; // where packets begin, by their count modulo PRL_SENDER_MAP
    struct prl_sender_stats stats;
};

static uint32_t next_random(struct prl_sender *sender)
{
    // A linear congruential generator (Knuth's MMIX) is enough to spread reports.
    sender->random = sender->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(sender->random >> 33);
}

enum prl_err prl_sender_create(struct prl_sender **out, const struct prl_sender_conf *conf)
{
    PRL_CHECK(conf->clock_hz >= 8000 && conf->payload_type < 128 && conf->transport_seq_id < 15);
    struct prl_sender *sender = *out = prl_mem_zalloc(sizeof(*sender));
    if (!sender)
        return PRL_ERR_NOMEM;
    sender->conf = *conf;
    sender->random = conf->random;
    sender->seq = (uint16_t)(next_random(sender) & 0x7fff);
    sender->timestamp = (uint32_t)(conf->random >> 32) ^ next_random(sender);
    sender->deadline_us = INT64_MAX;
    sender->stats = (struct prl_sender_stats){.ssrc = conf->ssrc, .rtt_us = -1, .jitter_us = -1};
    return PRL_OK;
}

void prl_sender_destroy(struct prl_sender **sender)
{
    prl_mem_free(*sender);
    *sender = NULL;
}

void prl_sender_next(struct prl_sender *sender, uint32_t timestamp_step, bool marker,
                     size_t payload_size, int64_t now_us, struct prl_rtp_header *header)
{
    struct prl_sender_stats *stats = &sender->stats;
    if (stats->packets == 0) {
        timestamp_step = 0; // the random first time stamp is the beginning of the sound
        sender->deadline_us = now_us + FIRST_REPORT_US;
    }
    sender->seq++;
    sender->transport_seq++;
    sender->timestamp += timestamp_step;
    sender->sent_us = now_us;
    stats->sent_place += timestamp_step;
    sender->places[stats->packets % PRL_SENDER_MAP] = stats->sent_place;
    stats->packets++;
    stats->octets += payload_size;
    *header = (struct prl_rtp_header){
        .marker = marker,
        .payload_type = sender->conf.payload_type,
        .seq = sender->seq,
        .timestamp = sender->timestamp,
        .ssrc = sender->conf.ssrc,
        .transport_seq_id = sender->conf.transport_seq_id,
        .transport_seq = sender->transport_seq,
    };
}

int64_t prl_sender_report_deadline(const struct prl_sender *sender)
{
    return sender->deadline_us;
}

static uint64_t make_ntp(const struct prl_sender *sender, int64_t now_us)
{
    return prl_rtcp_ntp(now_us + sender->conf.wall_offset_us);
}

void prl_sender_report(struct prl_sender *sender, int64_t now_us, struct prl_rtcp_sr *sr)
{
    int64_t since_us = now_us - sender->sent_us;
    uint32_t since = (uint32_t)(since_us * (sender->conf.clock_hz / 1000) / 1000);
    *sr = (struct prl_rtcp_sr){
        .ntp = make_ntp(sender, now_us),
        .rtp_timestamp = sender->timestamp + (sender->stats.packets > 0 ? since : 0),
        .packet_count = (uint32_t)sender->stats.packets,
        .octet_count = (uint32_t)sender->stats.octets,
    };
    if (sender->stats.packets > 0)
        sender->deadline_us = now_us + REPORT_US / 2 + next_random(sender) % REPORT_US;
}

static void take_rtt(struct prl_sender *sender, const struct prl_rtcp_block *block, int64_t now_us)
{
    if (block->lsr == 0)
        return;
    uint32_t now = (uint32_t)(make_ntp(sender, now_us) >> 16);
    int64_t trip = (int32_t)(now - block->lsr - block->dlsr); // RFC 3550 §6.4.1, 1/65536 s
    int64_t trip_us = trip > 0 ? trip * 1000000 / 65536 : 0;
    if (trip_us > RTT_US_MAX)
        return;
    int64_t *rtt_us = &sender->stats.rtt_us;
    *rtt_us = *rtt_us < 0 ? trip_us : *rtt_us + (trip_us - *rtt_us) / RTT_WEIGHT;
}

static void take_highest(struct prl_sender *sender, uint32_t highest)
{
    struct prl_sender_stats *stats = &sender->stats;
    uint16_t behind = (uint16_t)(sender->seq - (uint16_t)highest);
    if (behind >= stats->packets)
        return; // never sent
    uint64_t arrived = stats->packets - behind;
    if (arrived <= stats->arrived)
        return;
    stats->arrived = arrived;
    if (behind < PRL_SENDER_MAP)
        stats->arrived_place = sender->places[(arrived - 1) % PRL_SENDER_MAP];
}

bool prl_sender_block(struct prl_sender *sender, const struct prl_rtcp_block *block, int64_t now_us)
{
    if (block->ssrc != sender->conf.ssrc || sender->stats.packets == 0)
        return false;
    take_rtt(sender, block, now_us);
    take_highest(sender, block->highest_seq);
    sender->stats.loss = block->fraction_lost / 256.0;
    sender->stats.jitter_us = (int64_t)block->jitter * 1000000 / sender->conf.clock_hz;
    sender->stats.reported = true;
    sender->stats.report_us = now_us;
    return true;
}

void prl_sender_stats(const struct prl_sender *sender, struct prl_sender_stats *stats)
{
    *stats = sender->stats;
}

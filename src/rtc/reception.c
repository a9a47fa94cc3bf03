// reception.c -- see reception.h.
#include "rtc/reception.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rtc/rtp.h"

enum {
    DROPOUT_MAX = 3000, // packets forward that are still the same stream, RFC 3550 A.1
    MISORDER_MAX = 500, // and back; A.1 says 100 for slower streams
    SEEN_BITS = 512,    // packets behind the highest whose repeats are noticed
    ARRIVALS = 256,     // transport-wide, between two feedbacks; 5 s at 20 ms
    STALE_US = 1000000, // a replaced SSRC is not taken back so soon
    PACKET_US = 20000,  // assumed length until two packets in a row have told it
    RTT_US = 100000,    // assumed
    REORDER_WAIT_US = 20000,
    REORDER_MEMORY_US = 5000000,
    LOSS_WEIGHT = 100, // packets
    LOSS_STEPS_MAX = 300,
};
_Static_assert(MISORDER_MAX < SEEN_BITS, "a late packet is looked up");

struct missing {
    uint32_t seq;        // extended
    int64_t expected_us; // when it would have come
    int64_t noticed_us;
    int64_t asked_us;
    unsigned tries;
};

struct stream {        // RFC 3550 A.1
    uint32_t base_seq; // extended
    uint32_t highest;  // extended
    uint16_t bad_seq;  // the one after a lone jump
    bool jumped;
    uint64_t received;
    uint64_t expected_prior, received_prior;
    // Jitter, RTP clock units; `jitter` times 16.
    uint32_t clock_hz;
    uint32_t transit;
    uint32_t jitter;
    uint32_t timestamp; // of the highest
    int64_t packet_us;
    double loss;
    uint8_t seen[SEEN_BITS / 8]; // by extended number modulo SEEN_BITS
};

struct prl_reception {
    // Set once.
    struct prl_reception_conf conf;
    // State.
    bool started;
    uint32_t ssrc, old_ssrc;
    int64_t old_until_us;
    struct stream stream;
    uint32_t lsr;
    int64_t sr_us; // 0: none came
    int64_t reordered_us;
    size_t missing_count;
    struct missing missing[PRL_RECEPTION_NACKS_MAX]; // ascending
    // Transport-wide: numbers from `next` up to `end` are not reported yet.
    bool counting;
    uint16_t next, end;
    uint8_t feedback_number;
    int64_t arrivals_us[ARRIVALS]; // by number; -1: not received
    struct prl_reception_stats stats;
};

enum prl_err prl_reception_create(struct prl_reception **out, const struct prl_reception_conf *conf)
{
    struct prl_reception *reception = *out = prl_mem_zalloc(sizeof(*reception));
    if (!reception)
        return PRL_ERR_NOMEM;
    reception->conf = *conf;
    return PRL_OK;
}

void prl_reception_destroy(struct prl_reception **reception)
{
    prl_mem_free(*reception);
    *reception = NULL;
}

// ---- transport-wide arrivals ----

static void note_arrival(struct prl_reception *reception, uint16_t seq, int64_t now_us)
{
    if (!reception->counting) {
        reception->counting = true;
        reception->next = reception->end = seq;
    }
    if (prl_rtp_seq_diff(seq, reception->next) < 0)
        return; // was reported as lost
    int ahead = prl_rtp_seq_diff(seq, reception->end);
    if (ahead >= ARRIVALS) { // so much was lost that it says nothing
        reception->next = reception->end = seq;
        ahead = 0;
    }
    for (; ahead >= 0; ahead--)
        reception->arrivals_us[reception->end++ % ARRIVALS] = -1;
    reception->arrivals_us[seq % ARRIVALS] = now_us;
    if ((uint16_t)(reception->end - reception->next) > ARRIVALS)
        reception->next = (uint16_t)(reception->end - ARRIVALS); // the oldest are not reported
}

enum prl_err prl_reception_feedback(struct prl_reception *reception, uint32_t own_ssrc,
                                    struct prl_rtcp_writer *writer)
{
    struct prl_rtcp_arrival arrivals[ARRIVALS];
    size_t count = (uint16_t)(reception->end - reception->next);
    if (!reception->conf.feedback || count == 0)
        return PRL_ERR_AGAIN;
    PRL_DCHECK(count <= ARRIVALS);
    for (size_t i = 0; i < count; i++) {
        uint16_t seq = (uint16_t)(reception->next + i);
        int64_t at_us = reception->arrivals_us[seq % ARRIVALS];
        arrivals[i] = (struct prl_rtcp_arrival){seq, at_us >= 0, at_us >= 0 ? at_us : 0};
    }
    enum prl_err err = prl_rtcp_add_feedback(writer, own_ssrc, reception->ssrc,
                                             reception->feedback_number, arrivals, count);
    if (err == PRL_ERR_LIMIT)
        return err;
    reception->next = reception->end;
    if (err) // a pause longer than a delta can say
        return PRL_ERR_AGAIN;
    reception->feedback_number++;
    return PRL_OK;
}

// ---- missing packets ----

static void drop_missing(struct prl_reception *reception, size_t index)
{
    reception->missing_count--;
    memmove(&reception->missing[index], &reception->missing[index + 1],
            (reception->missing_count - index) * sizeof(reception->missing[0]));
}

// `gap` packets before `seq` have not come.
static void note_missing(struct prl_reception *reception, uint32_t seq, uint32_t gap,
                         int64_t now_us)
{
    if (!reception->conf.nack)
        return;
    if (gap > PRL_RECEPTION_NACKS_MAX)
        gap = PRL_RECEPTION_NACKS_MAX;
    for (uint32_t behind = gap; behind > 0; behind--) {
        if (reception->missing_count == PRL_RECEPTION_NACKS_MAX)
            drop_missing(reception, 0);
        reception->missing[reception->missing_count++] = (struct missing){
            .seq = seq - behind,
            .expected_us = now_us - (int64_t)behind * reception->stream.packet_us,
            .noticed_us = now_us,
        };
    }
}

// A late packet came after all.
static void settle_missing(struct prl_reception *reception, uint32_t seq, int64_t now_us)
{
    bool asked = false;
    for (size_t i = 0; i < reception->missing_count; i++)
        if (reception->missing[i].seq == seq) {
            asked = reception->missing[i].tries > 0;
            drop_missing(reception, i);
            break;
        }
    if (asked)
        reception->stats.recovered++;
    else
        reception->reordered_us = now_us;
}

size_t prl_reception_nacks(struct prl_reception *reception, int64_t now_us, int64_t rtt_us,
                           int64_t buffer_us, uint16_t *seqs, size_t max)
{
    size_t count = 0;
    int64_t trip_us = rtt_us >= 0 ? rtt_us : RTT_US;
    bool reorders =
        reception->reordered_us != 0 && now_us - reception->reordered_us < REORDER_MEMORY_US;
    for (size_t i = 0; i < reception->missing_count && count < max;) {
        struct missing *missing = &reception->missing[i];
        if (now_us + trip_us > missing->expected_us + buffer_us ||
            missing->tries == PRL_RECEPTION_NACK_TRIES) {
            // The last try may still be answered, but that is no longer our business.
            if (missing->tries == 0 || now_us > missing->asked_us + trip_us) {
                drop_missing(reception, i);
                continue;
            }
            i++;
            continue;
        }
        int64_t due_us = missing->tries > 0
                             ? missing->asked_us + trip_us + PACKET_US / 2
                             : missing->noticed_us + (reorders ? REORDER_WAIT_US : 0);
        if (now_us >= due_us) {
            missing->tries++;
            missing->asked_us = now_us;
            seqs[count++] = (uint16_t)missing->seq;
        }
        i++;
    }
    reception->stats.nacked += count;
    return count;
}

// ---- the stream ----

static bool test_seen(struct stream *stream, uint32_t seq)
{
    return (stream->seen[seq % SEEN_BITS / 8] >> seq % 8 & 1) != 0;
}

static void set_seen(struct stream *stream, uint32_t seq, bool seen)
{
    uint8_t *byte = &stream->seen[seq % SEEN_BITS / 8];
    unsigned bit = 1u << seq % 8;
    *byte = (uint8_t)(seen ? *byte | bit : *byte & ~bit);
}

static void start_stream(struct prl_reception *reception, const struct prl_reception_packet *packet)
{
    struct stream *stream = &reception->stream;
    memset(stream, 0, sizeof(*stream));
    stream->base_seq = stream->highest = packet->seq;
    stream->timestamp = packet->timestamp;
    stream->packet_us = PACKET_US;
    stream->received = 1;
    set_seen(stream, packet->seq, true);
    reception->missing_count = 0;
    reception->reordered_us = 0;
}

static void note_jitter(struct stream *stream, const struct prl_reception_packet *packet)
{
    // RFC 3550 A.8, with the arrival in RTP clock units; 32 bits may wrap in both.
    uint32_t arrival = (uint32_t)(packet->arrival_us * (packet->clock_hz / 1000) / 1000);
    uint32_t transit = arrival - packet->timestamp;
    if (stream->clock_hz != packet->clock_hz) {
        stream->clock_hz = packet->clock_hz;
        stream->transit = transit;
        return;
    }
    int32_t d = (int32_t)(transit - stream->transit);
    stream->transit = transit;
    uint32_t size = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
    if (size < packet->clock_hz * 10) // a new time base, and no delay
        stream->jitter += size - ((stream->jitter + 8) >> 4);
}

static void note_loss(struct stream *stream, uint32_t gap)
{
    for (uint32_t i = 0; i < gap && i < LOSS_STEPS_MAX; i++)
        stream->loss += (1 - stream->loss) / LOSS_WEIGHT;
    stream->loss -= stream->loss / LOSS_WEIGHT;
}

static void advance(struct prl_reception *reception, const struct prl_reception_packet *packet,
                    uint32_t ahead)
{
    struct stream *stream = &reception->stream;
    uint32_t seq = stream->highest + ahead;
    int32_t step = (int32_t)(packet->timestamp - stream->timestamp);
    if (ahead == 1 && step > 0 && packet->clock_hz > 0) {
        int64_t us = (int64_t)step * 1000000 / packet->clock_hz;
        if (us >= 5000 && us <= 60000) // longer is a pause of the sender's
            stream->packet_us = us;
    }
    for (uint32_t i = 1; i <= ahead && i <= SEEN_BITS; i++)
        set_seen(stream, stream->highest + i, false);
    set_seen(stream, seq, true);
    stream->highest = seq;
    stream->timestamp = packet->timestamp;
    note_loss(stream, ahead - 1);
    note_jitter(stream, packet);
    note_missing(reception, seq, ahead - 1, packet->arrival_us);
}

static enum prl_reception_verdict take_late(struct prl_reception *reception, uint32_t behind,
                                            int64_t now_us)
{
    struct stream *stream = &reception->stream;
    uint32_t seq = stream->highest - behind;
    if (test_seen(stream, seq)) {
        reception->stats.repeats++;
        return PRL_RECEPTION_REPEAT;
    }
    if ((int32_t)(seq - stream->base_seq) < 0)
        stream->base_seq = seq; // it was sent before the first that came
    set_seen(stream, seq, true);
    stream->received++;
    stream->loss -= stream->loss < 1.0 / LOSS_WEIGHT ? stream->loss : 1.0 / LOSS_WEIGHT;
    reception->stats.late++;
    settle_missing(reception, seq, now_us);
    return PRL_RECEPTION_GOOD;
}

static enum prl_reception_verdict take_next(struct prl_reception *reception,
                                            const struct prl_reception_packet *packet)
{
    struct stream *stream = &reception->stream;
    uint16_t ahead = (uint16_t)(packet->seq - (uint16_t)stream->highest);
    uint16_t behind = (uint16_t)(0u - ahead);
    if (ahead == 0 || behind <= MISORDER_MAX)
        return take_late(reception, behind, packet->arrival_us);
    if (ahead >= DROPOUT_MAX) {
        // One packet may be an accident; a second one in a row is a sender that began anew.
        bool again = stream->jumped && packet->seq == stream->bad_seq;
        stream->jumped = true;
        stream->bad_seq = (uint16_t)(packet->seq + 1);
        if (!again) {
            reception->stats.stale++;
            return PRL_RECEPTION_STALE;
        }
        reception->stats.restarts++;
        start_stream(reception, packet);
        return PRL_RECEPTION_NEW;
    }
    stream->jumped = false;
    stream->received++;
    advance(reception, packet, ahead);
    return PRL_RECEPTION_GOOD;
}

enum prl_reception_verdict prl_reception_packet(struct prl_reception *reception,
                                                const struct prl_reception_packet *packet)
{
    PRL_DCHECK(packet->clock_hz >= 1000 && packet->arrival_us >= 0);
    if (reception->conf.feedback && packet->transport_seq >= 0)
        note_arrival(reception, (uint16_t)packet->transport_seq, packet->arrival_us);
    if (reception->started && packet->ssrc == reception->ssrc)
        return take_next(reception, packet);
    if (reception->started) {
        if (packet->ssrc == reception->old_ssrc && packet->arrival_us < reception->old_until_us) {
            reception->stats.stale++;
            return PRL_RECEPTION_STALE;
        }
        reception->old_ssrc = reception->ssrc;
        reception->old_until_us = packet->arrival_us + STALE_US;
        reception->stats.restarts++;
    }
    reception->started = true;
    reception->ssrc = packet->ssrc;
    reception->sr_us = 0;
    start_stream(reception, packet);
    note_jitter(&reception->stream, packet);
    return PRL_RECEPTION_NEW;
}

// ---- reports ----

void prl_reception_sr(struct prl_reception *reception, uint32_t ssrc, uint64_t ntp,
                      int64_t arrival_us)
{
    if (!reception->started || ssrc != reception->ssrc)
        return;
    reception->lsr = (uint32_t)(ntp >> 16);
    reception->sr_us = arrival_us;
}

static uint64_t count_expected(const struct stream *stream)
{
    return (uint64_t)(stream->highest - stream->base_seq) + 1;
}

bool prl_reception_block(struct prl_reception *reception, int64_t now_us,
                         struct prl_rtcp_block *block)
{
    struct stream *stream = &reception->stream;
    if (!reception->started)
        return false;
    uint64_t expected = count_expected(stream);
    int64_t lost = (int64_t)(expected - stream->received);
    // RFC 3550 A.3
    int64_t expected_now = (int64_t)(expected - stream->expected_prior);
    int64_t lost_now = expected_now - (int64_t)(stream->received - stream->received_prior);
    int64_t fraction = expected_now > 0 && lost_now > 0 ? lost_now * 256 / expected_now : 0;
    stream->expected_prior = expected;
    stream->received_prior = stream->received;
    *block = (struct prl_rtcp_block){
        .ssrc = reception->ssrc,
        .fraction_lost = fraction > 255 ? 255 : (uint8_t)fraction,
        .lost = lost > 0x7fffff ? 0x7fffff : (int32_t)lost,
        .highest_seq = stream->highest,
        .jitter = stream->jitter >> 4,
    };
    if (reception->sr_us != 0) {
        block->lsr = reception->lsr;
        block->dlsr = (uint32_t)((now_us - reception->sr_us) * 65536 / 1000000);
    }
    return true;
}

void prl_reception_stats(const struct prl_reception *reception, struct prl_reception_stats *stats)
{
    const struct stream *stream = &reception->stream;
    *stats = reception->stats;
    if (!reception->started)
        return;
    stats->ssrc = reception->ssrc;
    stats->received = stream->received;
    stats->lost = (int64_t)(count_expected(stream) - stream->received);
    stats->loss = stream->loss;
    if (stream->clock_hz > 0)
        stats->jitter_us = (int64_t)(stream->jitter >> 4) * 1000000 / stream->clock_hz;
}

// bwe.c -- see bwe.h. One judgement a sample (a receiver report, or half a second of feedback): is there
// a queue, is there loss, is a trial running. The order of the questions is the rule.
#include "rtc/bwe.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rtc/rtp.h"

enum {
    SENT = 256,                  // packets remembered; 5 s at 20 ms
    BASE_US = 30000000,          // the least delay is sought over one to two of these
    FEEDBACK_SAMPLE_US = 500000, // feedback is judged in pieces of at least this
    FEEDBACK_FRESH_US = 3000000, // receiver reports are not counted for loss while feedback comes
    QUEUE_US = 60000,            // more than this above the least delay is a queue
    JITTER_US_MAX = 200000,      // by twice the jitter, at most by this, a delay may be chance
    HOLD_US = 2000000,           // after a step down the queue needs time to empty
    LOSS_US = 3000000,           // loss is smoothed over about this
    HEAVY_US = 4000000,          // heavy loss must last so long before a trial
    TRIAL_US = 4000000,
    TRIAL_AGAIN_US = 60000000, // after a trial that changed nothing
    CEILING_US = 30000000,     // how long the rate that was too much is remembered
    FEC_OFF_US = 10000000,     // protection is lowered one step in this time
    STEP_US_MAX = 5000000,     // of one sample, when growing
    GROW_BPS = 2000,           // a second
    FEC_STEP = 5,
};
static const double backoff = 0.7;
static const double trial_factor = 0.6;    // of the rate, while trying
static const double trial_helps = 0.5;     // of the loss: no more than this may be lost then
static const double trial_loss_min = 0.08; // less loss is left to the protection
static const double loss_heavy = 0.05;     // from here on no growth above the start

struct least { // the smallest value of the last 30 to 60 seconds
    int64_t now_us, before_us;
    int64_t since_us;
};

struct sent {
    uint16_t seq;
    bool used;
    uint32_t size;
    int64_t at_us;
};

struct prl_bwe {
    double rate; // bits a second
    double loss;
    int fec; // percent
    bool sampled;
    int64_t queue_us, jitter_us; // -1: unknown
    int64_t sample_us;           // when the last one was judged
    int64_t hold_us;             // no growth before
    int64_t fec_us;              // when loss last asked for this much protection
    double ceiling;              // a rate that was too much; 0: none
    int64_t ceiling_us;          // when
    // Trial.
    bool trying;
    double trial_rate, trial_loss; // before it
    double tried_loss;             // sum of the samples in it
    int tried;                     // how many
    int64_t trial_us;              // begin, or when the next one may begin
    int64_t heavy_us;              // since when there is enough loss for one; 0: there is not
    // Delay.
    struct least trip, flight; // of receiver reports, of feedback
    // Feedback.
    int64_t feedback_us; // last one
    unsigned reported, lost;
    double flight_us; // smoothed, from the peer's clock: only differences count
    bool flown;
    struct sent sent[SENT];
};

enum prl_err prl_bwe_create(struct prl_bwe **out)
{
    struct prl_bwe *bwe = *out = prl_mem_zalloc(sizeof(*bwe));
    if (!bwe)
        return PRL_ERR_NOMEM;
    bwe->rate = PRL_BWE_BITRATE_START;
    bwe->queue_us = bwe->jitter_us = -1;
    return PRL_OK;
}

void prl_bwe_destroy(struct prl_bwe **bwe)
{
    prl_mem_free(*bwe);
    *bwe = NULL;
}

static int64_t above_least(struct least *least, int64_t value_us, int64_t now_us)
{
    if (least->since_us == 0 || now_us - least->since_us > (int64_t)2 * BASE_US) {
        least->now_us = least->before_us = value_us;
        least->since_us = now_us;
    } else if (now_us - least->since_us > BASE_US) {
        least->before_us = least->now_us;
        least->now_us = value_us;
        least->since_us = now_us;
    }
    if (value_us < least->now_us)
        least->now_us = value_us;
    int64_t smallest = least->now_us < least->before_us ? least->now_us : least->before_us;
    return value_us - smallest;
}

// ---- judgement ----

static void protect(struct prl_bwe *bwe, int64_t now_us)
{
    // Told to the encoder: a little more than what is lost, in steps of five.
    double percent = bwe->loss * 125;
    int want = percent < 2 ? 0 : ((int)percent / FEC_STEP + 1) * FEC_STEP;
    want = want > PRL_BWE_FEC_MAX ? PRL_BWE_FEC_MAX : want;
    if (want >= bwe->fec) {
        bwe->fec = want;
        bwe->fec_us = now_us;
    } else if (now_us - bwe->fec_us > FEC_OFF_US) {
        bwe->fec -= FEC_STEP;
        bwe->fec_us = now_us;
    }
}

static void set_rate(struct prl_bwe *bwe, double rate)
{
    rate = rate < PRL_BWE_BITRATE_MIN ? PRL_BWE_BITRATE_MIN : rate;
    bwe->rate = rate > PRL_BWE_BITRATE_MAX ? PRL_BWE_BITRATE_MAX : rate;
}

static void back_off(struct prl_bwe *bwe, int64_t now_us)
{
    bwe->trying = false;
    bwe->ceiling = bwe->rate;
    bwe->ceiling_us = now_us;
    bwe->hold_us = now_us + HOLD_US;
    set_rate(bwe, bwe->rate * backoff);
}

static void begin_trial(struct prl_bwe *bwe, int64_t now_us)
{
    bwe->trying = true;
    bwe->trial_us = now_us;
    bwe->trial_rate = bwe->rate;
    bwe->trial_loss = bwe->loss;
    bwe->tried_loss = 0;
    bwe->tried = 0;
    set_rate(bwe, bwe->rate * trial_factor);
}

static void go_on_trying(struct prl_bwe *bwe, double loss, int64_t interval_us, int64_t now_us)
{
    // A sample that reaches back to before the trial, or into the queue of then, is not counted.
    if (now_us - bwe->trial_us < interval_us + 200000)
        return;
    bwe->tried_loss += loss;
    bwe->tried++;
    if (now_us - bwe->trial_us < TRIAL_US)
        return;
    bwe->trying = false;
    if (bwe->tried_loss / bwe->tried < bwe->trial_loss * trial_helps) {
        bwe->ceiling = bwe->trial_rate;
        bwe->ceiling_us = now_us;
        bwe->hold_us = now_us + HOLD_US;
        bwe->trial_us = now_us; // the next one may go further down at once
        bwe->loss = bwe->tried_loss / bwe->tried;
        return;
    }
    set_rate(bwe, bwe->trial_rate);
    bwe->trial_us = now_us + TRIAL_AGAIN_US;
}

static void grow(struct prl_bwe *bwe, int64_t interval_us, int64_t now_us)
{
    double step = GROW_BPS * (double)interval_us / 1e6;
    if (bwe->ceiling > 0 && now_us - bwe->ceiling_us > CEILING_US)
        bwe->ceiling = 0;
    // Near a rate that was too much lately: stay below it.
    double most = bwe->ceiling > 0 ? bwe->ceiling * 0.85 : PRL_BWE_BITRATE_MAX;
    if (bwe->loss > loss_heavy && most > PRL_BWE_BITRATE_START)
        most = PRL_BWE_BITRATE_START;
    if (bwe->rate < most)
        set_rate(bwe, bwe->rate + step < most ? bwe->rate + step : most);
}

static bool has_queue(const struct prl_bwe *bwe)
{
    int64_t chance_us = bwe->jitter_us > 0 ? 2 * bwe->jitter_us : 0;
    chance_us = chance_us > JITTER_US_MAX ? JITTER_US_MAX : chance_us;
    return bwe->queue_us > QUEUE_US + chance_us;
}

static void judge(struct prl_bwe *bwe, double loss, int64_t now_us)
{
    double loss_step = 1;
    int64_t interval_us = bwe->sampled ? now_us - bwe->sample_us : 0;
    interval_us = interval_us > STEP_US_MAX ? STEP_US_MAX : interval_us;
    if (bwe->sampled)
        loss_step = (double)interval_us / (double)(interval_us + LOSS_US);
    bwe->loss += (loss - bwe->loss) * loss_step;
    if (bwe->loss <= trial_loss_min)
        bwe->heavy_us = 0;
    else if (bwe->heavy_us == 0)
        bwe->heavy_us = now_us;
    bwe->sampled = true;
    bwe->sample_us = now_us;
    protect(bwe, now_us);
    if (has_queue(bwe)) {
        if (now_us >= bwe->hold_us)
            back_off(bwe, now_us);
    } else if (bwe->trying) {
        go_on_trying(bwe, loss, interval_us, now_us);
    } else if (bwe->heavy_us != 0 && now_us - bwe->heavy_us >= HEAVY_US &&
               now_us >= bwe->trial_us && bwe->rate > PRL_BWE_BITRATE_MIN) {
        begin_trial(bwe, now_us);
    } else if (now_us >= bwe->hold_us) {
        grow(bwe, interval_us, now_us);
    }
}

// ---- what is reported ----

void prl_bwe_report(struct prl_bwe *bwe, int64_t now_us, double loss, int64_t rtt_us,
                    int64_t jitter_us)
{
    loss = loss > 0 ? loss : 0; // not a number, too
    loss = loss < 1 ? loss : 1;
    bwe->jitter_us = jitter_us;
    if (bwe->feedback_us != 0 && now_us - bwe->feedback_us < FEEDBACK_FRESH_US)
        return;
    if (rtt_us >= 0)
        bwe->queue_us = above_least(&bwe->trip, rtt_us, now_us);
    judge(bwe, loss, now_us);
}

void prl_bwe_sent(struct prl_bwe *bwe, uint16_t transport_seq, size_t size, int64_t now_us)
{
    bwe->sent[transport_seq % SENT] =
        (struct sent){.seq = transport_seq, .used = true, .size = (uint32_t)size, .at_us = now_us};
}

static void note_flight(struct prl_bwe *bwe, int64_t flight_us, int64_t now_us)
{
    // The peer's clock began somewhere else, and may begin anew.
    double off_us = (double)flight_us - bwe->flight_us;
    if (!bwe->flown || off_us > 60e6 || off_us < -60e6) {
        bwe->flown = true;
        bwe->flight_us = (double)flight_us;
        bwe->flight.since_us = 0;
    }
    bwe->flight_us += ((double)flight_us - bwe->flight_us) * 0.1;
    (void)above_least(&bwe->flight, flight_us, now_us);
    bwe->queue_us = above_least(&bwe->flight, (int64_t)bwe->flight_us, now_us);
}

void prl_bwe_feedback(struct prl_bwe *bwe, int64_t now_us, const struct prl_rtcp_arrival *arrivals,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sent *sent = &bwe->sent[arrivals[i].seq % SENT];
        if (!sent->used || sent->seq != arrivals[i].seq)
            continue; // never sent, or reported twice
        sent->used = false;
        bwe->reported++;
        if (arrivals[i].received)
            note_flight(bwe, arrivals[i].at_us - sent->at_us, now_us);
        else
            bwe->lost++;
    }
    bwe->feedback_us = now_us;
    if (bwe->reported < 10 || (bwe->sampled && now_us - bwe->sample_us < FEEDBACK_SAMPLE_US))
        return;
    judge(bwe, (double)bwe->lost / bwe->reported, now_us);
    bwe->reported = bwe->lost = 0;
}

void prl_bwe_advice(const struct prl_bwe *bwe, struct prl_bwe_advice *advice)
{
    *advice = (struct prl_bwe_advice){
        .bitrate_bps = (uint32_t)(bwe->rate / 1000) * 1000,
        .fec_loss_percent = bwe->fec,
        .loss = bwe->loss,
        .queue_us = bwe->queue_us,
    };
}

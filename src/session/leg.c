// leg.c -- see leg.h. One timer; each tick first sends (pacing is what the listener hears), then takes
// what the microphone brought.
#include "session/leg.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "media/playout.h"
#include "net/loop.h"
#include "rtc/rtc.h"
#include "session/session.h"

enum {
    FRAME = PRL_CODEC_IN_SAMPLES,
    FADE = PRL_PLAYOUT_FADE_SAMPLES,
    TAIL_FRAMES = 5, // silence behind sound: the encoder's look-ahead leaves, the decoder settles
    SILENCE_TICKS = PRL_LEG_SILENCE_STEP_MS * 1000 / PRL_LEG_TICK_US,
    BITRATE_FIRST = 32000,
    BITRATE_MIN = 8000,
    BITRATE_MAX = 48000,
    COMPLEXITY_FIRST = 5,
    COMPLEXITY_MAX = 8,
    LOAD_TICKS = 50,          // one look a second
    LOAD_LATE_US = 3000,      // a late tick
    LOAD_LATE_TICKS = 5,      // so many of them are load
    LOAD_CALM_LOOKS = 5,      // so many looks without one allow a step up
    FLIGHT_EXTRA_US = 300000, // most that a queue on the path may add to half a round trip
    PHASE_STEP = 7,           // prime to PHASES and near its golden section: neighbours come late
    AGE_FORGET_US = 1000,     // a report
    STEADY_TICKS = 50         // sound that has been leaving for a second
};

// Lateness shows every kind of load, but only when it is too late: so complexity rises while the loop uses
// less of its core than CALM, and falls above BUSY. 50 calls that rose until ticks came late (1.5 % of a
// core each) sent one packet in 100 more than 5 to 20 ms after its time.
static const double LOAD_SHARE_CALM = 0.25;
static const double LOAD_SHARE_BUSY = 0.5;
static const int64_t JITTER_FREE_US = 40000; // that the client's 80 ms already cover
static const int64_t BUCKETS_US[PRL_LEG_PACING_BUCKETS - 1] = {1000, 2000, 5000, 10000, 20000};

_Static_assert((PRL_LEG_RING_SAMPLES & (PRL_LEG_RING_SAMPLES - 1)) == 0, "a power of two");

struct prl_leg {
    // Set once.
    struct prl_leg_conf conf;
    uint32_t frame_units; // of the RTP clock
    int64_t start_us;
    // Owned.
    struct prl_voice_in *in;
    struct prl_voice_out *out;
    struct prl_jitter *jitter;
    struct prl_timer *timer;
    // State.
    int64_t tick; // the next one
    struct prl_opus_tuning tuning;
    int looks; // ticks since the last look
    struct prl_leg_look look;
    int64_t look_us, look_cpu_us; // when it was, and the thread's time then
    struct prl_leg_stats stats;
    // Outward.
    size_t first, count; // of the ring
    size_t cut;          // samples at its head that belong to an answer that was cut
    size_t hold;         // paused: samples at its head that still leave
    bool paused;
    bool answering;  // between the first sound of an answer and its end
    bool dry;        // the ring ran empty meanwhile
    uint32_t quiet;  // ticks without sound
    uint32_t steady; // ticks with it
    uint32_t unsent; // ticks since the last packet
    uint32_t step;   // RTP units since it
    bool aged;
    int64_t age_us_least; // of the newest packet that the peer had, as far as we can say
    uint64_t units;       // sent since the first packet, up to the end of the last
    int16_t ring[PRL_LEG_RING_SAMPLES];
};

static void on_due(void *arg);

static void on_decoded(void *arg, int16_t *pcm, size_t samples, int64_t at, int64_t arrival_us)
{
    struct prl_leg *leg = arg;
    prl_session_clean(leg->conf.session, pcm, samples, at, arrival_us);
}

static enum prl_codec codec_of(enum prl_rtc_codec codec)
{
    switch (codec) {
    case PRL_RTC_OPUS:
        return PRL_CODEC_OPUS;
    case PRL_RTC_PCMU:
        return PRL_CODEC_PCMU;
    case PRL_RTC_PCMA:
        return PRL_CODEC_PCMA;
    }
    return PRL_CODEC_COUNT;
}

static enum prl_err create_parts(struct prl_leg *leg)
{
    enum prl_err err = prl_voice_in_create(&leg->in, leg->conf.codec);
    if (!err)
        err = prl_voice_out_create(&leg->out, leg->conf.codec, &leg->tuning);
    if (!err)
        err = prl_jitter_create(&leg->jitter, prl_voice_in_codec(leg->in));
    if (!err)
        err = prl_timer_create(&leg->timer, leg->conf.loop, "leg", on_due, leg);
    if (!err)
        prl_jitter_tap(leg->jitter, on_decoded, leg);
    return err;
}

size_t prl_leg_phase(const size_t taken[PRL_LEG_PHASES])
{
    size_t best = 0;
    for (size_t i = 1; i < PRL_LEG_PHASES; i++) {
        size_t phase = i * PHASE_STEP % PRL_LEG_PHASES;
        if (taken[phase] < taken[best])
            best = phase;
    }
    return best;
}

int64_t prl_leg_first_tick_us(int64_t now_us, uint32_t phase_us)
{
    if (phase_us == 0)
        return now_us;
    int64_t past_us = (now_us - phase_us) % PRL_LEG_TICK_US;
    return past_us > 0 ? now_us + PRL_LEG_TICK_US - past_us : now_us - past_us;
}

enum prl_err prl_leg_create(struct prl_leg **out, const struct prl_leg_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->session != NULL && conf->send != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_leg *leg = *out;
    leg->conf = *conf;
    leg->frame_units = prl_codec_clock_hz(conf->codec) / (1000000 / PRL_LEG_TICK_US);
    leg->tuning =
        (struct prl_opus_tuning){.bitrate_bps = BITRATE_FIRST, .complexity = COMPLEXITY_FIRST};
    leg->quiet = leg->unsent = SILENCE_TICKS; // the first tick says that we are there
    enum prl_err err = create_parts(leg);
    if (err) {
        prl_leg_destroy(out);
        return err;
    }
    prl_session_rtp(conf->session, true);
    prl_session_set_playout_delay(conf->session, PRL_LEG_CLIENT_DELAY_MS);
    leg->start_us = prl_leg_first_tick_us(prl_clock_now_us(), conf->phase_us);
    prl_timer_start(leg->timer, leg->start_us);
    return PRL_OK;
}

void prl_leg_destroy(struct prl_leg **leg)
{
    if (!*leg)
        return;
    struct prl_leg *own = *leg;
    if (own->start_us)
        prl_session_rtp(own->conf.session, false);
    prl_timer_destroy(&own->timer);
    prl_jitter_destroy(&own->jitter);
    prl_voice_out_destroy(&own->out);
    prl_voice_in_destroy(&own->in);
    prl_mem_free(own);
    *leg = NULL;
}

// ---- the ring ----

// Ramps `count` samples from `from` on, which are in the ring.
static void ramp(struct prl_leg *leg, size_t from, size_t count, bool down)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = (leg->first + from + i) % PRL_LEG_RING_SAMPLES;
        prl_playout_fade(&leg->ring[at], 1, i, down);
    }
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

void prl_leg_play(struct prl_leg *leg, const int16_t *pcm, size_t samples)
{
    size_t room = PRL_LEG_RING_SAMPLES - leg->count;
    if (samples > room) {
        leg->stats.dropped += samples - room;
        samples = room;
    }
    if (leg->dry && leg->answering)
        leg->stats.underruns++;
    bool fresh = leg->dry && leg->answering && leg->count == 0;
    leg->dry = false;
    for (size_t i = 0; i < samples; i++)
        leg->ring[(leg->first + leg->count + i) % PRL_LEG_RING_SAMPLES] = pcm[i];
    leg->count += samples;
    if (fresh)
        ramp(leg, 0, lesser(samples, FADE), false);
}

void prl_leg_clear(struct prl_leg *leg)
{
    // What a pause has faded already fades no further: the rest of it leaves as it is.
    size_t rest = leg->paused ? leg->hold : lesser(leg->count, FADE);
    if (!leg->paused)
        ramp(leg, 0, rest, true);
    leg->count = leg->cut = rest;
    leg->hold = 0;
    leg->paused = false;
    leg->answering = false;
    leg->dry = false;
}

void prl_leg_pause(struct prl_leg *leg)
{
    if (leg->paused)
        return;
    leg->paused = true;
    leg->hold = lesser(leg->count, FADE);
    ramp(leg, 0, leg->hold, true);
}

void prl_leg_resume(struct prl_leg *leg)
{
    if (!leg->paused)
        return;
    leg->paused = false;
    ramp(leg, leg->hold, lesser(leg->count - leg->hold, FADE), false);
    leg->hold = 0;
}

// Up to one frame of the ring, padded with silence; returns how many samples are the answer's, and in
// *counted how many of these the session is told of.
static size_t take_frame(struct prl_leg *leg, int16_t *pcm, size_t *counted)
{
    size_t count = lesser(leg->count, FRAME);
    if (leg->paused)
        count = lesser(count, leg->hold);
    for (size_t i = 0; i < count; i++)
        pcm[i] = leg->ring[(leg->first + i) % PRL_LEG_RING_SAMPLES];
    memset(pcm + count, 0, (FRAME - count) * sizeof(*pcm));
    leg->first = (leg->first + count) % PRL_LEG_RING_SAMPLES;
    leg->count -= count;
    if (leg->paused)
        leg->hold -= count;
    size_t cut = lesser(leg->cut, count);
    leg->cut -= cut;
    *counted = count - cut;
    if (count < FRAME && !leg->paused) {
        // The sound ends here, for good or because nothing more is made yet: without a click.
        size_t tail = lesser(count, FADE);
        if (cut == 0)
            prl_playout_fade(pcm + count - tail, tail, FADE - tail, true);
        leg->dry = true;
    }
    return count;
}

// ---- outward ----

static void count_pacing(struct prl_leg *leg, int64_t late_us)
{
    size_t bucket = 0;
    while (bucket + 1 < PRL_LEG_PACING_BUCKETS && late_us > BUCKETS_US[bucket])
        bucket++;
    leg->stats.pacing[bucket]++;
    if (late_us > leg->stats.pacing_us_max)
        leg->stats.pacing_us_max = late_us;
    prl_metrics_observe(PRL_METRIC_RTP_PACING, late_us);
}

// Something is sent at this tick: sound, the silence behind it, a sign of life, or G.711.
static bool sends_now(const struct prl_leg *leg)
{
    return leg->quiet <= TAIL_FRAMES || leg->unsent >= SILENCE_TICKS ||
           leg->conf.codec != PRL_CODEC_OPUS;
}

static void speak(struct prl_leg *leg, int64_t due_us)
{
    int16_t pcm[FRAME];
    uint8_t payload[PRL_CODEC_PAYLOAD_MAX];
    size_t counted = 0;
    size_t count = take_frame(leg, pcm, &counted);
    bool marker = count > 0 && leg->quiet > TAIL_FRAMES;
    leg->quiet = count > 0 ? 0 : leg->quiet + 1;
    leg->steady = count == FRAME ? leg->steady + 1 : 0;
    leg->unsent++;
    leg->step += leg->frame_units;
    if (sends_now(leg)) {
        prl_mem_forbid(1);
        size_t size = prl_voice_out_encode(leg->out, pcm, payload);
        prl_mem_forbid(0);
        if (size > 0) {
            leg->units += leg->stats.packets_out ? leg->step : leg->frame_units;
            leg->stats.packets_out++;
            leg->stats.bytes_out += size;
            count_pacing(leg, prl_clock_now_us() - due_us);
            leg->conf.send(leg->conf.send_arg, payload, size, leg->step, marker);
            leg->step = 0;
            leg->unsent = 0;
        }
    }
    if (count > 0)
        prl_session_sounds(leg->conf.session, pcm, FRAME, due_us);
    if (counted > 0)
        prl_session_left(leg->conf.session, counted, due_us);
}

// ---- inward ----

static bool hear_frame(struct prl_leg *leg, int64_t now_us)
{
    struct prl_jitter_frame frame;
    prl_mem_forbid(1);
    bool heard = prl_jitter_take(leg->jitter, now_us, &frame);
    prl_mem_forbid(0);
    if (!heard)
        return false;
    enum prl_err err =
        prl_session_append_at(leg->conf.session, frame.pcm, PRL_JITTER_FRAME_SAMPLES, PRL_JITTER_HZ,
                              frame.arrival_us, frame.kind == PRL_JITTER_CONCEALED);
    leg->stats.refused += err != PRL_OK; // the session is full, or its manual utterance is
    return true;
}

static void hear(struct prl_leg *leg, int64_t due_us)
{
    if (hear_frame(leg, due_us) && prl_jitter_behind(leg->jitter, due_us))
        (void)hear_frame(leg, due_us);
}

void prl_leg_packet(struct prl_leg *leg, const struct prl_rtc_packet *packet)
{
    if (codec_of(packet->codec) != leg->conf.codec) {
        leg->stats.foreign++;
        return;
    }
    struct prl_jitter_packet own = {.seq = packet->seq,
                                    .timestamp = packet->timestamp,
                                    .arrival_us = packet->arrival_us,
                                    .payload = packet->payload,
                                    .size = packet->size};
    prl_jitter_put(leg->jitter, &own);
}

// ---- the clock ----

int prl_leg_complexity(int complexity, const struct prl_leg_look *look)
{
    if (look->late_ticks >= LOAD_LATE_TICKS || look->share > LOAD_SHARE_BUSY)
        return complexity > 2 ? complexity - 2 : 0;
    bool rises = look->calm_looks >= LOAD_CALM_LOOKS && look->share < LOAD_SHARE_CALM;
    return rises && complexity < COMPLEXITY_MAX ? complexity + 1 : complexity;
}

static void follow_load(struct prl_leg *leg, int64_t now_us, int64_t late_us)
{
    struct prl_leg_look *look = &leg->look;
    look->late_ticks += late_us > LOAD_LATE_US;
    if (++leg->looks < LOAD_TICKS)
        return;
    int64_t cpu_us = prl_clock_thread_us();
    if (leg->look_us > 0 && now_us > leg->look_us)
        look->share = (double)(cpu_us - leg->look_cpu_us) / (double)(now_us - leg->look_us);
    leg->look_us = now_us;
    leg->look_cpu_us = cpu_us;
    look->calm_looks = look->late_ticks ? 0 : look->calm_looks + 1;
    int complexity = prl_leg_complexity(leg->tuning.complexity, look);
    if (complexity > leg->tuning.complexity)
        look->calm_looks = 0;
    leg->looks = look->late_ticks = 0;
    if (complexity == leg->tuning.complexity)
        return;
    leg->tuning.complexity = complexity;
    prl_voice_out_tune(leg->out, &leg->tuning);
}

static void on_due(void *arg)
{
    struct prl_leg *leg = arg;
    int64_t now_us = prl_clock_now_us();
    int64_t due = (now_us - leg->start_us) / PRL_LEG_TICK_US - leg->tick + 1;
    follow_load(leg, now_us, now_us - (leg->start_us + leg->tick * PRL_LEG_TICK_US));
    if (due > PRL_LEG_CATCH_UP) {
        int64_t skipped = due - PRL_LEG_CATCH_UP;
        leg->tick += skipped;
        leg->stats.skipped += (uint64_t)skipped;
        // The time that nothing was sent in; a step is a 32-bit number that may wrap.
        leg->step += (uint32_t)skipped * leg->frame_units;
        due = PRL_LEG_CATCH_UP;
    }
    for (; due > 0; due--, leg->tick++) {
        int64_t due_us = leg->start_us + leg->tick * PRL_LEG_TICK_US;
        speak(leg, due_us);
        hear(leg, due_us);
    }
    prl_timer_start(leg->timer, leg->start_us + leg->tick * PRL_LEG_TICK_US);
}

// ---- what the peer and the session say ----

static int64_t bounded(int64_t value, int64_t low, int64_t high)
{
    if (value < low)
        return low;
    return value < high ? value : high;
}

// How long packets are under way. Half a round trip; while sound leaves steadily also by what the peer
// had not received when it reported, half a round trip ago: how much that is more than it was at best
// is a queue on our path alone. (How much it is in all is not known: what we send before the connection
// stands goes nowhere.)
static int64_t flight_us(struct prl_leg *leg, const struct prl_rtc_report *report)
{
    if (report->rtt_us < 0)
        return 0;
    int64_t half_us = report->rtt_us / 2;
    if (report->delivered < 0 || leg->steady < STEADY_TICKS)
        return half_us;
    int64_t missing = (int64_t)leg->units - report->delivered;
    int64_t age_us = missing * PRL_LEG_TICK_US / leg->frame_units - half_us;
    leg->age_us_least += AGE_FORGET_US;
    if (!leg->aged || age_us < leg->age_us_least)
        leg->age_us_least = age_us;
    leg->aged = true;
    return half_us + bounded(age_us - leg->age_us_least, 0, FLIGHT_EXTRA_US);
}

void prl_leg_report(struct prl_leg *leg, const struct prl_rtc_report *report)
{
    struct prl_opus_tuning tuning = leg->tuning;
    if (report->bitrate_bps > 0)
        tuning.bitrate_bps = (uint32_t)bounded(report->bitrate_bps, BITRATE_MIN, BITRATE_MAX);
    tuning.fec = report->fec_loss_percent > 0;
    tuning.loss_percent = report->fec_loss_percent;
    if (tuning.bitrate_bps != leg->tuning.bitrate_bps || tuning.fec != leg->tuning.fec ||
        tuning.loss_percent != leg->tuning.loss_percent) {
        leg->tuning = tuning;
        prl_voice_out_tune(leg->out, &tuning);
    }
    int64_t client_us = PRL_LEG_CLIENT_DELAY_MS * INT64_C(1000);
    if (report->jitter_out_us > JITTER_FREE_US / 2)
        client_us += bounded(2 * report->jitter_out_us - JITTER_FREE_US, 0, FLIGHT_EXTRA_US);
    leg->stats.flight_us = flight_us(leg, report);
    prl_session_set_playout_delay(leg->conf.session,
                                  (uint32_t)((leg->stats.flight_us + client_us) / 1000));
}

void prl_leg_on_session(struct prl_leg *leg, const struct prl_session_event *event)
{
    if (event->response && event->response->out_of_band && !event->response->filler)
        return;
    switch ((int)event->type) {
    case PRL_SESSION_OUTPUT_STARTED:
        leg->answering = true;
        leg->dry = false;
        break;
    case PRL_SESSION_OUTPUT_AUDIO:
        prl_leg_play(leg, event->pcm, event->samples);
        break;
    case PRL_SESSION_OUTPUT_PAUSED:
        prl_leg_pause(leg);
        break;
    case PRL_SESSION_OUTPUT_RESUMED:
        prl_leg_resume(leg);
        break;
    case PRL_SESSION_OUTPUT_STOPPED:
        leg->answering = false;
        break;
    case PRL_SESSION_OUTPUT_CLEARED:
        prl_leg_clear(leg);
        break;
    default:
        break;
    }
}

void prl_leg_stats(const struct prl_leg *leg, struct prl_leg_stats *stats)
{
    *stats = leg->stats;
    prl_jitter_stats(leg->jitter, &stats->in);
    stats->queued_samples = (uint32_t)leg->count;
    stats->bitrate_bps = leg->tuning.bitrate_bps;
    stats->complexity = leg->tuning.complexity;
}

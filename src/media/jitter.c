// jitter.c -- see jitter.h. Packets wait in media/window.h (put). Each tick (take) fills a short line
// of decoded samples from there, or from what hides a hole, corrects its length towards the
// time that media/delay.h wants, and cuts 20 ms off its head.
//
// `at` is the media position of the next sample to be put into the line. Sound that hides a gap whose
// length nobody knows yet does not move it: when the missing packet comes late after all, it is played,
// and the line is shortened later; when it proves lost, what was made up already counts for it.
#include "media/jitter.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/delay.h"
#include "media/stretch.h"
#include "media/window.h"

enum {
    UNIT = 40, // 2.5 ms: what decoders conceal in
    LINE_MAX = PRL_JITTER_FRAME_SAMPLES + PRL_JITTER_PACKET_SAMPLES + 2 * PRL_STRETCH_PERIOD_MAX,
    LOOK_SAMPLES = PRL_JITTER_FRAME_SAMPLES + PRL_STRETCH_PERIOD_MAX,
    HIDE_SAMPLES = 1600,   // 100 ms: longer than this nothing believable can be made up
    SILENT_SAMPLES = 3200, // 200 ms: from here on a stalled line is plain silence
    EARLY_US = 10000,      // too early by this: the line is made longer
    LATE_SILENT_US = 5000, // too late by this: silence is made shorter
    LATE_US = 30000,       // and speech
    LATE_MUCH_US = 80000,  // speech in a hurry
    BEHIND_US = 200000,    // two frames a tick
    REST_FRAMES = 3,       // between two changes of speech
    SILENCE_DB = -60,
    ABOVE_NOISE_DB = 6,
    SMOOTH = 16,
    ROUNDS_MAX = 4 * PRL_JITTER_PACKETS_MAX
};

static const float MATCH = 0.85F;
static const float MATCH_IN_A_HURRY = 0.6F;
static const float NOISE_RISE_DB = 0.05F; // a frame: 2.5 dB a second

struct prl_jitter {
    struct prl_jitter_codec codec;
    prl_jitter_tap_fn tap; // may be NULL
    void *tap_arg;
    struct prl_delay delay;
    struct prl_jitter_stats stats;
    struct prl_window *window; // owned
    // The line.
    bool begun; // a packet has come
    bool playing;
    int64_t at;
    int16_t line[LINE_MAX];
    size_t count;
    int64_t arrival_us;        // of the packet whose samples stand at the head
    int64_t tail_arrival_us;   // and of the last one decoded
    size_t covered;            // samples made up since the last packet, not counted in `at`
    size_t hidden;             // samples made up in a row
    bool silent;               // the last packet was a sign of silence
    bool passed;               // packets were discarded: the hole behind them is not to be filled
    enum prl_jitter_kind kind; // of the frame in the making
    float noise_db;
    int rest;
    int64_t waited_us; // smoothed, of decoded samples
};

_Static_assert((int)PRL_JITTER_PACKETS_MAX == (int)PRL_WINDOW_PACKETS &&
                   (int)PRL_JITTER_PACKET_SIZE_MAX == (int)PRL_WINDOW_SIZE_MAX,
               "what is promised is there");

static int64_t us_of(int64_t samples)
{
    return samples * (1000000 / UNIT) / (PRL_JITTER_HZ / UNIT);
}

static int64_t samples_of(int64_t us)
{
    return us * (PRL_JITTER_HZ / UNIT) / (1000000 / UNIT);
}

enum prl_err prl_jitter_create(struct prl_jitter **out, const struct prl_jitter_codec *codec)
{
    PRL_CHECK(out != NULL && codec != NULL && codec->clock_hz > 0);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->codec = *codec;
    (*out)->noise_db = SILENCE_DB;
    prl_delay_init(&(*out)->delay);
    enum prl_err err = prl_window_create(&(*out)->window, codec->clock_hz, PRL_JITTER_HZ);
    if (err)
        prl_jitter_destroy(out);
    return err;
}

void prl_jitter_destroy(struct prl_jitter **jitter)
{
    if (!*jitter)
        return;
    prl_window_destroy(&(*jitter)->window);
    prl_mem_free(*jitter);
    *jitter = NULL;
}

void prl_jitter_tap(struct prl_jitter *jitter, prl_jitter_tap_fn fn, void *arg)
{
    PRL_CHECK(jitter != NULL);
    jitter->tap = fn;
    jitter->tap_arg = arg;
}

// ---- packets come ----

// With protection in the packet behind it a single lost one is late rather than lost.
static void count_spare(struct prl_jitter *jitter, const struct prl_window_packet *packet)
{
    int64_t next = prl_window_next(jitter->window);
    bool alone = packet->seq - 1 >= next && !prl_window_holds(jitter->window, packet->seq - 1) &&
                 (packet->seq - 2 < next || prl_window_holds(jitter->window, packet->seq - 2));
    if (alone && jitter->codec.protects(jitter->codec.arg, packet->payload, packet->size))
        prl_delay_add_spare(&jitter->delay, us_of(packet->at - packet->samples),
                            packet->arrival_us);
}

static void keep(struct prl_jitter *jitter, const struct prl_window_place *place,
                 const struct prl_jitter_packet *packet, size_t samples)
{
    int64_t next = prl_window_next(jitter->window);
    struct prl_window_packet *kept = prl_window_keep(jitter->window, place, packet->size,
                                                     &jitter->stats.discarded, &jitter->stats.lost);
    jitter->passed = jitter->passed || prl_window_next(jitter->window) != next;
    kept->silent = jitter->codec.silent(jitter->codec.arg, packet->payload, packet->size);
    kept->arrival_us = packet->arrival_us;
    kept->samples = (uint16_t)samples;
    memcpy(kept->payload, packet->payload, packet->size);
    count_spare(jitter, kept);
}

static void sort_in(struct prl_jitter *jitter, const struct prl_jitter_packet *packet,
                    size_t samples)
{
    struct prl_window_place place =
        prl_window_place(jitter->window, packet->seq, packet->timestamp, !jitter->playing);
    if (place.anew) {
        jitter->stats.resets += jitter->begun;
        jitter->begun = true;
        jitter->playing = false;
    }
    if (place.fate == PRL_WINDOW_FITS || place.fate == PRL_WINDOW_LATE)
        jitter->stats.resets +=
            prl_delay_add(&jitter->delay, us_of(place.at), packet->arrival_us) && !place.anew;
    switch (place.fate) {
    case PRL_WINDOW_FITS:
        keep(jitter, &place, packet, samples);
        break;
    case PRL_WINDOW_DUPLICATE:
        jitter->stats.duplicate++;
        break;
    case PRL_WINDOW_LATE:
        jitter->stats.late++;
        break;
    case PRL_WINDOW_WILD:
        jitter->stats.invalid++;
        break;
    }
}

void prl_jitter_put(struct prl_jitter *jitter, const struct prl_jitter_packet *packet)
{
    jitter->stats.received++;
    size_t samples = 0;
    if (packet->size > 0 && packet->size <= PRL_JITTER_PACKET_SIZE_MAX)
        samples = jitter->codec.samples(jitter->codec.arg, packet->payload, packet->size);
    if (samples == 0 || samples > PRL_JITTER_PACKET_SAMPLES)
        jitter->stats.invalid++;
    else
        sort_in(jitter, packet, samples);
}

// ---- the line is filled ----

static enum prl_jitter_kind worst(enum prl_jitter_kind a, enum prl_jitter_kind b)
{
    return a > b ? a : b;
}

// Room for `samples` at the end of the line.
static int16_t *room(struct prl_jitter *jitter, size_t samples)
{
    PRL_CHECK(jitter->count + samples <= LINE_MAX);
    return jitter->line + jitter->count;
}

static void push(struct prl_jitter *jitter, size_t samples, enum prl_jitter_kind kind)
{
    jitter->count += samples;
    jitter->kind = worst(jitter->kind, kind);
    switch (kind) {
    case PRL_JITTER_COMFORT:
        jitter->stats.comfort += samples;
        break;
    case PRL_JITTER_CONCEALED:
        jitter->stats.concealed += samples;
        break;
    case PRL_JITTER_RECOVERED:
        jitter->stats.recovered += samples;
        break;
    case PRL_JITTER_NONE:
    case PRL_JITTER_DECODED:
    case PRL_JITTER_STRETCHED:
        break;
    }
}

static void arrived(struct prl_jitter *jitter, int64_t arrival_us)
{
    if (jitter->count == 0)
        jitter->arrival_us = arrival_us;
    jitter->tail_arrival_us = arrival_us;
}

// The newest `samples` of the line are the sender's own.
static void show(struct prl_jitter *jitter, size_t samples, int64_t at, int64_t arrival_us)
{
    if (jitter->tap && samples > 0)
        jitter->tap(jitter->tap_arg, jitter->line + jitter->count - samples, samples, at,
                    arrival_us);
}

// Makes up `samples`, a multiple of UNIT; after a while of that, silence.
static void make_up(struct prl_jitter *jitter, size_t samples, bool comfort)
{
    if (samples == 0)
        return;
    int16_t *pcm = room(jitter, samples);
    bool believable = jitter->hidden < HIDE_SAMPLES;
    if (jitter->silent || jitter->hidden < SILENT_SAMPLES) {
        jitter->codec.conceal(jitter->codec.arg, pcm, samples);
        for (size_t i = 0;
             i < samples && !jitter->silent && jitter->hidden + samples >= SILENT_SAMPLES; i++)
            pcm[i] = (int16_t)(pcm[i] * (int32_t)(samples - i) / (int32_t)samples);
    } else {
        memset(pcm, 0, samples * sizeof(*pcm));
    }
    jitter->hidden += samples;
    push(jitter, samples,
         comfort || jitter->silent || !believable ? PRL_JITTER_COMFORT : PRL_JITTER_CONCEALED);
}

static size_t units(int64_t samples, size_t most)
{
    if (samples <= 0)
        return 0;
    size_t count = (uint64_t)samples < most ? (size_t)samples : most;
    return (count + UNIT - 1) / UNIT * UNIT;
}

// Samples that the packet's sound should still wait behind what is in the line.
static int64_t wait_for(const struct prl_jitter *jitter, const struct prl_window_packet *packet,
                        int64_t now_us)
{
    int64_t leaves_us = now_us + us_of((int64_t)jitter->count);
    int64_t wait = samples_of(prl_delay_due_us(&jitter->delay, us_of(packet->at)) - leaves_us);
    return wait < PRL_JITTER_HZ ? wait : 0; // a second: time began anew behind this packet
}

// The packet that is next in number. False: nothing was put into the line.
static bool play(struct prl_jitter *jitter, const struct prl_window_packet *packet, bool must,
                 int64_t now_us)
{
    int64_t gap = packet->at - jitter->at;
    if (gap < 0 && gap > -PRL_JITTER_HZ && gap + packet->samples <= 0) {
        jitter->stats.late++; // it came while its place was being filled
        (void)prl_window_step(jitter->window);
        return true;
    }
    if (gap >= UNIT || gap <= -PRL_JITTER_HZ) {
        // Time went on without packets (silence), or began anew: its time stamp says when.
        int64_t wait = wait_for(jitter, packet, now_us);
        if (wait >= UNIT && !must)
            return false;
        size_t samples = units(wait, PRL_JITTER_FRAME_SAMPLES);
        if (wait >= UNIT) {
            make_up(jitter, samples, true);
            jitter->at = packet->at - (wait > (int64_t)samples ? wait - (int64_t)samples : 0);
            return true;
        }
    }
    arrived(jitter, packet->arrival_us);
    size_t samples = jitter->codec.decode(jitter->codec.arg, packet->payload, packet->size,
                                          room(jitter, packet->samples));
    jitter->stats.invalid += samples == 0;
    jitter->silent = packet->silent;
    jitter->hidden = 0;
    jitter->covered = 0;
    jitter->passed = false;
    push(jitter, samples, packet->silent ? PRL_JITTER_COMFORT : PRL_JITTER_DECODED);
    show(jitter, samples, packet->at, packet->arrival_us);
    jitter->at = packet->at + packet->samples;
    (void)prl_window_step(jitter->window);
    return true;
}

// A number that never came.
static void pass(struct prl_jitter *jitter)
{
    (void)prl_window_step(jitter->window);
    jitter->stats.lost++;
}

// The number that is next has not come, `packet` behind it has.
static void fill_hole(struct prl_jitter *jitter, const struct prl_window_packet *packet)
{
    int64_t hole = packet->at - jitter->at;
    int64_t numbers = packet->seq - prl_window_next(jitter->window);
    bool whole = hole >= UNIT && hole <= PRL_JITTER_PACKET_SAMPLES && hole % UNIT == 0;
    if (numbers == 1 && whole &&
        jitter->codec.protects(jitter->codec.arg, packet->payload, packet->size)) {
        arrived(jitter, packet->arrival_us);
        jitter->codec.recover(jitter->codec.arg, packet->payload, packet->size,
                              room(jitter, (size_t)hole), (size_t)hole);
        push(jitter, (size_t)hole, PRL_JITTER_RECOVERED);
        show(jitter, (size_t)hole, jitter->at, packet->arrival_us);
        jitter->hidden = 0;
        jitter->covered = 0;
        jitter->at += hole;
        pass(jitter);
        return;
    }
    if (numbers > 1 && hole >= UNIT && hole <= packet->samples) {
        pass(jitter); // what is left belongs to the last one, which protection may bring back
        return;
    }
    size_t piece = units(numbers > 1 ? hole - packet->samples : hole, PRL_JITTER_FRAME_SAMPLES);
    if (hole < UNIT || jitter->passed || jitter->hidden >= HIDE_SAMPLES) {
        while (prl_window_next(jitter->window) < packet->seq)
            pass(jitter);
    } else {
        size_t covered = jitter->covered < piece ? jitter->covered : piece;
        jitter->covered -= covered;
        make_up(jitter, piece - covered, false);
        jitter->at += (int64_t)piece;
    }
}

// Nothing has come that could be played.
static void stall(struct prl_jitter *jitter)
{
    if (jitter->hidden == 0 && !jitter->silent)
        jitter->stats.underruns++;
    size_t samples = units(PRL_JITTER_FRAME_SAMPLES - (int64_t)jitter->count, LINE_MAX);
    make_up(jitter, samples, false);
    jitter->covered += samples;
}

// Fills the line up to `samples`; unless they must be there, only with what has come.
static void fill(struct prl_jitter *jitter, size_t samples, bool must, int64_t now_us)
{
    // Each round puts something in or moves on in number or time; the bound is for peace of mind.
    for (size_t round = 0; jitter->count < samples && round < ROUNDS_MAX; round++) {
        const struct prl_window_packet *packet = prl_window_first(jitter->window);
        bool next = packet && packet->seq == prl_window_next(jitter->window);
        if (next) {
            if (!play(jitter, packet, must, now_us))
                return;
        } else if (!must) {
            return;
        } else if (packet) {
            fill_hole(jitter, packet);
        } else {
            stall(jitter);
        }
    }
}

// ---- and kept at its length ----

// How much later than wanted the head of the line leaves; negative: earlier.
static int64_t lateness_us(const struct prl_jitter *jitter, int64_t now_us)
{
    int64_t head = jitter->at - (int64_t)jitter->count;
    return now_us - prl_delay_due_us(&jitter->delay, us_of(head));
}

static bool is_silence(struct prl_jitter *jitter)
{
    int level_db = prl_stretch_level_db(jitter->line, jitter->count);
    jitter->noise_db += NOISE_RISE_DB;
    if ((float)level_db < jitter->noise_db)
        jitter->noise_db = (float)level_db;
    return level_db < SILENCE_DB || (float)level_db < jitter->noise_db + ABOVE_NOISE_DB;
}

static void shorten(struct prl_jitter *jitter, int64_t late_us, bool silence)
{
    float match = late_us > LATE_MUCH_US ? MATCH_IN_A_HURRY : MATCH;
    size_t before = jitter->count;
    size_t most = before - PRL_JITTER_FRAME_SAMPLES;
    if (silence) {
        int64_t wanted = samples_of(late_us);
        size_t less = (uint64_t)wanted < most ? (size_t)wanted : most;
        less = less < before / 2 ? less : before / 2 - 1;
        jitter->count = prl_stretch_cut(jitter->line, before, less);
    } else if (before >= PRL_JITTER_FRAME_SAMPLES + PRL_STRETCH_PERIOD_MAX) {
        jitter->count = prl_stretch_shorter(jitter->line, before, match);
    }
    jitter->stats.removed += before - jitter->count;
}

static void lengthen(struct prl_jitter *jitter, bool silence)
{
    if (jitter->count < PRL_STRETCH_SAMPLES || jitter->count + PRL_STRETCH_PERIOD_MAX > LINE_MAX)
        return;
    size_t before = jitter->count;
    jitter->count = prl_stretch_longer(jitter->line, before, silence ? 0.0F : MATCH);
    jitter->stats.added += jitter->count - before;
}

static void correct(struct prl_jitter *jitter, int64_t now_us)
{
    if (jitter->rest > 0)
        jitter->rest--;
    bool silence = is_silence(jitter);
    if (jitter->kind > PRL_JITTER_COMFORT || jitter->hidden > 0)
        return;
    int64_t late_us = lateness_us(jitter, now_us);
    int64_t limit_us = silence ? LATE_SILENT_US : LATE_US;
    if (late_us < limit_us && late_us > -EARLY_US)
        return;
    if (jitter->rest > 0 && !silence && late_us < LATE_MUCH_US)
        return;
    fill(jitter, LOOK_SAMPLES, false, now_us);
    size_t before = jitter->count;
    if (late_us > 0 && before > PRL_JITTER_FRAME_SAMPLES)
        shorten(jitter, late_us, silence);
    else if (late_us < 0)
        lengthen(jitter, silence);
    if (jitter->count == before)
        return;
    jitter->rest = REST_FRAMES;
    jitter->kind = worst(jitter->kind, PRL_JITTER_STRETCHED);
}

static void cut_frame(struct prl_jitter *jitter, int64_t now_us, struct prl_jitter_frame *frame)
{
    frame->kind = jitter->kind;
    if (jitter->kind == PRL_JITTER_COMFORT || jitter->kind == PRL_JITTER_CONCEALED) {
        frame->arrival_us = now_us - jitter->waited_us;
    } else {
        frame->arrival_us = jitter->arrival_us;
        jitter->waited_us += (now_us - jitter->arrival_us - jitter->waited_us) / SMOOTH;
    }
    memcpy(frame->pcm, jitter->line, sizeof(frame->pcm));
    jitter->count -= PRL_JITTER_FRAME_SAMPLES;
    memmove(jitter->line, jitter->line + PRL_JITTER_FRAME_SAMPLES,
            jitter->count * sizeof(*jitter->line));
    jitter->arrival_us = jitter->tail_arrival_us;
    jitter->stats.samples += PRL_JITTER_FRAME_SAMPLES;
}

bool prl_jitter_take(struct prl_jitter *jitter, int64_t now_us, struct prl_jitter_frame *frame)
{
    jitter->kind = PRL_JITTER_DECODED;
    if (!jitter->playing) {
        const struct prl_window_packet *packet = prl_window_first(jitter->window);
        bool due = packet && wait_for(jitter, packet, now_us) <= 0;
        if (due) {
            jitter->playing = true;
            jitter->at = packet->at;
            prl_window_start(jitter->window, packet->seq);
        } else if (jitter->stats.samples == 0) {
            memset(frame->pcm, 0, sizeof(frame->pcm));
            frame->kind = PRL_JITTER_NONE;
            frame->arrival_us = now_us;
            return false;
        } else {
            stall(jitter);
        }
    }
    if (jitter->playing) {
        fill(jitter, PRL_JITTER_FRAME_SAMPLES, true, now_us);
        correct(jitter, now_us);
    }
    while (jitter->count < PRL_JITTER_FRAME_SAMPLES)
        make_up(jitter, UNIT, false); // a packet that promised more than it held
    cut_frame(jitter, now_us, frame);
    return true;
}

bool prl_jitter_behind(const struct prl_jitter *jitter, int64_t now_us)
{
    return jitter->playing && prl_window_count(jitter->window) > 1 &&
           lateness_us(jitter, now_us) >= BEHIND_US;
}

void prl_jitter_stats(const struct prl_jitter *jitter, struct prl_jitter_stats *stats)
{
    *stats = jitter->stats;
    stats->delay_us = jitter->waited_us;
    stats->target_us = prl_delay_target_us(&jitter->delay);
    stats->packets = prl_window_count(jitter->window);
}

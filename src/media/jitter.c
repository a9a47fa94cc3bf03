// jitter.c -- see jitter.h. Packets wait in a window of numbers (put). Each tick (take) fills a short
// line of decoded samples from the window, or from what hides a hole, corrects its length towards the
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

enum {
    UNIT = 40, // 2.5 ms: what decoders conceal in
    LINE_MAX = PRL_JITTER_FRAME_SAMPLES + PRL_JITTER_PACKET_SAMPLES + 2 * PRL_STRETCH_PERIOD_MAX,
    LOOK_SAMPLES = PRL_JITTER_FRAME_SAMPLES + PRL_STRETCH_PERIOD_MAX,
    JUMP_AHEAD = 3000,     // numbers, RFC 3550 A.1
    JUMP_BACK = 100,       // the same
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

struct slot {
    bool used;
    bool silent;
    int64_t seq;
    int64_t at; // samples
    int64_t arrival_us;
    uint16_t samples;
    uint16_t size;
    uint8_t payload[PRL_JITTER_PACKET_SIZE_MAX];
};

struct prl_jitter {
    struct prl_jitter_codec codec;
    struct prl_delay delay;
    struct prl_jitter_stats stats;
    // Numbers and time stamps, without their wraps.
    bool begun;         // a packet has come
    int64_t seq_next;   // to be played
    int64_t seq_high;   // newest that came
    int64_t stamp_high; // time stamp of the newest, clock units
    uint64_t came;      // bit i: number seq_next - 1 - i had come
    int32_t seq_proof;  // a number that would prove a new beginning; -1: none
    size_t packets;     // used slots
    // The line.
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
    struct slot slots[PRL_JITTER_PACKETS_MAX];
};

_Static_assert((PRL_JITTER_PACKETS_MAX & (PRL_JITTER_PACKETS_MAX - 1)) == 0, "a power of two");
_Static_assert(PRL_JITTER_PACKETS_MAX == 64, "`came` has a bit for each");

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
    (*out)->seq_proof = -1;
    (*out)->noise_db = SILENCE_DB;
    prl_delay_init(&(*out)->delay);
    return PRL_OK;
}

void prl_jitter_destroy(struct prl_jitter **jitter)
{
    prl_mem_free(*jitter);
    *jitter = NULL;
}

// ---- packets come ----

static struct slot *slot_of(struct prl_jitter *jitter, int64_t seq)
{
    return &jitter->slots[(uint64_t)seq % PRL_JITTER_PACKETS_MAX];
}

static struct slot *held(struct prl_jitter *jitter, int64_t seq)
{
    struct slot *slot = slot_of(jitter, seq);
    return slot->used && slot->seq == seq ? slot : NULL;
}

static void release(struct prl_jitter *jitter, struct slot *slot)
{
    if (slot->used)
        jitter->packets--;
    slot->used = false;
}

// One number on; `came` remembers whether it was there.
static void step(struct prl_jitter *jitter, bool came)
{
    release(jitter, slot_of(jitter, jitter->seq_next));
    jitter->came = jitter->came << 1 | came;
    jitter->seq_next++;
    jitter->stats.lost += !came;
}

static void begin(struct prl_jitter *jitter, const struct prl_jitter_packet *packet)
{
    for (size_t i = 0; i < PRL_JITTER_PACKETS_MAX; i++)
        release(jitter, &jitter->slots[i]);
    jitter->stats.resets += jitter->begun;
    jitter->begun = true;
    // Far from 0, so that what comes from before the first packet has a number too.
    jitter->seq_next = jitter->seq_high = packet->seq + (int64_t)UINT16_MAX + 1;
    jitter->stamp_high = packet->timestamp;
    jitter->came = 0;
    jitter->seq_proof = -1;
    jitter->playing = false;
}

// RFC 3550 A.1: a wild number is believed when the next one follows it.
static bool in_sequence(struct prl_jitter *jitter, const struct prl_jitter_packet *packet)
{
    int16_t ahead = (int16_t)(packet->seq - (uint16_t)jitter->seq_high);
    if (jitter->begun && ahead <= JUMP_AHEAD && ahead >= -JUMP_BACK) {
        jitter->seq_proof = -1;
        return true;
    }
    bool proven = jitter->seq_proof == packet->seq;
    jitter->seq_proof = (uint16_t)(packet->seq + 1);
    if (jitter->begun && !proven)
        return false;
    begin(jitter, packet);
    return true;
}

// Makes room for number `seq`: the oldest packets go.
static void make_room(struct prl_jitter *jitter, int64_t seq)
{
    if (seq - jitter->seq_next < PRL_JITTER_PACKETS_MAX)
        return;
    jitter->passed = true;
    int64_t first = seq - PRL_JITTER_PACKETS_MAX + 1;
    if (first - jitter->seq_next > PRL_JITTER_PACKETS_MAX) {
        for (size_t i = 0; i < PRL_JITTER_PACKETS_MAX; i++) {
            jitter->stats.discarded += jitter->slots[i].used;
            release(jitter, &jitter->slots[i]);
        }
        jitter->stats.lost += (uint64_t)(first - jitter->seq_next);
        jitter->came = 0;
        jitter->seq_next = first;
    }
    while (jitter->seq_next < first) {
        bool came = held(jitter, jitter->seq_next) != NULL;
        jitter->stats.discarded += came;
        step(jitter, came);
    }
}

// Its number has been passed already.
static void late(struct prl_jitter *jitter, int64_t seq)
{
    int64_t back = jitter->seq_next - 1 - seq;
    if (back < PRL_JITTER_PACKETS_MAX && jitter->came >> back & 1) {
        jitter->stats.duplicate++;
        return;
    }
    jitter->stats.late++;
    if (back < PRL_JITTER_PACKETS_MAX)
        jitter->came |= UINT64_C(1) << back;
}

static void keep(struct prl_jitter *jitter, const struct prl_jitter_packet *packet, int64_t seq,
                 int64_t at, size_t samples)
{
    struct slot *slot = slot_of(jitter, seq);
    PRL_DCHECK(!slot->used);
    slot->used = true;
    slot->silent = jitter->codec.silent(jitter->codec.arg, packet->payload, packet->size);
    slot->seq = seq;
    slot->at = at;
    slot->arrival_us = packet->arrival_us;
    slot->samples = (uint16_t)samples;
    slot->size = (uint16_t)packet->size;
    memcpy(slot->payload, packet->payload, packet->size);
    jitter->packets++;
    // With protection in the packet behind it a lost one is late rather than lost.
    const struct slot *two_before = held(jitter, seq - 2);
    if (seq - 1 >= jitter->seq_next && !held(jitter, seq - 1) &&
        (two_before || seq - 2 < jitter->seq_next) &&
        jitter->codec.protects(jitter->codec.arg, packet->payload, packet->size))
        prl_delay_add_spare(&jitter->delay, us_of(at - (int64_t)samples), packet->arrival_us);
}

void prl_jitter_put(struct prl_jitter *jitter, const struct prl_jitter_packet *packet)
{
    jitter->stats.received++;
    size_t samples = 0;
    if (packet->size > 0 && packet->size <= PRL_JITTER_PACKET_SIZE_MAX)
        samples = jitter->codec.samples(jitter->codec.arg, packet->payload, packet->size);
    if (samples == 0 || samples > PRL_JITTER_PACKET_SAMPLES || !in_sequence(jitter, packet)) {
        jitter->stats.invalid++;
        return;
    }
    int64_t seq = jitter->seq_high + (int16_t)(packet->seq - (uint16_t)jitter->seq_high);
    int64_t stamp =
        jitter->stamp_high + (int32_t)(packet->timestamp - (uint32_t)jitter->stamp_high);
    int64_t at = stamp * PRL_JITTER_HZ / jitter->codec.clock_hz;
    if (held(jitter, seq)) {
        jitter->stats.duplicate++;
        return;
    }
    if (seq > jitter->seq_high) {
        jitter->seq_high = seq;
        jitter->stamp_high = stamp;
    }
    bool again = seq < jitter->seq_next && jitter->seq_next - 1 - seq < PRL_JITTER_PACKETS_MAX &&
                 jitter->came >> (jitter->seq_next - 1 - seq) & 1;
    if (!again)
        jitter->stats.resets += prl_delay_add(&jitter->delay, us_of(at), packet->arrival_us);
    if (!jitter->playing && seq < jitter->seq_next && jitter->packets > 0 &&
        jitter->seq_high - seq < PRL_JITTER_PACKETS_MAX && !again)
        jitter->seq_next = seq; // nothing has been played yet
    if (seq < jitter->seq_next) {
        late(jitter, seq);
        return;
    }
    make_room(jitter, seq);
    keep(jitter, packet, seq, at, samples);
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
static int64_t wait_for(const struct prl_jitter *jitter, const struct slot *slot, int64_t now_us)
{
    int64_t leaves_us = now_us + us_of((int64_t)jitter->count);
    int64_t wait = samples_of(prl_delay_due_us(&jitter->delay, us_of(slot->at)) - leaves_us);
    return wait < PRL_JITTER_HZ ? wait : 0; // a second: time began anew behind this packet
}

// The packet that is next in number. False: nothing was put into the line.
static bool play(struct prl_jitter *jitter, struct slot *slot, bool must, int64_t now_us)
{
    int64_t gap = slot->at - jitter->at;
    if (gap < 0 && gap > -PRL_JITTER_HZ && gap + slot->samples <= 0) {
        jitter->stats.late++; // it came while its place was being filled
        step(jitter, true);
        return true;
    }
    if (gap >= UNIT || gap <= -PRL_JITTER_HZ) {
        // Time went on without packets (silence), or began anew: its time stamp says when.
        int64_t wait = wait_for(jitter, slot, now_us);
        if (wait >= UNIT && !must)
            return false;
        size_t samples = units(wait, PRL_JITTER_FRAME_SAMPLES);
        if (wait >= UNIT) {
            make_up(jitter, samples, true);
            jitter->at = slot->at - (wait > (int64_t)samples ? wait - (int64_t)samples : 0);
            return true;
        }
    }
    arrived(jitter, slot->arrival_us);
    size_t samples = jitter->codec.decode(jitter->codec.arg, slot->payload, slot->size,
                                          room(jitter, slot->samples));
    jitter->stats.invalid += samples == 0;
    jitter->silent = slot->silent;
    jitter->hidden = 0;
    jitter->covered = 0;
    jitter->passed = false;
    push(jitter, samples, slot->silent ? PRL_JITTER_COMFORT : PRL_JITTER_DECODED);
    jitter->at = slot->at + slot->samples;
    step(jitter, true);
    return true;
}

// The number that is next has not come, `slot` behind it has.
static void fill_hole(struct prl_jitter *jitter, const struct slot *slot)
{
    int64_t hole = slot->at - jitter->at;
    int64_t numbers = slot->seq - jitter->seq_next;
    bool whole = hole >= UNIT && hole <= PRL_JITTER_PACKET_SAMPLES && hole % UNIT == 0;
    if (numbers == 1 && whole &&
        jitter->codec.protects(jitter->codec.arg, slot->payload, slot->size)) {
        arrived(jitter, slot->arrival_us);
        jitter->codec.recover(jitter->codec.arg, slot->payload, slot->size,
                              room(jitter, (size_t)hole), (size_t)hole);
        push(jitter, (size_t)hole, PRL_JITTER_RECOVERED);
        jitter->hidden = 0;
        jitter->covered = 0;
        jitter->at += hole;
        step(jitter, false);
        return;
    }
    if (numbers > 1 && hole >= UNIT && hole <= slot->samples) {
        step(jitter,
             false); // what is left belongs to the last one, which protection may bring back
        return;
    }
    size_t piece = units(numbers > 1 ? hole - slot->samples : hole, PRL_JITTER_FRAME_SAMPLES);
    if (hole < UNIT || jitter->passed || jitter->hidden >= HIDE_SAMPLES) {
        while (jitter->seq_next < slot->seq)
            step(jitter, false);
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

static struct slot *first_held(struct prl_jitter *jitter)
{
    for (int64_t seq = jitter->seq_next; jitter->packets > 0 && seq <= jitter->seq_high; seq++)
        if (held(jitter, seq))
            return slot_of(jitter, seq);
    return NULL;
}

// Fills the line up to `samples`; unless they must be there, only with what has come.
static void fill(struct prl_jitter *jitter, size_t samples, bool must, int64_t now_us)
{
    // Each round puts something in or moves on in number or time; the bound is for peace of mind.
    for (size_t round = 0; jitter->count < samples && round < ROUNDS_MAX; round++) {
        struct slot *slot = first_held(jitter);
        bool next = slot && slot->seq == jitter->seq_next;
        if (next) {
            if (!play(jitter, slot, must, now_us))
                return;
        } else if (!must) {
            return;
        } else if (slot) {
            fill_hole(jitter, slot);
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
        const struct slot *slot = first_held(jitter);
        bool due = slot && wait_for(jitter, slot, now_us) <= 0;
        if (due) {
            jitter->playing = true;
            jitter->at = slot->at;
            jitter->seq_next = slot->seq;
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
    return jitter->playing && jitter->packets > 1 && lateness_us(jitter, now_us) >= BEHIND_US;
}

void prl_jitter_stats(const struct prl_jitter *jitter, struct prl_jitter_stats *stats)
{
    *stats = jitter->stats;
    stats->delay_us = jitter->waited_us;
    stats->target_us = prl_delay_target_us(&jitter->delay);
    stats->packets = jitter->packets;
}

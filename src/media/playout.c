// playout.c -- see playout.h. Two positions move in real time: `played` paces the sending, and
// `heard` follows it behind the playout delay. Both stand still where nothing was sent.
#include "media/playout.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    LEAD_MS_MIN = 20,
    LEAD_MS_MAX = 10000,
    DELAY_MS_MAX = 10000,
    US_PER_S = 1000000,
    PASSED_MAX = 64 // remembered frames of 20 ms: 1.28 s, beyond any delay of a live call
};

// A reader that empties a buffer of `sent` samples in real time.
struct reader {
    uint64_t at;      // samples read
    int64_t since_us; // `base` was read at this time, while it reads
    uint64_t base;
    bool reading;
};

// Samples that were passed on at one moment.
struct passed {
    uint64_t from;
    uint64_t count;
    int64_t at_us;
};

struct prl_playout {
    struct prl_playout_conf conf;
    bool relayed; // `played` counts what was passed on
    struct passed passed[PASSED_MAX];
    uint64_t passed_count; // ever; the newest at (passed_count - 1) % PASSED_MAX
    uint32_t generation;
    bool open; // released, not paused, not stopped
    bool stopped;
    uint64_t sent;
    uint64_t cut; // with stopped: heard never passes it
    int64_t now_us;
    struct reader played;
    struct reader heard;
    int64_t empty_us; // since when the listener has nothing; -1 while he has
    uint32_t underruns;
    int64_t gap_us;
};

void prl_playout_conf_init(struct prl_playout_conf *conf)
{
    *conf = (struct prl_playout_conf){.lead_ms = 400};
}

static uint32_t bounded(uint32_t value, uint32_t low, uint32_t high)
{
    if (value < low)
        return low;
    return value < high ? value : high;
}

enum prl_err prl_playout_create(struct prl_playout **out, const struct prl_playout_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->conf.lead_ms = bounded(conf->lead_ms, LEAD_MS_MIN, LEAD_MS_MAX);
    (*out)->conf.delay_ms = bounded(conf->delay_ms, 0, DELAY_MS_MAX);
    (*out)->empty_us = -1;
    return PRL_OK;
}

void prl_playout_destroy(struct prl_playout **playout)
{
    prl_mem_free(*playout);
    *playout = NULL;
}

static int64_t samples_us(uint64_t samples)
{
    return (int64_t)((samples * US_PER_S + PRL_PLAYOUT_HZ - 1) / PRL_PLAYOUT_HZ);
}

static void reader_advance(struct reader *reader, uint64_t limit, int64_t now_us)
{
    if (!reader->reading || now_us < reader->since_us)
        return;
    uint64_t at = reader->base + (uint64_t)(now_us - reader->since_us) * PRL_PLAYOUT_HZ / US_PER_S;
    if (at >= limit) {
        at = limit;
        reader->reading = false;
    }
    if (at > reader->at)
        reader->at = at;
}

static void reader_start(struct reader *reader, int64_t when_us)
{
    reader->base = reader->at;
    reader->since_us = when_us;
    reader->reading = true;
}

// When the reader gets to `sample`, which is not beyond what was sent.
static int64_t reader_at_us(const struct reader *reader, uint64_t sample, int64_t now_us)
{
    if (sample <= reader->at || !reader->reading)
        return now_us;
    return reader->since_us + samples_us(sample - reader->base);
}

static uint64_t heard_limit(const struct prl_playout *playout)
{
    return playout->stopped && playout->cut < playout->sent ? playout->cut : playout->sent;
}

// How far the listener is, who hears every frame one delay after it was passed on.
static void relay_advance(struct prl_playout *playout)
{
    uint64_t oldest = playout->passed_count > PASSED_MAX ? playout->passed_count - PASSED_MAX : 0;
    for (uint64_t i = playout->passed_count; i > oldest; i--) {
        const struct passed *passed = &playout->passed[(i - 1) % PASSED_MAX];
        int64_t since_us = playout->now_us - passed->at_us - (int64_t)playout->conf.delay_ms * 1000;
        if (since_us < 0)
            continue;
        uint64_t heard = (uint64_t)since_us * PRL_PLAYOUT_HZ / US_PER_S;
        heard = passed->from + (heard < passed->count ? heard : passed->count);
        if (heard > heard_limit(playout))
            heard = heard_limit(playout);
        if (heard > playout->heard.at)
            playout->heard.at = heard;
        return;
    }
}

static void advance(struct prl_playout *playout, int64_t now_us)
{
    if (now_us > playout->now_us)
        playout->now_us = now_us;
    now_us = playout->now_us;
    if (playout->relayed) {
        relay_advance(playout);
        return;
    }
    reader_advance(&playout->played, playout->sent, now_us);
    uint64_t limit = heard_limit(playout);
    bool was_reading = playout->heard.reading;
    int64_t end_us = reader_at_us(&playout->heard, limit, now_us);
    reader_advance(&playout->heard, limit, now_us);
    if (was_reading && !playout->heard.reading)
        playout->empty_us = end_us;
}

void prl_playout_start(struct prl_playout *playout, uint32_t generation, int64_t now_us)
{
    struct prl_playout_conf conf = playout->conf;
    int64_t latest_us = now_us > playout->now_us ? now_us : playout->now_us;
    *playout = (struct prl_playout){
        .conf = conf,
        .relayed = playout->relayed,
        .generation = generation,
        .now_us = latest_us,
        .cut = UINT64_MAX,
        .empty_us = -1,
    };
}

void prl_playout_release(struct prl_playout *playout, int64_t now_us)
{
    advance(playout, now_us);
    playout->open = !playout->stopped;
}

void prl_playout_pause(struct prl_playout *playout, int64_t now_us)
{
    advance(playout, now_us);
    playout->open = false;
}

uint64_t prl_playout_stop(struct prl_playout *playout, bool cut, int64_t now_us)
{
    advance(playout, now_us);
    playout->open = false;
    playout->stopped = true;
    if (cut && playout->cut > playout->heard.at) {
        playout->cut = playout->heard.at;
        playout->heard.reading = false;
    }
    return playout->cut < playout->sent ? playout->cut : playout->sent;
}

uint64_t prl_playout_room(struct prl_playout *playout, int64_t now_us)
{
    advance(playout, now_us);
    if (!playout->open)
        return 0;
    uint64_t most = playout->played.at + (uint64_t)playout->conf.lead_ms * (PRL_PLAYOUT_HZ / 1000);
    return most > playout->sent ? most - playout->sent : 0;
}

int64_t prl_playout_room_at_us(struct prl_playout *playout, uint64_t samples, int64_t now_us)
{
    uint64_t room = prl_playout_room(playout, now_us);
    if (!playout->open || playout->relayed)
        return INT64_MAX;
    if (room >= samples)
        return playout->now_us;
    // Without further events the reader gets as far as what was sent, so room ends at the lead.
    uint64_t lead = (uint64_t)playout->conf.lead_ms * (PRL_PLAYOUT_HZ / 1000);
    if (samples > lead)
        samples = lead;
    uint64_t target = playout->sent + samples - lead;
    return reader_at_us(&playout->played, target, playout->now_us);
}

void prl_playout_sent(struct prl_playout *playout, uint64_t samples, int64_t now_us)
{
    advance(playout, now_us);
    if (samples == 0 || playout->stopped)
        return;
    bool first = playout->sent == 0;
    playout->sent += samples;
    if (playout->relayed)
        return;
    if (!playout->played.reading)
        reader_start(&playout->played, playout->now_us);
    if (playout->heard.reading)
        return;
    int64_t arrival_us = playout->now_us + (int64_t)playout->conf.delay_ms * 1000;
    if (!first && playout->empty_us >= 0) {
        playout->underruns++;
        playout->gap_us += arrival_us - playout->empty_us;
    }
    playout->empty_us = -1;
    reader_start(&playout->heard, arrival_us);
}

void prl_playout_set_delay(struct prl_playout *playout, uint32_t delay_ms, int64_t now_us)
{
    advance(playout, now_us);
    delay_ms = bounded(delay_ms, 0, DELAY_MS_MAX);
    int64_t change_us = ((int64_t)delay_ms - (int64_t)playout->conf.delay_ms) * 1000;
    playout->conf.delay_ms = delay_ms;
    if (playout->relayed || !playout->heard.reading)
        return;
    // The listener is later (or earlier) than we thought. What counts as heard never goes back;
    // a longer delay lets it wait until the corrected clock has caught up.
    playout->heard.since_us += change_us;
    advance(playout, playout->now_us);
}

void prl_playout_set_lead(struct prl_playout *playout, uint32_t lead_ms, int64_t now_us)
{
    advance(playout, now_us);
    playout->conf.lead_ms = bounded(lead_ms, LEAD_MS_MIN, LEAD_MS_MAX);
}

void prl_playout_set_relayed(struct prl_playout *playout, bool on, int64_t now_us)
{
    advance(playout, now_us);
    if (on == playout->relayed)
        return;
    playout->relayed = on;
    playout->passed_count = 0;
    playout->empty_us = -1;
    if (on) {
        // What was sent before went another way and counts as heard.
        playout->played = playout->heard = (struct reader){.at = playout->sent};
    } else if (!playout->stopped) {
        reader_start(&playout->played, playout->now_us);
        reader_start(&playout->heard, playout->now_us);
    }
}

void prl_playout_passed(struct prl_playout *playout, uint64_t samples, int64_t at_us)
{
    advance(playout, at_us);
    uint64_t waiting = playout->sent - playout->played.at;
    if (samples > waiting)
        samples = waiting;
    if (!playout->relayed || playout->stopped || samples == 0)
        return;
    playout->passed[playout->passed_count++ % PASSED_MAX] =
        (struct passed){playout->played.at, samples, at_us};
    playout->played.at += samples;
}

uint32_t prl_playout_generation(const struct prl_playout *playout)
{
    return playout->generation;
}

uint64_t prl_playout_sent_samples(const struct prl_playout *playout)
{
    return playout->sent;
}

uint64_t prl_playout_heard_samples(struct prl_playout *playout, int64_t now_us)
{
    advance(playout, now_us);
    return playout->heard.at;
}

bool prl_playout_drained(struct prl_playout *playout, int64_t now_us)
{
    advance(playout, now_us);
    return playout->heard.at >= heard_limit(playout);
}

int64_t prl_playout_drained_at_us(struct prl_playout *playout, int64_t now_us)
{
    advance(playout, now_us);
    if (playout->relayed && playout->heard.at < heard_limit(playout))
        // At the earliest: what still waits has its delay before it.
        return playout->now_us + samples_us(heard_limit(playout) - playout->heard.at);
    return reader_at_us(&playout->heard, heard_limit(playout), playout->now_us);
}

uint32_t prl_playout_underruns(const struct prl_playout *playout)
{
    return playout->underruns;
}

int64_t prl_playout_gap_us(const struct prl_playout *playout)
{
    return playout->gap_us;
}

void prl_playout_fade(int16_t *pcm, size_t count, size_t at, bool down)
{
    for (size_t i = 0; i < count; i++) {
        size_t step = at + i < PRL_PLAYOUT_FADE_SAMPLES ? at + i : PRL_PLAYOUT_FADE_SAMPLES;
        int32_t gain = (int32_t)(down ? PRL_PLAYOUT_FADE_SAMPLES - step : step);
        pcm[i] = (int16_t)((int32_t)pcm[i] * gain / PRL_PLAYOUT_FADE_SAMPLES);
    }
}

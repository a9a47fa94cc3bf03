// jitter_trace.c -- see jitter_trace.h.
#include "tests/unit/jitter_trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    PER_MS = PRL_JITTER_HZ / 1000,
    SYLLABLE = 300 * PER_MS,
    CYCLE = 500 * PER_MS,
    PERIOD = 120,
    TICK_US = 20000,
    PHASE_US = 7000,
    PATH_US = 40000,
    SILENT_EVERY_MS = 400,
    CLOCK_PER_SAMPLE = 3
};

struct sent {
    int64_t arrival_us;
    int64_t at;
    uint16_t seq;
    bool silent;
};

bool trace_speaks(int64_t at)
{
    return at % CYCLE < SYLLABLE;
}

int16_t trace_sample(int64_t at)
{
    if (!trace_speaks(at))
        return (int16_t)(at * 7919 % 13 - 6);
    double x = 0;
    for (int h = 1; h <= 4; h++)
        x += sin(2 * M_PI * h * (double)at / PERIOD) / h;
    double fade = sin(M_PI * (double)(at % CYCLE) / SYLLABLE);
    return (int16_t)(5000 * x * fade);
}

size_t trace_payload(uint8_t *out, uint32_t at, int ms, bool silent, bool protects)
{
    memcpy(out, &at, sizeof(at));
    out[4] = (uint8_t)ms;
    out[5] = silent;
    out[6] = protects;
    return 7;
}

static size_t samples(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    return size >= 7 ? (size_t)payload[4] * PER_MS : 0;
}

static bool silent(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    return size >= 7 && payload[5];
}

static bool protects(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    return size >= 7 && payload[6];
}

static void sound(int16_t *pcm, size_t count, int64_t at)
{
    for (size_t i = 0; i < count; i++)
        pcm[i] = trace_sample(at + (int64_t)i);
}

static int64_t at_of(const uint8_t *payload)
{
    uint32_t at;
    memcpy(&at, payload, sizeof(at));
    return at;
}

static size_t decode(void *arg, const uint8_t *payload, size_t size, int16_t *pcm)
{
    (void)arg;
    size_t count = samples(NULL, payload, size);
    sound(pcm, count, at_of(payload));
    return count;
}

static void recover(void *arg, const uint8_t *payload, size_t size, int16_t *pcm, size_t count)
{
    (void)arg;
    (void)size;
    sound(pcm, count, at_of(payload) - (int64_t)count);
}

static void conceal(void *arg, int16_t *pcm, size_t count)
{
    (void)arg;
    memset(pcm, 0, count * sizeof(*pcm));
}

const struct prl_jitter_codec trace_codec = {.clock_hz = 48000,
                                             .samples = samples,
                                             .silent = silent,
                                             .protects = protects,
                                             .decode = decode,
                                             .recover = recover,
                                             .conceal = conceal};

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static double chance(uint32_t *state)
{
    return (double)next_random(state) / 4294967296.0;
}

static bool lost(const struct trace_path *path, int64_t index, int64_t sent_us, uint32_t *state)
{
    bool gone = chance(state) < path->loss;
    if (path->burst_every && index % path->burst_every < path->burst_length && index > 200)
        gone = true;
    bool dark = path->blackout_us && sent_us >= path->blackout_at_us &&
                sent_us < path->blackout_at_us + path->blackout_us;
    return gone || (dark && !path->blackout_keeps);
}

static int64_t arrival(const struct trace_path *path, int64_t sent_us, uint32_t *state)
{
    int64_t at_us = sent_us + PATH_US + (int64_t)(chance(state) * (double)path->jitter_us);
    if (path->step_us && sent_us >= path->step_at_us)
        at_us += path->step_us;
    int64_t end_us = path->blackout_at_us + path->blackout_us;
    if (path->blackout_us && path->blackout_keeps && at_us >= path->blackout_at_us &&
        at_us < end_us)
        at_us = end_us + (at_us - path->blackout_at_us) / 1000; // at once, in order
    return at_us;
}

static int compare(const void *a, const void *b)
{
    int64_t x = ((const struct sent *)a)->arrival_us;
    int64_t y = ((const struct sent *)b)->arrival_us;
    return x < y ? -1 : x > y;
}

static size_t send_all(const struct trace_path *path, struct sent *list, uint32_t *state)
{
    int ms = path->packet_ms ? path->packet_ms : 20;
    int64_t total = path->seconds * 1000 / ms;
    size_t count = 0;
    uint16_t seq = (uint16_t)(65000 + path->seed % 500); // wraps early
    int64_t quiet_ms = SILENT_EVERY_MS;
    for (int64_t i = 0; i < total; i++) {
        int64_t at = i * ms * PER_MS;
        bool speaks = trace_speaks(at) || trace_speaks(at + (int64_t)ms * PER_MS - 1);
        quiet_ms = speaks ? SILENT_EVERY_MS : quiet_ms + ms;
        if (path->dtx && !speaks && quiet_ms < SILENT_EVERY_MS)
            continue;
        if (!speaks)
            quiet_ms = 0;
        // Sent when its last sample has been spoken; a fast clock speaks sooner.
        int64_t sent_us = (int64_t)((double)((i + 1) * ms * 1000) / (1.0 + path->drift_ppm / 1e6));
        uint16_t number = seq++;
        if (lost(path, i, sent_us, state))
            continue;
        list[count++] =
            (struct sent){arrival(path, sent_us, state), at, number, path->dtx && !speaks};
        if (chance(state) < path->duplicate) {
            list[count] = list[count - 1];
            list[count++].arrival_us += (int64_t)(chance(state) * 60000);
        }
    }
    qsort(list, count, sizeof(*list), compare);
    return count;
}

struct listener {
    struct prl_jitter *jitter;
    struct trace_figures *figures;
    int64_t *delays;
    size_t delay_count;
    int64_t end_sum_us, end_count;
    int64_t end_us;
};

static void take(struct listener *listener, int64_t now_us)
{
    struct prl_jitter_frame frame;
    struct trace_figures *figures = listener->figures;
    if (!prl_jitter_take(listener->jitter, now_us, &frame))
        return;
    figures->frames++;
    if (frame.kind == PRL_JITTER_COMFORT || frame.kind == PRL_JITTER_CONCEALED)
        return;
    int64_t delay_us = now_us - frame.arrival_us;
    listener->delays[listener->delay_count++] = delay_us;
    figures->delay_us_mean += delay_us;
    if (delay_us > figures->waited_us_max)
        figures->waited_us_max = delay_us;
    if (now_us > listener->end_us - 2000000) {
        listener->end_sum_us += delay_us;
        listener->end_count++;
    }
}

static int compare_delays(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void listen(struct listener *listener, const struct trace_path *path,
                   const struct sent *list, size_t count)
{
    size_t at = 0;
    for (int64_t now_us = PHASE_US; now_us < listener->end_us; now_us += TICK_US) {
        for (; at < count && list[at].arrival_us <= now_us; at++) {
            uint8_t payload[8];
            size_t size = trace_payload(payload, (uint32_t)list[at].at,
                                        path->packet_ms ? path->packet_ms : 20, list[at].silent,
                                        path->loss > 0);
            struct prl_jitter_packet packet = {
                .seq = list[at].seq,
                .timestamp = (uint32_t)(0xFFFF0000U + (uint64_t)list[at].at * CLOCK_PER_SAMPLE),
                .arrival_us = list[at].arrival_us,
                .payload = payload,
                .size = size};
            prl_jitter_put(listener->jitter, &packet);
        }
        struct prl_jitter_stats stats;
        prl_jitter_stats(listener->jitter, &stats);
        if (stats.packets > listener->figures->packets_max)
            listener->figures->packets_max = stats.packets;
        take(listener, now_us);
        if (prl_jitter_behind(listener->jitter, now_us)) {
            listener->figures->doubled++;
            take(listener, now_us);
        }
    }
}

static void summarise(struct listener *listener)
{
    struct trace_figures *figures = listener->figures;
    prl_jitter_stats(listener->jitter, &figures->stats);
    double all = figures->stats.samples > 0 ? (double)figures->stats.samples : 1;
    figures->concealed = (double)figures->stats.concealed / all;
    figures->recovered = (double)figures->stats.recovered / all;
    if (listener->delay_count == 0)
        return;
    figures->delay_us_mean /= (int64_t)listener->delay_count;
    qsort(listener->delays, listener->delay_count, sizeof(*listener->delays), compare_delays);
    figures->delay_us_p95 = listener->delays[listener->delay_count * 95 / 100];
    if (listener->end_count)
        figures->delay_us_end = listener->end_sum_us / listener->end_count;
}

bool trace_run(const struct trace_path *path, struct trace_figures *figures)
{
    memset(figures, 0, sizeof(*figures));
    uint32_t state = path->seed * 2654435761U + 1;
    int ms = path->packet_ms ? path->packet_ms : 20;
    size_t most = (size_t)(path->seconds * 1000 / ms) * 2 + 1;
    size_t frames = (size_t)path->seconds * 100 + 1;
    struct sent *list = prl_mem_array(most, sizeof(*list));
    struct listener listener = {.figures = figures,
                                .delays = prl_mem_array(frames, sizeof(*listener.delays)),
                                .end_us = path->seconds * 1000000};
    bool made =
        list && listener.delays && prl_jitter_create(&listener.jitter, &trace_codec) == PRL_OK;
    if (made) {
        size_t count = send_all(path, list, &state);
        listen(&listener, path, list, count);
        summarise(&listener);
    }
    prl_jitter_destroy(&listener.jitter);
    prl_mem_free(listener.delays);
    prl_mem_free(list);
    return made;
}

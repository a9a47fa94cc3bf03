// media_bench.c -- figures of docs/TUNING.md about the sound of calls: `make media-bench`, or with one of
// the words paths, cost, pacing as ARGS. For a quiet machine, but for `paths`, which runs in virtual time.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "media/codec.h"
#include "media/stretch.h"
#include "net/loop.h"
#include "rtc/rtc.h"
#include "session/leg.h"
#include "session/session.h"
#include "tests/unit/jitter_trace.h"

enum { FRAMES = 2000, CALLS = 50, SECONDS = 20 };

// A gliding pitch in syllables, with a weaker voice an octave and a half above.
static void voice(int16_t *pcm, size_t count, size_t at, double hz)
{
    for (size_t i = 0; i < count; i++) {
        double t = (double)(at + i) / hz;
        double syllable = sin(2 * M_PI * 3 * t);
        double glide = 3 * sin(2 * M_PI * 2 * t);
        double sum = 0;
        for (int h = 1; h <= 6; h++)
            sum += sin(h * (2 * M_PI * 140 * t + glide)) / h;
        pcm[i] = (int16_t)(6000 * sum * syllable * syllable);
    }
}

// ---- paths ----

static int paths(void)
{
    static const int losses[] = {0, 5, 10, 20, 30};
    printf("| loss %% | jitter ms | recovered %% | made up %% | cut or added %% | delay ms, mean / "
           "p95 |\n"
           "|---|---|---|---|---|---|\n");
    for (size_t l = 0; l < sizeof(losses) / sizeof(losses[0]); l++)
        for (int jitter_ms = 0; jitter_ms <= 100; jitter_ms += 50) {
            struct trace_path path = {.seed = 1,
                                      .seconds = 600,
                                      .loss = losses[l] / 100.0,
                                      .jitter_us = (int64_t)jitter_ms * 1000};
            struct trace_figures figures;
            if (!trace_run(&path, &figures))
                return 1;
            double all = (double)figures.stats.samples;
            double changed = (double)(figures.stats.added + figures.stats.removed) / all;
            printf("| %d | %d | %.1f | %.1f | %.2f | %.0f / %.0f |\n", losses[l], jitter_ms,
                   100 * figures.recovered, 100 * figures.concealed, 100 * changed,
                   (double)figures.delay_us_mean / 1000, (double)figures.delay_us_p95 / 1000);
        }
    return 0;
}

// ---- cost ----

static int cost_of(enum prl_codec codec, int complexity)
{
    struct prl_voice_out *out = NULL;
    struct prl_voice_in *in = NULL;
    struct prl_opus_tuning tuning = {
        .bitrate_bps = 24000, .loss_percent = 10, .fec = true, .complexity = complexity};
    if (prl_voice_out_create(&out, codec, &tuning) != PRL_OK ||
        prl_voice_in_create(&in, codec) != PRL_OK)
        return 1;
    const struct prl_jitter_codec *table = prl_voice_in_codec(in);
    int64_t encode_us = 0;
    int64_t decode_us = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        uint8_t payload[PRL_CODEC_PAYLOAD_MAX];
        int16_t pcm[PRL_CODEC_IN_SAMPLES];
        int16_t heard[PRL_JITTER_PACKET_SAMPLES];
        voice(pcm, PRL_CODEC_IN_SAMPLES, i * PRL_CODEC_IN_SAMPLES, PRL_OPUS_IN_HZ);
        int64_t start_us = prl_clock_thread_us();
        size_t size = prl_voice_out_encode(out, pcm, payload);
        int64_t middle_us = prl_clock_thread_us();
        (void)table->decode(table->arg, payload, size, heard);
        encode_us += middle_us - start_us;
        decode_us += prl_clock_thread_us() - middle_us;
    }
    static const char *const names[] = {"Opus 24 kb/s, FEC", "PCMU", "PCMA"};
    printf("| %s, complexity %d | %.0f | %.0f |\n", names[codec], complexity,
           (double)encode_us / FRAMES, (double)decode_us / FRAMES);
    prl_voice_out_destroy(&out);
    prl_voice_in_destroy(&in);
    return 0;
}

static size_t tone(void *arg, const uint8_t *payload, size_t size, int16_t *pcm)
{
    (void)arg;
    (void)payload;
    (void)size;
    for (size_t i = 0; i < PRL_JITTER_FRAME_SAMPLES; i++)
        pcm[i] = (int16_t)(i % 120 * 40);
    return PRL_JITTER_FRAME_SAMPLES;
}

static int cost_of_jitter(void)
{
    struct prl_jitter_codec codec = trace_codec;
    codec.decode = tone;
    struct prl_jitter *jitter = NULL;
    if (prl_jitter_create(&jitter, &codec) != PRL_OK)
        return 1;
    int64_t start_us = prl_clock_thread_us();
    for (uint32_t i = 0; i < FRAMES * 10; i++) {
        uint8_t payload[8];
        struct prl_jitter_packet packet = {.seq = (uint16_t)i,
                                           .timestamp = i * 960,
                                           .arrival_us = i * INT64_C(20000),
                                           .payload = payload};
        packet.size = trace_payload(payload, i * PRL_JITTER_FRAME_SAMPLES, 20, false, false);
        prl_jitter_put(jitter, &packet);
        struct prl_jitter_frame frame;
        (void)prl_jitter_take(jitter, packet.arrival_us + 5000, &frame);
    }
    int64_t used_us = prl_clock_thread_us() - start_us;
    prl_jitter_destroy(&jitter);
    int16_t pcm[PRL_STRETCH_SAMPLES];
    voice(pcm, PRL_STRETCH_SAMPLES, 1000, PRL_JITTER_HZ);
    int64_t search_us = prl_clock_thread_us();
    float match = 0;
    for (size_t i = 0; i < FRAMES; i++)
        (void)prl_stretch_period(pcm, PRL_STRETCH_SAMPLES, &match);
    search_us = prl_clock_thread_us() - search_us;
    printf("| jitter buffer without its codec | | %.1f |\n| search for a pitch period | | %.1f |\n",
           (double)used_us / (FRAMES * 10), (double)search_us / FRAMES);
    return 0;
}

static int cost(void)
{
    static const int complexities[] = {0, 2, 5, 8, 10};
    printf("| µs a frame | out | in |\n|---|---|---|\n");
    int failed = 0;
    for (size_t i = 0; i < sizeof(complexities) / sizeof(complexities[0]); i++)
        failed |= cost_of(PRL_CODEC_OPUS, complexities[i]);
    failed |= cost_of(PRL_CODEC_PCMU, 0);
    failed |= cost_of(PRL_CODEC_PCMA, 0);
    return failed | cost_of_jitter();
}

// ---- pacing: calls that all speak and hear themselves, on one loop ----

struct call {
    struct prl_session *session;
    struct prl_leg *leg;
    uint16_t seq;
    uint32_t timestamp;
    size_t at;
};

static int16_t spoken[SECONDS * PRL_OPUS_IN_HZ];

static void speak_on(struct call *call, size_t samples)
{
    if (call->at + samples > sizeof(spoken) / sizeof(spoken[0]))
        call->at = 0;
    prl_leg_play(call->leg, spoken + call->at, samples);
    call->at += samples;
}

static void on_send(void *arg, const uint8_t *payload, size_t size, uint32_t step, bool marker)
{
    struct call *call = arg;
    (void)marker;
    call->timestamp += step;
    struct prl_rtc_packet packet = {.codec = PRL_RTC_OPUS,
                                    .seq = call->seq++,
                                    .timestamp = call->timestamp,
                                    .payload = payload,
                                    .size = size,
                                    .arrival_us = prl_clock_now_us()};
    speak_on(call, PRL_CODEC_IN_SAMPLES);
    prl_leg_packet(call->leg, &packet);
}

static void ignore(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    (void)event;
}

static void run_ms(struct prl_loop *loop, int64_t ms)
{
    for (int64_t end_us = prl_clock_now_us() + ms * 1000; prl_clock_now_us() < end_us;)
        prl_loop_turn(loop, 1000);
}

static bool open_calls(struct prl_loop *loop, struct call *calls)
{
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    struct prl_session_engines engines = {.loop = loop};
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].at = i * 7919;
        struct prl_leg_conf leg = {.loop = loop, .send = on_send, .send_arg = &calls[i]};
        if (prl_session_create(&calls[i].session, &engines, &conf, ignore, NULL) != PRL_OK)
            return false;
        leg.session = calls[i].session;
        if (prl_leg_create(&calls[i].leg, &leg) != PRL_OK)
            return false;
        speak_on(&calls[i], 2 * (size_t)PRL_CODEC_IN_SAMPLES);
        run_ms(loop, 1); // calls begin when they like
    }
    return true;
}

static int pacing(void)
{
    static struct call calls[CALLS];
    struct prl_loop *loop = NULL;
    voice(spoken, sizeof(spoken) / sizeof(spoken[0]), 0, PRL_OPUS_IN_HZ);
    if (prl_loop_create(&loop, NULL) != PRL_OK || !open_calls(loop, calls))
        return 1;
    int64_t used_us = prl_clock_thread_us();
    run_ms(loop, SECONDS * INT64_C(1000));
    used_us = prl_clock_thread_us() - used_us;
    unsigned long long paced[PRL_LEG_PACING_BUCKETS] = {0};
    unsigned long long skipped = 0;
    unsigned long long made_up = 0;
    int64_t worst_us = 0;
    int complexity = 0;
    for (size_t i = 0; i < CALLS; i++) {
        struct prl_leg_stats stats;
        prl_leg_stats(calls[i].leg, &stats);
        for (size_t b = 0; b < PRL_LEG_PACING_BUCKETS; b++)
            paced[b] += stats.pacing[b];
        worst_us = stats.pacing_us_max > worst_us ? stats.pacing_us_max : worst_us;
        skipped += stats.skipped;
        made_up += stats.in.concealed;
        complexity += stats.complexity;
        prl_leg_destroy(&calls[i].leg);
        prl_session_destroy(&calls[i].session);
    }
    prl_loop_destroy(&loop);
    printf(
        "%d calls, %d s: packets late by up to 1, 2, 5, 10, 20 ms, more: %llu %llu %llu %llu %llu "
        "%llu; worst %.1f ms; %.0f %% of a core; mean complexity %.1f; %llu samples made up, %llu "
        "ticks skipped\n",
        CALLS, SECONDS, paced[0], paced[1], paced[2], paced[3], paced[4], paced[5],
        (double)worst_us / 1000, (double)used_us / (SECONDS * 10000.0), (double)complexity / CALLS,
        made_up, skipped);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(void);
    } parts[] = {{"paths", paths}, {"cost", cost}, {"pacing", pacing}};
    int failed = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (argc < 2 || strcmp(argv[1], parts[i].word) == 0)
            failed |= parts[i].run();
    return failed;
}

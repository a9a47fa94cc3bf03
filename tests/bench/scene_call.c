// scene_call.c -- see scene_call.h.
#include "tests/bench/scene_call.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "media/opus.h"
#include "media/resample.h"
#include "rtc/rtc.h"

enum { UNDER_WAY = 64, TICK_UNITS = 960, US_PER_MS = 1000, LATE_MOST = 4, TURN_PACKETS = 300 };

struct packet {
    int64_t arrival_us; // 0: none
    uint32_t number;
    size_t size;
    uint8_t payload[PRL_OPUS_PACKET_MAX];
};

struct scene_call {
    struct scene_call_conf conf;
    struct prl_leg *leg;
    // The microphone.
    struct prl_resample *up; // to 24 kHz
    struct prl_opus_encoder *encoder;
    uint32_t number, chance;
    struct packet packets[UNDER_WAY];
    // The loudspeaker.
    struct prl_opus_decoder *decoder;
    int64_t first_us; // when the first packet came; 0: none yet
    int64_t units;    // since
};

static double random_of(struct scene_call *call)
{
    call->chance = call->chance * 1664525U + 1013904223U;
    return ((double)(call->chance >> 8) + 1.0) / (double)(1U << 24);
}

static void on_payload(void *arg, const uint8_t *payload, size_t size, uint32_t step, bool marker)
{
    (void)marker;
    struct scene_call *call = arg;
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    if (call->first_us == 0)
        call->first_us = prl_clock_now_us();
    else
        call->units += step;
    size_t samples = prl_opus_decode(call->decoder, payload, size, pcm);
    call->conf.play(pcm, samples,
                    call->first_us + call->units * US_PER_MS / (PRL_OPUS_CLOCK_HZ / 1000));
}

enum prl_err scene_call_create(struct scene_call **out, const struct scene_call_conf *conf)
{
    struct prl_opus_tuning tuning = {
        .bitrate_bps = 32000, .loss_percent = 5, .fec = true, .complexity = 5};
    struct scene_call *call = prl_mem_zalloc(sizeof(*call));
    *out = call;
    if (!call)
        return PRL_ERR_NOMEM;
    call->conf = *conf;
    call->chance = 7;
    struct prl_leg_conf leg = {.loop = conf->loop,
                               .session = conf->session,
                               .codec = PRL_CODEC_OPUS,
                               .send = on_payload,
                               .send_arg = call};
    enum prl_err err = prl_resample_create(&call->up, PRL_JITTER_HZ, PRL_OPUS_IN_HZ);
    if (!err)
        err = prl_opus_encoder_create(&call->encoder, &tuning);
    if (!err)
        err = prl_opus_decoder_create(&call->decoder);
    if (!err)
        err = prl_leg_create(&call->leg, &leg);
    if (err)
        scene_call_destroy(out);
    return err;
}

void scene_call_destroy(struct scene_call **call)
{
    if (!*call)
        return;
    prl_leg_destroy(&(*call)->leg);
    prl_opus_decoder_destroy(&(*call)->decoder);
    prl_opus_encoder_destroy(&(*call)->encoder);
    prl_resample_destroy(&(*call)->up);
    prl_mem_free(*call);
    *call = NULL;
}

struct prl_leg *scene_call_leg(struct scene_call *call)
{
    return call->leg;
}

static void set_out(struct scene_call *call, const int16_t *pcm)
{
    int16_t wide[PRL_OPUS_IN_SAMPLES + 64];
    size_t made =
        prl_resample_process(call->up, pcm, SCENE_CALL_STEP, NULL, wide, PRL_OPUS_IN_SAMPLES + 64);
    memset(wide + made, 0, sizeof(wide) - made * sizeof(*wide));
    struct packet *packet = &call->packets[call->number % UNDER_WAY];
    packet->number = call->number++;
    packet->size = prl_opus_encode(call->encoder, wide, packet->payload, sizeof(packet->payload));
    // A good network and a bad one in turn, so that the jitter buffer has to grow and to shrink.
    bool bad = packet->number / TURN_PACKETS % 2 == 1;
    double late_ms = -log(random_of(call)) * (bad ? call->conf.jitter_ms : 1);
    late_ms = fmin(late_ms, (double)LATE_MOST * call->conf.jitter_ms);
    bool lost = random_of(call) * 100.0 <= call->conf.loss_percent;
    packet->arrival_us = lost ? 0 : prl_clock_now_us() + (int64_t)(late_ms * US_PER_MS);
}

void scene_call_speak(struct scene_call *call, const int16_t *pcm)
{
    set_out(call, pcm);
    int64_t now_us = prl_clock_now_us();
    for (;;) { // in the order of their arrival
        struct packet *next = NULL;
        for (size_t i = 0; i < UNDER_WAY; i++) {
            struct packet *packet = &call->packets[i];
            if (packet->arrival_us && packet->arrival_us <= now_us &&
                (!next || packet->arrival_us < next->arrival_us))
                next = packet;
        }
        if (!next)
            return;
        struct prl_rtc_packet packet = {.codec = PRL_RTC_OPUS,
                                        .seq = (uint16_t)next->number,
                                        .timestamp = next->number * TICK_UNITS,
                                        .payload = next->payload,
                                        .size = next->size,
                                        .arrival_us = next->arrival_us};
        prl_leg_packet(call->leg, &packet);
        next->arrival_us = 0;
    }
}

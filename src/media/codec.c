// codec.c -- see codec.h. Opus brings its own concealment; for G.711 the last pitch period is repeated
// and faded out, and the first sound after it is blended in (the idea of G.711 appendix I).
#include "media/codec.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/g711.h"
#include "media/resample.h"
#include "media/stretch.h"

enum {
    G711_HZ = 8000,
    G711_SAMPLES_MAX = 960, // 120 ms
    G711_ROUND = 20,        // 2.5 ms: packets of other lengths are none of ours
    PAST_SAMPLES = 480,     // kept at 16 kHz for the search
    FADE_SAMPLES = 960,     // 60 ms to silence
    BLEND_SAMPLES = 80      // 5 ms back into real sound
};

struct prl_voice_out {
    enum prl_codec codec;
    struct prl_opus_encoder *opus;
    struct prl_resample *down;
};

struct prl_voice_in {
    enum prl_codec codec;
    struct prl_jitter_codec table;
    struct prl_opus_decoder *opus;
    struct prl_resample *up;
    // G.711 concealment.
    int16_t past[PAST_SAMPLES]; // newest last
    size_t period;              // of the repetition, 0: not hiding
    size_t hidden;              // samples made up in a row
};

uint32_t prl_codec_clock_hz(enum prl_codec codec)
{
    return codec == PRL_CODEC_OPUS ? PRL_OPUS_CLOCK_HZ : G711_HZ;
}

// ---- outward ----

enum prl_err prl_voice_out_create(struct prl_voice_out **out, enum prl_codec codec,
                                  const struct prl_opus_tuning *tuning)
{
    PRL_CHECK(out != NULL && codec < PRL_CODEC_COUNT);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->codec = codec;
    enum prl_err err = codec == PRL_CODEC_OPUS
                           ? prl_opus_encoder_create(&(*out)->opus, tuning)
                           : prl_resample_create(&(*out)->down, PRL_OPUS_IN_HZ, G711_HZ);
    if (err)
        prl_voice_out_destroy(out);
    return err;
}

void prl_voice_out_destroy(struct prl_voice_out **voice)
{
    if (!*voice)
        return;
    prl_opus_encoder_destroy(&(*voice)->opus);
    prl_resample_destroy(&(*voice)->down);
    prl_mem_free(*voice);
    *voice = NULL;
}

void prl_voice_out_tune(struct prl_voice_out *voice, const struct prl_opus_tuning *tuning)
{
    if (voice->opus)
        prl_opus_encoder_tune(voice->opus, tuning);
}

size_t prl_voice_out_encode(struct prl_voice_out *voice, const int16_t *pcm, uint8_t *out)
{
    if (voice->opus)
        return prl_opus_encode(voice->opus, pcm, out, PRL_CODEC_PAYLOAD_MAX);
    int16_t narrow[PRL_CODEC_IN_SAMPLES];
    size_t count = prl_resample_process(voice->down, pcm, PRL_CODEC_IN_SAMPLES, NULL, narrow,
                                        PRL_CODEC_IN_SAMPLES);
    if (voice->codec == PRL_CODEC_PCMU)
        prl_g711_ulaw_encode_all(out, narrow, count);
    else
        prl_g711_alaw_encode_all(out, narrow, count);
    return count;
}

// ---- Opus inward ----

static size_t opus_samples(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    return prl_opus_packet_samples(payload, size);
}

static bool opus_silent(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    (void)payload;
    return size <= 2; // RFC 6716 §3.1: a frame without bytes is DTX
}

static bool opus_protects(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    return prl_opus_packet_has_fec(payload, size);
}

static size_t opus_decode_packet(void *arg, const uint8_t *payload, size_t size, int16_t *pcm)
{
    struct prl_voice_in *voice = arg;
    return prl_opus_decode(voice->opus, payload, size, pcm);
}

static void opus_recover(void *arg, const uint8_t *payload, size_t size, int16_t *pcm,
                         size_t samples)
{
    struct prl_voice_in *voice = arg;
    size_t made = prl_opus_decode_fec(voice->opus, payload, size, pcm, samples);
    memset(pcm + made, 0, (samples - made) * sizeof(*pcm));
}

static void opus_hide(void *arg, int16_t *pcm, size_t samples)
{
    struct prl_voice_in *voice = arg;
    size_t made = prl_opus_conceal(voice->opus, pcm, samples);
    memset(pcm + made, 0, (samples - made) * sizeof(*pcm));
}

// ---- G.711 inward ----

static size_t g711_samples(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    (void)payload;
    bool ours = size > 0 && size <= G711_SAMPLES_MAX && size % G711_ROUND == 0;
    return ours ? size * (PRL_JITTER_HZ / G711_HZ) : 0;
}

static bool g711_no(void *arg, const uint8_t *payload, size_t size)
{
    (void)arg;
    (void)payload;
    (void)size;
    return false;
}

static void keep_past(struct prl_voice_in *voice, const int16_t *pcm, size_t samples)
{
    if (samples >= PAST_SAMPLES) {
        memcpy(voice->past, pcm + samples - PAST_SAMPLES, sizeof(voice->past));
        return;
    }
    memmove(voice->past, voice->past + samples, (PAST_SAMPLES - samples) * sizeof(*pcm));
    memcpy(voice->past + PAST_SAMPLES - samples, pcm, samples * sizeof(*pcm));
}

// The next sample of the repetition, at its fading volume.
static int16_t repeated(struct prl_voice_in *voice)
{
    if (voice->hidden >= FADE_SAMPLES)
        return 0;
    int32_t sample = voice->past[PAST_SAMPLES - voice->period + voice->hidden % voice->period];
    sample = sample * (int32_t)(FADE_SAMPLES - voice->hidden) / FADE_SAMPLES;
    voice->hidden++;
    return (int16_t)sample;
}

static void g711_hide(void *arg, int16_t *pcm, size_t samples)
{
    struct prl_voice_in *voice = arg;
    if (voice->period == 0) {
        float match;
        voice->period = prl_stretch_period(voice->past, PAST_SAMPLES, &match);
        voice->hidden = 0;
    }
    for (size_t i = 0; i < samples; i++)
        pcm[i] = repeated(voice);
}

static size_t g711_decode(void *arg, const uint8_t *payload, size_t size, int16_t *pcm)
{
    struct prl_voice_in *voice = arg;
    int16_t narrow[G711_SAMPLES_MAX];
    size_t samples = g711_samples(arg, payload, size);
    if (samples == 0)
        return 0;
    if (voice->codec == PRL_CODEC_PCMU)
        prl_g711_ulaw_decode_all(narrow, payload, size);
    else
        prl_g711_alaw_decode_all(narrow, payload, size);
    size_t codes = size;
    size_t made = prl_resample_process(voice->up, narrow, codes, NULL, pcm, samples);
    // One up to two is exact but for the very first packet, which the filter's delay may shorten.
    memset(pcm + made, 0, (samples - made) * sizeof(*pcm));
    for (size_t i = 0; i < BLEND_SAMPLES && i < samples && voice->period; i++)
        pcm[i] = (int16_t)(((int32_t)pcm[i] * (int32_t)i +
                            (int32_t)repeated(voice) * (int32_t)(BLEND_SAMPLES - i)) /
                           BLEND_SAMPLES);
    voice->period = 0;
    keep_past(voice, pcm, samples);
    return samples;
}

static void g711_recover(void *arg, const uint8_t *payload, size_t size, int16_t *pcm,
                         size_t samples)
{
    (void)payload;
    (void)size;
    g711_hide(arg, pcm, samples); // never asked for: no packet protects another
}

static const struct prl_jitter_codec OPUS = {.clock_hz = PRL_OPUS_CLOCK_HZ,
                                             .samples = opus_samples,
                                             .silent = opus_silent,
                                             .protects = opus_protects,
                                             .decode = opus_decode_packet,
                                             .recover = opus_recover,
                                             .conceal = opus_hide};
static const struct prl_jitter_codec G711 = {.clock_hz = G711_HZ,
                                             .samples = g711_samples,
                                             .silent = g711_no,
                                             .protects = g711_no,
                                             .decode = g711_decode,
                                             .recover = g711_recover,
                                             .conceal = g711_hide};

enum prl_err prl_voice_in_create(struct prl_voice_in **out, enum prl_codec codec)
{
    PRL_CHECK(out != NULL && codec < PRL_CODEC_COUNT);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_voice_in *voice = *out;
    voice->codec = codec;
    voice->table = codec == PRL_CODEC_OPUS ? OPUS : G711;
    voice->table.arg = voice;
    enum prl_err err = codec == PRL_CODEC_OPUS
                           ? prl_opus_decoder_create(&voice->opus)
                           : prl_resample_create(&voice->up, G711_HZ, PRL_JITTER_HZ);
    if (err)
        prl_voice_in_destroy(out);
    return err;
}

void prl_voice_in_destroy(struct prl_voice_in **voice)
{
    if (!*voice)
        return;
    prl_opus_decoder_destroy(&(*voice)->opus);
    prl_resample_destroy(&(*voice)->up);
    prl_mem_free(*voice);
    *voice = NULL;
}

const struct prl_jitter_codec *prl_voice_in_codec(struct prl_voice_in *voice)
{
    return &voice->table;
}

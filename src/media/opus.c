// opus.c -- see opus.h. The only file that knows libopus. Its states live in our own blocks: the
// library says how large they are and initialises them in place.
#include "media/opus.h"

#include <opus/opus.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    BITRATE_MIN = 6000,
    BITRATE_MAX = 128000,
    COMPLEXITY_MAX = 10,
    UNIT = PRL_OPUS_OUT_HZ / 400, // 2.5 ms, the unit of all durations
    SILENT_SIZE_MAX = 2           // a larger packet is no mere sign of silence
};

struct prl_opus_encoder {
    struct prl_opus_tuning tuning;
    _Alignas(max_align_t) unsigned char state[];
};

struct prl_opus_decoder {
    int32_t rate_hz;
    _Alignas(max_align_t) unsigned char state[1];
};

static OpusEncoder *encoder_of(struct prl_opus_encoder *encoder)
{
    return (OpusEncoder *)(void *)encoder->state;
}

static OpusDecoder *decoder_of(struct prl_opus_decoder *decoder)
{
    return (OpusDecoder *)(void *)decoder->state;
}

static int bounded(int64_t value, int low, int high)
{
    if (value < low)
        return low;
    return value < high ? (int)value : high;
}

void prl_opus_encoder_tune(struct prl_opus_encoder *encoder, const struct prl_opus_tuning *tuning)
{
    OpusEncoder *state = encoder_of(encoder);
    encoder->tuning = *tuning;
    // All in range, so none of them can fail.
    (void)opus_encoder_ctl(
        state, OPUS_SET_BITRATE(bounded(tuning->bitrate_bps, BITRATE_MIN, BITRATE_MAX)));
    (void)opus_encoder_ctl(state, OPUS_SET_PACKET_LOSS_PERC(bounded(tuning->loss_percent, 0, 100)));
    (void)opus_encoder_ctl(state, OPUS_SET_INBAND_FEC(tuning->fec));
    (void)opus_encoder_ctl(state, OPUS_SET_DTX(tuning->dtx));
    (void)opus_encoder_ctl(state,
                           OPUS_SET_COMPLEXITY(bounded(tuning->complexity, 0, COMPLEXITY_MAX)));
}

enum prl_err prl_opus_encoder_create(struct prl_opus_encoder **out,
                                     const struct prl_opus_tuning *tuning)
{
    PRL_CHECK(out != NULL && tuning != NULL);
    *out = NULL;
    size_t size = (size_t)opus_encoder_get_size(1);
    struct prl_opus_encoder *encoder = prl_mem_zalloc(sizeof(*encoder) + size);
    if (!encoder)
        return PRL_ERR_NOMEM;
    int err = opus_encoder_init(encoder_of(encoder), PRL_OPUS_IN_HZ, 1, OPUS_APPLICATION_VOIP);
    PRL_CHECK(err == OPUS_OK);
    (void)opus_encoder_ctl(encoder_of(encoder), OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
    prl_opus_encoder_tune(encoder, tuning);
    *out = encoder;
    return PRL_OK;
}

void prl_opus_encoder_destroy(struct prl_opus_encoder **encoder)
{
    prl_mem_free(*encoder);
    *encoder = NULL;
}

void prl_opus_encoder_reset(struct prl_opus_encoder *encoder)
{
    int err = opus_encoder_init(encoder_of(encoder), PRL_OPUS_IN_HZ, 1, OPUS_APPLICATION_VOIP);
    PRL_CHECK(err == OPUS_OK);
    (void)opus_encoder_ctl(encoder_of(encoder), OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
    struct prl_opus_tuning tuning = encoder->tuning;
    prl_opus_encoder_tune(encoder, &tuning);
}

size_t prl_opus_encode(struct prl_opus_encoder *encoder, const int16_t *pcm, uint8_t *out,
                       size_t size)
{
    PRL_DCHECK(size > SILENT_SIZE_MAX);
    int32_t most = size < PRL_OPUS_PACKET_MAX ? (int32_t)size : PRL_OPUS_PACKET_MAX;
    int32_t written = opus_encode(encoder_of(encoder), pcm, PRL_OPUS_IN_SAMPLES, out, most);
    return written > 0 ? (size_t)written : 0;
}

static enum prl_err create_decoder(struct prl_opus_decoder **out, int32_t rate_hz)
{
    PRL_CHECK(out != NULL);
    size_t size = (size_t)opus_decoder_get_size(1);
    *out = prl_mem_zalloc(sizeof(**out) + size);
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->rate_hz = rate_hz;
    prl_opus_decoder_reset(*out);
    return PRL_OK;
}

enum prl_err prl_opus_decoder_create(struct prl_opus_decoder **out)
{
    return create_decoder(out, PRL_OPUS_OUT_HZ);
}

enum prl_err prl_opus_decoder_create_file(struct prl_opus_decoder **out, int16_t gain)
{
    enum prl_err err = create_decoder(out, PRL_OPUS_FILE_HZ);
    if (!err)
        (void)opus_decoder_ctl(decoder_of(*out), OPUS_SET_GAIN(gain)); // takes every 16-bit value
    return err;
}

void prl_opus_decoder_destroy(struct prl_opus_decoder **decoder)
{
    prl_mem_free(*decoder);
    *decoder = NULL;
}

void prl_opus_decoder_reset(struct prl_opus_decoder *decoder)
{
    int err = opus_decoder_init(decoder_of(decoder), decoder->rate_hz, 1);
    PRL_CHECK(err == OPUS_OK);
}

size_t prl_opus_decode(struct prl_opus_decoder *decoder, const uint8_t *packet, size_t size,
                       int16_t *pcm)
{
    // The library takes no bytes at all for a lost packet; here they are a broken one.
    if (prl_opus_packet_samples(packet, size) == 0)
        return 0;
    int most = decoder->rate_hz / 1000 * 120;
    int count = opus_decode(decoder_of(decoder), packet, (int32_t)size, pcm, most, 0);
    return count > 0 ? (size_t)count : 0;
}

size_t prl_opus_conceal(struct prl_opus_decoder *decoder, int16_t *pcm, size_t samples)
{
    samples = samples / UNIT * UNIT;
    if (samples == 0)
        return 0;
    if (samples > PRL_OPUS_OUT_SAMPLES_MAX)
        samples = PRL_OPUS_OUT_SAMPLES_MAX;
    int count = opus_decode(decoder_of(decoder), NULL, 0, pcm, (int)samples, 0);
    if (count == (int)samples)
        return samples;
    memset(pcm, 0, samples * sizeof(*pcm));
    return samples;
}

size_t prl_opus_decode_fec(struct prl_opus_decoder *decoder, const uint8_t *packet, size_t size,
                           int16_t *pcm, size_t samples)
{
    samples = samples / UNIT * UNIT;
    if (samples == 0)
        return 0;
    if (samples > PRL_OPUS_OUT_SAMPLES_MAX)
        samples = PRL_OPUS_OUT_SAMPLES_MAX;
    if (prl_opus_packet_samples(packet, size) == 0)
        return prl_opus_conceal(decoder, pcm, samples);
    int count = opus_decode(decoder_of(decoder), packet, (int32_t)size, pcm, (int)samples, 1);
    return count == (int)samples ? samples : prl_opus_conceal(decoder, pcm, samples);
}

size_t prl_opus_packet_samples(const uint8_t *packet, size_t size)
{
    if (size == 0 || size > INT32_MAX)
        return 0;
    int count = opus_packet_get_nb_samples(packet, (int32_t)size, PRL_OPUS_OUT_HZ);
    return count >= UNIT && count <= PRL_OPUS_OUT_SAMPLES_MAX ? (size_t)count : 0;
}

// SILK frames inside one Opus frame of this configuration; 0: CELT only, which has no protection.
static unsigned silk_frames(uint8_t toc)
{
    static const uint8_t of_silk[4] = {1, 1, 2, 3}; // 10, 20, 40, 60 ms
    unsigned config = toc >> 3;
    if (config < 12)
        return of_silk[config & 3];
    return config < 16 ? 1 : 0; // hybrid: 10 or 20 ms
}

bool prl_opus_packet_has_fec(const uint8_t *packet, size_t size)
{
    const unsigned char *frames[48];
    int16_t sizes[48];
    unsigned char toc;
    if (size <= SILENT_SIZE_MAX || size > INT32_MAX)
        return false;
    unsigned count = silk_frames(packet[0]);
    if (count == 0 || opus_packet_parse(packet, (int32_t)size, &toc, frames, sizes, NULL) < 1 ||
        sizes[0] == 0)
        return false;
    // The header bits come first in the range coder: per channel one VAD bit a frame and one bit that
    // says whether protection follows.
    bool middle = frames[0][0] >> (7 - count) & 1;
    bool stereo = packet[0] >> 2 & 1;
    return middle || (stereo && (frames[0][0] >> (6 - 2 * count) & 1));
}

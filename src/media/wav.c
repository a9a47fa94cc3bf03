// wav.c -- see wav.h. Every length comes from a stranger: it is compared with what is there before
// it is used, and the walk over the chunks moves forward by at least eight bytes a step.
#include "media/wav.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/g711.h"

enum {
    FORMAT_PCM = 1,
    FORMAT_FLOAT = 3,
    FORMAT_ALAW = 6,
    FORMAT_ULAW = 7,
    FORMAT_EXTENSIBLE = 0xFFFE,
    RATE_MIN = 1000,
    RATE_MAX = 384000,
    CHANNELS_MAX = 8,
    FMT_SIZE_MIN = 16,
    EXTENSIBLE_SIZE_MIN = 26, // up to and with the first two bytes of the sub-format
    SUBFORMAT_AT = 24,
    RIFF_HEADER = 12,
    CHUNK_HEADER = 8
};

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value & 0xFF);
    at[1] = (uint8_t)(value >> 8 & 0xFF);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value & 0xFFFF);
    put16(at + 2, value >> 16);
}

static bool form_is_known(const struct prl_wav *wav)
{
    switch (wav->format) {
    case FORMAT_PCM:
        return wav->bits == 8 || wav->bits == 16 || wav->bits == 24 || wav->bits == 32;
    case FORMAT_FLOAT:
        return wav->bits == 32;
    case FORMAT_ALAW:
    case FORMAT_ULAW:
        return wav->bits == 8;
    default:
        return false;
    }
}

static enum prl_err parse_format(struct prl_wav *wav, const uint8_t *body, size_t size)
{
    if (size < FMT_SIZE_MIN)
        return PRL_ERR_INVALID;
    wav->format = get16(body);
    wav->channels = get16(body + 2);
    wav->rate_hz = get32(body + 4);
    wav->bits = get16(body + 14);
    if (wav->format == FORMAT_EXTENSIBLE) {
        if (size < EXTENSIBLE_SIZE_MIN)
            return PRL_ERR_INVALID;
        wav->format = get16(body + SUBFORMAT_AT);
    }
    if (wav->channels < 1 || wav->channels > CHANNELS_MAX || wav->rate_hz < RATE_MIN ||
        wav->rate_hz > RATE_MAX || !form_is_known(wav))
        return PRL_ERR_INVALID;
    uint32_t block = get16(body + 12);
    return block == wav->channels * wav->bits / 8 ? PRL_OK : PRL_ERR_INVALID;
}

static enum prl_err take_data(struct prl_wav *wav, const uint8_t *data, size_t length, size_t rest)
{
    size_t frame = (size_t)wav->channels * (wav->bits / 8);
    if (frame == 0)
        return PRL_ERR_INVALID; // parse_format saw to it, the analyser wants to see it
    // Streams write 0 or all ones; a cut file has less than it says.
    wav->data = data;
    wav->frame_count = (length == 0 || length > rest ? rest : length) / frame;
    return PRL_OK;
}

enum prl_err prl_wav_parse(struct prl_wav *wav, const uint8_t *file, size_t size)
{
    PRL_CHECK(wav != NULL);
    *wav = (struct prl_wav){0};
    if (size < RIFF_HEADER || memcmp(file, "RIFF", 4) != 0 || memcmp(file + 8, "WAVE", 4) != 0)
        return PRL_ERR_INVALID;
    size_t at = RIFF_HEADER;
    bool format_seen = false;
    while (size - at >= CHUNK_HEADER) {
        const uint8_t *chunk = file + at;
        size_t length = get32(chunk + 4);
        at += CHUNK_HEADER;
        size_t rest = size - at;
        if (memcmp(chunk, "data", 4) == 0) {
            return format_seen ? take_data(wav, file + at, length, rest) : PRL_ERR_INVALID;
        }
        if (length > rest)
            return PRL_ERR_INVALID;
        if (memcmp(chunk, "fmt ", 4) == 0) {
            enum prl_err err = parse_format(wav, file + at, length);
            if (err)
                return err;
            format_seen = true;
        }
        at += length;
        at += length & 1 && at < size ? 1 : 0; // chunks are padded to even lengths
    }
    return PRL_ERR_INVALID;
}

static int32_t from_float(const uint8_t *at)
{
    uint32_t bits = get32(at);
    float value;
    memcpy(&value, &bits, sizeof(value));
    if (!(value > -1.0F)) // also what is no number
        return isnan(value) ? 0 : -32768;
    return value < 1.0F ? (int32_t)lrintf(value * 32767.0F) : 32767;
}

// One sample as 16 bits.
static int32_t sample_at(const struct prl_wav *wav, const uint8_t *at)
{
    if (wav->format == FORMAT_FLOAT)
        return from_float(at);
    if (wav->format == FORMAT_ALAW)
        return prl_g711_alaw_decode(at[0]);
    if (wav->format == FORMAT_ULAW)
        return prl_g711_ulaw_decode(at[0]);
    if (wav->bits == 8)
        return ((int32_t)at[0] - 128) * 256;
    return (int16_t)get16(at + wav->bits / 8 - 2); // the upper two bytes
}

enum prl_err prl_wav_decode(const struct prl_wav *wav, size_t max_samples, int16_t **pcm,
                            size_t *count)
{
    PRL_CHECK(wav->channels >= 1 && wav->channels <= CHANNELS_MAX);
    *pcm = NULL;
    *count = 0;
    if (wav->frame_count > max_samples)
        return PRL_ERR_LIMIT;
    int16_t *out = prl_mem_array(wav->frame_count ? wav->frame_count : 1, sizeof(*out));
    if (!out)
        return PRL_ERR_NOMEM;
    size_t width = wav->bits / 8;
    const uint8_t *at = wav->data;
    for (size_t i = 0; i < wav->frame_count; i++) {
        int32_t sum = 0;
        for (uint32_t channel = 0; channel < wav->channels; channel++, at += width)
            sum += sample_at(wav, at);
        out[i] = (int16_t)(sum / (int32_t)wav->channels);
    }
    *pcm = out;
    *count = wav->frame_count;
    return PRL_OK;
}

void prl_wav_header(uint8_t out[PRL_WAV_HEADER_SIZE], uint32_t rate_hz, uint64_t count)
{
    prl_wav_header_of(out, rate_hz, 1, count);
}

void prl_wav_header_of(uint8_t out[PRL_WAV_HEADER_SIZE], uint32_t rate_hz, uint32_t channels,
                       uint64_t count)
{
    PRL_CHECK(channels >= 1 && channels <= CHANNELS_MAX);
    uint32_t frame = 2 * channels; // bytes
    bool known = count < (((uint64_t)1 << 31) - 64) / frame;
    uint32_t size = known ? (uint32_t)count * frame : UINT32_MAX;
    // NOLINTBEGIN(bugprone-not-null-terminated-result): these are no strings
    memcpy(out, "RIFF", 4);
    put32(out + 4, known ? size + PRL_WAV_HEADER_SIZE - CHUNK_HEADER : UINT32_MAX);
    memcpy(out + 8, "WAVEfmt ", 8);
    put32(out + 16, FMT_SIZE_MIN);
    put16(out + 20, FORMAT_PCM);
    put16(out + 22, channels);
    put32(out + 24, rate_hz);
    put32(out + 28, rate_hz * frame);
    put16(out + 32, frame);
    put16(out + 34, 16);
    memcpy(out + 36, "data", 4);
    // NOLINTEND(bugprone-not-null-terminated-result)
    put32(out + 40, size);
}

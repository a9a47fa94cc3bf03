// g711.c -- see g711.h. Encoding finds the segment by the position of the highest bit, decoding
// rebuilds the middle of the step.
#include "media/g711.h"

enum { ULAW_BIAS = 33, ULAW_MAX = 8158, SEGMENT_SHIFT = 4, STEP_MASK = 15, SIGN = 0x80 };

static unsigned highest_bit(unsigned value)
{
    return 31U - (unsigned)__builtin_clz(value);
}

uint8_t prl_g711_ulaw_encode(int16_t sample)
{
    // 14-bit magnitude; negative numbers by one's complement, as in the reference code of G.191.
    int value = (sample < 0 ? ~sample : sample) >> 2;
    unsigned mask = sample < 0 ? 0x7F : 0xFF;
    if (value > ULAW_MAX)
        value = ULAW_MAX;
    unsigned biased = (unsigned)value + ULAW_BIAS;
    unsigned segment = highest_bit(biased) - 5;
    unsigned code = segment << SEGMENT_SHIFT | (biased >> (segment + 1) & STEP_MASK);
    return (uint8_t)(code ^ mask);
}

int16_t prl_g711_ulaw_decode(uint8_t code)
{
    unsigned value = ~(unsigned)code & 0xFF;
    unsigned segment = value >> SEGMENT_SHIFT & 7;
    int magnitude = (int)(((value & STEP_MASK) * 2 + ULAW_BIAS) << segment) - ULAW_BIAS;
    return (int16_t)((value & SIGN ? -magnitude : magnitude) * 4);
}

uint8_t prl_g711_alaw_encode(int16_t sample)
{
    unsigned magnitude = (unsigned)(sample < 0 ? ~sample : sample) >> 3;
    unsigned mask = sample < 0 ? 0x55 : 0xD5;
    unsigned segment = magnitude < 32 ? 0 : highest_bit(magnitude) - 4;
    unsigned shift = segment < 2 ? 1 : segment;
    unsigned code = segment << SEGMENT_SHIFT | (magnitude >> shift & STEP_MASK);
    return (uint8_t)(code ^ mask);
}

int16_t prl_g711_alaw_decode(uint8_t code)
{
    unsigned value = (unsigned)code ^ 0x55;
    unsigned segment = value >> SEGMENT_SHIFT & 7;
    int magnitude = (int)((value & STEP_MASK) * 2 + 1);
    if (segment > 0)
        magnitude = (magnitude + 32) << (segment - 1);
    return (int16_t)((value & SIGN ? magnitude : -magnitude) * 8);
}

void prl_g711_ulaw_encode_all(uint8_t *out, const int16_t *pcm, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = prl_g711_ulaw_encode(pcm[i]);
}

void prl_g711_ulaw_decode_all(int16_t *pcm, const uint8_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pcm[i] = prl_g711_ulaw_decode(in[i]);
}

void prl_g711_alaw_encode_all(uint8_t *out, const int16_t *pcm, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = prl_g711_alaw_encode(pcm[i]);
}

void prl_g711_alaw_decode_all(int16_t *pcm, const uint8_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pcm[i] = prl_g711_alaw_decode(in[i]);
}

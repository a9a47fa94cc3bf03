// test_g711.c -- the two companding laws against figures of ITU-T G.711.
#include <stdlib.h>

#include "media/g711.h"
#include "tests/unit.h"

struct pair {
    uint8_t code;
    int16_t sample;
};

PRL_TEST(g711_ulaw_values_of_the_standard)
{
    // Table 2a: decoder output values 8031, 4191, 2079, 1023, 495, 231, 99, 33 (segment ends) as
    // 14-bit numbers, times 4.
    static const struct pair PAIRS[] = {
        {0x80, 32124},  {0x8F, 16764},  {0x90, 15996}, {0x9F, 8316}, {0xA0, 7932}, {0xAF, 4092},
        {0xBF, 1980},   {0xCF, 924},    {0xDF, 396},   {0xEF, 132},  {0xFE, 8},    {0xFF, 0},
        {0x00, -32124}, {0x0F, -16764}, {0x7E, -8},    {0x7F, 0},
    };
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++)
        EXPECT_INT(prl_g711_ulaw_decode(PAIRS[i].code), PAIRS[i].sample);
}

PRL_TEST(g711_alaw_values_of_the_standard)
{
    // Table 1a: decoder output values 4032 … 1 as 13-bit numbers, times 8; even bits inverted.
    static const struct pair PAIRS[] = {
        {0xAA, 32256}, {0xA5, 16896}, {0xBA, 16128}, {0xB5, 8448},   {0x8A, 8064},   {0x85, 4224},
        {0xD5, 8},     {0xD4, 24},    {0x55, -8},    {0x2A, -32256}, {0x25, -16896}, {0x00, -5504},
    };
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++)
        EXPECT_INT(prl_g711_alaw_decode(PAIRS[i].code), PAIRS[i].sample);
}

PRL_TEST(g711_every_code_survives_a_round_trip)
{
    for (int code = 0; code < 256; code++) {
        EXPECT_INT(prl_g711_alaw_encode(prl_g711_alaw_decode((uint8_t)code)), code);
        int expected = code == 0x7F ? 0xFF : code; // minus zero becomes zero
        EXPECT_INT(prl_g711_ulaw_encode(prl_g711_ulaw_decode((uint8_t)code)), expected);
    }
}

PRL_TEST(g711_encoders_stay_within_half_a_step)
{
    int worst = 0;
    for (int sample = -32600; sample <= 32600; sample++) {
        // A segment has 16 steps: half a step is 1/32 of its lower end, plus the bits cut off.
        int ulaw = abs(prl_g711_ulaw_decode(prl_g711_ulaw_encode((int16_t)sample)) - sample);
        int alaw = abs(prl_g711_alaw_decode(prl_g711_alaw_encode((int16_t)sample)) - sample);
        worst += ulaw > (abs(sample) + 132) / 32 + 4;
        worst += alaw > abs(sample) / 32 + 16;
    }
    EXPECT_INT(worst, 0);
    EXPECT_INT(prl_g711_ulaw_encode(32767), 0x80);
    EXPECT_INT(prl_g711_ulaw_encode(-32768), 0x00);
    EXPECT_INT(prl_g711_alaw_encode(32767), 0xAA);
    EXPECT_INT(prl_g711_alaw_encode(-32768), 0x2A);
}

PRL_TEST(g711_whole_blocks)
{
    int16_t pcm[64];
    int16_t back[64];
    uint8_t codes[64];
    for (int i = 0; i < 64; i++)
        pcm[i] = (int16_t)(i * 1000 - 32000);
    prl_g711_ulaw_encode_all(codes, pcm, 64);
    prl_g711_ulaw_decode_all(back, codes, 64);
    for (int i = 0; i < 64; i++)
        EXPECT_INT(back[i], prl_g711_ulaw_decode(prl_g711_ulaw_encode(pcm[i])));
    prl_g711_alaw_encode_all(codes, pcm, 64);
    prl_g711_alaw_decode_all(back, codes, 64);
    for (int i = 0; i < 64; i++)
        EXPECT_INT(back[i], prl_g711_alaw_decode(prl_g711_alaw_encode(pcm[i])));
}

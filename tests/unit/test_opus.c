// test_opus.c -- both directions of the codec, protection, silence, and packets that are none.
#include "media/opus.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

static const struct prl_opus_tuning plain = {.bitrate_bps = 24000, .complexity = 5};
static const struct prl_opus_tuning safe = {
    .bitrate_bps = 32000, .loss_percent = 20, .fec = true, .complexity = 5};

// A voice-like sound: harmonics of a gliding pitch in syllables.
static void voice(int16_t *pcm, size_t count, size_t at, double hz)
{
    for (size_t i = 0; i < count; i++) {
        double t = (double)(at + i) / hz;
        double sum = 0;
        for (int h = 1; h <= 6; h++)
            sum += sin(h * (2 * M_PI * 140 * t + 3 * sin(2 * M_PI * 2 * t))) / h;
        double syllable = sin(2 * M_PI * 3 * t);
        pcm[i] = (int16_t)(6000 * sum * syllable * syllable);
    }
}

static double energy(const int16_t *pcm, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)pcm[i] * pcm[i];
    return count ? sum / (double)count : 0;
}

static size_t encode_voice(struct prl_opus_encoder *encoder, size_t frame, uint8_t *out)
{
    int16_t pcm[PRL_OPUS_IN_SAMPLES];
    voice(pcm, PRL_OPUS_IN_SAMPLES, frame * PRL_OPUS_IN_SAMPLES, PRL_OPUS_IN_HZ);
    return prl_opus_encode(encoder, pcm, out, PRL_OPUS_PACKET_MAX);
}

// Highest correlation of `pcm` with the true sound over shifts of up to 20 ms.
static double likeness(const int16_t *pcm, size_t count, size_t at)
{
    double best = 0;
    for (size_t shift = 0; shift < 320; shift++) {
        double ab = 0;
        double aa = 1;
        double bb = 1;
        for (size_t i = 0; i < count; i += 2) {
            int16_t real;
            voice(&real, 1, at + i - shift, PRL_OPUS_OUT_HZ);
            ab += (double)pcm[i] * real;
            aa += (double)pcm[i] * pcm[i];
            bb += (double)real * real;
        }
        double match = ab / sqrt(aa * bb);
        best = match > best ? match : best;
    }
    return best;
}

PRL_TEST(opus_carries_a_voice_from_24_to_16_khz)
{
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    REQUIRE(prl_opus_encoder_create(&encoder, &plain) == PRL_OK);
    REQUIRE(prl_opus_decoder_create(&decoder) == PRL_OK);
    uint8_t packet[PRL_OPUS_PACKET_MAX];
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    size_t bytes = 0;
    for (size_t i = 0; i < 50; i++) {
        size_t size = encode_voice(encoder, i, packet);
        REQUIRE(size > 2);
        bytes += size;
        EXPECT_INT(prl_opus_packet_samples(packet, size), 320);
        EXPECT(!prl_opus_packet_has_fec(packet, size));
        REQUIRE(prl_opus_decode(decoder, packet, size, pcm) == 320);
        if (i > 10 && i < 15)
            EXPECT(likeness(pcm, 320, i * 320) > 0.75);
    }
    EXPECT(bytes > 2000 && bytes < 4500); // 24 kb/s are 3,000 bytes a second
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
    EXPECT(encoder == NULL && decoder == NULL);
}

PRL_TEST(opus_protection_recovers_a_lost_packet)
{
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    REQUIRE(prl_opus_encoder_create(&encoder, &safe) == PRL_OK);
    REQUIRE(prl_opus_decoder_create(&decoder) == PRL_OK);
    uint8_t packet[PRL_OPUS_PACKET_MAX];
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    size_t protected = 0;
    size_t recovered = 0;
    for (size_t i = 0; i < 40; i++) {
        size_t size = encode_voice(encoder, i, packet);
        protected += prl_opus_packet_has_fec(packet, size);
        if (i % 8 == 6)
            continue; // lost
        if (i % 8 == 7) {
            recovered += prl_opus_packet_has_fec(packet, size);
            EXPECT_INT(prl_opus_decode_fec(decoder, packet, size, pcm, 320), 320);
            if (prl_opus_packet_has_fec(packet, size))
                EXPECT(likeness(pcm, 320, (i - 1) * 320) > 0.75);
        }
        EXPECT_INT(prl_opus_decode(decoder, packet, size, pcm), 320);
    }
    EXPECT(protected > 25);
    EXPECT(recovered >= 3);
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
}

PRL_TEST(opus_reset_is_as_new)
{
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    REQUIRE(prl_opus_encoder_create(&encoder, &safe) == PRL_OK);
    REQUIRE(prl_opus_decoder_create(&decoder) == PRL_OK);
    uint8_t first[5][PRL_OPUS_PACKET_MAX];
    size_t sizes[5];
    int16_t sound[5][PRL_OPUS_OUT_SAMPLES_MAX];
    for (size_t i = 0; i < 5; i++) {
        sizes[i] = encode_voice(encoder, i, first[i]);
        EXPECT_INT(prl_opus_decode(decoder, first[i], sizes[i], sound[i]), 320);
    }
    for (size_t i = 5; i < 20; i++) {
        uint8_t packet[PRL_OPUS_PACKET_MAX];
        (void)encode_voice(encoder, i * 3, packet);
    }
    prl_opus_encoder_reset(encoder);
    prl_opus_decoder_reset(decoder);
    for (size_t i = 0; i < 5; i++) {
        uint8_t packet[PRL_OPUS_PACKET_MAX];
        int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
        EXPECT_INT(encode_voice(encoder, i, packet), sizes[i]);
        EXPECT(memcmp(packet, first[i], sizes[i]) == 0);
        EXPECT_INT(prl_opus_decode(decoder, packet, sizes[i], pcm), 320);
        EXPECT(memcmp(pcm, sound[i], 320 * sizeof(*pcm)) == 0);
    }
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
}

PRL_TEST(opus_tuning_takes_effect)
{
    struct prl_opus_encoder *encoder = NULL;
    REQUIRE(prl_opus_encoder_create(&encoder, &plain) == PRL_OK);
    uint8_t packet[PRL_OPUS_PACKET_MAX];
    size_t bytes[3] = {0};
    const uint32_t rates[3] = {8000, 24000, 48000};
    for (size_t r = 0; r < 3; r++) {
        struct prl_opus_tuning tuning = plain;
        tuning.bitrate_bps = rates[r];
        tuning.complexity = 99; // cut to the range
        tuning.loss_percent = -4;
        prl_opus_encoder_tune(encoder, &tuning);
        for (size_t i = 0; i < 50; i++)
            bytes[r] += encode_voice(encoder, i, packet);
    }
    EXPECT(bytes[0] < 1600 && bytes[1] > bytes[0] * 2 && bytes[2] > bytes[1] * 3 / 2);
    // DTX: silence costs a byte a frame, but for one real frame each 400 ms.
    struct prl_opus_tuning quiet = plain;
    quiet.dtx = true;
    prl_opus_encoder_tune(encoder, &quiet);
    int16_t silence[PRL_OPUS_IN_SAMPLES] = {0};
    size_t small = 0;
    for (size_t i = 0; i < 100; i++)
        small += prl_opus_encode(encoder, silence, packet, sizeof(packet)) <= 2;
    EXPECT(small > 60 && small < 100);
    prl_opus_encoder_destroy(&encoder);
}

// 2.5 to 120 ms, one to 48 frames, by the table of contents alone (RFC 6716 §3).
PRL_TEST(opus_knows_every_duration)
{
    static const struct {
        uint8_t bytes[3];
        size_t size;
        size_t samples;
    } cases[] = {
        {{0xE0}, 1, 40},         // CELT 2.5 ms, empty
        {{0xE8}, 1, 80},         // 5 ms
        {{0x08}, 1, 320},        // SILK 20 ms
        {{0x18}, 1, 960},        // SILK 60 ms
        {{0x19, 0, 0}, 3, 1920}, // two of them
        {{0x1B, 0x02}, 2, 1920}, // the same, counted
        {{0x1B, 0x03}, 2, 0},    // 180 ms: too long
        {{0x1B}, 1, 0},          // count missing
        {{0xE3, 48}, 2, 1920},   // 48 × 2.5 ms
        {{0xE3, 49}, 2, 0},      // 122.5 ms
        {{0x0A}, 1, 640},        // two frames of different size; the sizes are broken
        {{0}, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        EXPECT_INT(prl_opus_packet_samples(cases[i].bytes, cases[i].size), cases[i].samples);
}

PRL_TEST(opus_silence_packets_become_comfort)
{
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    REQUIRE(prl_opus_encoder_create(&encoder, &plain) == PRL_OK);
    REQUIRE(prl_opus_decoder_create(&decoder) == PRL_OK);
    uint8_t packet[PRL_OPUS_PACKET_MAX];
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    size_t size = 0;
    for (size_t i = 0; i < 20; i++) {
        size = encode_voice(encoder, i, packet);
        (void)prl_opus_decode(decoder, packet, size, pcm);
    }
    EXPECT(energy(pcm, 320) > 1e5);
    const uint8_t toc = packet[0];
    for (size_t i = 0; i < 20; i++)
        EXPECT_INT(prl_opus_decode(decoder, &toc, 1, pcm), 320);
    EXPECT(energy(pcm, 320) < 1e4);
    // Concealment keeps what the ear expects for a while, then falls silent.
    (void)prl_opus_decode(decoder, packet, size, pcm);
    EXPECT_INT(prl_opus_conceal(decoder, pcm, 320), 320);
    EXPECT(energy(pcm, 320) > 1e4);
    for (size_t i = 0; i < 20; i++)
        EXPECT_INT(prl_opus_conceal(decoder, pcm, 330), 320);
    EXPECT(energy(pcm, 320) < 1e4);
    EXPECT_INT(prl_opus_conceal(decoder, pcm, 39), 0);
    EXPECT_INT(prl_opus_conceal(decoder, pcm, 99999), PRL_OPUS_OUT_SAMPLES_MAX);
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
}

PRL_TEST(opus_survives_hostile_packets)
{
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    REQUIRE(prl_opus_encoder_create(&encoder, &safe) == PRL_OK);
    REQUIRE(prl_opus_decoder_create(&decoder) == PRL_OK);
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    uint8_t packet[1500];
    EXPECT_INT(prl_opus_decode(decoder, packet, 0, pcm), 0);
    EXPECT_INT(prl_opus_decode_fec(decoder, packet, 0, pcm, 320), 320);
    for (size_t round = 0; round < 3000; round++) {
        size_t size = prl_test_random() % sizeof(packet);
        if (round % 2)
            size = encode_voice(encoder, round, packet);
        for (size_t i = 0; i < (round % 2 ? 3 : size); i++)
            packet[round % 2 && size ? prl_test_random() % size : i] = (uint8_t)prl_test_random();
        size_t promised = prl_opus_packet_samples(packet, size);
        (void)prl_opus_packet_has_fec(packet, size);
        size_t count = prl_opus_decode(decoder, packet, size, pcm);
        EXPECT(count == 0 || count == promised);
        size_t wanted = 40 * (size_t)(1 + prl_test_random() % 48);
        EXPECT_INT(prl_opus_decode_fec(decoder, packet, size, pcm, wanted), wanted);
    }
    // And it still works.
    size_t size = 0;
    for (size_t i = 0; i < 10; i++) {
        size = encode_voice(encoder, i, packet);
        EXPECT_INT(prl_opus_decode(decoder, packet, size, pcm), 320);
    }
    EXPECT(energy(pcm, 320) > 1e4);
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
}

PRL_TEST_OOM(opus_create)
{
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    uint8_t packet[PRL_OPUS_PACKET_MAX];
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    enum prl_err err = prl_opus_encoder_create(&encoder, &plain);
    if (!err)
        err = prl_opus_decoder_create(&decoder);
    if (!err) {
        prl_mem_forbid(1);
        size_t size = encode_voice(encoder, 0, packet);
        EXPECT_INT(prl_opus_decode(decoder, packet, size, pcm), 320);
        prl_mem_forbid(0);
    }
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
}

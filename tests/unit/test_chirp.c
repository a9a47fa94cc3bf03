// test_chirp.c -- media/chirp: the mark is found to the sample, in noise, through Opus, and nowhere else.
#include "media/chirp.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/opus.h"
#include "tests/unit.h"

enum { RATE = 24000, LEN = RATE, PIECE = 480 };

static void hum(int16_t *pcm, size_t from, size_t to, double amplitude)
{
    for (size_t i = from; i < to; i++)
        pcm[i] = (int16_t)(pcm[i] + amplitude * sin(6.283185 * 250 * (double)i / RATE));
}

static void noise(int16_t *pcm, size_t n, int amplitude)
{
    for (size_t i = 0; i < n; i++)
        pcm[i] = (int16_t)(pcm[i] + (int)(prl_test_random() % (2 * (uint32_t)amplitude + 1)) -
                           amplitude);
}

// Onsets found in `n` samples, given in pieces; the last one in *onset.
static int find(struct prl_chirp_finder *finder, const int16_t *pcm, size_t n, size_t piece,
                struct prl_chirp_onset *onset)
{
    int found = 0;
    for (size_t at = 0; at < n; at += piece)
        found += prl_chirp_find(finder, pcm + at, n - at < piece ? n - at : piece, onset);
    return found;
}

PRL_TEST(chirp_is_found_to_the_sample)
{
    static int16_t pcm[LEN];
    struct prl_chirp_finder finder;
    struct prl_chirp_onset onset;
    for (size_t start = 3000; start < 3060; start += 7) {
        memset(pcm, 0, sizeof(pcm));
        size_t size = prl_chirp_write(pcm + start, RATE);
        hum(pcm, start + size, LEN, 3000);
        noise(pcm, LEN, 60);
        prl_chirp_finder_init(&finder, RATE);
        EXPECT_INT(find(&finder, pcm, LEN, start % 5 ? PIECE : 97, &onset), 1);
        EXPECT(onset.marked && onset.match > 0.9);
        EXPECT_INT(onset.sample, start);
    }
}

PRL_TEST(chirp_is_not_seen_in_other_sounds)
{
    static int16_t pcm[LEN];
    struct prl_chirp_finder finder;
    struct prl_chirp_onset onset;
    memset(pcm, 0, sizeof(pcm));
    hum(pcm, 5000, LEN, 8000); // a tone: an onset without a mark
    prl_chirp_finder_init(&finder, RATE);
    EXPECT_INT(find(&finder, pcm, LEN, PIECE, &onset), 1);
    EXPECT(!onset.marked);
    EXPECT(onset.sample >= 5000 && onset.sample < 5010);
    memset(pcm, 0, sizeof(pcm));
    noise(pcm + 5000, LEN - 5000, 9000);
    prl_chirp_finder_init(&finder, RATE);
    EXPECT_INT(find(&finder, pcm, LEN, PIECE, &onset), 1);
    EXPECT(!onset.marked && onset.match < 0.4);
    memset(pcm, 0, sizeof(pcm));
    noise(pcm, LEN, PRL_CHIRP_LOUD - 1); // too quiet to hear
    prl_chirp_finder_init(&finder, RATE);
    EXPECT_INT(find(&finder, pcm, LEN, PIECE, &onset), 0);
}

PRL_TEST(chirp_needs_quiet_before_it)
{
    static int16_t pcm[LEN];
    struct prl_chirp_finder finder;
    struct prl_chirp_onset onset;
    memset(pcm, 0, sizeof(pcm));
    hum(pcm, 2000, 8000, 3000);
    (void)prl_chirp_write(pcm + 8000, RATE); // in the middle of sound
    prl_chirp_finder_init(&finder, RATE);
    EXPECT_INT(find(&finder, pcm, LEN, PIECE, &onset), 1);
    EXPECT(!onset.marked);
    // The same chirp counts when what came before was left out.
    prl_chirp_finder_init(&finder, RATE);
    (void)find(&finder, pcm, 7680, PIECE, &onset);
    prl_chirp_gap(&finder);
    EXPECT_INT(find(&finder, pcm + 8000, LEN - 8000, PIECE, &onset), 1);
    EXPECT(onset.marked);
}

PRL_TEST(chirp_two_answers_are_two_onsets)
{
    static int16_t pcm[LEN];
    struct prl_chirp_finder finder;
    struct prl_chirp_onset onset;
    memset(pcm, 0, sizeof(pcm));
    (void)prl_chirp_write(pcm + 1000, RATE);
    (void)prl_chirp_write(pcm + 9000, RATE);
    prl_chirp_finder_init(&finder, RATE);
    EXPECT_INT(find(&finder, pcm, LEN, PIECE, &onset), 2);
    EXPECT(onset.marked);
    EXPECT_INT(onset.sample, 9000);
}

PRL_TEST(chirp_survives_opus)
{
    static int16_t pcm[LEN];
    memset(pcm, 0, sizeof(pcm));
    size_t size = prl_chirp_write(pcm + 9600, RATE);
    hum(pcm, 9600 + size, LEN, 3000);
    struct prl_opus_encoder *encoder = NULL;
    struct prl_opus_decoder *decoder = NULL;
    struct prl_opus_tuning tuning = {.bitrate_bps = 16000, .complexity = 0, .fec = true};
    REQUIRE(prl_opus_encoder_create(&encoder, &tuning) == PRL_OK);
    REQUIRE(prl_opus_decoder_create(&decoder) == PRL_OK);
    struct prl_chirp_finder finder;
    struct prl_chirp_onset onset = {0};
    int found = 0;
    prl_chirp_finder_init(&finder, PRL_OPUS_OUT_HZ);
    for (size_t at = 0; at + PRL_OPUS_IN_SAMPLES <= LEN; at += PRL_OPUS_IN_SAMPLES) {
        uint8_t packet[PRL_OPUS_PACKET_MAX];
        int16_t out[PRL_OPUS_OUT_SAMPLES_MAX];
        size_t bytes = prl_opus_encode(encoder, pcm + at, packet, sizeof(packet));
        size_t samples = prl_opus_decode(decoder, packet, bytes, out);
        found += prl_chirp_find(&finder, out, samples, &onset);
    }
    EXPECT_INT(found, 1);
    EXPECT(onset.marked);
    // 9,600 samples at 24 kHz are 6,400 at 16 kHz; the codec's look-ahead is 104 of them.
    EXPECT(onset.sample >= 6400 && onset.sample <= 6400 + 140);
    prl_opus_encoder_destroy(&encoder);
    prl_opus_decoder_destroy(&decoder);
}

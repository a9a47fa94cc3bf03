// wav.h -- RIFF/WAVE files in memory: a bounded reader for foreign bytes and a writer.
//
// Reads PCM 8, 16, 24 and 32 bit, float 32, µ-law and A-law, 1 to 8 channels (mixed to one), the
// extensible form included. A size field that is 0 or 0xFFFFFFFF (written by streams) means "to
// the end of the file".
// Units:    samples are one channel's; bytes otherwise.
// Threads:  any. Memory: the reader owns nothing; decode allocates the samples.
// Errors:   INVALID for what is no WAV or not one of these forms, LIMIT for more than max_samples.
#ifndef PRL_MEDIA_WAV_H
#define PRL_MEDIA_WAV_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_WAV_HEADER_SIZE = 44 };

struct prl_wav {
    uint32_t rate_hz;    // 1000..384000
    uint32_t channels;   // 1..8
    uint32_t bits;       // of one sample
    uint32_t format;     // 1 PCM, 3 float, 6 A-law, 7 µ-law
    const uint8_t *data; // borrowed from the file
    size_t frame_count;  // samples a channel
};

// Parses the header only; wav->data points into `file`.
enum prl_err prl_wav_parse(struct prl_wav *wav, const uint8_t *file, size_t size) PRL_MUST_USE;
// All channels mixed to one. The caller frees *pcm with prl_mem_free; *count may be 0 and *pcm is
// never NULL on success.
enum prl_err prl_wav_decode(const struct prl_wav *wav, size_t max_samples, int16_t **pcm,
                            size_t *count) PRL_MUST_USE;
// Header of a 16-bit mono file with `count` samples (at most 2^31 - 64 bytes of sound; a larger
// count is written as "to the end of the file").
void prl_wav_header(uint8_t out[PRL_WAV_HEADER_SIZE], uint32_t rate_hz, uint64_t count);
// The same with 1 to 8 channels of `count` samples each.
void prl_wav_header_of(uint8_t out[PRL_WAV_HEADER_SIZE], uint32_t rate_hz, uint32_t channels,
                       uint64_t count);

#endif

// opus.h -- Opus speech: 24 kHz PCM into packets, packets into 16 kHz PCM.
//
// Both ends of the codec run at our own rates, so nothing is resampled. Stereo packets are mixed to
// mono by the decoder.
// Units:    samples at 24 kHz in (480 a frame), 16 kHz out (24 kHz from files). The encoder's look-ahead is 6.5 ms (156
//           samples at 24 kHz); the decoder adds none.
// Threads:  one owner an object.
// Memory:   one block of base/mem each, 43 KiB (encoder) and 18 KiB (decoder); the library
//           allocates nothing in or after create.
// Errors:   a packet that is no Opus decodes to nothing (0 samples) and leaves the decoder usable.
// Source:   RFC 6716; libopus. The packet's own facts (duration, protection) are read here.
#ifndef PRL_MEDIA_OPUS_H
#define PRL_MEDIA_OPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_OPUS_CLOCK_HZ = 48000, // of RTP timestamps, whatever the rates of the sound (RFC 7587 §4.1)
    PRL_OPUS_IN_HZ = 24000,
    PRL_OPUS_IN_SAMPLES = 480, // 20 ms
    PRL_OPUS_OUT_HZ = 16000,
    PRL_OPUS_OUT_SAMPLES_MAX = 1920,  // 120 ms, the longest packet
    PRL_OPUS_FILE_HZ = 24000,         // of a decoder for files
    PRL_OPUS_FILE_SAMPLES_MAX = 2880, // 120 ms there
    PRL_OPUS_PACKET_MAX = 1275,       // bytes of one frame; we send one frame a packet
    PRL_OPUS_LOOKAHEAD_SAMPLES = 156
};

struct prl_opus_encoder;
struct prl_opus_decoder;

// Takes effect with the next frame. Values outside the range are cut to it.
struct prl_opus_tuning {
    uint32_t bitrate_bps; // 6,000..128,000
    int loss_percent;     // what the receiver loses, 0..100: how strong the protection is
    bool fec;             // each packet carries a coarse copy of the one before (SILK only)
    bool dtx;             // silence costs 1 byte a frame and one real frame each 400 ms
    int complexity;       // 0..10: 60 to 370 µs a frame
};

enum prl_err prl_opus_encoder_create(struct prl_opus_encoder **out,
                                     const struct prl_opus_tuning *tuning) PRL_MUST_USE;
void prl_opus_encoder_destroy(struct prl_opus_encoder **encoder);
void prl_opus_encoder_tune(struct prl_opus_encoder *encoder, const struct prl_opus_tuning *tuning);
// Forgets the past: the next packet equals the first one of a new encoder.
void prl_opus_encoder_reset(struct prl_opus_encoder *encoder);
// One frame of PRL_OPUS_IN_SAMPLES. Returns the bytes written, 1 or 2 where DTX has nothing to say.
// `size` at least 3; 0: the library failed, nothing is to be sent.
size_t prl_opus_encode(struct prl_opus_encoder *encoder, const int16_t *pcm, uint8_t *out,
                       size_t size);

enum prl_err prl_opus_decoder_create(struct prl_opus_decoder **out) PRL_MUST_USE;
// One for files: PRL_OPUS_FILE_HZ out, `gain` (dB, in 256ths) on all of it. FEC and concealment are
// not for it.
enum prl_err prl_opus_decoder_create_file(struct prl_opus_decoder **out, int16_t gain) PRL_MUST_USE;
void prl_opus_decoder_destroy(struct prl_opus_decoder **decoder);
void prl_opus_decoder_reset(struct prl_opus_decoder *decoder);
// Samples written: those of the packet (at most PRL_OPUS_OUT_SAMPLES_MAX, for a file
// PRL_OPUS_FILE_SAMPLES_MAX, for which `pcm` has room), or 0 when it is broken.
size_t prl_opus_decode(struct prl_opus_decoder *decoder, const uint8_t *packet, size_t size,
                       int16_t *pcm);
// The sound of the packet before `packet`, `samples` long (a multiple of 40), out of what `packet`
// carries for protection; concealment where it carries none. Decode `packet` itself afterwards.
size_t prl_opus_decode_fec(struct prl_opus_decoder *decoder, const uint8_t *packet, size_t size,
                           int16_t *pcm, size_t samples);
// `samples` (a multiple of 40) of concealment, or of comfort noise behind a DTX packet.
size_t prl_opus_conceal(struct prl_opus_decoder *decoder, int16_t *pcm, size_t samples);

// Samples at 16 kHz that the packet says it holds, 40..1920; 0: not a packet of legal length.
size_t prl_opus_packet_samples(const uint8_t *packet, size_t size);
// It carries protection of the packet before (RFC 6716 §4.2.4). Reads 2 bytes, decodes nothing.
bool prl_opus_packet_has_fec(const uint8_t *packet, size_t size);

#endif

// codec.h -- the codecs of a call behind one table: Opus and G.711.
//
// Outward a `prl_voice_out` turns 20 ms of 24 kHz PCM into one payload, inward a `prl_voice_in` turns
// payloads into 16 kHz PCM and hides what is missing; it is what media/jitter.h wants to be given.
// Units:    samples as named; RTP clock units in `step`.
// Threads:  one owner an object. Memory: all in create; nothing afterwards.
// Errors:   broken payloads become nothing. Delay: Opus 6.5 ms outward; G.711 the resampler's, 4 ms
//           (96 samples) outward and 4 ms (64 samples) inward.
#ifndef PRL_MEDIA_CODEC_H
#define PRL_MEDIA_CODEC_H

#include "media/jitter.h"
#include "media/opus.h"

enum prl_codec { PRL_CODEC_OPUS, PRL_CODEC_PCMU, PRL_CODEC_PCMA, PRL_CODEC_COUNT };

enum { PRL_CODEC_IN_SAMPLES = PRL_OPUS_IN_SAMPLES, PRL_CODEC_PAYLOAD_MAX = 1200 };

struct prl_voice_out;
struct prl_voice_in;

// RTP clock of the codec: 48,000 or 8,000.
uint32_t prl_codec_clock_hz(enum prl_codec codec);

// `tuning` is Opus'; G.711 has none.
enum prl_err prl_voice_out_create(struct prl_voice_out **out, enum prl_codec codec,
                                  const struct prl_opus_tuning *tuning) PRL_MUST_USE;
void prl_voice_out_destroy(struct prl_voice_out **voice);
void prl_voice_out_tune(struct prl_voice_out *voice, const struct prl_opus_tuning *tuning);
// PRL_CODEC_IN_SAMPLES of sound; returns the bytes written (`out` has PRL_CODEC_PAYLOAD_MAX), 0:
// nothing to send.
size_t prl_voice_out_encode(struct prl_voice_out *voice, const int16_t *pcm, uint8_t *out);

enum prl_err prl_voice_in_create(struct prl_voice_in **out, enum prl_codec codec) PRL_MUST_USE;
void prl_voice_in_destroy(struct prl_voice_in **voice);
// The functions and their argument, for prl_jitter_create; valid while the object lives.
const struct prl_jitter_codec *prl_voice_in_codec(struct prl_voice_in *voice);

#endif

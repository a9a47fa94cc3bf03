// g711.h -- µ-law and A-law, 8 bits a sample.
//
// Threads: any. Memory: none. Errors: none, every byte and every sample is legal.
// Source:  ITU-T G.711 (11/88), tables 1a/1b and 2a/2b; 16-bit samples use its 13 and 14 upper bits.
#ifndef PRL_MEDIA_G711_H
#define PRL_MEDIA_G711_H

#include <stddef.h>
#include <stdint.h>

uint8_t prl_g711_ulaw_encode(int16_t sample);
int16_t prl_g711_ulaw_decode(uint8_t code);
uint8_t prl_g711_alaw_encode(int16_t sample);
int16_t prl_g711_alaw_decode(uint8_t code);

void prl_g711_ulaw_encode_all(uint8_t *out, const int16_t *pcm, size_t count);
void prl_g711_ulaw_decode_all(int16_t *pcm, const uint8_t *in, size_t count);
void prl_g711_alaw_encode_all(uint8_t *out, const int16_t *pcm, size_t count);
void prl_g711_alaw_decode_all(int16_t *pcm, const uint8_t *in, size_t count);

#endif

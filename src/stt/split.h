// split.h -- where to cut long sound, and whether there is any. Pure.
//
// Units:    16-bit samples at 16 kHz. Threads: any. Memory: none.
#ifndef PRL_STT_SPLIT_H
#define PRL_STT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A piece for a recogniser is at most 25 s and at least 15 s long when a cut has to be found.
enum { PRL_SPLIT_MAX = 25 * 16000, PRL_SPLIT_MIN = 15 * 16000 };

// The quietest point (150 ms around it) of pcm[PRL_SPLIT_MIN..PRL_SPLIT_MAX]; n > PRL_SPLIT_MAX.
size_t prl_split_find(const int16_t *pcm, size_t n);

// True when less than 90 ms of it is louder than a quiet room (30 ms frames of -55 dBFS RMS): nobody
// says a word in that.
bool prl_split_is_silent(const int16_t *pcm, size_t n);

#endif

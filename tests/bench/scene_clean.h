// scene_clean.h -- what a session has made of the microphone's sound.
//
// Units: samples at 16 kHz. Threads: the session's loop.
#ifndef PRL_TESTS_BENCH_SCENE_CLEAN_H
#define PRL_TESTS_BENCH_SCENE_CLEAN_H

#include <stdint.h>

struct prl_session;

// Copies what was processed since sample `from` to the same places of `pcm`; returns where it ends. To be called at
// least once in the length of the session's ring (1 s).
uint64_t scene_clean(const struct prl_session *session, int16_t *pcm, uint64_t from);

#endif

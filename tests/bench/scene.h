// scene.h -- what the scenes of tests/bench share: recordings, and a voice that reads them.
//
// Threads:  the main one; the voice runs on its lane.
// Errors:   a file that cannot be used ends the program.
#ifndef PRL_TESTS_BENCH_SCENE_H
#define PRL_TESTS_BENCH_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "tts/backend.h"

enum { SCENE_UNIT = 7200 }; // samples of sound a word

struct scene_sound {
    int16_t *pcm; // owned
    size_t count;
};

struct scene_sound scene_read(const char *path, uint32_t hz);
// Root mean square.
double scene_level(const int16_t *pcm, size_t count);
void scene_set_level(struct scene_sound *sound, double level);
// Where speech begins: 10 ms reach a quarter of the level of the whole and 200 ms a half of it, in the
// difference of samples. A breath, a click or a thump before the first word is none.
size_t scene_onset(const struct scene_sound *sound);
// Takes away what is before the first loud sound: the same in the samples themselves.
void scene_trim(struct scene_sound *sound);

// For prl_tts_conf.backends: reads `sound` (24 kHz, borrowed, at least SCENE_UNIT), a word each SCENE_UNIT.
const struct prl_tts_ops *const *scene_mouths(const struct scene_sound *sound);

#endif

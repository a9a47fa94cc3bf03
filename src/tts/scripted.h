// scripted.h -- a voice that hums, after a fixed delay; for tests and load measurements. front_conf is
// a struct prl_scripted, copied by create.
//
// Each word of a clause sounds for 300 ms. The first clause of a generation begins with the chirp of
// media/chirp.h at its very first sample. Sound comes in pieces of 200 ms at ten times real time.
#ifndef PRL_TTS_SCRIPTED_H
#define PRL_TTS_SCRIPTED_H

#include "tts/front.h"

extern const struct prl_tts_front_ops prl_tts_scripted;

#endif

// scripted.h -- a recogniser that hears "words" at a steady pace, after a fixed delay; for tests and
// load measurements. front_conf is a struct prl_scripted, copied by create.
//
// The text depends on nothing but the length of the speech: one word for each 300 ms of it, and a
// full stop. Partials come each 300 ms with the delay of a decode; all of their words but the last
// one are stable. A decode of sound that was decoded already is answered at once, as with models.
// Memory:   the utterance is kept as for a model: 32 KiB a second, given back with begin and clear.
#ifndef PRL_STT_SCRIPTED_H
#define PRL_STT_SCRIPTED_H

#include "stt/front.h"

extern const struct prl_stt_front_ops prl_stt_scripted;

#endif

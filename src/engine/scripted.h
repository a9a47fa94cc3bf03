// scripted.h -- the delays of the scripted engines, which stand in for models in tests and load
// measurements (stt/scripted.h, llm/scripted.h, tts/scripted.h).
//
// A scripted engine knows nothing: it waits as long as a remote engine of that kind would, with a
// timer of the loop for each stream, and then gives a fixed text or sound. Any number of streams
// wait at the same time. Voice activity detection stays real.
// Units: milliseconds. Plain values.
#ifndef PRL_ENGINE_SCRIPTED_H
#define PRL_ENGINE_SCRIPTED_H

#include <stdint.h>

struct prl_scripted {
    int64_t stt_ms;       // asked -> text
    int64_t llm_first_ms; // asked -> first word
    int64_t llm_words_s;  // words a second from there on
    int64_t llm_words;    // of an answer
    int64_t tts_first_ms; // asked for a clause -> its first sample
};

#endif

// voices.h -- the voices by name, and the Realtime API's names mapped to them.
//
// Threads:  any; const tables.
// Source:   voice lists of the models (docs/MODELS.md); the mapping is by gender and timbre.
#ifndef PRL_TTS_VOICES_H
#define PRL_TTS_VOICES_H

#include <stdbool.h>
#include <stddef.h>

#include "tts/backend.h"

struct prl_voice {
    const char *name;   // what a client says: "heart", "alloy", "zf_xiaobei"
    const char *hibari; // the models' voices that speak for it; NULL: that model has none like it
    const char *kokoro_en;
    const char *kokoro_zh; // also used for mixed clauses, so that one voice speaks in one flow
    const char *accent;    // of its English: "en-US", "en-GB"; "zh-CN" for Mandarin voices
    char gender;           // 'f' or 'm'
    bool realtime;         // a name of the Realtime API
};

// NULL beyond the last.
const struct prl_voice *prl_voice_at(size_t index);
// By name, case-sensitive; NULL for an unknown one (and for NULL).
const struct prl_voice *prl_voice_find(const char *name);

#endif

// persona.h -- the words that tell the model who it is, the system text of a session.
//
// Order: how to speak, what the session's owner wants, then the place last, because the beginning that
// all sessions share is kept in the model's memory once. Date and time are not in it for English and
// Chinese: small models say them unasked (docs/TUNING.md, "Persona"). They stand behind the user's
// words that ask for them instead (prl_llm_persona_when), where they are those of now and the prefix
// stays as it is. For other languages, whose questions we do not know, they are the system text's end,
// set when the session starts.
// Units:    wall time in microseconds since 1970 UTC.
// Threads:  any; pure but for the local time zone.
// Memory:   the result is given to the caller (prl_mem_free).
// Errors:   NOMEM; LIMIT when the text exceeds PRL_LLM_PERSONA_BYTES_MAX.
#ifndef PRL_LLM_PERSONA_H
#define PRL_LLM_PERSONA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_LLM_PERSONA_BYTES_MAX = 256 << 10 };

struct prl_llm_persona {
    const char *language;     // BCP 47, e.g. "en", "zh-CN"; NULL or "auto": follow the speaker
    const char *instructions; // of the session; NULL or "": our default manner alone
    const char *locale;       // where the user is, free text ("Hamburg, Germany"); NULL: not said
    int64_t wall_us;          // now; 0: no date and time in the text
};

enum prl_err prl_llm_persona_text(char **out, const struct prl_llm_persona *persona) PRL_MUST_USE;

enum { PRL_LLM_PERSONA_WHEN_SIZE = 96 };
// When the words ask for date or time: writes a note that says it, to stand behind them, and returns
// its length; 0 when they do not ask. A check of the text alone, for the phrases of such questions in
// English, Chinese and, fewer, of eight languages more. A note too many does little harm: "what time"
// in a story is one.
size_t prl_llm_persona_when(const char *words, size_t len, int64_t wall_us,
                            char note[PRL_LLM_PERSONA_WHEN_SIZE]);

// What is said aloud when an engine failed, in the session's language. Never NULL.
const char *prl_llm_persona_apology(const char *language);

#endif

// phrases.h -- the sound of phrases that are always the same, so that it is there before it is needed.
//
// An apology must sound just when the voice hangs. What is wanted is said once on a stream of its own
// and kept with its word marks; answers that are nothing but such a phrase take it from here.
// Units:    16-bit samples at 24 kHz; bytes.
// Threads:  the loop thread.
// Memory:   at most bytes_max of sound and PRL_PHRASES_MAX phrases; the one used longest ago goes. A
//           phrase of more than half of it is not kept.
// Errors:   a phrase that cannot be made is tried again no sooner than PRL_PHRASES_RETRY_US later.
// Bounds:   one phrase is made at a time, PRL_PHRASES_WAITING_MAX wait; further wishes are forgotten,
//           and come again with the next session.
#ifndef PRL_TTS_PHRASES_H
#define PRL_TTS_PHRASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "tts/tts.h"

struct prl_phrases;

enum {
    PRL_PHRASES_MAX = 256,
    PRL_PHRASES_WAITING_MAX = 8,
    PRL_PHRASES_TEXT_SIZE = 256,
    PRL_PHRASES_RETRY_US = 30000000
};

// A phrase and how it is said; together with the engine (prl_tts_next) that is the key.
struct prl_phrase_wish {
    const char *text; // shorter than PRL_PHRASES_TEXT_SIZE
    const char *voice;
    float speed;
    bool chinese;
};

struct prl_phrase {
    const int16_t *pcm;
    size_t samples;
    const struct prl_tts_mark *marks; // of the whole phrase
    size_t mark_count;
};

// `tts` is borrowed.
enum prl_err prl_phrases_create(struct prl_phrases **out, struct prl_tts *tts,
                                size_t bytes_max) PRL_MUST_USE;
void prl_phrases_destroy(struct prl_phrases **phrases);

// The phrase as the engine says it that would be asked now, else as another one said it; false: it is
// not there. Valid until the loop turns. Counts a hit or a miss.
bool prl_phrases_get(struct prl_phrases *phrases, const struct prl_phrase_wish *wish,
                     struct prl_phrase *out);
// Makes it, where that engine has not said it yet. Returns at once.
void prl_phrases_want(struct prl_phrases *phrases, const struct prl_phrase_wish *wish);

// Bytes of sound and number of phrases, in Prometheus form; hits and misses are of base/metrics.h.
void prl_phrases_render(const struct prl_phrases *phrases, struct prl_str *out);

#endif

// speech.h -- the sound of one answer that was made and not yet sent, with the words that go with it.
//
// A queue of PCM on the answer's own sample clock, and the places in the answer's text that the voice
// has reached. A pure core: TTS puts in, the output clock decides how much comes out.
//
// Units:    samples at 24 kHz and bytes of the answer's text, both counted from its start.
// Threads:  one owner.
// Memory:   one block for each chunk put in, freed as it is taken; marks grow to PRL_SPEECH_MARKS_MAX,
//           beyond which text is reached clause by clause.
// Errors:   NOMEM: nothing of the call was taken.
#ifndef PRL_SESSION_SPEECH_H
#define PRL_SESSION_SPEECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_SPEECH_MARKS_MAX = 16384 };

// One word: where it sounds and where it stands. At a clause's end comes a mark of no length.
struct prl_speech_mark {
    uint64_t sample_start, sample_end;
    size_t byte_start, byte_end;
};

struct prl_speech;

enum prl_err prl_speech_create(struct prl_speech **out) PRL_MUST_USE;
void prl_speech_destroy(struct prl_speech **speech);
// Empty again, position 0.
void prl_speech_reset(struct prl_speech *speech);

// Sound behind what is there already.
enum prl_err prl_speech_put(struct prl_speech *speech, const int16_t *pcm,
                            size_t samples) PRL_MUST_USE;
// A word, on the answer's clocks; starts never go back. The clause end is a mark too.
enum prl_err prl_speech_mark(struct prl_speech *speech,
                             const struct prl_speech_mark *mark) PRL_MUST_USE;
// Drops what lies behind `samples` (at least what was taken); nothing can be put afterwards.
void prl_speech_end_at(struct prl_speech *speech, uint64_t samples);

// Copies up to `max` samples out.
size_t prl_speech_take(struct prl_speech *speech, int16_t *out, size_t max);
// The next mark that begins before what was taken (or where all sound was taken: every mark).
bool prl_speech_next_mark(struct prl_speech *speech, struct prl_speech_mark *mark);

uint64_t prl_speech_made(const struct prl_speech *speech);  // put in so far
uint64_t prl_speech_taken(const struct prl_speech *speech); // taken so far

#endif

// marks.h -- where words sound: turns the words of a voice's script into marks, as the sound is made.
//
// A voice computes its script (phonemes, ids) in parts. A word is told once its end has been made;
// it may begin in one part and end in a later one.
// Units:    samples at 24 kHz from the start of the request; `at` counts what the script is made of.
// Threads:  the lane's. Memory: one mark a word, kept until the next request is longer.
// Errors:   NOMEM in begin.
#ifndef PRL_TTS_MARKS_H
#define PRL_TTS_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/backend.h"

// One word of the input and its place in the script. In order, may be empty.
struct prl_tts_word {
    uint32_t start; // [start, end) of the script
    uint32_t end;
    uint32_t source_start; // bytes of the original clause, [start, end)
    uint32_t source_end;
};

struct prl_marks {
    struct prl_tts_mark *list; // owned; what collect returned
    size_t capacity;
    size_t word;    // next one to tell
    bool begun;     // its begin was in a part that is no longer known
    uint32_t start; // sample, when begun
};

// What the voice has made so far.
struct prl_marks_made {
    const struct prl_tts_word *words; // of the whole request
    size_t word_count;
    uint32_t end;    // of the script: the part that is being made ends there
    uint32_t sample; // given out
    bool done;       // of this part all has been given out
    // Sample at which `at` begins; `at` lies in the part or right behind it.
    uint32_t (*sample_of)(const void *voice, uint32_t at);
    const void *voice;
};

// A zeroed struct is fine. `word_count` is the most marks of one request.
enum prl_err prl_marks_begin(struct prl_marks *marks, size_t word_count) PRL_MUST_USE;
void prl_marks_free(struct prl_marks *marks);

// Behind begin: of `words` those that the request wants are [marks->word, what it returns).
size_t prl_marks_choose(struct prl_marks *marks, const struct prl_tts_word *words, size_t count,
                        const struct prl_tts_request *request);

// Words that end within what has been given out and were not yet told: so many at marks->list.
size_t prl_marks_collect(struct prl_marks *marks, const struct prl_marks_made *made);

#endif

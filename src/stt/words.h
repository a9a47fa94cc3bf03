// words.h -- where in a recording each word was said; for tools and tests, not for conversations.
//
// Loads Whisper once more with its attention weights, so it takes a second and 200 MB a call.
// Units:    milliseconds from the first sample. A time is where the model attends to the word, not
//           its onset: 0.15 to 0.52 s after it for the four words of jfk.wav that follow a pause.
// Threads:  any; blocks.
// Errors:   as prl_stt_backend_ops.open and decode, with one line in `why`.
#ifndef PRL_STT_WORDS_H
#define PRL_STT_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stt/backend.h"

// One token of text: a word, a part of one, or a letter or two of Chinese. A leading space starts
// a new word.
struct prl_stt_word {
    const char *text; // not terminated; whole letters
    size_t len;
    int64_t at_ms;
    float probability;
};

typedef void (*prl_stt_word_fn)(void *arg, const struct prl_stt_word *word);

// `job` holds at most PRL_STT_PIECE_MAX_S of sound.
enum prl_err prl_stt_words(const struct prl_stt_open_conf *conf, const struct prl_stt_job *job,
                           prl_stt_word_fn fn, void *arg, char *why, size_t why_size) PRL_MUST_USE;

#endif

// engines.h -- the opened voice models, and which of them speaks what.
//
// English: hibari, or Kokoro for quality. Chinese and mixed text: Kokoro in one flow; with `fast_zh`
// FastSpeech2, whose Latin parts hibari speaks. espeak only when no other is left.
// Units:    microseconds.
// Threads:  one, the lane's; everything blocks.
// Memory:   the models'.
// Errors:   ENGINE when nothing could be opened, with one line in `why`. A model that cannot be
//           opened while another can is logged and left out.
#ifndef PRL_TTS_ENGINES_H
#define PRL_TTS_ENGINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tts/backend.h"
#include "tts/tts.h"

enum { PRL_TTS_ENGINES_MAX = 8 };

struct prl_tts_engine {
    const struct prl_tts_ops *ops;
    void *ctx;
};

struct prl_tts_engines {
    struct prl_tts_engine at[PRL_TTS_ENGINES_MAX]; // opened ones
    size_t count;
    struct prl_ort *ort; // owned
    bool fast_zh;
    bool fast_en;      // hibari speaks English whatever the voice
    bool best_en;      // Kokoro does
    double kokoro_rtf; // measured or from the cache; 0: not known
};

// Opens what `conf` asks for, lets each say a word, and decides by one timed clause whether Kokoro
// speaks English. `engines` is usable with close even after a failure.
enum prl_err prl_tts_engines_open(struct prl_tts_engines *engines, const struct prl_tts_conf *conf,
                                  char *why, size_t why_size) PRL_MUST_USE;
void prl_tts_engines_close(struct prl_tts_engines *engines);

// Languages that can be spoken, PRL_TTS_LANG_*.
unsigned prl_tts_engines_languages(const struct prl_tts_engines *engines);

// The `rank`-th choice for text in `languages` (0 is the best); NULL when there is none. `voice`: who
// asks for one of Kokoro's own voices by name gets it, for English too, unless quality is fast.
const struct prl_tts_engine *prl_tts_engines_choose(const struct prl_tts_engines *engines,
                                                    unsigned languages, const char *voice,
                                                    size_t rank);
// Whether the best choice can say a part of such a text as a part of it, and fast enough for the next part.
bool prl_tts_engines_parts(const struct prl_tts_engines *engines, unsigned languages,
                           const char *voice);
// How many segments from `start` on go to one engine, and which languages they have together: all
// that is left, or those of one language where mixed text has to be split.
size_t prl_tts_engines_run(const struct prl_tts_engines *engines, const struct prl_text_out *text,
                           size_t start, unsigned *languages);
// The voice of `ops` that speaks for the name a client gave.
const char *prl_tts_engines_voice(const struct prl_tts_ops *ops, const char *name,
                                  unsigned languages);

#endif

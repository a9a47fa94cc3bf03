// backend.h -- what one recogniser does: a piece of sound in, its text out.
//
// A backend is one file with one const table. It knows its model and nothing of streams, loops or
// sessions.
// Units:    16-bit samples at 16 kHz; one piece is at most PRL_STT_PIECE_MAX_S long.
// Threads:  all functions on one thread (the STT lane), blocking. decode and identify are one
//           uninterruptible step unless `stop` is polled; each backend states how often it does.
// Memory:   an answer's text is owned by the caller (prl_stt_answer_free).
// Errors:   NOTFOUND / ENGINE with one line in `why` from open (which file, what is wrong, what to
//           do); ENGINE, NOMEM, CANCELED (stop said so) from decode and identify.
#ifndef PRL_STT_BACKEND_H
#define PRL_STT_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "stt/stt.h"

enum {
    PRL_STT_WHY_SIZE = 384,
    PRL_STT_PIECE_MAX_S = 26,
    PRL_STT_TEXT_MAX = 64 * 1024, // bytes of one piece's text
};

struct prl_stt_open_conf {
    const struct prl_stt_paths *paths; // borrowed for the call
    struct prl_ort *ort;               // borrowed; NULL where a backend needs none
    int threads;                       // at least 1
    struct prl_cores *cores;           // borrowed, or NULL: always `threads`
    int threads_max;                   // with cores: of one decode, 0 no limit of its own
};

struct prl_stt_job {
    const int16_t *pcm;
    size_t samples;
    const char *language;    // a code, or "" to let the engine find out
    const char *prompt;      // words to expect, or NULL
    bool (*stop)(void *arg); // polled now and then; true: give up (CANCELED)
    void *stop_arg;
};

struct prl_stt_answer {
    struct prl_str text;                  // as the model wrote it: any bytes, not cleaned
    char language[PRL_STT_LANGUAGE_SIZE]; // what the engine took it for
    float no_speech;                      // 0..1, probability that nobody spoke; 0 when unknown
    float mean_log_prob;                  // of the tokens, 0 when unknown
    int tokens;                           // how many
    struct prl_stt_margin margin;
    bool complete; // the model ended by itself (no cap was reached)
};

struct prl_stt_backend_ops {
    const char *name;      // static, e.g. "moonshine"
    const char *languages; // "en,de" or NULL for many
    bool live;             // fast enough for live partials
    float doubt;           // mean log probability below which nobody spoke; 0: no such measure
    enum prl_err (*open)(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                         size_t why_size);
    void (*close)(void **ctx); // NULL is fine
    // `answer` is initialised; on failure its content is undefined but still to be freed.
    enum prl_err (*decode)(void *ctx, const struct prl_stt_job *job, struct prl_stt_answer *answer);
    // The same with everything that makes it safe and slow (full context); NULL when there is no
    // such thing.
    enum prl_err (*decode_again)(void *ctx, const struct prl_stt_job *job,
                                 struct prl_stt_answer *answer);
    // Which language is spoken; NULL when the engine cannot tell.
    enum prl_err (*identify)(void *ctx, const struct prl_stt_job *job,
                             char language[PRL_STT_LANGUAGE_SIZE], float *probability);
    const char *(*why)(const void *ctx); // last failure of decode, one line; never NULL
};

void prl_stt_answer_init(struct prl_stt_answer *answer);
void prl_stt_answer_free(struct prl_stt_answer *answer);

// The tables that exist; each in its own file.
extern const struct prl_stt_backend_ops prl_stt_moonshine;
extern const struct prl_stt_backend_ops prl_stt_whisper;
extern const struct prl_stt_backend_ops prl_stt_user; // a folder of the user's, through sherpa-onnx

#endif

// espeak.h -- runs espeak-ng as a process of its own: text in, sound out. It is GPL: never linked.
//
// Units:    text is UTF-8; PCM is 24 kHz.
// Threads:  any; blocks until the process is done, at most PRL_ESPEAK_TIMEOUT_US.
// Memory:   the caller frees *pcm with prl_mem_free.
// Errors:   NOTFOUND (no such program), TIMEOUT (killed), ENGINE (it failed or wrote no sound),
//           LIMIT (over PRL_ESPEAK_SAMPLES_MAX), NOMEM, IO. `why` gets one line.
#ifndef PRL_TTS_ESPEAK_H
#define PRL_TTS_ESPEAK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PRL_ESPEAK_TIMEOUT_US = 10000000,
    PRL_ESPEAK_SAMPLES_MAX = 24000 * 300,
};

struct prl_espeak_conf {
    const char *program; // path, or a name that PATH is searched for
    const char *voice;   // espeak's name, e.g. "en-us", "cmn"
    float speed;         // 0.25..1.5
};

enum prl_err prl_espeak_run(const struct prl_espeak_conf *conf, const char *text, size_t len,
                            int16_t **pcm, size_t *count, char *why, size_t why_size) PRL_MUST_USE;

#endif

// backend.h -- what an end-of-turn model has to offer to its lane.
//
// Threads:  the lane's. Memory: `open` makes `*ctx`, `close` frees it and sets it NULL.
// Errors:   as returned; `why` gets one line for the user.
#ifndef PRL_EOT_BACKEND_H
#define PRL_EOT_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_EOT_WHY_SIZE = 512 };

struct prl_ort;

struct prl_eot_open_conf {
    struct prl_ort *ort; // borrowed
    const char *model;   // path, valid during the call
    int threads;         // at least 1
};

struct prl_eot_backend_ops {
    const char *name; // static, for logs
    enum prl_err (*open)(void **ctx, const struct prl_eot_open_conf *conf, char *why,
                         size_t why_size);
    void (*close)(void **ctx);
    // Likelihood 0..1 that whoever spoke is done; at most PRL_EOT_SAMPLES_MAX samples at 16 kHz.
    enum prl_err (*predict)(void *ctx, const int16_t *pcm, size_t n, float *probability);
};

extern const struct prl_eot_backend_ops prl_eot_smart_turn;

#endif

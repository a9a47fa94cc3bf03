// echo_backend.h -- what a canceller of echo does; one file a backend, joined by echo.c.
//
// Units, threads and errors as in echo.h. `state` is the backend's own.
#ifndef PRL_DSP_ECHO_BACKEND_H
#define PRL_DSP_ECHO_BACKEND_H

#include "dsp/echo.h"

struct prl_echo_ops {
    const char *name;
    enum prl_err (*create)(void **state);
    void (*destroy)(void **state);
    void (*process)(void *state, int16_t *mic, const int16_t *reference);
    void (*stats)(const void *state, struct prl_echo_stats *stats);
};

extern const struct prl_echo_ops prl_echo_speex;

#endif

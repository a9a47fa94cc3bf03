// front.h -- what may stand behind the functions of stt.h in place of our own lane.
//
// A front is one file with one const table; prl_stt_conf.front chooses it. Each function keeps the
// contract of its namesake in stt.h; stt.c has checked the arguments and knows nothing besides.
// Threads:  the loop thread that created it. Memory: the front owns itself and its streams.
#ifndef PRL_STT_FRONT_H
#define PRL_STT_FRONT_H

#include "stt/stt.h"

struct prl_stt_front_ops {
    // `conf` is borrowed for the call, conf->front_conf is the front's own.
    enum prl_err (*create)(void **front, const struct prl_stt_conf *conf);
    void (*destroy)(void *front); // what create made, complete
    bool (*is_ready)(const void *front);
    size_t (*backlog)(const void *front);
    enum prl_err (*open)(void *front, const struct prl_stt_stream_conf *conf, void **stream);
    void (*close)(void *stream);
    enum prl_err (*configure)(void *stream, const char *language, const char *prompt);
    void (*begin)(void *stream, uint32_t generation);
    void (*clear)(void *stream);
    enum prl_err (*push)(void *stream, const int16_t *pcm, size_t n, bool silence);
    enum prl_err (*decode)(void *stream, uint32_t generation, enum prl_stt_want want);
    void (*cancel)(void *stream, uint32_t generation);
};

#endif
